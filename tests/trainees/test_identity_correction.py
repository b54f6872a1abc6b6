"""« Modifier l'identité »: the NIR known at last, a name that AGORA refused; what waited leaves, what was refused leaves again."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import inspect, select, text, update

from app.core.extensions import db
from app.core.outbox.models import MessageState, OutboxMessage
from app.partners.agora.port import PartnerRejected
from app.trainees import agora
from app.trainees.domain import IdentitySource, IdentityState, is_refused_for_identity
from app.trainees.models import Enrolment, IdentityRequest, Registration
from app.trainees.services import identity
from app.trainees.services.registration import Newcomer, register
from tests.accounts.helpers import post
from tests.actions.helpers import details, make_action, make_enrolment, make_nir, make_person, make_registration
from tests.architecture.markup import problems
from tests.trainees.test_screens import answer, reason_id, registration_of
from tests.trainees.test_services import as_message

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from app.core.nir import Nir
    from app.trainees.services.identity import Person
    from tests.trainees.test_screens import AsUser

CIVIL = {"civility": "M", "birth_name": "ESSAI", "first_name": "Jean", "birth_date": "02/06/1985", "gender": "M"}


class Correction:
    """The two pages of one sheet."""

    def __init__(self, browser: FlaskClient, registration_id: int) -> None:
        self.browser, self.registration_id = browser, registration_id
        self.sheet = f"/stagiaires/fiche/{registration_id}"
        self.address = f"{self.sheet}/identite/"

    def ask(self, nir: Nir | None, name: str = "ESSAI") -> Any:
        asked = post(self.browser, self.address, {"nir": nir.number if nir else "", "key": nir.key if nir else "", "birth_name": name})
        if asked.status_code == 302:
            self.address = asked.headers["Location"]
        return asked

    def save(self, **typed: str) -> Any:
        shown = dict(re.findall(r'name="(version|row_version|row_base)"[^>]*value="([^"]*)"', self.browser.get(self.address).text))
        return post(self.browser, self.address, {**shown, **typed})


def operations(enrolment_id: int) -> list[tuple[str, str]]:
    statement = select(OutboxMessage).where(OutboxMessage.subject_id == enrolment_id, OutboxMessage.subject_type == "enrolment")
    rows = db.session.scalars(statement.order_by(OutboxMessage.id).execution_options(populate_existing=True))
    return [(row.operation, row.state.value) for row in rows]


def trainee_of(registration_id: int) -> Any:
    return db.session.get_one(Registration, registration_id, populate_existing=True).trainee


def test_the_nir_of_somebody_known_by_an_nia_sends_what_waited(as_user: AsUser) -> None:
    enrolment_id, nir = make_enrolment(make_action(), kind="7", source=IdentitySource.TYPED), make_nir()
    registration_id = registration_of(enrolment_id)
    db.session.execute(
        text("UPDATE enrolment SET actual_end = current_date, exit_reason_id = :r, early_exit = true WHERE id = :id"),
        {"id": enrolment_id, "r": reason_id(early=True)},
    )
    db.session.expire_all()
    assert operations(enrolment_id) == []
    page = Correction(as_user("principal"), registration_id)
    assert page.address in page.browser.get(page.sheet).text
    assert page.ask(nir, "VRAINOM").status_code == 302
    assert nir.number not in page.address
    assert "AGORA est interrogé" in page.browser.get(page.address).text
    assert page.browser.get(page.address + "/reponse").status_code == 204
    answer(IdentityState.FOUND, "VRAINOM")
    assert page.browser.get(page.address + "/reponse").headers["HX-Refresh"] == "true"
    shown = page.browser.get(page.address).text
    assert "VRAINOM" in shown
    assert nir.masked in shown
    assert nir.number not in shown
    assert page.save(same_person="y").status_code == 302
    trainee = trainee_of(registration_id)
    assert (trainee.nir_kind, trainee.birth_name, trainee.identity_source) == ("NIR", "VRAINOM", "AGORA")
    assert db.session.get_one(Registration, registration_id).sort_name == "vrainom paul"
    assert operations(enrolment_id) == [("create_file", "pending"), ("exit_file", "pending")]
    assert db.session.get_one(Enrolment, enrolment_id, populate_existing=True).agora_state == "waiting"
    again = page.browser.get(page.sheet)
    assert "/identite/" not in again.text  # AGORA confirmed it: there is nothing to correct any more


def test_a_name_that_agora_refused_is_mended_and_sent_again(as_user: AsUser) -> None:
    enrolment_id = make_enrolment(make_action(), source=IdentitySource.TYPED)
    row = db.session.scalars(select(OutboxMessage).where(OutboxMessage.subject_id == enrolment_id, OutboxMessage.subject_type == "enrolment")).one()
    row.state, row.last_error_code = MessageState.REJECTED, "NOM_DISCORDANT"
    db.session.flush()
    refusal = PartnerRejected("NOM_DISCORDANT", "Non.", ())
    agora.note_refusals([(as_message(row), refusal)])
    meaning = {"operation": "create_file", "code": "NOM_DISCORDANT", "meaning": "name_mismatch", "title": "Non", "fields": []}
    db.session.execute(update(Enrolment).where(Enrolment.id == enrolment_id).values(agora_refusal=meaning))
    db.session.expire_all()
    page = Correction(as_user("principal"), registration_of(enrolment_id))
    shown = page.browser.get(page.sheet).text
    assert re.search(rf'<a href="{page.address}">Corriger', shown) is not None
    assert page.ask(None, "AUTRENOM").status_code == 302  # the number stays: it is read again, journaled
    answer(IdentityState.FOUND, "AUTRENOM")
    assert page.save(same_person="y").status_code == 302
    assert trainee_of(page.registration_id).birth_name == "AUTRENOM"
    assert operations(enrolment_id) == [("create_file", "pending")]
    assert db.session.get_one(Enrolment, enrolment_id, populate_existing=True).agora_refusal is None


@pytest.mark.parametrize("told", [make_person("AUTRE"), make_person(first_name="Jean"), replace(make_person(), birth_date=date(1985, 6, 3))])
def test_the_nir_of_somebody_else_overwrites_nobody_unasked(as_user: AsUser, told: Person) -> None:
    """A valid NIR under which AGORA knows another identity: said as a warning, and saved only when it is said to be the same person."""
    registration_id = make_registration(make_action(), kind="7", source=IdentitySource.TYPED)
    page = Correction(as_user("principal"), registration_id)
    page.ask(make_nir(), told.birth_name)
    uid = db.session.scalars(select(IdentityRequest.seal_uid).order_by(IdentityRequest.id.desc())).first()
    assert uid is not None
    identity.store_answer(uid, IdentityState.FOUND, told)
    shown = page.browser.get(page.address).text
    assert "AGORA connaît ce NIR avec une autre identité" in shown
    assert "Identité confirmée par AGORA" not in shown
    assert list(problems(shown, path=True)) == []
    for typed in ({}, {"same_person": ""}, {"same_person": "false"}, CIVIL):
        refused = page.save(**typed)
        assert refused.status_code == 422
        assert "Cochez cette case" in refused.text
        assert list(problems(refused.text, path=True)) == []
        trainee = trainee_of(registration_id)
        assert (identity.Person.of(trainee), trainee.nir_kind) == (make_person(), "NIA")
    assert page.save(same_person="y").status_code == 302
    trainee = trainee_of(registration_id)
    assert (identity.Person.of(trainee), trainee.nir_kind, trainee.identity_source) == (told, "NIR", "AGORA")


def test_the_same_person_written_otherwise_is_asked_nothing(as_user: AsUser) -> None:
    registration_id = make_registration(make_action(), name="Ess-Aï", kind="7", source=IdentitySource.TYPED)
    page = Correction(as_user("principal"), registration_id)
    page.ask(make_nir(), "ESS AI")
    answer(IdentityState.FOUND, "ESS AI")
    shown = page.browser.get(page.address).text
    assert "Identité confirmée par AGORA" in shown
    assert 'name="same_person"' not in shown
    assert page.save().status_code == 302
    assert trainee_of(registration_id).birth_name == "ESS AI"


def test_another_number_of_the_same_look_is_shown_as_another(as_user: AsUser) -> None:
    registration_id, nir = make_registration(make_action(), source=IdentitySource.TYPED), make_nir()
    assert trainee_of(registration_id).nir_masked == nir.masked
    page = Correction(as_user("principal"), registration_id)
    page.ask(nir)
    answer(IdentityState.FOUND)
    assert f"{nir.masked} (un autre numéro)" in page.browser.get(page.address).text.replace("\u00a0", " ")
    assert page.save().status_code == 302
    again = Correction(page.browser, make_registration(make_action(), name="MEME", nir=make_nir(), source=IdentitySource.TYPED))
    again.ask(None, "MEME")
    answer(IdentityState.FOUND, "MEME")
    assert "Rien ne change" in again.browser.get(again.address).text


def test_an_answered_search_leaves_what_the_page_read(as_user: AsUser) -> None:
    registration_id = make_registration(make_action(), kind="7", source=IdentitySource.TYPED)
    Correction(as_user("principal"), registration_id).ask(make_nir())
    answer(IdentityState.FOUND)
    uid = db.session.scalars(select(IdentityRequest.seal_uid).order_by(IdentityRequest.id.desc())).first()
    assert uid is not None
    action = db.session.get_one(Registration, registration_id).action
    assert action.title == "Essai"
    identity.await_search(uid)
    assert not inspect(action).expired


@pytest.mark.parametrize("state", [IdentityState.UNAVAILABLE, IdentityState.UNKNOWN])
def test_without_an_answer_the_identity_is_typed(as_user: AsUser, state: IdentityState) -> None:
    registration_id = make_registration(make_action(), kind="7", source=IdentitySource.TYPED)
    page = Correction(as_user("principal"), registration_id)
    page.ask(make_nir())
    answer(state)
    assert page.save(**{**CIVIL, "first_name": ""}).status_code == 422
    contradicted = page.save(**{**CIVIL, "birth_date": "03/07/1985"})
    assert contradicted.status_code == 422
    assert "confirmez plus bas" in contradicted.text
    assert page.save(**CIVIL).status_code == 302
    trainee = trainee_of(registration_id)
    assert (trainee.first_name, trainee.nir_kind, trainee.identity_source) == ("Jean", "NIR", "TYPED")


def test_what_is_refused(as_user: AsUser) -> None:
    action, browser, taken = make_action(), as_user("principal"), make_nir()
    make_registration(action, name="AUTRE", nir=taken)
    registration_id = make_registration(action, kind="7", source=IdentitySource.TYPED)
    page = Correction(browser, registration_id)
    for nir, words in ((None, "Saisissez le NIR"), (make_nir("7"), "C’est un NIA"), (taken, "déjà un stagiaire avec ce numéro")):
        refused = page.ask(nir)
        assert refused.status_code == 422
        assert words in refused.text
    page.ask(make_nir())
    answer(IdentityState.MISMATCH)
    assert "sous un autre nom" in page.browser.get(page.address).text
    assert post(browser, page.address, {"version": "1", **CIVIL}).status_code == 422
    assert trainee_of(registration_id).nir_kind == "NIA"


def test_a_stale_page_overwrites_nobody(as_user: AsUser) -> None:
    registration_id = make_registration(make_action(), kind="7", source=IdentitySource.TYPED)
    page = Correction(as_user("principal"), registration_id)
    page.ask(make_nir())
    answer(IdentityState.FOUND)
    stale = post(page.browser, page.address, {"version": "99"})
    assert stale.status_code == 422
    assert "entre-temps" in stale.text
    assert trainee_of(registration_id).nir_kind == "NIA"


def test_two_people_type_the_same_identity(as_user: AsUser) -> None:
    """What only one of them changed stays; where both did, the second chooses."""
    registration_id = make_registration(make_action(), kind="7", source=IdentitySource.TYPED)
    page = Correction(as_user("principal"), registration_id)
    page.ask(make_nir())
    answer(IdentityState.UNKNOWN)
    shown = dict(re.findall(r'name="(version|row_version|row_base)"[^>]*value="([^"]*)"', page.browser.get(page.address).text))
    assert page.save(**CIVIL, usual_name="MARTIN").status_code == 302
    typed = {**shown, **CIVIL, "first_name": "Jeannot", "identity_confirmed": "y"}
    asked = post(page.browser, page.address, typed)
    assert asked.status_code == 409
    assert "choice-first_name" in asked.text
    assert 'name="choice-usual_name" value="theirs"' in asked.text
    carried = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', asked.text))
    assert post(page.browser, page.address, {**carried, "choice-first_name": "mine"}).status_code == 302
    trainee = trainee_of(registration_id)
    assert (trainee.first_name, trainee.usual_name) == ("Jeannot", "MARTIN")


def test_where_there_is_nothing_to_correct(as_user: AsUser) -> None:
    """Confirmed by AGORA, or a programme that asks for no number: said, with whom to ask; another organisation sees nothing."""
    browser, avenir = as_user("principal"), make_action(programme="AVENIR")
    typed = register(avenir.id, Newcomer(make_person("AVENIR"), IdentitySource.TYPED, None), details())
    for registration_id, words in ((make_registration(make_action()), "AGORA a confirmé cette identité"), (typed, "ne demande pas de NIR")):
        page = Correction(browser, registration_id)
        assert page.browser.get(page.address).headers["Location"].endswith(page.sheet)
        assert words in page.browser.get(page.sheet).text
        assert as_user("autre-of").get(page.address).status_code == 404


def test_a_search_of_another_action_is_not_taken(as_user: AsUser) -> None:
    browser = as_user("principal")
    first = Correction(browser, make_registration(make_action(), kind="7", source=IdentitySource.TYPED))
    second = Correction(browser, make_registration(make_action(), kind="7", source=IdentitySource.TYPED))
    first.ask(make_nir())
    uid = db.session.scalars(select(IdentityRequest.seal_uid).order_by(IdentityRequest.id.desc())).first()
    assert uid is not None
    for word in (uid.hex, "x" * 32, "0" * 32):
        assert browser.get(f"{second.address}{word}").status_code == 302


@pytest.mark.parametrize(
    ("refusal", "about"),
    [
        (None, False), ({"meaning": "name_mismatch"}, True), ({"meaning": "other", "fields": [{"path": "holder.birth_date"}]}, True),
        ({"meaning": "other", "fields": [{"path": "holder.email"}]}, False),
    ],
)  # fmt: skip
def test_which_refusals_are_about_the_person(refusal: dict[str, Any] | None, about: bool) -> None:
    assert is_refused_for_identity(refusal) is about
