"""« Stagiaires »: the sheet of a trainee on an action, as the wizard "Enregistrement d'un stagiaire" asks for it (guide 000)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import ValidationError

from app.core.matrix import Column, FieldKind, Group, Matrix, Remark

from ..exports import TRAINEE_HEADINGS
from ..forms import ContactForm, SituationForm, VerificationForm
from .columns import BIRTH_DATES, FIRST_NAMES, LAST_NAMES, NUMBER_NAMES
from .forms import WhereForm

NAME: Final = "stagiaires"
#: Who the person is: what the number is compared with, and what a known person is never changed by.
CIVIL: Final = ("civility", "birth_name", "usual_name", "first_name", "birth_date", "gender")
ESF: Final = ("esf_state", "esf_parent_abroad", "esf_birth_postal_code", "esf_homeless")
JOBSEEKER: Final = ("ft_registered", "ft_number", "ft_registered_on")
_TOWNS_NAMED: Final = 5
TOWN: Final = ("postal_code", "town", "cedex")


def _judge_town(form: Any) -> None:
    """As the form does; where it offers a list, the towns are named."""
    try:
        form.validate_town(form.town)
    except ValidationError:
        towns = form.towns()
        listed = ", ".join(towns[:_TOWNS_NAMED]) + ("…" if len(towns) > _TOWNS_NAMED else "")
        form.town.errors = [_("This town does not have this postal code, which is that of %(towns)s: mend one or the other.", towns=listed)]


def _read_towns(form: Any, values: Mapping[str, Collection[Any]]) -> None:
    form.read_towns(values["postal_code"])


_WITH_NUMBER = _l("for a trainee who is not on the action yet, if the programme asks for the NIR")
_COFUNDED = _l("if the action is co-funded by the ESF")
_COMPLETE = _l("if the ESF data are complete")

MATRIX: Final = Matrix(
    name=NAME,
    title=_l("Trainees (matrix)"),
    purpose=_l(
        "Registers trainees on actions, or changes the sheet of those who are on them already. A line is one trainee on one action; the enrolment on "
        "components is another file."
    ),
    columns=(
        Column(
            "action_number", WhereForm, key=True, aliases=("Numéro d’action", "Action", "N° de l’action", "Bon de commande", "BDC"),
            example="19Q00100155_2", help=_l("As on the list of the actions."),
        ),
        Column(
            "nir", VerificationForm, aliases=NUMBER_NAMES, when=_WITH_NUMBER, digits=(13, 15), secret=True, kind=FieldKind.CODE, example="162071315508982",
            help=_l("13 characters and the key in the next column, or the 15 characters together. Leave it blank where the programme asks for no number."),
        ),
        Column("key", VerificationForm, when=_l("if the NIR has 13 characters"), digits=(2,), secret=True, kind=FieldKind.CODE, example=""),
        Column("civility", VerificationForm, synonyms=(("Madame", "MME"), ("Monsieur", "M"), ("Mr", "M")), example="M."),
        Column("birth_name", VerificationForm, key=True, header=_l("Birth name"), aliases=LAST_NAMES, example="Sion"),
        Column("usual_name", VerificationForm, example=""),
        Column("first_name", VerificationForm, key=True, aliases=FIRST_NAMES, example="André"),
        Column("birth_date", VerificationForm, key=True, aliases=BIRTH_DATES, example="21/07/1962"),
        Column("gender", VerificationForm, aliases=("Sexe",), synonyms=(("Homme", "M"), ("H", "M"), ("Femme", "F")), example="Masculin"),
        Column(
            "identity_confirmed", VerificationForm, header=_l("Identity papers checked"), example="",
            help=_l("“oui” when the number or the civility does not go with the identity and the identity papers show that it is right all the same."),
        ),
        Column("nationality_id", ContactForm, example="Française"),
        Column("street_number", ContactForm, aliases=("Numéro de voie",), example="12"),
        Column("street_extension", ContactForm, example=""),
        Column("street_type_id", ContactForm, example="Rue"),
        Column("street_name", ContactForm, example="des Acacias"),
        Column("address_complement", ContactForm, example=""),
        Column("special_mention", ContactForm, example=""),
        Column("postal_code", ContactForm, aliases=("CP",), digits=(5,), example="31000"),
        Column("town", ContactForm, aliases=("Commune", "Ville (adresse)"), example="Toulouse"),
        Column("cedex", ContactForm, example=""),
        Column("mobile", ContactForm, aliases=("Portable", "Tél. portable", "Mobile"), digits=(10,), example="06 12 34 56 78"),
        Column("landline", ContactForm, aliases=("Téléphone",), digits=(10,), example=""),
        Column(
            "email", ContactForm, example="andre.sion@exemple.fr",
            aliases=("E-mail", "Mail", "Mél", "Adresse électronique", "Adresse e-mail", "Adresse mail", "Adresse de courriel"),
        ),
        Column("other_information", ContactForm, example=""),
        Column("public_category_id", SituationForm, example=""),
        Column("general_objective_id", SituationForm, example="Certification"),
        Column("professional_situation_id", SituationForm, example=""),
        Column("ft_registered", SituationForm, aliases=("Inscrit à Pôle emploi",), example="oui"),
        Column("ft_registered_on", SituationForm, example="03/01/2026"),
        Column(
            "ft_number", SituationForm, when=_l("if registered with France Travail"), digits=(8, 11), example="1234567A",
            help=_l("8 characters (7 digits and a letter or digit), or 11 digits."),
        ),
        Column("ft_agency_code", SituationForm, example=""),
        Column("receives_are", SituationForm, example="oui"),
        Column("receives_other", SituationForm, example="non"),
        Column("receives_rsa", SituationForm, example="non"),
        Column("receives_aah", SituationForm, example="non"),
        Column("boe", SituationForm, example="Non"),
        Column("school_leaver", SituationForm, example="non"),
        Column("entry_level_id", SituationForm, example=""),
        Column("last_class_id", SituationForm, example=""),
        Column("last_class_year", SituationForm, example=""),
        Column("highest_diploma_id", SituationForm, example=""),
        Column("highest_level_id", SituationForm, example=""),
        Column("highest_level_year", SituationForm, example=""),
        Column("esf_state", SituationForm, when=_COFUNDED, example=""),
        Column("esf_parent_abroad", SituationForm, when=_COMPLETE, example=""),
        Column("esf_birth_postal_code", SituationForm, when=_COMPLETE, digits=(5,), example=""),
        Column("esf_homeless", SituationForm, when=_COMPLETE, example=""),
    ),
    groups=(
        Group(TOWN, _judge_town, _read_towns),
        Group(JOBSEEKER, lambda form: form.judge_jobseeker()),
        Group(ESF, lambda form: form.judge_esf()),
    ),
    left_out=TRAINEE_HEADINGS,
    makes=_l("New sheet"),
    remarks=(
        Remark(_l(
            "A person is known by the NIR or NIA; where the programme asks for none, by the names, the date of birth and the gender. Without number, somebody "
            "who is on the action already is known by the names and the date of birth."
        )),
        Remark(_l(
            "The identity of a person whom the organisation knows already is compared, never changed: a difference is an error, to be mended in the file "
            "or by a request for the correction of the identity."
        )),
        Remark(_l("For a trainee who is on the action already, a blank cell leaves what is there: only what is written changes the sheet.")),
        Remark(_l("A new identity is checked with AGORA afterwards, as one typed by hand.")),
        Remark(_l("The ESF columns are read for the actions that are co-funded only.")),
    ),
)

__all__ = ["CIVIL", "ESF", "JOBSEEKER", "MATRIX", "NAME", "TOWN"]
