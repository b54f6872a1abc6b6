"""Two people edit the same thing: nobody overwrites anybody, and nothing typed is lost (design rule 9).

The form carries the version it was made from and, encrypted, the values it showed.  When the row has moved on meanwhile, the
three versions are compared field by field: what only one of the two changed is merged by itself, and for what both changed
differently the second person chooses, on a page that holds everything typed.

In a view::

    form = ActionForm(obj=action)
    if request.method == "GET":
        form.bind_row(action, FIELDS)
    elif form.validate():
        try:
            with transaction():
                save_versioned(action, form, FIELDS)
        except StaleError as stale:
            return self.render_template("concurrency/conflict.html", **conflict_context(form, stale, cancel_url=…)), 409

The pure part (:func:`canonical`, :func:`compare`, :func:`merge`) needs no form and no database.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from flask_babel import gettext as _
from markupsafe import Markup
from wtforms import HiddenField

if TYPE_CHECKING:
    from wtforms import Field

#: Name of the radio buttons of the conflict page (the macro ``conflict``), before the field's name.
CHOICE = "choice-"
MINE, THEIRS = "mine", "theirs"
#: Hidden fields of the conflict page: the fields it asks about, and the values from which both started.
ASKED, FIRST_BASE = "conflict-asked", "conflict-base"

#: Fields that mean something only together: when each of two people changed one of them, nothing of the two is mixed unasked.
TOGETHER: Final = (frozenset({"postal_code", "town", "insee_code"}),)

#: A value in the form in which versions are compared and carried: JSON only.
Canonical = None | bool | int | str | list[Any]
Values = Mapping[str, Canonical]


# -- pure -------------------------------------------------------------------------------------------------------------


def canonical(value: Any) -> Canonical:
    """Return the one form of a value in which two equal values are equal, whether they come from a form or from a row.

    Blank text is nothing; line ends and outer spaces do not count; 1.50 is 1.5; a record stands for its id; the order of a
    set of choices does not count.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return canonical(value.value)
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n").strip() or None
    if isinstance(value, int | float | Decimal):
        number = Decimal(str(value))
        return format(number.normalize(), "f") if number.is_finite() else str(number)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        items = [canonical(item) for item in value]
        return sorted(items, key=json.dumps) or None
    identifier = getattr(value, "id", None)
    return canonical(identifier) if identifier is not None else canonical(str(value))


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """One field that both changed, differently.  ``base`` is ``None`` as well when what the form first showed is unknown."""

    name: str
    base: Canonical
    mine: Canonical
    theirs: Canonical


def _torn(base: Values | None, mine: Values, theirs: Values) -> set[str]:
    """Return the fields of the groups that both changed."""
    found: set[str] = set()
    for group in TOGETHER:
        names = group & mine.keys()
        if base is None or not names <= base.keys():
            continue
        if any(base[name] != mine[name] for name in names) and any(base[name] != theirs.get(name) for name in names):
            found |= names
    return found


def compare(base: Values | None, mine: Values, theirs: Values) -> list[FieldConflict]:
    """Return the fields of ``mine`` that need a choice.

    No conflict where both say the same, nor where only one of the two moved from ``base``.  Without a base (lost or tampered
    with) every difference needs a choice: guessing could overwrite.  Fields that go together are asked together.
    """
    conflicts = []
    torn = _torn(base, mine, theirs)
    for name, typed in mine.items():
        stored = theirs.get(name)
        if typed == stored:
            continue
        if base is not None and name in base and base[name] in (typed, stored) and name not in torn:
            continue
        conflicts.append(FieldConflict(name, None if base is None else base.get(name), typed, stored))
    return conflicts


def kept_theirs(base: Values | None, mine: Values, theirs: Values) -> set[str]:
    """Return the fields that only the other person changed: theirs stand."""
    torn = _torn(base, mine, theirs)
    return {name for name in mine if name not in torn and base is not None and name in base and base[name] == mine[name] != theirs.get(name)}


