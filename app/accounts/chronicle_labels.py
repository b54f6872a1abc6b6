"""The journal of accounts in sentences: who did what, to whom, on whose behalf."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.accounts.chronicle import Group, Kind

GROUPS: tuple[tuple[Group, Any], ...] = (
    (Group.CREATION, _l("Creations")),
    (Group.CHANGE, _l("Changes of name, e-mail or identifiant")),
    (Group.BLOCKING, _l("Blockings and unblockings")),
    (Group.STATE, _l("Deactivations, reactivations, deletions")),
    (Group.ROLES, _l("Roles")),
    (Group.RIGHTS, _l("Rights")),
    (Group.ACCESS, _l("Passwords and access links")),
    (Group.FACTOR, _l("Second factor")),
    (Group.TOKENS, _l("Tokens of the programming interface")),
    (Group.DELEGATION, _l("Delegations")),
    (Group.REVIEW, _l("Reviews of accounts")),
    (Group.OBSERVATION, _l("Observations by support")),
)

FIELDS: dict[str, Any] = {
    "civility": _l("Civility"),
    "last_name": _l("Name in use"),
    "first_name": _l("First name"),
    "email": _l("E-mail"),
    "username": _l("Identifiant"),
    "functions": _l("Functions"),
    "limited_to_actions": _l("Actions"),
    "given_actions": _l("Actions"),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a sentence is made of; names are already words ("Mme BLANC Paule", "compte supprimé : M. X")."""

    kind: Kind
    #: None: the portal itself.
    actor: str | None = None
    on_behalf_of: str | None = None
    whom: str | None = None
    #: The second account of a delegation or an observation.
    other: str | None = None
    organisation: str | None = None
    #: The name of a role or of a token, the reason of an observation, the address asked for.
    detail: str | None = None
    starts_on: str | None = None
    ends_on: str | None = None
    more: dict[str, str] = field(default_factory=dict)


def _who(facts: Facts) -> str:
    if facts.actor is None:
        return str(_("The portal"))
    if facts.on_behalf_of is None:
        return facts.actor
    return str(_("%(actor)s, on behalf of %(principal)s,", actor=facts.actor, principal=facts.on_behalf_of))


def sentence(facts: Facts) -> str:
    """What happened, as a sentence."""
    say = _SENTENCES[facts.kind]
    return str(
        say(
            who=_who(facts),
            whom=facts.whom or _("an account unknown today"),
            other=facts.other or _("an account unknown today"),
            organisation=facts.organisation or _("an organisation"),
            detail=facts.detail or "—",
            starts=facts.starts_on or "—",
            ends=facts.ends_on or "—",
        )
    )


