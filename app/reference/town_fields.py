"""The place of a site on a reference screen: the postal code brings the towns it serves, with scripts and without."""

from __future__ import annotations

from typing import Any

from flask import has_request_context, request, url_for

from app.core.fab.forms import PlainField
from app.core.textsearch import fold

from .places import shown_town
from .queries import towns_for_postal_code

#: The button that asks for the towns where no script runs.
ASK_TOWNS = "_towns"


class PostalCodeField(PlainField):
    """A postal code; typing it fills the list of the towns beside it."""

    input_kind = "postal_code"

    @property
    def towns_url(self) -> str:
        """Where the towns are asked for."""
        return url_for("SiteView.towns")


class TownField(PlainField):
    """A town: chosen among those of the postal code, typed by hand for a code that the table does not know."""

    input_kind = "town"

    def offered(self, form: Any) -> list[tuple[str, bool]]:
        """The towns of the postal code typed so far, and which of them the field holds."""
        names = [shown_town(town) for town in towns_for_postal_code(form["postal_code"].data or "")]
        held = fold(str(self.data or ""))
        return [(name, fold(name) == held) for name in dict.fromkeys(names)]


class AsksTowns:
    """Mixin of a form with a ``TownField``: the button that asks for the towns judges nothing."""

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        """False, and without a fault, when the towns alone are asked for."""
        if has_request_context() and ASK_TOWNS in request.form:
            return False
        return bool(super().validate(*args, **kwargs))  # type: ignore[misc]  # of the form this is mixed into


__all__ = ["ASK_TOWNS", "AsksTowns", "PostalCodeField", "TownField"]
