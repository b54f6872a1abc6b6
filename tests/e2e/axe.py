"""Accessibility checks of a page in the browser: axe-core, all WCAG 2.1 A and AA rules and the best practices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

AXE = Path(__file__).resolve().parent / "vendor" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


def violations(page: Any, *, context: str | None = None, disable: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The rules broken by what the page shows now; ``context`` limits the check to one part (a CSS selector)."""
    if not page.evaluate("() => typeof window.axe === 'object'"):
        # Evaluated rather than added as a script element: the content security policy would refuse that one.
        page.evaluate(AXE.read_text(encoding="utf-8"))
    options = {
        "runOnly": {"type": "tag", "values": TAGS},
        "rules": {rule: {"enabled": False} for rule in disable},
        "resultTypes": ["violations"],  # what is right is not described: it is most of the page, and most of the time
    }
    script = "async ([context, options]) => (await axe.run(context || document, options)).violations"
    found: list[dict[str, Any]] = page.evaluate(script, [context, options])
    return found


def describe(found: list[dict[str, Any]]) -> str:
    """One paragraph per broken rule, with the elements concerned."""
    lines: list[str] = []
    for rule in found:
        lines.append(f"{rule['id']} ({rule['impact']}): {rule['help']}")
        for node in rule["nodes"][:5]:
            lines.append(f"    {' '.join(map(str, node['target']))}  {node['html'][:160]}")
            lines.extend(f"        {check['message']}" for check in [*node["any"], *node["all"], *node["none"]][:2])
    return "\n".join(lines)


def assert_accessible(page: Any, *, themes: tuple[str, ...] = ("light", "dark"), context: str | None = None, disable: tuple[str, ...] = ()) -> None:
    """Fail when axe finds anything in any of the themes. The page is left in the light theme."""
    try:
        for theme in themes:
            # Without motion: in the middle of a change of theme, colours are neither of one nor of the other.
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            found = violations(page, context=context, disable=disable)
            assert not found, f"{page.url} ({theme}):\n{describe(found)}"
    finally:
        page.emulate_media(color_scheme="light", reduced_motion="no-preference")


def assert_no_horizontal_scroll(page: Any, *, width: int = 320) -> None:
    """Fail when the page at ``width`` pixels is wider than the screen; says which elements stick out."""
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": 800})
    try:
        sticking = page.evaluate(
            """() => document.documentElement.scrollWidth <= window.innerWidth ? [] :
            [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1)
            .slice(0, 5).map((e) => e.outerHTML.slice(0, 120))"""
        )
        assert not sticking, f"{page.url} is wider than {width} px: {sticking}"
    finally:
        if before:
            page.set_viewport_size(before)
