"""What each role may do, for the Région's administrators to read. Roles are data of the code: they change with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flask_appbuilder.security.sqla.models import Role
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core.fab.access import CachedPermissionsMixin
from app.core.fab.declarations import Titles
from app.core.fab.interface import SafeInterface
from app.core.fab.values import Cell
from app.core.fab.views import PortalModelView

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder

#: Permission → words, in the order in which they are read.
_WORDS: dict[str, Any] = {
    "can_list": _l("list"),
    "can_read": _l("read"),
    "can_show": _l("read"),
    "can_lookup": _l("look up"),
    "can_export": _l("export"),
    "can_add": _l("add"),
    "can_create": _l("add"),
    "can_edit": _l("modify"),
    "can_write": _l("modify"),
    "can_delete": _l("delete"),
    "can_open": _l("open"),
    "can_close": _l("close"),
    "can_unblock": _l("unblock"),
    "can_manage": _l("manage"),
    "can_change_password": _l("change the password"),
    "can_end_sessions": _l("end the other sessions"),
    "can_use": _l("use"),
    "can_register": _l("register"),
    "can_enrol": _l("enrol"),
    "can_exit": _l("enter exits"),
    "can_reveal_nir": _l("read the social security number in clear"),
    "can_settle": _l("settle"),
    "replay": _l("send again"),
}


def _in_words(permissions: Sequence[str]) -> str:
    order = list(_WORDS)
    ranked = sorted(permissions, key=lambda one: (order.index(one) if one in order else len(order), one))
    said = (str(_WORDS.get(one, one.removeprefix("can_").replace("_", " "))) for one in ranked)
    return ", ".join(dict.fromkeys(said))


def _title_of(view: Any) -> str:
    return str(getattr(view, "permission_label", "") or getattr(view, "list_title", "") or "")


class RoleView(PortalModelView):
    """The roles and what they may do. A view that is not a list is named by its ``permission_label``."""

    datamodel = SafeInterface(Role)
    route_base = "/securite/roles"
    titles = Titles(plural=_l("Roles and permissions"), add="", edit="", delete="")
    group = "Sécurité"
    read_only = True
    label_columns = {"name": _l("Role")}
    list_columns = ["name"]
    show_columns = ["name"]
    search_columns = []
    base_order = ("name", "asc")

    def _shown(self, item: Role) -> Sequence[tuple[Any, Sequence[tuple[Any, Cell]]]]:
        by_view: dict[str, list[str]] = defaultdict(list)
        for permission, view in sorted(CachedPermissionsMixin.granted_to_roles((item.id,))):
            by_view[view].append(permission)
        titles = {view.class_permission_name: _title_of(view) for view in self.appbuilder.baseviews}
        rows = [(titles.get(name) or name, Cell(_in_words(held))) for name, held in by_view.items()]
        return [(_("What this role may do"), sorted(rows, key=lambda row: str(row[0]).casefold()))]


def register(appbuilder: AppBuilder) -> None:
    """Add the screen under "Sécurité"."""
    from app.core.fab import add_list

    add_list(appbuilder, RoleView, order=90)
