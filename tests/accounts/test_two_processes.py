"""Two web servers on one database: a session ended on one is refused by the other at its next request."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.accounts.helpers import PASSWORD, WRONG

if TYPE_CHECKING:
    from flask import Flask

pytestmark = [pytest.mark.processes, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
NEW = "Vélo-rouge-42-neige"


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        return None


_opener = urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({}))


@dataclass
class Browser:
    """One cookie, shown to either server."""

    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, server: str, path: str, data: dict[str, str] | None = None) -> tuple[int, str]:
        """(status, text) of a GET, or of a POST with the form's token."""
        if data is not None:
            found = re.search(r'"token": ?"([^"]+)"', self.ask(server, "/jeton")[1])
            assert found is not None
            data = {**data, "csrf_token": found[1]}
        body = urllib.parse.urlencode(data).encode() if data is not None else None
        request = urllib.request.Request(server + path, body, {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())})
        try:
            answer: Any = _opener.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            for line in answer.headers.get_all("Set-Cookie") or []:
                for name, morsel in SimpleCookie(line).items():
                    self.cookies[name] = morsel.value
            return int(answer.status), answer.read().decode()

    def signed_in(self, server: str) -> bool:
        """Whether that server lets the cookie in."""
        return self.ask(server, "/mon-compte/")[0] == 200

    def copy(self) -> Browser:
        """Another browser with the same cookies."""
        return Browser(dict(self.cookies))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def servers(committed: Flask, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two gunicorn on the database of ``committed``."""
    from app.core.extensions import db
    from config import Settings

    given = {name.name.upper(): committed.config.get(name.name.upper()) for name in fields(Settings) if name.name != "process"}
    environment = os.environ | {name: str(value) for name, value in given.items() if value not in (None, "", False)}
    environment |= {"DEMO": "1", "PORTAL_ENV": "test", "PYTHONPATH": str(ROOT), "WEB_WORKERS": "1", "PYTHONWARNINGS": "ignore", "RATELIMIT_ENABLED": "0", "PORTAL_PROCESS": "two"}
    with committed.app_context():
        db.session.remove()
    started: list[subprocess.Popen[bytes]] = []
    addresses = []
    for number in range(2):
        port = _free_port()
        folder = tmp_path / str(number)
        folder.mkdir()
        with (folder / "log").open("wb") as log:
            command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "app:create_app()"]
            started.append(
                subprocess.Popen(command, cwd=ROOT, env=environment | {"PORT": str(port), "DATA_DIR": str(folder)}, stdout=log, stderr=log)
            )
        addresses.append(f"http://127.0.0.1:{port}")
    try:
        for number, address in enumerate(addresses):
            _wait(address, started[number], tmp_path / str(number) / "log")
        yield addresses[0], addresses[1]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            with _opener.open(address + "/healthz", timeout=5):
                return
        except OSError:
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.2)


def test_what_ends_on_one_is_refused_by_the_other(servers: tuple[str, str], committed: Flask, tmp_path: Path) -> None:
    """Sign-out, another browser's "Déconnecter les autres sessions", a password changed, a blocking, a link used, a deactivation."""
    one, two = servers

    def enter(password: str = PASSWORD) -> Browser:
        browser = Browser()
        status, _text = browser.ask(one, "/connexion", {"username": "secondaire", "password": password})
        assert status == 303
        assert browser.signed_in(one)
        assert browser.signed_in(two), "one session for both"
        return browser

    def ends(what: str, act: Callable[[], Any], victim: Browser) -> None:
        act()
        assert not victim.signed_in(two), what
        assert not victim.signed_in(one), what

    leaving = enter()
    thief = leaving.copy()
    ends("sign-out", lambda: leaving.ask(one, "/deconnexion", {}), thief)

    staying, other = enter(), enter()
    ends("the other sessions", lambda: staying.ask(one, "/mon-compte/sessions/deconnecter", {}), other)
    assert staying.signed_in(two)

    other = enter()
    changing = {"current": PASSWORD, "new": NEW, "confirmation": NEW}
    ends("password", lambda: staying.ask(one, "/mon-compte/mot-de-passe", changing), other)
    assert staying.signed_in(two)

    ends("blocking", lambda: [Browser().ask(one, "/connexion", {"username": "secondaire", "password": WRONG}) for _ in range(3)], staying)

    secret = _link(committed)
    fresh = Browser()
    assert fresh.ask(one, f"/acces/{secret}")[0] == 303
    assert fresh.ask(two, "/acces/identifiants")[0] == 200, "the sealed cookie holds for both"
    assert fresh.ask(two, "/acces/identifiants", {"username": "secondaire", "password": NEW + "-2", "confirmation": NEW + "-2"})[0] == 303
    assert fresh.signed_in(one)
    late = Browser()
    late.ask(one, f"/acces/{secret}")
    assert "Ce lien a déjà servi" in late.ask(one, "/acces/identifiants")[1]

    ends("deactivation", lambda: _deactivate(committed), fresh)
    for number in range(2):
        written = (tmp_path / str(number) / "log").read_text()
        assert secret not in written
        assert "/acces/<token>" in (tmp_path / "0" / "log").read_text()


def test_a_server_that_nobody_asks_gives_its_connections_back(servers: tuple[str, str], committed: Flask) -> None:
    """PostgreSQL holds some 20 MB for each."""

    def open_ones() -> int:
        from sqlalchemy import text

        from app.core.extensions import db

        with committed.app_context(), db.engine.connect() as connection:
            found = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'portail-two'")
            return int(connection.scalar(found) or 0)

    for _round in range(2):  # and serves again afterwards
        for server in servers:
            assert Browser().ask(server, "/connexion", {"username": "secondaire", "password": PASSWORD})[0] == 303
        assert open_ones() == 2
        end = time.monotonic() + 60
        while open_ones():
            assert time.monotonic() < end
            time.sleep(0.5)


def test_connections_opened_in_advance_hold_no_process(servers: tuple[str, str]) -> None:
    """Browsers open some on which they ask nothing yet: more of them than there are processes, and pages come all the same."""
    place = urllib.parse.urlsplit(servers[0])
    idle = [socket.create_connection((place.hostname, place.port)) for _number in range(6)]
    try:
        for _number in range(4):
            with urllib.request.urlopen(f"{servers[0]}/connexion", timeout=20) as answer:
                assert answer.status == 200
    finally:
        for one in idle:
            one.close()


def _link(app: Flask) -> str:
    from flask_appbuilder.security.sqla.models import User
    from sqlalchemy import select

    from app.accounts.models import LinkPurpose
    from app.accounts.services.links import issue_link
    from app.core.tenancy import Scope, bound_scope
    from app.core.transaction import transaction

    with app.app_context(), bound_scope(Scope.system()), transaction() as session:
        return issue_link(session, session.scalars(select(User).where(User.username == "secondaire")).one(), LinkPurpose.RECOVERY)


def _deactivate(app: Flask) -> None:
    from sqlalchemy import text

    from app.accounts import services
    from app.core.extensions import db
    from app.core.tenancy import Scope, bound_scope

    with app.app_context(), bound_scope(Scope.system()):
        ids = {name: db.session.scalar(text("SELECT id FROM ab_user WHERE username = :name"), {"name": name}) for name in ("secondaire", "admin")}
        services.deactivate(int(ids["secondaire"] or 0), actor_id=int(ids["admin"] or 0))
