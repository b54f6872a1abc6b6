"""The report of a file once it is applied and once it is undone, what undoing it would keep, and the lines that are left out."""

from __future__ import annotations

import html
import io
import re
import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from app.accounts.models import User
from app.core import clock
from app.core.exports.models import ListExport
from app.core.extensions import db
from app.core.matrix.checking import impersonal
from app.core.nir.storage import open_unjournaled
from app.core.tabular import read_table
from app.core.tabular.damage import Damage
from app.core.tabular.labels import damaged
from app.core.tenancy import Scope, bound_scope
from app.imports import mending, outcome, parts, queries, services
from app.imports.domain import LEASE, UNDECIDED_KEPT, FileState, PartKind
from app.imports.shown import cells_of, shown_value
from app.trainees.models import Enrolment, Registration
from app.trainees.services import life
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, make_enrolment, make_nir, make_registration
from tests.architecture.markup import problems
from tests.architecture.test_queries import counted
from tests.imports.enrolment_files import ago, counts, day, enrolments_on, limit, now, said, sent, who, world
from tests.imports.helpers import apply, csv_of, file_now, row_of, run, send, undo

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

    from app.actions.models import Action
    from app.imports.models import ImportFile

PLAN = {"planned_start": day(-4), "planned_end": day(100), "hours_centre": "70", "hours_company": "30,5"}
ABSENCE = {"nature": "Absence", "reason": "PERSONNEL"}
EXIT = {"nature": "Sortie", "exit_reason_id": "Accès à l’emploi"}


def page_of(browser: FlaskClient, file: ImportFile, more: str = "") -> str:
    answer = browser.get(f"/imports/fichier/{file.id}{more}")
    assert answer.status_code == 200
    assert list(problems(answer.text)) == []
    return answer.text


def sheets_on(action: Action) -> list[int]:
    return list(db.session.scalars(select(Registration.id).where(Registration.action_id == action.id).order_by(Registration.id)))


