"""« Rapprochement avec AGORA »: the comparisons made, what each found, and what is left to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.actions.queries import Cursor
from app.actions.views import page_size
from app.core import clock
from app.core.concurrency import StaleError
from app.core.extensions import db
from app.core.people import account_names
from app.core.requests import row_number
from app.core.ui import allowed
from app.core.ui.format import fr_datetime
from app.trainees.labels import AGORA_STATUS_LABELS
from app.trainees.permissions import READ as READ_TRAINEES
from app.trainees.permissions import VIEW as TRAINEES

from . import labels, queries, reconciliation, services
from .catalogue import catalogue
from .domain import Assignee, DifferenceKind, DifferenceState, RunState, Trigger
from .forms import ReasonForm
from .models import ReconciliationDifference, ReconciliationRun
from .permissions import OPERATE, VIEW


class ReconciliationView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """Comparisons with AGORA's own copy of the files."""

    route_base = "/rapprochement"
    class_permission_name = VIEW
    permission_label = _l("Exchanges with partners")
    default_view = "index"

    @expose("/")
    @has_access
    @permission_name("supervise")
    def index(self) -> ResponseReturnValue:
        """The last comparisons, and the differences to look at."""
        kind, state = kind_of(request.args), state_of(request.args)
        page = queries.list_differences(kind=kind, state=state, cursor=_cursor(), size=page_size())
        runs = queries.last_runs()
        return self.render_template(
            "exchanges/reconciliation.html",
            breadcrumb=_path(),
            menu_current="ExchangesView.index",
            runs=[run_line(run) for run in runs],
            running=next((run for run in runs if run.state == RunState.RUNNING.value), None),
            page=page,
            lines=difference_lines(page.rows),
            kind=kind,
            state=state,
            counts=queries.open_differences(),
            operates=allowed(*OPERATE),
            labels=labels,
        )

    @expose("/<int:run_id>")
    @has_access
    @permission_name("supervise")
    def show(self, run_id: int) -> ResponseReturnValue:
        """The report of one comparison; while it runs, followed."""
        run = queries.get_run(run_id)
        if run is None:
            abort(404)
        names = account_names([run.actor_id])
        if request.headers.get("HX-Request"):
            return self.render_template("exchanges/_run.html", line=run_line(run), labels=labels, names=names)
        page = queries.list_differences(run_id=run_id, kind=kind_of(request.args), state="", cursor=_cursor(), size=page_size())
        return self.render_template(
            "exchanges/run.html",
            breadcrumb=_path((_("Comparison of %(date)s", date=_when(run)), None)),
            menu_current="ExchangesView.index",
            line=run_line(run),
            names=names,
            page=page,
            lines=difference_lines(page.rows),
            operates=allowed(*OPERATE),
            labels=labels,
            when=_when(run),
        )

    @expose("/lancement", methods=["POST"])
    @has_access
    @permission_name("operate")
    def start(self) -> ResponseReturnValue:
        """Compare now."""
        try:
            run_id = reconciliation.start(Trigger.DEMAND, whole=request.form.get("tout") == "1")
        except reconciliation.AlreadyRunning:
            flash(_("A comparison with AGORA is already running: its page follows it."), "info")
            return redirect(url_for("ReconciliationView.index"))
        except reconciliation.PartnerStopped:
            flash(_("The sending to AGORA is stopped: resume it first, a comparison asks AGORA for its files."), "warning")
            return redirect(url_for("ReconciliationView.index"))
        flash(_("The comparison has begun. You can leave this page: it goes on."), "success")
        return redirect(url_for("ReconciliationView.show", run_id=run_id))

    @expose("/ecart/<int:difference_id>/reglement", methods=["GET", "POST"])
    @has_access
    @permission_name("operate")
    def settle(self, difference_id: int) -> ResponseReturnValue:
        """Close a difference by hand, saying why."""
        found = queries.get_difference(difference_id)
        if found is None:
            abort(404)
        back = url_for("ReconciliationView.index")
        form = ReasonForm(formdata=request.form if request.method == "POST" else None)
        version = row_number(request.form.get("version")) or 0
        if request.method == "POST" and form.validate():
            try:
                services.settle_difference(difference_id, version=version, reason=form.reason.data)
            except (services.Impossible, StaleError, LookupError):
                db.session.rollback()
                flash(_("Nothing was done: this difference changed, or was closed, while you were looking. Look at it again."), "warning")
            else:
                flash(_("The difference is settled. The journal keeps your reason."), "success")
            return redirect(back)
        if found.state != DifferenceState.OPEN.value:
            flash(_("This difference is closed already."), "info")
            return redirect(back)
        [line] = difference_lines([found])
        page = self.render_template(
            "exchanges/confirm.html",
            breadcrumb=_path((_("Settle a difference"), None)),
            menu_current="ExchangesView.index",
            form=form,
            cancel_url=back,
            action_url=url_for("ReconciliationView.settle", difference_id=difference_id),
            fields=[("version", str(version or found.version))],
            heading=_("Settle the difference?"),
            body=[
                f"{line['who']} – {line['kind']}",
                line["text"],
                _("It is no longer followed; it comes back only if a later comparison finds something else about this file."),
            ],
            verb=_("Declare settled"),
            kind="danger",
        )
        return page, 422 if form.errors else 200


