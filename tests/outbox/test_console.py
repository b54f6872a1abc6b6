"""What operators do by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.core.outbox.errors import Rejected

if TYPE_CHECKING:
    from tests.outbox.conftest import World


def refuse(_request: Any, _tries: int) -> Any:
    raise Rejected("NON", "Refusé")


def test_replay_sends_again_under_the_same_key(world: World) -> None:
    from app.core import context
    from app.core.outbox import console

    message, behind = world.publish(1, key="d"), world.publish(2, key="d")
    world.partner.behave = refuse
    world.drain()
    key = world.row(message).idempotency_key
    world.partner.behave = lambda request, tries: {}
    with context.acting(actor=9):
        assert console.replay([message, behind], reason="dossier corrigé") == 1
    world.drain()
    assert (world.row(message).state, world.row(behind).state) == ("done", "done")
    assert world.row(message).idempotency_key == key
    [act] = world.sql("SELECT * FROM outbox_intervention")
    assert (act.message_id, act.kind, act.reason, act.actor_id) == (message, "replay", "dossier corrigé", 9)
    assert console.replay([message]) == 0


def test_settling_needs_a_reason_and_frees_the_dossier(world: World) -> None:
    from app.core.outbox import console

    message, behind = world.publish(1, key="d"), world.publish(2, key="d")
    world.partner.behave = refuse
    world.drain()
    with pytest.raises(console.ConsoleError):
        console.mark_settled([message], reason="  ")
    assert console.mark_settled([message], reason="saisi à la main dans AGORA") == 1
    world.partner.behave = lambda request, tries: {}
    world.drain()
    assert (world.row(message).state, world.row(behind).state) == ("cancelled", "done")


def test_a_paused_partner_gets_nothing_until_resumed(world: World) -> None:
    from app.core.outbox import console
    from app.core.outbox.jobs import sweep

    console.pause("echo", reason="bascule de certificat")
    world.publish(1)
    sweep()
    assert world.drain().sent == 0
    console.resume("echo")
    assert world.drain().done == 1
    assert [row.kind for row in world.sql("SELECT kind FROM outbox_intervention ORDER BY id")] == ["pause", "resume"]
    with pytest.raises(console.ConsoleError):
        console.pause("unknown", reason="x")


def test_figures_for_supervision(world: World) -> None:
    from app.core.outbox import queries

    world.publish(1)
    world.partner.behave = refuse
    world.drain()
    world.publish(2)
    world.sql("UPDATE outbox_message SET created_at = now() - interval '90 seconds' WHERE state = 'pending'")
    [gauge] = [gauge for gauge in queries.gauges() if gauge.partner == "echo"]
    assert (gauge.pending, gauge.rejected, gauge.dead, gauge.paused) == (1, 1, 0, False)
    assert 85 < gauge.oldest_pending_seconds < 120
