"""« Demande de correction d'identité »: what needs a decision, who decides, what leaves for AGORA; and the standing list of the NIA with its reminders."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from app.accounts.models import User
from app.accounts.seeds import ORGANISATION_B
from app.core import clock
from app.core.extensions import db
from app.core.nir.storage import nir_candidates, store_nir
from app.core.tenancy import Scope, bound_scope
from app.trainees import jobs, queries, reminders
from app.trainees.domain import CorrectionState, IdentitySource, IdentityState
from app.trainees.identity_models import IdentityCorrection, NiaReminder
from app.trainees.models import Enrolment, IdentityRequest, Registration, Trainee
from app.trainees.repair import files
from app.trainees.services.enrolment import enrol
from app.trainees.services.registration import Newcomer, register
from tests.accounts.helpers import post
from tests.actions.helpers import details, make_action, make_enrolment, make_nir, make_person, make_registration, plan_of
from tests.architecture.markup import problems
from tests.trainees.test_corrections import component_of, held
from tests.trainees.test_identity_correction import Correction, operations
from tests.trainees.test_screens import Wizard, answer, registration_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.trainees.test_screens import AsUser

RIGHT = {
    "civility": "M", "birth_name": "ESSAIX", "usual_name": "", "first_name": "Paul", "birth_date": "02/06/1985", "gender": "M", "nir": "", "key": "",
    "reason": "Le nom est mal orthographié sur la carte d’identité",
}  # fmt: skip


def confirmed() -> tuple[int, int]:
    """Somebody AGORA confirmed, whose file it holds: (registration, enrolment)."""
    enrolment_id = make_enrolment(make_action())
    held(enrolment_id)
    db.session.execute(text("UPDATE outbox_message SET state = 'done', done_at = now() WHERE subject_type = 'enrolment' AND subject_id = :id"), {"id": enrolment_id})
    db.session.expire_all()
    return registration_of(enrolment_id), enrolment_id


def version_on(page: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', page)
    assert found is not None
    return found.group(1)


def ask(browser: Any, registration_id: int, **changes: str) -> Any:
    address = f"/stagiaires/corrections-identite/fiche/{registration_id}"
    return post(browser, address, {**RIGHT, "version": version_on(browser.get(address).text), **changes})


def decide(browser: Any, address: str, what: str, observations: str = "", version: str | None = None) -> Any:
    version = version or version_on(browser.get(address).text)
    return post(browser, f"{address}/decision", {"what": what, "observations": observations, "version": version})


def trainee_of(registration_id: int) -> Trainee:
    db.session.expire_all()
    return db.session.get_one(Registration, registration_id).trainee


def correction_of(address: str) -> IdentityCorrection:
    db.session.expire_all()
    return db.session.get_one(IdentityCorrection, int(address.rpartition("/")[2]))


def test_asked_by_the_organisation_validated_by_the_region_and_sent(as_user: AsUser) -> None:
    registration_id, enrolment_id = confirmed()
    old = trainee_of(registration_id).nir_masked
    nir = make_nir()
    browser = as_user("principal")
    sheet = browser.get(f"/stagiaires/fiche/{registration_id}").text
    assert "Demander une correction d’identité" in sheet
    asked = ask(browser, registration_id, nir=nir.number, key=nir.key)
    assert asked.status_code == 303
    page = browser.get(asked.location).text
    assert list(problems(page, path=True)) == []
    assert "ESSAIX" in page
    assert old in page
    assert nir.masked in page
    assert nir.number not in page
    assert trainee_of(registration_id).birth_name == "ESSAI", "nothing changes before the decision"
    assert "attend la décision de la Région" in browser.get(f"/stagiaires/fiche/{registration_id}").text
    again = browser.get(f"/stagiaires/corrections-identite/fiche/{registration_id}")
    assert again.location.endswith(asked.location), "one at a time"
    region = as_user("region")
    queue = region.get("/stagiaires/corrections-identite/").text
    assert list(problems(queue, path=True)) == []
    assert asked.location in queue
    assert "Corrections d’identité à décider" in region.get("/").text
    assert decide(region, asked.location, "validate").status_code == 303
    trainee = trainee_of(registration_id)
    db.session.refresh(trainee, ["nir_hash"])
    assert (trainee.birth_name, trainee.nir_masked, trainee.identity_source) == ("ESSAIX", nir.masked, IdentitySource.REGION)
    assert trainee.nir_hash in nir_candidates(nir)
    assert db.session.get_one(Registration, registration_id).sort_name == "essaix paul"
    assert operations(enrolment_id) == [("create_file", "done"), ("change_file", "pending")]
    correction = correction_of(asked.location)
    assert (correction.state, correction.nir_kind, correction.nir_masked) == (CorrectionState.VALIDATED, None, nir.masked), "the number is dropped"
    with bound_scope(Scope.system()):
        assert "identity_correction_decided" in db.session.scalars(text("SELECT template FROM mail_message")).all()
        journal = db.session.execute(text("SELECT before::text || after::text FROM audit_entry WHERE table_name = 'identity_correction'")).scalars().all()
    assert not any("ESSAIX" in (entry or "") for entry in journal)
    assert list(problems(browser.get(asked.location).text, path=True)) == []


def test_what_the_region_corrected_is_locked_and_may_be_asked_about_again(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    browser = as_user("principal")
    sheet = f"/stagiaires/fiche/{registration_id}"
    assert decide(as_user("region"), ask(browser, registration_id).location, "validate").status_code == 303
    shown = browser.get(sheet).text
    assert "Corrigée par la Région" in shown
    assert "Identité saisie à la main" not in shown
    assert f"{sheet}/identite/" not in shown
    assert "Demander une correction d’identité" in shown
    refused = browser.get(f"{sheet}/identite/")
    assert refused.location.endswith(sheet)
    assert "La Région a corrigé cette identité" in browser.get(sheet).text
    assert ask(browser, registration_id, birth_name="ESSAIY").status_code == 303


@pytest.mark.parametrize(("told", "finding", "source"), [("ESSAIX", "same", "AGORA"), ("ESSAI", "different", "REGION"), (None, "unknown", "REGION")])
def test_agora_is_asked_about_what_the_region_corrected(
    as_user: AsUser, monkeypatch: pytest.MonkeyPatch, told: str | None, finding: str, source: str
) -> None:
    """The same becomes AGORA's; anything else leaves the decision of the Région as it stands."""
    registration_id, _enrolment = confirmed()
    assert decide(as_user("region"), ask(as_user("principal"), registration_id).location, "validate").status_code == 303
    state = IdentityState.FOUND if told else IdentityState.UNKNOWN
    monkeypatch.setattr(jobs, "ask", lambda query: (state, make_person(told) if told else None))
    with bound_scope(Scope.system()):
        jobs.recheck_identities()
    trainee = trainee_of(registration_id)
    assert (trainee.birth_name, trainee.identity_finding, trainee.identity_source) == ("ESSAIX", finding, source)


