"""Another address for one's own account: it counts once the link sent to it was used, once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import select, text

from app.accounts import authentication, domain, history, services
from app.accounts.domain import LinkState
from app.accounts.history import Asked
from app.accounts.models import AccessLink, LinkPurpose
from app.accounts.services.holders import Holder, values_of
from app.accounts.services.links import issue_link
from app.core.extensions import db
from app.core.mail.models import MailMessage
from app.core.mail.services import content_of
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import PASSWORD, WRONG, post, sign_in, signed_in, token

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session
    from werkzeug.test import TestResponse

AsUser = Callable[[str], "FlaskClient"]
PAGE, EMAIL, CONFIRM = "/mon-compte/", "/mon-compte/courriel", "/acces/courriel"
RESEND, CANCEL = f"{EMAIL}/renvoyer", f"{EMAIL}/annuler"
NEW = "p.blanc@example.org"
OLD = "principal@example.org"
NEW_PASSWORD = "Vélo-rouge-42-neige"


def account(identifiant: str = "principal") -> User:
    with bound_scope(Scope.system()):
        return db.session.scalars(select(User).where(User.username == identifiant).execution_options(populate_existing=True)).one()


def alter(statement: str, **values: Any) -> None:
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(text(statement), values)


def mails() -> list[tuple[str, str, str]]:
    """(recipient, template, text), in the order written."""
    with bound_scope(Scope.system()):
        found = db.session.scalars(select(MailMessage).order_by(MailMessage.created_at, MailMessage.template)).all()
        return [(message.recipient, message.template, content_of(message).text) for message in found]  # type: ignore[union-attr]


def secrets_sent() -> list[str]:
    """The secrets of the links to new addresses, oldest first."""
    return [found[1] for _to, template, words in mails() if template == "email_to_confirm" and (found := re.search(r"/acces/courriel/([\w-]{43})\b", words))]


def ask(browser: FlaskClient, email: str = NEW, current: str = PASSWORD) -> TestResponse:
    return post(browser, EMAIL, {"email": email, "current": current})


@pytest.fixture
def asked(client: FlaskClient, db_session: Session) -> str:
    """The principal, signed in, has asked for another address; the secret of the link."""
    sign_in(client, "principal")
    assert ask(client, f" {NEW}").status_code == 303
    (secret,) = secrets_sent()
    return secret


def confirm(browser: FlaskClient, secret: str) -> TestResponse:
    browser.get(f"/acces/courriel/{secret}")
    return post(browser, CONFIRM)


# ---- asking ------------------------------------------------------------------------------------------------------------


def test_asking_changes_nothing_and_tells_the_present_address(client: FlaskClient, asked: str) -> None:
    assert account().email == OLD
    (first, to_new), (second, to_old) = sorted((to, words) for to, _template, words in mails())
    assert (first, second) == (NEW, OLD)
    assert asked in to_new
    assert "« Confirmer cette adresse »" in to_new and "24 heures" in to_new and "ne faites rien" in to_new
    assert account().username not in to_new.replace(NEW, ""), "a stranger may read it"
    assert OLD not in to_new
    assert asked not in to_old and "/acces/" not in to_old, "nothing to be used in the former mailbox"
    assert NEW in to_old and "Rien n’a encore changé" in to_old and "Annuler ce changement" in to_old and "generation-mot-de-passe" in to_old
    page = client.get(PAGE).text
    assert "Un lien a été envoyé à la nouvelle adresse" in page
    assert re.search(rf"En attente de confirmation.: {re.escape(NEW)} \(lien valable jusqu’au", page)
    assert "Renvoyer le lien" in page and "Annuler ce changement" in page
    assert OLD in page
    assert NEW in client.get(EMAIL).text


def test_only_a_digest_is_kept(asked: str) -> None:
    with bound_scope(Scope.system()):
        link = db.session.scalars(select(AccessLink)).one()
        assert (link.purpose, link.wanted_email, link.expires_at - link.created_at) == (LinkPurpose.EMAIL.value, NEW, timedelta(hours=24))
        assert re.fullmatch(r"[0-9a-f]{64}", link.token_hash)
        for table in ("access_link", "mail_message", "audit_entry"):
            assert asked not in str(db.session.execute(text(f"SELECT * FROM {table}")).all()), table


def test_the_present_address_is_no_change(client: FlaskClient, db_session: Session) -> None:
    sign_in(client, "principal")
    answer = ask(client, OLD, WRONG)
    assert answer.status_code == 422
    assert "C’est votre adresse actuelle" in answer.text
    assert f'value="{OLD}"' in answer.text
    assert mails() == []


def test_an_address_that_others_have_is_like_any_other(client: FlaskClient, db_session: Session) -> None:
    """Nothing tells whether an account has it."""
    sign_in(client, "principal")
    answers = [ask(client, address) for address in ("secondaire@example.org", "personne@example.org")]
    assert [(answer.status_code, answer.location) for answer in answers] == [(303, "/mon-compte/#identifiant")] * 2
    _first, second = secrets_sent()
    assert confirm(client, second).status_code == 303
    ask(client, "secondaire@example.org")
    assert confirm(client, secrets_sent()[-1]).status_code == 303
    assert account().email == account("secondaire").email == "secondaire@example.org"


def test_a_wrong_password_asks_nothing(client: FlaskClient, db_session: Session) -> None:
    sign_in(client, "principal")
    assert ask(client, current=WRONG).status_code == 422
    assert mails() == []
    assert "En attente" not in client.get(PAGE).text


def test_an_invitation_or_a_recovery_stays_and_goes_with_the_change(client: FlaskClient, db_session: Session) -> None:
    """Asking ends no link that lies in the former mailbox; the change does."""
    with bound_scope(Scope.system()), transaction() as session:
        recovery = issue_link(session, session.scalars(select(User).where(User.username == "principal")).one(), LinkPurpose.RECOVERY)
    sign_in(client, "principal")
    ask(client)
    assert services.look_up_link(recovery).state is LinkState.USABLE
    assert confirm(client, secrets_sent()[0]).status_code == 303
    assert services.look_up_link(recovery).state is LinkState.REPLACED


def test_a_link_asked_for_by_nobody_known_ends_no_change(client: FlaskClient, asked: str) -> None:
    with bound_scope(Scope.system()), transaction() as session:
        issue_link(session, session.scalars(select(User).where(User.username == "principal")).one(), LinkPurpose.RECOVERY)
    assert services.look_up_email_link(asked).state is LinkState.USABLE


# ---- the link ----------------------------------------------------------------------------------------------------------


def test_opening_the_link_changes_nothing(app: Flask, asked: str) -> None:
    stranger = app.test_client()
    answer = stranger.get(f"/acces/courriel/{asked}")
    assert (answer.status_code, answer.location) == (303, CONFIRM)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    for _ in range(3):
        page = stranger.get(CONFIRM)
        assert page.status_code == 200
        assert asked not in page.text
        for words in ("Confirmer cette adresse", "Paule", NEW, "non plus à l’ancienne adresse"):
            assert words in page.text, words
        assert OLD not in page.text, "whoever reads the new mailbox may be a stranger"
    assert account().email == OLD
    assert services.look_up_email_link(asked).state is LinkState.USABLE


def test_confirming_signed_in(client: FlaskClient, asked: str) -> None:
    answer = confirm(client, asked)
    assert (answer.status_code, answer.location) == (303, "/mon-compte/#identifiant")
    page = client.get(PAGE).text
    assert "Votre nouvelle adresse de courriel est confirmée" in page
    assert NEW in page and OLD not in page and "En attente" not in page
    assert account().email == NEW
    done = [(to, words) for to, template, words in mails() if template == "account_changed"]
    assert sorted(to for to, _words in done) == [NEW, OLD]
    assert all("vient d’être modifiée" in words and "/acces/" not in words for _to, words in done)


def test_confirming_signed_out_signs_nobody_in(app: Flask, asked: str) -> None:
    elsewhere = app.test_client()
    answer = confirm(elsewhere, asked)
    assert (answer.status_code, answer.location) == (303, "/connexion")
    assert "La nouvelle adresse de courriel est confirmée" in elsewhere.get("/connexion").text
    assert not signed_in(elsewhere)
    assert account().email == NEW


def test_confirming_while_another_account_is_signed_in(as_user: AsUser, asked: str) -> None:
    other = as_user("support")
    other.get(f"/acces/courriel/{asked}")
    assert "rien ne change pour ce compte-là" in other.get(CONFIRM).text
    assert post(other, CONFIRM).location == "/connexion"
    assert signed_in(other)
    assert account().email == NEW
    assert account("support").email == "support@example.org"


def test_it_serves_once(client: FlaskClient, app: Flask, asked: str) -> None:
    confirm(client, asked)
    alter("UPDATE ab_user SET email = 'apres@example.org' WHERE username = 'principal'")
    late = app.test_client()
    late.get(f"/acces/courriel/{asked}")
    assert "Ce lien a déjà servi" in late.get(CONFIRM).text
    answer = post(late, CONFIRM)
    assert answer.status_code == 410
    assert "Ce lien a déjà servi" in answer.text
    assert account().email == "apres@example.org"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE access_link SET created_at = created_at - interval '25 hours', expires_at = expires_at - interval '25 hours'", "Ce lien a expiré"),
        ("UPDATE access_link SET revoked_at = now()", "Ce lien n’est plus valable"),
        ("UPDATE organisation SET active = false", "Ce compte n’est pas ouvert"),
        ("UPDATE ab_user SET blocked_at = now(), blocked_reason = 'wrong_passwords' WHERE username = 'principal'", "Ce lien n’est plus valable"),
        ("UPDATE ab_user SET password = NULL WHERE username = 'principal'", "Ce lien n’est plus valable"),
        ("DELETE FROM access_link", "Ce lien est inconnu"),
    ],
)
def test_a_link_that_confirms_nothing_says_why(app: Flask, asked: str, statement: str, words: str) -> None:
    alter(statement)
    browser = app.test_client()
    browser.get(f"/acces/courriel/{asked}")
    page = browser.get(CONFIRM)
    assert page.status_code == 200
    assert words in page.text
    assert "Mon compte" in page.text
    answer = post(browser, CONFIRM)
    assert answer.status_code == 410
    assert words in answer.text
    assert account().email == OLD


@pytest.mark.parametrize("secret", ["x", "é" * 20, "a" * 43, "a" * 5000, "'"])
def test_made_up_links(client: FlaskClient, db_session: Session, secret: str) -> None:
    assert "Ce lien est inconnu" in client.get(f"/acces/courriel/{secret}", follow_redirects=True).text
    assert post(client, CONFIRM).status_code == 410


ENDS: dict[str, Callable[[int, int], Any]] = {
    "password": lambda holder, _admin: services.change_own_password(holder, current=PASSWORD, new=NEW_PASSWORD, token=None, ip=None),
    "regenerated": lambda holder, admin: services.regenerate(holder, actor_id=admin),
    "deactivated": lambda holder, admin: services.deactivate(holder, actor_id=admin),
    "deleted": lambda holder, admin: services.delete_account(holder, actor_id=admin),
    "other rights": lambda holder, admin: services.set_roles(holder, [Role.REGION_VALIDATOR], actor_id=admin),
    "blocked": lambda _holder, _admin: [authentication.confirm("luc", WRONG, ip=None, user_agent=None) for _ in range(3)],
}


def staff() -> int:
    """An account of the Région that may be closed."""
    return services.create_account(
        first_name="Luc", last_name="Petit", email="luc@example.org", roles=[Role.REGION_MANAGER], organisation_id=None, identifiant="luc", password=PASSWORD
    )


@pytest.mark.parametrize("end", ENDS)
def test_what_ends_the_account_s_links_ends_the_change(db_session: Session, end: str) -> None:
    holder = staff()
    services.ask_own_email(holder, current=PASSWORD, email=NEW, ip=None)
    (secret,) = secrets_sent()
    assert services.look_up_email_link(secret).state is LinkState.USABLE
    ENDS[end](holder, account("admin").id)
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(AccessLink.revoked_at).where(AccessLink.purpose == LinkPurpose.EMAIL.value)) is not None
    with pytest.raises(services.LinkUnusable):
        services.confirm_own_email(secret)
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(User.email).where(User.id == holder)) in ("luc@example.org", "")


def test_a_principal_no_more(asked: str) -> None:
    alter("DELETE FROM ab_user_role WHERE user_id = (SELECT id FROM ab_user WHERE username = 'principal')")
    assert services.look_up_email_link(asked).state is LinkState.REPLACED


def test_the_console_outweighs_a_change_that_waits(asked: str) -> None:
    user = account()
    holder = Holder(user.civility, user.last_name, user.first_name, "console@example.org")
    services.edit_account(user.id, holder, base=values_of(user), choices={}, actor_id=account("admin").id)
    assert services.look_up_email_link(asked).state is LinkState.REPLACED
    with pytest.raises(services.LinkUnusable):
        services.confirm_own_email(asked)
    assert account().email == "console@example.org"


def test_the_link_opens_no_other_door(app: Flask, asked: str) -> None:
    """A stranger at a mistyped address gets no password with it, nor a new link."""
    browser = app.test_client()
    browser.get(f"/acces/{asked}")
    assert "Ce lien est inconnu" in browser.get("/acces/identifiants").text
    assert post(browser, "/acces/identifiants", {"username": "principal", "password": NEW_PASSWORD, "confirmation": NEW_PASSWORD}).status_code == 410
    with pytest.raises(services.LinkUnusable):
        services.choose_credentials(asked, "principal", NEW_PASSWORD, ip=None, user_agent=None)
    post(browser, "/acces/nouveau-lien")
    with bound_scope(Scope.system()):
        assert db.session.scalars(text("SELECT user_id FROM recovery_request")).all() == [None]


def test_a_link_to_choose_a_password_confirms_no_address(client: FlaskClient, db_session: Session) -> None:
    with bound_scope(Scope.system()), transaction() as session:
        secret = issue_link(session, session.scalars(select(User).where(User.username == "principal")).one(), LinkPurpose.RECOVERY)
    assert confirm(client, secret).status_code == 410
    assert services.look_up_link(secret).state is LinkState.USABLE


def test_the_log_masks_the_secret(asked: str) -> None:
    from app.core.logs import holds_secret, mask_text

    assert asked not in mask_text(f"GET /acces/courriel/{asked} HTTP/1.1")
    assert asked not in mask_text(f"GET /acces/courriel/{asked}/suite?x=1")
    assert mask_text("POST /acces/courriel 303") == "POST /acces/courriel 303"
    assert holds_secret(f"/acces/courriel/{asked}") and not holds_secret("/acces/courriel")


def test_fifty_at_once_are_one(committed: Flask) -> None:
    with committed.app_context():
        db.engine.pool._timeout = 120  # type: ignore[attr-defined]  # fifty threads share eight connections on a busy machine
        with bound_scope(Scope.system()):
            principal = int(db.session.scalars(select(User.id).where(User.username == "principal")).one())
        services.ask_own_email(principal, current=PASSWORD, email=NEW, ip=None)
        db.session.rollback()
        (secret,) = secrets_sent()
        db.session.remove()
    start = threading.Barrier(50)
    statuses: list[int] = []

    def attempt() -> None:
        browser: Any = committed.test_client()
        browser.get(f"/acces/courriel/{secret}")
        given = token(browser)
        start.wait()
        statuses.append(browser.post(CONFIRM, data={"csrf_token": given}).status_code)

    threads = [threading.Thread(target=attempt) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [303] + [410] * 49
    with committed.app_context():
        with bound_scope(Scope.system()):
            assert db.session.scalar(select(User.email).where(User.username == "principal")) == NEW
        assert len([template for _to, template, _words in mails() if template == "account_changed"]) == 2


# ---- while it waits ----------------------------------------------------------------------------------------------------


def test_a_newer_request_replaces_the_one_that_waits(client: FlaskClient, asked: str) -> None:
    ask(client, "autre@example.org")
    assert confirm(client, asked).status_code == 410
    page = client.get(PAGE).text
    assert "autre@example.org" in page and NEW not in page
    assert confirm(client, secrets_sent()[-1]).status_code == 303
    assert account().email == "autre@example.org"


def test_cancelling(client: FlaskClient, asked: str) -> None:
    answer = post(client, CANCEL)
    assert (answer.status_code, answer.location) == (303, "/mon-compte/#identifiant")
    page = client.get(PAGE).text
    assert "Le changement d’adresse est annulé" in page and "En attente" not in page
    assert confirm(client, asked).status_code == 410
    assert account().email == OLD
    post(client, CANCEL)
    assert "Plus aucun changement" in client.get(PAGE).text


def test_sending_again_three_times_an_hour(client: FlaskClient, asked: str) -> None:
    for _ in range(3):
        assert post(client, RESEND).status_code == 303
        assert "Le lien a été renvoyé" in client.get(PAGE).text
    post(client, RESEND)
    assert "réessayez dans une heure" in client.get(PAGE).text
    sent = secrets_sent()
    assert len(sent) == len(set(sent)) == 4
    assert [services.look_up_email_link(secret).state for secret in sent] == [LinkState.REPLACED] * 3 + [LinkState.USABLE], "the refusal took nothing away"
    answer = ask(client)
    assert answer.status_code == 422, "asking anew is no way round"
    assert "réessayez dans une heure" in answer.text and f'value="{NEW}"' in answer.text
    assert [template for _to, template, _words in mails()].count("email_change_asked") == 1
    assert ask(client, "autre@example.org").status_code == 303, "another address may still be right"
    alter("UPDATE access_link SET created_at = created_at - interval '61 minutes'")
    post(client, RESEND)
    assert len(secrets_sent()) == 6


def test_not_ten_addresses_an_hour(client: FlaskClient, db_session: Session) -> None:
    sign_in(client, "principal")
    for number in range(domain.MAX_EMAIL_LINKS_IN_ALL):
        assert ask(client, f"n{number}@example.org").status_code == 303
    assert ask(client, "onze@example.org").status_code == 422
    assert f"n{domain.MAX_EMAIL_LINKS_IN_ALL - 1}@example.org" in client.get(PAGE).text


def test_one_that_ran_out_is_said_for_some_days(client: FlaskClient, asked: str) -> None:
    shift = "UPDATE access_link SET created_at = created_at - interval '25 hours', expires_at = expires_at - interval '25 hours'"
    alter(shift)
    page = client.get(PAGE).text
    assert f"Le lien envoyé à {NEW} a expiré" in page and "Demander à nouveau" in page and "Renvoyer" not in page
    post(client, RESEND)
    assert "Plus aucun changement" in client.get(PAGE).text, "the password is asked again"
    assert len(secrets_sent()) == 1
    alter("UPDATE access_link SET created_at = created_at - interval '7 days', expires_at = expires_at - interval '7 days'")
    assert NEW not in client.get(PAGE).text
    assert ask(client).status_code == 303


def test_whose_address_is_kept_by_others(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("secondaire")
    for path in (RESEND, CANCEL):
        assert post(browser, path).status_code == 403
    for act in (services.resend_own_email, lambda user: services.ask_own_email(user, current=PASSWORD, email=NEW, ip=None)):
        with pytest.raises(services.AccountRefused):
            act(account("secondaire").id)
    assert mails() == []


# ---- the journal -------------------------------------------------------------------------------------------------------


def test_the_history_tells_it(client: FlaskClient, app: Flask, asked: str) -> None:
    confirm(app.test_client(), asked)
    with app.test_request_context():
        lines = history.read(Asked(account_id=account().id), before_id=None, size=20).lines
    said = [line.text for line in lines]
    assert f"Mme BLANC Paule a demandé l’adresse de courriel {NEW} pour Mme BLANC Paule : un lien y a été envoyé pour la confirmer." in [s.replace("\u00a0", " ").replace("\u202f", " ") for s in said]
    (changed,) = (line for line in lines if line.text == "Mme BLANC Paule a modifié l’adresse de courriel de Mme BLANC Paule.")
    assert [(old, new) for _label, old, new in changed.details] == [(OLD, NEW)]
    assert asked not in str(lines)


def test_deleting_the_account_forgets_the_address(db_session: Session) -> None:
    second = staff()
    services.ask_own_email(second, current=PASSWORD, email=NEW, ip=None)
    (secret,) = secrets_sent()
    services.delete_account(second, actor_id=account("admin").id)
    with bound_scope(Scope.system()):
        assert db_session.execute(select(AccessLink.wanted_email, AccessLink.revoked_at.is_not(None)).where(AccessLink.user_id == second)).one() == (None, True)
    assert services.look_up_email_link(secret).state is LinkState.CLOSED
    with pytest.raises(services.LinkUnusable) as refused:
        services.confirm_own_email(secret)
    assert refused.value.state is LinkState.CLOSED


def test_the_database_holds_one_change_an_account(asked: str) -> None:
    from sqlalchemy.exc import IntegrityError

    for values in ("'email', NULL", "'recovery', 'x@example.org'", "'email', 'x@example.org'"):
        with pytest.raises(IntegrityError), bound_scope(Scope.system()), transaction() as session:
            session.execute(
                text(
                    "INSERT INTO access_link (token_hash, user_id, purpose, wanted_email, created_at, expires_at)"
                    f" SELECT repeat('0', 64), id, {values}, now(), now() + interval '1 hour' FROM ab_user WHERE username = 'principal'"
                )
            )
