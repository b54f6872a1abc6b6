"""What is asked of one's own account while somebody else closes or renews it: the closing wins, whatever the order of commits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from app.accounts import authentication, passwords, services, sessions
from app.accounts.models import ApiToken, SecondFactor, User
from app.core import clock
from tests.accounts.helpers import PASSWORD, post, signed_in

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

NEW = "Trois-nuages-roses-58"


def id_of(session: Session, identifiant: str) -> int:
    return int(session.scalars(select(User.id).where(User.username == identifiant)).one())


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """``meanwhile(act)``: somebody else does ``act`` right after the password was found right."""

    def during(act: Callable[[], object]) -> None:
        usual = authentication.confirm

        def confirm(*args: Any, **kwargs: Any) -> bool:
            right = usual(*args, **kwargs)
            act()
            return right

        monkeypatch.setattr(authentication, "confirm", confirm)

    return during


def test_a_regeneration_outweighs_a_change_of_password_under_way(db_session: Session, meanwhile: Any) -> None:
    principal, secondary = id_of(db_session, "principal"), id_of(db_session, "secondaire")
    meanwhile(lambda: services.regenerate(secondary, actor_id=principal))
    with pytest.raises(services.AccountChanged):
        services.change_own_password(secondary, current=PASSWORD, new=NEW, token=None, ip=None)
    assert db_session.scalar(select(User.password).where(User.id == secondary)) is None


def test_a_closed_account_gets_no_token_and_no_factor(db_session: Session, meanwhile: Any) -> None:
    principal, secondary = id_of(db_session, "principal"), id_of(db_session, "secondaire")
    meanwhile(lambda: services.deactivate(secondary, actor_id=principal))
    with pytest.raises(services.AccountChanged):
        services.create_token(secondary, name="Essai", scopes=["compte:lecture"], days=30, networks=[], password=PASSWORD, ip=None)
    services.reactivate(secondary, actor_id=principal)
    with pytest.raises(services.AccountChanged):
        services.begin_second_factor(secondary, password=PASSWORD, token="t", ip=None)
    assert db_session.scalars(select(ApiToken).where(ApiToken.user_id == secondary)).all() == []
    assert db_session.get(SecondFactor, secondary) is None


def test_ending_the_others_does_not_revive_a_session_that_ended(db_session: Session) -> None:
    admin, principal = id_of(db_session, "admin"), id_of(db_session, "principal")
    epoch = db_session.scalar(select(User.session_epoch).where(User.id == principal))
    token = sessions.open_session(db_session, user_id=principal, epoch=epoch or 0, ip=None, user_agent=None)
    db_session.execute(User.__table__.update().where(User.id == principal).values(blocked_at=clock.now(), failed_attempts=3))
    services.end_other_sessions(principal, keep_token=token)
    services.unblock(principal, actor_id=admin)
    assert sessions.find(db_session, token) is None


def test_the_browser_is_sent_to_sign_in(as_user: Callable[[str], FlaskClient], db_session: Session, meanwhile: Any) -> None:
    principal, secondary = id_of(db_session, "principal"), id_of(db_session, "secondaire")
    browser = as_user("secondaire")
    meanwhile(lambda: services.regenerate(secondary, actor_id=principal))
    answer = post(browser, "/mon-compte/mot-de-passe", {"current": PASSWORD, "new": NEW, "confirmation": NEW})
    assert answer.status_code == 303 and answer.location.startswith("/connexion")
    assert not signed_in(browser)


def test_one_does_not_move_one_s_own_mailbox_from_the_console(as_user: Callable[[str], FlaskClient], db_session: Session) -> None:
    admin = id_of(db_session, "admin")
    browser = as_user("admin")
    form = {"civility": "MME", "last_name": "ROUSSEL", "first_name": "Claire", "email": "ailleurs@example.org"}
    assert post(browser, f"/comptes/{admin}/modifier", form).status_code in (303, 403, 409, 422)
    assert db_session.scalar(select(User.email).where(User.id == admin)) == "admin@example.org"


def test_a_newer_hash_of_the_same_password_ends_nothing(db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    secondary = id_of(db_session, "secondaire")
    token = services.create_token(secondary, name="Essai", scopes=["compte:lecture"], days=30, networks=[], password=PASSWORD, ip=None)
    monkeypatch.setattr(passwords, "needs_rehash", lambda _stored: True)
    before = db_session.scalar(select(User.password).where(User.id == secondary))
    found = authentication.sign_in("secondaire", PASSWORD, ip="192.0.2.9", user_agent=None)
    assert found is not None
    assert db_session.scalar(select(User.password).where(User.id == secondary)) != before
    live = db_session.scalars(select(ApiToken.revoked_at).where(ApiToken.token_hash == sessions.digest(token))).one()
    assert live is None
    services.set_password(secondary, NEW)
    assert db_session.scalars(select(ApiToken.revoked_at).where(ApiToken.token_hash == sessions.digest(token))).one() is not None
