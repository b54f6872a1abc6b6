""" "Mon compte": one's own identifiant, address, last sign-ins and open sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import func, select, text, update

from app.accounts import domain
from app.accounts.domain import Party
from app.accounts.models import UserSession
from app.core.mail.models import MailMessage
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import PASSWORD, WRONG, post, sign_in, signed_in

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

AsUser = Callable[[str], "FlaskClient"]
PAGE, IDENTIFIANT, EMAIL, SESSIONS = "/mon-compte/", "/mon-compte/identifiant", "/mon-compte/courriel", "/mon-compte/sessions/deconnecter"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"


def told(session: Session) -> list[tuple[str, str]]:
    with bound_scope(Scope.system()):
        return [(row.recipient, row.subject) for row in session.execute(select(MailMessage.recipient, MailMessage.subject).order_by(MailMessage.created_at))]


# ---- identifiant -------------------------------------------------------------------------------------------------------


def test_another_identifiant(client: FlaskClient, app: Flask, db_session: Session) -> None:
    sign_in(client, "secondaire")
    assert 'value="secondaire"' in client.get(IDENTIFIANT).text
    answer = post(client, IDENTIFIANT, {"username": " Karim.Moreau ", "current": PASSWORD})
    assert (answer.status_code, answer.location) == (303, "/mon-compte/#identifiant")
    page = client.get(PAGE).text
    assert "Votre identifiant a été modifié" in page
    assert "Karim.Moreau" in page
    assert signed_in(client), "the session stays"
    assert sign_in(app.test_client(), "karim.moreau").status_code == 303
    assert sign_in(app.test_client(), "secondaire").status_code == 422
    assert told(db_session) == [("secondaire@example.org", "Votre identifiant a été modifié")]
    with bound_scope(Scope.system()):
        row = db_session.execute(
            text("SELECT actor_id, row_id, before, after FROM audit_entry WHERE table_name = 'ab_user' AND after ? 'username' ORDER BY id DESC LIMIT 1")
        ).one()
    assert str(row.actor_id) == row.row_id
    assert row.after["username"] == "Karim.Moreau"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("PRINCIPAL", "déjà pris"),
        ("secondaire", "identifiant actuel"),
        ("=cmd", "Un identifiant compte"),
        ("à-côté", "Un identifiant compte"),
        ("x" * 65, "64 caractères"),
        ("", "obligatoire"),
        (PASSWORD, "formé de cet identifiant"),
    ],
)
def test_what_may_be_no_identifiant(client: FlaskClient, db_session: Session, typed: str, words: str) -> None:
    sign_in(client, "secondaire")
    answer = post(client, IDENTIFIANT, {"username": typed, "current": PASSWORD})
    assert answer.status_code == 422
    assert words in answer.text
    assert "error-summary" in answer.text
    assert told(db_session) == []
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(func.count()).select_from(User).where(User.username == "secondaire")) == 1


@pytest.mark.parametrize(("path", "data"), [(IDENTIFIANT, {"username": "karim"}), (EMAIL, {"email": "blanc@example.org"})])
def test_guessing_the_present_password_is_counted(client: FlaskClient, app: Flask, db_session: Session, path: str, data: dict[str, str]) -> None:
    """And the third wrong one leads out, to a page that says why."""
    sign_in(client, "principal")
    for _ in range(2):
        answer = post(client, path, {**data, "current": WRONG})
        assert answer.status_code == 422
        assert "mot de passe actuel" in answer.text
    answer = post(client, path, {**data, "current": WRONG})
    assert (answer.status_code, answer.location) == (303, "/connexion")
    assert "Trois mots de passe faux" in client.get("/connexion").text
    assert not signed_in(client)
    assert sign_in(app.test_client(), "principal").status_code == 422
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(func.count()).select_from(User).where(User.username == "principal", User.email == "principal@example.org")) == 1


# ---- e-mail ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["", "pau", "a@", "a@b@c", "x" * 330 + "@example.org"])
def test_what_is_no_address(client: FlaskClient, db_session: Session, typed: str) -> None:
    sign_in(client, "principal")
    answer = post(client, EMAIL, {"email": typed, "current": PASSWORD})
    assert answer.status_code == 422
    assert "error-summary" in answer.text
    assert told(db_session) == []


def test_a_secondarys_address_is_kept_by_its_principal(client: FlaskClient, as_user: AsUser) -> None:
    browser = as_user("secondaire")
    page = browser.get(PAGE).text
    assert "tenus par le compte principal" in page
    assert EMAIL not in page
    assert browser.get(EMAIL).status_code == 403
    assert post(browser, EMAIL, {"email": "x@example.org", "current": PASSWORD}).status_code == 403
    for name in ("principal", "support", "admin", "region"):
        assert EMAIL in as_user(name).get(PAGE).text, name
    assert not domain.may_change_own_email(Party(1, frozenset({Role.READ_ONLY.value}), 1))


# ---- last sign-ins -----------------------------------------------------------------------------------------------------


def test_the_last_sign_ins(client: FlaskClient, app: Flask, db_session: Session) -> None:
    sign_in(app.test_client(), "secondaire", WRONG, address="203.0.113.9")
    post(client, "/connexion", {"username": "secondaire", "password": PASSWORD}, headers={"User-Agent": CHROME})
    post(client, IDENTIFIANT, {"username": "karim", "current": WRONG}, headers={"User-Agent": CHROME})
    page = client.get(PAGE).text
    section = page.partition('id="connexions"')[2].partition('id="sessions"')[0]
    for words in ("réussie", "échouée", "203.0.113.9", "Chrome, Windows", "page de connexion", "mot de passe redemandé"):
        assert words in section, words
    assert section.count("<tr") == 4
    for _ in range(3):
        sign_in(app.test_client(), "principal", WRONG, address="203.0.113.77")
    assert "203.0.113.77" not in client.get(PAGE).text, "those of others are not shown"


def test_twenty_at_most_and_those_that_blocked(client: FlaskClient, db_session: Session) -> None:
    sign_in(client, "secondaire")
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(
            text(
                "INSERT INTO sign_in_attempt (at, address, user_id, outcome, blocking) SELECT now() - n * interval '1 hour', '192.0.2.7', u.id, 'refused', n = 1"
                " FROM ab_user u, generate_series(1, 30) n WHERE u.username = 'secondaire'"
            )
        )
    page = client.get(PAGE).text
    section = page.partition('id="connexions"')[2].partition('id="sessions"')[0]
    assert section.count("<tr") == 21
    assert section.count("compte bloqué") == 1


# ---- sessions ----------------------------------------------------------------------------------------------------------


def test_one_session_is_ended(client: FlaskClient, app: Flask, db_session: Session) -> None:
    sign_in(client, "secondaire")
    others = [app.test_client() for _ in range(2)]
    for other in others:
        sign_in(other, "secondaire")
    page = client.get(PAGE).text
    assert page.count('name="session"') == 2, "not the one in use"
    with bound_scope(Scope.system()):
        ids = db_session.scalars(select(UserSession.id).order_by(UserSession.id)).all()
    answer = post(client, SESSIONS, {"session": str(ids[1])})
    assert (answer.status_code, answer.location) == (303, "/mon-compte/#sessions")
    assert "La session a été déconnectée" in client.get(PAGE).text
    assert [signed_in(other) for other in others] == [False, True]
    assert signed_in(client)
    post(client, SESSIONS, {"session": str(ids[1])})
    assert "n’était plus ouverte" in client.get(PAGE).text


def test_the_sessions_of_others_are_out_of_reach(client: FlaskClient, app: Flask, db_session: Session) -> None:
    sign_in(client, "secondaire")
    other = app.test_client()
    sign_in(other, "principal")
    with bound_scope(Scope.system()):
        theirs = db_session.scalar(select(UserSession.id).order_by(UserSession.id.desc()))
    post(client, SESSIONS, {"session": str(theirs)})
    assert "n’était plus ouverte" in client.get(PAGE).text
    assert signed_in(other)
    assert signed_in(client)


def test_sections_have_headings_and_anchors(as_user: AsUser, db_session: Session) -> None:
    page = as_user("principal").get(PAGE).text
    for anchor in ("identifiant", "mot-de-passe", "connexions", "sessions"):
        assert f'id="{anchor}"' in page
    assert page.count("<h2") >= 4


def test_a_password_changed_is_told(client: FlaskClient, db_session: Session) -> None:
    sign_in(client, "secondaire")
    post(client, "/mon-compte/mot-de-passe", {"current": PASSWORD, "new": "Vélo-rouge-42-neige", "confirmation": "Vélo-rouge-42-neige"})
    assert told(db_session) == [("secondaire@example.org", "Votre mot de passe a été modifié")]


def test_a_page_of_mine_costs_the_same_whatever_happened(client: FlaskClient, app: Flask, db_session: Session) -> None:
    from sqlalchemy import event

    sign_in(client, "secondaire")

    def count() -> int:
        seen: list[str] = []
        connection = db_session.connection()
        note = lambda _c, _cursor, statement, *_more: seen.append(statement)  # noqa: E731
        event.listen(connection, "before_cursor_execute", note)
        try:
            client.get(PAGE)
        finally:
            event.remove(connection, "before_cursor_execute", note)
        return len(seen)

    few = count()
    for _ in range(8):
        sign_in(app.test_client(), "secondaire")
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(update(UserSession).values(user_agent=CHROME))
    assert count() == few


@pytest.mark.parametrize("named", ["9" * 30, "9" * 5000, "2147483648", "-1", "x", "", "²"])
def test_a_session_that_cannot_be_one_ends_none(client: FlaskClient, app: Flask, db_session: Session, named: str) -> None:
    other = app.test_client()
    sign_in(other, "secondaire")
    sign_in(client, "secondaire")
    assert post(client, SESSIONS, {"session": named}).status_code == 303
    assert "n’était plus ouverte" in client.get(PAGE).text
    assert signed_in(other)
