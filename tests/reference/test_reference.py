"""The value lists: their seeds, who may edit them, and the look-up of towns."""

from __future__ import annotations

import csv
import gzip
import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text

from app.core import clock

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

LISTS = {
    "dispositifs": "Dispositifs",
    "niveaux": "Niveaux",
    "categories-de-public": "Catégories de public",
    "objectifs-generaux": "Objectifs généraux",
    "situations-professionnelles": "Situations professionnelles",
    "motifs-de-sortie": "Motifs de sortie",
    "nationalites": "Nationalités",
    "dernieres-classes": "Dernières classes suivies",
    "diplomes": "Diplômes les plus élevés",
    "types-de-voie": "Types de voie",
    "sites": "Sites",
    "contacts": "Contacts et assistance",
    "communes": "Communes et codes postaux",
}


# ---- seeds ------------------------------------------------------------------------------------------------------------


def test_loading_again_changes_nothing(db_session: Session) -> None:
    from app.reference.models import Level, Programme, SeededValue, Town
    from app.reference.seeds import load_demo, load_reference

    def counts() -> list[int]:
        return [db_session.scalar(select(func.count()).select_from(model)) or 0 for model in (Programme, Level, SeededValue, Town)]

    before = counts()
    load_reference()
    load_demo()
    assert counts() == before
    assert before[0] == 7
    assert before[1] == 8
    assert before[3] > 35_000


def test_what_was_edited_or_deleted_never_comes_back(db_session: Session) -> None:
    from app.reference.models import ExitReason
    from app.reference.seeds import load_reference

    edited = db_session.scalars(select(ExitReason).where(ExitReason.code == "ABANDON")).one()
    edited.label = "Abandon (libellé de la Région)"
    db_session.delete(db_session.scalars(select(ExitReason).where(ExitReason.code == "EXCLUSION")).one())
    db_session.commit()
    load_reference()
    codes = {row.code: row.label for row in db_session.scalars(select(ExitReason))}
    assert codes["ABANDON"] == "Abandon (libellé de la Région)"
    assert "EXCLUSION" not in codes


def test_agora_and_nir_of_each_programme_are_those_of_the_guide(db_session: Session) -> None:
    from app.reference.models import Programme

    found = {row.code: (row.agora_enabled, row.nir_required, row.kind) for row in db_session.scalars(select(Programme))}
    assert found.pop("AVENIR") == (False, False, "market")
    assert found.pop("FORPROSUP") == (True, True, "convention")
    assert set(found.values()) == {(True, True, "market")}


def test_levels_read_as_in_the_guide(db_session: Session) -> None:
    from app.reference.models import Level

    words = {row.number: str(row) for row in db_session.scalars(select(Level))}
    assert (words[5], words[3]) == ("5 – BTS, DUT (bac + 2) (ancien III)", "3 – CAP, BEP (ancien V)")
    assert words[1] == "1 – Savoirs de base"


def test_the_table_of_towns_is_what_its_script_makes(tmp_path: Path) -> None:
    from app.reference.seeds import TOWNS
    from app.reference.seeds.build_towns import rows, write

    with gzip.open(TOWNS, "rt", encoding="utf-8", newline="") as file:
        lines = [tuple(row.values()) for row in csv.DictReader(file)]
    source = tmp_path / "codes-postaux.json"
    names = ("codePostal", "codeCommune", "nomCommune", "libelleAcheminement")
    source.write_text(json.dumps([dict(zip(names, line, strict=True)) for line in reversed(lines)]), encoding="utf-8")
    write(rows(source), tmp_path / "towns.csv.gz")
    assert (tmp_path / "towns.csv.gz").read_bytes() == TOWNS.read_bytes()


# ---- values ------------------------------------------------------------------------------------------------------------


