"""The addresses: one for each declared resource, and the description of them all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from flask_babel import gettext as _

from app.core.api import openapi
from app.core.api.caller import PREFIX, authenticate, brake, identity
from app.core.api.problems import ApiProblem
from app.core.api.registry import Answered, Parameter, Resource, resources, scope_named
from app.core.api.versions import require_version, with_etag
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
        blueprint.add_url_rule(declared.path, declared.name, _view_of(declared), methods=[declared.method], provide_automatic_options=False)
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
        needed = {right for right in (scope_named(declared.scope).permission, declared.permission) if right is not None}
        security: Any = current_app.appbuilder.sm  # type: ignore[attr-defined]  # set by Flask-AppBuilder
        if needed and not needed <= security.granted(caller.user):
            raise ApiProblem("permission_missing")
        if declared.rate is not None:
            brake(declared.name, declared.rate)
        sent: dict[str, Any] = {}
        if declared.method != "GET" and declared.versioned:
            require_version()
        if declared.body is not None:
            sent["body"] = _body(declared.body)
        if declared.form is not None:
            sent["form"] = _form(declared.form)
        answered = declared.view(**path, **_given(declared), **sent)
        if isinstance(answered, Response):
            return answered
        made = answered if isinstance(answered, Answered) else Answered(answered, 200)
        response = jsonify(made.shown)
        if declared.versioned:
            response = with_etag(response, made.shown)
        if response.status_code == HTTPStatus.OK:  # and not 304
            response.status_code = made.status
        if made.location is not None:
            response.headers["Location"] = made.location
        return response

    return answer


def _body(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent, an object of the declared members with the declared types; raises ApiProblem (415 or 422)."""
    try:
        sent = request.get_json(silent=True) if request.is_json else None
    except RecursionError:
        sent = None  # lists within lists without end
    if not isinstance(sent, dict):
        raise ApiProblem("body_invalid")
    known: Mapping[str, Any] = schema["properties"]
    errors = [{"field": str(name)[:100], "detail": _("This field is not known here.")} for name in sent if name not in known]
    for name, value in sent.items():
        nullable = "null" in known.get(name, {}).get("type", "null")
        if known.get(name, {}).get("type") == "object":
            if not _is_object_of_texts(value, known[name]):
                errors.append({"field": name, "detail": _("Send an object here, whose values are texts or null.")})
        elif name in known and not (isinstance(value, str) or (value is None and nullable)):
            errors.append({"field": name, "detail": _("Send a text here.")})
        elif isinstance(value, str) and "\x00" in value:
            errors.append({"field": name, "detail": _("This text holds a character that is not allowed.")})
    if not sent:
        errors.append({"field": "", "detail": _("Send at least one field to change.")})
    if errors:
        raise ApiProblem("fields_invalid", errors=errors)
    return sent


def _is_object_of_texts(value: object, schema: Mapping[str, Any]) -> bool:
    """Whether it is an object of any members that are texts, or null where that is declared."""
    nullable = "null" in schema["additionalProperties"]["type"]
    if not isinstance(value, dict):
        return False
    return all("\x00" not in name and ((one is None and nullable) or (isinstance(one, str) and "\x00" not in one)) for name, one in value.items())


def _form(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent as a form: texts and files of the declared members; raises ApiProblem (413, 415 or 422)."""
    if request.mimetype != "multipart/form-data":
        raise ApiProblem("body_invalid", detail=_("Send a form, with the header « Content-Type: multipart/form-data »."))
    known: Mapping[str, Any] = schema["properties"]
    errors = [{"field": str(name)[:100], "detail": _("This field is not known here.")} for name in {**request.form, **request.files} if name not in known]
    sent: dict[str, Any] = {}
    for name, rule in known.items():
        found = request.files.get(name) if rule.get("format") == "binary" else request.form.get(name)
        if found is None:
            if name in schema.get("required", ()):
                wanted = _("Send a file here.") if rule.get("format") == "binary" else _("This field is missing.")
                errors.append({"field": name, "detail": wanted})
        elif "enum" in rule and found not in rule["enum"]:
            errors.append({"field": name, "detail": _("Choose one of these: %(values)s.", values=", ".join(rule["enum"]))})
        else:
            sent[name] = found
    if errors:
        raise ApiProblem("fields_invalid", errors=errors)
    return sent


def _given(declared: Resource) -> Mapping[str, Any]:
    """The declared parameters of the query and the headers; raises ApiProblem (400) for a value that is not allowed."""
    wanted = [parameter for parameter in declared.parameters if parameter.where != "path"]
    return {parameter.argument or parameter.name: _value(parameter) for parameter in wanted}


def _value(parameter: Parameter) -> Any:
    text = request.headers.get(parameter.name) if parameter.where == "header" else request.args.get(parameter.name)
    if text is None:
        return parameter.default
    schema = parameter.schema
    if schema["type"] == "integer":
        if re.fullmatch(r"-?[0-9]{1,10}", text) and schema.get("minimum", -(2**31)) <= int(text) <= schema.get("maximum", 2**31 - 1):
            return int(text)
    elif "enum" in schema:
        if text in schema["enum"]:
            return text
    elif len(text) <= schema.get("maxLength", 1000) and re.search(schema.get("pattern", ""), text) and "\x00" not in text:
        return text
    raise ApiProblem("parameter_invalid", parameter=parameter.name)
