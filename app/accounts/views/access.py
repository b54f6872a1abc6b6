"""Where the links of the mails lead."""

from __future__ import annotations

from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_babel import gettext as _


class AccessView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """The pages behind a link of access."""

    route_base = ""
    default_view = "recover"

    @expose("/acces/<token>")
    def open(self, token: str) -> ResponseReturnValue:
        """The page that a link of a mail leads to."""
        page: str = self.render_template("portal/auth_base.html", heading=_("Password generation"), title=_("Password generation"))
        return page

    @expose("/authentification/generation-mot-de-passe")
    def recover(self) -> ResponseReturnValue:
        """Génération de mot de passe."""
        page: str = self.render_template("portal/auth_base.html", heading=_("Password generation"), title=_("Password generation"))
        return page
