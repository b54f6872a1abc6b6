"""« Mes sélections de colonnes »: what an account keeps for its exports; they are made and chosen on the page of each export (``views``)."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core import named
from app.core.named import LONGEST_NAME
from app.core.requests import row_number

from .domain import MOST_SELECTIONS
from .forms import RenameSelectionForm
from .models import ExportSelection
from .permissions import VIEW
from .registry import find_list
from .selections import SHELF


class ExportSelectionsView(BaseView):
    """List, rename, delete."""

    route_base = "/exports/colonnes"
    class_permission_name = VIEW
    permission_label = _l("Exports")
    default_view = "index"

    @expose("/")
    @has_access
    @permission_name("use")
    def index(self) -> ResponseReturnValue:
        """The selections of the account, list by list."""
        kept = SHELF.kept()
        page: str = self.render_template(
            "exports/selections.html",
            breadcrumb=_crumbs(),
            menu_current="ExportsView.index",
            selections=[(one, list_title(one.list_name)) for one in kept],
            most=MOST_SELECTIONS,
        )
        return page

    @expose("/<int:selection_id>/renommer", methods=("GET", "POST"))
    @has_access
    @permission_name("use")
    def rename(self, selection_id: int) -> ResponseReturnValue:
        """Give a selection another name."""
        kept = _found_or_404(selection_id)
        heading = _("Rename the selection “%(name)s”", name=kept.name)
        if request.method == "GET":
            return self._page(heading, RenameSelectionForm(formdata=None, name=kept.name, version=str(kept.version)), kept)
        form = RenameSelectionForm()
        if not form.validate():
            return self._page(heading, form, kept)
        name = str(form.name.data)
        try:
            renamed = SHELF.rename(selection_id, name, version=row_number(form.version.data or "") or 0)
        except named.NotKept:
            abort(404)
        except named.NameTaken:
            form.name.errors = [_("You already have a selection named “%(name)s” for this list: choose another name.", name=name)]
            return self._page(heading, form, kept)
        except named.RenamedMeanwhile as meanwhile:
            form.version.data = str(meanwhile.version)
            form.name.errors = [_("This selection has been renamed “%(name)s” meanwhile: save again to give it the name typed here.", name=meanwhile.name)]
            return self._page(heading, form, kept, status=409)
        flash(_("The selection is now called “%(name)s”.", name=renamed.name), "success")
        return redirect(url_for(".index"), 303)

    @expose("/<int:selection_id>/supprimer", methods=("GET", "POST"))
    @has_access
    @permission_name("use")
    def delete(self, selection_id: int) -> ResponseReturnValue:
        """Forget a selection, after asking."""
        kept = _found_or_404(selection_id)
        name = kept.name
        if request.method == "POST":
            try:
                SHELF.delete(selection_id)
            except named.NotKept:
                abort(404)
            flash(_("The selection “%(name)s” is deleted.", name=name), "success")
            return redirect(url_for(".index"), 303)
        page: str = self.render_template(
            "portal/confirm.html",
            breadcrumb=_crumbs(_("Delete")),
            menu_current="ExportsView.index",
            heading=_("Delete the selection “%(name)s”?", name=name),
            body=_("The list and its columns stay as they are; only the selection is forgotten."),
            action_url=request.path,
            verb=_("Delete the selection"),
            cancel_url=url_for(".index"),
        )
        return page

    def _page(self, heading: str, form: Any, kept: ExportSelection, *, status: int = 422) -> ResponseReturnValue:
        page: str = self.render_template(
            "exports/selection_rename.html",
            breadcrumb=_crumbs(_("Rename")),
            menu_current="ExportsView.index",
            heading=heading,
            form=form,
            list_title=list_title(kept.list_name),
            longest=LONGEST_NAME,
        )
        return page, status if form.errors else 200


def list_title(list_name: str) -> str:
    """What the export of a list is called."""
    one = find_list(list_name)
    return str(one.title) if one is not None else list_name


def _crumbs(more: str | None = None) -> list[tuple[str, str | None]]:
    here = _("My selections of columns")
    path: list[tuple[str, str | None]] = [(_("My exports"), url_for("ExportsView.index"))]
    return [*path, (here, None)] if more is None else [*path, (here, url_for("ExportSelectionsView.index")), (more, None)]


def _found_or_404(selection_id: int) -> ExportSelection:
    try:
        return SHELF.one(selection_id)
    except named.NotKept:
        abort(404)


__all__ = ["ExportSelectionsView", "list_title"]
