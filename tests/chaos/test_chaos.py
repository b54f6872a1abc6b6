"""``make chaos``: the whole product, killed at random; afterwards every enrolment has exactly one file, in the right order.

CHAOS_ENROLMENTS (500), CHAOS_SEED (any; a run is replayable as far as a machine allows), CHAOS_KEEP=1 keeps the folder.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Any

import pytest
from redis import Redis

from tests.chaos.load import Load
from tests.chaos.monkey import Monkey
from tests.chaos.product import Product

ENROLMENTS = int(os.environ.get("CHAOS_ENROLMENTS") or 500)
SEED = int(os.environ.get("CHAOS_SEED") or 20260105)
MISCHIEF = float(os.environ.get("CHAOS_SECONDS") or 300)
QUIET = max(180.0, ENROLMENTS * 0.06)  # seconds to settle everything once the mischief is over
EXPECTED = ["SORTIE", "CLOTURE"]
STATUS = ("CLOS_PARTIELLE", "closed_partial")  # at AGORA and here: everybody left before the planned end

pytestmark = [pytest.mark.chaos, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def load(app: Any) -> Load:
    load = Load(app, ENROLMENTS)
    load.prepare()
    return load


def messages(app: Any) -> list[Any]:
    from sqlalchemy import text

    from app.core.extensions import db
    from app.core.tenancy import Scope, bound_scope

    with app.app_context(), bound_scope(Scope.system()):
        return list(db.session.execute(text("SELECT id, subject_id, operation, state, attempts, failures, last_error_code FROM outbox_message ORDER BY id")))


def settled(app: Any) -> Counter[str]:
    from sqlalchemy.exc import DBAPIError

    try:
        return Counter(row.state for row in messages(app))
    except DBAPIError:
        return Counter({"unknown": 1})


# ---- one accident at a time: how long until everything is told -------------------------------------------------------

SLOW = {"latency_ms": 2500}


def wait_settled(app: Any, patience: float) -> float:
    """Seconds until nothing waits any more."""
    begin = time.monotonic()
    while set(settled(app)) - {"done", "cancelled"}:
        assert time.monotonic() - begin < patience, settled(app)
        time.sleep(0.25)
    return time.monotonic() - begin


def wait_sending(app: Any) -> int:
    """Wait until messages are on their way."""
    end = time.monotonic() + 30
    while not (count := settled(app)["sending"]):
        assert time.monotonic() < end, settled(app)
        time.sleep(0.1)
    return count


def some(load: Load, count: int = 20) -> None:
    """A few more enrolments."""
    first = len(load.made)
    for position in range(first, first + count):
        load.enrol(position)


def test_a_killed_worker_is_made_up_for_within_a_minute(product: Product, app: Any, load: Load) -> None:
    wait_settled(app, 60)
    product.sandbox("PUT", "/_admin/faults", SLOW)
    some(load)
    under_way = wait_sending(app)
    for name in ("worker-front", "worker-back"):
        product.kill(name)
    product.sandbox("DELETE", "/_admin/faults")
    seconds = wait_settled(app, 90)
    print(f"\nboth workers killed with {under_way} messages under way: all told {seconds:.0f} s later")
    assert seconds <= 60


def test_redis_wiped_and_killed_is_made_up_for_within_a_minute(product: Product, app: Any, load: Load) -> None:
    wait_settled(app, 60)
    client = Redis.from_url(product.environment["REDIS_URL"], socket_timeout=5)
    client.config_set("save", "")
    client.flushall()
    product.kill("redis")
    some(load)  # committed while Redis is away, or empty
    begin = time.monotonic()
    while not product.answers():
        assert time.monotonic() - begin < 60
        time.sleep(0.2)
    seconds = wait_settled(app, 90)
    print(f"\nRedis wiped and killed: all told {seconds:.0f} s after its return")
    assert seconds <= 60


def test_postgresql_killed_is_made_up_for_within_a_minute(product: Product, app: Any, load: Load) -> None:
    wait_settled(app, 60)
    product.sandbox("PUT", "/_admin/faults", SLOW)
    some(load)
    wait_sending(app)
    product.kill("postgres")
    product.sandbox("DELETE", "/_admin/faults")
    time.sleep(1)
    begin = time.monotonic()
    while not product.answers():
        assert time.monotonic() - begin < 60
        time.sleep(0.2)
    seconds = wait_settled(app, 90)
    print(f"\nPostgreSQL killed in mid-drain: all told {seconds:.0f} s after its return")
    assert seconds <= 60


def test_agora_silent_then_back_needs_no_hand(product: Product, app: Any, load: Load) -> None:
    wait_settled(app, 60)
    product.sandbox("PUT", "/_admin/faults", {"hold_ms": 20_000, "rates": {"no_answer": 1.0}})  # it acts, and says nothing
    some(load)
    time.sleep(40)
    product.sandbox("DELETE", "/_admin/faults")
    seconds = wait_settled(app, 120)
    print(f"\nAGORA accepted without answering for 40 s: all told {seconds:.0f} s after its return")
    assert seconds <= 75  # the circuit's pause of 30 s, the sweeper's 15 s, and one last silent call


# ---- everything at once ----------------------------------------------------------------------------------------------


def test_nothing_is_lost_and_nothing_twice(product: Product, app: Any, load: Load) -> None:
    wait_settled(app, 60)
    monkey = Monkey(product, SEED)
    monkey.start()
    begin = time.monotonic()
    for position in range(ENROLMENTS):
        if position not in load.made:
            load.enrol(position)
        if position >= 20:
            load.exit(position - 20)
    for position in range(max(0, ENROLMENTS - 20), ENROLMENTS):
        load.exit(position)
    load.open_and_close()
    produced = time.monotonic() - begin
    while time.monotonic() - begin < MISCHIEF:  # the drain has to get on under fire
        states = settled(app)
        if states["done"] > 0.95 * states.total() and time.monotonic() - begin > 60:
            break
        time.sleep(1)
    told_under_fire = settled(app)["done"]
    monkey.stop()
    mischief = time.monotonic() - begin
    healed = wait_settled(app, QUIET)

    known = set(load.made.values())
    rows = [row for row in messages(app) if row.subject_id in known]
    state = product.sandbox("GET", "/_admin/state")
    problems = judge(app, load, rows, state)
    print(report(produced, mischief, told_under_fire, healed, load, monkey, rows, state, problems))
    assert not problems


def judge(app: Any, load: Load, rows: list[Any], state: dict[str, Any]) -> list[str]:
    """Everything that is not as it must be."""
    from sqlalchemy import text

    from app.core.extensions import db
    from app.core.tenancy import Scope, bound_scope

    problems: list[str] = []
    with app.app_context(), bound_scope(Scope.system()):
        enrolments = {
            row.id: row
            for row in db.session.execute(
                text("SELECT id, external_reference, agora_number, agora_status, agora_state FROM enrolment WHERE component_id = :c"),
                {"c": load.component_id},
            )
        }
    if len(enrolments) != load.people or len(set(load.made.values())) != load.people:
        problems.append(f"{len(enrolments)} enrolments in the database, {load.people} expected")
    files: dict[str, Any] = state["by_reference"]
    numbers = Counter(file["number"] for file in files.values())
    if state["files"] != len(files) or any(count > 1 for count in numbers.values()):
        problems.append(f"{state['files']} files for {len(files)} references")
    for enrolment in enrolments.values():
        file = files.get(str(enrolment.external_reference))
        if file is None:
            problems.append(f"enrolment {enrolment.id}: no file")
            continue
        if file["number"] != enrolment.agora_number:
            problems.append(f"enrolment {enrolment.id}: number {enrolment.agora_number} here, {file['number']} there")
        if (file["status"], enrolment.agora_status) != STATUS:
            problems.append(f"enrolment {enrolment.id}: {enrolment.agora_status} here, {file['status']} there")
        told = [kind for kind, *_ in file["events"]]
        if told != EXPECTED:
            problems.append(f"enrolment {enrolment.id}: told {told}")
    unsettled = [row for row in rows if row.state != "done"]
    problems += [f"message {row.id} ({row.operation}): {row.state} {row.last_error_code}" for row in unsettled]
    if len(rows) != 3 * load.people:
        problems.append(f"{len(rows)} messages, {3 * load.people} expected")
    return problems


def report(
    produced: float, mischief: float, told: int, healed: float, load: Load, monkey: Monkey, rows: list[Any], state: dict[str, Any], problems: list[str]
) -> str:
    """What happened, for people."""
    attempts = [row.attempts for row in rows]
    lines = [
        "",
        f"make chaos, seed {SEED}",
        f"  {load.people} enrolments, as many exits, one closing of all in {produced:.0f} s ({load.retries} tries again while PostgreSQL was away)",
        f"  {mischief:.0f} s of mischief, {told} messages told meanwhile:",
        *(f"    {count:4d} × {what}" for what, count in monkey.done.most_common()),
        f"    {monkey.in_flight:4d} messages under way when a worker was killed",
        f"  wrong answers of AGORA: {dict(monkey.faults)}",
        f"  tries per message: {sum(attempts) / max(len(attempts), 1):.2f} on average, {max(attempts, default=0)} at most",
        f"  settled {healed:.0f} s after the last mischief; {state['files']} files at AGORA, statuses {state['statuses']}",
        f"  {'every enrolment has exactly one file, told in order; nothing lost' if not problems else 'PROBLEMS:'}",
        *(f"    {problem}" for problem in problems[:30]),
    ]
    return "\n".join(lines)
