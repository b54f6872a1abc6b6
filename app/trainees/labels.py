"""Words for the codes of ``domain`` and of AGORA (guide 000), and the sentence for each problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.actions.labels import status_label
from app.core.nir import Incoherence, Nir, incoherences
from app.core.nir.messages import INCOHERENCE_MESSAGES
from app.core.textsearch import fold
from app.core.ui.format import fr_date, fr_long_date, fr_number
from app.partners.agora.port import Civility, DisabilityStatus, FileStatus, Gender, Outcome

from .domain import CIVILITY_GENDER, ESF_LIMIT, AgoraState, CorrectionState, EsfAnswer, EsfRate, EsfState, IdentitySource, Problem, ProblemCode
from .life import EnrolmentEvent, InterruptionReason
from .queries import tasks
from .services.enrolment import EXIT, INTERRUPT, RESUME
from .services.identity import Person

CIVILITY_LABELS: dict[str, Any] = {Civility.MRS: _l("Mrs"), Civility.MR: _l("Mr")}
GENDER_LABELS: dict[str, Any] = {Gender.FEMALE: _l("Female"), Gender.MALE: _l("Male")}
BOE_LABELS: dict[str, Any] = {
    DisabilityStatus.YES: _l("Yes"),
    DisabilityStatus.NO: _l("No"),
    DisabilityStatus.UNKNOWN: _l("Not known"),
    DisabilityStatus.PENDING: _l("Recognition under way"),
}
ESF_ANSWER_LABELS: dict[str, Any] = {
    EsfAnswer.YES: _l("Yes"),
    EsfAnswer.NO: _l("No"),
    EsfAnswer.REFUSED: _l("Does not wish to answer"),
}
ESF_STATE_LABELS: dict[str, Any] = {
    EsfState.COMPLETE: _l("Complete (ESF)"),
    EsfState.LATER: _l("To be entered later"),
    EsfState.NOT_CONCERNED: _l("Not concerned"),
}
SOURCE_LABELS: dict[str, Any] = {
    IdentitySource.AGORA: _l("Identity confirmed by AGORA"),
    IdentitySource.TYPED: _l("Identity typed by hand"),
    IdentitySource.REGION: _l("Corrected by the Région"),
}

#: Status of an AGORA file, as guide 000 writes it, and its tone.
AGORA_STATUS_LABELS: dict[str, tuple[Any, str]] = {
    FileStatus.DRAFT: (_l("Being drawn up"), "info"),
    FileStatus.VALIDATED: (_l("Funding validated"), "info"),
    FileStatus.ENTERED: (_l("Entered training"), "success"),
    FileStatus.EXITED: (_l("Left training"), "neutral"),
    FileStatus.CLOSED_FULL: (_l("Closed (file)"), "neutral"),
    FileStatus.CLOSED_PARTIAL: (_l("Closed (file)"), "neutral"),
    FileStatus.CLOSED_NOT_DONE: (_l("Closed (file)"), "neutral"),
    FileStatus.CANCELLED: (_l("Cancelled (file)"), "danger"),
}
AGORA_STATE_LABELS: dict[str, tuple[Any, str]] = {
    AgoraState.NOT_CONCERNED: (_l("Not sent to AGORA"), "neutral"),
    AgoraState.WAITING_NIR: (_l("NIR awaited"), "warning"),
    AgoraState.WAITING: (_l("AGORA number awaited"), "info"),
    AgoraState.REJECTED: (_l("To be mended for AGORA"), "danger"),
}
#: Outcome of an enrolment (réalisation), and its tone.
OUTCOME_LABELS: dict[str, Any] = {
    Outcome.FULL: _l("Fully carried out"),
    Outcome.PARTIAL: _l("Partly carried out"),
    Outcome.NOT_DONE: _l("Not carried out"),
}
OUTCOME_TONES: dict[str, str] = {Outcome.FULL: "success", Outcome.PARTIAL: "warning", Outcome.NOT_DONE: "danger"}
PAUSE_LABELS: dict[str, Any] = {
    InterruptionReason.HEALTH: _l("Health (illness, accident, maternity)"),
    InterruptionReason.PERSONAL: _l("Personal or family reason"),
    InterruptionReason.WORK: _l("Temporary job"),
    InterruptionReason.ORGANISATION: _l("Interruption by the training organisation"),
    InterruptionReason.FORCE_MAJEURE: _l("Force majeure"),
}
EVENT_LABELS: dict[str, Any] = {
    EnrolmentEvent.CHANGE: _l("Modify"),
    EnrolmentEvent.INTERRUPT: _l("Interrupt"),
    EnrolmentEvent.RESUME: _l("Enter the return"),
    EnrolmentEvent.LEAVE: _l("Enter the exit"),
    EnrolmentEvent.MEND_EXIT: _l("Correct the exit"),
    EnrolmentEvent.UNDO_EXIT: _l("Cancel the exit"),
    EnrolmentEvent.MOVE: _l("Change component"),
    EnrolmentEvent.CANCEL: _l("Enrolled by mistake"),
    EnrolmentEvent.JUDGE: _l("Correct the outcome"),
}
CORRECTION_LABELS: dict[str, tuple[Any, str]] = {
    CorrectionState.PENDING: (_l("Waiting for validation"), "info"),
    CorrectionState.VALIDATED: (_l("Validated"), "success"),
    CorrectionState.REFUSED: (_l("Refused"), "danger"),
    CorrectionState.WITHDRAWN: (_l("Withdrawn"), "neutral"),
}
#: Portal's names of what AGORA may refuse.
PATH_LABELS: dict[str, Any] = {
    "holder": _l("trainee"),
    "holder.nir": _l("NIR / NIA"),
    "holder.key": _l("key of the NIR"),
    "holder.birth_name": _l("birth name"),
    "holder.first_name": _l("first name"),
    "holder.birth_date": _l("date of birth"),
    "holder.gender": _l("gender"),
    "holder.postal_code": _l("postal code"),
    "holder.insee_code": _l("town"),
    "holder.email": _l("e-mail"),
    "holder.phone": _l("mobile phone"),
    "holder.entry_level": _l("level at entry"),
    "holder.professional_situation": _l("professional situation"),
    "holder.disability": _l("employment obligation (BOE)"),
    "objective": _l("general objective"),
    "entry_date": _l("planned start"),
    "planned_end": _l("planned end"),
    "hours_centre": _l("hours in centre (hcf)"),
    "hours_company": _l("hours in company (he)"),
    "action.site_postal_code": _l("site"),
    "action.certif_info": _l("Certif Info code of the component"),
    "action.formacode": _l("Formacode of the component"),
    "programme": _l("programme"),
    "body.siret": _l("SIRET of the organisation"),
    "date": _l("actual end"),
    "reason": _l("exit reason"),
    "survey.situation": _l("situation, in the situation survey at the exit"),
    "survey.contract_type": _l("type of employment contract, in the situation survey at the exit"),
    "survey.socio_professional_category": _l("socio-professional category, in the situation survey at the exit"),
    "survey.job_related": _l("job related to the training, in the situation survey at the exit"),
    "survey.certification": _l("certification reached, in the situation survey at the exit"),
    "survey.certification_level": _l("level of the certification, in the situation survey at the exit"),
}

#: The same where the day or the reason is not that of an exit: by operation, "" for the others.
_EVENT_PATH_LABELS: dict[tuple[str, str], Any] = {
    (INTERRUPT, "date"): _l("first day away"),
    (INTERRUPT, "reason"): _l("reason of the interruption"),
    (RESUME, "date"): _l("day of the return"),
    ("", "date"): _l("date of the event"),
    ("", "reason"): _l("reason of the event"),
}


def todo_choices() -> list[tuple[str, Any]]:
    """The choices of the filter "To do", those of other features included."""
    return [(word, task.label) for word, task in tasks().items()]


def todo_label(word: str) -> str:
    """What one of these choices is called."""
    return str(dict(todo_choices()).get(word, word))


def sheet_title(person: Any) -> str:
    """The name; with the birth name when the person goes by another: both are looked for."""
    name = f"{(person.usual_name or person.birth_name).upper()} {person.first_name}"
    if not person.usual_name or fold(person.usual_name) == fold(person.birth_name):
        return name
    if person.civility == Civility.MRS:
        return _("%(name)s (née %(birth)s)", name=name, birth=person.birth_name)
    return _("%(name)s (né %(birth)s)", name=name, birth=person.birth_name)


def identity_rows(before: Person, after: Person) -> list[tuple[str, str | None, str | None]]:
    """What changes between two civil statuses, in words."""
    rows: list[tuple[str, str | None, str | None]] = [
        (_("Civility"), str(CIVILITY_LABELS[before.civility]), str(CIVILITY_LABELS[after.civility])),
        (_("Name"), before.birth_name, after.birth_name),
        (_("Usual name"), before.usual_name, after.usual_name),
        (_("First name"), before.first_name, after.first_name),
        (_("Date of birth"), fr_date(before.birth_date), fr_date(after.birth_date)),
        (_("Gender"), str(GENDER_LABELS[before.gender]), str(GENDER_LABELS[after.gender])),
    ]
    return [row for row in rows if row[1] != row[2]]


def correction_rows(correction: Any) -> list[tuple[str, str | None, str | None]]:
    """What a request for a correction changes; the numbers masked."""
    rows = identity_rows(Person.from_json(correction.before), Person.of(correction))
    if correction.nir_masked:
        rows.insert(0, number_row(correction.before["nir_masked"], correction.nir_masked))
    return rows


def number_row(before: str, after: str) -> tuple[str, str | None, str | None]:
    """That the number becomes another one, both masked: two numbers may look the same so."""
    return _("NIR / NIA"), before or None, _("%(number)s (another number)", number=after) if before == after else after


def esf_title(rate: EsfRate) -> str:
    """How complete the ESF data of an action are."""
    return _("ESF data: %(complete)s of %(total)s sheets are complete", complete=fr_number(rate.complete), total=fr_number(rate.total))


def esf_sentence(rate: EsfRate) -> str:
    """What the rate means: the alarm, or how far it is (domain-facts §5)."""
    if not rate.incomplete:
        return _("Nothing is left to complete.")
    share = _("%(percent)s %% of the sheets are incomplete.", percent=fr_number(rate.percent_incomplete))
    if not rate.alarm:
        return _("%(share)s Beyond %(limit)s %%, the action is exposed to a financial correction.", share=share, limit=ESF_LIMIT)
    return ngettext(
        "%(share)s Beyond %(limit)s %%, the action is exposed to a financial correction: complete %(num)s sheet at least.",
        "%(share)s Beyond %(limit)s %%, the action is exposed to a financial correction: complete %(num)s sheets at least.",
        rate.to_complete, share=share, limit=ESF_LIMIT,
    )  # fmt: skip


def agora_badge(state: str, status: str | None) -> tuple[Any, str]:
    """Label and tone of an enrolment's AGORA badge: a refusal and a wait are said before the last known status."""
    if state == AgoraState.REGISTERED and status is not None:
        return AGORA_STATUS_LABELS[status]
    if status is not None and state == AgoraState.WAITING:
        return AGORA_STATUS_LABELS[status]
    return AGORA_STATE_LABELS.get(state, AGORA_STATE_LABELS[AgoraState.WAITING])


