"""Who may open the screens of the kernel: the Région's administrators, for supervision and the reading of roles."""

from __future__ import annotations

Grants = list[tuple[str, str]]

_READ = ("can_list", "can_show", "can_export")
_VIEWS = (
    "AuditEntryView",
    "NirReadingView",
    "OutboxMessageView",
    "OutboxPartnerView",
    "OutboxInterventionView",
    "PeriodicRunView",
    "MailMessageView",
    "RoleView",
)

GRANTS: dict[str, Grants] = {
    "Administrateur Région": [
        *((permission, view) for view in _VIEWS for permission in _READ),
        ("replay", "OutboxMessageView"),
        ("can_settle", "OutboxMessageView"),
    ],
}
