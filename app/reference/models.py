"""Value lists the Région edits on screen. Nothing of this kind is hard-coded elsewhere.

A value is never deleted once used: its validity ends, and it stays readable on the rows that hold it.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any, Final

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy import Boolean, CheckConstraint, Date, ForeignKey, Index, Integer, SmallInteger, String, Text, UniqueConstraint
from sqlalchemy import text as sql_text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship

from app.core import clock, textsearch
from app.core.db import TimestampMixin, VersionedMixin
from app.core.errors_db import register_constraint
from app.core.extensions import db

#: The declarative base, which Flask-SQLAlchemy makes at run time.
Model: Any = db.Model


class ProgrammeKind(StrEnum):
    """How a programme is bought: by market (PRF) or by convention with higher education (guide 001)."""

    MARKET = "market"
    CONVENTION = "convention"


class ValidityMixin:
    """A period in which a value may be chosen; without an end it is open."""

    valid_from: Mapped[date] = mapped_column(Date, nullable=False, default=clock.today)
    valid_to: Mapped[date | None] = mapped_column(Date)

    def is_active_on(self, day: date) -> bool:
        """Whether the value may be chosen on ``day``."""
        return self.valid_from <= day and (self.valid_to is None or self.valid_to >= day)

    @property
    def is_active(self) -> bool:
        """Whether the value may be chosen today."""
        return self.is_active_on(clock.today())


class ReferenceValue(ValidityMixin, VersionedMixin, TimestampMixin):
    """What every coded list has: a code, a label, an order, a validity and the code AGORA knows it by."""

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(30), nullable=False)
    label: Mapped[str] = mapped_column(String(255), nullable=False)
    position: Mapped[int] = mapped_column(Integer, nullable=False, default=0, server_default="0")
    agora_code: Mapped[str | None] = mapped_column(String(30))

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:  # noqa: N805 - declared_attr receives the class
        name = cls.__tablename__  # type: ignore[attr-defined]  # each list names its table
        register_constraint(f"uq_{name}_code", _l("This code is already used: choose another one."), field="code")
        register_constraint(f"ck_{name}_validity", _l("The end of the validity cannot be before its start."), field="valid_to")
        register_constraint(f"ck_{name}_code_filled", _l("The code cannot be empty."), field="code")
        own = cls.__dict__.get("__own_table_args__", ())
        return (
            UniqueConstraint("code", name=f"uq_{name}_code"),
            CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="validity"),
            CheckConstraint("code <> '' AND label <> ''", name="code_filled"),
            *own,
        )

    def __str__(self) -> str:
        return self.label

    @property
    def also_called(self) -> tuple[str, ...]:
        """What it is called in files besides its words and its code."""
        return (self.label,)


class CodedValue(ReferenceValue):
    """A list whose values are read "code - label", as in the guides ("2 - Demandeur d'emploi longue durée")."""

    __abstract__ = True

    def __str__(self) -> str:
        return f"{self.code} - {self.label}"


class Programme(ReferenceValue, Model):
    """Dispositif: QUALIF PRO, LECTIO, AVENIR… It says whether files go to AGORA and whether the NIR is required (guide 000)."""

    __tablename__ = "programme"
    __own_table_args__ = (
        CheckConstraint("kind IN ('market', 'convention')", name="kind"),
        CheckConstraint("nir_required OR NOT agora_enabled", name="agora_needs_nir"),
    )

    kind: Mapped[str] = mapped_column(String(12), nullable=False, default=ProgrammeKind.MARKET.value)
    agora_enabled: Mapped[bool] = mapped_column(Boolean, nullable=False, default=True)
    nir_required: Mapped[bool] = mapped_column(Boolean, nullable=False, default=True)
    #: « L'établissement peut demander la clôture » (FORPRO SUP; DOMAIN §3): the Région closes all the same.
    closing_on_request: Mapped[bool] = mapped_column(Boolean, nullable=False, default=False, server_default="false")


register_constraint(
    "ck_programme_agora_needs_nir",
    _l("Files cannot go to AGORA without the social security number: require it too."),
    field="nir_required",
)


#: Decree 2019-14 of 8 January 2019: the level of before 2020 in whose place each level stands; levels 1 and 2 had none.
FORMER_LEVELS: Final = {3: "V", 4: "IV", 5: "III", 6: "II", 7: "I", 8: "I"}


class Level(ReferenceValue, Model):
    """Level of qualification: the nomenclature 1–8 (decree 2019-14) with the former I–V beside it.

    The codes of LHEO and France Travail are other scales under the same digits: never compare them with ``code``.
    """

    __tablename__ = "level"
    __own_table_args__ = (
        CheckConstraint("number BETWEEN 1 AND 8", name="number"),
        UniqueConstraint("number", name="uq_level_number"),
        CheckConstraint(f"old_label IS NULL OR (number, old_label) IN ({', '.join(map(repr, FORMER_LEVELS.items()))})", name="old_label"),
    )

    number: Mapped[int] = mapped_column(SmallInteger, nullable=False)
    old_label: Mapped[str | None] = mapped_column(String(5))
    lheo_code: Mapped[str | None] = mapped_column(String(5))
    lheo_old_code: Mapped[str | None] = mapped_column(String(5))
    france_travail_code: Mapped[str | None] = mapped_column(String(30))

    def __str__(self) -> str:
        """ "5 – BTS, DUT (bac + 2) (ancien III)": the guides write "5 – III", people know the diplomas."""
        if not self.old_label:
            return f"{self.number} – {self.label}"
        former = gettext("former %(level)s", level=self.old_label)
        return f"{self.number} – {self.label} ({former})"

    @property
    def also_called(self) -> tuple[str, ...]:
        """Also with its number, as in the exports."""
        return (self.label, f"{self.number} – {self.label}")


register_constraint("uq_level_code", _l("This level already exists."), field="number")  # its code is its number
register_constraint("uq_level_number", _l("This level already exists."), field="number")
register_constraint("ck_level_number", _l("The level goes from 1 to 8."), field="number")
register_constraint(
    "ck_level_old_label",
    _l("The former level follows from the level: V for 3, IV for 4, III for 5, II for 6, I for 7 and 8, none for 1 and 2."),
    field="old_label",
)


class PublicCategory(ReferenceValue, Model):
    """Catégorie de public (guides 000 and 001)."""

    __tablename__ = "public_category"


class GeneralObjective(ReferenceValue, Model):
    """Objectif général: what the trainee expects of the training (guide 000)."""

    __tablename__ = "general_objective"


class ProfessionalSituation(CodedValue, Model):
    """Situation professionnelle at entry (guide 000)."""

    __tablename__ = "professional_situation"


class ExitReason(ReferenceValue, Model):
    """Motif de sortie; an early exit is one before the planned end."""

    __tablename__ = "exit_reason"

    early: Mapped[bool] = mapped_column(Boolean, nullable=False, default=False)


class Nationality(ReferenceValue, Model):
    """Nationalité, as far as the funder asks (guide 000)."""

    __tablename__ = "nationality"


class LastClass(CodedValue, Model):
    """Dernière classe suivie (guide 000); a scale of its own."""

    __tablename__ = "last_class"


class HighestDiploma(CodedValue, Model):
    """Diplôme le plus élevé obtenu (guide 000); a scale of its own."""

    __tablename__ = "highest_diploma"


class SurveySituation(ReferenceValue, Model):
    """Situation of a former trainee, as the situation surveys ask it (guide 000, "Saisie des enquêtes").

    ``employed`` says whether the questions about the job follow; it is copied with each answer (``surveys.models``), so that it cannot
    change under answers already given.
    """

    __tablename__ = "survey_situation"
    __own_table_args__ = (UniqueConstraint("id", "employed", name="uq_survey_situation_employed"),)

    employed: Mapped[bool] = mapped_column(Boolean, nullable=False, default=False)


class EmploymentContract(ReferenceValue, Model):
    """Type de contrat de travail of the situation surveys (guide 000)."""

    __tablename__ = "employment_contract"


class ProfessionalSector(ReferenceValue, Model):
    """Secteur professionnel of the situation surveys (guide 000)."""

    __tablename__ = "professional_sector"


class SocioProfessionalCategory(ReferenceValue, Model):
    """Catégorie socioprofessionnelle of the situation surveys (guide 000)."""

    __tablename__ = "socio_professional_category"


class StreetType(ReferenceValue, Model):
    """Type de voie of an address (guide 000), with the codes that the paying agency uses."""

    __tablename__ = "street_type"


#: What the searches by site look at; there is an index on these very words.
SITE_WORDS = textsearch.words_sql("name", "town", "postal_code", "coalesce(insee_code, '')")


class Site(ValidityMixin, VersionedMixin, TimestampMixin, Model):
    """Site de réalisation: where a component takes place."""

    __tablename__ = "site"
    __table_args__ = (
        UniqueConstraint("name", "postal_code", "town", name="uq_site_name"),
        CheckConstraint("postal_code ~ '^[0-9]{5}$'", name="postal_code"),
        CheckConstraint("insee_code ~ '^[0-9][0-9AB][0-9]{3}$'", name="insee_code"),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="validity"),
        Index("ix_site_search", sql_text(SITE_WORDS), postgresql_using="gin"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(150), nullable=False)
    address: Mapped[str | None] = mapped_column(String(255))
    postal_code: Mapped[str] = mapped_column(String(5), nullable=False)
    insee_code: Mapped[str | None] = mapped_column(String(5))
    town: Mapped[str] = mapped_column(String(100), nullable=False)

    def __str__(self) -> str:
        return f"{self.name} / {self.town} / {self.postal_code}"


register_constraint("uq_site_name", _l("This site already exists in this town."), field="name")
register_constraint("ck_site_postal_code", _l("A postal code has five digits."), field="postal_code")
register_constraint("ck_site_insee_code", _l("An INSEE code has five characters, for example 31555 or 2A004."), field="insee_code")
register_constraint("ck_site_validity", _l("The end of the validity cannot be before its start."), field="valid_to")


class Contact(VersionedMixin, TimestampMixin, Model):
    """Contacts et assistance: whom to ask, by subject; shown at the foot of every page."""

    __tablename__ = "contact"
    __table_args__ = (
        UniqueConstraint("subject", name="uq_contact_subject"),
        CheckConstraint("email IS NOT NULL OR phone IS NOT NULL OR text IS NOT NULL", name="reachable"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    subject: Mapped[str] = mapped_column(String(200), nullable=False)
    text: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(String(254))
    phone: Mapped[str | None] = mapped_column(String(30))
    hours: Mapped[str | None] = mapped_column(String(100))
    position: Mapped[int] = mapped_column(Integer, nullable=False, default=0, server_default="0")
    shown: Mapped[bool] = mapped_column(Boolean, nullable=False, default=True)
    programme_id: Mapped[int | None] = mapped_column(ForeignKey("programme.id"), index=True)

    programme: Mapped[Programme | None] = relationship(Programme)

    def __str__(self) -> str:
        return self.subject


register_constraint("uq_contact_subject", _l("There is already a contact for this subject."), field="subject")
register_constraint("ck_contact_reachable", _l("Give an e-mail address, a telephone number or a text."), field="email")


class Town(Model):
    """Postal code ↔ INSEE code ↔ town. One postal code serves many towns, and a town may have several.

    CEDEX codes belong to no file of towns: a few are delivered, the Région imports the others (``cedex``, ``flask import-towns``).
    """

    __tablename__ = "town"
    __audit__ = False  # public data, loaded whole
    __table_args__ = (
        UniqueConstraint("postal_code", "insee_code", "name", name="uq_town_postal_code"),
        CheckConstraint("postal_code ~ '^[0-9]{5}$'", name="postal_code"),
        CheckConstraint("insee_code ~ '^[0-9][0-9AB][0-9]{3}$'", name="insee_code"),
        Index("ix_town_insee_code", "insee_code"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    postal_code: Mapped[str] = mapped_column(String(5), nullable=False)
    insee_code: Mapped[str] = mapped_column(String(5), nullable=False)
    name: Mapped[str] = mapped_column(String(100), nullable=False)
    routing_name: Mapped[str] = mapped_column(String(60), nullable=False)
    cedex: Mapped[bool] = mapped_column(Boolean, nullable=False, default=False, server_default="false")

    def __str__(self) -> str:
        return f"{self.postal_code} {self.name}"


class SeededValue(Model):
    """A first value that was offered once: what was edited or deleted since is never brought back."""

    __tablename__ = "seeded_value"
    __audit__ = False

    list_name: Mapped[str] = mapped_column(String(60), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
