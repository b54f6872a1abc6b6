"""What the portal asks of AGORA, and what it gets back.

Frozen dataclasses in the portal's own words: the French wire format is known to ``mapping`` alone, so that the interface given under convention can
replace the one of ``contract.yaml`` there. Personal values never show in a ``repr`` (logs, error reports, test output).

Source: guides 000 (identity search, entry, exit, closing) and 002 (life of a file, feedback on employment).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from app.partners.errors import (
    FieldError,
    PartnerDuplicate,
    PartnerError,
    PartnerFieldError,
    PartnerRejected,
    PartnerThrottled,
    PartnerUnauthorised,
    PartnerUnavailable,
)

__all__ = [
    "AgoraFileState",
    "AgoraPort",
    "BestJob",
    "Caller",
    "CertificationResult",
    "Civility",
    "ContractNature",
    "DisabilityStatus",
    "EventKind",
    "ExitSurvey",
    "FieldError",
    "FileChanges",
    "FileEvent",
    "FilePage",
    "FileStatus",
    "Funding",
    "Gender",
    "Holder",
    "Identity",
    "IdentityQuery",
    "JobPosition",
    "NewFile",
    "Outcome",
    "PartnerDuplicate",
    "PartnerError",
    "PartnerFieldError",
    "PartnerRejected",
    "PartnerThrottled",
    "PartnerUnauthorised",
    "PartnerUnavailable",
    "Refusal",
    "TrainingAction",
    "TrainingBody",
    "WeeklyDsn",
]


class Gender(StrEnum):
    """Sex in civil status."""

    MALE = "M"
    FEMALE = "F"


class Civility(StrEnum):
    """Monsieur, Madame."""

    MR = "M"
    MRS = "MME"


class DisabilityStatus(StrEnum):
    """Beneficiary of the employment obligation (BOE), four values (guide 000)."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    PENDING = "pending"


class FileStatus(StrEnum):
    """Where a file stands at AGORA (guide 002). The values are fit to be stored."""

    DRAFT = "draft"
    VALIDATED = "validated"
    ENTERED = "entered"
    EXITED = "exited"
    CLOSED_FULL = "closed_full"
    CLOSED_PARTIAL = "closed_partial"
    CLOSED_NOT_DONE = "closed_not_done"
    CANCELLED = "cancelled"

    @property
    def is_closed(self) -> bool:
        """Whether the file is closed, whatever the outcome."""
        return self in (FileStatus.CLOSED_FULL, FileStatus.CLOSED_PARTIAL, FileStatus.CLOSED_NOT_DONE)


class EventKind(StrEnum):
    """What can happen to a file."""

    MODIFICATION = "modification"
    INTERRUPTION = "interruption"
    RESUMPTION = "resumption"
    EXIT = "exit"
    CLOSING = "closing"
    CANCELLATION = "cancellation"


class Outcome(StrEnum):
    """How far the training was done; goes with a closing."""

    FULL = "full"
    PARTIAL = "partial"
    NOT_DONE = "not_done"


class CertificationResult(StrEnum):
    """Whether the certification was reached (guide 000: oui, non, non connue)."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class JobPosition(StrEnum):
    """The moment at which the best job is observed (guide 002)."""

    ENTRY = "entry"
    EXIT = "exit"
    MONTH_3 = "month_3"
    MONTH_6 = "month_6"
    MONTH_12 = "month_12"


class ContractNature(StrEnum):
    """Nature of an employment contract, in the weekly file."""

    PERMANENT = "permanent"
    FIXED_TERM = "fixed_term"
    TEMPORARY = "temporary"
    APPRENTICESHIP = "apprenticeship"
    OTHER = "other"


class Refusal(StrEnum):
    """What a refusal means to the portal; ``PartnerRejected.code`` keeps AGORA's own word."""

    UNKNOWN_PERSON = "unknown_person"
    NAME_MISMATCH = "name_mismatch"
    INVALID_NIR = "invalid_nir"
    FORBIDDEN_TRANSITION = "forbidden_transition"
    UNKNOWN_FILE = "unknown_file"
    OTHER = "other"


