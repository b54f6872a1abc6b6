"""Child processes that never outlive their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_SHIM = Path(__file__).with_name("child.py")
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Account:
    """The system user a child runs as."""

    name: str
    uid: int
    gid: int


@dataclass
class Child:
    """One process started and watched by the launcher."""

    name: str
    argv: list[str]
    env: Mapping[str, str]
    log: Path
    cwd: Path = Path("/")
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 15.0
    hard_signal: signal.Signals = signal.SIGKILL
    popen: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    started_at: float = 0.0

    def start(self) -> None:
        """Starts the process; its output goes to the log file."""
        user = (self.account.uid, self.account.gid) if self.account else (-1, -1)
        shim = [sys.executable, "-I", "-S", str(_SHIM), str(os.getpid()), str(int(self.stop_signal)), str(user[0]), str(user[1]), str(self.cwd)]
        with open_log(self.log) as output:
            self.popen = subprocess.Popen(
                [*shim, *self.argv], env=dict(self.env), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self.started_at = time.monotonic()

    @property
    def pid(self) -> int:
        """The process id, 0 before the first start."""
        return self.popen.pid if self.popen else 0

    def running(self) -> bool:
        """True while the process lives."""
        return self.popen is not None and self.popen.poll() is None

    def exit_code(self) -> int | None:
        """The exit code (negative: the signal), None while running or never started."""
        return self.popen.poll() if self.popen else None

    def signal(self, number: signal.Signals) -> None:
        """Signals the process when it lives."""
        if self.running():
            with contextlib.suppress(ProcessLookupError):
                self.popen.send_signal(number)  # type: ignore[union-attr]

    def stop(self) -> None:
        """Asks the process to stop, waits, then insists."""
        self.signal(self.stop_signal)
        self.wait_stopped()

    def wait_stopped(self) -> None:
        """Second half of :meth:`stop`: waits for a process already asked to stop, then insists."""
        if self.popen is None:
            return
        for number, patience in ((self.hard_signal, self.stop_timeout), (signal.SIGKILL, 5.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(patience)
                break
            self.signal(number)
        for pid in session_of(self.pid):  # a job's own process, for instance
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def last_words(self, lines: int = 12) -> str:
        """The end of the log, for a diagnosis."""
        return tail(self.log, lines)


def open_log(path: Path):  # type: ignore[no-untyped-def]  # an unbuffered binary file
    """The log file of a child, readable by its owner alone, written at its end."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab", buffering=0)


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a text file, empty when there is none."""
    try:
        with open(path, "rb") as source:
            source.seek(0, os.SEEK_END)
            source.seek(max(0, source.tell() - 8192))
            text = source.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def bare_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A small environment for servers: they see no key of the portal."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", **{k: v for k, v in kept.items() if k != "LC_ALL"}, **(extra or {})}


def start_time(pid: int) -> str:
    """What tells a process from a later one of the same id (Linux: its start tick); empty when unknown or dead."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]


def alive(pid: int) -> bool:
    """True when a process of this id exists and is no zombie."""
    if pid <= 0:
        return False
    if sys.platform == "linux":
        return bool(start_time(pid))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def working_in(folder: Path) -> list[int]:
    """Ids of the living processes whose working folder is `folder` (Linux)."""
    target = os.path.realpath(folder)
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{entry}/cwd") == target:
                    found.append(int(entry))
    return found


def session_of(leader: int) -> list[int]:
    """Ids of the living processes of the session that process `leader` opened (Linux; elsewhere none)."""
    found = []
    for entry in os.listdir("/proc") if os.path.exists("/proc/self/stat") else ():
        if entry.isdigit():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader and fields[0] not in ("Z", "X"):
                    found.append(int(entry))
    return found


def environment_has(pid: int, name: str, value: str) -> bool:
    """True when the process was started with this variable (Linux, own processes)."""
    try:
        return f"{name}={value}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def end_leftover(pid: int, steps: tuple[tuple[signal.Signals, float], ...]) -> bool:
    """Ends a process left by an earlier run: each signal of `steps` is given its patience. True when it is gone."""
    for number, patience in steps:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
        limit = time.monotonic() + patience
        while time.monotonic() < limit:
            if not alive(pid):
                return True
            time.sleep(0.05)
    return not alive(pid)
