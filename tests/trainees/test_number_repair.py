"""« Redressement des NIR »: the file out, the same file in, its checks, its application line by line, whatever dies."""

from __future__ import annotations

import io
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from app.accounts.seeds import ORGANISATION_B
from app.actions.models import Action
from app.core import clock
from app.core.extensions import db
from app.core.nir import Nir, compute_key
from app.core.outbox.models import OutboxMessage
from app.core.tabular import read_table
from app.core.tenancy import Scope, bound_scope
from app.partners.agora.port import IdentityQuery
from app.trainees import jobs
from app.trainees.domain import IdentitySource, IdentityState
from app.trainees.models import Enrolment, Registration, Trainee
from app.trainees.repair import applying, rules, service
from app.trainees.repair import words as repair_words
from app.trainees.repair.models import NumberFile, NumberRepair, NumberRepairLine
from app.trainees.repair.rules import Column, Known, Outcome, Problem, RepairState, Typed
from app.trainees.services.identity import Person
from app.trainees.services.registration import Newcomer, register
from tests.accounts.helpers import post, token
from tests.actions.helpers import details, make_action, make_enrolment, make_nir, make_person
from tests.architecture.markup import problems
from tests.requests.test_screens import plain
from tests.trainees.test_screens import registration_of

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session
    from werkzeug.test import TestResponse

    from tests.trainees.test_screens import AsUser

HOME = "/stagiaires/redressement-nir/"
HEAD = "Référence;Nom de naissance;Prénom;NIR (13 caractères);Clé (2 chiffres)"


# ---- rules -------------------------------------------------------------------------------------------------------------


def line(nir: str, key: str = "", *, figure: bool = False, reference: str = "STG-7", name: str = "SION") -> rules.Line:
    cells = {Column.REFERENCE: Typed(reference), Column.BIRTH_NAME: Typed(name), Column.NIR: Typed(nir, figure), Column.KEY: Typed(key)}
    return rules.read_line(2, cells)


@pytest.mark.parametrize(
    ("nir", "key", "figure", "problem"),
    [
        ("1,62071E+12", "82", False, Problem.SCIENTIFIC), ("1.62071315509E+014", "", False, Problem.SCIENTIFIC), ("1620713155089,0", "82", False, Problem.DECIMAL),
        ("162071315508982", "", True, Problem.FIGURE), ("1620713155089", "5", False, Problem.LOST_ZERO), ("1620713155089", "83", False, Problem.NUMBER),
        ("162071315508", "82", False, Problem.NUMBER), ("7850631555072", compute_key("7850631555072"), False, Problem.NIA),
    ],
)  # fmt: skip
def test_each_damage_is_named(nir: str, key: str, figure: bool, problem: Problem) -> None:
    read = line(nir, key, figure=figure)
    assert read.nir is None
    assert read.finding is not None
    assert read.finding.problem is problem
    assert "162071315508" not in read.finding.shown


@given(st.integers(0, 899), st.integers(1, 999), st.sampled_from("12"), st.sampled_from(["", " ", ".", "\u00a0"]), st.booleans())
def test_a_right_number_is_read_however_it_is_typed(place: int, order: int, sex: str, gap: str, whole: bool) -> None:
    number = f"{sex}6207{place % 90 + 1:02d}{place + 1:03d}{order:03d}"
    key = compute_key(number)
    read = line(gap.join([number[0], number[1:3], number[3:], key]), "") if whole else line(gap.join([number[:5], number[5:]]), key)
    assert read.finding is None
    assert read.nir is not None
    assert read.nir.value == number + key


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=10), st.booleans())
def test_no_line_breaks_the_reading_nor_shows_a_number(reference: str, nir: str, key: str, figure: bool) -> None:
    read = line(nir, key, figure=figure, reference=reference)
    assert (read.finding is None) == (read.blank or (read.nir is not None and read.trainee_id is not None))
    if read.finding is not None:
        assert not re.search(r"[0-9]{8}", read.finding.shown)


