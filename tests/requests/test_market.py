"""Market rules against the real database: recorded at once, impossible, drafts, publication, trial, and their screens."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.accounts.seeds import ORGANISATION_A
from app.actions.models import Action
from app.core.errors_db import translate
from app.core.extensions import db
from app.core.mail.models import MailMessage
from app.core.mail.services import content_of
from app.core.tenancy import Scope, bound_scope
from app.core.transaction import transaction
from app.reference.models import Programme
from app.requests import market_rules, market_trial, services
from app.requests.domain import Field, Key, ObstacleCode, ProblemCode, RequestEvent, RequestKind, RequestState, Target
from app.requests.domain.market import Outcome
from app.requests.market_models import MarketRule, MarketRuleVersion
from app.requests.models import ModificationRequest
from tests.accounts.helpers import post
from tests.actions.helpers import organisation, statements
from tests.requests.helpers import END, account, ask, components, day, decision, later_end, open_action, reread
from tests.requests.test_screens import fr, hidden, plain, sent, wizard
from tests.requests.test_services import steps

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]


def in_force(*rules: dict[str, Any], **delays: int) -> MarketRuleVersion:
    """These rules, published over whatever there was."""
    with transaction() as session:
        made = market_rules.get_version(market_rules.begin_draft())
        assert made is not None
        made.rules.clear()
        session.flush()
        for position, values in enumerate(rules, start=1):
            made.rules.append(MarketRule(position=position, **({"outcome": "instruct"} | values)))
        for name, value in delays.items():
            setattr(made, name, value)
        session.flush()
        market_rules.publish(made.id, shown=market_rules.fingerprint(made))
        return made


def mails(template: str) -> list[tuple[str, str]]:
    """(recipient, text) of the messages written."""
    rows = db.session.scalars(select(MailMessage).where(MailMessage.template == template).order_by(MailMessage.recipient))
    return [(row.recipient, content.text) for row in rows if (content := content_of(row)) is not None]


SHORT: dict[str, Any] = {"kind": "dates", "days_at_most": 30, "outcome": "record", "reason": "Un mois au plus."}


# ---- what the rules do ------------------------------------------------------------------------------------------------


def test_the_first_version_keeps_what_was(db_session: Session) -> None:
    version = market_rules.version_in_force()
    assert version is not None
    assert (version.number, [rule.outcome for rule in version.rules]) == (1, ["instruct"])
    found = reread(ask(open_action()))
    assert (found.state, found.treatment, found.rule_version_id, found.rule_id) == ("pending", "instruct", version.id, version.rules[0].id)


def test_recorded_at_once_in_one_transaction_with_its_line_of_history(db_session: Session) -> None:
    version = in_force(SHORT)
    action = open_action()
    with bound_scope(Scope.system(), actor_id=account("principal")):
        request_id = ask(action)
    found = reread(request_id)
    assert (found.state, found.treatment, found.rule_version_id, found.rule_id) == ("validated", "record", version.id, version.rules[0].id)
    assert found.decided_at is not None
    assert db.session.scalars(select(Action.planned_end).where(Action.id == action.id)).one() == day(END + 30)
    assert components(action.id)[0].planned_end == day(END + 30)
    assert steps(request_id) == [("send", None, "pending"), ("record", "pending", "validated")]
    assert ask(action, later_end(db.session.get_one(Action, action.id), 60)) != request_id, "nothing is under way any more"


def test_one_day_more_is_instructed(db_session: Session) -> None:
    in_force(SHORT)
    action = open_action()
    found = reread(ask(action, later_end(action, 31)))
    assert (found.state, found.treatment, found.rule_id, found.rule_version_id is not None) == ("pending", "instruct", None, True)


def test_small_steps_are_judged_from_where_they_began(db_session: Session) -> None:
    """+20 days recorded, +20 more instructed; validated, it begins anew."""
    in_force(SHORT)
    action = open_action()
    end = Key(Target.ACTION, action.id, Field.PLANNED_END)
    assert reread(ask(action, {end: day(END + 20)})).treatment == "record"
    assert reread(ask(action, {end: day(END)})).treatment == "record", "back to where it began"
    assert reread(ask(action, {end: day(END + 20)})).treatment == "record"
    request_id = ask(action, {end: day(END + 40)})
    assert (reread(request_id).state, reread(request_id).treatment) == ("pending", "instruct")
    services.decide(request_id, decision(RequestEvent.VALIDATE, request_id))
    assert reread(ask(action, {end: day(END + 60)})).treatment == "record"
    assert reread(ask(action, {end: day(END + 71)})).treatment == "instruct"


def test_the_principal_is_told_of_what_another_account_had_recorded(db_session: Session) -> None:
    in_force(SHORT)
    db_session.execute(text("DELETE FROM mail_message"))
    with bound_scope(Scope.system(), actor_id=account("principal")):
        ask(open_action())
    assert mails("request_decided") == []
    action = open_action()
    with bound_scope(Scope.system(), actor_id=account("secondaire")):
        ask(action)
    ((to, words),) = mails("request_decided")
    assert "principal" in to
    assert "enregistrée aussitôt" in words
    assert action.number in words


def test_organisations_read_no_draft(db_session: Session) -> None:
    in_force(SHORT)
    draft = market_rules.begin_draft()
    db_session.commit()
    with bound_scope(Scope.organisation(organisation(ORGANISATION_A).id)):
        assert market_rules.version_in_force() is not None
        for table, column in (("market_rule_version", "id"), ("market_rule", "version_id")):
            assert db.session.scalar(text(f"SELECT count(*) FROM {table} WHERE {column} = {draft}")) == 0
            assert db.session.scalar(text(f"SELECT count(*) FROM {table}"))


@pytest.mark.parametrize("positions", [[1], [10], [1, 2], [5, 9_999], [9_998, 9_999]])
@pytest.mark.parametrize("catch_all", [True, False])
def test_a_new_rule_comes_before_the_one_that_names_everything(db_session: Session, positions: list[int], *, catch_all: bool) -> None:
    draft = market_rules.get_version(market_rules.begin_draft())
    assert draft is not None
    draft.rules.clear()
    db_session.flush()
    draft.rules.extend(MarketRule(position=one, kind="dates", outcome="instruct") for one in positions)
    if catch_all:
        draft.rules[-1].kind = None
    db_session.flush()
    old = [row.id for row in draft.rules]
    db_session.add(MarketRule(version_id=draft.id, position=market_rules.next_position(draft.id), kind="sites", outcome="record"))
    db_session.flush()
    order = list(db_session.scalars(select(MarketRule.id).where(MarketRule.version_id == draft.id).order_by(MarketRule.position, MarketRule.id)))
    new = next(one for one in order if one not in old)
    assert order == ([*old[:-1], new, old[-1]] if catch_all else [*old, new])


def test_the_database_holds_one_rule_for_an_order(db_session: Session) -> None:
    """Two editors at once: the one who comes second is told, in words. Within a transaction rules may change places."""
    draft = market_rules.get_version(market_rules.begin_draft())
    assert draft is not None
    draft.rules.clear()
    db_session.flush()
    first, second = (MarketRule(position=one, kind="dates", outcome="instruct") for one in (1, 2))
    draft.rules.extend((first, second))
    db_session.flush()
    first.position, second.position = 2, 1
    db_session.flush()
    db_session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    first.position = 1
    with pytest.raises(IntegrityError) as refused:
        db_session.flush()
    assert "une autre règle" in translate(refused.value)


def test_what_is_recorded_keeps_every_rule_of_its_kind(db_session: Session) -> None:
    in_force({"outcome": "record"})
    action = open_action(people=2)
    first = components(action.id)[0]
    with pytest.raises(services.Refused) as refused:
        ask(action, {Key(Target.COMPONENT, first.id, Field.PLANNED_END): day(END - 1)})
    assert [one.code for one in refused.value.problems] == [ProblemCode.TRAINEES_OUTSIDE]
    assert db.session.scalar(select(ModificationRequest.id).where(ModificationRequest.action_id == action.id)) is None


def test_impossible_says_why_at_its_field_and_leaves_nothing(db_session: Session) -> None:
    in_force({"kind": "dates", "field": "planned_end", "outcome": "forbid", "reason": "La fin est celle du marché."})
    action = open_action()
    with pytest.raises(services.Refused) as refused:
        ask(action)
    assert {one.code for one in refused.value.problems} == {ProblemCode.RULED_OUT}
    assert {one.params["reason"] for one in refused.value.problems} == {"La fin est celle du marché."}
    assert Key(Target.ACTION, action.id, Field.PLANNED_END) in {one.key for one in refused.value.problems}
    assert db.session.scalar(select(ModificationRequest.id).where(ModificationRequest.action_id == action.id)) is None


def test_rules_of_another_programme_say_nothing(db_session: Session) -> None:
    other = db.session.scalars(select(Programme.id).where(Programme.code != "QUALIFPRO")).first()
    in_force(SHORT | {"programme_id": other})
    assert reread(ask(open_action())).state == RequestState.PENDING


def test_a_correction_is_judged_by_the_rules_of_its_day(db_session: Session) -> None:
    action = open_action()
    request_id = ask(action, later_end(action, 90))
    services.decide(request_id, decision(RequestEvent.ASK_CORRECTION, request_id, observations="Un mois."))
    version = in_force(SHORT)
    services.send_again(request_id, services.Asked(later_end(action, 30), "Un mois."), version=reread(request_id).version)
    found = reread(request_id)
    assert (found.state, found.treatment, found.rule_version_id) == ("validated", "record", version.id)
    assert steps(request_id)[-2:] == [("send", "to_correct", "pending"), ("record", "pending", "validated")]


def test_an_amendment_that_is_needed_is_asked_for(db_session: Session) -> None:
    in_force({"needs_amendment": True})
    request_id = ask(open_action())
    with pytest.raises(services.Blocked) as blocked:
        services.decide(request_id, decision(RequestEvent.VALIDATE, request_id))
    assert [one.code for one in blocked.value.obstacles] == [ObstacleCode.AMENDMENT]
    services.decide(request_id, decision(RequestEvent.VALIDATE, request_id, amendment_number="AV-3"))
    assert reread(request_id).state == RequestState.VALIDATED


# ---- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE market_rule SET outcome = 'record' WHERE version_id = :id", "DELETE FROM market_rule WHERE version_id = :id",
        "INSERT INTO market_rule (version_id, position, outcome, created_at, updated_at) VALUES (:id, 5, 'record', now(), now())",
        "UPDATE market_rule_version SET remind_days = 3 WHERE id = :id", "UPDATE market_rule_version SET published_at = NULL WHERE id = :id",
        "DELETE FROM market_rule_version WHERE id = :id",
    ],
)  # fmt: skip
def test_a_published_version_never_changes(db_session: Session, statement: str) -> None:
    version = in_force({"outcome": "instruct"})
    with pytest.raises(DBAPIError, match="never changes"):
        db_session.execute(text(statement), {"id": version.id})
    db_session.rollback()


def test_the_database_lets_one_draft_be(db_session: Session) -> None:
    first = market_rules.begin_draft()
    assert market_rules.begin_draft() == first
    db_session.add(MarketRuleVersion(number=9_999))
    with pytest.raises(IntegrityError, match="uq_market_rule_version_draft"):
        db_session.flush()
    db_session.rollback()


@pytest.mark.parametrize(
    "values",
    [
        {"outcome": "'forbid'"}, {"outcome": "'maybe'"}, {"days_at_most": "-1"}, {"percent_at_most": "5000"}, {"opening": "'open'"}, {"direction": "'left'"},
        {"moment": "'now'"}, {"outcome": "'record'", "needs_amendment": "true"}, {"kind": "'1=1'"},
    ],
)  # fmt: skip
def test_the_database_refuses_what_is_no_rule(db_session: Session, values: dict[str, str]) -> None:
    draft = market_rules.begin_draft()
    names = ", ".join(["version_id", "position", "created_at", "updated_at", *({"outcome": ""} | values)])
    given = ", ".join([str(draft), "5", "now()", "now()", *({"outcome": "'instruct'"} | values).values()])
    with pytest.raises(IntegrityError):
        db_session.execute(text(f"INSERT INTO market_rule ({names}) VALUES ({given})"))
    db_session.rollback()


def test_only_what_was_shown_is_published(db_session: Session) -> None:
    draft = market_rules.get_version(market_rules.begin_draft())
    assert draft is not None
    shown = market_rules.fingerprint(draft)
    with transaction():
        draft.rules.append(MarketRule(position=1, outcome="record"))
    with pytest.raises(market_rules.DraftChanged):
        market_rules.publish(draft.id, shown=shown)
    with pytest.raises(market_rules.DraftChanged):
        market_rules.discard(draft.id, shown=shown)
    market_rules.discard(draft.id, shown=market_rules.fingerprint(draft))
    assert market_rules.draft() is None


def test_an_empty_draft_is_not_published(db_session: Session) -> None:
    with pytest.raises(market_rules.EmptyDraft):
        in_force()


# ---- the trial --------------------------------------------------------------------------------------------------------


def test_the_trial_says_what_would_be_decided_otherwise_and_costs_one_statement(db_session: Session) -> None:
    db_session.execute(text("DELETE FROM request_reminder"))
    db_session.execute(text("DELETE FROM modification_request_event"))
    db_session.execute(text("DELETE FROM modification_request"))
    short, long, refused = (open_action() for _number in range(3))
    short_id = ask(short)
    ask(long, later_end(long, 90))
    refused_id = ask(refused)
    services.decide(refused_id, decision(RequestEvent.REFUSE, refused_id, observations="Non."))
    version = MarketRuleVersion(number=99, rules=[MarketRule(position=1, **SHORT)])
    with statements() as asked:
        trial = market_trial.try_out(version)
    assert len(asked) == 1
    assert (trial.count, trial.otherwise, trial.total(Outcome.RECORD)) == (3, 2, 2)
    assert trial.table == {(Outcome.RECORD, "pending"): 1, (Outcome.RECORD, "refused"): 1, (Outcome.INSTRUCT, "pending"): 1}
    assert {one.request_id for one in trial.named} == {short_id, refused_id}
    for _number in range(4):
        ask(open_action())
    with statements() as asked:
        assert market_trial.try_out(version).count == 7
    assert len(asked) == 1


def test_the_trial_judges_by_the_day_of_the_request(db_session: Session) -> None:
    """Sent before the action was opened and before its start: whatever is true today."""
    from tests.actions.helpers import make_action

    waiting = make_action(start=10, end=200)
    values = {Key(Target.ACTION, waiting.id, Field.PLANNED_START): day(-20)}
    request_id = services.send(waiting.id, RequestKind.DATES, services.Asked(values, "Plus tôt."))
    services.decide(request_id, decision(RequestEvent.VALIDATE, request_id))
    before = MarketRuleVersion(number=99, rules=[MarketRule(position=1, outcome="record", moment="before", opening="waiting")])
    assert request_id in {one.request_id for one in market_trial.try_out(before).named}
    after = MarketRuleVersion(number=99, rules=[MarketRule(position=1, outcome="record", moment="after")])
    assert request_id not in {one.request_id for one in market_trial.try_out(after).named}


# ---- screens ----------------------------------------------------------------------------------------------------------


def test_edited_tried_published_then_recorded_at_once(as_user: AsUser, db_session: Session) -> None:
    admin, browser = as_user("admin"), as_user("principal")
    page = admin.get("/regles-de-marche/").text
    assert "Version 1, en vigueur" in plain(page)
    assert "Brouillon de la version 2" in plain(page)
    bad = post(admin, "/regles-de-marche/regles/add", {"kind": "volumes", "days_at_most": "3", "outcome": "record"})
    assert bad.status_code == 422
    assert "n’a pas de dates" in plain(bad.text)
    added = post(admin, "/regles-de-marche/regles/add", {"kind": "dates", "days_at_most": "45", "outcome": "record", "reason": "Quarante-cinq jours au plus."})
    assert added.status_code == 302
    trial = plain(admin.get("/regles-de-marche/essai").text)
    assert "Essai du brouillon de la version 2" in trial
    assert "serait décidée autrement" in trial or "seraient décidées autrement" in trial
    asked = admin.get("/regles-de-marche/publication").text
    assert "Publier la version 2 des règles ?" in plain(asked)
    assert post(admin, "/regles-de-marche/publication", {"shown": "x"}).status_code == 302
    assert market_rules.version_in_force().number == 1  # type: ignore[union-attr]
    post(admin, "/regles-de-marche/publication", {"shown": hidden(asked, "shown")})
    db_session.expire_all()
    assert market_rules.version_in_force().number == 2  # type: ignore[union-attr]

    action = open_action()
    found = sent(browser, action)
    assert found.treatment == "record"
    page = plain(browser.get(f"/demandes-de-modification/{found.id}").text)
    assert "Enregistrée aussitôt, comme le veulent les règles de marché" in page
    assert "Ni courrier signé ni confirmation" not in page, "nobody waits for its letter"
    assert "Règle 20 de la version 2" not in page, "the organisation reads the reason, not the number"
    told = plain(admin.get(f"/demandes-de-modification/{found.id}").text)
    assert "de la version 2 : Demande de modification de dates ; déplacée de 45 jours au plus" in told


def test_an_impossible_rule_without_reason_is_refused_at_the_reason(as_user: AsUser) -> None:
    market_rules.begin_draft()
    for programme in ("", "1"):
        bad = post(as_user("admin"), "/regles-de-marche/regles/add", {"programme": programme, "kind": "dates", "outcome": "forbid"})
        assert bad.status_code == 422
        assert 'id="reason-error"' in bad.text
        assert "Dites pourquoi" in plain(bad.text)


def test_a_rule_made_impossible_without_reason_is_refused_at_the_reason(as_user: AsUser) -> None:
    market_rules.begin_draft()
    admin, rule = as_user("admin"), market_rules.draft().rules[0]  # type: ignore[union-attr]
    address = f"/regles-de-marche/regles/edit/{rule.id}"
    page = admin.get(address).text
    fields = {name: hidden(page, name) for name in ("row_version", "row_base")}
    bad = post(admin, address, {**fields, "kind": "dates", "position": str(rule.position), "outcome": "forbid", "reason": ""})
    assert bad.status_code == 422
    assert 'id="reason-error"' in bad.text and "Dites pourquoi" in plain(bad.text)


def test_what_the_market_forbids_is_told_alone(as_user: AsUser) -> None:
    """Nothing that is mended besides would make it possible."""
    in_force({"kind": "dates", "field": "planned_end", "outcome": "forbid", "reason": "La fin est celle du marché."})
    action = open_action()
    answer = post(as_user("principal"), f"{wizard(action.id)}/valeurs", {"action_planned_end": fr(day(END - 90))})
    summary = re.search(r'class="error-summary".*?</ul>', answer.text, re.DOTALL)
    assert answer.status_code == 422 and summary is not None
    lines = re.findall(r"<li>.*?</li>", summary.group(), re.DOTALL)
    assert lines and all("La fin est celle du marché." in one for one in lines)


def test_two_rules_of_one_order_are_refused_at_the_order(as_user: AsUser, db_session: Session) -> None:
    draft = market_rules.begin_draft()
    admin = as_user("admin")
    assert post(admin, "/regles-de-marche/regles/add", {"kind": "dates", "days_at_most": "5", "outcome": "record"}).status_code == 302
    db_session.expire_all()
    first, second = sorted(market_rules.draft().rules, key=lambda one: one.position)[:2]  # type: ignore[union-attr]
    address = f"/regles-de-marche/regles/edit/{second.id}"
    taken, free = first.position, first.position + 1
    page = admin.get(address).text
    fields = {name: hidden(page, name) for name in ("row_version", "row_base")}
    kept = {"kind": second.kind or "", "days_at_most": "" if second.days_at_most is None else str(second.days_at_most), "outcome": second.outcome, "reason": second.reason or ""}
    bad = post(admin, address, {**fields, **kept, "position": str(taken)})
    assert bad.status_code == 422, draft
    assert f"Une autre règle a déjà l’ordre {taken}" in plain(bad.text)
    assert post(admin, address, {**fields, **kept, "position": str(free)}).status_code == 302


def test_a_rule_leaves_something_to_those_after_it(as_user: AsUser, db_session: Session) -> None:
    """Nothing is taken for granted on adding, and no rule makes a later one, or itself, useless in silence."""
    market_rules.begin_draft()
    admin, address = as_user("admin"), "/regles-de-marche/regles/add"
    empty = post(admin, address, {})
    assert empty.status_code == 422
    assert "outcome-error" in empty.text
    assert post(admin, address, {"position": "2", "kind": "sites", "field": "sites", "opening": "opened", "outcome": "record"}).status_code == 302
    wide = post(admin, address, {"position": "1", "outcome": "record"})
    assert wide.status_code == 422
    assert "examinée après, ne déciderait plus jamais" in plain(wide.text)
    useless = post(admin, address, {"position": "3", "kind": "sites", "field": "sites", "opening": "opened", "moment": "before", "outcome": "record"})
    assert useless.status_code == 422
    assert "Cette règle ne déciderait jamais" in plain(useless.text)


def test_directions_say_which_way(as_user: AsUser) -> None:
    market_rules.begin_draft()
    page = plain(as_user("admin").get("/regles-de-marche/regles/add").text)
    assert "À la hausse (plus tard, davantage)" in page
    assert "À la baisse (plus tôt, moins)" in page


def test_a_share_of_partners_is_refused_in_words(as_user: AsUser) -> None:
    market_rules.begin_draft()
    bad = post(as_user("admin"), "/regles-de-marche/regles/add", {"kind": "partners", "percent_at_most": "3", "outcome": "record"})
    assert bad.status_code == 422
    assert "percent_at_most-error" in bad.text


def test_the_recap_tells_what_becomes_of_it(as_user: AsUser) -> None:
    in_force(SHORT)
    action, browser = open_action(), as_user("principal")
    first = components(action.id)[0]
    post(browser, f"{wizard(action.id)}/valeurs", {"action_planned_end": fr(day(END + 30)), f"c{first.id}_planned_end": fr(day(END + 30))})
    recap = browser.get(f"{wizard(action.id)}/recapitulatif").text
    assert "Ces modifications sont enregistrées aussitôt" in plain(recap)
    assert "Un mois au plus." in plain(recap)
    assert "le portail rédige son courrier" not in plain(recap)
    in_force({"outcome": "instruct"})
    form = {name: hidden(recap, name) for name in ("wizard_token", "wizard_shown", "changements")} | {"motivation": "x"}
    late = post(browser, f"{wizard(action.id)}/recapitulatif", form)
    assert late.status_code == 422, "what the page announced is no longer so: it is shown again"
    assert "le portail rédige son courrier" in plain(late.text)


def test_the_wizard_stops_at_the_step_with_the_reason(as_user: AsUser) -> None:
    in_force({"kind": "dates", "field": "planned_end", "outcome": "forbid", "reason": "La fin est celle du marché."})
    action = open_action()
    answer = post(as_user("principal"), f"{wizard(action.id)}/valeurs", {"action_planned_end": fr(day(END + 30))})
    assert answer.status_code == 422
    beside = answer.text.partition('id="action_planned_end-error"')[2].partition("</p>")[0]
    assert "La fin est celle du marché." in plain("<main>" + beside + "</main>")


def test_two_editors_of_one_rule(as_user: AsUser, db_session: Session) -> None:
    """Different fields both land; a rule of a published version is no longer there to edit."""
    admin = as_user("admin")
    draft = market_rules.get_version(market_rules.begin_draft())
    assert draft is not None
    rule_id = draft.rules[0].id
    address = f"/regles-de-marche/regles/edit/{rule_id}"
    page = admin.get(address).text
    with transaction():
        db_session.execute(text("UPDATE market_rule SET reason = 'Autre', version = version + 1 WHERE id = :id"), {"id": rule_id})
    form = {name: hidden(page, name) for name in ("row_version", "row_base")} | {"outcome": draft.rules[0].outcome}
    both = post(admin, address, form | {"position": "7"})
    assert both.status_code == 302
    db_session.expire_all()
    kept = db_session.get_one(MarketRule, rule_id)
    assert (kept.position, kept.reason) == (7, "Autre")
    same = post(admin, address, form | {"position": "9"})
    assert same.status_code == 409
    assert db_session.scalar(select(MarketRule.position).where(MarketRule.id == rule_id)) == 7
    in_force({"outcome": "instruct"})
    assert admin.get(f"/regles-de-marche/regles/edit/{_published_rule()}").status_code == 404


def _published_rule() -> int:
    version = market_rules.version_in_force()
    assert version is not None
    return version.rules[0].id


def test_the_pages_of_the_rules_cost_the_same_for_few_and_many(as_user: AsUser, db_session: Session) -> None:
    admin = as_user("admin")
    costs: list[list[int]] = []
    for _round in range(2):
        cost = []
        for address in ("/regles-de-marche/", "/regles-de-marche/essai", "/regles-de-marche/regles/list/", "/regles-de-marche/versions/list/"):
            admin.get(address)
            with statements() as asked:
                assert admin.get(address).status_code == 200
            cost.append(len(asked))
        costs.append(cost)
        draft = market_rules.get_version(market_rules.begin_draft())
        assert draft is not None
        programme = db_session.scalars(select(Programme)).first()
        for number in range(12):
            draft.rules.append(MarketRule(position=number + 50, outcome="record", programme=programme, days_at_most=1))
        db_session.commit()
        for _number in range(5):
            ask(open_action())
    assert costs[0] == costs[1]
    assert max(costs[1]) <= 14
