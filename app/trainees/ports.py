"""What later features bring to the pages of the trainees and to what AGORA is told; this feature knows none of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.partners.agora.port import ExitSurvey

if TYPE_CHECKING:
    from app.actions.models import Action

    from .models import Enrolment, Registration


@dataclass(frozen=True, slots=True)
class SheetPart:
    """A part of the page of a trainee: its template, which has its own heading, and the values it shows as ``part``."""

    template: str
    values: Any


@dataclass(frozen=True, slots=True)
class ListLink:
    """A link above the list of the trainees of an action."""

    label: str
    href: str


SurveySource = Callable[[Sequence[int]], Mapping[int, ExitSurvey]]
SheetSource = Callable[["Registration", Sequence["Enrolment"]], SheetPart | None]
ListSource = Callable[["Action"], ListLink | None]
NoteSource = Callable[["Enrolment"], str | None]
HelpSource = Callable[[str], tuple[str, str] | None]

_surveys: list[SurveySource] = []
_sheet: dict[str, SheetSource] = {}
_list: dict[str, ListSource] = {}
_closing: dict[str, ListSource] = {}
_undo: dict[str, NoteSource] = {}
_help: list[HelpSource] = []


def register_survey_source(source: SurveySource) -> None:
    """Say where the answers to the exit surveys come from: ids of enrolments → answers, in a constant number of statements."""
    _surveys[:] = [source]


def exit_surveys(enrolment_ids: Sequence[int]) -> Mapping[int, ExitSurvey]:
    """The answers that go with a closing (guide 000, "Saisie des enquêtes"); an enrolment without any is left out."""
    return _surveys[0](enrolment_ids) if _surveys and enrolment_ids else {}


def register_sheet_part(name: str, source: SheetSource) -> None:
    """Add a part to the page of every trainee; registering it again replaces it."""
    _sheet[name] = source


def sheet_parts(registration: Registration, enrolments: Sequence[Enrolment]) -> list[SheetPart]:
    """The parts that later features add to the page of a trainee."""
    return [part for source in _sheet.values() if (part := source(registration, enrolments)) is not None]


def register_list_link(name: str, source: ListSource) -> None:
    """Add a link above the list of the trainees of every action; registering it again replaces it."""
    _list[name] = source


def list_links(action: Action) -> list[ListLink]:
    """The links that later features add above the list of the trainees of an action."""
    return [link for source in _list.values() if (link := source(action)) is not None]


def register_closing_note(name: str, source: ListSource) -> None:
    """Add something to know before an action ends, with where it is seen to; registering it again replaces it."""
    _closing[name] = source


def closing_notes(action: Action) -> list[ListLink]:
    """What later features have to say on the pages that end an action."""
    return [note for source in _closing.values() if (note := source(action)) is not None]


def register_undo_note(name: str, source: NoteSource) -> None:
    """Add what is lost with an exit that is cancelled; registering it again replaces it."""
    _undo[name] = source


def undo_notes(enrolment: Enrolment) -> list[str]:
    """What later features have to say before the exit of an enrolment is cancelled."""
    return [note for source in _undo.values() if (note := source(enrolment)) is not None]


def register_refusal_help(source: HelpSource) -> None:
    """Say where the next step after a refusal of AGORA comes from: its code → what is to be done, and who can."""
    _help[:] = [source]


def refusal_help(code: str) -> tuple[str, str] | None:
    """What is to be done about a refusal, and who can; None where nobody knows."""
    return _help[0](code) if _help and code else None
