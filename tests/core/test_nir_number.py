"""The rules of the NIR and NIA, against known vectors and against python-stdnum as an oracle."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.fr import nir as oracle

from app.core import nir
from app.core.nir import Incoherence, NirError, NirKind, NirProblem

KNOWN = ["255081416802538", "284058832102532", "295109912611193", "253072A07300443", "253072B07300470",
         "162071315508982"]


def _digits(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=length, max_size=length)


numbers = st.builds(
    lambda first, year, month, place, rest: first + year + month + place + rest,
    st.sampled_from("123478"),
    _digits(2),
    st.sampled_from([f"{m:02d}" for m in (*range(1, 13), *range(20, 43), *range(50, 100))]),
    st.one_of(_digits(2), st.sampled_from(["2A", "2B"])),
    _digits(6),
)


@pytest.mark.parametrize("value", KNOWN)
def test_known_numbers_are_accepted_whole_or_in_two_boxes(value: str) -> None:
    assert nir.parse(value).value == value
    assert nir.parse(value[:13], value[13:]).value == value
    assert nir.parse(oracle.format(value)).value == value
    assert nir.parse(value, value[13:]).value == value


def test_typed_as_on_screen() -> None:
    assert nir.parse("1 62 07 13 155 089 | 82").value == "162071315508982"
    assert nir.parse("\u00a01\u202f62.07-13\u2011155\u200b089", " 82 ").value == "162071315508982"
    assert nir.parse("253072a073004", "43").value == "253072A07300443"


@given(numbers)
def test_every_number_with_its_key_is_accepted_as_the_oracle_does(number: str) -> None:
    value = number + nir.compute_key(number)
    assert oracle.is_valid(value)
    if value in nir.SPECIMENS:
        return
    found = nir.parse(value)
    assert found.value == value
    assert found.kind == (NirKind.NIR if number[0] in "12" else NirKind.NIA)
    assert 1 <= int(found.key) <= 97


@given(numbers, st.integers(min_value=0, max_value=99))
def test_every_other_key_is_refused(number: str, key: int) -> None:
    typed = f"{key:02d}"
    if typed != nir.compute_key(number):
        assert not oracle.is_valid(number + typed)
        assert nir.check(number, typed) is NirProblem.KEY


@given(st.text(max_size=20) | st.text("0123456789AB ", min_size=11, max_size=19))
def test_any_text_is_judged_without_a_crash_and_never_more_kindly_than_the_oracle(text: str) -> None:
    problem = nir.check(text)
    if problem is None:
        assert oracle.is_valid(nir.normalise(text))
    nir.mask(text)
    nir.group(text)


@given(numbers)
def test_a_key_typed_from_two_neighbouring_digits_swapped_is_caught(number: str) -> None:
    key = nir.compute_key(number)
    for i in range(12):
        swapped = number[:i] + number[i + 1] + number[i] + number[i + 2:]
        if swapped != number:
            assert nir.check(swapped, key) is not None


@pytest.mark.parametrize(
    ("number", "key", "problem"),
    [
        (None, None, NirProblem.EMPTY),
        (" . ", "82", NirProblem.EMPTY),
        ("16207131550O9", "82", NirProblem.CHARACTERS),
        ("16207131550²9", "82", NirProblem.CHARACTERS),
        ("162٠71315508", "82", NirProblem.CHARACTERS),
        ("A620713155089", "82", NirProblem.CHARACTERS),
        ("253072C073004", "43", NirProblem.CHARACTERS),
        ("16207131550", "82", NirProblem.LENGTH),
        ("162071315508982", "83", NirProblem.KEY_TWICE),
        ("1620713155089821", "82", NirProblem.LENGTH),
        ("1620713155089", "", NirProblem.KEY_MISSING),
        ("1620713155089", "8", NirProblem.KEY_FORMAT),
        ("1620713155089", "8A", NirProblem.KEY_FORMAT),
        ("5620713155089", "82", NirProblem.FIRST_DIGIT),
        ("0620713155089", "82", NirProblem.FIRST_DIGIT),
        ("1621313155089", "82", NirProblem.MONTH),
        ("1624513155089", "82", NirProblem.MONTH),
        ("1620013155089", "82", NirProblem.MONTH),
        ("1620713155089", "00", NirProblem.KEY),
        ("1620713155089", "81", NirProblem.KEY),
        ("2690549588157", "80", NirProblem.SPECIMEN),
    ],
)
def test_refusals_say_why(number: str | None, key: str | None, problem: NirProblem) -> None:
    assert nir.check(number, key) is problem
    with pytest.raises(NirError) as caught:
        nir.parse(number, key)
    assert not number or number.strip() not in str(caught.value) or not number.strip(" .")


def test_the_key_of_a_multiple_of_97_is_97() -> None:
    number = next(str(n) for n in range(1620713155000, 1620713155097) if n % 97 == 0)
    assert nir.compute_key(number) == "97"


def test_provisional_numbers_are_not_held_to_a_date() -> None:
    number = "7624513155089"
    assert nir.parse(number, nir.compute_key(number)).kind is NirKind.NIA


def test_masking_and_grouping() -> None:
    value = "162071315508982"
    assert nir.mask(value) == "1 62 07 ** *** *** **"
    assert nir.mask(value[:13]) == "1 62 07 ** *** *** **"
    assert nir.mask("12345") == "* ** ** ** *** *** **"
    assert nir.mask(None) == nir.mask("") == ""
    assert nir.group(value) == "1 62 07 13 155 089 82"
    assert nir.group("16207") == "1 62 07"
    found = nir.parse(value)
    assert str(found) == nir.mask(value)
    assert value[5:] not in repr(found)
    assert found.number not in f"{found!r}{found}"


def test_an_empty_number_matches_nothing() -> None:
    assert not nir.same("", "")
    assert not nir.same(None, None)
    assert not nir.same(" ", "162071315508982")
    assert nir.same("1 62 07 13 155 089", "162071315508982")


def test_incoherence_with_the_person() -> None:
    found = nir.parse("162071315508982")
    assert nir.incoherences(found, birth_date=date(1962, 7, 21), gender="M") == []
    assert nir.incoherences(found, birth_date=date(1963, 8, 21), gender="F") == [
        Incoherence.GENDER, Incoherence.YEAR, Incoherence.MONTH]
