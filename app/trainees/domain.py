"""Rules of trainees, registrations and enrolments.

Pure: nothing here knows a database or a request.  Codes that AGORA also uses (civility, gender, BOE, status of a file)
are those of its port.  Source: guide 000, DOMAIN §4, domain-facts §1.6, §4.4, §5.
Checks answer with :class:`Problem`: the field concerned, a code and its values; words are made in ``labels``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_UP, Decimal
from enum import StrEnum
from typing import Any

from app.core.person_names import is_letter
from app.partners.agora.port import Civility, Gender


class IdentitySource(StrEnum):
    """Where an identity comes from; what was typed is checked again when AGORA answers."""

    AGORA = "AGORA"
    TYPED = "TYPED"
    #: Corrected at the organisation's request, validated by the Région; AGORA is asked about it again, as about what was typed.
    REGION = "REGION"


class EsfState(StrEnum):
    """Données FSE of a registration."""

    NOT_CONCERNED = "none"
    COMPLETE = "complete"
    LATER = "later"


class EsfAnswer(StrEnum):
    """Answer to an ESF indicator."""

    YES = "yes"
    NO = "no"
    REFUSED = "refused"


class AgoraState(StrEnum):
    """Where an enrolment stands with AGORA, as the portal sees it."""

    NOT_CONCERNED = "none"  # programme outside the flow (AVENIR)
    WAITING_NIR = "nir"  # known by an NIA only: nothing is sent until the NIR is
    WAITING = "waiting"  # written in the outbox, no number yet
    REGISTERED = "done"  # AGORA gave a number
    REJECTED = "rejected"  # AGORA refused: to be mended


class IdentityState(StrEnum):
    """Life of an identity search."""

    PENDING = "pending"
    FOUND = "found"
    UNKNOWN = "unknown"  # AGORA knows nobody under this number
    MISMATCH = "mismatch"  # the number exists under another birth name
    UNAVAILABLE = "unavailable"  # AGORA is down, or too slow


class CorrectionState(StrEnum):
    """Life of a request for the correction of an identity."""

    PENDING = "pending"
    VALIDATED = "validated"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class ProblemCode(StrEnum):
    """What can be wrong with an enrolment, an exit or a person."""

    BEFORE_COMPONENT = "before_component"
    AFTER_COMPONENT = "after_component"
    END_BEFORE_START = "end_before_start"
    EXIT_BEFORE_ENTRY = "exit_before_entry"
    EXIT_IN_FUTURE = "exit_in_future"
    EXIT_AFTER_COMPONENT = "exit_after_component"
    EARLY_REASON = "early_reason"
    ALREADY_LEFT = "already_left"
    ALREADY_ENROLLED = "already_enrolled"
    SITE_NOT_OF_COMPONENT = "site_not_of_component"
    NO_HOURS = "no_hours"
    TOO_MANY_HOURS = "too_many_hours"
    MORE_THAN_THE_DAYS = "more_than_the_days"
    BEFORE_ACTUAL_START = "before_actual_start"
    NO_MORE_TRAINEE = "no_more_trainee"
    ALREADY_REGISTERED = "already_registered"
    BAD_FT_NUMBER = "bad_ft_number"
    BIRTH_DATE = "birth_date"
    NUMBER_TAKEN = "number_taken"
    NAME_MISMATCH = "name_mismatch"
    NO_ANSWER = "no_answer"
    SOMEBODY_ELSE = "somebody_else"
    FT_DATE_TOO_EARLY = "ft_date_too_early"
    YEAR_TOO_EARLY = "year_too_early"
    # the life of an enrolment (``life``)
    HAS_LEFT = "has_left"
    NOT_LEFT = "not_left"
    INTERRUPTED = "interrupted"
    NOT_INTERRUPTED = "not_interrupted"
    ENROLMENT_CANCELLED = "enrolment_cancelled"
    FILE_CLOSED = "file_closed"
    CLOSING_AWAITED = "closing_awaited"
    EXIT_HELD = "exit_held"
    DECLARED_FINISHED = "declared_finished"
    SOMETHING_DECLARED = "something_declared"
    OPENS_ACTION = "opens_action"
    DAY_IN_FUTURE = "day_in_future"
    BEFORE_ENTRY = "before_entry"
    AFTER_PATH = "after_path"
    BEFORE_LAST_TOLD = "before_last_told"
    RESUMED_TOO_EARLY = "resumed_too_early"
    LEAVES_PAUSE_OUT = "leaves_pause_out"
    START_BEFORE_EXIT = "start_before_exit"
    SAME_COMPONENT = "same_component"
    ENDS_AFTER_COMPONENT = "ends_after_component"
    REASON_REQUIRED = "reason_required"
    NOTHING_CHANGES = "nothing_changes"
    REASON_MISSING = "reason_missing"
    CHANGED_SINCE = "changed_since"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: the field, the code, and the values of its sentence."""

    field: str
    code: ProblemCode
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)


