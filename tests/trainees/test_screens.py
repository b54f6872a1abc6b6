"""Pages of the trainees through the browser's own requests: what is shown, refused, hidden and journaled."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text

from app.actions.models import Action, Component
from app.core import clock
from app.core.extensions import db
from app.core.nir import Nir
from app.core.outbox import Message
from app.core.outbox.models import MessageState, OutboxMessage
from app.partners.agora.port import EventKind, FileEvent
from app.reference.models import ExitReason
from app.trainees import agora, queries
from app.trainees.domain import IdentitySource, IdentityState
from app.trainees.models import Enrolment, IdentityRequest, Registration
from app.trainees.queries import Cursor, TraineeFilter
from app.trainees.services import identity
from app.trainees.views.pages import CONTACT_FIELDS, SITUATION_FIELDS
from tests.accounts.helpers import post
from tests.actions.helpers import details, make_action, make_enrolment, make_nir, make_person, make_registration, statements

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]


def registration_of(enrolment_id: int) -> int:
    return db.session.scalars(select(Enrolment.registration_id).where(Enrolment.id == enrolment_id)).one()


def as_posted(values: dict[str, Any]) -> dict[str, str]:
    """A sheet as a browser sends it."""
    written = {True: "oui", False: "non", None: ""}
    return {name: written[value] if value is None or isinstance(value, bool) else str(value) for name, value in values.items()}


def contact_form(**changes: str) -> dict[str, str]:
    values = {name: value for name, value in as_posted(details()).items() if name in CONTACT_FIELDS}
    return {**values, **changes}


def situation_form(**changes: str) -> dict[str, str]:
    values = {name: value for name, value in as_posted(details()).items() if name in SITUATION_FIELDS}
    return {**values, **changes}


class Wizard:
    """The registration wizard of one action in one window."""

    def __init__(self, browser: FlaskClient, action: Action) -> None:
        self.browser = browser
        self.start = f"/stagiaires/action/{action.id}/enregistrement"
        self.word = browser.get(f"{self.start}/").headers["Location"].partition("saisie=")[2]

    def address(self, step: str) -> str:
        return f"{self.start}/{step}?saisie={self.word}"

    def post(self, step: str, data: dict[str, str], page: str | None = None) -> Any:
        """Send a step, from the page as it is now or as it was."""
        return post(self.browser, self.address(step), {**hidden_of(page or self.get(step)), **data})

    def get(self, step: str) -> str:
        return self.browser.get(self.address(step)).text

    def verify(self, nir: Nir, name: str = "ESSAI") -> Any:
        return self.post("verification", {"nir": nir.number, "key": nir.key, "birth_name": name})

    def finish(self) -> Any:
        return self.post("recapitulatif", {})


def open_inputs(action: Action) -> int:
    """How many registrations on the action are begun and not ended."""
    count = text("SELECT count(*) FROM wizard_draft WHERE kind = 'trainee-registration' AND finished_at IS NULL AND split_part(subject_key, ':', 1) = :id")
    return int(db.session.scalar(count, {"id": str(action.id)}) or 0)


def reason_id(*, early: bool) -> str:
    """A reason of exit, for the form."""
    return str(db.session.scalars(select(ExitReason.id).where(ExitReason.early.is_(early)).order_by(ExitReason.id)).first())


def hidden_of(page: str) -> dict[str, str]:
    """What a page of the wizard carries without showing it."""
    return dict(re.findall(r'name="(wizard_token|wizard_concerns|wizard_shown)" value="([^"]*)"', page))


def answer(state: IdentityState, name: str = "ESSAI") -> None:
    """AGORA answers the last search."""
    request_id = db.session.scalars(select(IdentityRequest.id).order_by(IdentityRequest.id.desc())).first()
    assert request_id is not None
    identity.store_answer(request_id, state, make_person(name) if state is IdentityState.FOUND else None)


# ---- wizard ------------------------------------------------------------------------------------------------------------


def test_a_registration_with_agoras_identity(as_user: AsUser) -> None:
    action, nir = make_action(), make_nir()
    wizard = Wizard(as_user("principal"), action)
    assert wizard.verify(nir).status_code == 302
    page = wizard.get("identification")
    assert "AGORA est interrogé" in page
    assert nir.number not in page
    assert wizard.browser.get(wizard.address("identification/identite")).status_code == 204
    waiting = wizard.post("identification", contact_form())
    assert waiting.status_code == 422
    assert "un instant" in waiting.text
    answer(IdentityState.FOUND)
    part = wizard.browser.get(wizard.address("identification/identite"))
    assert "Identité confirmée par AGORA" in part.text
    assert "02/06/1985" in part.text
    page = wizard.get("identification")
    assert 'name="first_name"' not in page  # shown, locked, not asked
    assert wizard.post("identification", contact_form(first_name="PIRATE", birth_name="PIRATE")).status_code == 302
    assert wizard.post("situation-initiale", situation_form()).status_code == 302
    recap = wizard.get("recapitulatif")
    assert "Paul" in recap
    assert nir.number not in recap
    done = wizard.finish()
    assert done.status_code == 302
    row = db.session.scalars(select(Registration).where(Registration.action_id == action.id)).one()
    assert (row.trainee.first_name, row.trainee.identity_source, row.town, row.insee_code) == ("Paul", "AGORA", "Toulouse", "31555")
    assert "ESSAI Paul" in wizard.browser.get(done.headers["Location"]).text


@pytest.mark.parametrize(
    ("nir", "key", "box", "words"),
    [
        ("1620713155089", "83", "key", "clé"),
        ("5620713155089", "82", "nir", "premier chiffre"),
        ("162071315508", "82", "nir", "13 caractères"),
        ("", "", "nir", "NIR"),
        ("1620713155089", "", "key", "clé"),
        ("16207131550ZZ", "82", "nir", "caractère"),
    ],
)
def test_a_bad_number_is_said_at_the_box(as_user: AsUser, nir: str, key: str, box: str, words: str) -> None:
    page = Wizard(as_user("principal"), make_action()).post("verification", {"nir": nir, "key": key, "birth_name": "SION"})
    assert page.status_code == 422
    error = re.search(rf'id="{box}-error">(.*?)</p>', page.text, re.DOTALL)
    assert error is not None
    assert words.lower() in error[1].lower()


def test_already_on_the_action_gives_the_link(as_user: AsUser) -> None:
    action, nir = make_action(), make_nir()
    registration_id = make_registration(action, nir=nir)
    page = Wizard(as_user("principal"), action).verify(nir)
    assert page.status_code == 422
    assert "déjà enregistré" in page.text
    assert f"/stagiaires/fiche/{registration_id}" in page.text


def test_a_known_person_is_not_asked_again(as_user: AsUser) -> None:
    """Identity confirmed once stays; contact details of the last sheet are proposed."""
    nir = make_nir()
    make_registration(make_action(), nir=nir)
    before = db.session.scalar(select(func.count()).select_from(IdentityRequest))
    wizard = Wizard(as_user("principal"), make_action())
    assert wizard.verify(nir).status_code == 302
    page = wizard.get("identification")
    assert "Identité confirmée par AGORA" in page
    assert "des Violettes" in page
    assert db.session.scalar(select(func.count()).select_from(IdentityRequest)) == before


@pytest.mark.parametrize(
    ("state", "words"),
    [(IdentityState.UNAVAILABLE, "AGORA ne répond pas"), (IdentityState.UNKNOWN, "AGORA ne connaît personne")],
)
def test_without_agora_the_identity_is_typed(as_user: AsUser, state: IdentityState, words: str) -> None:
    action = make_action()
    wizard = Wizard(as_user("principal"), action)
    wizard.verify(make_nir())
    answer(state)
    assert words in wizard.get("identification")
    assert wizard.post("identification", contact_form()).status_code == 422
    typed = {"civility": "M", "birth_name": "ESSAI", "first_name": "Jean", "birth_date": "02/06/1985", "gender": "M"}
    assert wizard.post("identification", contact_form(**typed)).status_code == 302
    wizard.post("situation-initiale", situation_form())
    assert wizard.finish().status_code == 302
    row = db.session.scalars(select(Registration).where(Registration.action_id == action.id)).one()
    assert (row.trainee.first_name, row.trainee.identity_source) == ("Jean", "TYPED")


def test_another_name_at_agora_sends_back(as_user: AsUser) -> None:
    wizard = Wizard(as_user("principal"), make_action())
    wizard.verify(make_nir())
    answer(IdentityState.MISMATCH)
    assert "AGORA connaît ce NIR sous un autre nom" in wizard.get("identification")
    assert wizard.post("identification", contact_form()).status_code == 422


def test_an_nia_is_typed_and_nobody_is_asked(as_user: AsUser) -> None:
    before = db.session.scalar(select(func.count()).select_from(IdentityRequest))
    wizard = Wizard(as_user("principal"), make_action())
    assert wizard.verify(make_nir("7")).status_code == 302
    page = wizard.get("identification")
    assert "n’est pas transmis à AGORA" in page
    assert 'name="first_name"' in page
    assert db.session.scalar(select(func.count()).select_from(IdentityRequest)) == before


def test_avenir_asks_for_no_number(as_user: AsUser) -> None:
    action = make_action(programme="AVENIR")
    wizard = Wizard(as_user("principal"), action)
    page = wizard.get("verification")
    assert 'name="nir"' not in page
    typed = {"civility": "MME", "birth_name": "AVENIR", "first_name": "Zoé", "birth_date": "02/06/2004", "gender": "F"}
    assert wizard.post("verification", {**typed, "nir": "1620713155089", "key": "82"}).status_code == 302
    wizard.post("identification", contact_form())
    wizard.post("situation-initiale", situation_form())
    assert wizard.finish().status_code == 302
    row = db.session.scalars(select(Registration).where(Registration.action_id == action.id)).one()
    assert (row.trainee.first_name, row.trainee.nir_kind) == ("Zoé", None)


def test_avenir_confirms_a_civility_and_a_gender_that_disagree(as_user: AsUser) -> None:
    action = make_action(programme="AVENIR")
    wizard = Wizard(as_user("principal"), action)
    typed = {"civility": "MME", "birth_name": "AVENIR", "first_name": "Zoé", "birth_date": "02/06/2004", "gender": "M"}
    assert 'name="identity_confirmed"' not in wizard.get("verification")
    refused = wizard.post("verification", typed)
    assert refused.status_code == 422
    assert "confirmez plus bas" in refused.text
    assert 'name="identity_confirmed"' in refused.text
    assert wizard.post("verification", {**typed, "identity_confirmed": "y"}).status_code == 302
    wizard.post("identification", contact_form())
    wizard.post("situation-initiale", situation_form())
    assert wizard.finish().status_code == 302
    row = db.session.scalars(select(Registration).where(Registration.action_id == action.id)).one()
    assert (row.trainee.civility, row.trainee.gender) == ("MME", "M")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("mobile", "0561000000", "téléphone portable"),
        ("mobile", "12", "numéro de téléphone"),
        ("email", "x@", "adresse électronique"),
        ("postal_code", "3100", "5 chiffres"),
        ("town", "Marseille", "code postal"),
        ("nationality_id", "999999", ""),
        ("street_type_id", "", "Choisissez"),
    ],
)
def test_contact_details_are_checked(as_user: AsUser, field: str, value: str, words: str) -> None:
    wizard = Wizard(as_user("principal"), make_action())
    wizard.verify(make_nir())
    answer(IdentityState.FOUND)
    page = wizard.post("identification", contact_form(**{field: value}))
    assert page.status_code == 422
    error = re.search(rf'id="{field}-error">(.*?)</p>', page.text, re.DOTALL)
    assert error is not None
    assert words.lower() in error[1].lower()


@pytest.mark.parametrize(("number", "fine"), [("8783435M", True), ("12345678901", True), ("878343", False), ("00000000", False), ("", False)])
def test_jobseeker_number(as_user: AsUser, number: str, fine: bool) -> None:
    wizard = Wizard(as_user("principal"), make_action())
    wizard.verify(make_nir())
    answer(IdentityState.FOUND)
    wizard.post("identification", contact_form())
    page = wizard.post("situation-initiale", situation_form(ft_registered="oui", ft_number=number))
    assert page.status_code == (302 if fine else 422)


def test_esf_is_asked_on_cofunded_actions_only(as_user: AsUser) -> None:
    browser = as_user("principal")
    for esf in (False, True):
        wizard = Wizard(browser, make_action(esf=esf))
        wizard.verify(make_nir())
        answer(IdentityState.FOUND)
        wizard.post("identification", contact_form())
        assert ('name="esf_state"' in wizard.get("situation-initiale")) is esf
    assert wizard.post("situation-initiale", situation_form(esf_state="complete")).status_code == 422
    assert wizard.post("situation-initiale", situation_form(esf_state="later")).status_code == 302


def test_the_draft_keeps_no_number_in_clear(as_user: AsUser) -> None:
    nir = make_nir()
    Wizard(as_user("principal"), make_action()).verify(nir)
    for table in ("wizard_draft", "identity_request"):
        rows = db.session.scalars(text(f"SELECT row_to_json(t)::text FROM {table} t")).all()
        assert rows
        assert not any(nir.number in row or nir.number.encode().hex() in row for row in rows)


TYPED = {"civility": "M", "birth_name": "ESSAI", "first_name": "Paul", "birth_date": "02/06/1985", "gender": "M"}


def test_a_typed_identity_is_registered_after_the_purge_of_the_search(as_user: AsUser) -> None:
    """The search lives an hour; what was accepted on the page stays, and the final act asks AGORA nothing."""
    action = make_action()
    wizard = Wizard(as_user("principal"), action)
    wizard.verify(make_nir())
    answer(IdentityState.UNAVAILABLE)
    assert wizard.post("identification", contact_form(**TYPED)).status_code == 302
    assert wizard.post("situation-initiale", situation_form()).status_code == 302
    db.session.execute(text("DELETE FROM identity_request"))
    assert wizard.finish().status_code == 302
    row = db.session.scalars(select(Registration).where(Registration.action_id == action.id)).one()
    assert (row.trainee.first_name, row.trainee.identity_source) == ("Paul", "TYPED")
    assert db.session.scalar(select(func.count()).select_from(IdentityRequest)) == 0


def test_another_number_asks_for_the_identification_again(as_user: AsUser) -> None:
    wizard = Wizard(as_user("principal"), make_action())
    wizard.verify(make_nir())
    answer(IdentityState.UNAVAILABLE)
    wizard.post("identification", contact_form(**TYPED))
    wizard.post("situation-initiale", situation_form())
    wizard.verify(make_nir())
    answer(IdentityState.FOUND)
    gone = wizard.browser.get(wizard.address("recapitulatif"))
    assert gone.status_code == 302
    assert "/identification?" in gone.headers["Location"]


def ready(browser: FlaskClient, action: Action, name: str, number: Nir | None = None) -> Wizard:
    """Somebody AGORA knows, at the step "Identification"."""
    wizard = Wizard(browser, action)
    assert wizard.verify(number or make_nir(), name).status_code == 302
    answer(IdentityState.FOUND, name)
    return wizard


def registered(action: Action) -> dict[str, str]:
    rows = db.session.scalars(select(Registration).where(Registration.action_id == action.id))
    return {row.trainee.birth_name: row.email for row in rows}


def test_two_windows_register_two_people_on_one_action(as_user: AsUser) -> None:
    """Each registration has its own draft: neither window sees the other's person, and both end well."""
    action, browser = make_action(), as_user("principal")
    first, second = ready(browser, action, "SION"), ready(browser, action, "TARTEMPION")
    assert "SION Paul" in first.get("identification")
    assert first.post("identification", contact_form(email="sion@example.org")).status_code == 302
    assert second.post("identification", contact_form(email="tartempion@example.org")).status_code == 302
    for wizard, name, other in ((first, "SION", "TARTEMPION"), (second, "TARTEMPION", "SION")):
        assert wizard.post("situation-initiale", situation_form()).status_code == 302
        recap = wizard.get("recapitulatif")
        assert f"{name} Paul" in recap
        assert other not in recap
        assert wizard.finish().status_code == 302
    assert registered(action) == {"SION": "sion@example.org", "TARTEMPION": "tartempion@example.org"}