#: One function for each kind: the words stand where the extraction of messages finds them.
_SENTENCES: dict[Kind, Any] = {
    Kind.CREATED: lambda **v: _("%(who)s created the account of %(whom)s.", **v),
    Kind.ERASED: lambda **v: _("%(who)s erased the account of %(whom)s.", **v),
    Kind.DELETED: lambda **v: _("%(who)s deleted the account of %(whom)s.", **v),
    Kind.BLOCKED: lambda **v: _("The account of %(whom)s was blocked after wrong passwords.", **v),
    Kind.UNBLOCKED: lambda **v: _("%(who)s unblocked the account of %(whom)s.", **v),
    Kind.DEACTIVATED: lambda **v: _("%(who)s deactivated the account of %(whom)s.", **v),
    Kind.REACTIVATED: lambda **v: _("%(who)s reactivated the account of %(whom)s.", **v),
    Kind.PASSWORD_CHOSEN: lambda **v: _("A new password was chosen for the account of %(whom)s (by: %(who)s).", **v),
    Kind.PASSWORD_WITHDRAWN: lambda **v: _("%(who)s withdrew the password of %(whom)s, to be chosen again.", **v),
    Kind.PASSWORD_PROTECTED: lambda **v: _("The stored password of %(whom)s was given a stronger protection; it did not change.", **v),
    Kind.IDENTIFIANT_CHANGED: lambda **v: _("%(who)s changed the identifiant of %(whom)s.", **v),
    Kind.EMAIL_CHANGED: lambda **v: _("%(who)s changed the e-mail address of %(whom)s.", **v),
    Kind.EDITED: lambda **v: _("%(who)s modified the account of %(whom)s.", **v),
    Kind.RIGHTS_CHANGED: lambda **v: _("%(who)s changed the rights of %(whom)s.", **v),
    Kind.UNUSED_TOLD: lambda **v: _("%(who)s told %(whom)s that the account, unused for 12 months, will be deactivated.", **v),
    Kind.UNUSED_CANCELLED: lambda **v: _("The account of %(whom)s is used again, or no longer to be deactivated for want of use.", **v),
    Kind.CHANGED: lambda **v: _("%(who)s changed a technical detail of the account of %(whom)s.", **v),
    Kind.ROLE_GIVEN: lambda **v: _("%(who)s gave %(whom)s the role « %(detail)s ».", **v),
    Kind.ROLE_TAKEN: lambda **v: _("%(who)s took the role « %(detail)s » from %(whom)s.", **v),
    Kind.INVITED: lambda **v: _("%(who)s sent %(whom)s an invitation.", **v),
    Kind.REGENERATED: lambda **v: _("%(who)s regenerated the password of %(whom)s: a link was sent.", **v),
    Kind.RECOVERY_SENT: lambda **v: _("A link to choose another password was sent to %(whom)s.", **v),
    Kind.EMAIL_ASKED: lambda **v: _("%(who)s asked for the e-mail address %(detail)s for %(whom)s: a link was sent there to confirm it.", **v),
    Kind.EMAIL_FORGOTTEN: lambda **v: _("An address once asked for by %(whom)s was forgotten.", **v),
    Kind.LINK_USED: lambda **v: _("%(whom)s used the link received by e-mail.", **v),
    Kind.LINK_ENDED: lambda **v: _("The link sent to %(whom)s is no longer valid.", **v),
    Kind.LINK_PURGED: lambda **v: _("An old link of %(whom)s was removed.", **v),
    Kind.FACTOR_STARTED: lambda **v: _("%(who)s began to set up the second factor of %(whom)s.", **v),
    Kind.FACTOR_ON: lambda **v: _("The second factor of %(whom)s is in use.", **v),
    Kind.FACTOR_MOVING: lambda **v: _("%(whom)s began to change the telephone of the second factor.", **v),
    Kind.FACTOR_STAYED: lambda **v: _("%(whom)s did not finish the change of telephone: the former one goes on giving the codes.", **v),
    Kind.FACTOR_MOVED: lambda **v: _("%(whom)s changed the telephone of the second factor.", **v),
    Kind.FACTOR_OFF: lambda **v: _("%(who)s removed the second factor of %(whom)s.", **v),
    Kind.FACTOR_CHANGED: lambda **v: _("%(who)s changed the second factor of %(whom)s.", **v),
    Kind.CODES_MADE: lambda **v: _("Recovery codes were made for %(whom)s.", **v),
    Kind.CODE_USED: lambda **v: _("%(whom)s used a recovery code.", **v),
    Kind.CODES_WITHDRAWN: lambda **v: _("Recovery codes of %(whom)s were withdrawn.", **v),
    Kind.TOKEN_MADE: lambda **v: _("%(who)s made the token « %(detail)s ».", **v),
    Kind.TOKEN_REVOKED: lambda **v: _("The token « %(detail)s » of %(whom)s was revoked (by: %(who)s).", **v),
    Kind.TOKEN_CHANGED: lambda **v: _("%(who)s changed the token « %(detail)s » of %(whom)s.", **v),
    Kind.TOKEN_ERASED: lambda **v: _("%(who)s removed the token « %(detail)s » of %(whom)s.", **v),
    Kind.DELEGATION_GIVEN: lambda **v: _("%(whom)s delegated its rights to %(other)s from %(starts)s to %(ends)s.", **v),
    Kind.DELEGATION_ENDED: lambda **v: _("%(who)s ended the delegation of %(whom)s to %(other)s.", **v),
    Kind.DELEGATION_CHANGED: lambda **v: _("%(who)s changed the delegation of %(whom)s to %(other)s.", **v),
    Kind.DELEGATION_ERASED: lambda **v: _("%(who)s removed the delegation of %(whom)s to %(other)s.", **v),
    Kind.REVIEW_OPENED: lambda **v: _("The yearly review of the accounts of %(organisation)s was opened.", **v),
    Kind.REVIEW_REMINDED: lambda **v: _("A reminder of the review of the accounts of %(organisation)s was sent.", **v),
    Kind.REVIEW_DONE: lambda **v: _("%(who)s completed the review of the accounts of %(organisation)s.", **v),
    Kind.REVIEW_CHANGED: lambda **v: _("%(who)s changed the review of the accounts of %(organisation)s.", **v),
    Kind.OBSERVED: lambda **v: _("%(other)s looked at the portal as %(whom)s, read only. Reason: %(detail)s", **v),
    Kind.OBSERVATION_ENDED: lambda **v: _("%(other)s no longer looks at the portal as %(whom)s.", **v),
    Kind.OBSERVATION_CHANGED: lambda **v: _("%(who)s changed the record of an observation of %(whom)s.", **v),
    Kind.EMPTIED: lambda **v: _("%(who)s emptied a table of accounts.", **v),
}
