"""The console creates organisations with their principal account, and hands the management over."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import func, select, text

from app.accounts import domain, labels, queries, services
from app.accounts.domain import Act, Party, Refusal, SiretFault
from app.accounts.forms_console import NEW_PERSON
from app.accounts.models import AccessLink, Organisation
from app.core.extensions import db
from app.core.roles import Role
from app.core.tenancy import Scope, bound_scope
from tests.accounts.helpers import post, signed_in

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session
    from werkzeug.test import TestResponse

AsUser = Callable[[str], "FlaskClient"]

SIRET = "73282932000074"
FORM = {
    "legal_name": "  LYCÉE   DES MÉTIERS ",
    "trade_name": "",
    "siret": "732 829 320 00074",
    "nda": "76 31 00000 31",
    "contact_email": "contact@example.org",
    "contact_phone": "05 61 00 00 00",
    "civility": "MME",
    "last_name": "VIDAL",
    "first_name": "Anne",
    "email": "anne.vidal@example.org",
}


def account(session: Session, identifiant: str) -> User:
    return session.scalars(select(User).where(User.username == identifiant).execution_options(populate_existing=True)).unique().one()


def mails_to(session: Session, address: str) -> list[str]:
    return list(session.scalars(text("SELECT template FROM mail_message WHERE recipient = :to ORDER BY created_at"), {"to": address}))


# ---- creation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["admin", "region"])
def test_an_organisation_with_its_principal(as_user: AsUser, db_session: Session, who: str) -> None:
    answer = post(as_user(who), "/comptes/organismes/creer", FORM)
    assert answer.status_code == 303, answer.text
    organisation = db_session.scalars(select(Organisation).where(Organisation.siret == SIRET)).one()
    assert (organisation.legal_name, organisation.nda, organisation.contact_phone) == ("LYCÉE DES MÉTIERS", "76310000031", "+33561000000")
    user = db_session.scalars(select(User).where(User.organisation_id == organisation.id)).unique().one()
    assert user.is_principal and user.password is None and [role.name for role in user.roles] == [Role.PRINCIPAL]
    assert len(user.username) == 10
    link = db_session.scalars(select(AccessLink).where(AccessLink.user_id == user.id)).one()
    assert (link.purpose, link.organisation_id) == ("invitation", organisation.id)
    assert mails_to(db_session, "anne.vidal@example.org") == ["account_created"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("siret", "", "obligatoire"),
        ("siret", "732 829", "6 chiffres"),
        ("siret", "73282932000075", "clé de contrôle"),
        ("siret", "7328293200007A", "autre chose que des chiffres"),
        ("siret", "12345678913000", "déjà le SIRET"),
        ("nda", "123", "11 chiffres"),
        ("contact_phone", "12", "numéro de téléphone"),
        ("email", "anne", "adresse électronique"),
        ("last_name", "", "obligatoire"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_is_kept(as_user: AsUser, db_session: Session, field: str, value: str, words: str) -> None:
    answer = post(as_user("admin"), "/comptes/organismes/creer", {**FORM, field: value})
    assert answer.status_code == 422
    page = answer.text.replace("&#39;", "’")
    assert words in page, page[page.find("error-summary") :][:600]
    assert "anne.vidal" in page or field == "email"
    assert db_session.scalar(select(func.count()).select_from(Organisation).where(Organisation.siret == SIRET)) == 0


@pytest.mark.parametrize("who", ["principal", "secondaire", "autre-of"])
def test_others_create_no_organisation(as_user: AsUser, who: str) -> None:
    assert as_user(who).get("/comptes/organismes/creer").status_code == 403


def test_the_service_refuses_them_too(db_session: Session, app: Flask) -> None:
    principal = account(db_session, "principal").id
    with pytest.raises(services.AccountRefused):
        services.create_organisation_with_principal(
            services.OrganisationCard("X", SIRET), services.Person("M", "X", "Y", "x@example.org"), actor_id=principal
        )


def test_a_closed_organisation_opens_with_somebody_to_manage_it(committed: Any) -> None:
    """Whatever writes it: the principal may leave between the check of the form and the commit."""
    from sqlalchemy import update
    from sqlalchemy.exc import IntegrityError

    from app.core.transaction import transaction

    def set_active(value: bool) -> None:
        with bound_scope(Scope.system()), transaction() as session:
            session.execute(update(Organisation).where(Organisation.id == organisation_id).values(active=value))

    with committed.app_context():
        with bound_scope(Scope.system()):
            accounts = {row.username: row for row in db.session.execute(select(User.username, User.id, User.organisation_id))}
        principal, organisation_id = accounts["principal"].id, accounts["principal"].organisation_id
        db.session.remove()
        set_active(False)
        set_active(True)
        set_active(False)
        services.delete_account(principal, actor_id=accounts["admin"].id)
        with pytest.raises(IntegrityError, match="without an active principal"):
            set_active(True)
        db.session.remove()


def test_siret_faults() -> None:
    faults = {"": SiretFault.MISSING, " - ": SiretFault.MISSING, "12A": SiretFault.NOT_DIGITS, "12": SiretFault.LENGTH, "1" * 15: SiretFault.LENGTH}
    faults |= {"73282932000075": SiretFault.CHECKSUM, "٧٣٢٨٢٩٣٢٠٠٠٠٧٤": SiretFault.NOT_DIGITS}
    for typed, fault in faults.items():
        assert domain.siret_fault(typed) is fault, typed
    assert domain.siret_fault("732 829 320 00074") is None


# ---- change of principal ---------------------------------------------------------------------------------------------


def change(browser: FlaskClient, organisation_id: int, former_id: int | None, **data: Any) -> Any:
    form = {"former_id": former_id or "", "former": "secondary", "confirmed": "y", **data}
    return post(browser, f"/comptes/organismes/{organisation_id}/compte-principal", form)


@pytest.mark.parametrize("who", ["admin", "region", "support"])
def test_a_secondary_takes_over(as_user: AsUser, db_session: Session, who: str) -> None:
    former, new = account(db_session, "principal"), account(db_session, "secondaire")
    former_id, new_id, organisation_id = former.id, new.id, former.organisation_id
    assert organisation_id is not None
    theirs = as_user("principal"), as_user("secondaire")
    answer = change(as_user(who), organisation_id, former_id, who=str(new_id))
    assert answer.status_code == 303, answer.text
    former, new = account(db_session, "principal"), account(db_session, "secondaire")
    assert ([role.name for role in new.roles], new.is_principal) == ([Role.PRINCIPAL], True)
    assert ([role.name for role in former.roles], former.is_principal, former.active) == ([Role.SECONDARY], False, True)
    assert not signed_in(theirs[0]) and not signed_in(theirs[1])
    assert mails_to(db_session, "principal@example.org") == ["principal_replaced"]
    assert mails_to(db_session, "secondaire@example.org") == ["principal_appointed"]


def test_the_former_principal_may_be_deactivated(as_user: AsUser, db_session: Session) -> None:
    former, new = account(db_session, "principal"), account(db_session, "secondaire")
    assert change(as_user("support"), former.organisation_id, former.id, who=str(new.id), former="deactivated").status_code == 303
    former = account(db_session, "principal")
    assert not former.active and former.deactivated_at is not None


def test_a_new_person_takes_over(as_user: AsUser, db_session: Session) -> None:
    former = account(db_session, "principal")
    organisation_id = former.organisation_id
    person = {"civility": "M", "last_name": "DURAND", "first_name": "Luc", "email": "luc@example.org"}
    assert change(as_user("support"), organisation_id, former.id, who="new", **person).status_code == 303
    with bound_scope(Scope.system()):
        new = queries.principal_account(organisation_id)
    assert new is not None and new.last_name == "DURAND" and new.password is None
    assert mails_to(db_session, "luc@example.org") == ["account_created"]
    db_session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # an account that waits for its password manages the organisation


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"who": ""}, "Choisissez qui prend la suite"),
        ({"who": "new"}, "obligatoire"),
        ({"who": NEW_PERSON, "civility": "M", "last_name": "X", "first_name": "Y", "email": "x@example.org", "confirmed": ""}, "Cochez cette case"),
        ({"who": "999999"}, "valeurs proposées"),
    ],
)
def test_incomplete_changes(as_user: AsUser, db_session: Session, data: dict[str, str], words: str) -> None:
    former = account(db_session, "principal")
    answer = change(as_user("support"), former.organisation_id, former.id, **data)
    assert answer.status_code == 422
    assert account(db_session, "principal").is_principal
    if "proposées" not in words:
        assert words in answer.text


def test_an_account_of_another_organisation_never_takes_over(as_user: AsUser, db_session: Session) -> None:
    former, stranger = account(db_session, "principal"), account(db_session, "autre-of")
    assert change(as_user("support"), former.organisation_id, former.id, who=str(stranger.id)).status_code == 422
    with pytest.raises(services.AccountNotFound):
        services.change_principal(
            former.organisation_id, actor_id=account(db_session, "support").id, expected_former_id=former.id, successor_id=stranger.id
        )


def test_a_stale_form_changes_nothing(as_user: AsUser, db_session: Session) -> None:
    former, new = account(db_session, "principal"), account(db_session, "secondaire")
    answer = change(as_user("support"), former.organisation_id, new.id, who=str(new.id))
    assert answer.status_code == 303 and answer.location.endswith("/compte-principal")
    assert account(db_session, "principal").is_principal


def test_a_deactivated_account_does_not_take_over(as_user: AsUser, db_session: Session) -> None:
    former, new = account(db_session, "principal"), account(db_session, "secondaire")
    services.deactivate(new.id, actor_id=account(db_session, "admin").id)
    browser = as_user("support")
    page = browser.get(f"/comptes/organismes/{former.organisation_id}/compte-principal").text
    assert "ne peuvent pas prendre la suite" in page and "désactivé" in page
    with pytest.raises(services.AccountRefused):
        services.change_principal(
            former.organisation_id, actor_id=account(db_session, "support").id, expected_former_id=former.id, successor_id=new.id
        )


def test_two_changes_at_once_have_one_outcome(committed: Flask) -> None:
    with committed.app_context(), bound_scope(Scope.system()):
        former = account(db.session(), "principal")
        organisation_id, former_id = former.organisation_id, former.id
        support, new_id = account(db.session(), "support").id, account(db.session(), "secondaire").id
    results: list[str] = []
    start = threading.Barrier(4)

    def act(number: int) -> None:
        with committed.app_context(), committed.test_request_context():
            start.wait()
            person = services.Person("M", f"X{number}", "Y", "x@example.org") if number % 2 else None
            try:
                services.change_principal(
                    organisation_id,
                    actor_id=support,
                    expected_former_id=former_id,
                    successor_id=None if person else new_id,
                    person=person,
                )
                results.append("done")
            except services.AccountRefused as error:
                results.append(error.refusal.value)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=act, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["done", "wrong_state", "wrong_state", "wrong_state"]
    with committed.app_context(), bound_scope(Scope.system()):
        held = select(func.count()).select_from(User).where(User.organisation_id == organisation_id, User.is_principal.is_(True))
        assert db.session.scalar(held) == 1


def test_who_may_change_the_principal() -> None:
    target = Party(2, frozenset({Role.SECONDARY}), 7)
    for role, allowed in ((Role.SUPPORT, True), (Role.REGION_MANAGER, True), (Role.REGION_ADMIN, True), (Role.REGION_VALIDATOR, False)):
        refused = domain.refusal_of(Party(1, frozenset({role})), Act.CHANGE_PRINCIPAL, target)
        assert (refused is None) is allowed, role
    assert domain.refusal_of(Party(1, frozenset({Role.PRINCIPAL}), 7), Act.CHANGE_PRINCIPAL, target) is Refusal.NOT_ALLOWED
    assert domain.refusal_of(Party(1, frozenset({Role.REGION_ADMIN})), Act.CHANGE_PRINCIPAL, Party(3, frozenset({Role.SUPPORT}))) is Refusal.NOT_ALLOWED


def test_the_page_of_an_organisation(as_user: AsUser, db_session: Session) -> None:
    organisation_id = account(db_session, "principal").organisation_id
    page = as_user("support").get(f"/comptes/organismes/{organisation_id}").text
    for words in ("ORGANISME DE FORMATION GARONNE", "Mme BLANC Paule", "M. MOREAU Karim", "Changer le compte principal"):
        assert words in page, words
    assert as_user("support").get("/comptes/organismes/987654321").status_code == 404
    assert labels.named("MME", "BLANC", "Paule") == "Mme BLANC Paule"


def test_a_principal_is_not_put_to_sleep_before_its_successor_can_sign_in(db_session: Session) -> None:
    admin, principal, secondary = (db_session.scalars(select(User.id).where(User.username == name)).one() for name in ("admin", "principal", "secondaire"))
    organisation = db_session.scalars(select(User.organisation_id).where(User.id == principal)).one()
    services.regenerate(secondary, actor_id=admin)
    handover = {"actor_id": admin, "expected_former_id": principal, "successor_id": secondary}
    with pytest.raises(services.SuccessorNotReady):
        services.change_principal(organisation, **handover, deactivate_former=True)
    before = db_session.scalar(select(func.count()).select_from(AccessLink).where(AccessLink.user_id == secondary))
    services.change_principal(organisation, **handover)
    after = db_session.scalar(select(func.count()).select_from(AccessLink).where(AccessLink.user_id == secondary))
    assert (before, after) == (1, 2), "whoever never chose a password is sent a link with the news"


# ---- opening a closed organisation again ------------------------------------------------------------------------------


def test_a_closed_organisation_opens_with_a_principal(as_user: AsUser, db_session: Session) -> None:
    former = account(db_session, "principal")
    number, browser = former.organisation_id, as_user("admin")

    def state(active: bool) -> TestResponse:
        page = browser.get(f"/organismes/edit/{number}").text
        data = {name: html.unescape(value) for name, value in re.findall(r'<input[^>]* name="(row_\w+|legal_name|siret)"[^>]* value="([^"]*)"', page)}
        assert set(data) >= {"row_version", "row_base", "legal_name", "siret"}, data
        return post(browser, f"/organismes/edit/{number}", data | ({"active": "y"} if active else {}))

    assert state(False).status_code == 302
    services.deactivate(former.id, actor_id=account(db_session, "admin").id)
    refused = state(True)
    assert refused.status_code == 422
    assert "n’a pas de compte principal actif" in refused.text
    person = {name: FORM[name] for name in ("civility", "last_name", "first_name", "email")}
    named = change(browser, number, former.id, who=NEW_PERSON, **person)
    assert named.status_code == 303, named.text
    assert state(True).status_code == 302
