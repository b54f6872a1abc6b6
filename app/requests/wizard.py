"""« Nouvelle demande de modification »: new values, recap of what changes and motivation, one final act (guide 003 §2).

The same pages correct a request that the Région sent back.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, cast

from flask import abort, flash, make_response, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import Form

from app.actions import queries as actions
from app.actions.models import Action
from app.actions.views import crumbs
from app.core.wizard import drafts
from app.core.wizard.steps import Step, StepRefused, WizardState
from app.core.wizard.view import Wizard
from app.reference.queries import contact_of_programme, is_postal_code

from . import document_labels, document_step, documents, labels, market_rules, overtaken, queries, services
from .domain import Change, Problem, RequestKind, RequestState, Target, diff
from .domain.changes import fingerprint_of
from .domain.market import DATE_FIELDS, Outcome
from .forms import MotivationForm, ValuesForm
from .kinds import KINDS, ChangeKind, Snapshot
from .kinds.base import control
from .kinds.sites import POSTAL_CODE
from .models import ModificationRequest
from .permissions import VIEW
from .words import with_words, words_for

VALUES, RECAP = "valeurs", "recapitulatif"
#: The button that brings the sites of a postal code into the lists.
SEARCH = "chercher"
#: The changes that the recap showed: what is sent is what was read.
SHOWN_CHANGES = "changements"


@dataclass(frozen=True, slots=True)
class Subject:
    """What the wizard is about: the action as it is, and the request to correct, if any."""

    action: Action
    snapshot: Snapshot
    correcting: ModificationRequest | None


class RequestWizard(Wizard):
    """The pages of one kind; a subclass names it."""

    code: ClassVar[RequestKind]
    class_permission_name = VIEW
    permission_label = _l("Modification requests")
    final_label = _l("Validate")

    @property
    def change_kind(self) -> ChangeKind:
        """What this wizard asks about."""
        return KINDS[self.code]

    def load_subject(self, **arguments: Any) -> Subject | None:
        """An action that may still change, and that has no request of this kind waiting."""
        action_id = int(arguments["action_id"])
        action = actions.get_action(action_id)
        if action is None:
            return None
        already = queries.open_request(action_id, self.code)
        snapshot = self.change_kind.snapshot(action, queries.components_of(action_id, self.change_kind.options))
        if already is not None and already.state == RequestState.PENDING and not self._deletes_the_draft():
            self._overtaken(Subject(action, snapshot, already), arguments)
        over = services.over(action)
        if over is not None:  # which the page says
            abort(redirect(list_url(action_id)))
        return Subject(action, snapshot, already)

    def _deletes_the_draft(self) -> bool:
        return str(request.endpoint).rpartition(".")[2] in ("abandon", "ask_to_abandon")

    def _overtaken(self, subject: Subject, arguments: dict[str, Any]) -> NoReturn:
        """A request of this kind waits already.  Who was making, or correcting, one reads who sent it, when and what, and keeps the draft."""
        key, posted = self.draft_key(**arguments), overtaken.posted_step()
        state = WizardState(self, arguments, subject, drafts.find_draft(self.kind, key) or drafts.Draft(token=uuid.uuid4(), step=VALUES))
        if posted in (VALUES, RECAP):
            with self._editing(state, None) as draft:
                self._at(state, draft)
                self._keep(self.step(posted), state)
        elif state.draft.is_new:
            flash(already_text(cast(ModificationRequest, subject.correcting)), "info")
            abort(redirect(list_url(subject.action.id)))
        urls = {"abandon_url": self.url("ask_to_abandon", state), "list_url": list_url(subject.action.id)}
        motivation = "".join(state.draft.steps.get(RECAP, {}).get("motivation", ()))
        values = overtaken.page_values(cast(ModificationRequest, subject.correcting), self.changes(state), motivation, urls=urls)
        page = self.render_template("requests/overtaken.html", action=subject.action, breadcrumb=list(self.breadcrumb(state)), **values)
        abort(make_response(page, 409 if posted else 200))

    def form_class(self, step: Step, state: WizardState) -> type[Form]:
        """The fields of the first step depend on the action."""
        if step.name != VALUES:
            return super().form_class(step, state)
        correcting = state.subject.correcting
        asked = {control(change.key): ("",) for change in correcting.asked} if correcting is not None else {}
        return self.change_kind.form_class(state.subject.snapshot, state.draft.steps.get(VALUES, asked))

    def initial(self, step: Step, state: WizardState) -> dict[str, Any]:
        """What the kind proposes, and what the request to correct asked."""
        correcting = state.subject.correcting
        if step.name == VALUES:
            return dict(self.change_kind.initial(state.subject.snapshot, correcting.asked if correcting is not None else ()))
        return {"motivation": correcting.motivation} if correcting is not None else {}

    def asks_again(self, step: Step, state: WizardState) -> bool:
        """The button that looks for other sites fills the lists, and judges nothing."""
        if step.name == RECAP:
            return document_step.asked(state)
        return step.name == VALUES and SEARCH in request.form

    def changes(self, state: WizardState) -> tuple[Change, ...]:
        """What the values typed would change of today's data."""
        snapshot = state.subject.snapshot
        return with_words(diff(snapshot.values, self.change_kind.typed(state.form(VALUES), snapshot), snapshot.names))

    def check_step(self, step: Step, form: Form, state: WizardState) -> bool:
        """The rules of the kind, said beside the fields."""
        if step.name != VALUES:
            return document_step.say(form, state) if request.method == "POST" and step.name == RECAP else True
        changes = self.changes(state)
        found = services.objections(self.change_kind, state.subject.snapshot, changes, self.ruling(state, changes))
        for problem in found:
            say(form, problem)
        return not found

    def ruling(self, state: WizardState, changes: Sequence[Change]) -> market_rules.Ruling:
        """What the market rules say of these changes."""
        return market_rules.rule_on(state.subject.action, self.code, changes)

    def step_context(self, step: Step, state: WizardState) -> dict[str, Any]:
        """What the pages show besides the form."""
        changes = self.changes(state) if step.name == RECAP else ()
        correcting = state.subject.correcting
        ruling = self.ruling(state, changes) if step.name == RECAP else None
        notes = {control(note.key): note.text for note in correcting.noted} if correcting is not None else {}
        return {
            "ruling": ruling,
            "notes": notes,
            "said": lambda name: _said(notes[name], name) if name in notes else None,
            "action": state.subject.action,
            "snapshot": state.subject.snapshot,
            "correcting": correcting,
            "control": control,
            "parts": _parts(state.subject.snapshot) if step.name == VALUES else [],
            "postal_code": POSTAL_CODE,
            "search": SEARCH,
            "sought": _sought(state) if step.name == VALUES else None,
            "kind_label": labels.kind_label(self.code),
            "rows": labels.change_rows(changes),
            "remarks": [labels.problem_text(one) for one in self.change_kind.remarks(state.subject.snapshot, changes)],
            "shown_changes": _shown(changes, ruling) if ruling is not None else "",
            **(document_labels.step_values(state) if step.name == RECAP else {}),
            "menu_current": "ActionsView.index",
        }

    def finish(self, state: WizardState) -> str:
        """Send, or send again; what the moment forbids is said on the step concerned."""
        subject: Subject = state.subject
        changes = self.changes(state)
        shown, now = request.form.get(SHOWN_CHANGES), _shown(changes, self.ruling(state, changes))
        if shown not in (None, now):
            raise StepRefused(RECAP, _moved_text(str(shown), now))
        declared = actions.declaration_of(subject.action.id) is not None
        asked = services.Asked(self.change_kind.typed(state.form(VALUES), subject.snapshot), state.values(RECAP)["motivation"])
        try:
            if subject.correcting is None:
                request_id = services.send(subject.action.id, self.code, asked)
            else:
                request_id = subject.correcting.id
                services.send_again(request_id, asked, version=subject.correcting.version)
            documents.send_with(state.draft.token, request_id)
        except services.RequestNotFound:
            abort(404)
        except services.Refused as refusal:
            raise StepRefused(VALUES, " ".join(labels.problem_text(problem) for problem in refusal.problems)) from None
        except services.AlreadyOpen:
            raise StepRefused(RECAP, already_sentence()) from None
        except services.Overtaken:
            raise StepRefused(RECAP, _("Somebody else changed this request meanwhile: look at it again from the list of requests.")) from None
        sent = queries.get_request(request_id)
        if sent is not None and sent.treatment == Outcome.RECORD:
            flash(_("Recorded at once: the new data of the action %(number)s count from now on.", number=subject.action.number), "success")
            return list_url(subject.action.id)
        flash(_("Your request about the action %(number)s was sent: it is “En attente de validation”.", number=subject.action.number), "success")
        if declared and actions.declaration_of(subject.action.id) is None:
            flash(_("The action is no longer declared finished: declare it again once the Région has decided."), "info")
        return url_for("RequestsView.show", request_id=request_id)

    def leave_url(self, state: WizardState) -> str:
        """The list of the requests of the action."""
        return list_url(state.subject.action.id)

    def breadcrumb(self, state: WizardState) -> Sequence[tuple[str, str | None]]:
        """« Accueil » Actions de formation » Gestion » Demande de modification de données » Nouvelle demande »."""
        subject: Subject = state.subject
        return crumbs(
            subject.action, (_("Request for a modification of data"), list_url(subject.action.id)), (labels.kind_label(self.code), None)
        )


