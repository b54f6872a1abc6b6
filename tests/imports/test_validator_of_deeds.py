"""The public page that checks a file, for the matrices about enrolments: what needs no data is said, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.matrix.checking import Checker
from app.core.matrix.definition import describe
from app.core.nir import compute_key
from app.core.tabular import Cell
from app.imports import validator
from app.imports.matrices import IMPORTERS
from app.imports.specification import specify
from tests.imports.enrolment_files import content_of, day
from tests.imports.test_validator import send

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

NUMBER = "1850631555001"
WHO = {"action_number": "99X00000000_1", "nir": NUMBER, "key": compute_key(NUMBER), "birth_name": "Essai", "component_number": "01"}
PLAN = {"planned_start": day(-4), "planned_end": day(100), "hours_centre": "70", "hours_company": "30,5"}


def found(matrix: str, *rows: dict[str, str]) -> set[tuple[int, str]]:
    headers = {one.header: one.column.name for one in describe(IMPORTERS[matrix].matrix)}
    return {(one.line, headers.get(one.heading, "")) for one in validator.check_file(IMPORTERS[matrix].matrix, content_of(matrix, rows)).findings}


def test_each_nature_has_its_cells_and_no_other(db_session: Session) -> None:
    exit_ = {"nature": "Sortie", "actual_end": day(-1), "exit_reason_id": "Accès à l’emploi"}
    rows = [
        WHO | exit_, WHO | {"nature": "Sortie"}, WHO | exit_ | {"planned_end": day(9)}, WHO | {"nature": "Absence", "interrupted_on": day(-1)},
        WHO | {"nature": "Retour"}, WHO | {"nature": "Rectification"}, WHO | {"nature": "Rectification", "planned_end": day(9)}, WHO, WHO | {"nature": "Congé"},
        WHO | {"nature": "Sortie", "actual_end": "31/02/2026", "exit_reason_id": "Accès à l’emploi"},
        WHO | {"nature": "Rectification", "planned_start": day(9), "planned_end": day(2)},
    ]
    assert found("sorties", *rows) == {
        (3, "actual_end"), (3, "exit_reason_id"), (4, "planned_end"), (5, "reason"), (6, "resumed_on"), (7, "nature"), (9, "nature"), (10, "nature"),
        (11, "actual_end"), (12, "planned_end"),
    }  # fmt: skip


def test_dates_and_hours_that_no_component_holds(db_session: Session) -> None:
    rows = [
        WHO | PLAN, WHO | PLAN | {"planned_end": day(-10)}, WHO | PLAN | {"hours_centre": "0", "hours_company": "0"}, WHO | PLAN | {"hours_centre": "4000"},
        WHO | PLAN | {"planned_end": day(-3), "hours_centre": "70"}, WHO | {"hours_centre": "10"},
    ]  # fmt: skip
    assert found("inscriptions", *rows) == {(3, "planned_end"), (4, "hours_centre"), (5, "hours_centre"), (6, "hours_centre")}


def test_who_it_is_about_is_told_by_a_number_or_by_names_and_date_of_birth(db_session: Session) -> None:
    said = {"outcome": "Réalisation totale", "reason": "Rattrapage assuré en soirée"}
    bare = {name: words for name, words in WHO.items() if name not in ("nir", "key")}
    rows = [bare | said, bare | said | {"first_name": "Paul", "birth_date": "02/06/1985"}, bare | said | {"first_name": "Paul"}, WHO | said | {"outcome": ""}, WHO | said | {"key": "01"}]
    assert found("realisations", *rows) == {(2, "nir"), (4, "nir"), (5, "outcome"), (6, "key")}


@pytest.mark.parametrize("matrix", ["inscriptions", "realisations", "sorties"])
def test_the_page_checks_them_without_an_account(app: Flask, db_session: Session, matrix: str) -> None:
    answer = send(app.test_client(), content_of(matrix, [WHO | PLAN if matrix == "inscriptions" else WHO]), matrix=matrix, name=f"{matrix}.csv")
    assert answer.status_code == 200
    assert "99X00000000_1" not in answer.get_data(as_text=True)  # nothing is looked up, nothing is repeated


@pytest.mark.parametrize("matrix", ["inscriptions", "realisations", "sorties"])
def test_the_lines_of_the_example_are_right_by_themselves(db_session: Session, matrix: str) -> None:
    spec = specify(IMPORTERS[matrix].matrix)
    checker = Checker(spec.matrix)
    assert spec.read
    for read in spec.read:
        assert checker.alone(read, ()) == []


_CELLS = st.sampled_from(["", "x", day(-4), day(2), "0", "12,5", "5000", "Sortie", "Retour", "Absence", "Rectification", "Accès à l’emploi"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])  # nothing is written
@given(data=st.data())
def test_what_the_public_check_says_the_import_says_too(db_session: Session, data: st.DataObject) -> None:
    """A line about an action that nobody knows: the import says all that the public check does, and that the action is unknown."""
    matrix = IMPORTERS[data.draw(st.sampled_from(["inscriptions", "sorties", "realisations"]))].matrix
    names = [one.name for one in matrix.columns if one.name not in ("action_number", "nir", "key")]
    row = WHO | {name: data.draw(_CELLS) for name in data.draw(st.lists(st.sampled_from(names), max_size=5, unique=True))}
    public = {(one.heading, one.message) for one in validator.check_file(matrix, content_of(matrix.name, [row])).findings}
    checker = Checker(matrix)
    headers = {one.column.name: one.header for one in describe(matrix)}
    checked = checker.check([2], {name: [Cell(words)] for name, words in row.items() if words})
    plan = IMPORTERS[matrix.name].plan(checker, checked, lambda *_: None, lock=False)
    assert "action_number" in {one.column for one in plan.findings}
    lacking = {column.name for column in matrix.keys if not row.get(column.name)}  # said once of the file, not of each line
    assert public == {(headers[one.column], one.message) for one in plan.findings if one.column not in lacking | {"action_number"}}
