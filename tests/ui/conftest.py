"""A small application with the layout and nothing else: these tests need no database."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask, abort, redirect, render_template_string, request
from flask_babel import Babel
from flask_login import LoginManager, UserMixin, login_user

from app.core import requests as request_hooks
from app.core import ui
from app.core.ui import contacts, menu, search

ROOT = Path(__file__).resolve().parents[2]

FORM_PAGE = """{% extends "portal/base.html" %}{% from "portal/macros.html" import button, form_close, form_open, text_input %}
{% block heading %}Essai{% endblock %}{% block content %}{{ form_open(action="/echo") }}{{ text_input("nom", "Nom") }}
<textarea name="note" aria-label="Note">a
b</textarea>{{ button("Envoyer") }}{{ form_close() }}{% endblock %}"""


class Somebody(UserMixin):
    """A signed-in account."""

    id = "1"
    last_name = "BLANC"
    first_name = "Anne"


class Permissions:
    """Stands for the security manager; counts what it is asked."""

    asked = 0

    def granted(self, _user: object) -> frozenset[tuple[str, str]]:
        self.asked += 1
        return frozenset({("can_list", "Known")})


class Builder:
    """Stands for AppBuilder."""

    def __init__(self) -> None:
        self.sm = Permissions()


def make_app(**settings: object) -> Flask:
    app = Flask("app", static_folder=None, template_folder=None)
    app.config.update(
        SECRET_KEY="a key for tests, long enough to sign",
        DEMO=True,
        PORTAL_NAME="Portail d’essai",
        REGION_NAME="Région d’essai",
        BABEL_DEFAULT_LOCALE="fr",
        BABEL_TRANSLATION_DIRECTORIES=str(ROOT / "translations"),
        LOGIN_ENDPOINT="login",
        LOGOUT_ENDPOINT="logout",
        PUBLIC_URL="https://portail.exemple.fr",
        MAX_CONTENT_LENGTH=2_000_000,
    )
    app.config.update(settings)
    Babel(app)
    request_hooks.init_app(app)
    ui.init_app(app)
    app.appbuilder = Builder()  # type: ignore[attr-defined]
    manager = LoginManager(app)
    manager.user_loader(lambda _id: Somebody())

    @app.get("/connecter")
    def enter() -> str:
        login_user(Somebody())
        return "ok"

    @app.route("/login/", methods=["GET", "POST"])
    def login() -> str:
        return "sign in here"

    @app.post("/logout/")
    def logout() -> str:
        return "bye"

    @app.route("/echo", methods=["GET", "POST"])
    def echo() -> dict[str, str]:
        return dict(request.form)

    @app.get("/formulaire")
    def form_page() -> str:
        return render_template_string(FORM_PAGE)

    @app.route("/closed", methods=["GET", "POST"])
    def closed() -> object:
        return redirect("/login/?next=/closed")

    @app.get("/fail")
    def fail() -> str:
        raise RuntimeError("SELECT secret FROM table at /home/someone")

    @app.route("/stop/<int:code>")
    def stop(code: int) -> str:
        abort(code)

    return app


@pytest.fixture
def ui_app(monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An application with empty registries."""
    monkeypatch.setattr(menu, "_entries", {})
    monkeypatch.setattr(search, "_providers", {})
    monkeypatch.setattr(contacts, "_provider", None)
    monkeypatch.setattr(contacts, "_kept", None)
    return make_app()
