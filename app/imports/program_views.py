"""How an organisation's own software sends files: what to ask for, what comes back, commands to try."""

from __future__ import annotations

from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core.api import public_address

from . import answers, api, labels, services
from .matrices import IMPORTERS
from .permissions import PROGRAM_VIEW
from .views import crumbs


class ImportsByProgramView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """A page of help; the imports themselves are ``api``."""

    route_base = "/imports/par-logiciel"
    class_permission_name = PROGRAM_VIEW
    permission_label = _l("Imports by the organisation’s software")
    default_view = "guide"

    @expose("/")
    @has_access
    @permission_name("use")
    def guide(self) -> ResponseReturnValue:
        """From the token to the report."""
        page: str = self.render_template(
            "imports/by_program.html",
            breadcrumb=crumbs((_("Imports by your software"), None)),
            matrices=[importer.matrix for importer in IMPORTERS.values()],
            example=next(iter(IMPORTERS)),
            address=public_address(),
            read_scope=api.READ_SCOPE,
            write_scope=api.WRITE_SCOPE,
            rate=api.SENDING_RATE.split()[0],
            megabytes=services.LIMITS.size // (1024 * 1024),
            states=answers.STATES,
            labels=labels,
        )
        return page


__all__ = ["ImportsByProgramView"]
