"""The pages of the exchanges: what each sees, the acts by hand, and what is refused to whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from flask import g
from sqlalchemy import select, text, update

from app.accounts.seeds import ORGANISATION_A, ORGANISATION_B
from app.actions.domain import MissingKind
from app.core import clock
from app.core.extensions import db
from app.core.outbox import publish
from app.core.outbox.models import ErrorKind, MessageState, OutboxIntervention, OutboxMessage, OutboxPartner
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.exchanges import services
from app.exchanges.domain import Show
from app.exchanges.models import PartnerCode
from app.exchanges.queries import ExchangeFilter
from app.exchanges.services import Selection
from app.trainees.domain import AgoraState, IdentityState
from app.trainees.models import Enrolment, IdentityRequest
from app.trainees.queries import entry_facts
from app.trainees.services import identity
from tests.accounts.helpers import narrow, post
from tests.actions.helpers import make_action, make_enrolment, make_nir, organisation, statements

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

AsUser = Callable[[str], "FlaskClient"]

BIRTH_DATE = [{"field": "/titulaire/dateNaissance", "message": "La date ne va pas", "code": "DATE_INCOHERENTE", "path": "holder.birth_date"}]


def refused(
    enrolment_id: int, *, code: str = "DONNEES_INVALIDES", kind: ErrorKind = ErrorKind.REJECTED, state: MessageState = MessageState.REJECTED, details: Any = None
) -> int:
    """As after AGORA's refusal; returns the exchange."""
    message_id = db.session.scalars(select(OutboxMessage.id).where(OutboxMessage.subject_type == "enrolment", OutboxMessage.subject_id == enrolment_id)).one()
    values = {"state": state, "error_kind": kind, "last_error_code": code, "last_error_title": "Refus", "last_error_details": details, "attempts": 1}
    db.session.execute(update(OutboxMessage).where(OutboxMessage.id == message_id).values(values))
    db.session.execute(
        update(Enrolment).where(Enrolment.id == enrolment_id).values(agora_state="rejected", agora_refusal={"operation": "create_file", "code": code})
    )
    db.session.flush()
    db.session.expire_all()
    return message_id


@pytest.fixture
def exchange(db_session: Session) -> int:
    return refused(make_enrolment(make_action(), name="REFUSÉ"), details=BIRTH_DATE)


def state_of(message_id: int) -> MessageState:
    with bound_scope(Scope.system()):
        return db.session.scalars(select(OutboxMessage.state).where(OutboxMessage.id == message_id)).one()


def acts(message_id: int | None) -> list[Any]:
    with bound_scope(Scope.system()):
        same = OutboxIntervention.message_id == message_id if message_id else OutboxIntervention.message_id.is_(None)
        return list(db.session.execute(select(OutboxIntervention.kind, OutboxIntervention.reason, OutboxIntervention.actor_id).where(same)))


# ---- what is shown -----------------------------------------------------------------------------------------------------


def test_the_organisation_sees_cause_remedy_and_the_way_to_the_field(as_user: AsUser, exchange: int) -> None:
    page = as_user("principal").get("/echanges/a-suivre").text
    for words in ("REFUSÉ", "AGORA refuse une ou plusieurs données du dossier", "Corriger : date de naissance", "La date ne va pas", "Envoyer à nouveau"):
        assert words in page, words
    one = as_user("principal").get(f"/echanges/{exchange}").text
    assert "DONNEES_INVALIDES" in one and "Qui peut agir : L’organisme de formation" in one
    assert "Déclarer réglé" not in one


def test_the_region_sees_all_and_can_act(as_user: AsUser, exchange: int) -> None:
    page = as_user("admin").get("/echanges/?nature=functional").text
    assert "REFUSÉ" in page and f"/echanges/{exchange}" in page and "ORGANISME DE FORMATION GARONNE" in page
    one = as_user("admin").get(f"/echanges/{exchange}").text
    assert "Déclarer réglé" in one and "Clé d’idempotence" in one
    read_only = as_user("region").get(f"/echanges/{exchange}").text
    assert "REFUSÉ" in read_only


