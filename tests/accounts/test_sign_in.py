"""Signing in and out: findings F4, F5, F8; bars B1.2 to B1.4 and B7.5."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import func, select, text, update
from werkzeug.security import generate_password_hash

from app.accounts import authentication, domain, passwords, services
from app.accounts.models import SignInAttempt, UserSession
from app.core import clock
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import PASSWORD, WRONG, anonymised, sign_in, signed_in, token

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session


def change(session: Session, identifiant: str, **values: Any) -> int:
    with bound_scope(Scope.system()), transaction():
        user_id = session.scalar(update(User).where(User.username == identifiant).values(**values).returning(User.id))
    assert user_id is not None
    return user_id


def facts(identifiant: str) -> domain.AccountFacts:
    with bound_scope(Scope.system()):
        user = db.session.scalars(select(User).where(User.username == identifiant).execution_options(populate_existing=True)).one()
        return user.facts  # type: ignore[attr-defined]  # attached to Flask-AppBuilder's class


# ---- the way in ------------------------------------------------------------------------------------------------------


def test_the_way_in_and_out(client: FlaskClient) -> None:
    page = client.get("/connexion")
    assert page.status_code == 200
    for word in ("Identifiant", "Mot de passe", "Se connecter"):
        assert word in page.text
    assert not signed_in(client)
    answer = sign_in(client, "principal")
    assert (answer.status_code, answer.location) == (303, "/")
    assert signed_in(client)
    with client.session_transaction() as cookie:
        secret = cookie["_user_id"]
        assert set(cookie) <= {"_user_id", "csrf_token", "locale"}, "nothing else is in the cookie"
    assert len(secret) >= 43
    answer = client.post("/deconnexion", data={"csrf_token": token(client)})
    assert (answer.status_code, answer.location) == (303, "/connexion")
    assert not signed_in(client)


def test_identifiants_are_found_without_regard_to_case(client: FlaskClient) -> None:
    assert sign_in(client, " PRINCIPAL ").status_code == 303


def test_a_mailbox_is_no_identifiant(client: FlaskClient) -> None:
    assert sign_in(client, "principal@example.org").status_code == 422


def test_no_link_signs_in_or_out(client: FlaskClient) -> None:
    client.get(f"/connexion?username=principal&password={PASSWORD}")
    assert not signed_in(client)
    sign_in(client, "principal")
    assert client.get("/deconnexion").status_code == 405
    assert signed_in(client)


def test_the_forms_need_their_token(client: FlaskClient) -> None:
    """F8."""
    assert client.post("/connexion", data={"username": "principal", "password": PASSWORD}).status_code == 419
    sign_in(client, "principal")
    assert client.post("/deconnexion").status_code == 419
    assert client.post("/mon-compte/sessions/deconnecter").status_code == 419
    assert signed_in(client)


def test_the_session_is_another_one_after_signing_in(client: FlaskClient) -> None:
    client.get("/connexion")
    with client.session_transaction() as cookie:
        cookie["planted"] = "by an attacker"
        before = cookie.get("csrf_token")
    sign_in(client, "principal")
    with client.session_transaction() as cookie:
        assert "planted" not in cookie
        first = cookie["_user_id"]
        assert cookie.get("csrf_token") != before
    client.post("/deconnexion", data={"csrf_token": token(client)})
    sign_in(client, "principal")
    with client.session_transaction() as cookie:
        assert cookie["_user_id"] != first


def test_signed_out_people_are_sent_to_the_sign_in_page_and_back(client: FlaskClient) -> None:
    answer = client.get("/mon-compte/?x=1")
    assert answer.status_code == 302
    assert answer.location == "/connexion?next=/mon-compte/?x%3D1"
    page = client.get(answer.location).text
    assert "Access is Denied" not in page
    field = re.search(r'<input[^>]*name="next"[^>]*>', page)
    assert field is not None
    assert 'value="/mon-compte/?x=1"' in field.group(0)
    assert sign_in(client, "principal", next="/mon-compte/?x=1").location == "/mon-compte/?x=1"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "http://localhost.evil.example/",
        "/\t/evil.example",
        "https:///evil.example",
        "http://evil.example\\@localhost/",
    ],
)
def test_next_never_leads_away(client: FlaskClient, target: str) -> None:
    """B7.5."""
    assert sign_in(client, "principal", next=target).location == "/"
    assert client.get("/connexion", query_string={"next": target}).location == "/"


def test_next_may_name_this_very_site(client: FlaskClient) -> None:
    assert sign_in(client, "principal", next="http://localhost/mon-compte/?a=b").location == "/mon-compte/?a=b"


# ---- blocking --------------------------------------------------------------------------------------------------------


def test_three_wrong_passwords_block_and_the_right_one_is_then_refused(client: FlaskClient, app: Flask) -> None:
    pages = [sign_in(client, "principal", WRONG) for _ in range(3)]
    assert {page.status_code for page in pages} == {422}
    assert len({anonymised(page.text) for page in pages}) == 1
    refused = sign_in(client, "principal")
    assert refused.status_code == 422
    assert anonymised(refused.text) == anonymised(pages[0].text)
    assert facts("principal").blocked_at is not None
    assert not signed_in(client)


def test_a_right_password_gives_the_tries_back(client: FlaskClient, app: Flask) -> None:
    for _ in range(2):
        sign_in(client, "principal", WRONG)
    assert sign_in(client, "principal").status_code == 303
    assert facts("principal").failed_attempts == 0
    other = app.test_client()
    for _ in range(2):
        sign_in(other, "principal", WRONG)
    assert sign_in(other, "principal").status_code == 303


def test_an_account_blocks_at_twenty_five_failures_a_day_even_with_right_ones_between(db_session: Session, client: FlaskClient) -> None:
    change(db_session, "principal", failed_in_window=24, failed_since=clock.now())
    assert sign_in(client, "principal").status_code == 303, "a right password does not count"
    client.post("/deconnexion", data={"csrf_token": token(client)})
    sign_in(client, "principal", WRONG)
    assert facts("principal").blocked_at is not None
    assert sign_in(client, "principal").status_code == 422


def test_the_day_passes(db_session: Session, client: FlaskClient) -> None:
    change(db_session, "principal", failed_in_window=25, failed_since=clock.now() - domain.FAILURE_WINDOW)
    assert sign_in(client, "principal").status_code == 303


def test_a_try_lost_in_a_crash_still_counts(db_session: Session, client: FlaskClient) -> None:
    """The process died between the count and the check: no try is left, and the console says so."""
    change(db_session, "principal", failed_attempts=3, last_failed_at=clock.now())
    assert sign_in(client, "principal").status_code == 422
    assert domain.is_blocked(facts("principal"))


def test_fifty_guesses_at_once_are_three_verifications(committed: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """F5, B1.2: on a real database, with real threads; the right password is among the guesses too late."""
    checked: list[str | None] = []
    real = passwords.verify_password

    def counting(stored: str | None, password: str) -> bool:
        if stored is not None:
            checked.append(password)
        return real(stored, password)

    monkeypatch.setattr(passwords, "verify_password", counting)
    with committed.app_context():
        db.engine.pool._timeout = 120  # type: ignore[attr-defined]  # fifty threads share eight connections on a busy machine
    start = threading.Barrier(50)
    results: list[object] = []

    def guess(number: int) -> None:
        with committed.app_context():
            start.wait()
            try:
                results.append(authentication.sign_in("principal", f"{WRONG}-{number}", ip=f"192.0.2.{number}", user_agent=None))
            finally:
                db.session.remove()

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(None) == 50
    assert len(checked) == 3
    with committed.app_context():
        found = facts("principal")
        assert found.failed_attempts == 3
        assert found.blocked_at is not None
        assert authentication.sign_in("principal", PASSWORD, ip="192.0.2.99", user_agent=None) is None


def test_one_address_blocks_at_most_five_accounts_an_hour(db_session: Session, client: FlaskClient, app: Flask) -> None:
    """B1.3: then 429, not counted, whoever is named; another address is not concerned."""
    names = [f"victime{number}" for number in range(6)]
    with bound_scope(Scope.system()):
        for name in names:
            services.create_account(first_name="A", last_name="B", email="a@example.org", roles=[], identifiant=name, password="Zk7!qpWv2#Lm")
    for name in names[:5]:
        for _ in range(3):
            assert sign_in(client, name, WRONG, address="198.51.100.7").status_code == 422
    last = sign_in(client, names[5], WRONG, address="198.51.100.7")
    assert last.status_code == 429
    assert int(last.headers["Retry-After"]) > 3000
    assert facts(names[5]).failed_attempts == 0
    assert sign_in(client, "personne", WRONG, address="198.51.100.7").status_code == 429
    assert sign_in(app.test_client(), "principal", address="198.51.100.8").status_code == 303
    with bound_scope(Scope.system()), transaction():
        db_session.execute(update(SignInAttempt).values(at=SignInAttempt.at - text("interval '61 minutes'")))
    assert sign_in(client, names[5], WRONG, address="198.51.100.7").status_code == 422


def refused_after_three_each(names: list[str], address: str) -> list[bool]:
    """For three wrong passwords on each name, then one on another: whether the address was sent away."""
    answers = []
    for name in [name for name in names for _ in range(3)] + ["encore-un"]:
        try:
            authentication.sign_in(name, WRONG, ip=address, user_agent=None)
        except authentication.TooManyAttempts:
            answers.append(True)
        else:
            answers.append(False)
    return answers


def test_an_address_is_slowed_down_alike_whether_or_not_the_names_exist(db_session: Session) -> None:
    """Else five names tried in vain would tell that all of them exist (B1.3 and B1.4)."""
    with bound_scope(Scope.system()):
        for number in range(5):
            services.create_account(first_name="A", last_name="B", email="a@example.org", roles=[], identifiant=f"vrai{number}", password="Zk7!qpWv2#Lm")
            services.create_account(first_name="A", last_name="B", email="a@example.org", roles=[], identifiant=f"clos{number}", password="Zk7!qpWv2#Lm")
        with transaction() as session:
            session.execute(update(User).where(User.username.like("clos%")).values(active=False, deactivated_at=clock.now()))
    expected = [False] * 15 + [True]
    assert refused_after_three_each([f"vrai{number}" for number in range(5)], "192.0.2.51") == expected
    assert refused_after_three_each([f"faux{number}" for number in range(5)], "192.0.2.52") == expected
    assert refused_after_three_each([f"clos{number}" for number in range(5)], "192.0.2.53") == expected
    assert refused_after_three_each(["FAUX1", "Faux2", "vrai3", "clos4", ""], "192.0.2.54") == [False] * 16, "their tries were used up already"
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(func.count()).select_from(SignInAttempt).where(SignInAttempt.blocking)) == 5
        assert services.tell_blocked() == 5


def test_an_ipv6_network_is_one_address() -> None:
    from app.accounts.sessions import address_key

    assert address_key("2001:db8:1:2:3:4:5:6") == address_key("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert address_key("::ffff:192.0.2.1") == address_key("192.0.2.1") == "192.0.2.1"
    assert address_key("fe80::1%eth0") == "fe80::/64"
    assert address_key(None) == address_key("nonsense") == "unknown"


# ---- nothing tells whether an account exists -------------------------------------------------------------------------


@pytest.fixture
def closed_accounts(db_session: Session) -> dict[str, str]:
    """One account in each state that refuses, under names of the same length."""
    with bound_scope(Scope.system()):
        names = {}
        for state in ("wrong", "block", "inact", "delet", "pendi"):
            name = f"compte-{state}"
            services.create_account(
                first_name="A",
                last_name="B",
                email="a@example.org",
                roles=[],
                identifiant=name,
                password=None if state == "pendi" else "Zk7!qpWv2#Lm",
            )
            names[state] = name
    change(db_session, names["block"], blocked_at=clock.now(), failed_attempts=3)
    change(db_session, names["inact"], active=False, deactivated_at=clock.now())
    change(db_session, names["delet"], deleted_at=clock.now())
    return names | {"unknown": "compte-xxxxx"}


def test_every_refusal_is_the_same_to_the_byte(app: Flask, closed_accounts: dict[str, str]) -> None:
    """B1.4: same status, same body, same headers."""
    answers = {}
    for state, name in closed_accounts.items():
        browser = app.test_client()
        answer = sign_in(browser, name, "Zk7!qpWv2#Lm" if state != "wrong" else WRONG)
        headers = {key for key, _value in answer.headers}
        answers[state] = (answer.status_code, headers, anonymised(answer.text.replace(name, "…")))
    assert answers["unknown"][0] == 422
    assert len({repr(sorted(headers)) for _status, headers, _body in answers.values()}) == 1
    assert len({(status, body) for status, _headers, body in answers.values()}) == 1


def test_every_refusal_checks_one_hash_and_runs_the_same_statements(
    db_session: Session, closed_accounts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """B1.4: what takes the time is the same; the hash has the same parameters (see the test of the dummy)."""
    from sqlalchemy import event

    checked: list[str] = []
    real = passwords._verify_argon2
    monkeypatch.setattr(passwords, "_verify_argon2", lambda stored, password: checked.append(stored) or real(stored, password))
    seen: dict[str, list[str]] = {}
    connection = db_session.connection()
    for state, name in closed_accounts.items():
        statements: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_more: Any, into: list[str] = statements) -> None:
            if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
                into.append(statement)

        event.listen(connection, "before_cursor_execute", note)
        checked.clear()
        assert authentication.sign_in(name, WRONG, ip="192.0.2.44", user_agent=None) is None
        event.remove(connection, "before_cursor_execute", note)
        assert len(checked) == 1, state
        seen[state] = statements
    assert len({tuple(statements) for statements in seen.values()}) == 1, seen


# ---- hashes ----------------------------------------------------------------------------------------------------------


def test_an_older_hash_is_replaced_at_the_next_sign_in(db_session: Session, client: FlaskClient) -> None:
    """F7, B1.7."""
    change(db_session, "principal", password=generate_password_hash(PASSWORD))
    assert sign_in(client, "principal").status_code == 303
    assert signed_in(client)
    with bound_scope(Scope.system()):
        stored = db_session.scalar(select(User.password).where(User.username == "principal"))
    assert stored is not None
    assert stored.startswith("$argon2id$")
    client.post("/deconnexion", data={"csrf_token": token(client)})
    assert sign_in(client, "principal").status_code == 303


def test_what_is_kept_of_a_sign_in(db_session: Session, client: FlaskClient) -> None:
    """Neither the secret of the session, nor what was typed: people type passwords in the wrong field."""
    sign_in(client, PASSWORD, WRONG)
    sign_in(client, "principal")
    with client.session_transaction() as cookie:
        secret = cookie["_user_id"]
    with bound_scope(Scope.system()):
        rows = (
            db_session.execute(text("SELECT to_jsonb(s)::text FROM user_session s UNION ALL SELECT to_jsonb(a)::text FROM sign_in_attempt a")).scalars().all()
        )
        assert db_session.scalar(select(func.count()).select_from(UserSession)) == 1
    assert rows
    for row in rows:
        assert PASSWORD not in row
        assert WRONG not in row
        assert secret not in row


def test_sign_in_data_go_after_a_year(db_session: Session, client: FlaskClient) -> None:
    sign_in(client, "principal")
    with bound_scope(Scope.system()), transaction():
        for table in ("user_session SET last_seen_at = last_seen_at - interval '400 days', created_at = created_at", "sign_in_attempt SET at = at"):
            db_session.execute(text(f"UPDATE {table} - interval '400 days'"))
    sign_in(client, "personne")
    assert services.purge_sign_in_data() == 2
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(func.count()).select_from(SignInAttempt)) == 1
