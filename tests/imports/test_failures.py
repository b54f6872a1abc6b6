"""Work on a file that ends by a defect: tried again, then left for somebody to decide; what is no defect is not counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, OperationalError

from app.accounts.models import User
from app.core import clock, context, schema, tenancy
from app.core.extensions import db
from app.core.mail.models import MailMessage
from app.core.tenancy import Scope, bound_scope
from app.core.workflow import ForbiddenTransition
from app.imports import jobs, packed_lines, queries, services, work
from app.imports.domain import AGAIN, AT_WORK, LIFE, MOST_DEATHS, MOST_TRIES, UNDO_KEPT, FileEvent, FileState
from app.imports.models import ImportFile
from app.trainees.matrices import trainees, trainees_apply, trainees_plan, trainees_undo
from app.trainees.models import Registration, Trainee
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_nir
from tests.architecture.markup import problems
from tests.imports.helpers import apply, csv_of, file_now, row_of, run, send, undo

if TYPE_CHECKING:
    from flask.testing import FlaskClient

S, E = FileState, FileEvent
#: Where each event leads; everything else is refused.
EXPECTED = {
    (S.RECEIVED, E.REFUSE): S.REFUSED, (S.RECEIVED, E.ASK_COLUMNS): S.TO_MAP, (S.RECEIVED, E.READ): S.CHECKING, (S.RECEIVED, E.FAIL): S.FAILED,
    (S.TO_MAP, E.MEND): S.CHECKING, (S.CHECKING, E.CHECK): S.READY, (S.CHECKING, E.REFUSE): S.REFUSED, (S.CHECKING, E.FAIL): S.FAILED, (S.READY, E.ASK_COLUMNS): S.TO_MAP,
    (S.READY, E.MEND): S.CHECKING, (S.READY, E.CONFIRM): S.APPLYING, (S.APPLYING, E.HOLD): S.CHECKING, (S.APPLYING, E.APPLY): S.APPLIED,
    (S.APPLYING, E.FAIL): S.FAILED, (S.APPLIED, E.UNDO): S.UNDOING, (S.UNDOING, E.UNDONE): S.UNDONE, (S.UNDOING, E.HOLD): S.APPLIED,
    (S.UNDOING, E.FAIL): S.APPLIED,
    (S.FAILED, E.READ_AGAIN): S.RECEIVED, (S.FAILED, E.CHECK_AGAIN): S.CHECKING, (S.FAILED, E.APPLY_AGAIN): S.APPLYING,
}  # fmt: skip


class Defect(Exception):
    """What no rule foresees."""


@pytest.mark.parametrize("event", list(FileEvent))
@pytest.mark.parametrize("state", list(FileState))
def test_where_each_event_leads(state: FileState, event: FileEvent) -> None:
    if (state, event) in EXPECTED:
        assert LIFE.target(state, event) is EXPECTED[state, event]
    else:
        with pytest.raises(ForbiddenTransition):
            LIFE.target(state, event)


def test_each_work_can_fail_and_be_taken_up_where_it_failed() -> None:
    assert set(AGAIN) == {state for state in AT_WORK if LIFE.target(state, E.FAIL) is S.FAILED}
    assert LIFE.target(LIFE.target(S.UNDOING, E.FAIL), E.UNDO) is S.UNDOING  # asked for again by whoever wants it
    for state, again in AGAIN.items():
        assert LIFE.target(LIFE.target(state, E.FAIL), again) is state


@contextmanager
def broken(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception | None = None) -> Iterator[None]:
    """A part of the work that raises, late: what it wrote before is there to be taken back."""
    real = getattr(owner, name)

    def defect(*given: Any, **more: Any) -> Any:
        real(*given, **more)
        raise error or Defect

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, defect)
        yield


def received(account: User, content: bytes) -> int:
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        return services.receive(trainees.NAME, "stagiaires.csv", content)


def failing(file_id: int, times: int = 1, error: type[Exception] = Defect) -> ImportFile:
    for number in range(times):
        tenancy.bind(Scope.system())
        with context.acting(actor=None, reference=f"reference-{number + 1}"), pytest.raises(error):
            work.run(file_id)
    return file_now(file_id)


def content_now() -> tuple[int, ...]:
    return tuple(db.session.scalar(select(func.count()).select_from(model)) or 0 for model in (Trainee, Registration))


def mails() -> list[MailMessage]:
    return list(db.session.scalars(select(MailMessage).where(MailMessage.template == "import_failed")))


@pytest.mark.parametrize(
    ("owner", "name", "state"), [(packed_lines, "open_table", S.RECEIVED), (trainees_plan, "plan", S.CHECKING), (trainees_apply, "apply", S.APPLYING)]
)
def test_a_defect_is_tried_again_then_said_and_taken_up(
    account: User, principal: FlaskClient, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, state: FileState
) -> None:
    before = content_now()
    number = received(account, csv_of([row_of(make_action(), make_nir())]))
    if state is S.APPLYING:
        counts = run(number).counts or {}
        with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
            services.confirm(number, expected=counts, partial=False)
    with broken(monkeypatch, owner, name):
        for tries in range(1, MOST_TRIES):
            file = failing(number)
            assert (file.state, file.tries, file.failed_in, file.leased_until) == (state, tries, None, None)
            assert number in services.due()
        file = failing(number)
    assert (file.state, file.tries, file.failed_in, file.failed_reference) == (S.FAILED, MOST_TRIES, state, "reference-1")
    assert number not in services.due()
    assert content_now() == before
    assert queries.count_failed() == 1
    assert [(mail.recipient, mail.organisation_id) for mail in mails()] == [(account.email, account.organisation_id)]
    page = principal.get(f"/imports/fichier/{number}").text
    assert list(problems(page)) == []
    assert "L’import a échoué" in page
    assert "reference-1" in page
    assert ("/controler" in page) is (state is S.APPLYING)
    assert principal.get(f"/imports/fichier/{number}/avancement").headers["HX-Refresh"] == "true"
    assert "L’import a échoué" in principal.get("/imports/").text
    assert post(principal, f"/imports/fichier/{number}/reessayer").status_code == 303
    file = file_now(number)
    assert (file.state, file.tries, file.failed_in, file.failed_reference) == (state, 0, None, "")
    file = run(number)
    assert file.state == (S.APPLIED if state is S.APPLYING else S.READY)
    assert queries.count_failed() == 0
    assert post(principal, f"/imports/fichier/{number}/reessayer").status_code == 303  # a second click
    assert file_now(number).state == file.state


def test_an_undoing_that_fails_leaves_the_file_applied(account: User, principal: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content_now()
    file = apply(send(account, csv_of([row_of(make_action(), make_nir())])))
    number, after = file.id, content_now()
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        services.undo(number)
    with broken(monkeypatch, trainees_undo, "undo"):
        file = failing(number, MOST_TRIES)
    assert (file.state, file.failed_in, file.failed_reference) == (S.APPLIED, S.UNDOING, "reference-3")
    assert content_now() == after
    page = principal.get(f"/imports/fichier/{number}").text
    assert list(problems(page)) == []
    assert "Appliqué : l’annulation a échoué" in page
    assert "reference-3" in page
    assert "l’annulation a échoué" in principal.get("/imports/").text
    assert len(mails()) == 1
    assert (undo(file).state, content_now()) == (S.UNDONE, before)
    assert queries.count_failed() == 0


def test_what_can_no_more_be_undone_is_no_failure_any_more(account: User, monkeypatch: pytest.MonkeyPatch) -> None:
    file = apply(send(account, csv_of([row_of(make_action(), make_nir())])))
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        services.undo(file.id)
    with broken(monkeypatch, trainees_undo, "undo"):
        failing(file.id, MOST_TRIES)
    db.session.execute(update(ImportFile).where(ImportFile.id == file.id).values(applied_at=clock.now() - UNDO_KEPT - timedelta(hours=1)))
    services.purge()
    assert (file_now(file.id).dropped, queries.count_failed()) == (True, 0)


def test_a_file_that_failed_is_known_compared_anew_or_forgotten(account: User, principal: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    content = csv_of([row_of(make_action(), make_nir())])
    number = received(account, content)
    with broken(monkeypatch, packed_lines, "open_table"):
        failing(number, MOST_TRIES)
    with pytest.raises(services.SameFile) as same:
        received(account, content)
    assert (same.value.file_id, same.value.applied) == (number, False)
    post(principal, f"/imports/fichier/{number}/controler")  # it has no lines yet
    assert file_now(number).state == S.FAILED
    assert post(principal, f"/imports/fichier/{number}/abandonner").status_code == 303
    tenancy.bind(Scope.system())
    assert db.session.get(ImportFile, number) is None
    file = send(account, content)
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        services.confirm(file.id, expected=file.counts or {}, partial=False)
    with broken(monkeypatch, trainees_apply, "apply"):
        failing(file.id, MOST_TRIES)
    assert post(principal, f"/imports/fichier/{file.id}/controler").status_code == 303
    assert (file_now(file.id).state, run(file.id).state) == (S.CHECKING, S.READY)


def test_another_organisation_never_takes_it_up(account: User, as_user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    number = received(account, csv_of([row_of(make_action(), make_nir())]))
    with broken(monkeypatch, packed_lines, "open_table"):
        failing(number, MOST_TRIES)
    assert post(as_user("autre-of"), f"/imports/fichier/{number}/reessayer").status_code == 404
    assert file_now(number).state == S.FAILED


class _Refused(psycopg.Error):
    """What PostgreSQL answers."""

    def __init__(self, state: str | None) -> None:
        super().__init__("x")
        self.sqlstate = state


@pytest.mark.parametrize(
    ("state", "counted"), [("57P01", 0), ("40P01", 0), ("40001", 0), ("53100", 0), (None, 0), ("57014", 1), ("22001", 1)]
)
def test_a_database_that_is_away_is_no_defect(account: User, monkeypatch: pytest.MonkeyPatch, state: str | None, counted: int) -> None:
    number = received(account, csv_of([row_of(make_action(), make_nir())]))
    with broken(monkeypatch, packed_lines, "open_table", OperationalError("x", {}, _Refused(state))):
        for _number in range(MOST_TRIES + 1):
            file = file_now(number)
            if file.state == S.FAILED:
                break
            file = failing(number, error=OperationalError)
    assert (file.state, file.tries) == ((S.FAILED, MOST_TRIES) if counted else (S.RECEIVED, 0))


def test_who_comes_second_counts_nothing_and_ends_nothing(account: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was taken for dead wakes up when another has done its work."""
    number = received(account, csv_of([row_of(make_action(), make_nir())]))
    real = work.check

    def twice(file_id: int, *, may_apply: bool) -> bool:
        real(file_id, may_apply=may_apply)
        db.session.rollback()
        return real(file_id, may_apply=may_apply)

    monkeypatch.setattr(work, "check", twice)
    file = run(number)
    assert (file.state, file.tries, file.failed_in) == (S.READY, 0, None)


