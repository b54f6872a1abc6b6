"""Forms of the registration wizard, of the enrolment and of the exit (guide 000, field by field).

Values are plain (numbers, text, days): they travel in the draft.  Only what a field offers is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, IntegerField, RadioField, SelectField, StringField, TextAreaField, ValidationError
from wtforms.fields import SelectChoice
from wtforms.validators import Length, Optional, Regexp
from wtforms.widgets import HiddenInput

from app.actions.forms import options
from app.core import clock
from app.core.concurrency import ROW_FIELDS, VersionedForm
from app.core.fab.fields import clean_text, one_line
from app.core.nir import Nir, NirError, parse
from app.core.nir.messages import problem_message
from app.core.person_names import is_person_name
from app.core.textsearch import fold
from app.core.ui.forms import FrDateField, FrDecimalField, Required, YesNoField
from app.core.ui.kept_text import NIR_BOX, PHONE_BOX, KeptTextForm
from app.reference import models as reference_models
from app.reference import queries as reference

from .domain import EsfState, ProblemCode, birth_date_problem, is_phone_writing, is_street_number, normalise_ft_number, out_of_address
from .labels import (
    _SENTENCES,
    BOE_LABELS,
    CIVILITY_LABELS,
    ESF_ANSWER_LABELS,
    ESF_STATE_LABELS,
    GENDER_LABELS,
    OUTCOME_LABELS,
    PAUSE_LABELS,
    problem_text,
)

#: One rule, worded by the kind of control: what is to be typed, what is to be chosen.
REQUIRED = CHOOSE = Required()

STREET_EXTENSIONS = [SelectChoice("", _l("None (extension)")), SelectChoice("bis"), SelectChoice("ter"), SelectChoice("quater")]


def text(label: Any, *validators: Any, limit: int, **kwargs: Any) -> StringField:
    """A text box trimmed and limited."""
    return StringField(label, [*validators, Length(max=limit)], filters=[clean_text], render_kw={"maxlength": limit, **kwargs})


def _line(label: Any, *validators: Any, limit: int, **kwargs: Any) -> StringField:
    """The same, on one line: what is pasted brings blanks that look alike."""
    return StringField(label, [*validators, Length(max=limit)], filters=[one_line], render_kw={"maxlength": limit, **kwargs})


def _name(label: Any, presence: Any, **kwargs: Any) -> StringField:
    """The box of a person's name."""
    return _line(label, presence, _is_name, limit=60, **kwargs)


def _is_name(_form: Any, field: Any) -> None:
    if field.data and not is_person_name(field.data):
        raise ValidationError(_("“%(value)s” is not a name: use letters, spaces, hyphens, apostrophes and full stops.", value=field.data[:60]))


def _is_street_number(_form: Any, field: Any) -> None:
    if field.data and not is_street_number(field.data):
        raise ValidationError(
            _(
                "“%(value)s” is not a street number: begin with a digit, then use digits, letters, spaces, hyphens and slashes only (12, 12 A, 12-14).",
                value=field.data[:10],
            )
        )


def _in_address(_form: Any, field: Any) -> None:
    found = out_of_address(field.data or "")
    if found:
        shown = ", ".join(_("“%(value)s”", value=one) if one.isprintable() else f"U+{ord(one):04X}" for one in found[:5])
        raise ValidationError(
            _("Remove %(characters)s: an address is written with letters, digits, spaces and usual punctuation (’ - . , / & and the like).", characters=shown)
        )


class ReferenceSelect(SelectField):
    """One value of a reference list, kept by its id; the list is read when the form is shown."""

    def __init__(self, label: Any, validators: Any = None, *, model: str, **kwargs: Any) -> None:
        super().__init__(label, validators, coerce=_identifier, choices=[], validate_choice=True, **kwargs)
        self._model = model
        self._loaded = False

    def process(self, formdata: Any, data: Any = None, extra_filters: Any = None) -> None:
        """Offer the values in force, and the one held already even if it no longer is."""
        super().process(formdata, data, extra_filters)
        if not self._loaded:
            self._loaded = True
            held = self.object_data if isinstance(self.object_data, int) else None
            offered = reference.active(getattr(reference_models, self._model), including=held)
            self.choices = [SelectChoice("", _("Select…")), *(SelectChoice(str(one.id), str(one)) for one in offered)]
            #: What each value is called in files, besides its words.
            self.codes = {str(one.id): str(one.code) for one in offered}
            self.also = {str(one.id): one.also_called for one in offered}


