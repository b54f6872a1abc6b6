"""What every PDF of the portal is printed with: a font that may be embedded, the characters it has, tables.

The library is read when a document is made, and not before: few processes ever make one.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any, Final

#: Bitstream Vera, which comes with the library and may be embedded; it has the letters of French and the euro.
_FONTS: Final = {"Letter": "Vera.ttf", "Letter-Bold": "VeraBd.ttf"}


@cache
def register_fonts() -> frozenset[int]:
    """Register the fonts ("Letter", "Letter-Bold"), once; the characters they can write."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for name, file in _FONTS.items():
        pdfmetrics.registerFont(TTFont(name, file))
    pdfmetrics.registerFontFamily("Letter", normal="Letter", bold="Letter-Bold", italic="Letter", boldItalic="Letter-Bold")
    return frozenset(pdfmetrics.getFont("Letter").face.charToGlyph)


#: What is written otherwise: spaces and hyphens the font has not, arrows, ends of lines.
_OTHERWISE: Final = str.maketrans(
    {"\u202f": "\u00a0", "→": "\u00a0: ", "\t": " ", "\u2010": "-", "\u2011": "-", "\r": "\n", "\u2028": "\n", "\u2029": "\n"}
)


def printable(text: str) -> str:
    """``text`` with what the font can write.

    A letter it lacks loses its mark, what is not seen (marks of order, of direction, of width nil) is left out, and what it has no letter
    for is "?".
    """
    glyphs = register_fonts()
    found: list[str] = []
    for character in unicodedata.normalize("NFC", text).replace("\r\n", "\n").translate(_OTHERWISE):
        if unicodedata.category(character) == "Cf":
            continue
        if character == "\n" or ord(character) in glyphs:
            found.append(character)
        else:
            base = unicodedata.normalize("NFKD", character)[:1]
            found.append(base if ord(base) in glyphs else "?")
    return "".join(found)


def grid(rows: list[list[Any]], widths: list[float], *, header: bool, tall: bool = False) -> Any:
    """A table with lines between its cells; ``header``: its first row is repeated on each page."""
    from reportlab.lib import colors
    from reportlab.platypus import Table, TableStyle

    style: list[Any] = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("GRID", (0, 0), (-1, -1), 0.4, colors.HexColor("#8a8a8a"))]
    if header:
        style.append(("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#eeeeee")))
    # a cell longer than a page goes on over the next
    return Table(rows, colWidths=widths, rowHeights=[90] if tall else None, style=TableStyle(style), repeatRows=int(header), splitInRow=1, hAlign="LEFT")


__all__ = ["grid", "printable", "register_fonts"]
