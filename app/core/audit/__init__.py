"""The journal that cannot be bypassed: written by the database, append-only, sealed by a keyed chain.

Light at import: a migration may import :mod:`app.core.audit` without an application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.audit.ddl import audit_ddl, audit_drop_ddl, install_audit, uninstall_audit

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder

__all__ = ["audit_ddl", "audit_drop_ddl", "install_audit", "register", "uninstall_audit"]


def register(_builder: AppBuilder) -> None:
    """Add the ``flask audit`` commands and the periodic sealing."""
    from flask import current_app
    from flask_babel import lazy_gettext as _l

    from app.core.audit.commands import audit
    from app.core.jobs import register_periodic

    current_app.cli.add_command(audit)
    register_periodic(name="seal-journal", func="app.core.audit.jobs:seal", every=60, label=_l("Sealing of the journal"))