def test_a_window_left_behind_by_its_draft_is_refused_and_loses_nothing(as_user: AsUser) -> None:
    """Two windows on one draft: the second makes it another person's; the first is refused and its input offered apart."""
    action, browser, sion = make_action(), as_user("principal"), make_nir()
    wizard = ready(browser, action, "SION", sion)
    left_open = wizard.get("identification")
    assert wizard.verify(make_nir(), "TARTEMPION").status_code == 302
    answer(IdentityState.FOUND, "TARTEMPION")
    wizard.get("identification")
    draft = post(browser, wizard.address("identification/brouillon"), {**hidden_of(left_open), **contact_form(email="sion@example.org")})
    assert draft.status_code == 409
    refused = wizard.post("identification", contact_form(email="sion@example.org"), left_open)
    assert refused.status_code == 409
    assert "Ce brouillon concerne maintenant TARTEMPION" in refused.text
    assert "sion@example.org" in refused.text
    assert "sion@example.org" not in wizard.get("identification")
    # nothing of TARTEMPION in the part that the first window asks for again
    asked = re.search(r'hx-get="([^"]+)"', left_open) or re.search(r"pour=([0-9a-f]+)", left_open)
    assert asked is None or "TARTEMPION Paul" not in browser.get(wizard.address("identification/identite") + "&pour=" + hidden_of(left_open)["wizard_concerns"]).text.replace("concerne maintenant TARTEMPION Paul", "")
    apart = post(browser, wizard.address("identification/a-part"), {**hidden_of(left_open), **contact_form(email="sion@example.org")})
    assert apart.status_code == 302
    wizard.word = apart.headers["Location"].partition("saisie=")[2]
    assert wizard.verify(sion, "SION").status_code == 302
    answer(IdentityState.FOUND, "SION")
    assert "sion@example.org" in wizard.get("identification")  # it is for SION that it was typed


