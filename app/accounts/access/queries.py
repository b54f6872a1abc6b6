"""What "Mon compte" and the console show of the second factor and of tokens; the caller has checked whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select

from app.accounts import labels, sessions
from app.accounts.access import domain, factor, tokens
from app.accounts.domain import EMAIL_EXPIRED_SHOWN, FAILURE_WINDOW
from app.accounts.models import AccessLink, ApiToken, LinkPurpose, RecoveryCode, SecondFactor, SignInAttempt, User
from app.core import clock
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope


@dataclass(frozen=True, slots=True)
class FactorState:
    """Since when a code is asked (None: it is not), and how many recovery codes are left."""

    since: datetime | None
    codes_left: int

    @property
    def few_codes(self) -> bool:
        """Whether it is time to make new codes."""
        return self.codes_left <= domain.FEW_CODES


@dataclass(frozen=True, slots=True)
class TokenLine:
    """One line of "Jetons d'accès"."""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    last_used_ip: str | None


@dataclass(frozen=True, slots=True)
class OrganisationToken:
    """A token of one of an organisation's accounts, and whose it is."""

    line: TokenLine
    holder: str


@dataclass(frozen=True, slots=True)
class Setup:
    """A secret that waits for its first code: to type, and to photograph. ``moving``: it is to replace one that counts."""

    secret: str
    uri: str
    moving: bool


@dataclass(frozen=True, slots=True)
class PendingEmail:
    """An address that waits for the link sent to it; ``expired``: the link was not used in time."""

    wanted: str
    expires_at: datetime
    expired: bool


@dataclass(frozen=True, slots=True)
class WaysIn:
    """How an account is got into: the last tries, the open sessions, the second factor, the tokens, the address that waits."""

    sign_ins: list[SignInAttempt]
    sessions: list[sessions.OpenSession]
    factor: FactorState
    tokens: list[TokenLine]
    pending_email: PendingEmail | None


def ways_in(user_id: int, *, current_token: str | None) -> WaysIn:
    """All that "Mon compte" says of it, read in one visit to the system's tables."""
    with bound_scope(Scope.system()):
        return WaysIn(
            _last_tries(user_id),
            sessions.list_open(db.session(), user_id, current_token=current_token),
            _factor(user_id),
            [_line(token) for token in tokens.live_of(db.session(), user_id)],
            _pending_email(user_id),
        )


def pending_email(user_id: int) -> PendingEmail | None:
    """The change of address that waits."""
    with bound_scope(Scope.system()):
        return _pending_email(user_id)


@dataclass(frozen=True, slots=True)
class SignInFacts:
    """What the console says of how an account signs in."""

    attempts: int
    open_sessions: int
    factor: FactorState


def sign_in_facts(user_id: int) -> SignInFacts:
    """Tries within a day, open sessions and second factor, read in one visit to the system's tables."""
    with bound_scope(Scope.system()):
        since = clock.now() - FAILURE_WINDOW
        tries = select(func.count()).select_from(SignInAttempt).where(SignInAttempt.user_id == user_id, SignInAttempt.at > since)
        return SignInFacts(int(db.session.scalar(tries) or 0), len(sessions.list_open(db.session(), user_id, current_token=None)), _factor(user_id))


def factor_of(user_id: int) -> FactorState:
    """The second factor of an account."""
    with bound_scope(Scope.system()):
        return _factor(user_id)


def setup_of(user_id: int, identifiant: str, *, token: str | None) -> Setup | None:
    """The secret under way, of a first telephone or of another one; None when there is none, when it has waited too long, or when it
    was asked for by another session than the one behind ``token``."""
    with bound_scope(Scope.system()):
        row = db.session.get(SecondFactor, user_id, populate_existing=True)
        moving = factor.moving(row)
        if row is None or not (moving or factor.fresh(row)) or not factor.shown_to(row, token):
            return None
        secret = factor.reveal_next(row) if moving else factor.reveal(row)
    return Setup(domain.format_secret(secret), factor.setup_uri(secret, identifiant), moving)


def real_codes(user_id: int, typed: list[str]) -> list[str]:
    """Those of these texts that are recovery codes of the account: nothing else is given back as a file."""
    with bound_scope(Scope.system()):
        return factor.codes_of(db.session(), user_id, typed)