def test_lines_against_each_other_and_what_is_known() -> None:
    nirs = [make_nir() for _ in range(6)]
    person = Known("Évrard-Sion", date(1985, 6, 2), "M", has_nir=False, same_nir=False)
    known = {1: person, 2: person, 3: person, 4: Known("X", date(1985, 6, 2), "M", has_nir=True, same_nir=True), 5: person, 6: person}
    known[5] = Known("Évrard-Sion", date(1985, 6, 2), "M", has_nir=True, same_nir=False)
    known[6] = Known("Évrard-Sion", date(1984, 6, 2), "M", has_nir=False, same_nir=False)

    def one(number: int, trainee: int, nir: Nir, name: str = "EVRARD SION") -> rules.Line:
        return rules.read_line(
            number, {Column.REFERENCE: Typed(f"stg-{trainee}"), Column.BIRTH_NAME: Typed(name), Column.NIR: Typed(nir.number), Column.KEY: Typed(nir.key)}
        )

    lines = [
        one(2, 1, nirs[0]), one(3, 1, nirs[1]), one(4, 2, nirs[0]), one(5, 3, nirs[2], "AUTRE"), one(6, 99, nirs[2]), one(7, 4, nirs[3], "X"),
        one(8, 5, nirs[4]), one(9, 3, nirs[5]), one(10, 6, nirs[2]), rules.read_line(11, {Column.REFERENCE: Typed("STG-2")}),
    ]  # fmt: skip
    plan = rules.plan_of(lines, known, {nirs[5].value: 77})
    assert [one.number for one in plan.apply] == [2]
    assert [one.number for one in plan.present] == [7]
    assert [one.number for one in plan.blank] == [11]
    assert {found.line: found.problem for found in plan.wrong} == {
        3: Problem.SAME_LINE, 4: Problem.SAME_NUMBER, 5: Problem.NAME, 6: Problem.UNKNOWN, 8: Problem.HAS_NUMBER, 9: Problem.TAKEN, 10: Problem.INCOHERENT,
    }  # fmt: skip


# ---- pages -------------------------------------------------------------------------------------------------------------


def without_number(name: str = "ESSAI", *, kind: str = "8", siret: str | None = None, **person: Any) -> tuple[int, int]:
    """Somebody enrolled without a NIR: (trainee, enrolment)."""
    action = make_action(siret=siret) if siret else make_action()
    enrolment_id = make_enrolment(action, name=name, kind=kind, source=IdentitySource.TYPED, **person)
    trainee_id = db.session.get_one(Registration, registration_of(enrolment_id)).trainee_id
    return trainee_id, enrolment_id


def row(trainee_id: int, nir: Nir | None, name: str = "ESSAI", key: str | None = None) -> str:
    return f"STG-{trainee_id};{name};Paul;{nir.number if nir else ''};{(key or nir.key) if nir else ''}"


def send(browser: FlaskClient, content: bytes | str, name: str = "nir.csv") -> TestResponse:
    data = {"csrf_token": token(browser), "file": (io.BytesIO(content.encode() if isinstance(content, str) else content), name)}
    return browser.post(HOME, data=data, content_type="multipart/form-data")


def confirm(browser: FlaskClient, address: str, expected: int, what: str = "all") -> TestResponse:
    return post(browser, f"{address}/appliquer", {"expected": str(expected), "what": what})


def repair_of(address: str) -> NumberRepair:
    db.session.expire_all()
    return db.session.get_one(NumberRepair, int(address.rpartition("/")[2]))


def outcomes(address: str) -> dict[int, tuple[str, str | None]]:
    db.session.expire_all()
    rows = db.session.scalars(select(NumberRepairLine).where(NumberRepairLine.repair_id == repair_of(address).id))
    return {one.number: (one.outcome, one.problem) for one in rows}


