"""Rights of a secondary account, by function and by action: rules, both walls, screens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from flask_appbuilder.security.sqla.models import User
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session as AnySession

from app.accounts import services
from app.actions import access
from app.actions.access import Rights
from app.actions.models import Action, ActionHistory, Component, ComponentSite, Contract
from app.actions.services import ActionNotFound
from app.core import rls, schema, tenancy
from app.core.functions import ALWAYS, CHOICES, Function, collect_functions, function_of, narrowed
from app.core.roles import ALL, Role, collect_grants
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.trainees.domain import IdentitySource
from app.trainees.models import Enrolment, Registration, Trainee
from app.trainees.services.identity import known_by_number
from app.trainees.services.registration import Newcomer, register
from tests.accounts.helpers import post
from tests.actions.helpers import details, make_action, make_enrolment, make_nir, make_person, make_registration
from tests.architecture.filled import Filled
from tests.core.test_page_drafts import OFFER

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

AsUser = Callable[[str], "FlaskClient"]

# ---- by function: rules ------------------------------------------------------------------------------------------------

DECLARED = {("can_a", "V"): Function.TRAINEES, ("can_b", "V"): Function.INVOICING, (ALL, "W"): Function.REQUESTS, ("can_r", "V"): Function.CONSULT}
PAIRS = st.frozensets(st.sampled_from([("can_a", "V"), ("can_b", "V"), ("can_x", "W"), ("can_y", "W"), ("can_r", "V"), ("can_free", "Z")]))
NAMES = st.none() | st.frozensets(st.sampled_from([*Function, "no longer a function"]))


@given(PAIRS, NAMES)
def test_narrowing_never_adds(granted: frozenset[Any], names: frozenset[str] | None) -> None:
    left = narrowed(granted, names, DECLARED)
    assert left <= granted
    assert narrowed(left, names, DECLARED) == left
    assert {pair for pair in granted if function_of(pair, DECLARED) in (None, ALWAYS)} <= left


@given(PAIRS, PAIRS, NAMES, NAMES)
def test_narrowing_is_monotone(granted: frozenset[Any], more: frozenset[Any], names: frozenset[str] | None, others: frozenset[str] | None) -> None:
    """More functions or a wider role never take a permission away; fewer never give one."""
    wider = None if names is None or others is None else names | others
    assert narrowed(granted, names, DECLARED) <= narrowed(granted | more, wider, DECLARED)


def test_every_permission_that_can_be_narrowed_has_one_function() -> None:
    """A permission of a secondary or read-only account that no function holds could never be taken away."""
    grants = collect_grants()
    held = grants[Role.SECONDARY] | grants[Role.READ_ONLY]
    assert {pair for pair in held if function_of(pair) is None} == set(), "declare these in FUNCTIONS of the feature's permissions.py"


def test_no_function_names_a_permission_nobody_holds() -> None:
    grants = collect_grants()
    everyone = grants[Role.PRINCIPAL] | grants[Role.SECONDARY] | grants[Role.READ_ONLY]
    assert {pair for pair in collect_functions() if pair not in everyone} == set()


def test_all_functions_ticked_is_all_functions() -> None:
    assert Rights.of([function.value for function in CHOICES], None).functions is None
    assert Rights.of([], None).stored_functions == ["consult"]
    assert Rights.of(["trainees"], [2, 1]).fingerprint == Rights.of(["trainees", "consult"], [1, 2]).fingerprint
    assert Rights.of(["trainees"], [1]).fingerprint != Rights.of(["trainees"], None).fingerprint


# ---- the world ---------------------------------------------------------------------------------------------------------


def id_of(session: Session, identifiant: str) -> int:
    with bound_scope(Scope.system()):
        found = session.scalar(select(User.id).where(User.username == identifiant))
    assert found is not None
    return found


def narrow(session: Session, identifiant: str, functions: list[str] | None, action_ids: list[int] | None) -> None:
    with bound_scope(Scope.system()):
        user = session.scalars(select(User).where(User.username == identifiant)).unique().one()
        seen = access.rights_of(user).fingerprint
        access.save_rights(user.id, Rights.of(functions, action_ids), seen=seen, actor_id=id_of(session, "principal"))


@pytest.fixture
def actions(db_session: Session) -> tuple[int, int]:
    """Two actions of organisation A with trainees: one given to "secondaire", one not."""
    rows = db_session.scalars(
        text(
            "SELECT e.action_id FROM enrolment e JOIN ab_user u ON u.organisation_id = e.organisation_id AND u.username = 'principal' "
            "GROUP BY e.action_id ORDER BY e.action_id LIMIT 2"
        )
    ).all()
    if len(rows) < 2:  # the demonstration has trainees on one action of the organisation only: any other will do
        rows = [
            rows[0],
            db_session.scalar(
                text("SELECT a.id FROM action a JOIN ab_user u USING (organisation_id) WHERE u.username = 'principal' AND a.id <> :x ORDER BY a.id LIMIT 1"),
                {"x": rows[0]},
            ),
        ]
    return rows[0], rows[1]


@pytest.fixture
def limited(db_session: Session, actions: tuple[int, int]) -> Scope:
    """The scope of "secondaire" limited to the first action."""
    narrow(db_session, "secondaire", None, [actions[0]])
    organisation = db_session.scalar(text("SELECT organisation_id FROM ab_user WHERE username = 'secondaire'"))
    return Scope.organisation(organisation, limited_account=id_of(db_session, "secondaire"))


@pytest.fixture
def first_wall_down() -> Iterator[None]:
    event.remove(AnySession, "do_orm_execute", tenancy._wall)
    try:
        yield
    finally:
        event.listen(AnySession, "do_orm_execute", tenancy._wall)


# ---- by action: row-level security -------------------------------------------------------------------------------------

#: Table → the actions of its rows, as the system sees them.
BY_ACTION = {
    "action": "SELECT id, id AS action_id FROM action",
    "component": "SELECT id, action_id FROM component",
    "component_site": "SELECT s.id, c.action_id FROM component_site s JOIN component c ON c.id = s.component_id",
    "registration": "SELECT id, action_id FROM registration",
    "enrolment": "SELECT id, action_id FROM enrolment",
    "interruption": "SELECT i.id, e.action_id FROM interruption i JOIN enrolment e ON e.id = i.enrolment_id",
    "enrolment_act": "SELECT a.id, e.action_id FROM enrolment_act a JOIN enrolment e ON e.id = a.enrolment_id",
    "action_history": "SELECT id, action_id FROM action_history",
    "finish_declaration": "SELECT id, action_id FROM finish_declaration",
    "training_session": "SELECT s.id, c.action_id FROM training_session s JOIN component c ON c.id = s.component_id",
    "information_meeting": "SELECT m.id, c.action_id FROM information_meeting m JOIN training_session s ON s.id = m.session_id "
    "JOIN component c ON c.id = s.component_id",
    "modification_request": "SELECT id, action_id FROM modification_request",
    "modification_request_event": "SELECT e.id, r.action_id FROM modification_request_event e JOIN modification_request r ON r.id = e.request_id",
    "request_reminder": "SELECT m.id, r.action_id FROM request_reminder m JOIN modification_request_event e ON e.id = m.event_id "
    "JOIN modification_request r ON r.id = e.request_id",
    "action_partner": "SELECT id, action_id FROM action_partner",
    "request_document": "SELECT id, action_id FROM request_document",
    "request_document_content": "SELECT c.id, d.action_id FROM request_document_content c JOIN request_document d USING (id)",
    "request_signature": "SELECT s.id, r.action_id FROM request_signature s JOIN modification_request r ON r.id = s.request_id",
    "advance_invoice_request": "SELECT id, action_id FROM advance_invoice_request",
    "identity_request": "SELECT id, action_id FROM identity_request",
    "situation_survey": "SELECT id, action_id FROM situation_survey",
    "survey_reply": "SELECT r.id, s.action_id FROM survey_reply r JOIN situation_survey s ON s.id = r.survey_id",
    "survey_link": "SELECT l.id, s.action_id FROM survey_link l JOIN situation_survey s ON s.id = l.survey_id",
    "survey_opt_out": "SELECT o.id, r.action_id FROM survey_opt_out o JOIN registration r ON r.trainee_id = o.trainee_id",
    "identity_correction": "SELECT c.id, r.action_id FROM identity_correction c JOIN registration r ON r.trainee_id = c.trainee_id",
    "identity_document": "SELECT d.id, r.action_id FROM identity_document d JOIN identity_correction c ON c.id = d.correction_id "
    "JOIN registration r ON r.trainee_id = c.trainee_id",
    "identity_document_content": "SELECT x.id, r.action_id FROM identity_document_content x JOIN identity_document d USING (id) "
    "JOIN identity_correction c ON c.id = d.correction_id JOIN registration r ON r.trainee_id = c.trainee_id",
    "contract": "SELECT c.id, a.id AS action_id FROM contract c JOIN action a ON a.contract_id = c.id",
    "trainee": "SELECT trainee_id AS id, action_id FROM registration",
    "outbox_attempt": "SELECT t.id, e.action_id FROM outbox_attempt t JOIN outbox_message m ON m.id = t.message_id "
    "JOIN enrolment e ON m.subject_type = 'enrolment' AND e.id = m.subject_id",
    "reconciliation_difference": "SELECT d.id, e.action_id FROM reconciliation_difference d JOIN enrolment e ON e.id = d.enrolment_id",
    "outbox_message": "SELECT m.id, e.action_id FROM outbox_message m JOIN enrolment e ON m.subject_type = 'enrolment' AND e.id = m.subject_id",
}

#: Tables an organisation reads in which a limited account sees as much as the others (docs/decisions/0012).
NOT_LIMITED = {"organisation", "ab_user", "delegation", "account_review", "observation", "wizard_draft", "saved_search", "mail_message", "export_choice", "export_selection", "export_file", "import_heading"}


def test_every_table_of_an_organisation_says_what_a_limited_account_sees() -> None:
    schema.load_models()
    decided = set()
    for table, entity in rls.owned_tables():
        statements = " ".join(rls.statements_for(table, entity))
        reads = "organisation_id" in table.c and re.search(r"FOR (ALL|SELECT) TO portal_tenant", statements)
        if "CREATE POLICY limited_all" in statements:
            decided.add(table.name)
        elif reads:
            assert table.name in NOT_LIMITED, f"{table.name}: __rls_limited__, or a reason in docs/decisions/0012"
    assert decided == {*BY_ACTION, "action_access", "list_export", "audit_entry", "nir_reading", *BY_ACCOUNT}


#: What a limited account did itself (tests/trainees/test_number_repair.py, tests/imports/test_trainees.py).
BY_ACCOUNT = ("number_file", "number_repair", "number_repair_line", "import_file", "import_part", "import_finding")


@pytest.mark.parametrize("table", sorted(BY_ACTION))
def test_raw_sql_sees_the_given_actions_only(db_session: Session, actions: tuple[int, int], limited: Scope, table: str) -> None:
    with bound_scope(Scope.system()):
        expected = set(db_session.scalars(text(f"SELECT id FROM ({BY_ACTION[table]}) x WHERE action_id = :given"), {"given": actions[0]}))
    with bound_scope(limited):
        assert set(db_session.scalars(text(f"SELECT id FROM {table}"))) == expected
    if table in ("action", "component", "registration", "enrolment", "trainee"):
        assert expected


@pytest.mark.parametrize("table", sorted(set(BY_ACTION) - {"outbox_message"}))
def test_raw_sql_changes_nothing_of_other_actions(db_session: Session, actions: tuple[int, int], limited: Scope, table: str) -> None:
    with bound_scope(Scope.system()):
        others = db_session.scalars(
            text(f"SELECT id FROM ({BY_ACTION[table]}) x GROUP BY id HAVING bool_and(action_id <> :given)"), {"given": actions[0]}
        ).all()
    with bound_scope(limited):
        for statement in (f"UPDATE {table} SET id = id WHERE id = ANY(:others)", f"DELETE FROM {table} WHERE id = ANY(:others)"):
            if table == "training_session" and statement.startswith("DELETE"):
                continue  # nobody may (tests/actions/test_sessions.py)
            nested = db_session.begin_nested()
            try:
                assert db_session.execute(text(statement), {"others": list(others)}).rowcount == 0  # type: ignore[attr-defined]
            finally:
                nested.rollback()


def test_a_row_cannot_be_moved_to_another_action(db_session: Session, actions: tuple[int, int], limited: Scope) -> None:
    with bound_scope(limited):
        for statement in (
            "UPDATE registration SET action_id = :other",
            "UPDATE component SET action_id = :other",
            (
                "INSERT INTO action_history (organisation_id, action_id, event, from_status, to_status, happened_at) "
                "SELECT organisation_id, :other, 'open', 'AO', 'EC', now() FROM action LIMIT 1"
            ),
        ):
            nested = db_session.begin_nested()
            with pytest.raises(DBAPIError) as refused:
                db_session.execute(text(statement), {"other": actions[1]})
            assert getattr(refused.value.orig, "sqlstate", "") == "42501"
            nested.rollback()


def test_a_limited_account_gives_itself_nothing(db_session: Session, actions: tuple[int, int], limited: Scope) -> None:
    with bound_scope(limited):
        assert db_session.scalar(text("SELECT count(*) FROM action_access")) == 1
        for statement in (
            "INSERT INTO action_access (organisation_id, user_id, action_id) SELECT organisation_id, user_id, :other FROM action_access",
            "UPDATE action_access SET action_id = :other",
            "UPDATE ab_user SET limited_to_actions = false",
        ):
            nested = db_session.begin_nested()
            with pytest.raises(DBAPIError):
                db_session.execute(text(statement), {"other": actions[1]})
            nested.rollback()


def test_a_limited_account_without_a_name_sees_nothing(db_session: Session, limited: Scope) -> None:
    """The setting lost on the way (a forgotten path) closes rather than opens."""
    with bound_scope(limited):
        db_session.execute(text("SELECT set_config('app.limited_account', '', true)"))
        assert db_session.scalar(text("SELECT count(*) FROM action")) == 0
        assert db_session.scalar(text("SELECT count(*) FROM trainee")) == 0


def test_the_journal_of_other_actions_is_closed(db_session: Session, actions: tuple[int, int], limited: Scope) -> None:
    with bound_scope(Scope.system()), transaction() as session:
        for action_id in actions:
            session.execute(text("UPDATE action SET title = title || '.' WHERE id = :id"), {"id": action_id})
    with bound_scope(limited):
        seen = set(db_session.scalars(text("SELECT row_id FROM audit_entry WHERE table_name = 'action'")))
        assert str(actions[0]) in seen
        assert str(actions[1]) not in seen
        own = set(db_session.scalars(text("SELECT row_id FROM audit_entry WHERE table_name LIKE 'ab\\_%' OR table_name = 'delegation'")))
        assert own <= {str(limited.limited_account)}


ENTITIES: list[Any] = [Action, ActionHistory, Component, ComponentSite, Contract, Registration, Enrolment, Trainee]


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda one: one.__name__)
def test_the_first_wall_alone(db_session: Session, actions: tuple[int, int], limited: Scope, entity: Any) -> None:
    """The session's criteria hold under a database role that would show everything of the organisation."""
    with bound_scope(limited):
        db_session.execute(text("SELECT set_config('role', 'portal_tenant', true)"))
        found = {row.id for row in db_session.scalars(select(entity)).unique()}
    with bound_scope(Scope.system()):
        expected = set(db_session.scalars(text(f"SELECT id FROM ({BY_ACTION[entity.__tablename__]}) x WHERE action_id = :given"), {"given": actions[0]}))
    assert found == expected


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda one: one.__name__)
def test_the_second_wall_alone(db_session: Session, actions: tuple[int, int], limited: Scope, first_wall_down: None, entity: Any) -> None:
    with bound_scope(limited):
        found = {row.id for row in db_session.scalars(select(entity)).unique()}
    with bound_scope(Scope.system()):
        expected = set(db_session.scalars(text(f"SELECT id FROM ({BY_ACTION[entity.__tablename__]}) x WHERE action_id = :given"), {"given": actions[0]}))
    assert found == expected


