"""One sink's worker: takes due deliveries from the store and begins their sends.

Pending deliveries stay in the store; in memory are only those that are being sent.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum, auto
from math import inf

import structlog

from watcher.core.deliveries import Delivery, DeliveryState
from watcher.core.ports import Clock, Sink, Store
from watcher.core.queries import DeliveryQuery
from watcher.core.retry_policy import REMOVED
from watcher.delivery.sender import Sender
from watcher.delivery.settler import STORE_PAUSE_SECONDS
from watcher.errors import SinkClosed, SinkGone, StoreError
from watcher.observability.daemon_view import SinkState, SinkStatus
from watcher.observability.observer import Observer

log = structlog.get_logger()

LOOK_SECONDS = 5.0
"""Seconds between looks into the store without a wake-up: an operator may have changed something there."""


class WorkerState(Enum):
    """What a worker does."""

    RUNNING = auto()
    DRAINING = auto()
    """The daemon is stopping: nothing is waited for that is due only after the grace time."""
    RETIRING = auto()
    """The sink is being removed: no send begins, and those under way end."""
    CLOSED = auto()
    """The sink takes nothing more in this run; its deliveries stay pending."""
    GONE = auto()
    """The receiver refuses everything for good; its deliveries become dead letters."""


class Worker:
    """Delivers to one sink. `give_up_after`: seconds for which a delivery is tried."""

    def __init__(self, sink: Sink, store: Store, clock: Clock, give_up_after: float, observer: Observer) -> None:
        self.sink = sink
        self.sender = Sender(sink, store, clock, give_up_after, observer)
        self.idle = asyncio.Event()
        """Set while no delivery is pending that could be sent now, or within the time that is left."""
        self.trouble: str | None = None
        """Why the store cannot be read; None while it can."""
        self._store = store
        self._clock = clock
        self._log = log.bind(sink=sink.name)
        self._state = WorkerState.RUNNING
        self._end_reason = ""
        """Why the state is CLOSED or GONE."""
        self._until = inf
        """When the grace time ends (monotonic seconds)."""
        self._news = asyncio.Event()
        self._sends: dict[asyncio.Task[None], Sequence[Delivery]] = {}
        self._bug: BaseException | None = None
        self._round_began_at: float | None = None
        """When the current round of the loop began (monotonic seconds), while it runs."""

    @property
    def gone(self) -> bool:
        """Whether the receiver refuses everything for good."""
        return self._state is WorkerState.GONE

    @property
    def closed(self) -> bool:
        """Whether nothing more can be delivered in this run."""
        return self._state is WorkerState.CLOSED

    @property
    def retires_within(self) -> float:
        """Seconds that the sends under way may take when the sink is removed."""
        deadline = self.sink.limits.deadline
        return 10.0 + (deadline if deadline <= 900.0 else 0.0)  # a pager may take a day

    def status(self, type_: str) -> SinkStatus:
        """The status of the sink, whose type is `type_`."""
        if self.closed or self.gone:
            return SinkStatus(type_, SinkState.CLOSED if self.closed else SinkState.GONE, self._end_reason)
        return SinkStatus(type_, self.sender.health.state, self.sender.health.error)

    def stuck(self) -> str | None:
        """Why the loop has made no progress for a minute; None: it has, also while the sink does not respond."""
        began_at = self._round_began_at
        if began_at is None or (late := self._clock.monotonic() - began_at) < 60.0:
            return None
        return f"sink {self.sink.name}: delivery has made no progress for {late:.0f} s"

    def sends_of(self, selected: Callable[[str], bool]) -> list[asyncio.Task[None]]:
        """The sends under way with a delivery of a selected subject."""
        return [
            send for send, batch in self._sends.items() if any(selected(delivery.event.subject) for delivery in batch)
        ]

    def wake(self) -> None:
        """Look for due deliveries now."""
        if not self.closed:
            self.idle.clear()
        self._news.set()

    def drain(self, grace: float) -> None:
        """Wait for nothing that is due only after `grace` seconds."""
        self._until = self._clock.monotonic() + grace
        if self._state is WorkerState.RUNNING:
            self._state = WorkerState.DRAINING
        self.wake()

    def retire(self) -> None:
        """Begin no more sends; `run` returns when those under way have ended."""
        if not self.closed:
            self._state = WorkerState.RETIRING
        self._news.set()

    async def run(self) -> None:
        """Deliver until the sink is closed, or is retired and has no send under way."""
        try:
            await self._restore_health()
            while not (self.closed or (self._state is WorkerState.RETIRING and not self._sends)):
                self._round_began_at = self._clock.monotonic()
                self._news.clear()
                if self._bug is not None:
                    raise self._bug
                wait = await self._turn()
                with suppress(TimeoutError):
                    # The loop does not spin for what is due in a moment.
                    async with asyncio.timeout(max(wait, 0.01)):
                        await self._news.wait()
        finally:
            self._round_began_at = None
            for send in self._sends:
                send.cancel()
            await asyncio.gather(*self._sends, return_exceptions=True)
        self.trouble = None
        if self.closed:
            self._log.warning("sink.closed", error=self._end_reason, consequence="its undelivered events are kept")
        self.idle.set()

    async def _restore_health(self) -> None:
        """Restore whether the sink was failing before this run; not from a table, which would read every delivery."""
        if self._store.late:
            return
        ended = DeliveryQuery([DeliveryState.SENT, DeliveryState.DEAD], self.sink.name, limit=1, newest=True)
        waiting = DeliveryQuery([DeliveryState.WAITING], self.sink.name, limit=1)
        with suppress(StoreError):  # the next deliveries will show it
            for record in [*await self._store.deliveries(ended), *await self._store.deliveries(waiting)]:
                if record.answer != REMOVED:  # a removal does not concern the sink's health
                    self.sender.health.restore(record)

    async def _turn(self) -> float:
        """Begin the sends that may begin; returns the seconds until the next look, unless there is news."""
        if self._state is WorkerState.RETIRING:
            return LOOK_SECONDS
        try:
            wait = await self._begin()
        except StoreError as error:
            if self.trouble is None:
                consequence = "sending pauses until the store works"
                self._log.warning("sink.store_failed", error=str(error), consequence=consequence)
            self.trouble = str(error)
            return STORE_PAUSE_SECONDS
        if self.trouble is not None:
            self._log.info("sink.store_recovered")
        self.trouble = None
        return wait

    async def _begin(self) -> float:
        down = self.sender.health.down
        room = (1 if down or self.gone else self.sink.limits.parallel) - len(self._sends)
        if room <= 0:
            return LOOK_SECONDS
        if self.gone:  # and none of its deliveries is in a send, which might still be accepted
            await self.sender.dead_letter(self._end_reason)
            return self._nothing_within(inf)
        if down:
            await self.sender.give_up_overdue()
        pause = self.sender.seconds_until_send()
        if pause > 0:
            return self._nothing_within(pause)
        hurry = self._state is WorkerState.DRAINING
        batches = await self.sender.batcher.next(room, self._under_way(), down=down, hurry=hurry)
        for batch in batches:
            send = asyncio.create_task(self.sender.send(batch), name=f"send {self.sink.name}")
            self._sends[send] = batch
            send.add_done_callback(self._ended)
        if len(batches) >= room:
            return LOOK_SECONDS
        under_way = {delivery.event.subject for delivery in self._under_way()}
        following = await self._store.next_try(self.sink.name, self._clock.now(), under_way)
        if following is None:
            return LOOK_SECONDS if under_way else self._nothing_within(inf)
        if following > 0:
            return self._nothing_within(following)
        # What was left though it may be tried now waits for a send to end, or for others of its cause.
        if under_way:
            return LOOK_SECONDS
        return max(0.0, min(LOOK_SECONDS, self.sender.batcher.group_at - self._clock.monotonic()))

    def _under_way(self) -> list[Delivery]:
        return [delivery for batch in self._sends.values() for delivery in batch]

    def _nothing_within(self, seconds: float) -> float:
        """No further send can begin within `seconds`; returns how many to wait before looking anyway."""
        late = seconds == inf or self._clock.monotonic() + seconds > self._until
        if late and not self._sends and not self._news.is_set():
            self.idle.set()
        return min(seconds, LOOK_SECONDS)

    def _ended(self, send: asyncio.Task[None]) -> None:
        del self._sends[send]
        error = None if send.cancelled() else send.exception()
        match error:
            case SinkClosed():
                self._state, self._end_reason = WorkerState.CLOSED, str(error)
            case SinkGone() if self._state in (WorkerState.RUNNING, WorkerState.DRAINING):
                self._state, self._end_reason = WorkerState.GONE, str(error)
                consequence = "its events become dead letters until the next start"
                self._log.error("sink.gone", error=str(error), consequence=consequence)
            case SinkGone():  # it is retiring or closed, or gone already
                pass
            case _:
                self._bug = self._bug or error
        self._news.set()
