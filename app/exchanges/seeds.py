"""First texts of the catalogue."""

from __future__ import annotations

from app.core.transaction import transaction
from app.reference.seeds import offer

from .codes import rows
from .models import PartnerCode


def load_reference() -> None:
    """Offer the entries that were never offered."""
    with transaction() as session:
        offer(session, PartnerCode, rows(), key="code")
