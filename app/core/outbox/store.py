"""The few statements by which a drain takes, frees and settles messages, each for a whole batch.

All times are the database's own, so leases hold between machines whose clocks disagree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.outbox import policy
from app.core.outbox.errors import FieldError
from app.core.outbox.models import ErrorKind, MessageState
from app.core.outbox.registry import Message

log = structlog.get_logger(__name__)

LEASE_SECONDS: Final = 30
#: Days during which the tries of a message that is over are kept.
KEEP_DAYS: Final = 90
PURGED_AT_ONCE: Final = 10_000
#: The error code of a message given up because its workers die with it.
WORKER_LOST: Final = "worker_lost"
_FAILED: Final = (MessageState.PENDING, MessageState.REJECTED, MessageState.DEAD)

_COLUMNS: Final = (
    "m.id, m.partner, m.operation, m.subject_type, m.subject_id, m.organisation_id, m.ordering_key, m.idempotency_key, "
    "m.params, m.attempts, m.failures, m.actor_id, m.request_id, m.waiting_since, m.expiries, m.body_digest"
)

#: A message may leave when nothing earlier of its dossier is unfinished, refused or given up: when it is the first of those.
#: Written as a scalar subquery so that it stays one index probe per row looked at; as NOT EXISTS it was planned as a hash of the
#: whole backlog at each claim.
_HEAD_OF_LINE: Final = (
    "m.id = (SELECT min(e.id) FROM outbox_message e WHERE e.partner = m.partner AND e.ordering_key = m.ordering_key "
    "AND e.state IN ('pending', 'sending', 'rejected', 'dead'))"
)

_CLAIM: Final = """
WITH due AS (
    SELECT m.id FROM outbox_message m
    WHERE m.partner = :partner AND m.state = 'pending' AND {due} AND {head}
    ORDER BY {order} LIMIT :limit
    FOR UPDATE OF m SKIP LOCKED)
UPDATE outbox_message m
SET state = 'sending', attempts = m.attempts + 1, lease_token = :token,
    lease_until = clock_timestamp() + make_interval(secs => :lease), sent_at = clock_timestamp()
FROM due WHERE m.id = due.id
RETURNING {columns}
"""

_CLAIM_DUE: Final = text(
    _CLAIM.format(due="m.expiries = 0 AND m.next_attempt_at <= clock_timestamp()", head=_HEAD_OF_LINE, order="m.next_attempt_at, m.id", columns=_COLUMNS)
)

_CLAIM_SUSPECTS: Final = text(
    _CLAIM.format(
        due="m.expiries > 0 AND m.expiries BETWEEN :least AND :most AND m.next_attempt_at <= clock_timestamp()",
        head=_HEAD_OF_LINE,
        order="m.next_attempt_at, m.id",
        columns=_COLUMNS,
    )
)
_SUSPECTS: Final = ((policy.ALONE_FROM, 2**31 - 1), (1, policy.ALONE_FROM - 1))

# A probe need not wait for its backoff, and takes the message tried least: one message that fails alone must not keep the
# circuit open for the others.
_CLAIM_PROBE: Final = text(
    _CLAIM.format(
        due="(m.next_attempt_at <= clock_timestamp() OR m.error_kind = 'unavailable')",
        head=_HEAD_OF_LINE,
        order="m.attempts, m.id",
        columns=_COLUMNS,
    )
)

_EXPIRED: Final = text(
    """
SELECT id, organisation_id, partner, expiries + 1 AS expiries FROM outbox_message WHERE state = 'sending' AND lease_until < clock_timestamp()
ORDER BY id FOR UPDATE SKIP LOCKED
"""
)

_FREE: Final = text(
    """
UPDATE outbox_message m
SET state = CASE WHEN r.dead THEN 'dead' ELSE 'pending' END,
    lease_until = NULL, lease_token = NULL, expiries = m.expiries + 1,
    next_attempt_at = clock_timestamp() + make_interval(secs => r.pause),
    error_kind = CASE WHEN r.dead THEN 'fault' ELSE m.error_kind END,
    last_error_code = CASE WHEN r.dead THEN :code ELSE m.last_error_code END,
    last_error_title = CASE WHEN r.dead THEN NULL ELSE m.last_error_title END,
    last_error_details = CASE WHEN r.dead THEN NULL ELSE m.last_error_details END
FROM unnest(CAST(:ids AS bigint[]), CAST(:deads AS boolean[]), CAST(:pauses AS double precision[])) AS r(id, dead, pause)
WHERE m.id = r.id
"""
)

_RELEASE: Final = text(
    """
