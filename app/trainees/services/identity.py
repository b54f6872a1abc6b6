"""Who the person is: number and birth name asked of AGORA, live and without personal data in the queue.

Source: guide 000, "Vérification".  The question and the answer are encrypted in an ``identity_request`` row; the job
carries its id only; the page that asked reads the row.  Purged after an hour.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from app.core import clock, crypto
from app.core.extensions import db
from app.core.jobs import enqueue
from app.core.jobs.signals import heard, say
from app.core.nir import Nir, parse
from app.core.nir.storage import nir_candidates
from app.core.tenancy import whole_organisation
from app.core.transaction import after_commit, transaction
from app.partners.agora.port import Civility, Gender

from ..domain import IdentitySource, IdentityState
from ..models import IdentityRequest, Registration, Trainee

#: The job answers within 3 seconds or not at all; a lost job must not keep anybody waiting either.
PATIENCE = timedelta(seconds=5)
KEPT = timedelta(hours=1)
#: A page that asks this soon waits for the answer rather than ask again; later it holds no web process for a slow partner.
PROMPT = timedelta(milliseconds=350)
#: Without Redis it looks this often (seconds).
_LOOKED_EVERY = 0.1
_TABLE = IdentityRequest.__tablename__


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """A civil status, from AGORA or typed."""

    civility: Civility
    birth_name: str
    usual_name: str | None
    first_name: str
    birth_date: date
    gender: Gender

    def to_json(self) -> dict[str, Any]:
        """Plain values, for an encrypted draft."""
        return {**asdict(self), "birth_date": self.birth_date.isoformat()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Person:
        """What ``to_json`` gave."""
        return cls(
            civility=Civility(data["civility"]),
            birth_name=data["birth_name"],
            usual_name=data.get("usual_name"),
            first_name=data["first_name"],
            birth_date=date.fromisoformat(data["birth_date"]),
            gender=Gender(data["gender"]),
        )

    @classmethod
    def of(cls, trainee: Any) -> Person:
        """The civil status of a known trainee, or the one that a request asks for."""
        return cls(
            Civility(trainee.civility),
            trainee.birth_name,
            trainee.usual_name,
            trainee.first_name,
            trainee.birth_date,
            Gender(trainee.gender),
        )


@dataclass(frozen=True, slots=True, repr=False)
class Search:
    """An identity search as its page sees it."""

    uid: uuid.UUID
    action_id: int
    state: IdentityState
    nir: Nir
    birth_name: str
    person: Person | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A trainee the organisation knows already; ``registration_id`` when already on the action."""

    trainee: Trainee
    registration_id: int | None

    @property
    def certain(self) -> bool:
        """Whether AGORA gave the identity, or the Région corrected it: then there is nothing to ask again."""
        return self.trainee.identity_source != IdentitySource.TYPED


def known_by_number(nir: Nir, action_id: int) -> Known | None:
    """The trainee of the organisation under this number; another organisation's is never seen."""
    return _known(select(Trainee).where(Trainee.nir_hash.in_(nir_candidates(nir))), action_id)


def bearer_of(nir: Nir) -> Trainee | None:
    """Who bears this number in the organisation of the scope."""
    return db.session.scalars(select(Trainee).where(Trainee.nir_hash.in_(nir_candidates(nir)))).one_or_none()


def known_by_civil_status(person: Person, action_id: int) -> Known | None:
    """The old check of programmes without NIR (guide 000, "Avant le déploiement")."""
    probe = Trainee(birth_name=person.birth_name, usual_name=person.usual_name, first_name=person.first_name)
    probe.rename()
    statement = (
        select(Trainee)
        .where(
            Trainee.sort_name == probe.sort_name,
            Trainee.birth_date == person.birth_date,
            Trainee.gender == person.gender.value,
            Trainee.nir_hash.is_(None),
        )
        .order_by(Trainee.id)
        .limit(1)
    )
    return _known(statement, action_id)


def _known(statement: Any, action_id: int) -> Known | None:
    # A person is the organisation's, whatever actions the account is limited to: it would be refused as a double otherwise.
    with whole_organisation() as widened:
        trainee = db.session.scalars(statement).one_or_none()
        if trainee is None:
            return None
        found = db.session.scalar(select(Registration.id).where(Registration.action_id == action_id, Registration.trainee_id == trainee.id))
        if widened:
            db.session.expunge(trainee)  # kept as it was read: outside this block the account may not see it
        return Known(trainee, found)


def start_search(*, organisation_id: int, action_id: int, nir: Nir, birth_name: str, actor_id: int | None, ask: bool = True) -> uuid.UUID:
    """Ask AGORA who this is; returns the reference under which the answer will be found.

    ``ask`` is False where the programme is outside the flow: the question is kept, and nobody answers it.

    The row is the question; the queue only carries its id.  If the queue is down the search stays unanswered and the page
    offers to type the identity.
    """
    with transaction():
        request = IdentityRequest(
            organisation_id=organisation_id,
            action_id=action_id,
            requested_by=actor_id,
            seal_uid=uuid.uuid4(),
        )
        if not ask:
            request.state = IdentityState.UNAVAILABLE.value
        request.question = _seal(request.seal_uid, "question", {"nir": nir.number, "key": nir.key, "name": birth_name})
        db.session.add(request)
        db.session.flush()
        identifier, uid = request.id, request.seal_uid
        if ask:
            after_commit(lambda: enqueue("app.trainees.jobs:search_identity", identifier, queue="realtime"))
    return uid


