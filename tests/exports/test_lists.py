"""Every list that can be exported: rights, both walls, the same lines as the list, nothing a spreadsheet would run, a line in the journal."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from app.accounts.models import User
from app.accounts.seeds import ORGANISATION_A, ORGANISATION_B
from app.core import tenancy
from app.core.exports import registry
from app.core.exports.models import ExportChoice, ListExport
from app.core.exports.registry import ListColumn
from app.core.exports.rows import MadeRows, text_of
from app.core.extensions import db
from app.core.tabular.writing import ColumnKind, FileFormat, Heading, write
from app.core.tenancy import Scope, bound_scope
from app.exchanges.domain import Show
from app.trainees.models import Enrolment, Registration, Trainee
from tests.accounts.helpers import post
from tests.actions.helpers import leave, make_action, make_enrolment, organisation, statements
from tests.exports.helpers import LISTS, columns_of, lines_of, page_of, rows_of, take_out
from tests.requests.helpers import ask, open_action

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

#: Lists that an organisation alone has → the column that tells two lines apart.
OWN = {
    "comptes-secondaires": "Identifiant", "echanges-a-suivre": "Échange", "historique-organisme": "Ligne du journal", "jetons": "Commence par",
    "delegations": "Du", "imports": "N° d’envoi",
}  # fmt: skip
BOTH = [name for name, account in LISTS.items() if account == "principal" and name not in (*OWN, "suivi-des-demandes")]
#: What an organisation's account has beside: a token, a file sent, and a difference with AGORA.
_TOKEN = (
    "INSERT INTO api_token (user_id, organisation_id, name, prefix, token_hash, scopes, created_at, expires_at) "
    "SELECT id, organisation_id, 'Essai', 'pmf_' || username, repeat(md5(username), 2), '{compte:lecture}', now(), now() + interval '30 days' FROM ab_user "
    "WHERE organisation_id = :organisation AND username IN ('principal', 'autre-of')"
)
_FILE = (
    "INSERT INTO import_file (seal_uid, organisation_id, account_id, account_name, matrix, file_name, size, digest, state, lines, counts, applied_at, created_at) "
    "SELECT gen_random_uuid(), organisation_id, id, last_name, 'stagiaires', 'essai.csv', 1, '\\x00', 'applied', 3, "
    """'{"create": 1, "change": 0, "same": 0, "wrong": 2}', now(), now() FROM ab_user WHERE organisation_id = :organisation AND username IN ('principal', 'autre-of')"""
)
_RUN = (
    "INSERT INTO reconciliation_run (partner, trigger, state, phase, started_at, finished_at, counts) VALUES ('agora', 'night', 'done', 'over', now(), now(), '{}')"
)
_DIFFERENCE = (
    "INSERT INTO reconciliation_difference (run_id, last_run_id, partner, kind, organisation_id, enrolment_id, reference, ours, theirs, state, assignee, due_on, found_at) "
    "SELECT r.id, r.id, 'agora', 'status', e.organisation_id, e.id, 'essai-' || e.id, '{}', '{}', 'open', 'region', current_date - 1, now() "
    "FROM reconciliation_run r, enrolment e WHERE e.organisation_id = :organisation ORDER BY e.id LIMIT 1"
)
_DELEGATION = (
    "INSERT INTO delegation (organisation_id, delegator_id, delegate_id, starts_on, ends_on, created_at, ended_at) "
    "SELECT p.organisation_id, p.id, s.id, current_date + 50, current_date + 60, now(), now() FROM ab_user p JOIN ab_user s USING (organisation_id) "
    "WHERE p.username = 'principal' AND s.username = 'secondaire'"
)


@pytest.fixture
def two_organisations(db_session: Session) -> dict[str, int]:
    """Trainees, enrolments, requests and exchanges of A and of B; gives an action of each."""
    made = {}
    for siret in (ORGANISATION_A, ORGANISATION_B):
        with bound_scope(Scope.organisation(organisation(siret).id)):
            action = open_action(siret=siret)
            other = make_action(siret=siret)
            make_enrolment(other, name="NIA", kind="3")
            leave(make_enrolment(other, name="SORTI"))
            ask(action)
            made[siret] = action.id
        for statement in (_TOKEN, _FILE):
            db_session.execute(text(statement), {"organisation": organisation(siret).id})
        db_session.execute(
            text(
                "INSERT INTO identity_correction (seal_uid, organisation_id, trainee_id, state, reason, before, civility, birth_name, first_name, birth_date, gender, asked_at, version) "
                "SELECT gen_random_uuid(), t.organisation_id, t.id, 'pending', 'une erreur', '{}'::jsonb, t.civility, t.birth_name, t.first_name, t.birth_date, t.gender, now(), 1 "
                "FROM trainee t JOIN registration r ON r.trainee_id = t.id WHERE r.action_id = :action"
            ),
            {"action": made[siret]},
        )
    db_session.execute(text(_RUN))
    for siret in made:
        db_session.execute(text(_DIFFERENCE), {"organisation": organisation(siret).id})
    db_session.execute(text(_DELEGATION))
    db_session.commit()
    return made


def query_for(list_name: str, made: dict[str, int], siret: str = ORGANISATION_A) -> dict[str, Any]:
    return {"suivi-des-demandes": {"action": made[siret]}, "comptes": {"etat": "all"}, "echanges-a-suivre": {"etat": Show.WAITING.value}}.get(list_name, {})


def test_every_declared_list_is_tried_here(app: Flask) -> None:
    assert {one.key for one in registry.registered_lists()} == set(LISTS)


@pytest.mark.parametrize("list_name", LISTS)
@pytest.mark.parametrize("file_format", ["csv", "xlsx", "ods"])
def test_each_list_comes_out_whole_in_each_format(
    as_user: AsUser, db_session: Session, two_organisations: dict[str, int], list_name: str, file_format: str
) -> None:
    browser, query = as_user(LISTS[list_name]), query_for(list_name, two_organisations)
    page = browser.get(page_of(list_name), query_string=query).get_data(as_text=True)
    said = re.search(r"Le fichier aura ([0-9\s\u202f]+) ligne", page)
    answer = take_out(browser, list_name, file_format, **query)
    found = lines_of(answer)
    assert said is not None and len(found) == int(re.sub(r"\D", "", said[1])) > 0
    assert len(found[0]) == len(columns_of(page))
    entry = db_session.scalars(select(ListExport)).one()
    assert (entry.list_name, entry.way, entry.file_format, entry.lines) == (list_name, "direct", file_format, len(found))
    assert entry.finished_at is not None and entry.actor_id == db_session.scalar(select(User.id).where(User.username == LISTS[list_name]))


@pytest.mark.parametrize("wall", ["both", "database alone"])
@pytest.mark.parametrize("list_name", BOTH)
def test_nothing_of_another_organisation(
    as_user: AsUser, two_organisations: dict[str, int], list_name: str, wall: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Région's file is those of the organisations put together; each organisation's holds its own lines alone."""
    if wall != "both":
        monkeypatch.setattr(tenancy, "criteria", list)
    own, theirs = (len(lines_of(take_out(as_user(account), list_name))) for account in ("principal", "autre-of"))
    names = {siret: str(organisation(siret).legal_name) for siret in (ORGANISATION_A, ORGANISATION_B)}
    whole = lines_of(take_out(as_user("admin"), list_name))
    holders = [str(line["Organisme de formation"]) for line in whole]
    assert holders.count(names[ORGANISATION_A]) == own > 0
    assert holders.count(names[ORGANISATION_B]) == theirs > 0


