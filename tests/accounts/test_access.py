"""First access and recovery: guide 004 pages 4 to 8, bars B1.3 to B1.5."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import event, func, select, text, update

from app.accounts import domain, jobs, services
from app.accounts.domain import LinkState
from app.accounts.models import AccessLink, LinkPurpose, RecoveryRequest, SignInAttempt
from app.accounts.services.links import issue_link
from app.core import clock
from app.core.extensions import db
from app.core.mail.models import MailMessage
from app.core.mail.services import content_of
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import PASSWORD, WRONG, post, sign_in, signed_in, token

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session
    from werkzeug.test import TestResponse

NEW = "Vélo-rouge-42-neige"
CHOOSE = "/acces/identifiants"
RECOVER = "/authentification/generation-mot-de-passe"
SENT = f"{RECOVER}/envoye"
KAREEM = {"username": "secondaire", "last_name": "MOREAU", "first_name": "Karim", "email": "secondaire@example.org"}


def account(identifiant: str) -> User:
    with bound_scope(Scope.system()):
        return db.session.scalars(select(User).where(func.lower(User.username) == identifiant).execution_options(populate_existing=True)).one()


def link(identifiant: str = "secondaire", purpose: LinkPurpose = LinkPurpose.INVITATION) -> str:
    user = account(identifiant)
    with bound_scope(Scope.system()), transaction() as session:
        return issue_link(session, user, purpose)


def alter(statement: str, **values: Any) -> None:
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(text(statement), values)


def mails(identifiant: str = "secondaire") -> list[tuple[str, str]]:
    """(subject, text) of what was written to the account's address, latest first."""
    with bound_scope(Scope.system()):
        found = db.session.scalars(select(MailMessage).where(MailMessage.recipient == f"{identifiant}@example.org").order_by(MailMessage.created_at.desc())).all()
        return [(message.subject, content_of(message).text) for message in found]  # type: ignore[union-attr]


def link_in(mail: str) -> str:
    found = re.search(r"/acces/([\w-]{43})\b", mail)
    assert found is not None, mail
    return found[1]


def answer_all() -> None:
    """What the worker does with the requests that wait."""
    with bound_scope(Scope.system()):
        waiting = db.session.scalars(select(RecoveryRequest.id).where(RecoveryRequest.handled_at.is_(None)).order_by(RecoveryRequest.id)).all()
        for request_id in waiting:
            jobs.answer_recovery(request_id)


def choose(browser: FlaskClient, identifiant: str = "secondaire", password: str = NEW, confirmation: str | None = None) -> TestResponse:
    return post(browser, CHOOSE, {"username": identifiant, "password": password, "confirmation": confirmation or password})


# ---- the link ----------------------------------------------------------------------------------------------------------


def test_opening_a_link_takes_the_secret_away_and_changes_nothing(client: FlaskClient, db_session: Session) -> None:
    secret = link()
    answer = client.get(f"/acces/{secret}")
    assert (answer.status_code, answer.location) == (303, CHOOSE)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert secret not in answer.text
    page = client.get(CHOOSE)
    assert page.status_code == 200
    assert secret not in page.text
    assert secret not in str(page.headers)
    for words in ("Accueil", "Mon compte", "Modifications", "CARACTÉRISTIQUES", "Coordonnées d’authentification", "64 caractères max", "Confirmer le mot de passe", "Enregistrer", "obligatoires sont marqués par un"):
        assert words in page.text, words
    assert 'value="secondaire"' in page.text
    assert not signed_in(client)
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(AccessLink.used_at)) is None


def test_choosing_signs_in_once_and_leads_to_my_account(client: FlaskClient, app: Flask, db_session: Session) -> None:
    secret = link()
    client.get(f"/acces/{secret}")
    answer = choose(client, "karim.moreau")
    assert (answer.status_code, answer.location) == (303, "/mon-compte/")
    page = client.get(answer.location).text
    assert "Les modifications ont bien été enregistrées" in page
    assert "Retour à l’accueil" in page
    assert "lien reçu par courriel" in page
    with client.session_transaction() as cookie:
        assert "access_link" not in cookie
    assert sign_in(app.test_client(), "karim.moreau", NEW).status_code == 303
    assert sign_in(app.test_client(), "secondaire").status_code == 422
    other = app.test_client()
    other.get(f"/acces/{secret}")
    assert "Ce lien a déjà servi" in other.get(CHOOSE).text
    late = choose(other)
    assert late.status_code == 410
    assert not signed_in(other)


