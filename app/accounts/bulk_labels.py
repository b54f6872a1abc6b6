"""The words of a file of accounts: what is wrong with a line."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.accounts import domain, labels
from app.accounts.bulk import CODES, Finding, Problem
from app.core.tabular.damage import Damage
from app.core.tabular.labels import damaged

KINDS: dict[str, Any] = {"principal": _l("Principal account"), "secondary": _l("Secondary account")}


def finding(found: Finding) -> str:
    """What is wrong with a cell: the value, the rule, the remedy."""
    value = found.value[:60]
    fault = domain.siret_fault(found.value)
    sentences = {
        Problem.MISSING: _("This cell is empty: fill it in."),
        Problem.UNKNOWN_KIND: _("« %(value)s »: write « Principal » or « Secondaire ».", value=value),
        Problem.SIRET: labels.siret_fault(fault, value) if fault is not None else "",
        Problem.LOST_ZEROS: _(
            "« %(value)s » is a number in the spreadsheet: zeros at its beginning may be lost. Give the column the Text format and type the code again.",
            value=value,
        ),
        Problem.DAMAGED: damaged(Damage(found.detail), value, CODES[found.column]) if found.problem is Problem.DAMAGED else "",
        Problem.NDA: _("« %(value)s »: the activity declaration number has 11 digits.", value=value),
        Problem.CIVILITY: _("« %(value)s »: write « Madame » or « Monsieur ».", value=value),
        Problem.TOO_LONG: _("Too long: %(most)s characters at most.", most=found.detail),
        Problem.MAIL: _("« %(value)s » is not an e-mail address: write it like name@domain.fr.", value=value),
        Problem.FORMULA: _("« %(value)s » begins like a formula: remove the first sign.", value=value),
        Problem.NAME: _("“%(value)s” is not a name: use letters, spaces, hyphens, apostrophes and full stops.", value=value),
        Problem.TWICE: _("The same account is on line %(line)s: remove one of the two.", line=found.detail),
        Problem.SECOND_PRINCIPAL: _("Line %(line)s already gives this organisation its principal account: an organisation has one.", line=found.detail),
        Problem.HAS_PRINCIPAL: _(
            "This organisation already has a principal account, held by %(person)s: change it on the page of the organisation.", person=found.detail
        ),
        Problem.NO_ORGANISATION: _("No organisation has the SIRET « %(value)s »: add a line with its principal account.", value=value),
        Problem.NAME_NEEDED: _("This organisation does not exist yet: give its legal name."),
        Problem.CLOSED: _("The organisation « %(value)s » is closed: reopen it first.", value=value),
    }
    return str(sentences[found.problem])
