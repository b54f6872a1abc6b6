"""What goes with the imports in a real browser: a file checked without an account and without script, the specification, the file to fill in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from app.core.tabular.table import Limits
from tests.e2e.axe import assert_accessible, assert_no_horizontal_scroll

SignIn = Callable[..., Page]


def look(page: Page) -> None:
    assert_accessible(page)
    assert_no_horizontal_scroll(page)


def test_a_file_is_checked_without_account_nor_script(new_context: Callable[..., BrowserContext], tmp_path: Path) -> None:
    page = new_context(javascript=False).new_page()
    page.goto("/connexion")
    page.locator('main a[href="/verifier-un-fichier"]').click()
    wrong = tmp_path / "stagiaires.csv"
    wrong.write_text("Nom de naissance;Prénom;Date de naissance;Courriel\nSion;André;31/02/1962;sans-arobase\n", encoding="cp1252")
    page.locator("#matrix").select_option("stagiaires")
    page.locator("#file").set_input_files(wrong)
    page.locator("main form button[type=submit]").click()
    expect(page.locator("#resultat")).to_be_visible()
    expect(page.get_by_role("table")).to_contain_text("Courriel (D)")
    expect(page.locator("main")).not_to_contain_text("sans-arobase")
    other = tmp_path / "note.pdf"
    other.write_bytes(b"%PDF-1.4")
    page.locator("#file").set_input_files(other)
    page.locator("main form button[type=submit]").click()
    expect(page.locator("#file-error")).to_be_visible()


def test_pages_of_the_documents(signed_in: SignIn, new_context: Callable[..., BrowserContext], tmp_path: Path) -> None:
    public = new_context().new_page()
    public.goto("/verifier-un-fichier")
    wrong = tmp_path / "stagiaires.csv"
    wrong.write_text("Nom de naissance;Courriel\nSion;sans-arobase\n", encoding="utf-8")
    public.locator("#file").set_input_files(wrong)
    public.locator("main form button[type=submit]").click()
    expect(public.locator("#resultat")).to_be_visible()
    look(public)
    page = signed_in("principal")
    page.goto("/imports/")
    look(page)
    page.locator('a[href="/imports/stagiaires/specifications"]').click()
    page.locator('a[href="#colonne-nir"]').first.evaluate("link => { link.closest('details').open = true; link.click() }")
    expect(page.locator("#colonne-nir")).to_be_in_viewport()
    look(page)
    with page.expect_download() as download:
        page.locator('a[href="/imports/stagiaires/format.xlsx"]').click()
    assert 0 < Path(download.value.path()).stat().st_size < Limits().size
