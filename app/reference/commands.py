"""``flask import-towns``: postal codes and CEDEX that the delivered table does not have."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy.dialects.postgresql import insert

from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.reference.models import Town

if TYPE_CHECKING:
    from flask import Flask

#: Columns of the file, in any order; the last may be missing ("oui" or "1" marks a CEDEX, and so does the word in the routing name).
COLUMNS = ("postal_code", "insee_code", "name", "routing_name")
_POSTAL, _INSEE = re.compile(r"[0-9]{5}"), re.compile(r"[0-9][0-9AB][0-9]{3}")
_YES = frozenset({"1", "o", "oui", "true", "vrai", "x"})
#: Beyond, the first errors say enough.
_SHOWN = 20
_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class TownRow:
    """One line of the file."""

    postal_code: str
    insee_code: str
    name: str
    routing_name: str
    cedex: bool


class BadTowns(ValueError):
    """The file is not imported, not even in part; ``problems`` say line, value and rule."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_towns(text: str) -> list[TownRow]:
    """The distinct lines of a CSV file (comma or semicolon).  Raises BadTowns."""
    header = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if header.count(";") > header.count(",") else ",")
    names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    absent = [name for name in COLUMNS if name not in names]
    if absent:
        raise BadTowns([f"colonnes absentes : {', '.join(absent)} (attendues : {', '.join((*COLUMNS, 'cedex'))})"])
    found: dict[TownRow, None] = {}
    problems: list[str] = []
    for number, line in enumerate(reader, start=2):
        row = _row(line)
        wrong = _wrong(row)
        if wrong:
            problems.append(f"ligne {number} : {wrong}")
        else:
            found[row] = None
    if problems:
        raise BadTowns(problems)
    return list(found)


def _row(line: dict[str, Any]) -> TownRow:
    values = {name: " ".join(str(line.get(name) or "").split()) for name in (*COLUMNS, "cedex")}
    routing = values["routing_name"] or values["name"].upper()
    cedex = values["cedex"].lower() in _YES or "CEDEX" in routing.upper().split()
    return TownRow(values["postal_code"], values["insee_code"].upper(), values["name"], routing, cedex)


def _wrong(row: TownRow) -> str | None:
    if not _POSTAL.fullmatch(row.postal_code):
        return f"« {row.postal_code} » n’est pas un code postal (cinq chiffres ; un tableur a pu retirer le zéro du début)"
    if not _INSEE.fullmatch(row.insee_code):
        return f"« {row.insee_code} » n’est pas un code INSEE (cinq caractères, par exemple 31555 ou 2A004)"
    if not row.name:
        return "le nom de la commune manque"
    return "un nom est trop long" if len(row.name) > 100 or len(row.routing_name) > 60 else None


def store_towns(rows: list[TownRow]) -> int:
    """Add what is missing and correct what has changed, in one transaction; returns the number of lines written.  Nothing is removed."""
    with transaction() as session:
        for start in range(0, len(rows), _BATCH):
            batch = [
                {"postal_code": row.postal_code, "insee_code": row.insee_code, "name": row.name, "routing_name": row.routing_name, "cedex": row.cedex}
                for row in {(row.postal_code, row.insee_code, row.name): row for row in rows[start : start + _BATCH]}.values()
            ]
            statement = insert(Town).values(batch)
            session.execute(
                statement.on_conflict_do_update(
                    constraint="uq_town_postal_code", set_={"routing_name": statement.excluded.routing_name, "cedex": statement.excluded.cedex}
                )
            )
    return len(rows)


def init_app(app: Flask) -> None:
    """Register ``flask import-towns``."""

    @app.cli.command("import-towns")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    def import_towns(file: Path) -> None:
        """Add postal codes and CEDEX from a CSV file: postal_code, insee_code, name, routing_name, cedex."""
        try:
            rows = read_towns(file.read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError:
            raise click.ClickException("Le fichier n’est pas en UTF-8 : enregistrez-le en « CSV UTF-8 ».") from None
        except BadTowns as bad:
            more = len(bad.problems) - _SHOWN
            lines = [*bad.problems[:_SHOWN], *([f"… et {more} autres lignes"] if more > 0 else [])]
            raise click.ClickException("Rien n’est importé :\n" + "\n".join(lines)) from None
        with bound_scope(Scope.system()):
            count = store_towns(rows)
        click.echo(f"{count} lignes importées.")
