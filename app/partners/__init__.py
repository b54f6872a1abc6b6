"""Outside systems, one package each: a port (what the portal needs), a mapping, a client and, where useful, a sandbox.

Partners know no feature: they have their own dataclasses, and features hand them over and take the answers back. Nothing heavy is imported here, so that
a partner's sandbox, a separate process, stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder

    from app.partners.agora.http import AgoraTransport


def register(builder: AppBuilder) -> None:
    """Declare the partners to the outbox."""
    from app.core.outbox import register_partner

    register_partner("agora", _agora_transport, label="AGORA")


def _agora_transport() -> AgoraTransport:
    """A transport for one drain, from the settings of the current application."""
    from flask import current_app

    from app.partners.agora.http import build_transport

    return build_transport(current_app.config)
