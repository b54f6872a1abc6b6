"""Requests that wait too long: who is told, after how long, and only once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from app.accounts.models import User
from app.core import clock
from app.core.extensions import db
from app.core.mail.models import MailMessage
from app.core.mail.services import content_of
from app.core.tenancy import Scope, bound_scope
from app.requests import reminders, services
from app.requests.domain import Field, Key, Note, RequestEvent, Target
from tests.requests.helpers import account, ask, decision, later_end, open_action, reread
from tests.requests.test_market import in_force
from tests.requests.test_screens import plain

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]


def aged(request_id: int, days: float) -> None:
    """As if everything about it had happened so many days before."""
    at = clock.now() - timedelta(days=days)
    db.session.execute(text("UPDATE modification_request SET sent_at = :at WHERE id = :id"), {"at": at, "id": request_id})
    db.session.execute(text("UPDATE modification_request_event SET happened_at = :at WHERE request_id = :id"), {"at": at, "id": request_id})
    db.session.commit()


def quiet() -> None:
    """Nothing of the demonstration waits; nothing was sent."""
    db.session.execute(text("UPDATE modification_request SET sent_at = now()"))
    db.session.execute(text("UPDATE modification_request_event SET happened_at = now()"))
    db.session.execute(text("DELETE FROM mail_message"))
    db.session.commit()


def mails(template: str) -> list[tuple[str, str]]:
    """(recipient, text) of the messages written."""
    rows = db.session.scalars(select(MailMessage).where(MailMessage.template == template).order_by(MailMessage.recipient))
    return [(row.recipient, content.text) for row in rows if (content := content_of(row)) is not None]


def test_validators_then_administrators_each_once(db_session: Session) -> None:
    in_force({"outcome": "instruct"}, remind_days=10, escalate_days=20)
    quiet()
    action, young = open_action(), open_action()
    request_id = ask(action)
    ask(young)
    aged(request_id, 9.9)
    assert reminders.remind() == 0
    aged(request_id, 10.1)
    assert reminders.remind() == 1
    assert reminders.remind() == 0, "told once"
    (told,) = mails("requests_late")
    assert "region" in told[0]
    assert action.number in told[1]
    assert young.number not in told[1]
    assert "depuis 10 jours ou plus" in told[1]
    aged(request_id, 20.1)
    assert reminders.remind() == 1
    assert reminders.remind() == 0
    assert len(mails("requests_late")) == 2
    assert any("bien que les validateurs" in words for _to, words in mails("requests_late"))


def test_nobody_to_tell_this_morning_is_another_morning(db_session: Session) -> None:
    in_force({"outcome": "instruct"}, remind_days=10, escalate_days=300, correction_days=5)
    quiet()
    waiting, sent_back = ask(open_action()), ask(open_action())
    services.decide(sent_back, decision(RequestEvent.ASK_CORRECTION, sent_back, observations="Précisez."))
    aged(waiting, 11)
    aged(sent_back, 11)
    db_session.execute(text("DELETE FROM mail_message"))
    held = list(db_session.scalars(select(User.id).where(User.active.is_(True))))
    db_session.execute(update(User).where(User.id.in_(held)).values(active=False))
    assert reminders.remind() == 0
    db_session.execute(update(User).where(User.id.in_(held)).values(active=True))
    assert reminders.remind() >= 2
    assert mails("requests_late")
    assert mails("request_correction_late")


def test_the_reminder_of_a_correction_gives_the_words_on_lines(db_session: Session) -> None:
    in_force({"outcome": "instruct"}, correction_days=5)
    quiet()
    action = open_action()
    request_id = ask(action)
    note = Note(Key(Target.ACTION, action.id, Field.PLANNED_END), "Le 30 au plus tard.")
    services.decide(request_id, decision(RequestEvent.ASK_CORRECTION, request_id, notes=(note,)))
    aged(request_id, 5.1)
    assert reminders.remind() == 1
    assert "Le 30 au plus tard." in mails("request_correction_late")[0][1]


def test_what_is_decided_is_not_reminded_of(db_session: Session) -> None:
    in_force({"outcome": "instruct"}, remind_days=10, escalate_days=20)
    quiet()
    request_id = ask(open_action())
    services.decide(request_id, decision(RequestEvent.REFUSE, request_id, observations="Non."))
    aged(request_id, 50)
    assert reminders.remind() == 0


def test_the_organisation_is_told_that_its_correction_is_awaited_once_each_time(db_session: Session) -> None:
    in_force({"outcome": "instruct"}, correction_days=5)
    quiet()
    action = open_action()
    with bound_scope(Scope.system(), actor_id=account("secondaire")):
        request_id = ask(action)
    services.decide(request_id, decision(RequestEvent.ASK_CORRECTION, request_id, observations="Précisez."))
    aged(request_id, 5.1)
    assert reminders.remind() == 2, "who sent it, and the principal"
    assert reminders.remind() == 0
    for _to, words in mails("request_correction_late"):
        assert action.number in words
        assert "Précisez." in words
    services.send_again(request_id, services.Asked(later_end(action, 31), "x"), version=reread(request_id).version)
    services.decide(request_id, decision(RequestEvent.ASK_CORRECTION, request_id, observations="Encore."))
    assert reminders.remind() == 0
    aged(request_id, 5.1)
    assert reminders.remind() == 1, "a second sending back is another wait; the sender of the second sending is nobody here"


def test_the_database_lets_one_reminder_be(db_session: Session) -> None:
    request_id = ask(open_action())
    statement = text(
        "INSERT INTO request_reminder (organisation_id, event_id, kind, sent_at) "
        "SELECT organisation_id, id, 'validators', now() FROM modification_request_event WHERE request_id = :id"
    )
    db_session.execute(statement, {"id": request_id})
    with pytest.raises(IntegrityError, match="uq_request_reminder_event_id_kind"):
        db_session.execute(statement, {"id": request_id})
    db_session.rollback()


def test_two_runs_at_once_tell_once(committed: Flask) -> None:
    with committed.app_context(), bound_scope(Scope.system()):
        in_force({"outcome": "instruct"}, remind_days=10, escalate_days=300)
        quiet()
        aged(ask(open_action()), 11)
    start = Barrier(2)

    def run() -> int:
        with committed.app_context(), bound_scope(Scope.system()):
            start.wait(10)
            return reminders.remind()

    with ThreadPoolExecutor(2) as pool:
        written = [one.result() for one in [pool.submit(run) for _number in range(2)]]
    assert sorted(written) == [0, 1]
    with committed.app_context(), bound_scope(Scope.system()):
        assert len(mails("requests_late")) == 1


def test_the_queue_says_who_is_late(as_user: AsUser, db_session: Session) -> None:
    in_force({"outcome": "instruct"}, remind_days=10, escalate_days=20)
    quiet()
    old, young = ask(open_action()), ask(open_action())
    aged(old, 12)
    page = as_user("region").get("/demandes-de-modification/").text
    rows = {one: next(row for row in page.split("<tr") if f'value="{one}"' in row) for one in (old, young)}
    assert "En retard" in plain("<main>" + rows[old] + "</main>")
    assert "depuis 12 jours" in plain("<main>" + rows[old] + "</main>")
    assert "En retard" not in plain("<main>" + rows[young] + "</main>")


def test_the_job_is_declared(app: Flask) -> None:
    from app.core.jobs import PERIODIC

    (job,) = [one for one in PERIODIC if one.name == "remind-requests"]
    assert job.func == "app.requests.jobs:remind"
