"""« Spécifications de l'interface d'import » of a matrix (guide 000, menu Imports): everything taken from the definition that validates.

The page, the PDF, the file "Format d'import" and its example are all made of what is gathered here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core.matrix import FieldKind, Matrix, Need
from app.core.matrix.checking import Checker, Reader
from app.core.matrix.definition import Choice, Description, describe, span_of
from app.core.tabular import Cell, CellKind
from app.core.ui.format import fr_number

from .domain import UNDO_KEPT
from .services import limits_of

#: A list of so many values is given where its column is described; a longer one in the annex.
SHORT: Final = 8
MEGABYTE: Final = 1024 * 1024

NEED_LABELS: Final[dict[Need, tuple[Any, str]]] = {
    Need.ALWAYS: (_l("Mandatory"), "danger"),
    Need.SOMETIMES: (_l("Mandatory in some cases"), "warning"),
    Need.NEVER: (_l("Optional"), "neutral"),
}


@dataclass(frozen=True, slots=True)
class Allowed:
    """A value of a list: what is written in the cell, and what may be written instead."""

    written: str
    words: str
    code: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """What is said of one column."""

    described: Description
    #: As a spreadsheet calls it in the file "Format d'import".
    letter: str
    #: When it has to be filled.
    needed: str
    #: What it holds.
    holds: str
    #: What else its cells follow: length, rules, help.
    rules: tuple[str, ...]
    example: str
    allowed: tuple[Allowed, ...]

    @property
    def name(self) -> str:
        """The technical name, which may stand for the heading."""
        return self.described.column.name

    @property
    def header(self) -> str:
        """The heading."""
        return self.described.header

    @property
    def need(self) -> Need:
        """Whether it has to be filled."""
        return self.described.need

    @property
    def kind(self) -> FieldKind:
        """What it holds, for programs."""
        return self.described.kind

    @property
    def aliases(self) -> tuple[str, ...]:
        """The other headings it goes under; the technical name does too, which programs know and nobody else has to read."""
        return self.described.column.aliases

    @property
    def shown_example(self) -> str:
        """The example where no number of a person stands, even an invented one: on pages and in documents."""
        if self.example and self.described.column.secret:
            return str(_("see the sheet “%(sheet)s” of the file “Format d’import” in XLSX or ODS", sheet=_("Example")))
        return self.example

    @property
    def listed(self) -> tuple[Allowed, ...]:
        """The values that have to be told one by one."""
        return () if span_of(self.described.choices) else self.allowed

    @property
    def in_annex(self) -> bool:
        """Whether its list is too long to stand beside it."""
        return len(self.listed) > SHORT


@dataclass(frozen=True, slots=True)
class Specification:
    """All that is said of the files of one matrix."""

    matrix: Matrix
    lines: tuple[Line, ...]
    #: Filled lines: by the name of the column.
    examples: tuple[dict[str, str], ...]
    #: The values of the examples as the form reads them, to type the cells of a spreadsheet.
    read: tuple[dict[str, Any], ...]

    @property
    def lists(self) -> tuple[Line, ...]:
        """The columns whose values are those of a list."""
        return tuple(line for line in self.lines if line.allowed)

    @property
    def annex(self) -> tuple[Line, ...]:
        """The columns whose list stands in the annex."""
        return tuple(line for line in self.lines if line.in_annex)

    @property
    def remarks(self) -> tuple[str, ...]:
        """The rules that the matrix states besides those of its columns."""
        words = (*(remark.words for remark in self.matrix.remarks), self.matrix.undoing)
        return tuple(str(one) for one in words if one)


def specify(matrix: Matrix) -> Specification:
    """Gather what is said of a matrix; value lists are read once."""
    checker = Checker(matrix)
    described = describe(matrix, checker.forms)
    lines = tuple(_line(place, one, checker.readers[one.column.name]) for place, one in enumerate(described))
    examples = tuple(_example(dict(given), lines, checker) for given in (matrix.examples or ({one.column.name: one.column.example for one in described},)))
    read = tuple({name: checker.readers[name].read(text_cell(words)).value for name, words in example.items()} for example in examples)
    return Specification(matrix, lines, examples, read)


def letter_of(place: int) -> str:
    """What a spreadsheet calls the column of this place, from 0."""
    from xlsxwriter.utility import xl_col_to_name  # the library is loaded by those who need it

    return str(xl_col_to_name(place))


def text_cell(words: str) -> Cell:
    """A cell of a text column."""
    return Cell(words, CellKind.TEXT) if words else Cell()


def _line(place: int, one: Description, reader: Reader) -> Line:
    column = one.column
    synonyms: dict[str, list[str]] = {}
    for words, value in column.synonyms:
        synonyms.setdefault(value, []).append(words)
    allowed = tuple(Allowed(_written(choice, reader), choice.words, choice.code, tuple(synonyms.get(choice.value, ()))) for choice in one.choices)
    rules = [_at_most(one.limit)] if one.limit and one.kind is not FieldKind.CHOICE and not column.digits else []
    rules += [rule for rule in one.rules if rule not in rules]
    if column.help:
        rules.append(str(column.help))
    example = column.example if reader.read(text_cell(column.example)).message is None else ""
    return Line(one, letter_of(place), _needed(one), _holds(one), tuple(rules), example or (allowed[0].written if allowed else ""), allowed)


def _at_most(limit: int) -> str:
    return str(ngettext("%(num)s character at most.", "%(num)s characters at most.", limit))


def _written(choice: Choice, reader: Reader) -> str:
    """What stands for a value and for no other: its words, or its code when two values have the same words."""
    for words in (choice.words, choice.code, choice.value):
        if words and reader.stands_for(words) == choice.value:
            return words
    return choice.words


def _needed(one: Description) -> str:
    if one.column.key:
        return str(_("Mandatory on every line: it tells what the line is about."))
    if one.need is Need.SOMETIMES:
        return str(_("Mandatory %(when)s.", when=one.column.when))
    return str(_("Mandatory on a line that creates something.")) if one.need is Need.ALWAYS else str(_("Optional."))


def _holds(one: Description) -> str:
    span = span_of(one.choices)
    if span is not None:
        return str(_("A whole number from %(first)s to %(last)s", first=span[0], last=span[1]))
    if one.kind is FieldKind.CODE and one.column.digits:
        lengths = str(_(" or ")).join(str(length) for length in one.column.digits)
        return str(_("Code of %(lengths)s characters, in a column of the format “Text”", lengths=lengths))
    words = {
        FieldKind.TEXT: _("Text"),
        FieldKind.CODE: _("Code, in a column of the format “Text”"),
        FieldKind.DATE: _("Date, dd/mm/yyyy"),
        FieldKind.NUMBER: _number(one.places),
        FieldKind.CHOICE: _("A value of the list"),
        FieldKind.YES_NO: _("“oui” or “non”"),
    }
    return str(words[one.kind])


def _number(places: int) -> str:
    if not places:
        return str(_("A whole number"))
    return str(ngettext("A number, %(num)s decimal at most", "A number, %(num)s decimals at most", places))


def _example(given: dict[str, str], lines: tuple[Line, ...], checker: Checker) -> dict[str, str]:
    """A filled line that the present rules accept: value lists change, and what is mandatory is filled."""
    filled: dict[str, str] = {}
    for line in lines:
        words = given.get(line.name, "")
        needed = bool(words) or line.need is Need.ALWAYS
        if checker.readers[line.name].read(text_cell(words)).message is not None:
            words = ""
        if not words and needed and line.allowed:
            words = line.allowed[0].written
        filled[line.name] = words
    return filled


# ---- what is true of every matrix ---------------------------------------------------------------------------------------


def files_accepted(matrix: Matrix) -> list[str]:
    """Formats, sizes, characters, separators."""
    limits = limits_of(matrix)
    return [
        str(_(
            "XLSX, ODS or CSV: %(size)s MB, %(lines)s lines and %(columns)s columns at most, %(cell)s characters in a cell.",
            size=limits.size // MEGABYTE, lines=fr_number(limits.lines), columns=limits.columns, cell=fr_number(limits.cell),
        )),
        str(_("Only the first sheet of a spreadsheet is read: the report says how many others there are.")),
        str(_("CSV: in UTF-8 (with or without its mark), UTF-16 or Windows-1252; separated by semicolons, commas, tabs or vertical bars (|).")),
        str(_("What cannot be seen or trusted is refused, and the report says where: formulas, macros, merged cells, hidden lines, a password.")),
    ]  # fmt: skip


def what_each_format_holds() -> list[str]:
    """What is found in « Format d'import », by format."""
    return [
        str(_(
            "XLSX and ODS: a sheet to fill in, whose headings say by a note what is expected and whose cells offer the values of the lists; on other sheets, "
            "these values and their codes, filled lines as an example, and explanations. Only the first sheet is read when the file is sent."
        )),
        str(_("CSV: the headings alone. A CSV file has one sheet, without notes or lists: the values are those of this specification.")),
        str(_("Filled example (CSV): the same headings and the lines of the example, to be replaced by yours.")),
    ]  # fmt: skip


