"""The journal of accounts: every kind of entry is a sentence; who reads what; constant work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import event, select, text

from app.accounts import chronicle, chronicle_labels, history, services
from app.accounts.chronicle import Group, Kind, kind_of
from app.accounts.history import Asked
from app.accounts.models import LinkPurpose
from app.accounts.services.links import issue_link
from app.core import tenancy
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import post

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

AsUser = Callable[[str], "FlaskClient"]
DAY = "2026-11-25T10:00:00+00:00"

#: One entry for each kind: table, operation, before, after.
ENTRIES: list[tuple[Kind, str, str, dict[str, Any] | None, dict[str, Any] | None]] = [
    (Kind.CREATED, "ab_user", "INSERT", None, {"username": "x", "password": None}),
    (Kind.ERASED, "ab_user", "DELETE", {"username": "x"}, None),
    (Kind.DELETED, "ab_user", "UPDATE", {"deleted_at": None, "active": True}, {"deleted_at": DAY, "active": False}),
    (Kind.BLOCKED, "ab_user", "UPDATE", {"blocked_at": None}, {"blocked_at": DAY, "blocked_reason": "wrong_passwords"}),
    (Kind.UNBLOCKED, "ab_user", "UPDATE", {"blocked_at": DAY}, {"blocked_at": None}),
    (Kind.DEACTIVATED, "ab_user", "UPDATE", {"active": True, "deactivated_at": None}, {"active": False, "deactivated_at": DAY}),
    (Kind.DEACTIVATED, "ab_user", "UPDATE", {"active": True}, {"active": False}),
    (Kind.REACTIVATED, "ab_user", "UPDATE", {"active": False, "deactivated_at": DAY}, {"active": True, "deactivated_at": None}),
    (Kind.PASSWORD_CHOSEN, "ab_user", "UPDATE", {"password": None, "password_changed_at": None}, {"password": "•", "password_changed_at": DAY}),
    (Kind.PASSWORD_WITHDRAWN, "ab_user", "UPDATE", {"password": "•"}, {"password": None}),
    (Kind.PASSWORD_PROTECTED, "ab_user", "UPDATE", {"password": "•"}, {"password": "•"}),
    (Kind.IDENTIFIANT_CHANGED, "ab_user", "UPDATE", {"username": "a"}, {"username": "b"}),
    (Kind.EMAIL_CHANGED, "ab_user", "UPDATE", {"email": "a"}, {"email": "b"}),
    (Kind.EDITED, "ab_user", "UPDATE", {"email": "a", "username": "x"}, {"email": "b", "username": "y"}),
    (Kind.RIGHTS_CHANGED, "ab_user", "UPDATE", {"functions": None}, {"functions": ["consult"]}),
    (Kind.UNUSED_TOLD, "ab_user", "UPDATE", {"inactivity_notice_at": None}, {"inactivity_notice_at": DAY}),
    (Kind.UNUSED_CANCELLED, "ab_user", "UPDATE", {"inactivity_notice_at": DAY}, {"inactivity_notice_at": None}),
    (Kind.CHANGED, "ab_user", "UPDATE", {"something": 1}, {"something": 2}),
    (Kind.ROLE_GIVEN, "ab_user_role", "INSERT", None, {"user_id": 1, "role_id": 2}),
    (Kind.ROLE_TAKEN, "ab_user_role", "DELETE", {"user_id": 1, "role_id": 2}, None),
    (Kind.INVITED, "access_link", "INSERT", None, {"purpose": "invitation"}),
    (Kind.REGENERATED, "access_link", "INSERT", None, {"purpose": "regeneration"}),
    (Kind.RECOVERY_SENT, "access_link", "INSERT", None, {"purpose": "recovery"}),
    (Kind.EMAIL_ASKED, "access_link", "INSERT", None, {"purpose": "email", "wanted_email": "a@example.org"}),
    (Kind.EMAIL_FORGOTTEN, "access_link", "UPDATE", {"wanted_email": "a@example.org"}, {"wanted_email": None}),
    (Kind.LINK_USED, "access_link", "UPDATE", {"used_at": None}, {"used_at": DAY}),
    (Kind.LINK_ENDED, "access_link", "UPDATE", {"revoked_at": None}, {"revoked_at": DAY}),
    (Kind.LINK_PURGED, "access_link", "DELETE", {"purpose": "recovery"}, None),
    (Kind.FACTOR_STARTED, "second_factor", "INSERT", None, {"user_id": 1}),
    (Kind.FACTOR_ON, "second_factor", "UPDATE", {"confirmed_at": None}, {"confirmed_at": DAY}),
    (Kind.FACTOR_MOVING, "second_factor", "UPDATE", {"next_created_at": None}, {"next_created_at": DAY}),
    (Kind.FACTOR_STAYED, "second_factor", "UPDATE", {"next_created_at": DAY}, {"next_created_at": None}),
    (Kind.FACTOR_MOVED, "second_factor", "UPDATE", {"secret": "•", "confirmed_at": DAY}, {"secret": "•", "confirmed_at": "2026-11-28T10:00:00+00:00"}),
    (Kind.FACTOR_OFF, "second_factor", "DELETE", {"user_id": 1}, None),
    (Kind.FACTOR_CHANGED, "second_factor", "UPDATE", {"secret": "•"}, {"secret": "•"}),
    (Kind.CODES_MADE, "recovery_code", "INSERT", None, {"user_id": 1}),
    (Kind.CODE_USED, "recovery_code", "UPDATE", {"used_at": None}, {"used_at": DAY}),
    (Kind.CODES_WITHDRAWN, "recovery_code", "DELETE", {"user_id": 1}, None),
    (Kind.TOKEN_MADE, "api_token", "INSERT", None, {"name": "ERP"}),
    (Kind.TOKEN_REVOKED, "api_token", "UPDATE", {"revoked_at": None}, {"revoked_at": DAY}),
    (Kind.TOKEN_CHANGED, "api_token", "UPDATE", {"name": "a"}, {"name": "b"}),
    (Kind.TOKEN_ERASED, "api_token", "DELETE", {"name": "a"}, None),
    (Kind.DELEGATION_GIVEN, "delegation", "INSERT", None, {"starts_on": "2026-12-01"}),
    (Kind.DELEGATION_ENDED, "delegation", "UPDATE", {"ended_at": None}, {"ended_at": DAY}),
    (Kind.DELEGATION_CHANGED, "delegation", "UPDATE", {"ends_on": "2026-12-01"}, {"ends_on": "2026-12-02"}),
    (Kind.DELEGATION_ERASED, "delegation", "DELETE", {"starts_on": "2026-12-01"}, None),
    (Kind.REVIEW_OPENED, "account_review", "INSERT", None, {"due_on": "2026-12-25"}),
    (Kind.REVIEW_REMINDED, "account_review", "UPDATE", {"reminded_at": None}, {"reminded_at": DAY}),
    (Kind.REVIEW_DONE, "account_review", "UPDATE", {"completed_at": None}, {"completed_at": DAY, "completed_by": 1}),
    (Kind.REVIEW_CHANGED, "account_review", "UPDATE", {"due_on": "2026-12-25"}, {"due_on": "2026-12-26"}),
    (Kind.OBSERVED, "observation", "INSERT", None, {"reason": "Appel"}),
    (Kind.OBSERVATION_ENDED, "observation", "UPDATE", {"ended_at": None}, {"ended_at": DAY}),
    (Kind.OBSERVATION_CHANGED, "observation", "DELETE", {"reason": "Appel"}, None),
    (Kind.EMPTIED, "api_token", "TRUNCATE", None, None),
]


@pytest.mark.parametrize(("kind", "table", "operation", "before", "after"), ENTRIES)
def test_every_entry_has_its_kind(kind: Kind, table: str, operation: str, before: Any, after: Any) -> None:
    assert kind_of(table, operation, before, after) is kind


def test_every_kind_is_covered() -> None:
    assert {entry[0] for entry in ENTRIES} == set(Kind)
    with pytest.raises(ValueError, match="accounts"):
        kind_of("trainee", "INSERT", None, {})


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_a_sentence_in_french(app: Flask, kind: Kind) -> None:
    facts = chronicle_labels.Facts(
        kind, actor="Mme A", on_behalf_of="M. B", whom="Mme C", other="M. D", organisation="OF", detail="X", starts_on="01/12/2026", ends_on="02/12/2026"
    )
    with app.test_request_context():
        words = chronicle_labels.sentence(facts)
        alone = chronicle_labels.sentence(chronicle_labels.Facts(kind))
    assert words.endswith((".", "X")) and "%(" not in words and "None" not in alone
    for english in ("account", "the ", " of "):
        assert english not in words, words


def test_edits() -> None:
    assert chronicle.edits_of({"email": "a", "password": "•"}, {"email": "b", "password": "•"}) == [("email", "a", "b")]


# ---- pages -----------------------------------------------------------------------------------------------------------


def number(session: Session, identifiant: str) -> int:
    with bound_scope(Scope.system()):
        return int(session.scalars(select(User.id).where(User.username == identifiant)).one())


@pytest.fixture
def lived(db_session: Session, app: Flask) -> None:
    """Some acts: deactivation, reactivation, invitation, on somebody's behalf."""
    admin, secondary = number(db_session, "admin"), number(db_session, "secondaire")
    with app.test_request_context(), bound_scope(Scope.system()):
        services.deactivate(secondary, actor_id=admin)
        tenancy.act_on_behalf_of(number(db_session, "region"))
        services.reactivate(secondary, actor_id=admin)
        tenancy.act_on_behalf_of(None)
        with bound_scope(Scope.system(), actor_id=number(db_session, "principal")), transaction() as session:
            user = session.get(User, secondary)
            issue_link(session, user, LinkPurpose.REGENERATION)
            user.email = "karim@example.org"


