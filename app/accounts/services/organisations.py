"""Use cases of organisations."""

from __future__ import annotations

from app.accounts import domain
from app.accounts.models import Organisation
from app.core.transaction import transaction


def create_organisation(
    *, legal_name: str, siret: str, trade_name: str | None = None, nda: str | None = None, contact_email: str | None = None
) -> Organisation:
    """Create an organisation. Raises ValueError for a SIRET that does not hold together."""
    compact = domain.compact_siret(siret)
    if not domain.is_siret(compact):
        raise ValueError("this SIRET does not hold together")
    with transaction() as session:
        organisation = Organisation(legal_name=legal_name.strip(), siret=compact, trade_name=trade_name, nda=nda, contact_email=contact_email)
        session.add(organisation)
        session.flush()
    return organisation
