"""Rules of the modification requests: their life, their changes, and what stands in the way of each kind (guide 003 §2).

Pure: nothing here knows a database or a request of the web.
"""

from __future__ import annotations

from .changes import (
    Change,
    Field,
    Gone,
    Key,
    Moved,
    PayloadError,
    Problem,
    ProblemCode,
    Target,
    Value,
    Values,
    apply,
    diff,
    dump,
    fingerprint,
    gone,
    load,
    moved,
)
from .notes import Note, dump_notes, load_notes
from .states import LIFE, OPEN, DecisionFacts, LetterFilter, Obstacle, ObstacleCode, RequestEvent, RequestKind, RequestState, StateFilter, obstacles

__all__ = [
    "LIFE",
    "OPEN",
    "Change",
    "DecisionFacts",
    "Field",
    "Gone",
    "Key",
    "LetterFilter",
    "Moved",
    "Note",
    "Obstacle",
    "ObstacleCode",
    "PayloadError",
    "Problem",
    "ProblemCode",
    "RequestEvent",
    "RequestKind",
    "RequestState",
    "StateFilter",
    "Target",
    "Value",
    "Values",
    "apply",
    "diff",
    "dump",
    "dump_notes",
    "fingerprint",
    "gone",
    "load",
    "load_notes",
    "moved",
    "obstacles",
]
