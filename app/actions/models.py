"""Contracts, actions, components and their sites.

Source: guide 003, DOMAIN §3.  Every link between tenant tables is composite (organisation and id), so that no row can
point into another organisation.  Relations join on the id alone: the organisation is set by the parent, never by a join.
"""

from __future__ import annotations

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
    Numeric,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from app.core import clock, tenancy, textsearch
from app.core.db import TenantMixin, TimestampMixin, VersionedMixin, one_of
from app.core.errors_db import register_constraint
from app.core.rls import GIVEN_ACTIONS, LIMITED_ACCOUNT

from .domain import ActionStatus, BillingPeriod, ContractKind, DeclarationFrequency
from .list_models import SavedSearch
from .partner_models import ActionPartner
from .session_models import InformationMeeting, TrainingSession

if TYPE_CHECKING:
    from app.accounts.models import Organisation
    from app.reference.models import Level, Programme, Site


TITLE_KEY = f"\"left\"({textsearch.fold_sql('title')}, 100)"
#: What the search by component looks at; there is an index on these very words.
COMPONENT_WORDS = textsearch.words_sql("title", "coalesce(certif_info, '')", "coalesce(formacode, '')")


class Contract(TenantMixin, VersionedMixin, TimestampMixin, Model):
    """A lot of a public market, or a convention; its holder (titulaire) is the organisation of the row."""

    __tablename__ = "contract"
    __rls_limited__ = "id IN (SELECT a.contract_id FROM action a)"  # the policy of action narrows it further
    __rls_observer__ = True
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        UniqueConstraint("number", "lot_number", name="uq_contract_number_lot"),
        CheckConstraint(one_of("kind", ContractKind), name="kind"),
        Index("ix_contract_territory", "territory"),
        Index("ix_contract_org_territory", "organisation_id", "territory"),
        Index("ix_contract_org_programme", "organisation_id", "programme_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(32))
    label: Mapped[str] = mapped_column(String(300))
    lot_number: Mapped[str] = mapped_column(String(10), default="", server_default="")
    lot_label: Mapped[str] = mapped_column(String(300), default="", server_default="")
    territory: Mapped[str] = mapped_column(String(120), default="", server_default="")
    kind: Mapped[str] = mapped_column(String(12), default=ContractKind.MARKET.value)
    programme_id: Mapped[int] = mapped_column(ForeignKey("programme.id"), index=True)

    programme: Mapped[Programme] = relationship("Programme")
    organisation: Mapped[Organisation] = relationship("Organisation", primaryjoin="foreign(Contract.organisation_id) == Organisation.id")
    actions: Mapped[list[Action]] = relationship(
        "Action", primaryjoin="Contract.id == foreign(Action.contract_id)", back_populates="contract", passive_deletes="all"
    )

    @property
    def group_label(self) -> str:
        """The line above its actions in the list: number, lot and label (guide 003)."""
        parts = [self.number]
        if self.lot_number:
            parts.append(f"Lot {self.lot_number}")
        parts.append(self.lot_label or self.label)
        return " – ".join(parts)

    def __str__(self) -> str:
        return self.group_label


class Action(TenantMixin, VersionedMixin, TimestampMixin, Model):
    """A training action (bon de commande): what is opened, run, invoiced and closed."""

    __tablename__ = "action"
    __rls_limited__ = f"id IN {GIVEN_ACTIONS}"
    __rls_observer__ = True
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        UniqueConstraint("number", name="uq_action_number"),
        ForeignKeyConstraint(["organisation_id", "contract_id"], ["contract.organisation_id", "contract.id"], name="fk_action_contract"),
        CheckConstraint(one_of("status", ActionStatus), name="status"),
        CheckConstraint(one_of("declaration_frequency", DeclarationFrequency), name="declaration_frequency"),
        CheckConstraint(one_of("billing_period", BillingPeriod), name="billing_period"),
        CheckConstraint("planned_start <= planned_end", name="planned_dates"),
        CheckConstraint("actual_start <= planned_end", name="actual_start"),
        CheckConstraint(
            "(status IN ('EC', 'CL')) = (actual_start IS NOT NULL AND declaration_frequency IS NOT NULL AND billing_period IS NOT NULL)",
            name="opened_whole",
        ),
        CheckConstraint("(status = 'CL') = (closed_at IS NOT NULL)", name="closed_whole"),
        Index("ix_action_contract", "contract_id", "sort_key"),
        Index("ix_action_org_sort", "organisation_id", "sort_key", "id"),
        Index("ix_action_sort", "sort_key", "id"),
        Index("ix_action_org_status", "organisation_id", "status", "sort_key", "id"),
        Index("ix_action_status", "status", "sort_key", "id"),
        Index("ix_action_running", "organisation_id", "planned_end", postgresql_where="status = 'EC'"),
        # The columns the list sorts by (``listing``), each for the Région and within an organisation.
        Index("ix_action_year", "year", "sort_key", "id"),
        Index("ix_action_org_year", "organisation_id", "year", "sort_key", "id"),
        Index("ix_action_title", "title_key", "sort_key", "id"),
        Index("ix_action_org_title", "organisation_id", "title_key", "sort_key", "id"),
        Index("ix_action_start", "start_key", "sort_key", "id"),
        Index("ix_action_org_start", "organisation_id", "start_key", "sort_key", "id"),
        Index("ix_action_end", "planned_end", "sort_key", "id"),
        Index("ix_action_org_end", "organisation_id", "planned_end", "sort_key", "id"),
        Index("ix_action_search", "search_vector", postgresql_using="gin"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    contract_id: Mapped[int] = mapped_column(Integer)
    number: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(400))
    status: Mapped[str] = mapped_column(String(2), default=ActionStatus.WAITING.value)
    year: Mapped[int] = mapped_column(SmallInteger)
    planned_start: Mapped[date]
    planned_end: Mapped[date]
    actual_start: Mapped[date | None]
    declaration_frequency: Mapped[str | None] = mapped_column(String(12))
    billing_period: Mapped[str | None] = mapped_column(String(12))
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    esf_cofunded: Mapped[bool] = mapped_column(default=False, server_default="false")
    #: The actions of a contract and lot share the beginning of their number: sorting by it groups them, in numeric order.
    sort_key: Mapped[str] = mapped_column(
        Text,
        Computed("split_part(number, '_', 1) || '_' || lpad(split_part(number, '_', 2), 6, '0')", persisted=True),
    )
    search_vector: Mapped[Any] = mapped_column(TSVECTOR, Computed(textsearch.vector_sql("number || ' ' || title"), persisted=True), deferred=True)
    #: The title as it is sorted: without case or accents. A column, because row-level security lets only plain columns use an index.
    title_key: Mapped[str] = mapped_column(Text, Computed(TITLE_KEY, persisted=True), deferred=True)
    #: The actual start as it is sorted and searched: an action that has not begun comes after all those that have.
    start_key: Mapped[date] = mapped_column(Computed("COALESCE(actual_start, '9999-12-31'::date)", persisted=True), deferred=True)

    contract: Mapped[Contract] = relationship("Contract", primaryjoin="foreign(Action.contract_id) == Contract.id", back_populates="actions")
    organisation: Mapped[Organisation] = relationship("Organisation", primaryjoin="foreign(Action.organisation_id) == Organisation.id", viewonly=True)
    components: Mapped[list[Component]] = relationship(
        "Component",
        primaryjoin="Action.id == foreign(Component.action_id)",
        back_populates="action",
        order_by="Component.number",
        passive_deletes="all",
    )

    @validates("contract")
    def _belong_to_holder(self, _key: str, contract: Contract) -> Contract:
        if contract is not None and contract.organisation_id is not None:
            self.organisation_id = contract.organisation_id
        return contract

    def __str__(self) -> str:
        return f"{self.number} – {self.title}"


class Component(TenantMixin, VersionedMixin, TimestampMixin, Model):
    """A component of an action: what a trainee is enrolled on."""

    __tablename__ = "component"
    __rls_limited__ = f"action_id IN {GIVEN_ACTIONS}"
    __rls_observer__ = True
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        UniqueConstraint("action_id", "number", name="uq_component_number"),
        ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_component_action"),
        CheckConstraint("planned_start <= planned_end", name="planned_dates"),
        CheckConstraint("hours_centre >= 0 AND hours_company >= 0", name="hours"),
        CheckConstraint("places >= 0", name="places"),
        Index("ix_component_search", text(COMPONENT_WORDS), postgresql_using="gin"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    action_id: Mapped[int] = mapped_column(Integer)
    number: Mapped[str] = mapped_column(String(4))
    title: Mapped[str] = mapped_column(String(400))
    level_id: Mapped[int | None] = mapped_column(ForeignKey("level.id"))
    certif_info: Mapped[str | None] = mapped_column(String(12))
    formacode: Mapped[str | None] = mapped_column(String(12))
    planned_start: Mapped[date]
    planned_end: Mapped[date]
    hours_centre: Mapped[Decimal] = mapped_column(Numeric(10, 2), default=0, server_default="0")
    hours_company: Mapped[Decimal] = mapped_column(Numeric(10, 2), default=0, server_default="0")
    places: Mapped[int] = mapped_column(default=0, server_default="0")

    action: Mapped[Action] = relationship("Action", primaryjoin="foreign(Component.action_id) == Action.id", back_populates="components")
    level: Mapped[Level | None] = relationship("Level")
    places_of_training: Mapped[list[ComponentSite]] = relationship(
        "ComponentSite",
        primaryjoin="Component.id == foreign(ComponentSite.component_id)",
        back_populates="component",
        cascade="all, delete-orphan",
    )

    @validates("action")
    def _belong_to_action(self, _key: str, action: Action) -> Action:
        if action is not None and action.organisation_id is not None:
            self.organisation_id = action.organisation_id
        return action

    @property
    def sites(self) -> list[Site]:
        """The sites, by town."""
        return sorted((link.site for link in self.places_of_training), key=lambda site: (site.town, site.name))

    def __str__(self) -> str:
        return f"{self.number} – {self.title}"


class ComponentSite(TenantMixin, Model):
    """A site where a component takes place."""

    __tablename__ = "component_site"
    __rls_limited__ = "component_id IN (SELECT c.id FROM component c)"
    __rls_observer__ = True
    __table_args__ = (
        UniqueConstraint("component_id", "site_id", name="uq_component_site"),
        ForeignKeyConstraint(
            ["organisation_id", "component_id"], ["component.organisation_id", "component.id"], name="fk_component_site_component", ondelete="CASCADE"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    component_id: Mapped[int] = mapped_column(Integer)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)

    component: Mapped[Component] = relationship(
        "Component", primaryjoin="foreign(ComponentSite.component_id) == Component.id", back_populates="places_of_training"
    )
    site: Mapped[Site] = relationship("Site")

    def __str__(self) -> str:
        return str(self.site)

    @validates("component")
    def _belong_to_component(self, _key: str, component: Component) -> Component:
        if component is not None and component.organisation_id is not None:
            self.organisation_id = component.organisation_id
        return component


class AdvanceInvoiceRequest(TenantMixin, Model):
    """The trigger of the advance invoice: made by the opening, once per action whatever is clicked twice (guide 003 §1)."""

    __tablename__ = "advance_invoice_request"
    __rls_limited__ = f"action_id IN {GIVEN_ACTIONS}"
    __rls_observer__ = True
    __table_args__ = (
        UniqueConstraint("action_id", name="uq_advance_invoice_request_action"),
        ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_advance_invoice_request_action"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    action_id: Mapped[int] = mapped_column(Integer)
    requested_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)


class ActionHistory(TenantMixin, Model):
    """What happened to an action as a whole: one line per transition, with who, when, from, to and why."""

    __tablename__ = "action_history"
    __rls_limited__ = f"action_id IN {GIVEN_ACTIONS}"
    __rls_observer__ = True
    __table_args__ = (
        ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_action_history_action"),
        ForeignKeyConstraint(["organisation_id", "session_id"], ["training_session.organisation_id", "training_session.id"], name="fk_action_history_session"),
        Index("ix_action_history_action", "action_id", "id"),
        Index("ix_action_history_session", "session_id", "id", postgresql_where="session_id IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    action_id: Mapped[int] = mapped_column(Integer)
    event: Mapped[str] = mapped_column(String(20))
    from_status: Mapped[str] = mapped_column(String(2))
    to_status: Mapped[str] = mapped_column(String(2))
    happened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    actor_id: Mapped[int | None]
    #: The name as it was: the account may be deleted since, or belong to the Région, which an organisation cannot read.
    actor_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    #: The account for which the actor acted (a delegation), and its name as it was.
    on_behalf_of_id: Mapped[int | None]
    on_behalf_of_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    comment: Mapped[str] = mapped_column(Text, default="", server_default="")
    #: The session concerned, when the line is about one; and what the sentence needs (codes and values, never words).
    session_id: Mapped[int | None]
    details: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class FinishDeclaration(TenantMixin, Model):
    """« Action déclarée terminée » by the organisation: a dated fact, at most one in force for an action.

    Apart from the action, so that who finds something missing again (an enrolment holds the action for others to add more) can withdraw
    it without a stronger lock on the action: two enrolments at once would wait for each other for ever.
    """

    __tablename__ = "finish_declaration"
    __rls_limited__ = f"action_id IN {GIVEN_ACTIONS}"
    __rls_observer__ = True
    __table_args__ = (
        ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_finish_declaration_action"),
        Index("ix_finish_declaration_action", "action_id"),
        Index("uq_finish_declaration_in_force", "action_id", unique=True, postgresql_where="withdrawn_at IS NULL"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    action_id: Mapped[int] = mapped_column(Integer)
    declared_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    declared_by_id: Mapped[int | None]
    #: The name as it was.
    declared_by_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    #: The establishment asked for the closing with it, where the programme lets it (FORPRO SUP).
    closing_asked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    withdrawn_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ActionAccess(TenantMixin, Model):
    """An action given to an account that is limited to some (``ab_user.limited_to_actions``); a new action is given to nobody.

    Its organisation and the Région read it; only the system's scope writes, after the service checked who asks.
    """

    __tablename__ = "action_access"
    __rls_limited__ = f"user_id = {LIMITED_ACCOUNT}"
    __rls_observer__ = True
    __rls_extra__ = ("REVOKE INSERT, UPDATE, DELETE ON action_access FROM portal_tenant, portal_support, portal_region",)
    __table_args__ = (
        UniqueConstraint("user_id", "action_id", name="uq_action_access"),
        ForeignKeyConstraint(["organisation_id", "user_id"], ["ab_user.organisation_id", "ab_user.id"], name="fk_action_access_account", ondelete="CASCADE"),
        ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_action_access_action", ondelete="CASCADE"),
        Index("ix_action_access_action", "action_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(Integer)
    action_id: Mapped[int] = mapped_column(Integer)


# ---- the first wall of accounts limited to some actions (the second is ``__rls_limited__``) ---------------------------


def given_actions(account_id: int) -> Any:
    """The ids of the actions given to an account, for ``IN``; plain columns, so that no criterion is added to the criterion."""
    table: Any = ActionAccess.__table__
    return select(table.c.action_id).where(table.c.user_id == account_id)


def _of_component(account_id: int) -> Any:
    table: Any = Component.__table__
    return select(table.c.id).where(table.c.action_id.in_(given_actions(account_id)))


def _of_contract(account_id: int) -> Any:
    table: Any = Action.__table__
    return select(table.c.contract_id).where(table.c.id.in_(given_actions(account_id)))


tenancy.register_limit(Action, lambda account: Action.id.in_(given_actions(account)))
tenancy.register_limit(Contract, lambda account: Contract.id.in_(_of_contract(account)))
tenancy.register_limit(Component, lambda account: Component.action_id.in_(given_actions(account)))
tenancy.register_limit(ComponentSite, lambda account: ComponentSite.component_id.in_(_of_component(account)))
tenancy.register_limit(AdvanceInvoiceRequest, lambda account: AdvanceInvoiceRequest.action_id.in_(given_actions(account)))
tenancy.register_limit(FinishDeclaration, lambda account: FinishDeclaration.action_id.in_(given_actions(account)))
tenancy.register_limit(ActionHistory, lambda account: ActionHistory.action_id.in_(given_actions(account)))
tenancy.register_limit(ActionAccess, lambda account: ActionAccess.user_id == account)


__all__ = [
    "Action",
    "ActionAccess",
    "ActionHistory",
    "ActionPartner",
    "AdvanceInvoiceRequest",
    "Component",
    "ComponentSite",
    "Contract",
    "FinishDeclaration",
    "InformationMeeting",
    "SavedSearch",
    "TrainingSession",
    "given_actions",
]

register_constraint("uq_contract_number_lot", _l("This contract number and lot already exist."), field="number")
register_constraint("uq_action_number", _l("This action number already exists."), field="number")
register_constraint("uq_component_number", _l("This action already has a component with this number."), field="number")
register_constraint("ck_action_planned_dates", _l("The planned end comes before the planned start."), field="planned_end")
register_constraint("ck_action_actual_start", _l("The planned end comes before the actual start."), field="planned_end")
register_constraint("ck_component_planned_dates", _l("The planned end comes before the planned start."), field="planned_end")
register_constraint("uq_component_site", _l("The component already takes place on this site."), field="site")
register_constraint("ck_component_places", _l("This number cannot be negative: enter 0 or more."), field="places")
register_constraint("ck_component_hours", _l("Hours cannot be negative."), field="hours_centre")
register_constraint("fk_action_contract", _l("This contract has actions: its holder can no longer change, nor can it be deleted."))
register_constraint("fk_component_action", _l("This action has components: it cannot be deleted."))
register_constraint("ck_component_within_action", _l("The dates of a component lie within those of its action."), field="planned_start")
register_constraint(
    "ck_session_within_component", _l("The dates of a session lie within those of its component: change the dates of the session first."), field="starts_on"
)
register_constraint(
    "ck_enrolment_within_component",
    _l("A trainee of the component would be outside its dates: change the dates of the enrolment first."),
    field="planned_start",
)
register_constraint("uq_finish_declaration_in_force", _l("The action has just been declared finished."))
