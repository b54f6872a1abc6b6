"""Files about enrolments to send, and what the database holds of the domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select, text

from app.actions.models import Action
from app.core import clock
from app.core.extensions import db
from app.core.matrix.definition import describe
from app.core.nir import Nir
from app.core.outbox.models import OutboxMessage
from app.core.tenancy import Scope, bound_scope
from app.imports import parts, services, work
from app.imports.domain import PartKind
from app.imports.matrices import IMPORTERS
from app.imports.models import ImportFile, ImportFinding
from app.trainees.models import Enrolment
from tests.imports.helpers import _quoted, apply, file_now, undo

_TABLES = (
    "trainee", "registration", "enrolment", "interruption", "enrolment_act", "outbox_message", "outbox_intervention", "action", "action_history",
    "finish_declaration", "situation_survey", "mail_message",
)  # fmt: skip


def day(offset: int) -> str:
    """A day counted from today, as people write it."""
    return (clock.today() + timedelta(days=offset)).strftime("%d/%m/%Y")


def ago(days: int) -> date:
    return clock.today() - timedelta(days=days)


def who(action: Action, nir: Nir | None = None, name: str = "ESSAI", **cells: str) -> dict[str, str]:
    """The cells that tell whom and what a line is about."""
    numbers = {"nir": nir.number, "key": nir.key} if nir is not None else {}
    return {"action_number": action.number, **numbers, "birth_name": name, "component_number": "01", **cells}


def content_of(matrix: str, rows: Sequence[Mapping[str, str]]) -> bytes:
    """A file of these lines, with the columns that one of them fills."""
    headings = {one.column.name: one.header for one in describe(IMPORTERS[matrix].matrix)}
    names = [name for name in headings if any(row.get(name) for row in rows)]
    lines = [";".join(_quoted(headings[name]) for name in names)]
    lines += [";".join(_quoted(row.get(name, "")) for name in names) for row in rows]
    return ("\r\n".join(lines) + "\r\n").encode("utf-8-sig")


def sent(account: Any, matrix: str, *rows: Mapping[str, str]) -> ImportFile:
    """Send these lines as an account, and let the job read and check them."""
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        file_id = services.receive(matrix, f"{matrix}.csv", content_of(matrix, rows))
    work.run(file_id)
    return file_now(file_id)


def counts(file: ImportFile) -> dict[str, int]:
    """What the report counts, without the zeros."""
    return {name: count for name, count in (file.counts or {}).items() if count}


def said(file: ImportFile) -> list[tuple[int, str]]:
    """Line and column of each finding."""
    return [(line, column) for line, column, _message in messages(file)]


def messages(file: ImportFile) -> list[tuple[int, str, str]]:
    """Each finding."""
    statement = select(ImportFinding.line, ImportFinding.column_name, ImportFinding.message).where(ImportFinding.file_id == file.id)
    return [tuple(row) for row in db.session.execute(statement.order_by(ImportFinding.line, ImportFinding.id))]


def differences(file: ImportFile) -> list[tuple[int, list[list[str]]]]:
    """What each line would change, as the report says it."""
    return [(line, changed) for line, _act, changed in parts.items_of(file.id, PartKind.STEPS)]


def kept(file: ImportFile) -> list[tuple[int, str]]:
    """What undoing left: the line and why."""
    return [(line, why) for line, _subject, _number, why in parts.items_of(file.id, PartKind.KEPT)]


def told(enrolment_id: int) -> list[str]:
    """The messages of an enrolment for AGORA, those settled left out."""
    statement = select(OutboxMessage.operation).where(
        OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id == enrolment_id, OutboxMessage.state != "cancelled"
    )
    return list(db.session.scalars(statement.order_by(OutboxMessage.id)))


def now(enrolment_id: int) -> Enrolment:
    """The enrolment as it stands."""
    return db.session.get_one(Enrolment, enrolment_id, populate_existing=True)


def enrolments_on(action: Action) -> list[int]:
    """Their ids."""
    return list(db.session.scalars(select(Enrolment.id).where(Enrolment.action_id == action.id).order_by(Enrolment.id)))


def world() -> dict[str, Any]:
    """All that the domain holds, table by table, and its journal."""
    db.session.flush()
    held: dict[str, Any] = {}
    for table in _TABLES:
        held[table] = db.session.execute(text(f"SELECT md5(string_agg(t::text, '|' ORDER BY t.id)) FROM {table} t")).scalar()
    held["journal"] = db.session.scalar(text("SELECT count(*) FROM audit_entry WHERE table_name NOT LIKE 'import%'"))
    return held


def limit(account: Any, *actions: Action) -> None:
    """Let an account see these actions only."""
    db.session.execute(text("UPDATE ab_user SET limited_to_actions = true WHERE id = :id"), {"id": account.id})
    for action in actions:
        db.session.execute(
            text("INSERT INTO action_access (organisation_id, user_id, action_id) VALUES (:organisation, :user, :action)"),
            {"organisation": account.organisation_id, "user": account.id, "action": action.id},
        )
    db.session.expire_all()


__all__ = [
    "ago", "apply", "content_of", "counts", "day", "differences", "enrolments_on", "kept", "limit", "messages", "now", "said", "sent", "told", "undo", "who",
    "world",
]  # fmt: skip