def test_a_page_set_apart_never_fills_another_person(as_user: AsUser) -> None:
    action, browser = make_action(), as_user("principal")
    wizard = ready(browser, action, "SION")
    page = wizard.get("identification")
    apart = post(browser, wizard.address("identification/a-part"), {**hidden_of(page), **contact_form(email="sion@example.org")})
    wizard.word = apart.headers["Location"].partition("saisie=")[2]
    assert wizard.verify(make_nir(), "TARTEMPION").status_code == 302
    assert "sion@example.org" not in wizard.get("identification")


def test_a_wrong_entry_in_another_window_sends_nobody_back_in_silence(as_user: AsUser) -> None:
    action, browser = make_action(), as_user("principal")
    wizard = ready(browser, action, "SION")
    left_open = wizard.get("identification")
    assert wizard.post("verification", {"nir": "123", "key": "", "birth_name": "TARTEMPION"}).status_code == 422
    late = wizard.post("identification", contact_form(email="sion@example.org"), left_open)
    assert late.status_code == 302
    page = browser.get(late.headers["Location"]).text
    assert "doit d’abord être validée" in page
    assert "Ce que vous venez de saisir est gardé" in page


def test_another_person_empties_the_contact_details_and_the_same_keeps_them(as_user: AsUser) -> None:
    action, browser, nir = make_action(), as_user("principal"), make_nir()
    wizard = ready(browser, action, "SION", nir)
    wizard.post("identification", contact_form(email="sion@example.org"))
    wizard.post("situation-initiale", situation_form())
    assert wizard.verify(nir, "SION").status_code == 302  # the same again
    assert "sion@example.org" in wizard.get("identification")
    assert wizard.verify(make_nir(), "TARTEMPION").status_code == 302
    answer(IdentityState.FOUND, "TARTEMPION")
    page = wizard.get("identification")
    assert "sion@example.org" not in page
    assert "saisies pour SION Paul ne sont plus dans cette saisie" in page
    former = re.search(r'href="([^"]*saisie=[0-9a-f]+)">Continuer avec SION Paul', wizard.get("verification"))
    assert former is not None  # nothing typed is lost: SION's input goes on, apart
    other = Wizard(browser, action)
    other.word = former[1].partition("saisie=")[2]
    assert "sion@example.org" in other.get("identification")
    # its number too, which the page no longer gives back in clear
    verification = other.get("verification")
    assert nir.number not in verification.replace(" ", "")
    assert f"garder ce numéro : {nir.masked}" in verification
    assert other.post("verification", {"nir": "", "key": "", "birth_name": "SION"}).status_code == 302
    assert "/identification?" in browser.get(wizard.address("recapitulatif")).headers["Location"]


