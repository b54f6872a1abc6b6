"""The tabs « Déclarations » and « Factures » of an action: every state says what there is, and what comes first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, select, text

from app.accounts.seeds import ORGANISATION_B
from app.actions import queries, services
from app.actions.domain import BillingPeriod, DeclarationFrequency
from app.actions.models import Action, AdvanceInvoiceRequest, Component
from app.core import clock
from app.core.ui.format import fr_datetime, fr_long_date
from app.trainees.services.enrolment import enrol
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_enrolment, make_finished, make_registration, plan_of, statements
from tests.requests.test_screens import plain

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]


def raw(browser: FlaskClient, action: Action, name: str) -> str:
    answer = browser.get(f"/actions-de-formation/{action.id}/{name}")
    assert answer.status_code == 200
    return str(answer.text)


def opened() -> Action:
    action = make_action()
    make_enrolment(action)
    services.open_action(action.id, services.Opening(clock.today() - timedelta(days=4), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))
    return action


def shown(moment: object) -> str:
    return fr_datetime(moment).replace("\u00a0", " ").replace("\u202f", " ")  # type: ignore[arg-type]


def declare_link(action: Action) -> str:
    return f'href="/actions-de-formation/{action.id}/fin"'


# ---- « Déclarations » ------------------------------------------------------------------------------------------------


def test_before_the_opening_one_is_told_to_open_first(as_user: AsUser) -> None:
    action = make_action()
    page = raw(as_user("principal"), action, "declarations")
    assert "celle-ci doit d’abord être ouverte" in plain(page)
    assert "Aucun stagiaire n’est encore inscrit" in plain(page)
    assert f'href="/stagiaires/action/{action.id}/enregistrement/"' in page
    assert "Aucune déclaration pour l’instant" in page
    assert f"<title>{action.number} – Déclarations" in page
    assert declare_link(action) not in page


def test_what_is_missing_is_listed_with_links(as_user: AsUser) -> None:
    action = opened()
    for account in ("principal", "region", "admin"):
        page = raw(as_user(account), action, "declarations")
        assert "« Déclarer l’action terminée » n’est pas encore possible" in plain(page), account
        assert f'href="/stagiaires/action/{action.id}?a_faire=sans-sortie"' in page, account
        assert declare_link(action) not in page, account


def test_it_can_be_declared_by_who_may(as_user: AsUser) -> None:
    action = make_finished()
    page = raw(as_user("principal"), action, "declarations")
    assert "L’action peut maintenant être déclarée terminée" in plain(page)
    assert declare_link(action) in page
    for account in ("region", "admin"):
        page = raw(as_user(account), action, "declarations")
        assert "l’organisme de formation peut la déclarer terminée" in plain(page), account
        assert declare_link(action) not in page, account


def test_declared_then_withdrawn_then_declared_again(as_user: AsUser, db_session: Session) -> None:
    action = make_finished()
    browser = as_user("principal")
    assert post(browser, f"/actions-de-formation/{action.id}/fin").status_code == 302
    first = queries.declaration_of(action.id)
    assert first is not None
    page = plain(raw(browser, action, "declarations"))
    assert f"Déclarée terminée le {fr_long_date(first.declared_at)}" in page
    assert shown(first.declared_at) in page
    assert "Retirée le" in page and "BLANC" in page.partition("Retirée le")[2]
    assert "il n’y a plus rien à déclarer" in page
    assert "Une déclaration tombe d’elle-même" not in page

    component = db_session.scalars(select(Component).where(Component.action_id == action.id)).one()
    enrol(make_registration(action, name="NOUVELLE"), component.id, plan_of(component))
    db_session.expire_all()
    withdrawn = queries.declarations_of(action.id)[0].withdrawn_at
    assert withdrawn is not None
    page = plain(raw(browser, action, "declarations"))
    assert "n’est pas encore possible" in page
    assert "Une déclaration tombe d’elle-même" in page
    assert shown(withdrawn) in page
    db_session.execute(
        text("INSERT INTO finish_declaration (organisation_id, action_id, declared_at, declared_by_name) VALUES (:org, :id, :at, 'Mme DEUXIÈME')"),
        {"org": action.organisation_id, "id": action.id, "at": clock.now() + timedelta(days=1)},
    )
    page = plain(raw(browser, action, "declarations")).partition("Retirée le")[2]
    assert 0 <= page.find("Mme DEUXIÈME") < page.find("BLANC")  # latest first


def test_the_establishment_asks_for_the_closing_from_there(as_user: AsUser) -> None:
    action = make_finished(programme="FORPROSUP")
    services.declare_finished(action.id)
    page = raw(as_user("principal"), action, "declarations")
    assert "L’établissement peut aussi demander à la Région" in plain(page)
    assert declare_link(action) in page
    services.declare_finished(action.id, ask_closing=True)
    declaration = queries.declaration_of(action.id)
    assert declaration is not None
    page = raw(as_user("principal"), action, "declarations")
    assert declare_link(action) not in page
    assert shown(declaration.closing_asked_at) in plain(page)


@pytest.mark.parametrize("declared", [True, False])
def test_a_closed_action_says_whether_its_end_was_declared(as_user: AsUser, declared: bool) -> None:
    action = make_finished()
    if declared:
        services.declare_finished(action.id)
    services.close_action(action.id)
    page = plain(raw(as_user("principal"), action, "declarations"))
    assert "L’action est clôturée" in page
    assert ("Déclarée terminée le" in page) is declared
    assert ("n’a jamais été déclarée" in page) is not declared


# ---- « Factures » ----------------------------------------------------------------------------------------------------


def test_the_opening_asks_for_the_advance_invoice_and_says_what_blocks_it(as_user: AsUser) -> None:
    action = make_action()
    browser = as_user("principal")
    page = raw(browser, action, "factures")
    assert "L’ouverture de l’action demande la facture d’avance." in plain(page)
    assert "Aucun stagiaire n’est encore inscrit" in plain(page)
    assert f'href="/stagiaires/action/{action.id}/enregistrement/"' in page
    assert "/enregistrement/" not in raw(as_user("region"), action, "factures")
    make_registration(action)
    assert f'href="/stagiaires/action/{action.id}?a_faire=sans-inscription"' in raw(browser, action, "factures")


def test_an_action_that_can_be_opened_is_opened_from_there(as_user: AsUser) -> None:
    action = make_action()
    make_enrolment(action)
    link = f'href="/actions-de-formation/{action.id}/ouverture/"'
    assert link in raw(as_user("principal"), action, "factures")
    page = raw(as_user("region"), action, "factures")
    assert "l’organisme de formation peut ouvrir l’action" in plain(page)
    assert link not in page


def test_the_request_of_the_opening_is_told(as_user: AsUser, db_session: Session) -> None:
    action = opened()
    requested = queries.advance_requested_at(action.id)
    assert requested is not None
    page = plain(raw(as_user("principal"), action, "factures"))
    assert "Facture d’avance" in page
    assert shown(requested) in page
    assert "l’ouverture de l’action" in page
    assert "n’est pas encore possible" not in page
    assert "€" not in page
    db_session.execute(
        text("UPDATE action_history SET actor_name = 'Mme OUVRE' WHERE action_id = :id AND event = 'open'"), {"id": action.id}
    )
    db_session.expire_all()
    assert "l’ouverture de l’action, par Mme OUVRE" in plain(raw(as_user("principal"), action, "factures"))


def test_nothing_is_invented(as_user: AsUser, db_session: Session) -> None:
    """An action opened elsewhere has no request; a cancelled one never will."""
    action = opened()
    db_session.execute(delete(AdvanceInvoiceRequest).where(AdvanceInvoiceRequest.action_id == action.id))
    assert "Aucune demande de facture d’avance" in plain(raw(as_user("principal"), action, "factures"))
    cancelled = make_action()
    cancelled.status = "AN"
    db_session.flush()
    assert "annulée avant son ouverture" in plain(raw(as_user("principal"), cancelled, "factures"))
    assert "Il n’y a rien à déclarer" in plain(raw(as_user("principal"), cancelled, "declarations"))


# ---- both ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["declarations", "factures"])
def test_of_another_organisation_or_not_given_nothing_is_found(as_user: AsUser, db_session: Session, name: str) -> None:
    other, mine = make_action(siret=ORGANISATION_B), make_action()
    assert as_user("principal").get(f"/actions-de-formation/{other.id}/{name}").status_code == 404
    db_session.execute(text("UPDATE ab_user SET limited_to_actions = true WHERE username = 'secondaire'"))
    assert as_user("secondaire").get(f"/actions-de-formation/{mine.id}/{name}").status_code == 404


@pytest.mark.parametrize("name", ["declarations", "factures"])
def test_few_statements(as_user: AsUser, name: str) -> None:
    actions = [make_action(), opened(), make_finished()]
    services.declare_finished(actions[-1].id)
    browser = as_user("principal")
    raw(browser, actions[0], name)
    for action in actions:
        with statements() as sent:
            raw(browser, action, name)
        assert len(sent) <= 14, sent


@pytest.mark.parametrize("name", ["declarations", "factures"])
def test_who_observes_is_told_nothing_that_depends_on_trainees(as_user: AsUser, db_session: Session, name: str) -> None:
    """Row-level security shows an observer no trainee: saying that nobody is enrolled would be false."""
    action = make_action()
    make_enrolment(action)
    observed = db_session.scalar(text("SELECT id FROM ab_user WHERE username = 'principal'"))
    observer = as_user("support")
    assert post(observer, f"/observation/{observed}", {"reason": "Appel de ce matin"}).status_code == 303
    page = plain(raw(observer, action, name))
    assert "Aucun stagiaire" not in page
    assert "ne sont pas montrées à l’assistance" in page