def test_other_accounts_never_meet_these_policies(db_session: Session) -> None:
    """They are for the role of limited accounts alone: the plans of all others are those of before."""
    rows = db_session.execute(text("SELECT roles::text, permissive FROM pg_policies WHERE policyname = 'limited_all'")).all()
    assert rows and {tuple(row) for row in rows} == {("{portal_limited}", "RESTRICTIVE")}
    organisation = db_session.scalar(text("SELECT organisation_id FROM ab_user WHERE username = 'principal'"))
    with bound_scope(Scope.organisation(organisation)):
        plan = "\n".join(db_session.scalars(text("EXPLAIN SELECT id FROM action ORDER BY sort_key, id LIMIT 25")))
    assert "action_access" not in plan


# ---- by action: through the portal -------------------------------------------------------------------------------------


def test_a_limited_account_meets_404_everywhere_else(as_user: AsUser, db_session: Session, actions: tuple[int, int], limited: Scope) -> None:
    given_action, other = actions
    browser = as_user("secondaire")
    assert browser.get(f"/actions-de-formation/{given_action}").status_code == 200
    numbers = dict(db_session.execute(text("SELECT id, number FROM action")).all())
    for path in (f"/actions-de-formation/{other}", f"/stagiaires/action/{other}", f"/stagiaires/action/{other}/enregistrement/"):
        assert browser.get(path).status_code == 404, path
    for path in ("/actions-de-formation/", f"/recherche?q={numbers[other]}", f"/actions-de-formation/?texte={numbers[other]}"):
        assert f"/actions-de-formation/{other}" not in browser.get(path).text, path
    assert numbers[given_action] in browser.get("/actions-de-formation/").text


