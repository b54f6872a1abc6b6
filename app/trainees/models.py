"""Trainees, their registrations on actions, their enrolments on components, and identity searches.

Source: guide 000, DOMAIN §1 and §4.  NIR and NIA are encrypted and found through a keyed hash; no personal value enters
the journal (the columns are redacted there).
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.actions.models import given_actions
from app.core import clock, tenancy, textsearch
from app.core.db import TenantMixin, TimestampMixin, VersionedMixin, one_of
from app.core.errors_db import register_constraint
from app.core.nir import NirKind
from app.core.outbox.models import OutboxMessage
from app.core.rls import GIVEN_ACTIONS
from app.partners.agora.port import Civility, DisabilityStatus, FileStatus, Gender, Outcome

from .domain import AgoraState, EsfAnswer, EsfState, IdentitySource, IdentityState
from .life_models import EnrolmentAct, Interruption

if TYPE_CHECKING:
    from app.actions.models import Action, Component
    from app.reference.models import (
        ExitReason,
        GeneralObjective,
        HighestDiploma,
        LastClass,
        Level,
        Nationality,
        ProfessionalSituation,
        PublicCategory,
        Site,
        StreetType,
    )


class Trainee(TenantMixin, VersionedMixin, TimestampMixin, Model):
    """A person, as one organisation knows it: by NIR or NIA, or by civil status where no number may be asked (AVENIR)."""

    __tablename__ = "trainee"
    #: Somebody registered on an action of the account. Newcomers are made in the organisation's whole scope (``services.registration``).
    __rls_limited__ = "EXISTS (SELECT FROM registration r WHERE r.trainee_id = trainee.id)"
    __audit_redact__ = (
        "nir_ciphertext",
        "nir_hash",
        "nir_masked",
        "birth_name",
        "usual_name",
        "first_name",
        "birth_date",
        "gender",
        "civility",
        "sort_name",
        "search_vector",
    )
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        UniqueConstraint("organisation_id", "nir_hash", name="uq_trainee_nir"),
        CheckConstraint(one_of("nir_kind", NirKind), name="nir_kind"),
        CheckConstraint("(nir_kind IS NULL) = (nir_hash IS NULL) AND (nir_hash IS NULL) = (nir_ciphertext IS NULL)", name="nir_whole"),
        CheckConstraint("octet_length(nir_hash) = 32", name="nir_hash"),
        CheckConstraint(one_of("identity_source", IdentitySource), name="identity_source"),
        CheckConstraint(one_of("gender", Gender), name="gender"),
        CheckConstraint(one_of("civility", Civility), name="civility"),
        Index("uq_trainee_without_nir", "organisation_id", "sort_name", "birth_date", "gender", "civility", unique=True, postgresql_where="nir_hash IS NULL"),
        Index("ix_trainee_name", "organisation_id", "sort_name", "id"),
        Index("ix_trainee_sort", "sort_name", "id"),
        Index("ix_trainee_nia", "organisation_id", "sort_name", "id", postgresql_where="nir_kind = 'NIA'"),
        Index("ix_trainee_to_check", "id", postgresql_where="identity_source <> 'AGORA' AND nir_kind = 'NIR'"),
        Index("ix_trainee_search", "search_vector", postgresql_using="gin"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    seal_uid: Mapped[uuid.UUID] = mapped_column(Uuid, default=uuid.uuid4)
    nir_ciphertext: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    nir_hash: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    nir_kind: Mapped[str | None] = mapped_column(String(3))
    #: What screens show; computed when the number is stored, so that showing it never decrypts.
    nir_masked: Mapped[str] = mapped_column(String(24), default="", server_default="")
    civility: Mapped[str] = mapped_column(String(3))
    birth_name: Mapped[str] = mapped_column(String(60))
    usual_name: Mapped[str | None] = mapped_column(String(60))
    first_name: Mapped[str] = mapped_column(String(60))
    birth_date: Mapped[date]
    gender: Mapped[str] = mapped_column(String(1))
    identity_source: Mapped[str] = mapped_column(String(6))
    #: Outcome of the later check of a typed identity: "same", "different", "unknown".
    identity_finding: Mapped[str | None] = mapped_column(String(9))
    identity_checked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Folded "name first-name" (``textsearch.fold``): order of lists, and identity of those without number.
    sort_name: Mapped[str] = mapped_column(String(130))
    search_vector: Mapped[Any] = mapped_column(
        TSVECTOR,
        Computed(textsearch.vector_sql("birth_name || ' ' || coalesce(usual_name, '') || ' ' || first_name"), persisted=True),
        deferred=True,
    )

    registrations: Mapped[list[Registration]] = relationship(
        "Registration",
        primaryjoin="Trainee.id == foreign(Registration.trainee_id)",
        back_populates="trainee",
        passive_deletes="all",
    )

    @property
    def display_name(self) -> str:
        """Name first, in capitals, as the guides write it."""
        return f"{(self.usual_name or self.birth_name).upper()} {self.first_name}"

    def rename(self) -> None:
        """Bring ``sort_name`` in step with the names."""
        self.sort_name = textsearch.fold(f"{self.usual_name or self.birth_name} {self.first_name}")[:130]

    def __str__(self) -> str:
        return self.display_name


class Registration(TenantMixin, VersionedMixin, TimestampMixin, Model):
    """The "fiche stagiaire" of a person on an action: contact details, situation at entry, schooling, ESF."""

    __tablename__ = "registration"
    __rls_limited__ = f"action_id IN {GIVEN_ACTIONS}"
    __audit_redact__ = (
        "sort_name",
        "street_number",
        "street_extension",
        "street_type_id",
        "street_name",
        "address_complement",
        "special_mention",
        "postal_code",
        "town",
        "insee_code",
        "mobile",
        "landline",
        "email",
        "other_information",
        "ft_number",
        "esf_parent_abroad",
        "esf_birth_postal_code",
        "esf_homeless",
        "boe",
        "receives_are",
        "receives_rsa",
        "receives_aah",
        "receives_other",
    )
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        UniqueConstraint("action_id", "trainee_id", name="uq_registration_trainee"),
        ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_registration_action"),
        ForeignKeyConstraint(["organisation_id", "trainee_id"], ["trainee.organisation_id", "trainee.id"], name="fk_registration_trainee"),
        CheckConstraint(one_of("boe", DisabilityStatus), name="boe"),
        CheckConstraint(one_of("esf_state", EsfState), name="esf_state"),
        CheckConstraint(one_of("esf_parent_abroad", EsfAnswer), name="esf_parent_abroad"),
        CheckConstraint(one_of("esf_homeless", EsfAnswer), name="esf_homeless"),
        CheckConstraint(
            "esf_state <> 'complete' OR (esf_parent_abroad IS NOT NULL AND esf_homeless IS NOT NULL AND esf_birth_postal_code IS NOT NULL)",
            name="esf_complete",
        ),
        CheckConstraint("ft_registered = (ft_number IS NOT NULL)", name="ft_number"),
        Index("ix_registration_list", "action_id", "sort_name", "id"),
        Index("ix_registration_trainee", "trainee_id"),
        Index("ix_registration_org_name", "organisation_id", "sort_name", "id"),
        Index("ix_registration_name", "sort_name", "id"),
        Index("ix_registration_esf", "organisation_id", "sort_name", "id", postgresql_where="esf_state = 'later'"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    action_id: Mapped[int] = mapped_column(Integer)
    trainee_id: Mapped[int] = mapped_column(Integer)
    #: Copy of the trainee's, so that the list of an action reads one index in order, however many trainees there are.
    sort_name: Mapped[str] = mapped_column(String(130))
    nationality_id: Mapped[int] = mapped_column(ForeignKey("nationality.id"))

    street_number: Mapped[str | None] = mapped_column(String(10))
    street_extension: Mapped[str | None] = mapped_column(String(10))
    street_type_id: Mapped[int] = mapped_column(ForeignKey("street_type.id"))
    street_name: Mapped[str] = mapped_column(String(120))
    address_complement: Mapped[str | None] = mapped_column(String(120))
    special_mention: Mapped[str | None] = mapped_column(String(120))
    postal_code: Mapped[str] = mapped_column(String(5))
    town: Mapped[str] = mapped_column(String(80))
    insee_code: Mapped[str | None] = mapped_column(String(5))
    cedex: Mapped[str | None] = mapped_column(String(12))
    mobile: Mapped[str] = mapped_column(String(20))
    landline: Mapped[str | None] = mapped_column(String(20))
    email: Mapped[str] = mapped_column(String(254))
    other_information: Mapped[str | None] = mapped_column(Text)

    public_category_id: Mapped[int | None] = mapped_column(ForeignKey("public_category.id"))
    general_objective_id: Mapped[int] = mapped_column(ForeignKey("general_objective.id"))
    professional_situation_id: Mapped[int] = mapped_column(ForeignKey("professional_situation.id"))
    ft_registered: Mapped[bool]
    ft_registered_on: Mapped[date | None]
    ft_number: Mapped[str | None] = mapped_column(String(11))
    ft_agency_code: Mapped[str | None] = mapped_column(String(10))
    receives_are: Mapped[bool]
    receives_rsa: Mapped[bool]
    receives_aah: Mapped[bool]
    receives_other: Mapped[bool]
    boe: Mapped[str] = mapped_column(String(8))
    school_leaver: Mapped[bool]
    entry_level_id: Mapped[int] = mapped_column(ForeignKey("level.id"))
    last_class_id: Mapped[int] = mapped_column(ForeignKey("last_class.id"))
    last_class_year: Mapped[int | None] = mapped_column(SmallInteger)
    highest_diploma_id: Mapped[int] = mapped_column(ForeignKey("highest_diploma.id"))
    highest_level_id: Mapped[int] = mapped_column(ForeignKey("level.id"))
    highest_level_year: Mapped[int | None] = mapped_column(SmallInteger)

    esf_state: Mapped[str] = mapped_column(String(8), default=EsfState.NOT_CONCERNED.value)
    esf_parent_abroad: Mapped[str | None] = mapped_column(String(7))
    esf_birth_postal_code: Mapped[str | None] = mapped_column(String(5))
    esf_homeless: Mapped[str | None] = mapped_column(String(7))

    action: Mapped[Action] = relationship("Action", primaryjoin="foreign(Registration.action_id) == Action.id")
    trainee: Mapped[Trainee] = relationship("Trainee", primaryjoin="foreign(Registration.trainee_id) == Trainee.id", back_populates="registrations")
    nationality: Mapped[Nationality] = relationship("Nationality")
    street_type: Mapped[StreetType] = relationship("StreetType")
    public_category: Mapped[PublicCategory | None] = relationship("PublicCategory")
    general_objective: Mapped[GeneralObjective] = relationship("GeneralObjective")
    professional_situation: Mapped[ProfessionalSituation] = relationship("ProfessionalSituation")
    entry_level: Mapped[Level] = relationship("Level", foreign_keys=[entry_level_id])
    highest_level: Mapped[Level] = relationship("Level", foreign_keys=[highest_level_id])
    last_class: Mapped[LastClass] = relationship("LastClass")
    highest_diploma: Mapped[HighestDiploma] = relationship("HighestDiploma")
    enrolments: Mapped[list[Enrolment]] = relationship(
        "Enrolment",
        primaryjoin="Registration.id == foreign(Enrolment.registration_id)",
        back_populates="registration",
        order_by="Enrolment.id",
        passive_deletes="all",
    )


class Enrolment(TenantMixin, VersionedMixin, TimestampMixin, Model):
    """A registered trainee on a component (inscription, parcours), with its AGORA file."""

    __tablename__ = "enrolment"
    __rls_limited__ = f"action_id IN {GIVEN_ACTIONS}"
    #: A refusal quotes what AGORA said of the person's data.
    __audit_redact__ = ("agora_refusal",)
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        UniqueConstraint("external_reference", name="uq_enrolment_reference"),
        UniqueConstraint("agora_number", name="uq_enrolment_agora_number"),
        ForeignKeyConstraint(["organisation_id", "registration_id"], ["registration.organisation_id", "registration.id"], name="fk_enrolment_registration"),
        ForeignKeyConstraint(["organisation_id", "component_id"], ["component.organisation_id", "component.id"], name="fk_enrolment_component"),
        ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_enrolment_action"),
        CheckConstraint("planned_start <= planned_end", name="planned_dates"),
        CheckConstraint("actual_end >= planned_start", name="actual_end"),
        CheckConstraint("hours_centre >= 0 AND hours_company >= 0", name="hours"),
        CheckConstraint("(actual_end IS NULL) = (exit_reason_id IS NULL) AND (actual_end IS NULL) = (early_exit IS NULL)", name="exit_whole"),
        CheckConstraint("cancelled_at IS NULL OR actual_end IS NULL", name="cancelled"),
        CheckConstraint(one_of("outcome", Outcome), name="outcome"),
        CheckConstraint("outcome IS NULL OR actual_end IS NOT NULL", name="outcome_left"),
        CheckConstraint("NOT outcome_corrected OR outcome IS NOT NULL", name="outcome_corrected"),
        CheckConstraint(one_of("agora_state", AgoraState), name="agora_state"),
        CheckConstraint(one_of("agora_status", FileStatus), name="agora_status"),
        CheckConstraint("agora_status IS NULL OR agora_number IS NOT NULL", name="agora_number"),
        Index("uq_enrolment_current", "registration_id", "component_id", unique=True, postgresql_where="actual_end IS NULL AND cancelled_at IS NULL"),
        Index("ix_enrolment_registration", "registration_id"),
        Index("ix_enrolment_component", "component_id"),
        Index("ix_enrolment_entry", "action_id", "planned_start"),
        Index("ix_enrolment_still_in", "action_id", postgresql_where="actual_end IS NULL"),
        Index("ix_enrolment_agora_todo", "organisation_id", "agora_state", postgresql_where="agora_state IN ('waiting', 'rejected', 'nir')"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    registration_id: Mapped[int] = mapped_column(Integer)
    component_id: Mapped[int] = mapped_column(Integer)
    #: The action of both, so that opening and closing read one index.
    action_id: Mapped[int] = mapped_column(Integer)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    planned_start: Mapped[date]
    planned_end: Mapped[date]
    hours_centre: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    hours_company: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    actual_end: Mapped[date | None]
    exit_reason_id: Mapped[int | None] = mapped_column(ForeignKey("exit_reason.id"))
    early_exit: Mapped[bool | None]
    #: « Inscrit par erreur »: the row stays, and counts for nothing any more.
    cancelled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Réalisation: as corrected, or as it was when the action was closed; None while it is only computed.
    outcome: Mapped[str | None] = mapped_column(String(8))
    outcome_corrected: Mapped[bool] = mapped_column(default=False, server_default="false")
    #: Stable name of the enrolment for AGORA: the same reference never creates a second file there.
    external_reference: Mapped[uuid.UUID] = mapped_column(Uuid, default=uuid.uuid4)
    agora_state: Mapped[str] = mapped_column(String(8))
    agora_number: Mapped[str | None] = mapped_column(String(12))
    agora_status: Mapped[str | None] = mapped_column(String(20))
    #: Version AGORA gave with the status: a late answer never overwrites a newer one.
    agora_version: Mapped[int] = mapped_column(default=0, server_default="0")
    #: Last refusal: {"code", "title", "fields": [{"path", "message"}]}; no personal value.
    agora_refusal: Mapped[dict[str, Any] | None] = mapped_column(JSONB)

    registration: Mapped[Registration] = relationship(
        "Registration", primaryjoin="foreign(Enrolment.registration_id) == Registration.id", back_populates="enrolments"
    )
    component: Mapped[Component] = relationship("Component", primaryjoin="foreign(Enrolment.component_id) == Component.id")
    action: Mapped[Action] = relationship("Action", primaryjoin="foreign(Enrolment.action_id) == Action.id")
    site: Mapped[Site] = relationship("Site")
    exit_reason: Mapped[ExitReason | None] = relationship("ExitReason")
    interruptions: Mapped[list[Interruption]] = relationship(
        "Interruption",
        primaryjoin="Enrolment.id == foreign(Interruption.enrolment_id)",
        back_populates="enrolment",
        order_by="Interruption.interrupted_on",
        passive_deletes="all",
    )
    acts: Mapped[list[EnrolmentAct]] = relationship(
        "EnrolmentAct",
        primaryjoin="Enrolment.id == foreign(EnrolmentAct.enrolment_id)",
        back_populates="enrolment",
        order_by="EnrolmentAct.id",
        passive_deletes="all",
    )


class IdentityRequest(TenantMixin, Model):
    """A search of an identity at AGORA: question and answer are encrypted, the page that asked picks the answer up.

    Purged after an hour; job arguments carry its id only.
    """

    __tablename__ = "identity_request"
    __rls_limited__ = f"action_id IN {GIVEN_ACTIONS}"
    __audit__ = False
    __table_args__ = (
        ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_identity_request_action", ondelete="CASCADE"),
        CheckConstraint(one_of("state", IdentityState), name="state"),
        Index("ix_identity_request_created", "created_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    seal_uid: Mapped[uuid.UUID] = mapped_column(Uuid, default=uuid.uuid4, unique=True)
    action_id: Mapped[int] = mapped_column(Integer)
    requested_by: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    answered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    state: Mapped[str] = mapped_column(String(12), default=IdentityState.PENDING.value)
    question: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)


# ---- the first wall of accounts limited to some actions (the second is ``__rls_limited__``) ---------------------------


def _persons(account_id: int) -> Any:
    table: Any = Registration.__table__
    return select(table.c.trainee_id).where(table.c.action_id.in_(given_actions(account_id)))


def enrolments_given(account_id: int) -> Any:
    """The enrolments on the actions given to an account limited to some."""
    table: Any = Enrolment.__table__
    return select(table.c.id).where(table.c.action_id.in_(given_actions(account_id)))


tenancy.register_limit(Trainee, lambda account: Trainee.id.in_(_persons(account)))
tenancy.register_limit(Registration, lambda account: Registration.action_id.in_(given_actions(account)))
tenancy.register_limit(Enrolment, lambda account: Enrolment.action_id.in_(given_actions(account)))
tenancy.register_limit(Interruption, lambda account: Interruption.enrolment_id.in_(enrolments_given(account)))
tenancy.register_limit(EnrolmentAct, lambda account: EnrolmentAct.enrolment_id.in_(enrolments_given(account)))
tenancy.register_limit(IdentityRequest, lambda account: IdentityRequest.action_id.in_(given_actions(account)))
tenancy.register_limit(
    OutboxMessage, lambda account: and_(OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id.in_(enrolments_given(account)))
)


register_constraint("uq_trainee_nir", _l("A trainee with this number already exists."), field="nir")
register_constraint("uq_trainee_without_nir", _l("A trainee with this identity already exists."), field="birth_name")
register_constraint("uq_registration_trainee", _l("This trainee is already registered on the action."))
register_constraint("uq_enrolment_current", _l("This trainee is already enrolled on this component."), field="component_id")
register_constraint("uq_enrolment_agora_number", _l("AGORA gave a number that another enrolment already bears."))
register_constraint("ck_enrolment_planned_dates", _l("The planned end comes before the planned start."), field="planned_end")
register_constraint("ck_enrolment_actual_end", _l("The exit comes before the entry."), field="actual_end")
