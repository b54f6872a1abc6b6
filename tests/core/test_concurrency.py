"""Three versions of one row: nobody overwrites anybody, nothing typed is lost."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Form, SelectField, StringField
from wtforms.fields import SelectChoice

from app.core import concurrency
from app.core.concurrency import StaleError, UnresolvedConflict, VersionedForm, canonical, compare, kept_theirs, merge
from app.core.tenancy import Scope
from app.core.transaction import transaction

FIELDS = ("a", "b", "c")
values = st.sampled_from([None, "x", "y", "z"])
versions = st.fixed_dictionaries(dict.fromkeys(FIELDS, values))


@given(versions, versions, versions)
def test_every_field_is_merged_or_asked_and_no_change_is_lost(base: Any, mine: Any, theirs: Any) -> None:
    asked = {conflict.name for conflict in compare(base, mine, theirs)}
    merged = merge(base, mine, theirs, dict.fromkeys(asked, "mine"))
    for name in FIELDS:
        i_changed, they_changed = mine[name] != base[name], theirs[name] != base[name]
        assert (name in asked) == (i_changed and they_changed and mine[name] != theirs[name])
        if i_changed:
            assert merged[name] == mine[name]
        elif they_changed:
            assert merged[name] == theirs[name]
        else:
            assert merged[name] == base[name]


@given(versions, versions, versions, st.fixed_dictionaries(dict.fromkeys(FIELDS, st.sampled_from(["mine", "theirs"]))))
def test_a_choice_is_honoured(base: Any, mine: Any, theirs: Any, choices: Any) -> None:
    merged = merge(base, mine, theirs, choices)
    for conflict in compare(base, mine, theirs):
        assert merged[conflict.name] == (mine if choices[conflict.name] == "mine" else theirs)[conflict.name]


@given(versions, versions, versions)
def test_without_a_choice_nothing_is_written(base: Any, mine: Any, theirs: Any) -> None:
    asked = [conflict.name for conflict in compare(base, mine, theirs)]
    if asked:
        with pytest.raises(UnresolvedConflict) as caught:
            merge(base, mine, theirs)
        assert caught.value.names == sorted(asked)


ADDRESS = ("postal_code", "town", "insee_code")
addresses = st.fixed_dictionaries(dict.fromkeys(ADDRESS, values))


@given(addresses, addresses, addresses, st.sampled_from(["mine", "theirs"]))
def test_an_address_is_never_half_of_each(base: Any, mine: Any, theirs: Any, choice: str) -> None:
    asked = {conflict.name for conflict in compare(base, mine, theirs)}
    both = base not in (mine, theirs)
    assert asked == ({name for name in ADDRESS if mine[name] != theirs[name]} if both else set())
    assert kept_theirs(base, mine, theirs) == ({name for name in ADDRESS if mine[name] != theirs[name]} if base == mine else set())
    merged = merge(base, mine, theirs, dict.fromkeys(asked, choice))
    assert merged == ((mine if choice == "mine" else theirs) if both else mine if base == theirs else theirs)


@given(versions, versions)
def test_nothing_to_ask_when_alone_and_everything_when_the_start_is_unknown(base: Any, mine: Any) -> None:
    assert compare(base, mine, base) == []
    assert merge(base, mine, base) == mine
    assert kept_theirs(base, base, mine) == {name for name in FIELDS if base[name] != mine[name]}
    assert {c.name for c in compare(None, mine, base)} == {name for name in FIELDS if mine[name] != base[name]}


def test_values_compare_whatever_their_road() -> None:
    assert canonical(" a\r\nb ") == canonical("a\nb")
    assert canonical("") is canonical("  ") is canonical(None) is canonical([]) is None
    assert canonical(Decimal("1.50")) == canonical(Decimal("1.5")) == canonical(1.5) == "1.5"
    assert canonical(Decimal(100)) == canonical(100) == canonical("100") == "100"
    assert canonical(date(2026, 1, 5)) == "2026-01-05"
    assert canonical(["b", "a"]) == canonical(("a", "b"))
    assert canonical(True) is True
    assert canonical(False) is False
    assert canonical(type("Row", (), {"id": 4})()) == "4"


class LevelForm(VersionedForm, Form):
    """Edits a reference record."""

    code = StringField("Code")
    label = StringField("Libellé")
    active = BooleanField("Actif")
    colour = SelectField("Couleur", choices=[SelectChoice("", "—"), SelectChoice("r", "Rouge")])


def test_display_in_words() -> None:
    form = LevelForm()
    assert concurrency.display(form.colour, "r") == "Rouge"
    assert concurrency.display(form.code, "2026-01-05") == "05/01/2026"
    assert concurrency.display(form.code, None) == ""


# -- with a row -------------------------------------------------------------------------------------------------------


@pytest.fixture
def objective(kernel: Any) -> Any:
    from app.reference.models import GeneralObjective

    with kernel.working(Scope.region(), actor=1) as session:
        with transaction():
            row = session.query(GeneralObjective).order_by(GeneralObjective.id).first()
            row.label, row.code = "Départ", row.code
            session.flush()
        identifier = row.id
        session.rollback()
    return GeneralObjective, identifier


PAIRS = ("code", "label")


def _opened(model: Any, identifier: int, session: Any) -> MultiDict[str, str]:
    """What a browser has after opening the form."""
    row = session.get(model, identifier)
    form = LevelForm(formdata=None, obj=row)
    form.bind_row(row, PAIRS)
    session.rollback()
    return MultiDict({"code": form.code.data, "label": form.label.data, "row_version": form.row_version.data, "row_base": form.row_base.data})


def _save(model: Any, identifier: int, session: Any, posted: MultiDict[str, str], choices: dict[str, str] | None = None) -> set[str]:
    with transaction():
        return concurrency.save_versioned(session.get(model, identifier), LevelForm(posted), PAIRS, choices=choices or {})


def test_edits_of_different_fields_merge_and_of_one_field_ask(kernel: Any, objective: Any) -> None:
    model, identifier = objective
    with kernel.working(Scope.region(), actor=1) as session:
        first, second, third = (_opened(model, identifier, session) for _ in range(3))
        code = first["code"]
        assert "Départ" not in first["row_base"]
        first["label"] = "Premier"
        assert _save(model, identifier, session, first) == {"label"}
        second["code"] = f"{code}X"
        assert _save(model, identifier, session, second) == {"code"}
        row = session.get(model, identifier)
        assert (row.label, row.code) == ("Premier", f"{code}X")
        session.rollback()
        third["label"] = "Troisième"
        with pytest.raises(StaleError) as caught:
            _save(model, identifier, session, third)
        conflict = caught.value.conflicts[0]
        assert (conflict.name, conflict.base, conflict.mine, conflict.theirs) == ("label", "Départ", "Troisième", "Premier")
        assert caught.value.theirs_stand == {"code"}
        assert session.get(model, identifier).label == "Premier"
        session.rollback()
        with kernel.requesting():
            page = concurrency.conflict_page(LevelForm(third), caught.value)
        assert [line.name for line in page.fields] == ["label"]
        assert [line.name for line in page.merged] == ["code"]
        hidden = MultiDict(page.hidden)
        assert hidden["label"] == "Troisième"
        assert hidden["choice-code"] == "theirs"
        assert hidden["row_version"] == str(caught.value.version)
        # choosing mine: written; the field left to the other stays theirs
        assert _save(model, identifier, session, hidden, {"label": "mine", "code": "theirs"}) == {"label"}
        row = session.get(model, identifier)
        assert (row.label, row.code) == ("Troisième", f"{code}X")
        row.code = code
        session.commit()


def test_choosing_theirs_writes_nothing_and_a_third_edit_asks_again(kernel: Any, objective: Any) -> None:
    model, identifier = objective
    with kernel.working(Scope.region(), actor=1) as session:
        mine, other = _opened(model, identifier, session), _opened(model, identifier, session)
        other["label"] = "Leur version"
        _save(model, identifier, session, other)
        mine["label"] = "La mienne"
        with pytest.raises(StaleError) as caught:
            _save(model, identifier, session, mine)
        with kernel.requesting():
            hidden = MultiDict(concurrency.conflict_page(LevelForm(mine), caught.value).hidden)
        assert _save(model, identifier, session, hidden, {"label": "theirs"}) == set()
        again = _opened(model, identifier, session)
        again["label"] = "Encore une"
        _save(model, identifier, session, again)
        with pytest.raises(StaleError):
            _save(model, identifier, session, hidden, {"label": "mine"})
        # theirs was chosen: whatever they made of it since stands
        assert _save(model, identifier, session, hidden, {"label": "theirs"}) == set()
        assert session.get(model, identifier).label == "Encore une"
        session.rollback()


@pytest.mark.parametrize("tamper", [{"row_base": "x"}, {"row_base": ""}, {"row_version": ""}, {"row_version": "abc"}])
def test_a_missing_or_altered_start_asks_rather_than_overwrites(kernel: Any, objective: Any, tamper: dict[str, str]) -> None:
    model, identifier = objective
    with kernel.working(Scope.region(), actor=1) as session:
        mine, other = _opened(model, identifier, session), _opened(model, identifier, session)
        other["label"] = "Leur version"
        _save(model, identifier, session, other)
        mine["label"] = "La mienne"
        for name, value in tamper.items():
            mine[name] = value
        with pytest.raises(StaleError):
            _save(model, identifier, session, mine)
        assert session.get(model, identifier).label == "Leur version"
        session.rollback()


def test_the_base_of_one_row_is_refused_on_another(kernel: Any, objective: Any) -> None:
    model, identifier = objective
    with kernel.working(Scope.region(), actor=1) as session:
        other = session.query(model).filter(model.id != identifier).first()
        row = session.get(model, identifier)
        form = LevelForm()
        sealed = concurrency.seal_base(form, row, {"label": "x"})
        assert concurrency.open_base(form, row, sealed) == {"label": "x"}
        assert concurrency.open_base(form, other, sealed) is None
        session.rollback()


def test_many_writers_at_once_lose_nothing(kernel: Any, objective: Any) -> None:
    """Every writer but those who came in turn gets a conflict; the last value is one that was accepted."""
    from threading import Barrier, Thread

    model, identifier = objective
    with kernel.working(Scope.region(), actor=1) as session:
        opened = [_opened(model, identifier, session) for _ in range(6)]
    accepted: list[str] = []
    refused: list[str] = []
    barrier = Barrier(6)

    def write(posted: MultiDict[str, str], label: str) -> None:
        posted["label"] = label
        with kernel.working(Scope.region(), actor=1) as session:
            barrier.wait()
            try:
                _save(model, identifier, session, posted)
                accepted.append(label)
            except StaleError:
                refused.append(label)

    threads = [Thread(target=write, args=(posted, f"n{i}")) for i, posted in enumerate(opened)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(accepted) == 1
    assert len(refused) == 5
    with kernel.working(Scope.region()) as session:
        assert session.get(model, identifier).label == accepted[0]


def test_the_version_shown_is_checked_for_acts_without_fields(kernel: Any, objective: Any) -> None:
    model, identifier = objective
    with kernel.working(Scope.region(), actor=1) as session:
        row = session.get(model, identifier)
        concurrency.check_version(row, row.version)
        with pytest.raises(StaleError):
            concurrency.check_version(row, row.version - 1)
