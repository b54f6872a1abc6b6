"""How a call to a partner can fail: the error is the retry policy.

The families are the outbox's own (it retries an ``Unavailable``, stops on a ``Rejected``, and takes a ``Duplicate`` for a success); partners add what
they know. No error carries the body of a request or of an answer: both hold personal data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.core.outbox.errors import Cause, Contradictory, Duplicate, FieldError, PartnerError, Rejected, Throttled, Unavailable

__all__ = [
    "Cause",
    "FieldError",
    "PartnerContradictory",
    "PartnerDuplicate",
    "PartnerError",
    "PartnerFieldError",
    "PartnerRejected",
    "PartnerThrottled",
    "PartnerUnauthorised",
    "PartnerUnavailable",
]

PartnerUnavailable = Unavailable
PartnerThrottled = Throttled
PartnerContradictory = Contradictory


class PartnerUnauthorised(Unavailable):
    """The partner refuses our credentials. No fault of the message: it is kept, and tried again once the settings are mended."""

    usual_cause = Cause.TOKEN_REFUSED


@dataclass(frozen=True, slots=True)
class PartnerFieldError(FieldError):
    """One datum refused: ``field`` is the partner's own pointer, ``path`` the portal's name of it when there is one (``holder.birth_date``)."""

    path: str | None = None


class PartnerRejected(Rejected):
    """Understood and refused. ``code`` is the partner's own word, ``refusal`` what it means to the portal (an enum of the partner's port)."""

    def __init__(self, code: str, title: str, details: tuple[FieldError, ...] = (), *, refusal: Any = None, status: int | None = None) -> None:
        super().__init__(code, title, details)
        self.refusal = refusal
        self.status = status


class PartnerDuplicate(Duplicate):
    """The partner already holds this. ``number`` is its own number, ``state`` the thing as it was read back and checked."""

    def __init__(self, number: str, *, state: Any = None) -> None:
        super().__init__(number)
        self.state = state

    @property
    def number(self) -> str:
        """The partner's number of what exists."""
        return self.reference
