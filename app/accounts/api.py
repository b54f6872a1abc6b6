"""What the programming interface says of accounts: who calls, its organisation, the organisation's accounts.

A token binds the tenant exactly as a session of its account does; the account's own rights still limit it.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from werkzeug.datastructures import MultiDict

from app.accounts import domain, labels, queries, services, sessions
from app.accounts.access import domain as access
from app.accounts.access import factor, tokens
from app.accounts.forms import AccountForm
from app.accounts.models import Organisation, User
from app.accounts.services.holders import FIELDS, values_of
from app.core import context, tenancy
from app.core.api import ApiProblem, Identity, Parameter, Scope, check_etag, identity, register_authenticator, register_scope, resource
from app.core.concurrency import StaleError
from app.core.extensions import db
from app.core.transaction import transaction

log = structlog.get_logger(__name__)

ACCOUNT: Final = "compte:lecture"
ORGANISATION: Final = "organisme:lecture"
ACCOUNTS: Final = "comptes:lecture"
WRITE_ACCOUNTS: Final = "comptes:ecriture"
_MANAGES_ACCOUNTS: Final = ("can_read", "OrganisationAccounts")
_EDITS_ACCOUNTS: Final = ("can_edit", "OrganisationAccounts")
_PAGE_MAX: Final = 100

register_scope(Scope(ACCOUNT, _l("Read who the token stands for"), order=10))
register_scope(Scope(ORGANISATION, _l("Read the organisation"), organisations_only=True, order=20))
register_scope(Scope(ACCOUNTS, _l("Read the accounts of the organisation"), permission=_MANAGES_ACCOUNTS, organisations_only=True, order=30))
register_scope(Scope(WRITE_ACCOUNTS, _l("Modify the accounts of the organisation"), permission=_EDITS_ACCOUNTS, organisations_only=True, order=40))


def authenticate(raw: str, address: str | None) -> Identity:
    """The identity behind a token; its account's scope and name are bound to the request. Raises ApiProblem."""
    from app.accounts.security import scope_of

    if not access.is_token(raw):
        raise ApiProblem("token_invalid")
    try:
        tenancy.bind(tenancy.Scope.system())
        found = tokens.find(db.session(), raw)
        allowed = found is not None and access.address_allowed(address, found.token.allowed_networks)
        if found is not None and allowed and tokens.worth_noting(found.token):
            with transaction() as session:
                tokens.touch(session, found.token.id, address)
            found = tokens.find(db.session(), raw)
    except BaseException:
        tenancy.reset()
        raise
    if found is None or not allowed:
        tenancy.bind(tenancy.Scope.nothing())
        if found is not None:
            log.warning("api_token_from_another_network", token_id=found.token.id)
        raise ApiProblem("token_invalid" if found is None else "network_not_allowed")
    context.set_actor_id(found.user.id)
    who = Identity(found.user, found.token.id, found.token.name, frozenset(found.token.scopes), found.token.expires_at)
    must_set_up = factor.required_for(found.user) and not found.has_factor
    tenancy.bind(scope_of(found.user))
    if must_set_up:
        raise ApiProblem("second_factor_missing")
    return who


def register() -> None:
    """Say what a token is worth; the resources are declared when this module is imported."""
    register_authenticator(authenticate, sessions.address_key)


# ---- resources -------------------------------------------------------------------------------------------------------

_TEXT: Final = {"type": "string"}
_NULLABLE: Final = {"type": ["string", "null"]}
_ORGANISATION: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "raison_sociale", "enseigne", "siret", "nda"],
    "properties": {
        "id": {"type": "integer"},
        "raison_sociale": _TEXT,
        "enseigne": _NULLABLE,
        "siret": {"type": "string", "pattern": "^[0-9]{14}$"},
        "nda": _NULLABLE,
    },
}
_ACCOUNT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "identifiant", "civilite", "nom", "prenom", "courriel", "roles", "statut", "bloque"],
    "properties": {
        "id": {"type": "integer"},
        "identifiant": _TEXT,
        "civilite": {"enum": ["MME", "M", None]},
        "nom": _TEXT,
        "prenom": _TEXT,
        "courriel": _TEXT,
        "roles": {"type": "array", "items": _TEXT},
        "statut": {"type": "string", "enum": ["actif", "inactif"]},
        "bloque": {"type": "boolean"},
    },
}


def _organisation(organisation: Organisation) -> dict[str, Any]:
    return {
        "id": organisation.id,
        "raison_sociale": organisation.legal_name,
        "enseigne": organisation.trade_name,
        "siret": organisation.siret,
        "nda": organisation.nda,
    }


def _account(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "identifiant": user.username,
        "civilite": user.civility,
        "nom": user.last_name,
        "prenom": user.first_name,
        "courriel": user.email,
        "roles": sorted(role.name for role in user.roles),
        "statut": "inactif" if domain.state_of(user.facts) is domain.AccountState.INACTIVE else "actif",
        "bloque": domain.is_blocked(user.facts),
    }


@resource(
    "/compte",
    scope=ACCOUNT,
    tag=_l("Accounts"),
    summary=_l("Who the token stands for: account, organisation, scopes, expiry"),
    versioned=True,
    answer={
        "type": "object",
        "required": ["compte", "organisme", "jeton"],
        "properties": {
            "compte": _ACCOUNT,
            "organisme": {"oneOf": [_ORGANISATION, {"type": "null"}]},
            "jeton": {
                "type": "object",
                "required": ["portees", "expire_le"],
                "properties": {"portees": {"type": "array", "items": _TEXT}, "expire_le": {"type": "string", "format": "date-time"}},
            },
        },
    },
)
def account() -> dict[str, Any]:
    """GET /compte."""
    caller = identity()
    user = caller.user
    return {
        "compte": _account(user),
        "organisme": None if user.organisation is None else _organisation(user.organisation),
        "jeton": {"portees": sorted(caller.scopes), "expire_le": caller.expires_at.isoformat()},
    }


