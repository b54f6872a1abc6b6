"""What is kept of a document beside its bytes, whatever it goes with."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock

from .intake import Checked


class KeptDocument:
    """The line of a document, which the journal holds: what it is called and is, its digest, who put it in and when."""

    #: As it was called, made safe.
    name: Mapped[str] = mapped_column(String(160))
    media_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str] = mapped_column(String(64))
    account_id: Mapped[int | None] = mapped_column(Integer)
    #: The name as it was.
    account_name: Mapped[str] = mapped_column(String(140), default="", server_default="")
    added_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)

    def keep(self, file: Checked, *, account_id: int | None, account_name: str) -> None:
        """Note what the file is, and who put it in."""
        self.name, self.media_type, self.size, self.sha256 = file.name, file.kind.value, len(file.content), file.sha256
        self.account_id, self.account_name = account_id, account_name


def checks() -> tuple[CheckConstraint, ...]:
    """The conditions of such a line, for the arguments of its table."""
    return (CheckConstraint("size > 0", name="size"), CheckConstraint("name <> ''", name="name"))


__all__ = ["KeptDocument", "checks"]
