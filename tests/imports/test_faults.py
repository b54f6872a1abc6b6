"""Every fault of a file is named by its line and its column, and nothing else; the annotated file, once mended, goes in.

``IMPORT_LINES`` and ``IMPORT_FAULTS`` set the size: 2,000 lines and 320 faults here; ``make chaos`` takes 50,000 and 2,000.
"""

from __future__ import annotations

import io
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url
from xlsxwriter import Workbook

from app.accounts.models import User
from app.core import tenancy
from app.core.extensions import db
from app.core.tabular import Refused, read_table
from app.core.tenancy import Scope
from app.imports.columns import TO_MEND
from app.imports.domain import FileState
from app.imports.matrices import IMPORTERS
from app.imports.models import ImportFinding
from app.imports.services import LIMITS
from app.imports.validator import check_file
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_nir
from tests.imports.faults import KINDS, World, make_lines, workbook, xlsx_of
from tests.imports.helpers import apply, csv_of, described, file_now, row_of, send

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

LINES = int(os.environ.get("IMPORT_LINES") or 2_000)
FAULTS = int(os.environ.get("IMPORT_FAULTS") or 320)
SEED = int(os.environ.get("IMPORT_SEED") or 20261128)
#: What a file that is read leaves behind: itself, its line in the journal, and the chain of the journal.
_OF_IMPORTS = ("import_", "audit_", "alembic")


@pytest.fixture
def with_statistics(db_session: Session, engines: dict[str, str]) -> None:
    """What the autovacuum of a base in service does: without statistics, the check of a foreign key reads the organisation for each new sheet."""
    name = db.session.scalar(text("SELECT current_database()"))
    with psycopg.connect(make_url(engines["superuser"]).set(database=name).render_as_string(hide_password=False), autocommit=True) as sql:
        sql.execute("ANALYZE")


def domain_content() -> dict[str, str]:
    """A digest of every table but those of imports and the journal."""
    tenancy.bind(Scope.system())
    found = {}
    for table in sorted(db.metadata.tables):
        if not table.startswith(_OF_IMPORTS):
            statement = text(f"SELECT count(*) || ' ' || coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') FROM {table} t")
            found[table] = str(db.session.scalar(statement))
    return found


def test_there_are_as_many_kinds_as_rules() -> None:
    assert len(KINDS) >= 40
    assert {column for column, _spoil in KINDS.values()} >= {"", "nir", "key", "action_number", "birth_date", "town", "esf_state", "last_class_year"}


@pytest.mark.usefixtures("with_statistics")
def test_every_fault_is_named_and_the_mended_file_goes_in(account: User, as_user: Any) -> None:
    browser: FlaskClient = as_user("principal")
    world = World()
    world.prepare()
    lines = make_lines(world, lines=LINES, faults=FAULTS, seed=SEED)
    content = xlsx_of([line.cells for line in lines])
    assert len(content) < LIMITS.size
    number = {place: place + 2 for place in range(len(lines))}
    expected = {(number[place], line.wrong): line.kind for place, line in enumerate(lines) if line.wrong is not None}
    before = domain_content()
    begin = time.monotonic()
    file = send(account, content, name="stagiaires.xlsx")
    seconds = time.monotonic() - begin
    assert file.state == FileState.READY
    assert domain_content() == before
    found = Counter((row.line, row.column_name) for row in db.session.execute(select(ImportFinding).where(ImportFinding.file_id == file.id)).scalars())
    missed = [(place, column, expected[place, column]) for place, column in expected.keys() - found.keys()]
    false = [(*place, lines[place[0] - 2].kind) for place in found.keys() - expected.keys()]
    assert (missed[:20], false[:20]) == ([], [])
    assert set(found.values()) == {1}
    assert len(expected) == FAULTS
    assert file.counts == {"create": LINES - FAULTS, "change": 0, "same": 0, "wrong": FAULTS}
    print(f"\n{LINES} lines, {FAULTS} faults of {len(KINDS)} kinds: all named, none else, in {seconds:.1f} s")

    # the right lines go in; the others are mended in the annotated file, which is sent back as it is
    read = text("SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'trainee'")
    read_before = db.session.scalar(read) or 0
    file = apply(file, partial=True)
    assert (db.session.scalar(read) or 0) - read_before < 20 * LINES  # in proportion to the lines, not to their square
    assert file.state == FileState.APPLIED
    annotated = post(browser, f"/imports/fichier/{file.id}/annote", {"format": "xlsx"}, buffered=True).data
    table = read_table(annotated, LIMITS)
    assert table.header[-1] == TO_MEND
    headers = {one.header: one.column.name for one in described()}
    columns = [headers[words] for words in table.header[:-1]]
    mended: list[list[Any]] = [list(table.header)]
    for line, row in zip(lines, table.rows, strict=True):
        cells = [cell.text for cell in row.cells]
        if line.wrong is None:
            assert cells[-1] == ""
        else:
            assert cells[-1]
            assert line.wrong == "" or table.header[columns.index(line.wrong)] in cells[-1]
            cells[:-1] = [str(line.right[name]) for name in columns]
        mended.append(cells)
    back = send(account, workbook(mended), name="retour.xlsx")
    assert db.session.scalar(select(func.count()).select_from(ImportFinding).where(ImportFinding.file_id == back.id)) == 0
    assert (back.state, back.counts) == (FileState.READY, {"create": FAULTS, "change": 0, "same": LINES - FAULTS, "wrong": 0})
    assert apply(back).state == FileState.APPLIED


