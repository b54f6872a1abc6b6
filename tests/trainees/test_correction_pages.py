"""Pages of the corrections of identities: what is typed is kept, two validators see one another, a number is refused in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from app.core.extensions import db
from app.trainees.domain import CorrectionState
from app.trainees.models import Trainee
from tests.accounts.helpers import post
from tests.actions.helpers import make_nir
from tests.architecture.filled import Filled
from tests.architecture.markup import problems
from tests.trainees.test_identity_requests import RIGHT, ask, confirmed, correction_of, decide, trainee_of, version_on

if TYPE_CHECKING:
    from tests.trainees.test_screens import AsUser

OFFER = "Reprendre ma saisie"


def test_observations_left_unsent_are_resumed(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    page_url = ask(as_user("principal"), registration_id).location
    address, region = f"{page_url}/decision", as_user("region")
    shown = Filled(region.get(page_url).text, "row_kept")
    assert OFFER not in shown.html
    assert post(region, "/brouillon", shown.data(observations=["La carte est illisible."]) | {"row_path": address}).status_code == 204
    again = Filled(region.get(page_url).text, "row_kept")
    assert OFFER in again.html and again["observations"] == [""]
    assert list(problems(again.html, path=True)) == []
    resumed = Filled(region.get(f"{page_url}?brouillon=1").text, "row_kept")
    assert resumed["observations"] == ["La carte est illisible."]
    for other in ("admin", "principal"):
        assert OFFER not in as_user(other).get(page_url).text, "a draft is its author’s alone"
    assert post(region, address, resumed.data(what=["refuse"])).status_code == 303
    assert correction_of(page_url).observations == "La carte est illisible."
    assert post(region, "/brouillon", resumed.data() | {"row_path": address}).status_code == 409, "it was sent"


def test_observations_given_up_are_gone(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    page_url = ask(as_user("principal"), registration_id).location
    address, region = f"{page_url}/decision", as_user("region")
    shown = Filled(region.get(page_url).text, "row_kept")
    assert post(region, "/brouillon", shown.data(observations=["Non."]) | {"row_path": address}).status_code == 204
    assert post(region, "/brouillon/abandon", {"page": address}).headers["Location"] == address
    back = region.get(address)
    assert (back.status_code, back.location) == (302, page_url)
    assert OFFER not in region.get(page_url).text


def test_validators_see_one_another(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    browser = as_user("principal")
    page_url = ask(browser, registration_id).location
    first, second = as_user("region"), as_user("admin")
    assert "examine cette demande" not in first.get(page_url).text
    shown = Filled(second.get(page_url).text, "row_kept")
    assert "examine cette demande depuis" in shown.html and "La première décision compte." in shown.html
    refused = post(second, f"{page_url}/decision", shown.data(what=["refuse"]))
    assert refused.status_code == 422 and "examine cette demande depuis" in refused.text
    assert "examine cette demande" not in browser.get(page_url).text, "who decides nothing disturbs nobody"


def test_a_number_in_the_observations_is_refused_and_what_was_typed_stays(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    region, nir = as_user("region"), make_nir()
    page_url = ask(as_user("principal"), registration_id).location
    refused = decide(region, page_url, "refuse", f"Le bon est {nir.grouped}")
    assert refused.status_code == 422
    assert "N’écrivez pas de numéro" in refused.text and nir.grouped in refused.text and "masqué" not in refused.text
    assert 'href="#observations"' in refused.text, "said at the field, and above"
    assert [one for one in problems(refused.text, path=True) if "social security" not in one] == []  # the box keeps what was typed
    long = decide(region, page_url, "refuse", "x" * 2001)
    assert long.status_code == 422 and "x" * 2001 in long.text
    nothing = decide(region, page_url, "", "Déjà écrit")
    assert nothing.status_code == 422 and "Déjà écrit" in nothing.text
    assert decide(region, page_url, "refuse").status_code == 422
    assert correction_of(page_url).state == CorrectionState.PENDING


def test_a_request_left_unsent_is_resumed_with_the_version_its_author_had_seen(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    address = f"/stagiaires/corrections-identite/fiche/{registration_id}"
    browser = as_user("principal")
    shown = Filled(browser.get(address).text, "row_kept")
    assert OFFER not in shown.html and "data-unsaved" in shown.html
    assert post(browser, "/brouillon", shown.data() | {"row_path": address}).status_code == 204
    assert OFFER not in browser.get(address).text, "nothing differs"
    typed = {"birth_name": [RIGHT["birth_name"]], "reason": [RIGHT["reason"]]}
    assert post(browser, "/brouillon", shown.data(**typed) | {"row_path": address}).status_code == 204
    again = Filled(browser.get(address).text, "row_kept")
    assert OFFER in again.html and again["reason"] == [""] and again["birth_name"] == ["ESSAI"]
    colleague = as_user("secondaire").get(address)
    assert colleague.status_code == 200 and OFFER not in colleague.text and "modifie cette page" not in colleague.text
    trainee = trainee_of(registration_id)
    db.session.execute(update(Trainee).where(Trainee.id == trainee.id).values(first_name="AUTRE", version=Trainee.version + 1))
    db.session.expire_all()
    resumed = Filled(browser.get(f"{address}?brouillon=1").text, "row_kept")
    assert resumed["reason"] == typed["reason"] and resumed["birth_name"] == typed["birth_name"]
    assert list(problems(resumed.html, path=True)) == []
    late = post(browser, address, resumed.data())
    assert late.status_code == 422 and "a modifié ce stagiaire entre-temps" in late.text, "nothing of somebody else’s is taken back unseen"
    assert post(browser, address, Filled(late.text, "row_kept").data()).status_code == 303
    assert post(browser, "/brouillon", resumed.data() | {"row_path": address}).status_code == 409, "it was sent"
    assert version_on(late.text) == str(trainee_of(registration_id).version)
