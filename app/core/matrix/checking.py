"""The cells of a file, read and judged by the fields of the forms: each distinct content once, however many lines hold it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from wtforms import Field, RadioField, SelectField, StringField
from wtforms.validators import InputRequired, Length, Optional, StopValidation, ValidationError

from app.core.tabular.damage import damage_of
from app.core.tabular.labels import damaged
from app.core.tabular.table import Cell, CellKind
from app.core.textsearch import fold
from app.core.ui.kept_text import no_number

from . import findings
from .definition import UNREAD, Choice, Column, FieldKind, Group, Matrix, choices_of, describe, is_required, kind_of, span_of
from .findings import Finding

#: What people write for yes and no.
_YES: Final = frozenset({"oui", "o", "yes", "vrai", "1", "x"})
_NO: Final = frozenset({"non", "n", "no", "faux", "0"})

#: After a day, the time that databases and programs write where there is none.
_MIDNIGHT: Final = re.compile(r"(?<=[0-9])[T ]00?:00(?::00(?:[.,]0+)?)?(?:Z|[+-]00:?00)?\Z")


class Read(NamedTuple):
    """What a cell gives: its value, or the sentence that says why it gives none."""

    value: Any
    message: str | None = None


class Figure(str):
    """A text that a spreadsheet holds as a figure: zeros before it may be lost."""

    __slots__ = ()


#: Distinct combinations that a judge remembers.
_MOST_KNOWN: Final = 20_000
#: A cell that holds nothing; whether something had to stand there depends on what the line does.
BLANK: Final = Read(None)


class Reader:
    """Reads the cells of one column."""

    def __init__(self, column: Column, control: Field, form: Any) -> None:
        self.column = column
        self.required = is_required(control)
        self._form = form
        self._control = control
        self._kind = kind_of(column, control)
        self._judge = _of_text(control, form) if isinstance(control, StringField) else self._by_form
        if self._kind is FieldKind.YES_NO:
            self._judge = _yes_no
        elif isinstance(control, SelectField | RadioField):
            self._judge = self._choice
            self._known = {fold(words): value for words, value in column.synonyms} | _known_choices(control)
            self._taken: dict[str, Read] = {}

    def read(self, cell: Cell) -> Read:
        """The value of a cell, or what is wrong with it by itself."""
        return self._new(cell) if cell.text else BLANK

    def column_of(self, cells: Sequence[Cell]) -> tuple[list[Any], dict[int, str]]:
        """The same for a whole column: what each cell gives, and the sentences of those that give nothing, by their place.

        Cells that are one object are judged once.
        """
        places = list(map(id, cells))
        read = {place: self.read(cell) for place, cell in dict(zip(places, cells, strict=True)).items()}
        values = {place: found.value for place, found in read.items()}
        wrong = {place: found.message for place, found in read.items() if found.message}
        said = {order: wrong[place] for order, place in enumerate(places) if place in wrong} if wrong else {}
        return list(map(values.__getitem__, places)), said

    def choices(self) -> tuple[Choice, ...]:
        """The values of a closed list, with their words."""
        return choices_of(self._control)

    def stands_for(self, words: str) -> str | None:
        """The value of a closed list that these words are."""
        return self._known.get(fold(words))

    @cached_property
    def _not_in_list(self) -> str:
        return not_in_list(self._control)

    def _new(self, cell: Cell) -> Read:
        if self.column.digits:
            damage = damage_of(cell.text, cell.kind, *self.column.digits)
            if damage is not None:
                return Read(None, damaged(damage, "", *self.column.digits))
        elif cell.kind is CellKind.DATE and self._kind is not FieldKind.DATE:
            return Read(None, _("A spreadsheet made a date of it: give the column the format “Text”, then write it again."))
        read = self._judge(_MIDNIGHT.sub("", cell.text) if self._kind is FieldKind.DATE else cell.text)
        figure = self.column.figures and cell.kind is CellKind.NUMBER and isinstance(read.value, str)
        return Read(Figure(read.value)) if figure else read

    def _choice(self, words: str) -> Read:
        known = self.stands_for(words)
        if known is None:
            return Read(None, self._not_in_list)
        read = self._taken.get(known)
        if read is None:  # a form goes through its whole list: once for each value
            read = self._taken[known] = self._by_form(known)
        return read

    def _by_form(self, words: str) -> Read:
        """As the form reads it: conversion, filters and validators of the field."""
        control = self._control
        control.process(MultiDict([(control.name, words)]))
        if control.validate(self._form):
            return BLANK if control.data == "" else Read(control.data)
        return Read(None, impersonal(str(control.errors[0]), words, control.data))


def impersonal(message: str, *typed: Any) -> str:
    """What a form says, without what stands in the cell: it is shown beside it, and lines with the same thing to mend are counted together."""
    for words in typed:
        if isinstance(words, str) and words:
            quoted = re.compile(rf"[«“]\s*{re.escape(words[:60])}\s*[»”]")
            begun = re.match(rf"{quoted.pattern}\s*:\s*", message)
            if begun is not None:
                message = message[begun.end() : begun.end() + 1].upper() + message[begun.end() + 1 :]
            message = quoted.sub(lambda found: str(_("This value") if found.start() == 0 else _("this value")), message)
    return message


def not_in_list(control: Field) -> str:
    """What may stand there, in full when that is short."""
    choices = choices_of(control)
    span = span_of(choices)
    if span is not None:
        return str(_("Not one of the values allowed: write a whole number from %(first)s to %(last)s.", first=span[0], last=span[1]))
    words = [choice.words for choice in choices]
    if len(words) <= 6:
        return str(_("Not one of the values allowed. Write one of these: %(values)s.", values=", ".join(words).removesuffix(".")))
    return str(_("Not one of the values allowed: take one of the list that the specification gives."))


def _known_choices(control: Field) -> dict[str, str]:
    """Codes and words, without case or accents, of the values of a list; words that two of them share stand for neither."""
    known: dict[str, str | None] = {}
    for choice in choices_of(control):
        for words in {fold(choice.words), fold(choice.code), fold(choice.value) if not choice.value.isdigit() else ""} - {""}:
            known[words] = choice.value if known.get(words, choice.value) == choice.value else None
    also: dict[str, str | None] = {}
    for choice in choices_of(control):
        for words in {fold(one) for one in choice.also} - known.keys():
            also[words] = choice.value if also.get(words, choice.value) == choice.value else None
    known |= also
    return {words: value for words, value in known.items() if value is not None}


def _yes_no(words: str) -> Read:
    said = fold(words)
    if said in _YES or said in _NO:
        return Read(said in _YES)
    return Read(None, _("Write “oui” or “non”."))


def _of_text(control: Field, form: Any) -> Callable[[str], Read]:
    """A text as the form reads it: filters, then validators, without what WTForms does around them (a test compares both)."""
    lengths = [one for one in control.validators if isinstance(one, Length) and one.min <= 0]  # those that ask for a least length say so themselves
    rules = [one for one in control.validators if not isinstance(one, Optional | InputRequired) and one not in lengths]
    limit = next((one.max for one in lengths if one.max > 0), None)
    if control.name in form.kept_texts():
        rules.append(no_number)

    def judge(words: str) -> Read:
        data: Any = words
        for changed in control.filters:
            data = changed(data)
        if data in ("", None):
            return BLANK
        if limit is not None and len(data) > limit:
            return Read(None, str(_("Too long: %(most)s characters at most.", most=limit)))
        control.data, control.raw_data, control.errors = data, [words], []
        for rule in rules:
            try:
                rule(form, control)
            except (StopValidation, ValidationError) as error:
                return Read(None, impersonal(str(error.args[0]) if error.args else "", words, control.data))
        return Read(control.data)

    return judge


@dataclass(slots=True)
class Checked:
    """A file read: the lines, what each column gives for each of them (by place), and what is wrong so far.

    ``values[name][place]`` is None where nothing stands or nothing could be read; a column that the file lacks is not among them.
    """

    lines: list[int]
    values: dict[str, list[Any]]
    findings: list[Finding] = field(default_factory=list)

    def wrong_lines(self) -> set[int]:
        """The lines with something to mend."""
        return {finding.line for finding in self.findings}


class Checker:
    """Reads whole files, or single lines, of one matrix."""

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix
        self.forms = matrix.forms()
        self.readers = {column.name: Reader(column, column.field(self.forms[column.form]), self.forms[column.form]) for column in matrix.columns}

    def check(
        self, lines: Sequence[int], cells: dict[str, list[Cell]], *, progress: Callable[[int, int], None] | None = None
    ) -> Checked:
        """Each cell by itself; ``cells`` holds one list a column that the file has, and is emptied: nothing is held twice.

        Raises Refused when too much is wrong.
        """
        checked = Checked(list(lines), {})
        names = [name for name in self.readers if name in cells]
        for done, name in enumerate(names):
            checked.values[name], wrong = self.readers[name].column_of(cells.pop(name))
            checked.findings += [Finding(lines[place], name, message) for place, message in wrong.items()]
            if len(checked.findings) > findings.MOST:
                raise findings.too_many([checked.findings], self.headers())
            if progress is not None:
                progress(done + 1, len(names))
        return checked

    def headers(self) -> dict[str, str]:
        """How the file names each column."""
        return {one.column.name: str(one.header) for one in describe(self.matrix)}

    def missing(self, name: str) -> str | None:
        """What the form says when it requires an answer and none is given; None when it does not."""
        if not self.readers[name].required:
            return None
        column = self.matrix.by_name[name]
        chosen = hasattr(column.field(self.forms[column.form]), "iter_choices")
        return str(_("Choose an answer.") if chosen else _("Fill in this field."))

    def blank(self, name: str, *, held: bool) -> str:
        """What is said of a cell that this line needs; ``held``: whether the file has the column."""
        return str((self.missing(name) or _("Fill in this field.")) if held else _("The file has no such column, and this line needs it."))

    def alone(self, values: Mapping[str, Any], wrong: Collection[str]) -> list[tuple[str, str]]:
        """What the cells of a line say together, as (column, sentence).  ``values``: one a column that the file has; ``wrong``: those not read."""
        if self.matrix.alone is None:
            return []
        given = {name: UNREAD if name in wrong else value for name, value in values.items() if value is not None or name in wrong}
        said = [(name, message or self.blank(name, held=name in values)) for name, message in self.matrix.alone(given)]
        return [(name, message) for name, message in said if name not in wrong]


class GroupJudge:
    """Judges combinations of values by the form they belong to; each distinct combination once."""

    def __init__(self, checker: Checker, group: Group) -> None:
        self.columns = columns = group.columns
        self._judge, self._prepare = group.judge, group.prepare
        form_of = checker.matrix.by_name[columns[0]].form
        self._form = checker.forms[form_of]
        self._known: dict[tuple[Any, ...], tuple[tuple[Any, ...], tuple[tuple[str, str], ...]]] = {}

    def prepare(self, values: Mapping[str, Iterable[Any]]) -> None:
        """Read what judging these values looks up, by column and whatever their number in a few statements."""
        if self._prepare is not None:
            self._prepare(self._form, {name: set(values.get(name, ())) - {None} for name in self.columns})

    def judge(self, values: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[tuple[str, str], ...]]:
        """The values as the form leaves them, and what is wrong: (column, sentence) pairs."""
        known = self._known.get(values)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[values] = self._new(values)
        return known

    def _new(self, values: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[tuple[str, str], ...]]:
        controls = [self._form[name] for name in self.columns]
        for control, value in zip(controls, values, strict=True):
            control.data, control.errors, control.raw_data = value, [], [str(value)] if value is not None else []
        self._judge(self._form)
        wrong = tuple((name, str(control.errors[0])) for name, control in zip(self.columns, controls, strict=True) if control.errors)
        return tuple(control.data for control in controls), wrong


def groups_of(checker: Checker) -> list[GroupJudge]:
    """The rules over several columns."""
    return [GroupJudge(checker, group) for group in checker.matrix.groups]


__all__ = ["BLANK", "Checked", "Checker", "Figure", "GroupJudge", "Read", "Reader", "groups_of", "impersonal", "not_in_list"]
