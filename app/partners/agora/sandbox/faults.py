"""Failing on purpose: by a word in the request, or at random as ``/_admin/faults`` says.

Faults come before the effect (nothing was done) or after it (it was done, the answer is lost or spoilt): the second kind is what idempotency is for.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

BEFORE = frozenset({"throttled", "error", "unavailable", "expired_token"})
AFTER = frozenset({"no_answer", "cut", "late_error", "invalid_json", "truncated", "html", "duplicate", "wrong_number", "wrong_reference", "wrong_schema"})
KINDS = BEFORE | AFTER
SCOPES = frozenset({"token", "identity", "files", "events", "reading", "dsn"})

# Word → fault. In a birth name, or as the beginning of an external reference.
WORDS = {
    "SATURE": "throttled",
    "PANNE": "error",
    "INDISPONIBLE": "unavailable",
    "EXPIRE": "expired_token",
    "MUET": "no_answer",
    "COUPE": "cut",
    "PANNETARDIVE": "late_error",
    "ILLISIBLE": "invalid_json",
    "TRONQUE": "truncated",
    "PAGEHTML": "html",
    "DOUBLON": "duplicate",
    "MAUVAISNUMERO": "wrong_number",
    "MAUVAISEREFERENCE": "wrong_reference",
    "MAUVAISSCHEMA": "wrong_schema",
    "LENT": "slow",
    "INCONNU": "unknown_person",
    "DISCORDANT": "name_mismatch",
    "REFUSE": "refused",
}
ALWAYS = "TOUJOURS"
TIMES = 2  # a word without TOUJOURS fails so many times for one file and operation, then lets it through
SLOW_SECONDS = 2.0


def word_in(name: str, reference: str = "") -> str:
    """The magic word of a request: ``PANNE``, or ``PANNE TOUJOURS`` when it is for ever; empty for ordinary ones."""
    for text in (name, *_beginning(reference)):
        letters = [part for part in re.split(r"[^A-Z0-9]+", _plain(text)) if part]
        if letters and letters[0] in WORDS and letters[1:] in ([], [ALWAYS]):
            return " ".join(letters)
    return ""


def _beginning(reference: str) -> list[str]:
    """``PANNE-12`` → PANNE; ``PANNE-TOUJOURS-12`` → PANNE-TOUJOURS."""
    parts = re.split(r"[^A-Za-z]+", reference, maxsplit=2)
    return ["-".join(parts[:2])] if parts[1:2] == [ALWAYS] else parts[:1]


def _plain(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text.upper()) if not unicodedata.combining(letter))


@dataclass(slots=True)
class Faults:
    """What goes wrong, and how often it did."""

    latency_ms: float = 0
    jitter_ms: float = 0
    rates: dict[str, float] = field(default_factory=dict)
    retry_after: int = 1
    retry_after_date: bool = False
    hold_ms: float = 30_000
    seed: int | None = None
    scopes: frozenset[str] = SCOPES - {"token"}
    limit: int | None = None
    counts: Counter[str] = field(default_factory=Counter)
    _random: random.Random = field(default_factory=random.Random)
    _words: Counter[tuple[str, str]] = field(default_factory=Counter)

    @classmethod
    def from_json(cls, value: Any) -> Faults:
        """Settings sent to the admin endpoint. Raises ValueError with one sentence."""
        if not isinstance(value, dict):
            raise ValueError("an object is expected")
        known = {"latency_ms", "jitter_ms", "rates", "retry_after", "retry_after_date", "hold_ms", "seed", "scopes", "limit"}
        if unknown := set(value) - known:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        rates, scopes = value.get("rates", {}), value.get("scopes", sorted(SCOPES - {"token"}))
        if (
            not isinstance(rates, dict)
            or set(rates) - KINDS
            or not all(_is_number(rate) and 0 <= rate <= 1 for rate in rates.values())
            or sum(rates.values()) > 1.000001
        ):
            raise ValueError(f"rates: probabilities of {', '.join(sorted(KINDS))}, at most 1 in all")
        if not isinstance(scopes, list) or set(scopes) - SCOPES:
            raise ValueError(f"scopes: a list among {', '.join(sorted(SCOPES))}")
        for name in ("latency_ms", "jitter_ms", "retry_after", "hold_ms"):
            if not _is_number(value.get(name, 0)) or not 0 <= value.get(name, 0) <= 3_600_000:
                raise ValueError(f"{name}: a number from 0")
        for name in ("seed", "limit"):
            if not isinstance(value.get(name), int | None):
                raise ValueError(f"{name}: a whole number or null")
        made = cls(**{name: value[name] for name in known - {"rates", "scopes"} if name in value})
        made.rates, made.scopes = dict(sorted(rates.items())), frozenset(scopes)
        made.retry_after = int(made.retry_after)
        made._random = random.Random(made.seed)  # noqa: S311 - chance that can be repeated, no secret
        return made

    def as_json(self) -> dict[str, Any]:
        return {
            "latency_ms": self.latency_ms,
            "jitter_ms": self.jitter_ms,
            "rates": self.rates,
            "retry_after": self.retry_after,
            "retry_after_date": self.retry_after_date,
            "hold_ms": self.hold_ms,
            "seed": self.seed,
            "scopes": sorted(self.scopes),
            "limit": self.limit,
            "counts": dict(self.counts),
        }

    def delay(self, scope: str) -> float:
        """Seconds to wait before anything is done."""
        if scope not in self.scopes or not (self.latency_ms or self.jitter_ms):
            return 0.0
        return (self.latency_ms + self._random.random() * self.jitter_ms) / 1000

    def draw(self, scope: str) -> str | None:
        """The fault of this request, by chance."""
        if not self.rates or scope not in self.scopes or (self.limit is not None and self.counts.total() >= self.limit):
            return None
        chance = self._random.random()
        for kind, rate in self.rates.items():
            if (chance := chance - rate) < 0:
                self.counts[kind] += 1
                return kind
        return None

    def of_word(self, word: str, subject: str | None) -> str | None:
        """The fault of a magic word. ``subject`` names the file and operation; None (a search) fails each time."""
        if not word:
            return None
        name, _, always = word.partition(" ")
        kind = WORDS[name]
        if subject is not None and not always and kind not in ("refused", "unknown_person", "name_mismatch", "slow"):
            self._words[word, subject] += 1
            if self._words[word, subject] > (TIMES if kind in BEFORE else 1):
                return None
        return kind


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
