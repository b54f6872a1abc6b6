"""How much a file may hold, which of its lines are one too many, and what stands between two works on the same rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, OperationalError

from app.accounts.models import User
from app.actions.models import Component
from app.core import schema
from app.core.errors_db import is_passing, was_sent_back
from app.core.extensions import db
from app.core.matrix import findings, rows
from app.core.outbox import console
from app.core.outbox.models import OutboxMessage
from app.core.tabular import Fault, Refused
from app.core.tabular.labels import refused as refused_words
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.core.ui.format import fr_number
from app.imports import columns, domain, packed_lines, services, validator, work
from app.imports import labels as import_labels
from app.imports.domain import FileState, Phase
from app.imports.matrices import IMPORTERS
from app.imports.models import ImportFile, ImportFinding, ImportPart
from app.imports.specification import files_accepted
from app.partners.agora.port import Outcome
from app.trainees import agora, labels
from app.trainees.matrices import running
from app.trainees.models import Enrolment, Registration, Trainee
from app.trainees.services import enrolment as services_of_enrolment
from app.trainees.services.enrolment import enrol, hold_messages, resend_refused
from tests.accounts.helpers import post
from tests.actions.helpers import leave, make_action, make_enrolment, make_nir, plan_of
from tests.imports.enrolment_files import apply, content_of, counts, day, messages, now, said, sent, undo, who
from tests.imports.helpers import csv_of, file_now, row_of, run, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.testing import FlaskClient

DEEDS = ("inscriptions", "realisations", "sorties")
WHY = "Rattrapage assuré en soirée"
#: More than one statement takes as parameters.
MANY = range(1_000_000, 1_070_000)


class _Answer(psycopg.Error):
    """What PostgreSQL answers."""

    def __init__(self, state: str | None) -> None:
        super().__init__("x")
        self.sqlstate = state


# ---- how much ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("matrix", DEEDS)
def test_a_file_of_acts_that_no_job_would_end_is_refused_with_the_number(account: User, matrix: str) -> None:
    lines = [{"action_number": "19Q1", "birth_name": f"Nom {number}"} for number in range(3_001)]
    file = sent(account, matrix, *lines)
    assert (file.state, file.fault) == (
        FileState.REFUSED, {"fault": Fault.TOO_MANY_LINES, "line": None, "column": None, "value": 3_000, "in_text": False, "heading": ""}
    )  # fmt: skip
    with pytest.raises(Refused) as refused:
        validator.check_file(IMPORTERS[matrix].matrix, content_of(matrix, lines))
    assert (refused.value.fault, refused.value.value) == (Fault.TOO_MANY_LINES, 3_000)


def test_how_many_lines_is_said_where_files_are_described(as_user: Callable[[str], FlaskClient], account: User) -> None:
    for name in IMPORTERS:
        most = fr_number(3_000 if name in DEEDS else services.LIMITS.lines)
        assert most in files_accepted(IMPORTERS[name].matrix)[0]
        page = as_user("principal").get(f"/imports/{name}").text
        assert most.replace("\u202f", "\xa0") in page.replace("\u202f", "\xa0")


def test_a_file_of_which_nearly_all_is_wrong_is_refused_with_the_columns_that_are(account: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never a hundred thousand errors to be read one by one, and takes no memory without end."""
    monkeypatch.setattr(findings, "MOST", 8)
    wrong = [row_of(make_action(), None, birth_date="hier", postal_code="Toulouse") for _ in range(4)]
    file = sent(account, "stagiaires", *wrong)
    assert (file.state, file.fault and file.fault["fault"]) == (FileState.REFUSED, Fault.TOO_MUCH_WRONG)
    assert {"« Date de naissance »", "« Code postal »"} < set(file.fault["value"].split(", "))
    assert db.session.scalar(select(func.count()).select_from(ImportFinding)) == 0
    assert db.session.scalar(select(func.count()).select_from(ImportPart).where(ImportPart.file_id == file.id)) == 0
    monkeypatch.setattr(findings, "MOST", 1_000)
    assert sent(account, "stagiaires", *wrong).state == FileState.READY


