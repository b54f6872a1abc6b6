"""Rules of trainees and enrolments, without application nor database."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.partners.agora.port import Outcome
from app.trainees import domain, life
from app.trainees.domain import AgoraState, EnrolmentPlan, EsfState, ProblemCode

START, END = date(2023, 1, 2), date(2024, 6, 30)


def plan(**changes: object) -> EnrolmentPlan:
    values = {"planned_start": START, "planned_end": END, "site_id": 1, "hours_centre": Decimal(300), "hours_company": Decimal(100)}
    return EnrolmentPlan(**(values | changes))  # type: ignore[arg-type]


def codes(tested: EnrolmentPlan, actual_start: date | None = None) -> set[tuple[str, ProblemCode]]:
    found = domain.enrolment_problems(tested, component_start=START, component_end=END, site_ids=frozenset({1, 2}), actual_start=actual_start)
    return {(problem.field, problem.code) for problem in found}


def test_a_plan_within_the_component_is_free() -> None:
    assert codes(plan()) == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"planned_start": date(2023, 1, 1)}, ("planned_start", ProblemCode.BEFORE_COMPONENT)),
        ({"planned_end": date(2024, 7, 1)}, ("planned_end", ProblemCode.AFTER_COMPONENT)),
        ({"planned_start": date(2024, 7, 2)}, ("planned_start", ProblemCode.AFTER_COMPONENT)),
        ({"planned_end": date(2022, 12, 31)}, ("planned_end", ProblemCode.END_BEFORE_START)),
        ({"site_id": 3}, ("site_id", ProblemCode.SITE_NOT_OF_COMPONENT)),
        ({"hours_centre": Decimal(0), "hours_company": Decimal(0)}, ("hours_centre", ProblemCode.NO_HOURS)),
        ({"hours_centre": Decimal(3001)}, ("hours_centre", ProblemCode.TOO_MANY_HOURS)),
        ({"planned_end": START, "hours_centre": Decimal(23), "hours_company": Decimal("1.01")}, ("hours_centre", ProblemCode.MORE_THAN_THE_DAYS)),
    ],
)
def test_each_slip_is_named(changes: dict[str, object], expected: tuple[str, ProblemCode]) -> None:
    assert expected in codes(plan(**changes))


def test_nobody_enters_an_open_action_before_its_start() -> None:
    assert codes(plan(), date(2023, 1, 5)) == {("planned_start", ProblemCode.BEFORE_ACTUAL_START)}


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (date(2023, 3, 2), ProblemCode.EXIT_IN_FUTURE),
        (date(2022, 12, 31), ProblemCode.EXIT_BEFORE_ENTRY),
        (date(2023, 3, 1), None),
        (START, None),
    ],
)
def test_exits(day: date, code: ProblemCode | None) -> None:
    found = domain.exit_problems(day, planned_start=START, planned_end=END, component_end=END, reason_early=True, today=date(2023, 3, 1))
    assert [problem.code for problem in found] == ([code] if code else [])


@pytest.mark.parametrize(("day", "early_reason", "fine"), [(date(2023, 3, 1), False, False), (date(2023, 3, 1), True, True), (END, False, True), (END, True, True)])
def test_the_reason_fits_an_early_exit(day: date, early_reason: bool, fine: bool) -> None:
    """"Fin de la formation" months before the planned end is a slip."""
    found = domain.exit_problems(day, planned_start=START, planned_end=END, component_end=END, reason_early=early_reason, today=END)
    assert [(one.field, one.code) for one in found] == ([] if fine else [("exit_reason_id", ProblemCode.EARLY_REASON)])


@pytest.mark.parametrize(
    ("registered_on", "fine"),
    [(None, True), (date(1976, 7, 21), True), (date(1976, 7, 20), False), (date(1950, 1, 1), False), (date(2020, 1, 1), True)],
)
def test_nobody_is_a_jobseeker_before_fourteen(registered_on: date | None, fine: bool) -> None:
    assert (domain.ft_date_problem(registered_on, date(1962, 7, 21)) is None) is fine


def test_early_exit_and_outcome() -> None:
    """Réalisation totale, partielle, non réalisée."""
    assert domain.is_early(date(2024, 6, 29), END)
    assert not domain.is_early(END, END)
    for left, outcome in ((END, Outcome.FULL), (date(2023, 5, 1), Outcome.PARTIAL), (START, Outcome.NOT_DONE)):
        assert life.completion(life.Path(START, END, left), Decimal(100)).outcome is outcome


@pytest.mark.parametrize(
    ("enabled", "kind", "state"),
    [
        (True, "NIR", AgoraState.WAITING),
        (True, "NIA", AgoraState.WAITING_NIR),
        (True, None, AgoraState.WAITING_NIR),
        (False, None, AgoraState.NOT_CONCERNED),
        (False, "NIR", AgoraState.NOT_CONCERNED),
    ],
)
def test_what_goes_to_agora(enabled: bool, kind: str | None, state: AgoraState) -> None:
    """Guide 000: an NIA and a programme outside the flow are never sent."""
    assert domain.initial_agora_state(agora_enabled=enabled, nir_kind=kind) is state


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("8783435M", "8783435M"),
        ("8783435m ", "8783435M"),
        ("878 3435 1", "87834351"),
        ("12345678901", "12345678901"),
        ("00000000", None),
        ("00000000000", None),
        ("8783435", None),
        ("0167942369Z", None),
        ("M8783435", None),
        ("", None),
    ],
)
def test_jobseeker_number_in_both_formats(typed: str, number: str | None) -> None:
    assert domain.normalise_ft_number(typed) == number


@given(st.text())
def test_jobseeker_number_takes_anything(typed: str) -> None:
    number = domain.normalise_ft_number(typed)
    assert number is None or len(number) in (8, 11)


def test_esf_mark() -> None:
    assert domain.esf_state(cofunded=False, complete=True) is EsfState.NOT_CONCERNED
    assert domain.esf_state(cofunded=True, complete=True) is EsfState.COMPLETE
    assert domain.esf_state(cofunded=True, complete=False) is EsfState.LATER


@pytest.mark.parametrize(("born", "fine"), [(date(2009, 3, 1), True), (date(2009, 3, 2), False), (date(1923, 3, 1), True), (date(1921, 1, 1), False)])
def test_age(born: date, fine: bool) -> None:
    assert (domain.birth_date_problem(born, date(2023, 3, 1)) is None) is fine


@given(st.integers(1, 500), st.decimals(0, 3000, places=2), st.decimals(0, 3000, places=2))
def test_a_day_has_24_hours(days: int, centre: Decimal, company: Decimal) -> None:
    """Both days count; the greater volume is the one pointed at."""
    found = codes(plan(planned_end=START + timedelta(days=days - 1), hours_centre=centre, hours_company=company)) - {("hours_centre", ProblemCode.NO_HOURS)}
    box = "hours_centre" if centre >= company else "hours_company"
    assert found == ({(box, ProblemCode.MORE_THAN_THE_DAYS)} if centre + company > 24 * days else set())


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.none() | st.integers(1880, 2130))
def test_schooling_begins_at_ten(born: date, year: int | None) -> None:
    found = domain.schooling_problems(born, last_class_year=year, highest_level_year=None)
    assert [one.field for one in found] == (["last_class_year"] if year is not None and year < born.year + 10 else [])


@pytest.mark.parametrize(("text", "fine"), [("12", True), ("12 bis", True), ("12-14", True), ("3/5 A", True), ("-5", False), ("A3", False), ("5<b>", False), ("", False)])
def test_street_numbers(text: str, fine: bool) -> None:
    assert domain.is_street_number(text) is fine


@given(st.text())
def test_a_street_number_begins_with_a_digit_and_holds_no_more(text: str) -> None:
    assert not domain.is_street_number(text) or (text[0] in "0123456789" and text.replace("/", "").replace("-", "").replace(" ", "").isalnum())


@pytest.mark.parametrize("text", ["du 8-Mai-1945", "L’Isle-sur-la-Sorgue", "Bât. B, esc. 2 & 3 (n° 4)", "Œuilly", "Ναύπλιο", "Saint-Louis-du-Ha! Ha!"])
def test_addresses(text: str) -> None:
    assert domain.out_of_address(text) == ()


@given(st.text("abcé12 ’-.,"), st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "So", "Sm", "Sk", "Me"], exclude_characters="+°№"), st.text("abcé12 ’-.,"))
def test_what_has_no_place_in_an_address_is_named(before: str, intruder: str, after: str) -> None:
    assert domain.out_of_address(before + intruder + after + intruder) == (intruder,)


@given(st.text())
def test_a_telephone_is_written_with_digits_and_what_groups_them(text: str) -> None:
    assert domain.is_phone_writing(text) is (text != "" and set(text) <= set("0123456789 +.-()/"))
