"""The end of an action: what is missing, the declaration, the closing, the reopening; on the real database."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text

from app.accounts.seeds import ORGANISATION_B
from app.actions import domain, labels, listing, queries, services
from app.actions.domain import ActionStatus, MissingKind, ReasonCode
from app.actions.models import Action, ActionHistory, Component, FinishDeclaration
from app.core import clock
from app.core.extensions import db
from app.core.outbox.models import MessageState, OutboxMessage
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.trainees import domain as trainees
from app.trainees.models import Enrolment, Registration
from app.trainees.services.enrolment import enrol
from tests.accounts.helpers import post
from tests.actions.helpers import leave, make_action, make_enrolment, make_finished, make_registration, number_given, organisation, plan_of, statements

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]


def missing_of(action: Action) -> dict[MissingKind, int]:
    facts = services.facts_of(action, clock.today(), None)
    return {one.kind: one.count for one in facts.missing}


def events_of(action_id: int) -> list[str]:
    return list(db.session.scalars(select(ActionHistory.event).where(ActionHistory.action_id == action_id).order_by(ActionHistory.id)))


def newcomer(action: Action) -> None:
    """Somebody more, who has not left."""
    component = db.session.scalars(select(Component).where(Component.action_id == action.id)).one()
    enrol(make_registration(action, name="NOUVELLE"), component.id, plan_of(component, entered=4))


# ---- what is missing -------------------------------------------------------------------------------------------------


def test_what_is_missing(db_session: Session) -> None:
    """Exits, AGORA numbers, refusals, NIA, ESF sheets: each counted, each with its list (guide 000)."""
    action = make_action(esf=True)
    first, second = (make_enrolment(action, name=f"NOM {index}") for index in range(2))
    make_enrolment(action, name="PROVISOIRE", kind="3")
    db_session.execute(Enrolment.__table__.update().where(Enrolment.id == second).values(agora_state="rejected"))  # type: ignore[attr-defined]
    db_session.execute(
        Registration.__table__.update().where(Registration.action_id == action.id).values(esf_state="later")  # type: ignore[attr-defined]
    )
    assert missing_of(action) == {
        MissingKind.EXIT: 3, MissingKind.AGORA_REFUSED: 1, MissingKind.AGORA_NUMBER: 1, MissingKind.NIR: 1, MissingKind.ESF: 3,
    }  # fmt: skip
    leave(first)
    number_given(first)
    assert missing_of(action)[MissingKind.EXIT] == 2
    assert MissingKind.AGORA_NUMBER not in missing_of(action)


def test_each_missing_thing_leads_to_those_concerned(as_user: AsUser) -> None:
    action = make_action()
    make_enrolment(action, name="ENCORE")
    services.open_action(action.id, _opening())
    browser = as_user("principal")
    page = browser.get(f"/actions-de-formation/{action.id}/fin").text
    assert "1 stagiaire sans sortie" in page
    assert "1 stagiaire sans numéro AGORA" in page
    for todo in ("sans-sortie", "sans-numero-agora"):
        address = f"/stagiaires/action/{action.id}?a_faire={todo}"
        assert f'href="{address}"' in page
        assert "ENCORE" in browser.get(address).text
    assert "<button" not in page.partition("<main")[2].partition("</main")[0]


def _opening() -> services.Opening:
    from tests.actions.test_services import opening

    return opening()


# ---- declaring -------------------------------------------------------------------------------------------------------


def test_an_end_is_declared_once(db_session: Session) -> None:
    action = make_finished()
    assert services.declare_finished(action.id)
    assert not services.declare_finished(action.id)
    assert queries.declaration_of(action.id) is not None
    assert events_of(action.id) == ["open", "declare"]
    assert action.status == ActionStatus.RUNNING


def test_an_end_is_not_declared_while_something_is_missing(db_session: Session) -> None:
    action = make_action()
    make_enrolment(action)
    services.open_action(action.id, _opening())
    with pytest.raises(services.Refused) as refused:
        services.declare_finished(action.id)
    assert [reason.code for reason in refused.value.reasons] == [ReasonCode.SOMETHING_MISSING]
    assert queries.declaration_of(action.id) is None


@pytest.mark.parametrize("status", ["AO", "AN"])
def test_only_a_running_action_is_declared_finished(db_session: Session, status: str) -> None:
    action = make_action()
    action.status = status
    db_session.flush()
    with pytest.raises(services.Refused) as refused:
        services.declare_finished(action.id)
    assert [reason.code for reason in refused.value.reasons] == [ReasonCode.NOT_RUNNING]


def test_the_programme_says_whether_the_closing_may_be_asked_for(db_session: Session) -> None:
    """DOMAIN §3: FORPRO SUP; anywhere else nothing of the declaration is kept when it is asked for all the same."""
    elsewhere = make_finished()
    with pytest.raises(services.Refused) as refused:
        services.declare_finished(elsewhere.id, ask_closing=True)
    assert [reason.code for reason in refused.value.reasons] == [ReasonCode.CLOSING_NOT_ON_REQUEST]
    assert queries.declaration_of(elsewhere.id) is None
    action = make_finished(programme="FORPROSUP")
    assert services.declare_finished(action.id)
    assert services.declare_finished(action.id, ask_closing=True)
    declaration = queries.declaration_of(action.id)
    assert declaration is not None
    assert declaration.closing_asked_at is not None
    assert not services.declare_finished(action.id, ask_closing=True)
    assert events_of(action.id) == ["open", "declare", "ask_closing"]


def test_the_declaration_falls_when_something_is_missing_again(db_session: Session) -> None:
    action = make_finished()
    services.declare_finished(action.id)
    newcomer(action)
    assert queries.declaration_of(action.id) is None
    assert events_of(action.id) == ["open", "declare", "withdraw"]
    line = db_session.scalars(select(ActionHistory).where(ActionHistory.action_id == action.id, ActionHistory.event == "withdraw")).one()
    assert line.details == {"missing": {"exit": 1, "agora_number": 1}}


def test_the_declaration_falls_when_agora_refuses_a_file(db_session: Session) -> None:
    from app.core.outbox.errors import Rejected
    from app.trainees.agora import note_refusals

    action = make_finished()
    services.declare_finished(action.id)
    enrolment_id = db_session.scalars(select(Enrolment.id).where(Enrolment.action_id == action.id).order_by(Enrolment.id)).first()
    message = db_session.scalars(select(OutboxMessage).where(OutboxMessage.subject_id == enrolment_id, OutboxMessage.operation == "exit_file")).one()
    with transaction():
        note_refusals([(message, Rejected("X", "Refus"))])  # type: ignore[list-item]  # a stored message has all that is read of one
    assert queries.declaration_of(action.id) is None
    assert events_of(action.id)[-1] == "withdraw"


def test_looking_again_costs_one_statement_when_nothing_was_declared(db_session: Session) -> None:
    action_id = make_finished().id
    with statements() as sent:
        services.recheck_declarations([action_id])
    assert len(sent) == 1


# ---- closing and reopening -------------------------------------------------------------------------------------------


def test_closing_keeps_what_was_missing_and_what_was_declared(db_session: Session) -> None:
    action = make_finished()
    make_registration(action, name="PROVISOIRE", kind="3")
    assert services.close_action(action.id, comment="Marché terminé")
    line = db_session.scalars(select(ActionHistory).where(ActionHistory.action_id == action.id, ActionHistory.event == "close")).one()
    assert (line.from_status, line.to_status, line.comment) == ("EC", "CL", "Marché terminé")
    assert line.details == {"missing": {"nir": 1}, "declared": False}


def test_reopening_asks_for_a_reason_and_ends_the_declaration(db_session: Session) -> None:
    action = make_finished()
    services.declare_finished(action.id)
    services.close_action(action.id)
    with pytest.raises(services.Refused) as refused:
        services.reopen_action(action.id, reason="  ")
    assert [reason.code for reason in refused.value.reasons] == [ReasonCode.REASON_REQUIRED]
    assert services.reopen_action(action.id, reason="Sortie oubliée")
    assert not services.reopen_action(action.id, reason="Sortie oubliée")
    db_session.refresh(action)
    assert (action.status, action.closed_at) == (ActionStatus.RUNNING, None)
    assert queries.declaration_of(action.id) is None
    line = db_session.scalars(select(ActionHistory).where(ActionHistory.action_id == action.id).order_by(ActionHistory.id.desc()).limit(1)).one()
    assert (line.event, line.from_status, line.to_status, line.comment) == ("reopen", "CL", "EC", "Sortie oubliée")


def test_closings_that_have_not_left_are_held_back_and_told_once(db_session: Session) -> None:
    """A closing that AGORA has taken is not told twice; one that waits is cancelled by the reopening and told by the next closing."""
    action = make_finished()
    services.close_action(action.id)

    def closings() -> list[tuple[int, str]]:
        rows = db_session.execute(
            select(OutboxMessage.subject_id, OutboxMessage.state)
            .where(OutboxMessage.operation == "close_file", OutboxMessage.subject_id.in_(select(Enrolment.id).where(Enrolment.action_id == action.id)))
            .order_by(OutboxMessage.id)
        )
        return [(row.subject_id, row.state) for row in rows]

    (taken, _state), (waiting, _other) = closings()
    db_session.execute(
        OutboxMessage.__table__.update().where(OutboxMessage.subject_id == taken).values(state=MessageState.DONE, done_at=clock.now())  # type: ignore[attr-defined]
    )
    services.reopen_action(action.id, reason="Sortie oubliée")
    assert closings() == [(taken, "done"), (waiting, "cancelled")]
    services.close_action(action.id)
    assert closings() == [(taken, "done"), (waiting, "cancelled"), (waiting, "pending")]


def test_nothing_but_a_closed_action_reopens(db_session: Session) -> None:
    action = make_action()
    with pytest.raises(services.Refused) as refused:
        services.reopen_action(action.id, reason="Essai")
    assert refused.value.reasons[0].code is ReasonCode.NOT_CLOSED


def test_another_organisation_does_not_find_the_action(db_session: Session) -> None:
    action_id = make_finished().id
    with bound_scope(Scope.organisation(organisation(ORGANISATION_B).id)):
        with pytest.raises(services.ActionNotFound):
            services.declare_finished(action_id)
        with pytest.raises(services.ActionNotFound):
            services.reopen_action(action_id, reason="Essai")
        assert queries.declaration_of(action_id) is None


# ---- races -----------------------------------------------------------------------------------------------------------


def _together(app: Flask, acts: list[Callable[[], Any]], scopes: list[Scope]) -> list[Any]:
    """All acts started at once, each in a session of its own; what each gave, or the exception it raised."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Any], scope: Scope) -> Any:
        barrier.wait(10)
        with app.app_context(), bound_scope(scope):
            try:
                return act()
            except (services.Refused, trainees.Refused) as refusal:
                return refusal
            finally:
                db.session.remove()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result() for future in [pool.submit(run, act, scope) for act, scope in zip(acts, scopes, strict=True)]]