def test_technical_and_functional_failures_are_apart(as_user: AsUser, db_session: Session) -> None:
    action = make_action()
    functional = refused(make_enrolment(action, name="FONCTIONNEL"))
    technical = refused(make_enrolment(action, name="TECHNIQUE"), code="network", kind=ErrorKind.UNAVAILABLE, state=MessageState.PENDING)
    signature = refused(make_enrolment(action, name="SIGNATURE"), code="VECTEUR_INVALIDE")
    browser = as_user("admin")
    for nature, shown, hidden in (("functional", [functional], [technical, signature]), ("technical", [technical, signature], [functional])):
        page = browser.get(f"/echanges/?nature={nature}").text
        assert all(f"/echanges/{one}" in page for one in shown)
        assert not any(f'/echanges/{one}"' in page for one in hidden)


@pytest.mark.parametrize("by", ["name", "action", "number", "siret", "exchange"])
def test_search(as_user: AsUser, db_session: Session, by: str) -> None:
    action, other = make_action(siret=ORGANISATION_B), make_action()
    enrolment_id = make_enrolment(action, name="CHERCHÉE")
    hidden = refused(make_enrolment(other, name="AUTRE"))
    wanted = refused(enrolment_id)
    db.session.execute(update(Enrolment).where(Enrolment.id == enrolment_id).values(agora_number="9988776655"))
    typed = {"name": "cherchee", "action": action.number, "number": "9988776655", "siret": organisation(ORGANISATION_B).siret, "exchange": str(wanted)}[by]
    page = as_user("admin").get("/echanges/", query_string={"texte": typed}).text
    assert f'/echanges/{wanted}"' in page
    assert f'/echanges/{hidden}"' not in page


def test_an_unknown_code_says_so_and_whom_to_write_to(as_user: AsUser, db_session: Session) -> None:
    message_id = refused(make_enrolment(make_action()), code="NOUVEAU_CODE")
    page = as_user("principal").get(f"/echanges/{message_id}").text
    assert "NOUVEAU_CODE" in page and "n’est pas au catalogue" in page and "Écrivez à" in page


def test_tries_in_order_of_time(as_user: AsUser, db_session: Session, exchange: int) -> None:
    for minute, code in ((1, "network"), (2, "no_answer")):
        db_session.execute(
            text(
                "INSERT INTO outbox_attempt (organisation_id, message_id, at, state, error_kind, code, title) "
                "SELECT organisation_id, id, created_at + make_interval(mins => :minute), 'pending', 'unavailable', :code, 'x' FROM outbox_message WHERE id = :id"
            ),
            {"minute": minute, "code": code, "id": exchange},
        )
    page = as_user("principal").get(f"/echanges/{exchange}").text
    first, second = page.index("n’a pas pu être joint"), page.index("n’a pas répondu à temps")
    assert page.index("Demandé") < first < second


def test_a_page_costs_the_same_whatever_it_shows(as_user: AsUser, db_session: Session) -> None:
    action = make_action()
    browser, own = as_user("admin"), as_user("principal")
    counts = []
    for _ in range(2):
        for _each in range(6):
            refused(make_enrolment(action, nir=make_nir()), details=BIRTH_DATE)
        with statements() as sent:
            assert browser.get("/echanges/?nature=functional").status_code == 200
        with statements() as sent_own:
            assert own.get("/echanges/a-suivre").status_code == 200
        counts.append((len(sent), len(sent_own)))
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 14


# ---- isolation ---------------------------------------------------------------------------------------------------------


def test_another_organisation_s_exchange_does_not_exist(as_user: AsUser, exchange: int) -> None:
    other = as_user("autre-of")
    assert other.get(f"/echanges/{exchange}").status_code == 404
    assert post(other, f"/echanges/{exchange}/envoi").status_code == 404
    assert "REFUSÉ" not in other.get("/echanges/a-suivre").text
    assert state_of(exchange) is MessageState.REJECTED


