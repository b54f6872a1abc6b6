"""What the views of trainees share: 404s, paths, filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.exc import DBAPIError, IntegrityError
from wtforms.fields import SelectChoice

from app.actions.models import Action, Component
from app.actions.views import crumbs as action_crumbs
from app.core import clock
from app.core.concurrency import StaleError
from app.core.errors_db import field_of, translate
from app.core.extensions import db
from app.core.nir import Nir, NirError, NirKind, NirProblem, compute_key, normalise, parse
from app.core.nir.messages import problem_message
from app.core.nir.number import KEY_LENGTH, NUMBER_LENGTH
from app.core.nir.text import meant_as_number, number_in
from app.partners.agora.port import Civility, Gender

from .. import labels, queries
from ..domain import EnrolmentPlan, Problem, Refused, ft_date_problem, schooling_problems
from ..forms import EnrolmentForm
from ..models import Enrolment, Registration
from ..queries import TraineeFilter, tasks
from ..services.identity import Person

#: The parameter of a list whose number could not be searched for, or is nobody's.
NOBODY = "introuvable"


def registration_or_404(registration_id: int) -> Registration:
    """The registration, or the same 404 whether it does not exist or belongs to somebody else."""
    registration = queries.get_registration(registration_id)
    if registration is None:
        abort(404)
    return registration


def enrolment_or_404(enrolment_id: int) -> Enrolment:
    """The enrolment, or 404."""
    enrolment = queries.get_enrolment(enrolment_id)
    if enrolment is None:
        abort(404)
    return enrolment


def show_database_refusal(form: Any, error: DBAPIError) -> None:
    """Say at the form, what was typed kept, what only the database saw: two people at the same time, mostly."""
    sentence, name = translate(error), field_of(error)
    if name is not None and name in form:
        form[name].errors = [*form[name].errors, sentence]
    else:
        form.form_errors.append(sentence)


def show_problems(form: Any, problems: tuple[Problem, ...]) -> None:
    """Put each problem beside its field; those of no field go on top."""
    for problem in problems:
        sentence = labels.problem_text(problem)
        if problem.field in form:
            form[problem.field].errors = [*form[problem.field].errors, sentence]
        else:
            form.form_errors.append(sentence)


def saved(act: Callable[[], object], form: Any, enrolment_id: int | None) -> bool:
    """Whether the act was done; else why not is said at the form, and the page's rows are to be read again.  Raises LookupError.

    ``enrolment_id`` is the enrolment whose version the form carries, if there is one.
    """
    try:
        act()
    except Refused as refusal:
        show_problems(form, refusal.problems)
    except StaleError:
        if enrolment_id is None:
            raise
        db.session.rollback()
        form.form_errors.append(_("Somebody modified this enrolment meanwhile: check what stands above, then save again."))
        form.version.raw_data = None
        form.version.data = enrolment_or_404(enrolment_id).version
    except IntegrityError as error:
        db.session.rollback()
        show_database_refusal(form, error)
    else:
        return True
    return False


def plan_of(form: Any) -> EnrolmentPlan:
    """What is typed of an enrolment."""
    return EnrolmentPlan(
        planned_start=form.planned_start.data,
        planned_end=form.planned_end.data,
        site_id=form.site_id.data,
        hours_centre=form.hours_centre.data,
        hours_company=form.hours_company.data,
    )


def offer_sites(form: EnrolmentForm, component: Component) -> None:
    """The sites of the component, to choose from."""
    form.site_id.choices = [SelectChoice(str(site.id), str(site)) for site in component.sites]


def proposed(component: Component) -> dict[str, Any]:
    """The component's own end and volumes, its site when there is one.

    The start is today's, or the component's own when that is still to come: a day that has passed is for the person to say.
    """
    sites, today = component.sites, clock.today()
    return {
        "planned_start": max(component.planned_start, today) if today <= component.planned_end else None,
        "planned_end": component.planned_end,
        "site_id": sites[0].id if len(sites) == 1 else None,
        "hours_centre": component.hours_centre or None,
        "hours_company": component.hours_company,
    }


def refused(why: str, registration_id: int) -> ResponseReturnValue:
    """Refuse at once, on the sheet, rather than at the end of a form."""
    flash(why, "danger")
    return redirect(url_for("RegistrationPages.show", registration_id=registration_id))


def form_status(form: Any) -> int:
    """Of the answer that shows a form: 422 when something of it was refused."""
    return 422 if request.method == "POST" and (form.errors or form.form_errors) else 200


def fits(form: Any, birth_date: date) -> bool:
    """Whether the situation typed is possible for somebody born that day; said at the field if not."""
    if "ft_registered_on" not in form:
        return True
    early = ft_date_problem(form["ft_registered_on"].data, birth_date)
    years = {name: form[name].data for name in ("last_class_year", "highest_level_year")}
    problems = (*((early,) if early is not None else ()), *schooling_problems(birth_date, **years))
    show_problems(form, problems)
    return not problems


def typed_person(form: Any) -> Person:
    """The civil status of a form."""
    return Person(
        civility=Civility(form["civility"].data),
        birth_name=form["birth_name"].data,
        usual_name=form["usual_name"].data or None,
        first_name=form["first_name"].data,
        birth_date=form["birth_date"].data,
        gender=Gender(form["gender"].data),
    )


def left_blank(form: Any) -> bool:
    """Whether both boxes of the number are empty."""
    return not (form.nir.data or "").strip() and not (form.key.data or "").strip()


def typed_nir(form: Any) -> Nir | None:
    """The NIR of a form; None with the message at the box at fault."""
    try:
        number = parse(form.nir.data, form.key.data)
    except NirError as error:
        box = form.key if error.problem.field == "key" else form.nir
        box.errors = [*box.errors, problem_message(error.problem)]
        return None
    if number.kind is not NirKind.NIR:
        form.nir.errors = [*form.nir.errors, _("This is an NIA: enter here the NIR, which begins with 1 or 2.")]
        return None
    return number


def agrees_with_number(form: Any, person: Person, asked: Sequence[str] | None) -> bool:
    """Whether a typed civil status fits itself, and the number if there is one; or was confirmed although it does not.

    Said at the field, never refused for good: a civil status may have changed since the number was given, or been registered wrong.
    """
    told = labels.contradictions(person, parse(asked[0]) if asked else None)
    form.contradicted = bool(told)
    if not told or form["identity_confirmed"].data:
        return True
    for name, sentences in told.items():
        form[name].errors = [*form[name].errors, _("%(wrong)s Correct it, or confirm below that it is right.", wrong=" ".join(sentences))]
    return False


def crumbs(action: Action, *more: tuple[str, str | None]) -> list[tuple[str, str | None]]:
    """« Accueil » Actions de formation » Gestion » Liste des stagiaires » … » (guide 000)."""
    listed = (_("List of the trainees"), url_for("TraineesView.of_action", action_id=action.id))
    return action_crumbs(action, listed, *more)


def sheet_crumbs(registration: Registration, *more: tuple[str, str | None]) -> list[tuple[str, str | None]]:
    """The path down to a sheet, and further."""
    here = (registration.trainee.display_name, url_for("RegistrationPages.show", registration_id=registration.id))
    return crumbs(registration.action, here, *more)


def filter_from_address() -> TraineeFilter:
    """What the list is narrowed to."""
    return filter_of(request.args)


def filter_of(args: Mapping[str, str]) -> TraineeFilter:
    """What a list with these words in its address is narrowed to."""
    todo = args.get("a_faire", "")
    people = [int(word) for word in args.get("personnes", "").split(",") if word.isascii() and word.isdecimal() and len(word) < 10]
    if args.get(NOBODY):
        people = [0]
    text = searched_text(args.get("texte", ""))
    return TraineeFilter(
        text=text,
        todo=todo if todo in tasks() else "",
        people=tuple(people[: queries.MAX_PEOPLE]),
    )


def searched_text(typed: str) -> str:
    """A text to search for, on one line."""
    return " ".join(typed.replace("\x00", "").split())[:100]


def _searched_number(text: str) -> Nir:
    """The number that a text is, or holds.  Its key may be left out: it is computed here, and never shown.  Raises NirError."""
    whole = len(normalise(text)) == NUMBER_LENGTH + KEY_LENGTH and normalise(text)[:5].isdecimal()
    typed = text if whole else number_in(text) or text
    try:
        return parse(typed)
    except NirError as error:
        if error.problem is not NirProblem.KEY_MISSING:
            raise
        body = normalise(typed)
        return parse(body, compute_key(body))


def address_of_number(text: str, *, action_id: int | None = None, todo: str = "") -> str | None:
    """The list narrowed to who bears this number, which the address does not hold; None for a text that is no number.

    Wrong, or nobody's, it is said above a list of nobody: the whole list would look like what was found.
    """
    if not meant_as_number(text):
        return None
    try:
        number = _searched_number(text)
    except NirError as error:
        flash(_("This number was not searched for. %(why)s", why=problem_message(error.problem)), "danger")
        return list_address(action_id, a_faire=todo, **{NOBODY: 1})
    found = queries.trainees_with_number(number)
    if not found:
        flash(_("Nobody you may see bears the number %(number)s.", number=number.masked), "info")
        return list_address(action_id, a_faire=todo, **{NOBODY: 1})
    return list_address(action_id, a_faire=todo, personnes=",".join(map(str, found)))


def list_address(action_id: int | None, **narrowed: Any) -> str:
    """The list of an action, or of all, narrowed so; what is empty is left out."""
    values: dict[str, Any] = {name: value for name, value in narrowed.items() if value}
    return url_for("TraineesView.index", **values) if action_id is None else url_for("TraineesView.of_action", action_id=action_id, **values)
