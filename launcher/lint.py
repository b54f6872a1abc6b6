"""``make lint``: every check, all of them run even when one fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = Path(sys.executable).parent

CHECKS: tuple[tuple[str, list[str]], ...] = (
    ("ruff", [str(TOOLS / "ruff"), "check", "."]),
    ("mypy", [sys.executable, "-m", "mypy"]),
    ("import-linter", [str(TOOLS / "lint-imports"), "--no-logo"]),
    ("djlint", [str(TOOLS / "djlint"), "app", "--lint", "--quiet"]),
)


def main() -> int:
    """Returns 1 when a check failed."""
    failed = []
    for name, command in CHECKS:
        print(f"— {name}", flush=True)
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
    print(f"Échec : {', '.join(failed)}." if failed else "Tout est en ordre.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
