"""Words for the codes of ``domain`` (guide 003 §2): kinds, states, fields, and the sentence for each obstacle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from flask import has_request_context
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.actions.labels import sessions_on_site_text, sessions_outside_text, status_label
from app.core.ui import allowed
from app.core.ui.format import fr_date, fr_long_date

from .domain import (
    Change,
    Field,
    Key,
    LetterFilter,
    Note,
    Obstacle,
    ObstacleCode,
    Problem,
    ProblemCode,
    RequestEvent,
    RequestKind,
    RequestState,
    StateFilter,
    Target,
    Value,
)
from .partner_labels import PARTNER_FIELD_LABELS, PARTNER_PROBLEMS, partner_parts, partner_problem, partner_value

KIND_LABELS: dict[str, Any] = {
    RequestKind.DATES: _l("Request for a modification of dates"),
    RequestKind.REFERENCE: _l("Request for a modification of repository data"),
    RequestKind.VOLUMES: _l("Request for a modification of volumes and places"),
    RequestKind.SITES: _l("Request for a modification of sites"),
    RequestKind.PARTNERS: _l("Request for a modification of partners"),
}
STATE_LABELS: dict[str, Any] = {
    RequestState.PENDING: _l("Waiting for validation"),
    RequestState.TO_CORRECT: _l("To correct"),
    RequestState.VALIDATED: _l("Validated"),
    RequestState.REFUSED: _l("Refused"),
    RequestState.WITHDRAWN: _l("Withdrawn"),
}
STATE_TONES: dict[str, str] = {
    RequestState.PENDING: "info",
    RequestState.TO_CORRECT: "warning",
    RequestState.VALIDATED: "success",
    RequestState.REFUSED: "danger",
    RequestState.WITHDRAWN: "neutral",
}
STATE_FILTERS: dict[str, Any] = {**{StateFilter(state): label for state, label in STATE_LABELS.items()}, StateFilter.ALL: _l("All states")}
AGES: dict[int, Any] = {7: _l("for 7 days or more"), 15: _l("for 15 days or more"), 30: _l("for 30 days or more")}
DECISIONS: dict[str, Any] = {
    RequestEvent.VALIDATE: _l("Validate the request"),
    RequestEvent.ASK_CORRECTION: _l("Ask for a correction"),
    RequestEvent.REFUSE: _l("Refuse the request"),
}
FIELD_LABELS: dict[str, Any] = {
    Field.PLANNED_START: _l("Planned start"),
    Field.ACTUAL_START: _l("Actual start"),
    Field.PLANNED_END: _l("Planned end"),
    Field.TITLE: _l("Title of the component"),
    Field.LEVEL: _l("Level"),
    Field.CERTIF_INFO: _l("Certif Info code"),
    Field.FORMACODE: _l("Formacode"),
    Field.HOURS_CENTRE: _l("Hours in centre"),
    Field.HOURS_COMPANY: _l("Hours in company"),
    Field.PLACES: _l("Places"),
    Field.SITES: _l("Sites"),
    **PARTNER_FIELD_LABELS,
}
#: A component has no actual dates: the guide says « Date de début » and « Date de fin ».
COMPONENT_FIELD_LABELS: dict[str, Any] = {**FIELD_LABELS, Field.PLANNED_START: _l("Start date"), Field.PLANNED_END: _l("End date")}
_HISTORY: dict[str, Any] = {
    RequestEvent.SEND: _l("The request was sent."),
    RequestEvent.RECORD: _l("Recorded at once, as the market rules say: the new data count."),
    RequestEvent.VALIDATE: _l("The Région validated the request: the new data count."),
    RequestEvent.ASK_CORRECTION: _l("The Région asked for a correction."),
    RequestEvent.REFUSE: _l("The Région refused the request."),
    RequestEvent.WITHDRAW: _l("The organisation withdrew the request."),
}


LETTER_FILTERS: dict[str, Any] = {LetterFilter.AWAITED: _l("Letter awaited"), LetterFilter.RECEIVED: _l("Letter received")}


def without_letter_text() -> str:
    """What the history keeps of a validation without letter."""
    return _("Validated without letter: there was neither signed letter nor confirmation on screen for the request as it was, and the validator had seen it.")


def kind_label(code: str) -> str:
    """The name of a kind, as in the guide's list."""
    return str(KIND_LABELS[code])


