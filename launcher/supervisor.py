"""Starts every part on this machine, watches them, restarts what dies and stops all of it in order."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from launcher import keys, postgres, process, redis_server, translations
from launcher.errors import REFUSED, LaunchError, sentence_for
from launcher.place import Place, open_place, take_lock
from launcher.process import Child
from launcher.settings import AGORA_OFFSET, ROOT, Plan, code_digest, free_port, port_problem

DEMO_ACCOUNTS = ("admin", "region", "support", "principal", "secondaire", "autre-of")
DEMO_PASSWORD = "Portail-demo-2026"  # noqa: S105 - public: the demonstration only
READY_SECONDS = 120.0
STABLE_SECONDS = 60.0
LOG_LIMIT = 20 * 1024 * 1024
FIRST_FAILURES = 4
# What a page needs comes first; the rest would only slow that start down.
FIRST = (("web",), ("agora-sandbox",), ("worker", "front"))
LATER = (("worker", "back"), ("scheduler",))


class _Stop(BaseException):
    """Somebody asked the launcher to stop."""


@dataclass
class Service:
    """A child that must always run."""

    child: Child
    start: Callable[[], None]
    failures: int = 0
    retry_at: float = 0.0


@dataclass
class Supervisor:
    """One running installation."""

    plan: Plan
    place: Place
    lock: IO[str]
    began: float
    services: list[Service] = field(default_factory=list)
    postgres: postgres.Postgres | None = None
    redis: redis_server.Redis | None = None
    ready: bool = False
    _stopping: bool = False
    _hurried: bool = False
    _wakeup: tuple[int, int] = (-1, -1)
    _logs_checked: float = 0.0

    # -- life --------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """From the first server to the last goodbye; the exit code."""
        self._watch_signals()
        try:
            env = self._engines()
            self._prepare_database(env)
            self._parts(env, FIRST)
            self._until_ready()
            self._parts(env, LATER)
            self._greet()
            while True:
                self._sleep(1.0)
                self._look_after()
        except _Stop:
            return 0
        finally:
            self._stop_all()

    def _watch_signals(self) -> None:
        reader, writer = os.pipe()
        for end in (reader, writer):
            os.set_blocking(end, False)
        self._wakeup = (reader, writer)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _on_signal(self, number: int, _frame: object) -> None:
        if self._stopping:
            self._hurried = number == signal.SIGINT
            return
        self._stopping = True
        raise _Stop

    def _sleep(self, seconds: float) -> None:
        """Waits, at most that long: the end of a child cuts it short."""
        if select.select([self._wakeup[0]], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup[0], 512)

    # -- start -------------------------------------------------------------------------------------------------------

    def _engines(self) -> dict[str, str]:
        """Starts the embedded servers and returns the environment of the parts."""
        kept = postgres.load_keys(self.place) if self.plan.keys_allowed or self.plan.embedded_postgres else {}
        self._check_mode()
        if self.plan.embedded_postgres:
            self.postgres = postgres.prepare(self.place, kept)
        if self.plan.embedded_redis:
            self.redis = redis_server.prepare(self.place)
        agora_port = free_port(self.plan.port + AGORA_OFFSET) if self.plan.own_sandbox else 0
        env = self.plan.environment(
            kept,
            self.postgres.app_url if self.postgres else "",
            self.postgres.owner_url if self.postgres else "",
            self.redis.url if self.redis else "",
            agora_port,
        )
        for server in (self.postgres, self.redis):
            if server is not None:
                service = Service(server.child, server.start)
                service.start()
                self.services.append(service)
        self._note_children()
        if self.redis:
            self.redis.wait_ready()
        if self.postgres:
            self.postgres.wait_ready()
            self.postgres.provision()
        keys.write_private(self.place.data_dir / "instance.env", "".join(f"{name}={env[name]}\n" for name in sorted(_instance_names(env))))
        return env

    def _check_mode(self) -> None:
        """Demonstration data and real data never share a folder: the demonstration's passwords are public."""
        if not self.plan.embedded_postgres:
            return
        note, mode = self.place.data_dir / "mode", "demo" if self.plan.demo else "real"
        known = note.read_text(encoding="utf-8").strip() if note.exists() else ""
        if not known:
            keys.write_private(note, f"{mode}\n")
        elif known != mode and known == "demo":
            raise LaunchError(f"{self.place.data_dir} contient la démonstration, dont les comptes sont publics : avec DEMO=0, choisissez un autre DATA_DIR.")
        elif known != mode:
            raise LaunchError(f"{self.place.data_dir} contient des données réelles : la démonstration y est refusée, ajoutez DEMO=0 ou choisissez un autre DATA_DIR.")

    def _prepare_database(self, env: Mapping[str, str]) -> None:
        """Migrations, roles and demonstration; skipped when neither the code nor the database has changed since."""
        translations.compile_stale()
        digest = code_digest(self.plan.demo)
        stamp = self.place.data_dir / "prepared.json"
        revision = self._revision()
        with contextlib.suppress(OSError, ValueError):
            if revision and json.loads(stamp.read_text()) == {"code": digest, "revision": revision}:
                return
        _say("Préparation de la base de données…")
        log = self.place.logs / "migrate.log"
        step = Child("migrate", _command("migrate"), dict(env), log, cwd=ROOT)
        log.unlink(missing_ok=True)
        step.start()
        try:
            while step.running():
                self._sleep(1.0)
        except _Stop:
            step.stop()
            raise
        if step.exit_code():
            raise LaunchError(_last_sentence(step, "La base de données n’a pas pu être préparée"))
        if self.postgres:
            keys.write_private(stamp, json.dumps({"code": digest, "revision": self._revision()}))

    def _revision(self) -> str:
        """The schema revision of the embedded database; empty when there is none yet or the database is elsewhere."""
        if not self.postgres:
            return ""
        question = "SELECT to_regclass('public.alembic_version') IS NOT NULL"
        if self.postgres.psql("-c", question, database=postgres.DATABASE) != "t":
            return ""
        return self.postgres.psql("-c", "SELECT string_agg(version_num, ',' ORDER BY version_num) FROM public.alembic_version", database=postgres.DATABASE)

    def _parts(self, env: Mapping[str, str], wanted: tuple[tuple[str, ...], ...]) -> None:
        """Starts some parts, each in a process of its own."""
        for arguments in wanted:
            name = "-".join(arguments)
            if name == "agora-sandbox" and not self.plan.own_sandbox:
                continue
            patience = 25.0 if name == "web" else 15.0
            child = Child(name, _command(*arguments), {**env, "PORTAL_PROCESS": name}, self.place.logs / f"{name}.log", cwd=ROOT, stop_timeout=patience)
            service = Service(child, child.start)
            service.start()
            self.services.append(service)
        self._note_children()

    def _until_ready(self) -> None:
        limit = time.monotonic() + READY_SECONDS
        while not self._answers():
            if time.monotonic() > limit:
                raise LaunchError(f"Le portail ne répond pas après {READY_SECONDS:.0f} s : voyez les journaux de {self.place.logs}.")
            self._sleep(0.15)
            self._look_after()
        self.ready = True

    def _answers(self) -> bool:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.plan.host, self.plan.host)  # noqa: S104 - compared, not bound
        question = f"GET /readyz HTTP/1.0\r\nHost: {self.plan.host}:{self.plan.port}\r\n\r\n"  # http.client would bring all of TLS with it
        try:
            with socket.create_connection((host.strip("[]"), self.plan.port), timeout=5) as line:
                line.sendall(question.encode())
                return line.makefile("rb").readline(80).split()[1:2] == [b"200"]
        except OSError:
            return False

    def _greet(self) -> None:
        plan = self.plan
        _say("")
        _say(f"Le portail est prêt ({time.monotonic() - self.began:.0f} s).")
        _say(f"  Adresse   {plan.address}")
        if plan.demo:
            _say(f"  Comptes   {', '.join(DEMO_ACCOUNTS)} — mot de passe {DEMO_PASSWORD}")
        else:
            prefix = "" if plan.data_dir == ROOT / "instance" else f"DATA_DIR={plan.data_dir} "
            _say(f"  Comptes   aucun n’est créé d’office ; le premier administrateur : {prefix}python run.py flask create-admin")
        if plan.own_sandbox:
            _say("  AGORA     simulateur local (donnez AGORA_URL pour le vrai service)")
        _say(f"  Données   {self.place.data_dir}" + (f" et {self.place.storage}" if self.place.storage != self.place.data_dir else ""))
        _say(f"  Journaux  {self.place.logs}")
        _say("  Arrêt     Ctrl-C")
        _say("ready")

    # -- watch -------------------------------------------------------------------------------------------------------

    def _look_after(self) -> None:
        """Restarts what died, after a pause that doubles while it keeps dying."""
        now = time.monotonic()
        for service in self.services:
            child = service.child
            if child.running():
                if service.failures and now - child.started_at > STABLE_SECONDS:
                    service.failures = 0
            elif not service.retry_at:
                service.failures += 1
                if not self.ready and service.failures >= FIRST_FAILURES:
                    raise LaunchError(_last_sentence(child, f"« {child.name} » ne démarre pas"))
                pause = min(0.5 * 2 ** (service.failures - 1), 30.0)
                service.retry_at = now + pause
                _say(f"[{child.name}] s’est arrêté ({_how(child.exit_code())}) ; redémarrage dans {pause:g} s (journal : {child.log}).")
            if service.retry_at and now >= service.retry_at:
                self._restart(service)
        if now - self._logs_checked > 30:
            self._logs_checked = now
            self._turn_logs()

    def _restart(self, service: Service) -> None:
        service.retry_at = 0.0
        try:
            if service.child.name == "web":  # its processes outlive a master killed with -9 for a moment, and hold the port
                for pid in process.session_of(service.child.pid):
                    process.end_leftover(pid, ((signal.SIGTERM, 2.0), (signal.SIGKILL, 1.0)))
            service.start()
        except LaunchError as error:
            _say(f"[{service.child.name}] {error}")
        except OSError as error:
            _say(f"[{service.child.name}] {sentence_for(error, 'le redémarrer')}")
        self._note_children()

    def _turn_logs(self) -> None:
        """Keeps each log under a limit, with one older file beside it; the processes go on writing."""
        for path in self.place.logs.glob("*.log"):
            with contextlib.suppress(OSError):
                if path.stat().st_size > LOG_LIMIT:
                    os.replace(_copy(path), path.with_suffix(".log.1"))
                    os.truncate(path, 0)

    # -- notes for a later start ---------------------------------------------------------------------------------------------------

    def _note_children(self) -> None:
        """Writes down what runs, so that a later start can end what outlives a `kill -9` of this process."""
        running = [{"name": s.child.name, "pid": s.child.pid, "start": process.start_time(s.child.pid)} for s in self.services if s.child.running()]
        with contextlib.suppress(LaunchError):  # a full disk must not stop a running portal
            keys.write_private(self.place.data_dir / "children.json", json.dumps(running))

    # -- stop --------------------------------------------------------------------------------------------------------

    def _stop_all(self) -> None:
        """Parts first, all at once; then Redis, and PostgreSQL last."""
        self._stopping = True
        engines = [server.child for server in (self.redis, self.postgres) if server]
        parts = [service.child for service in self.services if service.child not in engines]
        if any(child.running() for child in (*parts, *engines)):
            _say("Arrêt…")
        for child in parts:
            child.signal(child.stop_signal)
        for child in parts:
            if self._hurried:
                child.stop_timeout = 0.5
            child.wait_stopped()
        for server in (self.redis, self.postgres):
            if server:
                server.stop()
        for name in ("children.json", "instance.env"):
            with contextlib.suppress(OSError):
                (self.place.data_dir / name).unlink(missing_ok=True)
        self.lock.close()


