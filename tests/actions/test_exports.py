"""Exports: what the reader sees on the list, no line more, typed, safe, streamed, and written in the journal."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select, text

from app.accounts.models import User
from app.accounts.seeds import ORGANISATION_A, ORGANISATION_B
from app.actions import access, exports, queries
from app.actions.access import Rights
from app.actions.domain import ExportKind
from app.actions.listing import ActionFilter, ActionOrder
from app.actions.models import Action, Component, ComponentSite
from app.actions.session_models import InformationMeeting, TrainingSession
from app.core import clock, tenancy
from app.core.copying import CopiedRows
from app.core.exports.models import ListExport
from app.core.extensions import db
from app.core.tabular.writing import FileFormat
from app.core.tenancy import Scope, bound_scope
from app.reference.models import Site
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, organisation, statements

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session
    from werkzeug.test import TestResponse

    AsUser = Callable[[str], FlaskClient]

PLACE = "/actions-de-formation/export/"


def export(browser: FlaskClient, kind: str = "actions", file_format: str = "csv", columns: list[str] | None = None, **query: str) -> TestResponse:
    chosen = columns if columns is not None else [column.key for column in exports.COLUMNS[ExportKind(kind)]]
    return post(browser, f"{PLACE}{kind}", {"format": file_format, "colonnes": chosen}, query_string=query, buffered=True)


def lines(answer: TestResponse) -> list[dict[str, Any]]:
    """The file, by its own heading."""
    assert answer.status_code == 200, answer.get_data(as_text=True)[:3000]
    content = answer.get_data()
    if answer.mimetype == "text/csv":
        rows: list[list[Any]] = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))
    else:
        rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python(skip_empty_area=False)
    return [dict(zip([cell.replace("\u00a0", " ") for cell in rows[0]], row, strict=True)) for row in rows[1:]]


def numbers(answer: TestResponse) -> list[str]:
    return [line["N° Action"] for line in lines(answer)]


@pytest.fixture
def rich(db_session: Session) -> Action:
    """An action with two components, one on two sites, the other on none."""
    action = make_action(title="=1+1 ; \"Œnologie\"\t<b>&")
    action.status, action.actual_start, action.declaration_frequency, action.billing_period = "EC", clock.today() - timedelta(days=3), "monthly", "end"
    first = db_session.scalars(select(Component).where(Component.action_id == action.id)).one()
    first.certif_info, first.formacode = "012345", "00128"
    site = Site(name="@Chais", postal_code="01000", insee_code="2A004", town="Ajaccio")
    db_session.add(site)
    db_session.add(Component(action=action, number="02", title="+33", planned_start=action.planned_start, planned_end=action.planned_end, hours_centre=7, hours_company=0, places=0))
    db_session.flush()
    db_session.add(ComponentSite(component=first, site=site))
    db_session.flush()
    return action


@pytest.mark.parametrize("file_format", ["xlsx", "ods", "csv"])
def test_actions_as_what_they_are(as_user: AsUser, rich: Action, file_format: str) -> None:
    answer = export(as_user("principal"), file_format=file_format, numero=rich.number)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="actions-{clock.today():%Y-%m-%d}.{file_format}"'
    (line,) = lines(answer)
    typed = file_format != "csv"
    assert line["N° Action"] == rich.number and line["SIRET"] == ORGANISATION_A
    assert line["Intitulé de l’action"] == ("" if typed else "'") + '=1+1 ; "Œnologie" <b>&'
    assert (line["Statut (code)"], line["Statut"]) == ("EC", "En cours")
    assert line["Année"] == (rich.year if typed else str(rich.year))
    day = clock.today() - timedelta(days=3)
    assert line["Date de début réelle"] == (day if typed else f"{day:%d/%m/%Y}")
    if typed:
        assert type(line["Date de fin prévue"]) is date


@pytest.mark.parametrize("file_format", ["xlsx", "ods", "csv"])
def test_components_without_session_one_line_a_site(as_user: AsUser, rich: Action, file_format: str) -> None:
    found = lines(export(as_user("principal"), "composantes", file_format, numero=rich.number))
    assert [(line["N° Composante"], line["Commune session"]) for line in found if line["N° Composante"] == "02"] == [("02", "")]
    mine = next(line for line in found if line["Commune session"] == "Ajaccio")
    assert len(found) == 3 and mine["N° Composante"] == "01"
    assert (mine["Code postal session"], mine["Code Insee session"], mine["Certif Info"], mine["Formacode"]) == ("01000", "2A004", "012345", "00128")
    typed = file_format != "csv"
    assert mine["Nom site session"] == ("@Chais" if typed else "'@Chais")
    assert mine["Heures en centre"] == (100 if typed else "100,00") and mine["Places"] == (12 if typed else "12")


@pytest.mark.parametrize("file_format", ["xlsx", "ods", "csv"])
def test_components_one_line_a_session(as_user: AsUser, rich: Action, db_session: Session, file_format: str) -> None:
    """Columns of guide 001; a component with sessions gives no line of its own, whatever its sites."""
    first = db_session.scalars(select(Component).where(Component.action_id == rich.id, Component.number == "01")).one()
    sites = db_session.scalars(select(Site).join(ComponentSite).where(ComponentSite.component_id == first.id).order_by(Site.town)).all()
    day = first.planned_start
    one = TrainingSession(component=first, organisation_id=rich.organisation_id, number=1, site=sites[0], starts_on=day, ends_on=day + timedelta(days=2), places=10)
    two = TrainingSession(
        component=first, organisation_id=rich.organisation_id, number=2, site=sites[0], starts_on=day, ends_on=day, places=0,
        cancelled_at=clock.now(), cancel_reason="Saisie deux fois",
    )  # fmt: skip
    db_session.add_all([one, two])
    db_session.flush()
    for held in (day - timedelta(days=1), day - timedelta(days=9)):
        db_session.add(InformationMeeting(session=one, organisation_id=rich.organisation_id, held_on=held, starts_at=time(9), place="Chais"))
    db_session.flush()
    found = [line for line in lines(export(as_user("principal"), "composantes", file_format, numero=rich.number)) if line["N° Composante"] == "01"]
    assert [(line["Numéro session"], line["État session"]) for line in found] == [("01", "Active"), ("02", "Créée par erreur")]
    typed = file_format != "csv"
    assert found[0]["Date début session"] == (day if typed else f"{day:%d/%m/%Y}")
    assert found[0]["Date fin session"] == (day + timedelta(days=2) if typed else f"{day + timedelta(days=2):%d/%m/%Y}")
    assert [line["Nombre de places session"] for line in found] == ([10, 0] if typed else ["10", "0"])
    assert {line["Commune session"] for line in found} == {sites[0].town}
    dates = [line["Dates d’informations collectives"] for line in found]
    assert dates == [f"{day - timedelta(days=9):%d/%m/%Y} ; {day - timedelta(days=1):%d/%m/%Y}", ""]


def test_under_the_filters_and_in_the_order_of_the_list(as_user: AsUser, db_session: Session) -> None:
    made = [make_action(title=title) for title in ("Zythologie b", "Zythologie c", "Zythologie a", "Autre")]
    browser = as_user("principal")
    assert numbers(export(browser, intitule="zythologie")) == [action.number for action in made[:3]]
    assert numbers(export(browser, intitule="zythologie", sort="intitule", order="desc")) == [made[1].number, made[0].number, made[2].number]


@pytest.mark.parametrize("few", [0, 1, 500])
@pytest.mark.parametrize("words", [{"texte": "verrerie"}, {"intitule": "verrerie"}, {"composante": "soufflage"}, {"texte": "verrerie", "composante": "soufflage"}])
def test_what_words_find_is_what_is_exported(
    as_user: AsUser, db_session: Session, monkeypatch: pytest.MonkeyPatch, few: int, words: dict[str, str]
) -> None:
    """Whether it is found first and named, or there is too much of it for that."""
    monkeypatch.setattr(queries, "_FEW", few)
    found, other = [make_action() for _ in range(2)], make_action()
    for action in found:
        action.title = "Art de la verrerie"
        for component in db_session.scalars(select(Component).where(Component.action_id == action.id)):
            component.title = "Soufflage du verre"
    db_session.commit()
    assert sorted(numbers(export(as_user("principal"), **words))) == sorted(action.number for action in found)
    listed = as_user("region").get("/actions-de-formation/", query_string=words).text
    assert all(action.number in listed for action in found) and other.number not in listed


def test_chosen_columns_only(as_user: AsUser, rich: Action) -> None:
    (line,) = lines(export(as_user("principal"), columns=["annee", "action"], numero=rich.number))
    assert list(line) == ["N° Action", "Année"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"format": "csv"}, "Choisissez au moins une colonne."),
        ({"format": "csv", "colonnes": ["action", "nir"]}, "L’une de ces colonnes n’existe pas"),
        ({"format": "exe", "colonnes": ["action"]}, "Choisissez l’un de ces formats."),
    ],
)
def test_what_cannot_be_made_is_said(as_user: AsUser, data: dict[str, Any], said: str) -> None:
    answer = post(as_user("principal"), f"{PLACE}actions", data)
    assert answer.status_code == 422 and said in answer.get_data(as_text=True).replace("\u00a0", " ")
    assert db.session.scalars(select(ListExport)).all() == []


def test_a_search_that_is_not_understood_exports_nothing(as_user: AsUser) -> None:
    """The file would hold more than was meant."""
    answer = export(as_user("principal"), statut="ZZ")
    assert answer.status_code == 303 and answer.headers["Location"].endswith("?statut=ZZ")
    assert as_user("principal").get(f"{PLACE}stagiaires").status_code == 404


# ---- whose ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["actions", "composantes"])
def test_each_organisation_exports_its_own(as_user: AsUser, db_session: Session, kind: str) -> None:
    other = make_action(siret=ORGANISATION_B)
    mine = make_action()
    own = set(numbers(export(as_user("principal"), kind)))
    assert mine.number in own and other.number not in own
    assert {other.number, mine.number} <= set(numbers(export(as_user("region"), kind)))
    theirs = set(numbers(export(as_user("autre-of"), kind)))
    assert other.number in theirs and not theirs & own


@pytest.fixture
def first_wall_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenancy, "criteria", list)


def _limit(session: Session, given: Action) -> None:
    with bound_scope(Scope.system()):
        accounts = {row.username: row.id for row in session.execute(select(User.username, User.id))}
        user = session.get_one(User, accounts["secondaire"])
        access.save_rights(user.id, Rights.of(None, [given.id]), seen=access.rights_of(user).fingerprint, actor_id=accounts["principal"])


@pytest.mark.parametrize("kind", ["actions", "composantes"])
def test_a_limited_account_exports_its_actions(as_user: AsUser, db_session: Session, rich: Action, kind: str) -> None:
    _limit(db_session, rich)
    assert set(numbers(export(as_user("secondaire"), kind))) == {rich.number}


@pytest.mark.parametrize("kind", ["actions", "composantes"])
def test_the_database_limits_it_too(as_user: AsUser, db_session: Session, rich: Action, kind: str, first_wall_down: None) -> None:
    other = make_action(siret=ORGANISATION_B)
    _limit(db_session, rich)
    assert set(numbers(export(as_user("secondaire"), kind))) == {rich.number}
    assert other.number not in numbers(export(as_user("principal"), kind))


def test_the_first_wall_stands_in_the_statement_itself(db_session: Session, rich: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system's role, whom no policy narrows, an organisation's scope still reads its own only."""
    make_action(siret=ORGANISATION_B)
    statement = exports.statement_of(ExportKind.ACTIONS, exports.COLUMNS[ExportKind.ACTIONS], ActionFilter(), ActionOrder(), clock.today())
    with bound_scope(Scope.organisation(organisation().id)):
        db_session.execute(text("SELECT set_config('role', 'portal_system', true)"))
        monkeypatch.setattr(tenancy, "apply_to", lambda _connection: None)
        rows = CopiedRows(statement)
        content = b"".join(rows).decode()
        rows.close()
    assert rich.number in content and ORGANISATION_B not in content


