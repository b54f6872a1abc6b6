"""A draft keeps the number of a person and gives it back to nobody: no page that is only looked at holds it in clear."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import select

from app.core.extensions import db
from app.core.wizard import drafts
from app.trainees.domain import IdentityState
from app.trainees.models import Registration
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_nir
from tests.architecture.filled import Filled
from tests.trainees.test_identity_requests import confirmed
from tests.trainees.test_screens import TYPED, Wizard, answer, contact_form, hidden_of, open_inputs, situation_form

if TYPE_CHECKING:
    from app.core.nir import Nir
    from tests.trainees.test_screens import AsUser

STEPS = ("verification", "identification", "situation-initiale", "recapitulatif")


def boxes(page: str) -> list[str]:
    """What the two boxes of the number hold."""
    return [re.search(rf'name="{name}"[^>]*?value="([^"]*)"|value="([^"]*)"[^>]*?name="{name}"', page)[1] or "" for name in ("nir", "key")]  # type: ignore[index]


def shows(page: str, nir: Nir) -> bool:
    return nir.number in re.sub(r"[\s\u00a0\u202f.\-]", "", page)


def test_the_boxes_are_empty_and_the_number_of_the_draft_stays(as_user: AsUser) -> None:
    nir, action = make_nir(), make_action()
    wizard = Wizard(as_user("principal"), action)
    wizard.verify(nir)
    answer(IdentityState.FOUND)
    page = wizard.get("verification")
    assert boxes(page) == ["", ""]
    assert not shows(page, nir)
    assert f"Laissez vide pour garder ce numéro : {nir.masked}" in page
    back = wizard.post("identification", contact_form() | {"go": "back"})
    assert back.location.partition("?")[0].endswith("/verification")
    assert not shows(wizard.browser.get(back.location).text, nir)
    # left blank, while it is typed and when it is sent
    kept = {"nir": "", "key": "", "birth_name": "ESSAI"}
    assert post(wizard.browser, wizard.address("verification/brouillon"), {**hidden_of(page), **kept}).status_code == 204
    assert wizard.post("verification", kept).location.partition("?")[0].endswith("/identification")
    assert wizard.post("identification", contact_form()).status_code == 302
    wizard.post("situation-initiale", situation_form())
    assert nir.masked in wizard.get("recapitulatif")
    assert wizard.finish().status_code == 302
    assert db.session.scalars(select(Registration).where(Registration.action_id == action.id)).one().trainee.nir_masked == nir.masked


def test_another_number_takes_its_place(as_user: AsUser) -> None:
    first, other = make_nir(), make_nir("2")
    wizard = Wizard(as_user("principal"), make_action())
    wizard.verify(first)
    answer(IdentityState.FOUND)
    wizard.verify(other)
    page = wizard.get("verification")
    assert f"garder ce numéro : {other.masked}" in page and first.masked not in page


def test_what_was_typed_just_now_is_shown_again(as_user: AsUser) -> None:
    first, other = make_nir(), make_nir()
    wizard = Wizard(as_user("principal"), make_action())
    wizard.verify(first)
    wrong = wizard.post("verification", {"nir": other.number, "key": f"{(int(other.key) + 1) % 97:02d}", "birth_name": "ESSAI"})
    assert wrong.status_code == 422
    assert boxes(wrong.text)[0] == other.number
    assert not shows(wrong.text, first)
    nameless = wizard.post("verification", {"nir": "", "key": "", "birth_name": ""})
    assert nameless.status_code == 422
    assert boxes(nameless.text) == ["", ""] and not shows(nameless.text, first), "left blank, it is not what was typed"
    # a wrong number is none: the one that was accepted stays
    assert f"garder ce numéro : {first.masked}" in wizard.get("verification")


def test_no_page_of_the_wizard_holds_a_number(as_user: AsUser) -> None:
    """Accepted, wrong, typed into a free text, left, taken back: whatever the draft was fed with."""
    for state in (IdentityState.FOUND, IdentityState.UNAVAILABLE):
        nir, written = make_nir(), make_nir()
        wizard = Wizard(as_user("principal"), make_action())
        wizard.verify(nir)
        answer(state)
        text = contact_form(**(TYPED if state is IdentityState.UNAVAILABLE else {}), other_information=f"NIR {written.grouped}", special_mention=written.value)
        for go in ("next", "back", "leave"):
            assert wizard.post("identification", text | {"go": go}).status_code == (422 if go == "next" else 302)
            pages = {step: wizard.browser.get(wizard.address(step), follow_redirects=True).text for step in STEPS}
            pages["start"] = wizard.browser.get(f"{wizard.start}/?saisie={wizard.word}", follow_redirects=True).text
            for step, page in pages.items():
                assert not shows(page, nir) and not shows(page, written), f"{step} after {go}"
        assert post(wizard.browser, wizard.address("identification/brouillon"), hidden_of(pages["identification"]) | text).status_code == 204
        page = wizard.get("identification")
        assert not shows(page, written)
        assert f"NIR {written.masked}" in page, "the rest of the text stays"
        wizard.post("verification", {"nir": written.number, "key": "00", "birth_name": "ESSAI", "go": "leave"})
        assert not shows(wizard.get("verification"), written)


def test_an_edit_page_left_unsent_gives_no_number_back(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    nir, browser = make_nir(), as_user("principal")
    asked = f"/stagiaires/corrections-identite/fiche/{registration_id}"
    shown = Filled(browser.get(asked).text, "row_kept")
    typed = {"nir": [nir.number], "key": [nir.key], "reason": [f"Le NIR est {nir.grouped}"], "birth_name": ["AUTRE"]}
    assert post(browser, "/brouillon", shown.data(**typed) | {"row_path": asked}).status_code == 204
    resumed = browser.get(f"{asked}?brouillon=1").text
    assert not shows(resumed, nir)
    assert f"Le NIR est {nir.masked}" in resumed and "AUTRE" in resumed
    contact = f"/stagiaires/fiche/{registration_id}/coordonnees"
    sheet = Filled(browser.get(contact).text, "row_base")
    refused = post(browser, contact, sheet.data(special_mention=[f"NIR {nir.value}"]))
    assert refused.status_code == 422 and 'id="special_mention-error"' in refused.text
    assert not shows(browser.get(f"{contact}?brouillon=1").text, nir)


# ---- the list of drafts ------------------------------------------------------------------------------------------------


def test_every_unfinished_input_is_listed_and_the_list_of_trainees_says_so(as_user: AsUser) -> None:
    action, browser = make_action(), as_user("principal")
    listed = f"/stagiaires/action/{action.id}"
    assert "inachevé sur cette action" not in browser.get(listed).text
    begun = 14
    for _ in range(begun):
        Wizard(browser, action).verify(make_nir(), "ATTENTE")
    assert open_inputs(action) == begun < drafts.MAX_OPEN
    page = browser.get(f"/stagiaires/action/{action.id}/enregistrement/", follow_redirects=True).text
    assert page.count("Continuer avec ATTENTE") == begun
    told = browser.get(listed).text
    assert f"Vous avez {begun} enregistrements inachevés sur cette action" in told
    assert f'href="/stagiaires/action/{action.id}/enregistrement/"' in told
    assert "inachevés sur cette action" not in as_user("secondaire").get(listed).text, "one's own only"
