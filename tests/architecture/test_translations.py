"""No screen speaks English: every message of the code has its French."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]


def test_french_is_complete(tmp_path: Path) -> None:
    template = tmp_path / "messages.pot"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "babel.messages.frontend",
            "-q",
            "extract",
            "-F",
            "babel.cfg",
            "-k",
            "_l",
            "-k",
            "lazy_gettext",
            "-k",
            "ngettext:1,2",
            "--no-location",
            "-o",
            str(template),
            ".",
        ],
        cwd=ROOT,
        check=True,
    )
    with template.open("rb") as file:
        wanted = read_po(file)
    with (ROOT / "translations/fr/LC_MESSAGES/messages.po").open("rb") as file:
        french = read_po(file, locale="fr")
    missing = []
    wrong = []
    for message in wanted:
        if not message.id:
            continue
        key = message.id[0] if message.pluralizable else message.id
        found = french.get(key)
        strings = [] if found is None else (list(found.string) if message.pluralizable else [found.string])
        if not strings or not all(strings):
            missing.append(key)
        elif found is not None and list(found.check()):
            wrong.append(key)
    assert not missing, missing
    assert not wrong, wrong