UPDATE outbox_message m
SET state = 'pending', lease_until = NULL, lease_token = NULL, attempts = GREATEST(m.attempts - 1, 0),
    next_attempt_at = clock_timestamp() + make_interval(secs => :delay)
FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[])) AS r(id, token)
WHERE m.id = r.id AND m.state = 'sending' AND m.lease_token = r.token
"""
)

_SETTLE: Final = text(
    """
UPDATE outbox_message m
SET state = r.state,
    lease_until = NULL, lease_token = NULL,
    failures = m.failures + r.failed, expiries = 0,
    next_attempt_at = CASE WHEN r.state = 'pending' THEN clock_timestamp() + make_interval(secs => r.delay)
                           ELSE m.next_attempt_at END,
    error_kind = r.kind, last_error_code = r.code, last_error_title = r.title,
    last_error_details = CAST(r.details AS jsonb),
    answer = COALESCE(CAST(r.answer AS jsonb), m.answer),
    done_at = CASE WHEN r.state IN ('done', 'cancelled') THEN clock_timestamp() END
FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:faileds AS integer[]), CAST(:delays AS double precision[]),
            CAST(:kinds AS text[]), CAST(:codes AS text[]), CAST(:titles AS text[]), CAST(:detailss AS text[]),
            CAST(:answers AS text[]), CAST(:tokens AS uuid[]))
     AS r(id, state, failed, delay, kind, code, title, details, answer, token)
WHERE m.id = r.id AND m.state = 'sending' AND m.lease_token = r.token
RETURNING m.id
"""
)

#: What went wrong, try by try; a try that succeeds leaves no row: the message itself says when.
_NOTE: Final = text(
    """
INSERT INTO outbox_attempt (organisation_id, message_id, at, state, error_kind, code, title)
SELECT r.organisation_id, r.id, clock_timestamp(), r.state, r.kind, r.code, r.title
FROM unnest(CAST(:organisations AS integer[]), CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:kinds AS text[]), CAST(:codes AS text[]),
            CAST(:titles AS text[])) AS r(organisation_id, id, state, kind, code, title)
"""
)

_ANY_DUE: Final = text(
    "SELECT EXISTS (SELECT FROM outbox_message WHERE partner = :partner AND state = 'pending' AND (:early OR next_attempt_at <= clock_timestamp()))"
)

_PURGE: Final = text(
    """
DELETE FROM outbox_attempt WHERE id IN (
    SELECT a.id FROM outbox_attempt a JOIN outbox_message m ON m.id = a.message_id
    WHERE m.state IN ('done', 'cancelled') AND m.done_at < clock_timestamp() - make_interval(days => :days)
    ORDER BY a.id LIMIT :limit)
"""
)

_PULL_FORWARD: Final = text(
    """
UPDATE outbox_message
SET next_attempt_at = clock_timestamp() + make_interval(secs => random() * 2)
WHERE id IN (SELECT id FROM outbox_message
             WHERE partner = :partner AND state = 'pending' AND error_kind = 'unavailable'
               AND next_attempt_at > clock_timestamp() + interval '2 seconds'
             ORDER BY id FOR UPDATE SKIP LOCKED)
"""
)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of one message after its attempt."""

    message: Message
    state: MessageState
    delay: float = 0.0
    failed: bool = False  # a definite failure, counted towards the dead letter
    kind: ErrorKind | None = None
    code: str | None = None
    title: str | None = None
    details: tuple[FieldError, ...] = ()
    answer: dict[str, Any] | None = None


def claim(session: Session, partner: str, token: UUID, limit: int, *, empty_handed: bool = True) -> list[Message]:
    """Lease up to ``limit`` messages that are due, at most one per dossier.

    Those whose last worker died with them come first, alone or a few at a time (``policy.largest_batch``), and only to a drain that
    holds nothing else; it takes nothing more until they are settled.
    """
    for least, most in _SUSPECTS if empty_handed else ():
        few = min(limit, policy.largest_batch(least) or limit)
        if found := _claim(session, _CLAIM_SUSPECTS, partner, token, few, least=least, most=most):
            return found
    return _claim(session, _CLAIM_DUE, partner, token, limit)


def claim_probe(session: Session, partner: str, token: UUID) -> list[Message]:
    """Lease the one message that will show whether the partner is back."""
    return _claim(session, _CLAIM_PROBE, partner, token, 1)


def _claim(session: Session, statement: Any, partner: str, token: UUID, limit: int, **values: int) -> list[Message]:
    rows = session.execute(statement, {"partner": partner, "token": token, "limit": limit, "lease": LEASE_SECONDS, **values})
    return sorted((Message(**row._mapping) for row in rows), key=lambda message: message.id)


