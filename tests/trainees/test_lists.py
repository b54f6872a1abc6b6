"""« Liste des stagiaires »: search by name, number or AGORA number, filters, completeness of the ESF data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.accounts.domain import is_siret
from app.core.extensions import db
from app.trainees import queries
from app.trainees.domain import EsfRate, IdentitySource
from app.trainees.models import Registration
from app.trainees.queries import Todo, TraineeFilter
from tests.accounts.helpers import narrow, post
from tests.actions.helpers import make_action, make_enrolment, make_nir, make_registration

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.trainees.test_screens import AsUser


# ---- search ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", ["/stagiaires/", "/stagiaires/action/{action}", "/recherche"])
def test_a_number_finds_the_person_and_stands_in_no_address(as_user: AsUser, box: str) -> None:
    action, nir = make_action(), make_nir()
    registration_id = make_registration(action, name="CHERCHÉ", nir=nir)
    trainee_id = db.session.get_one(Registration, registration_id).trainee_id
    address = box.format(action=action.id)
    send = post if box == "/recherche" else narrow
    for typed in (nir.grouped, nir.value, f"{nir.number} {nir.key}", nir.number, f"CHERCHÉ {nir.value}", f"NIR:{nir.value}", f"NIR {nir.grouped}"):
        answer = send(as_user("principal"), address, {"texte": typed, "q": typed, "a_faire": ""})
        assert answer.status_code == 303
        assert answer.location.endswith(f"personnes={trainee_id}")
    page = as_user("principal").get(answer.location).text
    assert f'href="/stagiaires/fiche/{registration_id}"' in page
    assert nir.number not in page
    assert "le numéro cherché" in page
    found = send(as_user("admin"), address, {"texte": nir.value, "q": nir.value})
    assert str(trainee_id) in found.location, "the Région finds it too"


def test_another_organisation_finds_nobody(as_user: AsUser) -> None:
    nir = make_nir()
    make_registration(make_action(), nir=nir)
    browser = as_user("autre-of")
    answer = narrow(browser, "/stagiaires/", {"texte": nir.value})
    assert "personnes" not in answer.location
    page = browser.get(answer.location).text
    assert nir.masked in page
    assert nir.number not in page


@pytest.mark.parametrize("wrong", ["1620713155089 83", "5620713155089 82", "1620713155089820"])
def test_a_wrong_number_is_said_and_never_repeated(as_user: AsUser, wrong: str) -> None:
    browser = as_user("principal")
    for address, send in (("/stagiaires/", narrow), ("/recherche", post)):
        answer = send(browser, address, {"texte": wrong, "q": wrong})
        assert wrong.replace(" ", "") not in answer.location.replace("%20", "").replace("+", "")
        page = browser.get(answer.location).text
        assert "Ce numéro n’a pas été cherché" in page
        assert "Aucun stagiaire affiché pour ce numéro" in page, "the whole list would look like a result"
        assert "/stagiaires/fiche/" not in page and "result-count" not in page
        assert wrong not in page
    assert browser.get("/stagiaires/", query_string={"texte": wrong}).status_code == 303
    assert browser.get("/recherche", query_string={"q": wrong}).status_code == 303


def test_any_other_text_becomes_an_address(as_user: AsUser) -> None:
    action = make_action()
    registration_id = make_registration(action, name="ZWYNTHORP")
    enrolment_id = make_enrolment(action, name="NUMÉROTÉ")
    db.session.execute(
        text("UPDATE enrolment SET agora_number = '30444380', agora_status = 'entered', agora_state = 'done' WHERE id = :id"), {"id": enrolment_id}
    )
    browser = as_user("principal")
    answer = narrow(browser, f"/stagiaires/action/{action.id}", {"texte": " zwyn ", "a_faire": "sans-inscription"})
    assert answer.location.endswith(f"/stagiaires/action/{action.id}?texte=zwyn&a_faire=sans-inscription")
    assert f"/stagiaires/fiche/{registration_id}" in browser.get(answer.location).text
    assert "NUMÉROTÉ" in browser.get(narrow(browser, "/stagiaires/", {"texte": "30444380"}).location).text
    assert post(browser, "/recherche", {"q": "12345678913000"}).location.endswith("/recherche?q=12345678913000"), "a SIRET is no number of a person"
    cut_short = make_nir().value[:-1]
    cut_short = cut_short if not is_siret(cut_short) else f"{cut_short[:-1]}{(int(cut_short[-1]) + 1) % 10}"
    assert cut_short not in narrow(browser, "/stagiaires/", {"texte": cut_short}).location, "14 digits are no SIRET yet"


# ---- filters -----------------------------------------------------------------------------------------------------------


def ids(narrowed: TraineeFilter, action_id: int) -> set[int]:
    return {row.id for row in queries.list_registrations(narrowed, action_id=action_id).rows}


def test_what_there_is_to_do(db_session: Session) -> None:
    action = make_action(esf=True)
    complete, bare = make_enrolment(action, name="COMPLET"), make_registration(action, name="SANS")
    by_nia = make_registration(action, name="PROVISOIRE", kind="7", source=IdentitySource.TYPED)
    legacy = make_enrolment(action, name="ANCIEN", kind="8", source=IdentitySource.TYPED)
    of = dict(db_session.execute(text("SELECT id, registration_id FROM enrolment WHERE action_id = :a"), {"a": action.id}).all())
    numberless = "nir_hash = NULL, nir_ciphertext = NULL, nir_kind = NULL, nir_masked = ''"
    db_session.execute(text(f"UPDATE trainee SET {numberless} WHERE id = (SELECT trainee_id FROM registration WHERE id = :r)"), {"r": of[legacy]})
    db_session.execute(text("UPDATE registration SET esf_state = 'later', esf_parent_abroad = NULL WHERE id = :r"), {"r": of[legacy]})
    db_session.expire_all()
    assert ids(TraineeFilter(todo=Todo.NIA), action.id) == {by_nia, of[legacy]}, "without any number too"
    assert ids(TraineeFilter(todo=Todo.ESF), action.id) == {of[legacy]}
    assert ids(TraineeFilter(todo=Todo.TO_COMPLETE), action.id) == {bare, by_nia, of[legacy]}
    assert of[complete] not in ids(TraineeFilter(todo=Todo.NOT_ENROLLED), action.id)


def test_another_feature_adds_a_choice(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "_TASKS", dict(queries.tasks()))
    action = make_action()
    one, other = make_registration(action, name="CONCERNÉ"), make_registration(action, name="INDEMNE")
    queries.register_task("enquete", "Enquête à saisir", lambda: Registration.id == one)
    page = as_user("principal").get(f"/stagiaires/action/{action.id}?a_faire=enquete").text
    assert f"/stagiaires/fiche/{one}" in page
    assert f"/stagiaires/fiche/{other}" not in page
    assert "Enquête à saisir" in page
    with pytest.raises(ValueError, match="taken"):
        queries.register_task("nia", "?", lambda: Registration.id == one)


# ---- ESF ---------------------------------------------------------------------------------------------------------------


@given(total=st.integers(0, 5000), missing=st.integers(0, 5000))
def test_the_alarm_begins_beyond_35_per_cent_and_says_how_to_end_it(total: int, missing: int) -> None:
    missing = min(missing, total)
    rate = EsfRate(total - missing, total)
    assert rate.alarm is (total > 0 and missing * 100 > 35 * total)
    assert not EsfRate(rate.complete + rate.to_complete, total).alarm
    if rate.alarm:
        assert rate.percent_incomplete > 35
        assert EsfRate(rate.complete + rate.to_complete - 1, total).alarm, "not one more than needed"


def test_the_alarm_is_said_in_words(as_user: AsUser) -> None:
    action = make_action(esf=True)
    sheets = [make_registration(action, name=f"FSE {index}") for index in range(3)]
    browser = as_user("principal")
    page = browser.get(f"/stagiaires/action/{action.id}").text
    assert "3 fiches sur 3 sont complètes" in page
    assert "correction financière" not in page
    db.session.execute(
        text("UPDATE registration SET esf_state = 'later', esf_parent_abroad = NULL, esf_homeless = NULL, esf_birth_postal_code = NULL WHERE id = ANY(:ids)"),
        {"ids": sheets[:2]},
    )
    page = browser.get(f"/stagiaires/action/{action.id}").text
    assert "66,7 % des fiches sont incomplètes" in page.replace("\u202f", " ").replace("\u00a0", " ")
    assert "complétez au moins 1 fiche" in page.replace("\u00a0", " ")
    worst = browser.get("/stagiaires/?a_faire=fse").text
    assert action.number in worst.partition("<table")[0]
    assert action.number not in as_user("autre-of").get("/stagiaires/?a_faire=fse").text
