"""The pages of imports, as people go through them."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.accounts.models import User
from app.core import tenancy
from app.core.exports.models import ListExport
from app.core.extensions import db
from app.core.tabular import Fault, Refused, read_table
from app.core.tabular.labels import refused
from app.core.tenancy import Scope
from app.core.ui.format import fr_number
from app.imports.domain import FileState
from app.imports.models import ImportFile, ImportHeading
from app.trainees.models import Registration
from tests.accounts.helpers import post, token
from tests.actions.helpers import make_action, make_nir
from tests.architecture.markup import problems
from tests.imports.helpers import csv_of, file_now, row_of, run, send, shown

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session
    from werkzeug.test import TestResponse


def upload(browser: FlaskClient, content: bytes, name: str = "stagiaires.csv") -> TestResponse:
    data = {"csrf_token": token(browser), "file": (io.BytesIO(content), name)}
    return browser.post("/imports/stagiaires", data=data, content_type="multipart/form-data", headers={"Referer": "https://localhost/"})


def latest() -> ImportFile:
    tenancy.bind(Scope.system())
    return db.session.scalars(select(ImportFile).order_by(ImportFile.id.desc()).limit(1)).one()


def test_a_file_is_sent_checked_mended_applied_and_undone(principal: FlaskClient, db_session: Session) -> None:
    action = make_action()
    right, wrong = make_nir(), make_nir()
    sent = upload(principal, csv_of([row_of(action, right), row_of(action, wrong, town="PARIS")]), "liste 1850631001001 61.csv")
    assert sent.status_code == 303
    file = latest()
    assert "1850631001001" not in file.file_name
    page = principal.get(f"/imports/fichier/{file.id}").text
    assert "Lecture en cours" in page
    assert 'hx-get="' in page
    run(file.id)
    assert principal.get(f"/imports/fichier/{file.id}/avancement").headers["HX-Refresh"] == "true"
    page = principal.get(f"/imports/fichier/{file.id}").text
    assert list(problems(page)) == []
    assert "Rien n’a encore été enregistré" in page
    assert right.number not in page
    line = f"/imports/fichier/{file.id}/ligne/3"
    page = principal.get(line).text
    assert list(problems(page)) == []
    assert wrong.masked in page
    assert wrong.number not in page
    cells = dict(re.findall(r'name="(cellule-[a-z_]+)" value="([^"]*)"', page)) | {"cellule-town": "toulouse", "revision": "1"}
    assert post(principal, line, cells).status_code == 303
    assert file_now(file.id).counts == {"create": 2, "change": 0, "same": 0, "wrong": 0}
    said = {"create": "2", "change": "0", "wrong": "0", "what": "all", "shown": shown(principal.get(f"/imports/fichier/{file.id}").text)}
    confirmed = post(principal, f"/imports/fichier/{file.id}/appliquer", said, follow_redirects=True)
    assert "Vous pouvez quitter cette page" in confirmed.text
    run(file.id)
    made = db.session.scalars(select(Registration).where(Registration.action_id == action.id)).all()
    assert [(one.town, one.insee_code) for one in made] == [("Toulouse", "31555")] * 2
    again = upload(principal, csv_of([row_of(action, right), row_of(action, wrong, town="PARIS")]))
    assert again.location.endswith(f"/imports/fichier/{file.id}")
    page = principal.get(f"/imports/fichier/{file.id}/annuler").text
    assert list(problems(page)) == []
    assert post(principal, f"/imports/fichier/{file.id}/annuler").status_code == 303
    run(file.id)
    assert file_now(file.id).state == FileState.UNDONE
    assert db.session.scalars(select(Registration).where(Registration.action_id == action.id)).all() == []
    assert list(problems(principal.get("/imports/").text)) == []


def test_what_somebody_else_mended_meanwhile_is_not_applied_unseen(principal: FlaskClient, db_session: Session) -> None:
    """The counts are the same, what the file does is not."""
    action = make_action()
    account = db.session.scalars(select(User).where(User.username == "principal")).one()
    file = send(account, csv_of([row_of(action, make_nir(), email="a@exemple.fr")]))
    address, said = f"/imports/fichier/{file.id}", {"create": "1", "change": "0", "wrong": "0", "what": "all"}
    seen = shown(principal.get(address).text)
    cells = dict(re.findall(r'name="(cellule-[a-z_]+)" value="([^"]*)"', principal.get(f"{address}/ligne/2").text)) | {"cellule-email": "b@exemple.fr"}
    post(principal, f"{address}/ligne/2", cells | {"revision": "1"})
    post(principal, f"{address}/appliquer", said | {"shown": seen})  # it is being checked
    assert file_now(file.id).state == FileState.CHECKING
    assert run(file.id).counts == {"create": 1, "change": 0, "same": 0, "wrong": 0}
    for old in (seen, "", "1."):
        answer = post(principal, f"{address}/appliquer", said | {"shown": old})
        assert answer.status_code == 409
        assert list(problems(answer.text)) == []
        assert "Rien n’a été enregistré : ce que fait ce fichier a changé" in answer.text
        assert file_now(file.id).state == FileState.READY
    assert post(principal, f"{address}/appliquer", said | {"shown": shown(answer.text)}).status_code == 303
    run(file.id)
    (sheet,) = db.session.scalars(select(Registration).where(Registration.action_id == action.id))
    assert sheet.email == "b@exemple.fr"


def test_what_was_checked_again_meanwhile_is_not_applied_unseen(principal: FlaskClient, db_session: Session) -> None:
    account = db.session.scalars(select(User).where(User.username == "principal")).one()
    file = send(account, csv_of([row_of(make_action(), make_nir())]))
    address, said = f"/imports/fichier/{file.id}", {"create": "1", "change": "0", "wrong": "0", "what": "all"}
    seen = shown(principal.get(address).text)
    post(principal, f"{address}/controler")
    run(file.id)
    assert post(principal, f"{address}/appliquer", said | {"shown": seen}).status_code == 409
    assert file_now(file.id).state == FileState.READY


def test_an_unknown_heading_is_named_once(principal: FlaskClient, db_session: Session) -> None:
    action = make_action()
    account = db.session.scalars(select(User).where(User.username == "principal")).one()
    rows = [row_of(action, make_nir()) | {"Adresse de messagerie": "a@exemple.fr", "Commentaire": "x"}]
    columns = [name for name in rows[0] if name != "email"]
    file = send(account, csv_of(rows, columns=columns))
    assert file.state == FileState.TO_MAP
    page = principal.get(f"/imports/fichier/{file.id}").text
    assert list(problems(page)) == []
    places = {name: str(place) for place, name in enumerate(columns)}
    mapped = {f"colonne-{places['Adresse de messagerie']}": "email", f"colonne-{places['Commentaire']}": ""}
    twice = post(principal, f"/imports/fichier/{file.id}/colonnes", mapped | {f"colonne-{places['Commentaire']}": "email"})
    assert twice.status_code == 422
    assert "Deux titres correspondent" in twice.text
    assert post(principal, f"/imports/fichier/{file.id}/colonnes", mapped).status_code == 303
    run(file.id)
    assert file_now(file.id).counts == {"create": 1, "change": 0, "same": 0, "wrong": 0}
    assert {row.column_name for row in db.session.scalars(select(ImportHeading))} == {"email", ""}
    other = send(account, csv_of([row | {"Commentaire": "y"} for row in rows], columns=columns))
    assert other.state == FileState.READY


def test_a_file_that_is_no_table_says_why(principal: FlaskClient, db_session: Session) -> None:
    assert upload(principal, b"%PDF-1.7 rien").status_code == 303
    file = latest()
    run(file.id)
    page = principal.get(f"/imports/fichier/{file.id}").text
    assert list(problems(page)) == []
    assert "Rien de ce fichier n’a été pris" in page
    number = file.id
    assert post(principal, f"/imports/fichier/{number}/abandonner").status_code == 303
    tenancy.bind(Scope.system())
    assert db.session.get(ImportFile, number) is None
    empty = upload(principal, b"")
    assert empty.status_code == 422


def test_the_annotated_file_comes_back_as_it_is(principal: FlaskClient, db_session: Session) -> None:
    action = make_action()
    account = db.session.scalars(select(User).where(User.username == "principal")).one()
    rows = [row_of(action, make_nir()), row_of(action, make_nir(), town="PARIS", mobile="12")]
    file = send(account, csv_of(rows))
    for kind in ("xlsx", "ods", "csv"):
        content = post(principal, f"/imports/fichier/{file.id}/annote", {"format": kind}).data
        table = read_table(content)
        assert table.header[-1] == "À corriger"
        assert table.rows[0].cells[-1].text == ""
        assert "Ville" in table.rows[1].cells[-1].text
        assert "Téléphone portable" in table.rows[1].cells[-1].text
        again = send(account, content, name=f"retour.{kind}")
        assert (again.state, again.counts) == (FileState.READY, {"create": 1, "change": 0, "same": 0, "wrong": 1})


def test_somebody_else_never_finds_the_file(principal: FlaskClient, as_user: Any, db_session: Session) -> None:
    account = db.session.scalars(select(User).where(User.username == "principal")).one()
    file = send(account, csv_of([row_of(make_action(), make_nir(), town="PARIS")]))
    other = as_user("autre-of")
    for address in ("", "/avancement", "/annuler", "/ligne/2"):
        assert other.get(f"/imports/fichier/{file.id}{address}").status_code == 404
    for address in ("/colonnes", "/nommer-les-colonnes", "/controler", "/appliquer", "/annuler", "/abandonner", "/ligne/2", "/annote"):
        assert post(other, f"/imports/fichier/{file.id}{address}").status_code == 404
    assert file_now(file.id).state == FileState.READY


def test_a_right_line_that_is_changed_has_the_whole_checked_again(principal: FlaskClient, db_session: Session) -> None:
    account = db.session.scalars(select(User).where(User.username == "principal")).one()
    file = send(account, csv_of([row_of(make_action(), make_nir())]))
    line = f"/imports/fichier/{file.id}/ligne/2"
    assert post(principal, line, {"cellule-town": "PARIS", "revision": "1"}).status_code == 303
    assert file_now(file.id).state == FileState.CHECKING
    assert "Contrôle en cours" in principal.get(f"/imports/fichier/{file.id}").text
    run(file.id)
    assert file_now(file.id).counts == {"create": 0, "change": 0, "same": 0, "wrong": 1}
    assert list(problems(principal.get(f"/imports/fichier/{file.id}").text)) == []


def test_the_annotated_file_has_its_line_in_the_journal(principal: FlaskClient, db_session: Session) -> None:
    account = db.session.scalars(select(User).where(User.username == "principal")).one()
    file = send(account, csv_of([row_of(make_action(), make_nir()), row_of(make_action(), make_nir(), town="PARIS")]))
    assert post(principal, f"/imports/fichier/{file.id}/annote", {"format": "csv", "lines": "wrong"}).data.count(b"\n") == 2
    tenancy.bind(Scope.system())
    entry = db.session.scalars(select(ListExport).order_by(ListExport.id.desc()).limit(1)).one()
    assert (entry.list_name, entry.actor_id, entry.lines, entry.personal, entry.query) == ("import-stagiaires", account.id, 1, True, f"fichier={file.id}")
    assert entry.finished_at is not None


def test_the_headings_to_decide_are_named_and_come_first(principal: FlaskClient, db_session: Session) -> None:
    account = db.session.scalars(select(User).where(User.username == "principal")).one()
    row = row_of(make_action(), make_nir()) | {"Adresse de messagerie": "a@exemple.fr", "Commentaire": "x"}
    file = send(account, csv_of([row], columns=[name for name in row if name != "email"]))
    address = f"/imports/fichier/{file.id}"
    page = principal.get(address).text
    assert list(problems(page)) == []
    assert "2 titres de colonnes du fichier ne sont pas reconnus" in page and "« Adresse de messagerie », « Commentaire »" in page
    known = page.index('<details class="details"')
    assert page.index("Adresse de messagerie</span>") < page.index("Commentaire</span>") < known < page.index("Nom de naissance</span>")
    assert '<details class="details">' in page
    places = {"Adresse de messagerie": len(row) - 3, "Commentaire": len(row) - 2}
    twice = post(principal, f"{address}/colonnes", {f"colonne-{place}": "email" for place in places.values()}).text
    assert list(problems(twice)) == [] and "« Adresse de messagerie », « Commentaire » : gardez-en un" in twice
    assert post(principal, f"{address}/colonnes", {f"colonne-{place}": "" for place in places.values()}).status_code == 303
    run(file.id)
    assert post(principal, f"{address}/nommer-les-colonnes").status_code == 303
    again = principal.get(address).text
    assert list(problems(again)) == [] and '<details class="details" open>' in again and "À décider" not in again


def test_giving_up_speaks_of_the_annotated_file_where_there_is_one(principal: FlaskClient, db_session: Session) -> None:
    account = db.session.scalars(select(User).where(User.username == "principal")).one()
    wrong, right = (send(account, csv_of([row_of(make_action(), make_nir(), **cells)])) for cells in ({"town": "PARIS"}, {}))
    unnamed = send(account, csv_of([row_of(make_action(), make_nir()) | {"Commentaire": "x"}]))
    pages = [principal.get(f"/imports/fichier/{file.id}/abandonner").text for file in (wrong, right, unnamed)]
    assert [list(problems(page)) for page in pages] == [[]] * 3
    assert ["fichier annoté" in page for page in pages] == [True, False, False]


def test_the_latest_files_are_at_the_top(principal: FlaskClient, db_session: Session) -> None:
    account = db.session.scalars(select(User).where(User.username == "principal")).one()
    assert "Vos derniers fichiers" not in principal.get("/imports/").text
    files = [send(account, csv_of([row_of(make_action(), make_nir())])).id for _number in range(4)]
    page = principal.get("/imports/").text
    assert list(problems(page)) == []
    top = page[page.index("Vos derniers fichiers") : page.index('id="matrice-')]
    assert [f'/imports/fichier/{number}"' in top for number in files] == [False, True, True, True]
    assert 'href="#envois"' in top and 'id="envois"' in page


def test_the_files_sent_are_listed_by_pages_and_narrowed(principal: FlaskClient, db_session: Session) -> None:
    """25 at a time, the latest first; beyond the first page, or narrowed, the list stands alone."""
    for number in range(27):
        upload(principal, f"Nom\nESSAI{number}\n".encode(), f"liste {number:02}.csv")
    first = principal.get("/imports/").text
    assert list(problems(first)) == []
    assert "liste 26.csv" in first and "liste 02.csv" in first and "liste 01.csv" not in first and 'id="matrice-' in first
    (after,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = principal.get(after.replace("&amp;", "&")).text
    assert list(problems(second)) == []
    assert "liste 01.csv" in second and "liste 00.csv" in second and "liste 02.csv" not in second and 'id="matrice-' not in second
    narrowed = principal.get("/imports/?matrice=sorties&etat=received").text
    assert "Aucun fichier ne correspond" in narrowed and ".csv</a>" not in narrowed
    waiting = principal.get("/imports/?matrice=stagiaires&etat=received").text
    assert 'href="/exports/liste/imports?matrice=stagiaires&amp;etat=received"' in waiting and "liste 26.csv" in waiting
    assert "liste 26.csv" in principal.get("/imports/?matrice=rien&etat=rien").text


def test_a_limit_is_said_with_its_thousands_apart(principal: FlaskClient, db_session: Session) -> None:
    assert refused(Refused(Fault.TOO_MANY_LINES, value=3000)) == f"Ce fichier a trop de lignes : {fr_number(3000)} au plus. Coupez-le en plusieurs."