def state_label(code: str) -> str:
    """The words for a state."""
    return str(STATE_LABELS[code])


def history_text(event: str, from_state: str | None) -> str:
    """The sentence of one line of history."""
    if event == RequestEvent.SEND and from_state is not None:
        return _("The request was corrected and sent again.")
    return str(_HISTORY[event])


def field_label(change: Change) -> str:
    """« Intitulé du champ »: "Action / Date de début réelle", or the component and its field (guide 003 §2)."""
    if change.key.target is Target.ACTION:
        return _("Action / %(field)s", field=FIELD_LABELS[change.key.field])
    return f"{change.of} / {COMPONENT_FIELD_LABELS[change.key.field]}"


def value_text(field: Field, value: Value) -> str:
    """A value as tables write it; empty for nothing. Ids are said by their words (``words``)."""
    if isinstance(value, date):
        return fr_date(value)
    if field in (Field.ROLE, Field.SIRET) and isinstance(value, str):
        return partner_value(field, value)
    if isinstance(value, Decimal):
        return f"{value:.2f}".replace(".", ",")
    return "" if value is None or isinstance(value, tuple) else str(value)


def before_text(change: Change) -> str:
    """What the field was."""
    return change.said[0] or value_text(change.key.field, change.before)


def after_text(change: Change) -> str:
    """What the field becomes."""
    return change.said[1] or value_text(change.key.field, change.after)


def present_label(field: Field) -> str:
    """ "Present value – Places", above the control that asks the new one."""
    return _("%(field)s, present value", field=COMPONENT_FIELD_LABELS[field])


def new_label(field: Field) -> str:
    """ "Places, new value"."""
    return _("%(field)s, new value", field=COMPONENT_FIELD_LABELS[field])


def line_name(key: Key) -> str:
    """Names a line of the MODIFICATIONS, in forms and in addresses of the page."""
    return f"{key.target}-{key.id}-{key.field}"


def change_rows(changes: Iterable[Change], notes: Iterable[Note] = ()) -> list[dict[str, str]]:
    """Rows of the table MODIFICATIONS, with what the validator says of a line."""
    said = {note.key: note.text for note in notes}
    return [
        {"label": field_label(one), "before": before_text(one), "after": after_text(one), "name": line_name(one.key), "note": said.get(one.key, "")}
        for one in changes
    ]


def noted_lines(changes: Iterable[Change], notes: Iterable[Note]) -> list[tuple[str, str]]:
    """The lines that the validator speaks of, and what was said."""
    return [(row["label"], row["note"]) for row in change_rows(changes, notes) if row["note"]]


#: French puts a space before, which never breaks a line.
_COLON = "\u00a0: "


def summary(changes: Sequence[Change]) -> str:
    """What is asked, in one line: fields of the action one by one, those of components together when they become the same."""
    parts = [
        f"{FIELD_LABELS[one.key.field]}{_COLON}{_arrow(before_text(one), after_text(one))}" for one in changes if one.key.target is Target.ACTION
    ]
    together: dict[tuple[Field, Value], list[Change]] = {}
    for one in changes:
        if one.key.target is Target.COMPONENT:
            together.setdefault((one.key.field, one.after), []).append(one)
    for (field, _after), group in together.items():
        numbers = ", ".join(one.of.partition(" ")[0] for one in group)
        name = ngettext("component %(numbers)s", "components %(numbers)s", len(group), numbers=numbers)
        before = before_text(group[0]) if len({one.before for one in group}) == 1 else ""
        parts.append(f"{name}, {_small(str(COMPONENT_FIELD_LABELS[field]))}{_COLON}{_arrow(before, after_text(group[0]))}")
    parts += partner_parts(changes, _COLON)
    return "\u00a0; ".join(parts)