def test_a_limited_account_sees_its_actions_only(as_user: AsUser, db_session: Session, exchange: int) -> None:
    given = make_action()
    seen = refused(make_enrolment(given, name="DONNÉE"))
    db_session.execute(text("UPDATE ab_user SET limited_to_actions = true WHERE username = 'secondaire'"))
    db_session.execute(
        text("INSERT INTO action_access (organisation_id, user_id, action_id) SELECT organisation_id, id, :action FROM ab_user WHERE username = 'secondaire'"),
        {"action": given.id},
    )
    browser = as_user("secondaire")
    page = browser.get("/echanges/a-suivre").text
    assert "DONNÉE" in page and "REFUSÉ" not in page
    assert browser.get(f"/echanges/{seen}").status_code == 200
    assert browser.get(f"/echanges/{exchange}").status_code == 404
    assert post(browser, f"/echanges/{exchange}/envoi").status_code == 404


@pytest.mark.parametrize("account", ["principal", "region", "support"])
def test_acts_are_refused_to_who_may_not(as_user: AsUser, exchange: int, account: str) -> None:
    browser = as_user(account)
    for path in (f"/echanges/{exchange}/reglement", "/echanges/renvoi", "/echanges/partenaire/agora/arret", "/echanges/partenaire/agora/reprise",
                 "/echanges/partenaire/agora/debit", "/rapprochement/lancement"):  # fmt: skip
        assert post(browser, path, {"reason": "x", "choix": str(exchange)}).status_code in (403, 404), path
    assert state_of(exchange) is MessageState.REJECTED


# ---- acts --------------------------------------------------------------------------------------------------------------


def test_the_organisation_sends_its_own_again(as_user: AsUser, exchange: int) -> None:
    post(as_user("principal"), f"/echanges/{exchange}/envoi")
    assert state_of(exchange) is MessageState.PENDING
    [(kind, reason, actor)] = acts(exchange)
    assert (kind.value, reason) == ("replay", "renvoyé par l’organisme") and actor is not None
    with bound_scope(Scope.system()):
        enrolment_id = db.session.scalars(select(OutboxMessage.subject_id).where(OutboxMessage.id == exchange)).one()
        assert db.session.get_one(Enrolment, enrolment_id, populate_existing=True).agora_state == AgoraState.WAITING


def test_what_was_given_up_is_not_the_organisation_s_to_send(as_user: AsUser, db_session: Session) -> None:
    message_id = refused(make_enrolment(make_action()), code="worker_lost", kind=ErrorKind.FAULT, state=MessageState.DEAD)
    post(as_user("principal"), f"/echanges/{message_id}/envoi")
    assert state_of(message_id) is MessageState.DEAD


def test_a_selection_is_confirmed_then_sent_again(as_user: AsUser, db_session: Session) -> None:
    action = make_action()
    ids = [refused(make_enrolment(action, nir=make_nir())) for _ in range(3)]
    done = refused(make_enrolment(action, nir=make_nir()), code="nothing_to_send")
    browser = as_user("admin")
    page = browser.get("/echanges/renvoi", query_string={"choix": [*ids[:2], done]}).text
    assert "Renvoyer 2 échanges ?" in page and "1 de ceux choisis est laissé de côté" in page
    answer = post(browser, "/echanges/renvoi", {"choix": [str(one) for one in [*ids[:2], done]], "jusqua": str(max(ids)), "reason": "règle levée"})
    assert answer.status_code == 302
    assert [state_of(one).value for one in [*ids, done]] == ["pending", "pending", "rejected", "rejected"]
    assert [act.reason for one in ids[:2] for act in acts(one)] == ["règle levée", "règle levée"]


def test_all_that_the_filter_keeps_and_nothing_later(as_user: AsUser, db_session: Session) -> None:
    action = make_action()
    ids = [refused(make_enrolment(action, nir=make_nir()), code="TROP_LONG") for _ in range(3)]
    other = refused(make_enrolment(action, nir=make_nir()), code="VOLUME_NUL")
    browser = as_user("admin")
    assert "Renvoyer 3 échanges ?" in browser.get("/echanges/renvoi?tout=1&code=TROP_LONG").text
    later = refused(make_enrolment(action, nir=make_nir()), code="TROP_LONG")
    post(browser, "/echanges/renvoi", {"tout": "1", "code": "TROP_LONG", "jusqua": str(max(ids))})
    assert [state_of(one).value for one in [*ids, other, later]] == ["pending"] * 3 + ["rejected"] * 2


