"""The demonstration's organisations and accounts. Their password is public: the demonstration mode alone loads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import current_app
from sqlalchemy import func, select

from app.accounts import domain, services
from app.accounts.models import Civility, Organisation, User
from app.core.roles import Role
from app.core.transaction import transaction

DEMO_PASSWORD: Final = "Portail-demo-2026"  # noqa: S105 - public by design

ORGANISATION_A: Final = "12345678913000"
ORGANISATION_B: Final = "90000000100017"


@dataclass(frozen=True, slots=True)
class _Demo:
    identifiant: str
    civility: Civility
    last_name: str
    first_name: str
    roles: tuple[Role, ...]
    siret: str | None = None


ORGANISATIONS: Final = (
    (ORGANISATION_A, "ORGANISME DE FORMATION GARONNE", "Garonne Formation", "76310000031"),
    (ORGANISATION_B, "CENTRE DE FORMATION DES CORBIÈRES", None, "76110000011"),
)

ACCOUNTS: Final = (
    _Demo("admin", Civility.MADAME, "ROUSSEL", "Claire", (Role.REGION_ADMIN,)),
    _Demo("region", Civility.MONSIEUR, "FABRE", "Julien", (Role.REGION_VALIDATOR, Role.REGION_MANAGER)),
    _Demo("support", Civility.MADAME, "LECLERC", "Nadia", (Role.SUPPORT,)),
    _Demo("principal", Civility.MADAME, "BLANC", "Paule", (Role.PRINCIPAL,), ORGANISATION_A),
    _Demo("secondaire", Civility.MONSIEUR, "MOREAU", "Karim", (Role.SECONDARY,), ORGANISATION_A),
    _Demo("autre-of", Civility.MADAME, "GARCIA", "Inès", (Role.PRINCIPAL,), ORGANISATION_B),
)


def seed_accounts() -> None:
    """Create the organisations and accounts that are missing; what was changed since is left alone.

    Raises RuntimeError outside the demonstration mode.
    """
    if not current_app.config.get("DEMO"):
        raise RuntimeError("demonstration accounts exist in demonstration mode only")
    with transaction() as session:
        ids: dict[str | None, int | None] = {None: None}
        for siret, legal_name, trade_name, nda in ORGANISATIONS:
            found = session.scalar(select(Organisation).where(Organisation.siret == siret))
            if found is None:
                found = services.create_organisation(legal_name=legal_name, siret=siret, trade_name=trade_name, nda=nda, contact_email="contact@example.org")
            ids[siret] = found.id
        for demo in ACCOUNTS:
            key = domain.normalise_identifiant(demo.identifiant)
            if session.scalar(select(User.id).where(func.lower(User.username) == key)) is not None:
                continue
            services.create_account(
                first_name=demo.first_name,
                last_name=demo.last_name,
                email=f"{demo.identifiant}@example.org",
                roles=demo.roles,
                organisation_id=ids[demo.siret],
                civility=demo.civility.value,
                identifiant=demo.identifiant,
                password=DEMO_PASSWORD,
            )


def load_demo() -> None:
    """Called by ``flask load-demo``."""
    seed_accounts()
