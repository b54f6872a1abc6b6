"""The life of an enrolment in a real browser, with AGORA's sandbox: what it holds is read at the end of each journey."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from playwright.sync_api import Page, expect

from app.core import clock
from tests.e2e.portal import Product
from tests.e2e.test_closing_and_sessions import checked, fill, fr, open_action

SignIn = Callable[..., Page]
SOON = 20_000
#: An action with two components, and one whose three trainees are of another organisation.
TWO_COMPONENTS, TO_CLOSE = "19Q01762009_5", "22P00210044_1"


def ago(days: int) -> str:
    """jj/mm/aaaa, so many days ago"""
    return fr(clock.today() - timedelta(days=days))


def file_at_agora(product: Product, number: str) -> dict[str, Any]:
    """The file as the sandbox wrote it last."""
    lines = (product.agora.folder / "agora" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    found = [record["file"] for line in lines if (record := json.loads(line))["file"]["number"] == number]
    assert found, f"AGORA has no file {number}"
    return dict(found[-1])


def act(page: Page, label: str) -> None:
    """One of the acts beside the enrolment."""
    page.get_by_role("link", name=re.compile("^" + label)).first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def confirm(page: Page, label: str) -> None:
    """The button of the page, and back on the sheet."""
    page.get_by_role("button", name=label, exact=True).click()
    expect(page.get_by_role("heading", name="Liste des composantes sur lesquelles le stagiaire est inscrit")).to_be_visible()


def taken(page: Page, status: str) -> str:
    """The number, once AGORA has taken what was told."""
    rubric = page.locator("[id^='agora-']").first
    expect(rubric).to_contain_text(status, timeout=SOON)
    expect(rubric.get_by_text("le dossier AGORA suit")).to_have_count(0, timeout=SOON)
    return rubric.locator("code").first.inner_text()


def test_interrupted_back_out_in_again_and_on_another_component(signed_in: SignIn, product: Product) -> None:
    page = signed_in("principal", width=360)
    open_action(page, TWO_COMPONENTS)
    page.get_by_role("link", name="Voir toute la liste des stagiaires").click()
    page.get_by_role("link", name=re.compile("^ESTÈVE")).first.click()
    number = taken(page, "Entrée en formation")
    checked(page)

    act(page, "Interrompre")
    checked(page)
    fill(page, "Premier jour d’absence", ago(30))
    page.get_by_role("combobox", name=re.compile("^Motif de l’interruption")).select_option(label="Emploi temporaire")
    confirm(page, "Enregistrer l’interruption")
    expect(page.get_by_text(f"Interruption depuis le {ago(30)}")).to_be_visible()
    checked(page)

    act(page, "Saisir la reprise")
    fill(page, "Jour de la reprise", ago(31))
    page.get_by_role("button", name="Enregistrer la reprise").click()
    expect(page.get_by_text("saisissez un jour plus tard pour la reprise").first).to_be_visible()
    checked(page)
    fill(page, "Jour de la reprise", ago(20))
    confirm(page, "Enregistrer la reprise")

    act(page, "Saisir la sortie")
    fill(page, "Date de fin réelle", ago(5))
    page.get_by_role("combobox", name=re.compile("^Motif de sortie")).select_option(label="Accès à l’emploi")
    page.get_by_role("button", name="Enregistrer la sortie").click()
    assert taken(page, "Sortie de formation") == number
    expect(page.get_by_text("Réalisation partielle")).to_be_visible()

    act(page, "Annuler la sortie")
    checked(page)
    fill(page, "Motif de l’annulation", "Sortie saisie pour le mauvais stagiaire")
    confirm(page, "Annuler la sortie")
    expect(page.get_by_text("Sortie saisie pour le mauvais stagiaire")).to_be_visible()
    taken(page, "Sortie de formation")

    act(page, "Changer de composante")
    checked(page)
    page.get_by_role("link", name=re.compile("^Choisir")).first.click()
    fill(page, "Date de fin réelle", ago(3))
    fill(page, "Date de début prévue", ago(2))
    page.get_by_role("radio").first.check()  # the site: the other journeys may have given the component more than one
    checked(page)
    confirm(page, "Enregistrer le changement de composante")
    expect(page.get_by_text("Passé sur la composante 01")).to_be_visible()
    expect(page.get_by_text("Vient de la composante 02")).to_be_visible()
    expect(page.locator("[id^='agora-'] code")).to_have_count(2, timeout=SOON)
    expect(page.get_by_text("le dossier AGORA suit")).to_have_count(0, timeout=SOON)
    checked(page)
    numbers = page.locator("[id^='agora-'] code").all_inner_texts()
    assert number in numbers
    left = file_at_agora(product, number)
    assert [kind for kind, _day in left["events"]] == ["INTERRUPTION", "REPRISE", "SORTIE", "MODIFICATION", "MODIFICATION"]
    assert left["status"] == "SORTIE"
    entered = file_at_agora(product, next(one for one in numbers if one != number))
    assert (entered["status"], entered["component"]) == ("ENTREE", "01")


def withdraw_request(page: Page) -> None:
    """The demonstration has a request sent back on this action: it would keep it open."""
    open_action(page, TO_CLOSE)
    page.goto(page.url.replace("/actions-de-formation/", "/demandes-de-modification/action/"))
    page.get_by_role("link", name=re.compile("^Retirer")).first.click()
    page.get_by_role("button", name="Retirer la demande").click()
    expect(page.locator("#messages")).to_contain_text("retirée")


def test_an_outcome_is_corrected_then_told_at_the_closing(signed_in: SignIn, product: Product) -> None:
    page = signed_in("autre-of")
    numbers: dict[str, str] = {}
    for name in ("TISSEYRE", "URBAIN", "VIDAL"):
        open_action(page, TO_CLOSE)
        page.get_by_role("link", name=re.compile(f"^{name}")).first.click()
        act(page, "Saisir la sortie")
        fill(page, "Date de fin réelle", ago(1))
        page.get_by_role("combobox", name=re.compile("^Motif de sortie")).select_option(label="Accès à l’emploi")
        page.get_by_role("button", name="Enregistrer la sortie").click()
        numbers[name] = taken(page, "Sortie de formation")
    withdraw_request(page)
    open_action(page, TO_CLOSE)
    page.get_by_role("link", name="Déclarer l’action terminée").click()
    expect(page.get_by_text("Réalisation partielle")).to_have_count(3)
    checked(page)
    page.get_by_role("link", name=re.compile("^Corriger la réalisation.*TISSEYRE")).click()
    page.get_by_label("Réalisation totale").check()
    fill(page, "Motif de la correction", "Heures rattrapées en soirée")
    checked(page)
    page.get_by_role("button", name="Enregistrer la réalisation").click()
    expect(page.get_by_text("Heures rattrapées en soirée")).to_be_visible()
    page.get_by_role("button", name="Déclarer l’action terminée").click()

    region = signed_in("region")
    region.goto(f"/actions-de-formation/?texte={TO_CLOSE}")
    region.get_by_role("link", name=TO_CLOSE, exact=True).click()
    region.get_by_role("link", name="Clôturer l’action").click()
    expect(region.get_by_text("Heures rattrapées en soirée")).to_be_visible()
    checked(region)
    region.get_by_role("button", name="Clôturer l’action").click()
    expect(region.locator("#messages")).to_contain_text("est clôturée")
    for name, outcome in (("TISSEYRE", "CLOS_TOTALE"), ("URBAIN", "CLOS_PARTIELLE")):
        open_action(page, TO_CLOSE)
        page.get_by_role("link", name=re.compile(f"^{name}")).first.click()
        taken(page, "Clôturé")
        assert file_at_agora(product, numbers[name])["status"] == outcome
