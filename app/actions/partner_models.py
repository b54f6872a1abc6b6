"""Partners of an action: who carries it out beside the holder of the contract, or for it.

Source: DOMAIN §1 (a contract has a holder and its partners, co-traitants and sous-traitants), §3 (kind « Partenaires » of the requests).
Neither the guide nor the domain speaks of a share or an amount: none is kept.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any

from flask_appbuilder import Model
from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.accounts.domain import format_siret
from app.core import tenancy
from app.core.db import TenantMixin, TimestampMixin, VersionedMixin, one_of
from app.core.errors_db import register_constraint
from app.core.rls import GIVEN_ACTIONS


class PartnerRole(StrEnum):
    """How a partner takes part: answerable to the Région for its share, or working for the holder."""

    CO_CONTRACTOR = "co_traitant"
    SUBCONTRACTOR = "sous_traitant"


ROLE_LABELS = {PartnerRole.CO_CONTRACTOR: _l("Co-contractor"), PartnerRole.SUBCONTRACTOR: _l("Subcontractor")}


class ActionPartner(TenantMixin, VersionedMixin, TimestampMixin, Model):
    """One partner of one action, and from when to when.  It changes by a modification request alone; one that leaves gets an end."""

    __tablename__ = "action_partner"
    __rls_limited__ = f"action_id IN {GIVEN_ACTIONS}"
    __rls_observer__ = True
    __table_args__ = (
        UniqueConstraint("action_id", "siret", name="uq_action_partner_siret"),
        ForeignKeyConstraint(["organisation_id", "action_id"], ["action.organisation_id", "action.id"], name="fk_action_partner_action"),
        CheckConstraint(one_of("role", PartnerRole), name="role"),
        CheckConstraint("siret ~ '^[0-9]{14}$'", name="siret"),
        CheckConstraint("legal_name <> ''", name="legal_name"),
        CheckConstraint("starts_on <= ends_on", name="dates"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    action_id: Mapped[int] = mapped_column(Integer)
    role: Mapped[str] = mapped_column(String(16))
    #: « Raison sociale ».
    legal_name: Mapped[str] = mapped_column(String(200))
    siret: Mapped[str] = mapped_column(String(14))
    starts_on: Mapped[date]
    #: None: until the end of the action.
    ends_on: Mapped[date | None]

    @property
    def role_label(self) -> str:
        """« Co-traitant » or « Sous-traitant »."""
        return str(ROLE_LABELS[PartnerRole(self.role)])

    @property
    def siret_text(self) -> str:
        """The SIRET as people read it."""
        return format_siret(self.siret)

    def __str__(self) -> str:
        return self.legal_name


def _given(account_id: int) -> Any:
    from app.actions.models import given_actions

    return given_actions(account_id)


tenancy.register_limit(ActionPartner, lambda account: ActionPartner.action_id.in_(_given(account)))

register_constraint("uq_action_partner_siret", _l("This action already has a partner with this SIRET."))
register_constraint("fk_action_partner_action", _l("This action has partners: it cannot be deleted."))
register_constraint("ck_action_partner_dates", _l("The end of a partner’s part comes before its start."))
