"""The sandbox as a web application: every operation of the contract, and ``/_admin`` for tests, on this machine only."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ipaddress
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.core import clock
from app.partners.agora.sandbox import dsn, people
from app.partners.agora.sandbox.contract import Contract, Erreur, Operation, erreur
from app.partners.agora.sandbox.faults import SLOW_SECONDS, Faults, word_in
from app.partners.agora.sandbox.journal import JournalError
from app.partners.agora.sandbox.rules import Refused, check_event, check_holder, check_new_file
from app.partners.agora.sandbox.security import Security
from app.partners.agora.sandbox.store import File, Store, instant

LARGEST_BODY = 256 * 1024
JSON_TYPE = "application/json"
PROBLEM_TYPE = "application/problem+json"

Handler = Callable[[Request], Awaitable[Response]]


class Sandbox:
    """The handlers and what they share."""

    def __init__(self, store: Store, security: Security) -> None:
        self.store = store
        self.security = security
        self.contract = Contract()
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()

    def app(self) -> Starlette:
        """The web application."""
        routes = [
            self._route("/oauth/token", self.token, "POST", "token"),
            self._route("/v1/identites/recherche", self.identity, "POST", "identity"),
            self._route("/v1/dossiers", self.create_file, "POST", "files"),
            self._route("/v1/dossiers", self.list_files, "GET", "reading"),
            self._route("/v1/dossiers/{numero}", self.read_file, "GET", "reading"),
            self._route("/v1/dossiers/{numero}/evenements", self.add_event, "POST", "events"),
            self._route("/v1/dsn/meilleurs-emplois/{semaine}", self.weekly_dsn, "GET", "dsn"),
            Route("/healthz", _health),
            Route("/_admin/faults", self.admin_faults, methods=["GET", "PUT", "DELETE"]),
            Route("/_admin/state", self.admin_state, methods=["GET"]),
            Route("/_admin/reset", self.admin_reset, methods=["POST"]),
            Route("/_admin/tokens", self.admin_tokens, methods=["DELETE"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _http_error, Exception: _crash})

    def _route(self, path: str, handler: Handler, method: str, scope: str) -> Route:
        """A handler of the contract: delays come first, a refusal becomes a problem."""

        async def endpoint(request: Request) -> Response:
            self.requests[scope] += 1
            if delay := self.faults.delay(scope):
                await asyncio.sleep(delay)
            try:
                return await handler(request)
            except Refused as refused:
                self.refusals[refused.code] += 1
                return _json(refused.problem(), refused.status, PROBLEM_TYPE, refused.headers)
            except JournalError as error:
                # What is in memory is ahead of the disk: only the disk counts.
                self.store.recover()
                return _json(Refused(503, "INDISPONIBLE", str(error)).problem(), 503, PROBLEM_TYPE, {"retry-after": "5"})

        return Route(path, endpoint, methods=[method])

    # -- operations of the contract --

    async def token(self, request: Request) -> Response:
        if kind := self.faults.draw("token"):
            return await self._faulty(request, kind, None)
        form = dict(parse_qsl((await _body(request)).decode("latin-1")))
        return _json(self.security.issue(form), headers={"cache-control": "no-store"})

    async def identity(self, request: Request) -> Response:
        token, body, _digest = await self._read(request, "/v1/identites/recherche")
        word = word_in(body["nomNaissance"])
        kind = self.faults.of_word(word, None) or self.faults.draw("identity")
        self._fail_before(kind, token)
        if kind == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        nir, name = body["nir"], body["nomNaissance"]
        if not people.is_valid_nir(nir, body["cle"]):
            raise Refused(
                422, "NIR_INVALIDE", "Le NIR ou sa clé n’est pas valable.", erreurs=[erreur("/nir", "NIR_INVALIDE", "Ce NIR ou sa clé n’est pas valable.")]
            )
        if kind == "unknown_person":
            raise Refused(404, "ID_INCONNUE", "Aucune personne ne correspond.")
        if kind in ("name_mismatch", "refused") or not people.name_agrees(nir, name):
            wrong = erreur("/nomNaissance", "NOM_DISCORDANT", "Ce nom n’est pas celui de la personne.")
            raise Refused(422, "NOM_DISCORDANT", "Le nom de naissance n’est pas celui de la personne qui porte ce NIR.", erreurs=[wrong])
        return await self._answer(request, kind, people.identity_of(nir, name), 200)

    async def create_file(self, request: Request) -> Response:
        token, body, digest = await self._read(request, "/v1/dossiers")
        key, reference = request.headers["idempotency-key"], body["referenceExterne"]
        word = word_in(body["titulaire"]["nomNaissance"], reference)
        kind = self.faults.of_word(word, f"files {reference}") or self.faults.draw("files")
        self._fail_before(kind, token)
        if kind == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        answer, status = self.store.replay(key, digest), 200
        if answer is None:
            if kind == "refused":
                wrong = erreur("/titulaire/dateNaissance", "DATE_INCOHERENTE", "Cette date de naissance n’est pas celle de la personne.")
                raise Refused(422, "DONNEES_INVALIDES", "Le dossier n’est pas accepté.", erreurs=[wrong])
            if kind in ("unknown_person", "name_mismatch"):
                wrong = erreur("/titulaire/nomNaissance", "NOM_DISCORDANT", "Ce nom n’est pas celui de la personne.")
                raise Refused(422, "NOM_DISCORDANT", "Le nom de naissance n’est pas celui de la personne qui porte ce NIR.", erreurs=[wrong])
            check_new_file(body)
            answer, status = self.store.create(body, key, digest, word).answer(), 201
        await self._on_disk()
        if kind == "duplicate":
            raise Refused(409, "DOSSIER_EXISTANT", "Un dossier existe déjà sous cette référence.", number=answer["numeroDossier"])
        return await self._answer(request, kind, answer, status)

    async def add_event(self, request: Request) -> Response:
        token, body, digest = await self._read(request, "/v1/dossiers/{numero}/evenements")
        key, file = request.headers["idempotency-key"], self._file(request)
        digest = f"{file.number}:{digest}"
        kind = self.faults.of_word(file.word, f"{key} {file.number}") or self.faults.draw("events")
        self._fail_before(kind, token)
        if kind == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        answer = self.store.replay(key, digest)
        if answer is None:
            check_event(body, entry=file.entry)
            if "modification" in body:
                if wrong := self.contract.check_modification(body["modification"]):
                    raise _invalid(wrong)
                if "titulaire" in body["modification"]:
                    check_holder(body["modification"]["titulaire"], "/modification/titulaire")
            self.store.apply(file, body, key, digest)
            answer = file.answer()
        await self._on_disk()
        return await self._answer(request, kind, answer, 200)

    async def read_file(self, request: Request) -> Response:
        token = self._authorise(request)
        _refuse_if(self.contract.operation("get", "/v1/dossiers/{numero}").check_parameters("path", request.path_params))
        file, kind = self._file(request), self.faults.draw("reading")
        self._fail_before(kind, token)
        await self._on_disk()
        return await self._answer(request, kind, file.answer(), 200)

    async def list_files(self, request: Request) -> Response:
        token = self._authorise(request)
        query = request.query_params
        _refuse_if(self.contract.operation("get", "/v1/dossiers").check_parameters("query", query))
        limit = int(query.get("limite", "100"))
        if limit < 1:
            raise _invalid([erreur("/query/limite", "HORS_BORNES", "Cette valeur est trop petite.")])
        kind = self.faults.draw("reading")
        self._fail_before(kind, token)
        await self._on_disk()
        files, following = self._search(query, limit)
        return await self._answer(request, kind, {"dossiers": [file.answer() for file in files], "curseurSuivant": _cursor(following)}, 200)

    def _search(self, query: Any, limit: int) -> tuple[list[File], int | None]:
        since = query.get("modifieDepuis")
        if since is not None:
            try:
                since = instant(datetime.fromisoformat(since.upper()))
            except (ValueError, OverflowError):
                raise _invalid([erreur("/query/modifieDepuis", "FORMAT_INVALIDE", "Cette donnée n’a pas la forme attendue.")]) from None
        after = _rank(query["curseur"]) if "curseur" in query else 0
        if "referenceExterne" in query:
            number = self.store.references.get(query["referenceExterne"])
            file = self.store.files[number] if number else None
            return ([file] if file is not None and file.rank > after and (since is None or file.modified >= since) else []), None
        return self.store.page(after=after, since=since, limit=limit)

    async def weekly_dsn(self, request: Request) -> Response:
        token = self._authorise(request)
        _refuse_if(self.contract.operation("get", "/v1/dsn/meilleurs-emplois/{semaine}").check_parameters("path", request.path_params))
        kind = self.faults.draw("dsn")
        self._fail_before(kind, token)
        text = dsn.weekly_file(self.store.files.values(), request.path_params["semaine"])
        if text is None:
            raise Refused(404, "FICHIER_ABSENT", "Il n’y a pas de fichier pour cette semaine.")
        if kind is not None:
            return await self._faulty(request, kind, text)
        return Response(text, media_type="text/csv")

    # -- what they share --

    def _authorise(self, request: Request) -> str:
        return self.security.check_token(request.headers.get("authorization", ""))

    async def _read(self, request: Request, template: str) -> tuple[str, dict[str, Any], str]:
        """Token, body and its fingerprint, once everything is as the contract says. Raises Refused."""
        token = self._authorise(request)
        operation: Operation = self.contract.operation("post", template)
        raw = await _body(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON_TYPE:
            raise Refused(415, "FORMAT_INVALIDE", "Une donnée JSON est attendue.")
        _refuse_if(operation.check_parameters("path", request.path_params))
        if wrong := operation.check_parameters("header", request.headers):
            raise Refused(400, "ENTETE_INVALIDE", "Un en-tête manque ou n’a pas la forme attendue.", erreurs=wrong)
        if "x-vecteur-identification" in request.headers:
            self.security.check_vector(request.headers["x-vecteur-identification"])
        body, digest = _parse(raw)
        _refuse_if(operation.check_body(body))
        return token, body, digest

    def _file(self, request: Request) -> File:
        file = self.store.files.get(request.path_params["numero"])
        if file is None:
            raise Refused(404, "DOSSIER_INCONNU", "Il n’y a pas de dossier sous ce numéro.")
        return file

    async def _on_disk(self) -> None:
        """Nothing is told that a crash could take back."""
        await self.store.journal.flushed()
        self.store.compact_if_worth()

    def _fail_before(self, kind: str | None, token: str) -> None:
        """Faults that come before anything is done. Raises Refused."""
        if kind == "throttled":
            raise Refused(429, "TROP_DE_DEMANDES", "Trop de demandes.", headers={"retry-after": self._retry_after()})
        if kind == "error":
            raise Refused(500, "ERREUR_INTERNE", "Une erreur est survenue.")
        if kind == "unavailable":
            raise Refused(503, "INDISPONIBLE", "Le service est momentanément indisponible.", headers={"retry-after": self._retry_after()})
        if kind == "expired_token":
            self.security.revoke(token)
            raise Refused(401, "JETON_EXPIRE", "Le jeton a expiré.", headers={"www-authenticate": "Bearer"})

    def _retry_after(self) -> str:
        if self.faults.retry_after_date:
            return format_datetime(clock.now().replace(microsecond=0) + timedelta(seconds=self.faults.retry_after), usegmt=True)
        return str(self.faults.retry_after)

    async def _answer(self, request: Request, kind: str | None, answer: dict[str, Any], status: int) -> Response:
        """The answer, or what a fault makes of it once the effect is there."""
        if kind in (None, "slow", "duplicate", "unknown_person", "name_mismatch", "refused"):
            return _json(answer, status)
        return await self._faulty(request, kind, answer, status)

    async def _faulty(self, request: Request, kind: str, answer: Any, status: int = 200) -> Response:
        if kind in ("error", "late_error"):
            raise Refused(500, "ERREUR_INTERNE", "Une erreur est survenue.")
        if kind in ("throttled", "unavailable"):
            self._fail_before(kind, "")
        if kind == "no_answer":
            return Silence(self.faults.hold_ms / 1000)
        if kind == "cut":
            return Silence(0.0)
        if kind == "html":
            return Response("<!doctype html><html><body>Maintenance</body></html>", media_type="text/html")
        if kind == "invalid_json":
            return Response('{"numeroDossier": "3040', media_type=JSON_TYPE, status_code=status)
        if kind == "truncated":
            return Silence(0.0, partial=b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 512\r\n\r\n{"numeroDossier": "3')
        if kind == "wrong_schema":
            return _json({"dossier": {"statut": "ENTREE"}}, status)
        if isinstance(answer, dict) and kind in ("wrong_number", "wrong_reference"):
            return _json(_about_another(answer, kind), status)
        return _json(answer, status)

    # -- administration --

    async def admin_faults(self, request: Request) -> Response:
        _loopback_only(request)
        if request.method == "DELETE":
            self.faults = Faults()
        elif request.method == "PUT":
            try:
                self.faults = Faults.from_json(json.loads(await _body(request)))
            except (ValueError, TypeError) as error:
                return _json({"error": str(error)}, 400)
        return _json(self.faults.as_json())

    async def admin_state(self, request: Request) -> Response:
        """Counts, and each file under its reference with its events in order (``?summary=1`` leaves the files out)."""
        _loopback_only(request)
        files = self.store.files
        state: dict[str, Any] = {
            "files": len(files),
            "references": len(self.store.references),
            "keys": len(self.store.keys),
            "statuses": dict(Counter(file.status for file in files.values())),
            "events": dict(Counter(kind for file in files.values() for kind, _day in file.events)),
            "requests": dict(self.requests),
            "refusals": dict(self.refusals),
            "faults": dict(self.faults.counts),
        }
        if "summary" not in request.query_params:
            wanted = request.query_params.get("referenceExterne")
            state["by_reference"] = {
                file.reference: {"number": file.number, "status": file.status, "version": file.version, "events": file.events}
                for file in files.values()
                if wanted is None or file.reference == wanted
            }
        return _json(state)

    async def admin_reset(self, request: Request) -> Response:
        """Forget files, faults and counts."""
        _loopback_only(request)
        await self.store.journal.flushed()
        self.store.reset()
        self.faults = Faults()
        self.requests.clear()
        self.refusals.clear()
        return _json({"files": 0})

    async def admin_tokens(self, request: Request) -> Response:
        """Make every token expire."""
        _loopback_only(request)
        self.security.revoke_all()
        return _json({"tokens": 0})


class Silence(Response):
    """No answer, or part of one: waits, then cuts the connection. A caller that leaves earlier is let go at once."""

    def __init__(self, seconds: float, *, partial: bytes = b"") -> None:
        super().__init__()
        self._seconds = seconds
        self._partial = partial

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        await asyncio.wait([gone], timeout=self._seconds)
        connection = scope["extensions"]["connection"]
        if self._partial and not connection.is_closing():
            connection.write(self._partial)
        connection.close()
        await gone  # else the server would think that we forgot to answer, and do so itself


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _about_another(answer: dict[str, Any], kind: str) -> dict[str, Any]:
    """A well-formed lie."""
    if "nomNaissance" in answer:
        return answer | {"nomNaissance": "AUTRUI"}
    if "dossiers" in answer:
        return answer | {"dossiers": [_about_another(file, kind) for file in answer["dossiers"]]}
    if kind == "wrong_number":
        return answer | {"numeroDossier": str(int(answer["numeroDossier"]) + 50_000_000)}
    return answer | {"referenceExterne": f"autre-{answer['referenceExterne']}"[:64]}


async def _body(request: Request) -> bytes:
    """The body, up to a limit. Raises Refused."""
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > LARGEST_BODY:
            raise Refused(413, "DEMANDE_TROP_GRANDE", "La demande est trop grande.")
    return bytes(received)


def _parse(raw: bytes) -> tuple[Any, str]:
    """A JSON value and its fingerprint, the same whatever the order of its fields. Raises Refused."""
    try:
        value = json.loads(raw.decode(), parse_constant=_no_constant)
        canonical = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise Refused(400, "JSON_INVALIDE", "La demande n’est pas du JSON lisible.") from None
    return value, hashlib.sha256(canonical).hexdigest()


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _refuse_if(wrong: list[Erreur]) -> None:
    if wrong:
        raise _invalid(wrong)


def _invalid(wrong: list[Erreur]) -> Refused:
    return Refused(422, "DONNEES_INVALIDES", "La demande n’est pas conforme au contrat.", erreurs=wrong)


def _cursor(rank: int | None) -> str | None:
    return None if rank is None else base64.urlsafe_b64encode(f"r{rank}".encode()).decode().rstrip("=")


def _rank(cursor: str) -> int:
    """The rank in a cursor. Raises Refused when it is none of ours."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        if text[:1] == "r" and text[1:].isdecimal() and len(text) < 20:
            return int(text[1:])
    except ValueError:
        pass
    raise _invalid([erreur("/query/curseur", "CURSEUR_INVALIDE", "Ce curseur est inconnu.")])


def _json(value: Any, status: int = 200, media_type: str = JSON_TYPE, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), status, headers, media_type)


def _loopback_only(request: Request) -> None:
    """Administration is for this machine; the name called must be its own too, so that no web page elsewhere can reach it through a browser."""
    client = request.client.host if request.client else ""
    for host in (client, request.url.hostname or ""):
        try:
            good = ipaddress.ip_address(host).is_loopback
        except ValueError:
            good = host == "localhost"
        if not good:
            raise HTTPException(404)


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok")


async def _http_error(_request: Request, error: Exception) -> Response:
    """Unknown paths and methods, as problems."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    code, title = {404: ("ADRESSE_INCONNUE", "Il n’y a rien à cette adresse."), 405: ("METHODE_INTERDITE", "Cette méthode n’est pas acceptée ici.")}.get(
        status, (f"HTTP_{status}", "La demande est refusée.")
    )
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return _json(Refused(status, code, title).problem(), status, PROBLEM_TYPE, headers)


async def _crash(_request: Request, _error: Exception) -> Response:
    return _json(Refused(500, "ERREUR_INTERNE", "Une erreur est survenue.").problem(), 500, PROBLEM_TYPE)
