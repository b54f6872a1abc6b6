"""Where the links of the mails lead."""

from __future__ import annotations

from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_babel import gettext as _


def _page(view: BaseView) -> str:
    title = _("Password generation")
    page: str = view.render_template("portal/auth_base.html", heading=title, title=title, breadcrumb=[(title, None)])
    return page


class AccessView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """The pages behind a link of access."""

    route_base = ""
    default_view = "recover"

    @expose("/acces/<token>")
    def open(self, token: str) -> ResponseReturnValue:
        """The page that a link of a mail leads to."""
        return _page(self)

    @expose("/authentification/generation-mot-de-passe")
    def recover(self) -> ResponseReturnValue:
        """Génération de mot de passe."""
        return _page(self)
