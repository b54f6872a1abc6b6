"""The columns that no page has a field for: on a page they are the address."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from ..forms import REQUIRED, PortalBaseForm, text


class WhereForm(PortalBaseForm):
    """Which action a line is about."""

    action_number = text(_l("Action number"), REQUIRED, limit=40)
