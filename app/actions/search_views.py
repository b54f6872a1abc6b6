""" "Mes recherches": the searches an account keeps."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, StringField
from wtforms.validators import Length

from app.core import named
from app.core.requests import row_number
from app.core.ui.forms import Required
from app.core.ui.kept_text import KeptTextForm

from . import saved_searches
from .domain import MAX_SAVED_SEARCHES
from .models import SavedSearch
from .search_form import Search, args_of
from .views import VIEW, crumbs, list_url, read_search


class _NameForm(KeptTextForm):

    name = StringField(
        _l("Name of the search"), [Required(), Length(max=named.LONGEST_NAME, message=_l("%(max)d characters at most: shorten the name."))]
    )

    @property
    def cleaned(self) -> str:
        """The name as it is kept."""
        return " ".join((self.name.data or "").replace("\x00", "").split())


class _RenameForm(_NameForm):
    version = HiddenField()


class SavedSearchesView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """List, keep, rename, delete."""

    route_base = "/actions-de-formation/recherches"
    class_permission_name = VIEW
    permission_label = _l("Training actions")
    default_view = "index"

    @expose("/")
    @has_access
    @permission_name("read")
    def index(self) -> ResponseReturnValue:
        """The searches of the account, in words."""
        searches = saved_searches.SHELF.kept()
        reader = _Reader()
        page: str = self.render_template(
            "actions/searches.html",
            breadcrumb=crumbs(None, (_("My searches"), None)),
            menu_current="ActionsView.index",
            searches=[(kept, reader.said(kept)) for kept in searches],
            most=MAX_SAVED_SEARCHES,
        )
        return page

    @expose("/nouvelle", methods=("GET", "POST"))
    @has_access
    @permission_name("read")
    def create(self) -> ResponseReturnValue:
        """Keep the search of the address under a name."""
        search = read_search(request.args)
        back = list_url(search)
        if not search.filter.active:
            flash(_("This search narrows nothing: choose a filter first, then save it."), "info")
            return redirect(back, 303)
        form = _NameForm()
        if request.method == "GET" or not form.validate():
            return self._page(_("Save this search"), _("Save"), form, search, back)
        try:
            kept = saved_searches.save(form.cleaned, search.query)
        except named.NameTaken:
            form.name.errors = [_name_taken(form.cleaned)]
            return self._page(_("Save this search"), _("Save"), form, search, back)
        except named.TooMany:
            form.name.errors = [_("You keep %(count)s searches, the most there may be: delete one first.", count=MAX_SAVED_SEARCHES)]
            return self._page(_("Save this search"), _("Save"), form, search, back)
        flash(_("The search “%(name)s” is kept: you find it under “My searches”.", name=kept.name), "success")
        return redirect(back, 303)

    @expose("/<int:search_id>/renommer", methods=("GET", "POST"))
    @has_access
    @permission_name("read")
    def rename(self, search_id: int) -> ResponseReturnValue:
        """Give a search another name."""
        kept = _found_or_404(search_id)
        back = url_for(".index")
        search = _read(kept)
        if request.method == "GET":
            form = _RenameForm(formdata=None, name=kept.name, version=str(kept.version))
            return self._page(_("Rename the search “%(name)s”", name=kept.name), _("Rename"), form, search, back)
        form = _RenameForm()
        heading = _("Rename the search “%(name)s”", name=kept.name)
        if not form.validate():
            return self._page(heading, _("Rename"), form, search, back)
        try:
            renamed = saved_searches.SHELF.rename(search_id, form.cleaned, version=row_number(form.version.data or "") or 0)
        except named.NotKept:
            abort(404)
        except named.NameTaken:
            form.name.errors = [_name_taken(form.cleaned)]
            return self._page(heading, _("Rename"), form, search, back)
        except named.RenamedMeanwhile as meanwhile:
            form.version.data = str(meanwhile.version)
            form.name.errors = [_("This search has been renamed “%(name)s” meanwhile: save again to give it the name typed here.", name=meanwhile.name)]
            return self._page(heading, _("Rename"), form, search, back, status=409)
        flash(_("The search is now called “%(name)s”.", name=renamed.name), "success")
        return redirect(back, 303)

    @expose("/<int:search_id>/supprimer", methods=("GET", "POST"))
    @has_access
    @permission_name("read")
    def delete(self, search_id: int) -> ResponseReturnValue:
        """Forget a search, after asking."""
        kept = _found_or_404(search_id)
        if request.method == "GET":
            page: str = self.render_template(
                "portal/confirm.html",
                breadcrumb=crumbs(None, (_("My searches"), url_for(".index")), (_("Delete"), None)),
                menu_current="ActionsView.index",
                heading=_("Delete the search “%(name)s”?", name=kept.name),
                body=_("The actions it finds stay as they are; only the search is forgotten."),
                action_url=request.path,
                verb=_("Delete the search"),
                cancel_url=url_for(".index"),
            )
            return page
        name = kept.name
        try:
            saved_searches.SHELF.delete(search_id)
        except named.NotKept:
            abort(404)
        flash(_("The search “%(name)s” is deleted.", name=name), "success")
        return redirect(url_for(".index"), 303)

    def _page(self, heading: str, verb: str, form: Any, search: Search, back: str, *, status: int = 422) -> ResponseReturnValue:
        page: str = self.render_template(
            "actions/search_name.html",
            breadcrumb=crumbs(None, (_("My searches"), url_for(".index")), (verb, None)),
            menu_current="ActionsView.index",
            heading=heading,
            verb=verb,
            form=form,
            said=[(label, value) for _name, label, value in search.said()],
            back=back,
            longest=named.LONGEST_NAME,
        )
        return page, status if form.errors else 200


class _Reader:
    """Searches in words; what the reader may choose among is read once for all of them."""

    def __init__(self) -> None:
        self._model: Search | None = None

    def said(self, kept: SavedSearch) -> list[tuple[str, str]]:
        """The labels and values of a search."""
        self._model = _read(kept) if self._model is None else self._model.other(args_of(kept.query))
        return [(label, value) for _name, label, value in self._model.said()]


def _read(kept: SavedSearch) -> Search:
    return read_search(args_of(kept.query))


def _found_or_404(search_id: int) -> SavedSearch:
    try:
        return saved_searches.SHELF.one(search_id)
    except named.NotKept:
        abort(404)


def _name_taken(name: str) -> str:
    return _("You already have a search named “%(name)s”: choose another name.", name=name)
