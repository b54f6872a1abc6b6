"""The path above each page: "Accueil » Actions de formation » …" (guides 000 and 004)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _

from app.core.ui.paths import first_url


@dataclass(frozen=True, slots=True)
class Crumb:
    """One step of the path; the last one has no address: it is the present page."""

    label: str
    href: str | None


def home_url() -> str:
    """The home page."""
    return first_url("HomeView.index", "IndexView.index") or "/"


def crumbs(path: Iterable[Any] | None) -> list[Crumb]:
    """``[(label, address), …, (label, None)]`` with "Accueil" put in front; an empty path gives nothing."""
    rows = [Crumb(str(item[0]), item[1]) if isinstance(item, tuple | list) else Crumb(str(item), None) for item in path or ()]
    if not rows:
        return []
    rows[-1] = Crumb(rows[-1].label, None)
    return [Crumb(_("Home"), home_url()), *rows]
