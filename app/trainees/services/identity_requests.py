"""« Demande de correction d'identité »: asked by the organisation, decided by the Région; validated, it is applied and sent to AGORA at once.

What an organisation corrects by itself (``services.correction.may_correct``) needs no request: this is for an identity that AGORA confirmed,
that was transmitted, or that no number goes with.  Source: domain-facts §4.2 ("demande de modification du NIR").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload, undefer

from app.accounts.models import User
from app.accounts.queries import OPEN
from app.actions.domain import ActionStatus
from app.actions.queries import tile_count
from app.actions.services import actor_name
from app.core import clock, context, crypto
from app.core.concurrency import check_version
from app.core.documents.intake import Incoming, check_all
from app.core.extensions import db
from app.core.mail import public_link, send_mail
from app.core.mail.services import InvalidAddress
from app.core.nir import Nir
from app.core.nir.number import parse
from app.core.nir.storage import nir_aad, nir_candidates, store_nir
from app.core.tenancy import Scope, bound_scope, whole_organisation
from app.core.transaction import transaction

from ..domain import CorrectionState, IdentitySource, Problem, ProblemCode, Refused, birth_date_problem
from ..identity_models import IdentityCorrection
from ..models import Enrolment, Registration, Trainee
from . import identity_documents
from .correction import may_correct, settle
from .identity import Person, bearer_of
from .locking import locked
from .registration import put_person

log = structlog.get_logger(__name__)

MAX_REASON = 2_000
#: Key of ``before`` under which the number of that moment is known, until the decision.
_HASH = "nir_hash"


def may_ask(registration: Registration, enrolments: Sequence[Enrolment]) -> bool:
    """Whether the identity is corrected by a request: not by the organisation itself, nor on a cancelled action."""
    return registration.action.status != ActionStatus.CANCELLED and not may_correct(registration, enrolments)


def pending_of(trainee_id: int) -> IdentityCorrection | None:
    """The request of this trainee that waits, if any."""
    statement = select(IdentityCorrection).where(IdentityCorrection.trainee_id == trainee_id, IdentityCorrection.state == CorrectionState.PENDING.value)
    return db.session.scalars(statement).one_or_none()


def get_correction(correction_id: int) -> IdentityCorrection | None:
    """One request with the person; None outside the scope."""
    return db.session.scalars(
        select(IdentityCorrection)
        .where(IdentityCorrection.id == correction_id)
        .options(joinedload(IdentityCorrection.trainee), joinedload(IdentityCorrection.organisation))
        .execution_options(populate_existing=True)
    ).one_or_none()


def pending_count() -> int:
    """How many requests wait for a decision, for a tile of the home page: see ``actions.queries.tile_count``."""
    return db.session.scalar(select(tile_count(select(IdentityCorrection.id).where(IdentityCorrection.state == CorrectionState.PENDING.value)))) or 0


def registration_of(trainee_id: int) -> int | None:
    """The latest sheet of the person that the account may see, to go back to."""
    statement = select(Registration.id).where(Registration.trainee_id == trainee_id).order_by(Registration.id.desc()).limit(1)
    return db.session.scalar(statement)


def ask(registration_id: int, person: Person, nir: Nir | None, reason: str, *, version: int, documents: Sequence[Incoming] = ()) -> int:
    """Ask for another civil status, or another NIR, with the documents that show it; ``version`` is the trainee's, as the page showed it.

    Raises LookupError, ``core.concurrency.StaleError``, Refused, ``core.documents.intake.FilesRefused``, or IntegrityError when a request
    waits already.
    """
    checked = check_all(documents)
    with transaction() as session:
        registration = session.get(Registration, registration_id)
        if registration is None:
            raise LookupError(registration_id)
        trainee = locked(Trainee, registration.trainee_id)
        check_version(trainee, version)
        problem = birth_date_problem(person.birth_date, clock.today())
        if problem is not None:
            raise Refused(problem)
        session.refresh(trainee, ["nir_hash"])
        if trainee.nir_kind is None:
            nir = None  # where no number was asked (AVENIR) none is taken: the page has no box for it
        same_number = nir is None or trainee.nir_hash in nir_candidates(nir)
        if same_number and person == Person.of(trainee):
            raise Refused(Problem("", ProblemCode.NOTHING_CHANGES))
        if nir is not None and not same_number:
            _refuse_if_taken(trainee, nir)
        actor = context.actor_id()
        correction = IdentityCorrection(
            organisation_id=trainee.organisation_id, trainee_id=trainee.id, reason=reason.strip()[:MAX_REASON],
            asked_by_id=actor, asked_by_name=actor_name(actor),
            before={**Person.of(trainee).to_json(), "nir_masked": trainee.nir_masked, _HASH: _hex(trainee)}, **_columns(person),
        )  # fmt: skip
        session.add(correction)
        session.flush()
        if nir is not None and not same_number:
            store_nir(correction, nir)
            session.flush()
        identity_documents.put_with(correction, checked)
        return correction.id


def withdraw(correction_id: int, *, version: int) -> None:
    """Give up a request that waits: its documents go.  Raises LookupError, StaleError, or Refused when it was decided meanwhile."""
    with transaction():
        correction = _waiting(correction_id, version)
        identity_documents.drop_of(correction)
        _close(correction, CorrectionState.WITHDRAWN, "")


def decide(correction_id: int, *, validate: bool, observations: str, version: int) -> IdentityCorrection:
    """Validate, which applies the request and tells AGORA, or refuse with an observation.

    Raises LookupError, StaleError, or Refused: decided meanwhile, changed meanwhile, or the number is another trainee's.
    """
    with transaction() as session:
        correction = _waiting(correction_id, version)
        trainee_id, organisation_id = correction.trainee_id, correction.organisation_id
        said = observations.strip()[:MAX_REASON]
        if not validate and not said:
            raise Refused(Problem("observations", ProblemCode.REASON_MISSING))
        if validate:
            nir = _number(correction)
            person = Person.of(correction)
            before, number_before = Person.from_json(correction.before), correction.before[_HASH]

            def write(trainee: Trainee) -> None:
                session.refresh(trainee, ["nir_hash"])
                if Person.of(trainee) != before or _hex(trainee) != number_before:
                    raise Refused(Problem("", ProblemCode.CHANGED_SINCE))
                put_person(trainee, person)
                trainee.identity_source = IdentitySource.REGION.value  # AGORA is asked again, and confirms it
                trainee.identity_finding = trainee.identity_checked_at = None

            with bound_scope(Scope.organisation(organisation_id)):
                settle(organisation_id, trainee_id, nir, write)
            correction = _waiting(correction_id, version)
        _close(correction, CorrectionState.VALIDATED if validate else CorrectionState.REFUSED, said)
        session.flush()
        _tell(correction)
    log.info("identity_correction_decided", correction=correction_id, validated=validate)
    return correction


# ---- parts -------------------------------------------------------------------------------------------------------------


def _columns(person: Person) -> dict[str, Any]:
    return {
        "civility": person.civility.value, "birth_name": person.birth_name, "usual_name": person.usual_name, "first_name": person.first_name,
        "birth_date": person.birth_date, "gender": person.gender.value,
    }  # fmt: skip


def _hex(trainee: Trainee) -> str | None:
    """Which number somebody has, for ``before``: the masked form is that of many numbers."""
    return trainee.nir_hash.hex() if trainee.nir_hash is not None else None


def _refuse_if_taken(trainee: Trainee, nir: Nir) -> None:
    trainee_id = trainee.id
    with whole_organisation():
        bearer = bearer_of(nir)
        if bearer is not None and bearer.id != trainee_id:
            raise Refused(Problem("nir", ProblemCode.NUMBER_TAKEN, {"name": bearer.display_name}))


def _number(correction: IdentityCorrection) -> Nir | None:
    """The number asked for; it goes from one encrypted column to another, nobody reads it."""
    db.session.refresh(correction, ["nir_ciphertext"])
    if correction.nir_ciphertext is None:
        return None
    place = nir_aad(IdentityCorrection.__tablename__, correction.seal_uid)
    return parse(crypto.cipher().decrypt_text(correction.nir_ciphertext, place))


def _waiting(correction_id: int, version: int) -> IdentityCorrection:
    correction = db.session.scalars(
        select(IdentityCorrection)
        .where(IdentityCorrection.id == correction_id)
        .options(undefer(IdentityCorrection.nir_ciphertext))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if correction is None:
        raise LookupError(correction_id)
    if correction.state != CorrectionState.PENDING:
        raise Refused(Problem("", ProblemCode.DECIDED))
    check_version(correction, version)
    return correction


def _close(correction: IdentityCorrection, state: CorrectionState, observations: str) -> None:
    masked = correction.nir_masked
    store_nir(correction, None)
    correction.nir_masked = masked
    correction.before = {name: value for name, value in correction.before.items() if name != _HASH}
    actor = context.actor_id()
    correction.state, correction.observations, correction.decided_at = state.value, observations, clock.now()
    correction.decided_by_id, correction.decided_by_name = actor, actor_name(actor)


def _tell(correction: IdentityCorrection) -> None:
    """To who asked and to the principal of the organisation, as long as they may sign in: what the Région decided, without a word about the person."""
    told = or_(User.id == correction.asked_by_id, User.is_principal.is_(True))
    for user in db.session.scalars(select(User).where(User.organisation_id == correction.organisation_id, OPEN, told).order_by(User.id)).unique():
        variables = {
            "first_name": user.first_name,
            "last_name": user.last_name,
            "validated": correction.state == CorrectionState.VALIDATED,
            "asked_at": correction.asked_at,
            "asked_by": correction.asked_by_name,
            "link": public_link("IdentityCorrectionsView.show", correction_id=correction.id),
        }
        try:
            send_mail(user.email, "identity_correction_decided", variables, organisation_id=correction.organisation_id)
        except InvalidAddress:
            log.warning("mail_not_sent", account=user.id, reason="address")
