"""Tables people send (XLSX, ODS, CSV), read without trusting them.

:func:`read_table` gives a :class:`Table` or raises a :class:`Refused`: never another exception, whatever the bytes. What a file
does not say (a leading zero lost by a spreadsheet) is not guessed: a cell tells whether it was a number.
"""

from app.core.tabular.columns import MissingColumns
from app.core.tabular.faults import Fault, Refused
from app.core.tabular.reading import as_named, header_of_text, is_text, open_table, read_table, sheet_ending
from app.core.tabular.table import BULK, Cell, CellKind, Limits, OpenTable, Row, Table, looks_like_formula, safe_cell

__all__ = [
    "BULK", "Cell", "CellKind", "Fault", "Limits", "MissingColumns", "OpenTable", "Refused", "Row", "Table", "as_named", "header_of_text",
    "is_text", "looks_like_formula", "open_table", "read_table", "safe_cell", "sheet_ending",
]  # fmt: skip
