"""Words and rows for the documents of requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.actions.labels import told_actor
from app.core.documents.words import ACCEPT, limits_text, one_limit_text, size_text
from app.core.ui import allowed
from app.core.ui.format import fr_datetime

from . import documents, labels, signing
from .document_models import DocumentRole, RequestDocument
from .domain import RequestState
from .domain.market import Outcome
from .forms import LetterForm
from .models import ModificationRequest
from .permissions import ASK, SIGN

ROLE_LABELS: dict[str, Any] = {
    DocumentRole.SUPPORTING: _l("Supporting document"),
    DocumentRole.LETTER: _l("Signed letter"),
    DocumentRole.AMENDMENT: _l("Amendment"),
}

def rows(found: Iterable[RequestDocument]) -> list[dict[str, Any]]:
    """Documents as the templates list them."""
    return [
        {
            "id": one.id,
            "name": one.name,
            "role": str(ROLE_LABELS[one.role]),
            "size": size_text(one.size),
            "by": one.account_name,
            "at": one.added_at,
            "request_id": one.request_id,
            "url": url_for("RequestDocumentsView.download", document_id=one.id),
        }
        for one in found
    ]


def cut_text() -> str:
    """What a long list leaves out, and where it is."""
    return _("The %(count)s latest documents are listed; the earlier ones are on the pages of their requests.", count=documents.MOST_LISTED)


def letter_text(state: signing.LetterState) -> tuple[str, str]:
    """Where the letter stands: a tone and a sentence."""
    if state.confirmation is not None:
        one = state.confirmation
        who = told_actor(one.account_name, one.on_behalf_of_name)
        return "success", _("Confirmed on screen by %(name)s on %(when)s.", name=who, when=fr_datetime(one.signed_at))
    if state.letter is not None:
        return "success", _("Signed letter attached by %(name)s on %(when)s.", name=state.letter.account_name, when=fr_datetime(state.letter.added_at))
    if state.outdated:
        return "warning", _("The letter signed before tells what was asked before the correction: the request as it is now needs another one.")
    return "warning", _("Neither signed letter nor confirmation on screen yet.")


def confirmation_text(found: ModificationRequest) -> str:
    """What is confirmed."""
    return _(
        "“%(kind)s”, %(summary)s. You confirm, as the person entitled to commit your organisation, what the letter of this request says: "
        "your name and the date are kept, and shown to the Région.",
        kind=labels.kind_label(found.kind),
        summary=labels.summary(found.asked),
    )


def page_values(found: ModificationRequest) -> dict[str, Any]:
    """For the page of a request: its documents, and where its letter stands."""
    attached, signatures = documents.of_request(found.id), documents.signatures_of(found.id)
    tone, sentence = letter_text(signing.letter_state(found, attached, signatures))
    if tone == "warning" and (not found.is_open or found.treatment == Outcome.RECORD):
        tone = sentence = ""  # nobody waits for its letter any more
    return {
        "attached": attached,
        "signatures": signatures,
        "documents": rows(attached),
        "letter_awaited": tone == "warning" and found.state == RequestState.PENDING,
        "letter_tone": tone,
        "letter_sentence": sentence,
        "amendment_hint": one_limit_text(),
        "accept": ACCEPT,
    }


def letter_acts(found: ModificationRequest, form: LetterForm) -> dict[str, Any]:
    """What the account may do for the letter of a request: attach it once signed, confirm it on screen."""
    waits = signing.may_be_signed(found)
    return {
        "letter_form": form,
        "attaches": waits and allowed(*ASK),
        "signs": waits and allowed(*SIGN),
        "letter_hint": one_limit_text(),
        "confirmation": confirmation_text(found),
    }


def step_values(state: Any) -> dict[str, Any]:
    """For the step « MOTIVATION »: the documents of the draft, and those the request to correct was sent with."""
    correcting = state.subject.correcting
    return {
        "multipart": True,
        "attached": rows(documents.of_draft(state.draft.token)),
        "sent_before": rows(documents.of_request(correcting.id)) if correcting is not None else [],
        "accept": ACCEPT,
        "documents_hint": limits_text(),
    }
