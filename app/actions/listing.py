"""The list of the actions (guide 003 §1): what it is narrowed to, how it is sorted, one page of it.

Every condition is one that an index answers, and every order is an index of its own (``models.Action``): a page at any depth costs what the
first does. Exports and saved searches narrow by the same words.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, literal_column, select, union
from sqlalchemy.orm import contains_eager, joinedload

from app.accounts.models import Organisation
from app.core import clock, textsearch
from app.core.extensions import db
from app.reference.models import SITE_WORDS, Site

from .domain import SortKey, StatusFilter, shown_status
from .models import COMPONENT_WORDS, Action, Component, ComponentSite, Contract
from .queries import PAGE_SIZES, Cursor, Page, distinct_values, found_first, is_declared, is_late, keyset_page, tsquery

#: More territories than this are not a list to choose from.
MOST_TERRITORIES: Final = 300


@dataclass(frozen=True, slots=True)
class ActionFilter:
    """What the list is narrowed to; every value comes from the address."""

    text: str = ""
    status: StatusFilter | None = None
    year: int | None = None
    programme_id: int | None = None
    contract: str = ""
    number: str = ""
    title: str = ""
    territory: str = ""
    organisation: str = ""
    start_from: date | None = None
    start_to: date | None = None
    end_from: date | None = None
    end_to: date | None = None
    component: str = ""
    site: str = ""

    @property
    def active(self) -> bool:
        """Whether anything narrows the list."""
        return self != ActionFilter()

    @property
    def advanced(self) -> bool:
        """Whether anything of the advanced search does."""
        return any(getattr(self, field.name) for field in fields(self)[4:])


@dataclass(frozen=True, slots=True)
class ActionOrder:
    """How the list is sorted; without a key, by contract and number."""

    key: SortKey | None = None
    descending: bool = False

    @property
    def grouped(self) -> bool:
        """Whether the actions of a contract and lot follow one another."""
        return self.key in (None, SortKey.CONTRACT, SortKey.NUMBER)


#: What precedes the number of the action in each order; all of it can be compared, and none of it is ever empty.
_ORDERS: Final[dict[SortKey | None, tuple[Any, ...]]] = {
    None: (),
    SortKey.CONTRACT: (),
    SortKey.NUMBER: (),
    SortKey.TITLE: (Action.title_key,),
    SortKey.STATUS: (Action.status,),
    SortKey.YEAR: (Action.year,),
    SortKey.START: (Action.start_key,),
    SortKey.END: (Action.planned_end,),
}


def matching(narrowed: ActionFilter) -> list[ColumnElement[bool]]:
    """The conditions of a filter that no day matters for."""
    return conditions(narrowed, date.min)


def conditions(narrowed: ActionFilter, today: date) -> list[ColumnElement[bool]]:
    """The filter as conditions on :class:`Action`."""
    found: list[ColumnElement[bool]] = []
    match narrowed.status:
        case None:
            pass
        case StatusFilter.LATE:
            found.append(is_late(today))
        case StatusFilter.DECLARED:
            found.append(is_declared())
        case status:
            found.append(Action.status == status.value)
    if narrowed.year is not None:
        found.append(Action.year == narrowed.year)
    if narrowed.text.strip():
        found.append(_matches(narrowed.text))
    if narrowed.number:
        found.append(_begins(Action.number, narrowed.number))
    if narrowed.title:
        found.append(found_first(Action.id, select(Action.id).where(_words(Action.search_vector, narrowed.title))))
    of_contract = _of_contract(narrowed)
    if of_contract:
        found.append(Action.contract_id.in_(select(Contract.id).where(*of_contract)))
    if narrowed.organisation:
        found.append(Action.organisation_id.in_(select(Organisation.id).where(_words(Organisation.search_vector, narrowed.organisation))))  # type: ignore[attr-defined]
    for column, first, last in ((Action.start_key, narrowed.start_from, narrowed.start_to), (Action.planned_end, narrowed.end_from, narrowed.end_to)):
        if first is not None:
            found.append(column >= first)
        if last is not None:
            found.append(column <= last)
        elif first is not None and column is Action.start_key:
            found.append(Action.actual_start.is_not(None))
    return [*found, *_of_components(narrowed)]


def _of_contract(narrowed: ActionFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if narrowed.contract:
        found.append(_begins(Contract.number, narrowed.contract))
    if narrowed.programme_id is not None:
        found.append(Contract.programme_id == narrowed.programme_id)
    if narrowed.territory:
        found.append(Contract.territory == narrowed.territory)
    return found


def _of_components(narrowed: ActionFilter) -> list[ColumnElement[bool]]:
    """An action is found by any of its components, and by any site of any of them."""
    found: list[ColumnElement[bool]] = []
    if narrowed.component:
        words: ColumnElement[Any] = literal_column(COMPONENT_WORDS)
        found.append(found_first(Action.id, select(Component.action_id).where(_words(words, narrowed.component))))
    if narrowed.site:
        sites = select(Site.id).where(_words(literal_column(SITE_WORDS), narrowed.site))
        places = select(ComponentSite.component_id).where(ComponentSite.site_id.in_(sites))
        found.append(found_first(Action.id, select(Component.action_id).where(Component.id.in_(places))))
    return found


def _begins(column: Any, typed: str) -> ColumnElement[bool]:
    """Whether a number begins as typed. Its two bounds say the same to the index, which row-level security keeps from LIKE."""
    start = typed.strip().upper()
    pattern = start.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
    return and_(column >= start, column < f"{start}\U0010ffff", column.like(pattern))


def _words(vector: Any, typed: str) -> ColumnElement[bool]:
    """Whether the beginnings of words typed all stand in ``vector``; nothing searchable matches nothing."""
    query = textsearch.prefix_query(typed)
    found: ColumnElement[bool] = vector.bool_op("@@")(tsquery(query)) if query is not None else literal_column("false")
    return found


def _matches(typed: str) -> ColumnElement[bool]:
    """Words of the number or title; or the number of the contract, which the line above the actions shows."""
    if textsearch.prefix_query(typed) is None:
        return literal_column("false")
    by_contract = select(Contract.id).where(_begins(Contract.number, typed))
    # A union: with OR, neither index would be used and the whole list be read.
    by_words = select(Action.id).where(_words(Action.search_vector, typed))
    return found_first(Action.id, union(by_words, select(Action.id).where(Action.contract_id.in_(by_contract))))


def list_actions(
    narrowed: ActionFilter, *, today: date, order: ActionOrder | None = None, cursor: Cursor | None = None, size: int = PAGE_SIZES[0]
) -> Page:
    """One page of actions, those of a contract and lot together unless sorted otherwise: two or three statements whatever the number of rows."""
    order = order or ActionOrder()
    wanted = conditions(narrowed, today)
    statement = (
        select(Action)
        .join(Action.contract)
        .where(*wanted)
        .options(contains_eager(Action.contract).joinedload(Contract.programme), joinedload(Action.organisation))
    )
    counted = select(Action.id).where(*wanted)
    return keyset_page(statement, sort_columns(order), Action.id, cursor=cursor, size=size, counted=counted, descending=order.descending)


def sort_columns(order: ActionOrder) -> tuple[Any, ...]:
    """What the list is ordered by before the row's own id."""
    return (*_ORDERS[order.key], Action.sort_key)


def ordered(statement: Select[Any], order: ActionOrder) -> Select[Any]:
    """``statement`` in the order of the list."""
    columns = (*sort_columns(order), Action.id)
    return statement.order_by(*(column.desc() if order.descending else column for column in columns))


def find_by_number(typed: str, *, limit: int = 5) -> list[tuple[Action, StatusFilter]]:
    """For the quick search: actions whose number or title begins with the words typed, and the status shown of each."""
    if textsearch.prefix_query(typed) is None:
        return []
    found = db.session.execute(select(Action, is_declared()).where(_matches(typed)).order_by(Action.sort_key).limit(limit))
    today = clock.today()
    return [(action, shown_status(action.status, action.planned_end, today, declared=declared)) for action, declared in found]


def territories() -> list[str]:
    """The territories of the contracts of the scope."""
    return list(db.session.scalars(distinct_values(Contract.territory, above="").limit(MOST_TERRITORIES)))


__all__ = [
    "ActionFilter", "ActionOrder", "conditions", "find_by_number", "list_actions", "matching", "ordered", "sort_columns", "territories",
]  # fmt: skip