class UnresolvedConflict(ValueError):
    """A choice is missing; the names of the fields are in :attr:`names`."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = sorted(names)
        super().__init__(", ".join(self.names))


def merge(base: Values | None, mine: Values, theirs: Values, choices: Mapping[str, str] | None = None) -> dict[str, Canonical]:
    """Return the values after the merge: each change of either side, and ``choices`` (``mine``/``theirs``) where both changed.

    Raises :class:`UnresolvedConflict` when a choice is missing.
    """
    choices = choices or {}
    conflicting = {conflict.name for conflict in compare(base, mine, theirs)}
    missing = [name for name in conflicting if choices.get(name) not in (MINE, THEIRS)]
    if missing:
        raise UnresolvedConflict(missing)
    theirs_stand = kept_theirs(base, mine, theirs) | {name for name in conflicting if choices[name] == THEIRS}
    return {name: theirs.get(name) if name in theirs_stand else mine[name] for name in mine}


class StaleError(Exception):
    """Someone else saved first and a choice is needed; carries what the conflict page shows."""

    def __init__(
        self,
        *,
        version: int,
        base: Values | None,
        mine: Values,
        theirs: Values,
        row: tuple[str, Any] | None = None,
    ) -> None:
        super().__init__("the row was changed by someone else")
        self.version = version
        self.base, self.mine, self.theirs = base, dict(mine), dict(theirs)
        self.row = row

    @property
    def conflicts(self) -> list[FieldConflict]:
        """The fields that need a choice; none when the caller compared versions only."""
        return compare(self.base, self.mine, self.theirs)

    @property
    def theirs_stand(self) -> set[str]:
        """The fields that only the other person changed."""
        return kept_theirs(self.base, self.mine, self.theirs)


class RowGone(LookupError):
    """The row was deleted meanwhile."""


# -- the form ---------------------------------------------------------------------------------------------------------


def _pairs(fields: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Field of the form → attribute of the row."""
    return dict(fields) if isinstance(fields, Mapping) else {name: name for name in fields}


def _place(form: Any, row: Any) -> bytes:
    from sqlalchemy import inspect

    identity = [str(part) for part in inspect(row).identity or ()]
    return json.dumps(["form-base", type(form).__name__, row.__tablename__, *identity], separators=(",", ":")).encode()


def row_values(row: Any, fields: Sequence[str] | Mapping[str, str]) -> dict[str, Canonical]:
    """Return the present values of a row, by field of the form."""
    return {name: canonical(getattr(row, attribute)) for name, attribute in _pairs(fields).items()}


def seal_base(form: Any, row: Any, values: Values) -> str:
    """Return the values as text that the browser carries without being able to read or change them, nor use on another row."""
    from app.core.crypto import cipher

    sealed = cipher().encrypt(json.dumps(values, separators=(",", ":")), _place(form, row))
    return base64.urlsafe_b64encode(sealed).decode()


def open_base(form: Any, row: Any, text: str | None) -> dict[str, Canonical] | None:
    """Return the values of :func:`seal_base`; ``None`` when the text is missing, altered, or of another row."""
    from app.core.crypto import CryptoError, cipher

    try:
        opened = json.loads(cipher().decrypt(base64.urlsafe_b64decode(text or ""), _place(form, row)))
    except (CryptoError, binascii.Error, ValueError):
        return None
    return opened if isinstance(opened, dict) else None


class VersionedForm:
    """Mixin of a WTForms form that edits one row.  Its hidden fields have to be in the page (``form.row_hidden()``)."""

    row_version = HiddenField()
    row_base = HiddenField()
    #: Names the page to those who open the same one (``core.presence``).
    row_page = HiddenField()
    #: What came back with the form; apart from the fields, which are for the page to come.
    posted_base: str | None = None
    _posted_version: str | None = None
    #: Whether it is shown as it was typed some other time, not as the row is (``core.page_drafts``).
    resumed: bool = False

    def process(self, formdata: Any = None, *args: Any, **kwargs: Any) -> None:
        """Read the form.  One that answers the conflict page and is refused for another reason starts from nothing when it is shown
        again: it shows what was typed first, also where "theirs" was chosen, so that everything that differs has to be asked again.

        A page opened to resume what was typed is filled from it, with the version and the values that the person had seen.
        """
        from app.core import page_drafts

        typed = page_drafts.to_resume()
        self.resumed = typed is not None
        super().process(typed if typed is not None else formdata, *args, **kwargs)  # type: ignore[misc]  # of the form this is mixed into
        page_drafts.note_sent(self.row_page.data)
        self.posted_base, self._posted_version = self.row_base.data, self.row_version.data
        if _answers_a_conflict():
            self.row_base.data = self.row_version.data = ""

    def bind_row(self, row: Any, fields: Sequence[str] | Mapping[str, str]) -> None:
        """Note the version and values the form is made from; when showing it, never when it comes back."""
        self.bind_values(row, row_values(row, fields), version=row.version)

    def bind_values(self, row: Any, values: Values, *, version: int | None = None) -> None:
        """The same for a row whose values are compared by themselves, without a version."""
        from app.core import page_drafts, presence

        if not self.resumed:
            self.row_version.data = "" if version is None else str(version)
            self.row_base.data = seal_base(self, row, values)
        self.row_page.data = presence.open_page(row)
        page_drafts.tell_of(self, row)

    def made_from(self, version: int) -> None:
        """Say which version of the row the form was made from, when no page carried it: a line of a file."""
        self._posted_version = str(version)

    def row_hidden(self) -> Markup:
        """The hidden fields, for the template."""
        return Markup("").join((self.row_version(), self.row_base(), self.row_page()))

    @property
    def posted_version(self) -> int | None:
        """The version the form was made from; ``None`` when it is missing, which counts as stale."""
        try:
            return int(self._posted_version or "")
        except ValueError:
            return None