def test_a_person_known_elsewhere_in_the_organisation_is_registered_without_a_double(db_session: Session) -> None:
    """The person is the organisation's; the sheet made on the account's own action makes the person visible, and that sheet alone."""
    nir = make_nir()
    with bound_scope(Scope.system()):
        here, elsewhere = make_action(), make_action()
        first = make_registration(elsewhere, nir=nir)
        trainee_id = db_session.get_one(Registration, first).trainee_id
        organisation, action_id, account = here.organisation_id, here.id, id_of(db_session, "secondaire")
    narrow(db_session, "secondaire", None, [action_id])
    with bound_scope(Scope.organisation(organisation, limited_account=account)):
        assert db_session.get(Trainee, trainee_id) is None
        known = known_by_number(nir, action_id)
        assert known is not None
        assert known.trainee.display_name  # readable although the row itself is not
        assert known.registration_id is None
        second = make_registration(db_session.get_one(Action, action_id), nir=nir)
        assert db_session.get_one(Registration, second).trainee_id == trainee_id
        assert db_session.get_one(Trainee, trainee_id).display_name
        assert db_session.get(Registration, first) is None
        newcomer = make_registration(db_session.get_one(Action, action_id), name="NOUVELLE")
        assert db_session.get_one(Registration, newcomer).trainee.birth_name == "NOUVELLE"
        with pytest.raises(ActionNotFound):
            register(elsewhere_id(db_session, first), Newcomer(make_person(), IdentitySource.AGORA, make_nir()), details())


