"""Registration, enrolment, exit and AGORA's answers, against the real database."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from app.accounts.seeds import ORGANISATION_B
from app.actions.models import Action, Component
from app.core import clock
from app.core.concurrency import StaleError
from app.core.extensions import db
from app.core.nir import parse
from app.core.outbox import Message
from app.core.outbox.errors import FieldError, Rejected
from app.core.outbox.models import MessageState, OutboxMessage
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.partners.agora.port import AgoraFileState, EventKind, FileStatus, PartnerDuplicate, PartnerFieldError, PartnerRejected
from app.reference.models import ExitReason
from app.trainees import agora, jobs
from app.trainees.domain import AgoraState, IdentitySource, IdentityState, ProblemCode, Refused
from app.trainees.models import Enrolment, IdentityRequest, Registration, Trainee
from app.trainees.services import identity
from app.trainees.services.enrolment import close_files, enrol, record_exit, resend_refused
from app.trainees.services.registration import AlreadyRegistered, Newcomer, register
from tests.actions.helpers import (
    details,
    make_action,
    make_enrolment,
    make_nir,
    make_person,
    make_registration,
    organisation,
    plan_of,
    statements,
)

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session


def enrolment_of(enrolment_id: int) -> Enrolment:
    return db.session.get_one(Enrolment, enrolment_id, populate_existing=True)


def messages_of(*enrolment_ids: int) -> list[OutboxMessage]:
    statement = select(OutboxMessage).where(OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id.in_(enrolment_ids))
    return list(db.session.scalars(statement.order_by(OutboxMessage.id)))


def as_message(row: OutboxMessage) -> Message:
    return Message(
        id=row.id, partner=row.partner, operation=row.operation, subject_type=row.subject_type, subject_id=row.subject_id,
        organisation_id=row.organisation_id, ordering_key=row.ordering_key, idempotency_key=row.idempotency_key, params=row.params,
        attempts=0, actor_id=row.actor_id,
    )  # fmt: skip


def state(number: str, status: FileStatus = FileStatus.ENTERED, version: int = 1) -> AgoraFileState:
    return AgoraFileState(number=number, external_reference="x", status=status, version=version, modified_at=clock.now())


# ---- registration ------------------------------------------------------------------------------------------------------


def test_the_number_is_never_in_clear_in_the_database(db_session: Session) -> None:
    nir = make_nir()
    registration_id = make_registration(make_action(), nir=nir)
    for table in ("trainee", "registration", "audit_entry", "identity_request", "outbox_message"):
        if db_session.scalar(text("SELECT to_regclass(:name)"), {"name": table}) is None:
            continue
        rows = db_session.scalars(text(f"SELECT row_to_json(t)::text FROM {table} t")).all()
        assert not any(nir.number in row for row in rows), table
    trainee = db_session.get_one(Registration, registration_id).trainee
    assert trainee.nir_masked == nir.masked


def test_a_person_is_registered_once_on_an_action(db_session: Session) -> None:
    action, nir = make_action(), make_nir()
    first = make_registration(action, nir=nir)
    with pytest.raises(AlreadyRegistered) as refused:
        make_registration(action, nir=nir)
    assert refused.value.registration_id == first


def test_a_known_person_is_found_again_on_another_action(db_session: Session) -> None:
    nir = make_nir()
    first = make_registration(make_action(), nir=nir)
    second = make_registration(make_action(), nir=nir)
    found = {db_session.get_one(Registration, one).trainee_id for one in (first, second)}
    assert len(found) == 1


def test_another_organisation_never_meets_the_same_person(db_session: Session) -> None:
    """The same number in two organisations is two rows: nothing tells one what the other knows."""
    nir = make_nir()
    ours = make_registration(make_action(), nir=nir)
    theirs_action = make_action(siret=ORGANISATION_B)
    with bound_scope(Scope.organisation(organisation(ORGANISATION_B).id)):
        assert identity.known_by_number(nir, theirs_action.id) is None
        theirs = make_registration(theirs_action, nir=nir)
    assert db_session.get_one(Registration, ours).trainee_id != db_session.get_one(Registration, theirs).trainee_id


def test_avenir_stores_no_number(db_session: Session) -> None:
    """A programme that asks for none never keeps one, whatever is given; civil status tells people apart."""
    action = make_action(programme="AVENIR")
    registration_id = register(action.id, Newcomer(make_person("AVENIR"), IdentitySource.TYPED, make_nir()), details())
    trainee = db_session.get_one(Registration, registration_id).trainee
    assert (trainee.nir_kind, trainee.nir_hash, trainee.nir_masked) == (None, None, "")
    with pytest.raises(AlreadyRegistered):
        register(action.id, Newcomer(make_person("avenir"), IdentitySource.TYPED, None), details())


def test_nothing_but_the_sheet_is_taken_from_what_is_posted(db_session: Session) -> None:
    """No mass assignment: keys, organisation and identity cannot come with the details."""
    action = make_action()
    posted = {**details(), "organisation_id": organisation(ORGANISATION_B).id, "action_id": 1, "id": 999_999, "version": 77, "sort_name": "zz"}
    registration_id = register(action.id, Newcomer(make_person(), IdentitySource.AGORA, make_nir()), posted)
    row = db_session.get_one(Registration, registration_id)
    assert (row.organisation_id, row.action_id, row.sort_name) == (action.organisation_id, action.id, "essai paul")


def test_what_depends_on_a_no_is_emptied(db_session: Session) -> None:
    posted = {**details(), "ft_registered": False, "ft_number": "8783435M", "esf_state": "complete", "esf_homeless": "no"}
    registration_id = register(make_action().id, Newcomer(make_person(), IdentitySource.AGORA, make_nir()), posted)
    row = db_session.get_one(Registration, registration_id)
    assert (row.ft_number, row.esf_state, row.esf_homeless) == (None, "none", None)


def test_two_windows_register_the_same_person_once(committed: Flask) -> None:
    with committed.app_context(), bound_scope(Scope.system()), transaction():
        action = make_action()
        action_id, organisation_id, nir = action.id, action.organisation_id, make_nir()

    def click(_index: int) -> int | None:
        with committed.app_context(), bound_scope(Scope.organisation(organisation_id)):
            try:
                return register(action_id, Newcomer(make_person(), IdentitySource.AGORA, nir), details())
            except AlreadyRegistered:
                return None
            finally:
                db.session.remove()

    with ThreadPoolExecutor(6) as pool:
        made = [one for one in pool.map(click, range(12)) if one is not None]
    assert len(made) == 1


def test_two_clicks_on_enrol_make_one_enrolment(committed: Flask) -> None:
    """The second waits for the first and is told, in words."""
    with committed.app_context(), bound_scope(Scope.system()), transaction():
        action = make_action()
        registration_id, organisation_id = make_registration(action), action.organisation_id
        component = db.session.scalars(select(Component).where(Component.action_id == action.id)).one()
        component_id, plan = component.id, plan_of(component)

    def click(_index: int) -> str:
        with committed.app_context(), bound_scope(Scope.organisation(organisation_id)):
            try:
                enrol(registration_id, component_id, plan)
            except Refused as refusal:
                return refusal.problems[0].code
            else:
                return "made"
            finally:
                db.session.remove()

    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(click, range(8)))
    assert sorted(told) == [ProblemCode.ALREADY_ENROLLED] * 7 + ["made"]


# ---- identity ----------------------------------------------------------------------------------------------------------


def start(action: Action, name: str = "SION") -> UUID:
    return identity.start_search(organisation_id=action.organisation_id, action_id=action.id, nir=parse("1620713155089", "82"), birth_name=name, actor_id=None)


def test_an_identity_search_goes_through_a_sealed_row(db_session: Session) -> None:
    uid = start(make_action())
    row = db_session.scalars(select(IdentityRequest).where(IdentityRequest.seal_uid == uid)).one()
    assert b"1620713155089" not in row.question
    assert b"SION" not in row.question
    search = identity.read_search(uid)
    assert search is not None
    assert search.state is IdentityState.PENDING
    identity.store_answer(uid, IdentityState.FOUND, make_person("SION", "ANDRE"))
    identity.store_answer(uid, IdentityState.UNAVAILABLE)  # a second run of the job changes nothing
    search = identity.read_search(uid)
    assert search is not None
    assert search.person is not None
    assert (search.state, search.person.first_name) == (IdentityState.FOUND, "ANDRE")
    with bound_scope(Scope.organisation(organisation(ORGANISATION_B).id)):
        assert identity.read_search(uid) is None


def test_a_search_nobody_answers_is_given_up(db_session: Session) -> None:
    uid = start(make_action())
    db_session.execute(text("UPDATE identity_request SET created_at = created_at - interval '6 seconds'"))
    search = identity.read_search(uid)
    assert search is not None
    assert search.state is IdentityState.UNAVAILABLE


def test_old_searches_are_purged(db_session: Session) -> None:
    old, fresh = start(make_action()), start(make_action())
    db_session.execute(text("UPDATE identity_request SET created_at = created_at - interval '61 minutes' WHERE seal_uid = :uid"), {"uid": old})
    assert identity.purge() == 1
    assert identity.read_search(old) is None
    assert identity.read_search(fresh) is not None


def test_the_job_turns_every_failure_into_a_state(db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.partners.agora.port import IdentityQuery, PartnerUnavailable, Refusal

    class Client:
        def __init__(self, failure: Exception) -> None:
            self.failure = failure

        def search_identity(self, _query: IdentityQuery) -> Any:
            raise self.failure

    query = IdentityQuery(nir="1620713155089", key="82", birth_name="SION")
    for failure, expected in (
        (PartnerUnavailable(), IdentityState.UNAVAILABLE),
        (PartnerRejected("ID_INCONNUE", "?", refusal=Refusal.UNKNOWN_PERSON), IdentityState.UNKNOWN),
        (PartnerRejected("NOM_DISCORDANT", "?", refusal=Refusal.NAME_MISMATCH), IdentityState.MISMATCH),
    ):
        monkeypatch.setattr(jobs, "agora", lambda failure=failure: Client(failure))
        assert jobs.ask(query) == (expected, None)


def test_a_typed_identity_is_compared_as_agora_would(db_session: Session) -> None:
    registration_id = make_registration(make_action(), source=IdentitySource.TYPED, name="N’Diaye-Élan")
    trainee = db_session.get_one(Registration, registration_id).trainee
    same = dataclasses.replace(make_person("N'DIAYE ELAN", "PAUL"))
    assert identity.record_finding(trainee.id, dataclasses.replace(same, first_name="Pierre")) == "different"
    db_session.refresh(trainee)
    assert trainee.identity_source == "TYPED"
    assert identity.record_finding(trainee.id, same) == "same"
    db_session.refresh(trainee)
    assert trainee.identity_source == "AGORA"
    assert trainee.birth_name == "N’Diaye-Élan"  # kept as typed


# ---- enrolment ---------------------------------------------------------------------------------------------------------


def test_an_enrolment_leaves_one_message_with_it(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action())
    (message,) = messages_of(enrolment_id)
    assert (message.operation, message.ordering_key, message.params) == ("create_file", f"enrolment:{enrolment_id}", {})


@pytest.mark.parametrize(
    ("programme", "kind", "expected"),
    [("QUALIFPRO", "7", AgoraState.WAITING_NIR), ("QUALIFPRO", "3", AgoraState.WAITING_NIR), ("AVENIR", "1", AgoraState.NOT_CONCERNED)],
)
def test_nothing_is_sent_for_an_nia_or_avenir(db_session: Session, programme: str, kind: str, expected: AgoraState) -> None:
    """Nothing at all: neither entry, nor exit, nor closing."""
    action = make_action(programme=programme)
    source = IdentitySource.TYPED
    enrolment_id = make_enrolment(action, kind=kind, source=source)
    assert enrolment_of(enrolment_id).agora_state == expected
    leave(enrolment_id)
    with transaction():
        close_files(action, clock.today())
    assert messages_of(enrolment_id) == []


def test_even_a_message_by_mistake_carries_no_nia(db_session: Session) -> None:
    """The handler leaves out what must not go, whoever wrote the message."""
    enrolment_id = make_enrolment(make_action(), kind="8", source=IdentitySource.TYPED)
    stray = Message(
        id=1, partner="agora", operation="create_file", subject_type="enrolment", subject_id=enrolment_id, organisation_id=1,
        ordering_key="x", idempotency_key=uuid4(), params={}, attempts=0,
    )  # fmt: skip
    assert dict(agora.build_creations([stray])) == {}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"planned_start": date(2000, 1, 1)}, ProblemCode.BEFORE_COMPONENT),
        ({"planned_end": date(2099, 1, 1)}, ProblemCode.AFTER_COMPONENT),
        ({"site_id": 999_999}, ProblemCode.SITE_NOT_OF_COMPONENT),
        ({"hours_centre": Decimal(0), "hours_company": Decimal(0)}, ProblemCode.NO_HOURS),
    ],
)
def test_a_bad_plan_is_refused_and_leaves_nothing(db_session: Session, changes: dict[str, Any], code: ProblemCode) -> None:
    action = make_action()
    registration_id = make_registration(action)
    component = db_session.scalars(select(Component).where(Component.action_id == action.id)).one()
    with pytest.raises(Refused) as refused:
        enrol(registration_id, component.id, plan_of(component, **changes))
    assert code in {problem.code for problem in refused.value.problems}
    assert db_session.scalar(select(func.count()).select_from(Enrolment).where(Enrolment.registration_id == registration_id)) == 0


def test_a_component_of_another_action_is_not_found(db_session: Session) -> None:
    registration_id = make_registration(make_action())
    other = db_session.scalars(select(Component).where(Component.action_id == make_action().id)).one()
    with pytest.raises(LookupError):
        enrol(registration_id, other.id, plan_of(other))


def test_one_current_enrolment_on_a_component(db_session: Session) -> None:
    """Refused in words, and by the database."""
    action = make_action()
    enrolment = enrolment_of(make_enrolment(action))
    component = enrolment.component
    with pytest.raises(Refused) as refused:
        enrol(enrolment.registration_id, component.id, plan_of(component))
    assert refused.value.problems[0].code is ProblemCode.ALREADY_ENROLLED
    copy = {c.name: getattr(enrolment, c.key) for c in Enrolment.__table__.columns if c.name != "id"}
    with pytest.raises(IntegrityError):
        db_session.execute(Enrolment.__table__.insert().values({**copy, "external_reference": uuid4()}))  # type: ignore[attr-defined]
    db_session.rollback()


def leave(enrolment_id: int, *, days_ago: int = 0, version: int | None = None) -> Enrolment:
    reason = db.session.scalars(select(ExitReason.id).where(ExitReason.early).order_by(ExitReason.id)).first()
    assert reason is not None
    known = version if version is not None else enrolment_of(enrolment_id).version
    return record_exit(enrolment_id, actual_end=clock.today() - timedelta(days=days_ago), exit_reason_id=reason, version=known)


def test_exit(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action())
    left = leave(enrolment_id)
    assert (left.actual_end, left.early_exit) == (clock.today(), True)
    assert [message.operation for message in messages_of(enrolment_id)] == ["create_file", "exit_file"]
    with pytest.raises(Refused) as refused:
        leave(enrolment_id)
    assert refused.value.problems[0].code is ProblemCode.ALREADY_LEFT


def test_an_exit_from_a_stale_page_is_refused(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action())
    with pytest.raises(StaleError):
        leave(enrolment_id, version=99)
    assert enrolment_of(enrolment_id).actual_end is None


def test_another_organisation_enrols_and_lets_nobody_leave(db_session: Session) -> None:
    action = make_action()
    enrolment_id = make_enrolment(action)
    registration_id = enrolment_of(enrolment_id).registration_id
    component = db_session.scalars(select(Component).where(Component.action_id == action.id)).one()
    plan, component_id, reason = plan_of(component), component.id, db_session.scalars(select(ExitReason.id).where(ExitReason.early).order_by(ExitReason.id)).first()
    with bound_scope(Scope.organisation(organisation(ORGANISATION_B).id)):
        with pytest.raises(LookupError):
            enrol(registration_id, component_id, plan)
        with pytest.raises(LookupError):
            record_exit(enrolment_id, actual_end=clock.today(), exit_reason_id=reason or 0, version=1)


def test_support_sees_no_trainee_even_in_raw_sql(db_session: Session) -> None:
    make_enrolment(make_action())
    with bound_scope(Scope.support()):
        for table in ("trainee", "registration", "enrolment", "identity_request"):
            assert db_session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


# ---- AGORA -------------------------------------------------------------------------------------------------------------


def test_the_file_says_what_the_enrolment_says(db_session: Session) -> None:
    nir = make_nir()
    enrolment_id = make_enrolment(make_action(), nir=nir)
    (message,) = [as_message(row) for row in messages_of(enrolment_id)]
    (built,) = agora.build_creations([message]).values()
    enrolment = enrolment_of(enrolment_id)
    assert built.external_reference == str(enrolment.external_reference)
    assert (built.holder.nir, built.holder.key, built.holder.birth_name) == (nir.number, nir.key, "ESSAI")
    assert (built.entry_date, built.hours_centre, built.hours_company) == (enrolment.planned_start, Decimal(100), Decimal(20))
    assert built.programme == "QUALIFPRO"
    assert nir.number not in repr(built)
    again = agora.build_creations([message])
    assert again[message.id].external_reference == built.external_reference


def test_a_batch_costs_the_same_for_few_and_many(db_session: Session) -> None:
    costs = []
    for size in (1, 6):
        action = make_action()
        ids = [make_enrolment(action, name=f"NOM {index}") for index in range(size)]
        batch = [as_message(row) for row in messages_of(*ids)]
        db_session.expire_all()
        with statements() as sent:
            assert len(agora.build_creations(batch)) == size
            agora.apply_states([(message, state(f"9{message.subject_id:08d}")) for message in batch])
        costs.append(len(sent))
        print("\n".join(one[:150].replace("\n", " ") for one in sent))
    assert costs[0] == costs[1]


def test_answers_are_kept_and_a_late_one_overwrites_nothing_newer(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action())
    message = as_message(messages_of(enrolment_id)[0])
    version = enrolment_of(enrolment_id).version
    agora.apply_states([(message, state("30444380"))])
    agora.apply_states([(message, state("30444380"))])
    agora.apply_states([(message, state("30444380", FileStatus.EXITED, version=2))])
    agora.apply_states([(message, state("30444380", FileStatus.ENTERED, version=1))])
    row = enrolment_of(enrolment_id)
    assert (row.agora_number, row.agora_status, row.agora_state) == ("30444380", "exited", "done")
    assert row.version == version  # somebody's form does not become stale because AGORA answered


def test_a_duplicate_is_a_success(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action())
    message = as_message(messages_of(enrolment_id)[0])
    agora.apply_states([(message, PartnerDuplicate("30444381", state=state("30444381")))])
    assert enrolment_of(enrolment_id).agora_number == "30444381"


def test_a_refusal_names_the_field_and_mending_sends_again(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action())
    row = messages_of(enrolment_id)[0]
    row.state, row.last_error_code = MessageState.REJECTED, "DONNEES_INVALIDES"
    db_session.flush()
    refusal = PartnerRejected(
        "DONNEES_INVALIDES", "Le dossier n’est pas accepté.",
        (PartnerFieldError("/titulaire/courriel", "Adresse refusée.", "X", path="holder.email"), FieldError("/inconnu", "?")),
    )  # fmt: skip
    agora.note_refusals([(as_message(row), refusal)])
    enrolment = enrolment_of(enrolment_id)
    assert enrolment.agora_state == AgoraState.REJECTED
    assert enrolment.agora_refusal is not None
    assert enrolment.agora_refusal["fields"][0] == {"path": "holder.email", "message": "Adresse refusée."}
    with bound_scope(Scope.organisation(enrolment.organisation_id)), transaction():
        assert resend_refused(enrolment.registration_id) == 1
    assert enrolment_of(enrolment_id).agora_state == AgoraState.WAITING
    assert messages_of(enrolment_id)[0].state is MessageState.PENDING


def test_exit_and_closing_are_events_of_the_same_file(db_session: Session) -> None:
    action = make_action()
    enrolment_id = make_enrolment(action)
    agora.apply_states([(as_message(messages_of(enrolment_id)[0]), state("30444382"))])
    leave(enrolment_id)
    with transaction():
        close_files(db_session.get_one(Action, action.id), clock.today())
    _created, left, closed = [as_message(row) for row in messages_of(enrolment_id)]
    (exit_event,) = agora.build_events([left]).values()
    agora.apply_states([(left, state("30444382", FileStatus.EXITED, version=2))])
    (closing_event,) = agora.build_closings([closed]).values()
    assert (exit_event.kind, exit_event.number, exit_event.date) == (EventKind.EXIT, "30444382", clock.today())
    assert (closing_event.kind, closing_event.number, closing_event.outcome) == (EventKind.CLOSING, "30444382", "partial")
    assert exit_event.reason
    assert db_session.get_one(Trainee, enrolment_of(enrolment_id).registration.trainee_id) is not None


# ---- jobs --------------------------------------------------------------------------------------------------------------


class FakeAgora:
    """Knows one person."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def search_identity(self, query: Any) -> Any:
        from app.partners.agora.port import Civility, Gender, Identity

        self.asked.append(query.nir)
        return Identity(
            civility=Civility.MR, birth_name=query.birth_name, first_name="PAUL", birth_date=date(1985, 6, 2), gender=Gender.MALE
        )  # fmt: skip


