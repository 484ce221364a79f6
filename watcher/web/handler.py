"""Answers requests: checks each, finds its route, and works on few at a time, so that the loop stays free for polls."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import lru_cache, partial
from importlib import resources
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import structlog
from aiohttp import HttpVersion11

from watcher.errors import StoreError
from watcher.util.redaction import redact
from watcher.web import assets, auth, query, routes
from watcher.web.api import Api
from watcher.web.health import Health
from watcher.web.limits import HeldBodies, OnePerIteration, client_of, may_have_more
from watcher.web.responses import Packer, Response, failed, send, takes_gzip
from watcher.web.routes import Route
from watcher.web.stream import MOST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from aiohttp import web

    from watcher.core.settings import Config
    from watcher.observability.daemon_view import DaemonView
    from watcher.observability.metrics import Metrics
    from watcher.web.stream import Hub

log = structlog.get_logger()

AT_A_TIME = 16
"""Requests that are worked on at the same time; the others wait, since polls share the loop with them."""

MOST_HELD = 64 * 1024 * 1024
"""Bytes of all responses that are being sent."""


class Site:
    """Answers requests."""

    def __init__(self, inside: DaemonView, metrics: Metrics, hub: Hub) -> None:
        """The files of the page are read here, once."""
        self._inside = inside
        self.health = Health(inside, metrics)
        self._hub = hub
        self._packer = Packer()
        self._api = Api(inside, metrics.backlogs, self.health, self._packer)
        self._assets = assets.load()
        document = resources.files("watcher.web").joinpath("openapi.json").read_bytes()
        self._document = Response(document, headers=[("Cache-Control", "no-cache")])
        self._places = asyncio.Semaphore(AT_A_TIME)
        self._clients: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._pacing, self._health_pacing = OnePerIteration(), OnePerIteration()
        self._streams: Counter[str] = Counter()
        self._held = HeldBodies(MOST_HELD)
        api, health, shell = self._api, self.health, lru_cache(query.MOST_PARTS + 1)(self._shell)
        self._answers: Mapping[Route, Callable[[web.BaseRequest, str], Awaitable[Response]]] = {
            Route.LIVEZ: lambda _request, _rest: _now(health.live()),
            Route.READYZ: lambda _request, _rest: health.ready(),
            Route.METRICS: lambda _request, _rest: health.metrics(),
            Route.PAGE: lambda _request, _rest: _now(shell(0)),
            Route.TARGET_PAGE: lambda _request, rest: _now(shell(rest.count("/") + 1)),
            Route.STATIC: lambda request, rest: _now(self._file(request, rest)),
            Route.STATUS: lambda request, _rest: api.status(request.query),
            Route.TARGETS: lambda request, _rest: api.targets(request.query),
            Route.TARGET: lambda request, rest: api.target(rest, request.query),
            Route.ENDPOINTS: lambda request, _rest: api.endpoints(request.query),
            Route.SINKS: lambda request, _rest: api.sinks(request.query),
            Route.EVENTS: lambda request, _rest: api.events(request.query),
            Route.OPENAPI: lambda _request, _rest: _now(self._document),
        }

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._inside.config

    def close(self) -> None:
        """Nothing is built any more."""
        self.health.close()
        self._api.close()
        self._packer.close()

    async def answer(self, request: web.BaseRequest, token: str | None, names: Collection[str]) -> web.StreamResponse:
        """Answer one request, which must present `token`; nothing but a lost connection is raised."""
        route, rest = routes.find(request.rel_url.raw_path) or (None, "")
        check = partial(_refused, request, route, token, names)
        try:
            if route is Route.STREAM:
                await self._pacing.wait()
                answer = check() or await self._stream(request)
            elif route in routes.OPEN:
                await self._health_pacing.wait()
                answer = check() or await self._answers[route](request, rest)
            else:
                answer = await self._made(request, route, rest, check)
        except query.WrongQuery as error:
            answer = failed(400, str(error))
        except StoreError as error:
            answer = failed(503, redact(str(error)), [("Retry-After", "5")])
        except ConnectionError:
            raise
        except Exception:
            log.exception("http.crashed", route=route)
            answer = failed(500, "this is a bug of watcher; its log has the details, please report them")
        return await self._sent(request, answer) if isinstance(answer, Response) else answer

    async def _sent(self, request: web.BaseRequest, answer: Response) -> web.StreamResponse:
        with self._held.by(client_of(request.remote or ""), answer.body) as room:
            return await send(request, answer if room else TOO_MUCH)

    async def _made(
        self, request: web.BaseRequest, route: Route | None, rest: str, check: Callable[[], Response | None]
    ) -> Response:
        async with self._places_of(client_of(request.remote or "")), self._places:
            await self._pacing.wait()
            refused = check()
            if refused is not None or route is None:
                return refused or NOTHING_HERE
            answer = await self._answers[route](request, rest)
            if takes_gzip(request.headers.get("Accept-Encoding", "")):
                answer = await self._packer.packed(answer)
            return answer

    def _places_of(self, address: str) -> asyncio.Semaphore:
        """The semaphore of one client, which may have half of all places."""
        return self._clients.setdefault(address, asyncio.Semaphore(AT_A_TIME // 2))

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse | Response:
        after = query.stream_after(request.query.items(), request.headers.get("Last-Event-ID"))
        client = client_of(request.remote or "")
        if not may_have_more(self._streams[client], self._hub.streams, MOST):
            full = f"there are {self._hub.streams} streams already; close one, or ask /api/events"
            return failed(503, full, [("Retry-After", "30")])
        self._streams[client] += 1
        try:
            return await self._hub.serve(request, after)
        finally:
            self._streams[client] -= 1
            self._streams += Counter()  # drops clients without streams

    def _shell(self, depth: int) -> Response:
        return self._assets.shell(depth) if depth <= query.MOST_PARTS else NOTHING_HERE

    def _file(self, request: web.BaseRequest, name: str) -> Response:
        return self._assets.file(name, request.query.get("v"), request.headers.get("If-None-Match", ""))


def _refused(
    request: web.BaseRequest, route: Route | None, token: str | None, names: Collection[str]
) -> Response | None:
    """The response to a request that must be refused; None: it may be answered."""
    hosts = request.headers.getall("Host", [])
    if len(hosts) > 1 or (not hosts and request.version >= HttpVersion11):  # RFC 9112, section 3.2
        return failed(400, "a request must have exactly one Host header")
    if not auth.addressed_here(request.host, _local(request), names):
        return auth.NOT_HERE
    if route not in routes.OPEN and not auth.may(request.headers.get("Authorization"), token):
        return failed(
            401,
            "a token is needed (`http.token`): send it as a bearer token, or as the password of basic authentication",
            [("WWW-Authenticate", challenge) for challenge in auth.CHALLENGES],
        )
    if request.method not in {"GET", "HEAD"}:
        return failed(405, "everything here is read only; send GET or HEAD", [("Allow", "GET, HEAD")])
    if request.body_exists:
        return failed(413, "no request has a body here; send it without")
    return None


def _local(request: web.BaseRequest) -> str:
    """The local address that a request arrived at."""
    address = request.protocol.sockname
    return address[0] if isinstance(address, tuple) else ""


async def _now(answer: Response) -> Response:
    """What is known without waiting, for a table of what may have to wait."""
    return answer


TOO_MUCH = failed(
    503, "too many large responses are being sent; read them faster, or request less", [("Retry-After", "1")]
)

NOTHING_HERE = failed(404, "there is nothing at this address; /api/openapi.json tells what there is")
