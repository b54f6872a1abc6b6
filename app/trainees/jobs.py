"""Background work of the trainees: identity searches, and their housekeeping.  Jobs take ids only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog
from flask import current_app
from sqlalchemy import Row, or_, select
from sqlalchemy.orm import undefer

from app.core import clock
from app.core.extensions import db
from app.core.jobs import enqueue
from app.core.jobs.runner import interrupted
from app.core.nir.reading import reveal_for_partner
from app.core.outbox.circuit import guard
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.partners.agora.port import AgoraPort, Caller, IdentityQuery, PartnerRejected, PartnerUnavailable, Refusal

from .domain import IdentitySource, IdentityState
from .models import IdentityRequest, Trainee
from .services import identity, identity_documents
from .services.identity import Person

log = structlog.get_logger(__name__)

RECHECKED_PER_RUN = 40
#: Somebody AGORA still does not know a month after the entry is asked about no more.
RECHECKED_FOR = timedelta(days=30)


def agora() -> AgoraPort:
    """The client, built once per process: its token is kept between jobs."""
    client = current_app.extensions.get("agora_client")
    if client is None:
        from app.partners.agora.http import build_agora

        client = current_app.extensions["agora_client"] = build_agora(current_app.config)
    return client  # type: ignore[no-any-return]


def search_identity(request_id: int) -> None:
    """Ask AGORA who bears a number, and leave the answer where the page looks for it.

    Every way out leaves a state: nobody waits for an answer that will not come.
    """
    from app.accounts.models import Organisation

    row = db.session.execute(
        select(IdentityRequest.seal_uid, IdentityRequest.question, IdentityRequest.requested_by, Organisation.siret)
        .join(Organisation, Organisation.id == IdentityRequest.organisation_id)
        .where(IdentityRequest.id == request_id, IdentityRequest.state == IdentityState.PENDING.value)
    ).one_or_none()
    db.session.rollback()  # no transaction stays open while a partner is slow
    if row is None:
        return
    question = identity.open_sealed(row.seal_uid, "question", row.question)
    caller = Caller(actor_id=str(row.requested_by or "system"), siret=str(row.siret))
    state, person = ask(IdentityQuery(nir=question["nir"], key=question["key"], birth_name=question["name"], caller=caller))
    identity.store_answer(row.seal_uid, state, person)


def ask(query: IdentityQuery) -> tuple[IdentityState, Person | None]:
    """One search, its failures turned into states."""
    try:
        with guard("agora"):
            found = agora().search_identity(query)
    except PartnerRejected as refusal:
        meaning = refusal.refusal
        return (IdentityState.MISMATCH if meaning is Refusal.NAME_MISMATCH else IdentityState.UNKNOWN), None
    except PartnerUnavailable as failure:
        log.warning("identity_search_unavailable", reason=failure.reason)
        return IdentityState.UNAVAILABLE, None
    return IdentityState.FOUND, Person(
        civility=found.civility,
        birth_name=found.birth_name,
        usual_name=found.usual_name,
        first_name=found.first_name,
        birth_date=found.birth_date,
        gender=found.gender,
    )


def purge_identity_requests() -> None:
    """Delete the searches older than an hour: they hold a number and a civil status."""
    deleted = identity.purge()
    if deleted:
        log.info("identity_requests_purged", count=deleted)


def purge_identity_documents() -> None:
    """Delete the documents of corrections decided long ago, a batch in each transaction: they are copies of identity cards."""
    deleted = 0
    with bound_scope(Scope.system()):
        while True:
            count = identity_documents.purge()
            deleted += count
            if count < identity_documents.PURGED_AT_ONCE or interrupted():
                break
    if deleted:
        log.info("identity_documents_purged", count=deleted)


def recheck_identities() -> None:
    """Ask again about identities typed while AGORA was silent, or corrected by the Région; stops at the first silence.

    Somebody unknown is asked about again twice a day during a month: AGORA may learn of them.
    """
    from app.accounts.models import Organisation

    now = clock.now()
    rows = db.session.execute(
        select(Trainee, Organisation.siret)
        .join(Organisation, Organisation.id == Trainee.organisation_id)
        .where(
            Trainee.identity_source != IdentitySource.AGORA.value,
            Trainee.nir_kind == "NIR",
            Trainee.identity_finding.is_(None) | (Trainee.identity_finding == "unknown"),
            or_(
                Trainee.identity_checked_at.is_(None),
                (Trainee.identity_checked_at < now - timedelta(hours=12)) & (Trainee.created_at > now - RECHECKED_FOR),
            ),
        )
        .options(undefer(Trainee.nir_ciphertext))
        .order_by(Trainee.id)
        .limit(RECHECKED_PER_RUN)
    ).all()
    todo = _questions(rows)
    db.session.rollback()
    for trainee_id, query in todo:
        state, person = ask(query)
        if state is IdentityState.UNAVAILABLE:
            return
        identity.record_finding(trainee_id, person, mismatch=state is IdentityState.MISMATCH)


def _questions(rows: Sequence[Row[Trainee, str]]) -> list[tuple[int, IdentityQuery]]:
    """The searches to make; the readings are journaled in one statement."""
    with transaction():
        numbers = reveal_for_partner([trainee for trainee, _siret in rows], reason="vérification de l’identité")
        return [
            (
                trainee.id,
                IdentityQuery(
                    nir=numbers[trainee.id].number,
                    key=numbers[trainee.id].key,
                    birth_name=trainee.birth_name,
                    caller=Caller(actor_id="system", siret=siret),
                ),
            )
            for trainee, siret in rows
        ]


def remind_about_nia() -> int:
    """Tell the organisations whose trainees have waited too long for their NIR; gives how many messages were written."""
    from . import reminders

    return reminders.remind()


# ---- NIRs from a file --------------------------------------------------------------------------------------------------


def repair_numbers(repair_id: int) -> None:
    """Apply what is left of a file of NIRs."""
    from .repair import applying

    applying.run(repair_id, ask)


def sweep_repairs() -> None:
    """Take up the files whose job was lost or that waited for AGORA, and forget those that nobody confirmed."""
    from .repair import applying, service

    service.purge_unconfirmed()
    applying.give_up_old()
    due = applying.due()
    db.session.rollback()
    for repair_id in due:
        enqueue(service.JOB, repair_id)
