"""Use cases of accounts and organisations: one function, one transaction.

Accounts are written in the system's scope only; who asks is checked here, against ``domain.refusal_of``, and stands in the
journal as the actor.
"""

from app.accounts.services.access import (
    Chosen,
    LinkUnusable,
    LinkView,
    answer_recovery,
    answer_waiting_recoveries,
    choose_credentials,
    look_up_link,
    request_recovery,
    request_renewal,
)
from app.accounts.services.blocking import tell_blocked
from app.accounts.services.common import (
    AccountNotFound,
    AccountRefused,
    IdentifiantTaken,
    InvalidIdentifiant,
    WeakPassword,
    WrongPassword,
    password_context,
)
from app.accounts.services.credentials import change_own_email, change_own_identifiant, change_own_password, set_password
from app.accounts.services.delegations import DelegationOverlap, DelegationRefused, delegate, take_back
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
from app.accounts.services.open_sessions import end_other_sessions, end_own_session, end_session, purge_sign_in_data
from app.accounts.services.organisations import create_organisation
from app.accounts.services.second_factor import (
    FactorAlreadyOn,
    FactorMandatory,
    FactorNotOn,
    WrongCode,
    activate_second_factor,
    begin_second_factor,
    give_up_second_factor,
    renew_recovery_codes,
    reset_second_factor,
    reset_second_factor_of,
)
from app.accounts.services.tokens import TooManyTokens, create_token, revoke_token

__all__ = [
    "AccountNotFound",
    "AccountRefused",
    "AlreadyInvited",
    "Chosen",
    "DelegationOverlap",
    "DelegationRefused",
    "Edited",
    "FactorAlreadyOn",
    "FactorMandatory",
    "FactorNotOn",
    "Holder",
    "IdentifiantTaken",
    "InvalidIdentifiant",
    "Invitation",
    "LinkUnusable",
    "LinkView",
    "TooManyTokens",
    "WeakPassword",
    "WrongCode",
    "WrongPassword",
    "activate_second_factor",
    "answer_recovery",
    "answer_waiting_recoveries",
    "begin_second_factor",
    "change_own_email",
    "change_own_identifiant",
    "change_own_password",
    "choose_credentials",
    "create_account",
    "create_organisation",
    "create_token",
    "deactivate",
    "delegate",
    "delete_account",
    "edit_account",
    "end_other_sessions",
    "end_own_session",
    "end_session",
    "generate_identifiant",
    "give_up_second_factor",
    "invite_account",
    "look_up_link",
    "password_context",
    "purge_sign_in_data",
    "reactivate",
    "regenerate",
    "renew_recovery_codes",
    "request_recovery",
    "request_renewal",
    "reset_second_factor",
    "reset_second_factor_of",
    "revoke_token",
    "set_password",
    "set_roles",
    "take_back",
    "tell_blocked",
    "unblock",
]
