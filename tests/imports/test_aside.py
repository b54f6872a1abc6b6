"""Lines left aside when the others were applied: once the portal has what they lacked, they are checked again without another file."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from app.accounts.models import User
from app.actions.models import Action
from app.core import clock, tenancy
from app.core.extensions import db
from app.core.tenancy import Scope
from app.imports import mending, parts, services
from app.imports.domain import UNDO_KEPT, FileState, PartKind
from app.imports.models import ImportFile
from app.trainees.models import Registration
from tests.accounts.helpers import post, token
from tests.accounts.test_tokens import call, make, refused
from tests.actions.helpers import make_action, make_nir
from tests.architecture.markup import problems
from tests.imports.helpers import apply, csv_of, file_now, row_of, run, send, undo
from tests.imports.test_api import SCOPES, upload

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

LATER = "26F9999999999"


def lacking(action: Action) -> bytes:
    """One right line, and two on an action that the portal does not have yet."""
    rows = [row_of(action, make_nir(), birth_name="Present")]
    rows += [row_of(action, make_nir(), birth_name=name) | {"action_number": LATER} for name in ("Absent", "Autre")]
    return csv_of(rows)


def comes(action: Action) -> None:
    """The action is there now."""
    db.session.execute(update(Action).where(Action.id == action.id).values(number=LATER))
    db.session.expire_all()


def sent(browser: FlaskClient, content: bytes) -> Any:
    data = {"csrf_token": token(browser), "file": (io.BytesIO(content), "stagiaires.csv")}
    return browser.post("/imports/stagiaires", data=data, content_type="multipart/form-data", headers={"Referer": "https://localhost/"}, follow_redirects=True)


def registered(action: Action) -> int:
    return len(db.session.scalars(select(Registration.id).where(Registration.action_id == action.id)).all())


def test_the_same_file_says_that_it_was_applied_in_part_and_offers_the_other_lines(account: User, principal: FlaskClient) -> None:
    action, other = make_action(), make_action()
    content = lacking(action)
    file = apply(send(account, content), partial=True)
    assert (file.state, file.counts) == (FileState.APPLIED, {"create": 1, "change": 0, "same": 0, "wrong": 2})
    page = sent(principal, content).text
    assert list(problems(page)) == []
    assert "Ce même fichier a déjà été importé, en partie" in page
    assert f'action="/imports/fichier/{file.id}/lignes-ecartees"' in page
    comes(other)
    answer = post(principal, f"/imports/fichier/{file.id}/lignes-ecartees")
    assert answer.status_code == 303
    number = int(answer.location.rsplit("/", 1)[1])
    assert number != file.id
    again = run(number)
    assert (again.state, again.counts) == (FileState.READY, {"create": 2, "change": 0, "same": 1, "wrong": 0})
    assert (again.lines, again.file_name, again.account_id, again.heading) == (file.lines, file.file_name, file.account_id, file.heading)
    once_more = post(principal, f"/imports/fichier/{file.id}/lignes-ecartees", follow_redirects=True)  # a second click
    assert "Ce même fichier a déjà été envoyé" in once_more.text
    assert once_more.request.path == f"/imports/fichier/{number}"
    assert apply(again).state == FileState.APPLIED
    assert (registered(action), registered(other)) == (1, 2)
    page = sent(principal, content).text  # nothing is left aside any more
    assert "Ce même fichier a déjà été importé : rien" in page
    assert "lignes-ecartees" not in page
    assert undo(file_now(number)).state == FileState.UNDONE
    assert (registered(action), registered(other)) == (1, 0)


def test_what_was_mended_and_left_out_here_stays_so(account: User, principal: FlaskClient) -> None:
    action, other = make_action(), make_action()
    file = send(account, lacking(action))
    tenancy.bind(Scope.organisation(account.organisation_id))
    mending.mend(file.id, 3, {"email": "corrige@exemple.fr"}, revision=1)
    mending.leave_out(file.id, 4, revision=2)
    file = apply(file_now(file.id), partial=True)
    comes(other)
    again = run(int(post(principal, f"/imports/fichier/{file.id}/lignes-ecartees").location.rsplit("/", 1)[1]))
    assert (again.counts, again.left_out) == ({"create": 1, "change": 0, "same": 1, "wrong": 0}, [4])
    apply(again)
    assert db.session.scalars(select(Registration.email).where(Registration.action_id == other.id)).all() == ["corrige@exemple.fr"]
    assert list(parts.items_of(again.id, PartKind.ROWS)) == list(parts.items_of(file.id, PartKind.ROWS))


def test_only_lines_that_were_left_aside_are_checked_again(account: User, principal: FlaskClient, as_user: Any) -> None:
    action = make_action()
    whole = apply(send(account, csv_of([row_of(action, make_nir())])))
    ready = send(account, lacking(action))
    for file in (whole, ready):
        post(principal, f"/imports/fichier/{file.id}/lignes-ecartees")
        assert "lignes-ecartees" not in principal.get(f"/imports/fichier/{file.id}").text
    partial = apply(file_now(ready.id), partial=True)
    assert post(as_user("autre-of"), f"/imports/fichier/{partial.id}/lignes-ecartees").status_code == 404
    tenancy.bind(Scope.system())
    assert len(db.session.scalars(select(ImportFile.id)).all()) == 2


def test_once_its_lines_are_forgotten_the_same_file_is_a_new_one(account: User) -> None:
    """What was applied does nothing again, and what was left aside has its chance."""
    action, other = make_action(), make_action()
    content = lacking(action)
    file = apply(send(account, content), partial=True)
    whole = csv_of([row_of(action, make_nir(), birth_name="Entier")])
    applied = apply(send(account, whole))
    db.session.execute(update(ImportFile).values(applied_at=clock.now() - UNDO_KEPT - timedelta(hours=1)))
    services.purge()
    comes(other)
    again = send(account, content)
    assert (again.id != file.id, again.counts) == (True, {"create": 2, "change": 0, "same": 1, "wrong": 0})
    tenancy.bind(Scope.organisation(account.organisation_id))
    try:
        services.receive("stagiaires", "stagiaires.csv", whole)
    except services.SameFile as same:
        assert (same.file_id, same.applied, same.aside) == (applied.id, True, 0)
    else:
        raise AssertionError("all of it was applied: it is known")


def test_a_program_has_the_other_lines_checked_again(client: FlaskClient, db_session: Session, account: User) -> None:
    action, other = make_action(), make_action()
    bearer, content = make("principal", *SCOPES), lacking(action)
    file = apply(send(account, content), partial=True)
    known = upload(client, bearer, content)
    shown = known.get_json()
    assert (known.status_code, shown["deja_envoye"], shown["import"]["partiel"], shown["import"]["comptes"]["erreur"]) == (200, True, True, 2)
    assert shown["import"]["liens"]["controle"] == f"/api/v1/imports/{file.id}/controle"
    comes(other)
    first = call(client, f"/imports/{file.id}/controle", bearer, method="POST")
    made = first.get_json()
    number = made["import"]["id"]
    assert (first.status_code, made["deja_envoye"], first.headers["Location"]) == (202, False, f"/api/v1/imports/{number}")
    assert (made["import"]["origine"], made["import"]["logiciel"], number != file.id) == ("api", "Essai", True)
    second = call(client, f"/imports/{file.id}/controle", bearer, method="POST")
    assert (second.status_code, second.get_json()["deja_envoye"], second.get_json()["import"]["id"]) == (200, True, number)
    run(number)
    assert call(client, f"/imports/{number}", bearer).get_json()["comptes"] == {"creation": 2, "modification": 0, "inchange": 1, "erreur": 0}
    refused(call(client, f"/imports/{number}/controle", bearer, method="POST"), 409, "refused")
    refused(call(client, "/imports/999999/controle", bearer, method="POST"), 404, "not_found")
    assert "controle" not in call(client, f"/imports/{number}", bearer).get_json()["liens"]
