"""The client of AGORA: the port over HTTP.

``Exchange`` holds the calls, once, for an event loop; ``AgoraHttp`` is the port for ordinary code, one call at a time; ``AgoraTransport`` is what the
outbox drain takes, many calls over one pool. The contract is all they rely on: any server that keeps it will do at ``AGORA_URL``.

An answer is believed only if it is about what was asked: our own reference, the number already known, a status of the list, the name that was typed.
Anything else is a partner that does not work, so the message waits, and is refused when it keeps coming back; nothing of it is stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from app.partners.agora import mapping
from app.partners.agora.channel import LARGEST_FILE, AgoraClient, AgoraConfig, AgoraRejected, Answer, Channel
from app.partners.agora.mapping import Purpose
from app.partners.agora.port import AgoraFileState, Contradiction, FileEvent, FilePage, Identity, IdentityQuery, NewFile, Refusal, WeeklyDsn
from app.partners.agora.problems import DUPLICATE_CODE
from app.partners.errors import Cause, PartnerContradictory, PartnerDuplicate, PartnerRejected, PartnerUnavailable

__all__ = ["AgoraHttp", "AgoraTransport", "Exchange", "build_agora", "build_config", "build_transport"]

T = TypeVar("T")

LARGEST_PAGE = 1000
#: Fields of a file that mean nothing when they are not what the contract says.
_AGAINST = {"numeroDossier": Contradiction.MALFORMED_NUMBER, "statut": Contradiction.UNKNOWN_STATUS}
_WEEK = re.compile(r"[0-9]{4}-W[0-9]{2}")


class Exchange:
    """Every call of the contract. Each takes the pool it is to use, raises the errors of the port and ends within its budget of time."""

    def __init__(self, config: AgoraConfig) -> None:
        self.config = config
        self._channel = Channel(config)

    def open_client(self) -> AgoraClient:
        """A pool; an async context manager."""
        return self._channel.open_client()

    async def search_identity(self, client: AgoraClient, query: IdentityQuery) -> Identity:
        """Guide 000, "Vérification". Connection, token and answer share one short budget: a user is waiting."""
        async with self._channel.budget(self.config.identity_budget):
            answer = await self._channel.call(
                client,
                "POST",
                "/v1/identites/recherche",
                purpose=Purpose.IDENTITY,
                caller=query.caller,
                body=mapping.identity_query_to_wire(query),
            )
        identity = _read(answer, mapping.identity_from_wire)
        if not mapping.same_name(identity.birth_name, query.birth_name):
            raise PartnerUnavailable(reason="the identity bears another birth name than the one asked for", cause=Cause.BAD_ANSWER)
        return identity

    async def create_file(self, client: AgoraClient, new_file: NewFile, *, idempotency_key: UUID) -> AgoraFileState:
        """Guide 000: the number and "Entrée en formation" come back at once. Raises PartnerDuplicate with the file that was there already."""
        async with self._channel.budget(self.config.budget):
            try:
                answer = await self._channel.call(
                    client,
                    "POST",
                    "/v1/dossiers",
                    purpose=Purpose.CREATION,
                    caller=new_file.caller,
                    expected=(200, 201),
                    body=mapping.new_file_to_wire(new_file),
                    idempotency_key=idempotency_key,
                )
            except AgoraRejected as refusal:
                if refusal.status != 409 or refusal.code != DUPLICATE_CODE:
                    raise
                number = refusal.number
            else:
                return _check(_read(answer, mapping.file_state_from_wire), reference=new_file.external_reference)
            state = await self._confirm_duplicate(client, new_file, number)
            raise PartnerDuplicate(state.number, state=state)

    async def _confirm_duplicate(self, client: AgoraClient, new_file: NewFile, number: str | None) -> AgoraFileState:
        """Read the file that is said to exist: its number is taken for ours only if it bears our reference."""
        if number is None:
            raise PartnerUnavailable(reason="said to exist already, without a well-formed number", cause=Cause.BAD_ANSWER)
        try:
            answer = await self._channel.call(client, "GET", f"/v1/dossiers/{number}", purpose=Purpose.READING, caller=new_file.caller)
        except PartnerRejected:
            answer = None
        if answer is None:
            raise PartnerUnavailable(reason="said to exist already, under a number that cannot be read", cause=Cause.BAD_ANSWER)
        return _check(_read(answer, mapping.file_state_from_wire), reference=new_file.external_reference, number=number)

    async def send_event(self, client: AgoraClient, event: FileEvent, *, idempotency_key: UUID) -> AgoraFileState:
        """Exit, closing, modification… of a file whose number is known."""
        _require_number(event.number)
        async with self._channel.budget(self.config.budget):
            answer = await self._channel.call(
                client,
                "POST",
                f"/v1/dossiers/{event.number}/evenements",
                purpose=Purpose.EVENT,
                caller=event.caller,
                body=mapping.event_to_wire(event),
                idempotency_key=idempotency_key,
            )
        return _check(_read(answer, mapping.file_state_from_wire), reference=event.external_reference, number=event.number)

    async def get_file(self, client: AgoraClient, number: str) -> AgoraFileState:
        """One file; PartnerRejected with UNKNOWN_FILE when there is none."""
        _require_number(number)
        async with self._channel.budget(self.config.budget):
            try:
                answer = await self._channel.call(client, "GET", f"/v1/dossiers/{number}", purpose=Purpose.READING, caller=None)
            except AgoraRejected as refusal:
                # A page of some other server at this address is a 404 too: only a problem of AGORA's says that there is no such file.
                if refusal.status == 404 and not refusal.code.startswith("HTTP_"):
                    refusal.refusal = Refusal.UNKNOWN_FILE
                raise
        return _check(_read(answer, mapping.file_state_from_wire), number=number)

    async def find_files(
        self,
        client: AgoraClient,
        *,
        external_reference: str | None = None,
        modified_since: datetime | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> FilePage:
        """One page. Raises PartnerUnavailable for a page that answers another question or would have us turn in circles."""
        if not 1 <= limit <= LARGEST_PAGE:
            raise ValueError(f"between 1 and {LARGEST_PAGE} files a page")
        params = {"limite": str(limit)}
        if external_reference is not None:
            params["referenceExterne"] = external_reference
        if modified_since is not None:
            params["modifieDepuis"] = modified_since.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if cursor is not None:
            params["curseur"] = cursor
        async with self._channel.budget(self.config.budget):
            answer = await self._channel.call(client, "GET", "/v1/dossiers", purpose=Purpose.READING, caller=None, params=params)
        page = _read(answer, mapping.page_from_wire)
        if external_reference is not None and any(file.external_reference != external_reference for file in page.files):
            raise PartnerUnavailable(reason="the page holds files that were not asked for", cause=Cause.BAD_ANSWER)
        if page.next_cursor is not None and (page.next_cursor == cursor or not page.files):
            raise PartnerUnavailable(reason="the pages do not advance", cause=Cause.BAD_ANSWER)
        return page

    async def weekly_dsn(self, client: AgoraClient, week: str) -> WeeklyDsn:
        """Guide 002: the weekly file that Régions download."""
        if not _WEEK.fullmatch(week):
            raise ValueError("a week is written 2026-W05")
        async with self._channel.budget(self.config.file_budget):
            answer = await self._channel.call(
                client,
                "GET",
                f"/v1/dsn/meilleurs-emplois/{week}",
                purpose=Purpose.EMPLOYMENT,
                caller=None,
                accept="text/csv",
                largest=LARGEST_FILE,
            )
        if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
            raise PartnerUnavailable(reason="the weekly file is not CSV", cause=Cause.BAD_ANSWER)
        return _mapped(lambda: mapping.weekly_dsn_from_csv(week, answer.body))


class AgoraHttp:
    """The port (``AgoraPort``) for ordinary code: one call at a time, each with its own connection. The token is kept between calls.

    Not to be called from inside an event loop: there, use ``AgoraTransport``.
    """

    def __init__(self, config: AgoraConfig) -> None:
        self._exchange = Exchange(config)

    def search_identity(self, query: IdentityQuery) -> Identity:
        return self._run(lambda client: self._exchange.search_identity(client, query))

    def create_file(self, new_file: NewFile, *, idempotency_key: UUID) -> AgoraFileState:
        return self._run(lambda client: self._exchange.create_file(client, new_file, idempotency_key=idempotency_key))

    def send_event(self, event: FileEvent, *, idempotency_key: UUID) -> AgoraFileState:
        return self._run(lambda client: self._exchange.send_event(client, event, idempotency_key=idempotency_key))

    def get_file(self, number: str) -> AgoraFileState:
        return self._run(lambda client: self._exchange.get_file(client, number))

    def find_files(
        self,
        *,
        external_reference: str | None = None,
        modified_since: datetime | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> FilePage:
        return self._run(
            lambda client: self._exchange.find_files(client, external_reference=external_reference, modified_since=modified_since, cursor=cursor, limit=limit)
        )

    def weekly_dsn(self, week: str) -> WeeklyDsn:
        return self._run(lambda client: self._exchange.weekly_dsn(client, week))

    def _run(self, call: Callable[[AgoraClient], Coroutine[Any, Any, T]]) -> T:
        """One short event loop. Closing it, unlike ``asyncio.run``, does not wait for a name look-up that hangs in its thread."""

        async def once() -> T:
            async with self._exchange.open_client() as client:
                return await call(client)

        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(once())
        finally:
            try:
                loop.run_until_complete(loop.shutdown_asyncgens())
            finally:
                loop.close()


class AgoraTransport:
    """AGORA as the outbox drain wants it: many messages over one pool, each with its own outcome."""

    def __init__(self, config: AgoraConfig) -> None:
        self._exchange = Exchange(config)
        self.max_concurrency = config.max_concurrency

    def open_client(self) -> AgoraClient:
        """The pool of one drain; an async context manager."""
        return self._exchange.open_client()

    async def resolve_duplicate(self, request: Any, duplicate: PartnerDuplicate, *, client: AgoraClient) -> AgoraFileState:
        """The file that was there already: it was read, and checked to be ours, before the error was raised."""
        state = duplicate.state
        if not isinstance(state, AgoraFileState):
            raise TypeError("a duplicate of another partner")
        return state

    def body(self, request: Any) -> str | None:
        """What AGORA compares under an idempotency key: the file and its content, not the headers."""
        match request:
            case NewFile():
                said: Any = ["", mapping.new_file_to_wire(request)]
            case FileEvent():
                said = [request.number, mapping.event_to_wire(request)]
            case _:
                return None
        return json.dumps(said, sort_keys=True, separators=(",", ":"))

    async def send(self, request: Any, *, idempotency_key: UUID, client: AgoraClient) -> AgoraFileState | Identity:
        """Send one message: NewFile or FileEvent → AgoraFileState, IdentityQuery → Identity. Raises the errors of ``app.partners.errors``."""
        match request:
            case NewFile():
                return await self._exchange.create_file(client, request, idempotency_key=idempotency_key)
            case FileEvent():
                return await self._exchange.send_event(client, request, idempotency_key=idempotency_key)
            case IdentityQuery():
                return await self._exchange.search_identity(client, request)
            case _:
                raise TypeError(f"AGORA knows no {type(request).__name__}")


def build_config(settings: Any) -> AgoraConfig:
    """The configuration, from ``config.Settings`` or from ``app.config``. Raises ValueError when a setting is missing or unsafe."""

    def setting(name: str, default: Any = None) -> Any:
        value = settings.get(name) if isinstance(settings, Mapping) else getattr(settings, name.lower(), None)
        return default if value in (None, "") else value

    def required(name: str) -> str:
        value = setting(name)
        if value is None:
            raise ValueError(f"{name} is missing")
        return str(value)

    pseudonym_key = hmac.new(required("SECRET_KEY").encode(), b"agora agent pseudonym v1", hashlib.sha256).digest()
    return AgoraConfig(
        url=required("AGORA_URL"),
        client_id=required("AGORA_CLIENT_ID"),
        client_secret=required("AGORA_CLIENT_SECRET"),
        jwt_key=required("AGORA_JWT_KEY"),
        pseudonym_key=pseudonym_key,
        funder_siret=required("AGORA_FUNDER_SIRET"),
        ca_file=setting("AGORA_CA_FILE"),
        proxy=setting("AGORA_PROXY"),
        max_concurrency=int(setting("AGORA_CONCURRENCY", AgoraConfig.__dataclass_fields__["max_concurrency"].default)),
    )


def build_agora(settings: Any) -> AgoraHttp:
    """The port for ordinary code."""
    return AgoraHttp(build_config(settings))


def build_transport(settings: Any) -> AgoraTransport:
    """The transport for the outbox: ``register_partner("agora", …)``."""
    return AgoraTransport(build_config(settings))


def _read(answer: Answer, from_wire: Callable[[Any], T]) -> T:
    wire = answer.json()
    return _mapped(lambda: from_wire(wire))


def _mapped(read: Callable[[], T]) -> T:
    """Whatever does not keep the contract is a partner that does not work; a status or a number that it does not allow has its own word."""
    try:
        return read()
    except mapping.MappingError as error:
        where = str(error)
    if (contradiction := _AGAINST.get(where)) is not None:
        raise PartnerContradictory(contradiction.value, f"answer against the contract: {where}")
    raise PartnerUnavailable(reason=f"answer against the contract: {where}", cause=Cause.BAD_ANSWER)


def _check(state: AgoraFileState, *, reference: str | None = None, number: str | None = None) -> AgoraFileState:
    if reference is not None and state.external_reference != reference:
        raise PartnerContradictory(Contradiction.OTHER_REFERENCE.value, "the answer is about another file")
    if number is not None and state.number != number:
        raise PartnerContradictory(Contradiction.OTHER_NUMBER.value, "the answer bears another number")
    return state


def _require_number(number: str) -> None:
    """A malformed number is our own fault, and would travel in a path."""
    if not mapping.is_number(number):
        raise ValueError("not the number of an AGORA file")
