"""Support looks through an account's eyes: read only, trainees left out, both names in the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.accounts.models import Observation, UserSession
from app.core import clock, rls, schema
from app.core.extensions import db
from app.core.tenancy import Scope, TenancyError, bound_scope
from tests.accounts.helpers import post
from tests.architecture.routes import ROUTES
from tests.architecture.test_routes import NOBODYS, SAME_ORIGIN, World, _rules, _token, _url, _world

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

AsUser = Callable[[str], "FlaskClient"]
schema.load_models()

HIDDEN_TABLES = ("trainee", "registration", "enrolment", "interruption", "enrolment_act", "identity_request", "wizard_draft", "mail_message", "outbox_message", "nir_reading", "access_link", "api_token",
    "situation_survey", "survey_reply", "survey_link", "survey_opt_out")
OWN_TABLES = ("action", "contract", "component", "organisation", "ab_user")


def number(session: Session, identifiant: str) -> int:
    with bound_scope(Scope.system()):
        return int(session.scalars(select(User.id).where(User.username == identifiant)).one())


@pytest.fixture
def observer(as_user: AsUser, db_session: Session) -> FlaskClient:
    """Support, looking through the eyes of the demonstration's principal."""
    browser = as_user("support")
    answer = post(browser, f"/observation/{number(db_session, 'principal')}", {"reason": "Appel de ce matin"})
    assert answer.status_code == 303, answer.text
    return browser


def test_the_pages_of_the_observed_account(observer: FlaskClient) -> None:
    page = observer.get("/gestion-organisme/fiche/").text
    for words in ("Vous regardez le portail comme Mme BLANC Paule (lecture seule)", "Terminer", "ORGANISME DE FORMATION GARONNE", "Ma fiche organisme"):
        assert words in page, words
    assert observer.get("/comptes/").status_code == 403, "support's own pages wait until the end"
    assert "23C00390257" in observer.get("/actions-de-formation/").text


def test_trainees_are_not_shown(observer: FlaskClient) -> None:
    answer = observer.get("/stagiaires/")
    assert answer.status_code == 403 and "Les données des stagiaires ne sont pas montrées à l’assistance" in answer.text
    assert "personnelle" in observer.get("/mon-compte/").text


def test_nothing_is_sent(observer: FlaskClient, db_session: Session) -> None:
    refused = post(observer, "/mon-compte/sessions/deconnecter")
    assert refused.status_code == 403 and "lecture seule" in refused.text
    assert post(observer, f"/gestion-organisme/comptes/{number(db_session, 'secondaire')}/debloquer").status_code == 403


def test_it_ends_and_is_written_down(observer: FlaskClient, db_session: Session, as_user: AsUser) -> None:
    ended = post(observer, "/observation/terminer")
    assert ended.status_code == 303
    assert "Vous regardez" not in observer.get("/").text and observer.get("/comptes/").status_code == 200
    with bound_scope(Scope.system()):
        row = db_session.scalars(select(Observation)).one()
        assert (row.observer_id, row.observed_id, row.reason) == (number(db_session, "support"), number(db_session, "principal"), "Appel de ce matin")
        assert row.ended_at is not None
        assert db_session.scalars(select(UserSession.observation_id).where(UserSession.observation_id.is_not(None))).all() == []
    page = as_user("principal").get("/gestion-organisme/historique/").text
    assert "Mme LECLERC Nadia a regardé le portail comme Mme BLANC Paule, en lecture seule. Motif : Appel de ce matin" in page


def test_signing_out_ends_it_too(observer: FlaskClient, db_session: Session) -> None:
    assert post(observer, "/deconnexion").status_code == 303
    with bound_scope(Scope.system()):
        assert db_session.scalars(select(Observation.ended_at)).one() is not None


