"""Nobody overwrites anybody, on every object people edit (DESIGN rule 9): every edit route is driven by two people at once.

A new POST route fails until it is driven here or named with its reason; a new table fails until it carries a version or is named.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.core.extensions import db
from app.core.page_drafts import PATH, RESUME
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.architecture.filled import Filled
from tests.architecture.test_routes import SAME_ORIGIN, Browsers, World, _rules, _url

#: What a page says when something was typed into it and not sent.
OFFER = "Reprendre ma saisie"
#: Edit pages made by hand: endpoint → who edits, and who at the same time (by which endpoint, when it is another one).
BY_HAND: dict[str, tuple[str, str, str | None]] = {
    "SessionsView.edit": ("principal", "secondaire", None),
    "SessionsView.edit_meeting": ("principal", "secondaire", None),
    "RegistrationPages.contact": ("principal", "secondaire", None),
    "RegistrationPages.situation": ("secondaire", "principal", None),
    "EnrolmentView.change": ("principal", "secondaire", None),
    "SurveysView.edit": ("principal", "secondaire", None),
    "OrganisationAccountsView.edit": ("principal", "admin", "AccountConsoleView.edit"),
    "AccountConsoleView.edit": ("admin", "support", None),
}
#: Edit pages whose form is like no other: driven where their feature is tested.
BY_THEMSELVES = {
    "AccountRightsView.edit": "tests/accounts/test_rights.py: each function and each action is a field",
    "IdentityPages.confirm": "tests/trainees/test_identity_correction.py: AGORA has to be asked first",
}
_VERSION = "an act on the version that the page showed; a stale one is refused in words"
_STATE = "an act: the state, locked, says whether it can still be done, and the second is told"
_NEW = "makes a new row"
_OWN = "one's own account: nobody else may, and the password or a code is asked"
_DRAFT = "a draft, which one account alone has; the final act is checked on fresh data"
#: Everything else that a form can be sent to, with the reason why nobody can be overwritten.
NOT_EDITS: dict[str, str] = {
    **dict.fromkeys(("SessionsView.cancel", "SessionsView.remove_meeting", "EnrolmentView.leave", "EnrolmentLifeView.interrupt", "EnrolmentLifeView.resume", "EnrolmentLifeView.undo_exit", "EnrolmentLifeView.cancel", "EnrolmentLifeView.move", "EnrolmentLifeView.judge", "RequestsView.decide", "RequestsView.withdraw", "BatchView.confirm", "MarketRulesView.publish", "SurveysView.unreached", "SurveysView.retry", "ReconciliationView.settle"), _VERSION),
    **dict.fromkeys(("ClosingView.declare", "ClosingView.close", "ClosingView.reopen", "ExchangesView.settle", "ExchangesView.replay", "ExchangesView.resend", "ExchangesView.stop", "ExchangesView.resume", "ReconciliationView.start", "DelegationsView.take_back", "AccountReviewView.show"), _STATE),
    **dict.fromkeys(("IdentityCorrectionsView.decide", "IdentityCorrectionsView.withdraw"), _VERSION),
    **dict.fromkeys(
        ("ImportsView.columns", "ImportsView.columns_again", "ImportsView.check_again", "ImportsView.confirm", "ImportsView.undo", "ImportsView.give_up",
         "ImportsView.retry"),
        "one's own file, locked; what moved since the report is shown again",
    ),
    "ImportsView.line": "the revision that the page showed; a stale one is refused, what was typed is kept (tests/imports/test_pages.py)",
    "ImportsView.leave_out": "the revision that the page showed; a stale one is refused (tests/imports/test_report.py)",
    "ImportsView.put_back": _STATE,
    "ImportsView.annotated": "reads",
    "FileCheckView.check": "reads a file and keeps nothing",
    **dict.fromkeys(("NumberRepairView.confirm", "NumberRepairView.forget"), "one's own file, locked; what moved since the preview is shown again"),
    **dict.fromkeys(("ui.search", "ui.narrowed"), "a search; nothing is kept"),
    **{f"{view}.{act}": _STATE for view in ("OrganisationAccountsView", "AccountConsoleView") for act in ("regenerate", "unblock", "deactivate", "reactivate", "delete")},
    "ExchangesView.rate": "sets one number of a partner at its last value, each time with a reason in the journal",
    "PrincipalChangeView.change": "an act on the principal account that the page showed (expected_former_id)",
    "FactorResetView.reset": _STATE,
    **dict.fromkeys(("MarketRulesView.begin", "MarketRulesView.discard", "RequestDocumentsView.confirm"), _STATE),
    **dict.fromkeys(
        (
            "SessionsView.add", "SessionsView.add_meeting", "SessionsView.add_site", "EnrolmentView.add", "OrganisationAccountsView.create",
            "OrganisationCreationView.create", "DelegationsView.list", "BulkAccountsView.index", "TokensView.create", "ObservationView.start",
            "RequestDocumentsView.attach_letter", "NumberRepairView.index", "ImportsView.send", "IdentityCorrectionsView.ask", "IdentityCorrectionsView.attach",
        ),
        _NEW,
    ),
    **dict.fromkeys(
        (
            "MyAccountView.change_password", "MyAccountView.change_identifiant", "MyAccountView.change_email", "MyAccountView.resend_email",
            "MyAccountView.cancel_email", "MyAccountView.end_sessions", "TokensView.revoke", "SecondFactorView.start", "SecondFactorView.setup",
            "SecondFactorView.download", "SecondFactorView.renew", "SecondFactorView.move", "SecondFactorView.disable", "ObservationView.end",
        ),
        _OWN,
    ),
    **dict.fromkeys(
        (
            "SignInView.login", "SignInView.code", "SignInView.logout", "AccessView.choose", "AccessView.renew",
            "AccessView.recover", "AccessView.confirm_email",
        ),
        "the way in: holds a single-use link, a password or a code",
    ),
    **dict.fromkeys(("SavedSearchesView.create", "SavedSearchesView.rename", "SavedSearchesView.delete"), "one's own search: nobody else sees it"),
    **dict.fromkeys(("SurveyReplyView.answer", "SurveyReplyView.stop"), "the trainee's own reply, which nobody else writes; it stands apart from the organisation's answers"),
    "ActionExportsView.choose": "reads, and journals the reading",
    **dict.fromkeys(("ExportsView.choose", "ExportsView.download"), "reads, and journals the reading"),
    **dict.fromkeys(("ExportSelectionsView.rename", "ExportSelectionsView.delete"), "one's own selection of columns: nobody else sees it"),
    **dict.fromkeys(("ExportsView.delete", "ExportsView.seen"), "one's own files: nobody else sees them"),
    "NumberRepairView.file": "reads, and journals the reading",
    "BulkAccountsView.apply": "applies what was previewed, once; what moved since is shown again",
    "IdentityPages.edit": "asks AGORA; writes nothing to the trainee",
    "IdentityCorrectionsView.download": "reads, and journals the reading",
    "RegistrationPages.reveal": "reads, and journals the reading",
    "RequestsView.choose": "leads to the form of the kind that was chosen",
    "OutboxMessageView.action": _STATE,
    "OutboxMessageView.action_post": _STATE,
    "OutboxMessageView.settle": _STATE,
    "csp.report": "browsers report; it changes nothing but the log",
    "ui.presence": "who has a page open; nothing is kept",
    **dict.fromkeys(("ui.page_draft", "ui.drop_page_draft"), _DRAFT),
    "api_v1.edit_account": "If-Match, in tests/accounts/test_tokens.py",
    **dict.fromkeys(("api_v1.name_import_columns", "api_v1.apply_import", "api_v1.undo_import", "api_v1.retry_import"), "If-Match, in tests/imports/test_api.py"),
    **dict.fromkeys(("api_v1.send_import", "api_v1.check_import_aside", "ImportsView.check_aside"), _NEW),
    "OrganisationTokensView.revoke": _STATE,
}  # fmt: skip
#: Forms in which only one field can be changed: two people can only meet on it.
ONE_FIELD: frozenset[str] = frozenset()

#: Tables that carry no version: nobody edits a row of theirs.
UNVERSIONED: dict[str, str] = {
    "ab_user": "sign-ins write it too: its holder, and its rights, are compared with the values that the form showed",
    "action_access": "belongs to the rights of an account, compared whole",
    **dict.fromkeys(("request_document", "request_document_content", "request_signature"), "put in whole; taken away before the request is sent, never changed"),
    **dict.fromkeys(("identity_document", "identity_document_content"), "put in whole, never changed; they go with a request that is withdrawn"),
    **dict.fromkeys(
        ("import_file", "import_part", "import_finding", "import_heading"),
        "a file, mended under its own revision (import_file.revision) and a lock, confirmed against its counts, then written by a job",
    ),
    **dict.fromkeys(("number_repair", "number_repair_line"), "sent whole, confirmed under a lock, then written by a job"),
    **dict.fromkeys(("number_file", "nia_reminder"), "written by the product, not on screen"),
    "component_site": "a site is added to a component or taken away, never changed",
    **dict.fromkeys(
        (
            "ab_permission", "ab_view_menu", "ab_permission_view", "ab_role", "ab_group", "ab_register_user", "ab_api_key", "seeded_value",
            "periodic_run", "town",
        ),
        "written by the commands of the product, not on screen",
    ),
    **dict.fromkeys(("audit_entry", "audit_seal", "audit_sealed", "action_history", "modification_request_event", "nir_reading", "sign_in_attempt", "list_export", "request_reminder",
        "account_review", "outbox_intervention", "enrolment_act"), "a journal: lines are added, none is changed on a form"),
    **dict.fromkeys(("outbox_message", "outbox_partner", "outbox_attempt", "reconciliation_run", "reconciliation_file", "mail_message", "advance_invoice_request", "identity_request"), "the product's own work; people only start it again"),
    **dict.fromkeys(
        (
            "user_session", "access_link", "recovery_request", "recovery_code", "second_factor", "api_token", "observation", "delegation",
            "account_batch", "finish_declaration",
        ),
        "made, then ended: two dates, no form changes it",
    ),
    **dict.fromkeys(("survey_reply", "survey_opt_out"), "what the trainee said by the personal link: nobody else writes it"),
    "survey_link": "a message to a trainee: written once",
    **dict.fromkeys(("export_choice", "export_file", "export_chunk"), "one account's own, written by the product: chosen columns, and files that are made and kept"),
    "wizard_draft": "one account's own; it has a version of its own, and the token of its page",
}  # fmt: skip


def _edit_routes(app: Flask) -> Iterator[str]:
    """Every endpoint that takes a form, but for the wizards' pages and what Flask-AppBuilder's screens add and delete."""
    wizard = {f"{one.endpoint}." for one in app.appbuilder.baseviews if hasattr(one, "steps")}  # type: ignore[attr-defined]  # set by Flask-AppBuilder
    for endpoint in sorted({rule.endpoint for rule, method in _rules(app) if method != "GET"}):
        if not any(endpoint.startswith(prefix) for prefix in wizard):
            yield endpoint


def _reference_screens(app: Flask) -> dict[str, Any]:
    """Endpoint → view of each edit page of Flask-AppBuilder's screens."""
    from app.core.fab.views import PortalModelView

    views = [one for one in app.appbuilder.baseviews if isinstance(one, PortalModelView)]  # type: ignore[attr-defined]  # set by Flask-AppBuilder
    return {f"{view.endpoint}.edit": view for view in views if view.has_route("edit")}


