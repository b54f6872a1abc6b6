"""Files of trainees to send."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.actions.models import Action
from app.core import tenancy
from app.core.extensions import db
from app.core.matrix.definition import Description, describe
from app.core.nir import Nir
from app.core.tenancy import Scope, bound_scope
from app.imports import services, work
from app.imports.domain import FileState
from app.imports.models import ImportFile
from app.trainees.matrices import trainees
from tests.architecture.markup import problems

SHEET = {
    "civility": "Monsieur", "birth_name": "Essai", "first_name": "Paul", "birth_date": "02/06/1985", "gender": "Masculin", "street_number": "12",
    "street_name": "des Acacias", "postal_code": "31000", "town": "TOULOUSE", "mobile": "06 12 34 56 78", "email": "paul@exemple.fr",
    "ft_registered": "oui", "ft_registered_on": "03/01/2026", "ft_number": "1234567A", "receives_are": "oui", "receives_other": "non",
    "receives_rsa": "non", "receives_aah": "non", "boe": "Non", "school_leaver": "non",
}  # fmt: skip


def described() -> list[Description]:
    """The columns of the matrix of trainees."""
    return describe(trainees.MATRIX)


def row_of(action: Action, nir: Nir | None, **cells: str) -> dict[str, str]:
    """A complete line of a new trainee; what the sheet leaves open takes the first value of its list."""
    row = {one.column.name: "" for one in described()} | SHEET | {"action_number": action.number}
    if nir is not None:
        row |= {"nir": nir.number, "key": nir.key}
    for one in described():
        if not row[one.column.name] and one.choices and one.need.value == "always":
            row[one.column.name] = one.choices[0].words
    return row | cells


def csv_of(rows: Sequence[Mapping[str, str]], *, columns: Sequence[str] | None = None, separator: str = ";", encoding: str = "utf-8-sig") -> bytes:
    """A file of these lines."""
    headings = {one.column.name: one.header for one in described()}
    names = list(columns or rows[0])
    lines = [separator.join(_quoted(headings.get(name, name)) for name in names)]
    lines += [separator.join(_quoted(row.get(name, "")) for name in names) for row in rows]
    return ("\r\n".join(lines) + "\r\n").encode(encoding)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def send(account: Any, content: bytes, *, name: str = "stagiaires.csv") -> ImportFile:
    """Send a file as an account, and let the job read and check it."""
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        file_id = services.receive(trainees.NAME, name, content)
    return run(file_id)


def run(file_id: int) -> ImportFile:
    """Let the job do what the file waits for, as a worker does: in the system's scope."""
    tenancy.bind(Scope.system())
    work.run(file_id)
    return file_now(file_id)


def apply(file: ImportFile, *, partial: bool = False) -> ImportFile:
    """Confirm what the report says, and let the job do it."""
    counts = file.counts or {}
    with bound_scope(Scope.organisation(file.organisation_id), actor_id=file.account_id):
        services.confirm(file.id, expected=counts, partial=partial)
    return run(file.id)


def undo(file: ImportFile) -> ImportFile:
    """Take it back."""
    with bound_scope(Scope.organisation(file.organisation_id), actor_id=file.account_id):
        services.undo(file.id)
    return run(file.id)


def wrong_with(page: str) -> list[str]:
    """What is wrong with the markup of a page; its language is for tests/architecture/test_pages.py."""
    return [problem for problem in problems(page) if not problem.startswith("English word")]


def shown(page: str) -> str:
    """The mark of the file that the page of its report carries."""
    return re.findall(r'name="shown" value="([^"]+)"', page)[0]


def file_now(file_id: int) -> ImportFile:
    """The file as it is, whoever the last request was of."""
    tenancy.bind(Scope.system())
    db.session.expire_all()
    return db.session.get_one(ImportFile, file_id, populate_existing=True)


__all__ = ["FileState", "apply", "csv_of", "described", "file_now", "row_of", "run", "send", "shown", "undo", "wrong_with"]
