"""Requests against ``contract.yaml``: the schemas are read from it, so that the sandbox cannot drift from what it claims to implement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

PATH = Path(__file__).resolve().parent.parent / "contract.yaml"

Erreur = dict[str, str]

_WORDS = {
    "Required": ("DONNEE_OBLIGATOIRE", "Cette donnée est obligatoire."),
    "Type": ("TYPE_INVALIDE", "Cette donnée n’a pas le type attendu."),
    "Format": ("FORMAT_INVALIDE", "Cette donnée n’a pas la forme attendue."),
    "Pattern": ("FORMAT_INVALIDE", "Cette donnée n’a pas la forme attendue."),
    "Enum": ("VALEUR_INCONNUE", "Cette valeur n’est pas dans la liste."),
    "MaxLength": ("TROP_LONG", "Cette donnée est trop longue."),
    "Minimum": ("HORS_BORNES", "Cette valeur est trop petite."),
    "Maximum": ("HORS_BORNES", "Cette valeur est trop grande."),
}


def erreur(champ: str, code: str, message: str) -> Erreur:
    """One refused datum, as the contract words it."""
    return {"champ": champ, "code": code, "message": message}


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    place: str
    required: bool
    numeric: bool
    validator: Any


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the contract; the methods return what is wrong, an empty list when nothing is."""

    parameters: tuple[_Parameter, ...]
    body: Any

    def check_parameters(self, place: str, values: Mapping[str, str]) -> list[Erreur]:
        """``place`` is path, query or header."""
        wrong: list[Erreur] = []
        for parameter in self.parameters:
            if parameter.place != place:
                continue
            value: Any = values.get(parameter.name)
            if value is None:
                if parameter.required:
                    wrong.append(erreur(f"/{place}/{parameter.name}", *_WORDS["Required"]))
                continue
            if parameter.numeric:
                # As a number when it is one; the validator says what is wrong with anything else.
                value = int(value) if value.removeprefix("-").isdecimal() and value.isascii() and len(value) < 19 else value
            if not parameter.validator.is_valid(value):
                wrong.append(erreur(f"/{place}/{parameter.name}", *_WORDS["Format"]))
        return wrong

    def check_body(self, value: Any) -> list[Erreur]:
        """What is wrong with a body; values are never repeated."""
        return [] if self.body.is_valid(value) else _erreurs(self.body, value)


class Contract:
    """The contract, compiled once."""

    def __init__(self, path: Path = PATH) -> None:
        self._document: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
        self._operations: dict[tuple[str, str], Operation] = {}
        for template, item in self._document["paths"].items():
            for method in ("get", "post"):
                if method in item:
                    self._operations[method, template] = self._operation(item, item[method])
        self._modification = self._changes()

    def operation(self, method: str, template: str) -> Operation:
        return self._operations[method, template]

    def check_modification(self, changes: Any) -> list[Erreur]:
        """The changed fields of a file: the schemas of NouveauDossier, none of them required."""
        if self._modification.is_valid(changes):
            return []
        return [{**wrong, "champ": f"/modification{wrong['champ']}"} for wrong in _erreurs(self._modification, changes)]

    def _operation(self, item: dict[str, Any], operation: dict[str, Any]) -> Operation:
        parameters = [self._resolve(parameter) for parameter in [*item.get("parameters", ()), *operation.get("parameters", ())]]
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", True)
        return Operation(
            parameters=tuple(
                _Parameter(
                    name=parameter["name"] if parameter["in"] != "header" else parameter["name"].lower(),
                    place=parameter["in"],
                    required=parameter.get("required", False),
                    numeric=parameter["schema"].get("type") == "integer",
                    validator=self._compile(parameter["schema"]),
                )
                for parameter in parameters
            ),
            body=self._compile(schema),
        )

    def _changes(self) -> Any:
        properties = dict(self._document["components"]["schemas"]["NouveauDossier"]["properties"])
        del properties["referenceExterne"], properties["financeurSiret"]
        return self._compile({"type": "object", "minProperties": 1, "properties": properties, "additionalProperties": False})

    def _resolve(self, item: dict[str, Any]) -> dict[str, Any]:
        node: Any = item
        if "$ref" in item:
            node = self._document
            for segment in item["$ref"].removeprefix("#/").split("/"):
                node = node[segment]
        return dict(node)

    def _compile(self, schema: Any) -> Any:
        whole = dict(schema) if isinstance(schema, dict) else {}
        return jsonschema_rs.Draft202012Validator({**whole, "components": self._document["components"]}, validate_formats=True)


def _erreurs(validator: Any, value: Any) -> list[Erreur]:
    found: list[Erreur] = []
    for error in validator.iter_errors(value):
        kind = type(error.kind).__name__.rpartition("_")[2]
        path = [*map(str, error.instance_path)]
        if kind == "Required":
            path.append(error.kind.property)
        pointer = "".join("/" + segment.replace("~", "~0").replace("/", "~1") for segment in path)
        found.append(erreur(pointer, *_WORDS.get(kind, ("DONNEE_INVALIDE", "Cette donnée n’est pas acceptée."))))
        if len(found) == 50:
            break
    return found
