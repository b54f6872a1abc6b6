"""« Spécifications de l'interface d'import » as a PDF, to be given to whoever makes the files."""

from __future__ import annotations

import hashlib
import io
from typing import Any, Final
from xml.sax.saxutils import escape

from flask import current_app
from flask_babel import gettext as _

from app.core import clock
from app.core.documents.printing import grid, printable, register_fonts
from app.core.ui.format import fr_long_date, fr_number

from .specification import Allowed, Line, Specification, files_accepted, how_to_fill, what_each_format_holds, what_is_damaged

#: Documents made, by all that they say: laying one out takes a second, and anybody may ask for it.
_MADE: Final[dict[bytes, bytes]] = {}
_MOST_KEPT: Final = 16


def make_pdf(spec: Specification) -> bytes:
    """The document, as the definition and the value lists are today; made once for all that it says."""
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    register_fonts()
    title = printable(document_title(spec))
    target = io.BytesIO()
    document = SimpleDocTemplate(
        target, pagesize=landscape(A4), leftMargin=15 * mm, rightMargin=15 * mm, topMargin=15 * mm, bottomMargin=18 * mm,
        title=title, author=printable(current_app.config["REGION_NAME"]), lang="fr-FR", creator=printable(current_app.config["PORTAL_NAME"]),
    )  # fmt: skip
    made_on = printable(_("%(title)s – %(date)s", title=title, date=fr_long_date(clock.today())))

    def foot(canvas: Any, page: Any) -> None:
        canvas.saveState()
        canvas.setFont("Letter", 7)
        canvas.drawString(page.leftMargin, 26, made_on)
        canvas.drawRightString(page.leftMargin + page.width, 26, printable(_("Page %(number)s", number=canvas.getPageNumber())))
        canvas.restoreState()

    story, said = _story(spec, document.width - 12)
    key = hashlib.sha256("\0".join([made_on, document.author, document.creator, *said]).encode()).digest()
    made = _MADE.get(key)
    if made is None:
        document.build(story, onFirstPage=foot, onLaterPages=foot)
        if len(_MADE) >= _MOST_KEPT:
            _MADE.clear()
        made = _MADE[key] = target.getvalue()
    return made


def document_title(spec: Specification) -> str:
    """What the document is called."""
    return str(_("Import interface specifications: %(matrix)s", matrix=spec.matrix.title))


def _story(spec: Specification, width: float) -> tuple[list[Any], list[str]]:
    """What is laid out, and every sentence of it."""
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    body = ParagraphStyle("body", fontName="Letter", fontSize=8, leading=11)
    bold = ParagraphStyle("bold", parent=body, fontName="Letter-Bold")
    heading = ParagraphStyle("heading", parent=bold, fontSize=11, leading=14, spaceBefore=12, spaceAfter=4, keepWithNext=1)
    small = ParagraphStyle("small", parent=bold, fontSize=9, leading=12, spaceBefore=10, spaceAfter=3, keepWithNext=1)
    top = ParagraphStyle("top", parent=heading, fontSize=15, leading=19, spaceBefore=0)
    item = ParagraphStyle("item", parent=body, leftIndent=10, bulletIndent=0, spaceAfter=2)

    said: list[str] = []

    def text(words: object, style: Any = body, bullet: str | None = None) -> Any:
        said.append(str(words))
        return Paragraph(escape(printable(said[-1])).replace("\n", "<br/>"), style, bulletText=bullet)

    def points(title: str, sentences: list[str]) -> list[Any]:
        return [text(title, heading), *(text(one, item, "–") for one in sentences)] if sentences else []

    rows = [[text(one, bold) for one in (_("Column"), _("Heading"), _("Mandatory?"), _("What it holds"), _("Example"))]]
    rows += [
        [
            text(line.letter), [text(line.header, bold), *([text(_("also: %(names)s", names=", ".join(line.aliases)))] if line.aliases else ())],
            text(line.needed),
            _held(line, text), text(line.shown_example),
        ]
        for line in spec.lines
    ]  # fmt: skip
    story = [
        text(document_title(spec), top),
        text(spec.matrix.purpose),
        *points(str(_("Files accepted")), files_accepted(spec.matrix)),
        *points(str(_("Import format")), what_each_format_holds()),
        *points(str(_("How to fill in the file")), how_to_fill()),
        *points(str(_("Rules of this matrix")), list(spec.remarks)),
        *points(str(_("What a spreadsheet damages")), what_is_damaged()),
        text(_("Columns"), heading),
        grid(rows, [width * part for part in (0.08, 0.25, 0.19, 0.33, 0.15)], header=True),
    ]
    if spec.annex:
        story.append(text(_("Annex: values of the long lists"), heading))
    for line in spec.annex:
        listed = [[text(_("Value"), bold), text(_("Code"), bold)], *([text(_with_others(one)), text(one.code)] for one in line.allowed)]
        story += [text(line.header, small), grid(listed, [width * 0.7, width * 0.3], header=True)]
    return story, said


def _held(line: Line, text: Any) -> list[Any]:
    said = [text(line.holds)]
    if line.in_annex:
        said.append(text(_("%(count)s values: see the annex", count=fr_number(len(line.allowed)))))
    else:
        said += [text(f"– {_with_others(one)}{f' ({one.code})' if one.code else ''}") for one in line.listed]
    return [*said, *(text(rule) for rule in line.rules)]


def _with_others(one: Allowed) -> str:
    """A value, and what may be written for it."""
    others = [*([one.written] if one.written != one.words else []), *one.others]
    return f"{one.words} ({_('also: %(names)s', names=', '.join(others))})" if others else one.words


__all__ = ["document_title", "make_pdf"]
