"""Template loaders, globals and filters: what every template of the portal may use."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, current_app, url_for
from flask_babel import get_locale, gettext
from flask_babel.speaklater import LazyString
from flask_login import current_user
from jinja2 import ChoiceLoader, FileSystemLoader

from app.core import clock, page_drafts
from app.core.presence import Editor, edit_page
from app.core.ui import components, paths
from app.core.ui.assets import static_url
from app.core.ui.banner import standing_banners
from app.core.ui.breadcrumb import crumbs, home_url
from app.core.ui.contacts import footer_contacts
from app.core.ui.format import FILTERS
from app.core.ui.menu import visible_menu
from app.core.ui.permissions import allowed, current_permissions, signed_in
from app.core.ui.security_headers import csp_nonce
from app.core.ui.store import request_store

APP_ROOT = Path(__file__).resolve().parents[2]

_FLASH_TONES = {
    "success": "success",
    "info": "info",
    "message": "info",
    "warning": "warning",
    "danger": "danger",
    "error": "danger",
}


@dataclass(frozen=True, slots=True)
class AccountItem:
    """A link of the account menu."""

    label: str
    href: str


_account_items: dict[str, tuple[int, Any, tuple[str, str] | None]] = {}


def register_account_item(*, label: Any, endpoint: str, permission: tuple[str, str] | None = None, order: int = 100) -> None:
    """Add a link to the account menu (password, messages…); an endpoint that does not exist is not shown."""
    _account_items[endpoint] = (order, label, permission)


def account_items() -> list[AccountItem]:
    """The links of the account menu that the account may follow."""
    granted = current_permissions()
    shown = []
    for endpoint, (_order, label, permission) in sorted(_account_items.items(), key=lambda item: (item[1][0], item[0])):
        href = paths.safe_url(endpoint)
        if href and (permission is None or permission in granted):
            shown.append(AccountItem(str(label), href))
    return shown


def flash_tone(category: str) -> str:
    """The tone of a flash message; an unknown category is information."""
    return _FLASH_TONES.get(category, "info")


def tone_word(tone: str) -> str:
    """The tone said in a word, for those who do not see the colour nor the shape."""
    words = {"success": gettext("Success:"), "info": gettext("Information:"), "warning": gettext("Warning:"), "danger": gettext("Error:")}
    return str(words.get(tone, ""))


def sort_word(state: str | None) -> str:
    """What a sortable header says besides its label."""
    if state == "ascending":
        return str(gettext("(sorted in ascending order; reverse)"))
    if state == "descending":
        return str(gettext("(sorted in descending order; reverse)"))
    return str(gettext("(sort)"))


def user_name() -> str:
    """ "NOM Prénom" as in the guides' header; the identifier when there is no name."""
    if not signed_in():
        return ""
    parts = [getattr(current_user, "last_name", "") or "", getattr(current_user, "first_name", "") or ""]
    return " ".join(part for part in parts if part) or str(getattr(current_user, "username", ""))


_organisation_name: Callable[[], str | None] | None = None


def register_organisation_name(reader: Callable[[], str | None]) -> None:
    """Set the function that names the organisation of the signed-in account (shown in the account menu)."""
    global _organisation_name
    _organisation_name = reader


def user_organisation() -> str | None:
    """The organisation of the signed-in account, when a feature says it."""
    if _organisation_name is None or not signed_in():
        return None
    store = request_store()
    if "organisation" not in store:
        store["organisation"] = _organisation_name()
    name: str | None = store["organisation"]
    return name


def page_lang() -> str:
    """The language of the page for the ``lang`` attribute."""
    locale = get_locale()
    return locale.language if locale else "fr"


def header_now() -> datetime:
    """The moment the page was made, the same in the whole page."""
    moment: datetime = request_store().setdefault("now", clock.local_now())
    return moment


def theme_url() -> str | None:
    """The style sheet of the Région's accent colour, when one is set."""
    return paths.safe_url("ui.theme", _digest=theme_digest()) if current_app.config.get("REGION_ACCENT") else None