def test_no_more_than_one_act_takes(db_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.core.outbox import console

    action = make_action()
    for _ in range(4):
        refused(make_enrolment(action, nir=make_nir()), code="TROP_LONG")
    monkeypatch.setattr(console, "MOST_AT_ONCE", 3)
    chosen = Selection(narrowed=ExchangeFilter(code="TROP_LONG", show=Show.TO_MEND))
    extent = services.extent(chosen)
    assert (extent.can, extent.capped) == (3, True)
    assert services.replay(chosen) == 3
    assert services.replay(chosen) == 1


def test_settling_needs_a_reason_and_frees_what_waits(as_user: AsUser, exchange: int) -> None:
    browser = as_user("admin")
    assert post(browser, f"/echanges/{exchange}/reglement", {"reason": "  "}).status_code == 422
    assert post(browser, f"/echanges/{exchange}/reglement", {"reason": "saisi à la main"}).status_code == 302
    assert state_of(exchange) is MessageState.CANCELLED
    assert [act.reason for act in acts(exchange)] == ["saisi à la main"]
    assert "Réglé, non envoyé" in browser.get(f"/echanges/{exchange}").text


def test_stop_resume_and_rate(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("admin")
    assert post(browser, "/echanges/partenaire/agora/arret", {"reason": ""}).status_code == 422
    post(browser, "/echanges/partenaire/agora/arret", {"reason": "changement de certificat"})
    assert "Arrêtés par la Région : changement de certificat" in browser.get("/echanges/etat").text
    post(browser, "/echanges/partenaire/agora/reprise")
    assert post(browser, "/echanges/partenaire/agora/debit", {"rate": "0", "reason": "x"}).status_code == 422
    post(browser, "/echanges/partenaire/agora/debit", {"rate": "60", "reason": "nuit de paie"})
    panel = browser.get("/echanges/etat").text
    assert "Au plus 60 par minute" in panel
    assert "nuit de paie" in browser.get("/supervision/interventions/list/").text
    with bound_scope(Scope.system()):
        row = db.session.execute(select(OutboxPartner.paused, OutboxPartner.rate_per_minute).where(OutboxPartner.name == "agora")).one()
    assert tuple(row) == (False, 60)
    assert [act.kind.value for act in acts(None)] == ["pause", "resume", "throttle"]
    assert post(browser, "/echanges/partenaire/inconnu/arret", {"reason": "x"}).status_code == 404


def test_the_panel_and_metrics_say_the_same(as_user: AsUser, client: FlaskClient, exchange: int) -> None:
    panel = as_user("admin").get("/echanges/etat").text
    assert "Refusés, à corriger" in panel and "hx-get" in panel
    said = client.get("/metrics", environ_base={"REMOTE_ADDR": "127.0.0.1"}).text
    for name in ("portal_outbox_per_minute", "portal_outbox_lag_seconds_95", "portal_outbox_rate_limit", "portal_reconciliation_age_seconds"):
        assert name in said


# ---- what follows from an act ------------------------------------------------------------------------------------------


def refused_exit(action: Any, *, number: str | None = "9988776600") -> tuple[int, int]:
    """Somebody whose file AGORA has, and whose exit it refused; returns the enrolment and the exchange."""
    enrolment_id = make_enrolment(action, nir=make_nir())
    message_id = refused(enrolment_id, code="DATE_INCOHERENTE")
    db.session.execute(update(Enrolment).where(Enrolment.id == enrolment_id).values(agora_number=number))
    db.session.execute(update(OutboxMessage).where(OutboxMessage.id == message_id).values(operation="exit_file"))
    return enrolment_id, message_id


def stands(enrolment_id: int) -> tuple[str, Any]:
    with bound_scope(Scope.system()):
        row = db.session.execute(select(Enrolment.agora_state, Enrolment.agora_refusal).where(Enrolment.id == enrolment_id)).one()
    return row.agora_state, row.agora_refusal


@pytest.mark.parametrize("screen", ["/echanges/{}/reglement", "/supervision/messages/settle/{}"])
def test_once_settled_the_enrolment_is_no_longer_to_be_mended(as_user: AsUser, db_session: Session, screen: str) -> None:
    """Else the action could never be declared finished."""
    action = make_action()
    enrolment_id, message_id = refused_exit(action)
    assert MissingKind.AGORA_REFUSED in missing_of(action)
    assert post(as_user("admin"), screen.format(message_id), {"reason": "vu avec AGORA"}).status_code == 302
    assert state_of(message_id) is MessageState.CANCELLED
    assert stands(enrolment_id) == (AgoraState.REGISTERED, None)
    assert MissingKind.AGORA_REFUSED not in missing_of(action)


@pytest.mark.parametrize("screen", ["/echanges/{}/reglement", "/supervision/messages/settle/{}", "/echanges/partenaire/agora/debit", "/echanges/partenaire/agora/arret"])
def test_a_reason_holds_no_number_of_a_person(as_user: AsUser, exchange: int, screen: str) -> None:
    browser, address = as_user("admin"), screen.format(exchange)
    refused = post(browser, address, {"reason": "vu avec AGORA, NIR 1620713155089 82", "rate": "60"})
    assert refused.status_code == 422
    assert "N’écrivez pas de numéro de personne ici" in refused.text and 'id="reason-error"' in refused.text
    assert state_of(exchange) is not MessageState.CANCELLED
    assert "1620713155089" not in browser.get(f"/echanges/{exchange}").text


def test_a_settled_creation_still_waits_for_its_number(as_user: AsUser, exchange: int) -> None:
    with bound_scope(Scope.system()):
        enrolment_id = db.session.scalars(select(OutboxMessage.subject_id).where(OutboxMessage.id == exchange)).one()
    post(as_user("admin"), f"/echanges/{exchange}/reglement", {"reason": "créé à la main"})
    assert stands(enrolment_id) == (AgoraState.WAITING, None)


def test_what_is_settled_ahead_of_another_refusal_changes_nothing(db_session: Session) -> None:
    enrolment_id, message_id = refused_exit(make_action())
    with transaction():
        again = publish(
            partner="agora", operation="close_file", subject_type="enrolment", subject_id=enrolment_id, ordering_key=f"enrolment:{enrolment_id}",
            organisation_id=organisation().id,
        )  # fmt: skip
    db.session.execute(update(OutboxMessage).where(OutboxMessage.id == again).values(state=MessageState.REJECTED, last_error_code="X"))
    assert services.settle(message_id, reason="vu avec AGORA")
    assert stands(enrolment_id)[0] == AgoraState.REJECTED
    assert services.settle(again, reason="vu avec AGORA")
    assert stands(enrolment_id) == (AgoraState.REGISTERED, None)


def test_sent_again_from_supervision_the_enrolment_awaits_its_answer(as_user: AsUser, db_session: Session) -> None:
    enrolment_id, message_id = refused_exit(make_action())
    post(as_user("admin"), f"/supervision/messages/action/replay/{message_id}", {"confirmed": "1"})
    assert (state_of(message_id), stands(enrolment_id)) == (MessageState.PENDING, (AgoraState.WAITING, None))


def missing_of(action: Any) -> set[MissingKind]:
    with bound_scope(Scope.system()):
        return {one.kind for one in entry_facts(action.id, clock.today()).missing}


def test_a_stop_and_a_replay_say_what_becomes_of_what(as_user: AsUser, exchange: int) -> None:
    browser = as_user("admin")
    question = f"/echanges/renvoi?choix={exchange}"
    assert "attend la reprise" not in browser.get(question).text
    assert "dans l’ordre de chaque dossier" in browser.get("/echanges/partenaire/agora/arret").text
    assert "a arrêté les envois" not in as_user("principal").get("/echanges/a-suivre").text
    post(browser, "/echanges/partenaire/agora/arret", {"reason": "maintenance"})
    assert "La Région a arrêté les envois vers AGORA" in as_user("principal").get("/echanges/a-suivre").text
    assert "Les comparaisons attendent aussi" in browser.get("/echanges/").text
    assert "attend la reprise" in browser.get(question).text


# ---- families of codes -------------------------------------------------------------------------------------------------


def test_an_http_status_without_entry_is_where_its_family_is(as_user: AsUser, db_session: Session) -> None:
    action = make_action()
    forbidden = refused(make_enrolment(action, nir=make_nir()), code="HTTP_403")
    own = refused(make_enrolment(action, nir=make_nir()), code="HTTP_418")
    db_session.add(PartnerCode(code="HTTP_418", nature="functional", actor="region", cause="Théière.", remedy="Attendre.", replay=False))
    db_session.flush()
    browser = as_user("admin")
    for nature, shown, hidden in (("technical", forbidden, own), ("functional", own, forbidden)):
        page = browser.get(f"/echanges/?nature={nature}").text
        assert f'/echanges/{shown}"' in page and f'/echanges/{hidden}"' not in page
    db_session.execute(update(PartnerCode).where(PartnerCode.code == "HTTP_4XX").values(replay=False))
    g.pop("partner_catalogue", None)
    assert services.replay(Selection(ids=(forbidden, own))) == 0
    db_session.execute(update(PartnerCode).where(PartnerCode.code == "HTTP_418").values(replay=True))
    g.pop("partner_catalogue", None)
    assert services.replay(Selection(ids=(forbidden, own))) == 1


# ---- searching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("account", "shown_at"), [("admin", "/echanges/"), ("principal", "/echanges/a-suivre")])
def test_the_search_is_posted_and_a_number_of_a_person_stands_in_no_address(
    as_user: AsUser, exchange: int, account: str, shown_at: str
) -> None:
    browser, nir = as_user(account), make_nir()
    found = narrow(browser, shown_at, {"texte": "refuse", "etat": "a-corriger"})
    assert found.status_code == 303 and found.location.startswith(f"{shown_at}?") and "texte=refuse" in found.location
    assert f"/echanges/{exchange}" in browser.get(found.location).text
    for said in (narrow(browser, shown_at, {"texte": nir.grouped}), browser.get(shown_at, query_string={"texte": nir.number})):
        assert said.status_code == 303
        assert nir.number[1:7] not in said.location.replace("+", "").replace("%20", "") and said.location.startswith("/stagiaires/")


def test_the_rate_is_read_in_one_statement(as_user: AsUser, db_session: Session) -> None:
    browser = as_user("admin")
    post(browser, "/echanges/partenaire/agora/debit", {"rate": "60", "reason": "nuit de paie"})
    with statements() as sent:
        page = browser.get("/echanges/partenaire/agora/debit").text
    assert 'value="60"' in page
    assert not any("outbox_message" in statement for statement in sent)


# ---- what left, and what came back ----------------------------------------------------------------------------------------


def attempt(message_id: int, *, minute: int, state: str = "rejected", kind: str = "rejected", code: str = "DONNEES_INVALIDES") -> None:
    db.session.execute(
        text(
            "INSERT INTO outbox_attempt (organisation_id, message_id, at, state, error_kind, code, title) "
            "SELECT organisation_id, id, created_at + make_interval(mins => :minute), :state, :kind, :code, 'x' FROM outbox_message WHERE id = :id"
        ),
        {"minute": minute, "id": message_id, "state": state, "kind": kind, "code": code},
    )


def test_the_tries_before_a_sending_again_still_count(as_user: AsUser, exchange: int) -> None:
    attempt(exchange, minute=1)
    attempt(exchange, minute=2)
    page = " ".join(as_user("principal").get(f"/echanges/{exchange}").text.replace("\u00a0", " ").split())
    assert "2, dont 1 depuis le dernier renvoi à la main" in page
    region = " ".join(as_user("admin").get(f"/echanges/{exchange}").text.replace("\u00a0", " ").split())
    assert "2, dont 1 depuis le dernier renvoi à la main" in region


@pytest.mark.parametrize(
    ("kind", "code", "answer", "said"),
    [
        ("rejected", "DONNEES_INVALIDES", None, "Refus. AGORA refuse une ou plusieurs données du dossier, nommées ci-dessous. (code DONNEES_INVALIDES)"),
        ("rejected", "NUMERO_DEJA_PORTE", {"number": "55667788", "status": "entered"}, "Dossier 55667788, « Entrée en formation » – non retenu. AGORA a répondu un numéro"),
        ("unavailable", "no_answer", None, "Pas de réponse utilisable. AGORA n’a pas répondu à temps. (code no_answer)"),
    ],
)  # fmt: skip
def test_the_answer_of_what_did_not_go_through_is_said(as_user: AsUser, exchange: int, kind: str, code: str, answer: Any, said: str) -> None:
    values = {"error_kind": ErrorKind(kind), "last_error_code": code, "answer": answer}
    db.session.execute(update(OutboxMessage).where(OutboxMessage.id == exchange).values(values))
    db.session.flush()
    page = " ".join(as_user("principal").get(f"/echanges/{exchange}").text.replace("\u00a0", " ").replace("\u202f", " ").split())
    assert said in page


def test_one_sentence_for_a_rate_that_is_no_number(as_user: AsUser, db_session: Session) -> None:
    page = post(as_user("admin"), "/echanges/partenaire/agora/debit", {"rate": "abc", "reason": "nuit"})
    assert page.status_code == 422
    assert 'value="abc"' in page.text
    assert page.text.count("Saisissez un nombre entier de 1 à") == 1, "one sentence"
    assert "n’est pas un entier valide" not in page.text and "n'est pas un entier valide" not in page.text


def test_the_region_s_affairs_are_listed_apart_from_what_the_organisation_mends(as_user: AsUser, exchange: int) -> None:
    foreign = refused(make_enrolment(make_action(), name="INCONNU"), code="DOSSIER_INCONNU")
    given_up = refused(make_enrolment(make_action(), name="ABANDONNE"), state=MessageState.DEAD)
    browser = as_user("principal")
    mine, others = browser.get("/echanges/a-suivre").text, browser.get("/echanges/a-suivre?etat=ailleurs").text
    assert f'/echanges/{exchange}"' in mine and f'/echanges/{exchange}"' not in others
    for one in (foreign, given_up):
        assert f'/echanges/{one}"' not in mine and f'/echanges/{one}"' in others
    assert "Qui peut agir : La Région" in others and f"/echanges/{foreign}/envoi" not in others
    assert "Envoyer à nouveau" not in browser.get(f"/echanges/{foreign}").text
    post(browser, f"/echanges/{foreign}/envoi")
    assert state_of(foreign) is MessageState.REJECTED, "asking for it by hand sends nothing either"


def test_searches_of_identities_are_shown_without_anybody(as_user: AsUser, db_session: Session) -> None:
    actions = {siret: make_action(siret=siret) for siret in (ORGANISATION_A, ORGANISATION_B)}
    nir = make_nir()
    for action in actions.values():
        uid = identity.start_search(organisation_id=action.organisation_id, action_id=action.id, nir=nir, birth_name="CHERCHÉ", actor_id=None)
        request_id = db_session.scalars(select(IdentityRequest.id).where(IdentityRequest.seal_uid == uid)).one()
        identity.store_answer(request_id, IdentityState.UNKNOWN)
    outside = actions[ORGANISATION_A]
    identity.start_search(organisation_id=outside.organisation_id, action_id=outside.id, nir=make_nir(), birth_name="HORS", actor_id=None, ask=False)
    pages = {account: as_user(account).get("/echanges/identites/").text for account in ("admin", "principal", "autre-of")}
    own, other = (actions[siret].number for siret in (ORGANISATION_A, ORGANISATION_B))
    assert own in pages["admin"] and other in pages["admin"] and "Inconnu d’AGORA" in pages["admin"]
    assert own in pages["principal"] and other not in pages["principal"]
    assert other in pages["autre-of"] and own not in pages["autre-of"]
    for page in pages.values():
        assert "CHERCHÉ" not in page and nir.number not in page and nir.masked not in page
    assert pages["principal"].count(own) == 1, "what was never asked of AGORA is no exchange"
    assert "/echanges/identites/" in as_user("principal").get("/echanges/a-suivre").text
    assert "/echanges/identites/" in as_user("admin").get("/echanges/").text