def test_what_was_said_of_its_headings_is_asked_anew_after_such_a_file(account: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns named wrongly make every cell wrong: the same file, sent again, is asked which columns it has."""
    matrix, lines = IMPORTERS["stagiaires"].matrix, [row_of(make_action(), make_nir()) for _ in range(4)]
    content = csv_of(lines).replace(b'"Ville"', b'"Lieu du dossier"').replace(b'"Code postal"', b'"Ancien code"')
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id), transaction():
        columns.remember(matrix, account.organisation_id, {"Lieu du dossier": "postal_code", "Ancien code": "", "Autre": "town"})
    monkeypatch.setattr(findings, "MOST", 2)
    file = send(account, content)
    assert (file.state, file.fault and file.fault["fault"]) == (FileState.REFUSED, Fault.TOO_MUCH_WRONG)
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        assert set(columns.remembered_for(matrix)) == {"autre"}


def test_what_a_file_holds_of_known_columns_is_bounded(account: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that stands in many columns is counted for each: each is held."""
    monkeypatch.setattr(packed_lines, "LIMITS", replace(services.LIMITS, held=2_000))
    file = sent(account, "stagiaires", row_of(make_action(), make_nir()))
    assert (file.state, file.fault and file.fault["fault"]) == (FileState.REFUSED, Fault.TOO_MUCH_TEXT)


def test_more_rows_than_a_statement_has_parameters(account: User) -> None:
    assert hold_messages(*MANY) == []
    assert resend_refused(*MANY) == 0
    assert agora.replay_refused(MANY) == set()


def test_rows_go_in_a_piece_after_the_other_or_not_at_all(account: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next piece is made while the database takes the one before: whichever fails, nothing stays."""
    monkeypatch.setattr(rows, "PIECE", 2)
    action = make_action()
    lines = [row_of(action, make_nir()) for _ in range(5)]
    file = apply(sent(account, "stagiaires", *lines))
    assert file.state == FileState.APPLIED
    count = select(func.count()).select_from(Registration).where(Registration.action_id == action.id)
    assert db.session.scalar(count) == 5
    written: list[int] = []
    insertion = rows._insertion

    def broken(model: Any, row: Any) -> Any:
        if model is Registration:
            written.append(1)
        return insertion(model, row) if len(written) < 3 else text("SELECT 1 / 0, CAST(:rows AS json)")

    monkeypatch.setattr(rows, "_insertion", broken)
    other = sent(account, "stagiaires", *[row_of(make_action(), make_nir()) for _ in range(5)])
    before = db.session.scalar(select(func.count()).select_from(Trainee))
    with bound_scope(Scope.organisation(other.organisation_id), actor_id=account.id):
        services.confirm(other.id, expected=other.counts or {}, partial=False)
    with pytest.raises(DataError):
        run(other.id)
    assert len(written) == 3
    assert db.session.scalar(select(func.count()).select_from(Trainee)) == before
    assert file_now(other.id).state == FileState.APPLYING


def test_too_many_parameters_are_a_defect_and_not_a_database_that_is_away(account: User) -> None:
    with pytest.raises(OperationalError) as error, db.session.begin_nested():
        db.session.execute(select(Enrolment.id).where(Enrolment.id.in_(MANY)))
    assert not is_passing(error.value)


def test_what_agora_refused_goes_again_however_much_one_act_takes(account: User, monkeypatch: pytest.MonkeyPatch) -> None:
    action = make_action()
    ids = [make_enrolment(action, nir=make_nir(), entered=20) for _ in range(3)]
    db.session.execute(text("UPDATE outbox_message SET state = 'rejected', sent_at = now(), last_error_code = 'NON', error_kind = 'rejected' WHERE subject_id = ANY(:ids)"), {"ids": ids})
    monkeypatch.setattr(console, "MOST_AT_ONCE", 1)
    monkeypatch.setattr(rows, "PIECE", 1)
    assert agora.replay_refused(ids) == set(ids)
    with bound_scope(Scope.system()):
        states = db.session.scalars(select(OutboxMessage.state).where(OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id.in_(ids))).all()
    assert list(states) == ["pending"] * 3


# ---- one line too many -------------------------------------------------------------------------------------------------


def test_two_enrolments_of_one_trainee_have_their_outcomes_in_one_file(account: User) -> None:
    action, nir = make_action(), make_nir()
    first = make_enrolment(action, nir=nir, entered=20)
    leave(first)
    component = db.session.scalars(select(Component).where(Component.action_id == action.id)).one()
    second = enrol(now(first).registration_id, component.id, plan_of(component, entered=0))
    leave(second)
    words = str(labels.OUTCOME_LABELS[Outcome.FULL])
    lines = [who(action, nir, outcome=words, reason=WHY, planned_start=day(-days)) for days in (20, 0)]
    file = sent(account, "realisations", *lines)
    assert (messages(file), counts(file)) == ([], {"change": 2})
    file = apply(file)
    assert (now(first).outcome, now(second).outcome) == (Outcome.FULL, Outcome.FULL)
    undo(file)
    assert (now(first).outcome, now(second).outcome) == (None, None)
    again = sent(account, "realisations", *lines, lines[0], who(action, nir, outcome=words, reason=WHY))
    assert said(again) == [(4, ""), (5, "")]


# ---- two works on the same rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [False, True])
def test_an_action_is_never_held_with_others_then_alone(account: User, monkeypatch: pytest.MonkeyPatch, left: bool) -> None:
    """Two works that both hold it would wait for each other."""
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    if left:
        leave(enrolment_id)
    shared: list[bool] = []
    for module in (running, services_of_enrolment):
        real = module.lock_action

        def noted(action_id: int, *, share: bool, real: Any = real) -> Any:
            shared.append(share)
            return real(action_id, share=share)

        monkeypatch.setattr(module, "lock_action", noted)
    sent(account, "sorties", who(action, nir, nature="Rectification", planned_start=day(-18)))
    assert len(shared) > 1
    assert set(shared) == {False}


@pytest.mark.parametrize(("state", "code"), [("40P01", 422), ("40001", 422)])
def test_who_mends_a_line_and_is_sent_back_by_the_database_may_try_again(
    account: User, as_user: Callable[[str], FlaskClient], monkeypatch: pytest.MonkeyPatch, state: str, code: int
) -> None:
    file = sent(account, "sorties", who(make_action(), make_nir(), nature="Retour", resumed_on="31/02/2026"))
    monkeypatch.setattr(work, "plan_of_lines", lambda *_given: (_ for _ in ()).throw(OperationalError("x", {}, _Answer(state))))
    browser = as_user("principal")
    where = f"/imports/fichier/{file.id}/ligne/2"
    answer = post(browser, where, {"revision": str(file.revision), "cellule-resumed_on": "07/07/2026"})
    assert answer.status_code == code
    assert "07/07/2026" in answer.text
    assert file_now(file.id).revision == file.revision


def test_who_was_sent_back_is_told_from_other_errors() -> None:
    assert was_sent_back(OperationalError("x", {}, _Answer("40P01")))
    assert not was_sent_back(OperationalError("x", {}, _Answer("57P01")))


def test_a_worker_that_was_taken_for_dead_says_nothing_of_a_file_that_is_ready(account: User) -> None:
    file = sent(account, "sorties", who(make_action(), make_nir(), nature="Retour", resumed_on=day(-1)))
    assert file.state == FileState.READY
    work.Progress(file.id, Phase.COMPARING)(1, 2)
    file = file_now(file.id)
    assert (file.phase, file.done, file.total, file.leased_until) == (None, 0, 0, None)


@pytest.mark.parametrize("name", ["_view", "_may_apply"])
def test_a_defect_before_the_work_is_counted_as_one(account: User, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        number = services.receive("stagiaires", "x.csv", csv_of([row_of(make_action(), make_nir())]), wish=domain.Wish.ALL)

    def broken(*_given: Any) -> Any:
        raise KeyError(name)

    monkeypatch.setattr(work, name, broken)
    with pytest.raises(KeyError):
        run(number)
    file = file_now(number)
    assert (file.tries, file.leased_until) == (1, None)


# ---- a file without headings ---------------------------------------------------------------------------------------------


def posted(account: User, *lines: str) -> ImportFile:
    """Send these lines as they are."""
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        number = services.receive("stagiaires", "x.csv", "\r\n".join(lines).encode())
    return run(number)


def kept_in_clear(words: str) -> int:
    """In how many rows of the imports and of their journal these words stand."""
    found = 0
    for table in ("import_file", "import_heading", "import_finding", "audit_entry"):
        found += db.session.scalar(text(f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%' || :words || '%'"), {"words": words}) or 0
    return found


def test_a_file_without_headings_is_refused_and_its_first_line_kept_nowhere(account: User) -> None:
    nir = make_nir()
    for number in (nir.number, nir.number + nir.key, f"{nir.number} {nir.key}", "9" * 13):
        file = posted(account, f"Monsieur;Essai;{number}", f"Madame;Autre;{make_nir().number}")
        assert (file.state, (file.fault or {})["fault"], file.heading) == (FileState.REFUSED, Fault.NO_HEADER, None)
        assert kept_in_clear(number) == 0
        with pytest.raises(Refused) as refused:
            validator.check_file(IMPORTERS["stagiaires"].matrix, f"Monsieur;Essai;{number}\r\nMadame;Autre;1\r\n".encode())
        assert refused.value.fault is Fault.NO_HEADER


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("Essai;Paul;02/06/1985", FileState.REFUSED), ("Essai;Paul;31000", FileState.REFUSED), ("Essai;Paul;Toulouse", FileState.TO_MAP),
        ("Nom de naissance;Promotion;2026", FileState.TO_MAP), ("Ma colonne;Colonne 2", FileState.TO_MAP),
    ],
)
def test_a_first_line_is_told_from_headings(account: User, line: str, state: FileState) -> None:
    assert posted(account, line, "a;b;c").state == state


def test_a_large_file_of_figures_is_told_that_it_has_no_headings(account: User) -> None:
    for content, fault in (
        (b"12345;678\r\n" * 250_000, Fault.NO_HEADER), (b"7" * 3_000_000, Fault.UNKNOWN_HEADER), (b"abc;def\r\n" + b"x;y\r\n" * 200_001, Fault.UNKNOWN_HEADER),
        (csv_of([row_of(make_action(), None)]) + b"x\r\n" * 200_001, Fault.TOO_MANY_LINES),
    ):  # fmt: skip
        file = send(account, content)
        assert (file.state, (file.fault or {})["fault"]) == (FileState.REFUSED, fault)
        assert ("oupez-le" in import_labels.why_refused(file)) == (fault is Fault.TOO_MANY_LINES)


def test_a_text_that_is_called_a_workbook_is_told_so(account: User) -> None:
    for content in (b"bonjour", b"1;2\r\n3;4\r\n"):
        file = send(account, content, name="stagiaires.xlsx")
        assert (file.fault or {})["fault"] == Fault.TEXT_AS_SHEET
    read = send(account, csv_of([row_of(make_action(), make_nir())]), name="stagiaires.xlsx")
    assert read.state == FileState.READY and import_labels.read_as_text(read) == ".xlsx"
    assert not import_labels.read_as_text(send(account, csv_of([row_of(make_action(), make_nir())])))


def test_a_cell_that_is_there_twice_is_not_repeated_when_it_is_a_number(account: User) -> None:
    nir = make_nir()
    file = posted(account, f"Essai;{nir.number};{nir.number}", "a;b;c")
    assert (file.fault or {})["fault"] == Fault.NO_HEADER, "it is data, before anything else"
    assert kept_in_clear(nir.number) == 0
    assert nir.number not in refused_words(Refused(Fault.SAME_HEADER_TWICE, line=1, column=2, value=nir.number))
    assert "Ville" in refused_words(Refused(Fault.SAME_HEADER_TWICE, line=1, column=2, value="Ville"))


def test_the_journal_says_that_there_is_a_heading_and_not_which(account: User) -> None:
    file = posted(account, "Essai;Promotion de Paul", "a;b")
    entries = db.session.execute(
        text("SELECT after ->> 'heading' FROM audit_entry WHERE table_name = 'import_file' AND row_id = :id AND after ? 'heading'"), {"id": str(file.id)}
    )
    assert {row[0] for row in entries if row[0] is not None} == {"•"}


def test_a_base_goes_down_before_the_deciders_and_up_again(databases: Any, make_settings: Callable[..., Any], engines: dict[str, str]) -> None:
    app_url, owner_url = databases.create_empty("deciders")
    settings = make_settings(app_url, owner_url)
    url = make_url(engines["superuser"]).set(database=make_url(app_url).database).render_as_string(hide_password=False)
    journaled = "SELECT after ->> 'heading' FROM audit_entry WHERE table_name = 'import_file' ORDER BY id DESC LIMIT 1"
    try:
        schema.upgrade(settings, "0034")
        with psycopg.connect(url) as sql:
            sql.execute("ALTER TABLE import_file DISABLE TRIGGER ALL; ALTER TABLE import_file ENABLE TRIGGER USER")
            sql.execute(
                "INSERT INTO import_file (id, organisation_id, seal_uid, matrix, file_name, size, digest, state, created_at, decided_by_id, heading)"
                " VALUES (1, 1, gen_random_uuid(), 'stagiaires', 'x', 1, 'x', 'ready', now(), 4, '[\"a\"]')"
            )
            assert sql.execute(journaled).fetchone() == ("•",)
        schema.downgrade(settings, "0033")
        with psycopg.connect(url) as sql:
            sql.execute("UPDATE import_file SET heading = '[\"b\"]'")
            assert sql.execute(journaled).fetchone() == ('["b"]',)
            sql.execute("ALTER TABLE import_file ENABLE TRIGGER ALL")
        schema.upgrade(settings, "0034")
        with psycopg.connect(url) as sql:
            assert sql.execute("SELECT id, decided_by_id FROM import_file").fetchall() == [(1, None)]
    finally:
        databases.drop("deciders")
