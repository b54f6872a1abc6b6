"""Situation surveys: one for each enrolment left and moment, the trainee's own reply, and the links sent to the trainee.

The rows are made by the database with the last exit of a person from an action (``portal_survey_of_exit``, migration 0029), whatever wrote
it.  They go, with what was answered, when the exit is cancelled; those of which a message was sent are kept without a day and without answers,
for the old link to say why it no longer opens.
Source: guide 000 "Saisie des enquêtes".
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, Computed, DateTime, ForeignKey, ForeignKeyConstraint, Index, Integer, SmallInteger, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship

from app.actions.models import given_actions
from app.core import clock, tenancy
from app.core.db import TenantMixin, TimestampMixin, VersionedMixin, one_of
from app.core.errors_db import register_constraint
from app.core.rls import GIVEN_ACTIONS
from app.partners.agora.port import CertificationResult
from app.reference.models import EmploymentContract, Level, ProfessionalSector, SocioProfessionalCategory, SurveySituation
from app.trainees.models import Registration

from .domain import MAX_MESSAGES, Moment, Question

if TYPE_CHECKING:
    from app.actions.models import Action
    from app.trainees.models import Enrolment

#: What somebody's situation is made of: personal, and redacted in the journal.
_PERSONAL = (*(question.value for question in Question), "employed")


def _answer_checks() -> tuple[Any, ...]:
    """Which answers go together, as ``domain.asked`` and ``domain.missing`` say."""
    return (
        CheckConstraint("(situation_id IS NULL) = (certification IS NULL) AND (situation_id IS NULL) = (employed IS NULL)", name="whole"),
        CheckConstraint("employed IS NOT TRUE OR (contract_type_id IS NOT NULL AND category_id IS NOT NULL)", name="job_asked"),
        CheckConstraint(
            "employed IS TRUE OR (contract_type_id IS NULL AND company IS NULL AND sector_id IS NULL AND job_title IS NULL AND category_id IS NULL "
            "AND job_related IS NULL)",
            name="job_not_asked",
        ),
        CheckConstraint("COALESCE(certification = 'yes', false) = (certification_level_id IS NOT NULL)", name="level_asked"),
        CheckConstraint(one_of("certification", CertificationResult), name="certification"),
    )


def _situation_key(table: str) -> ForeignKeyConstraint:
    """``employed`` is the situation's own, copied by a trigger: what a situation means does not change under answers already given."""
    return ForeignKeyConstraint(["situation_id", "employed"], ["survey_situation.id", "survey_situation.employed"], name=f"fk_{table}_situation")


class Answers:
    """The answers to « Situation à la fin de formation »."""

    situation_id: Mapped[int | None] = mapped_column(Integer)
    employed: Mapped[bool | None]
    company: Mapped[str | None] = mapped_column(String(150))
    job_title: Mapped[str | None] = mapped_column(String(150))
    job_related: Mapped[bool | None]
    certification: Mapped[str | None] = mapped_column(String(7))

    @declared_attr
    def contract_type_id(cls) -> Mapped[int | None]:  # noqa: N805 - declared_attr receives the class
        return mapped_column(ForeignKey("employment_contract.id"))

    @declared_attr
    def sector_id(cls) -> Mapped[int | None]:  # noqa: N805
        return mapped_column(ForeignKey("professional_sector.id"))

    @declared_attr
    def category_id(cls) -> Mapped[int | None]:  # noqa: N805
        return mapped_column(ForeignKey("socio_professional_category.id"))

    @declared_attr
    def certification_level_id(cls) -> Mapped[int | None]:  # noqa: N805
        return mapped_column(ForeignKey("level.id"))

    @declared_attr
    def situation(cls) -> Mapped[SurveySituation | None]:  # noqa: N805
        own: Any = cls  # the mapped class, whose attribute is a column
        return relationship(SurveySituation, primaryjoin=lambda: own.situation_id == SurveySituation.id, foreign_keys=lambda: own.situation_id, viewonly=True)

    @declared_attr
    def contract_type(cls) -> Mapped[EmploymentContract | None]:  # noqa: N805
        return relationship(EmploymentContract, viewonly=True)

    @declared_attr
    def sector(cls) -> Mapped[ProfessionalSector | None]:  # noqa: N805
        return relationship(ProfessionalSector, viewonly=True)

    @declared_attr
    def category(cls) -> Mapped[SocioProfessionalCategory | None]:  # noqa: N805
        return relationship(SocioProfessionalCategory, viewonly=True)

    @declared_attr
    def certification_level(cls) -> Mapped[Level | None]:  # noqa: N805
        return relationship(Level, viewonly=True)

    @property
    def is_filled(self) -> bool:
        """Whether it was answered: the certification and the situation are always asked."""
        return self.situation_id is not None


