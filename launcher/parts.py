"""Each part of the portal on its own: ``python run.py web``, ``worker``, ``migrate``…

A part takes its settings from the environment. Where none names a database and an instance of this machine is running with
the same DATA_DIR, the part joins it.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from config import ConfigurationError, Settings
from launcher import translations
from launcher.errors import LaunchError
from launcher.settings import ROOT, port_problem


def run(name: str, arguments: list[str]) -> int:
    """Runs one part until it ends; returns the exit code (or becomes the part)."""
    if name in ("backup", "restore"):
        from launcher import backups

        return backups.run(name, arguments)
    os.environ.update(instance_environment(os.environ))
    os.environ.setdefault("PORTAL_PROCESS", name)
    try:
        settings = Settings.from_env(os.environ)
    except ConfigurationError as error:
        raise LaunchError(str(error)) from None
    return _PARTS[name](settings, arguments)


def instance_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The settings of the instance that runs on DATA_DIR, for what `env` does not give; empty when there is none to join."""
    if env.get("DATABASE_URL"):
        return {}
    note = Path(env.get("DATA_DIR") or ROOT / "instance").expanduser() / "instance.env"
    try:
        lines = note.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    kept = dict(line.partition("=")[::2] for line in lines)
    return {name: value for name, value in kept.items() if not env.get(name)}


def _become(*command: str) -> NoReturn:
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    os.execv(sys.executable, [sys.executable, *command])


def _web(settings: Settings, _arguments: list[str]) -> int:
    problem = port_problem(settings.host, settings.port)
    if problem:
        raise LaunchError(problem)
    translations.compile_stale()
    os.chdir(ROOT)
    # Checking a password takes 19 MB for an instant. The C library would keep them for the next one: give them back instead.
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", "4194304")
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", "8388608")
    _become("-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "app:create_app()")


def _worker(_settings: Settings, arguments: list[str]) -> int:
    translations.compile_stale()
    os.chdir(ROOT)
    gc.disable()  # nothing dies while the application is loaded: a fifth of that time is saved
    from app.core.jobs import runner
    from app.core.jobs.worker import run_worker

    runner.application()
    gc.freeze()  # and what is loaded stays shared with the processes of the jobs
    gc.enable()
    run_worker(*arguments[:1])
    return 0


def _scheduler(settings: Settings, _arguments: list[str]) -> int:
    os.chdir(ROOT)
    from app.core import logs
    from app.core.jobs.scheduler import run_scheduler

    logs.configure(level=settings.log_level, process=settings.process, output=settings.log_format)
    run_scheduler()
    return 0


def _agora_sandbox(settings: Settings, arguments: list[str]) -> int:
    parts = urlsplit(settings.agora_url)
    port = parts.port or 8099
    problem = port_problem("127.0.0.1", port)
    if problem:
        raise LaunchError(problem)
    os.chdir(ROOT)
    _become("-m", "app.partners.agora.sandbox", "--port", str(port), "--data-dir", str(Path(settings.data_dir) / "agora-sandbox"), *arguments)


def _flask(_settings: Settings, arguments: list[str]) -> int:
    translations.compile_stale()
    _become("-m", "flask", "--app", "app", *arguments)


def _migrate(settings: Settings, _arguments: list[str]) -> int:
    from launcher.database import prepare

    translations.compile_stale()
    os.chdir(ROOT)
    gc.disable()  # a short life
    prepare(settings)
    return 0


def _check(settings: Settings, _arguments: list[str]) -> int:
    from launcher.database import check

    for remark in check(settings):
        print(f"Attention : {remark}")
    print("Tout est en ordre : réglages, base de données, schéma et file d’attente.")
    return 0


_PARTS: dict[str, Callable[[Settings, list[str]], int]] = {
    "web": _web,
    "worker": _worker,
    "scheduler": _scheduler,
    "agora-sandbox": _agora_sandbox,
    "flask": _flask,
    "migrate": _migrate,
    "check": _check,
}
