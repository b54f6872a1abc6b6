"""On what the undoing of a file may touch: actions that still take changes, among those that the account that undoes sees."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select

from app.actions.domain import ActionStatus
from app.actions.models import Action
from app.core.extensions import db
from app.core.matrix.rows import among, pieces
from app.core.tenancy import whole_organisation

from .. import labels
from ..domain import Problem, ProblemCode


@dataclass(frozen=True, slots=True)
class Ground:
    """What a file touched, each on its action."""

    #: Each row that is there, whoever may see it, with its action.
    actions: Mapping[int, int]
    #: Where each action stands that the account sees.
    statuses: Mapping[int, str]

    def refuses(self, number: int) -> str:
        """Why nothing of this row is undone; nothing when it may be, or is gone."""
        action_id = self.actions.get(number)
        if action_id is None:
            return ""
        status = self.statuses.get(action_id)
        if status is None:
            return _("The action is not among those given to the account that undoes the import: what the file did there stays.")
        if status in (ActionStatus.CLOSED, ActionStatus.CANCELLED):
            return str(labels.problem_text(Problem("", ProblemCode.NO_MORE_TRAINEE, {"status": ActionStatus(status)})))
        return ""


def actions_of(model: Any, numbers: Collection[int]) -> dict[int, int]:
    """The actions of sheets or enrolments, in the whole organisation."""
    with whole_organisation():
        rows = (db.session.execute(select(model.id, model.action_id).where(among(model.id, some))) for some in pieces(sorted(numbers)))
        return {row.id: row.action_id for some in rows for row in some}


def ground_of(model: Any, numbers: Collection[int], *, lock: bool) -> Ground:
    """Where sheets or enrolments stand.  ``lock``: their actions are neither opened nor closed until the end of the transaction."""
    actions = actions_of(model, numbers)
    statement = select(Action.id, Action.status).where(among(Action.id, set(actions.values()))).order_by(Action.id)
    rows = db.session.execute(statement.with_for_update(read=True, of=Action) if lock else statement)
    return Ground(actions, {row.id: row.status for row in rows})


__all__ = ["Ground", "actions_of", "ground_of"]