def sent_of(enrolment_id: int) -> list[str]:
    statement = select(OutboxMessage.operation).where(OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id == enrolment_id)
    return list(db.session.scalars(statement.order_by(OutboxMessage.id)))


class Agora:
    """Answers as told, person by person; by default it knows the person under the same identity."""

    def __init__(self, **answers: IdentityState | Person) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, query: IdentityQuery) -> tuple[IdentityState, Person | None]:
        self.asked.append(query.birth_name)
        said = self.answers.get(query.birth_name, IdentityState.FOUND)
        if isinstance(said, Person):
            return IdentityState.FOUND, said
        return said, make_person(query.birth_name.lower(), "PAUL") if said is IdentityState.FOUND else None


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pace is a matter of its own test."""
    monkeypatch.setattr(applying, "SEARCHES_PER_SECOND", 1_000_000)


def test_no_number_is_taken_where_none_is_asked(as_user: AsUser) -> None:
    """A reference of the portal that its file never gave: somebody of an AVENIR action, whom no number is asked of."""
    registration_id = register(make_action(programme="AVENIR").id, Newcomer(make_person("AVENIR"), IdentitySource.TYPED, None), details())
    trainee_id = db.session.get_one(Registration, registration_id).trainee_id
    browser = as_user("principal")
    answer = send(browser, "\n".join([HEAD, row(trainee_id, make_nir(), "AVENIR")]))
    page = plain(browser.get(answer.location).text)
    assert "NIR à enregistrer 0" in page and "aucun stagiaire de votre organisme en attente de NIR ne porte cette référence" in page
    confirm(browser, answer.location, 1)
    assert "NIR à enregistrer 0" in plain(browser.get(answer.location).text), "and it cannot be confirmed"


@pytest.mark.parametrize("kind", ["xlsx", "ods", "csv"])
def test_the_file_holds_those_without_nir_and_no_number(as_user: AsUser, kind: str) -> None:
    trainee_id, _enrolment = without_number("ÉVRARD")
    bare, _other = without_number("SANS")
    cleared = "nir_hash = NULL, nir_ciphertext = NULL, nir_kind = NULL, nir_masked = ''"
    db.session.execute(text(f"UPDATE trainee SET {cleared} WHERE id = :id"), {"id": bare})
    make_enrolment(make_action(), name="AVECNIR")
    make_enrolment(make_action(programme="AVENIR"), name="AVENIR")
    without_number("AILLEURS", siret=ORGANISATION_B)
    browser = as_user("principal")
    answer = post(browser, f"{HOME}fichier", {"format": kind})
    assert answer.headers["Content-Disposition"].endswith(f'.{kind}"')
    table = read_table(answer.data)
    rows = {one.cells[0].text: [cell.text for cell in one.cells] for one in table.rows}
    assert list(table.header) == list(rules.HEADERS.values())
    assert rows[f"STG-{trainee_id}"][1:4] == ["ÉVRARD", "Paul", "02/06/1985"]
    assert rows[f"STG-{trainee_id}"][5:] == ["NIA", "", ""]
    assert rows[f"STG-{bare}"][5] == "aucun"
    assert not {"AVECNIR", "AVENIR", "AILLEURS"} & {one[1] for one in rows.values()}
    with bound_scope(Scope.system()):
        entry = db.session.scalars(select(NumberFile).order_by(NumberFile.id.desc()).limit(1)).one()
        assert (entry.file_format, entry.lines, entry.finished_at is not None) == (kind, len(rows), True)
    assert "Fichiers sortis" in browser.get(HOME).text
    assert post(browser, f"{HOME}fichier", {"format": "pdf"}).status_code == 303


def test_from_the_file_to_agora(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [(f"PERSONNE {index}", make_nir()) for index in range(3)]
    made = {name: (*without_number(name), nir) for name, nir in people}
    browser = as_user("principal")
    answer = send(browser, "\n".join([HEAD, *(row(trainee, nir, name.lower()) for name, (trainee, _e, nir) in made.items())]))
    assert answer.status_code == 303
    page = browser.get(answer.location).text
    assert list(problems(page, path=True)) == []
    assert "Enregistrer 3 NIR" in page
    for _name, nir in people:
        assert nir.masked in page
        assert nir.number not in page
    kept = db.session.scalars(select(NumberRepair.content).where(NumberRepair.id == repair_of(answer.location).id)).one()
    assert kept is not None
    assert people[0][1].number.encode() not in kept
    assert all(sent_of(enrolment) == [] for _t, enrolment, _n in made.values())
    assert confirm(browser, answer.location, 3).status_code == 303
    running = browser.get(answer.location).text
    assert list(problems(running, path=True)) == []
    assert "0 ligne sur 3" in running.replace("\u00a0", " ")
    agora = Agora()
    monkeypatch.setattr(jobs, "ask", agora)
    jobs.repair_numbers(repair_of(answer.location).id)
    jobs.repair_numbers(repair_of(answer.location).id)  # run twice, given once
    assert sorted(agora.asked) == sorted(made)
    repair = repair_of(answer.location)
    assert (repair.state, repair.done, repair.content, repair.finished_at is not None) == (RepairState.DONE, 3, None, True)
    for name, (trainee_id, enrolment_id, nir) in made.items():
        trainee = db.session.get_one(Trainee, trainee_id)
        assert (trainee.nir_kind, trainee.nir_masked, trainee.identity_source) == ("NIR", nir.masked, "AGORA")
        assert trainee.birth_name == name, "kept as it was typed"
        assert sent_of(enrolment_id) == ["create_file"]
        assert db.session.get_one(Enrolment, enrolment_id).agora_state == "waiting"
    report = browser.get(answer.location).text
    assert list(problems(report, path=True)) == []
    assert "Il ne reste rien à corriger" in report
    again = send(browser, "\n".join([HEAD, *(row(trainee, nir, name) for name, (trainee, _e, nir) in made.items())]))
    assert "Rien à enregistrer" in browser.get(again.location).text
    assert browser.get(f"{answer.location}/avancement").headers["HX-Refresh"] == "true"


def test_errors_say_value_rule_and_remedy(as_user: AsUser) -> None:
    mine, elsewhere = without_number("MOI")[0], without_number("AUTRUI", siret=ORGANISATION_B)[0]
    nir, other = make_nir(), make_nir()
    make_enrolment(make_action(), name="PORTEUR", nir=other)
    rows = [
        HEAD, row(elsewhere, nir, "AUTRUI"), row(mine, nir, "PAS MOI"), row(mine, other, "MOI"), f"STG-{mine};MOI;Paul;1,62071E+12;82", row(mine, nir, "MOI", "00"),
        f"{nir.number};MOI;Paul;{nir.number};{nir.key}", f";MOI;Paul;{nir.number};{nir.key}", f"STG-{mine};{nir.value};Paul;{nir.number};{nir.key}",
    ]  # fmt: skip
    browser = as_user("principal")
    answer = send(browser, "\n".join(rows))
    page = browser.get(answer.location).text
    assert list(problems(page, path=True)) == []
    for words in (
        f"« STG-{elsewhere} » est inconnue", "« PAS MOI » n’est pas le nom de naissance", "un autre stagiaire de votre organisme a ce numéro", "puissance de dix",
        "La clé ne correspond pas", "La référence est vide", "format Texte",
    ):  # fmt: skip
        assert words in page.replace("\u00a0", " "), words
    assert "AUTRUI" not in page.partition("<table")[0]
    assert nir.number not in page
    assert nir.value not in page
    to_mend = browser.get(f"{answer.location}/a-corriger.csv")
    assert to_mend.headers["X-Content-Type-Options"] == "nosniff"
    csv = to_mend.data.decode("utf-8-sig")
    assert nir.number not in csv
    assert len(csv.splitlines()) == len(rows)
    number = db.session.scalars(select(Action.number).join(Registration, Registration.action_id == Action.id).where(Registration.trainee_id == mine)).one()
    born = f"Paul;02/06/1985;{number};NIA;;"
    assert [born in line for line in csv.splitlines()[1:]] == [False, True, True, True, True, False, False, True], "of those whom the account may see"
    assert "AUTRUI;;;;;;" in csv
    assert confirm(browser, answer.location, 0).status_code == 303
    assert repair_of(answer.location).state == RepairState.CHECKED, "nothing to apply: nothing is applied"


def test_numbers_held_as_figures_are_named_as_such(as_user: AsUser) -> None:
    trainee_id = without_number("FIGURE")[0]
    nir = make_nir()
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for place, words in enumerate(HEAD.split(";")):
            sheet.write_string(0, place, words)
        sheet.write_string(1, 0, f"STG-{trainee_id}")
        sheet.write_string(1, 1, "FIGURE")
        sheet.write_number(1, 3, int(nir.number))
        sheet.write_string(1, 4, nir.key)
    browser = as_user("principal")
    answer = send(browser, target.getvalue(), "nir.xlsx")
    page = browser.get(answer.location).text
    assert "conservé comme un chiffre" in page or "conservé comme un nombre" in page
    assert nir.number not in page


def test_files_that_are_no_file_of_nirs(as_user: AsUser) -> None:
    browser = as_user("principal")
    for content, words in (("", "Choisissez un fichier"), ("a;b\n1;2", "Il manque ces colonnes"), (b"%PDF-1.4", "pas un tableau")):
        data: dict[str, Any] = {"csrf_token": token(browser)}
        if content:
            data["file"] = (io.BytesIO(content.encode() if isinstance(content, str) else content), "x.csv")
        answer = browser.post(HOME, data=data, content_type="multipart/form-data")
        assert answer.status_code == 422
        assert words in answer.text or content, words
        assert list(problems(answer.text, path=True)) == []


def test_the_right_lines_only(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    good, enrolment_id = without_number("BON")
    bad = without_number("MAUVAIS")[0]
    browser = as_user("principal")
    answer = send(browser, "\n".join([HEAD, row(good, make_nir(), "BON"), row(bad, make_nir(), "MAUVAIS", "00"), row(bad, None, "MAUVAIS")]))
    assert "Enregistrer seulement la ligne valable (1)" in browser.get(answer.location).text
    assert confirm(browser, answer.location, 1).status_code == 303
    assert repair_of(answer.location).state == RepairState.CHECKED, "as a whole, a file with an error is not applied"
    assert confirm(browser, answer.location, 2, "valid").status_code == 303
    assert repair_of(answer.location).state == RepairState.CHECKED, "the preview said 1"
    confirm(browser, answer.location, 1, "valid")
    monkeypatch.setattr(jobs, "ask", Agora())
    jobs.repair_numbers(repair_of(answer.location).id)
    assert outcomes(answer.location) == {2: (Outcome.SAVED, None), 3: (Outcome.WRONG, Problem.NUMBER)}
    assert sent_of(enrolment_id) == ["create_file"]
    csv = browser.get(f"{answer.location}/a-corriger.csv").data.decode("utf-8-sig")
    assert "MAUVAIS;Paul;02/06/1985;" in csv and ";NIA;;;" in csv

    report = browser.get(answer.location).text
    assert "La clé ne correspond pas" in report
    assert f"/stagiaires/{bad}" in report
    assert f"STG-{bad};MAUVAIS" in browser.get(f"{answer.location}/a-corriger.csv").data.decode()
    assert confirm(browser, answer.location, 1).status_code == 303, "a second click finds the report"
    assert sent_of(enrolment_id) == ["create_file"]
    assert confirm(as_user("autre-of"), answer.location, 1).status_code == 404


@pytest.mark.parametrize("problem", list(Problem))
def test_the_report_names_no_value_that_it_does_not_have(app: Flask, problem: Problem) -> None:
    """Once saved the numbers are dropped: the sentence begins with the rule, or with what the column holds."""
    with app.test_request_context():
        said = repair_words.problem_text(problem, "")
        assert "Cette valeur" not in said and "\ufffc" not in said
        assert not said or (said[0].isupper() and not said.startswith(":"))
        if problem is Problem.HAS_NUMBER:
            assert said.startswith("Ce stagiaire a déjà un autre NIR")
        if problem is Problem.UNKNOWN:
            assert said.startswith("Cette référence est inconnue")


def test_what_agora_says_otherwise_is_not_saved(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("AUTRENOM", "INCONNU", "DIFFERENT", "CONNU")
    made = {name: without_number(name) for name in names}
    browser = as_user("principal")
    answer = send(browser, "\n".join([HEAD, *(row(trainee, make_nir(), name) for name, (trainee, _e) in made.items())]))
    confirm(browser, answer.location, 4)
    agora = Agora(AUTRENOM=IdentityState.MISMATCH, INCONNU=IdentityState.UNKNOWN, DIFFERENT=make_person("DIFFERENT", "Sophie"))
    monkeypatch.setattr(jobs, "ask", agora)
    jobs.repair_numbers(repair_of(answer.location).id)
    found = outcomes(answer.location)
    assert [found[number][1] for number in (2, 3, 4, 5)] == [Problem.AGORA_NAME, Problem.AGORA_UNKNOWN, Problem.AGORA_DIFFERENT, None]
    assert [db.session.get_one(Trainee, trainee).nir_kind for trainee, _e in made.values()] == ["NIA", "NIA", "NIA", "NIR"]
    assert repair_of(answer.location).state == RepairState.DONE
    page = browser.get(answer.location).text
    assert "sous un autre nom de naissance" in page
    assert "Sophie" not in page, "AGORA's own data are shown on the sheet alone"


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What the sweeper gives to the workers."""
    found: list[tuple[str, int]] = []
    monkeypatch.setattr(jobs, "enqueue", lambda func, number: found.append((func, number)))
    return found


