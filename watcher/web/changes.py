"""The requests that change something: make a mute, end one early, acknowledge an incident.

They need `http.write_token` as a bearer token, which no browser sends by itself; a request that a page of another site
makes is refused besides (`auth.of_another_site`).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from watcher.config.faults import suggestion
from watcher.core import hand_requests
from watcher.core.by_hand import MAX_MUTES, HandWriter
from watcher.messages.sanitize import one_line
from watcher.observability.daemon_view import DaemonView
from watcher.util.shapes import parse
from watcher.web import panels, query
from watcher.web.responses import Response, error_response, json_response

BODY_SECONDS = 10.0
"""How long a body may take to arrive."""

MAX_ID_CHARACTERS = 200
"""The characters of an id in a path that are read; every id is shorter."""

UNNAMED = "http"
"""Who made a change, if the request does not say."""

METHODS = {"/api/mutes": "POST", "/api/mutes/{id}": "DELETE", "/api/incidents/{id}/ack": "POST"}
"""The methods of the requests that change something, by their paths in the OpenAPI document."""


class BodyError(ValueError):
    """A body is wrong; the faults are texts by their places: the path of a key, or a line and a column."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{place}: {fault}" for place, fault in faults.items()))
        self.faults = faults

    @property
    def response(self) -> Response:
        """The response with all faults."""
        faults = [{"place": place, "error": fault} for place, fault in self.faults.items()]
        return json_response({"error": f"the body is wrong: {self}", "faults": faults}, 400)


class Changes:
    """Changes in the store what people set by hand, and lets the daemon read it again at once (`refresh`)."""

    def __init__(self, daemon: DaemonView, store: HandWriter, refresh: Callable[[], Awaitable[None]]) -> None:
        self._daemon = daemon
        self._store = store
        self._refresh = refresh

    async def respond(self, path: str, request: web.BaseRequest, rest: str) -> Response:
        """Respond to a request that may change something; `path` is one of `METHODS`, `rest` the value of its `{id}`.

        Raises:
            StoreError: the store cannot be used.
        """
        try:
            async with asyncio.timeout(BODY_SECONDS):
                given = await request.read()
        except TimeoutError:
            return error_response(408, f"the body did not arrive within {BODY_SECONDS:g} s")
        try:
            body = _parsed(given)
            if path == "/api/mutes":
                return await self._mute(body)
            named = unquote(rest)[:MAX_ID_CHARACTERS]
            if path == "/api/mutes/{id}":
                return await self._unmute(named, request)
            return await self._acknowledge(named, body)
        except BodyError as error:
            return error.response

    async def _mute(self, body: Mapping[str, Any]) -> Response:
        read = _Body(body, ("targets", "events", "for", "reason", "by"))
        targets = read.texts("targets", hand_requests.read_targets)
        events = read.texts("events", hand_requests.read_events, needed=False)
        seconds = read.text("for", hand_requests.read_length)
        reason = read.text("reason", hand_requests.read_text)
        by = read.text("by", hand_requests.read_name, UNNAMED)
        read.check()
        now = self._daemon.clock.now()
        mute = hand_requests.new_mute(targets, events, seconds, reason, by, now)
        if not await self._store.add_mute(mute):
            return error_response(409, f"there are {MAX_MUTES} active mutes already; end one first")
        await self._refresh()
        return json_response(panels.made_mute(mute, now), 201)

    async def _unmute(self, mute_id: str, request: web.BaseRequest) -> Response:
        now = self._daemon.clock.now()
        given, _ = query.parameters(request.query.items(), once=("by",))
        try:
            by = hand_requests.read_name(given.get("by", UNNAMED))
        except ValueError as error:
            raise query.QueryError(f"by: {error}") from None
        ended = await self._store.end_mute(mute_id, now, by)
        if ended is None:
            return error_response(404, "there is no active mute with this ID; /api/mutes lists them")
        await self._refresh()
        return json_response(panels.made_mute(ended, now))

    async def _acknowledge(self, named: str, body: Mapping[str, Any]) -> Response:
        read = _Body(body, ("by", "note"))
        by = read.text("by", hand_requests.read_name, UNNAMED)
        note = read.text("note", hand_requests.read_text, None)
        read.check()
        reader = self._daemon.reader
        ids = {named, *hand_requests.incident_ids(event for _, event in await reader.find(named))}
        found = hand_requests.new_acknowledgements(
            await reader.records(), ids, None, by, note, self._daemon.clock.now()
        )
        if not found:
            return error_response(404, "no open incident has this ID, or an event with this ID")
        await self._store.acknowledge(found)
        await self._refresh()
        return json_response({"incidents": [panels.acknowledgement_view(each) for each in found]})


class _Body:
    """Reads the keys of a body, and collects what is wrong with them."""

    def __init__(self, body: Mapping[str, Any], known: tuple[str, ...]) -> None:
        self._body = body
        self._faults: dict[str, str] = {}
        for key in body:
            if key not in known:
                close = suggestion(key, known)
                hint = f"did you mean {close[0]}?" if close else ", ".join(known)
                self._faults[one_line(key, 60)] = f"unknown key; {hint}"

    def text(self, key: str, read: Callable[[str], Any], *default: Any) -> Any:
        """Return what `read` makes of a text, or the `default` if the key is missing; without one, that is a fault."""
        if default and self._body.get(key) is None:
            return default[0]
        return self._read(key, self._body.get(key), read)

    def texts(self, key: str, read: Callable[[list[str]], Any], *, needed: bool = True) -> Any:
        """Return what `read` makes of a list of texts; an empty tuple if it is missing and not `needed`."""
        given = self._body.get(key)
        if given is None and not needed:
            return ()
        if not isinstance(given, list) or (needed and not given):
            self._faults[key] = f"this must be a list of texts{', which is not empty' if needed else ''}"
            return ()
        for at, each in enumerate(given):
            self._read(f"{key}[{at}]", each, lambda text: read([text]))
        faulty = any(place == key or place.startswith(f"{key}[") for place in self._faults)
        return () if faulty else self._read(key, given, read, list)

    def check(self) -> None:
        """Check that no fault was found.

        Raises:
            BodyError: at least one was; it has all of them.
        """
        if self._faults:
            raise BodyError(self._faults)

    def _read(self, place: str, value: Any, read: Callable[[Any], Any], kind: type[Any] = str) -> Any:
        if not isinstance(value, kind):
            self._faults[place] = "this key is missing" if value is None else "this must be a text"
            return None
        try:
            return read(value)
        except ValueError as error:
            self._faults[place] = one_line(error)
            return None


def _parsed(body: bytes) -> Mapping[str, Any]:
    """Return the object that a body is; one that is empty counts as an empty object.

    Raises:
        BodyError: it is something else.
    """
    if not body:
        return {}
    try:
        value = parse(body.decode(), None, "the body")
    except json.JSONDecodeError as error:
        raise BodyError({f"line {error.lineno}, column {error.colno}": f"not JSON: {error.msg}"}) from None
    except ValueError as error:  # not UTF-8, or nested too deeply
        raise BodyError({"line 1, column 1": f"not JSON: {one_line(error)}"}) from None
    if not isinstance(value, dict):
        raise BodyError({"line 1, column 1": "this must be an object"})
    return value
