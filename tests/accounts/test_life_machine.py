"""The life of accounts as a machine: whatever the order of acts, no closed account acts, no link serves twice, no organisation is
left unmanaged (guide 004; security bar B8.2).

The services run for real, on a database of their own; the machine keeps the little it needs to know what must be refused.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from argon2 import PasswordHasher, Type
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule, run_state_machine_as_test
from sqlalchemy import delete, func, select

from app.accounts import authentication, domain, passwords, services, sessions
from app.accounts.domain import AccountState
from app.accounts.models import AccessLink, LinkPurpose, RecoveryRequest, User
from app.accounts.services import links
from app.core import clock
from app.core.extensions import db
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope

if TYPE_CHECKING:
    from flask import Flask

#: Examples and steps: a short form here, the long one at night (``MACHINE_EXAMPLES=5000 MACHINE_STEPS=50``).
EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "40"))
STEPS = int(os.environ.get("MACHINE_STEPS", "30"))
#: A failure is shown as it was found: shrinking it takes minutes, and is asked for (``MACHINE_SHRINK=1``).
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, *((Phase.shrink,) if os.environ.get("MACHINE_SHRINK") else ()))

CLOSED = (AccountState.INACTIVE, AccountState.DELETED)

_WORDS = ("Quatre-chevaux-bleus-7", "Huit-lampes-vertes-31", "Trois-nuages-roses-58")
_WRONG = "Ce-n-est-pas-le-bon-99"


@dataclass
class Known:
    """What the machine knows of an account: its passwords come and go, and with each its sessions and links end."""

    id: int
    password: str | None
    life: int = 0  # grows whenever everything that opens the account must end
    reader: bool = False
    opened: list[tuple[str, int]] = field(default_factory=list)


@dataclass
class Link:
    """A link that was sent, and what it is still worth."""

    token: str
    owner: int
    life: int
    until: Any
    used: bool = False
    replaced: bool = False


class _Secrets:
    """Stands for the ``secrets`` module in ``services.links``: what it draws is remembered."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def token_urlsafe(self, size: int) -> str:
        import secrets

        self.drawn.append(secrets.token_urlsafe(size))
        return self.drawn[-1]


@contextmanager
def _cheap_hashes() -> Iterator[None]:
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=Type.ID)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "HASHER", cheap)
        patch.setattr(passwords, "DUMMY_HASH", cheap.hash("nobody"))
        yield