def test_two_closers_close_once(committed: Flask) -> None:
    with committed.app_context(), bound_scope(Scope.system()), transaction():
        action_id = make_finished().id
    outcomes = _together(committed, [lambda: services.close_action(action_id)] * 6, [Scope.region()] * 6)
    assert sorted(outcomes) == [False] * 5 + [True]
    with committed.app_context(), bound_scope(Scope.system()):
        assert events_of(action_id).count("close") == 1
        closings = select(func.count()).select_from(OutboxMessage).where(OutboxMessage.operation == "close_file").join(
            Enrolment, Enrolment.id == OutboxMessage.subject_id
        ).where(Enrolment.action_id == action_id)  # fmt: skip
        assert db.session.scalar(closings) == 2
        db.session.remove()


def test_reopening_twice_at_once_reopens_once(committed: Flask) -> None:
    with committed.app_context(), bound_scope(Scope.system()), transaction():
        action_id = make_finished().id
        services.close_action(action_id)
    outcomes = _together(committed, [lambda: services.reopen_action(action_id, reason="Essai")] * 4, [Scope.region()] * 4)
    assert sorted(outcomes) == [False, False, False, True]
    with committed.app_context(), bound_scope(Scope.system()):
        assert events_of(action_id).count("reopen") == 1
        db.session.remove()


