"""Commits the outcomes of one sink's sends; those that arrive at about the same time share a commit."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from structlog.typing import FilteringBoundLogger

from watcher.core.deliveries import Delivery, DeliveryOutcome
from watcher.core.ports import Clock, Store
from watcher.errors import StoreError
from watcher.observability.observer import Observer

GATHER_SECONDS = 0.01
"""The most seconds for which outcomes wait for those of other sends: a commit of several costs hardly more than one."""

STORE_PAUSE_SECONDS = 1.0
"""Seconds before the store is asked again after it failed."""


class Settler:
    """Settles in the store what became of sends.

    A send is under way until its outcomes are committed, so a crash repeats at most as many sends as the sink may have
    at the same time.
    """

    def __init__(self, store: Store, clock: Clock, observer: Observer, log: FilteringBoundLogger) -> None:
        self._store = store
        self._clock = clock
        self._observer = observer
        self._log = log
        self._awaited = 0
        """How many sends wait for the sink's response."""
        self._responded = asyncio.Event()
        """Set when no send waits for the sink's response: there is nothing to gather."""
        self._unsettled: list[DeliveryOutcome] = []
        self._committed: asyncio.Event | None = None
        """Set when the unsettled outcomes are committed; None while no task gathers them."""
        self._committing = asyncio.Lock()
        self._overtaken: set[tuple[str, int]] = set()
        """The subjects and numbers of deliveries that another daemon settled before."""

    def sending(self) -> None:
        """A send begins to wait for the sink's response."""
        self._awaited += 1
        self._responded.clear()

    def responded(self) -> None:
        """A send no longer waits for the sink's response."""
        self._awaited -= 1
        if not self._awaited:
            self._responded.set()

    async def settle(self, outcomes: Sequence[DeliveryOutcome]) -> None:
        """Commit the outcomes of a send; returns when they are committed, however long the store fails.

        Sending again what the sink took would be a needless repeat.
        """
        self._unsettled += outcomes
        if self._committed is not None:  # the task of another send commits them
            await self._committed.wait()
            return
        self._committed = committed = asyncio.Event()
        try:
            async with self._committing:
                await self._gather()
                taken = self._take()
                while not await self._commit(taken):  # noqa: ASYNC110  the store sends no news
                    await asyncio.sleep(STORE_PAUSE_SECONDS)
        except asyncio.CancelledError:
            if self._committed is committed:  # otherwise the store completes what it was given
                await self._commit(self._take())
            raise
        finally:
            committed.set()

    async def _gather(self) -> None:
        """Wait a moment for the outcomes of the sends that are under way."""
        if self._awaited:
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_SECONDS):
                    await self._responded.wait()

    def _take(self) -> Sequence[DeliveryOutcome]:
        taken, self._unsettled, self._committed = self._unsettled, [], None
        return taken

    async def _commit(self, outcomes: Sequence[DeliveryOutcome]) -> bool:
        """Try to commit outcomes; returns whether it succeeded."""
        try:
            overtaken = await self._store.settle(outcomes, self._clock.now())
        except StoreError as error:
            self._log.warning("delivery.settle_failed", deliveries=len(outcomes), error=str(error))
            return False
        self._overtaken |= {(each.event.subject, each.number) for each in overtaken}
        self._observer.delivered(outcomes)
        return True

    def overtaken(self, batch: Sequence[Delivery]) -> Sequence[Delivery]:
        """Return those of a batch whose outcome another daemon had recorded before; each once."""
        if not self._overtaken:
            return ()
        found = [each for each in batch if (each.event.subject, each.number) in self._overtaken]
        self._overtaken -= {(each.event.subject, each.number) for each in found}
        return found
