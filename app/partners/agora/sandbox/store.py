"""The files AGORA holds, in memory and in the journal.

Nothing here awaits between a look-up and the change that follows from it, so two requests with one key or one reference cannot both create. Of a
trainee nothing is kept but the word that makes the sandbox fail on purpose.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.core import clock
from app.partners.agora.sandbox import transitions
from app.partners.agora.sandbox.journal import Journal
from app.partners.agora.sandbox.rules import Refused

FIRST_NUMBER = 30_400_001
COMPACT_BEYOND = 50_000


@dataclass(slots=True)
class File:
    """A file (dossier). ``rank`` grows with every change, over all files: it is what pages are cut by."""

    number: str
    reference: str
    status: str
    version: int
    modified: str
    rank: int
    programme: str
    siret: str
    action: str
    component: str
    entry: str
    planned_end: str
    hours: list[float]
    interrupted: bool = False
    exit: str | None = None
    word: str = ""
    events: list[list[str]] = field(default_factory=list)

    def answer(self) -> dict[str, Any]:
        """The file as the contract words it."""
        return {
            "numeroDossier": self.number,
            "referenceExterne": self.reference,
            "statut": self.status,
            "version": self.version,
            "modifieLe": self.modified,
        }


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was answered under an idempotency key, and the request it goes with."""

    digest: str
    answer: dict[str, Any]


