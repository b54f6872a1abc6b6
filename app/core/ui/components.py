"""What the macros of ``portal/macros.html`` need computed: attributes, addresses and the description of a form field.

Templates decide how things look; this module decides what they are (kind of control, ids, what describes what).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from flask import request
from flask_babel import gettext
from markupsafe import Markup, escape

MAX_RADIOS = 5
"""Up to this many values, a choice is shown as radio buttons rather than as a list."""

_INPUT_TYPES = {
    "email": "email",
    "tel": "tel",
    "url": "url",
    "password": "password",
    "search": "search",
    "hidden": "hidden",
    "file": "file",
    "checkbox": "checkbox",
}
_NUMERIC_FIELDS = {"IntegerField", "BS3IntegerField"}
_DECIMAL_FIELDS = {"DecimalField", "FloatField", "DecimalRangeField"}
_DATE_FIELDS = {"DateField", "FrDateField"}
_DATETIME_FIELDS = {"DateTimeField", "DateTimeLocalField"}


def html_attributes(attributes: Mapping[str, Any] | None = None, /, **more: Any) -> Markup:
    """Render a mapping as HTML attributes, each preceded by a space.

    ``True`` gives a bare attribute, ``None`` and ``False`` give nothing, ``hx_get`` becomes ``hx-get``, ``class_``
    becomes ``class``. Style and event handlers are refused: the content security policy would drop them anyway.
    """
    merged: dict[str, Any] = {}
    for name, value in (*(attributes or {}).items(), *more.items()):
        key = name.rstrip("_").replace("_", "-")
        if key == "style" or (key.startswith("on") and "-" not in key):
            raise ValueError(f"no inline style or handler: {key}")
        merged[key] = f"{merged['class']} {value}" if key == "class" and merged.get("class") and value else value
    out: list[str] = []
    for key, value in merged.items():
        if value is None or value is False or (value == "" and key in {"class", "id"}):
            continue
        out.append(f" {escape(key)}" if value is True else f' {escape(key)}="{escape(str(value).strip() if key == "class" else value)}"')
    return Markup("".join(out))  # noqa: S704 - every part is escaped above


def url_with(**changes: Any) -> str:
    """The address of the present page with some query parameters replaced (``None`` removes one)."""
    pairs: list[tuple[str, str]] = []
    for name, value in request.args.items(multi=True):
        if name not in changes:
            pairs.append((name, value))
    for name, value in changes.items():
        if value is not None:
            pairs.append((name, str(value)))
    query = urlencode(pairs)
    return f"{request.path}?{query}" if query else request.path


def url_without(name: str, value: str | None = None) -> str:
    """The address of the present page without one filter (or one of its values), and back on the first page."""
    pairs = [
        (key, item)
        for key, item in request.args.items(multi=True)
        if not (key == name and (value is None or item == value)) and key not in {"page", "after", "before"}
    ]
    query = urlencode(pairs)
    return f"{request.path}?{query}" if query else request.path


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a choice field."""

    value: str
    label: str
    selected: bool
    id: str
    group: str | None = None
    #: Attributes of its own: what follows from this answer (``data-asks``, docs/design-system.md).
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FieldView:
    """All a template has to know to draw one form field."""

    kind: str
    id: str
    name: str
    label: str
    value: Any
    errors: list[str]
    required: bool
    hint: str | None
    described_by: str | None
    target: str
    choices: list[Choice] = field(default_factory=list)
    input_type: str = "text"
    attributes: dict[str, Any] = field(default_factory=dict)
    raw: Any = None

    @property
    def groups(self) -> list[tuple[str | None, list[Choice]]]:
        """The choices under their headings, in the order given."""
        rows: list[tuple[str | None, list[Choice]]] = []
        for choice in self.choices:
            if not rows or rows[-1][0] != choice.group:
                rows.append((choice.group, []))
            rows[-1][1].append(choice)
        return rows


def _kind_of(form_field: Any) -> tuple[str, str]:
    """The kind of control and the type of its input, from the classes the field is made of."""
    lineage = {cls.__name__ for cls in type(form_field).__mro__} | {str(getattr(form_field, "type", ""))}
    widget = getattr(form_field, "widget", None)
    input_type = _INPUT_TYPES.get(getattr(widget, "input_type", "") or "", "text")
    if input_type == "hidden":
        return "hidden", "hidden"
    multiple = getattr(widget, "multiple", False) or any("Multiple" in name for name in lineage)
    chooses = hasattr(form_field, "iter_choices")
    rules: list[tuple[bool, tuple[str, str]]] = [
        # In this order: WTForms derives DateField from DateTimeField.
        (bool(lineage & _DATE_FIELDS), ("date", "text")),
        (bool(lineage & _DATETIME_FIELDS), ("input", "text")),
        (chooses and multiple, ("checkboxes", "checkbox")),
        (chooses and "RadioField" in lineage, ("radios", "radio")),
        (chooses, ("select", "text")),
        ("BooleanField" in lineage or input_type == "checkbox", ("checkbox", "checkbox")),
        ("TextAreaField" in lineage or "TextArea" in type(widget).__name__, ("textarea", "text")),
        ("FileField" in lineage or input_type == "file", ("file", "file")),
    ]
    return next((kind for holds, kind in rules if holds), ("input", input_type))


