"""What people do with a file: send it, name its columns, mend it, apply it, undo it, give it up.  The long part is a job's (``work``)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Final

import structlog
from sqlalchemy import delete, func, or_, select, update

from app.actions.services import actor_name
from app.core import clock, context, crypto
from app.core.extensions import db
from app.core.jobs import enqueue
from app.core.locks import Lock
from app.core.logs import MASK, NUMBER_IN_NAME, mask_text
from app.core.matrix import Matrix
from app.core.matrix.definition import describe
from app.core.matrix.plan import Act
from app.core.tabular import BULK, Limits
from app.core.tenancy import current_scope
from app.core.transaction import after_commit, transaction
from app.core.workflow import ForbiddenTransition

from . import columns, naming, parts
from .domain import AGAIN, AT_WORK, FORGETTABLE, LIFE, UNDECIDED, UNDECIDED_KEPT, UNDO_KEPT, FileEvent, FileState, Origin, PartKind, Wish
from .matrices import IMPORTERS
from .models import ImportFile

log = structlog.get_logger(__name__)

LIMITS: Final = BULK
JOB: Final = "app.imports.jobs:work"


def limits_of(matrix: Matrix) -> Limits:
    """What is accepted of a file of this matrix."""
    return LIMITS if matrix.most_lines is None else replace(LIMITS, lines=min(LIMITS.lines, matrix.most_lines))


class FileGone(Exception):
    """Another organisation's, given up, or forgotten."""


class FileElsewhere(Exception):
    """The file is not where this act needs it: somebody was faster."""


class SameFile(Exception):
    """This very file is there already: ``file_id``; applied, but for ``aside`` lines that were to be mended, or waiting for somebody to decide."""

    def __init__(self, file_id: int, *, applied: bool, aside: int) -> None:
        super().__init__(file_id)
        self.file_id = file_id
        self.applied = applied
        self.aside = aside


class KeyReused(Exception):
    """The key of this request came with another file, or another wish, before."""


class CountsChanged(Exception):
    """The page that was confirmed said something else, or something of the file changed since it was shown."""


class Unmapped(Exception):
    """Columns named twice, or keys that nothing stands for."""


def receive(
    matrix: str, name: str, content: bytes, *, origin: Origin = Origin.PAGE, program: str = "", token_id: int | None = None, key: str | None = None,
    wish: Wish | None = None,
) -> int:
    """Keep a file and have it read; ``wish`` is then applied of it, if the token is still worth something.  Raises SameFile or KeyReused.

    The caller measures it (``LIMITS.size``).  Of two requests at once, the second waits, and finds what the first one sent.
    """
    importer = IMPORTERS[matrix]
    keys = {asked: request_digest(key, asked) for asked in (None, *Wish)} if key is not None else {}
    request_key = keys.get(wish)
    digests = crypto.index().candidates(hashlib.sha256(content).hexdigest(), purpose="import-file")
    actor = context.actor_id()
    organisation_id = current_scope().organisation_id
    there: SameFile | None = None
    with transaction() as session:
        _alone(organisation_id)
        if request_key is not None:
            asked = session.scalars(select(ImportFile).where(ImportFile.account_id == actor, ImportFile.request_key.in_(keys.values()))).first()
            if asked is not None and (asked.request_key != request_key or asked.matrix != importer.matrix.name or asked.digest not in digests):
                raise KeyReused(asked.id)
            if asked is not None:
                raise _there(asked)
        known = _known(importer.matrix.name, digests)
        if known is not None:
            if known.request_key is None and known.account_id == actor:  # whatever becomes of the file, this request stays answered by it
                known.request_key = request_key
            there = _there(known)
        else:
            file = ImportFile(
                organisation_id=organisation_id, account_id=actor, account_name=actor_name(actor), origin=origin.value, matrix=importer.matrix.name,
                file_name=shown_name(name), size=len(content), digest=digests[0], program=program, token_id=token_id,
                request_key=request_key,
                wish=wish.value if wish is not None else None,
            )  # fmt: skip
            session.add(file)
            session.flush()
            parts.keep_file(file, content)
            number = file.id
            after_commit(lambda: enqueue(JOB, number))
    if there is not None:
        raise there  # after the transaction: what was written of the key stays
    log.info("import_received", file=number, matrix=matrix, size=len(content))
    return number


