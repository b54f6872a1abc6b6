"""Command line of ``run.py``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from launcher import keys, venv
from launcher.errors import REFUSED, LaunchError

USAGE = """\
python run.py                 démarre tout : base de données, file d’attente, web, tâches, planificateur, simulateur AGORA
python run.py web             le serveur web seul (gunicorn)
python run.py worker [genre]  un exécuteur de tâches seul (genre : front ou back)
python run.py scheduler       le planificateur seul (un seul agit à la fois)
python run.py agora-sandbox   le simulateur AGORA seul
python run.py migrate         met la base à jour (schéma, rôles et droits, démonstration), puis s’arrête
python run.py check           vérifie réglages, base de données, file d’attente et schéma, puis s’arrête
python run.py keys            produit des clés pour la production
python run.py flask …         une commande d’administration (par exemple : flask create-admin)
python run.py backup FICHIER  sauvegarde la base livrée avec le portail
python run.py restore FICHIER la restaure dans une base vide
python run.py setup [--dev]   prépare .venv, puis s’arrête
python run.py browser         trouve ou installe ce qu’il faut aux tests de navigateur

Réglages par l’environnement : PORT, HOST, DATA_DIR, DEMO, DATABASE_URL, REDIS_URL… (voir README.md)."""


def main(argv: list[str]) -> int:
    """Runs one command; returns the exit code. What goes wrong is told in one sentence on the error output."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)  # type: ignore[union-attr]
    command, arguments = (argv[0], argv[1:]) if argv else ("start", [])
    if command in ("help", "-h", "--help"):
        print(USAGE)
        return 0
    if command == "keys":
        print("\n".join(f"{name}={value}" for name, value in keys.generate().items()))
        return 0
    if command not in _COMMANDS:
        print(f"Commande inconnue : {command}.\n\n{USAGE}", file=sys.stderr)
        return 2
    try:
        venv.ensure(dev=command == "setup" and "--dev" in arguments)
        return _COMMANDS[command](arguments)
    except LaunchError as error:
        print(error, file=sys.stderr)
        return REFUSED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return 130


def _start(_arguments: list[str]) -> int:
    from launcher.supervisor import start

    return start(os.environ)


def _setup(_arguments: list[str]) -> int:
    from launcher.translations import compile_stale

    compile_stale()
    return 0


def _browser(_arguments: list[str]) -> int:
    from launcher.browser import ensure, ensure_office

    print(ensure())
    print(ensure_office() or "")
    return 0


def _part(name: str) -> Callable[[list[str]], int]:
    def run(arguments: list[str]) -> int:
        from launcher import parts

        return parts.run(name, arguments)

    return run


_COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "start": _start,
    "setup": _setup,
    "browser": _browser,
    **{name: _part(name) for name in ("web", "worker", "scheduler", "agora-sandbox", "migrate", "check", "flask", "backup", "restore")},
}
