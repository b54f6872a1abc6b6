"""The yearly review of accounts, and accounts unused for twelve months."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import select, text, update

from app.accounts import domain, jobs, services
from app.accounts.models import AccountReview
from app.core import clock
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import post, sign_in

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

AsUser = Callable[[str], "FlaskClient"]


def account(session: Session, identifiant: str) -> User:
    with bound_scope(Scope.system()):
        return session.scalars(select(User).where(User.username == identifiant).execution_options(populate_existing=True)).unique().one()


def mails(session: Session, template: str) -> list[str]:
    with bound_scope(Scope.system()):
        return sorted(session.scalars(text("SELECT recipient FROM mail_message WHERE template = :name"), {"name": template}))


@pytest.fixture
def a_year_later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Move the clock: at first to 400 days after the demonstration was loaded."""
    start = clock.now()

    def move(by: timedelta) -> None:
        monkeypatch.setattr(clock, "now", lambda: start + by)

    move(timedelta(days=400))
    return move


@pytest.fixture(autouse=True)
def in_a_request(app: Flask, db_session: Session) -> Any:
    with app.test_request_context():
        yield


# ---- review ----------------------------------------------------------------------------------------------------------


def test_no_review_in_the_first_year(db_session: Session) -> None:
    assert services.open_reviews() == 0


@pytest.mark.usefixtures("a_year_later")
def test_a_review_opens_once_for_those_with_secondary_accounts(db_session: Session) -> None:
    assert services.open_reviews() == 1
    assert services.open_reviews() == 0
    assert mails(db_session, "account_review") == ["principal@example.org"]
    review = db_session.scalars(select(AccountReview)).one()
    assert review.organisation_id == account(db_session, "principal").organisation_id
    assert review.due_on == clock.today() + domain.REVIEW_TIME


def test_one_reminder_then_the_next_year(db_session: Session, a_year_later: Callable[[timedelta], None]) -> None:
    jobs.review_accounts()
    a_year_later(timedelta(days=414))
    assert services.remind_reviews() == 0
    a_year_later(timedelta(days=416))
    assert services.remind_reviews() == 1
    assert services.remind_reviews() == 0
    assert len(mails(db_session, "account_review")) == 2
    a_year_later(timedelta(days=800))
    assert services.open_reviews() == 0, "the review of last year still waits"
    principal = account(db_session, "principal")
    services.complete_review(principal.organisation_id, {account(db_session, "secondaire").id: True}, actor_id=principal.id)
    assert services.open_reviews() == 1


@pytest.fixture
def review(db_session: Session) -> AccountReview:
    own = account(db_session, "principal").organisation_id
    found = AccountReview(organisation_id=own, opened_at=clock.now(), due_on=clock.today() + timedelta(days=30))
    with transaction():
        db_session.add(found)
    return found


def test_the_principal_goes_through_the_list(as_user: AsUser, db_session: Session, review: AccountReview) -> None:
    browser = as_user("principal")
    assert "revue des comptes" in browser.get("/").text.lower()
    page = browser.get("/gestion-organisme/revue/").text
    for words in ("Revue des comptes", "M. MOREAU Karim", "jamais", "Terminer la revue", "Garder", "Désactiver"):
        assert words in page, words
    number = account(db_session, "secondaire").id
    refused = post(browser, "/gestion-organisme/revue/")
    assert refused.status_code == 422 and "M. MOREAU Karim" in refused.text and "error-summary" in refused.text
    done = post(browser, "/gestion-organisme/revue/", {f"compte-{number}": "desactiver"}, follow_redirects=True)
    assert "1 compte a été désactivé" in done.text
    assert mails(db_session, "account_deactivated") == ["secondaire@example.org"]
    user = account(db_session, "secondaire")
    assert not user.active and user.deactivated_at is not None
    db_session.refresh(review)
    assert review.completed_by == account(db_session, "principal").id
    assert "Aucune revue n’est en cours" in browser.get("/gestion-organisme/revue/").text
    assert post(browser, "/gestion-organisme/revue/").status_code == 303


def test_keeping_all(as_user: AsUser, db_session: Session, review: AccountReview) -> None:
    number = account(db_session, "secondaire").id
    done = post(as_user("principal"), "/gestion-organisme/revue/", {f"compte-{number}": "garder"}, follow_redirects=True)
    assert "tous les comptes sont gardés" in done.text
    assert account(db_session, "secondaire").active


def test_who_is_kept_is_not_closed_for_want_of_use(app: Flask, db_session: Session, a_year_later: Callable[[timedelta], None]) -> None:
    principal, secondary = account(db_session, "principal"), account(db_session, "secondaire")
    db_session.execute(update(User).where(User.username.in_(["admin", "region", "support"])).values(last_sign_in_at=clock.now()))
    with transaction():
        db_session.add(AccountReview(organisation_id=principal.organisation_id, opened_at=clock.now(), due_on=clock.today()))
    assert services.announce_unused() == 1
    services.complete_review(principal.organisation_id, {secondary.id: True}, actor_id=principal.id)
    assert account(db_session, "secondaire").inactivity_notice_at is None
    a_year_later(timedelta(days=400) + domain.UNUSED_NOTICE + timedelta(days=1))
    assert jobs.close_unused_accounts() == 0
    assert account(db_session, "secondaire").active
    a_year_later(timedelta(days=800))  # nobody reviewed it for a year
    db_session.execute(update(User).where(User.username.in_(["admin", "region", "support"])).values(last_sign_in_at=clock.now()))
    assert services.announce_unused() == 1