def test_every_form_is_driven_or_named(app: Flask) -> None:
    screens = _reference_screens(app)
    added_or_deleted = {endpoint.replace(".edit", act) for endpoint in screens for act in (".add", ".delete")} | {
        f"{view.endpoint}{act}" for view in app.appbuilder.baseviews for act in (".add", ".delete") if hasattr(view, "saved_columns")  # type: ignore[attr-defined]
    }
    added_or_deleted |= {f"{view.endpoint}.export" for view in app.appbuilder.baseviews if hasattr(view, "export_columns")}  # type: ignore[attr-defined]  # they read, and journal the reading
    known = {*screens, *added_or_deleted, *BY_HAND, *BY_THEMSELVES, *NOT_EDITS}
    found = set(_edit_routes(app))
    assert found - known == set(), "drive these edit pages in BY_HAND, or say in NOT_EDITS why nobody can be overwritten"
    assert {*BY_HAND, *BY_THEMSELVES, *NOT_EDITS} - found == set(), "these are no more"


def test_every_table_that_people_edit_carries_a_version(app: Flask) -> None:
    """What is edited has a version column; every other table is named with the reason why it needs none."""
    models: Any = db.Model
    without = {mapper.local_table.name for mapper in models.registry.mappers if mapper.version_id_col is None}
    assert without - UNVERSIONED.keys() == set(), "give these VersionedMixin, or say in UNVERSIONED why nobody edits them"
    assert UNVERSIONED.keys() - without == set(), "these are no more, or carry a version by now"


