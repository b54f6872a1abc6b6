"""What the tests of exports share: a file taken out of any list, and its lines."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

from python_calamine import CalamineWorkbook

from tests.accounts.helpers import post

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

#: List → an account that may take it out, of the organisation if there is one, and what its address must hold.
LISTS: dict[str, str] = {
    "actions": "principal",
    "composantes": "principal",
    "stagiaires": "principal",
    "inscriptions": "principal",
    "nia-a-regulariser": "principal",
    "corrections-identite": "principal",
    "bilans-de-situation": "principal",
    "demandes-de-modification": "admin",
    "suivi-des-demandes": "principal",
    "echanges": "admin",
    "echanges-a-suivre": "principal",
    "comptes": "admin",
    "comptes-secondaires": "principal",
    "historique-comptes": "admin",
    "historique-organisme": "principal",
    "jetons": "principal",
    "delegations": "principal",
    "ecarts-agora": "admin",
    "imports": "principal",
}


def page_of(list_name: str) -> str:
    """The page of choice."""
    return f"/actions-de-formation/export/{list_name}" if list_name in ("actions", "composantes") else f"/exports/liste/{list_name}"


def columns_of(page: str) -> list[str]:
    """The columns a page of choice offers."""
    return re.findall(r'name="colonnes" value="([^"]+)"', page)


def take_out(
    browser: FlaskClient, list_name: str, file_format: str = "csv", columns: list[str] | None = None, more: dict[str, Any] | None = None, **query: Any
) -> TestResponse:
    """The answer of the form, with all its columns unless told otherwise."""
    address = page_of(list_name)
    if columns is None:
        answer = browser.get(address, query_string=query)
        assert answer.status_code == 200, (answer.status_code, answer.get_data(as_text=True)[:500])
        columns = columns_of(answer.get_data(as_text=True))
    return post(browser, address, {"format": file_format, "colonnes": columns, **(more or {})}, query_string=query, buffered=True)


def rows_of(content: bytes, mimetype: str = "text/csv") -> list[list[Any]]:
    """Heading and lines of a file."""
    if mimetype == "text/csv":
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))
    return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python(skip_empty_area=False)


def lines_of(answer: TestResponse) -> list[dict[str, Any]]:
    """The file, by its own heading."""
    assert answer.status_code == 200, answer.get_data(as_text=True)[:2000]
    rows = rows_of(answer.get_data(), answer.mimetype)
    return [dict(zip([cell.replace("\u00a0", " ") for cell in rows[0]], row, strict=True)) for row in rows[1:]]
