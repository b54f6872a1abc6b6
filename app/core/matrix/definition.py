"""What a file of a kind holds: its columns, each read by the field of a form, and the rules that bind several of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from wtforms import DecimalField, Field, Form, IntegerField, RadioField, SelectField
from wtforms.validators import InputRequired, Length

from app.core.ui.forms import FrDateField, FrDecimalField, YesNoField


class Need(StrEnum):
    """Whether a cell has to be filled for a line that makes something new; a line that changes something may leave any but the keys blank."""

    ALWAYS = "always"
    SOMETIMES = "sometimes"
    NEVER = "never"


class FieldKind(StrEnum):
    """What a cell holds, as the specification says it and as the template types it."""

    TEXT = "text"
    CODE = "code"  # digits, or digits and letters, that must stay as they are
    DATE = "date"
    NUMBER = "number"
    CHOICE = "choice"
    YES_NO = "yes_no"


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a closed list: what the field of the form takes, and what may stand in the cell."""

    value: str
    words: str
    code: str = ""
    #: What else it is called.
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``name`` is the field of ``form`` that reads its cells."""

    name: str
    form: type[Form]
    #: When the form's own label does not say enough outside its page.
    header: Any = ""
    #: Other headers it goes under.
    aliases: tuple[str, ...] = ()
    #: When a cell that is not always needed has to be filled.
    when: Any = ""
    help: Any = ""
    example: str = ""
    #: Other words for values of a closed list: (words, value of the form).
    synonyms: tuple[tuple[str, str], ...] = ()
    #: Tells which person or thing the line is about: always to be filled.
    key: bool = False
    #: A code of that many digits, which a spreadsheet shortens or turns into a figure.
    digits: tuple[int, ...] = ()
    #: A short code that a spreadsheet may have made a figure of: what is read says so (``checking.Figure``).
    figures: bool = False
    #: What is read here is the number of a person: it is masked wherever it is shown.
    secret: bool = False
    #: The shape it must have, when the form judges it with other columns (the NIR and its key).
    kind: FieldKind | None = None

    def field(self, form: Any) -> Field:
        """The field of this column in an instance of the form."""
        return form[self.name]


@dataclass(frozen=True, slots=True)
class Group:
    """A rule over several columns of one form: ``judge`` reads ``data`` of these fields and puts what is wrong into their ``errors``.

    It may change ``data``: a town takes the spelling of the table.
    """

    columns: tuple[str, ...]
    judge: Callable[[Any], None]
    #: Reads at once what ``judge`` looks up: given the form, and by column the values that are to be judged.
    prepare: Callable[[Any, Mapping[str, Collection[Any]]], None] | None = None


#: Values that are told one by one, even if they are numbers in a row.
_FEW: Final = 8
#: Stands for the value of a cell that holds something which could not be read.
UNREAD: Final = object()
#: Judges what the cells of a line say together, whatever the portal holds.  It is given the cells that hold something (their value, or ``UNREAD``), and
#: gives columns with what is wrong; None: the cell has to be filled.
LineJudge = Callable[[Mapping[str, Any]], Iterable[tuple[str, str | None]]]


@dataclass(frozen=True, slots=True)
class Remark:
    """A rule that the specification states besides those of each column."""

    words: Any


@dataclass(frozen=True)
class Matrix:
    """A kind of file."""

    #: As it stands in addresses and in the database.
    name: str
    title: Any
    #: What the file does, in a sentence or two.
    purpose: Any
    columns: tuple[Column, ...]
    groups: tuple[Group, ...] = ()
    remarks: tuple[Remark, ...] = ()
    #: Lines of the filled example: column → cell.
    examples: tuple[Mapping[str, str], ...] = field(default=())
    #: The rules over columns of several forms that need no data: also judged for whoever checks a file without an account.
    alone: LineJudge | None = None
    #: Headings of the portal's own exports that are no column of it: they are known, and not read.
    left_out: tuple[Any, ...] = ()
    #: How many lines a file may have, when that is less than what is read of any file: its lines take long, and a work ends within its time.
    most_lines: int | None = None
    #: What a line that creates something makes, as the report calls it.
    makes: Any = ""
    #: The name of its sheet in the template, when a spreadsheet would cut the title.
    sheet: Any = ""
    #: What undoing a whole file does.
    undoing: Any = ""
    #: What is left of a file of which each line was undone, if anything is.
    remains: Any = ""

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by their name."""
        return {column.name: column for column in self.columns}

    @property
    def sheet_name(self) -> str:
        """What its sheet is called."""
        return str(self.sheet or self.title)

    @property
    def keys(self) -> tuple[Column, ...]:
        """The columns that say whom or what a line is about."""
        return tuple(column for column in self.columns if column.key)

    def forms(self) -> dict[type[Form], Any]:
        """An instance of each form, empty: they judge the cells."""
        return {form: form(formdata=None) for form in dict.fromkeys(column.form for column in self.columns)}