def test_a_blocked_account_is_back_through_its_mailbox(client: FlaskClient, app: Flask, db_session: Session) -> None:
    """B1.3: without any call to support."""
    for _ in range(3):
        sign_in(app.test_client(), "secondaire", WRONG)
    assert post(client, RECOVER, KAREEM).location == SENT
    answer_all()
    subject, mail = mails()[0]
    assert subject == "Choisissez le mot de passe de votre compte"
    client.get(f"/acces/{link_in(mail)}")
    assert choose(client, "secondaire").status_code == 303
    assert signed_in(client)
    found = account("secondaire")
    assert (found.blocked_at, found.blocked_reason, found.failed_attempts, found.failed_in_window) == (None, None, 0, 0)


def test_the_identifiant_may_be_kept_and_case_does_not_matter(client: FlaskClient, db_session: Session) -> None:
    alter("UPDATE ab_user SET username = '*8wwapv3bz' WHERE username = 'secondaire'")
    client.get(f"/acces/{link('*8wwapv3bz')}")
    assert choose(client, "*8wwapv3bz").status_code == 303, "one of the former application's may be kept"
    client.get(f"/acces/{link('*8wwapv3bz')}")
    assert choose(client, "*autre").status_code == 422


@pytest.mark.parametrize(
    ("identifiant", "password", "confirmation", "words"),
    [
        ("secondaire", "Trop-court1", None, "Trop court"),
        ("secondaire", "Portail-de-formation-2026", None, "facile à deviner"),
        ("secondaire", NEW, NEW + "x", "différents"),
        ("nouvel.identifiant.1", "nouvel.identifiant.1!", None, "facile à deviner"),
        ("PRINCIPAL", NEW, None, "déjà pris"),
        ("=cmd", NEW, None, "Un identifiant compte"),
        ("a" * 65, NEW, None, "64 caractères"),
        ("", NEW, None, "obligatoire"),
        ("secondaire", "", None, "obligatoire"),
        ("secondaire", "x" * 129, None, "Trop long"),
    ],
)
def test_a_refusal_leaves_the_link_and_what_was_typed(
    client: FlaskClient, db_session: Session, identifiant: str, password: str, confirmation: str | None, words: str
) -> None:
    client.get(f"/acces/{link()}")
    answer = choose(client, identifiant, password, confirmation)
    assert answer.status_code == 422
    assert words in answer.text
    assert "error-summary" in answer.text
    assert f'value="{identifiant}"' in answer.text or not identifiant
    assert not password or password not in answer.text
    assert choose(client).status_code == 303


@pytest.mark.parametrize("password", ["é" * 10 + "aZ3!" + "x" * 114, "cheval batterie agrafe exact", "Vélo-rouge-42"])
def test_what_the_policy_accepts(client: FlaskClient, app: Flask, db_session: Session, password: str) -> None:
    """Up to 128 characters, blanks and accents included; no limit of twenty."""
    client.get(f"/acces/{link()}")
    answer = choose(client, "secondaire", password)
    assert answer.status_code == 303, answer.text
    assert sign_in(app.test_client(), "secondaire", password).status_code == 303


