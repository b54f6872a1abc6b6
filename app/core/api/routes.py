"""The addresses: one for each declared resource, and the description of them all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify, request

from app.core.api import openapi
from app.core.api.caller import PREFIX, authenticate, identity
from app.core.api.problems import ApiProblem
from app.core.api.registry import Parameter, Resource, resources
from app.core.ui.csrf import csrf

NAME = "api_v1"
_OPEN = f"{NAME}.describe"


def init_app(app: Flask) -> None:
    """Open the addresses of what the features declared; to be called once they all did."""
    blueprint = Blueprint(NAME, __name__, url_prefix=PREFIX)

    @blueprint.before_request
    def _authenticate() -> None:
        if request.endpoint != _OPEN:
            authenticate()

    blueprint.add_url_rule("/openapi.json", "describe", describe, methods=["GET"], provide_automatic_options=False)
    for declared in resources():
        blueprint.add_url_rule(declared.path, declared.name, _view_of(declared), methods=["GET"], provide_automatic_options=False)
    # No cookie is listened to here (``authenticate``), so that no other site can make a browser act.
    csrf.exempt(blueprint)
    app.register_blueprint(blueprint)


def describe() -> Response:
    """The description of the interface (OpenAPI 3.1); it holds nothing of anybody and needs no token."""
    return jsonify(openapi.document())


def _view_of(declared: Resource) -> Callable[..., Response]:
    def answer(**path: Any) -> Response:
        caller = identity()
        if declared.scope not in caller.scopes:
            raise ApiProblem("scope_missing", scope=declared.scope)
        security: Any = current_app.appbuilder.sm  # type: ignore[attr-defined]  # set by Flask-AppBuilder
        if declared.permission is not None and declared.permission not in security.granted(caller.user):
            raise ApiProblem("permission_missing")
        return jsonify(declared.view(**path, **_query(declared)))

    return answer


def _query(declared: Resource) -> Mapping[str, Any]:
    """The declared parameters of the query; raises ApiProblem (400) for a value that is not allowed."""
    wanted = [parameter for parameter in declared.parameters if parameter.where == "query"]
    return {parameter.name: _value(parameter) for parameter in wanted}


def _value(parameter: Parameter) -> Any:
    text = request.args.get(parameter.name)
    if text is None:
        return parameter.default
    schema = parameter.schema
    if schema["type"] == "integer":
        if re.fullmatch(r"-?[0-9]{1,10}", text) and schema.get("minimum", -(2**31)) <= int(text) <= schema.get("maximum", 2**31 - 1):
            return int(text)
    elif len(text) <= schema.get("maxLength", 1000) and re.search(schema.get("pattern", ""), text) and "\x00" not in text:
        return text
    raise ApiProblem("parameter_invalid", parameter=parameter.name)
