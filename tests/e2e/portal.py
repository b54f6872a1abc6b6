"""What the browser tests share: the running product, AGORA's sandbox beside it, and the sign-in page."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "Portail-demo-2026"
START_SECONDS = 240
CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def stop_process(process: subprocess.Popen[bytes], *, group: bool) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait(10)


@dataclass
class AgoraProcess:
    """AGORA's sandbox in a process of its own: it can be stopped and started again."""

    port: int
    folder: Path
    env: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        if self.process is not None and self.process.poll() is None:
            return
        command = [sys.executable, "-m", "app.partners.agora.sandbox", "--port", str(self.port), "--data-dir", str(self.folder / "agora")]
        with (self.folder / "agora.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while not answers(f"{self.url}/healthz"):
            assert time.monotonic() < deadline, "the sandbox does not start"
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it: connections are refused."""
        if self.process is not None:
            stop_process(self.process, group=False)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """A block during which AGORA is down."""
        self.stop()
        try:
            yield
        finally:
            self.start()


@dataclass
class Product:
    """The running product."""

    base_url: str
    agora: AgoraProcess
    folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)


def sign_in(page: Page, identifiant: str, password: str = PASSWORD) -> None:
    """Through the sign-in page, as a person does."""
    page.goto("/")
    page.get_by_label("Identifiant").fill(identifiant)
    page.locator("input[type=password]").fill(password)
    page.get_by_role("button", name="Se connecter").click()
