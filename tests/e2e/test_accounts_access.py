"""First access, recovery and "Mon compte" (guide 004 pages 4 to 8), in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.axe import assert_accessible
from tests.e2e.portal import PASSWORD, sign_in

NEW = "Vélo-rouge-42-neige"
NewContext = Callable[..., BrowserContext]


PEOPLE = {"secondaire": ("MOREAU", "Karim"), "autre-of": ("garcia", "Ines")}  # typed as people do, without accents


def links_in_mails(context: BrowserContext) -> list[str]:
    """The addresses of the mails with a link, latest first."""
    page = context.new_page()
    page.goto("/courriels-de-demonstration/")
    mails = [link.get_attribute("href") for link in page.get_by_role("link", name="Choisissez le mot de passe de votre compte").all()]
    found = []
    for mail in mails:
        page.goto(str(mail))
        found.append(str(page.locator("a[href*='/acces/']").first.get_attribute("href")))
    page.close()
    return found


def ask_for_a_link(page: Page, identifiant: str) -> str:
    """From the sign-in page to the address that comes by mail."""
    before = links_in_mails(page.context)
    page.goto("/connexion")
    page.get_by_role("link", name="Mot de passe oublié ou première connexion ?").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Génération de mot de passe")
    expect(page.get_by_text("veuillez renseigner les informations suivantes")).to_be_visible()
    page.get_by_label("Identifiant").fill(identifiant)
    page.get_by_label("Nom d’usage").fill(PEOPLE[identifiant][0])
    page.get_by_label("Prénom").fill(PEOPLE[identifiant][1])
    page.get_by_label("Courriel").fill(f"{identifiant}@example.org")
    page.get_by_role("button", name="Valider").click()
    expect(page.get_by_text("un courriel de réinitialisation de mot de passe vient d’être envoyé")).to_be_visible()
    for _try in range(60):
        fresh = [address for address in links_in_mails(page.context) if address not in before]
        if fresh:
            return fresh[0]
        page.wait_for_timeout(1000)
    raise AssertionError("no mail came")


def choose(page: Page, password: str) -> None:
    """Fill in "Coordonnées d'authentification" and save."""
    page.locator("#password").fill(password)
    page.get_by_label("Confirmer le mot de passe").fill(password)
    page.get_by_role("button", name="Enregistrer").click()


def put_back(page: Page) -> None:
    """The password that the other journeys know."""
    page.goto("/mon-compte/")
    page.get_by_label("Mot de passe actuel").fill(NEW)
    page.locator("#new").fill(PASSWORD)
    page.get_by_label("Confirmer le nouveau mot de passe").fill(PASSWORD)
    page.get_by_role("button", name="Changer le mot de passe").click()
    expect(page.get_by_text("Votre mot de passe a bien été changé")).to_be_visible()


def test_a_blocked_account_is_back_through_its_mailbox(new_context: NewContext, signed_in: Callable[..., Page]) -> None:
    """Its principal sees it, its holder is told, and a link opens the account again, once."""
    page = new_context(width=360).new_page()
    for _ in range(3):
        sign_in(page, "secondaire", "pas-le-bon-mot-de-passe")
    principal = signed_in("principal")
    principal.goto("/")
    expect(principal.get_by_text("1 compte bloqué")).to_be_visible()
    principal.get_by_role("link", name="Voir les comptes utilisateurs").click()
    expect(principal.get_by_text("1 compte bloqué")).to_be_visible()
    assert_accessible(principal)
    told = page.get_by_role("link", name="Votre compte est bloqué")
    for _try in range(60):
        page.goto("/courriels-de-demonstration/")
        if told.count():
            break
        page.wait_for_timeout(1000)
    expect(told.first).to_be_visible()

    address = ask_for_a_link(page, "secondaire")
    assert_accessible(page)
    page.goto(address)
    expect(page).to_have_url(re.compile("/acces/identifiants$"))
    assert address.rpartition("/")[2] not in page.content()
    for words in ("CARACTÉRISTIQUES", "Coordonnées d’authentification", "64 caractères max."):
        expect(page.get_by_text(words).first).to_be_visible()
    expect(page.get_by_label("Identifiant")).to_have_value("secondaire")
    assert_accessible(page)
    choose(page, "trop-court")
    expect(page.get_by_text("Trop court").first).to_be_visible()
    assert_accessible(page)
    choose(page, NEW)
    expect(page.get_by_text("Les modifications ont bien été enregistrées")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mon compte")
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("link", name="Retour à l’accueil").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Accueil")
    put_back(page)

    late = new_context().new_page()
    late.goto(address)
    expect(late.get_by_role("heading", level=1)).to_have_text("Ce lien a déjà servi")
    assert_accessible(late)
    late.get_by_role("button", name="Envoyer un nouveau lien").click()
    expect(late.get_by_text("vient d’être envoyé")).to_be_visible()
    assert "example.org" not in late.content()


def test_a_lost_password_without_script(new_context: NewContext) -> None:
    """The same way, by plain pages alone."""
    page = new_context(javascript=False).new_page()
    page.goto(ask_for_a_link(page, "autre-of"))
    choose(page, NEW)
    expect(page.get_by_text("Les modifications ont bien été enregistrées")).to_be_visible()
    put_back(page)


def test_my_account(new_context: NewContext, page: Page) -> None:
    """Identifiant changed, one session ended from another browser, the last sign-ins."""
    other = new_context().new_page()
    for one in (page, other):
        sign_in(one, "region")
    page.goto("/mon-compte/")
    expect(page.get_by_role("heading", name="Dernières connexions")).to_be_visible()
    page.get_by_role("link", name=re.compile("^modifier Identifiant")).click()
    page.get_by_label("Nouvel identifiant").fill("region.fabre")
    page.get_by_label("Mot de passe actuel").fill(PASSWORD)
    assert_accessible(page)
    page.get_by_role("button", name="Modifier l’identifiant").click()
    expect(page.get_by_text("Votre identifiant a été modifié")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Déconnecter la session")).first.click()  # the one used last
    expect(page.get_by_text("La session a été déconnectée")).to_be_visible()
    other.goto("/mon-compte/")
    expect(other.get_by_text("Votre session est terminée")).to_be_visible()
    page.goto("/mon-compte/identifiant")
    page.get_by_label("Nouvel identifiant").fill("region")  # as the other journeys know it
    page.get_by_label("Mot de passe actuel").fill(PASSWORD)
    page.get_by_role("button", name="Modifier l’identifiant").click()
    expect(page.get_by_text("Votre identifiant a été modifié")).to_be_visible()


def newest_mail(page: Page, subject: str, recipient: str) -> str:
    """The text of the latest mail of that subject to that address."""
    page.goto("/courriels-de-demonstration/")
    row = page.get_by_role("row").filter(has_text=recipient).filter(has=page.get_by_role("link", name=subject))
    row.first.get_by_role("link", name=subject).click()
    return page.locator("main").inner_text()


def ask_for_address(page: Page, email: str) -> None:
    """From "Mon compte" to the link that waits in the new mailbox."""
    page.goto("/mon-compte/")
    page.get_by_role("link", name=re.compile("^modifier Courriel")).click()
    page.get_by_label("Nouvelle adresse de courriel").fill(email)
    page.get_by_label("Mot de passe actuel").fill(PASSWORD)
    assert_accessible(page)
    page.get_by_role("button", name="Envoyer le lien de confirmation").click()
    expect(page.get_by_text(re.compile(f"En attente de confirmation.: {re.escape(email)}"))).to_be_visible()


def address_sent(context: BrowserContext, email: str) -> str:
    """The address of the latest link sent to a new address."""
    page = context.new_page()
    newest_mail(page, "Confirmez votre nouvelle adresse de courriel", email)
    found = str(page.locator("a[href*='/acces/courriel/']").first.get_attribute("href"))
    page.close()
    return found


def test_another_address_counts_once_confirmed(new_context: NewContext) -> None:
    """Asked, sent again, cancelled; then confirmed from the new mailbox, on a browser where nobody is signed in."""
    page = new_context(width=360).new_page()
    sign_in(page, "support")
    ask_for_address(page, "s.appui@example.org")
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("button", name="Renvoyer le lien").click()
    expect(page.get_by_text("Le lien a été renvoyé")).to_be_visible()
    cancelled = address_sent(page.context, "s.appui@example.org")
    page.get_by_role("button", name="Annuler ce changement").click()
    expect(page.get_by_text("Le changement d’adresse est annulé")).to_be_visible()
    elsewhere = new_context(width=360).new_page()
    elsewhere.goto(cancelled)
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("Ce lien n’est plus valable")
    assert_accessible(elsewhere)

    ask_for_address(page, "support2@example.org")
    told = newest_mail(elsewhere, "Un changement de votre adresse de courriel a été demandé", "support@example.org")
    assert "support2@example.org" in told and "/acces/" not in told
    elsewhere.goto(address_sent(page.context, "support2@example.org"))
    expect(elsewhere).to_have_url(re.compile("/acces/courriel$"))
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("Confirmer la nouvelle adresse de courriel")
    assert_accessible(elsewhere)
    assert elsewhere.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    elsewhere.get_by_role("button", name="Confirmer cette adresse").click()
    expect(elsewhere).to_have_url(re.compile("/connexion$"))
    expect(elsewhere.get_by_text("La nouvelle adresse de courriel est confirmée")).to_be_visible()

    ask_for_address(page, "support@example.org")  # as the other journeys know it
    page.goto(address_sent(page.context, "support@example.org"))
    page.get_by_role("button", name="Confirmer cette adresse").click()
    expect(page).to_have_url(re.compile("/mon-compte/#identifiant$"))
    expect(page.get_by_text("Votre nouvelle adresse de courriel est confirmée")).to_be_visible()
