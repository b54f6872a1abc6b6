"""Imports by the organisations' own software: sent, followed, applied, undone with a token; the rights and rules of the pages."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from app.accounts import services as accounts
from app.accounts.models import ApiToken, User
from app.core import tenancy
from app.core.exports.account import in_place_of
from app.core.exports.jobs import may_export
from app.core.exports.models import ListExport
from app.core.extensions import db
from app.core.nir import mask
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.imports import mending, parts, queries, services
from app.imports.domain import MOST_TRIES, FileState, PartKind
from app.imports.matrices import IMPORTERS
from app.imports.models import ImportFile
from app.imports.permissions import PROGRAM
from app.trainees.matrices import trainees_plan
from app.trainees.models import Registration
from tests.accounts.helpers import post
from tests.accounts.helpers import token as form_token
from tests.accounts.test_delegation import lend_now
from tests.accounts.test_tokens import call, id_of, make, refused
from tests.actions.helpers import make_action, make_nir
from tests.architecture.markup import problems
from tests.imports.helpers import csv_of, described, file_now, row_of, run, send
from tests.imports.test_failures import broken, failing

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

SCOPES = ("imports:lecture", "imports:ecriture")
AsUser = Callable[[str], "FlaskClient"]


def upload(browser: FlaskClient, token: str | None, content: bytes | None, *, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    data: dict[str, Any] = {"matrice": "stagiaires"} | fields
    if content is not None:
        data["fichier"] = (io.BytesIO(content), "stagiaires.csv")
    return call(browser, "/imports", token, method="POST", data=data, content_type="multipart/form-data", headers=headers or {})


def sent(browser: FlaskClient, token: str, content: bytes, **fields: Any) -> int:
    answer = upload(browser, token, content, **fields)
    assert answer.status_code == 202, answer.get_data(as_text=True)
    return int(answer.get_json()["import"]["id"])


def act(browser: FlaskClient, token: str, number: int, what: str, tag: str | None = None, **options: Any) -> Any:
    headers = {"If-Match": tag} if tag else {}
    return call(browser, f"/imports/{number}/{what}", token, method="POST", headers=headers, **options)


def count_files() -> int:
    tenancy.bind(Scope.system())
    return int(db.session.scalar(select(func.count()).select_from(ImportFile)) or 0)


# ---- from the file to its undoing --------------------------------------------------------------------------------------


def test_a_file_is_sent_followed_applied_and_undone(client: FlaskClient, db_session: Session) -> None:
    action = make_action()
    right, wrong = make_nir(), make_nir()
    token = make("principal", *SCOPES)
    content = csv_of([row_of(action, right), row_of(action, wrong, town="PARIS", birth_name="Autre")])
    answer = upload(client, token, content)
    assert answer.status_code == 202
    first = answer.get_json()
    number = first["import"]["id"]
    assert answer.headers["Location"] == f"/api/v1/imports/{number}" == first["import"]["liens"]["soi"]
    assert first["deja_envoye"] is False
    assert (first["import"]["etat"], first["import"]["termine"], first["import"]["comptes"]) == ("recu", False, None)
    assert (first["import"]["origine"], first["import"]["logiciel"]) == ("api", "Essai")
    refused(act(client, token, number, "application", call(client, f"/imports/{number}", token).headers["ETag"], json={"lignes": "valides"}), 409, "refused")
    run(number)

    read = call(client, f"/imports/{number}", token)
    shown = read.get_json()
    assert (shown["etat"], shown["termine"], shown["lignes"], shown["lignes_retirees"]) == ("a_decider", True, 2, 0)
    assert shown["comptes"] == {"creation": 1, "modification": 0, "inchange": 0, "erreur": 1}
    assert {"erreurs", "rapport", "application", "page"} <= shown["liens"].keys() and "annulation" not in shown["liens"]
    assert [(kind["colonne"], kind["nombre"], kind["premiere_ligne"]) for kind in shown["genres"]] == [("town", 1, 3)]
    errors = call(client, f"/imports/{number}/erreurs", token).get_json()
    assert [(one["ligne"], one["colonne"], one["valeur"]) for one in errors["erreurs"]] == [(3, "town", "PARIS")]
    assert errors["erreurs"][0]["message"] == shown["genres"][0]["message"]
    assert errors["suivant"] is None
    assert client.get(f"/api/v1/imports/{number}", headers={"Authorization": f"Bearer {token}", "If-None-Match": read.headers["ETag"]}).status_code == 304

    report = call(client, f"/imports/{number}/rapport?format=csv&lignes=erreurs", token)
    assert report.mimetype == "text/csv"
    words = report.get_data(as_text=True)
    assert "À corriger" in words and "PARIS" in words and "Autre" in words
    tenancy.bind(Scope.system())
    entry = db_session.scalars(select(ListExport)).one()
    assert (entry.list_name, entry.personal, entry.lines) == ("import-stagiaires", True, 1)
    assert entry.actor_id == id_of("principal")

    tag = read.headers["ETag"]
    refused(act(client, token, number, "application", json={"lignes": "valides"}), 428, "precondition_required")
    refused(act(client, token, number, "application", '"autre"', json={"lignes": "valides"}), 412, "precondition_failed")
    whole = refused(act(client, token, number, "application", tag, json={"lignes": "toutes"}), 409, "refused")
    assert "à corriger" in whole["detail"]
    assert refused(act(client, token, number, "application", tag, json={"lignes": "rien"}), 422, "fields_invalid")["errors"][0]["field"] == "lignes"
    refused(act(client, token, number, "annulation", tag), 409, "refused")
    done = act(client, token, number, "application", tag, json={"lignes": "valides"})
    assert (done.status_code, done.get_json()["etat"], done.get_json()["partiel"]) == (202, "en_application", True)
    refused(act(client, token, number, "application", tag, json={"lignes": "valides"}), 412, "precondition_failed")
    run(number)
    applied = call(client, f"/imports/{number}", token)
    assert applied.get_json()["etat"] == "applique"
    assert applied.get_json()["applique_par"] == applied.get_json()["envoye_par"]
    assert db_session.scalar(select(func.count()).select_from(Registration).where(Registration.action_id == action.id)) == 1
    undone = act(client, token, number, "annulation", applied.headers["ETag"])
    assert (undone.status_code, undone.get_json()["etat"]) == (202, "en_annulation")
    run(number)
    last = call(client, f"/imports/{number}", token).get_json()
    assert (last["etat"], last["conserve"]) == ("annule", [])
    assert db_session.scalar(select(func.count()).select_from(Registration).where(Registration.action_id == action.id)) == 0
    refused(call(client, f"/imports/{number}/rapport", token), 409, "refused")


def test_no_number_of_a_person_is_answered_but_masked(client: FlaskClient, db_session: Session) -> None:
    action, nir = make_action(), make_nir()
    token = make("principal", *SCOPES)
    content = csv_of([row_of(action, nir, key="00"), row_of(action, nir, first_name=f"Paul {nir.number}")])
    answer = upload(client, token, content, fichier=(io.BytesIO(content), f"liste {nir.number} {nir.key}.csv"))
    number = answer.get_json()["import"]["id"]
    run(number)
    answers = [answer, *(call(client, path, token) for path in ("/imports", f"/imports/{number}", f"/imports/{number}/erreurs"))]
    for one in answers:
        assert one.status_code in (200, 202)
        assert nir.number not in one.get_data(as_text=True)
    assert any(one["colonne"] in ("nir", "key") for one in answers[-1].get_json()["erreurs"])
    assert mask(nir.number) in answers[-1].get_data(as_text=True)


@pytest.mark.parametrize(("wish", "wrong", "state"), [
    ("valides", True, "applique"), ("valides", False, "applique"), ("toutes", False, "applique"), ("toutes", True, "a_decider"), ("rien", False, "a_decider"),
])  # fmt: skip
def test_what_is_wished_is_applied_once_it_is_checked(client: FlaskClient, db_session: Session, wish: str, wrong: bool, state: str) -> None:
    action = make_action()
    token = make("principal", *SCOPES)
    rows = [row_of(action, make_nir()), row_of(action, make_nir(), birth_name="Autre", town="PARIS" if wrong else "TOULOUSE")]
    number = sent(client, token, csv_of(rows), appliquer=wish)
    assert call(client, f"/imports/{number}", token).get_json()["a_appliquer"] == (None if wish == "rien" else wish)
    run(number)
    shown = call(client, f"/imports/{number}", token).get_json()
    assert (shown["etat"], shown["a_appliquer"]) == (state, None)
    expected = 0 if state == "a_decider" else 1 if wrong else 2
    assert db_session.scalar(select(func.count()).select_from(Registration).where(Registration.action_id == action.id)) == expected


def test_columns_that_nobody_knows_are_named_on_the_page_and_nothing_applies_itself_then(as_user: AsUser, client: FlaskClient, db_session: Session) -> None:
    action = make_action()
    token = make("principal", *SCOPES)
    row = row_of(action, make_nir())
    content = csv_of([row | {"Notre code": "12"}])
    number = sent(client, token, content, appliquer="valides")
    run(number)
    shown = call(client, f"/imports/{number}", token).get_json()
    assert shown["etat"] == "colonnes_a_nommer"
    assert {key: shown["colonnes"][key] for key in ("inconnues", "en_double", "manquantes")} == {"inconnues": ["Notre code"], "en_double": [], "manquantes": []}
    browser = as_user("principal")
    assert post(browser, f"/imports/fichier/{number}/colonnes", {f"colonne-{len(row)}": ""}).status_code == 303
    run(number)
    assert call(client, f"/imports/{number}", token).get_json()["etat"] == "a_decider", "somebody looks at it"
    assert "Essai" in browser.get("/imports/").text
    assert "Essai" in browser.get(f"/imports/fichier/{number}").text
    again = sent(client, token, csv_of([row_of(action, make_nir()) | {"Notre code": "13"}]), appliquer="valides")
    run(again)
    assert call(client, f"/imports/{again}", token).get_json()["etat"] == "applique", "it was remembered"


def test_columns_that_nobody_knows_are_named_by_the_program(client: FlaskClient, db_session: Session) -> None:
    """By the rule of the page: everything is decided, it is remembered, and what was wished of the file stands."""
    action = make_action()
    token = make("principal", *SCOPES)
    content = csv_of([row_of(action, make_nir()) | {"Notre code": "12"}]).replace(b'"Courriel"', b'"Courriell"')
    number = sent(client, token, content, appliquer="valides")
    refused(act(client, token, number, "colonnes", '"autre"', json={"colonnes": {"Notre code": None}}), 409, "refused")
    run(number)
    read = call(client, f"/imports/{number}", token)
    shown, tag = read.get_json(), read.headers["ETag"]
    assert (shown["etat"], shown["liens"]["colonnes"]) == ("colonnes_a_nommer", f"/api/v1/imports/{number}/colonnes")
    assert shown["colonnes"]["a_nommer"] == [{"en_tete": "Courriell", "proposition": "email"}, {"en_tete": "Notre code", "proposition": None}]
    free = {one["colonne"]: one for one in shown["colonnes"]["disponibles"]}
    assert free.keys() == {one.column.name for one in described()}
    assert (free["email"]["nommee_par"], free["birth_name"]["nommee_par"], free["birth_name"]["cle"]) == (None, "Nom de naissance", True)

    def named(said: Any, tag: str | None = tag) -> Any:
        return act(client, token, number, "colonnes", tag, json={"colonnes": said})

    right = {"Courriell": "email", "Notre code": None}
    refused(named(right, None), 428, "precondition_required")
    refused(named(right, '"autre"'), 412, "precondition_failed")
    for said, field in (
        ({"Courriell": "email"}, "Notre code"), (right | {"Autre": None}, "Autre"), (right | {"Notre code": "adresse"}, "Notre code"),
        (right | {"Notre code": "town"}, "Notre code"), (right | {"Nom de naissance": None}, "colonnes"), (right | {"Nom de naissance": "usual_name"}, "colonnes"),
        ({}, "Courriell"), (["Notre code"], "colonnes"), ({"Notre code": 3}, "colonnes"), (dict.fromkeys(map(str, range(200))), "colonnes"),
    ):  # fmt: skip
        assert field in {error["field"] for error in refused(named(said), 422, "fields_invalid")["errors"]}, said
    refused(act(client, token, number, "colonnes", tag, json={"autre": {}}), 422, "fields_invalid")
    assert call(client, f"/imports/{number}", token).get_json()["etat"] == "colonnes_a_nommer"
    reader = make("principal", "imports:lecture")
    refused(act(client, reader, number, "colonnes", tag, json={"colonnes": right}), 403, "scope_missing")
    foreign = make("autre-of", *SCOPES)
    refused(act(client, foreign, number, "colonnes", tag, json={"colonnes": right}), 404, "not_found")
    done = named(right)
    assert (done.status_code, done.get_json()["etat"], done.get_json()["a_appliquer"]) == (202, "en_controle", "valides")
    again = named(right)
    assert (again.status_code, again.get_json()["etat"]) == (200, "en_controle"), "sent again after a cut, it does nothing"
    run(number)
    assert named(right).get_json()["etat"] == "applique"
    refused(named(right | {"Courriell": None}), 409, "refused")
    following = csv_of([row_of(action, make_nir()) | {"Notre code": "13"}]).replace(b'"Courriel"', b'"Courriell"')
    other = sent(client, token, following, appliquer="valides")
    run(other)
    assert call(client, f"/imports/{other}", token).get_json()["etat"] == "applique", "it was remembered"


def test_two_headings_of_one_column_and_a_file_of_another_matrix(client: FlaskClient, db_session: Session) -> None:
    action = make_action()
    token = make("principal", *SCOPES)
    content = csv_of([row_of(action, make_nir())]).replace('"Nom d’usage"'.encode(), b'"Nom de famille"')
    number = sent(client, token, content)
    run(number)
    read = call(client, f"/imports/{number}", token)
    assert read.get_json()["colonnes"]["en_double"] == ["Nom de famille"]
    wrong = refused(act(client, token, number, "colonnes", read.headers["ETag"], json={"colonnes": {"Nom de famille": "birth_name"}}), 422, "fields_invalid")
    assert wrong["errors"][0]["field"] == "Nom de famille"
    assert act(client, token, number, "colonnes", read.headers["ETag"], json={"colonnes": {"Nom de famille": "usual_name"}}).status_code == 202
    elsewhere = sent(client, token, "N° Action;Nom de naissance;N° Composante;Nature;Date de fin réelle\r\n19Q1;Sion;01;Sortie;12/06/2026\r\n".encode())
    run(elsewhere)
    assert call(client, f"/imports/{elsewhere}", token).get_json()["colonnes"]["matrice_proposee"] == "sorties"


def test_what_another_file_taught_meanwhile_is_not_left_out(client: FlaskClient, db_session: Session) -> None:
    action = make_action()
    token = make("principal", *SCOPES)
    numbers = []
    for words in ("a@exemple.fr", "b@exemple.fr"):
        row = row_of(action, make_nir()) | {"Messagerie": words}
        numbers.append(sent(client, token, csv_of([row], columns=[name for name in row if name != "email"])))
        run(numbers[-1])
    for number, said in zip(numbers, ({"Messagerie": "email"}, {}), strict=True):
        tag = call(client, f"/imports/{number}", token).headers["ETag"]
        assert act(client, token, number, "colonnes", tag, json={"colonnes": said}).status_code == 202
    assert "email" in (file_now(numbers[1]).columns or [])


def test_a_file_that_is_none_says_why(client: FlaskClient, db_session: Session) -> None:
    token = make("principal", *SCOPES)
    number = sent(client, token, b"PK\x03\x04" + b"\x00" * 200)
    run(number)
    shown = call(client, f"/imports/{number}", token).get_json()
    assert (shown["etat"], shown["termine"]) == ("refuse", True)
    assert len(shown["refus"]) > 20
    assert call(client, f"/imports/{number}/erreurs", token).get_json()["erreurs"] == []


# ---- once, whatever is sent twice --------------------------------------------------------------------------------------


def test_the_same_file_twice_says_so_and_does_nothing(client: FlaskClient, db_session: Session) -> None:
    token = make("principal", *SCOPES)
    content = csv_of([row_of(make_action(), make_nir())])
    number = sent(client, token, content)
    for _ in range(2):
        again = upload(client, token, content, appliquer="toutes")
        assert (again.status_code, again.get_json()["deja_envoye"], again.get_json()["import"]["id"]) == (200, True, number)
        assert again.headers["Location"] == f"/api/v1/imports/{number}"
        run(number)
    assert file_now(number).state == FileState.READY, "a wish does not come after the file"
    assert count_files() == 1


def test_a_request_with_its_key_is_taken_once(client: FlaskClient, db_session: Session) -> None:
    token = make("principal", *SCOPES)
    key = {"Idempotency-Key": "envoi-2026-11-28"}
    bad = b"\x00\x01 rien"
    first = upload(client, token, bad, headers=key)
    assert first.status_code == 202
    number = first.get_json()["import"]["id"]
    run(number)
    again = upload(client, token, bad, headers=key)
    assert (again.status_code, again.get_json()["import"]["id"], again.get_json()["import"]["etat"]) == (200, number, "refuse")
    assert upload(client, token, bad).status_code == 202, "without the key, what was refused can be sent again"
    refused(upload(client, token, b"autre chose", headers=key), 422, "key_reused")
    other = upload(client, make("autre-of", *SCOPES), b"autre chose", headers=key)
    assert other.status_code == 202, "keys are each account's own"
    for wrong in ("", "é", "a b", "x" * 201):
        assert refused(upload(client, token, bad, headers={"Idempotency-Key": wrong.encode().decode("latin-1")}), 400, "parameter_invalid")["parameter"] == "Idempotency-Key"


def test_a_key_that_finds_the_file_there_stays_with_it(as_user: AsUser, client: FlaskClient, db_session: Session) -> None:
    token, key = make("principal", *SCOPES), {"Idempotency-Key": "une-seule-fois"}
    action = make_action()
    content = csv_of([row_of(action, make_nir())])
    account = db_session.scalars(select(User).where(User.username == "principal")).one()
    number = send(account, content).id
    known = upload(client, token, content, headers=key)
    assert (known.status_code, known.get_json()["import"]["id"]) == (200, number)
    tag = call(client, f"/imports/{number}", token).headers["ETag"]
    assert act(client, token, number, "application", tag, json={"lignes": "toutes"}).status_code == 202
    run(number)
    assert act(client, token, number, "annulation", call(client, f"/imports/{number}", token).headers["ETag"]).status_code == 202
    run(number)
    again = upload(client, token, content, headers=key)
    assert (again.status_code, again.get_json()["import"]["id"], again.get_json()["import"]["etat"]) == (200, number, "annule")
    assert count_files() == 1
    assert upload(client, token, content).status_code == 202, "without the key, what was undone can be sent again"


def test_a_key_does_not_stay_with_the_file_of_another_account(client: FlaskClient, db_session: Session) -> None:
    token, content = make("principal", *SCOPES), csv_of([row_of(make_action(), make_nir())])
    account = db_session.scalars(select(User).where(User.username == "secondaire")).one()
    number = send(account, content).id
    assert upload(client, token, content, headers={"Idempotency-Key": "la-mienne"}).get_json()["import"]["id"] == number
    assert file_now(number).request_key is None


@pytest.mark.parametrize(("first", "second"), [("rien", "valides"), ("valides", "toutes"), ("toutes", "rien")])
def test_a_key_goes_with_what_was_to_be_applied(client: FlaskClient, db_session: Session, first: str, second: str) -> None:
    token, key, content = make("principal", *SCOPES), {"Idempotency-Key": "avec-son-souhait"}, b"Nom\r\nA\r\n"
    number = upload(client, token, content, headers=key, appliquer=first).get_json()["import"]["id"]
    refused(upload(client, token, content, headers=key, appliquer=second), 422, "key_reused")
    run(number)
    refused(upload(client, token, content, headers=key, appliquer=second), 422, "key_reused")
    same = upload(client, token, content, headers=key, appliquer=first)
    assert (same.status_code, same.get_json()["import"]["id"], count_files()) == (200, number, 1)


def test_two_requests_at_once_make_one_import(committed: Flask) -> None:
    with committed.app_context():
        token = make("principal", *SCOPES)
    answers: list[int] = []
    gate = threading.Barrier(4)

    def one() -> None:
        browser = committed.test_client()
        gate.wait()
        answers.append(upload(browser, token, b"Nom;Prenom\r\nA;B\r\n", headers={"Idempotency-Key": "une-seule"}).status_code)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 200, 200, 202]
    with committed.app_context():
        assert count_files() == 1


def test_a_file_that_failed_says_so_and_is_taken_up(client: FlaskClient, db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    token = make("principal", *SCOPES)
    number = sent(client, token, csv_of([row_of(make_action(), make_nir())]))
    account = db_session.scalars(select(User).where(User.username == "principal")).one()
    with broken(monkeypatch, parts, "keep_packed"):
        failing(number, MOST_TRIES)
    tenancy.bind(Scope.organisation(account.organisation_id or 0))
    read = call(client, f"/imports/{number}", token)
    shown = read.get_json()
    assert (shown["etat"], shown["termine"], shown["echec"]["pendant"]) == ("echoue", True, "recu")
    assert shown["liens"]["reprise"] == f"/api/v1/imports/{number}/reprise"
    refused(act(client, token, number, "reprise", '"autre"'), 412, "precondition_failed")
    again = act(client, token, number, "reprise", read.headers["ETag"])
    assert (again.status_code, again.get_json()["etat"], again.get_json()["echec"]) == (202, "recu", None)
    run(number)
    ready = call(client, f"/imports/{number}", token)
    assert ready.get_json()["etat"] == "a_decider"
    refused(act(client, token, number, "reprise", ready.headers["ETag"]), 409, "refused")


@pytest.mark.parametrize(("owner", "name", "how", "state"), [
    (parts, "keep", "reessayer", "a_decider"), (trainees_plan, "plan", "reessayer", "a_decider"), (trainees_plan, "plan", "controler", "a_decider"),
    (trainees_plan, "plan", "reprise", "applique"),
])  # fmt: skip
def test_what_was_wished_ends_when_somebody_takes_the_file_up(
    as_user: AsUser, client: FlaskClient, db_session: Session, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, how: str, state: str
) -> None:
    token = make("principal", *SCOPES)
    number = sent(client, token, csv_of([row_of(make_action(), make_nir())]), appliquer="valides")
    with broken(monkeypatch, owner, name):
        failing(number, MOST_TRIES)
    if how == "reprise":
        again = act(client, token, number, how, call(client, f"/imports/{number}", token).headers["ETag"])
        assert (again.status_code, again.get_json()["a_appliquer"]) == (202, "valides"), "the program itself takes it up: what it wished stands"
    else:
        assert post(as_user("principal"), f"/imports/fichier/{number}/{how}").status_code == 303
        assert file_now(number).wish is None
    run(number)
    assert call(client, f"/imports/{number}", token).get_json()["etat"] == state


# ---- whose -------------------------------------------------------------------------------------------------------------


def test_another_organisations_file_does_not_exist(client: FlaskClient, db_session: Session) -> None:
    own, other = make("principal", *SCOPES), make("autre-of", *SCOPES)
    content = csv_of([row_of(make_action(), make_nir(), town="PARIS")])
    number = sent(client, own, content)
    run(number)
    tag = call(client, f"/imports/{number}", own).headers["ETag"]
    for path in (f"/imports/{number}", f"/imports/{number}/erreurs", f"/imports/{number}/rapport"):
        refused(call(client, path, other), 404, "not_found")
    refused(act(client, other, number, "application", tag, json={"lignes": "valides"}), 404, "not_found")
    refused(act(client, other, number, "annulation", tag), 404, "not_found")
    assert call(client, "/imports", other).get_json() == {"imports": [], "suivant": None}
    elsewhere = upload(client, other, content)
    assert elsewhere.status_code == 202, "no oracle: the same file of another organisation is a new one"
    run(elsewhere.get_json()["import"]["id"])
    found = call(client, f"/imports/{elsewhere.get_json()['import']['id']}", other).get_json()
    assert found["comptes"]["erreur"] == 1 and "action_number" in {kind["colonne"] for kind in found["genres"]}


def grant(role: str, *, given: bool) -> None:
    """Give the right of imports by program to a role, or take it away."""
    pair = (
        "SELECT pv.id FROM ab_permission_view pv JOIN ab_permission p ON p.id = pv.permission_id JOIN ab_view_menu v ON v.id = pv.view_menu_id "
        "WHERE p.name = 'can_use' AND v.name = 'ImportsByProgram'"
    )
    of_role = f"SELECT ({pair}), id FROM ab_role WHERE name = '{role}'"
    do = f"INSERT INTO ab_permission_view_role (permission_view_id, role_id) {of_role}" if given else (
        f"DELETE FROM ab_permission_view_role WHERE (permission_view_id, role_id) IN ({of_role})"
    )
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(text(do))


def test_the_rights_are_those_of_the_account_by_then(client: FlaskClient, db_session: Session) -> None:
    token = make("secondaire", *SCOPES)
    content = csv_of([row_of(make_action(), make_nir())])
    refused(upload(client, token, content), 403, "permission_missing")
    refused(call(client, "/imports", token), 403, "permission_missing")
    assert count_files() == 0
    grant("Compte secondaire", given=True)
    number = sent(client, token, content, appliquer="toutes")
    assert call(client, f"/imports/{number}", token).status_code == 200
    grant("Compte secondaire", given=False)
    problem = refused(call(client, f"/imports/{number}", token), 403, "permission_missing")
    assert "faites changer ses droits" in problem["detail"]
    run(number)
    assert file_now(number).state == FileState.READY, "what the account may no longer do is not done in its name"
    assert file_now(number).wish is None


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_what_a_token_asked_for_ends_with_it(client: FlaskClient, db_session: Session, end: str) -> None:
    token, kept = make("principal", *SCOPES), make("principal", *SCOPES)
    action = make_action()
    number, other = (sent(client, one, csv_of([row_of(action, make_nir(), birth_name=name)]), appliquer="toutes") for one, name in ((token, "Un"), (kept, "Deux")))
    with bound_scope(Scope.system()):
        token_id = db_session.scalars(select(ApiToken.id).where(ApiToken.prefix == token[:10])).one()
        if end == "revoked":
            assert accounts.revoke_token(id_of("principal"), token_id)
        else:
            with transaction() as session:
                session.execute(text("UPDATE api_token SET created_at = now() - interval '2 days', expires_at = now() - interval '1 second' WHERE id = :id"), {"id": token_id})
    assert run(number).state == FileState.READY, "what it asked for waits for somebody"
    assert run(other).state == FileState.APPLIED, "another token of the same account goes on"


def test_what_is_lent_is_not_lent_to_a_program(client: FlaskClient, db_session: Session) -> None:
    grant("Compte secondaire", given=True)
    token = make("secondaire", *SCOPES)
    number = sent(client, token, csv_of([row_of(make_action(), make_nir())]), appliquer="toutes")
    grant("Compte secondaire", given=False)
    lend_now(db_session)
    with in_place_of(id_of("secondaire")):
        assert may_export(PROGRAM), "on a page, in the name of the principal account"
    assert run(number).state == FileState.READY


def test_a_narrowed_account_keeps_what_is_left(client: FlaskClient, db_session: Session) -> None:
    grant("Compte secondaire", given=True)
    token = make("secondaire", *SCOPES)
    assert call(client, "/imports", token).status_code == 200
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(text("UPDATE ab_user SET functions = '{consult,surveys}' WHERE username = 'secondaire'"))
    refused(call(client, "/imports", token), 403, "permission_missing")


def test_a_limited_account_sees_what_it_sent(client: FlaskClient, db_session: Session) -> None:
    grant("Compte secondaire", given=True)
    own, other = make("secondaire", *SCOPES), make("principal", *SCOPES)
    foreign = sent(client, other, csv_of([row_of(make_action(), make_nir())]))
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(text("UPDATE ab_user SET limited_to_actions = true WHERE username = 'secondaire'"))
    number = sent(client, own, csv_of([row_of(make_action(), make_nir())]))
    assert [one["id"] for one in call(client, "/imports", own).get_json()["imports"]] == [number]
    refused(call(client, f"/imports/{foreign}", own), 404, "not_found")
    assert {one["id"] for one in call(client, "/imports", other).get_json()["imports"]} == {number, foreign}


def test_a_closed_account_applies_nothing(client: FlaskClient, db_session: Session) -> None:
    token = make("principal", *SCOPES)
    number = sent(client, token, csv_of([row_of(make_action(), make_nir())]), appliquer="toutes")
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(text("UPDATE ab_user SET blocked_at = now(), failed_attempts = 3 WHERE username = 'principal'"))
    refused(call(client, f"/imports/{number}", token), 401, "token_invalid")
    run(number)
    assert file_now(number).state != FileState.APPLIED
    assert db_session.scalar(text("SELECT count(*) FROM registration WHERE created_at > now() - interval '1 minute' AND action_id = (SELECT max(id) FROM action)")) == 0


def test_scopes_cookies_and_revoked_tokens(as_user: AsUser, client: FlaskClient, db_session: Session) -> None:
    content = b"Nom\r\nA\r\n"
    assert refused(upload(client, make("principal", "imports:lecture"), content), 403, "scope_missing")["scope"] == "imports:ecriture"
    assert refused(call(client, "/imports", make("principal", "imports:ecriture")), 403, "scope_missing")["scope"] == "imports:lecture"
    reads = refused(call(client, "/imports/1/rapport", make("principal", "imports:lecture")), 403, "scope_missing")
    assert reads["scope"] == "imports:ecriture", "the report holds the numbers of people: what follows files does not take it out"
    browser = as_user("principal")
    refused(upload(browser, None, content, csrf_token=form_token(browser)), 401, "token_missing")
    token = make("principal", *SCOPES)
    with bound_scope(Scope.system()):
        last = db_session.scalars(select(ApiToken.id).order_by(ApiToken.id.desc())).first()
    assert post(browser, f"/gestion-organisme/jetons/{last}/revoquer").status_code == 303
    refused(upload(client, token, content), 401, "token_invalid")
    assert count_files() == 0


# ---- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "content", "wrong"),
    [
        ({}, None, "fichier"),
        ({}, b"", "fichier"),
        ({"fichier": "un texte"}, None, "fichier"),
        ({"matrice": "autre"}, b"x", "matrice"),
        ({"matrice": ""}, b"x", "matrice"),
        ({"appliquer": "oui"}, b"x", "appliquer"),
        ({"autre": "1"}, b"x", "autre"),
    ],
)
def test_what_is_sent_is_checked_field_by_field(client: FlaskClient, db_session: Session, fields: dict[str, str], content: bytes | None, wrong: str) -> None:
    problem = refused(upload(client, make("principal", *SCOPES), content, **fields), 422, "fields_invalid")
    assert wrong in {one["field"] for one in problem["errors"]}
    assert all(one["detail"] for one in problem["errors"])
    assert count_files() == 0


def test_what_is_no_form_and_what_is_too_large(client: FlaskClient, db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    token = make("principal", *SCOPES)
    for options in ({"json": {"matrice": "stagiaires"}}, {"data": "matrice=stagiaires", "content_type": "application/x-www-form-urlencoded"}, {}):
        refused(call(client, "/imports", token, method="POST", **options), 415, "body_invalid")
    from dataclasses import replace

    monkeypatch.setattr(services, "LIMITS", replace(services.LIMITS, size=10))
    problem = refused(upload(client, token, b"x" * 11), 413, "too_large")
    assert problem["detail"]
    monkeypatch.undo()
    head = b'--b\r\nContent-Disposition: form-data; name="fichier"; filename="x.csv"\r\n\r\n'
    whole = head + b"x" * (services.LIMITS.size + 70_000) + b"\r\n--b--\r\n"
    refused(call(client, "/imports", token, method="POST", data=whole, content_type="multipart/form-data; boundary=b"), 413, "too_large")
    for query in ("?taille=0", "?taille=201", "?etat=autre", "?matrice=autre", "?apres=0"):
        refused(call(client, f"/imports{query}", token), 400, "parameter_invalid")
    assert count_files() == 0


def test_few_files_a_minute(limited: Flask) -> None:
    with limited.app_context():
        first, second = make("principal", *SCOPES), make("principal", *SCOPES)
    browser = limited.test_client()
    statuses = [upload(browser, first, f"Nom\r\n{number}\r\n".encode()).status_code for number in range(11)]
    assert statuses == [202] * 10 + [429]
    answer = upload(browser, first, b"Nom\r\nA\r\n")
    refused(answer, 429, "too_many_requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert call(browser, "/imports", first).status_code == 200, "reading goes on"
    assert upload(browser, second, b"Nom\r\nB\r\n").status_code == 202


# ---- lists -------------------------------------------------------------------------------------------------------------


def test_page_after_page(client: FlaskClient, db_session: Session) -> None:
    token = make("principal", *SCOPES)
    numbers = [sent(client, token, f"Nom\r\n{number}\r\n".encode()) for number in range(3)]
    run(numbers[0])
    first = call(client, "/imports?taille=2", token).get_json()
    assert [one["id"] for one in first["imports"]] == numbers[:0:-1]
    second = call(client, f"/imports?taille=2&apres={first['suivant']}", token).get_json()
    assert ([one["id"] for one in second["imports"]], second["suivant"]) == (numbers[:1], None)
    waiting = call(client, "/imports?etat=recu&matrice=stagiaires", token).get_json()["imports"]
    assert [one["id"] for one in waiting] == numbers[:0:-1]
    assert call(client, "/imports?etat=applique", token).get_json()["imports"] == []


def test_errors_page_after_page(client: FlaskClient, db_session: Session) -> None:
    token, action = make("principal", *SCOPES), make_action()
    number = sent(client, token, csv_of([row_of(action, make_nir(), birth_name=f"Nom{index}", town="PARIS") for index in "abc"]))
    run(number)
    first = call(client, f"/imports/{number}/erreurs?taille=2", token).get_json()
    assert ([one["ligne"] for one in first["erreurs"]], first["suivant"]) == ([2, 3], 3)
    second = call(client, f"/imports/{number}/erreurs?taille=2&apres=3", token).get_json()
    assert ([one["ligne"] for one in second["erreurs"]], second["suivant"]) == ([4], None)


def test_the_last_page_of_errors_opens_no_more_than_the_first(client: FlaskClient, db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LINES", 2)
    token, action = make("principal", *SCOPES), make_action()
    number = sent(client, token, csv_of([row_of(action, make_nir(), birth_name=f"Nom{letter}", town="PARIS") for letter in "abcdefghijklmnopqrst"]))
    run(number)
    opened: list[int] = []
    real = parts._opened
    monkeypatch.setattr(parts, "_opened", lambda part: (opened.append(part.number), real(part))[1])
    for after, line in ((0, 2), (19, 20), (20, 21)):
        opened.clear()
        answer = call(client, f"/imports/{number}/erreurs?taille=1&apres={after}", token).get_json()
        assert [(one["ligne"], one["valeur"]) for one in answer["erreurs"]] == [(line, "PARIS")]
        assert 1 <= len(opened) <= 2, opened


def test_lines_are_found_wherever_empty_and_long_ones_stand(db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LINES", 3), ("_CHARACTERS", 120), ("_TOGETHER", 1)):
        monkeypatch.setattr(parts, name, value)
    with bound_scope(Scope.system()):
        key, organisation = db_session.execute(select(User.id, User.organisation_id).where(User.username == "principal")).one()
    with bound_scope(Scope.organisation(organisation), actor_id=key):
        file = queries.get_file(services.receive("stagiaires", "x.csv", b"Nom"))
        assert file is not None

        @settings(max_examples=40, deadline=None, database=None)
        @given(gaps=st.lists(st.integers(1, 9), min_size=1, max_size=40), long=st.integers(0, 200), data=st.data())
        def examine(gaps: list[int], long: int, data: st.DataObject) -> None:
            numbers = [1 + sum(gaps[: place + 1]) for place in range(len(gaps))]
            cells = {number: [f"cellule {number}" + "x" * (long if not number % 3 else 0)] for number in numbers}
            wanted = data.draw(st.lists(st.integers(0, numbers[-1] + 30), max_size=5))
            parts.keep(file, PartKind.ROWS, [[number, cells[number]] for number in numbers])
            assert queries.rows_of(file.id, wanted) == {line: cells[line] for line in wanted if line in numbers}
            assert queries.rows_of(file.id, numbers) == cells
            held = list(parts.pieces_of(file.id, PartKind.ROWS))
            assert all(len(some) <= 3 and len(json.dumps(some[:-1])) < 240 for some in held), "a part is closed by its length too"
            for number in numbers:
                assert number in [line for line, _cells in parts.piece(file.id, PartKind.ROWS, queries.part_of(file.id, number))]

        examine()


def test_a_file_of_a_page_is_followed_too(client: FlaskClient, db_session: Session) -> None:
    from app.accounts.models import User

    with bound_scope(Scope.system()):
        account = db_session.scalars(select(User).where(User.username == "secondaire")).one()
    file = send(account, csv_of([row_of(make_action(), make_nir()), row_of(make_action(), make_nir(), town="PARIS")]))
    number, token = file.id, make("principal", *SCOPES)
    answer = call(client, f"/imports/{number}", token)
    shown = answer.get_json()
    assert (shown["origine"], shown["logiciel"], shown["etat"], shown["lignes_retirees"]) == ("page", None, "a_decider", 0)
    with bound_scope(Scope.organisation(account.organisation_id), actor_id=account.id):
        mending.leave_out(number, 3, revision=1)
    now = call(client, f"/imports/{number}", token)
    assert (now.get_json()["lignes_retirees"], now.get_json()["comptes"]["erreur"]) == (1, 0)
    assert now.headers["ETag"] != answer.headers["ETag"]


# ---- pages -------------------------------------------------------------------------------------------------------------


def test_the_tokens_of_the_organisation(as_user: AsUser, client: FlaskClient, db_session: Session) -> None:
    browser = as_user("principal")
    page = browser.get("/gestion-organisme/jetons/").text
    assert "Aucun jeton dans l’organisme" in page and not list(problems(page))
    token = make("secondaire", "compte:lecture")
    foreign = make("autre-of", "compte:lecture")
    call(client, "/compte", token)
    page = browser.get("/gestion-organisme/jetons/").text
    assert not list(problems(page))
    assert page.count(token[:10]) == 1 and token not in page and foreign[:10] not in page
    assert "MOREAU" in page and "192.0.2.1" in page and "Lire à qui" in page
    with bound_scope(Scope.system()):
        by_prefix = dict(db_session.execute(select(ApiToken.prefix, ApiToken.id)).all())
    own, other = by_prefix[token[:10]], by_prefix[foreign[:10]]
    for number in (other, 987654321):
        assert browser.get(f"/gestion-organisme/jetons/{number}/revoquer").status_code == 404
        assert post(browser, f"/gestion-organisme/jetons/{number}/revoquer").status_code == 404
    for who in ("secondaire", "admin", "support"):
        assert post(as_user(who), f"/gestion-organisme/jetons/{own}/revoquer").status_code == 403
    assert "C’est définitif" in browser.get(f"/gestion-organisme/jetons/{own}/revoquer").text
    assert call(client, "/compte", token).status_code == 200
    assert "a bien été révoqué" in browser.get(post(browser, f"/gestion-organisme/jetons/{own}/revoquer").location).text
    refused(call(client, "/compte", token), 401, "token_invalid")
    told = text("SELECT recipient FROM mail_message WHERE template = 'api_token_revoked'")
    with bound_scope(Scope.system()):
        holder = db_session.scalars(select(User.email).where(User.username == "secondaire")).one()
        assert db_session.scalars(told).all() == [holder], "its holder knows"
    mine = make("principal", "compte:lecture")
    with bound_scope(Scope.system()):
        mine_id = db_session.scalars(select(ApiToken.id).where(ApiToken.prefix == mine[:10])).one()
    assert post(browser, f"/gestion-organisme/jetons/{mine_id}/revoquer").status_code == 303
    with bound_scope(Scope.system()):
        assert db_session.scalars(told).all() == [holder], "nobody is told what they did themselves"
    assert call(client, "/compte", foreign).status_code == 200
    history = browser.get("/gestion-organisme/historique/").text
    assert "Le jeton « Essai » de M. MOREAU Karim a été révoqué" in history.replace("\xa0", " ")


def test_the_codes_of_the_matrices_are_explained_wherever_they_are_asked_for(as_user: AsUser, client: FlaskClient) -> None:
    told = (Path(__file__).parents[2] / "docs/api.md").read_text(encoding="utf-8")
    described = client.get("/api/v1/openapi.json").get_json()["paths"]["/imports"]["post"]["description"]
    page = as_user("principal").get("/imports/par-logiciel/").text
    for name, importer in IMPORTERS.items():
        title = str(importer.matrix.title)
        assert f"| `{name}` | {title} |" in told and f"- `{name}` : {title}" in described
        assert re.search(rf'href="/imports/{name}/specifications">{title}</a>(?:</div>)?</th>\s*<td[^>]*>(?:<[^>]+>|\s)*{name}\s*<', page), "a column of its own"
    number = sent(client, make("principal", *SCOPES), csv_of([row_of(make_action(), make_nir())]))
    shown = call(client, f"/imports/{number}", make("principal", *SCOPES)).get_json()
    assert (shown["matrice"], shown["matrice_titre"]) == ("stagiaires", "Stagiaires")


def test_the_page_that_shows_how(as_user: AsUser, client: FlaskClient) -> None:
    page = as_user("principal").get("/imports/par-logiciel/").text
    assert not list(problems(page))
    for words in ("curl", "imports:ecriture", "imports:lecture", "Idempotency-Key", "colonnes_a_nommer", "stagiaires"):
        assert words in page
    addresses = set(re.findall(r"https?://[^\s<\"]+/api/v1(/imports[^\s<\"?]*)", page))
    document = client.get("/api/v1/openapi.json").get_json()["paths"]
    assert addresses and {address.replace("/12", "/{import_id}") for address in addresses} <= document.keys(), "the commands name what there is"
    assert as_user("secondaire").get("/imports/par-logiciel/").status_code == 403


def test_the_page_that_shows_how_leads_each_account_to_its_own_tokens(as_user: AsUser, client: FlaskClient) -> None:
    grant("Compte secondaire", given=True)
    page = as_user("secondaire").get("/imports/par-logiciel/")
    assert page.status_code == 200 and not list(problems(page.text))
    assert 'href="/mon-compte/jetons/nouveau"' in page.text and "/gestion-organisme/jetons" not in page.text
    assert 'href="/gestion-organisme/jetons/"' in as_user("principal").get("/imports/par-logiciel/").text