def start(env: Mapping[str, str]) -> int:
    """``python run.py``: returns the exit code; LaunchError is one sentence for the error output."""
    began = time.monotonic()
    plan = Plan.from_env(env)
    if not plan.data_dir.exists():  # a refused first start leaves nothing behind
        _check_port(plan, 0.0)
    place = open_place(plan.data_dir)
    lock = take_lock(place.data_dir / "instance.lock", f"Le dossier de données {place.data_dir} est déjà utilisé par une instance en marche")
    crashed = (place.data_dir / "children.json").exists()
    _end_leftovers(place)
    _check_port(plan, 8.0 if crashed else 0.0)
    try:
        return Supervisor(plan, place, lock, began).run()
    except OSError as error:
        raise LaunchError(sentence_for(error, "démarrer le portail")) from None


def _end_leftovers(place: Place) -> None:
    """Ends what an instance killed with -9 left behind, PostgreSQL excepted (it sees to its own)."""
    note = place.data_dir / "children.json"
    try:
        known: list[dict[str, Any]] = [item for item in json.loads(note.read_text()) if item["start"] and item["name"] != "postgres"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    left = [int(item["pid"]) for item in known if process.start_time(int(item["pid"])) == item["start"]]
    for pid in left:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)
    for pid in left:
        process.end_leftover(pid, ((signal.SIGTERM, 2.0), (signal.SIGKILL, 4.0)))
    for item in known:  # a job under way, a web process whose master is dead
        for pid in process.session_of(int(item["pid"])):
            if process.environment_has(pid, "DATA_DIR", str(place.data_dir)):
                process.end_leftover(pid, ((signal.SIGKILL, 2.0),))


