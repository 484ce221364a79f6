"""A fake daemon for tests of the HTTP side: the store, records and events are real, and tests set the statuses."""

from __future__ import annotations

import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.support.waiting import PATIENCE
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.config.reloader import ReloadStatus
from watcher.core.by_hand import ByHand
from watcher.core.diff import diff
from watcher.core.events import outage_event
from watcher.core.model import Attempt, Snapshot
from watcher.core.ports import Entry
from watcher.core.settings import Http
from watcher.core.state import Outage, Record
from watcher.core.sync_events import sync_event
from watcher.observability.daemon_view import EndpointStatus, HintQueueStatus, SinkStatus, TargetStatus
from watcher.observability.metrics import Metrics
from watcher.stores import reader_for, store_for
from watcher.util.clock import SystemClock
from watcher.web.changes import Changes
from watcher.web.server import WebServer
from watcher.web.stream import Hub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from pydantic import SecretStr

    from watcher.core.events import Event
    from watcher.core.listings import ListingKey
    from watcher.core.model import EndpointKey, Target
    from watcher.core.ports import Clock, Reader, Store
    from watcher.core.settings import Config
    from watcher.observability.daemon_view import ListingStatus

BEGAN = datetime(2026, 11, 23, 8, tzinfo=UTC)
STACKS = """
stacks:
  - {name: network, region: us-east-1, labels: {team: platform}}
  - {name: shop, region: us-east-1}
"""


def config_of(text: str, state: str) -> Config:
    """The configuration in `text`, with its state at `state`."""
    return parse(Document("watcher.yaml", f"{text}\nstate: {state}\n".encode()), {}, lambda _: None)


def attempt(
    minute: float, status: str, *lines: str, sha: str = "62c0ffee00", revision: Mapping[str, str] | None = None
) -> Attempt:
    """An attempt that started this many minutes after `BEGAN`."""
    began = BEGAN + timedelta(minutes=minute)
    told = {"repositoryProvider": "GITHUB", "repositoryName": "org/templates", "branch": "main", "sha": sha}
    events = tuple(
        {"type": "SYNC", "event": line, "time": (began + timedelta(seconds=5)).isoformat()} for line in lines
    )
    return Attempt(began, status, "web:1", told, dict(revision or told), events)