def read_search(uid: uuid.UUID) -> Search | None:
    """The search and its answer; None when it does not exist within the scope, or no longer.

    Unanswered for too long, it is given as unavailable: nobody waits for a partner.
    """
    request = db.session.scalars(select(IdentityRequest).where(IdentityRequest.seal_uid == uid).execution_options(populate_existing=True)).one_or_none()
    if request is None:
        return None
    question = open_sealed(uid, "question", request.question)
    person = Person.from_json(open_sealed(uid, "answer", request.answer)) if request.answer is not None else None
    state = IdentityState(request.state)
    if state is IdentityState.PENDING and clock.now() - request.created_at > PATIENCE:
        state = IdentityState.UNAVAILABLE
    return Search(
        uid=uid,
        action_id=request.action_id,
        state=state,
        nir=parse(question["nir"], question["key"]),
        birth_name=question["name"],
        person=person,
    )


def await_search(uid: uuid.UUID) -> None:
    """Return as soon as the search is answered, or is no longer young; no transaction is open while it waits."""
    looked_for = select(IdentityRequest.state, IdentityRequest.created_at).where(IdentityRequest.seal_uid == uid)
    until = time.monotonic() + PROMPT.total_seconds()
    with heard(_word(uid)) as hear:  # before the first look: what is said between the two is heard
        while (row := db.session.execute(looked_for).one_or_none()) is not None and (left := until - time.monotonic()) > 0:
            if row.state != IdentityState.PENDING or not timedelta() <= clock.now() - row.created_at < PROMPT:
                return
            db.session.rollback()
            if hear(min(left, _LOOKED_EVERY)):
                return


def _word(uid: uuid.UUID) -> str:
    """What is said aloud when a search is answered: no more than that."""
    return f"identity:{uid.hex}"


def store_answer(uid: uuid.UUID, state: IdentityState, person: Person | None = None) -> None:
    """Keep what AGORA answered; a second run of the job changes nothing."""
    answer = _seal(uid, "answer", person.to_json()) if person else None
    with transaction() as session:
        session.execute(
            update(IdentityRequest)
            .where(IdentityRequest.seal_uid == uid, IdentityRequest.state == IdentityState.PENDING.value)
            .values(state=state.value, answered_at=clock.now(), answer=answer)
            .execution_options(synchronize_session=False)
        )
        after_commit(lambda: say(_word(uid)))


def purge(older_than: timedelta = KEPT) -> int:
    """Delete old searches; returns how many.  Run every few minutes by the scheduler."""
    with transaction() as session:
        result = session.execute(delete(IdentityRequest).where(IdentityRequest.created_at < clock.now() - older_than))
    return int(result.rowcount)  # type: ignore[attr-defined]


def record_finding(trainee_id: int, found: Person | None, *, mismatch: bool = False) -> str:
    """Compare an identity typed, or corrected by the Région, with what AGORA knows; the same one becomes AGORA's, a different one is only noted."""
    with transaction() as session:
        trainee = session.get(Trainee, trainee_id, with_for_update=True)
        if trainee is None or trainee.identity_source == IdentitySource.AGORA:
            return ""
        if found is None:
            finding = "different" if mismatch else "unknown"
        else:
            finding = "same" if same_person(Person.of(trainee), found) else "different"
        session.execute(
            update(Trainee)
            .where(Trainee.id == trainee_id)
            .values(
                identity_finding=finding,
                identity_checked_at=clock.now(),
                identity_source=IdentitySource.AGORA.value if finding == "same" else trainee.identity_source,
                version=Trainee.version + 1,
            )
        )
    return finding


def same_person(typed: Person, found: Person) -> bool:
    """Whether two civil statuses are of the same person, compared as AGORA would: without case, accents nor hyphens."""
    from app.core.textsearch import fold

    def essence(person: Person) -> tuple[object, ...]:
        return fold(person.birth_name), fold(person.first_name), person.birth_date, person.gender

    return essence(typed) == essence(found)


def request_aad(column: str, uid: uuid.UUID) -> bytes:
    """The place of an encrypted column of a search."""
    return crypto.column_aad(_TABLE, column, uid)


def _seal(uid: uuid.UUID, column: str, values: dict[str, Any]) -> bytes:
    return crypto.cipher().encrypt(json.dumps(values), request_aad(column, uid))


def open_sealed(uid: uuid.UUID, column: str, sealed: bytes) -> dict[str, Any]:
    """What ``_seal`` wrote."""
    values: dict[str, Any] = json.loads(crypto.cipher().decrypt_text(sealed, request_aad(column, uid)))
    return values
