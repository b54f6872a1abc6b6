"""Header, menu, breadcrumb, quick search, footer: for people signed in and for others."""

from __future__ import annotations

from flask import Flask, render_template

from app.core.ui import Contact, SearchHit, SearchProvider, register_contacts, register_menu, register_search
from app.core.ui.theme import DARK_GROUND, LIGHT_GROUND, contrast, parse_colour, stylesheet


def test_anonymous_people_get_a_page(ui_app: Flask) -> None:
    register_menu(group="Imports", label="Imports", endpoint="echo")
    page = ui_app.test_client().get("/accessibilite").text
    assert 'lang="fr"' in page
    assert "Portail d’essai" in page
    assert 'href="/login/"' in page
    assert 'id="menu"' not in page
    assert "quick-search" not in page


def test_signed_in_people_get_their_name_menu_and_sign_out_by_post(ui_app: Flask) -> None:
    register_menu(group="Imports", label="Imports", endpoint="echo")
    register_menu(group="Accueil", label="Accueil", endpoint="closed")
    register_menu(group="Référentiels", label="Connu", endpoint="ui.accessibility", permission=("can_list", "Known"))
    register_menu(group="Référentiels", label="Interdit", endpoint="fail", permission=("can_list", "Other"))
    register_menu(group="Référentiels", label="Sans page", endpoint="nowhere.at_all")
    register_menu(group="Référentiels", label="Aussi", endpoint="ui.data_protection")
    client = ui_app.test_client()
    client.get("/connecter")
    ui_app.appbuilder.sm.asked = 0  # type: ignore[attr-defined]
    page = client.get("/accessibilite").text
    assert "<strong>BLANC Anne</strong>" in page
    assert '<form method="post" action="/logout/">' in page
    assert "Mon compte" not in page
    menu = page.split('id="menu-list"')[1].split("</nav>")[0]
    assert menu.index('href="/closed"') < menu.index('href="/echo"') < menu.index("Connu")
    assert "Interdit" not in menu
    assert "Sans page" not in menu
    assert menu.count('aria-current="page"') == 1
    assert ui_app.appbuilder.sm.asked <= 1  # type: ignore[attr-defined]


def test_breadcrumb_starts_at_home(ui_app: Flask) -> None:
    with ui_app.test_request_context("/x"):
        page = render_template("portal/base.html", breadcrumb=[("Actions de formation", "/a"), ("23C", "/b")], heading="23C")
    trail = page.split('class="breadcrumb"')[1].split("</nav>")[0]
    assert trail.index('href="/"') < trail.index('href="/a"') < trail.index("23C")
    assert 'href="/b"' not in trail
    assert 'aria-current="page"' in trail
    assert page.count("<h1") == 1


def test_signed_out_layout(ui_app: Flask) -> None:
    with ui_app.test_request_context("/login/"):
        page = render_template("portal/auth_base.html", heading="Authentification", title="Authentification")
    assert page.count("<h1") == 1
    assert "<title>Authentification – Portail d’essai</title>" in page


def test_flash_messages_stay(ui_app: Flask) -> None:
    from flask import flash

    with ui_app.test_request_context("/x"):
        flash("Fait <ok>", "success")
        flash("Raté", "error")
        page = render_template("portal/base.html")
    assert "alert-success" in page
    assert "Fait &lt;ok&gt;" in page
    assert "alert-danger" in page


def test_quick_search_groups_what_each_feature_finds(ui_app: Flask) -> None:
    register_search(SearchProvider("b", "Stagiaires", lambda text, limit: [SearchHit(f"{text} {n}", f"/s/{n}") for n in range(limit)], order=2))
    register_search(SearchProvider("a", "Actions", lambda _text, _limit: [SearchHit("23C<", "/a", detail="TOULOUSE", badge="EC", tone="success")], order=1))
    register_search(SearchProvider("c", "Secrets", lambda _text, _limit: [SearchHit("x", "/x")], permission=("can_list", "Other")))
    register_search(SearchProvider("d", "En panne", lambda _text, _limit: 1 / 0))  # type: ignore[arg-type, return-value]
    client = ui_app.test_client()
    assert client.get("/recherche?q=sion").location == "/login/?next=/recherche"
    client.get("/connecter")
    page = client.get("/recherche?q=sion").text
    assert page.index("Actions</h2>") < page.index("Stagiaires</h2>")
    assert "23C&lt;" in page
    assert page.count('href="/s/') == 10
    assert "Secrets" not in page
    assert "En panne</h2>" in page
    assert client.get("/recherche?q=s").status_code == 200
    assert client.get("/recherche").status_code == 200


def test_footer_contacts_by_subject_even_when_the_provider_fails(ui_app: Flask) -> None:
    register_contacts(lambda: [Contact("Facturation", email="selfi@exemple.fr", phone="05 61 00 00 00", hours="9h à 19h")])
    client = ui_app.test_client()
    page = client.get("/accessibilite").text
    assert "mailto:selfi@exemple.fr" in page
    assert "tel:0561000000" in page
    assert "mailto:selfi@exemple.fr" in client.get("/fail").text
    register_contacts(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    assert client.get("/accessibilite").status_code == 200


def test_accent_colour_stays_readable() -> None:
    for colour in ("#ffff00", "#000000", "#ff0000", "1f4e8c", "#ffffff"):
        sheet = stylesheet(colour)
        light, dark = (part.split("--accent:")[1][:7] for part in sheet.split(":root")[1:3])
        assert contrast(parse_colour(light), LIGHT_GROUND) >= 4.5  # type: ignore[arg-type]
        assert contrast(parse_colour(dark), DARK_GROUND) >= 4.5  # type: ignore[arg-type]
    assert stylesheet("red;} body{display:none") == ""
