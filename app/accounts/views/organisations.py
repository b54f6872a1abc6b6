"""The Région's list of training organisations."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import redirect, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import StringField, ValidationError
from wtforms.validators import InputRequired, Regexp

from app.accounts import domain, queries
from app.accounts.models import Organisation
from app.core.fab import PortalModelView, SafeInterface, Titles
from app.core.fab.filters import TextFilter


def valid_siret(_form: Any, field: Any) -> None:
    """14 digits that hold together (La Poste has its own rule)."""
    if not domain.is_siret(field.data or ""):
        raise ValidationError(_("This SIRET is not valid: check its 14 digits."))


def has_a_principal(form: Any, field: Any) -> None:
    """A closed organisation opens with somebody to manage it: its last principal may have left while it was closed."""
    if field.data and field.object_data is False and not queries.has_active_principal(form._id):
        raise ValidationError(
            _("This organisation has no active principal account: name one first, with “Change the principal account” in the console, then open it.")
        )


def siret_field() -> StringField:
    """A SIRET as people type it, with blanks, hyphens or dots."""
    return StringField(
        _l("SIRET"),
        [InputRequired(_l("This field is required.")), valid_siret],
        filters=[lambda text: domain.compact_siret(text) if text else text],
        description=_l("14 digits, for example 123 456 789 13000"),
    )


class OrganisationView(PortalModelView):
    """Organisations: created and kept by the Région, seen by support."""

    route_base = "/organismes"
    class_permission_name = "Organisations"
    datamodel = SafeInterface(Organisation)
    group = "Gestion organisme"
    titles = Titles(
        plural=_l("Training organisations"),
        add=_l("Add a training organisation"),
        edit=_l("Modify the training organisation %(name)s"),
        delete=_l("Delete the training organisation %(name)s"),
    )
    label_columns = {
        "legal_name": _l("Legal name"),
        "trade_name": _l("Trade name"),
        "siret": _l("SIRET"),
        "nda": _l("Activity declaration number (NDA)"),
        "contact_email": _l("Contact e-mail"),
        "contact_phone": _l("Contact telephone"),
        "active": _l("Open to sign-in"),
        "created_at": _l("Created on"),
        "updated_at": _l("Last changed on"),
    }
    description_columns = {
        "nda": _l("11 digits"),
        "active": _l("The accounts of a closed organisation can no longer sign in."),
    }
    list_columns = ["legal_name", "trade_name", "siret", "nda", "active"]
    show_columns = [
        "legal_name",
        "trade_name",
        "siret",
        "nda",
        "contact_email",
        "contact_phone",
        "active",
        "created_at",
        "updated_at",
    ]
    add_columns: ClassVar[list[str]] = []  # one is made in the console, with the account that manages it
    edit_columns = ["legal_name", "trade_name", "siret", "nda", "contact_email", "contact_phone", "active"]
    search_columns = ["siret", "active"]
    quick_search = ("legal_name", "trade_name", "siret")
    code_columns = ("siret", "nda")
    text_kinds = {"contact_email": "email", "contact_phone": "tel"}
    base_order = ("legal_name", "asc")
    validators_columns = {
        "active": [has_a_principal],
        "nda": [Regexp(r"^\s*$|^[0-9]{11}$", message=_l("The activity declaration number has 11 digits."))],
    }
    edit_form_extra_fields = {"siret": siret_field()}
    search_filters = {"siret": TextFilter(_l("SIRET"), column=Organisation.siret)}

    @expose("/add", methods=["GET"])
    @has_access
    def add(self) -> ResponseReturnValue:
        """An organisation is never made without the account that manages it: the console's form makes both."""
        return redirect(url_for("OrganisationCreationView.create"))
