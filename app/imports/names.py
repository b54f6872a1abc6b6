"""What the rows of this feature are called when they are counted, and in Supervision."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core.fab.names import name_table


def register_names() -> None:
    """Name the tables of this feature."""
    name_table("import_file", _l("Imported files"), lambda count: ngettext("%(num)s imported file", "%(num)s imported files", count))
    name_table("import_part", _l("Contents of imported files"))
    name_table("import_finding", _l("Errors of imported files"))
    name_table("import_heading", _l("Headings of imported files"))
