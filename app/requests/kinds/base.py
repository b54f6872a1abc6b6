"""What a kind of request is."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from wtforms import Field as Control
from wtforms import Form

from app.actions.models import Action, Component
from app.core.ui.kept_text import KeptTextForm

from ..domain import Change, Field, Key, Problem, ProblemCode, RequestKind, Target, Value, apply, gone

#: What was typed in a step, as posted: control → texts.
Typed = Mapping[str, Sequence[str]]

#: Name of the control of a field of the action, of a component, of a partner, and of a partner to add.
ACTION_FIELD, COMPONENT_FIELD, PARTNER_FIELD, NEW_PARTNER_FIELD = "action_{field}", "c{id}_{field}", "p{id}_{field}", "n{id}_{field}"


@dataclass(frozen=True, slots=True)
class Outside:
    """Trainees that a request would leave outside: how many, and the first of their enrolments."""

    count: int = 0
    enrolments: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The data of one action that a kind may change, as they stand now."""

    action: Action
    components: Sequence[Component]
    values: Mapping[Key, Value]
    #: What a kind read besides, for its rules and its remarks: once for a page.
    read: dict[str, Any] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @property
    def names(self) -> dict[int, str]:
        """What the components are called, by id: the guide shows their title."""
        return {component.id: str(component) for component in self.components}


def values_of(action: Action, components: Sequence[Component], *, action_fields: Sequence[Field], component_fields: Sequence[Field]) -> dict[Key, Value]:
    """The present value of each field, in the order of the form."""
    found: dict[Key, Value] = {Key(Target.ACTION, action.id, field): getattr(action, field.value) for field in action_fields}
    for component in components:
        for field in component_fields:
            found[Key(Target.COMPONENT, component.id, field)] = getattr(component, field.value)
    return found


def control(key: Key) -> str:
    """The name of the control that asks a new value."""
    if key.target is Target.PARTNER:
        return (PARTNER_FIELD if key.id > 0 else NEW_PARTNER_FIELD).format(id=abs(key.id), field=key.field.value)
    return (ACTION_FIELD if key.target is Target.ACTION else COMPONENT_FIELD).format(id=key.id, field=key.field.value)


class ChangeKind(ABC):
    """One kind.  Nothing of it depends on a request of the web, but the form."""

    code: ClassVar[RequestKind]
    #: The step of the wizard that asks the new values.
    template: ClassVar[str]
    #: What to load of the components besides their columns.
    options: ClassVar[Sequence[Any]] = ()

    @abstractmethod
    def snapshot(self, action: Action, components: Sequence[Component]) -> Snapshot:
        """What it may change of the action, now."""

    def snapshots(self, places: Sequence[tuple[Action, Sequence[Component]]]) -> list[Snapshot]:
        """``snapshot`` of several actions, in a number of statements that does not depend on theirs; only to be shown."""
        return [self.snapshot(action, components) for action, components in places]

    @abstractmethod
    def form_class(self, snapshot: Snapshot, typed: Typed) -> type[Form]:
        """The form that asks the new values: one control (see ``control``) for each key of the snapshot that may change.

        ``typed``: what was posted so far, for lists that depend on it.
        """

    @abstractmethod
    def problems(self, snapshot: Snapshot, changes: Sequence[Change]) -> tuple[Problem, ...]:
        """What forbids these changes of today's data."""

    def remarks(self, snapshot: Snapshot, changes: Sequence[Change]) -> tuple[Problem, ...]:
        """What forbids nothing, but has to be known of these changes."""
        return ()

    def outside(self, snapshot: Snapshot, changes: Sequence[Change]) -> Outside:
        """The trainees that these changes would leave outside."""
        return Outside()

    def typed(self, form: Form, snapshot: Snapshot) -> dict[Key, Value]:
        """The new values that were typed; what was left empty stays as it is."""
        found: dict[Key, Value] = {}
        for key in snapshot.values:
            name = control(key)
            if name in form and form[name].data is not None:
                found[key] = form[name].data
        return found

    def initial(self, snapshot: Snapshot, changes: Sequence[Change]) -> Mapping[str, Any]:
        """The values of the form before anything is typed; ``changes``: what a request to correct asked."""
        return {control(change.key): change.after for change in changes}

    def apply(self, snapshot: Snapshot, changes: Sequence[Change]) -> None:
        """Write the changes into the rows, which the caller locked.  Raises domain.Gone."""
        values = apply(changes, snapshot.values)
        rows: dict[tuple[Target, int], Any] = {(Target.COMPONENT, component.id): component for component in snapshot.components}
        rows[Target.ACTION, snapshot.action.id] = snapshot.action
        for key, value in values.items():
            row = rows[key.target, key.id]
            if self.value_of(row, key.field) != value:
                self.write(row, key.field, value)

    def value_of(self, row: Any, field: Field) -> Value:
        """The present value of one field of a row."""
        value: Value = getattr(row, field.value)
        return value

    def write(self, row: Any, field: Field, value: Value) -> None:
        """Give one field of a row its new value."""
        setattr(row, field.value, value)


class ComponentsKind(ChangeKind):
    """A kind that changes fields of the components alone, each asked under its component."""

    template: ClassVar[str] = "requests/components.html"
    component_fields: ClassVar[Sequence[Field]]

    def snapshot(self, action: Action, components: Sequence[Component]) -> Snapshot:
        """The fields as they are."""
        values = {
            Key(Target.COMPONENT, component.id, field): self.value_of(component, field) for component in components for field in self.component_fields
        }
        return Snapshot(action, components, values)

    @abstractmethod
    def controls(self, snapshot: Snapshot, typed: Typed) -> dict[Key, Control]:
        """One control for each key."""

    def extra_controls(self) -> dict[str, Control]:
        """Controls that ask no value."""
        return {}

    def form_class(self, snapshot: Snapshot, typed: Typed) -> type[Form]:
        """The controls, by their names."""
        fields = {control(key): one for key, one in self.controls(snapshot, typed).items()}
        return type("ComponentsForm", (KeptTextForm,), {**fields, **self.extra_controls()})

    @staticmethod
    def lost(snapshot: Snapshot, changes: Sequence[Change]) -> tuple[Problem, ...]:
        """Changes of components that no longer exist."""
        return tuple(Problem(None, ProblemCode.GONE, {"of": change.of}) for change in gone(changes, snapshot.values))


def text_or_none(value: str | None) -> str | None:
    """What was typed, without outer blanks; None for nothing."""
    return " ".join((value or "").replace("\x00", "").split()) or None


def periods_changed(snapshot: Snapshot, after: Mapping[Key, Value]) -> dict[int, tuple[date, date]]:
    """Component → its new dates, for those whose dates change."""
    found: dict[int, tuple[date, date]] = {}
    for component in snapshot.components:
        start = after[Key(Target.COMPONENT, component.id, Field.PLANNED_START)]
        end = after[Key(Target.COMPONENT, component.id, Field.PLANNED_END)]
        if isinstance(start, date) and isinstance(end, date) and (start, end) != (component.planned_start, component.planned_end):
            found[component.id] = (start, end)
    return found
