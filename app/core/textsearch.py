"""Search as people type: without case, accents or punctuation, by beginnings of words.

The same folding exists in Python (for what is typed) and in SQL (for generated columns and their GIN index), because
core PostgreSQL offers no ``unaccent``.  ``simple`` is used rather than ``french``: codes and names have no stem.
"""

from __future__ import annotations

import re
import unicodedata

_FROM = "àáâãäåçèéêëìíîïñòóôõöùúûüýÿ"
_TO = "aaaaaaceeeeiiiinooooouuuuyy"
_LIGATURES = {"œ": "oe", "æ": "ae", "ß": "ss"}
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
MAX_WORDS = 8


def fold(text: str) -> str:
    """Lower case, no accent, words parted by one space: ``"Élise  d’Ørs"`` → ``"elise d rs"``."""
    lowered = text.lower()
    for ligature, letters in _LIGATURES.items():
        lowered = lowered.replace(ligature, letters)
    stripped = lowered if lowered.isascii() else "".join(c for c in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(c))
    return _NOT_A_WORD.sub(" ", stripped).strip()


def fold_sql(expression: str) -> str:
    """SQL twin of :func:`fold` (immutable, fit for a generated column)."""
    folded = f"lower({expression})"
    for ligature, letters in _LIGATURES.items():
        folded = f"replace({folded}, '{ligature}', '{letters}')"
    return f"btrim(regexp_replace(translate({folded}, '{_FROM}', '{_TO}'), '[^a-z0-9]+', ' ', 'g'))"


def vector_sql(expression: str) -> str:
    """SQL of the ``tsvector`` of ``expression``, for a generated column."""
    return f"to_tsvector('simple', {fold_sql(expression)})"


def words_sql(*columns: str) -> str:
    """SQL of the ``tsvector`` of several columns, for an index on that expression: with the parentheses PostgreSQL gives it back with."""
    joined = columns[0]
    for number, column in enumerate(columns[1:]):
        joined = f"({joined if number == 0 else f'({joined})'} || ' ') || {column}"
    return vector_sql(joined)


def prefix_query(typed: str) -> str | None:
    """``"form  sanit"`` → ``"form:* & sanit:*"`` for ``to_tsquery('simple', …)``; None when nothing searchable was typed."""
    words = fold(typed).split()[:MAX_WORDS]
    return " & ".join(f"{word}:*" for word in words) or None