# ---- workers that die at it --------------------------------------------------------------------------------------------


def dies(file_id: int) -> None:
    """A worker takes the file and is killed; its lease passes."""
    tenancy.bind(Scope.system())
    assert work._taken(file_id) is not None
    db.session.execute(update(ImportFile).where(ImportFile.id == file_id).values(leased_until=clock.now() - timedelta(seconds=1)))
    db.session.commit()


def waiting(account: User, state: FileState) -> int:
    """A file at which a worker is going to be."""
    number = received(account, csv_of([row_of(make_action(), make_nir())]))
    if state is not S.RECEIVED:
        file = run(number) if state is not S.UNDOING else apply(run(number))
        with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
            if state is S.CHECKING:
                services.check_again(number)
            elif state is S.APPLYING:
                services.confirm(number, expected=file.counts or {}, partial=False)
            else:
                services.undo(number)
    return number


@pytest.mark.parametrize("state", list(AT_WORK))
def test_a_file_that_kills_its_workers_ends_and_says_so(account: User, principal: FlaskClient, state: FileState) -> None:
    number, before = waiting(account, state), content_now()
    for deaths in range(1, MOST_DEATHS + 1):
        dies(number)
        assert (file_now(number).state, file_now(number).deaths) == (state, deaths)
        assert number in services.due()
    file = run(number)
    assert (file.state, file.failed_in, file.deaths, file.tries) == (S.APPLIED if state is S.UNDOING else S.FAILED, state, MOST_DEATHS, 0)
    assert number not in services.due()
    assert (content_now(), len(mails())) == (before, 1)
    page = principal.get(f"/imports/fichier/{number}").text
    assert list(problems(page)) == []
    assert f"Le serveur s’est arrêté {MOST_DEATHS} fois" in page
    if state is S.UNDOING:
        file = undo(file)
    else:
        assert post(principal, f"/imports/fichier/{number}/reessayer").status_code == 303
        file = run(number)
    assert (file.failed_in, file.deaths) == (None, 0)
    assert file.state == {S.APPLYING: S.APPLIED, S.UNDOING: S.UNDONE}.get(state, S.READY)


