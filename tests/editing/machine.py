"""Two to five editors over one object, in any order of opening, typing, saving, choosing and reloading.

What is held: a write that was acknowledged is what stands, until somebody who had seen it (or the very same value) writes another one;
what nobody touched stays; each acknowledged write is in the journal, in its order; a question shows the three values as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, ClassVar

from flask import Flask
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text
from werkzeug.datastructures import MultiDict

from app.accounts import services as accounts
from app.accounts.forms import AccountForm
from app.accounts.models import User
from app.accounts.services.holders import FIELDS as HOLDER_FIELDS
from app.accounts.services.holders import values_of
from app.actions import sessions
from app.actions.forms import SessionForm
from app.actions.models import TrainingSession
from app.actions.session_views import _offer_sites
from app.core import context, tenancy
from app.core.concurrency import CHOICE, MINE, THEIRS, StaleError, VersionedForm, canonical, conflict_page, open_base, row_values
from app.core.extensions import db
from app.core.tenancy import Scope
from app.trainees.forms import ContactForm, PortalBaseForm
from app.trainees.models import Registration
from app.trainees.services.registration import update_registration

MOST_EDITORS = 5
#: What the journal holds in the place of a personal value.
MASKED = "•"


@dataclass(frozen=True)
class Kind:
    """A kind of object: its form, what is typed into it, and the service that saves it."""

    name: str
    table: str
    model: type[Any]
    form: type[Any]
    fields: tuple[str, ...]
    typed: dict[str, Sequence[str]]
    save: Callable[[int, Any], Any]
    prepare: Callable[[Any, Any], None] = lambda form, row: None
    bind: Callable[[Any, Any], None] | None = None

    def build(self, row: Any, formdata: MultiDict[str, str] | None = None) -> Any:
        """The form as the page makes it."""
        form = self.form(formdata=formdata, obj=row, meta={"csrf": False})
        self.prepare(form, row)
        return form

    def values(self, row: Any) -> dict[str, Any]:
        return row_values(row, self.fields)


SHEET_FIELDS = ("street_name", "address_complement", "other_information")


class SheetForm(VersionedForm, PortalBaseForm):
    """Three fields of the sheet, as they are on its page, without the long lists."""

    street_name = ContactForm.street_name
    address_complement = ContactForm.address_complement
    other_information = ContactForm.other_information
    insee_code = None


def _save_account(key: int, form: Any) -> None:
    from flask import request

    user = db.session.get_one(User, key)
    holder = accounts.Holder(civility=form.civility.data, last_name=form.last_name.data, first_name=form.first_name.data, email=form.email.data)
    choices = {name: request.form.get(CHOICE + name, "") for name in HOLDER_FIELDS}
    accounts.edit_account(key, holder, base=open_base(form, user, form.posted_base), choices=choices, actor_id=context.actor_id() or 0)


KINDS: dict[str, Kind] = {
    "session": Kind(
        "session", "training_session", TrainingSession, SessionForm, sessions.SESSION_FIELDS,
        {"places": ("1", "2", "3", "4", "5", "6"), "registration_terms": ("", "Par courriel", "Sur place", "Par téléphone", "En ligne")},
        sessions.change_session, lambda form, row: _offer_sites(form, row.component, held=row.site),
    ),
    "sheet": Kind(
        "sheet", "registration", Registration, SheetForm, SHEET_FIELDS,
        {"street_name": ("des Lilas", "des Roses", "du Port", "Haute"), "other_information": ("", "Permis B", "Sans permis", "Permis A")},
        lambda key, form: update_registration(key, form, SHEET_FIELDS),
    ),
    "account": Kind(
        "account", "ab_user", User, AccountForm, HOLDER_FIELDS,
        {"last_name": ("DURAND", "MOREAU", "PETIT", "ROUX"), "first_name": ("Karim", "Zoé", "Inès", "Léo")},
        _save_account, bind=lambda form, row: form.bind_values(row, values_of(row)),
    ),
}  # fmt: skip


@dataclass
class Page:
    """An edit page that somebody has open; ``base`` is what it was made from, ``asked`` the fields of a conflict page."""

    data: MultiDict[str, str]
    base: dict[str, Any]
    asked: list[str] = field(default_factory=list)
    left: set[str] = field(default_factory=set)


@dataclass
class Tally:
    """What a run did."""

    interleavings: int = 0
    saved: int = 0
    merged: int = 0
    asked: int = 0
    resolved: int = 0
    refused: int = 0


class Editors(RuleBasedStateMachine):
    """One run: some editors, one object."""

    app: ClassVar[Flask]
    keys: ClassVar[dict[str, int]]
    actors: ClassVar[list[int]]
    tally: ClassVar[Tally] = Tally()

    def __init__(self) -> None:
        super().__init__()
        type(self).tally.interleavings += 1
        self.pages: dict[int, Page] = {}
        #: Acknowledged writes of this run, (field, value), in their order.
        self.written: list[tuple[str, Any]] = []

    @contextmanager
    def request(self, editor: int, data: MultiDict[str, str] | None = None) -> Iterator[None]:
        """As a request of this editor: what it posts is what the product reads."""
        with self.app.test_request_context(method="POST" if data is not None else "GET", data=data):
            tenancy.bind(Scope.system())
            context.set_actor_id(self.actors[editor])
            try:
                yield
            finally:
                db.session.rollback()

    def row(self) -> Any:
        return db.session.get_one(self.kind.model, self.key, populate_existing=True)

    @initialize(count=st.integers(2, MOST_EDITORS), name=st.sampled_from(sorted(KINDS)))
    def begin(self, count: int, name: str) -> None:
        """Everybody has the page open; the object starts the same each time, so that a run that fails can be run again."""
        self.count, self.kind, self.key = count, KINDS[name], self.keys[name]
        start = {one: values[0] or None for one, values in self.kind.typed.items()}
        with self.request(0):
            names = ", ".join(f"{one} = :{one}" for one in start)
            db.session.execute(text(f"UPDATE {self.kind.table} SET {names} WHERE id = :key"), start | {"key": self.key})
            db.session.commit()
            self.mark = db.session.scalar(text("SELECT coalesce(max(id), 0) FROM audit_entry"))
            self.current = self.kind.values(self.row())
        for editor in range(count):
            self._show(editor)

    def _show(self, editor: int) -> None:
        kind = self.kind
        with self.request(editor):
            row = self.row()
            form = kind.build(row)
            kind.bind(form, row) if kind.bind else form.bind_row(row, kind.fields)
            data: MultiDict[str, str] = MultiDict()
            for one in form:
                value = one._value() if hasattr(one, "_value") else one.data
                if one.type != "BooleanField" and value is not None:
                    data.add(one.name, str(value))
            self.pages[editor] = Page(data, kind.values(row))

    @rule(editor=st.integers(0, MOST_EDITORS - 1))
    def open(self, editor: int) -> None:
        """Open, or reload: what was typed and not sent is the editor's own to lose."""
        self._show(editor % self.count)

    @rule(data=st.data(), editor=st.integers(0, MOST_EDITORS - 1))
    def type_and_save(self, data: st.DataObject, editor: int) -> None:
        """Type some fields and save; on a conflict page, choose and save."""
        editor %= self.count
        kind, page = self.kind, self.pages[editor]
        if page.asked:
            choices = {one: data.draw(st.sampled_from((MINE, THEIRS))) for one in page.asked}
            for one, choice in choices.items():
                page.data.setlist(CHOICE + one, [choice])
            page.left = (page.left - choices.keys()) | {one for one, choice in choices.items() if choice == THEIRS}
            type(self).tally.resolved += 1
        else:
            for one in data.draw(st.lists(st.sampled_from(sorted(kind.typed)), min_size=1, max_size=2, unique=True)):
                page.data[one] = data.draw(st.sampled_from(kind.typed[one]))
        self._send(editor, page)

    @precondition(lambda self: self.written)
    @rule(editor=st.integers(0, MOST_EDITORS - 1))
    def send_twice(self, editor: int) -> None:
        """The same page sent again: a double click, or the way back of the browser."""
        if not self.pages[editor % self.count].asked:
            self._send(editor % self.count, self.pages[editor % self.count])

    def _send(self, editor: int, page: Page) -> None:
        kind, before, tally = self.kind, self.current, type(self).tally
        with self.request(editor, page.data):
            form = kind.build(self.row(), page.data)
            assert form.validate(), form.errors
            typed = {name: canonical(form[name].data) for name in kind.fields}
            db.session.rollback()
            try:
                kind.save(self.key, form)
            except StaleError as stale:
                tally.asked += 1
                self._asked(editor, page, typed, form, stale)
                return
            after = kind.values(self.row())
        tally.saved += 1
        for name in kind.fields:
            mine_changed = typed[name] != page.base[name] and name not in page.left
            if after[name] != before[name]:
                assert mine_changed, f"{kind.name}.{name} was overwritten by a page that did not change it: {before[name]!r} → {after[name]!r}"
                assert before[name] == page.base[name], f"{kind.name}.{name}: {before[name]!r} was lost, its writer's value was never seen"
                self.written.append((name, after[name]))
            if mine_changed:
                assert after[name] == typed[name], f"{kind.name}.{name}: {typed[name]!r} was acknowledged, and {after[name]!r} stands"
            elif before[name] != page.base[name]:
                tally.merged += 1
        self.current = after
        if page.asked:
            self._show(editor)
        # else the page is kept as it was: it may be sent again

    def _asked(self, editor: int, page: Page, typed: dict[str, Any], form: Any, stale: StaleError) -> None:
        """The question: each field that both changed differently, with the three values, and nothing was written."""
        kind = self.kind
        both = {
            name
            for name in kind.fields
            if typed[name] != page.base[name] != self.current[name] != typed[name] and name not in page.left
        }
        assert {one.name for one in stale.conflicts} == both
        for one in stale.conflicts:
            assert (one.base, one.mine, one.theirs) == (page.base[one.name], typed[one.name], self.current[one.name])
        kind.prepare(form, self.row())
        shown = conflict_page(form, stale)
        assert {line.name for line in shown.fields} == both
        left = {name.removeprefix(CHOICE) for name, value in shown.hidden if name.startswith(CHOICE) and value == THEIRS}
        assert kind.values(self.row()) == self.current, "something was written before the choice"
        self.pages[editor] = Page(MultiDict(shown.hidden), dict(self.current), sorted(both), left)

    @invariant()
    def what_stands_is_what_was_acknowledged(self) -> None:
        """Nothing else ever writes."""
        if self.pages:
            with self.request(0):
                assert self.kind.values(self.row()) == self.current

    def teardown(self) -> None:
        """Each acknowledged write is in the journal, in the order in which it was acknowledged, and nothing else is."""
        if not self.pages:
            return
        kind = self.kind
        with self.request(0):
            rows = db.session.execute(
                text("SELECT after FROM audit_entry WHERE id > :mark AND table_name = :table AND row_id = :key ORDER BY id"),
                {"mark": self.mark, "table": kind.table, "key": str(self.key)},
            )
            lines = [after or {} for (after,) in rows]
        for name in kind.fields:
            acknowledged = [value for which, value in self.written if which == name]
            told = [canonical(after[name]) for after in lines if name in after]
            # a personal value is not in the journal in clear: that it changed is
            told = [known if one == MASKED else one for one, known in zip_longest(told, acknowledged)]
            assert told == acknowledged, f"{kind.name}.{name}: the journal tells {told}, acknowledged were {acknowledged}"


__all__ = ["KINDS", "MOST_EDITORS", "Editors", "Tally"]
