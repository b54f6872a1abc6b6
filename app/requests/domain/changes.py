"""What a request asks: typed changes (field, before, after), how they are found, kept, compared with today's data and applied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any


class Target(StrEnum):
    """What a change is made to."""

    ACTION = "action"
    COMPONENT = "component"
    #: A partner of the action; below zero, one to add.
    PARTNER = "partner"


class Field(StrEnum):
    """The fields that requests may change; the value is the column's name."""

    PLANNED_START = "planned_start"
    ACTUAL_START = "actual_start"
    PLANNED_END = "planned_end"
    TITLE = "title"
    LEVEL = "level_id"
    CERTIF_INFO = "certif_info"
    FORMACODE = "formacode"
    HOURS_CENTRE = "hours_centre"
    HOURS_COMPANY = "hours_company"
    PLACES = "places"
    #: No column: the sites of a component, by their ids in ascending order.
    SITES = "sites"
    ROLE = "role"
    LEGAL_NAME = "legal_name"
    SIRET = "siret"
    STARTS_ON = "starts_on"
    ENDS_ON = "ends_on"


#: What a value of the field is, once read.
FIELD_TYPES: Mapping[Field, type] = {
    Field.PLANNED_START: date,
    Field.ACTUAL_START: date,
    Field.PLANNED_END: date,
    Field.TITLE: str,
    Field.LEVEL: int,
    Field.CERTIF_INFO: str,
    Field.FORMACODE: str,
    Field.HOURS_CENTRE: Decimal,
    Field.HOURS_COMPANY: Decimal,
    Field.PLACES: int,
    Field.SITES: tuple,
    Field.ROLE: str,
    Field.LEGAL_NAME: str,
    Field.SIRET: str,
    Field.STARTS_ON: date,
    Field.ENDS_ON: date,
}

Value = date | Decimal | int | str | tuple[int, ...] | None


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One field of one object."""

    target: Target
    id: int
    field: Field


Values = Mapping[Key, Value]


@dataclass(frozen=True, slots=True)
class Change:
    """One field, what it was when the request was sent and what it is to become.

    ``of`` names the component, or the partner, as it was then; ``said`` gives both values in words when they are ids (a level, sites).
    """

    key: Key
    before: Value
    after: Value
    of: str = ""
    said: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Moved:
    """A field that no longer holds what it held when the request was sent."""

    change: Change
    now: Value


class ProblemCode(StrEnum):
    """Why changes cannot be asked, or applied."""

    NOTHING_CHANGED = "nothing_changed"
    ACTION_OVER = "action_over"
    GONE = "gone"
    END_BEFORE_START = "end_before_start"
    ACTUAL_BEFORE_PLANNED = "actual_before_planned"
    ACTUAL_AFTER_END = "actual_after_end"
    ACTUAL_IN_FUTURE = "actual_in_future"
    ACTUAL_IS_NOT_FIRST_ENTRY = "actual_is_not_first_entry"
    NOT_OPENED = "not_opened"
    #: These two forbid nothing: what remains to be entered, the invoice that the change touches.
    ENTRY_TO_FOLLOW = "entry_to_follow"
    ADVANCE_INVOICE = "advance_invoice"
    IMPLAUSIBLE_YEAR = "implausible_year"
    NO_HOURS = "no_hours"
    COMPONENT_STARTS_BEFORE = "component_starts_before"
    COMPONENT_ENDS_AFTER = "component_ends_after"
    TRAINEES_OUTSIDE = "trainees_outside"
    SESSIONS_OUTSIDE = "sessions_outside"
    UNKNOWN_VALUE = "unknown_value"
    BAD_CERTIF_INFO = "bad_certif_info"
    BAD_FORMACODE = "bad_formacode"
    OUT_OF_BOUNDS = "out_of_bounds"
    TOO_FEW_PLACES = "too_few_places"
    NO_SITE = "no_site"
    SITE_IN_USE = "site_in_use"
    SITE_OF_SESSIONS = "site_of_sessions"
    #: A market rule says that this cannot be asked.
    RULED_OUT = "ruled_out"
    PARTNER_INCOMPLETE = "partner_incomplete"
    BAD_SIRET = "bad_siret"
    OWN_SIRET = "own_siret"
    SIRET_TWICE = "siret_twice"
    #: Another partner gives it up in the same request.
    SIRET_OF_OTHER = "siret_of_other"
    PARTNER_ENDS_BEFORE = "partner_ends_before"
    PARTNER_STARTS_AFTER = "partner_starts_after"
    PARTNER_STARTS_BEFORE = "partner_starts_before"
    PARTNER_ENDS_AFTER = "partner_ends_after"


@dataclass(frozen=True, slots=True)
class Problem:
    """One obstacle: the field beside which it is said (None: the whole request), its code, and the values of its sentence."""

    key: Key | None
    code: ProblemCode
    params: Mapping[str, object] = field(default_factory=dict)


class Gone(LookupError):
    """Changes of objects that no longer exist."""

    def __init__(self, changes: Sequence[Change]) -> None:
        super().__init__(", ".join(f"{change.key.target} {change.key.id}" for change in changes))
        self.changes = tuple(changes)


class PayloadError(ValueError):
    """What is stored is no list of changes."""


def diff(before: Values, after: Values, names: Mapping[int, str] | None = None) -> tuple[Change, ...]:
    """The fields of ``after`` that differ from ``before``, in the order of ``before``; a field that ``before`` lacks is no field.

    ``names``: what the components, or the partners, are called, by id.
    """
    names = names or {}
    return tuple(
        Change(key, value, after[key], names.get(key.id, "") if key.target is not Target.ACTION else "")
        for key, value in before.items()
        if key in after and after[key] != value
    )


def gone(changes: Iterable[Change], values: Values) -> tuple[Change, ...]:
    """The changes whose object no longer exists."""
    return tuple(change for change in changes if change.key not in values)


def apply(changes: Iterable[Change], values: Values) -> dict[Key, Value]:
    """``values`` with what the request asks.  Raises Gone, and changes nothing then."""
    changes = tuple(changes)
    if lost := gone(changes, values):
        raise Gone(lost)
    return {**values, **{change.key: change.after for change in changes}}


def moved(changes: Iterable[Change], values: Values) -> tuple[Moved, ...]:
    """The fields that somebody changed since the request was sent: the diff against today's data."""
    return tuple(Moved(change, values[change.key]) for change in changes if change.key in values and values[change.key] != change.before)