@pytest.mark.parametrize("state", list(AT_WORK))
def test_workers_that_die_now_and_then_end_nothing(account: User, state: FileState) -> None:
    """As many as the proof of the imports kills at each work (tests/chaos/test_imports.py), and more."""
    number = waiting(account, state)
    for _death in range(MOST_DEATHS - 1):
        dies(number)
    file = run(number)
    assert (file.state, file.deaths, mails()) == ({S.APPLYING: S.APPLIED, S.UNDOING: S.UNDONE}.get(state, S.READY), 0, [])


def test_only_deaths_without_a_step_in_between_are_counted_together(account: User) -> None:
    number = waiting(account, S.RECEIVED)
    for _death in range(MOST_DEATHS - 1):
        dies(number)
    assert run(number).state == S.READY
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        services.check_again(number)
    for _death in range(MOST_DEATHS - 1):
        dies(number)
    assert run(number).state == S.READY


def test_a_worker_that_lives_is_no_death(account: User, monkeypatch: pytest.MonkeyPatch) -> None:
    number = waiting(account, S.RECEIVED)
    dies(number)
    with broken(monkeypatch, packed_lines, "open_table", OperationalError("x", {}, _Refused("57P01"))):
        for _number in range(MOST_DEATHS + 1):
            file = failing(number, error=OperationalError)
    assert (file.state, file.tries, file.deaths) == (S.RECEIVED, 0, 1)


