"""What happens to an enrolment between its entry and its closing: interruptions, and the journal of the acts that need a reason.

Source: guide 002 (interruptions), guide 000 ("Sortie des stagiaires").  Interruptions lie within the path and never overlap: a deferred
trigger and an exclusion constraint of the database hold it, across all the ways to change either (migration 0021).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, DateTime, ForeignKeyConstraint, Index, Integer, String, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core import clock
from app.core.db import TenantMixin, TimestampMixin, VersionedMixin, one_of
from app.core.errors_db import register_constraint

from .life import EnrolmentEvent, InterruptionReason

if TYPE_CHECKING:
    from .models import Enrolment

_OF_ENROLMENT = "enrolment_id IN (SELECT e.id FROM enrolment e)"


class Interruption(TenantMixin, VersionedMixin, TimestampMixin, Model):
    """A time away from the training; without return date it goes on, or ended with the exit."""

    __tablename__ = "interruption"
    __rls_limited__ = _OF_ENROLMENT
    #: Why somebody is away tells of their health or their life.
    __audit_redact__ = ("reason",)
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        ForeignKeyConstraint(["organisation_id", "enrolment_id"], ["enrolment.organisation_id", "enrolment.id"], name="fk_interruption_enrolment"),
        CheckConstraint("resumed_on > interrupted_on", name="dates"),
        CheckConstraint(one_of("reason", InterruptionReason), name="reason"),
        ExcludeConstraint(
            (func.int4range(text("enrolment_id"), text("enrolment_id"), text("'[]'")), "&&"),
            (func.daterange(text("interrupted_on"), text("resumed_on")), "&&"),
            name="ex_interruption_overlap",
            using="gist",
        ),
        Index("ix_interruption_enrolment", "enrolment_id", "interrupted_on"),
        Index("uq_interruption_open", "enrolment_id", unique=True, postgresql_where="resumed_on IS NULL"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(Integer)
    #: The first day away.
    interrupted_on: Mapped[date]
    #: The day of the return.
    resumed_on: Mapped[date | None]
    reason: Mapped[str] = mapped_column(String(13))

    enrolment: Mapped[Enrolment] = relationship("Enrolment", primaryjoin="foreign(Interruption.enrolment_id) == Enrolment.id", back_populates="interruptions")


class EnrolmentAct(TenantMixin, Model):
    """One line of the life of an enrolment: what was done, by whom, when and why.  Lines are added, none changes."""

    __tablename__ = "enrolment_act"
    __rls_limited__ = _OF_ENROLMENT
    __audit_redact__ = ("reason",)
    __table_args__ = (
        ForeignKeyConstraint(["organisation_id", "enrolment_id"], ["enrolment.organisation_id", "enrolment.id"], name="fk_enrolment_act_enrolment"),
        CheckConstraint(one_of("kind", EnrolmentEvent), name="kind"),
        CheckConstraint("kind NOT IN ('undo_exit', 'cancel', 'judge') OR reason <> ''", name="reason"),
        Index("ix_enrolment_act_enrolment", "enrolment_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(9))
    reason: Mapped[str] = mapped_column(Text, default="", server_default="")
    #: Short facts: {"outcome", "computed"}, {"to"}, {"from"}, {"actual_end"}.
    details: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    actor_id: Mapped[int | None] = mapped_column(Integer)
    actor_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    on_behalf_of_id: Mapped[int | None] = mapped_column(Integer)
    on_behalf_of_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    happened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)

    enrolment: Mapped[Enrolment] = relationship("Enrolment", primaryjoin="foreign(EnrolmentAct.enrolment_id) == Enrolment.id", back_populates="acts")


register_constraint("ck_interruption_dates", _l("The return comes after the first day away."), field="resumed_on")
register_constraint("ex_interruption_overlap", _l("This interruption overlaps another one."), field="interrupted_on")
register_constraint("uq_interruption_open", _l("An interruption is under way: enter the return first."), field="interrupted_on")
register_constraint("ck_interruption_within_path", _l("An interruption lies within the dates of the enrolment."), field="interrupted_on")
