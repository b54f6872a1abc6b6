"""The words of accounts: civilité, statut, blocage, refusals, why an account cannot sign in (guide 004)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.accounts import domain
from app.accounts.domain import AccountState, BlockReason, DelegationProblem, DelegationState, LinkState, Refusal
from app.accounts.models import Civility, Organisation, SignInAttempt, SignInOutcome, SignInWay, User
from app.accounts.passwords import PasswordFault
from app.core.functions import CHOICES, Function, chosen
from app.core.ui.format import fr_date, fr_long_date, fr_time

CIVILITIES: tuple[tuple[str, Any], ...] = ((Civility.MADAME.value, _l("Madam")), (Civility.MONSIEUR.value, _l("Sir")))
_LONG = dict(CIVILITIES)
_SHORT = {Civility.MADAME.value: _l("Mrs"), Civility.MONSIEUR.value: _l("Mr")}


def manager(user: User) -> str:
    """ "Mme BLA PAU": the account's holder in tables and cards."""
    return f"{_SHORT.get(user.civility or '', '')} {user.get_full_name()}".strip()


def person(user: User) -> str:
    """ "Madame NOM PRENOM": the account's holder in sentences."""
    return f"{_LONG.get(user.civility or '', '')} {user.get_full_name()}".strip()


def named(civility: str | None, last_name: str, first_name: str) -> str:
    """ "Mme BLA PAU", from the columns alone."""
    return f"{_SHORT.get(civility or '', '')} {last_name} {first_name}".strip()


def deleted(name: str) -> str:
    """ "compte supprimé : Mme BLA PAU": who it was, in histories."""
    return _("deleted account: %(person)s", person=name)


def deleted_in_a_sentence(name: str) -> str:
    """The same where the name does not begin the sentence."""
    return _("%(person)s (deleted account)", person=name)


def status(user: User) -> tuple[str, str]:
    """Statut du compte, and its tone."""
    state = domain.state_of(user.facts)
    if state is AccountState.DELETED:
        return _("Deleted"), "neutral"
    if state is AccountState.INACTIVE:
        return _("Inactive"), "neutral"
    return _("Active"), "success"


def blocking(user: User) -> tuple[str, str]:
    """Blocage du compte, and its tone."""
    return (_("Blocked"), "danger") if domain.is_blocked(user.facts) else (_("Unblocked"), "success")


def why_closed(user: User) -> str | None:
    """Why the account cannot sign in, in words; None when it can."""
    facts = user.facts
    state = domain.state_of(facts)
    if state is AccountState.DELETED:
        return _("deleted on %(date)s", date=fr_date(user.deleted_at))
    if state is AccountState.INACTIVE:
        if user.deactivated_at is None:
            return _("deactivated")
        return _("deactivated on %(date)s", date=fr_date(user.deactivated_at))
    if state is AccountState.BLOCKED:
        return _why_blocked(user)
    if user.organisation is not None and not user.organisation.active:
        return _("its organisation is closed")
    if state is AccountState.PENDING:
        return _("no password chosen yet")
    return None


def _why_blocked(user: User) -> str:
    at = user.blocked_at or user.last_failed_at
    if user.blocked_reason == BlockReason.TOO_MANY_FAILURES:
        return _(
            "blocked on %(date)s at %(time)s after %(count)s wrong passwords within a day",
            date=fr_date(at),
            time=fr_time(at),
            count=user.failed_in_window,
        )
    count = max(user.failed_attempts, domain.MAX_FAILED_ATTEMPTS)
    if user.blocked_reason == BlockReason.WRONG_CODES:
        return _(
            "blocked on %(date)s at %(time)s after %(count)s wrong passwords or verification codes",
            date=fr_date(at),
            time=fr_time(at),
            count=count,
        )
    return ngettext(
        "blocked on %(date)s at %(time)s after %(num)s wrong password",
        "blocked on %(date)s at %(time)s after %(num)s wrong passwords",
        count,
        date=fr_date(at),
        time=fr_time(at),
    )


def state_in_words(user: User) -> str:
    """One sentence for the console: can it sign in, and if not why."""
    reason = why_closed(user)
    return _("can sign in") if reason is None else reason


def organisation_of(user: User) -> str:
    """The organisation an account belongs to, or the Région or support."""
    if user.organisation is not None:
        return str(user.organisation.legal_name)
    return ", ".join(sorted(role.name for role in user.roles))


