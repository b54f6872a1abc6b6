"""First values of the lists. A value is offered once: what the Région edited or deleted since never comes back."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core.transaction import transaction
from app.reference.models import (
    Contact,
    EmploymentContract,
    ExitReason,
    GeneralObjective,
    HighestDiploma,
    LastClass,
    Level,
    Nationality,
    ProfessionalSector,
    ProfessionalSituation,
    Programme,
    PublicCategory,
    SeededValue,
    Site,
    SocioProfessionalCategory,
    StreetType,
    SurveySituation,
    Town,
)
from app.reference.seeds import values

TOWNS = Path(__file__).with_name("towns.csv.gz")
#: The first CEDEX, of places of training and of the Région; the others come with ``flask import-towns``.
CEDEX = Path(__file__).with_name("cedex.csv")

_LISTS: tuple[tuple[type[Any], values.Rows], ...] = (
    (Programme, values.PROGRAMMES),
    (Level, values.LEVELS),
    (PublicCategory, values.PUBLIC_CATEGORIES),
    (GeneralObjective, values.GENERAL_OBJECTIVES),
    (ProfessionalSituation, values.PROFESSIONAL_SITUATIONS),
    (ExitReason, values.EXIT_REASONS),
    (Nationality, values.NATIONALITIES),
    (LastClass, values.LAST_CLASSES),
    (HighestDiploma, values.HIGHEST_DIPLOMAS),
    (StreetType, values.STREET_TYPES),
    (SurveySituation, values.SURVEY_SITUATIONS),
    (EmploymentContract, values.EMPLOYMENT_CONTRACTS),
    (ProfessionalSector, values.PROFESSIONAL_SECTORS),
    (SocioProfessionalCategory, values.SOCIO_PROFESSIONAL_CATEGORIES),
)


def load_reference() -> None:
    """Load what is missing of the lists and of the towns, in one transaction."""
    with transaction() as session:
        seed_reference(session)


def load_demo() -> None:
    """Sites and contacts of the demonstration."""
    with transaction() as session:
        offer(session, Site, values.DEMO_SITES, key="name")
        programmes = {one.code: one.id for one in session.scalars(select(Programme))}
        contacts = [
            {**{name: value for name, value in row.items() if name != "programme"}, "programme_id": programmes.get(row.get("programme", ""))}
            for row in values.DEMO_CONTACTS
        ]
        offer(session, Contact, contacts, key="subject")


def seed_reference(session: Session) -> None:
    """Offer the first values of every list. Idempotent; rows already there are left alone, whatever they hold now."""
    for model, rows in _LISTS:
        offer(session, model, [{"code": str(row.get("number", "")), **row} for row in rows], key="code")
    _load_towns(session)
    _load_cedex(session)


def offer(session: Session, model: type[Any], rows: Iterable[Mapping[str, Any]], *, key: str) -> None:
    """Add the rows of a list that were never offered before; those that people deleted since do not come back."""
    name = model.__tablename__
    offered = set(session.scalars(select(SeededValue.key).where(SeededValue.list_name == name)))
    present = set(session.scalars(select(getattr(model, key))))
    for position, row in enumerate(rows, start=1):
        if row[key] in offered:
            continue
        if row[key] not in present:
            made = model(**row)
            if hasattr(model, "position"):
                made.position = position * 10
            if hasattr(model, "valid_from"):
                made.valid_from = values.START
            session.add(made)
        session.add(SeededValue(list_name=name, key=row[key]))
    session.flush()


def _load_towns(session: Session) -> None:
    """Towns are public data that nobody edits: the file is loaded whole when the table is empty."""
    if session.scalar(select(func.count()).select_from(select(Town.id).limit(1).subquery())):
        return
    with gzip.open(TOWNS, "rt", encoding="utf-8", newline="") as file:
        batch: list[dict[str, Any]] = []
        for row in csv.DictReader(file):
            batch.append(dict(row))
            if len(batch) == 5000:
                _insert_towns(session, batch)
                batch = []
        if batch:
            _insert_towns(session, batch)


def _load_cedex(session: Session) -> None:
    """CEDEX codes belong to no file of towns: some are delivered, offered once."""
    if session.scalar(select(Town.id).where(Town.cedex).limit(1)) is not None:
        return
    with CEDEX.open(encoding="utf-8", newline="") as file:
        _insert_towns(session, [{**row, "cedex": True} for row in csv.DictReader(file)])


def _insert_towns(session: Session, batch: list[dict[str, Any]]) -> None:
    session.execute(insert(Town).on_conflict_do_nothing(), batch)
