"""Functions of the portal: what the rights of an account can be narrowed to, whatever its role allows.

A feature says in its ``permissions.py`` which of its grants belong to which function::

    FUNCTIONS: FunctionGrants = {Function.TRAINEES: [("can_enrol", "Trainees")]}

Narrowing only ever takes away: what an account may do is what its role grants, less what belongs to functions it lacks.
``CONSULT`` is never taken away: it is reading, and one's own account.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from functools import cache
from importlib import import_module
from typing import Final

from app.core.roles import ALL, Grant, GrantError, grant_modules


class Function(StrEnum):
    """What an account is used for; the value is stored with the account."""

    CONSULT = "consult"
    TRAINEES = "trainees"
    DECLARATIONS = "declarations"
    SURVEYS = "surveys"
    INVOICING = "invoicing"
    REQUESTS = "requests"


#: What nobody loses.
ALWAYS: Final = Function.CONSULT
#: What can be given or not, in the order of screens.
CHOICES: Final = tuple(function for function in Function if function is not ALWAYS)

FunctionGrants = Mapping[Function, Sequence[Grant]]


def collect_functions() -> dict[Grant, Function]:
    """Grant → the one function it belongs to, as every feature declares; a view's ``ALL`` stands for all its permissions.

    Raises GrantError when a grant is given to two functions.
    """
    found: dict[Grant, Function] = {}
    for module in grant_modules():
        declared: FunctionGrants = getattr(import_module(module), "FUNCTIONS", {})
        for function, grants in declared.items():
            for grant in grants:
                if found.setdefault(grant, function) is not function:
                    raise GrantError(f"{module} puts {grant} into {function}, which is in {found[grant]} already")
    return found


@cache
def _declared() -> dict[Grant, Function]:
    return collect_functions()


def function_of(grant: Grant, declared: Mapping[Grant, Function] | None = None) -> Function | None:
    """The function a permission belongs to; None for one that no function holds (management, which a role alone gives)."""
    table = _declared() if declared is None else declared
    return table.get(grant) or table.get((ALL, grant[1]))


def chosen(names: Collection[str] | None) -> frozenset[Function]:
    """The functions stored with an account; None is all of them. What is stored and no longer exists gives nothing."""
    if names is None:
        return frozenset(Function)
    return frozenset(function for function in Function if function in names) | {ALWAYS}


def narrowed(granted: Collection[Grant], names: Collection[str] | None, declared: Mapping[Grant, Function] | None = None) -> frozenset[Grant]:
    """``granted`` without what belongs to functions the account lacks; nothing is ever added."""
    if names is None:
        return frozenset(granted)
    kept = chosen(names)
    return frozenset(grant for grant in granted if (function := function_of(grant, declared)) is None or function in kept)
