"""What every use case of accounts shares: the refusals, the writing transaction, who may act, who must stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask_appbuilder.security.sqla.models import Role as RoleRow
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from app.accounts import authentication, domain, mandates, passwords
from app.accounts.domain import AccountState, Act, Refusal
from app.accounts.models import Organisation, User
from app.core import clock, context
from app.core.locks import Lock
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction


class AccountRefused(Exception):
    """The act is not allowed, or makes no sense in this state; nothing was changed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


class AccountChanged(AccountRefused):
    """One's own account was closed, regenerated or given other rights while something was being asked of it."""


class AccountNotFound(Exception):
    """No such account, or none that the actor may know of."""


class WeakPassword(Exception):
    """The password is outside the policy."""

    def __init__(self, faults: list[passwords.PasswordFault]) -> None:
        super().__init__(", ".join(faults))
        self.faults = faults


class WrongPassword(Exception):
    """The present password given is not the account's. ``ended`` says that it was the last try: the account is blocked."""

    def __init__(self, *, ended: bool) -> None:
        super().__init__("wrong password")
        self.ended = ended


class IdentifiantTaken(Exception):
    """Another account has this identifiant, whatever its case."""


class InvalidIdentifiant(ValueError):
    """The identifiant may not be one (``domain.is_identifiant``)."""


@contextmanager
def writing(actor_id: int | None = None) -> Iterator[Session]:
    """The transaction of an act on accounts, in the system's scope, on behalf of whoever is signed in."""
    with bound_scope(Scope.system(), actor_id=actor_id if actor_id is not None else context.actor_id()), transaction() as session:
        yield session


def locked_account(session: Session, user_id: int) -> User:
    """The account with its roles and organisation, held against other writers for the transaction."""
    session.execute(select(User.id).where(User.id == user_id).with_for_update())
    user = (
        session.scalars(
            select(User)
            .where(User.id == user_id, User.deleted_at.is_(None))
            .options(joinedload(User.roles), joinedload(User.organisation))
            .execution_options(populate_existing=True)
        )
        .unique()
        .one_or_none()
    )
    if user is None:
        raise AccountNotFound(user_id)
    return user


def acting(session: Session, actor_id: int) -> User:
    """The account that asks, with the mandate it has at this moment: a delegation may have been taken back since the page was asked.

    Raises AccountRefused when it is not open.
    """
    actor = session.get(User, actor_id)
    # one that waits for its first password acts no more than a closed one: no session of it is open
    if actor is None or domain.state_of(actor.facts) is not AccountState.ACTIVE:
        raise AccountRefused(Refusal.NOT_ALLOWED)
    actor.mandate = mandates.current(session, actor_id, clock.today())
    return actor


def allow(session: Session, actor_id: int, act: Act, target: User) -> None:
    """Refuse an act the actor may not do to the target, or that makes no sense in its state.

    Raises AccountNotFound (the target belongs to another organisation) and AccountRefused.
    """
    refuse(acting(session, actor_id), act, target)


def refuse(actor: User, act: Act, target: User) -> None:
    """The same for an actor that ``acting`` gave: asks the database nothing."""
    refusal = domain.refusal_of(actor.party, act, target.party)
    if refusal is Refusal.OTHER_ORGANISATION:
        raise AccountNotFound(target.id)
    refusal = refusal or domain.refusal_in_state(act, target.facts)
    if refusal is not None:
        raise AccountRefused(refusal)


def may_create_organisations(session: Session, actor_id: int) -> None:
    """Refuse whoever may not create organisations. Raises AccountRefused."""
    if not domain.may_create_organisations(acting(session, actor_id).party):
        raise AccountRefused(Refusal.NOT_ALLOWED)


def role_rows(session: Session, names: set[str]) -> list[RoleRow]:
    """The rows of these roles. Raises LookupError when ``sync-security`` never ran."""
    rows = list(session.scalars(select(RoleRow).where(RoleRow.name.in_(names))))
    lacking = names - {row.name for row in rows}
    if lacking:
        raise LookupError(f"roles {sorted(lacking)} are missing: run sync-security")
    return rows


def password_context(user: User) -> passwords.PasswordContext:
    """What this account's password must not be made of."""
    organisation = user.organisation
    return passwords.PasswordContext(
        identifiant=user.username or "",
        first_name=user.first_name or "",
        last_name=user.last_name or "",
        email=user.email or "",
        organisation=organisation.legal_name if organisation is not None else "",
        siret=organisation.siret if organisation is not None else "",
        others=(organisation.trade_name or "",) if organisation is not None else (),
    )


