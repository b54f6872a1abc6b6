"""The engine of life cycles."""

from __future__ import annotations

from enum import StrEnum

import pytest

from app.core.workflow import ForbiddenTransition, GuardRefused, Transition, Workflow


class Door(StrEnum):
    SHUT = "shut"
    OPEN = "open"
    GONE = "gone"


class Act(StrEnum):
    PUSH = "push"
    PULL = "pull"
    REMOVE = "remove"


def not_locked(facts: dict[str, bool]) -> list[str]:
    return ["it is locked"] if facts["locked"] else []


def somebody_there(facts: dict[str, bool]) -> list[str]:
    return [] if facts["somebody"] else ["nobody is there"]


DOOR: Workflow[Door, Act, dict[str, bool]] = Workflow(
    "door",
    (
        Transition(Door.SHUT, Act.PUSH, Door.OPEN, (not_locked, somebody_there)),
        Transition(Door.OPEN, Act.PULL, Door.SHUT),
        Transition(Door.OPEN, Act.REMOVE, Door.GONE),
    ),
)
FREE = {"locked": False, "somebody": True}


@pytest.mark.parametrize("state", list(Door))
@pytest.mark.parametrize("act", list(Act))
def test_every_pair_is_in_the_table_or_forbidden(state: Door, act: Act) -> None:
    allowed = {(Door.SHUT, Act.PUSH): Door.OPEN, (Door.OPEN, Act.PULL): Door.SHUT, (Door.OPEN, Act.REMOVE): Door.GONE}
    if (state, act) in allowed:
        assert DOOR.fire(state, act, FREE) is allowed[state, act]
    else:
        with pytest.raises(ForbiddenTransition):
            DOOR.fire(state, act, FREE)


def test_all_reasons_are_given_at_once() -> None:
    with pytest.raises(GuardRefused) as refusal:
        DOOR.fire(Door.SHUT, Act.PUSH, {"locked": True, "somebody": False})
    assert refusal.value.reasons == ("it is locked", "nobody is there")


def test_offers_say_what_blocks() -> None:
    (offer,) = DOOR.offers(Door.SHUT, {"locked": True, "somebody": True})
    assert offer.event is Act.PUSH and not offer.free and offer.blockers == ("it is locked",)
    assert all(offer.free for offer in DOOR.offers(Door.OPEN, FREE))


def test_final_states_and_diagram() -> None:
    assert DOOR.final_states(Door) == {Door.GONE}
    assert "shut --> open: push" in DOOR.diagram()


def test_two_transitions_for_one_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="two transitions"):
        Workflow("door", (Transition(Door.SHUT, Act.PUSH, Door.OPEN), Transition(Door.SHUT, Act.PUSH, Door.GONE)))
