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
                "description": _("Read-only interface of the portal. Each token makes at most %(rate)s requests per minute.", rate=RATE.split()[0]),
            },
            "servers": [{"url": PREFIX}],
            "security": [{"token": []}],
            "tags": [{"name": tag} for tag in sorted({str(one.tag) for one in resources() if one.tag})],
            "paths": {_path(one.path): {"get": _operation(one)} for one in resources()},
            "components": {
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _scopes()}},
                "schemas": {"Probleme": _PROBLEM},
            },
        }


def _scopes() -> str:
    lines = [f"- `{scope.name}` : {scope.label}" for scope in scopes()]
    return "\n".join([_("A token made in « Mon compte », with one or several of these scopes:"), "", *lines])


def _path(rule: str) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def _operation(declared: Resource) -> dict[str, Any]:
    refusals: dict[int, list[str]] = {}
    for code in (*_EVERYWHERE, *declared.refusals):
        refusals.setdefault(CODES[code], []).append(code)
    operation: dict[str, Any] = {
        "operationId": declared.name,
        "summary": str(declared.summary),
        "description": "\n\n".join(filter(None, (str(declared.description), _("Scope: `%(scope)s`.", scope=declared.scope)))),
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
            "200": {"description": str(declared.summary), "content": {"application/json": {"schema": dict(declared.answer)}}},
            **{
                str(status): {
                    "description": ", ".join(f"`{code}`" for code in codes),
                    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Probleme"}}},
                }
                for status, codes in sorted(refusals.items())
            },
        },
    }
    if declared.tag:
        operation["tags"] = [str(declared.tag)]
    return operation
