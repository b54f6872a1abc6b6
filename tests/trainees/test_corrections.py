"""What cannot be done is refused at once, with the reason and whom to ask; what is wrong is said at the field, once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, select, text

from app.actions.models import Action, Component, ComponentSite
from app.core import clock
from app.core.extensions import db
from app.core.nir import parse
from app.trainees.domain import IdentityState
from app.trainees.models import Enrolment, Registration
from app.trainees.services.enrolment import enrol
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_enrolment, make_nir, make_registration, plan_of
from tests.trainees.test_screens import Wizard, answer, carried, contact_form, enrolment_form, ready, reason_id, registration_of, situation_form

if TYPE_CHECKING:
    from tests.trainees.test_screens import AsUser

CONTACT = "qualifpro@laregion.fr"


def component_of(action: Action) -> Component:
    return db.session.scalars(select(Component).where(Component.action_id == action.id)).one()


def held(enrolment_id: int, status: str = "entered") -> None:
    """AGORA holds the file."""
    db.session.execute(text("UPDATE enrolment SET agora_state = 'done', agora_number = :n, agora_status = :s, agora_version = agora_version + 1 WHERE id = :id"),
                       {"id": enrolment_id, "n": f"3{enrolment_id:07d}", "s": status})  # fmt: skip


def left(enrolment_id: int) -> None:
    db.session.execute(
        text("UPDATE enrolment SET actual_end = current_date, exit_reason_id = :r, early_exit = true WHERE id = :id"),
        {"id": enrolment_id, "r": reason_id(early=True)},
    )


def close(action: Action) -> None:
    db.session.execute(
        text("UPDATE action SET status = 'CL', actual_start = planned_start, declaration_frequency = 'monthly', billing_period = 'end', closed_at = now() WHERE id = :id"),
        {"id": action.id},
    )
    db.session.expire_all()


# ---- exits -------------------------------------------------------------------------------------------------------------


def test_an_exit_that_agora_does_not_hold_is_corrected(as_user: AsUser) -> None:
    """A programme outside the flow, or somebody whose NIR is awaited: nobody was told anything."""
    action = make_action(programme="AVENIR")
    enrolment_id = make_enrolment(action)
    browser, address = as_user("principal"), f"/stagiaires/inscription/{enrolment_id}/sortie"
    version = db.session.get_one(Enrolment, enrolment_id).version
    form = {"actual_end": f"{clock.today():%d/%m/%Y}", "exit_reason_id": reason_id(early=True), "version": str(version)}
    assert post(browser, address, form).status_code == 302
    page = browser.get(f"/stagiaires/fiche/{registration_of(enrolment_id)}").text
    assert "Corriger la sortie" in page
    yesterday = clock.today() - timedelta(days=1)
    version = db.session.get_one(Enrolment, enrolment_id, populate_existing=True).version
    assert post(browser, address, {**form, "actual_end": f"{yesterday:%d/%m/%Y}", "version": str(version)}).status_code == 302
    assert db.session.get_one(Enrolment, enrolment_id, populate_existing=True).actual_end == yesterday


def test_an_exit_that_agora_holds_is_cancelled_then_entered_again(as_user: AsUser) -> None:
    enrolment_id = make_enrolment(make_action())
    held(enrolment_id, "exited")
    left(enrolment_id)
    sheet = f"/stagiaires/fiche/{registration_of(enrolment_id)}"
    browser = as_user("principal")
    page = browser.get(sheet).text
    assert "Ce qui n’est pas possible maintenant" in page
    assert f"/stagiaires/inscription/{enrolment_id}/annulation-sortie" in page
    answered = browser.get(f"/stagiaires/inscription/{enrolment_id}/sortie")
    assert answered.headers["Location"].endswith(sheet)
    assert "annulez-la, puis saisissez la bonne" in browser.get(sheet).text


def test_an_exit_from_a_stale_page_keeps_what_was_typed(as_user: AsUser) -> None:
    enrolment_id = make_enrolment(make_action())
    form = {"actual_end": f"{clock.today():%d/%m/%Y}", "exit_reason_id": reason_id(early=True), "version": "99"}
    page = post(as_user("principal"), f"/stagiaires/inscription/{enrolment_id}/sortie", form)
    assert page.status_code == 422
    assert "modifié cette inscription entre-temps" in page.text
    assert form["actual_end"] in page.text


# ---- refused at once ---------------------------------------------------------------------------------------------------


def test_an_enrolment_whose_file_is_closed_says_whom_to_ask(as_user: AsUser) -> None:
    """The action was reopened; AGORA reopens nothing."""
    enrolment_id = make_enrolment(make_action())
    left(enrolment_id)
    held(enrolment_id, "closed_partial")
    browser = as_user("principal")
    assert browser.get(f"/stagiaires/inscription/{enrolment_id}/modification").status_code == 302
    page = browser.get(f"/stagiaires/fiche/{registration_of(enrolment_id)}").text
    assert "Le dossier AGORA est clos" in page
    assert CONTACT in page.partition("<footer")[0]


def test_a_closed_action_refuses_before_the_form(as_user: AsUser) -> None:
    action = make_action()
    enrolment_id = make_enrolment(action)
    registration_id = registration_of(enrolment_id)
    component_id = component_of(action).id
    close(action)
    addresses = [
        f"/stagiaires/inscription/{enrolment_id}/sortie", f"/stagiaires/inscription/{enrolment_id}/modification", f"/stagiaires/fiche/{registration_id}/coordonnees",
        f"/stagiaires/fiche/{registration_id}/situation", f"/stagiaires/inscription/fiche/{registration_id}",
        f"/stagiaires/inscription/fiche/{registration_id}/composante/{component_id}",
    ]  # fmt: skip
    browser, other = as_user("principal"), as_user("autre-of")
    for address in addresses:
        answered = browser.get(address)
        assert answered.headers.get("Location", "").endswith(f"/stagiaires/fiche/{registration_id}"), address
        assert "ses stagiaires ne peuvent plus être modifiés" in browser.get(answered.headers["Location"]).text
        assert other.get(address).status_code == 404
    page = post(browser, addresses[2], contact_form(email="neuf@example.org"))
    assert page.status_code == 422
    assert "neuf@example.org" in page.text


def test_what_was_deleted_meanwhile_loses_nothing_typed(as_user: AsUser) -> None:
    action = make_action()
    enrolment_id = make_enrolment(action)
    registration_id = registration_of(enrolment_id)
    enrolment = db.session.get_one(Enrolment, enrolment_id)
    typed = {**enrolment_form(enrolment), "hours_centre": "271"}
    other = as_user("autre-of")
    for address, form, kept in (
        (f"/stagiaires/fiche/{registration_id}/coordonnees", contact_form(email="garde@example.org"), "garde@example.org"),
        (f"/stagiaires/fiche/{registration_id}/situation", situation_form(ft_number="8783435M"), "8783435M"),
        (f"/stagiaires/inscription/{enrolment_id}/modification", typed, "271"),
        (f"/stagiaires/inscription/{enrolment_id}/sortie", {"actual_end": "05/01/2026"}, "05/01/2026"),
        (f"/stagiaires/inscription/fiche/{registration_id}/composante/999999", typed, "271"),
    ):
        page = post(other, address, form)  # nobody tells what is gone from what was never ours
        assert page.status_code == 404
        assert "n’existe plus" in page.text
        assert kept in page.text


@pytest.mark.parametrize("address", ["/referentiels/motifs-de-sortie/edit/999999", "/actions/edit/999999"])
def test_a_deleted_row_of_a_list_loses_nothing_typed(as_user: AsUser, address: str) -> None:
    browser = as_user("admin")
    if address.startswith("/actions/"):
        from flask import url_for

        with browser.application.test_request_context():
            address = url_for("ActionModelView.edit", pk="999999")
    page = post(browser, address, {"code": "GARDE", "label": "Libellé gardé", "title": "Libellé gardé"})
    assert page.status_code == 404
    assert "n’existe plus" in page.text
    assert "Libellé gardé" in page.text
    assert browser.get(address).status_code == 404


def test_a_component_without_site_is_not_chosen(as_user: AsUser) -> None:
    action = make_action()
    registration_id, component = make_registration(action), component_of(action)
    db.session.execute(delete(ComponentSite).where(ComponentSite.component_id == component.id))
    db.session.expire_all()
    browser, chosen = as_user("principal"), f"/stagiaires/inscription/fiche/{registration_id}"
    page = browser.get(chosen)
    assert page.status_code == 200
    assert "Aucun site : demandez à la Région de l’ajouter" in page.text
    assert f"{chosen}/composante/" not in page.text
    assert browser.get(f"{chosen}/composante/{component.id}").headers["Location"].endswith(chosen)


# ---- the enrolment form ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "end", "proposed"), [(-30, 200, 0), (10, 200, 10), (-200, -10, None)])
def test_no_start_in_the_past_is_proposed(as_user: AsUser, start: int, end: int, proposed: int | None) -> None:
    action = make_action(start=start, end=end)
    registration_id = make_registration(action)
    page = as_user("principal").get(f"/stagiaires/inscription/fiche/{registration_id}", follow_redirects=True).text
    box = re.search(r'<input[^>]*name="planned_start"[^>]*>', page)
    assert box is not None
    value = re.search(r'value="([^"]*)"', box[0])
    expected = f"{clock.today() + timedelta(days=proposed):%d/%m/%Y}" if proposed is not None else ""
    assert (value[1] if value else "") == expected


@pytest.mark.parametrize(("hours", "words"), [("abc", "Ce n’est pas un nombre"), ("1e5", "Ce n’est pas un nombre"), ("-5", "ne peuvent pas être négatives"), ("", "Remplissez")])
def test_one_true_message_for_the_hours(as_user: AsUser, hours: str, words: str) -> None:
    action = make_action()
    registration_id, component = make_registration(action), component_of(action)
    form = {"planned_start": f"{clock.today():%d/%m/%Y}", "planned_end": f"{component.planned_end:%d/%m/%Y}", "site_id": str(component.sites[0].id), "hours_company": "0"}
    page = post(as_user("principal"), f"/stagiaires/inscription/fiche/{registration_id}/composante/{component.id}", {**form, "hours_centre": hours})
    error = re.search(r'id="hours_centre-error">(.*?)</p>', page.text, re.DOTALL)
    assert error is not None
    assert words in error[1]
    assert ("négatives" in error[1]) is (hours == "-5")


# ---- live --------------------------------------------------------------------------------------------------------------


def test_a_sheet_left_open_follows_until_the_file_is_closed(as_user: AsUser) -> None:
    enrolment_id = make_enrolment(make_action())
    held(enrolment_id)
    browser = as_user("principal")
    page = browser.get(f"/stagiaires/fiche/{registration_of(enrolment_id)}").text
    asks = re.search(r'hx-get="([^"]*/agora[^"]*)"', page)
    assert asks is not None
    address = asks[1].replace("&amp;", "&")
    assert browser.get(address).status_code == 204
    late = browser.get(re.sub(r"since=\d+", "since=1", address))  # forgotten on a screen: it stops, so that the session may end
    assert (late.status_code, "hx-get" in late.text) == (200, False)
    held(enrolment_id, "closed_full")
    part = browser.get(address)
    assert part.status_code == 200
    assert "Clôturé" in part.text
    assert "hx-get" not in part.text


def test_the_page_of_the_action_follows_the_closing(as_user: AsUser) -> None:
    action = make_action()
    enrolment_id = make_enrolment(action)
    browser = as_user("region")
    page = browser.get(f"/actions-de-formation/{action.id}").text
    asks = re.search(r'hx-get="([^"]*/panneau[^"]*)"', page)
    assert asks is not None
    assert browser.get(asks[1]).status_code == 204
    held(enrolment_id, "closed_full")
    part = browser.get(asks[1]).text
    assert "Clôturé" in part
    assert "hx-get" not in part


def test_a_refusal_that_arrives_brings_the_way_to_mend_it(as_user: AsUser) -> None:
    enrolment_id = make_enrolment(make_action())
    browser = as_user("principal")
    db.session.execute(
        text("UPDATE enrolment SET agora_state = 'rejected', agora_refusal = CAST(:why AS jsonb) WHERE id = :id"),
        {"id": enrolment_id, "why": '{"operation": "create_file", "code": "X", "meaning": "other", "title": "Non", "fields": [{"path": "planned_end", "message": ""}]}'},
    )
    part = browser.get(f"/stagiaires/fiche/inscription/{enrolment_id}/agora?silent=0").text
    assert f'id="gestion-{enrolment_id}" hx-swap-oob="true"' in part
    assert "Modifier" in part
    assert "Saisir la sortie" in part


# ---- who it is ---------------------------------------------------------------------------------------------------------


def test_the_announcement_comes_with_agoras_answer(as_user: AsUser) -> None:
    wizard = Wizard(as_user("principal"), make_action())
    wizard.verify(make_nir(), "SION")
    assert "sur le point de créer" not in wizard.get("identification")
    answer(IdentityState.FOUND, "SION")
    part = wizard.browser.get(wizard.address("identification/identite")).text
    assert "Vous êtes sur le point de créer le stagiaire SION Paul" in part
    assert 'id="annonce" hx-swap-oob="true"' in part


def test_a_person_the_organisation_knows_is_said(as_user: AsUser) -> None:
    nir, before = make_nir(), make_action()
    make_registration(before, nir=nir)
    wizard = Wizard(as_user("principal"), make_action())
    wizard.verify(nir)
    page = wizard.get("identification")
    assert "Votre organisme connaît déjà ESSAI Paul" in page
    assert before.number in page
    assert "des Violettes" in page


def test_another_name_at_agora_hides_what_it_makes_useless(as_user: AsUser) -> None:
    wizard = Wizard(as_user("principal"), make_action())
    wizard.verify(make_nir())
    answer(IdentityState.MISMATCH)
    page = wizard.get("identification")
    assert "sous un autre nom" in page
    assert 'name="street_name"' not in page
    assert 'value="next"' not in page


TYPED = {"civility": "M", "birth_name": "ESSAI", "first_name": "Jean", "birth_date": "02/06/1985", "gender": "M"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"gender": "F", "civility": "MME"}, "gender"), ({"birth_date": "02/06/1986"}, "birth_date"), ({"birth_date": "02/07/1985"}, "birth_date"),
        ({"civility": "MME"}, "civility"),
    ],
)  # fmt: skip
def test_a_typed_identity_that_contradicts_the_number_is_confirmed(as_user: AsUser, changes: dict[str, str], field: str) -> None:
    wizard = Wizard(as_user("principal"), make_action())
    wizard.verify(make_nir())
    answer(IdentityState.UNAVAILABLE)
    assert 'name="identity_confirmed"' not in wizard.get("identification")
    typed = contact_form(**{**TYPED, **changes})
    page = wizard.post("identification", typed)
    assert page.status_code == 422
    error = re.search(rf'id="{field}-error">(.*?)</p>', page.text, re.DOTALL)
    assert error is not None
    assert "confirmez plus bas" in error[1]
    assert 'name="identity_confirmed"' in page.text
    assert wizard.post("identification", {**typed, "identity_confirmed": "y"}).status_code == 302


@pytest.mark.parametrize("month", ["20", "42", "50", "99"])
def test_a_pseudo_month_contradicts_nothing(as_user: AsUser, month: str) -> None:
    from app.core.nir import compute_key

    number = f"185{month}31555{int(month):03d}"
    wizard = Wizard(as_user("principal"), make_action())
    wizard.verify(parse(number, compute_key(number)))
    answer(IdentityState.UNAVAILABLE)
    assert wizard.post("identification", contact_form(**TYPED)).status_code == 302


def test_a_registration_as_jobseeker_in_childhood_is_refused(as_user: AsUser) -> None:
    action, browser = make_action(), as_user("principal")
    wizard = ready(browser, action, "SION")
    wizard.post("identification", contact_form())
    typed = situation_form(ft_registered="oui", ft_number="8783435M", ft_registered_on="01/01/1990")
    page = wizard.post("situation-initiale", typed)
    assert page.status_code == 422
    assert "n’avait pas encore 14 ans" in page.text
    registration_id = make_registration(action)
    address = f"/stagiaires/fiche/{registration_id}/situation"
    page = post(browser, address, {**typed, **carried(browser.get(address).text)})
    assert page.status_code == 422
    assert "n’avait pas encore 14 ans" in page.text


# ---- the sheet ---------------------------------------------------------------------------------------------------------


def test_titles_and_line_breaks_of_the_sheet(as_user: AsUser) -> None:
    registration_id = make_registration(make_action(), name="LACAZE-DUTHIERS")
    row = db.session.get_one(Registration, registration_id)
    row.trainee.usual_name, row.trainee.civility = "Vignau", "MME"
    row.other_information = "ligne <une>\nligne deux"
    db.session.flush()
    page = as_user("principal").get(f"/stagiaires/fiche/{registration_id}").text
    assert "VIGNAU Paul (née LACAZE-DUTHIERS)" in page
    assert "ligne &lt;une&gt;<br>ligne deux" in page
    assert "Origine de l’identité" in page


def test_the_reason_for_reading_a_number_is_announced(as_user: AsUser) -> None:
    registration_id = make_registration(make_action())
    browser = as_user("principal")
    assert "Au moins 10 caractères" in browser.get(f"/stagiaires/fiche/{registration_id}").text
    refused: Any = post(browser, f"/stagiaires/fiche/{registration_id}/numero", {"reason": "x"})
    assert '<details class="details" open>' in refused.text


# ---- opening and closing -----------------------------------------------------------------------------------------------


def test_registered_but_not_enrolled_is_said_with_the_way_to_them(as_user: AsUser) -> None:
    action = make_action()
    make_registration(action)
    browser = as_user("principal")
    for address in (f"/actions-de-formation/{action.id}", f"/actions-de-formation/{action.id}/ouverture/detail"):
        page = browser.get(address).text
        assert "1 stagiaire est enregistré, mais pas encore inscrit" in page
        assert f"/stagiaires/action/{action.id}?a_faire=sans-inscription" in page


def test_the_region_is_told_who_has_to_act(as_user: AsUser) -> None:
    action = make_action()
    enrolment_id = enrol(make_registration(action), component_of(action).id, plan_of(component_of(action)))
    db.session.execute(
        text("UPDATE action SET status = 'EC', actual_start = planned_start, declaration_frequency = 'monthly', billing_period = 'end' WHERE id = :id"),
        {"id": action.id},
    )
    db.session.expire_all()
    browser = as_user("region")
    page = browser.get(f"/actions-de-formation/{action.id}").text
    assert "l’organisme de formation doit d’abord la saisir" in page
    assert "Saisissez" not in page
    left(enrolment_id)
    assert "n’est pas encore passée" in browser.get(f"/actions-de-formation/{action.id}/cloture").text
