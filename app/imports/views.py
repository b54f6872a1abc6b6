"""The pages of imports: what can be sent, a file from its arrival to its undoing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Response, abort, flash, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from sqlalchemy.exc import OperationalError

from app.core.errors_db import is_held, was_sent_back
from app.core.matrix.definition import Matrix, describe
from app.core.matrix.plan import Act, Kept
from app.core.requests import row_number
from app.core.tabular.labels import refused as refused_file
from app.core.ui.format import fr_number
from app.core.ui.kept_text import KeptTextForm

from . import annotated, columns, exports, labels, mending, outcome, queries, services
from .document_views import FileCheckView, ImportDocumentsView
from .domain import AT_WORK, FORGETTABLE, FileState
from .matrices import IMPORTERS
from .models import ImportFile
from .permissions import VIEW
from .shown import headers_of

#: Headings that a banner names; beyond, it counts them.
_MOST_NAMED: Final = 12


class _FileForm(KeptTextForm):
    file = FileField(_l("File to import"))


class ImportsView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """What can be sent as a file, and the files that were."""

    route_base = "/imports"
    default_view = "index"
    class_permission_name = VIEW
    permission_label = _l("Imports")

    # ---- sending

    @expose("/")
    @has_access
    @permission_name("read")
    def index(self) -> ResponseReturnValue:
        """The matrices, their documents, and the history; narrowed, or beyond its first page, the history alone."""
        return self.render_template(
            "imports/index.html",
            breadcrumb=[(_("Imports"), None)],
            matrices=[importer.matrix for importer in IMPORTERS.values()],
            **exports.listed(request.args),
            titles={name: importer.matrix.title for name, importer in IMPORTERS.items()},
            labels=labels,
        )

    @expose("/<string:matrix_name>", methods=("GET", "POST"))
    @has_access
    @permission_name("write")
    def send(self, matrix_name: str) -> ResponseReturnValue:
        """Send a file of a matrix: it is kept, then read by a job."""
        matrix = matrix_or_404(matrix_name)
        form: Any = _FileForm()
        limits = services.limits_of(matrix)
        form.file.description = _(
            "XLSX, ODS or CSV; %(size)s MB and %(lines)s lines at most.", size=limits.size // (1024 * 1024), lines=fr_number(limits.lines)
        )
        if request.method == "POST":
            sent = request.files.get("file")
            content = sent.stream.read(services.LIMITS.size + 1) if sent is not None and sent.filename else None
            if not content or sent is None:
                form.file.errors = [_("This file is empty.") if content == b"" else _("Choose a file: XLSX, ODS or CSV.")]
            elif len(content) > services.LIMITS.size:
                form.file.errors = [refused_file(columns.too_large(content, sent.filename or "", services.LIMITS, matrix, columns.remembered_for(matrix)))]
            else:
                try:
                    return redirect(url_for(".show", import_id=services.receive(matrix.name, sent.filename or "", content)), 303)
                except services.SameFile as same:
                    if same.aside:
                        flash(_(
                            "This very file was imported already, in part: nothing was done again. Here is its report, from which the lines left aside can "
                            "be checked again."
                        ), "info")
                    elif same.applied:
                        flash(_("This very file was imported already: nothing was done again. Here is its report."), "info")
                    else:
                        flash(_("This very file was sent already: here is where it stands."), "info")
                    return redirect(url_for(".show", import_id=same.file_id), 303)
        page: str = self.render_template("imports/send.html", breadcrumb=crumbs((matrix.title, None)), matrix=matrix, form=form)
        return (page, 422) if form.file.errors else page

    # ---- one file

    @expose("/fichier/<int:import_id>")
    @has_access
    @permission_name("read")
    def show(self, import_id: int) -> ResponseReturnValue:
        """Where the file stands: its progress, its columns to name, what it would do, what it did."""
        return self._shown(file_or_404(import_id))

    def _shown(self, file: ImportFile) -> ResponseReturnValue:
        context: dict[str, Any] = {
            "breadcrumb": crumbs((IMPORTERS[file.matrix].matrix.title, url_for(".send", matrix_name=file.matrix)), (file.file_name, None)),
            "menu_current": "ImportsView.index",
            "file": file,
            "matrix": IMPORTERS[file.matrix].matrix,
            "labels": labels,
            "forgettable": file.state in FORGETTABLE,
        }
        if file.state in AT_WORK:
            return self.render_template("imports/working.html", **context)
        if file.state == FileState.REFUSED:
            return self.render_template("imports/refused.html", why=labels.why_refused(file), **context)
        if file.state == FileState.FAILED:
            return self.render_template("imports/failed.html", **context)
        if file.state == FileState.TO_MAP:
            return self._columns_page(file, context)
        return self._report(file, context)

    @expose("/fichier/<int:import_id>/avancement")
    @has_access
    @permission_name("read")
    def progress(self, import_id: int) -> ResponseReturnValue:
        """The bar, asked again while a job is at work; then the page is shown anew."""
        file = file_or_404(import_id)
        if file.state not in AT_WORK:
            return Response(status=200, headers={"HX-Refresh": "true"})
        return self.render_template("imports/_progress.html", file=file, labels=labels)

    @expose("/fichier/<int:import_id>/colonnes", methods=("GET", "POST"))
    @has_access
    @permission_name("write")
    def columns(self, import_id: int) -> ResponseReturnValue:
        """Say what each heading stands for; the address alone leads to the file."""
        if request.method == "GET":
            return redirect(url_for(".show", import_id=file_or_404(import_id).id), 303)
        said = {place: request.form.get(f"colonne-{place}", "") for place in range(services.LIMITS.columns) if f"colonne-{place}" in request.form}
        try:
            services.name_columns(import_id, said)
        except services.Unmapped:
            flash(_("Two headings stand for the same column, or one of the mandatory columns has no heading: see below."), "danger")
            file = file_or_404(import_id)
            context = {"breadcrumb": crumbs((file.file_name, None)), "file": file, "matrix": IMPORTERS[file.matrix].matrix, "labels": labels}
            return self._columns_page(file, context, said), 422
        except (services.FileGone, services.FileElsewhere) as error:
            return elsewhere(import_id, error)
        return redirect(url_for(".show", import_id=import_id), 303)

    @expose("/fichier/<int:import_id>/nommer-les-colonnes", methods=("POST",))
    @has_access
    @permission_name("write")
    def columns_again(self, import_id: int) -> ResponseReturnValue:
        """Go back from the report to the columns."""
        return act(import_id, services.ask_columns_again)

    @expose("/fichier/<int:import_id>/controler", methods=("POST",))
    @has_access
    @permission_name("write")
    def check_again(self, import_id: int) -> ResponseReturnValue:
        """Compare the file anew with what is there."""
        return act(import_id, services.check_again)

    @expose("/fichier/<int:import_id>/lignes-ecartees", methods=("POST",))
    @has_access
    @permission_name("write")
    def check_aside(self, import_id: int) -> ResponseReturnValue:
        """Check the lines again that were left aside when the others were applied, in an import of their own."""
        try:
            number = services.check_aside(import_id)
        except services.SameFile as same:
            number = same.file_id
            flash(_("This very file was sent already: here is where it stands."), "info")
        except (services.FileGone, services.FileElsewhere) as error:
            return elsewhere(import_id, error)
        return redirect(url_for(".show", import_id=number), 303)

    @expose("/fichier/<int:import_id>/reessayer", methods=("POST",))
    @has_access
    @permission_name("write")
    def retry(self, import_id: int) -> ResponseReturnValue:
        """Take up a file that failed, where it did."""
        return act(import_id, services.retry)

    @expose("/fichier/<int:import_id>/appliquer", methods=("POST",))
    @has_access
    @permission_name("write")
    def confirm(self, import_id: int) -> ResponseReturnValue:
        """Apply the file, as a whole or its right lines only; a job does it."""
        expected = {one.value: row_number(request.form.get(one.value)) or 0 for one in (Act.CREATE, Act.CHANGE, Act.WRONG)}
        try:
            services.confirm(
                import_id, expected=expected, partial=request.form.get("what") == "valid", check=services.as_shown(request.form.get("shown", ""))
            )
        except services.CountsChanged:
            flash(_("Nothing was saved: what this file does has changed since the page was shown. Here is where it stands."), "warning")
            return make_response(self._shown(file_or_404(import_id)), 409)
        except (services.FileGone, services.FileElsewhere) as error:
            return elsewhere(import_id, error)
        else:
            flash(_("The file is being applied. You may leave this page: the work goes on, and the report stays here."), "success")
        return redirect(url_for(".show", import_id=import_id), 303)

    @expose("/fichier/<int:import_id>/annuler", methods=("GET", "POST"))
    @has_access
    @permission_name("write")
    def undo(self, import_id: int) -> ResponseReturnValue:
        """Take the whole import back, after a page that says what happens."""
        if request.method == "POST":
            return act(import_id, services.undo, _("The import is being undone. You may leave this page: the work goes on."))
        file = file_or_404(import_id)
        if file.state != FileState.APPLIED or file.dropped:
            return elsewhere(import_id, services.FileElsewhere(import_id))
        kept = outcome.foresee(file)
        staying = len({one.line for one in kept})
        going = services.acting_lines(file.counts) - staying
        return self.render_template(
            "imports/undo.html",
            breadcrumb=crumbs((file.file_name, url_for(".show", import_id=import_id)), (_("Undo the import"), None)),
            menu_current="ImportsView.index",
            file=file,
            matrix=IMPORTERS[file.matrix].matrix,
            staying=staying,
            going=going,
            nothing=not going and all(one.whole for one in kept),
            kept=outcome.told_kept(file, kept[: queries.PAGE]),
        )

    @expose("/fichier/<int:import_id>/abandonner", methods=("GET", "POST"))
    @has_access
    @permission_name("write")
    def give_up(self, import_id: int) -> ResponseReturnValue:
        """Forget a file about which nothing was decided, after asking."""
        if request.method == "GET":
            file = file_or_404(import_id)
            if file.state not in FORGETTABLE:
                return elsewhere(import_id, services.FileElsewhere(import_id))
            return self.render_template(
                "portal/confirm.html",
                breadcrumb=crumbs((file.file_name, url_for(".show", import_id=import_id)), (_("Give up"), None)),
                menu_current="ImportsView.index",
                heading=_("Give up the file “%(name)s”?", name=file.file_name),
                body=_given_up(file),
                action_url=request.path,
                verb=_("Give this file up"),
                cancel_url=url_for(".show", import_id=import_id),
            )
        try:
            services.give_up(import_id)
        except (services.FileGone, services.FileElsewhere) as error:
            return elsewhere(import_id, error)
        flash(_("The file was given up: nothing of it is kept."), "success")
        return redirect(url_for(".index"), 303)

    @expose("/fichier/<int:import_id>/ligne/<int:line>", methods=("GET", "POST"))
    @has_access
    @permission_name("write")
    def line(self, import_id: int, line: int) -> ResponseReturnValue:
        """Mend the cells of one line; it is checked at once."""
        file = file_or_404(import_id)
        if file.state != FileState.READY:
            return elsewhere(import_id, services.FileElsewhere(import_id))
        given: dict[str, str] | None = None
        if request.method == "POST":
            given = {name: request.form.get(f"cellule-{name}", "") for name in mending.typed_names(file) if f"cellule-{name}" in request.form}
            try:
                left = mending.mend(import_id, line, given, revision=row_number(request.form.get("revision")) or 0)
            except mending.Stale:
                flash(_("Somebody mended this file meanwhile: here is the line as it is now, what you typed beside it."), "warning")
            except (services.FileGone, services.FileElsewhere) as error:
                return elsewhere(import_id, error)
            except LookupError:
                abort(404)
            except OperationalError as error:
                if not (was_sent_back(error) or is_held(error)):
                    raise
                flash(_("Somebody was writing the same enrolments at that moment: nothing was saved, what you typed is still there. Try again."), "warning")
            else:
                if file_or_404(import_id).state != FileState.READY:
                    return redirect(url_for(".show", import_id=import_id), 303)
                if not left:
                    flash(_("Line %(line)s is right now.", line=line), "success")
                    following = queries.wrong_lines(import_id, after=line, column=None, message=None)
                    if request.form.get("next") and following:
                        return redirect(url_for(".line", import_id=import_id, line=following[0]), 303)
                    return redirect(url_for(".show", import_id=import_id), 303)
                given = None
        file = file_or_404(import_id)
        shown = mending.line_of(file, line, given)
        if shown is None:
            abort(404)
        page: str = self.render_template(
            "imports/line.html",
            breadcrumb=crumbs((file.file_name, url_for(".show", import_id=import_id)), (_("Line %(line)s", line=line), None)),
            menu_current="ImportsView.index",
            file=file,
            line=shown,
        )
        return (page, 422) if request.method == "POST" else page

    @expose("/fichier/<int:import_id>/ligne/<int:line>/retirer", methods=("POST",))
    @has_access
    @permission_name("write")
    def leave_out(self, import_id: int, line: int) -> ResponseReturnValue:
        """Take a line out of the file, as the page showed it; it can be put back."""
        file_or_404(import_id)
        try:
            mending.leave_out(import_id, line, revision=row_number(request.form.get("revision")) or 0)
        except mending.Stale:
            flash(_("Somebody mended this file meanwhile: here is the line as it is now."), "warning")
            return redirect(url_for(".line", import_id=import_id, line=line), 303)
        except LookupError:
            abort(404)
        except (services.FileGone, services.FileElsewhere) as error:
            return elsewhere(import_id, error)
        flash(_("Line %(line)s is left out of the file: it will not be applied. It can be put back from the tab “Left out”.", line=line), "success")
        return redirect(url_for(".show", import_id=import_id), 303)

    @expose("/fichier/<int:import_id>/ligne/<int:line>/remettre", methods=("POST",))
    @has_access
    @permission_name("write")
    def put_back(self, import_id: int, line: int) -> ResponseReturnValue:
        """Take a line that was left out into the file again."""
        said = _("Line %(line)s is in the file again: the file is being checked with it.", line=line)
        return act(import_id, lambda number: mending.put_back(number, line), said)

    @expose("/fichier/<int:import_id>/annote", methods=("POST",))
    @has_access
    @permission_name("write")
    def annotated(self, import_id: int) -> ResponseReturnValue:
        """The same file with what is to be mended on each line: it can be sent back as it is."""
        file = file_or_404(import_id)
        if file.state not in (FileState.READY, FileState.APPLIED) or file.dropped:
            return elsewhere(import_id, services.FileElsewhere(import_id))
        return annotated.response(file, request.form.get("format", ""), only_wrong=request.form.get("lines") == "wrong")

    # ---- parts

    def _columns_page(self, file: ImportFile, context: dict[str, Any], said: dict[int, str] | None = None) -> str:
        matrix = IMPORTERS[file.matrix].matrix
        described = describe(matrix)
        remembered = columns.remembered_for(matrix)
        mapped = columns.map_headings(file.heading or [], matrix, remembered)
        given = said or {}
        chosen = [given.get(place, column or mapped.proposed.get(place, "")) for place, column in enumerate(mapped.columns)]
        keys, others = columns.missing(chosen, described)
        twice = {place for place, column in enumerate(chosen) if column and chosen.count(column) > 1}
        asking = twice.union(mapped.undecided)
        sample = mending.samples_of(file)
        page: str = self.render_template(
            "imports/columns.html",
            mapped=mapped,
            chosen=chosen,
            described=described,
            sample=sample,
            missing_keys=keys,
            missing_others=others,
            fits=columns.better_matrix(file.heading or [], matrix, remembered) if keys else None,
            twice=twice,
            to_decide=sorted(asking),
            settled=[place for place in range(len(chosen)) if place not in asking],
            most_named=_MOST_NAMED,
            **context,
        )
        return page

    def _report(self, file: ImportFile, context: dict[str, Any]) -> str:
        tab = _tab_of(file)
        counts = file.counts or {}
        after = row_number(request.args.get("apres")) or 0
        kind = row_number(request.args.get("erreur"))
        kinds = queries.kinds_of(file.id) if counts.get(Act.WRONG) else []
        chosen = kinds[kind] if kind is not None and kind < len(kinds) else None
        more: dict[str, Any] = {"lines": [], "told": [], "further": None}
        if tab == Act.WRONG:
            numbers = queries.wrong_lines(file.id, after=after, column=chosen.column if chosen else None, message=chosen.message if chosen else None)
            more["further"] = numbers[queries.PAGE - 1] if len(numbers) > queries.PAGE else None
            more["lines"] = mending.wrong_lines(file, numbers[: queries.PAGE])
        else:
            found = _TOLD[tab](file, after) if tab in _TOLD else []
            more["further"] = after + queries.PAGE if len(found) > queries.PAGE else None
            more["told"] = found[: queries.PAGE]
        page: str = self.render_template(
            "imports/report.html",
            tab=tab,
            counts=counts,
            acts=list(Act),
            kinds=kinds,
            chosen=kind if chosen else None,
            own=annotated.is_own(file),
            headers=headers_of(file),
            shown=services.mark_of(file),
            aside=services.left_aside(file),
            **more,
            **context,
        )
        return page


#: Tabs of the report besides those of what lines do.
_KEPT, _LEFT_OUT = "kept", "out"


def _tab_of(file: ImportFile) -> str:
    """The tab that was asked for, or that of what matters most."""
    counts = file.counts or {}
    why_kept = file.kept and not file.dropped
    asked = request.args.get("voir", "")
    if asked in set(Act) or (asked == _KEPT and why_kept) or (asked == _LEFT_OUT and file.left_out):
        return asked
    if why_kept:
        return _KEPT
    first = (Act.WRONG, Act.CREATE, Act.CHANGE) if file.state == FileState.READY else (Act.CREATE, Act.CHANGE, Act.WRONG)
    return next((one.value for one in first if counts.get(one)), Act.SAME.value)


def _told_steps(tab: str) -> Callable[[ImportFile, int], list[outcome.ToldLine]]:
    return lambda file, skip: outcome.told_steps(file, queries.steps_of(file.id, act=tab, skip=skip))


def _told_kept(file: ImportFile, skip: int) -> list[outcome.ToldLine]:
    return outcome.told_kept(file, [Kept(*one) for one in queries.kept_of(file.id, skip=skip, size=queries.PAGE + 1)])


def _told_left_out(file: ImportFile, skip: int) -> list[outcome.ToldLine]:
    return outcome.told_left_out(file, file.left_out[skip : skip + queries.PAGE + 1])


#: A page of each tab, and one line more if there is.
_TOLD: Final[dict[str, Callable[[ImportFile, int], list[outcome.ToldLine]]]] = {
    Act.CREATE: _told_steps(Act.CREATE),
    Act.CHANGE: _told_steps(Act.CHANGE),
    _KEPT: _told_kept,
    _LEFT_OUT: _told_left_out,
}


def _given_up(file: ImportFile) -> str:
    """What is lost with a file, and how to keep it where it can be."""
    if file.state != FileState.READY:
        return _("Nothing of it has been saved. The portal forgets this file: to go on later, send it again.")
    if not (file.counts or {}).get(Act.WRONG):
        return _("Nothing of it has been saved. Its lines, and what was mended here, are forgotten: to go on later, send the file again.")
    return _("Nothing of it has been saved. Its lines, and what was mended here, are forgotten: to go on later, download the annotated file first.")


def matrix_or_404(name: str) -> Matrix:
    """The matrix of an address, or 404."""
    importer = IMPORTERS.get(name)
    if importer is None:
        abort(404)
    return importer.matrix


def file_or_404(import_id: int) -> ImportFile:
    """The file, or the same 404 whether it does not exist or belongs to somebody else."""
    file = queries.get_file(import_id)
    if file is None:
        abort(404)
    return file


def crumbs(*more: tuple[str, str | None]) -> list[tuple[str, str | None]]:
    """The path down to a page of imports."""
    return [(_("Imports"), url_for("ImportsView.index")), *more]


def elsewhere(import_id: int, error: Exception) -> ResponseReturnValue:
    """A second click, or somebody was faster: where the file stands now; another organisation's is nowhere."""
    if isinstance(error, services.FileGone):
        abort(404)
    flash(_("This was done already, or the file went on meanwhile: here is where it stands."), "info")
    return redirect(url_for("ImportsView.show", import_id=import_id), 303)


def act(import_id: int, do: Any, said: str | None = None) -> ResponseReturnValue:
    """Do one thing to a file, and show it."""
    try:
        do(import_id)
    except (services.FileGone, services.FileElsewhere) as error:
        return elsewhere(import_id, error)
    if said:
        flash(said, "success")
    return redirect(url_for("ImportsView.show", import_id=import_id), 303)


VIEWS = (ImportsView, ImportDocumentsView, FileCheckView)
