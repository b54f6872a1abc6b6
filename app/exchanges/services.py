"""What can be done to exchanges by hand; each act is journaled with its author and reason (``outbox_intervention``)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select

from app.core import clock, context
from app.core.concurrency import check_version
from app.core.extensions import db
from app.core.outbox import console
from app.core.outbox.models import MessageState, OutboxMessage
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

from .catalogue import catalogue
from .domain import NOT_THE_ORGANISATION_S, DifferenceState
from .models import ReconciliationDifference
from .queries import STUCK, ExchangeFilter, conditions, last_error_among


class Impossible(Exception):
    """An act that makes no sense any more; ``code`` tells the screen which sentence to show."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Selection:
    """Which exchanges to send again: those chosen, or all that a filter keeps, none younger than ``newest``."""

    ids: tuple[int, ...] = ()
    narrowed: ExchangeFilter | None = None
    newest: int | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """What an act on a selection would do."""

    can: int
    #: Chosen, but sending again helps nobody, or no longer refused.
    left_out: int
    #: The latest exchange counted: what comes later is not concerned.
    newest: int
    capped: bool = False


def _where(selection: Selection) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [OutboxMessage.id.in_(selection.ids)] if selection.narrowed is None else conditions(selection.narrowed)
    if selection.newest is not None:
        found.append(OutboxMessage.id <= selection.newest)
    return found


def _useful() -> list[ColumnElement[bool]]:
    """Refused or given up, for a reason that sending again can get over."""
    return [OutboxMessage.state.in_(STUCK), or_(OutboxMessage.last_error_code.is_(None), ~last_error_among(catalogue().without_replay()))]


def extent(selection: Selection) -> Extent:
    """Counted for the question that comes before the act, no further than one act goes."""
    most = console.MOST_AT_ONCE
    counted = select(OutboxMessage.id).where(*_where(selection), *_useful()).order_by(OutboxMessage.id).limit(most + 1).subquery()
    can, newest = db.session.execute(select(func.count(), func.max(counted.c.id)).select_from(counted)).one()
    left_out = 0
    if selection.narrowed is None:
        left_out = (db.session.scalar(select(func.count()).select_from(OutboxMessage).where(*_where(selection))) or 0) - can
    return Extent(min(can, most), left_out, newest or 0, can > most)


def replay(selection: Selection, *, reason: str | None = None) -> int:
    """Send again what can be; returns how many. At most ``console.MOST_AT_ONCE`` at once, the oldest first."""
    chosen = select(OutboxMessage.id).where(*_where(selection), *_useful()).order_by(OutboxMessage.id).limit(console.MOST_AT_ONCE)
    return len(console.replay_those(chosen, reason=reason))


def resend_own(exchange_id: int) -> bool:
    """The organisation sends again one exchange of its own that was refused. Raises LookupError outside the scope.

    It may not write to the outbox: having the refused exchange in its scope is what entitles it to this, and only this.
    """
    with transaction():
        if db.session.scalar(select(OutboxMessage.id).where(OutboxMessage.id == exchange_id)) is None:
            raise LookupError(exchange_id)
        with bound_scope(Scope.system()):
            others = last_error_among(catalogue().of(*NOT_THE_ORGANISATION_S))
            chosen = select(OutboxMessage.id).where(OutboxMessage.id == exchange_id, OutboxMessage.state == MessageState.REJECTED, ~others, *_useful())
            rows = console.replay_those(chosen, reason="renvoyé par l’organisme")
    return bool(rows)


def settle(exchange_id: int, *, reason: str) -> bool:
    """Declare one exchange settled outside the portal; what waits behind it goes on. Raises ``console.ConsoleError`` without a reason."""
    return console.mark_settled([exchange_id], reason=reason) > 0


def settle_difference(difference_id: int, *, version: int, reason: str) -> None:
    """Close a difference by hand, saying why. Raises LookupError, StaleError, or Impossible when it is closed already."""
    cleaned = " ".join(reason.split())[:500]
    if not cleaned:
        raise Impossible("reason")
    with transaction() as session:
        statement = select(ReconciliationDifference).where(ReconciliationDifference.id == difference_id)
        found = session.scalars(statement.with_for_update().execution_options(populate_existing=True)).one_or_none()
        if found is None:
            raise LookupError(difference_id)
        if found.state != DifferenceState.OPEN.value:
            raise Impossible("closed")
        check_version(found, version)
        found.state = DifferenceState.SETTLED.value
        found.closed_at = clock.now()
        found.closed_by_id = context.actor_id()
        found.reason = cleaned