def free_expired(session: Session) -> set[str]:
    """Give back the messages of workers that died or hang, or give up those that take their worker with them. Returns the partners concerned."""
    rows = session.execute(_EXPIRED).all()
    if not rows:
        return set()
    dead = [policy.gives_up_expiring(row.expiries) for row in rows]
    session.execute(
        _FREE,
        {"ids": [row.id for row in rows], "deads": dead, "pauses": [policy.expiry_pause(row.expiries) for row in rows], "code": WORKER_LOST},
    )
    session.execute(
        _NOTE,
        {
            "organisations": [row.organisation_id for row in rows],
            "ids": [row.id for row in rows],
            "states": ["dead" if given_up else "pending" for given_up in dead],
            "kinds": [ErrorKind.FAULT.value] * len(rows),
            "codes": [WORKER_LOST] * len(rows),
            "titles": [None] * len(rows),
        },
    )
    for row, given_up in zip(rows, dead, strict=True):
        if given_up:
            log.error("outbox_takes_workers_down", partner=row.partner, message=row.id)
    return {row.partner for row in rows}


def release(session: Session, leases: Mapping[int, UUID], *, delay: float = 0.0) -> None:
    """Give back leased messages (id → token) that were not sent; the attempt does not count."""
    if leases:
        session.execute(_RELEASE, {"ids": list(leases), "tokens": list(leases.values()), "delay": delay})


def settle(session: Session, leases: Mapping[int, UUID], settlements: Sequence[Settlement]) -> set[int]:
    """Write the outcome of a batch in one statement; ``leases`` gives the token of each message. Returns the ids still ours.

    A message whose lease was lost meanwhile (its worker slept, another took it over) is left untouched and absent from the
    answer: whoever holds it now decides. The rows stay locked until the transaction ends.
    """
    if not settlements:
        return set()
    ours = set(
        session.execute(
            _SETTLE,
            {
                "tokens": [leases[item.message.id] for item in settlements],
                "ids": [item.message.id for item in settlements],
                "states": [item.state.value for item in settlements],
                "faileds": [int(item.failed) for item in settlements],
                "delays": [item.delay for item in settlements],
                "kinds": [item.kind.value if item.kind else None for item in settlements],
                "codes": [_clip(item.code, 64) for item in settlements],
                "titles": [_clip(redact(item.title), 500) for item in settlements],
                "detailss": [_details(item.details) for item in settlements],
                "answers": [json.dumps(item.answer) if item.answer is not None else None for item in settlements],
            },
        ).scalars()
    )
    _note(session, [item for item in settlements if item.message.id in ours and item.state in _FAILED])
    return ours


def _note(session: Session, failed: Sequence[Settlement]) -> None:
    """Keep what went wrong with this try."""
    if failed:
        session.execute(
            _NOTE,
            {
                "organisations": [item.message.organisation_id for item in failed],
                "ids": [item.message.id for item in failed],
                "states": [item.state.value for item in failed],
                "kinds": [item.kind.value if item.kind else None for item in failed],
                "codes": [_clip(item.code, 64) for item in failed],
                "titles": [_clip(redact(item.title), 500) for item in failed],
            },
        )


def any_due(session: Session, partner: str, *, early: bool = False) -> bool:
    """Whether a message could leave now; ``early``: one that would wait for its next try too (a probe takes any)."""
    return bool(session.scalar(_ANY_DUE, {"partner": partner, "early": early}))


def purge_attempts(session: Session, *, days: int = KEEP_DAYS, limit: int = PURGED_AT_ONCE) -> int:
    """Forget the tries of messages that are over since so long, ``limit`` of them at most. Returns how many."""
    return int(session.execute(_PURGE, {"days": days, "limit": limit}).rowcount)  # type: ignore[attr-defined]


def pull_forward(session: Session, partner: str) -> None:
    """The partner is back: what waited for it leaves now (spread over two seconds), not at the end of its backoff."""
    session.execute(_PULL_FORWARD, {"partner": partner})


_NUMBERS: Final = re.compile(r"\d(?:[\s.]?[\dAB]){11,}", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"\S+@\S+")


def redact(sentence: str | None) -> str | None:
    """``sentence`` of a partner without what looks like a NIR or an e-mail address."""
    if sentence is None:
        return None
    return _ADDRESS.sub("•••", _NUMBERS.sub("•••", sentence))


def _details(details: Sequence[FieldError]) -> str | None:
    if not details:
        return None
    cleaned = ({**asdict(item), "message": redact(item.message) or ""} for item in details[:50])
    return json.dumps(list(cleaned), ensure_ascii=False)


def _clip(value: str | None, length: int) -> str | None:
    return value[:length] if value is not None else None
