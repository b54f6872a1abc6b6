"""Makes ``towns.csv.gz`` from the npm package ``codes-postaux`` (MIT licence; data: INSEE's Code officiel géographique and FIMOCT).

    npm pack codes-postaux@4.1.2
    tar xzf codes-postaux-4.1.2.tgz package/codes-postaux.json
    python -m app.reference.seeds.build_towns package/codes-postaux.json

The same input gives the same file, byte for byte. CEDEX codes are not in the package: some stand in ``cedex.csv``,
the others are imported (``flask import-towns``).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
from pathlib import Path

TARGET = Path(__file__).with_name("towns.csv.gz")
COLUMNS = ("postal_code", "insee_code", "name", "routing_name")
_POSTAL, _INSEE = re.compile(r"[0-9]{5}"), re.compile(r"[0-9][0-9AB][0-9]{3}")


def rows(source: Path) -> list[tuple[str, str, str, str]]:
    """The distinct lines of the package, sorted. Raises ValueError on a code that is not well formed."""
    found = set()
    for line in json.loads(source.read_text(encoding="utf-8")):
        row = (line["codePostal"], line["codeCommune"], line["nomCommune"].strip(), line["libelleAcheminement"].strip())
        if not _POSTAL.fullmatch(row[0]) or not _INSEE.fullmatch(row[1]) or not row[2]:
            raise ValueError(f"not a town: {row}")
        found.add(row)
    return sorted(found)


def write(lines: list[tuple[str, str, str, str]], target: Path = TARGET) -> None:
    """Write the compressed CSV, without a date in it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(lines)
    target.write_bytes(gzip.compress(text.getvalue().encode("utf-8"), compresslevel=9, mtime=0))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    made = rows(Path(sys.argv[1]))
    write(made)
    sys.stdout.write(f"{len(made)} towns\n")
