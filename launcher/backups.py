"""Backup and restore of the embedded database, with the tools of the PostgreSQL that is embedded."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from launcher import postgres, process
from launcher.errors import LaunchError
from launcher.place import Place, open_place, take_lock
from launcher.postgres import DATABASE, PORT, SUPERUSER, Postgres
from launcher.settings import ROOT

_ASIDE = "portail_avant_restauration"


def run(name: str, arguments: list[str]) -> int:
    """``python run.py backup FILE`` or ``restore FILE``."""
    if len(arguments) != 1:
        raise LaunchError(f"Donnez le fichier : python run.py {name} sauvegarde.dump")
    if os.environ.get("DATABASE_URL"):
        raise LaunchError("DATABASE_URL est donné : sauvegardez et restaurez ce PostgreSQL avec ses propres outils (pg_dump, pg_restore).")
    data_dir = Path(os.environ.get("DATA_DIR") or ROOT / "instance").expanduser()
    if not data_dir.exists() and name == "backup":
        raise LaunchError(f"Il n’y a rien à sauvegarder dans {data_dir}.")
    place = open_place(data_dir)
    file = Path(arguments[0]).expanduser().absolute()
    if name == "backup":
        _backup(place, file)
    else:
        _restore(place, file)
    return 0


def _backup(place: Place, file: Path) -> None:
    draft = file.with_name(f".{file.name}.part")
    if not file.parent.is_dir():
        raise LaunchError(f"Le dossier {file.parent} n’existe pas.")
    try:
        with _server(place) as server:
            draft.unlink(missing_ok=True)
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            _tool(server, "pg_dump", "--format=custom", f"--file={draft}", DATABASE)
        os.replace(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    print(f"Base sauvegardée dans {file}.")
    print(f"Sauvegardez aussi {place.keys_file}, ailleurs : sans ces clés, les données chiffrées ne se lisent plus.")


def _restore(place: Place, file: Path) -> None:
    if not file.is_file():
        raise LaunchError(f"Le fichier {file} n’existe pas.")
    with take_lock(place.data_dir / "instance.lock", "Arrêtez d’abord le portail"), _server(place) as server:
        server.psql("-c", f"DROP DATABASE IF EXISTS {_ASIDE}")
        server.psql("-c", f"ALTER DATABASE {DATABASE} RENAME TO {_ASIDE}")
        try:
            server.provision()
            _tool(server, "pg_restore", "--exit-on-error", "--single-transaction", f"--dbname={DATABASE}", str(file))
        except BaseException:
            server.psql("-c", f"DROP DATABASE IF EXISTS {DATABASE}")
            server.psql("-c", f"ALTER DATABASE {_ASIDE} RENAME TO {DATABASE}")
            raise
        server.psql("-c", f"DROP DATABASE {_ASIDE}")
        (place.data_dir / "prepared.json").unlink(missing_ok=True)
    print("Base restaurée ; le prochain démarrage la mettra à jour s’il le faut.")


@contextlib.contextmanager
def _server(place: Place) -> Iterator[Postgres]:
    """The embedded server: the one that runs already, else one started for the occasion."""
    kept = postgres.load_keys(place)
    try:
        server = postgres.prepare(place, kept)
    except LaunchError:
        if not (place.data_dir / "instance.env").exists():
            raise
        yield postgres.running(place, kept)
        return
    try:
        server.start()
        server.wait_ready()
        server.provision()
        yield server
    finally:
        server.stop()


def _tool(server: Postgres, name: str, *arguments: str) -> None:
    env = process.bare_environment({"PGPASSWORD": server.passwords["PG_SUPERUSER_PASSWORD"]})
    command = [str(server.binaries / name), "-h", str(server.place.sockets), "-p", str(PORT), "-U", SUPERUSER, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line.lower()] or done.stderr.splitlines() or ["aucun message"]
        raise LaunchError(f"{name} a échoué : {lines[0]}.")
