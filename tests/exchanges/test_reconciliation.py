"""The comparison with the partner's copy: what it finds, heals and gives to whom; lying, slow and silent partners; killed in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text, update

from app.core import clock
from app.core.concurrency import StaleError
from app.core.extensions import db
from app.core.outbox import console
from app.core.outbox.errors import Cause, Rejected, Unavailable
from app.core.outbox.models import MessageState, OutboxMessage
from app.exchanges import reconciliation, services
from app.exchanges.domain import Assignee, DifferenceKind, DifferenceState, Ours, RunState, Theirs, Trigger, compare, contradicts
from app.exchanges.models import ReconciliationDifference, ReconciliationFile, ReconciliationRun
from app.exchanges.reconciliation import engine
from app.partners.agora.port import AgoraFileState, FilePage, FileStatus, PartnerRejected, Refusal
from app.trainees import agora
from app.trainees.domain import AgoraState
from app.trainees.models import Enrolment
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_enrolment, make_nir
from tests.partners import test_hostile as hostile

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

E, X, C = FileStatus.ENTERED, FileStatus.EXITED, FileStatus.CANCELLED


# ---- rules ---------------------------------------------------------------------------------------------------------------

_STATUS = st.sampled_from(list(FileStatus))
_OURS = st.builds(Ours, st.sampled_from([None, "30000001", "30000002"]), _STATUS, st.integers(0, 4), st.booleans(), st.booleans())
_THEIRS = st.builds(Theirs, st.sampled_from(["30000001", "30000002"]), _STATUS, st.integers(0, 4))


@given(ours=_OURS, theirs=_THEIRS)
def test_an_older_word_never_replaces_a_newer_one(ours: Ours, theirs: Theirs) -> None:
    finding = compare(ours, theirs)
    if finding is None:
        assert (ours.number, ours.status, ours.version) == (theirs.number, theirs.status, theirs.version)
        assert not contradicts(theirs.status, ours)
    elif finding.heal:
        assert ours.number is None or theirs.version > ours.version
        after = replace(ours, number=theirs.number, status=theirs.status, version=theirs.version)
        again = compare(after, theirs)
        assert again is None or (not again.heal and again.assignee is Assignee.ORGANISATION), "healing comes to an end"
    else:
        assert finding.assignee is not None, "what is not healed is somebody's"


# ---- a partner made of memory ---------------------------------------------------------------------------------------------


class Killed(BaseException):
    """As a worker that dies."""


@dataclass
class Agora:
    """AGORA's files, and how it gives them."""

    files: dict[str, AgoraFileState] = field(default_factory=dict)  # by number
    size: int = 2
    calls: list[tuple[str, Any]] = field(default_factory=list)
    page: Callable[[str | None], FilePage] | None = None
    before: Callable[[int], None] = lambda _count: None
    hidden: set[str] = field(default_factory=set)  # references left out of pages

    def hold(self, enrolment_id: int, *, number: str | None = None, status: FileStatus = E, version: int = 1) -> AgoraFileState:
        reference = str(db.session.scalars(select(Enrolment.external_reference).where(Enrolment.id == enrolment_id)).one())
        return self.add(reference, number or f"{70_000_000 + enrolment_id}", status, version)

    def add(self, reference: str, number: str, status: FileStatus = E, version: int = 1) -> AgoraFileState:
        state = AgoraFileState(number=number, external_reference=reference, status=status, version=version, modified_at=clock.now())
        self.files[number] = state
        return state

    def find_files(
        self, *, external_reference: str | None = None, modified_since: Any = None, cursor: str | None = None, limit: int = 100
    ) -> FilePage:
        self.calls.append(("find" if external_reference else "page", external_reference or cursor))
        self.before(len(self.calls))
        if external_reference is not None:
            return FilePage(files=tuple(file for file in self.files.values() if file.external_reference == external_reference))
        if self.page is not None:
            return self.page(cursor)
        shown = [file for file in sorted(self.files.values(), key=lambda one: one.number) if file.external_reference not in self.hidden]
        start = int(cursor or 0)
        end = start + self.size
        return FilePage(files=tuple(shown[start:end]), next_cursor=str(end) if end < len(shown) else None)

    def forgets_once(self, at: Callable[[str | None], bool]) -> None:
        """It has forgotten the first cursor of which ``at`` says so."""
        forgotten = iter([True])

        def page(cursor: str | None) -> FilePage:
            if at(cursor) and next(forgotten, False):
                raise Rejected("CURSEUR_INVALIDE", "Curseur inconnu")
            self.page = None
            try:
                return self.find_files(cursor=cursor)
            finally:
                self.page = page

        self.page = page

    def get_file(self, number: str) -> AgoraFileState:
        self.calls.append(("get", number))
        self.before(len(self.calls))
        if number not in self.files:
            raise PartnerRejected("DOSSIER_INCONNU", "", refusal=Refusal.UNKNOWN_FILE, status=404)
        return self.files[number]


