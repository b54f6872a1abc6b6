"""The second factor: set up, asked at sign-in, counted, used once, mandatory for some, taken away for others (bar B1.8)."""

from __future__ import annotations

import io
import logging
import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyotp
import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import func, select, text, update

from app.accounts import authentication, domain, services
from app.accounts.access import domain as access
from app.accounts.access import factor
from app.accounts.access import queries as access_queries
from app.accounts.access.domain import FactorPolicy
from app.accounts.models import LinkPurpose, RecoveryCode, SecondFactor, SessionPurpose, UserSession
from app.accounts.services.links import issue_link
from app.core import clock, crypto, logs
from app.core.extensions import db
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import PASSWORD, WRONG, post, sign_in, signed_in

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

AsUser = Callable[[str], "FlaskClient"]
CODE_PAGE = "/authentification/code"


def id_of(identifiant: str) -> int:
    with bound_scope(Scope.system()):
        return int(db.session.scalars(select(User.id).where(User.username == identifiant)).one())


def turn_on(identifiant: str) -> tuple[str, list[str]]:
    """Give the account a second factor whose steps up to the present one count as used; gives secret and recovery codes."""
    with bound_scope(Scope.system()), transaction() as session:
        user = session.scalars(select(User).where(User.username == identifiant)).one()
        secret = factor.new_secret()
        row = SecondFactor(user_id=user.id, organisation_id=user.organisation_id, secret=b"", confirmed_at=clock.now())
        session.add(row)
        session.flush()
        row.secret = factor.seal(secret, row.seal_uid)
        return secret, factor.replace_codes(session, user)


def code(secret: str, steps: int = 0) -> str:
    return str(pyotp.TOTP(secret).generate_otp(access.step_at(clock.now()) + steps))


def wrong_code(secret: str) -> str:
    """Six digits that are not accepted now."""
    near = {code(secret, steps) for steps in range(-3, 4)}
    return next(one for one in ("000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777") if one not in near)


def give(browser: FlaskClient, typed: str, **more: str) -> Any:
    return post(browser, CODE_PAGE, {"otp": typed, **more}, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})


def mails(session: Session) -> list[str]:
    with bound_scope(Scope.system()):
        return list(session.scalars(text("SELECT template FROM mail_message ORDER BY created_at")))


# ---- rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["123456", " 123 456 ", "123-456", "123.456"])
def test_an_application_code_however_it_is_spaced(typed: str) -> None:
    assert access.application_code(typed) == "123456"


@pytest.mark.parametrize("typed", ["12345", "1234567", "abcdef", "", "١٢٣٤٥٦"])
def test_what_is_no_application_code(typed: str) -> None:
    assert access.application_code(typed) is None


def test_a_recovery_code_however_it_is_typed() -> None:
    plain = "abcdefghjkmn2345"
    assert access.format_recovery_code(plain) == "abcd-efgh-jkmn-2345"
    for typed in (plain, "ABCD-EFGH-JKMN-2345", "abcd efgh jkmn 2345", "abcd\N{EN DASH}efgh\N{EN DASH}jkmn\N{EN DASH}2345"):
        assert access.recovery_code(typed) == plain
    for typed in ("", "123456", plain + "x", "abcdefghjkmn234o", "a" * 10_000):
        assert access.recovery_code(typed) is None


@pytest.mark.parametrize(
    ("policy", "roles", "required"),
    [
        (FactorPolicy.NONE, [Role.REGION_ADMIN], False),
        (FactorPolicy.STAFF, [Role.REGION_ADMIN], True),
        (FactorPolicy.STAFF, [Role.REGION_VALIDATOR], True),
        (FactorPolicy.STAFF, [Role.SUPPORT], True),
        (FactorPolicy.STAFF, [Role.PRINCIPAL], False),
        (FactorPolicy.ALL, [Role.READ_ONLY], True),
    ],
)
def test_for_whom_it_is_mandatory(policy: FactorPolicy, roles: list[Role], required: bool) -> None:
    assert access.factor_required(policy, roles) is required


