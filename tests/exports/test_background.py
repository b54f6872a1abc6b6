"""Files prepared in the background: by whom, for whom, until when; what dies is begun again, and told once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text, update

from app.accounts.models import User
from app.accounts.seeds import ORGANISATION_B
from app.accounts.testing import sign_in
from app.actions import access
from app.actions.access import Rights
from app.actions.models import Action
from app.core import clock, crypto
from app.core.exports import jobs, services, views
from app.core.exports.domain import CHUNK, KEPT, LEASE, MAX_ATTEMPTS, MOST_FILES, FileState
from app.core.exports.models import ExportChunk, ExportFile, ListExport
from app.core.extensions import db
from app.core.jobs import runner
from app.core.jobs.testing import work_off
from app.core.mail.models import MailMessage
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import post
from tests.exports.helpers import LISTS, page_of, rows_of, take_out

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session


@pytest.fixture
def site(committed: Flask) -> Iterator[Flask]:
    """An application whose queued jobs are run here."""
    runner.set_application(committed)
    yield committed
    runner.set_application(None)


@contextmanager
def system(app: Flask) -> Iterator[Session]:
    with app.app_context(), bound_scope(Scope.system()), transaction() as session:
        yield session


def browser_of(app: Flask, account: str) -> FlaskClient:
    browser = app.test_client()
    sign_in(app, browser, account)
    return browser


def work(app: Flask) -> None:
    with app.app_context():
        work_off()


def ask(browser: FlaskClient, list_name: str = "stagiaires", file_format: str = "csv", columns: list[str] | None = None, **query: Any) -> None:
    answer = take_out(browser, list_name, file_format, columns, {"arriere_plan": "y"}, **query)
    assert answer.status_code == 303 and answer.headers["Location"].endswith("/exports/"), answer.get_data(as_text=True)[:500]


def only_file(app: Flask) -> ExportFile:
    with system(app) as session:
        found = session.scalars(select(ExportFile).order_by(ExportFile.id.desc()).limit(1)).one()
        session.expunge(found)
    return found


def mails(app: Flask) -> list[MailMessage]:
    with system(app) as session:
        found = list(session.scalars(select(MailMessage).where(MailMessage.template.like("export_%"))))
        session.expunge_all()
    return found


@pytest.mark.parametrize("list_name", LISTS)
def test_a_prepared_file_is_the_one_that_would_have_been_downloaded(site: Flask, list_name: str) -> None:
    """In every list: the job sees what the account sees, in the words of the screen."""
    with system(site) as session:
        action = session.scalar(text("SELECT action_id FROM modification_request r JOIN ab_user u USING (organisation_id) WHERE u.username = 'principal' LIMIT 1"))
    query = {"suivi-des-demandes": {"action": action}, "comptes": {"etat": "all"}, "echanges-a-suivre": {"etat": "en-attente"}}.get(list_name, {})
    browser = browser_of(site, LISTS[list_name])
    direct = take_out(browser, list_name, **query)
    ask(browser, list_name, **query)
    work(site)
    file = only_file(site)
    assert file.state == FileState.READY, file.state
    fetched = post(browser, f"/exports/{file.id}/fichier", buffered=True)
    assert fetched.status_code == 200 and fetched.get_data() == direct.get_data()
    assert fetched.headers["Content-Disposition"] == direct.headers["Content-Disposition"]
    assert int(fetched.headers["Content-Length"]) == len(direct.get_data()) and fetched.mimetype == "text/csv"


def test_a_list_of_flask_appbuilder_too(site: Flask) -> None:
    browser = browser_of(site, "admin")
    columns = ["code", "label"]
    answer = post(browser, "/referentiels/types-de-voie/export/xlsx", {"format": "xlsx", "colonnes": columns, "arriere_plan": "y"}, query_string={"q": "a"})
    assert answer.status_code == 303
    work(site)
    file = only_file(site)
    rows = rows_of(post(browser, f"/exports/{file.id}/fichier", buffered=True).get_data(), "xlsx")
    listed = browser.get("/referentiels/types-de-voie/list/?q=a&size=100").get_data(as_text=True)
    assert file.state == FileState.READY and len(rows) == file.lines + 1 > 1 and all(row[1] in listed for row in rows[1:])


def test_a_long_file_is_prepared_without_asking(site: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "LONG", 1)
    browser = browser_of(site, "principal")
    assert "plus de 1 lignes" in browser.get(page_of("stagiaires")).get_data(as_text=True)
    assert take_out(browser, "stagiaires").status_code == 303
    work(site)
    assert only_file(site).state == FileState.READY


def test_told_once_on_every_page_and_by_mail_without_a_name(site: Flask) -> None:
    browser = browser_of(site, "principal")
    ask(browser)
    assert "En attente" in browser.get("/exports/").get_data(as_text=True)
    work(site)
    file = only_file(site)
    (mail,) = mails(site)
    with site.app_context():
        from app.core.mail.services import body_aad

        told = crypto.cipher().decrypt_text(mail.body, body_aad(mail.id))
    assert mail.template == "export_ready" and "/exports/" in told
    with system(site) as session:
        names = session.execute(text("SELECT birth_name FROM trainee")).scalars().all()
    assert not any(name in told for name in names)
    assert "Voir mes exports" in browser.get("/").get_data(as_text=True) and "Voir mes exports" not in browser_of(site, "secondaire").get("/").get_data(as_text=True)
    assert post(browser, "/exports/vus").status_code == 303
    assert "Voir mes exports" not in browser.get("/").get_data(as_text=True)
    with site.app_context():
        jobs.build(file.id)  # a nudge that comes twice
        jobs.sweep()
    work(site)
    assert len(mails(site)) == 1 and only_file(site).attempt == 1


def test_the_notice_goes_with_the_download_or_with_the_list_that_shows_it(site: Flask) -> None:
    """However one gets there: a file that was taken is no news, and the page of the files says itself that it is shown."""
    browser = browser_of(site, "principal")
    for columns in (["prenom"], ["nom_naissance"]):
        ask(browser, columns=columns)
    work(site)
    last = only_file(site).id
    post(browser, f"/exports/{last}/fichier", buffered=True).close()
    assert "Voir mes exports" in browser.get("/").get_data(as_text=True), "the other one was not looked at"
    post(browser, f"/exports/{last - 1}/fichier", buffered=True).close()
    assert "Voir mes exports" not in browser.get("/").get_data(as_text=True)
    assert "hx-post" not in browser.get("/exports/").get_data(as_text=True), "there is no news"
    ask(browser, columns=["prenom"])
    work(site)
    assert 'hx-post="/exports/vus" hx-trigger="load"' in browser.get("/exports/").get_data(as_text=True)
    assert "Voir mes exports" in browser.get("/").get_data(as_text=True), "a visit by itself writes nothing"
    assert post(browser, "/exports/vus", headers={"HX-Request": "true"}).status_code == 204
    assert "Voir mes exports" not in browser.get("/").get_data(as_text=True)


def test_each_download_is_a_line_of_the_journal(site: Flask) -> None:
    browser = browser_of(site, "principal")
    ask(browser, texte="dur")
    work(site)
    file = only_file(site)
    for _ in range(2):
        post(browser, f"/exports/{file.id}/fichier", buffered=True).close()
    with system(site) as session:
        entries = session.scalars(select(ListExport).order_by(ListExport.id)).all()
        account = session.scalar(select(User.id).where(User.username == "principal"))
        assert [entry.way for entry in entries] == ["prepared", "fetched", "fetched"]
        assert {entry.file_id for entry in entries} == {file.id} and {entry.actor_id for entry in entries} == {account}
        assert {entry.lines for entry in entries} == {file.lines} and all(entry.finished_at for entry in entries)
        assert {entry.query for entry in entries} == {"texte=•"} and all(entry.personal for entry in entries)


def test_encrypted_at_rest_and_bound_to_its_place(site: Flask) -> None:
    ask(browser_of(site, "principal"), texte="dur")
    work(site)
    with system(site) as session:
        file = session.scalars(select(ExportFile)).one()
        chunks = session.scalars(select(ExportChunk)).all()
        assert file.chunks == len(chunks) > 0 and services.query_of(file) == "texte=dur"
        assert b"texte" not in bytes(file.asked) and not any(b"Nom de naissance" in bytes(chunk.content) for chunk in chunks)
        plain = crypto.cipher().decrypt(chunks[0].content, services.chunk_aad({"seal_uid": file.seal_uid, "attempt": 1, "number": 0}))
        assert b"Nom de naissance" in plain
        with pytest.raises(crypto.TamperedCiphertext):
            crypto.cipher().decrypt(chunks[0].content, services.chunk_aad({"seal_uid": file.seal_uid, "attempt": 1, "number": 1}))


def test_many_pieces_come_back_as_one_file(site: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "CHUNK", 100)
    browser = browser_of(site, "principal")
    direct = take_out(browser, "stagiaires").get_data()
    ask(browser)
    work(site)
    file = only_file(site)
    assert file.chunks == -(-len(direct) // 100) > 3 and CHUNK > 100
    assert post(browser, f"/exports/{file.id}/fichier", buffered=True).get_data() == direct


# ---- whose ---------------------------------------------------------------------------------------------------------------


def test_nobody_else_finds_it(site: Flask) -> None:
    ask(browser_of(site, "principal"))
    work(site)
    file = only_file(site)
    for account in ("secondaire", "autre-of", "admin"):
        other = browser_of(site, account)
        assert f"/exports/{file.id}/" not in other.get("/exports/").get_data(as_text=True)
        assert post(other, f"/exports/{file.id}/fichier").status_code == 404
        assert other.get(f"/exports/{file.id}/suppression").status_code == 404
        assert post(other, f"/exports/{file.id}/suppression").status_code == 404
    assert only_file(site).state == FileState.READY


def test_the_database_gives_it_to_its_account_alone(site: Flask) -> None:
    ask(browser_of(site, "principal"))
    work(site)
    with system(site) as session:
        accounts = {row.username: row for row in session.execute(select(User.username, User.id, User.organisation_id))}
    for name, expected in (("principal", 1), ("secondaire", 0), ("autre-of", 0)):
        scope = Scope.organisation(accounts[name].organisation_id)
        with site.app_context(), bound_scope(scope, actor_id=accounts[name].id):
            assert db.session.scalar(text("SELECT count(*) FROM export_file")) == expected
            assert db.session.scalar(text("SELECT count(*) FROM export_chunk")) == 0
            db.session.rollback()


def _limit(app: Flask, actions: list[int]) -> None:
    with system(app) as session:
        accounts = {row.username: row.id for row in session.execute(select(User.username, User.id))}
        user = session.get_one(User, accounts["secondaire"])
        access.save_rights(user.id, Rights.of(None, actions), seen=access.rights_of(user).fingerprint, actor_id=accounts["principal"])


def _actions(app: Flask) -> list[int]:
    with system(app) as session:
        return list(session.scalars(text("SELECT a.id FROM action a JOIN ab_user u USING (organisation_id) WHERE u.username = 'principal' ORDER BY (SELECT count(*) FROM registration r WHERE r.action_id = a.id) DESC, a.id")))


def test_a_limited_account_gets_its_actions_from_the_job_too(site: Flask) -> None:
    given = _actions(site)[0]
    _limit(site, [given])
    browser = browser_of(site, "secondaire")
    ask(browser, columns=["action", "prenom"])
    work(site)
    rows = rows_of(post(browser, f"/exports/{only_file(site).id}/fichier", buffered=True).get_data())
    with system(site) as session:
        number = session.get_one(Action, given).number
    assert len(rows) > 1 and {row[0] for row in rows[1:]} == {number}


def test_rights_that_changed_before_the_job_or_before_the_download(site: Flask) -> None:
    browser = browser_of(site, "secondaire")
    ask(browser)
    _limit(site, _actions(site)[:1])
    work(site)
    assert only_file(site).state == FileState.FAILED
    browser = browser_of(site, "secondaire")
    ask(browser)
    work(site)
    file = only_file(site)
    assert file.state == FileState.READY
    _limit(site, _actions(site)[:2])
    browser = browser_of(site, "secondaire")
    answer = post(browser, f"/exports/{file.id}/fichier", follow_redirects=True)
    assert answer.request.path == "/exports/" and "a changé depuis" in answer.get_data(as_text=True)
    with system(site) as session:
        assert session.scalar(select(func.count()).select_from(ListExport).where(ListExport.way == "fetched")) == 0


def test_an_account_that_was_closed_gets_nothing(site: Flask) -> None:
    ask(browser_of(site, "secondaire"))
    with system(site) as session:
        session.execute(update(User).where(User.username == "secondaire").values(active=False))
    work(site)
    assert only_file(site).state == FileState.FAILED and mails(site) == []
    with system(site) as session:
        assert session.scalar(select(func.count()).select_from(ListExport)) == 0


def test_a_permission_taken_away_meanwhile(site: Flask) -> None:
    browser = browser_of(site, "admin")
    ask(browser, "comptes", etat="all")
    work(site)
    file = only_file(site)
    with system(site) as session:
        session.execute(
            text(
                "DELETE FROM ab_permission_view_role pr USING ab_permission_view pv, ab_permission p, ab_view_menu v WHERE pr.permission_view_id = pv.id "
                "AND p.id = pv.permission_id AND v.id = pv.view_menu_id AND p.name = 'can_read' AND v.name = 'AccountConsole'"
            )
        )
    assert post(browser, f"/exports/{file.id}/fichier").status_code == 303


# ---- how it ends -------------------------------------------------------------------------------------------------------


def test_a_worker_that_died_is_replaced_and_its_pieces_go(site: Flask) -> None:
    browser = browser_of(site, "principal")
    ask(browser)
    file = only_file(site)
    with site.app_context(), bound_scope(Scope.system()):
        claim = jobs._claim(file.id)
        assert claim is not None and jobs._claim(file.id) is None  # taken
        jobs._write(claim, lines=3, number=0, content=b"half a file")
        jobs.build(file.id)  # nobody takes it while the other lives
    assert only_file(site).attempt == 1
    with system(site) as session:
        session.execute(update(ExportFile).values(alive_at=clock.now() - LEASE - timedelta(seconds=1)))
    with site.app_context(), bound_scope(Scope.system()):
        jobs.sweep()
    work(site)
    made = only_file(site)
    assert (made.state, made.attempt) == (FileState.READY, 2) and len(mails(site)) == 1
    with site.app_context(), bound_scope(Scope.system()), pytest.raises(jobs._SupersededError):
        jobs._write(claim, lines=9, number=1, content=b"from the dead")
    with site.app_context(), bound_scope(Scope.system()):
        jobs._ready(claim, 3, 11, 1)
    assert post(browser, f"/exports/{made.id}/fichier", buffered=True).get_data() == take_out(browser, "stagiaires").get_data()
    assert len(mails(site)) == 1


def test_a_lost_nudge_is_taken_up(site: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as lost:
        lost.setattr(services, "enqueue", lambda *_args: None)
        ask(browser_of(site, "principal"))
    work(site)
    assert only_file(site).state == FileState.WAITING
    with system(site) as session:
        session.execute(update(ExportFile).values(created_at=clock.now() - LEASE - timedelta(seconds=1)))
    with site.app_context(), bound_scope(Scope.system()):
        jobs.sweep()
    work(site)
    assert only_file(site).state == FileState.READY


def test_what_fails_is_tried_again_then_given_up_and_said(site: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any, **_more: Any) -> Any:
        raise RuntimeError("no")

    browser = browser_of(site, "principal")
    ask(browser)
    monkeypatch.setattr(jobs, "take_out", broken)
    work(site)
    for _ in range(MAX_ATTEMPTS + 1):
        with site.app_context(), bound_scope(Scope.system()):
            jobs.sweep()
        work(site)
    file = only_file(site)
    assert (file.state, file.attempt) == (FileState.FAILED, MAX_ATTEMPTS)
    assert [mail.template for mail in mails(site)] == ["export_failed"]
    assert "redemandez-le depuis la liste" in browser.get("/exports/").get_data(as_text=True)
    assert post(browser, f"/exports/{file.id}/fichier").status_code == 404


def test_a_worker_killed_each_time_is_given_up(site: Flask) -> None:
    ask(browser_of(site, "principal"))
    with system(site) as session:
        session.execute(update(ExportFile).values(state="running", attempt=MAX_ATTEMPTS, alive_at=clock.now() - LEASE * 2))
    work(site)
    with site.app_context(), bound_scope(Scope.system()):
        jobs.sweep()
    assert only_file(site).state == FileState.FAILED and len(mails(site)) == 1


def test_kept_two_days_then_gone_the_journal_stays(site: Flask) -> None:
    browser = browser_of(site, "principal")
    ask(browser)
    work(site)
    file = only_file(site)
    assert file.ready_at is not None and file.expires_at - file.ready_at == KEPT == timedelta(hours=48)
    with site.app_context(), bound_scope(Scope.system()):
        jobs.purge()
    assert only_file(site).id == file.id
    with system(site) as session:
        session.execute(update(ExportFile).values(expires_at=clock.now() - timedelta(seconds=1)))
    assert post(browser, f"/exports/{file.id}/fichier").status_code == 404
    with site.app_context(), bound_scope(Scope.system()):
        jobs.purge()
    with system(site) as session:
        assert [session.scalar(select(func.count()).select_from(model)) for model in (ExportFile, ExportChunk, ListExport)] == [0, 0, 1]


def test_deleted_after_a_question_and_given_up_while_it_is_made(site: Flask) -> None:
    browser = browser_of(site, "principal")
    ask(browser)
    file = only_file(site)
    page = browser.get(f"/exports/{file.id}/suppression")
    assert page.status_code == 200 and "Supprimer le fichier" in page.get_data(as_text=True)
    assert post(browser, f"/exports/{file.id}/suppression").status_code == 303
    work(site)
    with system(site) as session:
        assert session.scalar(select(func.count()).select_from(ExportFile)) == session.scalar(select(func.count()).select_from(ExportChunk)) == 0


def test_so_many_files_and_no_more(site: Flask) -> None:
    browser = browser_of(site, "principal")
    for _ in range(MOST_FILES):
        ask(browser, columns=["prenom"])
    answer = post(browser, page_of("stagiaires"), {"format": "csv", "colonnes": "prenom", "arriere_plan": "y"}, follow_redirects=True)
    assert "déjà 10 fichiers" in answer.get_data(as_text=True)
    with system(site) as session:
        assert session.scalar(select(func.count()).select_from(ExportFile)) == MOST_FILES


def test_the_state_is_asked_again_while_something_is_made(site: Flask) -> None:
    browser = browser_of(site, "principal")
    ask(browser)
    assert "hx-get" in browser.get("/exports/").get_data(as_text=True)
    with system(site) as session:
        session.execute(update(ExportFile).values(state="running", alive_at=clock.now(), lines=5, expected=10))
    part = browser.get("/exports/etat").get_data(as_text=True)
    assert re.search(r'<progress[^>]*value="5"[^>]*max="10"', part) and "hx-get" in part
    with system(site) as session:
        session.execute(update(ExportFile).values(state="failed"))
    assert "hx-get" not in browser.get("/exports/etat").get_data(as_text=True)
    assert ORGANISATION_B not in part
