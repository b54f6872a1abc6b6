"""The embedded servers, for real: rights, crashes, locks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from redis import Redis as Client

from launcher import process
from launcher.embedded import LaunchError, Postgres, Redis, start_postgres, start_redis
from launcher.place import open_place, private_folder
from launcher.venv import ROOT

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="portail-embedded-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def server(folder: Path) -> Iterator[Postgres]:
    running = start_postgres(folder)
    yield running
    running.stop()


def one(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question).fetchone()  # type: ignore[arg-type]
    return row[0] if row else None


def test_roles_have_the_rights_of_their_part_and_no_more(server: Postgres) -> None:
    assert str(one(server.superuser_url, "SHOW server_version")).startswith("18")
    assert one(server.superuser_url, "SHOW listen_addresses") == ""
    rights = "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolinherit AND rolname = 'portal_app' FROM pg_roles WHERE rolname = current_user"
    assert one(server.app_url, rights) is False
    assert one(server.owner_url, rights) is False
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert one(server.app_url, owner) == "portal_owner"
    with psycopg.connect(server.app_url) as connection:
        for role in ("portal_tenant", "portal_region", "portal_support", "portal_system", "portal_observer", "portal_limited"):
            connection.execute(f"SET LOCAL ROLE {role}")  # type: ignore[arg-type]
        connection.execute("RESET ROLE")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SET LOCAL ROLE portal_owner")
    with psycopg.connect(server.app_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TABLE forbidden (x int)")


def test_nobody_signs_in_without_the_password(server: Postgres) -> None:
    without = server.app_url.replace(server.passwords["PG_APP_PASSWORD"], "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(without)


def test_nothing_personal_in_the_server_s_log(server: Postgres) -> None:
    with psycopg.connect(server.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS person (nir text UNIQUE)")
        connection.execute("DELETE FROM person")
        connection.execute("INSERT INTO person VALUES ('162071315508982')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO person VALUES ('162071315508982')")
    assert "162071315508982" not in server.child.log.read_text()


def test_a_folder_is_opened_once(server: Postgres, folder: Path) -> None:
    with pytest.raises(LaunchError, match="déjà utilisé par une instance en marche"):
        start_postgres(folder)


def test_lost_keys_are_told_not_replaced(server: Postgres, folder: Path) -> None:
    server.stop()
    kept = folder / "keys.env"
    kept.rename(folder / "elsewhere")
    try:
        with pytest.raises(LaunchError, match=r"keys\.env a disparu"):
            start_postgres(folder)
        assert not kept.exists()
    finally:
        (folder / "elsewhere").rename(kept)


@pytest.mark.skipif(sys.platform != "linux", reason="leftovers are found through /proc")
@pytest.mark.parametrize("postmaster_too", [False, True])
def test_killed_whole_it_starts_again_with_every_commit(folder: Path, postmaster_too: bool) -> None:
    code = (
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import psycopg; from launcher.embedded import *\n"
        f"p = start_postgres({str(folder)!r}); r = start_redis({str(folder)!r})\n"
        "c = psycopg.connect(p.owner_url, autocommit=True); c.execute('CREATE TABLE IF NOT EXISTS kept (x int)'); c.execute('INSERT INTO kept VALUES (1)')\n"
        f"os.kill(p.child.pid, 9) if {postmaster_too} else None\n"
        "os.kill(r.child.pid, 9)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    with psycopg.connect(_started(folder).owner_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (x int)")
        before = connection.execute("SELECT count(*) FROM kept").fetchone()
    _stop_all()
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == -signal.SIGKILL
    after = one(_started(folder).owner_url, "SELECT count(*) FROM kept")
    redis = start_redis(folder)
    assert redis.answers()
    redis.stop()
    _stop_all()
    assert before is not None
    assert after == before[0] + 1


_running: list[Postgres] = []


def _started(folder: Path) -> Postgres:
    _running.append(start_postgres(folder))
    return _running[-1]


def _stop_all() -> None:
    while _running:
        _running.pop().stop()


def test_a_creation_killed_half_way_is_made_again(tmp_path: Path) -> None:
    found = open_place(tmp_path)
    private_folder(found.storage / "postgres", found.account)
    half = private_folder(found.storage / "postgres" / "data.new", found.account)
    (half / "PG_VERSION").write_text("18\n")
    running = start_postgres(tmp_path)
    assert one(running.app_url, "SELECT 1") == 1
    running.stop(remove=True)
    assert not (found.storage / "postgres").exists()


@pytest.fixture
def queue(folder: Path) -> Iterator[Redis]:
    running = start_redis(folder)
    yield running
    running.stop()


def test_redis_keeps_its_queue_and_refuses_rather_than_forgets(queue: Redis) -> None:
    client = Client.from_url(queue.url)
    assert client.config_get("appendonly")["appendonly"] == "yes"
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    assert client.config_get("port")["port"] == "0"
    client.set("kept", "yes")
    client.close()
    time.sleep(1.2)  # the append-only file is synced every second
    os.kill(queue.child.pid, signal.SIGKILL)
    limit = time.monotonic() + 5
    while queue.child.running() and time.monotonic() < limit:
        time.sleep(0.02)
    queue.start()
    queue.wait_ready()
    client = Client.from_url(queue.url)
    assert client.get("kept") == b"yes"
    client.close()


def test_a_server_that_outlived_its_parent_gives_way(folder: Path) -> None:
    first = start_redis(folder)
    first.lock.close()  # as if the process that held it were dead
    second = start_redis(folder)
    first.child.wait_stopped()
    assert not process.alive(first.child.pid)
    assert second.answers()
    second.stop()