def test_unfinished_inputs_are_found_again_by_name(as_user: AsUser) -> None:
    action, browser = make_action(), as_user("principal")
    wizard = ready(browser, action, "SION")
    wizard.post("identification", contact_form())
    other = Wizard(browser, action)
    assert "Continuer avec SION Paul" in other.get("verification")
    assert f"Enregistrement de SION Paul sur {action.number}" in browser.get("/").text
    resumed = browser.get(f"{wizard.start}/?saisie={wizard.word}")
    assert "/situation-initiale?" in resumed.headers["Location"]
    assert "SION Paul" in browser.get(resumed.headers["Location"]).text


def test_a_refused_verification_leaves_no_draft(as_user: AsUser) -> None:
    """Nobody is known before the first page was accepted: the page keeps what was typed, no list shows an input without a name."""
    action, browser = make_action(), as_user("principal")
    for _again in range(3):
        wizard = Wizard(browser, action)
        assert post(browser, wizard.address("verification/brouillon"), {"birth_name": "SIO"}).status_code == 204
        refused = wizard.post("verification", {"nir": "123", "key": "", "birth_name": "SION"})
        assert refused.status_code == 422
        assert 'value="SION"' in refused.text
    assert open_inputs(action) == 0
    assert "verification/brouillon" not in refused.text  # and no page says that it was saved
    assert "pas encore identifiée" not in Wizard(browser, action).get("verification")
    assert wizard.post("verification", {"nir": (nir := make_nir()).number, "key": nir.key, "birth_name": "SION"}, refused.text).status_code == 302
    assert open_inputs(action) == 1


