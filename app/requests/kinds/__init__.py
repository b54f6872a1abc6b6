"""The kinds of requests: what each may change, how it is asked, judged and applied.  A new kind is one class and its template."""

from __future__ import annotations

from collections.abc import Mapping

from ..domain import RequestKind
from .base import ChangeKind, Outside, Snapshot, values_of
from .dates import DatesKind
from .partners import PartnersKind
from .reference import ReferenceKind
from .sites import SitesKind
from .volumes import VolumesKind

KINDS: Mapping[RequestKind, ChangeKind] = {kind.code: kind for kind in (DatesKind(), ReferenceKind(), VolumesKind(), SitesKind(), PartnersKind())}

__all__ = ["KINDS", "ChangeKind", "Outside", "Snapshot", "values_of"]