#: The hidden fields of ``VersionedForm``.
ROW_FIELDS = ("row_version", "row_base", "row_page")


def _answers_a_conflict() -> bool:
    from flask import has_request_context, request

    return has_request_context() and any(name == ASKED or name.startswith(CHOICE) for name in request.form)


def _choices_of(form: Any, names: Iterable[str]) -> dict[str, str]:
    """Read the radio buttons of the conflict page from what was posted."""
    from flask import has_request_context, request

    if not has_request_context():
        return {}
    return {name: value for name in names if (value := request.form.get(CHOICE + name)) in (MINE, THEIRS)}


def unchosen(names: Iterable[str]) -> set[str]:
    """The fields that the conflict page asked about and for which no version was chosen: no choice is ever taken for granted."""
    from flask import has_request_context, request

    if not has_request_context():
        return set()
    asked = set(request.form.getlist(ASKED)).intersection(names)
    return {name for name in asked if request.form.get(CHOICE + name) not in (MINE, THEIRS)}


def require_choices(form: Any, row: Any, *, mine: Values, theirs: Values, version: int) -> None:
    """Raise :class:`StaleError` again when the conflict page came back without a choice.  ``mine``: all that was typed."""
    from flask import request
    from sqlalchemy import inspect

    if unchosen(mine):
        base = open_base(form, row, request.form.get(FIRST_BASE))
        raise StaleError(version=version, base=base, mine=mine, theirs=theirs, row=(row.__tablename__, inspect(row).identity))


def _blank_to_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def save_versioned(
    row: Any,
    form: Any,
    fields: Sequence[str] | Mapping[str, str],
    *,
    choices: Mapping[str, str] | None = None,
) -> set[str]:
    """Write the fields of a validated form into a row and return the names that changed.  Call it inside ``transaction()``.

    The row is locked and read again first, so that two simultaneous savings are compared as well; the version column checks
    once more at the flush.  ``choices`` defaults to the radio buttons of the conflict page.

    Raises :class:`StaleError` when a choice is needed (nothing is written) and :class:`RowGone` when the row was deleted.
    """
    from sqlalchemy import inspect
    from sqlalchemy.exc import InvalidRequestError
    from sqlalchemy.orm.exc import StaleDataError

    from app.core.extensions import db

    pairs = _pairs(fields)
    try:
        db.session.refresh(row, with_for_update={"of": type(row)})
    except InvalidRequestError:
        raise RowGone(row.__tablename__) from None
    theirs = row_values(row, pairs)
    base = open_base(form, row, form.posted_base)
    chosen = dict(choices) if choices is not None else _choices_of(form, pairs)
    # A field for which theirs was chosen counts as untouched by me: should the row move again, theirs stands again.
    mine = {name: canonical(form[name].data) for name in pairs}
    if choices is None:
        require_choices(form, row, mine=mine, theirs=theirs, version=row.version)
    left_to_them = {name for name in pairs if chosen.get(name) == THEIRS}
    for name in left_to_them:
        mine[name] = base[name] if base and name in base else theirs[name]
    if form.posted_version != row.version:
        stale = StaleError(version=row.version, base=base, mine=mine, theirs=theirs, row=(row.__tablename__, inspect(row).identity))
        if stale.conflicts:
            raise stale
        left_to_them |= stale.theirs_stand
    changed = {name for name in pairs if name not in left_to_them and mine[name] != theirs[name]}
    for name in changed:
        setattr(row, pairs[name], _blank_to_none(form[name].data))
    try:
        db.session.flush()
    except StaleDataError:
        raise StaleError(version=row.version, base=None, mine=mine, theirs=theirs) from None
    return changed


def check_version(row: Any, expected: int | None) -> None:
    """For acts without fields (a button): raise :class:`StaleError` unless the row, locked, still has the version shown.

    Raises :class:`RowGone` when it was deleted meanwhile.
    """
    from sqlalchemy.exc import InvalidRequestError

    from app.core.extensions import db

    try:
        db.session.refresh(row, with_for_update={"of": type(row)})
    except InvalidRequestError:
        raise RowGone(row.__tablename__) from None
    if row.version != expected:
        raise StaleError(version=row.version, base=None, mine={}, theirs={})


# -- the conflict page ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """One line of the table of the conflict page (the macro ``conflict``)."""

    name: str
    label: str
    base: str
    mine: str
    theirs: str
    #: ``mine``, ``theirs``, or nothing: the person says which.
    choice: str = ""
    conflict: bool = True
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ConflictPage:
    """Everything the page needs; ``hidden`` carries all that was typed, so that nothing is lost."""

    fields: list[ConflictRow]
    merged: list[ConflictRow]
    hidden: list[tuple[str, str]]
    their_name: str
    their_at: datetime | None
    #: Saved by the very account that is asked: from another tab.
    own: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