def test_the_search_job_answers_the_page(db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeAgora()
    monkeypatch.setattr(jobs, "agora", lambda: fake)
    uid = start(make_action())
    db_session.commit()
    request_id = db_session.scalars(select(IdentityRequest.id).where(IdentityRequest.seal_uid == uid)).one()
    jobs.search_identity(request_id)
    jobs.search_identity(request_id)  # run twice, asked once
    search = identity.read_search(uid)
    assert search is not None
    assert search.state is IdentityState.FOUND
    assert fake.asked == ["1620713155089"]


def test_typed_identities_are_checked_again_when_agora_answers(db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeAgora()
    monkeypatch.setattr(jobs, "agora", lambda: fake)
    action = make_action()
    typed = db_session.get_one(Registration, make_registration(action, source=IdentitySource.TYPED)).trainee
    nia = db_session.get_one(Registration, make_registration(action, kind="7", source=IdentitySource.TYPED)).trainee
    db_session.commit()
    jobs.recheck_identities()
    for row in (typed, nia):
        db_session.refresh(row)
    assert (typed.identity_source, nia.identity_source) == ("AGORA", "TYPED")
    assert len(fake.asked) == 1  # an NIA is never asked about


def test_the_unknown_are_asked_about_for_a_month(db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeAgora()
    monkeypatch.setattr(jobs, "agora", lambda: fake)
    action = make_action()
    ids = [make_registration(action, source=IdentitySource.TYPED, name=name) for name in ("RECENT", "ANCIEN")]
    recent, old = (db_session.get_one(Registration, one).trainee_id for one in ids)
    db_session.execute(
        text(
            "UPDATE trainee SET identity_finding = 'unknown', identity_checked_at = now() - interval '13 hours',"
            " created_at = now() - CASE WHEN id = :old THEN interval '31 days' ELSE interval '29 days' END WHERE id IN (:old, :recent)"
        ),
        {"old": old, "recent": recent},
    )
    db_session.commit()
    jobs.recheck_identities()
    assert len(fake.asked) == 1
    assert db_session.get_one(Trainee, old, populate_existing=True).identity_finding == "unknown"


# ---- messages settled by hand, refused exits ---------------------------------------------------------------------------


def test_what_follows_a_creation_settled_by_hand_is_not_dropped(db_session: Session) -> None:
    """No number to speak of: the exit waits for a decision, with the reason."""
    from app.core.outbox import console

    action = make_action()
    enrolment_id = make_enrolment(action)
    console.mark_settled([messages_of(enrolment_id)[0].id], reason="saisi dans AGORA")
    leave(enrolment_id)
    left = as_message(messages_of(enrolment_id)[1])
    (refusal,) = agora.build_events([left]).values()
    assert isinstance(refusal, Rejected)
    agora.note_refusals([(left, refusal)])
    enrolment = enrolment_of(enrolment_id)
    assert enrolment.agora_state == AgoraState.REJECTED
    assert enrolment.agora_refusal is not None
    assert enrolment.agora_refusal["meaning"] == "no_number"


def test_a_refused_exit_is_corrected_and_sent_again(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action())
    agora.apply_states([(as_message(messages_of(enrolment_id)[0]), state("30444396"))])
    leave(enrolment_id)
    row = messages_of(enrolment_id)[1]
    row.state, row.last_error_code = MessageState.REJECTED, "DONNEES_INVALIDES"
    db_session.flush()
    agora.note_refusals([(as_message(row), PartnerRejected("DONNEES_INVALIDES", "Non.", (PartnerFieldError("/date", "Non.", "X", path="date"),)))])
    corrected = leave(enrolment_id, days_ago=1)
    assert (corrected.actual_end, corrected.agora_state, corrected.agora_refusal) == (clock.today() - timedelta(days=1), "waiting", None)
    rows = messages_of(enrolment_id)
    db_session.refresh(rows[1])
    assert [one.operation for one in rows] == ["create_file", "exit_file"]
    assert rows[1].state is MessageState.PENDING
    with pytest.raises(Refused):
        leave(enrolment_id, days_ago=2)


def test_the_page_follows_until_agora_has_taken_the_exit(db_session: Session) -> None:
    enrolment_id = make_enrolment(make_action())
    created = as_message(messages_of(enrolment_id)[0])
    agora.apply_states([(created, state("30444390"))])
    assert leave(enrolment_id).agora_state == AgoraState.WAITING
    agora.apply_states([(created, state("30444390"))])  # the creation again, late: it tells nothing of the exit
    assert enrolment_of(enrolment_id).agora_state == AgoraState.WAITING
    left = as_message(messages_of(enrolment_id)[1])
    agora.apply_states([(left, state("30444390", FileStatus.EXITED, version=2))])
    assert (enrolment_of(enrolment_id).agora_state, enrolment_of(enrolment_id).agora_status) == ("done", "exited")
