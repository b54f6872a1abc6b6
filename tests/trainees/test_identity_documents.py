"""Documents of a request for the correction of an identity: attached by the organisation, read by who decides, each reading journaled, bytes encrypted."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from app.accounts.seeds import ORGANISATION_B
from app.core import clock, crypto
from app.core.audit.models import NirReading
from app.core.documents import intake
from app.core.extensions import db
from app.core.jobs import PERIODIC
from app.core.rotation import registered_columns
from app.core.tenancy import Scope, bound_scope
from app.core.ui.format import fr_date
from app.trainees import jobs
from app.trainees.domain import CorrectionState
from app.trainees.identity_models import IdentityCorrection, IdentityDocument, IdentityDocumentContent
from app.trainees.services import identity_documents
from tests.accounts.helpers import post
from tests.actions.helpers import organisation, statements
from tests.architecture.markup import problems
from tests.requests.test_files import JPEG, PDF, PNG
from tests.trainees.test_identity_requests import RIGHT, ask, confirmed, correction_of, decide, trainee_of, version_on

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    from tests.trainees.test_screens import AsUser


def ask_with(browser: FlaskClient, registration_id: int, *files: tuple[bytes, str], **changes: str) -> Any:
    address = f"/stagiaires/corrections-identite/fiche/{registration_id}"
    return upload(browser, address, {**RIGHT, "version": version_on(browser.get(address).text), **changes}, *files)


def upload(browser: FlaskClient, address: str, data: dict[str, Any], *files: tuple[bytes, str]) -> Any:
    return post(browser, address, data | {"documents": [(io.BytesIO(content), name) for content, name in files]}, content_type="multipart/form-data")


def kept(address: str) -> list[IdentityDocument]:
    """The documents of a request, as they are stored now."""
    with bound_scope(Scope.system()):
        found = identity_documents.of_correction(int(address.rpartition("/")[2]))
        for one in found:
            db.session.refresh(one)
            db.session.expunge(one)
    return found


def test_attached_with_the_request_read_by_the_region_kept_after_the_decision(as_user: AsUser, db_session: Session) -> None:
    registration_id, _enrolment = confirmed()
    trainee_id = trainee_of(registration_id).id
    browser, region = as_user("principal"), as_user("region")
    asked = ask_with(browser, registration_id, (PDF, "Carte d’identité.pdf"), (JPEG, "attestation.exe"))
    assert asked.status_code == 303
    card, proof = kept(asked.location)
    assert (card.name, proof.name) == ("Carte d’identité.pdf", "attestation.jpg"), "named by what it is"
    page = region.get(asked.location).text
    assert list(problems(page, path=True)) == []
    assert "Carte d’identité.pdf" in page and f"{asked.location}/pieces/{card.id}" in page
    readings = select(NirReading.actor_id).where(NirReading.subject_type == "trainee", NirReading.subject_id == trainee_id, NirReading.purpose == "document")
    assert db_session.scalars(readings).all() == [], "the page reads none"
    taken = post(region, f"{asked.location}/pieces/{card.id}")
    assert (taken.status_code, taken.data, taken.content_type) == (200, PDF, "application/pdf")
    assert taken.headers["Content-Disposition"].startswith("attachment;") and taken.headers["X-Content-Type-Options"] == "nosniff"
    assert len(db_session.scalars(readings).all()) == 1
    assert "Lecture d’une pièce jointe" in as_user("admin").get("/supervision/lectures-nir/list/").text
    assert decide(region, asked.location, "validate").status_code == 303
    assert post(region, f"{asked.location}/pieces/{proof.id}").data == JPEG, "kept with what was decided"
    assert post(browser, f"{asked.location}/pieces/{card.id}").data == PDF
    late = upload(browser, f"{asked.location}/pieces", {}, (PNG, "trop-tard.png"))
    assert late.status_code == 303
    assert len(kept(asked.location)) == 2, "nothing is added once it is decided"


def test_added_while_the_request_waits_and_gone_with_a_withdrawal(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    browser = as_user("principal")
    asked = ask(browser, registration_id)
    page = browser.get(asked.location).text
    assert "Pièces à ajouter" in page
    assert "Pièces à ajouter" not in as_user("region").get(asked.location).text
    nothing = post(browser, f"{asked.location}/pieces")
    assert nothing.status_code == 422 and "Choisissez d’abord un fichier" in nothing.text
    assert list(problems(nothing.text, path=True)) == []
    assert upload(browser, f"{asked.location}/pieces", {}, (PDF, "carte.pdf"), (PNG, "verso.png")).status_code == 303
    twice = upload(browser, f"{asked.location}/pieces", {}, (JPEG, "autre.jpg"), (PDF, "encore.pdf"), (b"MZ", "virus.pdf"))
    assert twice.status_code == 422 and "virus.pdf" in twice.text
    again = upload(browser, f"{asked.location}/pieces", {}, (JPEG, "autre.jpg"), (PDF, "encore.pdf"))
    assert again.status_code == 422 and "est déjà joint" in again.text
    assert [one.name for one in kept(asked.location)] == ["carte.pdf", "verso.png"], "all of them, or none"
    first = kept(asked.location)[0].id
    sure = browser.get(f"{asked.location}/retrait")
    assert sure.status_code == 200 and "les pièces jointes seront supprimées" in sure.text
    assert list(problems(sure.text, path=True)) == []
    assert post(browser, f"{asked.location}/retrait", {"version": version_on(browser.get(asked.location).text)}).status_code == 303
    assert kept(asked.location) == []
    assert post(browser, f"{asked.location}/pieces/{first}").status_code == 404
    with bound_scope(Scope.system()):
        left = select(IdentityDocumentContent.id).where(IdentityDocumentContent.id == first)
        assert db.session.scalars(left).all() == []
    assert browser.get(f"{asked.location}/retrait").status_code == 302, "once"


def test_a_refused_document_leaves_the_request_unsent_and_what_was_typed(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    browser = as_user("principal")
    refused = ask_with(browser, registration_id, (PDF, "bonne.pdf"), (b"MZ\x90", "programme.pdf"))
    assert refused.status_code == 422
    assert "programme.pdf" in refused.text and "Choisissez à nouveau les pièces" in refused.text and "ESSAIX" in refused.text
    assert list(problems(refused.text, path=True)) == []
    mistaken = ask_with(browser, registration_id, (PDF, "bonne.pdf"), reason="court")
    assert mistaken.status_code == 422 and "Choisissez à nouveau les pièces" in mistaken.text
    found = db.session.scalars(select(IdentityCorrection).where(IdentityCorrection.trainee_id == trainee_of(registration_id).id)).all()
    assert found == []


def test_documents_fill_the_room_of_the_organisation(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    registration_id, _enrolment = confirmed()
    browser, own = as_user("principal"), organisation().id
    before = intake.weight_of(own)
    asked = ask_with(browser, registration_id, (PDF, "carte.pdf"))
    assert intake.weight_of(own) == before + len(PDF)
    monkeypatch.setattr(intake, "limits", lambda: intake.Limits(50_000, 9, before + len(PDF) + 1))
    full = upload(browser, f"{asked.location}/pieces", {}, (PNG, "verso.png"))
    assert full.status_code == 422 and len(kept(asked.location)) == 1
    monkeypatch.setattr(intake, "limits", lambda: intake.Limits(50_000, 1, 10**9))
    many = upload(browser, f"{asked.location}/pieces", {}, (PNG, "verso.png"))
    assert many.status_code == 422 and len(kept(asked.location)) == 1


def test_another_organisation_reads_and_adds_none(as_user: AsUser, db_session: Session) -> None:
    registration_id, _enrolment = confirmed()
    asked = ask_with(as_user("principal"), registration_id, (PDF, "carte.pdf"))
    (document,) = kept(asked.location)
    address = f"{asked.location}/pieces/{document.id}"
    other = as_user("autre-of")
    assert post(other, address).status_code == 404
    assert upload(other, f"{asked.location}/pieces", {}, (PNG, "x.png")).status_code == 404
    next_one, _enrolment = confirmed()
    mine = ask(as_user("principal"), next_one)
    assert post(as_user("principal"), f"{mine.location}/pieces/{document.id}").status_code == 404, "by its own request only"
    with bound_scope(Scope.organisation(organisation(ORGANISATION_B).id)):
        assert db_session.scalars(text("SELECT count(*) FROM identity_document")).one() == 0
        assert db_session.scalars(text("SELECT count(*) FROM identity_document_content")).one() == 0


def test_bytes_are_encrypted_under_a_key_of_their_own(as_user: AsUser, db_session: Session) -> None:
    registration_id, _enrolment = confirmed()
    asked = ask_with(as_user("principal"), registration_id, (PDF, "carte 1 85 06 75 116 001 59.pdf"), (PNG, "verso.png"))
    card, back = kept(asked.location)
    assert "116" not in card.name, "no number in a name either"
    with bound_scope(Scope.system()):
        stored = dict(db_session.execute(text("SELECT id, data FROM identity_document_content WHERE id IN (:a, :b)"), {"a": card.id, "b": back.id}).all())
        assert PDF[:20] not in bytes(stored[card.id])
        (entry,) = [one for one in registered_columns() if one.label == "identity_document.seal"]
        assert entry.aad_fn({"seal_uid": card.seal_uid}) == identity_documents.document_aad("seal", card.seal_uid)
        written = db_session.scalars(text("SELECT e::text FROM audit_entry e WHERE table_name = 'identity_document' AND row_id = :id"), {"id": str(card.id)}).all()
        assert len(written) == 1 and card.sha256 in written[0] and "carte" not in written[0]
        for values in ("size = 0", "name = ''", "organisation_id = organisation_id + 1", f"sha256 = '{back.sha256}'"):
            with pytest.raises(IntegrityError), db_session.begin_nested():
                db_session.execute(text(f"UPDATE identity_document SET {values} WHERE id = {card.id}"))
        db_session.execute(update(IdentityDocumentContent).where(IdentityDocumentContent.id == card.id).values(data=stored[back.id]))
        with pytest.raises(crypto.TamperedCiphertext):
            identity_documents.read(correction_of(asked.location).id, card.id)


def test_nobody_decides_without_having_seen_a_document_added_meanwhile(as_user: AsUser) -> None:
    registration_id, _enrolment = confirmed()
    browser, region = as_user("principal"), as_user("region")
    asked = ask(browser, registration_id)
    seen = version_on(region.get(asked.location).text)
    assert upload(browser, f"{asked.location}/pieces", {}, (PDF, "carte.pdf")).status_code == 303
    late = decide(region, asked.location, "refuse", "Il manque une copie de la carte d’identité", version=seen)
    assert late.status_code == 422
    assert "a modifié cette demande entre-temps" in late.text and "carte.pdf" in late.text and "Il manque une copie" in late.text
    assert correction_of(asked.location).state == CorrectionState.PENDING
    # a withdrawal from a page opened before says the same, not that somebody decided
    assert post(browser, f"{asked.location}/retrait", {"version": seen}).status_code == 303
    page = browser.get(asked.location).text
    assert "a modifié cette demande entre-temps" in page and "décidée entre-temps" not in page
    assert correction_of(asked.location).state == CorrectionState.PENDING
    with bound_scope(Scope.system()):
        moves = "SELECT count(*) FROM audit_entry WHERE table_name = 'identity_correction' AND row_id = :id AND operation = 'UPDATE'"
        assert db.session.scalar(text(moves), {"id": str(correction_of(asked.location).id)}) == 0, "a version alone is no change"
    assert decide(region, asked.location, "validate").status_code == 303


def test_the_room_is_weighed_once_for_files_sent_together(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    registration_id, _enrolment = confirmed()
    browser, own = as_user("principal"), organisation().id
    asked = ask(browser, registration_id)
    before = intake.weight_of(own)
    monkeypatch.setattr(intake, "limits", lambda: intake.Limits(50_000, 9, before + len(PDF) + len(PNG)))
    over = upload(browser, f"{asked.location}/pieces", {}, (PDF, "carte.pdf"), (PNG, "verso.png"), (JPEG, "de-trop.jpg"))
    assert over.status_code == 422 and "« de-trop.jpg »" in over.text and "« verso.png »" not in over.text
    with statements() as sent:
        assert upload(browser, f"{asked.location}/pieces", {}, (PDF, "carte.pdf"), (PNG, "verso.png")).status_code == 303
    assert len([one for one in sent if "sum(identity_document.size)" in one]) == 1
    assert len(kept(asked.location)) == 2 and {one.account_name for one in kept(asked.location)} != {""}


def test_documents_are_deleted_some_time_after_the_decision(as_user: AsUser, db_session: Session, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = []
    browser, region = as_user("principal"), as_user("region")
    for what in ("validate", "refuse", ""):
        registration_id, _enrolment = confirmed()
        asked = ask_with(browser, registration_id, (PDF, "recto.pdf"), (PNG, "verso.png"))
        addresses.append(asked.location)
        assert "Les pièces sont supprimées 90 jours après la décision." in browser.get(asked.location).text
        if what:
            assert decide(region, asked.location, what, "Observations").status_code == 303
    old, refused, waiting = addresses
    decided_at = clock.now() - timedelta(days=89, hours=23)
    db_session.execute(update(IdentityCorrection).where(IdentityCorrection.id == correction_of(old).id).values(decided_at=decided_at))
    db_session.expire_all()
    page = browser.get(old).text
    assert f"gardées jusqu’au {fr_date(decided_at + timedelta(days=90))}" in page
    assert list(problems(page, path=True)) == []
    weight = intake.weight_of(organisation().id)
    jobs.purge_identity_documents()
    assert len(kept(old)) == 2, "not a day too early"
    monkeypatch.setitem(app.config, "IDENTITY_DOCUMENT_DAYS", 89)
    monkeypatch.setattr(identity_documents, "PURGED_AT_ONCE", 1)
    monkeypatch.setattr(identity_documents.purge, "__defaults__", (1,))
    contents = select(IdentityDocumentContent.id).where(IdentityDocumentContent.id.in_([one.id for one in kept(old)]))
    jobs.purge_identity_documents()
    assert kept(old) == [], "several batches"
    assert (len(kept(refused)), len(kept(waiting))) == (2, 2)
    with bound_scope(Scope.system()):
        assert db_session.scalars(contents).all() == []
    assert intake.weight_of(organisation().id) == weight - len(PDF) - len(PNG)
    page = browser.get(old).text
    assert "Aucun document n’est joint" in page and "Les pièces sont supprimées 89 jours après la décision." in page
    assert correction_of(old).state == CorrectionState.VALIDATED, "what was decided stays"
    assert [one.cron for one in PERIODIC if one.name == "purge-identity-documents"] == ["35 3 * * *"]
