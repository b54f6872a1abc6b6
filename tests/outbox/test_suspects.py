"""Messages whose workers die with them: found, set apart, given up; and nobody else dies of it."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from app.core.outbox import policy
from app.core.outbox.errors import Unavailable

if TYPE_CHECKING:
    from tests.outbox.conftest import World


@pytest.fixture(autouse=True)
def batches(world: World) -> list[list[int]]:
    """The subjects of each batch, as the feature is asked for their requests."""
    from app.core.outbox import register_handler

    seen: list[list[int]] = []

    def build_many(messages: Any) -> dict[int, Any]:
        seen.append([message.subject_id for message in messages])
        return {message.id: world.build(message.subject_id, message.params) for message in messages}

    register_handler("echo", "tell", build_many=build_many, apply=lambda message, answer: None)
    world.partner.max_concurrency = 50
    return seen


def in_a_worker(world: World, during: Callable[[int], None] = lambda pid: None) -> int:
    """Drain in a process of its own; returns its exit code, negative for a signal. ``during(pid)`` runs meanwhile."""
    from app.core.extensions import db

    db.session.remove()
    db.engine.dispose()  # no connection is shared with the child
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            world.drain()
            code = 0
        finally:
            os._exit(code)
    during(pid)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def leases_run_out(world: World) -> None:
    from app.core.outbox.jobs import sweep

    world.sql("UPDATE outbox_message SET lease_until = now() - interval '1 second' WHERE state = 'sending'")
    sweep()


def set_expiries(world: World, count: int, messages: list[int]) -> None:
    world.sql("UPDATE outbox_message SET expiries = :n WHERE id = ANY(:ids)", n=count, ids=messages)


@pytest.mark.parametrize("where", ["build", "send"])
def test_a_message_that_kills_its_worker_becomes_a_dead_letter_and_is_the_only_one(world: World, where: str) -> None:
    from app.core.outbox import console

    def die(*_args: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    poisoned = 77
    if where == "build":
        world.build = lambda subject, params: die() if subject == poisoned else {"subject": subject}
    else:
        world.partner.behave = lambda request, tries: die() if request["subject"] == poisoned else {}
    messages = {subject: world.publish(subject) for subject in range(300)}
    behind = world.publish(1000, key=f"thing:{poisoned}")
    deaths = 0
    for _ in range(20):
        if in_a_worker(world) == 0:
            break
        deaths += 1
        leases_run_out(world)
        world.due_now()  # the pauses are over
    row = world.row(messages[poisoned])
    assert (row.state, row.error_kind, row.last_error_code, row.expiries) == ("dead", "fault", "worker_lost", 7)
    assert deaths == 7
    assert world.states() == {"done": 299, "dead": 1, "pending": 1}  # what stands behind it in its dossier waits
    assert world.sql("SELECT 1 FROM outbox_message WHERE state = 'done' AND expiries <> 0") == []
    # the defect is mended, and somebody sends it again
    world.build, world.partner.behave = (lambda subject, params: {"subject": subject}), (lambda request, tries: {})
    assert console.replay([messages[poisoned]]) == 1
    assert in_a_worker(world) == 0
    assert (world.row(messages[poisoned]).state, world.row(behind).state) == ("done", "done")


def test_random_kills_of_workers_with_hundreds_in_hand_give_up_nothing(world: World) -> None:
    rng = random.Random(25)
    messages = [world.publish(subject) for subject in range(400)]
    world.partner.delay = 0.05

    def kill(pid: int) -> None:
        time.sleep(rng.uniform(0.02, 0.3))
        os.kill(pid, signal.SIGKILL)

    killed = 0
    for _ in range(25):
        killed += in_a_worker(world, kill) == -signal.SIGKILL
        leases_run_out(world)
        if world.states() == {"done": len(messages)}:
            messages += [world.publish(len(messages) + subject) for subject in range(400)]
    assert killed == 25
    world.partner.delay = 0.0
    world.sql("UPDATE outbox_message SET next_attempt_at = now() WHERE state = 'pending'")
    assert in_a_worker(world) == 0
    assert world.states() == {"done": len(messages)}


def test_suspects_leave_first_and_apart(world: World, batches: list[list[int]]) -> None:
    ordinary = [world.publish(subject) for subject in range(100)]
    few = [world.publish(100 + subject) for subject in range(50)]
    alone = [world.publish(200 + subject) for subject in range(3)]
    set_expiries(world, 1, few)
    set_expiries(world, 2, alone[:2])
    set_expiries(world, 6, alone[2:])
    world.drain()
    assert [len(batch) for batch in batches] == [1, 1, 1, 20, 20, 10, 100]
    assert [batch[0] for batch in batches[:3]] == [200, 201, 202]
    assert world.states() == {"done": len(ordinary + few + alone)}


def test_nothing_joins_a_suspect_in_hand(world: World, batches: list[list[int]]) -> None:
    """Messages that arrive while it is under way wait for its end, and a suspect waits for the end of what is in hand."""
    suspect = world.publish(1)
    set_expiries(world, 3, [suspect])
    world.partner.delay = 1.2  # several looks at the database
    arrived: list[int] = []

    def build(subject: int, params: Any) -> Any:
        if subject == 1:
            arrived.append(world.publish(2))
            set_expiries(world, 2, [world.publish(3)])
        return {"subject": subject}

    world.build = build
    world.drain()
    assert batches == [[1], [3], [2]]
    assert world.states() == {"done": 3}


def test_any_answer_clears_a_suspect(world: World) -> None:
    message = world.publish(1)
    set_expiries(world, 6, [message])

    def unavailable(_request: Any, _tries: int) -> Any:
        raise Unavailable

    world.partner.behave = unavailable
    world.drain()
    row = world.row(message)
    assert (row.state, row.expiries) == ("pending", 0)


def test_what_is_given_back_unsent_stays_a_suspect(world: World) -> None:
    from uuid import uuid4

    from app.core.outbox import store
    from app.core.transaction import transaction

    message = world.publish(1)
    set_expiries(world, 3, [message])
    token = uuid4()
    with transaction() as session:
        [claimed] = store.claim(session, "echo", token, 10)
        assert claimed.expiries == 3
        store.release(session, {message: token})
    assert (world.row(message).state, world.row(message).expiries) == ("pending", 3)


def test_a_drain_with_something_in_hand_takes_no_suspect(world: World) -> None:
    from uuid import uuid4

    from app.core.outbox import store
    from app.core.transaction import transaction

    ordinary, suspect = world.publish(1), world.publish(2)
    set_expiries(world, 1, [suspect])
    with transaction() as session:
        assert [message.id for message in store.claim(session, "echo", uuid4(), 10, empty_handed=False)] == [ordinary]


def test_a_suspect_waits_longer_each_time(world: World) -> None:
    from uuid import uuid4

    from app.core.outbox import store
    from app.core.transaction import transaction

    message = world.publish(1)
    waits = []
    for _ in range(6):
        world.due_now()
        with transaction() as session:
            assert store.claim(session, "echo", uuid4(), 10)
        leases_run_out(world)
        [row] = world.sql("SELECT state, EXTRACT(EPOCH FROM next_attempt_at - clock_timestamp()) AS s FROM outbox_message WHERE id = :i", i=message)
        assert row.state == "pending"
        waits.append(max(0, round(float(row.s))))
    assert waits == [policy.expiry_pause(n) for n in range(1, 7)]
