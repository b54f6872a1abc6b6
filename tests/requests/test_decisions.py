"""Decisions that look further than the request: an amendment number out of place, colleagues on the same page, the end of the action."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from app.actions import services as actions
from app.actions.domain import ActionStatus, MissingKind, ReasonCode
from app.actions.models import Action
from app.core.extensions import db
from app.requests import services
from app.requests.domain import Field, Key, ObstacleCode, RequestEvent, RequestKind, RequestState, Target
from tests.accounts.helpers import post
from tests.actions.helpers import make_finished
from tests.requests.helpers import END, ask, components, day, decision, open_action, reread
from tests.requests.test_market import in_force
from tests.requests.test_screens import follow_up, fr, hidden, plain, wizard

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]


def show(request_id: int) -> str:
    return f"/demandes-de-modification/{request_id}"


@pytest.mark.parametrize("event", [RequestEvent.ASK_CORRECTION, RequestEvent.REFUSE])
def test_an_amendment_number_is_not_dropped_without_a_word(as_user: AsUser, event: RequestEvent) -> None:
    request_id = ask(open_action())
    browser = as_user("region")
    page = browser.get(show(request_id)).text
    form = {"decision": event.value, "version": hidden(page, "version"), "observations": "Précisez.", "amendment_number": "AV-12"}
    answer = post(browser, f"{show(request_id)}/decision", form)
    assert answer.status_code == 422
    beside = plain("<main>" + answer.text.partition('id="amendment_number-error"')[2].partition("</p>")[0] + "</main>")
    assert "Un numéro d’avenant accompagne une validation" in beside
    assert 'value="AV-12"' in answer.text
    with pytest.raises(services.Blocked) as blocked:
        services.decide(request_id, decision(event, request_id, observations="Non.", amendment_number="AV-12"))
    assert [one.code for one in blocked.value.obstacles] == [ObstacleCode.AMENDMENT_UNDUE]
    assert post(browser, f"{show(request_id)}/decision", form | {"amendment_number": ""}).status_code == 302


def test_validators_see_one_another(as_user: AsUser) -> None:
    request_id = ask(open_action())
    first, second = as_user("region"), as_user("admin")
    assert "examine cette demande" not in plain(first.get(show(request_id)).text)
    page = second.get(show(request_id)).text
    assert "FABRE" in plain(page).partition("examine cette demande")[0] and "examine cette demande depuis" in plain(page)
    assert "La première décision compte." in plain(page) and "modifié le même" not in plain(page)
    # on the page with its errors too
    refused = post(second, f"{show(request_id)}/decision", {"decision": "refuse", "version": hidden(page, "version"), "row_page": hidden(page, "row_page")})
    assert refused.status_code == 422
    assert "examine cette demande depuis" in plain(refused.text)
    assert "examine cette demande" not in plain(as_user("principal").get(show(request_id)).text)  # who decides nothing has nothing to disturb


def test_rules_that_change_meanwhile_are_named(as_user: AsUser, db_session: Session) -> None:
    """The data are the same, what becomes of the request is not."""
    action = open_action()
    browser = as_user("principal")
    first = components(action.id)[0]
    values = {"action_planned_end": fr(day(END + 10)), f"c{first.id}_planned_end": fr(day(END + 10))}
    assert post(browser, f"{wizard(action.id)}/valeurs", values).status_code == 302
    recap = browser.get(f"{wizard(action.id)}/recapitulatif").text
    in_force({"kind": "dates", "field": "planned_end", "direction": "up", "days_at_most": 15, "outcome": "record"})
    form = {name: hidden(recap, name) for name in ("wizard_token", "wizard_shown", "changements")} | {"motivation": "Un peu plus."}
    answer = post(browser, f"{wizard(action.id)}/recapitulatif", form)
    assert answer.status_code == 422
    said = plain(answer.text)
    assert "Les règles du marché ont changé" in said
    assert "Les données de l’action ont changé" not in said


# ---- the end of the action --------------------------------------------------------------------------------------------


def ended(action: Action) -> dict[Key, object]:
    return {Key(Target.ACTION, action.id, Field.PLANNED_END): day(END + 30)}


def waiting(action: Action) -> int:
    return services.send(action.id, RequestKind.DATES, services.Asked(ended(action), "Un mois de plus."))  # type: ignore[arg-type]


def test_a_waiting_request_bars_the_end(as_user: AsUser) -> None:
    """Declared finished nor closed; the pages name it and lead to it; decided, both are possible."""
    action = make_finished()
    request_id = waiting(action)
    for act in (lambda: actions.declare_finished(action.id), lambda: actions.close_action(action.id)):
        with pytest.raises(actions.Refused):
            act()
    with pytest.raises(actions.Refused) as refused:
        actions.close_action(action.id)
    assert [reason.code for reason in refused.value.reasons] == [ReasonCode.REQUESTS_WAIT]
    for account, page in (("principal", "fin"), ("region", "cloture"), ("region", ""), ("principal", "")):
        text_of = as_user(account).get(f"/actions-de-formation/{action.id}/{page}".rstrip("/")).text
        assert "1 demande de modification sans réponse" in plain(text_of), (account, page)
        assert f'href="{show(request_id)}"' in text_of
        assert "Rien ne manque" not in plain(text_of)
    services.decide(request_id, decision(RequestEvent.REFUSE, request_id, observations="Non."))
    assert actions.declare_finished(action.id)
    assert actions.close_action(action.id)


def test_a_request_takes_the_declaration_back(as_user: AsUser) -> None:
    """Something is missing again: said to who sends it, and in the history."""
    action = make_finished()
    assert actions.declare_finished(action.id)
    browser = as_user("principal")
    assert post(browser, f"{wizard(action.id)}/valeurs", {"action_planned_end": fr(day(END + 30))}).status_code == 302
    recap = browser.get(f"{wizard(action.id)}/recapitulatif").text
    form = {name: hidden(recap, name) for name in ("wizard_token", "wizard_shown", "changements")} | {"motivation": "Un mois de plus."}
    answer = post(browser, f"{wizard(action.id)}/recapitulatif", form)
    assert "L’action n’est plus déclarée terminée" in plain(browser.get(answer.headers["Location"]).text)
    assert "Il manquait encore : 1 demande de modification sans réponse" in plain(browser.get(f"/actions-de-formation/{action.id}/historique").text)


def test_what_was_sent_back_and_never_corrected_is_ended_by_the_region(as_user: AsUser) -> None:
    """Otherwise an organisation that does nothing would keep the action open for ever."""
    action = make_finished()
    request_id = waiting(action)
    services.decide(request_id, decision(RequestEvent.ASK_CORRECTION, request_id, observations="Précisez."))
    with pytest.raises(actions.Refused):
        actions.close_action(action.id)
    browser = as_user("region")
    page = browser.get(show(request_id)).text
    assert 'value="refuse"' in page and 'value="validate"' not in page and 'value="ask_correction"' not in page
    form = {"decision": "refuse", "version": hidden(page, "version")}
    assert post(browser, f"{show(request_id)}/decision", form).status_code == 422  # with its reason
    assert post(browser, f"{show(request_id)}/decision", form | {"observations": "Action terminée."}).status_code == 302
    assert reread(request_id).state == RequestState.REFUSED
    told = db.session.scalar(text("SELECT count(*) FROM mail_message WHERE template = 'request_decided'"))
    assert told
    assert actions.close_action(action.id)


def test_what_is_missing_counts_requests(db_session: Session) -> None:
    action = make_finished()
    waiting(action)
    facts = actions.facts_of(action, day(0), None)
    assert [(one.kind, one.count) for one in facts.missing] == [(MissingKind.REQUEST, 1)]


def test_a_closed_action_says_once_that_its_data_no_longer_change(as_user: AsUser) -> None:
    action = make_finished()
    assert actions.close_action(action.id)
    browser = as_user("principal")
    answer = browser.get(f"{follow_up(action.id)}/nouvelle", follow_redirects=True)
    said = plain(answer.text)
    assert said.count("ses données ne changent plus") == 1
    assert "changent par une demande" not in said and "se modifient par une demande" not in said
    said = plain(browser.get(f"{wizard(action.id)}/", follow_redirects=True).text)
    assert said.count("ses données ne changent plus") == 1
    assert db.session.get_one(Action, action.id).status == ActionStatus.CLOSED
