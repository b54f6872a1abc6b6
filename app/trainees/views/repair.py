"""« Redressement des NIR »: the file of those who lack one, the same file sent back, its preview, its progress and its report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField

from app.core.requests import row_number
from app.core.tabular import MissingColumns, Refused
from app.core.tabular.attached import csv_attachment
from app.core.tabular.labels import refused
from app.core.tabular.writing import FileFormat

from ..forms import PortalBaseForm
from ..permissions import VIEW
from ..repair import files, rules, service, words
from ..repair.models import NumberRepair
from ..repair.rules import HEADERS, Column, Plan, RepairState


class _FileForm(PortalBaseForm):
    """The completed file."""

    file = FileField(_l("Completed file"), description=_l("XLSX, ODS or CSV; 2 MB and 5,000 lines at most."))


class NumberRepairView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """Of one organisation: its file, its reports."""

    route_base = "/stagiaires/redressement-nir"
    class_permission_name = VIEW
    permission_label = _l("Trainees")
    default_view = "index"

    @expose("/", methods=("GET", "POST"))
    @has_access
    @permission_name("repair")
    def index(self) -> ResponseReturnValue:
        """Take the file out, send it back: it is checked whole, and nothing is saved yet.  What was done before."""
        form: Any = _FileForm()
        if request.method == "POST":
            sent = request.files.get("file")
            content = sent.stream.read(service.LIMITS.size + 1) if sent is not None and sent.filename else None
            if content is None:
                form.file.errors = [_("Choose a file: XLSX, ODS or CSV.")]
            else:
                try:
                    return redirect(url_for(".show", repair_id=service.check_file(content)), 303)
                except Refused as error:
                    form.file.errors = [refused(error)]
                except MissingColumns as missing:
                    names = ", ".join(f"« {HEADERS[column]} »" for column in missing.columns)
                    form.file.errors = [_("These columns are missing: %(names)s. Start from the file taken out of the portal.", names=names)]
        repairs = service.list_repairs()
        page: str = self.render_template(
            "trainees/repair.html",
            breadcrumb=[(_("Trainees"), url_for("TraineesView.index")), (_("Mass repair of the NIRs"), None)],
            menu_current="NumberRepairView.index",
            form=form,
            missing=files.count_without_nir(),
            formats=list(FileFormat),
            repairs=repairs,
            counts=service.counts_of([one.id for one in repairs]),
            files=files.list_files(),
            words=words,
        )
        return (page, 422) if form.file.errors else page

    @expose("/fichier", methods=("POST",))
    @has_access
    @permission_name("repair")
    def file(self) -> ResponseReturnValue:
        """The file of the trainees without NIR, written while it is read; journaled."""
        wanted = request.form.get("format", "")
        if wanted not in set(FileFormat):
            flash(_("Choose one of these formats."), "danger")
            return redirect(url_for(".index"), 303)
        return files.number_file(FileFormat(wanted)).response("stagiaires-sans-nir")

    @expose("/<int:repair_id>")
    @has_access
    @permission_name("repair")
    def show(self, repair_id: int) -> ResponseReturnValue:
        """What the file would do, line by line; once confirmed, how far it is and what became of its lines."""
        repair = service.get_repair(repair_id)
        if repair is None:
            return self._preview(repair_id)
        counts = service.counts_of([repair_id]).get(repair_id, {})
        return self.render_template(
            "trainees/repair_report.html",
            breadcrumb=self._crumbs(_("Report")),
            menu_current="NumberRepairView.index",
            repair=repair,
            counts=counts,
            lines=service.report_lines(repair_id),
            shown=service.SHOWN,
            words=words,
            running=repair.state == RepairState.RUNNING,
            reference_of=rules.reference_of,
        )

    @expose("/<int:repair_id>/avancement")
    @has_access
    @permission_name("repair")
    def progress(self, repair_id: int) -> ResponseReturnValue:
        """The bar, asked again while the file is applied; finished, the page is shown anew."""
        repair = service.get_repair(repair_id)
        if repair is None:
            abort(404)
        if repair.state == RepairState.DONE:
            return Response(status=200, headers={"HX-Refresh": "true"})
        return self.render_template("trainees/_repair_progress.html", repair=repair)

    @expose("/<int:repair_id>/appliquer", methods=("POST",))
    @has_access
    @permission_name("repair")
    def confirm(self, repair_id: int) -> ResponseReturnValue:
        """Apply the file, as a whole or its right lines only; a job does it."""
        try:
            service.confirm(repair_id, expected=row_number(request.form.get("expected")) or -1, partial=request.form.get("what") == "valid")
        except service.RepairGone:
            return self._gone(repair_id)
        except service.RepairChanged:
            flash(_("Nothing was saved: what this file does has changed since the preview. Here is where it stands."), "warning")
        else:
            flash(_("The file is being applied. You may leave this page: the work goes on, and the report stays here."), "success")
        return redirect(url_for(".show", repair_id=repair_id), 303)

    @expose("/<int:repair_id>/abandonner", methods=("POST",))
    @has_access
    @permission_name("repair")
    def forget(self, repair_id: int) -> ResponseReturnValue:
        """Give the checked file up."""
        try:
            service.forget(repair_id)
        except service.RepairGone:
            return self._gone(repair_id)
        flash(_("The file was given up: nothing of it is kept."), "success")
        return redirect(url_for(".index"), 303)

    @expose("/<int:repair_id>/a-corriger.csv")
    @has_access
    @permission_name("repair")
    def errors(self, repair_id: int) -> ResponseReturnValue:
        """The lines that gave no number, boxes of the number empty, with what to mend: completed, the file can be sent back."""
        rows = [(*HEADERS.values(), str(_("To be mended")))]
        repair = service.get_repair(repair_id)
        if repair is None:
            plan = self._plan(repair_id)[1]
            of_line = {line.number: line for line in plan.lines}
            cells = files.known_cells(plan.known)
            wrong = [(of_line[one.line], words.finding_text(one)) for one in plan.wrong]
            rows += [_row(line.trainee_id, line.birth_name, why, cells) for line, why in wrong]
        else:
            found = service.report_lines(repair_id, limit=rules.MAX_LINES)
            cells = files.known_cells({who.id for _line, who in found if who is not None})
            rows += [_row(line.trainee_id, who.birth_name if who else "", words.problem_text(line.problem or "", line.detail), cells) for line, who in found]
        return csv_attachment("nir-a-corriger.csv", rows)

    # ---- parts

    @staticmethod
    def _gone(repair_id: int) -> ResponseReturnValue:
        """A second click finds the report; somebody else's file is nowhere."""
        if service.get_repair(repair_id) is None:
            abort(404)
        flash(_("This file was confirmed already: here is its report."), "info")
        return redirect(url_for(".show", repair_id=repair_id), 303)

    def _preview(self, repair_id: int) -> str:
        repair, plan = self._plan(repair_id)
        wrong = {finding.line: words.finding_text(finding) for finding in plan.wrong}
        column = {finding.line: HEADERS[finding.column] for finding in plan.wrong}
        there = {line.number for line in plan.present}
        kept = [line for line in plan.lines if not line.blank]
        # What must be mended comes first.
        kept.sort(key=lambda line: (line.number not in wrong, line.number))
        page: str = self.render_template(
            "trainees/repair_preview.html",
            breadcrumb=self._crumbs(_("Preview")),
            menu_current="NumberRepairView.index",
            repair=repair,
            plan=plan,
            lines=kept[: service.SHOWN],
            more=len(kept) > service.SHOWN,
            shown=service.SHOWN,
            wrong=wrong,
            column=column,
            there=there,
            reference_of=rules.reference_of,
            shown_name=rules.shown,
        )
        return page

    @staticmethod
    def _plan(repair_id: int) -> tuple[NumberRepair, Plan]:
        try:
            return service.preview(repair_id)
        except service.RepairGone:
            abort(404)

    @staticmethod
    def _crumbs(last: str) -> list[tuple[str, str | None]]:
        return [(_("Trainees"), url_for("TraineesView.index")), (_("Mass repair of the NIRs"), url_for("NumberRepairView.index")), (last, None)]


def _row(trainee_id: int | None, name: str, why: str, cells: Mapping[int, Mapping[Column, str]]) -> tuple[str, ...]:
    """One line as the file gave it, the boxes of the number empty; ``cells`` are those of the people whom the account may see."""
    given = {**cells.get(trainee_id or 0, {}), Column.REFERENCE: rules.reference_of(trainee_id) if trainee_id else "", Column.BIRTH_NAME: rules.shown(name)}
    return (*(given.get(column, "") for column in HEADERS), why)


__all__ = ["NumberRepairView"]