@pytest.fixture
def partner(db_session: Session) -> Agora:
    """An AGORA that holds the files of the demonstration as the portal does."""
    held = Agora()
    db_session.execute(update(OutboxMessage).where(OutboxMessage.state != MessageState.DONE).values(state=MessageState.DONE, done_at=func.now()))
    for row in db_session.execute(select(Enrolment.id, Enrolment.agora_state)).all():
        if row.agora_state in ("waiting", "done"):
            registered(row.id)
            held.hold(row.id)
    db_session.execute(
        text("UPDATE enrolment SET agora_status = 'exited' WHERE actual_end IS NOT NULL AND agora_number IS NOT NULL")
    )
    for number, file in list(held.files.items()):
        status = db_session.scalar(select(Enrolment.agora_status).where(Enrolment.agora_number == number))
        held.files[number] = replace(file, status=FileStatus(status))
    return held


def registered(enrolment_id: int, *, status: FileStatus = E, version: int = 1, number: str | None = None) -> None:
    """As after AGORA's answers: nothing is under way."""
    db.session.execute(
        update(OutboxMessage).where(OutboxMessage.subject_id == enrolment_id).values(state=MessageState.DONE, done_at=clock.now(), last_error_code=None)
    )
    values = {"agora_number": number or f"{70_000_000 + enrolment_id}", "agora_status": status.value, "agora_version": version, "agora_state": "done"}
    db.session.execute(update(Enrolment).where(Enrolment.id == enrolment_id).values(values))
    db.session.expire_all()


def reconcile(partner: Any, *, whole: bool = True, rounds: int = 40) -> ReconciliationRun:
    """A run carried on to its end, whatever the waits."""
    run_id = reconciliation.start(Trigger.DEMAND, whole=whole)
    for _ in range(rounds):
        if reconciliation.work(run_id, port=partner):
            break
        time_passes(run_id)
    return db.session.get_one(ReconciliationRun, run_id, populate_existing=True)


def time_passes(run_id: int) -> None:
    db.session.execute(text("UPDATE reconciliation_run SET retry_at = NULL, lease_until = now() - interval '1 second' WHERE id = :id"), {"id": run_id})
    db.session.execute(text("UPDATE outbox_partner SET state = 'closed', recent = '[]', streak = 0, retry_at = NULL, hold_until = NULL"))
    db.session.commit()


def found(run: ReconciliationRun) -> dict[str, int]:
    return {name: number for name, number in run.counts.items() if "." in name}


def of(enrolment_id: int) -> Enrolment:
    return db.session.get_one(Enrolment, enrolment_id, populate_existing=True)


def differences(state: DifferenceState = DifferenceState.OPEN) -> list[ReconciliationDifference]:
    statement = select(ReconciliationDifference).where(ReconciliationDifference.state == state.value).order_by(ReconciliationDifference.id)
    return list(db.session.scalars(statement.execution_options(populate_existing=True)))


