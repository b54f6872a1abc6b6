"""The history of an action tells every change of its data: what, from what to what, by whom, when and why (guide 003; DESIGN §2.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from app.accounts.testing import sign_in
from app.actions import sessions
from app.actions.models import Action, ActionAccess, ActionHistory, Component, ComponentSite
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.core.ui.format import fr_long_date
from app.reference.models import Level, Site
from app.requests import services
from app.requests.domain import Field, Key, RequestEvent, RequestKind, Target
from tests.accounts.helpers import post
from tests.actions.helpers import make_action, statements
from tests.requests.helpers import END, ENTRY, account, components, day, decision, later_end, open_action
from tests.requests.test_screens import fr, plain

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]


@contextmanager
def working(app: Flask, *, organisation_id: int | None = None, username: str | None = None) -> Iterator[None]:
    """One act, in its own transaction, of an account: of an organisation, of the Région, or of the system itself."""
    with app.app_context():
        with bound_scope(Scope.system()):
            actor = account(username) if username is not None else None
        scope = Scope.system() if username is None else Scope.region() if organisation_id is None else Scope.organisation(organisation_id)
        with bound_scope(scope, actor_id=actor), transaction():
            yield
        db.session.remove()


def made(app: Flask) -> tuple[int, int]:
    """An open action with two components, and its organisation."""
    with working(app):
        action = open_action()
        return action.id, action.organisation_id


def history(app: Flask, username: str, action_id: int) -> str:
    """The tab as an account reads it."""
    browser: Any = app.test_client()
    sign_in(app, browser, username)
    answer = browser.get(f"/actions-de-formation/{action_id}/historique")
    assert answer.status_code == 200
    return str(answer.text)


def test_a_validated_request_is_told_with_what_it_changed(committed: Flask) -> None:
    """Before and after, who, why, and the way to the request; once, though the journal has the same change."""
    action_id, holder = made(committed)
    with working(committed, organisation_id=holder, username="principal"):
        action = db.session.get_one(Action, action_id)
        end = action.planned_end
        request_id = services.send(action_id, RequestKind.DATES, services.Asked(later_end(action), "Un mois de plus."))
    with working(committed):  # the end moves meanwhile: what the validation changes is no longer what the request said it was
        db.session.execute(text("UPDATE action SET planned_end = planned_end + 2, version = version + 1 WHERE id = :id"), {"id": action_id})
    with working(committed, username="region"):
        from app.requests.domain import fingerprint, moved
        from app.requests.kinds import KINDS
        from tests.requests.helpers import reread

        kind = KINDS[RequestKind.DATES]
        snapshot = kind.snapshot(db.session.get_one(Action, action_id), components(action_id))
        seen = fingerprint(moved(reread(request_id).asked, snapshot.values))
        services.decide(request_id, decision(RequestEvent.VALIDATE, request_id, confirmed=seen))
    for username, name in (("principal", "La Région"), ("region", "Julien FABRE")):
        page = history(committed, username, action_id)
        said = plain(page)
        line = said.partition("Demande de modification de dates, validée par la Région")[2].partition("Voir la demande")[0]
        assert name in line, username
        assert "Motivation : Un mois de plus." in line
        assert f"Action / Date de fin prévue {fr(day(END + 2))} {fr(day(END + 30))}" in line, line
        assert f"01 – Composante / Date de fin {fr(end)} {fr(day(END + 30))}" in line
        assert f'href="/demandes-de-modification/{request_id}"' in page
        assert said.count(fr(day(END + 30))) == 2
    assert f"Action / Date de fin prévue {fr(end)} {fr(day(END + 2))}" in said  # the change between is told too
    assert "Les données de l’action ont été modifiées." in said


def test_the_changes_of_the_region_are_told(committed: Flask) -> None:
    """Its own screens: title, level in words, hours; an organisation reads « La Région »."""
    action_id, _holder = made(committed)
    with committed.app_context(), bound_scope(Scope.system()):
        first, level = components(action_id)[0].id, db.session.scalars(select(Level).order_by(Level.id)).first()
        assert level is not None
        level_id, level_name = level.id, str(level)
    with working(committed, username="region"):
        db.session.get_one(Action, action_id).title = "Autre intitulé"
    with working(committed, username="region"):
        component = db.session.get_one(Component, first)
        component.level_id, component.hours_centre, component.places = level_id, 80, 9
    with working(committed, username="region"):
        action = db.session.get_one(Action, action_id)
        db.session.add(Component(action=action, number="03", title="Module ajouté", planned_start=action.planned_start, planned_end=action.planned_end))
    page = plain(history(committed, "principal", action_id))
    assert "La composante 03 – Module ajouté a été ajoutée." in page
    assert "01 – Composante a été ajoutée" not in page  # made with the action
    assert page.count("· La Région Détails La Région a modifié les données de l’action.") == 2
    assert "Action / Intitulé de l’action Essai Autre intitulé" in page
    for words in (f"01 – Composante / Niveau vide {level_name}", "100,00 80,00", "Places 12 9"):
        assert words in page, words
    assert "Julien FABRE" not in page
    assert "Julien FABRE" in plain(history(committed, "region", action_id))


def test_sites_and_partners_of_a_request_are_told(committed: Flask) -> None:
    """They have no column in the action nor its components: the request says what they were."""
    action_id, holder = made(committed)
    with working(committed, organisation_id=holder, username="principal"):
        first = components(action_id)[0]
        held = db.session.scalars(select(ComponentSite.site_id).where(ComponentSite.component_id == first.id)).one()
        other = db.session.scalars(select(Site).where(Site.id != held).order_by(Site.id)).first()
        assert other is not None
        asked = {Key(Target.COMPONENT, first.id, Field.SITES): tuple(sorted((held, other.id)))}
        name, request_id = str(other), services.send(action_id, RequestKind.SITES, services.Asked(asked, "Second site."))
    with working(committed, username="region"):
        services.decide(request_id, decision(RequestEvent.VALIDATE, request_id))
    line = plain(history(committed, "principal", action_id)).partition("Demande de modification de sites, validée")[2]
    assert "01 – Composante / Sites" in line
    assert name in line


def test_sites_changed_by_the_region_are_told(as_user: AsUser) -> None:
    """What goes leaves nothing behind that would tell: the history is told as it happens."""
    action = open_action()
    component = components(action.id)[0]
    held = set(db.session.scalars(select(ComponentSite.site_id).where(ComponentSite.component_id == component.id)))
    site = db.session.scalars(select(Site).where(Site.id.not_in(held)).order_by(Site.id)).first()
    assert site is not None
    name = str(site)
    sessions.add_site(component.id, name=site.name, address=site.address, postal_code=site.postal_code, town=site.town, insee_code=site.insee_code)
    link = db.session.scalars(select(ComponentSite.id).where(ComponentSite.component_id == component.id, ComponentSite.site_id == site.id)).one()
    assert post(as_user("admin"), f"/referentiels/sites-des-composantes/delete/{link}", {}).status_code in (302, 303)
    page = plain(as_user("principal").get(f"/actions-de-formation/{action.id}/historique").text)
    assert f"La composante 01 a lieu sur un site de plus : {name}." in page
    assert f"La composante 01 n’a plus lieu sur le site {name}." in page


def test_an_action_that_never_began_is_deleted_with_what_was_told_of_it(as_user: AsUser) -> None:
    action = make_action()
    action_id, component = action.id, components(action.id)[0]
    region = as_user("admin")
    db.session.execute(text("DELETE FROM component_site WHERE component_id = :id"), {"id": component.id})
    assert post(region, f"/referentiels/composantes/delete/{component.id}", {"version": component.version}).status_code in (302, 303)
    assert db.session.scalars(select(ActionHistory.event).where(ActionHistory.action_id == action_id)).all() == ["component_removed"]
    assert post(region, f"/referentiels/actions/delete/{action_id}", {"version": db.session.get_one(Action, action_id).version}).status_code in (302, 303)
    db.session.expire_all()
    assert db.session.get(Action, action_id) is None


@pytest.mark.parametrize("kept", [True, False], ids=["told", "found in the journal"])
def test_the_opening_says_what_it_set(as_user: AsUser, *, kept: bool) -> None:
    """Start, frequency and billing period; for openings of before, as the journal has them."""
    action = open_action()
    if not kept:
        db.session.execute(text("UPDATE action_history SET details = NULL WHERE action_id = :id"), {"id": action.id})
    page = plain(as_user("principal").get(f"/actions-de-formation/{action.id}/historique").text)
    words = "fréquence de déclaration : mensuelle ; période de facturation : trimestrielle"
    assert f"Date de début réelle : {fr_long_date(day(-ENTRY))} ; {words}".replace("\u00a0", " ") in page


def test_a_limited_account_reads_the_changes_of_its_actions(committed: Flask) -> None:
    """What a request made is told once to it too."""
    action_id, holder = made(committed)
    with working(committed, organisation_id=holder, username="principal"):
        request_id = services.send(action_id, RequestKind.DATES, services.Asked(later_end(db.session.get_one(Action, action_id)), "Plus tard."))
    with working(committed, username="region"):
        services.decide(request_id, decision(RequestEvent.VALIDATE, request_id))
    with working(committed):
        user_id = account("secondaire")
        db.session.execute(text("UPDATE ab_user SET limited_to_actions = true WHERE id = :id"), {"id": user_id})
        db.session.add(ActionAccess(organisation_id=holder, user_id=user_id, action_id=action_id))
    page = plain(history(committed, "secondaire", action_id))
    assert "validée par la Région" in page
    assert page.count(fr(day(END + 30))) == 2


def test_the_history_costs_the_same_whatever_happened(as_user: AsUser) -> None:
    action = open_action()
    browser = as_user("principal")
    address = f"/actions-de-formation/{action.id}/historique"
    browser.get(address)
    with statements() as few:
        browser.get(address)
    for index in range(4):
        db.session.execute(text("UPDATE action SET title = :title WHERE id = :id"), {"id": action.id, "title": f"Titre {index}"})
    first = components(action.id)[0]
    for places in (13, 14):
        asked = services.Asked({Key(Target.COMPONENT, first.id, Field.PLACES): places}, "Plus de places.")
        request_id = services.send(action.id, RequestKind.VOLUMES, asked)
        services.decide(request_id, decision(RequestEvent.VALIDATE, request_id))
    db.session.commit()
    with statements() as many:
        assert "Titre 3" in browser.get(address).text
    assert len(many) <= len(few) + 1, many  # the names of those who acted
    assert len(many) <= 14


def test_the_history_of_another_organisation_is_not_found(as_user: AsUser, db_session: Session) -> None:
    from app.accounts.seeds import ORGANISATION_B

    action = make_action(siret=ORGANISATION_B)
    assert as_user("principal").get(f"/actions-de-formation/{action.id}/historique").status_code == 404