def _check_port(plan: Plan, patience: float) -> None:
    """A busy port is an error; after a `kill -9` it is given the instants it takes to be let go. Raises LaunchError."""
    limit = time.monotonic() + patience
    while problem := port_problem(plan.host, plan.port):
        if "déjà utilisé" not in problem or time.monotonic() >= limit:
            raise LaunchError(problem)
        time.sleep(0.2)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "run.py"), *arguments]


def _instance_names(env: Mapping[str, str]) -> set[str]:
    """The variables another command needs to join this instance: everything given to or made by this start, and nothing of the shell."""
    own = {"HOST", "PORT", "DEMO", "DATA_DIR", "DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "AGORA_URL", "AGORA_CLIENT_ID", "AGORA_FUNDER_SIRET"}
    own |= set(keys.PORTAL_KEYS) | {"PUBLIC_URL", "SMTP_URL", "MAIL_FROM", "REGION_NAME", "PORTAL_NAME", "LOG_LEVEL", "LOG_FORMAT", "TRUSTED_PROXIES", "PORTAL_ENV", "SECOND_FACTOR_REQUIRED"}
    own |= {"DOCUMENT_MAX_MB", "DOCUMENT_MAX_COUNT", "DOCUMENT_QUOTA_MB", "IDENTITY_DOCUMENT_DAYS"}
    return {name for name in own if env.get(name) and "\n" not in env[name]}


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"code {code}"


def _last_sentence(child: Child, otherwise: str) -> str:
    """What a part said last: its own sentence when it gave one, else `otherwise` and the end of its log."""
    lines = [line.strip() for line in child.last_words(30).splitlines() if line.strip() and not line.startswith((" ", "\t"))]
    last = lines[-1] if lines else "aucun message"
    if any("No space left on device" in line for line in lines):
        return f"Le disque est plein : {otherwise[0].lower()}{otherwise[1:]} ; libérez de la place, puis relancez."
    return last if child.exit_code() == REFUSED else f"{otherwise} : {last} (journal : {child.log})."


def _copy(path: Path) -> Path:
    """A copy of the end of a log."""
    target = path.with_suffix(".log.new")
    with open(path, "rb") as source, process.open_log(target) as output:
        source.seek(-min(LOG_LIMIT, path.stat().st_size), os.SEEK_END)
        while block := source.read(1 << 20):
            output.write(block)
    return target


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(text, flush=True)