@pytest.mark.parametrize(("account", "status"), [("lecture", 200), ("support", 403)])
def test_who_sees_the_list_may_export_it(as_user: AsUser, db_session: Session, account: str, status: int) -> None:
    if account == "lecture":
        account = "secondaire"
    assert as_user(account).get(f"{PLACE}actions").status_code == status


# ---- how --------------------------------------------------------------------------------------------------------------


def test_the_journal_says_who_took_what(as_user: AsUser, db_session: Session, rich: Action) -> None:
    export(as_user("principal"), "composantes", "ods", ["action", "commune"], numero=rich.number)
    entry = db_session.scalars(select(ListExport)).one()
    assert entry.actor_id == db_session.scalar(select(User.id).where(User.username == "principal"))
    assert (entry.list_name, entry.file_format, entry.columns, entry.query, entry.lines) == ("composantes", "ods", ["action", "commune"], f"numero={rich.number}", 3)
    assert entry.finished_at is not None and entry.organisation_id == organisation().id and entry.request_id
    changes = db_session.execute(text("SELECT operation FROM audit_entry WHERE table_name = 'list_export' ORDER BY id")).scalars().all()
    assert changes == ["INSERT", "UPDATE"]


def test_an_export_that_is_cut_short_says_so(db_session: Session, rich: Action) -> None:
    for _ in range(300):
        db_session.execute(
            text(
                "INSERT INTO action (organisation_id, contract_id, number, title, status, year, planned_start, planned_end, created_at, updated_at) "
                "SELECT organisation_id, contract_id, '98X' || nextval('action_id_seq') || '_1', title, 'AO', year, planned_start, planned_end, now(), now() FROM action WHERE id = :id"
            ),
            {"id": rich.id},
        )
    with bound_scope(Scope.organisation(organisation().id)):
        made = exports.export(ExportKind.ACTIONS, FileFormat.CSV, exports.COLUMNS[ExportKind.ACTIONS], ActionFilter(number="98X"), ActionOrder(), query="numero=98X")
        pieces = iter(made)
        next(pieces)
        assert next(pieces).count(b"\r\n") == 200
        pieces.close()  # type: ignore[attr-defined]  # a generator: the browser went away
        assert db_session.scalar(text("SELECT 1")) == 1  # the connection is free again
    entry = db_session.scalars(select(ListExport)).one()
    assert entry.finished_at is None and entry.lines == 200


