"""Whatever the partner answers, and wherever workers die: order within a dossier, one effect per message, nothing lost."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.outbox.errors import Duplicate, Rejected, Throttled, Unavailable

if TYPE_CHECKING:
    from tests.outbox.conftest import World

#: What the partner does with one try: ``lost`` takes the message and loses its answer.
FAULTS = ["fine", "fine", "fine", "refuse", "unavailable", "throttled", "lost", "garbage", "crash"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dossiers=st.lists(st.integers(0, 4), min_size=1, max_size=25),
    faults=st.lists(st.sampled_from(FAULTS), max_size=60),
    batches=st.lists(st.integers(1, 8), min_size=1, max_size=10),
)
def test_order_and_single_effect(world: World, dossiers: list[int], faults: list[str], batches: list[int]) -> None:
    from app.core.outbox import console, store
    from app.core.outbox.jobs import sweep
    from app.core.transaction import transaction

    world.sql("DELETE FROM outbox_intervention")
    world.sql("DELETE FROM outbox_message")
    world.close_breaker()
    world.applied.clear()
    effects: dict[Any, tuple[int, int]] = {}
    order: dict[int, list[int]] = defaultdict(list)
    script = list(faults)

    async def send(request: dict[str, int], *, idempotency_key: Any, client: Any) -> Any:
        fault = script.pop() if script else "fine"
        if idempotency_key in effects:
            raise Duplicate(str(idempotency_key))
        if fault == "refuse":
            raise Rejected("NON", "Non")
        if fault == "unavailable":
            raise Unavailable()
        if fault == "throttled":
            raise Throttled(1)
        if fault == "garbage":
            raise KeyError("statut")
        effects[idempotency_key] = (request["dossier"], request["n"])
        order[request["dossier"]].append(request["n"])
        if fault == "lost":
            raise Unavailable()
        return {"taken": request["n"]}

    world.partner.send = send  # type: ignore[method-assign]
    published = [world.publish(n, key=f"dossier:{d}", dossier=d, n=n) for n, d in enumerate(dossiers)]

    for round_number in range(80):
        if round_number < len(batches):  # a worker takes some and dies
            with transaction() as session:
                store.claim(session, "echo", uuid4(), batches[round_number])
        if script and script[-1] == "crash":
            script.pop()
        else:
            world.drain()
        world.sql("UPDATE outbox_message SET lease_until = now() - interval '1 second' WHERE state = 'sending'")
        sweep()
        world.due_now()
        world.breaker_due()
        stuck = [row.id for row in world.sql("SELECT id FROM outbox_message WHERE state IN ('rejected', 'dead')")]
        if stuck:
            console.replay(stuck)
        if world.states() == {"done": len(published)}:
            break
    assert world.states() == {"done": len(published)}
    assert len(effects) == len(published)
    for dossier, sent in order.items():
        assert sent == [n for n, d in enumerate(dossiers) if d == dossier]
    assert sorted(message for message, _ in world.applied) == published
