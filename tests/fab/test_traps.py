"""One test for each trap of stock Flask-AppBuilder that the base of the screens closes (security bars, part A)."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from app.core.context import acting
from app.core.tenancy import Scope, bound_scope

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

LIST = "/referentiels/dispositifs/list/"
ADD = "/referentiels/dispositifs/add"


def programme(session: Session, code: str = "LECTIO") -> Any:
    from app.reference.models import Programme

    return session.scalars(select(Programme).where(Programme.code == code)).one()


def fields_of(row: Any, **changes: str) -> dict[str, str]:
    """What the edit form of a programme posts."""
    data = {
        "code": row.code,
        "label": row.label,
        "kind": row.kind,
        "position": str(row.position),
        "valid_from": f"{row.valid_from:%d/%m/%Y}",
        "valid_to": "",
        "agora_code": row.agora_code or "",
    }
    data |= {name: "y" for name in ("agora_enabled", "nir_required") if getattr(row, name)}
    return data | changes


# ---- F1: actions go through the filters -------------------------------------------------------------------------------


@pytest.fixture
def messages(app: Flask, db_session: Session) -> dict[str, int]:
    """A refused message of each of two organisations, which the principal account may (for this test) send again."""
    from flask_appbuilder.security.sqla.models import Permission, PermissionView, Role, ViewMenu

    from app.accounts.models import Organisation, User
    from app.core.outbox.models import MessageState, OutboxMessage

    own = db_session.scalars(select(User.organisation_id).where(User.username == "principal")).one()
    other = db_session.scalars(select(Organisation.id).where(Organisation.id != own).limit(1)).one()
    made = {}
    for name, organisation_id in (("own", own), ("other", other)):
        message = OutboxMessage(
            partner="agora", operation="create_file", subject_type="enrolment", subject_id=1, ordering_key=f"enrolment:{name}",
            organisation_id=organisation_id, params={}, state=MessageState.REJECTED, last_error_code="X", last_error_title="Refus",
        )  # fmt: skip
        db_session.add(message)
        db_session.flush()
        made[name] = message.id
    role = db_session.scalars(select(Role).where(Role.name == "Compte principal")).one()
    granted = db_session.scalars(
        select(PermissionView)
        .join(Permission)
        .join(ViewMenu)
        .where(ViewMenu.name == "OutboxMessageView", Permission.name.in_(["replay", "can_list", "can_show"]))
    )
    role.permissions.extend(granted)
    db_session.commit()
    return made


def state_of(session: Session, key: int) -> str:
    from app.core.outbox.models import OutboxMessage

    session.expire_all()
    with bound_scope(Scope.system()):
        return str(session.scalars(select(OutboxMessage.state).where(OutboxMessage.id == key)).one())


def test_f1_an_action_on_a_foreign_row_is_not_found(browse: Any, messages: dict[str, int], db_session: Session) -> None:
    page = browse("principal")
    token = page.hidden("/supervision/messages/list/")
    for address, data in (
        (f"/supervision/messages/action/replay/{messages['other']}", {"confirmed": "1"}),
        ("/supervision/messages/action_post", {"action": "replay", "rowid": [messages["own"], messages["other"]], "confirmed": "1"}),
    ):
        assert page.client.post(address, data={**token, **data}).status_code == 404
    assert page.get(f"/supervision/messages/show/{messages['other']}").status_code == 404
    assert state_of(db_session, messages["other"]) == "rejected"
    assert state_of(db_session, messages["own"]) == "rejected"


def test_an_action_asks_first_then_runs(browse: Any, messages: dict[str, int]) -> None:
    page = browse("principal")
    address = f"/supervision/messages/action/replay/{messages['own']}"
    asked = page.post(address, form="/supervision/messages/list/")
    assert asked.status_code == 200
    assert 'name="confirmed"' in asked.get_data(as_text=True)


def test_a_message_given_up_because_its_workers_died_says_so(browse: Any, messages: dict[str, int], db_session: Session) -> None:
    from sqlalchemy import update

    from app.core.outbox.models import MessageState, OutboxMessage

    db_session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id == messages["own"])
        .values(state=MessageState.DEAD, last_error_code="worker_lost", last_error_title=None, expiries=7)
    )
    db_session.commit()
    page = browse("admin")
    for address in ("/supervision/messages/list/", f"/supervision/messages/show/{messages['own']}"):
        assert "5 fois de suite, l’exécuteur qui traitait ce seul message s’est arrêté" in page.get(address).get_data(as_text=True)


def test_an_action_is_never_run_by_a_link(browse: Any, messages: dict[str, int]) -> None:
    assert browse("principal").get(f"/supervision/messages/action/replay/{messages['own']}").status_code == 405


def test_an_action_without_its_permission_is_refused(browse: Any, messages: dict[str, int]) -> None:
    page = browse("principal")
    token = page.hidden("/supervision/messages/list/")
    assert page.client.post("/organismes/action_post", data=token).status_code in (403, 404)
    assert browse("secondaire").get("/supervision/messages/list/").status_code == 403


# ---- F2: choices and keys stay inside the scope -----------------------------------------------------------------------


def test_f2_a_foreign_key_of_another_organisation_is_neither_offered_nor_accepted(app: Flask, db_session: Session) -> None:
    from werkzeug.datastructures import MultiDict
    from wtforms import Form

    from app.accounts.models import User
    from app.core.extensions import db
    from app.core.fab import RelatedSelectField

    class AccountForm(Form):
        account = RelatedSelectField("Account", rows=lambda: db.session.query(User).all())

    own = db_session.scalars(select(User).where(User.username == "principal")).one()
    foreign = db_session.scalars(select(User).where(User.username == "autre-of")).one()
    own_id, foreign_id, organisation_id = own.id, foreign.id, own.organisation_id
    with app.test_request_context(), bound_scope(Scope.organisation(organisation_id)):
        form = AccountForm(MultiDict({"account": str(foreign_id)}))
        assert str(foreign_id) not in form.account.offered()
        assert not form.validate()
        assert form.account.data is None
        good = AccountForm(MultiDict({"account": str(own_id)}))
        assert good.validate()
        assert good.account.data.id == own_id


def test_what_is_not_in_the_form_cannot_be_written(browse: Any, db_session: Session) -> None:
    row = programme(db_session)
    page = browse("admin")
    address = f"/referentiels/dispositifs/edit/{row.id}"
    extra = {"id": "999", "created_at": "01/01/2001", "version": "77", "organisation_id": "1"}
    assert page.post(address, fields_of(row, label="LECTIO PLUS", **extra)).status_code == 302
    db_session.expire_all()
    again = programme(db_session)
    assert (again.id, again.label) == (row.id, "LECTIO PLUS")
    assert again.created_at.year != 2001
    assert again.version != 77


# ---- F8: nothing changes by GET, nor without a token ------------------------------------------------------------------


def test_f8_get_asks_and_post_deletes(browse: Any, db_session: Session) -> None:
    from app.reference.models import StreetType

    row = db_session.scalars(select(StreetType).where(StreetType.code == "SQ")).one()
    key = row.id
    page = browse("admin")
    address = f"/referentiels/types-de-voie/delete/{key}"
    asked = page.get(address)
    assert asked.status_code == 200
    assert db_session.scalar(select(func.count()).where(StreetType.id == key)) == 1
    without_token = page.client.post(address)
    assert without_token.status_code in (400, 419)
    assert db_session.scalar(select(func.count()).where(StreetType.id == key)) == 1
    assert page.post(address).status_code == 409  # without the version that the page showed
    assert page.post(address, data={"version": row.version}).status_code == 302
    assert db_session.scalar(select(func.count()).where(StreetType.id == key)) == 0


def test_f8_a_form_without_its_token_changes_nothing(browse: Any, db_session: Session) -> None:
    row = programme(db_session)
    answer = browse("admin").client.post(f"/referentiels/dispositifs/edit/{row.id}", data=fields_of(row, label="Sans jeton"))
    assert answer.status_code in (400, 419)
    db_session.expire_all()
    assert programme(db_session).label == "LECTIO"


# ---- F9: no download route --------------------------------------------------------------------------------------------


def test_f9_no_route_serves_files_of_the_upload_folder(app: Flask, browse: Any) -> None:
    assert [rule for rule in app.url_map.iter_rules() if "/download/" in str(rule)] == []
    assert browse("admin").get("/referentiels/dispositifs/download/x").status_code == 404


def test_none_of_the_stock_screens_and_services_exists(app: Flask, browse: Any) -> None:
    page = browse("admin")
    for address in (
        "/api/v1/security/login", "/api/v1/security/users/", "/api/v1/menu/", "/api/v1/_openapi", "/swagger/v1", "/lang/fr", "/back",
        "/users/list/", "/users/userinfo/", "/resetpassword/form", "/userinfoeditview/form", "/permissions/list/",
        "/viewmenus/list/", "/permissionviews/list/", "/registeruser/list/", "/userstatschartview/chart/", "/groups/list/",
    ):  # fmt: skip
        assert page.get(address).status_code == 404, address
    served_by_fab = {
        rule.endpoint for rule in app.url_map.iter_rules()
        if (getattr(app.view_functions[rule.endpoint], "__self__", None).__class__.__module__ or "").startswith("flask_appbuilder.")
    }  # fmt: skip
    assert served_by_fab == set()


# ---- errors of the database are sentences -----------------------------------------------------------------------------


def test_a_violated_constraint_is_a_sentence_and_keeps_what_was_typed(browse: Any) -> None:
    page = browse("admin")
    typed = {"code": "LECTIO", "label": "Doublon tapé", "kind": "market", "position": "1", "valid_from": "01/01/2026"}
    answer = page.post(ADD, typed)
    body = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "Doublon tapé" in body
    for word in ("INSERT INTO", "psycopg", "sqlalche", "uq_programme", "[parameters", "DETAIL"):
        assert word not in body
    assert 'id="code-error"' in body
    with page.client.session_transaction() as session:
        assert "INSERT" not in str(dict(session))


def test_a_check_of_the_database_stands_beside_its_field(browse: Any, db_session: Session) -> None:
    row = programme(db_session)
    data = fields_of(row, valid_to="01/01/2019")
    answer = browse("admin").post(f"/referentiels/dispositifs/edit/{row.id}", data)
    assert answer.status_code == 422
    assert 'id="valid_to-error"' in answer.get_data(as_text=True)
    db_session.expire_all()
    assert programme(db_session).valid_to is None


def test_a_row_in_use_is_not_deleted_and_says_why(browse: Any, db_session: Session) -> None:
    from app.reference.models import Contact

    row = programme(db_session)
    assert db_session.scalar(select(func.count()).where(Contact.programme_id == row.id)) == 1
    answer = browse("admin").post(f"/referentiels/dispositifs/delete/{row.id}", data={"version": row.version})
    assert answer.status_code == 409
    assert "DELETE FROM" not in answer.get_data(as_text=True)
    db_session.expire_all()
    assert programme(db_session).id == row.id


def test_dates_are_day_first_and_what_cannot_be_read_is_shown_back(browse: Any, db_session: Session) -> None:
    row = programme(db_session)
    page = browse("admin")
    address = f"/referentiels/dispositifs/edit/{row.id}"
    bad = page.post(address, fields_of(row, valid_to="31/02/2030"))
    assert bad.status_code == 422
    assert "31/02/2030" in bad.get_data(as_text=True)
    assert page.post(address, fields_of(row, valid_to="03/04/2030")).status_code == 302
    db_session.expire_all()
    assert programme(db_session).valid_to == date(2030, 4, 3)
    assert page.post(address, fields_of(programme(db_session), valid_to="2031-04-03")).status_code == 302
    db_session.expire_all()
    assert programme(db_session).valid_to == date(2031, 4, 3)


# ---- nothing of a request stays on the view, nor in the cookie --------------------------------------------------------


def test_two_requests_under_way_do_not_see_each_others_search(app: Flask, db_session: Session) -> None:
    view = next(one for one in app.appbuilder.baseviews if type(one).__name__ == "ProgrammeView")
    before = {name: repr(value) for name, value in vars(view).items()}
    with app.test_request_context(f"{LIST}?q=lectio"):
        first = view.listing()
        first.form  # noqa: B018 - the search is read before the other request starts
        with app.test_request_context(f"{LIST}?q=avenir&sort=label&order=desc"):
            second = view.listing()
            assert [row.code for row in second.items] == ["AVENIR"]
        assert first.words["q"][1] == "lectio"
        assert [row.code for row in first.items] == ["LECTIO"]
    assert {name: repr(value) for name, value in vars(view).items()} == before
    assert view._filters is None


def test_no_address_sits_in_the_session_cookie(browse: Any, app: Flask) -> None:
    page = browse("admin")
    for term in ("confidentiel1", "confidentiel2", "confidentiel3"):
        assert page.get(f"{LIST}?q={term}").status_code == 200
    with page.client.session_transaction() as session:
        kept = str(dict(session))
        assert "confidentiel" not in kept
        assert "page_history" not in session


# ---- cost ---------------------------------------------------------------------------------------------------------------


def test_the_number_of_statements_of_a_list_does_not_grow(browse: Any, db_session: Session, statements: Any) -> None:
    from app.reference.models import Contact

    some = programme(db_session).id

    def fill(count: int, start: int) -> None:
        db_session.add_all(Contact(subject=f"Sujet {start + n}", email="x@example.org", programme_id=some if n % 2 else None) for n in range(count))
        db_session.commit()

    page = browse("admin")
    counts = []
    for count, start in ((10, 0), (990, 10)):
        fill(count, start)
        db_session.expunge_all()
        with statements() as seen:
            assert page.get("/referentiels/contacts/list/?size=100").status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1], seen
    assert counts[1] <= 10, seen


# ---- two people, one row --------------------------------------------------------------------------------------------------


def test_a_stale_form_compares_field_by_field_and_loses_nothing(browse: Any, db_session: Session) -> None:
    row = programme(db_session)
    key, address = row.id, f"/referentiels/dispositifs/edit/{row.id}"
    page = browse("admin")
    started = page.hidden(address)
    data = fields_of(row)
    assert page.post(address, data | {"label": "LECTIO (version de l’autre)"}).status_code == 302
    answer = page.client.post(address, data=started | data | {"label": "LECTIO (la mienne)"})
    body = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "LECTIO (la mienne)" in body
    assert "LECTIO (version de l’autre)" in body
    assert 'name="choice-label"' in body
    db_session.expire_all()
    assert programme(db_session).label == "LECTIO (version de l’autre)"
    assert key == programme(db_session).id
    # Both were the same account: no "other person" is blamed.
    assert "Vous avez modifié ces données dans un autre onglet</h1>" in body
    assert "Version de l’autre onglet" in body
    assert "Une autre personne" not in body


def test_no_version_is_chosen_for_anybody(browse: Any, db_session: Session) -> None:
    """Neither box is ticked in advance; without a choice nothing is written, and the field says so."""
    row = programme(db_session)
    address = f"/referentiels/dispositifs/edit/{row.id}"
    page = browse("admin")
    started, data = page.hidden(address), fields_of(row)
    assert page.post(address, data | {"label": "LECTIO (version de l’autre)"}).status_code == 302
    body = page.client.post(address, data=started | data | {"label": "LECTIO (la mienne)"}).get_data(as_text=True)
    assert not re.search(r'name="choice-label"[^>]* checked', body)
    for _attempt in range(2):  # the page that asks again asks as firmly
        carried = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', body))
        answer = page.client.post(address, data=carried | {"resolve": "1"})
        body = answer.get_data(as_text=True)
        assert answer.status_code == 409
        assert 'id="choice-label-error"' in body
        assert "Choisissez la version à conserver" in body
        assert all(words in body for words in ("LECTIO (la mienne)", "LECTIO (version de l’autre)", data["label"]))
    db_session.expire_all()
    assert programme(db_session).label == "LECTIO (version de l’autre)"
    carried = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', body))
    assert page.client.post(address, data=carried | {"resolve": "1", "choice-label": "mine"}).status_code == 302
    db_session.expire_all()
    assert programme(db_session).label == "LECTIO (la mienne)"


def test_what_somebody_else_saved_is_theirs(browse: Any, db_session: Session) -> None:
    from app.accounts.models import User

    row = programme(db_session)
    address = f"/referentiels/dispositifs/edit/{row.id}"
    page = browse("admin")
    started, data = page.hidden(address), fields_of(row)
    other = db_session.scalars(select(User.id).where(User.username == "region")).one()
    with acting(actor=other):
        row.label = "LECTIO (par une collègue)"
        db_session.commit()
    body = page.client.post(address, data=started | data | {"label": "LECTIO (la mienne)"}).get_data(as_text=True)
    assert "Une autre personne a modifié ces données entre-temps</h1>" in body
    assert "Version de l’autre onglet" not in body


def test_changes_of_different_fields_are_both_kept(browse: Any, db_session: Session) -> None:
    row = programme(db_session)
    address = f"/referentiels/dispositifs/edit/{row.id}"
    page = browse("admin")
    started, data = page.hidden(address), fields_of(row)
    assert page.post(address, data | {"label": "LECTIO 2026"}).status_code == 302
    assert page.client.post(address, data=started | data | {"agora_code": "LCT"}).status_code == 302
    db_session.expire_all()
    again = programme(db_session)
    assert (again.label, again.agora_code) == ("LECTIO 2026", "LCT")


# ---- export ---------------------------------------------------------------------------------------------------------------

FORMULAS = ["=1+1", "+33", "-2+3", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("http://x")']


def taken_out(page: Any, address: str, file_format: str) -> Any:
    """The file with all its columns: asked for by POST, because each download is a line of the journal."""
    columns = re.findall(r'name="colonnes" value="([^"]+)"', page.get(address).get_data(as_text=True))
    return page.post(address, {"format": file_format, "colonnes": columns})


def exported(page: Any, address: str) -> list[list[str]]:
    """The rows of a CSV export."""
    with taken_out(page, address, "csv") as answer:
        assert answer.status_code == 200
        assert "attachment" in answer.headers["Content-Disposition"]
        return list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig")), delimiter=";"))


def test_exports_hold_no_formula(browse: Any, db_session: Session) -> None:
    from app.reference.models import StreetType

    db_session.add_all(StreetType(code=f"F{n}", label=text) for n, text in enumerate(FORMULAS))
    db_session.commit()
    page = browse("admin")
    cells = [cell for row in exported(page, "/referentiels/types-de-voie/export/csv?q=f") for cell in row]
    assert "'=1+1" in cells
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    with taken_out(page, "/referentiels/types-de-voie/export/xlsx", "xlsx") as answer, zipfile.ZipFile(io.BytesIO(answer.get_data())) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "=1+1" in sheet


def test_the_export_is_the_filtered_list_in_its_order(browse: Any) -> None:
    page = browse("admin")
    rows = exported(page, "/referentiels/dispositifs/export/csv?q=pro&f_kind=market&sort=label&order=desc")
    assert [row[0] for row in rows[1:]] == ["QUALIFPRO", "PROJETPRO"]
    assert page.get("/referentiels/dispositifs/export/exe").status_code == 404


# ---- addresses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidate", "kept"),
    [
        ("/referentiels/sites/list/?page=2", True),
        ("//evil.example", False), ("/\\evil.example", False), ("https://evil.example", False), ("javascript:alert(1)", False),
        ("/x\r\nSet-Cookie: a=b", False), ("", False), (None, False), ("/" + "a" * 3000, False),
    ],
)  # fmt: skip
def test_only_addresses_of_the_portal_are_returned_to(candidate: str | None, kept: bool) -> None:
    from app.core.fab import safe_target

    assert (safe_target(candidate) is not None) is kept


def test_a_saved_form_goes_back_to_the_list_it_came_from(browse: Any, db_session: Session) -> None:
    row = programme(db_session)
    back = f"{LIST}?q=lec"
    page = browse("admin")
    answer = page.post(f"/referentiels/dispositifs/edit/{row.id}", fields_of(row) | {"next": back})
    assert answer.headers["Location"].endswith(back)
    answer = page.post(f"/referentiels/dispositifs/edit/{row.id}", fields_of(programme(db_session)) | {"next": "//evil.example"})
    assert "evil" not in answer.headers["Location"]


# ---- declarations ---------------------------------------------------------------------------------------------------------


def test_a_view_that_leaves_its_columns_to_fab_does_not_start(app: Flask) -> None:
    from app.core.fab import DeclarationError, PortalModelView, SafeInterface, Titles
    from app.reference.models import Town

    def declare(**attributes: Any) -> Callable[[], type]:
        return lambda: type("SomeView", (PortalModelView,), {"datamodel": SafeInterface(Town), "titles": Titles("", "", "", ""), **attributes})

    with pytest.raises(DeclarationError, match="list_columns"):
        declare()()
    columns = {name: ["name"] for name in ("list_columns", "search_columns", "show_columns", "add_columns", "edit_columns")}
    with pytest.raises(DeclarationError, match="version column"):
        declare(**columns)()
    with pytest.raises(DeclarationError, match="may not appear"):
        declare(read_only=True, list_columns=["name"], search_columns=["nir_hash"], show_columns=["name"])()


def test_a_page_beyond_the_last_shows_the_last(browse: Any) -> None:
    page = browse("admin")
    for address in (f"{LIST}?page=999999999", f"{LIST}?page=-1", f"{LIST}?page=x&size=7&sort=nope", f"{LIST}?f_kind=%00&q=%00"):
        assert page.get(address).status_code == 200, address


def test_unknown_rows_are_not_found(browse: Any) -> None:
    page = browse("admin")
    for key in ("0", "999999", "99999999999999999999999", "abc", "1%00", "²"):
        assert page.get(f"/referentiels/dispositifs/show/{key}").status_code == 404, key
