"""What features declare: scopes, and resources with what they need and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response


@dataclass(frozen=True, slots=True)
class Answered:
    """What a view answers when it is not 200, or says where the object is: its JSON, the status, the address."""

    shown: Mapping[str, Any]
    status: int
    location: str | None = None


#: A file is given as a whole response.
View = Callable[..., Mapping[str, Any] | Answered | Response]
Permission = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token may be made for. ``permission`` is the right without which the account itself may not, asked again at each call."""

    name: str
    label: Any
    permission: Permission | None = None
    #: Only for accounts of an organisation: it means nothing for the others.
    organisations_only: bool = False
    order: int = 100
    #: The page that shows how it is used (an endpoint without arguments).
    guide: str | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query, of the path, or a header. ``schema`` is JSON Schema: type integer (minimum, maximum) or string (pattern,
    maxLength, enum). The view gets it as ``argument``, by its own name when there is none."""

    name: str
    description: Any
    schema: Mapping[str, Any]
    where: str = "query"
    default: Any = None
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One address and method: ``view`` gives what is answered as JSON; it is called with the parameters by name."""

    path: str
    name: str
    view: View
    scope: str
    summary: Any
    answer: Mapping[str, Any]
    permission: Permission | None = None
    description: Any = ""
    parameters: tuple[Parameter, ...] = ()
    #: Refusals of its own, besides those of every resource (``problems.CODES``).
    refusals: tuple[str, ...] = ()
    tag: Any = ""
    method: str = "GET"
    #: JSON Schema of what is sent, an object; ``view`` gets it as ``body``. Only for a method that writes.
    body: Mapping[str, Any] | None = None
    #: The same for a form with files (multipart/form-data): members of format "binary" are files; ``view`` gets it as ``form``.
    form: Mapping[str, Any] | None = None
    #: What an answer that is no refusal may have as its status.
    statuses: tuple[int, ...] = (200,)
    #: Media types of the files that are answered instead of JSON.
    files: tuple[str, ...] = ()
    #: How often a token may call it, where that is less than ``caller.RATE``.
    rate: str | None = None
    #: Whether the answer is one object that people edit: it carries its ``ETag``, and a write asks for it (``versions``).
    versioned: bool = False


_scopes: dict[str, Scope] = {}
_resources: dict[str, Resource] = {}


def register_scope(scope: Scope) -> None:
    """Declare a scope; declaring it again replaces it (several applications may be built in one process)."""
    _scopes[scope.name] = scope


def register_resource(declared: Resource) -> None:
    """Declare a resource. Raises LookupError for a scope that nobody declared: it would be open to no token."""
    if declared.scope not in _scopes:
        raise LookupError(f"{declared.path}: the scope {declared.scope!r} is not declared")
    _resources[declared.name] = declared


def resource(path: str, **declared: Any) -> Callable[[View], View]:
    """The same as a decorator of the view, whose name becomes the resource's; declared when the module is imported."""

    def keep(view: View) -> View:
        register_resource(Resource(path=path, name=view.__name__, view=view, **declared))
        return view

    return keep


def scopes() -> list[Scope]:
    """All scopes, in their order."""
    return sorted(_scopes.values(), key=lambda scope: (scope.order, scope.name))


def scope_named(name: str) -> Scope:
    """A declared scope."""
    return _scopes[name]


def scopes_open_to(granted: Collection[Permission], *, of_organisation: bool) -> list[Scope]:
    """The scopes that make sense for an account with these rights."""
    return [
        scope
        for scope in scopes()
        if (scope.permission is None or scope.permission in granted) and (of_organisation or not scope.organisations_only)
    ]


def resources() -> list[Resource]:
    """All resources, by path."""
    return sorted(_resources.values(), key=lambda one: one.path)
