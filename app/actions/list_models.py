"""What the list of the actions keeps: searches that accounts have named, and the journal of exports (decision 0031)."""

from __future__ import annotations

from datetime import datetime

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import ARRAY, CheckConstraint, DateTime, ForeignKey, Index, SmallInteger, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.core.db import TimestampMixin, VersionedMixin, one_of
from app.core.errors_db import register_constraint
from app.core.rls import LIMITED_ACCOUNT
from app.core.tabular.writing import FileFormat

from .domain import MAX_SAVED_SEARCHES, ExportKind

_OWN_ACCOUNT = "user_id = NULLIF(current_setting('app.actor_id', true), '')::integer"


class SavedSearch(VersionedMixin, TimestampMixin, Model):
    """A search of the list that an account has named; nobody else sees it. ``slot`` bounds their number, also under a race."""

    __tablename__ = "saved_search"
    __rls__ = "tenant"
    __rls_extra__ = (
        # On top of the organisation: a search is its account's own.
        f"CREATE POLICY own_account ON saved_search AS RESTRICTIVE FOR ALL TO portal_tenant, portal_region USING ({_OWN_ACCOUNT}) WITH CHECK ({_OWN_ACCOUNT})",
        "REVOKE INSERT, UPDATE, DELETE ON saved_search FROM portal_support",
    )
    __table_args__ = (
        UniqueConstraint("user_id", "slot", name="uq_saved_search_slot"),
        Index("uq_saved_search_name", "user_id", text("lower(name)"), unique=True),
        CheckConstraint(f"slot BETWEEN 1 AND {MAX_SAVED_SEARCHES}", name="slot"),
        CheckConstraint("name <> ''", name="name"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"))
    slot: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str] = mapped_column(String(80))
    #: The words of the address: ``statut=EC&annee=2026``.
    query: Mapped[str] = mapped_column(Text)

    def __str__(self) -> str:
        return self.name


class ActionExport(Model):
    """The journal of exports: who took what out, narrowed to what, in which format, and how many lines left.

    Written before the first byte leaves; ``finished_at`` and ``lines`` follow at the end. One without end was cut short.
    """

    __tablename__ = "action_export"
    __rls__ = "journal"
    __rls_limited__ = f"actor_id = {LIMITED_ACCOUNT}"
    __rls_extra__ = (
        "GRANT INSERT, UPDATE ON action_export TO portal_system",
        "CREATE POLICY system_insert ON action_export FOR INSERT TO portal_system WITH CHECK (true)",
        "CREATE POLICY system_update ON action_export FOR UPDATE TO portal_system USING (true) WITH CHECK (true)",
    )
    __table_args__ = (
        CheckConstraint(one_of("kind", ExportKind), name="kind"),
        CheckConstraint(one_of("file_format", FileFormat), name="file_format"),
        Index("ix_action_export_organisation", "organisation_id", "id"),
        Index("ix_action_export_actor", "actor_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    #: Plain numbers: an entry outlives the account and the organisation.
    actor_id: Mapped[int | None]
    on_behalf_of_id: Mapped[int | None]
    organisation_id: Mapped[int | None]
    request_id: Mapped[str | None] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(12))
    file_format: Mapped[str] = mapped_column(String(4))
    columns: Mapped[list[str]] = mapped_column(ARRAY(String(40)))
    query: Mapped[str] = mapped_column(Text, default="", server_default="")
    lines: Mapped[int] = mapped_column(default=0, server_default="0")
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    def __str__(self) -> str:
        return f"{self.id} {self.kind} {self.file_format}"


register_constraint("uq_saved_search_name", _l("You already have a search with this name: choose another one."), field="name")
