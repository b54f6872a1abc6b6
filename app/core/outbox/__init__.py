"""The outbox: everything meant for an outside system is a row first (see ``docs/outbox.md``).

``publish`` writes the row in the transaction of the act; a drain job sends many rows at once over one connection pool; the row
is the truth, Redis only carries nudges, and a sweeper picks up what a lost nudge left.
Light on purpose: partners and the sandbox import ``errors`` from here without the application.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.core.outbox.registry import Handler, Message, Transport, register_handler, register_partner

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder

__all__ = ["Handler", "Message", "Transport", "publish", "register", "register_handler", "register_partner"]


def register(_builder: AppBuilder) -> None:
    """Declare the periodic jobs and the figures for /metrics."""
    from flask_babel import lazy_gettext as _l

    from app.core.jobs import register_periodic
    from app.core.outbox import figures

    register_periodic(
        name="outbox-sweep",
        func="app.core.outbox.jobs:sweep",
        every=15,
        queue="partners",
        label=_l("Pick up messages to partners that were left behind"),
    )
    register_periodic(
        name="outbox-purge",
        func="app.core.outbox.jobs:purge",
        cron="50 3 * * *",
        label=_l("Forget the tries of messages that were over 90 days ago"),
    )
    figures.register()


def publish(
    *,
    partner: str,
    operation: str,
    subject_type: str,
    subject_id: int,
    ordering_key: str,
    organisation_id: int | None = None,
    params: Mapping[str, Any] | None = None,
) -> int:
    """Leave a message for ``partner`` in the open transaction (see ``publishing.publish``). Returns its id."""
    from app.core.outbox import publishing

    return publishing.publish(
        partner=partner,
        operation=operation,
        subject_type=subject_type,
        subject_id=subject_id,
        ordering_key=ordering_key,
        organisation_id=organisation_id,
        params=params,
    )
