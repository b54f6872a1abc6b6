"""« Échanges avec les partenaires »: the Région's console, the organisation's own list, and the page of one exchange."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.actions.queries import Cursor
from app.actions.views import page_size
from app.core.fab.names import operation_choices, operation_label
from app.core.outbox import console
from app.core.outbox.models import OutboxMessage
from app.core.outbox.queries import Gauges, gauges
from app.core.outbox.registry import partner_label, partners
from app.core.requests import row_number
from app.core.ui import allowed
from app.core.ui.components import url_without
from app.core.ui.format import fr_number
from app.core.ui.search import private_answer
from app.trainees.permissions import READ as READ_TRAINEES

from . import labels, presenters, queries, services
from .catalogue import catalogue
from .domain import Actor, Nature, Show
from .forms import OptionalReasonForm, RateForm, ReasonForm
from .permissions import OPERATE, SUPERVISE, VIEW
from .queries import ExchangeFilter
from .services import Selection

#: Tabs of the organisation's own list.
_OWN_TABS = {Show.TO_MEND: _l("To mend"), Show.ELSEWHERE: _l("Others act"), Show.WAITING: _l("On the way"), Show.DONE: _l("Done")}
#: Name of the boxes of the list.
CHOICE = "choix"


class ExchangesView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """Exchanges with partners."""

    route_base = "/echanges"
    class_permission_name = VIEW
    permission_label = _l("Exchanges with partners")
    default_view = "index"

    # ---- lists --------------------------------------------------------------------------------------------------------

    @expose("/")
    @has_access
    @permission_name("supervise")
    def index(self) -> ResponseReturnValue:
        """The console: state of each partner, and all exchanges."""
        narrowed = filter_from_address()
        if elsewhere := private_answer(narrowed.text):  # typed into the address by hand: the page would repeat it in its links
            return redirect(elsewhere, 303)
        page = queries.list_exchanges(narrowed, cursor=Cursor.of(request.args.get("after"), request.args.get("before")), size=page_size())
        counted = queries.tabs(narrowed.technical)
        return self.render_template(
            "exchanges/index.html",
            breadcrumb=[(_("Exchanges with partners"), None)],
            page=page,
            lines=presenters.lines(page.rows, catalogue()),
            narrowed=narrowed,
            chips=_chips(narrowed),
            tabs=_tabs(narrowed, counted),
            operations=[("", _("All")), *((key, str(label)) for key, label in operation_choices())],
            choice=CHOICE,
            operates=allowed(*OPERATE),
            labels=labels,
            asked=filter_words(narrowed),
            **_state(),
        )

    @expose("/etat")
    @has_access
    @permission_name("supervise")
    def state(self) -> ResponseReturnValue:
        """The state of the partners, asked again every few seconds."""
        return self.render_template("exchanges/_state.html", labels=labels, operates=allowed(*OPERATE), **_state())

    @expose("/a-suivre")
    @has_access
    @permission_name("follow")
    def own(self) -> ResponseReturnValue:
        """What the organisation's own exchanges need from it."""
        narrowed = own_filter(request.args)
        show = narrowed.show
        if elsewhere := private_answer(narrowed.text):
            return redirect(elsewhere, 303)
        page = queries.list_exchanges(narrowed, cursor=Cursor.of(request.args.get("after"), request.args.get("before")), size=page_size())
        counted = queries.own_counts(catalogue().of(Actor.ORGANISATION))
        return self.render_template(
            "exchanges/own.html",
            breadcrumb=[(_("Follow-up of the exchanges with AGORA"), None)],
            page=page,
            lines=presenters.lines(page.rows, catalogue()),
            differences=_difference_lines(),
            stopped=[partner_label(name) for name in queries.paused()],
            narrowed=narrowed,
            tabs=[
                {"label": label, "href": url_for("ExchangesView.own", etat=key.value), "current": show is key, "count": counted.get(key)}
                for key, label in _OWN_TABS.items()
            ],
            Show=Show,
            presenters=presenters,
            labels=labels,
        )

    # ---- one ----------------------------------------------------------------------------------------------------------

    @expose("/<int:exchange_id>")
    @has_access
    @permission_name("read")
    def show(self, exchange_id: int) -> ResponseReturnValue:
        """One exchange: for whom, why it stands where it stands, and its tries in order."""
        return self._page(exchange_id, ReasonForm(formdata=None))

    def _page(self, exchange_id: int, form: ReasonForm) -> str:
        message = _exchange_or_404(exchange_id)
        supervises = allowed(*SUPERVISE)
        enrolment = queries.enrolments([message]).get(message.subject_id) if message.subject_type == "enrolment" else None
        one = presenters.line(message, enrolment, catalogue(), queries.tries([message])[message.id])
        back = (_("Follow-up of the exchanges with AGORA"), url_for("ExchangesView.own"))
        if supervises:
            back = (_("Exchanges with partners"), url_for("ExchangesView.index"))
        return str(
            self.render_template(
                "exchanges/show.html",
                breadcrumb=[back, (_("Exchange %(number)s", number=message.id), None)],
                menu_current="ExchangesView.index" if supervises else "ExchangesView.own",
                message=message,
                enrolment=enrolment,
                line=one,
                whom=presenters.whom(enrolment),
                partner=partner_label(message.partner),
                next=presenters.next_step(message, queries.ahead_of(message), paused=queries.is_paused(message.partner)),
                history=presenters.history(message, catalogue(), with_interventions=supervises),
                answer=presenters.answer_told(message, one.explanation),
                tries=presenters.tries_text(one),
                operates=allowed(*OPERATE),
                supervises=supervises,
                may_resend=presenters.may_resend(one),
                form=form,
                labels=labels,
                stuck=message.state in queries.STUCK,
            )
        )

    @expose("/<int:exchange_id>/envoi", methods=["POST"])
    @has_access
    @permission_name("resend")
    def resend(self, exchange_id: int) -> ResponseReturnValue:
        """The organisation sends again what was refused to it."""
        try:
            done = services.resend_own(exchange_id)
        except LookupError:
            abort(404)
        if done:
            flash(_("Exchange %(number)s is sent again. Its page follows the answer.", number=exchange_id), "success")
        else:
            flash(_("Nothing was sent: this exchange is no longer refused, or sending it again would change nothing."), "warning")
        return redirect(url_for("ExchangesView.show", exchange_id=exchange_id))

    @expose("/<int:exchange_id>/reglement", methods=["GET", "POST"])
    @has_access
    @permission_name("operate")
    def settle(self, exchange_id: int) -> ResponseReturnValue:
        """Declare an exchange settled outside the portal, saying why."""
        message = _exchange_or_404(exchange_id)
        form = ReasonForm(formdata=request.form if request.method == "POST" else None)
        back = url_for("ExchangesView.show", exchange_id=exchange_id)
        if request.method == "POST" and form.validate():
            if services.settle(exchange_id, reason=form.reason.data):
                flash(_("Exchange %(number)s is settled: what waited behind it goes on.", number=exchange_id), "success")
            else:
                flash(_("This exchange can no longer be settled: it was sent or settled meanwhile."), "warning")
            return redirect(back)
        words = {
            "heading": _("Declare exchange %(number)s settled?", number=exchange_id),
            "body": _(
                "%(what)s: it is not sent, now or later, and the following exchanges of the same file leave. "
                "Do it only when the partner knows of it in another way.",
                what=operation_label(message.operation),
            ),
            "verb": _("Declare settled"),
        }
        return self._confirm(form, back, url_for("ExchangesView.settle", exchange_id=exchange_id), **words)

    # ---- several ------------------------------------------------------------------------------------------------------

    @expose("/renvoi", methods=["GET", "POST"])
    @has_access
    @permission_name("operate")
    def replay(self) -> ResponseReturnValue:
        """Send again the exchanges chosen, or all that the filter keeps, after a question with their number."""
        selection = _selection()
        back = _back()
        if selection is None:
            flash(_("Choose the exchanges to send again first."), "warning")
            return redirect(back)
        form = OptionalReasonForm(formdata=request.form if request.method == "POST" else None)
        if request.method == "POST" and form.validate():
            count = services.replay(selection, reason=form.reason.data or None)
            if count:
                flash(ngettext("%(count)s exchange is sent again.", "%(count)s exchanges are sent again.", count, count=fr_number(count)), "success")
            else:
                flash(_("None of these exchanges was refused or given up any more: nothing was sent again."), "warning")
            return redirect(back)
        extent = services.extent(selection)
        if not extent.can:
            flash(_("None of these exchanges can be sent again: none was refused or given up for a reason that a new sending gets over."), "warning")
            return redirect(back)
        body = [ngettext("%(count)s exchange is concerned.", "%(count)s exchanges are concerned.", extent.can, count=fr_number(extent.can))]
        if extent.capped:
            most = fr_number(console.MOST_AT_ONCE)
            body.append(_("There are more: they are taken %(most)s at a time, the oldest first. Do it again for the rest.", most=most))
        if extent.left_out:
            body.append(
                ngettext(
                    "%(count)s of those chosen is left out: it is not refused, or sending it again would change nothing.",
                    "%(count)s of those chosen are left out: they are not refused, or sending them again would change nothing.",
                    extent.left_out,
                    count=fr_number(extent.left_out),
                )
            )
        body.append(_("Nothing is doubled at the partner: each leaves under its former key."))
        body.extend(
            _("The sending to %(partner)s is stopped: what is sent again waits until it is resumed.", partner=partner_label(name)) for name in queries.paused()
        )
        return self._confirm(
            form,
            back,
            url_for("ExchangesView.replay"),
            fields=[*_selection_fields(), ("jusqua", str(extent.newest))],
            heading=ngettext("Send %(count)s exchange again?", "Send %(count)s exchanges again?", extent.can, count=fr_number(extent.can)),
            body=body,
            verb=_("Send again"),
        )

    # ---- a partner ----------------------------------------------------------------------------------------------------

    @expose("/partenaire/<partner>/arret", methods=["GET", "POST"])
    @has_access
    @permission_name("operate")
    def stop(self, partner: str) -> ResponseReturnValue:
        """Send nothing more to a partner until resumed."""
        name = _partner_or_404(partner)
        form = ReasonForm(formdata=request.form if request.method == "POST" else None)
        if request.method == "POST" and form.validate():
            console.pause(partner, reason=form.reason.data)
            flash(_("Nothing more is sent to %(partner)s until the sending is resumed. What people do is kept, and waits.", partner=name), "success")
            return redirect(url_for("ExchangesView.index"))
        body = [
            _("What is under way ends; what people do from now on is kept and waits. Searches of identities go on."),
            _("Comparisons with the partner’s files wait too. Nothing is lost: all leaves when the sending is resumed, in the order of each file."),
        ]
        return self._confirm(
            form, url_for("ExchangesView.index"), request.path,
            heading=_("Stop the sending to %(partner)s?", partner=name), body=body, verb=_("Stop the sending"),
        )  # fmt: skip

    @expose("/partenaire/<partner>/reprise", methods=["POST"])
    @has_access
    @permission_name("operate")
    def resume(self, partner: str) -> ResponseReturnValue:
        """Send to a partner again."""
        name = _partner_or_404(partner)
        console.resume(partner)
        flash(_("The sending to %(partner)s is resumed: what waited leaves now.", partner=name), "success")
        return redirect(url_for("ExchangesView.index"))

    @expose("/partenaire/<partner>/debit", methods=["GET", "POST"])
    @has_access
    @permission_name("operate")
    def rate(self, partner: str) -> ResponseReturnValue:
        """Limit how many messages leave a minute."""
        name = _partner_or_404(partner)
        form = RateForm(formdata=request.form if request.method == "POST" else None, data={"rate": queries.rate_of(partner)})
        if request.method == "POST" and form.validate():
            console.set_rate(partner, form.rate.data, reason=form.reason.data)
            if form.rate.data is None:
                flash(_("The rate of the sending to %(partner)s is no longer limited.", partner=name), "success")
            else:
                flash(_("At most %(count)s messages a minute leave for %(partner)s.", count=fr_number(form.rate.data), partner=name), "success")
            return redirect(url_for("ExchangesView.index"))
        body = _("All workers together keep to it, one message after the other. Searches of identities, for which somebody waits at a page, are not counted.")
        return self._confirm(
            form, url_for("ExchangesView.index"), request.path,
            heading=_("Limit the rate of the sending to %(partner)s", partner=name), body=body, verb=_("Set the rate"), kind="primary",
        )  # fmt: skip

    def _confirm(
        self, form: Any, back: str, action_url: str, *, heading: str, body: Any, verb: str, kind: str = "danger", fields: Any = ()
    ) -> ResponseReturnValue:
        page = self.render_template(
            "exchanges/confirm.html",
            breadcrumb=[(_("Exchanges with partners"), url_for("ExchangesView.index")), (verb, None)],
            menu_current="ExchangesView.index",
            form=form,
            cancel_url=back,
            action_url=action_url,
            fields=fields,
            heading=heading,
            body=[body] if isinstance(body, str) else body,
            verb=verb,
            kind=kind,
        )
        return page, 422 if form.errors else 200


