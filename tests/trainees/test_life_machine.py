"""Any order of acts, of messages that leave and of answers that are lost: the sandbox refuses nothing, and both sides agree at the end."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from app.actions import services as actions
from app.actions.domain import ActionStatus, BillingPeriod, DeclarationFrequency
from app.actions.models import Action
from app.core import clock
from app.core.extensions import db
from app.core.outbox.models import MessageState
from app.partners.agora.port import Outcome
from app.trainees import domain, life, standing
from app.trainees.life import EnrolmentEvent, EnrolmentState
from app.trainees.models import Enrolment
from app.trainees.services.enrolment import PLAN_FIELDS, change_plan
from app.trainees.services.registration import update_registration
from tests.actions.helpers import make_action, make_enrolment
from tests.trainees import test_life as acts
from tests.trainees.agora_double import AgoraDouble
from tests.trainees.test_life_messages import correct
from tests.trainees.test_services import enrolment_of, messages_of

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session

REFUSALS = (domain.Refused, actions.Refused)
#: From the last day that was declared (0) to today (10), the day before included (-1): mostly what can be, sometimes not.
DAYS = st.integers(-1, 10)
_CLOSED = {Outcome.FULL: "closed_full", Outcome.PARTIAL: "closed_partial", Outcome.NOT_DONE: "closed_not_done"}


class Typed(dict[str, Any]):
    """A validated form as services take it."""

    posted_base = None

    def __init__(self, version: int, values: dict[str, Any]) -> None:
        super().__init__({name: SimpleNamespace(data=value) for name, value in values.items()})
        self.posted_version = version

    def __getattr__(self, name: str) -> Any:
        return self[name]


class Lives(RuleBasedStateMachine):
    """One enrolment of an open action, one of which keeps it open, and AGORA."""

    done: ClassVar[dict[str, int]] = {}
    #: Tries under the key of before, and under another.
    keys: ClassVar[Counter[str]] = Counter()
    #: One AGORA for all lives: it never gives a number twice.
    double: ClassVar[AgoraDouble]

    def __init__(self) -> None:
        super().__init__()
        self.double.wires.clear()
        self.double.tries.clear()

    def teardown(self) -> None:
        self._agrees()

    @initialize()
    def enrolled(self) -> None:
        action = make_action(start=-60, end=0)
        first = make_enrolment(action, name="PREMIER", entered=20)
        self.enrolment_id = make_enrolment(action, name="SECOND", entered=20)
        actions.open_action(action.id, actions.Opening(clock.today() - timedelta(days=20), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))
        acts.leave(first)
        self.action_id = action.id

    def _ago(self, share: int) -> int:
        """Days from today."""
        known = (clock.today() - standing.path_of(enrolment_of(self.enrolment_id)).last_told).days
        return known + 1 if share < 0 else known - known * share // 10

    # ---- acts --------------------------------------------------------------------------------------------------------

    def _try(self, event: EnrolmentEvent, act: Any) -> None:
        """An act that the table forbids is refused, whatever is typed; what is done is counted."""
        before = self._state()
        free = not life.obstacles(before, event, life.LifeFacts(exit_mendable=True))
        try:
            act()
        except REFUSALS:
            return
        assert free, (before, event)
        self.done[event] = self.done.get(event, 0) + 1

    def _in(self, *states: EnrolmentState) -> bool:
        """Acts are mostly tried where they are possible; ``any_act`` tries them elsewhere."""
        return hasattr(self, "enrolment_id") and self._state() in states

    @rule(act=st.sampled_from(["interrupt", "resume", "leave", "undo", "judge"]), days=DAYS)
    def any_act(self, act: str, days: int) -> None:
        match act:
            case "undo":
                self.undo()
            case "judge":
                self.judge(Outcome.PARTIAL)
            case _:
                getattr(self, act)(days)

    @precondition(lambda self: self._in(EnrolmentState.IN))
    @rule(days=DAYS)
    def interrupt(self, days: int) -> None:
        self._try(EnrolmentEvent.INTERRUPT, lambda: acts.interrupt(self.enrolment_id, self._ago(days)))

    @precondition(lambda self: self._in(EnrolmentState.INTERRUPTED))
    @rule(days=DAYS)
    def resume(self, days: int) -> None:
        self._try(EnrolmentEvent.RESUME, lambda: acts.resume(self.enrolment_id, self._ago(days)))

    @precondition(lambda self: self._in(EnrolmentState.IN, EnrolmentState.INTERRUPTED))
    @rule(days=DAYS)
    def leave(self, days: int) -> None:
        self._try(EnrolmentEvent.LEAVE, lambda: acts.leave(self.enrolment_id, self._ago(days)))

    @precondition(lambda self: self._in(EnrolmentState.LEFT, EnrolmentState.LEFT_INTERRUPTED))
    @rule()
    def undo(self) -> None:
        self._try(EnrolmentEvent.UNDO_EXIT, lambda: acts.undo(self.enrolment_id))

    @rule(chance=st.integers(0, 9))
    def cancel(self, chance: int) -> None:
        if chance == 7:  # nothing follows it
            self._try(EnrolmentEvent.CANCEL, lambda: acts.cancel(self.enrolment_id))

    @precondition(lambda self: self._in(EnrolmentState.LEFT, EnrolmentState.LEFT_INTERRUPTED))
    @rule(outcome=st.sampled_from(list(Outcome)))
    def judge(self, outcome: Outcome) -> None:
        version = acts.version_of(self.enrolment_id)
        self._try(EnrolmentEvent.JUDGE, lambda: acts.life.judge(self.enrolment_id, outcome=outcome, reason=acts.WHY, version=version))

    @rule()
    def close(self) -> None:
        with suppress(*REFUSALS):
            actions.close_action(self.action_id)

    @rule()
    def reopen(self) -> None:
        with suppress(*REFUSALS):
            actions.reopen_action(self.action_id, reason="Sortie oubliée")

    # ---- what a message is built from changes, between two tries or not ------------------------------------------------

    @precondition(lambda self: self._in(EnrolmentState.IN))
    @rule(hours=st.integers(101, 104))
    def change_the_plan(self, hours: int) -> None:
        enrolment = enrolment_of(self.enrolment_id)
        typed = {name: getattr(enrolment, name) for name in PLAN_FIELDS} | {"hours_centre": Decimal(hours)}
        self._try(EnrolmentEvent.CHANGE, lambda: change_plan(self.enrolment_id, Typed(enrolment.version, typed)))

    @rule(what=st.sampled_from(["sheet", "identity", "component"]), word=st.sampled_from(["anne", "jeanne", "paule"]), between=st.booleans())
    def change_another_thing(self, what: str, word: str, between: bool) -> None:
        """Mostly ``between`` two tries.  The component's title is told by nobody: the messages under way say it at their next try."""
        if between:
            self.double.step(self.enrolment_id, lost=True)
        enrolment = enrolment_of(self.enrolment_id)
        if what == "sheet":
            with suppress(*REFUSALS):
                sheet = enrolment.registration
                update_registration(sheet.id, Typed(sheet.version, {"email": f"{word}@exemple.fr"}), ("email",))
        elif what == "identity":
            correct(self.enrolment_id, word.capitalize())
        else:
            enrolment.component.title = word
            db.session.commit()

    # ---- AGORA -------------------------------------------------------------------------------------------------------

    @rule(lost=st.integers(0, 2))
    def one_message_leaves(self, lost: int) -> None:
        """Answered, or tried once or twice in vain."""
        if not lost:
            self.double.step(self.enrolment_id)
        for _try in range(lost):
            self.double.step(self.enrolment_id, lost=True)

    # ---- what holds --------------------------------------------------------------------------------------------------

    def _state(self) -> EnrolmentState:
        return acts.state_now(self.enrolment_id)

    @invariant()
    def nothing_is_refused(self) -> None:
        if hasattr(self, "enrolment_id"):
            assert not [row for row in messages_of(self.enrolment_id) if row.state in (MessageState.REJECTED, MessageState.DEAD)]

    def _agrees(self) -> None:
        """Once all has left, the file is where the enrolment is."""
        if not hasattr(self, "enrolment_id"):
            return
        self.double.drain(self.enrolment_id)
        self.keys.update(self.double.check_keys())
        enrolment = enrolment_of(self.enrolment_id)
        file = self.double.file_of(enrolment.external_reference)
        status = db.session.scalars(select(Action.status).where(Action.id == self.action_id)).one()
        kinds = [event[0] for event in file.events] if file else []
        assert kinds.count("SORTIE") <= 1
        assert kinds.count("CLOTURE") <= 1
        assert enrolment.agora_state in ("done", "none")
        if file is not None and enrolment.cancelled_at is None:
            assert file.hours[0] == float(enrolment.hours_centre)
        if enrolment.cancelled_at is not None:
            assert file is None or file.status == "ANNULE"
        elif status == ActionStatus.CLOSED:
            assert enrolment.agora_status == _CLOSED[Outcome(enrolment.outcome or "")]
        elif enrolment.agora_status in _CLOSED.values():
            assert "CLOTURE" in kinds  # before the action was reopened
        elif enrolment.actual_end is not None:
            assert enrolment.agora_status == "exited"
        else:
            undone = any(act.kind == EnrolmentEvent.UNDO_EXIT for act in enrolment.acts)
            assert enrolment.agora_status == ("exited" if undone and "SORTIE" in kinds else "entered")
            if enrolment.agora_status == "entered" and file is not None:
                assert file.interrupted is (standing.state_of(enrolment, status) is EnrolmentState.INTERRUPTED)


@pytest.mark.slow
def test_any_order_of_acts_and_answers(db_session: Session, tmp_path: Path) -> None:
    Lives.done.clear()
    Lives.keys.clear()
    Lives.double = AgoraDouble(tmp_path / "agora")
    rules = settings(
        max_examples=40, stateful_step_count=20, deadline=None, derandomize=True, database=None, print_blob=False, suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False, phases=(Phase.explicit, Phase.generate),
    )  # fmt: skip
    run_state_machine_as_test(Lives, settings=rules)
    print(Lives.done, Lives.keys)
    assert min(Lives.keys[how] for how in ("kept", "renewed")) > 3
    assert {EnrolmentEvent.INTERRUPT, EnrolmentEvent.RESUME, EnrolmentEvent.LEAVE, EnrolmentEvent.UNDO_EXIT, EnrolmentEvent.JUDGE, EnrolmentEvent.CHANGE} <= set(Lives.done)
    assert db_session.scalars(select(Enrolment.id).limit(1)).first() is not None