@resource(
    "/organisme",
    scope=ORGANISATION,
    tag=_l("Accounts"),
    summary=_l("The organisation of the account"),
    versioned=True,
    answer=_ORGANISATION,
    refusals=("not_found",),
)
def organisation() -> dict[str, Any]:
    """GET /organisme; 404 for an account that belongs to none."""
    found = None if current_user.organisation_id is None else queries.organisation(current_user.organisation_id)
    if found is None:
        raise ApiProblem("not_found")
    return _organisation(found)


@resource(
    "/comptes",
    scope=ACCOUNTS,
    permission=_MANAGES_ACCOUNTS,
    tag=_l("Accounts"),
    summary=_l("The accounts of the organisation, page after page"),
    description=_l("In the order of their number. « suivant » is what to send as « apres » for the next page; null on the last one."),
    parameters=(
        Parameter("taille", _l("How many accounts at most"), {"type": "integer", "minimum": 1, "maximum": _PAGE_MAX}, default=50),
        Parameter("apres", _l("Begin after the account of this number"), {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}),
    ),
    answer={
        "type": "object",
        "required": ["comptes", "suivant"],
        "properties": {"comptes": {"type": "array", "items": _ACCOUNT}, "suivant": {"type": ["integer", "null"]}},
    },
    refusals=("not_found", "parameter_invalid"),
)
def accounts(*, taille: int, apres: int | None) -> dict[str, Any]:
    """GET /comptes, by keyset: a page costs the same wherever it is."""
    if current_user.organisation_id is None:
        raise ApiProblem("not_found")
    found = queries.accounts_after(current_user.organisation_id, after=apres or 0, size=taille + 1)
    page = found[:taille]
    return {"comptes": [_account(user) for user in page], "suivant": page[-1].id if len(found) > taille else None}


_ACCOUNT_ID: Final = Parameter("account_id", _l("Number of the account"), {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}, where="path")
#: Name in the interface → field of the form of the account's page.
_EDITED: Final = {"civilite": "civility", "nom": "last_name", "prenom": "first_name", "courriel": "email"}


def _account_or_404(account_id: int) -> User:
    found = None if current_user.organisation_id is None else queries.account(account_id)
    if found is None or found.organisation_id != current_user.organisation_id or found.deleted_at is not None:
        raise ApiProblem("not_found")
    return found


@resource(
    "/comptes/<int:account_id>",
    scope=ACCOUNTS,
    permission=_MANAGES_ACCOUNTS,
    tag=_l("Accounts"),
    summary=_l("One account of the organisation"),
    parameters=(_ACCOUNT_ID,),
    answer=_ACCOUNT,
    refusals=("not_found",),
    versioned=True,
)
def one_account(*, account_id: int) -> dict[str, Any]:
    """GET /comptes/…; 404 for an account of another organisation."""
    return _account(_account_or_404(account_id))


@resource(
    "/comptes/<int:account_id>",
    method="PATCH",
    scope=WRITE_ACCOUNTS,
    permission=_EDITS_ACCOUNTS,
    tag=_l("Accounts"),
    summary=_l("Correct whom an account belongs to"),
    description=_l("Only the fields sent change, as on the page of the account: another address ends the links sent to the former one, which is told."),
    parameters=(_ACCOUNT_ID,),
    body={
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {"civilite": {"type": ["string", "null"], "enum": ["MME", "M", None]}, "nom": _TEXT, "prenom": _TEXT, "courriel": _TEXT},
    },
    answer=_ACCOUNT,
    refusals=("not_found", "refused"),
    versioned=True,
)
def edit_account(*, account_id: int, body: dict[str, Any]) -> dict[str, Any]:
    """PATCH /comptes/…: the service, rules and rights of the page."""
    user = _account_or_404(account_id)
    base, held = values_of(user), {name: getattr(user, name) for name in FIELDS}
    sent = {_EDITED[name]: value for name, value in body.items()}
    typed = {name: "" if value is None else str(value) for name, value in (held | sent).items()}
    form = AccountForm(formdata=MultiDict(typed), meta={"csrf": False})
    if not form.validate():
        named = {field: name for name, field in _EDITED.items()}
        errors = [{"field": named[name], "detail": str(sentence)} for name, found in form.errors.items() if name in named for sentence in found]
        raise ApiProblem("fields_invalid", errors=errors)
    holder = services.Holder(civility=form.civility.data, last_name=form.last_name.data, first_name=form.first_name.data, email=form.email.data)
    try:
        edited = services.edit_account(
            account_id, holder, base=base, choices={}, actor_id=current_user.id, check=lambda locked: check_etag(_account(locked))
        )
    except StaleError:  # moved between our reading and the lock, and back to what the caller had read
        raise ApiProblem("precondition_failed") from None
    except services.AccountNotFound:
        raise ApiProblem("not_found") from None
    except services.AccountRefused as error:
        if error.refusal is domain.Refusal.OTHER_ORGANISATION:
            raise ApiProblem("not_found") from None
        raise ApiProblem("refused", detail=str(labels.refusal(error.refusal))) from None
    return _account(edited.user)
