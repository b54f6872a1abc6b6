"""« Format d'import » as an ODS document: the sheets of the workbook, with the same notes, lists and rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import zip_longest
from typing import Final

from flask import current_app
from flask_babel import gettext as _

from app.core.matrix import FieldKind, Need
from app.core.tabular.labels import column_letters
from app.core.tabular.writing import escaped_text
from app.core.tabular.writing_ods import END, STYLE_OF, beginning, column_style, document
from app.core.ui.forms import FIRST_YEAR, LAST_YEAR

from .services import limits_of
from .specification import NEED_LABELS, Line, Specification
from .template_words import COLOURS, example_lines, held, list_columns, note, read_me, sheet_names, width

#: The day that spreadsheets count from.
_EPOCH: Final = date(1899, 12, 30)
#: Of explanations and of codes, in characters.
_WORDS_WIDTH, _CODE_WIDTH = 110, 12


def make_document(spec: Specification) -> bytes:
    """The document."""
    return b"".join(document(piece.encode() for piece in _content(spec)))


def _content(spec: Specification) -> Iterator[str]:
    fill, lists, example, explanations = sheet_names(spec)
    columns = list(list_columns(spec))
    wide = {line.name: width(line) for line in spec.lines}
    yield beginning(_styles({*wide.values(), _WORDS_WIDTH, _CODE_WIDTH}))
    yield f"<table:content-validations>{''.join(_rules(spec, fill, lists))}</table:content-validations>"
    headings = "".join(_heading(line) for line in spec.lines)
    shape = "".join(_column(wide[line.name], STYLE_OF[held(line)]) for line in spec.lines)
    empty = "".join(_ruled(place, line) for place, line in enumerate(spec.lines))
    ruled = f'<table:table-row table:number-rows-repeated="{limits_of(spec.matrix).lines}">{empty}</table:table-row>'
    yield _table(fill, shape, [headings], ruled)
    seen: set[str] = set()
    shape = ""
    for line, _words, _values in columns:
        shape += _column(_CODE_WIDTH if line.name in seen else wide[line.name], "text")
        seen.add(line.name)
    rows = ("".join(map(_text, values)) for values in zip_longest(*(values for _line, _words, values in columns), fillvalue=""))
    yield _table(lists, shape, ["".join(_text(words, "head") for _line, words, _values in columns), *rows])
    shape = "".join(_column(wide[line.name], STYLE_OF[held(line)]) for line in spec.lines)
    yield _table(example, shape, [headings, *("".join(map(_cell, values)) for values in example_lines(spec))])
    yield _table(explanations, _column(_WORDS_WIDTH, "words"), list(_explanations(spec)))
    yield END


def _styles(widths: Iterable[int]) -> str:
    headings = "".join(
        f'<style:style style:name="{need.value}" style:family="table-cell" style:data-style-name="N2">'
        f'<style:table-cell-properties fo:background-color="{ground}" fo:border="0.02cm solid #000000" fo:wrap-option="wrap"/>'
        f'<style:text-properties fo:font-weight="bold" fo:color="{ink}"/></style:style>'
        for need, (ground, ink) in COLOURS.items()
    )
    words = (
        '<style:style style:name="words" style:family="table-cell">'
        '<style:table-cell-properties fo:wrap-option="wrap"/></style:style>'
    )
    return headings + words + "".join(column_style(f"w{one}", one) for one in sorted(widths))


def _table(name: str, columns: str, rows: Iterable[str], after: str = "") -> str:
    lines = "".join(f"<table:table-row>{row or '<table:table-cell/>'}</table:table-row>" for row in rows)
    return f'<table:table table:name="{escaped_text(name)}">{columns}{lines}{after}</table:table>'


def _column(wide: int, style: str) -> str:
    return f'<table:table-column table:style-name="w{wide}" table:default-cell-style-name="{style}"/>'


def _text(words: str, style: str = "") -> str:
    if not words:
        return "<table:table-cell/>"
    styled = f' table:style-name="{style}"' if style else ""
    return f'<table:table-cell{styled} office:value-type="string"><text:p>{escaped_text(words)}</text:p></table:table-cell>'


def _cell(value: date | int | Decimal | str) -> str:
    if isinstance(value, date):
        return f'<table:table-cell office:value-type="date" office:date-value="{value.isoformat()}"/>'
    if isinstance(value, int | Decimal):
        return f'<table:table-cell office:value-type="float" office:value="{value}"/>'
    return _text(value)


def _heading(line: Line) -> str:
    """A heading, with its note."""
    said = "".join(f"<text:p>{escaped_text(words)}</text:p>" for words in note(line).split("\n"))
    author = escaped_text(current_app.config["PORTAL_NAME"])
    return (
        f'<table:table-cell table:style-name="{line.need.value}" office:value-type="string"><office:annotation office:display="false">'
        f"<dc:creator>{author}</dc:creator>{said}</office:annotation><text:p>{escaped_text(line.header)}</text:p></table:table-cell>"
    )


def _ruled(place: int, line: Line) -> str:
    rule = f' table:content-validation-name="v{place}"' if _condition(line, "") else ""
    return f'<table:table-cell table:style-name="{STYLE_OF[held(line)]}"{rule}/>'


def _rules(spec: Specification, fill: str, lists: str) -> Iterator[str]:
    """Lists, lengths and dates; they warn and do not forbid, since codes and other words are read as well."""
    ranges: dict[str, str] = {}
    for place, (line, _words, values) in enumerate(list_columns(spec), start=1):
        letters = column_letters(place)
        ranges.setdefault(line.name, f"[${_quoted(lists)}.${letters}$2:.${letters}${len(values) + 1}]")
    for place, line in enumerate(spec.lines):
        condition = _condition(line, ranges.get(line.name, ""))
        if condition:
            words = escaped_text(" ".join([f"{line.holds}.", *line.rules])[:255])
            yield (
                f'<table:content-validation table:name="v{place}" table:condition="{escaped_text(f"of:{condition}")}" table:allow-empty-cell="true"'
                f' table:display-list="unsorted" table:base-cell-address="{escaped_text(_quoted(fill))}.{column_letters(place + 1)}2">'
                f'<table:error-message table:title="{escaped_text(line.header[:32])}" table:message-type="warning" table:display="true">'
                f"<text:p>{words}</text:p></table:error-message></table:content-validation>"
            )


def _quoted(name: str) -> str:
    return f"'{name}'"


def _condition(line: Line, values: str) -> str:
    """What a cell has to be, in the words of the format; nothing when it may be anything."""
    if line.allowed:
        return f"cell-content-is-in-list({values})"
    if line.kind is FieldKind.YES_NO:
        return 'cell-content-is-in-list("oui";"non")'
    if line.kind is FieldKind.DATE:
        first, last = ((day - _EPOCH).days for day in (date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)))
        return f"cell-content-is-date() and cell-content-is-between({first},{last})"
    if line.kind is FieldKind.TEXT and line.described.limit:
        return f"cell-content-text-length()<={line.described.limit}"
    return ""


def _explanations(spec: Specification) -> Iterator[str]:
    yield _text(str(_("Import format: %(matrix)s", matrix=spec.matrix.title)), "head")
    for title, sentences in read_me(spec):
        yield ""
        if title is not None:
            yield _text(title, "head")
        yield from map(_text, sentences)
    yield ""
    yield _text(str(_("Colours of the headings")), "head")
    for need in Need:
        yield _text(str(NEED_LABELS[need][0]), need.value)


__all__ = ["make_document"]
