"""The life of the daemon: started, reconfigured, drained and closed."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from watcher import __version__
from watcher.app.discovery import Discovery
from watcher.app.serving import serve_again, serve_at
from watcher.app.sink_changes import SinkChanges
from watcher.app.store_retries import StoppedError, start_with_retries
from watcher.app.view import RunningDaemon
from watcher.aws.sessions import Sessions
from watcher.config.reloader import AT_START, ReloadStatus, difference
from watcher.core.discovery import discovered
from watcher.core.ports import Reader, Store
from watcher.core.settings import Config
from watcher.errors import StoreError
from watcher.observability.metrics import Metrics
from watcher.observability.observer import Observers
from watcher.polling.by_hand import read_by_hand
from watcher.polling.removals import forget_removed, removal_entries
from watcher.web.server import WebServer
from watcher.web.stream import Hub

if TYPE_CHECKING:
    from watcher.observability.tracing_setup import Tracing  # loads OpenTelemetry, an extra

Task = Callable[[], Coroutine[Any, Any, None]]

log = structlog.get_logger()

CLOSE_SECONDS = 5.0
"""Seconds beyond the grace time for closing what is open."""


@dataclass(eq=False)
class App:
    """A daemon; `build` makes it."""

    view: RunningDaemon
    store: Store
    reader: Reader
    sessions: Sessions
    discovery: Discovery
    sink_changes: SinkChanges
    tasks: Sequence[Task]
    """What is done beside recording, polling and delivering; each task runs until it is cancelled."""
    observers: Observers
    metrics: Metrics
    hub: Hub
    web: WebServer

    def __post_init__(self) -> None:
        self.recorder, self.polling, self.relay = self.view.recorder, self.view.polling, self.view.relay
        self._membership = self.view.membership
        self._tracing: Tracing | None = None

    async def run(self, stop: asyncio.Event, *beside: Task) -> None:
        """Watch until `stop` is set or every sink is closed; then deliver what is due within the grace time.

        `beside`: tasks that run as long as it watches.

        Raises:
            StoreError: the store cannot be used, at the start or for observed changes at the end.
            ServiceUnreachable: it cannot listen at the address that `http.listen` names.
        """
        with contextlib.suppress(StoppedError):
            await self._run(stop, beside)

    async def apply(self, config: Config) -> tuple[str, ...]:
        """Apply another configuration by what differs; returns the keys that need a restart.

        Targets that stay keep their state, phase and streaks; clients and sinks that did not change stay open; no poll
        and no delivery under way is cut off.

        Raises:
            ServiceUnreachable: it cannot listen at the new address; nothing has changed.
        """
        async with self.discovery.changing:
            before, config = self.view.config, discovered(config, self.discovery.listings)
            change = difference(before, config)
            coming = self.sink_changes.build(change)  # first: what cannot be made refuses the whole configuration
            if config.http != before.http:
                await serve_at(self.web, config.http)
            config = replace(config, **{key: getattr(before, key) for key in AT_START})
            gone = self.discovery.adopt(config)
            self.view.watch(config)
            self.polling.ask_again()
            left = self.view.mine(change.forgotten)
            await self.sink_changes.apply(
                config, change, coming, partial(forget_removed, self.recorder, config, left, before.targets_by_id)
            )
            await self.recorder.forget_listings(gone)
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

    def reloaded(self, status: ReloadStatus) -> None:
        """Show the outcome of a reload."""
        self.view.loaded = status
        self.hub.reloaded()

    async def _run(self, stop: asyncio.Event, beside: Sequence[Task]) -> None:
        start = partial(start_with_retries, stop=stop, clock=self.view.clock)
        await start(self.store.open)
        try:
            await start(self.discovery.load)
            await start(lambda: read_by_hand(self.store, self.recorder))
            config = self.view.config
            if config.tracing is not None:
                from watcher.observability.tracing_setup import Tracing  # noqa: PLC0415  loads OpenTelemetry

                self._tracing = Tracing(config.tracing, __version__)
            endpoints = self.view.endpoints()
            if self._membership is None:
                now, hand = self.view.clock.now(), self.recorder.by_hand
                await self.recorder.load(
                    config.subjects | self.discovery.leaving(),
                    lambda records, gone: removal_entries(config, records, gone, now, {}, hand),
                )
            await start(lambda: self.sink_changes.update_store(config.sinks))
            if self.reader is not self.store:
                await start(self.reader.open)
            await serve_at(self.web, config.http)
            self.relay.wake()
            log.info("watcher.started", targets=len(config.targets), endpoints=len(endpoints))
            await self._supervise(stop, [partial(serve_again, self.web, lambda: self.view.config.http), *beside])
        finally:
            await self._close()

    async def _supervise(self, stop: asyncio.Event, beside: Sequence[Task]) -> None:
        """Run all tasks until one ends; then stop polling, deliver what is due, and end the others."""
        membership = self._membership
        recording = asyncio.create_task(self.recorder.run(), name="recorder")
        relaying = asyncio.create_task(self.relay.run(), name="relay")
        polling = asyncio.create_task(self.polling.run(), name="polling")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        others = [asyncio.create_task(each()) for each in (*self.tasks, *beside)]
        sharing = [] if membership is None else [self.discovery.keep_fresh(), membership.keeper.run()]
        leases = [asyncio.create_task(each, name="leases") for each in sharing]
        tasks = (recording, relaying, polling, stopping, *others, *leases)
        self.view.stage = ""
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # without an error, only `stop` or the end of the last sink ends one
            self.view.stage = "it is stopping"
            log.info(
                "watcher.shutdown_started",
                grace=self.view.config.shutdown_grace,
                consequence="what is due is delivered within the grace time; a second signal ends watcher at once",
            )
            if membership is not None:
                await membership.keeper.resign()
            for task in (*others, polling):
                await _cancel(task)
            await self._drain()
        finally:
            for task in tasks:
                await _cancel(task)
            if membership is not None:
                await membership.keeper.release_all()

    async def _drain(self) -> None:
        """Commit what was observed and deliver what is due, within the grace time."""
        config = self.view.config
        grace = config.shutdown_grace
        try:
            async with asyncio.timeout(grace) as limit:
                await self.recorder.drained()
                if self._membership is not None and (shorter := self._membership.grace(grace)) < grace:
                    grace = shorter
                    limit.reschedule(asyncio.get_running_loop().time() + grace)
                await self.relay.drain(grace)
        except TimeoutError:
            if self.recorder.pending:
                raise StoreError(
                    f"{config.state}: changes that were observed could not be stored within the grace time; "
                    "the next start compares AWS's answers with what was stored before"
                ) from None
        undelivered = sum((await self.store.waiting()).values())
        kept = {"consequence": "they are kept, and sent after the next start"} if undelivered else {}
        log.info("watcher.stopped", undelivered=undelivered, **kept)

    async def _close(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.web.close(CLOSE_SECONDS / 2)
                self.metrics.close()
                await self.relay.close()
                await self.polling.close()
                if self.reader is not self.store:
                    await self.reader.close()
                await self.store.close()  # last, since it truncates the write-ahead log
                self.sessions.close()
        if self._tracing is not None:
            await self._tracing.shutdown(2.0)  # seconds more, to send the remaining spans


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait([task])
