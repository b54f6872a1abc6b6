"""What the forms of the lists and of the markets refuse, each with one true sentence at its field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import UniqueConstraint, func, select, update
from sqlalchemy.exc import IntegrityError

from app.core import errors_db
from app.core.fab import names
from app.reference.models import Level

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

PROGRAMME = {"code": "NEUF", "label": "Neuf", "kind": "market", "position": "1", "valid_from": "01/01/2026"}
EXIT = {"code": "NEUF", "label": "Neuf", "position": "1", "valid_from": "01/01/2026"}


def error_of(answer: Any, field: str) -> str:
    """The sentence under ``field``; the page must be a refusal with one line of summary for each error."""
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422, page[:500]
    match = re.search(rf'id="{field}-error">.*?<span><span class="sr-only">[^<]*</span>([^<]*)</span>', page, re.DOTALL)
    assert match is not None, (field, re.findall(r'id="[a-z_]+-error"', page))
    return match.group(1)


def summary_of(answer: Any) -> list[str]:
    """The lines of the summary of errors."""
    block = re.search(r'class="error-summary".*?</ul>', answer.get_data(as_text=True), re.DOTALL)
    assert block is not None
    return re.findall(r"<li>(?:<a [^>]*>)?([^<]*)", block.group(0))


def test_the_summary_names_the_fields(browse: Any) -> None:
    answer = browse("admin").post("/referentiels/sites/add", {})
    lines = summary_of(answer)
    assert "Code postal : remplissez ce champ." in [line.replace("\u00a0", " ") for line in lines]
    assert len(lines) == len(set(lines)) > 3
    assert error_of(answer, "postal_code") == "Remplissez ce champ."


@pytest.mark.parametrize(
    ("typed", "said"),
    [("douze", "Saisissez un nombre entier."), ("-1", "Ce nombre ne peut pas être négatif"), ("99999999999", "Ce nombre est trop grand.")],
)
def test_a_wrong_number_gives_one_true_message(browse: Any, typed: str, said: str) -> None:
    answer = browse("admin").post("/referentiels/motifs-de-sortie/add", EXIT | {"position": typed})
    assert error_of(answer, "position").startswith(said)
    assert len(summary_of(answer)) == 1


@pytest.mark.parametrize("field", ["code", "label"])
def test_spaces_are_not_an_answer(browse: Any, field: str) -> None:
    answer = browse("admin").post("/referentiels/motifs-de-sortie/add", EXIT | {field: " \u00a0 "})
    assert error_of(answer, field) == "Remplissez ce champ."
    assert len(summary_of(answer)) == 1


def test_one_wording_for_what_is_required(browse: Any) -> None:
    answer = browse("admin").post("/referentiels/contrats/add", {})
    assert error_of(answer, "number") == "Remplissez ce champ."
    assert error_of(answer, "kind") == "Choisissez une réponse."
    assert error_of(answer, "programme") == "Choisissez une réponse."
    assert "obligatoire." not in answer.get_data(as_text=True)


@pytest.mark.parametrize("typed", ["99999", "1800", "2101"])
def test_the_year_of_an_action_is_one_people_may_mean(browse: Any, db_session: Session, typed: str) -> None:
    from app.actions.models import Contract

    contract = db_session.scalars(select(Contract).limit(1)).one()
    data = {"contract": str(contract), "number": "X_1", "title": "X", "year": typed, "planned_start": "01/01/2026", "planned_end": "31/12/2026"}
    assert error_of(browse("admin").post("/referentiels/actions/add", data), "year") == "Saisissez une année de 2000 à 2100."


@pytest.mark.parametrize("code", ["lectio", "LEC TIO", "Léctio", "LECTIO"])
def test_codes_that_read_alike_are_one_code(browse: Any, code: str) -> None:
    said = error_of(browse("admin").post("/referentiels/dispositifs/add", PROGRAMME | {"code": code}), "code")
    assert "LECTIO – LECTIO" in said


def test_a_code_may_be_saved_again(browse: Any, db_session: Session) -> None:
    from app.reference.models import ExitReason

    row = db_session.scalars(select(ExitReason).where(ExitReason.code == "SANTE")).one()
    page = browse("admin")
    assert page.post(f"/referentiels/motifs-de-sortie/edit/{row.id}", EXIT | {"code": "Santé", "early": "y"}).status_code == 302


def test_a_level_exists_once(browse: Any) -> None:
    typed = {"number": "5", "label": "Encore", "position": "1", "valid_from": "01/01/2026"}
    assert error_of(browse("admin").post("/referentiels/niveaux/add", typed), "number").startswith("Ce code est déjà utilisé par « 5")
    assert error_of(browse("admin").post("/referentiels/niveaux/add", typed | {"number": "9"}), "number") == "Le niveau va de 1 à 8."


@given(number=st.integers(-1, 10), former=st.sampled_from([None, "I", "II", "III", "IV", "V", "VI", "5", "v", ""]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)  # each example is taken back by itself
def test_the_two_nomenclatures_go_together(db_session: Session, number: int, former: str | None) -> None:
    """Old III is 5 and old V is 3 (decree 2019-14): nobody writes one beside the other's number."""
    connection = db_session.connection()
    place = connection.begin_nested()
    try:
        taken = connection.execute(update(Level).where(Level.number == number).values(old_label=former)).rowcount == 1
    except IntegrityError:
        taken = False
    finally:
        place.rollback()
    assert taken == (1 <= number <= 8 and former in (None, {3: "V", 4: "IV", 5: "III", 6: "II", 7: "I", 8: "I"}.get(number)))


