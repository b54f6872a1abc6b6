"""Use cases of accounts and organisations: one function, one transaction.

Accounts are written in the system's scope only; who asks is checked here, against ``domain.refusal_of``, and stands in the
journal as the actor.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import structlog
from flask_appbuilder.security.sqla.models import Role as RoleRow
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from app.accounts import authentication, domain, notifications, passwords, sessions
from app.accounts.domain import Act, Refusal
from app.accounts.models import Organisation, User
from app.core import clock, context
from app.core.locks import Lock
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction

log = structlog.get_logger(__name__)

#: Serialises the acts that could take away the last administrator or principal.
_IDENTIFIANT_TRIES: Final = 20


class AccountRefused(Exception):
    """The act is not allowed, or makes no sense in this state; nothing was changed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


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


@contextmanager
def _writing(actor_id: int | None = None) -> Iterator[Session]:
    """The transaction of an act on accounts, in the system's scope, on behalf of whoever is signed in."""
    with bound_scope(Scope.system(), actor_id=actor_id if actor_id is not None else context.actor_id()), transaction() as session:
        yield session


def _locked(session: Session, user_id: int) -> User:
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


def _allow(session: Session, actor_id: int, act: Act, target: User) -> None:
    actor = session.get(User, actor_id)
    if actor is None or not actor.is_active:
        raise AccountRefused(Refusal.NOT_ALLOWED)
    refusal = domain.refusal_of(actor.party, act, target.party)
    if refusal is Refusal.OTHER_ORGANISATION:
        raise AccountNotFound(target.id)
    refusal = refusal or domain.refusal_in_state(act, target.facts)
    if refusal is not None:
        raise AccountRefused(refusal)


# ---- organisations ---------------------------------------------------------------------------------------------------


def create_organisation(
    *, legal_name: str, siret: str, trade_name: str | None = None, nda: str | None = None, contact_email: str | None = None
) -> Organisation:
    """Create an organisation. Raises ValueError for a SIRET that does not hold together."""
    compact = domain.compact_siret(siret)
    if not domain.is_siret(compact):
        raise ValueError("this SIRET does not hold together")
    with transaction() as session:
        organisation = Organisation(legal_name=legal_name.strip(), siret=compact, trade_name=trade_name, nda=nda, contact_email=contact_email)
        session.add(organisation)
        session.flush()
    return organisation


# ---- life of an account ----------------------------------------------------------------------------------------------


def generate_identifiant() -> str:
    """Ten characters at random, none that is mistaken for another on the telephone."""
    return "".join(secrets.choice(domain.IDENTIFIANT_ALPHABET) for _ in range(domain.GENERATED_IDENTIFIANT_LENGTH))


def create_account(
    *,
    first_name: str,
    last_name: str,
    email: str,
    roles: Iterable[Role],
    organisation_id: int | None = None,
    civility: str | None = None,
    identifiant: str | None = None,
    password: str | None = None,
    actor_id: int | None = None,
) -> int:
    """Create an account and give its id. Without a password it is pending: nobody can sign in to it.

    The caller has checked who asks (``domain.refusal_of``). Raises WeakPassword, IdentifiantTaken, and ValueError for roles
    that do not fit the organisation or an identifiant that may not be one.
    """
    wanted = {role.value for role in roles}
    if not domain.consistent_roles(wanted, organisation_id):
        raise ValueError("an organisation's account holds organisation roles, staff hold none of them")
    if identifiant is not None and not domain.is_identifiant(identifiant):
        raise ValueError("an identifiant has 1 to 64 letters, digits, dots, hyphens, underscores, at signs or blanks")
    with _writing(actor_id) as session:
        name = identifiant or _free_identifiant(session)
        user = User(
            first_name=first_name.strip(),
            last_name=last_name.strip(),
            email=email.strip(),
            username=name,
            civility=civility,
            organisation_id=organisation_id,
            active=True,
            session_epoch=0,
            failed_attempts=0,
            failed_in_window=0,
        )
        if password is not None:
            _check_policy(session, user, password)
            user.password = passwords.hash_password(password)
            user.password_changed_at = clock.now()
        user.roles = _role_rows(session, wanted)
        session.add(user)
        try:
            session.flush()
        except IntegrityError as error:
            if "username" in str(getattr(getattr(error.orig, "diag", None), "constraint_name", "")):
                raise IdentifiantTaken(name) from error
            raise
        user_id: int = user.id
    return user_id


def _free_identifiant(session: Session) -> str:
    for _try in range(_IDENTIFIANT_TRIES):
        name = generate_identifiant()
        if session.scalar(select(User.id).where(func.lower(User.username) == name)) is None:
            return name
    raise RuntimeError("no free identifiant found")


def _role_rows(session: Session, names: set[str]) -> list[RoleRow]:
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


def _check_policy(session: Session, user: User, password: str) -> None:
    if user.organisation is None and user.organisation_id is not None:
        user.organisation = session.get(Organisation, user.organisation_id)
    with session.no_autoflush:
        faults = passwords.faults_of(password, password_context(user))
    if faults:
        raise WeakPassword(faults)


