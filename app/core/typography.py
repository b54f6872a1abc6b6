"""French spacing of the catalogue: no colon, question mark or guillemet is ever alone on its line.

Translators write plain spaces; the spaces that must not break are put in when the catalogue is loaded, so that none can be
forgotten: U+00A0 before a colon and inside guillemets, the narrow U+202F before ``; ! ?`` (Lexique de l'Imprimerie nationale).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flask_babel import Domain

if TYPE_CHECKING:
    from flask import Flask

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<=\S) :(?=[\s<»)]|$)"), "\u00a0:"),
    (re.compile(r"(?<=\S) ([;!?])(?=[\s<»)…]|$)"), "\u202f\\1"),
    (re.compile(r"« "), "«\u00a0"),
    (re.compile(r" »"), "\u00a0»"),
    (re.compile(r"(?<=\)s|\)d) (h|min|s|€|%)(?![\w’'])"), "\u00a0\\1"),
)


def french_spacing(text: str) -> str:
    """``text`` with the spaces that must not break."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


class FrenchDomain(Domain):
    """The messages of a catalogue, spaced as French is."""

    def get_translations(self) -> Any:
        """The translations of the present locale, spaced once when they are loaded."""
        translations = super().get_translations()
        if not getattr(translations, "spaced", False):
            catalogue: dict[Any, Any] = getattr(translations, "_catalog", {})
            for key, message in catalogue.items():
                if key and isinstance(message, str):
                    catalogue[key] = french_spacing(message)
            translations.spaced = True
        return translations


def init_app(app: Flask) -> None:
    """Space what the application says. Tests read plain sentences: what they compare is the words."""
    if app.testing:
        return
    babel = app.extensions["babel"].instance
    known = babel.domain_instance
    babel.domain_instance = FrenchDomain(known._translation_directories, ";".join(known.domain))


__all__ = ["FrenchDomain", "french_spacing", "init_app"]
