"""Keeping what was typed: one open draft per account, wizard and subject."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, crypto
from app.core.extensions import db
from app.core.tenancy import current_scope
from app.core.transaction import transaction
from app.core.wizard.models import WizardDraft

LIFETIME = timedelta(days=30)
#: How long a finished draft answers a late second click.
FINISHED_LIFETIME = timedelta(days=1)
#: More than any form of the portal; a draft is not a place to store files.
MAX_BYTES = 256 * 1024

#: Open drafts of one account and kind: nobody enters more side by side, and each one costs room for a month.
MAX_OPEN = 50

RawStep = dict[str, list[str]]


class DraftTooLarge(ValueError):
    """What was typed exceeds what a draft may hold."""


class TooManyDrafts(ValueError):
    """The account has ``MAX_OPEN`` drafts of this kind, each of which holds something."""


class NotSignedIn(RuntimeError):
    """A draft belongs to an account; nobody is signed in."""


@dataclass(slots=True)
class Draft:
    """A draft, opened: raw values as posted, by step, and the steps that passed their checks."""

    token: uuid.UUID
    step: str
    steps: dict[str, RawStep] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    memo: dict[str, Any] = field(default_factory=dict)
    updated_at: datetime | None = None
    finished_at: datetime | None = None
    result_url: str | None = None
    #: Set within ``editing`` to forget a draft that this very block began; one that was kept before stays.
    dropped_if_begun: bool = False

    @property
    def is_new(self) -> bool:
        """Whether nothing was saved yet."""
        return self.updated_at is None

    @property
    def is_blank(self) -> bool:
        """Whether it holds nothing: no step done, not one character typed."""
        return not self.done and not any(one.strip() for step in self.steps.values() for many in step.values() for one in many)


def draft_aad(seal_uid: uuid.UUID) -> bytes:
    """The place of a draft's data."""
    return crypto.column_aad("wizard_draft", "data", seal_uid)


def _account() -> int:
    actor = context.actor_id()
    if actor is None:
        raise NotSignedIn
    return actor


def _open(row: WizardDraft) -> Draft:
    stored: dict[str, Any] = {}
    if row.data is not None:
        stored = json.loads(crypto.cipher().decrypt(row.data, draft_aad(row.seal_uid)))
    return Draft(
        token=row.token,
        step=row.step,
        steps=stored.get("steps", {}),
        done=stored.get("done", []),
        memo=stored.get("memo", {}),
        updated_at=row.updated_at,
        finished_at=row.finished_at,
        result_url=row.result_url,
    )


def _open_row(kind: str, subject_key: str, *, lock: bool = False) -> WizardDraft | None:
    statement = (
        select(WizardDraft)
        .where(
            WizardDraft.user_id == _account(),
            WizardDraft.kind == kind,
            WizardDraft.subject_key == subject_key,
            WizardDraft.finished_at.is_(None),
            WizardDraft.expires_at > clock.now(),
        )
        .execution_options(populate_existing=True)
    )
    return db.session.scalar(statement.with_for_update() if lock else statement)


def find_draft(kind: str, subject_key: str) -> Draft | None:
    """Return the account's open draft about a subject: for a link "Reprendre la saisie du …"."""
    row = _open_row(kind, subject_key)
    return _open(row) if row is not None else None


def opened(kinds: Collection[str], subject_key: str | None = None, *, limit: int = 20) -> list[tuple[str, str, Draft]]:
    """Return (kind, subject key, draft) of the account's open drafts of these kinds, newest first, opened: for a list that says whom each concerns.

    ``subject_key`` narrows to one subject, with the several drafts there may be about it (``key:…``).
    """
    statement = select(WizardDraft).where(
        WizardDraft.user_id == _account(), WizardDraft.kind.in_(kinds), WizardDraft.finished_at.is_(None), WizardDraft.expires_at > clock.now()
    )
    if subject_key is not None:
        own = WizardDraft.subject_key
        statement = statement.where((own == subject_key) | own.startswith(f"{subject_key}:", autoescape=True))
    rows = db.session.scalars(statement.order_by(WizardDraft.updated_at.desc(), WizardDraft.id.desc()).limit(limit))
    return [(row.kind, row.subject_key, _open(row)) for row in rows]


def count_open(kind: str, subject_key: str) -> int:
    """How many open drafts of a kind the account has about a subject."""
    own = WizardDraft.subject_key
    open_now = (WizardDraft.user_id == _account(), WizardDraft.kind == kind, WizardDraft.finished_at.is_(None), WizardDraft.expires_at > clock.now())
    about = (own == subject_key) | own.startswith(f"{subject_key}:", autoescape=True)
    return db.session.scalar(select(func.count()).select_from(WizardDraft).where(*open_now, about)) or 0