def without_tags(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


# ---- applied -------------------------------------------------------------------------------------------------------------


def test_sheets_that_were_made_and_changed_are_listed_with_their_pages(account: User, principal: FlaskClient) -> None:
    action, known, new, wrong = make_action(), make_nir(), make_nir(), make_nir()
    changed = make_registration(action, nir=known)
    rows = [row_of(action, new, birth_name="Nouveau"), changing(changed, email="neuf@exemple.fr"), row_of(action, wrong, town="PARIS")]
    file = send(account, csv_of(rows))
    assert counts(file) == {"create": 1, "change": 1, "wrong": 1}
    file = apply(file, partial=True)
    (made,) = [number for number in sheets_on(action) if number != changed]
    page = page_of(principal, file)
    assert f'href="/stagiaires/fiche/{made}"' in page and "NOUVEAU Paul" in page and "Nouvelle fiche" in page
    assert new.number not in page
    assert "1 ligne à corriger a été laissée de côté" in page and "Lignes à corriger seules (CSV)" in page
    page = page_of(principal, file, "?voir=change")
    assert f'href="/stagiaires/fiche/{changed}"' in page and "<ins>neuf@exemple.fr</ins>" in page


def changing(registration_id: int, **cells: str) -> dict[str, str]:
    """A line that says this of a sheet that is there."""
    sheet = db.session.get_one(Registration, registration_id)
    person = sheet.trainee
    nir = open_unjournaled(person)
    assert nir is not None
    who_it_is = {"nir": nir.number, "key": nir.key, "birth_name": person.birth_name, "first_name": person.first_name}
    return {"action_number": sheet.action.number, "birth_date": f"{person.birth_date:%d/%m/%Y}"} | who_it_is | cells


def test_enrolments_that_were_made_and_changed_are_listed_with_their_place_on_the_sheet(account: User, principal: FlaskClient) -> None:
    action, first, second = make_action(), make_nir(), make_nir()
    make_registration(action, nir=first)
    held = make_enrolment(action, nir=second, entered=20)
    file = apply(sent(account, "inscriptions", who(action, first, **PLAN), who(action, second, planned_end=day(50))))
    assert (file.state, counts(file)) == (FileState.APPLIED, {"create": 1, "change": 1})
    (made,) = [number for number in enrolments_on(action) if number != held]
    page = page_of(principal, file)
    assert f'href="/stagiaires/fiche/{now(made).registration_id}#gestion-{made}"' in page and "composante 01" in page and "Nouvelle inscription" in page
    page = page_of(principal, file, "?voir=change")
    assert f'href="/stagiaires/fiche/{now(held).registration_id}#gestion-{held}"' in page and f"<ins>{day(50)}</ins>" in page


def test_what_the_account_sees_no_more_has_neither_page_nor_values(account: User, as_user: Any) -> None:
    action, other, nir = make_action(), make_action(), make_nir()
    secondary = db.session.scalars(select(User).where(User.username == "secondaire")).one()
    held = make_enrolment(action, nir=nir, entered=20)
    file = apply(sent(secondary, "inscriptions", who(action, nir, planned_end=day(50))))
    browser = as_user("secondaire")
    assert f"#gestion-{held}" in page_of(browser, file)
    limit(secondary, other)
    page = page_of(browser, file)
    assert "#gestion-" not in page and day(50) not in page and "ESSAI" in page


def test_a_long_report_asks_the_database_no_more_often(account: User, principal: FlaskClient, app: Flask) -> None:
    found = []
    for size in (2, 60):
        action = make_action()
        file = apply(send(account, csv_of([row_of(action, make_nir()) for _number in range(size)])))
        with counted(app) as statements:
            page = page_of(principal, file)
        found.append(len(statements))
        assert len(re.findall(r'href="/stagiaires/fiche/', page)) == min(size, queries.PAGE)
        assert ("Lignes suivantes" in page) == (size > queries.PAGE)
    assert found[1] <= found[0]
    assert len(re.findall(r'href="/stagiaires/fiche/', page_of(principal, file, "?voir=create&apres=50"))) == 10


# ---- undone --------------------------------------------------------------------------------------------------------------


def test_what_will_be_kept_is_told_before_and_what_was_after(account: User, principal: FlaskClient) -> None:
    action = make_action()
    rows = [row_of(action, make_nir(), birth_name=name) for name in ("Alpha", "Bravo", "Charlie")]
    file = apply(send(account, csv_of(rows)))
    page = page_of(principal, file, "/annuler")
    assert "3 lignes seront annulées" in page and "Rien n’en a été modifié depuis" in page and "sont reprises" not in page
    edited = db.session.get_one(Registration, sheets_on(action)[1])
    edited.email = "change@exemple.fr"
    db.session.flush()
    before = world()
    page = page_of(principal, file, "/annuler")
    assert world() == before
    assert "2 lignes seront annulées" in page and "1 ligne reste" in page and f'href="/stagiaires/fiche/{edited.id}"' in page and "BRAVO Paul" in page
    file = undo(file)
    assert (file.state, file.kept, sheets_on(action)) == (FileState.UNDONE, 1, [edited.id])
    page = page_of(principal, file)
    assert "2 lignes ont été annulées" in page and "1 ligne a été conservée" in page
    assert f'href="/stagiaires/fiche/{edited.id}"' in page and "La fiche a été modifiée depuis" in page
    text = without_tags(page_of(principal, file, "?voir=create"))
    assert "Alpha Paul" in text and "Charlie Paul" in text and text.count("Annulée") == 2 and text.count("Conservée ") == 1
    assert list(parts.items_of(file.id, PartKind.ROWS)) == [] and list(parts.items_of(file.id, PartKind.DONE)) == []


@pytest.mark.parametrize("edit", ["identity", "enrolment", "field", "nothing"])
def test_what_is_foreseen_of_sheets_is_what_is_kept(account: User, edit: str) -> None:
    action = make_action()
    changed = make_registration(action, nir=make_nir())
    file = send(account, csv_of([row_of(action, make_nir()), changing(changed, email="neuf@exemple.fr")]))
    assert counts(file) == {"create": 1, "change": 1}, said(file)
    file = apply(file)
    (made,) = [number for number in sheets_on(action) if number != changed]
    if edit == "identity":
        person = db.session.get_one(Registration, made).trainee
        person.birth_name = "CORRIGÉ"
        person.rename()
    elif edit == "enrolment":
        who_it_is = {name: cell for name, cell in changing(made).items() if name != "birth_date"}
        assert apply(sent(account, "inscriptions", who_it_is | {"component_number": "01"} | PLAN)).state == FileState.APPLIED
    elif edit == "field":
        db.session.get_one(Registration, changed).email = "autre@exemple.fr"
    db.session.flush()
    with bound_scope(Scope.organisation(file.organisation_id), actor_id=account.id):
        foreseen = outcome.foresee(file_now(file.id))
    file = undo(file_now(file.id))
    assert [[one.line, one.subject, one.subject_id, one.why] for one in foreseen] == queries.kept_of(file.id)
    assert len(foreseen) == (0 if edit == "nothing" else 1)


def test_what_is_foreseen_of_enrolments_is_what_is_kept(account: User, principal: FlaskClient) -> None:
    action, first, second = make_action(), make_nir(), make_nir()
    held, other = make_enrolment(action, nir=first, entered=20), make_enrolment(action, nir=second, entered=20)
    file = apply(sent(account, "sorties", who(action, first, **ABSENCE, interrupted_on=day(-5)), who(action, second, **EXIT, actual_end=day(-1))))
    page = page_of(principal, file, "/annuler")
    assert f"/stagiaires/fiche/{now(held).registration_id}" in page and "1 ligne sera annulée" in page
    life.undo_exit(other, reason="Erreur de saisie", version=now(other).version)
    page = page_of(principal, file, "/annuler")
    assert "Rien de cet import ne peut être annulé" in page and "2 lignes restent" in page
    assert "Annuler tout l’import" not in page, "nothing is offered that does nothing"
    file = undo(file)
    assert file.kept == 2
    assert "Annulé en partie" in page_of(principal, file)
    assert [line for line, *_more in queries.kept_of(file.id)] == [2, 3]


def test_what_is_kept_in_part_only_can_still_be_undone(account: User, principal: FlaskClient) -> None:
    """Of two fields that the file changed, one was changed again since."""
    changed = make_registration(make_action(), nir=make_nir())
    before = db.session.get_one(Registration, changed).mobile
    file = apply(send(account, csv_of([changing(changed, email="neuf@exemple.fr", mobile="0611223344")])))
    db.session.get_one(Registration, changed).email = "autre@exemple.fr"
    db.session.flush()
    page = page_of(principal, file, "/annuler")
    assert "Rien de cet import ne peut être annulé" not in page and "Annuler tout l’import" in page
    undo(file_now(file.id))
    sheet = db.session.get_one(Registration, changed, populate_existing=True)
    assert (sheet.email, sheet.mobile) == ("autre@exemple.fr", before)


def test_a_file_applied_in_part_is_called_so(account: User, principal: FlaskClient) -> None:
    action = make_action()
    file = apply(send(account, csv_of([row_of(action, make_nir()), row_of(action, make_nir(), birth_date="31/02/1990")])), partial=True)
    assert file.state == FileState.APPLIED
    assert "Appliqué en partie" in page_of(principal, file)
    assert "Aucune ligne ici." in page_of(principal, file, "?voir=same")


def test_what_cannot_be_undone_is_said_before_a_file_is_applied(account: User, principal: FlaskClient) -> None:
    action, nir = make_action(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    file = sent(account, "sorties", who(action, nir, **ABSENCE, interrupted_on=day(-5)))
    assert "Une absence ou un retour est conservé" in page_of(principal, file)


@pytest.mark.parametrize(("cell", "seen"), [("2,94E+14", True), ("1.62071E+14", True), ("1.62071315508982E+14", False), ("162071315508982", False)])
def test_what_a_spreadsheet_left_of_a_number_is_shown(cell: str, seen: bool) -> None:
    assert (shown_value(cell, secret=True) == cell) is seen


def test_a_long_import_is_foreseen_by_as_few_statements(account: User, principal: FlaskClient, app: Flask) -> None:
    found = []
    for size in (2, 60):
        file = apply(send(account, csv_of([row_of(make_action(), make_nir()) for _number in range(size)])))
        for number in db.session.scalars(select(Registration.id)):
            db.session.get_one(Registration, number).email = "change@exemple.fr"
        db.session.flush()
        with counted(app) as statements:
            page = page_of(principal, file, "/annuler")
        found.append(len(statements))
        assert page.count('<tr role="row"') == min(size, queries.PAGE) + 1
    assert found[1] <= found[0]


def test_a_report_whose_lines_are_forgotten_says_no_reason(account: User, principal: FlaskClient) -> None:
    action = make_action()
    file = apply(send(account, csv_of([row_of(action, make_nir())])))
    db.session.get_one(Registration, sheets_on(action)[0]).email = "change@exemple.fr"
    db.session.flush()
    file = undo(file)
    file.undone_at = clock.now() - UNDECIDED_KEPT - timedelta(days=1)
    db.session.flush()
    services.purge()
    page = page_of(principal, file_now(file.id))
    assert "1 ligne a été conservée, en tout ou en partie ; les raisons ne sont plus gardées" in page and "Conservées" not in page


# ---- lines left out ------------------------------------------------------------------------------------------------------


def test_a_line_is_left_out_counted_never_applied_and_put_back(account: User, principal: FlaskClient) -> None:
    action = make_action()
    rows = [row_of(action, make_nir(), birth_name="Alpha"), row_of(action, make_nir(), birth_name="Bravo", town="PARIS")]
    file = send(account, csv_of(rows))
    number, address = file.id, f"/imports/fichier/{file.id}"
    assert "Retirer cette ligne" in page_of(principal, file, "/ligne/3")
    assert post(principal, f"{address}/ligne/3/retirer", {"revision": "0"}).headers["Location"].endswith("/ligne/3")
    assert file_now(number).left_out == []
    assert post(principal, f"{address}/ligne/3/retirer", {"revision": "1"}).status_code == 303
    file = file_now(number)
    assert (file.state, file.left_out, counts(file), said(file)) == (FileState.READY, [3], {"create": 1}, [])
    page = page_of(principal, file)
    assert "dont 1 retirée ici" in page and "Retirées" in page
    page = page_of(principal, file, "?voir=out")
    assert "Bravo Paul" in page and "Remettre" in page
    page = page_of(principal, file, "/ligne/3")
    assert "Cette ligne est retirée du fichier" in page and "Retirer cette ligne" not in page
    for kind in ("xlsx", "ods", "csv"):  # sent back, it does not bring the line again
        assert len(read_table(post(principal, f"{address}/annote", {"format": kind}).data).rows) == 1
    assert post(principal, f"{address}/ligne/3/remettre").status_code == 303
    assert post(principal, f"{address}/ligne/3/remettre", follow_redirects=True).status_code == 200
    file = run(number)
    assert (file.left_out, counts(file)) == ([], {"create": 1, "wrong": 1})
    with bound_scope(Scope.organisation(file.organisation_id), actor_id=account.id):
        mending.leave_out(number, 3, revision=file.revision)
    file = apply(file_now(number))
    assert (file.state, len(sheets_on(action))) == (FileState.APPLIED, 1)
    page = page_of(principal, file, "?voir=out")
    assert "Bravo Paul" in page and "Remettre" not in page
    file = undo(file)
    assert sheets_on(action) == [] and "dont 1 retirée ici" in page_of(principal, file)


def test_a_right_line_that_is_left_out_has_the_whole_checked_again(account: User) -> None:
    action = make_action()
    file = send(account, csv_of([row_of(action, make_nir()), row_of(action, make_nir())]))
    file = leave_out(file, 2)
    assert file.state == FileState.CHECKING
    file = run(file.id)
    assert (file.state, counts(file)) == (FileState.READY, {"create": 1})
    file = run(leave_out(file, 3).id)
    assert (file.state, counts(file)) == (FileState.READY, {})


def leave_out(file: ImportFile, line: int) -> ImportFile:
    with bound_scope(Scope.organisation(file.organisation_id), actor_id=file.account_id):
        mending.leave_out(file.id, line, revision=file.revision)
    return file_now(file.id)


def test_the_lines_that_waited_for_a_line_left_out_are_judged_without_it(account: User) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    file = sent(account, "sorties", who(action, nir, **ABSENCE, interrupted_on="x"), who(action, nir, **EXIT, actual_end=day(-1)))
    assert counts(file) == {"wrong": 2}
    file = leave_out(file, 2)
    if file.state == FileState.CHECKING:
        file = run(file.id)
    assert (counts(file), said(file)) == ({"change": 1}, [])
    assert apply(file).state == FileState.APPLIED
    assert (now(enrolment_id).actual_end, db.session.get_one(Enrolment, enrolment_id).interruptions) == (ago(1), [])


def test_the_other_of_two_lines_is_right_when_the_first_is_left_out(account: User) -> None:
    action, nir = make_action(), make_nir()
    file = send(account, csv_of([row_of(action, nir, town="PARIS"), row_of(action, nir)]))
    assert counts(file) == {"wrong": 2}
    file = leave_out(file, 2)
    assert file.state == FileState.CHECKING  # line 3 names it
    assert counts(run(file.id)) == {"create": 1}


def test_a_line_left_out_meanwhile_keeps_what_was_typed_and_comes_back_when_saved(account: User, principal: FlaskClient) -> None:
    file = send(account, csv_of([row_of(make_action(), make_nir(), town="PARIS")]))
    shown = file.revision
    file = leave_out(file, 2)
    line = f"/imports/fichier/{file.id}/ligne/2"
    stale = post(principal, line, {"cellule-town": "toulouse", "revision": str(shown)})
    assert stale.status_code == 422 and 'value="toulouse"' in stale.text and "Cette ligne est retirée du fichier" in stale.text
    assert post(principal, line, {"cellule-town": "toulouse", "revision": str(file.revision)}).status_code == 303
    file = run(file.id)
    assert (file.left_out, counts(file)) == ([], {"create": 1})


# ---- the annotated file --------------------------------------------------------------------------------------------------


def test_wrong_cells_are_coloured_and_the_two_files_are_told_apart(account: User, principal: FlaskClient) -> None:
    action = make_action()
    file = send(account, csv_of([row_of(action, make_nir()), row_of(action, make_nir(), town="PARIS", mobile="12")]))
    address = f"/imports/fichier/{file.id}/annote"
    for kind, entry, style in (("xlsx", "xl/worksheets/sheet1.xml", 's="4"'), ("ods", "content.xml", 'table:style-name="look"'), ("csv", "", "")):
        answer = post(principal, address, {"format": kind})
        whole, name = answer.data, answer.headers["Content-Disposition"]
        answer = post(principal, address, {"format": kind, "lines": "wrong"})
        wrong, other = answer.data, answer.headers["Content-Disposition"]
        assert "-annote-" in name and "-lignes-a-corriger-" in other
        assert [len(read_table(content).rows) for content in (whole, wrong)] == [2, 1]
        assert "\x01" not in " ".join(cell.text for row in read_table(whole).rows for cell in row.cells)
        if entry:
            for content in (whole, wrong):
                text = zipfile.ZipFile(io.BytesIO(content)).read(entry).decode()
                assert sorted(re.findall(rf"<[^<>]*{re.escape(style)}[^<>]*>(?:<[^<>]*>)*([^<]*)", text)) == ["12", "PARIS"]
        again = send(account, wrong, name=f"retour.{kind}")
        assert (again.state, again.counts) == (FileState.READY, {"create": 0, "change": 0, "same": 0, "wrong": 1})


def test_numbers_go_back_to_whoever_sent_them_and_to_nobody_else(account: User, principal: FlaskClient, as_user: Any) -> None:
    """A secondary account may take out no number: the file of another one is no way round."""
    action, nir = make_action(), make_nir()
    row = row_of(action, nir, town="PARIS", street_name=f"chez {nir.number}{nir.key}")
    file, secondary = send(account, csv_of([row])), as_user("secondaire")
    address = f"/imports/fichier/{file.id}"
    assert "NIR y sont masqués" in page_of(secondary, file) and "NIR y sont masqués" not in page_of(principal, file)
    for kind in ("xlsx", "ods", "csv"):
        own = " ".join(cell.text for cell in read_table(post(principal, f"{address}/annote", {"format": kind}).data).rows[0].cells)
        other = " ".join(cell.text for cell in read_table(post(secondary, f"{address}/annote", {"format": kind}).data).rows[0].cells)
        assert nir.number in own and nir.number not in other.replace(" ", "") and other.count(nir.masked[:9]) == 2 and "PARIS" in other
    journal = db.session.scalars(select(ListExport).order_by(ListExport.id)).all()[-6:]
    assert [one.numbers for one in journal] == [True, False] * 3


def test_a_number_in_another_column_is_masked_in_the_grid_and_kept_as_it_is(account: User, principal: FlaskClient) -> None:
    nir = make_nir()
    written = f"chez {nir.number}{nir.key}"
    file = send(account, csv_of([row_of(make_action(), make_nir(), town="PARIS", street_name=written)]))
    page = page_of(principal, file, "/ligne/2")
    assert nir.number not in page and nir.masked[:9] in page
    cells = {name: html.unescape(value) for name, value in re.findall(r'name="(cellule-[a-z_]+)"[^>]* value="([^"]*)"', page)}
    assert nir.masked[:9] in cells["cellule-street_name"]
    assert post(principal, f"/imports/fichier/{file.id}/ligne/2", cells | {"cellule-mobile": "0611121314", "revision": "1"}).status_code in (303, 422)
    held = cells_of(file_now(file.id), queries.rows_of(file.id, [2])[2])
    assert (held["street_name"].text, held["mobile"].text) == (written, "0611121314")


@pytest.mark.parametrize("asked", ["9" * 5_000, "-1", "x", "99"])
def test_an_address_with_no_such_kind_of_error_shows_them_all(account: User, principal: FlaskClient, asked: str) -> None:
    file = send(account, csv_of([row_of(make_action(), make_nir(), town="PARIS")]))
    assert principal.get(f"/imports/fichier/{file.id}?voir=wrong&erreur={asked}").status_code == 200


def test_a_file_that_says_what_is_there_waits_for_nobody(account: User, principal: FlaskClient) -> None:
    action, nir = make_action(), make_nir()
    row = row_of(action, nir)
    apply(send(account, csv_of([row])))
    file = send(account, csv_of([row], columns=list(reversed(row))))
    assert counts(file) == {"same": 1}
    page = without_tags(page_of(principal, file))
    assert "Contrôlé : rien à faire" in page and "à décider" not in page


def test_what_is_said_of_a_cell_names_the_rule_once(account: User, principal: FlaskClient) -> None:
    """Beside its cell: no « Cette valeur : », no list that a file does not show, no second colon."""
    row = row_of(make_action(), make_nir(), town="PARIS", gender="neutre", nationality_id="Martienne") | {"nir": "1,84073E+14", "key": ""}
    file = send(account, csv_of([row, row | {"postal_code": "1000", "town": "", "nir": make_nir().number}]))
    page = html.unescape(page_of(principal, file, "?voir=wrong"))
    for words in (
        "Cette ville n’a pas ce code postal, qui est celui de Toulouse : corrigez l’un ou l’autre.", "Valeur inconnue. Valeurs admises : Féminin, Masculin.",
        "Le tableur a remplacé le code par une puissance de dix", "Le tableur a sans doute supprimé des zéros au début du code : 5 caractères sont attendus.",
        "aucun (envoyé depuis le portail)", "Spécifications de cette matrice",
    ):  # fmt: skip
        assert words in page, words
    assert "Cette valeur" not in page and "de la liste" not in page and "/imports/stagiaires/specifications" in page
    assert "Date d’envoi" in principal.get("/imports/").text
    assert impersonal("« x » : écrivez oui.", "x") == "Écrivez oui."
    assert damaged(Damage.DATE, "3-4", 5).startswith("« 3-4 » : le tableur a fait du code une date.")


def test_a_component_that_is_unknown_names_those_of_the_action(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_registration(action, nir=nir)
    file = sent(account, "inscriptions", who(action, nir, **PLAN) | {"component_number": "07"})
    assert [one.message for one in queries.findings_of(file.id, [2])[2]] == ["Composante inconnue : cette action n’en a qu’une, 01."]


@pytest.mark.parametrize(
    ("phase", "words"),
    [("reading", "Lignes lues : 27 000"), ("checking", "2 000 colonnes sur 27 000"), ("comparing", "2 000 lignes sur 27 000"), ("writing", "2 000 étapes sur 27 000")],
)
def test_how_far_the_work_is_says_what_is_counted(principal: FlaskClient, account: User, phase: str, words: str) -> None:
    file = send(account, csv_of([row_of(make_action(), make_nir())]))
    file.state, file.phase, file.done, file.total = FileState.APPLYING, phase, 2_000, 27_000
    db.session.flush()
    page = re.sub(r"[\u202f\u00a0]", " ", principal.get(f"/imports/fichier/{file.id}/avancement").text)
    assert words in page and "2000" not in re.sub(r'value="2000"', "", page)


def test_after_a_silence_it_is_said_how_the_work_goes_on(principal: FlaskClient, account: User) -> None:
    file = send(account, csv_of([row_of(make_action(), make_nir())]))
    file.state, file.phase, file.done, file.total = FileState.APPLYING, "writing", 1, 3
    for silent, words in ((5, "le travail continue"), (40, "il reprend de lui-même")):
        file.leased_until = clock.now() + LEASE - timedelta(seconds=silent)
        db.session.flush()
        assert words in html.unescape(principal.get(f"/imports/fichier/{file.id}/avancement").text)