def test_a_limited_account_works_on_its_actions_as_before(db_session: Session) -> None:
    """Registration, enrolment, the message to AGORA and its status: nothing of one's own actions is in the way."""
    with bound_scope(Scope.system()):
        action = make_action()
        organisation, action_id, account = action.organisation_id, action.id, id_of(db_session, "secondaire")
    narrow(db_session, "secondaire", None, [action_id])
    with bound_scope(Scope.organisation(organisation, limited_account=account)):
        enrolment_id = make_enrolment(db_session.get_one(Action, action_id))
        assert db_session.get_one(Enrolment, enrolment_id).action_id == action_id
        assert db_session.scalar(text("SELECT count(*) FROM outbox_message WHERE subject_type = 'enrolment' AND subject_id = :id"), {"id": enrolment_id}) == 1


def elsewhere_id(session: Session, registration_id: int) -> int:
    with bound_scope(Scope.system()):
        return session.get_one(Registration, registration_id).action_id


# ---- by function: through the portal -----------------------------------------------------------------------------------


def test_a_lost_function_closes_pages_buttons_and_menu(as_user: AsUser, db_session: Session, actions: tuple[int, int]) -> None:
    browser = as_user("secondaire")
    path = f"/stagiaires/action/{actions[0]}/enregistrement/"
    assert browser.get(path).status_code in (200, 302, 303)
    assert "Enregistrer un stagiaire" in browser.get(f"/actions-de-formation/{actions[0]}").text
    narrow(db_session, "secondaire", [], None)
    refused = browser.get(path)
    assert refused.status_code == 403
    assert "Stagiaires et inscriptions" in refused.text
    assert "Le compte principal de votre organisme peut vous la donner" in refused.text
    page = browser.get(f"/actions-de-formation/{actions[0]}")
    assert page.status_code == 200
    assert "Enregistrer un stagiaire" not in page.text
    assert 'href="/imports' not in page.text
    assert browser.get("/imports/").status_code == 403
    own = browser.get("/mon-compte/").text
    assert "Vos droits" in own
    assert "Consulter" in own


