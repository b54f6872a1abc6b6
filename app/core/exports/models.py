"""The journal of exports, the columns accounts chose last or keep under a name, and the files prepared in the background (decision 0041)."""

from __future__ import annotations

import uuid
from datetime import datetime

from flask_appbuilder import Model
from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    CheckConstraint,
    ColumnElement,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock
from app.core.db import TimestampMixin, VersionedMixin, one_of
from app.core.rls import LIMITED_ACCOUNT
from app.core.tabular.writing import FileFormat

from .domain import MOST_SELECTIONS, FileState, Way

_OWN_ACCOUNT = "user_id = NULLIF(current_setting('app.actor_id', true), '')::integer"


def _own(table: str) -> tuple[str, ...]:
    """On top of the organisation: what is its account's own; support takes nothing out."""
    return (
        f"CREATE POLICY own_account ON {table} AS RESTRICTIVE FOR ALL TO portal_tenant, portal_region USING ({_OWN_ACCOUNT}) WITH CHECK ({_OWN_ACCOUNT})",
        f"REVOKE INSERT, UPDATE, DELETE ON {table} FROM portal_support",
    )


class ListExport(Model):
    """The journal of exports: who took which list out, narrowed to what, in which format, and how many lines left.

    Written before the first byte leaves; ``finished_at`` and ``lines`` follow at the end. One without end was cut short.
    ``query`` is what narrowed the list, without the personal values that were searched for.
    """

    __tablename__ = "list_export"
    __rls__ = "journal"
    __rls_limited__ = f"actor_id = {LIMITED_ACCOUNT}"
    __rls_extra__ = (
        "GRANT INSERT, UPDATE ON list_export TO portal_system",
        "CREATE POLICY system_insert ON list_export FOR INSERT TO portal_system WITH CHECK (true)",
        "CREATE POLICY system_update ON list_export FOR UPDATE TO portal_system USING (true) WITH CHECK (true)",
    )
    __table_args__ = (
        CheckConstraint(one_of("way", Way), name="way"),
        CheckConstraint(one_of("file_format", FileFormat), name="file_format"),
        Index("ix_list_export_organisation", "organisation_id", "id"),
        Index("ix_list_export_actor", "actor_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    #: Plain numbers: an entry outlives the account and the organisation.
    actor_id: Mapped[int | None]
    on_behalf_of_id: Mapped[int | None]
    organisation_id: Mapped[int | None]
    request_id: Mapped[str | None] = mapped_column(String(64))
    list_name: Mapped[str] = mapped_column(String(80))
    way: Mapped[str] = mapped_column(String(8), default=Way.DIRECT.value, server_default=Way.DIRECT.value)
    #: The prepared file, for what was prepared or fetched.
    file_id: Mapped[int | None]
    file_format: Mapped[str] = mapped_column(String(4))
    columns: Mapped[list[str]] = mapped_column(ARRAY(String(80)))
    query: Mapped[str] = mapped_column(Text, default="", server_default="")
    #: Whether the list holds data of people; whether numbers (NIR) left in clear, which ``nir_reading`` tells one by one.
    personal: Mapped[bool] = mapped_column(default=False, server_default="false")
    numbers: Mapped[bool] = mapped_column(default=False, server_default="false")
    lines: Mapped[int] = mapped_column(default=0, server_default="0")
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    def __str__(self) -> str:
        return f"{self.id} {self.list_name} {self.file_format}"


class ExportChoice(Model):
    """The columns and the format that an account chose last for a list."""

    __tablename__ = "export_choice"
    __rls__ = "tenant"
    __audit__ = False
    __rls_extra__ = _own("export_choice")
    __table_args__ = (UniqueConstraint("user_id", "list_name", name="uq_export_choice_list"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"))
    list_name: Mapped[str] = mapped_column(String(80))
    file_format: Mapped[str] = mapped_column(String(4))
    columns: Mapped[list[str]] = mapped_column(ARRAY(String(80)))
    chosen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)


class ExportSelection(VersionedMixin, TimestampMixin, Model):
    """Columns of a list that an account keeps under a name; nobody else sees it. ``slot`` bounds their number, also under a race."""

    __tablename__ = "export_selection"
    __rls__ = "tenant"
    __rls_extra__ = _own("export_selection")
    __table_args__ = (
        UniqueConstraint("user_id", "list_name", "slot", name="uq_export_selection_slot"),
        Index("uq_export_selection_name", "user_id", "list_name", text("lower(name)"), unique=True),
        CheckConstraint(f"slot BETWEEN 1 AND {MOST_SELECTIONS}", name="slot"),
        CheckConstraint("name <> ''", name="name"),
        CheckConstraint("cardinality(columns) > 0", name="columns"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"))
    list_name: Mapped[str] = mapped_column(String(80))
    slot: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str] = mapped_column(String(80))
    columns: Mapped[list[str]] = mapped_column(ARRAY(String(80)))

    def __str__(self) -> str:
        return self.name


class ExportFile(Model):
    """A file prepared in the background for one account, and kept for two days.

    ``asked`` is the search of the list, encrypted: it may hold names. ``scope`` says under which rights the file was asked for; it is
    made and given under the same ones alone. ``attempt`` is whose worker may write: a former one that wakes up writes nothing more.
    """

    __tablename__ = "export_file"
    __rls__ = "tenant"
    __rls_extra__ = _own("export_file")
    #: Its progress is not history.
    __audit_ignore__ = ("lines", "expected", "alive_at", "seen_at", "size", "chunks")
    __audit_redact__ = ("asked",)
    __table_args__ = (
        CheckConstraint(one_of("state", FileState), name="state"),
        CheckConstraint(one_of("file_format", FileFormat), name="file_format"),
        CheckConstraint("(state = 'ready') = (ready_at IS NOT NULL)", name="ready_whole"),
        Index("ix_export_file_account", "user_id", "id"),
        Index("ix_export_file_expires", "expires_at"),
        Index("ix_export_file_to_do", "id", postgresql_where="state IN ('waiting', 'running')"),
        Index("ix_export_file_unseen", "user_id", postgresql_where="seen_at IS NULL AND state IN ('ready', 'failed')"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    seal_uid: Mapped[uuid.UUID] = mapped_column(Uuid, default=uuid.uuid4)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"))
    list_name: Mapped[str] = mapped_column(String(80))
    file_format: Mapped[str] = mapped_column(String(4))
    columns: Mapped[list[str]] = mapped_column(ARRAY(String(80)))
    asked: Mapped[bytes] = mapped_column(LargeBinary)
    #: Digest of the scope, and of the actions given to a limited account.
    scope: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(8), default=FileState.WAITING.value)
    attempt: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    expected: Mapped[int | None]
    lines: Mapped[int] = mapped_column(default=0, server_default="0")
    size: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    chunks: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    alive_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ready_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    #: When the account looked at its files after this one was ready.
    seen_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @staticmethod
    def is_unseen(now: datetime | BindParameter[datetime] | None = None) -> ColumnElement[bool]:
        """Files whose end the account has not been told of on screen; ``now`` may be a parameter of the statement."""
        over = ExportFile.state.in_((FileState.READY.value, FileState.FAILED.value))
        return and_(over, ExportFile.seen_at.is_(None), ExportFile.expires_at > (clock.now() if now is None else now))

    @property
    def is_over(self) -> bool:
        """Nothing more happens to it."""
        return self.state in (FileState.READY, FileState.FAILED)

    @property
    def is_news(self) -> bool:
        """It is over, and its account has not looked at it since."""
        return self.is_over and self.seen_at is None

    def __str__(self) -> str:
        return f"{self.id} {self.list_name}"


class ExportChunk(Model):
    """A piece of a prepared file, encrypted and bound to its place in it; no scope but the system's reads it."""

    __tablename__ = "export_chunk"
    __rls__ = "system"
    __audit__ = False
    __table_args__ = (UniqueConstraint("file_id", "attempt", "number", name="uq_export_chunk_number"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    file_id: Mapped[int] = mapped_column(ForeignKey("export_file.id", ondelete="CASCADE"))
    seal_uid: Mapped[uuid.UUID] = mapped_column(Uuid)
    attempt: Mapped[int] = mapped_column(SmallInteger)
    number: Mapped[int] = mapped_column(Integer)
    content: Mapped[bytes] = mapped_column(LargeBinary)


__all__ = ["ExportChoice", "ExportChunk", "ExportFile", "ListExport"]
