"""The tenant of the work under way, and the first of the two walls (session criteria).

The second wall is PostgreSQL's row-level security (``core.rls``): each database transaction starts by taking the role of
its scope and the organisation's id. Nothing bound means nothing visible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, event, false
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from app.core import context
from app.core.db import TenantMixin
from app.core.extensions import db


class ScopeKind(StrEnum):
    """What kind of view the work under way has."""

    NOTHING = "nothing"
    ORGANISATION = "organisation"
    REGION = "region"
    SUPPORT = "support"
    SYSTEM = "system"
    #: Support looking through an organisation's eyes: it reads what the organisation reads, trainees excepted, and writes nothing.
    OBSERVER = "observer"


#: Database role of each scope; they cannot sign in, the application's role may only take them for a transaction.
DATABASE_ROLES: dict[ScopeKind, str] = {
    ScopeKind.NOTHING: "portal_tenant",
    ScopeKind.ORGANISATION: "portal_tenant",
    ScopeKind.REGION: "portal_region",
    ScopeKind.SUPPORT: "portal_support",
    ScopeKind.SYSTEM: "portal_system",
    ScopeKind.OBSERVER: "portal_observer",
}
#: Role of an account limited to some actions: what ``portal_tenant`` has, under further policies (``core.rls``).
LIMITED_ROLE = "portal_limited"


@dataclass(frozen=True, slots=True)
class Scope:
    """What the work under way may see."""

    kind: ScopeKind
    organisation_id: int | None = None
    #: The account, when it sees only the actions given to it.
    limited_account: int | None = None

    @classmethod
    def nothing(cls) -> Scope:
        return cls(ScopeKind.NOTHING)

    @classmethod
    def organisation(cls, organisation_id: int, *, limited_account: int | None = None) -> Scope:
        return cls(ScopeKind.ORGANISATION, organisation_id, limited_account)

    @classmethod
    def region(cls) -> Scope:
        return cls(ScopeKind.REGION)

    @classmethod
    def support(cls) -> Scope:
        return cls(ScopeKind.SUPPORT)

    @classmethod
    def system(cls) -> Scope:
        return cls(ScopeKind.SYSTEM)

    @classmethod
    def observer(cls, organisation_id: int, *, limited_account: int | None = None) -> Scope:
        return cls(ScopeKind.OBSERVER, organisation_id, limited_account)

    @property
    def observes(self) -> bool:
        """Whether support looks through an organisation's eyes."""
        return self.kind is ScopeKind.OBSERVER

    @property
    def sees_all(self) -> bool:
        return self.kind in (ScopeKind.REGION, ScopeKind.SYSTEM)

    @property
    def database_role(self) -> str:
        """The role its transactions take."""
        limited = self.limited_account is not None and self.kind is ScopeKind.ORGANISATION
        return LIMITED_ROLE if limited else DATABASE_ROLES[self.kind]

    def whole(self) -> Scope:
        """The same organisation without the limit to some actions."""
        return self if self.limited_account is None else Scope(self.kind, self.organisation_id)


class TenancyError(RuntimeError):
    """A write outside the scope was attempted: a defect or an attack, never a user's slip."""


_scope: ContextVar[Scope] = ContextVar("scope", default=Scope.nothing())  # noqa: B039 - frozen, so safe to share


def current_scope() -> Scope:
    """The scope of the work under way."""
    return _scope.get()


def bind(scope: Scope) -> None:
    """Bind ``scope`` for the rest of the request or job, also in a database transaction already open."""
    _scope.set(scope)
    _apply_to_open_transaction()


def act_on_behalf_of(user_id: int | None) -> None:
    """Say for whose account the rest of the request or job is done, also in a database transaction already open."""
    if context.on_behalf_of() != user_id:
        context.set_on_behalf_of(user_id)
        _apply_to_open_transaction()


def reset() -> None:
    """Close the scope at the end of a request or job, without touching a transaction that may be broken."""
    _scope.set(Scope.nothing())


@contextmanager
def bound_scope(scope: Scope, *, actor_id: int | None = None) -> Iterator[None]:
    """Run a block in ``scope`` (and as ``actor_id`` if given), then return to the former one.

    Objects loaded before are expired on both sides, so that nothing seen in one scope is read from memory in another.
    """
    before, actor_before = _scope.get(), context.actor_id()
    changed = before != scope
    if changed:
        _forget_loaded(flush=True)
    if actor_id is not None:
        context.set_actor_id(actor_id)
    bind(scope)
    failed = True
    try:
        yield
        if changed:
            _forget_loaded(flush=True)  # what the block wrote is flushed under its own scope
        failed = False
    finally:
        if failed and changed:
            _forget_loaded(flush=False)
        context.set_actor_id(actor_before)
        _scope.set(before)
        try:
            _apply_to_open_transaction()
        except DBAPIError:
            # The transaction is broken: only a rollback can follow, after which the next one starts in the right scope. The
            # exception under way is the one to be seen.
            if not failed:
                raise


@contextmanager
def whole_organisation() -> Iterator[bool]:
    """A block in which an account limited to some actions works in its whole organisation; gives whether the scope was widened.

    For what belongs to no action: whether the organisation knows a person already. What is loaded within is forgotten after it.
    """
    scope = _scope.get()
    if scope.limited_account is None:
        yield False
        return
    with bound_scope(scope.whole()):
        yield True


def _forget_loaded(*, flush: bool) -> None:
    session = _open_session()
    if session is not None:
        if flush:
            session.flush()
        session.expire_all()


def _open_session() -> Session | None:
    try:
        session = db.session()
    except RuntimeError:  # no application context: nothing is open
        return None
    return session if session.in_transaction() else None


