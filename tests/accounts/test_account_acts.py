"""The acts on accounts as services (guide 004 §1 to §2.5): each act × actor × state, mails, races."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from app.accounts import domain, services, sessions
from app.accounts.domain import Act, Refusal
from app.accounts.models import AccessLink, ApiToken, Delegation, Organisation, RecoveryCode, SecondFactor
from app.accounts.services import Holder
from app.accounts.services.holders import values_of
from app.accounts.services.links import find_link
from app.core import clock
from app.core.audit.queries import history
from app.core.concurrency import StaleError
from app.core.extensions import db
from app.core.mail.models import MailMessage
from app.core.mail.services import content_of
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from tests.accounts.helpers import WRONG, sign_in, signed_in

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

COLLEAGUE = Holder("MME", "NOM TEST COMPTE", "PRENOM TEST COMPTE", "aa@aa.fr")
SERVICES: dict[Act, Callable[..., Any]] = {
    Act.REGENERATE: services.regenerate,
    Act.UNBLOCK: services.unblock,
    Act.DEACTIVATE: services.deactivate,
    Act.REACTIVATE: services.reactivate,
    Act.DELETE: services.delete_account,
    Act.EDIT: lambda user_id, actor_id: services.edit_account(user_id, COLLEAGUE, base=None, choices={}, actor_id=actor_id),
}


def account(session: Session, identifiant: str) -> User:
    return session.scalars(select(User).where(func.lower(User.username) == identifiant)).one()


def id_of(session: Session, identifiant: str) -> int:
    return int(account(session, identifiant).id)


def set_state(session: Session, identifiant: str, **values: Any) -> None:
    with transaction():
        session.execute(update(User).where(User.username == identifiant).values(**values))


def mails(session: Session, template: str | None = None) -> list[MailMessage]:
    statement = select(MailMessage).order_by(MailMessage.created_at, MailMessage.recipient)
    return list(session.scalars(statement if template is None else statement.where(MailMessage.template == template)))


def text_of(message: MailMessage) -> str:
    content = content_of(message)
    assert content is not None
    return content.text


def token_in(words: str) -> str:
    found = re.search(r"/acces/(\S+)", words)
    assert found is not None
    return found.group(1)


def invite(session: Session, holder: Holder = COLLEAGUE, **options: Any) -> User:
    principal = account(session, "principal")
    return services.invite_account(principal.organisation_id, holder, actor_id=principal.id, **options).user


# ---- creating --------------------------------------------------------------------------------------------------------


def test_an_invited_account_waits_for_its_password(app: Flask, db_session: Session) -> None:
    user = invite(db_session)
    assert domain.state_of(user.facts) is domain.AccountState.PENDING
    assert len(user.username) == domain.GENERATED_IDENTIFIANT_LENGTH
    assert set(user.username) <= set(domain.IDENTIFIANT_ALPHABET)
    assert [role.name for role in user.roles] == [Role.SECONDARY]
    (message,) = mails(db_session)
    words = text_of(message)
    assert message.recipient == "aa@aa.fr"
    for expected in (
        f"Identifiant : {user.username}",
        "Nom d’usage : NOM TEST COMPTE",
        "Prénom : PRENOM TEST COMPTE",
        "pendant 24 heures",
        "/acces/",
        "/authentification/generation-mot-de-passe",
        "/connexion",
        "CNIL",
    ):
        assert expected in words, expected
    found = find_link(db_session, token_in(words))
    assert found is not None
    link, owner = found
    assert (owner.id, link.purpose, link.used_at, link.revoked_at) == (user.id, "invitation", None, None)
    assert link.expires_at == link.created_at + timedelta(hours=24)
    assert token_in(words) not in str(db_session.execute(text("SELECT coalesce(string_agg(after::text, ' '), '') FROM audit_entry")).scalar())


def test_one_form_makes_one_account(db_session: Session) -> None:
    first = invite(db_session, once="formulaire-1")
    organisation_id, actor = first.organisation_id, id_of(db_session, "principal")
    again = services.invite_account(organisation_id, COLLEAGUE, actor_id=actor, once="formulaire-1")
    assert again.repeated
    assert again.user.id == first.id
    assert len(mails(db_session)) == 1
    other = services.invite_account(organisation_id, Holder("M", "AUTRE", "Jean", "aa@aa.fr"), actor_id=actor, once="formulaire-2")
    assert not other.repeated


def test_one_person_one_account(db_session: Session) -> None:
    user = invite(db_session)
    with pytest.raises(services.AlreadyInvited) as refused:
        invite(db_session, Holder(None, "nom test compte", "Prenom Test Compte", "AA@aa.fr"))
    assert refused.value.identifiant == user.username
    services.delete_account(user.id, actor_id=id_of(db_session, "principal"))
    assert invite(db_session).id != user.id


@pytest.mark.parametrize("who", ["secondaire", "support", "region"])
def test_who_may_not_create(db_session: Session, who: str) -> None:
    organisation_id = account(db_session, "principal").organisation_id
    with pytest.raises(services.AccountRefused):
        services.invite_account(organisation_id, COLLEAGUE, actor_id=id_of(db_session, who))


def test_another_organisation_does_not_exist(db_session: Session) -> None:
    other = account(db_session, "autre-of").organisation_id
    with pytest.raises(services.AccountNotFound):
        services.invite_account(other, COLLEAGUE, actor_id=id_of(db_session, "principal"))
    services.invite_account(other, COLLEAGUE, actor_id=id_of(db_session, "admin"))
    with pytest.raises(services.AccountNotFound):
        services.invite_account(987_654, COLLEAGUE, actor_id=id_of(db_session, "admin"))
    with pytest.raises(ValueError, match="secondary"):
        invite(db_session, role=Role.PRINCIPAL)
    with pytest.raises(ValueError, match="secondary"):
        invite(db_session, role=Role.SUPPORT)


# ---- act × actor × state ---------------------------------------------------------------------------------------------

STATES: dict[str, dict[str, Any]] = {
    "active": {},
    "pending": {"password": None},
    "blocked": {"blocked_at": func.now(), "blocked_reason": "wrong_passwords", "failed_attempts": 3},
    "inactive": {"active": False, "deactivated_at": func.now()},
}
FITS = {
    Act.EDIT: {"active", "pending", "blocked", "inactive"},
    Act.REGENERATE: {"active", "pending", "blocked"},
    Act.UNBLOCK: {"blocked"},
    Act.DEACTIVATE: {"active", "pending", "blocked"},
    Act.REACTIVATE: {"inactive"},
    Act.DELETE: {"active", "pending", "blocked", "inactive"},
}
ACTORS = {"principal": None, "admin": None, "region": None, "support": None, "secondaire": Refusal.NOT_ALLOWED, "autre-of": Refusal.OTHER_ORGANISATION}


@pytest.mark.parametrize("actor", ACTORS)
def test_each_act_by_each_actor_in_each_state(db_session: Session, actor: str) -> None:
    actor_id = id_of(db_session, actor)
    for act, state in ((act, state) for act in SERVICES for state in STATES):
        user = invite(db_session, Holder(None, "N", f"{act.value} {state}", "n@example.org"))
        user_id, former = user.id, user.username
        set_state(db_session, former, password="x", **{k: v for k, v in STATES[state].items() if k != "password"})
        if state == "pending":
            set_state(db_session, former, password=None)

        def act_on(act: Act = act, user_id: int = user_id) -> Any:
            return SERVICES[act](user_id, actor_id=actor_id)

        if ACTORS[actor] is Refusal.OTHER_ORGANISATION:
            with pytest.raises(services.AccountNotFound):
                act_on()
        elif ACTORS[actor] is not None or state not in FITS[act]:
            with pytest.raises(services.AccountRefused) as refused:
                act_on()
            assert refused.value.refusal is (ACTORS[actor] or Refusal.WRONG_STATE), (act, state)
        elif act is Act.EDIT:
            with pytest.raises(StaleError):
                act_on()
        else:
            act_on()
            links = list(db_session.scalars(select(AccessLink.id).where(AccessLink.user_id == user_id)))
            line = history("ab_user", user_id, also=[("access_link", links)], limit=1)[0]
            assert line.actor_id == actor_id, (act, state)


@pytest.mark.parametrize("target", ["admin", "region", "support"])
@pytest.mark.parametrize("actor", ["support", "region", "principal"])
def test_no_helper_reaches_the_region_or_support(db_session: Session, actor: str, target: str) -> None:
    for act, service in SERVICES.items():
        with pytest.raises((services.AccountRefused, services.AccountNotFound)):
            service(id_of(db_session, target), actor_id=id_of(db_session, actor))
        assert account(db_session, target).is_active, act


def test_an_actor_that_was_closed_does_nothing(db_session: Session) -> None:
    user = invite(db_session)
    actor = id_of(db_session, "support")
    set_state(db_session, "support", blocked_at=func.now())
    for service in SERVICES.values():
        with pytest.raises(services.AccountRefused):
            service(user.id, actor_id=actor)


# ---- what each act does ----------------------------------------------------------------------------------------------


def test_regenerating_ends_everything(app: Flask, client: FlaskClient, db_session: Session) -> None:
    assert sign_in(client, "secondaire").status_code == 303
    user = account(db_session, "secondaire")
    for _ in range(2):
        sign_in(app.test_client(), "secondaire", WRONG)
    now = clock.now()
    api = ApiToken(user_id=user.id, organisation_id=user.organisation_id, name="x", prefix="x", token_hash="0" * 64, scopes=["a"], created_at=now, expires_at=now + timedelta(days=1))
    db_session.add(api)
    db_session.flush()
    services.regenerate(user.id, actor_id=id_of(db_session, "principal"))
    db_session.expire_all()
    user = account(db_session, "secondaire")
    assert not signed_in(client)
    assert user.password is None
    assert user.failed_attempts == 0
    assert api.revoked_at is not None
    assert sign_in(app.test_client(), "secondaire").status_code == 422
    (message,) = mails(db_session)
    words = text_of(message)
    assert message.subject.startswith("Choisissez un nouveau mot de passe")
    assert "régénéré par Madame BLANC Paule" in words
    found = find_link(db_session, token_in(words))
    assert found is not None
    assert found[0].purpose == "regeneration"


def test_a_second_click_keeps_the_link_of_the_first(db_session: Session) -> None:
    user, actor = account(db_session, "secondaire"), id_of(db_session, "principal")
    services.regenerate(user.id, actor_id=actor)
    services.regenerate(user.id, actor_id=actor)
    (message,) = mails(db_session)
    found = find_link(db_session, token_in(text_of(message)))
    assert found is not None
    assert found[0].revoked_at is None
    with transaction():
        db_session.execute(update(AccessLink).values(created_at=clock.now() - timedelta(minutes=1)))
    services.regenerate(user.id, actor_id=actor)
    assert len(mails(db_session)) == 2
    db_session.expire_all()
    assert found[0].revoked_at is not None


@pytest.mark.parametrize(("actor", "words"), [("support", "l’assistance du portail"), ("admin", "la Région"), ("region", "la Région")])
def test_the_holder_is_told_by_whom(db_session: Session, actor: str, words: str) -> None:
    services.deactivate(id_of(db_session, "secondaire"), actor_id=id_of(db_session, actor))
    assert f"désactivé par {words}" in text_of(mails(db_session)[0])


def test_asleep_and_awake(app: Flask, db_session: Session) -> None:
    user_id, actor = id_of(db_session, "secondaire"), id_of(db_session, "principal")
    services.deactivate(user_id, actor_id=actor)
    assert sign_in(app.test_client(), "secondaire").status_code == 422
    services.reactivate(user_id, actor_id=actor)
    assert sign_in(app.test_client(), "secondaire").status_code == 303
    asleep, awake = mails(db_session)
    assert (asleep.template, awake.template) == ("account_deactivated", "account_reactivated")
    assert "/acces/" not in text_of(awake)


def test_an_invitation_that_slept_gets_another_link(db_session: Session) -> None:
    user = invite(db_session)
    actor = id_of(db_session, "principal")
    first = token_in(text_of(mails(db_session, "account_created")[0]))
    services.deactivate(user.id, actor_id=actor)
    found = find_link(db_session, first)
    assert found is not None
    assert found[0].revoked_at is not None
    services.reactivate(user.id, actor_id=actor)
    again = find_link(db_session, token_in(text_of(mails(db_session, "account_reactivated")[0])))
    assert again is not None
    assert again[0].revoked_at is None


def test_deleting_keeps_who_it_was_and_nothing_else(app: Flask, client: FlaskClient, db_session: Session) -> None:
    assert sign_in(client, "secondaire").status_code == 303
    user, principal = account(db_session, "secondaire"), account(db_session, "principal")
    user_id, organisation_id = user.id, user.organisation_id
    today = clock.today()
    db_session.add_all(
        [
            SecondFactor(user_id=user_id, organisation_id=organisation_id, secret=b"x"),
            RecoveryCode(user_id=user_id, organisation_id=organisation_id, code_hash="0" * 64),
            Delegation(organisation_id=organisation_id, delegator_id=principal.id, delegate_id=user_id, starts_on=today, ends_on=today),
        ]
    )
    db_session.flush()
    services.delete_account(user_id, actor_id=principal.id)
    db_session.expire_all()
    user = db_session.get_one(User, user_id)
    assert not signed_in(client)
    assert (user.password, user.email, user.username) == (None, "", f"~{user_id}")
    assert (user.civility, user.last_name, user.first_name, user.organisation_id) == ("M", "MOREAU", "Karim", organisation_id)
    assert [role.name for role in user.roles] == [Role.SECONDARY]
    for table in (SecondFactor, RecoveryCode):
        assert db_session.scalar(select(func.count()).select_from(table)) == 0
    assert db_session.scalars(select(Delegation.ended_at)).one() is not None
    assert sign_in(app.test_client(), "secondaire").status_code == 422
    assert sign_in(app.test_client(), f"~{user_id}").status_code == 422
    (message,) = mails(db_session)
    assert message.recipient == "secondaire@example.org"
    assert "définitivement supprimé par Madame BLANC Paule" in text_of(message)
    services.create_account(first_name="A", last_name="B", email="b@example.org", roles=[Role.SUPPORT], identifiant="Secondaire")
    before = [change.before for change in history("ab_user", user_id, limit=1)[0].changes if change.column == "username"]
    assert before == ["secondaire"], "the journal keeps the former identifiant"
    for act, service in SERVICES.items():
        with pytest.raises(services.AccountNotFound):
            service(user_id, actor_id=principal.id)
        assert act


def test_histories_still_say_who(db_session: Session) -> None:
    user, principal = account(db_session, "secondaire"), account(db_session, "principal")
    organisation_id = principal.organisation_id
    with bound_scope(Scope.system(), actor_id=user.id), transaction():
        db_session.execute(update(Organisation).where(Organisation.id == organisation_id).values(contact_email="autre@example.org"))
    assert history("organisation", organisation_id, limit=1)[0].actor_name == "Karim MOREAU"
    services.delete_account(user.id, actor_id=principal.id)
    for scope in (Scope.system(), Scope.region(), Scope.support(), Scope.organisation(organisation_id)):
        with bound_scope(scope):
            assert history("organisation", organisation_id, limit=1)[0].actor_name == "compte supprimé : M. MOREAU Karim", scope


# ---- the last principal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", [services.delete_account, services.deactivate])
@pytest.mark.parametrize("actor", ["admin", "support"])
def test_the_last_principal_stays(db_session: Session, service: Callable[..., Any], actor: str) -> None:
    with pytest.raises(services.AccountRefused) as refused:
        service(id_of(db_session, "principal"), actor_id=id_of(db_session, actor))
    assert refused.value.refusal is Refusal.LAST_PRINCIPAL
    assert account(db_session, "principal").is_active


@pytest.mark.parametrize("change", ["deleted_at = now()", "active = false"])
def test_the_database_says_the_same(db_session: Session, change: str) -> None:
    def leave() -> None:
        with db_session.begin_nested():
            db_session.execute(text(f"UPDATE ab_user SET {change} WHERE username = 'principal'"))
            db_session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))

    with pytest.raises(IntegrityError, match="without an active principal"):
        leave()
    set_closed(db_session)
    leave()


def set_closed(session: Session) -> None:
    with transaction():
        session.execute(update(Organisation).values(active=False))


def test_the_principal_of_a_closed_organisation_may_leave(db_session: Session) -> None:
    set_closed(db_session)
    services.delete_account(id_of(db_session, "principal"), actor_id=id_of(db_session, "admin"))
    db_session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))


# ---- editing ---------------------------------------------------------------------------------------------------------


def edit(session: Session, user: User, base: dict[str, Any] | None, choices: dict[str, str] | None = None, **changes: Any) -> services.Edited:
    values = {"civility": "M", "last_name": "MOREAU", "first_name": "Karim", "email": "secondaire@example.org"} | changes
    return services.edit_account(user.id, Holder(**values), base=base, choices=choices or {}, actor_id=id_of(session, "principal"))


def test_two_editors_never_overwrite_each_other(db_session: Session) -> None:
    user = account(db_session, "secondaire")
    shown = values_of(user)
    assert edit(db_session, user, shown, last_name="DURAND").changed == {"last_name"}
    assert edit(db_session, user, shown, first_name="Karim-Paul").changed == {"first_name"}, "what the other changed stays"
    assert (user.last_name, user.first_name) == ("DURAND", "Karim-Paul")
    with pytest.raises(StaleError) as stale:
        edit(db_session, user, shown, last_name="DUPONT", first_name="Karim-Paul")
    (conflict,) = stale.value.conflicts
    assert (conflict.name, conflict.base, conflict.mine, conflict.theirs) == ("last_name", "MOREAU", "DUPONT", "DURAND")
    db_session.expire_all()
    assert user.last_name == "DURAND"
    base = stale.value.theirs
    assert not edit(db_session, user, base, {"last_name": "theirs"}, last_name="DUPONT", first_name="Karim-Paul").changed
    assert edit(db_session, user, base, {"last_name": "mine"}, last_name="DUPONT", first_name="Karim-Paul").changed == {"last_name"}


def test_without_its_base_a_form_overwrites_nothing(db_session: Session) -> None:
    user = account(db_session, "secondaire")
    with pytest.raises(StaleError):
        edit(db_session, user, None, last_name="DURAND")
    with pytest.raises(StaleError):
        edit(db_session, user, None, {"last_name": "mine"}, last_name="DURAND")
    assert not edit(db_session, user, None).changed


def test_another_address_is_told_to_both(db_session: Session) -> None:
    user = account(db_session, "secondaire")
    services.regenerate(user.id, actor_id=id_of(db_session, "support"))
    set_state(db_session, "secondaire", password="x")
    edited = edit(db_session, user, values_of(user), email="nouveau@example.org")
    assert (edited.changed, edited.invited_again) == ({"email"}, False)
    told = {message.recipient: text_of(message) for message in mails(db_session, "email_changed")}
    assert "n’arrivent plus à cette adresse" in told["secondaire@example.org"]
    assert "nouveau@" not in told["secondaire@example.org"]
    assert "arrivent désormais à cette adresse" in told["nouveau@example.org"]
    assert db_session.scalar(select(func.count()).select_from(AccessLink).where(AccessLink.revoked_at.is_(None))) == 0, "a link sent to the former address"


def test_an_invitation_follows_the_right_address(db_session: Session) -> None:
    user = invite(db_session)
    former = token_in(text_of(mails(db_session)[0]))
    holder = Holder("MME", "NOM TEST COMPTE", "PRENOM TEST COMPTE", "juste@aa.fr")
    edited = services.edit_account(user.id, holder, base=values_of(user), choices={}, actor_id=id_of(db_session, "principal"))
    assert edited.invited_again
    first = find_link(db_session, former)
    assert first is not None
    assert first[0].revoked_at is not None
    again = next(message for message in mails(db_session, "account_created") if message.recipient == "juste@aa.fr")
    second = find_link(db_session, token_in(text_of(again)))
    assert second is not None
    assert second[0].revoked_at is None


def test_an_address_that_takes_no_mail_stands_in_no_way(db_session: Session) -> None:
    set_state(db_session, "secondaire", email="pau")
    user = account(db_session, "secondaire")
    actor = id_of(db_session, "principal")
    services.deactivate(user.id, actor_id=actor)
    services.reactivate(user.id, actor_id=actor)
    assert mails(db_session) == []


# ---- races -----------------------------------------------------------------------------------------------------------


def at_once(app: Flask, *acts: Callable[[], Any]) -> list[Any]:
    """Run the acts in threads of their own, started together; gives results or exceptions."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        with app.app_context(), bound_scope(Scope.system()):
            barrier.wait(10)
            try:
                return act()
            except Exception as error:
                return error
            finally:
                db.session.remove()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result() for future in [pool.submit(run, act) for act in acts]]


