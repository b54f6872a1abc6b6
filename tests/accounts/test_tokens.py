"""Access tokens and the programming interface: made, shown once, limited, revoked; no cookie, no redirect, no other organisation."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import schemathesis
from flask_appbuilder.security.sqla.models import User
from hypothesis import HealthCheck, given, settings
from schemathesis import checks
from sqlalchemy import select, text, update

from app.accounts import services, sessions
from app.accounts.access import domain as access
from app.accounts.models import ApiToken, Organisation
from app.core import api, clock, logs
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.core.ui.csrf import csrf
from tests.accounts.helpers import PASSWORD, WRONG, post, signed_in

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

AsUser = Callable[[str], "FlaskClient"]
NEW = "/mon-compte/jetons/nouveau"
ALL = ("compte:lecture", "organisme:lecture", "comptes:lecture")
FORM = {"name": "Planning", "scopes": ["compte:lecture"], "days": "90", "networks": "", "current": PASSWORD}


def id_of(identifiant: str) -> int:
    with bound_scope(Scope.system()):
        return int(db.session.scalars(select(User.id).where(User.username == identifiant)).one())


def make(identifiant: str, *scopes: str, networks: tuple[str, ...] = ()) -> str:
    """A token of the account, without its form."""
    return services.create_token(
        id_of(identifiant), name="Essai", scopes=scopes or ALL, days=30, networks=networks, password=PASSWORD, ip="192.0.2.1"
    )


def call(browser: FlaskClient, path: str, token: str | None = None, *, address: str = "192.0.2.1", **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return browser.open(f"/api/v1{path}", headers=headers | options.pop("headers", {}), environ_overrides={"REMOTE_ADDR": address}, **options)


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = answer.get_json()
    assert (answer.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert answer.content_type == "application/problem+json"
    assert "Location" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert re.fullmatch(r"[0-9a-f]{32}", problem["reference"])
    return problem


def change(**values: Any) -> None:
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(update(ApiToken).values(**values))


# ---- rules -----------------------------------------------------------------------------------------------------------


def test_networks_as_people_write_them() -> None:
    assert access.read_networks("192.0.2.10, 198.51.100.7/24\n2001:db8::/32 ; 192.0.2.10") == ["192.0.2.10/32", "198.51.100.0/24", "2001:db8::/32"]
    assert access.read_networks("  ") == []
    for wrong in ("bureau", "192.0.2.300", "192.0.2.0/33", "192.0.2.0/24/8"):
        with pytest.raises(access.BadNetwork) as error:
            access.read_networks(f"192.0.2.1 {wrong}")
        assert error.value.text == wrong


def test_addresses_within_networks() -> None:
    networks = ["192.0.2.0/24", "2001:db8::/32"]
    for inside in ("192.0.2.200", "::ffff:192.0.2.1", "2001:db8:1::1"):
        assert access.address_allowed(inside, networks)
    for outside in ("192.0.3.1", "2001:db9::1", None, "", "x"):
        assert not access.address_allowed(outside, networks)
    assert access.address_allowed(None, [])


# ---- "Mon compte" ----------------------------------------------------------------------------------------------------


def test_a_token_is_made_shown_once_and_kept_as_a_digest(as_user: AsUser, client: FlaskClient, db_session: Session) -> None:
    browser = as_user("principal")
    assert "Aucun jeton d’accès" in browser.get("/mon-compte/").text
    page = browser.get(NEW).text
    for words in ("Portées", "Lire la fiche de l’organisme", "30 jours", "365 jours", "Réseaux autorisés", "Mot de passe actuel", "Suivre les fichiers importés (imports:lecture)"):
        assert words in page
    answer = post(browser, NEW, FORM | {"scopes": list(ALL), "networks": "192.0.2.0/24"})
    assert (answer.status_code, answer.location) == (303, "/mon-compte/jetons/cree")
    found = re.search(r"pmf_[A-Za-z0-9_-]{43}", browser.get(answer.location).text)
    assert found is not None
    token = found.group(0)
    assert browser.get("/mon-compte/jetons/cree").location == "/mon-compte/#jetons", "shown once"
    listed = browser.get("/mon-compte/").text
    assert "Planning" in listed
    assert "Lire la fiche de l’organisme (organisme:lecture)" in listed, "the codes that programs read"
    assert token[:10] + "…" in listed
    assert token not in listed
    assert "jamais" in listed
    assert call(client, "/compte", token).status_code == 200
    assert "192.0.2.1" in browser.get("/mon-compte/").text, "last use: when and from where"
    with bound_scope(Scope.system()):
        row = db_session.scalars(select(ApiToken)).one()
        assert row.token_hash == sessions.digest(token)
        assert row.expires_at - row.created_at == timedelta(days=90)
        template, body = db_session.execute(text("SELECT template, body::text FROM mail_message")).one()
    assert template == "api_token_created"
    assert token not in body


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": " "}, "Donnez un nom au jeton"),
        ({"scopes": []}, "au moins une portée"),
        ({"scopes": ["tout"]}, "error-summary"),
        ({"days": "3650"}, "error-summary"),
        ({"networks": "bureau"}, "« bureau » n’est pas un réseau"),
        ({"networks": " ".join(f"192.0.2.{n}" for n in range(21))}, "20 réseaux au plus"),
        ({"current": ""}, "error-summary"),
        ({"current": WRONG}, "mot de passe actuel"),
    ],
)
def test_what_the_form_refuses(as_user: AsUser, db_session: Session, wrong: dict[str, Any], words: str) -> None:
    answer = post(as_user("principal"), NEW, FORM | wrong)
    assert answer.status_code == 422
    assert words in answer.text
    if "name" not in wrong:
        assert 'value="Planning"' in answer.text, "what was typed is kept"
    assert PASSWORD not in answer.text
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(ApiToken.id)) is None


def test_scopes_are_those_of_the_account(as_user: AsUser) -> None:
    secondary = as_user("secondaire")
    assert "Lire les comptes de l’organisme" not in secondary.get(NEW).text
    assert post(secondary, NEW, FORM | {"scopes": ["comptes:lecture"]}).status_code == 422
    assert "Lire la fiche de l’organisme" not in as_user("admin").get(NEW).text


def test_three_wrong_passwords_block_there_too(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("secondaire")
    for _ in range(2):
        post(browser, NEW, FORM | {"current": WRONG})
    assert post(browser, NEW, FORM | {"current": WRONG}).location == "/connexion"
    assert not signed_in(browser)


def test_ten_tokens_at_most(as_user: AsUser, db_session: Session) -> None:
    for _ in range(access.TOKENS_AT_MOST):
        make("principal")
    browser = as_user("principal")
    answer = post(browser, NEW, FORM)
    assert answer.status_code == 422
    assert "Vous avez 10 jetons" in answer.text
    with bound_scope(Scope.system()):
        one = db_session.scalars(select(ApiToken.id)).first()
    assert post(browser, f"/mon-compte/jetons/{one}/revoquer").status_code == 303
    assert post(browser, NEW, FORM).status_code == 303


def test_revoking(as_user: AsUser, client: FlaskClient, db_session: Session) -> None:
    token = make("principal")
    assert call(client, "/compte", token).status_code == 200
    with bound_scope(Scope.system()):
        token_id = db_session.scalars(select(ApiToken.id)).one()
    url = f"/mon-compte/jetons/{token_id}/revoquer"
    for other in ("secondaire", "autre-of", "admin", "support"):
        assert as_user(other).get(url).status_code == 404
        assert post(as_user(other), url).status_code == 404
    browser = as_user("principal")
    assert "C’est définitif" in browser.get(url).text
    assert call(client, "/compte", token).status_code == 200
    assert "a bien été révoqué" in browser.get(post(browser, url).location).text
    refused(call(client, "/compte", token), 401, "token_invalid")
    assert post(browser, url).status_code == 404


# ---- the interface ---------------------------------------------------------------------------------------------------


def test_who_am_i(client: FlaskClient, db_session: Session) -> None:
    found = call(client, "/compte", make("principal")).get_json()
    assert found["compte"]["identifiant"] == "principal"
    assert found["compte"]["roles"] == ["Compte principal"]
    assert found["organisme"]["siret"] == "12345678913000"
    assert found["jeton"]["portees"] == sorted(ALL)
    assert call(client, "/compte", make("admin", "compte:lecture")).get_json()["organisme"] is None


def test_the_organisation(client: FlaskClient, db_session: Session) -> None:
    assert call(client, "/organisme", make("secondaire", "organisme:lecture")).get_json()["raison_sociale"] == "ORGANISME DE FORMATION GARONNE"
    refused(call(client, "/organisme", make("admin", "organisme:lecture")), 404, "not_found")


def test_accounts_page_after_page_and_of_one_organisation(client: FlaskClient, db_session: Session) -> None:
    token = make("principal")
    first = call(client, "/comptes?taille=1", token).get_json()
    assert [one["identifiant"] for one in first["comptes"]] == ["principal"]
    second = call(client, f"/comptes?taille=1&apres={first['suivant']}", token).get_json()
    assert [one["identifiant"] for one in second["comptes"]] == ["secondaire"]
    assert second["suivant"] is None
    whole = call(client, "/comptes", token).get_json()["comptes"]
    assert {one["identifiant"] for one in whole} == {"principal", "secondaire"}
    assert {one["identifiant"] for one in call(client, "/comptes", make("autre-of")).get_json()["comptes"]} == {"autre-of"}


@pytest.mark.parametrize("query", ["taille=0", "taille=101", "taille=x", "taille=1e2", "apres=-1", "apres=99999999999", "taille=", "apres=1%00"])
def test_parameters_are_checked(client: FlaskClient, db_session: Session, query: str) -> None:
    problem = refused(call(client, f"/comptes?{query}", make("principal")), 400, "parameter_invalid")
    assert problem["parameter"] in query


def test_a_token_opens_what_its_scopes_say(client: FlaskClient, db_session: Session) -> None:
    token = make("principal", "organisme:lecture")
    assert call(client, "/organisme", token).status_code == 200
    assert refused(call(client, "/compte", token), 403, "scope_missing")["scope"] == "compte:lecture"
    refused(call(client, "/comptes", token), 403, "scope_missing")


def test_the_rights_of_the_account_still_limit_it(client: FlaskClient, db_session: Session) -> None:
    """A token is no way round the account's rights, even when its scopes were once allowed."""
    refused(call(client, "/comptes", make("secondaire", "comptes:lecture")), 403, "permission_missing")
    refused(call(client, "/comptes", make("support", "comptes:lecture")), 403, "permission_missing")


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic cHJpbmNpcGFsOng=", "Token pmf_x", "pmf_" + "a" * 43],
)
def test_without_a_token(client: FlaskClient, header: str) -> None:
    answer = client.get("/api/v1/compte", headers={"Authorization": header} if header else {})
    refused(answer, 401, "token_missing")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("raw", ["x", "pmf_", "pmf_" + "a" * 43, "pmf_" + "a" * 42, "é" * 47, "pmf_" + "a" * 5000])
