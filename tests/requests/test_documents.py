"""Documents of the requests, their letter and the amendment: what is taken in, who sees it, what is kept (guide 003 §2)."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.accounts.seeds import ORGANISATION_B
from app.actions.models import Action
from app.actions.services import lock_action
from app.core.documents import intake
from app.core.documents.files import FileRefused, MediaType, identify
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.requests import documents, services, signing
from app.requests.document_models import DocumentRole, RequestDocument, RequestDocumentContent
from app.requests.domain import RequestEvent, RequestState
from app.requests.models import ModificationRequest
from tests.accounts.helpers import post
from tests.actions.helpers import organisation, statements
from tests.requests.helpers import ask, attach_piece, components, decision, later_end, open_action, reread
from tests.requests.test_files import DOCX, JPEG, PDF, PNG
from tests.requests.test_screens import END, day, fr, hidden, plain, wizard
from tests.requests.test_services import own_session

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

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
    assert sent.headers["Location"].startswith("/demandes-de-modification/")
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
    assert again.status_code == 422 and "« le même.pdf » a le même contenu que « bon.pdf », qui est déjà joint" in plain(again.text)
    empty = post(browser, recap_url(action), form | {"motivation": "Gardé.", "joindre": "1"})
    assert empty.status_code == 422 and "Choisissez d’abord un fichier" in empty.text
    assert post(browser, recap_url(action), form | {"motivation": "Gardé."}).status_code == 302


def test_how_large_and_how_many_are_settings(as_user: AsUser, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "DOCUMENT_MAX_MB", 1)
    monkeypatch.setitem(app.config, "DOCUMENT_MAX_COUNT", 2)
    monkeypatch.setitem(app.config, "DOCUMENT_QUOTA_MB", 3)
    assert intake.limits() == intake.Limits(1024 * 1024, 2, 3 * 1024 * 1024)
    # smaller: the browser of the tests leaves a file open for what does not fit into its memory
    monkeypatch.setattr(intake, "limits", lambda: intake.Limits(50_000, 2, 10**9))
    action = open_action()
    browser = as_user("principal")
    form = at_recap(browser, action)
    big = upload(browser, recap_url(action), form | {"motivation": "x", "joindre": "1"}, (PDF[:-6] + bytes(50_000) + b"%%EOF", "gros.pdf"))
    assert big.status_code == 422 and "dépasse 1 Mo" in plain(big.text)
    three = [(PDF + str(number).encode(), f"{number}.pdf") for number in range(3)]
    many = upload(browser, recap_url(action), form | {"motivation": "x", "joindre": "1"}, *three)
    assert many.status_code == 422 and "« 2.pdf » n’a pas été ajouté : une demande a 2 documents au plus" in plain(many.text)


def test_the_documents_of_an_organisation_have_a_quota_whoever_sends_them(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    action = open_action()
    first, other = as_user("principal"), as_user("secondaire")
    weight = intake.weight_of(action.organisation_id)
    monkeypatch.setattr(intake, "limits", lambda: intake.Limits(50_000, 9, weight + len(PDF) + 10))
    mine = at_recap(first, action)
    assert upload(first, recap_url(action), mine | {"motivation": "x", "joindre": "1"}, (PDF, "une.pdf")).status_code == 200
    form = at_recap(other, action)  # the draft of a colleague weighs too, though nobody else sees it
    full = upload(other, recap_url(action), form | {"motivation": "Gardé.", "joindre": "1"}, (PDF, "deux.pdf"))
    assert full.status_code == 422 and "Gardé." in full.text
    assert "« deux.pdf » n’a pas été ajouté : les documents de l’organisme pèseraient ensemble plus de 2048 Mo" in plain(full.text)
    small = upload(other, recap_url(action), form | {"motivation": "x", "joindre": "1"}, (PDF[:5] + b"%%EOF", "trois.pdf"))
    assert small.status_code == 200


def test_a_post_that_is_too_large_says_what_to_do(as_user: AsUser, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    action = open_action()
    browser = as_user("principal")
    form = at_recap(browser, action)
    said = plain(browser.get(recap_url(action)).text)
    assert "10 Mo chacun, 10 documents au plus. Moins de 25 Mo à la fois : au-delà, joignez-les en plusieurs fois." in said
    monkeypatch.setitem(app.config, "MAX_CONTENT_LENGTH", 5_000)
    page = upload(browser, recap_url(action), form | {"motivation": "x", "joindre": "1"}, (PDF[:-6] + bytes(6_000) + b"%%EOF", "gros.pdf"))
    assert page.status_code == 413
    assert "envoyez des fichiers plus légers ou un fichier à la fois : ceux qui étaient déjà joints sont gardés" in plain(page.text)


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
        document = attach_piece(request_id, "a.pdf", PDF)
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
    attach_piece(request_id, "a.pdf", PDF)
    with pytest.raises(IntegrityError):
        db_session.execute(text(f"UPDATE request_document SET {values} WHERE request_id = {request_id}"))


def test_lists_never_read_the_bytes(db_session: Session) -> None:
    request_id = ask(open_action())
    document = attach_piece(request_id, "a.pdf", PDF)
    with statements() as executed:
        documents.of_request(request_id)
        documents.of_action(document.action_id)
    assert not any("content" in one for one in executed)
    assert db_session.scalars(select(RequestDocumentContent.data).where(RequestDocumentContent.id == document.id)).one() == PDF
    journal = db_session.execute(text("SELECT count(*) FROM audit_entry WHERE table_name = 'request_document' AND row_id = :id"), {"id": str(document.id)})
    assert journal.scalar() == 1


def test_the_journal_does_not_tell_what_a_file_was_called(db_session: Session) -> None:
    document = attach_piece(ask(open_action()), "arret de Jeanne MARTIN.pdf", PDF)
    written = db_session.execute(text("SELECT e::text FROM audit_entry e WHERE table_name = 'request_document' AND row_id = :id"), {"id": str(document.id)})
    (line,) = written.scalars()
    assert document.sha256 in line and "MARTIN" not in line


def test_a_list_that_is_cut_says_so(as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    request_id = ask(open_action())
    for number in range(3):
        attach_piece(request_id, f"{number}.pdf", PDF + str(number).encode())
    db.session.commit()
    url = f"/demandes-de-modification/action/{reread(request_id).action_id}/documents"
    monkeypatch.setattr(documents, "MOST_LISTED", 3)
    assert "les plus anciens" not in plain(as_user("principal").get(url).text)
    monkeypatch.setattr(documents, "MOST_LISTED", 2)
    page = plain(as_user("principal").get(url).text)
    assert "Les 2 documents les plus récents sont affichés" in page
    assert "2.pdf" in page and "0.pdf" not in page


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
    assert upload(region, url, version | {"decision": "validate", "amendment_number": "AV-2", "without_letter": "y"}, (PDF, "av.pdf"), field="amendment_file").status_code == 302
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


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("e\u0301te\u0301", "été"),
        ("un\tdeux", "un deux"),
        ("\ufeffa\u200bb\u202ec\u2066d\u00ade", "abcde"),
        ("sous\u2010sol sous\u2011sol", "sous-sol sous-sol"),
        ("un\r\ndeux\rtrois\u2028quatre", "un\ndeux\ntrois\nquatre"),
        ("日本 Ł 1\u202f€", "?? Ł 1\u00a0€"),
    ],
)
def test_what_the_letter_prints(typed: str, printed: str) -> None:
    from app.requests.letter import printable

    assert printable(typed) == printed


def test_a_pasted_text_is_cut_into_short_paragraphs() -> None:
    from app.requests.letter import blocks

    assert blocks("un\n \n\n\u00a0\n\ndeux\n\n") == ["un\n\ndeux"]
    assert blocks("\n" * 4_000) == [""]
    many = blocks("a\n" * 2_000)
    assert "\n".join(many) == "\n".join("a" * 2_000)
    assert max(one.count("\n") for one in many) < 40


@pytest.mark.parametrize("why", ["x" + "\n" * 3_990 + "y", "a\n" * 1_990], ids=["empty lines", "lines"])
def test_no_motivation_makes_a_letter_slow(as_user: AsUser, why: str) -> None:
    request_id = ask(open_action(), why=why)
    browser = as_user("principal")
    letter(browser, ask(open_action()))  # the fonts are read
    start = time.process_time()
    letter(browser, request_id)
    assert time.process_time() - start < 1


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
    assert (one.account_name, one.stated) == ("Paule BLANC", reread(request_id).stated)
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


def test_another_piece_calls_for_another_signature(as_user: AsUser) -> None:
    action = open_action()
    request_id = ask(action)
    browser = as_user("principal")
    assert post(browser, f"/demandes-de-modification/{request_id}/courrier/confirmation", {"version": str(reread(request_id).version)}).status_code == 302
    confirmed = reread(request_id).stated
    assert signing.letter_state(reread(request_id), documents.of_request(request_id)).confirmation is not None
    services.decide(request_id, decision(RequestEvent.ASK_CORRECTION, request_id, observations="Joignez le devis."))
    asked = reread(request_id)
    values = {change.key: change.after for change in asked.asked}
    services.send_again(request_id, services.Asked(values, asked.motivation), version=asked.version)
    assert reread(request_id).stated == confirmed, "the same as before"
    documents.attach(reread(request_id), DocumentRole.AMENDMENT, intake.check(intake.Incoming("autre.pdf", PDF)))
    assert reread(request_id).stated == confirmed, "the letter does not list it"
    attach_piece(request_id, "devis.pdf", PDF)
    db.session.commit()
    state = signing.letter_state(reread(request_id), documents.of_request(request_id))
    assert (state.confirmation, state.outdated) == (None, True)
    assert "Le courrier signé auparavant" in plain(browser.get(f"/demandes-de-modification/{request_id}").text)


def test_no_letter_is_asked_for_once_the_request_is_over(as_user: AsUser) -> None:
    request_id = ask(open_action())
    browser = as_user("principal")
    show, page = f"/demandes-de-modification/{request_id}", f"/demandes-de-modification/{request_id}/courrier"
    for url in (show, page):
        assert "Ni courrier signé ni confirmation" in plain(browser.get(url).text)
    assert "son courrier est validé par une personne habilitée" in plain(browser.get(page).text)
    services.withdraw(request_id, version=reread(request_id).version)
    for url in (show, page):
        assert "Ni courrier signé ni confirmation" not in plain(browser.get(url).text)
    assert "son courrier est validé par une personne habilitée" not in plain(browser.get(page).text)


def test_whoever_attaches_a_letter_locks_the_action_before_the_request(db_session: Session) -> None:
    request_id = ask(open_action())
    with statements() as executed:
        signing.attach_letter(request_id, intake.Incoming("scan.jpg", JPEG), version=reread(request_id).version)
    first = [next(number for number, one in enumerate(executed) if mark in one) for mark in ("FOR SHARE", "FOR UPDATE", "INSERT INTO request_document ")]
    assert first == sorted(first)
    assert "FROM action" in executed[first[0]] and "FROM modification_request" in executed[first[1]]


def test_a_file_is_looked_at_once_and_before_anything_is_locked(db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    request_id = ask(open_action())
    looked: list[bytes] = []
    monkeypatch.setattr(intake, "identify", lambda content: looked.append(content) or identify(content))
    signing.attach_letter(request_id, intake.Incoming("scan.jpg", JPEG), version=reread(request_id).version)
    assert looked == [JPEG]
    with statements() as executed, pytest.raises(FileRefused):
        signing.attach_letter(request_id, intake.Incoming("scan.jpg", JPEG[:10]), version=1)
    assert not any("FOR UPDATE" in one or "FOR SHARE" in one for one in executed)


def test_a_letter_and_a_decision_never_wait_for_each_other(committed: Flask) -> None:
    with own_session(committed, Scope.system()):
        action = open_action()
        action_id, organisation_id, request_id = action.id, action.organisation_id, ask(action)
        version = reread(request_id).version

    def attach() -> None:
        with own_session(committed, Scope.organisation(organisation_id)):
            signing.attach_letter(request_id, intake.Incoming("scan.jpg", JPEG), version=version)

    with ThreadPoolExecutor(1) as pool, own_session(committed, Scope.system()):
        lock_action(action_id)  # as a decision starts
        attached = pool.submit(attach)
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))")
        limit = time.monotonic() + 20
        while not db.session.scalar(waiting) and time.monotonic() < limit:
            time.sleep(0.02)
        assert db.session.scalar(waiting)
        # ... and goes on with the request, which whoever waits for the action does not hold.
        db.session.execute(select(ModificationRequest.id).where(ModificationRequest.id == request_id).with_for_update(nowait=True))
        db.session.rollback()
        attached.result(20)
    with own_session(committed, Scope.system()):
        assert [one.name for one in documents.of_request(request_id)] == ["scan.jpg"]


# ---- the history of the request ---------------------------------------------------------------------------------------


def test_the_letter_and_the_documents_are_in_the_history(as_user: AsUser) -> None:
    """Who confirmed on screen, what was attached, each at its time."""
    action = open_action()
    request_id = ask(action)
    browser = as_user("principal")
    post(browser, f"/demandes-de-modification/{request_id}/courrier/confirmation", {"version": str(reread(request_id).version)})
    values = {"version": str(reread(request_id).version)}
    answer = upload(browser, f"/demandes-de-modification/{request_id}/courrier/signe", values, (PDF, "courrier signé.pdf"), field="letter")
    assert answer.status_code == 302
    told = plain(browser.get(f"/demandes-de-modification/{request_id}").text).rpartition("Historique")[2]
    assert "Le courrier a été confirmé à l’écran." in told
    assert "Le courrier signé a été joint : courrier signé.pdf." in told
    assert told.count("Paule BLANC") == 2