def _identifier(value: Any) -> int | str:
    return int(value) if value not in (None, "", "None") else ""


def yes_no(label: Any) -> YesNoField:
    """Oui / Non, to be answered."""
    return YesNoField(label, [CHOOSE])


class PortalBaseForm(KeptTextForm):
    """CSRF is checked once for the whole application."""


def _born(_form: Any, field: Any) -> None:
    problem = birth_date_problem(field.data, clock.today()) if field.data else None
    if problem:
        raise ValidationError(problem_text(problem))


CIVILITIES = options(CIVILITY_LABELS)
GENDERS = options(GENDER_LABELS)
#: Civil status, as it is asked when AGORA does not give it.
CIVIL_FIELDS = ("civility", "birth_name", "usual_name", "first_name", "birth_date", "gender")
#: The same, and the confirmation that goes with it.
IDENTITY_FIELDS = (*CIVIL_FIELDS, "identity_confirmed")
#: The confirmation, where no number is asked.
CONFIRMED_WITHOUT_NUMBER = _l("I checked the identity papers: this is the right identity")


class VerificationForm(PortalBaseForm):
    """« Vérification »: by number (NIR or NIA, key, birth name), or by civil status where no number may be asked (AVENIR).

    The wizard takes away the fields of the other way.
    """

    number_boxes = {"nir": NIR_BOX, "key": NIR_BOX}

    nir = StringField(_l("NIR / NIA"), render_kw={"maxlength": 30})
    key = StringField(_l("Key"), render_kw={"maxlength": 4})
    civility = RadioField(_l("Civility"), [CHOOSE], choices=CIVILITIES)
    birth_name = _name(_l("Name"), REQUIRED, autocomplete="off")
    usual_name = _name(_l("Usual name"), Optional(), autocomplete="off")
    first_name = _name(_l("First name"), REQUIRED, autocomplete="off")
    birth_date = FrDateField(_l("Date of birth"), [REQUIRED, _born])
    gender = RadioField(_l("Gender"), [CHOOSE], choices=GENDERS)
    identity_confirmed = BooleanField(CONFIRMED_WITHOUT_NUMBER)
    #: As in ``IdentificationForm``.
    contradicted = False

    number: Nir | None = None

    def validate(self, extra_validators: Any = None) -> bool:
        """Each field, then number and key together; the message goes to the box at fault."""
        valid = bool(super().validate(extra_validators))
        return valid if "nir" not in self else self.judge_number() and valid

    def judge_number(self) -> bool:
        """Number and key together; the number is kept."""
        try:
            self.number = parse(self.nir.data, self.key.data)
        except NirError as error:
            box = self.key if error.problem.field == "key" else self.nir
            box.errors = [*box.errors, problem_message(error.problem)]
            return False
        return True


#: Most numbers: French mobile numbers as people write them, of ranges that the library accepts whole (a test asks it).  It costs a hundred
#: times less than the library, which files of many thousand lines notice.
_PLAIN_MOBILE: Final = re.compile(r"(?:\+33 ?|0)((?:6[ .-]?[0-24-8]|7[ .-]?[3-9])[0-9](?:[ .-]?[0-9]{2}){3})", re.ASCII)


