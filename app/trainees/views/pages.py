"""The sheet of a trainee on an action: its components, its details, and how they are modified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import IntegrityError

from app.actions.domain import registration_blockers
from app.core import clock
from app.core.concurrency import StaleError, conflict_context
from app.core.extensions import db
from app.core.nir.reading import reveal_nir
from app.core.transaction import transaction
from app.core.typed import gone_page

from .. import acts, labels, presenters, queries, recap, standing
from ..domain import Refused
from ..forms import ContactForm, RevealForm, SituationForm
from ..models import Registration
from ..permissions import VIEW
from ..ports import sheet_parts
from ..services import identity_requests
from ..services.correction import may_correct
from ..services.registration import update_registration
from .common import fits, registration_or_404, sheet_crumbs, show_database_refusal

CONTACT_FIELDS = (
    "nationality_id", "street_number", "street_extension", "street_type_id", "street_name", "address_complement",
    "special_mention", "postal_code", "town", "cedex", "mobile", "landline", "email", "other_information",
)  # fmt: skip
SITUATION_FIELDS = (
    "public_category_id", "general_objective_id", "professional_situation_id", "ft_registered", "ft_registered_on", "ft_number",
    "ft_agency_code", "receives_are", "receives_other", "receives_rsa", "receives_aah", "boe", "school_leaver", "entry_level_id",
    "last_class_id", "last_class_year", "highest_diploma_id", "highest_level_id", "highest_level_year",
)  # fmt: skip


#: How long, in seconds, a page left open goes on asking about a file nothing is awaited of.
FOLLOWED_FOR = 15 * 60


class RegistrationPages(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """A sheet, its live AGORA rubric, and its modification."""

    route_base = "/stagiaires/fiche"
    class_permission_name = VIEW
    permission_label = _l("Trainees")
    default_view = "show"

    @expose("/<int:registration_id>")
    @has_access
    @permission_name("read")
    def show(self, registration_id: int) -> ResponseReturnValue:
        """« Liste des composantes sur lesquelles le stagiaire est inscrit », and the sheet (guide 000)."""
        registration = registration_or_404(registration_id)
        return self._sheet(registration)

    def _sheet(self, registration: Registration, *, number: Any = None, reveal: RevealForm | None = None) -> str:
        enrolments = queries.enrolments_of(registration.id)
        life = acts.life_of(enrolments, registration.action)
        return self.render_template(  # type: ignore[no-any-return]
            "trainees/show.html",
            breadcrumb=sheet_crumbs(registration),
            menu_current="ActionsView.index",
            registration=registration,
            trainee=registration.trainee,
            action=registration.action,
            enrolments=enrolments,
            agora=presenters.agora_views(enrolments),
            reasons=acts.reasons(enrolments, life),
            life=life,
            acts=acts,
            standing=standing,
            since=int(clock.now().timestamp()),
            can_add=not registration_blockers(registration.action.status),
            sections=recap.of_registration(registration, may_correct=may_correct(registration, enrolments)),
            parts=sheet_parts(registration, enrolments),
            may_ask=identity_requests.may_ask(registration, enrolments),
            correction=identity_requests.pending_of(registration.trainee_id),
            reveal=reveal or RevealForm(formdata=None),
            number=number,
            labels=labels,
            presenters=presenters,
        )

    @expose("/inscription/<int:enrolment_id>/agora")
    @has_access
    @permission_name("read")
    def agora(self, enrolment_id: int) -> ResponseReturnValue:
        """The AGORA rubric, asked again while the number is awaited, then slowly for a while; 204 says that nothing changed."""
        enrolment = queries.get_enrolment(enrolment_id)
        if enrolment is None:
            abort(404)
        view = presenters.agora_views([enrolment])[enrolment_id]
        if view.waiting and request.args.get("silent", "0") == str(int(view.silent)):
            return Response(status=204)
        since = request.args.get("since", 0, type=int)
        now = int(clock.now().timestamp())
        unchanged = request.args.get("seen") == view.mark
        still = not 0 <= now - since <= FOLLOWED_FOR  # a page forgotten on a screen must not keep its session alive for ever
        if unchanged and not still:
            return Response(status=204)
        return self.render_template(
            "trainees/_agora_fragment.html",
            enrolment=enrolment,
            view=view,
            presenters=presenters,
            acts=acts,
            life=acts.life_of([enrolment], enrolment.action),
            since=None if unchanged else (now if still else since),
            live=not unchanged,
            awaited=_awaited(),
        )

    @expose("/communes")
    @has_access
    @permission_name("register")
    def towns(self) -> ResponseReturnValue:
        """The town field of a postal code, for the forms that ask an address."""
        form = ContactForm(formdata=None, data={"postal_code": request.args.get("postal_code", "")[:5], "town": request.args.get("town", "")[:80]})
        return self.render_template("trainees/_town.html", form=form)

    @expose("/<int:registration_id>/numero", methods=["POST"])
    @has_access
    @permission_name("reveal_nir")
    def reveal(self, registration_id: int) -> ResponseReturnValue:
        """Show the number in clear, once: with a reason, journaled in the same transaction."""
        registration = registration_or_404(registration_id)
        form = RevealForm()
        if not form.validate():
            return self._sheet(registration, reveal=form), 422
        with transaction():
            db.session.refresh(registration.trainee, ["nir_ciphertext"])
            number = reveal_nir(registration.trainee, reason=form.reason.data)
        return self._sheet(registration_or_404(registration_id), number=number)

    @expose("/<int:registration_id>/coordonnees", methods=["GET", "POST"])
    @has_access
    @permission_name("register")
    def contact(self, registration_id: int) -> ResponseReturnValue:
        """Modify the contact details."""
        registration = queries.get_registration(registration_id)
        if registration is None:
            return gone_page(ContactForm())
        return self._edit(registration, ContactForm(obj=registration), CONTACT_FIELDS, "contact", _("Contact details"))

    @expose("/<int:registration_id>/situation", methods=["GET", "POST"])
    @has_access
    @permission_name("register")
    def situation(self, registration_id: int) -> ResponseReturnValue:
        """Modify the situation at entry, the schooling and the ESF data."""
        registration = queries.get_registration(registration_id)
        if registration is None:
            return gone_page(SituationForm())
        form = SituationForm(obj=registration)
        fields: tuple[str, ...] = SITUATION_FIELDS
        if registration.action.esf_cofunded:
            fields = (*fields, *SituationForm.ESF_FIELDS)
        else:
            form.without_esf()
        return self._edit(registration, form, fields, "situation", _("Initial situation"))

    def _edit(self, registration: Registration, form: Any, fields: tuple[str, ...], step: str, heading: str) -> ResponseReturnValue:
        address = url_for("RegistrationPages.show", registration_id=registration.id)
        path = sheet_crumbs(registration, (heading, None))
        registration_id, name = registration.id, registration.trainee.display_name  # the act lets go of the row the page read
        birth_date = registration.trainee.birth_date
        if request.method == "GET" and registration_blockers(registration.action.status):
            flash(presenters.over_text(registration.action), "danger")
            return redirect(address)
        if request.method == "GET":
            form.bind_row(registration, fields)
        elif "_towns" not in request.form and form.validate() and fits(form, birth_date):
            try:
                update_registration(registration_id, form, fields)
            except LookupError:
                return gone_page(form)
            except Refused as refusal:
                for problem in refusal.problems:
                    form.form_errors.append(labels.problem_text(problem))
                return self._edit_page(registration_or_404(registration_id), form, step, heading, path), 422
            except StaleError as stale:
                db.session.rollback()
                context = conflict_context(form, stale, cancel_url=address, breadcrumb=path)
                return self.render_template("concurrency/conflict.html", **context), 409
            except IntegrityError as error:
                db.session.rollback()
                show_database_refusal(form, error)
                return self._edit_page(registration_or_404(registration_id), form, step, heading, path), 422
            flash(_("The sheet of %(name)s is saved.", name=name), "success")
            return redirect(address)
        return self._edit_page(registration, form, step, heading, path), (422 if request.method == "POST" and form.errors else 200)

    def _edit_page(self, registration: Registration, form: Any, step: str, heading: str, path: Sequence[tuple[str, str | None]]) -> str:
        page: str = self.render_template(
            f"trainees/edit_{step}.html",
            breadcrumb=path,
            menu_current="ActionsView.index",
            heading=heading,
            form=form,
            registration=registration,
            trainee=registration.trainee,
            cofunded=registration.action.esf_cofunded,
            cancel_url=url_for("RegistrationPages.show", registration_id=registration.id),
        )
        return page


def _awaited() -> presenters.Awaited:
    """What the page that asks was waiting for, as its own address says it (see ``_agora_fragment.html``)."""
    if "seen" in request.args:
        return presenters.Awaited.NOTHING
    return presenters.Awaited.CHANGE if request.args.get("numbered") == "1" else presenters.Awaited.NUMBER