@pytest.mark.usefixtures("lived")
def test_the_principal_reads_the_acts_on_its_own_accounts(as_user: AsUser) -> None:
    page = as_user("principal").get("/gestion-organisme/historique/?size=100").text
    for words in (
        "Historique des comptes",
        "Mme ROUSSEL Claire a désactivé le compte de M. MOREAU Karim.",
        "Mme ROUSSEL Claire, pour le compte de M. FABRE Julien, a réactivé le compte de M. MOREAU Karim.",
        "Mme BLANC Paule a régénéré le mot de passe de M. MOREAU Karim",
        "karim@example.org",
        "Compte secondaire",
    ):
        assert words in page, words
    assert "GARCIA" not in page


@pytest.mark.usefixtures("lived")
def test_a_principal_reads_nothing_of_others(as_user: AsUser, db_session: Session) -> None:
    page = as_user("autre-of").get("/gestion-organisme/historique/?size=100").text
    assert "MOREAU" not in page and "BLANC" not in page and "GARCIA" in page
    for query in (f"compte={number(db_session, 'secondaire')}", "organisme=1&organisme=1", "compte=99999999999", "compte=x"):
        answer = as_user("autre-of").get(f"/gestion-organisme/historique/?{query}")
        assert answer.status_code == 404, query


@pytest.mark.usefixtures("lived")
def test_filters(as_user: AsUser, db_session: Session) -> None:
    support = as_user("support")
    page = support.get(f"/comptes/historique/?compte={number(db_session, 'secondaire')}").text
    assert "a désactivé le compte de M. MOREAU" in page and "GARCIA" not in page
    assert "désactivé" not in support.get("/comptes/historique/?acte=acces&size=100").text
    assert "régénéré" in support.get("/comptes/historique/?acte=acces&size=100").text
    assert "Aucun acte ne correspond" in support.get("/comptes/historique/?au=01/01/2020").text
    wrong = support.get("/comptes/historique/?du=hier")
    assert wrong.status_code == 422 and "hier" in wrong.text
    for group in Group:
        assert support.get(f"/comptes/historique/?acte={group.value}").status_code == 200, group