@pytest.mark.parametrize(
    ("statement", "words", "renewable"),
    [
        ("UPDATE access_link SET created_at = created_at - interval '2 days', expires_at = expires_at - interval '2 days'", "Ce lien a expiré", True),
        ("UPDATE access_link SET used_at = now()", "Ce lien a déjà servi", True),
        ("UPDATE access_link SET revoked_at = now()", "Ce lien n’est plus valable", True),
        ("UPDATE ab_user SET blocked_at = now() WHERE username = 'secondaire'", "Ce lien n’est plus valable", True),
        ("UPDATE ab_user SET active = false, deactivated_at = now() WHERE username = 'secondaire'", "Ce compte n’est pas ouvert", False),
        ("UPDATE ab_user SET deleted_at = now() WHERE username = 'secondaire'", "Ce compte n’est pas ouvert", False),
        ("UPDATE organisation SET active = false", "Ce compte n’est pas ouvert", False),
        ("DELETE FROM access_link", "Ce lien est inconnu", False),
    ],
)
def test_a_link_that_opens_nothing_says_why(client: FlaskClient, db_session: Session, statement: str, words: str, renewable: bool) -> None:
    secret = link()
    client.get(f"/acces/{secret}")
    alter(statement)
    page = client.get(CHOOSE)
    assert page.status_code == 200
    assert words in page.text
    assert "example.org" not in page.text, "the address is never shown"
    assert ("Envoyer un nouveau lien" in page.text) == renewable
    assert (RECOVER in page.text) == (not renewable)
    assert choose(client).status_code == 410
    assert not signed_in(client)
    answer = post(client, "/acces/nouveau-lien")
    assert (answer.status_code, answer.location) == (303, SENT)
    answer_all()
    assert len(mails()) == int(renewable)
    if renewable:
        client.get(f"/acces/{link_in(mails()[0][1])}")
        assert choose(client).status_code == 303


@pytest.mark.parametrize("secret", ["x", "é", "a" * 5000, "%00", "identifiants.", "' OR 1=1 --", "<script>alert(1)</script>"])
def test_made_up_links(client: FlaskClient, secret: str) -> None:
    answer = client.get(f"/acces/{secret}", follow_redirects=True)
    assert answer.status_code in (200, 404)
    assert "Ce lien est inconnu" in answer.text or answer.status_code == 404
    assert "<script>alert" not in answer.text


def test_a_newer_link_ends_the_older_ones(client: FlaskClient, db_session: Session) -> None:
    first, second = link(), link()
    client.get(f"/acces/{first}")
    assert "n’est plus valable" in client.get(CHOOSE).text
    client.get(f"/acces/{second}")
    assert choose(client).status_code == 303


def test_an_account_with_a_second_factor_is_sent_to_sign_in(client: FlaskClient, db_session: Session) -> None:
    alter("INSERT INTO second_factor (user_id, seal_uid, secret, created_at, confirmed_at) SELECT id, gen_random_uuid(), 'x', now(), now() FROM ab_user WHERE username = 'support'")
    client.get(f"/acces/{link('support')}")
    answer = choose(client, "support")
    assert (answer.status_code, answer.location) == (303, "/connexion")
    assert "second facteur" in client.get("/connexion").text
    assert not signed_in(client)


def test_whoever_used_up_the_day_s_codes_is_told_that_the_account_stays_blocked(client: FlaskClient, db_session: Session) -> None:
    from tests.accounts.test_second_factor import turn_on

    turn_on("secondaire")
    with bound_scope(Scope.system()), transaction():
        spent = {"failed_in_window": 25, "failed_since": clock.now(), "failed_attempts": 3, "blocked_at": clock.now(), "blocked_reason": "too_many_failures"}
        db_session.execute(update(User).where(User.username == "secondaire").values(**spent))
    client.get(f"/acces/{link('secondaire', LinkPurpose.RECOVERY)}")
    answer = post(client, "/acces/identifiants", {"username": "secondaire", "password": NEW, "confirmation": NEW})
    assert answer.location == "/connexion"
    page = client.get("/connexion").text
    assert "votre compte reste bloqué" in page
    assert "Connectez-vous avec votre nouveau mot de passe" not in page


def test_whoever_was_signed_in_on_the_browser_is_signed_out(client: FlaskClient, app: Flask, db_session: Session) -> None:
    sign_in(client, "principal")
    copy = app.test_client()
    copy.set_cookie("portail", client.get_cookie("portail").value)  # type: ignore[union-attr]
    client.get(f"/acces/{link()}")
    assert "BLANC Paule est connecté" in client.get(CHOOSE).text
    assert choose(client).status_code == 303
    assert "MOREAU" in client.get("/mon-compte/").text
    assert not signed_in(copy)


def test_the_sessions_of_before_end(client: FlaskClient, app: Flask, db_session: Session) -> None:
    before = app.test_client()
    sign_in(before, "secondaire")
    client.get(f"/acces/{link()}")
    choose(client)
    assert signed_in(client)
    assert not signed_in(before)