def _apply_to_open_transaction() -> None:
    session = _open_session()
    if session is not None and session.is_active:
        apply_to(session.connection())


_SET = (
    "SELECT set_config('role', %s, true), set_config('app.organisation_id', %s, true), "
    "set_config('app.actor_id', %s, true), set_config('app.request_id', %s, true), set_config('app.on_behalf_of', %s, true), "
    "set_config('app.limited_account', %s, true), set_config('lock_timeout', coalesce(nullif(%s, ''), current_setting('lock_timeout')), true)"
)


def apply_to(connection: Connection) -> None:
    """Give the open database transaction of ``connection`` the role and settings of the current scope."""
    scope = _scope.get()
    actor, behalf = context.actor_id(), context.on_behalf_of()
    connection.exec_driver_sql(
        _SET,
        (
            scope.database_role,
            str(scope.organisation_id) if scope.organisation_id is not None else "",
            str(actor) if actor is not None else "",
            context.request_id() or "",
            str(behalf) if behalf is not None else "",
            str(scope.limited_account) if scope.limited_account is not None else "",
            context.patience(),
        ),
    )


def install(engine: Engine) -> None:
    """Every transaction of ``engine``, ORM, Core or raw SQL, starts in the role of its scope."""
    event.listen(engine, "begin", apply_to)


# ---- first wall: session criteria ------------------------------------------------------------------------------------

#: Entities that are not TenantMixin but belong to an organisation: class → attribute that holds its id.
_entities: dict[type[Any], str] = {}


def register_tenant_entity(entity: type[Any], attribute: str) -> None:
    """Put ``entity`` behind the wall through ``attribute`` (the organisation itself by ``id``, accounts by ``organisation_id``)."""
    _entities[entity] = attribute


#: What an account limited to some actions sees of an entity: class → criterion, given the account's id.
_limits: dict[type[Any], Callable[[int], ColumnElement[bool]]] = {}


def register_limit(entity: type[Any], criterion: Callable[[int], ColumnElement[bool]]) -> None:
    """Say which rows of ``entity`` an account limited to some actions sees; its policy says the same (``__rls_limited__``)."""
    _limits[entity] = criterion


def _support_may_see(entity: type[Any]) -> bool:
    return bool(getattr(entity, "__rls_support__", False))


def _observed(organisation_id: int | None, limited_account: int | None) -> list[Any]:
    """An observer sees the organisation's rows of the classes that say so (``__rls_observer__``), and none of the others.

    Through the eyes of an account limited to some actions, it sees those actions.
    """
    options: list[Any] = []
    for tenant_class in TenantMixin.__subclasses__():
        shown = tenant_class.organisation_id == organisation_id if getattr(tenant_class, "__rls_observer__", False) else false()
        options.append(with_loader_criteria(tenant_class, shown, include_aliases=True))
    for entity, attribute in _entities.items():
        options.append(with_loader_criteria(entity, getattr(entity, attribute) == organisation_id, include_aliases=True))
    if limited_account is not None:
        for entity, criterion in _limits.items():
            if getattr(entity, "__rls_observer__", False):
                options.append(with_loader_criteria(entity, criterion(limited_account), include_aliases=True))
    return options


@event.listens_for(Session, "do_orm_execute")
def _wall(state: ORMExecuteState) -> None:
    """Restrict every ORM read, and every ORM bulk UPDATE and DELETE, to the scope."""
    if state.is_column_load or state.is_insert:
        return
    options = criteria()
    if options:
        state.statement = state.statement.options(*options)


def criteria() -> list[Any]:
    """What restricts an ORM statement to the scope; for one that is compiled rather than executed (``core.copying``)."""
    scope = _scope.get()
    if scope.sees_all:
        return []
    options: list[Any] = []
    if scope.kind is ScopeKind.ORGANISATION:
        organisation_id = scope.organisation_id
        options.append(with_loader_criteria(TenantMixin, lambda cls: cls.organisation_id == organisation_id, include_aliases=True))
        for entity, attribute in _entities.items():
            options.append(with_loader_criteria(entity, getattr(entity, attribute) == organisation_id, include_aliases=True))
        if scope.limited_account is not None:
            for entity, criterion in _limits.items():
                options.append(with_loader_criteria(entity, criterion(scope.limited_account), include_aliases=True))
    elif scope.kind is ScopeKind.OBSERVER:
        options.extend(_observed(scope.organisation_id, scope.limited_account))
    elif scope.kind is ScopeKind.SUPPORT:
        options.extend(
            with_loader_criteria(tenant_class, false(), include_aliases=True)
            for tenant_class in TenantMixin.__subclasses__()
            if not _support_may_see(tenant_class)
        )
    else:
        options.append(with_loader_criteria(TenantMixin, false(), include_aliases=True))
        options.extend(with_loader_criteria(entity, false(), include_aliases=True) for entity in _entities)
    return options


@event.listens_for(Session, "before_flush")
def _guard(session: Session, _flush_context: Any, _instances: Any) -> None:
    """Refuse a write outside the scope, and give new rows their organisation."""
    scope = _scope.get()
    if scope.sees_all:
        return
    for row in (*session.new, *session.dirty, *session.deleted):
        if not isinstance(row, TenantMixin):
            continue
        if scope.kind is ScopeKind.ORGANISATION:
            if row.organisation_id is None and row in session.new:
                row.organisation_id = scope.organisation_id
            if row.organisation_id == scope.organisation_id:
                continue
        elif scope.kind is ScopeKind.SUPPORT and _support_may_see(type(row)):
            continue
        raise TenancyError(f"{type(row).__name__} lies outside the scope {scope.kind}")
