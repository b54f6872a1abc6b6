"""The partner console: every exchange with what it means and who can act, and the comparison with the partner's own copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder


def register(appbuilder: AppBuilder) -> None:
    """Add the pages, the catalogue, the menu, the periodic jobs and the figures."""
    from flask_babel import lazy_gettext as _l

    from app.accounts.observations import hide_from_observers
    from app.core.exports.registry import register_list
    from app.core.fab import add_list
    from app.core.jobs import register_periodic
    from app.core.ui import register_menu, register_number_search
    from app.core.ui.search import private_answer
    from app.trainees.ports import register_refusal_help

    from . import code_views, exports, figures, names, permissions, presenters, reconciliation_views, search_views, views

    names.register_names()
    hide_from_observers(permissions.VIEW, trainees=True)
    appbuilder.add_view_no_menu(views.ExchangesView)
    appbuilder.add_view_no_menu(search_views.IdentitySearchesView)
    appbuilder.add_view_no_menu(reconciliation_views.ReconciliationView)
    for listed in ("ExchangesView.index", "ExchangesView.own"):
        register_number_search(listed, "texte", lambda text, _values, _arguments: private_answer(text))
    add_list(appbuilder, code_views.PartnerCodeView, order=95)
    register_menu(group="Supervision", label=_l("Exchanges with partners"), endpoint="ExchangesView.index", permission=permissions.SUPERVISE, order=5)
    register_menu(
        group="Actions de formation", label=_l("Follow-up of the exchanges with AGORA"), endpoint="ExchangesView.own", permission=permissions.OWN, order=25
    )
    register_periodic(name="reconcile", func="app.exchanges.jobs:reconcile_nightly", cron="40 2 * * *", label=_l("Comparison with AGORA’s files"))
    register_periodic(name="reconcile-resume", func="app.exchanges.jobs:resume_reconciliations", every=30, label=_l("Comparisons to take up again"))
    register_refusal_help(presenters.refusal_help)
    for one in exports.LISTS:
        register_list(one)
    figures.register()
