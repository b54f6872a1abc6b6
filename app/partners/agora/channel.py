"""One exchange with AGORA: credentials, headers, limits, and what each answer means for the retry.

Whoever answers at the address is not trusted: the time of a whole call is limited (not only of each read), so is the size of an answer, compressed
answers and redirects are refused, cookies are dropped, TLS is checked. Neither bodies nor NIRs are logged or kept in an error.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import logging
import re
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import jwt

from app.core import clock, context
from app.partners.agora import mapping, problems
from app.partners.agora.port import Caller
from app.partners.errors import Cause, PartnerRejected, PartnerThrottled, PartnerUnauthorised, PartnerUnavailable

logger = logging.getLogger(__name__)

LONGEST_RETRY_AFTER = 15 * 60.0
LARGEST_ANSWER = 4 * 1024 * 1024
LARGEST_PROBLEM = 64 * 1024
LARGEST_FILE = 64 * 1024 * 1024
LONGEST_TOKEN_LIFE = 24 * 3600.0

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
_REFERENCE = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgoraConfig:
    """Where AGORA is and how to speak to it. Raises ValueError for an address that would let personal data travel in clear.

    ``pseudonym_key`` is the portal's alone, never the key shared with AGORA: with the shared one, whoever checks our signatures could try all
    account ids and undo the pseudonyms.
    """

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    jwt_key: str = field(repr=False)
    pseudonym_key: bytes = field(repr=False)
    funder_siret: str
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)
    connect_timeout: float = 3.0
    identity_budget: float = 3.0
    budget: float = 10.0
    file_budget: float = 120.0
    max_concurrency: int = 16

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ValueError("AGORA_URL is not the plain address of a server")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError("AGORA_URL must be https outside this machine: calls carry personal data")
        if self.max_concurrency < 1:
            raise ValueError("at least one call at a time")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read whole."""

    status: int
    headers: httpx.Headers
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The JSON value. Raises PartnerUnavailable when this is no JSON answer."""
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" and not (media_type.startswith("application/") and media_type.endswith("+json")):
            raise PartnerUnavailable(reason=f"answer {self.status} is not JSON", cause=Cause.BAD_ANSWER)
        try:
            return mapping.parse_json(self.body)
        except mapping.MappingError:
            pass
        raise PartnerUnavailable(reason=f"answer {self.status} is not readable JSON", cause=Cause.BAD_ANSWER)


class _Lanes(httpx.AsyncBaseTransport):
    """As many connections as calls at once, each a transport of its own.

    The library's pool looks at the socket of every idle connection for every call; here a call takes the connection used last. (Measured: a third of
    the time of a drain.)
    """

    def __init__(self, config: AgoraConfig) -> None:
        self._config = config
        self._gate = asyncio.Semaphore(config.max_concurrency)
        self._idle: list[httpx.AsyncHTTPTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._gate.acquire()
        lane = self._idle.pop() if self._idle else self._open()
        try:
            response = await lane.handle_async_request(request)
        except BaseException:
            self._give_back(lane)
            raise
        response.stream = _LaneStream(response.stream, lambda: self._give_back(lane))
        return response

    def _open(self) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(
            verify=_tls(self._config.ca_file) if self._config.url.startswith("https:") else False,  # over http there is nothing to verify
            trust_env=False,
            proxy=self._config.proxy,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=4.0),
        )

    def _give_back(self, lane: httpx.AsyncHTTPTransport) -> None:
        self._idle.append(lane)
        self._gate.release()

    async def aclose(self) -> None:
        while self._idle:
            await self._idle.pop().aclose()


class _LaneStream(httpx.AsyncByteStream):
    """The body of an answer; its end sets the connection free."""

    def __init__(self, stream: Any, give_back: Callable[[], None]) -> None:
        self._stream = stream
        self._give_back: Callable[[], None] | None = give_back

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        give_back, self._give_back = self._give_back, None
        try:
            await self._stream.aclose()
        finally:
            if give_back is not None:
                give_back()


class AgoraClient(httpx.AsyncClient):
    """One connection pool, and the lock under which its calls renew the token: one of them does, the others wait and take it."""

    def __init__(self, config: AgoraConfig) -> None:
        super().__init__(
            transport=_Lanes(config),
            trust_env=False,  # no proxy, certificate or password taken from the surroundings
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            timeout=httpx.Timeout(config.budget, connect=config.connect_timeout),
            headers={"accept-encoding": "identity", "user-agent": "portail-formation"},
        )
        self.token_lock = asyncio.Lock()


@lru_cache(maxsize=4)
def _tls(ca_file: str | None) -> ssl.SSLContext:
    """Building one reads all the authorities: once per process."""
    tls = httpx.create_ssl_context() if ca_file is None else ssl.create_default_context(cafile=ca_file)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    return tls


class TokenStore:
    """A token, shared by the threads and event loops of a process. Its age is measured by a clock that nobody sets."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value: str | None = None
        self._expires = 0.0
        self.attempts = 0
        self.failure: type[PartnerUnavailable] | None = None

    def fresh(self, *, stale: str | None) -> str | None:
        """The token if it is still good and is not ``stale``, the one that was just refused."""
        with self._lock:
            return self._value if self._value != stale and time.monotonic() < self._expires else None

    def keep(self, value: str, life: float) -> None:
        """Keep a token until a little before its end."""
        with self._lock:
            self._value, self._expires = value, time.monotonic() + life - min(30.0, life / 10)
            self.attempts, self.failure = self.attempts + 1, None

    def failed(self, failure: type[PartnerUnavailable]) -> None:
        """Remember that the last attempt failed, for those who waited for it."""
        with self._lock:
            self.attempts, self.failure = self.attempts + 1, failure


