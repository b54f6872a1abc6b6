"""The routes that write a row: add, edit (with the comparison of a lost race), delete (asked first)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask import abort, flash, redirect, request
from flask_appbuilder import ModelView, expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from werkzeug.exceptions import NotFound
from wtforms import HiddenField

from app.core.concurrency import ConflictPage, ConflictRow, RowGone, StaleError, check_version, conflict_context, save_versioned
from app.core.fab.dependents import still_used
from app.core.fab.forms import PortalForm
from app.core.fab.history import NEXT, previous_address, safe_target
from app.core.fab.interface import Refused, StaleRow, guarded_write
from app.core.requests import row_number
from app.core.typed import gone_page


class WriteRoutes(ModelView):
    """A part of ``PortalModelView``: each save is one transaction with its hooks; what was typed stays until it is saved."""

    def prefill_form(self, form: PortalForm, pk: Any) -> None:
        """Override to complete the edit form before it is shown."""

    def check_change(self, item: Any, before: Mapping[str, Any]) -> None:
        """Override to refuse a change for what it changes: ``before`` has the columns of the form as they were."""

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """A new row. What was typed stays on screen until it can be saved."""
        form = self.add_form()
        if request.method == "POST" and form.validate():
            try:
                with guarded_write() as session:
                    item = self.datamodel.obj()
                    self.process_form(form, True)
                    form.populate_obj(item)
                    self.pre_add(item)
                    session.add(item)
                    session.flush()
                    self.post_add(item)
            except Refused as refusal:
                _blame(form, refusal)
            else:
                flash(_("Added: %(name)s.", name=self.name_of(item)), "success")
                return redirect(self._after(item))
        return self._render_form(self.add_template, form, str(self.add_title), self.breadcrumb((self.add_title, None)))

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """Change a row; when somebody else saved it meanwhile, compare field by field; when it was deleted, show what was typed."""
        try:
            item = self.find(pk)
        except NotFound:
            return gone_page(self.edit_form())
        if not self.can_change(item):
            abort(404)
        if request.method == "GET":
            form = self.edit_form(formdata=None, obj=item)
            self.prefill_form(form, pk)
            # The version of the form travels with it: stock FAB reloads the row at POST, so that a stale form wins.
            form.bind_row(item, self.saved_columns)
            return self._render_edit(form, item)
        form = self.edit_form(obj=item)
        form._id = item.__mapper__.primary_key_from_instance(item)[0]
        if form.validate():
            try:
                with guarded_write() as session:
                    self.process_form(form, False)
                    before = {name: getattr(item, name) for name in self.saved_columns}
                    save_versioned(item, form, self.saved_columns)
                    self.pre_update(item)
                    self.check_change(item, before)
                    session.flush()
                    self.post_update(item)
            except StaleError as stale:
                return self._render_conflict(form, stale, pk)
            except RowGone:
                return gone_page(form)
            except Refused as refusal:
                _blame(form, refusal)
                item = self.find(pk)
            else:
                flash(_("Changes saved: %(name)s.", name=self.name_of(item)), "success")
                return redirect(self._after(item))
        return self._render_edit(form, item)

    @property
    def saved_columns(self) -> Sequence[str]:
        """The columns of the edit form that are written to the row; other fields are for ``process_form``."""
        return [name for name in self.edit_columns if name in self.datamodel.list_properties]

    def _after(self, item: Any) -> str:
        """Where a saved form leads: where it came from, else the row, else the list."""
        came_from = safe_target(request.values.get(NEXT))
        if came_from:
            return came_from
        return str(self.url("show", pk=self.key_of(item)) if self.may("show") else self.url("list"))

    def _groups(self, form: PortalForm, fieldsets: Any) -> Sequence[tuple[Any, Sequence[Any]]]:
        if not fieldsets:
            return [(None, [field for field in form if not isinstance(field, HiddenField)])]
        return [(title, [form[name] for name in options["fields"]]) for title, options in fieldsets]

    def _render_form(self, template: str, form: PortalForm, title: str, path: Any, **more: Any) -> Any:
        fieldsets = self.edit_fieldsets if template == self.edit_template else self.add_fieldsets
        body = self.render_template(
            template,
            title=title,
            view=self,
            form=form,
            groups=self._groups(form, fieldsets),
            back=previous_address(self.url("list")),
            next_address=safe_target(request.values.get(NEXT)),
            breadcrumb=path,
            **more,
        )
        return body, 422 if form.errors else 200

    def _render_edit(self, form: PortalForm, item: Any) -> Any:
        title = self.title_for(self._titles.edit, item)
        path = self.breadcrumb((self.name_of(item), self.url("show", pk=self.key_of(item)) if self.may("show") else None), (_("Modify"), None))
        return self._render_form(self.edit_template, form, title, path, item=item)

    def _render_conflict(self, form: PortalForm, stale: StaleError, pk: str) -> Any:
        item = self.find(pk)
        context = conflict_context(
            form,
            stale,
            cancel_url=self.url("edit", pk=pk),
            action_url=self.url("edit", pk=pk),
            breadcrumb=self.breadcrumb((self.name_of(item), None), (_("Compare"), None)),
        )
        context["page"] = self._with_looked_up(context["page"])
        back = safe_target(request.values.get(NEXT))
        if back:
            context["page"].hidden.append((NEXT, back))
        return self.render_template(self.conflict_template, **context), 409

    def _with_looked_up(self, page: ConflictPage) -> ConflictPage:
        """Rows found by typing are compared by key; the page says their code and name."""

        def said(name: str, key: str) -> str:
            lookup = self.lookups[name]
            number = row_number(key)
            row = lookup.rows().filter(lookup.model.__mapper__.primary_key[0] == number).one_or_none() if number is not None else None
            return lookup.write(row) if row is not None else key

        def line(row: ConflictRow) -> ConflictRow:
            if row.name not in self.lookups:
                return row
            return replace(row, base=said(row.name, row.base), mine=said(row.name, row.mine), theirs=said(row.name, row.theirs))

        return replace(page, fields=[line(row) for row in page.fields], merged=[line(row) for row in page.merged])

    # ---- delete ------------------------------------------------------------------------------------------------------

    @expose("/delete/<pk>", methods=["GET", "POST"])
    @has_access
    def delete(self, pk: str) -> Any:
        """GET asks, POST deletes: a link or an image can never delete."""
        item = self.find(pk)
        if not self.can_remove(item):
            abort(404)
        problem = None
        if request.method == "POST":
            name = self.name_of(item)
            try:
                with guarded_write() as session:
                    if item.__mapper__.version_id_col is not None:
                        # What goes is what the page showed: a change saved meanwhile is not thrown away unseen.
                        check_version(item, request.form.get("version", type=int))
                    self.pre_delete(item)
                    session.delete(item)
                    session.flush()
                    self.post_delete(item)
            except (StaleRow, StaleError):
                problem = _("Somebody else has just changed this row: check it before deleting it.")
            except RowGone:
                abort(404)
            except Refused as refusal:
                item = self.find(pk)
                problem = (still_used(self.name_of(item), item) if refusal.in_use else None) or str(refusal.message)
            else:
                flash(_("Deleted: %(name)s.", name=name), "success")
                return redirect(self._after_delete(pk))
            item = self.find(pk)
        body = self.render_template(
            self.delete_template,
            title=self.title_for(self._titles.delete, item),
            view=self,
            item=item,
            groups=self._shown(item),
            problem=problem,
            edit_url=self.url("edit", pk=pk) if problem and self.may("edit") and self.can_change(item) and hasattr(item, "valid_to") else None,
            action=self.url("delete", pk=pk),
            next_address=safe_target(request.values.get(NEXT)),
            back=previous_address(self.url("list")),
            breadcrumb=self.breadcrumb((self.name_of(item), None), (_("Delete"), None)),
        )
        return body, 409 if problem else 200

    def _after_delete(self, pk: str) -> str:
        came_from = safe_target(request.values.get(NEXT))
        return came_from if came_from and f"/show/{pk}" not in came_from else self.url("list")


def _blame(form: PortalForm, refusal: Refused) -> None:
    """Put each sentence of ``refusal`` beside its field, or on top of the form."""
    for name, message in refusal.said:
        if name is not None and name in form:
            field = form[name]
            field.errors = [*field.errors, str(message)]
        else:
            form.form_errors.append(str(message))
