"""What is typed into an edit page is kept as it is typed, and is there again when the page is opened the next time.

For every page of a :class:`app.core.concurrency.VersionedForm`, without a line of its own: the page carries the sealed word of
``core.presence``, by which it may keep the draft of its own account, and the draft goes by the address the form is sent to.  With the
fields it keeps the version and the sealed values that the person had seen: what is resumed later is compared with those.

A page whose values are not those of one row (the rights of an account, the decision on a request) has a field ``row_kept`` and asks
:func:`by_hand` for what it should show.

The draft is the account's alone (``core.wizard.models``), encrypted, and goes with the other drafts.  It ends when the form is accepted.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

import structlog
from flask import Flask, Response, has_request_context, request
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField

from app.core import clock, context, presence, tenancy

log = structlog.get_logger(__name__)

#: The kind of these drafts, and of their only step.
KIND: Final = "page"
#: The parameter of an address that asks for the page as it was typed.
RESUME: Final = "brouillon"
#: The field that says where the form is sent to.
PATH: Final = "row_path"
#: The field of a page that is no ``VersionedForm``, and gives its draft back all the same.
BY_HAND: Final = "row_kept"
#: The boxes of the NIR and of its key: asked again when what was typed is taken up.
NUMBER_BOXES: Final = frozenset({"nir", "key"})
#: How the names of the hidden fields begin that hold the version and the sealed values of the page.
SEALED: Final = "row_"
_LONGEST_PATH: Final = 2000
_DRAFT, _TOLD, _SENT = "page_draft", "page_draft.told", "page_draft.sent"


class NotAnEditPage(ValueError):
    """The word is not that of an edit page of this account."""


class AlreadySent(ValueError):
    """The page was accepted meanwhile: what it still keeps comes too late."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the page under way says of the draft there is: from when it is, whether it is shown, and where its form is sent to."""

    at: datetime
    resumed: bool
    address: str


def _store() -> dict[Any, Any]:
    from app.core.ui.store import request_store  # the layout shows what is told here

    return request_store()


def _key(path: str) -> str:
    """An address may be longer than the key of a draft."""
    return hashlib.sha256(path.encode()).hexdigest()


def _token(word: str) -> uuid.UUID:
    """The number of one showing of a page, from its sealed word, of which there are no two alike."""
    return uuid.UUID(bytes=hashlib.sha256(word.encode()).digest()[:16])


def _raw(fields: MultiDict[str, str]) -> dict[str, list[str]]:
    """What was typed, but for secrets and the number of a person: its boxes are left out, and in a text it is masked."""
    from app.core.nir.text import without_numbers
    from app.core.ui.error_pages import NOT_KEPT

    never = {*NOT_KEPT, *NUMBER_BOXES, presence.PAGE, PATH}
    kept = {name: fields.getlist(name) for name in fields if name not in never and not name.endswith("-csrf_token")}
    return {name: many if name.startswith(SEALED) else [without_numbers(one) for one in many] for name, many in kept.items()}


# ---- keeping -----------------------------------------------------------------------------------------------------------


def save(word: str | None, path: str, fields: MultiDict[str, str]) -> None:
    """Keep what is typed so far.  Raises NotAnEditPage, AlreadySent, or ``wizard.drafts.DraftTooLarge``."""
    from app.core.concurrency import CHOICE
    from app.core.wizard import drafts

    # A page without the values it showed has nothing to give a draft back with.
    if not word or not ("row_base" in fields or BY_HAND in fields) or tenancy.current_scope().observes or not presence.is_own(word):
        raise NotAnEditPage
    # The conflict page compares with what stands by now, and has answers besides: its fields alone would overwrite what they left.
    if not path.startswith("/") or len(path) > _LONGEST_PATH or any(name.startswith(CHOICE) for name in fields):
        raise NotAnEditPage
    path = unquote(path).removeprefix(request.script_root)
    with drafts.editing(KIND, _key(path), token=_token(word), first_step=KIND, oldest_makes_room=True) as draft:
        late = draft.finished_at is not None
        if not late:
            draft.steps = {KIND: _raw(fields)}
    if late:
        raise AlreadySent


def discard(path: str) -> bool:
    """Forget what was typed into the page of that address; return whether there was something."""
    from app.core.wizard import drafts

    return drafts.discard(KIND, _key(unquote(path).removeprefix(request.script_root)))


# ---- when the page is opened -------------------------------------------------------------------------------------------