@pytest.mark.parametrize("act", ["close", "declare"])
def test_an_enrolment_and_the_end_never_both_win(committed: Flask, act: str) -> None:
    """Whoever comes second sees what the first did: no closed action keeps somebody in training, no declaration stands over them."""
    for _attempt in range(3):
        with committed.app_context(), bound_scope(Scope.system()), transaction():
            action = make_finished()
            action_id, holder = action.id, Scope.organisation(action.organisation_id)
            component = db.session.scalars(select(Component).where(Component.action_id == action_id)).one()
            component_id, plan, registration_id = component.id, plan_of(component), make_registration(action, name="TARDIVE")
        end = services.close_action if act == "close" else services.declare_finished
        ended, enrolled = _together(
            committed, [lambda end=end, a=action_id: end(a), lambda r=registration_id, c=component_id, p=plan: enrol(r, c, p)],  # type: ignore[misc]
            [Scope.region() if act == "close" else holder, holder],
        )  # fmt: skip
        with committed.app_context(), bound_scope(Scope.system()):
            still_in = db.session.scalar(select(func.count()).select_from(Enrolment).where(Enrolment.action_id == action_id, Enrolment.actual_end.is_(None)))
            status = db.session.scalars(select(Action.status).where(Action.id == action_id)).one()
            declared = db.session.scalar(
                select(func.count()).select_from(FinishDeclaration).where(FinishDeclaration.action_id == action_id, FinishDeclaration.withdrawn_at.is_(None))
            )
            db.session.remove()
        if act == "close":
            assert (ended is True) != isinstance(enrolled, int), (ended, enrolled)
            assert (status, still_in) == (("CL", 0) if ended is True else ("EC", 1))
        else:
            assert isinstance(enrolled, int)
            assert (still_in, declared) == (1, 0)


