"""The few pages the layout itself needs: quick search, accessibility, personal data, theme, token, style guide."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, abort, current_app, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_wtf.csrf import generate_csrf
from werkzeug.datastructures import MultiDict

from app.core import page_drafts
from app.core import presence as presence_of_pages
from app.core.ui import theme as theme_colours
from app.core.ui.assets import static_url
from app.core.ui.breadcrumb import home_url
from app.core.ui.narrowing import PAGE, narrow, narrowed_address, register_number_search
from app.core.ui.paths import login_url, sign_in_and_resume_url
from app.core.ui.permissions import signed_in
from app.core.ui.search import MIN_LENGTH, private_answer, quick_search
from app.core.wizard.drafts import DraftTooLarge

bp = Blueprint("ui", __name__)
MAX_QUERY = 100


@bp.route("/recherche", methods=("GET", "POST"))
def search() -> ResponseReturnValue:
    """Quick search over what each feature finds, within what the account may see.

    The box is posted: a text that must stand in no address (the number of a person) leads to its answer, any other becomes an address.
    """
    if not signed_in():
        address = login_url()
        if address is None:
            abort(401)
        return redirect(f"{address}?next=/recherche")
    text = " ".join(request.values.get("q", "").replace("\x00", "")[:MAX_QUERY].split())
    if request.method == "POST":
        return redirect(narrowed_address(url_for("ui.search"), MultiDict({"q": text})), 303)
    if (private := private_answer(text)) is not None:
        return redirect(private, 303)
    return render_template("portal/search.html", search_text=text, groups=quick_search(text), too_short=len(text) < MIN_LENGTH)


@bp.post("/filtrer")
def narrowed() -> ResponseReturnValue:
    """The filter box of any list: to the list narrowed to what was typed (``core.ui.narrowing``)."""
    from app.core.fab.history import safe_target

    if not signed_in():
        return redirect(login_url() or "/")
    return narrow(safe_target(request.form.get(PAGE)) or home_url(), request.form)


@bp.get("/reprise")
def resume() -> ResponseReturnValue:
    """Where signing in leads in the tab opened because a session ended in another: the form still waits there."""
    if not signed_in():
        return redirect(sign_in_and_resume_url() or "/")
    return render_template("portal/resume.html")


@bp.get("/accessibilite")
def accessibility() -> str:
    """The accessibility statement (public)."""
    return render_template("portal/accessibility.html")


@bp.get("/donnees-personnelles")
def data_protection() -> str:
    """What becomes of personal data (public)."""
    return render_template("portal/data_protection.html")


@bp.get("/jeton")
def token() -> ResponseReturnValue:
    """A fresh form token for a page that stayed open across a sign-in; for our own pages only."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        abort(403)
    return jsonify(token=generate_csrf(), signed_in=signed_in())


@bp.post("/presence")
def presence() -> ResponseReturnValue:
    """An edit page says that it is being used, or was left; answers who else has it open. The page's word says which object it is."""
    if not signed_in():
        abort(401)
    if request.form.get("left"):
        presence_of_pages.left(request.form.get(presence_of_pages.PAGE))
        return "", 204
    here = presence_of_pages.still_there(request.form.get(presence_of_pages.PAGE))
    return ("", 204) if here is None else render_template("portal/_presence.html", here=here)


@bp.post("/brouillon")
def page_draft() -> ResponseReturnValue:
    """An edit page keeps what is being typed into it, without judging it; answers 204, and 409 when the form was accepted meanwhile."""
    if not signed_in():
        abort(401)
    try:
        page_drafts.save(request.form.get(presence_of_pages.PAGE), request.form.get(page_drafts.PATH, ""), request.form)
    except page_drafts.NotAnEditPage:
        abort(400)
    except page_drafts.AlreadySent:
        abort(409)
    except DraftTooLarge:
        abort(413)
    return "", 204


@bp.route("/brouillon/abandon", methods=["GET", "POST"])
def drop_page_draft() -> ResponseReturnValue:
    """Give up what was typed into a page: GET asks (the dialog without script), POST does it and goes back to the page."""
    from app.core.fab.history import safe_target

    if not signed_in():
        abort(401)
    page = safe_target(request.values.get("page"))
    if page is None:
        return redirect(home_url())
    if request.method == "POST":
        if page_drafts.discard(urlsplit(page).path):
            flash(gettext("Your draft was deleted."), "info")
        return redirect(page, 303)
    return render_template(
        "portal/confirm.html",
        heading=gettext("Give up this input?"),
        body=gettext("Everything typed in it is deleted for good. Nothing that is registered already changes."),
        action_url=request.path,
        fields={"page": page},
        verb=gettext("Delete the draft"),
        cancel_url=page,
    )


@bp.get("/theme/<_digest>.css")
def theme(_digest: str) -> Response:
    """The accent colour of the Région, as a style sheet: an inline style would need a weaker policy."""
    return Response(theme_colours.stylesheet(str(current_app.config.get("REGION_ACCENT") or "")), mimetype="text/css")


@bp.get("/favicon.ico")
def favicon() -> ResponseReturnValue:
    """Browsers ask for it whatever the page says."""
    return redirect(static_url("img/favicon.svg"))


@bp.get("/robots.txt")
def robots() -> Response:
    """Nothing here is for search engines."""
    return Response("User-agent: *\nDisallow: /\n", mimetype="text/plain")


def _styleguide() -> Any:
    from app.core.ui.styleguide import render

    return render()


def init_app(app: Flask) -> None:
    """Register the pages; the style guide in demonstration mode only."""
    app.register_blueprint(bp)
    register_number_search("ui.search", "q", lambda text, _values, _arguments: private_answer(text))
    if app.config.get("DEMO"):
        app.add_url_rule("/ui", "ui.styleguide", _styleguide, methods=["GET"])
