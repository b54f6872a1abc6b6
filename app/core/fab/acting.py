"""The routes of actions on one or several rows: POST only, rows read again through the filters, asked first when said so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, flash, redirect, request
from flask_appbuilder import ModelView, expose
from flask_appbuilder.actions import ActionItem
from flask_babel import gettext as _

from app.core.fab.history import previous_address
from app.core.fab.interface import Refused


class ActionRoutes(ModelView):
    """A part of ``PortalModelView``: what FAB's ``@action`` decorates."""

    @expose("/action/<string:name>/<pk>", methods=["POST"])
    def action(self, name: str, pk: str) -> Any:
        """Run an action on one row, read again through the filters (stock FAB takes any row)."""
        action = self._allowed_action(name, "single")
        return self._run(action, self.find(pk), [pk])

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Any:
        """Run an action on the chosen rows, all of them read again through the filters."""
        action = self._allowed_action(request.form.get("action", ""), "multiple")
        keys = request.form.getlist("rowid")
        if not keys:
            flash(_("Choose at least one row."), "warning")
            return redirect(previous_address(self.url("list")))
        return self._run(action, [self.find(key) for key in dict.fromkeys(keys)], keys)

    def _allowed_action(self, name: str, kind: str) -> ActionItem:
        action = self.actions.get(name)
        if action is None or not getattr(action, kind):
            abort(404)
        if not self.may_act(action):
            abort(403)
        return action

    def _run(self, action: ActionItem, target: Any, keys: Sequence[str]) -> Any:
        if action.confirmation and not request.form.get("confirmed"):
            return self.render_template(
                self.confirm_template,
                title=action.text,
                view=self,
                action=action,
                address=request.path,
                keys=keys,
                items=target if isinstance(target, Sequence) else [target],
                back=previous_address(self.url("list")),
                breadcrumb=self.breadcrumb((action.text, None)),
            )
        try:
            answer = action.func(target)
        except Refused as refusal:
            flash(str(refusal.message), "danger")
            answer = None
        return answer if answer is not None else redirect(previous_address(self.url("list")))
