"""Several requests decided with one answer: each by itself; and observations on single lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError

from app.accounts.seeds import ORGANISATION_B
from app.actions.models import Action
from app.core.extensions import db
from app.core.mail.models import MailMessage
from app.core.mail.services import content_of
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.reference.models import Site
from app.requests import batch, services
from app.requests.batch import Fate, Item
from app.requests.domain import Field, Key, Note, PayloadError, RequestEvent, RequestKind, RequestState, Target
from app.requests.domain.notes import MAX_NOTE
from app.requests.labels import line_name
from app.requests.models import ModificationRequest
from tests.accounts.helpers import post
from tests.actions.helpers import statements
from tests.requests.helpers import END, account, ask, components, day, decision, later_end, open_action, reread
from tests.requests.test_market import in_force
from tests.requests.test_partners import partner
from tests.requests.test_screens import fr, hidden, plain, wizard

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

VALIDATE, REFUSE, CORRECT = RequestEvent.VALIDATE, RequestEvent.REFUSE, RequestEvent.ASK_CORRECTION
LOT = "/demandes-de-modification/lot/"


def items(*ids: int) -> list[Item]:
    return [Item(one, reread(one).version, without_letter=True) for one in ids]


def state(request_id: int) -> str:
    return reread(request_id).state


def end_moved(action: Action, days: int = 5) -> None:
    with transaction():
        db.session.execute(text("UPDATE action SET planned_end = planned_end + :days, version = version + 1 WHERE id = :id"), {"id": action.id, "days": days})


def test_one_that_fails_does_not_stop_the_others(db_session: Session) -> None:
    """The second was taken by a colleague, the third moved, the fourth does not exist."""
    actions = [open_action() for _number in range(4)]
    ids = [ask(action) for action in actions]
    shown = items(*ids)
    with bound_scope(Scope.system(), actor_id=account("admin")):
        services.decide(ids[1], decision(REFUSE, ids[1], observations="Non."))
    end_moved(actions[2])
    with bound_scope(Scope.system(), actor_id=account("region")):
        results = batch.decide_all([*shown[:3], Item(2_000_000_000, 1), shown[3]], VALIDATE, "")
    assert [one.fate for one in results] == [Fate.DONE, Fate.OVERTAKEN, Fate.BLOCKED, Fate.GONE, Fate.DONE]
    assert [state(one) for one in ids] == ["validated", "refused", "pending", "validated"]
    assert db.session.scalars(select(Action.planned_end).where(Action.id == actions[0].id)).one() == day(END + 30)
    assert db.session.scalars(select(Action.planned_end).where(Action.id == actions[2].id)).one() == day(END + 5)


def test_a_second_click_is_no_failure(db_session: Session) -> None:
    ids = [ask(open_action()), ask(open_action())]
    shown = items(*ids)
    with bound_scope(Scope.system(), actor_id=account("region")):
        assert [one.fate for one in batch.decide_all(shown, VALIDATE, "")] == [Fate.DONE, Fate.DONE]
        assert [one.fate for one in batch.decide_all(shown, VALIDATE, "")] == [Fate.ALREADY, Fate.ALREADY]
        assert [one.fate for one in batch.decide_all(shown, REFUSE, "Non.")] == [Fate.OVERTAKEN, Fate.OVERTAKEN]
    assert [state(one) for one in ids] == ["validated", "validated"]


def test_there_is_a_limit(db_session: Session) -> None:
    with pytest.raises(ValueError, match="too many"):
        batch.decide_all([Item(one, 1) for one in range(batch.MAX_BATCH + 1)], VALIDATE, "")


def _asked(kind: RequestKind) -> int:
    """A request of any kind about an action of its own."""
    action = open_action()
    first = components(action.id)[0]
    values: dict[RequestKind, dict[Key, object]] = {
        RequestKind.DATES: later_end(action),
        RequestKind.REFERENCE: {Key(Target.COMPONENT, first.id, Field.TITLE): "Autre titre"},
        RequestKind.VOLUMES: {Key(Target.COMPONENT, first.id, Field.PLACES): 30},
        RequestKind.SITES: {Key(Target.COMPONENT, components(action.id)[1].id, Field.SITES): (db.session.scalars(select(Site.id).order_by(Site.id)).first(),)},
        RequestKind.PARTNERS: partner(-1),
    }
    return services.send(action.id, kind, services.Asked(values[kind], "x"))


@pytest.mark.parametrize("kind", RequestKind)
def test_what_is_shown_costs_the_same_for_few_and_many(db_session: Session, kind: RequestKind) -> None:
    costs = []
    for number in (2, 9):
        ids = [_asked(kind) for _number in range(number)]
        db_session.expire_all()
        with statements() as asked:
            found = batch.chosen(ids)
            assert [one.moved for one in found] == [()] * number
        costs.append(len(asked))
    assert costs[0] == costs[1] <= 5


@pytest.mark.parametrize("fault", [ProgrammingError("x", {}, Exception("y")), PayloadError("not a list")])
def test_a_fault_is_told_on_its_line_and_the_others_go_on(db_session: Session, monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    ids = [ask(open_action()) for _number in range(3)]
    shown = items(*ids)
    monkeypatch.setattr(services.notifications, "decided", _faulty(ids[1], fault))
    results = batch.decide_all(shown, VALIDATE, "")
    assert [one.fate for one in results] == [Fate.DONE, Fate.FAILED, Fate.DONE]
    assert "erreur technique" in results[1].message or "technical fault" in results[1].message
    assert [state(one) for one in ids] == ["validated", "pending", "validated"]


def _faulty(request_id: int, fault: Exception) -> Callable[..., None]:
    def told(request: ModificationRequest, *_rest: object) -> None:
        if request.id == request_id:
            raise fault

    return told


# ---- screens ----------------------------------------------------------------------------------------------------------


def carried(page: str, ids: list[int]) -> dict[str, object]:
    """What the page of confirmation sends back."""
    return {"choix": [str(one) for one in ids]} | {f"{name}-{one}": hidden(page, f"{name}-{one}") for one in ids for name in ("version", "moved")} | {f"sans-courrier-{one}": "y" for one in ids}


def test_chosen_confirmed_and_told_line_by_line(as_user: AsUser) -> None:
    first, second = open_action(), open_action(siret=ORGANISATION_B)
    ids = [ask(first), ask(second)]
    end_moved(second)
    region = as_user("region")
    queue = region.get("/demandes-de-modification/").text
    assert all(f'name="choix" value="{one}"' in queue for one in ids)
    page = region.get(LOT, query_string={"choix": ids}).text
    for words in ("2 demandes choisies", first.number, second.number, f"Date de fin prévue : {fr(day(END))} → {fr(day(END + 30))}", fr(day(END + 5))):
        assert words in plain(page), words
    form = carried(page, ids)
    missing = post(region, LOT, form | {"decision": "refuse"})
    assert missing.status_code == 422
    assert "Dites pourquoi dans les observations" in plain(missing.text)
    result = plain(post(region, LOT, form | {"decision": "validate", "observations": ""}).text)
    assert "1 demande décidée" in result
    assert "1 demande n’a pas été décidée" in result
    assert "regardez les valeurs actuelles" in result
    assert [state(one) for one in ids] == ["validated", "pending"]
    page = region.get(LOT, query_string={"choix": ids}).text
    assert "n’attend plus de décision" in plain(page)
    done = post(region, LOT, carried(page, ids[1:]) | {"decision": "validate", f"vu-{ids[1]}": "y"})
    assert "1 demande décidée" in plain(done.text)
    assert state(ids[1]) == "validated"


@pytest.mark.parametrize("chosen", [[], ["x"], ["²"], [str(one) for one in range(1, 60)]])
def test_nothing_or_too_much_is_said_on_the_queue(as_user: AsUser, chosen: list[str]) -> None:
    region = as_user("region")
    answer = region.get(LOT, query_string={"choix": chosen})
    assert answer.headers["Location"] == "/demandes-de-modification/"
    assert "alert-warning" in region.get("/demandes-de-modification/").text


def test_an_amendment_that_is_needed_is_said(as_user: AsUser) -> None:
    in_force({"needs_amendment": True})
    request_id = ask(open_action())
    region = as_user("region")
    page = region.get(LOT, query_string={"choix": request_id}).text
    assert "demandent un avenant" in plain(page)
    result = plain(post(region, LOT, carried(page, [request_id]) | {"decision": "validate"}).text)
    assert "saisissez son numéro" in result
    assert state(request_id) == "pending"


# ---- observations on single lines -------------------------------------------------------------------------------------


def end_of(action: Action) -> Key:
    return Key(Target.ACTION, action.id, Field.PLANNED_END)


def test_a_line_is_enough_to_say_why(db_session: Session) -> None:
    action = open_action()
    request_id = ask(action)
    other = Key(Target.ACTION, action.id, Field.ACTUAL_START)
    with pytest.raises(services.Blocked):
        services.decide(request_id, decision(CORRECT, request_id, notes=(Note(other, "Autre champ."), Note(end_of(action), " "))))
    services.decide(request_id, decision(CORRECT, request_id, notes=(Note(end_of(action), "Le 30 au plus tard."), Note(other, "Autre champ."))))
    found = reread(request_id)
    assert (found.state, found.noted) == (RequestState.TO_CORRECT, (Note(end_of(action), "Le 30 au plus tard."),))
    message = db.session.scalars(select(MailMessage).where(MailMessage.template == "request_decided").order_by(MailMessage.created_at.desc())).first()
    assert message is not None
    content = content_of(message)
    assert content is not None
    assert "Le 30 au plus tard." in content.text


def test_the_database_keeps_words_out_of_the_journal(db_session: Session) -> None:
    action = open_action()
    request_id = ask(action)
    services.decide(request_id, decision(CORRECT, request_id, notes=(Note(end_of(action), "Secret de ligne"),)))
    kept = db_session.scalars(text("SELECT coalesce(after, before)::text FROM audit_entry WHERE table_name LIKE 'modification_request%'")).all()
    assert kept
    assert not [one for one in kept if "Secret de ligne" in (one or "")]


def test_the_organisation_reads_it_beside_the_field(as_user: AsUser) -> None:
    action = open_action()
    request_id = ask(action)
    region, browser = as_user("region"), as_user("principal")
    page = region.get(f"/demandes-de-modification/{request_id}").text
    line = "ligne-" + line_name(end_of(action))
    assert f'name="{line}"' in page
    form = {"decision": "ask_correction", "version": hidden(page, "version"), "moved": hidden(page, "moved")}
    refused = post(region, f"/demandes-de-modification/{request_id}/decision", form | {"decision": "validate", "version": "999", line: "Gardé."})
    assert 'value="Gardé."' in refused.text or "Gardé." in refused.text
    answer = post(region, f"/demandes-de-modification/{request_id}/decision", form | {line: "Le 30 au plus tard."})
    assert answer.status_code == 302
    shown = plain(browser.get(f"/demandes-de-modification/{request_id}").text)
    assert "Observation de la Région" in shown
    assert "Le 30 au plus tard." in shown
    step = browser.get(f"{wizard(action.id)}/valeurs").text
    beside = step.partition('for="action_planned_end"')[2].partition("<input")[0]
    assert "La Région : Le 30 au plus tard." in plain("<main>" + beside + "</main>")
    first = components(action.id)[0]
    assert f"c{first.id}_planned_end" in step
    found = db.session.scalars(select(ModificationRequest).where(ModificationRequest.id == request_id)).one()
    assert found.observations == ""


def test_a_long_line_is_refused_at_its_field_and_kept(as_user: AsUser) -> None:
    action = open_action()
    request_id, region = ask(action), as_user("region")
    page = region.get(f"/demandes-de-modification/{request_id}").text
    line, long = "ligne-" + line_name(end_of(action)), "a" * (MAX_NOTE + 1)
    assert "maxlength" not in page.split("<form", 2)[-1].split("</textarea>")[0], "nothing pasted is cut in silence"
    form = {"decision": "ask_correction", "version": hidden(page, "version"), "moved": "", line: long}
    answer = post(region, f"/demandes-de-modification/{request_id}/decision", form)
    assert answer.status_code == 422
    assert f'id="{line}-error"' in answer.text
    assert long in answer.text
    assert state(request_id) == "pending"


def test_what_was_typed_too_late_is_shown_again_whole(as_user: AsUser) -> None:
    action = open_action()
    request_id, region = ask(action), as_user("region")
    page = region.get(f"/demandes-de-modification/{request_id}").text
    services.decide(request_id, decision(REFUSE, request_id, observations="Non."))
    line = "ligne-" + line_name(end_of(action))
    form = {"decision": "validate", "version": hidden(page, "version"), "moved": "", "observations": "D’accord.", line: "Ligne dite.", "amendment_number": "AV-77"}
    answer = post(region, f"/demandes-de-modification/{request_id}/decision", form)
    assert answer.status_code == 409
    for words in ("D’accord.", "Ligne dite.", "AV-77"):
        assert words in plain(answer.text), words
