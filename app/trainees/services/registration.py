"""The sheet of a trainee on an action (fiche stagiaire): one transaction makes the person, if new, and the sheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from app.actions import domain as action_rules
from app.actions.domain import ActionStatus
from app.actions.services import lock_action, recheck_declarations
from app.core import clock, crypto, textsearch
from app.core.concurrency import save_versioned
from app.core.extensions import db
from app.core.nir import Nir
from app.core.nir.storage import store_nir
from app.core.tenancy import whole_organisation
from app.core.transaction import transaction
from app.reference.queries import named_town

from ..domain import EsfState, IdentitySource, Problem, ProblemCode, Refused, birth_date_problem
from ..models import Enrolment, Registration, Trainee
from .identity import Known, Person, known_by_civil_status, known_by_number
from .locking import locked

#: Columns of a registration that the wizard fills in; nothing else of what is posted ever reaches the row.
DETAIL_COLUMNS = frozenset(
    {
        "nationality_id",
        "street_number",
        "street_extension",
        "street_type_id",
        "street_name",
        "address_complement",
        "special_mention",
        "postal_code",
        "town",
        "insee_code",
        "cedex",
        "mobile",
        "landline",
        "email",
        "other_information",
        "public_category_id",
        "general_objective_id",
        "professional_situation_id",
        "ft_registered",
        "ft_registered_on",
        "ft_number",
        "ft_agency_code",
        "receives_are",
        "receives_rsa",
        "receives_aah",
        "receives_other",
        "boe",
        "school_leaver",
        "entry_level_id",
        "last_class_id",
        "last_class_year",
        "highest_diploma_id",
        "highest_level_id",
        "highest_level_year",
        "esf_state",
        "esf_parent_abroad",
        "esf_birth_postal_code",
        "esf_homeless",
    }
)


@dataclass(frozen=True, slots=True, repr=False)
class Newcomer:
    """The person to register: civil status, where it comes from, and the number (None where none may be asked)."""

    person: Person
    source: IdentitySource
    nir: Nir | None


class AlreadyRegistered(Exception):
    """The person is on the action already, under ``registration_id``."""

    def __init__(self, registration_id: int) -> None:
        super().__init__(registration_id)
        self.registration_id = registration_id


def register(action_id: int, newcomer: Newcomer, details: dict[str, Any]) -> int:
    """Register a person on an action; returns the registration's id.

    Raises ``actions.services.ActionNotFound``, AlreadyRegistered, or Refused when the action takes nobody any more.
    A programme that asks for no NIR never stores one, whatever is given.
    """
    with transaction() as session:
        action = lock_action(action_id, share=True)
        if action_rules.registration_blockers(action.status):
            raise Refused(Problem("", ProblemCode.NO_MORE_TRAINEE, {"status": action.status}))
        programme = action.contract.programme
        nir = newcomer.nir if programme.nir_required else None
        if programme.nir_required and nir is None:
            raise ValueError("this programme asks for a NIR or NIA")
        problem = birth_date_problem(newcomer.person.birth_date, clock.today())
        if problem:
            raise Refused(problem)
        organisation_id = action.organisation_id
        with whole_organisation():
            one_at_a_time(organisation_id, newcomer.nir.value if newcomer.nir else _civil_essence(newcomer.person))
            known = known_by_number(nir, action_id) if nir else known_by_civil_status(newcomer.person, action_id)
            if known and known.registration_id is not None:
                raise AlreadyRegistered(known.registration_id)
            trainee = _take_over(known, newcomer) if known else _create(organisation_id, newcomer, nir)
            session.flush()
            trainee_id, sort_name = trainee.id, trainee.sort_name
        registration = Registration(organisation_id=organisation_id, action_id=action_id, trainee_id=trainee_id, sort_name=sort_name)
        apply_details(registration, details, cofunded=action.esf_cofunded)
        session.add(registration)
        session.flush()
        recheck_declarations([action_id])
        return registration.id


def _civil_essence(person: Person) -> str:
    return textsearch.fold(f"{person.birth_name} {person.first_name}")


def one_at_a_time(organisation_id: int, essence: str) -> None:
    """Two windows giving the organisation the same person wait for each other, so that the second finds what the first made."""
    digest = crypto.blind_index(f"{organisation_id}:{essence}", purpose="registration-lock")
    key = int.from_bytes(digest[:8], "big", signed=True)
    db.session.execute(select(func.pg_advisory_xact_lock(key)))


def _create(organisation_id: int, newcomer: Newcomer, nir: Nir | None) -> Trainee:
    trainee = Trainee(organisation_id=organisation_id, identity_source=newcomer.source.value)
    put_person(trainee, newcomer.person)
    if nir is not None:
        store_nir(trainee, nir)
    db.session.add(trainee)
    return trainee


def _take_over(known: Known, newcomer: Newcomer) -> Trainee:
    """Keep the known person; what AGORA says now replaces what had been typed."""
    trainee = known.trainee
    if newcomer.source is IdentitySource.AGORA and not known.certain:
        put_person(trainee, newcomer.person)
        trainee.identity_source = IdentitySource.AGORA.value
        trainee.identity_finding = "same"
    return trainee


def put_person(trainee: Trainee, person: Person) -> None:
    """Copy a civil status, and what is computed from it."""
    trainee.civility = person.civility.value
    trainee.birth_name = person.birth_name
    trainee.usual_name = person.usual_name
    trainee.first_name = person.first_name
    trainee.birth_date = person.birth_date
    trainee.gender = person.gender.value
    trainee.rename()


def apply_details(registration: Registration, details: dict[str, Any], *, cofunded: bool) -> None:
    """Copy the allowed columns; what depends on an answer that is "no" is emptied."""
    for name in DETAIL_COLUMNS & details.keys():
        setattr(registration, name, details[name])
    for name, value in emptied({"ft_registered": registration.ft_registered, "esf_state": registration.esf_state}, cofunded=cofunded).items():
        setattr(registration, name, value)


def emptied(values: Mapping[str, Any], *, cofunded: bool) -> dict[str, Any]:
    """The columns of a sheet that an answer of another one leaves without object, as they have to be."""
    out: dict[str, Any] = {}
    if not values.get("ft_registered"):
        out |= dict.fromkeys(("ft_number", "ft_registered_on", "ft_agency_code"))
    if not cofunded:
        out["esf_state"] = EsfState.NOT_CONCERNED.value
    if out.get("esf_state", values.get("esf_state")) != EsfState.COMPLETE:
        out |= dict.fromkeys(("esf_parent_abroad", "esf_birth_postal_code", "esf_homeless"))
    return out


def update_registration(registration_id: int, form: Any, fields: tuple[str, ...]) -> set[str]:
    """Write the changed fields of a validated form (a ``VersionedForm``); returns their names.

    Raises LookupError outside the scope, ``core.concurrency.StaleError`` when somebody changed the same fields meanwhile,
    Refused on a closed action.  A file that AGORA refused is sent again with the mended data; a creation that left already is
    followed by an event with them.
    """
    from .enrolment import hold_messages, resend_refused, tell_sheets

    with transaction() as session:
        action_id = session.scalar(select(Registration.action_id).where(Registration.id == registration_id))
        if action_id is None:
            raise LookupError(registration_id)
        action = lock_action(action_id, share=True)
        enrolment_ids = session.scalars(select(Enrolment.id).where(Enrolment.registration_id == registration_id)).all()
        messages = hold_messages(*enrolment_ids)
        registration = locked(Registration, registration_id)
        if action.status in (ActionStatus.CLOSED, ActionStatus.CANCELLED):
            raise Refused(Problem("", ProblemCode.NO_MORE_TRAINEE, {"status": action.status}))
        changed = save_versioned(registration, form, fields)
        extra: dict[str, Any] = {}
        if {"town", "postal_code"} & changed:  # of the two as they are now: one of them may be somebody else's
            found = named_town(registration.postal_code, registration.town)
            extra["insee_code"] = found.insee_code if found is not None else None
        apply_details(registration, extra, cofunded=action.esf_cofunded)
        session.flush()
        if changed:
            tell_sheets(messages)
        resend_refused(registration.id)
        recheck_declarations([action_id])
    return changed
