"""Correcting who a trainee is: the NIR known at last, a name that AGORA refused.  What waited for it leaves, what was refused leaves again.

Source: guide 000 (an NIA is not sent), domain-facts §5.  The search is that of the registration (``services.identity``).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import selectinload

from app.actions.domain import ActionStatus, registration_blockers
from app.actions.models import Action, Contract
from app.actions.services import lock_action
from app.core import clock, context
from app.core.concurrency import check_version, save_versioned
from app.core.extensions import db
from app.core.nir import Nir, NirKind
from app.core.nir.reading import reveal_for_partner
from app.core.nir.storage import nir_index, store_nir
from app.core.outbox.publishing import NewMessage, publish_many
from app.core.tenancy import whole_organisation
from app.core.transaction import transaction
from app.reference.models import Programme

from ..domain import AgoraState, IdentitySource, IdentityState, Problem, ProblemCode, Refused, birth_date_problem, is_refused_for_identity
from ..life import EnrolmentEvent, told_as
from ..models import Enrolment, Registration, Trainee
from ..standing import file_status, outcome_of
from .enrolment import (
    CHANGE,
    CLOSE,
    CREATE,
    PARTNER,
    change_params,
    creations_underway,
    hold_messages,
    ordering_key,
    resend_refused,
    since_entry,
    tell_changes,
)
from .identity import Person, Search, bearer_of, known_by_number, read_search, start_search
from .identity import same_person as same_person_as
from .locking import locked
from .registration import one_at_a_time, put_person


def may_correct(registration: Registration, enrolments: Sequence[Enrolment]) -> bool:
    """Whether this person's identity is to be mended here: no NIR yet, typed by hand, or refused by AGORA.

    Not where no number may be asked (AVENIR), nor once the action is over; what AGORA confirmed, or the
    Région corrected, stays.
    """
    action, trainee = registration.action, registration.trainee
    if registration_blockers(action.status) or not action.contract.programme.nir_required:
        return False
    refused = any(is_refused_for_identity(one.agora_refusal) for one in enrolments if one.agora_state == AgoraState.REJECTED)
    return trainee.nir_kind != NirKind.NIR or trainee.identity_source == IdentitySource.TYPED or refused


def present_number(trainee: Trainee) -> Nir | None:
    """The NIR the trainee has, to ask AGORA about it again; the reading is journaled.  None for an NIA, or without number."""
    if trainee.nir_kind != NirKind.NIR:
        return None
    with transaction():
        db.session.refresh(trainee, ["nir_ciphertext"])
        return reveal_for_partner([trainee], reason="correction de l’identité").get(trainee.id)


def search_again(registration: Registration, nir: Nir, birth_name: str) -> uuid.UUID:
    """Ask AGORA who bears this number under this name; where the programme is outside the flow nobody is asked, and the identity is typed.

    Raises Refused when another trainee of the organisation has the number.
    """
    action = registration.action
    _refuse_if_taken(action.id, registration.trainee_id, nir)
    return start_search(
        organisation_id=action.organisation_id,
        action_id=action.id,
        nir=nir,
        birth_name=birth_name,
        actor_id=context.actor_id(),
        ask=action.contract.programme.agora_enabled,
    )


def _refuse_if_taken(action_id: int, trainee_id: int, nir: Nir) -> None:
    known = known_by_number(nir, action_id)
    if known is not None and known.trainee.id != trainee_id:
        raise Refused(Problem("nir", ProblemCode.NUMBER_TAKEN, {"name": known.trainee.display_name}))


#: The civil status that is typed when AGORA does not tell it.
CIVIL_STATUS = ("civility", "birth_name", "usual_name", "first_name", "birth_date", "gender")


def is_somebody_else(trainee: Trainee, found: Search) -> bool:
    """Whether AGORA knows the number under another identity than the one known here: the number of somebody else, or a name to mend."""
    return found.person is not None and not same_person_as(Person.of(trainee), found.person)


def correct_identity(registration_id: int, search: uuid.UUID, typed: Person | None, form: Any, *, version: int, same_person: bool) -> Trainee:
    """Give the trainee the number that was searched, and AGORA's civil status or, without an answer, the one typed.

    ``form`` is the ``VersionedForm`` that ``typed`` was read from: what somebody else corrected meanwhile stays.  AGORA's own answer is
    taken whole, for the ``version`` that the page showed; where it differs from the identity known here, only when ``same_person`` was
    said of it, since the number may be somebody else's.  Enrolments that waited for a NIR are sent, with the exit and the closing that
    followed; refused ones are sent again; files that AGORA holds are told the change.  Raises LookupError, ``core.concurrency.StaleError``, or Refused.
    """
    with transaction() as session:
        registration = session.get(Registration, registration_id)
        found = read_search(search)
        if registration is None or found is None or found.action_id != registration.action_id:
            raise LookupError(registration_id)
        action = lock_action(registration.action_id, share=True)
        if registration_blockers(action.status):
            raise Refused(Problem("", ProblemCode.NO_MORE_TRAINEE, {"status": action.status}))
        if found.state is IdentityState.MISMATCH:
            raise Refused(Problem("birth_name", ProblemCode.NAME_MISMATCH))
        person = found.person or (None if found.state is IdentityState.PENDING else typed)
        if person is None:
            raise Refused(Problem("", ProblemCode.NO_ANSWER))
        problem = birth_date_problem(person.birth_date, clock.today())
        if problem:
            raise Refused(problem)
        trainee_id, organisation_id = registration.trainee_id, action.organisation_id
        with whole_organisation():  # a person is the organisation's: so are the files to send, whatever actions the account is limited to

            def write(trainee: Trainee) -> None:
                if found.person is None:
                    if trainee.nir_hash not in (None, nir_index(found.nir)):
                        check_version(trainee, version)  # the number is on no form: another one given meanwhile is not replaced unasked
                    save_versioned(trainee, form, CIVIL_STATUS)
                    trainee.rename()
                else:
                    check_version(trainee, version)
                    if is_somebody_else(trainee, found) and not same_person:
                        raise Refused(Problem("same_person", ProblemCode.SOMEBODY_ELSE))
                    put_person(trainee, person)
                trainee.identity_source = (IdentitySource.AGORA if found.person else IdentitySource.TYPED).value
                trainee.identity_finding, trainee.identity_checked_at = ("same", clock.now()) if found.person else (None, None)

            trainee = settle(organisation_id, trainee_id, found.nir, write)
    return trainee


def settle(organisation_id: int, trainee_id: int, nir: Nir | None, write: Callable[[Trainee], None]) -> Trainee:
    """Write who a trainee is, with the number if one is given, and send all that waited for it; in the transaction and the scope of its organisation.

    ``write`` puts the civil status on the locked row, or raises to refuse.  Raises LookupError, or Refused when somebody else of the
    organisation has the number.
    """
    session = db.session
    if nir is not None:
        one_at_a_time(organisation_id, nir.value)
        bearer = bearer_of(nir)
        if bearer is not None and bearer.id != trainee_id:
            raise Refused(Problem("nir", ProblemCode.NUMBER_TAKEN, {"name": bearer.display_name}))
    of_trainee = select(Registration.id).where(Registration.trainee_id == trainee_id)
    # No action of this person closes meanwhile: its closing would miss what leaves here.
    actions = select(Registration.action_id).where(Registration.trainee_id == trainee_id)
    session.execute(select(Action.id).where(Action.id.in_(actions)).order_by(Action.id).with_for_update(read=True)).all()
    enrolment_ids = list(session.scalars(select(Enrolment.id).where(Enrolment.registration_id.in_(of_trainee))))
    messages = hold_messages(*enrolment_ids)
    trainee = locked(Trainee, trainee_id)
    write(trainee)
    if nir is not None:
        store_nir(trainee, nir)
    session.flush()
    renamed = update(Registration).where(Registration.trainee_id == trainee_id).values(sort_name=trainee.sort_name)
    session.execute(renamed.execution_options(synchronize_session=False))
    changes = creations_underway(messages)
    if trainee.nir_kind == NirKind.NIR:
        changes += _send_what_waited(enrolment_ids)
    tell_changes(changes, messages)
    for one in session.scalars(of_trainee).all():
        resend_refused(one)
    session.flush()
    return trainee


def _send_what_waited(enrolment_ids: Sequence[int]) -> list[NewMessage]:
    """Publish the files that waited for the NIR, whole and in order; returns the changes to tell of those that AGORA holds."""
    statement = (
        select(Enrolment, Action.status, Action.closed_at)
        .join(Action, Action.id == Enrolment.action_id)
        .join(Contract, Contract.id == Action.contract_id)
        .join(Programme, Programme.id == Contract.programme_id)
        .where(Enrolment.id.in_(enrolment_ids), Programme.agora_enabled)
        .options(selectinload(Enrolment.interruptions))
        .order_by(Enrolment.id)
        .with_for_update(of=Enrolment)
    )
    messages: list[NewMessage] = []
    changes: list[NewMessage] = []
    for enrolment, status, closed_at in db.session.execute(statement).all():

        def message(operation: str, params: dict[str, str] | None = None, *, of: Enrolment = enrolment) -> NewMessage:
            return NewMessage(operation, "enrolment", of.id, ordering_key(of.id), of.organisation_id, params or {})

        if enrolment.agora_state == AgoraState.WAITING_NIR:
            messages.append(message(CREATE))
            messages += [message(operation, params) for operation, params in since_entry(enrolment)]
            if status == ActionStatus.CLOSED and closed_at is not None:
                messages.append(message(CLOSE, {"date": clock.to_local(closed_at).date().isoformat(), "outcome": outcome_of(enrolment).value}))
            enrolment.agora_state = AgoraState.WAITING.value
        elif _takes_a_change(enrolment):
            changes.append(message(CHANGE, change_params()))
    db.session.flush()
    publish_many(PARTNER, messages)
    return changes


def _takes_a_change(enrolment: Enrolment) -> bool:
    """Whether AGORA holds the file and is to learn the new identity; a change that it refused says it when it is sent again."""
    if enrolment.agora_number is None or enrolment.cancelled_at is not None or told_as(file_status(enrolment), EnrolmentEvent.CHANGE) is None:
        return False
    return enrolment.agora_state != AgoraState.REJECTED or (enrolment.agora_refusal or {}).get("operation") != CHANGE
