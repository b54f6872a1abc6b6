"""The script of tests/fuzz on a few cases, so that it stays able to run, and to tell what breaks."""

from __future__ import annotations

import json

import pytest

from app.core.tabular import Fault, Refused
from tests.fuzz import readers


def test_a_few_cases(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(readers, "OFFICE", None)
    assert readers.run(cases=400, seconds=60, seed=7) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["broken"] == 0
    assert told["outcomes"]["read"] > 20, "some must be read, else only refusals are tried"
    assert len(told["outcomes"]) > 5


def test_a_crash_is_told_and_can_be_made_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(readers, "OFFICE", None)
    calls = 0

    def broken(*_given: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ZeroDivisionError
        raise Refused(Fault.EMPTY)

    monkeypatch.setattr(readers, "read_table", broken)
    assert readers.run(cases=3, seconds=60, seed=7) == 1
    told = json.loads(capsys.readouterr().out.splitlines()[0])
    assert told["crash"] == "ZeroDivisionError()" and told["case"] == 2
    seeds = readers.seeds_of()
    assert readers.case_of(7, 2, seeds) == readers.case_of(7, 2, seeds)
