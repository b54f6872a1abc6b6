"""What somebody else's work holds: a page waits a moment, says so and loses nothing that was typed; a worker waits as long as it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from app.accounts.models import User
from app.accounts.testing import sign_in
from app.core import context, requests
from app.core.errors_db import HELD, is_held, is_passing, translate
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.imports import services, work
from app.imports.domain import FileState
from app.trainees.models import Registration
from tests.accounts.helpers import post
from tests.accounts.test_tokens import call, make, refused
from tests.actions.helpers import make_action, make_nir, make_registration
from tests.imports.enrolment_files import counts, day, sent, who
from tests.imports.helpers import file_now

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

FORM = {"Sec-Fetch-Site": "same-origin"}
SAID = "Quelqu’un d’autre est en train d’écrire ici"
PLAN = {"planned_start": day(-4), "planned_end": day(100), "hours_centre": "70", "hours_company": "30"}


@pytest.fixture
def world(committed: Flask, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A checked file with a line to mend, and short patience."""
    monkeypatch.setattr(requests, "PATIENCE", "150ms")
    with committed.app_context(), bound_scope(Scope.system()):
        with transaction():
            action, nir = make_action(), make_nir()
            registration = make_registration(action, nir=nir)
            account = db.session.scalars(select(User).where(User.username == "principal")).one()
        file = sent(account, "inscriptions", who(action, nir, **{**PLAN, "hours_centre": "beaucoup"}))
        assert (file.state, counts(file)) == (FileState.READY, {"wrong": 1})
        token = make("principal", "imports:lecture", "imports:ecriture")
        db.session.commit()
        # used outside of the context: each request has a session of its own
        return {"app": committed, "engine": db.engine, "file": file.id, "revision": file.revision, "registration": registration, "token": token}


@pytest.fixture
def browser(committed: Flask) -> Callable[[], FlaskClient]:
    def make_one() -> FlaskClient:
        made = committed.test_client()
        sign_in(committed, made, "principal")
        return made

    return make_one


@contextmanager
def held(world: dict[str, Any], table: str, number: int) -> Iterator[None]:
    """Somebody else writes this row, all the while."""
    with bound_scope(Scope.system()), world["engine"].connect() as other, other.begin():
        other.execute(text(f"SELECT id FROM {table} WHERE id = :id FOR UPDATE"), {"id": number})
        yield


def file_of(world: dict[str, Any]) -> tuple[str, int, int]:
    with world["app"].app_context():
        file = file_now(world["file"])
        return file.state, file.revision, file.tries


def test_a_page_says_that_somebody_else_writes_and_keeps_what_was_typed(world: dict[str, Any], browser: Callable[[], FlaskClient]) -> None:
    with held(world, "import_file", world["file"]):
        answer = post(browser(), f"/imports/fichier/{world['file']}/colonnes", {"colonne-0": "nir", "mot": "deux\nlignes"}, headers=FORM)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert SAID in answer.text
    assert "rien n’a été enregistré" in answer.text
    assert f'action="/imports/fichier/{world["file"]}/colonnes"' in answer.text
    assert '<input type="hidden" name="colonne-0" value="nir">' in answer.text
    assert re.search(r'<textarea name="mot" hidden>\s*deux\nlignes</textarea>', answer.text)
    assert "Vous êtes connecté" not in answer.text
    assert file_of(world)[0] == FileState.READY


def test_a_button_that_has_to_wait_is_offered_again_without_a_word_of_what_was_typed(world: dict[str, Any], browser: Callable[[], FlaskClient]) -> None:
    with held(world, "import_file", world["file"]):
        answer = post(browser(), f"/imports/fichier/{world['file']}/controler", headers=FORM)
    assert answer.status_code == 503 and SAID in answer.text
    assert "Réessayer" in answer.text and "Ce que vous avez saisi" not in answer.text and "Renvoyer le formulaire" not in answer.text


def test_another_site_gets_nothing_kept(world: dict[str, Any], browser: Callable[[], FlaskClient]) -> None:
    with held(world, "import_file", world["file"]):
        answer = post(browser(), f"/imports/fichier/{world['file']}/colonnes", {"colonne-0": "nir"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code in (400, 403, 419, 503)
    assert 'name="colonne-0"' not in answer.text


def test_a_part_of_a_page_says_it_too(world: dict[str, Any], browser: Callable[[], FlaskClient]) -> None:
    with held(world, "import_file", world["file"]):
        answer = post(browser(), f"/imports/fichier/{world['file']}/colonnes", {"colonne-0": "nir"}, headers=FORM | {"HX-Request": "true"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "rien n’a été enregistré" in answer.text
    assert "<form" not in answer.text


def test_a_line_is_mended_later_with_what_was_typed_still_there(world: dict[str, Any], browser: Callable[[], FlaskClient]) -> None:
    client, address = browser(), f"/imports/fichier/{world['file']}/ligne/2"
    with held(world, "registration", world["registration"]):
        answer = post(client, address, {"revision": str(world["revision"]), "cellule-hours_centre": "70"}, headers=FORM)
    assert answer.status_code == 422
    assert "votre saisie est conservée" in answer.text
    assert 'value="70"' in answer.text
    assert file_of(world)[1] == world["revision"]
    assert post(client, address, {"revision": str(world["revision"]), "cellule-hours_centre": "70"}, headers=FORM).status_code == 303


def test_a_program_is_told_when_to_ask_again(committed: Flask, world: dict[str, Any]) -> None:
    client = committed.test_client()
    read = call(client, f"/imports/{world['file']}", world["token"])
    with held(world, "import_file", world["file"]):
        answer = call(
            client, f"/imports/{world['file']}/application", world["token"], method="POST", json={"lignes": "valides"}, headers={"If-Match": read.headers["ETag"]}
        )
    assert "rien n’a été enregistré" in refused(answer, 503, "busy")["detail"]
    assert answer.headers["Retry-After"] == "10"


def test_a_worker_waits_as_long_as_it_takes_and_a_lock_that_lasts_is_no_defect(
    world: dict[str, Any], browser: Callable[[], FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser().get("/imports/")
    with world["app"].app_context(), bound_scope(Scope.system()):
        assert db.session.scalar(text("SELECT current_setting('lock_timeout')")) == "0"  # what a page set ended with it
        services.check_again(world["file"])
        monkeypatch.setattr(context, "patience", lambda: "150ms")
        with held(world, "registration", world["registration"]), pytest.raises(OperationalError) as error, transaction():
            db.session.execute(select(Registration.id).where(Registration.id == world["registration"]).with_for_update())
        assert (is_held(error.value), is_passing(error.value), translate(error.value)) == (True, True, str(HELD))
        work._failed(world["file"], error.value)
    assert file_of(world) == (FileState.CHECKING, world["revision"], 0)