def _choices_of(form_field: Any) -> list[Choice]:
    if not hasattr(form_field, "iter_choices"):
        return []
    rows: list[Choice] = []
    groups: Iterable[tuple[str | None, Iterable[Any]]]
    if getattr(form_field, "has_groups", None) and form_field.has_groups():
        groups = list(form_field.iter_groups())
    else:
        groups = [(None, form_field.iter_choices() or ())]
    for group, items in groups:
        for item in items:
            if hasattr(item, "value") and hasattr(item, "label"):
                value, label, selected = item.value, item.label, getattr(item, "_selected", False)
                selected = getattr(item, "selected", selected)
            else:
                value, label, selected = item[0], item[1], item[2]
            rows.append(
                Choice(
                    "" if value is None else str(value),
                    str(label),
                    bool(selected),
                    f"{form_field.id}-{len(rows)}",
                    group,
                    dict(getattr(item, "render_kw", None) or {}),
                )
            )
    return rows


def _value_of(form_field: Any, kind: str) -> Any:
    if kind == "date":
        raw = getattr(form_field, "raw_data", None)
        if raw and raw[0]:
            return raw[0]
        data = getattr(form_field, "data", None)
        return data.strftime("%d/%m/%Y") if isinstance(data, date | datetime) else (data or "")
    if kind in {"select", "radios", "checkboxes", "file"}:
        return ""
    if kind == "checkbox":
        return bool(form_field.data)
    reader = getattr(form_field, "_value", None)
    value = reader() if callable(reader) else form_field.data
    return "" if value is None else value


def _flatten(errors: Any) -> list[str]:
    if isinstance(errors, Mapping):
        return [message for item in errors.values() for message in _flatten(item)]
    if isinstance(errors, list | tuple):
        return [message for item in errors for message in _flatten(item)]
    return [errors if isinstance(errors, Markup) else str(errors)]  # a link that the code made stays one


