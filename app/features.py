"""The features, in the order of the menu and of the direction of imports: each may use those before it."""

from __future__ import annotations

FEATURES: tuple[str, ...] = (
    "app.reference",
    "app.accounts",
    "app.partners",
    "app.actions",
    "app.trainees",
    "app.surveys",
    "app.exchanges",
    "app.requests",
    "app.imports",
    "app.dashboard",
)
