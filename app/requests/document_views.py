"""Pages of the documents: of an action, one to download; the letter of a request, signed on paper or confirmed on screen."""

from __future__ import annotations

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.actions.tabs import page_values
from app.actions.views import crumbs, found_or_404
from app.core.documents.files import FileRefused, MediaType
from app.core.documents.giving import attachment
from app.core.documents.intake import incoming
from app.core.documents.words import fault_text
from app.core.requests import row_number
from app.core.ui import allowed

from . import document_labels, documents, labels, presenters, services, signing
from .forms import LetterForm
from .models import ModificationRequest
from .permissions import DECIDE, VIEW
from .views import request_or_404


class RequestDocumentsView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """« Documents »."""

    route_base = "/demandes-de-modification"
    class_permission_name = VIEW
    permission_label = _l("Modification requests")
    default_view = "of_action"

    @expose("/action/<int:action_id>/documents")
    @has_access
    @permission_name("read")
    def of_action(self, action_id: int) -> ResponseReturnValue:
        """The documents of all the requests of an action."""
        action = found_or_404(action_id)
        found, cut = documents.of_action(action_id)
        rows = document_labels.rows(one for one, _kind in found)
        for row, (_one, kind) in zip(rows, found, strict=True):
            row["kind"] = labels.kind_label(kind)
        values = {"rows": rows, "cut": document_labels.cut_text() if cut else "", "requests_url": url_for("RequestsView.of_action", action_id=action_id)}
        return self.render_template("requests/documents.html", **page_values(action, "RequestDocumentsView.of_action"), **values)

    @expose("/documents/<int:document_id>")
    @has_access
    @permission_name("read")
    def download(self, document_id: int) -> ResponseReturnValue:
        """One document, as a file."""
        found = documents.content_of(document_id)
        if found is None:
            abort(404)
        return attachment(found[1], found[0].name, found[0].media_type)

    @expose("/<int:request_id>/courrier.pdf")
    @has_access
    @permission_name("read")
    def letter(self, request_id: int) -> ResponseReturnValue:
        """The letter of a request, made now."""
        from .letter import make_letter

        found = request_or_404(request_id)
        return attachment(make_letter(found), _("letter-%(number)s-%(request)s.pdf", number=found.action.number, request=found.id), MediaType.PDF)

    @expose("/<int:request_id>/courrier")
    @has_access
    @permission_name("read")
    def letter_page(self, request_id: int) -> ResponseReturnValue:
        """« Courrier validé par une personne habilitée »: where it stands."""
        return self._letter_page(request_or_404(request_id), LetterForm(formdata=None))

    @expose("/<int:request_id>/courrier/signe", methods=["GET", "POST"])
    @has_access
    @permission_name("use")
    def attach_letter(self, request_id: int) -> ResponseReturnValue:
        """The signed letter is attached."""
        found = request_or_404(request_id)
        if request.method == "GET":
            return redirect(url_for("RequestDocumentsView.letter_page", request_id=request_id))
        form = LetterForm(formdata=request.form)
        file = incoming(request.files.get("letter"))
        if file is None:
            form.letter.errors = [_("Choose a file first: PDF, ODT, DOCX, JPEG or PNG.")]
            return self._letter_page(found, form), 422
        try:
            signing.attach_letter(request_id, file, version=row_number(form.version.data) or 0)
        except services.RequestNotFound:
            abort(404)
        except services.Overtaken as late:
            flash(presenters.overtaken_text(late), "warning")
            return redirect(url_for("RequestsView.show", request_id=request_id))
        except FileRefused as refused:
            form.letter.errors = [fault_text(refused.fault, file.name, refused.present)]
            return self._letter_page(request_or_404(request_id), form), 422
        flash(_("The signed letter is attached: the Région sees it with the request."), "success")
        return redirect(url_for("RequestsView.show", request_id=request_id))

    @expose("/<int:request_id>/courrier/confirmation", methods=["GET", "POST"])
    @has_access
    @permission_name("sign")
    def confirm(self, request_id: int) -> ResponseReturnValue:
        """The account entitled to sign confirms on screen what the letter says."""
        found = request_or_404(request_id)
        address = url_for("RequestsView.show", request_id=request_id)
        if request.method == "POST":
            try:
                signing.confirm(request_id, version=row_number(request.form.get("version")) or 0)
            except services.RequestNotFound:
                abort(404)
            except services.Overtaken as late:
                flash(presenters.overtaken_text(late), "warning")
                return redirect(address)
            flash(_("You have confirmed the letter: the Région sees who did, and when."), "success")
            return redirect(address)
        if not signing.may_be_signed(found):
            flash(_("This request is “%(state)s”: its letter is no longer signed.", state=labels.state_label(found.state)), "info")
            return redirect(address)
        return self.render_template(
            "portal/confirm.html",
            breadcrumb=crumbs(found.action, (labels.kind_label(found.kind), address), (_("Letter of the request"), None)),
            menu_current="ActionsView.index",
            heading=_("Confirm the letter?"),
            body=document_labels.confirmation_text(found),
            action_url=url_for("RequestDocumentsView.confirm", request_id=request_id),
            verb=_("Confirm on screen"),
            cancel_url=url_for("RequestDocumentsView.letter_page", request_id=request_id),
            fields={"version": found.version},
        )

    def _letter_page(self, found: ModificationRequest, form: LetterForm) -> str:
        decides, address = allowed(*DECIDE), url_for("RequestsView.show", request_id=found.id)
        if decides:
            path = [(_("Modification requests"), url_for("RequestsView.queue")), (found.action.number, address), (_("Letter of the request"), None)]
        else:
            path = crumbs(found.action, (labels.kind_label(found.kind), address), (_("Letter of the request"), None))
        return str(
            self.render_template(
                "requests/letter.html",
                breadcrumb=path,
                menu_current="RequestsView.queue" if decides else "ActionsView.index",
                found=found,
                kind_label=labels.kind_label(found.kind),
                back_url=address,
                **document_labels.letter_acts(found, form),
                **document_labels.page_values(found),
            )
        )


__all__ = ["RequestDocumentsView"]