def test_the_choice_is_in_the_journal_under_its_holder(client: FlaskClient, db_session: Session) -> None:
    user_id = account("secondaire").id
    client.get(f"/acces/{link()}")
    choose(client, "karim.moreau")
    with bound_scope(Scope.system()):
        row = db_session.execute(
            text("SELECT actor_id, before, after FROM audit_entry WHERE table_name = 'ab_user' AND row_id = :id AND after ? 'username' ORDER BY id DESC LIMIT 1"),
            {"id": str(user_id)},
        ).one()
        written = db_session.scalars(text("SELECT coalesce(before::text, '') || coalesce(after::text, '') FROM audit_entry WHERE table_name = 'access_link'")).all()
    assert row.actor_id == user_id
    assert (row.before["username"], row.after["username"]) == ("secondaire", "karim.moreau")
    assert written
    assert not any(re.search(r"[0-9a-f]{64}", line) for line in written)


def test_fifty_at_once_are_one(committed: Flask) -> None:
    """B1.5: real commits, real threads, each with a browser of its own."""
    from werkzeug.test import Client

    with committed.app_context():
        db.engine.pool._timeout = 120  # type: ignore[attr-defined]  # fifty threads share eight connections on a busy machine
        secret = link()
    start = threading.Barrier(50)
    statuses: list[int] = []

    def attempt(number: int) -> None:
        browser: Any = committed.test_client()
        assert isinstance(browser, Client)
        browser.get(f"/acces/{secret}")
        given = token(browser)
        start.wait()
        data = {"username": f"karim-{number}", "password": f"{NEW}-{number}", "confirmation": f"{NEW}-{number}", "csrf_token": given}
        statuses.append(browser.post(CHOOSE, data=data).status_code)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [303] + [410] * 49
    with committed.app_context(), bound_scope(Scope.system()):
        winner = db.session.scalars(select(User.username).where(User.username.like("karim-%"))).one()
        assert db.session.scalar(text("SELECT count(*) FROM user_session")) == 1
        assert services.look_up_link(secret).state is LinkState.USED
    assert sign_in(committed.test_client(), winner, f"{NEW}-{winner.removeprefix('karim-')}").status_code == 303


def test_choosing_and_regenerating_at_once_never_wait_for_each_other_for_ever(committed: Flask) -> None:
    """Both take the account's row before the link's."""
    with committed.app_context():
        db.engine.pool._timeout = 120  # type: ignore[attr-defined]
        secret = link()
    errors: list[BaseException] = []
    start = threading.Barrier(12)

    def run(number: int) -> None:
        with committed.app_context():
            start.wait()
            try:
                if number % 2:
                    services.choose_credentials(secret, "secondaire", f"{NEW}-{number}", ip=None, user_agent=None)
                else:
                    link()
            except services.LinkUnusable:
                pass
            except BaseException as error:
                errors.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


# ---- the secret is nowhere ---------------------------------------------------------------------------------------------


