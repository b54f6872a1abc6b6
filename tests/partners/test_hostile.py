"""The client against servers that lie, dawdle or flood: it waits no longer, reads no more and believes nothing else than it should."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.partners.agora import channel
from app.partners.agora.channel import LONGEST_RETRY_AFTER, retry_after
from app.partners.agora.http import AgoraHttp, AgoraTransport
from app.partners.agora.port import (
    EventKind,
    FileEvent,
    IdentityQuery,
    PartnerDuplicate,
    PartnerError,
    PartnerRejected,
    PartnerThrottled,
    PartnerUnauthorised,
    PartnerUnavailable,
    Refusal,
)
from tests.partners.conftest import config_for, make_file

SION = IdentityQuery(nir="1620713155089", key="82", birth_name="SION")
IDENTITY = {"civilite": "M", "nomNaissance": "SION", "nomUsage": None, "prenom": "ANDRE", "dateNaissance": "1962-07-21", "sexe": "M"}
TOKEN = {"access_token": "t0", "expires_in": 300}
EXIT = FileEvent(number="30444380", external_reference="e-1", kind=EventKind.EXIT, date=date(2026, 6, 26))

Handler = Callable[["Hostile", str, asyncio.StreamWriter], Awaitable[None]]


class Hostile:
    """A server that answers what it is told to, byte for byte."""

    def __init__(self, handler: Handler, token: bytes | None, tls: ssl.SSLContext | None) -> None:
        self.seen: list[str] = []
        self.url = ""
        self._handler = handler
        self._token = token
        self._tls = tls
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while first := await reader.readexactly(1):
                if first == b"\x16":  # somebody speaks TLS to us
                    writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
                    break
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = next((int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
                await reader.readexactly(length)
                request = " ".join(head.split(" ")[:2])
                self.seen.append(head)
                if request == "POST /oauth/token" and self._token is not None:
                    writer.write(self._token)
                else:
                    await self._handler(self, request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    def __enter__(self) -> Hostile:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)


def answer(body: Any, status: str = "200 OK", *, content_type: str = "application/json", headers: str = "") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(data)}\r\n{headers}\r\n".encode() + data


@contextmanager
def server(reply: bytes | Handler, *, token: bytes | None = answer(TOKEN), tls: ssl.SSLContext | None = None) -> Iterator[Hostile]:
    async def fixed(_server: Hostile, _request: str, writer: asyncio.StreamWriter) -> None:
        assert isinstance(reply, bytes)
        writer.write(reply)

    with Hostile(reply if callable(reply) else fixed, token, tls) as hostile:
        yield hostile


def client(hostile: Hostile, **changes: Any) -> AgoraHttp:
    changes = {"identity_budget": 1.0, "budget": 1.0, "file_budget": 2.0, "client_secret": str(uuid4())} | changes
    return AgoraHttp(config_for(hostile.url, **changes))


def failure(reply: bytes | Handler, call: Callable[[AgoraHttp], Any] = lambda agora: agora.search_identity(SION), **options: Any) -> PartnerError:
    started = time.monotonic()
    with server(reply, **options) as hostile, pytest.raises(PartnerError) as caught:
        call(client(hostile))
    assert time.monotonic() - started < 4
    for secret in ("1620713155089", "SION"):
        assert secret not in repr(caught.value)
        assert secret not in str(caught.value.__cause__)
    return caught.value


def create(agora: AgoraHttp) -> Any:
    return agora.create_file(make_file("e-1"), idempotency_key=uuid4())


def leave(agora: AgoraHttp) -> Any:
    return agora.send_event(EXIT, idempotency_key=uuid4())


def test_an_honest_answer_is_believed() -> None:
    with server(answer(IDENTITY)) as hostile:
        assert client(hostile).search_identity(SION).first_name == "ANDRE"
        sent = hostile.seen[-1].lower()
    for header in ("authorization: bearer t0", "x-vecteur-identification: eyj", "x-request-id: ", "accept-encoding: identity"):
        assert header in sent
    assert "1620713155089" not in sent


# --- too slow --------------------------------------------------------------------------------------------------------


async def _drip_body(_server: Hostile, _request: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.1)


async def _drip_head(_server: Hostile, _request: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.1)


async def _never(_server: Hostile, _request: str, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


@pytest.mark.parametrize("handler", [_drip_body, _drip_head, _never])
def test_the_time_of_the_whole_call_is_limited(handler: Handler) -> None:
    error = failure(handler)
    assert type(error) is PartnerUnavailable
    assert "within 1 s" in error.reason


def test_a_token_that_never_comes() -> None:
    assert "within 1 s" in str(failure(_never, token=None))


def test_twenty_hung_calls_end_together() -> None:
    """Those who wait for the token of a call that hangs do not each wait their turn."""

    async def everybody(transport: AgoraTransport) -> list[Any]:
        async with transport.open_client() as pool:
            calls = (transport.send(make_file(), idempotency_key=uuid4(), client=pool) for _ in range(20))
            return await asyncio.gather(*calls, return_exceptions=True)

    with server(_never, token=None) as hostile:
        started = time.monotonic()
        results = asyncio.run(everybody(AgoraTransport(config_for(hostile.url, budget=1.0, client_secret="hung"))))
    assert all(isinstance(result, PartnerUnavailable) for result in results)
    assert time.monotonic() - started < 3


# --- too much --------------------------------------------------------------------------------------------------------


async def _endless(_server: Hostile, _request: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" " * 65536)
        await writer.drain()


async def _endless_head(_server: Hostile, _request: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"x-more: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize(
    "reply",
    [
        _endless,
        _endless_head,
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n",
        answer(gzip.compress(b" " * 50_000_000), headers="content-encoding: gzip\r\n"),
        answer(b"x", headers="content-encoding: br\r\n"),
        answer(b"[" * 100_000),
        answer(b'{"a":' + b"9" * 10_000 + b"}"),
    ],
    ids=["endless", "endless-head", "declared", "gzip-bomb", "brotli", "deep", "digits"],
)
def test_floods_are_cut(reply: bytes | Handler) -> None:
    assert type(failure(reply)) is PartnerUnavailable


def test_a_flood_of_refusal_is_no_refusal() -> None:
    assert type(failure(answer(b" " * 100_000, "422 No"))) is PartnerUnavailable


# --- something else --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"<html>Maintenance</html>", content_type="text/html"),
        answer(b"<html>Maintenance</html>"),
        answer(IDENTITY, content_type="text/html"),
        answer(b"{"),
        answer([]),
        answer(None),
        answer({**IDENTITY, "nomNaissance": "DURAND"}),
        answer({**IDENTITY, "prenom": None}),
        answer({**IDENTITY, "prenom": "AND\u0000RE"}),
        answer({**IDENTITY, "dateNaissance": "21/07/1962"}),
        answer({**IDENTITY, "dateNaissance": "19620721"}),
        answer({**IDENTITY, "sexe": "X"}),
        answer({**IDENTITY, "nomUsage": "X" * 500}),
        answer(b"", "204 No Content"),
        answer(IDENTITY, "201 Created"),
        answer(IDENTITY, "206 Partial Content"),
        answer(IDENTITY, "299 Odd"),
        answer(IDENTITY, "601 Odder"),
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\nconnection: close\r\n\r\n{",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\nZZZ\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    ],
)
def test_other_answers_are_no_answers(reply: bytes) -> None:
    assert type(failure(reply)) is PartnerUnavailable


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_not_followed(status: str) -> None:
    with server(answer(IDENTITY)) as elsewhere:
        error = failure(answer(b"", status, headers=f"location: {elsewhere.url}/v1/identites/recherche\r\n"))
        assert type(error) is PartnerUnavailable
        assert not elsewhere.seen


def test_cookies_are_dropped() -> None:
    async def with_cookie(_server: Hostile, _request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(IDENTITY, headers="set-cookie: follow=me; path=/\r\n"))

    async def twice(transport: AgoraTransport) -> None:
        async with transport.open_client() as pool:
            for _ in range(2):
                await transport.send(SION, idempotency_key=uuid4(), client=pool)

    with server(with_cookie) as hostile:
        asyncio.run(twice(AgoraTransport(config_for(hostile.url, client_secret="cookies"))))
        assert not any("cookie" in head.lower() for head in hostile.seen)


# --- lies about a file -----------------------------------------------------------------------------------------------

FILE = {"numeroDossier": "30444380", "referenceExterne": "e-1", "statut": "SORTIE", "version": 2, "modifieLe": "2026-06-26T10:00:00Z"}
LIES = [
    {"referenceExterne": "e-2"},
    {"numeroDossier": "304"},
    {"numeroDossier": "30444380'; drop table"},
    {"numeroDossier": None},
    {"statut": "TERMINE"},
    {"version": "2"},
    {"modifieLe": "hier"},
]


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("call", [create, leave])
def test_a_file_that_cannot_be_ours_is_not_stored(lie: dict[str, Any], call: Callable[[AgoraHttp], Any]) -> None:
    error = failure(answer(FILE | lie), call)
    assert isinstance(error, PartnerUnavailable)
    expected = {"referenceExterne": "AUTRE_REFERENCE", "numeroDossier": "NUMERO_MALFORME", "statut": "STATUT_INCONNU"}.get(next(iter(lie)))
    assert getattr(error, "code", None) == expected, "what contradicts the contract is refused after a few tries; the rest waits"


def test_an_event_answered_with_another_number() -> None:
    assert "another number" in str(failure(answer(FILE | {"numeroDossier": "30444381"}), leave))
    assert "another number" in str(failure(answer(FILE | {"numeroDossier": "30444381"}), lambda agora: agora.get_file("30444380")))


def _problem(**fields: Any) -> bytes:
    return answer({"status": 409, "code": "DOSSIER_EXISTANT", "title": "Existe"} | fields, "409 Conflict", content_type="application/problem+json")


@pytest.mark.parametrize("fields", [{}, {"numeroDossier": "12"}, {"numeroDossier": 30444380}, {"numeroDossier": "../../admin"}])
def test_a_duplicate_without_a_good_number(fields: dict[str, Any]) -> None:
    error = failure(_problem(**fields), create)
    assert type(error) is PartnerUnavailable
    assert "well-formed" in error.reason


@pytest.mark.parametrize(
    "reply",
    [
        answer(FILE | {"referenceExterne": "e-9"}),
        answer(FILE | {"numeroDossier": "30444381"}),
        answer({"status": 404, "code": "DOSSIER_INCONNU", "title": "?"}, "404 Not Found", content_type="application/problem+json"),
        answer(b"", "500 Oops"),
    ],
)
def test_a_duplicate_that_is_somebody_elses(reply: bytes) -> None:
    async def handler(_server: Hostile, request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(_problem(numeroDossier="30444380") if request.startswith("POST") else reply)

    assert isinstance(failure(handler, create), PartnerUnavailable)


def test_a_duplicate_that_is_ours() -> None:
    async def handler(_server: Hostile, request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(_problem(numeroDossier="30444380") if request.startswith("POST") else answer(FILE))

    error = failure(handler, create)
    assert isinstance(error, PartnerDuplicate)
    assert error.number == "30444380"
    assert error.state.external_reference == "e-1"


def test_a_duplicate_makes_sense_for_a_creation_only() -> None:
    assert isinstance(failure(_problem(numeroDossier="30444380"), leave), PartnerRejected)


@pytest.mark.parametrize(
    "page",
    [
        {"dossiers": [FILE], "curseurSuivant": "c1"},
        {"dossiers": [], "curseurSuivant": "c2"},
        {"dossiers": [FILE | {"statut": "?"}]},
        {"dossiers": {}},
        {"dossiers": [FILE], "curseurSuivant": 3},
    ],
)
def test_pages_that_go_nowhere(page: dict[str, Any]) -> None:
    assert isinstance(failure(answer(page), lambda agora: agora.find_files(cursor="c1")), PartnerUnavailable)


def test_a_page_about_others() -> None:
    assert type(failure(answer({"dossiers": [FILE]}), lambda agora: agora.find_files(external_reference="e-7"))) is PartnerUnavailable


def test_a_weekly_file_that_is_none() -> None:
    def call(agora: AgoraHttp) -> Any:
        return agora.weekly_dsn("2026-W05")

    assert type(failure(answer(b"<html>", content_type="text/html"), call)) is PartnerUnavailable
    assert type(failure(answer(b"a;b;c", content_type="text/csv"), call)) is PartnerUnavailable
    assert type(failure(answer(b"\xff\xfe", content_type="text/csv"), call)) is PartnerUnavailable


# --- the retry policy ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 500, 501, 502, 503, 504, 507, 520])
def test_try_again_later(status: int) -> None:
    error = failure(answer(b"", f"{status} x", headers="retry-after: 12\r\n"))
    assert type(error) is PartnerUnavailable
    assert error.retry_after == 12


def test_slow_down() -> None:
    error = failure(answer(b"", "429 x", headers="retry-after: 99999\r\n"))
    assert type(error) is PartnerThrottled
    assert error.retry_after == LONGEST_RETRY_AFTER


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 406, 409, 410, 413, 415, 418, 422, 451])
def test_never_again(status: int) -> None:
    error = failure(answer(b"<html>", f"{status} x", content_type="text/html"))
    assert isinstance(error, PartnerRejected)
    assert (error.code, error.status, error.refusal) == (f"HTTP_{status}", status, Refusal.OTHER)


def test_a_page_that_is_not_found_is_not_a_file_that_is_not() -> None:
    error = failure(answer(b"<html>", "404 x", content_type="text/html"), lambda agora: agora.get_file("30444380"))
    assert isinstance(error, PartnerRejected)
    assert error.refusal is Refusal.OTHER


def test_a_token_refused_twice() -> None:
    with server(answer(b"", "401 x")) as hostile:
        with pytest.raises(PartnerUnauthorised):
            client(hostile).search_identity(SION)
        assert sum("/oauth/token" in head for head in hostile.seen) == 2  # renewed once, and that is all
        assert len(hostile.seen) == 4


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        (answer({"access_token": "a b", "expires_in": 1}), PartnerUnavailable),
        (answer({"access_token": "a\r\nx: y", "expires_in": 1}), PartnerUnavailable),
        (answer({"access_token": "", "expires_in": 1}), PartnerUnavailable),
        (answer({"access_token": "a", "expires_in": 0}), PartnerUnavailable),
        (answer({"access_token": "a", "expires_in": True}), PartnerUnavailable),
        (answer({"access_token": "a"}), PartnerUnavailable),
        (answer([]), PartnerUnavailable),
        (answer(b"", "500 x"), PartnerUnavailable),
        (answer(b"", "400 x"), PartnerUnauthorised),
        (answer(b"", "401 x"), PartnerUnauthorised),
        (answer(b"", "403 x"), PartnerUnauthorised),
        (answer(b"", "429 x", headers="retry-after: 3\r\n"), PartnerThrottled),
    ],
)
def test_tokens_that_are_none(token: bytes, kind: type[PartnerError]) -> None:
    assert type(failure(answer(IDENTITY), token=token)) is kind


NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("0", 0),
        (" 30 ", 30),
        ("9" * 400, LONGEST_RETRY_AFTER),
        ("901", LONGEST_RETRY_AFTER),
        ("Mon, 05 Jan 2026 12:01:00 GMT", 60),
        ("Mon, 05 Jan 2026 11:00:00 GMT", 0),
        ("Mon, 05 Jan 2026 12:01:00", 60),
        ("Mon, 05 Jan 2026 12:01:00 -0000", 60),
        ("Mon, 05 Jan 2099 12:01:00 GMT", LONGEST_RETRY_AFTER),
        ("Mon, 99 Jan 2026 99:99:99 GMT", None),
        ("٣", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, now=NOW) == seconds


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody but us trusts."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agora")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "agora.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def _server_tls(certificate: Path) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    return tls


def test_a_certificate_nobody_vouches_for(certificate: Path) -> None:
    with server(answer(IDENTITY), tls=_server_tls(certificate)) as hostile:
        with pytest.raises(PartnerUnavailable, match="ConnectError"):
            client(hostile).search_identity(SION)
        assert not hostile.seen


def test_a_certificate_that_is_vouched_for(certificate: Path) -> None:
    with server(answer(IDENTITY), tls=_server_tls(certificate)) as hostile:
        assert client(hostile, ca_file=str(certificate)).search_identity(SION).first_name == "ANDRE"


def test_plain_http_behind_an_https_address(certificate: Path) -> None:
    with server(answer(IDENTITY)) as hostile:
        agora = AgoraHttp(config_for(hostile.url.replace("http:", "https:"), identity_budget=1.0))
        with pytest.raises(PartnerUnavailable):
            agora.search_identity(SION)


def test_the_pool_has_no_more_connections_than_allowed() -> None:
    async def everybody(transport: AgoraTransport) -> None:
        async with transport.open_client() as pool:
            await asyncio.gather(*(transport.send(SION, idempotency_key=uuid4(), client=pool) for _ in range(40)))

    open_now, most = 0, 0

    async def slow(_server: Hostile, _request: str, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.01)
        open_now -= 1
        writer.write(answer(IDENTITY))

    with server(slow) as hostile:
        asyncio.run(everybody(AgoraTransport(config_for(hostile.url, client_secret="pool", max_concurrency=5))))
    assert 2 <= most <= 5


def test_the_token_outlives_the_drain() -> None:
    with server(answer(IDENTITY)) as hostile:
        for _ in range(3):
            client(hostile, client_secret="kept").search_identity(SION)
        assert sum("/oauth/token" in head for head in hostile.seen) == 1
        channel.token_store(hostile.url, "portail", "kept").keep("old", 0.0)
        client(hostile, client_secret="kept").search_identity(SION)
        assert sum("/oauth/token" in head for head in hostile.seen) == 2
