"""What the rows of this feature are called when they are counted, and in the journal."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core.fab.names import name_table


def register_names() -> None:
    """Name the tables of this feature."""
    name_table("organisation", _l("Organisations"), lambda count: ngettext("%(num)s organisation", "%(num)s organisations", count))
    for table, label in (
        ("access_link", _l("Access links")),
        ("recovery_request", _l("Recovery requests")),
        ("second_factor", _l("Second factors")),
        ("recovery_code", _l("Recovery codes")),
        ("api_token", _l("Tokens of the programming interface")),
        ("delegation", _l("Delegations")),
        ("account_review", _l("Reviews of accounts")),
        ("account_batch", _l("Files of accounts")),
        ("observation", _l("Observations of accounts")),
        ("user_session", _l("Open sessions")),
        ("sign_in_attempt", _l("Attempts to sign in")),
    ):
        name_table(table, label)