# ---- what makes a file no table: said with its place, and nothing is taken ----------------------------------------------


def _book(write: Any) -> bytes:
    target = io.BytesIO()
    book = Workbook(target, {"in_memory": True})
    sheet = book.add_worksheet()
    names = [(one.column.name, one.header) for one in described()]
    rows = [row_of(make_action(), make_nir()) for _number in range(3)]
    for place, (name, header) in enumerate(names):
        sheet.write_string(0, place, header)
        for number, row in enumerate(rows):
            sheet.write_string(number + 1, place, row[name])
    write(sheet)
    book.close()
    return target.getvalue()


def _with(character: str) -> bytes:
    """A text with this character in the fourth cell of its third line."""
    content = csv_of([row_of(make_action(), make_nir(), civility="Monsieur") for _number in range(3)]).decode("utf-8-sig").split("\r\n")
    content[2] = content[2].replace("Monsieur", f"Mon{character}sieur", 1)
    return "\r\n".join(content).encode()


@pytest.mark.parametrize(
    ("make", "place"),
    [
        (lambda: _book(lambda sheet: sheet.write_formula(2, 4, "=A1")), "Ligne 3, colonne E « Nom de naissance »"),
        (lambda: _book(lambda sheet: sheet.write_formula(2, 4, "=1/0", None, "#DIV/0!")), "Ligne 3, colonne E « Nom de naissance »"),
        (lambda: _book(lambda sheet: sheet.merge_range(1, 4, 2, 4, "Essai")), "Ligne 2, colonne E « Nom de naissance »"),
        (lambda: _book(lambda sheet: sheet.set_row(2, None, None, {"hidden": True})), "Ligne 3"),
        (lambda: _book(lambda sheet: sheet.set_column(4, 4, None, None, {"hidden": True})), "Colonne E « Nom de naissance »"),
        (lambda: _with("\x00"), "Ligne 3"),
        (lambda: _with("\x07"), "Ligne 3"),
    ],
    ids=["formula", "error", "merged", "hidden line", "hidden column", "NUL", "control"],
)  # fmt: skip
def test_what_no_cell_may_hold_is_said_with_its_place(account: User, as_user: Any, make: Any, place: str) -> None:
    content = make()
    before = domain_content()
    file = send(account, content, name="stagiaires.xlsx" if content.startswith(b"PK") else "stagiaires.csv")
    assert file.state == FileState.REFUSED
    assert domain_content() == before
    number = file.id
    assert place in as_user("principal").get(f"/imports/fichier/{number}").text.replace("\xa0", " ")
    assert file_now(number).counts is None


def test_the_heading_of_a_fault_is_kept_when_the_matrix_knows_it_and_only_then(account: User) -> None:
    """What is kept of a file that was refused is not sealed, and a heading may be anything; whoever checks a file, of which nothing is kept, reads it."""
    headings = {one.column.name: one.header for one in described()}
    for words, kept in ((headings["first_name"], headings["first_name"]), ("Promotion de Paul", "")):
        target = io.BytesIO()
        with Workbook(target, {"in_memory": True}) as book:
            sheet = book.add_worksheet()
            sheet.write_row(0, 0, [headings["action_number"], words])
            sheet.write_row(1, 0, ["19Q1", "=1+1"])
        file = send(account, target.getvalue(), name="stagiaires.xlsx")
        assert file.fault == {"fault": "formula", "line": 2, "column": 2, "value": None, "in_text": False, "heading": kept}
        with pytest.raises(Refused) as refused:
            check_file(IMPORTERS["stagiaires"].matrix, target.getvalue())
        assert refused.value.heading == words
