"""For whom a file is prepared: the account as it would be if it had sent the request now, with its scope and its rights.

The feature of accounts says how an account is read (:func:`register_account_reader`); it is read again at each attempt, so that what was
taken away from it meanwhile is taken away from its files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import current_app, g
from sqlalchemy import text

from app.core import context, tenancy
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope

#: Account → itself and its scope; None when it may not sign in.
Reader = Callable[[int], tuple[Any, Scope] | None]
_readers: list[Reader] = []


class NoAccount(LookupError):
    """The account may not sign in any more."""


def register_account_reader(reader: Reader) -> None:
    """Have accounts read by ``reader`` from now on; it is called in the system's scope."""
    _readers[:] = [reader]


@contextmanager
def in_place_of(user_id: int) -> Iterator[None]:
    """A block in a made-up request of the account, in the scope and with the rights it has by now. Raises NoAccount.

    Whatever asks who is there, or what it may do, gets the answers of a page. After it, the job is in the system's scope again.
    """
    with bound_scope(Scope.system()):
        found = _readers[0](user_id) if _readers else None
    if found is None:
        raise NoAccount
    user, scope = found
    actor, reference = context.actor_id(), context.request_id()
    former = tenancy.current_scope()
    try:
        with current_app.test_request_context():
            g._login_user = user  # where Flask-Login keeps who is signed in
            context.set_actor_id(user_id)
            context.set_request_id(reference)
            tenancy.bind(scope)
            yield
    finally:
        g.pop("_login_user", None)
        context.set_actor_id(actor)
        context.set_on_behalf_of(None)
        tenancy.bind(former)


def scope_mark() -> str:
    """A digest of what the work under way may see: its scope and, for an account limited to some actions, these."""
    scope = tenancy.current_scope()
    given: Any = None
    if scope.limited_account is not None:
        given = db.session.scalar(
            text("SELECT string_agg(action_id::text, ',' ORDER BY action_id) FROM action_access WHERE user_id = :account"), {"account": scope.limited_account}
        )
    return hashlib.sha256(repr((scope.kind.value, scope.organisation_id, scope.limited_account, given)).encode()).hexdigest()


__all__ = ["NoAccount", "in_place_of", "register_account_reader", "scope_mark"]
