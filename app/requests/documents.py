"""Documents of the modification requests (guide 003 §2, « MOTIVATION » and its pieces): taken in, listed, given out.

The bytes are read one document at a time, by who downloads it.
"""

from __future__ import annotations

import uuid

from sqlalchemy import ColumnElement, or_, select

from app.actions.services import actor_name
from app.core import context
from app.core.documents.files import FileRefused
from app.core.documents.intake import Checked, Incoming, check, room_fault, weight_of
from app.core.extensions import db
from app.core.transaction import transaction

from . import services
from .document_models import DocumentRole, RequestDocument, RequestDocumentContent, RequestSignature
from .models import ModificationRequest

# ---- reads ------------------------------------------------------------------------------------------------------------


def of_draft(token: uuid.UUID) -> list[RequestDocument]:
    """Those of a draft, in the order they came."""
    return list(db.session.scalars(select(RequestDocument).where(RequestDocument.draft_token == token).order_by(RequestDocument.id)))


def of_request(request_id: int) -> list[RequestDocument]:
    """Those of a request, in the order they came."""
    return list(db.session.scalars(select(RequestDocument).where(RequestDocument.request_id == request_id).order_by(RequestDocument.id)))


#: How many documents the page of an action lists.
MOST_LISTED = 200


def of_action(action_id: int) -> tuple[list[tuple[RequestDocument, str]], bool]:
    """Those of all the requests of an action, with the kind of the request, the latest first; and whether there are older ones, which are not listed."""
    statement = (
        select(RequestDocument, ModificationRequest.kind)
        .join(ModificationRequest, ModificationRequest.id == RequestDocument.request_id)
        .where(RequestDocument.action_id == action_id)
        .order_by(RequestDocument.id.desc())
        .limit(MOST_LISTED + 1)
    )
    found = [(row[0], row[1]) for row in db.session.execute(statement)]
    return found[:MOST_LISTED], len(found) > MOST_LISTED


def signatures_of(request_id: int) -> list[RequestSignature]:
    """The confirmations of the letter, the latest first."""
    return list(db.session.scalars(select(RequestSignature).where(RequestSignature.request_id == request_id).order_by(RequestSignature.id.desc())))


def content_of(document_id: int) -> tuple[RequestDocument, bytes] | None:
    """A document with its bytes; None outside the scope, and for the draft of somebody else."""
    row = db.session.execute(
        select(RequestDocument, RequestDocumentContent.data)
        .join(RequestDocumentContent, RequestDocumentContent.id == RequestDocument.id)
        .where(RequestDocument.id == document_id, or_(RequestDocument.request_id.is_not(None), RequestDocument.account_id == context.actor_id()))
    ).one_or_none()
    return None if row is None else (row[0], row[1])


# ---- use cases --------------------------------------------------------------------------------------------------------


def add_to_draft(token: uuid.UUID, *, organisation_id: int, action_id: int, file: Incoming, request_id: int | None = None) -> RequestDocument:
    """Keep a document with a draft, which the caller locked; ``request_id``: the request it corrects.  Raises FileRefused."""
    present = or_(RequestDocument.draft_token == token, RequestDocument.request_id == (request_id or 0))
    fresh = RequestDocument(organisation_id=organisation_id, action_id=action_id, draft_token=token, role=DocumentRole.SUPPORTING.value)
    return _store(check(file), present, fresh)


def remove_from_draft(token: uuid.UUID, document_id: int) -> str | None:
    """Take a document out of a draft; its name, or None when the draft has no such document."""
    with transaction() as session:
        found = session.scalar(select(RequestDocument).where(RequestDocument.id == document_id, RequestDocument.draft_token == token))
        if found is None:
            return None
        session.delete(found)
        session.flush()
        return found.name


def send_with(token: uuid.UUID, request_id: int) -> None:
    """The documents of the draft become those of the request, in the transaction that sends it."""
    with transaction() as session:
        sent = of_draft(token)
        for one in sent:
            one.request_id, one.draft_token = request_id, None
        session.flush()
        if sent:
            services.restate(session.scalars(select(ModificationRequest).where(ModificationRequest.id == request_id)).one())
            session.flush()


def attach(request: ModificationRequest, role: DocumentRole, file: Checked, *, stated: str | None = None) -> RequestDocument:
    """Add the letter or the amendment to a request that was sent, which the caller locked, after its action.  Raises FileRefused.

    Pieces come with the draft that sends or corrects it (``send_with``): its letter lists them.
    """
    fresh = RequestDocument(
        organisation_id=request.organisation_id, action_id=request.action_id, request_id=request.id, role=role.value, stated=stated
    )  # fmt: skip
    return _store(file, RequestDocument.request_id == request.id, fresh)


def _store(file: Checked, present: ColumnElement[bool], fresh: RequestDocument) -> RequestDocument:
    # Counted by role: the pieces of a request never bar the way to its letter or to its amendment. Refused
    # before the transaction is joined: one that is under way goes on without this file.
    found = db.session.execute(select(RequestDocument.sha256, RequestDocument.name).where(present, RequestDocument.role == fresh.role)).all()
    fault = room_fault(file, [row.sha256 for row in found], weight_of(fresh.organisation_id))
    if fault is not None:
        raise FileRefused(fault, next((row.name for row in found if row.sha256 == file.sha256), ""))
    with transaction() as session:
        fresh.keep(file, account_id=context.actor_id(), account_name=actor_name(context.actor_id()))
        session.add(fresh)
        session.flush()
        session.add(RequestDocumentContent(id=fresh.id, organisation_id=fresh.organisation_id, data=file.content))
        session.flush()
    return fresh


def decide_with(request_id: int, decision: services.Decision, amendment: Incoming | None) -> None:
    """Decide, and keep the document of the amendment with the request: both, or neither.  Raises what ``services.decide`` does, or FileRefused."""
    checked = None if amendment is None else check(amendment)
    with transaction() as session:
        services.decide(request_id, decision)
        if checked is not None:
            attach(session.scalars(select(ModificationRequest).where(ModificationRequest.id == request_id)).one(), DocumentRole.AMENDMENT, checked)
