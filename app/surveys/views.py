"""Pages of the situation surveys: the list, one survey, and its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import IntegrityError

from app.actions.queries import Cursor
from app.actions.views import page_size
from app.core import clock
from app.core.concurrency import StaleError, conflict_context
from app.core.extensions import db
from app.core.people import account_names
from app.core.requests import row_number
from app.core.tenancy import current_scope
from app.core.typed import gone_page
from app.core.ui import allowed
from app.core.ui.components import url_without
from app.trainees.views.common import show_database_refusal

from . import labels, queries, services
from .domain import MOMENT_WORDS, Moment, Refused, StateFilter
from .forms import SurveyForm
from .models import SituationSurvey
from .permissions import FILL, VIEW
from .queries import SurveyFilter

_MOMENTS = {word: moment for moment, word in MOMENT_WORDS.items()}
Crumbs = list[tuple[str, str | None]]


class SurveysView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """« Bilans de situation »."""

    route_base = "/bilans-de-situation"
    class_permission_name = VIEW
    permission_label = _l("Situation surveys")
    default_view = "index"

    @expose("/")
    @has_access
    @permission_name("read")
    def index(self) -> ResponseReturnValue:
        """The surveys whose day has come, the oldest first."""
        narrowed, today = _narrowed(), clock.today()
        page = queries.list_surveys(narrowed, today=today, cursor=Cursor.of(request.args.get("after"), request.args.get("before")), size=page_size())
        return self.render_template(
            "surveys/index.html",
            breadcrumb=[(_("Situation surveys"), None)],
            page=page,
            badges={survey.id: labels.state_badge(survey, today) for survey in page.rows},
            narrowed=narrowed,
            moment_choices=[("", _("All (moments)")), *((MOMENT_WORDS[moment], label) for moment, label in labels.MOMENT_LABELS.items())],
            state_choices=[("", _("All (surveys)")), *((state.value, label) for state, label in labels.FILTER_LABELS.items())],
            moment_words=MOMENT_WORDS,
            moment_labels=labels.MOMENT_LABELS,
            limited=current_scope().limited_account is not None,
            chips=_chips(narrowed),
        )

    @expose("/<int:survey_id>")
    @has_access
    @permission_name("read")
    def show(self, survey_id: int) -> ResponseReturnValue:
        """One survey: what the organisation and the trainee answered, side by side, and the messages that were sent."""
        survey = _survey_or_404(survey_id)
        answered_by = account_names([survey.answered_by_id]).get(survey.answered_by_id or 0)
        return self.render_template(
            "surveys/show.html",
            **_page_values(survey),
            badge=labels.state_badge(survey, clock.today()),
            own=labels.answer_rows(survey) if survey.is_filled else [],
            answered_by=answered_by,
            reply=labels.answer_rows(survey.reply) if survey.reply is not None else [],
            differing=labels.differing(survey, survey.reply) if survey.is_filled and survey.reply is not None else [],
            links=queries.links_of(survey.id),
            opted_out=queries.opted_out(survey.enrolment.registration.trainee_id),
            may_fill=allowed(*FILL) and services.is_due(survey, clock.today()),
        )

    @expose("/<int:survey_id>/saisie", methods=["GET", "POST"])
    @has_access
    @permission_name("fill")
    def edit(self, survey_id: int) -> ResponseReturnValue:
        """Fill in or correct the survey; what the trainee answered is proposed as long as the organisation answered nothing."""
        found = queries.get_survey(survey_id)
        if found is None:
            return gone_page(SurveyForm())
        address = url_for("SurveysView.show", survey_id=survey_id)
        if request.method == "GET" and not services.is_due(found, clock.today()):
            flash(str(labels.REFUSALS[labels.Refusal.NOT_DUE]), "danger")
            return redirect(url_for("RegistrationPages.show", registration_id=found.enrolment.registration_id))
        form = SurveyForm(obj=found.reply if found.reply is not None and not found.is_filled else found)
        path = _crumbs(found, (_("Entry of the survey"), None))
        name = found.enrolment.registration.trainee.display_name
        if request.method == "GET":
            form.bind_row(found, services.FIELDS)
        elif form.validate():
            try:
                services.fill_in(survey_id, form)
            except LookupError:
                return gone_page(form)
            except Refused as refusal:
                form.form_errors.append(str(labels.REFUSALS[refusal.why]))
            except StaleError as stale:
                db.session.rollback()
                context = conflict_context(form, stale, cancel_url=address, breadcrumb=path)
                return self.render_template("concurrency/conflict.html", **context), 409
            except IntegrityError as error:
                db.session.rollback()
                show_database_refusal(form, error)
            else:
                flash(_("The situation survey of %(name)s is saved.", name=name), "success")
                return redirect(address)
            found = _survey_or_404(survey_id)
        page = self.render_template("surveys/edit.html", **{**_page_values(found), "breadcrumb": path}, form=form, cancel_url=address)
        return page, (422 if request.method == "POST" and (form.errors or form.form_errors) else 200)

    @expose("/<int:survey_id>/non-joint", methods=["POST"])
    @has_access
    @permission_name("fill")
    def unreached(self, survey_id: int) -> ResponseReturnValue:
        """The organisation gives up reaching the trainee."""
        return self._act(survey_id, services.mark_unreached, _("Noted: the trainee could not be reached. An answer that comes all the same is kept."))

    @expose("/<int:survey_id>/a-joindre", methods=["POST"])
    @has_access
    @permission_name("fill")
    def retry(self, survey_id: int) -> ResponseReturnValue:
        """The survey waits for an answer again."""
        return self._act(survey_id, services.try_again, _("The survey waits for an answer again."))

    @staticmethod
    def _act(survey_id: int, act: Any, done: str) -> ResponseReturnValue:
        try:
            act(survey_id, version=row_number(request.form.get("version")))
        except LookupError:
            abort(404)
        except StaleError:
            db.session.rollback()
            flash(_("Somebody has just changed this survey: check it first."), "warning")
        except Refused as refusal:
            flash(str(labels.REFUSALS[refusal.why]), "danger")
        else:
            flash(done, "success")
        return redirect(url_for("SurveysView.show", survey_id=survey_id))


def _survey_or_404(survey_id: int) -> SituationSurvey:
    survey = queries.get_survey(survey_id)
    if survey is None:
        abort(404)
    return survey


def _page_values(survey: SituationSurvey) -> dict[str, Any]:
    return {
        "breadcrumb": _crumbs(survey),
        "menu_current": "SurveysView.index",
        "survey": survey,
        "told": services.is_told(survey),
        "title_text": str(labels.SURVEY_TITLES[Moment(survey.moment)]),
        "enrolment": survey.enrolment,
        "trainee": survey.enrolment.registration.trainee,
        "action": survey.action,
    }


def _crumbs(survey: SituationSurvey, *more: tuple[str, str | None]) -> Crumbs:
    name = survey.enrolment.registration.trainee.display_name
    here = (f"{name} – {labels.MOMENT_LABELS[Moment(survey.moment)]}", url_for("SurveysView.show", survey_id=survey.id))
    return [(_("Situation surveys"), url_for("SurveysView.index")), here, *more]


def _narrowed() -> SurveyFilter:
    """What the address asks; what it does not know narrows nothing."""
    return narrowed_by(request.args)


def narrowed_by(args: Mapping[str, str]) -> SurveyFilter:
    """What a list with these words in its address is narrowed to."""
    state = args.get("etat", "")
    return SurveyFilter(
        moment=_MOMENTS.get(args.get("moment", "")),
        state=StateFilter(state) if state in set(StateFilter) else None,
        action="".join(args.get("action", "").replace("\x00", "").split())[:40],
    )


def _chips(narrowed: SurveyFilter) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    if narrowed.moment is not None:
        found.append((_("Moment"), str(labels.MOMENT_LABELS[narrowed.moment]), url_without("moment")))
    if narrowed.state is not None:
        found.append((_("State"), str(labels.FILTER_LABELS[narrowed.state]), url_without("etat")))
    if narrowed.action:
        found.append((_("Action"), narrowed.action, url_without("action")))
    return found
