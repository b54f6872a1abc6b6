"""What leaves of the lists of trainees (guide 000): one line a trainee, one line an enrolment, who waits for a NIR, corrections of identities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final

from flask import abort, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, String, and_, case, cast, func, literal, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased, joinedload, undefer
from sqlalchemy.sql.visitors import iterate
from werkzeug.datastructures import MultiDict

from app.accounts.models import Organisation
from app.actions.models import Action, Component
from app.actions.queries import get_action
from app.core import clock
from app.core.exports.registry import Asked, ListColumn, NotUnderstood, NumberedList, RowList, SqlList, in_words, local_day, of_row, of_source, words, yes_no
from app.core.extensions import db
from app.core.matrix.definition import label_of
from app.core.nir import NirKind
from app.core.nir.text import holds_number
from app.core.requests import row_number
from app.core.tabular.writing import ColumnKind
from app.core.tenancy import current_scope
from app.reference.models import (
    ExitReason,
    GeneralObjective,
    HighestDiploma,
    LastClass,
    Level,
    Nationality,
    ProfessionalSituation,
    PublicCategory,
    Site,
    StreetType,
)

from . import labels
from .domain import AgoraState, CorrectionState, EsfState
from .forms import ContactForm, SituationForm
from .identity_models import IdentityCorrection
from .models import Enrolment, Registration, Trainee
from .permissions import EXPORT_NIR, READ
from .queries import corrections_where, registrations_where, without_nir
from .standing import STANDING

_DATE, _NUMBER = ColumnKind.DATE, ColumnKind.NUMBER
_HIGHEST: Final = aliased(Level, name="highest_level")

#: Of all the enrolments of a registration that count, as the list shows them; read only when a column asks for it.
_SUMS: Final = (
    select(
        func.min(Enrolment.planned_start).label("entry"),
        func.max(Enrolment.planned_end).label("planned_exit"),
        case((func.bool_and(Enrolment.actual_end.is_not(None)), func.max(Enrolment.actual_end))).label("actual_exit"),
        func.string_agg(Enrolment.agora_number, aggregate_order_by(literal(" ; "), Enrolment.id)).label("agora_numbers"),
        func.string_agg(Component.number, aggregate_order_by(literal(" ; "), Enrolment.id)).label("components"),
    )
    .select_from(Enrolment)
    .join(Component, Component.id == Enrolment.component_id)
    .where(Enrolment.registration_id == Registration.id, STANDING)
    .correlate(Registration)
    .lateral("sums")
)


def _agora_badge(_day: date) -> Any:
    """As the badge of the list says it: a refusal and a wait before the last known status."""
    status = in_words(Enrolment.agora_status, {key: label for key, (label, _tone) in labels.AGORA_STATUS_LABELS.items()})(_day)
    states = {key.value: label for key, (label, _tone) in ((AgoraState(key), told) for key, told in labels.AGORA_STATE_LABELS.items())}
    awaited = literal(str(states[AgoraState.WAITING.value]))
    state = case(*((Enrolment.agora_state == key, literal(str(label))) for key, label in states.items()), else_=awaited)
    told = and_(Enrolment.agora_status.is_not(None), Enrolment.agora_state.in_((AgoraState.REGISTERED.value, AgoraState.WAITING.value)))
    return case((told, status), else_=state)


def _number_kind(_day: date) -> Any:
    return case((Trainee.nir_kind == NirKind.NIR.value, "NIR"), (Trainee.nir_kind == NirKind.NIA.value, "NIA"), else_="")


def _esf_state(_day: date) -> Any:
    """Empty where no such data are asked for: a file made of this one leaves the cell so."""
    states = {key: label for key, label in labels.ESF_STATE_LABELS.items() if key is not EsfState.NOT_CONCERNED}
    return case((Registration.esf_state == EsfState.NOT_CONCERNED.value, ""), else_=in_words(Registration.esf_state, states)(_day))


def _asked(key: str, form: Any, name: str, source: Any = None, *, kind: ColumnKind = ColumnKind.TEXT, width: int = 14) -> ListColumn:
    """What a field of the sheet holds, under the words of the field: the file can be sent back as an import."""
    return of_source(key, label_of(form, name), source if source is not None else getattr(Registration, name), kind, width)


def _answered(key: str, name: str) -> ListColumn:
    """The same, of a question answered by yes or no."""
    return ListColumn(key, label_of(SituationForm, name), yes_no(getattr(Registration, name)), width=10)


def _level(level: Any) -> Any:
    return cast(level.number, String) + " – " + level.label


_ACTION: Final = (of_source("action", _l("N° Action"), Action.number, width=18),)
_HOLDER: Final = (
    of_source("siret", _l("SIRET"), Organisation.siret, width=16),
    of_source("organisme", _l("Training organisation"), Organisation.legal_name, width=30),
)
_PERSON: Final = (
    ListColumn("civilite", _l("Civility"), in_words(Trainee.civility, labels.CIVILITY_LABELS), width=8),
    of_source("nom_naissance", _l("Birth name"), Trainee.birth_name, width=24),
    of_source("nom_usage", _l("Usual name"), Trainee.usual_name, width=24),
    of_source("prenom", _l("First name"), Trainee.first_name, width=20),
    of_source("date_naissance", _l("Date of birth"), Trainee.birth_date, _DATE),
    ListColumn("genre", _l("Gender"), in_words(Trainee.gender, labels.GENDER_LABELS), width=10),
    ListColumn("type_numero", _l("Kind of number"), _number_kind, width=8),
)
_ENTRY: Final = (
    of_source("entree", _l("Entry date"), _SUMS.c.entry, _DATE),
    of_source("sortie_prevue", _l("Planned exit date"), _SUMS.c.planned_exit, _DATE),
    of_source("sortie_reelle", _l("Actual exit date"), _SUMS.c.actual_exit, _DATE),
    of_source("composantes", _l("Components"), _SUMS.c.components, width=14),
    of_source("numeros_agora", _l("N° Agora"), _SUMS.c.agora_numbers, width=24),
)
_SHEET: Final = (
    _asked("nationalite", ContactForm, "nationality_id", Nationality.label, width=18),
    _asked("adresse_numero", ContactForm, "street_number", width=8),
    _asked("adresse_extension", ContactForm, "street_extension", width=8),
    _asked("adresse_type", ContactForm, "street_type_id", StreetType.label),
    _asked("adresse_voie", ContactForm, "street_name", width=30),
    _asked("adresse_complement", ContactForm, "address_complement", width=24),
    _asked("adresse_mention", ContactForm, "special_mention", width=24),
    _asked("code_postal", ContactForm, "postal_code", width=10),
    _asked("commune", ContactForm, "town", width=24),
    _asked("cedex", ContactForm, "cedex", width=10),
    _asked("mobile", ContactForm, "mobile", width=16),
    _asked("fixe", ContactForm, "landline", width=16),
    _asked("courriel", ContactForm, "email", width=30),
    _asked("autres_informations", ContactForm, "other_information", width=30),
    _asked("categorie_public", SituationForm, "public_category_id", PublicCategory.label, width=30),
    _asked("objectif", SituationForm, "general_objective_id", GeneralObjective.label, width=24),
    _asked("situation", SituationForm, "professional_situation_id", ProfessionalSituation.label, width=24),
    _answered("inscrit_ft", "ft_registered"),
    _asked("inscrit_ft_le", SituationForm, "ft_registered_on", kind=_DATE),
    _asked("numero_ft", SituationForm, "ft_number"),
    _asked("agence_ft", SituationForm, "ft_agency_code", width=10),
    _answered("are", "receives_are"),
    _answered("autres_minima", "receives_other"),
    _answered("rsa", "receives_rsa"),
    _answered("aah", "receives_aah"),
    ListColumn("boe", label_of(SituationForm, "boe"), in_words(Registration.boe, labels.BOE_LABELS), width=10),
    _answered("sortant_scolaire", "school_leaver"),
    _asked("niveau_entree", SituationForm, "entry_level_id", _level(Level), width=20),
    _asked("derniere_classe", SituationForm, "last_class_id", LastClass.label, width=24),
    _asked("derniere_classe_annee", SituationForm, "last_class_year", cast(Registration.last_class_year, String), width=8),
    _asked("diplome", SituationForm, "highest_diploma_id", HighestDiploma.label, width=24),
    _asked("niveau_obtenu", SituationForm, "highest_level_id", _level(_HIGHEST), width=20),
    _asked("niveau_obtenu_annee", SituationForm, "highest_level_year", cast(Registration.highest_level_year, String), width=8),
    ListColumn("fse", label_of(SituationForm, "esf_state"), _esf_state, width=18),
    ListColumn("fse_parent", label_of(SituationForm, "esf_parent_abroad"), in_words(Registration.esf_parent_abroad, labels.ESF_ANSWER_LABELS)),
    _asked("fse_naissance", SituationForm, "esf_birth_postal_code", width=10),
    ListColumn("fse_sans_domicile", label_of(SituationForm, "esf_homeless"), in_words(Registration.esf_homeless, labels.ESF_ANSWER_LABELS)),
    of_source("enregistre_le", _l("Registered on"), local_day(Registration.created_at), _DATE),
)
_ENROLMENT: Final = (
    of_source("composante", _l("Component number"), Component.number, width=10),
    of_source("composante_intitule", _l("Title of the component"), Component.title, width=40),
    of_source("debut_prevu", _l("Planned start"), Enrolment.planned_start, _DATE),
    of_source("fin_prevue", _l("Planned end"), Enrolment.planned_end, _DATE),
    of_source("fin_reelle", _l("Actual end"), Enrolment.actual_end, _DATE),
    of_source("motif_sortie", _l("Exit reason"), ExitReason.label, width=30),
    ListColumn("sortie_anticipee", _l("Early exit"), yes_no(Enrolment.early_exit), width=10),
    of_source("site", _l("Site"), Site.name, width=30),
    of_source("site_code_postal", _l("Postal code of the site"), Site.postal_code, width=10),
    of_source("site_commune", _l("Town of the site"), Site.town, width=24),
    of_source("heures_centre", _l("Hours in centre"), Enrolment.hours_centre, _NUMBER),
    of_source("heures_entreprise", _l("Hours in company"), Enrolment.hours_company, _NUMBER),
    of_source("numero_agora", _l("N° Agora"), Enrolment.agora_number, width=14),
    ListColumn("etat_agora", _l("State at AGORA"), _agora_badge, width=24),
    ListColumn("realisation", _l("Outcome"), in_words(Enrolment.outcome, labels.OUTCOME_LABELS), width=20),
)
#: Headings that a file of trainees, or of enrolments, bears when it comes from here.
TRAINEE_HEADINGS: Final = tuple(column.label for column in (*_ACTION, *_HOLDER, *_PERSON, *_ENTRY, *_SHEET))
ENROLMENT_HEADINGS: Final = tuple(column.label for column in (*_ACTION, *_HOLDER, *_PERSON, *_ENROLMENT))
#: What a column may need besides the person, the registration and the action: entity → condition.
_BESIDE: Final = (
    (Nationality, Nationality.id == Registration.nationality_id),
    (StreetType, StreetType.id == Registration.street_type_id),
    (PublicCategory, PublicCategory.id == Registration.public_category_id),
    (GeneralObjective, GeneralObjective.id == Registration.general_objective_id),
    (ProfessionalSituation, ProfessionalSituation.id == Registration.professional_situation_id),
    (Level, Level.id == Registration.entry_level_id),
    (_HIGHEST, _HIGHEST.id == Registration.highest_level_id),
    (LastClass, LastClass.id == Registration.last_class_id),
    (HighestDiploma, HighestDiploma.id == Registration.highest_diploma_id),
)


def _with_needed(statement: Select[Any], sources: Sequence[Any]) -> Select[Any]:
    """Joined to what the chosen columns ask for, and to nothing else."""
    named = {getattr(part, "table", None) for source in sources for part in iterate(_clause(source))}
    for entity, condition in _BESIDE:
        if _clause(entity) in named:
            statement = statement.outerjoin(entity, condition)
    return statement.outerjoin(_SUMS, true()) if _SUMS in named else statement


def _clause(source: Any) -> Any:
    return source.__clause_element__() if hasattr(source, "__clause_element__") else getattr(source, "__table__", source)


class _Trainees(NumberedList):
    """What both exports of a list of trainees share: the list of an action or of all those in scope, narrowed as it is."""

    permission = READ
    numbers = EXPORT_NIR
    personal = True
    private_words = frozenset({"texte", "personnes"})

    def read(self, args: MultiDict[str, str]) -> Asked:
        """The filter of the list, and the action whose list it is."""
        from .views.common import filter_of, list_address

        narrowed = filter_of(args)
        action = None
        if asked := args.get("action", ""):
            number = row_number(asked)
            action = get_action(number) if number is not None else None
            if action is None:
                abort(404)
        action_id = action.id if action is not None else None
        if holds_number(narrowed.text):
            raise NotUnderstood(list_address(action_id, a_faire=narrowed.todo))
        people = ",".join(map(str, narrowed.people))
        said = [(_("Action"), action.number)] if action is not None else []
        said += [(_("Text"), narrowed.text)] if narrowed.text else []
        said += [(_("To do"), labels.todo_label(narrowed.todo))] if narrowed.todo else []
        said += [(_("NIR / NIA"), _("the number looked for"))] if narrowed.people else []
        return Asked(
            narrowed, words(action=action_id, texte=narrowed.text, a_faire=narrowed.todo, personnes=people), said,
            list_address(action_id, texte=narrowed.text, a_faire=narrowed.todo, personnes=people), action,
        )  # fmt: skip

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """Down to the list of the action, or of all."""
        from .views.common import crumbs

        return crumbs(asked.subject) if asked.subject is not None else [(_("Trainees"), asked.back)]

    def file_name(self, asked: Asked) -> str:
        """With the number of the action."""
        return f"{self.key}-{asked.subject.number}" if asked.subject is not None else str(self.key)

    def sheet_title(self, asked: Asked) -> str:
        """Short: the title of the page is not."""
        return str(self.key)

    def number_source(self) -> Any:
        """The person."""
        return Trainee.id

    def numbers_of(self, keys: Iterable[int]) -> Sequence[Trainee]:
        """The people of these keys, with what their numbers are read from."""
        statement = select(Trainee).where(Trainee.id.in_(list(keys))).options(undefer(Trainee.nir_ciphertext))
        return db.session.scalars(statement.execution_options(populate_existing=True)).all()

    @staticmethod
    def _found(asked: Asked, sources: Sequence[Any]) -> Select[Any]:
        found = (
            select(*sources)
            .select_from(Registration)
            .join(Trainee, Trainee.id == Registration.trainee_id)
            .join(Action, Action.id == Registration.action_id)
            .join(Organisation, Organisation.id == Registration.organisation_id)
            .where(*registrations_where(asked.narrowed, asked.subject.id if asked.subject is not None else None))
        )
        return _with_needed(found, sources)


class TraineeList(_Trainees):
    """« Liste des stagiaires »: one line a trainee of an action."""

    key = "stagiaires"
    title = _l("Export of the trainees")
    menu = "TraineesView.index"
    lead = _l("One line for each trainee on an action; dates are those of all the components together.")

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """The holder for those who see several."""
        return (*_ACTION, *(_HOLDER if current_scope().sees_all else ()), *_PERSON, *_ENTRY, *_SHEET)

    def statement(self, asked: Asked, sources: Sequence[Any], today: date) -> Select[Any]:
        """By name, as the list."""
        return self._found(asked, sources).order_by(Registration.sort_name, Registration.id)


class EnrolmentList(_Trainees):
    """The same list, one line an enrolment that counts."""

    key = "inscriptions"
    title = _l("Export of the enrolments")
    menu = "TraineesView.index"
    lead = _l("One line for each enrolment on a component; trainees who are not enrolled have none.")

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """The holder for those who see several."""
        return (*_ACTION, *(_HOLDER if current_scope().sees_all else ()), *_PERSON, *_ENROLMENT)

    def statement(self, asked: Asked, sources: Sequence[Any], today: date) -> Select[Any]:
        """By name, then by component, as the list."""
        found = (
            self._found(asked, sources)
            .join(Enrolment, and_(Enrolment.registration_id == Registration.id, STANDING))
            .join(Component, Component.id == Enrolment.component_id)
            .outerjoin(Site, Site.id == Enrolment.site_id)
            .outerjoin(ExitReason, ExitReason.id == Enrolment.exit_reason_id)
        )
        return found.order_by(Registration.sort_name, Registration.id, Component.number, Enrolment.id)


class WithoutNirList(SqlList):
    """« NIA à régulariser »."""

    key = "nia-a-regulariser"
    title = _l("Export of the NIA to regularise")
    permission = READ
    personal = True
    menu = "TraineesView.without_nir"
    lead = _l("One line for each trainee whose NIR is awaited, the oldest first.")

    def read(self, args: MultiDict[str, str]) -> Asked:
        """Nothing narrows this list."""
        return Asked(back=url_for("TraineesView.without_nir"))

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the list."""
        return [(_("Trainees"), url_for("TraineesView.index")), (_("NIA to regularise"), asked.back)]

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """Those of the list."""
        days = func.date_part("day", literal(clock.now()) - Registration.created_at)
        waiting = of_source("attente", _l("Waiting for (days)"), days, _NUMBER, 10)
        registered = of_source("enregistre_le", _l("Registered on"), local_day(Registration.created_at), _DATE)
        return (*_PERSON, *_ACTION, *(_HOLDER if current_scope().sees_all else ()), registered, waiting)

    def statement(self, asked: Asked, sources: Sequence[Any], today: date) -> Select[Any]:
        """The oldest first, as the list."""
        found = (
            select(*sources)
            .select_from(Registration)
            .join(Trainee, Trainee.id == Registration.trainee_id)
            .join(Action, Action.id == Registration.action_id)
            .join(Organisation, Organisation.id == Registration.organisation_id)
        )
        return found.where(without_nir()).order_by(Registration.created_at, Registration.id)


