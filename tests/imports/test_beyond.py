"""What a file holds outside its headings, beside or above them: nothing of it is dropped without a word."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
import xlsxwriter
from sqlalchemy import select

from app.accounts.models import User
from app.core.extensions import db
from app.core.matrix.definition import header_of
from app.core.tabular import Refused, Table, read_table
from app.core.tabular.labels import column_letters
from app.core.tabular.labels import refused as refused_words
from app.core.tenancy import Scope, bound_scope
from app.imports import mending, queries, services, validator
from app.imports.beyond import NAME, SPILLED
from app.imports.labels import why_refused
from app.imports.matrices import IMPORTERS
from app.imports.models import ImportFinding, ImportHeading
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_nir
from tests.core.tabular_files import ods
from tests.imports.helpers import FileState, csv_of, file_now, row_of, run, send, wrong_with

if TYPE_CHECKING:
    from flask.testing import FlaskClient

MATRIX = IMPORTERS["stagiaires"].matrix


def table_of(rows: Sequence[dict[str, str]]) -> Table:
    return read_table(csv_of(rows))


def shifted(rows: Sequence[dict[str, str]], line: int, more: str) -> bytes:
    lines = csv_of(rows).decode("utf-8-sig").split("\r\n")
    lines[line - 1] += more
    return "\r\n".join(lines).encode()


def workbook(lines: Sequence[Sequence[str]], *, merged: str = "") -> bytes:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target) as made:
        sheet = made.add_worksheet()
        for number, line in enumerate(lines):
            for place, words in enumerate(line):
                if words:
                    sheet.write_string(number, place, words)
        if merged:
            sheet.merge_range(merged, lines[0][0])
    return target.getvalue()


def cells_of(rows: Sequence[dict[str, str]]) -> list[list[str]]:
    table = table_of(rows)
    return [list(table.header), *[[cell.text for cell in row.cells] for row in table.rows]]


def said(file_id: int) -> list[tuple[int, str, str]]:
    return [(one.line, one.column_name, one.message) for one in db.session.scalars(select(ImportFinding).where(ImportFinding.file_id == file_id))]


@pytest.fixture
def rows(account: User) -> list[dict[str, str]]:
    action = make_action()
    return [row_of(action, make_nir()) for _number in range(3)]


def test_a_line_with_cells_too_many_says_that_and_nothing_else(account: User, rows: list[dict[str, str]]) -> None:
    rows[1] |= {"postal_code": "?", "mobile": "x"}  # what a shift makes of the other cells
    content = shifted(rows, 3, ";;trop;de;cases")
    file = send(account, content)
    assert (file.state, file.counts) == (FileState.READY, {"create": 2, "change": 0, "same": 0, "wrong": 1})
    ((line, column, message),) = said(file.id)
    assert (line, column) == (3, "")
    assert message.startswith("3 cellules de trop après la dernière colonne (« ") and "guillemets" in message
    report = validator.check_file(MATRIX, content)
    assert [(one.line, one.heading, one.message) for one in report.findings] == [(3, "", message)]


def test_the_cells_too_many_come_back_with_the_annotated_file(account: User, principal: FlaskClient, rows: list[dict[str, str]]) -> None:
    file = send(account, shifted(rows, 3, ";trop"))
    before = said(file.id)
    for kind in ("csv", "xlsx", "ods"):
        content = post(principal, f"/imports/fichier/{file.id}/annote", {"format": kind}).data
        table = read_table(content)
        assert table.rows[1].cells[table.header.index(SPILLED)].text == "trop"
        again = send(account, content, name=f"retour.{kind}")
        assert again.state == FileState.READY and said(again.id) == before


def test_they_are_mended_in_the_grid(account: User, principal: FlaskClient, rows: list[dict[str, str]]) -> None:
    file = send(account, shifted(rows, 3, ";trop;peu"))
    address = f"/imports/fichier/{file.id}/ligne/3"
    page = principal.get(address).text
    assert wrong_with(page) == [] and 'value="trop | peu"' in page and "2 cellules de trop" in page
    report = principal.get(f"/imports/fichier/{file.id}").text
    assert "trop | peu" in report and wrong_with(report) == []
    post(principal, address, {"revision": "0", "cellule-town": "TOULOUSE"})
    assert len(said(file.id)) == 1
    post(principal, address, {"revision": str(file_now(file.id).revision), f"cellule-{NAME}": "peu"})
    assert "1 cellule de trop" in said(file.id)[0][2]
    post(principal, address, {"revision": str(file_now(file.id).revision), f"cellule-{NAME}": ""})
    assert (said(file.id), file_now(file.id).counts) == ([], {"create": 3, "change": 0, "same": 0, "wrong": 0})


def test_blank_cells_too_many_are_nothing(account: User, rows: list[dict[str, str]]) -> None:
    file = send(account, shifted(rows, 3, ";;; ;"))
    assert (file.state, said(file.id), SPILLED in (file.heading or ())) == (FileState.READY, [], False)


@pytest.mark.parametrize("as_text", [True, False])
def test_a_column_without_heading_that_holds_values_is_asked_about(
    account: User, principal: FlaskClient, rows: list[dict[str, str]], *, as_text: bool
) -> None:  # fmt: skip
    lines = cells_of(rows)
    place = len(lines[0])
    for number, line in enumerate(lines):
        line.append("note 06" if number == 2 else "")
    content = "\r\n".join(";".join(line) for line in lines).encode() if as_text else workbook(lines)
    file = send(account, content)
    assert file.state == FileState.TO_MAP
    page = principal.get(f"/imports/fichier/{file.id}").text
    assert wrong_with(page) == [] and f"(colonne {column_letters(place + 1)} sans titre)" in page and "note 06" in page
    report = validator.check_file(MATRIX, content)
    assert report.untitled == [column_letters(place + 1)] and not report.is_right
    post(principal, f"/imports/fichier/{file.id}/colonnes", {f"colonne-{place}": ""})
    assert run(file.id).counts == {"create": 3, "change": 0, "same": 0, "wrong": 0}
    assert "sans titre" not in str([one.heading for one in db.session.scalars(select(ImportHeading))])
    assert send(account, workbook([*lines, lines[-1][:2]])).state == FileState.TO_MAP  # asked again: what stands there is another thing each time


def test_a_column_without_heading_and_without_values_is_nothing(account: User, rows: list[dict[str, str]]) -> None:
    lines = [["", *line, ""] for line in cells_of(rows)]
    assert send(account, workbook(lines)).state == FileState.READY
    assert validator.check_file(MATRIX, workbook(lines)).is_right


def test_a_column_without_heading_is_named_by_a_program(account: User, rows: list[dict[str, str]]) -> None:
    lines = cells_of(rows)
    place = lines[0].index("Courriel") if "Courriel" in lines[0] else len(lines[0]) - 1
    lines[0][place] = ""
    for line in lines[1:]:
        line[place] = line[place] or "x@exemple.fr"
    file = send(account, workbook(lines))
    heading = next(words for words in file.heading or () if "sans titre" in words)
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        assert services.name_headings(file.id, {heading: None}, check=lambda _file: None)
    assert file_now(file.id).state == FileState.CHECKING


def test_a_line_shifted_holds_up_those_that_depend_on_it(account: User, rows: list[dict[str, str]]) -> None:
    file = send(account, shifted([rows[0], rows[0]], 2, ";trop"))
    shown: Any = mending.wrong_lines(file, [2])
    assert [cell.name for cell in shown[0].wrong] == [NAME]
    assert [one.line for one in queries.findings_of(file.id, [2])[2]] == [2]


# ---- above -------------------------------------------------------------------------------------------------------------


def refused_with(account: User, content: bytes, name: str = "stagiaires.csv") -> str:
    """Why a file is refused; the page that checks without an account says the same."""
    file = send(account, content, name=name)
    assert file.state == FileState.REFUSED
    with pytest.raises(Refused) as refused:
        validator.check_file(MATRIX, content, name=name)
    assert refused_words(refused.value) == str(why_refused(file))
    return refused_words(refused.value)


@pytest.mark.parametrize(("separator", "title"), [(";", "Liste des stagiaires 2026"), (";", "2026;;"), ("|", "Stagiaires, promotion 2026"), ("\t", "2026")])
def test_headings_under_a_title_are_recognised_in_a_text(account: User, rows: list[dict[str, str]], separator: str, title: str) -> None:
    content = f"{title}\r\n\r\n".encode() + csv_of(rows, separator=separator, encoding="utf-8")
    said_of_it = refused_with(account, content)
    assert said_of_it.startswith("Ligne 3 : cette ligne ressemble à celle des titres de colonnes") and "Supprimez les lignes au-dessus" in said_of_it


def test_headings_under_a_title_are_recognised_in_a_sheet_though_its_cells_are_merged(account: User, rows: list[dict[str, str]]) -> None:
    lines = [["Liste des stagiaires 2026"], ["Identité", "", "Coordonnées"], *cells_of(rows)]
    for merged in ("", "A1:F1"):
        assert refused_with(account, workbook(lines, merged=merged), "stagiaires.xlsx").startswith("Ligne 3 : cette ligne ressemble")


def test_headings_under_a_title_are_recognised_in_a_document_though_its_cells_are_merged(account: User) -> None:
    names = "".join(f"<table:table-cell><text:p>{header_of(column)}</text:p></table:table-cell>" for column in MATRIX.columns)
    title = '<table:table-cell table:number-columns-spanned="3"><text:p>Liste</text:p></table:table-cell><table:covered-table-cell/><table:covered-table-cell/>'
    content = ods("".join(f"<table:table-row>{cells}</table:table-row>" for cells in (title, names, names)))
    assert refused_with(account, content, "x.ods").startswith("Ligne 2 : cette ligne ressemble")


def test_headings_of_another_matrix_under_a_title_are_recognised_too(account: User) -> None:
    headings = [str(header_of(column)) for column in IMPORTERS["sorties"].matrix.columns]
    assert refused_with(account, workbook([["Sorties du mois"], headings, ["1", "2"]]), "x.xlsx").startswith("Ligne 2 :")


def test_a_line_of_headings_that_comes_again_is_a_line(account: User, rows: list[dict[str, str]]) -> None:
    lines = cells_of(rows)
    file = send(account, workbook([*lines, lines[0]]))
    assert (file.state, (file.counts or {})["wrong"]) == (FileState.READY, 1)
