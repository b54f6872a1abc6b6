"""AGORA lies: what contradicts the portal ends in the console with its cause, the sheet says who acts, and nothing is overwritten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text, update

from app.core import clock
from app.core.extensions import db
from app.core.outbox import Message, drain, registry
from app.core.outbox.errors import Contradictory
from app.core.outbox.models import ErrorKind, MessageState, OutboxMessage
from app.core.tenancy import Scope, bound_scope
from app.partners.agora.port import AgoraFileState, Contradiction, FileStatus, NewFile
from app.trainees import agora
from app.trainees.contradictions import contradictions
from app.trainees.models import Enrolment
from tests.actions.helpers import make_action, make_enrolment

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

TAKEN = "55667788"


def file_state(number: str, reference: str, status: FileStatus, version: int) -> AgoraFileState:
    return AgoraFileState(number=number, external_reference=reference, status=status, version=version, modified_at=clock.now())


class Lying:
    """Answers each creation under a number of its own, but for the references it was told to lie about."""

    max_concurrency = 4

    def __init__(self, lies: dict[str, Any]) -> None:
        self.lies = lies
        self.asked: list[str] = []

    @asynccontextmanager
    async def open_client(self) -> AsyncIterator[Any]:
        yield None

    async def send(self, request: Any, *, idempotency_key: UUID, client: Any) -> Any:
        self.asked.append(request.external_reference)
        lie = self.lies.get(request.external_reference)
        if isinstance(lie, Exception):
            raise lie
        state = file_state(str(uuid4().int)[:10], request.external_reference, FileStatus.ENTERED, 1)
        return replace(state, **lie) if lie else state


def message_of(enrolment_id: int) -> OutboxMessage:
    statement = select(OutboxMessage).where(OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id == enrolment_id)
    return db.session.scalars(statement.order_by(OutboxMessage.id.desc()).execution_options(populate_existing=True)).first()  # type: ignore[return-value]


def seen(row: OutboxMessage, **changes: Any) -> Message:
    values: dict[str, Any] = {name: getattr(row, name) for name in ("id", "partner", "operation", "subject_type", "subject_id", "organisation_id")}
    return Message(**{**values, "ordering_key": row.ordering_key, "idempotency_key": row.idempotency_key, "params": {}, "attempts": 1, **changes})


def test_a_number_that_another_enrolment_bears_is_refused_at_once(committed: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a reset of the server: the number comes back. One try, a functional failure, the bearer untouched, the others served."""
    with committed.app_context(), bound_scope(Scope.system()):
        db.session.execute(text("UPDATE outbox_message SET state = 'cancelled', done_at = now() WHERE state IN ('pending', 'rejected', 'dead')"))
        action = make_action()
        bearer, lied_to, fine, muddled = (make_enrolment(action, name=f"NOM {index}") for index in range(4))
        references = {one: str(db.session.get_one(Enrolment, one).external_reference) for one in (lied_to, fine, muddled)}
        own = {"agora_number": TAKEN, "agora_status": "entered", "agora_version": 3, "agora_state": "done"}
        db.session.execute(update(Enrolment).where(Enrolment.id == bearer).values(own))
        received = message_of(bearer)
        received.state, received.done_at = MessageState.DONE, clock.now()
        db.session.commit()
        unknown = Contradictory(Contradiction.UNKNOWN_STATUS.value, "answer against the contract: statut")
        lying = Lying({references[lied_to]: {"number": TAKEN}, references[muddled]: unknown})
        monkeypatch.setitem(registry._registry.partners, "agora", lambda: lying)
        for _ in range(5):
            drain.drain("agora")
            db.session.execute(text("UPDATE outbox_message SET next_attempt_at = clock_timestamp() WHERE state = 'pending'"))
            db.session.execute(text("UPDATE outbox_partner SET state = 'closed', recent = '[]', streak = 0, retry_at = NULL, hold_until = NULL"))
            db.session.commit()
        row = message_of(lied_to)
        assert (row.state, row.error_kind, row.last_error_code) == (MessageState.REJECTED, ErrorKind.REJECTED, "NUMERO_DEJA_PORTE")
        assert row.answer == {"number": TAKEN, "status": "entered"}, "what it said is kept beside the exchange"
        assert lying.asked.count(references[lied_to]) == 1
        assert (message_of(muddled).state, message_of(muddled).last_error_code) == (MessageState.REJECTED, "STATUT_INCONNU")
        assert lying.asked.count(references[muddled]) == 3
        assert message_of(fine).state is MessageState.DONE
        db.session.expire_all()
        rows = {one: db.session.get_one(Enrolment, one) for one in (bearer, lied_to, fine)}
        assert (rows[bearer].agora_number, rows[bearer].agora_version) == (TAKEN, 3)
        assert (rows[lied_to].agora_number, rows[lied_to].agora_state) == (None, "rejected")
        assert rows[fine].agora_number is not None