def test_two_equal_copies_say_nothing(partner: Agora) -> None:
    run = reconcile(partner)
    assert (run.state, found(run)) == ("done", {})
    assert run.counts["files"] == len(partner.files) == run.counts["compared"]
    assert run.pages == -(-len(partner.files) // partner.size)
    assert db.session.scalar(select(func.count()).select_from(ReconciliationFile)) == 0


def test_a_later_status_is_taken_through_the_ordinary_handler(partner: Agora) -> None:
    action = make_action()
    moved, cancelled = make_enrolment(action, nir=make_nir()), make_enrolment(action, nir=make_nir())
    for one in (moved, cancelled):
        registered(one)
    partner.hold(moved, status=FileStatus.CLOSED_NOT_DONE, version=3)
    partner.hold(cancelled, status=C, version=2)
    run = reconcile(partner)
    assert (of(moved).agora_status, of(moved).agora_version) == ("closed_not_done", 3)
    assert of(cancelled).agora_status == "cancelled"
    assert found(run) == {"status.found": 3, "status.healed": 2, "status.assigned": 1}
    [left] = differences()
    assert (left.enrolment_id, left.assignee, left.kind) == (cancelled, "organisation", "status")
    assert left.due_on == clock.today() + timedelta(days=15)


def test_a_newer_version_is_taken_and_an_older_is_not(partner: Agora) -> None:
    action = make_action()
    newer, older = make_enrolment(action, nir=make_nir()), make_enrolment(action, nir=make_nir())
    registered(newer, version=1)
    registered(older, version=5)
    partner.hold(newer, version=4)
    partner.hold(older, version=2)
    run = reconcile(partner)
    assert (of(newer).agora_version, of(older).agora_version) == (4, 5)
    assert found(run) == {"newer.found": 1, "newer.healed": 1, "status.found": 1, "status.assigned": 1}
    assert differences()[0].assignee == "region"


def test_numbers(partner: Agora) -> None:
    """A lost number is found again; a number given anew is taken if it is later; else, or twice, the Région looks."""
    action = make_action()
    lost, anew, other, double = (make_enrolment(action, nir=make_nir()) for _ in range(4))
    for one in (anew, other, double):
        registered(one)
    db.session.execute(update(OutboxMessage).where(OutboxMessage.subject_id == lost).values(state=MessageState.CANCELLED, done_at=clock.now()))
    partner.hold(lost, number="81000001")
    partner.hold(anew, number="81000002", version=2)
    partner.hold(other, number="81000003", version=1)
    partner.hold(double, version=1)
    partner.hold(double, number="81000004", version=9)
    run = reconcile(partner)
    assert (of(lost).agora_number, of(lost).agora_state) == ("81000001", AgoraState.REGISTERED)
    assert of(anew).agora_number == "81000002"
    assert of(other).agora_number == f"{70_000_000 + other}" and of(double).agora_number == f"{70_000_000 + double}"
    assert found(run) == {"number.found": 4, "number.healed": 2, "number.assigned": 2}
    assert {one.enrolment_id for one in differences()} == {other, double}


def test_a_number_that_another_bears_is_not_taken(partner: Agora) -> None:
    action = make_action()
    first, second = make_enrolment(action, nir=make_nir()), make_enrolment(action, nir=make_nir())
    registered(first, number="82000001")
    registered(second, number="82000002")
    partner.add(str(of(first).external_reference), "82000001")
    reference = str(of(second).external_reference)
    lie = partner.add(reference, "82000002")
    partner.page = lambda cursor: FilePage(
        files=(*(file for file in partner.files.values() if file is not lie), replace(lie, number="82000001", version=9)), next_cursor=None
    )
    run = reconcile(partner)
    assert (of(first).agora_number, of(second).agora_number) == ("82000001", "82000002")
    assert run.state == RunState.DONE
    assert [one.assignee for one in differences()] == ["region"]


def test_a_lost_creation_leaves_again_under_its_reference(partner: Agora) -> None:
    action = make_action()
    lost, settled = make_enrolment(action, nir=make_nir()), make_enrolment(action, nir=make_nir())
    message = select(OutboxMessage.id).where(OutboxMessage.subject_id == settled, OutboxMessage.subject_type == "enrolment")
    console.mark_settled([db.session.scalars(message).one()], reason="saisi à la main chez AGORA")
    db.session.execute(text("DELETE FROM outbox_message WHERE subject_type = 'enrolment' AND subject_id = :id"), {"id": lost})
    run = reconcile(partner)
    again = db.session.scalars(select(OutboxMessage).where(OutboxMessage.subject_id == lost, OutboxMessage.subject_type == "enrolment")).one()
    assert (again.operation, again.state) == ("create_file", MessageState.PENDING)
    assert found(run) == {"absent.found": 2, "absent.healed": 1, "absent.assigned": 1}
    [left] = differences()
    assert (left.enrolment_id, left.assignee) == (settled, "region"), "what was settled by hand may exist at AGORA under another name"
    assert found(reconcile(partner)) == {"absent.found": 1, "absent.assigned": 1}, "and it is not sent twice"
    assert db.session.scalar(select(func.count()).select_from(OutboxMessage).where(OutboxMessage.subject_id == lost)) == 1


def test_a_file_left_out_of_the_pages_is_asked_for_before_it_is_missed(partner: Agora) -> None:
    enrolment_id = make_enrolment(make_action())
    registered(enrolment_id)
    file = partner.hold(enrolment_id)
    partner.hidden.add(file.external_reference)
    assert found(reconcile(partner)) == {}
    del partner.files[file.number]
    assert found(reconcile(partner)) == {"absent.found": 1, "absent.assigned": 1}


def test_a_file_that_nobody_bears(partner: Agora) -> None:
    partner.add(str(uuid4()), "83000001")
    partner.add("AUTRE-REGION-12", "83000002", version=7)
    run = reconcile(partner)
    assert found(run) == {"unknown.found": 2, "unknown.assigned": 2}
    assert {(one.theirs["number"], one.organisation_id, one.assignee) for one in differences()} == {("83000001", None, "region"), ("83000002", None, "region")}


def test_what_is_under_way_or_in_the_console_is_left_alone(partner: Agora) -> None:
    action = make_action()
    pending, refused = make_enrolment(action, nir=make_nir()), make_enrolment(action, nir=make_nir())
    registered(refused)
    db.session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.subject_id == refused)
        .values(state=MessageState.REJECTED, done_at=None, last_error_code="TRANSITION_INTERDITE", operation="exit_file")
    )
    partner.hold(pending, number="84000001")
    partner.hold(refused, status=C, version=9)
    run = reconcile(partner)
    assert of(pending).agora_number is None and of(refused).agora_status == "entered"
    assert (found(run), run.counts["skipped"]) == ({}, 2)


