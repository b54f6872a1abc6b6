"""The sandbox: it keeps the contract, keeps what it accepted, and says in one sentence why it will not start."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jsonschema_rs
import jwt
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import checks

from app.partners.agora import mapping
from app.partners.agora.http import AgoraHttp
from app.partners.agora.sandbox import contract, dsn, faults, journal, people, store, transitions
from app.partners.agora.sandbox.rules import Refused
from app.partners.errors import PartnerUnavailable
from tests.partners.conftest import JWT_KEY, ROOT, SECRET, SIRET, SandboxProcess, config_for, make_file, running_sandbox

pytestmark = pytest.mark.processes

DOCUMENT = yaml.safe_load(contract.PATH.read_text("utf-8"))
NEW_FILE = mapping.new_file_to_wire(make_file("e-1"))


def headers(sandbox: SandboxProcess, **more: str) -> dict[str, str]:
    form = {"grant_type": "client_credentials", "client_id": "portail", "client_secret": SECRET}
    token = httpx.post(f"{sandbox.url}/oauth/token", data=form, trust_env=False).json()["access_token"]
    claims = {"sub": "agent", "siret": SIRET, "but": "ESSAI", "iat": int(datetime.now(UTC).timestamp()), "jti": uuid4().hex}
    vector = jwt.encode(claims, JWT_KEY, algorithm="HS256")
    return {"authorization": f"Bearer {token}", "x-vecteur-identification": vector, "idempotency-key": str(uuid4())} | more


def post(sandbox: SandboxProcess, path: str, body: Any, sent: dict[str, str] | None = None) -> httpx.Response:
    return httpx.post(f"{sandbox.url}{path}", json=body, headers=sent or headers(sandbox), trust_env=False)


def validator(name: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}, validate_formats=True)


PROBLEM = validator("Probleme")


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert response.headers["content-type"] == "application/problem+json"
    PROBLEM.validate(problem)
    return problem


# --- the contract ----------------------------------------------------------------------------------------------------

schema = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), database=None)
def test_it_keeps_the_contract(case: schemathesis.Case, shared_sandbox: SandboxProcess) -> None:
    """Whatever is sent, nothing breaks, and what comes back is what the contract says."""
    sent = headers(shared_sandbox)
    if case.path != "/oauth/token":
        case.headers.update(sent)
    response = case.call(base_url=shared_sandbox.url)
    case.validate_response(response, checks=[checks.not_a_server_error, checks.response_schema_conformance, checks.content_type_conformance])
    if response.status_code >= 400:
        PROBLEM.validate(json.loads(response.content))


def test_a_file_and_its_replay(sandbox: SandboxProcess) -> None:
    sent = headers(sandbox)
    first, again = post(sandbox, "/v1/dossiers", NEW_FILE, sent), post(sandbox, "/v1/dossiers", dict(reversed(NEW_FILE.items())), sent)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    validator("Dossier").validate(first.json())
    refused(post(sandbox, "/v1/dossiers", NEW_FILE | {"dispositif": "X"}, sent), 422, "CLE_REUTILISEE")
    problem = refused(post(sandbox, "/v1/dossiers", NEW_FILE), 409, "DOSSIER_EXISTANT")
    assert problem["numeroDossier"] == first.json()["numeroDossier"]


def test_fifty_at_once_are_one(sandbox: SandboxProcess) -> None:
    sent = headers(sandbox)
    with ThreadPoolExecutor(10) as pool:
        same_key = list(pool.map(lambda _: post(sandbox, "/v1/dossiers", NEW_FILE, sent), range(25)))
        other_keys = list(pool.map(lambda _: post(sandbox, "/v1/dossiers", NEW_FILE, sent | {"idempotency-key": str(uuid4())}), range(25)))
    assert sorted(response.status_code for response in same_key) == [200] * 24 + [201]
    assert {response.status_code for response in other_keys} == {409}
    assert sandbox.state()["files"] == 1


def test_what_is_wrong_is_pointed_at(sandbox: SandboxProcess) -> None:
    wrong = json.loads(json.dumps(NEW_FILE))
    del wrong["dispositif"], wrong["titulaire"]["prenom"]
    wrong["dateEntree"] = "2026-02-30"
    wrong["titulaire"]["sexe"] = "X"
    problem = refused(post(sandbox, "/v1/dossiers", wrong), 422, "DONNEES_INVALIDES")
    assert {(item["champ"], item["code"]) for item in problem["erreurs"]} == {
        ("/dispositif", "DONNEE_OBLIGATOIRE"),
        ("/titulaire/prenom", "DONNEE_OBLIGATOIRE"),
        ("/dateEntree", "FORMAT_INVALIDE"),
        ("/titulaire/sexe", "VALEUR_INCONNUE"),
    }


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"authorization": "Bearer nobody"}, 401, "JETON_EXPIRE"),
        ({"authorization": "Basic eDp5"}, 401, "JETON_EXPIRE"),
        ({"idempotency-key": "twelve"}, 400, "ENTETE_INVALIDE"),
        ({"x-vecteur-identification": "a.b.c"}, 403, "VECTEUR_INVALIDE"),
        ({"x-vecteur-identification": jwt.encode({"sub": "x"}, JWT_KEY)}, 403, "VECTEUR_INVALIDE"),
        ({"x-vecteur-identification": jwt.encode({"sub": "x"}, "", algorithm="none")}, 403, "VECTEUR_INVALIDE"),
        ({"content-type": "text/plain"}, 415, "FORMAT_INVALIDE"),
    ],
)
def test_headers_are_checked(sandbox: SandboxProcess, changes: dict[str, str], status: int, code: str) -> None:
    refused(post(sandbox, "/v1/dossiers", NEW_FILE, headers(sandbox) | changes), status, code)
    assert sandbox.state()["files"] == 0


@pytest.mark.parametrize("name", ["idempotency-key", "x-vecteur-identification"])
def test_headers_are_required(sandbox: SandboxProcess, name: str) -> None:
    sent = headers(sandbox)
    del sent[name]
    assert refused(post(sandbox, "/v1/dossiers", NEW_FILE, sent), 400, "ENTETE_INVALIDE")["erreurs"][0]["champ"] == f"/header/{name}"


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"a": NaN}', b"[" * 50_000, b'"\\ud800"', b"9" * 6000])
def test_unreadable_bodies(sandbox: SandboxProcess, raw: bytes) -> None:
    sent = headers(sandbox) | {"content-type": "application/json"}
    refused(httpx.post(f"{sandbox.url}/v1/dossiers", content=raw, headers=sent, trust_env=False), 400, "JSON_INVALIDE")
    refused(httpx.post(f"{sandbox.url}/v1/dossiers", content=b" " * 300_000, headers=sent, trust_env=False), 413, "DEMANDE_TROP_GRANDE")


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"grant_type": "password", "client_id": "portail", "client_secret": SECRET},
        {"grant_type": "client_credentials", "client_id": "portail", "client_secret": "x"},
    ],
)
def test_credentials(sandbox: SandboxProcess, form: dict[str, str]) -> None:
    refused(httpx.post(f"{sandbox.url}/oauth/token", data=form, trust_env=False), 401, "CLIENT_INCONNU")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"type": "CLOTURE", "date": "2026-06-26"}, "/realisation"),
        ({"type": "SORTIE", "date": "2026-06-26", "realisation": "TOTALE"}, "/realisation"),
        ({"type": "SORTIE", "date": "2026-06-26", "enquete": {}}, "/enquete"),
        ({"type": "SORTIE", "date": "2025-06-26"}, "/date"),
        ({"type": "MODIFICATION", "date": "2026-06-26"}, "/modification"),
        ({"type": "MODIFICATION", "date": "2026-06-26", "modification": {"heuresCentre": -1}}, "/modification/heuresCentre"),
        ({"type": "MODIFICATION", "date": "2026-06-26", "modification": {"referenceExterne": "x"}}, "/modification"),
        ({"type": "FIN", "date": "2026-06-26"}, "/type"),
    ],
)
def test_events_that_make_no_sense(sandbox: SandboxProcess, body: dict[str, Any], pointer: str) -> None:
    number = post(sandbox, "/v1/dossiers", NEW_FILE).json()["numeroDossier"]
    problem = refused(post(sandbox, f"/v1/dossiers/{number}/evenements", body), 422, "DONNEES_INVALIDES")
    assert problem["erreurs"][0]["champ"] == pointer
    assert sandbox.state()["by_reference"]["e-1"]["version"] == 1


@pytest.mark.parametrize("query", ["limite=0", "limite=1001", "limite=x", "modifieDepuis=hier", "curseur=%C3%A9", "curseur=cjE"])
def test_queries(sandbox: SandboxProcess, query: str) -> None:
    response = httpx.get(f"{sandbox.url}/v1/dossiers?{query}", headers=headers(sandbox), trust_env=False)
    if query == "curseur=cjE":
        assert response.json() == {"dossiers": [], "curseurSuivant": None}
    else:
        refused(response, 422, "DONNEES_INVALIDES")


def test_unknown_addresses_are_problems(sandbox: SandboxProcess) -> None:
    refused(httpx.get(f"{sandbox.url}/v2", trust_env=False), 404, "ADRESSE_INCONNUE")
    refused(httpx.delete(f"{sandbox.url}/v1/dossiers", trust_env=False), 405, "METHODE_INTERDITE")


# --- administration --------------------------------------------------------------------------------------------------


def test_administration_is_not_for_web_pages(sandbox: SandboxProcess) -> None:
    assert httpx.get(f"{sandbox.url}/_admin/state", headers={"host": "evil.example.org"}, trust_env=False).status_code == 404
    assert httpx.get(f"{sandbox.url}/_admin/state", trust_env=False).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"rates": {"error": 2}},
        {"rates": {"error": 0.6, "cut": 0.6}},
        {"rates": {"x": 1}},
        {"latency_ms": -1},
        {"latency_ms": True},
        {"seed": "x"},
        {"scopes": ["x"]},
        {"other": 1},
    ],
)
def test_faults_that_make_no_sense(sandbox: SandboxProcess, wrong: Any) -> None:
    assert httpx.put(f"{sandbox.url}/_admin/faults", json=wrong, trust_env=False).status_code == 400


def test_chance_can_be_repeated() -> None:
    drawn = [[made.draw("files") for _ in range(200)] for made in (faults.Faults.from_json({"rates": {"cut": 0.2, "error": 0.3}, "seed": 5}) for _ in range(2))]
    assert drawn[0] == drawn[1]
    assert 20 < drawn[0].count("cut") < 65
    assert 35 < drawn[0].count("error") < 90
    limited = faults.Faults.from_json({"rates": {"cut": 1}, "limit": 3})
    assert [limited.draw("events") for _ in range(5)] == ["cut"] * 3 + [None] * 2
    assert limited.draw("token") is None


@pytest.mark.parametrize(
    ("name", "reference", "word"),
    [
        ("Panne", "e-1", "PANNE"),
        ("panne toujours", "", "PANNE TOUJOURS"),
        ("Panne-Toujours", "", "PANNE TOUJOURS"),
        ("PANNEAU", "", ""),
        ("DE PANNE", "", ""),
        ("Tronqué", "", "TRONQUE"),
        ("SION", "MUET-12", "MUET"),
        ("SION", "PANNE-TOUJOURS-12", "PANNE TOUJOURS"),
        ("SION", "enrolment:12", ""),
        ("", "", ""),
    ],
)
def test_magic_words(name: str, reference: str, word: str) -> None:
    assert faults.word_in(name, reference) == word


# --- people and transitions ------------------------------------------------------------------------------------------


def test_people() -> None:
    assert all(
        people.is_valid_nir(nir, people.key_of(nir)) and people.identity_of(nir, person.birth_name)["nomNaissance"] == person.birth_name
        for nir, person in people.KNOWN.items()
    )
    assert people.key_of("253072A073004") == "43"
    assert people.key_of("253072B073004") == "70"
    assert not people.is_valid_nir("3620713155089", people.key_of("3620713155089"))
    assert not people.is_valid_nir(None, "82")
    assert not people.name_agrees("1620713155089", "DURAND")
    assert not people.name_agrees("1620713155050", "--")


@given(st.from_regex(r"[12][0-9]{2}(0[1-9]|1[0-2]|[2-9][0-9])(2A|2B|[0-9]{2})[0-9]{6}", fullmatch=True), st.text(min_size=1))
@settings(max_examples=100, deadline=None)
def test_anybody_can_be_made_up(nir: str, name: str) -> None:
    if people.is_valid_nir(nir, people.key_of(nir)) and people.name_agrees(nir, name):
        identity = people.identity_of(nir, name)
        validator("Identite").validate(identity)
        assert identity == people.identity_of(nir, name)


def test_a_file_only_goes_forward() -> None:
    rank = {"EN_COURS_ELABORATION": 0, "VALIDE": 1, "ENTREE": 2, "SORTIE": 3, **dict.fromkeys(transitions.FINAL, 4)}
    assert all(rank[after] >= rank[before] for (before, _event), after in transitions.TABLE.items())
    assert not any(before in transitions.FINAL for before, _event in transitions.TABLE)
    assert {before for before, _event in transitions.TABLE} | set(transitions.TABLE.values()) == set(transitions.STATUSES)
    assert list(transitions.STATUSES) == DOCUMENT["components"]["schemas"]["Dossier"]["properties"]["statut"]["enum"]
    assert transitions.next_status("ENTREE", "INTERRUPTION", interrupted=True) is None
    assert transitions.next_status("ENTREE", "REPRISE") is None


def test_the_documentation_says_the_same() -> None:
    text = (ROOT / "docs" / "agora-sandbox.md").read_text("utf-8")
    assert transitions.as_markdown() in text
    for word in faults.WORDS:
        assert f"`{word}`" in text, word
    for kind in faults.KINDS:
        assert f"`{kind}`" in text, kind
    for nir, person in people.KNOWN.items():
        assert f"{nir} {people.key_of(nir)}" in text
        assert person.birth_name in text


# --- the disk --------------------------------------------------------------------------------------------------------


def test_it_keeps_its_state_even_when_killed(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "data") as sandbox:
        sent = headers(sandbox)
        number = post(sandbox, "/v1/dossiers", NEW_FILE, sent).json()["numeroDossier"]
        post(sandbox, f"/v1/dossiers/{number}/evenements", {"type": "SORTIE", "date": "2026-06-26"})
        before = sandbox.state()
        sandbox.stop(signal.SIGKILL)
    with (tmp_path / "data" / "journal.jsonl").open("ab") as file:
        file.write(b'{"file": {"number": "3040')  # torn by the kill
    with running_sandbox(tmp_path / "data") as sandbox:
        after = sandbox.state()
        assert after["by_reference"] == before["by_reference"]
        assert after["keys"] == 2
        assert post(sandbox, "/v1/dossiers", NEW_FILE, sent | headers(sandbox, **{"idempotency-key": sent["idempotency-key"]})).json()["version"] == 1
        assert post(sandbox, "/v1/dossiers", NEW_FILE | {"referenceExterne": "e-2"}).json()["numeroDossier"] == str(int(number) + 1)
        assert sandbox.stop() == 0


def test_killed_under_fire_it_keeps_all_it_answered(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        agora, answered = AgoraHttp(config_for(sandbox.url, client_secret=SECRET)), {}

        async def fire() -> None:
            exchange = agora._exchange
            async with exchange.open_client() as client:

                async def one(i: int) -> None:
                    file = make_file(f"k-{i}")
                    with contextlib.suppress(PartnerUnavailable):  # the rest meets a dead server
                        answered[f"k-{i}"] = await exchange.create_file(client, file, idempotency_key=uuid4())
                    if len(answered) == 100:
                        sandbox.process.kill()

                await asyncio.gather(*(one(i) for i in range(300)))

        asyncio.run(fire())
    assert 100 <= len(answered) < 300
    with running_sandbox(tmp_path) as sandbox:
        kept = sandbox.state()["by_reference"]
    assert all(kept[reference]["number"] == state.number for reference, state in answered.items())


def _run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.partners.agora.sandbox", "--data-dir", str(folder), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


def test_why_it_will_not_start(tmp_path: Path, sandbox: SandboxProcess) -> None:
    port = sandbox.url.rpartition(":")[2]
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "journal.jsonl").write_text("not json\n")
    (tmp_path / "file").write_text("")
    for folder, options, words in (
        (tmp_path / "a", ("--port", port), "ne peut être écoutée"),
        (sandbox.folder, ("--port", "0"), "déjà utilisé par un autre"),
        (damaged, ("--port", "0"), "abîmé à la ligne 1"),
        (tmp_path / "file", ("--port", "0"), "ne peut être utilisé"),
    ):
        done = _run(folder, *options)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert words in done.stderr


def test_it_loads_nothing_of_the_portal() -> None:
    program = "import sys, app.partners.agora.sandbox.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"flask", "sqlalchemy", "httpx", "redis", "structlog", "jwt", "cryptography"}
    assert {name for name in loaded if name.startswith("app.core")} == {"app.core", "app.core.clock", "app.core.lean"}  # as light as the standard library


def _filled(folder: Path) -> store.Store:
    held = store.Store(folder)

    async def fill() -> None:
        for i in range(5):
            file = held.create(NEW_FILE | {"referenceExterne": f"e-{i}"}, f"key-{i}", "d", "")
            for j in range(4):
                held.apply(file, {"type": "MODIFICATION", "date": "2026-01-05", "modification": {"heuresCentre": j}}, f"key-{i}-{j}", "d")
        await held.journal.flushed()

    asyncio.run(fill())
    return held


def test_compaction_forgets_nothing(tmp_path: Path) -> None:
    held = _filled(tmp_path)
    before = (dict(held.files), dict(held.keys), held.page(after=0, since=None, limit=100))
    held.keys = {key: value for key, value in held.keys.items() if key.count("-") == 1 and key != "key-4"}  # most lines outdated
    kept = dict(held.keys)
    held._compact_at = 1
    held.compact_if_worth()
    held.journal.close()
    again = store.Store(tmp_path)
    assert again.journal.lines == 5
    assert again.files == before[0]
    assert again.keys == kept
    assert again.page(after=0, since=None, limit=100) == before[2]
    again.journal.close()


def test_a_full_disk_takes_back_what_was_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = _filled(tmp_path)

    async def overflow() -> None:
        def full(_descriptor: int, _data: Any) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        held.create(NEW_FILE | {"referenceExterne": "lost"}, "lost", "d", "")
        with pytest.raises(journal.JournalError, match="ne peut être écrit"):
            await held.journal.flushed()

    asyncio.run(overflow())
    monkeypatch.undo()
    held.recover()
    assert "lost" not in held.references
    assert len(held.files) == 5
    held.journal.close()


def test_pages_follow_changes(tmp_path: Path) -> None:
    held = _filled(tmp_path)
    first, rank = held.page(after=0, since=None, limit=2)
    assert [file.reference for file in first] == ["e-0", "e-1"]
    assert rank is not None
    rest, end = held.page(after=rank, since=None, limit=3)
    assert [file.reference for file in rest] == ["e-2", "e-3", "e-4"]
    assert end is None
    later = store.instant(datetime.now(UTC) + timedelta(days=1))
    assert held.page(after=0, since=later, limit=3) == ([], None)
    with pytest.raises(Refused, match="CLE_REUTILISEE"):
        held.replay("key-1", "another")
    held.journal.close()


# --- the weekly file -------------------------------------------------------------------------------------------------


def test_the_weekly_file_can_be_read_back(tmp_path: Path) -> None:
    held = store.Store(tmp_path)

    async def fill() -> None:
        for i in range(200):
            file = held.create(NEW_FILE | {"referenceExterne": f"e-{i}"}, f"key-{i}", "d", "")
            held.apply(file, {"type": "SORTIE", "date": "2026-01-08"}, f"out-{i}", "d")
        await held.journal.flushed()

    asyncio.run(fill())
    held.journal.close()
    now = datetime(2027, 6, 1, tzinfo=UTC)
    seen = set()
    for week in ("2026-W02", "2026-W15", "2026-W28", "2027-W01"):
        text = dsn.weekly_file(held.files.values(), week, now=now)
        assert text is not None
        assert text == dsn.weekly_file(held.files.values(), week, now=now)
        found = mapping.weekly_dsn_from_csv(week, text.encode())
        assert found.jobs
        assert not found.unreadable
        seen |= {str(job.position) for job in found.jobs}
    assert seen == {"entry", "exit", "month_3", "month_6", "month_12"}
    for week in ("2027-W30", "2026-W60"):
        assert dsn.weekly_file(held.files.values(), week, now=now) is None
