"""Small tables sent whole, as a file to save."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from flask import Response

from app.core.documents.giving import attachment

from .table import safe_cell


def csv_attachment(name: str, rows: Iterable[Sequence[str]]) -> Response:
    """A CSV file that French spreadsheets open by a double click: semicolons, and the mark of UTF-8."""
    target = io.StringIO()
    csv.writer(target, delimiter=";", lineterminator="\r\n").writerows([[safe_cell(cell) for cell in row] for row in rows])
    return attachment(("\ufeff" + target.getvalue()).encode(), name, "text/csv; charset=utf-8")

