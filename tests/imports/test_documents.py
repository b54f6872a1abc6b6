"""« Spécifications de l'interface d'import » and « Format d'import »: made of the definition that validates, and never out of step with it."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from flask_babel import gettext as _
from python_calamine import CalamineWorkbook
from sqlalchemy import select
from xlsxwriter import Workbook

from app.accounts.models import User
from app.accounts.testing import sign_in
from app.core.documents.files import MediaType, identify
from app.core.matrix import FieldKind, Need
from app.core.matrix.checking import Checker, Reader, groups_of
from app.core.matrix.definition import describe
from app.core.tabular import Cell, read_table
from app.core.tabular.writing import FileFormat
from app.core.tenancy import Scope, bound_scope
from app.imports import validator
from app.imports.columns import map_headings
from app.imports.matrices import IMPORTERS
from app.imports.services import LIMITS, limits_of
from app.imports.specification import Specification, specify
from app.imports.specification_pdf import make_pdf
from app.imports.template_file import make_example, make_template
from app.reference import models as reference_models
from app.trainees.forms import ReferenceSelect
from tests.architecture.test_queries import MOST, counted
from tests.imports.helpers import wrong_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

NAMES = sorted(IMPORTERS)


@pytest.fixture(params=NAMES)
def spec(request: pytest.FixtureRequest, db_session: Session) -> Specification:
    return specify(IMPORTERS[request.param].matrix)


def sheets(content: bytes) -> dict[str, list[list[Any]]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    return {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names}


def with_example_first(content: bytes) -> bytes:
    """The template as somebody fills it in: the lines of the example under the headings of the first sheet."""
    found = sheets(content)
    target = io.BytesIO()
    book = Workbook(target, {"in_memory": True, "default_date_format": "dd/mm/yyyy"})
    for name, rows in [(next(iter(found)), found[_("Example")]), *list(found.items())[1:]]:
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            for place, value in enumerate(row):
                if isinstance(value, datetime | date):
                    sheet.write_datetime(number, place, value)
                elif isinstance(value, int | float):
                    sheet.write_number(number, place, value)
                elif value:
                    sheet.write_string(number, place, value)
    book.close()
    return target.getvalue()


# ---- what is said is what is checked ---------------------------------------------------------------------------------


def test_each_column_is_described_as_the_definition_checks_it(spec: Specification) -> None:
    described = describe(spec.matrix)
    assert [(line.name, line.header, line.need) for line in spec.lines] == [(one.column.name, one.header, one.need) for one in described]
    assert [len(line.allowed) for line in spec.lines] == [len(one.choices) for one in described]
    assert all(line.needed and line.holds for line in spec.lines)


def test_each_value_that_is_listed_is_read_as_itself(spec: Specification) -> None:
    checker = Checker(spec.matrix)
    seen = 0
    for line in spec.lists:
        for one, choice in zip(line.allowed, line.described.choices, strict=True):
            for words in (one.written, *one.others):
                found = checker.readers[line.name].read(Cell(words))
                assert (found.message, str(found.value)) == (None, choice.value), (line.name, words)
                seen += 1
    assert seen or not spec.lists


def test_a_form_is_not_asked_about_each_value_of_a_list(spec: Specification, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes through its whole list each time: whoever reads the specification of long lists would wait for their square."""
    asked: list[str] = []
    judge = Reader._by_form

    def counting(self: Reader, words: str) -> Any:
        asked.append(self.column.name)
        return judge(self, words)

    monkeypatch.setattr(Reader, "_by_form", counting)
    specify(spec.matrix)
    assert asked and max(asked.count(name) for name in asked) <= 4


def test_the_example_validates(spec: Specification) -> None:
    checker = Checker(spec.matrix)
    assert spec.examples
    for example in spec.examples:
        for line in spec.lines:
            words = example[line.name]
            assert words or line.need is not Need.ALWAYS, f"{line.name} is mandatory, and the example leaves it blank"
            if words:
                assert checker.readers[line.name].read(Cell(words)).message is None, line.name
        for group in groups_of(checker):
            values = tuple(checker.readers[name].read(Cell(example[name])).value if example[name] else None for name in group.columns)
            if any(value is not None for value in values):
                assert group.judge(values)[1] == (), group.columns


# ---- the file to fill in ---------------------------------------------------------------------------------------------


