"""The sheet in words: rows (label, value) for the summary lists."""

from __future__ import annotations

from typing import Any

import phonenumbers
from flask import url_for
from flask_babel import gettext as _

from app.actions.domain import registration_blockers
from app.core.ui import allowed
from app.core.ui.format import fr_date, nl2br

from . import labels
from .domain import EsfState
from .models import Registration, Trainee
from .permissions import VIEW

Row = tuple[str, Any]


def yes_no(value: bool | None) -> str | None:
    """Oui, Non, or nothing."""
    return None if value is None else _("Yes") if value else _("No")


def phone(value: str | None) -> str | None:
    """A stored number as people write it."""
    if not value:
        return None
    number = phonenumbers.parse(value, "FR")
    french = number.country_code == 33
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL if french else phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def identity_rows(trainee: Trainee) -> list[Row]:
    """Civil status; the number is masked."""
    rows: list[Row] = []
    if trainee.nir_kind:
        rows.append((_("NIR / NIA"), f"{trainee.nir_masked} ({trainee.nir_kind})"))
    return [
        *rows,
        (_("Civility"), str(labels.CIVILITY_LABELS[trainee.civility])),
        (_("Name"), trainee.birth_name),
        (_("Usual name"), trainee.usual_name),
        (_("First name"), trainee.first_name),
        (_("Date of birth"), fr_date(trainee.birth_date)),
        (_("Gender"), str(labels.GENDER_LABELS[trainee.gender])),
        (_("Origin of the identity"), str(labels.SOURCE_LABELS[trainee.identity_source])),
    ]


def address_text(registration: Registration) -> str:
    """The address on one line."""
    street = " ".join(
        part for part in (registration.street_number, registration.street_extension, registration.street_type.label, registration.street_name) if part
    )
    town = " ".join(part for part in (registration.postal_code, registration.town, registration.cedex and f"Cedex {registration.cedex}") if part)
    return ", ".join(part for part in (street, registration.address_complement, registration.special_mention, town) if part)


def contact_rows(registration: Registration) -> list[Row]:
    """Nationality, address and contact details."""
    return [
        (_("Nationality"), str(registration.nationality)),
        (_("Address"), address_text(registration)),
        (_("Mobile phone"), phone(registration.mobile)),
        (_("Landline phone"), phone(registration.landline)),
        (_("E-mail"), registration.email),
        (_("Other information"), nl2br(registration.other_information) if registration.other_information else None),
    ]


def situation_rows(registration: Registration) -> list[Row]:
    """Situation at entry and schooling; nothing of the jobseeker's number for who is none."""
    jobseeker = [
        (_("Date of registration with France Travail"), fr_date(registration.ft_registered_on)),
        (_("Jobseeker number"), registration.ft_number),
    ]
    return [
        (_("Public category"), str(registration.public_category or "")),
        (_("General objective"), str(registration.general_objective)),
        (_("Professional situation"), str(registration.professional_situation)),
        (_("Registered with France Travail"), yes_no(registration.ft_registered)),
        *(jobseeker if registration.ft_registered else ()),
        (_("Receives ARE"), yes_no(registration.receives_are)),
        (_("Receives other minimum benefits (other than RSA and AAH)"), yes_no(registration.receives_other)),
        (_("Receives RSA"), yes_no(registration.receives_rsa)),
        (_("Receives AAH"), yes_no(registration.receives_aah)),
        (_("Beneficiary of an employment obligation (BOE)"), str(labels.BOE_LABELS[registration.boe])),
        (_("Left school less than a year ago"), yes_no(registration.school_leaver)),
        (_("Level at entry"), str(registration.entry_level)),
        (_("Last class attended"), str(registration.last_class)),
        (_("Year of the last class attended"), registration.last_class_year),
        (_("Highest diploma obtained"), str(registration.highest_diploma)),
        (_("Level of the highest certification obtained"), str(registration.highest_level)),
        (_("Year of the certification"), registration.highest_level_year),
    ]


def esf_rows(registration: Registration) -> list[Row]:
    """ESF data of a co-funded action."""
    if registration.esf_state == EsfState.NOT_CONCERNED:
        return []
    rows: list[Row] = [(_("Entry of ESF data"), str(labels.ESF_STATE_LABELS[registration.esf_state]))]
    if registration.esf_state == EsfState.COMPLETE:
        rows += [
            (_("One of the parents was born abroad"), str(labels.ESF_ANSWER_LABELS[registration.esf_parent_abroad or ""])),
            (_("Postal code of the town of birth"), registration.esf_birth_postal_code),
            (_("Homeless or facing exclusion from housing"), str(labels.ESF_ANSWER_LABELS[registration.esf_homeless or ""])),
        ]
    return rows


def of_registration(registration: Registration, *, may_correct: bool = False) -> list[dict[str, Any]]:
    """The parts of the sheet, each with the address that modifies it when the account may."""
    may = allowed("can_register", VIEW) and not registration_blockers(registration.action.status)
    parts: list[dict[str, Any]] = [
        {"title": _("Identity"), "rows": identity_rows(registration.trainee), "href": None},
        {"title": _("Address and contact details"), "rows": contact_rows(registration), "href": "contact"},
        {"title": _("Initial situation"), "rows": situation_rows(registration), "href": "situation"},
    ]
    esf = esf_rows(registration)
    if esf:
        parts.append({"title": _("Additional ESF information"), "rows": esf, "href": "situation"})
    for part in parts:
        if part["href"]:
            part["href"] = url_for(f"RegistrationPages.{part['href']}", registration_id=registration.id) if may else None
    if may and may_correct:
        parts[0]["href"] = url_for("IdentityPages.edit", registration_id=registration.id)
    return parts
