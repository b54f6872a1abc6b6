"""Parts of the design system for cells made in Python."""

from __future__ import annotations

from typing import Any

from flask import get_template_attribute
from markupsafe import Markup


def badge(label: Any, tone: str = "neutral") -> Markup:
    """A state as word, colour and shape; ``tone`` is neutral, info, success, warning or danger."""
    return Markup(get_template_attribute("portal/macros.html", "badge")(label, tone))  # noqa: S704 - made by our own template
