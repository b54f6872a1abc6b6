"""« Modifier l'identité »: the NIR known at last, or a name that AGORA refused; the same live check as at the registration."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Response, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import IntegrityError

from app.core.concurrency import StaleError, conflict_context
from app.core.extensions import db
from app.core.nir import Nir, NirKind
from app.core.nir.storage import nir_candidates

from .. import labels, presenters, queries
from ..domain import IdentityState, Refused
from ..forms import CivilStatusForm, NumberForm
from ..models import Registration
from ..permissions import VIEW
from ..services import correction, identity
from ..services.identity import Person, Search
from .common import agrees_with_number, left_blank, registration_or_404, sheet_crumbs, show_database_refusal, show_problems, typed_nir, typed_person


class IdentityPages(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """Two pages: the number and the birth name; then what AGORA answers, before and after, or the civil status to type."""

    route_base = "/stagiaires/fiche/<int:registration_id>/identite"
    class_permission_name = VIEW
    permission_label = _l("Trainees")
    default_view = "edit"

    @expose("/", methods=["GET", "POST"])
    @has_access
    @permission_name("register")
    def edit(self, registration_id: int) -> ResponseReturnValue:
        """The number and the name to ask AGORA about."""
        registration, refused = self._correctable(registration_id)
        if refused is not None:
            return refused
        trainee = registration.trainee
        form: Any = NumberForm(data={"birth_name": trainee.birth_name}) if request.method == "GET" else NumberForm()
        if request.method == "POST" and form.validate():
            number = self._number(form, registration)
            if number is not None:
                try:
                    uid = correction.search_again(registration, number, form.birth_name.data)
                except Refused as refusal:
                    show_problems(form, refusal.problems)
                else:
                    return redirect(url_for("IdentityPages.confirm", registration_id=registration_id, search=uid.hex))
            registration = registration_or_404(registration_id)
        return self._page(registration, form, None), (422 if form.errors else 200)

    @expose("/<search>", methods=["GET", "POST"])
    @has_access
    @permission_name("register")
    def confirm(self, registration_id: int, search: str) -> ResponseReturnValue:
        """AGORA's answer, before and after; or the civil status to type.  Saved by a second act."""
        registration, refused = self._correctable(registration_id)
        if refused is not None:
            return refused
        found = _search(search, registration)
        if found is None:
            flash(_("This search is over: ask again."), "info")
            return redirect(url_for("IdentityPages.edit", registration_id=registration_id))
        trainee = registration.trainee
        form: Any = CivilStatusForm(obj=trainee) if request.method == "GET" else CivilStatusForm()
        if request.method == "GET":
            if not form.resumed:
                form.birth_name.data = found.birth_name
            form.bind_row(trainee, correction.CIVIL_STATUS)
        typed: Person | None = None
        fine = request.method == "POST" and found.state is not IdentityState.MISMATCH
        if fine and found.person is None and found.state is not IdentityState.PENDING:
            fine = form.validate()
            if fine:
                typed = typed_person(form)
                fine = agrees_with_number(form, typed, [found.nir.value])
        if fine:
            try:
                version = request.form.get("version", 0, type=int)
                corrected = correction.correct_identity(registration_id, found.uid, typed, form, version=version, same_person=form.same_person.data)
            except LookupError:
                abort(404)
            except Refused as refusal:
                show_problems(form, refusal.problems)
            except StaleError as stale:
                db.session.rollback()
                if stale.conflicts:
                    address = url_for("RegistrationPages.show", registration_id=registration_id)
                    path = sheet_crumbs(registration_or_404(registration_id), (_("Modify the identity"), None))
                    return self.render_template("concurrency/conflict.html", **conflict_context(form, stale, cancel_url=address, breadcrumb=path)), 409
                form.form_errors.append(_("Somebody modified this trainee meanwhile: check what stands here, then save again."))
            except IntegrityError as error:
                db.session.rollback()
                show_database_refusal(form, error)
            else:
                flash(_("The identity of %(name)s is saved.", name=corrected.display_name), "success")
                return redirect(url_for("RegistrationPages.show", registration_id=registration_id))
            registration = registration_or_404(registration_id)
        status = 422 if request.method == "POST" else 200
        return self._page(registration, form, found), status

    @expose("/<search>/reponse")
    @has_access
    @permission_name("register")
    def check(self, registration_id: int, search: str) -> ResponseReturnValue:
        """Asked while AGORA is waited for: 204 says not yet, else the page is shown again."""
        found = _search(search, registration_or_404(registration_id))
        if found is not None and found.state is IdentityState.PENDING:
            return Response(status=204)
        return Response(status=200, headers={"HX-Refresh": "true"})

    @staticmethod
    def _correctable(registration_id: int) -> tuple[Registration, ResponseReturnValue | None]:
        """The sheet, or why its identity is not modified here."""
        registration = registration_or_404(registration_id)
        why = presenters.why_not_identity(registration, queries.enrolments_of(registration_id))
        if why is None:
            return registration, None
        flash(why, "danger")
        return registration, redirect(url_for("RegistrationPages.show", registration_id=registration_id))

    @staticmethod
    def _number(form: Any, registration: Registration) -> Nir | None:
        """The number typed, or the one the trainee has; None with the message at the box at fault."""
        present = correction.present_number(registration.trainee) if left_blank(form) else None
        return present if present is not None else typed_nir(form)

    def _page(self, registration: Registration, form: Any, found: Search | None) -> str:
        trainee = registration.trainee
        page: str = self.render_template(
            "trainees/edit_identity.html",
            breadcrumb=sheet_crumbs(registration, (_("Modify the identity"), None)),
            menu_current="ActionsView.index",
            registration=registration,
            trainee=trainee,
            form=form,
            found=found,
            somebody_else=found is not None and correction.is_somebody_else(trainee, found),
            keeps=trainee.nir_kind == NirKind.NIR,
            before_after=_before_after(trainee, found.person, found.nir) if found and found.person else [],
            number_masked=found.nir.masked if found else None,
            labels=labels,
            cancel_url=url_for("RegistrationPages.show", registration_id=registration.id),
        )
        return page


def _search(uid: str, registration: Registration) -> Search | None:
    """The search of this action; None when it is over, or somebody else's."""
    try:
        found = identity.read_search(uuid.UUID(uid))
    except ValueError:
        return None
    return found if found is not None and found.action_id == registration.action_id else None


def _before_after(trainee: Any, person: Person, number: Nir) -> list[tuple[str, str | None, str | None]]:
    """What the correction changes, in words; the number masked."""
    rows = labels.identity_rows(Person.of(trainee), person)
    if trainee.nir_hash not in nir_candidates(number):
        rows.insert(0, labels.number_row(trainee.nir_masked, number.masked))
    return rows
