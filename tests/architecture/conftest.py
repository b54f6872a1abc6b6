"""What the guards share: an application whose commits are real, its objects and its browsers (``test_routes`` makes them)."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.architecture.crowd import Crowd
from tests.architecture.test_routes import World, browsers, site, world

__all__ = ["browsers", "crowd", "full_world", "site", "world"]


@pytest.fixture
def crowd(site: Flask, engines: dict[str, str]) -> Crowd:
    """Holds the database of ``site``, in which no table is empty any more."""
    made = Crowd(engines["superuser"], site.config["DATABASE_URL"])
    made.prepare()
    return made


@pytest.fixture
def full_world(crowd: Crowd, world: World) -> World:
    """One object of organisation A for each kind of address, also of those the demonstration has none of."""
    world.keys |= {"OutboxPartnerView": "agora", "PeriodicRunView": "essai"}
    return world
