"""Flask-AppBuilder, without the parts the portal replaces or refuses.

Its own static files, REST API, API documentation, menu API, locale switch and "back" helper are never registered:
what does not exist cannot be attacked nor styled by mistake.
"""

from __future__ import annotations

from flask import Blueprint, current_app
from flask_appbuilder import AppBuilder


class PortalAppBuilder(AppBuilder):
    """The AppBuilder of one application; a new one is built by each ``create_app``."""

    def _add_global_static(self) -> None:
        current_app.register_blueprint(Blueprint("appbuilder", "flask_appbuilder.base", template_folder="templates"))

    def _add_admin_views(self) -> None:
        if self.indexview:
            self._indexview = self.add_view_no_menu(self.indexview)
        self.sm.register_views()