_SENTENCES: Mapping[ProblemCode, Any] = {
    ProblemCode.BEFORE_COMPONENT: _l("This date comes before the start of the component (%(date)s)."),
    ProblemCode.AFTER_COMPONENT: _l("This date comes after the end of the component (%(date)s)."),
    ProblemCode.END_BEFORE_START: _l("The planned end comes before the planned start."),
    ProblemCode.EXIT_BEFORE_ENTRY: _l("The exit cannot come before the entry (%(date)s)."),
    ProblemCode.EXIT_IN_FUTURE: _l("The exit cannot be in the future: enter it on the day, or after."),
    ProblemCode.EXIT_AFTER_COMPONENT: _l("The exit comes after the end of the component (%(date)s)."),
    ProblemCode.EARLY_REASON: _l(
        "On %(date)s the exit is an early one (planned end: %(planned)s), and this reason says that the training was followed to its end: "
        "choose the reason of an early exit, or correct the date."
    ),
    ProblemCode.ALREADY_LEFT: _l("The exit is saved already, on %(date)s: look at the sheet to see what can be corrected."),
    ProblemCode.ALREADY_ENROLLED: _l("This trainee is already enrolled on this component."),
    ProblemCode.SITE_NOT_OF_COMPONENT: _l("Choose one of the sites of the component."),
    ProblemCode.NO_HOURS: _l("Enter the hours in centre, the hours in company, or both."),
    ProblemCode.TOO_MANY_HOURS: _l("This is more than %(max)s hours: check the number."),
    ProblemCode.MORE_THAN_THE_DAYS: _l(
        "%(hours)s hours in all, for %(max)s at most (24 hours a day, days planned: %(days)s): check the hours in centre and in company, and the dates."
    ),
    ProblemCode.BEFORE_ACTUAL_START: _l("The action opened on %(date)s: nobody can enter before that day."),
    ProblemCode.NO_MORE_TRAINEE: _l("The action is “%(status)s”: its trainees can no longer be modified."),
    ProblemCode.ALREADY_REGISTERED: _l("This trainee is already registered on the action."),
    ProblemCode.BAD_FT_NUMBER: _l("The jobseeker number has 7 digits then a letter or a digit, or 11 digits."),
    ProblemCode.FT_DATE_TOO_EARLY: _l("The trainee, born on %(date)s, was not 14 years old yet: check the year."),
    ProblemCode.YEAR_TOO_EARLY: _l(
        "In %(year)s the trainee, born on %(date)s, was not 10 years old yet: choose %(first)s or a later year, or have the date of birth corrected."
    ),
    ProblemCode.NUMBER_TAKEN: _l("Your organisation already has a trainee with this number, %(name)s: check the number; if it is right, ask the assistance."),
    ProblemCode.NAME_MISMATCH: _l("AGORA knows this NIR under another birth name."),
    ProblemCode.NO_ANSWER: _l("AGORA has not answered yet: one moment, then validate again."),
    ProblemCode.SOMEBODY_ELSE: _l("Tick this box once you have checked that it is the same person; if it is not, go back and check the number."),
    ProblemCode.HAS_LEFT: _l("The trainee has left: if that is a mistake, cancel the exit first."),
    ProblemCode.NOT_LEFT: _l("No exit is entered for this enrolment: enter it first, on the sheet of the trainee or by a file of exits."),
    ProblemCode.INTERRUPTED: _l("An interruption is under way: enter the return first."),
    ProblemCode.NOT_INTERRUPTED: _l("No interruption is under way: the return may have been entered already, look at the sheet."),
    ProblemCode.ENROLMENT_CANCELLED: _l("This enrolment was cancelled as made by mistake: nothing of it changes any more."),
    ProblemCode.CLOSING_AWAITED: _l(
        "The closing of this file has left for AGORA and its answer is awaited: try again once the sheet shows it."
    ),
    ProblemCode.FILE_CLOSED: _l("The AGORA file is closed, and nothing in the exchange reopens it: nothing of this enrolment changes any more."),
    ProblemCode.EXIT_HELD: _l("The exit was told to AGORA: to correct it, cancel it, then enter the right one."),
    ProblemCode.DECLARED_FINISHED: _l("The action is declared finished: only the Région can still correct something."),
    ProblemCode.SOMETHING_DECLARED: _l("An interruption or an exit was declared: the enrolment is no longer cancelled, enter the exit instead."),
    ProblemCode.OPENS_ACTION: _l(
        "This is the entry by which the action was opened on %(date)s, and nobody else entered as early: it cannot be cancelled, and moves to "
        "today at the latest."
    ),
    ProblemCode.DAY_IN_FUTURE: _l("This date is in the future: enter it on the day, or after."),
    ProblemCode.BEFORE_ENTRY: _l("This date comes before the entry (%(date)s): enter that day, or a later one."),
    ProblemCode.AFTER_PATH: _l("This date comes after the planned end (%(date)s): modify the enrolment first."),
    ProblemCode.BEFORE_LAST_TOLD: _l("Something was declared on %(date)s already: enter that day, or a later one."),
    ProblemCode.RESUMED_TOO_EARLY: _l("The first day away is %(date)s: enter a later day for the return."),
    ProblemCode.LEAVES_PAUSE_OUT: _l("An interruption declared on %(date)s would lie outside these dates: choose dates that include that day."),
    ProblemCode.START_BEFORE_EXIT: _l("The entry on the new component cannot come before the exit from the other (%(date)s)."),
    ProblemCode.SAME_COMPONENT: _l("The trainee is on this component: choose another one."),
    ProblemCode.ENDS_AFTER_COMPONENT: _l(
        "The enrolment was to end on %(planned)s, and the component now ends on %(date)s: ask the Région for other dates first."
    ),
    ProblemCode.REASON_REQUIRED: _l("Say why."),
    ProblemCode.NOTHING_CHANGES: _l("Nothing differs from the present identity: change what is wrong, or leave this page."),
    ProblemCode.REASON_MISSING: _l("Say in the observations why the correction is refused: the organisation reads them."),
    ProblemCode.CHANGED_SINCE: _l(
        "The identity changed after this request was made: it can no longer be applied as it stands. Refuse it, and the organisation can ask again."
    ),
    ProblemCode.DECIDED: _l("This request was decided meanwhile."),
    ProblemCode.BIRTH_DATE: _l("Check the date of birth: a trainee is between 14 and 100 years old."),
}