def test_what_is_not_understood_is_not_dropped_on_the_way(as_user: AsUser, rich: Action) -> None:
    """From the list, whose links carry what was typed, not the part of it that was understood."""
    browser = as_user("principal")
    page = browser.get("/actions-de-formation/?debut_du=32/01/2026").text
    address = re.search(r'href="(/actions-de-formation/export/actions[^"]*)"', page)
    assert address is not None and "debut_du=32" in address[1]
    assert browser.get(html.unescape(address[1])).status_code == 303
    assert "Enregistrer cette recherche" not in browser.get("/actions-de-formation/?statut=EC&debut_du=32/01/2026").text


def test_the_whole_search_is_written(as_user: AsUser, db_session: Session) -> None:
    """However long: six fields of accented letters."""
    words = dict.fromkeys(("texte", "contrat", "numero", "intitule", "composante", "lieu"), "é" * 100)
    export(as_user("principal"), **words)
    written = db_session.scalars(select(ListExport.query)).one()
    assert all(f"{name}={'%C3%A9' * 100}" in written for name in words)


def test_sessions_beyond_ninety_nine(as_user: AsUser, rich: Action, db_session: Session) -> None:
    first = db_session.scalars(select(Component).where(Component.action_id == rich.id, Component.number == "01")).one()
    site = db_session.scalars(select(Site)).first()
    for number in (7, 99, 100, 1234):
        db_session.add(TrainingSession(
            component=first, organisation_id=rich.organisation_id, number=number, site=site, starts_on=first.planned_start, ends_on=first.planned_start, places=1
        ))  # fmt: skip
    db_session.flush()
    found = lines(export(as_user("principal"), "composantes", numero=rich.number))
    assert [line["Numéro session"] for line in found if line["N° Composante"] == "01"] == ["07", "99", "100", "1234"]


