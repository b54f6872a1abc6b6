"""What the rows of this feature are called when they are counted, and in the journal."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core.fab.names import name_table


def register_names() -> None:
    """Name the tables of this feature."""
    name_table(
        "modification_request",
        _l("Modification requests"),
        lambda count: ngettext("%(num)s modification request", "%(num)s modification requests", count),
    )
    name_table("request_document", _l("Documents of requests"), lambda count: ngettext("%(num)s document", "%(num)s documents", count))
    name_table("request_document_content", _l("Contents of documents"))
    name_table(
        "request_signature",
        _l("Confirmations of letters"),
        lambda count: ngettext("%(num)s confirmation of a letter", "%(num)s confirmations of letters", count),
    )
    name_table(
        "modification_request_event",
        _l("History of the modification requests"),
        lambda count: ngettext("%(num)s line of history of requests", "%(num)s lines of history of requests", count),
    )
    name_table("market_rule", _l("Market rules"), lambda count: ngettext("%(num)s market rule", "%(num)s market rules", count))
    name_table(
        "market_rule_version",
        _l("Versions of the market rules"),
        lambda count: ngettext("%(num)s version of the market rules", "%(num)s versions of the market rules", count),
    )
    name_table(
        "request_reminder",
        _l("Reminders of the modification requests"),
        lambda count: ngettext("%(num)s reminder about a request", "%(num)s reminders about requests", count),
    )