def test_no_log_holds_the_secret(client: FlaskClient, app: Flask, db_session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import logging

    import structlog

    from app.core import logs

    secret = link()
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        logs.configure(level="DEBUG", process="test")
        client.get(f"/acces/{secret}")
        client.get(f"/acces/{secret}/")
        client.get(f"/acces/{secret}/suite?x={secret[:5]}")
        client.post(f"/acces/{secret}")
        client.post(f"/acces/{secret}", headers={"Origin": "https://ailleurs.example"})
        client.get(CHOOSE, headers={"Referer": f"https://webmail.example/acces/{secret}"})
        monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
        monkeypatch.setitem(app.view_functions, "AccessView.open", lambda token: 1 // 0)
        broken = client.get(f"/acces/{secret}")
        assert broken.status_code == 500
        assert broken.headers["Referrer-Policy"] == "no-referrer"
        assert secret not in broken.text
        logging.getLogger("gunicorn.error").error("Error handling request %s", f"/acces/{secret}")
        logging.getLogger("x").warning("https://portail.example/acces/%s. et la suite", secret)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
        structlog.configure(**before)
    out = capsys.readouterr()
    written = out.out + out.err
    assert '"/acces/<token>"' in written, "the route stands there as a rule"
    assert "/acces/[masqué]" in written
    assert "/acces/identifiants" in written, "what is no secret stays readable"
    assert secret not in written
    assert secret[:20] not in written


def test_the_web_servers_own_log_is_masked(tmp_path: Any) -> None:
    """gunicorn names the request it could not finish: the filter that gunicorn.conf.py puts on its output."""
    import logging

    from app.core.logs import MaskingFilter, register_secret_address

    register_secret_address("/acces/", public=("identifiants", "nouveau-lien"))
    secret, file = "Q" * 43, tmp_path / "log"
    handler = logging.FileHandler(file)
    handler.addFilter(MaskingFilter())
    logger = logging.getLogger("essai.gunicorn")
    logger.addHandler(handler)
    logger.propagate = False
    logger.error("Error handling request %s", f"/acces/{secret}?x=1")
    handler.close()
    assert file.read_text() == "Error handling request /acces/[masqué]?x=1\n"


def test_an_error_page_does_not_repeat_the_address(client: FlaskClient, db_session: Session) -> None:
    secret = link()
    for answer in (client.post(f"/acces/{secret}"), client.get(f"/acces/{secret}/x")):
        assert answer.status_code in (404, 405, 419)
        assert secret not in answer.text
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_the_database_keeps_a_digest(client: FlaskClient, db_session: Session) -> None:
    post(client, RECOVER, KAREEM)
    answer_all()
    secret = link_in(mails()[0][1])
    with bound_scope(Scope.system()):
        for table in ("access_link", "recovery_request", "mail_message", "audit_entry", "sign_in_attempt"):
            rows = db_session.scalars(text(f"SELECT to_jsonb(t)::text FROM {table} t")).all()
            assert not any(secret in row for row in rows), table


def test_the_host_header_does_not_get_into_the_mail(client: FlaskClient, db_session: Session) -> None:
    given = token(client)
    client.post(RECOVER, data={**KAREEM, "csrf_token": given}, headers={"X-Forwarded-Host": "evil.example"})
    answer_all()
    assert "evil.example" not in mails()[0][1]


# ---- Génération de mot de passe ------------------------------------------------------------------------------------------


def test_the_page_of_the_guide(client: FlaskClient) -> None:
    page = client.get("/connexion").text
    assert "Mot de passe oublié ou première connexion" in page
    assert RECOVER in page
    page = client.get(RECOVER).text
    for words in ("Authentification", "Génération de mot de passe", "Pour générer votre mot de passe, veuillez renseigner les informations suivantes", "Identifiant", "Nom d’usage", "Prénom", "Courriel", "Valider"):
        assert words in page, words
    refused = post(client, RECOVER, {"username": "secondaire"})
    assert refused.status_code == 422
    assert "error-summary" in refused.text


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"username": " SECONDAIRE "},
        {"last_name": "moreau", "first_name": "KARIM", "email": "Secondaire@Example.org "},
        {"last_name": "Mo-reau", "first_name": "Kârim"},
    ],
)
def test_people_type_as_they_do(client: FlaskClient, db_session: Session, given: dict[str, str]) -> None:
    assert post(client, RECOVER, KAREEM | given).location == SENT
    answer_all()
    assert len(mails()) == 1


@pytest.mark.parametrize("given", [{"username": "principal"}, {"username": "personne"}, {"last_name": "MOREL"}, {"first_name": "Karima"}, {"email": "autre@example.org"}])
def test_what_does_not_match_writes_to_nobody(client: FlaskClient, db_session: Session, given: dict[str, str]) -> None:
    assert post(client, RECOVER, KAREEM | given).location == SENT
    answer_all()
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(func.count()).select_from(MailMessage)) == 0
        assert db_session.scalar(select(func.count()).select_from(RecoveryRequest).where(RecoveryRequest.user_id.is_not(None))) == 0
        assert db_session.scalar(select(func.count()).select_from(RecoveryRequest)) == 1


