"""The error taxonomy of outside systems: it *is* the retry policy.

A transport raises one of these and nothing else; the drain decides from the class alone what becomes of the
message. Anything that is not a :class:`PartnerError` is a fault of our own code (a poison message).

==================  ==========================================================================
``Unavailable``     nobody answered, or not usefully: try again with backoff, for 24 hours
``Throttled``       asked to slow down: the same, without accusing the partner of being down
``Contradictory``   answered against the contract, or about something else: a few times again, then refused
``Rejected``        understood and refused: stop, show the reason and what to mend
``Duplicate``       it already knows this: success, with the reference it gave
==================  ==========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Why there is no usable answer; kept with the message as its error code, for the catalogue of partner codes."""

    UNAVAILABLE = "unavailable"  # nothing more is known
    NO_ANSWER = "no_answer"  # in time
    NETWORK = "network"  # refused, unreachable, cut, no TLS
    SERVER_ERROR = "server_error"  # the partner says that it is out of order
    BAD_ANSWER = "bad_answer"  # unreadable, or about something else
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - a word
    CREDENTIALS_REFUSED = "credentials_refused"
    CIRCUIT_OPEN = "circuit_open"  # not even tried
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One reason of a refusal: the partner's own field name, its code and its sentence."""

    field: str
    message: str
    code: str = ""


class PartnerError(Exception):
    """Anything an outside system can do to us instead of answering."""


class Unavailable(PartnerError):
    """No usable answer: refused connection, time-out, 5xx, unreadable body.

    Whether the partner acted on the message is unknown, hence the idempotency key. ``retry_after`` is the delay
    in seconds that the partner asked for, if it did; ``reason`` is for operators and carries no personal data.
    """

    usual_cause = Cause.UNAVAILABLE

    def __init__(self, retry_after: float | None = None, reason: str = "", *, cause: Cause | None = None) -> None:
        super().__init__(reason or type(self).__name__)
        self.retry_after = retry_after
        self.reason = reason
        self.cause = cause or self.usual_cause


class Throttled(Unavailable):
    """The partner is well but asks to slow down (429)."""

    usual_cause = Cause.THROTTLED


class Contradictory(Unavailable):
    """The partner answered, and the answer contradicts the contract or what was asked: nothing of it is kept.

    Whoever is muddled for a moment answers better at the next try. After a few (``policy.MAX_CONTRADICTIONS``) the message is refused under
    ``code``, and waits for somebody to speak to the partner.
    """

    usual_cause = Cause.BAD_ANSWER

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason=reason)
        self.code = code


class Rejected(PartnerError):
    """The partner understood and refused: sending the same again would be refused again."""

    def __init__(self, code: str, title: str, details: tuple[FieldError, ...] = ()) -> None:
        super().__init__(f"{code}: {title}")
        self.code = code
        self.title = title
        self.details = tuple(details)


class Duplicate(PartnerError):
    """The partner already holds the effect of this message, under ``reference``: a success."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.reference = reference
