"""What AGORA asks of a file beyond the form of its fields. Pure."""

from __future__ import annotations

from typing import Any

from app.partners.agora.sandbox import people
from app.partners.agora.sandbox.contract import Erreur, erreur


class Refused(Exception):
    """A request understood and refused; becomes a problem (RFC 9457)."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        *,
        erreurs: list[Erreur] | None = None,
        number: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.title = title
        self.erreurs = erreurs or []
        self.number = number
        self.headers = headers or {}

    def problem(self) -> dict[str, Any]:
        """The body of the answer."""
        body: dict[str, Any] = {"type": "about:blank", "status": self.status, "code": self.code, "title": self.title}
        if self.number is not None:
            body["numeroDossier"] = self.number
        if self.erreurs:
            body["erreurs"] = self.erreurs
        return body


def check_holder(holder: dict[str, Any], place: str = "/titulaire") -> None:
    """NIR, key and name of the holder. Raises Refused."""
    nir, key, name = holder["nir"], holder["cle"], holder["nomNaissance"]
    if not people.is_valid_nir(nir, key):
        wrong = erreur(f"{place}/nir", "NIR_INVALIDE", "Ce NIR ou sa clé n’est pas valable.")
        raise Refused(422, "NIR_INVALIDE", "Le NIR ou sa clé n’est pas valable.", erreurs=[wrong])
    if not people.name_agrees(nir, name):
        wrong = erreur(f"{place}/nomNaissance", "NOM_DISCORDANT", "Ce nom n’est pas celui de la personne.")
        raise Refused(422, "NOM_DISCORDANT", "Le nom de naissance n’est pas celui de la personne qui porte ce NIR.", erreurs=[wrong])


def check_new_file(body: dict[str, Any]) -> None:
    """Rules on a file to create. Raises Refused."""
    check_holder(body["titulaire"])
    wrong = []
    if body["dateFinPrevue"] < body["dateEntree"]:
        wrong.append(erreur("/dateFinPrevue", "DATE_INCOHERENTE", "La fin prévue précède l’entrée en formation."))
    if body["heuresCentre"] + body["heuresEntreprise"] <= 0:
        wrong.append(erreur("/heuresCentre", "VOLUME_NUL", "Le volume d’heures est nul."))
    if not body["referenceExterne"].strip():
        wrong.append(erreur("/referenceExterne", "DONNEE_OBLIGATOIRE", "Cette donnée est obligatoire."))
    if wrong:
        raise Refused(422, "DONNEES_INVALIDES", "Le dossier n’est pas accepté.", erreurs=wrong)


def check_event(body: dict[str, Any], *, entry: str) -> None:
    """Rules on an event that are not those of the transition table. Raises Refused."""
    kind = body["type"]
    wrong = []
    if (kind == "CLOTURE") != ("realisation" in body):
        wrong.append(erreur("/realisation", "DONNEE_OBLIGATOIRE" if kind == "CLOTURE" else "DONNEE_INVALIDE", "La réalisation accompagne la clôture."))
    if "enquete" in body and kind != "CLOTURE":
        wrong.append(erreur("/enquete", "DONNEE_INVALIDE", "L’enquête accompagne la clôture."))
    if (kind == "MODIFICATION") != ("modification" in body):
        code = "DONNEE_OBLIGATOIRE" if kind == "MODIFICATION" else "DONNEE_INVALIDE"
        wrong.append(erreur("/modification", code, "Les données modifiées accompagnent la modification."))
    if kind in ("SORTIE", "INTERRUPTION", "REPRISE") and body["date"] < entry:
        wrong.append(erreur("/date", "DATE_INCOHERENTE", "Cette date précède l’entrée en formation."))
    if wrong:
        raise Refused(422, "DONNEES_INVALIDES", "L’événement n’est pas accepté.", erreurs=wrong)
