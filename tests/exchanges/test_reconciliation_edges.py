"""The comparison where the two copies may differ rightly, where a number is missing, under load, and what was settled by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text, update

from app.core import clock
from app.core.extensions import db
from app.core.outbox import console
from app.core.outbox.errors import Cause, Rejected, Throttled, Unavailable
from app.core.outbox.models import ErrorKind, MessageState, OutboxIntervention, OutboxMessage
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.exchanges import figures, reconciliation, services
from app.exchanges.domain import Ours, RunState, Theirs, Trigger, compare
from app.exchanges.models import ReconciliationRun
from app.exchanges.reconciliation import acts, engine, facts
from app.partners.agora.port import FilePage, FileStatus
from app.trainees.domain import AgoraState
from app.trainees.models import Enrolment
from app.trainees.services import life
from tests.actions.helpers import leave, make_action, make_enrolment, make_nir
from tests.exchanges.test_reconciliation import (
    Agora,
    _circuit,  # noqa: F401 - a fixture
    differences,
    found,
    of,
    partner,  # noqa: F401 - a fixture
    reconcile,
    registered,
)

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

# ruff: noqa: F811 - pytest gives a fixture by its name
NO_NUMBER = "SANS_NUMERO"


def version_of(enrolment_id: int) -> int:
    return db.session.scalars(select(Enrolment.version).where(Enrolment.id == enrolment_id)).one()


def messages(enrolment_id: int) -> dict[str, str]:
    """State of each message, by operation."""
    rows = db.session.execute(
        select(OutboxMessage.operation, OutboxMessage.state).where(OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id == enrolment_id)
    )
    return {row.operation: row.state.value for row in rows}


def put(enrolment_id: int, operation: str, state: MessageState, **values: Any) -> None:
    same = (OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id == enrolment_id, OutboxMessage.operation == operation)
    over = {"done_at": clock.now()} if state in (MessageState.DONE, MessageState.CANCELLED) else {"done_at": None}
    db.session.execute(update(OutboxMessage).where(*same).values(state=state, **over, **values))
    db.session.expire_all()


# ---- what differs rightly ----------------------------------------------------------------------------------------------


def test_a_cancelled_exit_and_a_mistaken_enrolment_ask_nothing_of_anybody(partner: Agora) -> None:
    action = make_action()
    undone, mistaken = make_enrolment(action, nir=make_nir()), make_enrolment(action, nir=make_nir())
    registered(undone)
    leave(undone)
    registered(undone, status=FileStatus.EXITED, version=2)
    life.undo_exit(undone, reason="saisie par erreur", version=version_of(undone))
    registered(undone, status=FileStatus.EXITED, version=3)
    registered(mistaken)
    life.cancel(mistaken, reason="inscrit par erreur", version=version_of(mistaken))
    registered(mistaken, status=FileStatus.CANCELLED, version=2)
    partner.hold(undone, status=FileStatus.EXITED, version=3)
    partner.hold(mistaken, status=FileStatus.CANCELLED, version=2)
    assert (found(reconcile(partner)), differences()) == ({}, [])
    partner.hold(undone, status=FileStatus.CANCELLED, version=4)
    reconcile(partner)
    assert [(one.enrolment_id, one.assignee) for one in differences()] == [(undone, "organisation")], "what AGORA alone says is still asked"


def test_the_rule_itself() -> None:
    ours = Ours("30000001", FileStatus.CANCELLED, 2, left=False, cancelled=True)
    assert compare(ours, Theirs("30000001", FileStatus.CANCELLED, 2)) is None
    assert compare(replace(ours, cancelled=False), Theirs("30000001", FileStatus.CANCELLED, 2)) is not None


# ---- a number that is missing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [False, True], ids=["in the pages", "by its reference"])
def test_what_was_refused_for_want_of_a_number_gets_it_and_leaves(partner: Agora, hidden: bool) -> None:
    """As the catalogue promises under SANS_NUMERO."""
    enrolment_id = make_enrolment(make_action())
    leave(enrolment_id)
    put(enrolment_id, "create_file", MessageState.CANCELLED)
    put(enrolment_id, "exit_file", MessageState.REJECTED, last_error_code=NO_NUMBER, error_kind=ErrorKind.REJECTED)
    db.session.execute(update(Enrolment).where(Enrolment.id == enrolment_id).values(agora_state="rejected", agora_refusal={"code": NO_NUMBER}))
    file = partner.hold(enrolment_id, number="85100001")
    if hidden:
        partner.hidden.add(file.external_reference)
    run = reconcile(partner)
    assert run.counts["number.healed"] == 1
    assert messages(enrolment_id) == {"create_file": "cancelled", "exit_file": "pending"}
    known = of(enrolment_id)
    assert (known.agora_number, known.agora_state, known.agora_refusal) == ("85100001", AgoraState.WAITING, None)
    assert db.session.scalars(select(OutboxIntervention.kind).order_by(OutboxIntervention.id.desc())).first() == "replay"


def test_a_dead_creation_with_messages_behind_it_is_found(partner: Agora) -> None:
    action = make_action()
    alone, followed = make_enrolment(action, nir=make_nir()), make_enrolment(action, nir=make_nir())
    leave(followed)
    for one, number in ((alone, "85200001"), (followed, "85200002")):
        put(one, "create_file", MessageState.DEAD, last_error_code="no_answer", error_kind=ErrorKind.UNAVAILABLE)
        partner.hold(one, number=number)
    reconcile(partner)
    assert (of(followed).agora_number, messages(followed)) == ("85200002", {"create_file": "cancelled", "exit_file": "pending"})
    assert of(followed).agora_state == AgoraState.WAITING, "its exit is on the way"
    assert (of(alone).agora_number, of(alone).agora_state) == ("85200001", AgoraState.REGISTERED), "nothing is awaited any more"


# ---- what was settled by hand --------------------------------------------------------------------------------------------


def test_a_settled_difference_comes_back_only_as_another(partner: Agora) -> None:
    enrolment_id = make_enrolment(make_action())
    console.mark_settled([db.session.scalars(select(OutboxMessage.id).where(OutboxMessage.subject_id == enrolment_id)).one()], reason="à la main")
    reconcile(partner)
    [left] = differences()
    assert left.kind == "absent"
    services.settle_difference(left.id, version=left.version, reason="AGORA le crée la semaine prochaine")
    run = reconcile(partner)
    assert (differences(), found(run)) == ([], {}), "the same each night would be settled for nothing"
    db.session.execute(update(Enrolment).where(Enrolment.id == enrolment_id).values(agora_number="85300001", agora_status="entered", agora_version=1))
    reconcile(partner)
    assert [(one.kind, one.ours["number"]) for one in differences()] == [("absent", "85300001")]


def test_what_an_organisation_was_asked_and_somebody_settled_stays_settled_once_taken(partner: Agora) -> None:
    """The night after, the portal's side is AGORA's: that is no other difference."""
    enrolment_id = make_enrolment(make_action())
    registered(enrolment_id)
    partner.hold(enrolment_id, status=FileStatus.EXITED, version=2)
    reconcile(partner)
    [asked] = differences()
    assert (asked.assignee, of(enrolment_id).agora_status) == ("organisation", "exited")
    services.settle_difference(asked.id, version=asked.version, reason="AGORA corrige")
    assert (found(reconcile(partner)), differences()) == ({}, [])
    partner.hold(enrolment_id, status=FileStatus.CANCELLED, version=3)
    reconcile(partner)
    assert [one.theirs["status"] for one in differences()] == ["cancelled"]


# ---- locks -----------------------------------------------------------------------------------------------------------------


def test_what_was_committed_while_it_waited_for_the_locks_is_seen(committed: Flask) -> None:
    """The console settles a message just before: it is held in the order in which the console and the drain hold it."""
    with committed.app_context(), bound_scope(Scope.system()):
        with transaction():
            enrolment_id = make_enrolment(make_action())
            put(enrolment_id, "create_file", MessageState.DEAD, last_error_code="no_answer", error_kind=ErrorKind.UNAVAILABLE)
        seen: list[facts.Known] = []

        def look() -> None:
            with committed.app_context(), bound_scope(Scope.system()), transaction():
                seen.append(facts.now_of([enrolment_id])[enrolment_id])

        other = threading.Thread(target=look)
        with transaction():
            message_id = db.session.scalars(
                select(OutboxMessage.id).where(OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id == enrolment_id).with_for_update()
            ).one()
            other.start()
            other.join(1.0)
            assert other.is_alive() and seen == [], "it waits for the message"
            db.session.execute(text("SET LOCAL lock_timeout = '5s'"))
            console.mark_settled([message_id], reason="à la main")  # locks the enrolment after the message: nobody waits for the other
        other.join(10.0)
        [known] = seen
        assert (known.held, known.settled_by_hand) == (None, True)


def test_equal_files_are_not_read_twice(partner: Agora, monkeypatch: pytest.MonkeyPatch) -> None:
    enrolment_id = make_enrolment(make_action())
    registered(enrolment_id)
    partner.hold(enrolment_id, version=2)
    asked: list[set[int]] = []
    now_of = facts.now_of
    monkeypatch.setattr(facts, "now_of", lambda ids: asked.append(set(ids)) or now_of(ids))
    run = reconcile(partner)
    assert run.counts["compared"] == len(partner.files) > 1
    assert {enrolment_id} in asked
    assert set().union(*asked) == {enrolment_id}


# ---- a long step, a partner that dawdles -----------------------------------------------------------------------------------


def test_the_lease_starts_anew_before_each_call(partner: Agora) -> None:
    action = make_action()
    for _ in range(4):
        registered(make_enrolment(action, nir=make_nir()))  # each is asked for by its reference, in one step
    left: list[float] = []

    def a_minute_passes(_count: int) -> None:
        seconds = "SELECT EXTRACT(EPOCH FROM lease_until - clock_timestamp()) FROM reconciliation_run WHERE state = 'running'"
        left.append(float(db.session.scalar(text(seconds)) or 0))
        db.session.execute(text("UPDATE reconciliation_run SET lease_until = lease_until - interval '1 minute' WHERE state = 'running'"))
        db.session.commit()

    partner.before = a_minute_passes
    reconcile(partner)
    assert len(left) > 4 and min(left) > engine.LEASE_SECONDS - 10


def test_the_partner_says_when_to_come_back(partner: Agora) -> None:
    def slow_down(_cursor: Any) -> FilePage:
        raise Throttled(retry_after=600.0)

    partner.page = slow_down
    run_id = reconciliation.start(Trigger.DEMAND, whole=True)
    assert reconciliation.work(run_id, port=partner) is False
    run = db.session.get_one(ReconciliationRun, run_id, populate_existing=True)
    assert run.retry_at is not None and 580 < (run.retry_at - clock.now()).total_seconds() < 610


def test_a_forgotten_cursor_does_not_make_half_a_list(partner: Agora) -> None:
    """All that was read is read again: those pages bring nothing new, which is no sign of a list without end."""
    for index in range(5 * partner.size):
        partner.add(f"AUTRE-{index:02}", f"{85_400_000 + index}")
    partner.forgets_once(lambda cursor: cursor == str(4 * partner.size))
    run = reconcile(partner)
    assert (run.state, run.counts["files"]) == ("done", len(partner.files))


def test_a_cursor_forgotten_each_time_ends_the_reading(partner: Agora) -> None:
    def forgets(cursor: str | None) -> FilePage:
        if cursor is not None:
            raise Rejected("CURSEUR_INVALIDE", "Curseur inconnu")
        return FilePage(files=tuple(partner.files.values())[:2], next_cursor="2")

    partner.page = forgets
    run = reconcile(partner)
    assert (run.state, run.failure) == ("partial", "CURSEUR_INVALIDE")
    assert run.pages == 1 + engine.MOST_RESTARTS
    assert run.counts["compared"] == 2, "what was read is used"


# ---- the next one, and the report ------------------------------------------------------------------------------------------


def test_what_was_left_is_asked_for_again(partner: Agora, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = reconcile(partner)
    for _ in range(3):
        registered(make_enrolment(make_action()))
    monkeypatch.setattr(engine, "MOST_LOOKUPS", 1)
    left = reconcile(partner)
    assert left.counts["unchecked"] == 2
    assert reconcile(partner, whole=False).since == whole.started_at - timedelta(days=1), "from before the one that left some"
    db.session.execute(text("UPDATE reconciliation_run SET counts = counts || '{\"unchecked\": 1}'"))
    night = reconciliation.nightly()
    assert night is not None
    assert db.session.get_one(ReconciliationRun, night).since is None


def test_rechecking_keeps_the_count_of_what_was_written(partner: Agora) -> None:
    partner.add("AUTRE-1", "85500001")
    reconcile(partner)
    partner.add("AUTRE-2", "85500002")
    del partner.files["85500001"]  # looked at again at the end
    run = reconcile(partner)
    assert (run.counts["written"], run.counts["gone"]) == (1, 1)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Unavailable(reason="answer against the contract", cause=Cause.BAD_ANSWER), "AGORA a répondu quelque chose d’illisible"),
        (Rejected("CLIENT_INCONNU", "Unknown client"), "AGORA ne reconnaît pas l’identifiant ou le secret du portail"),
        (None, "ses pages tournent en rond"),
    ],
    ids=["silent", "refused", "endless"],
)
def test_the_report_says_in_french_what_went_wrong(partner: Agora, as_user: Callable[[str], FlaskClient], error: Exception | None, words: str) -> None:
    def page(_cursor: Any) -> FilePage:
        if error is not None:
            raise error
        return FilePage(files=tuple(partner.files.values())[:1], next_cursor="a")

    partner.page = page
    run_id = reconcile(partner).id
    shown = as_user("admin").get(f"/rapprochement/{run_id}").text
    assert words in shown
    for raw in ("against the contract", "Unknown client", "come to an end"):
        assert raw not in shown


def test_what_was_counted_only_is_told(partner: Agora, as_user: Callable[[str], FlaskClient], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "MOST_WRITTEN", 1)
    for index in range(3):
        partner.add(f"AUTRE-{index}", f"{85_600_000 + index}")
    run_id = reconcile(partner).id
    assert "Comptés sans être listés" in as_user("admin").get(f"/rapprochement/{run_id}").text


def test_half_a_list_does_not_make_the_comparison_young(partner: Agora, db_session: Session) -> None:
    run = reconcile(partner)
    db.session.execute(text("UPDATE reconciliation_run SET finished_at = now() - interval '3 days'"))
    partner.page = lambda _cursor: FilePage(files=tuple(partner.files.values())[:1], next_cursor="a")
    assert (reconcile(partner).state, run.state) == (RunState.PARTIAL, RunState.DONE)
    assert figures._age() > 250_000


def test_a_lost_lease_ends_a_worker_before_its_next_call(partner: Agora) -> None:
    action = make_action()
    for _ in range(3):
        registered(make_enrolment(action, nir=make_nir()))
    run_id = reconciliation.start(Trigger.DEMAND, whole=True)
    asked: list[int] = []

    def overtaken(count: int) -> None:
        if partner.calls[-1][0] == "find":
            asked.append(count)
            db.session.execute(text("UPDATE reconciliation_run SET lease_token = gen_random_uuid() WHERE id = :id"), {"id": run_id})
            db.session.commit()

    partner.before = overtaken
    assert reconciliation.work(run_id, port=partner) is False
    assert len(asked) == 1
    assert differences() == []
