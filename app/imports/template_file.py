"""« Format d'import » of a matrix (guide 000, menu Imports): the file to fill in, made of the definition that validates.

The first sheet is the one to fill in, and the only one that is read; lists, example and explanations stand on others.
"""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal
from typing import Any, Final

from flask import current_app
from flask_babel import gettext as _

from app.core import clock
from app.core.matrix import FieldKind, Need
from app.core.tabular.writing import ColumnKind, FileFormat, Heading, write
from app.core.ui.forms import FIRST_YEAR, LAST_YEAR

from .services import LIMITS
from .specification import NEED_LABELS, Line, Specification, files_accepted, how_to_fill, what_is_damaged

#: How the cells of a column are held.
_HELD: Final = {FieldKind.DATE: ColumnKind.DATE, FieldKind.NUMBER: ColumnKind.NUMBER}
#: Ground and ink of a heading; its note says the same in words.
_COLOURS: Final = {Need.ALWAYS: ("#1F4E8C", "#FFFFFF"), Need.SOMETIMES: ("#FFE3A3", "#1A1A1A"), Need.NEVER: ("#E6E6E6", "#1A1A1A")}
#: What spreadsheets keep of the words shown when a value is not right, and of a note.
_TITLE, _MESSAGE, _NOTE = 32, 255, 900


def make_template(spec: Specification, kind: FileFormat) -> bytes:
    """The file to fill in: a workbook, or the headings alone."""
    if kind is FileFormat.XLSX:
        return _workbook(spec)
    headings = [Heading(line.header, _HELD.get(line.kind, ColumnKind.TEXT), _width(line)) for line in spec.lines]
    return b"".join(write(kind, spec.matrix.sheet_name, headings, ()))


def _width(line: Line) -> int:
    longest = max([len(line.example), *(len(one.written) for one in line.allowed)])
    return max(12, min(len(line.header) + 2, 24), min(longest + 2, 30))


def _workbook(spec: Specification) -> bytes:
    from xlsxwriter import Workbook

    target = io.BytesIO()
    workbook = Workbook(target, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False})
    title = str(_("Import format: %(matrix)s", matrix=spec.matrix.title))
    workbook.set_properties({"title": title, "author": current_app.config["PORTAL_NAME"], "created": clock.now().replace(tzinfo=None)})
    styles = _Styles(workbook)
    taken: set[str] = set()
    sheets = [
        workbook.add_worksheet(_free(name, taken))
        for name in (spec.matrix.sheet_name, str(_("Lists")), str(_("Example")), str(_("Read me")))
    ]
    lists = _fill_lists(sheets[1], spec, styles)
    _fill_headings(sheets[0], spec, styles)
    _add_rules(sheets[0], spec, lists)
    _fill_headings(sheets[2], spec, styles)
    _fill_example(sheets[2], spec, styles)
    _fill_read_me(sheets[3], spec, styles)
    sheets[0].activate()
    workbook.close()
    return target.getvalue()


def _free(name: str, taken: set[str]) -> str:
    """A name that no sheet has yet (spreadsheets compare them without case), without the characters that they keep for themselves."""
    name = "".join(" " if character in "[]:*?/\\'" else character for character in name).strip()
    free, number = name[:31].strip(), 2
    while free.casefold() in taken:
        free, number = f"{name[:27]} ({number})", number + 1
    taken.add(free.casefold())
    return free


class _Styles:
    """The formats of cells."""

    def __init__(self, workbook: Any) -> None:
        kinds = {ColumnKind.TEXT: 49, ColumnKind.DATE: "dd/mm/yyyy", ColumnKind.NUMBER: "General"}
        self.cells = {kind: workbook.add_format({"num_format": shape}) for kind, shape in kinds.items()}
        self.headings = {
            need: workbook.add_format(
                {"bold": True, "bg_color": ground, "font_color": ink, "border": 1, "text_wrap": True, "valign": "vcenter", "num_format": 49}
            )
            for need, (ground, ink) in _COLOURS.items()
        }  # fmt: skip
        self.title = workbook.add_format({"bold": True, "font_size": 14})
        self.section = workbook.add_format({"bold": True})
        self.words = workbook.add_format({"text_wrap": True, "valign": "top"})


