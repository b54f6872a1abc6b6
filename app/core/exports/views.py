"""The page on which one says what to put into a file, and « Mes exports »: the files prepared in the background."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from werkzeug.datastructures import MultiDict

from app.core import named
from app.core.named import LONGEST_NAME
from app.core.requests import row_number
from app.core.tabular.writing import FileFormat
from app.core.ui import allowed
from app.core.ui.banner import Banner
from app.core.ui.components import url_with
from app.core.ui.format import fr_number

from . import selections, services
from .domain import KEPT, LONG, MOST_FILES, MOST_NUMBERS, MOST_SELECTIONS, FileState
from .forms import FORMAT_LABELS, ExportForm, SelectionForm
from .jobs import may_export
from .models import ExportFile, ExportSelection
from .permissions import VIEW
from .registry import Asked, ExportableList, ListColumn, NotUnderstood, args_of, find_list
from .services import Wanted

_STATES: dict[FileState, tuple[Any, str]] = {
    FileState.WAITING: (_l("Waits for its turn"), "info"),
    FileState.RUNNING: (_l("Being prepared"), "info"),
    FileState.READY: (_l("Ready (file)"), "success"),
    FileState.FAILED: (_l("Not prepared"), "danger"),
}
#: Asks for all the columns, whatever was chosen last.
_ALL = "toutes"
#: Asks for none, to check a few: a file has one at least, which is said when it is asked for.
_NONE = "aucune"
#: The buttons that keep the columns that are checked under a name, and that give that up.
_KEEP, _BACK = "enregistrer", "retour"


def choose(view: BaseView, one: ExportableList, args: MultiDict[str, str], *, file_format: FileFormat | None = None) -> ResponseReturnValue:
    """Format and columns; posting gives the file, has it prepared, or keeps the columns. Whoever calls this has checked who may."""
    try:
        asked = one.read(args)
    except NotUnderstood as problem:
        flash(_("A value of the search is not understood: mend it before exporting, so that the file holds what you expect."), "danger")
        return redirect(problem.back, 303)
    offered = one.columns(asked)
    entitled = one.numbers is not None and allowed(*one.numbers)
    posted = request.method == "POST"
    kept = selections.SHELF.kept(one.key)
    shown = next((selection for selection in kept if selection.id == row_number(request.args.get("selection"))), None)
    form = ExportForm(formdata=request.form if posted else None, **({} if posted else _last(one, [column.key for column in offered], file_format, shown)))
    form.file_format.choices = [(known.value, label) for known, label in FORMAT_LABELS.items()]
    form.columns.choices = [(column.key, column.label) for column in offered]
    chosen = [column for column in offered if column.key in set(form.columns.data or ())]
    if posted and chosen and _KEEP in request.form and _BACK not in request.form:
        return _keep(view, one, asked, chosen, form)
    lines = one.count(asked, LONG + 1)
    giving = posted and not {_KEEP, _BACK} & request.form.keys()
    if posted and not chosen:
        form.columns.errors = [_("Choose one column at least.")]
    if not giving or not form.validate(entitled=entitled, lines=lines):
        return _page(view, one, asked, form, lines, entitled=entitled, kept=kept, shown=shown)
    wanted = Wanted(one, asked, chosen, FileFormat(form.file_format.data), form.reason.data if form.numbers.data else None)
    services.remember(wanted)
    if wanted.reason is None and (form.background.data or lines > LONG):
        return _prepare(wanted)
    return services.answer(wanted)


def _last(one: ExportableList, offered: list[str], file_format: FileFormat | None, shown: ExportSelection | None) -> dict[str, Any]:
    """The selection that was chosen, or what was chosen last for this list, as far as it is still offered."""
    last = services.last_choice(one.key)
    wanted = shown.columns if shown is not None else last.columns if last is not None else offered
    columns = [key for key in wanted if key in offered] or offered
    if request.args.get("colonnes") == _ALL:
        columns = offered
    elif request.args.get("colonnes") == _NONE:
        columns = []
    chosen = file_format or (FileFormat(last.file_format) if last is not None else FileFormat.XLSX)
    return {"columns": columns, "file_format": chosen.value}


def _prepare(wanted: Wanted) -> ResponseReturnValue:
    try:
        services.prepare(wanted)
    except services.TooManyFiles:
        flash(_("You have %(most)s files already: delete one, or wait until one is out of date, then ask again.", most=MOST_FILES), "warning")
    else:
        flash(_("The file is being prepared. You may leave this page: a message tells you when it is ready."), "success")
    return redirect(url_for("ExportsView.index"), 303)


def _keep(view: BaseView, one: ExportableList, asked: Asked, columns: list[ListColumn], chosen: ExportForm) -> ResponseReturnValue:
    """Keep the columns under a name: asked on a page of its own, then back to the export with the selection."""
    typed = "nom" in request.form
    form = SelectionForm(formdata=request.form if typed else None)
    offer_to_replace = bool(form.replace.data)
    if typed and form.validate():
        name = str(form.name.data)
        try:
            kept = selections.save(one.key, name, [column.key for column in columns], replace=bool(form.replace.data))
        except named.NameTaken:
            form.name.errors = [_("You already have a selection named “%(name)s” for this list: choose another name, or say that it is to change.", name=name)]
            offer_to_replace = True
        except named.TooMany:
            form.name.errors = [_("You keep %(count)s selections for this list, the most there may be: delete one first.", count=MOST_SELECTIONS)]
        else:
            flash(_("The selection “%(name)s” is kept: choose it here the next time.", name=kept.name), "success")
            return redirect(url_with(selection=kept.id, colonnes=None), 303)
    title = one.title_of(asked)
    page: str = view.render_template(
        "exports/selection_save.html",
        breadcrumb=[*one.path(asked), (title, url_with()), (_("Keep these columns under a name"), None)],
        menu_current=one.menu,
        heading_of_list=title,
        form=form,
        columns=columns,
        file_format=chosen.file_format.data,
        offer_to_replace=offer_to_replace,
        longest=LONGEST_NAME,
    )
    return page, 422 if form.errors else 200


def _page(
    view: BaseView, one: ExportableList, asked: Asked, form: ExportForm, lines: int, *, entitled: bool, kept: list[ExportSelection],
    shown: ExportSelection | None,
) -> ResponseReturnValue:  # fmt: skip
    title = one.title_of(asked)
    page: str = view.render_template(
        "exports/choose.html",
        breadcrumb=[*one.path(asked), (title, None)],
        menu_current=one.menu,
        heading=title,
        lead_text=one.lead_of(asked),
        form=form,
        said=asked.said,
        back=asked.back,
        counted=_counted(lines),
        long=lines > LONG,
        entitled=entitled,
        too_many_numbers=lines > MOST_NUMBERS,
        most_numbers=MOST_NUMBERS,
        hours=int(KEPT.total_seconds() // 3600),
        all_columns=_ALL,
        no_column=_NONE,
        selections=kept,
        shown=shown,
        keep=_KEEP,
    )
    return page, 422 if form.errors else 200


def _counted(lines: int) -> str:
    if lines > LONG:
        return str(_("The file will have more than %(count)s lines: it is prepared in the background.", count=fr_number(LONG)))
    if not lines:
        return str(_("The file will have no line but its heading."))
    return str(ngettext("The file will have %(count)s line.", "The file will have %(count)s lines.", lines, count=fr_number(lines)))


class ExportsView(BaseView):
    """« Mes exports », and the exports of the lists that have no address of their own for it."""

    route_base = "/exports"
    class_permission_name = VIEW
    permission_label = _l("Exports")
    default_view = "index"

    @expose("/liste/<string:list_name>", methods=("GET", "POST"))
    @has_access
    @permission_name("use")
    def choose(self, list_name: str) -> ResponseReturnValue:
        """What to put into the file; whoever sees the list may export it, narrowed as it is."""
        one = find_list(list_name)
        if one is None:
            abort(404)
        if not may_export(one.permission):
            abort(403)
        return choose(self, one, request.args)

    @expose("/")
    @has_access
    @permission_name("use")
    def index(self) -> ResponseReturnValue:
        """The files of the account: where each stands, until when it is kept."""
        page: str = self.render_template("exports/index.html", breadcrumb=[(_("My exports"), None)], **self._values())
        return page

    @expose("/etat")
    @has_access
    @permission_name("use")
    def state(self) -> ResponseReturnValue:
        """The list, asked again while a file is being prepared."""
        page: str = self.render_template("exports/_files.html", **self._values())
        return page

    @staticmethod
    def _values() -> dict[str, Any]:
        files = services.own_files()
        titles = {file.id: _title(file) for file in files}
        return {
            "files": files,
            "titles": titles,
            "states": _STATES,
            "formats": FORMAT_LABELS,
            "under_way": any(not file.is_over for file in files),
            "news": any(file.is_news for file in files),
            "hours": int(KEPT.total_seconds() // 3600),
        }

    @expose("/vus", methods=("POST",))
    @has_access
    @permission_name("use")
    def seen(self) -> ResponseReturnValue:
        """The notice has served: its button was pressed, or the page says that it is shown (a visit alone writes nothing)."""
        services.see_files()
        if request.headers.get("HX-Request"):
            return Response(status=204)
        return redirect(url_for("ExportsView.index"), 303)

    @expose("/<int:file_id>/fichier", methods=("POST",))
    @has_access
    @permission_name("use")
    def download(self, file_id: int) -> ResponseReturnValue:
        """The file, to the account that asked for it, as long as it sees the same."""
        try:
            file = services.own_file(file_id)
            one = find_list(file.list_name)
            if one is None or not may_export(one.permission):
                raise services.RightsChanged
            asked = one.read(args_of(services.query_of(file)))
            keys = {column.key: column for column in one.columns(asked)}
            if not set(file.columns) <= keys.keys():
                raise services.RightsChanged
            return services.fetch(file_id, Wanted(one, asked, [keys[key] for key in file.columns], FileFormat(file.file_format)))
        except services.FileNotFound:
            abort(404)
        except (services.RightsChanged, NotUnderstood):
            flash(_("What you may see has changed since this file was asked for: ask for it again from the list."), "warning")
            return redirect(url_for("ExportsView.index"), 303)

    @expose("/<int:file_id>/suppression", methods=("GET", "POST"))
    @has_access
    @permission_name("use")
    def delete(self, file_id: int) -> ResponseReturnValue:
        """Delete a file before its time, after asking."""
        try:
            file = services.own_file(file_id)
            title = _title(file)
            if request.method == "POST":
                services.forget(file_id)
                flash(_("The file “%(title)s” is deleted.", title=title), "success")
                return redirect(url_for("ExportsView.index"), 303)
        except services.FileNotFound:
            abort(404)
        page: str = self.render_template(
            "portal/confirm.html",
            breadcrumb=[(_("My exports"), url_for("ExportsView.index")), (_("Delete"), None)],
            menu_current="ExportsView.index",
            heading=_("Delete the file “%(title)s”?", title=title),
            body=_("The data it was made from stay as they are; you may ask for the file again from the list."),
            action_url=request.path,
            verb=_("Delete the file"),
            cancel_url=url_for("ExportsView.index"),
        )
        return page


def _title(file: ExportFile) -> str:
    one = find_list(file.list_name)
    return str(one.title) if one is not None else file.list_name


def banner() -> Banner | None:
    """The notice of the files that are ready, on every page until the account looks at them; it costs no statement (``accounts.sessions``)."""
    from flask_login import current_user

    if not getattr(current_user, "has_unseen_exports", False) or not allowed("can_use", VIEW) or request.endpoint in ("ExportsView.index", "ExportsView.seen"):
        return None
    return Banner(
        text=_("An export that you asked for is ready"),
        detail=_("A file is kept for %(hours)s hours.", hours=int(KEPT.total_seconds() // 3600)),
        verb=_("See my exports"),
        action_url=url_for("ExportsView.seen"),
        tone="success",
    )


__all__ = ["ExportsView", "banner", "choose"]
