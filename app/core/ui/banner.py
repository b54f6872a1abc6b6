"""What stands on top of every page while it lasts: whose eyes one looks through, for instance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Banner:
    """A standing message with the button that ends it."""

    text: str
    detail: str | None = None
    verb: str | None = None
    action_url: str | None = None
    tone: str = "info"


_readers: dict[str, Callable[[], Banner | None]] = {}


def register_banner(name: str, reader: Callable[[], Banner | None]) -> None:
    """Ask ``reader`` at each page; declaring a name again replaces it."""
    _readers[name] = reader


def standing_banners() -> list[Banner]:
    """The banners of this page."""
    return [banner for reader in _readers.values() if (banner := reader()) is not None]