def test_who_may_take_it_away() -> None:
    """An administrator from anybody but itself; support from organisations' accounts; nobody else."""

    def refused(role: Role, target: Role, *, target_organisation: int | None = 1, organisation: int | None = None) -> domain.Refusal | None:
        actor = domain.Party(id=1, roles=frozenset({role}), organisation_id=organisation)
        return domain.refusal_of(actor, domain.Act.RESET_FACTOR, domain.Party(id=2, roles=frozenset({target}), organisation_id=target_organisation))

    assert refused(Role.REGION_ADMIN, Role.SUPPORT, target_organisation=None) is None
    assert refused(Role.REGION_ADMIN, Role.PRINCIPAL) is None
    assert refused(Role.SUPPORT, Role.PRINCIPAL) is None
    assert refused(Role.SUPPORT, Role.REGION_ADMIN, target_organisation=None) is domain.Refusal.NOT_ALLOWED
    assert refused(Role.REGION_MANAGER, Role.PRINCIPAL) is domain.Refusal.NOT_ALLOWED
    assert refused(Role.PRINCIPAL, Role.SECONDARY, organisation=1) is domain.Refusal.NOT_ALLOWED
    admin = domain.Party(id=1, roles=frozenset({Role.REGION_ADMIN}))
    assert domain.refusal_of(admin, domain.Act.RESET_FACTOR, admin) is domain.Refusal.OWN_ACCOUNT


def test_the_codes_are_those_of_the_standard(app: Flask) -> None:
    """RFC 6238, appendix B (the last six of its eight digits)."""
    from datetime import UTC, datetime

    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for seconds, expected in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037")):
        at = datetime.fromtimestamp(seconds, UTC)
        assert factor.matching_step(secret, expected, at) == seconds // 30
        assert factor.matching_step(secret, expected, at + timedelta(seconds=30)) == seconds // 30
        assert seconds < 60 or factor.matching_step(secret, expected, at - timedelta(seconds=30)) == seconds // 30
        assert factor.matching_step(secret, expected, at + timedelta(seconds=60)) is None


# ---- setting it up ---------------------------------------------------------------------------------------------------


def begin(browser: FlaskClient) -> str:
    """Through the pages, up to the secret."""
    answer = post(browser, "/mon-compte/second-facteur/activer", {"current": PASSWORD})
    assert (answer.status_code, answer.location) == (303, "/mon-compte/second-facteur/configurer")
    page = browser.get(answer.location).text
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", page)
    assert found is not None
    return found.group(1).replace(" ", "")


def test_setting_it_up(app: Flask, as_user: AsUser, db_session: Session) -> None:
    browser, other = as_user("secondaire"), as_user("secondaire")
    page = browser.get("/mon-compte/").text
    assert "Second facteur" in page
    assert "Désactivé" in page
    secret = begin(browser)
    assert signed_in(app.test_client()) is False
    assert sign_in(app.test_client(), "secondaire").location == "/", "not asked before it is confirmed"
    picture = browser.get("/mon-compte/second-facteur/qr.svg")
    assert picture.mimetype == "image/svg+xml"
    assert picture.headers["Cache-Control"] == "no-store"
    assert "style" not in picture.text
    assert secret not in picture.text
    refused = post(browser, "/mon-compte/second-facteur/configurer", {"otp": wrong_code(secret)})
    assert refused.status_code == 422
    assert "à l’heure" in refused.text
    answer = post(browser, "/mon-compte/second-facteur/configurer", {"otp": code(secret)})
    assert (answer.status_code, answer.location) == (303, "/mon-compte/second-facteur/codes")
    shown = browser.get(answer.location).text
    codes = re.findall(r'<code class="code">([a-z0-9-]{19})</code>', shown)
    assert len(set(codes)) == access.RECOVERY_CODES
    again = browser.get("/mon-compte/second-facteur/codes")
    assert again.status_code == 303, "shown once"
    assert "second_factor_on" in mails(db_session)
    assert signed_in(browser)
    assert not signed_in(other), "sessions opened by the password alone end"
    page = browser.get("/mon-compte/").text
    assert "Activé" in page
    assert ">10<" in page
    assert "Générer de nouveaux codes" in page
    with bound_scope(Scope.system()):
        stored = db_session.execute(text("SELECT encode(secret, 'escape') FROM second_factor")).scalar_one()
        assert secret not in stored
        hashes = set(db_session.scalars(select(RecoveryCode.code_hash)))
    assert hashes == {factor.code_digest(one.replace("-", "")) for one in codes}