def test_the_workbook_has_one_sheet_to_fill_in_and_the_others_are_not_read(spec: Specification) -> None:
    content = make_template(spec, FileFormat.XLSX)
    found = sheets(content)
    first, lists, example, read_me = found.values()
    assert list(found)[1:] == [_("Lists"), _("Example"), _("Read me")]
    assert first == [[line.header for line in spec.lines]]
    assert len(example) == 1 + len(spec.examples) and example[0] == first[0]
    assert read_me[0] == [_("Import format: %(matrix)s", matrix=spec.matrix.title)]
    for line in spec.lists:
        place = lists[0].index(line.header)
        assert [row[place] for row in lists[1:] if row[place]] == [one.written for one in line.allowed]


def test_the_workbook_types_its_columns_and_offers_the_lists(spec: Specification) -> None:
    content = make_template(spec, FileFormat.XLSX)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        styles = archive.read("xl/styles.xml").decode()
        notes = archive.read("xl/comments1.xml").decode()
    assert 'state="frozen"' in sheet and 'numFmtId="49"' in styles and 'formatCode="dd/mm/yyyy"' in styles
    lists = sum(line.kind in (FieldKind.CHOICE, FieldKind.YES_NO) for line in spec.lines)
    assert sheet.count('type="list"') == lists
    assert sheet.count('type="date"') == sum(line.kind is FieldKind.DATE for line in spec.lines)
    assert notes.count("<comment ") == len(spec.lines)
    assert "<f>" not in sheet
    assert f":A{LIMITS.lines + 1}" in sheet or not spec.lines[0].described.limit


def test_the_document_has_the_sheets_of_the_workbook(spec: Specification) -> None:
    """The same words in the same cells: a date or a figure is read as one in both."""
    workbook, document = (sheets(make_template(spec, kind)) for kind in (FileFormat.XLSX, FileFormat.ODS))
    assert list(document) == list(workbook)
    for name, rows in workbook.items():
        found = [row for row in document[name] if any(cell != "" for cell in row)]
        assert [_trimmed(row) for row in found] == [_trimmed(row) for row in rows if any(cell != "" for cell in row)], name


def _trimmed(row: list[Any]) -> list[Any]:
    while row and row[-1] == "":
        row = row[:-1]
    return row


def test_the_document_types_its_columns_and_offers_the_lists(spec: Specification) -> None:
    with zipfile.ZipFile(io.BytesIO(make_template(spec, FileFormat.ODS))) as archive:
        content = archive.read("content.xml").decode()
    rules = dict(re.findall(r'<table:content-validation table:name="(v[0-9]+)" table:condition="of:([^"]*)"', content))
    first = content[content.index("<table:table ") : content.index("</table:table>")]
    for place, line in enumerate(spec.lines):
        rule = rules.get(f"v{place}", "")
        assert ("in-list([" in rule) == bool(line.allowed), line.name
        assert ("in-list(&quot;oui" in rule) == (line.kind is FieldKind.YES_NO)
        assert ("is-date()" in rule) == (line.kind is FieldKind.DATE)
        assert (f'content-validation-name="v{place}"' in first) == bool(rule)
    assert 'table:message-type="stop"' not in content, "codes and other words are read as well"
    assert first.count("<office:annotation ") == len(spec.lines)
    assert f'number-rows-repeated="{limits_of(spec.matrix).lines}"' in first
    assert "formula" not in content


def test_the_csv_is_the_headings_alone(spec: Specification) -> None:
    content = make_template(spec, FileFormat.CSV)
    assert content.startswith(b"\xef\xbb\xbf") and content.count(b"\r\n") == 1
    assert read_table(content + b"x\r\n", LIMITS).header == tuple(line.header for line in spec.lines)


def filled(spec: Specification, kind: FileFormat) -> bytes:
    """What somebody has who takes the example of this format."""
    if kind is FileFormat.CSV:
        return make_example(spec)
    if kind is FileFormat.XLSX:
        return with_example_first(make_template(spec, kind))
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(make_template(spec, kind))) as read, zipfile.ZipFile(target, "w") as written:
        for name in read.namelist():
            content = read.read(name).decode()
            if name == "content.xml":
                begins = [found.start() for found in re.finditer("<table:table ", content)]
                content = content[: begins[0]] + content[begins[2] :]
            written.writestr(name, content)
    return target.getvalue()


