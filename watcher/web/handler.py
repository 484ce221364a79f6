"""Responds to requests: checks each, finds its route, and runs few at a time, so that the loop stays free for polls."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import lru_cache, partial
from importlib import resources
from weakref import WeakValueDictionary

import structlog
from aiohttp import HttpVersion11, web

from watcher.errors import StoreError
from watcher.observability.daemon_view import DaemonView
from watcher.observability.metrics import Metrics
from watcher.util.redaction import redact
from watcher.web import assets, auth, query
from watcher.web.api import Api
from watcher.web.changes import METHODS, Changes
from watcher.web.connection import MAX_BODY_BYTES, Connection, may_have_body
from watcher.web.limits import Shares
from watcher.web.responses import Compressor, Response, accepts_gzip, error_response, send
from watcher.web.stream import MAX_STREAMS, Hub

log = structlog.get_logger()

MAX_AT_A_TIME = 16  # requests that are handled; the others wait, since polls share the loop with them
MAX_HELD_BYTES = 64 * 1024 * 1024  # the bodies of all responses that are being sent

HEALTH = frozenset({"/livez", "/readyz"})
"""Paths that need no token, do not wait for other requests, and are not refused for the memory that other responses
take: an orchestrator restarts the daemon if they fail."""

STREAM, MUTES = "/api/stream", "/api/mutes"

_PREFIXES = {"/targets/": "/targets/{id}", "/static/": "/static/{file}", "/api/targets/": "/api/targets/{id}",
             "/api/mutes/": "/api/mutes/{id}"}  # fmt: skip
_ACKNOWLEDGE = re.compile(r"/api/incidents/([^/]+)/ack")

TOO_MANY_CONNECTIONS = error_response(503, "too many connections; try again in a moment", [("Retry-After", "1")])
TOO_MUCH_HELD = error_response(
    503, "too many large responses are being sent; read them faster, or request less", [("Retry-After", "1")]
)
NOT_FOUND = error_response(404, "this path does not exist; see /api/openapi.json for those that do")


class Handler:
    """Responds to the requests of all listeners. The files of the page are read once."""

    def __init__(self, daemon: DaemonView, metrics: Metrics, hub: Hub, changes: Changes) -> None:
        self.daemon = daemon
        self._changes = changes
        self._hub = hub
        self._compressor = Compressor()
        self._api = api = Api(daemon, metrics, self._compressor)
        files = assets.load()
        document = Response(
            resources.files("watcher.web").joinpath("openapi.json").read_bytes(),
            headers=[("Cache-Control", "no-cache")],
        )
        self._places = asyncio.Semaphore(MAX_AT_A_TIME)
        self._clients: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._turns, self._health_turns = asyncio.Lock(), asyncio.Lock()
        self._streams, self._held = Shares(MAX_STREAMS), Shares(MAX_HELD_BYTES)

        @lru_cache(query.MAX_ID_SLASHES + 1)
        def shell(depth: int) -> Response:
            return files.shell(depth) if depth <= query.MAX_ID_SLASHES else NOT_FOUND

        self._responses: Mapping[str, Callable[[web.BaseRequest, str], Response | Awaitable[Response]]] = {
            "/livez": lambda _request, _rest: api.live(),
            "/readyz": lambda _request, _rest: api.ready(),
            "/metrics": lambda _request, _rest: api.metrics(),
            "/": lambda _request, _rest: shell(0),
            "/targets/{id}": lambda _request, rest: shell(rest.count("/") + 1),
            "/static/{file}": lambda request, rest: files.file(
                rest, request.query.get("v"), request.headers.get("If-None-Match", "")
            ),
            "/api/status": lambda request, _rest: api.status(request.query.items()),
            "/api/targets": lambda request, _rest: api.targets(request.query.items()),
            "/api/targets/{id}": lambda request, rest: api.target(rest, request.query.items()),
            "/api/endpoints": lambda request, _rest: api.rows("endpoints", request.query.items()),
            "/api/listings": lambda request, _rest: api.rows("listings", request.query.items()),
            "/api/hints": lambda request, _rest: api.hints(request.query.items()),
            "/api/mutes": lambda request, _rest: api.mutes(request.query.items()),
            "/api/sinks": lambda request, _rest: api.rows("sinks", request.query.items()),
            "/api/events": lambda request, _rest: api.events(request.query.items()),
            "/api/openapi.json": lambda _request, _rest: document,
        }

    def close(self) -> None:
        """Cancel the responses that are being made."""
        self._api.close()
        self._compressor.close()

    async def respond(
        self, request: web.BaseRequest, connection: Connection, tokens: auth.Tokens, names: Collection[str]
    ) -> web.StreamResponse:
        """Respond to a request, which needs one of `tokens`; on a surplus connection only about health.

        Raises:
            ConnectionError: the connection was lost.
        """
        path, rest = _find(request.rel_url.raw_path)
        check = partial(_refusal, request, path, tokens, names)
        try:
            if connection.surplus and path not in HEALTH:
                response: Response | web.StreamResponse = TOO_MANY_CONNECTIONS
            elif path == STREAM:
                await _next_iteration(self._turns)
                response = check() or await self._stream(request, connection.client)
            elif path in HEALTH:
                await _next_iteration(self._health_turns)
                response = check() or await self._respond(path, request, rest)
            else:
                # One client may have half of all places.
                places = self._clients.setdefault(connection.client, asyncio.Semaphore(MAX_AT_A_TIME // 2))
                async with places, self._places:
                    await _next_iteration(self._turns)
                    response = check() or await self._respond(path, request, rest)
                    if accepts_gzip(request.headers.get("Accept-Encoding", "")):
                        response = await self._compressor.compressed(response)
        except query.QueryError as error:
            response = error_response(400, str(error))
        except StoreError as error:
            response = error_response(503, redact(str(error)), [("Retry-After", "5")])
        except ConnectionError:
            raise
        except Exception:
            log.exception("http.crashed", route=path)
            response = error_response(500, "a bug in watcher; please report the details in its log")
        if not isinstance(response, Response):
            return response
        if path in HEALTH:
            return await send(request, response)
        with self._held.taken(connection.client, response.body, len(response.body)) as has_room:
            return await send(request, response if has_room else TOO_MUCH_HELD)

    async def _respond(self, path: str, request: web.BaseRequest, rest: str) -> Response:
        if request.method == METHODS.get(path):
            return await self._changes.respond(path, request, rest)
        if path not in self._responses:
            return NOT_FOUND
        response = self._responses[path](request, rest)
        return response if isinstance(response, Response) else await response

    async def _stream(self, request: web.BaseRequest, client: str) -> web.StreamResponse | Response:
        after = query.stream_after(request.query.items(), request.headers.get("Last-Event-ID"))
        with self._streams.taken(client, request) as has_room:
            if has_room:
                return await self._hub.serve(request, after)
            error = f"{self._hub.streams} streams are open already; close one, or use /api/events"
            return error_response(503, error, [("Retry-After", "30")])


async def _next_iteration(turns: asyncio.Lock) -> None:
    """Wait for an iteration of the event loop in which no other request starts; they start in order of arrival."""
    async with turns:
        await asyncio.sleep(0)


def _find(raw_path: str) -> tuple[str, str]:
    """The path as the OpenAPI document has it, and the value of its `{…}`, which is still percent-encoded.

    A badge is found as `/api/targets/{id}`: whether `…/badge.svg` is a target of that name depends on the targets.
    """
    acknowledged = _ACKNOWLEDGE.fullmatch(raw_path)
    if acknowledged:
        return "/api/incidents/{id}/ack", acknowledged[1]
    for prefix, path in _PREFIXES.items():
        if raw_path.startswith(prefix) and raw_path != prefix:
            return path, raw_path.removeprefix(prefix)
    return raw_path, ""


def _refusal(request: web.BaseRequest, path: str, tokens: auth.Tokens, names: Collection[str]) -> Response | None:
    """The response to a request that must be refused, or None."""
    hosts = request.headers.getall("Host", [])
    if len(hosts) > 1 or (not hosts and request.version >= HttpVersion11):  # RFC 9112, section 3.2
        return error_response(400, "a request must have exactly one Host header")
    name = request.protocol.sockname
    local = name[0] if isinstance(name, tuple) else ""
    if not auth.addressed_here(request.host, local, names):
        return auth.WRONG_HOST
    changing = METHODS.get(path)
    if request.method == changing:
        return _refusal_of_change(request, tokens, names, local)
    if path not in HEALTH and not auth.authorized(request.headers.get("Authorization"), tokens):
        return error_response(
            401,
            "a token is needed (`http.token`): send it as a bearer token, or as the password of basic authentication",
            [("WWW-Authenticate", challenge) for challenge in auth.CHALLENGES],
        )
    readable = changing is None or path == MUTES
    if request.method not in {"GET", "HEAD"} or not readable:
        allowed = ", ".join([*(["GET", "HEAD"] if readable else []), *([changing] if changing else [])])
        return error_response(405, f"this path takes no {request.method[:20]}; send {allowed}", [("Allow", allowed)])
    if request.body_exists:
        return error_response(413, "a request must not have a body")
    return None


def _refusal_of_change(
    request: web.BaseRequest, tokens: auth.Tokens, names: Collection[str], local: str
) -> Response | None:
    """The response to a request for a change that must be refused, or None."""
    headers = request.headers
    if tokens.write is None:
        return error_response(403, "nothing can be changed over HTTP: `http.write_token` is not set")
    if auth.of_another_site(headers.get("Origin"), headers.get("Sec-Fetch-Site"), local, names):
        return error_response(403, "a page of another site may not change anything here")
    if not auth.may_write(headers.get("Authorization"), tokens):
        error = "a change needs the token of `http.write_token`: send it as a bearer token"
        return error_response(401, error, [("WWW-Authenticate", auth.CHALLENGES[0])])
    if not request.body_exists:
        return None
    if not may_have_body(request.method, headers):
        return error_response(
            413, f"a body must have a Content-Length of at most {MAX_BODY_BYTES} bytes, and no other encoding"
        )
    if request.content_type != "application/json":
        return error_response(415, "a body must be JSON: send Content-Type: application/json")
    return None
