"""The words of the acts on accounts: buttons, questions, what follows, what was done (guide 004 §1 and §2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.accounts import labels
from app.accounts.domain import Act
from app.accounts.models import User
from app.core.roles import Role


@dataclass(frozen=True, slots=True)
class ActWords:
    """One act as the screens speak of it; ``title`` takes ``%(person)s``."""

    verb: Any
    short: Any
    title: Any
    question: Any
    consequence: Any
    icon: str | None = None
    kind: str = "primary"


WORDS: Final[dict[Act, ActWords]] = {
    Act.REGENERATE: ActWords(
        verb=_l("Regenerate the password"),
        short=_l("Regenerate the password"),
        title=_l("Regenerate the password of %(person)s"),
        question=_l("Are you sure you want to regenerate the password?"),
        consequence=_l("The present password stops working at once, open sessions end, and a link to choose another one leaves by e-mail."),
        icon="lock",
    ),
    Act.UNBLOCK: ActWords(
        verb=_l("Unblock the account"),
        short=_l("Unblock the account"),
        title=_l("Unblock the account of %(person)s"),
        question=_l("Are you sure you want to unblock the account?"),
        consequence=_l("Its holder can sign in again with the present password, and is told by e-mail."),
        icon="unlock",
    ),
    Act.DEACTIVATE: ActWords(
        verb=_l("Deactivate the account"),
        short=_l("Deactivate"),
        title=_l("Deactivate the account of %(person)s"),
        question=_l("Are you sure you want to deactivate the account?"),
        consequence=_l("Its holder can no longer sign in and open sessions end at once; nothing is lost, and you can reactivate it at any time."),
        icon="close",
        kind="danger",
    ),
    Act.REACTIVATE: ActWords(
        verb=_l("Activate the account"),
        short=_l("Activate"),
        title=_l("Activate the account of %(person)s"),
        question=_l("Are you sure you want to activate the account?"),
        consequence=_l("Its holder can sign in again, and is told by e-mail."),
        icon="check",
    ),
    Act.DELETE: ActWords(
        verb=_l("Delete the account"),
        short=_l("Delete"),
        title=_l("Delete the account of %(person)s"),
        question=_l("Are you sure you want to delete the account?"),
        consequence=_l("This cannot be undone: its holder can never sign in with it again; what the account did stays under its holder’s name."),
        icon="trash",
        kind="danger",
    ),
}


def account_of(user: User) -> str:
    """ "Le compte secondaire de Madame X de l'organisme de formation Y": how the guide names an account in a sentence."""
    if user.organisation is None:
        return _("The account of %(person)s", person=labels.person(user))
    names = {"person": labels.person(user), "organisation": user.organisation.legal_name}
    if any(role.name == Role.PRINCIPAL for role in user.roles):
        return _("The principal account of %(person)s of the training organisation %(organisation)s", **names)
    return _("The secondary account of %(person)s of the training organisation %(organisation)s", **names)


def _inside(account: str) -> str:
    """The same words, not at the beginning of the sentence."""
    return account[:1].lower() + account[1:]


def created(user: User) -> str:
    """The message of guide 004 §1."""
    return _("%(account)s has been created. A password recovery e-mail has been sent to the e-mail address of the account.", account=account_of(user))


def edited(user: User, *, changed: bool, address_changed: bool, invited_again: bool) -> str:
    """What became of an edition."""
    account = account_of(user)
    if not changed:
        return _("Nothing was changed: %(account)s already says this.", account=_inside(account))
    if invited_again:
        return _("%(account)s has been modified. A new link to choose a password has been sent to the new e-mail address.", account=account)
    if address_changed:
        return _("%(account)s has been modified. The former and the new e-mail address have been told.", account=account)
    return _("%(account)s has been modified.", account=account)


def done(act: Act, user: User) -> str:
    """The messages of guide 004 §2.2 to §2.5."""
    account = account_of(user)
    sentences = {
        Act.REGENERATE: _(
            "%(account)s has been regenerated. A password regeneration e-mail has been sent to the e-mail address of the account.", account=account
        ),
        Act.UNBLOCK: _("%(account)s has been unblocked.", account=account),
        Act.DEACTIVATE: _("%(account)s has been deactivated.", account=account),
        Act.REACTIVATE: _("%(account)s has been activated.", account=account),
        Act.DELETE: _("%(account)s has been deleted.", account=account),
    }
    return sentences[act]


def gone(user: User) -> str:
    """Said to whoever acts on an account that somebody else has deleted meanwhile."""
    return _("Nothing was changed: %(account)s has been deleted meanwhile.", account=_inside(account_of(user)))