class AccountLife(RuleBasedStateMachine):
    """Two secondaries and the principal of one organisation, an administrator, and time."""

    app: Flask
    secrets: _Secrets
    number = 0

    accounts = Bundle("accounts")
    sent = Bundle("sent")

    def __init__(self) -> None:
        super().__init__()
        self.context = self.app.app_context()
        self.context.push()
        self.travel = time_machine.travel("2026-03-02T08:00:00+00:00", tick=False)
        self.time = self.travel.start()
        self.secrets.drawn.clear()
        self.known: dict[int, Known] = {}
        self.links: list[Link] = []
        self.lent: list[Any] = []  # delegations: number, delegate, first day, last day

    def teardown(self) -> None:
        db.session.rollback()
        db.session.remove()
        self.travel.stop()
        self.context.pop()

    # ---- who is there ------------------------------------------------------------------------------------------------

    @initialize(target=accounts)
    def people(self) -> Any:
        type(self).number += 1
        number = self.number
        with bound_scope(Scope.system()):
            db.session.execute(delete(RecoveryRequest))  # of earlier runs, which were at the same time: they count, and are answered, as this one's
            db.session.commit()
            self.admin = db.session.scalars(select(User.id).where(User.username == "admin")).one()
            db.session.rollback()
            siret = next(text for last in range(100) if domain.is_siret(text := f"{80_000_000_000 + number:011d}0{last:02d}"))
            self.organisation = services.create_organisation(legal_name=f"Organisme {number}", siret=siret).id
            db.session.rollback()
        made = []
        for name, role in (("principal", Role.PRINCIPAL), ("un", Role.SECONDARY), ("deux", Role.SECONDARY)):
            user_id = services.create_account(
                first_name="Prénom", last_name=f"Nom {name}", email=f"{name}@example.org", roles=[role], organisation_id=self.organisation,
                identifiant=f"machine-{number}-{name}", password=_WORDS[0],
            )  # fmt: skip
            self.known[user_id] = Known(user_id, _WORDS[0])
            made.append(user_id)
        self.principal = made[0]
        return multiple(*made)

    # ---- what is true now --------------------------------------------------------------------------------------------

    def _read(self, statement: Any) -> Any:
        """One row, read as the system reads it, with nothing left open behind."""
        db.session.rollback()
        with bound_scope(Scope.system()):
            row = db.session.execute(statement).one()
            db.session.rollback()
        return row

    def _state(self, user_id: int) -> AccountState:
        db.session.rollback()
        with bound_scope(Scope.system()):
            facts = db.session.scalars(select(User).where(User.id == user_id)).one().facts
            db.session.rollback()
        return domain.state_of(facts)

    def _identifiant(self, user_id: int) -> str:
        return str(self._read(select(User.username).where(User.id == user_id))[0])

    def _ends(self, user_id: int) -> None:
        self.known[user_id].life += 1

    def _collect(self) -> Any:
        """Take note of the links that were just sent; gives their places in ``links``, for the bundle."""
        places = []
        for token in self.secrets.drawn:
            owner, purpose = self._read(select(AccessLink.user_id, AccessLink.purpose).where(AccessLink.token_hash == sessions.digest(token)))
            assert self._state(owner) not in CLOSED, "a closed account was sent a link"
            for link in self.links:
                link.replaced = link.replaced or link.owner == owner
            self.links.append(Link(token, owner, self.known[owner].life, clock.now() + links.LIFETIMES[LinkPurpose(purpose)]))
            places.append(len(self.links) - 1)
        self.secrets.drawn.clear()
        return multiple(*places)

    def _try(self, act: Any, actor: int) -> Any:
        """The act's result, or None when it was refused; an account that is closed never acts."""
        open_before, manages = self._state(actor) is AccountState.ACTIVE, self._manages(actor)
        try:
            result = act()
        except (services.AccountRefused, services.AccountNotFound):
            return None
        finally:
            db.session.rollback()
        assert open_before, "a closed account acted"
        assert manages, "an account managed others without the right to"
        return result if result is not None else True

    # ---- acts --------------------------------------------------------------------------------------------------------

    @rule(actor=accounts, subject=accounts, by_admin=st.booleans())
    def deactivate(self, actor: int, subject: int, by_admin: bool) -> None:
        actor = self.admin if by_admin else actor
        if self._try(lambda: services.deactivate(subject, actor_id=actor), actor):
            self._ends(subject)

    @rule(target=sent, actor=accounts, subject=accounts, by_admin=st.booleans())
    def reactivate(self, actor: int, subject: int, by_admin: bool) -> Any:
        """An account that has no password is sent a link with it."""
        actor = self.admin if by_admin else actor
        self._try(lambda: services.reactivate(subject, actor_id=actor), actor)
        return self._collect()

    @rule(actor=accounts, subject=accounts, by_admin=st.booleans())
    def unblock(self, actor: int, subject: int, by_admin: bool) -> None:
        actor = self.admin if by_admin else actor
        self._try(lambda: services.unblock(subject, actor_id=actor), actor)

    @rule(actor=accounts, subject=accounts, by_admin=st.booleans())
    def delete(self, actor: int, subject: int, by_admin: bool) -> None:
        actor = self.admin if by_admin else actor
        if self._try(lambda: services.delete_account(subject, actor_id=actor), actor):
            self._ends(subject)
            self.known[subject].password = None

    @rule(target=sent, actor=accounts, account=accounts, by_admin=st.booleans())
    def regenerate(self, actor: int, account: int, by_admin: bool) -> Any:
        actor = self.admin if by_admin else actor
        self._try(lambda: services.regenerate(account, actor_id=actor), actor)
        if self.secrets.drawn:  # the second of two within seconds keeps the first link
            self._ends(account)
            self.known[account].password = None
        return self._collect()

    @rule(target=sent, account=accounts)
    def lose_the_password(self, account: int) -> Any:
        """ "Génération de mot de passe", and the job that answers it."""
        row = self._read(select(User.username, User.last_name, User.first_name, User.email).where(User.id == account))
        try:
            services.request_recovery(identifiant=row.username, last_name=row.last_name, first_name=row.first_name, email=row.email, ip="127.0.0.1")
        except authentication.TooManyAttempts:
            return multiple()
        services.answer_waiting_recoveries()
        db.session.rollback()
        return self._collect()

    @rule(position=sent, word=st.sampled_from(_WORDS))
    def use_link(self, position: int, word: str) -> None:
        link = self.links[position]
        owner = self.known[link.owner]
        state = self._state(link.owner)
        good = (
            not link.used and not link.replaced and link.life == owner.life and clock.now() < link.until
            and state not in CLOSED
        )  # fmt: skip
        try:
            chosen = services.choose_credentials(link.token, self._identifiant(link.owner), word, ip=None, user_agent=None)
        except services.LinkUnusable:
            db.session.rollback()
            assert not good, "a good link was refused"
            return
        db.session.rollback()
        assert good, f"a link that is worth nothing was used (account {state})"
        link.used = True
        self._ends(link.owner)
        owner.password = word
        if chosen.token:
            owner.opened.append((chosen.token, owner.life))

    @rule(account=accounts, right=st.booleans())
    def sign_in(self, account: int, right: bool) -> None:
        known = self.known[account]
        state = self._state(account)
        word = known.password if right and known.password else _WRONG
        try:
            found = authentication.sign_in(self._identifiant(account), word, ip=str(IPv4Address("10.0.0.0") + account), user_agent=None)
        except authentication.TooManyAttempts:
            return
        finally:
            db.session.rollback()
        if found is not None:
            assert state is AccountState.ACTIVE, f"signed in to an account that is {state}"
            assert word == known.password
            known.opened.append((found.token, known.life))
        elif word == known.password:
            assert state is not AccountState.ACTIVE, "the right password of an open account was refused"
        if found is None and state is AccountState.ACTIVE and self._state(account) is AccountState.BLOCKED:
            self._ends(account)

    @rule(minutes=st.sampled_from([1, 20, 45, 90, 60 * 13, 60 * 24 * 2]))
    def wait(self, minutes: int) -> None:
        self.time.shift(timedelta(minutes=minutes))

    # ---- delegation --------------------------------------------------------------------------------------------------

    @rule(delegate=accounts, first=st.integers(0, 3), days=st.integers(0, 3))
    def delegate(self, delegate: int, first: int, days: int) -> None:
        starts = clock.today() + timedelta(days=first)
        refused = contextlib.suppress(services.DelegationRefused, services.DelegationOverlap)
        with refused, bound_scope(Scope.organisation(self.organisation)):  # where its number is read
            made = self._try(
                lambda: services.delegate(delegate, starts_on=starts, ends_on=starts + timedelta(days=days), actor_id=self.principal).id, self.principal
            )
            if made:
                self.lent.append([made, delegate, starts, starts + timedelta(days=days)])
        db.session.rollback()

    @rule()
    def take_back(self) -> None:
        if self.lent and self._try(lambda: services.take_back(self.lent[-1][0], actor_id=self.principal), self.principal):
            self.lent.pop()

    def _manages(self, actor: int) -> bool:
        """Whether the account may manage others now: the administrator, the principal, and whoever stands in for it today."""
        today = clock.today()
        return actor in (self.admin, self.principal) or any(who == actor and first <= today <= last for _id, who, first, last in self.lent)

    # ---- what holds --------------------------------------------------------------------------------------------------

    @invariant()
    def no_session_outlives_its_account(self) -> None:
        for known in self.known.values():
            state = self._state(known.id)
            for token, life in known.opened:
                with bound_scope(Scope.system()):
                    found = sessions.find(db.session(), token)
                    db.session.rollback()
                assert found is None or (state is AccountState.ACTIVE and life == known.life), f"a session opens an account that is {state}"

    @invariant()
    def the_organisation_is_managed(self) -> None:
        if not hasattr(self, "organisation"):
            return
        managers = self._read(
            select(func.count())
            .select_from(User)
            .where(
                User.organisation_id == self.organisation,
                User.is_principal.is_(True),
                User.active.is_(True),
                User.deactivated_at.is_(None),
                User.deleted_at.is_(None),
            )
        )[0]
        assert managers == 1


@pytest.mark.slow
def test_no_order_of_acts_opens_a_closed_door(committed: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = _Secrets()
    monkeypatch.setattr(links, "secrets", drawn)
    machine = type("Machine", (AccountLife,), {"app": committed, "secrets": drawn})
    with _cheap_hashes():
        run_state_machine_as_test(machine, settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, phases=PHASES))