def live_token(user_id: int, token_id: int) -> TokenLine | None:
    """A live token of this account."""
    with bound_scope(Scope.system()):
        token = db.session.scalar(
            select(ApiToken).where(ApiToken.id == token_id, ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > clock.now())
        )
        return None if token is None else _line(token)


def tokens_of_organisation(organisation_id: int, *, page: int, size: int) -> tuple[list[OrganisationToken], int]:
    """The live tokens of an organisation's accounts, the newest first, and how many there are."""
    with bound_scope(Scope.system()):
        total = int(db.session.scalar(select(func.count()).select_from(_of_organisation(organisation_id).subquery())) or 0)
        statement = _of_organisation(organisation_id).order_by(ApiToken.id.desc()).limit(size).offset((page - 1) * size)
        return [OrganisationToken(_line(token), labels.manager(user)) for token, user in db.session.execute(statement)], total


def token_of_organisation(organisation_id: int, token_id: int) -> OrganisationToken | None:
    """A live token of one of an organisation's accounts."""
    with bound_scope(Scope.system()):
        row = db.session.execute(_of_organisation(organisation_id).where(ApiToken.id == token_id)).one_or_none()
        return None if row is None else OrganisationToken(_line(row[0]), labels.manager(row[1]))


def tokens_statement(organisation_id: int) -> Select[tuple[ApiToken]]:
    """All of them, in the order of the list; to be read in the system's scope."""
    return _of_organisation(organisation_id).with_only_columns(ApiToken).order_by(ApiToken.id.desc())


def with_holders(found: Sequence[ApiToken]) -> list[OrganisationToken]:
    """Tokens and whose they are; read in the system's scope."""
    holders = {user.id: labels.manager(user) for user in db.session.scalars(select(User).where(User.id.in_({one.user_id for one in found})))}
    return [OrganisationToken(_line(one), holders[one.user_id]) for one in found]


def _of_organisation(organisation_id: int) -> Select[tuple[ApiToken, User]]:
    """Both rows say the organisation: a token goes with its account."""
    return (
        select(ApiToken, User)
        .join(User, User.id == ApiToken.user_id)
        .where(
            ApiToken.organisation_id == organisation_id,
            User.organisation_id == organisation_id,
            ApiToken.revoked_at.is_(None),
            ApiToken.expires_at > clock.now(),
        )
    )


def _last_tries(user_id: int, limit: int = 20) -> list[SignInAttempt]:
    """The last tries to get in to the account, latest first; they can be shown outside of this scope."""
    latest_first = (SignInAttempt.at.desc(), SignInAttempt.id.desc())
    rows = list(db.session.scalars(select(SignInAttempt).where(SignInAttempt.user_id == user_id).order_by(*latest_first).limit(limit)))
    for row in rows:
        db.session.expunge(row)
    return rows


def _pending_email(user_id: int) -> PendingEmail | None:
    now = clock.now()
    row = db.session.execute(
        select(AccessLink.wanted_email, AccessLink.expires_at).where(
            AccessLink.user_id == user_id,
            AccessLink.purpose == LinkPurpose.EMAIL.value,
            AccessLink.used_at.is_(None),
            AccessLink.revoked_at.is_(None),
            AccessLink.expires_at > now - EMAIL_EXPIRED_SHOWN,
        )
    ).one_or_none()
    return None if row is None else PendingEmail(row.wanted_email or "", row.expires_at, row.expires_at <= now)


def _factor(user_id: int) -> FactorState:
    left = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)).scalar_subquery()
    row = db.session.execute(select(SecondFactor.confirmed_at, left).where(SecondFactor.user_id == user_id)).one_or_none()
    return FactorState(None, 0) if row is None or row[0] is None else FactorState(row[0], int(row[1]))


def _line(token: ApiToken) -> TokenLine:
    return TokenLine(
        token.id,
        token.name,
        token.prefix,
        tuple(token.scopes),
        tuple(token.allowed_networks),
        token.created_at,
        token.expires_at,
        token.last_used_at,
        token.last_used_ip,
    )
