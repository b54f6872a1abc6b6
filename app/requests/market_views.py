"""The screens of the market rules: the version in force, the draft, its trial and its publication; and the rules themselves, as lists."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import IntegrityError
from wtforms import RadioField
from wtforms.validators import Optional

from app.actions.forms import options
from app.core.errors_db import translate
from app.core.extensions import db
from app.core.fab import PortalModelView, Refused, SafeInterface, Titles
from app.core.fab.fields import WholeNumberField
from app.core.fab.forms import Within
from app.core.ui import allowed
from app.core.ui.forms import Required

from . import labels, market_labels, market_models, market_rules, market_trial
from .domain import RequestState
from .domain.market import Outcome, covers, rule_problems
from .permissions import RULES, RULES_DECIDE

_DAYS = Within(1, 365, _l("Enter a number of days from %(min)s to %(max)s."))


class MarketRulesView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """« Règles de marché »."""

    route_base = "/regles-de-marche"
    class_permission_name = RULES
    permission_label = _l("Market rules")
    default_view = "index"

    @expose("/")
    @has_access
    @permission_name("read")
    def index(self) -> ResponseReturnValue:
        """The rules in force, and the draft if there is one."""
        return self.render_template(
            "requests/rules.html",
            breadcrumb=[(_("Market rules"), None)],
            version=market_rules.version_in_force(),
            draft=market_rules.draft(),
            decides=allowed(*RULES_DECIDE),
            words=market_labels,
            fingerprint=market_rules.fingerprint,
        )

    @expose("/brouillon", methods=["POST"])
    @has_access
    @permission_name("publish")
    def begin(self) -> ResponseReturnValue:
        """A draft that says what the rules in force say."""
        try:
            market_rules.begin_draft()
        except IntegrityError as error:
            db.session.rollback()
            flash(translate(error), "info")
        else:
            flash(_("A draft is open: it changes nothing until it is published."), "success")
        return redirect(url_for("MarketRulesView.index"))

    @expose("/essai")
    @has_access
    @permission_name("read")
    def try_out(self) -> ResponseReturnValue:
        """The draft, or the rules in force, on the last requests."""
        draft = market_rules.draft()
        version = draft or market_rules.version_in_force()
        if version is None:
            abort(404)
        trial = market_trial.try_out(version)
        return self.render_template(
            "requests/rules_trial.html",
            breadcrumb=[(_("Market rules"), url_for("MarketRulesView.index")), (_("Trial"), None)],
            menu_current="MarketRulesView.index",
            version=version,
            trial=trial,
            outcomes=list(Outcome),
            states=list(RequestState),
            state_labels=[{"label": labels.state_label(state), "align": "num"} for state in RequestState],
            positions={row.id: row.position for row in version.rules},
            words=market_labels,
            labels=labels,
        )

    @expose("/publication", methods=["GET", "POST"])
    @has_access
    @permission_name("publish")
    def publish(self) -> ResponseReturnValue:
        """Put the draft in force, after a question."""
        return self._act("publish")

    @expose("/abandon-du-brouillon", methods=["GET", "POST"])
    @has_access
    @permission_name("publish")
    def discard(self) -> ResponseReturnValue:
        """Forget the draft, after a question."""
        return self._act("discard")

    def _act(self, act: str) -> ResponseReturnValue:
        address = url_for("MarketRulesView.index")
        draft = market_rules.draft()
        if draft is None:
            flash(_("There is no draft: begin one first."), "info")
            return redirect(address)
        number, rules = draft.number, len(draft.rules)
        if request.method == "POST":
            shown = request.form.get("shown", "")
            try:
                if act == "publish":
                    market_rules.publish(draft.id, shown=shown)
                    told = _("Version %(number)s of the rules is in force. It never changes again; each request keeps the version that decided on it.")
                    flash(told % {"number": number}, "success")
                else:
                    market_rules.discard(draft.id, shown=shown)
                    flash(_("The draft was deleted: the rules in force stay as they are."), "success")
            except market_rules.DraftChanged:
                flash(_("Nothing was done: somebody changed the draft meanwhile. Look at it again."), "warning")
            except market_rules.EmptyDraft:
                flash(_("This draft has no rule: add one before publishing it."), "warning")
            return redirect(address)
        if act == "publish":
            words = {
                "heading": _("Publish version %(number)s of the rules?", number=number),
                "body": _("Its rules, %(count)s in number, decide on the requests sent from now on. A published version never changes again.", count=rules),
                "verb": _("Publish the rules"),
            }
        else:
            words = {
                "heading": _("Delete the draft of version %(number)s?", number=number),
                "body": _("Its rules, %(count)s in number, are deleted for good. The rules in force stay as they are.", count=rules),
                "verb": _("Delete the draft"),
            }
        return self.render_template(
            "portal/confirm.html",
            breadcrumb=[(_("Market rules"), address), (words["verb"], None)],
            menu_current="MarketRulesView.index",
            action_url=url_for(f"MarketRulesView.{act}"),
            cancel_url=address,
            fields={"shown": market_rules.fingerprint(draft)},
            **words,
        )


class MarketRuleView(PortalModelView):
    """The rules of all versions; those of the draft can be changed."""

    route_base = "/regles-de-marche/regles"
    datamodel = SafeInterface(market_models.MarketRule)
    group = "Référentiels"
    titles = Titles(
        plural=_l("Rules of all versions"),
        add=_l("Add a rule to the draft"),
        edit=_l("Modify the rule %(name)s"),
        delete=_l("Delete the rule %(name)s"),
    )
    label_columns: ClassVar[dict[str, Any]] = {
        "version_of": _l("Version"),
        "position": _l("Order"),
        "programme": _l("Programme"),
        "kind": _l("Kind of request"),
        "field": _l("Field"),
        "opening": _l("State of the action"),
        "moment": _l("Moment"),
        "direction": _l("Direction of the change"),
        "days_at_most": _l("Days moved, at most"),
        "percent_at_most": _l("Share changed, at most (per cent)"),
        "outcome": _l("What becomes of it"),
        "needs_amendment": _l("An amendment is needed"),
        "reason": _l("Why"),
        "updated_at": _l("Last change"),
    }
    description_columns: ClassVar[dict[str, Any]] = {
        "position": _l("Rules are asked in this order, the smallest first; the first that matches a change decides on it."),
        "programme": _l("Leave empty for all programmes."),
        "kind": _l("Leave empty for all kinds."),
        "field": _l("Leave empty for all fields of the kind."),
        "days_at_most": _l("A date moved by so many days or fewer, either way. Leave empty to look at no date."),
        "percent_at_most": _l("Places or hours changed by so many per cent of what they were, or fewer. Leave empty to look at no number."),
        "needs_amendment": _l("The validator then cannot validate without the number of the amendment."),
        "reason": _l("Shown to the organisation. Mandatory when the change is impossible."),
    }
    validators_columns: ClassVar[dict[str, Any]] = {
        "position": [Within(1, 9_999, _l("Enter a number from %(min)s to %(max)s."))],
        "days_at_most": [Within(0, 3_650, _l("Enter a number from %(min)s to %(max)s."))],
        "percent_at_most": [Within(0, 1_000, _l("Enter a number from %(min)s to %(max)s."))],
    }
    choices: ClassVar[dict[str, Any]] = {
        "kind": list(labels.KIND_LABELS.items()),
        "field": market_labels.field_choices(),
        "opening": list(market_labels.OPENINGS.items()),
        "moment": list(market_labels.MOMENTS.items()),
        "direction": list(market_labels.DIRECTIONS.items()),
        "outcome": list(market_labels.OUTCOMES.items()),
    }
    text_kinds: ClassVar[dict[str, str]] = {"reason": "textarea"}
    _written = [
        "programme", "kind", "field", "opening", "moment", "direction", "days_at_most", "percent_at_most", "outcome", "needs_amendment", "reason",
    ]  # fmt: skip
    add_columns = edit_columns = ["position", *_written]
    add_form_extra_fields: ClassVar[dict[str, Any]] = {
        "position": WholeNumberField(
            _l("Order"),
            [Optional(), Within(1, 9_999, _l("Enter a number from %(min)s to %(max)s."))],
            description=_l(
                "Leave empty to ask it after the others, before a last rule that names every change. The first that matches a change decides on it."
            ),
        ),
        "outcome": RadioField(_l("What becomes of it"), [Required()], choices=options(market_labels.OUTCOMES)),
    }
    show_columns = ["version_of", *edit_columns, "updated_at"]
    list_columns = ["position", "version_of", "programme", "kind", "field", "days_at_most", "percent_at_most", "outcome", "reason"]
    search_columns: ClassVar[list[str]] = ["version_of", "kind", "outcome"]
    quick_search = ("reason",)
    link_column = "position"
    base_order = ("position", "asc")

    def name_of(self, item: market_models.MarketRule) -> str:
        """By its place."""
        return str(item.position)

    def can_change(self, item: market_models.MarketRule) -> bool:
        """A published version never changes."""
        return item.version_of.is_draft

    can_remove = can_change

    def pre_add(self, item: market_models.MarketRule) -> None:
        """Into the draft, where it can apply."""
        draft = market_rules.draft()
        if draft is None:
            raise Refused(_("There is no draft: begin one first."))
        if len(draft.rules) >= market_rules.MAX_RULES:
            raise Refused(_("A version holds %(most)s rules at most.", most=market_rules.MAX_RULES))
        item.version_id = draft.id
        if item.position is None:
            item.position = market_rules.next_position(draft.id)
        with db.session.no_autoflush:
            self._check(item)
            self._check_place(item, draft)

    def pre_update(self, item: market_models.MarketRule) -> None:
        """A rule that can never match, or that nobody understands, is none."""
        with db.session.no_autoflush:  # what is wrong is said here, before the database refuses it in its own words
            self._check(item)
            self._check_place(item, item.version_of)

    @staticmethod
    def _check_place(item: market_models.MarketRule, version: market_models.MarketRuleVersion) -> None:
        """Its own order, and a place where it decides on something and leaves something to those after it."""
        if market_rules.place_taken(item):
            told = _("Another rule already has the order %(position)s: each has its own, since the first that matches decides.", position=item.position)
            raise Refused(told, field="position")
        rule = item.as_rule()
        for other in version.rules:
            if other is item or other.id == item.id:
                continue
            words = {"position": other.position, "what": market_labels.conditions_text(other)}
            if other.position < item.position and covers(other.as_rule(), rule):
                told = _(
                    "This rule would never decide: rule %(position)s (%(what)s), asked before, decides on all that it names. "
                    "Give it a smaller order, or narrow that rule."
                )
                raise Refused(told % words, field="position")
            if other.position > item.position and covers(rule, other.as_rule()):
                told = _("Rule %(position)s (%(what)s), asked after, would never decide any more: give this one a greater order, or say what it applies to.")
                raise Refused(told % words, field="position")

    @staticmethod
    def _check(item: market_models.MarketRule) -> None:
        if item.programme is not None:
            item.programme_id = item.programme.id
        for problem in rule_problems(item.as_rule()):
            field, sentence = market_labels.PROBLEMS[problem]
            raise Refused(str(sentence), field=field)


class MarketRuleVersionView(PortalModelView):
    """The versions of the rules; the note and the delays of the draft can be changed."""

    route_base = "/regles-de-marche/versions"
    datamodel = SafeInterface(market_models.MarketRuleVersion)
    group = "Référentiels"
    titles = Titles(
        plural=_l("Versions of the market rules"),
        add=_l("Add a version"),
        edit=_l("Modify the delays of version %(name)s"),
        delete=_l("Delete version %(name)s"),
    )
    label_columns: ClassVar[dict[str, Any]] = {
        "number": _l("Version"),
        "note": _l("What this version changes"),
        "remind_days": _l("Validators reminded after (days)"),
        "escalate_days": _l("Administrators told after (days)"),
        "correction_days": _l("Organisation told after (days)"),
        "published_at": _l("Published on"),
        "published_by_name": _l("Published by"),
    }
    description_columns: ClassVar[dict[str, Any]] = {
        "remind_days": _l("Counted from the sending of a request that waits for validation."),
        "escalate_days": _l("For a request that still waits; greater than the reminder."),
        "correction_days": _l("Counted from the day the Région asked for a correction."),
    }
    validators_columns: ClassVar[dict[str, Any]] = {"remind_days": [_DAYS], "escalate_days": [_DAYS], "correction_days": [_DAYS]}
    text_kinds: ClassVar[dict[str, str]] = {"note": "textarea"}
    list_columns = ["number", "published_at", "published_by_name", "note"]
    show_columns = ["number", "note", "remind_days", "escalate_days", "correction_days", "published_at", "published_by_name"]
    edit_columns = ["note", "remind_days", "escalate_days", "correction_days"]
    add_columns: ClassVar[list[str]] = []
    search_columns: ClassVar[list[str]] = []
    quick_search = ("note",)
    link_column = "number"
    related_views: ClassVar[list[Any]] = [MarketRuleView]
    base_order = ("number", "desc")
    exclude_route_methods: ClassVar[set[str]] = {"add", "delete"}

    def can_change(self, item: market_models.MarketRuleVersion) -> bool:
        """A published version never changes."""
        return item.is_draft

    def pre_update(self, item: market_models.MarketRuleVersion) -> None:
        """Reminded first, told to the administrators later."""
        if item.escalate_days <= item.remind_days:
            raise Refused(_("The administrators are told after the validators are reminded: enter a greater number of days."), field="escalate_days")


__all__ = ["MarketRuleVersionView", "MarketRuleView", "MarketRulesView"]