def test_a_token_that_is_none(client: FlaskClient, db_session: Session, raw: str) -> None:
    refused(client.get("/api/v1/compte", headers={"Authorization": f"Bearer {raw}".encode().decode("latin-1")}), 401, "token_invalid")


@pytest.mark.parametrize("who", ["principal", "admin", "support"])
def test_a_session_opens_nothing_here(as_user: AsUser, who: str) -> None:
    """F8: whatever the cookie, and never a redirect to the sign-in page."""
    for path in ("/compte", "/organisme", "/comptes"):
        refused(call(as_user(who), path), 401, "token_missing")


def test_a_token_opens_no_page(client: FlaskClient, db_session: Session) -> None:
    token = make("principal")
    answer = client.get("/mon-compte/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 302


def test_no_exempt_route_takes_a_cookie(app: Flask, as_user: AsUser) -> None:
    """F8: what asks no form token knows no session either; the browser's reports of violations change nothing."""
    exempt = {getattr(one, "name", one) for one in csrf._exempt_blueprints}
    assert exempt == {"api_v1"}
    assert csrf._exempt_views == {"app.core.ui.security_headers.report"}
    browser = as_user("admin")
    writes = {"edit_account": "PATCH"} | dict.fromkeys(("send_import", "name_import_columns", "apply_import", "undo_import", "retry_import", "check_import_aside"), "POST")
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("api_v1.") and rule.endpoint != "api_v1.describe":
            written = writes.get(rule.endpoint.removeprefix("api_v1."))
            assert browser.open(re.sub(r"<int:\w+>", "1", rule.rule), method=written or "GET").status_code == 401
            assert rule.methods == ({written} if written else {"GET", "HEAD"})


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods(client: FlaskClient, db_session: Session, method: str) -> None:
    answer = call(client, "/compte", make("principal"), method=method)
    refused(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


def test_addresses_that_are_not(client: FlaskClient, db_session: Session) -> None:
    for path in ("/nulle-part", "/compte/", "/comptes/1", "/../compte"):
        assert refused(call(client, path, make("principal")), 404, "not_found")
    assert client.get("/api/v2/compte").get_json()["code"] == "not_found"


def test_a_failure_says_nothing(client: FlaskClient, app: Flask, db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.accounts import queries

    token = make("principal")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr(queries, "organisation", lambda _id: 1 / 0)
    try:
        answer = call(client, "/organisme", token)
    finally:
        app.config["PROPAGATE_EXCEPTIONS"] = None
    refused(answer, 500, "failure")
    assert "ZeroDivision" not in answer.text


# ---- what ends a token -----------------------------------------------------------------------------------------------


def test_it_expires(client: FlaskClient, db_session: Session) -> None:
    token = make("principal")
    change(created_at=clock.now() - timedelta(days=31), expires_at=clock.now() - timedelta(seconds=1))
    refused(call(client, "/compte", token), 401, "token_invalid")


@pytest.mark.parametrize("end", ["deactivate", "block", "delete", "password"])
def test_it_dies_with_its_account_and_does_not_come_back(client: FlaskClient, db_session: Session, end: str) -> None:
    token = make("secondaire")
    user_id = id_of("secondaire")
    assert call(client, "/compte", token).status_code == 200
    if end == "password":
        services.set_password(user_id, "Une-autre-phrase-2027!")
    else:
        values: dict[str, dict[str, Any]] = {
            "deactivate": {"active": False, "deactivated_at": clock.now()},
            "block": {"blocked_at": clock.now(), "failed_attempts": 3},
            "delete": {"deleted_at": clock.now()},
        }
        with bound_scope(Scope.system()), transaction() as session:
            session.execute(update(User).where(User.id == user_id).values(**values[end]))
    refused(call(client, "/compte", token), 401, "token_invalid")
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(
            update(User).where(User.id == user_id).values(active=True, deactivated_at=None, blocked_at=None, failed_attempts=0, deleted_at=None)
        )
    refused(call(client, "/compte", token), 401, "token_invalid")


def test_it_dies_with_its_organisation(client: FlaskClient, db_session: Session) -> None:
    token = make("secondaire")
    for active in (False, True):
        with bound_scope(Scope.system()), transaction() as session:
            session.execute(update(Organisation).where(Organisation.siret == "12345678913000").values(active=active))
        refused(call(client, "/compte", token), 401, "token_invalid")


def test_it_is_limited_to_networks(client: FlaskClient, db_session: Session) -> None:
    token = make("principal", networks=("198.51.100.0/24", "2001:db8::/32"))
    for address in ("198.51.100.9", "2001:db8:5::1"):
        assert call(client, "/compte", token, address=address).status_code == 200
    change(last_used_at=None, last_used_ip=None)
    refused(call(client, "/compte", token, address="203.0.113.9"), 403, "network_not_allowed")
    with bound_scope(Scope.system()):
        assert db_session.scalars(select(ApiToken.last_used_at)).one() is None


def test_a_mandatory_second_factor_is_asked_of_tokens_too(app: Flask, client: FlaskClient, db_session: Session) -> None:
    token = make("principal")
    app.config["SECOND_FACTOR_REQUIRED"] = "all"
    try:
        refused(call(client, "/compte", token), 403, "second_factor_missing")
    finally:
        app.config["SECOND_FACTOR_REQUIRED"] = "none"


def test_the_last_use_is_written_once_a_minute(client: FlaskClient, db_session: Session) -> None:
    token = make("principal")

    def last() -> tuple[Any, Any]:
        with bound_scope(Scope.system()):
            return tuple(db_session.execute(select(ApiToken.last_used_at, ApiToken.last_used_ip)).one())  # type: ignore[return-value]

    call(client, "/compte", token, address="192.0.2.1")
    first = last()
    assert first[1] == "192.0.2.1"
    call(client, "/compte", token, address="192.0.2.2")
    assert last() == first
    change(last_used_at=clock.now() - access.TOKEN_TOUCH)
    call(client, "/compte", token, address="192.0.2.2")
    assert last()[1] == "192.0.2.2"


def test_what_a_call_costs(client: FlaskClient, db_session: Session) -> None:
    """One statement for the token, the account, its roles and its organisation; one for its rights where they are asked."""
    from sqlalchemy import event

    token = make("principal")
    call(client, "/comptes", token)
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "INSERT")) and "set_config" not in statement:
            seen.append(statement)

    connection = db_session.connection()
    event.listen(connection, "before_cursor_execute", note)
    try:
        assert call(client, "/comptes", token).status_code == 200
    finally:
        event.remove(connection, "before_cursor_execute", note)
    assert len(seen) == 4, seen


# ---- rate ------------------------------------------------------------------------------------------------------------


def test_a_token_and_an_address_are_braked(limited: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.core.api import caller

    monkeypatch.setattr(caller, "RATE", "5 per minute")
    monkeypatch.setattr(caller, "REFUSALS_RATE", "5 per minute")
    with limited.app_context():
        first, second = make("principal"), make("principal")
    browser = limited.test_client()
    statuses = [call(browser, "/compte", first).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    answer = call(browser, "/compte", first)
    refused(answer, 429, "too_many_requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert call(browser, "/compte", second).status_code == 200, "another token is not concerned"
    wrong = "pmf_" + "a" * 43
    assert [call(browser, "/compte", wrong, address="203.0.113.4").status_code for _ in range(6)] == [401] * 5 + [429]
    assert call(browser, "/compte", second, address="203.0.113.4").status_code == 429
    assert call(browser, "/compte", second, address="203.0.113.5").status_code == 200


# ---- its description -------------------------------------------------------------------------------------------------


def test_the_description_is_whole_and_valid(app: Flask, client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").get_json()
    schemathesis.openapi.from_dict(document).validate()
    routes = {re.sub(r"<int:(\w+)>", r"{\1}", rule.rule.removeprefix("/api/v1")) for rule in app.url_map.iter_rules() if rule.endpoint.startswith("api_v1.")}
    assert routes == {*document["paths"], "/openapi.json"}
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert {"400", "401", "403", "429"} <= operation["responses"].keys()
        done = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        assert done
        for answer in done:
            assert answer["content"]
            for content in answer["content"].values():
                jsonschema_rs.meta.validate(content["schema"])
    for scope in api.scopes():
        assert scope.name in document["components"]["securitySchemes"]["token"]["description"]


@pytest.mark.slow
def test_the_interface_keeps_its_description(committed: Flask) -> None:
    """Whatever is sent, nothing breaks, and what comes back is what the description says; without token, 401."""
    committed.config["PROPAGATE_EXCEPTIONS"] = False
    with committed.app_context():
        token = make("principal", *ALL, "comptes:ecriture", "imports:lecture", "imports:ecriture")
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", committed)
    kept = [checks.not_a_server_error, checks.status_code_conformance, checks.response_schema_conformance, checks.content_type_conformance]
    seen: set[int] = set()
    for operation in schema.get_all_operations():
        found = operation.ok()

        @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=found.as_strategy())
        def examine(case: schemathesis.Case) -> None:
            case.headers.update({"Authorization": f"Bearer {token}"})
            response = case.call()
            seen.add(response.status_code)
            case.validate_response(response, checks=kept)
            case.headers.pop("Authorization")
            assert json.loads(case.call().content)["code"] == "token_missing"

        examine()
    assert {200, 202} <= seen <= {200, 202, 304, 400, 404, 409, 412, 413, 415, 422, 428}


# ---- nobody overwrites anybody ---------------------------------------------------------------------------------------

WRITE = ("comptes:lecture", "comptes:ecriture")


def test_one_object_has_a_tag_and_is_not_sent_twice(client: FlaskClient, db_session: Session) -> None:
    token, key = make("principal", *ALL), id_of("secondaire")
    for path in ("/organisme", f"/comptes/{key}", "/compte"):
        first = call(client, path, token)
        tag = first.headers["ETag"]
        assert re.fullmatch(r'"[0-9a-f]{32}"', tag), "strong"
        again = call(client, path, token, headers={"If-None-Match": tag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
        assert call(client, path, token, headers={"If-None-Match": '"autre"'}).status_code == 200
    tag = call(client, "/organisme", token).headers["ETag"]
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(text("UPDATE organisation SET trade_name = 'Autre enseigne' WHERE id = (SELECT organisation_id FROM ab_user WHERE id = :id)"), {"id": key})
    moved = call(client, "/organisme", token, headers={"If-None-Match": tag})
    assert moved.status_code == 200
    assert moved.headers["ETag"] != tag


def test_a_read_may_ask_for_one_version_only(client: FlaskClient, db_session: Session) -> None:
    token = make("principal")
    tag = call(client, "/organisme", token).headers["ETag"]
    for other in ('"autre"', f"W/{tag}"):
        late = call(client, "/organisme", token, headers={"If-Match": other})
        refused(late, 412, "precondition_failed")
        assert late.headers["ETag"] == tag
    for same in (tag, f'"autre", {tag}', "*"):
        assert call(client, "/organisme", token, headers={"If-Match": same}).get_json()["raison_sociale"]
    assert call(client, "/organisme", token, headers={"If-Match": tag, "If-None-Match": tag}).status_code == 304


def test_a_write_names_the_version_it_was_made_from(client: FlaskClient, db_session: Session) -> None:
    token, key = make("principal", *WRITE), id_of("secondaire")
    path = f"/comptes/{key}"
    read = call(client, path, token)
    tag = {"If-Match": read.headers["ETag"]}
    for headers in ({}, {"If-Match": "*"}):
        refused(call(client, path, token, method="PATCH", json={"nom": "DURAND"}, headers=headers), 428, "precondition_required")
    done = call(client, path, token, method="PATCH", json={"nom": "DURAND"}, headers=tag)
    assert done.status_code == 200
    assert done.get_json() == read.get_json() | {"nom": "DURAND"}
    late = call(client, path, token, method="PATCH", json={"prenom": "Karim"}, headers=tag)
    refused(late, 412, "precondition_failed")
    assert late.headers["ETag"] == done.headers["ETag"] == call(client, path, token).headers["ETag"]
    weak = {"If-Match": f"W/{done.headers['ETag']}"}
    refused(call(client, path, token, method="PATCH", json={"prenom": "Karim"}, headers=weak), 412, "precondition_failed")
    assert call(client, path, token).get_json()["prenom"] == read.get_json()["prenom"]
    again = call(client, path, token, method="PATCH", json={"prenom": "Karim", "courriel": "karim@example.org"}, headers={"If-Match": late.headers["ETag"]})
    assert (again.status_code, again.get_json()["courriel"], again.get_json()["nom"]) == (200, "karim@example.org", "DURAND")


def test_a_write_is_checked_field_by_field(client: FlaskClient, db_session: Session) -> None:
    token, key = make("principal", *WRITE), id_of("secondaire")
    path = f"/comptes/{key}"
    tag = {"If-Match": call(client, path, token).headers["ETag"]}
    for body, fields in (
        ({"courriel": "pas-une-adresse", "nom": ""}, {"courriel", "nom"}),
        ({"civilite": "DR"}, {"civilite"}),
        ({"identifiant": "autre"}, {"identifiant"}),
        ({"nom": 3}, {"nom"}),
        ({"nom": None}, {"nom"}),
        ({}, {""}),
    ):
        problem = refused(call(client, path, token, method="PATCH", json=body, headers=tag), 422, "fields_invalid")
        assert {one["field"] for one in problem["errors"]} == fields
        assert all(one["detail"] for one in problem["errors"])
    for options in ({"data": "nom=DURAND", "content_type": "application/x-www-form-urlencoded"}, {"data": "[", "content_type": "application/json"}, {"json": []}):
        refused(call(client, path, token, method="PATCH", headers=tag, **options), 415, "body_invalid")
    assert call(client, path, token).headers["ETag"] == tag["If-Match"], "nothing was written"


def test_who_may_write(client: FlaskClient, db_session: Session) -> None:
    key = id_of("secondaire")
    tag = {"If-Match": call(client, f"/comptes/{key}", make("principal")).headers["ETag"]}
    sent = {"method": "PATCH", "json": {"nom": "DURAND"}, "headers": tag}
    refused(call(client, f"/comptes/{key}", make("principal"), **sent), 403, "scope_missing")
    refused(call(client, f"/comptes/{key}", make("secondaire", *WRITE), **sent), 403, "permission_missing")
    refused(call(client, f"/comptes/{key}", make("autre-of", *WRITE), **sent), 404, "not_found")
    for number in (id_of("admin"), 0, 987654321):
        refused(call(client, f"/comptes/{number}", make("principal", *WRITE), **sent), 404, "not_found")
    own = call(client, f"/comptes/{id_of('principal')}", make("principal", *WRITE))
    answer = call(client, f"/comptes/{id_of('principal')}", make("principal", *WRITE), method="PATCH", json={"courriel": "moi@example.org"}, headers={"If-Match": own.headers["ETag"]})
    assert refused(answer, 409, "refused")["detail"]


# ---- registering -----------------------------------------------------------------------------------------------------


def test_a_resource_needs_a_declared_scope() -> None:
    with pytest.raises(LookupError, match="inconnue"):
        api.resource("/x", scope="inconnue", summary="x", answer={})(dict)


def test_nothing_secret_is_logged(client: FlaskClient, as_user: AsUser, db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    logs.configure(level="DEBUG")
    try:
        browser = as_user("principal")
        post(browser, NEW, FORM)
        found = re.search(r"pmf_[A-Za-z0-9_-]{43}", browser.get("/mon-compte/jetons/cree").text)
        assert found is not None
        token = found.group(0)
        call(client, "/compte", token)
        call(client, "/comptes", token)
        call(client, "/compte", token[:-1] + "x")
    finally:
        root = logging.getLogger()
        root.handlers = [handler for handler in root.handlers if not getattr(handler, "portal", False)]
        root.setLevel(logging.WARNING)
    with bound_scope(Scope.system()):
        journal = str(db_session.execute(text("SELECT string_agg(e::text, ' ') FROM audit_entry e")).scalar_one())
    assert "api_token_created" in written.getvalue(), "the log was listened to"
    for place in (written.getvalue(), journal):
        assert token not in place
        assert token[11:] not in place
        assert sessions.digest(token) not in place


@pytest.mark.parametrize("networks", ["fe80::1%a\x00", "fe80::1%eth0", "192.0.2.1%1"])
def test_a_zone_is_no_network(as_user: AsUser, networks: str) -> None:
    with pytest.raises(access.BadNetwork):
        access.read_networks(networks)
    answer = post(as_user("principal"), NEW, {**FORM, "networks": networks})
    assert answer.status_code == 422
    assert "désigne pas" in answer.text or "n’est pas un réseau" in answer.text


def test_a_name_with_a_forbidden_character(as_user: AsUser, db_session: Session) -> None:
    assert post(as_user("principal"), NEW, {**FORM, "name": "  a\x00b   c "}).status_code == 303
    assert post(as_user("principal"), NEW, {**FORM, "name": "\x00"}).status_code == 422
    with bound_scope(Scope.system()):
        assert db_session.scalars(select(ApiToken.name)).all() == ["ab c"]