@pytest.mark.parametrize("state", [S.RECEIVED, S.CHECKING])
def test_a_file_at_which_a_worker_is_can_be_given_up(
    account: User, principal: FlaskClient, monkeypatch: pytest.MonkeyPatch, state: FileState
) -> None:
    number = waiting(account, state)
    page = principal.get(f"/imports/fichier/{number}").text
    assert list(problems(page)) == []
    assert f'href="/imports/fichier/{number}/abandonner"' in page
    assert list(problems(principal.get(f"/imports/fichier/{number}/abandonner").text)) == []
    real = trainees_plan.plan

    def meanwhile(*given: Any, **more: Any) -> Any:
        plan = real(*given, **more)
        with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
            services.give_up(number)
        return plan

    monkeypatch.setattr(trainees_plan, "plan", meanwhile)
    tenancy.bind(Scope.system())
    work.run(number)  # it finds nothing any more, and says nothing
    db.session.expire_all()
    assert (db.session.get(ImportFile, number), mails()) == (None, [])


@pytest.mark.parametrize("state", [S.APPLYING, S.UNDOING])
def test_what_was_decided_is_not_given_up(account: User, principal: FlaskClient, state: FileState) -> None:
    number = waiting(account, state)
    assert "abandonner" not in principal.get(f"/imports/fichier/{number}").text
    post(principal, f"/imports/fichier/{number}/abandonner")
    assert file_now(number).state == state


