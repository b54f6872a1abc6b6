"""Answers of AGORA that contradict what the portal holds: they are refused, kept beside their message, and overwrite nothing.

Somebody of the Région speaks to AGORA; sent again, the same message takes the answer that is right by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, Boolean, Integer, String, bindparam, text

from app.core.extensions import db
from app.core.outbox import Message
from app.core.outbox.errors import Duplicate, Rejected
from app.partners.agora.port import AgoraFileState, Contradiction

from .services.enrolment import CREATE

#: An older version is a contradiction in the answer to an event alone, and when nobody wrote the enrolment since the event left: a creation
#: may be answered again, late, and a comparison may have read a later version meanwhile.
_FIND: Final = text(
    """
    SELECT answer.message, CASE
             WHEN answer.reference NOT IN ('', e.external_reference::text) THEN 'AUTRE_REFERENCE'
             WHEN e.agora_number <> answer.number THEN 'NUMERO_DIFFERENT'
             WHEN EXISTS (SELECT FROM enrolment o WHERE o.agora_number = answer.number AND o.id <> e.id) THEN 'NUMERO_DEJA_PORTE'
             WHEN NOT answer.created AND answer.version < e.agora_version AND m.sent_at > e.updated_at THEN 'VERSION_ANTERIEURE'
           END AS code
    FROM unnest(:ids, :messages, :numbers, :references, :versions, :created) AS answer (id, message, number, reference, version, created)
    JOIN enrolment e ON e.id = answer.id LEFT JOIN outbox_message m ON m.id = answer.message
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Integer)),
    bindparam("messages", type_=ARRAY(BigInteger)),
    bindparam("numbers", type_=ARRAY(String)),
    bindparam("references", type_=ARRAY(String)),
    bindparam("versions", type_=ARRAY(Integer)),
    bindparam("created", type_=ARRAY(Boolean)),
)


def contradictions(answers: Sequence[tuple[Message, Any]]) -> Mapping[int, Rejected]:
    """Why answers cannot be kept, by message; one statement for the batch."""
    states = [(message, state) for message, answer in answers if (state := _state(answer)) is not None]
    if not states:
        return {}
    rows = db.session.execute(
        _FIND,
        {
            "ids": [message.subject_id for message, _state in states],
            "messages": [message.id for message, _state in states],
            "numbers": [state.number for _message, state in states],
            "references": [state.external_reference for _message, state in states],
            "versions": [state.version for _message, state in states],
            "created": [message.operation == CREATE for message, _state in states],
        },
    )
    return {row.message: Rejected(Contradiction(row.code).value, "") for row in rows if row.code is not None}


def _state(answer: Any) -> AgoraFileState | None:
    """The file that was answered, or that existed already."""
    return getattr(answer, "state", None) if isinstance(answer, Duplicate) else answer
