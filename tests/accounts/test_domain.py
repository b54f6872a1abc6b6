"""Rules of accounts, without an application."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from app.accounts import domain
from app.accounts.domain import AccountFacts, AccountState, Act, Party, Refusal
from app.core.roles import Role

NOW = datetime(2026, 3, 12, 13, 2, tzinfo=UTC)

ADMIN = Party(1, frozenset({Role.REGION_ADMIN}))
OTHER_ADMIN = Party(2, frozenset({Role.REGION_ADMIN}))
MANAGER = Party(3, frozenset({Role.REGION_MANAGER}))
VALIDATOR = Party(4, frozenset({Role.REGION_VALIDATOR}))
SUPPORT = Party(5, frozenset({Role.SUPPORT}))
PRINCIPAL = Party(6, frozenset({Role.PRINCIPAL}), 1)
SECONDARY = Party(7, frozenset({Role.SECONDARY}), 1)
OTHER_SECONDARY = Party(8, frozenset({Role.SECONDARY}), 1)
READER = Party(9, frozenset({Role.READ_ONLY}), 1)
FOREIGN_PRINCIPAL = Party(10, frozenset({Role.PRINCIPAL}), 2)
FOREIGN_SECONDARY = Party(11, frozenset({Role.SECONDARY}), 2)
EVERYONE = (
    ADMIN,
    OTHER_ADMIN,
    MANAGER,
    VALIDATOR,
    SUPPORT,
    PRINCIPAL,
    SECONDARY,
    OTHER_SECONDARY,
    READER,
    FOREIGN_PRINCIPAL,
    FOREIGN_SECONDARY,
)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (AccountFacts(active=True), AccountState.ACTIVE),
        (AccountFacts(active=True, failed_attempts=2), AccountState.ACTIVE),
        (AccountFacts(active=True, failed_attempts=3), AccountState.BLOCKED),
        (AccountFacts(active=True, blocked_at=NOW), AccountState.BLOCKED),
        (AccountFacts(active=True, has_password=False), AccountState.PENDING),
        (AccountFacts(active=False), AccountState.INACTIVE),
        (AccountFacts(active=True, deactivated_at=NOW), AccountState.INACTIVE),
        (AccountFacts(active=False, blocked_at=NOW), AccountState.INACTIVE),
        (AccountFacts(active=True, deleted_at=NOW), AccountState.DELETED),
    ],
)
def test_states(facts: AccountFacts, state: AccountState) -> None:
    assert domain.state_of(facts) is state


@pytest.mark.parametrize("act", [act for act in Act if act not in (Act.VIEW, Act.EDIT)])
@pytest.mark.parametrize("who", EVERYONE)
def test_nobody_manages_their_own_account(who: Party, act: Act) -> None:
    assert domain.refusal_of(who, act, who) is Refusal.OWN_ACCOUNT


@pytest.mark.parametrize("act", list(Act))
def test_a_secondary_manages_nothing(act: Act) -> None:
    for actor, target in itertools.product((SECONDARY, READER), EVERYONE):
        if actor.id != target.id:
            assert domain.refusal_of(actor, act, target) is Refusal.NOT_ALLOWED


@pytest.mark.parametrize("act", list(Act))
def test_a_principal_never_reaches_another_organisation(act: Act) -> None:
    for target in (ADMIN, SUPPORT, FOREIGN_PRINCIPAL, FOREIGN_SECONDARY):
        assert domain.refusal_of(PRINCIPAL, act, target) is Refusal.OTHER_ORGANISATION


def test_a_principal_manages_its_secondaries() -> None:
    not_its_own = {Act.CHANGE_ROLES, Act.RESET_FACTOR, Act.CHANGE_PRINCIPAL, Act.OBSERVE}
    for act in set(Act) - not_its_own:
        assert domain.refusal_of(PRINCIPAL, act, SECONDARY) is None
    for act in not_its_own:
        assert domain.refusal_of(PRINCIPAL, act, SECONDARY) is Refusal.NOT_ALLOWED


def test_support_helps_organisations_but_is_no_way_up() -> None:
    """Editing, regenerating, deleting, unblocking, deactivating and reactivating, on all organisations' accounts."""
    for actor in (SUPPORT, MANAGER):
        for act, target in itertools.product((Act.VIEW, *domain.ACTS_ON_ACCOUNTS), (PRINCIPAL, SECONDARY, READER, FOREIGN_SECONDARY)):
            assert domain.refusal_of(actor, act, target) is None
        for act, target in itertools.product(set(Act) - {Act.VIEW}, (ADMIN, VALIDATOR, *({SUPPORT, MANAGER} - {actor}))):
            assert domain.refusal_of(actor, act, target) is Refusal.NOT_ALLOWED
        for act in (Act.CREATE, Act.CHANGE_ROLES):
            assert domain.refusal_of(actor, act, PRINCIPAL) is Refusal.NOT_ALLOWED


