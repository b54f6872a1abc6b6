"""Mail leaves only with the act it speaks of, is encrypted while it waits, and is retried until it is refused for good."""

from __future__ import annotations

import smtplib
import uuid
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from jinja2 import ChoiceLoader, DictLoader
from sqlalchemy import select, text, update

from app.core import clock
from app.core.mail import services, smtp
from app.core.mail.models import MailMessage, MailState
from app.core.mail.views import linkify
from app.core.tenancy import Scope
from app.core.transaction import transaction

SECRET = "jeton-tres-secret-0123456789"
TEXT = '{% set subject = "Bonjour " ~ name %}Bonjour {{ name }},\nvotre lien : {{ public_url }}/x?t={{ token }}.\n'
HTML = '{% extends "mail/base.html" %}{% block content %}<p>{{ name }}</p>{% endblock %}'


@pytest.fixture
def mailing(kernel: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The application in production's way (no demonstration), with two templates and a server that records."""

    environment = kernel.app.jinja_env
    monkeypatch.setattr(
        environment, "loader", ChoiceLoader([DictLoader({"mail/probe.txt": TEXT, "mail/probe.html": HTML}), environment.loader])
    )
    monkeypatch.setitem(kernel.app.config, "DEMO", False)
    monkeypatch.setitem(kernel.app.config, "SMTP_URL", "smtp://127.0.0.1:1")
    monkeypatch.setattr(services, "_nudge", lambda message_id: None)
    yield kernel
    with kernel.working(Scope.system()), transaction():
        from app.core.extensions import db

        db.session.execute(text("DELETE FROM mail_message"))


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> list[EmailMessage]:
    sent: list[EmailMessage] = []
    monkeypatch.setattr(smtp, "deliver_email", lambda url, email: sent.append(email))
    return sent


def _send(kernel: Any, scope: Scope | None = None, **context: Any) -> uuid.UUID:
    with kernel.working(scope or Scope.nothing()):
        return services.send_mail("blanc@exemple.fr", "probe", {"name": "Mme Blanc", "token": SECRET, **context})


def _send_and_fail() -> None:
    services.send_mail("a@exemple.fr", "probe", {"name": "A", "token": "t"})
    raise ZeroDivisionError


def _row(kernel: Any, message_id: uuid.UUID) -> MailMessage:
    with kernel.working(Scope.system()) as session:
        row = session.get(MailMessage, message_id)
        session.expunge(row)
        return row


def _deliver(kernel: Any, message_id: uuid.UUID) -> bool:
    with kernel.working(Scope.system()):
        return services.deliver(message_id)


@pytest.mark.parametrize("scope", [Scope.nothing(), Scope.organisation(1), Scope.support(), Scope.region(), Scope.system()])
def test_anyone_may_cause_a_mail_and_its_secret_is_not_in_the_database(mailing: Any, scope: Scope) -> None:
    message_id = _send(mailing, scope)
    with mailing.working(Scope.system()) as session:
        row = session.execute(text("SELECT m::text AS all FROM mail_message m WHERE id = :i"), {"i": message_id}).scalar_one()
    assert SECRET not in row
    assert SECRET.encode().hex() not in row
    assert "Bonjour Mme Blanc" in row


@pytest.mark.parametrize("scope", [Scope.nothing(), Scope.organisation(1), Scope.support()])
def test_mail_is_read_by_the_system_and_the_region_alone(mailing: Any, scope: Scope) -> None:
    _send(mailing)
    with mailing.working(scope) as session:
        assert session.scalars(select(MailMessage.id)).all() == []


def test_a_rolled_back_act_sends_nothing(mailing: Any) -> None:
    nudged: list[uuid.UUID] = []
    services._nudge = nudged.append  # restored by the fixture
    with mailing.working(Scope.system()) as session:
        with pytest.raises(ZeroDivisionError), transaction():
            _send_and_fail()
        assert session.scalar(text("SELECT count(*) FROM mail_message")) == 0
        session.rollback()
        with transaction():
            message_id = services.send_mail("a@exemple.fr", "probe", {"name": "A", "token": "t"})
            assert nudged == []
    assert nudged == [message_id]


def test_delivery_builds_a_whole_message_and_forgets_the_body(mailing: Any, outbox: list[EmailMessage]) -> None:
    message_id = _send(mailing)
    assert _deliver(mailing, message_id)
    email = outbox[0]
    assert email["To"] == "blanc@exemple.fr"
    assert email["Subject"] == "Bonjour Mme Blanc"
    assert message_id.hex in email["Message-ID"]
    plain, html = email.get_body(("plain",)), email.get_body(("html",))
    assert plain is not None
    assert SECRET in plain.get_content()
    assert html is not None
    assert "<p>Mme Blanc</p>" in html.get_content()
    row = _row(mailing, message_id)
    assert (row.state, row.body, row.attempts) == (MailState.SENT.value, None, 1)
    assert not _deliver(mailing, message_id)
    assert len(outbox) == 1


def test_values_are_escaped_in_html_and_cannot_add_headers(mailing: Any, outbox: list[EmailMessage]) -> None:
    message_id = _send(mailing, name="<b>x</b>\r\nBcc: autre@exemple.fr")
    assert _deliver(mailing, message_id)
    assert outbox[0]["Bcc"] is None
    assert "\n" not in outbox[0]["Subject"]
    html = outbox[0].get_body(("html",))
    assert html is not None
    assert "&lt;b&gt;" in html.get_content()


@pytest.mark.parametrize("address", ["", "x", "x@", "a@b@c", "a@exemple.fr\nBcc: z@exemple.fr", "a b@exemple.fr"])
def test_a_bad_address_is_refused_at_once_without_being_repeated(mailing: Any, address: str) -> None:
    with mailing.working(Scope.system()), pytest.raises(services.InvalidAddress) as caught:
        services.send_mail(address, "probe", {"name": "A", "token": "t"})
    assert not address or address not in str(caught.value)


def test_a_failure_is_retried_later_and_given_up_in_the_end(mailing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str, email: EmailMessage) -> None:
        raise smtp.DeliveryFailed("TimeoutError")

    monkeypatch.setattr(smtp, "deliver_email", fail)
    message_id = _send(mailing)
    for attempt in range(1, services.MAX_ATTEMPTS + 1):
        assert not _deliver(mailing, message_id)
        row = _row(mailing, message_id)
        assert row.attempts == attempt
        if attempt < services.MAX_ATTEMPTS:
            assert row.state == MailState.WAITING.value
            assert row.next_attempt_at > clock.now()
            assert not _deliver(mailing, message_id), "not due yet"
            with mailing.working(Scope.system()) as session, transaction():
                session.execute(update(MailMessage).values(next_attempt_at=clock.now() - timedelta(seconds=1)))
    assert row.state == MailState.DEAD.value
    assert row.last_error == "TimeoutError"
    assert row.body is not None
    with mailing.working(Scope.system()):
        assert services.retry(message_id)
        assert not services.retry(message_id)
    monkeypatch.setattr(smtp, "deliver_email", lambda url, email: None)
    assert _deliver(mailing, message_id)


def test_a_final_refusal_is_not_retried(mailing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, email: EmailMessage) -> None:
        raise smtp.DeliveryRefused("recipient refused (550)")

    monkeypatch.setattr(smtp, "deliver_email", refuse)
    message_id = _send(mailing)
    _deliver(mailing, message_id)
    assert _row(mailing, message_id).state == MailState.DEAD.value


def test_a_killed_worker_s_message_is_taken_up_after_its_lease(mailing: Any, outbox: list[EmailMessage]) -> None:
    message_id = _send(mailing)
    with mailing.working(Scope.system()) as session:
        assert services._claim(message_id) is not None
        assert services._claim(message_id) is None
        assert services.due_messages() == []
        with transaction():
            session.execute(update(MailMessage).values(next_attempt_at=clock.now() - timedelta(seconds=1)))
        assert services.due_messages() == [message_id]
    assert _deliver(mailing, message_id)


def test_the_sweeper_sends_what_waits(mailing: Any, outbox: list[EmailMessage]) -> None:
    from app.core.mail import jobs

    for _ in range(3):
        _send(mailing)
    with mailing.working(Scope.system()):
        jobs.deliver_due()
    assert len(outbox) == 3


def test_waits_grow_and_stay_below_an_hour() -> None:
    waits = [services.backoff(n, draw=1.0).total_seconds() for n in range(1, 13)]
    assert waits[:3] == [30, 60, 120]
    assert max(waits) == 3600
    assert waits == sorted(waits)
    assert services.backoff(3, draw=0.0).total_seconds() == 60


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (smtplib.SMTPRecipientsRefused({"a@b.fr": (550, b"no")}), smtp.DeliveryRefused),
        (smtplib.SMTPRecipientsRefused({"a@b.fr": (450, b"later")}), smtp.DeliveryFailed),
        (smtplib.SMTPDataError(554, b"spam"), smtp.DeliveryRefused),
        (smtplib.SMTPSenderRefused(451, b"x", "a"), smtp.DeliveryFailed),
        (smtplib.SMTPAuthenticationError(535, b"bad"), smtp.DeliveryFailed),
        (smtplib.SMTPServerDisconnected("x"), smtp.DeliveryFailed),
        (TimeoutError("10.0.0.1"), smtp.DeliveryFailed),
        (ConnectionRefusedError("x"), smtp.DeliveryFailed),
    ],
)
def test_errors_of_the_server_are_sorted(error: Exception, kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    class Server:
        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def send_message(self, _email: EmailMessage) -> None:
            raise error

    monkeypatch.setattr(smtp, "_open", lambda url: Server())
    with pytest.raises(kind) as caught:
        smtp.deliver_email("smtp://127.0.0.1", EmailMessage())
    assert "@" not in str(caught.value)
    assert "10.0.0.1" not in str(caught.value)


def test_purge(mailing: Any, outbox: list[EmailMessage]) -> None:
    old, recent = _send(mailing), _send(mailing)
    _deliver(mailing, old)
    _deliver(mailing, recent)
    with mailing.working(Scope.system()) as session:
        with transaction():
            session.execute(update(MailMessage).where(MailMessage.id == old).values(created_at=clock.now() - timedelta(days=31)))
        assert services.purge() == 1
        assert session.scalars(select(MailMessage.id)).all() == [recent]


def test_links_point_to_the_public_address_only(mailing: Any) -> None:
    with mailing.app.test_request_context("/", headers={"Host": "evil.example"}):
        link = services.public_link("ui.accessibility")
    assert link.startswith(mailing.app.config["PUBLIC_URL"])
    assert "evil" not in link


# -- the viewer -------------------------------------------------------------------------------------------------------


def test_the_demonstration_keeps_mail_and_shows_it_to_this_machine_alone(mailing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mailing.app.config, "DEMO", True)
    message_id = _send(mailing, name="<i>Blanc</i>")
    assert _row(mailing, message_id).state == MailState.KEPT.value
    browser = mailing.app.test_client()
    assert "Bonjour" in browser.get("/courriels-de-demonstration/").text
    page = browser.get(f"/courriels-de-demonstration/{message_id}")
    assert page.status_code == 200
    assert f"t={SECRET}</a>." in page.text
    assert "<i>" not in page.text
    assert SECRET in browser.get(f"/courriels-de-demonstration/{message_id}/source").text
    for path in ("", f"{message_id}", f"{message_id}/source"):
        far = browser.get(f"/courriels-de-demonstration/{path}", environ_base={"REMOTE_ADDR": "192.0.2.1"})
        assert far.status_code == 404
    for unknown in ("x", str(uuid.uuid4())):
        assert browser.get(f"/courriels-de-demonstration/{unknown}").status_code == 404
    monkeypatch.setitem(mailing.app.config, "DEMO", False)
    assert browser.get("/courriels-de-demonstration/").status_code == 404


def test_addresses_become_links_and_nothing_else_does() -> None:
    shown = str(linkify('Voir http://a.fr/x?y=1&z=2. <script> "http://b.fr"'))
    assert '<a href="http://a.fr/x?y=1&amp;z=2">' in shown
    assert "</a>." in shown
    assert "<script>" not in shown
    assert 'href="http://b.fr"' in shown


def test_a_message_that_cannot_be_written_holds_back_no_other(mailing: Any, outbox: list[EmailMessage]) -> None:
    from app.core.mail import jobs

    poison, _fine = _send(mailing), _send(mailing)
    with mailing.working(Scope.system()) as session, transaction():
        session.execute(
            update(MailMessage).where(MailMessage.id == poison).values(body=b"\x01\x02k0" + bytes(40), next_attempt_at=clock.now() - timedelta(hours=1))
        )
    with mailing.working(Scope.system()):
        jobs.deliver_due()
    assert len(outbox) == 1
    row = _row(mailing, poison)
    assert (row.state, row.attempts, row.last_error) == (MailState.WAITING.value, 1, "UnknownKey")
    assert row.next_attempt_at > clock.now()


def test_a_message_that_kills_its_worker_is_given_up(mailing: Any, outbox: list[EmailMessage]) -> None:
    message_id = _send(mailing)
    with mailing.working(Scope.system()) as session, transaction():
        session.execute(
            update(MailMessage).values(state=MailState.SENDING.value, attempts=services.MAX_ATTEMPTS, next_attempt_at=clock.now() - timedelta(seconds=1))
        )
    assert not _deliver(mailing, message_id)
    assert outbox == []
    assert _row(mailing, message_id).state == MailState.DEAD.value


def test_the_sweeper_leaves_the_rest_to_the_next_run_when_the_server_hangs(mailing: Any, outbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch) -> None:
    from app.core.mail import jobs

    for _ in range(3):
        _send(mailing)
    monkeypatch.setattr(jobs, "SWEEP_SECONDS", 0.0)
    with mailing.working(Scope.system()):
        jobs.deliver_due()
        assert len(services.due_messages()) == 3


def test_bodies_that_wait_follow_the_change_of_keys(mailing: Any, outbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch) -> None:
    from app.core import crypto, rotation

    message_id = _send(mailing)
    with mailing.working(Scope.system()):
        old = crypto.cipher()
        renewed = crypto.Cipher({"fresh": b"n" * 32, **old.keys})
        monkeypatch.setitem(mailing.app.extensions, "portal_cipher", renewed)
        assert dict(rotation.status())["mail_message.body"] == {old.active_key_id: 1}
        list(rotation.rotate())
        assert dict(rotation.status())["mail_message.body"] == {"fresh": 1}
    assert _deliver(mailing, message_id)
    assert SECRET in outbox[0].get_body(("plain",)).get_content()  # type: ignore[union-attr]
