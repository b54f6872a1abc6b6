"""Accounts from a file: nothing before the confirmation, all or none, the same file twice is nothing more."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import xlsxwriter
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import func, select, text

from app.accounts import bulk, bulk_labels, jobs, services
from app.accounts.bulk import Column, Known, Problem
from app.accounts.models import AccountBatch, Organisation
from app.accounts.services import bulk as files
from app.core import clock
from app.core.extensions import db
from app.core.tabular import CellKind
from app.core.tenancy import Scope, bound_scope
from tests.accounts.helpers import token
from tests.architecture.markup import problems

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session
    from werkzeug.test import TestResponse

AsUser = Callable[[str], "FlaskClient"]
HEADER = "Type de compte;SIRET;Raison sociale;Enseigne;NDA;Civilité;Nom d’usage;Prénom;Courriel"
NEW = "73282932000074"
GOOD = "\n".join(
    [
        HEADER,
        "Principal;732 829 320 00074;LYCÉE DES MÉTIERS;;76310000031;Madame;VIDAL;Anne;anne@example.org",
        f"Secondaire;{NEW};;;;Monsieur;VIDAL;Jean;anne@example.org",
        "Secondaire;12345678913000;;;;M.;PETIT;Luc;luc@example.org",
        "secondaire;12345678913000;;;;Monsieur;MOREAU;Karim;SECONDAIRE@example.org",
    ]
)


def send(browser: FlaskClient, content: bytes | str, name: str = "comptes.csv") -> TestResponse:
    data = {"csrf_token": token(browser), "file": (io.BytesIO(content.encode() if isinstance(content, str) else content), name)}
    return browser.post("/comptes/fichier/", data=data, content_type="multipart/form-data")


def confirm(browser: FlaskClient, address: str, expected: int | str) -> TestResponse:
    return browser.post(f"{address}/creer", data={"csrf_token": token(browser), "expected": str(expected)})


def counts(session: Session) -> tuple[int, int]:
    with bound_scope(Scope.system()):
        return int(session.scalar(select(func.count()).select_from(User)) or 0), int(session.scalar(select(func.count()).select_from(Organisation)) or 0)


@pytest.mark.parametrize("who", ["admin", "region"])
def test_from_the_file_to_the_accounts(as_user: AsUser, db_session: Session, who: str) -> None:
    browser = as_user(who)
    before = counts(db_session)
    answer = send(browser, GOOD)
    assert answer.status_code == 303
    page = browser.get(answer.location).text
    assert list(problems(page, path=True)) == []
    for words in ("VIDAL Anne", "Créer 3 comptes", "Comptes déjà présents", NEW):
        assert words in page, words
    assert counts(db_session) == before
    assert confirm(browser, answer.location, 3).status_code == 303
    assert counts(db_session) == (before[0] + 3, before[1] + 1)
    with bound_scope(Scope.system()):
        made = db_session.scalars(select(User).join(Organisation).where(Organisation.siret == NEW).order_by(User.id)).unique().all()
        assert [(user.first_name, user.is_principal, user.civility) for user in made] == [("Anne", True, "MME"), ("Jean", False, "M")]
        batch = db_session.scalars(select(AccountBatch)).one()
        assert batch.data is None and len(batch.to_invite) == 3
        jobs.invite_batch(batch.id)
        jobs.invite_batch(batch.id)
        mails = db_session.scalars(text("SELECT recipient FROM mail_message WHERE template = 'account_created' ORDER BY 1")).all()
    assert mails == ["anne@example.org", "anne@example.org", "luc@example.org"]
    assert confirm(browser, answer.location, 3).status_code == 404, "a file serves once"
    again = send(browser, GOOD)
    assert "Rien à créer" in browser.get(again.location).text


def test_errors_name_line_column_value_rule_and_remedy(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("admin")
    before = counts(db_session)
    rows = [HEADER, "Chef;123;;;;Madame;X;Y;x@example.org", f"Secondaire;{NEW};;;;Madame;=A;B;b", f"Principal;{NEW};;;;;A;B;b@example.org"]
    answer = send(browser, "\n".join(rows))
    page = browser.get(answer.location).text
    for words in ("« Chef » : écrivez", "3 chiffres", "commence comme une formule", "adresse électronique", "Cette cellule est vide", "Télécharger les lignes à créer"):
        assert words in page, words
    assert list(problems(page, path=True)) == []
    assert "Créer" not in re.sub(r"<nav.*?</nav>", "", page.partition("<main")[2], flags=re.DOTALL).partition("<h1")[2].replace("Créer des comptes", "")
    errors = browser.get(f"{answer.location}/erreurs.csv")
    lines = errors.data.decode("utf-8-sig").splitlines()
    assert errors.headers["Content-Disposition"].startswith("attachment") and len(lines) == 4
    assert "'=A" in lines[2] and "À corriger" in lines[0]
    assert confirm(browser, answer.location, 0).status_code == 303
    assert counts(db_session) == before
    assert send(browser, errors.data).status_code == 303, "the file of errors may be sent back"


def test_the_file_to_mend_holds_the_good_lines_too(as_user: AsUser, db_session: Session) -> None:
    """Else whoever mends it and sends it back creates the wrong ones alone."""
    browser = as_user("region")
    before = counts(db_session)
    good, _second, third, _present = GOOD.splitlines()[1:]
    wrong = third.replace("luc@example.org", "pas une adresse")
    answer = send(browser, "\n".join([HEADER, good, wrong]))
    page = browser.get(answer.location).text
    assert "Rien n’est créé tant qu’une ligne est en erreur" in page
    lines = browser.get(f"{answer.location}/erreurs.csv").data.decode("utf-8-sig").splitlines()
    assert [line.endswith(";") for line in lines[1:]] == [True, False]
    mended = "\n".join(lines).replace("pas une adresse", "luc@example.org")
    answer = send(browser, mended)
    assert confirm(browser, answer.location, 2).status_code == 303
    assert counts(db_session)[0] == before[0] + 2


def test_a_lost_zero_is_said_not_guessed(as_user: AsUser) -> None:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, HEADER.split(";"))
        sheet.write_row(1, 0, ["Secondaire", 2345678913000, "", "", "", "Madame", "X", "Y", "x@example.org"])
    browser = as_user("admin")
    page = browser.get(send(browser, target.getvalue(), "c.xlsx").location).text
    assert "2345678913000" in page and "zéros" in page and "format Texte" in page


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Choisissez un fichier|vide"),
        (b"A;B\n1;2", "colonnes manquent"),
        (b"%PDF-1.4", "pas un tableau"),
        (b"PK\x03\x04xxxx", "ne se lit pas"),
        (HEADER.encode() + b'\n"a', "Ligne 2"),
    ],
)
def test_files_that_are_refused(as_user: AsUser, db_session: Session, content: bytes, words: str) -> None:
    answer = send(as_user("admin"), content)
    assert answer.status_code == 422 and "error-summary" in answer.text
    assert re.search(words, answer.text)
    assert db_session.scalar(select(func.count()).select_from(AccountBatch)) == 0


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_the_template_may_be_sent_back(as_user: AsUser, kind: str) -> None:
    browser = as_user("admin")
    template = browser.get(f"/comptes/fichier/modele.{kind}")
    assert template.status_code == 200
    answer = send(browser, template.data, f"m.{kind}")
    page = browser.get(answer.location).text
    assert "compte principal, tenu par BLANC Paule" in page
    assert browser.get("/comptes/fichier/modele.exe").status_code == 404


def test_nobody_sees_the_file_of_another(as_user: AsUser) -> None:
    address = send(as_user("admin"), GOOD).location
    assert as_user("region").get(address).status_code == 404
    assert confirm(as_user("region"), address, 3).status_code == 404
    assert as_user("support").get(address).status_code == 404
    assert as_user("principal").get(address).status_code == 403


def test_the_file_expires_and_is_forgotten(as_user: AsUser, db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = as_user("admin")
    address = send(browser, GOOD).location
    with bound_scope(Scope.system()):
        kept = db_session.scalar(text("SELECT data FROM account_batch"))
    assert b"example.org" not in bytes(kept)
    later = clock.now() + files.LIFETIME
    monkeypatch.setattr(clock, "now", lambda: later)
    with pytest.raises(services.BatchGone):
        services.preview(int(address.rsplit("/", 1)[1]), actor_id=db_session.scalar(text("SELECT id FROM ab_user WHERE username = 'admin'")))
    assert files.purge_batches() == 1


def test_a_preview_that_no_longer_holds_writes_nothing(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("admin")
    address = send(browser, GOOD).location
    before = counts(db_session)
    assert confirm(browser, address, 4).location.endswith(address)
    assert confirm(browser, address, "x").location.endswith(address)
    assert counts(db_session) == before


def test_confirmed_twice_at_once(committed: Flask) -> None:
    with committed.app_context(), committed.test_request_context(), bound_scope(Scope.system()):
        admin = db.session.scalar(select(User.id).where(User.username == "admin"))
        number = services.check_file(GOOD.encode(), actor_id=admin)
        db.session.remove()
    results: list[Any] = []
    start = threading.Barrier(3)

    def act() -> None:
        with committed.app_context(), committed.test_request_context():
            start.wait()
            try:
                results.append(services.apply_batch(number, expected=3, actor_id=admin))
            except services.BatchGone:
                results.append("gone")
            finally:
                db.session.remove()

    threads = [threading.Thread(target=act) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results, key=str) == [3, "gone", "gone"]


# ---- rules -----------------------------------------------------------------------------------------------------------


def line(number: int = 2, **given: str) -> tuple[bulk.Line, list[bulk.Finding]]:
    cells = {"kind": "Principal", "siret": NEW, "legal_name": "X", "civility": "Mme", "last_name": "A", "first_name": "B", "email": "a@example.org"} | given
    return bulk.read_line(number, {Column(name): (words, CellKind.TEXT) for name, words in cells.items()})


def test_columns_are_known_whatever_their_writing() -> None:
    places, missing = bulk.columns_of(["TYPE DE COMPTE", "Siret", "Nom d'usage", "prenom", "Courriel", "Autre", "civilite"])
    assert missing == [] and places[Column.FIRST_NAME] == 3
    assert bulk.columns_of(["x"])[1] == list(bulk.REQUIRED)


@pytest.mark.parametrize(
    ("lines", "known", "expected"),
    [
        ([{}], {}, None),
        ([{}, {}], {}, Problem.TWICE),
        ([{}, {"last_name": "C"}], {}, Problem.SECOND_PRINCIPAL),
        ([{"legal_name": ""}], {}, Problem.NAME_NEEDED),
        ([{"kind": "secondaire"}], {}, Problem.NO_ORGANISATION),
        ([{"kind": "secondaire", "last_name": "C"}, {}], {}, None),
        ([{}], {NEW: Known(1, True, "Z", frozenset())}, Problem.HAS_PRINCIPAL),
        ([{}], {NEW: Known(1, True, None, frozenset())}, None),
        ([{}], {NEW: Known(1, False, None, frozenset())}, Problem.CLOSED),
        ([{}], {NEW: Known(1, True, "A B", frozenset({bulk.key_of("a", "b", "A@example.org")}))}, None),
    ],
)
def test_lines_together(lines: list[dict[str, str]], known: dict[str, Known], expected: Problem | None) -> None:
    read = [line(number, **given) for number, given in enumerate(lines, start=2)]
    plan = bulk.plan_of([one for one, _wrong in read], [wrong for _one, found in read for wrong in found], known)
    assert [finding.problem for finding in plan.errors] == ([expected] if expected else [])


def test_a_name_is_a_name() -> None:
    assert [finding.problem for finding in line(last_name="https://x")[1]] == [Problem.NAME]
    assert line(last_name="d’Almeida-O'Brien")[1] == []


def test_a_name_is_the_same_whatever_its_accents() -> None:
    assert bulk.key_of("Élise ", "d'Ørs", "A@b.fr") == bulk.key_of("elise", "D Ørs", "a@B.fr")


@pytest.mark.parametrize("address", ["a..b@example.org", ".a@example.org", "a.@example.org", f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.fr"])
def test_an_address_that_no_mail_reaches_is_an_error(as_user: AsUser, db_session: Session, address: str) -> None:
    answer = send(as_user("admin"), f"{HEADER}\nSecondaire;12345678913000;;;;M.;PETIT;Luc;{address}")
    with bound_scope(Scope.system()):
        batch, admin = db_session.scalars(select(AccountBatch.id)).one(), db_session.scalars(select(User.id).where(User.username == "admin")).one()
    plan = services.preview(batch, actor_id=admin)
    assert answer.status_code == 303
    assert plan.create == []
    assert {finding.column for finding in plan.errors} == {Column.EMAIL}
    assert {finding.problem for finding in plan.errors} <= {Problem.MAIL, Problem.TOO_LONG}


def test_an_organisation_written_meanwhile_by_the_console(as_user: AsUser, db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan was made before somebody named the principal: the file is refused whole, not answered by a failure."""
    browser = as_user("admin")
    before = counts(db_session)
    answer = send(browser, f"{HEADER}\nPrincipal;12345678913000;ORGANISME;;;M.;PETIT;Luc;luc@example.org")
    with monkeypatch.context() as patched:
        patched.setattr(files, "_known", lambda *_: {})
        done = confirm(browser, answer.location, 1)
    assert done.status_code == 303
    assert "changé" in browser.get(done.location).text
    assert counts(db_session) == before


