"""The list and the page of an action, as each account sees them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.actions import domain, listing, queries, services
from app.actions.domain import StatusFilter
from app.actions.listing import ActionFilter
from app.actions.models import Action
from app.actions.queries import Cursor
from app.core import clock
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_enrolment, make_finished, organisation, statements

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

GUIDE = "23C00390257_1"


def id_of(number: str = GUIDE) -> int:
    return db.session.scalars(select(Action.id).where(Action.number == number)).one()


def walk(narrowed: ActionFilter, size: int) -> list[int]:
    """All ids of a list, page after page, then back again."""
    seen: list[int] = []
    cursor: Cursor | None = None
    last = None
    while True:
        page = listing.list_actions(narrowed, today=clock.today(), cursor=cursor, size=size)
        seen += [action.id for action in page.rows]
        last = page
        if page.keyset.after is None:
            break
        cursor = Cursor.of(page.keyset.after, None)
    back = [action.id for action in last.rows]
    while last.keyset.before is not None:
        last = listing.list_actions(narrowed, today=clock.today(), cursor=Cursor.of(None, last.keyset.before), size=size)
        back = [action.id for action in last.rows] + back
    assert back == seen
    return seen


def test_pages_show_each_action_once_in_both_directions(db_session: Session) -> None:
    for index in range(11):
        make_action(title=f"Zythologie {index}")
    with bound_scope(Scope.organisation(organisation().id)):
        everything = walk(ActionFilter(), 100)
        assert walk(ActionFilter(), 4) == everything
        assert len(set(everything)) == len(everything)
        assert len(walk(ActionFilter(text="zytho"), 3)) == 11


@pytest.mark.parametrize("typed", ["SANITAIRE prep", "sélections sanitaire", "23C00390257", "23c00390257", "Préparation"])
def test_search_forgives_case_and_accents(db_session: Session, typed: str) -> None:
    found = listing.list_actions(ActionFilter(text=typed), today=clock.today()).rows
    assert GUIDE in [action.number for action in found]


@pytest.mark.parametrize("typed", ["'", "%", "&|!()", "\\", ":*", "été & ' OR 1=1 --", "x" * 300])
def test_search_takes_anything(db_session: Session, typed: str) -> None:
    assert listing.list_actions(ActionFilter(text=typed), today=clock.today()).rows == []


@pytest.mark.parametrize("place", ["", "x", "1", "a~b", "99999999999999~x", "-1~x", "1~" + "x" * 500, "½~x"])
def test_a_mangled_place_in_the_list_is_harmless(as_user: AsUser, place: str) -> None:
    assert as_user("principal").get("/actions-de-formation/", query_string={"after": place}).status_code == 200


def test_status_filters(db_session: Session) -> None:
    today = clock.today()
    make_action().status = "AN"
    finished = make_finished()
    services.declare_finished(finished.id)
    db_session.commit()
    for status in StatusFilter:
        rows = listing.list_actions(ActionFilter(status=status), today=today, size=100).rows
        assert rows, status
        if status is StatusFilter.LATE:
            assert all(domain.is_late(action.status, action.planned_end, today) for action in rows)
            assert set(queries.shown_statuses(rows, today).values()) == {StatusFilter.LATE}
        elif status is StatusFilter.DECLARED:
            assert finished.id in [action.id for action in rows]
            assert {action.status for action in rows} == {"EC"}
        else:
            assert {action.status for action in rows} == {status.value}


def test_the_list_costs_the_same_for_few_and_many_rows(as_user: AsUser) -> None:
    browser = as_user("principal")
    browser.get("/actions-de-formation/")
    costs = []
    for size in (1, 20):
        for _ in range(size):
            make_action()
        with statements() as sent:
            assert browser.get("/actions-de-formation/").status_code == 200
        costs.append(len(sent))
    assert costs[0] == costs[1]


def test_columns_of_the_guide(as_user: AsUser) -> None:
    page = as_user("principal").get("/actions-de-formation/").text
    headers = [re.sub(r"<[^>]+>", "", header).replace("(trier)", "").strip() for header in re.findall(r"<th scope=\"col\".*?</th>", page, re.DOTALL)]
    assert headers == [
        "N° Contrat/Conv.", "N° Action", "Intitulé de l’action", "Statut", "Année", "Date de début réelle", "Date de fin prévue", "Gestion",
    ]  # fmt: skip
    assert "23C00390257 – Lot 39" in page


def test_the_page_says_what_blocks_the_opening(as_user: AsUser) -> None:
    page = as_user("principal").get(f"/actions-de-formation/{id_of()}").text
    assert "Aucun stagiaire n’est encore inscrit." in page
    assert "facture d’avance" in page


@pytest.mark.parametrize(("account", "status"), [("principal", 200), ("secondaire", 200), ("region", 200), ("admin", 200), ("autre-of", 404), ("support", 403)])
def test_who_sees_an_action(as_user: AsUser, account: str, status: int) -> None:
    assert as_user(account).get(f"/actions-de-formation/{id_of()}").status_code == status


@pytest.mark.parametrize(("account", "status"), [("principal", 403), ("region", 422), ("admin", 422), ("autre-of", 403), ("support", 403)])
def test_only_the_region_closes(as_user: AsUser, account: str, status: int) -> None:
    browser = as_user(account)
    assert post(browser, f"/actions-de-formation/{id_of()}/cloture").status_code == status
    assert db.session.scalars(select(Action.status).where(Action.number == GUIDE)).one() == "AO"


def test_closing_asks_with_get_and_acts_with_post(as_user: AsUser) -> None:
    """A GET changes nothing; a POST without token is refused."""
    action_id = id_of("19Q01762009_4")
    browser = as_user("admin")
    assert browser.get(f"/actions-de-formation/{action_id}/cloture").status_code in (200, 302)
    assert browser.post(f"/actions-de-formation/{action_id}/cloture").status_code in (400, 419)
    assert db.session.scalars(select(Action.status).where(Action.id == action_id)).one() == "EC"


def test_the_opening_wizard_opens(as_user: AsUser) -> None:
    action = make_action()
    make_enrolment(action)
    start = f"/actions-de-formation/{action.id}/ouverture"
    browser = as_user("principal")
    first_day = clock.today().fromordinal(clock.today().toordinal() - 4)
    form = {"declaration_frequency": "monthly", "billing_period": "end"}
    wrong = post(browser, f"{start}/detail", {**form, "actual_start": clock.today().strftime("%d/%m/%Y")})
    assert wrong.status_code == 422
    assert "doit être la date d’entrée du premier stagiaire" in wrong.text
    assert post(browser, f"{start}/recapitulatif").headers["Location"].endswith("/ouverture/detail")  # no jumping ahead
    assert post(browser, f"{start}/detail", {**form, "actual_start": first_day.strftime("%d/%m/%Y")}).status_code == 302
    recap = browser.get(f"{start}/recapitulatif").text
    assert "Mensuelle" in recap
    assert "À la fin de l’action" in recap
    token = re.search(r'name="wizard_token" value="([^"]+)"', recap)
    assert token is not None
    for _click in range(2):
        assert post(browser, f"{start}/recapitulatif", {"wizard_token": token[1]}).status_code == 302
    assert db.session.scalars(select(Action.status).where(Action.id == action.id)).one() == "EC"
    assert "est ouverte depuis le" in browser.get(f"/actions-de-formation/{action.id}").text
    page = browser.get(f"/actions-de-formation/{action.id}/historique").text
    assert "L’action a été ouverte." in page
    assert "De « En attente d’ouverture » à « En cours »" in page.replace("\u00a0", " ")


def test_the_region_manages_contracts_actions_and_components(as_user: AsUser) -> None:
    browser = as_user("admin")
    for view in ("contrats", "actions", "composantes", "sites-des-composantes"):
        for page in ("list/", "add"):
            answer = browser.get(f"/referentiels/{view}/{page}")
            assert answer.status_code == 200, (view, page)
    assert as_user("principal").get("/referentiels/contrats/list/").status_code == 403


def test_quick_search_finds_an_action(as_user: AsUser) -> None:
    page = as_user("principal").get("/recherche?q=23C00390257").text
    assert GUIDE in page
    assert GUIDE not in as_user("autre-of").get("/recherche?q=23C00390257").text.split("</header>")[-1]


# ---- filters and the advance invoice -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "field"), [({"statut": "ZZ"}, "statut"), ({"annee": "1789"}, "annee"), ({"dispositif": "abc"}, "dispositif"), ({"territoire": "Lune"}, "territoire")]
)
def test_an_unknown_value_of_a_filter_is_said_at_its_field(as_user: AsUser, query: dict[str, str], field: str) -> None:
    browser = as_user("principal")
    everything = browser.get("/actions-de-formation/").get_data(as_text=True)
    page = browser.get("/actions-de-formation/", query_string=query).get_data(as_text=True)
    assert f"« {query[field]} » n’est pas dans cette liste" in page.replace("\u00a0", " ")
    assert f'id="{field}-error"' in page
    assert page.count("<tr") == everything.count("<tr")
    assert "error-summary" not in everything


def test_cancelled_actions_may_be_asked_for(as_user: AsUser, db_session: Session) -> None:
    action = make_action()
    action.status = "AN"
    db_session.commit()
    page = as_user("principal").get("/actions-de-formation/", query_string={"statut": "AN"}).get_data(as_text=True)
    assert action.number in page
    assert '<option value="AN" selected>Annulée' in page


def test_an_organisation_chooses_among_the_programmes_of_its_contracts(as_user: AsUser, db_session: Session) -> None:
    from app.actions.models import Contract
    from app.reference.models import Programme

    with bound_scope(Scope.organisation(organisation().id)):
        held = set(db_session.scalars(select(Contract.programme_id)))
    others = [row.id for row in db_session.scalars(select(Programme)) if row.id not in held]
    assert others
    page = as_user("principal").get("/actions-de-formation/").get_data(as_text=True)
    choices = page.split('name="dispositif"')[1].split("</select>")[0]
    assert all(f'<option value="{key}"' in choices for key in held)
    assert not any(f'<option value="{key}"' in choices for key in others)


def test_the_page_of_an_open_action_tells_of_its_advance_invoice(as_user: AsUser, db_session: Session) -> None:
    from app.actions.models import AdvanceInvoiceRequest

    key = db_session.scalars(select(AdvanceInvoiceRequest.action_id).join(Action, Action.id == AdvanceInvoiceRequest.action_id).limit(1)).one()
    day = db_session.scalars(select(AdvanceInvoiceRequest.requested_at).where(AdvanceInvoiceRequest.action_id == key)).one()
    page = as_user("region").get(f"/actions-de-formation/{key}").get_data(as_text=True)
    assert f"demandée le {clock.to_local(day):%d/%m/%Y}" in page
    waiting = make_action()
    assert "pas encore demandée" in as_user("region").get(f"/actions-de-formation/{waiting.id}").get_data(as_text=True)
