"""From an entry of the journal to what happened to an account: which kind of act, and in which group it is filtered.

Standard library only. An entry of an update holds the changed columns alone, so each kind is told by the columns present.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final


class Group(StrEnum):
    """What the page of the journal can be narrowed to."""

    CREATION = "creation"
    CHANGE = "modification"
    BLOCKING = "blocage"
    STATE = "statut"
    ROLES = "roles"
    RIGHTS = "droits"
    ACCESS = "acces"
    FACTOR = "second-facteur"
    TOKENS = "jetons"
    DELEGATION = "delegation"
    REVIEW = "revue"
    OBSERVATION = "observation"


class Kind(StrEnum):
    """What an entry says."""

    CREATED = "created"
    ERASED = "erased"
    DELETED = "deleted"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    DEACTIVATED = "deactivated"
    REACTIVATED = "reactivated"
    PASSWORD_CHOSEN = "password_chosen"  # noqa: S105 - the name of an act
    PASSWORD_WITHDRAWN = "password_withdrawn"  # noqa: S105
    PASSWORD_PROTECTED = "password_protected"  # noqa: S105
    IDENTIFIANT_CHANGED = "identifiant_changed"
    EMAIL_CHANGED = "email_changed"
    EDITED = "edited"
    RIGHTS_CHANGED = "rights_changed"
    UNUSED_TOLD = "unused_told"
    UNUSED_CANCELLED = "unused_cancelled"
    CHANGED = "changed"
    ROLE_GIVEN = "role_given"
    ROLE_TAKEN = "role_taken"
    INVITED = "invited"
    REGENERATED = "regenerated"
    RECOVERY_SENT = "recovery_sent"
    EMAIL_ASKED = "email_asked"
    EMAIL_FORGOTTEN = "email_forgotten"
    LINK_USED = "link_used"
    LINK_ENDED = "link_ended"
    LINK_PURGED = "link_purged"
    FACTOR_STARTED = "factor_started"
    FACTOR_ON = "factor_on"
    FACTOR_MOVING = "factor_moving"
    FACTOR_MOVED = "factor_moved"
    FACTOR_STAYED = "factor_stayed"
    FACTOR_OFF = "factor_off"
    FACTOR_CHANGED = "factor_changed"
    CODES_MADE = "codes_made"
    CODE_USED = "code_used"
    CODES_WITHDRAWN = "codes_withdrawn"
    TOKEN_MADE = "token_made"  # noqa: S105
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    TOKEN_CHANGED = "token_changed"  # noqa: S105
    TOKEN_ERASED = "token_erased"  # noqa: S105
    DELEGATION_GIVEN = "delegation_given"
    DELEGATION_ENDED = "delegation_ended"
    DELEGATION_CHANGED = "delegation_changed"
    DELEGATION_ERASED = "delegation_erased"
    REVIEW_OPENED = "review_opened"
    REVIEW_REMINDED = "review_reminded"
    REVIEW_DONE = "review_done"
    REVIEW_CHANGED = "review_changed"
    OBSERVED = "observed"
    OBSERVATION_ENDED = "observation_ended"
    OBSERVATION_CHANGED = "observation_changed"
    EMPTIED = "emptied"


#: The tables of the journal that speak of accounts.
TABLES: Final = ("ab_user", "ab_user_role", "access_link", "second_factor", "recovery_code", "api_token", "delegation", "account_review", "observation")

_LINKS: Final = {"invitation": Kind.INVITED, "regeneration": Kind.REGENERATED, "recovery": Kind.RECOVERY_SENT, "email": Kind.EMAIL_ASKED}

#: table → operation → kind, where the operation says all.
_PLAIN: Final[dict[tuple[str, str], Kind]] = {
    ("ab_user", "INSERT"): Kind.CREATED,
    ("ab_user", "DELETE"): Kind.ERASED,
    ("ab_user_role", "INSERT"): Kind.ROLE_GIVEN,
    ("ab_user_role", "UPDATE"): Kind.ROLE_GIVEN,
    ("ab_user_role", "DELETE"): Kind.ROLE_TAKEN,
    ("access_link", "DELETE"): Kind.LINK_PURGED,
    ("second_factor", "INSERT"): Kind.FACTOR_STARTED,
    ("second_factor", "DELETE"): Kind.FACTOR_OFF,
    ("recovery_code", "INSERT"): Kind.CODES_MADE,
    ("recovery_code", "UPDATE"): Kind.CODE_USED,
    ("recovery_code", "DELETE"): Kind.CODES_WITHDRAWN,
    ("api_token", "INSERT"): Kind.TOKEN_MADE,
    ("api_token", "DELETE"): Kind.TOKEN_ERASED,
    ("delegation", "INSERT"): Kind.DELEGATION_GIVEN,
    ("delegation", "DELETE"): Kind.DELEGATION_ERASED,
    ("account_review", "INSERT"): Kind.REVIEW_OPENED,
    ("account_review", "DELETE"): Kind.REVIEW_CHANGED,
    ("observation", "INSERT"): Kind.OBSERVED,
    ("observation", "DELETE"): Kind.OBSERVATION_CHANGED,
}

#: table → (column that got a value, kind) in order of weight, then what any other update is.
_UPDATES: Final[dict[str, tuple[tuple[tuple[str, Kind], ...], Kind]]] = {
    "access_link": ((("used_at", Kind.LINK_USED), ("revoked_at", Kind.LINK_ENDED)), Kind.LINK_ENDED),
    "second_factor": ((("confirmed_at", Kind.FACTOR_ON), ("next_created_at", Kind.FACTOR_MOVING)), Kind.FACTOR_CHANGED),
    "api_token": ((("revoked_at", Kind.TOKEN_REVOKED),), Kind.TOKEN_CHANGED),
    "delegation": ((("ended_at", Kind.DELEGATION_ENDED),), Kind.DELEGATION_CHANGED),
    "account_review": ((("completed_at", Kind.REVIEW_DONE), ("reminded_at", Kind.REVIEW_REMINDED)), Kind.REVIEW_CHANGED),
    "observation": ((("ended_at", Kind.OBSERVATION_ENDED),), Kind.OBSERVATION_CHANGED),
}

#: Columns of the rights of an account, in the order shown.
RIGHTS: Final = ("functions", "limited_to_actions", "given_actions")
#: Columns of an account a person recognises, in the order shown.
EDITABLE: Final = ("civility", "last_name", "first_name", "email", "username")


def kind_of(table: str, operation: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Kind:
    """What an entry says. Raises ValueError for a table that does not speak of accounts."""
    if table not in TABLES:
        raise ValueError(f"{table} does not speak of accounts")
    if operation == "TRUNCATE":
        return Kind.EMPTIED
    old, new = before or {}, after or {}
    if table == "access_link" and operation == "INSERT":
        return _LINKS.get(str(new.get("purpose")), Kind.INVITED)
    plain = _PLAIN.get((table, operation))
    if plain is not None:
        return plain
    if table == "ab_user":
        return _of_account(old, new)
    if table == "access_link" and old.get("wanted_email") is not None and new.get("wanted_email") is None:
        return Kind.EMAIL_FORGOTTEN
    if table == "second_factor" and old.get("confirmed_at") is not None and new.get("confirmed_at") is not None:
        return Kind.FACTOR_MOVED
    if table == "second_factor" and old.get("next_created_at") is not None and new.get("next_created_at") is None:
        return Kind.FACTOR_STAYED
    columns, otherwise = _UPDATES[table]
    return next((kind for column, kind in columns if new.get(column) is not None), otherwise)


def _of_account(old: Mapping[str, Any], new: Mapping[str, Any]) -> Kind:
    changed = old.keys() | new.keys()
    rules: tuple[tuple[bool, Kind], ...] = (
        (new.get("deleted_at") is not None, Kind.DELETED),
        ("blocked_at" in changed, Kind.BLOCKED if new.get("blocked_at") is not None else Kind.UNBLOCKED),
        ("deactivated_at" in changed, Kind.DEACTIVATED if new.get("deactivated_at") is not None else Kind.REACTIVATED),
        ("active" in changed, Kind.REACTIVATED if new.get("active") else Kind.DEACTIVATED),
        ("password_changed_at" in changed and new.get("password_changed_at") is not None, Kind.PASSWORD_CHOSEN),
        ("password" in changed, Kind.PASSWORD_WITHDRAWN if new.get("password") is None else Kind.PASSWORD_PROTECTED),
        (bool(changed & set(RIGHTS)), Kind.RIGHTS_CHANGED),
        (changed == {"username"}, Kind.IDENTIFIANT_CHANGED),
        (changed == {"email"}, Kind.EMAIL_CHANGED),
        (bool(changed & set(EDITABLE)), Kind.EDITED),
        ("inactivity_notice_at" in changed, Kind.UNUSED_TOLD if new.get("inactivity_notice_at") is not None else Kind.UNUSED_CANCELLED),
    )
    return next((kind for holds, kind in rules if holds), Kind.CHANGED)


def edits_of(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[tuple[str, Any, Any]]:
    """(column, before, after) of what a person recognises in an update of an account."""
    old, new = before or {}, after or {}
    told = [name for name in (*EDITABLE, *RIGHTS) if name in old or name in new]
    if "given_actions" in told and "limited_to_actions" in told:
        told.remove("limited_to_actions")  # the actions say it
    return [(name, old.get(name), new.get(name)) for name in told]
