"""The client against the sandbox, a real process: what each call does, and what each fault becomes."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from app.core.outbox.registry import Transport
from app.partners.agora.http import AgoraHttp, AgoraTransport, build_agora, build_config, build_transport
from app.partners.agora.port import (
    AgoraFileState,
    AgoraPort,
    Civility,
    EventKind,
    ExitSurvey,
    FileChanges,
    FileEvent,
    FileStatus,
    Gender,
    IdentityQuery,
    Outcome,
    PartnerDuplicate,
    PartnerRejected,
    PartnerThrottled,
    PartnerUnauthorised,
    PartnerUnavailable,
    Refusal,
)
from app.partners.errors import PartnerContradictory
from tests.partners.conftest import NewFileFactory, SandboxProcess, config_for, make_file

pytestmark = pytest.mark.processes

SION = IdentityQuery(nir="1620713155089", key="82", birth_name="SION")


def event(state: AgoraFileState, kind: EventKind, **details: Any) -> FileEvent:
    details.setdefault("date", date(2026, 6, 26))
    return FileEvent(number=state.number, external_reference=state.external_reference, kind=kind, **details)


# --- identity --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SION", "sion", "Sïon", "SI-ON"])
def test_the_person_of_the_guide(agora: AgoraHttp, name: str) -> None:
    identity = agora.search_identity(replace(SION, birth_name=name))
    assert (identity.civility, identity.birth_name, identity.first_name, identity.birth_date, identity.gender) == (
        Civility.MR, "SION", "ANDRE", date(1962, 7, 21), Gender.MALE,
    )  # fmt: skip


def test_anybody_with_a_valid_nir_exists_for_ever(agora: AgoraHttp) -> None:
    query = IdentityQuery(nir="2010631555012", key="05", birth_name="Martin Dupré")
    first = agora.search_identity(query)
    assert first == agora.search_identity(query)
    assert first.birth_name == "MARTIN DUPRÉ"
    assert first.gender is Gender.FEMALE
    assert (first.birth_date.year, first.birth_date.month) == (2001, 6)


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        (replace(SION, birth_name="INCONNU"), Refusal.UNKNOWN_PERSON),
        (replace(SION, birth_name="Discordant"), Refusal.NAME_MISMATCH),
        (replace(SION, birth_name="DURAND"), Refusal.NAME_MISMATCH),
        (replace(SION, key="83"), Refusal.INVALID_NIR),
        (IdentityQuery(nir="2690549588157", key="80", birth_name="X"), Refusal.INVALID_NIR),
    ],
)
def test_refused_identities(agora: AgoraHttp, query: IdentityQuery, refusal: Refusal) -> None:
    with pytest.raises(PartnerRejected) as caught:
        agora.search_identity(query)
    assert caught.value.refusal is refusal
    assert query.nir not in str(caught.value)


# --- files and events ------------------------------------------------------------------------------------------------


def test_the_life_of_a_file(agora: AgoraHttp, sandbox: SandboxProcess) -> None:
    created = agora.create_file(make_file("e-1"), idempotency_key=uuid4())
    assert created.status is FileStatus.ENTERED
    assert created.external_reference == "e-1"
    assert created.version == 1
    assert agora.get_file(created.number) == created
    changed = agora.send_event(
        event(created, EventKind.MODIFICATION, changes=FileChanges(planned_end=date(2026, 7, 10), hours_centre=Decimal("410.25"))), idempotency_key=uuid4()
    )
    assert (changed.number, changed.status, changed.version) == (created.number, FileStatus.ENTERED, 2)
    agora.send_event(event(created, EventKind.INTERRUPTION), idempotency_key=uuid4())
    agora.send_event(event(created, EventKind.RESUMPTION), idempotency_key=uuid4())
    left = agora.send_event(event(created, EventKind.EXIT, reason="Fin normale"), idempotency_key=uuid4())
    assert (left.number, left.status) == (created.number, FileStatus.EXITED)
    closing = event(created, EventKind.CLOSING, outcome=Outcome.FULL, survey=ExitSurvey(situation="Emploi", job_related=True))
    closed = agora.send_event(closing, idempotency_key=uuid4())
    assert closed.status is FileStatus.CLOSED_FULL
    assert closed.status.is_closed
    with pytest.raises(PartnerRejected) as caught:
        agora.send_event(event(created, EventKind.EXIT), idempotency_key=uuid4())
    assert caught.value.refusal is Refusal.FORBIDDEN_TRANSITION
    kinds = [kind for kind, _day in sandbox.state("e-1")["by_reference"]["e-1"]["events"]]
    assert kinds == ["MODIFICATION", "INTERRUPTION", "REPRISE", "SORTIE", "CLOTURE"]


def test_the_same_key_never_creates_twice(agora: AgoraHttp, sandbox: SandboxProcess) -> None:
    file, key = make_file(), uuid4()
    first = agora.create_file(file, idempotency_key=key)
    agora.send_event(event(first, EventKind.EXIT), idempotency_key=uuid4())
    assert agora.create_file(file, idempotency_key=key) == first  # as the first time, whatever happened since
    assert sandbox.state()["files"] == 1
    with pytest.raises(PartnerRejected, match="CLE_REUTILISEE"):
        agora.create_file(replace(file, objective="Autre"), idempotency_key=key)


def test_the_same_reference_is_a_duplicate_with_its_file(agora: AgoraHttp, sandbox: SandboxProcess) -> None:
    file = make_file()
    first = agora.create_file(file, idempotency_key=uuid4())
    left = agora.send_event(event(first, EventKind.EXIT), idempotency_key=uuid4())
    with pytest.raises(PartnerDuplicate) as caught:
        agora.create_file(file, idempotency_key=uuid4())
    assert caught.value.number == first.number
    assert caught.value.state == left
    assert sandbox.state()["files"] == 1


def test_an_event_sent_again_counts_once(agora: AgoraHttp, sandbox: SandboxProcess) -> None:
    created, key = agora.create_file(make_file("e-2"), idempotency_key=uuid4()), uuid4()
    first = agora.send_event(event(created, EventKind.EXIT), idempotency_key=key)
    assert agora.send_event(event(created, EventKind.EXIT), idempotency_key=key) == first
    assert sandbox.state("e-2")["by_reference"]["e-2"]["events"] == [["SORTIE", "2026-06-26"]]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"planned_end": date(2026, 1, 4)}, "planned_end"),
        ({"hours_centre": Decimal(0), "hours_company": Decimal(0)}, "hours_centre"),
        ({"hours_centre": Decimal(-1)}, "hours_centre"),
        ({"funder_siret": "123"}, "funder_siret"),
    ],
)
def test_what_to_mend_is_told(agora: AgoraHttp, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(PartnerRejected) as caught:
        agora.create_file(make_file(**changes), idempotency_key=uuid4())
    assert [detail.path for detail in caught.value.details] == [path]  # type: ignore[attr-defined]


def test_a_waiting_number_never_gets_in(agora: AgoraHttp, sandbox: SandboxProcess) -> None:
    with pytest.raises(PartnerRejected) as caught:
        agora.create_file(make_file(nir="3620713155089", key="79"), idempotency_key=uuid4())
    assert caught.value.refusal is Refusal.INVALID_NIR
    assert sandbox.state()["refusals"] == {"NIR_INVALIDE": 1}


def test_an_unknown_file(agora: AgoraHttp) -> None:
    with pytest.raises(PartnerRejected) as caught:
        agora.get_file("99999999")
    assert caught.value.refusal is Refusal.UNKNOWN_FILE
    for number in ("../../x", "1", "30444380/evenements"):
        with pytest.raises(ValueError, match="not the number"):
            agora.get_file(number)


def test_finding_files(agora: AgoraHttp, transport: AgoraTransport) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)

    async def create() -> list[AgoraFileState]:
        async with transport.open_client() as client:
            return [await transport.send(make_file(), idempotency_key=uuid4(), client=client) for _ in range(25)]  # type: ignore[misc]

    files = asyncio.run(create())
    assert agora.find_files(external_reference=files[3].external_reference).files == (files[3],)
    assert agora.find_files(external_reference="nobody").files == ()
    seen: list[AgoraFileState] = []
    cursor = None
    while True:
        page = agora.find_files(modified_since=before, cursor=cursor, limit=10)
        seen += page.files
        if cursor is None:  # changes while the pages are read: seen again, never missed
            agora.send_event(event(files[0], EventKind.EXIT), idempotency_key=uuid4())
        cursor = page.next_cursor
        if cursor is None:
            break
    assert {file.number for file in seen} == {file.number for file in files}
    assert len(seen) == 26
    assert seen[-1].status is FileStatus.EXITED
    assert agora.find_files(modified_since=datetime.now(UTC) + timedelta(hours=1)).files == ()


def test_the_weekly_file(agora: AgoraHttp) -> None:
    for i in range(40):
        agora.create_file(make_file(f"w-{i}"), idempotency_key=uuid4()) if i < 12 else None
    found = agora.weekly_dsn("2026-W02")
    assert not found.unreadable
    assert all(job.position == "entry" for job in found.jobs)
    assert agora.weekly_dsn("2026-W02") == found
    with pytest.raises(PartnerRejected):
        agora.weekly_dsn("2099-W01")
    with pytest.raises(ValueError, match="a week"):
        agora.weekly_dsn("../2026")


# --- credentials -----------------------------------------------------------------------------------------------------


def test_one_token_serves_many_calls(sandbox: SandboxProcess, transport: AgoraTransport) -> None:
    sandbox.admin("DELETE", "tokens")
    asyncio.run(_create_many(transport, 30))
    assert sandbox.state()["requests"] == {"token": 1, "files": 30 + sandbox.state()["refusals"].get("JETON_EXPIRE", 0)}


def test_a_token_found_expired_by_all_at_once_is_renewed_once(sandbox: SandboxProcess, transport: AgoraTransport) -> None:
    asyncio.run(_create_many(transport, 2))
    sandbox.admin("POST", "reset")
    sandbox.admin("DELETE", "tokens")
    states = asyncio.run(_create_many(transport, 16))
    assert len({state.number for state in states}) == 16
    assert sandbox.state()["requests"]["token"] == 1


async def _create_many(transport: AgoraTransport, count: int) -> list[AgoraFileState]:
    async with transport.open_client() as client:
        calls = (transport.send(make_file(), idempotency_key=uuid4(), client=client) for _ in range(count))
        return [state for state in await asyncio.gather(*calls) if isinstance(state, AgoraFileState)]


def test_wrong_credentials_do_not_cost_the_message(sandbox: SandboxProcess) -> None:
    wrong = AgoraTransport(config_for(sandbox.url, client_secret="another"))
    results = asyncio.run(_outcomes(wrong, 12))
    assert all(type(result) is PartnerUnauthorised for result in results)
    assert sandbox.state()["requests"]["token"] < 12  # those who waited for a failed attempt fail with it


async def _outcomes(transport: AgoraTransport, count: int) -> list[Any]:
    async with transport.open_client() as client:
        calls = (transport.send(make_file(), idempotency_key=uuid4(), client=client) for _ in range(count))
        return await asyncio.gather(*calls, return_exceptions=True)


def test_a_vector_signed_with_another_key_is_refused(sandbox: SandboxProcess) -> None:
    other = AgoraHttp(config_for(sandbox.url, jwt_key="another key, as long as it takes to be one"))
    with pytest.raises(PartnerRejected, match="VECTEUR_INVALIDE"):
        other.search_identity(SION)


# --- faults ----------------------------------------------------------------------------------------------------------

BEFORE = {"throttled": PartnerThrottled, "error": PartnerUnavailable, "unavailable": PartnerUnavailable, "expired_token": PartnerUnauthorised}
AFTER = ("no_answer", "cut", "late_error", "invalid_json", "truncated", "html", "wrong_number", "wrong_reference", "wrong_schema")


@pytest.fixture
def hurried(sandbox: SandboxProcess) -> AgoraHttp:
    """A client that does not wait long for those who never answer."""
    return AgoraHttp(config_for(sandbox.url, budget=0.7, identity_budget=0.7))


@pytest.mark.parametrize("kind", sorted(BEFORE))
def test_faults_before_anything_is_done(hurried: AgoraHttp, sandbox: SandboxProcess, kind: str) -> None:
    sandbox.faults(rates={kind: 1.0}, retry_after=7)
    file, key = make_file(), uuid4()
    with pytest.raises(BEFORE[kind]) as caught:
        hurried.create_file(file, idempotency_key=key)
    assert type(caught.value) is BEFORE[kind]
    assert caught.value.retry_after == (7 if kind in ("throttled", "unavailable") else None)
    assert sandbox.state()["files"] == 0
    sandbox.admin("DELETE", "faults")
    assert hurried.create_file(file, idempotency_key=key).status is FileStatus.ENTERED


@pytest.mark.parametrize("kind", AFTER)
def test_faults_after_it_is_done(hurried: AgoraHttp, sandbox: SandboxProcess, kind: str) -> None:
    sandbox.faults(rates={kind: 1.0}, limit=1)
    file, key = make_file(), uuid4()
    if kind == "wrong_number":  # nothing in the answer to a creation tells: the number is only known from it
        hurried.create_file(file, idempotency_key=key)
    else:
        with pytest.raises(PartnerUnavailable) as caught:
            hurried.create_file(file, idempotency_key=key)
        assert type(caught.value) is (PartnerContradictory if kind == "wrong_reference" else PartnerUnavailable)
    created = hurried.create_file(file, idempotency_key=key)
    assert sandbox.state()["files"] == 1
    sandbox.faults(rates={kind: 1.0}, limit=1)
    leaving, key = event(created, EventKind.EXIT), uuid4()
    with pytest.raises(PartnerUnavailable):
        hurried.send_event(leaving, idempotency_key=key)
    assert hurried.send_event(leaving, idempotency_key=key).status is FileStatus.EXITED
    assert len(sandbox.state()["by_reference"][file.external_reference]["events"]) == 1


def test_a_creation_said_to_be_a_duplicate(hurried: AgoraHttp, sandbox: SandboxProcess) -> None:
    sandbox.faults(rates={"duplicate": 1.0}, scopes=["files"])
    file = make_file()
    with pytest.raises(PartnerDuplicate) as caught:
        hurried.create_file(file, idempotency_key=uuid4())
    assert caught.value.number == sandbox.state()["by_reference"][file.external_reference]["number"]


@pytest.mark.parametrize("kind", sorted(set(BEFORE) | set(AFTER) - {"wrong_number"}))
def test_faults_of_the_identity_search(hurried: AgoraHttp, sandbox: SandboxProcess, kind: str) -> None:
    sandbox.faults(rates={kind: 1.0})
    started = datetime.now(UTC)
    with pytest.raises(PartnerUnavailable):
        hurried.search_identity(SION)
    assert datetime.now(UTC) - started < timedelta(seconds=3)


def test_a_retry_after_date(hurried: AgoraHttp, sandbox: SandboxProcess) -> None:
    sandbox.faults(rates={"throttled": 1.0}, retry_after=30, retry_after_date=True)
    with pytest.raises(PartnerThrottled) as caught:
        hurried.search_identity(SION)
    assert caught.value.retry_after is not None
    assert 25 <= caught.value.retry_after <= 31


def test_latency_is_borne_within_the_budget(hurried: AgoraHttp, sandbox: SandboxProcess) -> None:
    sandbox.faults(latency_ms=100, jitter_ms=50)
    assert hurried.search_identity(SION).first_name == "ANDRE"
    sandbox.faults(latency_ms=2000)
    with pytest.raises(PartnerUnavailable, match=r"within 0\.7 s"):
        hurried.search_identity(SION)


@pytest.mark.parametrize(
    ("word", "failures"),
    [
        ("SATURE", 2),
        ("PANNE", 2),
        ("INDISPONIBLE", 2),
        ("MUET", 1),
        ("COUPE", 1),
        ("ILLISIBLE", 1),
        ("TRONQUE", 1),
        ("PAGEHTML", 1),
        ("MAUVAISEREFERENCE", 1),
        ("EXPIRE", 1),
    ],
)
@pytest.mark.parametrize("place", ["name", "reference"])
def test_a_magic_word_fails_for_a_while(hurried: AgoraHttp, sandbox: SandboxProcess, word: str, failures: int, place: str) -> None:
    file = make_file(f"{word}-7", nir="1620713155050", key="24") if place == "reference" else make_file(name=word, nir="1620713155050", key="24")
    key = uuid4()
    for _ in range(failures):
        with pytest.raises(PartnerUnavailable):
            hurried.create_file(file, idempotency_key=key)
    assert hurried.create_file(file, idempotency_key=key).status is FileStatus.ENTERED
    assert sandbox.state()["files"] == 1


def test_a_magic_word_may_fail_for_ever(hurried: AgoraHttp) -> None:
    file = make_file(name="Panne toujours", nir="1620713155050", key="24")
    for _ in range(4):
        with pytest.raises(PartnerUnavailable):
            hurried.create_file(file, idempotency_key=uuid4())
    with pytest.raises(PartnerRejected) as caught:
        hurried.create_file(make_file("REFUSE-1"), idempotency_key=uuid4())
    assert [detail.path for detail in caught.value.details] == ["holder.birth_date"]  # type: ignore[attr-defined]


def test_torture_leaves_one_file_each(sandbox: SandboxProcess) -> None:
    """Everything at once, a third of the answers spoilt, everybody tries again: one file each, its events in order, once."""
    sandbox.faults(
        rates=dict.fromkeys(
            ("throttled", "error", "unavailable", "expired_token", "cut", "late_error", "invalid_json", "truncated", "html", "duplicate", "wrong_reference"),
            0.03,
        ),
        retry_after=0,
        jitter_ms=5,
        seed=7,
    )
    transport = AgoraTransport(config_for(sandbox.url, budget=5.0))

    async def until_done(send: Callable[[], Any]) -> AgoraFileState:
        for _ in range(60):
            try:
                return await send()  # type: ignore[no-any-return]
            except PartnerDuplicate as duplicate:
                return duplicate.state  # type: ignore[no-any-return]
            except PartnerUnavailable:
                await asyncio.sleep(0.01)
        raise AssertionError("never done")

    async def life(client: Any, i: int) -> None:
        file, first, second, third = make_file(f"t-{i}"), uuid4(), uuid4(), uuid4()
        state = await until_done(lambda: transport.send(file, idempotency_key=first, client=client))
        leaving = event(state, EventKind.EXIT)
        await until_done(lambda: transport.send(leaving, idempotency_key=second, client=client))
        closing = event(state, EventKind.CLOSING, outcome=Outcome.FULL)
        last = await until_done(lambda: transport.send(closing, idempotency_key=third, client=client))
        assert last.status is FileStatus.CLOSED_FULL

    async def everybody() -> None:
        async with transport.open_client() as client:
            await asyncio.gather(*(life(client, i) for i in range(60)))

    asyncio.run(everybody())
    state = sandbox.state()
    assert state["files"] == state["statuses"]["CLOS_TOTALE"] == 60
    assert all([kind for kind, _day in file["events"]] == ["SORTIE", "CLOTURE"] for file in state["by_reference"].values())
    assert sum(state["faults"].values()) > 30


# --- the rest --------------------------------------------------------------------------------------------------------


def test_nobody_there() -> None:
    with pytest.raises(PartnerUnavailable, match="ConnectError"):
        AgoraHttp(config_for("http://127.0.0.1:9")).search_identity(SION)


def test_it_is_what_the_portal_and_the_outbox_ask_for(sandbox: SandboxProcess) -> None:
    port: AgoraPort = AgoraHttp(config_for(sandbox.url))
    transport: Transport = AgoraTransport(config_for(sandbox.url))
    assert port.search_identity(SION).first_name == "ANDRE"
    assert transport.max_concurrency == 16

    async def misuse() -> None:
        async with transport.open_client() as client:
            assert (await transport.send(SION, idempotency_key=uuid4(), client=client)).first_name == "ANDRE"
            with pytest.raises(TypeError):
                await transport.send("a file", idempotency_key=uuid4(), client=client)

    asyncio.run(misuse())


def test_nothing_personal_is_logged(agora: AgoraHttp, sandbox: SandboxProcess, caplog: pytest.LogCaptureFixture, new_file: NewFileFactory) -> None:
    caplog.set_level(logging.DEBUG)
    agora.search_identity(SION)
    created = agora.create_file(new_file(), idempotency_key=uuid4())
    agora.find_files(external_reference=created.external_reference)
    with pytest.raises(PartnerRejected):
        agora.search_identity(replace(SION, birth_name="INCONNU"))
    for secret in ("1620713155089", "SION", "Sion", "ANDRE", "1962", "eyJ"):
        assert secret not in caplog.text
    # the name of the scheme may stand there (a server says it in a 401), a credential may not
    assert not re.search(r"Bearer\s+\S", caplog.text)


SETTINGS = {
    "AGORA_URL": "https://agora.example.org/api/",
    "AGORA_CLIENT_ID": "portail",
    "AGORA_CLIENT_SECRET": "s",
    "AGORA_JWT_KEY": "k" * 40,
    "AGORA_FUNDER_SIRET": "20005379100014",
    "SECRET_KEY": "x" * 40,
}


def test_it_is_built_from_the_settings() -> None:
    config = build_config(SETTINGS)
    assert config.url == "https://agora.example.org/api/"
    assert len(config.pseudonym_key) == 32
    assert "k" * 40 not in repr(config)
    assert isinstance(build_agora(SETTINGS), AgoraHttp)
    assert isinstance(build_transport(SETTINGS), AgoraTransport)
    assert build_config(SETTINGS | {"AGORA_CONCURRENCY": "4"}).max_concurrency == 4
    with pytest.raises(ValueError, match="AGORA_JWT_KEY is missing"):
        build_config({name: value for name, value in SETTINGS.items() if name != "AGORA_JWT_KEY"})


@pytest.mark.parametrize(
    "url", ["http://agora.example.org", "ftp://127.0.0.1", "https://user:pass@agora.example.org", "https://agora.example.org/?x=1", "agora"]
)
def test_unsafe_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="AGORA_URL"):
        build_config(SETTINGS | {"AGORA_URL": url})
