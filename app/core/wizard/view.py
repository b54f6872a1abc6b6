"""The base of every multi-step page.

A feature writes::

    class OpeningWizard(Wizard):
        route_base = "/actions/<int:action_id>/ouverture"
        class_permission_name = "ActionOpening"
        kind = "action-opening"
        steps = (
            Step("dates", _l("Dates"), DatesForm, "actions/opening_dates.html"),
            Step("recap", _l("Summary"), RecapForm, "actions/opening_recap.html"),
        )

        def load_subject(self, action_id: int) -> Action: ...            # None answers 404
        def finish(self, state: WizardState) -> str: ...                 # does the act, returns the address to go to
        def leave_url(self, state: WizardState) -> str: ...              # where "give up" and "save and leave" lead

and, for each step, a template that extends ``wizard/step.html`` and fills the block ``fields``.

What holds for all of them: a POST answers with a redirect when it is accepted; a step opens only when those before it are done;
going back loses nothing, not even what is wrong; each POST saves, and so does ``<step>/brouillon`` while typing; the draft is
found again after a sign-out; a GET writes nothing; the final act happens once, however often its button is pressed; a page says
whom it was made for (``concerns``), and one whose draft concerns somebody else by now is refused, what it brings shown again.
Where several subjects are entered side by side, see :class:`app.core.wizard.several.SeveralDrafts`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from flask import abort, flash, make_response, redirect, request, url_for
from flask_appbuilder import BaseView, expose, has_access
from flask_appbuilder.security.decorators import permission_name
from flask_babel import gettext as _
from sqlalchemy.exc import IntegrityError
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response
from wtforms import Form

from app.core import clock
from app.core.concurrency import canonical, display
from app.core.errors_db import translate
from app.core.nir.text import holds_number, without_numbers
from app.core.transaction import transaction
from app.core.typed import carried, typed_rows
from app.core.ui.error_pages import wants_json
from app.core.wizard import drafts
from app.core.wizard.drafts import Draft
from app.core.wizard.steps import Step, StepIncomplete, StepRefused, WizardState

TOKEN = "wizard_token"  # noqa: S105 - the name of a form field
#: Whom the page was made for, and what the summary showed: hidden fields of each step.
CONCERNS, SHOWN = "wizard_concerns", "wizard_shown"
GO = "go"
RESUMED = "reprise"
BACK, NEXT, LEAVE = "back", "next", "leave"


class Wizard(BaseView):
    """See the module's text."""

    kind: ClassVar[str] = ""
    steps: ClassVar[tuple[Step, ...]] = ()
    default_view = "start"
    #: Word on the button of the last step.
    final_label: ClassVar[Any] = None
    #: Whether an input is kept before its first step was accepted; if not, only "save and leave" keeps it, and a refused page what it brought.
    keeps_unaccepted: ClassVar[bool] = True

    # -- to be written by the feature -----------------------------------------------------------------------------

    def load_subject(self, **arguments: Any) -> Any:
        """Return what the wizard is about; ``None`` answers 404.  Also the place to refuse with ``abort(403)``."""
        return arguments

    def subject_key(self, **arguments: Any) -> str:
        """Return the key under which the draft is found again."""
        return ":".join(str(arguments[name]) for name in sorted(arguments)) or "-"

    def draft_key(self, **arguments: Any) -> str:
        """Return the key of the draft of this request: one per subject, unless the wizard keeps several."""
        return self.subject_key(**arguments)

    def concerns(self, state: WizardState) -> str:
        """Return a word for the person (or thing) the draft is about by now; empty as long as nobody is known.

        A page made for one is refused once the draft concerns another.  The word tells nothing by itself.
        """
        return ""

    def about(self, state: WizardState) -> str:
        """Return the name of whom the draft is about, for the top of every step; empty as long as it is not known."""
        return ""

    def aside_url(self, step: Step, state: WizardState) -> str | None:
        """Return where a refused page may put what it brings into a draft of its own; ``None`` when there is no such place."""
        return None

    def asks_again(self, step: Step, state: WizardState) -> bool:
        """Whether what was posted only asks for the page again (a list to fill): it is kept, and not judged."""
        return False

    def initial(self, step: Step, state: WizardState) -> dict[str, Any]:
        """Return the values of a form before anything was typed."""
        return {}

    def form_class(self, step: Step, state: WizardState) -> type[Form]:
        """Return the form of a step: the one declared, unless its fields depend on the subject (the step then declares any form)."""
        return step.form or Form

    def prepare_form(self, form: Form, step: Step, state: WizardState) -> None:
        """Give a form what depends on the subject, such as its choices; called each time one is built."""

    def check_step(self, step: Step, form: Form, state: WizardState) -> bool:
        """Judge what the form alone cannot; add the sentences to ``form.<field>.errors`` and return ``False`` to refuse."""
        return True

    def summed_up(self, step: Step, state: WizardState) -> Iterable[Any]:
        """Return the fields of a step that its summary shows: those of which something is saved."""
        return list(state.form(step.name))

    def step_context(self, step: Step, state: WizardState) -> dict[str, Any]:
        """Return further variables of a step's template."""
        return {}

    def finish(self, state: WizardState) -> str:
        """Do the act, inside the transaction that ends the draft, and return the address to go to.

        Raises :class:`StepRefused` with a sentence for the person.
        """
        raise NotImplementedError

    def leave_url(self, state: WizardState) -> str:
        """Return where to go when the wizard is left."""
        return "/"

    def breadcrumb(self, state: WizardState) -> Sequence[tuple[str, str | None]]:
        """Return the breadcrumb of all its pages."""
        return ()

    # -- pages ----------------------------------------------------------------------------------------------------

    @expose("/", methods=["GET"])
    @has_access
    @permission_name("use")
    def start(self, **arguments: Any) -> Response:
        """Go to where the account stopped, or to the first step."""
        state = self._state(arguments)
        if state.draft.is_new:
            return self._go(self.steps[0].name, state)
        return redirect(self.url("show", state, step_name=self._allowed(state.draft.step, state), **{RESUMED: 1}))

    @expose("/<step_name>", methods=["GET"])
    @has_access
    @permission_name("use")
    def show(self, step_name: str, **arguments: Any) -> Any:
        """Show one step, as it was left."""
        state = self._state(arguments)
        step = self.step(step_name)
        allowed = self._allowed(step.name, state)
        if allowed != step.name:
            return self._go(allowed, state)
        return self._page(step, state)

    @expose("/<step_name>", methods=["POST"])
    @has_access
    @permission_name("use")
    def save(self, step_name: str, **arguments: Any) -> Any:
        """Keep what was typed, then go where the button says."""
        token = _token()
        done = drafts.finished_draft(self.kind, self.draft_key(**arguments), token)
        if done is not None:  # before the subject is looked at: the act may have changed what it allows
            return self._already_done(done)
        state = self._state(arguments)
        step = self.step(step_name)
        go = request.form.get(GO, NEXT)
        accepted = refused = late = asked = False
        with self._editing(state, token) as draft:
            self._at(state, draft)
            if draft.finished_at is not None:
                return self._already_done(draft)
            refused = self._is_stale(step, state)
            if not refused:
                late = self._allowed(step.name, state) != step.name
                self._keep(step, state)
                draft.step = step.name
                asked = self.asks_again(step, state)
                if late:
                    draft.step = self._allowed(step.name, state)
                elif go == BACK:
                    draft.step = self._neighbour(step, -1)
                elif go != LEAVE and not asked:
                    accepted = self._judge(step, state)
                    if accepted and step is not self.steps[-1]:
                        draft.step = self._neighbour(step, +1)
                self._forget_numbers(step, state)
                if step is self.steps[0] and go not in (LEAVE, BACK) and not draft.done:
                    draft.dropped_if_begun = not self.keeps_unaccepted
        if refused:
            return self._stale_page(step, state), 409
        if late:
            told = _("The step “%(step)s” has to be validated first: it was changed meanwhile, or its draft was deleted. What you just typed is kept.")
            flash(told % {"step": self.step(draft.step).label}, "warning")
        elif go == LEAVE:
            flash(_("What you typed is saved: you will find it again here."), "success")
            return redirect(self.leave_url(state))
        elif asked or not (accepted or go == BACK):
            return self._page(step, state), 200 if asked else 422
        elif accepted and step is self.steps[-1]:
            return self._finish(state, draft.token)
        return self._go(draft.step, state)

    @expose("/<step_name>/brouillon", methods=["POST"])
    @has_access
    @permission_name("use")
    def save_draft(self, step_name: str, **arguments: Any) -> Any:
        """Keep what is being typed, without judging it; answers 204."""
        state = self._state(arguments)
        step = self.step(step_name)
        if self._allowed(step.name, state) != step.name or not self._keeps(state.draft):
            return "", 204
        refused = False
        with self._editing(state, _token()) as draft:
            self._at(state, draft)
            refused = draft.finished_at is None and self._is_stale(step, state)
            if draft.finished_at is None and not refused:
                self._keep(step, state)
                self._forget_numbers(step, state)
                draft.step = step.name
        return "", 409 if refused else 204

    @expose("/abandon", methods=["GET"])
    @has_access
    @permission_name("use")
    def ask_to_abandon(self, **arguments: Any) -> Any:
        """The question, as a page: the dialog without script."""
        state = self._state(arguments)
        return self.render_template(
            "portal/confirm.html",
            breadcrumb=list(self.breadcrumb(state)),
            heading=self.abandon_question(state),
            body=_("Everything typed in it is deleted for good. Nothing that is registered already changes."),
            action_url=self.url("abandon", state),
            verb=_("Delete the draft"),
            cancel_url=self.url("start", state),
        )

    @expose("/abandon", methods=["POST"])
    @has_access
    @permission_name("use")
    def abandon(self, **arguments: Any) -> Response:
        """Forget the draft."""
        state = self._state(arguments)
        drafts.discard(self.kind, self.draft_key(**arguments))
        flash(_("Your draft was deleted."), "info")
        return redirect(self.leave_url(state))

    def abandon_question(self, state: WizardState) -> str:
        """The heading of the confirmation."""
        return str(_("Give up the input about %(name)s?", name=self.about(state)) if self.about(state) else _("Give up this input?"))

    # -- inside ---------------------------------------------------------------------------------------------------

    def step(self, name: str) -> Step:
        """Return the step of that name; an unknown one answers 404."""
        for step in self.steps:
            if step.name == name:
                return step
        return abort(404)

    def _position(self, name: str) -> int:
        return [step.name for step in self.steps].index(name)

    def _neighbour(self, step: Step, distance: int) -> str:
        position = self._position(step.name) + distance
        return self.steps[max(0, min(position, len(self.steps) - 1))].name

    def _state(self, arguments: Mapping[str, Any]) -> WizardState:
        subject = self.load_subject(**arguments)
        if subject is None:
            abort(404)
        draft = drafts.find_draft(self.kind, self.draft_key(**arguments))
        return WizardState(self, arguments, subject, draft or Draft(token=uuid.uuid4(), step=self.steps[0].name))

    @contextmanager
    def _editing(self, state: WizardState, token: uuid.UUID | None) -> Iterator[Draft]:
        with self._bounded(state), drafts.editing(self.kind, self.draft_key(**state.arguments), token=token, first_step=self.steps[0].name) as draft:
            yield draft

    @contextmanager
    def _bounded(self, state: WizardState) -> Iterator[None]:
        """Answer in words when a draft, or one more draft, is too much."""
        try:
            yield
        except drafts.DraftTooLarge:
            abort(413)
        except drafts.TooManyDrafts:
            abort(self._full_page(state))

    def _full_page(self, state: WizardState) -> Response:
        """The drafts there are, to delete some, and what was typed, to be sent again. A script that saves is only told no."""
        if wants_json():
            abort(422)
        state = self._state(state.arguments)  # what the rolled-back transaction loaded is stale
        step = next((one for one in self.steps if one.name == (request.view_args or {}).get("step_name")), None)
        page = self.render_template(
            "wizard/full.html",
            most=drafts.MAX_OPEN,
            found=[self._listed(key, draft) for _kind, key, draft in drafts.opened((self.kind,), limit=drafts.MAX_OPEN)],
            rows=typed_rows(step.form) if step is not None else [],
            hidden=carried(leave_out=("csrf_token",)),
            breadcrumb=list(self.breadcrumb(state)),
            **self.step_context(self.steps[0], state),
        )
        return make_response(page, 422)

    def _listed(self, key: str, draft: Draft) -> dict[str, Any]:
        return {"name": draft.memo.get("about"), "at": draft.updated_at, "href": url_for(f"{self.endpoint}.ask_to_abandon", **self.address_of(key))}

    def address_of(self, key: str) -> dict[str, Any]:
        """Return what the address of a draft's pages holds, from its key: ``subject_key`` the other way round."""
        names = sorted(name for name in (request.view_args or {}) if name != "step_name")
        return dict(zip(names, key.split(":"), strict=False))

    def _allowed(self, wanted: str, state: WizardState) -> str:
        """Return the wanted step, or the furthest one before it that may be opened."""
        for step in self.steps:
            if step.name == wanted or step.name not in state.draft.done:
                return step.name
        return wanted

    def bound_form(self, step: Step, state: WizardState) -> Form:
        """Build the form of a step from its draft."""
        form_class = self.form_class(step, state)
        raw = state.draft.steps.get(step.name)
        meta = {"csrf": False}  # the whole portal is under CSRFProtect; a draft carries no token
        if raw is not None:
            form = form_class(formdata=MultiDict((name, one) for name, many in raw.items() for one in many), meta=meta)
        else:
            form = form_class(formdata=None, data=self.initial(step, state), meta=meta)
        self.prepare_form(form, step, state)
        return form

    def _keeps(self, draft: Draft) -> bool:
        """Whether what is typed into the draft is kept while it is typed."""
        return self.keeps_unaccepted or not (draft.is_new or draft.dropped_if_begun)

    @staticmethod
    def _at(state: WizardState, draft: Draft) -> None:
        """Go on with the draft as it is now, locked."""
        state.draft, state._forms = draft, {}

    def _is_stale(self, step: Step, state: WizardState) -> bool:
        """Whether the page was made for somebody else.  The first step says who it is: it may always say another."""
        now = self.concerns(state)
        return bool(now) and step is not self.steps[0] and request.form.get(CONCERNS) != now

    def _stale_page(self, step: Step, state: WizardState) -> Any:
        """What the page brought, and whom the draft concerns now: nothing is mixed, nothing typed is lost."""
        return self.render_template(
            "wizard/stale.html",
            name=self.about(state),
            step=step,
            rows=typed_rows(step.form),
            hidden=carried(leave_out=("csrf_token", GO, TOKEN)),
            aside_url=self.aside_url(step, state) if step.form is not None else None,
            go_on_url=self.url("show", state, step_name=self._allowed(step.name, state)),
            breadcrumb=list(self.breadcrumb(state)),
            **self.step_context(self.steps[0], state),
        )

    def _keep(self, step: Step, state: WizardState) -> None:
        """Put what was posted into the draft, as typed, for the fields of the step and nothing else."""
        if step.form is None:
            return
        known = set(state.form(step.name)._fields)
        names = {name for name in request.form if name.partition("-")[0] in known and name != "csrf_token"}
        state.draft.steps[step.name] = drafts.raw_of(request.form, names)
        state._forms.pop(step.name, None)

    def _forget_numbers(self, step: Step, state: WizardState) -> None:
        """The number of a person typed into a free text is refused when the step is judged, and stays in no draft: it is masked there.

        The form of this very answer still shows what was typed.
        """
        typed = state.draft.steps.get(step.name, {})
        if any(holds_number(one) for many in typed.values() for one in many):
            texts = {one.name for one in getattr(state.form(step.name), "kept_texts", dict)().values()}
            state.draft.steps[step.name] = {name: [without_numbers(one) for one in many] if name in texts else many for name, many in typed.items()}

    def _judge(self, step: Step, state: WizardState) -> bool:
        """Check one step, and note in the draft whether it is done."""
        form = state.form(step.name)
        done = [name for name in state.draft.done if name != step.name]
        accepted = bool(form.validate()) and self.check_step(step, form, state)
        state.draft.done = [*done, step.name] if accepted else done
        return accepted

    def _finish(self, state: WizardState, token: uuid.UUID) -> Any:
        """Check every step again, then do the act once: a second click waits for the lock and finds it done."""
        try:
            with self._editing(state, token) as draft:
                self._at(state, draft)
                if draft.finished_at is not None:
                    return self._already_done(draft)
                if self._is_stale(self.steps[-1], state) or request.form.get(SHOWN) not in (None, self._shown(draft)):
                    changed = _("The draft was changed in another window since this summary was shown: check it again, then validate.")
                    raise StepRefused(self.steps[-1].name, changed)
                for step in self.steps:
                    if not self._judge(step, state):
                        raise StepIncomplete(step)
                with transaction():
                    url = self.finish(state)
                draft.finished_at, draft.result_url = clock.now(), url
            return redirect(url)
        except IntegrityError as error:
            state = self._state(state.arguments)
            return self._page(self.steps[-1], state, refusal=translate(error)), 422
        except StepIncomplete as incomplete:
            flash(_("This step has to be completed first."), "warning")
            return self._page(incomplete.step, state), 422
        except StepRefused as refused:
            step = self.step(refused.step)
            state._forms.clear()
            # what the rolled-back transaction loaded is stale: start again from the database
            state = self._state(state.arguments)
            form = state.form(step.name)
            if refused.field and refused.field in form:
                form[refused.field].errors = [*form[refused.field].errors, refused.message]
                return self._page(step, state), 422
            return self._page(step, state, refusal=refused.message), 422

    def _shown(self, draft: Draft) -> str:
        """What the summary showed: all but what is typed on the summary itself."""
        return drafts.fingerprint(draft, leave_out=self.steps[-1].name)

    def _already_done(self, draft: Draft) -> Response:
        flash(_("This was already recorded: it is done once only."), "info")
        return redirect(draft.result_url or "/")

    def url(self, method: str, state: WizardState, **values: Any) -> str:
        """Address of one of the wizard's own pages."""
        return url_for(f"{self.endpoint}.{method}", **{**state.arguments, **values})

    def _go(self, step_name: str, state: WizardState) -> Response:
        return redirect(self.url("show", state, step_name=step_name))

    def stepper(self, state: WizardState) -> list[dict[str, Any]]:
        """Return the steps for the macro ``stepper``; those that may be opened have an address."""
        shown = []
        for step in self.steps:
            reachable = self._allowed(step.name, state) == step.name
            shown.append(
                {
                    "key": step.name,
                    "label": str(step.label),
                    "href": self.url("show", state, step_name=step.name) if reachable else None,
                    "done": step.name in state.draft.done,
                }
            )
        return shown

    def recap(self, state: WizardState, *step_names: str) -> list[dict[str, Any]]:
        """Return, for each step, its label, the address to change it and its rows (label, value) for ``summary_list``."""
        parts = []
        for step in self.steps:
            if step.form is None or (step_names and step.name not in step_names):
                continue
            rows = [
                (str(one.label.text), display(one, canonical(one.data)) or "—")
                for one in self.summed_up(step, state)
                if one.type not in ("HiddenField", "SubmitField", "CSRFTokenField")
            ]
            parts.append({"label": str(step.label), "href": self.url("show", state, step_name=step.name), "rows": rows})
        return parts

    def _page(self, step: Step, state: WizardState, *, refusal: str | None = None) -> Any:
        position = self._position(step.name)
        return self.render_template(
            step.template,
            wizard=self,
            state=state,
            step=step,
            subject=state.subject,
            form=state.form(step.name),
            steps=self.stepper(state),
            wizard_token=str(state.draft.token),
            token_name=TOKEN,
            concerns_name=CONCERNS,
            concerns=self.concerns(state),
            shown_name=SHOWN,
            shown=self._shown(state.draft) if position == len(self.steps) - 1 else None,
            abandon_question=self.abandon_question(state),
            draft_url=self.url("save_draft", state, step_name=step.name) if step.form is not None and self._keeps(state.draft) else None,
            abandon_url=self.url("abandon", state),
            leave_url=self.leave_url(state),
            resumed_at=state.draft.updated_at if request.method == "GET" and request.args.get(RESUMED) else None,
            refusal=refusal,
            is_first=position == 0,
            is_last=position == len(self.steps) - 1,
            final_label=self.final_label or _("Validate"),
            breadcrumb=list(self.breadcrumb(state)),
            **{"about": self.about(state), **self.step_context(step, state)},
        )


def _token() -> uuid.UUID | None:
    """The token the page carried; ``None`` when it is missing or malformed."""
    try:
        return uuid.UUID(request.form.get(TOKEN, ""))
    except ValueError:
        return None
