"""What the home page counts, each in one statement."""

from __future__ import annotations

from app.accounts import queries as accounts
from app.accounts.models import AccountReview
from app.core.tenancy import current_scope


def blocked_accounts() -> int:
    """Accounts that wait to be unblocked."""
    return accounts.count_blocked()


def review_under_way() -> AccountReview | None:
    """The review of accounts that waits for the principal of this organisation."""
    organisation_id = current_scope().organisation_id
    return None if organisation_id is None else accounts.review_under_way(organisation_id)