def password_confirmed(user_id: int, password: str, *, ip: str | None, user_agent: str | None = None) -> int:
    """Ask the present password of someone signed in; it is counted like a sign-in. Gives the account's epoch for ``unchanged``.

    Raises WrongPassword, ``authentication.TooManyAttempts``.
    """
    with writing() as session:
        user = locked_account(session, user_id)
        identifiant, epoch = user.username, user.session_epoch
    if not authentication.confirm(identifiant, password, ip=ip, user_agent=user_agent):
        with writing() as session:
            blocked_at = session.scalar(select(User.blocked_at).where(User.id == user_id))
        raise WrongPassword(ended=blocked_at is not None)
    return int(epoch)


def unchanged(user: User, epoch: int) -> None:
    """Refuse to go on with an account that was closed, regenerated or given other rights since ``epoch`` was read.

    The password is checked outside of any transaction; whatever ends the account's sessions in between moves the epoch.
    Raises AccountChanged.
    """
    if user.session_epoch != epoch or domain.state_of(user.facts) is not AccountState.ACTIVE:
        raise AccountChanged(Refusal.WRONG_STATE)


def check_policy(session: Session, user: User, password: str) -> None:
    """Raises WeakPassword for a password outside the policy for this account."""
    if user.organisation is None and user.organisation_id is not None:
        user.organisation = session.get(Organisation, user.organisation_id)
    with session.no_autoflush:
        faults = passwords.faults_of(password, password_context(user))
    if faults:
        raise WeakPassword(faults)


def flush_identifiant(session: Session, identifiant: str) -> None:
    """Write the account's new identifiant. Raises IdentifiantTaken."""
    try:
        session.flush()
    except IntegrityError as error:
        if "username" in str(getattr(getattr(error.orig, "diag", None), "constraint_name", "")):
            raise IdentifiantTaken(identifiant) from error
        raise


def give_tries_back(user: User, *, has_factor: bool = False) -> None:
    """Unblock whoever holds a mail link, in the open transaction.

    With a second factor (``has_factor``) the failures of the day stay counted: a mailbox alone must not buy any number of tries
    at the codes. Once they are used up the account stays blocked, so that the person who manages it sees it and can unblock it.
    """
    now = clock.now()
    user.failed_attempts = 0
    if not has_factor:
        user.failed_in_window = 0
        user.failed_since = None
    used_up = user.failed_in_window >= domain.MAX_FAILURES_IN_WINDOW and user.failed_since is not None and user.failed_since > now - domain.FAILURE_WINDOW
    user.blocked_at = (user.blocked_at or now) if used_up else None
    user.blocked_reason = domain.BlockReason.TOO_MANY_FAILURES.value if used_up else None


def hold_leaving(session: Session) -> None:
    """Let one act at a time take away a principal or an administrator, until the end of the transaction."""
    session.execute(select(func.pg_advisory_xact_lock(int(Lock.LEAVE_ACCOUNT))))


def may_leave(session: Session, user: User, wanted: set[str], *, leaves: bool) -> None:
    """Refuse to leave the Région without an administrator, or an open organisation without a principal.

    The trigger ``ab_user_keeps_a_principal`` says the same: an account that manages nothing now, being inactive, may leave, and
    so may the principal of a closed organisation.
    """
    if not domain.manages(user.facts):
        return
    before = {role.name for role in user.roles}
    lost = before if leaves else before - wanted
    others_active = (
        select(func.count())
        .select_from(User)
        .where(
            User.id != user.id,
            User.active.is_(True),
            User.deleted_at.is_(None),
            User.deactivated_at.is_(None),
        )
    )
    last_admin = Role.REGION_ADMIN in lost and not session.scalar(others_active.where(User.roles.any(RoleRow.name == Role.REGION_ADMIN.value)))
    guarded = Role.PRINCIPAL in lost and user.organisation is not None and user.organisation.active
    last_principal = guarded and not session.scalar(
        others_active.where(User.organisation_id == user.organisation_id, User.roles.any(RoleRow.name == Role.PRINCIPAL.value))
    )
    refusal = domain.refusal_to_leave(was_last_admin=last_admin, was_last_principal=last_principal)
    if refusal is not None:
        raise AccountRefused(refusal)
