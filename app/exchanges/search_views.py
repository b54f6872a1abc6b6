"""« Recherches d’identité »: the searches made at AGORA over the last hour, the Région's and each organisation's own.

No outbox holds them, since somebody waits for the answer at a page; they are erased after an hour (``trainees.services.identity``).
"""

from __future__ import annotations

from typing import Any

from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.actions.queries import Cursor
from app.actions.views import page_size
from app.core import clock
from app.core.ui import allowed
from app.core.ui.format import fr_number
from app.trainees.domain import IdentityState
from app.trainees.services.identity import PATIENCE

from . import labels, queries
from .permissions import SUPERVISE, VIEW


class IdentitySearchesView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """When, for which action, what came of it and how long it took; never whom."""

    route_base = "/echanges/identites"
    class_permission_name = VIEW
    permission_label = _l("Exchanges with partners")
    default_view = "index"

    @expose("/")
    @has_access
    @permission_name("read")
    def index(self) -> ResponseReturnValue:
        """The searches in scope that are still kept."""
        supervises = allowed(*SUPERVISE)
        back = "ExchangesView.index" if supervises else "ExchangesView.own"
        title = _("Exchanges with partners") if supervises else _("Follow-up of the exchanges with AGORA")
        page = queries.list_searches(cursor=Cursor.of(request.args.get("after"), request.args.get("before")), size=page_size())
        counted = queries.count_searches()
        return self.render_template(
            "exchanges/searches.html",
            breadcrumb=[(title, url_for(back)), (_("Searches of identities of the last hour"), None)],
            menu_current=back,
            page=page,
            lines=_lines(page.rows),
            counts=[(_("In all"), fr_number(sum(counted.values()))), *((labels.SEARCHES[state][0], fr_number(counted[state])) for state in IdentityState)],
        )


def _lines(searches: Any) -> list[dict[str, Any]]:
    actions, now = queries.actions_by_id({one.action_id for one in searches}), clock.now()
    return [
        {
            "search": one,
            "action_number": actions[one.action_id].number if one.action_id in actions else None,
            "organisation": str(actions[one.action_id].organisation) if one.action_id in actions else None,
            "state": labels.search_badge(IdentityState(one.state), lost=one.answered_at is None and now - one.created_at > PATIENCE),
            "duration": labels.short_duration((one.answered_at - one.created_at).total_seconds()) if one.answered_at is not None else None,
        }
        for one in searches
    ]