OPEN = AccountFacts(active=True)
BLOCKED = AccountFacts(active=True, blocked_at=NOW)
ASLEEP = AccountFacts(active=False, deactivated_at=NOW)


@pytest.mark.parametrize(
    ("actor", "target", "facts", "acts"),
    [
        (PRINCIPAL, SECONDARY, OPEN, "edit regenerate deactivate delete"),
        (PRINCIPAL, SECONDARY, BLOCKED, "edit regenerate unblock deactivate delete"),
        (PRINCIPAL, SECONDARY, ASLEEP, "edit reactivate delete"),
        (PRINCIPAL, SECONDARY, AccountFacts(active=False, blocked_at=NOW), "edit unblock reactivate delete"),
        (PRINCIPAL, SECONDARY, AccountFacts(active=True, deleted_at=NOW), ""),
        (PRINCIPAL, PRINCIPAL, OPEN, ""),
        (PRINCIPAL, FOREIGN_SECONDARY, OPEN, ""),
        (SECONDARY, OTHER_SECONDARY, OPEN, ""),
        (SUPPORT, SECONDARY, OPEN, "edit regenerate deactivate delete"),
        (SUPPORT, PRINCIPAL, BLOCKED, "edit regenerate unblock"),
        (SUPPORT, PRINCIPAL, ASLEEP, "edit reactivate delete"),
        (SUPPORT, ADMIN, BLOCKED, ""),
        (ADMIN, SUPPORT, OPEN, "edit regenerate deactivate delete"),
        (ADMIN, ADMIN, OPEN, "edit"),
    ],
)
def test_the_buttons_that_are_shown(actor: Party, target: Party, facts: AccountFacts, acts: str) -> None:
    assert " ".join(domain.offered(actor, target, facts, organisation_open=True)) == acts


def test_the_principal_of_a_closed_organisation_may_leave() -> None:
    assert Act.DELETE in domain.offered(ADMIN, PRINCIPAL, OPEN, organisation_open=False)


@pytest.mark.parametrize("name", ["BLANC", "de la Forêt-Noire", "O’Brien", "D'Almeida", "pa B.", "Nguyễn", "李", "NOM TEST COMPTE 2"])
def test_names(name: str) -> None:
    assert domain.is_person_name(name)


@pytest.mark.parametrize("name", ["", " ", "12", "https://ailleurs.example", "a@b", "<b>x</b>", "=1+1", "x\ty", "x\u202ey", "a\\b"])
def test_not_names(name: str) -> None:
    assert not domain.is_person_name(name)


def test_nobody_can_choose_the_identifiant_of_a_deleted_account() -> None:
    assert not domain.is_identifiant(domain.deleted_identifiant(7))


def test_administrators_may_do_all_but_to_themselves() -> None:
    """They observe nobody: that is support's; and staff have neither rights to narrow nor a principal account to change."""
    for act, target in itertools.product(set(Act) - {Act.OBSERVE}, EVERYONE[1:]):
        never = act in (Act.CHANGE_RIGHTS, Act.DELEGATE) and not domain.can_be_narrowed(target)
        never = never or (act is Act.CHANGE_PRINCIPAL and not domain.is_organisation_account(target))
        assert domain.refusal_of(ADMIN, act, target) is (Refusal.NOT_ALLOWED if never else None)
    for target in EVERYONE[1:]:
        assert domain.refusal_of(ADMIN, Act.OBSERVE, target) is Refusal.NOT_ALLOWED


def test_validators_only_look_nowhere() -> None:
    for act, target in itertools.product(Act, EVERYONE):
        if target is not VALIDATOR:
            assert domain.refusal_of(VALIDATOR, act, target) is Refusal.NOT_ALLOWED


