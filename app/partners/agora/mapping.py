"""The wire format of AGORA, both ways. Pure: no network, no clock, no settings.

Only this module knows the French names of ``contract.yaml``. What comes in is checked to the last field: an answer that does not say exactly what the
contract promises is a ``MappingError``, whose text names the field and never its value.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from app.partners.agora import port

T = TypeVar("T")

NUMBER = re.compile(r"[0-9]{8,12}")

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")
_LIGATURES = str.maketrans({"œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae"})
_MAX_CURSOR = 2048


class MappingError(ValueError):
    """An answer that is not what the contract says. The text names the field, never the value."""


class Purpose(StrEnum):
    """Why a call is made; claim ``but`` of the identification vector."""

    IDENTITY = "IDENTIFICATION_TITULAIRE"
    CREATION = "CREATION_DOSSIER"
    EVENT = "EVENEMENT_DOSSIER"
    READING = "CONSULTATION_DOSSIER"
    EMPLOYMENT = "RETOURS_EMPLOI"


_STATUS_IN: Mapping[str, port.FileStatus] = {
    "EN_COURS_ELABORATION": port.FileStatus.DRAFT,
    "VALIDE": port.FileStatus.VALIDATED,
    "ENTREE": port.FileStatus.ENTERED,
    "SORTIE": port.FileStatus.EXITED,
    "CLOS_TOTALE": port.FileStatus.CLOSED_FULL,
    "CLOS_PARTIELLE": port.FileStatus.CLOSED_PARTIAL,
    "CLOS_NON_REALISEE": port.FileStatus.CLOSED_NOT_DONE,
    "ANNULE": port.FileStatus.CANCELLED,
}
_KIND_OUT: Mapping[port.EventKind, str] = {
    port.EventKind.MODIFICATION: "MODIFICATION",
    port.EventKind.INTERRUPTION: "INTERRUPTION",
    port.EventKind.RESUMPTION: "REPRISE",
    port.EventKind.EXIT: "SORTIE",
    port.EventKind.CLOSING: "CLOTURE",
    port.EventKind.CANCELLATION: "ANNULATION",
}
_OUTCOME_OUT: Mapping[port.Outcome, str] = {
    port.Outcome.FULL: "TOTALE",
    port.Outcome.PARTIAL: "PARTIELLE",
    port.Outcome.NOT_DONE: "NON_REALISEE",
}
_DISABILITY_OUT: Mapping[port.DisabilityStatus, str] = {
    port.DisabilityStatus.YES: "OUI",
    port.DisabilityStatus.NO: "NON",
    port.DisabilityStatus.UNKNOWN: "NON_CONNU",
    port.DisabilityStatus.PENDING: "EN_COURS",
}
_CERTIFICATION_OUT: Mapping[port.CertificationResult, str] = {
    port.CertificationResult.YES: "OUI",
    port.CertificationResult.NO: "NON",
    port.CertificationResult.UNKNOWN: "NON_CONNUE",
}
_POSITION_IN: Mapping[str, port.JobPosition] = {
    "ENTREE": port.JobPosition.ENTRY,
    "SORTIE": port.JobPosition.EXIT,
    "M3": port.JobPosition.MONTH_3,
    "M6": port.JobPosition.MONTH_6,
    "M12": port.JobPosition.MONTH_12,
}
_CONTRACT_IN: Mapping[str, port.ContractNature] = {
    "CDI": port.ContractNature.PERMANENT,
    "CDD": port.ContractNature.FIXED_TERM,
    "INTERIM": port.ContractNature.TEMPORARY,
    "APPRENTISSAGE": port.ContractNature.APPRENTICESHIP,
    "AUTRE": port.ContractNature.OTHER,
}
_BOOLEANS: Mapping[str, bool] = {"O": True, "OUI": True, "N": False, "NON": False}

# --- the portal's words → the wire ---------------------------------------------------------------------------------------------------------------


def identity_query_to_wire(query: port.IdentityQuery) -> dict[str, Any]:
    """Body of an identity search."""
    return {"nir": query.nir, "cle": query.key, "nomNaissance": query.birth_name}


def new_file_to_wire(new_file: port.NewFile) -> dict[str, Any]:
    """Body that creates a file."""
    wire: dict[str, Any] = {
        "referenceExterne": new_file.external_reference,
        "titulaire": _holder_to_wire(new_file.holder),
        "dispositif": new_file.programme,
        "financeurSiret": new_file.funder_siret,
        "organisme": _body_to_wire(new_file.body),
        "action": _action_to_wire(new_file.action),
        "dateEntree": new_file.entry_date.isoformat(),
        "dateFinPrevue": new_file.planned_end.isoformat(),
        "heuresCentre": _number(new_file.hours_centre),
        "heuresEntreprise": _number(new_file.hours_company),
        "objectifGeneral": new_file.objective,
    }
    if new_file.fundings:
        wire["financements"] = [_funding_to_wire(funding) for funding in new_file.fundings]
    return wire


def event_to_wire(event: port.FileEvent) -> dict[str, Any]:
    """Body that moves a file on."""
    wire: dict[str, Any] = {"type": _KIND_OUT[event.kind], "date": event.date.isoformat()}
    if event.reason is not None:
        wire["motif"] = event.reason
    if event.changes is not None:
        wire["modification"] = changes_to_wire(event.changes)
    if event.outcome is not None:
        wire["realisation"] = _OUTCOME_OUT[event.outcome]
    if event.survey is not None:
        wire["enquete"] = _survey_to_wire(event.survey)
    return wire


def changes_to_wire(changes: port.FileChanges) -> dict[str, Any]:
    """The changed fields only."""
    return _present(
        {
            "titulaire": _apply(_holder_to_wire, changes.holder),
            "dispositif": changes.programme,
            "organisme": _apply(_body_to_wire, changes.body),
            "action": _apply(_action_to_wire, changes.action),
            "dateEntree": _apply(date.isoformat, changes.entry_date),
            "dateFinPrevue": _apply(date.isoformat, changes.planned_end),
            "heuresCentre": _apply(_number, changes.hours_centre),
            "heuresEntreprise": _apply(_number, changes.hours_company),
            "objectifGeneral": changes.objective,
            "financements": None if changes.fundings is None else [_funding_to_wire(funding) for funding in changes.fundings],
        }
    )


def _holder_to_wire(holder: port.Holder) -> dict[str, Any]:
    return _present(
        {
            "nir": holder.nir,
            "cle": holder.key,
            "nomNaissance": holder.birth_name,
            "prenom": holder.first_name,
            "dateNaissance": holder.birth_date.isoformat(),
            "sexe": holder.gender.value,
            "codePostal": holder.postal_code,
            "codeInseeCommune": holder.insee_code,
            "courriel": holder.email,
            "telephone": holder.phone,
            "niveauEntree": holder.entry_level,
            "situationProfessionnelle": holder.professional_situation,
            "boe": None if holder.disability is None else _DISABILITY_OUT[holder.disability],
            "codeQpv": holder.qpv_code,
        }
    )


def _body_to_wire(body: port.TrainingBody) -> dict[str, Any]:
    return _present({"siret": body.siret, "raisonSociale": body.legal_name})


def _action_to_wire(action: port.TrainingAction) -> dict[str, Any]:
    return _present(
        {
            "numero": action.number,
            "composante": action.component,
            "intitule": action.title,
            "codeCertifInfo": action.certif_info,
            "codeRncp": action.rncp,
            "formacode": action.formacode,
            "nsf": action.nsf,
            "niveauSortie": action.exit_level,
            "codePostalSite": action.site_postal_code,
        }
    )


def _funding_to_wire(funding: port.Funding) -> dict[str, Any]:
    return _present({"source": funding.source, "montantEngage": _number(funding.committed), "montantRealise": _apply(_number, funding.realised)})


def _survey_to_wire(survey: port.ExitSurvey) -> dict[str, Any]:
    return _present(
        {
            "situation": survey.situation,
            "typeContrat": survey.contract_type,
            "categorieSocioprofessionnelle": survey.socio_professional_category,
            "emploiEnRapport": None if survey.job_related is None else ("OUI" if survey.job_related else "NON"),
            "certificationAtteinte": None if survey.certification is None else _CERTIFICATION_OUT[survey.certification],
            "niveauCertification": survey.certification_level,
        }
    )


def _present(wire: dict[str, Any]) -> dict[str, Any]:
    """Without the fields that are not known: an absent field is valid everywhere, a null one is not."""
    return {name: value for name, value in wire.items() if value is not None}


def _apply(function: Callable[[T], Any], value: T | None) -> Any:
    return None if value is None else function(value)


def _number(value: Decimal) -> int | float:
    """Hundredths are the finest the portal has; a whole number is written as one."""
    hundredths = round(value, 2)
    whole = int(hundredths)
    return whole if whole == hundredths else float(hundredths)


# --- the wire → the portal's words ---------------------------------------------------------------------------------------------------------------


def parse_json(body: bytes) -> Any:
    """A JSON text in UTF-8. Raises MappingError for anything else, however nasty (depth, NaN, endless numbers)."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        pass  # the error holds the whole text: it must not travel with ours
    raise MappingError("not a JSON text")