@pytest.mark.parametrize(
    ("statement", "subject"),
    [
        ("UPDATE ab_user SET password = NULL WHERE username = 'secondaire'", "Choisissez le mot de passe de votre compte"),
        ("UPDATE ab_user SET active = false, deactivated_at = now() WHERE username = 'secondaire'", "Votre compte n’est pas ouvert"),
        ("UPDATE organisation SET active = false", "Votre compte n’est pas ouvert"),
        ("UPDATE ab_user SET deleted_at = now() WHERE username = 'secondaire'", None),
    ],
)
def test_closed_accounts_get_no_link(client: FlaskClient, db_session: Session, statement: str, subject: str | None) -> None:
    """The mailbox is told why; the screen never is."""
    alter(statement)
    assert post(client, RECOVER, KAREEM).location == SENT
    answer_all()
    assert [found[0] for found in mails()] == ([subject] if subject else [])
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(func.count()).select_from(AccessLink)) == int(subject is not None and subject.startswith("Choisissez"))


def test_three_mails_an_hour_for_one_account_and_silently(client: FlaskClient, db_session: Session) -> None:
    for number in range(6):
        answer = post(client, RECOVER, KAREEM, environ_overrides={"REMOTE_ADDR": f"192.0.2.{number}"})
        assert (answer.status_code, answer.location) == (303, SENT)
        answer_all()
    assert len(mails()) == 3
    alter("UPDATE access_link SET created_at = created_at - interval '61 minutes'")
    post(client, RECOVER, KAREEM)
    answer_all()
    assert len(mails()) == 4, "who keeps asking does not keep the holder out"


def test_twenty_requests_an_hour_from_one_address(client: FlaskClient, app: Flask, db_session: Session) -> None:
    """Then 429, whoever is named; a renewal counts as well."""
    browser = app.test_client()
    for _ in range(19):
        assert post(browser, RECOVER, KAREEM | {"username": "personne"}, environ_overrides={"REMOTE_ADDR": "198.51.100.7"}).status_code == 303
    assert post(browser, "/acces/nouveau-lien", environ_overrides={"REMOTE_ADDR": "198.51.100.7"}).status_code == 303
    answers = [post(browser, RECOVER, data, environ_overrides={"REMOTE_ADDR": "198.51.100.7"}) for data in (KAREEM, KAREEM | {"username": "personne"})]
    assert [answer.status_code for answer in answers] == [429, 429]
    assert len({re.sub(r"[0-9a-f]{32}", "", re.sub(r'(csrf-token" content|nonce)="[^"]*"', "", re.sub(r"<time.*?</time>", "", answer.text))) for answer in answers}) == 1
    assert int(answers[0].headers["Retry-After"]) > 3000
    assert post(client, RECOVER, KAREEM, environ_overrides={"REMOTE_ADDR": "198.51.100.8"}).status_code == 303


def test_a_request_runs_the_same_statements_whoever_is_named(client: FlaskClient, db_session: Session) -> None:
    seen: dict[str, tuple[str, ...]] = {}
    connection = db_session.connection()
    for name, given in (("match", {}), ("unknown", {"username": "personne"}), ("other", {"last_name": "X"}), ("blocked", {"username": "principal"})):
        statements: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_more: Any, into: list[str] = statements) -> None:
            if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
                into.append(statement)

        event.listen(connection, "before_cursor_execute", note)
        data = KAREEM | given
        services.request_recovery(identifiant=data["username"], last_name=data["last_name"], first_name=data["first_name"], email=data["email"], ip="192.0.2.9")
        event.remove(connection, "before_cursor_execute", note)
        seen[name] = tuple(statements)
    assert len(set(seen.values())) == 1, seen


