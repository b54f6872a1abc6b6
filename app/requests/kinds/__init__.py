"""The kinds of requests: what each may change, how it is asked, judged and applied.  A new kind is one class and its template."""

from __future__ import annotations

from collections.abc import Mapping

from ..domain import RequestKind
from .base import ChangeKind, Outside, Snapshot, values_of
from .dates import DatesKind

KINDS: Mapping[RequestKind, ChangeKind] = {kind.code: kind for kind in (DatesKind(),)}

__all__ = ["KINDS", "ChangeKind", "Outside", "Snapshot", "values_of"]
