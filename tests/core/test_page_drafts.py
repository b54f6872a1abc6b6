"""What is typed into an edit page is kept, encrypted, for its author alone; it ends when the form is accepted, and comes back never after."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from app.actions.models import TrainingSession
from app.actions.sessions import add_meeting, remove_meeting
from app.core import clock, page_drafts
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.wizard import drafts
from app.core.wizard.models import WizardDraft
from tests.accounts.helpers import post
from tests.actions.test_sessions import make_session, meeting_plan
from tests.architecture.filled import Filled

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

OFFER = "Reprendre ma saisie"


@pytest.fixture
def found(db_session: Session) -> TrainingSession:
    """A session of organisation A."""
    return make_session()


@pytest.fixture
def address(found: TrainingSession) -> str:
    """Its edit page."""
    return f"/actions-de-formation/sessions/{found.id}/modification"


def opened(browser: FlaskClient, address: str) -> Filled:
    answer = browser.get(address)
    assert answer.status_code == 200
    return Filled(answer.text)


def keep(browser: FlaskClient, address: str, data: dict[str, Any], **options: Any) -> Any:
    return post(browser, "/brouillon", data | {"row_path": address}, **options)


def typed(browser: FlaskClient, address: str, **changed: str) -> Filled:
    """The page, in which something was typed and kept."""
    page = opened(browser, address)
    assert keep(browser, address, page.data(**{name: [value] for name, value in changed.items()})).status_code == 204
    return page


def rows(*, finished: bool = False) -> list[WizardDraft]:
    mark = WizardDraft.finished_at.is_not(None) if finished else WizardDraft.finished_at.is_(None)
    with bound_scope(Scope.system()):
        return list(db.session.scalars(select(WizardDraft).where(WizardDraft.kind == "page", mark).order_by(WizardDraft.id)))


def test_what_is_kept_is_sealed_and_holds_no_secret(as_user: AsUser, address: str) -> None:
    browser = as_user("principal")
    page = opened(browser, address)
    data = page.data(places=["17"], registration_terms=["Sur rendez-vous"], password=["Tres-secret"], otp=["123456"])
    assert keep(browser, address, data).status_code == 204
    [row] = rows()
    assert row.data is not None and b"rendez-vous" not in row.data
    kept = drafts._open(row).steps["page"]
    assert kept["places"] == ["17"] and kept["registration_terms"] == ["Sur rendez-vous"]
    assert kept["row_version"] == page["row_version"] and kept["row_base"] == page["row_base"]
    assert not {"csrf_token", "row_page", "row_path", "password", "otp"} & kept.keys()
    assert keep(browser, address, data | {"places": ["18"]}).status_code == 204
    [row] = rows()
    assert drafts._open(row).steps["page"]["places"] == ["18"], "one draft, what was typed last"


def test_offered_with_day_and_hour_and_resumed(as_user: AsUser, address: str) -> None:
    browser = as_user("principal")
    page = typed(browser, address, places="17")
    told = browser.get(f"{address}?retour=x").text
    local = clock.local_now()
    assert re.search(rf"Vous aviez commencé une saisie le {local:%d/%m/%Y} à \d\d:\d\d.: elle n’est pas enregistrée\.", told)
    assert f'href="{address}?retour=x&amp;brouillon=1"' in told and "L’abandonner" in told
    assert Filled(told)["places"] == page["places"], "nothing is filled unasked"
    resumed = browser.get(f"{address}?brouillon=1").text
    assert "Vous reprenez votre saisie du" in resumed and OFFER not in resumed
    assert Filled(resumed)["places"] == ["17"]
    assert Filled(resumed)["row_page"] != page["row_page"], "the page says itself open again"


def test_what_cannot_be_read_is_resumed_as_it_was_typed(as_user: AsUser, address: str) -> None:
    browser = as_user("principal")
    typed(browser, address, starts_on="le 3 mai", places="beaucoup", site_id="99999999")
    assert OFFER in browser.get(address).text
    page = opened(browser, f"{address}?brouillon=1")
    assert (page["starts_on"], page["places"]) == (["le 3 mai"], ["beaucoup"])


def test_nothing_typed_is_a_plain_page(as_user: AsUser, address: str) -> None:
    browser = as_user("principal")
    page = opened(browser, address)
    assert keep(browser, address, page.data()).status_code == 204
    assert OFFER not in browser.get(address).text, "it says what stands"
    assert keep(browser, address, page.data(places=[" " + page["places"][0] + " "])).status_code == 204
    assert OFFER not in browser.get(address).text
    other = f"/actions-de-formation/sessions/{make_session().id}/modification"
    plain = browser.get(f"{other}?brouillon=1").text
    assert "saisie du" not in plain and Filled(plain)["row_version"] == ["1"]


def test_typed_back_to_what_was_there_is_not_offered_though_somebody_changed_it(as_user: AsUser, address: str) -> None:
    browser = as_user("principal")
    typed(browser, address, places=opened(browser, address)["places"][0])
    colleague = as_user("secondaire")
    assert post(colleague, address, opened(colleague, address).data(places=["23"])).status_code == 302
    assert OFFER not in browser.get(address).text
    typed(browser, address, places="24")
    assert OFFER in browser.get(address).text


def test_sent_it_is_finished_and_a_late_saving_brings_nothing_back(as_user: AsUser, address: str) -> None:
    browser = as_user("principal")
    page = typed(browser, address, places="17")
    assert post(browser, address, page.data(places=["17"])).status_code == 302
    assert rows() == []
    [mark] = rows(finished=True)
    assert mark.data is None
    assert keep(browser, address, page.data(places=["16"])).status_code == 409
    assert rows() == [] and OFFER not in browser.get(address).text
    typed(browser, address, places="19")
    assert OFFER in browser.get(address).text, "another page starts anew"


def test_sent_before_anything_was_kept(as_user: AsUser, address: str) -> None:
    """The first saving is still under way when the form is accepted."""
    browser = as_user("principal")
    page = opened(browser, address)
    assert post(browser, address, page.data(places=["17"])).status_code == 302
    assert keep(browser, address, page.data(places=["1"])).status_code == 409
    assert rows() == []


def test_a_draft_begun_on_another_page_ends_too(as_user: AsUser, address: str) -> None:
    browser = as_user("principal")
    first, second = opened(browser, address), opened(browser, address)
    keep(browser, address, first.data(places=["17"]))
    assert post(browser, address, second.data(places=["18"])).status_code == 302
    assert rows() == []
    assert keep(browser, address, second.data(places=["18"])).status_code == 409
    assert keep(browser, address, first.data(places=["17"])).status_code == 204, "the first page is still being typed into"


def test_refused_it_stays_with_what_was_sent(as_user: AsUser, address: str) -> None:
    browser = as_user("principal")
    page = typed(browser, address, places="17")
    assert post(browser, address, page.data(places=["moins"])).status_code == 422
    assert opened(browser, f"{address}?brouillon=1")["places"] == ["moins"]


def test_a_conflict_keeps_it_and_its_page_keeps_nothing_of_its_own(as_user: AsUser, address: str) -> None:
    browser, colleague = as_user("principal"), as_user("secondaire")
    page = opened(browser, address)
    assert post(colleague, address, opened(colleague, address).data(places=["23"], registration_terms=["Tous les jours"])).status_code == 302
    asked = post(browser, address, page.data(places=["17"]))
    assert asked.status_code == 409
    resumed = opened(browser, f"{address}?brouillon=1")
    assert resumed["places"] == ["17"] and resumed["row_version"] == page["row_version"]
    question = Filled(asked.text)
    assert keep(browser, address, question.data(**{"choice-places": ["mine"]})).status_code == 400
    assert post(browser, address, resumed.data()).status_code == 409, "what the colleague saved is asked about again"
    assert post(browser, address, question.data(**{"choice-places": ["mine"]})).status_code == 302
    assert rows() == []
    assert opened(browser, address)["registration_terms"] == ["Tous les jours"]


def test_looking_for_towns_is_not_sending(as_user: AsUser, db_session: Session) -> None:
    from tests.actions.helpers import make_action, make_registration

    browser = as_user("principal")
    sheet = f"/stagiaires/fiche/{make_registration(make_action())}/coordonnees"
    page = typed(browser, sheet, street_name="rue Neuve")
    assert post(browser, sheet, page.data(street_name=["rue Neuve"], _towns=["1"])).status_code == 200
    assert len(rows()) == 1


def test_only_the_author_of_a_page_keeps_and_sees_it(as_user: AsUser, address: str) -> None:
    page = typed(as_user("principal"), address, places="17")
    for other in ("secondaire", "admin", "autre-of", "support"):
        browser = as_user(other)
        assert keep(browser, address, page.data(places=["3"])).status_code == 400, f"{other} with somebody else's word"
        if other in ("secondaire", "admin"):
            assert OFFER not in browser.get(address).text
            assert opened(browser, f"{address}?brouillon=1")["places"] == page["places"]
        assert post(browser, "/brouillon/abandon", {"page": address}).status_code == 303
    [row] = rows()
    assert drafts._open(row).steps["page"]["places"] == ["17"]


@pytest.mark.parametrize("word", ["", "x", "forged"])
def test_a_word_that_opens_nothing(as_user: AsUser, address: str, word: str) -> None:
    browser = as_user("principal")
    page = opened(browser, address)
    given = page["row_page"][0][:-4] + "AAAA" if word == "forged" else word
    assert keep(browser, address, page.data(row_page=[given])).status_code == 400
    for path in ("", "actions", "/" + "x" * 3000):
        assert keep(browser, path, page.data()).status_code == 400
    assert rows() == []


def test_a_page_left_open_for_days_goes_on(as_user: AsUser, address: str, time_machine: Any) -> None:
    page = opened(as_user("principal"), address)
    start = clock.now()
    time_machine.move_to(start + timedelta(days=3))
    assert keep(as_user("principal"), address, page.data(places=["17"])).status_code == 204
    time_machine.move_to(start + timedelta(days=31))
    assert keep(as_user("principal"), address, page.data(places=["18"])).status_code == 400


def test_too_much_is_refused_and_nothing_of_it_kept(as_user: AsUser, address: str) -> None:
    browser = as_user("principal")
    page = typed(browser, address, places="17")
    assert keep(browser, address, page.data(registration_terms=["x" * (drafts.MAX_BYTES + 1)])).status_code == 413
    [row] = rows()
    assert drafts._open(row).steps["page"]["places"] == ["17"]


def test_the_oldest_makes_room(as_user: AsUser, found: TrainingSession, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MAX_OPEN", 2)
    browser = as_user("principal")
    addresses = [address, *(f"/actions-de-formation/sessions/{make_session().id}/modification" for _ in range(2))]
    for number, one in enumerate(addresses):
        typed(browser, one, places=str(40 + number))
    assert len(rows()) == 2
    assert [OFFER in browser.get(one).text for one in addresses] == [False, True, True]


def test_without_a_session_it_is_said(as_user: AsUser, client: FlaskClient, address: str) -> None:
    browser = as_user("principal")
    page = opened(browser, address)
    data = page.data(places=["17"]) | {"row_path": address}
    headers = {"Accept": "application/json", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/brouillon", data=data, headers=headers).status_code == 419
    assert post(client, "/brouillon", data, headers=headers).status_code == 401
    assert client.get("/brouillon/abandon?page=/").status_code == 401
    assert rows() == []
    # signed in again, in another tab: the page goes on, with a token of the new session
    assert keep(as_user("principal"), address, page.data(places=["17"])).status_code == 204


def test_signing_out_loses_nothing(as_user: AsUser, address: str) -> None:
    browser = as_user("principal")
    typed(browser, address, places="17")
    post(browser, "/deconnexion")
    assert opened(as_user("principal"), f"{address}?brouillon=1")["places"] == ["17"]


def test_given_up_once_confirmed(as_user: AsUser, address: str) -> None:
    browser = as_user("principal")
    page = typed(browser, address, places="17")
    asked = browser.get(f"/brouillon/abandon?page={address}")
    assert "Abandonner" in asked.text and len(rows()) == 1
    assert browser.post("/brouillon/abandon", data={"page": address}).status_code in (400, 419), "without a token"
    done = post(browser, "/brouillon/abandon", {"page": f"{address}?retour=x"})
    assert (done.status_code, done.location) == (303, f"{address}?retour=x")
    assert rows() == []
    told = browser.get(address).text
    assert "Votre brouillon a été supprimé" in told and OFFER not in told and Filled(told)["places"] == page["places"]
    assert post(browser, "/brouillon/abandon", {"page": "//ailleurs.example"}).location == "/"


def test_looking_through_other_eyes_keeps_and_shows_nothing(as_user: AsUser, address: str, db_session: Session) -> None:
    page = typed(as_user("principal"), address, places="17")
    support = as_user("support")
    observed = db_session.scalar(text("SELECT id FROM ab_user WHERE username = 'principal'"))
    assert post(support, f"/observation/{observed}", {"reason": "Appel de ce matin"}).status_code == 303
    assert keep(support, address, page.data(places=["3"])).status_code == 403
    assert OFFER not in support.get(address).text
    assert OFFER not in support.get(f"/actions-de-formation/sessions/{address.split('/')[3]}").text


def test_a_row_deleted_meanwhile_breaks_nothing(as_user: AsUser, found: TrainingSession) -> None:
    meeting = add_meeting(found.id, meeting_plan(found))
    address = f"/actions-de-formation/informations-collectives/{meeting}/modification"
    browser = as_user("principal")
    page = typed(browser, address, place="Salle B")
    remove_meeting(meeting, version=1)
    for query in ("", "?brouillon=1"):
        assert browser.get(address + query).status_code == 404
    assert keep(browser, address, page.data(place=["Salle C"])).status_code == 204
    gone = post(browser, address, page.data(place=["Salle C"]))
    assert gone.status_code == 404 and "Salle C" in gone.text, "what was typed is shown, to be copied"


def test_a_page_that_cannot_give_a_draft_back_keeps_none(as_user: AsUser, address: str) -> None:
    """The decision on a request and the rights of an account say who else is there, and hold no values to come back to."""
    browser = as_user("principal")
    page = opened(browser, address)
    fields = {"row_page": page["row_page"][0], "row_path": address, "observations": "Vu"}
    assert post(browser, "/brouillon", fields).status_code == 400


def test_a_draft_sealed_with_a_lost_key_is_passed_over(as_user: AsUser, address: str) -> None:
    browser = as_user("principal")
    typed(browser, address, places="17")
    with bound_scope(Scope.system()):
        db.session.execute(text("UPDATE wizard_draft SET data = 'nothing of ours' WHERE kind = 'page'"))
        db.session.flush()
    assert OFFER not in browser.get(address).text
    assert browser.get(f"{address}?brouillon=1").status_code == 200


def test_purged_with_the_others(as_user: AsUser, address: str) -> None:
    browser = as_user("principal")
    typed(browser, address, places="17")
    with bound_scope(Scope.system()):
        db.session.execute(text("UPDATE wizard_draft SET expires_at = now() - interval '1 minute' WHERE kind = 'page'"))
        db.session.flush()
    assert OFFER not in browser.get(address).text
    with bound_scope(Scope.system()):
        assert drafts.purge() >= 1
    assert rows() == []


def test_an_accepted_form_is_accepted_even_if_its_draft_cannot_be_ended(as_user: AsUser, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise RuntimeError("gone")

    browser = as_user("principal")
    page = typed(browser, address, places="17")
    monkeypatch.setattr(drafts, "close", away)
    assert post(browser, address, page.data(places=["17"])).status_code == 302
    assert opened(browser, address)["places"] == ["17"]
    assert OFFER not in browser.get(address).text, "it says what stands by now"


def test_a_saving_that_comes_between_is_finished_too(as_user: AsUser, address: str) -> None:
    """The draft of the page itself stands in the place of the mark: it is the one that is finished."""
    browser = as_user("principal")
    page = typed(browser, address, places="17")
    token = page_drafts._token(page["row_page"][0])
    [row] = rows()
    assert row.token == token
    with bound_scope(Scope.system(), actor_id=row.user_id):
        drafts.close("page", "another place", token=token)
        drafts.close("page", "another place", token=uuid.uuid4())
    assert rows() == []
    assert rows(finished=True)[0].data is None
