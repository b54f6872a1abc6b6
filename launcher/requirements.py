"""``make requirements``: compiles requirements*.in to exact versions with the hashes that PyPI publishes.

Run it with the oldest Python supported (3.11.0 to 3.11.2 need one package more, which the result must list).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_OPTIONS = [
    "--quiet", "--generate-hashes", "--strip-extras", "--allow-unsafe", "--no-header",
    "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host",
]  # fmt: skip


def main() -> int:
    """Compiles both files; the machine's own package sources are left out, so that the hashes are PyPI's."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_") or name == "PIP_CERT"} | {"PIP_CONFIG_FILE": os.devnull}
    for name in ("requirements", "requirements-dev"):
        command = [sys.executable, "-m", "piptools", "compile", *_OPTIONS, "-o", f"{name}.txt", f"{name}.in"]
        code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
