"""Use cases of accounts and organisations: one function, one transaction.

Accounts are written in the system's scope only; who asks is checked here, against ``domain.refusal_of``, and stands in the
journal as the actor.
"""

from app.accounts.services.common import (
    AccountNotFound,
    AccountRefused,
    IdentifiantTaken,
    WeakPassword,
    WrongPassword,
    password_context,
)
from app.accounts.services.credentials import change_own_password, set_password
from app.accounts.services.holders import AlreadyInvited, Edited, Holder, Invitation, edit_account, invite_account
from app.accounts.services.life import (
    create_account,
    deactivate,
    delete_account,
    generate_identifiant,
    reactivate,
    regenerate,
    set_roles,
    unblock,
)
from app.accounts.services.open_sessions import end_other_sessions, end_session, purge_sign_in_data
from app.accounts.services.organisations import create_organisation

__all__ = [
    "AccountNotFound",
    "AccountRefused",
    "AlreadyInvited",
    "Edited",
    "Holder",
    "IdentifiantTaken",
    "Invitation",
    "WeakPassword",
    "WrongPassword",
    "change_own_password",
    "create_account",
    "create_organisation",
    "deactivate",
    "delete_account",
    "edit_account",
    "end_other_sessions",
    "end_session",
    "generate_identifiant",
    "invite_account",
    "password_context",
    "purge_sign_in_data",
    "reactivate",
    "regenerate",
    "set_password",
    "set_roles",
    "unblock",
]
