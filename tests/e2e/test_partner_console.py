"""The partner console in a browser: an enrolment that AGORA refuses, seen and sent again; the Région's acts; the comparison with AGORA's files."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from app.partners.agora.channel import AgoraConfig
from app.partners.agora.http import AgoraHttp
from app.partners.agora.port import EventKind, FileEvent
from tests.e2e.axe import assert_accessible
from tests.e2e.portal import Product
from tests.e2e.test_main_job import (
    LATER,
    SOON,
    TODAY,
    choose,
    contact_details,
    enrol,
    fill,
    initial_situation,
    register,
    start_registration,
    verify,
)

SignIn = Callable[..., Page]
ACTION = "23C00390257_2"
#: A birth name at which AGORA's sandbox refuses a creation once; identities are typed while it is down.
REFUSED = "DISCORDANT"
NUMBERS = ("1850431555011", "1850431555022")


def _enrol_while_agora_is_down(page: Page, number: str) -> None:
    start_registration(page, ACTION)
    verify(page, number, f"{97 - int(number) % 97:02d}", REFUSED)
    expect(page.locator("#identite")).to_contain_text("AGORA ne répond pas", timeout=SOON)
    choose(page, "Civilité", "M.")
    page.locator("#identite").get_by_label(re.compile("^Prénom")).fill("Paul")
    page.locator("#identite").get_by_label(re.compile("^Date de naissance")).fill("17/04/1985")
    choose(page, "Genre", "Masculin")
    contact_details(page)
    initial_situation(page)
    esf = page.get_by_role("button", name="Enregistrer le stagiaire")
    expect(esf).to_be_visible()
    register(page)
    enrol(page)
    expect(page.locator("[id^='agora-']").first).to_contain_text("L’inscription est enregistrée", timeout=SOON)


def _until(page: Page, text: str, tries: int = 60) -> None:
    """Open the page again until it says so."""
    for _ in range(tries):
        if page.get_by_text(text).count():
            return
        page.wait_for_timeout(2_000)
        page.reload()
    expect(page.get_by_text(text).first).to_be_visible()


def test_1_a_refusal_is_explained_and_sent_again(signed_in: SignIn, product: Product) -> None:
    page = signed_in("principal")
    with product.agora.stopped():
        for number in NUMBERS:
            _enrol_while_agora_is_down(page, number)
    page.goto("/echanges/a-suivre")
    expect(page.get_by_role("heading", level=1)).to_have_text("Suivi des échanges AGORA")
    _until(page, "2 résultats")
    # the cause in plain words, and the way to the field
    expect(page.get_by_text("AGORA connaît ce NIR sous un autre nom de naissance.")).to_have_count(2)
    assert_accessible(page)
    mend = page.get_by_role("link", name="Corriger : nom de naissance").first
    mend.click()
    expect(page.get_by_role("textbox", name=re.compile("^Nom")).first).to_have_value(REFUSED)
    page.goto("/echanges/a-suivre")
    page.get_by_role("link", name=re.compile("^Voir les essais")).first.click()
    exchange = page.url
    expect(page.get_by_text("NOM_DISCORDANT").first).to_be_visible()
    expect(page.get_by_text("Refusé : AGORA connaît ce NIR").first).to_be_visible()
    assert_accessible(page)

    # the Région chooses it in the list and sends it again: nothing was mended, so AGORA refuses it again
    region = signed_in("admin")
    region.goto("/echanges/?nature=functional")
    number = exchange.rstrip("/").rpartition("/")[2]
    region.get_by_role("checkbox", name=f"Choisir l’échange {number}", exact=True).check()
    region.get_by_role("button", name="Renvoyer ceux choisis").click()
    expect(region.get_by_role("heading", level=1)).to_have_text("Renvoyer 1 échange ?")
    assert_accessible(region)
    fill(region, "Motif", "vu avec AGORA")
    region.get_by_role("button", name="Envoyer à nouveau").click()
    expect(region.get_by_text("1 échange est renvoyé.")).to_be_visible()
    region.goto(exchange)
    expect(region.get_by_text("vu avec AGORA")).to_be_visible()
    _until(region, "Refusé par le partenaire")

    # the organisation mends both: what was refused leaves by itself, and AGORA takes it
    for name in ("MARCHAND", "BERGER"):
        page.goto("/echanges/a-suivre")
        page.get_by_role("link", name="Corriger : nom de naissance").first.click()
        fill(page, "Nom", name)
        page.get_by_role("button", name="Vérifier auprès d’AGORA").click()
        # AGORA's person is not the one typed while it was silent: that has to be said, before one takes the place of the other
        expect(page.get_by_text("AGORA connaît ce NIR avec une autre identité").first).to_be_visible(timeout=LATER)
        page.get_by_role("button", name="Enregistrer cette identité").click()
        expect(page.get_by_role("alert").first).to_contain_text("Il y a un problème")
        assert_accessible(page)
        page.get_by_label("C’est bien la même personne").check()
        page.get_by_role("button", name="Enregistrer cette identité").click()
        expect(page.locator("[id^='agora-'] code").first).to_have_text(re.compile(r"^\d{8,12}$"), timeout=LATER)
    page.goto("/echanges/a-suivre")
    expect(page.get_by_text("Rien à corriger")).to_be_visible()
    page.goto(exchange)
    expect(page.get_by_text("Terminé : le partenaire l’a reçu.")).to_be_visible()


def test_2_the_region_stops_limits_and_resumes(signed_in: SignIn) -> None:
    page = signed_in("admin")
    page.goto("/")
    page.locator("nav summary", has_text="Supervision").click()
    page.locator("nav").get_by_role("link", name="Échanges avec les partenaires", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Échanges avec les partenaires")
    assert_accessible(page)
    page.get_by_role("link", name=re.compile("^Arrêter les envois")).click()
    page.get_by_role("button", name="Arrêter les envois").click()
    expect(page.locator(".error-summary")).to_be_visible()
    fill(page, "Motif", "changement de certificat")
    page.get_by_role("button", name="Arrêter les envois").click()
    expect(page.get_by_text("Arrêtés par la Région : changement de certificat")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Reprendre les envois")).click()
    expect(page.get_by_role("link", name=re.compile("^Arrêter les envois"))).to_be_visible()
    page.get_by_role("link", name=re.compile("^Limiter le débit")).click()
    fill(page, "Messages par minute", "600")
    fill(page, "Motif", "charge d’AGORA")
    page.get_by_role("button", name="Fixer le débit").click()
    expect(page.get_by_text("Au plus 600 par minute", exact=True)).to_be_visible()
    page.get_by_role("link", name=re.compile("^Limiter le débit")).click()
    fill(page, "Messages par minute", "")
    fill(page, "Motif", "retour à la normale")
    page.get_by_role("button", name="Fixer le débit").click()
    expect(page.get_by_text("Au plus 600 par minute", exact=True)).to_have_count(0)
    # the live part comes back by itself
    with page.expect_response(lambda answer: answer.url.endswith("/echanges/etat")) as asked:
        pass
    assert asked.value.ok


def test_3_the_comparison_heals_and_gives_the_rest_to_somebody(signed_in: SignIn, product: Product) -> None:
    """AGORA cancels a file behind the portal's back: the status is taken, the organisation is asked, the Région settles."""
    page = signed_in("admin")
    page.goto(f"/echanges/?texte={ACTION}&etat=recus")
    first = page.locator("tbody tr").first
    said = re.search(r"dossier AGORA (\d{8,12})", first.inner_text())
    assert said is not None
    number = said.group(1)
    env = product.agora.env
    agora = AgoraHttp(
        AgoraConfig(
            url=product.agora.url, client_id=env["AGORA_CLIENT_ID"], client_secret=env["AGORA_CLIENT_SECRET"], jwt_key=env["AGORA_JWT_KEY"],
            pseudonym_key=b"a key of the tests alone", funder_siret="20005379100014",
        )
    )  # fmt: skip

    def cancel() -> None:
        reference = agora.get_file(number).external_reference
        event = FileEvent(number=number, external_reference=reference, kind=EventKind.CANCELLATION, date=TODAY, reason="ERREUR")
        agora.send_event(event, idempotency_key=uuid4())

    with ThreadPoolExecutor() as pool:  # the browser's own loop runs in this thread
        pool.submit(cancel).result()
    page.goto("/rapprochement/")
    page.get_by_role("button", name="Tout rapprocher").click()
    expect(page.get_by_text("Complet", exact=True)).to_be_visible(timeout=LATER)
    page.reload()
    row = page.get_by_role("row", name=re.compile("^Le statut diffère"))
    expect(row.first).to_contain_text("1")
    assert_accessible(page)

    owner = signed_in("principal")
    owner.goto("/echanges/a-suivre")
    expect(owner.get_by_role("heading", name="Écarts avec les dossiers d’AGORA")).to_be_visible()
    expect(owner.get_by_text("saisissez la sortie").first).to_be_visible()

    page.goto("/rapprochement/")
    page.get_by_role("link", name=re.compile("^Régler")).first.click()
    fill(page, "Motif", "vu avec AGORA : dossier à rouvrir")
    page.get_by_role("button", name="Déclarer réglé").click()
    expect(page.get_by_text("L’écart est réglé.")).to_be_visible()
    owner.reload()
    expect(owner.get_by_role("heading", name="Écarts avec les dossiers d’AGORA")).to_have_count(0)


@pytest.mark.parametrize("width", [320, 1280])
def test_4_no_page_scrolls_sideways(signed_in: SignIn, width: int) -> None:
    page = signed_in("admin", width=width)
    for path in ("/echanges/", "/rapprochement/", "/echanges/partenaire/agora/debit", "/referentiels/codes-des-partenaires/list/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
