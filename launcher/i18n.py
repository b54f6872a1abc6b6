"""``make i18n``: extracts the strings of the code, updates the French catalogue and compiles it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from launcher.translations import compile_stale

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "translations" / "fr" / "LC_MESSAGES" / "messages.po"


def main() -> int:
    """Returns 1, with their list, when strings have no French yet."""
    babel = [sys.executable, "-m", "babel.messages.frontend", "-q"]
    with tempfile.TemporaryDirectory() as folder:
        template = str(Path(folder, "messages.pot"))
        keywords = [item for word in ("_l", "lazy_gettext", "ngettext:1,2", "lazy_ngettext:1,2") for item in ("-k", word)]
        subprocess.run([*babel, "extract", "-F", "babel.cfg", *keywords, "--no-location", "--sort-output", "-o", template, "."], cwd=ROOT, check=True)
        command = "update" if CATALOGUE.exists() else "init"
        options = ["--no-fuzzy-matching", "--ignore-obsolete"] if command == "update" else []
        subprocess.run([*babel, command, "-i", template, "-d", "translations", "-l", "fr", "-w", "120", *options], cwd=ROOT, check=True)
    compile_stale()
    missing = untranslated(CATALOGUE)
    if missing:
        print("Sans traduction :\n" + "\n".join(f"  {text}" for text in missing), file=sys.stderr)
        return 1
    print("Le catalogue français est complet.")
    return 0


def untranslated(catalogue: Path) -> list[str]:
    """The strings of a catalogue that have no translation."""
    from babel.messages.pofile import read_po

    with open(catalogue, "rb") as source:
        messages = read_po(source)
    return [str(message.id) for message in messages if message.id and not all(message.string if isinstance(message.string, tuple | list) else [message.string])]


if __name__ == "__main__":
    sys.exit(main())
