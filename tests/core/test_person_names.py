"""How names are written."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.person_names import is_person_name

_LETTERS = st.characters(categories=["Lu", "Ll", "Lo"])


@pytest.mark.parametrize("name", ["ALBA", "de la Forêt-Noire", "O’Brien", "D'Almeida", "Jr.", "Nguyễn", "李", "Gal·la", unicodedata.normalize("NFD", "Zoé")])
def test_names(name: str) -> None:
    assert is_person_name(name)


@pytest.mark.parametrize("name", ["", " ", "123 456", "💥", "Test💥", "Test9", "<b>", "-", "Ann@", "x\ty", "x\u202ey", "A\ufe0f", "=A"])
def test_not_names(name: str) -> None:
    assert not is_person_name(name)


@given(st.lists(st.text(_LETTERS, min_size=1), min_size=1), st.sampled_from(" -'’."))
def test_letters_and_what_joins_them_make_a_name(parts: list[str], joiner: str) -> None:
    assert is_person_name(joiner.join(parts))


@given(st.text(_LETTERS, min_size=1), st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "So", "Sm", "Sc", "Nd", "Me"]), st.integers(0, 9))
def test_one_character_out_of_place_is_enough(letters: str, intruder: str, place: int) -> None:
    assert not is_person_name(letters[:place] + intruder + letters[place:])


@given(st.text())
def test_digits_are_for_accounts_alone(text: str) -> None:
    with_digits = is_person_name(text, digits=True)
    assert is_person_name(text) == (with_digits and not any(one in "0123456789" for one in text))
