"""« Décider en lot »: the requests chosen in the queue, one answer, and the result of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from wtforms import RadioField, TextAreaField
from wtforms.validators import Length

from app.actions.forms import options
from app.core import clock
from app.core.requests import row_number
from app.core.ui.forms import Required
from app.core.ui.kept_text import KeptTextForm

from . import batch, labels, presenters
from .batch import Chosen, Fate, Item, Result
from .domain import RequestEvent, RequestState
from .forms import MAX_TEXT, _clean
from .permissions import VIEW
from .words import words_for

#: Names of the boxes of the queue, and of what each line of the confirmation carries.
CHOICE = "choix"
FATE_TONES: dict[Fate, str] = {
    Fate.DONE: "success", Fate.ALREADY: "success", Fate.OVERTAKEN: "warning", Fate.BLOCKED: "danger", Fate.GONE: "warning", Fate.FAILED: "danger",
}  # fmt: skip


class BatchForm(KeptTextForm):
    """One answer for all of them."""

    decision = RadioField(_l("Decision"), [Required()], choices=options(labels.DECISIONS))
    observations = TextAreaField(_l("Observations"), [Length(max=MAX_TEXT)], filters=[_clean])


class BatchView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """Decisions on several requests at once."""

    route_base = "/demandes-de-modification/lot"
    class_permission_name = VIEW
    permission_label = _l("Modification requests")
    default_view = "confirm"

    @expose("/", methods=["GET", "POST"])
    @has_access
    @permission_name("decide")
    def confirm(self) -> ResponseReturnValue:
        """What was chosen, one by one, with what moved since; then the answer, and the result of each."""
        ids = _numbers(request.values.getlist(CHOICE))
        if not ids or len(ids) > batch.MAX_BATCH:
            flash(_too_many(len(ids)) if ids else _("Choose the requests to decide on first."), "warning")
            return redirect(url_for("RequestsView.queue"))
        found = batch.chosen(ids)
        form = BatchForm(formdata=request.form if request.method == "POST" else None)
        if request.method == "POST" and form.validate():
            if form.decision.data != RequestEvent.VALIDATE and not form.observations.data:
                form.observations.errors = [*form.observations.errors, _("Say why in the observations: the organisation reads them.")]
            else:
                return self._result(found, form)
        return self._page(found, form), 422 if form.errors else 200

    def _page(self, found: Sequence[Chosen], form: BatchForm) -> str:
        pending = [one for one in found if one.request.state == RequestState.PENDING]
        lines = presenters.lines([one.request for one in pending], now=clock.now())
        words = words_for([(one.change.key.field, one.now) for each in pending for one in each.moved])
        return str(
            self.render_template(
                "requests/batch.html",
                breadcrumb=_path(),
                menu_current="RequestsView.queue",
                rows=[
                    {
                        "line": line,
                        "moved": [presenters.moved_row(shift, words) for shift in one.moved],
                        "fingerprint": one.fingerprint,
                        "ticked": f"vu-{one.request.id}" in request.form,
                        "without_letter": f"sans-courrier-{one.request.id}" in request.form,
                    }
                    for one, line in zip(pending, lines, strict=True)
                ],
                left_out=len(found) - len(pending),
                form=form,
                choice=CHOICE,
                queue_url=url_for("RequestsView.queue"),
            )
        )

    def _result(self, found: Sequence[Chosen], form: BatchForm) -> str:
        # Read before anything is written: each decision ends the transaction these rows belong to.
        told = {one.request.id: (one.request.action.number, labels.kind_label(one.request.kind), labels.summary(one.request.asked)) for one in found}
        items = [
            Item(
                one,
                row_number(request.form.get(f"version-{one}")) or 0,
                request.form.get(f"moved-{one}", "") if f"vu-{one}" in request.form else "",
                without_letter=f"sans-courrier-{one}" in request.form,
            )
            for one in told
        ]
        event = RequestEvent(form.decision.data)
        results = batch.decide_all(items, event, form.observations.data or "")
        done = sum(result.fate in (Fate.DONE, Fate.ALREADY) for result in results)
        return str(
            self.render_template(
                "requests/batch_result.html",
                breadcrumb=_path(),
                menu_current="RequestsView.queue",
                rows=[_told(result, event, *told[result.request_id]) for result in results],
                done=done,
                left=len(results) - done,
                queue_url=url_for("RequestsView.queue"),
            )
        )


def _path() -> list[tuple[str, str | None]]:
    return [(_("Modification requests"), url_for("RequestsView.queue")), (_("Decide on several requests"), None)]


def _told(result: Result, event: RequestEvent, number: str, kind: str, summary: str) -> dict[str, Any]:
    return {
        "number": number,
        "kind": kind,
        "summary": summary,
        "url": url_for("RequestsView.show", request_id=result.request_id),
        "tone": FATE_TONES[result.fate],
        "word": _word(result.fate, event),
        "sentences": _sentences(result),
    }


def _word(fate: Fate, event: RequestEvent) -> str:
    if fate in (Fate.DONE, Fate.ALREADY):
        state = {RequestEvent.VALIDATE: RequestState.VALIDATED, RequestEvent.REFUSE: RequestState.REFUSED}.get(event, RequestState.TO_CORRECT)
        return labels.state_label(state)
    return _("Not decided")


def _sentences(result: Result) -> list[str]:
    match result.fate:
        case Fate.DONE:
            return []
        case Fate.ALREADY:
            return [_("You decided on it already.")]
        case Fate.OVERTAKEN:
            return [presenters.overtaken_text(result.late)] if result.late is not None else []
        case Fate.BLOCKED:
            return [labels.obstacle_text(one) for one in result.obstacles]
        case Fate.GONE:
            return [_("This request no longer exists.")]
        case _:
            return [result.message or _("Somebody else is writing the same data: decide on this request by itself in a moment.")]


def _numbers(texts: Sequence[str]) -> list[int]:
    """The ids of the boxes, each once, in their order; anything else is left out."""
    return list(dict.fromkeys(number for number in map(row_number, texts) if number))


def _too_many(count: int) -> str:
    return ngettext(
        "%(num)d request was chosen, and %(most)s at most are decided on together: choose fewer.",
        "%(num)d requests were chosen, and %(most)s at most are decided on together: choose fewer.",
        count,
        most=batch.MAX_BATCH,
    )


__all__ = ["BatchView"]