@lru_cache(maxsize=8)
def token_store(url: str, client_id: str, client_secret: str) -> TokenStore:
    """One store for each identity at each server: a drain goes on with the token of the one before."""
    return TokenStore()


class Channel:
    """Sends one request and says what its answer means. Holds the token; the pool belongs to the caller."""

    def __init__(self, config: AgoraConfig) -> None:
        self.config = config
        self._base = config.url.rstrip("/")
        self._tokens = token_store(self._base, config.client_id, config.client_secret)

    def open_client(self) -> AgoraClient:
        """A pool for any number of calls of one event loop; an async context manager."""
        return AgoraClient(self.config)

    @asynccontextmanager
    async def budget(self, seconds: float) -> AsyncIterator[None]:
        """Limits the time of everything inside, however slowly the answer drips. Raises PartnerUnavailable."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise PartnerUnavailable(reason=f"no answer within {seconds:g} s", cause=Cause.NO_ANSWER) from None

    async def call(
        self,
        client: AgoraClient,
        method: str,
        path: str,
        *,
        purpose: mapping.Purpose,
        caller: Caller | None,
        expected: Collection[int] = (200,),
        body: Any = None,
        params: Mapping[str, str] | None = None,
        idempotency_key: UUID | None = None,
        accept: str = "application/json",
        largest: int = LARGEST_ANSWER,
    ) -> Answer:
        """The answer, if its status is among ``expected``.

        Raises PartnerUnavailable, PartnerThrottled or PartnerUnauthorised (try again later), or PartnerRejected (final).
        """
        headers = self._headers(purpose, caller, idempotency_key, accept)
        content = None if body is None else _json_bytes(body)
        if content is not None:
            headers["content-type"] = "application/json"
        started = time.perf_counter()
        token = await self._token(client, stale=None)
        for last in (False, True):
            headers["authorization"] = f"Bearer {token}"
            answer = await self._exchange(client, method, path, headers=headers, content=content, params=params, largest=largest)
            if answer.status != 401 or last:
                break
            token = await self._token(client, stale=token)
        logger.debug("AGORA %s: %d in %.0f ms", purpose, answer.status, 1000 * (time.perf_counter() - started), extra={"request_id": headers["x-request-id"]})
        if answer.status in expected:
            return answer
        raise self._failure(answer)

    def _headers(self, purpose: mapping.Purpose, caller: Caller | None, idempotency_key: UUID | None, accept: str) -> dict[str, str]:
        if caller is None:
            caller = Caller(actor_id=str(context.actor_id() or "system"), siret=self.config.funder_siret)
        reference = caller.request_id or context.request_id() or ""
        headers = {
            "accept": f"{accept}, application/problem+json",
            "x-request-id": reference if _REFERENCE.fullmatch(reference) else uuid4().hex,
            "x-vecteur-identification": self._vector(purpose, caller),
        }
        if idempotency_key is not None:
            headers["idempotency-key"] = str(idempotency_key)
        return headers

    def _vector(self, purpose: mapping.Purpose, caller: Caller) -> str:
        """The identification vector: who asks (pseudonymous), for which organisation, why and when."""
        agent = hmac.new(self.config.pseudonym_key, caller.actor_id.encode(), hashlib.sha256).hexdigest()[:32]
        claims = {"sub": agent, "siret": caller.siret, "but": purpose.value, "iat": int(clock.now().timestamp()), "jti": uuid4().hex}
        return jwt.encode(claims, self.config.jwt_key, algorithm="HS256")

    # -- token --

    async def _token(self, client: AgoraClient, *, stale: str | None) -> str:
        """A token, asked for by one call at a time; those who waited for a failed attempt fail with it instead of queueing for their own."""
        if (token := self._tokens.fresh(stale=stale)) is not None:
            return token
        seen = self._tokens.attempts
        async with client.token_lock:
            if (token := self._tokens.fresh(stale=stale)) is not None:
                return token
            if self._tokens.attempts != seen and self._tokens.failure is not None:
                raise self._tokens.failure(reason="no token (another call just tried)")
            try:
                token, life = await self._ask_token(client)
            except PartnerUnavailable as error:
                self._tokens.failed(type(error))
                raise
            except asyncio.CancelledError:
                self._tokens.failed(PartnerUnavailable)
                raise
            self._tokens.keep(token, life)
            return token

    async def _ask_token(self, client: AgoraClient) -> tuple[str, float]:
        form = {"grant_type": "client_credentials", "client_id": self.config.client_id, "client_secret": self.config.client_secret}
        answer = await self._exchange(
            client,
            "POST",
            "/oauth/token",
            headers={"accept": "application/json", "content-type": "application/x-www-form-urlencoded"},
            content=str(httpx.QueryParams(form)).encode(),
            largest=LARGEST_PROBLEM,
        )
        if answer.status != 200:
            failure = self._failure(answer)
            # Our credentials or our settings are wrong, not the message: it must not be thrown away.
            if not isinstance(failure, PartnerRejected):
                raise failure
            raise PartnerUnauthorised(reason=f"credentials refused ({answer.status})", cause=Cause.CREDENTIALS_REFUSED)
        fields = answer.json()
        token = fields.get("access_token") if isinstance(fields, dict) else None
        life = fields.get("expires_in") if isinstance(fields, dict) else None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token) or isinstance(life, bool) or not isinstance(life, int | float) or not life > 0:
            raise PartnerUnavailable(reason="unusable token", cause=Cause.BAD_ANSWER)
        return token, min(life, LONGEST_TOKEN_LIFE)

    # -- one request on the wire --

    async def _exchange(
        self,
        client: AgoraClient,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
        largest: int,
    ) -> Answer:
        """Send and read whole. An error of the network tells its kind only: the library's own would carry the request, body and all."""
        request = client.build_request(method, self._base + path, headers=headers, content=content, params=params)
        kind: str | None = None
        try:
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                return Answer(response.status_code, response.headers, await _read(response, largest))
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            kind = type(error).__name__
        except (httpx.StreamError, OSError, ssl.SSLError) as error:
            kind = type(error).__name__
        raise PartnerUnavailable(reason=f"network: {kind}", cause=Cause.NETWORK)

    def _failure(self, answer: Answer) -> PartnerUnavailable | PartnerRejected:
        """What a status that was not expected means for the retry (the rule of the contract, in one place)."""
        status = answer.status
        if status == 401:
            return PartnerUnauthorised(reason="token refused twice")
        if status == 429:
            return PartnerThrottled(retry_after(answer.headers.get("retry-after")), reason="429")
        if status == 408 or not 400 <= status < 500:
            return PartnerUnavailable(retry_after(answer.headers.get("retry-after")), reason=f"status {status}", cause=Cause.SERVER_ERROR)
        try:
            wire = mapping.parse_json(answer.body)
        except mapping.MappingError:
            wire = None
        problem = problems.problem_from_wire(status, wire)
        return AgoraRejected(problem, status)


