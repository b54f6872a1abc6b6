"""Contracts, actions, components and their sites, as the Région manages them: declarations only.

The status and the opening of an action are not here: they change through the opening and the closing alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import case, select
from wtforms import StringField
from wtforms.validators import Length

from app.accounts.models import Organisation
from app.core.extensions import db
from app.core.fab import Lookup, PortalModelView, Refused, SafeInterface, Titles
from app.core.fab.checks import a_year, not_negative, two_digits
from app.reference.models import Site

from . import domain, labels, models, ports, services, sessions

_HOLDER = Lookup(Organisation, ("siret", "legal_name"))
_CONTRACT = Lookup(
    models.Contract,
    ("number", "label", "lot_label"),
    label=lambda contract: contract.group_label,
    # A number stands for several lots: number and lot together name one contract.
    code=lambda: case((models.Contract.lot_number == "", models.Contract.number), else_=models.Contract.number + " – Lot " + models.Contract.lot_number),
)
_ACTION = Lookup(models.Action, ("number", "title"))


def _component_code() -> Any:
    """The number of the action and of the component, as SQL: together they name one component."""
    number = select(models.Action.number).where(models.Action.id == models.Component.action_id).correlate(models.Component).scalar_subquery()
    return number + " / " + models.Component.number


_COMPONENT = Lookup(
    models.Component,
    ("title",),
    label=lambda component: f"{component.action.number} / {component.number} – {component.title}",
    code=_component_code,
)
_SITE = Lookup(Site, ("name", "town", "postal_code"), label=str, code=lambda: Site.name + " / " + Site.town + " / " + Site.postal_code)

_DATES: dict[str, Any] = {"planned_start": _l("Planned start"), "planned_end": _l("Planned end"), "updated_at": _l("Last change")}


def _ordered(row: Any) -> None:
    if row.planned_start and row.planned_end and row.planned_end < row.planned_start:
        raise Refused(_("The planned end comes before the planned start."), field="planned_end")


def _refuse_with(faults: Sequence[tuple[str, str]]) -> None:
    """All that is wrong, each at its field."""
    if faults:
        (field, message), *more = faults
        raise Refused(message, field=field or None, also=[(name or None, said) for name, said in more])


class ComponentSiteModelView(PortalModelView):
    """Where components take place."""

    route_base = "/referentiels/sites-des-composantes"
    datamodel = SafeInterface(models.ComponentSite)
    group = "Référentiels"
    titles = Titles(
        plural=_l("Sites of the components"),
        add=_l("Add a site to a component"),
        edit=_l("Modify the site of a component"),
        delete=_l("Take the site %(name)s away from the component"),
    )
    label_columns: ClassVar[dict[str, Any]] = {
        "component": _l("Component"), "site": _l("Site"), "component.action.number": _l("N° Action"),
    }  # fmt: skip
    lookups: ClassVar[dict[str, Lookup]] = {"component": _COMPONENT, "site": _SITE}
    list_columns = ["component.action.number", "component", "site"]
    show_columns = add_columns = ["component", "site"]
    edit_columns: ClassVar[list[str]] = []
    search_columns: ClassVar[list[str]] = []
    quick_search = ()
    base_order = ("id", "desc")
    exclude_route_methods: ClassVar[set[str]] = {"edit"}

    def pre_delete(self, item: models.ComponentSite) -> None:
        """A session takes place on a site of its component."""
        numbers = sessions.sessions_on_sites([item.component_id]).get(item.component_id, {}).get(item.site_id)
        if numbers:
            raise Refused(labels.sessions_on_site_text(numbers))
        sessions.tell_site(domain.DataEvent.SITE_REMOVED, item.component, item.site)

    def pre_add(self, item: models.ComponentSite) -> None:
        """The history of the action tells it."""
        with db.session.no_autoflush:  # the row itself is added after this
            sessions.tell_site(domain.DataEvent.SITE_ADDED, item.component, item.site)


class ComponentModelView(PortalModelView):
    """Components of the actions."""

    route_base = "/referentiels/composantes"
    datamodel = SafeInterface(models.Component)
    group = "Référentiels"
    titles = Titles(
        plural=_l("Components"),
        add=_l("Add a component"),
        edit=_l("Modify the component %(name)s"),
        delete=_l("Delete the component %(name)s"),
    )
    label_columns: ClassVar[dict[str, Any]] = {
        **_DATES,
        "action": _l("Action"),
        "action.number": _l("N° Action"),
        "number": _l("N°"),
        "title": _l("Title of the component"),
        "level": _l("Level"),
        "certif_info": _l("Certif Info code"),
        "formacode": _l("Formacode"),
        "hours_centre": _l("Planned hours in centre"),
        "hours_company": _l("Planned hours in company"),
        "places": _l("Places"),
    }
    description_columns: ClassVar[dict[str, Any]] = {"number": _l("Two digits: 01, 02…")}
    validators_columns: ClassVar[dict[str, Any]] = {
        "number": [two_digits],
        "hours_centre": [not_negative(_l("Hours cannot be negative."))],
        "hours_company": [not_negative(_l("Hours cannot be negative."))],
        "places": [not_negative()],
    }
    lookups: ClassVar[dict[str, Lookup]] = {"action": _ACTION}
    code_columns = ("number", "action.number", "certif_info", "formacode")
    list_columns = ["action.number", "number", "title", "level", "planned_start", "planned_end", "places"]
    add_columns = [
        "action", "number", "title", "level", "certif_info", "formacode", "planned_start", "planned_end", "hours_centre",
        "hours_company", "places",
    ]  # fmt: skip
    edit_columns: ClassVar[list[str]] = add_columns[1:]
    show_columns: ClassVar[list[str]] = [*add_columns, "updated_at"]
    search_columns = ["level", "planned_start", "planned_end"]
    quick_search = ("title", "certif_info", "formacode")
    base_order = ("id", "desc")
    related_views: ClassVar[list[type]] = [ComponentSiteModelView]

    def pre_add(self, item: models.Component) -> None:
        """A component lies within its action."""
        _ordered(item)
        problem = domain.outside(item.planned_start, item.planned_end, item.action.planned_start, item.action.planned_end)
        if problem:
            raise Refused(_("The dates of a component lie within those of its action."), field=problem)

    def pre_delete(self, item: models.Component) -> None:
        """The history of the action tells it: nothing of the component stays that would."""
        services.write_history(item.action, domain.DataEvent.COMPONENT_REMOVED.value, details={"component": f"{item.number} – {item.title}"})

    def pre_update(self, item: models.Component) -> None:
        """What a request may not ask is not written either: see ``check_change``."""

    def check_change(self, item: models.Component, before: Mapping[str, Any]) -> None:
        """Around its sessions and trainees, with places for those enrolled; the database says the same of the dates."""
        _refuse_with(ports.request_side().faults(item, before))
        self.pre_add(item)


class ActionModelView(PortalModelView):
    """Actions of the contracts."""

    route_base = "/referentiels/actions"
    datamodel = SafeInterface(models.Action)
    group = "Référentiels"
    titles = Titles(
        plural=_l("Actions"),
        add=_l("Add an action"),
        edit=_l("Modify the action %(name)s"),
        delete=_l("Delete the action %(name)s"),
    )
    label_columns: ClassVar[dict[str, Any]] = {
        **_DATES,
        "contract": _l("Contract"),
        "contract.number": _l("N° Contrat/Conv."),
        "number": _l("N° Action"),
        "title": _l("Title of the action"),
        "status": _l("Status"),
        "year": _l("Year"),
        "actual_start": _l("Actual start"),
        "esf_cofunded": _l("Co-funded by the ESF"),
        "organisation.legal_name": _l("Holder"),
    }
    description_columns: ClassVar[dict[str, Any]] = {"number": _l("Number of the contract, “_”, then the order: 23C00390257_1")}
    validators_columns: ClassVar[dict[str, Any]] = {"year": [a_year()]}
    lookups: ClassVar[dict[str, Lookup]] = {"contract": _CONTRACT}
    choices: ClassVar[dict[str, Any]] = {"status": list(labels.STATUS_LABELS.items())}
    code_columns = ("number", "contract.number")
    list_columns = ["contract.number", "number", "title", "organisation.legal_name", "status", "year", "planned_start", "planned_end"]
    add_columns = ["contract", "number", "title", "year", "planned_start", "planned_end", "esf_cofunded"]
    edit_columns: ClassVar[list[str]] = add_columns[1:]
    show_columns: ClassVar[list[str]] = [*add_columns, "status", "actual_start", "updated_at"]
    search_columns = ["status", "year", "planned_start", "planned_end"]
    quick_search = ("number", "title")
    base_order = ("sort_key", "asc")
    related_views: ClassVar[list[type]] = [ComponentModelView]

    def pre_add(self, item: models.Action) -> None:
        """Dates in order, around the components."""
        _ordered(item)

    def pre_update(self, item: models.Action) -> None:
        """What a request may not ask is not written either: see ``check_change``."""

    def check_change(self, item: models.Action, before: Mapping[str, Any]) -> None:
        """Dates in order, around the components and the opening."""
        _refuse_with(ports.request_side().faults(item, before))
        _ordered(item)
        for component in item.components:
            problem = domain.outside(component.planned_start, component.planned_end, item.planned_start, item.planned_end)
            if problem:
                raise Refused(_("The component %(number)s would lie outside the dates of the action.", number=component.number), field=problem)

    def pre_delete(self, item: models.Action) -> None:
        """What was told of its data goes with it."""
        sessions.forget_history(item)

    def can_change(self, item: models.Action) -> bool:
        """A closed or cancelled action no longer changes."""
        return item.status in (domain.ActionStatus.WAITING, domain.ActionStatus.RUNNING)

    def can_remove(self, item: models.Action) -> bool:
        """Only what never began may be deleted."""
        return item.status == domain.ActionStatus.WAITING


def _optional(label: Any, limit: int) -> StringField:
    """A text that may stay empty in a column that knows no NULL: a convention has no lot."""
    return StringField(label, [Length(max=limit)], filters=[lambda value: (value or "").replace("\x00", "").strip()])


class ContractModelView(PortalModelView):
    """Markets by lot, and conventions."""

    route_base = "/referentiels/contrats"
    datamodel = SafeInterface(models.Contract)
    group = "Référentiels"
    titles = Titles(
        plural=_l("Contracts"),
        add=_l("Add a contract"),
        edit=_l("Modify the contract %(name)s"),
        delete=_l("Delete the contract %(name)s"),
    )
    label_columns: ClassVar[dict[str, Any]] = {
        "number": _l("N° Contrat/Conv."),
        "label": _l("Label"),
        "lot_number": _l("Lot number"),
        "lot_label": _l("Label of the lot"),
        "territory": _l("Territory"),
        "kind": _l("Kind"),
        "programme": _l("Programme"),
        "organisation": _l("Holder"),
        "organisation.legal_name": _l("Holder"),
        "updated_at": _l("Last change"),
    }
    lookups: ClassVar[dict[str, Lookup]] = {"organisation": _HOLDER}
    add_form_extra_fields: ClassVar[dict[str, Any]] = {
        "lot_number": _optional(_l("Lot number"), 10),
        "lot_label": _optional(_l("Label of the lot"), 300),
        "territory": _optional(_l("Territory"), 120),
    }
    edit_form_extra_fields: ClassVar[dict[str, Any]] = add_form_extra_fields
    choices: ClassVar[dict[str, Any]] = {"kind": list(labels.KIND_LABELS.items())}
    code_columns = ("number", "lot_number")
    list_columns = ["number", "lot_number", "lot_label", "organisation.legal_name", "programme", "kind", "territory"]
    add_fieldsets = edit_fieldsets = [
        (_l("Contract"), {"fields": ["number", "label", "kind", "programme", "organisation"]}),
        (_l("Lot"), {"fields": ["lot_number", "lot_label", "territory"]}),
    ]
    show_columns = ["number", "label", "kind", "programme", "organisation", "lot_number", "lot_label", "territory", "updated_at"]
    search_columns = ["programme", "kind", "organisation"]
    quick_search = ("number", "label", "lot_label")
    base_order = ("number", "asc")
    related_views: ClassVar[list[type]] = [ActionModelView]

    def pre_add(self, item: models.Contract) -> None:
        """A number is either one contract, or lots that each have their number: never both, or nobody could tell which is meant."""
        others = select(models.Contract.lot_number).where(models.Contract.number == item.number, models.Contract.id != (item.id or 0))
        with db.session.no_autoflush:
            lots = sorted(db.session.scalars(others))
        if item.lot_number and "" in lots:
            raise Refused(_("The contract %(number)s exists without a lot: give it a lot first, then add the others.", number=item.number), field="lot_number")
        if not item.lot_number and any(lots):
            raise Refused(
                _("The contract %(number)s is made of lots (%(lots)s): enter the number of the lot.", number=item.number, lots=", ".join(lots)),
                field="lot_number",
            )

    pre_update = pre_add


VIEWS = (ComponentSiteModelView, ComponentModelView, ActionModelView, ContractModelView)
