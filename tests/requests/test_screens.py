"""The pages of the modification requests, as each account sees them (guide 003 §2)."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text

from app.accounts.seeds import ORGANISATION_B
from app.actions.models import Action
from app.core import clock
from app.core.extensions import db
from app.core.transaction import transaction
from app.requests import services
from app.requests.domain import Field, Key, RequestEvent, RequestState, Target
from app.requests.models import ModificationRequest
from tests.accounts.helpers import post
from tests.actions.helpers import statements
from tests.architecture.filled import Filled
from tests.core.test_page_drafts import OFFER
from tests.requests.helpers import END, ENTRY, ask, components, day, decision, open_action, reread

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]


def fr(value: date) -> str:
    return value.strftime("%d/%m/%Y")


def plain(page: str) -> str:
    """The text of a page, on one line."""
    inside = re.sub(r"<(script|style|nav).*?</\1>", "", page.partition("<main")[2].partition("</main")[0], flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", inside)).split()).replace("\u00a0", " ").replace("\u202f", " ")


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, name
    return found[1]


def wizard(action_id: int) -> str:
    return f"/actions-de-formation/{action_id}/demandes/dates"


def follow_up(action_id: int) -> str:
    return f"/demandes-de-modification/action/{action_id}"


def sent(browser: FlaskClient, action: Action) -> ModificationRequest:
    """A request made through the pages: a later end for the action and its first component."""
    first = components(action.id)[0]
    values = {"action_planned_end": fr(day(END + 30)), f"c{first.id}_planned_end": fr(day(END + 30))}
    assert post(browser, f"{wizard(action.id)}/valeurs", values).status_code == 302
    recap = browser.get(f"{wizard(action.id)}/recapitulatif").text
    form = {name: hidden(recap, name) for name in ("wizard_token", "wizard_shown", "changements")} | {"motivation": "Un mois de plus."}
    answer = post(browser, f"{wizard(action.id)}/recapitulatif", form)
    found = db.session.scalars(select(ModificationRequest).where(ModificationRequest.action_id == action.id).order_by(ModificationRequest.id.desc())).first()
    assert found is not None
    # whose next step is the letter; what is recorded at once needs none
    assert answer.headers["Location"] == (f"/demandes-de-modification/{found.id}" if found.is_open else follow_up(action.id))
    return found


# ---- the organisation -------------------------------------------------------------------------------------------------


def test_the_way_of_the_guide(as_user: AsUser) -> None:
    """Tab, list, kind, dates, recap of the changed fields only, green message, « En attente de validation »."""
    action = open_action()
    browser = as_user("principal")
    assert f'<a href="{follow_up(action.id)}">Demande de modification de données</a>' in browser.get(f"/actions-de-formation/{action.id}").text
    empty = browser.get(follow_up(action.id)).text
    assert "SUIVI DES DEMANDES DE MODIFICATION" in empty
    assert "Nouvelle demande de modification" in empty
    chosen = post(browser, f"{follow_up(action.id)}/nouvelle", {"type": "dates"})
    assert chosen.headers["Location"] == f"{wizard(action.id)}/"
    form = plain(browser.get(f"{wizard(action.id)}/valeurs").text)
    for words in (
        "DATES", f"Date de début prévue actuelle : {fr(action.planned_start)}", "Nouvelle date de début prévue", f"Date de début réelle actuelle : {fr(day(-ENTRY))}",
        "Nouvelle date de début réelle", f"Date de fin prévue actuelle : {fr(day(END))}", "Nouvelle date de fin prévue", "LISTE DES COMPOSANTES", "01 Composante",
        "Enregistrer et passer à l’étape suivante", "Annuler",
    ):  # fmt: skip
        assert words in form, words
    found = sent(browser, action)
    assert "alert-success" in browser.get(f"/demandes-de-modification/{found.id}").text
    page = browser.get(follow_up(action.id)).text
    assert "En attente de validation" in plain(page)
    assert "il n’est pas possible d’effectuer une nouvelle demande de modification du même type" in plain(page)
    headers = [re.sub(r"<[^>]+>", "", one).strip() for one in re.findall(r"<th scope=\"col\".*?</th>", page, re.DOTALL)]
    assert headers == [
        "Type de la modification", "Nom/Statut de l’émetteur", "Prestataire", "Date d’émission", "Etat / Historique", "Observations",
        "Avenant", "Gestion",
    ]  # fmt: skip
    for words in ("Demande de modification de dates", "Paule BLANC Titulaire", f"Date de fin prévue : {fr(day(END))} → {fr(day(END + 30))} ; composante 01, date de fin"):
        assert words in plain(page), words
    assert found.state == RequestState.PENDING


def test_the_recap_shows_the_changed_fields_only(as_user: AsUser) -> None:
    action = open_action()
    browser = as_user("principal")
    first, second = components(action.id)
    values = {"action_planned_end": fr(day(END)), f"c{second.id}_planned_end": fr(day(END - 3)), f"c{first.id}_planned_start": ""}
    assert post(browser, f"{wizard(action.id)}/valeurs", values).status_code == 302
    recap = browser.get(f"{wizard(action.id)}/recapitulatif").text
    said = plain(recap)
    assert "Intitulé du champ Champ avant modification Champ après modification" in said
    assert f"02 – Autre composante / Date de fin {fr(day(END))} {fr(day(END - 3))}" in said
    assert "Action / Date de fin prévue" not in said
    assert recap.count("<del>") == 1
    assert post(browser, f"{wizard(action.id)}/recapitulatif", {"motivation": " "}).status_code == 422


def test_errors_stand_at_their_field_and_keep_what_was_typed(as_user: AsUser) -> None:
    action = open_action()
    browser = as_user("principal")
    first = components(action.id)[0]
    answer = post(browser, f"{wizard(action.id)}/valeurs", {"action_planned_start": "31/02/2026", f"c{first.id}_planned_end": fr(day(END - 9))})
    assert answer.status_code == 422
    assert 'value="31/02/2026"' in answer.text
    answer = post(browser, f"{wizard(action.id)}/valeurs", {f"c{first.id}_planned_end": fr(day(END - 9))})
    assert answer.status_code == 422
    beside = answer.text.partition(f'id="c{first.id}_planned_end-error"')[2].partition("</p>")[0]
    assert "1 stagiaire de la composante 01 serait en dehors" in plain("<main>" + beside + "</main>")
    nothing = post(browser, f"{wizard(action.id)}/valeurs", {})
    assert nothing.status_code == 422
    assert "Rien n’est modifié" in plain(nothing.text)


def test_a_waiting_action_has_no_actual_start_to_change(as_user: AsUser) -> None:
    from tests.actions.helpers import make_action

    action = make_action()
    page = as_user("principal").get(f"{wizard(action.id)}/valeurs").text
    assert "saisie à l’ouverture" in page
    assert 'name="action_actual_start"' not in page


def test_data_that_change_while_the_recap_is_read_are_shown_again(as_user: AsUser) -> None:
    action = open_action()
    browser = as_user("principal")
    post(browser, f"{wizard(action.id)}/valeurs", {"action_planned_end": fr(day(END + 30))})
    recap = browser.get(f"{wizard(action.id)}/recapitulatif").text
    with transaction():
        db.session.execute(text("UPDATE action SET planned_end = planned_end + 5, version = version + 1 WHERE id = :id"), {"id": action.id})
    form = {"wizard_token": hidden(recap, "wizard_token"), "changements": hidden(recap, "changements"), "motivation": "x"}
    answer = post(browser, f"{wizard(action.id)}/recapitulatif", form)
    assert answer.status_code == 422
    assert "ont changé depuis l’affichage de ce récapitulatif" in plain(answer.text)
    assert fr(day(END + 5)) in answer.text
    again = {"wizard_token": hidden(answer.text, "wizard_token"), "changements": hidden(answer.text, "changements"), "motivation": "x"}
    assert post(browser, f"{wizard(action.id)}/recapitulatif", again).status_code == 302


def test_two_colleagues_and_one_request(as_user: AsUser) -> None:
    """Both are at the recap; the second is told, and nothing typed is lost."""
    action = open_action()
    one, other = as_user("principal"), as_user("secondaire")
    post(other, f"{wizard(action.id)}/valeurs", {"action_planned_end": fr(day(END + 60))})
    sent(one, action)
    answer = post(other, f"{wizard(action.id)}/recapitulatif", {"motivation": "Deux mois."})
    assert answer.status_code == 409
    page = plain(answer.text)
    sender = reread(db.session.scalars(select(ModificationRequest.id).where(ModificationRequest.action_id == action.id)).one()).sender_name
    for words in (f"{sender} l’a envoyée le", fr(day(END + 60)), fr(day(END + 30)), "Deux mois.", "Un mois de plus."):
        assert words in page, words
    # What was typed just before the click is in the draft, which is shown again, and can be deleted.
    again = other.get(f"{wizard(action.id)}/")
    assert "Deux mois." in plain(other.get(again.headers["Location"]).text if again.status_code == 302 else again.text)
    assert other.get(f"{wizard(action.id)}/abandon").status_code == 200
    assert db.session.scalar(text("SELECT count(*) FROM modification_request WHERE action_id = :id"), {"id": action.id}) == 1
    chosen = post(other, f"{follow_up(action.id)}/nouvelle", {"type": "dates"})
    assert chosen.status_code == 422
    assert "est déjà en attente de validation" in plain(chosen.text)
    assert post(other, f"{follow_up(action.id)}/nouvelle", {"type": "argent"}).status_code == 422


def test_two_colleagues_correct_one_request(as_user: AsUser) -> None:
    """The second to send keeps the draft, the motivation typed just before the click with it; once sent back again, it is taken up."""
    action = open_action()
    one, other = as_user("principal"), as_user("secondaire")
    found = sent(one, action)
    services.decide(found.id, decision(RequestEvent.ASK_CORRECTION, found.id, observations="Deux mois, pas un."))
    first = components(action.id)[0]
    for browser, days in ((one, 60), (other, 75)):
        values = {"action_planned_end": fr(day(END + days)), f"c{first.id}_planned_end": fr(day(END + days))}
        assert post(browser, f"{wizard(action.id)}/valeurs", values).status_code == 302
    token = hidden(one.get(f"{wizard(action.id)}/recapitulatif").text, "wizard_token")
    theirs = hidden(other.get(f"{wizard(action.id)}/recapitulatif").text, "wizard_token")
    assert post(one, f"{wizard(action.id)}/recapitulatif", {"motivation": "Deux mois.", "wizard_token": token}).status_code == 302
    late = post(other, f"{wizard(action.id)}/recapitulatif", {"motivation": "Tapé juste avant.", "wizard_token": theirs})
    assert late.status_code == 409
    assert all(words in plain(late.text) for words in (fr(day(END + 60)), fr(day(END + 75)), "Tapé juste avant.", "Deux mois."))
    services.decide(found.id, decision(RequestEvent.ASK_CORRECTION, found.id, observations="Encore."))
    assert "Tapé juste avant." in other.get(f"{wizard(action.id)}/recapitulatif").text


def test_rows_of_the_follow_up_are_told_apart(as_user: AsUser) -> None:
    action = open_action()
    browser = as_user("principal")
    found = sent(browser, action)
    services.withdraw(found.id, version=found.version)
    sent(browser, action)
    names = re.findall(r">(Consulter<span[^>]*>[^<]*)</span>", browser.get(follow_up(action.id)).text)
    assert len(names) == 2
    assert len(set(names)) == 2


def test_a_rule_without_words_leaves_no_empty_line(as_user: AsUser) -> None:
    """The organisation reads the reason of the rule; where there is none, it does not read « non renseigné »."""
    found = ask(open_action())
    page = plain(as_user("principal").get(f"/demandes-de-modification/{found}").text)
    assert "Règle de marché" not in page


def test_sent_back_the_request_is_corrected_on_the_same_pages(as_user: AsUser) -> None:
    action = open_action()
    browser = as_user("principal")
    found = sent(browser, action)
    services.decide(found.id, decision(RequestEvent.ASK_CORRECTION, found.id, observations="Deux mois, pas un."))
    page = browser.get(f"/demandes-de-modification/{found.id}").text
    assert "La Région demande une correction" in plain(page)
    assert f'href="{wizard(action.id)}/"' in page
    form = browser.get(f"{wizard(action.id)}/valeurs").text
    assert "Deux mois, pas un." in form
    assert f'value="{fr(day(END + 30))}"' in form
    first = components(action.id)[0]
    values = {"action_planned_end": fr(day(END + 60)), f"c{first.id}_planned_end": fr(day(END + 60))}
    assert post(browser, f"{wizard(action.id)}/valeurs", values).status_code == 302
    recap = browser.get(f"{wizard(action.id)}/recapitulatif").text
    assert "Un mois de plus." in recap
    assert post(browser, f"{wizard(action.id)}/recapitulatif", {"motivation": "Deux mois.", "wizard_token": hidden(recap, "wizard_token")}).status_code == 302
    assert (reread(found.id).state, reread(found.id).asked[0].after) == (RequestState.PENDING, day(END + 60))
    assert "La demande a été corrigée et renvoyée." in plain(browser.get(f"/demandes-de-modification/{found.id}").text)


def test_a_request_is_withdrawn_once_and_after_a_question(as_user: AsUser) -> None:
    action = open_action()
    browser = as_user("principal")
    found = sent(browser, action)
    address = f"/demandes-de-modification/{found.id}/retrait"
    asked = browser.get(address).text
    assert "Retirer cette demande ?" in plain(asked)
    assert reread(found.id).state == RequestState.PENDING
    assert post(browser, address, {"version": "999"}).headers["Location"] == f"/demandes-de-modification/{found.id}"
    assert reread(found.id).state == RequestState.PENDING
    assert post(browser, address, {"version": hidden(asked, "version")}).status_code == 302
    assert reread(found.id).state == RequestState.WITHDRAWN
    assert browser.get(address).status_code == 302
    assert post(browser, f"{follow_up(action.id)}/nouvelle", {"type": "dates"}).status_code == 302


# ---- the Région -------------------------------------------------------------------------------------------------------


def decide(browser: FlaskClient, found: ModificationRequest, choice: str, **values: str) -> object:
    page = browser.get(f"/demandes-de-modification/{found.id}").text
    form = {"decision": choice, "version": hidden(page, "version"), "moved": hidden(page, "moved"), "without_letter": "y", **values}
    return post(browser, f"/demandes-de-modification/{found.id}/decision", form)


def test_a_validator_decides(as_user: AsUser) -> None:
    action = open_action()
    found = sent(as_user("principal"), action)
    region = as_user("region")
    page = plain(region.get(f"/demandes-de-modification/{found.id}").text)
    for words in ("Toutes les règles sont respectées", "Action / Date de fin prévue", "Un mois de plus.", "Valider", "Demander une correction", "Refuser"):
        assert words in page, words
    answer = decide(region, found, "validate", amendment_number="AV-7")
    assert answer.status_code == 302  # type: ignore[attr-defined]
    follow = plain(as_user("principal").get(follow_up(action.id)).text)
    assert "Validée" in follow
    assert "AV-7" in follow
    assert db.session.scalars(select(Action.planned_end).where(Action.id == action.id)).one() == day(END + 30)
    late = plain(region.get(f"/demandes-de-modification/{found.id}").text)
    assert "Enregistrer la décision" not in late


@pytest.mark.parametrize("choice", ["refuse", "ask_correction"])
def test_observations_are_asked_and_what_was_typed_stays(as_user: AsUser, choice: str) -> None:
    found = sent(as_user("principal"), open_action())
    answer = decide(as_user("region"), found, choice, amendment_number="AV-8")
    assert answer.status_code == 422  # type: ignore[attr-defined]
    assert 'value="AV-8"' in answer.text  # type: ignore[attr-defined]
    assert "Dites pourquoi dans les observations" in plain(answer.text)  # type: ignore[attr-defined]
    assert decide(as_user("region"), found, choice, observations="Voici.", amendment_number="").status_code == 302  # type: ignore[attr-defined]


def test_the_second_validator_is_told(as_user: AsUser) -> None:
    found = sent(as_user("principal"), open_action())
    region, admin = as_user("region"), as_user("admin")
    page = admin.get(f"/demandes-de-modification/{found.id}").text
    decide(region, found, "validate")
    form = {"decision": "refuse", "observations": "Trop tard, vraiment.", "version": hidden(page, "version")}
    late = post(admin, f"/demandes-de-modification/{found.id}/decision", form)
    assert late.status_code == 409
    assert "Julien FABRE" in plain(late.text)
    assert "Trop tard, vraiment." in late.text
    assert reread(found.id).state == RequestState.VALIDATED


def test_what_moved_is_shown_and_confirmed(as_user: AsUser) -> None:
    action = open_action()
    found = sent(as_user("principal"), action)
    with transaction():
        db.session.execute(text("UPDATE action SET planned_end = planned_end + 5, version = version + 1 WHERE id = :id"), {"id": action.id})
    region = as_user("region")
    page = region.get(f"/demandes-de-modification/{found.id}").text
    assert f"Action / Date de fin prévue {fr(day(END))} {fr(day(END + 5))} {fr(day(END + 30))}" in plain(page)
    refused = decide(region, found, "validate")
    assert refused.status_code == 422  # type: ignore[attr-defined]
    assert "regardez les valeurs actuelles" in plain(refused.text)  # type: ignore[attr-defined]
    assert decide(region, found, "validate", confirmed="y").status_code == 302  # type: ignore[attr-defined]


def test_the_trainees_outside_are_named(as_user: AsUser) -> None:
    from tests.requests.test_services import make_enrolment_on

    action = open_action()
    second = components(action.id)[1]
    request_id = ask(action, {Key(Target.COMPONENT, second.id, Field.PLANNED_START): day(-2)})
    make_enrolment_on(action, second)
    region = as_user("region")
    page = plain(region.get(f"/demandes-de-modification/{request_id}").text)
    assert "1 stagiaire de la composante 02 serait en dehors" in page
    assert f"AUTRE Paul 02 – Autre composante {fr(day(-3))}" in page
    answer = decide(region, reread(request_id), "validate")
    assert answer.status_code == 422  # type: ignore[attr-defined]
    assert reread(request_id).state == RequestState.PENDING


@pytest.mark.parametrize("version", ["", "x", "²", "99999999999999999"])
def test_a_mangled_version_decides_nothing(as_user: AsUser, version: str) -> None:
    found = sent(as_user("principal"), open_action())
    answer = post(as_user("region"), f"/demandes-de-modification/{found.id}/decision", {"decision": "validate", "version": version})
    assert answer.status_code == 409
    assert reread(found.id).state == RequestState.PENDING


def test_the_queue_shows_the_oldest_first_and_filters(as_user: AsUser, db_session: Session) -> None:
    old, new, other = open_action(), open_action(), open_action(siret=ORGANISATION_B)
    ids = [ask(action) for action in (new, old, other)]
    noon = datetime.combine(clock.today() - timedelta(days=40), time(12), tzinfo=UTC)  # days are counted on the calendar here
    db_session.execute(text("UPDATE modification_request SET sent_at = :at WHERE id = :id"), {"at": noon, "id": ids[1]})
    db_session.commit()
    region = as_user("region")
    queue = region.get("/demandes-de-modification/").text
    assert queue.index(old.number) < queue.index(new.number)
    assert "depuis 40 jours" in plain(queue)
    aged = region.get("/demandes-de-modification/?age=30").text
    assert old.number in aged
    assert new.number not in aged
    one = region.get("/demandes-de-modification/", query_string={"texte": "corbieres" if "CORBI" in queue else other.number}).text
    assert other.number in one
    assert old.number not in one
    services.decide(ids[0], decision(RequestEvent.REFUSE, ids[0], observations="Non."))
    assert new.number not in region.get("/demandes-de-modification/").text
    assert new.number in region.get("/demandes-de-modification/?etat=refused&type=dates").text
    assert new.number in region.get("/demandes-de-modification/?etat=all&size=100").text
    for query in ("etat=zz&type=zz&age=zz", "texte=%00%27&after=zz", "texte=" + "x" * 300, "age=-1"):
        assert region.get(f"/demandes-de-modification/?{query}").status_code == 200, query


@pytest.mark.parametrize(
    ("account", "shown", "queue", "asks"),
    [
        ("principal", 200, 403, 200), ("secondaire", 200, 403, 200), ("autre-of", 404, 403, 404), ("region", 200, 200, 403), ("admin", 200, 200, 403),
        ("support", 403, 403, 403),
    ],
)  # fmt: skip
def test_who_sees_what(as_user: AsUser, account: str, shown: int, queue: int, asks: int) -> None:
    action = open_action()
    request_id = ask(action)
    browser = as_user(account)
    assert browser.get(f"/demandes-de-modification/{request_id}").status_code == shown
    assert browser.get(follow_up(action.id)).status_code == shown
    assert browser.get("/demandes-de-modification/").status_code == queue
    assert browser.get(f"{follow_up(action.id)}/nouvelle").status_code == asks


def test_an_account_without_the_function_reads_only(as_user: AsUser, db_session: Session) -> None:
    action = open_action()
    db_session.execute(text("UPDATE ab_user SET functions = '{consult,trainees}' WHERE username = 'secondaire'"))
    db_session.commit()
    browser = as_user("secondaire")
    page = browser.get(follow_up(action.id))
    assert page.status_code == 200
    assert "Nouvelle demande de modification" not in page.text
    assert browser.get(f"{wizard(action.id)}/").status_code == 403


def test_the_pages_cost_the_same_for_few_and_many_requests(as_user: AsUser) -> None:
    action = open_action()
    browser, region = as_user("principal"), as_user("region")
    request_id = ask(action)
    pages = [(browser, follow_up(action.id)), (region, "/demandes-de-modification/?etat=all&size=100"), (region, f"/demandes-de-modification/{request_id}")]
    costs: list[list[int]] = []
    for _round in range(2):
        cost = []
        for reader, address in pages:
            reader.get(address)
            with statements() as asked:
                assert reader.get(address).status_code == 200
            cost.append(len(asked))
        costs.append(cost)
        for _number in range(5):
            services.withdraw(request_id, version=reread(request_id).version)
            request_id = ask(action)
        pages[2] = (region, f"/demandes-de-modification/{request_id}")
    assert costs[0] == costs[1]
    assert max(costs[1]) <= 14


def test_delays_are_told_honestly(as_user: AsUser, db_session: Session) -> None:
    """Ten decisions: nine within a day, one after thirty days; nothing is said of those not decided, nor of those of long ago."""
    from app.requests import queries

    db_session.execute(text("UPDATE modification_request SET decided_at = NULL, state = 'withdrawn' WHERE decided_at IS NOT NULL"))
    assert queries.delays(clock.now()) is None
    action = open_action()
    for waited in (*[0.5] * 8, 10, 30, 700):
        request_id = ask(action)
        services.decide(request_id, decision(RequestEvent.REFUSE, request_id, observations="x"))
        sent_at = clock.now() - timedelta(days=waited)
        values = {"at": sent_at, "id": request_id, "decided": sent_at + timedelta(days=1) if waited == 700 else clock.now()}
        db_session.execute(text("UPDATE modification_request SET sent_at = :at, decided_at = :decided WHERE id = :id"), values)
    ask(action)
    db_session.commit()
    found = queries.delays(clock.now())
    assert found is not None
    assert (found.count, round(found.median, 1), round(found.ninth)) == (10, 0.5, 12)
    page = plain(as_user("region").get("/demandes-de-modification/").text)
    assert "10 demandes décidées en douze mois : la moitié en un jour, neuf sur dix en 12 jours." in page or "neuf sur dix en 13 jours" in page


def test_a_decision_left_unsent_is_resumed_on_the_request_as_it_is_by_now(as_user: AsUser) -> None:
    """The text stays; what was said of the request, or of data that changed meanwhile, has to be said again."""
    action = open_action()
    found = reread(ask(action))
    page_url, address = f"/demandes-de-modification/{found.id}", f"/demandes-de-modification/{found.id}/decision"
    browser = as_user("region")
    shown = Filled(browser.get(page_url).text, "row_kept")
    assert OFFER not in shown.html
    kept = shown.data(decision=["refuse"], observations=["Le stage est déjà fini."])
    assert post(browser, "/brouillon", kept | {"row_path": address}).status_code == 204

    again = Filled(browser.get(page_url).text, "row_kept")
    assert OFFER in again.html and again["observations"] == [""]
    resumed = Filled(browser.get(f"{page_url}?brouillon=1").text, "row_kept")
    assert resumed["observations"] == ["Le stage est déjà fini."] and resumed["decision"] == ["refuse"]
    assert OFFER not in as_user("principal").get(page_url).text, "a draft is its author’s alone"

    with transaction():
        reread(found.id).action.planned_end = day(END + 1)
    moved = Filled(browser.get(f"{page_url}?brouillon=1").text, "row_kept")
    assert moved["observations"] == ["Le stage est déjà fini."] and moved["decision"] == []
    assert moved["moved"] != shown["moved"]

    assert post(browser, address, moved.data(decision=["refuse"])).status_code == 302
    assert reread(found.id).observations == "Le stage est déjà fini."
    assert post(browser, "/brouillon", moved.data() | {"row_path": address}).status_code == 409, "it was sent"


def test_a_decision_given_up_is_gone(as_user: AsUser) -> None:
    found = reread(ask(open_action()))
    page_url, address = f"/demandes-de-modification/{found.id}", f"/demandes-de-modification/{found.id}/decision"
    browser = as_user("region")
    shown = Filled(browser.get(page_url).text, "row_kept")
    assert post(browser, "/brouillon", shown.data(observations=["Non."]) | {"row_path": address}).status_code == 204
    assert post(browser, "/brouillon/abandon", {"page": address}).headers["Location"] == address
    assert OFFER not in browser.get(page_url).text
