"""The opening wizard: the right date in one click, and what the second of two people reads (guide 003 §1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.actions import services
from app.actions.domain import ActionStatus, BillingPeriod, DeclarationFrequency
from app.actions.models import Action
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.ui.format import fr_long_date
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_enrolment
from tests.requests.helpers import account, day
from tests.requests.test_screens import fr, hidden, plain

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    AsUser = Callable[[str], FlaskClient]


def wizard(action_id: int) -> str:
    return f"/actions-de-formation/{action_id}/ouverture"


def test_the_right_date_goes_in_with_one_click(as_user: AsUser) -> None:
    """A plain button of the form: it replaces the date typed, keeps the rest and goes on."""
    action = make_action()
    make_enrolment(action, entered=4)
    browser = as_user("principal")
    detail = f"{wizard(action.id)}/detail"
    assert 'name="date_premiere_entree"' not in browser.get(detail).text
    typed = {"actual_start": fr(day(-2)), "declaration_frequency": "weekly", "billing_period": "end"}
    wrong = post(browser, detail, typed)
    assert wrong.status_code == 422
    assert f"Mettre le {fr_long_date(day(-4))} et continuer" in plain(wrong.text).replace("\u00a0", " ")
    assert f'value="{fr(day(-2))}"' in wrong.text
    answer = post(browser, detail, typed | {"date_premiere_entree": "1"})
    assert answer.headers["Location"].endswith("/recapitulatif")
    recap = browser.get(answer.headers["Location"]).text
    assert fr(day(-4)) in recap and "Hebdomadaire" in recap
    form = {name: hidden(recap, name) for name in ("wizard_token", "wizard_shown")}
    assert post(browser, f"{wizard(action.id)}/recapitulatif", form).status_code == 302
    db.session.expire_all()
    opened = db.session.get_one(Action, action.id)
    assert (opened.status, opened.actual_start, opened.declaration_frequency) == (ActionStatus.RUNNING, day(-4), "weekly")


def test_the_button_cannot_invent_a_date(as_user: AsUser) -> None:
    """Nobody entered: there is no date to put in."""
    action = make_action()
    answer = post(as_user("principal"), f"{wizard(action.id)}/detail", {"actual_start": fr(day(-2)), "date_premiere_entree": "1"})
    assert answer.status_code == 422


def test_the_second_to_open_reads_who_opened_and_with_what(as_user: AsUser) -> None:
    action = make_action()
    make_enrolment(action, entered=4)
    browser = as_user("principal")
    typed = {"actual_start": fr(day(-4)), "declaration_frequency": "quarterly", "billing_period": "end"}
    assert post(browser, f"{wizard(action.id)}/detail", typed).status_code == 302
    recap = browser.get(f"{wizard(action.id)}/recapitulatif").text
    with bound_scope(Scope.organisation(action.organisation_id), actor_id=account("secondaire")):
        services.open_action(action.id, services.Opening(day(-4), DeclarationFrequency.MONTHLY, BillingPeriod.QUARTERLY))
    form = {name: hidden(recap, name) for name in ("wizard_token", "wizard_shown")}
    page = plain(post(browser, f"{wizard(action.id)}/recapitulatif", form, follow_redirects=True).text)
    assert "Karim MOREAU a ouvert l’action le" in page
    assert f"Date de début réelle : {fr_long_date(day(-4))} ; fréquence de déclaration : mensuelle" in page.replace("\u00a0", " ")
    assert "Ce que vous aviez saisi n’a pas été gardé" in page
    # somebody who had typed nothing is not told that anything was lost
    page = plain(as_user("secondaire").get(f"{wizard(action.id)}/", follow_redirects=True).text)
    assert "Ce que vous aviez saisi" not in page
