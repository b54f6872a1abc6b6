"""A Chromium that cannot hang the tests: one that gives no sign of life is ended, and the next test gets another."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Playwright

from tests.e2e.portal import CHROMIUM

#: No test leaves the browser without a request for so long; most of Playwright's own waits end after 15 s, but a script it evaluates has no end.
SILENT_SECONDS = 150.0


class WatchedBrowser:
    """One Chromium for all tests, the system's when there is one, and a thread that ends it when it hangs.

    Ending it makes whatever waits for it fail at once, with the page named by the test's report.
    """

    def __init__(self, playwright: Playwright, *, silent: float = SILENT_SECONDS) -> None:
        self._playwright = playwright
        self._silent = silent
        self._browser: Browser | None = None
        self._name = f"--portal-tests={uuid.uuid4().hex}"
        self._seen = time.monotonic()
        self._busy = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="browser-watch", daemon=True)
        self._thread.start()

    def new_context(self, *, base_url: str, javascript: bool, width: int, height: int) -> BrowserContext:
        """A fresh profile in French, whose every request is a sign of life."""
        self._sign()
        if self._browser is None or not self._browser.is_connected():
            args = ["--no-sandbox", "--disable-dev-shm-usage", self._name]
            self._browser = self._playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        context = self._browser.new_context(
            base_url=base_url, java_script_enabled=javascript, locale="fr-FR", timezone_id="Europe/Paris",
            viewport={"width": width, "height": height},
        )  # fmt: skip
        context.set_default_timeout(15_000)
        context.on("request", lambda _request: self._sign())
        self._busy.set()
        return context

    def rest(self) -> None:
        """No test uses it now."""
        self._busy.clear()

    def close(self) -> None:
        """The end of the tests."""
        self._over.set()
        if self._browser is not None:
            self._browser.close()
        self._thread.join()

    def _sign(self) -> None:
        self._seen = time.monotonic()

    def _watch(self) -> None:
        while not self._over.wait(1):
            if self._busy.is_set() and time.monotonic() - self._seen > self._silent:
                self._sign()
                self._end()

    def _end(self) -> None:
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # the process ended meanwhile
                if self._name.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                    os.kill(int(folder.name), signal.SIGKILL)