@pytest.mark.parametrize("kind", list(FileFormat))
def test_the_template_with_its_example_has_nothing_wrong_but_whom_it_is_about(spec: Specification, kind: FileFormat) -> None:
    """Round trip: the file as it is given, filled in with its example, read, checked and planned as an import is."""
    content = filled(spec, kind)
    table = read_table(content, LIMITS)
    assert len(table.rows) == len(spec.examples), "lines of other sheets are no data"
    report = validator.check_file(spec.matrix, content)
    assert (report.findings, report.unknown, report.twice, report.missing_keys, report.missing_others, report.blanks) == ([], [], [], [], [], [])
    checker = Checker(spec.matrix)
    mapped = map_headings(table.header, spec.matrix, {})
    cells = {name: [row.cells[place] for row in table.rows] for place, name in enumerate(mapped.columns)}
    checked = checker.check([row.number for row in table.rows], cells)
    plan = IMPORTERS[spec.matrix.name].plan(checker, checked, lambda _done, _total: None, lock=False)
    keys = {column.name for column in spec.matrix.keys} | {"", "nir"}  # nobody has this number, whose form was checked above
    assert {finding.column for finding in plan.findings} <= keys


def test_two_sheets_never_have_one_name() -> None:
    from app.imports.template_words import free_name

    taken: set[str] = set()
    names = [free_name(name, taken) for name in ("Sorties / rectifications / absences", "Exemple", "exemple", "Sorties   rectifications   absences")]
    assert len({name.casefold() for name in names}) == 4
    assert all(len(name) <= 31 and not set("[]:*?/\\'") & set(name) for name in names)


# ---- the pages -------------------------------------------------------------------------------------------------------


def test_the_page_says_every_column_and_value(spec: Specification, as_user: AsUser) -> None:
    answer = as_user("principal").get(f"/imports/{spec.matrix.name}/specifications")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200 and not wrong_with(page)
    for line in spec.lines:
        assert f'id="colonne-{line.name}"' in page and f'href="#colonne-{line.name}"' in page
    for line in spec.annex:
        assert f'id="liste-{line.name}"' in page and f'href="#liste-{line.name}"' in page


def test_the_page_asks_the_database_once_for_each_list(as_user: AsUser, app: Flask) -> None:
    browser = as_user("principal")
    browser.get("/imports/")
    for name in NAMES:
        with counted(app) as statements:
            assert browser.get(f"/imports/{name}/specifications").status_code == 200
        asked = [one for one in statements if "SAVEPOINT" not in one]  # of the test, not of the page
        assert len(asked) <= MOST, asked


def test_the_pdf_has_a_title_a_language_and_its_own_font(spec: Specification, as_user: AsUser) -> None:
    answer = as_user("principal").get(f"/imports/{spec.matrix.name}/specifications.pdf")
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="specifications-import-{spec.matrix.name}.pdf"')
    assert identify(answer.data) is MediaType.PDF
    assert b"(fr-FR)" in answer.data and b"/Title" in answer.data and b"/FontFile2" in answer.data
    pages = answer.data.count(b"/Type /Page\n")
    assert pages >= 2
    shorter = Specification(spec.matrix, spec.lines[:1], spec.examples, spec.read)
    short = make_pdf(shorter)
    assert short.count(b"/Type /Page\n") <= pages and len(short) < len(answer.data), "each column has its line"
    assert make_pdf(spec) is make_pdf(spec), "laid out once for all it says"
    told = replace(spec.lines[0], needed="autrement")
    assert make_pdf(replace(spec, lines=(told, *spec.lines[1:]))) != make_pdf(spec), "and anew when it says something else"


@pytest.mark.parametrize("kind", list(FileFormat))
def test_the_format_is_given_in_three_formats(as_user: AsUser, kind: FileFormat) -> None:
    browser = as_user("principal")
    for name in NAMES:
        answer = browser.get(f"/imports/{name}/format.{kind}")
        assert answer.status_code == 200 and answer.headers["Content-Type"] == kind.media_type
        assert f'filename="format-import-{name}.{kind}"' in answer.headers["Content-Disposition"]
    assert browser.get("/imports/stagiaires/format.xls").status_code == 404
    assert browser.get("/imports/autre/format.csv").status_code == 404
    assert browser.get("/imports/autre/specifications").status_code == 404