@pytest.mark.parametrize(
    ("words", "kind", "problem", "detail"),
    [
        ("7,32829E+13", CellKind.TEXT, Problem.DAMAGED, "scientific"), ("73282932000074,0", CellKind.TEXT, Problem.DAMAGED, "decimal"), ("12/03/2024", CellKind.DATE, Problem.DAMAGED, "date"),
        ("3282932000074", CellKind.NUMBER, Problem.LOST_ZEROS, ""), ("3282932000074", CellKind.TEXT, Problem.SIRET, ""), ("732829320000741", CellKind.NUMBER, Problem.SIRET, ""),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_did_to_a_siret_is_named(app: Flask, words: str, kind: CellKind, problem: Problem, detail: str) -> None:
    _line, findings = bulk.read_line(2, {Column.SIRET: (words, kind)})
    found = next(one for one in findings if one.column is Column.SIRET)
    assert (found.problem, found.detail) == (problem, detail)
    with app.test_request_context():
        assert words in bulk_labels.finding(found) or problem is Problem.SIRET


def test_a_file_checked_before_kinds_were_kept_is_still_known() -> None:
    assert [files._kind(kept) for kept in (True, False, "number", "date")] == [CellKind.NUMBER, CellKind.TEXT, CellKind.NUMBER, CellKind.DATE]
