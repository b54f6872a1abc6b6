"""What features declare: scopes, and resources with what they need and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

View = Callable[..., Mapping[str, Any]]
Permission = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token may be made for. ``permission`` is the right without which the account itself may not."""

    name: str
    label: Any
    permission: Permission | None = None
    #: Only for accounts of an organisation: it means nothing for the others.
    organisations_only: bool = False
    order: int = 100


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query, or of the path. ``schema`` is JSON Schema: type integer (minimum, maximum) or string (pattern, maxLength)."""

    name: str
    description: Any
    schema: Mapping[str, Any]
    where: str = "query"
    default: Any = None


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