class SituationSurvey(Answers, TenantMixin, VersionedMixin, TimestampMixin, Model):
    """One survey, with what the organisation answered; the trainee's own answers stand apart (:class:`SurveyReply`)."""

    __tablename__ = "situation_survey"
    __rls_limited__ = f"action_id IN {GIVEN_ACTIONS}"
    __audit_redact__ = _PERSONAL
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        UniqueConstraint("enrolment_id", "moment", name="uq_situation_survey_moment"),
        ForeignKeyConstraint(["organisation_id", "enrolment_id"], ["enrolment.organisation_id", "enrolment.id"], name="fk_situation_survey_enrolment"),
        ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_situation_survey_action"),
        _situation_key("situation_survey"),
        CheckConstraint(one_of("moment", Moment), name="moment"),
        CheckConstraint("answered_at IS NULL OR situation_id IS NOT NULL", name="answered_at"),
        *_answer_checks(),
        Index("ix_situation_survey_list", "organisation_id", "due_on", "id", postgresql_where="due_on IS NOT NULL"),
        Index("ix_situation_survey_all", "due_on", "id", postgresql_where="due_on IS NOT NULL"),
        Index("ix_situation_survey_action", "action_id", "due_on", "id", postgresql_where="due_on IS NOT NULL"),
        Index("ix_situation_survey_waiting", "organisation_id", "due_on", "moment", postgresql_where="state = 'waiting' AND due_on IS NOT NULL"),
        Index("ix_situation_survey_to_write", "due_on", "id", postgresql_where="state = 'waiting' AND due_on IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(Integer)
    action_id: Mapped[int] = mapped_column(Integer)
    moment: Mapped[str] = mapped_column(String(4))
    #: None while the exit is cancelled, or the person goes on with another enrolment: the survey is kept and shown nowhere.
    due_on: Mapped[date | None]
    answered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    answered_by_id: Mapped[int | None]
    #: When the trainee last answered.
    replied_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    unreached_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    state: Mapped[str] = mapped_column(
        String(9),
        Computed(
            "CASE WHEN situation_id IS NOT NULL OR replied_at IS NOT NULL THEN 'answered' WHEN unreached_at IS NOT NULL THEN 'unreached' ELSE 'waiting' END",
            persisted=True,
        ),
    )

    enrolment: Mapped[Enrolment] = relationship("Enrolment", primaryjoin="foreign(SituationSurvey.enrolment_id) == Enrolment.id", viewonly=True)
    action: Mapped[Action] = relationship("Action", primaryjoin="foreign(SituationSurvey.action_id) == Action.id", viewonly=True)
    reply: Mapped[SurveyReply | None] = relationship(
        "SurveyReply", primaryjoin="SituationSurvey.id == foreign(SurveyReply.survey_id)", uselist=False, viewonly=True
    )

    @property
    def counted(self) -> Answers | None:
        """The answers that count: the organisation's, which saw the trainee's; else the trainee's own."""
        if self.is_filled:
            return self
        return self.reply


class SurveyReply(Answers, TenantMixin, Model):
    """What the trainee answered by the personal link; a later reply takes the place of the former one."""

    __tablename__ = "survey_reply"
    __rls_limited__ = "survey_id IN (SELECT s.id FROM situation_survey s)"
    __audit_redact__ = _PERSONAL
    __table_args__ = (
        UniqueConstraint("survey_id", name="uq_survey_reply_survey"),
        ForeignKeyConstraint(
            ["organisation_id", "survey_id"], ["situation_survey.organisation_id", "situation_survey.id"], name="fk_survey_reply_survey", ondelete="CASCADE"
        ),
        _situation_key("survey_reply"),
        CheckConstraint("situation_id IS NOT NULL", name="answered"),
        *_answer_checks(),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    survey_id: Mapped[int] = mapped_column(Integer)
    replied_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class SurveyLink(TenantMixin, Model):
    """One message to the trainee, and its personal link: the secret is in the message alone, its SHA-256 here."""

    __tablename__ = "survey_link"
    __rls_limited__ = "survey_id IN (SELECT s.id FROM situation_survey s)"
    __audit_redact__ = ("token_hash",)
    __table_args__ = (
        Index("uq_survey_link_rank", "survey_id", "rank", unique=True, postgresql_where="void_at IS NULL"),
        UniqueConstraint("token_hash", name="uq_survey_link_token"),
        ForeignKeyConstraint(
            ["organisation_id", "survey_id"], ["situation_survey.organisation_id", "situation_survey.id"], name="fk_survey_link_survey", ondelete="CASCADE"
        ),
        CheckConstraint(f"rank BETWEEN 1 AND {MAX_MESSAGES}", name="rank"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    survey_id: Mapped[int] = mapped_column(Integer)
    #: 1 is the first message, the others are reminders.
    rank: Mapped[int] = mapped_column(SmallInteger)
    token_hash: Mapped[str] = mapped_column(String(64))
    sent_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    #: When the exit that the message was about was cancelled.
    void_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class SurveyOptOut(TenantMixin, Model):
    """Somebody who wants no more messages about the surveys of this organisation (« ne plus recevoir »)."""

    __tablename__ = "survey_opt_out"
    __rls_limited__ = "EXISTS (SELECT FROM registration r WHERE r.trainee_id = survey_opt_out.trainee_id)"
    __table_args__ = (
        UniqueConstraint("trainee_id", name="uq_survey_opt_out_trainee"),
        ForeignKeyConstraint(
            ["organisation_id", "trainee_id"], ["trainee.organisation_id", "trainee.id"], name="fk_survey_opt_out_trainee", ondelete="CASCADE"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    trainee_id: Mapped[int] = mapped_column(Integer)
    asked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)


# ---- the first wall of accounts limited to some actions (the second is ``__rls_limited__``) ---------------------------


def _surveys(account_id: int) -> Any:
    table: Any = SituationSurvey.__table__
    return select(table.c.id).where(table.c.action_id.in_(given_actions(account_id)))


def _persons(account_id: int) -> Any:
    table: Any = Registration.__table__
    return select(table.c.trainee_id).where(table.c.action_id.in_(given_actions(account_id)))


tenancy.register_limit(SituationSurvey, lambda account: SituationSurvey.action_id.in_(given_actions(account)))
tenancy.register_limit(SurveyReply, lambda account: SurveyReply.survey_id.in_(_surveys(account)))
tenancy.register_limit(SurveyLink, lambda account: SurveyLink.survey_id.in_(_surveys(account)))
tenancy.register_limit(SurveyOptOut, lambda account: SurveyOptOut.trainee_id.in_(_persons(account)))


_TOGETHER = _l("These answers do not go together: the situation says whether the questions about the job are asked, the certification whether its level is.")
#: Constraints about answers that depend on one another: what two people changed at the same time may break them.
DEPENDENT = frozenset(f"ck_{table}_{name}" for table in ("situation_survey", "survey_reply") for name in ("whole", "job_asked", "job_not_asked", "level_asked"))
for _name in DEPENDENT:
    register_constraint(_name, _TOGETHER)
for _table in ("situation_survey", "survey_reply"):
    register_constraint(
        f"fk_{_table}_situation",
        _l("Answers hold this situation: what it asks no longer changes. End its validity and add another one."),
        field="employed",
    )