# ---- two people on each form -------------------------------------------------------------------------------------------


@dataclass
class Person:
    """Somebody at one edit page; ``url`` differs where the same object has two."""

    name: str
    url: str
    browsers: Browsers

    @property
    def browser(self) -> FlaskClient:
        return self.browsers[self.name]

    def open(self) -> Filled:
        answer = self.browser.get(self.url)
        assert answer.status_code == 200, f"{self.name} opens {self.url}: {answer.status_code} {answer.headers.get('Location', '')}"
        return Filled(answer.text)

    def send(self, data: dict[str, Any]) -> Any:
        return self.browser.post(self.url, data=data, headers=SAME_ORIGIN)

    def resume(self) -> Filled:
        """The page as it was typed some other time."""
        return Filled(self.browser.get(f"{self.url}?{RESUME}=1").text)

    def keep(self, data: dict[str, Any]) -> Any:
        """What the page itself sends while somebody types."""
        return self.browser.post("/brouillon", data=data | {PATH: self.url}, headers=SAME_ORIGIN)


class Duel:
    """A and B at the same object. Problems are gathered, not raised, so that one run tells all of them."""

    def __init__(self, endpoint: str, a: Person, b: Person) -> None:
        self.endpoint, self.a, self.b = endpoint, a, b
        self.problems: list[str] = []
        self.accepted: dict[str, list[list[str]]] = {}

    def check(self, holds: Any, words: str) -> bool:
        if not holds:
            self.problems.append(f"{self.endpoint}: {words}")
        return bool(holds)

    def stands(self, name: str) -> list[str]:
        return self.a.open()[name]

    def probe(self) -> list[str]:
        """Fields that can be changed alone, with the values the product took (the last one stands); two are enough."""
        page = self.a.open()
        if not self.check(page, "the page has no form with row_base: no version, no comparison"):
            return []
        found: list[str] = []
        for name in page.changeable():
            taken: list[list[str]] = []
            page = self.a.open()
            taken.append(page[name])
            for value in page.others(name):
                page = self.a.open()
                answer = self.a.send(page.data(**{name: value}))
                if answer.status_code in (302, 303) and self.same(self.stands(name), value):
                    taken.append(value)
                if len(taken) == 3:
                    break
            if len(taken) > 1 and (len(taken) == 3 or found):
                self.accepted[name] = taken
                found.append(name)
            if len(found) == 2:
                break
        return found

    @staticmethod
    def same(one: list[str], other: list[str]) -> bool:
        return [text.casefold().replace(" ", "") for text in one if text] == [text.casefold().replace(" ", "") for text in other if text]

    def run(self) -> None:
        found = self.probe()
        if not self.check(found, "no field could be changed three ways"):
            return
        main = found[0]
        start, mine, theirs = self.accepted[main][2], self.accepted[main][0], self.accepted[main][1]
        if not any(mine):  # an empty field is filled by both: more to compare than to clear it
            mine, theirs, start = self.accepted[main][1], self.accepted[main][2], self.accepted[main][0]
            self.a.send(self.a.open().data(**{main: start}))
        other = found[1] if len(found) == 2 else None
        if other is None:
            self.check(self.endpoint in ONE_FIELD, "only one field could be changed")
        else:
            self.both_land(main, other, mine, start)
        self.choose(main, other, start, mine, theirs, "mine")
        self.choose(main, other, start, mine, theirs, "theirs")
        self.expired(main, mine)
        self.left_unsent(main, other)

    def both_land(self, main: str, other: str, mine: list[str], start: list[str]) -> None:
        page_a, page_b = self.a.open(), self.b.open()
        before, after = self.accepted[other][-1], self.accepted[other][0]
        if self.same(page_b[other], after):
            before, after = after, before
        saved = self.b.send(page_b.data(**{other: after}))
        self.check(saved.status_code in (302, 303), f"{self.b.name} could not save {other}: {saved.status_code}")
        saved = self.a.send(page_a.data(**{main: mine}))
        if self.check(saved.status_code in (302, 303), f"changes of two fields, {main} and {other}: {saved.status_code} instead of both landing"):
            self.check(self.same(self.stands(main), mine), f"{main} of {self.a.name} was lost")
            self.check(self.same(self.stands(other), after), f"{other} of {self.b.name} was overwritten")
        self.a.send(self.a.open().data(**{main: start}))

    def choose(self, main: str, other: str | None, start: list[str], mine: list[str], theirs: list[str], choice: str) -> None:
        self.a.send(self.a.open().data(**{main: start}))
        page_a, page_b = self.a.open(), self.b.open()
        typed = {main: mine}
        if other is not None:
            typed[other] = next(one for one in self.accepted[other] if not self.same(one, page_a[other]))
        saved = self.b.send(page_b.data(**{main: theirs}))
        self.check(saved.status_code in (302, 303), f"{self.b.name} could not save {main}: {saved.status_code}")
        asked = self.a.send(page_a.data(**typed))
        if not self.check(asked.status_code == 409, f"both changed {main}: {asked.status_code} instead of the question"):
            return
        self.check(self.same(self.stands(main), theirs), f"{main} of {self.b.name} was overwritten without asking")
        for value, words in ((start, "starting"), (mine, "own"), (theirs, "other's")):
            for said in page_a.words(main, value):
                self.check(html.escape(said, quote=False) in asked.text.replace("&#39;", "'"), f"the question does not show the {words} value {said!r}")
        question = Filled(asked.text)
        self.check(f"choice-{main}" in question.controls, f"the question offers no choice for {main}")
        answer = self.a.send(question.data(**{f"choice-{main}": [choice]}))
        if self.check(answer.status_code in (302, 303), f"the choice was not taken: {answer.status_code}"):
            self.check(self.same(self.stands(main), mine if choice == "mine" else theirs), f"{choice} was chosen for {main}, and does not stand")
            if other is not None:
                self.check(self.same(self.stands(other), typed[other]), f"{other}, typed besides, was lost on the way")

    def expired(self, main: str, mine: list[str]) -> None:
        """The session ends while somebody types: what was typed is on the page that says so, and lands once signed in again."""
        page = self.a.open()
        value = next(one for one in self.accepted[main] if not self.same(one, page[main]))
        kept = self.a.browsers.site.test_client().post(self.a.url, data=page.data(**{main: value}), headers=SAME_ORIGIN)
        again = Filled(kept.text)
        if self.check(kept.status_code == 419 and again, f"the session has ended: {kept.status_code}, nothing kept"):
            self.check(self.same(again[main], value), f"the session has ended: {main} was lost")
            self.a.browsers.renew(self.a.name)
            fresh = Filled(self.a.browser.get(self.a.url).text)
            saved = self.a.send(again.data(csrf_token=fresh["csrf_token"]))
            self.check(saved.status_code in (302, 303) and self.same(self.stands(main), value), f"{main}, sent again after signing in, did not land")

    def left_unsent(self, main: str, other: str | None) -> None:
        """Something is typed and the page left: it is there again, with what its author had seen, beside what somebody else changed meanwhile."""
        page = self.a.open()
        self.check(OFFER not in page.html, "something is offered though nothing was left unsent")
        value = next(one for one in self.accepted[main] if not self.same(one, page[main]))
        kept = self.a.keep(page.data(**{main: value}))
        if not self.check(kept.status_code == 204, f"what was typed could not be kept: {kept.status_code}"):
            return
        after = None
        if other is not None:
            theirs = self.b.open()
            after = next(one for one in self.accepted[other] if not self.same(one, theirs[other]))
            self.check(OFFER not in theirs.html, f"{self.b.name} is offered what {self.a.name} typed")
            saved = self.b.send(theirs.data(**{other: after}))
            self.check(saved.status_code in (302, 303), f"{self.b.name} could not save {other}: {saved.status_code}")
        self.a.browsers.renew(self.a.name)
        again = self.a.open()
        self.check(OFFER in again.html and self.same(again[main], page[main]), "the page opened again does not offer what was typed, or shows it unasked")
        resumed = self.a.resume()
        self.check(self.same(resumed[main], value), f"{main} is not resumed as it was typed")
        self.check((resumed["row_version"], resumed["row_base"]) == (page["row_version"], page["row_base"]), "resumed without what the person had seen")
        saved = self.a.send(resumed.data())
        if self.check(saved.status_code in (302, 303), f"what was resumed was not accepted: {saved.status_code}"):
            self.check(self.same(self.stands(main), value), f"{main}, resumed and sent, does not stand")
            self.check(other is None or self.same(self.stands(other), after or []), f"{other}, changed by {self.b.name} meanwhile, was overwritten")
        late = self.a.keep(resumed.data())
        self.check(late.status_code == 409, f"a saving under way brings the draft back: {late.status_code}")
        self.check(OFFER not in self.a.open().html and OFFER not in self.a.resume().html, "what was sent is offered again")


