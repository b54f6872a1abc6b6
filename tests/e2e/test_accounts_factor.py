"""The second factor and access tokens, in a real browser: turned on, asked, given up; made, shown once, revoked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pyotp
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.axe import assert_accessible
from tests.e2e.portal import PASSWORD, sign_in

NewContext = Callable[..., BrowserContext]


def test_second_factor(new_context: NewContext) -> None:
    """Without script and on a telephone: nothing here needs more."""
    page = new_context(javascript=False, width=360).new_page()
    sign_in(page, "autre-of")
    page.goto("/mon-compte/")
    page.get_by_role("link", name="Activer le second facteur").click()
    page.get_by_label("Mot de passe actuel").fill(PASSWORD)
    page.get_by_role("button", name="Continuer").click()
    page.wait_for_load_state("networkidle")
    assert page.locator("main img").evaluate("image => image.complete && image.naturalWidth > 100")
    secret = page.locator("main code").inner_text().replace(" ", "")
    page.get_by_label("Code affiché par l’application").fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="Activer le second facteur").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Codes de récupération")
    codes = page.locator("main li code").all_inner_texts()
    assert len(codes) == 10
    with page.expect_download() as download:
        page.get_by_role("button", name="Télécharger les codes").click()
    assert codes[9] in download.value.path().read_text("utf-8")

    other = new_context().new_page()
    sign_in(other, "autre-of")
    expect(other.get_by_role("heading", level=1)).to_have_text("Code de vérification")
    assert_accessible(other)
    other.get_by_label("Code de vérification").fill("000 000")
    other.get_by_role("button", name="Se connecter", exact=True).click()
    expect(other.get_by_role("alert")).to_contain_text(re.compile("ce code est faux", re.IGNORECASE))
    other.get_by_label("Code de vérification").fill(str(pyotp.TOTP(secret).at(int(time.time()) + 30)))
    other.get_by_role("button", name="Se connecter", exact=True).click()
    expect(other.get_by_text("Bonjour")).to_be_visible()

    other.goto("/mon-compte/")
    expect(other.locator("#second-facteur")).to_contain_text("Activé")
    other.get_by_role("link", name="Changer de téléphone").click()
    assert_accessible(other)
    other.get_by_label("Mot de passe actuel").fill(PASSWORD)
    other.get_by_label("Code de vérification").fill(codes[1])
    other.get_by_role("button", name="Continuer").click()
    secret = other.locator("main code").inner_text().replace(" ", "")
    other.get_by_label("Code affiché par l’application").fill(pyotp.TOTP(secret).now())
    other.get_by_role("button", name="Utiliser ce téléphone").click()
    expect(other.get_by_text("Votre nouveau téléphone donne désormais les codes")).to_be_visible()

    other.get_by_role("link", name="Désactiver le second facteur").click()
    other.get_by_label("Mot de passe actuel").fill(PASSWORD)
    other.get_by_label("Code de vérification").fill(codes[0])
    other.get_by_role("button", name="Désactiver le second facteur").click()
    expect(other.get_by_text("Le second facteur est désactivé")).to_be_visible()


def test_access_token(signed_in: Callable[..., Page]) -> None:
    page = signed_in("principal")
    page.goto("/mon-compte/")
    page.get_by_role("link", name="Créer un jeton").click()
    assert_accessible(page)
    page.get_by_role("button", name="Créer le jeton").click()
    expect(page.get_by_role("alert")).to_contain_text("au moins une portée")
    page.get_by_label("Nom").fill("Planning")
    page.get_by_label("Lire la fiche de l’organisme").check()
    page.get_by_label("30 jours").check()
    page.get_by_label("Réseaux autorisés").fill("127.0.0.0/8")
    page.get_by_label("Mot de passe actuel").fill(PASSWORD)
    page.get_by_role("button", name="Créer le jeton").click()
    token = page.get_by_text(re.compile(r"^pmf_")).inner_text()

    def asked() -> int:
        answer = page.request.get("/api/v1/organisme", headers={"Authorization": f"Bearer {token}"})
        return answer.status

    assert asked() == 200
    assert page.request.get("/api/v1/organisme").status == 401
    page.get_by_role("link", name="J’ai copié le jeton").click()
    row = page.get_by_role("row", name=re.compile("Planning"))
    expect(row).to_contain_text("127.0.0.1")
    assert_accessible(page)
    row.get_by_role("button", name=re.compile("^Révoquer")).or_(row.get_by_role("link", name=re.compile("^Révoquer"))).first.click()
    page.get_by_role("dialog").get_by_role("button", name="Révoquer le jeton").click()
    expect(page.get_by_text("Le jeton « Planning » a bien été révoqué")).to_be_visible()
    assert asked() == 401
