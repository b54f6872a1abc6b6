"""Trainees of the demonstration, all made up, through the use cases themselves: AGORA's sandbox really receives them.

Runs once per action: an action that has a trainee already is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select

from app.actions import services as actions
from app.actions.domain import BillingPeriod, DeclarationFrequency
from app.actions.models import Action, Component, ComponentSite
from app.core import clock
from app.core.extensions import db
from app.core.nir import Nir, compute_key, parse
from app.core.transaction import transaction
from app.partners.agora.port import Civility, DisabilityStatus, Gender
from app.reference import models as reference
from app.reference.queries import active, by_code

from .domain import EnrolmentPlan, EsfAnswer, EsfState, IdentitySource
from .models import Registration
from .services.enrolment import enrol, record_exit
from .services.identity import Person
from .services.registration import Newcomer, register


@dataclass(frozen=True, slots=True)
class Demo:
    """One person: the number is 13 characters without the key, empty where none may be asked."""

    name: str
    first_name: str
    born: date
    gender: Gender
    number: str = ""
    esf: EsfState = EsfState.COMPLETE


@dataclass(frozen=True, slots=True)
class Scene:
    """One action: who is on it, since how many days, and how far it went."""

    action: str
    people: tuple[Demo, ...]
    entered: int  # days since the first entry
    opened: bool = True
    left: int = 0  # how many have left, from the first on
    closed: bool = False


M, F = Gender.MALE, Gender.FEMALE

SCENES: tuple[Scene, ...] = (
    Scene("19Q01762009_5", (
        Demo("ALBA", "Elis", date(1994, 3, 12), F, "2940331555021"),
        Demo("ANDRIEU", "Gilles", date(1979, 5, 6), M, "1790531555034", EsfState.LATER),
        Demo("BARTHE", "Manon", date(2001, 9, 23), F, "2010931555047"),
        Demo("CAZALS", "Hugo", date(1988, 11, 2), M, "1881111262058"),
        Demo("DUCLOS", "Samira", date(1990, 1, 30), F, "2900199352061", EsfState.LATER),
        Demo("ESTÈVE", "Paul", date(1985, 7, 14), M, "1850731555072"),
        Demo("FAURE", "Léonie", date(1999, 12, 5), F, "2991231555083"),
        Demo("N’GUESSAN", "Awa", date(1996, 6, 18), F, "7960699326094"),
    ), entered=80, left=1),
    Scene("23C00390257_2", (
        Demo("GALINIER", "Théo", date(2000, 2, 9), M, "1000231555105"),
        Demo("HAMIDOU", "Nour", date(1992, 10, 21), F, "2921099350116"),
        Demo("IZARD", "Camille", date(1998, 4, 27), F, "2980411262127"),
        Demo("JOULIA", "Bastien", date(1983, 8, 3), M, "1830831555138"),
        Demo("KERBRAT", "Soizic", date(1995, 5, 16), F, "2950529019149"),
        Demo("LAGARDE", "Amine", date(1991, 1, 8), M, "1910131555150"),
    ), entered=110),
    Scene("19Q01762009_4", (
        Demo("MARTY", "Chloé", date(1993, 9, 11), F, "2930931555161"),
        Demo("NAUDI", "Rémi", date(1987, 3, 19), M, "1870331555172"),
        Demo("OLIVIER", "Sarah", date(1989, 12, 24), F, "2891231555183"),
    ), entered=410, left=2),
    Scene("19Q01762009_3", (
        Demo("PUJOL", "Vincent", date(1980, 6, 7), M, "1800631555194"),
        Demo("QUERCY", "Anaïs", date(1986, 2, 28), F, "2860231555205"),
    ), entered=790, left=2, closed=True),
    Scene("24A00120031_1", (
        Demo("ROQUES", "Enzo", date(2006, 4, 4), M),
        Demo("SAUREL", "Inaya", date(2005, 10, 17), F),
    ), entered=50),
    Scene("25F00310024_1", (
        Demo("ZIDANE", "Lina", date(1998, 3, 3), F, "2980331555261"),
        Demo("ZUCCARELLI", "Marc", date(1991, 11, 12), M, "1911111262272"),
    ), entered=295, left=2),
    Scene("22P00210044_1", (
        Demo("TISSEYRE", "Jordan", date(1997, 1, 25), M, "1970111262216"),
        Demo("URBAIN", "Maëlle", date(1994, 8, 13), F, "2940811262227"),
        Demo("VIDAL", "Farid", date(1982, 5, 29), M, "1820599352238"),
    ), entered=70),
    Scene("19Q00100155_2", (
        Demo("WEBER", "Florian", date(1990, 7, 6), M, "1900711206249"),
        Demo("YCHÉ", "Margaux", date(1999, 11, 30), F, "2991111206250"),
    ), entered=370, left=1),
)  # fmt: skip


def _nir(demo: Demo) -> Nir | None:
    return parse(demo.number, compute_key(demo.number)) if demo.number else None


def load_demo() -> None:
    """Register, enrol, open, let leave and close as the scenes say."""
    today = clock.today()
    by_number = {one.number: one.id for one in db.session.execute(select(Action.id, Action.number))}
    started = set(db.session.scalars(select(Registration.action_id).distinct()))
    for scene in SCENES:
        action_id = by_number.get(scene.action)
        if action_id is not None and action_id not in started:
            with transaction():
                _play(action_id, scene, today)


def _play(action_id: int, scene: Scene, today: date) -> None:
    session = db.session
    action = session.get_one(Action, action_id)
    components = list(session.scalars(select(Component).where(Component.action_id == action_id).order_by(Component.number)))
    entry = max(today - timedelta(days=scene.entered), action.planned_start)
    enrolled: list[tuple[int, Component, date]] = []
    for position, demo in enumerate(scene.people):
        component = components[position % len(components)]
        start = entry + timedelta(days=7 * (position // 3))
        person = Person(Civility.MR if demo.gender is M else Civility.MRS, demo.name, None, demo.first_name, demo.born, demo.gender)
        nir = _nir(demo)
        source = IdentitySource.AGORA if nir is not None and nir.kind == "NIR" else IdentitySource.TYPED
        details = _details(position, demo, cofunded=action.esf_cofunded)
        registration_id = register(action_id, Newcomer(person, source, nir), details)
        plan = EnrolmentPlan(start, component.planned_end, _site(component), component.hours_centre, component.hours_company)
        enrolled.append((enrol(registration_id, component.id, plan), component, start))
    if scene.opened:
        actions.open_action(action_id, actions.Opening(entry, DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))
    done, early = by_code(reference.ExitReason, "FIN"), by_code(reference.ExitReason, "EMPLOI")
    for position, (enrolment_id, component, start) in enumerate(enrolled[: scene.left]):
        finished = component.planned_end <= today and position % 2 == 0
        end = component.planned_end if finished else min(start + timedelta(days=45), today)
        reason = done if finished else early
        assert reason is not None  # noqa: S101 - seeded with the reference lists
        record_exit(enrolment_id, actual_end=end, exit_reason_id=reason.id, version=1)
    if scene.closed:
        actions.close_action(action_id)


def _site(component: Component) -> int:
    statement = select(ComponentSite.site_id).where(ComponentSite.component_id == component.id).order_by(ComponentSite.id).limit(1)
    return db.session.scalars(statement).one()


def _first(model: type[Any], position: int = 0) -> Any:
    values = active(model)
    return values[position % len(values)].id


def _details(position: int, demo: Demo, *, cofunded: bool) -> dict[str, Any]:
    """A plausible sheet; addresses, phones and e-mails lead to nobody."""
    registered = position % 3 != 2
    details: dict[str, Any] = {
        "nationality_id": _first(reference.Nationality),
        "street_number": str(3 + 2 * position),
        "street_type_id": _first(reference.StreetType, position),
        "street_name": "des Violettes",
        "postal_code": "31000",
        "town": "Toulouse",
        "insee_code": "31555",
        "mobile": f"+3360000{position + 10:04d}",
        "email": f"stagiaire{position + 1}@example.org",
        "public_category_id": _first(reference.PublicCategory, 2),
        "general_objective_id": _first(reference.GeneralObjective),
        "professional_situation_id": _first(reference.ProfessionalSituation, position % 2),
        "ft_registered": registered,
        "ft_number": f"{8783435 + position}M" if registered else None,
        "receives_are": position % 4 == 0,
        "receives_rsa": position % 5 == 1,
        "receives_aah": False,
        "receives_other": False,
        "boe": (DisabilityStatus.YES if position == 5 else DisabilityStatus.NO).value,
        "school_leaver": demo.born.year >= 2005,
        "entry_level_id": _first(reference.Level, 2 + position % 3),
        "last_class_id": _first(reference.LastClass, 3),
        "highest_diploma_id": _first(reference.HighestDiploma, 3),
        "highest_level_id": _first(reference.Level, 2 + position % 3),
        "esf_state": (demo.esf if cofunded else EsfState.NOT_CONCERNED).value,
    }
    if cofunded and demo.esf is EsfState.COMPLETE:
        details |= {"esf_parent_abroad": EsfAnswer.NO.value, "esf_birth_postal_code": "31000", "esf_homeless": EsfAnswer.NO.value}
    return details
