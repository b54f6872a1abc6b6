"""The history of an action as people read it: its life, its sessions, and every change of its data (DESIGN §2.7).

The changes are read in the journal, which no writing escapes. Those that a modification request made are told with the request; the
others are those of the Région on its own screens. Columns are told by name: what is not listed here (nothing about people is) stays untold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from app.core.audit import queries as journal
from app.core.audit.queries import HistoryLine
from app.core.extensions import db
from app.core.people import account_names
from app.core.rls import REGION
from app.core.ui.format import fr_date, fr_long_date
from app.reference.models import Level

from . import labels, ports, queries
from .domain import ActionEvent, ActionStatus
from .models import Action, ActionHistory, Component
from .ports import AppliedRequest

#: As many lines as one reads, the latest; and as many entries of the journal as they may be made of.
MOST: Final = 200
_ENTRIES: Final = 500
_ACTION, _COMPONENT = Action.__tablename__, Component.__tablename__
#: What is told of an action. Its status, and what the opening sets, are told with the events of its life.
_OF_ACTION: dict[str, Any] = {
    "number": _l("N° Action"),
    "title": _l("Title of the action"),
    "year": _l("Year"),
    "planned_start": _l("Planned start"),
    "actual_start": _l("Actual start"),
    "planned_end": _l("Planned end"),
    "esf_cofunded": _l("Co-funded by the ESF"),
}
_OF_COMPONENT: dict[str, Any] = {
    "number": _l("N°"),
    "title": _l("Title of the component"),
    "level_id": _l("Level"),
    "certif_info": _l("Certif Info code"),
    "formacode": _l("Formacode"),
    "planned_start": _l("Start date"),
    "planned_end": _l("End date"),
    "hours_centre": _l("Planned hours in centre"),
    "hours_company": _l("Planned hours in company"),
    "places": _l("Places"),
}
_DATES: Final = frozenset({"planned_start", "planned_end", "actual_start"})
_HOURS: Final = frozenset({"hours_centre", "hours_company"})


@dataclass(slots=True)
class _Act:
    """Entries of the journal that one act made: one transaction, of one account, for one page."""

    entries: list[HistoryLine] = field(default_factory=list)

    @property
    def latest(self) -> HistoryLine:
        return self.entries[0]

    def of(self, table: str) -> list[HistoryLine]:
        return [one for one in self.entries if one.table_name == table]


@dataclass(frozen=True, slots=True)
class _Words:
    """The words for what the journal keeps as numbers, as they are today."""

    components: Mapping[str, str]
    levels: Mapping[int, str]

    def value(self, column: str, value: Any) -> str:
        if value is None or value == journal.HIDDEN:
            return ""
        if column in _DATES:
            return fr_date(date.fromisoformat(value))
        if column == "level_id":
            return self.levels.get(value, "?")
        if column in _HOURS:
            try:
                return f"{Decimal(str(value)):.2f}".replace(".", ",")
            except InvalidOperation:
                return str(value)
        if isinstance(value, bool):
            return _("Yes") if value else _("No")
        return str(value)


def of_action(action: Action) -> list[dict[str, Any]]:
    """All that happened to an action, latest first, as the macro ``timeline`` takes it: a number of statements that does not grow."""
    lines = queries.history_of(action.id)
    applied = ports.request_side().applied(action.id)
    components = {str(row.id): f"{row.number} – {row.title}" for row in db.session.execute(_components(action.id))}
    acts = _acts(action.id, list(components), [one.source for one in applied])
    levels = _levels(change.before if past else change.after for act in acts for one in act.of(_COMPONENT) for change in one.changes
                     for past in (True, False) if change.column == "level_id")  # fmt: skip
    words = _Words(components, levels)
    accounts = [number for line in lines for number in (line.actor_id, line.on_behalf_of_id)]
    names = account_names([*accounts, *(number for one in applied for number in (one.actor_id, one.on_behalf_of_id))])
    opened = _opening(acts)
    advance = queries.advance_requested_at(action.id)
    told = [told_line(line, names, advance, opened) for line in lines]
    mine = {one.source: act for act in acts for one in applied if _made(act, one)}
    told += [_request(one, mine.get(one.source), words, names) for one in applied]
    by_requests = {id(act) for act in mine.values()}
    told += [one for act in acts if id(act) not in by_requests for one in _direct(act, words)]
    return sorted(told, key=lambda one: one["at"], reverse=True)[:MOST]


def _components(action_id: int) -> Any:
    return select(Component.id, Component.number, Component.title).where(Component.action_id == action_id)


def _levels(ids: Iterable[Any]) -> dict[int, str]:
    wanted = {one for one in ids if isinstance(one, int)}
    return {row.id: str(row) for row in db.session.scalars(select(Level).where(Level.id.in_(wanted)))} if wanted else {}


def _acts(action_id: int, component_ids: Sequence[str], sources: Sequence[tuple[str, int]]) -> list[_Act]:
    """What the journal tells of the action, its components and the requests, act by act, latest first."""
    also: dict[str, list[int | str]] = {_COMPONENT: list(component_ids)}
    for table, number in sources:
        also.setdefault(table, []).append(number)
    found: dict[tuple[int, str | None, int | None], _Act] = {}
    for entry in journal.history(_ACTION, action_id, also=also.items(), limit=_ENTRIES):
        found.setdefault((entry.transaction_id, entry.request_id, entry.actor_id), _Act()).entries.append(entry)
    return list(found.values())


def _made(act: _Act, applied: AppliedRequest) -> bool:
    table, number = applied.source
    return any(one.row_id == str(number) for one in act.of(table))


def of_session(action_id: int, session_id: int) -> list[dict[str, Any]]:
    """What happened to one session, latest first."""
    lines = queries.history_of(action_id, session_id=session_id)
    names = account_names(number for line in lines for number in (line.actor_id, line.on_behalf_of_id))
    return [told_line(line, names) for line in lines]


# ---- the events of its life --------------------------------------------------------------------------------------------


def _opening(acts: Sequence[_Act]) -> dict[str, Any] | None:
    """What the opening set, for those that did not tell the history themselves."""
    for act in acts:
        for entry in act.of(_ACTION):
            after = {change.column: change.after for change in entry.changes}
            if entry.operation == "UPDATE" and after.get("status") == ActionStatus.RUNNING and after.get("actual_start") and after.get("billing_period"):
                return {name: after.get(name) for name in labels.OPENING_FIELDS}
    return None


def told_line(line: ActionHistory, names: Mapping[int, str], advance: datetime | None = None, opened: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One line kept as it happened; who acted is called as today ("compte supprimé : …"), or as then when the reader may not see the account."""
    notes = [*labels.history_notes(line.event, line.details), line.comment or ""]
    if line.event == ActionEvent.OPEN:
        kept = (line.details or {}).get("opening") or opened
        told = [_("The advance invoice was requested on %(day)s.", day=fr_long_date(advance))] if advance is not None else []
        notes = [*told, *([labels.opening_text(kept)] if kept else []), *notes]
    if line.from_status != line.to_status:
        notes.insert(0, _("From “%(before)s” to “%(after)s”.", before=labels.status_label(line.from_status), after=labels.status_label(line.to_status)))
    return {
        "text": labels.history_text(line.event, line.details),
        "details": labels.history_changes(line.details),
        "at": line.happened_at,
        "actor": actor_of(line, names),
        "tone": labels.STATUS_TONES.get(line.to_status, "neutral"),
        "note": "\n".join(note for note in notes if note) or None,
    }


