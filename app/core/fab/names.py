"""Words for what the database and the outbox call by code: tables, operations. Each feature names its own in ``register``.

People read these words in Supervision and when a deletion is refused ("3 actions, 12 enrolments"); the code stays beside them
in small, for those who look into the database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from markupsafe import Markup

Counted = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class TableName:
    """What the rows of a table are called: as a list ("Actions"), and counted ("3 actions")."""

    label: Any
    counted: Counted | None = None


_tables: dict[str, TableName] = {}
_operations: dict[str, Any] = {}
_values: list[tuple[Any, Any]] = []
_operation_choices: list[tuple[Any, Any]] = []


def name_table(table: str, label: Any, counted: Counted | None = None) -> None:
    """Give ``table`` its words; ``counted(3)`` says "3 actions"."""
    if table not in _tables:
        _values.append((table, label))
    _tables[table] = TableName(label, counted)


def name_operation(code: str, label: Any) -> None:
    """Give the operation ``code`` of messages to partners its words."""
    if code not in _operations:
        _operation_choices.append((code, label))
    _operations[code] = label


def table_label(table: str) -> str:
    """The words for a table; its code when nobody named it."""
    known = _tables.get(table)
    return str(known.label) if known is not None else table


def operation_label(code: str) -> str:
    """The words for an operation; its code when nobody named it."""
    return str(_operations.get(code, code))


def counted(table: str, count: int) -> str:
    """ "3 actions"; "component_site : 3" when nobody gave the words."""
    known = _tables.get(table)
    if known is None or known.counted is None:
        return f"{table_label(table)} : {count}"
    return known.counted(count)


def table_choices() -> Sequence[tuple[Any, Any]]:
    """(table, words) pairs, by their words."""
    return sorted(_values, key=lambda one: str(one[1]))


def operation_choices() -> Sequence[tuple[Any, Any]]:
    """(operation, words) pairs, in the order declared."""
    return list(_operation_choices)


def named_tables() -> frozenset[str]:
    """The tables that have words."""
    return frozenset(_tables)


def with_code(label: Any, code: Any) -> Markup:
    """The words, and the code in small beside them when it differs."""
    if str(label) == str(code):
        return Markup("{}").format(label)
    return Markup('{} <code class="code-beside">{}</code>').format(label, code)


def name_core_tables() -> None:
    """The tables of the kernel and of the framework."""
    for table, label in (
        ("ab_user", _l("Accounts")),
        ("ab_role", _l("Roles")),
        ("ab_permission", _l("Permissions")),
        ("ab_view_menu", _l("Screens")),
        ("ab_permission_view", _l("Permissions on screens")),
        ("ab_permission_view_role", _l("Permissions of roles")),
        ("ab_user_role", _l("Roles of accounts")),
        ("ab_group", _l("Groups of accounts")),
        ("ab_group_role", _l("Roles of groups")),
        ("ab_user_group", _l("Members of groups")),
        ("ab_api_key", _l("Keys of the programming interface")),
        ("ab_register_user", _l("Registrations of accounts")),
        ("audit_entry", _l("Journal of changes")),
        ("audit_seal", _l("Seals of the journal")),
        ("audit_sealed", _l("Sealed entries of the journal")),
        ("nir_reading", _l("Readings of social security numbers")),
        ("periodic_run", _l("Periodic jobs")),
        ("mail_message", _l("E-mails")),
        ("outbox_message", _l("Messages to partners")),
        ("outbox_attempt", _l("Tries of messages")),
        ("outbox_partner", _l("State of partners")),
        ("outbox_intervention", _l("Interventions by hand")),
        ("wizard_draft", _l("Drafts")),
    ):
        name_table(table, label)
    name_table("ab_user", _l("Accounts"), lambda count: ngettext("%(num)s account", "%(num)s accounts", count))
    name_table("outbox_message", _l("Messages to partners"), lambda count: ngettext("%(num)s message to a partner", "%(num)s messages to partners", count))


__all__ = [
    "counted",
    "name_core_tables",
    "name_operation",
    "name_table",
    "named_tables",
    "operation_choices",
    "operation_label",
    "table_choices",
    "table_label",
    "with_code",
]