#: Order matters: most browsers also name those they descend from.
_BROWSERS: tuple[tuple[str, str], ...] = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: tuple[tuple[str, str], ...] = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def browser(user_agent: str | None) -> str:
    """A browser as its owner knows it ("Firefox, Windows"); what is not recognised is shown as sent, cut short."""
    text = user_agent or ""
    names = [next((name for mark, name in table if mark in text), None) for table in (_BROWSERS, _SYSTEMS)]
    return ", ".join(name for name in names if name) or text[:40] or _("unknown")


def refusal(reason: Refusal) -> str:
    """Why an act was refused, as a sentence."""
    sentences = {
        Refusal.NOT_ALLOWED: _("Your account may not do this to that account."),
        Refusal.OTHER_ORGANISATION: _("This account does not exist."),
        Refusal.OWN_ACCOUNT: _("You may not do this to your own account: ask another administrator, or support."),
        Refusal.WRONG_STATE: _("Nothing was changed: the account is no longer in that state."),
        Refusal.LAST_ADMINISTRATOR: _("This is the last administrator of the Région: give the role to someone else first."),
        Refusal.LAST_PRINCIPAL: _("This is the last account that manages the organisation: give the role to someone else first."),
    }
    return sentences[reason]


def blocked_by_codes() -> str:
    """Said when a wrong code took the last try of an account whose password was right."""
    return _(
        "Three wrong codes: your account is blocked. Ask for a link under « Mot de passe oublié ou première connexion », "
        "or ask the principal account of your organisation, or support, to unblock it."
    )


def blocked_for_the_day() -> str:
    """Said when somebody chose a new password by mail while too many wrong codes were tried within a day."""
    return _(
        "The changes have been saved, but too many wrong codes were tried within a day: your account stays blocked. The principal "
        "account of your organisation, or support, can unblock it; so can a new link, tomorrow."
    )


def password_fault(fault: PasswordFault) -> str:
    """Why a password was refused, and what to do."""
    sentences = {
        PasswordFault.TOO_SHORT: _(
            "Too short: 12 characters with small and capital letters, digits and special characters; or 14 with three of these; or 20 of any."
        ),
        PasswordFault.TOO_LONG: _("Too long: 128 characters at most."),
        PasswordFault.PERSONAL: _(
            "Too easy to guess: it is made of your identifiant, your name or first name, your address, your organisation or a word of the portal."
        ),
        PasswordFault.COMMON: _("Too common: it is among the passwords that are tried first. Choose something longer or less usual."),
    }
    return sentences[fault]


# ---- first access, recovery, "Mon compte" ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkWords:
    """What the page of a link that opens nothing says."""

    title: str
    why: str
    advice: str


def link_unusable(state: LinkState) -> LinkWords:
    """Why a link opens nothing, and what to do."""
    ask = _("Ask for a link on the page “Password generation”.")
    sentences = {
        LinkState.EXPIRED: LinkWords(_("This link has expired"), _("Links are good for a limited time, so that an old mail opens nothing."), ask),
        LinkState.USED: LinkWords(_("This link has already been used"), _("It was used to choose a password. A link can be used once."), ask),
        LinkState.REPLACED: LinkWords(
            _("This link is no longer good"),
            _("A newer link has been sent since, or the account has been blocked or has got another password. The latest mail received holds the link to use."),
            ask,
        ),
        LinkState.CLOSED: LinkWords(
            _("This account is not open"),
            _("The account, or its organisation, is closed: no link can open it."),
            _("Ask the person who manages the accounts of your organisation, or the assistance. Once the account is open again, ask for a new link."),
        ),
    }
    unknown = LinkWords(
        _("This link is not known"), _("The address is incomplete, or this browser has forgotten it. Open the link of the mail again, or copy it whole."), ask
    )
    return sentences.get(state, unknown)


