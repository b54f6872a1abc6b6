"""Starting the sandbox: ``python -m app.partners.agora.sandbox --host 127.0.0.1 --port 8099 --data-dir …``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, TextIO

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.partners.agora.sandbox.journal import JournalError
from app.partners.agora.sandbox.security import Security
from app.partners.agora.sandbox.server import Sandbox
from app.partners.agora.sandbox.store import Store


class Protocol(HttpToolsProtocol):
    """Hands the connection to the application, so that faults can cut it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"connection": self.transport}  # type: ignore[dict-item]  # our own extension


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop. Returns the exit code; what is wrong is said in one sentence."""
    options = _options(arguments)
    folder = Path(options.data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("a")
    except OSError as error:
        return _fail(f"le dossier {folder} ne peut être utilisé : {error.strerror}.")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return _fail(f"le dossier {folder} est déjà utilisé par un autre bac à sable.")
    try:
        listener = _listen(options.host, options.port)
    except OSError as error:
        return _fail(f"l’adresse {options.host}:{options.port} ne peut être écoutée : {error.strerror}.")
    try:
        store = Store(folder, fsync=options.fsync)
    except (JournalError, OSError) as error:
        return _fail(str(error))
    security = Security(
        client_id=os.environ.get("AGORA_CLIENT_ID") or None,
        client_secret=os.environ.get("AGORA_CLIENT_SECRET") or None,
        jwt_key=(os.environ.get("AGORA_JWT_KEY") or "").encode() or None,
        token_life=options.token_life,
    )
    if security.client_secret is None or security.jwt_key is None:
        _say("sans AGORA_CLIENT_SECRET ou AGORA_JWT_KEY, l’identification n’est pas vérifiée", sys.stderr)
    host, port = listener.getsockname()[:2]
    _say(f"http://{f'[{host}]' if ':' in host else host}:{port}", sys.stdout)
    config = uvicorn.Config(
        Sandbox(store, security).app(),
        http=Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level=options.log_level,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        backlog=1024,
    )
    _serve(uvicorn.Server(config), listener)
    store.journal.close()
    return 0


def _serve(server: Any, listener: socket.socket) -> None:
    """A signal is the ordinary way to stop, not an error: the server raises it again once it has stopped."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m app.partners.agora.sandbox", description="Bac à sable AGORA : le contrat entier, et des pannes à la demande."
    )
    parser.add_argument("--host", default="127.0.0.1", help="adresse d’écoute (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8099, help="port d’écoute (8099 ; 0 : n’importe lequel, affiché)")
    parser.add_argument("--data-dir", default="instance/agora-sandbox", help="dossier où l’état est gardé")
    parser.add_argument("--token-life", type=int, default=300, help="durée de vie des jetons, en secondes (300)")
    parser.add_argument("--fsync", action="store_true", help="résister aussi à une coupure de courant (plus lent)")
    parser.add_argument("--log-level", default="warning", choices=["critical", "error", "warning", "info", "debug"])
    return parser.parse_args(arguments)


def _fail(sentence: str) -> int:
    _say(sentence, sys.stderr)
    return 1


def _say(sentence: str, where: TextIO) -> None:
    where.write(f"bac à sable AGORA : {sentence}\n")
    where.flush()