def actor_of(line: ActionHistory, names: Mapping[int, str]) -> str | None:
    """Who did it: as called today, or as then."""
    actor, behalf = names.get(line.actor_id or 0) or line.actor_name, names.get(line.on_behalf_of_id or 0) or line.on_behalf_of_name
    return labels.told_actor(actor, behalf)


# ---- the changes of its data -------------------------------------------------------------------------------------------


def _request(one: AppliedRequest, act: _Act | None, words: _Words, names: Mapping[int, str]) -> dict[str, Any]:
    """A request that counts; the journal knows best what a value was at that moment."""
    before = {
        (entry.table_name, entry.row_id or "", change.column): words.value(change.column, change.before)
        for entry in (act.entries if act is not None else ())
        if entry.operation == "UPDATE" and entry.table_name in (_ACTION, _COMPONENT)
        for change in entry.changes
    }
    actor = names.get(one.actor_id or 0) or (_("The Région") if one.by_region else one.actor_name)
    return {
        "text": one.text,
        "details": [(change.label, before.get(change.place, change.before) if change.place else change.before, change.after) for change in one.changes],
        "unfolded": True,
        "at": one.at,
        "actor": labels.told_actor(actor, names.get(one.on_behalf_of_id or 0) or one.on_behalf_of_name),
        "tone": "info",
        "note": "\n".join(one.notes) or None,
        "href": one.href,
        "link": one.link,
    }


def _direct(act: _Act, words: _Words) -> list[dict[str, Any]]:
    """What somebody changed without a request; nothing when the act only moved the action along its life, or made it."""
    made = any(one.operation == "INSERT" for one in act.of(_ACTION))
    changed = [row for table in (_ACTION, _COMPONENT) for one in reversed(act.of(table)) if one.operation == "UPDATE" for row in _rows(one, words)]
    added = [] if made else [one for one in act.of(_COMPONENT) if one.operation == "INSERT"]
    latest = act.latest
    region = latest.acting_role == REGION
    common = {
        "at": latest.at,
        "actor": labels.told_actor(latest.actor_name or (_("The Région") if region else ""), latest.on_behalf_of_name or ""),
        "tone": "info",
        "note": None,
        "unfolded": True,
    }
    told = [
        {"text": _("The component %(name)s was added.", name=words.components.get(one.row_id or "", "?")), "details": None, **common} for one in added
    ]
    if changed:
        text = _("The Région changed the data of the action.") if region else _("The data of the action were changed.")
        told.append({"text": text, "details": changed, **common})
    return told


def _rows(entry: HistoryLine, words: _Words) -> list[tuple[str, str, str]]:
    """Field, before and after, of one row of the action or of a component."""
    opens = entry.table_name == _ACTION and any(change.column == "status" for change in entry.changes)
    fields = _OF_ACTION if entry.table_name == _ACTION else _OF_COMPONENT
    rows: list[tuple[str, str, str]] = []
    for column, label in fields.items():
        for change in entry.changes:
            if change.column != column or (opens and column == "actual_start"):
                continue
            of = _("Action / %(field)s", field=label) if entry.table_name == _ACTION else f"{words.components.get(entry.row_id or '', '?')} / {label}"
            rows.append((of, words.value(column, change.before), words.value(column, change.after)))
    return rows


__all__ = ["MOST", "actor_of", "of_action", "of_session", "told_line"]
