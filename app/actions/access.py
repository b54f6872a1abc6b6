"""Rights of a secondary account: its functions, and the actions it sees. One form, one transaction.

Accounts know no action, so the use case stands here. Who asks is checked against ``accounts.domain`` as for every act on an account.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session, joinedload

from app.accounts.domain import Act
from app.accounts.models import User
from app.accounts.services.common import allow, locked_account, writing
from app.core.extensions import db
from app.core.functions import ALWAYS, CHOICES, Function
from app.core.tenancy import Scope, bound_scope

from .listing import ActionFilter, matching
from .models import Action, ActionAccess

log = structlog.get_logger(__name__)

#: More actions than this are not ticked one by one.
MAX_GIVEN: Final = 2_000
#: Actions offered besides those ticked; the search box finds the others.
OFFERED: Final = 200


@dataclass(frozen=True, slots=True)
class Rights:
    """What an account may do and see; ``functions`` None: all, also those to come; ``action_ids`` None: all, also those to come."""

    functions: frozenset[Function] | None
    action_ids: frozenset[int] | None

    @classmethod
    def of(cls, functions: Collection[str] | None, action_ids: Collection[int] | None) -> Rights:
        """Rights in one form only: every function ticked is all functions."""
        chosen = None if functions is None else frozenset(function for function in CHOICES if function in functions)
        return cls(None if chosen == frozenset(CHOICES) else chosen, None if action_ids is None else frozenset(action_ids))

    @property
    def stored_functions(self) -> list[str] | None:
        """As kept with the account, in a stable order."""
        return None if self.functions is None else [ALWAYS.value, *(function.value for function in CHOICES if function in self.functions)]

    def has(self, function: Function) -> bool:
        """Whether the function is given."""
        return function is ALWAYS or self.functions is None or function in self.functions

    @property
    def fingerprint(self) -> str:
        """Names this state: a form made from another one is stale."""
        actions = "*" if self.action_ids is None else ",".join(map(str, sorted(self.action_ids)))
        return hashlib.sha256(f"{self.stored_functions}|{actions}".encode()).hexdigest()[:24]

    @property
    def text(self) -> str:
        """For the form, which carries what it was made from."""
        functions = "*" if self.functions is None else ",".join(sorted(self.functions))
        return f"{functions}|{'*' if self.action_ids is None else ','.join(map(str, sorted(self.action_ids)))}"

    @classmethod
    def read(cls, text: str, fingerprint: str) -> Rights | None:
        """What ``text`` wrote; None when it is not what ``fingerprint`` names."""
        functions, _bar, actions = text.partition("|")
        numbers = [one for one in actions.split(",") if one.isascii() and one.isdecimal() and len(one) <= 10]
        found = cls.of(None if functions == "*" else functions.split(","), None if actions == "*" else [int(one) for one in numbers])
        return found if found.fingerprint == fingerprint else None

    def with_functions(self, base: Rights, theirs: Rights) -> Rights:
        """These rights with the functions that somebody else gave or took since ``base``, each by itself."""
        mine, start, stored = (frozenset(CHOICES) if one.functions is None else one.functions for one in (self, base, theirs))
        return Rights.of(_both(mine, start, stored), self.action_ids)

    def merged(self, base: Rights, theirs: Rights) -> Rights | None:
        """These rights with what somebody else gave or took since ``base``, each function and each action by itself.

        None when somebody has to choose: one of the two gave all actions, the other some.
        """
        functions = self.with_functions(base, theirs).functions
        if self.action_ids in (base.action_ids, theirs.action_ids):
            return Rights.of(functions, theirs.action_ids)
        if theirs.action_ids == base.action_ids:
            return Rights.of(functions, self.action_ids)
        if self.action_ids is None or base.action_ids is None or theirs.action_ids is None:
            return None
        given = _both(self.action_ids, base.action_ids, theirs.action_ids)
        return Rights.of(functions, given) if given else None


T = TypeVar("T")


def _both(mine: frozenset[T], base: frozenset[T], theirs: frozenset[T]) -> frozenset[T]:
    """What either of the two gave, without what either took away."""
    return (theirs | (mine - base)) - (base - mine)


@dataclass(frozen=True, slots=True)
class Offer:
    """Actions to tick, those of a contract together; ``more`` says that the search would find others."""

    groups: list[tuple[str, list[Action]]]
    more: bool
    total: int


class StaleRights(Exception):
    """Somebody changed the same rights since the form was made, and a choice is needed."""

    def __init__(self, current: Rights, mine: Rights) -> None:
        super().__init__("stale")
        self.current, self.mine = current, mine


class NoAction(Exception):
    """Limited to no action at all: the account would see nothing."""


class TooManyActions(Exception):
    """More actions than can be given one by one."""


class UnknownAction(Exception):
    """An action of the form is not, or no longer, one of the organisation's."""


