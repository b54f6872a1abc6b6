"""The documents of the step « MOTIVATION »: kept with the draft as soon as they are posted, whichever button was pressed."""

from __future__ import annotations

from typing import Any

from flask import flash, g, request
from flask_babel import gettext as _
from wtforms import Form

from app.core.documents.files import FileRefused
from app.core.documents.intake import Incoming, all_incoming
from app.core.documents.words import fault_text
from app.core.requests import row_number

from . import documents

#: The field of the files, the button that only attaches, and those that take one away.
FILES, ATTACH, REMOVE = "documents", "joindre", "retirer"


def take_in(state: Any) -> list[str]:
    """Keep what was posted with the draft, once for each request of the web; the sentences of what was refused."""
    if "request_documents" not in g:
        g.request_documents = _take_in(state)
    found: list[str] = g.request_documents
    return found


def asked(state: Any) -> bool:
    """Whether the post only attaches or takes away documents, and could do it."""
    refusals = take_in(state)
    if refusals and request.form.get("go") in ("back", "leave"):
        flash(" ".join(refusals), "warning")
    return (ATTACH in request.form or REMOVE in request.form) and not refusals


def say(form: Form, state: Any) -> bool:
    """Put the refusals beside the field; whether there are none."""
    refusals = take_in(state)
    form[FILES].errors = [*form[FILES].errors, *refusals]
    return not refusals


def _take_in(state: Any) -> list[str]:
    refusals: list[str] = []
    subject, token = state.subject, state.draft.token
    removed = row_number(request.form.get(REMOVE))
    if removed is not None:
        name = documents.remove_from_draft(token, removed)
        if name is not None:
            flash(_("“%(name)s” was taken away.", name=name), "info")
    chosen = [one for one in request.files.getlist(FILES) if one.filename]
    if ATTACH in request.form and not chosen:
        return [_("Choose a file first: PDF, ODT, DOCX, JPEG or PNG.")]
    for file in all_incoming(chosen):
        refusals += _refusal(token, subject, file)
    return refusals


def _refusal(token: Any, subject: Any, file: Incoming) -> list[str]:
    try:
        documents.add_to_draft(
            token,
            organisation_id=subject.action.organisation_id,
            action_id=subject.action.id,
            file=file,
            request_id=subject.correcting.id if subject.correcting is not None else None,
        )
    except FileRefused as refused:
        return [fault_text(refused.fault, file.name, refused.present)]
    return []