def test_a_creation_given_up_is_found_at_the_partner_and_the_rest_leaves(partner: Agora) -> None:
    enrolment_id = make_enrolment(make_action())
    message = select(OutboxMessage).where(OutboxMessage.subject_id == enrolment_id, OutboxMessage.subject_type == "enrolment")
    db.session.execute(
        update(OutboxMessage).where(OutboxMessage.subject_id == enrolment_id).values(state=MessageState.DEAD, last_error_code="no_answer")
    )
    partner.hold(enrolment_id, number="85000001")
    reconcile(partner)
    assert of(enrolment_id).agora_number == "85000001"
    assert db.session.scalars(message.execution_options(populate_existing=True)).one().state is MessageState.CANCELLED


def test_a_difference_is_told_once_keeps_its_day_and_goes_when_it_is_over(partner: Agora) -> None:
    enrolment_id = make_enrolment(make_action())
    registered(enrolment_id)
    file = partner.hold(enrolment_id, status=FileStatus.VALIDATED)
    reconcile(partner)
    [first] = differences()
    db.session.execute(update(ReconciliationDifference).values(due_on=clock.today() - timedelta(days=1)))
    reconcile(partner)
    [second] = differences()
    assert (second.id, second.due_on) == (first.id, clock.today() - timedelta(days=1))
    partner.files[file.number] = replace(file, status=E)
    run = reconcile(partner)
    assert differences() == [] and run.counts["gone"] == 1


def test_a_number_healed_later_closes_its_difference(partner: Agora) -> None:
    enrolment_id = make_enrolment(make_action())
    registered(enrolment_id)
    file = partner.hold(enrolment_id, status=FileStatus.VALIDATED)
    reconcile(partner)
    partner.files[file.number] = replace(file, status=FileStatus.CLOSED_NOT_DONE, version=2)
    reconcile(partner)
    assert differences() == []
    assert of(enrolment_id).agora_status == "closed_not_done"


# ---- a late answer --------------------------------------------------------------------------------------------------------


