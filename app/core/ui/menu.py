"""The menu: features declare entries, the layout shows those the account may open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import request
from flask_babel import lazy_gettext as _l

from app.core.ui.paths import safe_url
from app.core.ui.permissions import current_permissions, signed_in
from app.core.ui.store import request_store

HOME = "Accueil"

# The order is the menu's; the keys are the words of the guides, so that a feature writes what it sees on the screen.
GROUPS: dict[str, Any] = {
    HOME: _l("Home"),
    "Actions de formation": _l("Training actions"),
    "Imports": _l("Imports"),
    "Gestion organisme": _l("Organisation management"),
    "Référentiels": _l("Reference data"),
    "Supervision": _l("Supervision"),
    "Sécurité": _l("Security"),
    "Aide": _l("Help"),
}


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One declared entry. ``permission`` is a (permission, view) pair; None means any signed-in account."""

    group: str
    label: Any
    endpoint: str
    permission: tuple[str, str] | None = None
    order: int = 100
    values: Mapping[str, Any] = field(default_factory=dict)
    public: bool = False
    visible: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class VisibleEntry:
    """An entry as it is shown."""

    label: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class VisibleGroup:
    """A group as it is shown; with one entry only, the group is a plain link."""

    key: str
    label: str
    entries: tuple[VisibleEntry, ...]

    @property
    def current(self) -> bool:
        """True when the present page is in this group."""
        return any(entry.current for entry in self.entries)


_entries: dict[tuple[str, str, tuple[tuple[str, Any], ...]], MenuEntry] = {}


def register_menu(
    *,
    group: str,
    label: Any,
    endpoint: str,
    permission: tuple[str, str] | None = None,
    order: int = 100,
    values: Mapping[str, Any] | None = None,
    public: bool = False,
    visible: Callable[[], bool] | None = None,
) -> None:
    """Declare a menu entry; declaring it again replaces it. An endpoint that does not exist is simply not shown.

    ``visible`` may hide the entry for a reason other than a permission (it is called at each page); ``public`` shows it
    to people who are not signed in as well.
    """
    key = (group, endpoint, tuple(sorted((values or {}).items())))
    _entries[key] = MenuEntry(group, label, endpoint, permission, order, dict(values or {}), public, visible)


def _is_current(entry: MenuEntry, href: str, chosen: str | None) -> bool:
    if chosen is not None:
        return chosen == entry.endpoint
    if request.endpoint == entry.endpoint:
        return not entry.values or request.path == href.split("?", maxsplit=1)[0]
    return False


def visible_menu(chosen: str | None = None) -> list[VisibleGroup]:
    """The groups and entries the account may open, computed once per request; the present one is marked.

    ``chosen`` is the endpoint of the entry to mark when the page itself is not in the menu. Failing that, the entry
    whose view (the part before the dot) serves the page is marked.
    """
    store = request_store()
    cached: list[tuple[MenuEntry, str]] | None = store.get("menu")
    if cached is None:
        here = signed_in()
        granted = current_permissions()
        cached = []
        for entry in _entries.values():
            if not entry.public and not here:
                continue
            if entry.permission is not None and entry.permission not in granted:
                continue
            if entry.visible is not None and not entry.visible():
                continue
            href = safe_url(entry.endpoint, **entry.values)
            if href is not None:
                cached.append((entry, href))
        store["menu"] = cached
    marks = {id(entry): _is_current(entry, href, chosen) for entry, href in cached}
    if chosen is None and not any(marks.values()) and request.endpoint and "." in request.endpoint:
        view = request.endpoint.rpartition(".")[0]
        for entry, _href in cached:
            if entry.endpoint.rpartition(".")[0] == view:
                marks[id(entry)] = True
                break
    order = {key: position for position, key in enumerate(GROUPS)}
    by_group: dict[str, list[tuple[MenuEntry, str]]] = {}
    for entry, href in cached:
        by_group.setdefault(entry.group, []).append((entry, href))
    shown: list[VisibleGroup] = []
    for key in sorted(by_group, key=lambda name: (order.get(name, len(order)), name)):
        rows = sorted(by_group[key], key=lambda item: (item[0].order, str(item[0].label)))
        shown.append(
            VisibleGroup(
                key,
                str(GROUPS.get(key, key)),
                tuple(VisibleEntry(str(entry.label), href, marks[id(entry)]) for entry, href in rows),
            )
        )
    return shown
