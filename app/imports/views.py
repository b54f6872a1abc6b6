"""The pages of imports."""

from __future__ import annotations

from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from .permissions import VIEW


class ImportsView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """What can be sent as a file, and the files that were."""

    route_base = "/imports"
    default_view = "index"
    class_permission_name = VIEW
    permission_label = _l("Imports")

    @expose("/")
    @has_access
    @permission_name("read")
    def index(self) -> ResponseReturnValue:
        """The matrices, their documents, and the history."""
        return self.render_template("imports/index.html", breadcrumb=[(_("Imports"), None)])


VIEWS = (ImportsView,)