@pytest.mark.parametrize("list_name", ["suivi-des-demandes", "stagiaires", "inscriptions"])
def test_another_organisations_action_does_not_exist(as_user: AsUser, two_organisations: dict[str, int], list_name: str) -> None:
    browser = as_user("principal")
    for action in (two_organisations[ORGANISATION_B], 2**31 - 1):
        assert browser.get(page_of(list_name), query_string={"action": action}).status_code == 404
        assert post(browser, page_of(list_name), {"format": "csv", "colonnes": "action"}, query_string={"action": action}).status_code == 404


@pytest.mark.parametrize("list_name", OWN)
def test_own_lists_hold_ones_own(as_user: AsUser, two_organisations: dict[str, int], list_name: str) -> None:
    query = {"etat": Show.WAITING.value} if list_name == "echanges-a-suivre" else {}
    files = [{str(line[OWN[list_name]]) for line in lines_of(take_out(as_user(account), list_name, **query))} for account in ("principal", "autre-of")]
    assert files[0] and not files[0] & files[1]


@pytest.mark.parametrize(
    ("account", "list_name"),
    [
        ("support", "stagiaires"), ("support", "comptes"), ("principal", "comptes"), ("principal", "echanges"), ("principal", "demandes-de-modification"),
        ("admin", "comptes-secondaires"), ("secondaire", "comptes-secondaires"), ("support", "historique-comptes"), ("principal", "historique-comptes"),
        ("secondaire", "historique-organisme"), ("admin", "historique-organisme"), ("secondaire", "jetons"), ("admin", "jetons"), ("secondaire", "delegations"),
        ("principal", "ecarts-agora"), ("admin", "imports"),
    ],
)  # fmt: skip
def test_who_does_not_see_a_list_does_not_export_it(as_user: AsUser, db_session: Session, account: str, list_name: str) -> None:
    browser = as_user(account)
    assert browser.get(page_of(list_name)).status_code == 403
    assert post(browser, page_of(list_name), {"format": "csv", "colonnes": "action"}).status_code == 403
    assert db_session.scalar(select(func.count()).select_from(ListExport)) == 0


