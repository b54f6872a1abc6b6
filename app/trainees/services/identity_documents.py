"""Documents of the requests for the correction of an identity: a copy of an identity card, a certificate of social security (domain-facts §4.2).

They hold a NIR and a face: their bytes are encrypted, each under a key of its own, and each reading is journaled as that of a number is.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from flask import current_app
from sqlalchemy import delete, select, update
from sqlalchemy.orm import undefer

from app.actions.services import actor_name
from app.core import clock, context, crypto
from app.core.documents.files import FileFault
from app.core.documents.intake import Checked, FilesRefused, Incoming, check_all, room_fault, weight_of
from app.core.extensions import db
from app.core.nir.reading import journal_reading
from app.core.transaction import transaction

from ..domain import CorrectionState, Problem, ProblemCode, Refused
from ..identity_models import IdentityCorrection, IdentityDocument, IdentityDocumentContent
from ..models import Trainee

log = structlog.get_logger(__name__)

#: What the journal of the readings says of one.
PURPOSE: Final = "document"
_REASON: Final = "pièce d’une demande de correction d’identité"
#: The only key of a content.
_KEY: Final = "d"
#: How many go in one transaction.
PURGED_AT_ONCE: Final = 200


def document_aad(column: str, row_uid: uuid.UUID) -> bytes:
    """Where the key of a document (``seal``) and its bytes (``data``) belong."""
    return crypto.column_aad(IdentityDocument.__tablename__, column, row_uid)


def of_correction(correction_id: int) -> list[IdentityDocument]:
    """Those of a request, in the order they came; nothing of their content is read."""
    return list(db.session.scalars(select(IdentityDocument).where(IdentityDocument.correction_id == correction_id).order_by(IdentityDocument.id)))


def read(correction_id: int, document_id: int) -> tuple[IdentityDocument, bytes] | None:
    """A document of a request with its bytes, and the trace that they were read; None outside the scope.

    Raises ``core.crypto.CryptoError`` when what is stored was altered or moved.
    """
    with transaction() as session:
        row = session.execute(
            select(IdentityDocument, IdentityDocumentContent.data, IdentityCorrection.trainee_id)
            .join(IdentityDocumentContent, IdentityDocumentContent.id == IdentityDocument.id)
            .join(IdentityCorrection, IdentityCorrection.id == IdentityDocument.correction_id)
            .where(IdentityDocument.id == document_id, IdentityDocument.correction_id == correction_id)
            .options(undefer(IdentityDocument.seal))
        ).one_or_none()
        if row is None:
            return None
        document, data, trainee_id = row
        journal_reading(Trainee.__tablename__, trainee_id, document.organisation_id, _REASON, purpose=PURPOSE)
        key = crypto.cipher().decrypt(document.seal, document_aad("seal", document.seal_uid))
        return document, crypto.Cipher({_KEY: key}).decrypt(data, document_aad("data", document.seal_uid))


def attach(correction_id: int, files: Sequence[Incoming]) -> int:
    """Add documents to a request that waits; gives how many: all of them, or none.  Who has the page open reads it again before deciding.

    Raises LookupError, Refused when the request was decided or withdrawn, or FilesRefused.
    """
    checked = check_all(files)
    with transaction() as session:
        correction = session.scalars(select(IdentityCorrection).where(IdentityCorrection.id == correction_id).with_for_update()).one_or_none()
        if correction is None:
            raise LookupError(correction_id)
        session.refresh(correction, ["state"])
        if correction.state != CorrectionState.PENDING:
            raise Refused(Problem("", ProblemCode.DECIDED))
        put_with(correction, checked)
        seen = update(IdentityCorrection).where(IdentityCorrection.id == correction_id).values(version=IdentityCorrection.version + 1)
        session.execute(seen.execution_options(synchronize_session=False))
        session.expire(correction, ["version"])
    log.info("identity_documents_attached", correction=correction_id, count=len(checked))
    return len(checked)


def put_with(correction: IdentityCorrection, files: Sequence[Checked]) -> None:
    """Keep documents with a request that is locked, or new, in the transaction under way.  Raises FilesRefused when there is no room."""
    if not files:
        return
    session, actor = db.session, context.actor_id()
    author, weight = actor_name(actor), weight_of(correction.organisation_id)
    present = list(session.scalars(select(IdentityDocument.sha256).where(IdentityDocument.correction_id == correction.id)))
    faults: list[tuple[str, FileFault]] = []
    for file in files:
        fault = room_fault(file, present, weight)
        if fault is not None:
            faults.append((file.name, fault))
            continue
        present.append(file.sha256)
        weight += len(file.content)
        document = IdentityDocument(organisation_id=correction.organisation_id, correction_id=correction.id, seal_uid=uuid.uuid4())
        document.keep(file, account_id=actor, account_name=author)
        key = os.urandom(crypto.KEY_BYTES)
        document.seal = crypto.cipher().encrypt(key, document_aad("seal", document.seal_uid))
        session.add(document)
        session.flush()
        data = crypto.Cipher({_KEY: key}).encrypt(file.content, document_aad("data", document.seal_uid))
        session.add(IdentityDocumentContent(id=document.id, organisation_id=document.organisation_id, data=data))
        session.flush()
    if faults:
        raise FilesRefused(faults)


def drop_of(correction: IdentityCorrection) -> None:
    """Forget the documents of a request that nobody will decide on."""
    db.session.execute(delete(IdentityDocument).where(IdentityDocument.correction_id == correction.id).execution_options(synchronize_session=False))


# ---- how long they are kept --------------------------------------------------------------------------------------------


def kept_for() -> timedelta:
    """How long after the decision, as the installation sets it (``IDENTITY_DOCUMENT_DAYS``)."""
    return timedelta(days=current_app.config["IDENTITY_DOCUMENT_DAYS"])


def kept_until(correction: IdentityCorrection) -> datetime | None:
    """When the documents of a request that was decided may go; None while it waits."""
    return None if correction.decided_at is None else correction.decided_at + kept_for()


def purge(limit: int = PURGED_AT_ONCE) -> int:
    """Delete documents, ``limit`` of them at most, of requests decided long enough ago; gives how many.  In the system scope."""
    with transaction() as session:
        due = (
            select(IdentityDocument.id)
            .join(IdentityCorrection, IdentityCorrection.id == IdentityDocument.correction_id)
            .where(IdentityCorrection.decided_at < clock.now() - kept_for())
            .order_by(IdentityDocument.id)
            .limit(limit)
        )
        ids = session.scalars(due).all()
        if ids:
            session.execute(delete(IdentityDocument).where(IdentityDocument.id.in_(ids)).execution_options(synchronize_session=False))
    return len(ids)


__all__ = ["PURGED_AT_ONCE", "PURPOSE", "attach", "document_aad", "drop_of", "kept_for", "kept_until", "of_correction", "purge", "put_with", "read"]
