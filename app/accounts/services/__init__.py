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
from app.accounts.services.bulk import BatchChanged, BatchGone, MissingColumns, apply_batch, check_file, preview
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
from app.accounts.services.holders import AlreadyInvited, Edited, Holder, Invitation, edit_account, invite_account
from app.accounts.services.hygiene import ReviewIncomplete, announce_unused, complete_review, deactivate_unused, open_reviews, remind_reviews
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
from app.accounts.services.observing import end_observation, start_observation
from app.accounts.services.open_sessions import end_other_sessions, end_own_session, end_session, purge_sign_in_data
from app.accounts.services.organisations import (
    Handover,
    OrganisationCard,
    OrganisationExists,
    Person,
    change_principal,
    create_organisation,
    create_organisation_with_principal,
)

__all__ = [
    "AccountNotFound",
    "AccountRefused",
    "AlreadyInvited",
    "BatchChanged",
    "BatchGone",
    "Chosen",
    "Edited",
    "Handover",
    "Holder",
    "IdentifiantTaken",
    "InvalidIdentifiant",
    "Invitation",
    "LinkUnusable",
    "LinkView",
    "MissingColumns",
    "OrganisationCard",
    "OrganisationExists",
    "Person",
    "ReviewIncomplete",
    "WeakPassword",
    "WrongPassword",
    "announce_unused",
    "answer_recovery",
    "answer_waiting_recoveries",
    "apply_batch",
    "change_own_email",
    "change_own_identifiant",
    "change_own_password",
    "change_principal",
    "check_file",
    "choose_credentials",
    "complete_review",
    "create_account",
    "create_organisation",
    "create_organisation_with_principal",
    "deactivate",
    "deactivate_unused",
    "delete_account",
    "edit_account",
    "end_observation",
    "end_other_sessions",
    "end_own_session",
    "end_session",
    "generate_identifiant",
    "invite_account",
    "look_up_link",
    "open_reviews",
    "password_context",
    "preview",
    "purge_sign_in_data",
    "reactivate",
    "regenerate",
    "remind_reviews",
    "request_recovery",
    "request_renewal",
    "set_password",
    "set_roles",
    "start_observation",
    "tell_blocked",
    "unblock",
]
