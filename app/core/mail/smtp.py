"""The mail server.  ``SMTP_URL`` is ``smtp://``, ``smtp+starttls://`` or ``smtps://``, with ``user:password@`` when needed."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

TIMEOUT = 15.0
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class DeliveryFailed(Exception):
    """The server could not be reached or asks to try later; the message is a short technical reason without any address."""


class DeliveryRefused(Exception):
    """The server refuses this message for good."""


def _open(url: str) -> smtplib.SMTP:
    parts = urlsplit(url)
    host, port = parts.hostname or "localhost", parts.port or _PORTS[parts.scheme]
    timeout = float(parse_qs(parts.query).get("timeout", [str(TIMEOUT)])[0])
    context = ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=timeout, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=timeout)
    try:
        if parts.scheme == "smtp+starttls":
            server.starttls(context=context)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
    except BaseException:
        server.close()
        raise
    return server


def deliver_email(url: str, email: EmailMessage) -> None:
    """Hand one message to the server.

    Raises :class:`DeliveryRefused` for a final refusal of this message (5xx to the sender, recipient or content) and
    :class:`DeliveryFailed` for everything else, wrong password and certificate included: an operator can mend those.
    """
    try:
        with _open(url) as server:
            server.send_message(email)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _reason in error.recipients.values()]
        if codes and all(code >= 500 for code in codes):
            raise DeliveryRefused(f"recipient refused ({codes[0]})") from None
        raise DeliveryFailed(f"recipient delayed ({codes[0] if codes else '?'})") from None
    except smtplib.SMTPAuthenticationError as error:
        raise DeliveryFailed(f"sign-in refused ({error.smtp_code})") from None
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        kind = DeliveryRefused if error.smtp_code >= 500 else DeliveryFailed
        raise kind(f"message refused ({error.smtp_code})") from None
    except smtplib.SMTPResponseException as error:
        raise DeliveryFailed(f"server answered {error.smtp_code}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise DeliveryFailed(type(error).__name__) from None
