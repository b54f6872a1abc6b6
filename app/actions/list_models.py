"""What the list of the actions keeps: searches that accounts have named (decision 0031)."""

from __future__ import annotations

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import TimestampMixin, VersionedMixin
from app.core.errors_db import register_constraint

from .domain import MAX_SAVED_SEARCHES

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


register_constraint("uq_saved_search_name", _l("You already have a search with this name: choose another one."), field="name")