def test_an_ended_value_is_no_longer_offered_but_stays_on_the_rows_that_hold_it(db_session: Session) -> None:
    from app.reference import queries
    from app.reference.models import Nationality

    row = db_session.scalars(select(Nationality).where(Nationality.code == "UE")).one()
    yesterday = clock.today() - timedelta(days=1)
    row.valid_to = yesterday
    db_session.commit()
    assert not row.is_active
    assert row not in queries.active(Nationality)
    assert row in queries.active(Nationality, including=row)
    assert row in queries.active(Nationality, on=yesterday)
    assert (row.id, "Union européenne") in queries.choices(Nationality, including=row.id)


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"valid_to": date(2000, 1, 1)}, "ck_programme_validity"),
        ({"code": "LECTIO"}, "uq_programme_code"),
        ({"code": ""}, "ck_programme_code_filled"),
        ({"kind": "gift"}, "ck_programme_kind"),
        ({"nir_required": False}, "ck_programme_agora_needs_nir"),
    ],
)
def test_the_database_keeps_the_rules_of_a_value(db_session: Session, changes: dict[str, Any], constraint: str) -> None:
    from sqlalchemy.exc import IntegrityError

    from app.core.errors_db import constraint_name
    from app.reference.models import Programme

    db_session.add(Programme(**{"code": "X", "label": "X"} | changes))
    with pytest.raises(IntegrityError) as refused:
        db_session.flush()
    assert constraint_name(refused.value) == constraint
    db_session.rollback()


# ---- screens -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LISTS)
def test_every_list_opens_with_its_title_sorts_and_exports(browse: Any, name: str) -> None:
    page = browse("admin")
    answer = page.get(f"/referentiels/{name}/list/")
    body = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert f"<h1>{LISTS[name]}" in body
    assert 'class="sort"' in body
    assert " style=" not in body
    assert "onclick" not in body
    with page.get(f"/referentiels/{name}/export/xlsx") as file:
        assert file.status_code in (200, 302)


@pytest.mark.parametrize("name", [name for name in LISTS if name != "communes"])
def test_every_form_opens(browse: Any, name: str) -> None:
    page = browse("admin")
    assert page.get(f"/referentiels/{name}/add").status_code == 200


def test_the_administrator_edits_the_other_agents_read_and_the_others_see_nothing(browse: Any, db_session: Session) -> None:
    from app.reference.models import Programme

    key = db_session.scalars(select(Programme.id).where(Programme.code == "LECTIO")).one()
    region = browse("region")
    assert region.get("/referentiels/dispositifs/list/").status_code == 200
    for identifier in ("region", "support", "principal", "secondaire"):
        page = browse(identifier)
        if identifier != "region":
            assert page.get("/referentiels/dispositifs/list/").status_code == 403, identifier
        for address in (f"edit/{key}", f"delete/{key}", "add"):
            assert page.get(f"/referentiels/dispositifs/{address}").status_code == 403, (identifier, address)


def test_a_programme_is_added_found_and_deleted(browse: Any, db_session: Session) -> None:
    from app.reference.models import Programme

    page = browse("admin")
    typed = {
        "code": " ELAN ", "label": "ÉLAN d’Oc", "kind": "market", "agora_enabled": "y", "nir_required": "y", "position": "80",
        "valid_from": "01/01/2026",
    }  # fmt: skip
    assert page.post("/referentiels/dispositifs/add", typed).status_code == 302
    row = db_session.scalars(select(Programme).where(Programme.code == "ELAN")).one()
    assert (row.label, row.valid_from, row.valid_to) == ("ÉLAN d’Oc", date(2026, 1, 1), None)
    assert "ELAN" in page.get("/referentiels/dispositifs/list/?q=elan d'oc").get_data(as_text=True)
    assert page.post(f"/referentiels/dispositifs/delete/{row.id}", data={"version": row.version}).status_code == 302
    assert db_session.scalar(select(func.count()).where(Programme.code == "ELAN")) == 0


def test_a_site_finds_the_insee_code_of_its_town(browse: Any, db_session: Session) -> None:
    from app.reference.models import Site

    page = browse("admin")
    typed = {"name": "Annexe", "postal_code": "11300", "town": "limoux", "valid_from": "01/01/2026"}
    assert page.post("/referentiels/sites/add", typed).status_code == 302
    assert db_session.scalars(select(Site.insee_code).where(Site.name == "Annexe")).one() == "11206"
    refused = page.post("/referentiels/sites/add", typed | {"name": "Ailleurs", "town": "TOULOUSE"})
    assert refused.status_code == 422
    assert 'id="town-error"' in refused.get_data(as_text=True)
    unknown = page.post("/referentiels/sites/add", typed | {"name": "Nulle part", "postal_code": "99999"})
    assert unknown.status_code == 422


