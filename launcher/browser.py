"""What ``make e2e`` needs of the system, installed when it is Debian's and we are root: Chromium, and LibreOffice if it can be had."""

from __future__ import annotations

import os
import shutil
import subprocess

from launcher.errors import LaunchError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OFFICE = ("soffice", "libreoffice")
_HOW = "installez Chromium (Debian, Ubuntu : apt install chromium), puis relancez"


def find() -> str | None:
    """The path of the browser; CHROMIUM in the environment wins."""
    given = os.environ.get("CHROMIUM")
    return given or next(filter(None, map(shutil.which, NAMES)), None)


def ensure() -> str:
    """The path of the browser, installed if need be. Raises LaunchError when it is missing and we cannot."""
    found = find()
    if found:
        return found
    problem = _install("Chromium", "chromium")
    if problem:
        raise LaunchError(f"Les tests de navigateur ont besoin de Chromium, qui manque ({problem}) : {_HOW}.")
    found = find()
    if not found:
        raise LaunchError(f"Chromium reste introuvable après son installation : {_HOW}.")
    return found


def ensure_office() -> str | None:
    """The path of LibreOffice, in which exports are opened, installed if need be; None, said in a sentence, when it cannot be had."""
    found = next(filter(None, map(shutil.which, OFFICE)), None)
    if found:
        return found
    problem = _install("LibreOffice", "libreoffice-calc")
    if problem:
        print(f"LibreOffice manque ({problem}) : les exports ne seront pas ouverts avec lui.", flush=True)
    return next(filter(None, map(shutil.which, OFFICE)), None)


def _install(name: str, package: str) -> str | None:
    """Install a package; returns what prevents it, or None."""
    apt = shutil.which("apt-get")
    if not apt or os.geteuid() != 0:
        return "il faut apt-get et les droits de root pour l’installer"
    print(f"Installation de {name} (apt-get)…", flush=True)
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    patience = ["-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=1"]
    for command in ([apt, "-q", *patience, "update"], [apt, "-q", "-y", *patience, "--no-install-recommends", "install", package]):
        try:
            done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600)
        except subprocess.TimeoutExpired:
            return "apt-get n’a pas fini en dix minutes"
        if done.returncode:
            said = [line for line in (done.stderr or done.stdout).splitlines() if line.startswith("E:")] or ["apt-get a échoué"]
            return said[-1].removeprefix("E:").strip()
    return None