@dataclass
class Peek:
    """A `DaemonView` (`watcher.observability.daemon_view`) whose statuses tests set."""

    config: Config
    store: Store
    reader: Reader
    clock: Clock = field(default_factory=SystemClock)
    started: datetime = BEGAN
    records: dict[str, Record] = field(default_factory=dict)
    by_hand: ByHand = field(default_factory=ByHand)
    loaded: ReloadStatus = field(default_factory=lambda: ReloadStatus(BEGAN, BEGAN))
    looks: dict[str, TargetStatus] = field(default_factory=dict)
    sink_looks: dict[str, SinkStatus] = field(default_factory=dict)
    queue_looks: dict[str, HintQueueStatus] = field(default_factory=dict)
    endpoint_looks: dict[EndpointKey, EndpointStatus] = field(default_factory=dict)
    listing_looks: dict[ListingKey, ListingStatus] = field(default_factory=dict)
    away: set[EndpointKey] = field(default_factory=set)
    """The endpoints that another watcher on the table polls."""
    observers: list[Any] = field(default_factory=list)
    why_stuck: list[str] = field(default_factory=list)
    why_unready: list[str] = field(default_factory=list)

    def target(self, target_id: str) -> TargetStatus:
        away = self.away and any(each.id == target_id for each in self.config.targets if each.endpoint in self.away)
        return self.looks.get(target_id, TargetStatus(None, None, None, 0, polled_here=not away))

    def endpoints(self) -> Mapping[EndpointKey, EndpointStatus]:
        return {
            key: self.endpoint_looks.get(
                key, EndpointStatus(len(targets), tried=True, answered=BEGAN, rate=5.0, allowed=5.0, failures=0)
            )
            for key, targets in self.config.endpoints.items()
            if key not in self.away
        }

    def listings(self) -> Mapping[ListingKey, ListingStatus]:
        return self.listing_looks

    def sinks(self) -> Mapping[str, SinkStatus]:
        return {
            sink.name: self.sink_looks.get(sink.name, SinkStatus(sink.type, "up", "")) for sink in self.config.sinks
        }

    def hint_queues(self) -> Mapping[str, HintQueueStatus]:
        return self.queue_looks

    def stuck(self) -> list[str]:
        return self.why_stuck

    def unready(self) -> list[str]:
        return self.why_unready

    async def see(
        self, target: Target, latest: Attempt | None, *, sinks: Sequence[str] = (), success: Attempt | None = None
    ) -> list[Event]:
        """Record an answer of AWS by the real diff and commit, and return its events."""
        before = record = self.records.get(target.id, Record())
        now = self.clock.now()
        outcome = diff(record.known, Snapshot(None, latest, success), now=now, stalled_after=timedelta(days=999))
        events = []
        for change in outcome.changes:
            record = replace(record, sequence=record.sequence + 1)
            events.append(sync_event(target, change, sequence=record.sequence, now=now))
        known = replace(record, known=outcome.known)
        await self.commit(Entry(target.id, known, [(event, sinks) for event in events], before))
        return events

    async def fail(self, subject: Target | EndpointKey, outage: Outage, *, sinks: Sequence[str] = ()) -> None:
        """Record that a target or an endpoint is unreadable."""
        key = subject.id if hasattr(subject, "id") else str(subject)
        record = self.records.get(key, Record())
        event = outage_event(subject, outage, sequence=record.sequence + 1, now=self.clock.now(), over=False)
        await self.commit(Entry(key, replace(record, outage=outage, sequence=record.sequence + 1), [(event, sinks)]))

    async def commit(self, *entries: Entry) -> None:
        await self.store.commit(entries, self.clock.now())
        self.records = {**self.records, **{entry.subject: entry.record for entry in entries}}
        for observer in self.observers:
            observer.recorded(entries)


@dataclass
class Site:
    """A server of a fake daemon, and a client for it."""

    peek: Peek
    server: WebServer
    hub: Hub
    metrics: Metrics
    http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        assert self.server.url
        return self.server.url

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def slow_client(self, request: bytes) -> socket.socket:
        """A client that has sent a request, and whose system receives only a few kilobytes before they are read."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(self.address)
        client.sendall(request)
        return client

    async def get(self, path: str, **how: Any) -> tuple[int, Any, Mapping[str, str]]:
        """The status, the body (JSON or text) and the headers of a response. The path is sent as it is."""
        from yarl import URL  # noqa: PLC0415  only for this

        async with self.http.get(URL(self.url + path, encoded=True), **how) as answer:
            text = await answer.text()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, json.loads(text) if is_json and text else text, answer.headers


@asynccontextmanager
async def peeking(folder: Path, text: str = STACKS, state: str | None = None) -> AsyncIterator[Peek]:
    """A fake daemon with a store in a file, or at `state`."""
    state = state or f"sqlite:///{folder / 'watcher.db'}"
    store = store_for(state)
    await store.open()
    reader = reader_for(state)
    await reader.open()
    try:
        yield Peek(config_of(text, state), store, reader)
    finally:
        await reader.close()
        await store.close()


@asynccontextmanager
async def serving(
    folder: Path,
    text: str = STACKS,
    token: SecretStr | None = None,
    state: str | None = None,
    write_token: SecretStr | None = None,
) -> AsyncIterator[Site]:
    """A server on loopback, wired as in the daemon."""
    async with peeking(folder, text, state) as peek:
        hub = Hub(peek)
        metrics = Metrics(peek, lambda: hub.streams)
        peek.observers = [metrics, hub]

        async def refresh() -> None:
            peek.by_hand = await peek.store.by_hand(peek.clock.now())

        server = WebServer(peek, metrics, hub, Changes(peek, peek.store, refresh))
        await server.reconfigure(Http("127.0.0.1", 0, token, write_token=write_token))
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as http:
                yield Site(peek, server, hub, metrics, http)
        finally:
            await server.close(2.0)
            metrics.close()
