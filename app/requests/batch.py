"""Several requests decided with one answer: each by itself, on fresh data; what stands in the way of one does not stop the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import structlog
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import joinedload
from sqlalchemy.orm.exc import StaleDataError

from app.actions.models import Component
from app.core import context
from app.core.errors_db import translate
from app.core.extensions import db

from . import services
from .domain import Moved, Obstacle, PayloadError, RequestEvent, RequestKind, fingerprint, moved
from .kinds import KINDS, Snapshot
from .models import ModificationRequest

log = structlog.get_logger(__name__)

#: As many as one looks through before deciding.
MAX_BATCH: Final = 50


@dataclass(frozen=True, slots=True)
class Chosen:
    """One request of the page that asks: as it is, and what moved since it was sent."""

    request: ModificationRequest
    moved: tuple[Moved, ...]

    @property
    def fingerprint(self) -> str:
        """Names what moved: what is confirmed is what was shown."""
        return fingerprint(self.moved)


@dataclass(frozen=True, slots=True)
class Item:
    """One request as the page showed it, and what of it was confirmed."""

    request_id: int
    version: int
    confirmed: str = ""
    #: Ticked: to be validated though no letter stands for it.
    without_letter: bool = False


class Fate(StrEnum):
    """What became of one request of the batch."""

    DONE = "done"
    #: By this person already, a click before: nothing to do, nothing wrong.
    ALREADY = "already"
    OVERTAKEN = "overtaken"
    BLOCKED = "blocked"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one request, to be told on its line."""

    request_id: int
    fate: Fate
    obstacles: tuple[Obstacle, ...] = ()
    late: services.Overtaken | None = None
    message: str = ""


def chosen(ids: Collection[int]) -> list[Chosen]:
    """These requests with what moved since, the oldest first; a number of statements that does not depend on theirs."""
    statement = (
        select(ModificationRequest)
        .where(ModificationRequest.id.in_(ids))
        .options(joinedload(ModificationRequest.action), joinedload(ModificationRequest.organisation))
        .order_by(ModificationRequest.sent_at, ModificationRequest.id)
    )
    rows = list(db.session.scalars(statement))
    components = _components(rows)
    snapshots: dict[int, Snapshot] = {}
    for kind in {row.kind for row in rows}:
        mine = [row for row in rows if row.kind == kind]
        made = KINDS[RequestKind(kind)].snapshots([(row.action, components.get(row.action_id, [])) for row in mine])
        snapshots.update(zip((row.id for row in mine), made, strict=True))
    return [Chosen(row, moved(row.asked, snapshots[row.id].values)) for row in rows]


def _components(rows: Sequence[ModificationRequest]) -> dict[int, list[Component]]:
    options: list[Any] = []
    for kind in sorted({row.kind for row in rows}):
        options.extend(KINDS[RequestKind(kind)].options)
    statement = select(Component).where(Component.action_id.in_({row.action_id for row in rows})).order_by(Component.number, Component.id).options(*options)
    found: dict[int, list[Component]] = {}
    for component in db.session.scalars(statement):
        found.setdefault(component.action_id, []).append(component)
    return found


def decide_all(items: Sequence[Item], event: RequestEvent, observations: str) -> list[Result]:
    """Decide on each in a transaction of its own, in the order given.  Raises ValueError for more than ``MAX_BATCH``."""
    if len(items) > MAX_BATCH:
        raise ValueError("too many requests in one batch")
    return [_decide(item, event, observations) for item in items]


def _decide(item: Item, event: RequestEvent, observations: str) -> Result:
    decision = services.Decision(event, item.version, observations=observations, confirmed=item.confirmed, without_letter=item.without_letter)
    try:
        services.decide(item.request_id, decision)
    except services.RequestNotFound:
        return Result(item.request_id, Fate.GONE)
    except services.Overtaken as late:
        mine = late.event is not None and late.event.event == event and late.event.actor_id is not None and late.event.actor_id == context.actor_id()
        return Result(item.request_id, Fate.ALREADY if mine else Fate.OVERTAKEN, late=late)
    except services.Blocked as blocked:
        return Result(item.request_id, Fate.BLOCKED, obstacles=blocked.obstacles)
    except IntegrityError as error:
        db.session.rollback()
        return Result(item.request_id, Fate.FAILED, message=translate(error))
    except (StaleDataError, OperationalError):  # somebody writes the same rows: this one is decided again by itself
        db.session.rollback()
        return Result(item.request_id, Fate.FAILED)
    except (SQLAlchemyError, PayloadError, LookupError, ValueError, TypeError):  # what was decided before stays, what comes after is decided on
        log.exception("request_not_decided", request=item.request_id)
        db.session.rollback()
        return Result(item.request_id, Fate.FAILED, message=_("A technical fault kept this request from being decided: nothing of it was written."))
    return Result(item.request_id, Fate.DONE)


__all__ = ["MAX_BATCH", "Chosen", "Fate", "Item", "Result", "chosen", "decide_all"]
