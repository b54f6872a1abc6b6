"""The real product, started by its own command, and its processes to be killed."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
_MARKS = {
    "worker-front": ("run.py", "worker", "front"),
    "worker-back": ("run.py", "worker", "back"),
    "scheduler": ("run.py", "scheduler"),
    "redis": ("redis-server",),
    "postgres": ("postgres", "-D"),
}


class Product:
    """One running installation with a folder and a port of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = settings
        self.port = _free_port()
        self.output = folder / "output.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}

    def start(self, patience: float = 240.0) -> float:
        """Start it and wait until it says it is ready; returns the seconds it took."""
        begin = time.monotonic()
        environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL", "PORTAL_ENV", "DEMO")}
        environment |= {"PORT": str(self.port), "DATA_DIR": str(self.folder / "data")} | self.settings
        with self.output.open("ab") as output:
            self._process = subprocess.Popen([sys.executable, "run.py"], cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True)
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() - begin > patience:
                raise RuntimeError(f"the product did not start:\n{self.output.read_text()[-3000:]}")
            time.sleep(0.5)
        note = (self.folder / "data" / "instance.env").read_text(encoding="utf-8")
        self.environment = dict(line.partition("=")[::2] for line in note.splitlines())
        return time.monotonic() - begin

    def answers(self) -> bool:
        """Whether /readyz says yes."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """End it, and whatever is left of it."""
        if self._process is None:
            return
        children = self.processes()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for child in children:
            if child.is_running():
                child.kill()

    def processes(self) -> list[psutil.Process]:
        """The launcher and everything it started."""
        assert self._process is not None
        try:
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def find(self, name: str) -> psutil.Process | None:
        """The process of one part, if it runs."""
        for process in self.processes()[1:]:
            try:
                words = process.cmdline()
            except psutil.Error:
                continue
            if words and all(any(mark in word for word in words[:4]) for mark in _MARKS[name]):
                return process
        return None

    def kill(self, name: str, number: int = signal.SIGKILL) -> bool:
        """Send a signal to one part; False when it is not there."""
        process = self.find(name)
        if process is None:
            return False
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            return False
        return True

    def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the sandbox's administration."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.environment["AGORA_URL"].rstrip("/") + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())


def _free_port() -> int:
    """A port below those the system hands out by itself, free now and for the sandbox beside it."""
    for _ in range(200):
        port = random.randrange(15_000, 30_000)
        try:
            with socket.socket() as one, socket.socket() as other:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 99))
        except OSError:
            continue
        return port
    raise RuntimeError("no free port")
