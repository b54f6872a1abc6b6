"""Support looks at the portal through an account's eyes: read only, for half an hour, trainees' data left out.

The observation stands on support's own session. Each request is then answered with the observed account's pages and menus; the
database sees the role ``portal_observer``, which writes nothing and reads no table about trainees. The actor stays support, on
behalf of the observed account.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask import current_app, has_request_context, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload

from app.accounts import domain, labels, mandates, sessions
from app.accounts.models import Observation, Organisation, User, UserSession
from app.core import clock
from app.core.extensions import db
from app.core.ui.banner import Banner
from app.core.ui.error_pages import ErrorWords, error_response

_KEY: Final = "portal.observation"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: What an observer may still send.
_ALLOWED: Final = frozenset({"ObservationView.end", "SignInView.logout", "ui.search", "ui.narrowed"})

#: Views whose pages an observer does not see: name of their permission → whether for the trainees' sake (else they are personal).
_hidden: dict[str, bool] = {}


@dataclass(frozen=True, slots=True)
class Watch:
    """The observation under way in this request."""

    id: int
    observer_id: int
    observed_id: int
    observed_name: str


def hide_from_observers(*views: str, trainees: bool) -> None:
    """Keep the pages of these views (``class_permission_name``) from observers, for the trainees' sake or as personal ones."""
    _hidden.update(dict.fromkeys(views, trainees))


def under_way() -> Watch | None:
    """The observation under way in this request, if any."""
    found: Watch | None = request.environ.get(_KEY) if has_request_context() else None
    return found


def begin(observer: User, row: UserSession) -> User | None:
    """The account the session looks through in this request, with whom it stands in for; None if it does not. The caller binds the scope.

    Called in the system's scope. An observation that has lasted too long, or whose account has been closed, is over.
    """
    if row.observation_id is None:
        return None
    observed = _observed(db.session(), row.observation_id, observer.id)
    if observed is None:
        return None
    request.environ[_KEY] = Watch(row.observation_id, observer.id, observed.id, labels.manager(observed))
    return observed


def _observed(session: Session, observation_id: int, observer_id: int) -> User | None:
    statement = (
        select(User, mandates.column(clock.to_local(clock.now()).date()))
        .join(Observation, Observation.observed_id == User.id)
        .join(Organisation, Organisation.id == User.organisation_id)
        .where(
            Observation.id == observation_id,
            Observation.observer_id == observer_id,
            Observation.ended_at.is_(None),
            Observation.started_at > clock.now() - domain.OBSERVATION_LIFETIME,
            Observation.organisation_id == User.organisation_id,
            User.active.is_(True),
            User.blocked_at.is_(None),
            User.deactivated_at.is_(None),
            User.deleted_at.is_(None),
            Organisation.active.is_(True),
        )
        .options(joinedload(User.roles), joinedload(User.organisation))
        .execution_options(populate_existing=True)
    )
    row = session.execute(statement).unique().one_or_none()
    if row is None or not domain.is_organisation_account(row[0].party):
        return None
    user: User = row[0]
    user.mandate = mandates.read(row[1])
    return user


def end(session: Session, token: str) -> None:
    """End the observation of the session behind ``token``, if any, in the open transaction."""
    row = session.execute(select(UserSession.id, UserSession.observation_id).where(UserSession.token_hash == sessions.digest(token))).one_or_none()
    if row is None or row[1] is None:
        return
    session.execute(
        update(Observation)
        .where(Observation.id == row[1], Observation.ended_at.is_(None))
        .values(ended_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    session.execute(update(UserSession).where(UserSession.id == row[0]).values(observation_id=None).execution_options(synchronize_session=False))


def refusal() -> ResponseReturnValue | None:
    """The answer to what an observer may not do or see in this request; None when it may go on, and for everyone else."""
    watch = under_way()
    if watch is None or request.endpoint in _ALLOWED:
        return None
    if request.method not in _SAFE_METHODS:
        return error_response(
            403,
            words=ErrorWords(
                _("You are looking, not acting"),
                _("You look at the portal as %(person)s, read only: nothing was sent nor changed.", person=watch.observed_name),
                _("Press « End the observation » to act with your own account."),
            ),
        )
    for_trainees = _hidden.get(_view_name())
    if for_trainees is None:
        return None
    if for_trainees:
        message = _("The data of trainees are not shown to the assistance.")
    else:
        message = _("This page is personal: it is shown to %(person)s alone.", person=watch.observed_name)
    return error_response(403, words=ErrorWords(_("Page not shown"), message, _("The other pages of the menu show what the account sees.")))


def _view_name() -> str:
    view: Any = current_app.view_functions.get(request.endpoint or "")
    return str(getattr(getattr(view, "__self__", None), "class_permission_name", ""))


def banner() -> Banner | None:
    """What stands on every page of an observer."""
    watch = under_way()
    if watch is None:
        return None
    return Banner(
        text=_("You are looking at the portal as %(person)s (read only)", person=watch.observed_name),
        detail=_("The data of trainees are not shown to the assistance: their lists and numbers look empty."),
        verb=_("End the observation"),
        action_url=url_for("ObservationView.end"),
        tone="warning",
    )


__all__ = ["Watch", "banner", "begin", "end", "hide_from_observers", "refusal", "under_way"]
