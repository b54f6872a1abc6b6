"""Words of the kind "partners" (DOMAIN §1: co-traitants, sous-traitants)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.accounts.domain import SiretFault, format_siret
from app.actions.partner_models import ROLE_LABELS, PartnerRole
from app.core.ui.format import fr_date

from .domain import Change, Field, Problem, ProblemCode, Target, Value

PARTNER_FIELD_LABELS: dict[str, Any] = {
    Field.ROLE: _l("Kind of partner"),
    Field.LEGAL_NAME: _l("Legal name of the partner"),
    Field.SIRET: _l("SIRET of the partner"),
    Field.STARTS_ON: _l("Takes part from"),
    Field.ENDS_ON: _l("Takes part until"),
}
PARTNER_PROBLEMS: Final = frozenset(
    {
        ProblemCode.PARTNER_INCOMPLETE,
        ProblemCode.BAD_SIRET,
        ProblemCode.OWN_SIRET,
        ProblemCode.SIRET_TWICE,
        ProblemCode.SIRET_OF_OTHER,
        ProblemCode.PARTNER_ENDS_BEFORE,
        ProblemCode.PARTNER_STARTS_AFTER,
        ProblemCode.PARTNER_STARTS_BEFORE,
        ProblemCode.PARTNER_ENDS_AFTER,
    }
)
_FAULTS: dict[str, Any] = {
    SiretFault.NOT_DIGITS: _l("a SIRET has digits only"),
    SiretFault.LENGTH: _l("a SIRET has 14 digits"),
    SiretFault.CHECKSUM: _l("its digits do not hold together, one of them is probably wrong"),
}


def role_label(role: str) -> str:
    """« Co-traitant » or « Sous-traitant »."""
    return str(ROLE_LABELS[PartnerRole(role)]) if role in set(PartnerRole) else role


def partner_value(field: Field, value: str) -> str:
    """A kind of partner in words, a SIRET as people read it."""
    return {Field.ROLE: role_label, Field.SIRET: format_siret}.get(field, str)(value)


def _said(field: Field, value: Value) -> str:
    if isinstance(value, date):
        return fr_date(value)
    return partner_value(field, value) if isinstance(value, str) else ""


def partner_parts(changes: Sequence[Change], colon: str) -> list[str]:
    """What is asked of the partners, in short: each one added, and what changes of the others."""
    added: dict[int, dict[Field, Any]] = {}
    parts: list[str] = []
    for one in changes:
        if one.key.target is not Target.PARTNER:
            continue
        if one.key.id < 0:
            added.setdefault(one.key.id, {})[one.key.field] = one.after
        elif one.key.field is Field.ENDS_ON:
            parts.append(_("%(name)s leaves on %(day)s", name=one.of, day=_said(one.key.field, one.after)))
        else:
            label = str(PARTNER_FIELD_LABELS[one.key.field])
            parts.append(f"{one.of}, {label[:1].lower()}{label[1:]}{colon}{_said(one.key.field, one.before)} → {_said(one.key.field, one.after)}")
    new = [_("new %(role)s %(name)s", role=role_label(str(one.get(Field.ROLE))).lower(), name=one.get(Field.LEGAL_NAME)) for one in added.values()]
    return new + parts


def partner_problem(problem: Problem, words: dict[str, str]) -> str:  # noqa: PLR0911 - one sentence a code
    """The sentence for one obstacle."""
    siret = format_siret(words.get("siret", ""))
    match problem.code:
        case ProblemCode.PARTNER_INCOMPLETE:
            return _("Fill this in: a partner has a kind, a legal name, a SIRET and the date from which it takes part.")
        case ProblemCode.BAD_SIRET:
            return _("“%(siret)s” is no SIRET: %(why)s. Check it on the documents of the partner.", siret=words["siret"], why=_FAULTS[words["fault"]])
        case ProblemCode.OWN_SIRET:
            return _("%(siret)s is the SIRET of the holder of the contract, which is no partner of itself: enter that of the partner.", siret=siret)
        case ProblemCode.SIRET_TWICE:
            return _("%(siret)s is the SIRET of another partner of this action: change that one instead of adding it again.", siret=siret)
        case ProblemCode.SIRET_OF_OTHER:
            return _("Another partner gives up the SIRET %(siret)s in this request: ask for that first, then, once validated, for this one.", siret=siret)
        case ProblemCode.PARTNER_ENDS_BEFORE:
            return _("The partner would leave on %(end)s, before it takes part, on %(start)s: change one of these dates.", **words)
        case ProblemCode.PARTNER_STARTS_BEFORE:
            return _("The partner would take part from %(start)s, before the start of the action, %(bound)s: enter that day or a later one.", **words)
        case ProblemCode.PARTNER_ENDS_AFTER:
            return _(
                "The partner would take part until %(end)s, after the end of the action, %(bound)s: enter that day or an earlier one, "
                "or leave it empty until the end of the action.",
                **words,
            )
        case _:
            return _("The partner would take part from %(start)s, after the end of the action, %(end)s: enter an earlier date.", **words)