def email_link_unusable(state: LinkState) -> LinkWords:
    """Why the link of a new address confirms nothing, and what to do."""
    ask = _("Your address has not changed. Sign in, then ask for the change once more on the page “My account”.")
    sentences = {
        LinkState.EXPIRED: LinkWords(_("This link has expired"), _("Links are good for a limited time, so that an old mail changes nothing."), ask),
        LinkState.USED: LinkWords(
            _("This link has already been used"),
            _("The address was confirmed with it. A link can be used once."),
            _("There is nothing left to do: the page “My account” shows the address of the account."),
        ),
        LinkState.REPLACED: LinkWords(
            _("This link is no longer good"),
            _("The change was cancelled, a newer link was sent, or the account has been blocked or has got another password or other rights since."),
            _("Use the link of the latest mail. If there is none, sign in, then ask for the change once more on the page “My account”."),
        ),
        LinkState.CLOSED: LinkWords(
            _("This account is not open"),
            _("The account, or its organisation, is closed: its address cannot be changed."),
            _("Ask the person who manages the accounts of your organisation, or the assistance."),
        ),
    }
    unknown = LinkWords(
        _("This link is not known"), _("The address is incomplete, or this browser has forgotten it. Open the link of the mail again, or copy it whole."), ask
    )
    return sentences.get(state, unknown)


def identifiant_rule() -> str:
    """What an identifiant may be made of."""
    return _("An identifiant has 1 to 64 letters without accents, digits, dots, hyphens, underscores, at signs or blanks, and begins with a letter or a digit.")


def sign_in_outcome(attempt: SignInAttempt) -> tuple[str, str]:
    """How a try to sign in ended, and its tone."""
    if attempt.outcome == SignInOutcome.SUCCESS:
        return _("succeeded"), "success"
    if attempt.blocking:
        return _("failed: account blocked"), "danger"
    return (_("failed"), "warning") if attempt.outcome == SignInOutcome.REFUSED else (_("interrupted"), "neutral")


def sign_in_way(attempt: SignInAttempt) -> str:
    """By which way somebody tried to get in."""
    ways = {
        SignInWay.FORM.value: _("sign-in page"),
        SignInWay.LINK.value: _("link received by mail"),
        SignInWay.CONFIRMATION.value: _("password asked again"),
        SignInWay.PASSWORD.value: _("right password, code asked"),
    }
    return ways.get(attempt.way, attempt.way)


# ---- rights and delegation -----------------------------------------------------------------------------------------------

FUNCTION_LABELS: dict[Function, Any] = {
    Function.CONSULT: _l("Consult"),
    Function.TRAINEES: _l("Trainees and enrolments"),
    Function.DECLARATIONS: _l("Attendance declarations"),
    Function.SURVEYS: _l("Surveys and reports"),
    Function.INVOICING: _l("Invoicing"),
    Function.REQUESTS: _l("Opening and modification requests"),
}
FUNCTION_HINTS: dict[Function, Any] = {
    Function.CONSULT: _l("Read the actions and their trainees. Always given."),
    Function.TRAINEES: _l("Register trainees, enrol them on components, enter their exit, read a social security number, send files."),
    Function.DECLARATIONS: _l("Enter and validate the hours of presence."),
    Function.SURVEYS: _l("Enter situations at exit, satisfaction and follow-up."),
    Function.INVOICING: _l("Prepare and send invoices."),
    Function.REQUESTS: _l("Open an action, plan its sessions, declare it finished, ask the Région to modify it."),
}


def functions_in_words(functions: frozenset[Function] | None) -> str:
    """The functions of an account in one line."""
    if functions is None or functions >= set(CHOICES):
        return _("All functions of the account")
    return ", ".join(str(FUNCTION_LABELS[function]) for function in Function if function in functions or function is Function.CONSULT)


def delegation_state(state: DelegationState) -> tuple[str, str]:
    """Where a delegation stands, and its tone."""
    return {
        DelegationState.COMING: (_("To come"), "info"),
        DelegationState.CURRENT: (_("Under way"), "success"),
        DelegationState.PAST: (_("Over"), "neutral"),
        DelegationState.TAKEN_BACK: (_("Ended early"), "neutral"),
    }[state]


def delegation_problem(problem: DelegationProblem, starts_on: date, ends_on: date) -> tuple[str, str]:
    """The field concerned, and why its day will not do."""
    return {
        DelegationProblem.STARTS_IN_THE_PAST: (
            "starts_on",
            _("%(date)s is past: a delegation begins today or later.", date=fr_date(starts_on)),
        ),
        DelegationProblem.STARTS_TOO_LATE: (
            "starts_on",
            _("%(date)s is more than twelve months away: choose an earlier first day.", date=fr_date(starts_on)),
        ),
        DelegationProblem.ENDS_BEFORE_START: (
            "ends_on",
            _("%(end)s comes before the first day, %(start)s: choose the same day or a later one.", start=fr_date(starts_on), end=fr_date(ends_on)),
        ),
        DelegationProblem.TOO_LONG: (
            "ends_on",
            _("From %(start)s to %(end)s is more than twelve months: choose an earlier last day.", start=fr_date(starts_on), end=fr_date(ends_on)),
        ),
    }[problem]


