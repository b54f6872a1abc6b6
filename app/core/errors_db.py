"""Database constraint → sentence: what the database refuses is said in words, never as SQL."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_messages: dict[str, Any] = {}
_fields: dict[str, str] = {}

_BY_SQLSTATE: dict[str, Any] = {
    "23505": _l("This value is already used: choose another one."),
    "23503": _l("This record is linked to others that no longer exist, or others still depend on it: remove the link first."),
    "23514": _l("One of the values is outside what is allowed: check the form."),
    "23502": _l("A required value is missing: check the form."),
    "23P01": _l("This period overlaps another one: check the dates."),
}
HELD = _l(
    "Somebody else’s work, or a file that is being applied, holds these data for a moment: nothing was saved. Wait a few seconds, then try again."
)
_OTHERWISE = _l("The database refused this change: nothing was saved. Check the values, or contact the assistance.")


def register_constraint(name: str, message: Any, *, field: str | None = None) -> None:
    """Give constraint ``name`` its sentence (a lazy string), and the form field beside which it is shown."""
    _messages[name] = message
    if field is not None:
        _fields[name] = field


def constraint_name(error: DBAPIError) -> str | None:
    """The name of the violated constraint, if the database told it."""
    diagnostic = getattr(error.orig, "diag", None)
    return getattr(diagnostic, "constraint_name", None)


def translate(error: DBAPIError) -> str:
    """The sentence for ``error``; it never holds SQL nor a value."""
    name = constraint_name(error)
    if name is not None and name in _messages:
        return str(_messages[name])
    if isinstance(error, IntegrityError):
        state = getattr(error.orig, "sqlstate", None)
        return str(_BY_SQLSTATE.get(state or "", _OTHERWISE))
    if is_held(error):
        return str(HELD)
    return str(_OTHERWISE)


def field_of(error: DBAPIError) -> str | None:
    """The form field the violated constraint belongs to, if registered; for a missing value, its column."""
    name = constraint_name(error)
    if name is None and getattr(error.orig, "sqlstate", None) == "23502":
        column: str | None = getattr(getattr(error.orig, "diag", None), "column_name", None)
        return column
    return _fields.get(name or "")


#: PostgreSQL's word for a lock that somebody else held longer than the patience of the work (``core.requests.PATIENCE``).
_HELD = "55P03"
#: States of PostgreSQL that pass by themselves, or once somebody made room: it stops or starts, its disk or its connections are used up, two
#: writers waited for each other and one was sent back, or one waited too long.
_PASSING = frozenset({"57P01", "57P02", "57P03", "53100", "53300", "40P01", "40001", _HELD})


#: What the driver says of a statement with more values than the protocol carries: it never gets to the database, however often it is sent.
_TOO_MANY = "number of parameters"


def is_passing(error: BaseException | None) -> bool:
    """Whether the database is away or sent a writer back: no defect, what was done is done again later."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    away = isinstance(error, OperationalError) and state is None and _TOO_MANY not in str(error.orig)
    return bool(error.connection_invalidated) or away or state in _PASSING


def was_sent_back(error: DBAPIError) -> bool:
    """Whether two writers waited for each other and this one was sent back: the same again goes through."""
    return getattr(error.orig, "sqlstate", None) in ("40P01", "40001")


def is_held(error: BaseException | None) -> bool:
    """Whether somebody else's work held what this one waited for, longer than it may wait."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _HELD


def is_foreign_key(error: DBAPIError) -> bool:
    """Whether rows of another table stand in the way."""
    return getattr(error.orig, "sqlstate", None) in ("23503", "23001")


def is_registered(name: str) -> bool:
    """Whether the constraint ``name`` has its sentence."""
    return name in _messages


def registered_field(name: str) -> str | None:
    """The form field beside which the sentence of the constraint ``name`` is shown."""
    return _fields.get(name)