@pytest.mark.parametrize("barred", ["paused = true, pause_reason = 'Maintenance'", "hold_until = clock_timestamp() + interval '1 hour'"])
def test_an_operator_or_a_429_stops_the_file(as_user: AsUser, monkeypatch: pytest.MonkeyPatch, queued: list[tuple[str, int]], barred: str) -> None:
    trainee_id, enrolment_id = without_number("PAUSE")
    browser = as_user("principal")
    answer = send(browser, "\n".join([HEAD, row(trainee_id, make_nir(), "PAUSE")]))
    confirm(browser, answer.location, 1)
    repair_id = repair_of(answer.location).id
    agora = Agora()
    monkeypatch.setattr(jobs, "ask", agora)
    with bound_scope(Scope.system()):
        db.session.execute(text("INSERT INTO outbox_partner (name) VALUES ('agora') ON CONFLICT DO NOTHING"))
        db.session.execute(text(f"UPDATE outbox_partner SET {barred} WHERE name = 'agora'"))
    jobs.repair_numbers(repair_id)
    assert agora.asked == []
    assert outcomes(answer.location) == {2: (Outcome.PENDING, None)}
    jobs.sweep_repairs()
    assert queued == [], "not before the pause is over"
    with bound_scope(Scope.system()):
        db.session.execute(text("UPDATE outbox_partner SET paused = false, pause_reason = NULL, hold_until = NULL WHERE name = 'agora'"))
    db.session.execute(update(NumberRepair).values(leased_until=clock.now() - timedelta(seconds=1)))
    jobs.sweep_repairs()
    assert queued == [(service.JOB, repair_id)]
    jobs.repair_numbers(repair_id)
    assert agora.asked == ["PAUSE"]
    assert sent_of(enrolment_id) == ["create_file"]