@pytest.fixture
def editors(site: Flask, browsers: Browsers) -> Browsers:
    """A second administrator of the Région besides; an enrolment that AGORA does not hold yet."""
    from app.accounts import services
    from app.core.roles import Role

    with site.app_context(), bound_scope(Scope.system()), transaction() as session:
        services.create_account(
            first_name="Essai", last_name="ADMIN", email="admin2@example.org", roles=(Role.REGION_ADMIN,), civility="MME", identifiant="essai-admin",
            password="Quelle-belle-journee-2026!",
        )  # fmt: skip
        session.execute(text("UPDATE enrolment SET agora_number = NULL, agora_state = 'waiting' WHERE actual_end IS NULL"))
    return browsers


@pytest.mark.slow
def test_two_people_edit_each_object_and_nothing_is_lost(site: Flask, world: World, editors: Browsers) -> None:
    rules = {rule.endpoint: rule for rule, method in _rules(site) if method == "GET"}
    people = {**dict.fromkeys(_reference_screens(site), ("admin", "essai-admin", None)), **BY_HAND}
    problems: list[str] = []
    for endpoint, (a, b, by) in people.items():
        arguments = world.arguments(rules[endpoint])
        other = world.arguments(rules[by]) if by else arguments
        duel = Duel(endpoint, Person(a, _url(site, rules[endpoint], arguments), editors), Person(b, _url(site, rules[by or endpoint], other), editors))
        try:
            duel.run()
        except AssertionError as error:
            duel.problems.append(f"{endpoint}: {error}")
        problems += duel.problems
    assert not problems, "\n".join(problems)
    assert len(people) > 20
