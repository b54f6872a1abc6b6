"""One JSON line per measure: name, value, unit, reference (what it is compared with, and the bar)."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """Prints the measures and remembers which missed their bar."""

    missed: list[str] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, reference: str = "", *, most: float | None = None, least: float | None = None, **more: Any) -> None:
        """One measure; ``most`` and ``least`` are its bars."""
        line: dict[str, Any] = {"name": name, "value": round(value, 3), "unit": unit, "reference": reference}
        if most is not None or least is not None:
            line["bar"] = {"most": most} if most is not None else {"least": least}
            line["holds"] = (most is None or value <= most) and (least is None or value >= least)
            if not line["holds"]:
                self.missed.append(name)
        print(json.dumps(line | more, ensure_ascii=False), flush=True)

    def note(self, text: str) -> None:
        """A word for whoever waits."""
        print(text, file=sys.stderr, flush=True)
