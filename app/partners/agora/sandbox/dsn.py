"""The weekly file of best jobs, made up from the files held: the same week has the same lines as long as the files do not change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta

from app.core import clock
from app.partners.agora.sandbox.store import WEEK, File, monday_of

HEADER = "numeroDossier;position;natureContrat;heuresMensuelles;dateDebut;dateFin;codeNaf;multiEmploi"
_NATURES = ("CDI", "CDI", "CDD", "CDD", "CDD", "INTERIM", "INTERIM", "APPRENTISSAGE", "AUTRE")
_HOURS = ("151.67", "151.67", "130.00", "104.00", "86.67", "60.00")
_NAF = ("4711D", "5610A", "8810A", "4399C", "8121Z", "6201Z", "4941A", "9602A")
# Position → months after the exit, and how many people in 256 have a job by then.
_POSITIONS = (("SORTIE", 0, 100), ("M3", 3, 140), ("M6", 6, 165), ("M12", 12, 180))
_ON_ENTRY = 60


def weekly_file(files: Iterable[File], week: str, *, now: datetime | None = None) -> str | None:
    """The file of a week: the people whose moment of observation falls in it and who have a job then. None when the week is not there yet."""
    monday = monday_of(week)
    if monday is None or monday > (now or clock.now()):
        return None
    first = monday.date()
    lines = [HEADER]
    for file in files:
        for position, day, share in _moments(file):
            if first <= day < first + WEEK:
                lines += _job(file, position, day, share)
    return "\n".join(lines) + "\n"


def _moments(file: File) -> Iterator[tuple[str, date, int]]:
    yield "ENTREE", date.fromisoformat(file.entry), _ON_ENTRY
    if file.exit is not None:
        left = date.fromisoformat(file.exit)
        for position, months, share in _POSITIONS:
            yield position, _months_later(left, months), share


def _months_later(day: date, months: int) -> date:
    total = day.year * 12 + day.month - 1 + months
    return date(min(total // 12, 9999), total % 12 + 1, min(day.day, 28))


def _job(file: File, position: str, day: date, share: int) -> list[str]:
    chance = hashlib.sha256(f"{file.number}{position}".encode()).digest()
    if chance[0] >= share:
        return []
    nature = _NATURES[chance[1] % len(_NATURES)]
    start = day - timedelta(days=min(chance[2], (day - date.min).days))
    end = "" if nature == "CDI" else (day + timedelta(days=30 + chance[3])).isoformat() if day.year < 9990 else ""
    several = "O" if chance[6] < 25 else "N"
    return [f"{file.number};{position};{nature};{_HOURS[chance[4] % len(_HOURS)]};{start.isoformat()};{end};{_NAF[chance[5] % len(_NAF)]};{several}"]
