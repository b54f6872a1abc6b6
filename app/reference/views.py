"""The screens of the lists: declarations only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from flask import request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.validators import Length, Regexp

from app.core.fab import PortalModelView, Refused, SafeInterface, Titles
from app.core.fab.checks import not_negative, phone_number
from app.core.fab.fields import clean_text
from app.core.fab.filters import PrefixFilter, ValidityFilter
from app.core.fab.forms import Within
from app.core.ui.contacts import Contact as FooterContact
from app.core.ui.forms import Required
from app.reference import models, queries
from app.reference.places import PlaceFault, place_of, place_text
from app.reference.town_fields import AsksTowns, PostalCodeField, TownField

_POSTAL = Regexp(r"^[0-9]{5}$", message=_l("A postal code has five digits."))
_INSEE = Regexp(r"^[0-9][0-9AB][0-9]{3}$", message=_l("An INSEE code has five characters, for example 31555 or 2A004."))

_CORE = ["code", "label"]
_VALIDITY = ["valid_from", "valid_to"]


def in_force(model: type[Any]) -> dict[str, ValidityFilter]:
    """The criterion "in force today" of a list with a validity."""
    return {"validity": ValidityFilter(_l("In force today"), column=model)}


class ReferenceView(PortalModelView):
    """What all coded lists have in common."""

    label_columns = {
        "code": _l("Code"),
        "label": _l("Label"),
        "position": _l("Order"),
        "valid_from": _l("Valid from"),
        "valid_to": _l("Valid until"),
        "agora_code": _l("AGORA code"),
        "updated_at": _l("Last change"),
        "validity": _l("In force today"),
    }
    description_columns = {
        "code": _l("It identifies the value: imports and exchanges use it."),
        "position": _l("Values are shown in this order, the smallest first."),
        "valid_to": _l("After this day the value can no longer be chosen; rows that hold it keep it. Leave empty if it is open."),
        "agora_code": _l("What AGORA calls this value, when it differs."),
    }
    validators_columns = {"position": [not_negative()]}
    base_order = ("position", "asc")
    code_columns: ClassVar[Sequence[str]] = ("code", "agora_code")
    list_columns = ["code", "label", "valid_from", "valid_to"]
    add_columns = edit_columns = [*_CORE, "position", *_VALIDITY, "agora_code"]
    show_columns = [*_CORE, "position", *_VALIDITY, "agora_code", "updated_at"]
    search_columns = ["validity"]
    #: The field that gives the code.
    code_field: ClassVar[str] = "code"

    def pre_add(self, item: Any) -> None:
        """Codes that differ by case, blanks or accents alone are the same code to those who read them."""
        twin = queries.same_code(type(item), item.code, other_than=item.id)
        if twin is not None:
            raise Refused(_("This code is already used by “%(name)s”: choose another one.", name=f"{twin.code} – {twin.label}"), field=self.code_field)

    pre_update = pre_add


class ProgrammeView(ReferenceView):
    """Dispositifs: what is bought, and what it means for AGORA and the NIR."""

    route_base = "/referentiels/dispositifs"
    datamodel = SafeInterface(models.Programme)
    titles = Titles(
        plural=_l("Programmes"),
        add=_l("Add a programme"),
        edit=_l("Modify the programme %(name)s"),
        delete=_l("Delete the programme %(name)s"),
    )
    label_columns = {
        **ReferenceView.label_columns,
        "kind": _l("Kind"),
        "agora_enabled": _l("Files sent to AGORA"),
        "nir_required": _l("Social security number required"),
        "closing_on_request": _l("The establishment may ask for the closing"),
    }
    choices = {"kind": [("market", _l("Market")), ("convention", _l("Convention"))]}
    list_columns = ["code", "label", "kind", "agora_enabled", "nir_required", "valid_from", "valid_to"]
    add_columns = edit_columns = [*_CORE, "kind", "agora_enabled", "nir_required", "closing_on_request", "position", *_VALIDITY, "agora_code"]
    show_columns = [*add_columns, "updated_at"]
    search_columns = ["kind", "agora_enabled", "validity"]
    search_filters = in_force(models.Programme)


class LevelView(ReferenceView):
    """Levels 1 to 8 with the former I to V."""

    route_base = "/referentiels/niveaux"
    datamodel = SafeInterface(models.Level)
    titles = Titles(plural=_l("Levels"), add=_l("Add a level"), edit=_l("Modify the level %(name)s"), delete=_l("Delete the level %(name)s"))
    label_columns = {
        **ReferenceView.label_columns,
        "number": _l("Level (1 to 8)"),
        "old_label": _l("Former level (I to V)"),
        "lheo_code": _l("LHEO code"),
        "lheo_old_code": _l("Former LHEO code"),
        "france_travail_code": _l("France Travail code"),
    }
    base_order = ("number", "asc")
    quick_search = ("label", "old_label", "france_travail_code")
    choices = {"old_label": [(one, one) for one in ("V", "IV", "III", "II", "I")]}
    code_columns = ("number", "old_label", "lheo_code", "lheo_old_code", "france_travail_code", "agora_code")
    list_columns = ["number", "old_label", "label", "lheo_code", "lheo_old_code", "france_travail_code"]
    add_columns = edit_columns = [
        "number", "label", "old_label", "lheo_code", "lheo_old_code", "france_travail_code", "position", *_VALIDITY, "agora_code",
    ]  # fmt: skip
    show_columns = [*add_columns, "updated_at"]
    search_filters = in_force(models.Level)
    validators_columns = {**ReferenceView.validators_columns, "number": [Within(1, 8, _l("The level goes from 1 to 8."))]}
    code_field = "number"

    def pre_add(self, item: models.Level) -> None:
        """The code of a level is its number."""
        item.code = str(item.number)
        super().pre_add(item)

    pre_update = pre_add


class PublicCategoryView(ReferenceView):
    """Catégories de public."""

    route_base = "/referentiels/categories-de-public"
    datamodel = SafeInterface(models.PublicCategory)
    titles = Titles(
        plural=_l("Public categories"),
        add=_l("Add a public category"),
        edit=_l("Modify the public category %(name)s"),
        delete=_l("Delete the public category %(name)s"),
    )
    search_filters = in_force(models.PublicCategory)


class GeneralObjectiveView(ReferenceView):
    """Objectifs généraux."""

    route_base = "/referentiels/objectifs-generaux"
    datamodel = SafeInterface(models.GeneralObjective)
    titles = Titles(
        plural=_l("General objectives"),
        add=_l("Add a general objective"),
        edit=_l("Modify the general objective %(name)s"),
        delete=_l("Delete the general objective %(name)s"),
    )
    search_filters = in_force(models.GeneralObjective)


class ProfessionalSituationView(ReferenceView):
    """Situations professionnelles at entry."""

    route_base = "/referentiels/situations-professionnelles"
    datamodel = SafeInterface(models.ProfessionalSituation)
    titles = Titles(
        plural=_l("Professional situations"),
        add=_l("Add a professional situation"),
        edit=_l("Modify the professional situation %(name)s"),
        delete=_l("Delete the professional situation %(name)s"),
    )
    search_filters = in_force(models.ProfessionalSituation)


class ExitReasonView(ReferenceView):
    """Motifs de sortie."""

    route_base = "/referentiels/motifs-de-sortie"
    datamodel = SafeInterface(models.ExitReason)
    titles = Titles(
        plural=_l("Exit reasons"),
        add=_l("Add an exit reason"),
        edit=_l("Modify the exit reason %(name)s"),
        delete=_l("Delete the exit reason %(name)s"),
    )
    label_columns = {**ReferenceView.label_columns, "early": _l("Early exit")}
    list_columns = ["code", "label", "early", "valid_from", "valid_to"]
    add_columns = edit_columns = [*_CORE, "early", "position", *_VALIDITY, "agora_code"]
    show_columns = [*add_columns, "updated_at"]
    search_columns = ["early", "validity"]
    search_filters = in_force(models.ExitReason)


class NationalityView(ReferenceView):
    """Nationalités."""

    route_base = "/referentiels/nationalites"
    datamodel = SafeInterface(models.Nationality)
    titles = Titles(
        plural=_l("Nationalities"),
        add=_l("Add a nationality"),
        edit=_l("Modify the nationality %(name)s"),
        delete=_l("Delete the nationality %(name)s"),
    )
    search_filters = in_force(models.Nationality)


class LastClassView(ReferenceView):
    """Dernières classes suivies."""

    route_base = "/referentiels/dernieres-classes"
    datamodel = SafeInterface(models.LastClass)
    titles = Titles(
        plural=_l("Last classes attended"),
        add=_l("Add a last class attended"),
        edit=_l("Modify the last class attended %(name)s"),
        delete=_l("Delete the last class attended %(name)s"),
    )
    search_filters = in_force(models.LastClass)


class HighestDiplomaView(ReferenceView):
    """Diplômes les plus élevés."""

    route_base = "/referentiels/diplomes"
    datamodel = SafeInterface(models.HighestDiploma)
    titles = Titles(
        plural=_l("Highest diplomas"),
        add=_l("Add a highest diploma"),
        edit=_l("Modify the highest diploma %(name)s"),
        delete=_l("Delete the highest diploma %(name)s"),
    )
    search_filters = in_force(models.HighestDiploma)


class StreetTypeView(ReferenceView):
    """Types de voie."""

    route_base = "/referentiels/types-de-voie"
    datamodel = SafeInterface(models.StreetType)
    titles = Titles(
        plural=_l("Street types"),
        add=_l("Add a street type"),
        edit=_l("Modify the street type %(name)s"),
        delete=_l("Delete the street type %(name)s"),
    )
    search_filters = in_force(models.StreetType)


class SurveySituationView(ReferenceView):
    """Situations of the situation surveys, with what follows from them."""

    route_base = "/referentiels/situations-des-bilans"
    datamodel = SafeInterface(models.SurveySituation)
    titles = Titles(
        plural=_l("Situations of the surveys"),
        add=_l("Add a situation of the surveys"),
        edit=_l("Modify the situation of the surveys %(name)s"),
        delete=_l("Delete the situation of the surveys %(name)s"),
    )
    label_columns = {**ReferenceView.label_columns, "employed": _l("In employment: the questions about the job follow")}
    list_columns = ["code", "label", "employed", "valid_from", "valid_to"]
    add_columns = edit_columns = [*_CORE, "employed", "position", *_VALIDITY, "agora_code"]
    show_columns = [*add_columns, "updated_at"]
    search_columns = ["employed", "validity"]
    search_filters = in_force(models.SurveySituation)


class EmploymentContractView(ReferenceView):
    """Types de contrat de travail."""

    route_base = "/referentiels/types-de-contrat-de-travail"
    datamodel = SafeInterface(models.EmploymentContract)
    titles = Titles(
        plural=_l("Types of employment contract"),
        add=_l("Add a type of employment contract"),
        edit=_l("Modify the type of employment contract %(name)s"),
        delete=_l("Delete the type of employment contract %(name)s"),
    )
    search_filters = in_force(models.EmploymentContract)


class ProfessionalSectorView(ReferenceView):
    """Secteurs professionnels."""

    route_base = "/referentiels/secteurs-professionnels"
    datamodel = SafeInterface(models.ProfessionalSector)
    titles = Titles(
        plural=_l("Professional sectors"),
        add=_l("Add a professional sector"),
        edit=_l("Modify the professional sector %(name)s"),
        delete=_l("Delete the professional sector %(name)s"),
    )
    search_filters = in_force(models.ProfessionalSector)


class SocioProfessionalCategoryView(ReferenceView):
    """Catégories socioprofessionnelles."""

    route_base = "/referentiels/categories-socioprofessionnelles"
    datamodel = SafeInterface(models.SocioProfessionalCategory)
    titles = Titles(
        plural=_l("Socio-professional categories"),
        add=_l("Add a socio-professional category"),
        edit=_l("Modify the socio-professional category %(name)s"),
        delete=_l("Delete the socio-professional category %(name)s"),
    )
    search_filters = in_force(models.SocioProfessionalCategory)


class SiteView(PortalModelView):
    """Sites de réalisation."""

    route_base = "/referentiels/sites"
    datamodel = SafeInterface(models.Site)
    titles = Titles(plural=_l("Sites"), add=_l("Add a site"), edit=_l("Modify the site %(name)s"), delete=_l("Delete the site %(name)s"))
    label_columns = {
        "name": _l("Name"),
        "address": _l("Address"),
        "postal_code": _l("Postal code"),
        "insee_code": _l("INSEE code"),
        "town": _l("Town"),
        "valid_from": _l("Valid from"),
        "valid_to": _l("Valid until"),
        "updated_at": _l("Last change"),
        "validity": _l("In force today"),
    }
    description_columns = {
        "insee_code": _l("Leave empty: it is found from the postal code and the town. Needed only for a postal code that the portal does not know."),
        "valid_to": _l("After this day the site can no longer be chosen; enrolments that hold it keep it."),
    }
    validators_columns = {"insee_code": [_INSEE]}
    base_order = ("name", "asc")
    quick_search = ("name", "town", "postal_code")
    code_columns = ("postal_code", "insee_code")
    list_columns = ["name", "postal_code", "town", "insee_code", "valid_to"]
    add_columns = edit_columns = ["name", "address", "postal_code", "town", "insee_code", *_VALIDITY]
    show_columns = [*add_columns, "updated_at"]
    search_columns = ["postal_code", "town", "validity"]
    search_filters = {
        "postal_code": PrefixFilter(_l("Postal code (or its beginning)"), column=models.Site.postal_code),
        **in_force(models.Site),
    }

    add_form_extra_fields = edit_form_extra_fields = {
        "postal_code": PostalCodeField(_l("Postal code"), [Required(), _POSTAL], filters=[clean_text]),
        "town": TownField(_l("Town"), [Required(), Length(max=100)], filters=[clean_text]),
    }

    def _init_forms(self) -> None:
        super()._init_forms()
        # The names stay: what a form showed is sealed under its name.
        self.add_form, self.edit_form = (type(one.__name__, (AsksTowns, one), {}) for one in (self.add_form, self.edit_form))

    @expose("/communes")
    @has_access
    @permission_name("list")
    def towns(self) -> Any:
        """The town field of a postal code."""
        town = "" if "town_listed" in request.args else request.args.get("town", "")[:100]  # one chosen for another code says nothing of this one
        form = self.add_form(formdata=None, data={"postal_code": request.args.get("postal_code", "")[:5], "town": town})
        return self.render_template("appbuilder/general/town.html", form=form)

    def pre_add(self, item: models.Site) -> None:
        """Postal code, town and INSEE code go together; the INSEE code is found."""
        found = place_of(item.postal_code, item.town, item.insee_code)
        if isinstance(found, PlaceFault):
            raise Refused(place_text(found), field=found.field)
        item.town, item.insee_code = found.town, found.insee_code

    pre_update = pre_add


class ContactView(PortalModelView):
    """Contacts et assistance."""

    route_base = "/referentiels/contacts"
    datamodel = SafeInterface(models.Contact)
    titles = Titles(
        plural=_l("Contacts and assistance"),
        add=_l("Add a contact"),
        edit=_l("Modify the contact %(name)s"),
        delete=_l("Delete the contact %(name)s"),
    )
    label_columns = {
        "subject": _l("Subject"),
        "text": _l("Explanation"),
        "email": _l("E-mail"),
        "phone": _l("Telephone"),
        "hours": _l("Hours"),
        "position": _l("Order"),
        "shown": _l("Shown at the foot of every page"),
        "programme": _l("Programme"),
        "updated_at": _l("Last change"),
    }
    description_columns = {"subject": _l("What people ask about, in their words: “Invoicing”, “Account problems”.")}
    text_kinds = {"email": "email", "phone": "tel"}
    validators_columns = {"position": [not_negative()], "phone": [phone_number]}
    choice_scope = {"programme": lambda query: query}
    base_order = ("position", "asc")
    quick_search = ("subject", "email", "text")
    list_columns = ["subject", "email", "phone", "programme", "shown"]
    add_columns = edit_columns = ["subject", "text", "email", "phone", "hours", "programme", "position", "shown"]
    show_columns = [*add_columns, "updated_at"]
    search_columns = ["programme", "shown"]


class TownView(PortalModelView):
    """Postal codes and towns, read only."""

    route_base = "/referentiels/communes"
    datamodel = SafeInterface(models.Town)
    titles = Titles(plural=_l("Towns and postal codes"), add="", edit="", delete="")
    read_only = True
    label_columns = {
        "postal_code": _l("Postal code"),
        "insee_code": _l("INSEE code"),
        "name": _l("Town"),
        "routing_name": _l("Name in addresses"),
        "cedex": _l("CEDEX"),
    }
    base_order = ("postal_code", "asc")
    quick_search = ("name",)
    code_columns = ("postal_code", "insee_code")
    list_columns = ["postal_code", "name", "insee_code", "routing_name", "cedex"]
    show_columns = list_columns
    search_columns = ["postal_code", "insee_code", "cedex"]
    search_filters = {
        "postal_code": PrefixFilter(_l("Postal code (or its beginning)"), column=models.Town.postal_code),
        "insee_code": PrefixFilter(_l("INSEE code (or its beginning)"), column=models.Town.insee_code),
    }


LISTS: Sequence[type[PortalModelView]] = (
    ProgrammeView,
    LevelView,
    PublicCategoryView,
    GeneralObjectiveView,
    ProfessionalSituationView,
    SiteView,
    ExitReasonView,
    NationalityView,
    LastClassView,
    HighestDiplomaView,
    StreetTypeView,
    SurveySituationView,
    EmploymentContractView,
    ProfessionalSectorView,
    SocioProfessionalCategoryView,
    ContactView,
    TownView,
)


def footer_contacts() -> list[FooterContact]:
    """Contacts et assistance, for the foot of the pages."""
    return [FooterContact(subject=one.subject, email=one.email, phone=one.phone, hours=one.hours, note=one.text) for one in queries.shown_contacts()]
