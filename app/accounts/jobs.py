"""Background work of accounts."""

from __future__ import annotations

from app.accounts import services


def purge_sign_in_data() -> int:
    """Delete sign-in attempts, sessions, links and requests for one older than a year; gives how many lines went."""
    return services.purge_sign_in_data(months=12)


def answer_recovery(request_id: int) -> None:
    """Answer a request of "Génération de mot de passe" by mail."""
    services.answer_recovery(request_id)


def answer_waiting_recoveries() -> int:
    """Take up the requests whose job was lost; gives how many."""
    return services.answer_waiting_recoveries()


def tell_blocked() -> int:
    """Tell the holders of accounts blocked since the last run; gives how many."""
    return services.tell_blocked()