# ---- reading the address -------------------------------------------------------------------------------------------------


def typed_in(values: Mapping[str, str]) -> str:
    """What is searched for."""
    return " ".join(values.get("texte", "").replace("\x00", "").split())[:100]


def own_filter(args: Mapping[str, str]) -> ExchangeFilter:
    """What the organisation's own list is narrowed to."""
    asked = args.get("etat", Show.TO_MEND.value)
    show = Show(asked) if asked in _OWN_TABS else Show.TO_MEND
    return ExchangeFilter(text=typed_in(args), show=show, by_name=True, mendable=catalogue().of(Actor.ORGANISATION))


def said_of(narrowed: ExchangeFilter) -> list[tuple[str, str]]:
    """What narrows the console, in words."""
    said = [(label, value) for label, value, _address in _chips(narrowed)]
    return [(_("Nature of the failures"), str(labels.NATURES[narrowed.nature])), *said] if narrowed.nature is not None else said


def filter_from_address() -> ExchangeFilter:
    """What the list is narrowed to."""
    return filter_of(request.values)


def filter_of(values: Mapping[str, str]) -> ExchangeFilter:
    """What a list with these words is narrowed to."""
    show, nature = values.get("etat", ""), values.get("nature", "")
    known = {str(key) for key, _label in operation_choices()}
    operation = values.get("operation", "")
    return ExchangeFilter(
        text=typed_in(values),
        show=Show(show) if show in labels.SHOWS else Show.ALL,
        nature=Nature(nature) if nature in set(Nature) else None,
        operation=operation if operation in known else "",
        code="".join(character for character in values.get("code", "").strip() if character.isprintable())[:64],
        by_name=allowed(*READ_TRAINEES),
        technical=catalogue().technical(),
    )


