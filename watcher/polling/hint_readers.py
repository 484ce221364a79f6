"""Reads all queues of hints of the configuration in force."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf

from watcher.aws.queue import Queue
from watcher.aws.sessions import Sessions
from watcher.core.hints import HintIndex
from watcher.core.model import EndpointKey, Target
from watcher.core.ports import Clock
from watcher.core.settings import Config, HintQueue, RateLimit
from watcher.observability.daemon_view import HintQueueStatus
from watcher.observability.observer import Observer
from watcher.polling.hint_reader import HintReader
from watcher.polling.manager import PollerManager
from watcher.polling.pending_hints import Answer

DISCOVERY_SECONDS = 60.0
"""The shortest time between two discoveries that hints start."""


class HintReaders:
    """Starts and stops a reader for each queue. Implements `hint_reader.Hinted` for all of them."""

    def __init__(
        self,
        config: Callable[[], Config],
        sessions: Sessions,
        polling: PollerManager,
        discover: Callable[[], None],
        observer: Observer,
        clock: Clock,
    ) -> None:
        """`config` returns the one in force; `discover` starts a discovery. `run` starts the reading."""
        self._config = config
        self._sessions = sessions
        self._polling = polling
        self._discover = discover
        self._observer = observer
        self._clock = clock
        self._readers: dict[HintQueue, HintReader] = {}
        self._tasks: dict[HintQueue, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._indexed: tuple[Config, HintIndex] | None = None
        self._discovered_at = -inf
        self._discovery: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Read until cancelled; then let the messages that are under way come again."""
        try:
            async with asyncio.TaskGroup() as self._group:
                self.reconfigure(self._config())
                await asyncio.Event().wait()
        finally:
            self._group = None
            if self._discovery is not None:
                self._discovery.cancel()

    def reconfigure(self, config: Config) -> None:
        """Read the queues of `config` from now on; readers whose queue did not change continue."""
        if self._group is None:
            return
        # The rate and the regions of an account do not concern its queues.
        wanted = [
            replace(each, account=replace(each.account, regions=(), rate_limit=RateLimit())) for each in config.hints
        ]
        for gone in self._readers.keys() - {*wanted}:
            del self._readers[gone]
            self._tasks.pop(gone).cancel()
        for settings in wanted:
            if settings not in self._readers:
                queue = Queue(settings, self._sessions)
                reader = HintReader(settings.url, queue, self, self._observer, self._clock)
                self._readers[settings] = reader
                self._tasks[settings] = self._group.create_task(reader.run())
        self.changed()

    def statuses(self) -> Mapping[str, HintQueueStatus]:
        """Return the status of each queue, by URL."""
        return {settings.url: reader.status for settings, reader in self._readers.items()}

    def index(self) -> HintIndex:
        config = self._config()
        if self._indexed is None or self._indexed[0] is not config:
            self._indexed = config, HintIndex(config, self._indexed and self._indexed[1])
        return self._indexed[1]

    def poll(self, target: Target) -> Answer | None:
        return self._polling.hint(target)

    def discover_soon(self) -> None:
        if self._discovery is None:
            loop = asyncio.get_running_loop()
            self._discovery = loop.call_at(
                max(loop.time(), self._discovered_at + DISCOVERY_SECONDS), self._discover_now
            )

    def changed(self) -> None:
        heard: set[EndpointKey] = set()
        self._polling.set_heard(heard.union(*(reader.heard for reader in self._readers.values())))

    def _discover_now(self) -> None:
        self._discovery, self._discovered_at = None, asyncio.get_running_loop().time()
        self._discover()