@pytest.fixture
def ids(committed: Flask) -> dict[str, int]:
    with committed.app_context(), bound_scope(Scope.system()):
        found = {row.username: row.id for row in db.session.execute(select(User.username, User.id))}
        found["organisation"] = db.session.scalars(select(User.organisation_id).where(User.username == "principal")).one()
        db.session.remove()
    return found


def test_ten_clicks_make_one_account(committed: Flask, ids: dict[str, int]) -> None:
    def click() -> bool:
        return services.invite_account(ids["organisation"], COLLEAGUE, actor_id=ids["principal"], once="un-formulaire").repeated

    assert sorted(at_once(committed, *[click] * 10)) == [False] + [True] * 9
    with committed.app_context(), bound_scope(Scope.system()):
        assert db.session.scalar(select(func.count()).select_from(User).where(User.email == "aa@aa.fr")) == 1
        assert db.session.scalar(select(func.count()).select_from(MailMessage)) == 1
        db.session.remove()


def test_two_windows_make_one_account(committed: Flask, ids: dict[str, int]) -> None:
    def window(once: str) -> Callable[[], Any]:
        return lambda: services.invite_account(ids["organisation"], COLLEAGUE, actor_id=ids["principal"], once=once).repeated

    outcomes = at_once(committed, *[window(str(number)) for number in range(6)])
    assert outcomes.count(False) == 1
    assert sum(isinstance(one, services.AlreadyInvited) for one in outcomes) == 5


