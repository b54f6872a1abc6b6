"""What every page owes to whoever reads it, sees it or not: checked on the HTML itself, without a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from babel.messages.pofile import read_po

CATALOGUE = Path(__file__).resolve().parents[2] / "translations/fr/LC_MESSAGES/messages.po"

_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "use", "path"}
_CONTROLS = {"input", "select", "textarea"}
_UNLABELLED_TYPES = {"hidden", "submit", "button", "reset", "image"}
_ADDRESSES = ("href", "src", "action", "formaction", "poster", "srcset", "data", "data-url", "hx-get", "hx-post", "data-combobox-url", "data-href")
_SPOKEN = ("aria-label", "placeholder", "title", "alt", "data-words")
#: Text that is not the portal's prose: codes, what people typed, what a program wrote.
_SILENT = {"script", "style", "code", "pre", "textarea", "svg"}

#: A number as it is written or typed, with its key or without (day of birth taken for granted).
_NIR = re.compile(r"(?<![0-9A-Za-z])[12]\d{2}(?:0[1-9]|1[0-2])\d(?:\d|[AB])\d{6}(?:\d{2})?(?![0-9A-Za-z])")
_NIR_GROUPED = re.compile(r"(?<![0-9A-Za-z])[12][\s\u00a0\u202f]\d{2}[\s\u00a0\u202f]\d{2}[\s\u00a0\u202f]\d[\dAB][\s\u00a0\u202f]\d{3}[\s\u00a0\u202f]\d{3}")
_FIFTEEN = re.compile(r"(?<![0-9A-Za-z])\d{15}(?![0-9A-Za-z])")

_ENGLISH = re.compile(
    r"\b(?:Search|Add|Adding|Record|Records|Delete|Deleted|Edit|Show|List of|Status|Save|Back|Next|Previous|Submit|Cancel|Yes|No|None|True|False|"
    r"Actions running|Not found|Invalid|Required|This field|Not a valid|Choice|Field must|Welcome|Login|Logout|User|Password|the|and|with|your)\b"
)
#: Words of that list that French has too, in some place of the portal.
_FRENCH_ALL_THE_SAME = re.compile(r"\bNo\b(?=\.)")


@cache
def _english() -> frozenset[str]:
    """Every message of the code that a French reader must not meet as it stands."""
    with CATALOGUE.open("rb") as file:
        french = read_po(file, locale="fr")
    said = {text for message in french for text in (message.string if message.pluralizable else [message.string])}
    found: set[str] = set()
    for message in french:
        if message.id:
            found.update(message.id if message.pluralizable else [message.id])
    return frozenset(text for text in found if "%(" not in text and text not in said)


class Page(HTMLParser):
    """The facts of one page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.language = ""
        self.title = ""
        self.headings: list[str] = []
        self.has_path = False
        self.labels: set[str] = set()
        self.ids: list[str] = []
        self.controls: list[dict[str, str]] = []
        self.faults: list[str] = []
        self.spoken: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.fields: list[tuple[int, dict[str, str]]] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self._options: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the element says."""
        given = {name: value or "" for name, value in attrs}
        self._element(tag, given)
        if tag not in _VOID:
            self._open.append((tag, given))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that closes itself."""
        self._element(tag, {name: value or "" for name, value in attrs})

    def handle_endtag(self, tag: str) -> None:
        """Close it and what was left open in it."""
        for index in range(len(self._open) - 1, -1, -1):
            if self._open[index][0] == tag:
                del self._open[index:]
                break

    def handle_data(self, data: str) -> None:
        """Note the text."""
        text = " ".join(data.split())
        if not text:
            return
        tags = [tag for tag, _attributes in self._open]
        if "title" in tags and "svg" not in tags:
            self.title += text
        if "h1" in tags:
            self.headings[-1] += f" {text}"
        foreign = any(given.get("translate") == "no" or given.get("lang", "fr")[:2] != "fr" for _tag, given in self._open)
        if not _SILENT & set(tags) and not foreign:
            self.spoken.append(text)

    def _element(self, tag: str, given: dict[str, str]) -> None:
        if "id" in given:
            self.ids.append(given["id"])
        self.spoken += [given[name] for name in _SPOKEN if given.get(name) and name != "data-words"]
        if given.get("data-words"):
            self.spoken += json.loads(given["data-words"]).values()
        for name, value in given.items():
            if name == "style" or name.startswith("on"):
                self.faults.append(f"<{tag} {name}={value!r}>")
        self._addresses(tag, given)
        match tag:
            case "html":
                self.language = given.get("lang", "")
            case "h1":
                self.headings.append("")
            case "nav" if "breadcrumb" in given.get("class", "").split():
                self.has_path = True
            case "label":
                self.labels.add(given.get("for", ""))
            case "form":
                self.forms.append(given)
            case "script" if not given.get("nonce") or not given.get("src", "/").startswith("/assets/"):
                self.faults.append(f"<script {given}> is not ours")
            case "link" if not given.get("href", "").startswith(("/assets/", "/theme/")):
                self.faults.append(f"<link {given}> is not ours")
            case "iframe" | "object" | "embed" | "base":
                self.faults.append(f"<{tag}>")
        if tag in _CONTROLS or tag == "button":
            self.fields.append((len(self.forms) - 1, {"tag": tag, **given}))
        if tag in _CONTROLS and given.get("type") not in _UNLABELLED_TYPES:
            inside = "yes" if any(name == "label" for name, _attributes in self._open) else ""
            self.controls.append({"tag": tag, "inside": inside, **given})
        if tag == "option" and (selects := [index for index, (_form, field) in enumerate(self.fields) if field["tag"] == "select"]):
            field = self.fields[selects[-1]][1]
            field["options"] = f"{field.get('options', '')}\n{given.get('value', '')}"
            if "selected" in given:
                field["value"] = given.get("value", "")

    def _addresses(self, tag: str, given: dict[str, str]) -> None:
        for name in _ADDRESSES:
            address = given.get(name, "").strip().lower()
            if address.startswith(("http:", "https:", "//", "javascript:", "ftp:")) and not (tag == "a" and "noreferrer" in given.get("rel", "")):
                self.faults.append(f"<{tag} {name}={given[name]!r}> leads outside")