def fingerprint(found: Sequence[Moved]) -> str:
    """Names what moved and to what: a confirmation given for other values is none.  Empty when nothing moved."""
    if not found:
        return ""
    stated = json.dumps([[*_place(one.change.key), _dump_value(one.now)] for one in found])
    return hashlib.sha256(stated.encode()).hexdigest()[:24]


def stated(changes: object, motivation: str, pieces: Iterable[str]) -> str:
    """Names what the letter of a request says: two equal words, the same changes for the same reasons, with the same pieces (their digests)."""
    said = json.dumps([changes, motivation, sorted(pieces)], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:24]


def fingerprint_of(changes: Iterable[Change]) -> str:
    """Names a list of changes: two equal words, the same changes."""
    return hashlib.sha256(json.dumps(dump(changes)).encode()).hexdigest()[:24]


def dump(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """As kept in the database."""
    return [
        {
            "target": change.key.target.value,
            "id": change.key.id,
            "field": change.key.field.value,
            "before": _dump_value(change.before),
            "after": _dump_value(change.after),
            "of": change.of,
            "said": list(change.said),
        }
        for change in changes
    ]


def load(payload: object) -> tuple[Change, ...]:
    """Read what ``dump`` wrote.  Raises PayloadError for anything else: a change of an unknown field is never applied."""
    if not isinstance(payload, list):
        raise PayloadError("not a list")
    found = tuple(_load_one(one) for one in payload)
    if len({change.key for change in found}) < len(found):
        raise PayloadError("one field twice")
    return found


def _place(key: Key) -> tuple[str, int, str]:
    return key.target.value, key.id, key.field.value


def _load_one(one: object) -> Change:
    if not isinstance(one, dict):
        raise PayloadError("not a change")
    try:
        identity = one["id"]
        key = Key(Target(one["target"]), identity, Field(one["field"]))
        before, after = _load_value(key.field, one["before"]), _load_value(key.field, one["after"])
        of, (was, becomes) = one.get("of", ""), one.get("said", ("", ""))
    except (KeyError, ValueError, TypeError, InvalidOperation) as error:
        raise PayloadError(str(error)) from None
    if isinstance(identity, bool) or not isinstance(identity, int) or not all(isinstance(word, str) for word in (of, was, becomes)):
        raise PayloadError("not an object")
    return Change(key, before, after, of, (was, becomes))


def _dump_value(value: Value) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return list(value) if isinstance(value, tuple) else value


def _load_value(name: Field, stored: object) -> Value:
    if stored is None:
        return None
    kind = FIELD_TYPES[name]
    if isinstance(stored, str):
        if kind is date:
            return date.fromisoformat(stored)
        if kind is Decimal and (number := Decimal(stored)).is_finite():
            return number
        if kind is str:
            return stored
    if kind is int and _is_number(stored):
        return stored  # type: ignore[return-value]
    if kind is tuple and isinstance(stored, list) and all(_is_number(one) for one in stored):
        return tuple(stored)
    raise PayloadError(f"{name}: {type(stored).__name__}")


def _is_number(stored: object) -> bool:
    return isinstance(stored, int) and not isinstance(stored, bool)
