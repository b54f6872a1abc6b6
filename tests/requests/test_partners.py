"""« Partenaires »: co-traitants and sous-traitants are added, changed and leave through requests alone (DOMAIN §3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.accounts.domain import is_siret
from app.accounts.seeds import ORGANISATION_A, ORGANISATION_B
from app.actions.models import Action, ActionPartner
from app.actions.queries import partners_of
from app.core.extensions import db
from app.core.tenancy import Scope, bound_scope
from app.requests import labels, services
from app.requests.domain import Change, Field, Key, Note, ProblemCode, RequestEvent, RequestKind, Target, apply
from app.requests.domain.partners import FIELDS, REQUIRED, Around, empty_slots, partner_problems
from tests.accounts.helpers import post
from tests.actions.helpers import organisation, statements
from tests.requests.helpers import day, decision, open_action, reread
from tests.requests.test_screens import follow_up, fr, hidden, plain

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    AsUser = Callable[[str], FlaskClient]

AFPA, OTHER, POSTE = "82422814200025", "82422814200017", "35600000000048"


def key(number: int, field: Field) -> Key:
    return Key(Target.PARTNER, number, field)


def partner(number: int, **values: Any) -> dict[Key, Any]:
    """What is asked of a partner; below zero, of one to add."""
    new = {"role": "co_traitant", "legal_name": "GRETA du Lauragais", "siret": AFPA, "starts_on": day(-10)} if number < 0 else {}
    return {key(number, Field(name)): value for name, value in (new | values).items()}


def send(action: Action, *asked: dict[Key, Any]) -> int:
    whole = {name: value for one in asked for name, value in one.items()}
    return services.send(action.id, RequestKind.PARTNERS, services.Asked(whole, "Charge de travail."))


def validated(action: Action, *asked: dict[Key, Any]) -> list[ActionPartner]:
    request_id = send(action, *asked)
    services.decide(request_id, decision(RequestEvent.VALIDATE, request_id))
    return partners_of(action.id, fresh=True)


def refused(action: Action, *asked: dict[Key, Any]) -> list[tuple[Key | None, ProblemCode]]:
    with pytest.raises(services.Refused) as error:
        send(action, *asked)
    return [(problem.key, problem.code) for problem in error.value.problems]


# ---- use cases --------------------------------------------------------------------------------------------------------


def test_added_changed_and_ended(db_session: Session) -> None:
    action = open_action()
    (one, two) = validated(action, partner(-1), partner(-2, role="sous_traitant", legal_name="Atelier & fils", siret=POSTE, ends_on=day(60)))
    assert (one.role, one.legal_name, one.siret, one.starts_on, one.ends_on) == ("co_traitant", "GRETA du Lauragais", AFPA, day(-10), None)
    assert (two.role, two.ends_on, two.organisation_id) == ("sous_traitant", day(60), action.organisation_id)
    one, two = validated(action, partner(one.id, ends_on=day(5)), partner(two.id, role="co_traitant", legal_name="Atelier"))
    assert (one.ends_on, one.version) == (day(5), 2)
    assert (two.role, two.legal_name, two.siret) == ("co_traitant", "Atelier", POSTE)


def test_a_request_keeps_words_and_the_summary_tells_it(db_session: Session) -> None:
    action = open_action()
    request_id = send(action, partner(-1))
    rows = labels.change_rows(reread(request_id).asked)
    assert [rows[0][part] for part in ("label", "before", "after")] == ["Nouveau partenaire 1 / Nature du partenaire", "", "Co-traitant"]
    assert [row["after"] for row in rows[1:3]] == ["GRETA du Lauragais", "824 228 142 00025"]
    assert labels.summary(reread(request_id).asked) == "nouveau co-traitant GRETA du Lauragais"


def test_what_is_missing_or_wrong_is_said_at_its_field(db_session: Session) -> None:
    action = open_action()
    holder = organisation(ORGANISATION_A).siret
    assert refused(action, {key(-2, Field.LEGAL_NAME): "Seul"}) == [
        (key(-2, field), ProblemCode.PARTNER_INCOMPLETE) for field in (Field.ROLE, Field.SIRET, Field.STARTS_ON)
    ]
    assert refused(action, partner(-1, siret="82422814200028")) == [(key(-1, Field.SIRET), ProblemCode.BAD_SIRET)]
    assert refused(action, partner(-1, siret=holder)) == [(key(-1, Field.SIRET), ProblemCode.OWN_SIRET)]
    assert refused(action, partner(-1), partner(-2)) == [(key(-1, Field.SIRET), ProblemCode.SIRET_TWICE), (key(-2, Field.SIRET), ProblemCode.SIRET_TWICE)]
    assert refused(action, partner(-1, ends_on=day(-11))) == [(key(-1, Field.ENDS_ON), ProblemCode.PARTNER_ENDS_BEFORE)]
    assert refused(action, partner(-1, starts_on=day(201))) == [(key(-1, Field.STARTS_ON), ProblemCode.PARTNER_STARTS_AFTER)]
    assert refused(action, partner(-1, starts_on=day(-31))) == [(key(-1, Field.STARTS_ON), ProblemCode.PARTNER_STARTS_BEFORE)]
    assert refused(action, partner(-1, starts_on=day(-3000), ends_on=day(30000))) == [
        (key(-1, Field.STARTS_ON), ProblemCode.PARTNER_STARTS_BEFORE), (key(-1, Field.ENDS_ON), ProblemCode.PARTNER_ENDS_AFTER),
    ]  # fmt: skip
    assert refused(action, partner(-1, role="cousin")) == [(key(-1, Field.ROLE), ProblemCode.UNKNOWN_VALUE)]
    assert refused(action) == [(None, ProblemCode.NOTHING_CHANGED)]
    (one,) = validated(action, partner(-1))
    assert refused(action, partner(-1)) == [(key(-1, Field.SIRET), ProblemCode.SIRET_TWICE)]
    assert refused(action, partner(one.id + 999, ends_on=day(3))) == [(None, ProblemCode.NOTHING_CHANGED)]


def test_what_moved_since_is_asked_about_and_nothing_is_applied_by_half(db_session: Session) -> None:
    action = open_action()
    (one,) = validated(action, partner(-1))
    request_id = send(action, partner(one.id, legal_name="Nouveau nom", ends_on=day(20)), partner(-1, siret=POSTE))
    db_session.execute(text("UPDATE action_partner SET legal_name = 'Renommé', version = version + 1 WHERE id = :id"), {"id": one.id})
    db_session.commit()
    with pytest.raises(services.Blocked):
        services.decide(request_id, decision(RequestEvent.VALIDATE, request_id))
    (left,) = partners_of(action.id, fresh=True)
    assert (left.legal_name, left.ends_on) == ("Renommé", None)


def test_a_siret_that_another_gives_up_is_asked_for_later(db_session: Session) -> None:
    action = open_action()
    one, two = validated(action, partner(-1), partner(-2, siret=POSTE))
    assert refused(action, partner(one.id, siret=POSTE), partner(two.id, siret=AFPA)) == [
        (key(one.id, Field.SIRET), ProblemCode.SIRET_OF_OTHER), (key(two.id, Field.SIRET), ProblemCode.SIRET_OF_OTHER),
    ]  # fmt: skip
    assert refused(action, partner(two.id, siret=OTHER), partner(-1, siret=POSTE)) == [(key(-1, Field.SIRET), ProblemCode.SIRET_OF_OTHER)]
    validated(action, partner(two.id, siret=OTHER))
    assert len(validated(action, partner(-1, siret=POSTE))) == 3


def test_words_on_lines_stand_beside_the_fields_of_partners(as_user: AsUser) -> None:
    action = open_action()
    (one,) = validated(action, partner(-1))
    request_id = send(action, partner(one.id, ends_on=day(5)), partner(-1, siret=POSTE))
    notes = (Note(key(one.id, Field.ENDS_ON), "Pas si tôt."), Note(key(-1, Field.SIRET), "Quel SIRET ?"))
    services.decide(request_id, decision(RequestEvent.ASK_CORRECTION, request_id, notes=notes))
    step = plain(as_user("principal").get(f"{wizard(action.id)}/valeurs").text)
    assert "La Région : Pas si tôt. (jj/mm/aaaa)" in step
    assert "La Région : Quel SIRET ?" in step


def test_a_partner_stays_within_the_action_until_the_validation(db_session: Session) -> None:
    """What was within the action when it was asked, and is so no longer, is not validated; what is not asked is left alone."""
    action = open_action()
    (one,) = validated(action, partner(-1, starts_on=day(-30)))
    request_id = send(action, partner(one.id, ends_on=day(190)))
    db_session.execute(text("UPDATE component SET planned_end = planned_end - 20 WHERE action_id = :id"), {"id": action.id})
    db_session.execute(text("UPDATE enrolment SET planned_end = planned_end - 20 WHERE component_id IN (SELECT id FROM component WHERE action_id = :id)"), {"id": action.id})
    db_session.execute(text("UPDATE action SET planned_end = planned_end - 20, planned_start = planned_start WHERE id = :id"), {"id": action.id})
    db_session.commit()
    with pytest.raises(services.Blocked) as blocked:
        services.decide(request_id, decision(RequestEvent.VALIDATE, request_id))
    assert [one.problem.code for one in blocked.value.obstacles if one.problem] == [ProblemCode.PARTNER_ENDS_AFTER]


def test_a_rule_broken_meanwhile_blocks_the_validation(db_session: Session) -> None:
    action = open_action()
    request_id = send(action, partner(-1))
    db_session.execute(
        text(
            "INSERT INTO action_partner (organisation_id, action_id, role, legal_name, siret, starts_on, version, created_at, updated_at)"
            " VALUES (:org, :action, 'co_traitant', 'Déjà là', :siret, :day, 1, now(), now())"
        ),
        {"org": action.organisation_id, "action": action.id, "siret": AFPA, "day": day(0)},
    )
    db_session.commit()
    with pytest.raises(services.Blocked) as blocked:
        services.decide(request_id, decision(RequestEvent.VALIDATE, request_id))
    assert [one.problem.code for one in blocked.value.obstacles if one.problem] == [ProblemCode.SIRET_TWICE]


@pytest.mark.parametrize(
    ("column", "value"), [("role", "'cousin'"), ("siret", "'123'"), ("legal_name", "''"), ("ends_on", "starts_on - 1"), ("organisation_id", "organisation_id + 1")]
)
def test_the_database_holds_it_too(db_session: Session, column: str, value: str) -> None:
    (one,) = validated(open_action(), partner(-1))
    with pytest.raises(IntegrityError):
        db_session.execute(text(f"UPDATE action_partner SET {column} = {value} WHERE id = {one.id}"))


def test_another_organisation_sees_none(db_session: Session) -> None:
    action = open_action()
    validated(action, partner(-1))
    action_id, other = action.id, organisation(ORGANISATION_B).id
    db_session.commit()
    with bound_scope(Scope.organisation(other)):
        assert partners_of(action_id) == []
        assert db.session.scalar(text("SELECT count(*) FROM action_partner WHERE action_id = :id"), {"id": action_id}) == 0


# ---- rules ------------------------------------------------------------------------------------------------------------

_SIRETS = st.sampled_from([OTHER, AFPA, POSTE, "82422814200028", "1", "12345678913000"])
_DATES = st.none() | st.dates(date(2026, 1, 1), date(2026, 12, 31))
_PARTNERS = st.lists(st.tuples(st.sampled_from(["co_traitant", "sous_traitant", "x"]) | st.none(), st.none() | st.just("Nom"), _SIRETS | st.none(), _DATES, _DATES), max_size=5)


@given(_PARTNERS)
def test_what_no_rule_refuses_keeps_every_invariant(wanted: list[tuple[Any, ...]]) -> None:
    around = Around("12345678913000", date(2026, 2, 1), date(2026, 9, 30), frozenset({"co_traitant", "sous_traitant"}))
    changes = [
        Change(key(-number, field), None, value) for number, values in enumerate(wanted, 1) for field, value in zip(FIELDS, values, strict=True) if value is not None
    ]
    after = apply(changes, empty_slots())
    if partner_problems(changes, after, around):
        return
    touched = sorted({change.key.id for change in changes})
    for number in touched:
        assert all(after[key(number, field)] is not None for field in REQUIRED)
        start, end = after[key(number, Field.STARTS_ON)], after[key(number, Field.ENDS_ON)]
        assert around.action_start <= start <= around.action_end  # type: ignore[operator]
        assert end is None or start <= end <= around.action_end  # type: ignore[operator]
    sirets = [after[key(number, Field.SIRET)] for number in touched]
    assert len(set(sirets)) == len(sirets)
    assert all(is_siret(str(siret)) and siret != around.holder_siret for siret in sirets)


# ---- pages ------------------------------------------------------------------------------------------------------------


def wizard(action_id: int) -> str:
    return f"/actions-de-formation/{action_id}/demandes/partenaires"


def typed(number: int, **values: str) -> dict[str, str]:
    return {f"n{number}_{name}": value for name, value in values.items()}


def test_from_the_choice_of_the_kind_to_the_page_of_the_action(as_user: AsUser) -> None:
    action = open_action()
    browser = as_user("principal")
    assert "Aucun co-traitant ni sous-traitant" in plain(browser.get(f"/actions-de-formation/{action.id}").text)
    assert "Demande de modification de partenaires" in browser.get(f"{follow_up(action.id)}/nouvelle").text
    values = typed(1, role="co_traitant", legal_name="GRETA du Lauragais", siret="824 228 142 00025", starts_on=fr(day(-10)))
    more = post(browser, f"{wizard(action.id)}/valeurs", values | {"chercher": "1"})
    assert more.status_code == 200
    assert "n2_siret" in more.text and "n3_siret" not in more.text
    assert 'value="GRETA du Lauragais"' in more.text
    wrong = post(browser, f"{wizard(action.id)}/valeurs", values | typed(2, legal_name="Incomplet", siret="123"))
    assert wrong.status_code == 422
    assert "« 123 » n’est pas un SIRET" in plain(wrong.text)
    assert 'value="Incomplet"' in wrong.text
    assert post(browser, f"{wizard(action.id)}/valeurs", values | typed(2, legal_name="", siret="")).status_code == 302
    recap = browser.get(f"{wizard(action.id)}/recapitulatif").text
    assert "Nouveau partenaire 1 / Raison sociale du partenaire vide GRETA du Lauragais" in plain(recap)
    form = {name: hidden(recap, name) for name in ("wizard_token", "wizard_shown", "changements")} | {"motivation": "Il faut."}
    assert post(browser, f"{wizard(action.id)}/recapitulatif", form).headers["Location"].startswith("/demandes-de-modification/")
    region = as_user("region")
    request_id = db.session.scalar(text("SELECT max(id) FROM modification_request WHERE action_id = :id"), {"id": action.id})
    page = region.get(f"/demandes-de-modification/{request_id}").text
    assert "824 228 142 00025" in plain(page)
    sent_back = {"decision": "ask_correction", "version": hidden(page, "version"), "observations": "Quel SIRET ?"}
    assert post(region, f"/demandes-de-modification/{request_id}/decision", sent_back).status_code == 302
    # the pages of the correction bring back what was asked
    again = browser.get(f"{wizard(action.id)}/valeurs").text
    assert 'value="GRETA du Lauragais"' in again and "n2_siret" in again
    assert post(browser, f"{wizard(action.id)}/valeurs", values).status_code == 302
    recap = browser.get(f"{wizard(action.id)}/recapitulatif").text
    form = {name: hidden(recap, name) for name in ("wizard_token", "wizard_shown", "changements")} | {"motivation": "Il faut."}
    assert post(browser, f"{wizard(action.id)}/recapitulatif", form).status_code == 302
    services.decide(request_id, decision(RequestEvent.VALIDATE, request_id))
    with statements() as executed:
        shown = browser.get(f"/actions-de-formation/{action.id}").text
    assert len(executed) <= 14
    assert "Co-traitant GRETA du Lauragais 824 228 142 00025" in plain(shown)
    changed = browser.get(f"{wizard(action.id)}/valeurs").text
    (one,) = partners_of(action.id)
    assert f'name="p{one.id}_ends_on"' in changed


def test_the_pages_of_another_organisation_do_not_exist(as_user: AsUser) -> None:
    other = open_action(siret=ORGANISATION_B)
    assert as_user("principal").get(f"{wizard(other.id)}/valeurs").status_code == 404
