"""Where later features add to the screens of accounts (imports run one way: accounts know none of them)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask_login import current_user

from app.accounts import domain
from app.accounts.domain import Act
from app.accounts.models import User
from app.core.ui import current_permissions
from app.core.ui.paths import safe_url


@dataclass(frozen=True, slots=True)
class AccountLink:
    """A page about one account."""

    label: str
    href: str


_links: dict[str, tuple[Any, tuple[str, str], Act]] = {}


def register_account_link(label: Any, endpoint: str, permission: tuple[str, str], *, act: Act = Act.VIEW) -> None:
    """Add a page to "Gestion" of each account; ``endpoint`` takes ``user_id``. It is shown to those who hold the permission and may
    do ``act`` to that account."""
    _links[endpoint] = (label, permission, act)


def account_links(user: User) -> list[AccountLink]:
    """The pages about ``user`` that the account signed in may open; asks the database nothing."""
    granted = current_permissions()
    found = []
    for endpoint, (label, permission, act) in _links.items():
        if permission not in granted or domain.refusal_of(current_user.party, act, user.party) or domain.refusal_in_state(act, user.facts):
            continue
        href = safe_url(endpoint, user_id=user.id)
        if href:
            found.append(AccountLink(str(label), href))
    return found