def test_agora_down_waits_and_goes_on(as_user: AsUser, monkeypatch: pytest.MonkeyPatch, queued: list[tuple[str, int]]) -> None:
    made = {name: without_number(name) for name in ("UN", "DEUX")}
    browser = as_user("principal")
    answer = send(browser, "\n".join([HEAD, *(row(trainee, make_nir(), name) for name, (trainee, _e) in made.items())]))
    confirm(browser, answer.location, 2)
    down = Agora(DEUX=IdentityState.UNAVAILABLE)
    monkeypatch.setattr(jobs, "ask", down)
    jobs.repair_numbers(repair_of(answer.location).id)
    assert outcomes(answer.location) == {2: (Outcome.SAVED, None), 3: (Outcome.PENDING, None)}
    jobs.sweep_repairs()
    assert queued == [], "not before the pause is over"
    assert down.asked == ["UN", "DEUX"]
    db.session.execute(update(NumberRepair).values(leased_until=clock.now() - timedelta(seconds=1)))
    up = Agora()
    monkeypatch.setattr(jobs, "ask", up)
    jobs.sweep_repairs()
    assert (queued, up.asked) == ([(service.JOB, repair_of(answer.location).id)], []), "a worker does it, not the sweeper"
    jobs.repair_numbers(repair_of(answer.location).id)
    assert up.asked == ["DEUX"]
    assert repair_of(answer.location).state == RepairState.DONE
    assert all(sent_of(enrolment) == ["create_file"] for _t, enrolment in made.values())


