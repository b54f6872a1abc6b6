"""Documents of the requests, their letter and the amendment: what is taken in, who sees it, what is kept (guide 003 §2)."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.accounts.seeds import ORGANISATION_B
from app.actions.models import Action
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.requests import documents, services, signing
from app.requests.document_models import DocumentRole, RequestDocument, RequestDocumentContent
from app.requests.documents import Incoming
from app.requests.domain import RequestEvent, RequestState
from app.requests.domain.files import EXTENSIONS, FileFault, FileRefused, MediaType, identify, safe_name
from app.requests.models import ModificationRequest
from tests.accounts.helpers import post
from tests.actions.helpers import organisation, statements
from tests.requests.helpers import ask, components, decision, later_end, open_action, reread
from tests.requests.test_screens import END, day, follow_up, fr, hidden, plain, wizard

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(17) + b"\x00\x00\x00\x00IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0" + bytes(40) + b"\xff\xd9"


def archive(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return target.getvalue()


ODT_MEMBERS = {"mimetype": MediaType.ODT.encode(), "content.xml": b"<a/>", "META-INF/manifest.xml": b"<m/>"}
DOCX_MEMBERS = {"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<d/>"}
ODT, DOCX = archive(ODT_MEMBERS), archive(DOCX_MEMBERS)


# ---- by content, never by name ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "kind"), [(PDF, MediaType.PDF), (PNG, MediaType.PNG), (JPEG, MediaType.JPEG), (ODT, MediaType.ODT), (DOCX, MediaType.DOCX)], ids=lambda one: str(one)[:12]
)
def test_what_is_accepted(content: bytes, kind: MediaType) -> None:
    assert identify(content) is kind


def _encrypted() -> bytes:
    made = bytearray(DOCX)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (start := made.find(mark, start)) >= 0:
            made[start + offset] |= 1
            start += 4
    return bytes(made)


HOSTILE = {
    "empty": (b"", FileFault.EMPTY),
    "a page of the web": (b"<html><script>alert(1)</script>%PDF-1.4 %%EOF", FileFault.UNKNOWN_TYPE),
    "an image that is a script": (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', FileFault.UNKNOWN_TYPE),
    "a program": (b"MZ" + bytes(200), FileFault.UNKNOWN_TYPE),
    "an archive of anything": (archive({"virus.exe": b"MZ"}), FileFault.UNKNOWN_TYPE),
    "a spreadsheet": (archive(ODT_MEMBERS | {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"}), FileFault.UNKNOWN_TYPE),
    "half a document": (DOCX[:40], FileFault.DAMAGED),
    "half a page": (PDF[:20], FileFault.DAMAGED),
    "half a picture": (PNG[:30], FileFault.DAMAGED),
    "half a photograph": (JPEG[:20], FileFault.DAMAGED),
    "macros of Word": (archive(DOCX_MEMBERS | {"word/vbaProject.bin": b"x"}), FileFault.MACROS),
    "macros told by the types": (archive(DOCX_MEMBERS | {"[Content_Types].xml": b"document.macroEnabled.main+xml"}), FileFault.MACROS),
    "macros of Writer": (archive(ODT_MEMBERS | {"Basic/Standard/Module1.xml": b"x"}), FileFault.MACROS),
    "a bomb": (archive(DOCX_MEMBERS | {f"word/{n}": bytes(60_000_000) for n in range(6)}), FileFault.DAMAGED),
    "too many members": (archive(DOCX_MEMBERS | {f"word/{n}": b"" for n in range(5_001)}), FileFault.DAMAGED),
    "a password": (_encrypted(), FileFault.PROTECTED),
    "a password of Writer": (archive(ODT_MEMBERS | {"META-INF/manifest.xml": b"<manifest:encryption-data/>"}), FileFault.PROTECTED),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_refused(name: str) -> None:
    content, fault = HOSTILE[name]
    with pytest.raises(FileRefused) as refused:
        identify(content)
    assert refused.value.fault is fault


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda some: DOCX[:150] + some) | st.binary(max_size=60).map(lambda some: ODT[:-60] + some))
def test_no_file_breaks_the_check(content: bytes) -> None:
    try:
        assert identify(content) in MediaType
    except FileRefused as refused:
        assert refused.fault in FileFault


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Devis été 2026.pdf", "Devis été 2026.pdf"),
        ("..\\..\\windows\\system.ini", "system.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("photo.exe", "photo.pdf"),
        ("annexe\u202egnp.exe", "annexegnp.pdf"),
        ('a"b\r\nSet-Cookie: x.pdf', "a-b Set-Cookie- x.pdf"),
        ("", "document.pdf"),
        (".pdf", "document.pdf"),
        ("é" * 300, "é" * 120 + ".pdf"),
    ],
)
def test_names_are_kept_and_made_safe(typed: str, kept: str) -> None:
    assert safe_name(typed, MediaType.PDF) == kept


@given(st.text(max_size=300), st.sampled_from(MediaType))
def test_no_name_is_dangerous(typed: str, kind: MediaType) -> None:
    name = safe_name(typed, kind)
    assert name.endswith(EXTENSIONS[kind]) and 4 < len(name) <= 160
    assert not re.search(r'[/\\<>:"|?*\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]', name) and not name.startswith((".", " "))


# ---- the step « MOTIVATION » ------------------------------------------------------------------------------------------


def recap_url(action: Action) -> str:
    return f"{wizard(action.id)}/recapitulatif"


def at_recap(browser: FlaskClient, action: Action) -> dict[str, str]:
    """The wizard of dates at its last step; the hidden fields of the page."""
    first = components(action.id)[0]
    values = {"action_planned_end": fr(day(END + 30)), f"c{first.id}_planned_end": fr(day(END + 30))}
    assert post(browser, f"{wizard(action.id)}/valeurs", values).status_code == 302
    return fields_of(browser.get(recap_url(action)).text)


def fields_of(page: str) -> dict[str, str]:
    return {name: hidden(page, name) for name in ("wizard_token", "wizard_shown", "changements")}


def upload(browser: FlaskClient, url: str, data: dict[str, Any], *files: tuple[bytes, str], field: str = "documents") -> Any:
    return post(browser, url, data | {field: [(io.BytesIO(content), name) for content, name in files]}, content_type="multipart/form-data")


def names_of(request_id: int) -> list[str]:
    return [one.name for one in documents.of_request(request_id)]


def test_attached_listed_taken_away_sent_and_downloaded(as_user: AsUser) -> None:
    action = open_action()
    browser = as_user("principal")
    form = at_recap(browser, action)
    page = upload(browser, recap_url(action), form | {"motivation": "Déjà écrit.", "joindre": "1"}, (PDF, "Devis été.pdf"), (PNG, "plan.exe"))
    assert page.status_code == 200
    assert "Déjà écrit." in page.text
    assert "Devis été.pdf" in plain(page.text) and "plan.png" in plain(page.text)
    (taken,) = re.findall(r'name="retirer" value="(\d+)"[^>]*>[^<]*<span class="sr-only"> plan.png', page.text) or re.findall(r'value="(\d+)"', page.text)[-1:]
    page = post(browser, recap_url(action), form | {"motivation": "Déjà écrit.", "retirer": taken})
    assert page.status_code == 200
    assert "a été retiré" in page.text
    sent = upload(browser, recap_url(action), form | {"motivation": "Déjà écrit."}, (DOCX, "note.docx"))  # chosen, and sent with the request
    assert sent.headers["Location"] == follow_up(action.id)
    request_id = db.session.scalars(select(ModificationRequest.id).where(ModificationRequest.action_id == action.id)).one()
    found = documents.of_request(request_id)
    assert [(one.name, one.role, one.draft_token, one.account_name) for one in found] == [
        ("Devis été.pdf", "supporting", None, "Paule BLANC"), ("note.docx", "supporting", None, "Paule BLANC")
    ]  # fmt: skip
    answer = as_user("region").get(f"/demandes-de-modification/documents/{found[0].id}")
    assert answer.data == PDF
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"] == "attachment; filename=\"Devis _t_.pdf\"; filename*=UTF-8''Devis%20%C3%A9t%C3%A9.pdf"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer.headers["Cache-Control"]
    assert "Devis été.pdf" in plain(browser.get(f"/demandes-de-modification/action/{action.id}/documents").text)
    with statements() as executed:
        assert "Devis été.pdf" in plain(browser.get(f"/demandes-de-modification/{request_id}").text)
    assert len(executed) <= 14
    assert not any("request_document_content" in one for one in executed)


def test_a_refused_file_says_why_and_nothing_is_lost(as_user: AsUser) -> None:
    action = open_action()
    browser = as_user("principal")
    form = at_recap(browser, action)
    page = upload(browser, recap_url(action), form | {"motivation": "Gardé."}, (PDF, "bon.pdf"), (b"MZ" + bytes(50), "facture.pdf"))
    assert page.status_code == 422
    said = plain(page.text)
    assert "« facture.pdf » n’est d’aucun des types acceptés, quoi que dise son nom" in said
    assert 'aria-describedby="documents-' in page.text
    assert "bon.pdf" in said and "Gardé." in page.text
    assert db.session.scalars(select(ModificationRequest.id).where(ModificationRequest.action_id == action.id)).all() == []
    again = upload(browser, recap_url(action), form | {"motivation": "Gardé.", "joindre": "1"}, (PDF, "le même.pdf"))
    assert again.status_code == 422 and "est déjà joint" in again.text
    empty = post(browser, recap_url(action), form | {"motivation": "Gardé.", "joindre": "1"})
    assert empty.status_code == 422 and "Choisissez d’abord un fichier" in empty.text
    assert post(browser, recap_url(action), form | {"motivation": "Gardé."}).status_code == 302


def test_how_large_and_how_many_are_settings(as_user: AsUser, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "DOCUMENT_MAX_MB", 1)
    monkeypatch.setitem(app.config, "DOCUMENT_MAX_COUNT", 2)
    assert documents.limits() == documents.Limits(1024 * 1024, 2)
    # smaller: the browser of the tests leaves a file open for what does not fit into its memory
    monkeypatch.setattr(documents, "limits", lambda: documents.Limits(50_000, 2))
    action = open_action()
    browser = as_user("principal")
    form = at_recap(browser, action)
    big = upload(browser, recap_url(action), form | {"motivation": "x", "joindre": "1"}, (PDF[:-6] + bytes(50_000) + b"%%EOF", "gros.pdf"))
    assert big.status_code == 422 and "dépasse 1 Mo" in plain(big.text)
    three = [(PDF + str(number).encode(), f"{number}.pdf") for number in range(3)]
    many = upload(browser, recap_url(action), form | {"motivation": "x", "joindre": "1"}, *three)
    assert many.status_code == 422 and "« 2.pdf » n’a pas été ajouté : une demande a 2 documents au plus" in plain(many.text)


def test_a_draft_given_up_takes_its_documents_and_nobody_else_sees_them(as_user: AsUser) -> None:
    action = open_action()
    browser = as_user("principal")
    form = at_recap(browser, action)
    assert upload(browser, recap_url(action), form | {"motivation": "x", "joindre": "1"}, (PDF, "secret.pdf")).status_code == 200
    with bound_scope(Scope.system()):
        document_id = db.session.scalars(select(RequestDocument.id).where(RequestDocument.action_id == action.id)).one()
    url = f"/demandes-de-modification/documents/{document_id}"
    assert browser.get(url).status_code == 200
    assert as_user("secondaire").get(url).status_code == 404
    assert as_user("region").get(url).status_code == 404
    assert "secret.pdf" not in as_user("secondaire").get(f"/demandes-de-modification/action/{action.id}/documents").text
    assert post(browser, f"{wizard(action.id)}/abandon").status_code == 302
    with bound_scope(Scope.system()):
        assert db.session.execute(text("SELECT count(*) FROM request_document WHERE id = :id"), {"id": document_id}).scalar() == 0
        assert db.session.execute(text("SELECT count(*) FROM request_document_content WHERE id = :id"), {"id": document_id}).scalar() == 0


def test_another_organisation_gets_404(as_user: AsUser) -> None:
    action = open_action(siret=ORGANISATION_B)
    request_id = ask(action)
    with bound_scope(Scope.system()):
        document = documents.attach(reread(request_id), DocumentRole.SUPPORTING, Incoming("a.pdf", PDF))
        db.session.commit()
        document_id = document.id
    browser = as_user("principal")
    for path in (f"documents/{document_id}", f"{request_id}/courrier", f"{request_id}/courrier.pdf", f"{request_id}/courrier/confirmation", f"action/{action.id}/documents"):
        assert browser.get(f"/demandes-de-modification/{path}").status_code == 404, path
    for path in (f"{request_id}/courrier/signe", f"{request_id}/courrier/confirmation"):
        assert post(browser, f"/demandes-de-modification/{path}", {"version": "1"}).status_code == 404, path
    with bound_scope(Scope.organisation(organisation().id)):
        assert db.session.execute(text("SELECT count(*) FROM request_document_content")).scalar() == 0


@pytest.mark.parametrize("values", ["draft_token = gen_random_uuid()", "size = 0", "role = 'x'", "name = ''", "organisation_id = organisation_id + 1"])
def test_the_database_holds_it_too(db_session: Session, values: str) -> None:
    request_id = ask(open_action())
    documents.attach(reread(request_id), DocumentRole.SUPPORTING, Incoming("a.pdf", PDF))
    with pytest.raises(IntegrityError):
        db_session.execute(text(f"UPDATE request_document SET {values} WHERE request_id = {request_id}"))


def test_lists_never_read_the_bytes(db_session: Session) -> None:
    request_id = ask(open_action())
    document = documents.attach(reread(request_id), DocumentRole.SUPPORTING, Incoming("a.pdf", PDF))
    with statements() as executed:
        documents.of_request(request_id)
        documents.of_action(document.action_id)
    assert not any("content" in one for one in executed)
    assert db_session.scalars(select(RequestDocumentContent.data).where(RequestDocumentContent.id == document.id)).one() == PDF
    journal = db_session.execute(text("SELECT count(*) FROM audit_entry WHERE table_name = 'request_document' AND row_id = :id"), {"id": str(document.id)})
    assert journal.scalar() == 1


# ---- the amendment ----------------------------------------------------------------------------------------------------


def test_the_amendment_comes_with_the_validation_or_not_at_all(as_user: AsUser) -> None:
    action = open_action()
    request_id = ask(action)
    region = as_user("region")
    url = f"/demandes-de-modification/{request_id}/decision"
    version = {"version": hidden(region.get(f"/demandes-de-modification/{request_id}").text, "version"), "moved": ""}
    refusal = upload(region, url, version | {"decision": "refuse", "observations": "Non."}, (PDF, "av.pdf"), field="amendment_file")
    assert refusal.status_code == 422 and "Un avenant accompagne une validation" in refusal.text and "Non." in refusal.text
    damaged = upload(region, url, version | {"decision": "validate"}, (PDF[:20], "av.pdf"), field="amendment_file")
    assert damaged.status_code == 422 and "est incomplet ou endommagé" in damaged.text
    assert reread(request_id).state == RequestState.PENDING
    assert upload(region, url, version | {"decision": "validate", "amendment_number": "AV-2"}, (PDF, "av.pdf"), field="amendment_file").status_code == 302
    assert reread(request_id).state == RequestState.VALIDATED
    shown = as_user("principal").get(f"/demandes-de-modification/{request_id}").text
    assert "av.pdf Avenant" in plain(shown)


# ---- the letter -------------------------------------------------------------------------------------------------------


def letter(browser: FlaskClient, request_id: int) -> bytes:
    answer = browser.get(f"/demandes-de-modification/{request_id}/courrier.pdf")
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="courrier-')
    return answer.data


def test_the_letter_is_a_pdf_with_title_language_and_its_own_font(as_user: AsUser) -> None:
    request_id = ask(open_action(), why="L’été, 1 000 € de « plus » <b>& œuvre</b> → fin.\n日本 Ł\u202f!")
    made = letter(as_user("principal"), request_id)
    assert identify(made) is MediaType.PDF
    assert b"(fr-FR)" in made and b"/Title" in made
    assert b"/FontFile2" in made and b"BitstreamVeraSans" in made
    assert b"/JavaScript" not in made


def test_a_letter_of_any_length_is_made(as_user: AsUser) -> None:
    action = open_action()
    request_id = ask(action, why="Très longue motivation. " * 160)
    long = "Composante au nom sans fin " * 400
    db.session.execute(
        text("UPDATE modification_request SET changes = jsonb_set(changes, '{0,said}', jsonb_build_array(CAST(:long AS text), 'x')) WHERE id = :id"),
        {"long": long, "id": request_id},
    )
    db.session.commit()
    assert letter(as_user("region"), request_id).count(b"/Type /Page\n") > 2


def test_confirmed_on_screen_by_the_principal_alone(as_user: AsUser) -> None:
    action = open_action()
    request_id = ask(action)
    url = f"/demandes-de-modification/{request_id}/courrier"
    assert "Ni courrier signé ni confirmation" in plain(as_user("region").get(f"/demandes-de-modification/{request_id}").text)
    assert post(as_user("secondaire"), f"{url}/confirmation", {"version": "1"}).status_code in (302, 403)
    assert documents.signatures_of(request_id) == []
    browser = as_user("principal")
    assert "Confirmer à l’écran" in plain(browser.get(url).text)
    assert "Confirmer le courrier ?" in plain(browser.get(f"{url}/confirmation").text)
    version = {"version": str(reread(request_id).version)}
    assert post(browser, f"{url}/confirmation", {"version": "99"}).status_code == 302
    assert documents.signatures_of(request_id) == []
    for _twice in range(2):
        assert post(browser, f"{url}/confirmation", version).status_code == 302
    (one,) = documents.signatures_of(request_id)
    assert (one.account_name, one.stated) == ("Paule BLANC", signing.stated_by(reread(request_id)))
    assert "Courrier confirmé à l’écran par Paule BLANC" in plain(as_user("region").get(f"/demandes-de-modification/{request_id}").text)


def test_a_signed_letter_is_attached_and_a_correction_calls_for_another(as_user: AsUser) -> None:
    action = open_action()
    request_id = ask(action)
    browser = as_user("principal")
    url = f"/demandes-de-modification/{request_id}/courrier/signe"
    version = {"version": str(reread(request_id).version)}
    wrong = upload(browser, url, version, (b"GIF89a", "scan.pdf"), field="letter")
    assert wrong.status_code == 422 and "« scan.pdf » n’est d’aucun des types acceptés" in plain(wrong.text)
    assert post(browser, url, version).status_code == 422
    assert upload(browser, url, version, (JPEG, "scan.jpeg"), field="letter").status_code == 302
    show = f"/demandes-de-modification/{request_id}"
    assert "Courrier signé joint par Paule BLANC" in plain(browser.get(show).text)
    services.decide(request_id, decision(RequestEvent.ASK_CORRECTION, request_id, observations="Précisez."))
    assert upload(browser, url, version, (PNG, "scan.png"), field="letter").status_code == 302  # overtaken: nothing is kept
    services.send_again(request_id, services.Asked(later_end(action, 40), "Autre."), version=reread(request_id).version)
    assert names_of(request_id) == ["scan.jpg"]
    assert "Le courrier signé auparavant dit ce qui était demandé avant la correction" in plain(browser.get(show).text)