@pytest.mark.parametrize(
    ("changes", "operation", "expected"),
    [
        ({}, "exit_file", None),
        ({"number": "99999999"}, "exit_file", Contradiction.OTHER_NUMBER),
        ({"number": "99999999"}, "create_file", Contradiction.OTHER_NUMBER),
        ({"external_reference": "00000000-0000-0000-0000-000000000000"}, "exit_file", Contradiction.OTHER_REFERENCE),
        ({"version": 2}, "exit_file", Contradiction.OLDER_VERSION),
        ({"version": 2}, "create_file", None),  # a creation answered again, late
    ],
)
def test_what_contradicts_the_file_that_is_held(db_session: Session, changes: dict[str, Any], operation: str, expected: Contradiction | None) -> None:
    enrolment_id = make_enrolment(make_action())
    reference = str(db_session.get_one(Enrolment, enrolment_id).external_reference)
    held = {"agora_number": TAKEN, "agora_status": "entered", "agora_version": 5, "agora_state": "waiting", "updated_at": clock.now() - timedelta(minutes=1)}
    db_session.execute(update(Enrolment).where(Enrolment.id == enrolment_id).values(held))
    row = message_of(enrolment_id)
    row.sent_at = clock.now()
    db_session.flush()
    state = replace(file_state(TAKEN, reference, FileStatus.EXITED, 6), **changes)
    message = seen(row, operation=operation)
    found = contradictions([(message, state)])
    assert {one.code for one in found.values()} == ({expected.value} if expected else set())
    db_session.execute(update(Enrolment).where(Enrolment.id == enrolment_id).values(updated_at=clock.now() + timedelta(minutes=1)))
    later = contradictions([(message, state)])
    assert bool(later) is (expected not in (None, Contradiction.OLDER_VERSION)), "a later version read meanwhile makes it a late answer, which is let go"


def test_the_sheet_says_what_happened_and_who_acts(as_user: AsUser, db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action())
    row = message_of(enrolment_id)
    row.state, row.error_kind, row.last_error_code = MessageState.REJECTED, ErrorKind.REJECTED, Contradiction.NUMBER_TAKEN.value
    db_session.flush()
    agora.note_refusals([(seen(row), agora.Rejected(Contradiction.NUMBER_TAKEN.value, ""))])
    db_session.commit()
    browser = as_user("principal")
    page = browser.get(f"/stagiaires/fiche/{db_session.get_one(Enrolment, enrolment_id).registration_id}").text
    assert "contredit ce que tient le portail" in page
    assert "Qui peut agir : La Région" in page and "numéro arrive" not in page
    assert f'/echanges/{row.id}"' not in browser.get("/echanges/a-suivre").text
    elsewhere = browser.get("/echanges/a-suivre?etat=ailleurs").text
    assert f'/echanges/{row.id}"' in elsewhere and "que porte déjà une autre inscription" in elsewhere
    region = as_user("admin").get("/echanges/?nature=functional").text
    assert f'/echanges/{row.id}"' in region


def test_readings_for_a_modification_say_so_in_the_journal(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action())
    db_session.execute(update(Enrolment).where(Enrolment.id == enrolment_id).values(agora_number=TAKEN, agora_status="entered", agora_state="waiting"))
    trainee_id = db_session.get_one(Enrolment, enrolment_id).registration.trainee_id
    row = message_of(enrolment_id)
    said = []
    for operation, build in (("create_file", agora.build_creations), ("change_file", agora.build_changes)):
        built = build([seen(row, operation=operation)])
        assert isinstance(built[row.id], NewFile) is (operation == "create_file")
        said.append(db_session.scalar(text("SELECT reason FROM nir_reading WHERE subject_type = 'trainee' AND subject_id = :id ORDER BY id DESC LIMIT 1"), {"id": trainee_id}))
    assert said == ["création du dossier AGORA", "modification du dossier AGORA"]
