"""The portal. ``create_app`` builds one application; nothing heavy is imported before it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from config import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application from ``settings`` (the environment's when None).

    Raises ``config.ConfigurationError`` with one clear sentence when a setting is missing or wrong.
    """
    from importlib import import_module

    from flask import Flask

    from app.core import appbuilder as portal_appbuilder
    from app.core import logs
    from app.core.extensions import db
    from app.features import FEATURES

    if settings is None:
        from config import Settings as ConfiguredSettings

        settings = ConfiguredSettings.from_env()

    app = Flask("app", static_folder=None, template_folder=None)
    app.config.from_mapping(settings.as_flask())
    app.config.update(
        FAB_BASE_TEMPLATE="portal/base.html",
        FAB_INDEX_VIEW="app.dashboard.views.HomeView",
        FAB_SECURITY_MANAGER_CLASS="app.accounts.security.PortalSecurityManager",
    )
    logs.init_app(app)
    if settings.trusted_proxies:
        from werkzeug.middleware.proxy_fix import ProxyFix

        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]  # Flask's own way

    with app.app_context():
        db.init_app(app)
        from app.core import tenancy

        tenancy.install(db.engine)
        from app.core import api, commands, health, jobs, metrics, requests, schema, typography, ui

        requests.init_app(app)
        ui.init_app(app)

        schema.load_models()
        builder = portal_appbuilder.PortalAppBuilder()
        builder.init_app(app, db.session)
        typography.init_app(app)
        import_module("app.core.registration").register(builder)
        for feature in FEATURES:
            import_module(feature).register(builder)

        api.init_app(app)
        ui.narrowing.init_app(app)  # after the scope of the account is bound
        health.init_app(app)
        metrics.init_app(app)
        jobs.init_app(app)
        commands.init_app(app)
    return app
