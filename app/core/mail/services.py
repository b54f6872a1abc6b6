"""Writing messages, and delivering them.

Delivery is claimed by an atomic update with a lease, so that two workers never send one message at once and a killed worker's
message is taken up again.  A worker killed between the server's acceptance and our note of it makes the message leave twice:
it carries the same ``Message-ID`` then, by which mailboxes recognise it.
"""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

import structlog
from email_validator import EmailNotValidError, validate_email
from flask import current_app
from flask_babel import force_locale
from jinja2 import TemplateNotFound
from sqlalchemy import delete, insert, or_, select, update

from app.core import clock, context, crypto
from app.core.extensions import db
from app.core.mail.models import MailMessage, MailState
from app.core.transaction import after_commit, transaction

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 12
LEASE = timedelta(minutes=3)
_FIRST_WAIT = 30.0
_LONGEST_WAIT = 3_600.0
KEEP_SENT = timedelta(days=30)
KEEP_DEMO = timedelta(days=7)
_TABLE, _COLUMN = "mail_message", "body"


class InvalidAddress(ValueError):
    """The address cannot receive mail; the message does not hold it."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is encrypted at rest."""

    text: str
    html: str | None


# -- writing ----------------------------------------------------------------------------------------------------------


def public_link(endpoint: str, **values: Any) -> str:
    """Return the absolute address of a page under ``PUBLIC_URL``: the ``Host`` header of a visitor never gets into a mail."""
    base = str(current_app.config["PUBLIC_URL"]).rstrip("/")
    adapter = current_app.url_map.bind(urlsplit(base).netloc or "localhost", url_scheme=urlsplit(base).scheme or "http")
    return base + adapter.build(endpoint, values, force_external=False)


def render(template: str, variables: dict[str, Any]) -> tuple[str, Content]:
    """Return subject and content of a message, in French.

    ``mail/<template>.txt`` sets ``subject`` and is the body; ``mail/<template>.html`` extends ``mail/base.html`` and is optional.
    """
    environment = current_app.jinja_env
    name = current_app.config.get("PORTAL_NAME", "")
    given = {
        "portal_title": name,
        "portal_name": f"«\u00a0{name}\u00a0»",  # a setting: within a sentence, no article goes with every name
        "region_name": current_app.config.get("REGION_NAME", ""),
        "public_url": current_app.config.get("PUBLIC_URL", ""),
        "public_link": public_link,
        **variables,
    }
    with force_locale("fr"):
        module = environment.get_template(f"mail/{template}.txt").make_module(given)
        subject = " ".join(str(getattr(module, "subject", "")).split())
        if not subject:
            raise ValueError(f"mail/{template}.txt sets no subject")
        try:
            html = environment.get_template(f"mail/{template}.html").render({**given, "subject": subject})
        except TemplateNotFound as error:
            if error.name != f"mail/{template}.html":
                raise
            html = None
    return subject, Content(text=str(module).strip() + "\n", html=html)


def body_aad(message_id: uuid.UUID) -> bytes:
    """The place of a message's body."""
    return crypto.column_aad(_TABLE, _COLUMN, message_id)


def send_mail(to: str, template: str, context_: dict[str, Any] | None = None, *, organisation_id: int | None = None) -> uuid.UUID:
    """Write a message to one person and have it sent after the commit; return its number.

    Inside ``transaction()`` it joins it: the mail leaves only if the act it speaks of is real.  Raises
    :class:`InvalidAddress`, and jinja2's own errors for a template that does not exist.
    """
    try:
        # localhost and example domains are allowed: whether a domain exists is the mail server's business
        address = validate_email(to, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError:
        raise InvalidAddress("not an e-mail address") from None
    subject, content = render(template, context_ or {})
    message_id = uuid.uuid4()
    demo = bool(current_app.config.get("DEMO"))
    now = clock.now()
    with transaction():
        # Core, with every value given: no RETURNING, since the writer may not read this table.
        db.session.execute(
            insert(MailMessage.__table__).values(
                id=message_id,
                created_at=now,
                organisation_id=organisation_id,
                recipient=address,
                template=template,
                subject=subject[:300],
                body=crypto.cipher().encrypt(json.dumps({"text": content.text, "html": content.html}), body_aad(message_id)),
                state=(MailState.KEPT if demo else MailState.WAITING).value,
                attempts=0,
                next_attempt_at=now,
                sent_at=None,
                last_error=None,
                request_id=context.request_id(),
            )
        )
        if not demo:
            after_commit(lambda: _nudge(message_id))
    return message_id


def _nudge(message_id: uuid.UUID) -> None:
    from app.core.jobs import enqueue

    enqueue("app.core.mail.jobs:deliver", message_id, queue="mail")


def content_of(message: MailMessage) -> Content | None:
    """Decrypt the body; ``None`` once it was forgotten."""
    if message.body is None:
        return None
    opened = json.loads(crypto.cipher().decrypt(message.body, body_aad(message.id)))
    return Content(text=opened["text"], html=opened["html"])


def email_of(message: MailMessage, content: Content) -> EmailMessage:
    """Return the message as it is handed to the server."""
    domain = urlsplit(str(current_app.config.get("PUBLIC_URL", ""))).hostname or "localhost"
    email = EmailMessage()
    email["From"] = str(current_app.config.get("MAIL_FROM") or f"ne-pas-repondre@{domain}")
    email["To"] = message.recipient
    email["Subject"] = message.subject
    email["Date"] = format_datetime(message.created_at)
    email["Message-ID"] = f"<{message.id.hex}@{domain}>"
    email["Auto-Submitted"] = "auto-generated"
    email.set_content(content.text)
    if content.html:
        email.add_alternative(content.html, subtype="html")
    return email


# -- delivering -------------------------------------------------------------------------------------------------------


def backoff(attempts: int, *, draw: float | None = None) -> timedelta:
    """Wait before the next try: doubling from 30 s up to an hour, spread at random over the upper half."""
    ceiling = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** max(0, attempts - 1))
    share = random.random() if draw is None else draw  # noqa: S311 - spreading of load, not a secret
    return timedelta(seconds=ceiling * (0.5 + 0.5 * share))


