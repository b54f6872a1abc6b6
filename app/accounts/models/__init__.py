"""What the feature stores: organisations, accounts and their sessions; how one gets in; arrangements between accounts."""

from app.accounts.models.access import AccessLink, ApiToken, LinkPurpose, RecoveryCode, RecoveryRequest, SecondFactor
from app.accounts.models.arrangements import AccountReview, Delegation, Observation
from app.accounts.models.batches import AccountBatch
from app.accounts.models.people import (
    Civility,
    Organisation,
    SessionPurpose,
    SignInAttempt,
    SignInOutcome,
    SignInWay,
    User,
    UserSession,
)

__all__ = [
    "AccessLink",
    "AccountBatch",
    "AccountReview",
    "ApiToken",
    "Civility",
    "Delegation",
    "LinkPurpose",
    "Observation",
    "Organisation",
    "RecoveryCode",
    "RecoveryRequest",
    "SecondFactor",
    "SessionPurpose",
    "SignInAttempt",
    "SignInOutcome",
    "SignInWay",
    "User",
    "UserSession",
]