def test_a_review_costs_the_same_however_many_leave(db_session: Session, review: AccountReview) -> None:
    """Each mail is a statement of its own; nothing else grows."""
    from sqlalchemy import event

    organisation_id, principal = review.organisation_id, account(db_session, "principal").id

    def cost(leaving: int) -> int:
        for number in range(leaving):
            services.create_account(
                first_name="A", last_name="B", email=f"a{number}@example.org", roles=[Role.SECONDARY], organisation_id=organisation_id, actor_id=None
            )
        with bound_scope(Scope.system()), transaction():
            db_session.execute(update(AccountReview).values(completed_at=None, completed_by=None))
            open_ones = list(
                db_session.scalars(select(User.id).where(User.organisation_id == organisation_id, User.is_principal.is_(False), User.active.is_(True)))
            )
        seen: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            if "mail_message" not in statement and not statement.startswith(("SAVEPOINT", "RELEASE")):
                seen.append(statement)

        connection = db_session.connection()
        event.listen(connection, "before_cursor_execute", note)
        try:
            assert services.complete_review(organisation_id, dict.fromkeys(open_ones, False), actor_id=principal) == len(open_ones) >= leaving
        finally:
            event.remove(connection, "before_cursor_execute", note)
        return len(seen)

    cost(2)
    assert cost(3) == cost(12)


def test_a_review_decides_about_every_account_and_no_other(db_session: Session, review: AccountReview) -> None:
    principal, other = account(db_session, "principal"), account(db_session, "autre-of")
    with pytest.raises(services.ReviewIncomplete):
        services.complete_review(principal.organisation_id, {}, actor_id=principal.id)
    with pytest.raises(services.AccountNotFound):
        services.complete_review(principal.organisation_id, {other.id: False}, actor_id=principal.id)
    with pytest.raises(services.AccountNotFound):
        services.complete_review(principal.organisation_id, {account(db_session, "secondaire").id: False}, actor_id=other.id)
    with pytest.raises(services.AccountRefused):
        services.complete_review(other.organisation_id, {}, actor_id=other.id)


# ---- accounts left unused --------------------------------------------------------------------------------------------


def test_announced_then_deactivated(db_session: Session, a_year_later: Callable[[timedelta], None]) -> None:
    db_session.execute(update(User).where(User.username.in_(["admin", "region", "support"])).values(last_sign_in_at=clock.now()))
    assert jobs.close_unused_accounts() == 1
    assert services.announce_unused() == 0
    assert mails(db_session, "account_unused") == ["secondaire@example.org"]
    assert mails(db_session, "account_unused_manager") == ["principal@example.org"]
    a_year_later(timedelta(days=429))
    assert services.deactivate_unused() == 0
    a_year_later(timedelta(days=431))
    assert services.deactivate_unused() == 1
    assert services.deactivate_unused() == 0
    user = account(db_session, "secondaire")
    assert not user.active and user.deactivated_at is not None and user.inactivity_notice_at is None
    assert account(db_session, "principal").active and account(db_session, "autre-of").active
    assert len(mails(db_session, "account_unused")) == 2


def test_a_woken_account_is_told_again_first(db_session: Session, a_year_later: Callable[[timedelta], None]) -> None:
    services.announce_unused()
    a_year_later(timedelta(days=431))
    services.deactivate_unused()
    services.reactivate(account(db_session, "secondaire").id, actor_id=account(db_session, "principal").id)
    assert services.deactivate_unused() == 0
    services.announce_unused()
    assert services.deactivate_unused() == 0
    assert account(db_session, "secondaire").active


def test_signing_in_cancels_the_notice(app: Flask, db_session: Session, a_year_later: Callable[[timedelta], None]) -> None:
    services.announce_unused()
    assert account(db_session, "secondaire").inactivity_notice_at is not None
    assert sign_in(app.test_client(), "secondaire").status_code == 303
    assert account(db_session, "secondaire").inactivity_notice_at is None
    a_year_later(timedelta(days=431))
    services.deactivate_unused()
    assert account(db_session, "secondaire").active


def test_the_last_administrator_and_the_principals_stay(db_session: Session, a_year_later: Callable[[timedelta], None]) -> None:
    services.announce_unused()
    a_year_later(timedelta(days=431))
    services.deactivate_unused()
    closed = set(db_session.scalars(select(User.username).where(User.active.is_(False))))
    assert closed == {"secondaire", "support", "region"}


def test_which_administrators_stay() -> None:
    old, older, recent = (datetime(2025, month, 1, tzinfo=UTC) for month in (3, 2, 12))
    cut = datetime(2025, 6, 1, tzinfo=UTC)
    assert domain.administrators_to_keep({1: old, 2: older}, unused_before=cut) == {1}
    assert domain.administrators_to_keep({1: old, 2: recent}, unused_before=cut) == set()
    assert domain.administrators_to_keep({}, unused_before=cut) == set()
