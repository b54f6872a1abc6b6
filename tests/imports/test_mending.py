"""Lines of one enrolment mended in the grid: those that depend on a line are judged with it."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from markupsafe import escape

from app.accounts.models import User
from app.core.tenancy import Scope, bound_scope
from app.imports import mending, queries
from app.imports.domain import FileState
from app.imports.matrices import IMPORTERS
from app.imports.models import ImportFile
from tests.accounts.helpers import post, token
from tests.actions.helpers import leave, make_action, make_enrolment, make_nir, make_registration
from tests.architecture.markup import problems
from tests.imports.enrolment_files import ago, apply, content_of, counts, day, kept, messages, now, said, sent, who, world
from tests.imports.helpers import file_now, run, shown

if TYPE_CHECKING:
    from flask.testing import FlaskClient

EXIT = {"nature": "Sortie", "exit_reason_id": "Accès à l’emploi"}
ABSENCE = {"nature": "Absence", "reason": "PERSONNEL"}
RETURN = {"nature": "Retour"}
PLAN = {"planned_start": day(-4), "planned_end": day(100), "hours_centre": "70", "hours_company": "30,5"}


def mend(file: ImportFile, line: int, **cells: str) -> tuple[int, ImportFile]:
    """What is still wrong with the line, and the file."""
    with bound_scope(Scope.organisation(file.organisation_id), actor_id=file.account_id):
        left = mending.mend(file.id, line, cells, revision=file.revision)
    return left, file_now(file.id)


# ---- acts that follow one another ----------------------------------------------------------------------------------------


def test_the_lines_that_wait_for_a_mended_one_are_judged_with_it(account: User) -> None:
    action, nir, other = make_action(), make_nir(), make_nir()
    enrolment_id = make_enrolment(action, nir=nir, entered=20)
    make_enrolment(action, nir=other, entered=20)
    file = sent(
        account, "sorties", {**who(action, nir, **ABSENCE), "interrupted_on": "31/02/2026"}, who(action, nir, **RETURN, resumed_on=day(-8)),
        who(action, other, **ABSENCE, interrupted_on="32/01/2026"), who(action, nir, **EXIT, actual_end=day(-1)),
    )  # fmt: skip
    assert (said(file), counts(file)) == ([(2, "interrupted_on"), (3, ""), (4, "interrupted_on"), (5, "")], {"wrong": 4})
    before = world()
    left, file = mend(file, 2, interrupted_on=day(-10))
    assert (left, said(file), counts(file)) == (0, [(4, "interrupted_on")], {"change": 3, "wrong": 1})
    assert world() == before
    file = apply(file, partial=True)
    assert file.state == FileState.APPLIED
    held = now(enrolment_id)
    assert ([(one.interrupted_on, one.resumed_on) for one in held.interruptions], held.actual_end) == ([(ago(10), ago(8))], ago(1))


def test_a_line_mended_the_wrong_way_says_what_the_lines_before_it_allow(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    file = sent(account, "sorties", who(action, nir, **ABSENCE, interrupted_on=day(-10)), who(action, nir, **RETURN, resumed_on="x"))
    assert (said(file), counts(file)) == ([(3, "resumed_on")], {"change": 1, "wrong": 1})
    left, file = mend(file, 3, resumed_on=day(-12))  # by itself it would be "not interrupted": the line before it counts
    assert (left, said(file), counts(file)) == (1, [(3, "resumed_on")], {"change": 1, "wrong": 1})
    left, file = mend(file, 3, resumed_on=day(-2))
    assert (left, said(file), counts(file)) == (0, [], {"change": 2})


def test_a_right_line_that_is_changed_has_the_whole_checked_again(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    file = sent(account, "sorties", who(action, nir, **ABSENCE, interrupted_on=day(-10)), who(action, nir, **RETURN, resumed_on=day(-8)))
    _left, file = mend(file, 2, interrupted_on=day(-5))
    assert file.state == FileState.CHECKING
    file = run(file.id)
    assert (said(file), counts(file)) == ([(3, "resumed_on")], {"change": 1, "wrong": 1})


def test_a_line_that_comes_to_another_enrolment_has_its_right_lines_checked_again(account: User) -> None:
    action, nir, other = make_action(), make_nir(), make_nir()
    make_enrolment(action, nir=nir, name="DUPUY", entered=20)
    make_enrolment(action, nir=other, name="DUBOIS", entered=20)
    file = sent(
        account, "sorties", who(action, other, "DUPUY", **ABSENCE, interrupted_on=day(-5)), who(action, nir, "DUPUY", **RETURN, resumed_on=day(-3)),
        who(action, other, "DUBOIS", **EXIT, actual_end=day(-8)),
    )  # fmt: skip
    assert said(file) == [(2, "birth_name"), (3, "")]
    _left, file = mend(file, 2, birth_name="Dubois")  # the exit of line 4 was right, and comes before this absence
    assert file.state == FileState.CHECKING
    file = run(file.id)
    assert (said(file), counts(file)) == ([(3, ""), (4, "actual_end")], {"change": 1, "wrong": 2})


# ---- a line that is there twice ------------------------------------------------------------------------------------------


def test_a_line_that_was_one_too_many_is_right_when_the_other_goes_elsewhere(account: User) -> None:
    action, first, second = make_action(), make_nir(), make_nir()
    make_registration(action, nir=first)
    make_registration(action, nir=second)
    file = sent(account, "inscriptions", who(action, first, **PLAN | {"planned_end": "x"}), who(action, first, **PLAN))
    assert (said(file), counts(file)) == ([(2, "planned_end"), (3, "")], {"wrong": 2})
    left, file = mend(file, 3, planned_end=day(90))
    assert (left, counts(file)) == (1, {"wrong": 2})
    left, file = mend(file, 2, nir=second.number, key=second.key, planned_end=day(100))
    assert (left, said(file), counts(file)) == (0, [], {"create": 2})
    assert apply(file).state == FileState.APPLIED


# ---- the four matrices in the pages --------------------------------------------------------------------------------------


@pytest.mark.parametrize("matrix", ["inscriptions", "realisations", "sorties"])
def test_a_file_is_sent_mended_applied_and_undone_through_the_pages(as_user: Any, account: User, matrix: str) -> None:
    action, nir = make_action(), make_nir()
    enrolment_id = None
    if matrix == "inscriptions":
        make_registration(action, nir=nir)
        row, column, right = who(action, nir, **PLAN | {"planned_end": "31/02/2026"}), "planned_end", day(100)
    elif matrix == "realisations":
        enrolment_id = make_enrolment(action, nir=nir, entered=20)
        leave(enrolment_id)
        row, column, right = who(action, nir, outcome="Réalisation totale", reason="court"), "reason", "Rattrapage assuré en soirée"
    else:
        enrolment_id = make_enrolment(action, nir=nir, entered=20)
        row, column, right = who(action, nir, **EXIT | {"actual_end": day(-500)}), "actual_end", day(-1)
    browser: FlaskClient = as_user("principal")
    data = {"csrf_token": token(browser), "file": (io.BytesIO(content_of(matrix, [row])), f"{matrix}.csv")}
    answer = browser.post(f"/imports/{matrix}", data=data, content_type="multipart/form-data", headers={"Referer": "https://localhost/"})
    assert answer.status_code == 303
    address = answer.headers["Location"]
    number = int(address.rsplit("/", 1)[1])
    run(number)
    page = browser.get(address).text
    assert list(problems(page)) == [] and nir.number not in page
    line = f"{address}/ligne/2"
    page = browser.get(line).text
    assert list(problems(page)) == [] and nir.masked in page and nir.number not in page
    cells = dict(re.findall(r'name="(cellule-[a-z_]+)" value="([^"]*)"', page)) | {f"cellule-{column}": right, "revision": "1"}
    assert post(browser, line, cells).status_code == 303
    act = "create" if matrix == "inscriptions" else "change"
    assert counts(file_now(number)) == {act: 1}
    assert post(browser, f"{address}/controler").status_code == 303
    run(number)
    page = browser.get(address).text
    assert list(problems(page)) == [] and ("Nouvelle inscription" if matrix == "inscriptions" else 'class="diff"') in page
    said = {"create": "0", "change": "0", "wrong": "0", "what": "all", "shown": shown(page), act: "1"}
    assert post(browser, f"{address}/appliquer", said).status_code == 303
    assert run(number).state == FileState.APPLIED
    page = browser.get(f"{address}/annuler").text
    assert list(problems(page)) == [] and f"<p>{escape(str(IMPORTERS[matrix].matrix.undoing))}</p>" in page
    assert post(browser, f"{address}/annuler").status_code == 303
    file = run(number)
    assert (file.state, kept(file)) == (FileState.UNDONE, [])
    if enrolment_id is not None:
        held = now(enrolment_id)
        assert (held.actual_end is None, held.outcome_corrected) == (matrix == "sorties", False)
    page = browser.get(address).text
    assert list(problems(page)) == [] and "Annulé" in page
    assert list(problems(browser.get("/imports/").text)) == []


def test_messages_of_the_waiting_lines_name_the_line_they_wait_for(account: User) -> None:
    action, nir = make_action(), make_nir()
    make_enrolment(action, nir=nir, entered=20)
    file = sent(account, "sorties", {**who(action, nir, **ABSENCE), "interrupted_on": "x"}, who(action, nir, **RETURN, resumed_on=day(-8)))
    assert "2" in messages(file)[1][2]


def test_lines_that_wait_are_one_kind_of_error_whatever_line_they_name(as_user: Any, account: User) -> None:
    action, first, second = make_action(), make_nir(), make_nir()
    rows = []
    for nir in (first, second):
        make_enrolment(action, nir=nir, entered=20)
        rows += [{**who(action, nir, **ABSENCE), "interrupted_on": "x"}, who(action, nir, **RETURN, resumed_on=day(-8))]
    file = sent(account, "sorties", *rows)
    assert len({message for _line, column, message in messages(file) if not column}) == 2
    kinds = queries.kinds_of(file.id)
    assert [(kind.column, kind.count) for kind in kinds] == [("interrupted_on", 2), ("", 2)]
    assert queries.wrong_lines(file.id, after=0, column="", message=kinds[1].message) == [3, 5]
    page = as_user("principal").get(f"/imports/fichier/{file.id}?voir=wrong&erreur=1").text
    assert list(problems(page)) == [] and page.count('<tr role="row"') == 3