def _small(label: str) -> str:
    return label[:1].lower() + label[1:]


def _arrow(before: str, after: str) -> str:
    return f"{before} → {after}" if before else f"→ {after}"


def _in_full(value: object) -> str:
    return fr_long_date(value)  # type: ignore[arg-type]


def _outside(count: int, **words: str) -> str:
    return ngettext(
        "%(num)d trainee of component %(name)s would be outside its new dates, from %(start)s to %(end)s. Correct the dates of the enrolment first, "
        "or choose dates that contain it.",
        "%(num)d trainees of component %(name)s would be outside its new dates, from %(start)s to %(end)s. Correct the dates of their enrolments first, "
        "or choose dates that contain them.",
        count,
        **words,
    )


def problem_text(problem: Problem) -> str:
    """The sentence for one obstacle: which value, which rule, what to do."""
    words = {name: _in_full(value) if isinstance(value, date) else str(value) for name, value in problem.params.items()}
    match problem.code:
        case ProblemCode.NOTHING_CHANGED:
            return _("Nothing is changed: fill in at least one new value that differs from the present one.")
        case ProblemCode.ACTION_OVER:
            return _("The action is “%(status)s”: its data no longer change.", status=status_label(words["status"]))
        case ProblemCode.GONE:
            return _("The component “%(of)s” no longer exists: ask for a correction, or refuse the request.", of=words["of"])
        case ProblemCode.SESSIONS_OUTSIDE:
            return f"{sessions_outside_text(_numbers(problem))} {_sessions_way(problem, words)}"
        case ProblemCode.SITE_OF_SESSIONS:
            return sessions_on_site_text(_numbers(problem))
        case ProblemCode.TRAINEES_OUTSIDE:
            return _outside(int(str(problem.params["count"])), name=words["name"], start=words["start"], end=words["end"])
        case _:
            if problem.code in PARTNER_PROBLEMS:
                return partner_problem(problem, words)
            return _date_problem(problem.code, words) or _component_problem(problem.code, words)


def _date_problem(code: ProblemCode, words: dict[str, str]) -> str | None:  # noqa: PLR0911 - one sentence a code
    """What is wrong with dates; None for the other codes."""
    match code:
        case ProblemCode.END_BEFORE_START:
            return _("The end, %(end)s, comes before the start, %(start)s.", **words)
        case ProblemCode.NOT_OPENED:
            return _("The action is not open yet: its actual start is entered at the opening.")
        case ProblemCode.ACTUAL_IN_FUTURE:
            return _("The actual start cannot be in the future. You typed %(date)s.", **words)
        case ProblemCode.ACTUAL_IS_NOT_FIRST_ENTRY:
            return _(
                "The first trainee entered on %(first)s: the actual start cannot be later. You typed %(date)s. "
                "If this entry date is wrong, modify the enrolment first, from the list of the trainees.",
                **words,
            )
        case ProblemCode.ENTRY_TO_FOLLOW:
            return _(
                "The first trainee known entered on %(first)s. Once the actual start is %(date)s, enter or modify the enrolment of who entered that day: "
                "the actual start is the entry date of the first trainee.",
                **words,
            )
        case ProblemCode.ADVANCE_INVOICE:
            return _("The advance invoice requested on %(requested)s stands on the former actual start, %(date)s.", **words)
        case ProblemCode.IMPLAUSIBLE_YEAR:
            return _("%(date)s is far from %(year)s, the year of the action: check the year.", **words)
        case ProblemCode.ACTUAL_BEFORE_PLANNED:
            return _("The actual start, %(date)s, would come before the planned start, %(planned)s: change one of them.", **words)
        case ProblemCode.ACTUAL_AFTER_END:
            return _("The actual start, %(date)s, would come after the planned end, %(planned)s: change one of them.", **words)
        case ProblemCode.COMPONENT_STARTS_BEFORE:
            return _("Component %(name)s would start on %(date)s, before the start of the action, %(bound)s: give it a new start.", **words)
        case ProblemCode.COMPONENT_ENDS_AFTER:
            return _("Component %(name)s would end on %(date)s, after the end of the action, %(bound)s: give it a new end.", **words)
        case _:
            return None


