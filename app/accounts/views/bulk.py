""" "Créer des comptes par fichier": template, check, preview, « Créer N comptes », errors to mend."""

from __future__ import annotations

import io
from typing import Final

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_login import current_user

from app.accounts import bulk_labels, services
from app.accounts.bulk import HEADERS, Column, Plan
from app.accounts.forms_console import FileForm
from app.accounts.services.bulk import LIMITS
from app.accounts.views.organisation_console import console_crumbs
from app.core.documents.giving import attachment
from app.core.tabular import MissingColumns, Refused
from app.core.tabular.attached import csv_attachment
from app.core.tabular.labels import refused

_SHOWN: Final = 200
_EXAMPLES: Final = (
    ("Principal", "12345678913000", "ORGANISME D’EXEMPLE", "", "76310000031", "Madame", "MARTIN", "Claire", "claire.martin@exemple.fr"),
    ("Secondaire", "12345678913000", "", "", "", "Monsieur", "PETIT", "Jean", "jean.petit@exemple.fr"),
)


class BulkAccountsView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """Organisations with their principal accounts, and secondary accounts, from a file."""

    route_base = "/comptes/fichier"
    class_permission_name = "BulkAccounts"
    permission_label = _l("Creation of accounts from a file")
    default_view = "index"

    @expose("/", methods=("GET", "POST"))
    @has_access
    @permission_name("create")
    def index(self) -> ResponseReturnValue:
        """Choose a file; it is checked whole, and nothing is created yet."""
        form = FileForm()
        if request.method == "POST":
            sent = request.files.get("file")
            content = sent.stream.read(LIMITS.size + 1) if sent is not None and sent.filename else None
            if content is None:
                form.file.errors = [_("Choose a file: XLSX, ODS or CSV.")]
            else:
                try:
                    batch_id = services.check_file(content, actor_id=current_user.id)
                    return redirect(url_for(".show", batch_id=batch_id), 303)
                except Refused as error:
                    form.file.errors = [refused(error)]
                except MissingColumns as missing:
                    names = ", ".join(f"« {HEADERS[column]} »" for column in missing.columns)
                    form.file.errors = [_("These columns are missing: %(names)s. Start from the template, whose first line names them.", names=names)]
                except services.AccountRefused:
                    abort(403)
        page = self.render_template(
            "accounts/bulk.html", form=form, headers=HEADERS, breadcrumb=console_crumbs((_("Create accounts from a file"), None))
        )
        return (page, 422) if form.file.errors else page

    @expose("/modele.<kind>")
    @has_access
    @permission_name("create")
    def template(self, kind: str) -> ResponseReturnValue:
        """The template, with two lines of example; codes are typed as text."""
        rows = [tuple(HEADERS.values()), *_EXAMPLES]
        if kind == "csv":
            return csv_attachment("modele-comptes.csv", rows)
        if kind != "xlsx":
            abort(404)
        import xlsxwriter  # large, and asked for now and then

        target = io.BytesIO()
        with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
            text = book.add_format({"num_format": "@"})
            sheet = book.add_worksheet("Comptes")
            sheet.set_column(0, len(HEADERS) - 1, 22, text)
            for number, row in enumerate(rows):
                for place, words in enumerate(row):
                    sheet.write_string(number, place, words, text)
        return attachment(target.getvalue(), "modele-comptes.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")

    @expose("/<int:batch_id>")
    @has_access
    @permission_name("create")
    def show(self, batch_id: int) -> ResponseReturnValue:
        """What the file would do: to create, already there, in error."""
        plan = self._plan(batch_id)
        return self.render_template(
            "accounts/bulk_preview.html",
            plan=plan,
            batch_id=batch_id,
            shown=_SHOWN,
            findings=[(finding, bulk_labels.finding(finding)) for finding in plan.errors[:_SHOWN]],
            headers=HEADERS,
            kinds=bulk_labels.KINDS,
            breadcrumb=console_crumbs((_("Create accounts from a file"), url_for(".index")), (_("Preview"), None)),
        )

    @expose("/<int:batch_id>/creer", methods=("POST",))
    @has_access
    @permission_name("create")
    def apply(self, batch_id: int) -> ResponseReturnValue:
        """ "Créer N comptes": all of them, or none."""
        expected = request.form.get("expected", "")
        try:
            count = services.apply_batch(
                batch_id, expected=int(expected) if expected.isascii() and expected.isdecimal() and len(expected) < 7 else -1, actor_id=current_user.id
            )
        except services.BatchGone:
            abort(404)
        except services.AccountRefused:
            abort(403)
        except services.BatchChanged:
            flash(_("Nothing was created: what this file does has changed since the preview. Here is where it stands."), "warning")
            return redirect(url_for(".show", batch_id=batch_id), 303)
        words = ngettext(
            "%(num)s account has been created. Its invitation is on its way.",
            "%(num)s accounts have been created. Their invitations are on their way.",
            count,
        )
        flash(words, "success")
        return redirect(url_for("AccountConsoleView.list", etat="pending"), 303)

    @expose("/<int:batch_id>/erreurs.csv")
    @has_access
    @permission_name("create")
    def errors(self, batch_id: int) -> ResponseReturnValue:
        """The lines still to be created, with what is wrong with some, to be mended and sent back: the last column is ignored."""
        plan = self._plan(batch_id)
        wrong: dict[int, list[str]] = {}
        for finding in plan.errors:
            wrong.setdefault(finding.line, []).append(f"{HEADERS[finding.column]} : {bulk_labels.finding(finding)}")
        typed = {line.number: line.typed for line in plan.all_lines}
        rows = [(*HEADERS.values(), str(_("To be mended")))]
        rows += [
            (*(typed[number].get(column.value, "") for column in Column), " / ".join(wrong.get(number, ())))
            for number in sorted(wrong.keys() | {line.number for line in plan.create})
        ]
        return csv_attachment("comptes-a-corriger.csv", rows)

    @staticmethod
    def _plan(batch_id: int) -> Plan:
        try:
            return services.preview(batch_id, actor_id=current_user.id)
        except services.BatchGone:
            abort(404)
