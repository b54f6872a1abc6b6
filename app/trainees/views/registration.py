"""The registration wizard: Vérification, Identification, Situation initiale, recap (guide 000)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from flask import Response, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import expose, has_access
from flask_appbuilder.security.decorators import permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from wtforms import Form

from app.actions import queries as actions
from app.actions.domain import registration_blockers
from app.actions.labels import reason_text
from app.actions.models import Action
from app.core import context, crypto
from app.core.nir import Nir, NirError, NirKind, mask, parse
from app.core.textsearch import fold
from app.core.wizard import drafts
from app.core.wizard.several import SeveralDrafts
from app.core.wizard.steps import Step, StepRefused, WizardState
from app.core.wizard.view import CONCERNS

from .. import labels, queries
from ..domain import IdentitySource, IdentityState, Refused
from ..forms import CIVIL_FIELDS, IDENTITY_FIELDS, IdentificationForm, SituationForm, VerificationForm, plain
from ..services import identity
from ..services.identity import Person
from ..services.registration import AlreadyRegistered, Newcomer, register
from .common import agrees_with_number, crumbs, fits, typed_person

NUMBER_BOXES = ("nir", "key")
VERIFY, IDENTIFY, SITUATION, RECAP = "verification", "identification", "situation-initiale", "recapitulatif"


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of the person at this moment: locked (AGORA or already known), awaited, or to be typed."""

    state: IdentityState | None
    person: Person | None = None
    source: IdentitySource = IdentitySource.TYPED

    @property
    def locked(self) -> bool:
        """Whether the civil status is shown and not asked."""
        return self.person is not None

    @property
    def pending(self) -> bool:
        """Whether AGORA is still being waited for."""
        return self.state is IdentityState.PENDING


