"""« Volumes et places »: hours in centre, hours in company and places of the components."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

from wtforms import Field as Control
from wtforms import Form

from app.core.ui.forms import FrDecimalField

from .. import labels, queries
from ..domain import Change, Field, Key, Problem, RequestKind, Value
from ..domain.rules import no_hours, volume_problems
from .base import ComponentsKind, Snapshot, Typed


class VolumesKind(ComponentsKind):
    """How much of it there is, and for how many."""

    code: ClassVar[RequestKind] = RequestKind.VOLUMES
    component_fields: ClassVar[Sequence[Field]] = (Field.HOURS_CENTRE, Field.HOURS_COMPANY, Field.PLACES)

    def controls(self, snapshot: Snapshot, typed: Typed) -> dict[Key, Control]:
        """Numbers; empty stays as it is."""
        return {key: FrDecimalField(labels.new_label(key.field), places=0 if key.field is Field.PLACES else 2) for key in snapshot.values}

    def typed(self, form: Form, snapshot: Snapshot) -> dict[Key, Value]:
        """Places are whole."""
        found = super().typed(form, snapshot)
        return {key: int(value) if key.field is Field.PLACES and isinstance(value, Decimal) else value for key, value in found.items()}

    def problems(self, snapshot: Snapshot, changes: Sequence[Change]) -> tuple[Problem, ...]:
        """Numbers in their bounds; never fewer places than trainees enrolled now."""
        fewer = [change.key.id for change in changes if change.key.field is Field.PLACES and change.key in snapshot.values]
        return (*self.lost(snapshot, changes), *volume_problems(changes, queries.enrolled_now(fewer)), *no_hours(changes, snapshot.values))