class Contradiction(StrEnum):
    """How an answer contradicts the contract, or what the portal holds; nothing of such an answer is kept.  The portal's own codes."""

    NUMBER_TAKEN = "NUMERO_DEJA_PORTE"  # another enrolment bears the number
    OTHER_NUMBER = "NUMERO_DIFFERENT"
    OTHER_REFERENCE = "AUTRE_REFERENCE"
    MALFORMED_NUMBER = "NUMERO_MALFORME"
    UNKNOWN_STATUS = "STATUT_INCONNU"
    OLDER_VERSION = "VERSION_ANTERIEURE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """For whom a call is made: AGORA wants the agent (pseudonymous) and the organisation on every call.

    ``actor_id`` is the portal's own id of the account; it never leaves the portal, only a keyed hash of it does.
    """

    actor_id: str
    siret: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityQuery:
    """NIR (13 characters, starting with 1 or 2), key (2 digits) and birth name (guide 000, "Vérification")."""

    nir: str = field(repr=False)
    key: str = field(repr=False)
    birth_name: str = field(repr=False)
    caller: Caller | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What AGORA knows of a person."""

    civility: Civility = field(repr=False)
    birth_name: str = field(repr=False)
    usual_name: str | None = field(default=None, repr=False)
    first_name: str = field(repr=False)
    birth_date: date = field(repr=False)
    gender: Gender = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The trainee of a file. Optional values that are None are not sent."""

    nir: str = field(repr=False)
    key: str = field(repr=False)
    birth_name: str = field(repr=False)
    first_name: str = field(repr=False)
    birth_date: date = field(repr=False)
    gender: Gender = field(repr=False)
    postal_code: str | None = field(default=None, repr=False)
    insee_code: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    entry_level: int | None = field(default=None, repr=False)
    professional_situation: str | None = field(default=None, repr=False)
    disability: DisabilityStatus | None = field(default=None, repr=False)
    qpv_code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingBody:
    """The training organisation."""

    siret: str
    legal_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingAction:
    """The component of an action the person is enrolled on."""

    number: str
    component: str
    title: str
    certif_info: str | None = None
    rncp: str | None = None
    formacode: str | None = None
    nsf: str | None = None
    exit_level: int | None = None
    site_postal_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """What a source committed and, later, paid."""

    source: str
    committed: Decimal
    realised: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """An enrolment to declare. ``external_reference`` is the portal's stable id of it (at most 64 characters): it never names two files."""

    external_reference: str
    holder: Holder
    programme: str
    funder_siret: str
    body: TrainingBody
    action: TrainingAction
    entry_date: date
    planned_end: date
    hours_centre: Decimal
    hours_company: Decimal
    objective: str
    fundings: tuple[Funding, ...] = ()
    caller: Caller | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChanges:
    """The changed fields of a file; None means unchanged."""

    holder: Holder | None = None
    programme: str | None = None
    body: TrainingBody | None = None
    action: TrainingAction | None = None
    entry_date: date | None = None
    planned_end: date | None = None
    hours_centre: Decimal | None = None
    hours_company: Decimal | None = None
    objective: str | None = None
    fundings: tuple[Funding, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitSurvey:
    """Answers of the survey at the end of the training (guide 000, "Saisie des enquêtes"); goes with a closing."""

    situation: str | None = field(default=None, repr=False)
    contract_type: str | None = field(default=None, repr=False)
    socio_professional_category: str | None = field(default=None, repr=False)
    job_related: bool | None = field(default=None, repr=False)
    certification: CertificationResult | None = field(default=None, repr=False)
    certification_level: int | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEvent:
    """Something that moves a file on.

    ``outcome`` is required with a closing and ``changes`` with a modification; ``survey`` goes with a closing only. A wrong mix is a programming
    error: ValueError.
    """

    number: str
    external_reference: str
    kind: EventKind
    date: date
    reason: str | None = None
    changes: FileChanges | None = None
    outcome: Outcome | None = None
    survey: ExitSurvey | None = None
    caller: Caller | None = None

    def __post_init__(self) -> None:
        if (self.outcome is not None) != (self.kind is EventKind.CLOSING):
            raise ValueError("an outcome goes with a closing, and a closing has one")
        if (self.changes is not None) != (self.kind is EventKind.MODIFICATION):
            raise ValueError("changes go with a modification, and a modification has some")
        if self.survey is not None and self.kind is not EventKind.CLOSING:
            raise ValueError("a survey goes with a closing")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgoraFileState:
    """A file as AGORA holds it. Checked against what was asked before anybody sees it."""

    number: str
    external_reference: str
    status: FileStatus
    version: int
    modified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePage:
    """One page of files; ``next_cursor`` is None on the last one."""

    files: tuple[AgoraFileState, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BestJob:
    """The best job of a person at one moment, as the weekly file gives it."""

    file_number: str
    position: JobPosition
    contract: ContractNature
    monthly_hours: Decimal | None
    start: date | None
    end: date | None
    naf_code: str | None
    several_jobs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyDsn:
    """The weekly file; ``unreadable`` holds the line numbers (from 1) that could not be understood, so that nothing is dropped in silence."""

    week: str
    jobs: tuple[BestJob, ...]
    unreadable: tuple[int, ...] = ()


class AgoraPort(Protocol):
    """The calls the portal makes. Each raises the errors of ``app.partners.errors`` and no other.

    ``PartnerUnavailable`` (with its children ``PartnerThrottled`` and ``PartnerUnauthorised``): try again later with the same idempotency key;
    ``PartnerRejected``: final until the data are mended; ``PartnerDuplicate``: the file exists already, which is a success.
    """

    def search_identity(self, query: IdentityQuery) -> Identity:
        """Identity of a person, within 3 seconds in all. ``PartnerRejected.refusal``: UNKNOWN_PERSON, NAME_MISMATCH or INVALID_NIR."""
        ...

    def create_file(self, new_file: NewFile, *, idempotency_key: UUID) -> AgoraFileState:
        """Declare an enrolment. ``PartnerDuplicate.state`` is the file that already bears this reference."""
        ...

    def send_event(self, event: FileEvent, *, idempotency_key: UUID) -> AgoraFileState:
        """Move a file on. ``PartnerRejected.refusal``: FORBIDDEN_TRANSITION where its status does not allow it."""
        ...

    def get_file(self, number: str) -> AgoraFileState:
        """One file. ``PartnerRejected.refusal``: UNKNOWN_FILE."""
        ...

    def find_files(
        self,
        *,
        external_reference: str | None = None,
        modified_since: datetime | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> FilePage:
        """One page of files; for reconciliation, go on with ``next_cursor`` until it is None."""
        ...

    def weekly_dsn(self, week: str) -> WeeklyDsn:
        """The weekly file of best jobs of an ISO week such as ``2026-W05``."""
        ...