def test_it_ends_by_itself(observer: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    later = clock.now() + timedelta(minutes=29)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert "Vous regardez" in observer.get("/").text
    later += timedelta(minutes=2)
    assert "Vous regardez" not in observer.get("/").text


def test_the_end_of_one_that_ran_out_is_written_down(observer: FlaskClient, db_session: Session, time_machine: Any) -> None:
    from app.accounts import domain, services

    assert services.close_overdue_observations() == 0
    time_machine.move_to(clock.now() + domain.OBSERVATION_LIFETIME + timedelta(minutes=3))
    assert services.close_overdue_observations() == 1
    assert services.close_overdue_observations() == 0
    watch = db_session.scalars(select(Observation).order_by(Observation.id.desc())).first()
    assert watch is not None and watch.ended_at == watch.started_at + domain.OBSERVATION_LIFETIME


def test_it_ends_when_the_account_is_closed(observer: FlaskClient, db_session: Session) -> None:
    db_session.execute(text("UPDATE ab_user SET blocked_at = now() WHERE username = 'principal'"))
    db_session.flush()
    assert "Vous regardez" not in observer.get("/").text


@pytest.mark.parametrize("target", ["admin", "region", "support"])
def test_never_the_region_nor_support(as_user: AsUser, db_session: Session, target: str) -> None:
    assert as_user("support").get(f"/observation/{number(db_session, target)}").status_code == 403


@pytest.mark.parametrize("who", ["admin", "region", "principal"])
def test_nobody_else_observes(as_user: AsUser, db_session: Session, who: str) -> None:
    assert as_user(who).get(f"/observation/{number(db_session, 'secondaire')}").status_code == 403


@pytest.mark.parametrize("reason", ["  ", "a", "appel"])
def test_a_reason_is_asked(as_user: AsUser, db_session: Session, reason: str) -> None:
    answer = post(as_user("support"), f"/observation/{number(db_session, 'principal')}", {"reason": reason})
    assert answer.status_code == 422 and "Dites pourquoi" in answer.text


def test_an_observer_that_observes_nobody_ends_nothing(as_user: AsUser) -> None:
    assert post(as_user("principal"), "/observation/terminer").status_code == 303


def test_the_limits_of_the_observed_account_hold(as_user: AsUser, db_session: Session) -> None:
    """A secondary account limited to one action is looked at with that action, and with what a delegation lends it."""
    numbers = list(
        db_session.scalars(text("SELECT a.number FROM action a JOIN ab_user u USING (organisation_id) WHERE u.username = 'secondaire' ORDER BY a.id"))
    )
    db_session.execute(text("UPDATE ab_user SET limited_to_actions = true WHERE username = 'secondaire'"))
    db_session.execute(
        text(
            "INSERT INTO action_access (organisation_id, user_id, action_id) SELECT u.organisation_id, u.id, a.id FROM ab_user u "
            "JOIN action a USING (organisation_id) WHERE u.username = 'secondaire' AND a.number = :number"
        ),
        {"number": numbers[0]},
    )
    browser = as_user("support")
    assert post(browser, f"/observation/{number(db_session, 'secondaire')}", {"reason": "Appel de ce matin"}).status_code == 303
    page = browser.get("/actions-de-formation/?size=100").text
    assert numbers[0] in page and not [one for one in numbers[1:] if f"{one}<" in page]
    assert browser.get("/gestion-organisme/comptes/").status_code == 403
    db_session.execute(
        text(
            "INSERT INTO delegation (organisation_id, delegator_id, delegate_id, starts_on, ends_on, created_at) SELECT p.organisation_id, p.id, s.id, "
            "current_date - 1, current_date + 1, now() FROM ab_user p, ab_user s WHERE p.username = 'principal' AND s.username = 'secondaire'"
        )
    )
    page = browser.get("/actions-de-formation/?size=100").text
    assert all(one in page for one in numbers)
    assert browser.get("/gestion-organisme/comptes/").status_code == 200


# ---- both walls ------------------------------------------------------------------------------------------------------


@pytest.fixture
def as_observer(db_session: Session) -> Iterator[int]:
    own = int(db_session.scalar(text("SELECT organisation_id FROM ab_user WHERE username = 'principal'")))
    with bound_scope(Scope.observer(own)):
        yield own


@pytest.mark.parametrize("table", HIDDEN_TABLES)
def test_raw_sql_shows_no_trainee(db_session: Session, as_observer: int, table: str) -> None:
    assert db_session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


@pytest.mark.parametrize("table", OWN_TABLES)
def test_raw_sql_shows_the_organisation_alone(db_session: Session, as_observer: int, table: str) -> None:
    key = "id" if table == "organisation" else "organisation_id"
    assert db_session.scalar(text(f"SELECT count(*) FROM {table} WHERE {key} = :own"), {"own": as_observer}) > 0
    assert db_session.scalar(text(f"SELECT count(*) FROM {table} WHERE {key} IS DISTINCT FROM :own"), {"own": as_observer}) == 0


def test_the_journal_shows_accounts_alone(db_session: Session, as_observer: int) -> None:
    shown = set(db_session.scalars(text("SELECT DISTINCT table_name FROM audit_entry")))
    assert shown and not shown & {"trainee", "registration", "enrolment"}


@pytest.mark.parametrize("table", sorted(table.name for table, _entity in rls.owned_tables()))
def test_an_observer_may_write_no_table(db_session: Session, table: str) -> None:
    held = db_session.scalar(text("SELECT has_table_privilege('portal_observer', :name, 'INSERT, UPDATE, DELETE, TRUNCATE')"), {"name": table})
    assert held is False


def test_the_database_refuses_a_write(db_session: Session, as_observer: int) -> None:
    with pytest.raises(DBAPIError, match="permission denied"), db_session.begin_nested():
        db_session.execute(text("UPDATE organisation SET legal_name = 'X'"))


def test_the_session_refuses_a_write(db_session: Session, as_observer: int) -> None:
    from app.actions.models import Action

    action = db_session.scalars(select(Action)).first()
    assert action is not None
    action.title = "Autre"
    with pytest.raises(TenancyError):
        db_session.flush()
    db_session.expire_all()


def test_the_first_wall_alone(db_session: Session, as_observer: int) -> None:
    from app.trainees.models import Trainee

    assert db_session.scalars(select(Trainee)).all() == []


# ---- every route -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_route_as_an_observer(app: Flask, observer: FlaskClient, db_session: Session) -> None:
    """No page fails, none shows a trainee, nothing but the end and the sign-out is accepted."""
    with bound_scope(Scope.system()):
        found: World = _world(lambda statement: db.session.scalar(text(statement)))
        names = set(db_session.scalars(text("SELECT birth_name FROM trainee")))
    token = _token(observer)
    wrong: list[str] = []
    seen = 0
    for rule, method in _rules(app):
        route = ROUTES[rule.endpoint]
        if rule.endpoint in ("ObservationView.end", "SignInView.logout", "csp.report", "ui.search", "ui.narrowed") or (route.public and method == "GET"):
            continue
        url = _url(app, rule, {name: NOBODYS if value is None else value for name, value in found.arguments(rule).items()})
        options: dict[str, Any] = {} if method == "GET" else {"data": {"csrf_token": token}, "headers": SAME_ORIGIN}
        answer = observer.open(url, method=method, **options)
        seen += 1
        refused = 401 if rule.endpoint.startswith("api_v1.") else 403  # the interface knows tokens alone, not who is signed in
        if answer.status_code >= 500 or (method != "GET" and answer.status_code != refused):
            wrong.append(f"{method} {url} → {answer.status_code}")
        if answer.status_code == 200 and any(name in answer.get_data().decode(errors="replace") for name in names):
            wrong.append(f"{method} {url} shows a trainee")
    assert not wrong, "\n".join(wrong)
    assert seen > 150
