"""The answers to the exit survey that a closing takes along (guide 000, "Saisie des enquêtes"): those of its first try, until AGORA's answer is known.

AGORA may have taken a closing whose answer was lost: it then takes the same words only under the same key, and no second closing.  Answers
change meanwhile: the trainee's own, or the organisation's.  They stand with the message as codes, and no longer than they must.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import JSONB

from app.core.extensions import db
from app.core.outbox import Message
from app.core.outbox.models import OutboxMessage
from app.core.transaction import transaction
from app.partners.agora.port import CertificationResult, ExitSurvey

from .ports import exit_surveys

#: Among the parameters of a closing.
_ANSWERS = "survey"


def answers_told(messages: Sequence[Message]) -> dict[int, ExitSurvey | None]:
    """What goes with each closing, by message; kept with those that leave for the first time.  A constant number of statements."""
    first = [message for message in messages if _ANSWERS not in message.params]
    found = exit_surveys([message.subject_id for message in first])
    if first:
        table: Any = OutboxMessage.__table__
        statement = update(table).where(table.c.id == bindparam("message")).values(params=table.c.params.op("||")(bindparam("answers", type_=JSONB)))
        with transaction() as session:
            session.execute(statement, [{"message": message.id, "answers": {_ANSWERS: _kept(found.get(message.subject_id))}} for message in first])
    kept = {message.id: _told(message.params[_ANSWERS]) for message in messages if _ANSWERS in message.params}
    return {**kept, **{message.id: found.get(message.subject_id) for message in first}}


def let_go(message_ids: Sequence[int]) -> None:
    """AGORA answered: what it took needs no words any more, and what it refused says at the next try what is answered by then."""
    if message_ids:
        table: Any = OutboxMessage.__table__
        db.session.execute(update(table).where(table.c.id.in_(message_ids)).values(params=table.c.params.op("-")(_ANSWERS)))


def _kept(survey: ExitSurvey | None) -> dict[str, Any] | None:
    return dataclasses.asdict(survey) if survey is not None else None


def _told(kept: Mapping[str, Any] | None) -> ExitSurvey | None:
    if kept is None:
        return None
    certification = kept.get("certification")
    return ExitSurvey(**{**kept, "certification": CertificationResult(certification) if certification else None})
