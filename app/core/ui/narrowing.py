"""What is typed to narrow a list or to search becomes an address, but the number of a person never does.

Every filter box is posted to ``ui.narrow`` (the macro ``filter_bar``) with the page it narrows, and answered by a redirect to that page:
ordinary words stay in an address that can be shared.  A text that is meant as a NIR or NIA, or holds one, goes to the page that searches
by numbers (:func:`register_number_search`); anywhere else it is left out, and that is said.  An address that holds one all the same, typed
by hand or kept from before, is answered in the same way before any page is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from flask import Flask, current_app, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from app.core.nir.text import holds_number, meant_as_number
from app.core.ui.error_pages import is_htmx, wants_json
from app.core.ui.permissions import signed_in

#: The field that says which page is narrowed.
PAGE: Final = "_page"
_NEVER: Final = frozenset({PAGE, "csrf_token"})

#: ``answer(text, values, arguments)``: the address that shows who bears the number typed, without holding it; None when the account may not search so.
Answer = Callable[[str, Mapping[str, str], Mapping[str, Any]], str | None]


@dataclass(frozen=True, slots=True)
class NumberSearch:
    """A page that searches by the number of a person."""

    parameter: str
    answer: Answer


_searches: dict[str, NumberSearch] = {}


def register_number_search(endpoint: str, parameter: str, answer: Answer) -> None:
    """Declare (or replace) how the page ``endpoint`` searches for a number typed into its box ``parameter``."""
    _searches[endpoint] = NumberSearch(parameter, answer)


def _route(path: str) -> tuple[str, Mapping[str, Any]]:
    """The endpoint of a path of this portal, and what its address holds; nothing for any other."""
    try:
        endpoint, arguments = current_app.create_url_adapter(request).match(path, method="GET")  # type: ignore[union-attr]  # in a request there is one
    except (HTTPException, RequestRedirect):
        return "", {}
    return str(endpoint), arguments


def narrowed_address(path: str, values: MultiDict[str, str], *, suspect: Callable[[str], bool] = meant_as_number) -> str:
    """The address of the page ``path`` narrowed to what was typed, or of the answer to the number of a person that stands in it."""
    numbers = {name for name, value in values.items(multi=True) if name not in _NEVER and suspect(value)}
    if numbers and signed_in():
        endpoint, arguments = _route(path)
        search = _searches.get(endpoint)
        if search is not None and search.parameter in numbers:
            address = search.answer(values[search.parameter], values, arguments)
            if address is not None:
                return address
        if not (is_htmx() or wants_json()):
            told = _("What you typed holds the number of a person, and was not searched for: such a number is searched for in the list of the trainees only.")
            flash(told, "warning")
    typed = [(name, " ".join(value.replace("\x00", "").split())) for name, value in values.items(multi=True) if name not in _NEVER and name not in numbers]
    kept = [(name, value) for name, value in typed if value]
    return f"{path}?{urlencode(kept)}" if kept else path


def narrow(target: str, values: MultiDict[str, str]) -> ResponseReturnValue:
    """Answer a filter box that was posted, for the page ``target``, an address of this portal."""
    return redirect(narrowed_address(urlsplit(target).path, values), 303)


def _clean_address_of_nobody() -> ResponseReturnValue | None:
    """The same for who is not signed in, before the sign-in page is told where to lead back to."""
    return _clean_address(signed=False)


def _clean_address(*, signed: bool = True) -> ResponseReturnValue | None:
    """Before any page: an address that holds the number of a person is left for one that does not."""
    by_program = (request.blueprint or "").startswith("api_")
    if by_program or not any(holds_number(value) for _name, value in request.args.items(multi=True)):
        return None
    return redirect(narrowed_address(request.path, request.args, suspect=holds_number), 303) if signed_in() is signed else None


def init_door(app: Flask) -> None:
    """Look at each address before the sign-in is asked for."""
    app.before_request(_clean_address_of_nobody)


def init_app(app: Flask) -> None:
    """Look at each address once it is known who asks, and that the account may use the portal."""
    app.before_request(_clean_address)


__all__ = ["PAGE", "init_app", "init_door", "narrow", "narrowed_address", "register_number_search"]
