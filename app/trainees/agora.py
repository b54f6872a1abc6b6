"""What the portal tells AGORA of an enrolment, and what it does with the answers: the handlers of the outbox.

Built from the database at the moment of sending; a batch costs a constant number of statements.  Source: guide 000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import structlog
from flask import current_app
from sqlalchemy import ARRAY, BigInteger, Boolean, Integer, String, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import joinedload

from app.actions.models import Action, Component, Contract
from app.actions.services import recheck_declarations
from app.core import clock
from app.core.extensions import db
from app.core.matrix.rows import among, pieces
from app.core.nir import Nir, NirKind
from app.core.nir.reading import reveal_for_partner
from app.core.outbox import Message, keys, register_handler
from app.core.outbox.errors import Duplicate, Rejected
from app.core.outbox.models import MessageState, OutboxMessage
from app.core.outbox.registry import register_subject
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.partners.agora.port import (
    AgoraFileState,
    Caller,
    Contradiction,
    DisabilityStatus,
    EventKind,
    FileChanges,
    FileEvent,
    FileStatus,
    Gender,
    Holder,
    NewFile,
    Outcome,
    Refusal,
    TrainingAction,
    TrainingBody,
)

from .answers import answers_told, let_go
from .contradictions import contradictions
from .domain import AgoraState
from .life import ENROLLED_BY_MISTAKE, UNDONE_EXIT, EnrolmentEvent, told_as
from .models import Enrolment, Registration, Trainee
from .services.awaiting import say_again
from .services.enrolment import CANCEL, CHANGE, CLOSE, CREATE, EXIT, INTERRUPT, PARTNER, RESUME, UNDO_EXIT
from .standing import file_status, outcome_of

logger = structlog.get_logger(__name__)

#: Paths of the port's dataclasses → where the user mends them: ("person" | "sheet" | "plan" | "region", control of the form).
REMEDIES: Mapping[str, tuple[str, str]] = {
    "holder.nir": ("person", "nir"),
    "holder.key": ("person", "nir"),
    "holder.birth_name": ("person", "birth_name"),
    "holder.first_name": ("person", "first_name"),
    "holder.birth_date": ("person", "birth_date"),
    "holder.gender": ("person", "gender"),
    "holder.postal_code": ("sheet", "postal_code"),
    "holder.insee_code": ("sheet", "town"),
    "holder.email": ("sheet", "email"),
    "holder.phone": ("sheet", "mobile"),
    "holder.entry_level": ("sheet", "entry_level_id"),
    "holder.professional_situation": ("sheet", "professional_situation_id"),
    "holder.disability": ("sheet", "boe"),
    "objective": ("sheet", "general_objective_id"),
    "entry_date": ("plan", "planned_start"),
    "planned_end": ("plan", "planned_end"),
    "hours_centre": ("plan", "hours_centre"),
    "hours_company": ("plan", "hours_company"),
    "action.site_postal_code": ("plan", "site_id"),
    "date": ("exit", "actual_end"),
    "reason": ("exit", "exit_reason_id"),
}

#: Code of a refusal that is the portal's own: there is no number to speak of.
NO_NUMBER = "SANS_NUMERO"
#: The same, for an event that the status of the file does not allow.
FILE_OVER = "STATUT_INCOMPATIBLE"
#: AGORA's own: the idempotency key served for something else.
KEY_TAKEN = "CLE_REUTILISEE"


def register() -> None:
    """Declare the operations to the outbox."""
    builders = {CREATE: build_creations, CHANGE: build_changes, CLOSE: build_closings}
    for operation in (CREATE, CHANGE, EXIT, INTERRUPT, RESUME, UNDO_EXIT, CANCEL, CLOSE):
        register_handler(
            PARTNER, operation, build_many=builders.get(operation, build_events), apply_many=apply_states, reject_many=note_refusals,
            summary=_summary, check_many=contradictions,
        )  # fmt: skip
    register_subject("enrolment", decided=say_again)


# ---- building ----------------------------------------------------------------------------------------------------------


def build_creations(messages: Sequence[Message]) -> Mapping[int, NewFile]:
    """The files to create.  Someone known by an NIA, or without number, is left out whatever happened: never sent (guide 000)."""
    return _files(messages, reason="création du dossier AGORA")


def _files(messages: Sequence[Message], *, reason: str) -> dict[int, NewFile]:
    """The whole files; ``reason`` is what the journal says of the readings of the NIRs."""
    with transaction():  # the journal of the readings commits after the files are built: nothing is read twice
        enrolments = _load(messages)
        sent = {message.id: enrolment for message in messages if (enrolment := enrolments.get(message.subject_id)) is not None and _concerned(enrolment)}
        people = [enrolment.registration.trainee for enrolment in sent.values()]
        numbers = reveal_for_partner(people, reason=reason)
        return {
            message.id: new_file(enrolment, numbers[enrolment.registration.trainee_id], caller=_caller(message, enrolment))
            for message in messages
            if (enrolment := sent.get(message.id)) is not None
        }


def build_changes(messages: Sequence[Message]) -> Mapping[int, FileEvent | Rejected]:
    """What was mended while the creation was under way: the whole file as it stands now."""
    files = _files(messages, reason="modification du dossier AGORA")
    enrolments = _load(messages)
    built: dict[int, FileEvent | Rejected] = {}
    for message in messages:
        enrolment, file = enrolments.get(message.subject_id), files.get(message.id)
        if enrolment is None or file is None:
            continue
        if enrolment.agora_number is None:
            built[message.id] = _no_number()
            continue
        if told_as(file_status(enrolment), EnrolmentEvent.CHANGE) is None:
            if enrolment.cancelled_at is None:
                built[message.id] = _forbidden(enrolment)
            continue
        built[message.id] = FileEvent(
            number=enrolment.agora_number,
            external_reference=file.external_reference,
            kind=EventKind.MODIFICATION,
            date=date.fromisoformat(str(message.params["date"])) if message.params.get("date") else clock.today(),
            changes=FileChanges(
                holder=file.holder,
                programme=file.programme,
                body=file.body,
                action=file.action,
                entry_date=file.entry_date,
                planned_end=file.planned_end,
                hours_centre=file.hours_centre,
                hours_company=file.hours_company,
                objective=file.objective,
            ),
            caller=file.caller,
        )
    return built


#: The act that a message tells of.
_ACTS: Mapping[str, EnrolmentEvent] = {
    EXIT: EnrolmentEvent.LEAVE,
    INTERRUPT: EnrolmentEvent.INTERRUPT,
    RESUME: EnrolmentEvent.RESUME,
    UNDO_EXIT: EnrolmentEvent.UNDO_EXIT,
    CANCEL: EnrolmentEvent.CANCEL,
}


def build_events(messages: Sequence[Message]) -> Mapping[int, FileEvent | Rejected]:
    """The acts to tell, as their messages say them; the kind of event depends on where the file stands (``life.TOLD_AS``).

    What came before in the dossier is settled: the status that the portal knows is the one AGORA will judge by.
    """
    enrolments = _load(messages)
    built: dict[int, FileEvent | Rejected] = {}
    for message in messages:
        enrolment = enrolments.get(message.subject_id)
        event = _event(message, enrolment) if enrolment is not None else None
        if event is not None:
            built[message.id] = event
    return built


def _event(message: Message, enrolment: Enrolment) -> FileEvent | Rejected | None:
    act = _ACTS[message.operation]
    told = {"date": _iso(enrolment.actual_end), **_exit_reason(enrolment), **message.params} if act is EnrolmentEvent.LEAVE else dict(message.params)
    if not told.get("date"):
        return None  # an exit of before messages said theirs, taken back since
    if enrolment.agora_number is None:
        return _no_number() if _concerned(enrolment) else None
    status = file_status(enrolment)
    kind = told_as(status, act)
    if kind is None:
        # Nothing to cancel: the exit was settled by hand, or the file is cancelled already.
        nothing = (act is EnrolmentEvent.UNDO_EXIT and status is FileStatus.ENTERED) or (act is EnrolmentEvent.CANCEL and status is FileStatus.CANCELLED)
        return None if nothing else _forbidden(enrolment)
    return FileEvent(
        number=enrolment.agora_number,
        external_reference=str(enrolment.external_reference),
        kind=kind,
        date=date.fromisoformat(str(told["date"])),
        reason=_motive(act, kind, told),
        changes=FileChanges(planned_end=_end_told(act, enrolment, told)) if kind is EventKind.MODIFICATION else None,
        caller=_caller(message, enrolment),
    )


def _motive(act: EnrolmentEvent, kind: EventKind, told: Mapping[str, Any]) -> str | None:
    """Code of the reason; a modification that stands for another event says which."""
    reason = str(told["reason"]) if told.get("reason") else None
    match act:
        case EnrolmentEvent.UNDO_EXIT:
            return UNDONE_EXIT
        case EnrolmentEvent.CANCEL:
            return ENROLLED_BY_MISTAKE
        case EnrolmentEvent.INTERRUPT if kind is EventKind.MODIFICATION:
            return f"INTERRUPTION {reason}" if reason else "INTERRUPTION"
        case EnrolmentEvent.RESUME if kind is EventKind.MODIFICATION:
            return "REPRISE"
        case EnrolmentEvent.LEAVE if kind is EventKind.MODIFICATION:
            return f"SORTIE {reason}" if reason else "SORTIE"
        case _:
            return reason


def _end_told(act: EnrolmentEvent, enrolment: Enrolment, told: Mapping[str, Any]) -> date:
    """The end that a modification brings: the exit itself for a second one, else the planned end."""
    if act is EnrolmentEvent.LEAVE:
        return date.fromisoformat(str(told["date"]))
    return date.fromisoformat(str(told["planned_end"])) if told.get("planned_end") else enrolment.planned_end


def _exit_reason(enrolment: Enrolment) -> dict[str, str]:
    reason = enrolment.exit_reason
    return {"reason": reason.agora_code or reason.code} if reason is not None else {}


def _iso(day: date | None) -> str:
    return day.isoformat() if day is not None else ""


def build_closings(messages: Sequence[Message]) -> Mapping[int, FileEvent | Rejected]:
    """The closings to tell, with the outcome that was shown when the action was closed and the answers to the exit survey (``answers``)."""
    enrolments = _load(messages)
    built: dict[int, FileEvent | Rejected] = {}
    told: list[tuple[Message, Enrolment, str, Outcome]] = []
    for message in messages:
        enrolment = enrolments.get(message.subject_id)
        if enrolment is None:
            continue
        if enrolment.agora_number is None:
            if _concerned(enrolment):
                built[message.id] = _no_number()
            continue
        outcome = Outcome(str(message.params["outcome"])) if message.params.get("outcome") else outcome_of(enrolment)
        # With an exit settled by hand only AGORA knows where its file stands: it is asked.
        by_hand = file_status(enrolment) is FileStatus.ENTERED and enrolment.actual_end is not None
        if told_as(file_status(enrolment), EnrolmentEvent.CLOSE, outcome) is None and not by_hand:
            built[message.id] = _forbidden(enrolment)
            continue
        told.append((message, enrolment, enrolment.agora_number, outcome))
    surveys = answers_told([message for message, *_rest in told])
    for message, enrolment, number, outcome in told:
        built[message.id] = FileEvent(
            number=number,
            external_reference=str(enrolment.external_reference),
            kind=EventKind.CLOSING,
            date=date.fromisoformat(str(message.params["date"])),
            outcome=outcome,
            survey=surveys[message.id],
            caller=_caller(message, enrolment),
        )
    return built


def _forbidden(enrolment: Enrolment) -> Rejected:
    """What AGORA would refuse is not sent: somebody decides."""
    refusal = Rejected(FILE_OVER, "Le dossier AGORA est à un statut qui ne permet plus cet événement : il n’a pas été envoyé.")
    logger.info("event_not_sent", enrolment=enrolment.id, status=enrolment.agora_status)
    return refusal


def _concerned(enrolment: Enrolment) -> bool:
    """Whether AGORA is to know of this enrolment: the programme is in the flow, and the person has a NIR."""
    return bool(enrolment.action.contract.programme.agora_enabled) and enrolment.registration.trainee.nir_kind == NirKind.NIR


def _no_number() -> Rejected:
    """An event of a file whose creation was settled by hand: it is not dropped, somebody decides."""
    return Rejected(NO_NUMBER, "Le portail ne connaît pas le numéro du dossier : sa création a été réglée à la main.")


def _load(messages: Sequence[Message]) -> dict[int, Enrolment]:
    """The subjects with all a file needs, in one statement."""
    statement = (
        select(Enrolment)
        .where(Enrolment.id.in_([message.subject_id for message in messages]))
        .options(
            joinedload(Enrolment.registration).joinedload(Registration.trainee).undefer(Trainee.nir_ciphertext),
            joinedload(Enrolment.registration).joinedload(Registration.general_objective),
            joinedload(Enrolment.registration).joinedload(Registration.professional_situation),
            joinedload(Enrolment.registration).joinedload(Registration.entry_level),
            joinedload(Enrolment.component).joinedload(Component.level),
            joinedload(Enrolment.site),
            joinedload(Enrolment.exit_reason),
            joinedload(Enrolment.action).joinedload(Action.contract).joinedload(Contract.programme),
            joinedload(Enrolment.action).joinedload(Action.organisation),
        )
        .execution_options(populate_existing=True)
    )
    return {enrolment.id: enrolment for enrolment in db.session.scalars(statement)}


def new_file(enrolment: Enrolment, nir: Nir, *, caller: Caller | None = None) -> NewFile:
    """The file of one enrolment.  The NIR is for AGORA alone (décret 2019-341), and kept nowhere."""
    registration, action, component = enrolment.registration, enrolment.action, enrolment.component
    trainee = registration.trainee
    return NewFile(
        external_reference=str(enrolment.external_reference),
        holder=Holder(
            nir=nir.number,
            key=nir.key,
            birth_name=trainee.birth_name,
            first_name=trainee.first_name,
            birth_date=trainee.birth_date,
            gender=Gender(trainee.gender),
            postal_code=registration.postal_code,
            insee_code=registration.insee_code,
            email=registration.email,
            phone=registration.mobile,
            entry_level=_level(registration.entry_level),
            professional_situation=registration.professional_situation.agora_code or registration.professional_situation.code,
            disability=DisabilityStatus(registration.boe),
        ),
        programme=action.contract.programme.agora_code or action.contract.programme.code,
        funder_siret=current_app.config["AGORA_FUNDER_SIRET"],
        body=TrainingBody(siret=action.organisation.siret, legal_name=action.organisation.legal_name),
        action=TrainingAction(
            number=action.number,
            component=component.number,
            title=component.title,
            certif_info=component.certif_info,
            formacode=component.formacode,
            exit_level=_level(component.level),
            site_postal_code=enrolment.site.postal_code,
        ),
        entry_date=enrolment.planned_start,
        planned_end=enrolment.planned_end,
        hours_centre=enrolment.hours_centre,
        hours_company=enrolment.hours_company,
        objective=registration.general_objective.agora_code or registration.general_objective.code,
        caller=caller,
    )


def _level(level: Any) -> int | None:
    """1–8 of the nomenclature of 8 January 2019; nothing for a value outside it."""
    return level.number if level is not None else None


def _caller(message: Message, enrolment: Enrolment) -> Caller:
    return Caller(actor_id=str(message.actor_id or "system"), siret=enrolment.action.organisation.siret, request_id=message.request_id)


# ---- answers -----------------------------------------------------------------------------------------------------------

_APPLY = text(
    """
    UPDATE enrolment SET agora_number = answer.number, agora_status = answer.status, agora_version = answer.version,
           -- what follows in the dossier is still awaited
           agora_state = CASE WHEN EXISTS (
               SELECT FROM outbox_message m WHERE m.subject_type = 'enrolment' AND m.subject_id = enrolment.id AND m.partner = 'agora'
                  AND m.id > answer.message AND m.state NOT IN ('done', 'cancelled')
           ) THEN 'waiting' ELSE 'done' END,
           agora_refusal = NULL, updated_at = :moment
    FROM unnest(:ids, :messages, :numbers, :statuses, :versions, :created) AS answer (id, message, number, status, version, created)
    WHERE enrolment.id = answer.id
      AND (enrolment.agora_number IS NULL
           OR enrolment.agora_version < answer.version
           -- the answer to an event is about the present; that to a creation may come again, late
           OR (enrolment.agora_version = answer.version AND NOT answer.created))
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Integer)),
    bindparam("messages", type_=ARRAY(BigInteger)),
    bindparam("numbers", type_=ARRAY(String)),
    bindparam("statuses", type_=ARRAY(String)),
    bindparam("versions", type_=ARRAY(Integer)),
    bindparam("created", type_=ARRAY(Boolean)),
)


