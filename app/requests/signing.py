"""The letter of a request (guide 003 §2: « un courrier validé par une personne habilitée »): signed on paper and attached, or confirmed on screen.

Either holds for what the request asked then: one that was corrected since needs another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from app.actions.services import ActionNotFound, actor_name, lock_action
from app.core import context
from app.core.documents.intake import Incoming, check
from app.core.extensions import db
from app.core.transaction import transaction

from . import documents, queries, services
from .document_models import DocumentRole, RequestDocument, RequestSignature
from .domain import RequestState
from .models import ModificationRequest


@dataclass(frozen=True, slots=True)
class LetterState:
    """What stands for the request as it is now; ``outdated``: only letters of before a correction."""

    confirmation: RequestSignature | None = None
    letter: RequestDocument | None = None
    outdated: bool = False


def may_be_signed(request: ModificationRequest) -> bool:
    """As long as the Région has it and has not decided."""
    return request.state == RequestState.PENDING


def letter_state(request: ModificationRequest, attached: Sequence[RequestDocument], signatures: Sequence[RequestSignature] | None = None) -> LetterState:
    """Where the letter stands; ``attached``: the documents of the request, ``signatures``: its confirmations, where they were read already."""
    if signatures is None:
        signatures = documents.signatures_of(request.id)
    stated = request.stated
    letters = [one for one in attached if one.role == DocumentRole.LETTER]
    return LetterState(
        confirmation=next((one for one in signatures if one.stated == stated), None),
        letter=next((one for one in reversed(letters) if one.stated == stated), None),
        outdated=bool(letters or signatures),
    )


def attach_letter(request_id: int, file: Incoming, *, version: int) -> None:
    """Keep the signed letter with its request.  Raises RequestNotFound, Overtaken when it changed since the page, or FileRefused."""
    checked = check(file)
    with transaction():
        action_id = db.session.scalars(select(ModificationRequest.action_id).where(ModificationRequest.id == request_id)).one_or_none()
        if action_id is None:
            raise services.RequestNotFound(request_id)
        # The line of the document takes a share of its action: first, as all who lock a request lock its action before.
        try:
            lock_action(action_id, share=True)
        except ActionNotFound:
            raise services.RequestNotFound(request_id) from None
        request = _locked(request_id, version)
        documents.attach(request, DocumentRole.LETTER, checked, stated=request.stated)


def confirm(request_id: int, *, version: int) -> None:
    """The account at work, which is entitled to sign, confirms the letter; twice is once.  Raises RequestNotFound, or Overtaken."""
    with transaction() as session:
        request = _locked(request_id, version)
        stated = request.stated
        if any(one.stated == stated for one in documents.signatures_of(request_id)):
            return
        actor_id, behalf_id = context.actor_id(), context.on_behalf_of()
        session.add(
            RequestSignature(
                organisation_id=request.organisation_id,
                request_id=request.id,
                stated=stated,
                account_id=actor_id,
                account_name=actor_name(actor_id),
                on_behalf_of_id=behalf_id,
                on_behalf_of_name=actor_name(behalf_id),
            )
        )
        session.flush()


def _locked(request_id: int, version: int) -> ModificationRequest:
    """The request, locked; whoever needs its action too locked that before, so that nobody waits for somebody who waits for them."""
    statement = select(ModificationRequest).where(ModificationRequest.id == request_id).with_for_update(of=ModificationRequest)
    request = db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if request is None:
        raise services.RequestNotFound(request_id)
    if request.version != version or not may_be_signed(request):
        raise services.Overtaken(request, queries.last_event(request_id))
    return request
