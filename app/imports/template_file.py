"""« Format d'import » of a matrix (guide 000, menu Imports): the file to fill in, made of the definition that validates.

The first sheet is the one to fill in, and the only one that is read; lists, example and explanations stand on others.  A CSV file has one sheet: the
headings alone are one file, the filled example another.
"""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal
from typing import Any

from flask import current_app
from flask_babel import gettext as _

from app.core import clock
from app.core.matrix import FieldKind
from app.core.tabular.writing import ColumnKind, FileFormat, write
from app.core.ui.forms import FIRST_YEAR, LAST_YEAR

from .services import LIMITS
from .specification import NEED_LABELS, Line, Specification
from .template_words import COLOURS, example_lines, headings, held, list_columns, note, read_me, sheet_names, width

#: What spreadsheets keep of the words shown when a value is not right.
_TITLE, _MESSAGE = 32, 255


def make_template(spec: Specification, kind: FileFormat) -> bytes:
    """The file to fill in: a workbook, or the headings alone."""
    if kind is FileFormat.XLSX:
        return _workbook(spec)
    if kind is FileFormat.ODS:
        from .template_ods import make_document

        return make_document(spec)
    return b"".join(write(kind, spec.matrix.sheet_name, headings(spec), ()))


def make_example(spec: Specification) -> bytes:
    """The filled example as CSV."""
    lines = ("\t".join(_plain(value) for value in line) + "\n" for line in example_lines(spec))
    return b"".join(write(FileFormat.CSV, spec.matrix.sheet_name, headings(spec), (line.encode() for line in lines)))


def _plain(value: date | int | Decimal | str) -> str:
    """As what writes tables takes a cell."""
    return value.isoformat() if isinstance(value, date) else str(value)


def _workbook(spec: Specification) -> bytes:
    from xlsxwriter import Workbook

    target = io.BytesIO()
    workbook = Workbook(target, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False})
    title = str(_("Import format: %(matrix)s", matrix=spec.matrix.title))
    workbook.set_properties({"title": title, "author": current_app.config["PORTAL_NAME"], "created": clock.now().replace(tzinfo=None)})
    styles = _Styles(workbook)
    sheets = [workbook.add_worksheet(name) for name in sheet_names(spec)]
    lists = _fill_lists(sheets[1], spec, styles)
    _fill_headings(sheets[0], spec, styles)
    _add_rules(sheets[0], spec, lists)
    _fill_headings(sheets[2], spec, styles)
    _fill_example(sheets[2], spec, styles)
    _fill_read_me(sheets[3], spec, styles)
    sheets[0].activate()
    workbook.close()
    return target.getvalue()


class _Styles:
    """The formats of cells."""

    def __init__(self, workbook: Any) -> None:
        kinds = {ColumnKind.TEXT: 49, ColumnKind.DATE: "dd/mm/yyyy", ColumnKind.NUMBER: "General"}
        self.cells = {kind: workbook.add_format({"num_format": shape}) for kind, shape in kinds.items()}
        self.headings = {
            need: workbook.add_format(
                {"bold": True, "bg_color": ground, "font_color": ink, "border": 1, "text_wrap": True, "valign": "vcenter", "num_format": 49}
            )
            for need, (ground, ink) in COLOURS.items()
        }  # fmt: skip
        self.title = workbook.add_format({"bold": True, "font_size": 14})
        self.section = workbook.add_format({"bold": True})
        self.words = workbook.add_format({"text_wrap": True, "valign": "top"})


def _fill_headings(sheet: Any, spec: Specification, styles: _Styles) -> None:
    sheet.freeze_panes(1, 0)
    sheet.set_row(0, 48)
    sheet.set_comments_author(current_app.config["PORTAL_NAME"])
    for place, line in enumerate(spec.lines):
        sheet.set_column(place, place, width(line), styles.cells[held(line)])
        sheet.write_string(0, place, line.header, styles.headings[line.need])
        sheet.write_comment(0, place, note(line), {"x_scale": 2.2, "y_scale": 1.8})


def _fill_lists(sheet: Any, spec: Specification, styles: _Styles) -> dict[str, str]:
    """Each list in a column, its codes in the next one; gives where the values of each column of the matrix stand."""
    from xlsxwriter.utility import xl_range_abs

    found: dict[str, str] = {}
    sheet.freeze_panes(1, 0)
    for place, (line, heading, values) in enumerate(list_columns(spec)):
        sheet.write_string(0, place, heading, styles.section)
        sheet.set_column(place, place, width(line) if line.name not in found else 12, styles.cells[ColumnKind.TEXT])
        for row, words in enumerate(values, start=1):
            sheet.write_string(row, place, words)
        found.setdefault(line.name, f"='{sheet.get_name()}'!{xl_range_abs(1, place, len(values), place)}")
    return found


def _add_rules(sheet: Any, spec: Specification, lists: dict[str, str]) -> None:
    """Drop-down lists, lengths and dates; they warn and do not forbid, since codes and other words are read as well."""
    for place, line in enumerate(spec.lines):
        rule = _rule(line, lists)
        if rule is not None:
            words = {"error_type": "warning", "error_title": line.header[:_TITLE], "error_message": " ".join([f"{line.holds}.", *line.rules])[:_MESSAGE]}
            sheet.data_validation(1, place, LIMITS.lines, place, rule | words)


def _rule(line: Line, lists: dict[str, str]) -> dict[str, Any] | None:
    if line.name in lists:
        return {"validate": "list", "source": lists[line.name]}
    if line.kind is FieldKind.YES_NO:
        return {"validate": "list", "source": ["oui", "non"]}
    if line.kind is FieldKind.DATE:
        return {"validate": "date", "criteria": "between", "minimum": date(FIRST_YEAR, 1, 1), "maximum": date(LAST_YEAR, 12, 31)}
    if line.kind is FieldKind.TEXT and line.described.limit:
        return {"validate": "length", "criteria": "<=", "value": line.described.limit}
    return None


def _fill_example(sheet: Any, spec: Specification, styles: _Styles) -> None:
    for row, values in enumerate(example_lines(spec), start=1):
        for place, value in enumerate(values):
            if isinstance(value, date):
                sheet.write_datetime(row, place, value, styles.cells[ColumnKind.DATE])
            elif isinstance(value, int | Decimal):
                sheet.write_number(row, place, value, styles.cells[ColumnKind.NUMBER])
            elif value:
                sheet.write_string(row, place, value, styles.cells[ColumnKind.TEXT])


def _fill_read_me(sheet: Any, spec: Specification, styles: _Styles) -> None:
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 110, styles.words)
    sheet.write_string(0, 0, str(_("Import format: %(matrix)s", matrix=spec.matrix.title)), styles.title)
    row = 1
    for title, sentences in read_me(spec):
        row += 1
        if title is not None:
            sheet.write_string(row, 0, title, styles.section)
            row += 1
        for sentence in sentences:
            sheet.write_string(row, 0, sentence, styles.words)
            row += 1
    row += 1
    sheet.write_string(row, 0, str(_("Colours of the headings")), styles.section)
    for need, (label, _tone) in NEED_LABELS.items():
        row += 1
        sheet.write_string(row, 0, str(label), styles.headings[need])


__all__ = ["make_example", "make_template"]
