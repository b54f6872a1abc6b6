"""The words of a file of NIRs: what is wrong with a line (value, rule, remedy), where a file stands."""

from __future__ import annotations

from typing import Any, Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core.nir import Incoherence
from app.core.nir.messages import INCOHERENCE_MESSAGES, problem_message
from app.core.nir.number import NirProblem

from .rules import HEADERS, Column, Finding, Problem, RepairState

#: Stands for a value that is not known any more.
_UNNAMED: Final = "\ufffc"
#: Of a file that was confirmed.
STATE_LABELS: dict[str, tuple[Any, str]] = {
    RepairState.RUNNING: (_l("Being applied"), "info"),
    RepairState.DONE: (_l("Finished (file)"), "success"),
}


def column_of(problem: Problem) -> str:
    """The column that a problem of the report is about."""
    at = {Problem.NO_REFERENCE: Column.REFERENCE, Problem.UNKNOWN: Column.REFERENCE, Problem.SAME_LINE: Column.REFERENCE, Problem.NAME: Column.BIRTH_NAME,
          Problem.LOST_ZERO: Column.KEY}  # fmt: skip
    return HEADERS[at.get(problem, Column.NIR)]


def finding_text(found: Finding) -> str:
    """What is wrong with a line of a preview."""
    return problem_text(found.problem, found.detail, found.shown)


def problem_text(problem: str, detail: str = "", shown: str = "") -> str:
    """What is wrong with a line: the value where it can be shown, the rule, the remedy.

    The report keeps no value: a sentence that only begins with it begins with the rule.
    """
    value = f"« {shown} »" if shown else _UNNAMED
    sentences = {
        Problem.NO_REFERENCE: _("The reference is empty: copy it from the file taken out of the portal."),
        Problem.UNKNOWN: _("%(value)s is unknown: no trainee of your organisation who waits for a NIR has this reference."
                           " Take the file out again.", value=value),
        Problem.SAME_LINE: _("%(value)s is on line %(line)s already: keep one of the two.", value=value, line=detail),
        Problem.NAME: _("%(value)s is not the birth name of this reference: lines may have been shifted or sorted apart. Check the reference; if the"
                        " name itself is wrong, correct it on the sheet of the trainee.", value=value),
        Problem.SCIENTIFIC: _("%(value)s: the spreadsheet replaced the number by a power of ten, and its last figures are lost. Give the column the Text"
                              " format, then type the number again.", value=value),
        Problem.DECIMAL: _("%(value)s: the spreadsheet turned the number into a decimal figure. Give the column the Text format, then type the number"
                           " again.", value=value),
        Problem.FIGURE: _("%(value)s is held as a figure, in which zeros and last figures get lost. Give the column the Text format, then type the"
                          " number again.", value=value),
        Problem.LOST_ZERO: _("%(value)s: the key has 2 digits, and its zero was lost. Give the column the Text format, then type the key again,"
                             " for instance 05.", value=value),
        Problem.DATE: _("%(value)s: the spreadsheet turned the number into a date. Give the column the Text format, then type it again.", value=value),
        Problem.NUMBER: problem_message(NirProblem(detail)) if detail in set(NirProblem) else "",
        Problem.NIA: _("%(value)s is an NIA: enter the NIR, which begins with 1 or 2, when the person has it. Until then leave the box empty.", value=value),
        Problem.SAME_NUMBER: _("%(value)s is on line %(line)s already: two people never have the same NIR.", value=value, line=detail),
        Problem.TAKEN: _("%(value)s: another trainee of your organisation has this number. Check it on the document of the person.", value=value),
        Problem.HAS_NUMBER: _("%(value)s: this trainee has another NIR already. If that one is wrong, ask for a correction of the identity.", value=value),
        Problem.INCOHERENT: _("%(value)s: %(why)s Check the number; if it is right, enter it on the sheet of the trainee, where it can be confirmed.",
                              value=value, why=INCOHERENCE_MESSAGES[Incoherence(detail)] if detail in set(Incoherence) else ""),
        Problem.AGORA_NAME: _("AGORA knows this NIR under another birth name: check both."),
        Problem.AGORA_UNKNOWN: _("AGORA knows nobody under this NIR and birth name: check both; if they are right, enter the NIR on the sheet of the trainee."),
        Problem.AGORA_DIFFERENT: _("AGORA knows this NIR with another first name, birth date or gender: compare both on the sheet of the trainee, where"
                                   " the NIR can be entered."),
        Problem.AGORA_SILENT: _("AGORA did not answer for seven days: send the line again."),
        Problem.GONE: _("This trainee is there no more."),
    }  # fmt: skip
    said = str(sentences[Problem(problem)])
    if shown or not said.startswith(_UNNAMED):
        return said
    rule = said.removeprefix(_UNNAMED).lstrip()
    if rule.startswith(":"):
        rule = rule[1:].lstrip()
        return rule[:1].upper() + rule[1:]
    named = {HEADERS[Column.REFERENCE]: _("This reference"), HEADERS[Column.BIRTH_NAME]: _("This name")}.get(column_of(Problem(problem)), _("This number"))
    return f"{named} {rule}"
