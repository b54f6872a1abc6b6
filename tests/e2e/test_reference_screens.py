"""The screens made from declarations, in a browser: accessible in every state, usable by keyboard, on a phone and without script."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.axe import assert_accessible, assert_no_horizontal_scroll

LIST = "/referentiels/dispositifs/list/"
PAGES = (
    LIST,
    f"{LIST}?q=pro&f_kind=market&sort=label&order=desc",
    f"{LIST}?q=zzz",
    "/referentiels/dispositifs/add",
    "/referentiels/dispositifs/edit/1",
    "/referentiels/dispositifs/show/1",
    "/referentiels/dispositifs/delete/1",
    "/referentiels/communes/list/",
    "/referentiels/sites/add",
    "/supervision/messages/list/",
    "/supervision/taches/list/",
    "/supervision/journal/list/",
    "/securite/roles/show/1",
)
SAVE = "Enregistrer les modifications"


@pytest.mark.parametrize("address", PAGES)
def test_f11_pages_are_accessible_and_fit_a_phone(signed_in: Callable[..., Page], address: str) -> None:
    page = signed_in("admin")
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == 200
    assert_accessible(page)
    assert_no_horizontal_scroll(page)


def test_an_error_is_said_focused_and_nothing_is_lost(signed_in: Callable[..., Page]) -> None:
    page = signed_in("admin")
    page.goto("/referentiels/dispositifs/add")
    page.get_by_label("Code", exact=False).first.fill("LECTIO")
    page.get_by_label("Libellé", exact=False).fill("Libellé tapé")
    page.get_by_label("Marché").check()
    page.get_by_label("Ordre", exact=False).fill("5")
    page.get_by_role("button", name="Ajouter un dispositif").click()
    summary = page.locator(".error-summary")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("déjà utilisé")
    expect(page.get_by_label("Libellé", exact=False)).to_have_value("Libellé tapé")
    assert_accessible(page)


@pytest.mark.parametrize("javascript", [True, False])
def test_two_people_edit_one_row(signed_in: Callable[..., Page], javascript: bool) -> None:
    first, second = signed_in("admin", javascript=javascript), signed_in("admin", javascript=javascript)
    for page in (first, second):
        page.goto(f"{LIST}?q=declic")
        page.get_by_role("link", name="Modifier").click()
    word = "avec" if javascript else "sans"
    first.get_by_label("Libellé", exact=False).fill(f"DECLIC {word} A")
    first.get_by_role("button", name=SAVE).click()
    # Back to the list it came from, whose search no longer matches the code's neighbours.
    expect(first).to_have_url(re.compile(r"q=declic"))
    second.get_by_label("Libellé", exact=False).fill(f"DECLIC {word} B")
    second.get_by_role("button", name=SAVE).click()
    if javascript:
        assert_accessible(second)
    second.get_by_label(re.compile(f"DECLIC {word} A")).check()
    second.get_by_role("button", name="Enregistrer ces choix").click()
    second.goto(f"{LIST}?q=declic")
    expect(second.get_by_role("table")).to_contain_text(f"DECLIC {word} A")


@pytest.mark.parametrize("javascript", [True, False])
def test_a_value_is_added_searched_and_deleted(signed_in: Callable[..., Page], javascript: bool) -> None:
    page = signed_in("admin", javascript=javascript)
    code = f"ESSAI{int(javascript)}"
    page.goto("/referentiels/motifs-de-sortie/add")
    page.get_by_label("Code", exact=False).first.fill(code)
    page.get_by_label("Libellé", exact=False).fill("Motif d’essai")
    page.get_by_label("Ordre", exact=False).fill("99")
    page.get_by_label("Valide jusqu’au", exact=False).fill("31/12/2030")
    page.get_by_role("button", name="Ajouter un motif de sortie").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Motif d’essai")
    expect(page.get_by_role("main")).to_contain_text("31/12/2030")
    page.goto("/referentiels/motifs-de-sortie/list/")
    page.locator("#q").fill(code.lower())
    page.get_by_role("button", name="Rechercher").last.click()
    expect(page.get_by_role("status").filter(has_text="1 résultat")).to_be_visible()
    page.get_by_role("link", name=code, exact=True).click()
    page.get_by_role("link", name="Supprimer").click()
    page.get_by_role("button", name="Supprimer définitivement").click()
    expect(page.get_by_role("main")).to_contain_text("Suppression effectuée")