# ---- screens ---------------------------------------------------------------------------------------------------------


def test_the_organisation_declares_and_the_region_closes_and_reopens(as_user: AsUser) -> None:
    action = make_finished(programme="FORPROSUP")
    address = f"/actions-de-formation/{action.id}"
    holder, region = as_user("principal"), as_user("admin")
    assert "n’a pas déclaré l’action terminée" in region.get(f"{address}/cloture").text
    assert "Demander aussi à la Région de clôturer l’action" in holder.get(f"{address}/fin").text
    assert post(holder, f"{address}/fin", {"ask_closing": "y"}).status_code == 302
    page = holder.get(address).text
    assert "Déclarée terminée le" in page
    assert "L’établissement a demandé la clôture le" in page
    assert action.number in region.get("/actions-de-formation/?statut=finished").text
    closing = region.get(f"{address}/cloture").text
    assert "Déclarée terminée le" in closing
    assert "Rien ne manque." in closing
    assert post(region, f"{address}/cloture", {"comment": "Vu"}).status_code == 302
    assert post(region, f"{address}/reouverture", {"reason": " "}).status_code == 422
    assert db.session.scalars(select(Action.status).where(Action.id == action.id)).one() == "CL"
    assert post(region, f"{address}/reouverture", {"reason": "Sortie oubliée"}).status_code == 302
    history = holder.get(f"{address}/historique").text
    for sentence in ("a été déclarée terminée", "a demandé à la Région de clôturer", "La Région a clôturé", "La Région a rouvert", "Sortie oubliée", "Vu"):
        assert sentence in history, sentence


