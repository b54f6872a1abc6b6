"""Contracts, actions and components of the demonstration; dates follow the day, so that it stays alive."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal

from sqlalchemy import select

from app.accounts.models import Organisation
from app.accounts.seeds import ORGANISATION_A, ORGANISATION_B
from app.core import clock
from app.core.extensions import db
from app.core.transaction import transaction
from app.reference.models import Level, Programme, Site

from . import sessions
from .domain import ContractKind, SessionPlan
from .models import Action, Component, ComponentSite, Contract
from .partner_models import ActionPartner, PartnerRole
from .queries import partners_of


@dataclass(frozen=True, slots=True)
class DemoAction:
    """One action: days are counted from today, or are real dates."""

    number: str
    title: str
    start: int | date
    end: int | date
    components: tuple[tuple[str, int, int, int], ...]  # title, level, hours in centre, hours in company
    sites: tuple[str, ...] = ("TOULOUSE",)
    esf: bool = False


@dataclass(frozen=True, slots=True)
class DemoContract:
    """One contract and its actions."""

    siret: str
    programme: str
    number: str
    lot: str
    lot_label: str
    territory: str
    actions: tuple[DemoAction, ...] = field(default=())
    kind: ContractKind = ContractKind.MARKET


#: The action of guide 003, waiting for its first trainee.
GUIDE_ACTION = "23C00390257_1"
_PREP = "HSTA - Formation professionnalisante COMPETENCES PLUS - Préparation aux sélections des formations de niveau {} ({})"

CONTRACTS: tuple[DemoContract, ...] = (
    DemoContract(
        ORGANISATION_A, "QUALIFPRO", "23C00390257", "39",
        "ENSEIGNEMENT FORMATION-PREPARATION AUX SELECTIONS DES FORMATIONS DU SANITAIRE ET SOCIAL"
        " - DEPARTEMENT DE LA HAUTE GARONNE - HSTA",
        "Haute-Garonne",
        (
            DemoAction(
                GUIDE_ACTION, "Préparation aux sélections des formations du sanitaire et social", date(2026, 1, 2), 365,
                (
                    (_PREP.format(3, "DEAES, Ambulancier…"), 3, 300, 100),
                    (_PREP.format(4, "DEAS, DEAP, DEME, TISF"), 4, 320, 120),
                    (_PREP.format(6, "IDE, CESF, DEASS, DEES, DEEJE…"), 6, 350, 140),
                ),
                ("TOULOUSE", "LIMOUX"),
            ),
            DemoAction(
                "23C00390257_2", "Préparation aux sélections – session de printemps", -120, 150,
                ((_PREP.format(3, "DEAES, Ambulancier…"), 3, 300, 100),),
            ),
        ),
    ),
    DemoContract(
        ORGANISATION_A, "QUALIFPRO", "19Q01762009", "176",
        "COMMERCE - METIERS DU COMMERCE ET DE LA DISTRIBUTION - DEPARTEMENT DE LA HAUTE-GARONNE - HSTA", "Haute-Garonne",
        (
            DemoAction(
                "19Q01762009_5", "Employé commercial en magasin", -90, 200,
                (
                    ("HSTA - Formation certifiante Titre professionnel employé(e) commercial(e) en magasin", 3, 300, 100),
                    ("HSTA - Formation certifiante Titre professionnel vendeur(se)-conseil en magasin", 4, 400, 140),
                ),
                ("TOULOUSE",), esf=True,
            ),
            DemoAction(
                "19Q01762009_4", "Vendeur-conseil en magasin", -420, -30,
                (("HSTA - Formation certifiante Titre professionnel vendeur(se)-conseil en magasin", 4, 400, 140),),
            ),
            DemoAction(
                "19Q01762009_3", "Manager d’unité marchande", -800, -400,
                (("HSTA - Formation certifiante Titre professionnel manager d’unité marchande", 5, 450, 200),),
            ),
        ),
    ),
    DemoContract(
        ORGANISATION_A, "AVENIR", "24A00120031", "12", "AVENIR - ACCOMPAGNEMENT VERS L’EMPLOI DES JEUNES - AUDE", "Aude",
        (
            DemoAction(
                "24A00120031_1", "AVENIR – parcours d’accès à l’emploi des jeunes", -60, 240,
                (("AVENIR - Parcours personnalisé d’accès à l’emploi", 2, 200, 70),), ("NARBONNE",),
            ),
        ),
    ),
    DemoContract(
        ORGANISATION_A, "FORPROSUP", "25F00310024", "1", "FORPRO SUP - LICENCES PROFESSIONNELLES - HAUTE-GARONNE", "Haute-Garonne",
        (
            DemoAction(
                "25F00310024_1", "Licence professionnelle – management des activités commerciales", -300, -15,
                (("FORPRO SUP - Licence professionnelle management des activités commerciales", 6, 450, 350),),
            ),
        ),
        ContractKind.CONVENTION,
    ),
    DemoContract(
        ORGANISATION_B, "PROJETPRO", "22P00210044", "21", "PROJET PRO - BASSIN DE NARBONNE - HSTA", "Bassin de Narbonne",
        (
            DemoAction(
                "22P00210044_1", "Projet Pro – bassin de Narbonne", -75, 180,
                (("HSTA - Formation Projet Pro - Bassin de Narbonne", 3, 150, 35),), ("NARBONNE",),
            ),
            DemoAction(
                "22P00210044_2", "Projet Pro – session suivante", 30, 300,
                (("HSTA - Formation Projet Pro - Bassin de Narbonne", 3, 150, 35),), ("NARBONNE",),
            ),
        ),
    ),
    DemoContract(
        ORGANISATION_B, "QUALIFPRO", "19Q00100155", "10", "AGRICULTURE - METIERS DE LA FORET - REGION OCCITANIE - HSTA", "Région Occitanie",
        (
            DemoAction(
                "19Q00100155_2", "Travaux forestiers", -380, -20,
                (("HSTA - Formation certifiante CAP agricole travaux forestiers", 3, 600, 210),), ("LIMOUX",),
            ),
        ),
    ),
)  # fmt: skip


#: The action that is carried out with others, and these: role, legal name, SIRET (of nobody).
PARTNERED = "23C00390257_2"
PARTNERS = (
    (PartnerRole.CO_CONTRACTOR, "Maison des métiers du soin", "90000000100017"),
    (PartnerRole.SUBCONTRACTOR, "Atelier des gestes professionnels", "90000000200015"),
)


def day(value: int | date, today: date) -> date:
    """A real date, or so many days from today."""
    return value if isinstance(value, date) else today + timedelta(days=value)


def load_demo() -> None:
    """Create what is missing, known by its number; what was changed since is left alone."""
    today = clock.today()
    with transaction() as session:
        organisations = {one.siret: one for one in session.scalars(select(Organisation))}
        programmes = {one.code: one for one in session.scalars(select(Programme))}
        sites = {one.town: one for one in session.scalars(select(Site).order_by(Site.id.desc()))}
        levels = {one.number: one for one in session.scalars(select(Level))}
        numbers = set(session.scalars(select(Action.number)))
        for demo in CONTRACTS:
            contract = session.scalar(select(Contract).where(Contract.number == demo.number))
            if contract is None:
                contract = Contract(
                    organisation_id=organisations[demo.siret].id, number=demo.number, label=demo.lot_label, lot_number=demo.lot,
                    lot_label=demo.lot_label, territory=demo.territory, kind=demo.kind.value, programme=programmes[demo.programme],
                )  # fmt: skip
                session.add(contract)
                session.flush()
            for action in demo.actions:
                if action.number not in numbers:
                    _add(contract, action, today, levels, sites)
        _add_partners()


def _add(contract: Contract, demo: DemoAction, today: date, levels: dict[int, Level], sites: dict[str, Site]) -> None:
    start, end = day(demo.start, today), day(demo.end, today)
    action = Action(
        organisation_id=contract.organisation_id, contract=contract, number=demo.number, title=demo.title, year=start.year,
        planned_start=start, planned_end=end, esf_cofunded=demo.esf,
    )  # fmt: skip
    db.session.add(action)
    for position, (title, level, centre, company) in enumerate(demo.components, start=1):
        component = Component(
            action=action, number=f"{position:02d}", title=title, level=levels.get(level), planned_start=start, planned_end=end,
            hours_centre=Decimal(centre), hours_company=Decimal(company), places=20, certif_info=f"{83_000 + position}",
            formacode="43436",
        )  # fmt: skip
        db.session.add(component)
        db.session.add_all(ComponentSite(component=component, site=sites[town]) for town in demo.sites)
    db.session.flush()
    _add_sessions(action, today, sites[demo.sites[0]])


def _add_partners() -> None:
    """Partners of one action, when it has none: those that its contract began with."""
    action = db.session.scalar(select(Action).where(Action.number == PARTNERED))
    if action is None or partners_of(action.id):
        return
    db.session.add_all(
        ActionPartner(
            organisation_id=action.organisation_id, action_id=action.id, role=role.value, legal_name=name, siret=siret, starts_on=action.planned_start
        )
        for role, name, siret in PARTNERS
    )


def _add_sessions(action: Action, today: date, site: Site) -> None:
    """Two sessions of the first component, one after the other, with an information meeting before the second."""
    component = action.components[0]
    middle = component.planned_start + (component.planned_end - component.planned_start) / 2
    sessions.create_session(component.id, SessionPlan(component.planned_start, middle, site.id, 10))
    second = sessions.create_session(component.id, SessionPlan(middle + timedelta(days=1), component.planned_end, site.id, 10))
    held_on = max(min(today + timedelta(days=14), component.planned_end), component.planned_start)
    sessions.add_meeting(second, sessions.MeetingPlan(held_on, time(14, 0), str(site), "Se munir d’une pièce d’identité."))