def problems(html: str, *, path: bool = True) -> Iterator[str]:
    """What is wrong with a page; ``path`` says whether it must show where it stands."""
    page = Page(html)
    if page.language != "fr":
        yield f"language {page.language!r}"
    if len(page.title.split(" – ")) < 2:
        yield f"title {page.title!r} does not name the page"
    if len(page.headings) != 1 or not page.headings[0].strip():
        yield f"h1: {page.headings}"
    if path and not page.has_path:
        yield "no path (breadcrumb)"
    if doubled := {one for one in page.ids if page.ids.count(one) > 1}:
        yield f"ids used twice: {sorted(doubled)}"
    for control in page.controls:
        named = control["inside"] or control.get("aria-label") or control.get("id") in page.labels
        if not named and not set(control.get("aria-labelledby", "-").split()) <= set(page.ids):
            yield f"control without label: {control}"
    yield from dict.fromkeys(page.faults)
    yield from language_problems(page)
    if found := re.search(r"&lt;[\w.]+ object at 0x|&lt;(?:function|class|bound method) |lazy_gettext|\{\{|\{%", html):
        yield f"the inside shows: {html[max(0, found.start() - 40) : found.end() + 60]!r}"
    for pattern in (_NIR, _NIR_GROUPED, _FIFTEEN):
        if found := pattern.search(html):
            yield f"looks like a social security number: {found[0]!r}"


def language_problems(page: Page) -> Iterator[str]:
    """Words that are not French."""
    for text in dict.fromkeys(page.spoken):
        if text in _english():
            yield f"not translated: {text!r}"
        elif (found := _ENGLISH.search(text)) and not _FRENCH_ALL_THE_SAME.search(text):
            yield f"English word {found[0]!r} in {text[:100]!r}"
