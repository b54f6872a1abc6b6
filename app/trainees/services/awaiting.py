"""What enrolments await of AGORA, said again after somebody decided of their messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ARRAY, Integer, bindparam, text
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from app.core import clock
from app.core.extensions import db

from ..models import Enrolment

_IDS: Final = bindparam("ids", type_=ARRAY(Integer))
_LOCK: Final = text("SELECT id FROM enrolment WHERE id = ANY(:ids) ORDER BY id FOR UPDATE").bindparams(_IDS)
#: Without number a file is still awaited, whatever was settled: a comparison may find it at AGORA.  But not that of an enrolment that was
#: cancelled since: nothing creates it any more.
_AGAIN: Final = text(
    """
    UPDATE enrolment SET agora_state = said.state, agora_refusal = NULL, updated_at = :moment
    FROM (SELECT e.id, CASE WHEN e.agora_number IS NULL AND e.cancelled_at IS NOT NULL AND NOT m.unfinished THEN 'none'
                            WHEN e.agora_number IS NULL OR m.unfinished THEN 'waiting' ELSE 'done' END AS state
          FROM enrolment e CROSS JOIN LATERAL (SELECT EXISTS (
                     SELECT FROM outbox_message m WHERE m.subject_type = 'enrolment' AND m.subject_id = e.id AND m.partner = 'agora'
                        AND m.state IN ('pending', 'sending', 'dead')) AS unfinished) m
          WHERE e.id = ANY(:ids)) said
    WHERE enrolment.id = said.id AND enrolment.agora_state IN ('waiting', 'done', 'rejected')
      AND (enrolment.agora_state <> said.state OR enrolment.agora_refusal IS NOT NULL)
      AND NOT EXISTS (SELECT FROM outbox_message m WHERE m.subject_type = 'enrolment' AND m.subject_id = enrolment.id AND m.partner = 'agora'
                         AND m.state = 'rejected')
    RETURNING enrolment.id, enrolment.agora_state
    """
).bindparams(_IDS)


def say_again(enrolment_ids: Sequence[int]) -> None:
    """With no message refused any more an enrolment is no longer to be mended: it awaits an answer, or nothing.

    In the transaction under way, which holds the messages; in two statements whatever the number.  The version that people edit does not move.
    """
    if not enrolment_ids:
        return
    db.session.flush()
    moment = clock.now()
    db.session.execute(_LOCK, {"ids": list(enrolment_ids)})
    for row in db.session.execute(_AGAIN, {"ids": list(enrolment_ids), "moment": moment}):
        # who holds one decides further from what it is now: the act that takes a message back may tell another one
        if (held := db.session.identity_map.get(identity_key(Enrolment, row.id))) is not None:
            for name, value in (("agora_state", row.agora_state), ("agora_refusal", None), ("updated_at", moment)):
                set_committed_value(held, name, value)
