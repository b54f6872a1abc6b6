"""Who can be written to, and who knows what to write: filled by the features, because the kernel knows neither.

A partner brings a transport (how to send), a feature brings a handler for each operation (what to send, what to do with the
answer). Light: importing this module imports no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from app.core.outbox.errors import Rejected


@dataclass(frozen=True, slots=True)
class Message:
    """A row of the outbox as handlers and transports see it."""

    id: int
    partner: str
    operation: str
    subject_type: str
    subject_id: int
    organisation_id: int
    ordering_key: str
    idempotency_key: UUID
    params: Mapping[str, Any]
    attempts: int
    failures: int = 0
    actor_id: int | None = None
    request_id: str | None = None
    waiting_since: datetime | None = None
    expiries: int = 0
    #: Of what the last try said (``keys``); None before the first.
    body_digest: bytes | None = None


class Transport(Protocol):
    """How to reach a partner. ``send`` raises the taxonomy of ``errors`` and nothing else.

    While it runs, ``context.request_id()`` and ``context.actor_id()`` are those of the message's author.
    A transport may also have ``async def resolve_duplicate(request, duplicate, *, client) -> answer``, called when the partner
    says it already knows the message, to fetch the usual answer; without it ``apply`` receives the ``Duplicate`` itself.
    And ``def body(request) -> str | None``: what the partner compares under an idempotency key; with it, the key follows the body (``keys``).
    """

    @property
    def max_concurrency(self) -> int:
        """How many calls may be under way at once."""

    def open_client(self) -> AbstractAsyncContextManager[Any]:
        """The connection pool of one drain."""

    async def send(self, request: Any, *, idempotency_key: UUID, client: Any) -> Any:
        """Send one request and return the answer."""


Build = Callable[[int, Mapping[str, Any]], Any]
Apply = Callable[[Message, Any], None]
BuildMany = Callable[[Sequence[Message]], Mapping[int, Any]]
ApplyMany = Callable[[Sequence[tuple[Message, Any]]], None]
CheckMany = Callable[[Sequence[tuple[Message, Any]]], Mapping[int, Rejected]]
RejectMany = Callable[[Sequence[tuple[Message, Rejected]]], None]
Decided = Callable[[Sequence[int]], None]


@dataclass(frozen=True, slots=True)
class Handler:
    """What a feature does for one operation.

    ``build(subject_id, params)`` makes the request just before it is sent, from the present state of the database; ``None``
    means there is nothing to send any more (the message is cancelled), a ``Rejected`` that it cannot be sent and why: the message
    is refused without asking the partner, and waits for a decision. ``apply(message, answer)`` stores the answer, in the
    transaction that marks the message done; it must accept being called again. The ``_many`` forms do a batch in few
    statements: ``build_many(messages)`` returns ``{message.id: request}``, an absent id meaning nothing to send.
    ``check_many(answers)`` gives, by message, why an answer cannot be kept: it contradicts what the portal holds. Such a message is refused,
    with what the partner answered beside it, and ``apply`` does not see it.
    ``reject_many`` is told of refusals in the transaction that marks them. ``summary(answer)`` gives what the outbox keeps of
    the answer (no personal data). All run in the system scope.
    """

    build: Build | None = None
    apply: Apply | None = None
    build_many: BuildMany | None = None
    apply_many: ApplyMany | None = None
    reject_many: RejectMany | None = None
    summary: Callable[[Any], Mapping[str, Any]] | None = None
    check_many: CheckMany | None = None

    def requests(self, messages: Sequence[Message]) -> dict[int, Any]:
        """The requests of these messages by id, in as few statements as the feature can."""
        if self.build_many is not None:
            return dict(self.build_many(messages))
        build = self.build
        return {} if build is None else {message.id: build(message.subject_id, message.params) for message in messages}

    def store(self, answers: Sequence[tuple[Message, Any]]) -> None:
        """Let the feature keep these answers."""
        if self.apply_many is not None:
            self.apply_many(answers)
        elif self.apply is not None:
            for message, answer in answers:
                self.apply(message, answer)


@dataclass(slots=True)
class _Registry:
    partners: dict[str, Callable[[], Transport]] = field(default_factory=dict)
    handlers: dict[tuple[str, str], Handler] = field(default_factory=dict)
    labels: dict[str, Any] = field(default_factory=dict)
    decided: dict[str, Decided] = field(default_factory=dict)


_registry = _Registry()


def register_partner(name: str, transport_factory: Callable[[], Transport], *, label: Any = None) -> None:
    """Declare a partner. ``transport_factory()`` is called once per drain, inside the application context."""
    from app.core.jobs.queues import allow_word

    if not name.isidentifier() or not name.islower() or len(name) > 32:
        raise ValueError(f"not a partner's name: {name!r}")
    _registry.partners[name] = transport_factory
    _registry.labels[name] = label or name.upper()
    allow_word(name)


def register_handler(
    partner: str,
    operation: str,
    build: Build | None = None,
    apply: Apply | None = None,
    *,
    build_many: BuildMany | None = None,
    apply_many: ApplyMany | None = None,
    reject_many: RejectMany | None = None,
    summary: Callable[[Any], Mapping[str, Any]] | None = None,
    check_many: CheckMany | None = None,
) -> None:
    """Declare what a feature sends under ``operation`` and does with the answer (see ``Handler``)."""
    if build is None and build_many is None:
        raise ValueError("a handler needs build or build_many")
    if apply is None and apply_many is None:
        raise ValueError("a handler needs apply or apply_many")
    _registry.handlers[(partner, operation)] = Handler(build, apply, build_many, apply_many, reject_many, summary, check_many)


def register_subject(subject_type: str, *, decided: Decided) -> None:
    """Declare who has to know that messages about subjects of this type were settled or sent again by hand.

    ``decided(subject_ids)`` runs in the transaction that does it, after the messages: whoever settles, and from whichever screen, what the
    subject awaits of the partner is said again.
    """
    _registry.decided[subject_type] = decided


def tell_decided(subject_type: str, subject_ids: Sequence[int]) -> None:
    """Let the feature know, if it wants to."""
    if (follow := _registry.decided.get(subject_type)) is not None:
        follow(subject_ids)


def partners() -> tuple[str, ...]:
    """Names of the declared partners."""
    return tuple(_registry.partners)


def partner_label(name: str) -> Any:
    """The partner's name for the screen."""
    return _registry.labels.get(name, name.upper())


def transport(partner: str) -> Transport:
    """A transport for ``partner``. Raises LookupError if nobody declared it."""
    try:
        return _registry.partners[partner]()
    except KeyError:
        raise LookupError(f"no partner named {partner!r}") from None


def handler(partner: str, operation: str) -> Handler:
    """The handler of an operation. Raises LookupError if nobody declared it."""
    try:
        return _registry.handlers[(partner, operation)]
    except KeyError:
        raise LookupError(f"no handler for {operation!r} of {partner!r}") from None
