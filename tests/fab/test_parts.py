"""The parts of the screens, one by one: numbers, dates, searches, rows found by typing, permissions in one query."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.datastructures import MultiDict
from wtforms import Form

from app.core.exports import model_lists
from app.core.exports.rows import text_of
from app.core.fab import FrDateTimeField, Lookup, LookupField, WholeNumberField
from app.core.fab.fields import clean_text, escape_like
from app.core.fab.filters import folded
from app.core.fab.values import cell, format_number
from app.core.tabular.writing import ColumnKind, Heading, safe_text, write_csv

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2026, "2026"), (10_000, "10\u202f000"), (-1_234_567, "-1\u202f234\u202f567"), (Decimal("1234.50"), "1234,50"), (0, "0")],
)
def test_numbers_are_written_the_french_way(value: int | Decimal, shown: str) -> None:
    assert format_number(value) == shown


def test_empty_texts_are_nothing_and_nul_never_reaches_the_database() -> None:
    assert clean_text("  \x00 ") is None
    assert clean_text(" a\x00b ") == "ab"
    assert escape_like("50%_\\") == "50\\%\\_\\\\"
    assert folded("Élève À Nîmes") == "eleve a nimes"


@pytest.mark.parametrize(
    ("text", "kept"), [("=1", "'=1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), ("\tx", "'\tx"), ("\rx", "'\rx"), ("x=1", "x=1"), ("", "")]
)
def test_formulas_are_neutralised(text: str, kept: str) -> None:
    assert safe_text(text.encode()).decode() == kept


def _in_csv(value: Any, kind: ColumnKind) -> str:
    """One cell of a list of Flask-AppBuilder, as the file holds it."""
    line = text_of(model_lists._value(cell(value), kind), kind) + "\n"
    return b"".join(write_csv([Heading("x", kind)], [line.encode()])).decode().split("\r\n")[1]


def test_numbers_stay_numbers_in_files(app: Flask) -> None:
    with app.test_request_context():
        assert _in_csv(-12, ColumnKind.NUMBER) == "-12"
        assert _in_csv(Decimal("1234567.5"), ColumnKind.NUMBER) == "1234567,5"
        assert _in_csv(None, ColumnKind.NUMBER) == _in_csv(None, ColumnKind.TEXT) == ""
        assert _in_csv("=1", ColumnKind.TEXT) == "'=1"


def test_an_instant_is_typed_on_the_clock_of_the_region_and_kept_in_utc(app: Flask) -> None:
    class SomeForm(Form):
        at = FrDateTimeField("At")

    with app.test_request_context():
        assert SomeForm(MultiDict({"at": "05/07/2026 14:30"})).at.data == datetime(2026, 7, 5, 12, 30, tzinfo=UTC)
        assert SomeForm(MultiDict({"at": "2026-01-05T14:30"})).at.data == datetime(2026, 1, 5, 13, 30, tzinfo=UTC)
        for wrong in ("05/07/2026 25:00", "31/02/2026 10:00", "demain"):
            form = SomeForm(MultiDict({"at": wrong}))
            assert not form.validate()
            assert form.at._value() == wrong
        assert SomeForm(None, data={"at": datetime(2026, 7, 5, 12, 30, tzinfo=UTC)}).at._value() == "05/07/2026 14:30"


def test_a_whole_number_is_ascii_and_bounded(app: Flask) -> None:
    class SomeForm(Form):
        number = WholeNumberField("Number")

    with app.test_request_context():
        assert SomeForm(MultiDict({"number": "12\u202f345"})).number.data == 12345
        for wrong in ("1e3", "٣", "1.5", "9" * 30):
            assert not SomeForm(MultiDict({"number": wrong})).validate(), wrong


def test_a_row_of_a_big_table_is_found_by_typing(app: Flask, db_session: Session) -> None:
    from app.reference.models import Town

    lookup = Lookup(Town, ("insee_code", "name"))

    class SomeForm(Form):
        town = LookupField("Town", lookup=lookup)

    with app.test_request_context():
        assert SomeForm(MultiDict({"town": "11206"})).town.data.name == "Limoux"
        assert SomeForm(MultiDict({"town": "11206 – Limoux"})).town.data.name == "Limoux"
        assert SomeForm(MultiDict({"town": "limoux"})).town.data.insee_code == "11206"
        unknown = SomeForm(MultiDict({"town": "Nulle-Part-Du-Tout"}))
        assert not unknown.validate()
        assert unknown.town._value() == "Nulle-Part-Du-Tout"
        several = SomeForm(MultiDict({"town": "Saint"}))
        assert not several.validate()
        assert SomeForm(MultiDict({"town": "%"})).town.data is None


def test_suggestions_are_those_of_the_scope(app: Flask, browse: Any) -> None:
    page = browse("admin")
    contracts = next(one for one in app.appbuilder.baseviews if type(one).__name__ == "ContractModelView").route_base
    found = page.get(f"{contracts}/lookup/organisation?q=garonne").get_json()
    assert [one["value"] for one in found] == [one["label"] for one in found]
    assert len(found) == 1
    assert page.get(f"{contracts}/lookup/organisation?q=g").get_json() == []
    assert page.get(f"{contracts}/lookup/programme?q=garonne").status_code == 404
    assert browse("principal").get(f"{contracts}/lookup/organisation?q=garonne").status_code == 403


def test_permissions_are_read_once_per_request(browse: Any, statements: Any) -> None:
    page = browse("admin")
    with statements() as seen:
        assert page.get("/referentiels/dispositifs/list/").status_code == 200
    assert len([one for one in seen if "ab_permission_view_role" in one]) == 1
