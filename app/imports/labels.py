"""The words of imports."""

from __future__ import annotations

from typing import Any, Final

from flask_babel import lazy_gettext as _l

from app.core.matrix.plan import Act

from .domain import FileState, Phase

#: Where a file stands, and the tone of its badge.
STATE_LABELS: Final[dict[str, tuple[Any, str]]] = {
    FileState.RECEIVED: (_l("Being read"), "info"),
    FileState.REFUSED: (_l("Cannot be read"), "danger"),
    FileState.TO_MAP: (_l("Columns to name"), "warning"),
    FileState.CHECKING: (_l("Being checked"), "info"),
    FileState.READY: (_l("Checked: to be decided"), "warning"),
    FileState.APPLYING: (_l("Being applied"), "info"),
    FileState.APPLIED: (_l("Applied"), "success"),
    FileState.UNDOING: (_l("Being undone"), "info"),
    FileState.UNDONE: (_l("Undone"), "neutral"),
}
PHASE_LABELS: Final[dict[str, Any]] = {
    Phase.READING: _l("Reading the file"),
    Phase.CHECKING: _l("Checking the cells"),
    Phase.COMPARING: _l("Comparing with what is there"),
    Phase.WRITING: _l("Saving"),
    Phase.UNDOING: _l("Undoing"),
}
ACT_LABELS: Final[dict[str, tuple[Any, str]]] = {
    Act.CREATE: (_l("To create"), "success"),
    Act.CHANGE: (_l("To change"), "info"),
    Act.SAME: (_l("Unchanged"), "neutral"),
    Act.WRONG: (_l("To mend"), "danger"),
}

__all__ = ["ACT_LABELS", "PHASE_LABELS", "STATE_LABELS"]
