"""The drain against a real PostgreSQL: answers, order, leases, faults."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from app.core.outbox.errors import Duplicate, FieldError, Rejected, Throttled, Unavailable

if TYPE_CHECKING:
    from tests.outbox.conftest import World


def raising(error: Exception) -> Any:
    def behave(_request: Any, _tries: int) -> Any:
        raise error

    return behave


def test_an_answer_is_applied_in_the_transaction_that_marks_it_done(world: World) -> None:
    message = world.publish(7, date="2026-01-05")
    report = world.drain()
    assert (report.sent, report.done) == (1, 1)
    row = world.row(message)
    assert (row.state, row.attempts, row.lease_until) == ("done", 1, None)
    assert row.done_at is not None
    assert world.applied == [(message, {"echo": {"subject": 7, "date": "2026-01-05"}})]
    assert world.drain().sent == 0


def test_hundreds_leave_at_once_through_one_client_in_few_statements(world: World) -> None:
    from sqlalchemy import event

    from app.core.extensions import db
    from app.core.outbox.publishing import NewMessage, publish_many
    from app.core.transaction import transaction

    def count_of(rows: int, base: int) -> int:
        with transaction():
            publish_many("echo", [NewMessage("tell", "thing", base + i, f"thing:{base + i}", 1) for i in range(rows)])
        statements: list[str] = []
        listener = lambda *args: statements.append(args[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", listener)
        try:
            assert world.drain().done == rows
        finally:
            event.remove(db.engine, "before_cursor_execute", listener)
        return len(statements)

    world.partner.max_concurrency = 50
    count_of(1, 0)  # the first drain makes the partner's row
    few, many = count_of(5, 1000), count_of(400, 2000)
    assert few <= many <= few + 12  # a long sending is settled twice a second
    assert world.partner.clients == 3  # one per drain


def test_messages_of_one_dossier_leave_in_order_and_one_at_a_time(world: World) -> None:
    first = world.publish(1, key="dossier:1", n=1)
    second = world.publish(1, key="dossier:1", n=2)
    other = world.publish(2, key="dossier:2", n=3)
    world.partner.behave = lambda request, tries: (_ for _ in ()).throw(Unavailable()) if request["n"] == 1 and tries == 1 else {}
    world.drain()
    assert [world.row(i).state for i in (first, second, other)] == ["pending", "pending", "done"]
    world.due_now()
    world.drain()
    assert [world.row(i).state for i in (first, second)] == ["done", "done"]
    assert [request["n"] for request in world.partner.order] == [3, 1, 2]


def test_a_refusal_is_kept_with_its_reason_and_blocks_only_its_own_dossier(world: World) -> None:
    refused = world.publish(1, key="dossier:1", n=1)
    behind = world.publish(1, key="dossier:1", n=2)
    other = world.publish(2, key="dossier:2", n=3)
    error = Rejected("CHAMP", "Donnée refusée : 1 62 07 13 155 089 82", (FieldError("/dateEntree", "mal formée", "FORMAT"),))
    world.partner.behave = lambda request, tries: (_ for _ in ()).throw(error) if request["n"] == 1 else {}
    world.drain()
    row = world.row(refused)
    assert (row.state, row.error_kind, row.last_error_code) == ("rejected", "rejected", "CHAMP")
    assert row.last_error_title == "Donnée refusée : •••"
    assert row.last_error_details == [{"field": "/dateEntree", "message": "mal formée", "code": "FORMAT"}]
    assert (world.row(behind).state, world.row(other).state) == ("pending", "done")
    world.due_now()
    assert world.drain().sent == 0


def test_a_refusal_can_be_noted_by_the_feature_in_the_same_transaction(world: World) -> None:
    from app.core.outbox import register_handler

    told: list[tuple[int, str]] = []
    register_handler(
        "echo",
        "tell",
        build=world.build,
        apply=world.apply,
        reject_many=lambda pairs: told.extend((message.id, error.code) for message, error in pairs),
    )
    message = world.publish(1)
    world.partner.behave = raising(Rejected("NON", "Non"))
    world.drain()
    assert told == [(message, "NON")]


def test_a_duplicate_is_a_success_with_its_reference(world: World) -> None:
    message = world.publish(1)
    world.partner.behave = raising(Duplicate("12345678"))
    assert world.drain().done == 1
    assert world.row(message).answer == {"reference": "12345678", "duplicate": True}
    assert world.applied[0][1].reference == "12345678"


def test_a_duplicate_is_resolved_by_the_transport_that_can(world: World) -> None:
    async def resolve(request: Any, duplicate: Duplicate, *, client: Any) -> Any:
        return {"number": duplicate.reference}

    world.partner.resolve_duplicate = resolve  # type: ignore[attr-defined]
    world.publish(1)
    world.partner.behave = raising(Duplicate("12345678"))
    world.drain()
    assert world.applied[0][1] == {"number": "12345678"}


def test_unavailability_waits_and_is_not_poison(world: World) -> None:
    message = world.publish(1)
    world.partner.behave = raising(Unavailable(retry_after=120, reason="503"))
    for _ in range(15):
        world.drain()
        world.due_now()
        world.close_breaker()
    row = world.row(message)
    assert (row.state, row.attempts, row.failures, row.error_kind) == ("pending", 15, 0, "unavailable")


def test_retry_after_is_honoured_and_clamped(world: World) -> None:
    message = world.publish(1)
    world.partner.behave = raising(Unavailable(retry_after=10_000))
    world.drain()
    [wait] = world.sql("SELECT EXTRACT(EPOCH FROM next_attempt_at - now()) AS s FROM outbox_message WHERE id = :i", i=message)
    assert 895 <= float(wait.s) <= 1000


def test_throttling_silences_the_whole_partner_but_does_not_open_its_circuit(world: World) -> None:
    world.partner.max_concurrency = 1
    for subject in range(20):
        world.publish(subject)
    world.partner.behave = raising(Throttled(retry_after=60))
    report = world.drain()
    assert report.sent == 1
    assert world.states() == {"pending": 20}
    assert world.sql("SELECT attempts FROM outbox_message ORDER BY attempts DESC")[1].attempts == 0
    world.due_now()
    assert world.drain().sent == 0
    [row] = world.sql("SELECT state, hold_until > now() + interval '50 seconds' AS held FROM outbox_partner")
    assert (row.state, row.held) == ("closed", True)


@pytest.mark.parametrize("where", ["build", "send", "apply"])
def test_poison_becomes_a_dead_letter_after_ten_tries_and_blocks_only_its_dossier(world: World, where: str) -> None:
    def fail(*_args: Any) -> Any:
        raise ZeroDivisionError("quotes 1620713155089")

    def only(subject: Any) -> bool:
        return subject == 1

    if where == "build":
        world.build = lambda subject, params: fail() if only(subject) else {"subject": subject}
    elif where == "send":
        world.partner.behave = lambda request, tries: fail() if only(request["subject"]) else {}
    else:
        poisoned: list[int] = []
        world.apply = lambda message, answer: fail() if message.id in poisoned else None
    message = world.publish(1, key="dossier:1")
    if where == "apply":
        poisoned.append(message)
    behind = world.publish(1, key="dossier:1")
    others = [world.publish(10 + i) for i in range(5)]
    for _ in range(12):
        world.drain()
        world.due_now()
    row = world.row(message)
    assert (row.state, row.failures, row.error_kind, row.last_error_code) == ("dead", 10, "fault", "ZeroDivisionError")
    assert row.last_error_title is None
    assert world.row(behind).state == "pending"
    assert {world.row(i).state for i in others} == {"done"}
    assert {world.row(i).attempts for i in others} == {1}


def test_an_answer_that_contradicts_what_is_held_is_refused_and_kept_beside_its_message(world: World) -> None:
    """Not applied, not tried again, told to the feature as a refusal, and the others of the batch go on."""
    from app.core.outbox import register_handler

    told: list[tuple[int, str]] = []
    register_handler(
        "echo",
        "tell",
        build=world.build,
        apply=world.apply,
        reject_many=lambda pairs: told.extend((message.id, error.code) for message, error in pairs),
        summary=lambda answer: {"number": answer["number"]},
        check_many=lambda pairs: {message.id: Rejected("DEJA_PORTE", "") for message, answer in pairs if answer["number"] == 1},
    )
    world.partner.behave = lambda request, tries: {"number": request["subject"]}
    lying, other = world.publish(1), world.publish(2)
    world.drain()
    row = world.row(lying)
    assert (row.state, row.error_kind, row.last_error_code, row.failures, row.answer) == ("rejected", "rejected", "DEJA_PORTE", 1, {"number": 1})
    assert row.done_at is None
    assert (told, world.applied) == ([(lying, "DEJA_PORTE")], [(other, {"number": 2})])
    world.due_now()
    assert world.drain().sent == 0


def test_answers_against_the_contract_are_tried_a_few_times_then_refused(world: World) -> None:
    from app.core.outbox.errors import Contradictory

    message = world.publish(1, key="dossier:1")
    behind = world.publish(1, key="dossier:1")
    world.partner.behave = raising(Contradictory("STATUT_INCONNU", "answer against the contract: statut"))
    states = []
    for _ in range(5):
        world.drain()
        states.append(world.row(message).state)
        world.due_now()
        world.close_breaker()
    assert states == ["pending", "pending", "rejected", "rejected", "rejected"]
    row = world.row(message)
    assert (row.error_kind, row.last_error_code, row.attempts) == ("rejected", "STATUT_INCONNU", 3)
    assert world.row(behind).state == "pending"


def test_what_keeps_being_of_the_moment_is_given_up_in_the_end(world: World) -> None:
    """A row that is always being edited, or a lock that is never free: after hours it is said, not tried for ever."""
    from sqlalchemy.orm.exc import StaleDataError

    def stale(_message: Any, _answer: Any) -> None:
        raise StaleDataError("quotes 1620713155089")

    world.apply = stale
    message = world.publish(1)
    for _ in range(32):
        world.drain()
        world.due_now()
    row = world.row(message)
    assert (row.state, row.failures, row.error_kind, row.last_error_code, row.last_error_title) == ("dead", 30, "fault", "StaleDataError", None)


def test_a_feature_may_refuse_its_own_message_before_it_leaves(world: World) -> None:
    """It waits for a decision with its reason, holds back its dossier, and the partner is not asked."""
    first, second, other = world.publish(1, key="dossier:1"), world.publish(2, key="dossier:1"), world.publish(3)
    world.build = lambda subject, params: Rejected("SANS_NUMERO", "Pas de numéro.") if subject == 1 else {"subject": subject}
    world.drain()
    row = world.row(first)
    assert (row.state, row.last_error_code, row.last_error_title) == ("rejected", "SANS_NUMERO", "Pas de numéro.")
    assert (world.row(second).state, world.row(other).state) == ("pending", "done")
    assert [request for request, _key in world.partner.received] == [{"subject": 3}]


def test_nothing_to_send_any_more_cancels_the_message_and_frees_what_follows(world: World) -> None:
    first = world.publish(1, key="dossier:1")
    second = world.publish(2, key="dossier:1")
    world.build = lambda subject, params: None if subject == 1 else {"subject": subject}
    world.drain()
    assert (world.row(first).state, world.row(second).state) == ("cancelled", "done")


def test_a_message_is_given_up_after_a_day_only_if_the_partner_answers_others(world: World) -> None:
    message = world.publish(1)
    world.sql("UPDATE outbox_message SET waiting_since = now() - interval '25 hours' WHERE id = :i", i=message)
    world.partner.behave = raising(Unavailable())
    world.drain()
    assert world.row(message).state == "pending"  # down for everyone: it waits
    world.sql("UPDATE outbox_message SET next_attempt_at = now() + interval '1 hour'")
    world.partner.behave = lambda request, tries: {}
    world.publish(2)
    world.drain()  # the other is answered, so the partner is up
    world.partner.behave = raising(Unavailable(reason="500"))
    world.due_now()
    world.drain()
    row = world.row(message)
    assert (row.state, row.last_error_code) == ("dead", "unavailable")


# ---- leases ----------------------------------------------------------------------------------------------------------


def claim(world: World) -> tuple[Any, list[Any]]:
    from app.core.outbox import store
    from app.core.transaction import transaction

    token = uuid4()
    with transaction() as session:
        return token, store.claim(session, "echo", token, 100)


def test_a_zombie_writes_nothing(world: World) -> None:
    """A worker that slept through its lease must not overwrite what the next one found."""
    from app.core.outbox import drain as engine
    from app.core.outbox.models import MessageState
    from app.core.outbox.sending import Outcome, Sender
    from app.core.outbox.store import Settlement

    message = world.publish(1)
    token, [zombie] = claim(world)
    world.sql("UPDATE outbox_message SET lease_until = now() - interval '1 second' WHERE id = :i", i=message)
    from app.core.outbox.jobs import sweep

    sweep()
    world.drain()
    assert world.row(message).state == "done"
    world.applied.clear()
    late = Settlement(zombie, MessageState.DONE, answer={"late": True})
    with Sender(world.partner) as sender:
        run = engine._Drain("echo", sender)
        run.tokens[zombie.id] = token
        run._settle([late], {zombie.id: Outcome(zombie, {"late": True})})
    assert (run.report.fenced, run.report.done, world.applied) == (1, 0, [])
    assert world.row(message).answer == {}


def test_a_zombie_cannot_settle_while_another_holds_the_message(world: World) -> None:
    from app.core.outbox import store
    from app.core.outbox.models import MessageState
    from app.core.outbox.store import Settlement
    from app.core.transaction import transaction

    world.publish(1)
    old, [message] = claim(world)
    world.sql("UPDATE outbox_message SET lease_until = now() - interval '1 second'")
    with transaction() as session:
        assert store.free_expired(session) == {"echo"}
    new, [again] = claim(world)
    with transaction() as session:
        assert store.settle(session, {message.id: old}, [Settlement(message, MessageState.DONE)]) == set()
        store.release(session, {message.id: old})
    assert world.row(message.id).lease_token == new
    with transaction() as session:
        assert store.settle(session, {again.id: new}, [Settlement(again, MessageState.DONE)]) == {message.id}


def test_a_leased_message_is_not_taken_twice_and_holds_its_dossier(world: World) -> None:
    world.publish(1, key="dossier:1")
    world.publish(1, key="dossier:1")
    assert len(claim(world)[1]) == 1
    assert claim(world)[1] == []


def test_the_late_answer_after_a_settlement_by_hand_changes_nothing(world: World) -> None:
    from app.core.outbox import console, store
    from app.core.outbox.models import MessageState
    from app.core.outbox.store import Settlement
    from app.core.transaction import transaction

    message = world.publish(1)
    token, [taken] = claim(world)
    assert console.mark_settled([message], reason="fait au téléphone") == 0  # under way: refused
    world.sql("UPDATE outbox_message SET lease_until = now() - interval '1 second'")
    with transaction() as session:
        store.free_expired(session)
    assert console.mark_settled([message], reason="fait au téléphone") == 1
    with transaction() as session:
        assert store.settle(session, {taken.id: token}, [Settlement(taken, MessageState.DONE, answer={"x": 1})]) == set()
    assert world.row(message).state == "cancelled"


# ---- several workers -------------------------------------------------------------------------------------------------


def test_workers_side_by_side_send_each_message_once(world: World) -> None:
    from app.core.outbox import drain as engine

    for subject in range(120):
        world.publish(subject % 40, key=f"dossier:{subject % 40}", n=subject)
    world.partner.max_concurrency = 2
    world.partner.delay = 0.002
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with world.app.app_context():
                for _ in range(6):
                    engine.drain("echo")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert world.states() == {"done": 120}
    assert len(world.partner.received) == 120
    for dossier in range(40):
        sent = [request["n"] for request in world.partner.order if request["n"] % 40 == dossier]
        assert sent == sorted(sent)


def test_the_author_is_known_to_the_transport_and_not_to_the_journal(world: World) -> None:
    from app.core import context

    seen: list[tuple[str | None, int | None]] = []
    world.partner.behave = lambda request, tries: seen.append((context.request_id(), context.actor_id())) or {}
    applied_as: list[int | None] = []
    world.apply = lambda message, answer: applied_as.append(context.actor_id())
    with context.acting(actor=42, reference="reference-of-act"):
        world.publish(1)
    with context.acting(actor=7, reference="reference-of-job"):
        world.drain()
    assert seen == [("reference-of-act", 42)]
    assert applied_as == [None]
