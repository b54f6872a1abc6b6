"""A message and its cause share one fate."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.outbox.conftest import World


class Wobble(Exception):
    pass


def test_a_thousand_random_rollbacks_leave_no_orphan_either_way(world: World) -> None:
    """B5.4: the business row and the message commit together or not at all."""
    from app.core.outbox import publish
    from app.core.transaction import transaction

    rng = random.Random(20260105)
    world.sql("CREATE TEMPORARY TABLE nothing (x int)")
    with world.app.app_context():
        pass
    _as_owner(world, "CREATE TABLE business (id bigint PRIMARY KEY); GRANT ALL ON business TO portal_system")

    def act(number: int) -> None:
        breaking = rng.choice(["before", "between", "after", "commit", "inner", "none", "none"])
        with transaction() as session:
            if breaking == "before":
                raise Wobble
            business_first = rng.random() < 0.5
            if business_first:
                session.execute(_text("INSERT INTO business VALUES (:n)"), {"n": number})
            if breaking == "between":
                raise Wobble
            publish(
                partner="echo",
                operation="tell",
                subject_type="business",
                subject_id=number,
                ordering_key=f"business:{rng.randrange(50)}",
                organisation_id=1,
            )
            if not business_first:
                session.execute(_text("INSERT INTO business VALUES (:n)"), {"n": number})
            if breaking == "inner":
                with transaction():
                    raise Wobble
            if breaking == "commit":
                session.execute(_text("SELECT 1/0"))
            if breaking == "after":
                raise Wobble

    kept = 0
    for number in range(1000):
        try:
            act(number)
            kept += 1
        except Exception:
            pass
    business = {row.id for row in world.sql("SELECT id FROM business")}
    messages = [row.subject_id for row in world.sql("SELECT subject_id FROM outbox_message WHERE subject_type = 'business'")]
    assert 150 < kept < 450
    assert len(messages) == len(business) == kept
    assert set(messages) == business


def _text(statement: str) -> Any:
    from sqlalchemy import text

    return text(statement)


def _as_owner(world: World, statements: str) -> None:
    from sqlalchemy import create_engine

    from config import with_driver

    engine = create_engine(with_driver(world.app.config["DATABASE_OWNER_URL"]))
    with engine.begin() as connection:
        connection.exec_driver_sql(statements)
    engine.dispose()


def test_publishing_belongs_inside_a_transaction(world: World) -> None:
    from app.core.outbox import publish

    with pytest.raises(RuntimeError):
        publish(partner="echo", operation="tell", subject_type="t", subject_id=1, ordering_key="k", organisation_id=1)


def test_an_operation_nobody_handles_is_refused(world: World) -> None:
    with pytest.raises(LookupError):
        world.publish(1, operation="unheard")


@pytest.mark.parametrize("value", ["1620713155089", "1 62 07 13 155 089", "andre@example.fr", "x" * 65, {"nom": "Sion"}, ["Sion"]])
def test_parameters_carry_no_personal_data(world: World, value: Any) -> None:
    with pytest.raises(ValueError, match="params"):
        world.publish(1, value=value)


def test_an_organisation_publishes_for_itself_only(world: World) -> None:
    from sqlalchemy.exc import ProgrammingError

    from app.core.outbox import publish, queries
    from app.core.tenancy import Scope, bound_scope
    from app.core.transaction import transaction

    world.sql(
        "INSERT INTO organisation (id, siret, legal_name, created_at, updated_at) VALUES (2, '00000000000001', 'Autre', now(), now()) ON CONFLICT DO NOTHING"
    )
    arguments: dict[str, Any] = {"partner": "echo", "operation": "tell", "subject_type": "thing", "ordering_key": "k"}
    with bound_scope(Scope.organisation(1)), transaction():
        publish(subject_id=5, **arguments)
    with bound_scope(Scope.organisation(1)), pytest.raises(ProgrammingError, match="row-level security"), transaction():
        publish(subject_id=6, organisation_id=2, **arguments)
    with bound_scope(Scope.organisation(1)):
        assert set(queries.statuses("thing", [5, 6])) == {5}
        assert world.sql("UPDATE outbox_message SET attempts = 3 RETURNING id") == []
        assert world.sql("DELETE FROM outbox_message RETURNING id") == []
    with bound_scope(Scope.organisation(2)):
        assert queries.statuses("thing", [5, 6]) == {}
        assert world.sql("SELECT id FROM outbox_message") == []
    with bound_scope(Scope.support()):
        assert world.sql("SELECT id FROM outbox_message") == []


def test_two_transactions_on_one_dossier_leave_in_the_order_of_their_commits(world: World) -> None:
    """The second waits for the first: its message cannot be committed, and sent, before the one it follows."""
    from app.core.outbox import publish
    from app.core.tenancy import Scope, bound_scope
    from app.core.transaction import transaction

    entered, go = threading.Event(), threading.Event()

    def publish_in(subject: int, wait: threading.Event | None) -> None:
        with world.app.app_context(), bound_scope(Scope.system()), transaction():
            publish(
                partner="echo",
                operation="tell",
                subject_type="thing",
                subject_id=subject,
                ordering_key="same",
                organisation_id=1,
                params={"n": subject},
            )
            if wait is not None:
                entered.set()
                wait.wait(5)

    first = threading.Thread(target=publish_in, args=(1, go))
    first.start()
    entered.wait(5)
    second = threading.Thread(target=publish_in, args=(2, None))
    second.start()
    time.sleep(0.3)
    assert second.is_alive()
    assert world.drain().sent == 0
    go.set()
    first.join()
    second.join()
    world.drain()
    assert [request["n"] for request in world.partner.order] == [1, 2]


def test_statuses_tell_what_holds_a_subject_up_in_one_statement(world: World) -> None:
    from app.core.outbox import queries
    from app.core.outbox.errors import Rejected

    world.publish(1, n=1)
    world.drain()
    world.partner.behave = lambda request, tries: (_ for _ in ()).throw(Rejected("NON", "Refusé"))
    refused = world.publish(1, n=2)
    world.drain()
    world.publish(1, n=3)
    world.publish(2, n=4)
    found = queries.statuses("thing", [1, 2, 3])
    assert set(found) == {1, 2}
    assert (found[1].message_id, found[1].needs_decision, found[1].title) == (refused, True, "Refusé")
    assert (found[2].waiting, found[2].delayed) == (True, False)
