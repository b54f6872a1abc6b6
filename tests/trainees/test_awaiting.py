"""What an enrolment awaits of AGORA after somebody decided of its messages, in the copy that the session holds too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from app.core.extensions import db
from app.core.outbox import console
from app.core.outbox.models import MessageState, OutboxMessage
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.trainees.domain import AgoraState
from app.trainees.models import Enrolment
from app.trainees.services import enrolment as services
from app.trainees.services import life
from tests.actions.helpers import make_action, make_enrolment, make_nir, statements
from tests.trainees.test_services import enrolment_of, messages_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def changing() -> int:
    """A file that AGORA holds, with a change on the way to it."""
    enrolment_id = make_enrolment(make_action(), nir=make_nir())
    with bound_scope(Scope.system()):
        db.session.execute(update(OutboxMessage).where(OutboxMessage.subject_id == enrolment_id).values(state=MessageState.DONE, done_at=db.func.now()))
    enrolment = enrolment_of(enrolment_id)
    enrolment.agora_number, enrolment.agora_status, enrolment.agora_version = str(87_100_000 + enrolment_id), "entered", 1
    enrolment.agora_state = AgoraState.REGISTERED.value
    with transaction():
        services.tell(enrolment, services.CHANGE)
    return enrolment_id


def test_a_change_taken_back_before_another_act_leaves_that_act_awaited(db_session: Session) -> None:
    """The cancellation is on its way: the sheet follows it."""
    enrolment_id = changing()
    life.cancel(enrolment_id, reason="inscrit par erreur", version=enrolment_of(enrolment_id).version)
    db.session.expire_all()
    assert [f"{one.operation} {one.state}" for one in messages_of(enrolment_id)] == ["create_file done", "change_file cancelled", "cancel_file pending"]
    assert enrolment_of(enrolment_id).agora_state == AgoraState.WAITING


def test_the_session_sees_what_was_decided_without_reading_each_again(db_session: Session) -> None:
    ids = [changing(), changing(), changing()]
    held = [db.session.get_one(Enrolment, one) for one in ids]
    messages = [one.id for enrolment_id in ids for one in messages_of(enrolment_id) if one.state == MessageState.PENDING]
    with bound_scope(Scope.system()), transaction():
        assert {one.agora_state for one in held} == {"waiting"}
        console.mark_settled(messages, reason="à la main")
        with statements() as sent:
            assert [one.agora_state for one in held] == ["done", "done", "done"]
    assert list(sent) == []