def test_narrowing_costs_no_statement(as_user: AsUser, app: Flask, db_session: Session) -> None:
    from tests.architecture.test_queries import counted

    browser = as_user("secondaire")
    browser.get("/mon-compte/")
    with counted(app) as before:
        browser.get("/mon-compte/")
    narrow(db_session, "secondaire", ["trainees"], None)
    browser.get("/mon-compte/")
    with counted(app) as after:
        browser.get("/mon-compte/")
    assert len(after) == len(before)


def test_the_role_rules_a_principal_whatever_is_stored(as_user: AsUser, db_session: Session) -> None:
    """A secondary that becomes the principal is narrowed no longer."""
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(text("UPDATE ab_user SET functions = '{consult}', limited_to_actions = true WHERE username = 'principal'"))
    assert as_user("principal").get("/imports/").status_code == 200
    assert "Aucune action" not in as_user("principal").get("/actions-de-formation/").text


# ---- the screen --------------------------------------------------------------------------------------------------------


def _seen(page: str) -> str:
    found = re.search(r'name="seen" value="([0-9a-f]+)"', page)
    assert found
    return found.group(1)


def test_the_principal_sets_the_rights_of_a_secondary(as_user: AsUser, db_session: Session, actions: tuple[int, int]) -> None:
    browser, user_id = as_user("principal"), id_of(db_session, "secondaire")
    path = f"/gestion-organisme/droits/{user_id}"
    assert f'href="{path}"' in browser.get("/gestion-organisme/comptes/").text
    page = browser.get(path).text
    for words in ("Consulter", "Stagiaires et inscriptions", "Déclarations de réalisation", "Enquêtes et bilans", "Facturation", "Ouverture et demandes de modification"):
        assert words in page, words
    values = {"seen": _seen(page), "functions": ["trainees"], "actions_scope": "certaines", "verb": "save"}
    nothing = post(browser, path, values)
    assert nothing.status_code == 422
    assert "Cochez au moins une action" in nothing.text
    answer = post(browser, path, values | {"actions": [str(actions[0])]})
    assert answer.status_code == 303
    assert "ont bien été enregistrés" in browser.get("/gestion-organisme/comptes/").text
    row = db_session.execute(text("SELECT functions, limited_to_actions FROM ab_user WHERE id = :id"), {"id": user_id}).one()
    assert (row.functions, row.limited_to_actions) == (["consult", "trainees"], True)
    journal = db_session.scalars(text("SELECT table_name FROM audit_entry WHERE actor_id = :p"), {"p": id_of(db_session, "principal")}).all()
    assert {"ab_user", "action_access"} <= set(journal)


