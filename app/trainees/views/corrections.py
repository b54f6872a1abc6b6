"""« Demandes de correction d'identité »: asked from a sheet, listed, decided by the Région."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from sqlalchemy.exc import IntegrityError
from wtforms import MultipleFileField, StringField, TextAreaField
from wtforms.validators import Length, Optional

from app.actions.domain import registration_blockers
from app.actions.queries import Cursor
from app.actions.views import page_size
from app.core import clock, context, page_drafts, presence
from app.core.concurrency import StaleError
from app.core.documents.giving import attachment
from app.core.documents.intake import FilesRefused, all_incoming
from app.core.documents.words import ACCEPT, fault_text, limits_text, size_text
from app.core.errors_db import translate
from app.core.extensions import db
from app.core.fab.fields import clean_text
from app.core.tenancy import current_scope
from app.core.ui import allowed
from app.core.ui.format import fr_date
from app.core.ui.forms import Required
from app.core.ui.kept_text import NIR_BOX

from .. import labels, presenters, queries
from ..domain import CorrectionState, Refused
from ..forms import CONFIRMED_WITHOUT_NUMBER, CivilStatusForm, PortalBaseForm
from ..identity_models import IdentityCorrection, IdentityDocument
from ..models import Registration
from ..permissions import DECIDE_IDENTITY, VIEW
from ..services import identity_documents
from ..services import identity_requests as services
from ..services.enrolment import closing_awaited
from .common import agrees_with_number, left_blank, registration_or_404, sheet_crumbs, show_database_refusal, show_problems, typed_nir, typed_person


class CorrectionForm(CivilStatusForm):
    """The civil status asked for, the NIR if it changes, and why."""

    number_boxes = {"nir": NIR_BOX, "key": NIR_BOX}

    nir = StringField(_l("NIR"), [Optional(), Length(max=30)])
    key = StringField(_l("Key"), [Optional(), Length(max=4)])
    reason = TextAreaField(
        _l("Reason of the request"),
        [Required(), Length(min=10, message=_l("Say why in at least 10 characters.")), Length(max=services.MAX_REASON)],
        filters=[clean_text],
    )
    documents = MultipleFileField(_l("Documents that show it"))


class DecisionForm(PortalBaseForm):
    """What the Région says of a request; the button says what it decides."""

    observations = TextAreaField(_l("Observations"), [Length(max=services.MAX_REASON)], filters=[clean_text])


class DocumentsForm(PortalBaseForm):
    """Documents for a request that was sent already."""

    documents = MultipleFileField(_l("Documents to add"))


class IdentityCorrectionsView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """Requests of the organisation, or the queue of the Région."""

    route_base = "/stagiaires/corrections-identite"
    class_permission_name = VIEW
    permission_label = _l("Trainees")
    default_view = "index"

    @expose("/")
    @has_access
    @permission_name("read")
    def index(self) -> ResponseReturnValue:
        """Those that wait, the oldest first; or those decided, the latest first."""
        decided = request.args.get("etat") == "decidees"
        page = queries.list_corrections(decided=decided, cursor=Cursor.of(request.args.get("after"), request.args.get("before")), size=page_size())
        return self.render_template(
            "trainees/corrections.html",
            breadcrumb=[(_("Trainees"), url_for("TraineesView.index")), (_("Corrections of identities"), None)],
            menu_current="IdentityCorrectionsView.index",
            page=page,
            decided=decided,
            all_organisations=current_scope().sees_all,
            labels=labels,
        )

    @expose("/fiche/<int:registration_id>", methods=("GET", "POST"))
    @has_access
    @permission_name("register")
    def ask(self, registration_id: int) -> ResponseReturnValue:
        """The civil status to put in the place of the present one, the NIR if it is wrong, and why."""
        registration = registration_or_404(registration_id)
        elsewhere = _elsewhere(registration)
        if elsewhere is not None:
            return elsewhere
        trainee = registration.trainee
        form: Any = CorrectionForm(obj=trainee, nir="", key="") if request.method == "GET" else CorrectionForm()
        if trainee.nir_kind is None:
            form.identity_confirmed.label.text = CONFIRMED_WITHOUT_NUMBER
        version = request.form.get("version", 0, type=int)
        files = all_incoming(request.files.getlist("documents"))
        if request.method == "POST" and form.validate():
            number = None if left_blank(form) else typed_nir(form)
            person = typed_person(form)
            if (number is not None or left_blank(form)) and agrees_with_number(form, person, [number.value] if number else None):
                try:
                    correction_id = services.ask(registration_id, person, number, form.reason.data, version=version, documents=files)
                except LookupError:
                    abort(404)
                except Refused as refusal:
                    show_problems(form, refusal.problems)
                except FilesRefused as refused:
                    db.session.rollback()
                    form.documents.errors = [fault_text(fault, name) for name, fault in refused.faults]
                except StaleError:
                    db.session.rollback()
                    form.form_errors.append(_("Somebody modified this trainee meanwhile: check what stands here, then send again."))
                    version = registration_or_404(registration_id).trainee.version
                except IntegrityError as error:
                    db.session.rollback()
                    show_database_refusal(form, error)
                else:
                    flash(_("The request was sent to the Région. You will be told of its decision by e-mail."), "success")
                    return redirect(url_for(".show", correction_id=correction_id), 303)
                registration = registration_or_404(registration_id)
        if request.method == "GET":
            typed = page_drafts.to_resume()
            if typed is not None:  # with the version that its author had seen
                version = typed.get("version", 0, type=int)
            # Each account's own page: what two people ask is never put together, the second is told that a request waits.
            presence.open_page(registration.trainee, f"-correction-{context.actor_id()}")
            page_drafts.tell_of(form, registration.trainee)
        if files:  # no browser sends them a second time by itself
            form.documents.errors = [*form.documents.errors, _("Choose the documents again: the request was not sent, and they were not kept.")]
        page = self.render_template(
            "trainees/correction_ask.html",
            breadcrumb=sheet_crumbs(registration, (_("Request for the correction of the identity"), None)),
            menu_current="ActionsView.index",
            registration=registration,
            trainee=registration.trainee,
            form=form,
            version=version or registration.trainee.version,
            labels=labels,
            cancel_url=url_for("RegistrationPages.show", registration_id=registration_id),
            accept=ACCEPT,
            documents_hint=_hint(),
        )
        return page, (422 if request.method == "POST" else 200)

    @expose("/<int:correction_id>")
    @has_access
    @permission_name("read")
    def show(self, correction_id: int) -> ResponseReturnValue:
        """Before and after, the reason, the decision."""
        return self._page(_found_or_404(correction_id))

    @expose("/<int:correction_id>/pieces", methods=("GET", "POST"))
    @has_access
    @permission_name("register")
    def attach(self, correction_id: int) -> ResponseReturnValue:
        """Add documents to a request that waits."""
        correction, address = _found_or_404(correction_id), url_for(".show", correction_id=correction_id)
        if request.method == "GET":
            return redirect(address)
        form: Any = DocumentsForm()
        files = all_incoming(request.files.getlist("documents"))
        if not files:
            form.documents.errors = [_("Choose a file first: PDF, ODT, DOCX, JPEG or PNG.")]
            return self._page(correction, documents_form=form), 422
        try:
            count = identity_documents.attach(correction_id, files)
        except LookupError:
            abort(404)
        except Refused as refusal:
            db.session.rollback()
            flash(" ".join(labels.problem_text(one) for one in refusal.problems), "warning")
        except FilesRefused as refused:
            db.session.rollback()
            form.documents.errors = [fault_text(fault, name) for name, fault in refused.faults]
            return self._page(_found_or_404(correction_id), documents_form=form), 422
        else:
            flash(ngettext("%(num)s document is attached: the Région sees it.", "%(num)s documents are attached: the Région sees them.", count), "success")
        return redirect(address, 303)

    @expose("/<int:correction_id>/pieces/<int:piece_id>", methods=("POST",))
    @has_access
    @permission_name("read_identity_document")
    def download(self, correction_id: int, piece_id: int) -> ResponseReturnValue:
        """One document, as a file; by a POST, since the journal keeps that it was read."""
        found = identity_documents.read(correction_id, piece_id)
        if found is None:
            abort(404)
        return attachment(found[1], found[0].name, found[0].media_type)

    @expose("/<int:correction_id>/decision", methods=("GET", "POST"))
    @has_access
    @permission_name("decide_identity")
    def decide(self, correction_id: int) -> ResponseReturnValue:
        """Validate or refuse; validated, the identity changes and AGORA is told."""
        correction, address = _found_or_404(correction_id), url_for(".show", correction_id=correction_id)
        if request.method == "GET":  # where a draft that is given up leads back to
            return redirect(address)
        page_drafts.note_sent(request.form.get(presence.PAGE))
        form, what = DecisionForm(formdata=request.form), request.form.get("what", "")
        valid = form.validate()
        if what not in ("validate", "refuse"):
            form.form_errors.append(_("Choose: validate or refuse the correction."))
            valid = False
        if not valid:
            return self._page(correction, decision=form), 422
        try:
            services.decide(
                correction_id, validate=what == "validate", observations=form.observations.data or "", version=request.form.get("version", 0, type=int)
            )
        except LookupError:
            abort(404)
        except Refused as refusal:
            db.session.rollback()
            show_problems(form, refusal.problems)
            return self._page(_found_or_404(correction_id), decision=form), 422
        except StaleError:
            db.session.rollback()
            form.form_errors.append(_("Somebody modified this request meanwhile: read it again."))
            return self._page(_found_or_404(correction_id), decision=form), 422
        except IntegrityError as error:
            db.session.rollback()
            form.form_errors.append(translate(error))
            return self._page(_found_or_404(correction_id), decision=form), 422
        validated = _("The correction is validated: the identity is changed, and AGORA is told for the files it holds open.")
        flash(validated if what == "validate" else _("The correction is refused."), "success")
        return redirect(address, 303)

    @expose("/<int:correction_id>/retrait", methods=("GET", "POST"))
    @has_access
    @permission_name("register")
    def withdraw(self, correction_id: int) -> ResponseReturnValue:
        """The organisation gives its request up; asked first, since its documents go with it."""
        if request.method == "GET":
            correction, address = _found_or_404(correction_id), url_for(".show", correction_id=correction_id)
            if correction.state != CorrectionState.PENDING:
                return redirect(address)
            return self.render_template(
                "portal/confirm.html",
                breadcrumb=[*_path(), (correction.trainee.display_name, address), (_("Withdraw the request"), None)],
                menu_current="IdentityCorrectionsView.index",
                heading=_("Withdraw the request?"),
                body=_withdrawal(),
                action_url=url_for(".withdraw", correction_id=correction_id),
                verb=_("Withdraw the request"),
                cancel_url=address,
                fields={"version": correction.version},
            )
        try:
            services.withdraw(correction_id, version=request.form.get("version", 0, type=int))
        except LookupError:
            abort(404)
        except Refused:
            db.session.rollback()
            flash(_("This request was decided meanwhile."), "warning")
        except StaleError:
            db.session.rollback()
            flash(_("Somebody modified this request meanwhile: read it again."), "warning")
        else:
            flash(_("The request was withdrawn."), "success")
        return redirect(url_for(".show", correction_id=correction_id), 303)

    def _page(self, correction: IdentityCorrection, *, decision: Any = None, documents_form: Any = None) -> str:
        pending = correction.state == CorrectionState.PENDING
        if pending and allowed(*DECIDE_IDENTITY):
            presence.open_page(correction, presence.DECISION)  # two validators see one another
            decision = decision or DecisionForm(formdata=_resumed(correction.id))
        documents = identity_documents.of_correction(correction.id)
        page: str = self.render_template(
            "trainees/correction.html",
            breadcrumb=[*_path(), (correction.trainee.display_name, None)],
            menu_current="IdentityCorrectionsView.index",
            correction=correction,
            before_after=labels.correction_rows(correction),
            pending=pending,
            closing_awaited=decision is not None and closing_awaited(correction.trainee_id),
            of_region=current_scope().sees_all,
            sheet=services.registration_of(correction.trainee_id),
            decision=decision,
            most_observations=services.MAX_REASON,
            kept=_kept(correction, documents),
            documents=[(one, size_text(one.size)) for one in documents],
            withdrawal=_withdrawal(),
            documents_form=documents_form or DocumentsForm(formdata=None),
            documents_hint=_hint(),
            accept=ACCEPT,
            labels=labels,
        )
        return page


def _path() -> list[tuple[str, str | None]]:
    return [(_("Trainees"), url_for("TraineesView.index")), (_("Corrections of identities"), url_for("IdentityCorrectionsView.index"))]


def _withdrawal() -> str:
    return _("The Région no longer decides on it, and the documents attached to it are deleted. The identity stays as it is.")


def _resumed(correction_id: int) -> Any:
    """The observations typed some other time, when the page is asked for with them."""
    return page_drafts.by_hand(url_for("IdentityCorrectionsView.decide", correction_id=correction_id), lambda typed: bool(typed.get("observations")))


def _kept(correction: IdentityCorrection, documents: Sequence[IdentityDocument]) -> str | None:
    """Until when the documents are kept; or why there may be none left."""
    until, days = identity_documents.kept_until(correction), identity_documents.kept_for().days
    if documents and until is not None:
        return _("The documents are kept until %(day)s.", day=fr_date(until))
    over = until is not None and until <= clock.now() and correction.state != CorrectionState.WITHDRAWN
    if not (documents or over):
        return None
    return ngettext("The documents are deleted %(num)s day after the decision.", "The documents are deleted %(num)s days after the decision.", days)


def _hint() -> str:
    return " ".join((_("A copy of the identity card, the certificate of social security…"), limits_text()))


def _elsewhere(registration: Registration) -> ResponseReturnValue | None:
    """Where the correction is made when it is not here."""
    waiting = services.pending_of(registration.trainee_id)
    if waiting is not None:
        flash(_("A correction of this identity waits for its decision already."), "info")
        return redirect(url_for("IdentityCorrectionsView.show", correction_id=waiting.id), 303)
    if services.may_ask(registration, queries.enrolments_of(registration.id)):
        return None
    if not registration_blockers(registration.action.status):
        return redirect(url_for("IdentityPages.edit", registration_id=registration.id), 303)
    flash(presenters.over_text(registration.action), "danger")
    return redirect(url_for("RegistrationPages.show", registration_id=registration.id), 303)


def _found_or_404(correction_id: int) -> IdentityCorrection:
    found = services.get_correction(correction_id)
    if found is None:
        abort(404)
    return found


__all__ = ["IdentityCorrectionsView"]
