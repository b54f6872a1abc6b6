"""What the pages of a registration and of an enrolment refuse as nonsense, what they ask, and what they show of it before it is saved."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.actions.models import Component
from app.core import clock
from app.core.extensions import db
from app.trainees.domain import IdentitySource, IdentityState
from app.trainees.models import Enrolment, Registration
from app.trainees.services.registration import Newcomer, register
from tests.accounts.helpers import post
from tests.actions.helpers import details, make_action, make_enrolment, make_nir, make_person, make_registration
from tests.trainees.test_life import second_component, version_of
from tests.trainees.test_screens import TYPED, Wizard, answer, carried, contact_form, enrolment_form, reason_id, situation_form
from tests.trainees.test_services import enrolment_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.testing import FlaskClient

    AsUser = Callable[[str], FlaskClient]


def error_at(box: str, page: str) -> str:
    """What is said at a box, with plain spaces; nothing when nothing is."""
    found = re.search(rf'id="{box}-error">(.*?)</p>', page, re.DOTALL)
    return re.sub(r"[\u00a0\u202f]", " ", unescape(re.sub(r"<[^>]+>", "", found[1]))).strip() if found else ""


def asked_in(page: str) -> dict[str, set[str]]:
    """The names of the boxes inside each ``data-asked``."""

    class Reader(HTMLParser):
        depth, word = 0, ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            values = dict(attrs)
            if values.get("data-asked"):
                self.depth, self.word = 0, values["data-asked"] or ""
            if self.word and tag == "div":
                self.depth += 1
            if self.word and tag in ("input", "select") and values.get("name"):
                found.setdefault(self.word, set()).add(values["name"] or "")

        def handle_endtag(self, tag: str) -> None:
            self.depth -= tag == "div"
            if self.depth == 0:
                self.word = ""

    found: dict[str, set[str]] = {}
    Reader().feed(page)
    return found


def identified(browser: FlaskClient, *, esf: bool = False, state: IdentityState = IdentityState.FOUND) -> Wizard:
    """A registration whose identification AGORA answered."""
    wizard = Wizard(browser, make_action(esf=esf))
    wizard.verify(make_nir())
    answer(state)
    return wizard


# ---- names, address, telephone -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["123 456", "💥", "Test💥<i>9", "Jean@ici.fr"])
@pytest.mark.parametrize("box", ["birth_name", "first_name", "usual_name"])
def test_a_name_is_made_of_letters(as_user: AsUser, box: str, name: str) -> None:
    wizard = Wizard(as_user("principal"), make_action(programme="AVENIR"))
    page = wizard.post("verification", {**TYPED, box: name})
    assert page.status_code == 422
    assert "utilisez des lettres, des espaces, des traits d’union, des apostrophes et des points" in error_at(box, page.text)


@pytest.mark.parametrize("box", ["birth_name", "first_name", "usual_name"])
def test_a_typed_identity_and_a_corrected_one_have_names_too(as_user: AsUser, box: str) -> None:
    browser = as_user("principal")
    wizard = identified(browser, state=IdentityState.UNAVAILABLE)
    page = wizard.post("identification", contact_form(**{**TYPED, box: "Test💥"}))
    assert (page.status_code, "n’est pas un nom" in error_at(box, page.text)) == (422, True)
    correction = f"/stagiaires/corrections-identite/fiche/{make_registration(make_action())}"
    page = post(browser, correction, {**TYPED, box: "Test💥", "reason": "Erreur de saisie au départ"})
    assert (page.status_code, "n’est pas un nom" in error_at(box, page.text)) == (422, True)


def test_the_name_asked_of_agora_is_one(as_user: AsUser) -> None:
    browser = as_user("principal")
    page = Wizard(browser, make_action()).verify(make_nir(), name="123 456")
    assert (page.status_code, "n’est pas un nom" in error_at("birth_name", page.text)) == (422, True)
    typed = make_registration(make_action(), source=IdentitySource.TYPED)
    page = post(browser, f"/stagiaires/fiche/{typed}/identite/", {"nir": "", "key": "", "birth_name": "💥"})
    assert (page.status_code, "n’est pas un nom" in error_at("birth_name", page.text)) == (422, True)


WRONG = [
    ("street_number", "-5<b>", "commencez par un chiffre"),
    ("street_number", "bis 5", "commencez par un chiffre"),
    ("street_name", "des <b>Lilas</b>", "Retirez « < », « > »"),
    ("address_complement", "Bât. 💥", "Retirez « 💥 »"),
    ("special_mention", "BP\u200e 12", "Retirez U+200E"),
    ("cedex", "9 💥", "Retirez « 💥 »"),
    ("town", "💥ville", "Retirez « 💥 »"),
    ("mobile", "06.12.34.56.78 💥", "utilisez seulement des chiffres"),
    ("mobile", "06 12 34 56 78 poste 3", "utilisez seulement des chiffres"),
    ("landline", "05<61>000000", "utilisez seulement des chiffres"),
]


@pytest.mark.parametrize(("box", "value", "words"), WRONG)
def test_an_address_and_a_telephone_are_what_they_look_like(as_user: AsUser, box: str, value: str, words: str) -> None:
    """In the wizard and on the sheet; under a postal code that nobody knows no list of towns judges."""
    browser = as_user("principal")
    typed = contact_form(**{"postal_code": "99999", "town": "Ailleurs", box: value})
    page = identified(browser).post("identification", typed)
    assert page.status_code == 422
    assert words in error_at(box, page.text)
    address = f"/stagiaires/fiche/{make_registration(make_action())}/coordonnees"
    page = post(browser, address, {**typed, **carried(browser.get(address).text)})
    assert page.status_code == 422
    assert words in error_at(box, page.text)


def test_usual_addresses_and_telephones_are_taken(as_user: AsUser) -> None:
    wizard = identified(as_user("principal"))
    typed = contact_form(
        street_number="12-14 A", street_name="du 8-Mai-1945 (angle rue d’Été)", address_complement="Bât. B, esc. 2 & 3 – n° 4", postal_code="99999",
        town="L’Isle-sur-la-Sorgue", mobile="+33\u00a06.12/34-56 78", landline="(05) 61 00 00 00",
    )  # fmt: skip
    assert wizard.post("identification", typed).status_code == 302


# ---- what depends on an answer -------------------------------------------------------------------------------------------


def test_what_an_answer_asks_is_marked_for_the_style_sheet(as_user: AsUser) -> None:
    wizard = identified(as_user("principal"), esf=True)
    wizard.post("identification", contact_form())
    page = wizard.get("situation-initiale")
    assert re.search(r'name="ft_registered" value="oui"[^>]* data-asks="jobseeker"', page)
    assert re.search(r'name="esf_state" value="complete"[^>]* data-asks="esf"', page)
    assert page.count('data-asks="') == 2
    asked = asked_in(page)
    assert asked == {
        "jobseeker": {"ft_registered_on", "ft_number", "ft_agency_code"}, "esf": {"esf_parent_abroad", "esf_birth_postal_code", "esf_homeless"},
    }  # fmt: skip
    css = wizard.browser.get(re.findall(r'href="([^"]*portal[^"]*\.css[^"]*)"', page)[0]).text
    assert all(f':checked[data-asks="{word}"])) [data-asked="{word}"]' in css for word in asked)


LEFT = {"ft_number": "8783435M", "ft_registered_on": "02/01/2020", "ft_agency_code": "31042"}
ESF = {"esf_parent_abroad": "yes", "esf_birth_postal_code": "31000", "esf_homeless": "no"}


def test_the_summary_shows_what_is_saved(as_user: AsUser) -> None:
    wizard = identified(as_user("principal"), esf=True)
    wizard.post("identification", contact_form())
    assert wizard.post("situation-initiale", situation_form(**LEFT, **ESF, ft_registered="non", esf_state="later")).status_code == 302
    recap = wizard.get("recapitulatif")
    for gone in ("8783435M", "02/01/2020", "31042", "Numéro de demandeur d’emploi", "personne sans domicile"):
        assert gone not in recap
    assert wizard.post("situation-initiale", situation_form(**LEFT, **ESF, ft_registered="oui", esf_state="complete")).status_code == 302
    recap = wizard.get("recapitulatif")
    assert all(kept in recap for kept in ("8783435M", "02/01/2020", "31042"))
    wizard.finish()
    row = db.session.scalars(select(Registration).order_by(Registration.id.desc())).first()
    assert row is not None
    assert (row.ft_number, row.ft_agency_code, row.esf_birth_postal_code) == ("8783435M", "31042", "31000")


def test_what_is_not_asked_is_not_judged(as_user: AsUser) -> None:
    """A slip in a box that the page hides would be refused without being seen."""
    wizard = identified(as_user("principal"), esf=True)
    wizard.post("identification", contact_form())
    hidden = {"ft_registered_on": "hier", "ft_number": "x", "esf_birth_postal_code": "3100"}
    assert wizard.post("situation-initiale", situation_form(**hidden, ft_registered="non", esf_state="later")).status_code == 302


def test_nothing_is_let_go_before_the_answer_is_given(as_user: AsUser) -> None:
    wizard = identified(as_user("principal"))
    wizard.post("identification", contact_form())
    page = wizard.post("situation-initiale", situation_form(**LEFT, ft_registered=""))
    assert page.status_code == 422
    assert 'value="8783435M"' in page.text


def test_the_sheet_shows_nothing_of_a_jobseeker_for_who_is_none(as_user: AsUser) -> None:
    browser, action = as_user("principal"), make_action()
    shown = "Numéro de demandeur d’emploi"
    for registered, number in ((True, "8783435M"), (False, None)):
        person = Newcomer(make_person(f"ESSAI {'AB'[registered]}"), IdentitySource.AGORA, make_nir())
        registration_id = register(action.id, person, {**details(), "ft_registered": registered, "ft_number": number})
        page = browser.get(f"/stagiaires/fiche/{registration_id}").text
        assert (shown in page) is registered


# ---- plausible years and hours ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", ["last_class_year", "highest_level_year"])
def test_nobody_ends_school_before_ten(as_user: AsUser, box: str) -> None:
    """Born in 1985, in the wizard as on the sheet."""
    browser = as_user("principal")
    wizard = identified(browser)
    wizard.post("identification", contact_form())
    page = wizard.post("situation-initiale", situation_form(**{box: "1994"}))
    assert page.status_code == 422
    assert "n’avait pas encore 10 ans : choisissez 1995" in error_at(box, page.text)
    assert wizard.post("situation-initiale", situation_form(**{box: "1995"})).status_code == 302
    address = f"/stagiaires/fiche/{make_registration(make_action())}/situation"
    page = post(browser, address, {**situation_form(**{box: "1994"}), **carried(browser.get(address).text)})
    assert page.status_code == 422
    assert "choisissez 1995" in error_at(box, page.text)


def test_a_day_has_24_hours_however_the_enrolment_is_planned(as_user: AsUser) -> None:
    """Two days: 48 hours and not a hundredth more; at the enrolment, its change, and the change of component."""
    browser, action = as_user("principal"), make_action()
    target = second_component(action)
    today, tomorrow = clock.today(), clock.today() + timedelta(days=1)
    component = db.session.scalars(select(Component).where(Component.action_id == action.id).order_by(Component.number)).first()
    assert component is not None
    two_days = {
        "planned_start": f"{today:%d/%m/%Y}", "planned_end": f"{tomorrow:%d/%m/%Y}", "site_id": str(component.sites[0].id),
        "hours_centre": "40", "hours_company": "8,01",
    }  # fmt: skip
    told = "48,01 heures au total, pour 48 au plus (24 heures par jour, jours prévus : 2)"
    add = f"/stagiaires/inscription/fiche/{make_registration(action)}/composante/{component.id}"
    page = post(browser, add, two_days)
    assert (page.status_code, told in error_at("hours_centre", page.text)) == (422, True)
    assert post(browser, add, {**two_days, "hours_company": "8"}).status_code == 302

    enrolment_id = make_enrolment(action, entered=20, name="AUTRE")
    change = f"/stagiaires/inscription/{enrolment_id}/modification"
    shorter = {**enrolment_form(enrolment_of(enrolment_id)), "planned_end": f"{enrolment_of(enrolment_id).planned_start + timedelta(days=3):%d/%m/%Y}"}
    page = post(browser, change, {**shorter, **carried(browser.get(change).text)})
    assert (page.status_code, "pour 96 au plus" in error_at("hours_centre", page.text)) == (422, True)

    move = f"/stagiaires/inscription/{enrolment_id}/changement-composante/{target.id}"
    leaving = {"actual_end": f"{today:%d/%m/%Y}", "exit_reason_id": reason_id(early=True), "version": str(version_of(enrolment_id))}
    page = post(browser, move, {**two_days, **leaving, "hours_centre": "8,01", "hours_company": "40"})
    assert (page.status_code, told in error_at("hours_company", page.text)) == (422, True)
    assert db.session.scalars(select(Enrolment).where(Enrolment.component_id == target.id)).all() == []


# ---- who somebody is -------------------------------------------------------------------------------------------------------


def test_another_name_at_agora_says_what_to_do(as_user: AsUser) -> None:
    browser = as_user("principal")
    page = identified(browser, state=IdentityState.MISMATCH).get("identification")
    typed = make_registration(make_action(), source=IdentitySource.TYPED)
    asked = post(browser, f"/stagiaires/fiche/{typed}/identite/", {"nir": "", "key": "", "birth_name": "ESSAI"})
    answer(IdentityState.MISMATCH)
    for one in (page, browser.get(asked.headers["Location"]).text):
        assert "sur la carte Vitale" in one
        assert "faire corriger par sa caisse d’assurance maladie" in one
        assert '<a href="#footer">' in one
        assert 'id="footer"' in one


def test_already_on_the_action_by_civil_status_is_said_on_top(as_user: AsUser) -> None:
    """No box is at fault: the same name, first name and day of birth together are."""
    action = make_action(programme="AVENIR")
    registration_id = register(action.id, Newcomer(make_person(), IdentitySource.TYPED, None), details())
    page = Wizard(as_user("principal"), action).post("verification", TYPED)
    assert page.status_code == 422
    assert error_at("first_name", page.text) == ""
    summary = page.text.partition('class="error-summary"')[2].partition("</div>")[0]
    assert "ESSAI Paul est déjà enregistré" in summary
    assert f'href="/stagiaires/fiche/{registration_id}"' in summary
    assert page.text.count(f'href="/stagiaires/fiche/{registration_id}"') == 1


def test_a_civil_status_without_civility_is_asked_for_it(as_user: AsUser) -> None:
    page = Wizard(as_user("principal"), make_action(programme="AVENIR")).post("verification", {**TYPED, "civility": ""})
    assert page.status_code == 422
    assert error_at("civility", page.text) != ""