def test_somebody_the_region_corrected_is_registered_again_without_asking_agora(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    nir = make_nir()
    browser = as_user("principal")
    assert decide(as_user("region"), ask(browser, registration_id, nir=nir.number, key=nir.key).location, "validate").status_code == 303
    before = db.session.scalar(select(func.count()).select_from(IdentityRequest))
    wizard = Wizard(browser, make_action())
    assert wizard.verify(nir, "ESSAIX").status_code == 302
    page = wizard.get("identification")
    assert "Corrigée par la Région" in page
    assert "Identité confirmée par AGORA" not in page
    assert db.session.scalar(select(func.count()).select_from(IdentityRequest)) == before


def test_a_civility_and_a_gender_that_disagree_are_confirmed_without_number(as_user: AsUser) -> None:
    avenir = make_action(programme="AVENIR")
    registration_id = register(avenir.id, Newcomer(make_person("AVENIR"), IdentitySource.TYPED, None), details())
    browser = as_user("principal")
    refused = ask(browser, registration_id, civility="MME")
    assert refused.status_code == 422
    assert "La civilité et le genre" in refused.text
    assert "c’est bien l’identité de cette personne" in refused.text
    assert ask(browser, registration_id, civility="MME", identity_confirmed="y").status_code == 303


def test_refused_with_an_observation(as_user: AsUser) -> None:
    registration_id, enrolment_id = confirmed()
    browser, region = as_user("principal"), as_user("admin")
    asked = ask(browser, registration_id)
    silent = decide(region, asked.location, "refuse")
    assert silent.status_code == 422
    assert "pourquoi la correction est refusée" in silent.text
    assert decide(region, asked.location, "refuse", "La pièce ne le montre pas.").status_code == 303
    assert "La pièce ne le montre pas." in browser.get(asked.location).text
    assert trainee_of(registration_id).birth_name == "ESSAI"
    assert operations(enrolment_id) == [("create_file", "done")]
    assert asked.location in browser.get("/stagiaires/corrections-identite/?etat=decidees").text
    assert decide(region, asked.location, "validate", version="1").status_code == 422, "decided once"
    assert ask(browser, registration_id).status_code == 303, "and asked again"


def test_what_is_refused_at_once(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    browser, taken = as_user("principal"), make_nir()
    make_registration(make_action(), name="VOISIN", nir=taken)
    nia, nir = make_nir("7"), make_nir()
    cases: tuple[tuple[dict[str, str], str], ...] = (
        ({"birth_name": "ESSAI"}, "Rien ne diffère"), ({"reason": "court"}, "10 caractères"), ({"reason": f"le bon est {nir.grouped} je crois"}, "aucun numéro"),
        ({"nir": taken.number, "key": taken.key}, "déjà un stagiaire avec ce numéro"), ({"nir": nia.number, "key": nia.key}, "C’est un NIA"),
        ({"nir": nir.number, "key": "00"}, "clé"), ({"birth_date": "02/06/2020"}, "entre 14 et 100 ans"),
        ({"version": "99"}, "entre-temps"),
    )  # fmt: skip
    for changes, words in cases:
        refused = ask(browser, registration_id, **changes)
        assert refused.status_code == 422, changes
        assert words in refused.text or (words == "aucun numéro" and "N’écrivez pas de numéro" in refused.text), changes
        wrong = [one for one in problems(refused.text, path=True) if "social security" not in one]  # the box keeps what was typed
        assert wrong == []
    assert db.session.scalars(select(IdentityCorrection)).all() == []


def test_the_organisation_withdraws(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    browser = as_user("principal")
    asked = ask(browser, registration_id)
    assert post(browser, f"{asked.location}/retrait", {"version": version_on(browser.get(asked.location).text)}).status_code == 303
    assert correction_of(asked.location).state == CorrectionState.WITHDRAWN
    assert post(browser, f"{asked.location}/retrait", {"version": "1"}).status_code == 303
    assert "décidée entre-temps" in browser.get(asked.location).text


def test_changed_since_is_not_applied(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    asked = ask(as_user("principal"), registration_id)
    trainee_of(registration_id).first_name = "Jean"
    db.session.flush()
    refused = decide(as_user("region"), asked.location, "validate")
    assert refused.status_code == 422
    assert "a changé après cette demande" in refused.text
    assert trainee_of(registration_id).birth_name == "ESSAI"


def test_another_number_of_the_same_look_is_told_and_never_overwritten(as_user: AsUser) -> None:
    """The masked form shows the sex, the year and the month alone: all the numbers of these tests look the same."""
    registration_id, _enrolment = confirmed()
    nir, meanwhile = make_nir(), make_nir()
    browser, region = as_user("principal"), as_user("region")
    asked = ask(browser, registration_id, birth_name="ESSAI", nir=nir.number, key=nir.key)
    trainee = trainee_of(registration_id)
    assert trainee.nir_masked == nir.masked
    page = region.get(asked.location).text.replace("\u00a0", " ")
    assert f"{nir.masked} (un autre numéro)" in page
    store_nir(trainee, meanwhile)
    db.session.flush()
    refused = decide(region, asked.location, "validate")
    assert refused.status_code == 422
    assert "a changé après cette demande" in refused.text
    trainee = trainee_of(registration_id)
    db.session.refresh(trainee, ["nir_hash"])
    assert trainee.nir_hash in nir_candidates(meanwhile)
    kept = correction_of(asked.location).before
    assert "nir_hash" in kept
    assert decide(region, asked.location, "refuse", "Le numéro a changé depuis.").status_code == 303
    assert "nir_hash" not in correction_of(asked.location).before, "needed no longer"
    assert f"{nir.masked} (un autre numéro)" in region.get(asked.location).text.replace("\u00a0", " ")


def test_no_number_is_taken_where_none_is_asked(as_user: AsUser) -> None:
    avenir = make_action(programme="AVENIR")
    registration_id = register(avenir.id, Newcomer(make_person("AVENIR"), IdentitySource.TYPED, None), details())
    nir = make_nir()
    asked = ask(as_user("principal"), registration_id, nir=nir.number, key=nir.key)
    assert asked.status_code == 303
    assert correction_of(asked.location).nir_masked == ""
    region = as_user("region")
    assert decide(region, asked.location, "validate").status_code == 303
    trainee = trainee_of(registration_id)
    assert (trainee.birth_name, trainee.nir_kind, trainee.nir_masked) == ("ESSAIX", None, "")
    assert "AGORA en est informée pour les dossiers qu’elle tient ouverts" in region.get(asked.location).text, "true also where it holds none"


def test_who_asked_and_the_principal_are_told_while_they_may_sign_in(as_user: AsUser, db_session: Session) -> None:
    def told() -> set[str]:
        found = set(db_session.scalars(text("SELECT recipient FROM mail_message WHERE template = 'identity_correction_decided'")))
        db_session.execute(text("DELETE FROM mail_message WHERE template = 'identity_correction_decided'"))
        return found

    registration_id, _enrolment = confirmed()
    asker, principal = (db_session.scalars(select(User).where(User.username == name)).one() for name in ("secondaire", "principal"))
    with bound_scope(Scope.system()):
        for changed, expected in (
            ({}, {asker.email, principal.email}),
            ({"deactivated_at": clock.now()}, {principal.email}),
        ):
            asked = ask(as_user("secondaire"), registration_id)
            db_session.execute(update(User).where(User.id == asker.id).values(**changed) if changed else text("SELECT 1"))
            decide(as_user("region"), asked.location, "refuse", "Non.")
            assert told() == expected


def test_nobody_else(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    asked = ask(as_user("principal"), registration_id)
    for who, status in (("autre-of", 404), ("support", 403)):
        assert as_user(who).get(asked.location).status_code == status
        assert as_user(who).get(f"/stagiaires/corrections-identite/fiche/{registration_id}").status_code == status
    assert asked.location not in as_user("autre-of").get("/stagiaires/corrections-identite/").text
    assert post(as_user("principal"), f"{asked.location}/decision", {"what": "validate", "version": "1"}).status_code == 403
    assert correction_of(asked.location).state == CorrectionState.PENDING


def test_one_pending_for_a_trainee_says_the_database(as_user: AsUser, db_session: Session) -> None:
    registration_id, _enrolment = confirmed()
    asked = ask(as_user("principal"), registration_id)
    first = correction_of(asked.location)
    copied = {column.key: getattr(first, column.key) for column in IdentityCorrection.__table__.columns if column.key not in ("id", "seal_uid", "version")}
    db_session.add(IdentityCorrection(**copied))
    with pytest.raises(IntegrityError, match="uq_identity_correction_pending"):
        db_session.flush()


def test_what_the_organisation_corrects_by_itself_needs_no_request(as_user: AsUser) -> None:
    registration_id = make_registration(make_action(), source=IdentitySource.TYPED)
    browser = as_user("principal")
    assert browser.get(f"/stagiaires/corrections-identite/fiche/{registration_id}").location.endswith(f"/stagiaires/fiche/{registration_id}/identite/")
    avenir = make_action(programme="AVENIR")
    typed = register(avenir.id, Newcomer(make_person("AVENIR"), IdentitySource.TYPED, None), details())
    assert ask(browser, typed).status_code == 303, "without number, the identity is the only thing that tells who it is"


# ---- NIA to regularise -------------------------------------------------------------------------------------------------


def test_entering_the_nir_sends_everything_that_waited(as_user: AsUser) -> None:
    """Two enrolments, on two actions: one correction, both files leave."""
    first, second = make_action(), make_action()
    nia = make_nir("8")
    one = make_enrolment(first, nir=nia, source=IdentitySource.TYPED)
    other = enrol(make_registration(second, nir=nia, source=IdentitySource.TYPED), component_of(second).id, plan_of(component_of(second)))
    assert operations(one) == operations(other) == []
    page = Correction(as_user("principal"), registration_of(one))
    assert page.ask(make_nir()).status_code == 302
    answer(IdentityState.FOUND)
    assert page.save().status_code == 302
    for enrolment_id in (one, other):
        assert operations(enrolment_id) == [("create_file", "pending")]
        assert db.session.get_one(Enrolment, enrolment_id, populate_existing=True).agora_state == "waiting"


def test_the_standing_list(as_user: AsUser) -> None:
    action = make_action()
    waiting = make_registration(action, name="ATTEND", kind="7", source=IdentitySource.TYPED)
    make_registration(action, name="NUMÉROTÉ")
    db.session.execute(update(Registration).where(Registration.id == waiting).values(created_at=clock.now() - timedelta(days=12)))
    page = as_user("principal").get("/stagiaires/nia-a-regulariser").text
    assert list(problems(page, path=True)) == []
    assert "ATTEND" in page
    assert "NUMÉROTÉ" not in page
    assert f"/stagiaires/fiche/{waiting}/identite/" in page
    assert re.search(r">\s*12\s*<", page)
    assert "ATTEND" not in as_user("autre-of").get("/stagiaires/nia-a-regulariser").text
    region = as_user("admin").get("/stagiaires/nia-a-regulariser").text
    assert "ATTEND" in region
    assert "Saisir le NIR" not in region
    assert "/stagiaires/nia-a-regulariser" in as_user("principal").get("/").text


def test_the_organisation_is_reminded_once_a_month_without_a_name(as_user: AsUser, db_session: Session) -> None:
    def mails() -> list[Any]:
        return list(db_session.execute(text("SELECT recipient, subject FROM mail_message WHERE template = 'nia_waiting' ORDER BY recipient")))

    db_session.execute(update(Registration).values(created_at=clock.now()))
    registration_id = make_registration(make_action(), name="SECRET", kind="7", source=IdentitySource.TYPED)
    assert jobs.remind_about_nia() == 0, "not before a month"
    db_session.execute(update(Registration).where(Registration.id == registration_id).values(created_at=clock.now() - timedelta(days=31)))
    assert jobs.remind_about_nia() == 1
    assert jobs.remind_about_nia() == 0, "told once"
    assert len(mails()) == 1
    assert "1 stagiaire sans NIR" in mails()[0].subject
    row = db_session.scalars(select(NiaReminder)).one()
    assert row.waiting == 1
    db_session.execute(update(NiaReminder).values(sent_at=clock.now() - timedelta(days=reminders.INTERVAL, minutes=1)))
    db_session.expire_all()
    assert jobs.remind_about_nia() == 1, "and again a month later"
    with bound_scope(Scope.system()):
        from app.core.mail.models import MailMessage
        from app.core.mail.services import content_of

        bodies = [content_of(message) for message in db_session.scalars(select(MailMessage).where(MailMessage.template == "nia_waiting"))]
    assert all("SECRET" not in str(body) for body in bodies)
    assert all("/stagiaires/nia-a-regulariser" in str(body) for body in bodies)
    assert queries.list_without_nir().rows


def test_who_can_be_told_does_not_wait_behind_who_cannot(db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "BATCH", 1)
    with bound_scope(Scope.system()):
        for action in (make_action(), make_action(siret=ORGANISATION_B)):
            make_registration(action, name="ATTEND", kind="7", source=IdentitySource.TYPED)
        db_session.execute(update(Registration).values(created_at=clock.now() - timedelta(days=31)))
        first = min(db_session.scalars(select(Registration.organisation_id).distinct()))
        db_session.execute(update(User).where(User.organisation_id == first).values(deactivated_at=clock.now()))
        db_session.expire_all()
        assert jobs.remind_about_nia() == 1
        assert db_session.scalars(select(NiaReminder.organisation_id)).one() != first


def test_one_meaning_of_without_nir(db_session: Session) -> None:
    """The tile, the filter, the standing list, the file and the reminders speak of the same people."""
    numberless = "nir_hash = NULL, nir_ciphertext = NULL, nir_kind = NULL, nir_masked = ''"

    def bare(enrolment_id: int) -> int:
        registration_id = registration_of(enrolment_id)
        db_session.execute(text(f"UPDATE trainee SET {numberless} WHERE id = (SELECT trainee_id FROM registration WHERE id = :r)"), {"r": registration_id})
        return registration_id

    gone, given = make_action(), make_enrolment(make_action(), name="DONNÉ", kind="8", source=IdentitySource.TYPED)
    make_registration(gone, name="ANNULÉ", kind="7", source=IdentitySource.TYPED)
    bare(make_enrolment(gone, name="ANNULÉE", kind="8", source=IdentitySource.TYPED))
    db_session.execute(text("UPDATE action SET status = 'AN' WHERE id = :id"), {"id": gone.id})
    store_nir(db_session.get_one(Registration, registration_of(given)).trainee, make_nir())
    db_session.flush()
    wanted = {
        make_registration(make_action(), name="PROVISOIRE", kind="7", source=IdentitySource.TYPED),
        bare(make_enrolment(make_action(), name="SANS", kind="8", source=IdentitySource.TYPED)),
    }
    db_session.execute(update(Registration).values(created_at=clock.now() - timedelta(days=31)))
    db_session.expire_all()
    listed = {one.id: one for one in queries.list_without_nir(size=100).rows}
    assert wanted <= set(listed)
    assert not {"ANNULÉ", "ANNULÉE", "DONNÉ"} & {one.trainee.birth_name for one in listed.values()}
    assert queries.todo_counts().nia == len(listed)
    assert {one.id for one in queries.list_registrations(queries.TraineeFilter(todo=queries.Todo.NIA), size=100).rows} == set(listed)
    assert files.count_without_nir() == len({one.trainee_id for one in listed.values()})
    assert sum(count for _organisation, count in reminders._waiting(clock.now())) == len({one.trainee_id for one in listed.values()})