def _written_views() -> list[Any]:
    from app.actions.reference_views import VIEWS
    from app.reference.views import LISTS

    return [view for view in (*LISTS, *VIEWS) if view.has_route("add")]


def test_every_unique_constraint_has_its_sentence_at_a_field_of_the_form(app: Flask) -> None:
    from app.core.fab.declarations import declared_columns

    assert app
    for view in _written_views():
        table = view.datamodel.obj.__table__
        fields = set(declared_columns(view, "add_columns") or ())
        for constraint in table.constraints:
            if not isinstance(constraint, UniqueConstraint) or "id" in constraint.columns:
                continue
            name = str(constraint.name)
            assert errors_db.is_registered(name), f"{table.name}: {name} has no sentence"
            assert errors_db.registered_field(name) in fields, f"{table.name}: {name} belongs to no field of the form"


def test_a_site_is_given_once_to_a_component(browse: Any, db_session: Session) -> None:
    from app.actions.models import ComponentSite

    link = db_session.scalars(select(ComponentSite).limit(1)).one()
    page = browse("admin")
    component = f"{link.component.action.number} / {link.component.number} – {link.component.title}"
    answer = page.post("/referentiels/sites-des-composantes/add", {"component": component, "site": str(link.site)})
    assert error_of(answer, "site") == "Cette composante a déjà lieu sur ce site."


def test_pickers_show_words_and_never_internal_numbers(browse: Any, db_session: Session) -> None:
    from app.actions.models import Component, Contract

    component = db_session.scalars(select(Component).limit(1)).one()
    page = browse("admin")
    found = page.get(f"/referentiels/sites-des-composantes/lookup/component?q={component.action.number}").get_json()
    labels = [one["label"] for one in found]
    assert f"{component.action.number} / {component.number} – {component.title}" in labels
    sites = page.get("/referentiels/sites-des-composantes/lookup/site?q=limoux").get_json()
    assert [one["label"] for one in sites] == ["Antenne de Limoux / LIMOUX / 11300"]
    for contract in db_session.scalars(select(Contract).limit(20)):
        lookup = page.get(f"/referentiels/actions/lookup/contract?q={contract.number}").get_json()
        assert contract.group_label in [one["label"] for one in lookup]


def test_what_a_picker_offers_is_accepted(app: Flask, db_session: Session) -> None:
    from app.actions.models import Action, Component, Contract
    from app.actions.reference_views import _ACTION, _COMPONENT, _CONTRACT, _SITE
    from app.reference.models import Site

    for lookup, model in ((_COMPONENT, Component), (_CONTRACT, Contract), (_ACTION, Action), (_SITE, Site)):
        for row in db_session.scalars(select(model).limit(15)):
            assert lookup.exactly(lookup.write(row)) == [row], lookup.write(row)


@pytest.mark.parametrize(("typed", "kept"), [("1", "01"), ("07", "07"), ("12", "12")])
def test_component_numbers_have_two_digits(browse: Any, db_session: Session, typed: str, kept: str) -> None:
    from app.actions.models import Component
    from tests.actions.helpers import make_action

    action = make_action()
    for row in list(action.components):
        row.number = "99"
    db_session.commit()
    data = _component_of(action, number=typed)
    answer = browse("admin").post("/referentiels/composantes/add", data)
    assert answer.status_code == 302, answer.get_data(as_text=True)
    assert db_session.scalar(select(func.count()).where(Component.action_id == action.id, Component.number == kept)) == 1


@pytest.mark.parametrize("typed", ["A1", "0", "001"])
def test_other_component_numbers_are_refused(browse: Any, typed: str) -> None:
    from tests.actions.helpers import make_action

    answer = browse("admin").post("/referentiels/composantes/add", _component_of(make_action(), number=typed))
    assert error_of(answer, "number") == "Saisissez un numéro de 01 à 99, sur deux chiffres."


def _component_of(action: Any, **changes: str) -> dict[str, str]:
    return {
        "action": f"{action.number} – {action.title}", "number": "50", "title": "Essai", "hours_centre": "1", "hours_company": "0", "places": "1",
        "planned_start": f"{action.planned_start:%d/%m/%Y}", "planned_end": f"{action.planned_end:%d/%m/%Y}",
    } | changes  # fmt: skip


