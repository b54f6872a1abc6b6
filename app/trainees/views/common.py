"""What the views of trainees share: 404s, paths, filters."""

from __future__ import annotations

from typing import Any

from flask import abort, request, url_for
from flask_babel import gettext as _
from sqlalchemy.exc import DBAPIError

from app.actions.models import Action
from app.actions.views import crumbs as action_crumbs
from app.core.errors_db import field_of, translate

from .. import queries
from ..models import Enrolment, Registration
from ..queries import Todo, TraineeFilter


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
    todo = request.args.get("a_faire", "")
    return TraineeFilter(
        text=" ".join(request.args.get("texte", "").replace("\x00", "").split())[:100],
        todo=Todo(todo) if todo in set(Todo) else None,
    )
