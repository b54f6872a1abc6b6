"""The small parts of the launcher."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher import keys, place, process, settings, translations, venv
from launcher.errors import LaunchError, sentence_for
from launcher.parts import instance_environment
from launcher.settings import Plan


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "keys.env"
    first = keys.load(path)
    assert keys.load(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(keys.PORTAL_KEYS) | set(keys.SERVER_PASSWORDS) == set(first)
    path.write_text("".join(f"{k}={v}\n" for k, v in first.items() if k != "AUDIT_KEY"))
    again = keys.load(path)
    assert {k: v for k, v in again.items() if k != "AUDIT_KEY"} == {k: v for k, v in first.items() if k != "AUDIT_KEY"}
    assert again["AUDIT_KEY"] != first["AUDIT_KEY"]


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    held = place.take_lock(tmp_path / "lock", "Déjà utilisé")
    with pytest.raises(LaunchError, match=rf"^Déjà utilisé \(processus {os.getpid()}\)\.$"):
        place.take_lock(tmp_path / "lock", "Déjà utilisé")
    held.close()
    place.take_lock(tmp_path / "lock", "Déjà utilisé").close()


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "Le disque est plein"), (errno.EACCES, "Droits insuffisants"), (errno.EROFS, "lecture seule"), (errno.EIO, "Impossible de")],
)
def test_system_errors_become_sentences(number: int, words: str) -> None:
    said = sentence_for(OSError(number, os.strerror(number)), "écrire les données")
    assert words in said
    assert said.endswith(".")


def test_a_full_disk_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 12 * 1024 * 1024

    monkeypatch.setattr(place.shutil, "disk_usage", lambda _path: Usage)
    with pytest.raises(LaunchError, match="^Le disque est plein : il reste 12 Mo"):
        place.open_place(tmp_path / "data")


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.env"
    keys.write_private(path, "before\n")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keys.os, "fsync", full)
    with pytest.raises(LaunchError, match="Le disque est plein"):
        keys.write_private(path, "after\n")
    assert path.read_text() == "before\n"
    assert list(tmp_path.iterdir()) == [path]


def test_sockets_stay_within_their_length_and_private(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["un-dossier-au-nom-assez-long"] * 4)
    found = place.open_place(deep)
    try:
        assert len(os.fsencode(found.sockets / ".s.PGSQL.5432")) <= place.SOCKET_PATH_LIMIT
        assert stat.S_IMODE(found.sockets.stat().st_mode) == 0o700
    finally:
        found.remove_storage()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as somebody else")
def test_root_keeps_data_where_their_user_may_go_and_loosens_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    found = place.open_place(home / "data")
    try:
        assert found.account is not None
        assert found.account.uid != 0
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert found.storage.is_relative_to(place.SYSTEM_ROOT)
        assert place.reachable(found.storage, found.account)
        assert place.open_place(home / "data").storage == found.storage
        (home / "copy").mkdir(mode=0o700)
        (home / "copy" / "storage").write_text((home / "data" / "storage").read_text())
        with pytest.raises(LaunchError, match="est une copie de"):
            place.open_place(home / "copy")
        home.joinpath("data").rename(home / "moved")
        assert place.open_place(home / "moved").storage == found.storage
    finally:
        found.remove_storage()


def test_port_in_use_is_told_with_the_way_out() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert f"Le port {port} est déjà utilisé" in (settings.port_problem("127.0.0.1", port) or "")
        assert settings.free_port(port) != port
    assert settings.port_problem("127.0.0.1", port) is None
    assert "est inconnu" in (settings.port_problem("nulle-part.invalid", port) or "est inconnu")


@pytest.mark.parametrize(
    ("env", "demo", "postgres", "redis", "sandbox"),
    [
        ({}, True, True, True, True),
        ({"DEMO": "0"}, False, True, True, True),
        ({"DEMO": "0", "AGORA_URL": "http://127.0.0.1:1", "AGORA_CLIENT_ID": "x", "AGORA_FUNDER_SIRET": "20005379100014"}, False, True, True, False),
        ({"DEMO": "1", "DATABASE_URL": "postgresql://a@127.0.0.1/b", "REDIS_URL": "redis://127.0.0.1/0"}, True, False, False, True),
    ],
)
def test_what_a_start_embeds(env: dict[str, str], demo: bool, postgres: bool, redis: bool, sandbox: bool) -> None:
    plan = Plan.from_env(env)
    assert (plan.demo, plan.embedded_postgres, plan.embedded_redis, plan.own_sandbox) == (demo, postgres, redis, sandbox)


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"HOST": "0.0.0.0"}, "Le mode démonstration refuse HOST=0.0.0.0"),
        ({"HOST": "0.0.0.0", "DEMO": "0"}, "PUBLIC_URL manque"),
        ({"DATABASE_URL": "postgresql://a@db/b"}, "REDIS_URL|manque"),
        ({"PORTAL_ENV": "production"}, "manquent"),
        ({"PORT": "0"}, "PORT vaut « 0 »"),
        ({"DEMO": "si"}, "DEMO vaut « si »"),
        ({"DATABASE_URL": "oracle://x", "DEMO": "1"}, "DATABASE_URL n’est pas une adresse valable"),
    ],
)
def test_a_start_is_refused_in_one_sentence(env: dict[str, str], sentence: str) -> None:
    with pytest.raises(LaunchError, match=sentence) as caught:
        Plan.from_env(env)
    assert "\n" not in str(caught.value)


def test_the_environment_of_the_parts_is_complete() -> None:
    env = Plan.from_env({"PORT": "8123", "SECRET_KEY": "x" * 8 + "une clé de la personne qui lance"}).environment(
        keys.generate(), "postgresql://portal_app@/portail?host=/s", "postgresql://portal_owner@/portail?host=/s", "unix:///s/redis.sock", 8222
    )
    assert env["AGORA_URL"] == "http://127.0.0.1:8222"
    assert env["SECRET_KEY"].endswith("la personne qui lance")
    assert env["DEMO"] == "1"


def test_a_part_joins_the_instance_that_runs(tmp_path: Path) -> None:
    assert instance_environment({"DATA_DIR": str(tmp_path)}) == {}
    (tmp_path / "instance.env").write_text("DATABASE_URL=postgresql://a@/b?host=/c&port=5432\nPORT=8001\n")
    assert instance_environment({"DATA_DIR": str(tmp_path), "PORT": "9"}) == {"DATABASE_URL": "postgresql://a@/b?host=/c&port=5432"}
    assert instance_environment({"DATA_DIR": str(tmp_path), "DATABASE_URL": "postgresql://elsewhere/b"}) == {}


def test_code_digest_follows_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "x.py").write_text("1")
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    first = settings.code_digest(demo=True)
    assert settings.code_digest(demo=True) == first
    assert settings.code_digest(demo=False) != first
    (tmp_path / "app" / "x.py").write_text("1 + 1")
    assert settings.code_digest(demo=True) != first


def test_environment_is_current_only_with_the_same_requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venv, "ROOT", tmp_path)
    monkeypatch.setattr(venv, "VENV", tmp_path / ".venv")
    (tmp_path / "requirements.txt").write_text("a==1\n")
    (tmp_path / "requirements-dev.txt").write_text("b==1\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    assert not venv._current(dev=False)
    venv._stamp("requirements.txt").write_text(venv._digest("requirements.txt") + "\n")
    assert venv._current(dev=False)
    assert not venv._current(dev=True)
    (tmp_path / "requirements.txt").write_text("a==2\n")
    assert not venv._current(dev=False)


def test_requirements_are_pinned_hashed_and_name_no_host() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (venv.ROOT / name).read_text()
        assert "--hash=sha256:" in text
        assert not any(word in text for word in ("--index-url", "--extra-index-url", "--find-links", "--trusted-host", "file:/", "http:/"))
        pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert all("==" in line for line in pinned)


def test_stale_catalogues_are_compiled(tmp_path: Path) -> None:
    folder = tmp_path / "fr" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    source = folder / "messages.po"
    source.write_text('msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Yes"\nmsgstr "Oui"\n')
    assert translations.compile_stale(tmp_path) == 1
    assert (folder / "messages.mo").exists()
    assert translations.compile_stale(tmp_path) == 0
    os.utime(source, (time.time() + 5, time.time() + 5))
    assert translations.compile_stale(tmp_path) == 1


def _child(tmp_path: Path, code: str, **options: object) -> process.Child:
    return process.Child("test", [sys.executable, "-c", code], process.bare_environment(), tmp_path / "log", **options)  # type: ignore[arg-type]


@pytest.mark.processes
def test_a_child_runs_logs_and_stops(tmp_path: Path) -> None:
    child = _child(tmp_path, "import time; print('là', flush=True); time.sleep(60)")
    child.start()
    limit = time.monotonic() + 10
    while "là" not in child.last_words() and time.monotonic() < limit:
        time.sleep(0.02)
    assert "là" in child.last_words()
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600
    child.stop()
    assert child.exit_code() == -signal.SIGTERM


@pytest.mark.processes
def test_a_child_that_will_not_stop_is_made_to(tmp_path: Path) -> None:
    child = _child(tmp_path, "import signal, time; signal.signal(15, signal.SIG_IGN); print('sourd', flush=True); time.sleep(60)", stop_timeout=0.3)
    child.start()
    limit = time.monotonic() + 10
    while "sourd" not in child.last_words() and time.monotonic() < limit:
        time.sleep(0.02)
    child.stop()
    assert child.exit_code() == -signal.SIGKILL


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="a promise of Linux")
def test_children_die_with_their_parent(tmp_path: Path) -> None:
    code = (
        f"import sys, time; sys.path.insert(0, {str(venv.ROOT)!r})\n"
        "from pathlib import Path; from launcher import process\n"
        f"c = process.Child('x', ['/bin/sleep', '60'], process.bare_environment(), Path({str(tmp_path)!r}, 'log'))\n"
        "c.start(); time.sleep(0.5); print(c.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
        assert process.alive(pid)
        parent.kill()
        parent.wait()
    limit = time.monotonic() + 5
    while process.alive(pid) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not process.alive(pid)
