"""The whole product, started as anyone starts it, and a browser in front of it.

AGORA's sandbox is started beside it rather than by it, so that a test can really stop it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from xdist.scheduler import LoadScopeScheduling

from tests.e2e.browsing import WatchedBrowser
from tests.e2e.portal import ROOT, START_SECONDS, AgoraProcess, Product, free_port, sign_in, stop_process

#: Journeys of accounts, and what looks at pages: in a second product, at the same time as the journeys of the actions.
_BESIDE = re.compile(r"/test_(accounts_\w+|action_list|design_system|exports_in_office|pages|reference_screens)\.py\b")
_CONTEXTS = pytest.StashKey[list[BrowserContext]]()


class _TwoWorlds(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist is not typed
    """Tests that share a world follow one another in one process, in order."""

    def _split_scope(self, nodeid: str) -> str:
        return "beside" if _BESIDE.search(nodeid) else "journeys"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _TwoWorlds:
    """Two worlds, whatever the number of processes."""
    return _TwoWorlds(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails says which pages it had open, and what they held."""
    report = yield
    if report.failed:
        for page in (page for context in item.stash.get(_CONTEXTS, []) for page in context.pages):
            try:
                report.sections.append((page.url, page.locator("body").aria_snapshot(timeout=2_000)[:6_000]))
            except PlaywrightError as error:
                report.sections.append((page.url, str(error)))
    return report


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """``python run.py`` on a free port, in a folder of its own, until ``ready``."""
    folder = Path(tempfile.mkdtemp(prefix="portail-e2e-"))
    folder.chmod(0o755)
    port, agora_port = free_port(), free_port()
    shared = {
        "AGORA_CLIENT_ID": "portail",
        "AGORA_CLIENT_SECRET": secrets.token_urlsafe(32),
        "AGORA_JWT_KEY": secrets.token_urlsafe(48),
    }
    env = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")} | shared
    agora = AgoraProcess(agora_port, folder, env)
    agora.start()
    env |= {
        "PORT": str(port), "DATA_DIR": str(folder / "data"), "DEMO": "1", "AGORA_URL": agora.url, "AGORA_FUNDER_SIRET": "20005379100014",
    }  # fmt: skip
    log = folder / "run.log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "run.py"], cwd=ROOT, env=env, stdout=output, stderr=output, start_new_session=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not re.search(rb"^ready", log.read_bytes(), re.MULTILINE):
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, "not ready in time:\n" + log.read_text(errors="replace")
            time.sleep(0.3)
        yield Product(f"http://127.0.0.1:{port}", agora, folder, process)
    finally:
        stop_process(process, group=True)
        agora.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def base_url(product: Product) -> str:
    """Where the product answers."""
    return product.base_url


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Playwright itself."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[WatchedBrowser]:
    """One Chromium for all tests."""
    made = WatchedBrowser(playwright)
    yield made
    made.close()


@pytest.fixture
def new_context(browser: WatchedBrowser, base_url: str, request: pytest.FixtureRequest) -> Iterator[Callable[..., BrowserContext]]:
    """``new_context(javascript=False, width=360)``: a browser of its own, closed after the test."""
    made: list[BrowserContext] = request.node.stash.setdefault(_CONTEXTS, [])

    def make(*, javascript: bool = True, width: int = 1280, height: int = 900) -> BrowserContext:
        context = browser.new_context(base_url=base_url, javascript=javascript, width=width, height=height)
        made.append(context)
        return context

    yield make
    browser.rest()
    for context in made:
        with suppress(PlaywrightError):  # of a browser that was ended because it hung
            context.close()


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    """A signed-out browser."""
    return new_context().new_page()


@pytest.fixture
def signed_in(new_context: Callable[..., BrowserContext]) -> Callable[..., Page]:
    """``signed_in("principal")``: a browser in which this account has signed in; ``signed_in("principal", javascript=False)``."""

    def make(identifiant: str, **options: object) -> Page:
        page = new_context(**options).new_page()
        sign_in(page, identifiant)
        expect(page.get_by_text("Bonjour")).to_be_visible()
        return page

    return make