def test_the_job_carries_an_id_and_the_sweep_finds_what_was_lost(committed: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[tuple[Any, ...]] = []
    monkeypatch.setattr("app.accounts.services.access.enqueue", lambda *arguments, **options: queued.append(arguments))
    assert post(committed.test_client(), RECOVER, KAREEM).status_code == 303
    assert post(committed.test_client(), RECOVER, KAREEM | {"username": "personne"}).status_code == 303
    assert [arguments[0] for arguments in queued] == ["app.accounts.jobs:answer_recovery"] * 2
    assert all(isinstance(argument, int) for arguments in queued for argument in arguments[1:])
    with committed.app_context():
        assert jobs.answer_waiting_recoveries() == 0, "a job has its time first"
        alter("UPDATE recovery_request SET at = at - interval '1 minute'")
        assert jobs.answer_waiting_recoveries() == 2
        assert jobs.answer_waiting_recoveries() == 0
        assert len(mails()) == 1
        jobs.answer_recovery(queued[0][1])
        assert len(mails()) == 1, "answered once"


def test_a_queue_that_is_away_loses_nothing(committed: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_arguments: Any, **_options: Any) -> None:
        raise ConnectionError("Redis is away")

    monkeypatch.setattr("app.accounts.services.access.enqueue", away)
    assert post(committed.test_client(), RECOVER, KAREEM).status_code == 303
    with committed.app_context():
        alter("UPDATE recovery_request SET at = at - interval '1 minute'")
        assert jobs.answer_waiting_recoveries() == 1
        assert len(mails()) == 1


def test_one_that_fails_does_not_stop_the_others(client: FlaskClient, db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.accounts import notifications

    real: Callable[..., bool] = notifications.password_link
    monkeypatch.setattr(notifications, "password_link", lambda user, secret: 1 // 0 if user.username == "principal" else real(user, secret))
    with bound_scope(Scope.system()), transaction() as session:
        for name in ("principal", "secondaire"):
            session.add(RecoveryRequest(at=clock.now() - timedelta(minutes=2), address="192.0.2.1", user_id=account(name).id))
    assert services.answer_waiting_recoveries() == 2
    assert len(mails()) == 1
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(func.count()).select_from(RecoveryRequest).where(RecoveryRequest.handled_at.is_(None))) == 1


def test_an_old_request_is_forgotten(db_session: Session) -> None:
    with bound_scope(Scope.system()), transaction() as session:
        session.add(RecoveryRequest(at=clock.now() - domain.RECOVERY_PATIENCE - timedelta(minutes=1), address="192.0.2.1", user_id=account("secondaire").id))
    assert services.answer_waiting_recoveries() == 1
    assert mails() == []


def test_an_address_that_is_none_fails_nothing(client: FlaskClient, db_session: Session) -> None:
    alter("UPDATE ab_user SET email = 'pau' WHERE username = 'secondaire'")
    assert post(client, RECOVER, KAREEM | {"email": "pau"}).location == SENT
    answer_all()
    assert mails() == []


def test_links_and_requests_go_after_a_year(client: FlaskClient, db_session: Session) -> None:
    link()
    post(client, RECOVER, KAREEM)
    alter("UPDATE access_link SET created_at = created_at - interval '400 days', expires_at = expires_at - interval '400 days'")
    alter("UPDATE recovery_request SET at = at - interval '400 days'")
    assert services.purge_sign_in_data() == 2


# ---- the pure rules ------------------------------------------------------------------------------------------------------


def test_names_are_compared_without_what_people_forget() -> None:
    assert domain.comparable_name("Jean-Élie  d’Ørs") == domain.comparable_name("JEAN ELIE DØRS")
    assert domain.comparable_name("BŒUF") == domain.comparable_name("boeuf")
    assert domain.comparable_name(None) == ""
    assert domain.comparable_email(" A@Example.ORG") == "a@example.org"


def test_link_states_in_order() -> None:
    now = clock.now()
    open_account = domain.AccountFacts(active=True, failed_attempts=3, blocked_at=now)
    common: dict[str, Any] = {"expires_at": now + timedelta(hours=1), "used_at": None, "revoked_at": None, "account": open_account, "organisation_open": True, "at": now}
    assert domain.link_state(**common) is LinkState.USABLE
    assert domain.link_state(**common | {"at": now + timedelta(hours=1)}) is LinkState.EXPIRED
    assert domain.link_state(**common | {"used_at": now, "revoked_at": now}) is LinkState.USED
    assert domain.link_state(**common | {"revoked_at": now}) is LinkState.REPLACED
    assert domain.link_state(**common | {"organisation_open": False}) is LinkState.CLOSED
    assert domain.link_state(**common | {"account": domain.AccountFacts(active=False)}) is LinkState.CLOSED


# ---- blocking: who is told ---------------------------------------------------------------------------------------------


def block(app: Flask, identifiant: str, address: str = "203.0.113.9") -> None:
    for _ in range(3):
        assert sign_in(app.test_client(), identifiant, WRONG, address=address).status_code == 422


def test_the_holder_of_a_blocked_account_is_told_once(app: Flask, db_session: Session) -> None:
    block(app, "secondaire")
    assert mails() == [], "not in the request"
    assert jobs.tell_blocked() == 1
    assert jobs.tell_blocked() == 0
    ((subject, mail),) = mails()
    assert subject == "Votre compte est bloqué"
    assert RECOVER in mail
    assert "203.0.113.9" not in mail
    assert "internet" in mail or "réseau interne" in mail


def test_the_kind_of_address_is_told(app: Flask, client: FlaskClient, db_session: Session) -> None:
    sign_in(client, "secondaire", address="203.0.113.9")
    block(app, "secondaire")
    jobs.tell_blocked()
    assert "depuis laquelle vous vous êtes déjà connecté" in mails()[0][1]
    assert domain.network_kind("8.8.8.8", familiar=False) is domain.NetworkKind.UNFAMILIAR
    assert domain.network_kind("10.0.0.1", familiar=False) is domain.NetworkKind.PRIVATE
    assert domain.network_kind("2a01:e0a:1:2::/64", familiar=False) is domain.NetworkKind.UNFAMILIAR
    assert domain.network_kind("unknown", familiar=False) is domain.NetworkKind.UNFAMILIAR


def test_nobody_is_told_of_what_is_over(app: Flask, db_session: Session) -> None:
    block(app, "secondaire")
    services.unblock(account("secondaire").id, actor_id=account("support").id)
    jobs.tell_blocked()
    assert [subject for subject, _text in mails()] == ["Votre compte est débloqué"]


def test_a_try_lost_in_a_crash_blocks_and_is_told(db_session: Session) -> None:
    user_id = account("secondaire").id
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(update(User).where(User.id == user_id).values(failed_attempts=3))
        session.add(SignInAttempt(at=clock.now() - timedelta(minutes=3), address="192.0.2.1", user_id=user_id, blocking=True))
    assert jobs.tell_blocked() == 1
    assert account("secondaire").blocked_at is not None
    assert len(mails()) == 1


def test_many_at_once_raise_the_alarm(app: Flask, db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """B1.3: a line at ten in ten minutes."""
    from app.accounts.services import blocking

    said: list[str] = []
    monkeypatch.setattr(blocking.log, "error", lambda event, **_values: said.append(event), raising=False)
    for number in range(9):
        with bound_scope(Scope.system()), transaction() as session:
            session.add(SignInAttempt(at=clock.now(), address=f"192.0.2.{number}", user_id=None, blocking=True, outcome="refused"))
    jobs.tell_blocked()
    assert said == []
    block(app, "secondaire")
    jobs.tell_blocked()
    assert said == ["many_accounts_blocked"]


def test_the_principal_sees_how_many_are_blocked(app: Flask, as_user: Callable[[str], FlaskClient], db_session: Session) -> None:
    browser, other = as_user("principal"), as_user("autre-of")
    for path in ("/", "/gestion-organisme/comptes/"):
        assert "compte bloqué" not in browser.get(path).text
    block(app, "secondaire")
    for path in ("/", "/gestion-organisme/comptes/"):
        assert "1 compte bloqué" in browser.get(path).text, path
        assert "compte bloqué" not in other.get(path).text, path


def test_the_third_try_runs_the_same_statements_too(app: Flask, db_session: Session) -> None:
    """The answer that blocks does nothing more than the others: no alarm, no mail in the request."""
    from app.accounts import authentication

    seen: list[tuple[str, ...]] = []
    connection = db_session.connection()
    for name in ("secondaire", "secondaire", "secondaire", "secondaire", "personne"):
        statements: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_more: Any, into: list[str] = statements) -> None:
            if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
                into.append(statement)

        event.listen(connection, "before_cursor_execute", note)
        authentication.sign_in(name, WRONG, ip="192.0.2.60", user_agent=None)
        event.remove(connection, "before_cursor_execute", note)
        seen.append(tuple(statements))
    assert len(set(seen)) == 1, seen
    assert sign_in(app.test_client(), "secondaire", PASSWORD).status_code == 422
