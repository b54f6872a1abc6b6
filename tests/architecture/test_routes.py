"""Every route × every method × every actor × (own object, nobody's object) answers as ``routes.py`` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from werkzeug.routing import Rule

from app.core.documents.files import MediaType
from app.core.documents.intake import Checked
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.trainees.identity_models import IdentityCorrection
from app.trainees.services import identity_documents
from tests.architecture.routes import ACTORS, ROUTES, Route

SIGN_IN = "/connexion"
NOBODYS = 987_654_321
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}

#: Demonstration accounts, and those the test makes.
IDENTIFIERS = {"lecture": "essai-lecture", "validateur": "essai-validateur", "gestionnaire": "essai-gestionnaire"}


def _rules(app: Flask) -> list[tuple[Rule, str]]:
    return [(rule, method) for rule in sorted(app.url_map.iter_rules(), key=str) for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]


def test_every_route_is_declared_and_nothing_else(app: Flask) -> None:
    found = {rule.endpoint for rule, _method in _rules(app)}
    assert found - ROUTES.keys() == set(), "declare these in tests/architecture/routes.py"


def test_nothing_of_the_framework_that_we_refuse(app: Flask) -> None:
    """F5, F6, F8, F9: no JWT sign-in, no stock user or password screen, no download, no API, no documentation of it."""
    paths = [str(rule) for rule in app.url_map.iter_rules()]
    for forbidden in ("/api/v1/security", "/swagger", "/download", "/users/", "/resetpassword", "/resetmypassword", "/register", "/lang/", "/login/"):
        assert not [path for path in paths if forbidden in path], forbidden
    assert {rule.endpoint.partition(".")[0] for rule in app.url_map.iter_rules() if str(rule).startswith("/api")} == {"api_v1"}, "an interface of our own only"


def test_state_changes_by_post_only(app: Flask) -> None:
    """F8: deleting, acting, signing out: never by a link."""
    for rule, method in _rules(app):
        if rule.endpoint.rpartition(".")[2] in ("action", "action_post", "logout", "save", "save_draft", "abandon", "reveal", "end_sessions"):
            assert method == "POST", rule


@dataclass
class World:
    """Organisation A's objects, by the name of the address's parameter and by the view."""

    values: dict[str, Any]
    keys: dict[str, Any]
    lookups: dict[str, str]

    def arguments(self, rule: Rule, *, foreign: bool = False) -> dict[str, Any]:
        """The parameters of an address, with an object that nobody has when ``foreign``."""
        chosen: dict[str, Any] = {}
        for name in rule.arguments:
            if name == "pk":
                chosen[name] = str(NOBODYS) if foreign else self.keys.get(rule.endpoint.partition(".")[0], str(NOBODYS))
            elif name == "column":
                chosen[name] = self.lookups.get(rule.endpoint.partition(".")[0], "none")
            elif foreign and name.endswith("_id"):
                chosen[name] = "0" * 8 if name == "message_id" else NOBODYS
            elif name == "step_name" and rule.endpoint.partition(".")[0].endswith("RequestView"):
                chosen[name] = "valeurs"
            else:
                chosen[name] = self.values[name]
        return chosen


@pytest.fixture
def site(committed: Flask) -> Flask:
    """An application with a database of its own: what a request does there is real, and a failure is a 500 as in production."""
    committed.config["PROPAGATE_EXCEPTIONS"] = False
    return committed


#: One to come, so that nobody's rights are others than in the demonstration.
_DELEGATION = (
    "INSERT INTO delegation (organisation_id, delegator_id, delegate_id, starts_on, ends_on, created_at) "
    "SELECT p.organisation_id, p.id, s.id, current_date + 30, current_date + 40, now() FROM ab_user p, ab_user s "
    "WHERE p.username = 'principal' AND s.username = 'secondaire'"
)


#: Of each request.
_DOCUMENT = (
    "INSERT INTO request_document (organisation_id, action_id, request_id, role, name, media_type, size, sha256, added_at) "
    "SELECT organisation_id, action_id, id, 'supporting', 'note.pdf', 'application/pdf', 8, repeat('0', 64), now() FROM modification_request"
)
_CONTENT = "INSERT INTO request_document_content (organisation_id, id, data) SELECT organisation_id, id, '%PDF-1.4' FROM request_document ON CONFLICT DO NOTHING"
_CORRECTION = (
    "INSERT INTO identity_correction (seal_uid, organisation_id, trainee_id, state, reason, before, civility, birth_name, first_name, birth_date, gender, asked_at) "
    "SELECT gen_random_uuid(), t.organisation_id, t.id, 'pending', 'une erreur de saisie', jsonb_build_object('civility', t.civility, 'birth_name', t.birth_name, "
    "'usual_name', t.usual_name, 'first_name', t.first_name, 'birth_date', t.birth_date, 'gender', t.gender, 'nir_masked', t.nir_masked), "
    "t.civility, t.birth_name || 'X', t.first_name, t.birth_date, t.gender, now() FROM trainee t WHERE t.nir_kind = 'NIR' ON CONFLICT DO NOTHING"
)
_REPAIR = (
    "INSERT INTO number_repair (seal_uid, organisation_id, account_name, state, lines, created_at, confirmed_at, finished_at) "
    "SELECT gen_random_uuid(), u.organisation_id, 'X', 'done', 1, now(), now(), now() FROM ab_user u WHERE u.username = 'principal' "
    "AND NOT EXISTS (SELECT FROM number_repair)"
)
_IMPORT = (
    "INSERT INTO import_file (seal_uid, organisation_id, account_id, account_name, matrix, file_name, size, digest, state, lines, heading, columns, counts, "
    "applied_at, undone_at, created_at) SELECT gen_random_uuid(), u.organisation_id, u.id, 'X', 'stagiaires', 'x.csv', 1, '\\x00', 'undone', 1, '[\"Nom\"]', '[\"birth_name\"]', "
    "'{\"create\": 0, \"change\": 0, \"same\": 0, \"wrong\": 1}', now(), now(), now() FROM ab_user u WHERE u.username = 'principal' AND NOT EXISTS (SELECT FROM import_file)"
)


#: A comparison with AGORA that found one difference.
_RUN = (
    "INSERT INTO reconciliation_run (partner, trigger, state, phase, started_at, finished_at, counts) VALUES ('agora', 'night', 'done', 'over', now(), now(), '{}')"
)
_DIFFERENCE = (
    "INSERT INTO reconciliation_difference (run_id, last_run_id, partner, kind, organisation_id, enrolment_id, reference, ours, theirs, state, assignee, due_on, found_at) "
    "SELECT r.id, r.id, 'agora', 'status', e.organisation_id, e.id, e.external_reference::text, '{}', '{}', 'open', 'region', current_date, now() "
    "FROM reconciliation_run r, enrolment e ORDER BY e.id LIMIT 1 ON CONFLICT DO NOTHING"
)


@pytest.fixture
def world(site: Flask) -> World:
    """One object of organisation A for each kind of address."""
    with site.app_context(), bound_scope(Scope.system()), transaction() as session:
        session.execute(text(_DELEGATION))
        session.execute(text(_DOCUMENT))
        session.execute(text(_CONTENT))
        session.execute(text(_RUN))
        session.execute(text(_DIFFERENCE))
        session.execute(text(_CORRECTION))
        for correction in session.scalars(select(IdentityCorrection)):
            if not identity_documents.of_correction(correction.id):
                identity_documents.put_with(correction, [Checked("carte.pdf", MediaType.PDF, b"%PDF-1.4", "0" * 64)])
        session.execute(text(_REPAIR))
        session.execute(text(_IMPORT))
        found = _world(lambda statement: db.session.scalar(text(statement)))
    for view in site.appbuilder.baseviews:  # type: ignore[attr-defined]  # set by Flask-AppBuilder
        if getattr(view, "lookups", None):
            found.lookups[type(view).__name__] = next(iter(view.lookups))
    return found


def _world(one: Callable[[str], Any]) -> World:
    own = one("SELECT organisation_id FROM ab_user WHERE username = 'principal'")
    action = one(f"SELECT id FROM action WHERE organisation_id = {own} AND status = 'EC' ORDER BY id LIMIT 1")
    enrolment = one(f"SELECT id FROM enrolment WHERE organisation_id = {own} AND actual_end IS NULL ORDER BY id LIMIT 1")
    values = {
        "action_id": action,
        "enrolment_id": enrolment,
        "registration_id": one(f"SELECT registration_id FROM enrolment WHERE id = {enrolment}"),
        "component_id": one(f"SELECT component_id FROM enrolment WHERE id = {enrolment}"),
        "session_id": one(f"SELECT s.id FROM training_session s JOIN component c ON c.id = s.component_id WHERE c.action_id = {action} ORDER BY s.id LIMIT 1"),
        "meeting_id": one(
            "SELECT m.id FROM information_meeting m JOIN training_session s ON s.id = m.session_id JOIN component c ON c.id = s.component_id "
            f"WHERE c.action_id = {action} ORDER BY m.id LIMIT 1"
        ),
        "trainee_id": one(f"SELECT id FROM trainee WHERE organisation_id = {own} ORDER BY id LIMIT 1"),
        "correction_id": one(f"SELECT id FROM identity_correction WHERE organisation_id = {own} ORDER BY id LIMIT 1"),
        "piece_id": one(
            f"SELECT id FROM identity_document WHERE correction_id = (SELECT min(id) FROM identity_correction WHERE organisation_id = {own})"
        ),
        "repair_id": one(f"SELECT id FROM number_repair WHERE organisation_id = {own} ORDER BY id LIMIT 1"),
        "import_id": one(f"SELECT id FROM import_file WHERE organisation_id = {own} ORDER BY id LIMIT 1"),
        "matrix_name": "stagiaires",
        "line": 2,
        "delegation_id": one("SELECT id FROM delegation WHERE ended_at IS NULL ORDER BY id LIMIT 1"),
        "user_id": one("SELECT id FROM ab_user WHERE username = 'secondaire'"),
        "account_id": one("SELECT id FROM ab_user WHERE username = 'secondaire'"),
        "token": "0" * 43,
        "step_name": "verification",
        "search": "0" * 32,
        "kind": "csv",
        "column": "organisation",
        "name": "replay",
        "message_id": "0" * 8,
        "digest": "0",
        "_digest": "0",
        "token_id": NOBODYS,
        "filename": "x",
        "subject": action,
        "organisation_id": own,
        "batch_id": NOBODYS,
        "document_id": one(f"SELECT id FROM request_document WHERE action_id = {action} ORDER BY id LIMIT 1"),
        "request_id": one(f"SELECT id FROM modification_request WHERE action_id = {action} ORDER BY id LIMIT 1"),
        "survey_id": one(f"SELECT id FROM situation_survey WHERE organisation_id = {own} AND moment = 'exit' ORDER BY id LIMIT 1"),
        "search_id": NOBODYS,
        "selection_id": NOBODYS,
        "export_kind": "actions",
        "list_name": "bilans-de-situation",
        "file_id": NOBODYS,
        "exchange_id": one(f"SELECT id FROM outbox_message WHERE organisation_id = {own} ORDER BY id LIMIT 1"),
        "run_id": one("SELECT id FROM reconciliation_run ORDER BY id LIMIT 1") or NOBODYS,
        "difference_id": one("SELECT id FROM reconciliation_difference ORDER BY id LIMIT 1") or NOBODYS,
        "partner": "agora",
    }
    tables = {
        "ContractModelView": "contract",
        "ActionModelView": "action",
        "ComponentModelView": "component",
        "ComponentSiteModelView": "component_site",
        "OrganisationView": "organisation",
        "AuditEntryView": "audit_entry",
        "ProgrammeView": "programme",
        "LevelView": "level",
        "PublicCategoryView": "public_category",
        "TownView": "town",
        "GeneralObjectiveView": "general_objective",
        "ProfessionalSituationView": "professional_situation",
        "SiteView": "site",
        "ExitReasonView": "exit_reason",
        "NationalityView": "nationality",
        "LastClassView": "last_class",
        "ContactView": "contact",
        "MailMessageView": "mail_message",
        "NirReadingView": "nir_reading",
        "OutboxMessageView": "outbox_message",
        "OutboxInterventionView": "outbox_intervention",
        "HighestDiplomaView": "highest_diploma",
        "StreetTypeView": "street_type",
        "SurveySituationView": "survey_situation",
        "EmploymentContractView": "employment_contract",
        "ProfessionalSectorView": "professional_sector",
        "SocioProfessionalCategoryView": "socio_professional_category",
        "RoleView": "ab_role",
        "PartnerCodeView": "partner_code",
        # only what is not published can be changed
        "MarketRuleVersionView": "market_rule_version WHERE published_at IS NULL",
        "MarketRuleView": "market_rule WHERE version_id IN (SELECT v.id FROM market_rule_version v WHERE v.published_at IS NULL)",
    }
    keys = {view: str(one(f"SELECT id FROM {table} ORDER BY id LIMIT 1") or NOBODYS) for view, table in tables.items()}
    return World(values, keys, {})


class Browsers:
    """A browser for each actor; one that a request signed out is signed in again."""

    def __init__(self, site: Flask) -> None:
        self.site = site
        self.made: dict[str, FlaskClient] = {}

    def __getitem__(self, actor: str) -> FlaskClient:
        if actor not in self.made:
            self.renew(actor)
        return self.made[actor]

    def renew(self, actor: str) -> FlaskClient:
        """A fresh browser, signed in."""
        from app.accounts.testing import sign_in

        browser = self.made[actor] = self.site.test_client()
        if actor != "nobody":
            sign_in(self.site, browser, IDENTIFIERS.get(actor, actor))
        return browser


@pytest.fixture
def browsers(site: Flask) -> Browsers:
    """A browser for each actor, three of whom are made here."""
    from app.accounts import services
    from app.core.roles import Role

    with site.app_context(), bound_scope(Scope.system()), transaction() as session:
        own = session.scalar(text("SELECT organisation_id FROM ab_user WHERE username = 'principal'"))
        for actor, role, organisation in (
            ("lecture", Role.READ_ONLY, own),
            ("validateur", Role.REGION_VALIDATOR, None),
            ("gestionnaire", Role.REGION_MANAGER, None),
        ):
            services.create_account(
                first_name="Essai",
                last_name=actor.upper(),
                email=f"{actor}@example.org",
                roles=(role,),
                organisation_id=organisation,
                civility="MME",
                identifiant=IDENTIFIERS[actor],
                password="Quelle-belle-journee-2026!",
            )
    return Browsers(site)


def _token(browser: FlaskClient) -> str:
    answer = browser.get("/jeton", headers=SAME_ORIGIN)
    return str(answer.get_json()["token"])


def _verdict(route: Route, actor: str, *, foreign: bool, status: int, location: str) -> str | None:
    """What is wrong with this answer, None when it is as declared."""
    if status >= 500:
        return "failed"
    if route.bearer:
        return None if status == 401 else "a cookie opened the programming interface"
    if route.public:
        return None if status not in (401, 403) else "refused though public"
    if actor == "nobody":
        # 419: the page that keeps what was typed and asks to sign in again
        return None if (status in (302, 303) and location.startswith(SIGN_IN)) or status in (401, 419) else "not sent to the sign-in page"
    if actor not in route.allowed:
        return None if status == 403 else "not refused"
    if foreign or (route.owner and actor == "autre-of"):
        return None if status == 404 else "not a 404"
    return None if status not in (401, 403, 404, 405) and not location.startswith(SIGN_IN) else "refused though allowed"


#: Ends the session of the browser, or changes what the other answers depend on: asked last.
_LAST = ("ActionsView.close", "MyAccountView.end_sessions", "SignInView.logout")


def _when(pair: tuple[Rule, str]) -> int:
    """Visits first, then what deletes (a component takes its sites along: they go before it), then what ends the session."""
    endpoint = pair[0].endpoint
    if endpoint in _LAST:
        return 3 + _LAST.index(endpoint)
    if endpoint.endswith(".delete"):
        return 1 if endpoint.startswith("ComponentSite") else 2
    return 0


def _url(site: Flask, rule: Rule, arguments: dict[str, Any]) -> str:
    with site.test_request_context():
        built = rule.build(arguments, append_unknown=False)
    assert built is not None, rule
    return built[1]


#: Who is refused in few words; pages of refusals are asked for by the principal, the administrator and those who are not signed in.
_BRIEFLY = frozenset(ACTORS) - {"principal", "admin", "nobody"}


@pytest.mark.slow
@pytest.mark.parametrize("actor", ACTORS)
def test_answers_are_as_declared(site: Flask, world: World, browsers: Browsers, actor: str) -> None:
    browser = browsers[actor]
    token = _token(browser)
    wrong: list[str] = []
    cells = 0
    for rule, method in sorted(_rules(site), key=_when):
        route = ROUTES.get(rule.endpoint)
        if route is None:
            continue
        with_object = any(name == "pk" or name.endswith("_id") for name in rule.arguments)
        for foreign in (False, True) if with_object and not route.public else (False,):
            url = _url(site, rule, world.arguments(rule, foreign=foreign))
            form = {"csrf_token": token, "action": "replay", "rowid": "1"}
            headers = {} if method == "GET" else dict(SAME_ORIGIN)
            if actor in _BRIEFLY and (foreign or actor not in route.allowed):
                headers["Accept"] = "application/json"  # the refusal without its page, which the others render for each address
            answer = browser.open(url, method=method, headers=headers, data=None if method == "GET" else form)
            cells += 1
            location = answer.headers.get("Location", "")
            # a list that is empty in the demonstration has no object of its own to show
            nobodys = foreign or f"/{NOBODYS}" in url or "/none" in url
            problem = _verdict(route, actor, foreign=nobodys, status=answer.status_code, location=location)
            if rule.endpoint == "SignInView.logout":
                problem = None if answer.status_code < 400 or actor == "nobody" else "cannot sign out"
            if problem:
                wrong.append(f"{method} {url}{' (nobody’s)' if foreign else ''} → {answer.status_code} {location}: {problem} [{rule.endpoint}]")
    assert not wrong, "\n".join([f"{len(wrong)} of {cells} for {actor}:", *wrong])
    assert cells > 200


def test_posting_without_a_token_is_refused(site: Flask, world: World, browsers: Browsers) -> None:
    """F8, B7.4: every state-changing route refuses a missing token and a token of another session, whoever asks."""
    stolen = _token(browsers["autre-of"])
    wrong = []
    for rule, method in _rules(site):
        if method == "GET" or rule.endpoint == "csp.report" or ROUTES[rule.endpoint].bearer:
            continue
        url = _url(site, rule, world.arguments(rule))
        for data in ({}, {"csrf_token": stolen}):
            answer = browsers["admin"].open(url, method=method, data=data, headers=SAME_ORIGIN)
            if answer.status_code not in (400, 419):
                wrong.append(f"{method} {url} → {answer.status_code}")
    assert not wrong, wrong


@pytest.mark.parametrize("headers", [{"Origin": "https://ailleurs.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_foreign_origin_is_refused(site: Flask, browsers: Browsers, headers: dict[str, str]) -> None:
    browser = browsers["principal"]
    answer = browser.post("/mon-compte/sessions/deconnecter", data={"csrf_token": _token(browser)}, headers=headers)
    assert answer.status_code in (400, 403, 419)


#: What a visit may write by itself: when a session was last used, and the drafts and identity requests it may purge.
_MAY_CHANGE = {"user_session", "sign_in_attempt"}


def _fingerprint(session: Any) -> dict[str, Any]:
    names = session.scalars(text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname")).all()
    prints = {}
    for name in names:
        if name not in _MAY_CHANGE:
            prints[name] = session.scalar(text(f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {name} t"))
    return prints


@pytest.mark.slow
def test_no_visit_changes_anything(site: Flask, world: World, browsers: Browsers) -> None:
    """B7.4: the database is the same after every address was visited by GET."""
    visitors = {actor: browsers[actor] for actor in ("principal", "admin", "support")}
    with site.app_context(), bound_scope(Scope.system()):
        before = _fingerprint(db.session)
    for browser in visitors.values():
        for rule, method in _rules(site):
            if method == "GET" and rule.endpoint != "TownView.export":
                browser.get(_url(site, rule, world.arguments(rule)))
    with site.app_context(), bound_scope(Scope.system()):
        after = _fingerprint(db.session)
    assert {name for name in before if before[name] != after[name]} == set()
