"""Mail: a row in the transaction that causes it, sent afterwards by a job; in demonstration mode kept and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    from flask_appbuilder import AppBuilder

__all__ = ["public_link", "register", "send_mail"]


def send_mail(to: str, template: str, context: dict[str, Any] | None = None, *, organisation_id: int | None = None) -> UUID:
    """Write a message from ``mail/<template>.txt`` and, if it exists, ``mail/<template>.html``; see :mod:`.services`."""
    from app.core.mail.services import send_mail as send

    return send(to, template, context, organisation_id=organisation_id)


def public_link(endpoint: str, **values: Any) -> str:
    """Return the absolute address of a page under ``PUBLIC_URL``, never under the host name a visitor sent."""
    from app.core.mail.services import public_link as link

    return link(endpoint, **values)


def register(builder: AppBuilder) -> None:
    """Add the periodic jobs, the bodies to the rotation of keys and, in demonstration mode, the viewer."""
    from flask import current_app
    from flask_babel import lazy_gettext as _l

    from app.core.jobs import register_periodic
    from app.core.mail.models import MailMessage
    from app.core.mail.services import body_aad
    from app.core.rotation import register_encrypted_column

    register_encrypted_column(MailMessage, "body", lambda row: body_aad(row["id"]), needs=("id",))
    register_periodic(name="send-mail", func="app.core.mail.jobs:deliver_due", every=60, label=_l("Sending of waiting mail"), queue="mail")
    register_periodic(name="purge-mail", func="app.core.mail.jobs:purge", cron="40 3 * * *", label=_l("Purge of old mail"))
    if current_app.config.get("DEMO"):
        from app.core.mail.views import DemoMailView
        from app.core.ui import register_menu

        builder.add_view_no_menu(DemoMailView())
        register_menu(
            group="Aide", label=_l("Mail (demo)"), endpoint="DemoMailView.index", order=900, public=True, visible=_demo_is_on
        )


def _demo_is_on() -> bool:
    """The menu is shared by all applications of one process: the entry belongs to those in demonstration mode."""
    from flask import current_app

    return bool(current_app.config.get("DEMO"))
