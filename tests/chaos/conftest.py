"""The real product, and an application of this process on its database: shared by the chaos tests of one module."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.product import Product


@pytest.fixture(scope="module")
def product(request: pytest.FixtureRequest) -> Iterator[Product]:
    """``SETTINGS`` of the module are added to its environment. CHAOS_KEEP=1 keeps its folder."""
    parent = "/var/lib" if os.getuid() == 0 else None  # root's temporary folders are closed to the database's user
    folder = Path(tempfile.mkdtemp(prefix="portail-chaos-", dir=parent))
    product = Product(folder, **getattr(request.module, "SETTINGS", {}))
    try:
        print(f"\nproduct ready after {product.start():.0f} s")
        yield product
    finally:
        product.stop()
        if os.environ.get("CHAOS_KEEP"):
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def app(product: Product) -> Iterator[Any]:
    """An application of this process on the product's database and Redis."""
    from app import create_app
    from app.core.extensions import db
    from config import Settings

    app = create_app(Settings.from_env(product.environment | {"PORTAL_PROCESS": "chaos", "LOG_LEVEL": "ERROR"}))
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
