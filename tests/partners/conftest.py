"""The sandbox as a real process, and the client that speaks to it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.partners.agora import channel
from app.partners.agora.channel import AgoraConfig
from app.partners.agora.http import AgoraHttp, AgoraTransport
from app.partners.agora.port import Caller, Gender, Holder, NewFile, TrainingAction, TrainingBody

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a-secret-for-the-tests-of-the-client"
JWT_KEY = "a-key-for-the-tests-of-the-client-0123456789"
SIRET = "12345678913000"


@dataclass
class SandboxProcess:
    """A sandbox that runs; ``admin`` speaks to it as tests do."""

    process: subprocess.Popen[str]
    url: str
    folder: Path

    def admin(self, method: str, path: str, **arguments: Any) -> Any:
        response = httpx.request(method, f"{self.url}/_admin/{path}", timeout=10, trust_env=False, **arguments)
        response.raise_for_status()
        return response.json()

    def state(self, reference: str | None = None) -> Any:
        return self.admin("GET", "state", params={} if reference is None else {"referenceExterne": reference})

    def faults(self, **settings: Any) -> None:
        self.admin("PUT", "faults", json=settings)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code


def start_sandbox(folder: Path, *options: str) -> SandboxProcess:
    environment = {**os.environ, "AGORA_CLIENT_ID": "portail", "AGORA_CLIENT_SECRET": SECRET, "AGORA_JWT_KEY": JWT_KEY}
    process = subprocess.Popen(
        [sys.executable, "-m", "app.partners.agora.sandbox", "--port", "0", "--data-dir", str(folder), *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    assert found, f"the sandbox did not start: {line}{process.stderr.read()}"
    sandbox = SandboxProcess(process, found.group(), folder)
    deadline = time.monotonic() + 15
    while True:
        try:
            assert httpx.get(f"{sandbox.url}/healthz", timeout=5, trust_env=False).text == "ok"
            return sandbox
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the sandbox does not answer"
            time.sleep(0.05)


@contextmanager
def running_sandbox(folder: Path, *options: str) -> Iterator[SandboxProcess]:
    sandbox = start_sandbox(folder, *options)
    try:
        yield sandbox
    finally:
        sandbox.stop()


@pytest.fixture(scope="session")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running_sandbox(tmp_path_factory.mktemp("agora")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: SandboxProcess) -> SandboxProcess:
    """The shared sandbox, empty and well behaved; no token of an earlier test, or of a sandbox on the same port, is kept."""
    channel.token_store.cache_clear()
    shared_sandbox.admin("POST", "reset")
    return shared_sandbox


def config_for(url: str, **changes: Any) -> AgoraConfig:
    config = AgoraConfig(
        url=url, client_id="portail", client_secret=SECRET, jwt_key=JWT_KEY, pseudonym_key=b"only the portal knows this one", funder_siret="20005379100014"
    )
    return replace(config, **changes)


@pytest.fixture
def agora(sandbox: SandboxProcess) -> AgoraHttp:
    return AgoraHttp(config_for(sandbox.url))


@pytest.fixture
def transport(sandbox: SandboxProcess) -> AgoraTransport:
    return AgoraTransport(config_for(sandbox.url))


NewFileFactory = Callable[..., NewFile]


@pytest.fixture
def new_file() -> NewFileFactory:
    return make_file


def make_file(reference: str | None = None, *, name: str = "Sion", nir: str = "1620713155089", key: str = "82", **changes: Any) -> NewFile:
    file = NewFile(
        external_reference=reference or f"e-{uuid4()}",
        holder=Holder(nir=nir, key=key, birth_name=name, first_name="ANDRE", birth_date=date(1962, 7, 21), gender=Gender.MALE),
        programme="QUALIF PRO",
        funder_siret="20005379100014",
        body=TrainingBody(siret=SIRET, legal_name="ORGANISME DE FORMATION GARONNE"),
        action=TrainingAction(number="23C00390257_1", component="01", title="Préparation aux sélections"),
        entry_date=date(2026, 1, 5),
        planned_end=date(2026, 6, 26),
        hours_centre=Decimal(400),
        hours_company=Decimal("70.5"),
        objective="Formation certifiante",
        caller=Caller(actor_id="42", siret=SIRET, request_id="0123456789abcdef"),
    )
    return replace(file, **changes)