def set_password(user_id: int, password: str, *, keep_token: str | None = None) -> None:
    """Give an account another password and end its sessions (but the one of ``keep_token``).

    Raises WeakPassword and AccountNotFound.
    """
    with _writing() as session:
        user = _locked(session, user_id)
        _check_policy(session, user, password)
        user.password = passwords.hash_password(password)
        user.password_changed_at = clock.now()
        session.flush()
        sessions.revoke_all(session, user_id, except_token=keep_token)


def change_own_password(user_id: int, *, current: str, new: str, token: str | None, ip: str | None) -> None:
    """Change one's own password; the present one is asked and counted like a sign-in. Other sessions end.

    Raises WrongPassword, WeakPassword, ``authentication.TooManyAttempts``.
    """
    with _writing() as session:
        user = _locked(session, user_id)
        identifiant = user.username
        _check_policy(session, user, new)
    if not authentication.confirm(identifiant, current, ip=ip):
        with _writing() as session:
            facts = session.scalar(select(User.blocked_at).where(User.id == user_id))
        raise WrongPassword(ended=facts is not None)
    set_password(user_id, new, keep_token=token)


def unblock(user_id: int, *, actor_id: int) -> User:
    """Give a blocked account its tries back (guide 004 §2.4).

    Raises AccountNotFound (also for another organisation's, seen from a principal) and AccountRefused.
    """
    with _writing(actor_id) as session:
        user = _locked(session, user_id)
        _allow(session, actor_id, Act.UNBLOCK, user)
        user.blocked_at = None
        user.blocked_reason = None
        user.failed_attempts = 0
        user.failed_in_window = 0
        user.failed_since = None
        notifications.account_unblocked(user)
    log.info("account_unblocked", account=user_id)
    return user


def deactivate(user_id: int, *, actor_id: int) -> User:
    """Put an account to sleep; its sessions end. Raises AccountNotFound, AccountRefused."""
    with _writing(actor_id) as session:
        _hold_leaving(session)
        user = _locked(session, user_id)
        _allow(session, actor_id, Act.DEACTIVATE, user)
        _may_leave(session, user, {role.name for role in user.roles}, leaves=True)
        user.active = False
        user.deactivated_at = clock.now()
        session.flush()
        sessions.revoke_all(session, user_id)
    return user


def reactivate(user_id: int, *, actor_id: int) -> User:
    """Wake an account up; sessions of before stay dead. Raises AccountNotFound, AccountRefused."""
    with _writing(actor_id) as session:
        user = _locked(session, user_id)
        _allow(session, actor_id, Act.REACTIVATE, user)
        user.active = True
        user.deactivated_at = None
    return user


def set_roles(user_id: int, roles: Iterable[Role], *, actor_id: int) -> User:
    """Give an account exactly these roles; its sessions end. Nobody changes their own; the last administrator stays.

    Raises AccountNotFound, AccountRefused, and ValueError for roles that do not fit the organisation.
    """
    wanted = {role.value for role in roles}
    with _writing(actor_id) as session:
        _hold_leaving(session)
        user = _locked(session, user_id)
        _allow(session, actor_id, Act.CHANGE_ROLES, user)
        if not domain.consistent_roles(wanted, user.organisation_id):
            raise ValueError("an organisation's account holds organisation roles, staff hold none of them")
        _may_leave(session, user, wanted, leaves=False)
        user.roles = _role_rows(session, wanted)
        session.flush()
        sessions.revoke_all(session, user_id)
    return user


def _hold_leaving(session: Session) -> None:
    session.execute(select(func.pg_advisory_xact_lock(int(Lock.LEAVE_ACCOUNT))))


def _may_leave(session: Session, user: User, wanted: set[str], *, leaves: bool) -> None:
    """Refuse to leave the Région without an administrator, or an organisation without a principal."""
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
    last_principal = Role.PRINCIPAL in lost and not session.scalar(
        others_active.where(User.organisation_id == user.organisation_id, User.roles.any(RoleRow.name == Role.PRINCIPAL.value))
    )
    refusal = domain.refusal_to_leave(was_last_admin=last_admin, was_last_principal=last_principal)
    if refusal is not None:
        raise AccountRefused(refusal)


# ---- sessions --------------------------------------------------------------------------------------------------------


def end_session(token: str) -> None:
    """Sign out: the session behind the cookie is worth nothing from now on, wherever the cookie was copied."""
    with _writing() as session:
        sessions.revoke(session, token)


def end_other_sessions(user_id: int, *, keep_token: str) -> int:
    """End every session of the account but this one; gives how many were open."""
    with _writing() as session:
        return sessions.revoke_all(session, user_id, except_token=keep_token)


def purge_sign_in_data(*, months: int = 12) -> int:
    """Delete attempts and sessions older than ``months`` (personal data kept no longer than the journal)."""
    with _writing() as session:
        return authentication.purge(session, before=clock.now() - timedelta(days=31 * months))
