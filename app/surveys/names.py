"""What the rows of this feature are called when they are counted, and in Supervision."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core.fab.names import name_table


def register_names() -> None:
    """Name the tables of this feature."""
    name_table("situation_survey", _l("Situation surveys"), lambda count: ngettext("%(num)s situation survey", "%(num)s situation surveys", count))
    name_table("survey_reply", _l("Replies of trainees to surveys"), lambda count: ngettext("%(num)s reply to a survey", "%(num)s replies to surveys", count))
    name_table("survey_link", _l("Survey messages to trainees"), lambda count: ngettext("%(num)s survey message", "%(num)s survey messages", count))
    name_table(
        "survey_opt_out",
        _l("Trainees who want no more survey messages"),
        lambda count: ngettext("%(num)s refusal of survey messages", "%(num)s refusals of survey messages", count),
    )
