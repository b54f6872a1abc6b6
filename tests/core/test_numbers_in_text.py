"""What is taken for the number of a person in a text, and what people write that is none."""

from __future__ import annotations

from datetime import date

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stdnum import iban, luhn

from app.core.nir import compute_key, group
from app.core.nir.text import holds_number, meant_as_number, number_in, without_numbers

DIGITS = "0123456789"


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text(DIGITS, min_size=count, max_size=count)


#: 13 characters of a NIR or NIA, Corsica included.
NUMBERS = st.builds(
    lambda sex, year, month, place, rest: f"{sex}{year:02d}{month:02d}{place}{rest}",
    st.sampled_from("123478"), st.integers(0, 99), st.integers(1, 12), st.sampled_from(["31", "2A", "2B", "99", "01"]), digits(6),
)  # fmt: skip
WORDS = st.text("abcéèà ,;:!?()«»'", max_size=20)


@given(NUMBERS, WORDS, WORDS, st.sampled_from(["", " ", "  ", " | ", ".", "-", "\u00a0", "\u200b"]), st.booleans(), st.booleans())
def test_a_number_is_seen_wherever_it_stands(number: str, before: str, after: str, gap: str, keyed: bool, grouped: bool) -> None:
    key = f"{gap}{compute_key(number)}" if keyed else ""
    before = before if not before or not before[-1].isalnum() else f"{before} "
    after = after if not after or not after[0].isalnum() else f" {after}"
    written = f"{before}{group(number) if grouped else number}{key}{after}"
    assert holds_number(written)
    masked = without_numbers(written)
    assert not holds_number(masked)
    assert number[5:] not in masked.replace(" ", "")
    assert meant_as_number(written)


@given(NUMBERS, st.sampled_from(["NIR:", "NIR ", "n°", "SION "]))
def test_it_is_found_after_a_word(number: str, word: str) -> None:
    assert number_in(f"{word}{number}{compute_key(number)}") == f"{number}{compute_key(number)}"


def _siret(begin: str) -> str:
    return begin + luhn.calc_check_digit(begin)


@given(digits(13).map(_siret), st.booleans())
def test_a_siret_passes(siret: str, spaced: bool) -> None:
    written = f"{siret[:3]} {siret[3:6]} {siret[6:9]} {siret[9:]}" if spaced else siret
    assert not holds_number(f"SIRET {written}, fusion au 1er janvier")
    assert not meant_as_number(written)


@given(digits(11), st.sampled_from(["NDA {}", "NDA {} du 05/01/2026", "n° {}."]))
def test_a_declaration_number_passes(number: str, sentence: str) -> None:
    assert not holds_number(sentence.format(number))


@given(st.integers(0, 99), digits(8), st.integers(1, 999), st.integers(1, 99))
def test_numbers_of_contracts_and_actions_pass(year: int, serial: str, order: int, component: int) -> None:
    contract = f"{year:02d}C{serial}"
    assert not holds_number(f"{contract} {contract}_{order} composante {component:02d}, voir {contract}_{order + 1}")


@given(digits(8), digits(8))
def test_agora_numbers_pass(one: str, other: str) -> None:
    assert not holds_number(f"dossiers AGORA {one} et {other}")


@given(digits(5), digits(5), st.text(DIGITS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=11, max_size=11), digits(2), st.booleans())
def test_an_iban_passes(bank: str, branch: str, account: str, rib: str, spaced: bool) -> None:
    plain = bank + branch + account + rib
    written = f"FR{iban.calc_check_digits(f'FR00{plain}')}{plain}"
    assert iban.is_valid(written)
    assert not holds_number(f"IBAN {iban.format(written) if spaced else written}")


@given(st.sampled_from(["FR", "DE", "GB", "US", "BE", "CH", "MA", "DZ"]), st.integers(0, 3))
def test_telephone_numbers_pass(country: str, style: int) -> None:
    number = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    assert not holds_number(f"au {phonenumbers.format_number(number, style)} le matin")


@given(digits(8), st.sampled_from(["", " ", "."]))
def test_french_telephone_numbers_pass(rest: str, gap: str) -> None:
    number = gap.join(("06", *(rest[at : at + 2] for at in range(0, 8, 2))))
    assert not holds_number(f"{number} / {number}")
    assert not holds_number(f"+33 {number[1:]}")


@given(st.dates(date(1950, 1, 1), date(2060, 1, 1)), st.dates(date(1950, 1, 1), date(2060, 1, 1)), st.sampled_from([" ", "-", "/", " au "]))
def test_dates_pass(first: date, last: date, gap: str) -> None:
    assume(first != last)
    assert not holds_number(f"du {first.day}/{first.month}/{first.year}{gap}{last.day}/{last.month:02d}/{last.year}")
    assert not holds_number(f"{first.isoformat()} {last.isoformat()}")


@pytest.mark.parametrize("written", ["", None, "162071315508", "16 207 131 550 898", "1 234 567,89", "réf. 2026-AB-1620713155089X"])
def test_other_figures_pass(written: str | None) -> None:
    assert not holds_number(written)


@pytest.mark.parametrize("typed", ["1620713155089", "1620713155089 83", "1620713155089820", "16207131550898", "NIR:162071315508982", "SION 1 62 07 13 155 089 82"])
def test_what_is_meant_as_a_number_in_a_search(typed: str) -> None:
    assert meant_as_number(typed)


@pytest.mark.parametrize("typed", ["23C00390257_1", "12345678913000", "30444380", "sion", "0612345678", "05/01/2026", ""])
def test_what_is_not(typed: str) -> None:
    assert not meant_as_number(typed)
