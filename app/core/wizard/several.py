"""A wizard that keeps several drafts about one subject: two people may be entered side by side, each in a window of its own.

The draft is named in the address (``?saisie=…``): a word without meaning, chosen when a new input begins.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from flask import abort, flash, redirect, request
from flask_appbuilder import expose, has_access
from flask_appbuilder.security.decorators import permission_name
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.core.wizard import drafts
from app.core.wizard.drafts import Draft
from app.core.wizard.steps import Step, WizardState
from app.core.wizard.view import RESUMED, Wizard

DRAFT = "saisie"
_WORD = re.compile(r"[0-9a-f]{32}", re.ASCII)


class SeveralDrafts(Wizard):
    """See the module's text."""

    def draft_key(self, **arguments: Any) -> str:
        """The subject, then the word of the address."""
        subject, word = self.subject_key(**arguments), request.args.get(DRAFT)
        if word is None:
            return subject
        if not _WORD.fullmatch(word):
            abort(404)
        return f"{subject}:{word}"

    def url(self, method: str, state: WizardState, **values: Any) -> str:
        """Address of one of the wizard's own pages, for the same draft."""
        if request.args.get(DRAFT):
            values.setdefault(DRAFT, request.args[DRAFT])
        return super().url(method, state, **values)

    def address_of(self, key: str) -> dict[str, Any]:
        """The same, with the word of the draft after the subject."""
        address = super().address_of(key)
        words = key.split(":")[len(address) :]
        return {**address, DRAFT: words[0] if words else None}

    @expose("/", methods=["GET"])
    @has_access
    @permission_name("use")
    def start(self, **arguments: Any) -> Response:
        """Begin a new input; or go on with the one the address names."""
        state = self._state(arguments)
        if state.draft.is_new:
            word = request.args.get(DRAFT) or uuid.uuid4().hex
            return redirect(self.url("show", state, step_name=self.steps[0].name, **{DRAFT: word}))
        return redirect(self.url("show", state, step_name=self._allowed(state.draft.step, state), **{RESUMED: 1}))

    @expose("/<step_name>/a-part", methods=["POST"])
    @has_access
    @permission_name("use")
    def aside(self, step_name: str, **arguments: Any) -> Response:
        """Put what a refused page brought into a draft of its own, which begins at the first step."""
        state, step, word = self._state(arguments), self.step(step_name), uuid.uuid4().hex
        first = self.steps[0].name
        with self._bounded(state), drafts.editing(self.kind, f"{self.subject_key(**arguments)}:{word}", token=None, first_step=first) as draft:
            brought = WizardState(self, arguments, state.subject, draft)
            self._keep(step, brought)
            self._forget_numbers(step, brought)
            draft.step = first
        flash(_("What you typed is in an input of its own: say first whom it concerns."), "success")
        return redirect(self.url("show", state, step_name=first, **{DRAFT: word}))

    def set_aside(self, state: WizardState, former: Draft) -> None:
        """Keep in a draft of its own what the draft held about somebody else, in the transaction under way."""
        key = f"{self.subject_key(**state.arguments)}:{uuid.uuid4().hex}"
        with drafts.editing(self.kind, key, token=None, first_step=self.steps[0].name) as draft:
            draft.step, draft.steps, draft.done, draft.memo = former.step, former.steps, former.done, former.memo

    def aside_url(self, step: Step, state: WizardState) -> str | None:
        """The page above."""
        return self.url("aside", state, step_name=step.name)

    def others(self, state: WizardState) -> list[dict[str, Any]]:
        """The account's other unfinished inputs about the same subject: whom, since when, and the way back to each."""
        found = []
        subject = self.subject_key(**state.arguments)
        for _kind, key, draft in drafts.opened((self.kind,), subject, limit=drafts.MAX_OPEN):
            word = key.removeprefix(subject).removeprefix(":")
            if key == self.draft_key(**state.arguments):
                continue
            href = self.url("start", state, **{DRAFT: word or None})
            found.append({"name": draft.memo.get("about"), "at": draft.updated_at, "href": href})
        return found
