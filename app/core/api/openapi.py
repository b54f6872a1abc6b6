"""The description of the interface (OpenAPI 3.1), made from what the features declare."""

from __future__ import annotations

import re
from typing import Any

from flask import current_app
from flask_babel import force_locale
from flask_babel import gettext as _

from app.core.api.caller import PREFIX, RATE
from app.core.api.problems import CODES, MEDIA_TYPE
from app.core.api.registry import Resource, resources, scopes

#: What any resource may answer besides its own.
_EVERYWHERE = ("bad_request", "token_missing", "token_invalid", "network_not_allowed", "scope_missing", "permission_missing", "too_many_requests")

_VERSIONED = ("precondition_required", "precondition_failed")
_READ_VERSION = ("precondition_failed",)
_ETAG = {"ETag": {"description": "RFC 9110 §8.8.3", "schema": {"type": "string"}}}

_LOCATION = {"Location": {"description": "RFC 9110 §10.2.2", "schema": {"type": "string"}}}
_FILE = {"type": "string", "format": "binary"}

_PROBLEM = {
    "type": "object",
    "required": ["type", "status", "code", "title", "detail", "reference"],
    "properties": {
        "type": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(CODES)},
        "title": {"type": "string"},
        "detail": {"type": "string"},
        "reference": {"type": "string"},
        "scope": {"type": "string"},
        "parameter": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "required": ["field", "detail"], "properties": {"field": {"type": "string"}, "detail": {"type": "string"}}},
        },
    },
}


def document() -> dict[str, Any]:
    """The whole description, in French."""
    with force_locale("fr"):
        return {
            "openapi": "3.1.0",
            "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
            "info": {
                "title": str(current_app.config["PORTAL_NAME"]),
                "version": "1",
                "description": _("Interface of the portal. Each token makes at most %(rate)s requests per minute.", rate=RATE.split()[0]),
            },
            "servers": [{"url": PREFIX}],
            "security": [{"token": []}],
            "tags": [{"name": tag} for tag in sorted({str(one.tag) for one in resources() if one.tag})],
            "paths": _paths(),
            "components": {
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _scopes()}},
                "schemas": {"Probleme": _PROBLEM},
            },
        }


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for one in resources():
        paths.setdefault(_path(one.path), {})[one.method.lower()] = _operation(one)
    return paths


def _scopes() -> str:
    lines = [f"- `{scope.name}` : {scope.label}" for scope in scopes()]
    return "\n".join([_("A token made in « Mon compte », with one or several of these scopes:"), "", *lines])


def _path(rule: str) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def _often(declared: Resource) -> str:
    return "" if declared.rate is None else _("Each token makes at most %(rate)s of these requests per minute.", rate=declared.rate.split()[0])


def _success(declared: Resource, status: int) -> dict[str, Any]:
    content = {"application/json": {"schema": dict(declared.answer)}} if not declared.files else {media: {"schema": _FILE} for media in declared.files}
    headers = (_ETAG if declared.versioned else {}) | (_LOCATION if declared.form else {})
    return {"description": str(declared.summary), "content": content} | ({"headers": headers} if headers else {})


def _operation(declared: Resource) -> dict[str, Any]:
    refusals: dict[int, list[str]] = {}
    writes = declared.method != "GET"
    asked = declared.body or declared.form
    own = (
        *declared.refusals, *(("body_invalid", "fields_invalid") if asked else ()), *(("too_large",) if declared.form else ()),
        *((_VERSIONED if writes else _READ_VERSION) if declared.versioned else ()),
    )  # fmt: skip
    for code in (*_EVERYWHERE, *own):
        refusals.setdefault(CODES[code], []).append(code)
    operation: dict[str, Any] = {
        "operationId": declared.name,
        "summary": str(declared.summary),
        "description": "\n\n".join(filter(None, (str(declared.description), _often(declared), _("Scope: `%(scope)s`.", scope=declared.scope)))),
        "x-scope": declared.scope,
        "parameters": [
            {
                "name": parameter.name,
                "in": parameter.where,
                "required": parameter.where == "path",
                "description": str(parameter.description),
                "schema": dict(parameter.schema) | ({} if parameter.default is None else {"default": parameter.default}),
            }
            for parameter in declared.parameters
        ],
        "responses": {
            **{str(status): _success(declared, status) for status in declared.statuses},
            **({"304": {"description": _("You have this version already (header « If-None-Match »).")}} if declared.versioned and not writes else {}),
            **{
                str(status): {
                    "description": ", ".join(f"`{code}`" for code in codes),
                    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Probleme"}}},
                }
                for status, codes in sorted(refusals.items())
            },
        },
    }
    if declared.versioned:
        name, why = ("If-Match", _("The ETag of the object as you read it.")) if writes else ("If-None-Match", _("The ETag you have."))
        operation["parameters"].append({"name": name, "in": "header", "required": writes, "description": why, "schema": {"type": "string"}})
    if declared.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": dict(declared.body)}}}
    if declared.form is not None:
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": dict(declared.form)}}}
    if declared.tag:
        operation["tags"] = [str(declared.tag)]
    return operation