class Refused(Exception):
    """A use case was refused; ``problems`` say why, field by field."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(", ".join(problem.code for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class EnrolmentPlan:
    """What is typed to enrol somebody on a component (guide 000, "Parcours" and "Volumes")."""

    planned_start: date
    planned_end: date
    site_id: int
    hours_centre: Decimal
    hours_company: Decimal


# ---- what a sheet is written with (guide 000, "Identification") -----------------------------------------------------------

_STREET_NUMBER = re.compile(r"[0-9][0-9A-Za-z/\- ]*")
_PHONE = re.compile(r"[0-9 +.\-()/]+")
#: Punctuation that addresses are written with.
_IN_ADDRESSES = frozenset(" '’‘-‐‑–—.,;:/()&+\"«»“”°№#*!?")


def is_street_number(text: str) -> bool:
    """Digits first; then digits, letters, "/", "-" and spaces ("12", "12 A", "12-14", "3/5")."""
    return _STREET_NUMBER.fullmatch(text) is not None


def out_of_address(text: str) -> tuple[str, ...]:
    """The characters that no address is written with, each once: emoji, "<" and ">", control characters…"""
    return tuple(dict.fromkeys(one for one in text if not (is_letter(one) or one.isdecimal() or one in _IN_ADDRESSES)))


def is_phone_writing(text: str) -> bool:
    """Digits, and the signs telephone numbers are grouped with; the library, which passes over all others, judges the number."""
    return _PHONE.fullmatch(text) is not None


#: More hours than a trainee can spend in a year of training: surely a slip of the keyboard.
MAX_HOURS = Decimal(3000)


def enrolment_problems(
    plan: EnrolmentPlan, *, component_start: date, component_end: date, site_ids: frozenset[int], actual_start: date | None
) -> tuple[Problem, ...]:
    """Everything wrong with ``plan``: dates outside the component's, site that is not the component's, hours that its days cannot hold.

    Once the action is open, nobody may enter before its actual start, which is by definition the first entry.
    """
    problems = list(date_problems(plan.planned_start, plan.planned_end))
    if plan.planned_start < component_start:
        problems.append(Problem("planned_start", ProblemCode.BEFORE_COMPONENT, {"date": component_start}))
    elif plan.planned_start > component_end:
        problems.append(Problem("planned_start", ProblemCode.AFTER_COMPONENT, {"date": component_end}))
    elif actual_start is not None and plan.planned_start < actual_start:
        problems.append(Problem("planned_start", ProblemCode.BEFORE_ACTUAL_START, {"date": actual_start}))
    if plan.planned_end > component_end:
        problems.append(Problem("planned_end", ProblemCode.AFTER_COMPONENT, {"date": component_end}))
    if plan.site_id not in site_ids:
        problems.append(Problem("site_id", ProblemCode.SITE_NOT_OF_COMPONENT))
    volumes = volume_problems(plan.hours_centre, plan.hours_company)
    beyond = any(one.code is ProblemCode.TOO_MANY_HOURS for one in volumes)
    return (*problems, *volumes, *(() if beyond else day_problems(plan.planned_start, plan.planned_end, plan.hours_centre, plan.hours_company)))


def date_problems(start: date, end: date) -> tuple[Problem, ...]:
    """Planned dates that cannot be those of any path."""
    return (Problem("planned_end", ProblemCode.END_BEFORE_START),) if end < start else ()


def volume_problems(centre: Decimal, company: Decimal) -> tuple[Problem, ...]:
    """Hours that cannot be those of any path."""
    none = (Problem("hours_centre", ProblemCode.NO_HOURS),) if centre + company <= 0 else ()
    beyond = (
        Problem(name, ProblemCode.TOO_MANY_HOURS, {"max": MAX_HOURS})
        for name, hours in (("hours_centre", centre), ("hours_company", company))
        if hours > MAX_HOURS
    )
    return (*none, *beyond)


def day_problems(start: date, end: date, centre: Decimal, company: Decimal) -> tuple[Problem, ...]:
    """No day has more than 24 hours: of the two volumes, the greater one is wrong, or a date."""
    days, hours = (end - start).days + 1, centre + company
    if days < 1 or hours <= 24 * days:
        return ()
    name = "hours_centre" if centre >= company else "hours_company"
    return (Problem(name, ProblemCode.MORE_THAN_THE_DAYS, {"hours": hours, "days": days, "max": 24 * days}),)


def exit_problems(
    actual_end: date, *, planned_start: date, planned_end: date, component_end: date, reason_early: bool, today: date
) -> tuple[Problem, ...]:
    """Everything wrong with an exit: its date, then a reason that does not fit it.

    A reason that the Région does not mark as one of early exits ("Fin de la formation") says that the path was followed to its end.
    """
    if actual_end > today:
        return (Problem("actual_end", ProblemCode.EXIT_IN_FUTURE),)
    if actual_end < planned_start:
        return (Problem("actual_end", ProblemCode.EXIT_BEFORE_ENTRY, {"date": planned_start}),)
    if actual_end > component_end:
        return (Problem("actual_end", ProblemCode.EXIT_AFTER_COMPONENT, {"date": component_end}),)
    if is_early(actual_end, planned_end) and not reason_early:
        return (Problem("exit_reason_id", ProblemCode.EARLY_REASON, {"date": actual_end, "planned": planned_end}),)
    return ()


def is_early(actual_end: date, planned_end: date) -> bool:
    """Sortie anticipée: before the planned end of the trainee's own path."""
    return actual_end < planned_end


