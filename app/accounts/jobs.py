"""Background work of accounts."""

from __future__ import annotations

from app.accounts import services
from app.accounts.services import bulk


def purge_sign_in_data() -> int:
    """Delete sign-in attempts, sessions, links and requests for one older than a year, and keys never put to use; gives how many lines."""
    return services.purge_sign_in_data(months=12) + services.forget_unfinished()


def answer_recovery(request_id: int) -> None:
    """Answer a request of "Génération de mot de passe" by mail."""
    services.answer_recovery(request_id)


def answer_waiting_recoveries() -> int:
    """Take up the requests whose job was lost; gives how many."""
    return services.answer_waiting_recoveries()


def tell_blocked() -> int:
    """Tell the holders of accounts blocked since the last run; gives how many."""
    return services.tell_blocked()


def review_accounts() -> int:
    """Open the yearly reviews that are due, and remind of those that wait; gives how many messages were written."""
    return services.open_reviews() + services.remind_reviews()


def close_unused_accounts() -> int:
    """Deactivate the accounts whose notice has run out, then announce the next ones; gives how many were touched."""
    return services.deactivate_unused() + services.announce_unused()


def invite_batch(batch_id: int) -> None:
    """Send the invitations of a file of accounts, a portion a transaction."""
    while bulk.invite_some(batch_id):
        pass


def sweep_batches() -> int:
    """Take up the invitations whose job was lost, and forget the files that have expired; gives how many files were touched."""
    waiting = bulk.batches_to_invite()
    for batch_id in waiting:
        invite_batch(batch_id)
    return len(waiting) + bulk.purge_batches()


def close_observations() -> int:
    """Write down the end of the observations that ran out; gives how many."""
    return services.close_overdue_observations()