def test_the_second_to_close_is_told_who_did_and_keeps_the_observations(as_user: AsUser) -> None:
    action = make_finished()
    address = f"/actions-de-formation/{action.id}/cloture"
    assert post(as_user("admin"), address, {"comment": "Vu"}).status_code == 302
    line = queries.closing_of(action.id)
    late = post(as_user("region"), address, {"comment": "Mes observations à moi"})
    assert late.status_code == 409
    assert line is not None
    assert line.actor_name
    assert f"a déjà été clôturée par {line.actor_name}" in late.text
    assert "Mes observations à moi" in late.text
    assert post(as_user("region"), address, {"comment": ""}).status_code == 302


def test_the_closing_is_asked_for_by_who_ticks_it(as_user: AsUser) -> None:
    action = make_finished(programme="FORPROSUP")
    page = as_user("principal").get(f"/actions-de-formation/{action.id}/fin").text
    box = re.search(r'<input type="checkbox"[^>]*name="ask_closing"[^>]*>', page)
    assert box is not None
    assert "checked" not in box[0]


def test_the_start_and_the_first_entry_that_disagree_are_told_as_long_as_they_do(as_user: AsUser) -> None:
    action = make_finished()
    address = f"/actions-de-formation/{action.id}"
    told = "La date de début réelle et la première entrée ne concordent pas"
    assert told not in as_user("principal").get(address).text
    db.session.execute(text("UPDATE action SET actual_start = actual_start - 3 WHERE id = :id"), {"id": action.id})
    for _visit in range(2):
        assert told in as_user("principal").get(address).text


@pytest.mark.parametrize(("account", "status"), [("principal", 403), ("secondaire", 403), ("autre-of", 403), ("region", 302), ("support", 403)])
def test_only_the_region_reopens(as_user: AsUser, account: str, status: int) -> None:
    action = make_finished()
    services.close_action(action.id)
    assert post(as_user(account), f"/actions-de-formation/{action.id}/reouverture", {"reason": "Essai"}).status_code == status


@pytest.mark.parametrize(("account", "status"), [("principal", 302), ("secondaire", 302), ("autre-of", 404), ("region", 403), ("admin", 403), ("support", 403)])
def test_only_the_organisation_declares(as_user: AsUser, account: str, status: int) -> None:
    action = make_finished()
    assert post(as_user(account), f"/actions-de-formation/{action.id}/fin").status_code == status
    assert (queries.declaration_of(action.id) is not None) == (status == 302)


def test_the_rule_of_a_programme_is_edited_on_screen(as_user: AsUser) -> None:
    from app.reference.models import Programme

    key = db.session.scalars(select(Programme.id).where(Programme.code == "FORPROSUP")).one()
    assert "L’établissement peut demander la clôture" in as_user("admin").get(f"/referentiels/dispositifs/edit/{key}").text


def test_tabs_are_links_to_pages(as_user: AsUser) -> None:
    action = make_action()
    browser = as_user("principal")
    for path, label in (("", "Résumé"), ("/composantes", "Composantes et sessions"), ("/declarations", "Déclarations"), ("/factures", "Factures"), ("/historique", "Historique")):
        page = browser.get(f"/actions-de-formation/{action.id}{path}").text
        assert f'aria-current="page">{label}' in page, path
    trainees_page = browser.get(f"/stagiaires/action/{action.id}").text
    assert 'aria-current="page">Stagiaires' in trainees_page
    assert f'href="/actions-de-formation/{action.id}/historique"' in trainees_page