def request_digest(key: str, wish: Wish | None) -> str:
    """What is kept of the key of a request: it stands for what was to be applied, too."""
    return hashlib.sha256(f"{wish.value if wish is not None else ''}:{key}".encode()).hexdigest()


def _there(file: ImportFile) -> SameFile:
    return SameFile(file.id, applied=file.state in (FileState.APPLIED, FileState.UNDOING), aside=left_aside(file))


def _alone(organisation_id: int | None) -> None:
    """Files of one organisation are taken in one after the other, so that the same one is recognised."""
    db.session.execute(select(func.pg_advisory_xact_lock(int(Lock.IMPORT_SENT), organisation_id)))


def _known(matrix: str, digests: Sequence[bytes]) -> ImportFile | None:
    """The last file of this content that still counts.

    One whose right lines only were applied counts as long as its other lines are there to be checked again; then it is a new file, of which the
    lines that were applied do nothing.
    """
    live = ImportFile.state.in_([*AT_WORK, FileState.TO_MAP, FileState.READY, FileState.APPLIED, FileState.FAILED])
    spent = ImportFile.dropped & (func.coalesce(ImportFile.counts[Act.WRONG.value].as_integer(), 0) > 0)
    same = select(ImportFile).where(ImportFile.matrix == matrix, ImportFile.digest.in_(digests), live, ~spent)
    return db.session.scalars(same.order_by(ImportFile.id.desc()).limit(1)).first()


def left_aside(file: ImportFile) -> int:
    """Of an applied file, the lines that were to be mended and can be checked again."""
    return (file.counts or {}).get(Act.WRONG, 0) if file.state == FileState.APPLIED and not file.dropped else 0


def check_aside(file_id: int, *, origin: Origin = Origin.PAGE, program: str = "", token_id: int | None = None) -> int:
    """Have the content of a file whose right lines only were applied checked anew, as a new import; gives its number.

    What made the other lines wrong may have been mended in the portal; the lines that were applied do nothing again.
    Raises FileGone, FileElsewhere, or SameFile when that was done already.
    """
    actor = context.actor_id()
    with transaction() as session:
        _alone(current_scope().organisation_id)
        source = locked(file_id)
        if not left_aside(source):
            raise FileElsewhere(file_id)
        known = _known(source.matrix, [source.digest])
        if known is not None and known.id > source.id:
            raise _there(known)
        file = ImportFile(
            organisation_id=source.organisation_id, account_id=actor, account_name=actor_name(actor), origin=origin.value, program=program,
            token_id=token_id, matrix=source.matrix, file_name=source.file_name, size=source.size, digest=source.digest,
            state=FileState.CHECKING.value, lines=source.lines, heading=source.heading, columns=source.columns, sheet=source.sheet,
            left_out=source.left_out,
        )  # fmt: skip
        session.add(file)
        session.flush()
        parts.copy(file_id, file, PartKind.ROWS)
        number = file.id
        after_commit(lambda: enqueue(JOB, number))
    log.info("import_checked_aside", file=number, source=file_id)
    return number


def shown_name(name: str) -> str:
    """The name of a file as it may be kept and shown: no folder, no number of a person."""
    bare = PurePath(name.replace("\\", "/")).name
    clean = re.sub(r"[^\w .,()'’&+-]", "_", bare).strip(" .")[-120:] or "fichier"
    return str(mask_text(NUMBER_IN_NAME.sub(MASK, clean)))[:120]


def name_columns(file_id: int, said: Mapping[int, str]) -> None:
    """Say what each heading stands for ("" for nothing) and have the file checked; it is remembered for the organisation.

    Raises FileGone, FileElsewhere or Unmapped.
    """
    with transaction() as session:
        file = locked(file_id)
        file.wish = None  # somebody looks at it
        _name(file, said)
        session.flush()


def name_headings(file_id: int, said: naming.Said, *, check: Callable[[ImportFile], None]) -> bool:
    """The same by a program, heading by heading: every unknown one is decided, and what was wished of the file stands; ``check`` as of ``confirm``.

    Gives whether there was something to do: said again of a file that went on, it does nothing.
    Raises FileGone, FileElsewhere or naming.NotNamed.
    """
    with transaction() as session:
        file = locked(file_id)
        matrix = IMPORTERS[file.matrix].matrix
        if file.state != FileState.TO_MAP:
            if naming.is_named_so(file, matrix, said):
                return False
            raise FileElsewhere(file_id)
        check(file)
        _name(file, naming.judged(file, matrix, naming.places_of(file, matrix, said)))
        session.flush()
    log.info("import_columns_named", file=file_id)
    return True