def filter_words(narrowed: ExchangeFilter) -> dict[str, Any]:
    """The same as the words of an address."""
    values = {
        "texte": narrowed.text, "etat": narrowed.show.value, "nature": narrowed.nature.value if narrowed.nature else "",
        "operation": narrowed.operation, "code": narrowed.code,
    }  # fmt: skip
    return {name: value for name, value in values.items() if value}


def _chips(narrowed: ExchangeFilter) -> list[tuple[str, str, str]]:
    found = []
    if narrowed.text:
        found.append((_("Search"), narrowed.text, url_without("texte")))
    if narrowed.show is not Show.ALL:
        found.append((_("State"), str(labels.SHOWS[narrowed.show]), url_without("etat")))
    if narrowed.operation:
        found.append((_("What"), str(operation_label(narrowed.operation)), url_without("operation")))
    if narrowed.code:
        found.append((_("Code"), narrowed.code, url_without("code")))
    return found


def _tabs(narrowed: ExchangeFilter, counted: queries.Tabs) -> list[dict[str, Any]]:
    kept = {name: value for name, value in filter_words(narrowed).items() if name != "nature"}
    return [
        {"label": _("All exchanges"), "href": url_for("ExchangesView.index", **kept), "current": narrowed.nature is None, "count": None},
        *(
            {"label": label, "href": url_for("ExchangesView.index", **kept, nature=nature.value), "current": narrowed.nature is nature, "count": number}
            for nature, label, number in (
                (Nature.FUNCTIONAL, _("Functional failures"), counted.functional),
                (Nature.TECHNICAL, _("Technical failures"), counted.technical),
            )
        ),
    ]


