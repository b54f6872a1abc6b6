"""Observations of a validator on single lines of the MODIFICATIONS, which the organisation reads beside the field when it corrects."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from .changes import Field, Key, PayloadError, Target

#: More than a line needs.
MAX_NOTE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be said of one field."""

    key: Key
    text: str


def cleaned(notes: Iterable[Note], asked: Collection[Key]) -> tuple[Note, ...]:
    """Those that say something of a field that the request asks about, whole: what is longer than ``MAX_NOTE`` is refused where it is typed."""
    return tuple(Note(one.key, one.text.strip()) for one in notes if one.text.strip() and one.key in asked)


def dump_notes(notes: Iterable[Note]) -> list[dict[str, Any]]:
    """As kept in the database."""
    return [{"target": one.key.target.value, "id": one.key.id, "field": one.key.field.value, "text": one.text} for one in notes]


def load_notes(payload: object) -> tuple[Note, ...]:
    """Read what ``dump_notes`` wrote.  Raises PayloadError for anything else."""
    if payload is None:
        return ()
    if not isinstance(payload, list):
        raise PayloadError("not a list")
    try:
        return tuple(Note(Key(Target(one["target"]), int(one["id"]), Field(one["field"])), str(one["text"])) for one in payload)
    except (KeyError, ValueError, TypeError) as error:
        raise PayloadError(str(error)) from None
