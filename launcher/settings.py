"""What one start is to do: which servers are embedded, the mode, the environment of every part."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config import ConfigurationError, Settings, is_loopback, parse_bool
from launcher import keys
from launcher.errors import LaunchError

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_PORT = 8080
AGORA_OFFSET = 99

_PLACEHOLDER_DATABASE = "postgresql://portal_app@/portail?host=/run"
_PLACEHOLDER_REDIS = "unix:///run/redis.sock"


@dataclass(frozen=True)
class Plan:
    """The choices of one start, read from the environment before anything is touched."""

    given: Mapping[str, str]
    host: str
    port: int
    demo: bool
    data_dir: Path
    embedded_postgres: bool
    embedded_redis: bool
    own_sandbox: bool
    keys_allowed: bool

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Plan:
        """Reads the choices. Raises LaunchError with one sentence for anything wrong."""
        given = {name: value.strip() for name, value in env.items()}
        host = given.get("HOST") or "127.0.0.1"
        port = _port(given.get("PORT") or str(DEFAULT_PORT))
        postgres, redis = not given.get("DATABASE_URL"), not given.get("REDIS_URL")
        production = given.get("PORTAL_ENV", "").lower() == "production"
        try:
            demo = parse_bool("DEMO", given["DEMO"]) if given.get("DEMO") else postgres and redis and not production
        except ConfigurationError as error:
            raise LaunchError(str(error)) from None
        data_dir = Path(given.get("DATA_DIR") or ROOT / "instance").expanduser()
        sandbox = not given.get("AGORA_URL") and (demo or postgres) and not production
        plan = cls(given, host, port, demo, data_dir, postgres, redis, sandbox, keys_allowed=(demo or postgres) and not production)
        plan._check()
        return plan

    def _check(self) -> None:
        """Validates everything that can be told before a folder is made or a server started."""
        made = keys.generate() if self.keys_allowed else {}
        self.environment(made, _PLACEHOLDER_DATABASE, _PLACEHOLDER_DATABASE, _PLACEHOLDER_REDIS, self.port)

    def environment(self, kept: Mapping[str, str], app_url: str, owner_url: str, redis_url: str, agora_port: int) -> dict[str, str]:
        """The environment of every part: what was given, completed, and checked whole.

        Raises LaunchError with the sentence of the first setting that is wrong.
        """
        env = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")} | dict(self.given)
        env |= {"HOST": self.host, "PORT": str(self.port), "DEMO": "1" if self.demo else "0", "DATA_DIR": str(self.data_dir.absolute()), "PYTHONUNBUFFERED": "1"}
        if self.embedded_postgres:
            env |= {"DATABASE_URL": app_url, "DATABASE_OWNER_URL": owner_url}
        if self.embedded_redis:
            env["REDIS_URL"] = redis_url
        if self.keys_allowed:
            for name in keys.PORTAL_KEYS:
                env[name] = env.get(name) or kept[name]
        if self.own_sandbox:
            env |= {"AGORA_URL": f"http://127.0.0.1:{agora_port}", "AGORA_CLIENT_ID": env.get("AGORA_CLIENT_ID") or "portail"}
            env["AGORA_FUNDER_SIRET"] = env.get("AGORA_FUNDER_SIRET") or "20005379100014"
        try:
            Settings.from_env(env)
        except ConfigurationError as error:
            raise LaunchError(str(error)) from None
        return env

    @property
    def address(self) -> str:
        """What to type in a browser."""
        shown = self.host if self.host not in ("0.0.0.0", "::", "") else "127.0.0.1"  # noqa: S104 - compared, not bound
        return self.given.get("PUBLIC_URL") or f"http://{f'[{shown}]' if ':' in shown else shown}:{self.port}"


def _port(value: str) -> int:
    if not value.isdigit() or not 1 <= int(value) <= 65535:
        raise LaunchError(f"PORT vaut « {value} » : il faut un nombre entier de 1 à 65535.")
    return int(value)


def port_problem(host: str, port: int) -> str | None:
    """The sentence that says why nobody can listen there; None when the port is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
            probe.listen(1)
        except PermissionError:
            return f"Droits insuffisants pour écouter sur le port {port} : choisissez-en un au-dessus de 1023, par exemple PORT={DEFAULT_PORT}."
        except socket.gaierror:
            return f"HOST={host} est inconnu : donnez une adresse de cette machine, par exemple 127.0.0.1."
        except OSError as error:
            if error.errno == 98 or "in use" in str(error):
                return f"Le port {port} est déjà utilisé : arrêtez l’autre programme ou choisissez un autre port, par exemple « PORT={port + 1} make run »."
            return f"Impossible d’écouter sur {host}:{port} : {error.strerror}."
    return None


def free_port(first: int) -> int:
    """The first free port of this machine from `first` on (any free one when there is none near)."""
    for port in range(first, min(first + 400, 65536), 7):
        if port_problem("127.0.0.1", port) is None:
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def code_digest(demo: bool) -> str:
    """Changes whenever the code, the migrations or the installed packages do: what a start must bring the database up to."""
    digest = hashlib.sha256(f"demo={demo}\n".encode())
    for folder in ("app", "migrations"):
        for base, folders, files in os.walk(ROOT / folder):
            folders[:] = sorted(name for name in folders if name not in ("__pycache__", "static", "templates"))
            for name in sorted(files):
                if not name.endswith((".pyc", ".mo")):
                    path = Path(base, name)
                    info = path.stat()
                    digest.update(f"{path.relative_to(ROOT)} {info.st_size} {info.st_mtime_ns}\n".encode())
    for name in ("requirements.txt", "config.py"):
        if (ROOT / name).exists():
            digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


__all__ = ["Plan", "code_digest", "free_port", "is_loopback", "port_problem"]