def initial_agora_state(*, agora_enabled: bool, nir_kind: str | None) -> AgoraState:
    """Where an enrolment starts: a programme outside the flow never sends, an NIA waits for the NIR (guide 000)."""
    if not agora_enabled:
        return AgoraState.NOT_CONCERNED
    if nir_kind != "NIR":
        return AgoraState.WAITING_NIR
    return AgoraState.WAITING


#: What AGORA refuses of a person, as the port names it: by its meaning, or field by field.
IDENTITY_REFUSALS = frozenset({"name_mismatch", "unknown_person", "invalid_nir"})
IDENTITY_PATHS = frozenset({"holder", "holder.nir", "holder.key", "holder.birth_name", "holder.first_name", "holder.birth_date", "holder.gender"})


def is_refused_for_identity(refusal: Mapping[str, Any] | None) -> bool:
    """Whether a refusal is about who the person is."""
    if not refusal:
        return False
    paths = {str(one.get("path", "")) for one in refusal.get("fields", ())}
    return refusal.get("meaning") in IDENTITY_REFUSALS or bool(paths & IDENTITY_PATHS)


_FT_OLD = re.compile(r"^\d{7}[0-9A-Z]$")
_FT_NEW = re.compile(r"^\d{11}$")


def normalise_ft_number(typed: str) -> str | None:
    """Numéro de demandeur d'emploi in either format (7 digits and a letter or digit, or 11 digits), else None.

    A number made of zeros only is what some people type to get past the field: refused (domain-facts §4.4).
    """
    number = re.sub(r"[\s.\-]", "", typed).upper()
    if not (_FT_OLD.match(number) or _FT_NEW.match(number)) or not number.strip("0"):
        return None
    return number


def birth_date_problem(birth_date: date, today: date) -> Problem | None:
    """A trainee is born, and between 14 and 100 years old: anything else is a slip."""
    age = today.year - birth_date.year - ((today.month, today.day) < (birth_date.month, birth_date.day))
    if 14 <= age <= 100:
        return None
    return Problem("birth_date", ProblemCode.BIRTH_DATE)


#: The gender that goes with a civility; a typed identity that says otherwise is to be confirmed.
CIVILITY_GENDER: Mapping[Civility, Gender] = {Civility.MRS: Gender.FEMALE, Civility.MR: Gender.MALE}

#: Nobody is a jobseeker before: the age from which a trainee is taken.
FIRST_WORKING_AGE = 14


def ft_date_problem(registered_on: date | None, birth_date: date) -> Problem | None:
    """A registration with France Travail before the person is 14 is a slip of the year."""
    if registered_on is None or (registered_on.year - birth_date.year, registered_on.month, registered_on.day) >= (
        FIRST_WORKING_AGE, birth_date.month, birth_date.day
    ):  # fmt: skip
        return None
    return Problem("ft_registered_on", ProblemCode.FT_DATE_TOO_EARLY, {"date": birth_date})


#: Nobody left a class for the last time, nor holds a certification, before.
FIRST_SCHOOLING_AGE = 10


def schooling_problems(birth_date: date, **years: int | None) -> tuple[Problem, ...]:
    """Years of the last class or of a certification, by field, before the person can have been 10 years old: slips of the year."""
    first = birth_date.year + FIRST_SCHOOLING_AGE
    return tuple(
        Problem(name, ProblemCode.YEAR_TOO_EARLY, {"date": birth_date, "year": str(year), "first": str(first)})
        for name, year in years.items()
        if year is not None and year < first
    )


@dataclass(frozen=True, slots=True)
class EsfRate:
    """Completeness of the ESF data of an action: how many sheets are complete, of how many."""

    complete: int
    total: int

    @property
    def incomplete(self) -> int:
        """Sheets still to complete."""
        return self.total - self.complete

    @property
    def percent_incomplete(self) -> Decimal:
        """Share of the incomplete sheets, in per cent with one decimal, never rounded down to the limit when it is beyond."""
        return (Decimal(100 * self.incomplete) / self.total).quantize(Decimal("0.1"), ROUND_UP) if self.total else Decimal(0)

    @property
    def alarm(self) -> bool:
        """More than 35 % of incomplete sheets exposes to a financial correction (domain-facts §5)."""
        return 100 * self.incomplete > ESF_LIMIT * self.total

    @property
    def to_complete(self) -> int:
        """How many sheets to complete at least so that the alarm ends."""
        return max(self.incomplete - ESF_LIMIT * self.total // 100, 0)


#: Per cent of incomplete sheets beyond which an action is exposed.
ESF_LIMIT = 35


def esf_state(*, cofunded: bool, complete: bool) -> EsfState:
    """Completeness mark of the trainee list (guide 000)."""
    if not cofunded:
        return EsfState.NOT_CONCERNED
    return EsfState.COMPLETE if complete else EsfState.LATER
