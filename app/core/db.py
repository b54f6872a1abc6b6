"""Mixins of the models."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import DateTime, ForeignKey, Integer
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.core import clock


def one_of(column: str, values: Iterable[StrEnum]) -> str:
    """The condition of a CHECK: ``column`` holds one of these codes."""
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


class TenantMixin:
    """A row that belongs to one organisation.

    Both walls find it by this class: the session criteria (``core.tenancy``) and row-level security (``core.rls``).
    A foreign key to another tenant table is composite, ``(organisation_id, x_id) → (organisation_id, id)``,
    so that no row can point into another organisation.
    """

    @declared_attr
    def organisation_id(cls) -> Mapped[int]:  # noqa: N805 - declared_attr receives the class
        return mapped_column(Integer, ForeignKey("organisation.id"), nullable=False, index=True)


class VersionedMixin:
    """A row people edit: its version grows at each write, and a stale form never wins."""

    version: Mapped[int] = mapped_column(Integer, nullable=False, default=1, server_default="1")

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805 - declared_attr receives the class
        return {"version_id_col": cls.version}


class TimestampMixin:
    """When the row was made and last changed (aware, UTC)."""

    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), nullable=False, default=clock.now, onupdate=clock.now)
