"""The words of a file that people send: why it is refused, what a spreadsheet did to a code. The same in every import."""

from __future__ import annotations

from typing import Final

from flask_babel import gettext as _

from app.core.nir.text import without_numbers
from app.core.tabular.damage import Damage
from app.core.tabular.faults import Fault, Refused
from app.core.ui.format import fr_number

#: Faults whose column is a character of the line, in a text: no cells were told apart yet.
_CHARACTERS: Final = (Fault.UNDECODABLE, Fault.FORBIDDEN_CHARACTER)


def column_letters(column: int) -> str:
    """What a spreadsheet calls a column, from 1: A, Z, AA."""
    letters = ""
    while column > 0:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def refused(error: Refused) -> str:
    """Why a file was not read, where, and what to do."""
    words = _sentence(error)
    if error.line is None:
        return words if error.column is None else str(_("Column %(column)s: %(words)s", column=_column(error), words=words))
    if error.column is None:
        return str(_("Line %(line)s: %(words)s", line=error.line, words=words))
    if error.fault in _CHARACTERS and error.in_text:
        return str(_("Line %(line)s, character %(column)s: %(words)s", line=error.line, column=error.column, words=words))
    return str(_("Line %(line)s, column %(column)s: %(words)s", line=error.line, column=_column(error), words=words))


def lettered(column: int, heading: str) -> str:
    """A column, from 1, as its spreadsheet shows it and as its heading calls it: F « Remarque »."""
    letters = column_letters(column)
    return f"{letters} « {without_numbers(heading)} »" if heading else letters


def _column(error: Refused) -> str:
    return lettered(error.column or 0, error.heading)