class Store:
    """All files. Raises JournalError when the journal cannot be used."""

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.journal = Journal(folder / "journal.jsonl", fsync=fsync)
        self.files: dict[str, File] = {}
        self.references: dict[str, str] = {}
        self.keys: dict[str, Remembered] = {}
        self.rank = 0
        self._order: list[tuple[int, str, str]] = []  # (rank, modified, number); entries of older ranks are skipped
        self._last = ""
        self._compact_at = COMPACT_BEYOND
        self.recover()

    # -- disk --

    def recover(self) -> None:
        """Read the journal again from its beginning; also the way back when it could not be written."""
        self._clear()
        for record in self.journal.read():
            self._place(File(**record["file"]))
            if key := record.get("key"):
                self.keys[key] = Remembered(record["digest"], record["answer"])
        self._order.sort()
        self.compact_if_worth()

    def reset(self) -> None:
        """Forget everything."""
        self._clear()
        self.journal.rewrite(())

    def compact_if_worth(self) -> None:
        """Rewrite the journal once most of its lines are outdated states of files."""
        if self.journal.lines >= self._compact_at:
            if self.journal.lines > 2 * (len(self.files) + len(self.keys)):
                self.journal.rewrite(self._snapshot())
            self._compact_at = max(COMPACT_BEYOND, 2 * self.journal.lines)

    def _snapshot(self) -> Iterator[dict[str, Any]]:
        """Each answer given goes with the present state of its file; a file that answered under no key has a line of its own."""
        answered: set[str] = set()
        for key, remembered in self.keys.items():
            number = remembered.answer["numeroDossier"]
            answered.add(number)
            yield _record(self.files[number], key, remembered)
        for number, file in self.files.items():
            if number not in answered:
                yield _record(file, None, None)

    def _clear(self) -> None:
        self.files.clear()
        self.references.clear()
        self.keys.clear()
        self._order.clear()
        self.rank, self._last = 0, ""

    def _place(self, file: File) -> None:
        self.files[file.number] = file
        self.references[file.reference] = file.number
        self._order.append((file.rank, file.modified, file.number))
        self.rank = max(self.rank, file.rank)
        self._last = max(self._last, file.modified)

    # -- requests --

    def replay(self, key: str, digest: str) -> dict[str, Any] | None:
        """What was answered under this key. Raises Refused when another request bore it."""
        remembered = self.keys.get(key)
        if remembered is None:
            return None
        if remembered.digest != digest:
            raise Refused(422, "CLE_REUTILISEE", "Cette clé d’idempotence a déjà servi pour une autre demande.")
        return remembered.answer

    def create(self, body: dict[str, Any], key: str, digest: str, word: str) -> File:
        """A new file, entered at once (guide 000). Raises Refused when its reference has one already."""
        reference = body["referenceExterne"]
        if existing := self.references.get(reference):
            raise Refused(409, "DOSSIER_EXISTANT", "Un dossier existe déjà sous cette référence.", number=existing)
        file = File(
            number=str(FIRST_NUMBER + len(self.files)),
            reference=reference,
            status=transitions.INITIAL,
            version=1,
            modified="",
            rank=0,
            programme=body["dispositif"],
            siret=body["organisme"]["siret"],
            action=body["action"]["numero"],
            component=body["action"]["composante"],
            entry=body["dateEntree"],
            planned_end=body["dateFinPrevue"],
            hours=[body["heuresCentre"], body["heuresEntreprise"]],
            word=word,
        )
        self._changed(file, key, digest)
        return file

    def apply(self, file: File, body: dict[str, Any], key: str, digest: str) -> None:
        """Move a file on. Raises Refused where the table forbids it."""
        kind = body["type"]
        after = transitions.next_status(file.status, kind, outcome=body.get("realisation"), interrupted=file.interrupted)
        if after is None:
            raise Refused(409, "TRANSITION_INTERDITE", f"L’événement {kind} est interdit : le dossier est au statut {file.status}.")
        file.status = after
        file.version += 1
        file.events.append([kind, body["date"]])
        if kind in ("INTERRUPTION", "REPRISE"):
            file.interrupted = kind == "INTERRUPTION"
        elif kind == "SORTIE":
            file.exit, file.interrupted = body["date"], False
        elif kind == "MODIFICATION":
            changes = body["modification"]
            file.entry = changes.get("dateEntree", file.entry)
            file.planned_end = changes.get("dateFinPrevue", file.planned_end)
            file.hours = [changes.get("heuresCentre", file.hours[0]), changes.get("heuresEntreprise", file.hours[1])]
        self._changed(file, key, digest)

    def _changed(self, file: File, key: str, digest: str) -> None:
        """Rank it, remember what will be answered, queue it for the disk."""
        self._last = file.modified = self._now()
        self.rank += 1
        file.rank = self.rank
        self._place(file)
        self.keys[key] = remembered = Remembered(digest, file.answer())
        self.journal.append(_record(file, key, remembered))
        if len(self._order) > 1000 and len(self._order) > 2 * len(self.files):
            self._order = [entry for entry in self._order if self.files[entry[2]].rank == entry[0]]

    def _now(self) -> str:
        """Never earlier than the last change, whatever happens to the clock: ``modifieDepuis`` relies on the order."""
        return max(instant(clock.now()), self._last)

    def page(self, *, after: int, since: str | None, limit: int) -> tuple[list[File], int | None]:
        """Files in the order of their last change, from beyond rank ``after``; the rank to go on from, None at the end.

        A file that changes while pages are read moves to the end: it is seen again, never missed.
        """
        start = bisect_right(self._order, (after, "\U0010ffff", ""))
        if since is not None:
            start = max(start, bisect_left(self._order, since, key=lambda entry: entry[1]))
        found: list[File] = []
        for rank, _modified, number in self._order[start:]:
            file = self.files[number]
            if file.rank != rank:
                continue
            if len(found) == limit:
                return found, found[-1].rank
            found.append(file)
        return found, None


def _record(file: File, key: str | None, remembered: Remembered | None) -> dict[str, Any]:
    record: dict[str, Any] = {"file": asdict(file)}
    if key is not None and remembered is not None:
        record |= {"key": key, "digest": remembered.digest, "answer": remembered.answer}
    return record


def instant(moment: datetime) -> str:
    """In UTC, to the microsecond, always as long: the order of texts is that of instants."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def monday_of(week: str) -> datetime | None:
    """The first day of an ISO week such as 2026-W05; None for a week that does not exist."""
    try:
        return datetime.fromisoformat(f"{week}-1").replace(tzinfo=UTC)
    except ValueError:
        return None


WEEK = timedelta(days=7)
