"""Modification requests and what happened to them (guide 003 §2)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, DateTime, ForeignKey, ForeignKeyConstraint, Index, Integer, String, Text, UniqueConstraint, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.actions.models import Action, given_actions
from app.core import clock, tenancy
from app.core.db import TenantMixin, TimestampMixin, VersionedMixin, one_of
from app.core.errors_db import register_constraint
from app.core.rls import GIVEN_ACTIONS

from .document_models import RequestDocument, RequestDocumentContent, RequestSignature
from .domain import OPEN, Change, Note, RequestEvent, RequestKind, RequestState, load, load_notes
from .domain.market import Outcome
from .market_models import MarketRule, MarketRuleVersion, RequestReminder

if TYPE_CHECKING:
    from app.accounts.models import Organisation


_OPEN = one_of("state", [state for state in RequestState if state in OPEN])


class ModificationRequest(TenantMixin, VersionedMixin, TimestampMixin, Model):
    """What an organisation asks to change of one of its actions, and what the Région answered.

    ``changes`` is what ``domain.dump`` made; it is read through ``domain.load`` alone.
    """

    __tablename__ = "modification_request"
    __rls_limited__ = f"action_id IN {GIVEN_ACTIONS}"
    #: Free text may speak of people.
    __audit_redact__ = ("motivation", "observations", "notes")
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_modification_request_action"),
        CheckConstraint(one_of("kind", RequestKind), name="kind"),
        CheckConstraint(one_of("state", RequestState), name="state"),
        CheckConstraint("jsonb_typeof(changes) = 'array' AND changes <> '[]'::jsonb", name="changes"),
        CheckConstraint("(state IN ('validated', 'refused')) = (decided_at IS NOT NULL)", name="decided_whole"),
        CheckConstraint("jsonb_typeof(notes) = 'array'", name="notes"),
        CheckConstraint("state NOT IN ('refused', 'to_correct') OR observations <> '' OR notes <> '[]'::jsonb", name="observations"),
        CheckConstraint("amendment_number IS NULL OR state = 'validated'", name="amendment"),
        CheckConstraint("treatment IN ('record', 'instruct')", name="treatment"),
        CheckConstraint("treatment <> 'record' OR (state = 'validated' AND rule_id IS NOT NULL)", name="recorded"),
        CheckConstraint("NOT needs_amendment OR state <> 'validated' OR amendment_number IS NOT NULL", name="needs_amendment"),
        CheckConstraint("rule_id IS NULL OR rule_version_id IS NOT NULL", name="rule_of_version"),
        ForeignKeyConstraint(["rule_version_id", "rule_id"], ["market_rule.version_id", "market_rule.id"], name="fk_modification_request_rule"),
        Index("uq_modification_request_open", "action_id", "kind", unique=True, postgresql_where=_OPEN),
        Index("ix_modification_request_action", "action_id", "id"),
        Index("ix_modification_request_queue", "state", "sent_at", "id"),
        Index("ix_modification_request_sent", "sent_at", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    action_id: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(12))
    state: Mapped[str] = mapped_column(String(12), default=RequestState.PENDING.value)
    changes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    motivation: Mapped[str] = mapped_column(Text)
    #: Of the last decision; what was written before stands in the history.
    observations: Mapped[str] = mapped_column(Text, default="", server_default="")
    amendment_number: Mapped[str | None] = mapped_column(String(40))
    sender_id: Mapped[int | None]
    #: The name as it was: the account may be deleted since.
    sender_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    #: When it was last sent: the age that the queue shows.
    sent_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: Observations of the last decision on single lines of the MODIFICATIONS; read through ``domain.load_notes`` alone.
    notes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list, server_default="[]")
    #: What the market rules said when it was last sent, and which rule of which version said so (none: no rule names the change).
    treatment: Mapped[str] = mapped_column(String(12), default=Outcome.INSTRUCT.value, server_default="instruct")
    needs_amendment: Mapped[bool] = mapped_column(default=False, server_default="false")
    rule_version_id: Mapped[int | None] = mapped_column(ForeignKey("market_rule_version.id"))
    rule_id: Mapped[int | None] = mapped_column(Integer)
    #: Names what its letter says (``services.restate``): a letter, or a confirmation, that says the same stands for it.
    stated: Mapped[str] = mapped_column(String(24), default="", server_default="")

    rule: Mapped[MarketRule | None] = relationship("MarketRule", primaryjoin="foreign(ModificationRequest.rule_id) == MarketRule.id", viewonly=True)
    rule_version: Mapped[MarketRuleVersion | None] = relationship("MarketRuleVersion", viewonly=True)
    action: Mapped[Action] = relationship("Action", primaryjoin="foreign(ModificationRequest.action_id) == Action.id", viewonly=True)
    organisation: Mapped[Organisation] = relationship(
        "Organisation", primaryjoin="foreign(ModificationRequest.organisation_id) == Organisation.id", viewonly=True
    )

    @property
    def asked(self) -> tuple[Change, ...]:
        """What it asks, read and checked."""
        return load(self.changes)

    @property
    def noted(self) -> tuple[Note, ...]:
        """The observations on single lines."""
        return load_notes(self.notes)

    @property
    def is_open(self) -> bool:
        """Whether it still bars the way to another of its kind."""
        return self.state in OPEN


class ModificationRequestEvent(TenantMixin, Model):
    """One step of a request: who, when, from, to, why; with what was asked, for a sending."""

    __tablename__ = "modification_request_event"
    __rls_limited__ = "request_id IN (SELECT r.id FROM modification_request r)"  # the policy of the request narrows it further
    __audit_redact__ = ("comment", "notes")
    __table_args__ = (
        UniqueConstraint("organisation_id", "id"),
        CheckConstraint("notes IS NULL OR jsonb_typeof(notes) = 'array'", name="notes"),
        CheckConstraint("NOT without_letter OR event = 'validate'", name="without_letter"),
        CheckConstraint("rule_id IS NULL OR rule_version_id IS NOT NULL", name="rule_of_version"),
        ForeignKeyConstraint(["rule_version_id", "rule_id"], ["market_rule.version_id", "market_rule.id"], name="fk_modification_request_event_rule"),
        ForeignKeyConstraint(
            ["organisation_id", "request_id"], ["modification_request.organisation_id", "modification_request.id"], name="fk_modification_request_event_request"
        ),
        CheckConstraint(one_of("event", RequestEvent), name="event"),
        CheckConstraint(one_of("from_state", RequestState), name="from_state"),
        CheckConstraint(one_of("to_state", RequestState), name="to_state"),
        Index("ix_modification_request_event_request", "request_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(Integer)
    event: Mapped[str] = mapped_column(String(16))
    #: None for the first sending.
    from_state: Mapped[str | None] = mapped_column(String(12))
    to_state: Mapped[str] = mapped_column(String(12))
    happened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    actor_id: Mapped[int | None]
    actor_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    on_behalf_of_id: Mapped[int | None]
    on_behalf_of_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    comment: Mapped[str] = mapped_column(Text, default="", server_default="")
    changes: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    notes: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    #: Validated though no letter stood for it: who validated said that they had seen it.
    without_letter: Mapped[bool] = mapped_column(default=False, server_default="false")
    rule_version_id: Mapped[int | None] = mapped_column(ForeignKey("market_rule_version.id"))
    rule_id: Mapped[int | None] = mapped_column(Integer)


__all__ = ["ModificationRequest", "ModificationRequestEvent", "RequestDocument", "RequestDocumentContent", "RequestSignature"]

# ---- the first wall of accounts limited to some actions (the second is ``__rls_limited__``) ---------------------------


def _requests(account_id: int) -> Any:
    table: Any = ModificationRequest.__table__
    return select(table.c.id).where(table.c.action_id.in_(given_actions(account_id)))


tenancy.register_limit(ModificationRequest, lambda account: ModificationRequest.action_id.in_(given_actions(account)))
def _events(account_id: int) -> Any:
    table: Any = ModificationRequestEvent.__table__
    return select(table.c.id).where(table.c.request_id.in_(_requests(account_id)))


tenancy.register_limit(RequestReminder, lambda account: RequestReminder.event_id.in_(_events(account)))
tenancy.register_limit(ModificationRequestEvent, lambda account: ModificationRequestEvent.request_id.in_(_requests(account)))

register_constraint(
    "uq_modification_request_open",
    _l("A request of this kind is already waiting for this action: as long as it is not decided, no other of the same kind can be made."),
)
register_constraint("fk_modification_request_action", _l("This action has modification requests: it cannot be deleted."))