def _phone(mobile: bool) -> Callable[[Any, Any], None]:
    def check(_form: Any, field: Any) -> None:
        if not field.data:
            return
        plain = _PLAIN_MOBILE.fullmatch(field.data)
        if plain is not None:
            field.data = "+33" + "".join(character for character in plain[1] if character.isdecimal())
            return
        if not is_phone_writing(field.data):  # the library would pass over what is no digit
            raise ValidationError(_("“%(value)s” is not a phone number: use digits, spaces and the signs + . - ( ) / only.", value=field.data[:30]))
        try:
            number = phonenumbers.parse(field.data, "FR")
        except phonenumbers.NumberParseException:
            number = None
        if number is None or not phonenumbers.is_valid_number(number):
            raise ValidationError(_("This is not a phone number: 10 digits, or + and the country code."))
        kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)
        if mobile and phonenumbers.number_type(number) not in kinds:
            raise ValidationError(_("Enter a mobile number: in France it begins with 06 or 07."))
        field.data = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    return check


_PLAIN_LOCAL: Final = re.compile(r"[A-Za-z0-9]{1,20}(?:[._-][A-Za-z0-9]{1,20}){0,2}", re.ASCII)


@lru_cache(maxsize=2_000)
def _is_plain_domain(domain: str) -> bool:
    """Whether the library takes this domain as it is written; thousands of addresses share a few domains."""
    try:
        return str(validate_email(f"a@{domain}", check_deliverability=False).normalized) == f"a@{domain}"
    except EmailNotValidError:
        return False


def _email(_form: Any, field: Any) -> None:
    if not field.data:
        return
    local, _at, domain = field.data.partition("@")
    if _PLAIN_LOCAL.fullmatch(local) and _is_plain_domain(domain):
        return
    try:
        field.data = validate_email(field.data, check_deliverability=False).normalized
    except EmailNotValidError:
        raise ValidationError(_("This is not an e-mail address: check it, for example prenom.nom@exemple.fr.")) from None


class ContactForm(VersionedForm, PortalBaseForm):
    """Nationality, address and contact details."""

    number_boxes = {"mobile": PHONE_BOX, "landline": PHONE_BOX}

    nationality_id = ReferenceSelect(_l("Nationality"), [REQUIRED], model="Nationality")
    street_number = _line(_l("Street number"), Optional(), _is_street_number, limit=10)
    street_extension = SelectField(_l("Street extension"), [Optional()], choices=STREET_EXTENSIONS)
    street_type_id = ReferenceSelect(_l("Street type"), [REQUIRED], model="StreetType")
    street_name = _line(_l("Street name"), REQUIRED, _in_address, limit=120)
    address_complement = _line(_l("Entrance, building, residence…"), Optional(), _in_address, limit=120)
    special_mention = _line(_l("Special mention (BP, CS…) – geographic town"), Optional(), _in_address, limit=120)
    postal_code = text(
        _l("Postal code"), REQUIRED, Regexp(r"^\d{5}$", message=_l("The postal code has 5 digits.")), limit=5, inputmode="numeric", autocomplete="off"
    )
    town = _line(_l("Town (address)"), REQUIRED, _in_address, limit=80)
    insee_code: str | None = None
    cedex = _line(_l("Cedex"), Optional(), _in_address, limit=12)
    mobile = StringField(_l("Mobile phone"), [REQUIRED, _phone(True)], filters=[one_line], render_kw={"maxlength": 20, "inputmode": "tel"})
    landline = StringField(_l("Landline phone"), [Optional(), _phone(False)], filters=[one_line], render_kw={"maxlength": 20, "inputmode": "tel"})
    email = StringField(_l("E-mail"), [REQUIRED, _email], filters=[clean_text], render_kw={"maxlength": 254, "inputmode": "email"})
    other_information = TextAreaField(_l("Other information"), [Optional(), Length(max=2000)], filters=[clean_text])

    #: The towns of postal codes that were read beforehand; those of another one are read when it is met.
    _read: Mapping[str, Sequence[reference.NamedTown]] = {}

    def read_towns(self, postal_codes: Collection[str]) -> None:
        """Read at once the towns of all the codes that this form is to judge."""
        self._read = reference.towns_for_postal_codes(postal_codes)

    def towns_of(self, postal_code: str) -> Sequence[reference.NamedTown | reference_models.Town]:
        """The towns that a postal code serves."""
        known = self._read.get(postal_code)
        return reference.towns_for_postal_code(postal_code) if known is None else known

    def towns(self) -> list[str]:
        """The towns of the postal code typed so far, for the list offered; none for a CEDEX or a mistyped code."""
        return [town.name for town in self.towns_of(self.postal_code.data or "")]

    def validate_town(self, field: Any) -> None:
        """A town of its postal code when the code is known; anything for a CEDEX, which belongs to no town."""
        towns = self.towns_of(self.postal_code.data or "")
        found = [town for town in towns if fold(town.name) == fold(field.data or "")]
        if found:
            self.insee_code, field.data = found[0].insee_code, found[0].name
        elif towns and field.data and not self.cedex.data:
            raise ValidationError(_("This town does not have this postal code: choose one of the list."))