class RegistrationView(SeveralDrafts):
    """Registers a trainee on an action.  Each registration has a draft of its own; a page made for one person never fills another's."""

    route_base = "/stagiaires/action/<int:action_id>/enregistrement"
    class_permission_name = "TraineeRegistration"
    permission_label = _l("Registration of a trainee")
    kind = "trainee-registration"
    final_label = _l("Register the trainee")
    keeps_unaccepted = False  # nobody is known yet: a list of inputs without a name helps nobody
    steps = (
        Step(VERIFY, _l("Verification"), VerificationForm, "trainees/wizard_verification.html"),
        Step(IDENTIFY, _l("Identification"), IdentificationForm, "trainees/wizard_identification.html"),
        Step(SITUATION, _l("Initial situation"), SituationForm, "trainees/wizard_situation.html"),
        Step(RECAP, _l("Summary"), None, "trainees/wizard_recap.html"),
    )

    # ---- the wizard's own questions ------------------------------------------------------------------------------------

    def load_subject(self, **arguments: Any) -> Action | None:
        """An action that still takes trainees; another sends back to its page, which says why."""
        action_id = int(arguments["action_id"])
        action = actions.get_action(action_id)
        if action is not None:
            blockers = registration_blockers(action.status)
            if blockers:
                for reason in blockers:
                    flash(reason_text(reason), "info")
                abort(redirect(url_for("ActionsView.show", action_id=action_id)))
        return action

    def initial(self, step: Step, state: WizardState) -> dict[str, Any]:
        """For a known person, the contact details and situation of the last sheet; they may have changed, so they are asked."""
        if step.name == IDENTIFY and state.memo.get("birth_name"):
            base: dict[str, Any] = {"birth_name": state.memo["birth_name"]}
        else:
            base = {}
        trainee_id = state.memo.get("known")
        last = queries.last_registration(trainee_id) if trainee_id and step.form is not None else None
        if last is not None and step.name in (IDENTIFY, SITUATION):
            base |= {name: getattr(last, name) for name in _field_names(step) if hasattr(last, name)}
        return base

    def prepare_form(self, form: Form, step: Step, state: WizardState) -> None:
        """Take away what this programme, this action or this person does not ask."""
        nir_required = state.subject.contract.programme.nir_required
        if step.name == VERIFY:
            civil = ("usual_name", "first_name", "birth_date", "civility", "gender", "identity_confirmed")
            for name in civil if nir_required else ("nir", "key"):
                del form[name]
        elif step.name == IDENTIFY:
            if not nir_required or self.found(state).locked:
                for name in IDENTITY_FIELDS:
                    del form[name]
        elif step.name == SITUATION and not state.subject.esf_cofunded:
            form.without_esf()  # type: ignore[attr-defined]  # it is a SituationForm

    def check_step(self, step: Step, form: Form, state: WizardState) -> bool:
        """Who the person is, then whether AGORA has answered."""
        if step.name == VERIFY:
            return self._verify(form, state)
        if step.name == IDENTIFY:
            return self._identify(form, state)
        if step.name == SITUATION:
            return fits(form, self._person(state).birth_date)
        return True

    # ---- whom the draft is about -----------------------------------------------------------------------------------------

    def concerns(self, state: WizardState) -> str:
        """The person, as a keyed hash: the same number or civil status, the same word."""
        return str(state.memo.get("stamp") or "")

    def about(self, state: WizardState) -> str:
        """The name, as far as it is known."""
        return str(state.memo.get("about") or "")

    def asks_again(self, step: Step, state: WizardState) -> bool:
        """« Rechercher la ville » without script."""
        return "_towns" in request.form

    def _keep(self, step: Step, state: WizardState) -> None:
        held = self._held_number(state) if step.name == VERIFY else None
        super()._keep(step, state)
        if held is not None and not any(request.form.get(box, "").strip() for box in NUMBER_BOXES):
            # the boxes are shown empty: left so, the number of the draft stays
            state.draft.steps[VERIFY] |= {"nir": [held.number], "key": [held.key]}
            state._forms.pop(VERIFY, None)
        if step.name in (IDENTIFY, SITUATION):
            state.memo["for"] = request.form.get(CONCERNS) or self.concerns(state)

    def _it_is(self, state: WizardState, essence: str, about: str, **more: Any) -> None:
        """Start the draft over for this person: what was typed for somebody else leaves it, and that is said; the same person's stays."""
        memo, draft = state.memo, state.draft
        former, stamp = memo.get("for"), _stamp(state.subject.id, essence)
        whose, before = memo.get("about"), replace(draft, steps=dict(draft.steps), done=list(draft.done), memo=dict(memo))
        memo.clear()
        memo.update(stamp=stamp, about=about, typed_first=draft.steps[VERIFY], **more)
        if former and former != stamp:
            before.steps[VERIFY] = before.memo.get("typed_first", {})
            before.step = IDENTIFY
            if former == before.memo.get("stamp"):
                self.set_aside(state, before)
            draft.steps = {name: raw for name, raw in draft.steps.items() if name == VERIFY}
            draft.done = [name for name in draft.done if name == VERIFY]
            state._forms.clear()
            told = _("The contact details and the situation typed before were emptied: they are those of another person.")
            if whose:
                told = _(
                    "The contact details and the situation typed for %(name)s left this input, which concerns another person now: "
                    "they are kept in an input of their own.",
                    name=whose,
                )
            flash(told, "warning")
        elif former:
            memo["for"] = former

    def _verify(self, form: Any, state: WizardState) -> bool:
        action, memo = state.subject, state.memo
        first_page = (request.view_args or {}).get("step_name") == VERIFY
        if not action.contract.programme.nir_required:
            person = typed_person(form)
            known = identity.known_by_civil_status(person, action.id)
            if self._on_action(form, known) or not agrees_with_number(form, person, None):
                return False
            if first_page:
                details = {"person": person.to_json(), "source": IdentitySource.TYPED.value, "known": known.trainee.id if known else None}
                self._it_is(state, _civil_essence(person), full_name(person), **details)
            elif memo.get("person") != person.to_json():
                form["birth_name"].errors = [*form["birth_name"].errors, _("The number or the name changed since: validate this page again.")]
                return False
            return True
        known = identity.known_by_number(form.number, action.id)
        if self._on_action(form, known):
            return False
        asked = [form.number.value, form.birth_name.data]
        same = memo.get("asked") == asked
        if not first_page:
            # the final act goes over all steps again: AGORA is asked by the first page only, never inside the transaction that registers
            if not same:
                form.birth_name.errors = [*form.birth_name.errors, _("The number or the name changed since: validate this page again.")]
            return same
        if same and (memo.get("person") or self._search(state) is not None):
            return True
        if known and not _same_name(known.trainee.birth_name, form.birth_name.data):
            form.birth_name.errors = [*form.birth_name.errors, _("You already know this number under another name: check both.")]
            return False
        name = form.birth_name.data.upper()
        self._it_is(state, form.number.value, name, asked=asked, birth_name=form.birth_name.data, known=known.trainee.id if known else None)
        if known and known.certain:
            person = Person.of(known.trainee)
            memo.update(person=person.to_json(), source=known.trainee.identity_source, about=full_name(person))
        elif form.number.kind is NirKind.NIR and action.contract.programme.agora_enabled:
            uid = identity.start_search(
                organisation_id=action.organisation_id,
                action_id=action.id,
                nir=form.number,
                birth_name=form.birth_name.data,
                actor_id=context.actor_id(),
            )
            memo["search"] = uid.hex
        return True

    @staticmethod
    def _on_action(form: Any, known: identity.Known | None) -> bool:
        """Said at the number; a civil status is of several boxes, none of which is at fault: on top of the form."""
        if known is None or known.registration_id is None:
            return False
        told = _("%(name)s is already registered on this action.", name=known.trainee.display_name)
        if "nir" in form:
            form["nir"].errors = [*form["nir"].errors, told]
        else:
            sheet = url_for("RegistrationPages.show", registration_id=known.registration_id)
            form.form_errors.append(Markup('{} <a href="{}">{}</a>').format(told, sheet, _("See the sheet of this trainee")))
        return True

    def _identify(self, form: Any, state: WizardState) -> bool:
        """Keep AGORA's answer in the draft (the search itself is purged after an hour), or what was typed.

        What was accepted here is what is registered, whatever AGORA says later: the typed identities are checked again by a job.
        """
        found = self.found(state)
        if found.pending:
            form.form_errors.append(_("AGORA is being asked who this is: one moment, then validate again."))
            return False
        if found.state is IdentityState.MISMATCH:
            form.form_errors.append(_("AGORA knows this NIR under another birth name: go back and check both."))
            return False
        if found.locked:
            assert found.person is not None  # noqa: S101 - what "locked" means
            state.memo.update(person=found.person.to_json(), source=found.source.value, about=full_name(found.person))
            return True
        missing = [name for name in CIVIL_FIELDS if name != "usual_name" and not form[name].data]
        for name in missing:
            if not form[name].errors:
                form[name].errors = [_("Fill in this field.")]
        if missing:
            return False
        person = typed_person(form)
        if not agrees_with_number(form, person, state.memo.get("asked")):
            return False
        state.memo.update(typed={"person": person.to_json(), "state": found.state.value if found.state else None}, about=full_name(person))
        return True

    # ---- identity --------------------------------------------------------------------------------------------------------

    def found(self, state: WizardState) -> Found:
        """What is known of the person now."""
        memo = state.memo
        if memo.get("person"):
            return Found(IdentityState.FOUND, Person.from_json(memo["person"]), IdentitySource(memo["source"]))
        if memo.get("typed"):
            told = memo["typed"]["state"]
            return Found(IdentityState(told) if told else None)
        search = self._search(state)
        if search is None:
            return Found(IdentityState.UNAVAILABLE if memo.get("search") else None)
        return Found(search.state, search.person, IdentitySource.AGORA if search.person else IdentitySource.TYPED)

    @staticmethod
    def _held_number(state: WizardState) -> Nir | None:
        """The number the draft holds: the one typed last, if it is one, else the one that was accepted."""
        raw, asked = state.draft.steps.get(VERIFY, {}), state.memo.get("asked")
        for number, key in ((raw.get("nir"), raw.get("key")), ([asked[0]] if asked else None, None)):
            if number:
                with suppress(NirError):
                    return parse(number[0], key[0] if key else None)
        return None

    def _number_asked(self, state: WizardState) -> dict[str, Any]:
        """The boxes of the number as a page shows them: empty but for what this very request typed, the number of the draft masked beside."""
        form: Any = state.form(VERIFY)
        if "nir" not in form:
            return {"held_number": None}
        held = self._held_number(state)
        typed = request.method == "POST" and any(request.form.get(box, "").strip() for box in NUMBER_BOXES)
        if not typed:
            for box in NUMBER_BOXES:
                form[box].raw_data, form[box].data = [], ""
        return {"held_number": None if typed or held is None else held.masked}

    @staticmethod
    def _search(state: WizardState) -> identity.Search | None:
        uid = state.memo.get("search")
        return identity.read_search(uuid.UUID(uid)) if uid else None

    @expose("/identification/identite", methods=["GET"])
    @has_access
    @permission_name("use")
    def identity(self, **arguments: Any) -> ResponseReturnValue:
        """The identity part of the page, asked while AGORA is waited for; 204 says: not yet."""
        state = self._state(arguments)
        if uid := state.memo.get("search"):
            identity.await_search(uuid.UUID(uid))
        if request.args.get("pour", "") not in ("", self.concerns(state)):
            return self.render_template("trainees/_identity_stale.html", name=self.about(state))
        found = self.found(state)
        if found.pending:
            return Response(status=204)
        return self.render_template(
            "trainees/_identity.html",
            form=state.form(IDENTIFY),
            found=found,
            state=state,
            labels=labels,
            live=True,
            **self._identity_context(state),
        )

    def _identity_context(self, state: WizardState) -> dict[str, Any]:
        return {
            "identity_url": self.url("identity", state, pour=self.concerns(state) or None),
            "verify_url": self.url("show", state, step_name=VERIFY),
            "number_masked": self._masked(state),
            **self._announced(state),
        }

    def _announced(self, state: WizardState) -> dict[str, Any]:
        """Who is about to be registered, and the last sheet of somebody the organisation knows."""
        found, known = self.found(state), state.memo.get("known")
        name = full_name(found.person) if found.person else self.about(state)
        return {"found_name": name, "about": name, "known_sheet": queries.last_registration(known) if known else None}

    def _masked(self, state: WizardState) -> str | None:
        asked = state.memo.get("asked")
        return mask(asked[0]) if asked else None

    # ---- pages -----------------------------------------------------------------------------------------------------------

    def step_context(self, step: Step, state: WizardState) -> dict[str, Any]:
        """What the pages show besides the form."""
        more: dict[str, Any] = {"action": state.subject, "labels": labels, "menu_current": "ActionsView.index"}
        if step.name == VERIFY:
            more["already_url"] = self._already_url(state) if request.method == "POST" else None
            more |= {"others": self.others(state), **self._number_asked(state)}
        elif step.name == IDENTIFY:
            more |= {"found": self.found(state), **self._identity_context(state)}
        elif step.name == RECAP:
            person = self._person(state)
            more |= {
                "recap": self.recap(state, IDENTIFY, SITUATION),
                "person": person,
                "person_name": full_name(person),
                "number_masked": self._masked(state),
            }
        return more

    def summed_up(self, step: Step, state: WizardState) -> Iterable[Any]:
        """Without the confirmation of an identity that needed none, nor what answers do not ask: it would not be saved."""
        form: Any = state.form(step.name)
        left_out = set(form.unasked() if step.name == SITUATION else ())
        if "identity_confirmed" in form and not form["identity_confirmed"].data:
            left_out.add("identity_confirmed")
        return [one for one in form if one.name not in left_out]

    def _already_url(self, state: WizardState) -> str | None:
        """The sheet of a person already on the action, offered beside the error at the number; without number, the error itself leads there."""
        form: Any = state.form(VERIFY)
        known = identity.known_by_number(form.number, state.subject.id) if form.errors and "nir" in form and form.number is not None else None
        if known is None or known.registration_id is None:
            return None
        return url_for("RegistrationPages.show", registration_id=known.registration_id)

    def _person(self, state: WizardState) -> Person:
        if state.memo.get("person"):
            return Person.from_json(state.memo["person"])
        return Person.from_json(state.memo["typed"]["person"])

    def _allowed(self, wanted: str, state: WizardState) -> str:
        """Nothing after the identification opens before it is known who this is: a new number asks for it again."""
        allowed = super()._allowed(wanted, state)
        identified = state.memo.get("person") or state.memo.get("typed")
        return IDENTIFY if allowed in (SITUATION, RECAP) and not identified else allowed

    def finish(self, state: WizardState) -> str:
        """Make the person, if new, and the sheet."""
        verification: Any = state.form(VERIFY)
        contact: Any = state.form(IDENTIFY)
        details = {**plain(contact), **plain(state.form(SITUATION)), "insee_code": contact.insee_code}  # type: ignore[arg-type]
        source = IdentitySource(state.memo["source"]) if state.memo.get("person") else IdentitySource.TYPED
        person = self._person(state)
        newcomer = Newcomer(person, source, verification.number if "nir" in verification else None)
        try:
            registration_id = register(state.subject.id, newcomer, details)
        except AlreadyRegistered:
            raise StepRefused(VERIFY, _("This trainee is already registered on the action.")) from None
        except Refused as refusal:
            problem = refusal.problems[0]
            raise StepRefused(IDENTIFY, labels.problem_text(problem), field=problem.field) from None
        # another input about this person on this action can no longer end: it is not offered either
        if whom := self.concerns(state):
            subject, own = self.subject_key(**state.arguments), self.draft_key(**state.arguments)
            drafts.discard_about(self.kind, subject, memo={"stamp": whom}, but=own)
        flash(
            _(
                "%(name)s is registered. You can now enrol this trainee on a component.",
                name=full_name(person),
            ),
            "success",
        )
        return url_for("RegistrationPages.show", registration_id=registration_id)

    def leave_url(self, state: WizardState) -> str:
        """« Retour à la liste des stagiaires »."""
        return url_for("TraineesView.of_action", action_id=state.subject.id)

    def breadcrumb(self, state: WizardState) -> Sequence[tuple[str, str | None]]:
        """« … » Liste des stagiaires » Enregistrement d'un stagiaire »."""
        return crumbs(state.subject, (_("Registration of a trainee"), None))


def full_name(person: Person) -> str:
    """Name first, in capitals, as the guides write it."""
    return f"{(person.usual_name or person.birth_name).upper()} {person.first_name}"


def _stamp(action_id: int, essence: str) -> str:
    """A word for a person, which tells nothing of the person and differs from one account and action to another."""
    return crypto.blind_index(f"{context.actor_id()}:{action_id}:{essence}", purpose="wizard-concerns").hex()[:32]


def _civil_essence(person: Person) -> str:
    return f"{fold(person.birth_name)}|{fold(person.first_name)}|{person.birth_date.isoformat()}|{person.gender.value}"


def _field_names(step: Step) -> list[str]:
    form_class: Any = step.form
    return [name for name in dir(form_class) if hasattr(getattr(form_class, name, None), "creation_counter")]


def _same_name(left: str, right: str) -> bool:
    return fold(left) == fold(right)