def theme_digest() -> str:
    """Changes whenever the accent colour changes."""
    return str(current_app.config.get("REGION_ACCENT", "")).lstrip("#").lower()


def presence_lines(others: Iterable[Editor], *, decides: bool = False) -> list[str]:
    """« Mme X modifie cette page depuis 14:02 », for each of those who have the page open; « examine cette demande » where one decides."""
    told = [(one.name or gettext("The Région"), f"{one.since:%H:%M}") for one in others]
    if decides:
        return [gettext("%(name)s has been examining this request since %(time)s.", name=name, time=time) for name, time in told]
    return [gettext("%(name)s has been modifying this page since %(time)s.", name=name, time=time) for name, time in told]


def script_words() -> dict[str, str]:
    """The sentences ``portal.js`` may say, as one data attribute of the body: scripts hold no text of their own."""
    login = paths.sign_in_and_resume_url()
    words = {
        "choose": gettext("Choose a date"),
        "close": gettext("Close"),
        "previousMonth": gettext("Previous month"),
        "nextMonth": gettext("Next month"),
        "today": gettext("Today"),
        "draftSaved": gettext("Draft kept at %(time)s", time="{time}"),
        "draftUnsaved": gettext("Changes not saved yet"),
        "sessionExpired": gettext("Your session has ended. Sign in again in another tab, then come back here: what you typed is still on this page."),
        "signIn": gettext("Sign in again"),
        "networkError": gettext("The portal did not answer. Check your connection, then try again: nothing you typed is lost."),
        "noMatch": gettext("No match"),
        "matches": gettext("%(count)s matches", count="{count}"),
        "serverError": gettext("The request failed. Try again; if it happens again, contact the assistance."),
    }
    attributes = {"data-words": json.dumps(words, ensure_ascii=False), "data-token-url": url_for("ui.token")}
    if login:
        attributes["data-login-url"] = login
    if signed_in():
        attributes["data-page-draft-url"] = url_for("ui.page_draft")
    return attributes


@cache
def _template_folders() -> tuple[str, ...]:
    folders = sorted(path for path in APP_ROOT.glob("*/templates") if path.is_dir())
    core = APP_ROOT / "core" / "templates"
    return tuple(str(path) for path in [core, *(path for path in folders if path != core)])


def init_templates(app: Flask) -> None:
    """One loader over ``app/*/templates``; being the application's, it comes before Flask-AppBuilder's own templates."""
    app.jinja_loader = ChoiceLoader([FileSystemLoader(folder) for folder in _template_folders()])
    app.jinja_env.add_extension("jinja2.ext.do")
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.tests["text"] = lambda value: isinstance(value, str | LazyString)  # to Jinja itself, a lazy string is a list of letters
    app.jinja_env.globals.update(
        account_items=account_items,
        account_url=paths.account_url,
        allowed=allowed,
        as_columns=components.as_columns,
        csp_nonce=csp_nonce,
        field_view=components.field_view,
        flash_tone=flash_tone,
        form_errors=components.form_errors,
        header_now=header_now,
        home_url=home_url,
        html_attributes=components.html_attributes,
        login_url=paths.login_url,
        logout_url=paths.logout_url,
        page_lang=page_lang,
        page_draft=page_drafts.told,
        page_numbers=components.page_numbers,
        portal_contacts=footer_contacts,
        portal_crumbs=crumbs,
        portal_menu=visible_menu,
        safe_url=paths.safe_url,
        script_words=script_words,
        signed_in=signed_in,
        sort_state=components.sort_state,
        sort_word=sort_word,
        standing_banners=standing_banners,
        edit_page=edit_page,
        presence_lines=presence_lines,
        static_url=static_url,
        step_states=components.step_states,
        theme_url=theme_url,
        tone_word=tone_word,
        url_with=components.url_with,
        url_without=components.url_without,
        user_name=user_name,
        user_organisation=user_organisation,
    )
