"""Use cases on sessions and their information meetings: each function is one transaction.

Source: guide 001 (a session is never deleted: its dates change, or its places become 0), DOMAIN §5.  The dates are checked here, to say
what is wrong, and by the database, which nobody goes round.  Locks: the action in share, then the component, then the session.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, or_, select

from app.core import clock
from app.core.concurrency import canonical, check_version, save_versioned
from app.core.extensions import db
from app.core.transaction import transaction
from app.reference.models import Site

from . import domain
from .domain import DataEvent, Fault, FaultCode, Period, SessionEvent, SessionPlan
from .models import Action, ActionHistory, Component, ComponentSite, InformationMeeting, TrainingSession
from .services import MAX_REASON, ActionNotFound, lock_action, write_history

#: What people edit, in the order of the form.
SESSION_FIELDS: Final = ("starts_on", "ends_on", "site_id", "places", "registration_address", "registration_terms")
MEETING_FIELDS: Final = ("held_on", "starts_at", "place", "text")


class Faulty(Exception):
    """Refused; ``faults`` say what to mend, field by field."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(", ".join(fault.code for fault in self.faults))


@dataclass(frozen=True, slots=True)
class Registering:
    """Where and how one registers for a session."""

    address: str | None = None
    terms: str | None = None


@dataclass(frozen=True, slots=True)
class MeetingPlan:
    """What is typed of an information meeting."""

    held_on: date
    starts_at: time
    place: str
    text: str | None = None


def create_session(component_id: int, plan: SessionPlan, registering: Registering | None = None) -> int:
    """A new session, numbered after the others of its component; returns its id.

    Raises LookupError outside the scope, Faulty with what to mend.
    """
    with transaction() as session:
        action, component = _locked_component(component_id)
        _refuse(domain.planning_faults(action.status, cancelled=False))
        _refuse(_faults(plan, component, action))
        last = session.scalar(select(func.max(TrainingSession.number)).where(TrainingSession.component_id == component.id)) or 0
        made = TrainingSession(
            organisation_id=component.organisation_id,
            component_id=component.id,
            number=last + 1,
            site_id=plan.site_id,
            starts_on=plan.starts_on,
            ends_on=plan.ends_on,
            places=plan.places,
            registration_address=registering.address if registering else None,
            registration_terms=registering.terms if registering else None,
        )
        session.add(made)
        session.flush()
        _tell(action, component, made, SessionEvent.CREATED)
        return made.id


def change_session(session_id: int, form: Any) -> set[str]:
    """Write the changed fields of a validated ``VersionedForm``; returns their names.

    Raises LookupError, ``core.concurrency.StaleError``, or Faulty.
    """
    with transaction():
        action, component, found = _locked_session(session_id)
        _refuse(domain.planning_faults(action.status, cancelled=found.cancelled_at is not None))
        before = _values(found, SESSION_FIELDS)
        changed = save_versioned(found, form, SESSION_FIELDS)
        plan = SessionPlan(found.starts_on, found.ends_on, found.site_id, found.places)
        _refuse(_faults(plan, component, action, held=before["site_id"]))
        if changed:
            after = _values(found, SESSION_FIELDS)
            _tell(action, component, found, SessionEvent.CHANGED, changes=_changes(before, after))
    return changed


def cancel_session(session_id: int, *, reason: str, version: int | None) -> bool:
    """« Session créée par erreur »: 0 places, with the reason; the session and its history stay.

    Returns False when it was cancelled already.  Raises LookupError, ``core.concurrency.StaleError``, or Faulty.
    """
    with transaction():
        action, component, found = _locked_session(session_id)
        if found.cancelled_at is not None:
            return False
        _refuse(domain.planning_faults(action.status, cancelled=False))
        if not reason.strip():
            raise Faulty([Fault("reason", FaultCode.REASON_REQUIRED)])
        check_version(found, version)
        places = found.places
        found.places = 0
        found.cancelled_at = clock.now()
        found.cancel_reason = reason.strip()[:MAX_REASON]
        changes = {"places": [canonical(places), canonical(0)]} if places else {}
        _tell(action, component, found, SessionEvent.CANCELLED, changes=changes, comment=reason)
    return True