def apply_states(answers: Sequence[tuple[Message, Any]]) -> None:
    """Keep number and status: one statement for the batch; again, or late, changes nothing newer.

    The version that people edit does not move: an answer of AGORA is no reason to refuse somebody's form.
    """
    latest: dict[int, tuple[AgoraFileState, bool]] = {}
    last: dict[int, int] = {}
    for message, answer in answers:
        state = _state_of(answer)
        known = latest.get(message.subject_id)
        last[message.subject_id] = max(message.id, last.get(message.subject_id, 0))
        if known is None or known[0].version <= state.version:
            latest[message.subject_id] = (state, message.operation == CREATE)
    if not latest:
        return
    let_go([message.id for message, _answer in answers if message.operation == CLOSE])
    db.session.execute(
        _APPLY,
        {
            "ids": list(latest),
            "messages": [last[subject] for subject in latest],
            "numbers": [state.number for state, _created in latest.values()],
            "statuses": [state.status.value for state, _created in latest.values()],
            "versions": [state.version for state, _created in latest.values()],
            "created": [created for _state, created in latest.values()],
            "moment": clock.now(),
        },
    )


def _state_of(answer: Any) -> AgoraFileState:
    """An answer, or the file that existed already: both are successes."""
    if isinstance(answer, Duplicate):
        state = getattr(answer, "state", None)
        if state is None:
            return AgoraFileState(number=answer.reference, external_reference="", status=FileStatus.ENTERED, version=0, modified_at=clock.now())
        return state  # type: ignore[no-any-return]
    return answer  # type: ignore[no-any-return]