def _refuse_constant(_name: str) -> Any:
    raise ValueError("not a JSON number")


def identity_from_wire(wire: Any) -> port.Identity:
    """Answer of an identity search."""
    fields = _object(wire)
    return port.Identity(
        civility=_choice(fields, "civilite", {civility.value: civility for civility in port.Civility}),
        birth_name=_text(fields, "nomNaissance", 100),
        usual_name=_optional_text(fields, "nomUsage", 100),
        first_name=_text(fields, "prenom", 100),
        birth_date=_date(fields, "dateNaissance"),
        gender=_choice(fields, "sexe", {gender.value: gender for gender in port.Gender}),
    )


def file_state_from_wire(wire: Any) -> port.AgoraFileState:
    """A file. That it is the one asked for is for the caller to check."""
    fields = _object(wire)
    version = fields.get("version")
    # A version is stored in an integer column.
    if not isinstance(version, int) or isinstance(version, bool) or not 0 <= version < 2**31:
        raise MappingError("version")
    number = fields.get("numeroDossier")
    if not isinstance(number, str) or not is_number(number):
        raise MappingError("numeroDossier")
    return port.AgoraFileState(
        number=number,
        external_reference=_text(fields, "referenceExterne", 64),
        status=_choice(fields, "statut", _STATUS_IN),
        version=version,
        modified_at=_instant(fields, "modifieLe"),
    )


