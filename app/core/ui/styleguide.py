"""The style guide: every component in every state on one page, in demonstration mode only.

People look at it, and the accessibility tests check it. Its texts are examples, hence written in French in the template.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from flask import render_template
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, FileField, PasswordField, RadioField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields import EmailField, SelectChoice, TelField
from wtforms.validators import InputRequired

from app.core.ui.assets import STATIC_ROOT
from app.core.ui.components import KeysetPage, Page
from app.core.ui.forms import FrDateField, FrDecimalField, YesNoField
from app.core.ui.kept_text import NIR_BOX, KeptTextForm

_GENDERS = [SelectChoice("M", "Masculin"), SelectChoice("F", "Féminin")]
_TOWNS = [
    SelectChoice("", "Sélectionnez…"),
    *(SelectChoice(str(number), town) for number, town in enumerate(("TOULOUSE", "LIMOUX", "NARBONNE", "SAINT-GÉLY-DU-FESC"), 1)),
]
_SITUATIONS = [
    SelectChoice("1", "Demandeur d’emploi", optgroup="Sans emploi"),
    SelectChoice("2", "Demandeur d’emploi longue durée", optgroup="Sans emploi"),
    SelectChoice("3", "Salarié", optgroup="En emploi"),
]


class SampleForm(KeptTextForm):
    """One field of each kind."""

    number_boxes = {"nir": NIR_BOX, "nir_key": NIR_BOX}

    nir = StringField("NIR / NIA", [InputRequired("Saisissez le NIR : 13 caractères.")])
    nir_key = StringField("Clé", [InputRequired("Saisissez la clé : 2 chiffres.")])
    birth_name = StringField("Nom de naissance", [InputRequired("Saisissez le nom de naissance.")])
    birth_date = FrDateField("Date de naissance")
    gender = RadioField("Genre", [InputRequired("Choisissez le genre.")], choices=_GENDERS)
    registered = YesNoField("Inscrit à France Travail", description="À la date d’entrée en formation.")
    email = EmailField("Courriel", description="Une adresse que le stagiaire lira encore après sa formation.")
    number = StringField("N° de voie")
    street = StringField("Libellé de la voie")
    postal = StringField("Code postal")
    town = SelectField("Ville", [InputRequired("Choisissez la ville.")], choices=_TOWNS)
    phone = TelField("Téléphone portable")
    hours = FrDecimalField("Heures en centre")
    rate = FrDecimalField("Montant")
    situation = SelectField("Situation professionnelle", choices=_SITUATIONS)
    programmes = SelectMultipleField("Dispositifs", choices=[SelectChoice("q", "QUALIF PRO"), SelectChoice("p", "PROJET PRO"), SelectChoice("a", "AVENIR")])
    note = TextAreaField("Observations")
    document = FileField("Pièce jointe")
    secret = PasswordField("Mot de passe")
    agree = BooleanField("Je confirme l’exactitude de ces informations", [InputRequired("Cochez la case pour continuer.")])


def render() -> str:
    """The page."""
    form = SampleForm(meta={"csrf": False}, formdata=None, data={"birth_name": "SION", "gender": "M", "programmes": ["q"], "registered": True})
    bad = SampleForm(MultiDict({"bad-birth_date": "31/02/2023"}), prefix="bad-", meta={"csrf": False})
    bad.validate()
    icons = re.findall(r'<symbol id="([a-z-]+)"', (STATIC_ROOT / "img" / "icons.svg").read_text(encoding="utf-8"))
    return render_template(
        "portal/styleguide.html",
        form=form,
        bad=bad,
        day=date(2023, 1, 5),
        moment=datetime(2023, 1, 5, 13, 38, tzinfo=UTC),
        page=Page(number=4, size=25, total=1204),
        keyset=KeysetPage(size=50, shown=50, after="abc", before="xyz", total=10_000, capped=True),
        icons=[name for name in icons if name != "brand"],
    )
