"""What the actions learn of their modification requests (``app.actions.ports.RequestSide``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import url_for
from flask_babel import gettext as _

from app.actions.models import Action, Component
from app.actions.ports import AppliedChange, AppliedRequest
from app.core.tenancy import current_scope
from app.core.ui import allowed

from . import direct, labels, queries
from .domain import Change, Field, RequestEvent, Target
from .models import ModificationRequest, ModificationRequestEvent
from .permissions import READ


class Requests:
    """The side registered at start."""

    def applied(self, action_id: int) -> Sequence[AppliedRequest]:
        """The validated ones, and those recorded at once; who may not read requests learns nothing of them."""
        if current_scope().observes or not allowed(*READ):
            return ()
        return [_applied(request, event) for request, event in queries.applied(action_id)]

    def faults(self, row: Action | Component, before: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """A column has the name of the field of a request; a component outside the new dates of its action is said at the date it passes."""
        return [(one.key.field.value if one.key is not None else "", labels.problem_text(one)) for one in direct.problems_of(row, before)]

    def under_way(self, action_id: int) -> tuple[int, ...]:
        """Those that wait for a decision, or for a correction."""
        return tuple(one.id for one in queries.open_kinds(action_id).values())

    def under_way_url(self, action_id: int, waiting: Sequence[int]) -> str:
        """The one there is, or the follow-up of the action."""
        if len(waiting) == 1:
            return url_for("RequestsView.show", request_id=waiting[0])
        return url_for("RequestsView.of_action", action_id=action_id)


def _applied(request: ModificationRequest, event: ModificationRequestEvent) -> AppliedRequest:
    by_region = event.event == RequestEvent.VALIDATE
    kind = labels.kind_label(request.kind)
    notes = [_("Motivation: %(text)s", text=request.motivation)]
    if event.without_letter:
        notes.append(labels.without_letter_text())
    if request.amendment_number:
        notes.append(_("Amendment: %(number)s", number=request.amendment_number))
    return AppliedRequest(
        source=(ModificationRequestEvent.__tablename__, event.id),
        at=event.happened_at,
        actor_id=event.actor_id,
        actor_name=event.actor_name,
        on_behalf_of_id=event.on_behalf_of_id,
        on_behalf_of_name=event.on_behalf_of_name,
        by_region=by_region,
        text=_("%(kind)s, validated by the Région: the new data count.", kind=kind)
        if by_region
        else _("%(kind)s, recorded at once as the market rules say: the new data count.", kind=kind),
        notes=notes,
        changes=[
            AppliedChange(_place(one), labels.field_label(one), labels.before_text(one), labels.after_text(one)) for one in request.asked
        ],
        href=url_for("RequestsView.show", request_id=request.id),
        link=_("See the request"),
    )


def _place(change: Change) -> tuple[str, str, str] | None:
    """Where the journal has the value; sites have rows of their own, partners are told by the request alone."""
    if change.key.target is Target.PARTNER or change.key.field is Field.SITES:
        return None
    return change.key.target.value, str(change.key.id), change.key.field.value


__all__ = ["Requests"]
