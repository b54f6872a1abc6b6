"""The heartbeat of the periodic jobs."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import BigInteger, CheckConstraint, DateTime, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.extensions import db


class PeriodicRun(db.Model):  # type: ignore[name-defined]  # db.Model is dynamic
    """One declared periodic job: its declaration (the scheduler's only source) and its last run.

    The processes with the application write the declaration here, so the scheduler needs neither the application nor a memory
    of its own: when Redis is wiped or the scheduler replaced, nothing is forgotten and nothing runs twice.
    """

    __tablename__ = "periodic_run"
    __audit__ = False
    __rls__ = "private"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    func: Mapped[str] = mapped_column(String(200), nullable=False)
    queue: Mapped[str] = mapped_column(String(32), nullable=False)
    every_seconds: Mapped[int | None] = mapped_column(Integer)
    cron: Mapped[str | None] = mapped_column(String(64))
    active: Mapped[bool] = mapped_column(nullable=False, default=True, server_default=sa.true())
    enqueued_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    next_due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    succeeded: Mapped[bool | None] = mapped_column()
    error: Mapped[str | None] = mapped_column(String(200))
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    runs: Mapped[int] = mapped_column(BigInteger, nullable=False, default=0, server_default="0")
    failed_runs: Mapped[int] = mapped_column(BigInteger, nullable=False, default=0, server_default="0")

    __table_args__ = (CheckConstraint("(every_seconds IS NULL) <> (cron IS NULL)", name="timing"),)
