"""The pages of the life of an enrolment: reached from the sheet, refused in words, and the table of outcomes at the end of the action."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from app.actions import services as actions
from app.core import clock
from app.trainees.models import EnrolmentAct
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_enrolment, make_finished
from tests.trainees.agora_double import AgoraDouble
from tests.trainees.test_corrections import held
from tests.trainees.test_life import WHY, ago, interrupt, leave, move, reason_of, second_component, told, version_of
from tests.trainees.test_screens import carried, enrolment_form, registration_of
from tests.trainees.test_services import enrolment_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]


def sheet_of(enrolment_id: int) -> str:
    return f"/stagiaires/fiche/{registration_of(enrolment_id)}"


def page_of(enrolment_id: int, act: str) -> str:
    return f"/stagiaires/inscription/{enrolment_id}/{act}"


def fr(days: int) -> str:
    return f"{ago(days):%d/%m/%Y}"


def send(browser: FlaskClient, enrolment_id: int, act: str, **values: str) -> Any:
    return post(browser, page_of(enrolment_id, act), {**values, "version": str(version_of(enrolment_id))})


def test_each_act_is_reached_from_the_sheet(as_user: AsUser) -> None:
    action = make_action()
    second_component(action)
    enrolment_id = make_enrolment(action, entered=20)
    browser = as_user("principal")
    page = browser.get(sheet_of(enrolment_id)).text
    for act in ("modification", "interruption", "sortie", "changement-composante", "annulation"):
        assert f'href="{page_of(enrolment_id, act)}"' in page
        assert browser.get(page_of(enrolment_id, act)).status_code == 200
    for act in ("reprise", "annulation-sortie", "realisation"):
        assert f'href="{page_of(enrolment_id, act)}"' not in page
        assert browser.get(page_of(enrolment_id, act)).headers["Location"].endswith(sheet_of(enrolment_id))


def test_a_reason_holds_no_number_of_a_person(as_user: AsUser) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    held(enrolment_id)
    browser = as_user("principal")
    assert send(browser, enrolment_id, "sortie", actual_end=fr(2), exit_reason_id=str(reason_of())).status_code == 302
    for act, more in (("annulation-sortie", {}), ("realisation", {"outcome": "TOTALE"})):
        refused = send(browser, enrolment_id, act, reason=f"{WHY} NIR 1620713155089 82", **more)
        assert refused.status_code == 422
        assert "N’écrivez pas de numéro de personne ici" in refused.text and 'id="reason-error"' in refused.text
    assert "1620713155089" not in browser.get(sheet_of(enrolment_id)).text


def test_interrupted_then_back_then_out_then_in_again(as_user: AsUser) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    held(enrolment_id)
    browser = as_user("principal")
    assert send(browser, enrolment_id, "interruption", interrupted_on=fr(9), reason="SANTE").status_code == 302
    page = browser.get(sheet_of(enrolment_id)).text
    assert f"Interruption depuis le {fr(9)}" in page
    assert "Une interruption est en cours" in page  # why no second one
    assert send(browser, enrolment_id, "reprise", resumed_on=fr(6)).status_code == 302
    assert send(browser, enrolment_id, "sortie", actual_end=fr(2), exit_reason_id=str(reason_of())).status_code == 302
    assert "Réalisation partielle" in browser.get(sheet_of(enrolment_id)).text
    assert send(browser, enrolment_id, "annulation-sortie", reason=WHY).status_code == 302
    page = browser.get(sheet_of(enrolment_id)).text
    assert f"Interruption du {fr(9)}, reprise le {fr(6)}" in page
    assert WHY in page
    assert "Sortie annulée le" in page


@pytest.mark.parametrize(
    ("act", "values", "words"),
    [
        ("interruption", {"interrupted_on": "01/01/2020", "reason": "SANTE"}, "antérieure à l’entrée"),
        ("interruption", {"interrupted_on": "", "reason": "SANTE"}, "obligatoire"),
        ("interruption", {"interrupted_on": "x", "reason": "AUTRE"}, "x"),
        ("annulation", {"reason": "court"}, "10 à 1 000"),
    ],
)
def test_what_is_wrong_is_said_and_kept(as_user: AsUser, act: str, values: dict[str, str], words: str) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    answer = send(as_user("principal"), enrolment_id, act, **values)
    assert answer.status_code == 422
    assert words in re.sub(r"[\u00a0\u202f]", " ", answer.text)
    assert told(enrolment_id) == ["create_file pending"]


def test_a_stale_page_is_told_and_can_be_sent_again(as_user: AsUser) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    form = {"interrupted_on": fr(3), "reason": "SANTE", "version": "99"}
    answer = post(as_user("principal"), page_of(enrolment_id, "interruption"), form)
    assert answer.status_code == 422
    assert "modifié cette inscription entre-temps" in answer.text
    assert fr(3) in answer.text
    assert f'value="{version_of(enrolment_id)}"' in answer.text


def test_a_mistake_is_cancelled_and_the_trainee_enrolled_again(as_user: AsUser) -> None:
    action = make_action()
    enrolment_id = make_enrolment(action, entered=20)
    browser = as_user("principal")
    assert send(browser, enrolment_id, "annulation", reason=WHY).status_code == 302
    page = browser.get(sheet_of(enrolment_id)).text
    assert "Inscription annulée" in page
    assert WHY in page
    listed = browser.get(f"/stagiaires/action/{action.id}").text
    assert "Non inscrit" in listed
    component_id = enrolment_of(enrolment_id).component_id
    again = post(browser, f"/stagiaires/inscription/fiche/{registration_of(enrolment_id)}/composante/{component_id}", enrolment_form(enrolment_of(enrolment_id)))
    assert again.status_code == 302


def test_a_change_of_component(as_user: AsUser) -> None:
    action = make_action()
    target = second_component(action)
    enrolment_id = make_enrolment(action, entered=20)
    browser = as_user("principal")
    choice = browser.get(page_of(enrolment_id, "changement-composante")).text
    assert "Autre composante" in choice
    address = f"changement-composante/{target.id}"
    page = browser.get(page_of(enrolment_id, address)).text
    assert re.search(rf'<option[^>]*value="{reason_of("CHANGEMENT_COMPOSANTE")}"[^>]*selected|<option[^>]*selected[^>]*value="{reason_of("CHANGEMENT_COMPOSANTE")}"', page)
    values = {
        **enrolment_form(enrolment_of(enrolment_id)), "planned_start": fr(2), "actual_end": fr(3), "exit_reason_id": str(reason_of("CHANGEMENT_COMPOSANTE")),
    }  # fmt: skip
    early = send(browser, enrolment_id, address, **{**values, "planned_start": fr(5)})
    assert early.status_code == 422
    assert "ne peut précéder la sortie" in early.text
    assert send(browser, enrolment_id, address, **values).status_code == 302
    sheet = browser.get(sheet_of(enrolment_id)).text
    assert "Passé sur la composante 02" in sheet
    assert "Vient de la composante 01" in sheet


def test_cancelling_the_exit_of_a_change_of_component_says_that_the_trainee_is_on_both(as_user: AsUser) -> None:
    action = make_action()
    target = second_component(action)
    enrolment_id = make_enrolment(action, entered=20)
    browser = as_user("principal")
    entered = move(enrolment_id, target)
    page = browser.get(page_of(enrolment_id, "annulation-sortie")).text
    assert "Le stagiaire est maintenant sur la composante 02 – Autre composante" in page
    assert "sera sur les deux composantes" in page
    assert f'href="{sheet_of(enrolment_id)}#gestion-{entered}"' in page
    assert send(browser, enrolment_id, "annulation-sortie", reason=WHY).status_code == 302
    sheet = browser.get(sheet_of(enrolment_id)).text
    assert "Passé sur la composante 02" not in sheet
    assert "Sortie vers la composante 02 annulée le" in sheet
    assert re.search(r"Vient de la composante 01, dont la sortie a été annulée depuis.* est sur les deux", re.sub(r"[\u00a0\u202f]", " ", sheet))
    assert send(browser, entered, "annulation", reason=WHY).status_code == 302
    leave(enrolment_id)
    sheet = browser.get(sheet_of(enrolment_id)).text
    assert "Passé sur la composante 02" not in sheet
    assert "est sur les deux" not in sheet
    plain = make_enrolment(make_action(), entered=20, name="SEUL")
    leave(plain)
    assert "sur les deux composantes" not in browser.get(page_of(plain, "annulation-sortie")).text


def test_a_change_of_component_to_an_enrolment_made_by_mistake(as_user: AsUser) -> None:
    action = make_action()
    target = second_component(action)
    enrolment_id = make_enrolment(action, entered=20)
    browser = as_user("principal")
    entered = move(enrolment_id, target)
    assert send(browser, entered, "annulation", reason=WHY).status_code == 302
    assert "Passé sur la composante 02, où l’inscription a été annulée" in browser.get(sheet_of(enrolment_id)).text


def test_agoras_answer_says_what_it_was_told_last(as_user: AsUser, tmp_path: Path) -> None:
    """A file "sortie" stays so once the exit is cancelled: the message says of what, rather than contradict the row."""
    enrolment_id = make_enrolment(make_action(), entered=20)
    double = AgoraDouble(tmp_path)
    browser = as_user("principal")
    asks = re.compile(r'hx-get="([^"]*/agora\?[^"]*)"')

    def answered() -> str:
        found = asks.search(browser.get(sheet_of(enrolment_id)).text)
        assert found is not None
        double.drain(enrolment_id)
        part = browser.get(found[1].replace("&amp;", "&")).text.partition('id="message-agora"')[2].partition("</div>")[0]
        return re.sub(r"[\u00a0\u202f]", " ", part)

    double.drain(enrolment_id)
    leave(enrolment_id)
    assert re.search(r"a bien reçu la modification : dossier \d+, « Sortie de formation »", answered())
    send(browser, enrolment_id, "annulation-sortie", reason=WHY)
    assert re.search(r"a bien reçu l’annulation de la sortie : son dossier \d+ reste « Sortie de formation »", answered())
    assert "L’annulation de la sortie a été dite à AGORA" in browser.get(sheet_of(enrolment_id)).text
    interrupt(enrolment_id, 2)
    assert re.search(r"a bien reçu la modification : son dossier \d+ reste « Sortie de formation » depuis l’annulation de la sortie", answered())


def test_a_change_of_dates_that_agora_holds_is_one_event(as_user: AsUser, tmp_path: Path) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    double = AgoraDouble(tmp_path)
    double.drain(enrolment_id)
    browser, address = as_user("principal"), page_of(enrolment_id, "modification")
    until = clock.today() + timedelta(days=30)
    page = browser.get(address).text
    form = {**enrolment_form(enrolment_of(enrolment_id)), "planned_end": f"{until:%d/%m/%Y}", **carried(page)}
    assert post(browser, address, form).status_code == 302
    assert post(browser, address, form).status_code == 302  # the same again changes nothing
    double.drain(enrolment_id)
    file = double.file_of(enrolment_of(enrolment_id).external_reference)
    assert file is not None
    assert (double.wires, file.planned_end) == (["MODIFICATION"], until.isoformat())
    interrupt(enrolment_id, 2)
    shorter = {**form, "planned_end": fr(3), **carried(browser.get(address).text)}
    refused = post(browser, address, shorter)
    assert refused.status_code == 422
    assert "serait en dehors de ces dates" in refused.text


def test_outcomes_are_listed_and_corrected_before_the_end(as_user: AsUser, db_session: Session) -> None:
    action = make_finished()
    end, closing = f"/actions-de-formation/{action.id}/fin", f"/actions-de-formation/{action.id}/cloture"
    holder, region = as_user("principal"), as_user("admin")
    page = holder.get(end).text
    assert page.count("Réalisation partielle") == 2
    (first, second) = re.findall(r'href="(/stagiaires/inscription/(\d+)/realisation\?retour=action)"', page)
    corrected = send(holder, int(first[1]), "realisation?retour=action", outcome="full", reason="Heures rattrapées le soir")
    assert corrected.headers["Location"].endswith(end)
    page = holder.get(end).text
    assert "Calculée : Réalisation partielle. Corrigée par" in re.sub(r"[\u00a0\u202f]", " ", page)
    assert "Heures rattrapées le soir" in page
    assert post(holder, end, {}).status_code == 302
    assert holder.get(first[0]).headers["Location"].endswith(end)  # declared: no more
    shown = re.search(r'name="shown"[^>]*value="([0-9a-f]+)"', region.get(closing).text)
    assert shown is not None
    assert send(region, int(second[1]), "realisation?retour=action", outcome="not_done", reason="Jamais venu, selon les feuilles").status_code == 302
    stale = post(region, closing, {"shown": shown.group(1)})
    assert stale.status_code == 422
    assert "Des réalisations ont changé" in stale.text
    again = re.search(r'name="shown"[^>]*value="([0-9a-f]+)"', stale.text)
    assert again is not None
    assert post(region, closing, {"shown": again.group(1)}).status_code == 302
    assert sorted(enrolment_of(int(number)).outcome or "" for _href, number in (first, second)) == ["full", "not_done"]
    acts = db_session.scalars(select(EnrolmentAct).where(EnrolmentAct.kind == "judge").order_by(EnrolmentAct.id.desc()).limit(2)).all()
    assert all(act.actor_name for act in acts)


def test_the_table_of_outcomes_costs_the_same_for_few_and_many(as_user: AsUser) -> None:
    from tests.actions.helpers import statements

    browser, costs = as_user("principal"), []
    for people in (1, 7):
        action = make_finished(people=people)
        with statements() as sent:
            assert browser.get(f"/actions-de-formation/{action.id}/fin").status_code == 200
        costs.append(len(sent))
    assert costs[0] == costs[1]


def test_the_region_is_offered_the_outcome_alone(as_user: AsUser) -> None:
    enrolment_id = make_enrolment(make_action(), entered=20)
    leave(enrolment_id)
    page = as_user("admin").get(sheet_of(enrolment_id)).text
    assert re.findall(r'href="/stagiaires/inscription/\d+/([a-z-]+)"', page) == ["realisation"]
    assert actions.facts_of(enrolment_of(enrolment_id).action, clock.today(), None).still_in == 0