def test_ticks_under_all_actions_are_not_dropped_in_silence(as_user: AsUser, db_session: Session, actions: tuple[int, int]) -> None:
    browser, user_id = as_user("principal"), id_of(db_session, "secondaire")
    path = f"/gestion-organisme/droits/{user_id}"
    values = {"seen": _seen(browser.get(path).text), "functions": ["trainees"], "actions_scope": "toutes", "verb": "save", "actions": [str(actions[0])]}
    refused = post(browser, path, values)
    assert refused.status_code == 422
    assert "Vous avez coché des actions" in refused.text
    assert re.search(rf'value="{actions[0]}" checked', refused.text)
    assert re.search(r'value="toutes" checked', refused.text)
    assert db_session.scalar(text("SELECT functions FROM ab_user WHERE id = :id"), {"id": user_id}) is None
    assert post(browser, path, values | {"actions_scope": "certaines"}).status_code == 303
    # from some actions back to all of them: the ticks that were there say nothing new
    again = values | {"seen": _seen(browser.get(path).text)}
    assert post(browser, path, again).status_code == 303
    assert db_session.scalar(text("SELECT limited_to_actions FROM ab_user WHERE id = :id"), {"id": user_id}) is False


def test_the_journal_tells_rights_before_and_after(as_user: AsUser, db_session: Session, actions: tuple[int, int]) -> None:
    browser, user_id = as_user("principal"), id_of(db_session, "secondaire")
    path = f"/gestion-organisme/droits/{user_id}"
    numbers = dict(db_session.execute(text("SELECT id, number FROM action")).all())
    for ticks in ([actions[0]], list(actions)):
        values = {"seen": _seen(browser.get(path).text), "functions": ["trainees"], "actions_scope": "certaines", "verb": "save"}
        assert post(browser, path, values | {"actions": [str(one) for one in ticks]}).status_code == 303
    page = re.sub(r"<[^>]+>|\s+", " ", browser.get("/gestion-organisme/historique/?acte=droits").text)
    for words in ("Toutes les fonctions", "Consulter, Stagiaires et inscriptions", "Toutes les actions", numbers[actions[0]], numbers[actions[1]]):
        assert words in page, words
    assert page.count("était") == 2
    accounts = browser.get("/gestion-organisme/comptes/").text
    assert "Droits restreints" in accounts
    assert numbers[actions[1]] in as_user("support").get(f"/comptes/{user_id}").text


def test_searching_loses_nothing_ticked(as_user: AsUser, db_session: Session, actions: tuple[int, int]) -> None:
    browser, user_id = as_user("principal"), id_of(db_session, "secondaire")
    path = f"/gestion-organisme/droits/{user_id}"
    numbers = dict(db_session.execute(text("SELECT id, number FROM action")).all())
    values = {"seen": _seen(browser.get(path).text), "functions": ["surveys"], "actions_scope": "certaines", "verb": "search", "q": numbers[actions[1]], "actions": [str(actions[0])]}
    page = post(browser, path, values)
    assert page.status_code == 200
    assert re.search(rf'value="{actions[0]}" checked', page.text)
    assert re.search(rf'value="{actions[1]}"(?! checked)', page.text)
    assert re.search(r'value="surveys" checked', page.text)
    assert re.search(r'value="certaines" checked', page.text)
    assert db_session.scalar(text("SELECT count(*) FROM action_access")) == 0