def test_another_feature_adds_a_tab(app: Flask, as_user: AsUser, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its place; not for who lacks the permission, nor for an action it is not of, nor without a page."""
    from app.actions import tabs

    monkeypatch.setattr(tabs, "_tabs", {endpoint: tab for endpoint, tab in tabs._tabs.items() if not endpoint.startswith("RequestsView.")})
    read = ("can_read", "Actions")
    tabs.register_action_tab("Demandes", "RegistrationView.start", read, 40)
    tabs.register_action_tab("Clôture", "ClosingView.close", ("can_close", "Actions"), 50)
    tabs.register_action_tab("Nulle part", "NoView.nothing", read, 60)
    tabs.register_action_tab("Jamais", "ClosingView.declare", read, 70, visible=lambda _action: False)
    action = make_action()

    def shown(account: str) -> list[str]:
        page = as_user(account).get(f"/actions-de-formation/{action.id}").text
        bar = page.partition('<nav class="tabs"')[2].partition("</nav>")[0]
        return re.findall(r"<a [^>]*>([^<]+)</a>", bar)

    assert shown("principal") == ["Résumé", "Composantes et sessions", "Stagiaires", "Demandes", "Déclarations", "Factures", "Documents", "Historique"]
    assert shown("admin") == ["Résumé", "Composantes et sessions", "Stagiaires", "Demandes", "Déclarations", "Factures", "Documents", "Clôture", "Historique"]


# ---- where it stands ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "acts", "words", "never"),
    [
        ({"declared": True, "enrolled": 2}, True, "vous n’avez plus rien à saisir", "saisissez ce qui manque"),
        ({"declared": True, "enrolled": 2}, False, "elle peut être clôturée", "dès que"),
        ({"enrolled": 2}, True, "rien ne manque : déclarez-la terminée", "saisissez ce qui manque"),
        ({"enrolled": 2, "missing": (domain.Missing(MissingKind.NIR, 1),)}, True, "saisissez ce qui manque et déclarez-la terminée", "rien ne manque"),
        ({"enrolled": 2, "still_in": 1}, False, "dès que l’organisme de formation a saisi les dernières sorties", "rien ne manque"),
        ({"enrolled": 2, "requests": (7,)}, False, "dès que ses demandes de modification auront reçu une réponse", "dernières sorties"),
        ({"enrolled": 2}, False, "elle peut être clôturée ; l’organisme ne l’a pas encore déclarée terminée", "dernières sorties"),
    ],
)
def test_the_sentence_follows_the_state(app: Flask, *, facts: dict[str, Any], acts: bool, words: str, never: str) -> None:
    """An action whose planned end has passed, as who enters data and as who closes reads it."""
    action = Action(status="EC", planned_start=clock.today(), actual_start=clock.today(), planned_end=clock.today() - timedelta(days=3))
    with app.test_request_context():
        said = labels.standing_text(action, domain.EntryFacts(**facts), clock.today(), acts=acts).replace("\u00a0", " ").replace("\u202f", " ")
    assert words in said
    assert never not in said


def test_a_late_action_that_is_declared_is_late_no_longer_and_a_closed_one_is_closed(as_user: AsUser) -> None:
    action = make_finished()
    with transaction():
        action.planned_end = clock.today() - timedelta(days=1)
    browser, address = as_user("principal"), f"/actions-de-formation/{action.id}"

    def badge() -> str:
        page = browser.get(address).text
        return page.partition("<h1")[2].partition("</h1>")[0]

    assert "En retard de fermeture" in badge()
    services.declare_finished(action.id)
    assert "Déclarée terminée" in badge() and "En retard" not in badge()
    late = browser.get("/actions-de-formation/?statut=late").text
    assert action.number not in late, "the list of the late ones and its counter say the same"
    counted = queries.counters(clock.today())
    assert counted.declared == 1
    late_ones = listing.list_actions(listing.ActionFilter(status=domain.StatusFilter.LATE), today=clock.today(), size=100)
    assert counted.late == len(late_ones.rows)
    services.close_action(action.id)
    assert "Clôturée" in badge() and "Déclarée" not in badge()
