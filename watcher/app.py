"""The only wiring: `build` puts the rooms together, `run` lives in them until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from watcher import __version__
from watcher.aws.sessions import Sessions
from watcher.cluster.membership import part_of
from watcher.config.changes import AT_START, difference
from watcher.config.reloader import ReloadStatus
from watcher.core.routing import wants_recorded
from watcher.delivery.maintenance import Maintenance
from watcher.delivery.relay import Relay
from watcher.errors import ServiceUnreachable, StoreError
from watcher.observability import tracing
from watcher.observability.metrics import Metrics
from watcher.observability.observer import Observers
from watcher.polling.manager import PollerManager
from watcher.polling.recorder import Recorder
from watcher.stores import reader_for, store_for
from watcher.stores.memory import MemoryStore
from watcher.util.clock import SystemClock
from watcher.web.server import WebServer
from watcher.web.stream import Hub

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from typing import Any

    from watcher.cluster.membership import Membership
    from watcher.config.changes import Difference
    from watcher.core.model import EndpointKey
    from watcher.core.ports import Clock, Reader, Sink
    from watcher.core.settings import Config, Http
    from watcher.core.state import Record
    from watcher.observability.daemon_view import EndpointStatus, SinkStatus, TargetStatus
    from watcher.observability.observer import Observer
    from watcher.stores.dynamodb.reader import DynamoReader
    from watcher.stores.dynamodb.store import DynamoStore
    from watcher.stores.sqlite.store import SqliteReader, SqliteStore

log = structlog.get_logger()

CLOSING = 5.0
"""Seconds beyond the grace time for closing what is open."""

LAST_SPANS = 2.0
"""Seconds beyond that for sending what is left of the traces."""

SERVE_AGAIN = 30.0
"""Seconds between tries to have an address that nobody asked for."""

STARTING = 30.0
"""Seconds for which a start waits for a store that has a bad moment."""

WAIT_FOR_STORE = 1.0
"""Seconds between tries to take sinks up while the store does not work."""


class App:
    """Everything that runs; what `inside.Inside` says is what others may see of it."""

    def __init__(
        self, config: Config, clock: Clock, sinks: Sequence[Sink] | None = None, observers: Sequence[Observer] = ()
    ) -> None:
        """Nothing is opened before `run`."""
        self.config = config
        self.clock = clock
        self.started = clock.now()
        self.loaded = ReloadStatus(self.started, self.started)
        self._sessions = Sessions()
        self.store: SqliteStore | DynamoStore | MemoryStore = store_for(config.state, self._sessions)
        self._reader: SqliteReader | DynamoReader | MemoryStore = (
            self.store if isinstance(self.store, MemoryStore) else reader_for(config.state, self._sessions)
        )
        self._own_sinks = sinks is None
        made = sinks if sinks is not None else [each.options.build(each, self._sessions) for each in config.sinks]
        self.metrics = Metrics(self)
        self._hub = Hub(self)
        self.web = WebServer(self, self.metrics, self._hub)
        self._observers = observer = Observers(self.metrics, self._hub, *observers)
        patience = {settings.name: settings.give_up_after for settings in config.sinks}
        self.relay = Relay(self.store, made, clock, patience, observer)
        self.recorder = Recorder(self.store, clock, self.relay.wake, observer)
        self.polling = PollerManager(config, self._sessions, self.recorder, clock, observer, self._may)
        self._part = self._part_of_table()
        self._upkeep = Maintenance(self, self.store, self.relay)
        self._traces: tracing.Tracing | None = None
        self._stage = "it is starting"
        """Why it is not ready as a whole; empty while it watches."""

    async def run(self, stop: asyncio.Event, *beside: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Watch until `stop` is set or every sink is closed for good; then deliver what is due within the grace time.

        `beside`: what runs as long as it watches, too.

        Raises:
            StoreError: the store cannot be used, at the start or with changes in hand at the end.
            ServiceUnreachable: the address that `http.listen` names cannot be had.
        """
        with contextlib.suppress(_StoppedError):
            await self._run(stop, beside)

    async def apply(self, config: Config) -> tuple[str, ...]:
        """Take up another configuration by what differs; returns the keys that need a restart.

        Targets that stay keep their state, phase and streaks; clients and sinks that did not change stay open; no poll
        and no delivery under way is cut.

        Raises:
            ServiceUnreachable: a new address cannot be had; nothing has changed.
        """
        change = difference(self.config, config)
        # Made before anything is touched: what cannot be made refuses all of it.
        coming = [each.options.build(each, self._sessions) for each in change.coming_sinks] if self._own_sinks else []
        if config.http != self.config.http:
            await self._serve_at(config.http)
        self.config = config = replace(config, **{key: getattr(self.config, key) for key in AT_START})
        self.polling.reconfigure(config if self._part is None else self._part.restricted(config))
        # What others hold is theirs to forget.
        forgotten = change.forgotten if self._part is None else self._part.mine(change.forgotten)
        if self._own_sinks:
            await self._change_sinks(config, change, coming, forgotten)
        else:
            await self.recorder.forget(forgotten)
        log.info(
            "config.reloaded",
            targets=len(config.targets),
            new=change.new_targets,
            changed=change.changed_targets,
            forgotten=len(change.forgotten),
            sinks_changed=len(change.leaving_sinks | {sink.name for sink in change.coming_sinks}),
        )
        if change.restart_for:
            consequence = "these keys keep their old values until watcher is restarted"
            log.warning("config.restart_required", keys=change.restart_for, consequence=consequence)
        return change.restart_for

    def tell(self, observer: Observer) -> None:
        """Tell one more of what happens."""
        self._observers.add(observer)

    def forget_credentials(self) -> None:
        """Forget all profiles and credentials; each account loads them again at its next call."""
        self._sessions.drop()

    def reloaded(self, loaded: ReloadStatus) -> None:
        """Show what became of another configuration."""
        self.loaded = loaded
        self._hub.reloaded()

    @property
    def records(self) -> Mapping[str, Record]:
        """See `inside.Inside`."""
        return self.recorder.records

    @property
    def reader(self) -> Reader:
        """See `inside.Inside`."""
        return self._reader

    def target(self, target_id: str) -> TargetStatus:
        """See `inside.Inside`."""
        return self.polling.look(target_id)

    def endpoints(self) -> Mapping[EndpointKey, EndpointStatus]:
        """See `inside.Inside`."""
        return self.polling.looks()

    def sinks(self) -> Mapping[str, SinkStatus]:
        """See `inside.Inside`."""
        return self.relay.look({sink.name: sink.type for sink in self.config.sinks})

    def stuck(self) -> list[str]:
        """See `inside.Inside`."""
        recorder = self.recorder.stuck()
        return [*self.polling.stuck(), *self.relay.stuck(), *([recorder] if recorder else [])]

    def unready(self) -> list[str]:
        """See `inside.Inside`."""
        reasons = [self._stage] if self._stage else []
        if self.recorder.trouble is not None:
            reasons.append(f"the state store takes nothing: {self.recorder.trouble}")
        if self.relay.trouble is not None:
            reasons.append(f"the state store does not tell what waits for the sinks: {self.relay.trouble}")
        reasons += [] if self._part is None else self._part.unready()
        untried = [str(key) for key, look in self._looks().items() if not look.tried]
        return [*reasons, *(f"{key} was not tried yet" for key in untried)]

    def _may(self, key: EndpointKey) -> bool:
        """Whether an endpoint is this watcher's to ask at this moment."""
        return self._part is None or self._part.may(key)

    def _part_of_table(self) -> Membership | None:
        """What is this watcher's of a table that others may use, too; None: everything is."""
        part = part_of(self.store, lambda: self.config, self.polling, self.recorder, self.relay, self.clock)
        if part is not None:
            self.polling.reconfigure(part.restricted(self.config))
        return part

    def _looks(self) -> Mapping[EndpointKey, EndpointStatus]:
        return self.polling.looks()

    async def _run(self, stop: asyncio.Event, beside: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        await self._patiently(self.store.open, stop)
        try:
            if self.config.tracing is not None:
                self._traces = tracing.set_up(self.config.tracing, __version__)
            if self._part is None:
                await self.recorder.load([*(target.id for target in self.config.targets), *map(str, self._looks())])
            await self._patiently(lambda: self._enlist(self.config), stop)
            if self._reader is not self.store:
                await self._patiently(self._reader.open, stop)
            await self._serve_at(self.config.http)
            self.relay.wake()
            log.info("watcher.started", targets=len(self.config.targets), endpoints=len(self._looks()))
            await self._live(stop, [self._serve_again, *beside])
        finally:
            await self._close()

    async def _patiently(self, step: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
        """Take a step of the start, again and again while the store has a bad moment."""
        until, logged = self.clock.monotonic() + STARTING, ""
        while True:
            try:
                return await step()
            except StoreError as error:
                if error.passing and stop.is_set():
                    raise _StoppedError from error
                if not error.passing or self.clock.monotonic() > until:
                    raise
                if str(error) != logged:
                    logged = str(error)
                    log.warning("store.unavailable", error=logged, consequence=f"retrying for up to {STARTING:g} s")
                await asyncio.sleep(WAIT_FOR_STORE)

    async def _live(self, stop: asyncio.Event, beside: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        recording = asyncio.create_task(self.recorder.run(), name="recorder")
        relaying = asyncio.create_task(self.relay.run(), name="relay")
        polling = asyncio.create_task(self.polling.run(), name="polling")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        upkeep = (self._upkeep.prune, self._upkeep.mark_alive, self._upkeep.remind)
        others = [asyncio.create_task(each()) for each in (*upkeep, *beside)]
        holding = [] if self._part is None else [asyncio.create_task(self._part.run(), name="holding")]
        everything = (recording, relaying, polling, stopping, *others, *holding)
        self._stage = ""
        try:
            done, _ = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # only a stop, or the last sink's end, ends one without an error
            self._stage = "it is stopping"
            log.info("watcher.shutdown_started", grace=self.config.shutdown_grace)
            if self._part is not None:
                await self._part.resign()
            for task in (*others, polling):
                await _cancel(task)
            await self._drain()
        finally:
            for task in everything:
                await _cancel(task)
            if self._part is not None:
                await self._part.release_all()

    async def _drain(self) -> None:
        """Commit what was seen and deliver what is due, within the grace time."""
        grace = self.config.shutdown_grace
        try:
            async with asyncio.timeout(grace) as limit:
                await self.recorder.drained()
                if self._part is not None and (shorter := self._part.grace(grace)) < grace:
                    grace = shorter
                    limit.reschedule(asyncio.get_running_loop().time() + grace)
                await self.relay.drain(grace)
        except TimeoutError:
            if self.recorder.pending:
                raise StoreError(
                    f"{self.config.state}: changes that were seen could not be kept before the grace time was over; "
                    "what AWS tells at the next start is compared with what was kept"
                ) from None
        waiting = await self.store.waiting()
        log.info("watcher.stopped", undelivered=sum(waiting.values()))

    async def _enlist(self, config: Config) -> None:
        """Take up the configured sinks: a new one gets the history it asked for, a removed one leaves dead letters."""
        known = await self.store.registered_sinks()
        for sink in config.sinks:
            if sink.name not in known and sink.replay_from is not None:
                replayed = await self.store.replay(sink.name, sink.replay_from, partial(wants_recorded, sink))
                log.info("sink.replayed", sink=sink.name, events=replayed)
        if buried := await self.store.register_sinks([sink.name for sink in config.sinks], self.clock.now()):
            log.warning("sink.removed", dead_letters=buried, remedy="list them with `watcher deliveries --dead`")

    async def _change_sinks(
        self, config: Config, change: Difference, coming: Sequence[Sink], forgotten: Sequence[str]
    ) -> None:
        """Let sinks go and come; whatever was routed to one that goes is recorded before it is taken off the list."""
        for sink in config.sinks:
            self.relay.bear(sink.name, sink.give_up_after)
        try:
            await self.relay.retire(change.leaving_sinks)
            await self.recorder.forget(forgotten)
            logged = ""
            while True:
                try:
                    await self._enlist(config)
                    break
                except StoreError as error:
                    if str(error) != logged:
                        logged = str(error)
                        log.warning("config.deferred", error=logged)
                    await asyncio.sleep(WAIT_FOR_STORE)
        finally:
            for made, settings in zip(coming, change.coming_sinks, strict=True):
                self.relay.engage(made, settings.give_up_after)
            self.relay.settled()

    async def _serve_at(self, http: Http | None) -> None:
        """Serve the pages at another address, or nowhere.

        Raises:
            ServiceUnreachable: the address that the configuration names cannot be had; all is as it was.
        """
        before = self.web.url
        try:
            await self.web.reconfigure(http)
        except ServiceUnreachable as error:
            if http is None or http.written:
                raise
            # Nobody asked for this very address: watching goes on without.
            log.warning("http.listen_failed", error=str(error))
        if self.web.url not in (None, before):
            log.info("http.started", url=self.web.url)

    async def _serve_again(self) -> None:
        """Try again, for ever, to have an address that could not be had."""
        while True:
            await asyncio.sleep(SERVE_AGAIN)
            if self.web.url is None and self.config.http is not None:
                with contextlib.suppress(ServiceUnreachable):
                    await self.web.reconfigure(self.config.http)
                    log.info("http.started", url=self.web.url)

    async def _close(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await self.web.close(CLOSING / 2)
                self.metrics.close()
                await self.relay.close()
                await self.polling.close()
                if self._reader is not self.store:
                    await self._reader.close()
                await self.store.close()  # the last one: it tidies up the write-ahead log
                self._sessions.close()
        if self._traces is not None:
            await self._traces.shutdown(LAST_SPANS)


class _StoppedError(Exception):
    """It was told to end before it could begin."""


def build(
    config: Config,
    *,
    clock: Clock | None = None,
    sinks: Sequence[Sink] | None = None,
    observers: Sequence[Observer] = (),
) -> App:
    """Put a daemon together from a configuration. Nothing is opened yet.

    Args:
        config: what to watch and how.
        clock: what time it is; the machine's own by default.
        sinks: where events go; those of the configuration by default.
        observers: who else is told of what happens.
    """
    return App(config, clock or SystemClock(), sinks, observers)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait([task])