def test_two_editors_do_not_overwrite_each_other(as_user: AsUser, db_session: Session) -> None:
    browser, user_id = as_user("principal"), id_of(db_session, "secondaire")
    path = f"/gestion-organisme/droits/{user_id}"
    seen = _seen(browser.get(path).text)
    narrow(db_session, "secondaire", ["invoicing"], None)
    values = {"seen": seen, "functions": ["trainees"], "actions_scope": "toutes", "verb": "save"}
    stale = post(browser, path, values)
    assert stale.status_code == 409
    assert "Quelqu’un a modifié ces droits" in stale.text
    assert "Consulter, Facturation" in stale.text
    assert re.search(r'value="trainees" checked', stale.text)
    assert db_session.scalar(text("SELECT functions FROM ab_user WHERE id = :id"), {"id": user_id}) == ["consult", "invoicing"]
    assert post(browser, path, values | {"seen": _seen(stale.text)}).status_code == 303
    assert db_session.scalar(text("SELECT functions FROM ab_user WHERE id = :id"), {"id": user_id}) == ["consult", "trainees"]


def _start(page: str) -> dict[str, str]:
    return dict(re.findall(r'name="(seen|base)" value="([^"]*)"', page))


def test_rights_given_by_two_people_both_land(as_user: AsUser, db_session: Session, actions: tuple[int, int]) -> None:
    """Each function and each action is a field of its own."""
    browser, user_id = as_user("principal"), id_of(db_session, "secondaire")
    path = f"/gestion-organisme/droits/{user_id}"
    narrow(db_session, "secondaire", ["trainees", "invoicing"], [actions[0]])
    start = _start(browser.get(path).text)
    narrow(db_session, "secondaire", ["trainees", "invoicing", "surveys"], [actions[0], actions[1]])
    mine = {"functions": ["trainees"], "actions_scope": "certaines", "verb": "save", "actions": [str(actions[0])]}
    assert post(browser, path, start | mine).status_code == 303
    row = db_session.execute(text("SELECT functions FROM ab_user WHERE id = :id"), {"id": user_id}).scalar_one()
    assert set(row) == {"consult", "trainees", "surveys"}, "invoicing was taken by one, surveys given by the other"
    given = set(db_session.scalars(text("SELECT action_id FROM action_access WHERE user_id = :id"), {"id": user_id}))
    assert given == set(actions)


def test_all_actions_against_some_is_asked(as_user: AsUser, db_session: Session, actions: tuple[int, int]) -> None:
    browser, user_id = as_user("principal"), id_of(db_session, "secondaire")
    path = f"/gestion-organisme/droits/{user_id}"
    narrow(db_session, "secondaire", ["trainees"], [actions[0]])
    start = _start(browser.get(path).text)
    narrow(db_session, "secondaire", ["trainees"], [actions[0], actions[1]])
    mine = {"functions": ["trainees"], "actions_scope": "toutes", "verb": "save"}
    asked = post(browser, path, start | mine)
    assert asked.status_code == 409
    for words in ("1 action à l’ouverture de la page", "2 actions", "Toutes les actions"):
        assert words in asked.text.replace("\u00a0", " "), words
    assert len(db_session.scalars(text("SELECT action_id FROM action_access WHERE user_id = :id"), {"id": user_id}).all()) == 2
    assert post(browser, path, _start(asked.text) | mine).status_code == 303
    assert db_session.scalar(text("SELECT limited_to_actions FROM ab_user WHERE id = :id"), {"id": user_id}) is False


@given(*[st.frozensets(st.sampled_from([*range(6)])) for _ in range(3)])
def test_merged_rights_keep_every_change(base: frozenset[int], mine: frozenset[int], theirs: frozenset[int]) -> None:
    merged = Rights.of(None, mine).merged(Rights.of(None, base), Rights.of(None, theirs))
    if merged is None:
        return
    given_to = merged.action_ids or frozenset()
    assert (mine - base) | (theirs - base) <= given_to
    assert not given_to & ((base - mine) | (base - theirs))


def test_who_may_not_set_rights(as_user: AsUser, db_session: Session) -> None:
    user_id, principal = id_of(db_session, "secondaire"), id_of(db_session, "principal")
    assert as_user("secondaire").get(f"/gestion-organisme/droits/{user_id}").status_code == 403
    assert as_user("autre-of").get(f"/gestion-organisme/droits/{user_id}").status_code == 404
    for who in ("principal", "admin", "support", "region"):
        assert as_user(who).get(f"/gestion-organisme/droits/{principal}").status_code == 403, who
    for who in ("admin", "support", "region"):
        assert as_user(who).get(f"/gestion-organisme/droits/{user_id}").status_code == 200, who


