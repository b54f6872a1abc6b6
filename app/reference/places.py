"""Whether a postal code, a town and an INSEE code go together: one rule for every form that asks the place of a site."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from flask_babel import gettext as _

from app.core.textsearch import fold

from .models import Town
from .queries import towns_for_postal_code


class PlaceCode(StrEnum):
    """What does not go together."""

    TOWN_OF_OTHER_CODE = "town_of_other_code"
    INSEE_OF_OTHER_TOWN = "insee_of_other_town"
    UNKNOWN_CODE = "unknown_code"
    NO_DEPARTEMENT = "no_departement"
    OTHER_DEPARTEMENT = "other_departement"


@dataclass(frozen=True, slots=True)
class PlaceFault:
    """One thing to mend: the field, the code, and the values of its sentence."""

    field: str
    code: PlaceCode
    params: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """A town as it is kept, with its INSEE code."""

    town: str
    insee_code: str


#: Overseas, three digits name the département; the INSEE codes of two islands left that of their postal code.
_OVERSEAS: Final[Mapping[str, frozenset[str]]] = {
    **{code: frozenset({code}) for code in ("972", "973", "974", "975", "976", "977", "978", "984", "986", "987", "988")},
    "971": frozenset({"971", "977", "978"}),
}
_MAINLAND: Final = frozenset({f"{number:02d}" for number in range(1, 96)} - {"20"})


def shown_town(town: Town) -> str:
    """The name that an address bears: with its CEDEX where it has one."""
    return town.routing_name if town.cedex else town.name


def departements(postal_code: str) -> frozenset[str]:
    """How the INSEE codes of a postal code may begin; empty when it is of no département."""
    if postal_code.startswith("20"):
        return frozenset({"2A", "2B"})
    if postal_code[:2] in _MAINLAND:
        return frozenset({postal_code[:2]})
    return _OVERSEAS.get(postal_code[:3], frozenset())


def place_of(postal_code: str, town: str, insee_code: str | None, towns: Sequence[Town] | None = None) -> Place | PlaceFault:
    """The place that these three name, or what does not go together.

    A postal code of the table has its towns, and each of them its INSEE code.  Any other one (a CEDEX, mostly) is typed by hand, with an
    INSEE code of its département.
    """
    towns = towns_for_postal_code(postal_code) if towns is None else towns
    if not towns:
        return _typed_by_hand(postal_code, town, insee_code)
    found = [one for one in towns if fold(town) in (fold(one.name), fold(one.routing_name))]
    if not found:
        known = ", ".join(shown_town(one) for one in towns[:8]) + ("…" if len(towns) > 8 else "")
        return PlaceFault("town", PlaceCode.TOWN_OF_OTHER_CODE, {"town": town, "postal_code": postal_code, "towns": known})
    chosen = next((one for one in found if one.insee_code == insee_code), None) if insee_code else found[0]
    if chosen is None:
        told = {"insee_code": insee_code or "", "town": shown_town(found[0]), "postal_code": postal_code, "known": found[0].insee_code}
        return PlaceFault("insee_code", PlaceCode.INSEE_OF_OTHER_TOWN, told)
    return Place(shown_town(chosen), chosen.insee_code)


def _typed_by_hand(postal_code: str, town: str, insee_code: str | None) -> Place | PlaceFault:
    begins = departements(postal_code)
    if not begins:
        return PlaceFault("postal_code", PlaceCode.NO_DEPARTEMENT, {"postal_code": postal_code})
    if not insee_code:
        return PlaceFault("postal_code", PlaceCode.UNKNOWN_CODE, {"postal_code": postal_code})
    if not insee_code.startswith(tuple(begins)):
        told = {"insee_code": insee_code, "postal_code": postal_code, "begins": " / ".join(sorted(begins))}
        return PlaceFault("insee_code", PlaceCode.OTHER_DEPARTEMENT, told)
    return Place(town, insee_code)


def place_text(fault: PlaceFault) -> str:
    """The sentence for one fault: which value, which rule, what to do."""
    words: dict[str, Any] = dict(fault.params)
    match fault.code:
        case PlaceCode.TOWN_OF_OTHER_CODE:
            return _("“%(town)s” is not a town of the postal code %(postal_code)s: choose one of its towns (%(towns)s), or check the postal code.", **words)
        case PlaceCode.INSEE_OF_OTHER_TOWN:
            return _(
                "%(insee_code)s is not the INSEE code of %(town)s (%(postal_code)s), which is %(known)s: leave this field empty, it is filled in for you.",
                **words,
            )
        case PlaceCode.NO_DEPARTEMENT:
            return _("%(postal_code)s is a postal code of no département: check it.", **words)
        case PlaceCode.UNKNOWN_CODE:
            return _("The postal code %(postal_code)s is unknown: check it, or, if it is right (a CEDEX for instance), enter the INSEE code too.", **words)
        case PlaceCode.OTHER_DEPARTEMENT:
            return _(
                "The INSEE code %(insee_code)s is of another département than the postal code %(postal_code)s: it begins with %(begins)s. "
                "Check both.",
                **words,
            )


__all__ = ["Place", "PlaceCode", "PlaceFault", "departements", "place_of", "place_text", "shown_town"]