@dataclass(frozen=True, slots=True)
class Description:
    """What the specification says of one column, all of it taken from the form's field."""

    column: Column
    header: str
    need: Need
    kind: FieldKind
    limit: int | None
    choices: tuple[Choice, ...]
    #: Figures after the comma of a number, at most.
    places: int
    #: The bounds and shape that the field states itself.
    rules: tuple[str, ...]


def header_of(column: Column) -> str:
    """The heading of a column, as the screen calls it; read from the class of the form, so that no value list is."""
    return str(column.header or label_of(column.form, column.name))


def label_of(form: type[Form], name: str) -> Any:
    """The label of a field, read from the class of its form."""
    unbound: Any = getattr(form, name)
    return unbound.args[0] if unbound.args else unbound.kwargs["label"]


def describe(matrix: Matrix, forms: Mapping[type[Form], Any] | None = None) -> list[Description]:
    """Every column, in order; within a request or a job, because value lists are read, unless ``forms`` hold them already."""
    forms = matrix.forms() if forms is None else forms
    return [_description(column, column.field(forms[column.form])) for column in matrix.columns]


def _description(column: Column, control: Field) -> Description:
    limit = next((one.max for one in control.validators if isinstance(one, Length) and one.max > 0), None)
    rules = tuple(str(one.message) for one in control.validators if getattr(one, "message", None) and not isinstance(one, InputRequired))
    places = getattr(control, "places", None) or 0
    return Description(column, header_of(column), need_of(column, control), kind_of(column, control), limit, choices_of(control), places, rules)


def need_of(column: Column, control: Field) -> Need:
    """Keys and what the form requires are always needed."""
    if column.key:
        return Need.ALWAYS
    if column.when:
        return Need.SOMETIMES
    return Need.ALWAYS if is_required(control) else Need.NEVER


def is_required(control: Field) -> bool:
    """Whether the form asks for an answer."""
    return any(isinstance(one, InputRequired) for one in control.validators)


def kind_of(column: Column, control: Field) -> FieldKind:
    """What the cells of a column hold."""
    if column.kind is not None:
        return column.kind
    if column.digits:
        return FieldKind.CODE
    if isinstance(control, YesNoField) or type(control).__name__ == "BooleanField":
        return FieldKind.YES_NO
    if isinstance(control, SelectField | RadioField):
        return FieldKind.CHOICE
    if isinstance(control, FrDateField):
        return FieldKind.DATE
    if isinstance(control, FrDecimalField | DecimalField | IntegerField):
        return FieldKind.NUMBER
    return FieldKind.TEXT


def choices_of(control: Field) -> tuple[Choice, ...]:
    """The values of a closed list, without the line that stands for "nothing chosen"."""
    if isinstance(control, YesNoField) or not isinstance(control, SelectField | RadioField):
        return ()
    codes: Mapping[str, str] = getattr(control, "codes", {})
    also: Mapping[str, tuple[str, ...]] = getattr(control, "also", {})
    return tuple(
        Choice(str(value), str(label), codes.get(str(value), ""), also.get(str(value), ())) for value, label, *_rest in control.iter_choices() if str(value)
    )


def span_of(choices: Sequence[Choice]) -> tuple[int, int] | None:
    """The first and last of a list of whole numbers without a gap, which nobody has to read one by one: years."""
    if len(choices) <= _FEW or not all(one.words.isdecimal() and one.words == one.value and not one.code for one in choices):
        return None
    numbers = sorted(int(one.words) for one in choices)
    return (numbers[0], numbers[-1]) if numbers == list(range(numbers[0], numbers[-1] + 1)) else None


def headers(matrix: Matrix) -> Sequence[str]:
    """The headings, in order."""
    return [header_of(column) for column in matrix.columns]


__all__ = [
    "UNREAD", "Choice", "Column", "Description", "FieldKind", "Group", "LineJudge", "Matrix", "Need", "Remark", "choices_of", "describe", "header_of",
    "headers", "is_required", "kind_of", "label_of", "need_of", "span_of",
]  # fmt: skip
