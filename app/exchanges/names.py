"""What the rows of this feature are called when they are counted, and in Supervision."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core.fab.names import name_table


def register_names() -> None:
    """Name the tables of this feature."""
    name_table("partner_code", _l("Partner codes"), lambda count: ngettext("%(num)s partner code", "%(num)s partner codes", count))
    name_table(
        "reconciliation_run",
        _l("Comparisons with partners"),
        lambda count: ngettext("%(num)s comparison with a partner", "%(num)s comparisons with partners", count),
    )
    name_table("reconciliation_file", _l("Files read at partners"))
    name_table(
        "reconciliation_difference",
        _l("Differences with partners"),
        lambda count: ngettext("%(num)s difference with a partner", "%(num)s differences with partners", count),
    )
