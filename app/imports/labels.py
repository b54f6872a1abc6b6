"""The words of imports."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core import clock
from app.core.matrix.plan import Act
from app.core.tabular import Fault, Refused, sheet_ending
from app.core.tabular.labels import refused
from app.core.ui.format import fr_number

from .domain import LEASE, QUIET, FileState, Phase
from .matrices import IMPORTERS
from .models import ImportFile
from .services import acting_lines

#: Where a file stands, and the tone of its badge.
STATE_LABELS: Final[dict[str, tuple[Any, str]]] = {
    FileState.RECEIVED: (_l("Being read"), "info"),
    FileState.REFUSED: (_l("File refused"), "danger"),
    FileState.TO_MAP: (_l("Columns to name"), "warning"),
    FileState.CHECKING: (_l("Being checked"), "info"),
    FileState.READY: (_l("Checked: to be decided"), "warning"),
    FileState.APPLYING: (_l("Being applied"), "info"),
    FileState.APPLIED: (_l("Applied"), "success"),
    FileState.UNDOING: (_l("Being undone"), "info"),
    FileState.UNDONE: (_l("Undone"), "neutral"),
    FileState.FAILED: (_l("The import failed"), "danger"),
}
PHASE_LABELS: Final[dict[str, Any]] = {
    Phase.READING: _l("Reading the file"),
    Phase.CHECKING: _l("Checking the cells"),
    Phase.COMPARING: _l("Comparing with what is there"),
    Phase.WRITING: _l("Saving"),
    Phase.UNDOING: _l("Undoing"),
}


def progress_words(file: ImportFile) -> str:
    """How far the work is, and what is counted."""
    if not file.total or not file.phase:
        return ""
    done, total = fr_number(file.done), fr_number(file.total)
    if file.phase == Phase.READING:
        return str(_("Lines read: %(count)s", count=total))
    if file.phase == Phase.CHECKING:
        return str(ngettext("%(done)s column of %(all)s", "%(done)s columns of %(all)s", file.done, done=done, all=total))
    if file.phase == Phase.COMPARING:
        return str(ngettext("%(done)s line of %(all)s", "%(done)s lines of %(all)s", file.done, done=done, all=total))
    return str(ngettext("%(done)s step of %(all)s", "%(done)s steps of %(all)s", file.done, done=done, all=total))


def progress_note(file: ImportFile) -> str:
    """What whoever waits may do meanwhile; after a silence, how the work goes on by itself."""
    if file.leased_until is not None and clock.now() > file.leased_until - LEASE + QUIET:
        return str(
            _("No sign of the work for a moment: if it was interrupted, it is taken up by itself within two minutes, and nothing is lost or done twice.")
        )
    return str(_("You may leave this page: the work goes on, and this page says where it stands when you come back."))


#: At what a file failed.
FAILED_LABELS: Final[dict[str, Any]] = {
    FileState.RECEIVED: _l("Reading the file"),
    FileState.CHECKING: _l("Checking the cells"),
    FileState.APPLYING: _l("Saving"),
    FileState.UNDOING: _l("Undoing"),
}
_UNDOING_FAILED: Final = (_l("Applied: the undoing failed"), "danger")
_IN_PART: Final = (_l("Applied in part"), "success")
_UNDONE_IN_PART: Final = (_l("Undone in part"), "warning")
_NOTHING_TO_DO: Final = (_l("Checked: nothing to do"), "neutral")


def state_of(file: ImportFile) -> tuple[Any, str]:
    """Where a file stands, and the tone of its badge; an undoing that failed left what was applied as it is."""
    if file.state == FileState.APPLIED and file.failed_in:
        return _UNDOING_FAILED
    if file.state == FileState.READY and not any((file.counts or {}).get(act) for act in (Act.CREATE, Act.CHANGE, Act.WRONG)):
        return _NOTHING_TO_DO
    if file.state == FileState.APPLIED and file.partial and (file.counts or {}).get(Act.WRONG):
        return _IN_PART
    if file.state == FileState.UNDONE and file.kept:
        return _UNDONE_IN_PART
    return STATE_LABELS[file.state]


def why_refused(file: ImportFile) -> Any:
    """Why a file is no table, in the words of whoever reads files."""
    fault = file.fault or {}
    place = {name: fault.get(name) for name in ("line", "column", "value")}
    return refused(Refused(Fault(fault["fault"]), **place, in_text=bool(fault.get("in_text")), heading=fault.get("heading") or ""))


class Said(NamedTuple):
    """What a banner says."""

    tone: str
    title: str
    text: str


def undone(file: ImportFile) -> Said:
    """What undoing a file did, and what it left."""
    kept = file.kept
    gone = acting_lines(file.counts) - kept
    title = ngettext("%(count)s line was undone", "%(count)s lines were undone", gone, count=fr_number(gone))
    if not kept:
        remains = IMPORTERS[file.matrix].matrix.remains
        return Said("success", title, str(remains) if remains else _("Nothing of this import is left."))
    if file.dropped:
        text = ngettext(
            "%(count)s line was kept, as a whole or in part; the reasons are not held any longer.",
            "%(count)s lines were kept, as a whole or in part; the reasons are not held any longer.", kept, count=fr_number(kept),
        )  # fmt: skip
    else:
        text = ngettext(
            "%(count)s line was kept, as a whole or in part: the tab “Kept” says why.",
            "%(count)s lines were kept, as a whole or in part: the tab “Kept” says why.", kept, count=fr_number(kept),
        )  # fmt: skip
    return Said("info", title, text)


def read_as_text(file: ImportFile) -> str:
    """« .xlsx » of a file that was read as a text all the same; else nothing."""
    return sheet_ending(file.file_name) if file.heading is not None and not file.sheet else ""


ACT_LABELS: Final[dict[str, tuple[Any, str]]] = {
    Act.CREATE: (_l("To create"), "success"),
    Act.CHANGE: (_l("To change"), "info"),
    Act.SAME: (_l("Unchanged"), "neutral"),
    Act.WRONG: (_l("To mend"), "danger"),
}

__all__ = [
    "ACT_LABELS", "FAILED_LABELS", "PHASE_LABELS", "STATE_LABELS", "Said", "progress_note", "progress_words", "read_as_text", "state_of", "undone",
    "why_refused",
]  # fmt: skip