def _name(file: ImportFile, said: Mapping[int, str]) -> None:
    """Have a file checked with these columns.  Raises FileElsewhere or Unmapped."""
    file_id = file.id
    move(file, FileEvent.MEND)
    matrix = IMPORTERS[file.matrix].matrix
    heading, named = file.heading or [], list(file.columns or [])
    for place, column in said.items():
        if 0 <= place < len(named) and (not column or column in matrix.by_name):
            named[place] = column
    filled = [column for column in named if column]
    keys, _others = columns.missing(named, describe(matrix))
    if len(filled) != len(set(filled)) or keys:
        raise Unmapped
    columns.remember(matrix, file.organisation_id, {heading[place]: named[place] for place in said if place < len(heading) and heading[place]})
    file.columns = named
    after_commit(lambda: enqueue(JOB, file_id))


def ask_columns_again(file_id: int) -> None:
    """Go back from the report to the columns.  Raises FileGone or FileElsewhere."""
    with transaction():
        move(locked(file_id), FileEvent.ASK_COLUMNS)


def check_again(file_id: int) -> None:
    """Have the file compared anew with what is there, also one that could not be applied.  Raises FileGone or FileElsewhere."""
    with transaction():
        file = locked(file_id)
        if file.failed_in == FileState.RECEIVED:  # there are no lines yet
            raise FileElsewhere(file_id)
        file.wish = None  # somebody looks at it
        move(file, FileEvent.CHECK_AGAIN if file.state == FileState.FAILED else FileEvent.MEND)
        after_commit(lambda: enqueue(JOB, file_id))


def retry(file_id: int, *, check: Callable[[ImportFile], None] | None = None) -> None:
    """Take up a file that failed, where it did; ``check`` as of ``confirm``, by programs: taken up by a person, it waits for a decision.

    Raises FileGone or FileElsewhere.
    """
    with transaction():
        file = locked(file_id)
        if check is not None:
            check(file)
        if file.state != FileState.FAILED or file.failed_in is None:
            raise FileElsewhere(file_id)
        if check is None:
            file.wish = None  # somebody looks at it
        move(file, AGAIN[FileState(file.failed_in)])
        after_commit(lambda: enqueue(JOB, file_id))
    log.info("import_retried", file=file_id)


def mark_of(file: ImportFile) -> str:
    """What changes whenever the file does something else: a cell was mended, a line left out, the whole checked again."""
    return f"{file.revision}.{file.checked_at.isoformat() if file.checked_at is not None else ''}"


def as_shown(mark: str) -> Callable[[ImportFile], None]:
    """The ``check`` of ``confirm`` by a person: the file is the one that the page showed (``mark_of``)."""

    def check(file: ImportFile) -> None:
        if file.state == FileState.READY and mark_of(file) != mark:
            raise CountsChanged(file.id)

    return check


def confirm(file_id: int, *, expected: Mapping[str, int], partial: bool, check: Callable[[ImportFile], None] | None = None) -> None:
    """Let the job apply the file: as a whole, or (``partial``) its right lines.

    ``expected``: what the page that was confirmed counted; ``check`` may refuse the file, once locked, by raising.
    Raises FileGone, FileElsewhere or CountsChanged.
    """
    with transaction() as session:
        file = locked(file_id)
        if check is not None:
            check(file)
        move(file, FileEvent.CONFIRM)
        counts = file.counts or {}
        if any(counts.get(name) != count for name, count in expected.items()) or not applicable(counts, partial=partial):
            raise CountsChanged(file_id)
        decided(file, partial=partial)
        session.flush()
        after_commit(lambda: enqueue(JOB, file_id))
    log.info("import_confirmed", file=file_id, partial=partial)


def acting_lines(counts: Mapping[str, int] | None) -> int:
    """How many lines of a file do something, or did."""
    counts = counts or {}
    return counts.get(Act.CREATE, 0) + counts.get(Act.CHANGE, 0)