def _sentence(error: Refused) -> str:
    value = without_numbers(error.value) if isinstance(error.value, str) else error.value  # a heading may be anything
    if isinstance(value, int):
        value = fr_number(value)
    sentences = {
        Fault.EMPTY: _("This file is empty: fill in the template under its first line."),
        Fault.FIRST_SHEET_EMPTY: _(
            "The first sheet, « %(value)s », is empty, and only the first one is read: move the sheet of the table to the first place.", value=value
        ),
        Fault.ONLY_HEADER: _("This file has only its first line, which names the columns: fill in the lines under it."),
        Fault.TOO_LARGE: _("This file is too large: %(value)s MB at most. Cut it in several.", value=value),
        Fault.TOO_LARGE_UNPACKED: _("This spreadsheet is too large once unpacked. Copy the useful lines into a new one."),
        Fault.TOO_MUCH_TEXT: _("This file holds too much text for one import. Cut it in several."),
        Fault.TOO_LONG_TO_READ: _(
            "This file would take too long to read: it holds very many blank cells, or is written in an unusual way. Copy its lines, without the blank ones, "
            "into a new workbook, save it, then send that one."
        ),
        Fault.TOO_MANY_LINES: _("This file has too many lines: %(value)s at most. Cut it in several.", value=value),
        Fault.TOO_MANY_COLUMNS: _("This file has too many columns: %(value)s at most. Start from the template.", value=value),
        Fault.CELL_TOO_LONG: _("A cell is too long: %(value)s characters at most. Shorten it.", value=value),
        Fault.UNKNOWN_FORMAT: _("This is not a table: send an XLSX, ODS or CSV file."),
        Fault.NOT_AS_NAMED: _(
            "The name of this file ends in « %(value)s », but its content is something else: open it where it was made and save it as XLSX, ODS or CSV.",
            value=value,
        ),
        Fault.TEXT_AS_SHEET: _(
            "The name of this file ends in « %(value)s », but it is no workbook: it is a text file, and no table was found in it. Open the table where it was"
            " made and save it as XLSX or ODS; if it is a CSV file, give it a name that ends in « .csv ».",
            value=value,
        ),
        Fault.OLD_FORMAT: _("This file is in the old XLS format: open it and save it as XLSX."),
        Fault.BINARY_WORKBOOK: _("This file is in the binary XLSB format: open it and save it as XLSX."),
        Fault.MACROS: _("This file holds macros, which are never accepted: save it as an « Excel workbook (.xlsx) », without macros."),
        Fault.UNREADABLE: _("This spreadsheet cannot be read: open it and save it again as XLSX, or as CSV."),
        Fault.ENCRYPTED: _("This file is locked by a password: save it without a password."),
        Fault.FORMULA: _("A cell is computed by a formula: replace it by its value (copy, then paste values)."),
        Fault.ERROR_CELL: _("A cell holds the error %(value)s of the spreadsheet: type its value, or empty it.", value=value),
        Fault.MERGED_CELLS: _(
            "Cells are merged: what they say of each line is not guessed. Undo the merge, then fill in each cell of these lines."
        ),
        Fault.HIDDEN_SHEET: _(
            "The first sheet, « %(value)s », is hidden, and only the first one is read: show it, or move the sheet of the table to the first place.",
            value=value,
        ),
        Fault.HIDDEN_LINE: _("This line is hidden (or filtered): what is not seen is not imported. Show all lines, or delete those that are hidden."),
        Fault.FILTERED_LINES: _(
            "This line is hidden by a filter: what is not seen is not imported. Remove the filter, or copy the lines shown into a new file."
        ),
        Fault.HIDDEN_COLUMN: _("This column is hidden: what is not seen is not imported. Show it, or delete it."),
        Fault.UNDECODABLE: _("A character cannot be read: save the file as « CSV UTF-8 »."),
        Fault.FORBIDDEN_CHARACTER: _("A cell holds an invisible control character: type it again."),
        Fault.BAD_QUOTES: _("A quotation mark is opened and not closed, or misplaced: check the quotation marks of this line."),
        Fault.NO_HEADER: _("The first line must name the columns: start from the template."),
        Fault.UNKNOWN_HEADER: _(
            "No heading of the matrix « %(value)s » was recognised in the first line of this file: check that it names the columns and that this is the right"
            " matrix, or start from the template.",
            value=value,
        ),
        Fault.HEADER_BELOW: _(
            "this line looks like the headings of the table, and the first line of the file has to be that one. Remove the lines above it (title, date,"
            " logo), then send the file again."
        ),
        Fault.SAME_HEADER_TWICE: _("The column « %(value)s » is there twice: remove one.", value=value),
        Fault.TOO_MUCH_WRONG: _(
            "Too many cells are to be mended to show them all, most of them in the columns %(value)s. Check a few lines against the specification,"
            " mend the whole column in your file and send it again.",
            value=value,
        ),
    }
    return str(sentences[error.fault])


def damaged(damage: Damage, shown: str, *lengths: int) -> str:
    """What a spreadsheet did to a code, of so many characters, and the cure. ``shown`` is what of it may be repeated."""
    length = str(_(" or ")).join(str(one) for one in lengths)
    sentences = {
        Damage.SCIENTIFIC: _(
            "The spreadsheet replaced the code by a power of ten, and its last figures are lost. Give the column the Text format, then type the code again"
            " or copy it from its source."
        ),
        Damage.DECIMAL: _("The spreadsheet turned the code into a decimal figure. Give the column the Text format, then type the code again."),
        Damage.FIGURE: _(
            "The spreadsheet holds the code as a figure, in which zeros and last figures get lost: %(length)s characters are expected. Give the column the"
            " Text format, then type the code again.",
            length=length,
        ),
        Damage.LOST_ZERO: _(
            "The spreadsheet probably dropped zeros at the beginning of the code: %(length)s characters are expected. Give the column the Text format, then"
            " type the code again with its zeros.",
            length=length,
        ),
        Damage.DATE: _("The spreadsheet turned the code into a date. Give the column the Text format, then type the code again."),
    }
    words = str(sentences[damage])
    return str(_("« %(value)s »: %(words)s", value=shown, words=words[:1].lower() + words[1:])) if shown else words
