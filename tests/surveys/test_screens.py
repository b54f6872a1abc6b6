"""Pages of the situation surveys: the organisation's, and the trainee's own without account."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from app.core.extensions import db
from app.core.outbox.models import MessageState, OutboxMessage
from app.core.tenancy import Scope, bound_scope
from app.partners.agora.port import PartnerFieldError, PartnerRejected
from app.reference import models as reference
from app.surveys import jobs
from app.surveys.domain import Moment
from app.surveys.models import SurveyReply
from app.trainees import agora
from app.trainees.models import Enrolment
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_finished, number_given

from .helpers import answered, as_posted, closings_of, hidden_of, id_of, job, left, mails, moved, quiet, search, survey_of, token_in

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]


def sent(browser: FlaskClient, survey_id: int, values: dict[str, Any], page: str | None = None) -> Any:
    """The form of a survey, as the page showed it, with these answers."""
    address = f"/bilans-de-situation/{survey_id}/saisie"
    return post(browser, address, {**hidden_of(page or browser.get(address).text), **as_posted(values)})


# ---- the organisation ----------------------------------------------------------------------------------------------------


def test_from_the_home_page_to_the_filled_survey(as_user: AsUser) -> None:
    action = make_action()
    enrolment_id = left(action)
    survey = survey_of(enrolment_id)
    browser = as_user("principal")
    home = browser.get("/").text
    assert "Bilans de situation à la sortie en attente" in home
    assert "/bilans-de-situation/?moment=sortie&amp;etat=a-completer" in home
    listed = browser.get(f"/bilans-de-situation/?action={action.number}").text
    assert f"/bilans-de-situation/{survey.id}" in listed
    refused = sent(browser, survey.id, job(contract_type_id=None, certification_level_id=None))
    assert refused.status_code == 422
    assert "Type de contrat de travail" in refused.text and "Les Jardins du Midi" in refused.text
    saved = sent(browser, survey.id, job())
    assert saved.status_code == 302
    page = browser.get(f"/bilans-de-situation/{survey.id}").text
    assert "Contrat à durée déterminée compris entre 3 et 6 mois" in page and "Les Jardins du Midi" in page
    assert survey_of(enrolment_id).answered_by_id is not None


def test_what_is_not_asked_is_let_go(as_user: AsUser) -> None:
    """A browser that cannot hide them sends every box."""
    survey = survey_of(left())
    employed = job()
    typed = employed | {"situation_id": id_of(reference.SurveySituation, "RECHERCHE"), "certification": "no"}
    assert sent(as_user("principal"), survey.id, typed).status_code == 302
    kept = survey_of(survey.enrolment_id)
    assert (kept.employed, kept.company, kept.contract_type_id, kept.certification_level_id) == (False, None, None, None)


def test_the_answers_say_what_they_ask(as_user: AsUser) -> None:
    page = as_user("principal").get(f"/bilans-de-situation/{survey_of(left()).id}/saisie").text
    assert re.search(r'<option value="\d+" data-asks="job">En emploi', page)
    assert page.count('data-asks="job"') == 1
    assert re.search(r'value="yes"[^>]* data-asks="level"', page)
    assert 'data-asked="job"' in page and 'data-asked="level"' in page


def test_two_people_whose_answers_do_not_go_together_are_asked(as_user: AsUser) -> None:
    survey = survey_of(left())
    answered(survey.enrolment_id, job())
    one, other = as_user("principal"), as_user("secondaire")
    address = f"/bilans-de-situation/{survey.id}/saisie"
    pages = one.get(address).text, other.get(address).text
    assert sent(other, survey.id, job(company="Autre entreprise"), pages[1]).status_code == 302
    asked = sent(one, survey.id, search(), pages[0])
    assert asked.status_code == 409
    assert "Autre entreprise" in asked.text
    assert survey_of(survey.enrolment_id).company == "Autre entreprise", "nothing was overwritten"


def test_who_may_do_what(as_user: AsUser, db_session: Session) -> None:
    survey = survey_of(left())
    for account, status in (("autre-of", 404), ("admin", 200), ("support", 403)):
        assert as_user(account).get(f"/bilans-de-situation/{survey.id}").status_code == status, account
    assert as_user("admin").get(f"/bilans-de-situation/{survey.id}/saisie").status_code == 403
    later = survey_of(survey.enrolment_id, Moment.THREE_MONTHS)
    assert as_user("principal").get(f"/bilans-de-situation/{later.id}/saisie").status_code == 302


def test_an_account_limited_to_some_actions_sees_theirs_only(as_user: AsUser, db_session: Session) -> None:
    given, other = make_action(), make_action()
    mine, hidden = survey_of(left(given)), survey_of(left(other))
    db_session.execute(text("UPDATE ab_user SET limited_to_actions = true WHERE username = 'secondaire'"))
    db_session.execute(
        text("INSERT INTO action_access (organisation_id, user_id, action_id) SELECT organisation_id, id, :action FROM ab_user WHERE username = 'secondaire'"),
        {"action": given.id},
    )
    db_session.commit()
    browser = as_user("secondaire")
    listed = browser.get("/bilans-de-situation/?size=100").text
    assert f"/bilans-de-situation/{mine.id}" in listed
    assert f'/bilans-de-situation/{hidden.id}"' not in listed
    assert browser.get(f"/bilans-de-situation/{hidden.id}").status_code == 404
    assert sent(browser, mine.id, search()).status_code == 302


def test_what_is_to_do_in_the_list_of_trainees_names_the_survey(as_user: AsUser) -> None:
    action = make_action()
    enrolment_id = left(action)
    browser = as_user("principal")
    address = f"/stagiaires/action/{action.id}?a_faire=bilan-a-saisir"
    sheet = f"/stagiaires/fiche/{db.session.get_one(Enrolment, enrolment_id).registration_id}"
    page = browser.get(address).text
    assert "Bilan de situation à saisir" in page
    assert sheet in page
    answered(enrolment_id, search())
    assert sheet not in browser.get(address).text


@pytest.mark.parametrize("field", ["company", "job_title"])
def test_no_number_of_a_person_is_kept_in_an_answer(as_user: AsUser, field: str) -> None:
    enrolment_id = left()
    browser = as_user("principal")
    address = f"/bilans-de-situation/{survey_of(enrolment_id).id}/saisie"
    hidden = hidden_of(browser.get(address).text)
    bad = post(browser, address, {**hidden, **as_posted(job(**{field: "2 85 06 97 123 456"}))})
    assert bad.status_code == 422
    assert f'id="{field}-error"' in bad.text


def test_an_answer_that_comes_after_the_closing_says_so(as_user: AsUser) -> None:
    enrolment_id = left()
    browser = as_user("principal")
    address = f"/bilans-de-situation/{survey_of(enrolment_id).id}"
    told = "AGORA a reçu la clôture de ce dossier"
    assert told not in browser.get(address).text
    db.session.execute(text("UPDATE enrolment SET agora_number = '99887766', agora_status = 'closed_partial' WHERE id = :id"), {"id": enrolment_id})
    db.session.commit()
    assert told in browser.get(address).text
    assert told in browser.get(f"{address}/saisie").text


@pytest.mark.parametrize("version", ["9" * 5000, "²", "-1", "x"])
def test_a_mangled_version_changes_nothing(as_user: AsUser, version: str) -> None:
    enrolment_id = left()
    browser = as_user("principal")
    answer = post(browser, f"/bilans-de-situation/{survey_of(enrolment_id).id}/non-joint", {"version": version}, follow_redirects=True)
    assert answer.status_code == 200
    assert survey_of(enrolment_id).unreached_at is None


def test_links_from_the_trainee_and_from_the_list_of_the_action(as_user: AsUser, db_session: Session) -> None:
    action = make_action()
    enrolment_id = left(action)
    registration_id = db_session.scalars(select(Enrolment.registration_id).where(Enrolment.id == enrolment_id)).one()
    browser = as_user("principal")
    sheet = browser.get(f"/stagiaires/fiche/{registration_id}").text
    assert f'href="/bilans-de-situation/{survey_of(enrolment_id).id}"' in sheet
    assert f"/bilans-de-situation/{survey_of(enrolment_id, Moment.SIX_MONTHS).id}" not in sheet, "its day has not come"
    assert "1 à compléter" in browser.get(f"/stagiaires/action/{action.id}").text


def test_not_reached(as_user: AsUser) -> None:
    survey = survey_of(left())
    browser = as_user("principal")
    address = f"/bilans-de-situation/{survey.id}"
    assert "Quelqu’un vient de modifier" in post(browser, f"{address}/non-joint", {"version": "99"}, follow_redirects=True).text
    post(browser, f"{address}/non-joint", {"version": str(survey.version)})
    assert "Stagiaire non joint" in browser.get(address).text
    post(browser, f"{address}/a-joindre", {"version": str(survey_of(survey.enrolment_id).version)})
    assert survey_of(survey.enrolment_id).state == "waiting"


def test_an_answer_that_agora_refused_is_sent_again_once_mended(as_user: AsUser, db_session: Session) -> None:
    """The closing was refused for the survey: saving the survey sends it again, with the new answers."""
    action = make_action()
    enrolment_id = left(action)
    number_given(enrolment_id)
    answered(enrolment_id, job())
    (message,) = closings_of(action)
    row = db_session.get_one(OutboxMessage, message.id)
    row.state, row.last_error_code = MessageState.REJECTED, "DONNEES_INVALIDES"
    db_session.flush()
    fault = PartnerFieldError("/enquete/typeContrat", "Valeur inconnue.", "X", path="survey.contract_type")
    agora.note_refusals([(message, PartnerRejected("DONNEES_INVALIDES", "La clôture n’est pas acceptée.", (fault,)))])
    db_session.commit()
    registration_id = db_session.scalars(select(Enrolment.registration_id).where(Enrolment.id == enrolment_id)).one()
    browser = as_user("principal")
    sheet = browser.get(f"/stagiaires/fiche/{registration_id}").text
    assert "Type de contrat de travail, dans le bilan de situation" in sheet
    changed = job(contract_type_id=id_of(reference.EmploymentContract, "CDI"))
    assert sent(browser, survey_of(enrolment_id).id, changed).status_code == 302
    db_session.expire_all()
    assert db_session.get_one(Enrolment, enrolment_id).agora_state == "waiting"
    assert db_session.get_one(OutboxMessage, message.id).state is MessageState.PENDING
    told = agora.build_closings([message])[message.id].survey  # type: ignore[union-attr]
    assert told is not None and told.contract_type == "CDI"


# ---- the trainee ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(db_session: Session) -> tuple[int, str]:
    """An enrolment, and the secret that its trainee received."""
    quiet()
    enrolment_id = left(name="NOMSECRET")
    assert jobs.ask_trainees() == 1
    return enrolment_id, token_in(mails()[0][2])


def enter(browser: FlaskClient, token: str) -> Any:
    """Open the link; the secret leaves the address at once."""
    answer = browser.get(f"/enquete/{token}")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/enquete/repondre")
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    return browser.get("/enquete/repondre")


def test_the_trainee_answers_again_and_the_organisation_reads_it(client: FlaskClient, as_user: AsUser, asked: tuple[int, str]) -> None:
    enrolment_id, token = asked
    page = enter(client, token)
    assert page.status_code == 200
    assert "Bonjour Paul," in page.text and "NOMSECRET" not in page.text.upper().replace("É", "E")
    refused = post(client, "/enquete/repondre", as_posted(job(category_id=None)))
    assert refused.status_code == 422 and "Les Jardins du Midi" in refused.text
    assert post(client, "/enquete/repondre", as_posted(job())).status_code == 303
    assert "Vos réponses sont enregistrées" in client.get("/enquete/merci").text
    again = client.get("/enquete/repondre").text
    assert "Vous avez répondu le" in again and "Les Jardins du Midi" not in again, "nothing of the answers is shown"
    assert post(client, "/enquete/repondre", as_posted(job(company="Autre"))).status_code == 303
    survey = survey_of(enrolment_id)
    assert survey.state == "answered" and survey.situation_id is None
    browser = as_user("principal")
    page_of = browser.get(f"/bilans-de-situation/{survey.id}").text
    assert "Répondu par le stagiaire le" in page_of and "Autre" in page_of
    proposed = browser.get(f"/bilans-de-situation/{survey.id}/saisie").text
    assert 'value="Autre"' in proposed


def test_neither_overwrites_the_other(client: FlaskClient, as_user: AsUser, asked: tuple[int, str], db_session: Session) -> None:
    enrolment_id, token = asked
    survey = survey_of(enrolment_id)
    browser = as_user("principal")
    shown = browser.get(f"/bilans-de-situation/{survey.id}/saisie").text
    enter(client, token)
    post(client, "/enquete/repondre", as_posted(job(company="Du stagiaire")))
    assert sent(browser, survey.id, job(company="De l’organisme"), shown).status_code == 302
    post(client, "/enquete/repondre", as_posted(search()))
    db_session.expire_all()
    assert survey_of(enrolment_id).company == "De l’organisme"
    reply = db_session.scalars(select(SurveyReply).where(SurveyReply.survey_id == survey.id)).one()
    assert reply.certification == "unknown"
    page = browser.get(f"/bilans-de-situation/{survey.id}").text
    assert "Le stagiaire et l’organisme ont répondu différemment" in page


@pytest.mark.parametrize("token", ["x" * 43, "y" * 5000, "%00", "é"])
def test_another_secret_reveals_nothing(client: FlaskClient, asked: tuple[int, str], token: str) -> None:
    client.get(f"/enquete/{token}")
    page = client.get("/enquete/repondre")
    assert page.status_code == 404
    assert "Ce lien n’est pas valable" in page.text and "Paul" not in page.text
    assert post(client, "/enquete/repondre", as_posted(search())).status_code == 404
    assert post(client, "/enquete/ne-plus-recevoir").status_code == 404


def test_an_expired_link_says_the_same_as_one_that_never_was(client: FlaskClient, asked: tuple[int, str]) -> None:
    enrolment_id, token = asked
    never = client.get("/enquete/repondre").text
    enter(client, token)
    moved(enrolment_id, 61)
    expired = client.get("/enquete/repondre")
    assert expired.status_code == 404

    def plain(page: str) -> str:
        return re.sub(r'(content|nonce|value)="[^"]{20,}"', "", page)

    assert plain(expired.text) == plain(never)
    assert post(client, "/enquete/repondre", as_posted(search())).status_code == 404
    assert survey_of(enrolment_id).replied_at is None


def test_nobody_says_of_themselves_that_their_situation_is_not_known(client: FlaskClient, as_user: AsUser, asked: tuple[int, str]) -> None:
    enrolment_id, token = asked
    unknown = id_of(reference.SurveySituation, "INCONNUE")
    assert "Situation non connue" not in enter(client, token).text
    assert post(client, "/enquete/repondre", as_posted(search(situation_id=unknown))).status_code == 422
    browser = as_user("principal")
    assert "Situation non connue" in browser.get(f"/bilans-de-situation/{survey_of(enrolment_id).id}/saisie").text
    assert sent(browser, survey_of(enrolment_id).id, search(situation_id=unknown)).status_code == 302


def test_who_cancels_an_exit_is_told_what_falls_and_the_old_link_says_why(client: FlaskClient, as_user: AsUser, asked: tuple[int, str], db_session: Session) -> None:
    enrolment_id, token = asked
    browser = as_user("principal")
    address = f"/stagiaires/inscription/{enrolment_id}/annulation-sortie"
    assert "le bilan de situation a reçu des réponses" not in browser.get(address).text.casefold()
    enter(client, token)
    assert post(client, "/enquete/repondre", as_posted(search())).status_code == 303
    page = browser.get(address).text
    assert "le bilan de situation a reçu des réponses (à la sortie)" in page.casefold() and "elles sont effacées" in page
    version = db_session.scalars(text("SELECT version FROM enrolment WHERE id = :id"), {"id": enrolment_id}).one()
    assert post(browser, address, {"version": str(version), "reason": "Saisie sur le mauvais stagiaire"}).status_code == 302
    closed = client.get("/enquete/repondre")
    assert closed.status_code == 404 and "puis l’a annulée" in closed.text and "expiré" not in closed.text


def test_receive_no_more(client: FlaskClient, asked: tuple[int, str]) -> None:
    enrolment_id, token = asked
    assert client.get(f"/enquete/{token}/ne-plus-recevoir").status_code == 303
    assert "Ne plus recevoir ces courriels" in client.get("/enquete/ne-plus-recevoir").text
    moved(enrolment_id, 8)
    assert db.session.scalar(text("SELECT count(*) FROM survey_opt_out")) == 0, "opening a link changes nothing"
    post(client, "/enquete/ne-plus-recevoir")
    post(client, "/enquete/ne-plus-recevoir")
    assert "C’est noté" in client.get("/enquete/ne-plus-recevoir").text
    assert jobs.ask_trainees() == 0
    assert enter(client, token).status_code == 200, "it can still be answered"


@pytest.fixture
def braked(limited: Flask) -> Flask:
    """With fewer tries than in production: the test takes less time."""
    limited.config["AUTH_RATE_LIMIT"] = "20 per minute"
    return limited


def test_trying_links_at_random_is_braked_and_answering_never(braked: Flask) -> None:
    with braked.app_context(), bound_scope(Scope.system()):
        quiet()
        left()
        db.session.commit()
        jobs.ask_trainees()
        token = token_in(mails()[0][2])
    guess, answering = {"environ_overrides": {"REMOTE_ADDR": "203.0.113.8"}}, {"environ_overrides": {"REMOTE_ADDR": "203.0.113.9"}}
    browser = braked.test_client()
    statuses = []
    for number in range(21):
        browser.get(f"/enquete/{number:043d}", **guess)
        statuses.append(browser.get("/enquete/repondre", **guess).status_code)
    assert statuses == [404] * 20 + [429]
    other = braked.test_client()
    other.get(f"/enquete/{token}", **answering)
    assert {other.get("/enquete/repondre", **answering).status_code for _ in range(30)} == {200}


def test_who_closes_an_action_is_told_of_the_exits_nobody_answered_about(as_user: AsUser) -> None:
    """AGORA takes the answers with the closing alone: those of a programme outside the flow are not missing."""
    action = make_finished(people=2)
    action_id = action.id
    first, second = db.session.scalars(select(Enrolment.id).where(Enrolment.action_id == action_id).order_by(Enrolment.id))
    answered(first, job())
    closing, declaring = f"/actions-de-formation/{action_id}/cloture", f"/actions-de-formation/{action_id}/fin"
    for who, address in (("admin", closing), ("principal", declaring)):
        page = as_user(who).get(address).text
        assert "1 bilan de situation à la sortie est sans réponse" in page
        assert "/bilans-de-situation/?moment=sortie" in page
    answered(second, search())
    assert "sans réponse" not in as_user("admin").get(closing).text
    over = make_finished(people=1).id
    shown = f"/actions-de-formation/{over}/cloture"
    assert "sans réponse" in as_user("admin").get(shown).text
    db.session.execute(text("UPDATE enrolment SET agora_state = 'done', agora_status = 'closed_full' WHERE action_id = :id"), {"id": over})
    assert "sans réponse" not in as_user("admin").get(shown).text, "closed before the action was reopened: AGORA takes nothing more"
    outside = make_finished(people=1, programme="AVENIR").id
    db.session.execute(text("UPDATE enrolment SET agora_state = 'none', agora_number = NULL, agora_status = NULL WHERE action_id = :id"), {"id": outside})
    assert "sans réponse" not in as_user("admin").get(f"/actions-de-formation/{outside}/cloture").text
