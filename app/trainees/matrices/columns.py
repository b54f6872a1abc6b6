"""The columns that tell which enrolment a line is about, and those of its plan; the same in each matrix about enrolments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core.matrix import Column, FieldKind, Remark
from app.core.matrix.definition import UNREAD

from .. import labels
from ..domain import date_problems, day_problems, volume_problems
from ..forms import EnrolmentForm, VerificationForm
from .forms import ComponentForm, WhereForm

#: Lines of a file: each is done by its use case, a thousand in a minute, and a job has fifteen to read, check and apply them (decision 52).
MOST_LINES: Final = 3_000

#: Fields of the forms that go by another name in a file.
COLUMN_OF: Final[Mapping[str, str]] = {"site_id": "site", "component_id": "component_number"}

#: Other headings that tell who somebody is, in the files of the organisations' software.
NUMBER_NAMES: Final = ("NIR", "N° NIR", "N° de sécurité sociale", "Numéro de sécurité sociale", "N° sécurité sociale", "N° sécu")
LAST_NAMES: Final = ("Nom", "Nom de famille", "Nom du stagiaire", "Nom de naissance du stagiaire")
FIRST_NAMES: Final = ("Prénom du stagiaire",)
BIRTH_DATES: Final = ("Date de naissance du stagiaire", "Né(e) le", "Né le", "Date naissance")

_WITH_NUMBER = _l("unless the first name and the date of birth are there")
_WITHOUT_NUMBER = _l("if there is no number")

WHO: Final = (
    Column("action_number", WhereForm, key=True, example="19Q00100155_2", help=_l("As on the list of the actions.")),
    Column(
        "nir", VerificationForm, aliases=NUMBER_NAMES, when=_WITH_NUMBER, digits=(13, 15), secret=True, kind=FieldKind.CODE, example="162071315508982",
        help=_l("13 characters and the key in the next column, or the 15 characters together. Leave it blank where the programme asks for no number."),
    ),
    Column("key", VerificationForm, when=_l("if the NIR has 13 characters"), digits=(2,), secret=True, kind=FieldKind.CODE, example=""),
    Column("birth_name", VerificationForm, key=True, header=_l("Birth name"), aliases=LAST_NAMES, example="Sion"),
    Column("first_name", VerificationForm, aliases=FIRST_NAMES, when=_WITHOUT_NUMBER, example="André"),
    Column("birth_date", VerificationForm, aliases=BIRTH_DATES, when=_WITHOUT_NUMBER, example="21/07/1962"),
    Column(
        "component_number", ComponentForm, key=True, figures=True, kind=FieldKind.CODE, example="01",
        aliases=("Composante", "N° de composante", "N° composante"), help=_l("As on the page of the action: 01, 02…"),
    ),
)  # fmt: skip


def plan_columns(when: Any = "", *, site_when: Any = "") -> tuple[Column, ...]:
    """« Parcours » and "Volumes"; ``when`` they have to be filled, if the form's own rule does not say it."""
    return (
        Column("planned_start", EnrolmentForm, when=when, aliases=("Date d’entrée", "Début prévu"), example="05/01/2026"),
        Column("planned_end", EnrolmentForm, when=when, aliases=("Date de sortie prévue", "Fin prévue"), example="26/06/2026"),
        Column(
            "site", ComponentForm, when=site_when, aliases=("Site", "Lieu de formation"), example="",
            help=_l("The portal’s words (name / town / postal code), or a part that fits one site only. Leave it blank if the component has one site."),
        ),
        Column("hours_centre", EnrolmentForm, when=when, aliases=("hcf", "Heures en centre"), example="300"),
        Column("hours_company", EnrolmentForm, when=when, aliases=("he", "Heures en entreprise"), example="70"),
    )  # fmt: skip


def who_alone(given: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """A line without number tells by names and date of birth who it is about, or nobody."""
    if not given.keys() & {"nir", "key"} and not given.keys() >= {"first_name", "birth_date"}:
        yield "nir", _("Fill in the NIR, or the first name and the date of birth.")


def plan_alone(given: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Dates and hours that no component could hold."""
    read = {name: value for name, value in given.items() if value is not UNREAD}
    dates = [read[name] for name in ("planned_start", "planned_end") if name in read]
    hours = [read[name] for name in ("hours_centre", "hours_company") if name in read]
    problems = [*(date_problems(*dates) if len(dates) == 2 else ()), *(volume_problems(*hours) if len(hours) == 2 else ())]
    if len(dates) == len(hours) == 2 and not problems:
        problems += day_problems(*dates, *hours)
    for problem in problems:
        yield problem.field, str(labels.problem_text(problem))


KNOWN: Final = Remark(_l(
    "A trainee is known by the NIR or NIA, with the birth name as a check; without number, by the names and the date of birth, if they are those of one "
    "trainee of the action only."
))
ORDER: Final = Remark(_l("The lines of an action are judged one after the other, in the order of the file: each sees what those before it did."))
AGORA: Final = Remark(_l("AGORA is told of each line as of the same act typed by hand, once. A line that says what stands already does nothing."))

__all__ = ["AGORA", "COLUMN_OF", "KNOWN", "MOST_LINES", "ORDER", "WHO", "plan_alone", "plan_columns", "who_alone"]