#: What the portal's own refusals mean, in the words of the port.
_OWN_REFUSALS: Mapping[str, str] = {
    NO_NUMBER: "no_number", FILE_OVER: Refusal.FORBIDDEN_TRANSITION.value, **{one.value: "contradiction" for one in Contradiction},
}  # fmt: skip


def note_refusals(refusals: Sequence[tuple[Message, Rejected]]) -> None:
    """Keep why, and which fields to mend."""
    let_go([message.id for message, _refusal in refusals if message.operation == CLOSE])
    keys.forget(db.session(), [message.id for message, refusal in refusals if refusal.code == KEY_TAKEN])
    table: Any = Enrolment.__table__
    statement = (
        update(table)
        .where(table.c.id == bindparam("subject"))
        .values(agora_state=AgoraState.REJECTED.value, agora_refusal=bindparam("refusal", type_=JSONB), updated_at=clock.now())
    )
    db.session.execute(
        statement,
        [
            {
                "subject": message.subject_id,
                "refusal": {
                    "operation": message.operation,
                    "code": refusal.code,
                    "meaning": _OWN_REFUSALS.get(refusal.code) or str(getattr(refusal, "refusal", None) or "other"),
                    "title": refusal.title,
                    "fields": [{"path": getattr(detail, "path", None) or "", "message": detail.message} for detail in refusal.details],
                },
            }
            for message, refusal in refusals
        ],
    )
    concerned = select(table.c.action_id).where(table.c.id.in_([message.subject_id for message, _refusal in refusals]))
    recheck_declarations(db.session.scalars(concerned.distinct()))


def _summary(answer: Any) -> Mapping[str, Any]:
    state = _state_of(answer)
    return {"number": state.number, "status": state.status.value}


# ---- refusals mended ---------------------------------------------------------------------------------------------------


def replay_refused(enrolment_ids: Sequence[int]) -> set[int]:
    """Send again the refused messages of these enrolments, in the transaction under way; returns those that had one.

    An organisation may not touch the outbox; having mended its own data is what entitles it to this, and only this.
    """
    from app.core.outbox import console

    if not enrolment_ids:
        return set()
    with bound_scope(Scope.system()):
        found = db.session.execute(
            select(OutboxMessage.id, OutboxMessage.subject_id).where(
                OutboxMessage.partner == PARTNER,
                OutboxMessage.subject_type == "enrolment",
                among(OutboxMessage.subject_id, enrolment_ids),
                OutboxMessage.state == MessageState.REJECTED,
            )
        ).all()
        for some in pieces(found):  # one act takes so many at most
            console.replay([row.id for row in some], reason="données corrigées")
    return {row.subject_id for row in found}