def add_meeting(session_id: int, plan: MeetingPlan) -> int:
    """One more information meeting; returns its id.  Raises LookupError or Faulty."""
    with transaction() as session:
        action, component, found = _locked_session(session_id)
        _refuse(domain.planning_faults(action.status, cancelled=found.cancelled_at is not None))
        _refuse(domain.meeting_faults(plan.held_on, session_start=found.starts_on, session_end=found.ends_on))
        made = InformationMeeting(
            organisation_id=found.organisation_id, session_id=found.id, held_on=plan.held_on, starts_at=plan.starts_at, place=plan.place, text=plan.text
        )
        session.add(made)
        session.flush()
        _tell(action, component, found, SessionEvent.MEETING_ADDED, meeting=_values(made, MEETING_FIELDS))
        return made.id


def change_meeting(meeting_id: int, form: Any) -> set[str]:
    """Write the changed fields of a validated ``VersionedForm``.  Raises LookupError, ``core.concurrency.StaleError``, or Faulty."""
    with transaction():
        action, component, found, meeting = _locked_meeting(meeting_id)
        _refuse(domain.planning_faults(action.status, cancelled=found.cancelled_at is not None))
        before = _values(meeting, MEETING_FIELDS)
        changed = save_versioned(meeting, form, MEETING_FIELDS)
        _refuse(domain.meeting_faults(meeting.held_on, session_start=found.starts_on, session_end=found.ends_on))
        if changed:
            after = _values(meeting, MEETING_FIELDS)
            _tell(action, component, found, SessionEvent.MEETING_CHANGED, changes=_changes(before, after), meeting=before)
    return changed


def remove_meeting(meeting_id: int, *, version: int | None) -> int:
    """The meeting will not take place; returns the id of its session.  Raises LookupError, ``core.concurrency.StaleError``, or Faulty."""
    with transaction() as session:
        action, component, found, meeting = _locked_meeting(meeting_id)
        _refuse(domain.planning_faults(action.status, cancelled=found.cancelled_at is not None))
        check_version(meeting, version)
        told = _values(meeting, MEETING_FIELDS)
        session.delete(meeting)
        session.flush()
        _tell(action, component, found, SessionEvent.MEETING_REMOVED, meeting=told)
        return found.id


def sessions_outside(periods: Mapping[int, Period]) -> dict[int, list[str]]:
    """Component → the numbers of its sessions that new dates would leave outside, for those that have some: one statement."""
    beyond = [
        (TrainingSession.component_id == component_id) & ((TrainingSession.starts_on < period.start) | (TrainingSession.ends_on > period.end))
        for component_id, period in periods.items()
    ]
    found: dict[int, list[str]] = {}
    for component_id, _site, number in _living(or_(*beyond)) if beyond else ():
        found.setdefault(component_id, []).append(number)
    return found


def sessions_on_sites(component_ids: Collection[int]) -> dict[int, dict[int, list[str]]]:
    """Component → site → the numbers of the sessions that take place there: one statement."""
    found: dict[int, dict[int, list[str]]] = {}
    for component_id, site_id, number in _living(TrainingSession.component_id.in_(component_ids)) if component_ids else ():
        found.setdefault(component_id, {}).setdefault(site_id, []).append(number)
    return found


def _living(condition: ColumnElement[bool]) -> list[tuple[int, int, str]]:
    """(component, site, number) of the sessions that were not cancelled, in order."""
    columns = (TrainingSession.component_id, TrainingSession.site_id, TrainingSession.number)
    statement = select(*columns).where(TrainingSession.cancelled_at.is_(None), condition).order_by(TrainingSession.number)
    return [(component_id, site_id, f"{number:02d}") for component_id, site_id, number in db.session.execute(statement)]


def add_site(component_id: int, *, name: str, address: str | None, postal_code: str, town: str, insee_code: str | None) -> Site:
    """The component takes place on a site: the one of this name and town when there is one, else a new one.

    Raises LookupError outside the scope; a site that the component has already is a violated constraint.
    """
    with transaction() as session:
        component = session.scalars(select(Component).where(Component.id == component_id)).one_or_none()
        if component is None:
            raise LookupError(component_id)
        site = session.scalars(select(Site).where(Site.name == name, Site.postal_code == postal_code, Site.town == town)).one_or_none()
        if site is None:
            site = Site(name=name, address=address, postal_code=postal_code, town=town, insee_code=insee_code)
            session.add(site)
            session.flush()
        session.add(ComponentSite(organisation_id=component.organisation_id, component_id=component.id, site_id=site.id))
        session.flush()
        tell_site(DataEvent.SITE_ADDED, component, site)
        return site


