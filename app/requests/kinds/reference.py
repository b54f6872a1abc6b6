"""« Données du référentiel »: title, level, Certif Info and Formacode of the components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from flask_babel import gettext as _
from sqlalchemy import select
from wtforms import Field as Control
from wtforms import SelectField, StringField
from wtforms.fields import SelectChoice
from wtforms.validators import Length

from app.core.extensions import db
from app.core.requests import row_number
from app.reference.models import Level
from app.reference.queries import choices

from .. import labels
from ..domain import Change, Field, Key, Problem, ProblemCode, RequestKind
from ..domain.rules import reference_problems
from .base import ComponentsKind, Snapshot, Typed, text_or_none


class ReferenceKind(ComponentsKind):
    """What the component is called and classed by."""

    code: ClassVar[RequestKind] = RequestKind.REFERENCE
    component_fields: ClassVar[Sequence[Field]] = (Field.TITLE, Field.LEVEL, Field.CERTIF_INFO, Field.FORMACODE)

    def controls(self, snapshot: Snapshot, typed: Typed) -> dict[Key, Control]:
        """Texts, and the list of levels; empty stays as it is."""
        levels = [SelectChoice("", _("unchanged")), *(SelectChoice(str(key), label) for key, label in choices(Level))]
        lengths = {Field.TITLE: 400, Field.CERTIF_INFO: 12, Field.FORMACODE: 12}
        found: dict[Key, Control] = {}
        for key in snapshot.values:
            label = labels.new_label(key.field)
            if key.field is Field.LEVEL:
                found[key] = SelectField(label, choices=levels, coerce=_number_or_none, validate_choice=True)
            else:
                found[key] = StringField(label, [Length(max=lengths[key.field])], filters=[text_or_none])
        return found

    def problems(self, snapshot: Snapshot, changes: Sequence[Change]) -> tuple[Problem, ...]:
        """Codes well made, a level that exists."""
        asked = {change.after for change in changes if change.key.field is Field.LEVEL}
        known = set(db.session.scalars(select(Level.id).where(Level.id.in_(asked)))) if asked else set()
        unknown = [Problem(one.key, ProblemCode.UNKNOWN_VALUE) for one in changes if one.key.field is Field.LEVEL and one.after not in known]
        return (*self.lost(snapshot, changes), *reference_problems(changes), *unknown)


def _number_or_none(value: Any) -> int | None:
    return row_number(str(value or ""))


__all__ = ["ReferenceKind"]