_DATES = tuple(f"_{field}" for field in DATE_FIELDS)


def _said(note: str, name: str) -> str:
    """What the validator says of a field, as its hint; a date keeps the hint of its format."""
    words = _("The Région: %(note)s", note=note)
    return f"{words} ({_('dd/mm/yyyy')})" if name.endswith(_DATES) else words


def _shown(changes: Sequence[Change], ruling: market_rules.Ruling) -> str:
    """Names what the recap shows: the changes, and what becomes of them."""
    return f"{fingerprint_of(changes)}-{ruling.verdict.outcome}"


def _moved_text(shown: str, now: str) -> str:
    """What changed since the recap was shown: the data of the action, or what the market rules make of the same changes."""
    if shown.rpartition("-")[0] == now.rpartition("-")[0]:
        return _("The market rules changed since this summary was shown, and with them what becomes of your request: read it again, then validate.")
    return _("The data of the action changed since this summary was shown: check it again, then validate.")


def say(form: Form, problem: Problem) -> None:
    """Put the sentence beside its field; beside the first one when it concerns the whole."""
    name = control(problem.key) if problem.key is not None else ""
    field = form[name] if name in form else next(iter(form))
    field.errors = [*field.errors, labels.problem_text(problem)]


def _sought(state: WizardState) -> dict[str, Any] | None:
    """What the search of other sites found: how many, what is wrong with what was typed, and whom to ask for one that is not known."""
    typed = "".join(state.draft.steps.get(VALUES, {}).get(POSTAL_CODE, ())).strip()
    if not typed:
        return None
    code = typed.replace(" ", "")
    known = is_postal_code(code)
    return {
        "typed": typed,
        "known": known,
        "count": queries.sites_of(code) if known else 0,
        "contact": contact_of_programme(state.subject.action.contract.programme_id),
    }


