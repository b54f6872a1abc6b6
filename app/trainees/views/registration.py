"""The registration wizard: Vérification, Identification, Situation initiale, recap (guide 000)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import expose, has_access
from flask_appbuilder.security.decorators import permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import Form

from app.actions import queries as actions
from app.actions.domain import registration_blockers
from app.actions.labels import reason_text
from app.actions.models import Action
from app.core import context
from app.core.nir import NirKind
from app.core.wizard.view import Step, StepRefused, Wizard, WizardState
from app.partners.agora.port import Civility, Gender

from .. import labels, queries
from ..domain import IdentitySource, IdentityState, Refused
from ..forms import CIVIL_FIELDS, IdentificationForm, SituationForm, VerificationForm, plain
from ..services import identity
from ..services.identity import Person
from ..services.registration import AlreadyRegistered, Newcomer, register
from .common import crumbs

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


class RegistrationView(Wizard):
    """Registers a trainee on an action."""

    route_base = "/stagiaires/action/<int:action_id>/enregistrement"
    class_permission_name = "TraineeRegistration"
    permission_label = _l("Registration of a trainee")
    kind = "trainee-registration"
    final_label = _l("Register the trainee")
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
            for name in ("usual_name", "first_name", "birth_date", "civility", "gender") if nir_required else ("nir", "key"):
                del form[name]
        elif step.name == IDENTIFY:
            if not nir_required or self.found(state).locked:
                for name in CIVIL_FIELDS:
                    del form[name]
        elif step.name == SITUATION and not state.subject.esf_cofunded:
            form.without_esf()  # type: ignore[attr-defined]  # it is a SituationForm

    def check_step(self, step: Step, form: Form, state: WizardState) -> bool:
        """Who the person is, then whether AGORA has answered."""
        if step.name == VERIFY:
            return self._verify(form, state)
        if step.name == IDENTIFY:
            return self._identify(form, state)
        return True

    def _verify(self, form: Any, state: WizardState) -> bool:
        action, memo = state.subject, state.memo
        if not action.contract.programme.nir_required:
            person = _typed(form)
            known = identity.known_by_civil_status(person, action.id)
            memo.clear()
            memo.update(person=person.to_json(), source=IdentitySource.TYPED.value, known=known.trainee.id if known else None)
            return not self._on_action(form, known, "first_name")
        known = identity.known_by_number(form.number, action.id)
        if self._on_action(form, known, "nir"):
            return False
        asked = [form.number.value, form.birth_name.data]
        same = memo.get("asked") == asked
        if (request.view_args or {}).get("step_name") != VERIFY:
            # the final act goes over all steps again: AGORA is asked by the first page only, never inside the transaction that registers
            if not same:
                form.birth_name.errors = [*form.birth_name.errors, _("The number or the name changed since: validate this page again.")]
            return same
        if same and (memo.get("person") or self._search(state) is not None):
            return True
        memo.clear()
        memo.update(asked=asked, birth_name=form.birth_name.data, known=known.trainee.id if known else None)
        if known and known.certain and _same_name(known.trainee.birth_name, form.birth_name.data):
            memo.update(person=Person.of(known.trainee).to_json(), source=IdentitySource.AGORA.value)
        elif known and not _same_name(known.trainee.birth_name, form.birth_name.data):
            memo.clear()
            form.birth_name.errors = [*form.birth_name.errors, _("You already know this number under another name: check both.")]
            return False
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
    def _on_action(form: Any, known: identity.Known | None, field: str) -> bool:
        if known is None or known.registration_id is None:
            return False
        form[field].errors = [
            *form[field].errors,
            _("%(name)s is already registered on this action.", name=known.trainee.display_name),
        ]
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
            state.memo.update(person=found.person.to_json(), source=found.source.value)
            return True
        missing = [name for name in CIVIL_FIELDS if name != "usual_name" and not form[name].data]
        for name in missing:
            if not form[name].errors:
                form[name].errors = [_("Fill in this field.")]
        if missing:
            return False
        state.memo["typed"] = {"person": _typed(form).to_json(), "state": found.state.value if found.state else None}
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
    def _search(state: WizardState) -> identity.Search | None:
        uid = state.memo.get("search")
        return identity.read_search(uuid.UUID(uid)) if uid else None

    @expose("/identification/identite", methods=["GET"])
    @has_access
    @permission_name("use")
    def identity(self, **arguments: Any) -> ResponseReturnValue:
        """The identity part of the page, asked while AGORA is waited for; 204 says: not yet."""
        state = self._state(arguments)
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
            "identity_url": self.url("identity", state),
            "verify_url": self.url("show", state, step_name=VERIFY),
            "number_masked": self._masked(state),
        }

    def _masked(self, state: WizardState) -> str | None:
        if "nir" not in state.form(VERIFY):
            return None
        from app.core.nir import mask

        return mask((state.form(VERIFY)["nir"].data or "") + (state.form(VERIFY)["key"].data or "")) or None

    # ---- pages -----------------------------------------------------------------------------------------------------------

    def step_context(self, step: Step, state: WizardState) -> dict[str, Any]:
        """What the pages show besides the form."""
        more: dict[str, Any] = {"action": state.subject, "labels": labels, "menu_current": "ActionsView.index"}
        if step.name == VERIFY:
            more["already_url"] = self._already_url(state) if request.method == "POST" else None
        elif step.name == IDENTIFY:
            more |= {"found": self.found(state), **self._identity_context(state)}
        elif step.name == RECAP:
            person = self._person(state)
            more |= {
                "recap": self.recap(state, IDENTIFY, SITUATION),
                "person": person,
                "person_name": f"{(person.usual_name or person.birth_name).upper()} {person.first_name}",
                "number_masked": self._masked(state),
            }
        return more

    def _already_url(self, state: WizardState) -> str | None:
        """The sheet of a person already on the action, offered beside the error."""
        form: Any = state.form(VERIFY)
        if form.errors and "nir" in form and form.number is not None:
            known = identity.known_by_number(form.number, state.subject.id)
        elif form.errors and "nir" not in form and form["birth_date"].data:
            known = identity.known_by_civil_status(_typed(form), state.subject.id)
        else:
            known = None
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
        flash(
            _(
                "%(name)s is registered. You can now enrol this trainee on a component.",
                name=f"{(person.usual_name or person.birth_name).upper()} {person.first_name}",
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


def _field_names(step: Step) -> list[str]:
    form_class: Any = step.form
    return [name for name in dir(form_class) if hasattr(getattr(form_class, name, None), "creation_counter")]


def _same_name(left: str, right: str) -> bool:
    from app.core.textsearch import fold

    return fold(left) == fold(right)


def _typed(form: Any) -> Person:
    return Person(
        civility=Civility(form["civility"].data),
        birth_name=form["birth_name"].data,
        usual_name=form["usual_name"].data or None,
        first_name=form["first_name"].data,
        birth_date=form["birth_date"].data,
        gender=Gender(form["gender"].data),
    )
