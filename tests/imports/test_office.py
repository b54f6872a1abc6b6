"""Files made by LibreOffice in its three formats go through the four matrices, one after the other."""

from __future__ import annotations

import os
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.accounts.models import User
from app.core.extensions import db
from app.core.matrix import FieldKind
from app.core.matrix.definition import describe
from app.core.tabular import Fault, Refused, read_table
from app.core.tabular.writing import FileFormat
from app.core.tenancy import Scope, bound_scope
from app.imports import services, work
from app.imports.domain import FileState
from app.imports.matrices import IMPORTERS
from app.imports.models import ImportFile
from app.imports.specification import specify
from app.imports.template_file import make_template
from app.partners.agora.port import Outcome
from app.trainees import labels, standing
from app.trainees.life import InterruptionReason
from tests.actions.helpers import make_action, make_enrolment, make_nir
from tests.core.tabular_files import OFFICE
from tests.imports.enrolment_files import ago, apply, counts, day, enrolments_on, messages, now, who
from tests.imports.helpers import file_now, row_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pytestmark = [pytest.mark.slow, pytest.mark.skipif(OFFICE is None, reason="LibreOffice is not installed")]

#: Semicolons, UTF-8; what is quoted is text, dates and numbers are recognised in French: what somebody chooses who opens such a file.
_READ = "--infilter=CSV:59,34,76,1,,1036,true,true"
#: For a text file to be saved as one, every column is text: this LibreOffice writes dates as its own language does.
_READ_TEXT = "--infilter=CSV:59,34,76,1," + "/".join(f"{number}/2" for number in range(1, 61)) + ",1036,false,true"
_WRITE = {"csv": "csv:Text - txt - csv (StarCalc):59,34,76,1,,0,false,true,false"}
#: What a spreadsheet holds as a date or as a figure; the number of a component is left to become one.
_FREE = frozenset({"component_number"})


def written(matrix: str, rows: Sequence[Mapping[str, str]]) -> str:
    """The lines with every column of the matrix; dates and numbers without quotes."""
    described = describe(IMPORTERS[matrix].matrix)
    free = _FREE | {one.column.name for one in described if one.kind in (FieldKind.DATE, FieldKind.NUMBER)}

    def cell(name: str, words: str) -> str:
        return words if name in free else '"' + words.replace('"', '""') + '"'

    lines = [";".join(f'"{one.header}"' for one in described)]
    lines += [";".join(cell(one.column.name, row.get(one.column.name, "")) for one in described) for row in rows]
    return "\r\n".join(lines) + "\r\n"


def by_office(folder: Path, kind: str, files: Mapping[str, str]) -> dict[str, bytes]:
    """The files as LibreOffice opens and saves them."""
    sources = []
    for name, content in files.items():
        sources.append(folder / f"{name}.csv")
        sources[-1].write_text(content, encoding="utf-8", newline="")
    made = folder / "made"
    command = [str(OFFICE), f"-env:UserInstallation=file://{folder}/profile", "--headless", "--norestore"]
    command += [_READ_TEXT if kind == "csv" else _READ, "--convert-to", _WRITE.get(kind, kind)]
    command += ["--outdir", str(made), *map(str, sources)]
    subprocess.run(command, check=True, timeout=180, env=os.environ | {"HOME": str(folder)}, capture_output=True)
    return {name: made.joinpath(f"{name}.{kind}").read_bytes() for name in files}


def sent(account: User, matrix: str, content: bytes, kind: str) -> ImportFile:
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        file_id = services.receive(matrix, f"{matrix}.{kind}", content)
    work.run(file_id)
    return file_now(file_id)