def test_the_sweeper_takes_it_up_until_the_last_try(account: User, monkeypatch: pytest.MonkeyPatch) -> None:
    number = received(account, csv_of([row_of(make_action(), make_nir())]))
    asked: list[int] = []
    monkeypatch.setattr(jobs, "enqueue", lambda _job, file_id: asked.append(file_id))
    with broken(monkeypatch, packed_lines, "open_table"):
        for _minute in range(MOST_TRIES + 3):
            tenancy.bind(Scope.system())
            jobs.sweep()
            while asked:
                failing(asked.pop())
    assert (file_now(number).state, file_now(number).tries, len(mails())) == (S.FAILED, MOST_TRIES, 1)


@pytest.mark.parametrize(
    ("state", "failed_in", "allowed"),
    [("failed", "checking", True), ("failed", None, False), ("failed", "undoing", False), ("ready", "checking", False), ("ready", None, True)],
)
def test_the_database_knows_what_goes_together(account: User, state: str, failed_in: str | None, allowed: bool) -> None:
    number = received(account, csv_of([row_of(make_action(), make_nir())]))
    change = update(ImportFile).where(ImportFile.id == number).values(state=state, failed_in=failed_in)
    if allowed:
        db.session.execute(change)
    else:
        with pytest.raises(IntegrityError, match="ck_import_file_failed"), db.session.begin_nested():
            db.session.execute(change)


def test_a_base_with_failed_imports_goes_down_and_up_again(databases: Any, make_settings: Callable[..., Any], engines: dict[str, str]) -> None:
    app_url, owner_url = databases.create_empty("failed_imports")
    settings = make_settings(app_url, owner_url)
    url = make_url(engines["superuser"]).set(database=make_url(app_url).database).render_as_string(hide_password=False)
    try:
        schema.upgrade(settings, "0032")
        with psycopg.connect(url) as sql:
            sql.execute("SET session_replication_role = replica")
            for number, state, failed_in in ((1, "failed", "applying"), (2, "failed", "received"), (3, "applied", "undoing"), (4, "ready", None)):
                sql.execute(
                    "INSERT INTO import_file (id, organisation_id, seal_uid, matrix, file_name, size, digest, state, failed_in, tries, created_at, applied_at)"
                    " VALUES (%s, 1, gen_random_uuid(), 'stagiaires', 'x', 1, 'x', %s, %s, 3, now(), CASE WHEN %s = 'applied' THEN now() END)",
                    (number, state, failed_in, state),
                )
        schema.downgrade(settings, "0031")
        with psycopg.connect(url) as sql:
            found = sql.execute("SELECT id, state FROM import_file ORDER BY id").fetchall()
            assert found == [(1, "applying"), (2, "received"), (3, "applied"), (4, "ready")]
            with pytest.raises(psycopg.errors.CheckViolation):
                sql.execute("UPDATE import_file SET state = 'failed' WHERE id = 1")
        schema.upgrade(settings, "0032")
        with psycopg.connect(url) as sql:
            assert sql.execute("SELECT id, tries, failed_in FROM import_file ORDER BY id").fetchall() == [(number, 0, None) for number in range(1, 5)]
    finally:
        databases.drop("failed_imports")


def test_the_job_is_known_to_the_metrics(account: User, monkeypatch: pytest.MonkeyPatch, client: FlaskClient) -> None:
    number = received(account, csv_of([row_of(make_action(), make_nir())]))
    with broken(monkeypatch, packed_lines, "open_table"):
        failing(number, MOST_TRIES)
    assert "portal_imports_failed 1.0" in client.get("/metrics").text
    assert db.session.scalar(text("SELECT count(*) FROM import_file WHERE failed_in IS NOT NULL")) == 1