def page_from_wire(wire: Any) -> port.FilePage:
    """One page of files. A cursor that would loop is for the caller to notice."""
    fields = _object(wire)
    files = fields.get("dossiers")
    if not isinstance(files, list):
        raise MappingError("dossiers")
    return port.FilePage(files=tuple(file_state_from_wire(file) for file in files), next_cursor=_optional_text(fields, "curseurSuivant", _MAX_CURSOR))


def is_number(value: Any) -> bool:
    """Whether ``value`` has the form of a file number."""
    return isinstance(value, str) and NUMBER.fullmatch(value) is not None


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same but for case, accents, hyphens, apostrophes and spaces."""
    return fold_name(one) == fold_name(other)


def fold_name(name: str) -> str:
    """The letters of a name, without case or accents."""
    decomposed = unicodedata.normalize("NFKD", name.translate(_LIGATURES))
    return "".join(character for character in decomposed.casefold() if character.isalpha())


def _object(wire: Any) -> dict[str, Any]:
    if not isinstance(wire, dict):
        raise MappingError("not an object")
    return wire


def _text(fields: Mapping[str, Any], name: str, longest: int) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > longest or not is_clean(value):
        raise MappingError(name)
    return value


def _optional_text(fields: Mapping[str, Any], name: str, longest: int) -> str | None:
    """Absent, null and empty are the same: nothing."""
    return None if fields.get(name) in (None, "") else _text(fields, name, longest)


def is_clean(value: str) -> bool:
    """No control character and no half of a surrogate pair: neither the database nor a screen takes them."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in value)


def _choice(fields: Mapping[str, Any], name: str, choices: Mapping[str, T]) -> T:
    value = fields.get(name)
    if not isinstance(value, str) or value not in choices:
        raise MappingError(name)
    return choices[value]


def _date(fields: Mapping[str, Any], name: str) -> date:
    value = fields.get(name)
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise MappingError(name)


def _instant(fields: Mapping[str, Any], name: str) -> datetime:
    value = fields.get(name)
    if isinstance(value, str) and _INSTANT.fullmatch(value.upper()):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise MappingError(name)


# --- the weekly file of best jobs -----------------------------------------------------------------------------------------------------------------

DSN_COLUMNS = ("numeroDossier", "position", "natureContrat", "heuresMensuelles", "dateDebut", "dateFin", "codeNaf", "multiEmploi")


def weekly_dsn_from_csv(week: str, body: bytes) -> port.WeeklyDsn:
    """The weekly file (UTF-8, ``;``), with or without its line of titles. Raises MappingError when it is no such file at all."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise MappingError("not UTF-8")
    jobs: list[port.BestJob] = []
    unreadable: list[int] = []
    for line_number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        cells = [cell.strip().strip('"') for cell in line.split(";")]
        if not line.strip() or (line_number == 1 and tuple(cells) == DSN_COLUMNS):
            continue
        try:
            jobs.append(_job(cells))
        except MappingError:
            unreadable.append(line_number)
    if unreadable and not jobs:
        raise MappingError("no line of the weekly file can be read")
    return port.WeeklyDsn(week=week, jobs=tuple(jobs), unreadable=tuple(unreadable))


def _job(cells: list[str]) -> port.BestJob:
    if len(cells) != len(DSN_COLUMNS):
        raise MappingError("columns")
    fields = dict(zip(DSN_COLUMNS, cells, strict=True))
    if not is_number(fields["numeroDossier"]):
        raise MappingError("numeroDossier")
    return port.BestJob(
        file_number=fields["numeroDossier"],
        position=_choice(fields, "position", _POSITION_IN),
        contract=_choice(fields, "natureContrat", _CONTRACT_IN),
        monthly_hours=_hours(fields["heuresMensuelles"]),
        start=_date(fields, "dateDebut") if fields["dateDebut"] else None,
        end=_date(fields, "dateFin") if fields["dateFin"] else None,
        naf_code=_optional_text(fields, "codeNaf", 8),
        several_jobs=_choice(fields, "multiEmploi", _BOOLEANS),
    )


def _hours(text: str) -> Decimal | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,4}([.,][0-9]{1,4})?", text):
        raise MappingError("heuresMensuelles")
    return Decimal(text.replace(",", "."))
