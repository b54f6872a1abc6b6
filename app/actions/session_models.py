"""Sessions of the components and their information meetings.

Source: guide 001 (sessions are never deleted; dates of the "informations collectives"), DOMAIN §1.  Dates lie within the component's:
a deferred trigger of the database holds it, across all the ways to change either (migration 0014).
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, DateTime, ForeignKey, ForeignKeyConstraint, Integer, SmallInteger, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core import tenancy
from app.core.db import TenantMixin, TimestampMixin, VersionedMixin
from app.core.errors_db import register_constraint

if TYPE_CHECKING:
    from app.actions.models import Component
    from app.reference.models import Site


class TrainingSession(TenantMixin, VersionedMixin, TimestampMixin, Model):
    """A session of a component: when and where it takes place, and for how many.  Never deleted: one made by mistake is cancelled."""

    __tablename__ = "training_session"
    __rls_limited__ = "component_id IN (SELECT c.id FROM component c)"
    __rls_observer__ = True
    __rls_extra__ = ("REVOKE DELETE ON training_session FROM portal_tenant, portal_region, portal_support, portal_system",)
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        UniqueConstraint("component_id", "number", name="uq_training_session_number"),
        ForeignKeyConstraint(["organisation_id", "component_id"], ["component.organisation_id", "component.id"], name="fk_training_session_component"),
        CheckConstraint("starts_on <= ends_on", name="dates"),
        CheckConstraint("places >= 0", name="places"),
        CheckConstraint("(cancelled_at IS NULL) = (cancel_reason IS NULL) AND cancel_reason <> ''", name="cancelled_whole"),
        CheckConstraint("cancelled_at IS NULL OR places = 0", name="cancelled_empty"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    component_id: Mapped[int] = mapped_column(Integer)
    #: Within its component: 1, 2… (guide 001, "Numéro session").
    number: Mapped[int] = mapped_column(SmallInteger)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    places: Mapped[int] = mapped_column(default=0, server_default="0")
    #: Where one registers, and how, when it is not on the site.
    registration_address: Mapped[str | None] = mapped_column(String(255))
    registration_terms: Mapped[str | None] = mapped_column(String(255))
    #: « Session créée par erreur ».
    cancelled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    cancel_reason: Mapped[str | None] = mapped_column(Text)

    component: Mapped[Component] = relationship("Component", primaryjoin="foreign(TrainingSession.component_id) == Component.id")
    site: Mapped[Site] = relationship("Site")
    meetings: Mapped[list[InformationMeeting]] = relationship(
        "InformationMeeting",
        primaryjoin="TrainingSession.id == foreign(InformationMeeting.session_id)",
        back_populates="session",
        order_by="InformationMeeting.held_on, InformationMeeting.starts_at, InformationMeeting.id",
        passive_deletes="all",
    )

    @property
    def code(self) -> str:
        """Two digits, as the guides write it."""
        return f"{self.number:02d}"

    def __str__(self) -> str:
        return self.code


class InformationMeeting(TenantMixin, VersionedMixin, TimestampMixin, Model):
    """« Information collective »: with one to come, prescribers can position people on line (guide 001)."""

    __tablename__ = "information_meeting"
    __rls_limited__ = "session_id IN (SELECT s.id FROM training_session s)"
    __rls_observer__ = True
    __table_args__ = (
        UniqueConstraint("session_id", "held_on", "starts_at", "place", name="uq_information_meeting"),
        ForeignKeyConstraint(
            ["organisation_id", "session_id"], ["training_session.organisation_id", "training_session.id"], name="fk_information_meeting_session"
        ),
        CheckConstraint("place <> ''", name="place"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(Integer)
    held_on: Mapped[date]
    starts_at: Mapped[time]
    place: Mapped[str] = mapped_column(String(255))
    text: Mapped[str | None] = mapped_column(Text)

    session: Mapped[TrainingSession] = relationship(
        "TrainingSession", primaryjoin="foreign(InformationMeeting.session_id) == TrainingSession.id", back_populates="meetings"
    )

    def __str__(self) -> str:
        return f"{self.held_on:%d/%m/%Y} {self.starts_at:%H:%M}"


def _of_account(account_id: int) -> Any:
    """The ids of the sessions of the actions given to an account; plain columns, so that no criterion is added to the criterion."""
    from .models import Component, given_actions

    sessions: Any = TrainingSession.__table__
    components: Any = Component.__table__
    return select(sessions.c.id).join(components, components.c.id == sessions.c.component_id).where(components.c.action_id.in_(given_actions(account_id)))


tenancy.register_limit(TrainingSession, lambda account: TrainingSession.id.in_(_of_account(account)))
tenancy.register_limit(InformationMeeting, lambda account: InformationMeeting.session_id.in_(_of_account(account)))


register_constraint("uq_training_session_number", _l("Somebody has just added a session to this component: save again."))
register_constraint("ck_training_session_dates", _l("The end comes before the start."), field="ends_on")
register_constraint("ck_training_session_places", _l("This number cannot be negative: enter 0 or more."), field="places")
register_constraint("training_session_never_deleted", _l("A session is never deleted: cancel it as created by mistake."))
register_constraint("uq_information_meeting", _l("This session already has an information meeting at this date, time and place."), field="held_on")
