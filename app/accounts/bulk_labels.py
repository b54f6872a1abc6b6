"""The words of a file of accounts: why it is refused, what is wrong with a line."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.accounts import domain, labels
from app.accounts.bulk import Finding, Problem
from app.core.tabular import Fault, Refused

KINDS: dict[str, Any] = {"principal": _l("Principal account"), "secondary": _l("Secondary account")}


def refused(error: Refused) -> str:
    """Why a file was not read, where, and what to do."""
    sentences = {
        Fault.EMPTY: _("This file is empty: fill in the template under its first line."),
        Fault.TOO_LARGE: _("This file is too large: %(value)s MB at most. Cut it in several.", value=error.value),
        Fault.TOO_LARGE_UNPACKED: _("This spreadsheet is too large once unpacked. Copy the useful lines into a new one."),
        Fault.TOO_MANY_LINES: _("This file has too many lines: %(value)s at most. Cut it in several.", value=error.value),
        Fault.TOO_MANY_COLUMNS: _("This file has too many columns: %(value)s at most. Start from the template.", value=error.value),
        Fault.CELL_TOO_LONG: _("A cell is too long: %(value)s characters at most.", value=error.value),
        Fault.UNKNOWN_FORMAT: _("This is not a table: send an XLSX, ODS or CSV file."),
        Fault.UNREADABLE: _("This spreadsheet cannot be read: open it and save it again as XLSX, or as CSV."),
        Fault.ENCRYPTED: _("This file is locked by a password, or in the old XLS format: save it as XLSX without a password."),
        Fault.FORMULA: _("A cell is computed by a formula: replace it by its value (copy, then paste values)."),
        Fault.UNDECODABLE: _("A character cannot be read: save the file as « CSV UTF-8 »."),
        Fault.FORBIDDEN_CHARACTER: _("A cell holds an invisible control character: type it again."),
        Fault.BAD_QUOTES: _("A quotation mark is opened and not closed, or misplaced: check the quotation marks of this line."),
        Fault.NO_HEADER: _("The first line must name the columns: start from the template."),
        Fault.SAME_HEADER_TWICE: _("The column « %(value)s » is there twice: remove one.", value=error.value),
    }
    words = str(sentences[error.fault])
    if error.line is None:
        return words
    if error.column is None:
        return str(_("Line %(line)s: %(words)s", line=error.line, words=words))
    return str(_("Line %(line)s, column %(column)s: %(words)s", line=error.line, column=error.column, words=words))


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