def test_an_action_of_another_organisation_cannot_be_given(as_user: AsUser, db_session: Session) -> None:
    browser, user_id = as_user("principal"), id_of(db_session, "secondaire")
    path = f"/gestion-organisme/droits/{user_id}"
    foreign = db_session.scalar(text("SELECT a.id FROM action a JOIN ab_user u USING (organisation_id) WHERE u.username = 'autre-of' LIMIT 1"))
    values = {"seen": _seen(browser.get(path).text), "functions": [], "actions_scope": "certaines", "verb": "save", "actions": [str(foreign)]}
    answer = post(browser, path, values)
    assert answer.status_code == 422
    assert "n’existe plus" in answer.text
    assert db_session.scalar(text("SELECT count(*) FROM action_access")) == 0


def test_a_new_action_is_given_to_nobody(db_session: Session, limited: Scope) -> None:
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(
            text(
                "INSERT INTO action (organisation_id, contract_id, number, title, status, year, planned_start, planned_end, created_at, updated_at) "
                "SELECT organisation_id, contract_id, number || '9', 'nouvelle', 'AO', year, planned_start, planned_end, now(), now() FROM action "
                "WHERE organisation_id = :own LIMIT 1"
            ),
            {"own": limited.organisation_id},
        )
    with bound_scope(limited):
        assert db_session.scalar(text("SELECT count(*) FROM action")) == 1


def test_refused_services(db_session: Session) -> None:
    actor, target = id_of(db_session, "autre-of"), id_of(db_session, "secondaire")
    with pytest.raises(services.AccountNotFound):
        access.save_rights(target, Rights.of([], None), seen="", actor_id=actor)
    with pytest.raises(services.AccountRefused):
        access.save_rights(target, Rights.of([], None), seen="", actor_id=target)


def test_rights_left_unsent_are_resumed_with_those_their_author_had_seen(as_user: AsUser, db_session: Session, actions: tuple[int, int]) -> None:
    browser, user_id = as_user("principal"), id_of(db_session, "secondaire")
    path = f"/gestion-organisme/droits/{user_id}"
    shown = Filled(browser.get(path).text, "row_kept")
    fewer = shown.data(functions=["trainees", "invoicing"], actions_scope=["certaines"], actions=[str(actions[0])])
    assert post(browser, "/brouillon", fewer | {"row_path": path}).status_code == 204
    assert OFFER in browser.get(path).text
    narrow(db_session, "secondaire", [Function.CONSULT, Function.TRAINEES, Function.DECLARATIONS], None)  # by somebody else meanwhile
    resumed = Filled(browser.get(f"{path}?brouillon=1").text, "row_kept")
    assert (resumed["seen"], resumed["actions"]) == (shown["seen"], [str(actions[0])])
    assert set(resumed["functions"]) == {"trainees", "invoicing"}
    assert post(browser, path, resumed.data(verb=["save"])).status_code == 303
    row = db_session.execute(text("SELECT functions, limited_to_actions FROM ab_user WHERE id = :id"), {"id": user_id}).one()
    assert set(row.functions) == {"consult", "trainees"} and row.limited_to_actions, "each function by itself: what either took is taken"
    assert OFFER not in browser.get(path).text
    assert post(browser, "/brouillon", resumed.data() | {"row_path": path}).status_code == 409, "it was sent"


def test_rights_as_they_stand_are_not_offered(as_user: AsUser, db_session: Session, actions: tuple[int, int]) -> None:
    browser, user_id = as_user("principal"), id_of(db_session, "secondaire")
    path = f"/gestion-organisme/droits/{user_id}"
    shown = Filled(browser.get(path).text, "row_kept")
    assert post(browser, "/brouillon", shown.data() | {"row_path": path}).status_code == 204
    assert OFFER not in browser.get(path).text


def test_ticks_under_all_actions_are_in_the_draft_too(as_user: AsUser, db_session: Session, actions: tuple[int, int]) -> None:
    browser, user_id = as_user("principal"), id_of(db_session, "secondaire")
    path = f"/gestion-organisme/droits/{user_id}"
    shown = Filled(browser.get(path).text, "row_kept")
    ticked = shown.data(actions_scope=["toutes"], actions=[str(actions[0])])
    assert post(browser, "/brouillon", ticked | {"row_path": path}).status_code == 204
    assert OFFER in browser.get(path).text
    resumed = Filled(browser.get(f"{path}?brouillon=1").text, "row_kept")
    assert (resumed["actions"], resumed["actions_scope"]) == ([str(actions[0])], ["toutes"])