def test_a_contract_made_of_lots_needs_one(browse: Any, db_session: Session) -> None:
    from app.actions.models import Contract

    with_lot = db_session.scalars(select(Contract).where(Contract.lot_number != "").limit(1)).one()
    data = {
        "number": with_lot.number, "label": "Sans lot", "kind": "market", "programme": str(with_lot.programme_id),
        "organisation": with_lot.organisation.siret, "lot_number": "", "lot_label": "", "territory": "",
    }  # fmt: skip
    page = browse("admin")
    assert "est fait de lots" in error_of(page.post("/referentiels/contrats/add", data), "lot_number")
    assert page.post("/referentiels/contrats/add", data | {"number": "SANSLOT1"}).status_code == 302
    assert "existe sans lot" in error_of(page.post("/referentiels/contrats/add", data | {"number": "SANSLOT1", "lot_number": "2"}), "lot_number")


# ---- contacts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("typed", "kept"), [("0561335050", "05 61 33 50 50"), ("+33 5 61 33 50 50", "05 61 33 50 50"), ("3646", "3646")])
def test_the_phone_of_a_contact_is_checked_and_shown_as_it_is_read(browse: Any, db_session: Session, typed: str, kept: str) -> None:
    from app.reference.models import Contact

    answer = browse("admin").post("/referentiels/contacts/add", {"subject": "Essai", "phone": typed, "position": "1"})
    assert answer.status_code == 302
    assert db_session.scalars(select(Contact.phone).where(Contact.subject == "Essai")).one() == kept


def test_another_phone_is_refused(browse: Any) -> None:
    answer = browse("admin").post("/referentiels/contacts/add", {"subject": "Essai", "phone": "12", "position": "1"})
    assert "téléphone" in error_of(answer, "phone")


def test_a_contact_gone_leaves_the_foot_of_the_pages_at_once_and_its_lines_are_shown(browse: Any, db_session: Session, app: Flask) -> None:
    from app.reference.models import Contact

    app.testing = False  # nothing is kept from one page to the next, outside of tests too
    try:
        page = browse("admin")
        page.post("/referentiels/contacts/add", {"subject": "Fugace", "text": "Un\r\nDeux", "email": "a@example.org", "position": "1", "shown": "y"})
        body = page.get("/accessibilite").get_data(as_text=True)
        assert "Fugace" in body
        assert '<dd class="hint lines">Un\r\nDeux' in body or '<dd class="hint lines">Un\nDeux' in body
        db_session.delete(db_session.scalars(select(Contact).where(Contact.subject == "Fugace")).one())
        db_session.commit()
        assert "Fugace" not in page.get("/accessibilite").get_data(as_text=True)
    finally:
        app.testing = True


# ---- what is in use ----------------------------------------------------------------------------------------------------------


def test_what_is_in_use_says_by_what_and_what_to_do(browse: Any, db_session: Session) -> None:
    from app.actions.models import Contract
    from app.reference.models import Programme

    programme = db_session.scalars(select(Programme).where(Programme.code == "QUALIFPRO")).one()
    count = db_session.scalar(select(func.count()).where(Contract.programme_id == programme.id)) or 0
    answer = browse("admin").post(f"/referentiels/dispositifs/delete/{programme.id}", data={"version": programme.version})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert f"{count} contrat" in page
    assert "1 contact" in page
    assert "Mettez plutôt fin à sa validité" in page
    assert f"/referentiels/dispositifs/edit/{programme.id}" in page


def test_what_depends_is_counted_in_the_readers_scope(app: Flask, db_session: Session) -> None:
    from app.accounts.models import Organisation
    from app.actions.models import Contract
    from app.core.fab.dependents import dependents
    from app.core.tenancy import Scope, bound_scope
    from app.reference.models import Programme

    programme = db_session.scalars(select(Programme).where(Programme.code == "QUALIFPRO")).one()
    everything = dict(dependents(programme))["contract"]
    stranger = Organisation(siret="73282932000074", legal_name="Sans contrat")
    db_session.add(stranger)
    db_session.commit()
    with bound_scope(Scope.organisation(stranger.id)):
        assert "contract" not in dict(dependents(programme))
    assert everything == db_session.scalar(select(func.count()).select_from(Contract).where(Contract.programme_id == programme.id))


def test_every_table_has_its_words(app: Flask) -> None:
    from app.core.extensions import db

    assert app
    missing = set(db.metadata.tables) - names.named_tables() - {"alembic_version"}
    assert not missing, missing


def test_those_who_may_only_read_learn_who_may_write(browse: Any) -> None:
    body = browse("region").get("/referentiels/dispositifs/list/").get_data(as_text=True)
    assert "peuvent les modifier" in body
    assert "peuvent les modifier" not in browse("admin").get("/referentiels/dispositifs/list/").get_data(as_text=True)


def test_texts_of_several_lines_keep_them(browse: Any, db_session: Session) -> None:
    from app.reference.models import Contact

    row = Contact(subject="Lignes", text="Une\nDeux", position=1)
    db_session.add(row)
    db_session.commit()
    body = browse("admin").get(f"/referentiels/contacts/show/{row.id}").get_data(as_text=True)
    assert '<span class="lines">Une\nDeux</span>' in body


def test_a_day_is_a_day(browse: Any) -> None:
    answer = browse("admin").post("/referentiels/motifs-de-sortie/add", EXIT | {"valid_from": "demain"})
    assert len(summary_of(answer)) == 1
