"""Starts the whole portal as a user would, asks three pages, stops it: ``python -m launcher.smoke``."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 240
PAGES = ("/healthz", "/readyz", "/connexion")


def main() -> int:
    """Returns 0 when the portal said ``ready``, answered each page with 200 and stopped by itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="portail-essai-") as folder:
        environment = {**os.environ, "PORT": str(port), "DATA_DIR": str(Path(folder, "data")), "DEMO": "1"}
        began = time.monotonic()
        portal = subprocess.Popen([sys.executable, str(ROOT / "run.py")], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            if not _ready(portal):
                print("Le portail ne s’est pas annoncé prêt.", file=sys.stderr)
                return 1
            seconds = time.monotonic() - began
            for page in PAGES:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=30) as answer:
                    print(f"{page} {answer.status}")
        finally:
            portal.send_signal(signal.SIGTERM)
            code = portal.wait(timeout=60)
    print(f"prêt en {seconds:.0f} s, arrêt avec le code {code}")
    return 0 if code == 0 else 1


def _ready(portal: subprocess.Popen[str]) -> bool:
    """Waits for the line ``ready``; False when the portal ended or ``PATIENCE`` seconds passed without it."""
    deadline = time.monotonic() + PATIENCE
    for line in portal.stdout or ():
        print(line, end="")
        if line.strip() == "ready":
            return True
        if time.monotonic() > deadline:
            return False
    return False


if __name__ == "__main__":
    sys.exit(main())