def _path(*more: tuple[str, str | None]) -> list[tuple[str, str | None]]:
    here = (_("Comparison with AGORA"), url_for("ReconciliationView.index") if more else None)
    return [(_("Exchanges with partners"), url_for("ExchangesView.index")), here, *more]


def _cursor() -> Cursor | None:
    return Cursor.of(request.args.get("after"), request.args.get("before"))


def kind_of(args: Mapping[str, str]) -> str:
    """The kind of differences of an address; "" for all."""
    asked = args.get("type", "")
    return asked if asked in set(DifferenceKind) else ""


def state_of(args: Mapping[str, str]) -> str:
    """Their state; "" for all, those that wait unless told otherwise."""
    asked = args.get("etat", DifferenceState.OPEN.value)
    return asked if asked in set(DifferenceState) else ""


def _when(run: ReconciliationRun) -> str:
    return fr_datetime(run.started_at)


def run_line(run: ReconciliationRun) -> dict[str, Any]:
    """A comparison and its report."""
    counts = run.counts
    kinds = [
        {
            "label": labels.KINDS[kind],
            **{what: int(counts.get(f"{kind.value}.{what}", 0)) for what in ("found", "healed", "assigned")},
        }
        for kind in DifferenceKind
    ]
    return {
        "run": run,
        "kinds": kinds,
        **{what: sum(kind[what] for kind in kinds) for what in ("found", "healed", "assigned")},
        **{name: int(counts.get(name, 0)) for name in ("files", "compared", "skipped", "unchecked", "untold", "gone", "lookups")},
        "duration": labels.duration(((run.finished_at or clock.now()) - run.started_at).total_seconds()),
        "state": labels.RUN_STATES[RunState(run.state)],
        "failure": catalogue().explain(run.partner, run.failure, None).cause if run.failure else None,
    }


def difference_lines(differences: Sequence[ReconciliationDifference]) -> list[dict[str, Any]]:
    """Differences as lists show them; one statement for all their enrolments."""
    found = {one.id: one for one in queries.enrolments_by_id({one.enrolment_id for one in differences if one.enrolment_id is not None})}
    names = allowed(*READ_TRAINEES)
    lines = []
    for one in differences:
        enrolment = found.get(one.enrolment_id) if one.enrolment_id is not None else None
        assignee = Assignee(one.assignee) if one.assignee else None
        if enrolment is None:
            who = _("File %(number)s", number=one.theirs.get("number"))
        else:
            who = enrolment.registration.trainee.display_name if names else enrolment.action.number
        leaves = enrolment is not None and enrolment.actual_end is None and assignee is Assignee.ORGANISATION and allowed("can_exit", TRAINEES)
        lines.append(
            {
                "difference": one,
                "who": who,
                "href": url_for("RegistrationPages.show", registration_id=enrolment.registration_id) if enrolment is not None and names else None,
                "mend_href": url_for("EnrolmentView.leave", enrolment_id=enrolment.id) if leaves and enrolment is not None else None,
                "action": enrolment.action.number if enrolment is not None else None,
                "organisation": str(enrolment.action.organisation) if enrolment is not None else None,
                "kind": labels.KINDS[DifferenceKind(one.kind)],
                "state": labels.DIFFERENCE_STATES[DifferenceState(one.state)],
                "assignee": labels.ASSIGNEES[assignee] if assignee else None,
                "text": labels.difference_text(DifferenceKind(one.kind), assignee) if one.state == DifferenceState.OPEN.value else "",
                "ours": _side(one.ours),
                "theirs": _side(one.theirs),
                "late": one.state == DifferenceState.OPEN.value and one.due_on is not None and one.due_on < clock.today(),
            }
        )
    return lines


def _side(side: dict[str, Any]) -> str:
    """« dossier 30444380, « Entrée en formation », version 2 »."""
    if not side.get("number"):
        return _("no file")
    status = side.get("status")
    label = AGORA_STATUS_LABELS[status][0] if status in AGORA_STATUS_LABELS else _("no status")
    return _("%(number)s, “%(status)s”, version %(version)s", number=side["number"], status=label, version=side.get("version"))