def test_nobody_writes_the_journal_but_the_portal(as_user: AsUser, db_session: Session, rich: Action) -> None:
    from sqlalchemy.exc import DBAPIError

    export(as_user("principal"), numero=rich.number)
    for scope in (Scope.organisation(organisation().id), Scope.region()):
        with bound_scope(scope):
            assert db_session.scalar(text("SELECT count(*) FROM list_export")) == 1
            for statement in ("UPDATE list_export SET lines = 0", "DELETE FROM list_export"):
                nested = db_session.begin_nested()
                with pytest.raises(DBAPIError):
                    db_session.execute(text(statement))
                nested.rollback()
    with bound_scope(Scope.organisation(organisation(ORGANISATION_B).id)):
        assert db_session.scalar(text("SELECT count(*) FROM list_export")) == 0


def test_one_statement_reads_the_file_however_long(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("principal")
    export(browser, "composantes")
    costs, copies = [], []
    for count in (1, 30):
        for _ in range(count):
            make_action()
        with statements() as sent, _copies() as copied:
            export(browser, "composantes")
        costs.append(len(sent))
        copies.append(len(copied))
    assert costs[0] == costs[1] <= 14 and copies == [1, 1]


class _copies:
    """The COPY statements meanwhile, which go past SQLAlchemy's own events."""

    def __enter__(self) -> list[str]:
        self.seen: list[str] = []
        self.first = CopiedRows.__init__
        seen, first = self.seen, self.first

        def noted(rows: Any, statement: Any) -> None:
            seen.append(str(statement))
            first(rows, statement)

        CopiedRows.__init__ = noted  # type: ignore[method-assign]
        return self.seen

    def __exit__(self, *_error: object) -> None:
        CopiedRows.__init__ = self.first  # type: ignore[method-assign]


def test_a_query_that_fails_fails_before_the_file(as_user: AsUser, db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error page, never half a file."""

    def refused(_self: Any, _statement: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(CopiedRows, "__init__", refused)
    with pytest.raises(RuntimeError):
        export(as_user("principal"))
    with bound_scope(Scope.system()):
        entry = db_session.scalars(select(ListExport)).one()
        assert entry.finished_at is None and entry.lines == 0


@pytest.mark.parametrize("file_format", ["xlsx", "ods", "csv"])
def test_the_file_outlives_its_request(committed: Flask, file_format: str) -> None:
    """As in production: the request and its session have ended when the file is read; the next page is answered, the journal is right."""
    from app.accounts.testing import sign_in

    browser = committed.test_client()
    sign_in(committed, browser, "principal")
    for read_it in (True, False):
        answer = post(browser, f"{PLACE}actions", {"format": file_format, "colonnes": ["action"]})
        if read_it:
            assert lines(answer)
        answer.close()
        assert browser.get("/actions-de-formation/").status_code == 200
    with committed.app_context(), bound_scope(Scope.system()):
        entries = db.session.scalars(select(ListExport).order_by(ListExport.id)).all()
        assert [entry.finished_at is not None for entry in entries] == [True, False] and entries[0].lines > 0
        account = db.session.scalar(select(User.id).where(User.username == "principal"))
        actors = db.session.execute(text("SELECT DISTINCT actor_id FROM audit_entry WHERE table_name = 'list_export'")).scalars().all()
        assert actors == [account]