def rights_of(user: User) -> Rights:
    """The present rights of an account. The caller has checked the account."""
    if not user.limited_to_actions:
        return Rights.of(user.functions, None)
    with bound_scope(Scope.system()):
        return _rights(db.session(), user.id)


def _rights(session: Session, user_id: int) -> Rights:
    row = session.execute(select(User.functions, User.limited_to_actions).where(User.id == user_id)).one()
    given = session.scalars(select(ActionAccess.action_id).where(ActionAccess.user_id == user_id)) if row.limited_to_actions else None
    return Rights.of(row.functions, None if given is None else given.all())


def offer(organisation_id: int, typed: str, ticked: Collection[int]) -> Offer:
    """The actions ticked, then those whose number, title or contract match what was typed (all, when nothing was)."""
    wanted = sorted(ticked)[:MAX_GIVEN]
    with bound_scope(Scope.organisation(organisation_id)):
        detailed = select(Action).options(joinedload(Action.contract)).order_by(Action.sort_key, Action.id)
        chosen = list(db.session.scalars(detailed.where(Action.id.in_(wanted)))) if wanted else []
        conditions = [*matching(ActionFilter(text=typed)), Action.id.not_in(wanted)]
        found = list(db.session.scalars(detailed.where(*conditions).limit(OFFERED + 1)))
        total = int(db.session.scalar(select(func.count()).select_from(Action)) or 0)
        rows = sorted([*chosen, *found[:OFFERED]], key=lambda action: (action.sort_key, action.id))
        groups: dict[str, list[Action]] = {}
        for action in rows:
            groups.setdefault(action.contract.group_label, []).append(action)
        for action in rows:  # shown after the scope is left, maybe by somebody who sees no action (support)
            db.session.expunge(action)
    return Offer(list(groups.items()), len(found) > OFFERED, total)


def save_rights(user_id: int, wanted: Rights, *, seen: str, actor_id: int, base: Rights | None = None) -> tuple[User, bool]:
    """Give an account exactly these rights, at its next request; whether anything changed. ``seen``: fingerprint of the form's start.

    What somebody else changed since ``base``, the form's start, stays; without it, or where both changed the same, nothing is written.

    Raises AccountNotFound, AccountRefused, StaleRights, NoAction, TooManyActions, UnknownAction.
    """
    with writing(actor_id) as session:
        user = locked_account(session, user_id)
        allow(session, actor_id, Act.CHANGE_RIGHTS, user)
        current = _rights(session, user_id)
        if current == wanted:
            return user, False
        if current.fingerprint != seen:
            both = wanted.merged(base, current) if base is not None and base.fingerprint == seen else None
            if both is None:
                known = base is not None and base.fingerprint == seen
                raise StaleRights(current, wanted.with_functions(base, current) if known and base is not None else wanted)
            if both == current:
                return user, False
            wanted = both
        numbers = _numbers(session, user.organisation_id, wanted.action_ids)
        user.functions = wanted.stored_functions
        user.limited_to_actions = wanted.action_ids is not None
        user.given_actions = ", ".join(numbers) or None
        session.flush()
        _give(session, user, wanted.action_ids or frozenset())
    log.info("rights_changed", account=user_id, limited=wanted.action_ids is not None)
    return user, True


def _numbers(session: Session, organisation_id: int | None, action_ids: frozenset[int] | None) -> list[str]:
    """The numbers of these actions of the organisation. Raises NoAction, TooManyActions and UnknownAction."""
    if action_ids is None:
        return []
    if not action_ids:
        raise NoAction
    if len(action_ids) > MAX_GIVEN:
        raise TooManyActions
    wanted = select(Action.number).where(Action.organisation_id == organisation_id, Action.id.in_(action_ids)).order_by(Action.sort_key)
    numbers = list(session.scalars(wanted))
    if len(numbers) != len(action_ids):
        raise UnknownAction
    return numbers


def _give(session: Session, user: User, wanted: Collection[int]) -> None:
    """Bring ``action_access`` in line, in two statements at most; only differences are written, so that the journal says what changed."""
    table: Any = ActionAccess.__table__
    present = set(session.scalars(select(table.c.action_id).where(table.c.user_id == user.id)))
    gone: Sequence[int] = sorted(present - set(wanted))
    new: Sequence[int] = sorted(set(wanted) - present)
    if gone:
        session.execute(delete(table).where(table.c.user_id == user.id, table.c.action_id.in_(gone)))
    if new:
        session.execute(insert(table), [{"organisation_id": user.organisation_id, "user_id": user.id, "action_id": action_id} for action_id in new])
