"""The circuit in PostgreSQL: an outage, the probe, the return; and live calls under its guard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.core.outbox.errors import Rejected, Throttled, Unavailable

if TYPE_CHECKING:
    from tests.outbox.conftest import World


def down(_request: Any, _tries: int) -> Any:
    raise Unavailable(reason="connection refused")


def state(world: World) -> str:
    return str(world.sql("SELECT state FROM outbox_partner WHERE name = 'echo'")[0].state)


def test_an_outage_costs_a_handful_of_calls_and_heals_by_itself(world: World) -> None:
    messages = [world.publish(n) for n in range(200)]
    world.partner.behave = down
    report = world.drain()
    assert state(world) == "open"
    assert report.sent <= 5 + world.partner.max_concurrency
    assert world.drain().sent == 0  # every worker sees it open
    world.breaker_due()
    assert world.drain().sent == 1  # one probe, though hundreds wait
    assert state(world) == "open"
    world.breaker_due()
    world.partner.behave = lambda request, tries: {}
    world.drain()
    assert state(world) == "closed"
    world.due_now()
    world.drain()
    assert world.states() == {"done": 200}
    assert len(messages) == len(world.partner.order) == 200


def test_what_waited_leaves_at_once_when_the_partner_is_back(world: World) -> None:
    world.publish(1)
    world.partner.behave = down
    for _ in range(5):
        world.drain()
        world.sql("UPDATE outbox_message SET next_attempt_at = now()")
    world.sql("UPDATE outbox_message SET next_attempt_at = now() + interval '14 minutes'")
    world.publish(2)
    world.sql("UPDATE outbox_message SET next_attempt_at = now() + interval '14 minutes', error_kind = 'unavailable'")
    world.breaker_due()
    world.partner.behave = lambda request, tries: {}
    world.drain()
    [row] = world.sql("SELECT max(next_attempt_at) < now() + interval '3 seconds' AS soon FROM outbox_message WHERE state = 'pending'")
    assert row.soon is not False


def test_one_message_that_always_fails_does_not_keep_the_circuit_open(world: World) -> None:
    world.publish(666)
    world.partner.behave = lambda request, tries: down(request, tries) if request["subject"] == 666 else {}
    for _ in range(5):
        world.drain()
        world.due_now()
    assert state(world) == "open"
    other = world.publish(1)
    world.breaker_due()
    world.drain()
    assert state(world) == "closed"
    assert world.row(other).state == "done"


def test_only_one_worker_probes(world: World) -> None:
    from app.core.outbox import circuit
    from app.core.transaction import transaction

    world.publish(1)
    world.sql("INSERT INTO outbox_partner (name, state, retry_at) VALUES ('echo', 'open', now() - interval '1 second')")
    with transaction() as session:
        assert circuit.take_probe(session, "echo") is True
    with transaction() as session:
        assert circuit.take_probe(session, "echo") is False
    assert world.drain().sent == 0


def test_a_fault_of_ours_during_the_probe_blames_nobody(world: World) -> None:
    world.publish(1)
    world.sql("INSERT INTO outbox_partner (name, state, retry_at) VALUES ('echo', 'open', now() - interval '1 second')")
    world.partner.behave = lambda request, tries: 1 / 0
    world.drain()
    assert state(world) == "open"
    world.publish(2)
    world.partner.behave = lambda request, tries: {}
    world.drain()
    assert state(world) == "closed"


def test_a_partner_that_cannot_be_opened_is_unavailable(world: World) -> None:
    def refuse() -> Any:
        raise Unavailable(reason="no token")

    world.partner.open_client = refuse  # type: ignore[method-assign]
    message = world.publish(1)
    world.drain()
    assert world.row(message).error_kind == "unavailable"


def test_a_transport_that_breaks_gives_everything_back(world: World) -> None:
    def broken() -> Any:
        raise ZeroDivisionError

    world.partner.open_client = broken  # type: ignore[method-assign]
    message = world.publish(1)
    with pytest.raises(ZeroDivisionError):
        world.drain()
    row = world.row(message)
    assert (row.state, row.attempts, row.failures) == ("pending", 0, 0)


# ---- live calls ------------------------------------------------------------------------------------------------------


def test_live_calls_share_the_circuit(world: World) -> None:
    from app.core.outbox.circuit import guard

    calls = 0
    for _ in range(8):
        with pytest.raises(Unavailable), guard("echo"):
            calls += 1
            raise Unavailable(reason="timeout")
    assert calls == 5
    assert state(world) == "open"
    with pytest.raises(Unavailable) as refused, guard("echo"):
        pytest.fail("called while the circuit is open")
    assert 0 < (refused.value.retry_after or 0) <= 30
    world.breaker_due()
    with guard("echo"):
        pass
    assert state(world) == "closed"


def test_a_refused_or_throttled_live_call_is_an_answer(world: World) -> None:
    from app.core.outbox.circuit import guard

    for error in [Rejected("X", "x"), Throttled(3), Rejected("X", "x")] * 3:
        with pytest.raises(type(error)), guard("echo"):
            raise error
    assert state(world) == "closed"


def test_our_own_fault_in_a_live_call_frees_the_probe(world: World) -> None:
    from app.core.outbox.circuit import guard

    world.sql("INSERT INTO outbox_partner (name, state, retry_at) VALUES ('echo', 'open', now() - interval '1 second')")
    with pytest.raises(ZeroDivisionError), guard("echo"):
        raise ZeroDivisionError
    with guard("echo"):
        pass
    assert state(world) == "closed"
