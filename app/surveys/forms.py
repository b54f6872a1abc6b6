"""The form of « Situation à la fin de formation » (guide 000): the organisation's, and the trainee's own."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import RadioField
from wtforms.fields import SelectChoice
from wtforms.validators import Optional

from app.core.concurrency import VersionedForm
from app.core.ui.forms import Required, YesNoField
from app.partners.agora.port import CertificationResult
from app.reference.models import SurveySituation
from app.reference.queries import active
from app.trainees.forms import PortalBaseForm, ReferenceSelect, text

from .domain import UNKNOWN_SITUATION, Question, asked, missing
from .labels import CERTIFICATION_LABELS

#: What an answer asks, as the style sheet knows it: ``data-asks`` on the answer, ``data-asked`` on the questions.
_ASKS_JOB, _ASKS_LEVEL = {"data-asks": "job"}, {"data-asks": "level"}


class SituationSelect(ReferenceSelect):
    """The situations; each says whether the questions about the job follow."""

    def __init__(self, label: Any, validators: Any = None, **kwargs: Any) -> None:
        super().__init__(label, validators, model="SurveySituation", **kwargs)
        self._employed: frozenset[int] = frozenset()
        self._ids: dict[str, int] = {}

    def process(self, formdata: Any, data: Any = None, extra_filters: Any = None) -> None:
        """Offer the values in force, and the one held already; those of people at work ask more."""
        self._loaded = True  # read here, once, with what each value asks
        super().process(formdata, data, extra_filters)
        held = self.object_data if isinstance(self.object_data, int) else None
        offered = active(SurveySituation, including=held)
        self._ids = {value.code: value.id for value in offered}
        self._employed = frozenset(value.id for value in offered if value.employed)
        self.choices = [
            SelectChoice("", _("Select…")),
            *(SelectChoice(str(value.id), str(value), render_kw=_ASKS_JOB if value.employed else {}) for value in offered),
        ]

    def leave_out(self, code: str) -> None:
        """Do not offer, nor take, the situation of this code."""
        self.choices = [choice for choice in self.choices if choice.value != str(self._ids.get(code))]

    @property
    def employed(self) -> bool:
        """Whether the situation chosen is one of somebody in employment."""
        return self.data in self._employed


class AnswersForm(PortalBaseForm):
    """The questions of the guide, in its order and with its words.

    Which of them are asked follows from two answers (``domain.asked``).  What was typed into a question that is not asked is let go: the
    page hides it, and a browser that cannot still sends it.
    """

    situation_id = SituationSelect(_l("Situation (survey)"), [Required()])
    contract_type_id = ReferenceSelect(_l("Type of employment contract"), [Optional()], model="EmploymentContract")
    company = text(_l("Company"), Optional(), limit=150, autocomplete="off")
    sector_id = ReferenceSelect(_l("Professional sector"), [Optional()], model="ProfessionalSector")
    job_title = text(_l("Title of the job"), Optional(), limit=150, autocomplete="off")
    category_id = ReferenceSelect(_l("Socio-professional category"), [Optional()], model="SocioProfessionalCategory")
    job_related = YesNoField(_l("Job related to the training action"), [Optional()])
    certification = RadioField(
        _l("Intended certification reached"),
        [Required()],
        choices=[
            SelectChoice(code.value, label, render_kw=_ASKS_LEVEL if code is CertificationResult.YES else {})
            for code, label in CERTIFICATION_LABELS.items()
        ],
    )
    certification_level_id = ReferenceSelect(_l("Level of the certification obtained at the end of the training"), [Optional()], model="Level")

    def validate(self, extra_validators: Any = None) -> bool:
        """Each field, then those that the answers ask."""
        super().validate(extra_validators)
        certification = self.certification.data
        wanted = asked(employed=self.situation_id.employed, certification=certification)
        for question in set(Question) - wanted:
            field = self[question.value]
            field.data, field.errors = None, []
        for question in missing(self.answers(), employed=self.situation_id.employed):
            field = self[question.value]
            if not field.errors:
                field.errors = [_("Choose an answer.")]
        return not any(field.errors for field in self)

    def answers(self) -> dict[Question, Any]:
        """The answers, by question."""
        return {question: None if self[question.value].data == "" else self[question.value].data for question in Question}


class SurveyForm(VersionedForm, AnswersForm):
    """The survey as the organisation fills it in and corrects it."""


class ReplyForm(AnswersForm):
    """The survey as the trainee answers it: the same questions, put to the person."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.situation_id.label.text = _("Your situation today")
        self.situation_id.leave_out(UNKNOWN_SITUATION)  # nobody says so of themselves
        self.certification.label.text = _("Did you obtain the intended certification?")
        self.certification_level_id.label.text = _("Level of the certification obtained")


__all__ = ["AnswersForm", "ReplyForm", "SurveyForm"]
