"""Compiles the message catalogues that are newer than their compiled form."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from launcher.errors import LaunchError

ROOT = Path(__file__).resolve().parent.parent


def compile_stale(root: Path = ROOT / "translations") -> int:
    """Compiles what is missing or older than its source; returns how many. Babel is imported only when there is work.

    A read-only folder is left as it is when a compiled catalogue exists. Raises LaunchError when one is missing and cannot be made.
    """
    done = 0
    for source in sorted(root.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        try:
            _compile(source, target)
        except OSError as error:
            if not target.exists():
                raise LaunchError(f"Les traductions ne peuvent pas être préparées ({target}) : {error.strerror}.") from None
            print(f"Traductions non recompilées ({target}) : {error.strerror}.", file=sys.stderr)
        except ValueError as error:
            raise LaunchError(f"Le fichier de traduction {source} est illisible : {error}.") from None
        done += 1
    return done


def _compile(source: Path, target: Path) -> None:
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with open(source, "rb") as text:
        catalog = read_po(text, locale=source.parent.parent.name, abort_invalid=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with open(draft, "wb") as output:
            write_mo(output, catalog)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