class IdentificationForm(ContactForm):
    """Step "Identification": contact details, after the civil status when it has to be typed."""

    civility = RadioField(_l("Civility"), [Optional()], choices=CIVILITIES)
    birth_name = _name(_l("Name"), Optional())
    usual_name = _name(_l("Usual name"), Optional())
    first_name = _name(_l("First name"), Optional())
    birth_date = FrDateField(_l("Date of birth"), [Optional(), _born])
    gender = RadioField(_l("Gender"), [Optional()], choices=GENDERS)
    identity_confirmed = BooleanField(_l("I checked the identity papers: this is the right identity for this number"))
    #: Set by the wizard once the number contradicts what was typed: only then is the confirmation offered.
    contradicted = False


def _years() -> list[SelectChoice]:
    this = clock.today().year
    return [SelectChoice("", _l("Select…")), *(SelectChoice(str(year)) for year in range(this, this - 71, -1))]


def _year(value: Any) -> int | None:
    return int(value) if value not in (None, "", "None") else None


#: What an answer asks, as the style sheet knows it: ``data-asks`` on the answer, ``data-asked`` on the questions.
_ASKS_JOBSEEKER, _ASKS_ESF = {"data-asks": "jobseeker"}, {"data-asks": "esf"}


class SituationForm(VersionedForm, PortalBaseForm):
    """Step "Situation initiale": situation at entry, schooling, ESF."""

    public_category_id = ReferenceSelect(_l("Public category"), [Optional()], model="PublicCategory")
    general_objective_id = ReferenceSelect(_l("General objective"), [REQUIRED], model="GeneralObjective")
    professional_situation_id = ReferenceSelect(_l("Professional situation"), [REQUIRED], model="ProfessionalSituation")
    ft_registered = YesNoField(
        _l("Registered with France Travail"), [CHOOSE], choices=[SelectChoice("oui", _l("Yes"), render_kw=_ASKS_JOBSEEKER), SelectChoice("non", _l("No"))]
    )
    ft_registered_on = FrDateField(_l("Date of registration with France Travail"), [Optional()])
    ft_number = text(_l("Jobseeker number"), Optional(), limit=16, autocomplete="off")
    ft_agency_code = text(_l("ALE code"), Optional(), limit=10)
    receives_are = yes_no(_l("Receives ARE"))
    receives_other = yes_no(_l("Receives other minimum benefits (other than RSA and AAH)"))
    receives_rsa = yes_no(_l("Receives RSA"))
    receives_aah = yes_no(_l("Receives AAH"))
    boe = RadioField(_l("Beneficiary of an employment obligation (BOE)"), [CHOOSE], choices=options(BOE_LABELS))
    school_leaver = yes_no(_l("Left school less than a year ago"))
    entry_level_id = ReferenceSelect(_l("Level at entry"), [REQUIRED], model="Level")
    last_class_id = ReferenceSelect(_l("Last class attended"), [REQUIRED], model="LastClass")
    last_class_year = SelectField(_l("Year of the last class attended"), [Optional()], coerce=_year, choices=_years)
    highest_diploma_id = ReferenceSelect(_l("Highest diploma obtained"), [REQUIRED], model="HighestDiploma")
    highest_level_id = ReferenceSelect(_l("Level of the highest certification obtained"), [REQUIRED], model="Level")
    highest_level_year = SelectField(_l("Year of the certification"), [Optional()], coerce=_year, choices=_years)
    esf_state = RadioField(
        _l("Entry of ESF data"),
        [CHOOSE],
        choices=[
            SelectChoice(state.value, ESF_STATE_LABELS[state], render_kw=_ASKS_ESF if state is EsfState.COMPLETE else {})
            for state in (EsfState.COMPLETE, EsfState.LATER)
        ],
    )
    esf_parent_abroad = RadioField(_l("One of the parents was born abroad"), [Optional()], choices=options(ESF_ANSWER_LABELS))
    esf_birth_postal_code = text(
        _l("Postal code of the town of birth"), Optional(), Regexp(r"^\d{5}$", message=_l("The postal code has 5 digits.")), limit=5, inputmode="numeric"
    )
    esf_homeless = RadioField(_l("Homeless or facing exclusion from housing"), [Optional()], choices=options(ESF_ANSWER_LABELS))

    #: Asked of who is registered with France Travail.
    JOBSEEKER_FIELDS = ("ft_registered_on", "ft_number", "ft_agency_code")
    #: The wizard takes the ESF block away when the action is not co-funded.
    ESF_FIELDS = ("esf_state", "esf_parent_abroad", "esf_birth_postal_code", "esf_homeless")

    def without_esf(self) -> SituationForm:
        """The form of an action that is not co-funded."""
        for name in self.ESF_FIELDS:
            del self[name]
        return self

    def unasked(self) -> tuple[str, ...]:
        """The questions that the answers given so far do not ask: nothing of them is saved."""
        jobseeker = self.JOBSEEKER_FIELDS if not self.ft_registered.data else ()
        return (*jobseeker, *(self.ESF_FIELDS[1:] if "esf_state" in self and self.esf_state.data != EsfState.COMPLETE else ()))

    def validate(self, extra_validators: Any = None) -> bool:
        """Each field, then those that depend on another's answer.

        What was typed into a question that is not asked is let go, once the answer it depends on is given: until then it stays.
        """
        super().validate(extra_validators)
        for name in self.unasked():
            self[name].errors = []
            if not (self.esf_state if name in self.ESF_FIELDS else self.ft_registered).errors:
                self[name].data = None
        self.judge_jobseeker()
        self.judge_esf()
        return not any(field.errors for field in self)

    def judge_jobseeker(self) -> None:
        """The number in one of its two formats, and a date that is not to come, of those registered."""
        if not self.ft_registered.data:
            return
        number = normalise_ft_number(self.ft_number.data or "")
        if number is None:
            self.ft_number.errors = [*self.ft_number.errors, str(_SENTENCES[ProblemCode.BAD_FT_NUMBER])]
        else:
            self.ft_number.data = number
        if self.ft_registered_on.data and self.ft_registered_on.data > clock.today():
            self.ft_registered_on.errors = [*self.ft_registered_on.errors, _("This date is in the future.")]

    def judge_esf(self) -> None:
        """The three indicators, when they are said to be complete."""
        if "esf_state" not in self or self.esf_state.data != EsfState.COMPLETE:
            return
        for name in self.ESF_FIELDS[1:]:
            field = self[name]
            if not field.data and not field.errors:
                field.errors = [_("Fill in this field, or choose “To be entered later”.")]


