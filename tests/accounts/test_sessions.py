"""Server-side sessions: finding F4, bar B1.6. A copied cookie is worth nothing once the account or the session has ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import select, text, update
from sqlalchemy.exc import ProgrammingError

from app.accounts import domain, services, sessions
from app.accounts.models import UserSession
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import PASSWORD, WRONG, post, sign_in, signed_in

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

NEW = "Vélo-rouge-42-neige"


def id_of(session: Session, identifiant: str) -> int:
    with bound_scope(Scope.system()):
        found = session.scalar(select(User.id).where(User.username == identifiant))
    assert found is not None
    return found


def copied(app: Flask, browser: FlaskClient) -> FlaskClient:
    """A browser with a copy of the cookies."""
    thief = app.test_client()
    cookie = browser.get_cookie("portail")
    assert cookie is not None
    thief.set_cookie("portail", cookie.value)
    return thief


@pytest.fixture
def thief(app: Flask, client: FlaskClient, db_session: Session) -> FlaskClient:
    """Someone who copied the cookie of ``secondaire`` while it was good."""
    assert sign_in(client, "secondaire").status_code == 303
    browser = copied(app, client)
    assert signed_in(browser)
    return browser


@pytest.mark.parametrize("path", ["/", "/mon-compte/", "/comptes/"])
def test_whoever_was_signed_out_elsewhere_is_told(client: FlaskClient, thief: FlaskClient, path: str) -> None:
    post(client, "/deconnexion")
    answer = thief.get(path)
    assert answer.location.startswith("/connexion")
    assert "connectez-vous de nouveau" in thief.get(answer.location).text
    assert "connectez-vous de nouveau" not in client.get("/connexion").text, "nor is one who left by itself"


def test_sign_out_ends_every_copy(client: FlaskClient, thief: FlaskClient) -> None:
    post(client, "/deconnexion")
    assert not signed_in(thief)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ab_user SET blocked_at = now() WHERE username = 'secondaire'",
        "UPDATE ab_user SET active = false WHERE username = 'secondaire'",
        "UPDATE ab_user SET deactivated_at = now() WHERE username = 'secondaire'",
        "UPDATE ab_user SET deleted_at = now() WHERE username = 'secondaire'",
        "UPDATE ab_user SET password = 'x' WHERE username = 'secondaire'",
        "UPDATE ab_user SET organisation_id = (SELECT organisation_id FROM ab_user WHERE username = 'autre-of') WHERE username = 'secondaire'",
        "DELETE FROM ab_user_role WHERE user_id = (SELECT id FROM ab_user WHERE username = 'secondaire')",
        (
            "INSERT INTO ab_user_role (id, user_id, role_id) SELECT 9999, u.id, r.id FROM ab_user u, ab_role r"
            " WHERE u.username = 'secondaire' AND r.name = 'Lecture seule'"
        ),
        "UPDATE organisation SET active = false",
    ],
)
def test_whatever_closes_the_account_ends_its_sessions(db_session: Session, thief: FlaskClient, statement: str) -> None:
    """Raw SQL stands for any path, present or future: the database itself ends the sessions."""
    with bound_scope(Scope.system()), transaction():
        db_session.execute(text(statement))
    assert not signed_in(thief)


def test_nothing_else_ends_them(db_session: Session, thief: FlaskClient) -> None:
    with bound_scope(Scope.system()), transaction():
        db_session.execute(text("UPDATE ab_user SET last_name = 'X', failed_attempts = 2, last_sign_in_at = now()"))
    assert signed_in(thief)


def test_reactivation_never_revives(db_session: Session, thief: FlaskClient) -> None:
    admin, account = id_of(db_session, "admin"), id_of(db_session, "secondaire")
    services.deactivate(account, actor_id=admin)
    assert not signed_in(thief)
    services.reactivate(account, actor_id=admin)
    assert not signed_in(thief)


def test_reopening_the_organisation_never_revives(db_session: Session, thief: FlaskClient) -> None:
    organisation = text("UPDATE organisation SET active = :active WHERE id = (SELECT organisation_id FROM ab_user WHERE username = 'secondaire')")
    with bound_scope(Scope.region()):
        db_session.execute(organisation, {"active": False})
    assert not signed_in(thief)
    with bound_scope(Scope.region()):
        db_session.execute(organisation, {"active": True})
    assert not signed_in(thief)


def test_unblocking_never_revives(db_session: Session, app: Flask, thief: FlaskClient) -> None:
    for _ in range(3):
        sign_in(app.test_client(), "secondaire", WRONG)
    assert not signed_in(thief)
    services.unblock(id_of(db_session, "secondaire"), actor_id=id_of(db_session, "support"))
    assert not signed_in(thief)
    assert sign_in(app.test_client(), "secondaire").status_code == 303


def test_changing_the_password_keeps_this_session_and_ends_the_others(client: FlaskClient, app: Flask, thief: FlaskClient) -> None:
    """The thief shares the session kept; another sign-in does not."""
    other = app.test_client()
    sign_in(other, "secondaire")
    answer = post(client, "/mon-compte/mot-de-passe", {"current": PASSWORD, "new": NEW, "confirmation": NEW})
    assert answer.status_code == 303
    assert signed_in(client)
    assert not signed_in(other)
    assert sign_in(app.test_client(), "secondaire").status_code == 422
    assert sign_in(app.test_client(), "secondaire", NEW).status_code == 303


def test_idle_and_absolute_ends(db_session: Session, thief: FlaskClient) -> None:
    def age(**values: Any) -> None:
        with bound_scope(Scope.system()), transaction():
            db_session.execute(update(UserSession).values(**values))

    age(last_seen_at=UserSession.last_seen_at - domain.SESSION_IDLE + timedelta(seconds=20))
    assert signed_in(thief), "and this page keeps it alive"
    age(last_seen_at=UserSession.last_seen_at - domain.SESSION_IDLE + timedelta(seconds=20))
    assert signed_in(thief)
    age(created_at=UserSession.created_at - domain.SESSION_LIFETIME)
    assert not signed_in(thief)
    age(created_at=UserSession.created_at + domain.SESSION_LIFETIME, last_seen_at=UserSession.last_seen_at - domain.SESSION_IDLE)
    assert not signed_in(thief)


def test_the_other_sessions_can_be_ended(client: FlaskClient, app: Flask, db_session: Session) -> None:
    sign_in(client, "secondaire")
    other = app.test_client()
    sign_in(other, "secondaire")
    page = client.get("/mon-compte/").text
    assert page.count("cette session") == 1
    assert "cette session" in page
    assert "connecter les autres sessions" in page
    answer = post(client, "/mon-compte/sessions/deconnecter")
    assert answer.status_code == 303
    assert signed_in(client)
    assert not signed_in(other)
    assert "connecter les autres sessions" not in client.get("/mon-compte/").text


def test_only_the_digest_of_the_secret_is_stored(client: FlaskClient, db_session: Session) -> None:
    sign_in(client, "secondaire")
    with client.session_transaction() as cookie:
        secret = str(cookie["_user_id"])
    with bound_scope(Scope.system()):
        stored = db_session.scalar(select(UserSession.token_hash))
    assert stored == sessions.digest(secret)


@pytest.mark.parametrize("value", ["1", "4", "", "x", "é" * 10, "a" * 5000, "' OR 1=1 --"])
def test_a_made_up_identifier_opens_nothing(client: FlaskClient, value: str) -> None:
    """Not even with the application's key in hand: an account's number is no session."""
    with client.session_transaction() as cookie:
        cookie["_user_id"] = value
    assert not signed_in(client)


def test_sessions_and_attempts_are_the_systems(db_session: Session) -> None:
    for scope in (Scope.organisation(1), Scope.region(), Scope.support(), Scope.nothing()):
        for table in ("user_session", "sign_in_attempt"):
            with bound_scope(scope):
                assert db_session.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0


@pytest.mark.parametrize("scope", [Scope.organisation(1), Scope.region(), Scope.support(), Scope.nothing()], ids=lambda s: s.kind)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ab_user SET last_name = 'X'",
        "DELETE FROM ab_user",
        "UPDATE ab_user_role SET role_id = 1",
        "INSERT INTO user_session (token_hash, user_id, epoch, created_at, last_seen_at) VALUES ('x', 1, 0, now(), now())",
    ],
)
def test_only_the_system_writes_accounts(db_session: Session, scope: Scope, statement: str) -> None:
    with bound_scope(scope), pytest.raises(ProgrammingError), db_session.begin_nested():
        db_session.execute(text(statement))


def test_a_page_costs_two_statements_for_the_account(client: FlaskClient, db_session: Session) -> None:
    """One for session, account, roles and organisation; one for its permissions; whatever the menu asks."""
    from sqlalchemy import event

    sign_in(client, "principal")
    client.get("/mon-compte/")
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "INSERT")) and "set_config" not in statement:
            seen.append(statement)

    connection = db_session.connection()
    event.listen(connection, "before_cursor_execute", note)
    try:
        assert client.get("/gestion-organisme/fiche/").status_code == 200
    finally:
        event.remove(connection, "before_cursor_execute", note)
    about_rights = [statement for statement in seen if "user_session" in statement or "ab_permission" in statement]
    assert len(about_rights) == 2, seen
    assert len(seen) <= 5, seen


def test_password_form_counts_wrong_present_passwords(client: FlaskClient, db_session: Session) -> None:
    """F6: the present password is asked, and guessing it through this form is counted as any sign-in."""
    sign_in(client, "secondaire")
    data = {"current": WRONG, "new": NEW, "confirmation": NEW}
    for _ in range(2):
        answer = post(client, "/mon-compte/mot-de-passe", data)
        assert answer.status_code == 422
        assert "mot de passe actuel" in answer.text
    assert post(client, "/mon-compte/mot-de-passe", data).location == "/connexion"
    assert not signed_in(client)
    assert sign_in(client, "secondaire").status_code == 422


@pytest.mark.parametrize("new", ["a", "", "Motdepasse2026!", "secondaire-MOREAU-1", "x" * 129, "Password123!"])
def test_weak_passwords_are_refused(client: FlaskClient, db_session: Session, new: str) -> None:
    sign_in(client, "secondaire")
    assert post(client, "/mon-compte/mot-de-passe", {"current": PASSWORD, "new": new, "confirmation": new}).status_code == 422
    with bound_scope(Scope.system()), pytest.raises(services.WeakPassword):
        services.set_password(id_of(db_session, "secondaire"), new)


def test_the_two_entries_must_agree(client: FlaskClient) -> None:
    sign_in(client, "secondaire")
    assert post(client, "/mon-compte/mot-de-passe", {"current": PASSWORD, "new": NEW, "confirmation": NEW + "x"}).status_code == 422


# ---- somebody must be left -------------------------------------------------------------------------------------------


def test_nobody_changes_their_own_role_and_the_last_administrator_stays(db_session: Session) -> None:
    """B3.7."""
    admin, support = id_of(db_session, "admin"), id_of(db_session, "support")
    for act in (
        lambda: services.set_roles(admin, [Role.SUPPORT], actor_id=admin),
        lambda: services.deactivate(admin, actor_id=admin),
    ):
        with pytest.raises(services.AccountRefused) as refused:
            act()
        assert refused.value.refusal is domain.Refusal.OWN_ACCOUNT
    with pytest.raises(services.AccountRefused):
        services.set_roles(admin, [Role.SUPPORT], actor_id=support)

    second = services.create_account(first_name="A", last_name="B", email="a@example.org", roles=[Role.REGION_ADMIN], identifiant="admin2", password=NEW)
    services.set_roles(admin, [Role.REGION_VALIDATOR], actor_id=second)
    third = services.create_account(first_name="A", last_name="B", email="a@example.org", roles=[Role.REGION_ADMIN], identifiant="admin3", password=NEW)
    services.deactivate(third, actor_id=second)
    with bound_scope(Scope.system()), transaction():
        third_row = db_session.get(User, third)
        assert third_row is not None
        third_row.active = True
        third_row.deactivated_at = None  # type: ignore[attr-defined]
        second_row = db_session.get(User, second)
        assert second_row is not None
    services.deactivate(second, actor_id=third)
    with pytest.raises(services.AccountRefused):
        services.deactivate(third, actor_id=second)


def test_the_last_principal_stays(db_session: Session) -> None:
    admin, principal = id_of(db_session, "admin"), id_of(db_session, "principal")
    for act in (
        lambda: services.deactivate(principal, actor_id=admin),
        lambda: services.set_roles(principal, [Role.SECONDARY], actor_id=admin),
    ):
        with pytest.raises(services.AccountRefused) as refused:
            act()
        assert refused.value.refusal is domain.Refusal.LAST_PRINCIPAL


def test_roles_fit_the_organisation(db_session: Session) -> None:
    admin = id_of(db_session, "admin")
    with pytest.raises(ValueError, match="organisation"):
        services.set_roles(id_of(db_session, "secondaire"), [Role.REGION_ADMIN], actor_id=admin)
    with pytest.raises(ValueError, match="organisation"):
        services.set_roles(id_of(db_session, "support"), [Role.PRINCIPAL], actor_id=admin)


def test_identifiants_are_unique_without_regard_to_case_and_mailboxes_are_shared(db_session: Session) -> None:
    common: dict[str, Any] = {"first_name": "A", "last_name": "B", "email": "secretariat@example.org", "roles": [Role.SUPPORT]}
    first = services.create_account(**common, identifiant="Unique-1")
    assert services.create_account(**common) != first
    for name in ("unique-1", "UNIQUE-1"):
        with pytest.raises(services.IdentifiantTaken), db_session.begin_nested():
            services.create_account(**common, identifiant=name)
    with pytest.raises(ValueError, match="identifiant"):
        services.create_account(**common, identifiant="=cmd")