def _numbers(problem: Problem) -> tuple[str, ...]:
    numbers = problem.params["numbers"]
    return numbers if isinstance(numbers, tuple) else ()


def _sessions_way(problem: Problem, words: dict[str, str]) -> str:
    """The order in which a component and its sessions move, and who moves them."""
    days = {"first": words["from"], "last": words["to"]}
    if problem.params["wide"]:
        told = _(
            "They do not go there in one step: first ask for dates of the component that hold the present ones and the new ones, from %(first)s to %(last)s; "
            "once these count, move the sessions (page “Composantes et sessions”); then ask for the new dates.",
            **days,
        )
    else:
        told = _(
            "Put them on days that the present dates and the new ones have in common, from %(first)s to %(last)s (page “Composantes et sessions”). "
            "If these days do not suffice, first ask for dates that hold both, move the sessions, then ask for the new dates.",
            **days,
        )
    if has_request_context() and not allowed("can_plan_sessions", "Actions"):
        told += " " + _("The training organisation moves its sessions: ask it to.")
    return told


def _component_problem(code: ProblemCode, words: dict[str, str]) -> str:  # noqa: PLR0911 - one sentence a code
    match code:
        case ProblemCode.NO_HOURS:
            return _("A component takes some time: enter the hours in the training centre, in company, or both.")
        case ProblemCode.RULED_OUT:
            return _("The rules of the market do not allow this change: %(reason)s", reason=words["reason"])
        case ProblemCode.UNKNOWN_VALUE:
            return _("This value does not exist, or may no longer be chosen: choose another one.")
        case ProblemCode.BAD_CERTIF_INFO:
            return _("“%(code)s” is no Certif Info code: digits only, ten at most.", code=words["code"])
        case ProblemCode.BAD_FORMACODE:
            return _("“%(code)s” is no Formacode: five digits.", code=words["code"])
        case ProblemCode.OUT_OF_BOUNDS:
            return _("Enter a number between 0 and %(most)s.", most=words["most"])
        case ProblemCode.TOO_FEW_PLACES:
            return ngettext(
                "%(num)d trainee is enrolled on this component: there cannot be fewer places. You typed %(places)s.",
                "%(num)d trainees are enrolled on this component: there cannot be fewer places. You typed %(places)s.",
                int(words["count"]),
                places=words["places"],
            )
        case ProblemCode.NO_SITE:
            return _("A component takes place on one site at least: tick one.")
        case ProblemCode.SITE_IN_USE:
            return ngettext(
                "%(num)d trainee is enrolled on a site that would be taken away: keep the site, or change the enrolment first.",
                "%(num)d trainees are enrolled on sites that would be taken away: keep these sites, or change the enrolments first.",
                int(words["count"]),
            )
    raise AssertionError(code)  # pragma: no cover - every code is handled above


def obstacle_text(obstacle: Obstacle) -> str:
    """The sentence for what stands in the way of a decision."""
    match obstacle.code:
        case ObstacleCode.OBSERVATIONS:
            return _("Say why in the observations: the organisation reads them.")
        case ObstacleCode.UNCONFIRMED:
            return _("The data changed since the request was sent: look at the present values and tick the confirmation.")
        case ObstacleCode.AMENDMENT_UNDUE:
            return _("An amendment number goes with a validation: choose “Validate the request”, or empty this field.")
        case ObstacleCode.LETTER:
            return _(
                "The request as it is has neither signed letter nor confirmation on screen: wait for the letter, "
                "or open the request and tick the box that validates it without."
            )
        case ObstacleCode.AMENDMENT:
            return _("The market rules ask for an amendment: enter its number.")
        case ObstacleCode.RULES:
            if obstacle.problem is not None:
                return problem_text(obstacle.problem)
    raise AssertionError(obstacle)  # pragma: no cover - every code is handled above
