"""What several screens of accounts share."""

from __future__ import annotations

from flask import request

SIZES = (25, 50, 100)


def page_asked() -> tuple[int, int]:
    """The page number and size of the address; what makes no sense becomes the first page of 25."""
    number = request.args.get("page", 1, type=int)
    size = request.args.get("size", SIZES[0], type=int)
    return min(max(number, 1), 10_000), size if size in SIZES else SIZES[0]


def typed_in(name: str = "q", *, longest: int = 100) -> str:
    """What was typed into the search box, without what could not be searched for."""
    return " ".join(request.args.get(name, "").replace("\x00", "")[:longest].split())