def test_a_late_answer_never_overwrites_what_was_read_since(partner: Agora) -> None:
    enrolment_id = make_enrolment(make_action())
    registered(enrolment_id)
    partner.hold(enrolment_id, status=FileStatus.CLOSED_NOT_DONE, version=6)
    reconcile(partner)
    from tests.trainees.test_services import as_message, messages_of

    [message] = messages_of(enrolment_id)
    for version in (1, 5):
        late = AgoraFileState(number="99999999", external_reference="x", status=E, version=version, modified_at=clock.now())
        agora.apply_states([(as_message(message), late)])
    assert (of(enrolment_id).agora_status, of(enrolment_id).agora_version, of(enrolment_id).agora_number) == (
        "closed_not_done", 6, f"{70_000_000 + enrolment_id}",
    )  # fmt: skip


# ---- a partner that lies, dawdles or is silent ------------------------------------------------------------------------------


def test_cursors_that_turn_in_circles(partner: Agora) -> None:
    files = tuple(partner.files.values())[:3]
    partner.page = lambda cursor: FilePage(files=files, next_cursor="b" if cursor == "a" else "a")
    run = reconcile(partner)
    assert (run.state, run.pages) == ("partial", 1 + engine.MOST_IDLE)
    assert run.failure == "endless_pages"
    assert found(run) == {}, "what was not seen is not missed"


def test_duplicates_in_the_pages_count_once(partner: Agora) -> None:
    enrolment_id = make_enrolment(make_action())
    registered(enrolment_id)
    file = partner.hold(enrolment_id, status=FileStatus.CLOSED_NOT_DONE, version=2)
    old = replace(file, status=E, version=1)
    others = tuple(one for one in partner.files.values() if one is not file)
    pages = {None: FilePage(files=(file, old, file, *others), next_cursor="2"), "2": FilePage(files=(old, old), next_cursor=None)}
    partner.page = pages.__getitem__
    run = reconcile(partner)
    assert (of(enrolment_id).agora_status, of(enrolment_id).agora_version) == ("closed_not_done", 2)
    assert found(run) == {"status.found": 1, "status.healed": 1}


def test_an_unreadable_list_changes_nothing(partner: Agora) -> None:
    def unreadable(_cursor: Any) -> FilePage:
        raise Unavailable(reason="answer against the contract", cause=Cause.BAD_ANSWER)

    partner.page = unreadable
    run = reconcile(partner)
    assert (run.state, run.failure, found(run)) == ("failed", "bad_answer", {})
    assert run.finished_at is not None and len(partner.calls) == engine.MOST_FAILURES


def test_a_list_that_breaks_off_is_used_as_far_as_it_goes(partner: Agora) -> None:
    enrolment_id = make_enrolment(make_action())
    registered(enrolment_id)
    file = partner.hold(enrolment_id, version=8)
    missing = make_enrolment(make_action())
    registered(missing)

    def breaks_off(cursor: str | None) -> FilePage:
        if cursor is not None:
            raise Unavailable(reason="status 500")
        return FilePage(files=(file,), next_cursor="2")

    partner.page = breaks_off
    run = reconcile(partner)
    assert (run.state, of(enrolment_id).agora_version) == ("partial", 8)
    assert found(run) == {"newer.found": 1, "newer.healed": 1}, "nobody is missed on the word of half a list"


def test_a_cursor_that_the_partner_forgot_begins_again(partner: Agora) -> None:
    partner.forgets_once(lambda cursor: cursor is not None)
    assert reconcile(partner).state == "done"


def test_look_ups_have_an_end(partner: Agora, monkeypatch: pytest.MonkeyPatch) -> None:
    action = make_action()
    for _ in range(4):
        registered(make_enrolment(action, nir=make_nir()))
    monkeypatch.setattr(engine, "MOST_LOOKUPS", 1)
    run = reconcile(partner)
    assert (run.counts["lookups"], run.counts["unchecked"], found(run)) == (1, 3, {"absent.found": 1, "absent.assigned": 1})


