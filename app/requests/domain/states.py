"""The life of a request: one table is the only way from one state to another (guide 003 §2; DOMAIN §3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.core.workflow import Transition, Workflow

from .changes import Moved, Problem


class RequestKind(StrEnum):
    """What a request asks to change; one kind each."""

    DATES = "dates"
    REFERENCE = "reference"
    VOLUMES = "volumes"
    SITES = "sites"
    PARTNERS = "partners"


class RequestState(StrEnum):
    """Where a request stands."""

    PENDING = "pending"
    TO_CORRECT = "to_correct"
    VALIDATED = "validated"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


#: As long as one of these, no other request of the kind can be made for the action (guide 003 §2, last warning).
OPEN = frozenset({RequestState.PENDING, RequestState.TO_CORRECT})


class RequestEvent(StrEnum):
    """What may happen to a request; the first sending makes it."""

    SEND = "send"
    #: A market rule says that it needs nobody's decision.
    RECORD = "record"
    VALIDATE = "validate"
    ASK_CORRECTION = "ask_correction"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"


class StateFilter(StrEnum):
    """Choices of the state filter of the queue."""

    PENDING = "pending"
    TO_CORRECT = "to_correct"
    VALIDATED = "validated"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    ALL = "all"


class LetterFilter(StrEnum):
    """Choices of the filter of the queue on the letter of a request, as they stand in the address."""

    AWAITED = "attendu"
    RECEIVED = "recu"


class ObstacleCode(StrEnum):
    """Why an event cannot happen now, besides the rules of the kind."""

    OBSERVATIONS = "observations"
    UNCONFIRMED = "unconfirmed"
    RULES = "rules"
    AMENDMENT = "amendment"
    #: A number of an amendment goes with a validation.
    AMENDMENT_UNDUE = "amendment_undue"
    #: No letter stands for the request, and nobody said that it is validated without.
    LETTER = "letter"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One obstacle; ``problem`` when a rule of the kind says no."""

    code: ObstacleCode
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class DecisionFacts:
    """What the guards look at: what was written, what the rules say of today's data, what moved unseen."""

    observations: str = ""
    problems: tuple[Problem, ...] = ()
    unconfirmed: tuple[Moved, ...] = ()
    #: A market rule asks for an amendment, and no number was given.
    amendment_missing: bool = False
    #: Lines of the MODIFICATIONS that were commented on.
    notes: int = 0
    #: A number of an amendment was given.
    amendment_number: bool = False
    #: No letter stands for the request as it is, and who decides did not say that they saw it.
    letter_missing: bool = False


def _says_why(facts: DecisionFacts) -> Sequence[Obstacle]:
    return () if facts.observations.strip() or facts.notes else (Obstacle(ObstacleCode.OBSERVATIONS),)


def _has_its_amendment(facts: DecisionFacts) -> Sequence[Obstacle]:
    return (Obstacle(ObstacleCode.AMENDMENT),) if facts.amendment_missing else ()


def _no_amendment(facts: DecisionFacts) -> Sequence[Obstacle]:
    return (Obstacle(ObstacleCode.AMENDMENT_UNDUE),) if facts.amendment_number else ()


def _has_its_letter(facts: DecisionFacts) -> Sequence[Obstacle]:
    return (Obstacle(ObstacleCode.LETTER),) if facts.letter_missing else ()


def _nothing_moved_unseen(facts: DecisionFacts) -> Sequence[Obstacle]:
    return (Obstacle(ObstacleCode.UNCONFIRMED),) if facts.unconfirmed else ()


def _rules_hold(facts: DecisionFacts) -> Sequence[Obstacle]:
    return tuple(Obstacle(ObstacleCode.RULES, problem) for problem in facts.problems)


_S, _E = RequestState, RequestEvent

#: Whoever decides says why, unless the answer is yes; yes is said to fresh data that keep every rule, to a letter that a person entitled
#: signed (guide 003 §2), or knowingly without. What was sent back may be refused: nobody else could end a request that nobody corrects.
LIFE: Workflow[RequestState, RequestEvent, DecisionFacts] = Workflow(
    "modification_request",
    (
        Transition(_S.PENDING, _E.VALIDATE, _S.VALIDATED, (_rules_hold, _nothing_moved_unseen, _has_its_amendment, _has_its_letter)),
        Transition(_S.PENDING, _E.RECORD, _S.VALIDATED, (_rules_hold,)),
        Transition(_S.PENDING, _E.ASK_CORRECTION, _S.TO_CORRECT, (_says_why, _no_amendment)),
        Transition(_S.PENDING, _E.REFUSE, _S.REFUSED, (_says_why, _no_amendment)),
        Transition(_S.PENDING, _E.WITHDRAW, _S.WITHDRAWN),
        Transition(_S.TO_CORRECT, _E.SEND, _S.PENDING, (_rules_hold,)),
        Transition(_S.TO_CORRECT, _E.REFUSE, _S.REFUSED, (_says_why, _no_amendment)),
        Transition(_S.TO_CORRECT, _E.WITHDRAW, _S.WITHDRAWN),
    ),
)


def obstacles(state: RequestState, event: RequestEvent, facts: DecisionFacts) -> tuple[Obstacle, ...]:
    """All that stands in the way of ``event``.  Raises ``core.workflow.ForbiddenTransition`` when the state has no such event."""
    return tuple(one for one in LIFE.blockers(state, event, facts) if isinstance(one, Obstacle))
