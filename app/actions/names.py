"""What the rows of this feature are called when they are counted, and in the journal."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core.fab.names import name_table


def register_names() -> None:
    """Name the tables of this feature."""
    name_table("contract", _l("Contracts"), lambda count: ngettext("%(num)s contract", "%(num)s contracts", count))
    name_table("action", _l("Actions"), lambda count: ngettext("%(num)s action", "%(num)s actions", count))
    name_table("component", _l("Components"), lambda count: ngettext("%(num)s component", "%(num)s components", count))
    name_table("component_site", _l("Sites of the components"), lambda count: ngettext("%(num)s site of a component", "%(num)s sites of components", count))
    name_table(
        "advance_invoice_request",
        _l("Requests of advance invoices"),
        lambda count: ngettext("%(num)s request of an advance invoice", "%(num)s requests of advance invoices", count),
    )
    name_table("action_history", _l("History of the actions"), lambda count: ngettext("%(num)s line of history", "%(num)s lines of history", count))
    name_table("action_partner", _l("Partners of the actions"), lambda count: ngettext("%(num)s partner", "%(num)s partners", count))
    name_table("action_access", _l("Actions given to accounts"))
    name_table(
        "finish_declaration",
        _l("Actions declared finished"),
        lambda count: ngettext("%(num)s declaration of an end", "%(num)s declarations of ends", count),
    )
    name_table("training_session", _l("Sessions"), lambda count: ngettext("%(num)s session", "%(num)s sessions", count))
    name_table(
        "information_meeting", _l("Information meetings"), lambda count: ngettext("%(num)s information meeting", "%(num)s information meetings", count)
    )
    name_table("saved_search", _l("Kept searches"))