def test_the_place_of_a_site_holds_together(browse: Any, db_session: Session) -> None:
    """Postal code, town and INSEE code are never saved against one another, on adding nor on editing."""
    from app.reference.models import Site
    from tests.reference.test_rules import error_of

    page = browse("admin")
    typed = {"name": "Annexe 2", "postal_code": "31100", "town": "PARIS", "insee_code": "31555", "valid_from": "01/01/2026"}
    said = error_of(page.post("/referentiels/sites/add", typed), "town")
    assert "PARIS" in said
    assert "Toulouse" in said
    assert "75056" in error_of(page.post("/referentiels/sites/add", typed | {"town": "Toulouse", "insee_code": "75056"}), "insee_code")
    nowhere = typed | {"postal_code": "99999", "town": "NULLEPART", "insee_code": "00000"}
    assert "99999" in error_of(page.post("/referentiels/sites/add", nowhere), "postal_code")
    cedex = typed | {"postal_code": "31094", "town": "TOULOUSE CEDEX 77", "insee_code": ""}
    error_of(page.post("/referentiels/sites/add", cedex), "postal_code")
    assert "31" in error_of(page.post("/referentiels/sites/add", cedex | {"insee_code": "75056"}), "insee_code")
    assert page.post("/referentiels/sites/add", cedex | {"insee_code": "31555"}).status_code == 302
    found = db_session.scalars(select(Site).where(Site.name == "Annexe 2")).one()
    edit = page.get(f"/referentiels/sites/edit/{found.id}").get_data(as_text=True)
    hidden = dict(re.findall(r'name="(row_version|row_base)"[^>]*value="([^"]*)"', edit))
    error_of(page.post(f"/referentiels/sites/edit/{found.id}", typed | hidden), "town")


def test_the_towns_of_a_postal_code_are_offered_to_a_site(browse: Any) -> None:
    """With scripts as a fragment, and without by a button that judges nothing and keeps what was typed."""
    page = browse("admin")
    assert 'hx-get="/referentiels/sites/communes"' in page.get("/referentiels/sites/add").get_data(as_text=True)
    fragment = page.get("/referentiels/sites/communes?postal_code=11100&town=bages").get_data(as_text=True)
    assert "<option selected>Bages</option>" in fragment
    assert "<option>Narbonne</option>" in fragment
    assert '<input type="text" class="input w-30" id="town"' in page.get("/referentiels/sites/communes?postal_code=31094").get_data(as_text=True)
    asked = page.post("/referentiels/sites/add", {"name": "Annexe 3", "postal_code": "11100", "town": "", "_towns": "1"})
    text = asked.get_data(as_text=True)
    assert asked.status_code == 200
    assert "<option>Narbonne</option>" in text
    assert 'value="Annexe 3"' in text
    assert "error-summary" not in text


def test_a_contact_shows_at_the_foot_of_the_pages(browse: Any) -> None:
    page = browse("admin")
    typed = {"subject": "Essai du pied de page", "email": "essai@example.org", "position": "1", "shown": "y"}
    assert page.post("/referentiels/contacts/add", typed).status_code == 302
    foot = page.get("/referentiels/niveaux/list/").get_data(as_text=True).split('class="footer"')[1]
    assert "Essai du pied de page" in foot


# ---- towns ----------------------------------------------------------------------------------------------------------------


def test_towns_of_a_postal_code(db_session: Session) -> None:
    from app.reference import queries

    assert [(one.insee_code, one.name) for one in queries.towns_for_postal_code("31000")] == [("31555", "Toulouse")]
    assert {one.name for one in queries.towns_for_postal_code(" 11 100 ")} >= {"Narbonne", "Bages"}
    assert [one.insee_code for one in queries.towns_for_postal_code("20000")] == ["2A004", "2A139"]
    for wrong in ("", "3100", "310000", "abcde", "٣١٠٠٠"):
        assert list(queries.towns_for_postal_code(wrong)) == []
    assert queries.town("31000", "31555") is not None
    assert queries.town("31000", "11262") is None


