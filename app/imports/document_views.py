"""The documents of each matrix, and the page that checks a file without an account."""

from __future__ import annotations

from typing import Any

from flask import Response, abort, current_app, make_response, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_wtf.file import FileField
from wtforms import SelectField

from app.core.documents.files import MediaType
from app.core.documents.giving import attachment
from app.core.matrix import Matrix
from app.core.tabular import Refused
from app.core.tabular.labels import refused as refused_file
from app.core.tabular.writing import FileFormat
from app.core.ui import allowed, signed_in
from app.core.ui.format import fr_number
from app.core.ui.kept_text import KeptTextForm

from . import columns, gate, validator
from .matrices import IMPORTERS
from .permissions import READ
from .specification import MEGABYTE, NEED_LABELS, files_accepted, how_to_fill, specify, what_each_format_holds, what_is_damaged


class ImportDocumentsView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """« Spécifications de l'interface d'import » and « Format d'import » (guide 000, menu Imports).

    Whoever makes the files of an organisation may have no account: they hold the definitions and the value lists of the Région, nothing of anybody.
    """

    route_base = "/imports"
    default_view = "specification"

    @expose("/<string:matrix_name>/specifications")
    def specification(self, matrix_name: str) -> ResponseReturnValue:
        """What a file of the matrix holds, column by column."""
        matrix = _matrix_or_404(matrix_name)
        imports = allowed(*READ)
        above = (_("Imports"), url_for("ImportsView.index")) if imports else (_("Check an import file"), url_for("FileCheckView.check"))
        page: str = self.render_template(
            "imports/specification.html",
            breadcrumb=[above, (matrix.title, None)],
            menu_current="ImportsView.index" if imports else None,
            matrix=matrix,
            spec=specify(matrix),
            needs=NEED_LABELS,
            formats=what_each_format_holds(),
            files=files_accepted(matrix),
            fill=how_to_fill(),
            damage=what_is_damaged(),
        )
        return page

    @expose("/<string:matrix_name>/specifications.pdf")
    def specification_pdf(self, matrix_name: str) -> ResponseReturnValue:
        """The same as a PDF."""
        from .specification_pdf import make_pdf

        matrix = _matrix_or_404(matrix_name)
        return attachment(make_pdf(specify(matrix)), f"specifications-import-{matrix.name}.pdf", MediaType.PDF)

    @expose("/<string:matrix_name>/format.<string:kind>")
    def template(self, matrix_name: str, kind: str) -> ResponseReturnValue:
        """The file to fill in."""
        from .template_file import make_template

        matrix = _matrix_or_404(matrix_name)
        if kind not in set(FileFormat):
            abort(404)
        chosen = FileFormat(kind)
        return attachment(make_template(specify(matrix), chosen), f"format-import-{matrix.name}.{chosen.value}", chosen.media_type)

    @expose("/<string:matrix_name>/exemple.csv")
    def example(self, matrix_name: str) -> ResponseReturnValue:
        """The filled example as CSV, whose file to fill in has room for none."""
        from .template_file import make_example

        matrix = _matrix_or_404(matrix_name)
        return attachment(make_example(specify(matrix)), f"exemple-import-{matrix.name}.csv", FileFormat.CSV.media_type)


def is_free_of_brake() -> bool:
    """Whether documents are given as often as they are asked for: making a file is work, which anybody could ask for without end."""
    return signed_in() or request.endpoint == "ImportDocumentsView.specification"


class _CheckForm(KeptTextForm):
    matrix = SelectField(_l("Matrix"))
    file = FileField(
        _l("File to check"),
        description=_l(
            "XLSX, ODS or CSV; %(size)s MB and %(lines)s lines at most, or as many as the specifications of the matrix say if that is less.",
            size=validator.LIMITS.size // MEGABYTE, lines=fr_number(validator.LIMITS.lines),
        ),
    )


class FileCheckView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """A file checked without an account: it is read, judged and forgotten within the request."""

    route_base = ""
    default_view = "check"

    @expose("/verifier-un-fichier", methods=("GET", "POST"))
    def check(self) -> ResponseReturnValue:
        """What is wrong with the form of a file."""
        form: Any = _CheckForm()
        form.matrix.choices = [(importer.matrix.name, importer.matrix.title) for importer in IMPORTERS.values()]
        if request.method == "GET":
            if request.args.get("matrice") in IMPORTERS:
                form.matrix.data = request.args["matrice"]
            return self._page(form)
        if form.matrix.data not in IMPORTERS:
            form.matrix.errors = [_("Choose an answer.")]
            return self._page(form, None, 422)
        try:
            report = _checked(form, IMPORTERS[form.matrix.data].matrix)
        except gate.Busy:
            form.file.errors = [
                ngettext(
                    "Other files are being checked just now: yours was not looked at. Wait %(num)s second, then choose it again and send it.",
                    "Other files are being checked just now: yours was not looked at. Wait %(num)s seconds, then choose it again and send it.",
                    gate.RETRY_AFTER,
                )
            ]
            answer = self._page(form, None, 503)
            answer.headers["Retry-After"] = str(gate.RETRY_AFTER)
            return answer
        return self._page(form, report, 200 if report is not None else 422)

    def _page(self, form: Any, report: validator.Report | None = None, status: int = 200) -> Response:
        shown = IMPORTERS[form.matrix.data].matrix if report is not None else None
        page = self.render_template(
            "imports/check.html", form=form, report=report, matrix=shown, most=validator.SHOWN, per_minute=current_app.config["FILE_CHECKS_PER_MINUTE"],
            matrices=[one.matrix for one in IMPORTERS.values()],
        )
        return make_response(page, status)


def _checked(form: Any, matrix: Matrix) -> validator.Report | None:
    """The report on the file that was sent; None when the form says why there is none.  Raises Busy."""
    sent = request.files.get("file")
    name = (sent.filename or "") if sent is not None else ""
    content = sent.stream.read(validator.LIMITS.size + 1) if sent is not None and name else None
    try:
        if content is None:
            form.file.errors = [_("Choose a file: XLSX, ODS or CSV.")]
        elif len(content) > validator.LIMITS.size:
            raise columns.too_large(content, name, validator.LIMITS, matrix, {})
        else:
            with gate.turn():
                return validator.check_file(matrix, content, name=name)
    except Refused as refused:
        form.file.errors = [refused_file(refused)]
    except validator.TooLong:
        form.file.errors = [_("This file takes too long to be checked here: cut it in several, or send it from the menu Imports, which has the time.")]
    return None


def _matrix_or_404(name: str) -> Matrix:
    importer = IMPORTERS.get(name)
    if importer is None:
        abort(404)
    return importer.matrix


__all__ = ["FileCheckView", "ImportDocumentsView", "is_free_of_brake"]
