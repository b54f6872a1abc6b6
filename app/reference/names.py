"""What the rows of the lists are called when they are counted, and in the journal."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core.fab.names import name_table


def register_names() -> None:
    """Name the tables of this feature."""
    name_table("programme", _l("Programmes"), lambda count: ngettext("%(num)s programme", "%(num)s programmes", count))
    name_table("level", _l("Levels"), lambda count: ngettext("%(num)s level", "%(num)s levels", count))
    name_table("site", _l("Sites"), lambda count: ngettext("%(num)s site", "%(num)s sites", count))
    name_table("contact", _l("Contacts and assistance"), lambda count: ngettext("%(num)s contact", "%(num)s contacts", count))
    for table, label in (
        ("public_category", _l("Public categories")),
        ("general_objective", _l("General objectives")),
        ("professional_situation", _l("Professional situations")),
        ("exit_reason", _l("Exit reasons")),
        ("nationality", _l("Nationalities")),
        ("last_class", _l("Last classes attended")),
        ("highest_diploma", _l("Highest diplomas")),
        ("street_type", _l("Street types")),
        ("survey_situation", _l("Situations of the surveys")),
        ("employment_contract", _l("Types of employment contract")),
        ("professional_sector", _l("Professional sectors")),
        ("socio_professional_category", _l("Socio-professional categories")),
        ("town", _l("Towns and postal codes")),
        ("seeded_value", _l("First values of the lists")),
    ):
        name_table(table, label)