@pytest.mark.parametrize("identifier", ["admin", "region", "support", "principal", "secondaire"])
def test_every_account_may_look_a_town_up(browse: Any, identifier: str) -> None:
    page = browse(identifier)
    one = page.get("/reference/communes?code_postal=31000")
    assert one.get_data(as_text=True) == '<option value="31555" data-name="TOULOUSE">Toulouse</option>'
    several = page.get("/reference/communes?postal_code=11100").get_data(as_text=True)
    assert several.startswith('<option value="">')
    assert several.count("<option") == 4
    data = page.get("/reference/communes?code_postal=31000", headers={"Accept": "application/json"}).get_json()
    assert data == [{"postal_code": "31000", "insee_code": "31555", "name": "Toulouse"}]
    assert 'value=""' in page.get("/reference/communes?code_postal=%3Cscript%3E").get_data(as_text=True)


def test_nobody_else_may(client: Any) -> None:
    answer = client.get("/reference/communes?code_postal=31000")
    assert answer.status_code in (302, 303, 401)


# ---- CEDEX and imported towns ---------------------------------------------------------------------------------------------


def test_delivered_cedex_are_towns_of_the_table(db_session: Session) -> None:
    """Each has the INSEE code of a town that the table of towns knows under the same name."""
    rows = db_session.execute(text("SELECT postal_code, insee_code, name, routing_name FROM town WHERE cedex")).all()
    assert len(rows) >= 10
    for row in rows:
        assert " CEDEX" in row.routing_name
        known = db_session.scalar(text("SELECT count(*) FROM town WHERE NOT cedex AND insee_code = :insee AND name = :name"), {"insee": row.insee_code, "name": row.name})
        assert known, row


def test_towns_are_imported_and_imported_again(app: Flask, db_session: Session, tmp_path: Path) -> None:
    file = tmp_path / "cedex.csv"
    file.write_text("postal_code;insee_code;name;routing_name;cedex\n99001;31555;Toulouse;TOULOUSE CEDEX 1;oui\n99002;31555;Toulouse;TOULOUSE;\n", "utf-8-sig")
    for routing in ("TOULOUSE CEDEX 1", "TOULOUSE CEDEX 1 BIS"):
        file.write_text(file.read_text("utf-8-sig").replace("TOULOUSE CEDEX 1;", f"{routing};"), "utf-8-sig")
        result = app.test_cli_runner().invoke(args=["import-towns", str(file)])
        assert (result.exit_code, result.output) == (0, "2 lignes importées.\n")
        rows = db_session.execute(text("SELECT postal_code, routing_name, cedex FROM town WHERE postal_code LIKE '9900_' ORDER BY 1")).all()
        assert [tuple(row) for row in rows] == [("99001", routing, True), ("99002", "TOULOUSE", False)]


@pytest.mark.parametrize(
    ("line", "said"),
    [("1000;01053;Bourg;BOURG;", "« 1000 » n’est pas un code postal"), ("01000;1053;Bourg;BOURG;", "« 1053 » n’est pas un code INSEE"), ("01000;01053;;;", "le nom")],
)
def test_a_wrong_line_stops_the_import(app: Flask, db_session: Session, tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "towns.csv"
    file.write_text(f"postal_code;insee_code;name;routing_name;cedex\n99001;31555;Toulouse;TOULOUSE CEDEX 1;oui\n{line}\n", "utf-8")
    result = app.test_cli_runner().invoke(args=["import-towns", str(file)])
    assert result.exit_code == 1
    assert "ligne 3" in result.output
    assert said in result.output
    assert db_session.scalar(text("SELECT count(*) FROM town WHERE postal_code = '99001'")) == 0


def test_a_file_without_its_columns_is_refused(app: Flask, db_session: Session, tmp_path: Path) -> None:
    file = tmp_path / "towns.csv"
    file.write_text("cp,ville\n31000,Toulouse\n", "utf-8")
    result = app.test_cli_runner().invoke(args=["import-towns", str(file)])
    assert result.exit_code == 1
    assert "colonnes absentes : postal_code, insee_code, name, routing_name" in result.output
