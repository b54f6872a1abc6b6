"""The viewer of the demonstration: what would have been sent, readable in the portal.

It exists in demonstration mode only, which refuses to start on an address other than this machine's.  It asks for no account:
the link to a first or a forgotten password has to be readable by someone who is not signed in.  The address of the visitor
is checked again at each request.
"""

from __future__ import annotations

import ipaddress
import re
import uuid

from flask import Response, abort, current_app, request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext as _
from markupsafe import Markup, escape
from sqlalchemy import select
from sqlalchemy.orm import defer

from app.core.extensions import db
from app.core.mail.models import MailMessage, MailState
from app.core.mail.services import content_of, email_of
from app.core.tenancy import Scope, bound_scope

#: Pages that need no account; they answer 404 outside the demonstration.
PUBLIC_ENDPOINTS = frozenset({"DemoMailView.index", "DemoMailView.show", "DemoMailView.source"})

_SHOWN = 100
_LINK = re.compile(r"https?://[^\s<>\"]+")


def linkify(text: str) -> Markup:
    """Return the text escaped, with its addresses as links; final punctuation stays outside."""
    parts: list[Markup] = []
    position = 0
    for match in _LINK.finditer(text):
        address = match.group().rstrip(".,;:!?)")
        parts += [escape(text[position : match.start()]), Markup('<a href="{0}">{0}</a>').format(address)]
        position = match.start() + len(address)
    parts.append(escape(text[position:]))
    return Markup("").join(parts)


def _only_here() -> None:
    """Answer 404 to anyone but this machine, and everywhere but in demonstration mode."""
    try:
        near = ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        near = False
    if not (near and current_app.config.get("DEMO")):
        abort(404)


class DemoMailView(BaseView):
    """Messages kept by the demonstration."""

    route_base = "/courriels-de-demonstration"
    default_view = "index"

    def _message(self, message_id: str) -> MailMessage:
        try:
            key = uuid.UUID(message_id)
        except ValueError:
            abort(404)
        message = db.session.get(MailMessage, key)
        if message is None or message.state != MailState.KEPT.value or message.body is None:
            abort(404)
        return message

    @expose("/")
    def index(self) -> str:
        """The last messages, newest first."""
        _only_here()
        with bound_scope(Scope.system()):
            messages = db.session.scalars(
                select(MailMessage)
                .where(MailMessage.state == MailState.KEPT.value)
                .options(defer(MailMessage.body))
                .order_by(MailMessage.created_at.desc())
                .limit(_SHOWN)
            ).all()
            rows = [
                {"id": message.id, "at": message.created_at, "to": message.recipient, "subject": message.subject}
                for message in messages
            ]
        return str(self.render_template("mail_viewer/list.html", rows=rows, breadcrumb=[(_("Demonstration mail"), None)]))

    @expose("/<message_id>")
    def show(self, message_id: str) -> str:
        """One message, as text."""
        _only_here()
        with bound_scope(Scope.system()):
            message = self._message(message_id)
            content = content_of(message)
            mail = {
                "id": message.id,
                "at": message.created_at,
                "to": message.recipient,
                "subject": message.subject,
                "text": linkify(content.text) if content else "",
            }
        path = [(_("Demonstration mail"), url_for("DemoMailView.index")), (mail["subject"], None)]
        return str(self.render_template("mail_viewer/show.html", mail=mail, breadcrumb=path))

    @expose("/<message_id>/source")
    def source(self, message_id: str) -> Response:
        """The message as a file for a mail program."""
        _only_here()
        with bound_scope(Scope.system()):
            message = self._message(message_id)
            content = content_of(message)
            data = email_of(message, content).as_bytes() if content else b""
        return Response(
            data,
            mimetype="message/rfc822",
            headers={"Content-Disposition": f'attachment; filename="courriel-{message_id[:8]}.eml"'},
        )