def test_a_flood_of_strangers_does_not_fill_the_database(partner: Agora, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.exchanges.reconciliation import acts

    monkeypatch.setattr(acts, "MOST_WRITTEN", 5)
    partner.size = 50
    for index in range(40):
        partner.add(f"INCONNU-{index}", f"{86_000_000 + index}")
    run = reconcile(partner)
    assert len(differences()) == 5
    assert (run.counts["unknown.found"], run.counts["untold"]) == (40, 35)


def _raw(number: str, reference: str, **changes: Any) -> dict[str, Any]:
    file = {"numeroDossier": number, "referenceExterne": reference, "statut": "SORTIE", "version": 9, "modifieLe": "2026-01-05T08:00:00Z"}
    return file | changes


async def _drip(_server: Any, _request: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n")
    for _ in range(100):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "reply",
    [
        hostile.answer(b"<html>maintenance</html>", content_type="text/html"),
        hostile.answer(b'{"dossiers": [', content_type="application/json"),
        hostile.answer({"dossiers": [_raw("123", "x")]}),
        hostile.answer({"dossiers": [_raw("30000001", "x", version="9")]}),
        hostile.answer({"dossiers": [_raw("30000001", "x", statut="INVENTE")]}),
        hostile.answer({"dossiers": [], "curseurSuivant": "encore"}),
        hostile.answer({"dossiers": "tous"}),
        hostile.answer({"code": "ERREUR"}, "500 Internal Server Error"),
        hostile.answer({"code": "CURSEUR_INVALIDE", "title": "x", "status": 400}, "400 Bad Request"),
        _drip,
    ],
    ids=["html", "torn", "number", "version", "status", "no-end", "shape", "error", "refused", "drip"],
)
def test_whatever_a_real_server_answers_nothing_is_changed(partner: Agora, reply: Any) -> None:
    """The client itself over a socket, against a server that breaks the contract."""
    before = db.session.execute(text("SELECT id, agora_number, agora_status, agora_version, agora_state FROM enrolment ORDER BY id")).all()
    with hostile.server(reply) as server:
        run = reconcile(hostile.client(server, budget=0.4))
    assert (run.state, found(run)) == ("failed", {})
    assert run.failure
    assert db.session.execute(text("SELECT id, agora_number, agora_status, agora_version, agora_state FROM enrolment ORDER BY id")).all() == before
    assert differences() == []


# ---- killed, resumed, alone ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 3, 6, 9, 12, 15, 16, 17, 18])
def test_killed_anywhere_it_goes_on_where_it_was(partner: Agora, at: int) -> None:
    """Each difference is treated once, and no page is read again but the one under way."""
    action = make_action()
    newer, lost, gone = (make_enrolment(action, nir=make_nir()) for _ in range(3))
    for one in (newer, gone):
        registered(one)
    db.session.execute(text("DELETE FROM outbox_message WHERE subject_type = 'enrolment' AND subject_id = :id"), {"id": lost})
    partner.hold(newer, status=FileStatus.VALIDATED)

    def die(count: int) -> None:
        if count == at:
            raise Killed

    partner.before = die
    run_id = reconciliation.start(Trigger.DEMAND, whole=True)
    deaths = 0
    for _ in range(10):
        try:
            if reconciliation.work(run_id, port=partner):
                break
        except Killed:
            deaths += 1
            db.session.rollback()
            assert not reconciliation.work(run_id, port=partner), "the dead one's place is not free at once"
            time_passes(run_id)
    run = db.session.get_one(ReconciliationRun, run_id, populate_existing=True)
    assert run.state == "done"
    pages = [asked for kind, asked in partner.calls if kind == "page"]
    assert deaths == (1 if at <= len(partner.calls) else 0)
    assert len(pages) - len(set(pages)) <= deaths
    assert found(run) == {"status.found": 1, "status.assigned": 1, "absent.found": 2, "absent.healed": 1, "absent.assigned": 1}
    assert db.session.scalar(select(func.count()).select_from(OutboxMessage).where(OutboxMessage.subject_id == lost)) == 1
    assert len(differences()) == 2


def test_a_worker_that_slept_writes_nothing(partner: Agora) -> None:
    run_id = reconciliation.start(Trigger.DEMAND, whole=True)

    def overtaken(_count: int) -> None:
        db.session.execute(text("UPDATE reconciliation_run SET lease_token = gen_random_uuid() WHERE id = :id"), {"id": run_id})
        db.session.commit()

    partner.before = overtaken
    assert reconciliation.work(run_id, port=partner) is False
    assert db.session.get_one(ReconciliationRun, run_id, populate_existing=True).pages == 0


def test_one_at_a_time(partner: Agora) -> None:
    reconciliation.start(Trigger.DEMAND, whole=True)
    with pytest.raises(reconciliation.AlreadyRunning):
        reconciliation.start(Trigger.DEMAND, whole=True)
    assert reconciliation.nightly() is None


def test_nights_ask_for_what_changed_and_once_a_week_for_all(partner: Agora) -> None:
    def night() -> ReconciliationRun:
        run_id = reconciliation.nightly()
        assert run_id is not None
        while not reconciliation.work(run_id, port=partner):
            time_passes(run_id)
        return db.session.get_one(ReconciliationRun, run_id, populate_existing=True)

    first = night()
    assert first.since is None
    second = night()
    assert second.since == first.started_at - timedelta(days=1)
    db.session.execute(text("UPDATE reconciliation_run SET started_at = started_at - interval '8 days'"))
    assert night().since is None


def test_a_stopped_partner_is_not_asked(partner: Agora) -> None:
    run_id = reconciliation.start(Trigger.DEMAND, whole=True)
    console.pause("agora", reason="bascule")
    assert reconciliation.work(run_id, port=partner) is False
    assert partner.calls == []
    console.resume("agora")
    time_passes(run_id)
    assert reconciliation.work(run_id, port=partner)
    console.pause("agora", reason="bascule")
    with pytest.raises(reconciliation.PartnerStopped):
        reconciliation.start(Trigger.DEMAND, whole=True)


# ---- on screen -----------------------------------------------------------------------------------------------------------------


def test_the_report_and_the_settling(partner: Agora, as_user: Callable[[str], FlaskClient]) -> None:
    enrolment_id = make_enrolment(make_action(), name="ÉCARTÉE")
    registered(enrolment_id)
    partner.hold(enrolment_id, status=FileStatus.VALIDATED)
    run = reconcile(partner)
    run_id = run.id
    [left] = differences()
    with pytest.raises(StaleError):
        services.settle_difference(left.id, version=left.version + 1, reason="vu avec AGORA")
    browser = as_user("admin")
    assert "ÉCARTÉE" in browser.get("/rapprochement/").text
    assert "Complet" in browser.get(f"/rapprochement/{run_id}").text
    assert "Le dernier a commencé le" in browser.get("/echanges/").text
    [left] = differences()
    left_id, version = left.id, left.version
    url = f"/rapprochement/ecart/{left_id}/reglement"
    assert post(browser, url, {"reason": "", "version": str(version)}).status_code == 422
    assert post(browser, url, {"reason": "vu avec AGORA", "version": str(version)}).status_code == 302
    assert [one.reason for one in differences(DifferenceState.SETTLED)] == ["vu avec AGORA"]
    with pytest.raises(services.Impossible):
        services.settle_difference(left_id, version=version + 1, reason="encore")


def test_an_organisation_sees_what_is_its_own_to_look_at(partner: Agora, as_user: Callable[[str], FlaskClient]) -> None:
    enrolment_id = make_enrolment(make_action(), name="SORTIE LÀ-BAS")
    registered(enrolment_id)
    partner.hold(enrolment_id, status=X, version=2)
    reconcile(partner)
    page = as_user("principal").get("/echanges/a-suivre").text
    assert "SORTIE LÀ-BAS" in page and "saisissez la sortie" in page and "Saisir la sortie" in page
    assert "SORTIE LÀ-BAS" not in as_user("autre-of").get("/echanges/a-suivre").text


def test_kinds_are_all_named() -> None:
    from app.exchanges import labels

    assert set(labels.KINDS) == set(DifferenceKind)


@pytest.fixture(autouse=True)
def _circuit(db_session: Session) -> None:
    """Whatever a former test of this process left in the circuit of AGORA."""
    db_session.execute(text("UPDATE outbox_partner SET state = 'closed', recent = '[]', streak = 0, retry_at = NULL, hold_until = NULL, paused = false, pause_reason = NULL"))


