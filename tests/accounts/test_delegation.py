"""Dated delegation: its days, what it lends and what it never does, and what the journal says of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from flask_appbuilder.security.sqla.models import User
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from app.accounts import domain, mandates, services
from app.accounts.domain import Act, DelegationProblem, DelegationState, Party, Refusal
from app.accounts.models import Delegation
from app.core import clock
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import WRONG, post, sign_in
from tests.accounts.test_rights import id_of, narrow

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

AsUser = Callable[[str], "FlaskClient"]

# ---- rules -------------------------------------------------------------------------------------------------------------

TODAY = date(2026, 11, 25)


@pytest.mark.parametrize(
    ("starts", "ends", "problems"),
    [
        (TODAY, TODAY, []),
        (TODAY, date(2027, 11, 24), []),
        (TODAY, date(2027, 11, 25), [DelegationProblem.TOO_LONG]),
        (date(2026, 11, 24), TODAY, [DelegationProblem.STARTS_IN_THE_PAST]),
        (date(2026, 12, 2), date(2026, 12, 1), [DelegationProblem.ENDS_BEFORE_START]),
        (date(2027, 11, 26), date(2027, 11, 27), [DelegationProblem.STARTS_TOO_LATE]),
        (date(2026, 11, 1), date(2026, 10, 1), [DelegationProblem.STARTS_IN_THE_PAST, DelegationProblem.ENDS_BEFORE_START]),
    ],
)
def test_the_days_of_a_delegation(starts: date, ends: date, problems: list[DelegationProblem]) -> None:
    assert domain.delegation_problems(starts, ends, TODAY) == problems


def test_a_leap_day_lasts_a_year_too() -> None:
    leap = date(2028, 2, 29)
    assert domain.delegation_problems(leap, date(2029, 2, 28), leap) == []
    assert domain.delegation_problems(leap, date(2029, 3, 1), leap) == [DelegationProblem.TOO_LONG]


def test_where_a_delegation_stands() -> None:
    def state(day: date, ended: datetime | None = None) -> DelegationState:
        return domain.delegation_state(starts_on=date(2026, 12, 1), ends_on=date(2026, 12, 3), ended_at=ended, today=day)

    assert [state(date(2026, 11, 30) + timedelta(days=n)) for n in range(5)] == [
        DelegationState.COMING,
        DelegationState.CURRENT,
        DelegationState.CURRENT,
        DelegationState.CURRENT,
        DelegationState.PAST,
    ]
    assert state(date(2026, 12, 2), datetime(2026, 12, 1, tzinfo=UTC)) is DelegationState.TAKEN_BACK


_ORGANISATION_ROLES = st.sampled_from([Role.PRINCIPAL, Role.SECONDARY, Role.READ_ONLY])
_TARGETS = st.builds(
    Party,
    id=st.integers(1, 4),
    roles=st.frozensets(st.sampled_from([role.value for role in Role]), min_size=1, max_size=2),
    organisation_id=st.sampled_from([None, 7, 8]),
)


@given(_TARGETS, st.sampled_from(list(Act)))
def test_standing_in_is_the_principal_less_what_is_never_lent(target: Party, act: Act) -> None:
    """Whoever stands in does nothing that the principal could not do, and never touches itself, the principal or its own mandate."""
    principal = Party(1, frozenset({Role.PRINCIPAL.value}), 7)
    delegate = domain.standing_in(Party(2, frozenset({Role.SECONDARY.value}), 7), 1)
    if domain.refusal_of(delegate, act, target) is None:
        assert act is not Act.DELEGATE
        assert target.id != 2 or act is Act.VIEW
        assert target.id != 1 or act is Act.VIEW or not target.has(Role.PRINCIPAL)
        assert target.id == 1 or domain.refusal_of(principal, act, target) is None


def test_nothing_of_the_delegate_touches_the_delegator() -> None:
    principal = Party(1, frozenset({Role.PRINCIPAL.value}), 7)
    delegate = domain.standing_in(Party(2, frozenset({Role.SECONDARY.value}), 7), 1)
    for act in set(Act) - {Act.VIEW}:
        assert domain.refusal_of(delegate, act, principal) is not None
        assert domain.refusal_of(delegate, act, Party(2, frozenset({Role.SECONDARY.value}), 7)) is Refusal.OWN_ACCOUNT
    assert domain.refusal_of(delegate, Act.UNBLOCK, Party(3, frozenset({Role.SECONDARY.value}), 7)) is None


# ---- days --------------------------------------------------------------------------------------------------------------


def lend(session: Session, starts: date, ends: date) -> int:
    """A delegation from "principal" to "secondaire"."""
    with bound_scope(Scope.system()), transaction():
        principal, secondary = id_of(session, "principal"), id_of(session, "secondaire")
        organisation = session.scalar(text("SELECT organisation_id FROM ab_user WHERE id = :id"), {"id": principal})
        made = Delegation(organisation_id=organisation, delegator_id=principal, delegate_id=secondary, starts_on=starts, ends_on=ends)
        session.add(made)
        session.flush()
        return made.id


def lend_now(session: Session) -> int:
    return lend(session, clock.today(), clock.today() + timedelta(days=5))


def acting_for(session: Session) -> int | None:
    with bound_scope(Scope.system()):
        found = mandates.current(session, id_of(session, "secondaire"), clock.today())
    return None if found is None else found.delegator_id


@pytest.mark.parametrize(
    ("first", "last", "before", "begins", "ends", "after"),
    [
        # clocks go forward in the night before the last day, and back in the other one: the day is Paris's, whatever it lasts
        (date(2027, 3, 27), date(2027, 3, 28), "2027-03-26T22:59:59", "2027-03-26T23:00:00", "2027-03-28T21:59:59", "2027-03-28T22:00:00"),
        (date(2027, 10, 30), date(2027, 10, 31), "2027-10-29T21:59:59", "2027-10-29T22:00:00", "2027-10-31T22:59:59", "2027-10-31T23:00:00"),
        (date(2027, 1, 1), date(2027, 1, 1), "2026-12-31T22:59:59", "2026-12-31T23:00:00", "2027-01-01T22:59:59", "2027-01-01T23:00:00"),
    ],
)
def test_from_midnight_to_midnight_in_paris(db_session: Session, first: date, last: date, before: str, begins: str, ends: str, after: str) -> None:
    lend(db_session, first, last)
    principal = id_of(db_session, "principal")
    for instant, expected in ((before, None), (begins, principal), (ends, principal), (after, None)):
        with time_machine.travel(datetime.fromisoformat(instant).replace(tzinfo=UTC), tick=False):
            assert acting_for(db_session) == expected, instant


def test_the_rights_end_at_midnight_and_the_session_goes_on(as_user: AsUser, db_session: Session) -> None:
    day = clock.today() + timedelta(days=10)
    lend(db_session, day, day)
    last_minutes = datetime.combine(day, datetime.min.time(), clock.LOCAL_ZONE).replace(hour=23, minute=50)
    with time_machine.travel(last_minutes, tick=False) as traveller:
        browser = as_user("secondaire")
        assert browser.get("/gestion-organisme/comptes/").status_code == 200
        traveller.shift(timedelta(minutes=11))
        assert browser.get("/gestion-organisme/comptes/").status_code == 403
        page = browser.get("/mon-compte/")
        assert page.status_code == 200
        assert "pour le compte de" not in page.text


def test_it_ends_with_the_accounts_it_holds_between(db_session: Session) -> None:
    secondary, admin = id_of(db_session, "secondaire"), id_of(db_session, "admin")
    lend_now(db_session)
    assert acting_for(db_session) == id_of(db_session, "principal")
    services.deactivate(secondary, actor_id=admin)
    assert acting_for(db_session) is None
    services.reactivate(secondary, actor_id=admin)
    assert acting_for(db_session) is None  # waking an account up does not wake up what it had been lent


def test_it_ends_when_the_delegator_is_the_principal_no_longer(db_session: Session) -> None:
    lend_now(db_session)
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(text("UPDATE ab_user SET is_principal = false WHERE username = 'principal'"))
    assert acting_for(db_session) is None
    assert db_session.scalar(text("SELECT ended_at FROM delegation")) is not None


def test_a_stranger_s_wrong_passwords_do_not_end_it(app: Flask, db_session: Session) -> None:
    lend_now(db_session)
    for _ in range(3):
        sign_in(app.test_client(), "principal", WRONG)
    assert db_session.scalar(text("SELECT failed_attempts FROM ab_user WHERE username = 'principal'")) == 3
    assert acting_for(db_session) == id_of(db_session, "principal")


def test_a_delegation_does_not_replace_the_principal(db_session: Session) -> None:
    lend_now(db_session)
    with pytest.raises(services.AccountRefused) as refused:
        services.deactivate(id_of(db_session, "principal"), actor_id=id_of(db_session, "admin"))
    assert refused.value.refusal is Refusal.LAST_PRINCIPAL


# ---- what is lent ------------------------------------------------------------------------------------------------------


def other_secondary(session: Session) -> int:
    """A blocked colleague."""
    with bound_scope(Scope.system()), transaction():
        organisation = session.scalar(text("SELECT organisation_id FROM ab_user WHERE username = 'principal'"))
        made = services.create_account(
            first_name="Léa", last_name="PETIT", email="lea@example.org", roles=(Role.SECONDARY,), organisation_id=organisation,
            civility="MME", identifiant="lea-petit", password="Quelle-belle-journee-2026!",
        )  # fmt: skip
        session.execute(text("UPDATE ab_user SET blocked_at = now(), failed_attempts = 3 WHERE id = :id"), {"id": made})
    return made


def last_entry(session: Session, row_id: int) -> Any:
    with bound_scope(Scope.system()):
        return session.execute(
            text("SELECT actor_id, on_behalf_of_id FROM audit_entry WHERE table_name = 'ab_user' AND row_id = :id ORDER BY id DESC LIMIT 1"), {"id": str(row_id)}
        ).one()


def test_standing_in_opens_the_principal_s_pages_and_says_so(as_user: AsUser, db_session: Session) -> None:
    browser, blocked = as_user("secondaire"), other_secondary(db_session)
    assert browser.get("/gestion-organisme/comptes/").status_code == 403
    lend_now(db_session)
    page = browser.get("/").text
    assert "Vous agissez pour le compte de Madame BLANC Paule jusqu’au" in page
    assert "Comptes utilisateurs" in page
    assert 'href="/gestion-organisme/delegation/' not in page
    assert post(browser, f"/gestion-organisme/comptes/{blocked}/debloquer").status_code == 303
    assert last_entry(db_session, blocked) == (id_of(db_session, "secondaire"), id_of(db_session, "principal"))


def test_what_the_account_may_do_by_itself_is_its_own(as_user: AsUser, db_session: Session) -> None:
    """An act on behalf of the principal is one that needs the delegation."""
    lend_now(db_session)
    browser = as_user("secondaire")
    with bound_scope(Scope.system()):
        action_id = db_session.scalar(text("SELECT a.id FROM action a JOIN ab_user u USING (organisation_id) WHERE u.username = 'principal' LIMIT 1"))
    assert browser.get(f"/actions-de-formation/{action_id}").status_code == 200
    before = db_session.scalar(text("SELECT max(id) FROM audit_entry"))
    post(browser, "/mon-compte/sessions/deconnecter")
    rows = db_session.execute(text("SELECT actor_id, on_behalf_of_id FROM audit_entry WHERE id > :id"), {"id": before}).all()
    assert all(row.on_behalf_of_id is None for row in rows)


def test_a_narrowed_account_stands_in_with_all_the_principal_s_rights(as_user: AsUser, db_session: Session) -> None:
    with bound_scope(Scope.system()):
        action_id, other = db_session.scalars(
            text("SELECT a.id FROM action a JOIN ab_user u USING (organisation_id) WHERE u.username = 'principal' ORDER BY a.id LIMIT 2")
        ).all()
    narrow(db_session, "secondaire", [], [action_id])
    browser = as_user("secondaire")
    assert browser.get(f"/actions-de-formation/{other}").status_code == 404
    assert browser.get("/imports/").status_code == 403
    delegation_id = lend_now(db_session)
    assert browser.get(f"/actions-de-formation/{other}").status_code == 200
    assert browser.get("/imports/").status_code == 200
    services.take_back(delegation_id, actor_id=id_of(db_session, "principal"))
    assert browser.get(f"/actions-de-formation/{other}").status_code == 404
    assert browser.get("/imports/").status_code == 403


def test_what_is_never_lent(as_user: AsUser, db_session: Session) -> None:
    delegation_id = lend_now(db_session)
    browser, own, principal = as_user("secondaire"), id_of(db_session, "secondaire"), id_of(db_session, "principal")
    assert browser.get("/gestion-organisme/delegation/").status_code == 403
    assert post(browser, f"/gestion-organisme/delegation/{delegation_id}/reprendre").status_code == 403
    for user_id in (own, principal):
        assert browser.get(f"/gestion-organisme/droits/{user_id}").status_code == 403
        assert post(browser, f"/gestion-organisme/comptes/{user_id}/debloquer").status_code == 403
    with pytest.raises(services.AccountRefused):
        services.delegate(other_secondary(db_session), starts_on=clock.today(), ends_on=clock.today(), actor_id=own)
    with pytest.raises(services.AccountRefused):
        services.take_back(delegation_id, actor_id=own)


def test_a_delegation_costs_no_further_statement(app: Flask, as_user: AsUser, db_session: Session) -> None:
    from tests.architecture.test_queries import counted

    browser = as_user("secondaire")
    browser.get("/mon-compte/")
    with counted(app) as before:
        browser.get("/mon-compte/")
    lend_now(db_session)
    browser.get("/mon-compte/")
    with counted(app) as after:
        browser.get("/mon-compte/")
    assert len(after) == len(before)


# ---- the screen --------------------------------------------------------------------------------------------------------

PATH = "/gestion-organisme/delegation/"


def fr(day: date) -> str:
    return day.strftime("%d/%m/%Y")


def test_the_principal_lends_and_takes_back(as_user: AsUser, db_session: Session) -> None:
    browser, today = as_user("principal"), clock.today()
    assert "Aucune délégation" in browser.get(PATH).text
    values = {"delegate_id": str(id_of(db_session, "secondaire")), "starts_on": fr(today), "ends_on": fr(today + timedelta(days=7))}
    assert post(browser, PATH, values).status_code == 303
    page = browser.get(PATH).text
    for words in ("Vos droits sont délégués à M. MOREAU Karim", "En cours", "Reprendre"):
        assert words in page, words
    again = post(browser, PATH, values)
    assert again.status_code == 422
    assert "occupe une partie de ces jours" in again.text
    delegation_id = db_session.scalar(text("SELECT id FROM delegation"))
    asked = browser.get(f"{PATH}{delegation_id}/reprendre").text
    assert "n’aura plus vos droits" in asked
    assert post(browser, f"{PATH}{delegation_id}/reprendre").status_code == 303
    page = browser.get(PATH).text
    assert "Reprise avant la fin" in page
    assert post(browser, f"{PATH}{delegation_id}/reprendre").status_code == 303
    assert "déjà terminée" in browser.get(PATH).text
    mails = db_session.execute(text("SELECT template, recipient FROM mail_message WHERE template LIKE 'delegation%' ORDER BY template, recipient")).all()
    assert [tuple(row) for row in mails] == [
        ("delegation_ended", "principal@example.org"),
        ("delegation_ended", "secondaire@example.org"),
        ("delegation_given", "principal@example.org"),
        ("delegation_given", "secondaire@example.org"),
    ]


def test_wrong_input_is_kept_and_explained(as_user: AsUser, db_session: Session) -> None:
    browser, today = as_user("principal"), clock.today()
    yesterday = today - timedelta(days=1)
    values = {"delegate_id": str(id_of(db_session, "secondaire")), "starts_on": fr(yesterday), "ends_on": "bientôt"}
    page = post(browser, PATH, values)
    assert page.status_code == 422
    assert 'value="bientôt"' in page.text
    assert 'value="' + fr(yesterday) in page.text
    page = post(browser, PATH, values | {"ends_on": fr(yesterday - timedelta(days=1))})
    assert page.status_code == 422
    assert f"Le {fr(yesterday)} est passé" in page.text
    assert "vient avant le premier jour" in page.text
    assert post(browser, PATH, {"starts_on": "", "ends_on": ""}).status_code == 422
    foreign = str(id_of(db_session, "autre-of"))
    assert post(browser, PATH, values | {"delegate_id": foreign, "starts_on": fr(today), "ends_on": fr(today)}).status_code == 422


def test_another_organisation_s_delegation_does_not_exist(as_user: AsUser, db_session: Session) -> None:
    delegation_id = lend_now(db_session)
    browser = as_user("autre-of")
    assert browser.get(f"{PATH}{delegation_id}/reprendre").status_code == 404
    assert post(browser, f"{PATH}{delegation_id}/reprendre").status_code == 404


def test_the_journal_screen_names_both(as_user: AsUser, db_session: Session) -> None:
    blocked = other_secondary(db_session)
    lend_now(db_session)
    post(as_user("secondaire"), f"/gestion-organisme/comptes/{blocked}/debloquer")
    page = as_user("admin").get("/supervision/journal/list/").text
    assert "Pour le compte de" in page
    assert "Karim MOREAU" in page
    assert "Paule BLANC" in page


def test_two_delegations_at_once_are_one(committed: Flask) -> None:
    """Two windows of the principal: one delegation is made, the other is told why not."""
    with committed.app_context(), bound_scope(Scope.system()):
        from app.core.extensions import db

        ids = {name: db.session.scalar(select(User.id).where(User.username == name)) for name in ("principal", "secondaire")}

    def one(_turn: int) -> str:
        with committed.app_context():
            try:
                services.delegate(ids["secondaire"], starts_on=clock.today(), ends_on=clock.today() + timedelta(days=3), actor_id=ids["principal"])
            except services.DelegationOverlap:
                return "refused"
            return "made"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(one, range(4)))
    assert outcomes == ["made", "refused", "refused", "refused"]


def test_days_that_no_date_can_follow(as_user: AsUser) -> None:
    """31/12/9999 has no day after, nor a year after: it is refused as a date, and the rules survive it all the same."""
    assert domain.a_year_after(date(9999, 12, 31)) == date.max
    answer = post(as_user("principal"), "/gestion-organisme/delegation/", {"delegate_id": "1", "starts_on": "31/12/9999", "ends_on": "31/12/9999"})
    assert answer.status_code == 422
    assert answer.text.count("Cette date est illisible") >= 2 or answer.text.count("jj/mm/aaaa") >= 2