def _not_negative(_form: Any, field: Any) -> None:
    """Only a number can be negative: what is not one has its own message."""
    if field.data is not None and field.data < 0:
        raise ValidationError(_("Hours cannot be negative."))


class NumberForm(PortalBaseForm):
    """« Modifier l'identité »: the NIR and the birth name to ask AGORA about; the number stays when it is left blank."""

    number_boxes = {"nir": NIR_BOX, "key": NIR_BOX}

    nir = StringField(_l("NIR"), render_kw={"maxlength": 30})
    key = StringField(_l("Key"), render_kw={"maxlength": 4})
    birth_name = _name(_l("Name"), REQUIRED, autocomplete="off")


class CivilStatusForm(VersionedForm, PortalBaseForm):
    """« Modifier l'identité », when AGORA does not tell who it is."""

    civility = RadioField(_l("Civility"), [CHOOSE], choices=CIVILITIES)
    birth_name = _name(_l("Name"), REQUIRED)
    usual_name = _name(_l("Usual name"), Optional())
    first_name = _name(_l("First name"), REQUIRED)
    birth_date = FrDateField(_l("Date of birth"), [REQUIRED, _born])
    gender = RadioField(_l("Gender"), [CHOOSE], choices=GENDERS)
    identity_confirmed = BooleanField(_l("I checked the identity papers: this is the right identity for this number"))
    contradicted = False
    #: Asked when AGORA knows the number under another identity than the one known here (``services.correction``).
    same_person = BooleanField(_l("This is the same person"))