def delegation_overlap(starts_on: date | None, ends_on: date | None) -> str:
    """Why two delegations cannot hold the same days."""
    if starts_on is None:
        return _("Another delegation has just been recorded on these days: look at the list below.")
    return _(
        "A delegation from %(start)s to %(end)s holds some of these days: take it back first, or choose other days.",
        start=fr_date(starts_on),
        end=fr_date(ends_on),
    )


def taking_back(delegate: User) -> str:
    """The consequence of taking a delegation back."""
    return _("%(person)s will no longer have your rights, from the next page on. What was done on your behalf stays.", person=person(delegate))


def banner(user: User) -> str | None:
    """ "Vous agissez pour le compte de Madame X jusqu'au …"; None for those who act for themselves."""
    mandate = getattr(user, "mandate", None)
    if mandate is None:
        return None
    name = f"{_LONG.get(mandate.civility or '', '')} {mandate.name}".strip()
    return _("You act on behalf of %(person)s until %(date)s.", person=name, date=fr_long_date(mandate.ends_on))


def missing_function(function: Function) -> tuple[str, str]:
    """What a refused page says when the principal account did not give the function: the fact, and whom to ask."""
    return (
        _("Your account does not have the function “%(function)s”.", function=FUNCTION_LABELS[function]),
        _("The principal account of your organisation can give it to you: Gestion organisme, Comptes utilisateurs, Droits."),
    )


def is_narrowed(user: User) -> bool:
    """Whether the account has less than its role allows."""
    own = domain.Party(user.id, frozenset(role.name for role in user.roles), user.organisation_id)
    return domain.can_be_narrowed(own) and (user.functions is not None or user.limited_to_actions)


def own_functions(user: User) -> str | None:
    """The functions of an organisation's account, as it reads them in "Mon compte"; None for staff."""
    if user.organisation_id is None:
        return None
    return functions_in_words(chosen(user.functions) if is_narrowed(user) and user.functions is not None else None)


def own_actions(user: User) -> str | None:
    """Which actions an organisation's account sees; None for staff."""
    if user.organisation_id is None:
        return None
    limited = is_narrowed(user) and user.limited_to_actions
    return _("Some actions: those of your list of actions") if limited else _("All actions")


def siret_fault(fault: domain.SiretFault, typed: str) -> str:
    """Why a SIRET was refused, with the value, the rule and the remedy."""
    compact = domain.compact_siret(typed)
    sentences = {
        domain.SiretFault.MISSING: _("Give the SIRET: 14 digits."),
        domain.SiretFault.NOT_DIGITS: _("« %(value)s » is not a SIRET: it holds something else than digits. Keep its 14 digits only.", value=typed[:40]),
        domain.SiretFault.LENGTH: ngettext(
            "« %(value)s » has %(num)s digit: a SIRET has 14.", "« %(value)s » has %(num)s digits: a SIRET has 14.", len(compact), value=typed[:40]
        ),
        domain.SiretFault.CHECKSUM: _(
            "« %(value)s » is not a SIRET: its control digit does not match. Check it against the Sirene register.", value=typed[:40]
        ),
    }
    return sentences[fault]


def organisation_created(organisation: Organisation, principal: User) -> str:
    """Said after an organisation was created with its principal account."""
    return _(
        "The training organisation %(organisation)s has been created, with the principal account of %(person)s. An invitation was sent to %(email)s.",
        organisation=organisation.legal_name,
        person=person(principal),
        email=principal.email,
    )


def principal_changed(organisation: Organisation, successor: User, *, invited: bool) -> str:
    """Said after the principal account of an organisation changed."""
    if invited:
        return _(
            "%(person)s now holds the principal account of the training organisation %(organisation)s. An invitation was sent to %(email)s.",
            person=person(successor),
            organisation=organisation.legal_name,
            email=successor.email,
        )
    return _(
        "The account of %(person)s is now the principal account of the training organisation %(organisation)s.",
        person=person(successor),
        organisation=organisation.legal_name,
    )
