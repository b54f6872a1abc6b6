"""``make bench``: the measures as JSON lines; BENCH=drain,lists,actions,export,memory chooses among them."""

from __future__ import annotations

import os

import pytest

from tests.bench.__main__ import main

pytestmark = pytest.mark.bench


def test_bars_hold() -> None:
    assert main([name for name in (os.environ.get("BENCH") or "").split(",") if name]) == 0
