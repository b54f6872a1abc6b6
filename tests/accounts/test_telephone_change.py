"""Another telephone for the second factor: who may begin and finish it, what outweighs it, what it is told and kept of it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from app.accounts import authentication, services
from app.accounts.access import domain as access
from app.accounts.access import factor
from app.accounts.access import queries as access_queries
from app.accounts.models import SecondFactor, User
from app.core import clock, crypto, rotation
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import PASSWORD, WRONG, post, sign_in, signed_in
from tests.accounts.test_second_factor import code, give, id_of, mails, staff_must, turn_on, wrong_code

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

__all__ = ["staff_must"]
AsUser = Callable[[str], "FlaskClient"]


def move(browser: FlaskClient, typed: str) -> str:
    """Through the pages, up to the secret of the new telephone."""
    answer = post(browser, "/mon-compte/second-facteur/telephone", {"current": PASSWORD, "otp": typed})
    assert (answer.status_code, answer.location) == (303, "/mon-compte/second-facteur/configurer"), answer.text
    page = browser.get(answer.location).text
    assert "Utiliser ce téléphone" in page
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", page)
    assert found is not None
    return found.group(1).replace(" ", "")


@pytest.mark.usefixtures("staff_must")
def test_a_new_telephone_takes_over_with_its_first_code(app: Flask, as_user: AsUser, client: FlaskClient, db_session: Session) -> None:
    """Also where the factor is mandatory, and with a recovery code when the former telephone is lost."""
    former, codes = turn_on("admin")
    browser, other = as_user("admin"), as_user("admin")
    page = browser.get("/mon-compte/").text
    assert "Changer de téléphone" in page
    latter = move(browser, codes[0])
    assert latter != former
    refused = post(browser, "/mon-compte/second-facteur/configurer", {"otp": wrong_code(latter)})
    assert refused.status_code == 422
    assert refused.headers["Cache-Control"] == "no-store"
    sign_in(client, "admin")
    assert give(client, code(latter)).status_code == 422, "the new one does not count yet"
    assert give(client, code(former)).status_code == 303, "the former one does"
    used = code(latter)  # the next one, half a minute later, would be good
    answer = post(browser, "/mon-compte/second-facteur/configurer", {"otp": used})
    assert (answer.status_code, answer.location) == (303, "/mon-compte/#second-facteur")
    assert signed_in(browser)
    assert not signed_in(other)
    assert "telephone_changed" in mails(db_session)
    assert ">9<" in browser.get("/mon-compte/").text, "recovery codes stay"
    again = app.test_client()
    sign_in(again, "admin")
    assert give(again, code(former, 1)).status_code == 422
    assert give(again, used).status_code == 422, "a code is good once"
    assert give(again, code(latter, 1)).status_code == 303
    assert browser.get("/mon-compte/second-facteur/configurer").location == "/mon-compte/#second-facteur"
    told = browser.get("/comptes/historique/").text
    assert "a changé le téléphone de son second facteur" in told


def test_a_new_telephone_asks_password_and_code(as_user: AsUser, db_session: Session) -> None:
    secret, _codes = turn_on("secondaire")
    browser = as_user("secondaire")
    for given in ({"current": WRONG, "otp": code(secret)}, {"current": PASSWORD, "otp": wrong_code(secret)}):
        assert post(browser, "/mon-compte/second-facteur/telephone", given).status_code == 422
    assert access_queries.setup_of(id_of("secondaire"), "secondaire", token="t") is None
    with pytest.raises(services.FactorNotOn):
        services.finish_telephone_change(id_of("secondaire"), code(secret), token=None)
    free = as_user("principal")
    assert post(free, "/mon-compte/second-facteur/telephone", {"current": PASSWORD, "otp": "123456"}).location == "/mon-compte/#second-facteur"


def test_the_secret_of_a_new_telephone_does_not_wait_for_ever(as_user: AsUser, db_session: Session) -> None:
    former, _codes = turn_on("secondaire")
    browser = as_user("secondaire")
    latter = move(browser, code(former))
    with bound_scope(Scope.system()), transaction():
        db_session.execute(update(SecondFactor).values(next_created_at=SecondFactor.next_created_at - access.SETUP_LIFETIME))
    assert post(browser, "/mon-compte/second-facteur/configurer", {"otp": code(latter)}).location == "/mon-compte/#second-facteur"
    assert "n’est plus valable" in browser.get("/mon-compte/").text
    with bound_scope(Scope.system()):
        row = db_session.scalars(select(SecondFactor).execution_options(populate_existing=True)).one()
        assert factor.reveal(row) == former


# ---- whose it is -------------------------------------------------------------------------------------------------------


def session_of(identifiant: str) -> str:
    """The secret of a session opened with the password, before there is a factor."""
    done = authentication.sign_in(identifiant, PASSWORD, ip="192.0.2.1", user_agent=None)
    assert done is not None
    assert not done.code_asked
    return done.token


def begun(identifiant: str) -> tuple[str, str, str]:
    """(session, present secret, secret of the new telephone) of a change under way."""
    token = session_of(identifiant)
    secret, _codes = turn_on(identifiant)
    services.begin_telephone_change(id_of(identifiant), password=PASSWORD, code=code(secret), token=token, ip=None)
    with bound_scope(Scope.system()):
        row = db.session.get(SecondFactor, id_of(identifiant), populate_existing=True)
        assert row is not None
        return token, secret, factor.reveal_next(row)


def kept_secret() -> str:
    with bound_scope(Scope.system()):
        return factor.reveal(db.session.scalars(select(SecondFactor).execution_options(populate_existing=True)).one())


def test_another_session_is_not_shown_the_key(as_user: AsUser, db_session: Session) -> None:
    """Whoever sits at a computer left open, or copied a cookie, has neither password nor code."""
    former, _codes = turn_on("secondaire")
    holder, thief = as_user("secondaire"), as_user("secondaire")
    latter = move(holder, code(former))
    for path in ("/mon-compte/second-facteur/configurer", "/mon-compte/second-facteur/qr.svg"):
        answer = thief.get(path)
        assert answer.status_code == 303
        assert latter not in answer.text
    assert post(thief, "/mon-compte/second-facteur/configurer", {"otp": code(latter)}).status_code == 303
    assert kept_secret() == former
    assert signed_in(holder)


def test_another_session_does_not_finish_a_first_telephone(as_user: AsUser, db_session: Session) -> None:
    holder, thief = as_user("secondaire"), as_user("secondaire")
    post(holder, "/mon-compte/second-facteur/activer", {"current": PASSWORD})
    assert "<code>" in holder.get("/mon-compte/second-facteur/configurer").text
    assert thief.get("/mon-compte/second-facteur/configurer").location == "/mon-compte/second-facteur/activer"
    secret = kept_secret()
    assert post(thief, "/mon-compte/second-facteur/configurer", {"otp": code(secret)}).location == "/mon-compte/second-facteur/activer"
    assert access_queries.factor_of(id_of("secondaire")).since is None


def close(act: str, number: int) -> None:
    if act == "block":
        with bound_scope(Scope.system()), transaction() as session:
            session.execute(update(User).where(User.id == number).values(blocked_at=clock.now(), failed_attempts=3))
    elif act == "password":
        services.set_password(number, "Trois-nuages-roses-58")
    else:
        getattr(services, act)(number, actor_id=id_of("principal"))


@pytest.mark.parametrize("act", ["deactivate", "regenerate", "block", "password"])
def test_what_closes_the_account_outweighs_a_change_under_way(app: Flask, db_session: Session, act: str) -> None:
    with app.test_request_context():
        token, secret, latter = begun("secondaire")
        close(act, id_of("secondaire"))
        with pytest.raises(services.FactorNotOn):
            services.finish_telephone_change(id_of("secondaire"), code(latter), token=token)
        assert kept_secret() == secret


@pytest.mark.parametrize("act", ["deactivate", "regenerate", "block", "password"])
def test_what_closes_the_account_outweighs_a_first_telephone(app: Flask, db_session: Session, act: str) -> None:
    with app.test_request_context():
        token = session_of("secondaire")
        services.begin_second_factor(id_of("secondaire"), password=PASSWORD, token=token, ip=None)
        secret = kept_secret()
        close(act, id_of("secondaire"))
        with pytest.raises(services.FactorNotOn):
            services.activate_second_factor(id_of("secondaire"), code(secret), token=token)


# ---- tries, and what is told ---------------------------------------------------------------------------------------------


def test_session_and_password_buy_no_guesses_at_the_code(as_user: AsUser, db_session: Session) -> None:
    secret, _codes = turn_on("secondaire")
    browser = as_user("secondaire")
    wrong = 0
    for _round in range(5):
        for _try in range(2):
            if signed_in(browser):
                post(browser, "/mon-compte/second-facteur/telephone", {"current": PASSWORD, "otp": wrong_code(secret)})
                wrong += 1
        for path in ("/mon-compte/second-facteur/activer", "/mon-compte/email"):
            post(browser, path, {"current": PASSWORD, "email": "m@example.org"})
    assert wrong == 3
    assert not signed_in(browser)


def test_the_holder_is_told_of_a_recovery_code_wherever_it_is_used(as_user: AsUser, db_session: Session) -> None:
    _secret, codes = turn_on("secondaire")
    move(as_user("secondaire"), codes[0])
    assert mails(db_session) == ["recovery_code_used"]
    assert "a commencé à changer le téléphone de son second facteur" in as_user("region").get("/comptes/historique/").text


def test_a_key_that_waited_too_long_is_forgotten(app: Flask, as_user: AsUser, db_session: Session) -> None:
    from app.accounts import jobs

    with app.test_request_context():
        _token, secret, _latter = begun("secondaire")
    assert services.forget_unfinished() == 0
    with bound_scope(Scope.system()), transaction():
        db_session.execute(update(SecondFactor).values(next_created_at=SecondFactor.next_created_at - access.SETUP_LIFETIME))
    jobs.purge_sign_in_data()
    with bound_scope(Scope.system()):
        row = db_session.scalars(select(SecondFactor).execution_options(populate_existing=True)).one()
        assert (row.next_secret, row.next_created_at, row.begun_by) == (None, None, None)
    assert kept_secret() == secret
    assert "n’a pas terminé le changement de téléphone" in as_user("region").get("/comptes/historique/").text


def test_the_key_under_way_follows_a_change_of_key(app: Flask, db_session: Session) -> None:
    from config import _test_key

    before = app.config["NIR_KEYS"]
    with app.test_request_context():
        token, _secret, latter = begun("secondaire")
        try:
            app.config["NIR_KEYS"] = f"k9:{_test_key(9)},{before}"
            app.extensions.pop("portal_cipher", None)
            assert dict(rotation.rotate())["second_factor.next_secret"] == 1
            with bound_scope(Scope.system()):
                row = db_session.scalars(select(SecondFactor).execution_options(populate_existing=True)).one()
                assert crypto.key_id_of(bytes(row.next_secret)) == "k9"
            services.finish_telephone_change(id_of("secondaire"), code(latter), token=token)
            assert kept_secret() == latter
        finally:
            app.config["NIR_KEYS"] = before
            app.extensions.pop("portal_cipher", None)


# ---- against other acts at the same moment ---------------------------------------------------------------------------------


def meanwhile(app: Flask, monkeypatch: pytest.MonkeyPatch, first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """Results or errors of ``first``, which is slow once it has accepted a code, and of ``second``, which begins at that moment."""
    accepted, real = threading.Event(), factor.accept

    def slow(*given: Any) -> Any:
        kind = real(*given)
        accepted.set()
        time.sleep(0.7)  # long enough for the other one to take what it needs
        return kind

    monkeypatch.setattr(factor, "accept", slow)
    results: list[Any] = [None, None]

    def run(place: int, act: Callable[[], Any]) -> None:
        with app.app_context():
            try:
                if place:
                    assert accepted.wait(20)
                results[place] = act()
            except Exception as error:
                results[place] = error
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate((first, second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("act", ["deactivate", "regenerate"])
def test_a_code_and_a_closing_make_no_circle(committed: Flask, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    with committed.app_context():
        _secret, codes = turn_on("secondaire")
        number, principal = id_of("secondaire"), id_of("principal")
        done = authentication.sign_in("secondaire", PASSWORD, ip="192.0.2.1", user_agent=None)
        assert done is not None
    signed, closed = meanwhile(
        committed,
        monkeypatch,
        lambda: authentication.give_code(done.token, codes[0], ip="192.0.2.1", user_agent=None),
        lambda: getattr(services, act)(number, actor_id=principal),
    )
    assert isinstance(signed, authentication.SignedIn)
    assert isinstance(closed, User), closed
    with committed.app_context():
        assert authentication.sign_in("secondaire", PASSWORD, ip="192.0.2.1", user_agent=None) is None


def test_a_change_of_telephone_and_a_removal_make_no_circle(committed: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with committed.app_context():
        secret, _codes = turn_on("secondaire")
        number, admin = id_of("secondaire"), id_of("admin")
    begun_, removed = meanwhile(
        committed,
        monkeypatch,
        lambda: services.begin_telephone_change(number, password=PASSWORD, code=code(secret), token="t", ip="192.0.2.1"),
        lambda: services.reset_second_factor(number, actor_id=admin),
    )
    assert begun_ is None or isinstance(begun_, services.FactorNotOn | services.AccountChanged), begun_
    assert isinstance(removed, User), removed


def test_the_former_telephone_signs_in_while_the_new_one_takes_over(committed: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with committed.app_context(), committed.test_request_context():
        token, secret, latter = begun("secondaire")
        number = id_of("secondaire")
        done = authentication.sign_in("secondaire", PASSWORD, ip="192.0.2.1", user_agent=None)
        assert done is not None
        db.session.remove()
    _signed, finished = meanwhile(
        committed,
        monkeypatch,
        lambda: authentication.give_code(done.token, code(secret, 1), ip="192.0.2.1", user_agent=None),
        lambda: services.finish_telephone_change(number, code(latter), token=token),
    )
    assert finished is None
    with committed.app_context():
        assert kept_secret() == latter
