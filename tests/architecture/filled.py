"""A form of a page, as a browser would send it: read from the HTML, with what a person could change in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any


@dataclass
class Control:
    """One named control; ``options`` are (value, words) pairs of a choice."""

    kind: str
    values: list[str] = field(default_factory=list)
    options: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[dict[str, Control]] = []
        self.labels: dict[str, str] = {}
        self._form: dict[str, Control] | None = None
        self._select: tuple[Control, bool] | None = None
        self._option: tuple[str | None, bool] | None = None
        self._text: list[str] | None = None
        self._label: str | None = None
        self._area: str | None = None
        self._ids: list[tuple[Control, str, str]] = []
        self.feed(html)
        for control, value, key in self._ids:
            control.options = [(one, self.labels.get(key, words).strip() if one == value else words) for one, words in control.options]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = {}
            self.forms.append(self._form)
        elif tag == "label":
            self._label, self._text = facts.get("for", ""), []
        if self._form is None or ("name" not in facts and tag != "option") or "disabled" in facts:
            return
        name = facts.get("name", "")
        if tag == "input":
            kind = facts.get("type", "text")
            if kind in ("submit", "button", "file"):
                return
            control = self._form.setdefault(name, Control("date" if "data-date" in facts or "date" in facts.get("inputmode", "") else kind))
            if kind in ("radio", "checkbox"):
                control.options.append((facts.get("value", "on"), ""))
                self._ids.append((control, facts.get("value", "on"), facts.get("id", "")))
                if "checked" in facts:
                    control.values.append(facts.get("value", "on"))
            else:
                control.values.append(facts.get("value", ""))
        elif tag == "textarea":
            self._form[name] = Control("textarea", [""])
            self._area, self._text = name, []
        elif tag == "select":
            self._select = (self._form.setdefault(name, Control("select")), "multiple" in facts)
        elif tag == "option" and self._select is not None:
            self._option, self._text = (facts.get("value"), "selected" in facts), []

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        said = "".join(self._text or [])
        if tag == "form":
            self._form = None
        elif tag == "label" and self._label is not None:
            self.labels[self._label] = re.sub(r"\s+", " ", said)
            self._label = self._text = None
        elif tag == "textarea" and self._area is not None and self._form is not None:
            self._form[self._area].values = [said.removeprefix("\n")]
            self._area = self._text = None
        elif tag == "option" and self._select is not None and self._option is not None:
            control, (given, selected) = self._select[0], self._option
            value = said.strip() if given is None else given
            control.options.append((value, said.strip()))
            if selected:
                control.values.append(value)
            self._option = self._text = None
        elif tag == "select" and self._select is not None:
            control, several = self._select
            if not control.values and control.options and not several:
                control.values = [control.options[0][0]]
            self._select = None


class Filled:
    """The form of a page that holds a field named ``marker``."""

    def __init__(self, html: str, marker: str = "row_base") -> None:
        self.html = html
        self.controls = next((form for form in _Reader(html).forms if marker in form), {})

    def __bool__(self) -> bool:
        return bool(self.controls)

    def __getitem__(self, name: str) -> list[str]:
        return self.controls[name].values

    def data(self, **changed: list[str]) -> dict[str, Any]:
        """What a browser sends, with some values changed."""
        return {name: control.values for name, control in self.controls.items() if control.values} | changed

    def words(self, name: str, values: list[str]) -> list[str]:
        """How the page says these values of a field."""
        known = dict(self.controls[name].options)
        return [known.get(value, value) for value in values if value]

    def changeable(self) -> list[str]:
        """The fields a person sees, free text first: what has few values makes few changes."""
        order = ("textarea", "text", "tel", "email", "url", "number", "date", "search", "radio", "select", "checkbox")
        seen = [name for name, one in self.controls.items() if one.kind in order]
        return sorted(seen, key=lambda name: order.index(self.controls[name].kind))

    def others(self, name: str) -> Iterator[list[str]]:
        """Values the field does not have; whether the product takes them is for it to say."""
        control = self.controls[name]
        now = control.values[0] if control.values else ""
        if control.kind in ("radio", "select"):
            yield from ([value] for value, _words in control.options if value and value != now)
        elif control.kind == "checkbox":
            if len(control.options) == 1:
                yield [] if control.values else [control.options[0][0]]
        elif re.fullmatch(r"\d\d/\d\d/\d{4}", now):
            day = datetime.strptime(now, "%d/%m/%Y")
            yield from ([(day + timedelta(days=shift)).strftime("%d/%m/%Y")] for shift in (1, -1, 2, -2))
        elif re.fullmatch(r"\d{1,4}", now):
            yield from ([str(int(now) + more)] for more in (1, 2, 3))
        elif re.fullmatch(r"\d+,\d+", now):
            yield from ([f"{int(now.partition(',')[0]) + more},50"] for more in (1, 2, 3))
        elif "@" in now or control.kind == "email":
            yield from ([f"essai{number}@example.org"] for number in (1, 2, 3))
        elif control.kind in ("text", "textarea", "tel"):
            root = now or "Essai"
            yield from ([root + more] for more in (" deux", " trois", " quatre"))
            yield from ([f"06 12 34 56 7{digit}"] for digit in (1, 2))