def fingerprint(draft: Draft, *, leave_out: str = "") -> str:
    """Everything typed in the draft, but for the step ``leave_out``, in one short word: two equal words, the same content."""
    typed = {name: step for name, step in draft.steps.items() if name != leave_out}
    return hashlib.sha256(json.dumps(typed, sort_keys=True).encode()).hexdigest()[:32]


def finished_draft(kind: str, subject_key: str, token: uuid.UUID | None) -> Draft | None:
    """Return the finished draft a page still carries the token of: the act was done already."""
    if token is None:
        return None
    row = db.session.scalar(
        select(WizardDraft).where(
            WizardDraft.user_id == _account(),
            WizardDraft.kind == kind,
            WizardDraft.subject_key == subject_key,
            WizardDraft.token == token,
            WizardDraft.finished_at.is_not(None),
        )
    )
    return _open(row) if row is not None else None


def _sealed(draft: Draft, seal_uid: uuid.UUID) -> bytes:
    plain = json.dumps({"steps": draft.steps, "done": draft.done, "memo": draft.memo}, separators=(",", ":")).encode()
    if len(plain) > MAX_BYTES:
        raise DraftTooLarge("the draft is too large")
    return crypto.cipher().encrypt(plain, draft_aad(seal_uid))


@contextmanager
def editing(
    kind: str, subject_key: str, *, token: uuid.UUID | None, first_step: str, oldest_makes_room: bool = False
) -> Iterator[Draft]:
    """Open the draft for change, locked, creating it if needed, and save it at the end of the block, in one transaction.

    A page that carries the token of a finished draft gets that one, unlocked and not saved: look at ``finished_at``.
    Two tabs of one account share one draft; each step keeps what was sent last.  With ``oldest_makes_room`` the oldest draft of the
    kind goes where one more would be too many, rather than the new one being refused.
    """
    now = clock.now()
    with transaction():
        done = finished_draft(kind, subject_key, token)
        if done is not None:
            yield done
            return
        row = _open_row(kind, subject_key, lock=True)
        begun = row is None
        if row is None:
            row = _create(kind, subject_key, token=token, first_step=first_step, now=now, oldest_makes_room=oldest_makes_room)
            if row is None:  # another click finished it while we waited
                done = finished_draft(kind, subject_key, token)
                if done is None:
                    raise RuntimeError("the draft could not be opened")
                yield done
                return
        draft = _open(row)
        yield draft
        if begun and draft.dropped_if_begun:
            db.session.delete(row)
            return
        row.step = draft.step
        row.updated_at = now
        row.version += 1
        if draft.finished_at is None:
            row.expires_at = now + LIFETIME
            row.data = _sealed(draft, row.seal_uid)
        else:
            row.finished_at, row.result_url = draft.finished_at, draft.result_url
            row.expires_at = now + FINISHED_LIFETIME
            row.data = None


def _create(
    kind: str, subject_key: str, *, token: uuid.UUID | None, first_step: str, now: datetime, oldest_makes_room: bool
) -> WizardDraft | None:
    # An expired draft still holds the place until the purge: it goes now.
    db.session.execute(
        delete(WizardDraft)
        .where(
            WizardDraft.user_id == _account(),
            WizardDraft.kind == kind,
            WizardDraft.subject_key == subject_key,
            WizardDraft.finished_at.is_(None),
            WizardDraft.expires_at <= now,
        )
        .execution_options(synchronize_session=False)
    )
    _make_room(kind, now, oldest_goes=oldest_makes_room)
    row: WizardDraft | None = None
    # A second time when the token is somebody else's: a page of the account that used this browser before.
    for candidate in (token or uuid.uuid4(), uuid.uuid4()):
        seal_uid = uuid.uuid4()
        empty = Draft(token=candidate, step=first_step)
        # Two clicks on a first page at once: the second waits here for the first, then finds its row.
        db.session.execute(
            insert(WizardDraft)
            .values(
                organisation_id=current_scope().organisation_id,
                user_id=_account(),
                kind=kind,
                subject_key=subject_key,
                step=first_step,
                token=candidate,
                seal_uid=seal_uid,
                data=_sealed(empty, seal_uid),
                version=1,
                created_at=now,
                updated_at=now,
                expires_at=now + LIFETIME,
            )
            .on_conflict_do_nothing()
        )
        row = _open_row(kind, subject_key, lock=True)
        if row is not None or finished_draft(kind, subject_key, token) is not None:
            break
    return row


