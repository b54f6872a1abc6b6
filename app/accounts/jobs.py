"""Background work of accounts."""

from __future__ import annotations

from app.accounts import services


def purge_sign_in_data() -> int:
    """Delete sign-in attempts and sessions older than a year; gives how many lines went."""
    return services.purge_sign_in_data(months=12)
