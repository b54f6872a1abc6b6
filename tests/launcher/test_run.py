"""``python run.py`` as a person meets it: what it refuses, and one whole life, crash included."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from launcher import process
from launcher.settings import code_digest
from launcher.venv import ROOT

pytestmark = pytest.mark.processes
READY_SECONDS = 180


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return kept | {"PORTAL_NO_VENV": "1", "PYTHONWARNINGS": "ignore"} | changes


def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *arguments], env=environment(**changes), cwd="/", capture_output=True, text=True, check=False, timeout=60
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="portail-run-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.mark.parametrize(
    ("arguments", "env", "sentence"),
    [
        ([], {"HOST": "0.0.0.0"}, "Le mode démonstration refuse HOST=0.0.0.0"),
        ([], {"PORTAL_ENV": "production"}, "manquent dans l’environnement"),
        ([], {"DATABASE_URL": "sqlite://x", "DEMO": "1"}, "DATABASE_URL n’est pas une adresse valable"),
        ([], {"SECRET_KEY": "trop-courte"}, "SECRET_KEY est trop courte"),
        ([], {"PORT": "x"}, "PORT vaut « x »"),
        ([], {"DATA_DIR": "/proc/nulle/part"}, "le dossier de données"),
        (["web"], {"DATA_DIR": "/nulle/part"}, "manquent dans l’environnement"),
        (["worker"], {"DATA_DIR": "/nulle/part"}, "manquent dans l’environnement"),
        (["migrate"], {"DATA_DIR": "/nulle/part"}, "manquent dans l’environnement"),
        (["backup"], {}, "Donnez le fichier"),
        (["restore", "x"], {"DATABASE_URL": "postgresql://x/y"}, "DATABASE_URL est donné"),
        (["n’importe-quoi"], {}, "Commande inconnue"),
    ],
)
def test_refused_in_one_sentence(arguments: list[str], env: dict[str, str], sentence: str) -> None:
    done = run(*arguments, **env)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()[0]) < 400
    if arguments != ["n’importe-quoi"]:
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_port_in_use_is_refused_and_nothing_is_left(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = run(PORT=port, DATA_DIR=str(folder / "data"))
    assert done.returncode != 0
    assert done.stderr.startswith(f"Le port {port} est déjà utilisé")
    assert not (folder / "data").exists()


def test_an_external_database_that_does_not_answer_is_told(folder: Path) -> None:
    port = str(free_port())
    done = run(DEMO="1", PORT=port, DATA_DIR=str(folder), DATABASE_URL=f"postgresql://a:secret@127.0.0.1:{free_port()}/b")
    assert done.returncode != 0
    assert re.match(r"PostgreSQL ne répond pas à DATABASE_OWNER_URL \(127\.0\.0\.1:\d+/b\)", done.stderr)
    assert "secret" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_keys_are_good_for_production() -> None:
    done = run("keys")
    made = dict(line.split("=", 1) for line in done.stdout.split())
    from config import Settings
    from tests.launcher.test_settings import production

    assert Settings.from_env(production(**made)).secret_key == made["SECRET_KEY"]


class Portal:
    """One start of ``python run.py`` on a folder."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.output = folder.with_name(folder.name + ".out")
        began = time.monotonic()
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "run.py")], env=environment(PORT=str(self.port), DATA_DIR=str(folder), **env), cwd="/", stdout=output, stderr=output
            )
        while not re.search(r"^ready$", self.said, re.MULTILINE):
            assert self.process.poll() is None, self.said
            assert time.monotonic() - began < READY_SECONDS, self.said
            time.sleep(0.1)
        self.seconds = time.monotonic() - began

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    @property
    def children(self) -> dict[str, int]:
        return {item["name"]: item["pid"] for item in json.loads((self.folder / "children.json").read_text())}

    def status(self, path: str = "/readyz") -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return int(answer.status)
        except OSError:
            return 0

    def web_processes(self, count: int, *, gone: int | None = None, seconds: float = 60) -> list[int]:
        """Ids of the processes that answer pages, oldest first, once there are so many and the master, which is not one of them, has
        buried ``gone``: a process that was killed is still listed for a moment."""
        master, limit = self.children["web"], time.monotonic() + seconds
        while time.monotonic() < limit:
            found = sorted((process.start_time(pid), pid) for pid in process.session_of(master) if pid != master)
            if len(found) == count and gone not in {pid for _since, pid in found}:
                return [pid for _since, pid in found]
            time.sleep(0.2)
        raise AssertionError(f"not {count} web processes: {self.said}")

    def until_ready(self, seconds: float = 60) -> bool:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if self.status() == 200:
                return True
            time.sleep(0.2)
        return False

    def query(self, statement: str) -> object:
        settings = dict(line.split("=", 1) for line in (self.folder / "instance.env").read_text().splitlines())
        with psycopg.connect(settings["DATABASE_OWNER_URL"], autocommit=True) as connection:
            found = connection.execute(statement)  # type: ignore[arg-type]
            return found.fetchone() if found.description else None

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_whole_life(folder: Path) -> None:
    """Start, parts killed, the whole killed with -9, start again with the data kept, stop."""
    data = folder / "data"
    digest = code_digest(demo=True)
    first = Portal(data)
    killed: list[int] = []
    try:
        assert "principal" in first.said
        assert "Portail-demo-2026" in first.said
        assert first.status("/healthz") == first.status("/readyz") == 200
        first.query("CREATE TABLE life (x int)")
        first.query("INSERT INTO life VALUES (42)")
        second = run(PORT=str(free_port()), DATA_DIR=str(data))
        assert second.returncode != 0
        assert "déjà utilisé par une instance en marche" in second.stderr
        refused = run(PORT=str(free_port()), DATA_DIR=str(data), DEMO="0")
        assert refused.returncode != 0
        assert run("check", DATA_DIR=str(data)).returncode == 0

        for _ in range(2):  # one web process after the other is killed: the other serves meanwhile
            pages = first.web_processes(2)
            os.kill(pages[0], signal.SIGKILL)
            assert {first.status("/healthz") for _ in range(5)} == {200}
            assert pages[0] not in first.web_processes(2, gone=pages[0])

        for name in ("postgres", "redis", "worker-front"):
            before = first.children[name]
            os.kill(before, signal.SIGKILL)
            limit = time.monotonic() + 60
            while first.children.get(name, before) == before and time.monotonic() < limit:
                time.sleep(0.1)
            assert first.children[name] != before, f"{name} was not restarted: {first.said}"
            assert first.until_ready(), f"not ready after {name} was killed: {first.said}"
        killed = list(first.children.values())
    finally:
        for pid in [first.process.pid, *killed]:
            os.kill(pid, signal.SIGKILL)
        first.process.wait()

    again = Portal(data)
    try:
        assert again.query("SELECT x FROM life") == (42,)
        if code_digest(demo=True) == digest:  # nobody edited the code meanwhile
            assert "Préparation de la base" not in again.said
        file = folder / "portail.dump"
        assert run("backup", str(file), DATA_DIR=str(data)).returncode == 0
        again.query("DELETE FROM life")
    finally:
        children = list(again.children.values())
        assert again.stop() == 0
    assert not [pid for pid in children if process.alive(pid)]
    assert not (data / "children.json").exists()
    restored = run("restore", str(file), DATA_DIR=str(data))
    assert restored.returncode == 0, restored.stderr
    real = run(PORT=str(free_port()), DATA_DIR=str(data), DEMO="0")
    assert real.returncode != 0
    assert "contient la démonstration" in real.stderr