def field_view(
    form_field: Any,
    *,
    kind: str | None = None,
    hint: str | None = None,
    label: str | None = None,
    required: bool | None = None,
    described_by: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> FieldView:
    """Describe a WTForms field for the ``field`` macro. ``kind`` overrides the kind guessed from the field's class."""
    choices = _choices_of(form_field)
    guessed, input_type = _kind_of(form_field)
    kind = kind or guessed
    hint = hint if hint is not None else (str(getattr(form_field, "description", "") or "") or None)
    errors = _flatten(form_field.errors or [])
    ids = [described_by] if described_by else []
    if hint:
        ids.append(f"{form_field.id}-hint")
    if errors:
        ids.append(f"{form_field.id}-error")
    extra: dict[str, Any] = dict(getattr(form_field, "render_kw", None) or {})
    extra.update(attributes or {})
    if kind == "input":
        if form_field.type in _NUMERIC_FIELDS:
            extra.setdefault("inputmode", "numeric")
        elif form_field.type in _DECIMAL_FIELDS:
            extra.setdefault("inputmode", "decimal")
    for name in ("style", "data_role", "placeholder"):
        extra.pop(name, None)
    if required is None:
        required = bool(getattr(form_field.flags, "required", False))
    target = form_field.id
    if kind in {"radios", "checkboxes"} and choices:
        target = choices[0].id
    return FieldView(
        kind=kind,
        id=form_field.id,
        name=form_field.name,
        label=str(label if label is not None else form_field.label.text),
        value=_value_of(form_field, kind),
        errors=errors,
        required=required,
        hint=hint,
        described_by=" ".join(ids) or None,
        target=target,
        choices=choices,
        input_type=input_type,
        attributes=extra,
        raw=form_field,
    )


def _naming(label: str, message: str) -> str:
    """The line of the summary for one error: the field, then what is wrong ("Code postal : remplissez ce champ.")."""
    label = label.strip().rstrip(":?*").strip()
    if not label:
        return message
    if len(message) > 1 and not (message[1].isupper() or message[1].isdigit()):
        message = message[0].lower() + message[1:]
    return str(gettext("%(label)s: %(message)s", label=label, message=message))


def form_errors(*forms: Any) -> list[tuple[str | None, str]]:
    """``(id of the control, message)`` for every error of one or more forms, in the order of the fields.

    The message starts with the name of its field: six times "fill in this field" would not say which six.
    A form, an iterable of forms, or an iterable of ready-made ``(id, message)`` pairs is accepted.
    """
    found: list[tuple[str | None, str]] = []
    for form in forms:
        if form is None:
            continue
        if hasattr(form, "_fields"):
            found.extend((None, message) for message in _flatten(getattr(form, "form_errors", None) or []))
            for form_field in form:
                if not form_field.errors:
                    continue
                if hasattr(form_field, "form"):
                    found.extend(form_errors(form_field.form))
                    continue
                if form_field.type == "CSRFTokenField":
                    found.extend((None, message) for message in _flatten(form_field.errors))
                    continue
                view = field_view(form_field)
                found.extend((view.target, _naming(view.label, message)) for message in _flatten(form_field.errors))
        elif isinstance(form, tuple) and len(form) == 2 and isinstance(form[1], str):
            found.append((form[0], form[1]))
        elif isinstance(form, str):
            found.append((None, form))
        else:
            found.extend(form_errors(*form))
    return found


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``data_table``: ``align`` is ``text`` or ``num``; ``sort`` is the key put in the address."""

    label: str
    sort: str | None = None
    align: str = "text"
    hidden_label: bool = False
    title: str | None = None
    width: str | None = None


def as_columns(columns: Iterable[Any]) -> list[Column]:
    """Accept columns as plain labels, as mappings or as ``Column``."""
    ready: list[Column] = []
    for column in columns:
        if isinstance(column, Column):
            ready.append(column)
        elif isinstance(column, Mapping):
            ready.append(
                Column(
                    str(column["label"]),
                    column.get("sort") or column.get("key"),
                    column.get("align", "text"),
                    bool(column.get("hidden_label", False)),
                    column.get("title"),
                    column.get("width"),
                )
            )
        else:
            ready.append(Column(str(column)))
    return ready


def sort_state(column: Column, sort: str | None, order: str | None) -> tuple[str | None, str]:
    """``(aria-sort value or None, address that sorts by this column)``; sorting anew goes back to the first page."""
    if column.sort is None:
        return None, ""
    active = column.sort == (sort if sort is not None else request.args.get("sort"))
    descending = (order or request.args.get("order") or "asc") == "desc"
    following = "desc" if active and not descending else "asc"
    href = url_with(sort=column.sort, order=following, page=None, after=None, before=None)
    return (("descending" if descending else "ascending") if active else "none"), href


def page_numbers(number: int, pages: int, around: int = 1) -> list[int | None]:
    """The page numbers to show, ``None`` standing for a gap."""
    wanted = sorted({1, pages, *range(max(1, number - around), min(pages, number + around) + 1)})
    shown: list[int | None] = []
    for value in wanted:
        previous = next((item for item in reversed(shown) if item is not None), None)
        if previous is not None and value - previous == 2:
            shown.append(value - 1)
        elif previous is not None and value - previous > 2:
            shown.append(None)
        shown.append(value)
    return shown


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a counted list. ``capped`` says that ``total`` is "at least" (counting stopped there)."""

    number: int
    size: int
    total: int
    capped: bool = False

    @property
    def pages(self) -> int:
        """How many pages there are; an empty list has one."""
        return max(1, -(-self.total // self.size))

    @property
    def first(self) -> int:
        """The rank of the first row shown, 0 when there is none."""
        return 0 if self.total == 0 else (self.number - 1) * self.size + 1

    @property
    def last(self) -> int:
        """The rank of the last row shown."""
        return min(self.number * self.size, self.total)


@dataclass(frozen=True, slots=True)
class KeysetPage:
    """One page of a list walked by key: cheap at any depth, without page numbers."""

    size: int
    shown: int
    after: str | None = None
    before: str | None = None
    total: int | None = None
    capped: bool = False


def step_states(steps: Sequence[Any], current: Any) -> list[dict[str, Any]]:
    """Steps as mappings with ``label``, ``href``, ``state`` (done, current, todo), ``number``.

    ``current`` is the index from 0, or the key or label of the present step. A step is text, a ``(label, href)`` pair
    or a mapping with ``label`` and optionally ``key``, ``href`` and ``done``.
    """
    rows: list[dict[str, Any]] = []
    for step in steps:
        if isinstance(step, Mapping):
            rows.append(dict(step))
        elif isinstance(step, tuple | list):
            rows.append({"label": step[0], "href": step[1] if len(step) > 1 else None})
        else:
            rows.append({"label": str(step)})
    position = current if isinstance(current, int) else -1
    if not isinstance(current, int):
        for index, row in enumerate(rows):
            if current is not None and str(current) in {str(row.get("key", "")), str(row["label"])}:
                position = index
                break
    for index, row in enumerate(rows):
        row["number"] = index + 1
        if index == position:
            row["state"] = "current"
        else:
            row["state"] = "done" if row.get("done", index < position) else "todo"
    return rows
