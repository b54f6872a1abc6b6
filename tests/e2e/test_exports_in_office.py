"""Exports as LibreOffice reads them: dates are dates, codes stay text, nothing is a formula.  ``run.py browser`` installs LibreOffice where it can."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from sqlalchemy import select

from app.actions import exports
from app.actions.domain import ExportKind
from app.actions.models import Action, Component, ComponentSite
from app.reference.models import Site
from tests.accounts.helpers import post
from tests.actions.helpers import make_action

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

OFFICE = shutil.which("soffice") or shutil.which("libreoffice")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(OFFICE is None, reason="LibreOffice is not installed")]

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
Cell = tuple[str | None, str, str | None]  # kind, what is shown or the date, formula
#: Read as UTF-8, by semicolons, quotes as text, dates recognised in French: what somebody who opens the file chooses.
_FILTERS = {"csv": ["--infilter=CSV:59,34,76,1,,1036,false,true"]}


def opened(content: bytes, file_format: str) -> list[dict[str, Cell]]:
    """The first sheet, by its own heading, as LibreOffice understands it."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, f"export.{file_format}")
        given.write_bytes(content)
        command = [str(OFFICE), f"-env:UserInstallation=file://{folder}/profile", "--headless", "--norestore", *_FILTERS.get(file_format, ())]
        command += ["--convert-to", "fods", "--outdir", folder, str(given)]
        subprocess.run(command, check=True, timeout=180, env=os.environ | {"HOME": folder}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        root = ElementTree.fromstring(Path(folder, "export.fods").read_bytes())
    sheet = root.find(f".//{_TABLE}table")
    assert sheet is not None
    rows = [_cells(row) for row in sheet.iter(f"{_TABLE}table-row")]
    rows = [row for row in rows if any(cell[1] for cell in row)]
    heading = [cell[1].replace("\u00a0", " ") for cell in rows[0] if cell[1]]
    return [dict(zip(heading, row, strict=False)) for row in rows[1:]]


def _cells(row: ElementTree.Element) -> list[Cell]:
    found: list[Cell] = []
    for cell in row.iter(f"{_TABLE}table-cell"):
        shown = "\n".join("".join(part.itertext()) for part in cell.iter(f"{_TEXT}p"))
        value: Cell = (cell.get(f"{_OFFICE}value-type"), cell.get(f"{_OFFICE}date-value") or shown, cell.get(f"{_TABLE}formula"))
        found += [value] * min(int(cell.get(f"{_TABLE}number-columns-repeated") or 1), 50)
    return found


@pytest.mark.parametrize("file_format", ["xlsx", "ods", "csv"])
def test_opens_in_libreoffice(as_user: Callable[[str], FlaskClient], db_session: Session, file_format: str) -> None:
    action: Action = make_action(title="=1+1 ; \"Œnologie\"\t<b>&")
    component = db_session.scalars(select(Component).where(Component.action_id == action.id)).one()
    component.title, component.certif_info, component.formacode = "@SUM(A1)", "012345", "00128"
    site = db_session.scalars(select(Site).join(ComponentSite).where(ComponentSite.component_id == component.id)).one()
    site.name, site.postal_code = "-1+cmd|' /C calc'!A0", "01000"
    db_session.flush()
    columns = [column.key for column in exports.COLUMNS[ExportKind.COMPONENTS]]
    answer = post(
        as_user("principal"), "/actions-de-formation/export/composantes", {"format": file_format, "colonnes": columns},
        query_string={"numero": action.number}, buffered=True,
    )  # fmt: skip
    assert answer.status_code == 200
    (line,) = opened(answer.get_data(), file_format)
    assert {name: cell[2] for name, cell in line.items() if cell[2]} == {}, "formulas"
    for name, day in (("Date de fin prévue", action.planned_end), ("Début de la composante", component.planned_start)):
        kind, shown, _formula = line[name]
        assert (kind, date.fromisoformat(shown[:10])) == ("date", day), name
    quoted = "'" if file_format == "csv" else ""
    for name, text in {
        "Intitulé de l’action": quoted + '=1+1 ; "Œnologie" <b>&', "Intitulé composante": quoted + "@SUM(A1)", "Nom site session": quoted + "-1+cmd|' /C calc'!A0",
    }.items():  # fmt: skip
        assert line[name][:2] == ("string", text), name
    if file_format != "csv":  # a text file says of no cell what it is
        for name, text in {"Code postal session": "01000", "Certif Info": "012345", "Formacode": "00128", "N° Action": action.number}.items():
            assert line[name][:2] == ("string", text), name
        assert line["Heures en centre"][0] == "float"