class EnrolmentForm(VersionedForm, PortalBaseForm):
    """« Parcours » and "Volumes" of an enrolment on a component."""

    planned_start = FrDateField(_l("Planned start"), [REQUIRED])
    planned_end = FrDateField(_l("Planned end"), [REQUIRED])
    site_id = SelectField(_l("Training site"), [REQUIRED], coerce=_identifier)
    hours_centre = FrDecimalField(_l("Trainee hours billed (hcf)"), [REQUIRED, _not_negative], places=2)
    hours_company = FrDecimalField(_l("Trainee hours in company (he)"), [REQUIRED, _not_negative], places=2)
    version = IntegerField(widget=HiddenInput(), validators=[Optional()])


class ExitForm(PortalBaseForm):
    """Exit of a trainee from a component."""

    actual_end = FrDateField(_l("Actual end"), [REQUIRED])
    exit_reason_id = ReferenceSelect(_l("Exit reason"), [REQUIRED], model="ExitReason")
    version = IntegerField(widget=HiddenInput(), validators=[Optional()])


def _reason(label: Any) -> TextAreaField:
    """Why, in words somebody else can judge by; it stays in the portal."""
    enough = Length(min=10, max=1000, message=_l("Say why in 10 to 1,000 characters."))
    return TextAreaField(label, [REQUIRED, enough], filters=[clean_text], render_kw={"rows": 3, "maxlength": 1000})


class ActForm(PortalBaseForm):
    """An act on an enrolment, for the version that the page showed."""

    version = IntegerField(widget=HiddenInput(), validators=[Optional()])


class InterruptionForm(ActForm):
    """Interruption of the training."""

    interrupted_on = FrDateField(_l("First day away"), [REQUIRED])
    reason = SelectField(_l("Reason of the interruption"), [CHOOSE], choices=lambda: [SelectChoice("", _("Select…")), *options(PAUSE_LABELS)])


class ResumptionForm(ActForm):
    """Return to the training."""

    resumed_on = FrDateField(_l("Day of the return"), [REQUIRED])


class CancellationForm(ActForm):
    """Cancellation of an exit, or of an enrolment made by mistake (« Inscrit par erreur »)."""

    reason = _reason(_l("Reason of the cancellation"))


class OutcomeForm(ActForm):
    """Correction of the outcome that was computed."""

    outcome = RadioField(_l("Outcome"), [CHOOSE], choices=options(OUTCOME_LABELS))
    reason = _reason(_l("Reason of the correction"))


class MoveForm(EnrolmentForm):
    """Change of component: the exit of one, and the plan on the other."""

    actual_end = FrDateField(_l("Actual end"), [REQUIRED])
    exit_reason_id = ReferenceSelect(_l("Exit reason"), [REQUIRED], model="ExitReason")


class RevealForm(PortalBaseForm):
    """Why the number must be read in clear: asked and journaled (décret 2019-341)."""

    reason = text(_l("Reason for reading the number"), REQUIRED, Length(min=10, message=_l("Say why in at least 10 characters.")), limit=200)


#: Not columns of a sheet: the version check, and the civil status, which is the person's.
_TECHNICAL = frozenset({*ROW_FIELDS, "version", *IDENTITY_FIELDS})


def plain(form: KeptTextForm) -> dict[str, Any]:
    """The values of a form as columns of the sheet take them: nothing rather than an empty text."""
    return {field.name: None if field.data == "" else field.data for field in form if field.name not in _TECHNICAL}
