"""Delivers recorded events to the sinks: due deliveries -> sink -> settled in the store.

Each sink has its own worker, so a slow or dead one delays no other. A delivery is settled only after the sink
responded; a crash between the two repeats the delivery, and never loses it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from watcher.core.ports import Clock, Sink, Store
from watcher.core.sink_settings import GIVE_UP_AFTER_SECONDS
from watcher.delivery.worker import Worker
from watcher.observability.daemon_view import SinkStatus
from watcher.observability.observer import Observer

log = structlog.get_logger()


class Relay:
    """The workers of all sinks. `give_up_after`: seconds by sink; a day for any other sink."""

    def __init__(
        self,
        store: Store,
        sinks: Sequence[Sink],
        clock: Clock,
        give_up_after: Mapping[str, float] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._observer = observer or Observer()
        self._workers: dict[str, Worker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._leaving: set[Worker] = set()
        self.is_changing = False
        """Whether sinks are being removed and added."""
        self._ended = asyncio.Event()
        for sink in sinks:
            self.add_sink(sink, (give_up_after or {}).get(sink.name, GIVE_UP_AFTER_SECONDS))

    @property
    def trouble(self) -> str | None:
        """Why the store cannot be read; None while it can."""
        return next((worker.trouble for worker in self._workers.values() if worker.trouble is not None), None)

    def wake(self) -> None:
        """Look for due deliveries now."""
        for worker in self._workers.values():
            worker.wake()

    def sinks(self) -> list[Sink]:
        """The sinks that take events."""
        return [worker.sink for worker in self._workers.values() if not worker.gone]

    def gone(self) -> set[str]:
        """The sinks whose receivers refuse everything for good."""
        return {name for name, worker in self._workers.items() if worker.gone}

    def statuses(self, types: Mapping[str, str]) -> Mapping[str, SinkStatus]:
        """The status of each sink; `types`: their types, by name."""
        return {name: worker.status(types.get(name, name)) for name, worker in self._workers.items()}

    def stuck(self) -> list[str]:
        """Which workers make no progress, for people."""
        return [reason for worker in self._workers.values() if (reason := worker.stuck())]

    async def run(self) -> None:
        """Deliver until every sink is closed."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for worker in self._workers.values():
                self._start(group, worker)
            while self.is_changing or not self._workers or not all(worker.closed for worker in self._workers.values()):
                self._ended.clear()
                await self._ended.wait()
            self._group = None

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep `run` going while sinks are removed and added, also when none is left in between."""
        self.is_changing = True
        try:
            yield
        finally:
            self.is_changing = False
            self._ended.set()

    def add_sink(self, sink: Sink, give_up_after: float) -> None:
        """Deliver to one more sink; there must be no other of its name."""
        worker = Worker(sink, self._store, self._clock, give_up_after, self._observer)
        self._workers[sink.name] = worker
        if self._group is not None:
            self._start(self._group, worker)

    def set_give_up_after(self, name: str, seconds: float) -> None:
        """Try each delivery to a sink for so many seconds."""
        if name in self._workers:
            self._workers[name].sender.give_up_after = seconds

    async def remove_sinks(self, names: Collection[str]) -> None:
        """Remove and close sinks, each as soon as its sends under way have ended."""
        leaving = {name: self._workers.pop(name) for name in names if name in self._workers}
        self._leaving |= {*leaving.values()}
        for worker in leaving.values():
            worker.retire()
        tasks = [self._tasks.pop(name) for name in leaving if name in self._tasks]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=max(worker.retires_within for worker in leaving.values()))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for worker in leaving.values():
            await self._close(worker)

    async def quiet(self, selected: Callable[[str], bool]) -> None:
        """Wait until the sends under way of the selected subjects have ended; the store must hand out no more."""
        sends = [send for worker in self._workers.values() for send in worker.sends_of(selected)]
        if sends:
            await asyncio.wait(sends)

    async def drain(self, grace: float) -> None:
        """Wait until nothing is pending for any sink but what is due only after `grace` seconds."""
        workers = [*self._workers.values()]
        for worker in workers:
            worker.drain(grace)
        for worker in workers:
            await worker.idle.wait()

    async def close(self) -> None:
        """Close the sinks; what they did not take stays due."""
        for worker in (*self._workers.values(), *self._leaving):
            await self._close(worker)

    async def _close(self, worker: Worker) -> None:
        try:
            await worker.sink.close()
        except Exception:  # the other sinks are to be closed as well
            log.exception("sink.close_failed", sink=worker.sink.name)
        self._leaving.discard(worker)

    def _start(self, group: asyncio.TaskGroup, worker: Worker) -> None:
        task = group.create_task(worker.run(), name=f"relay {worker.sink.name}")
        self._tasks[worker.sink.name] = task
        task.add_done_callback(lambda _: self._ended.set())
