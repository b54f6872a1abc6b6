"""The cells of a file are judged as the form judges them, however fast."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import phonenumbers
import pytest
from email_validator import validate_email
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from wtforms import StringField

from app.core.matrix.checking import BLANK, Checker, impersonal
from app.core.matrix.definition import header_of
from app.core.tabular import Cell, CellKind
from app.imports.matrices import IMPORTERS
from app.imports.validator import check_file
from app.imports.work import plan_of_lines
from app.trainees.forms import _PLAIN_MOBILE, ContactForm
from tests.actions.helpers import make_action
from tests.imports.helpers import csv_of, row_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.accounts.models import User

_WORDS = st.one_of(
    st.text(alphabet="abcDEÉœ '’-.0123456789@<>/;,&()", min_size=1, max_size=140),
    st.text(min_size=1, max_size=130),
    st.from_regex(r"0[67]([ .-]?[0-9]{2}){4}", fullmatch=True),
    st.from_regex(r"[a-z]{1,5}([.-][a-z0-9]{1,4})?@(exemple\.fr|x\.test|ü\.fr|[a-z]{1,3})", fullmatch=True),
    st.from_regex(r"rue [12][0-9]{12} [0-9]{2}", fullmatch=True),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(words=_WORDS)
def test_a_text_is_read_as_the_form_reads_it(db_session: Session, words: str) -> None:
    columns = {(column.form, column.name): (importer.matrix, column) for importer in reversed(IMPORTERS.values()) for column in importer.matrix.columns}
    checkers = {importer.matrix.name: Checker(importer.matrix) for importer in IMPORTERS.values()}
    for matrix, column in columns.values():
        checker = checkers[matrix.name]
        form = checker.forms[column.form]
        control = column.field(form)
        if not isinstance(control, StringField) or column.digits:
            continue
        read = checker.readers[column.name].read(Cell(words, CellKind.TEXT))
        fresh = column.form(formdata=MultiDict([(column.name, words)]))
        fresh.validate()
        expected = fresh[column.name]
        if column.name in ("town", "ft_number", "ft_agency_code", "esf_birth_postal_code", "nir", "key"):
            continue  # judged with others, or let go where another answer does not ask for it
        if read == BLANK and checker.readers[column.name].required:
            assert expected.errors == [checker.missing(column.name)], "the line says so, which knows whether it is needed"
            continue
        assert (read.message is None) == (not expected.errors), column.name
        if read.message is None:
            assert (read.value or "") == (expected.data or ""), column.name
        elif "Trop long" not in read.message and "Too long" not in read.message:
            assert read.message == impersonal(expected.errors[0], words, expected.data)


def test_what_is_said_of_a_cell_does_not_repeat_it(db_session: Session) -> None:
    """Lines with the same thing to mend are counted together, and nothing of a person is kept in clear."""
    reader = Checker(IMPORTERS["stagiaires"].matrix).readers["birth_name"]
    said = {reader.read(Cell(words, CellKind.TEXT)).message or "" for words in ("Nom000", "N(om", "x" * 59 + "0")}
    assert len(said) == 1
    assert not any("Nom000" in words or "“”" in words for words in said)


@pytest.mark.parametrize("first", ["6", "7"])
def test_plain_mobile_numbers_are_those_of_the_library(db_session: Session, first: str) -> None:
    form = ContactForm(formdata=None)
    for prefix in range(1000):
        typed = f"0{first}{prefix // 100} {prefix % 100:02d} 34 56 78"[:14]
        digits = f"0{first}{prefix:03d}45678"
        assert _PLAIN_MOBILE.fullmatch(typed) is None or len(typed) == 14
        if _PLAIN_MOBILE.fullmatch(digits) is None:
            continue
        number = phonenumbers.parse(digits, "FR")
        assert phonenumbers.is_valid_number(number), digits
        assert phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
        form.mobile.process(MultiDict([("mobile", digits)]))
        assert form.mobile.validate(form)
        assert form.mobile.data == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@pytest.mark.parametrize("address", ["a@exemple.fr", "Paul.Martin@Exemple.FR", "a_b-c@sous.exemple.fr", "9a@exemple.fr"])
def test_plain_addresses_are_those_of_the_library(db_session: Session, address: str) -> None:
    form = ContactForm(formdata=None)
    form.email.process(MultiDict([("email", address)]))
    assert form.email.validate(form)
    assert form.email.data == validate_email(address, check_deliverability=False).normalized


def test_a_year_that_is_not_in_the_list_says_the_first_and_the_last(db_session: Session) -> None:
    reader = Checker(IMPORTERS["stagiaires"].matrix).readers["last_class_year"]
    years = sorted(int(one.words) for one in reader.choices())
    assert str(reader.read(Cell("1850", CellKind.TEXT)).message) == f"Valeur inconnue : écrivez un nombre entier de {years[0]} à {years[-1]}."


@pytest.mark.parametrize(
    ("words", "is_read"),
    [
        ("1981-02-01 00:00:00", True), ("1981-02-01T00:00:00", True), ("1981-02-01T00:00:00.000Z", True), ("1981-02-01 00:00:00+00:00", True),
        ("01/02/1981 00:00", True), ("1981-02-01 08:30:00", False), ("1981-02-01 00:00:01", False), ("1981-02-01T", False), ("00:00:00", False),
    ],
)  # fmt: skip
def test_a_day_with_the_time_zero_is_a_day(db_session: Session, words: str, is_read: bool) -> None:
    read = Checker(IMPORTERS["stagiaires"].matrix).readers["birth_date"].read(Cell(words, CellKind.TEXT))
    assert (read.value, read.message is None) == (date(1981, 2, 1) if is_read else None, is_read)


@pytest.mark.parametrize(
    ("typed", "key", "column"),
    [
        (Cell("184073155512399", CellKind.TEXT), "", "nir"), (Cell("184073155512399", CellKind.NUMBER), "", "nir"),
        (Cell("184073000000000", CellKind.NUMBER), "", "nir"), (Cell("1840731555123", CellKind.TEXT), "", "key"), (Cell("1840731555123", CellKind.TEXT), "99", "key"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_said_where_it_stands(account: User, typed: Cell, key: str, column: str) -> None:
    action = make_action()
    words = row_of(action, None)
    cells = {name: [Cell(text, CellKind.TEXT) if text else Cell()] for name, text in words.items()} | {"nir": [typed], "key": [Cell(key, CellKind.TEXT) if key else Cell()]}
    found = [one for one in plan_of_lines(IMPORTERS["stagiaires"].matrix, [2], cells, []).findings if one.column in ("nir", "key")]
    assert [one.column for one in found] == [column]
    assert ("format Texte" in found[0].message) == (typed.text.endswith("00000")), "what a spreadsheet rounded has its cure said"
    content = csv_of([words | {"nir": typed.text, "key": key}])
    assert [one.heading for one in check_file(IMPORTERS["stagiaires"].matrix, content).findings] == [str(header_of(IMPORTERS["stagiaires"].matrix.by_name[column]))]