def test_a_list_that_does_not_exist(as_user: AsUser) -> None:
    assert as_user("admin").get("/exports/liste/rien").status_code == 404


def test_a_list_of_flask_appbuilder_by_its_name(as_user: AsUser) -> None:
    """By its own address, or by the one of all lists; under the permission it declares."""
    assert as_user("admin").get("/exports/liste/StreetTypeView").status_code == 200
    assert as_user("principal").get("/exports/liste/StreetTypeView").status_code == 403


def test_another_organisations_journal_does_not_exist(as_user: AsUser, db_session: Session, two_organisations: dict[str, int]) -> None:
    """What narrows the journal of accounts is its wall: it is read in the system's scope."""
    theirs = {"organisme": organisation(ORGANISATION_B).id, "compte": db_session.scalar(select(User.id).where(User.username == "autre-of"))}
    browser = as_user("principal")
    for word, number in theirs.items():
        assert browser.get(page_of("historique-organisme"), query_string={word: number}).status_code == 404
        answer = post(browser, page_of("historique-organisme"), {"format": "csv", "colonnes": "fait"}, query_string={word: number})
        assert answer.status_code == 404


def test_no_file_holds_what_opens_a_door(as_user: AsUser, db_session: Session, two_organisations: dict[str, int]) -> None:
    """Neither the digest of a token, nor what stands in the journal of it."""
    digest = db_session.scalar(text("SELECT token_hash FROM api_token LIMIT 1"))
    for list_name in ("jetons", "historique-organisme"):
        content = take_out(as_user("principal"), list_name).get_data(as_text=True)
        assert "Essai" in content and str(digest) not in content and "token_hash" not in content


def test_the_history_of_accounts_is_that_of_its_page(as_user: AsUser, db_session: Session, two_organisations: dict[str, int]) -> None:
    lines = lines_of(take_out(as_user("admin"), "historique-comptes", acte="jetons"))
    page = as_user("admin").get("/comptes/historique/", query_string={"acte": "jetons"}).get_data(as_text=True)
    assert len(lines) == 2 and all(str(line["Ce qui s’est passé"]) in page for line in lines)
    assert {str(line["Organisme"]) for line in lines} == {str(organisation(siret).legal_name) for siret in (ORGANISATION_A, ORGANISATION_B)}
    answer = as_user("admin").get(page_of("historique-comptes"), query_string={"du": "hier"})
    assert answer.status_code == 303 and answer.headers["Location"].endswith("/comptes/historique/?du=hier")


def test_the_history_of_imports_as_it_is_narrowed(as_user: AsUser, two_organisations: dict[str, int]) -> None:
    (line,) = lines_of(take_out(as_user("principal"), "imports", etat="applied", matrice="stagiaires"))
    assert (line["Fichier envoyé"], line["Lignes créées"], line["Lignes inchangées"], line["Lignes à corriger"]) == ("essai.csv", "1", "0", "2")
    assert lines_of(take_out(as_user("principal"), "imports", etat="refused")) == []


# ---- the filters and the order ------------------------------------------------------------------------------------------