def display(form_field: Field, value: Canonical) -> str:
    """Return a canonical value as the screen writes it: the label of a choice, jj/mm/aaaa, Oui or Non."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(_("Yes") if value else _("No"))
    if isinstance(value, list):
        return ", ".join(display(form_field, item) for item in value)
    iterate = getattr(form_field, "iter_choices", None)
    if iterate is not None:
        for choice in iterate():
            # WTForms gives objects, Flask-AppBuilder's own fields give tuples
            choice_value, label = (choice[0], choice[1]) if isinstance(choice, tuple) else (choice.value, choice.label)
            if canonical(choice_value) == value:
                return str(label)
    text = str(value)
    try:
        if len(text) == 10:
            return date.fromisoformat(text).strftime("%d/%m/%Y")
    except ValueError:
        pass
    return text


def _last_change(row: tuple[str, Any] | None) -> tuple[str | None, datetime | None, bool]:
    """Who saved last and when, as the journal tells, and whether it is the account that asks."""
    if row is None:
        return None, None, False
    from app.core import context
    from app.core.audit.queries import history

    table, identity = row
    lines = history(table, ":".join(str(part) for part in identity), limit=1)
    if not lines:
        return None, None, False
    own = lines[0].actor_id is not None and lines[0].actor_id == context.actor_id()
    return lines[0].actor_name, lines[0].at, own


def conflict_page(form: Any, stale: StaleError, *, row: Any = None) -> ConflictPage:
    """Prepare the conflict page for what ``save_versioned`` raised.  ``row`` spares a query when it is at hand."""
    from app.core import clock

    name, at, own = _last_change(stale.row)
    lacking = unchosen(stale.mine)
    chosen = _choices_of(form, stale.mine) if lacking else {}

    def line(field_name: str, *, conflict: bool) -> ConflictRow:
        one = form[field_name]
        label = str(one.label.text) if one.label is not None else field_name
        base = None if stale.base is None else stale.base.get(field_name)
        return ConflictRow(
            field_name,
            label,
            display(one, base),
            display(one, stale.mine.get(field_name)),
            display(one, stale.theirs.get(field_name)),
            chosen.get(field_name, ""),
            conflict=conflict,
            error=_("Choose the version to keep.") if conflict and field_name in lacking else None,
        )

    conflicts = [line(conflict.name, conflict=True) for conflict in stale.conflicts]
    asked = {one.name for one in conflicts}
    stands = {*stale.theirs_stand, *(n for n, v in stale.mine.items() if n not in asked and v == stale.theirs.get(n))}
    merged = [line(n, conflict=False) for n in stale.mine if n in stale.theirs_stand]
    hidden: list[tuple[str, str]] = []
    for one in form:
        if one.name in ("csrf_token", "row_version", "row_base") or one.type in ("SubmitField", "FileField", "MultipleFileField"):
            continue
        hidden += [(one.name, str(value)) for value in (one.raw_data or ())]
    hidden += [(CHOICE + n, THEIRS) for n in sorted(stands)]
    hidden.append(("row_version", str(stale.version)))
    hidden.append(("row_base", _sealed_again(form, stale, stale.theirs)))
    hidden += [(ASKED, n) for n in sorted(asked)]
    hidden.append((FIRST_BASE, _sealed_again(form, stale, stale.base)))
    return ConflictPage(conflicts, merged, hidden, name or _("another user"), at or clock.now(), own)


def _sealed_again(form: Any, stale: StaleError, values: Values | None) -> str:
    """``values`` for the conflict page: its base is the version it was compared with."""
    from app.core.crypto import cipher

    if stale.row is None or values is None:
        return ""
    table, identity = stale.row
    parts = ["form-base", type(form).__name__, table, *(str(part) for part in identity)]
    place = json.dumps(parts, separators=(",", ":")).encode()
    sealed = cipher().encrypt(json.dumps(values, separators=(",", ":")), place)
    return base64.urlsafe_b64encode(sealed).decode()


def conflict_context(form: Any, stale: StaleError, *, cancel_url: str, action_url: str = "", heading: str | None = None, **extra: Any) -> dict[str, Any]:
    """Return the variables of ``concurrency/conflict.html``; ``extra`` goes to the template as it is (breadcrumb…)."""
    page = conflict_page(form, stale)
    title = _("You have changed this in another tab") if page.own else _("Someone else has changed this meanwhile")
    return {
        "page": page,
        "action_url": action_url,
        "cancel_url": cancel_url,
        "heading": heading or title,
        **extra,
    }