def _parts(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The components with what each asks: control, label and present value in words."""
    words = words_for([(key.field, value) for key, value in snapshot.values.items()])
    return [
        {
            "component": component,
            "fields": [
                {
                    "control": control(key),
                    "label": labels.present_label(key.field),
                    "value": words.get((key.field, value)) or labels.value_text(key.field, value),
                }
                for key, value in snapshot.values.items()
                if key.target is Target.COMPONENT and key.id == component.id
            ],
        }
        for component in snapshot.components
    ]


def list_url(action_id: int) -> str:
    """« Suivi des demandes de modification » of the action."""
    return url_for("RequestsView.of_action", action_id=action_id)


def already_sentence() -> str:
    """Guide 003 §2, the last warning."""
    return _("As long as the request is not decided by the Région, no other request of the same kind can be made.")


def already_text(already: ModificationRequest) -> str:
    """Which request bars the way."""
    return _("“%(kind)s” is already waiting for validation for this action.", kind=labels.kind_label(already.kind)) + " " + already_sentence()


def _steps(kind: RequestKind, label: Any) -> tuple[Step, ...]:
    return (
        Step(VALUES, label, ValuesForm, KINDS[kind].template),
        Step(RECAP, _l("Summary and motivation"), MotivationForm, "requests/recap.html"),
    )


class DatesRequestView(RequestWizard):
    """« Demande de modification de dates »."""

    route_base = "/actions-de-formation/<int:action_id>/demandes/dates"
    code = RequestKind.DATES
    kind = "request-dates"
    steps = _steps(RequestKind.DATES, _l("Dates"))


class ReferenceRequestView(RequestWizard):
    """« Données du référentiel »."""

    route_base = "/actions-de-formation/<int:action_id>/demandes/referentiel"
    code = RequestKind.REFERENCE
    kind = "request-reference"
    steps = _steps(RequestKind.REFERENCE, _l("Repository data"))


class VolumesRequestView(RequestWizard):
    """« Volumes et places »."""

    route_base = "/actions-de-formation/<int:action_id>/demandes/volumes"
    code = RequestKind.VOLUMES
    kind = "request-volumes"
    steps = _steps(RequestKind.VOLUMES, _l("Volumes and places"))


class SitesRequestView(RequestWizard):
    """« Sites »."""

    route_base = "/actions-de-formation/<int:action_id>/demandes/sites"
    code = RequestKind.SITES
    kind = "request-sites"
    steps = _steps(RequestKind.SITES, _l("Sites"))


class PartnersRequestView(RequestWizard):
    """« Partenaires »."""

    route_base = "/actions-de-formation/<int:action_id>/demandes/partenaires"
    code = RequestKind.PARTNERS
    kind = "request-partners"
    steps = _steps(RequestKind.PARTNERS, _l("Partners"))


WIZARDS: dict[RequestKind, type[RequestWizard]] = {
    view.code: view for view in (DatesRequestView, ReferenceRequestView, VolumesRequestView, SitesRequestView, PartnersRequestView)
}