def _make_room(kind: str, now: datetime, *, oldest_goes: bool) -> None:
    """Let one more draft of this kind begin: beyond ``MAX_OPEN`` the oldest one that holds nothing goes, or simply the oldest one.

    Raises TooManyDrafts.
    """
    # One beginning at a time for each account and kind, so that two at once cannot both be the last one allowed.
    db.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"wizard-drafts:{_account()}:{kind}", 0))))
    open_now = (WizardDraft.user_id == _account(), WizardDraft.kind == kind, WizardDraft.finished_at.is_(None), WizardDraft.expires_at > now)
    if (db.session.scalar(select(func.count()).select_from(WizardDraft).where(*open_now)) or 0) < MAX_OPEN:
        return
    # One that another request is writing is not blank: it is passed over, not waited for.
    statement = select(WizardDraft).where(*open_now).order_by(WizardDraft.updated_at, WizardDraft.id).with_for_update(skip_locked=True)
    for row in db.session.scalars(statement.execution_options(populate_existing=True)):
        if oldest_goes or _open(row).is_blank:
            db.session.delete(row)
            db.session.flush()
            return
    raise TooManyDrafts(kind)


def discard(kind: str, subject_key: str) -> bool:
    """Forget the open draft; return whether there was one."""
    with transaction():
        gone = db.session.execute(
            delete(WizardDraft)
            .where(
                WizardDraft.user_id == _account(),
                WizardDraft.kind == kind,
                WizardDraft.subject_key == subject_key,
                WizardDraft.finished_at.is_(None),
            )
            .execution_options(synchronize_session=False)
        )
    return bool(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE gives a cursor result


def discard_about(kind: str, subject_key: str, *, memo: Mapping[str, Any], but: str) -> None:
    """Forget the open drafts about a subject whose memo holds all of ``memo``, but the one of key ``but``; in the transaction under way.

    One that another request is writing is passed over: two acts that end at once must not wait for each other.
    """
    own = WizardDraft.subject_key
    statement = select(WizardDraft).where(
        WizardDraft.user_id == _account(),
        WizardDraft.kind == kind,
        WizardDraft.finished_at.is_(None),
        own != but,
        (own == subject_key) | own.startswith(f"{subject_key}:", autoescape=True),
    )
    for row in db.session.scalars(statement.with_for_update(skip_locked=True).execution_options(populate_existing=True)):
        held = _open(row).memo
        if all(held.get(name) == value for name, value in memo.items()):
            db.session.delete(row)
    db.session.flush()


def close(kind: str, subject_key: str, *, token: uuid.UUID) -> None:
    """What was typed has been sent: the open draft goes, whichever page began it, and the page ``token`` can bring none back.

    The mark that is left is a finished draft without data.  A saving of that page under way at this moment either waits for the mark
    and finds it, or has just put the draft in its place: then it is this one that is finished.
    """
    now = clock.now()
    done: dict[str, Any] = {"data": None, "finished_at": now, "updated_at": now, "expires_at": now + FINISHED_LIFETIME}
    with transaction():
        discard(kind, subject_key)
        mark = insert(WizardDraft).values(
            organisation_id=current_scope().organisation_id,
            user_id=_account(),
            kind=kind,
            subject_key=subject_key,
            step=kind,
            token=token,
            seal_uid=uuid.uuid4(),
            version=1,
            created_at=now,
            **done,
        )
        db.session.execute(mark.on_conflict_do_update(index_elements=["token"], set_=done))


def purge() -> int:
    """Delete the drafts that have expired, open or finished; return how many."""
    with transaction():
        gone = db.session.execute(
            delete(WizardDraft).where(WizardDraft.expires_at <= clock.now()).execution_options(synchronize_session=False)
        )
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE gives a cursor result


def raw_of(formdata: Mapping[str, Any], names: set[str]) -> RawStep:
    """Return the posted values of the named fields, as typed."""
    getlist = getattr(formdata, "getlist", None)
    return {
        name: [str(one) for one in (getlist(name) if getlist else [formdata[name]])]
        for name in sorted(names)
        if name in formdata
    }


__all__ = [
    "MAX_OPEN",
    "Draft",
    "DraftTooLarge",
    "TooManyDrafts",
    "close",
    "count_open",
    "discard",
    "discard_about",
    "editing",
    "find_draft",
    "fingerprint",
    "finished_draft",
    "opened",
    "purge",
    "raw_of",
]