def how_to_fill() -> list[str]:
    """Headings, dates, lists, blanks."""
    return [
        str(_("The first line names the columns, in any order; capitals and accents do not count. Columns that are not filled may be left out.")),
        str(_("A heading that the portal does not know is shown to you after the file is sent; what you answer is remembered for your organisation.")),
        str(_("Dates: dd/mm/yyyy (also d/m/yyyy, dd-mm-yyyy, dd.mm.yyyy, ddmmyyyy or yyyy-mm-dd), or a date of the spreadsheet. The year has four figures.")),
        str(_("Lists: the value as it is written here, or its code; capitals and accents do not count.")),
        str(_("Numbers: with a decimal comma or point.")),
        str(_("Blank lines are passed over, and blanks around a value do not count.")),
        str(_(
            "Nothing is saved when the file is sent: you see what each line would do, then you decide. A whole import can be undone for %(days)s days.",
            days=UNDO_KEPT.days,
        )),
    ]  # fmt: skip


def what_is_damaged() -> list[str]:
    """What a spreadsheet does to codes, and how to avoid it."""
    return [
        str(_("Zeros at the beginning get lost: the postal code 01000 becomes 1000.")),
        str(_("A long number becomes a power of ten (1,62071E+14) and its last figures are lost for good: a NIR must be typed again.")),
        str(_("A value with a slash or a hyphen becomes a date: 3-4 becomes 3 April.")),
        str(_("To avoid it: give the columns of codes the format “Text” before typing or pasting. Those of the file “Format d’import” have it already.")),
        str(_("A CSV file opened by a double click is damaged at once: open it by the import of data of your spreadsheet, with columns of text.")),
        str(_("The portal names each cell that was damaged, and never guesses what stood there.")),
    ]


__all__ = [
    "MEGABYTE", "NEED_LABELS", "SHORT", "Allowed", "Line", "Specification", "files_accepted", "how_to_fill", "letter_of", "specify", "text_cell",
    "what_each_format_holds", "what_is_damaged",
]  # fmt: skip