def problem_text(problem: Problem) -> str:
    """The sentence for one problem."""
    values: dict[str, Any] = dict(problem.params)
    if "date" in values:
        values["date"] = fr_long_date(values["date"])
    if "planned" in values:
        values["planned"] = fr_long_date(values["planned"])
    for name in ("hours", "days", "max"):
        if name in values:
            values[name] = fr_number(values[name])
    if "status" in values:
        values["status"] = status_label(str(values["status"]))
    sentence = str(_SENTENCES[problem.code])
    return sentence % values if values and "%(" in sentence else sentence


_REFUSALS: Mapping[str, Any] = {
    "unknown_person": _l("AGORA knows nobody under this NIR and birth name."),
    "name_mismatch": _l("AGORA knows this NIR under another birth name."),
    "invalid_nir": _l("AGORA does not accept this NIR."),
    "no_number": _l(
        "The portal knows no AGORA number: the creation of the file was settled by hand. The Région must tell AGORA itself: contact the assistance."
    ),
    "contradiction": _l("AGORA answered something that contradicts what the portal holds: nothing of it was kept, and nothing here was overwritten."),
    "forbidden_transition": _l("AGORA’s file is at a status that does not allow this: ask the assistance."),
}


def refusal_text(refusal: Mapping[str, Any]) -> str:
    """Why AGORA refused, in words; and what is left to do where no page mends it."""
    known = _REFUSALS.get(str(refusal.get("meaning")))
    why = str(known) if known is not None else _("AGORA answered: “%(title)s”.", title=refusal.get("title") or refusal.get("code"))
    if refusal.get("operation") not in (INTERRUPT, RESUME):
        return why
    return _(
        "%(why)s The interruption or the return stays entered here, and what follows waits. It is not corrected in the portal: ask the assistance, "
        "which settles it with AGORA.", why=why,
    )  # fmt: skip


def path_text(path: str, operation: str) -> str:
    """The portal's name of what AGORA refused of a message."""
    own = _EVENT_PATH_LABELS.get((operation, path)) or _EVENT_PATH_LABELS.get(("", path)) if operation != EXIT else None
    return str(own or PATH_LABELS.get(path, path or _("the file")))


#: At which field it is said that a number does not fit.
_UNFIT_AT = {Incoherence.GENDER: "gender", Incoherence.YEAR: "birth_date", Incoherence.MONTH: "birth_date"}


def contradictions(person: Person, number: Nir | None) -> dict[str, list[str]]:
    """What a typed civil status says against itself, and against the number if there is one: sentences, by field.

    Never refused for good: a civil status may have changed since the number was given, or been registered wrong; it is to be confirmed.
    """
    told: dict[str, list[str]] = {}
    if number is not None:
        for one in incoherences(number, birth_date=person.birth_date, gender=person.gender.value):
            told.setdefault(_UNFIT_AT[one], []).append(str(INCOHERENCE_MESSAGES[one]))
    if CIVILITY_GENDER[person.civility] != person.gender:
        told["civility"] = [_("The civility and the gender do not go together.")]
    return told