def test_what_is_saved_to_be_left_is_kept_even_unaccepted(as_user: AsUser) -> None:
    action, browser = make_action(), as_user("principal")
    wizard = Wizard(browser, action)
    assert wizard.post("verification", {"nir": "123", "key": "", "birth_name": "SION", "go": "leave"}).status_code == 302
    assert 'value="SION"' in wizard.get("verification")
    assert wizard.post("verification", {"nir": "1234", "key": "", "birth_name": "SION"}).status_code == 422
    assert open_inputs(action) == 1  # a refusal takes nothing back that was kept on purpose


def test_another_input_about_somebody_registered_since_is_no_longer_offered(as_user: AsUser) -> None:
    action, browser, nir = make_action(), as_user("principal"), make_nir()
    first, again, other = ready(browser, action, "SION", nir), ready(browser, action, "SION", nir), ready(browser, action, "TARTEMPION")
    assert open_inputs(action) == 3
    first.post("identification", contact_form())
    first.post("situation-initiale", situation_form())
    assert first.finish().status_code == 302
    page = Wizard(browser, action).get("verification")
    assert "Continuer avec TARTEMPION" in page
    assert "Continuer avec SION" not in page
    assert open_inputs(action) == 1
    assert "TARTEMPION" in other.get("identification")
    assert "SION" not in again.get("verification")


def test_giving_up_asks_first(as_user: AsUser) -> None:
    wizard = ready(as_user("principal"), make_action(), "SION")
    page = wizard.get("identification")
    assert 'data-dialog="abandon-draft"' in page
    question = wizard.browser.get(wizard.address("abandon"))
    assert "Abandonner la saisie de SION" in question.text
    assert post(wizard.browser, wizard.address("abandon"), {}).status_code == 302
    assert "SION" not in wizard.get("verification")


def test_asking_for_the_towns_announces_no_problem(as_user: AsUser) -> None:
    """« Rechercher la ville » without script: the list, and no error about what is not typed yet."""
    wizard = ready(as_user("principal"), make_action(), "SION")
    page = wizard.post("identification", {"postal_code": "11100", "_towns": "1"})
    assert page.status_code == 200
    assert "Narbonne" in page.text
    assert "error-summary" not in page.text


# ---- lists and sheets --------------------------------------------------------------------------------------------------


def test_the_list_costs_the_same_for_few_and_many(as_user: AsUser) -> None:
    browser = as_user("principal")
    costs = []
    action = make_action()
    for more in (1, 8):
        for index in range(more):
            make_enrolment(action, name=f"NOM {more} {index}")
        browser.get(f"/stagiaires/action/{action.id}")
        for address in (f"/stagiaires/action/{action.id}", "/stagiaires/", f"/actions-de-formation/{action.id}"):
            with statements() as sent:
                assert browser.get(address).status_code == 200
            costs.append(len(sent))
    assert costs[:3] == costs[3:]


def test_pages_of_trainees_in_both_directions(db_session: Session) -> None:
    action = make_action()
    for index in range(7):
        make_registration(action, name=f"NOM {index % 3}")
    seen: list[int] = []
    page = queries.list_registrations(TraineeFilter(), action_id=action.id, size=3)
    seen += [row.id for row in page.rows]
    while page.keyset.after:
        page = queries.list_registrations(TraineeFilter(), action_id=action.id, cursor=Cursor.of(page.keyset.after, None), size=3)
        seen += [row.id for row in page.rows]
    assert len(seen) == len(set(seen)) == 7
    names = [db_session.get_one(Registration, one).sort_name for one in seen]
    assert names == sorted(names)


def test_no_name_travels_in_an_address(as_user: AsUser) -> None:
    action = make_action()
    for index in range(26):
        make_registration(action, name=f"SECRET {index}")
    page = as_user("principal").get(f"/stagiaires/action/{action.id}").text
    assert re.search(r"after=\d+[\"&]", page)
    assert not re.search(r"(after|before)=[^\"&]*secret", page)


def outbox_of(enrolment_id: int) -> OutboxMessage:
    return db.session.scalars(select(OutboxMessage).where(OutboxMessage.subject_id == enrolment_id, OutboxMessage.subject_type == "enrolment")).one()


@pytest.mark.parametrize(("state", "words"), [(MessageState.DEAD, "peut le relancer"), (MessageState.CANCELLED, "réglé cet envoi à la main")])
def test_a_page_stops_asking_when_nothing_leaves_any_more(as_user: AsUser, state: MessageState, words: str) -> None:
    enrolment_id = make_enrolment(make_action())
    row = outbox_of(enrolment_id)
    row.state, row.last_error_code = state, "unavailable"
    row.done_at = clock.now() if state is MessageState.CANCELLED else None
    db.session.flush()
    page = as_user("principal").get(f"/stagiaires/fiche/{registration_of(enrolment_id)}").text
    assert words in page
    assert "every 700ms" not in page


