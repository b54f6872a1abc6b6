"""Refusals of AGORA, told in the portal's words. Pure.

A refusal stays one however badly it is written; what it says is made fit for screens and logs before anybody sees it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.partners.agora import port
from app.partners.agora.mapping import is_clean, is_number
from app.partners.errors import PartnerFieldError

DUPLICATE_CODE = "DOSSIER_EXISTANT"

_CODE = re.compile(r"[A-Z0-9_]{1,64}")
_NIR_LIKE = re.compile(r"[1-8](?:[\s.-]?\d){4}[\s.-]?(?:2[\s.-]?[ABab]|\d[\s.-]?\d)(?:[\s.-]?\d){6,8}")
_ADDRESS_LIKE = re.compile(r"[^\s@]+@[^\s@]+")
_MAX_FIELD_ERRORS = 50
_MAX_TEXT = 300

_REFUSALS: Mapping[str, port.Refusal] = {
    "ID_INCONNUE": port.Refusal.UNKNOWN_PERSON,
    "NOM_DISCORDANT": port.Refusal.NAME_MISMATCH,
    "NIR_INVALIDE": port.Refusal.INVALID_NIR,
    "TRANSITION_INTERDITE": port.Refusal.FORBIDDEN_TRANSITION,
}

# Wire name → portal name, level by level: the pointers of a refusal are told to the user in the portal's words.
_PATHS: Mapping[str, Any] = {
    "nir": "nir",
    "cle": "key",
    "nomNaissance": "birth_name",
    "referenceExterne": "external_reference",
    "titulaire": (
        "holder",
        {
            "nir": "nir",
            "cle": "key",
            "nomNaissance": "birth_name",
            "prenom": "first_name",
            "dateNaissance": "birth_date",
            "sexe": "gender",
            "codePostal": "postal_code",
            "codeInseeCommune": "insee_code",
            "courriel": "email",
            "telephone": "phone",
            "niveauEntree": "entry_level",
            "situationProfessionnelle": "professional_situation",
            "boe": "disability",
            "codeQpv": "qpv_code",
        },
    ),
    "dispositif": "programme",
    "financeurSiret": "funder_siret",
    "organisme": ("body", {"siret": "siret", "raisonSociale": "legal_name"}),
    "action": (
        "action",
        {
            "numero": "number",
            "composante": "component",
            "intitule": "title",
            "codeCertifInfo": "certif_info",
            "codeRncp": "rncp",
            "formacode": "formacode",
            "nsf": "nsf",
            "niveauSortie": "exit_level",
            "codePostalSite": "site_postal_code",
        },
    ),
    "dateEntree": "entry_date",
    "dateFinPrevue": "planned_end",
    "heuresCentre": "hours_centre",
    "heuresEntreprise": "hours_company",
    "objectifGeneral": "objective",
    "financements": ("fundings", {"source": "source", "montantEngage": "committed", "montantRealise": "realised"}),
    "type": "kind",
    "date": "date",
    "motif": "reason",
    "realisation": "outcome",
    "enquete": (
        "survey",
        {
            "situation": "situation",
            "typeContrat": "contract_type",
            "categorieSocioprofessionnelle": "socio_professional_category",
            "emploiEnRapport": "job_related",
            "certificationAtteinte": "certification",
            "niveauCertification": "certification_level",
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as AGORA words it, made fit for screens and logs: bounded, printable, and with anything that looks like a NIR struck out."""

    code: str
    title: str
    details: tuple[PartnerFieldError, ...] = ()
    number: str | None = None

    @property
    def refusal(self) -> port.Refusal:
        return _REFUSALS.get(self.code, port.Refusal.OTHER)


def problem_from_wire(status: int, wire: Any) -> Problem:
    """A problem, however badly it is written: a refusal stays one even when its reason cannot be read."""
    fields = wire if isinstance(wire, dict) else {}
    code = fields.get("code")
    number = fields.get("numeroDossier")
    errors = fields.get("erreurs")
    return Problem(
        code=code if isinstance(code, str) and _CODE.fullmatch(code) else f"HTTP_{status}",
        title=safe_text(fields.get("title")),
        details=tuple(_field_error(error) for error in errors[:_MAX_FIELD_ERRORS] if isinstance(error, dict)) if isinstance(errors, list) else (),
        number=number if is_number(number) else None,
    )


def _field_error(error: Mapping[str, Any]) -> PartnerFieldError:
    pointer, code = safe_text(error.get("champ")), error.get("code")
    return PartnerFieldError(
        field=pointer,
        message=safe_text(error.get("message")),
        code=code if isinstance(code, str) and _CODE.fullmatch(code) else "",
        path=path_of(pointer),
    )


def path_of(pointer: str) -> str | None:
    """The portal's name of a JSON pointer (``/titulaire/nir`` → ``holder.nir``), None when it has none."""
    names: list[str] = []
    level: Any = _PATHS
    segments = pointer.split("/")
    if segments[0] or len(segments) < 2:
        return None
    if segments[1] == "modification":
        del segments[1]
    for segment in segments[1:]:
        if segment.isdecimal() and names:
            names.append(segment)
            continue
        known = level.get(segment) if isinstance(level, Mapping) else None
        if known is None:
            return None
        name, level = (known, None) if isinstance(known, str) else known
        names.append(name)
    return ".".join(names) or None


def safe_text(value: Any) -> str:
    """``value`` fit to be shown and stored: text, printable, bounded, without anything that looks like a NIR or an e-mail address."""
    if not isinstance(value, str):
        return ""
    printable = "".join(character if is_clean(character) else " " for character in value[: 2 * _MAX_TEXT])
    return _ADDRESS_LIKE.sub("***", _NIR_LIKE.sub("***", printable)).strip()[:_MAX_TEXT]
