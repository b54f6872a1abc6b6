"""« Partenaires »: co-traitants and sous-traitants of the action are added, changed, or leave (DOMAIN §3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from flask_babel import gettext as _
from wtforms import Form, SelectField, StringField
from wtforms.fields import SelectChoice
from wtforms.validators import Length

from app.accounts.domain import compact_siret
from app.actions.models import Action, Component
from app.actions.partner_models import ROLE_LABELS, ActionPartner, PartnerRole
from app.actions.queries import partners_of, partners_of_all
from app.core.extensions import db
from app.core.ui.forms import FrDateField
from app.core.ui.kept_text import KeptTextForm

from ..domain import Change, Field, Key, Problem, ProblemCode, RequestKind, Target, Value, apply, gone
from ..domain.partners import FIELDS, MOST_NEW, Around, empty_slots, partner_problems
from ..partner_labels import PARTNER_FIELD_LABELS
from .base import ChangeKind, Snapshot, Typed, control, text_or_none

_LENGTHS = {Field.LEGAL_NAME: 200, Field.SIRET: 30}


@dataclass(frozen=True, slots=True)
class PartnersSnapshot(Snapshot):
    """The partners of one action as they stand now, with room for those to add."""

    partners: Sequence[ActionPartner] = ()

    @property
    def names(self) -> dict[int, str]:
        """What the partners are called, by id."""
        new = {-number: _("New partner %(number)d", number=number) for number in range(1, MOST_NEW + 1)}
        return {partner.id: partner.legal_name for partner in self.partners} | new


class PartnersKind(ChangeKind):
    """Kind, legal name, SIRET and dates; a partner that leaves gets an end, none is deleted."""

    code: ClassVar[RequestKind] = RequestKind.PARTNERS
    template: ClassVar[str] = "requests/partners.html"

    def snapshot(self, action: Action, components: Sequence[Component]) -> Snapshot:
        """The partners as they are; they change under the lock of their action alone."""
        return self._of(action, components, partners_of(action.id, fresh=True))

    def snapshots(self, places: Sequence[tuple[Action, Sequence[Component]]]) -> list[Snapshot]:
        """The partners of all the actions in one statement."""
        found = partners_of_all([action.id for action, _components in places])
        return [self._of(action, components, found[action.id]) for action, components in places]

    def _of(self, action: Action, components: Sequence[Component], partners: Sequence[ActionPartner]) -> Snapshot:
        present: dict[Key, Value] = {Key(Target.PARTNER, one.id, field): getattr(one, field.value) for one in partners for field in FIELDS}
        return PartnersSnapshot(action, components, {**present, **empty_slots()}, partners=partners)

    def form_class(self, snapshot: Snapshot, typed: Typed) -> type[Form]:
        """All of the present partners; of those to add, one more than what was filled in."""
        shown = min(_filled(typed) + 1, MOST_NEW)
        fields = {control(key): _control(key) for key in snapshot.values if key.id > 0 or -key.id <= shown}
        return type("PartnersForm", (KeptTextForm,), {**fields})

    def problems(self, snapshot: Snapshot, changes: Sequence[Change]) -> tuple[Problem, ...]:
        """Whole partners, true SIRET, each once, dates in order and within the action."""
        if lost := gone(changes, snapshot.values):
            return tuple(Problem(None, ProblemCode.GONE, {"of": change.of}) for change in lost)
        action = snapshot.action
        start = min(action.planned_start, action.actual_start or action.planned_start)
        around = Around(action.organisation.siret, start, action.planned_end, frozenset(PartnerRole))
        return partner_problems(changes, apply(changes, snapshot.values), around)

    def apply(self, snapshot: Snapshot, changes: Sequence[Change]) -> None:
        """Write the changes of the present partners, and add the new ones."""
        values = apply(changes, snapshot.values)
        rows = {one.id: one for one in cast(PartnersSnapshot, snapshot).partners}
        touched = dict.fromkeys(change.key.id for change in changes)
        for number in sorted(touched, reverse=True):
            row = rows.get(number)
            if row is None:
                row = ActionPartner(organisation_id=snapshot.action.organisation_id, action_id=snapshot.action.id)
                db.session.add(row)
            for field in FIELDS:
                value = values[Key(Target.PARTNER, number, field)]
                if getattr(row, field.value) != value:
                    setattr(row, field.value, value)
        db.session.flush()

    def typed(self, form: Form, snapshot: Snapshot) -> dict[Key, Value]:
        """What was filled in; an empty choice is nothing."""
        found = ChangeKind.typed(self, form, snapshot)
        return {key: value for key, value in found.items() if value != ""}

    def initial(self, snapshot: Snapshot, changes: Sequence[Change]) -> Mapping[str, Any]:
        """Nothing, or what a request to correct asked."""
        return {control(change.key): change.after for change in changes}


def _filled(typed: Typed) -> int:
    """The last of the partners to add of which something was typed, or was asked before."""
    numbers = [
        number
        for number in range(1, MOST_NEW + 1)
        if any(
            (name := control(Key(Target.PARTNER, -number, field))) in typed and ("".join(typed[name]).strip() or typed[name] == ("",)) for field in FIELDS
        )
    ]
    return max(numbers, default=0)


def _control(key: Key) -> Any:
    label = PARTNER_FIELD_LABELS[key.field] if key.id < 0 else _("%(field)s, new value", field=PARTNER_FIELD_LABELS[key.field])
    match key.field:
        case Field.ROLE:
            first = SelectChoice("", _("Choose") if key.id < 0 else _("unchanged"))
            return SelectField(label, choices=[first, *(SelectChoice(role.value, str(ROLE_LABELS[role])) for role in PartnerRole)], default="")
        case Field.STARTS_ON | Field.ENDS_ON:
            return FrDateField(label)
        case Field.SIRET:
            return StringField(label, [Length(max=_LENGTHS[key.field])], filters=[_siret_or_none])
        case _:
            return StringField(label, [Length(max=_LENGTHS[key.field])], filters=[text_or_none])


def _siret_or_none(value: str | None) -> str | None:
    text = text_or_none(value)
    return (compact_siret(text) or text) if text else None