def test_the_codes_can_be_kept_as_a_file(as_user: AsUser, db_session: Session) -> None:
    """Only what is really a code of the account is given back."""
    _secret, codes = turn_on("secondaire")
    _other, foreign = turn_on("autre-of")
    browser = as_user("secondaire")
    answer = post(browser, "/mon-compte/second-facteur/codes/telecharger", {"recovery": [*codes, foreign[0], "<script>", "x" * 16]})
    assert answer.mimetype == "text/plain"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert all(one in answer.text for one in codes)
    assert foreign[0] not in answer.text
    assert "script" not in answer.text
    assert post(browser, "/mon-compte/second-facteur/codes/telecharger", {"recovery": foreign}).status_code == 303


def test_it_asks_the_present_password_and_counts_it(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("secondaire")
    for _ in range(2):
        assert post(browser, "/mon-compte/second-facteur/activer", {"current": WRONG}).status_code == 422
    assert post(browser, "/mon-compte/second-facteur/activer", {"current": WRONG}).location == "/connexion"
    assert not signed_in(browser)


def test_a_secret_does_not_wait_for_ever(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("secondaire")
    secret = begin(browser)
    with bound_scope(Scope.system()), transaction():
        db_session.execute(update(SecondFactor).values(created_at=SecondFactor.created_at - access.SETUP_LIFETIME))
    assert browser.get("/mon-compte/second-facteur/configurer").location == "/mon-compte/second-facteur/activer"
    assert post(browser, "/mon-compte/second-facteur/configurer", {"otp": code(secret)}).location == "/mon-compte/second-facteur/activer"
    assert browser.get("/mon-compte/second-facteur/qr.svg").status_code == 303


# ---- signing in ------------------------------------------------------------------------------------------------------


def test_the_password_opens_the_page_of_the_code_and_nothing_else(client: FlaskClient, db_session: Session) -> None:
    secret, _codes = turn_on("principal")
    answer = sign_in(client, "principal", next="/mon-compte/?x=1")
    assert answer.status_code == 303
    assert answer.location == "/authentification/code?next=/mon-compte/?x%3D1"
    page = client.get(answer.location)
    assert page.status_code == 200
    assert "Code de vérification" in page.text
    assert "BLANC" not in page.text
    for path in ("/mon-compte/", "/", "/actions-de-formation/", "/gestion-organisme/fiche/", "/mon-compte/second-facteur/activer"):
        refused = client.get(path)
        assert refused.status_code == 302
        assert refused.location.startswith("/connexion")
    with client.session_transaction() as cookie:
        waiting = cookie["_waiting"]
        cookie["_user_id"] = waiting  # even where a full session's secret stands
    assert not signed_in(client)
    with client.session_transaction() as cookie:
        cookie.pop("_user_id", None)
        cookie["_waiting"] = waiting
    done = give(client, code(secret), next="/mon-compte/?x=1")
    assert (done.status_code, done.location) == (303, "/mon-compte/?x=1")
    assert signed_in(client)
    with client.session_transaction() as cookie:
        assert cookie["_user_id"] != waiting
        assert "_waiting" not in cookie
    with bound_scope(Scope.system()):
        ended = db_session.scalars(select(UserSession).where(UserSession.purpose == SessionPurpose.SECOND_FACTOR.value)).one()
        assert ended.revoked_at is not None


def test_the_waiting_session_is_not_listed_and_dies_soon(app: Flask, client: FlaskClient, as_user: AsUser, db_session: Session) -> None:
    secret, _codes = turn_on("principal")
    browser = as_user("principal")
    sign_in(client, "principal")
    assert "connecter les autres sessions" not in browser.get("/mon-compte/").text
    with bound_scope(Scope.system()), transaction():
        db_session.execute(
            update(UserSession)
            .where(UserSession.purpose == SessionPurpose.SECOND_FACTOR.value)
            .values(created_at=UserSession.created_at - access.FACTOR_SESSION)
        )
    late = give(client, code(secret))
    assert (late.status_code, late.location) == (303, "/connexion")
    assert "écoulé" in client.get("/connexion").text
    assert client.get(CODE_PAGE).location == "/connexion"


def test_signing_out_before_the_code_ends_the_waiting_session(client: FlaskClient, db_session: Session) -> None:
    secret, _codes = turn_on("principal")
    sign_in(client, "principal")
    with client.session_transaction() as cookie:
        waiting = cookie["_waiting"]
    assert post(client, "/deconnexion").location == "/connexion"
    with client.session_transaction() as cookie:
        cookie["_waiting"] = waiting
    assert give(client, code(secret)).location == "/connexion"
    assert not signed_in(client)


def test_a_code_is_good_once(app: Flask, client: FlaskClient, db_session: Session) -> None:
    secret, _codes = turn_on("principal")
    typed = code(secret)
    sign_in(client, "principal")
    assert give(client, typed).status_code == 303
    other = app.test_client()
    sign_in(other, "principal")
    assert give(other, typed).status_code == 422
    assert give(other, code(secret, -1)).status_code == 422, "nor is an older one"
    assert give(other, code(secret, 1)).status_code == 303
    assert signed_in(other)


def test_a_recovery_code_is_good_once_and_its_holder_is_told(app: Flask, client: FlaskClient, db_session: Session) -> None:
    _secret, codes = turn_on("principal")
    sign_in(client, "principal")
    answer = give(client, codes[0].upper().replace("-", " "))
    assert answer.status_code == 303
    assert "il vous en reste 9" in client.get("/").text
    assert "recovery_code_used" in mails(db_session)
    other = app.test_client()
    sign_in(other, "principal")
    assert give(other, codes[0]).status_code == 422
    assert give(other, codes[1]).status_code == 303
    with bound_scope(Scope.system()):
        actor = db_session.execute(text("SELECT actor_id FROM audit_entry WHERE table_name = 'recovery_code' AND operation = 'UPDATE' LIMIT 1")).scalar_one()
    assert actor == id_of("principal")


def test_three_wrong_codes_block_the_account(app: Flask, client: FlaskClient, db_session: Session, as_user: AsUser) -> None:
    secret, codes = turn_on("secondaire")
    sign_in(client, "secondaire")
    for _ in range(2):
        refused = give(client, wrong_code(secret))
        assert refused.status_code == 422
    last = give(client, wrong_code(secret))
    assert (last.status_code, last.location) == (303, "/connexion")
    assert give(client, codes[0]).location == "/connexion"
    assert sign_in(app.test_client(), "secondaire").status_code == 422
    page = as_user("support").get(f"/comptes/{id_of('secondaire')}").text
    assert "mots de passe ou codes de vérification faux" in page


def test_knowing_the_password_buys_no_guesses(app: Flask, db_session: Session) -> None:
    """The right password gives back its own try and no other: two wrong codes, the password again, one more, and that is all."""
    secret, _codes = turn_on("secondaire")
    first, second = app.test_client(), app.test_client()
    sign_in(first, "secondaire")
    for _ in range(2):
        assert give(first, wrong_code(secret)).status_code == 422
    assert sign_in(second, "secondaire").status_code == 303
    assert give(second, wrong_code(secret)).location == "/connexion"
    assert sign_in(app.test_client(), "secondaire").status_code == 422


def test_a_right_code_gives_the_tries_back(app: Flask, client: FlaskClient, db_session: Session) -> None:
    secret, _codes = turn_on("secondaire")
    sign_in(client, "secondaire", WRONG)
    sign_in(client, "secondaire")
    assert give(client, wrong_code(secret)).status_code == 422
    assert give(client, code(secret)).status_code == 303
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(User.failed_attempts).where(User.username == "secondaire")) == 0  # type: ignore[attr-defined]


def test_the_framework_s_own_way_in_does_not_go_round_it(app: Flask, db_session: Session) -> None:
    turn_on("principal")
    with app.test_request_context():
        assert app.appbuilder.sm.auth_user_db("principal", PASSWORD) is None  # type: ignore[attr-defined]


def test_the_code_page_is_for_those_who_gave_their_password(client: FlaskClient, as_user: AsUser) -> None:
    assert client.get(CODE_PAGE).location == "/connexion"
    assert post(client, CODE_PAGE, {"otp": "123456"}).location == "/connexion"
    assert as_user("principal").get(CODE_PAGE).location == "/"


# ---- at once ---------------------------------------------------------------------------------------------------------


def at_once(app: Flask, count: int, work: Callable[[int], Any]) -> list[Any]:
    """The results of so many calls made at the same moment, each in a thread and a transaction of its own."""
    with app.app_context():
        db.engine.pool._timeout = 120  # type: ignore[attr-defined]  # many threads share eight connections
    start, results = threading.Barrier(count), []

    def run(number: int) -> None:
        with app.app_context():
            start.wait()
            try:
                results.append(work(number))
            except authentication.CodeNoLongerAwaited:
                results.append(None)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def waiting(committed: Flask) -> Iterator[Callable[[], str]]:
    """Makes sessions that wait for the code of "principal", on a real database."""

    def make() -> str:
        with committed.app_context():
            done = authentication.sign_in("principal", PASSWORD, ip="192.0.2.1", user_agent=None)
            assert done is not None
            assert done.code_asked
            return done.token

    return make


def test_one_code_sent_twenty_times_at_once_opens_one_session(committed: Flask, waiting: Callable[[], str]) -> None:
    """Two at a time by the counter; of those that get to look, one is accepted."""
    with committed.app_context():
        secret, _codes = turn_on("principal")
        typed = code(secret, 1)
    tokens = [waiting() for _ in range(20)]
    results = at_once(committed, 20, lambda number: authentication.give_code(tokens[number], typed, ip=f"192.0.2.{number}", user_agent=None))
    assert len([one for one in results if one is not None]) == 1


def test_one_recovery_code_sent_twenty_times_at_once_opens_one_session(committed: Flask, waiting: Callable[[], str]) -> None:
    with committed.app_context():
        _secret, codes = turn_on("principal")
    tokens = [waiting() for _ in range(20)]
    results = at_once(committed, 20, lambda number: authentication.give_code(tokens[number], codes[0], ip=f"192.0.2.{number}", user_agent=None))
    opened = [one for one in results if one is not None]
    assert len(opened) == 1
    assert opened[0].codes_left == access.RECOVERY_CODES - 1


def test_two_codes_for_one_waiting_session_open_one(committed: Flask, waiting: Callable[[], str]) -> None:
    """And the code that came too late is not used up."""
    with committed.app_context():
        _secret, codes = turn_on("principal")
    token = waiting()
    results = at_once(committed, 2, lambda number: authentication.give_code(token, codes[number], ip=f"192.0.2.{number}", user_agent=None))
    assert len([one for one in results if one is not None]) == 1
    with committed.app_context():
        assert access_queries.factor_of(id_of("principal")).codes_left == access.RECOVERY_CODES - 1


def test_fifty_guesses_at_once_are_three_checks(committed: Flask, waiting: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    with committed.app_context():
        secret, _codes = turn_on("principal")
        typed = wrong_code(secret)
    tokens = [waiting() for _ in range(50)]
    checked: list[str] = []
    real = factor.accept

    def counting(session: Any, user_id: int, given: str, at: Any) -> Any:
        checked.append(given)
        return real(session, user_id, given, at)

    monkeypatch.setattr(factor, "accept", counting)
    results = at_once(committed, 50, lambda number: authentication.give_code(tokens[number], typed, ip=f"192.0.2.{number}", user_agent=None))
    assert results == [None] * 50
    assert len(checked) <= domain.MAX_FAILED_ATTEMPTS
    with committed.app_context(), bound_scope(Scope.system()):
        assert db.session.scalar(select(User.blocked_at).where(User.username == "principal")) is not None  # type: ignore[attr-defined]


def test_a_factor_is_confirmed_once(committed: Flask) -> None:
    with committed.app_context():
        user_id = id_of("principal")
        done = authentication.sign_in("principal", PASSWORD, ip="192.0.2.1", user_agent=None)
        assert done is not None
        opened = done.token
        services.begin_second_factor(user_id, password=PASSWORD, token=opened, ip="192.0.2.1")
        with bound_scope(Scope.system()):
            secret = factor.reveal(db.session.scalars(select(SecondFactor)).one())
        typed = code(secret)

    def confirm(_number: int) -> Any:
        try:
            return services.activate_second_factor(user_id, typed, token=opened)
        except services.FactorAlreadyOn:
            return None

    results = at_once(committed, 6, confirm)
    assert len([one for one in results if one]) == 1
    with committed.app_context(), bound_scope(Scope.system()):
        assert db.session.scalar(select(func.count()).select_from(RecoveryCode)) == access.RECOVERY_CODES


# ---- renewing, giving up ---------------------------------------------------------------------------------------------


def test_new_codes_end_the_former_ones(as_user: AsUser, db_session: Session) -> None:
    secret, codes = turn_on("secondaire")
    browser = as_user("secondaire")
    url = "/mon-compte/second-facteur/codes/nouveaux"
    assert post(browser, url, {"current": PASSWORD, "otp": wrong_code(secret)}).status_code == 422
    assert post(browser, url, {"current": WRONG, "otp": code(secret)}).status_code == 422
    answer = post(browser, url, {"current": PASSWORD, "otp": code(secret)})
    assert answer.location == "/mon-compte/second-facteur/codes"
    shown = browser.get(answer.location).text
    assert not [one for one in codes if one in shown]
    assert "recovery_codes_renewed" in mails(db_session)
    with bound_scope(Scope.system()):
        assert factor.codes_of(db_session, id_of("secondaire"), codes) == []


def test_giving_it_up_takes_the_password_and_a_code(app: Flask, as_user: AsUser, db_session: Session) -> None:
    secret, codes = turn_on("secondaire")
    browser = as_user("secondaire")
    url = "/mon-compte/second-facteur/desactiver"
    assert post(browser, url, {"current": WRONG, "otp": codes[0]}).status_code == 422
    assert post(browser, url, {"current": PASSWORD, "otp": wrong_code(secret)}).status_code == 422
    answer = post(browser, url, {"current": PASSWORD, "otp": codes[0]})
    assert (answer.status_code, answer.location) == (303, "/mon-compte/#second-facteur"), "a wrong password uses no code up"
    assert "second_factor_off" in mails(db_session)
    assert signed_in(browser)
    assert sign_in(app.test_client(), "secondaire").location == "/"


def test_wrong_codes_are_counted_there_too(as_user: AsUser, db_session: Session) -> None:
    secret, _codes = turn_on("secondaire")
    browser = as_user("secondaire")
    data = {"current": PASSWORD, "otp": wrong_code(secret)}
    for _ in range(2):
        assert post(browser, "/mon-compte/second-facteur/desactiver", data).status_code == 422
    assert post(browser, "/mon-compte/second-facteur/desactiver", data).location == "/connexion"
    assert not signed_in(browser)


# ---- mandatory -------------------------------------------------------------------------------------------------------


@pytest.fixture
def staff_must(app: Flask) -> Iterator[None]:
    before = app.config["SECOND_FACTOR_REQUIRED"]
    app.config["SECOND_FACTOR_REQUIRED"] = "staff"
    yield
    app.config["SECOND_FACTOR_REQUIRED"] = before


@pytest.mark.usefixtures("staff_must")
@pytest.mark.parametrize("who", ["admin", "region", "support"])
def test_where_it_is_mandatory_only_its_set_up_opens(as_user: AsUser, db_session: Session, who: str) -> None:
    browser = as_user(who)
    for path in ("/", "/comptes/", "/mon-compte/", "/mon-compte/jetons/nouveau", "/recherche?q=a", "/mon-compte/second-facteur/desactiver"):
        answer = browser.get(path)
        assert (answer.status_code, answer.location) == (303, "/mon-compte/second-facteur/activer"), path
    assert post(browser, "/mon-compte/sessions/deconnecter").location == "/mon-compte/second-facteur/activer"
    assert browser.get("/recherche?q=a", headers={"HX-Request": "true"}).status_code == 403
    page = browser.get("/mon-compte/second-facteur/activer").text
    assert "obligatoire pour votre compte" in page
    assert 'id="menu"' not in page
    secret = begin(browser)
    assert browser.get("/comptes/").status_code == 303, "not before it is confirmed"
    assert post(browser, "/mon-compte/second-facteur/configurer", {"otp": code(secret)}).status_code == 303
    assert browser.get("/mon-compte/").status_code == 200
    assert "ne peut pas être désactivé" in browser.get("/mon-compte/").text
    refused = post(browser, "/mon-compte/second-facteur/desactiver", {"current": PASSWORD, "otp": code(secret, 1)})
    assert refused.status_code == 303
    assert access_queries.factor_of(id_of(who)).since is not None


@pytest.mark.usefixtures("staff_must")
def test_organisations_are_left_free(as_user: AsUser) -> None:
    for who in ("principal", "secondaire"):
        assert as_user(who).get("/mon-compte/").status_code == 200


@pytest.mark.usefixtures("staff_must")
def test_one_can_sign_out_instead(as_user: AsUser) -> None:
    browser = as_user("admin")
    assert post(browser, "/deconnexion").location == "/connexion"
    assert browser.get("/connexion").status_code == 200


# ---- taken away ------------------------------------------------------------------------------------------------------


def test_support_takes_it_away_from_an_organisation_s_account(app: Flask, as_user: AsUser, db_session: Session) -> None:
    turn_on("secondaire")
    account, browser, holder = id_of("secondaire"), as_user("support"), as_user("secondaire")
    assert "Retirer le second facteur" in browser.get(f"/comptes/{account}").text
    url = f"/comptes/{account}/second-facteur/retirer"
    assert "Assurez-vous de parler à son titulaire" in browser.get(url).text
    answer = post(browser, url)
    assert (answer.status_code, answer.location) == (303, f"/comptes/{account}")
    told = browser.get(answer.location).text
    assert "Le second facteur de Monsieur MOREAU Karim a bien été retiré" in told
    assert "Retirer le second facteur" not in told
    assert not signed_in(holder)
    assert "second_factor_off" in mails(db_session)
    with bound_scope(Scope.system()):
        actor = db_session.execute(text("SELECT actor_id FROM audit_entry WHERE table_name = 'second_factor' AND operation = 'DELETE'")).scalar_one()
    assert actor == id_of("support")
    assert sign_in(app.test_client(), "secondaire").location == "/"


def test_who_else_may_not(as_user: AsUser, db_session: Session) -> None:
    turn_on("admin")
    turn_on("secondaire")
    assert post(as_user("support"), f"/comptes/{id_of('admin')}/second-facteur/retirer").status_code == 403
    assert post(as_user("admin"), f"/comptes/{id_of('admin')}/second-facteur/retirer").status_code == 403
    for who in ("region", "principal", "autre-of"):
        assert post(as_user(who), f"/comptes/{id_of('secondaire')}/second-facteur/retirer").status_code == 403
    assert post(as_user("admin"), "/comptes/987654/second-facteur/retirer").status_code == 404
    assert access_queries.factor_of(id_of("secondaire")).since is not None


def test_the_command_takes_it_away_too(app: Flask, db_session: Session) -> None:
    turn_on("admin")
    runner = app.test_cli_runner()
    assert "Second facteur retiré" in runner.invoke(args=["reset-second-factor", "--identifiant", "ADMIN"]).output
    assert access_queries.factor_of(id_of("admin")).since is None
    assert runner.invoke(args=["reset-second-factor", "--identifiant", "admin"]).exit_code == 1
    assert runner.invoke(args=["reset-second-factor", "--identifiant", "personne"]).exit_code == 1


# ---- what is kept, what is written -----------------------------------------------------------------------------------


def test_a_secret_moved_to_another_account_does_not_open(app: Flask, client: FlaskClient, db_session: Session) -> None:
    turn_on("secondaire")
    turn_on("principal")
    with bound_scope(Scope.system()):
        rows = {row.user_id: row for row in db_session.scalars(select(SecondFactor))}
        mine, theirs = rows[id_of("principal")], rows[id_of("secondaire")]
        mine.secret = theirs.secret
        with pytest.raises(crypto.TamperedCiphertext):
            factor.reveal(mine)


def test_the_secret_follows_a_change_of_key(app: Flask, db_session: Session) -> None:
    from app.core import rotation
    from config import _test_key

    secret, _codes = turn_on("secondaire")
    before = app.config["NIR_KEYS"]
    try:
        app.config["NIR_KEYS"] = f"k9:{_test_key(9)},{before}"
        app.extensions.pop("portal_cipher", None)
        assert dict(rotation.rotate())["second_factor.secret"] == 1
        with bound_scope(Scope.system()):
            row = db_session.scalars(select(SecondFactor).execution_options(populate_existing=True)).one()
            assert crypto.key_id_of(bytes(row.secret)) == "k9"
            assert factor.reveal(row) == secret
    finally:
        app.config["NIR_KEYS"] = before
        app.extensions.pop("portal_cipher", None)


def test_nothing_secret_is_logged(app: Flask, client: FlaskClient, as_user: AsUser, db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor stands in the journal: neither secret, nor code, nor token of the waiting session."""
    import sys

    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    logs.configure(level="DEBUG")
    try:
        browser = as_user("secondaire")
        secret = begin(browser)
        used = code(secret)
        post(browser, "/mon-compte/second-facteur/configurer", {"otp": used})
        codes = re.findall(r"[a-z0-9]{4}(?:-[a-z0-9]{4}){3}", browser.get("/mon-compte/second-facteur/codes").text)
        sign_in(client, "secondaire")
        with client.session_transaction() as cookie:
            waiting = cookie["_waiting"]
        give(client, used)
        give(client, codes[0])
        client.get("/mon-compte/")
    finally:
        root = logging.getLogger()
        root.handlers = [handler for handler in root.handlers if not getattr(handler, "portal", False)]
        root.setLevel(logging.WARNING)
    assert codes
    with bound_scope(Scope.system()):
        journal = str(db_session.execute(text("SELECT string_agg(e::text, ' ') FROM audit_entry e")).scalar_one())
        waiting_mails = str(db_session.execute(text("SELECT string_agg(m::text, ' ') FROM mail_message m")).scalar_one())
    output = written.getvalue()
    assert "second_factor_on" in output, "the log was listened to"
    for hidden in (secret, used, waiting, *codes, codes[0].replace("-", "")):
        for place in (output, journal, waiting_mails):
            assert hidden not in place


def test_the_page_of_the_console_stays_cheap(as_user: AsUser, db_session: Session) -> None:
    """Settings of the scope included: what a visit to the system's tables costs is paid once."""
    from sqlalchemy import event

    browser, account = as_user("support"), id_of("secondaire")
    browser.get(f"/comptes/{account}")
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            seen.append(statement)

    connection = db_session.connection()
    event.listen(connection, "before_cursor_execute", note)
    try:
        assert browser.get(f"/comptes/{account}").status_code == 200
    finally:
        event.remove(connection, "before_cursor_execute", note)
    assert len(seen) <= 14, "\n".join(one[:120] for one in seen)


# ---- a mail link does not buy tries at the codes -----------------------------------------------------------------------


@pytest.mark.parametrize(("failures", "blocked"), [(7, False), (domain.MAX_FAILURES_IN_WINDOW, True)])
def test_a_mail_link_leaves_the_failures_of_the_day_counted(app: Flask, db_session: Session, failures: int, blocked: bool) -> None:
    turn_on("secondaire")
    number, since = id_of("secondaire"), clock.now() - timedelta(hours=1)
    values = {"failed_attempts": 3, "failed_in_window": failures, "failed_since": since, "blocked_at": clock.now(), "blocked_reason": "wrong_codes"}
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(update(User).where(User.id == number).values(**values))
        user = session.scalars(select(User).where(User.id == number).execution_options(populate_existing=True)).unique().one()
        token = issue_link(session, user, LinkPurpose.RECOVERY)
    with app.test_request_context():
        services.choose_credentials(token, "secondaire", "Vélo-rouge-42-neige", ip="192.0.2.1", user_agent=None)
    with bound_scope(Scope.system()):
        row = db_session.execute(select(User.failed_attempts, User.failed_in_window, User.failed_since, User.blocked_at, User.blocked_reason).where(User.id == number)).one()
    assert (row.failed_attempts, row.failed_in_window, row.failed_since) == (0, failures, since)
    assert (row.blocked_at is not None, row.blocked_reason) == (blocked, "too_many_failures" if blocked else None)


def test_the_failures_of_yesterday_block_no_more(app: Flask, db_session: Session) -> None:
    turn_on("secondaire")
    number = id_of("secondaire")
    values = {"failed_in_window": 25, "failed_since": clock.now() - timedelta(hours=25), "blocked_at": clock.now(), "blocked_reason": "wrong_codes"}
    with bound_scope(Scope.system()), transaction() as session:
        session.execute(update(User).where(User.id == number).values(**values))
        user = session.scalars(select(User).where(User.id == number).execution_options(populate_existing=True)).unique().one()
        token = issue_link(session, user, LinkPurpose.RECOVERY)
    with app.test_request_context():
        services.choose_credentials(token, "secondaire", "Vélo-rouge-42-neige", ip="192.0.2.1", user_agent=None)
    with bound_scope(Scope.system()):
        assert db_session.scalar(select(User.blocked_at).where(User.id == number)) is None
