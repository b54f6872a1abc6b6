"""« Sites »: where the components take place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from flask_babel import gettext as _
from sqlalchemy.orm import selectinload
from wtforms import Field as Control
from wtforms import Form, SelectMultipleField, StringField
from wtforms.fields import SelectChoice

from app.actions.models import Component, ComponentSite
from app.actions.sessions import sessions_on_sites
from app.core.requests import row_number

from .. import labels, queries
from ..domain import Change, Field, Key, Problem, RequestKind, Value
from ..domain.rules import site_problems
from .base import ComponentsKind, Snapshot, Typed, control

#: Control whose text brings the sites of a postal code into the lists.
POSTAL_CODE = "code_postal"


class SitesKind(ComponentsKind):
    """The sites of each component; those of the organisation are offered, others by their postal code."""

    code: ClassVar[RequestKind] = RequestKind.SITES
    component_fields: ClassVar[Sequence[Field]] = (Field.SITES,)
    options: ClassVar[Sequence[Any]] = (selectinload(Component.places_of_training),)

    def controls(self, snapshot: Snapshot, typed: Typed) -> dict[Key, Control]:
        """One box a site."""
        held = {site for value in snapshot.values.values() if isinstance(value, tuple) for site in value}
        ticked = {number for key in snapshot.values for text in typed.get(control(key), ()) if (number := row_number(text)) is not None}
        postal_code = "".join(typed.get(POSTAL_CODE, ())).replace(" ", "")
        offered = [SelectChoice(site.id, str(site)) for site in queries.sites_offered(held | ticked, postal_code)]
        return {key: SelectMultipleField(labels.new_label(key.field), choices=offered, coerce=int) for key in snapshot.values}

    def extra_controls(self) -> dict[str, Control]:
        """The search of other sites."""
        return {POSTAL_CODE: StringField(_("Postal code of another site"))}

    def initial(self, snapshot: Snapshot, changes: Sequence[Change]) -> Mapping[str, Any]:
        """The boxes of the present sites are ticked; of a request to correct, those it asked."""
        asked = {control(change.key): change.after for change in changes}
        return {control(key): list(asked.get(control(key), value) or ()) for key, value in snapshot.values.items()}  # type: ignore[arg-type]

    def typed(self, form: Form, snapshot: Snapshot) -> dict[Key, Value]:
        """What is ticked, in one order."""
        return {key: tuple(sorted(form[control(key)].data or ())) for key in snapshot.values if control(key) in form}

    def problems(self, snapshot: Snapshot, changes: Sequence[Change]) -> tuple[Problem, ...]:
        """One site at least; none that does not exist or is no longer used; none taken away from trainees or sessions."""
        kept = [change for change in changes if change.key in snapshot.values]
        asked = {site for change in kept for site in _sites(change.after)}
        known = queries.choosable_sites(asked)
        held = {change.key.id: frozenset(_sites(snapshot.values[change.key])) for change in kept}
        return (*self.lost(snapshot, changes), *site_problems(kept, held, known, queries.enrolled_by_site(list(held)), sessions_on_sites(list(held))))

    def write(self, row: Any, field: Field, value: Value) -> None:
        """Links taken away and added; those that stay are left alone."""
        wanted = set(_sites(value))
        for link in list(row.places_of_training):
            if link.site_id not in wanted:
                row.places_of_training.remove(link)
        for site_id in sorted(wanted - {link.site_id for link in row.places_of_training}):
            row.places_of_training.append(ComponentSite(organisation_id=row.organisation_id, site_id=site_id))

    def value_of(self, row: Any, field: Field) -> Value:
        """The ids of the sites, in one order."""
        return tuple(sorted(link.site_id for link in row.places_of_training))


def _sites(value: Value) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else ()