class AgoraRejected(PartnerRejected):
    """A refusal with AGORA's problem at hand."""

    def __init__(self, problem: problems.Problem, status: int) -> None:
        super().__init__(problem.code, problem.title, problem.details, refusal=problem.refusal, status=status)
        self.number = problem.number


async def _read(response: httpx.Response, largest: int) -> bytes:
    """The body as it came, never unpacked. Raises PartnerUnavailable beyond ``largest`` bytes."""
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise PartnerUnavailable(reason="compressed answer that was not asked for", cause=Cause.BAD_ANSWER)
    if response.status_code >= 400:
        largest = min(largest, LARGEST_PROBLEM)
    declared = response.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > largest:
        raise PartnerUnavailable(reason="answer too large", cause=Cause.BAD_ANSWER)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > largest:
            raise PartnerUnavailable(reason="answer too large", cause=Cause.BAD_ANSWER)
    return bytes(body)


def retry_after(header: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds to wait, from a number of seconds or a date; between 0 and 15 minutes. None when absent or unreadable."""
    if header is None:
        return None
    text = header.strip()
    if re.fullmatch(r"[0-9]+", text):
        return min(float(text), LONGEST_RETRY_AFTER) if len(text) < 10 else LONGEST_RETRY_AFTER
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, min((moment - (now or clock.now())).total_seconds(), LONGEST_RETRY_AFTER))


def _json_bytes(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