def _fill_headings(sheet: Any, spec: Specification, styles: _Styles) -> None:
    sheet.freeze_panes(1, 0)
    sheet.set_row(0, 48)
    sheet.set_comments_author(current_app.config["PORTAL_NAME"])
    for place, line in enumerate(spec.lines):
        sheet.set_column(place, place, _width(line), styles.cells[_HELD.get(line.kind, ColumnKind.TEXT)])
        sheet.write_string(0, place, line.header, styles.headings[line.need])
        sheet.write_comment(0, place, _note(line), {"x_scale": 2.2, "y_scale": 1.8})


def _note(line: Line) -> str:
    said = [line.needed, f"{line.holds}.", *line.rules]
    if line.allowed:
        said.append(str(_("Values: see the sheet “%(sheet)s”.", sheet=_("Lists"))))
    if line.example:
        said.append(str(_("Example: %(example)s", example=line.example)))
    return "\n".join(said)[:_NOTE]


def _fill_lists(sheet: Any, spec: Specification, styles: _Styles) -> dict[str, str]:
    """Each list in a column, its codes in the next one; gives where the values of each column of the matrix stand."""
    from xlsxwriter.utility import xl_range_abs

    found: dict[str, str] = {}
    sheet.freeze_panes(1, 0)
    place = 0
    for line in spec.lists:
        sheet.write_string(0, place, line.header, styles.section)
        sheet.set_column(place, place, _width(line), styles.cells[ColumnKind.TEXT])
        for row, one in enumerate(line.allowed, start=1):
            sheet.write_string(row, place, one.written)
        found[line.name] = f"='{sheet.get_name()}'!{xl_range_abs(1, place, len(line.allowed), place)}"
        place += 1
        if any(one.code for one in line.allowed):
            sheet.write_string(0, place, str(_("Code: %(heading)s", heading=line.header)), styles.section)
            sheet.set_column(place, place, 12, styles.cells[ColumnKind.TEXT])
            for row, one in enumerate(line.allowed, start=1):
                sheet.write_string(row, place, one.code)
            place += 1
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
    for row, (example, read) in enumerate(zip(spec.examples, spec.read, strict=True), start=1):
        for place, line in enumerate(spec.lines):
            words, value = example[line.name], read[line.name]
            if line.kind is FieldKind.DATE and isinstance(value, date):
                sheet.write_datetime(row, place, value, styles.cells[ColumnKind.DATE])
            elif line.kind is FieldKind.NUMBER and isinstance(value, int | Decimal):
                sheet.write_number(row, place, value, styles.cells[ColumnKind.NUMBER])
            elif words:
                sheet.write_string(row, place, words, styles.cells[ColumnKind.TEXT])


def _fill_read_me(sheet: Any, spec: Specification, styles: _Styles) -> None:
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 110, styles.words)
    sheet.write_string(0, 0, str(_("Import format: %(matrix)s", matrix=spec.matrix.title)), styles.title)
    row = 1
    sections = [
        (None, [str(spec.matrix.purpose), str(_("Fill in the first sheet only; a filled line is shown on the sheet “%(sheet)s”.", sheet=_("Example")))]),
        (_("Files accepted"), files_accepted(spec.matrix)),
        (_("How to fill in the file"), how_to_fill()),
        (_("Rules of this matrix"), list(spec.remarks)),
        (_("What a spreadsheet damages"), what_is_damaged()),
    ]
    for title, sentences in sections:
        row += 1
        if title is not None:
            sheet.write_string(row, 0, str(title), styles.section)
            row += 1
        for sentence in sentences:
            sheet.write_string(row, 0, sentence, styles.words)
            row += 1
    row += 1
    sheet.write_string(row, 0, str(_("Colours of the headings")), styles.section)
    for need, (label, _tone) in NEED_LABELS.items():
        row += 1
        sheet.write_string(row, 0, str(label), styles.headings[need])


__all__ = ["make_template"]