@pytest.mark.parametrize("kind", ["xlsx", "ods", "csv"])
def test_the_four_matrices(db_session: Session, tmp_path: Path, kind: str) -> None:
    account = db.session.scalars(select(User).where(User.username == "principal")).one()
    action, first, second = make_action(), make_nir(), make_nir()
    make_enrolment(action, entered=20)  # the action has somebody
    people = [row_of(action, first), row_of(action, second, birth_name="L'Hénaff-Œuvrard", first_name="Zoé")]
    names = {first.number: "Essai", second.number: "L’HENAFF OEUVRARD"}
    plan = {"planned_start": day(-20), "planned_end": day(60), "hours_centre": "100", "hours_company": "20,5"}
    absent = str(labels.PAUSE_LABELS[InterruptionReason.PERSONAL])
    files = by_office(tmp_path, kind, {
        "stagiaires": written("stagiaires", people),
        "inscriptions": written("inscriptions", [who(action, nir, names[nir.number], **plan) for nir in (first, second)]),
        "sorties": written("sorties", [
            who(action, first, names[first.number], nature="Absence", interrupted_on=day(-10), reason=absent),
            who(action, first, names[first.number], nature="Retour", resumed_on=day(-8)),
            who(action, second, names[second.number], nature="Rectification", hours_company="30", planned_end=day(50)),
            who(action, first, names[first.number], nature="Sortie", actual_end=day(-1), exit_reason_id="Accès à l’emploi"),
        ]),
        "realisations": written("realisations", [
            who(action, first, names[first.number], outcome=str(labels.OUTCOME_LABELS[Outcome.FULL]), reason="Rattrapage assuré en soirée"),
        ]),
    })  # fmt: skip
    for matrix, expected in (("stagiaires", {"create": 2}), ("inscriptions", {"create": 2}), ("sorties", {"change": 4}), ("realisations", {"change": 1})):
        file = sent(account, matrix, files[matrix], kind)
        assert (messages(file), counts(file)) == ([], expected), matrix
        assert apply(file).state == FileState.APPLIED
    one, other = (now(enrolment_id) for enrolment_id in enrolments_on(action)[1:])
    assert ([(pause.interrupted_on, pause.resumed_on) for pause in one.interruptions], one.actual_end) == ([(ago(10), ago(8))], ago(1))
    assert standing.outcome_of(one) is Outcome.FULL
    assert (other.planned_end, float(other.hours_centre), float(other.hours_company)) == (ago(-50), 100, 30)


def test_the_document_to_fill_in_keeps_its_rules_and_its_notes(db_session: Session, tmp_path: Path) -> None:
    """Opened and saved by LibreOffice, « Format d'import » in ODS still offers its lists, and has nothing but its headings to be read."""
    for name in IMPORTERS:
        (tmp_path / f"{name}.ods").write_bytes(make_template(specify(IMPORTERS[name].matrix), FileFormat.ODS))
    command = [str(OFFICE), f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--norestore", "--convert-to"]
    sources = [str(tmp_path / f"{name}.ods") for name in IMPORTERS]
    for kind in ("xlsx", "ods"):
        made = [*command, kind, "--outdir", str(tmp_path / "made"), *sources]
        subprocess.run(made, check=True, timeout=180, env=os.environ | {"HOME": str(tmp_path)}, capture_output=True)
    for name in IMPORTERS:
        spec = specify(IMPORTERS[name].matrix)
        with zipfile.ZipFile(tmp_path / "made" / f"{name}.xlsx") as archive:
            sheet, notes = archive.read("xl/worksheets/sheet1.xml").decode(), archive.read("xl/comments1.xml").decode()
        assert sheet.count('type="list"') == sum(line.kind in (FieldKind.CHOICE, FieldKind.YES_NO) for line in spec.lines)
        assert sheet.count('type="date"') == sum(line.kind is FieldKind.DATE for line in spec.lines)
        assert notes.count("<comment ") == len(spec.lines)
        for content in ((tmp_path / "made" / f"{name}.{kind}").read_bytes() for kind in ("xlsx", "ods")):
            with pytest.raises(Refused) as refused:
                read_table(content, services.LIMITS)
            assert refused.value.fault is Fault.ONLY_HEADER
