"""The home page (guide 003): what there is to do now, and the way to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import IndexView, expose
from flask_babel import gettext as _
from flask_babel import ngettext

from app.actions import queries as actions
from app.actions.domain import StatusFilter
from app.core import clock
from app.core.tenancy import current_scope
from app.core.ui import allowed
from app.core.ui.paths import safe_url
from app.core.wizard import drafts as wizard_drafts
from app.core.wizard.several import DRAFT
from app.requests import queries as requests
from app.requests.labels import kind_label
from app.requests.models import ModificationRequest
from app.requests.permissions import VIEW as REQUESTS
from app.surveys import queries as surveys
from app.surveys.domain import MOMENT_WORDS, Moment
from app.surveys.domain import StateFilter as SurveyFilter
from app.surveys.labels import TILE_LABELS
from app.surveys.permissions import READ as READ_SURVEYS
from app.trainees import queries as trainees
from app.trainees.permissions import DECIDE_IDENTITY
from app.trainees.queries import Todo
from app.trainees.services import identity_requests as trainee_corrections

from . import queries

#: Kinds of drafts that the home page knows how to resume: kind → (endpoint, name of the argument).
RESUMABLE = {"trainee-registration": "RegistrationView.start", "action-opening": "OpeningView.start"}
MAX_DRAFTS = 5
MAX_REQUESTS = 5


@dataclass(frozen=True, slots=True)
class Tile:
    """A number, what it counts, where it leads, and in which tone; ``exact`` when it is counted beyond ``TILE_CAP``."""

    label: str
    number: int
    href: str | None
    tone: str = "neutral"
    detail: str | None = None
    exact: bool = False

    @property
    def most(self) -> int | None:
        """The number that there is more than; None when the number is the true one."""
        return actions.TILE_CAP if not self.exact and self.number > actions.TILE_CAP else None


class HomeView(IndexView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """« Accueil »."""

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Each kind of account sees what it can act on."""
        sees_actions = allowed("can_read", "Actions")
        sees_trainees = allowed("can_read", "Trainees") and not current_scope().observes
        return self.render_template(
            "dashboard/home.html",
            all_organisations=current_scope().sees_all,
            action_tiles=list(_action_tiles()) if sees_actions else [],
            todo_tiles=[tile for tile in _todo_tiles() if tile.number] if sees_trainees else [],
            account_tiles=list(_account_tiles()) if allowed("can_read", "AccountConsole") else [],
            blocked_colleagues=queries.blocked_accounts() if allowed("can_read", "OrganisationAccounts") else 0,
            requests_to_correct=_named(requests.to_correct(MAX_REQUESTS)) if allowed("can_use", REQUESTS) else [],
            letters_awaited=_named(requests.letters_to_send(MAX_REQUESTS)) if allowed("can_use", REQUESTS) else [],
            drafts=_drafts() if sees_actions else [],
            account_review=queries.review_under_way() if allowed("can_read", "AccountReview") else None,
            sees_actions=sees_actions,
            sees_trainees=sees_trainees,
            menu_current="HomeView.index",
        )


def _action_tiles() -> Iterator[Tile]:
    counted = actions.counters(clock.today())

    def to(status: StatusFilter) -> str:
        return url_for("ActionsView.index", statut=status.value)

    yield Tile(_("Actions waiting to be opened"), counted.waiting, to(StatusFilter.WAITING), exact=True)
    yield Tile(_("Actions running"), counted.running, to(StatusFilter.RUNNING), exact=True)
    yield Tile(_("Actions late to be closed"), counted.late, to(StatusFilter.LATE), "warning" if counted.late else "neutral", exact=True)
    if allowed("can_close", "Actions") and counted.declared:
        yield Tile(_("Actions declared finished, to be closed"), counted.declared, to(StatusFilter.DECLARED), "info", exact=True)
    if allowed("can_queue", REQUESTS) and (waiting := requests.pending_count()):
        yield Tile(_("Modification requests to decide"), waiting, url_for("RequestsView.queue"), "info")


def _todo_tiles() -> Iterator[Tile]:
    counted = trainees.todo_counts()

    def to(todo: Todo) -> str:
        return url_for("TraineesView.index", a_faire=todo.value)

    yield Tile(_("Trainees to mend for AGORA"), counted.agora_rejected, to(Todo.AGORA_REJECTED), "danger")
    yield Tile(
        _("Registrations without AGORA number"), counted.agora_waiting, to(Todo.AGORA_WAITING), "info", _("The number comes by itself when AGORA answers.")
    )
    yield Tile(_("NIA to regularise"), counted.nia, url_for("TraineesView.without_nir"), "warning")
    yield Tile(_("ESF data to complete"), counted.esf, to(Todo.ESF), "warning")
    if allowed(*READ_SURVEYS):
        yield from _survey_tiles()
    if allowed(*DECIDE_IDENTITY):
        yield Tile(_("Corrections of identities to decide"), trainee_corrections.pending_count(), url_for("IdentityCorrectionsView.index"), "info")


def _survey_tiles() -> Iterator[Tile]:
    """« Bilans de situation » à la sortie, à 3 mois, à 6 mois en attente (domain-facts §1.9)."""
    counted = surveys.waiting_counts(clock.today())
    for moment in Moment:
        late = counted.late[moment]
        yield Tile(
            str(TILE_LABELS[moment]),
            counted.waiting[moment],
            url_for("SurveysView.index", moment=MOMENT_WORDS[moment], etat=SurveyFilter.DUE.value),
            "warning" if late else "info",
            _late(late) if late else None,
        )


def _late(count: int) -> str:
    if count > actions.TILE_CAP:
        return _("more than %(num)s late", num=actions.TILE_CAP)
    return ngettext("%(num)s late", "%(num)s late", count)


def _named(found_requests: Iterable[ModificationRequest]) -> list[dict[str, str]]:
    return [
        {
            "label": _("%(kind)s, action %(number)s", kind=kind_label(found.kind), number=found.action.number),
            "href": url_for("RequestsView.show", request_id=found.id),
        }
        for found in found_requests
    ]


def _account_tiles() -> Iterator[Tile]:
    blocked = queries.blocked_accounts()
    label = ngettext("Blocked account", "Blocked accounts", blocked)
    yield Tile(label, blocked, safe_url("AccountConsoleView.list"), "warning" if blocked else "neutral", exact=True)


def _drafts() -> list[dict[str, Any]]:
    """Unfinished input of this account, latest first."""
    found: list[dict[str, Any]] = []
    drafts = [(kind, *key.partition(":")[::2], draft) for kind, key, draft in wizard_drafts.opened(RESUMABLE) if key.partition(":")[0].isdecimal()]
    numbers = actions.numbers_of([int(subject) for _kind, subject, _word, _draft in drafts[:MAX_DRAFTS]])
    for kind, subject, word, draft in drafts[:MAX_DRAFTS]:
        number = numbers.get(int(subject))
        if number is None:
            continue
        about = draft.memo.get("about")
        if kind == "trainee-registration":
            label = _("Registration of a trainee on %(number)s", number=number)
            if about:
                label = _("Registration of %(name)s on %(number)s", name=about, number=number)
        else:
            label = _("Opening of the action %(number)s", number=number)
        values: dict[str, Any] = {"action_id": int(subject), DRAFT: word or None}
        found.append({"label": label, "href": url_for(RESUMABLE[kind], **values), "at": draft.updated_at})
    return found