def _selection() -> Selection | None:
    """Of the address that asks, or of the form that confirms."""
    newest = row_number(request.values.get("jusqua"))
    if request.values.get("tout"):
        return Selection(narrowed=filter_from_address(), newest=newest)
    ids = tuple(dict.fromkeys(number for number in map(row_number, request.values.getlist(CHOICE)) if number))[:100]
    return Selection(ids=ids, newest=newest) if ids else None


def _selection_fields() -> list[tuple[str, str]]:
    if request.values.get("tout"):
        return [("tout", "1"), *filter_words(filter_from_address()).items()]
    return [(CHOICE, value) for value in request.values.getlist(CHOICE) if row_number(value)][:100] + list(filter_words(filter_from_address()).items())


def _back() -> str:
    return url_for("ExchangesView.index", **filter_words(filter_from_address()))


def _state() -> dict[str, Any]:
    """What the panel of the partners shows."""
    found = [gauge for gauge in gauges() if gauge.partner in partners()]
    last_run, waiting = queries.last_run_and_waiting()
    return {
        "partner_lines": [_partner_line(gauge) for gauge in found],
        "last_run": last_run,
        "open_differences": waiting,
        "interventions_url": url_for("OutboxInterventionView.list") if allowed("can_list", "OutboxInterventionView") else None,
    }


def _partner_line(gauge: Gauges) -> dict[str, Any]:
    return {
        "gauge": gauge,
        "row": gauge.partner_row,
        "label": str(partner_label(gauge.partner)),
        "breaker": labels.BREAKERS[gauge.breaker],
        "oldest": labels.duration(gauge.oldest_pending_seconds) if gauge.pending else None,
        "lag": labels.duration(gauge.lag_median) if gauge.per_minute else None,
        "lag_95": labels.duration(gauge.lag_95) if gauge.per_minute else None,
    }


def _difference_lines() -> list[dict[str, Any]]:
    from .reconciliation_views import difference_lines

    return difference_lines(queries.differences_for_organisation())


def _exchange_or_404(exchange_id: int) -> OutboxMessage:
    message = queries.get_exchange(exchange_id)
    if message is None:
        abort(404)
    return message


def _partner_or_404(partner: str) -> str:
    if partner not in partners():
        abort(404)
    return str(partner_label(partner))
