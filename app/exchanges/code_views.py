"""« Codes des partenaires »: the catalogue, as a list that the Région edits."""

from __future__ import annotations

from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core.fab import PortalModelView, Refused, SafeInterface, Titles
from app.trainees.labels import PATH_LABELS

from . import labels, models


class PartnerCodeView(PortalModelView):
    """What each code means, who can act and what to do."""

    route_base = "/referentiels/codes-des-partenaires"
    datamodel = SafeInterface(models.PartnerCode)
    group = "Référentiels"
    titles = Titles(
        plural=_l("Partner codes"),
        add=_l("Add a partner code"),
        edit=_l("Modify the code %(name)s"),
        delete=_l("Delete the code %(name)s"),
    )
    label_columns: ClassVar[dict[str, Any]] = {
        "partner": _l("Partner"),
        "code": _l("Code"),
        "nature": _l("Nature of the failure"),
        "actor": _l("Who can act"),
        "cause": _l("Cause, in plain French"),
        "remedy": _l("What to do"),
        "replay": _l("Sending again can help"),
        "path": _l("Datum to mend"),
        "updated_at": _l("Last change"),
    }
    description_columns: ClassVar[dict[str, Any]] = {
        "code": _l("As the partner writes it. A code met in an exchange and not found here is said to be unknown."),
        "cause": _l("One sentence for those who enrol trainees: what is wrong."),
        "remedy": _l("What to check, where, and what happens next."),
        "replay": _l("If not, the exchange is not offered to be sent again."),
        "path": _l("The portal’s name of the datum (for instance holder.nir), for a link to its field when the partner names none. Leave empty if there is none."),  # noqa: E501 - one message
    }
    choices: ClassVar[dict[str, Any]] = {"nature": list(labels.NATURES.items()), "actor": list(labels.ACTORS.items())}
    text_kinds: ClassVar[dict[str, str]] = {"cause": "textarea", "remedy": "textarea"}
    code_columns = ("code", "path")
    link_column = "code"
    base_order = ("code", "asc")
    quick_search = ("code", "cause")
    list_columns = ["code", "nature", "actor", "cause", "remedy", "replay"]
    add_columns = edit_columns = ["code", "nature", "actor", "cause", "remedy", "replay", "path"]
    show_columns = ["partner", *edit_columns, "updated_at"]
    search_columns: ClassVar[list[str]] = ["nature", "actor"]

    def pre_add(self, item: models.PartnerCode) -> None:
        """A datum that the portal does not know leads nowhere."""
        item.path = item.path or None
        if item.path is not None and item.path not in PATH_LABELS:
            names = ", ".join(sorted(PATH_LABELS))
            raise Refused(_("The portal knows no datum of this name: leave empty, or take one of %(names)s.", names=names), field="path")

    pre_update = pre_add