def _of_page(path: str | None = None) -> Any:
    """The draft of the form that is sent to ``path`` (the page under way by default), read once; None when there is none."""
    from app.core.crypto import CryptoError
    from app.core.wizard import drafts

    store = _store()
    path = (path or request.path).removeprefix(request.script_root)
    place = (_DRAFT, path)
    if place not in store:
        store[place] = None
        if context.actor_id() is not None and not tenancy.current_scope().observes:
            try:
                store[place] = drafts.find_draft(KIND, _key(path))
            except (CryptoError, ValueError) as error:  # sealed with a key that is gone: the page opens all the same
                log.warning("page_draft_unreadable", error=type(error).__name__)
    return store[place]


def _fields(draft: Any) -> MultiDict[str, str]:
    return MultiDict((name, one) for name, many in draft.steps.get(KIND, {}).items() for one in many)


def to_resume() -> MultiDict[str, str] | None:
    """What was typed, when the page was asked for with it and there is something."""
    if not has_request_context() or request.method != "GET" or not request.args.get(RESUME):
        return None
    draft = _of_page()
    return None if draft is None else _fields(draft)


def tell_of(form: Any, row: Any) -> None:
    """Have the page say that something was typed before, when the form, filled from the row or from the draft, is shown."""
    if not has_request_context() or request.method != "GET":
        return
    draft = _of_page()
    if draft is not None and draft.updated_at is not None and (form.resumed or _says_more(form, row, _fields(draft))):
        _store()[_TOLD] = Told(clock.to_local(draft.updated_at), form.resumed, request.path)


def by_hand(path: str, says_more: Callable[[MultiDict[str, str]], bool]) -> MultiDict[str, str] | None:
    """For a page that is no ``VersionedForm``, whose form is sent to ``path``: what was typed, when the page was asked for with it.

    Otherwise the page tells that something was typed before, when sending it would change anything: ``says_more`` of its fields.
    """
    if request.method != "GET" or (draft := _of_page(path)) is None:
        return None
    fields, resumed = _fields(draft), bool(request.args.get(RESUME))
    if draft.updated_at is not None and (resumed or says_more(fields)):
        _store()[_TOLD] = Told(clock.to_local(draft.updated_at), resumed, path)
    return fields if resumed else None


def told() -> Told | None:
    """What the page under way says of a draft; None for nothing."""
    found: Told | None = _store().get(_TOLD)
    return found


def _says_more(form: Any, row: Any, typed: MultiDict[str, str]) -> bool:
    """Whether sending the draft would change anything: a field in which it differs from the page, and from what its author had seen."""
    from app.core.concurrency import canonical, open_base

    base = open_base(form, row, typed.get("row_base")) or {}
    for field in form:
        if getattr(field.widget, "input_type", "") in ("hidden", "password", "file", "submit"):
            continue
        if field.name not in typed and not isinstance(field, BooleanField) and not getattr(field.widget, "multiple", False):
            continue  # the page did not show it, or nothing was chosen
        read = object.__new__(type(field))  # the same field, which reads something else
        read.__dict__.update(field.__dict__)
        read.process(typed, field.object_data)
        if read.process_errors:
            return True
        mine = canonical(read.data)
        if mine != canonical(field.data) and (field.name not in base or mine != base[field.name]):
            return True
    return False


# ---- when the form is sent ---------------------------------------------------------------------------------------------


def note_sent(word: str | None) -> None:
    """The form of an edit page is being answered."""
    if word and has_request_context() and request.method == "POST":
        _store()[_SENT] = word


def _settle(response: Response) -> Response:
    """The form was accepted: its draft has served.  It was refused: what was sent is kept as if it had been typed just now."""
    word = _store().get(_SENT)
    if word is None or not presence.is_own(word) or tenancy.current_scope().observes:
        return response
    accepted = response.status_code in (302, 303) or "HX-Redirect" in response.headers
    if not accepted and response.status_code not in (409, 422):
        return response
    from app.core.extensions import db
    from app.core.wizard import drafts

    db.session.rollback()  # nothing that the view left undone goes along
    try:
        if accepted:
            drafts.close(KIND, _key(request.path), token=_token(word))
        else:
            save(word, request.path, request.form)
    except (NotAnEditPage, AlreadySent, drafts.DraftTooLarge):
        pass
    except Exception as error:  # the form itself is saved, or shown again with its errors: that is what has to be answered
        db.session.rollback()
        log.warning("page_draft_not_settled", error=type(error).__name__)
    return response


def init_app(app: Flask) -> None:
    """Look after the draft of each edit form that is answered."""
    app.after_request(_settle)