@pytest.mark.usefixtures("lived")
def test_paging_by_key_reads_every_line_once(db_session: Session, app: Flask) -> None:
    own = db_session.scalar(text("SELECT organisation_id FROM ab_user WHERE username = 'principal'"))
    with app.test_request_context():
        whole = [line.entry_id for line in history.read(Asked(organisation_id=own), before_id=None, size=100).lines]
        seen: list[int] = []
        before = None
        while True:
            found = history.read(Asked(organisation_id=own), before_id=before, size=3)
            seen += [line.entry_id for line in found.lines]
            before = found.after
            if before is None:
                break
    assert set(whole) <= set(seen) and len(seen) == len(set(seen)) and seen == sorted(seen, reverse=True)


def test_a_deleted_account_keeps_its_name(as_user: AsUser, db_session: Session) -> None:
    with bound_scope(Scope.system(), actor_id=number(db_session, "secondaire")), transaction() as session:
        session.execute(text("UPDATE ab_user SET email = 'karim@example.org' WHERE username = 'secondaire'"))
    db_session.execute(text("UPDATE ab_user SET deleted_at = now(), active = false WHERE username = 'secondaire'"))
    page = as_user("principal").get("/gestion-organisme/historique/").text
    assert "compte supprimé : M. MOREAU Karim a modifié" in page


def test_a_deleted_account_is_named_in_french_within_a_sentence(as_user: AsUser, db_session: Session) -> None:
    secondary, principal = number(db_session, "secondaire"), number(db_session, "principal")
    services.regenerate(secondary, actor_id=principal)
    services.delete_account(secondary, actor_id=principal)
    page = as_user("principal").get("/gestion-organisme/historique/").text
    assert "de M. MOREAU Karim (compte supprimé)" in page
    assert "de compte supprimé" not in page


@pytest.mark.usefixtures("lived")
def test_as_many_statements_whatever_the_number_of_lines(db_session: Session, app: Flask) -> None:
    def count(size: int) -> int:
        asked: list[str] = []
        engine = db_session.get_bind()
        event.listen(engine, "before_cursor_execute", note := lambda *args: asked.append(args[2]))
        with app.test_request_context():
            history.read(Asked(), before_id=None, size=size)
        event.remove(engine, "before_cursor_execute", note)
        return len(asked)

    count(2)  # the first one opens the transaction
    assert count(100) == count(2) <= 6


def test_a_form_posted_to_the_journal_is_refused(as_user: AsUser) -> None:
    assert post(as_user("principal"), "/gestion-organisme/historique/").status_code == 405


@pytest.mark.parametrize(("who", "page"), [("principal", "/gestion-organisme/historique/"), ("region", "/comptes/historique/")])
def test_a_day_without_a_day_after(as_user: AsUser, who: str, page: str) -> None:
    browser = as_user(who)
    for typed in ("31/12/9999", "01/01/2201", "31/12/1899"):
        answer = browser.get(f"{page}?au={typed}")
        assert answer.status_code == 422, typed
        assert f"« {typed} »" in answer.text
    assert browser.get(f"{page}?au=31/12/2200").status_code == 200


def test_the_last_day_there_is_limits_nothing(app: Flask, db_session: Session) -> None:
    with app.test_request_context():
        assert history.read(Asked(until=date.max), before_id=None, size=5).lines == history.read(Asked(), before_id=None, size=5).lines
