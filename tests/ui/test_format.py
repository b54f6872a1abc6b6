"""How values are written in French."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from app.core.ui.format import (
    fr_date,
    fr_datetime,
    fr_header_datetime,
    fr_hours,
    fr_long_date,
    fr_money,
    fr_number,
    fr_time,
    masked_nir,
    nl2br,
)  # fmt: skip

MOMENT = datetime(2023, 1, 5, 13, 38, tzinfo=UTC)


def test_dates() -> None:
    assert fr_date(date(2023, 1, 5)) == "05/01/2023"
    assert fr_date(datetime(2023, 1, 5, 23, 30, tzinfo=UTC)) == "06/01/2023"
    assert fr_datetime(MOMENT) == "05/01/2023 14:38"
    assert fr_time(MOMENT) == "14:38"
    assert fr_long_date(date(2023, 1, 5)) == "5 janvier 2023"
    assert fr_long_date(date(2023, 8, 1)) == "1er août 2023"
    assert fr_header_datetime(MOMENT) == "Jeudi 05 Janv. 2023 14:38"
    assert fr_header_datetime(datetime(2023, 10, 3, 13, 2, tzinfo=UTC)) == "Mardi 03 Oct. 2023 15:02"
    assert fr_date(None) == fr_datetime(None) == fr_long_date(None) == fr_time(None) == ""
    assert fr_date("31/02/2023") == "31/02/2023"


def test_numbers() -> None:
    assert fr_money(Decimal("1234.5")) == "1\u202f234,50\u00a0€"
    assert fr_hours(300) == "300,00\u00a0h"
    assert fr_hours(Decimal("1234.5"), "hcf") == "1\u202f234,50\u00a0hcf"
    assert fr_number(1204) == "1\u202f204"
    assert fr_money(None) == fr_hours("") == fr_number(None) == ""


@pytest.mark.parametrize("value", ["1620713155089", "162071315508982", "1 62 07 13 155 089 82"])
def test_nir_is_masked(value: str) -> None:
    assert masked_nir(value) == "1 62 07 ** *** *** **"


def test_nir_edges() -> None:
    assert masked_nir("2 69 05 ** *** *** **") == "2 69 05 ** *** *** **"
    assert masked_nir(None) == ""
    assert "1" not in masked_nir("12")


def test_lines() -> None:
    assert nl2br("a\n<b>") == "a<br>&lt;b&gt;"
