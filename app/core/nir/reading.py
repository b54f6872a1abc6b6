"""Reading a number in clear: never without a reason, never without a trace (design rule 8, security bar B2.3, B2.4).

The trace is a row of ``nir_reading`` in the transaction of the reading: if it cannot be written, nothing is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flask import has_request_context, request
from sqlalchemy import insert

from app.core import clock, context
from app.core.audit.models import NirReading
from app.core.extensions import db
from app.core.nir.number import Nir
from app.core.nir.storage import NirRow, open_unjournaled
from app.core.transaction import transaction

MIN_REASON = 5
MAX_REASON = 500
SCREEN = "screen"
EXPORT = "export"


class ReasonRequired(ValueError):
    """No reason, or one too short to mean anything: ask again."""


@dataclass(frozen=True, slots=True)
class Read:
    """Whose data was read."""

    subject_type: str
    subject_id: int
    organisation_id: int


def _clean_reason(reason: str) -> str:
    text = " ".join((reason or "").split())
    if len(text) < MIN_REASON:
        raise ReasonRequired("a reason is required")
    return text[:MAX_REASON]


def journal_readings(reads: Sequence[Read], *, reason: str, purpose: str) -> None:
    """Write one row for each subject, in one statement, in the open transaction (or in one of its own).

    Raises :class:`ReasonRequired` when the reason says nothing.
    """
    text = _clean_reason(reason)
    if not reads:
        return
    common = {
        "at": clock.now(),
        "actor_id": context.actor_id(),
        "purpose": purpose,
        "reason": text,
        "request_id": context.request_id(),
        "ip_address": request.remote_addr if has_request_context() else None,
    }
    rows = [
        {"subject_type": read.subject_type, "subject_id": read.subject_id, "organisation_id": read.organisation_id, **common}
        for read in reads
    ]
    with transaction():
        db.session.execute(insert(NirReading.__table__), rows)


def journal_reading(subject_type: str, subject_id: int, organisation_id: int, reason: str, *, purpose: str = SCREEN) -> None:
    """Write that personal data of one subject was read, in the open transaction (or in one of its own)."""
    journal_readings([Read(subject_type, subject_id, organisation_id)], reason=reason, purpose=purpose)


def _read_of(subject: NirRow) -> Read:
    return Read(subject.__tablename__, subject.id, subject.organisation_id)


def reveal_nir(subject: NirRow, *, reason: str) -> Nir | None:
    """Return the number of one person in clear, for the screen of someone entitled to it; ``None`` if there is none.

    The permission is checked by the caller, who answers a POST.  Raises :class:`ReasonRequired`, and
    :class:`app.core.crypto.CryptoError` when the stored bytes were altered or moved.
    """
    with transaction():
        if subject.nir_ciphertext is None:
            return None
        journal_readings([_read_of(subject)], reason=reason, purpose=SCREEN)
        return open_unjournaled(subject)


def reveal_for_partner(
    subjects: Iterable[NirRow], *, partner: str = "agora", reason: str = "sending to the partner"
) -> dict[int, Nir]:
    """Return the numbers of many people by subject id, for messages to a partner; those without a number are left out.

    One statement journals them all, with the partner as purpose.
    """
    with transaction():
        wanted = [subject for subject in subjects if subject.nir_ciphertext is not None]
        journal_readings([_read_of(subject) for subject in wanted], reason=reason, purpose=partner)
        opened = {int(subject.id): open_unjournaled(subject) for subject in wanted}
        return {subject_id: nir for subject_id, nir in opened.items() if nir is not None}


def reveal_for_file(subjects: Iterable[NirRow], *, reason: str) -> dict[int, Nir]:
    """Return the numbers of many people by subject id, for a file that somebody entitled to it takes out, saying why.

    The permission is checked by the caller.  One statement journals them all.  Raises :class:`ReasonRequired`.
    """
    return reveal_for_partner(subjects, partner=EXPORT, reason=reason)
