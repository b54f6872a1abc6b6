"""Repository data, volumes and places, sites: the same machine, other fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from app.actions import sessions
from app.actions.domain import SessionPlan
from app.actions.models import Component, ComponentSite, TrainingSession
from app.core.extensions import db
from app.core.ui.format import fr_long_date
from app.reference.models import Level, Site
from app.requests import labels, services
from app.requests.domain import Field, Key, Problem, ProblemCode, RequestEvent, RequestKind, RequestState, Target
from app.requests.models import ModificationRequest
from tests.accounts.helpers import post
from tests.requests.helpers import ask, components, day, decision, open_action, reread
from tests.requests.test_screens import hidden, plain

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]


def of(component: Component, field: Field) -> Key:
    return Key(Target.COMPONENT, component.id, field)


def send(component: Component, kind: RequestKind, **values: Any) -> int:
    """A request about one component, by the names of its fields."""
    asked = {of(component, Field(name)): value for name, value in values.items()}
    return services.send(component.action_id, kind, services.Asked(asked, "Parce que."))


def validate(request_id: int) -> None:
    services.decide(request_id, decision(RequestEvent.VALIDATE, request_id))


def refused(component: Component, kind: RequestKind, **values: Any) -> list[ProblemCode]:
    with pytest.raises(services.Refused) as error:
        send(component, kind, **values)
    return [problem.code for problem in error.value.problems]


def sites_of(component_id: int) -> list[int]:
    return sorted(db.session.scalars(select(ComponentSite.site_id).where(ComponentSite.component_id == component_id)))


def some_sites(number: int) -> list[int]:
    return list(db.session.scalars(select(Site.id).order_by(Site.id.desc()).limit(number)))


# ---- use cases --------------------------------------------------------------------------------------------------------


def test_kinds_do_not_bar_one_another(db_session: Session) -> None:
    action = open_action()
    first = components(action.id)[0]
    ask(action)
    send(first, RequestKind.VOLUMES, places=30)
    send(first, RequestKind.REFERENCE, title="Autre titre")
    with pytest.raises(services.AlreadyOpen):
        send(first, RequestKind.VOLUMES, places=31)


def test_repository_data(db_session: Session) -> None:
    first = components(open_action().id)[0]
    level = db_session.scalars(select(Level).order_by(Level.number)).first()
    assert level is not None
    request_id = send(first, RequestKind.REFERENCE, title="Nouveau titre", level_id=level.id, certif_info="83001", formacode="43436")
    said = {change.key.field: change.said for change in reread(request_id).asked}
    assert said[Field.LEVEL] == ("", str(level))
    validate(request_id)
    db_session.refresh(first)
    assert (first.title, first.level_id, first.certif_info, first.formacode) == ("Nouveau titre", level.id, "83001", "43436")


def test_a_level_that_does_not_exist(db_session: Session) -> None:
    first = components(open_action().id)[0]
    assert refused(first, RequestKind.REFERENCE, level_id=987_654, formacode="1") == [ProblemCode.BAD_FORMACODE, ProblemCode.UNKNOWN_VALUE]


def test_volumes_and_never_fewer_places_than_trainees(db_session: Session) -> None:
    first = components(open_action(people=3).id)[0]
    assert refused(first, RequestKind.VOLUMES, places=2) == [ProblemCode.TOO_FEW_PLACES]
    assert refused(first, RequestKind.VOLUMES, hours_centre=Decimal(100)) == [ProblemCode.NOTHING_CHANGED]
    request_id = send(first, RequestKind.VOLUMES, places=3, hours_centre=Decimal("410.50"))
    validate(request_id)
    db_session.refresh(first)
    assert (first.places, first.hours_centre, first.hours_company) == (3, Decimal("410.50"), Decimal(20))


def test_somebody_enrolled_meanwhile_keeps_their_place(db_session: Session) -> None:
    from tests.actions.helpers import make_enrolment

    action = open_action()
    first = components(action.id)[0]
    request_id = send(first, RequestKind.VOLUMES, places=1)
    make_enrolment(action, name="DE PLUS")
    with pytest.raises(services.Blocked) as blocked:
        validate(request_id)
    assert [one.problem.code for one in blocked.value.obstacles if one.problem] == [ProblemCode.TOO_FEW_PLACES]


def test_sites_are_added_and_taken_away(db_session: Session) -> None:
    first, second = components(open_action().id)
    (present,) = sites_of(first.id)
    other, third = [site for site in some_sites(3) if site != present][:2]
    request_id = send(first, RequestKind.SITES, sites=tuple(sorted((present, other))))
    (change,) = reread(request_id).asked
    assert change.before == (present,)
    assert all(change.said)
    validate(request_id)
    assert sites_of(first.id) == sorted((present, other))
    validate(send(second, RequestKind.SITES, sites=(third,)))
    assert (sites_of(second.id), sites_of(first.id)) == ([third], sorted((present, other)))


def test_a_site_stays_as_long_as_somebody_is_on_it(db_session: Session) -> None:
    first = components(open_action().id)[0]
    (present,) = sites_of(first.id)
    other = next(site for site in some_sites(2) if site != present)
    assert refused(first, RequestKind.SITES, sites=(other,)) == [ProblemCode.SITE_IN_USE]
    assert refused(first, RequestKind.SITES, sites=()) == [ProblemCode.NO_SITE, ProblemCode.SITE_IN_USE]
    db_session.execute(text("UPDATE site SET valid_from = '2020-01-01', valid_to = '2020-02-01' WHERE id = :id"), {"id": other})
    assert refused(first, RequestKind.SITES, sites=tuple(sorted((present, other)))) == [ProblemCode.UNKNOWN_VALUE]


def test_sessions_stay_inside_the_dates_and_on_the_sites_of_their_component(db_session: Session) -> None:
    """Said to whoever asks, and again at the validation: a session may come meanwhile."""
    action = open_action()
    second = components(action.id)[1]
    present, other = [site.id for site in db_session.scalars(select(Site).order_by(Site.id).limit(2))]
    db_session.add(ComponentSite(organisation_id=second.organisation_id, component_id=second.id, site_id=present))
    db_session.commit()
    sooner = {Key(Target.COMPONENT, second.id, Field.PLANNED_END): day(100)}
    waiting = ask(action, sooner)
    session_id = sessions.create_session(second.id, SessionPlan(day(90), day(120), present, 5))
    with pytest.raises(services.Blocked) as blocked:
        validate(waiting)
    (problem,) = [one.problem for one in blocked.value.obstacles if one.problem]
    assert (problem.code, problem.params["numbers"]) == (ProblemCode.SESSIONS_OUTSIDE, ("01",))
    said = labels.problem_text(problem)
    assert said.startswith("La session 01 serait hors de ces dates : modifiez d’abord ses dates.")
    assert f"du {fr_long_date(second.planned_start)} au {fr_long_date(day(100))}" in said  # the days of both periods
    apart = Problem(problem.key, problem.code, {**problem.params, "from": day(0), "to": day(300), "wide": True})
    assert "demandez d’abord pour la composante des dates qui contiennent les actuelles et les nouvelles" in labels.problem_text(apart)
    services.withdraw(waiting, version=reread(waiting).version)
    with pytest.raises(services.Refused) as refusal:
        ask(action, sooner)
    assert [one.code for one in refusal.value.problems] == [ProblemCode.SESSIONS_OUTSIDE]
    assert refused(second, RequestKind.SITES, sites=(other,)) == [ProblemCode.SITE_OF_SESSIONS]
    found = db_session.get_one(TrainingSession, session_id)
    sessions.cancel_session(session_id, reason="Créée par erreur.", version=found.version)
    validate(ask(action, sooner))
    assert components(action.id)[1].planned_end == day(100)


def test_a_site_that_the_region_added_meanwhile_is_seen(db_session: Session) -> None:
    action = open_action()
    first = components(action.id)[0]
    (present,) = sites_of(first.id)
    other, third = [site for site in some_sites(3) if site != present][:2]
    request_id = send(first, RequestKind.SITES, sites=tuple(sorted((present, other))))
    db_session.add(ComponentSite(organisation_id=action.organisation_id, component_id=first.id, site_id=third))
    db_session.commit()
    with pytest.raises(services.Blocked):
        validate(request_id)
    assert sites_of(first.id) == sorted((present, third))


# ---- pages ------------------------------------------------------------------------------------------------------------


def through(browser: FlaskClient, action_id: int, word: str, values: dict[str, Any]) -> str:
    """Both steps of a wizard; gives the recap."""
    base = f"/actions-de-formation/{action_id}/demandes/{word}"
    assert browser.get(f"{base}/", follow_redirects=True).status_code == 200
    answer = post(browser, f"{base}/valeurs", values)
    assert answer.status_code == 302, plain(answer.text)
    recap = browser.get(f"{base}/recapitulatif").text
    form = {name: hidden(recap, name) for name in ("wizard_token", "wizard_shown", "changements")} | {"motivation": "Voici."}
    assert post(browser, f"{base}/recapitulatif", form).headers["Location"].startswith("/demandes-de-modification/")
    return plain(recap)


def latest(action_id: int) -> ModificationRequest:
    statement = select(ModificationRequest).where(ModificationRequest.action_id == action_id).order_by(ModificationRequest.id.desc())
    found = db.session.scalars(statement).first()
    assert found is not None
    return found


def test_pages_of_the_repository_data(as_user: AsUser) -> None:
    action = open_action()
    first = components(action.id)[0]
    level = db.session.scalars(select(Level).order_by(Level.number)).first()
    assert level is not None
    browser = as_user("principal")
    wrong = post(browser, f"/actions-de-formation/{action.id}/demandes/referentiel/valeurs", {f"c{first.id}_formacode": "12"})
    assert wrong.status_code == 422
    assert "« 12 » n’est pas un Formacode" in plain(wrong.text)
    recap = through(browser, action.id, "referentiel", {f"c{first.id}_level_id": str(level.id), f"c{first.id}_formacode": "43436"})
    assert f"01 – Composante / Niveau vide {level}" in recap.replace("\u00a0", " ")
    page = plain(as_user("region").get(f"/demandes-de-modification/{latest(action.id).id}").text)
    assert str(level) in page
    assert "Demande de modification de référentiel" in page


def test_pages_of_volumes_and_places(as_user: AsUser) -> None:
    action = open_action(people=2)
    first = components(action.id)[0]
    browser = as_user("principal")
    address = f"/actions-de-formation/{action.id}/demandes/volumes/valeurs"
    for typed, said in (("1", "2 stagiaires sont inscrits"), ("beaucoup", "Ce n’est pas un nombre"), ("2,5", "un nombre entier"), ("-1", "entre 0 et 9999")):
        wrong = post(browser, address, {f"c{first.id}_places": typed})
        assert wrong.status_code == 422
        assert said in plain(wrong.text), typed
        assert f'value="{typed}"' in wrong.text
    none = post(browser, address, {f"c{first.id}_hours_centre": "0", f"c{first.id}_hours_company": "0,00"})
    assert none.status_code == 422
    assert "dure un certain temps" in plain(none.text)
    assert "Places 12 15" in through(browser, action.id, "volumes", {f"c{first.id}_places": "15", f"c{first.id}_hours_centre": "100,00"})
    (change,) = latest(action.id).asked
    assert (change.before, change.after) == (12, 15)


def test_pages_of_sites(as_user: AsUser, db_session: Session) -> None:
    action = open_action()
    first, second = components(action.id)
    (present,) = sites_of(first.id)
    far = Site(name="Centre lointain", postal_code="09999", town="AILLEURS")
    db_session.add(far)
    db_session.commit()
    browser = as_user("principal")
    address = f"/actions-de-formation/{action.id}/demandes/sites/valeurs"
    start = browser.get(address).text
    assert re.search(rf'name="c{first.id}_sites"[^>]*value="{present}"[^>]*checked', start)
    assert "Centre lointain" not in start
    form: dict[str, Any] = {f"c{first.id}_sites": [str(present)], f"c{second.id}_sites": [], "code_postal": "09999"}
    looked = post(browser, address, {**form, "chercher": "1"})
    assert looked.status_code == 200
    assert "Centre lointain" in looked.text
    assert "1 site du code postal 09999 est dans les listes ci-dessous" in plain(looked.text)
    none = plain(post(browser, address, {**form, "code_postal": "99999", "chercher": "1"}).text)
    assert "Aucun site n’est connu au code postal 99999" in none
    assert "La Région ajoute les sites" in none
    assert "« 31 abc » n’est pas un code postal" in plain(post(browser, address, {**form, "code_postal": "31 abc", "chercher": "1"}).text)
    nothing = post(browser, address, {**form, f"c{first.id}_sites": []})
    assert nothing.status_code == 422
    assert "sur un site au moins" in plain(nothing.text)
    recap = through(browser, action.id, "sites", {**form, f"c{second.id}_sites": [str(far.id)]})
    assert "02 – Autre composante / Sites vide Centre lointain / AILLEURS / 09999" in recap
    assert "01 – Composante" not in recap
    found = latest(action.id)
    assert found.state == RequestState.PENDING
    validate(found.id)
    assert sites_of(second.id) == [far.id]


@pytest.mark.parametrize("word", ["referentiel", "volumes", "sites"])
def test_the_forms_cost_the_same_for_few_and_many_components(as_user: AsUser, db_session: Session, word: str) -> None:
    from tests.actions.helpers import statements

    browser = as_user("principal")
    costs = []
    for extra in (0, 5):
        action = open_action()
        for number in range(extra):
            db_session.add(
                Component(
                    action=action, number=f"{number + 10}", title="X", planned_start=action.planned_start, planned_end=action.planned_end,
                    hours_centre=1, hours_company=1,
                )
            )  # fmt: skip
        db_session.commit()
        address = f"/actions-de-formation/{action.id}/demandes/{word}/valeurs"
        browser.get(address)
        with statements() as sent:
            assert browser.get(address).status_code == 200
        costs.append(len(sent))
    assert costs[0] == costs[1]
    assert costs[0] <= 14


def test_what_is_no_number_is_no_fault(as_user: AsUser) -> None:
    """"²" is a digit to Python, and no number."""
    first = components(open_action().id)[0]
    address = f"/actions-de-formation/{first.action_id}/demandes/sites/valeurs"
    assert post(as_user("principal"), address, {f"c{first.id}_sites": "²"}).status_code == 422
