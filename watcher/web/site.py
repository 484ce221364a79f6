"""From a request to its answer: who may, which route, one thing at a time; the loop stays free for the polls."""

from __future__ import annotations

import asyncio
from importlib import resources
from typing import TYPE_CHECKING

import structlog

from watcher.errors import StoreError
from watcher.redact import redact
from watcher.web import access, assets, query, routes
from watcher.web.answer import Answer, Packer, failed, send, takes_gzip
from watcher.web.api import Api
from watcher.web.health import Health
from watcher.web.routes import Route
from watcher.web.stream import MOST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp import web

    from watcher.inside import Inside
    from watcher.metrics import Metrics
    from watcher.web.stream import Hub

log = structlog.get_logger()

AT_A_TIME = 16
"""Requests that are thought about at once; the others wait, since polls share the loop with them."""


class Site:
    """Answers requests."""

    def __init__(self, inside: Inside, metrics: Metrics, hub: Hub) -> None:
        """The files of the page are read here, once."""
        self.health = Health(inside, metrics)
        self._hub = hub
        self._packer = Packer()
        self._api = Api(inside, metrics.backlogs, self.health, self._packer)
        self._assets = assets.load()
        document = resources.files("watcher.web").joinpath("openapi.json").read_bytes()
        self._document = Answer(document, headers=[("Cache-Control", "no-cache")])
        self._places = asyncio.Semaphore(AT_A_TIME)
        api, health = self._api, self.health
        self._answers: Mapping[Route, Callable[[web.BaseRequest, str], Awaitable[Answer]]] = {
            Route.LIVEZ: lambda _request, _rest: _now(health.live()),
            Route.READYZ: lambda _request, _rest: health.ready(),
            Route.METRICS: lambda _request, _rest: health.metrics(),
            Route.PAGE: lambda _request, _rest: _now(self._assets.shell()),
            Route.TARGET_PAGE: lambda _request, _rest: _now(self._assets.shell()),
            Route.STATIC: lambda request, rest: _now(self._file(request, rest)),
            Route.STATUS: lambda request, _rest: api.status(request.query),
            Route.TARGETS: lambda request, _rest: api.targets(request.query),
            Route.TARGET: lambda request, rest: api.target(rest, request.query),
            Route.ENDPOINTS: lambda request, _rest: api.endpoints(request.query),
            Route.SINKS: lambda request, _rest: api.sinks(request.query),
            Route.EVENTS: lambda request, _rest: api.events(request.query),
            Route.OPENAPI: lambda _request, _rest: _now(self._document),
        }

    def close(self) -> None:
        """Nothing is built any more."""
        self.health.close()
        self._api.close()
        self._packer.close()

    async def answer(self, request: web.BaseRequest, token: str | None) -> web.StreamResponse:
        """Answer one request, which must present `token`; nothing but a lost connection is raised."""
        found = routes.find(request.rel_url.raw_path)
        refused = _refused(request, found, token)
        if refused is not None or found is None:
            return await send(request, refused or NOTHING_HERE)
        route, rest = found
        try:
            if route is Route.STREAM:
                return await self._stream(request)
            answer = await self._made(request, route, rest)
        except query.WrongQuery as error:
            answer = failed(400, str(error))
        except StoreError as error:
            answer = failed(503, redact(str(error)), [("Retry-After", "5")])
        except ConnectionError:
            raise
        except Exception:
            log.exception("http.bug", route=route.value)
            answer = failed(500, "this is a bug of watcher; its log has the details, please report them")
        return await send(request, answer)

    async def _made(self, request: web.BaseRequest, route: Route, rest: str) -> Answer:
        make = self._answers[route]
        if route in routes.AT_ONCE:
            return await make(request, rest)
        async with self._places:
            # Whoever waits for nothing would give its place to the next within the same turn of the loop.
            await asyncio.sleep(0)
            answer = await make(request, rest)
            if takes_gzip(request.headers.get("Accept-Encoding", "")):
                answer = await self._packer.packed(answer)
            return answer

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        after = query.stream_after(request.query.items(), request.headers.get("Last-Event-ID"))
        if self._hub.streams >= MOST:
            full = f"there are {MOST} streams already; close one, or ask /api/events"
            return await send(request, failed(503, full, [("Retry-After", "30")]))
        return await self._hub.serve(request, after)

    def _file(self, request: web.BaseRequest, name: str) -> Answer:
        return self._assets.file(name, request.query.get("v"), request.headers.get("If-None-Match", ""))


def _refused(request: web.BaseRequest, found: tuple[Route, str] | None, token: str | None) -> Answer | None:
    """The answer to a request that gets no other."""
    is_open = found is not None and found[0] in routes.OPEN
    if not is_open and not access.may(request.headers.get("Authorization"), token):
        return failed(
            401,
            "a token is needed (`http.token`): send it as a bearer token, or as the password of basic authentication",
            [("WWW-Authenticate", challenge) for challenge in access.CHALLENGES],
        )
    if request.method not in {"GET", "HEAD"}:
        return failed(405, "everything here is read only; send GET or HEAD", [("Allow", "GET, HEAD")])
    if request.body_exists:
        return failed(413, "no request has a body here; send it without")
    return None


async def _now(answer: Answer) -> Answer:
    """What is known without waiting, for a table of what may have to wait."""
    return answer


NOTHING_HERE = failed(404, "there is nothing at this address; /api/openapi.json tells what there is")
