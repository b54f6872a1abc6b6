"""Situation surveys: at the exit, at three and at six months (guide 000, "Saisie des enquêtes")."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder


def register(appbuilder: AppBuilder) -> None:
    """Add the pages, what the pages of trainees and AGORA take from here, the periodic job and the menu."""
    from flask_babel import lazy_gettext as _l

    from app.accounts.observations import hide_from_observers
    from app.core.exports.registry import register_list
    from app.core.jobs import register_periodic
    from app.core.logs import register_secret_address
    from app.core.ui import register_menu
    from app.trainees.ports import register_closing_note, register_list_link, register_sheet_part, register_survey_source, register_undo_note
    from app.trainees.queries import register_task

    from . import exports, names, queries, side
    from .permissions import READ, VIEW
    from .reply_views import PREFIX, PUBLIC_PARTS, SurveyReplyView
    from .views import SurveysView

    names.register_names()
    hide_from_observers(VIEW, trainees=True)
    appbuilder.add_view_no_menu(SurveysView)
    register_list(exports.LIST)
    register_secret_address(PREFIX, public=PUBLIC_PARTS)
    public = appbuilder.add_view_no_menu(SurveyReplyView)
    if appbuilder.sm.is_auth_limited:  # who tries links at random is braked as at sign-in; who answers never is
        appbuilder.sm.limiter.limit(appbuilder.sm.auth_rate_limit, deduct_when=lambda answer: answer.status_code >= 400)(public.blueprint)
    register_survey_source(queries.exit_surveys)
    register_sheet_part("surveys", side.sheet_part)
    register_list_link("surveys", side.list_link)
    register_closing_note("surveys", side.closing_note)
    register_undo_note("surveys", side.undo_note)
    register_task("bilan-a-saisir", _l("Situation survey due"), queries.registrations_due)
    register_periodic(name="ask-trainees", func="app.surveys.jobs:ask_trainees", every=60, queue="mail", label=_l("Messages of the situation surveys"))
    register_menu(group="Actions de formation", label=_l("Situation surveys"), endpoint="SurveysView.index", permission=READ, order=25)