def test_the_file_holds_what_the_list_shows_in_its_order(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("principal")
    for todo in ("", "nia", "sans-sortie", "sans-inscription"):
        query = {"a_faire": todo, "size": 100} if todo else {"size": 100}
        page = browser.get("/stagiaires/", query_string=query).get_data(as_text=True)
        shown = re.findall(r'data-label="Nom / - Composante"[^>]*>\s*<div class="cell">\s*<a[^>]*>([^<]+)</a>', page)
        found = lines_of(take_out(browser, "stagiaires", a_faire=todo))
        assert [str(line["Nom d’usage"] or line["Nom de naissance"]).upper() for line in found[:100]] == shown


def _enrolment() -> Enrolment:
    with bound_scope(Scope.organisation(organisation().id)):
        number = make_enrolment(make_action())
    return db.session.get_one(Enrolment, number)


def test_the_dates_of_the_list_are_those_of_the_file(as_user: AsUser, db_session: Session) -> None:
    enrolment = _enrolment()
    (line,) = lines_of(take_out(as_user("principal"), "stagiaires", action=enrolment.action_id))
    assert line["Date d’entrée"] == f"{enrolment.planned_start:%d/%m/%Y}" and line["Date de sortie prévue"] == f"{enrolment.planned_end:%d/%m/%Y}"
    assert line["Date de sortie réelle"] == ""
    with bound_scope(Scope.system()):
        db_session.execute(text("UPDATE enrolment SET cancelled_at = now() WHERE id = :id"), {"id": enrolment.id})
        db_session.commit()
    (line,) = lines_of(take_out(as_user("principal"), "stagiaires", action=enrolment.action_id))
    assert line["Date d’entrée"] == ""
    assert lines_of(take_out(as_user("principal"), "inscriptions", action=enrolment.action_id)) == []


def test_a_number_typed_into_the_address_goes_nowhere(as_user: AsUser, db_session: Session) -> None:
    answer = as_user("principal").get(page_of("stagiaires"), query_string={"texte": "2 99 05 49 588 157 80"})
    assert answer.status_code == 303 and "588" not in answer.headers["Location"]


def test_the_journal_does_not_repeat_what_was_searched_for(as_user: AsUser, db_session: Session) -> None:
    take_out(as_user("principal"), "stagiaires", texte="Durand", a_faire="nia")
    assert db_session.scalars(select(ListExport.query)).one() == "texte=•&a_faire=nia"
    assert db_session.scalars(select(ListExport.personal)).one()


def test_nor_what_was_searched_for_in_a_list_of_flask_appbuilder(as_user: AsUser, db_session: Session) -> None:
    admin = as_user("admin")
    view = next(one for one in admin.application.appbuilder.baseviews if type(one).__name__ == "MailMessageView")  # type: ignore[attr-defined]
    assert view.quick_columns
    take_out(admin, "MailMessageView", q="jeanne.durand@exemple.fr")
    assert "durand" not in db_session.scalars(select(ListExport.query)).one()


# ---- columns ------------------------------------------------------------------------------------------------------------


def test_the_columns_chosen_last_are_proposed_again_to_that_account_alone(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("principal")
    take_out(browser, "stagiaires", "ods", ["prenom", "nom_naissance"])
    page = browser.get(page_of("stagiaires")).get_data(as_text=True)
    assert set(re.findall(r'name="colonnes" value="([^"]+)" checked', page)) == {"prenom", "nom_naissance"}
    assert 'value="ods" checked' in page and "Cocher toutes les colonnes" in page
    assert page.index("Décocher toutes les colonnes") < page.index('<div class="choices choices-columns"') < page.index('name="colonnes"')
    nothing = browser.get(page_of("stagiaires"), query_string={"colonnes": "aucune"}).get_data(as_text=True)
    assert not re.search(r'name="colonnes" value="[^"]+" checked', nothing) and "Décocher toutes les colonnes" in nothing
    everything = browser.get(page_of("stagiaires"), query_string={"colonnes": "toutes"}).get_data(as_text=True)
    assert len(re.findall(r'name="colonnes" value="[^"]+" checked', everything)) == len(columns_of(everything))
    assert not re.search(r'name="colonnes" value="[^"]+" (?!checked)', as_user("secondaire").get(page_of("stagiaires")).get_data(as_text=True))
    with bound_scope(Scope.organisation(organisation().id), actor_id=db_session.scalar(select(User.id).where(User.username == "secondaire"))):
        assert db_session.scalar(select(func.count()).select_from(ExportChoice)) == 0
        assert db_session.scalar(text("SELECT count(*) FROM export_choice")) == 0


def test_what_is_left_out_or_made_up_is_said(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("principal")
    for data, said in (({"format": "csv"}, "Choisissez au moins une colonne"), ({"format": "csv", "colonnes": "siret"}, "n’existe pas")):
        answer = post(browser, page_of("stagiaires"), data)
        assert answer.status_code == 422 and said in answer.get_data(as_text=True)
    assert db_session.scalar(select(func.count()).select_from(ListExport)) == 0


def test_the_page_of_choice_costs_little(as_user: AsUser, two_organisations: dict[str, int]) -> None:
    for list_name, account in LISTS.items():
        browser, query = as_user(account), query_for(list_name, two_organisations)
        browser.get(page_of(list_name), query_string=query)
        with statements() as sent:
            browser.get(page_of(list_name), query_string=query)
        assert len(sent) <= 14, (list_name, len(sent))


# ---- formulas -----------------------------------------------------------------------------------------------------------

HOSTILE = [
    "=1+1", "+33", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\x00=1", " =1", "\u00a0=1", "\u202f@x", "  \t \x00=cmd|' /C calc'!A0", "=HYPERLINK(\"http://x\";\"y\")",
    "a\tb", "\\", "\\N", "\\t=1", "x;y", 'q"q', "\ud800=1", "\ufffe=1",
]  # fmt: skip


def _files(columns: list[ListColumn], values: list[str]) -> dict[FileFormat, list[list[Any]]]:
    """Lines of hostile texts as the two ways of making lines give them, in each format."""
    from app.core.exports.rows import _without_escapes

    headings = [Heading(str(column.label), column.kind) for column in columns]
    made = "".join("\t".join(text_of(value, column.kind) for column in columns) + "\n" for value in values)
    batch = _without_escapes(made)
    return {kind: rows_of(b"".join(write(kind, "x", headings, [batch])), kind.media_type.partition(";")[0]) for kind in FileFormat}


@pytest.mark.parametrize("list_name", LISTS)
def test_no_column_of_any_list_is_run(app: Flask, list_name: str) -> None:
    with app.test_request_context():
        one = registry.find_list(list_name)
        assert one is not None
        with bound_scope(Scope.region()):
            columns = list(one.columns(registry.Asked()))
        files = _files(columns, HOSTILE)
        for kind, rows in files.items():
            assert len(rows) == len(HOSTILE) + 1
            for row in rows:
                assert len(row) == len(columns)
                for cell in row:
                    assert not isinstance(cell, str) or not re.match(r"[\s\u00a0\u202f]*[=+\-@]", cell) or kind is not FileFormat.CSV
                    assert not isinstance(cell, str) or not re.search(r"[\x00-\x08\x0b-\x1f]", cell)


@given(st.text(alphabet=st.sampled_from("=+-@\t\r\n\x00 \u00a0\u202f'a;\"\\"), max_size=8))
def test_any_text_stays_one_cell(value: str) -> None:
    rows = _files([ListColumn("x", "x")], [value])[FileFormat.CSV]
    assert len(rows) <= 2 and all(len(row) <= 1 for row in rows)  # a reader of CSV sees no line in an empty one
    assert not any(re.match(r"[\s\u00a0\u202f]*[=+\-@]", cell) for row in rows for cell in row)


@pytest.mark.parametrize("list_name", ["stagiaires", "comptes-secondaires", "StreetTypeView"])
def test_hostile_names_from_the_database_to_the_file(as_user: AsUser, db_session: Session, list_name: str) -> None:
    """By COPY, by the lines of the screen, and by the lists of Flask-AppBuilder."""
    from app.reference.models import StreetType

    sheets = db_session.scalars(select(Registration).limit(3)).all()
    for sheet in sheets:
        db_session.get_one(Trainee, sheet.trainee_id).first_name = '=HYPERLINK("http://x")'
    for user in db_session.scalars(select(User).where(User.username == "secondaire")):
        user.first_name = "=cmd|x"
    db_session.add(StreetType(code="HOSTILE", label="@SUM(A1)"))
    db_session.commit()
    answer = take_out(as_user("admin" if list_name == "StreetTypeView" else "principal"), list_name)
    rows = rows_of(answer.get_data())
    cells = [cell for row in rows for cell in row]
    assert any(re.search("HYPERLINK|cmd|SUM", cell) for cell in cells)
    assert [cell for cell in cells if re.match(r"\s*[=+\-@]", cell)] == []


def test_made_rows_are_read_some_hundred_at_a_time(db_session: Session) -> None:
    for number in range(1200):
        db_session.execute(
            text(
                "INSERT INTO street_type (code, label, position, valid_from, version, created_at, updated_at) VALUES (:code, :code, 1, now(), 1, now(), now())"
            ),
            {"code": f"R{number}"},
        )
    from app.reference.models import StreetType

    db_session.commit()
    rows = MadeRows(
        select(StreetType).where(StreetType.code.startswith("R")).order_by(StreetType.id),
        lambda found: found,
        [ListColumn("x", "x", cell=lambda row: row.code)],
    )
    batches = [batch.count(b"\n") for batch in rows]
    rows.close()
    assert len(batches) > 2 and max(batches) <= 500 and sum(batches) == rows.count >= 1200


def test_numbers_and_days_keep_their_kind() -> None:
    assert text_of(True, ColumnKind.NUMBER) == text_of("x", ColumnKind.DATE) == text_of(None, ColumnKind.TEXT) == ""
    assert text_of(12, ColumnKind.NUMBER) == "12"


def test_a_cancelled_action_of_nobody_is_no_list(as_user: AsUser) -> None:
    make_action()
    assert as_user("principal").get(page_of("suivi-des-demandes")).status_code == 404