@pytest.mark.parametrize(
    ("act", "facts", "fits"),
    [
        (Act.UNBLOCK, AccountFacts(active=True), False),
        (Act.UNBLOCK, AccountFacts(active=True, blocked_at=NOW), True),
        (Act.UNBLOCK, AccountFacts(active=False, blocked_at=NOW), True),
        (Act.UNBLOCK, AccountFacts(active=True, deleted_at=NOW, blocked_at=NOW), False),
        (Act.DEACTIVATE, AccountFacts(active=False), False),
        (Act.REACTIVATE, AccountFacts(active=False), True),
        (Act.REACTIVATE, AccountFacts(active=True), False),
        (Act.DELETE, AccountFacts(active=False), True),
        (Act.EDIT, AccountFacts(active=True, deleted_at=NOW), False),
    ],
)
def test_acts_fit_the_state(act: Act, facts: AccountFacts, fits: bool) -> None:
    assert (domain.refusal_in_state(act, facts) is None) is fits


@pytest.mark.parametrize(
    ("roles", "organisation_id", "fit"),
    [
        ([Role.PRINCIPAL], 1, True),
        ([Role.SECONDARY, Role.READ_ONLY], 1, True),
        ([Role.PRINCIPAL], None, False),
        ([Role.REGION_ADMIN], 1, False),
        ([Role.PRINCIPAL, Role.SUPPORT], 1, False),
        (["Custom"], 1, False),
        ([], 1, False),
        ([Role.REGION_ADMIN], None, True),
        (["Custom", Role.REGION_MANAGER], None, True),
        ([], None, True),
    ],
)
def test_roles_fit_the_organisation(roles: list[str], organisation_id: int | None, fit: bool) -> None:
    assert domain.consistent_roles(roles, organisation_id) is fit


@pytest.mark.parametrize("text", ["a", "66bdj5zw4x", "TEST IDENTIFIANT", "autre-of", "jean.dupont@cfa.fr", "x" * 64])
def test_identifiants(text: str) -> None:
    assert domain.is_identifiant(text)


@pytest.mark.parametrize("text", ["", " a", "a ", "a  b", "=1+1", "+33", "-a", "@a", "é", "a\nb", "a\x00", "x" * 65, "<b>", "9yddzvt&0w", "*8wwapv3bz", "a\n"])
def test_what_is_no_identifiant(text: str) -> None:
    """Formula and markup characters of the former portal's identifiants are refused."""
    assert not domain.is_identifiant(text)


def test_identifiants_are_compared_without_regard_to_case_or_blanks() -> None:
    assert domain.normalise_identifiant("  Test   IDENTIFIANT ") == "test identifiant"
    assert domain.normalise_identifiant(None) == ""


@pytest.mark.parametrize("siret", ["12345678913000", "73282932000074", "35600000000048", "35600000049837"])
def test_sirets(siret: str) -> None:
    """The guides' own organisation, an ordinary one, La Poste's head office and one of its post offices."""
    assert domain.is_siret(siret)


@pytest.mark.parametrize(
    "siret", ["", "12345678913001", "1234567891300", "123456789130000", "1234567891300a", "35600000049838", "１２３４５６７８９１３０００"]
)
def test_what_is_no_siret(siret: str) -> None:
    assert not domain.is_siret(siret)


@given(st.from_regex(r"[0-9]{14}", fullmatch=True))
def test_siret_is_luhn_outside_la_poste(siret: str) -> None:
    if not siret.startswith("356000000"):
        assert domain.is_siret(siret) == luhn.is_valid(siret)


def test_siret_as_people_read_it() -> None:
    assert domain.format_siret("12345678913000") == "123 456 789 13000"
    assert domain.compact_siret(" 123 456 789-13000 ") == "12345678913000"


@pytest.mark.parametrize("target", ["/", "/actions/", "/actions/?page=2&q=a%20b", "/a#b"])
def test_local_paths(target: str) -> None:
    assert domain.local_path(target) == target


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/ /evil.example",
        "/\n/evil.example",
        "\x00/evil",
        "evil.example",
        "/a\\b",
        "http:evil.example",
        "/" + "a" * 3000,
        "data:text/html,x",
        " /a",
        "\u2028//evil.example",
    ],
)
def test_what_leads_away(target: str | None) -> None:
    assert domain.local_path(target) is None


@given(st.text())
def test_a_local_path_is_a_path(target: str) -> None:
    found = domain.local_path(target)
    assert found is None or (found.startswith("/") and not found.startswith(("//", "/\\")) and "\\" not in found)