class CorrectionList(RowList):
    """« Demandes de correction d'identité »: who asked for whom, and what became of it; not what was asked."""

    key = "corrections-identite"
    title = _l("Export of the corrections of identities")
    permission = READ
    personal = True
    menu = "IdentityCorrectionsView.index"

    def read(self, args: MultiDict[str, str]) -> Asked:
        """Those that wait, or those decided."""
        decided = args.get("etat") == "decidees"
        state = "decidees" if decided else None
        said = [(_("State"), _("Decided"))] if decided else [(_("State"), labels.CORRECTION_LABELS[CorrectionState.PENDING][0])]
        return Asked(decided, words(etat=state), said, url_for("IdentityCorrectionsView.index", etat=state))

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """As the list."""
        return [(_("Trainees"), url_for("TraineesView.index")), (_("Corrections of identities"), asked.back)]

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """Those of the list, and the decision."""
        holder = (of_row("organisme", _l("Training organisation"), lambda row: row.organisation.legal_name, width=30),) if current_scope().sees_all else ()
        return (
            of_row("stagiaire", _l("Trainee"), lambda row: row.trainee.display_name, width=30),
            *holder,
            of_row("demande_le", _l("Asked on"), lambda row: row.asked_at, width=18),
            of_row("demande_par", _l("By"), lambda row: row.asked_by_name, width=24),
            of_row("etat", _l("State"), lambda row: str(labels.CORRECTION_LABELS[row.state][0]), width=20),
            of_row("decide_le", _l("Decided on"), lambda row: row.decided_at, width=18),
        )

    def entities(self, asked: Asked, today: date) -> Select[Any]:
        """In the order of the list."""
        order = (IdentityCorrection.decided_at.desc(), IdentityCorrection.id.desc()) if asked.narrowed else (IdentityCorrection.asked_at, IdentityCorrection.id)
        return select(IdentityCorrection).where(corrections_where(decided=asked.narrowed)).order_by(*order)

    def loads(self) -> Sequence[Any]:
        """The person and the organisation."""
        return (joinedload(IdentityCorrection.trainee, innerjoin=True), joinedload(IdentityCorrection.organisation, innerjoin=True))


LISTS: Final = (TraineeList(), EnrolmentList(), WithoutNirList(), CorrectionList())
