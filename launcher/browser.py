"""The browser of ``make e2e``: the system's Chromium, installed when the system is Debian's and we are root."""

from __future__ import annotations

import os
import shutil
import subprocess

from launcher.errors import LaunchError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
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
    apt = shutil.which("apt-get")
    if not apt or os.geteuid() != 0:
        raise LaunchError(f"Les tests de navigateur ont besoin de Chromium, qui manque : {_HOW}.")
    print("Installation de Chromium (apt-get)…", flush=True)
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in ([apt, "-q", "update"], [apt, "-q", "-y", "--no-install-recommends", "install", "chromium"]):
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in (done.stderr or done.stdout).splitlines() if line.startswith("E:")] or ["apt-get a échoué"]
            raise LaunchError(f"Chromium n’a pas pu être installé ({said[-1].removeprefix('E:').strip()}) : {_HOW}.")
    found = find()
    if not found:
        raise LaunchError(f"Chromium reste introuvable après son installation : {_HOW}.")
    return found
