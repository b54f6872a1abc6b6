"""Files about enrolments: what they would do, found by doing it and taking it back; then done; then undone as far as the portal's own acts allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.actions.services import lock_action
from app.core.concurrency import StaleError
from app.core.errors_db import field_of, translate
from app.core.extensions import db
from app.core.matrix import Matrix
from app.core.matrix.checking import Checked, Checker
from app.core.matrix.plan import About, Act, Difference, Done, Kept, Plan, Progress, Step
from app.core.outbox.publishing import subjects_held
from app.core.tabular.table import Cell
from app.core.transaction import part, rehearsal

from .. import labels
from ..domain import Refused
from ..models import Enrolment, Registration
from ..services.enrolment import hold_messages
from ..standing import rehearsed_entries
from . import undoing
from .about import about
from .columns import COLUMN_OF
from .deeds import Deed
from .enrolments import EnrolmentLines, Line, Now, bare, last, short
from .lines import batches, number_of

T = TypeVar("T")

#: Lines rehearsed at once, behind locks that everybody else waits for: about a second.  Of these at once the people are read.
_PIECE = 25


@dataclass(frozen=True, slots=True)
class Judged:
    """What a line comes to: an act, or nothing new."""

    deed: Deed | None = None
    act: Act = Act.SAME
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class EnrolmentImporter:
    """One of the matrices about enrolments (``core.matrix.plan.Importer``)."""

    matrix: Matrix
    #: What a line comes to, given the enrolments of its trainee on its component; what is wrong is said to the lines (None).
    judge: Callable[[EnrolmentLines, Line, Sequence[Now]], Judged | None]
    #: A file speaks once of a trainee on a component, told apart by these cells; None: as often as it likes.
    once: tuple[str, ...] | None = ()
    #: Whether it makes enrolments, for which people and programme are read at once.
    enrols: bool = False
    #: Whether a line may move the day of an entry, which holds the action alone (``services.enrolment.change_plan``).
    moves: bool = True

    def shares(self, cells: Mapping[str, Cell]) -> Hashable | None:
        """The lines about one enrolment follow one another: of one action, one component and one name, since a name that differs is an error."""
        action, name, component = (cells[one].text if one in cells else "" for one in ("action_number", "birth_name", "component_number"))
        return (number_of(action), bare(name), short(component)) if action and name and component else None

    def plan(self, checker: Checker, checked: Checked, progress: Progress, *, lock: bool) -> Plan:
        """The use cases themselves say what is wrong: each line is done, and everything is taken back, a piece after the other.

        The lines about one registration are in one piece, in their order, since what the first does bears on the next.  Of the other lines of
        the action one thing bears on them: the entries, which the pieces before hand on (``standing.rehearsed_entries``).
        """
        lines = EnrolmentLines(checker, checked, lock=False)
        resolved = lines.resolve()
        if self.once is not None:
            _refuse_twice(lines, resolved, self.once)
        groups: dict[int, list[Line]] = {}
        for line in resolved:
            groups.setdefault(line.where.id, []).append(line)
        moving = self._moving(lines, resolved)
        if lock:
            _lock(groups, {line.where.id for line in resolved if line.place in moving}, resolved)
        steps: dict[int, Step] = {}
        ended, total = 0, len(resolved)
        for action_id in sorted(groups):
            entries: dict[int, date] = {}
            for some in _together(groups[action_id]):
                progress(ended, total)
                with rehearsal(), subjects_held(), rehearsed_entries(dict(entries)):  # taken back: no order to keep
                    # two dry runs wait for each other, never in a circle
                    _lock([action_id], {action_id} if any(line.place in moving for line in some) else set(), some)
                    held = lines.load([line.key[0] for line in some]) if self.enrols else None
                    group = _Group(self, lines, some, ended, entries)
                    steps |= {line.place: step for line in some if (step := group.judge(line)) is not None}
                    del held
                ended += len(some)
        progress(total, total)
        return Plan([steps[place] for place in sorted(steps)], lines.findings())

    def _moving(self, lines: EnrolmentLines, resolved: Sequence[Line]) -> set[int]:
        """The places of the lines whose use case will hold the action alone: a shared lock is never raised, two files would wait for each other for ever."""
        if not self.moves:
            return set()
        moving = [line for line in resolved if lines.at("planned_start", line.place) is not None]
        now = lines.now(line.key for line in moving)
        found = set()
        for line in moving:
            held = last(now.get(line.key, []))  # whichever the judges take: one held alone for nothing does no harm
            if held is not None and held.planned_start != lines.at("planned_start", line.place):
                found.add(line.place)
        return found

    def apply(self, plan: Plan, progress: Progress) -> list[Done]:
        """The same, and it stays, in the order in which it was rehearsed."""
        acting = sorted((step for step in plan.steps if step.data is not None), key=lambda step: step.data.turn)
        versions = _versions({step.data.enrolment_id for step in acting})
        ahead = Counter(step.data.enrolment_id for step in acting)
        done: list[Done] = []
        with subjects_held():  # the plan locked them
            for some in _pieces(acting):
                progress(len(done), len(acting))
                held = EnrolmentLines.load([step.data.key[0] for step in some]) if self.enrols else None
                for step in some:
                    deed: Deed = step.data
                    enrolment_id = deed.do(versions.get(deed.enrolment_id, 0))
                    done.append(Done(step.line, deed.subject, enrolment_id, 0, deed.kept()))
                    ahead[enrolment_id] -= 1
                    if ahead[enrolment_id] > 0:
                        versions |= _versions({enrolment_id})
                del held
        versions = _versions({one.subject_id for one in done})
        for one in done:  # of an enrolment that several lines changed, the last version is what is looked for when they are undone
            one.version = versions[one.subject_id]
        progress(len(acting), len(acting))
        return done

    def undo(self, done: list[Done], progress: Progress) -> list[Kept]:
        """See ``undoing``."""
        return undoing.undo(done, progress)

    def foresee(self, pieces: Iterable[Sequence[Done]]) -> list[Kept]:
        """See ``undoing``."""
        return undoing.foresee(pieces)

    def about(self, subjects: Collection[tuple[str, int]]) -> dict[tuple[str, int], About]:
        """See ``about``."""
        return about(subjects)


class _Group:
    """Lines about one action, one after the other; ``entries``: the days of the entries that they make or move are written there."""

    def __init__(self, importer: EnrolmentImporter, lines: EnrolmentLines, group: Sequence[Line], turn: int, entries: dict[int, date]) -> None:
        self.importer = importer
        self.lines = lines
        self.turn = turn
        self.entries = entries
        self.now = lines.now({line.key for line in group})
        self.ahead = Counter(line.key for line in group)
        #: The first line about each enrolment with something to mend.
        self.broken: dict[tuple[int, int], int] = {}

    def judge(self, line: Line) -> Step | None:
        """The step of a line, done; None when something is wrong, which is said."""
        lines, number = self.lines, line.number
        self.ahead[line.key] -= 1
        if number in lines.found:
            self.broken.setdefault(line.key, number)
            return None
        if line.key in self.broken:
            lines.wrong(number, "", _(
                "Line %(line)s is about the same enrolment and comes before: mend it first, this one is judged after it.", line=self.broken[line.key]
            ), other=self.broken[line.key])
            for name, message in lines.alone(line.place, number):  # what it lacks by itself does not wait
                lines.wrong(number, name, message)
            return None
        judged = self.importer.judge(lines, line, self.now.get(line.key, []))
        if judged is None or judged.deed is not None:
            lines.must_be_open(number, line.where)
        if number in lines.found or judged is None:
            self.broken.setdefault(line.key, number)
            return None
        if judged.deed is not None:
            if not self._do(number, line.key, judged.deed):
                self.broken.setdefault(line.key, number)
                return None
            if self.ahead[line.key]:
                self.now |= lines.now([line.key])
        return Step(number, judged.act, judged.deed, judged.differences)

    def _do(self, number: int, key: tuple[int, int], deed: Deed) -> bool:
        """Do it as a page would; whether it was done, else why not is said."""
        try:
            with part():
                enrolment_id = deed.do(next((one.version for one in self.now.get(key, ()) if one.id == deed.enrolment_id), 0))
        except Refused as refused:
            for problem in refused.problems:
                self._say(number, problem.field, str(labels.problem_text(problem)))
        except StaleError:
            self._say(number, "", _("Somebody modified this enrolment meanwhile: have the file checked again."))
        except LookupError:
            self._say(number, "component_number", _("This enrolment is no longer there: have the file checked again."))
        except IntegrityError as error:
            self._say(number, field_of(error) or "", translate(error))
        else:
            self.turn += 1
            deed.turn = self.turn
            if deed.entry is not None:
                self.entries[enrolment_id] = deed.entry
            return True
        return False

    def _say(self, number: int, name: str, message: str) -> None:
        column = COLUMN_OF.get(name, name)
        self.lines.wrong(number, column if column in self.importer.matrix.by_name else "", message)


def _refuse_twice(lines: EnrolmentLines, resolved: Sequence[Line], once: Sequence[str]) -> None:
    """Two lines about one enrolment; a blank cell may stand for any."""
    seen: dict[tuple[int, int], dict[tuple[Any, ...], int]] = {}
    for line in resolved:
        if lines.has(line.number, *once):
            continue
        told = tuple(lines.at(name, line.place) for name in once)
        before = seen.setdefault(line.key, {})
        first = next((number for other, number in before.items() if all(None in pair or pair[0] == pair[1] for pair in zip(told, other, strict=True))), None)
        if first is None:
            before[told] = line.number
        else:
            lines.wrong(line.number, "", _("The same trainee is already on line %(line)s for this component: keep one of the two lines.", line=first))


def _lock(actions: Iterable[int], alone: set[int], resolved: Sequence[Line]) -> None:
    """What the file depends on, in the order in which the use cases lock: actions, messages, sheets, enrolments."""
    for action_id in sorted(actions):
        lock_action(action_id, share=action_id not in alone)
    keys = {line.key for line in resolved}
    enrolments = sorted(one.id for held in EnrolmentLines.now(keys).values() for one in held)
    for ids in batches(enrolments):
        hold_messages(*ids)
    for ids in batches(sorted({registration_id for registration_id, _component in keys})):
        db.session.execute(select(Registration.id).where(Registration.id.in_(ids)).order_by(Registration.id).with_for_update()).all()
    for ids in batches(enrolments):
        db.session.execute(select(Enrolment.id).where(Enrolment.id.in_(ids)).order_by(Enrolment.id).with_for_update()).all()


def _together(group: Sequence[Line]) -> Iterator[Sequence[Line]]:
    """The lines of an action in pieces: those about one registration follow one another, in the piece of the first of them."""
    about: dict[int, list[Line]] = {}
    for line in group:
        about.setdefault(line.key[0], []).append(line)
    some: list[Line] = []
    for theirs in about.values():
        if some and len(some) + len(theirs) > _PIECE:
            yield some
            some = []
        some += theirs
    yield some


def _pieces(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + _PIECE] for start in range(0, len(items), _PIECE))


def _versions(ids: Iterable[int]) -> dict[int, Any]:
    db.session.flush()
    found: dict[int, Any] = {}
    for some in batches(sorted(ids)):
        found |= {row.id: row.version for row in db.session.execute(select(Enrolment.id, Enrolment.version).where(Enrolment.id.in_(some)))}
    return found


__all__ = ["EnrolmentImporter", "Judged"]
