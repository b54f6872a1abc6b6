"""Reads of actions.  Lists are paged by key: the last page costs what the first does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import ARRAY, ColumnElement, CompoundSelect, Integer, ScalarSelect, Select, any_, func, literal, literal_column, select, tuple_
from sqlalchemy.orm import aliased, joinedload, selectinload

from app.core.extensions import db
from app.core.requests import row_number
from app.core.ui.components import KeysetPage
from app.reference.models import Programme

from .domain import ActionEvent, ActionStatus, StatusFilter, shown_status
from .models import (
    Action,
    ActionHistory,
    ActionPartner,
    AdvanceInvoiceRequest,
    Component,
    ComponentSite,
    Contract,
    FinishDeclaration,
    InformationMeeting,
    TrainingSession,
)

#: Beyond, the exact number helps nobody and would cost a scan of everything.
COUNT_CAP = 10_000
#: And on the tiles of the home page, which is read all day.
TILE_CAP = 999
PAGE_SIZES = (25, 50, 100)
#: Up to so many rows found by words are named one by one.
_FEW = 500


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list: just after, or just before, one row.  An address carries the row's id only: a sort key may be a name."""

    id: int
    backwards: bool = False

    @classmethod
    def of(cls, after: str | None, before: str | None) -> Cursor | None:
        """Read the ``after`` or ``before`` of an address; None for anything mangled, which shows the first page."""
        number = row_number((after or before or "").partition("~")[0])  # addresses kept from before carried the sort key behind
        return cls(number, backwards=not after) if number is not None else None


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one page, and what the pagination macro needs."""

    rows: list[Any]
    keyset: KeysetPage


@dataclass(frozen=True, slots=True)
class ActionCounters:
    """Home page, "Mes actions"."""

    waiting: int
    running: int
    late: int
    declared: int  # finished, as the organisation says; the Région closes them


def tsquery(query: str) -> Any:
    """``query`` (see ``textsearch.prefix_query``) for comparison with a generated vector."""
    return func.to_tsquery(literal_column("'simple'::regconfig"), query)


def found_first(column: Any, statement: Select[Any] | CompoundSelect[Any]) -> ColumnElement[bool]:
    """Whether ``column`` is among the ids that ``statement`` selects, which are looked for at once: when they are few, they are named.

    How many rows hold some words is what PostgreSQL guesses worst: it may walk a list of half a million in its order, and look into each,
    for the forty that hold them.
    """
    hits = statement.cte("hits").prefix_with("MATERIALIZED")
    ids = db.session.scalars(select(*hits.c).limit(_FEW + 1)).all()
    if len(ids) > _FEW:
        return cast("ColumnElement[bool]", column.in_(statement))
    return cast("ColumnElement[bool]", column == any_(literal(sorted(set(ids)), ARRAY(Integer))))


def keyset_page(
    statement: Select[Any], sort: Any, identity: Any, *, cursor: Cursor | None, size: int, counted: Select[Any], descending: bool = False
) -> Page:
    """One page of ``statement`` ordered by (``sort``, ``identity``): two statements, three beyond the first page, at any depth.

    ``sort`` is a column or several, never empty, and ``identity`` the key of the selected entity; ``counted`` selects the same rows' ids
    without relations. A cursor whose row is gone, or out of scope, shows the first page.
    """
    columns = (*sort, identity) if isinstance(sort, tuple) else (sort, identity)
    key = db.session.execute(select(*columns).where(identity == cursor.id)).one_or_none() if cursor is not None else None
    if key is None:
        cursor = None
    backwards = cursor is not None and cursor.backwards
    falling = descending != backwards
    if key is not None:
        here, place = tuple_(*columns), tuple_(*(literal(value, column.type) for value, column in zip(key, columns, strict=True)))
        statement = statement.where(here < place if falling else here > place)
    order = [column.desc() for column in columns] if falling else columns
    rows = list(db.session.scalars(statement.order_by(*order).limit(size + 1)).unique())
    more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    total, capped = capped_count(counted)
    before = after = None
    if rows:
        first, last = rows[0], rows[-1]
        if more if backwards else cursor is not None:
            before = str(first.id)
        if backwards or more:
            after = str(last.id)
    return Page(rows, KeysetPage(size=size, shown=len(rows), after=after, before=before, total=total, capped=capped))


def capped_count(statement: Select[Any]) -> tuple[int, bool]:
    """Number of rows of ``statement``, counted no further than the cap; and whether the cap was reached."""
    limited = statement.limit(COUNT_CAP + 1).subquery()
    count = db.session.scalar(select(func.count()).select_from(limited)) or 0
    return min(count, COUNT_CAP), count > COUNT_CAP


def tile_count(statement: Select[Any]) -> ScalarSelect[int]:
    """How many rows ``statement`` has, for a tile: counted one further than ``TILE_CAP``, which says that there are more."""
    return select(func.count()).select_from(statement.limit(TILE_CAP + 1).subquery()).scalar_subquery()


def advance_requested_at(action_id: int) -> datetime | None:
    """When the advance invoice of an action was requested; None before its opening."""
    return db.session.scalar(select(AdvanceInvoiceRequest.requested_at).where(AdvanceInvoiceRequest.action_id == action_id))


def declaration_of(action_id: int) -> FinishDeclaration | None:
    """The declaration in force that the action is finished."""
    return next(iter(declarations_in_force({action_id})), None)


def declarations_in_force(action_ids: Collection[int]) -> Sequence[FinishDeclaration]:
    """Those of several actions."""
    if not action_ids:
        return []
    statement = select(FinishDeclaration).where(FinishDeclaration.action_id.in_(action_ids), FinishDeclaration.withdrawn_at.is_(None))
    return db.session.scalars(statement.order_by(FinishDeclaration.id)).all()


def declarations_of(action_id: int) -> Sequence[FinishDeclaration]:
    """Those that an action ever had, withdrawn ones too, latest first: the one in force, if any, is the first."""
    statement = select(FinishDeclaration).where(FinishDeclaration.action_id == action_id)
    return db.session.scalars(statement.order_by(FinishDeclaration.id.desc()).limit(200)).all()


def programmes_of_contracts() -> list[Programme]:
    """The programmes that the contracts of the scope are of: for an organisation, its own only."""
    held = distinct_values(Contract.programme_id)
    return list(db.session.scalars(select(Programme).where(Programme.id.in_(held)).order_by(Programme.position, Programme.label, Programme.id)))


def years() -> list[int]:
    """The years that have actions, newest first."""
    return list(db.session.scalars(distinct_values(Action.year, descending=True)))


def distinct_values(column: Any, *, descending: bool = False, above: Any = None) -> Select[Any]:
    """The values of ``column`` that the scope has, in order, found by skipping from one to the next along the index of the column.

    DISTINCT and EXISTS would read every row of an organisation that holds many. ``above`` leaves out it and what comes before.
    """

    def next_to(place: Any) -> ScalarSelect[Any]:
        one = aliased(column.class_)
        mine = getattr(one, column.key)
        statement = select(mine).order_by(mine.desc() if descending else mine).limit(1)
        return (statement if place is None else statement.where(mine < place if descending else mine > place)).scalar_subquery()

    found = select(next_to(above).label("value")).cte("found", recursive=True)
    found = found.union_all(select(next_to(found.c.value)).where(found.c.value.is_not(None)))
    return select(found.c.value).where(found.c.value.is_not(None)).order_by(found.c.value.desc() if descending else found.c.value)


def is_declared() -> ColumnElement[bool]:
    """Actions whose organisation declared them finished, and that the Région is to close: ``StatusFilter.DECLARED``."""
    declared = select(FinishDeclaration.action_id).where(FinishDeclaration.withdrawn_at.is_(None))
    return (Action.status == ActionStatus.RUNNING.value) & Action.id.in_(declared)


def is_late(today: date) -> ColumnElement[bool]:
    """Actions « en retard de fermeture »: ``StatusFilter.LATE``."""
    return (Action.status == ActionStatus.RUNNING.value) & (Action.planned_end < today) & ~is_declared()


def shown_statuses(actions: Collection[Action], today: date) -> dict[int, StatusFilter]:
    """What is shown of each of these actions: one statement, none when no action is running."""
    declared = {one.action_id for one in declarations_in_force({action.id for action in actions if action.status == ActionStatus.RUNNING})}
    return {one.id: shown_status(one.status, one.planned_end, today, declared=one.id in declared) for one in actions}


def counters(today: date) -> ActionCounters:
    """Actions waiting, running, late and declared finished, in one statement."""
    row = db.session.execute(
        select(
            func.count().filter(Action.status == ActionStatus.WAITING.value).label("waiting"),
            func.count().filter(Action.status == ActionStatus.RUNNING.value).label("running"),
            func.count().filter(is_late(today)).label("late"),
            func.count().filter(is_declared()).label("declared"),
        ).where(Action.status.in_((ActionStatus.WAITING.value, ActionStatus.RUNNING.value)))
    ).one()
    return ActionCounters(row.waiting, row.running, row.late, row.declared)


def get_action(action_id: int) -> Action | None:
    """One action with its contract, programme and holder; None outside the scope."""
    return db.session.scalars(
        select(Action).where(Action.id == action_id).options(joinedload(Action.contract).joinedload(Contract.programme), joinedload(Action.organisation))
    ).one_or_none()


def partners_of(action_id: int, *, fresh: bool = False) -> list[ActionPartner]:
    """The partners of an action, those who left too, in the order they came."""
    statement = select(ActionPartner).where(ActionPartner.action_id == action_id).order_by(ActionPartner.id)
    return list(db.session.scalars(statement.execution_options(populate_existing=fresh)))


def partners_of_all(action_ids: Collection[int]) -> dict[int, list[ActionPartner]]:
    """The partners of several actions, by the id of the action, in one statement."""
    found: dict[int, list[ActionPartner]] = {number: [] for number in action_ids}
    statement = select(ActionPartner).where(ActionPartner.action_id.in_(found)).order_by(ActionPartner.id)
    for one in db.session.scalars(statement):
        found[one.action_id].append(one)
    return found


def components_of(action_id: int) -> list[Component]:
    """The components with their level and sites."""
    return list(
        db.session.scalars(
            select(Component)
            .where(Component.action_id == action_id)
            .order_by(Component.number)
            .options(joinedload(Component.level), selectinload(Component.places_of_training).joinedload(ComponentSite.site))
        )
    )


def has_session(component_id: int) -> bool:
    """Whether a component has a session already, cancelled or not."""
    return db.session.scalar(select(TrainingSession.id).where(TrainingSession.component_id == component_id).limit(1)) is not None


def sessions_of(action_id: int) -> dict[int, list[TrainingSession]]:
    """Component → its sessions with their site and information meetings, in the order of their numbers: two statements."""
    statement = (
        select(TrainingSession)
        .join(Component, Component.id == TrainingSession.component_id)
        .where(Component.action_id == action_id)
        .order_by(TrainingSession.component_id, TrainingSession.number)
        .options(joinedload(TrainingSession.site), selectinload(TrainingSession.meetings))
    )
    found: dict[int, list[TrainingSession]] = {}
    for session in db.session.scalars(statement):
        found.setdefault(session.component_id, []).append(session)
    return found


def get_session(session_id: int) -> TrainingSession | None:
    """One session with its site, meetings, component and action; None outside the scope."""
    return db.session.scalars(
        select(TrainingSession)
        .where(TrainingSession.id == session_id)
        .options(
            joinedload(TrainingSession.site), selectinload(TrainingSession.meetings), joinedload(TrainingSession.component).joinedload(Component.action)
        )
        .execution_options(populate_existing=True)
    ).one_or_none()


def get_meeting(meeting_id: int) -> InformationMeeting | None:
    """One information meeting; None outside the scope."""
    return db.session.scalars(select(InformationMeeting).where(InformationMeeting.id == meeting_id)).one_or_none()


def get_component(component_id: int) -> Component | None:
    """One component with its action and sites; None outside the scope."""
    return db.session.scalars(
        select(Component)
        .where(Component.id == component_id)
        .options(joinedload(Component.action), selectinload(Component.places_of_training).joinedload(ComponentSite.site))
    ).one_or_none()


def history_of(action_id: int, *, session_id: int | None = None) -> list[ActionHistory]:
    """What happened to the action, or to one of its sessions, latest first."""
    concerned = ActionHistory.action_id == action_id if session_id is None else ActionHistory.session_id == session_id
    return list(db.session.scalars(select(ActionHistory).where(concerned).order_by(ActionHistory.id.desc()).limit(200)))


def closing_of(action_id: int) -> ActionHistory | None:
    """The last line of history that says who closed the action, and when."""
    statement = select(ActionHistory).where(ActionHistory.action_id == action_id, ActionHistory.event == ActionEvent.CLOSE.value)
    return db.session.scalars(statement.order_by(ActionHistory.id.desc()).limit(1)).first()


def opening_of(action_id: int) -> ActionHistory | None:
    """The line of history of the opening: there is one at most, for nothing leads back to before."""
    statement = select(ActionHistory).where(ActionHistory.action_id == action_id, ActionHistory.event == ActionEvent.OPEN.value)
    return db.session.scalars(statement.order_by(ActionHistory.id.desc()).limit(1)).first()


def numbers_of(action_ids: Sequence[int]) -> dict[int, str]:
    """Numbers of actions by id, within the scope."""
    if not action_ids:
        return {}
    return {row.id: row.number for row in db.session.execute(select(Action.id, Action.number).where(Action.id.in_(action_ids)))}