def _due(now: datetime) -> Any:
    return or_(
        (MailMessage.state == MailState.WAITING.value) & (MailMessage.next_attempt_at <= now),
        (MailMessage.state == MailState.SENDING.value) & (MailMessage.next_attempt_at <= now),
    )


def due_messages(limit: int = 200) -> list[uuid.UUID]:
    """Messages to try now, oldest first."""
    with transaction():
        return list(
            db.session.scalars(
                select(MailMessage.id).where(_due(clock.now())).order_by(MailMessage.next_attempt_at).limit(limit)
            )
        )


def _claim(message_id: uuid.UUID) -> MailMessage | None:
    now = clock.now()
    with transaction():
        claimed = db.session.scalar(
            update(MailMessage)
            .where(MailMessage.id == message_id, _due(now))
            .values(state=MailState.SENDING.value, attempts=MailMessage.attempts + 1, next_attempt_at=now + LEASE)
            .returning(MailMessage)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
        if claimed is not None:
            db.session.expunge(claimed)
    return claimed


def _settle(message: MailMessage, **values: Any) -> None:
    with transaction():
        db.session.execute(
            update(MailMessage)
            # The number of the try fences off a worker that wakes up after its lease.
            .where(MailMessage.id == message.id, MailMessage.attempts == message.attempts, MailMessage.state == MailState.SENDING.value)
            .values(**values)
            .execution_options(synchronize_session=False)
        )


def _postpone(message: MailMessage, reason: str) -> None:
    dead = message.attempts >= MAX_ATTEMPTS
    _settle(
        message,
        state=(MailState.DEAD if dead else MailState.WAITING).value,
        next_attempt_at=clock.now() + backoff(message.attempts),
        last_error=reason[:200],
    )
    log.warning("mail_given_up" if dead else "mail_delayed", mail=str(message.id), reason=reason, attempts=message.attempts)


def deliver(message_id: uuid.UUID) -> bool:
    """Try to send one message that is due; return whether it left.  Never raises for what the mail server does.

    A fault of our own (a key withdrawn too early, a message that cannot be written) counts as a try and is raised again.
    """
    from app.core.mail.smtp import DeliveryFailed, DeliveryRefused, deliver_email

    if not current_app.config.get("SMTP_URL"):
        log.warning("mail_not_configured")
        return False
    message = _claim(message_id)
    if message is None:
        return False
    if message.attempts > MAX_ATTEMPTS:  # its worker was killed at each of its tries
        _settle(message, state=MailState.DEAD.value, last_error="worker lost")
        log.warning("mail_given_up", mail=str(message.id), reason="worker lost", attempts=message.attempts)
        return False
    try:
        content = content_of(message)
        if content is None:
            raise DeliveryRefused("nothing to send")
        deliver_email(str(current_app.config["SMTP_URL"]), email_of(message, content))
    except DeliveryRefused as error:
        _settle(message, state=MailState.DEAD.value, last_error=str(error)[:200])
        log.warning("mail_refused", mail=str(message.id), reason=str(error))
        return False
    except DeliveryFailed as error:
        _postpone(message, str(error))
        return False
    except Exception as error:
        _postpone(message, type(error).__name__)  # the class alone: the text may quote the message
        raise
    _settle(message, state=MailState.SENT.value, sent_at=clock.now(), body=None, last_error=None)
    log.info("mail_sent", mail=str(message.id), attempts=message.attempts)
    return True


def retry(message_id: uuid.UUID) -> bool:
    """Give a dead message another life (Supervision); return whether there was one."""
    with transaction():
        found = db.session.execute(
            update(MailMessage)
            .where(MailMessage.id == message_id, MailMessage.state == MailState.DEAD.value, MailMessage.body.is_not(None))
            .values(state=MailState.WAITING.value, attempts=0, next_attempt_at=clock.now())
            .execution_options(synchronize_session=False)
        )
        revived = bool(found.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a cursor result
        if revived:
            after_commit(lambda: _nudge(message_id))
    return revived


def purge() -> int:
    """Delete what has been sent or given up long ago; return how many."""
    now = clock.now()
    with transaction():
        gone = db.session.execute(
            delete(MailMessage)
            .where(
                or_(
                    (MailMessage.state.in_([MailState.SENT.value, MailState.DEAD.value])) & (MailMessage.created_at < now - KEEP_SENT),
                    (MailMessage.state == MailState.KEPT.value) & (MailMessage.created_at < now - KEEP_DEMO),
                )
            )
            .execution_options(synchronize_session=False)
        )
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE gives a cursor result


__all__ = ["Content", "InvalidAddress", "deliver", "due_messages", "email_of", "public_link", "purge", "render", "retry", "send_mail"]
