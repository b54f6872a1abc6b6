"""What the home page counts, each in one statement."""

from __future__ import annotations

from app.accounts import queries as accounts


def blocked_accounts() -> int:
    """Accounts that wait to be unblocked."""
    return accounts.count_blocked()
