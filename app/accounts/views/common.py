"""What several screens of accounts share."""

from __future__ import annotations

from collections.abc import Mapping

from flask import request
from flask_babel import lazy_gettext as _l

from app.accounts.queries import Shown

SIZES = (25, 50, 100)
#: What the console can be narrowed to, in the order of its tabs.
SHOWN = {
    Shown.BLOCKED: _l("Blocked accounts"),
    Shown.INACTIVE: _l("Inactive accounts"),
    Shown.PENDING: _l("Waiting for a first sign-in"),
    Shown.UNUSED: _l("Accounts unused for 12 months"),
    Shown.ALL: _l("All accounts"),
}


def page_asked() -> tuple[int, int]:
    """The page number and size of the address; what makes no sense becomes the first page of 25."""
    number = request.args.get("page", 1, type=int)
    size = request.args.get("size", SIZES[0], type=int)
    return min(max(number, 1), 10_000), size if size in SIZES else SIZES[0]


def typed_in(name: str = "q", *, longest: int = 100) -> str:
    """What was typed into the search box, without what could not be searched for."""
    return searched(request.args, name, longest=longest)


def searched(args: Mapping[str, str], name: str = "q", *, longest: int = 100) -> str:
    """The same of any words of an address."""
    return " ".join(args.get(name, "").replace("\x00", "")[:longest].split())