def test_deleting_against_editing(committed: Flask, ids: dict[str, int]) -> None:
    target, actor = ids["secondaire"], ids["principal"]
    base = {"civility": "M", "last_name": "MOREAU", "first_name": "Karim", "email": "secondaire@example.org"}
    outcomes = at_once(
        committed,
        lambda: services.delete_account(target, actor_id=actor) and None,
        lambda: services.edit_account(target, Holder("M", "DURAND", "Karim", "nouveau@example.org"), base=base, choices={}, actor_id=actor) and None,
    )
    assert outcomes[0] is None
    assert outcomes[1] is None or isinstance(outcomes[1], services.AccountNotFound)
    with committed.app_context(), bound_scope(Scope.system()):
        user = db.session.get_one(User, target)
        assert user.deleted_at is not None
        assert user.email == "", "the edition did not bring the address back"
        db.session.remove()


def test_clicks_at_once_on_every_act(committed: Flask, ids: dict[str, int]) -> None:
    """Whatever wins, the account ends closed once deleted, and nothing is left that opens it."""
    target, actor = ids["secondaire"], ids["principal"]
    acts = [services.delete_account, services.deactivate, services.regenerate, services.reactivate, services.delete_account, services.regenerate]
    outcomes = at_once(committed, *[lambda act=act: act(target, actor_id=actor) and None for act in acts])  # type: ignore[misc]
    assert all(one is None or isinstance(one, services.AccountNotFound | services.AccountRefused) for one in outcomes), outcomes
    with committed.app_context(), bound_scope(Scope.system()):
        user = db.session.get_one(User, target)
        assert user.deleted_at is not None
        open_links = select(func.count()).select_from(AccessLink).where(AccessLink.user_id == target, AccessLink.used_at.is_(None), AccessLink.revoked_at.is_(None))
        assert db.session.scalar(open_links) == 0
        assert sessions.list_open(db.session(), target, current_token=None) == []
        db.session.remove()
