"""The pages of guide 004 §1 to §2.5, for a principal and for the console: words, refusals, what was typed kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import TYPE_CHECKING

import pytest
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import func, select, text, update

from app.accounts import services
from app.accounts.models import Organisation
from app.core.mail.models import MailMessage
from app.core.roles import Role
from app.core.transaction import transaction
from tests.accounts.helpers import post, sign_in

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

AsUser = Callable[[str], "FlaskClient"]
HOME = "/gestion-organisme/comptes/"
TYPED = {"civility": "MME", "last_name": "NOM TEST COMPTE", "first_name": "PRENOM TEST COMPTE", "email": "aa@aa.fr"}
OF = "de l’organisme de formation ORGANISME DE FORMATION GARONNE"
HTMX = {"HX-Request": "true"}


def id_of(session: Session, identifiant: str) -> int:
    return int(session.scalars(select(User.id).where(User.username == identifiant)).one())


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', page)
    assert found is not None, name
    return unescape(found.group(1))


def told(browser: FlaskClient, address: str) -> str:
    return browser.get(address).text


def test_the_list_of_guide_004(as_user: AsUser) -> None:
    page = as_user("principal").get(HOME).text
    for words in (
        "Informations du compte principal",
        "Mme BLANC Paule",
        "principal@example.org",
        "Informations des comptes secondaires",
        "Créer un nouveau compte",
        "Nombre de résultats : 1",
        "Résultats par page",
        "Gestionnaire du compte",
        "Identifiant",
        "Courriel d’envoi des accès",
        "Statut du compte",
        "Blocage du compte",
        "Gestion",
        "Modifier",
        "Régénérer le mot de passe",
        "Désactiver",
        "Supprimer",
    ):
        assert words in page, words
    assert 'data-dialog="act-unblock"' not in page, "not blocked"
    assert 'data-dialog="act-reactivate"' not in page, "not asleep"


def test_creating_an_account(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("principal")
    page = browser.get(f"{HOME}nouveau").text
    for words in ("Gestion du compte", "Raison sociale", "Enseigne", "SIRET", "Civilité", "Nom d’usage", "Prénom", "Courriel", "obligatoires", "Annuler", "Valider"):
        assert words in page, words
    once = hidden(page, "once")
    answers = [post(browser, f"{HOME}nouveau", TYPED | {"once": once}) for _click in range(2)]
    assert {(answer.status_code, answer.location) for answer in answers} == {(303, HOME)}
    page = told(browser, HOME)
    sentence = f"Le compte secondaire de Madame NOM TEST COMPTE PRENOM TEST COMPTE {OF} a bien été créé. Un mail de récupération de mot de passe a été envoyé"
    assert sentence in page
    assert "Nombre de résultats : 2" in page
    assert "aucun mot de passe choisi pour l’instant" in page
    assert db_session.scalar(select(func.count()).select_from(MailMessage)) == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("last_name", "", "Indiquez le nom d’usage."),
        ("first_name", "   ", "Indiquez le prénom."),
        ("email", "", "Indiquez le courriel."),
        ("email", "pau", "« pau » n’est pas un courriel"),
        ("email", "a@b@c", "n’est pas un courriel"),
        ("email", "x" * 250 + "@example.org", "254 caractères au plus."),
        ("last_name", "Voir https://ailleurs.example", "n’est pas un nom"),
        ("last_name", "x" * 65, "64 caractères au plus."),
        ("civility", "DR", "Choisissez l’une des deux"),
    ],
)
def test_what_is_refused_is_said_and_kept(as_user: AsUser, db_session: Session, field: str, value: str, words: str) -> None:
    browser = as_user("principal")
    before = db_session.scalar(select(func.count()).select_from(User))
    answer = post(browser, f"{HOME}nouveau", TYPED | {field: value, "once": "a"})
    assert answer.status_code == 422
    assert words in answer.text
    assert "error-summary" in answer.text
    kept = {"email": "aa@aa.fr", "last_name": "NOM TEST COMPTE"} | {field: value}
    assert f'value="{kept["email"]}"' in answer.text
    assert db_session.scalar(select(func.count()).select_from(User)) == before


def test_the_same_person_twice(as_user: AsUser) -> None:
    browser = as_user("principal")
    post(browser, f"{HOME}nouveau", TYPED | {"once": "a"})
    answer = post(browser, f"{HOME}nouveau", TYPED | {"once": "b"})
    assert answer.status_code == 422
    assert "Cette personne a déjà un compte avec ce courriel, sous l’identifiant" in answer.text


def test_nothing_but_who_holds_it_can_be_posted(as_user: AsUser, db_session: Session) -> None:
    """B3.4: no role, organisation or state by mass assignment."""
    browser = as_user("principal")
    other = db_session.scalars(select(User.organisation_id).where(User.username == "autre-of")).one()
    more = {"organisation_id": str(other), "roles": "1", "is_principal": "y", "password": "x", "username": "chef", "deleted_at": "2026-01-01", "role": "Support"}
    post(browser, f"{HOME}nouveau", TYPED | more)
    made = db_session.scalars(select(User).where(User.email == "aa@aa.fr")).one()
    assert made.organisation_id != other
    assert [role.name for role in made.roles] == [Role.SECONDARY]
    assert (made.username == "chef", made.password, made.deleted_at) == (False, None, None)


def test_in_the_dialog(as_user: AsUser) -> None:
    """The form is a part of the page behind; a success sends the whole page on, an error comes back into the dialog."""
    browser = as_user("principal")
    answer = post(browser, f"{HOME}nouveau", TYPED | {"email": ""}, headers=HTMX)
    assert answer.status_code == 422
    assert 'id="account-form"' in answer.text
    answer = post(browser, f"{HOME}nouveau", TYPED, headers=HTMX)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, HOME)


# ---- the other acts --------------------------------------------------------------------------------------------------

ACTS = [
    ("regenerer", "régénérer le mot de passe", "a bien été régénéré. Un mail de notification de régénération de mot de passe a été envoyé au mail du compte."),
    ("debloquer", "débloquer le compte", "a bien été débloqué."),
    ("desactiver", "désactiver le compte", "a bien été désactivé."),
    ("activer", "activer le compte", "a bien été activé."),
    ("supprimer", "supprimer le compte", "a bien été supprimé."),
]


@pytest.mark.parametrize(("act", "question", "done"), ACTS)
@pytest.mark.parametrize("who", ["principal", "support", "region", "admin"])
def test_each_act_asks_then_says_what_it_did(as_user: AsUser, db_session: Session, who: str, act: str, question: str, done: str) -> None:
    browser, account = as_user(who), id_of(db_session, "secondaire")
    state = {"debloquer": {"blocked_at": func.now(), "failed_attempts": 3}, "activer": {"active": False, "deactivated_at": func.now()}}.get(act)
    if state:
        with transaction():
            db_session.execute(update(User).where(User.id == account).values(**state))
    base = HOME if who == "principal" else "/comptes/"
    page = browser.get(f"{base}{account}/{act}")
    assert page.status_code == 200
    assert f"Êtes-vous sûr de vouloir {question} ?" in page.text
    answer = post(browser, f"{base}{account}/{act}")
    assert answer.status_code == 303
    page = told(browser, answer.location)
    assert f"Le compte secondaire de Monsieur MOREAU Karim {OF} {done}" in page
    if act == "supprimer":
        assert "secondaire@example.org" not in told(browser, base)


@pytest.mark.parametrize("who", ["principal", "support"])
def test_a_deleted_account_says_so(as_user: AsUser, db_session: Session, who: str) -> None:
    """The other window: nothing fails, and it says what happened meanwhile."""
    browser, account = as_user(who), id_of(db_session, "secondaire")
    base = HOME if who == "principal" else "/comptes/"
    services.delete_account(account, actor_id=id_of(db_session, "admin"))
    for act in ("regenerer", "debloquer", "desactiver", "activer", "supprimer", "modifier"):
        answer = post(browser, f"{base}{account}/{act}", TYPED)
        assert (answer.status_code, answer.location) == (303, base), act
        assert f"Rien n’a été modifié : le compte secondaire de Monsieur MOREAU Karim {OF} a été supprimé entre-temps." in told(browser, base)
    assert as_user("autre-of").get(f"{HOME}{account}/modifier").status_code == 404


def test_the_last_principal_is_not_offered_and_refused_in_words(as_user: AsUser, db_session: Session) -> None:
    browser, account = as_user("admin"), id_of(db_session, "principal")
    page = browser.get(f"/comptes/{account}").text
    assert "act-delete" not in page
    assert "ne peut être ni désactivé ni supprimé" in page
    for act in ("supprimer", "desactiver"):
        answer = post(browser, f"/comptes/{account}/{act}")
        assert "le dernier compte" in told(browser, answer.location)


@pytest.mark.parametrize("act", ["modifier", "regenerer", "debloquer", "desactiver", "activer", "supprimer"])
def test_who_has_no_business_there(as_user: AsUser, db_session: Session, act: str) -> None:
    principal, secondary, admin = (id_of(db_session, name) for name in ("principal", "secondaire", "admin"))
    for method in ("get", "post"):

        def answer(who: str, address: str, method: str = method) -> int:
            browser = as_user(who)
            return browser.get(address).status_code if method == "get" else post(browser, address).status_code

        assert answer("autre-of", f"{HOME}{secondary}/{act}") == 404
        assert answer("principal", f"{HOME}{principal}/{act}") == 403, "its own account"
        assert answer("principal", f"{HOME}{admin}/{act}") == 404
        assert answer("secondaire", f"{HOME}{secondary}/{act}") == 403
        assert answer("support", f"/comptes/{admin}/{act}") == 403
        assert answer("region", f"/comptes/{admin}/{act}") == 403


# ---- editing ---------------------------------------------------------------------------------------------------------


def test_two_windows_edit_one_account(as_user: AsUser, db_session: Session) -> None:
    """Guide 004 §3: nobody overwrites anybody."""
    mine, theirs = as_user("principal"), as_user("support")
    account = id_of(db_session, "secondaire")
    url = f"{HOME}{account}/modifier"
    base = hidden(mine.get(url).text, "row_base")
    moreau = {"civility": "M", "last_name": "MOREAU", "first_name": "Karim", "email": "secondaire@example.org"}
    page = theirs.get(f"/comptes/{account}/modifier").text
    answer = post(theirs, f"/comptes/{account}/modifier", moreau | {"last_name": "DURAND", "civility": "", "row_base": hidden(page, "row_base")})
    assert (answer.status_code, answer.location) == (303, f"/comptes/{account}")
    answer = post(mine, url, moreau | {"last_name": "DUPONT", "first_name": "Karim-Paul", "row_base": base})
    assert answer.status_code == 409
    for words in ("MOREAU", "DUPONT", "DURAND", "Votre version"):
        assert words in answer.text, words
    assert "HX-Retarget" not in answer.headers
    part = post(mine, url, moreau | {"last_name": "DUPONT", "row_base": base}, headers=HTMX)
    assert (part.status_code, part.headers["HX-Retarget"]) == (409, "#content")
    carried = {name: hidden(answer.text, name) for name in ("last_name", "first_name", "email", "row_base", "choice-civility")}
    answer = post(mine, url, carried | {"civility": "M", "choice-last_name": "mine"})
    assert answer.status_code == 303
    assert "Monsieur" not in told(mine, answer.location).split("a bien été modifié")[0].rpartition("compte secondaire de")[2], "theirs stands"
    db_session.expire_all()
    user = db_session.get_one(User, account)
    assert (user.civility, user.last_name, user.first_name) == (None, "DUPONT", "Karim-Paul")


def test_editing_says_what_became_of_it(as_user: AsUser, db_session: Session) -> None:
    browser, account = as_user("principal"), id_of(db_session, "secondaire")
    url = f"{HOME}{account}/modifier"
    moreau = {"civility": "M", "last_name": "MOREAU", "first_name": "Karim", "email": "secondaire@example.org"}

    def save(**changes: str) -> str:
        answer = post(browser, url, moreau | changes | {"row_base": hidden(browser.get(url).text, "row_base")})
        return told(browser, answer.location)

    assert "Rien n’a été modifié : le compte secondaire" in save()
    assert f"Le compte secondaire de Monsieur DURAND Karim {OF} a bien été modifié." in save(last_name="DURAND")
    assert "L’ancien courriel et le nouveau en ont été avertis." in save(last_name="DURAND", email="autre@example.org")


# ---- many accounts ---------------------------------------------------------------------------------------------------


def test_searching_sorting_and_pages(as_user: AsUser, db_session: Session) -> None:
    organisation_id = db_session.scalars(select(Organisation.id).where(Organisation.siret == "12345678913000")).one()
    for number in range(30):
        services.create_account(
            first_name=f"Prénom{number:02}", last_name=f"NOM{29 - number:02}", email=f"n{number:02}@example.org", roles=[Role.SECONDARY],
            organisation_id=organisation_id, identifiant=f"id-{number:02}",
        )  # fmt: skip
    browser = as_user("principal")

    def names(query: str) -> list[str]:
        return re.findall(r"(?:NOM\d\d|MOREAU)(?= (?:Prénom|Karim))[^<]*(?=</div>)", browser.get(f"{HOME}{query}").text)

    page = browser.get(HOME).text
    assert "Nombre de résultats : 31" in page
    assert 'name="q"' in page
    assert len(names("")) == 25
    assert len(names("?size=50")) == 31
    assert names("?size=50")[0].startswith("MOREAU")
    assert names("?size=50&sort=name&order=desc")[0].startswith("NOM29")
    assert names("?size=50&sort=email")[0].startswith("NOM29")
    assert names("?size=50&sort=username&order=asc")[0].startswith("NOM29")
    assert names("?q=moreau") == ["MOREAU Karim"]
    assert names("?q=prénom07") == names("?q=PRENOM07 nom22") == names("?q=id-07") == ["NOM22 Prénom07"]
    assert names("?q=garonne") == [], "the organisation is everyone's here"
    assert "Aucun compte trouvé" in browser.get(f"{HOME}?q=zzz").text
    assert "Rien sur cette page" in browser.get(f"{HOME}?page=9").text


def test_a_deleted_account_in_the_history_of_an_action(as_user: AsUser, db_session: Session) -> None:
    account = id_of(db_session, "secondaire")
    action = db_session.scalars(text("SELECT id FROM action WHERE organisation_id = (SELECT organisation_id FROM ab_user WHERE id = :id) LIMIT 1").bindparams(id=account)).one()
    db_session.execute(
        text(
            "INSERT INTO action_history (organisation_id, action_id, event, from_status, to_status, actor_id, actor_name, happened_at) "
            "SELECT organisation_id, id, 'open', 'AO', 'EC', :actor, 'Karim MOREAU', now() FROM action WHERE id = :action"
        ),
        {"actor": account, "action": action},
    )
    browser = as_user("principal")
    assert "Karim MOREAU" in browser.get(f"/actions-de-formation/{action}/historique").text
    services.delete_account(account, actor_id=id_of(db_session, "principal"))
    assert "compte supprimé : M. MOREAU Karim" in browser.get(f"/actions-de-formation/{action}/historique").text


def test_what_is_done_shows_at_once(as_user: AsUser, client: FlaskClient, db_session: Session) -> None:
    """The list of sessions of the account deleted is empty at its next request."""
    assert sign_in(client, "secondaire").status_code == 303
    post(as_user("principal"), f"{HOME}{id_of(db_session, 'secondaire')}/supprimer")
    assert client.get("/mon-compte/").status_code == 302
