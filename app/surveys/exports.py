"""What leaves of the list of the situation surveys (guide 000): one line a survey whose day has come, with the organisation's answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, case, literal, select
from werkzeug.datastructures import MultiDict

from app.accounts.models import Organisation
from app.actions.models import Action, Component
from app.core import clock
from app.core.exports.registry import Asked, ListColumn, SqlList, in_words, of_source, words, yes_no
from app.core.tabular.writing import ColumnKind
from app.core.tenancy import current_scope
from app.reference.models import EmploymentContract, Level, ProfessionalSector, SocioProfessionalCategory, SurveySituation
from app.trainees.models import Enrolment, Registration, Trainee

from . import labels
from .domain import LATE_AFTER, MOMENT_WORDS, SurveyState
from .models import SituationSurvey
from .permissions import READ
from .queries import SurveyFilter, surveys_where

_DATE: Final = ColumnKind.DATE
_SURVEY: Final = SituationSurvey


def _state(today: date) -> Any:
    """As the badge of the list says it."""
    words_of = {name: literal(str(label)) for name, label in (
        ("answered", _("Answered")), ("trainee", _("Answered by the trainee")), ("unreached", _("Trainee not reached")),
        ("late", _("Late (survey)")), ("due", _("To be filled in")),
    )}  # fmt: skip
    answered = _SURVEY.state == SurveyState.ANSWERED.value
    return case(
        (answered & _SURVEY.situation_id.is_not(None), words_of["answered"]),
        (answered, words_of["trainee"]),
        (_SURVEY.state == SurveyState.UNREACHED.value, words_of["unreached"]),
        (_SURVEY.due_on < today - LATE_AFTER, words_of["late"]),
        else_=words_of["due"],
    )


_HOLDER: Final = (of_source("organisme", _l("Training organisation"), Organisation.legal_name, width=30),)
_BEGINNING: Final = (
    of_source("nom_naissance", _l("Birth name"), Trainee.birth_name, width=24),
    of_source("nom_usage", _l("Usual name"), Trainee.usual_name, width=24),
    of_source("prenom", _l("First name"), Trainee.first_name, width=20),
    of_source("action", _l("N° Action"), Action.number, width=18),
    of_source("composante", _l("Component number"), Component.number, width=10),
    ListColumn("moment", _l("Moment"), in_words(_SURVEY.moment, labels.MOMENT_LABELS)),
    of_source("echeance", _l("Due on"), _SURVEY.due_on, _DATE),
    ListColumn("etat", _l("State"), _state, width=24),
)
_ANSWERS: Final = (
    of_source("situation", _l("Situation (survey)"), SurveySituation.label, width=30),
    of_source("contrat", _l("Type of employment contract"), EmploymentContract.label, width=24),
    of_source("entreprise", _l("Company"), _SURVEY.company, width=30),
    of_source("secteur", _l("Professional sector"), ProfessionalSector.label, width=30),
    of_source("emploi", _l("Title of the job"), _SURVEY.job_title, width=30),
    of_source("categorie", _l("Socio-professional category"), SocioProfessionalCategory.label, width=30),
    ListColumn("emploi_lie", _l("Job related to the training action"), yes_no(_SURVEY.job_related)),
    ListColumn("certification", _l("Intended certification reached"), in_words(_SURVEY.certification, labels.CERTIFICATION_LABELS)),
    of_source("niveau", _l("Level of the certification obtained at the end of the training"), Level.label, width=24),
)


class SurveyList(SqlList):
    """« Bilans de situation »."""

    key = "bilans-de-situation"
    title = _l("Export of the situation surveys")
    permission = READ
    personal = True
    menu = "SurveysView.index"
    lead = _l("One line for each survey whose day has come, the oldest first.")

    def read(self, args: MultiDict[str, str]) -> Asked:
        """The filter of the list."""
        from .views import narrowed_by

        narrowed: SurveyFilter = narrowed_by(args)
        said: list[tuple[Any, Any]] = []
        if narrowed.moment is not None:
            said.append((_("Moment"), labels.MOMENT_LABELS[narrowed.moment]))
        if narrowed.state is not None:
            said.append((_("State"), labels.FILTER_LABELS[narrowed.state]))
        if narrowed.action:
            said.append((_("Action"), narrowed.action))
        kept: dict[str, Any] = {
            "moment": MOMENT_WORDS[narrowed.moment] if narrowed.moment is not None else None,
            "etat": narrowed.state.value if narrowed.state is not None else None,
            "action": narrowed.action or None,
        }
        return Asked(narrowed, words(**kept), said, url_for("SurveysView.index", **kept))

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the list."""
        return [(_("Situation surveys"), asked.back)]

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """The holder for those who see several."""
        return (*(_HOLDER if current_scope().sees_all else ()), *_BEGINNING, *_ANSWERS)

    def statement(self, asked: Asked, sources: Sequence[Any], today: date) -> Select[Any]:
        """The oldest first, as the list."""
        found = (
            select(*sources)
            .select_from(_SURVEY)
            .join(Enrolment, Enrolment.id == _SURVEY.enrolment_id)
            .join(Registration, Registration.id == Enrolment.registration_id)
            .join(Trainee, Trainee.id == Registration.trainee_id)
            .join(Component, Component.id == Enrolment.component_id)
            .join(Action, Action.id == _SURVEY.action_id)
            .join(Organisation, Organisation.id == _SURVEY.organisation_id)
            .outerjoin(SurveySituation, SurveySituation.id == _SURVEY.situation_id)
            .outerjoin(EmploymentContract, EmploymentContract.id == _SURVEY.contract_type_id)
            .outerjoin(ProfessionalSector, ProfessionalSector.id == _SURVEY.sector_id)
            .outerjoin(SocioProfessionalCategory, SocioProfessionalCategory.id == _SURVEY.category_id)
            .outerjoin(Level, Level.id == _SURVEY.certification_level_id)
        )
        return found.where(*surveys_where(asked.narrowed, clock.today())).order_by(_SURVEY.due_on, _SURVEY.id)


LIST: Final = SurveyList()
