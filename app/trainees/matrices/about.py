"""Whom the lines of an import are about, as the account that looks may see them."""

from __future__ import annotations

from collections.abc import Collection

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import load_only

from app.actions.models import Component
from app.core.extensions import db
from app.core.matrix.plan import About
from app.core.matrix.rows import among

from ..models import Enrolment, Registration, Trainee

#: What a line is about when it is no enrolment.
_SHEET = "registration"


def about(subjects: Collection[tuple[str, int]]) -> dict[tuple[str, int], About]:
    """Each sheet and enrolment that is there and in the scope: the trainee, and the page of the sheet; in two statements at most."""
    sheets = _sheets({number for subject, number in subjects if subject == _SHEET})
    enrolments = _enrolments({number for subject, number in subjects if subject != _SHEET})
    found = {(subject, number): (sheets if subject == _SHEET else enrolments).get(number) for subject, number in subjects}
    return {one: told for one, told in found.items() if told is not None}


def _sheets(ids: set[int]) -> dict[int, About]:
    if not ids:
        return {}
    statement = select(Registration.id, Trainee).join(Trainee, Trainee.id == Registration.trainee_id).where(among(Registration.id, ids))
    return {number: About(who.display_name, _address(number)) for number, who in db.session.execute(statement.options(_NAMES))}


def _enrolments(ids: set[int]) -> dict[int, About]:
    if not ids:
        return {}
    statement = (
        select(Enrolment.id, Enrolment.registration_id, Component.number, Trainee)
        .join(Registration, Registration.id == Enrolment.registration_id)
        .join(Trainee, Trainee.id == Registration.trainee_id)
        .join(Component, Component.id == Enrolment.component_id)
        .where(among(Enrolment.id, ids))
    )
    return {
        number: About(who.display_name, f"{_address(sheet)}#gestion-{number}", _("component %(number)s", number=component))
        for number, sheet, component, who in db.session.execute(statement.options(_NAMES))
    }


_NAMES = load_only(Trainee.usual_name, Trainee.birth_name, Trainee.first_name)


def _address(registration_id: int) -> str:
    return url_for("RegistrationPages.show", registration_id=registration_id)


__all__ = ["about"]
