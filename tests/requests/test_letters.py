"""The letter of a request is asked for where one looks, and a validation without it is knowing and kept (guide 003 §2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.core.extensions import db
from app.requests import batch, queries, services, signing
from app.requests.batch import Fate, Item
from app.requests.documents import Incoming
from app.requests.domain import LetterFilter, ObstacleCode, RequestEvent, RequestState
from app.requests.models import ModificationRequest, ModificationRequestEvent
from tests.accounts.helpers import post
from tests.actions.helpers import statements
from tests.requests.helpers import ask, decision, later_end, open_action, reread
from tests.requests.test_files import PDF
from tests.requests.test_screens import follow_up, hidden, plain, sent

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

GUIDE = "Pour que votre demande soit traitée par la Région, vous devez émettre un courrier validé par une personne habilitée à destination de la Région."
AWAITED = "Courrier attendu"


def show(request_id: int) -> str:
    return f"/demandes-de-modification/{request_id}"


def confirm(request_id: int) -> None:
    signing.confirm(request_id, version=reread(request_id).version)


def attach(request_id: int) -> None:
    signing.attach_letter(request_id, Incoming("courrier.pdf", PDF), version=reread(request_id).version)


def test_whoever_sends_lands_on_the_next_step(as_user: AsUser) -> None:
    """Signing first for who is entitled, the paper for the others; before anything else of the request."""
    action = open_action()
    browser = as_user("principal")
    found = sent(browser, action)
    page = browser.get(show(found.id)).text
    said = plain(page)
    assert "« En attente de validation »" in said
    assert said.index(GUIDE) < said.index("N° Action") < said.index("MODIFICATIONS")
    assert said.index("Confirmer le courrier à l’écran") < said.index("Télécharger le courrier (PDF)") < said.index("Joindre le courrier signé")
    other = plain(as_user("secondaire").get(show(found.id)).text)
    assert GUIDE in other and "Télécharger le courrier (PDF)" in other
    assert "Confirmer le courrier à l’écran" not in other
    assert GUIDE not in plain(as_user("region").get(show(found.id)).text)  # it is not the Région's letter
    confirm(found.id)
    assert GUIDE not in plain(browser.get(show(found.id)).text)


@pytest.mark.parametrize("given", [confirm, attach])
def test_the_mark_goes_once_the_letter_is_there(as_user: AsUser, given: Callable[[int], None]) -> None:
    """In the follow-up, on the home page, in the queue and its filter, in the batch; back after a correction, gone once decided."""
    action = open_action()
    request_id = ask(action)
    principal, region = as_user("principal"), as_user("region")
    pages = {
        "follow-up": lambda: principal.get(follow_up(action.id)).text.partition("<tbody")[2],
        "home": lambda: principal.get("/").text.partition('id="courriers"')[2].partition("</section")[0].partition(action.number)[2].partition("</li")[0],
        "queue": lambda: region.get(f"/demandes-de-modification/?texte={action.number}").text.partition("<tbody")[2],
        "batch": lambda: region.get(f"/demandes-de-modification/lot/?choix={request_id}").text.partition("<main")[2],
    }

    def marked() -> dict[str, bool]:
        return {name: AWAITED in page() for name, page in pages.items()}

    def filtered(choice: str) -> bool:
        return action.number in region.get(f"/demandes-de-modification/?texte={action.number}&courrier={choice}").text.partition("<tbody")[2]

    assert all(marked().values()), marked()
    assert filtered("attendu") and not filtered("recu")
    given(request_id)
    assert not any(marked().values()), marked()
    assert filtered("recu") and not filtered("attendu")
    services.decide(request_id, decision(RequestEvent.ASK_CORRECTION, request_id, observations="Précisez."))
    assert not queries.without_letter({request_id})  # nobody waits for it
    services.send_again(request_id, services.Asked(later_end(action, 40), "Autre."), version=reread(request_id).version)
    assert all(marked().values()), marked()
    services.decide(request_id, decision(RequestEvent.VALIDATE, request_id))
    assert not queries.without_letter({request_id})


def test_sent_again_unchanged_the_letter_stands(db_session: Session) -> None:
    action = open_action()
    request_id = ask(action)
    confirm(request_id)
    services.decide(request_id, decision(RequestEvent.ASK_CORRECTION, request_id, observations="Précisez."))
    asked = reread(request_id)
    services.send_again(request_id, services.Asked({one.key: one.after for one in asked.asked}, asked.motivation), version=asked.version)
    assert not queries.without_letter({request_id})


def test_without_letter_a_validation_is_knowing_and_kept(as_user: AsUser) -> None:
    """The tick says what is missing; the history of the request and of the action keep it."""
    action = open_action()
    request_id = ask(action)
    browser = as_user("region")
    page = browser.get(show(request_id)).text
    assert "J’ai vu que cette demande est sans courrier" in plain(page)
    form = {"decision": "validate", "version": hidden(page, "version"), "moved": hidden(page, "moved"), "observations": "Vu au téléphone."}
    refused = post(browser, f"{show(request_id)}/decision", form)
    assert refused.status_code == 422
    beside = plain("<main>" + refused.text.partition('id="without_letter-error"')[2].partition("</p>")[0] + "</main>")
    assert "n’a ni courrier signé ni confirmation à l’écran" in beside
    assert "Vu au téléphone." in refused.text
    assert reread(request_id).state == RequestState.PENDING
    assert post(browser, f"{show(request_id)}/decision", form | {"without_letter": "y"}).status_code == 302
    for address in (show(request_id), f"/actions-de-formation/{action.id}/historique"):
        assert "Validée sans courrier" in plain(as_user("principal").get(address).text)


def test_a_request_decided_without_letter_has_none(as_user: AsUser) -> None:
    """Among all requests, « Courrier reçu » shows those that have one."""
    action = open_action()
    request_id = ask(action)
    region = as_user("region")

    def received() -> bool:
        address = f"/demandes-de-modification/?texte={action.number}&etat=all&courrier=recu"
        return action.number in region.get(address).text.partition("<tbody")[2]

    assert action.number in region.get(f"/demandes-de-modification/?texte={action.number}&etat=all").text.partition("<tbody")[2]
    services.decide(request_id, decision(RequestEvent.VALIDATE, request_id, without_letter=True))
    assert not received()


def test_with_its_letter_nothing_is_ticked_nor_told(as_user: AsUser) -> None:
    request_id = ask(open_action())
    confirm(request_id)
    browser = as_user("region")
    page = browser.get(show(request_id)).text
    assert 'name="without_letter"' not in page
    form = {"decision": "validate", "version": hidden(page, "version"), "moved": hidden(page, "moved"), "without_letter": "y"}
    assert post(browser, f"{show(request_id)}/decision", form).status_code == 302
    assert "Validée sans courrier" not in plain(browser.get(show(request_id)).text)


def test_in_a_batch_each_line_is_ticked_for_itself(as_user: AsUser) -> None:
    actions = [open_action() for _number in range(3)]
    ids = [ask(action) for action in actions]
    confirm(ids[2])
    browser = as_user("region")
    address = "/demandes-de-modification/lot/"
    form: dict[str, object] = {"choix": [str(one) for one in ids], "decision": "validate", f"sans-courrier-{ids[1]}": "y"}
    form |= {f"version-{one}": str(reread(one).version) for one in ids}
    page = browser.get(address, query_string={"choix": ids}).text
    assert page.count('name="sans-courrier-') == 2
    done = plain(post(browser, address, form).text)
    assert [reread(one).state for one in ids] == ["pending", "validated", "validated"]
    assert "n’a ni courrier signé ni confirmation à l’écran" in done
    assert batch.decide_all([Item(ids[0], reread(ids[0]).version, without_letter=True)], RequestEvent.VALIDATE, "")[0].fate is Fate.DONE


def test_only_a_validation_may_say_that_it_had_no_letter(db_session: Session) -> None:
    request_id = ask(open_action())
    with pytest.raises(services.Blocked) as blocked:
        services.decide(request_id, decision(RequestEvent.VALIDATE, request_id, without_letter=False))
    assert [one.code for one in blocked.value.obstacles] == [ObstacleCode.LETTER]
    services.decide(request_id, decision(RequestEvent.REFUSE, request_id, observations="Non."))
    step = db.session.scalars(select(ModificationRequestEvent).where(ModificationRequestEvent.request_id == request_id, ModificationRequestEvent.event == "refuse")).one()
    assert not step.without_letter
    step.without_letter = True
    with pytest.raises(IntegrityError):
        db.session.flush()


def test_the_filter_asks_once(db_session: Session) -> None:
    from app.core import clock
    from app.requests.queries import QueueFilter

    for _number in range(3):
        ask(open_action())
    with statements() as asked:
        page = queries.queue(QueueFilter(letter=LetterFilter.AWAITED), now=clock.now(), cursor=None, size=25)
    assert len(asked) == 2
    assert all(isinstance(row, ModificationRequest) for row in page.rows) and len(page.rows) >= 3