def applicable(counts: Mapping[str, int], *, partial: bool) -> bool:
    """Whether there is something to apply, and (but for ``partial``) nothing to mend."""
    return bool(acting_lines(counts)) and (partial or not counts.get(Act.WRONG))


def decided(file: ImportFile, *, partial: bool) -> None:
    """Write down who had the file applied, and what of it."""
    file.partial, file.held, file.applied_by, file.decided_by_id = partial, False, actor_name(context.actor_id()), context.actor_id()


def undo(file_id: int, *, check: Callable[[ImportFile], None] | None = None) -> None:
    """Have an applied file taken back; ``check`` as for ``confirm``.  Raises FileGone or FileElsewhere."""
    with transaction() as session:
        file = locked(file_id)
        if check is not None:
            check(file)
        if file.dropped:
            raise FileElsewhere(file_id)
        move(file, FileEvent.UNDO)
        file.held, file.undone_by, file.decided_by_id = False, actor_name(context.actor_id()), context.actor_id()
        session.flush()
        after_commit(lambda: enqueue(JOB, file_id))
    log.info("import_undo", file=file_id)


def give_up(file_id: int) -> None:
    """Forget a file about which nothing was decided, whoever is at work on it.  Raises FileGone or FileElsewhere."""
    with transaction() as session:
        file = locked(file_id)
        if file.state not in FORGETTABLE:
            raise FileElsewhere(file_id)
        session.delete(file)
    log.info("import_given_up", file=file_id)


def purge() -> int:
    """Forget the files that nobody decided about, and drop what old imports hold of people; gives how many."""
    now = clock.now()
    with transaction() as session:
        undecided = delete(ImportFile).where(ImportFile.state.in_([one.value for one in UNDECIDED]), ImportFile.created_at < now - UNDECIDED_KEPT)
        count = int(session.execute(undecided).rowcount)  # type: ignore[attr-defined]
        old = session.scalars(
            select(ImportFile.id)
            .where(
                ~ImportFile.dropped,
                or_(
                    (ImportFile.state == FileState.APPLIED.value) & (ImportFile.applied_at < now - UNDO_KEPT),
                    (ImportFile.state == FileState.UNDONE.value) & (ImportFile.undone_at < now - UNDECIDED_KEPT),
                ),
            )
            .order_by(ImportFile.id)
            .limit(200)
            .with_for_update(skip_locked=True)  # nobody undoes one of them meanwhile: what somebody decides now is not forgotten
        ).all()
        for file_id in old:
            parts.drop(file_id)
        over = update(ImportFile).where(ImportFile.id.in_(old)).values(dropped=True, failed_in=None, failed_reference="")
        session.execute(over.execution_options(synchronize_session=False))
    return count + len(old)


def due() -> list[int]:
    """Files whose job was lost."""
    free = or_(ImportFile.leased_until.is_(None), ImportFile.leased_until < clock.now())
    statement = select(ImportFile.id).where(ImportFile.state.in_([one.value for one in AT_WORK]), free).order_by(ImportFile.id).limit(50)
    return list(db.session.scalars(statement))


# ---- parts -------------------------------------------------------------------------------------------------------------


def locked(file_id: int) -> ImportFile:
    """The file, locked until the end of the transaction.  Raises FileGone."""
    statement = select(ImportFile).where(ImportFile.id == file_id).with_for_update().execution_options(populate_existing=True)
    file = db.session.scalars(statement).one_or_none()
    if file is None:
        raise FileGone(file_id)
    return file


def move(file: ImportFile, event: FileEvent) -> None:
    """Go on in the life of a file.  Raises FileElsewhere."""
    try:
        target = LIFE.target(FileState(file.state), event)
    except ForbiddenTransition as error:
        raise FileElsewhere(file.id) from error
    file.state, file.phase, file.done, file.total = target.value, None, 0, 0
    file.tries, file.deaths, file.failed_in, file.failed_reference = 0, 0, None, ""


__all__ = [
    "JOB", "LIMITS", "CountsChanged", "FileElsewhere", "FileGone", "KeyReused", "SameFile", "Unmapped", "acting_lines", "applicable", "as_shown",
    "ask_columns_again", "check_again", "check_aside", "confirm", "decided", "due", "give_up", "left_aside", "limits_of", "locked", "mark_of", "move",
    "name_columns", "name_headings", "purge", "receive", "retry", "shown_name", "undo",
]  # fmt: skip
