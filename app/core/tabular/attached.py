"""Small tables sent whole, as a file to save."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from flask import Response

from .table import safe_cell


def attachment(content: bytes, name: str, kind: str) -> Response:
    """A file to save under ``name``, which no browser takes for anything but its ``kind``."""
    return Response(content, content_type=kind, headers={"Content-Disposition": f"attachment; filename={name}", "X-Content-Type-Options": "nosniff"})


def csv_attachment(name: str, rows: Iterable[Sequence[str]]) -> Response:
    """A CSV file that French spreadsheets open by a double click: semicolons, and the mark of UTF-8."""
    target = io.StringIO()
    csv.writer(target, delimiter=";", lineterminator="\r\n").writerows([[safe_cell(cell) for cell in row] for row in rows])
    return attachment(("\ufeff" + target.getvalue()).encode(), name, "text/csv; charset=utf-8")


__all__ = ["attachment", "csv_attachment"]
