"""What a wizard is made of: its steps, why one is refused, and what is known while one request is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wtforms import Form

from app.core.wizard.drafts import Draft

if TYPE_CHECKING:
    from app.core.wizard.view import Wizard


@dataclass(frozen=True, slots=True)
class Step:
    """One page: its word in the address, its name in the stepper, its form (none: nothing to type) and its template."""

    name: str
    label: Any
    form: type[Form] | None = None
    template: str = "wizard/step.html"


class StepRefused(Exception):
    """``finish`` refuses: shown on ``step`` (beside ``field`` if given); everything typed stays."""

    def __init__(self, step: str, message: str, *, field: str | None = None) -> None:
        super().__init__(step)
        self.step, self.message, self.field = step, message, field


class StepIncomplete(Exception):
    """A step that was accepted once no longer is."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.name)
        self.step = step


@dataclass(slots=True)
class WizardState:
    """What a wizard knows while it answers one request."""

    wizard: Wizard
    arguments: Mapping[str, Any]
    subject: Any
    draft: Draft
    _forms: dict[str, Form] = field(default_factory=dict)

    def form(self, step_name: str) -> Form:
        """The form of a step with what was typed there, or with its initial values."""
        if step_name not in self._forms:
            self._forms[step_name] = self.wizard.bound_form(self.wizard.step(step_name), self)
        return self._forms[step_name]

    def values(self, step_name: str) -> dict[str, Any]:
        """The cleaned values of a step."""
        return dict(self.form(step_name).data)

    @property
    def memo(self) -> dict[str, Any]:
        """Room in the draft for what a step found out (an id, never a record); JSON only, encrypted like the rest."""
        return self.draft.memo
