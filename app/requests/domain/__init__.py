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
from .states import LIFE, OPEN, DecisionFacts, Obstacle, ObstacleCode, RequestEvent, RequestKind, RequestState, StateFilter, obstacles

__all__ = [
    "LIFE",
    "OPEN",
    "Change",
    "DecisionFacts",
    "Field",
    "Gone",
    "Key",
    "Moved",
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
    "fingerprint",
    "gone",
    "load",
    "moved",
    "obstacles",
]