def test_the_menu_and_the_page_to_send_lead_to_the_documents(as_user: AsUser) -> None:
    browser = as_user("principal")
    index = browser.get("/imports/").get_data(as_text=True)
    for name in NAMES:
        send = browser.get(f"/imports/{name}").get_data(as_text=True)
        for address in DOCUMENTS:
            assert f'href="/imports/{name}/{address}"' in index
            assert f'href="/imports/{name}/{address}"' in send


DOCUMENTS = ("specifications", "specifications.pdf", "format.xlsx", "format.ods", "format.csv", "exemple.csv")


def test_whoever_makes_the_files_reads_the_documents_without_an_account(as_user: AsUser, app: Flask) -> None:
    for name in NAMES:
        page = app.test_client().get(f"/imports/{name}/specifications")
        assert page.status_code == 200 and not wrong_with(page.text)
        assert 'href="/verifier-un-fichier"' in page.text and f'href="/verifier-un-fichier?matrice={name}"' in page.text
        assert 'href="/imports/"' not in page.text, "what asks for an account is not offered"
        for address in DOCUMENTS[1:]:
            assert f'href="/imports/{name}/{address}"' in page.text
    check = app.test_client().get("/verifier-un-fichier").text
    for address in DOCUMENTS:
        answers = [browser.get(f"/imports/stagiaires/{address}") for browser in (app.test_client(), as_user("admin"), as_user("secondaire"))]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert all(f'href="/imports/{name}/{address}"' in check for name in NAMES)
    assert 'href="/imports/"' in as_user("secondaire").get("/imports/stagiaires/specifications").text


def test_what_anybody_reads_holds_nothing_of_an_organisation(app: Flask, db_session: Session) -> None:
    """Closed lists come from the value lists of the Région, which are the same for all, or from the definitions."""
    for name in NAMES:
        for form in IMPORTERS[name].matrix.forms().values():
            for control in form:
                if isinstance(control, ReferenceSelect):
                    table = getattr(reference_models, control._model).__table__
                    assert not {"organisation_id", "account_id", "created_by_id"} & set(table.columns.keys()), control.name
    signed_out = {name: specify(IMPORTERS[name].matrix).lists for name in NAMES}
    with bound_scope(Scope.organisation(db_session.scalars(select(User.organisation_id).where(User.username == "principal")).one())):
        assert {name: [line.allowed for line in specify(IMPORTERS[name].matrix).lists] for name in NAMES} == {
            name: [line.allowed for line in lists] for name, lists in signed_out.items()
        }


def test_files_are_made_for_anybody_as_often_as_files_are_checked(limited: Flask) -> None:
    browser, there = limited.test_client(), {"environ_overrides": {"REMOTE_ADDR": "203.0.113.9"}}
    statuses = [browser.get("/imports/realisations/format.csv", **there).status_code for _number in range(21)]
    assert statuses == [200] * 20 + [429]
    assert browser.get("/imports/realisations/specifications", **there).status_code == 200
    assert browser.get("/imports/realisations/format.csv", environ_overrides={"REMOTE_ADDR": "203.0.113.10"}).status_code == 200
    sign_in(limited, browser, "principal")
    assert browser.get("/imports/realisations/format.csv", **there).status_code == 200, "who has an account is not braked by others"


def test_no_page_shows_a_number_of_a_person(spec: Specification) -> None:
    for line in spec.lines:
        assert not any(character.isdigit() for character in line.shown_example) or not line.described.column.secret


def test_people_read_no_technical_name_and_files_may_bear_it(spec: Specification, as_user: AsUser) -> None:
    page = as_user("principal").get(f"/imports/{spec.matrix.name}/specifications").text
    shown = re.sub(r"<[^>]*>", " ", page)
    named = [line.name for line in spec.lines if "_" in line.name]
    assert named and [name for name in named if re.search(rf"\b{name}\b", shown)] == []
    assert map_headings(named, spec.matrix, {}).columns == named


def test_hours_are_said_to_have_decimals(as_user: AsUser, db_session: Session) -> None:
    page = as_user("principal").get("/imports/inscriptions/specifications").text
    assert page.count("Nombre, 2 décimales au plus") == 2 and "Numéro<" not in page


def test_no_sheet_has_its_name_cut(spec: Specification) -> None:
    name = spec.matrix.sheet_name
    assert next(iter(sheets(make_template(spec, FileFormat.XLSX)))) == name
    assert next(iter(sheets(make_template(spec, FileFormat.ODS)))) == name
