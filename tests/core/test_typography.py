"""French spaces: put in when the catalogue is loaded, so that none can be forgotten."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.core.typography import FrenchDomain, french_spacing

if TYPE_CHECKING:
    from flask import Flask


@pytest.mark.parametrize(
    ("plain", "spaced"),
    [
        ("Code postal : remplissez ce champ.", "Code postal\u00a0: remplissez ce champ."),
        ("Fermer l’action %(number)s ?", "Fermer l’action %(number)s\u202f?"),
        ("Vite ! Puis ; enfin", "Vite\u202f! Puis\u202f; enfin"),
        ("« Sans objet »", "«\u00a0Sans objet\u00a0»"),
        ("« Clôturé » : oui", "«\u00a0Clôturé\u00a0»\u00a0: oui"),
        ("toutes les %(count)s s", "toutes les %(count)s\u00a0s"),
        ("%(name)s s’est connecté", "%(name)s s’est connecté"),
        ("https://exemple.fr a:b 10:30", "https://exemple.fr a:b 10:30"),
    ],
)
def test_spaces_that_must_not_break(plain: str, spaced: str) -> None:
    assert french_spacing(plain) == spaced
    assert french_spacing(spaced) == spaced


def test_nothing_of_the_catalogue_escapes(app: Flask) -> None:
    known = app.extensions["babel"].instance.domain_instance
    with app.test_request_context():
        domain = FrenchDomain(known._translation_directories, ";".join(known.domain))
        messages = {key: text for key, text in domain.get_translations()._catalog.items() if key}
        assert len(messages) > 500
        wrong = [text for text in messages.values() if re.search(r"\S [:;!?](\s|$)|« | »", text)]
        assert not wrong, wrong[:5]
        assert domain.get_translations() is domain.get_translations()
        assert "\u00a0:" in domain.gettext("Error:")
