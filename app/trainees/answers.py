"""The answers to the exit survey that a closing takes along (guide 000, "Saisie des enquêtes"): those of its first try, until AGORA's answer is known.

AGORA may have taken a closing whose answer was lost: it then takes the same words only under the same key, and no second closing.  Answers
change meanwhile: the trainee's own, or the organisation's.  They stand sealed beside the message, which holds nothing personal in clear, and
no longer than they must.
"""

from __future__ import annotations

import dataclasses
import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, text, update

from app.core import crypto
from app.core.extensions import db
from app.core.outbox import Message
from app.core.outbox.models import SEALED, OutboxMessage
from app.core.transaction import transaction
from app.partners.agora.port import CertificationResult, ExitSurvey

from .ports import exit_surveys


def answers_told(messages: Sequence[Message]) -> dict[int, ExitSurvey | None]:
    """What goes with each closing, by message; kept with those that leave for the first time.  A constant number of statements."""
    told = {message.id: survey for message in messages if (survey := _opened(message)) is not _NOT_KEPT}
    first = [message for message in messages if message.id not in told]
    if first:
        found = exit_surveys([message.subject_id for message in first])
        told |= {message.id: found.get(message.subject_id) for message in first}
        with transaction() as session:
            words = [_sealed(message, told[message.id]) for message in first]
            session.execute(_KEEP, {"ids": [message.id for message in first], "words": words, "name": SEALED})
    return told


def let_go(message_ids: Sequence[int]) -> None:
    """AGORA answered: what it took needs no words any more, and what it refused says at the next try what is answered by then."""
    if message_ids:
        statement = update(OutboxMessage).where(OutboxMessage.id.in_(message_ids)).values(params=OutboxMessage.params.op("-")(SEALED))
        db.session.execute(statement.execution_options(synchronize_session=False))


_NOT_KEPT = ExitSurvey()

_KEEP: Final = text(
    """
    UPDATE outbox_message m SET params = m.params || jsonb_build_object(CAST(:name AS text), r.words)
    FROM unnest(:ids, :words) AS r (id, words) WHERE m.id = r.id
    """
).bindparams(bindparam("ids", type_=ARRAY(BigInteger)), bindparam("words", type_=ARRAY(Text)))


def _sealed(message: Message, survey: ExitSurvey | None) -> str:
    words = json.dumps(dataclasses.asdict(survey) if survey is not None else None)
    return b64encode(crypto.cipher().encrypt(words, _place(message))).decode()


def _opened(message: Message) -> ExitSurvey | None:
    """What was told at the first try; ``_NOT_KEPT`` before it, or when the key was withdrawn since."""
    if SEALED not in message.params:
        return _NOT_KEPT
    try:
        values = json.loads(crypto.cipher().decrypt(b64decode(message.params[SEALED]), _place(message)))
    except crypto.UnknownKey:
        return _NOT_KEPT
    if values is None:
        return None
    certification = values.get("certification")
    return ExitSurvey(**{**values, "certification": CertificationResult(certification) if certification else None})


def _place(message: Message) -> bytes:
    return crypto.column_aad("outbox_message", SEALED, UUID(int=message.id))  # its key follows what it says (``outbox.keys``)