def test_killed_anywhere_it_gives_each_number_once(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker dies before, while and after a number is given; the next one takes the file up."""
    made = {f"MORT {index}": without_number(f"MORT {index}") for index in range(4)}
    browser = as_user("principal")
    answer = send(browser, "\n".join([HEAD, *(row(trainee, make_nir(), name) for name, (trainee, _e) in made.items())]))
    confirm(browser, answer.location, 4)
    repair_id = repair_of(answer.location).id

    class Killed(Exception):
        """As if the process ended there."""

    settle, following = applying.settle, applying._next
    deaths = iter(["ask", "settle", "next", ""])
    for _attempt in range(4):
        death = next(deaths)
        steps: list[int] = []

        def dies(*_args: Any, **_named: Any) -> Any:
            raise Killed

        def half(*args: Any, **named: Any) -> Any:
            settle(*args, **named)
            raise Killed

        def once(*args: Any, steps: list[int] = steps) -> Any:
            steps.append(1)
            return dies() if len(steps) > 1 else following(*args)

        with monkeypatch.context() as patch:
            patch.setattr(jobs, "ask", dies if death == "ask" else Agora())
            patch.setattr(applying, "settle", half if death == "settle" else settle)
            patch.setattr(applying, "_next", once if death == "next" else following)
            if death:
                with pytest.raises(Killed):
                    jobs.repair_numbers(repair_id)
            else:
                jobs.repair_numbers(repair_id)
        assert applying.due() == [], "a dead worker is given its lease"
        db.session.execute(update(NumberRepair).values(leased_until=clock.now() - timedelta(seconds=1)))
    assert repair_of(answer.location).state == RepairState.DONE
    assert repair_of(answer.location).done == 4
    assert all(sent_of(enrolment) == ["create_file"] for _t, enrolment in made.values())


def test_somebody_was_faster(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    same, another, taken = without_number("MEME"), without_number("AUTRE"), without_number("PRIS")
    nirs = [make_nir() for _ in range(3)]
    browser = as_user("principal")
    rows = [row(one[0], nir, name) for one, nir, name in zip((same, another, taken), nirs, ("MEME", "AUTRE", "PRIS"), strict=True)]
    answer = send(browser, "\n".join([HEAD, *rows]))
    confirm(browser, answer.location, 3)
    from app.core.nir.storage import store_nir

    store_nir(db.session.get_one(Trainee, same[0]), nirs[0])
    store_nir(db.session.get_one(Trainee, another[0]), make_nir())
    make_enrolment(make_action(), name="VOISIN", nir=nirs[2])
    db.session.flush()
    monkeypatch.setattr(jobs, "ask", Agora())
    jobs.repair_numbers(repair_of(answer.location).id)
    assert [one[1] for one in outcomes(answer.location).values()] == [None, Problem.HAS_NUMBER, Problem.TAKEN]


def test_where_agora_is_not_asked(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    trainee_id, _enrolment = without_number("HORSFLUX")
    db.session.execute(text("UPDATE programme SET agora_enabled = false"))
    browser = as_user("principal")
    answer = send(browser, "\n".join([HEAD, row(trainee_id, make_nir(), "HORSFLUX")]))
    confirm(browser, answer.location, 1)
    agora = Agora()
    monkeypatch.setattr(jobs, "ask", agora)
    jobs.repair_numbers(repair_of(answer.location).id)
    trainee = db.session.get_one(Trainee, trainee_id, populate_existing=True)
    assert (agora.asked, trainee.nir_kind, trainee.identity_source) == ([], "NIR", "TYPED")


def test_nobody_elses_file(as_user: AsUser) -> None:
    trainee_id = without_number()[0]
    principal = as_user("principal")
    answer = send(principal, "\n".join([HEAD, row(trainee_id, make_nir())]))
    for who in ("autre-of", "secondaire"):
        assert as_user(who).get(answer.location).status_code == 404, "a checked file is shown to who sent it alone"
    confirm(principal, answer.location, 1)
    assert as_user("secondaire").get(answer.location).status_code == 200
    assert as_user("autre-of").get(answer.location).status_code == 404
    for who in ("admin", "support"):
        assert as_user(who).get(HOME).status_code == 403


def test_files_are_forgotten(as_user: AsUser, db_session: Session) -> None:
    first = without_number("AVANT")[0]
    browser = as_user("principal")
    old = send(browser, "\n".join([HEAD, row(first, make_nir(), "AVANT")]))
    assert post(browser, f"{old.location}/abandonner", {}).status_code == 303
    assert browser.get(old.location).status_code == 404
    old = send(browser, "\n".join([HEAD, row(first, make_nir(), "AVANT")]))
    db_session.execute(update(NumberRepair).values(created_at=clock.now() - timedelta(hours=3)))
    assert browser.get(old.location).status_code == 404
    assert service.purge_unconfirmed() == 1
    late = send(browser, "\n".join([HEAD, row(first, make_nir(), "AVANT")]))
    confirm(browser, late.location, 1)
    db_session.execute(update(NumberRepair).values(confirmed_at=clock.now() - timedelta(days=8)))
    assert applying.give_up_old() == 1
    repair = repair_of(late.location)
    assert (repair.state, repair.content) == (RepairState.DONE, None)
    assert "n’a pas répondu pendant sept jours" in browser.get(late.location).text


def test_the_pace(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(applying, "SEARCHES_PER_SECOND", 5)
    assert applying.pause(10.0, 10.05) == pytest.approx(0.15)
    assert applying.pause(10.0, 11.0) == 0
    monkeypatch.setattr(applying, "pause", lambda _last, _now: 0.125)
    monkeypatch.setattr(applying.time, "sleep", waits.append)
    made = [without_number(f"RYTHME {index}")[0] for index in range(3)]
    browser = as_user("principal")
    answer = send(browser, "\n".join([HEAD, *(row(one, make_nir(), f"RYTHME {index}") for index, one in enumerate(made))]))
    confirm(browser, answer.location, 3)
    monkeypatch.setattr(jobs, "ask", Agora())
    jobs.repair_numbers(repair_of(answer.location).id)
    assert waits == [0.125] * 3
