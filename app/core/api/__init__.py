"""The programming interface (``/api/v1``): who calls, what the token opens, how refusals are said, and its description.

It knows tokens only: a cookie opens nothing here, which is why no form token is asked. A feature declares its scopes and its
resources (``register_scope``, ``resource``) when it registers; see ``docs/api.md``.
"""

from __future__ import annotations

from app.core.api.caller import PREFIX, Identity, account_of_request, identity, is_api_request, public_address, register_authenticator
from app.core.api.problems import ApiProblem
from app.core.api.registry import Answered, Parameter, Resource, Scope, register_resource, register_scope, resource, scopes, scopes_open_to
from app.core.api.routes import init_app
from app.core.api.versions import check_etag

__all__ = [
    "PREFIX",
    "Answered",
    "ApiProblem",
    "Identity",
    "Parameter",
    "Resource",
    "Scope",
    "account_of_request",
    "check_etag",
    "identity",
    "init_app",
    "is_api_request",
    "public_address",
    "register_authenticator",
    "register_resource",
    "register_scope",
    "resource",
    "scopes",
    "scopes_open_to",
]
