"""Carries events from the outbox to the sinks: due deliveries -> sink -> settle.

Each sink has a worker of its own, so a slow or dead one delays no other. A delivery is settled only after the sink
answered; between the two a crash makes a repeat, never a loss (contract, section 6).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from watcher.core.settings import GIVE_UP_AFTER_SECONDS
from watcher.delivery.worker import Worker
from watcher.observability.observer import Observers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from watcher.core.ports import Clock, Sink, Store
    from watcher.observability.daemon_view import SinkStatus
    from watcher.observability.observer import Observer

log = structlog.get_logger()

LOOK_AGAIN = 0.02
"""Seconds between looks whether what is being sent has been answered."""


class Relay:
    """The workers of all sinks."""

    def __init__(
        self,
        store: Store,
        sinks: Sequence[Sink],
        clock: Clock,
        give_up_after: Mapping[str, float] | None = None,
        observer: Observer | None = None,
    ) -> None:
        """`give_up_after`: seconds, by sink; a day where there is none. Nothing is sent before `run`."""
        self._store = store
        self._clock = clock
        self._observer = observer or Observers()
        self._workers: dict[str, Worker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._leaving: set[Worker] = set()
        self._changing = False
        self._ended = asyncio.Event()
        for sink in sinks:
            self.engage(sink, (give_up_after or {}).get(sink.name, GIVE_UP_AFTER_SECONDS))

    def wake(self) -> None:
        """There may be something due."""
        for worker in self._workers.values():
            worker.wake()

    def gone(self) -> set[str]:
        """The sinks whose receivers want nothing more."""
        return {name for name, worker in self._workers.items() if worker.gone}

    def look(self, kinds: Mapping[str, str]) -> Mapping[str, SinkStatus]:
        """How each sink is doing; `kinds`: the type of each."""
        return {name: worker.look(kinds.get(name, name)) for name, worker in self._workers.items()}

    @property
    def trouble(self) -> str | None:
        """Why the store does not tell what waits, or None."""
        return next((worker.trouble for worker in self._workers.values() if worker.trouble is not None), None)

    def stuck(self) -> list[str]:
        """Which workers make no progress, for people."""
        return [reason for worker in self._workers.values() if (reason := worker.stuck())]

    async def run(self) -> None:
        """Deliver, until no sink takes anything more in this run."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for worker in self._workers.values():
                self._start(worker)
            while self._changing or not self._workers or not all(worker.closed for worker in self._workers.values()):
                self._ended.clear()
                await self._ended.wait()
            self._group = None

    def engage(self, sink: Sink, give_up_after: float) -> None:
        """Deliver to one more sink, which nobody else of its name delivers to."""
        worker = Worker(sink, self._store, self._clock, give_up_after, self._observer)
        self._workers[sink.name] = worker
        if self._group is not None:
            self._start(worker)

    def bear(self, name: str, give_up_after: float) -> None:
        """Try the deliveries of a sink for so many seconds."""
        if name in self._workers:
            self._workers[name].give_up_after = give_up_after

    async def retire(self, names: Collection[str]) -> None:
        """Let go of sinks, each as soon as it has answered what it was given; `settled` must follow."""
        self._changing = True
        leaving = {name: self._workers.pop(name) for name in names if name in self._workers}
        self._leaving |= {*leaving.values()}
        for worker in leaving.values():
            worker.retire()
        tasks = [self._tasks.pop(name) for name in leaving if name in self._tasks]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=max(worker.answers_within for worker in leaving.values()))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for worker in leaving.values():
            await self._close(worker)

    async def quiet(self, of: Callable[[str], bool]) -> None:
        """Wait until nothing is being sent of the subjects that `of` picks out, which are handed out no more."""
        while any(of(subject) for worker in self._workers.values() for subject in worker.sending()):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_AGAIN)

    def settled(self) -> None:
        """The sinks are again those that are wanted."""
        self._changing = False
        self._ended.set()

    async def drain(self, grace: float) -> None:
        """Wait until nothing waits for any sink but what is to be tried again only after `grace` seconds."""
        workers = [*self._workers.values()]
        for worker in workers:
            worker.finish(grace)
        for worker in workers:
            await worker.idle.wait()

    async def close(self) -> None:
        """Let go of the sinks; what they did not take stays due."""
        for worker in (*self._workers.values(), *self._leaving):
            await self._close(worker)

    async def _close(self, worker: Worker) -> None:
        try:
            await worker.sink.close()
        except Exception:  # no other sink hangs on how this one ends
            log.exception("sink.close_failed", sink=worker.sink.name)
        self._leaving.discard(worker)

    def _start(self, worker: Worker) -> None:
        assert self._group is not None  # noqa: S101  asked for by those who looked
        task = self._group.create_task(worker.run(), name=f"relay {worker.sink.name}")
        self._tasks[worker.sink.name] = task
        task.add_done_callback(lambda _: self._ended.set())
