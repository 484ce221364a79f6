"""Responds to requests: checks each, finds its route, and runs few at a time, so that the loop stays free for polls."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import lru_cache, partial
from importlib import resources
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import structlog
from aiohttp import HttpVersion11

from watcher.core.settings import Config
from watcher.errors import StoreError
from watcher.observability.daemon_view import DaemonView
from watcher.observability.metrics import Metrics
from watcher.util.redaction import redact
from watcher.web import assets, auth, query, routes
from watcher.web.api import Api
from watcher.web.health import Health
from watcher.web.limits import HeldBodies, OnePerIteration, client_of, may_have_more
from watcher.web.responses import Compressor, Response, accepts_gzip, error_response, send
from watcher.web.routes import Route
from watcher.web.stream import MAX_STREAMS, Hub

if TYPE_CHECKING:
    from aiohttp import web

log = structlog.get_logger()

MAX_AT_A_TIME = 16
"""Requests that are handled at the same time; the others wait, since polls share the loop with them."""

MAX_HELD_BYTES = 64 * 1024 * 1024
"""The bodies of all responses that are being sent."""

TOO_MANY_CONNECTIONS = error_response(503, "too many connections; try again in a moment", [("Retry-After", "1")])
TOO_MUCH_HELD = error_response(
    503, "too many large responses are being sent; read them faster, or request less", [("Retry-After", "1")]
)
NOT_FOUND = error_response(404, "this path does not exist; see /api/openapi.json for those that do")


class Handler:
    """Responds to the requests of all listeners. The files of the page are read once."""

    def __init__(self, daemon: DaemonView, metrics: Metrics, hub: Hub) -> None:
        self._daemon = daemon
        self._health = health = Health(daemon, metrics)
        self._hub = hub
        self._compressor = Compressor()
        self._api = api = Api(daemon, metrics.backlogs, health, self._compressor)
        self._assets = assets.load()
        document = Response(
            resources.files("watcher.web").joinpath("openapi.json").read_bytes(),
            headers=[("Cache-Control", "no-cache")],
        )
        self._places = asyncio.Semaphore(MAX_AT_A_TIME)
        self._clients: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._pacing, self._health_pacing = OnePerIteration(), OnePerIteration()
        self._streams: Counter[str] = Counter()
        self._held = HeldBodies(MAX_HELD_BYTES)
        shell = lru_cache(query.MAX_ID_SLASHES + 1)(self._shell)
        self._responses: Mapping[Route, Callable[[web.BaseRequest, str], Response | Awaitable[Response]]] = {
            Route.LIVEZ: lambda _request, _rest: health.live(),
            Route.READYZ: lambda _request, _rest: health.ready(),
            Route.METRICS: lambda _request, _rest: health.metrics(),
            Route.PAGE: lambda _request, _rest: shell(0),
            Route.TARGET_PAGE: lambda _request, rest: shell(rest.count("/") + 1),
            Route.STATIC: lambda request, rest: self._assets.file(
                rest, request.query.get("v"), request.headers.get("If-None-Match", "")
            ),
            Route.STATUS: lambda request, _rest: api.status(request.query),
            Route.TARGETS: lambda request, _rest: api.targets(request.query),
            Route.TARGET: lambda request, rest: api.target(rest, request.query),
            Route.ENDPOINTS: lambda request, _rest: api.endpoints(request.query),
            Route.SINKS: lambda request, _rest: api.sinks(request.query),
            Route.EVENTS: lambda request, _rest: api.events(request.query),
            Route.OPENAPI: lambda _request, _rest: document,
        }

    @property
    def config(self) -> Config:
        """The current configuration."""
        return self._daemon.config

    def close(self) -> None:
        """Cancel the responses that are being made."""
        self._health.close()
        self._api.close()
        self._compressor.close()

    async def respond(
        self, request: web.BaseRequest, token: str | None, names: Collection[str], *, surplus: bool
    ) -> web.StreamResponse:
        """Respond to a request, which needs `token`; on a `surplus` connection only about health.

        Raises:
            ConnectionError: the connection was lost.
        """
        route, rest = routes.find(request.rel_url.raw_path) or (None, "")
        check = partial(_refusal, request, route, token, names)
        try:
            if surplus and route not in routes.HEALTH:
                response: Response | web.StreamResponse = TOO_MANY_CONNECTIONS
            elif route is Route.STREAM:
                await self._pacing.wait()
                response = check() or await self._stream(request)
            elif route in routes.HEALTH:
                await self._health_pacing.wait()
                response = check() or await self._respond(route, request, rest)
            else:
                response = await self._respond_in_turn(request, route, rest, check)
        except query.QueryError as error:
            response = error_response(400, str(error))
        except StoreError as error:
            response = error_response(503, redact(str(error)), [("Retry-After", "5")])
        except ConnectionError:
            raise
        except Exception:
            log.exception("http.crashed", route=route)
            response = error_response(500, "a bug in watcher; please report the details in its log")
        if not isinstance(response, Response):
            return response
        if route in routes.HEALTH:
            return await send(request, response)
        with self._held.by(client_of(request.remote or ""), response.body) as has_room:
            return await send(request, response if has_room else TOO_MUCH_HELD)

    async def _respond_in_turn(
        self, request: web.BaseRequest, route: Route | None, rest: str, check: Callable[[], Response | None]
    ) -> Response:
        client = client_of(request.remote or "")
        # One client may have half of all places.
        async with self._clients.setdefault(client, asyncio.Semaphore(MAX_AT_A_TIME // 2)), self._places:
            await self._pacing.wait()
            refusal = check()
            if refusal is not None or route is None:
                return refusal or NOT_FOUND
            response = await self._respond(route, request, rest)
            if accepts_gzip(request.headers.get("Accept-Encoding", "")):
                response = await self._compressor.compressed(response)
            return response

    async def _respond(self, route: Route, request: web.BaseRequest, rest: str) -> Response:
        response = self._responses[route](request, rest)
        return response if isinstance(response, Response) else await response

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse | Response:
        after = query.stream_after(request.query.items(), request.headers.get("Last-Event-ID"))
        client = client_of(request.remote or "")
        if not may_have_more(self._streams[client], self._hub.streams, MAX_STREAMS):
            error = f"{self._hub.streams} streams are open already; close one, or use /api/events"
            return error_response(503, error, [("Retry-After", "30")])
        self._streams[client] += 1
        try:
            return await self._hub.serve(request, after)
        finally:
            self._streams[client] -= 1
            self._streams += Counter()  # drops clients without streams

    def _shell(self, depth: int) -> Response:
        return self._assets.shell(depth) if depth <= query.MAX_ID_SLASHES else NOT_FOUND


def _refusal(
    request: web.BaseRequest, route: Route | None, token: str | None, names: Collection[str]
) -> Response | None:
    """The response to a request that must be refused, or None."""
    hosts = request.headers.getall("Host", [])
    if len(hosts) > 1 or (not hosts and request.version >= HttpVersion11):  # RFC 9112, section 3.2
        return error_response(400, "a request must have exactly one Host header")
    local = request.protocol.sockname
    if not auth.addressed_here(request.host, local[0] if isinstance(local, tuple) else "", names):
        return auth.WRONG_HOST
    if route not in routes.HEALTH and not auth.authorized(request.headers.get("Authorization"), token):
        return error_response(
            401,
            "a token is needed (`http.token`): send it as a bearer token, or as the password of basic authentication",
            [("WWW-Authenticate", challenge) for challenge in auth.CHALLENGES],
        )
    if request.method not in {"GET", "HEAD"}:
        return error_response(405, "the API is read-only; send GET or HEAD", [("Allow", "GET, HEAD")])
    if request.body_exists:
        return error_response(413, "a request must not have a body")
    return None
