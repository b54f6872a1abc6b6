"""The letter of a request as a PDF (guide 003 §2), to be signed by the person entitled.

The library is read when a letter is made, and not before: few processes ever make one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from flask import current_app
from flask_babel import gettext as _

from app.accounts.domain import format_siret
from app.core import clock
from app.core.documents.printing import grid, printable, register_fonts
from app.core.ui.format import fr_datetime, fr_long_date

from . import document_labels, documents, labels, signing
from .document_models import DocumentRole, RequestDocument
from .models import ModificationRequest

#: More than this many lines in one paragraph, and the time to lay it out grows with their square.
_LINES: Final = 40


def blocks(text: str) -> list[str]:
    """A long text in paragraphs of a bounded number of lines; several empty lines are one."""
    lines = re.sub(r"\n(?:[^\S\n]*\n)+", "\n\n", text.strip()).split("\n")
    return ["\n".join(lines[start : start + _LINES]) for start in range(0, len(lines), _LINES)]


def make_letter(found: ModificationRequest) -> bytes:
    """The letter of a request as it is now."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    register_fonts()
    title = printable(f"{labels.kind_label(found.kind)} – {found.action.number}")
    target = io.BytesIO()
    document = SimpleDocTemplate(
        target, pagesize=A4, leftMargin=20 * mm, rightMargin=20 * mm, topMargin=18 * mm, bottomMargin=20 * mm,
        title=title, author=printable(str(found.organisation)), subject=printable(labels.summary(found.asked))[:400], lang="fr-FR",
        creator=printable(current_app.config["PORTAL_NAME"]),
    )  # fmt: skip
    attached = documents.of_request(found.id)
    foot = _footer(found, attached)
    document.build(_story(found, attached, document.width - 12), onFirstPage=foot, onLaterPages=foot)
    return target.getvalue()


def _footer(found: ModificationRequest, attached: Sequence[RequestDocument]) -> Callable[[Any, Any], None]:
    words = printable(_("Request no. %(number)s, reference %(stated)s", number=found.id, stated=found.stated))

    def draw(canvas: Any, document: Any) -> None:
        canvas.saveState()
        canvas.setFont("Letter", 7)
        canvas.drawString(document.leftMargin, 28, words)
        canvas.drawRightString(document.leftMargin + document.width, 28, printable(_("Page %(number)s", number=canvas.getPageNumber())))
        canvas.restoreState()

    return draw


def _story(found: ModificationRequest, attached: Sequence[RequestDocument], width: float) -> list[Any]:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import KeepTogether, Paragraph, Spacer

    body = ParagraphStyle("body", fontName="Letter", fontSize=9, leading=13)
    heading = ParagraphStyle("heading", parent=body, fontName="Letter-Bold", fontSize=10, spaceBefore=12, spaceAfter=4)
    top = ParagraphStyle("top", parent=heading, fontSize=14, leading=18)
    right = ParagraphStyle("right", parent=body, alignment=2)

    def text(words: object, style: Any = body) -> Any:
        return Paragraph(escape(printable(str(words))).replace("\n", "<br/>"), style)

    action = found.action
    contract = action.contract
    facts = [
        (_("Organisation"), str(found.organisation)),
        (_("SIRET"), format_siret(found.organisation.siret)),
        (_("N° Contrat/Conv."), contract.group_label),
        (_("N° Action"), f"{action.number} – {action.title}"),
        (_("Name/Status of the sender"), f"{found.sender_name} – {_('Holder (of the contract)')}"),
        (_("Sent on"), fr_datetime(found.sent_at)),
    ]
    rows = [[text(_("Field name")), text(_("Field before modification")), text(_("Field after modification"))]]
    rows += [[text(one["label"]), text(one["before"] or _("empty")), text(one["after"] or _("empty"))] for one in labels.change_rows(found.asked)]
    pieces = [one.name for one in attached if one.role == DocumentRole.SUPPORTING]
    story = [
        text(found.organisation, ParagraphStyle("sender", parent=body, fontName="Letter-Bold")),
        Spacer(1, 8),
        text(_("To: %(region)s", region=current_app.config["REGION_NAME"]), right),
        text(fr_long_date(clock.today()), right),
        text(labels.kind_label(found.kind), top),
        grid([[text(label), text(value)] for label, value in facts], [width * 0.3, width * 0.7], header=False),
        text(_("MODIFICATIONS"), heading),
        grid(rows, [width * 0.4, width * 0.3, width * 0.3], header=True),
        text(_("MOTIVATION"), heading),
        *(text(block) for block in blocks(printable(found.motivation))),
    ]
    if pieces:
        story += [text(_("DOCUMENTS"), heading), *(text(f"– {name}") for name in pieces)]
    return [*story, KeepTogether([Spacer(1, 14), *_signature(found, attached, text, width)])]


def _signature(found: ModificationRequest, attached: Sequence[RequestDocument], text: Callable[..., Any], width: float) -> list[Any]:
    """The place to sign, or who confirmed on screen."""
    state = signing.letter_state(found, attached)
    if state.confirmation is not None:
        return [text(document_labels.letter_text(state)[1])]
    return [
        text(_("Name and position of the person entitled:")),
        grid([[text(_("Done at ………………………, on ……………………")), text(_("Signature:"))]], [width * 0.5, width * 0.5], header=False, tall=True),
    ]


__all__ = ["make_letter", "printable"]