def forget_history(action: Action) -> None:
    """Before an action that never began is deleted: the lines that tell of its data would keep it; the journal has them all."""
    db.session.execute(delete(ActionHistory).where(ActionHistory.action_id == action.id, ActionHistory.event.in_(list(DataEvent))))


def tell_site(event: DataEvent, component: Component, site: Site) -> None:
    """The history of the action: which site a component gains or loses, in the transaction under way."""
    write_history(component.action, event.value, details={"component": component.number, "site": str(site)})


# ---- locking and telling -----------------------------------------------------------------------------------------------


def _locked_component(component_id: int) -> tuple[Action, Component]:
    """The component, locked: sessions of one component are numbered one after the other."""
    action_id = db.session.scalar(select(Component.action_id).where(Component.id == component_id))
    if action_id is None:
        raise LookupError(component_id)
    try:
        action = lock_action(action_id, share=True)
    except ActionNotFound:
        raise LookupError(component_id) from None
    statement = select(Component).where(Component.id == component_id).with_for_update().execution_options(populate_existing=True)
    component = db.session.scalars(statement).one_or_none()
    if component is None:
        raise LookupError(component_id)
    return action, component


def _locked_session(session_id: int) -> tuple[Action, Component, TrainingSession]:
    component_id = db.session.scalar(select(TrainingSession.component_id).where(TrainingSession.id == session_id))
    if component_id is None:
        raise LookupError(session_id)
    action, component = _locked_component(component_id)
    statement = select(TrainingSession).where(TrainingSession.id == session_id).with_for_update().execution_options(populate_existing=True)
    return action, component, db.session.scalars(statement).one()


def _locked_meeting(meeting_id: int) -> tuple[Action, Component, TrainingSession, InformationMeeting]:
    session_id = db.session.scalar(select(InformationMeeting.session_id).where(InformationMeeting.id == meeting_id))
    if session_id is None:
        raise LookupError(meeting_id)
    action, component, found = _locked_session(session_id)
    statement = select(InformationMeeting).where(InformationMeeting.id == meeting_id).with_for_update().execution_options(populate_existing=True)
    meeting = db.session.scalars(statement).one_or_none()
    if meeting is None:
        raise LookupError(meeting_id)
    return action, component, found, meeting


def _faults(plan: SessionPlan, component: Component, action: Action, *, held: Any = None) -> tuple[Fault, ...]:
    """``held``: the site the session had; it stays possible when the component has left it since."""
    sites = set(db.session.scalars(select(ComponentSite.site_id).where(ComponentSite.component_id == component.id)))
    if held is not None:
        sites.add(int(held))
    return domain.session_faults(
        plan,
        component=Period(component.planned_start, component.planned_end),
        action=Period(action.planned_start, action.planned_end),
        site_ids=frozenset(sites),
    )


def _refuse(faults: tuple[Fault, ...]) -> None:
    if faults:
        raise Faulty(faults)


def _values(row: Any, fields: Iterable[str]) -> dict[str, Any]:
    return {name: canonical(getattr(row, name)) for name in fields}


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Field → before and after; a site by its name of that day, which stays when the site is renamed."""
    found = {name: [before[name], after[name]] for name in before if before[name] != after[name]}
    if "site_id" in found:
        ids = [int(str(one)) for one in found["site_id"]]
        names = {site.id: str(site) for site in db.session.scalars(select(Site).where(Site.id.in_(ids)))}
        found["site_id"] = [names.get(one, "") for one in ids]
    return found


def _tell(action: Action, component: Component, session: TrainingSession, event: SessionEvent, *, comment: str = "", **details: Any) -> None:
    named = {"session": f"{component.number} / {session.code}", **{key: value for key, value in details.items() if value}}
    write_history(action, event.value, session_id=session.id, comment=comment, details=named)
