"""The list: each filter finds what it should and nothing else, whatever is typed; each order is walked whole, once."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from app.accounts.seeds import ORGANISATION_B
from app.actions import listing
from app.actions.domain import ActionStatus, SortKey, StatusFilter
from app.actions.folding import folded_of
from app.actions.listing import ActionFilter, ActionOrder
from app.actions.models import Action, Component, ComponentSite
from app.actions.queries import Cursor
from app.core import clock, textsearch
from app.core.tenancy import Scope, bound_scope
from app.reference.models import Site
from tests.actions.helpers import make_action, organisation, statements

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

LIST = "/actions-de-formation/"


def walk(narrowed: ActionFilter, order: ActionOrder, size: int) -> list[Action]:
    """All actions of a list, page after page, then back again."""
    seen: list[Action] = []
    cursor: Cursor | None = None
    while True:
        page = listing.list_actions(narrowed, today=clock.today(), order=order, cursor=cursor, size=size)
        seen += page.rows
        if page.keyset.after is None:
            break
        cursor = Cursor.of(page.keyset.after, None)
    back = list(page.rows)
    while page.keyset.before is not None:
        page = listing.list_actions(narrowed, today=clock.today(), order=order, cursor=Cursor.of(None, page.keyset.before), size=size)
        back = [*page.rows, *back]
    assert [action.id for action in back] == [action.id for action in seen]
    return seen


def numbers(narrowed: ActionFilter) -> set[str]:
    return {action.number for action in listing.list_actions(narrowed, today=clock.today(), size=100).rows}


_KEYS: dict[SortKey | None, Callable[[Action], Any]] = {
    None: lambda action: (),
    SortKey.CONTRACT: lambda action: (),
    SortKey.NUMBER: lambda action: (),
    SortKey.TITLE: lambda action: textsearch.fold(action.title)[:100],
    SortKey.STATUS: lambda action: action.status,
    SortKey.YEAR: lambda action: action.year,
    SortKey.START: lambda action: action.actual_start or date(9999, 12, 31),
    SortKey.END: lambda action: action.planned_end,
}


def _open(action: Action, start: date) -> None:
    action.status, action.actual_start, action.declaration_frequency, action.billing_period = "EC", start, "monthly", "end"


@pytest.fixture
def many(db_session: Session) -> list[Action]:
    """Actions that share titles, years, days and states."""
    made = []
    for index in range(14):
        action = make_action(title=("Élagage", "elagage", "Ébénisterie", "Zoologie", "Abattage")[index % 5], start=-40 - index % 3, end=100 + index % 4)
        action.year = 2020 + index % 3
        if index % 2:
            _open(action, clock.today() - timedelta(days=index % 4))
        made.append(action)
    db_session.flush()
    return made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(key=st.sampled_from([None, *SortKey]), descending=st.booleans(), size=st.integers(1, 9), narrowed=st.sampled_from([ActionFilter(), ActionFilter(status=StatusFilter.RUNNING), ActionFilter(title="elag")]))
def test_paging_through_gives_every_row_once_whatever_the_sort(
    db_session: Session, many: list[Action], key: SortKey | None, descending: bool, size: int, narrowed: ActionFilter
) -> None:
    with bound_scope(Scope.organisation(organisation().id)):
        seen = walk(narrowed, ActionOrder(key, descending), size)
        expected = list(db_session.scalars(select(Action).where(*listing.conditions(narrowed, clock.today()))))
    assert sorted(action.id for action in seen) == sorted(action.id for action in expected)
    keys = [(_KEYS[key](action), action.sort_key, action.id) for action in seen]
    assert keys == sorted(keys, reverse=descending)


def test_a_row_that_comes_or_goes_between_two_pages_repeats_no_other(db_session: Session, many: list[Action]) -> None:
    order = ActionOrder(SortKey.TITLE)
    with bound_scope(Scope.organisation(organisation().id)):
        first = listing.list_actions(ActionFilter(title="elagage"), today=clock.today(), order=order, size=2)
        make_action(title="Elagage")  # sorts by its number after the others of the same title
        rest = listing.list_actions(ActionFilter(title="elagage"), today=clock.today(), order=order, cursor=Cursor.of(first.keyset.after, None), size=100)
    assert {action.id for action in first.rows} & {action.id for action in rest.rows} == set()
    assert len(first.rows) + len(rest.rows) == 7


# ---- filters ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def one(db_session: Session) -> Action:
    """An action like no other."""
    action = make_action(title="Œnologie avancée", programme="LECTIO", start=-50, end=77)
    action.contract.territory = "Île lointaine"
    action.year = 1999
    _open(action, clock.today() - timedelta(days=45))
    component = db_session.scalars(select(Component).where(Component.action_id == action.id)).one()
    component.title, component.certif_info, component.formacode = "Dégustation à l’aveugle", "98765", "21528"
    site = Site(name="Chais du Levant", postal_code="20999", insee_code="2A004", town="Ajaccio")
    db_session.add(site)
    db_session.flush()
    db_session.add(ComponentSite(component=component, site=site))
    db_session.flush()
    return action


def _found_by(action: Action) -> dict[str, ActionFilter]:
    today = clock.today()
    return {
        "number": ActionFilter(number=action.number[:8].lower()),
        "contract": ActionFilter(contract=action.contract.number),
        "title": ActionFilter(title="oenologie AVANC"),
        "text": ActionFilter(text="avancee oeno"),
        "territory": ActionFilter(territory="Île lointaine"),
        "year": ActionFilter(year=1999),
        "programme": ActionFilter(programme_id=action.contract.programme_id),
        "organisation": ActionFilter(organisation=action.organisation.siret),
        "component": ActionFilter(component="degustation aveugle"),
        "certif_info": ActionFilter(component="98765"),
        "formacode": ActionFilter(component="21528"),
        "town": ActionFilter(site="ajacc"),
        "site": ActionFilter(site="chais 2a004"),
        "postal_code": ActionFilter(site="20999"),
        "start": ActionFilter(start_from=today - timedelta(days=45), start_to=today - timedelta(days=45)),
        "end": ActionFilter(end_from=today + timedelta(days=77), end_to=today + timedelta(days=77)),
        "everything": ActionFilter(
            text="oenologie", status=StatusFilter.RUNNING, year=1999, programme_id=action.contract.programme_id, contract=action.contract.number,
            number=action.number, title="avancée", territory="Île lointaine", start_from=today - timedelta(days=46), end_to=today + timedelta(days=78),
            component="dégustation", site="chais",
        ),
    }  # fmt: skip


def test_each_filter_finds_the_action(one: Action) -> None:
    for name, narrowed in _found_by(one).items():
        assert one.number in numbers(narrowed), name


def test_each_filter_leaves_the_others_out(one: Action) -> None:
    other = make_action(siret=ORGANISATION_B, title="Autre")
    for name, narrowed in _found_by(one).items():
        if name != "number":  # made by one series
            assert other.number not in numbers(narrowed), name


def test_periods_take_their_bounds_in_and_no_day_more(one: Action) -> None:
    day = clock.today() - timedelta(days=45)
    near = timedelta(days=1)
    assert one.number not in numbers(ActionFilter(start_from=day + near))
    assert one.number not in numbers(ActionFilter(start_to=day - near))
    waiting = make_action()
    assert waiting.number not in numbers(ActionFilter(start_from=date(1950, 1, 1)))
    assert waiting.number not in numbers(ActionFilter(start_to=date(2199, 1, 1)))


@pytest.mark.parametrize("typed", ["%", "_", "\\", "'", "&|!", ":*", "x" * 100, "\u0661"])
def test_what_means_something_to_the_database_means_nothing_here(db_session: Session, typed: str) -> None:
    make_action()
    for name in ("contract", "number", "title", "organisation", "component", "site", "text"):
        assert numbers(ActionFilter(**{name: typed})) == set(), name


# ---- the page --------------------------------------------------------------------------------------------------------


def page_of(browser: FlaskClient, **query: str) -> str:
    answer = browser.get(LIST, query_string=query)
    assert answer.status_code == 200
    return answer.get_data(as_text=True).replace("\u00a0", " ").replace("\u202f", " ")


def test_wrong_values_are_said_at_their_field_and_the_rest_holds(as_user: AsUser, one: Action) -> None:
    page = page_of(as_user("principal"), intitule="oenologie", debut_du="32/01/2026", fin_du="02/01/2026", fin_au="01/01/2026", statut="??", contrat="x" * 101)
    for field in ("debut_du", "fin_au", "statut", "contrat"):
        assert f'id="{field}-error"' in page, field
    assert 'value="32/01/2026"' in page and 'value="oenologie"' in page and f'value="{"x" * 101}"' in page
    assert "error-summary" in page and "Cette date est avant le début de la période, le 02/01/2026" in page
    assert page.count("data-href") == 1 and one.number in page
    chips = re.findall(r'<a class="chip" href="([^"]+)"', page)
    assert len(chips) == 2  # the title and the beginning of the period
    assert all("intitule" not in chip or "fin_du" not in chip for chip in chips)


def test_chips_take_one_filter_away_each(as_user: AsUser, one: Action) -> None:
    browser = as_user("principal")
    query = {"texte": "oenologie", "statut": "EC", "annee": "1999", "territoire": "Île lointaine", "debut_du": "01/01/2000", "composante": "degustation", "lieu": "ajaccio"}
    page = page_of(browser, **query)
    chips = re.findall(r'<a class="chip" href="([^"]+)"', page)
    assert len(chips) == len(query)
    for chip, name in zip(chips, query, strict=True):
        assert f"{name}=" not in chip.partition("?")[2]
        assert browser.get(chip.replace("&amp;", "&")).status_code == 200


def test_only_the_region_searches_by_organisation(as_user: AsUser, one: Action) -> None:
    assert 'name="organisme"' in page_of(as_user("region"))
    own = page_of(as_user("principal"), organisme="nulle part")
    assert 'name="organisme"' not in own and own.count("data-href") > 1
    found = page_of(as_user("region"), organisme=organisation(ORGANISATION_B).siret)
    assert one.number not in found and found.count("data-href")


def test_the_territories_are_those_of_the_readers_contracts(as_user: AsUser, one: Action) -> None:
    assert "Île lointaine" in page_of(as_user("principal"))
    assert "Île lointaine" not in page_of(as_user("autre-of"))


def test_columns_sort_both_ways_and_say_so(as_user: AsUser, many: list[Action]) -> None:
    browser = as_user("principal")
    page = page_of(browser, sort="intitule", order="desc")
    assert page.count('aria-sort="descending"') == 1
    assert page.index("Zoologie") < page.index("Abattage")
    assert 'scope="rowgroup"' not in page and "Regrouper par contrat" in page
    assert page_of(browser, sort="nimporte").count("aria-sort") == 0
    for key in SortKey:
        assert browser.get(LIST, query_string={"sort": key.value, "size": "25"}).status_code == 200


def test_groups_fold_and_unfold_by_links(as_user: AsUser, many: list[Action]) -> None:
    browser = as_user("principal")
    whole = page_of(browser, size="100")
    rows = whole.count("data-href")
    folded = page_of(browser, size="100", plis="tous")
    assert folded.count("data-href") == 0 and folded.count('scope="rowgroup"') == whole.count('scope="rowgroup"') > 14
    assert "Tout déplier" in folded and "Tout plier" not in folded and "Tout plier" in whole
    toggles = re.findall(r'<a class="fold" href="([^"]+)"', whole)
    one_folded = browser.get(toggles[0].replace("&amp;", "&").partition("#")[0]).get_data(as_text=True)
    assert one_folded.count("data-href") < rows
    assert "Tout plier" in one_folded and "Tout déplier" in one_folded
    again = re.findall(r'<a class="fold" href="([^"]+)"', one_folded)[0]
    assert "plis" not in again
    alone = re.findall(r'<a class="fold" href="([^"]+)"', folded)[0].replace("&amp;", "&").partition("#")[0]
    assert 0 < browser.get(alone).get_data(as_text=True).count("data-href") < rows


@pytest.mark.parametrize(("asked", "folded"), [("", set()), ("tous", {1, 2}), ("2", {2}), ("2,x,²,-1,9", {2}), ("1,2", {1, 2}), ("9" * 50, set())])
def test_folding_takes_anything(asked: str, folded: set[int]) -> None:
    assert folded_of(asked, [1, 2]) == folded


def test_a_search_costs_no_more_with_many_rows(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("principal")
    query = {"intitule": "sondage", "lieu": "a", "composante": "c", "contrat": "99", "sort": "debut", "size": "100"}
    costs = []
    for count in (2, 30):
        for _ in range(count):
            make_action(title="Sondage")
        browser.get(LIST, query_string=query)
        with statements() as sent:
            browser.get(LIST, query_string=query)
        costs.append(len(sent))
    assert costs[0] == costs[1] <= 12


def test_the_search_walks_its_indexes(db_session: Session) -> None:
    """Each order has an index of its own, also within an organisation: no page sorts the list."""
    db_session.execute(text("SET LOCAL enable_seqscan = off"))
    db_session.execute(text("SET LOCAL enable_sort = off"))
    db_session.execute(text("SET LOCAL enable_incremental_sort = off"))
    for scope in (Scope.region(), Scope.organisation(organisation().id)):
        with bound_scope(scope):
            for key in SortKey:
                for descending in (False, True):
                    statement = listing.ordered(select(Action.id), ActionOrder(key, descending)).limit(26)
                    compiled = statement.compile(dialect=db_session.connection().dialect, compile_kwargs={"literal_binds": True})
                    plan = "\n".join(db_session.scalars(text(f"EXPLAIN {compiled}")))
                    assert "Sort Key" not in plan, (scope.kind, key, plan)


def test_statuses_of_the_filter_are_those_of_the_actions() -> None:
    assert {status.value for status in StatusFilter} - {StatusFilter.LATE, StatusFilter.DECLARED} == {status.value for status in ActionStatus}
