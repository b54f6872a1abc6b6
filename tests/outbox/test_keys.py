"""One key, one body: the key follows what is built at each try, and no death of a worker loses it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from app.core.outbox.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from tests.outbox.conftest import World


def lost(_request: Any, _tries: int) -> Any:
    raise Unavailable(reason="answer lost")


@pytest.fixture
def followed(world: World) -> World:
    """A partner that compares bodies."""
    world.partner.body = lambda request: f"{request['subject']}:{request['said']}"  # type: ignore[attr-defined]
    world.build = lambda subject, params: {"subject": subject, "said": "one"}
    return world


def says(world: World, words: str) -> None:
    world.build = lambda subject, params: {"subject": subject, "said": words}


def again(world: World) -> None:
    world.due_now()
    world.close_breaker()
    world.drain()


def sent(world: World) -> list[tuple[str, Any]]:
    return [(request["said"], key) for request, key in world.partner.received]


def test_the_same_body_keeps_its_key_and_another_takes_a_new_one(followed: World) -> None:
    message = followed.publish(1)
    first = followed.row(message).idempotency_key
    followed.partner.behave = lost
    followed.drain()
    again(followed)
    says(followed, "two")
    again(followed)
    again(followed)
    says(followed, "one")
    followed.partner.behave = lambda request, tries: {}
    again(followed)
    runs = [(said, key, len(list(tries))) for (said, key), tries in groupby(sent(followed))]
    assert [said for said, _key, _tries in runs] == ["one", "two", "one"]
    assert min(tries for _said, _key, tries in runs[:2]) >= 2
    assert runs[0][1] == first
    assert len({key for _said, key, _tries in runs}) == 3, "what was said in between must not be answered as the first time"
    assert followed.row(message).state == "done"


def test_the_key_is_written_before_anything_leaves(followed: World) -> None:
    """A worker dies at any moment of the call: who takes the message over finds the key of what was sent."""
    message = followed.publish(1)
    followed.partner.behave = lost
    followed.drain()
    says(followed, "two")
    seen: list[Any] = []

    def died(_request: Any, _tries: int) -> Any:
        seen.append(followed.row(message).idempotency_key)
        raise Unavailable(reason="the worker is gone")

    followed.partner.behave = died
    again(followed)
    again(followed)
    assert set(seen) == {key for said, key in sent(followed) if said == "two"}
    assert len(set(seen)) == 1


def test_a_lease_lost_while_building_sends_nothing(followed: World) -> None:
    """Another worker took the message over: its key stands."""
    message = followed.publish(1)

    def slept(subject: int, _params: Any) -> Any:
        followed.sql("UPDATE outbox_message SET lease_token = :other WHERE id = :id", other=uuid4(), id=message)
        return {"subject": subject, "said": "late"}

    followed.build = slept
    report = followed.drain()
    assert (report.fenced, followed.partner.received) == (1, [])
    assert followed.row(message).body_digest is None


def test_a_body_that_cannot_be_said_is_a_fault_of_its_message_alone(followed: World) -> None:
    def body(request: Any) -> str:
        if request["subject"] == 1:
            raise ValueError("no")
        return "x"

    followed.partner.body = body  # type: ignore[attr-defined]
    first, second = followed.publish(1), followed.publish(2)
    followed.drain()
    assert followed.row(second).state == "done"
    assert followed.row(first).body_digest is None


def test_bodies_are_told_apart_in_one_statement_and_kept_as_digests(followed: World) -> None:
    from tests.actions.helpers import statements

    ids = [followed.publish(subject) for subject in range(1, 41)]
    followed.partner.behave = lost
    with statements() as made:
        followed.drain()
    assert len([one for one in made if "body_digest = r.digest" in one]) == 1
    digests = {bytes(followed.row(one).body_digest) for one in ids}
    assert len(digests) == 40
    assert {len(digest) for digest in digests} == {32}


def test_a_key_that_served_for_something_else_is_given_up(followed: World) -> None:
    from app.core.extensions import db
    from app.core.outbox import console, keys
    from app.core.transaction import transaction

    def refuse(_request: Any, _tries: int) -> Any:
        raise Rejected("CLE", "Déjà servie")

    message = followed.publish(1)
    followed.partner.behave = refuse
    followed.drain()
    with transaction():
        keys.forget(db.session(), [message])
    followed.partner.behave = lambda request, tries: {}
    console.replay([message])
    followed.drain()
    (_said, first), (_again, second) = sent(followed)
    assert first != second
    assert followed.row(message).state == "done"


def test_the_key_stays_while_the_key_of_digests_is_changed(followed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.core import crypto

    message = followed.publish(1)
    followed.partner.behave = lost
    followed.drain()
    former = crypto.index()
    monkeypatch.setattr(crypto, "index", lambda: crypto.BlindIndex(b"n" * 32, former.key))
    again(followed)
    assert len({key for _said, key in sent(followed)}) == 1
    assert followed.row(message).state == "pending"
