""" "Export des actions" and "Export des composantes" (guide 001): what they hold, read under the reader's tenancy as it is written.

One line an action, or one line a session; a component that has none yet gives one line a site.
Each export leaves a line in the journal before its first byte (``core.exports``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Select, String, case, cast, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from werkzeug.datastructures import MultiDict

from app.accounts.models import Organisation
from app.core.exports.registry import Asked, ListColumn, NotUnderstood, SqlList, in_words, of_source
from app.core.exports.services import Wanted, take_out
from app.core.tabular.journaled import JournaledFile
from app.core.tabular.writing import ColumnKind, FileFormat
from app.reference.models import Level, Programme, Site

from . import labels, queries
from .domain import ActionStatus, ExportKind, StatusFilter
from .listing import ActionFilter, ActionOrder, conditions, ordered
from .models import Action, Component, ComponentSite, Contract
from .session_models import InformationMeeting, TrainingSession

Source = Any
_of = of_source


def _status(today: date) -> Source:
    """The status in words, as on the screen."""
    computed = {StatusFilter.DECLARED: queries.is_declared(), StatusFilter.LATE: queries.is_late(today)}
    stored = {StatusFilter(status): Action.status == status.value for status in ActionStatus}
    return case(*((holds, literal(str(labels.SHOWN_STATUS_LABELS[shown]))) for shown, holds in (computed | stored).items()), else_=Action.status)


def _session_number(_day: date) -> Source:
    """Two digits, as on the screen."""
    return func.to_char(TrainingSession.number, case((TrainingSession.number < 100, "FM00"), else_="FM99999"))


def _session_state(_day: date) -> Source:
    """In words; a line without session has none."""
    cancelled = TrainingSession.cancelled_at.is_not(None)
    return case((TrainingSession.id.is_(None), ""), (cancelled, literal(str(_l("Created by mistake")))), else_=literal(str(_l("Active (session)"))))


def _meetings(_day: date) -> Source:
    """The days of the information meetings, in order."""
    day = func.to_char(InformationMeeting.held_on, "DD/MM/YYYY")
    listed = func.string_agg(day, aggregate_order_by(literal(" ; "), InformationMeeting.held_on, InformationMeeting.starts_at, InformationMeeting.id))
    return select(listed).where(InformationMeeting.session_id == TrainingSession.id).correlate(TrainingSession).scalar_subquery()


_TEXT, _DATE, _NUMBER = ColumnKind.TEXT, ColumnKind.DATE, ColumnKind.NUMBER
#: Of the action; a component's line begins with these.
_ACTION: Final = (
    _of("contrat", _l("N° Contrat/Conv."), Contract.number),
    _of("lot", _l("Lot"), Contract.lot_number, width=8),
    _of("lot_intitule", _l("Title of the lot"), Contract.lot_label, width=40),
    _of("territoire", _l("Territory"), Contract.territory, width=20),
    _of("dispositif", _l("Programme"), Programme.label, width=18),
    _of("siret", _l("SIRET"), Organisation.siret, width=16),
    _of("organisme", _l("Training organisation"), Organisation.legal_name, width=30),
    _of("action", _l("N° Action"), Action.number, width=18),
    _of("intitule", _l("Title of the action"), Action.title, width=50),
    _of("statut", _l("Status (code)"), Action.status, width=8),
    ListColumn("statut_libelle", _l("Status"), _status, width=20),
    _of("annee", _l("Year"), Action.year, _NUMBER, 8),
    _of("debut_prevu", _l("Planned start"), Action.planned_start, _DATE),
    _of("debut_reel", _l("Actual start"), Action.actual_start, _DATE),
    _of("fin_prevue", _l("Planned end"), Action.planned_end, _DATE),
    ListColumn("frequence", _l("Declaration frequency"), in_words(Action.declaration_frequency, labels.FREQUENCY_LABELS), width=20),
    ListColumn("facturation", _l("Billing period"), in_words(Action.billing_period, labels.BILLING_LABELS), width=20),
)
#: Of the component, and of its session (guide 001).
_COMPONENT: Final = (
    _of("composante", _l("Component number"), Component.number, width=10),
    _of("composante_intitule", _l("Title of the component"), Component.title, width=50),
    _of("niveau", _l("Level"), cast(Level.number, String) + " – " + Level.label, width=20),
    _of("certif_info", _l("Certif Info"), Component.certif_info),
    _of("formacode", _l("Formacode"), Component.formacode),
    _of("composante_debut", _l("Start of the component"), Component.planned_start, _DATE),
    _of("composante_fin", _l("End of the component"), Component.planned_end, _DATE),
    _of("heures_centre", _l("Hours in centre"), Component.hours_centre, _NUMBER),
    _of("heures_entreprise", _l("Hours in company"), Component.hours_company, _NUMBER),
    _of("places", _l("Places"), Component.places, _NUMBER, 8),
    ListColumn("session", _l("Session number"), _session_number, width=10),
    _of("session_debut", _l("Session: start date"), TrainingSession.starts_on, _DATE),
    _of("session_fin", _l("Session: end date"), TrainingSession.ends_on, _DATE),
    _of("code_postal", _l("Postal code of the session"), Site.postal_code, width=10),
    _of("code_insee", _l("INSEE code of the session"), Site.insee_code, width=10),
    _of("commune", _l("Town of the session"), Site.town, width=24),
    _of("site", _l("Site of the session"), Site.name, width=30),
    _of("session_places", _l("Places of the session"), TrainingSession.places, _NUMBER, 8),
    ListColumn("session_etat", _l("State of the session"), _session_state, width=20),
    ListColumn("informations_collectives", _l("Dates of the information meetings"), _meetings, width=30),
)
COLUMNS: Final[dict[ExportKind, tuple[ListColumn, ...]]] = {ExportKind.ACTIONS: _ACTION, ExportKind.COMPONENTS: (*_ACTION, *_COMPONENT)}
TITLES: Final[dict[ExportKind, Any]] = {ExportKind.ACTIONS: _l("Export of the actions"), ExportKind.COMPONENTS: _l("Export of the components")}


def statement_of(kind: ExportKind, columns: Sequence[ListColumn], narrowed: ActionFilter, order: ActionOrder, today: date) -> Select[Any]:
    """One statement for the whole file, in the order of the list."""
    return _statement(kind, LISTS[kind].sources(columns, today), narrowed, order, today)


def _statement(kind: ExportKind, sources: Sequence[Any], narrowed: ActionFilter, order: ActionOrder, today: date) -> Select[Any]:
    found = (
        select(*sources)
        .select_from(Action)
        .join(Contract, Contract.id == Action.contract_id)
        .join(Programme, Programme.id == Contract.programme_id)
        .join(Organisation, Organisation.id == Action.organisation_id)
        .where(*conditions(narrowed, today))
    )
    if kind is ExportKind.ACTIONS:
        return ordered(found, order)
    found = (
        found.join(Component, Component.action_id == Action.id)
        .outerjoin(Level, Level.id == Component.level_id)
        .outerjoin(TrainingSession, TrainingSession.component_id == Component.id)
        .outerjoin(ComponentSite, (ComponentSite.component_id == Component.id) & TrainingSession.id.is_(None))
        .outerjoin(Site, Site.id == func.coalesce(TrainingSession.site_id, ComponentSite.site_id))
    )
    return ordered(found, order).order_by(Component.number, Component.id, TrainingSession.number, Site.town, Site.name, Site.id)


class ActionList(SqlList):
    """The list of the actions, as actions or as components."""

    permission = ("can_read", "Actions")
    menu = "ActionsView.index"

    def __init__(self, kind: ExportKind) -> None:
        self.kind = kind
        self.key = kind.value  # type: ignore[misc]  # one for each kind
        self.title = TITLES[kind]  # type: ignore[misc]

    def read(self, args: MultiDict[str, str]) -> Asked:
        """The search of the list."""
        from .views import list_url, read_search

        search = read_search(args)
        if not search.valid:
            raise NotUnderstood(list_url(search, as_typed=True))
        return Asked((search.filter, search.order), search.query, [(label, value) for _name, label, value in search.said()], list_url(search))

    def columns(self, asked: Asked) -> Sequence[ListColumn]:
        """Those of guide 001."""
        return COLUMNS[self.kind]

    def path(self, asked: Asked) -> list[tuple[Any, str | None]]:
        """The list."""
        from .views import crumbs

        return list(crumbs())

    def lead_of(self, asked: Asked) -> str:
        """What a line is."""
        if self.kind is ExportKind.COMPONENTS:
            return _("One line for each session of the actions of your search; for a component without session, one for each of its sites.")
        return _("One line for each action of your search.")

    def statement(self, asked: Asked, sources: Sequence[Any], today: date) -> Select[Any]:
        """By the words of the list, in its order."""
        narrowed, order = asked.narrowed
        return _statement(self.kind, sources, narrowed, order, today)


LISTS: Final = {kind: ActionList(kind) for kind in ExportKind}


def export(
    kind: ExportKind, file_format: FileFormat, columns: Sequence[ListColumn], narrowed: ActionFilter, order: ActionOrder, *, query: str
) -> JournaledFile:
    """The export, begun: what is asked is read under the tenancy of this moment, as it is sent."""
    return take_out(Wanted(LISTS[kind], Asked((narrowed, order), query), columns, file_format))
