"""Screens of accounts: guide 004's words, and who sees what."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import select, text, update

from app.accounts import services
from app.accounts.models import Organisation
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import PASSWORD, WRONG, post, sign_in, token

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

AsUser = Callable[[str], "FlaskClient"]


def id_of(session: Session, identifiant: str) -> int:
    with bound_scope(Scope.system()):
        found = session.scalar(select(User.id).where(User.username == identifiant))
    assert found is not None
    return found


def block(app: Flask, identifiant: str) -> None:
    for _ in range(3):
        assert sign_in(app.test_client(), identifiant, WRONG).status_code == 422


# ---- Gestion organisme -----------------------------------------------------------------------------------------------


def test_the_card_of_the_organisation(as_user: AsUser) -> None:
    page = as_user("principal").get("/gestion-organisme/fiche/").text
    for words in (
        "Ma fiche organisme",
        "Raison sociale",
        "ORGANISME DE FORMATION GARONNE",
        "Enseigne",
        "SIRET",
        "123 456 789 13000",
        "Gestionnaire du compte",
        "Mme BLANC Paule",
        "Identifiant",
        "principal",
        "principal@example.org",
        "Statut du compte",
        "Actif",
        "Blocage du compte",
    ):
        assert words in page, words
    assert "CORBI" not in page


def test_secondary_accounts(as_user: AsUser) -> None:
    page = as_user("principal").get("/gestion-organisme/comptes/").text
    for words in ("Gestionnaire du compte", "Identifiant", "Statut du compte", "Blocage du compte", "Gestion", "M. MOREAU Karim", "secondaire@example.org"):
        assert words in page, words
    assert "autre-of" not in page


@pytest.mark.parametrize("who", ["secondaire", "support", "region", "admin"])
@pytest.mark.parametrize("path", ["/gestion-organisme/fiche/", "/gestion-organisme/comptes/", "/gestion-organisme/comptes/5/debloquer"])
def test_only_the_principal_manages_the_organisation(as_user: AsUser, who: str, path: str) -> None:
    assert as_user(who).get(path).status_code == 403


@pytest.mark.parametrize("path", ["/gestion-organisme/fiche/", "/gestion-organisme/comptes/", "/comptes/", "/comptes/4", "/mon-compte/", "/organismes/list/"])
def test_nobody_comes_in_unannounced(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.location) == (302, f"/connexion?next={path}")


def test_the_principal_unblocks_a_secondary(app: Flask, as_user: AsUser, db_session: Session) -> None:
    block(app, "secondaire")
    account, browser = id_of(db_session, "secondaire"), as_user("principal")
    page = browser.get("/gestion-organisme/comptes/").text
    assert "bloqué le" in page
    assert "après 3 mots de passe faux" in page
    url = f"/gestion-organisme/comptes/{account}/debloquer"
    question = browser.get(url).text
    assert "Êtes-vous sûr de vouloir débloquer le compte" in question
    answer = post(browser, url)
    assert (answer.status_code, answer.location) == (303, "/gestion-organisme/comptes/")
    told = browser.get(answer.location).text
    assert "Le compte secondaire de Monsieur MOREAU Karim de l’organisme de formation ORGANISME DE FORMATION GARONNE a bien été débloqué." in told
    assert sign_in(app.test_client(), "secondaire").status_code == 303
    again = browser.get(post(browser, url).location).text
    assert "Rien n’a été modifié" in again


def test_a_foreign_account_does_not_exist(app: Flask, as_user: AsUser, db_session: Session) -> None:
    block(app, "secondaire")
    account, browser = id_of(db_session, "secondaire"), as_user("autre-of")
    url = f"/gestion-organisme/comptes/{account}/debloquer"
    assert browser.get(url).status_code == 404
    assert post(browser, url).status_code == 404
    assert sign_in(app.test_client(), "secondaire").status_code == 422
    for other in ("admin", "support"):
        assert post(browser, f"/gestion-organisme/comptes/{id_of(db_session, other)}/debloquer").status_code == 404
    assert post(browser, "/gestion-organisme/comptes/999999/debloquer").status_code == 404


def test_the_principal_cannot_unblock_itself(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("principal")
    assert post(browser, f"/gestion-organisme/comptes/{id_of(db_session, 'principal')}/debloquer").status_code == 403


# ---- support and Région ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["principal", "secondaire", "autre-of"])
@pytest.mark.parametrize("path", ["/comptes/", "/comptes/1", "/comptes/1/debloquer", "/organismes/list/", "/organismes/show/1"])
def test_the_console_is_for_support_and_the_region(as_user: AsUser, who: str, path: str) -> None:
    assert as_user(who).get(path).status_code == 403


@pytest.mark.parametrize("typed", ["moreau", "MOR kar", "secondaire@example", "secondaire", "12345678913000", "123 456 789 13000", "garonne mor", "Môreau"])
def test_support_finds_an_account(as_user: AsUser, typed: str) -> None:
    page = as_user("support").get("/comptes/", query_string={"q": typed}).text
    assert "M. MOREAU Karim" in page


@pytest.mark.parametrize("typed", ["%", "_", "reau", "\\", "moreau garcia"])
def test_what_finds_nothing(as_user: AsUser, typed: str) -> None:
    answer = as_user("support").get("/comptes/", query_string={"q": typed, "etat": "all"})
    assert answer.status_code == 200
    if typed not in {"%", "_", "\\"}:
        assert "MOREAU" not in answer.text


def test_support_sees_why_and_unblocks(app: Flask, as_user: AsUser, db_session: Session) -> None:
    browser = as_user("support")
    assert "Aucun compte bloqué" in browser.get("/comptes/").text
    block(app, "principal")
    account = id_of(db_session, "principal")
    assert "Mme BLANC Paule" in browser.get("/comptes/").text
    page = browser.get(f"/comptes/{account}").text
    assert "Ce compte ne peut pas se connecter : bloqué le" in page
    assert "après 3 mots de passe faux" in page
    answer = post(browser, f"/comptes/{account}/debloquer")
    told = browser.get(answer.location).text
    assert "Le compte principal de Madame BLANC Paule de l’organisme de formation ORGANISME DE FORMATION GARONNE a bien été débloqué." in told
    assert sign_in(app.test_client(), "principal").status_code == 303


def test_unblocking_is_in_the_journal(app: Flask, as_user: AsUser, db_session: Session) -> None:
    block(app, "principal")
    account, support = id_of(db_session, "principal"), id_of(db_session, "support")
    post(as_user("support"), f"/comptes/{account}/debloquer")
    with bound_scope(Scope.system()):
        entries = db_session.execute(
            text("SELECT actor_id, before, after FROM audit_entry WHERE table_name = 'ab_user' AND row_id = :id AND operation = 'UPDATE' ORDER BY id"),
            {"id": str(account)},
        ).all()
    blocked, unblocked = [entry for entry in entries if "blocked_at" in entry.after]
    assert blocked.after["blocked_reason"] == "wrong_passwords"
    assert unblocked.actor_id == support
    assert unblocked.after["blocked_at"] is None


def test_no_hash_in_the_journal(db_session: Session) -> None:
    services.set_password(id_of(db_session, "secondaire"), "Vélo-rouge-42-neige")
    with bound_scope(Scope.system()):
        rows = (
            db_session.execute(text("SELECT coalesce(before::text, '') || coalesce(after::text, '') FROM audit_entry WHERE table_name = 'ab_user'"))
            .scalars()
            .all()
        )
    assert rows
    assert not any("argon2" in row for row in rows)
    assert any('"password"' in row for row in rows), "that it changed is told"


def test_support_is_no_way_up(app: Flask, as_user: AsUser, db_session: Session) -> None:
    block(app, "admin")
    account, browser = id_of(db_session, "admin"), as_user("support")
    assert browser.get(f"/comptes/{account}").status_code == 200
    assert post(browser, f"/comptes/{account}/debloquer").status_code == 403
    assert browser.get(f"/comptes/{account}/debloquer").status_code == 403


def test_support_sees_no_hash_nor_deleted_account(as_user: AsUser, db_session: Session) -> None:
    account = id_of(db_session, "secondaire")
    browser = as_user("support")
    assert "argon2" not in browser.get(f"/comptes/{account}").text
    with bound_scope(Scope.system()), transaction():
        db_session.execute(update(User).where(User.id == account).values(deleted_at=text("now()")))
    assert browser.get(f"/comptes/{account}").status_code == 404


def test_the_lists_do_not_ask_more_for_more_rows(app: Flask, as_user: AsUser, db_session: Session) -> None:
    """No query count that grows with rows."""
    from sqlalchemy import event

    def count(browser: FlaskClient, url: str) -> int:
        seen: list[str] = []
        connection = db_session.connection()

        def note(_c: object, _cursor: object, statement: str, *_more: object) -> None:
            if statement.startswith("SELECT") and "set_config" not in statement:
                seen.append(statement)

        event.listen(connection, "before_cursor_execute", note)
        try:
            assert browser.get(url).status_code == 200
        finally:
            event.remove(connection, "before_cursor_execute", note)
        return len(seen)

    support, principal = as_user("support"), as_user("principal")
    pages = [(support, "/comptes/?etat=all"), (principal, "/gestion-organisme/comptes/")]
    few = [count(*page) for page in pages]
    with bound_scope(Scope.system()):
        organisation_id = db_session.scalar(select(Organisation.id).where(Organisation.siret == "12345678913000"))
    for number in range(20):
        services.create_account(first_name=f"P{number}", last_name="N", email="n@example.org", roles=[Role.SECONDARY], organisation_id=organisation_id)
    assert [count(*page) for page in pages] == few


# ---- organisations ---------------------------------------------------------------------------------------------------


def organisation_fields(browser: FlaskClient, organisation_id: int, **changes: str) -> dict[str, str]:
    """What the form of an organisation holds, with what one types over it."""
    page = browser.get(f"/organismes/edit/{organisation_id}").text
    held = re.findall(r'<input[^>]* name="(row_\w+|legal_name|siret)"[^>]* value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in held} | {"active": "y"} | changes


def test_the_region_keeps_organisations(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("admin")
    answer = browser.get("/organismes/add")
    assert answer.status_code in (302, 303)
    assert answer.location == "/comptes/organismes/creer"  # with the account that manages it
    with bound_scope(Scope.system()):
        kept = db_session.scalars(select(Organisation).where(Organisation.siret == "12345678913000")).one()
    changes = {"legal_name": "ORGANISME TEST PRF 23", "siret": "732 829 320 00074"}
    answer = post(browser, f"/organismes/edit/{kept.id}", organisation_fields(browser, kept.id, **changes))
    assert answer.status_code in (302, 303), answer.text
    db_session.expire_all()
    with bound_scope(Scope.system()):
        made = db_session.scalars(select(Organisation).where(Organisation.siret == "73282932000074")).one()
    assert made.id == kept.id
    assert made.legal_name == "ORGANISME TEST PRF 23"
    assert made.active
    assert "ORGANISME TEST PRF 23" in browser.get("/organismes/list/").text


@pytest.mark.parametrize("siret", ["12345678913000", "12345678913001", "1234", ""])
def test_a_siret_is_checked_and_unique(as_user: AsUser, db_session: Session, siret: str) -> None:
    with bound_scope(Scope.system()):
        other_id = db_session.scalar(select(Organisation.id).where(Organisation.siret != "12345678913000").limit(1))
    assert other_id is not None
    browser = as_user("admin")
    answer = post(browser, f"/organismes/edit/{other_id}", organisation_fields(browser, other_id, siret=siret))
    assert answer.status_code not in (302, 303)
    assert "SIRET" in answer.text
    assert 'aria-invalid="true"' in answer.text


@pytest.mark.parametrize("who", ["region", "support"])
def test_others_only_look(as_user: AsUser, who: str) -> None:
    browser = as_user(who)
    assert browser.get("/organismes/list/").status_code == 200
    assert browser.get("/organismes/add").status_code == 403
    assert post(browser, "/organismes/delete/1").status_code == 403


# ---- what stock Flask-AppBuilder would offer -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/login/",
        "/logout/",
        "/users/list/",
        "/users/add",
        "/users/userinfo/",
        "/users/edit/1",
        "/resetpassword/form",
        "/resetpassword/form?pk=1",
        "/resetmypassword/form",
        "/userinfoeditview/form",
        "/register/form",
        "/registeruser/list/",
        "/groups/list/",
        "/permissions/list/",
        "/viewmenus/list/",
        "/permissionviews/list/",
        "/userstatschartview/chart/",
        "/api/v1/security/login",
        "/api/v1/security/refresh",
        "/api/v1/_openapi",
        "/swagger/v1",
        "/api/v1/menu/",
        "/api/v1/users/",
        "/lang/fr",
        "/back",
    ],
)
def test_stock_screens_and_interfaces_are_gone(as_user: AsUser, path: str) -> None:
    """B3.5: even for an administrator, there is nothing there."""
    browser = as_user("admin")
    assert browser.get(path).status_code == 404
    assert browser.post(path, json={"username": "admin", "password": PASSWORD, "provider": "db"}, headers={"X-CSRFToken": token(browser)}).status_code == 404


@pytest.mark.parametrize("header", ["Bearer sst_abcdef", "Bearer a.b.c", "Basic YWRtaW46UG9ydGFpbC1kZW1vLTIwMjY="])
def test_no_header_opens_the_portal(client: FlaskClient, header: str) -> None:
    assert client.get("/mon-compte/", headers={"Authorization": header}).status_code == 302


def test_the_stock_ways_to_write_an_account_are_closed(app: Flask, db_session: Session) -> None:
    """F3, F6, F7: no path writes a weak password or another hash, and the stock check takes the counted path."""
    manager = app.appbuilder.sm  # type: ignore[attr-defined]  # set by Flask-AppBuilder
    with pytest.raises(NotImplementedError):
        manager.add_user("x", "A", "B", "a@example.org", [], "")
    account = id_of(db_session, "secondaire")
    with pytest.raises(services.WeakPassword):
        manager.reset_password(account, "a")
    assert manager.auth_user_db("secondaire", "") is None
    assert manager.auth_user_db("secondaire", "\x00") is None
    assert manager.auth_user_db("", PASSWORD) is None
    assert manager.auth_user_db("secondaire", WRONG) is None
    assert manager.auth_user_db("secondaire", PASSWORD) is None, "the fourth try"


def test_an_account_without_a_password_opens_with_nothing(app: Flask, client: FlaskClient, db_session: Session) -> None:
    """F3."""
    services.create_account(first_name="A", last_name="B", email="a@example.org", roles=[Role.SUPPORT], identifiant="invite")
    for password in ("", "\x00", "\x00\x00", "None", "a"):
        assert sign_in(app.test_client(), "invite", password).status_code == 422


def test_create_admin(app: Flask, db_session: Session) -> None:
    runner = app.test_cli_runner()
    common = ["create-admin", "--identifiant", "chef", "--nom", "CHEF", "--prenom", "Anne", "--courriel", "a@example.org", "--mot-de-passe"]
    weak = runner.invoke(args=[*common, "chef"])
    assert weak.exit_code == 1
    assert "Trop court" in weak.output
    made = runner.invoke(args=[*common, "Vélo-rouge-42-neige"])
    assert made.exit_code == 0, made.output
    assert runner.invoke(args=[*common, "Vélo-rouge-42-neige"]).exit_code == 1
    assert sign_in(app.test_client(), "chef", "Vélo-rouge-42-neige").status_code == 303


def test_demonstration_accounts_stay_in_the_demonstration(app: Flask, db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.accounts.seeds import load_demo

    with bound_scope(Scope.system()):
        before = db_session.scalar(text("SELECT count(*) FROM ab_user"))
        load_demo()
        assert db_session.scalar(text("SELECT count(*) FROM ab_user")) == before
    monkeypatch.setitem(app.config, "DEMO", False)
    with pytest.raises(RuntimeError, match="demonstration"):
        load_demo()


def test_the_person_is_told_by_mail(db_session: Session) -> None:
    from app.core.mail.models import MailMessage

    user, support = (
        db_session.execute(text("SELECT id FROM ab_user WHERE username = :name"), {"name": name}).scalar_one() for name in ("secondaire", "support")
    )
    db_session.execute(text("UPDATE ab_user SET blocked_at = now(), blocked_reason = 'wrong_passwords' WHERE id = :id"), {"id": user})
    with bound_scope(Scope.support()):
        services.unblock(user, actor_id=support)
    message = db_session.scalars(select(MailMessage).order_by(MailMessage.created_at.desc())).first()
    assert message is not None
    assert message.subject == "Votre compte est débloqué"