def enrolment_form(enrolment: Enrolment) -> dict[str, str]:
    return {
        "planned_start": f"{enrolment.planned_start:%d/%m/%Y}", "planned_end": f"{enrolment.planned_end:%d/%m/%Y}", "site_id": str(enrolment.site_id),
        "hours_centre": "77", "hours_company": "20",
    }  # fmt: skip


def test_a_second_click_on_enrol_is_told_at_the_form(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen before writing, in words; and should only the database see it, the same, what was typed kept."""
    enrolment = db.session.get_one(Enrolment, make_enrolment(make_action()))
    address = f"/stagiaires/inscription/fiche/{enrolment.registration_id}/composante/{enrolment.component_id}"
    typed = enrolment_form(enrolment)
    browser = as_user("principal")
    for blind in (False, True):
        if blind:
            monkeypatch.setattr("app.trainees.services.enrolment.is_current", lambda *_: False)
        again = post(browser, address, typed)
        assert again.status_code == 422
        assert "déjà inscrit sur cette composante" in again.text
        assert 'value="77' in again.text


def carried(page: str) -> dict[str, str]:
    """The hidden fields by which a form knows the version it shows."""
    return dict(re.findall(r'name="(row_version|row_base)"[^>]*value="([^"]*)"', page))


@pytest.mark.parametrize("sent", [True, False])
def test_a_change_behind_a_creation_that_left_is_told(as_user: AsUser, sent: bool) -> None:
    """AGORA may hold the old hours: an event follows; the creation tried again takes its key when it leaves (``outbox.keys``)."""
    enrolment = db.session.get_one(Enrolment, make_enrolment(make_action()))
    enrolment_id, registration_id = enrolment.id, enrolment.registration_id
    row = outbox_of(enrolment_id)
    key = row.idempotency_key
    if sent:
        row.attempts, row.sent_at = 1, clock.now()
    db.session.flush()
    browser, address = as_user("principal"), f"/stagiaires/inscription/{enrolment_id}/modification"
    form = {**enrolment_form(enrolment), **carried(browser.get(address).text)}
    assert post(browser, address, form).status_code == 302
    address = f"/stagiaires/fiche/{registration_id}/coordonnees"
    form = contact_form(email="autre@exemple.fr", **carried(browser.get(address).text))
    assert post(browser, address, form).status_code == 302
    statement = select(OutboxMessage).where(OutboxMessage.subject_id == enrolment_id, OutboxMessage.subject_type == "enrolment")
    rows = db.session.scalars(statement.order_by(OutboxMessage.id).execution_options(populate_existing=True)).all()
    assert [one.operation for one in rows] == (["create_file", "change_file", "change_file"] if sent else ["create_file"])
    assert rows[0].idempotency_key == key
    if sent:
        db.session.execute(text("UPDATE enrolment SET agora_number = '30444395', agora_status = 'entered' WHERE id = :id"), {"id": enrolment_id})
        message = Message(
            id=rows[1].id, partner="agora", operation="change_file", subject_type="enrolment", subject_id=enrolment_id,
            organisation_id=rows[1].organisation_id, ordering_key="x", idempotency_key=rows[1].idempotency_key, params={}, attempts=1,
        )  # fmt: skip
        (built,) = agora.build_changes([message]).values()
        assert isinstance(built, FileEvent)
        assert built.changes is not None
        assert built.changes.holder is not None
        assert (built.kind, built.number, built.changes.hours_centre) == (EventKind.MODIFICATION, "30444395", 77)
        assert built.changes.holder.email == "autre@exemple.fr"


def test_only_the_town_or_its_code_brings_the_insee_code(as_user: AsUser) -> None:
    registration_id = make_registration(make_action())
    browser = as_user("principal")
    address = f"/stagiaires/fiche/{registration_id}/coordonnees"
    db.session.execute(text("UPDATE registration SET postal_code = '31200', insee_code = NULL WHERE id = :id"), {"id": registration_id})
    assert post(browser, address, contact_form(**carried(browser.get(address).text))).status_code == 302
    row = db.session.get_one(Registration, registration_id, populate_existing=True)
    assert (row.postal_code, row.insee_code) == (contact_form()["postal_code"], "31555")


def test_columns_of_the_guide(as_user: AsUser) -> None:
    action = make_action(esf=True)
    make_enrolment(action)
    page = as_user("principal").get(f"/stagiaires/action/{action.id}").text
    headers = [re.sub(r"<[^>]+>", "", header).strip() for header in re.findall(r"<th scope=\"col\".*?</th>", page, re.DOTALL)]
    assert headers == ["Nom / - Composante", "Prénom", "Données FSE", "Date d’entrée", "Date de sortie prévue", "Date de sortie réelle", "N° Agora", "Gestion"]


@pytest.mark.parametrize("todo", ["agora-a-corriger", "sans-numero-agora", "nia", "fse", "sans-inscription", "inconnu", "' OR 1=1"])
def test_filters_of_the_list(as_user: AsUser, todo: str) -> None:
    assert as_user("principal").get("/stagiaires/", query_string={"a_faire": todo, "texte": "É & '%"}).status_code == 200


def addresses(action: Action, enrolment_id: int) -> list[str]:
    registration_id = registration_of(enrolment_id)
    trainee_id = db.session.get_one(Registration, registration_id).trainee_id
    component_id = db.session.scalars(select(Component.id).where(Component.action_id == action.id)).first()
    return [
        f"/stagiaires/action/{action.id}", f"/stagiaires/{trainee_id}", f"/stagiaires/fiche/{registration_id}",
        f"/stagiaires/fiche/{registration_id}/coordonnees", f"/stagiaires/fiche/{registration_id}/situation",
        f"/stagiaires/fiche/inscription/{enrolment_id}/agora", f"/stagiaires/inscription/fiche/{registration_id}",
        f"/stagiaires/inscription/fiche/{registration_id}/composante/{component_id}", f"/stagiaires/inscription/{enrolment_id}/modification",
        f"/stagiaires/inscription/{enrolment_id}/sortie", f"/stagiaires/action/{action.id}/enregistrement/verification",
    ]  # fmt: skip


@pytest.mark.parametrize(("account", "expected"), [("principal", {200, 204, 302}), ("secondaire", {200, 204, 302}), ("autre-of", {404}), ("support", {403})])
def test_who_opens_what(as_user: AsUser, account: str, expected: set[int]) -> None:
    action = make_action()
    enrolment_id = make_enrolment(action)
    browser = as_user(account)
    for address in addresses(action, enrolment_id):
        assert browser.get(address).status_code in expected, address


def test_the_region_reads_and_does_not_write(as_user: AsUser) -> None:
    action = make_action()
    enrolment_id = make_enrolment(action)
    registration_id = registration_of(enrolment_id)
    browser = as_user("region")
    assert browser.get(f"/stagiaires/fiche/{registration_id}").status_code == 200
    for address in (
        f"/stagiaires/inscription/{enrolment_id}/sortie",
        f"/stagiaires/fiche/{registration_id}/coordonnees",
        f"/stagiaires/fiche/{registration_id}/numero",
    ):
        assert post(browser, address, {"reason": "contrôle de service fait"}).status_code == 403


def test_reading_a_number_asks_a_reason_and_is_journaled(as_user: AsUser) -> None:
    nir = make_nir()
    registration_id = make_registration(make_action(), nir=nir)
    browser = as_user("principal")
    address = f"/stagiaires/fiche/{registration_id}/numero"
    count = text("SELECT count(*) FROM nir_reading WHERE purpose = 'screen'")
    before = db.session.scalar(count)
    assert browser.get(address).status_code == 405
    assert nir.grouped not in browser.get(f"/stagiaires/fiche/{registration_id}").text
    refused = post(browser, address, {"reason": "x"})
    assert refused.status_code == 422
    assert nir.grouped not in refused.text
    assert db.session.scalar(count) == before
    shown = post(browser, address, {"reason": "Vérification de la carte Vitale"})
    assert nir.grouped in shown.text.replace("\N{NO-BREAK SPACE}", " ")
    assert db.session.scalar(count) == before + 1


def test_the_rubric_answers_only_when_something_changed(as_user: AsUser) -> None:
    enrolment_id = make_enrolment(make_action())
    browser = as_user("principal")
    address = f"/stagiaires/fiche/inscription/{enrolment_id}/agora"
    assert browser.get(address + "?silent=0").status_code == 204
    db.session.execute(
        text("UPDATE enrolment SET agora_state = 'done', agora_number = '30499999', agora_status = 'entered' WHERE id = :id"), {"id": enrolment_id}
    )
    part = browser.get(address + "?silent=0").text
    assert "30499999" in part
    assert "Entrée en formation" in part
    assert "bien effectuée" in part
    assert "every 700ms" not in part  # it stops asking at that pace


def test_the_integration_is_said_of_the_creation_alone(as_user: AsUser) -> None:
    """Guide 000's sentence is for the number received; an event, a cancelled enrolment or AGORA moving by itself has its own."""
    enrolment_id = make_enrolment(make_action())
    browser = as_user("principal")
    sheet = f"/stagiaires/fiche/{registration_of(enrolment_id)}"
    asks = re.compile(r'hx-get="([^"]*/agora\?[^"]*)"')

    def told(change: str) -> str:
        found = asks.search(browser.get(sheet).text)
        assert found is not None
        db.session.execute(text(f"UPDATE enrolment SET {change} WHERE id = :id"), {"id": enrolment_id})
        part = browser.get(found[1].replace("&amp;", "&")).text.partition('id="message-agora"')[2]
        return part.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")

    created = told("agora_state = 'done', agora_number = '30499999', agora_status = 'entered', version = version + 1")
    assert "L’intégration dans AGORA est bien effectuée : dossier 30499999" in created
    by_itself = told("agora_status = 'exited', version = version + 1")
    assert "Le dossier a avancé dans AGORA : dossier 30499999, « Sortie" in by_itself
    db.session.execute(text("UPDATE enrolment SET agora_state = 'waiting' WHERE id = :id"), {"id": enrolment_id})
    changed = told("agora_state = 'done', version = version + 1")
    assert "AGORA a bien reçu la modification : dossier 30499999, « Sortie" in changed
    db.session.execute(text("UPDATE enrolment SET agora_state = 'waiting', cancelled_at = now() WHERE id = :id"), {"id": enrolment_id})
    cancelled = told("agora_state = 'done', agora_status = 'cancelled', version = version + 1")
    assert "AGORA a bien reçu l’annulation : dossier 30499999." in cancelled
    assert "bien effectuée" not in by_itself + changed + cancelled


def test_a_refusal_is_explained_with_the_way_to_mend_it(as_user: AsUser) -> None:
    enrolment_id = make_enrolment(make_action())
    db.session.execute(
        text("UPDATE enrolment SET agora_state = 'rejected', agora_refusal = CAST(:why AS jsonb) WHERE id = :id"),
        {"id": enrolment_id, "why": '{"code": "X", "meaning": "other", "title": "Non", "fields": [{"path": "holder.email", "message": "Refusé"}, {"path": "planned_end", "message": ""}]}'},
    )  # fmt: skip
    registration_id = registration_of(enrolment_id)
    page = as_user("principal").get(f"/stagiaires/fiche/{registration_id}").text
    assert "Corriger : courriel" in page
    assert f"/stagiaires/fiche/{registration_id}/coordonnees#email" in page
    assert f"/stagiaires/inscription/{enrolment_id}/modification#planned_end" in page


def test_mending_the_sheet(as_user: AsUser) -> None:
    registration_id = make_registration(make_action())
    browser = as_user("principal")
    page = browser.get(f"/stagiaires/fiche/{registration_id}/coordonnees").text
    hidden = dict(re.findall(r'name="(row_version|row_base)"[^>]*value="([^"]*)"', page))
    answer_ = post(browser, f"/stagiaires/fiche/{registration_id}/coordonnees", {**contact_form(email="neuf@example.org"), **hidden})
    assert answer_.status_code == 302
    assert db.session.get_one(Registration, registration_id, populate_existing=True).email == "neuf@example.org"


def test_two_people_mend_the_same_sheet(as_user: AsUser) -> None:
    """Different fields both land; the same field is shown side by side: nobody overwrites anybody."""
    registration_id = make_registration(make_action())
    first, second = as_user("principal"), as_user("secondaire")
    address = f"/stagiaires/fiche/{registration_id}/coordonnees"
    hidden = dict(re.findall(r'name="(row_version|row_base)"[^>]*value="([^"]*)"', first.get(address).text))
    assert post(second, address, {**contact_form(email="elle@example.org"), **hidden}).status_code == 302
    assert post(first, address, {**contact_form(street_number="99"), **hidden}).status_code == 302
    row = db.session.get_one(Registration, registration_id, populate_existing=True)
    assert (row.email, row.street_number) == ("elle@example.org", "99")
    conflict = post(first, address, {**contact_form(email="lui@example.org", street_number="99"), **hidden})
    assert conflict.status_code == 409
    assert "elle@example.org" in conflict.text
    assert "lui@example.org" in conflict.text


def test_enrolment_and_exit_forms(as_user: AsUser) -> None:
    action = make_action()
    registration_id = make_registration(action)
    component = db.session.scalars(select(Component).where(Component.action_id == action.id)).one()
    site_id = component.sites[0].id
    browser = as_user("principal")
    address = f"/stagiaires/inscription/fiche/{registration_id}/composante/{component.id}"
    entry = clock.today() - timedelta(days=3)
    form = {
        "planned_start": entry.strftime("%d/%m/%Y"),
        "planned_end": component.planned_end.strftime("%d/%m/%Y"),
        "site_id": str(site_id),
        "hours_centre": "1 300,50",
        "hours_company": "0",
    }
    outside = post(browser, address, {**form, "planned_start": "01/01/2001"})
    assert outside.status_code == 422
    assert "précède le début de la composante" in outside.text
    assert post(browser, address, {**form, "site_id": "999999"}).status_code == 422
    assert post(browser, address, form).status_code == 302
    enrolment = db.session.scalars(select(Enrolment).where(Enrolment.registration_id == registration_id)).one()
    assert str(enrolment.hours_centre) == "1300.50"
    leaving = f"/stagiaires/inscription/{enrolment.id}/sortie"
    assert 'name="exit_reason_id"' in browser.get(leaving).text
    exit_form = {"actual_end": clock.today().strftime("%d/%m/%Y"), "exit_reason_id": reason_id(early=True), "version": str(enrolment.version)}
    unfit = post(browser, leaving, {**exit_form, "exit_reason_id": reason_id(early=False)})
    assert unfit.status_code == 422
    assert "choisissez un motif de sortie anticipée" in unfit.text
    assert post(browser, leaving, {**exit_form, "actual_end": "01/01/2001"}).status_code == 422
    assert post(browser, leaving, exit_form).status_code == 302
    assert "sortie anticipée" in browser.get(f"/stagiaires/fiche/{registration_id}").text.lower()


def test_towns_of_a_postal_code(as_user: AsUser) -> None:
    part = as_user("principal").get("/stagiaires/fiche/communes?postal_code=11100&town=").text
    assert "Narbonne" in part
    assert "<html" not in part


def test_quick_search_finds_a_trainee_of_ours_only(as_user: AsUser) -> None:
    registration_id = make_registration(make_action(), name="ZWYNTHORP", source=IdentitySource.AGORA)
    assert f"/stagiaires/fiche/{registration_id}" in as_user("principal").get("/recherche?q=zwynth").text
    assert f"/stagiaires/fiche/{registration_id}" not in as_user("autre-of").get("/recherche?q=zwynth").text
    assert f"/stagiaires/fiche/{registration_id}" not in as_user("support").get("/recherche?q=zwynth").text
