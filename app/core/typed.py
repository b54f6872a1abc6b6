"""What a refused page brought, shown again or carried on: nothing typed is lost."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flask import abort, render_template, request
from wtforms import Form

from app.core.concurrency import canonical, display


def typed_rows(form_class: type[Form] | None) -> list[tuple[str, str]]:
    """Label and value, in words, of every field of the request that holds something."""
    if form_class is None:
        return []
    return rows_of(form_class(formdata=request.form, meta={"csrf": False}))


def rows_of(form: Any) -> list[tuple[str, str]]:
    """The same, of a form that is bound already."""
    rows = [(str(one.label.text), _in_words(one)) for one in form if one.name in request.form and one.type not in ("HiddenField", "IntegerField")]
    return [row for row in rows if row[1]]


def carried(*, leave_out: Collection[str]) -> list[tuple[str, str]]:
    """Every field of the request as it came, for hidden fields."""
    return [(name, value) for name in request.form if name not in leave_out for value in request.form.getlist(name)]


def _in_words(one: Any) -> str:
    """The label of a choice, else the text as typed."""
    return display(one, canonical(one.data)) or ", ".join(str(raw) for raw in one.raw_data or () if raw)


def gone_page(form: Any) -> tuple[str, int]:
    """What was being modified no longer exists, or never did for this account: what was typed is shown.  404 either way, and for a GET."""
    if request.method != "POST":
        abort(404)
    for one in form:
        if getattr(one, "choices", ()) is None:
            one.choices = []
    return render_template("concurrency/gone.html", rows=rows_of(form)), 404


__all__ = ["carried", "gone_page", "rows_of", "typed_rows"]
