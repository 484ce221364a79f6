"""One sink's worker: takes what is due from the store, hands it over, and keeps what was answered.

What waits stays in the store; in hand is only what is being sent.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING

import structlog

from watcher.core.ports import DeliveryQuery, DeliveryState, SendOutcome, Verdict
from watcher.core.retry_policy import LONGEST_HEEDED, SPACING, SinkHealth, given_up, result_of
from watcher.delivery.batching import Batcher
from watcher.errors import SinkClosed, SinkError, SinkGone, StoreError
from watcher.observability.daemon_view import SinkStatus
from watcher.observability.tracing import span
from watcher.stores.sqlite.outbox import REMOVED
from watcher.util.duration import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.core.ports import Clock, Delivery, DeliveryOutcome, Sink, Store
    from watcher.observability.observer import Observer

log = structlog.get_logger()

LOOK = 5.0
"""Seconds between looks into the store when there is no news: an operator may have changed something there."""

STORE_PAUSE = 1.0
"""Seconds before the store is asked again, when it failed."""

PATIENCE = 60.0
"""Seconds that the loop may take for one round before it is said to be stuck."""

LONGEST_WAIT = 900.0
GRACE = 10.0
"""Seconds: the longest deadline of a sink that is waited for when the sink is to go; and beyond a deadline."""

GRAIN = 0.01
"""Seconds that every wait takes at least, so that nothing is asked without end for what is due in a moment."""


class Worker:
    """Delivers to one sink."""

    def __init__(self, sink: Sink, store: Store, clock: Clock, give_up_after: float, observer: Observer) -> None:
        """`give_up_after`: seconds for which a delivery is tried."""
        self.sink = sink
        self.give_up_after = give_up_after
        self.idle = asyncio.Event()
        """Set while nothing waits that could be sent now, or within the time that is left."""
        self._store = store
        self._clock = clock
        self._observer = observer
        self._limits = sink.limits
        self._log = log.bind(sink=sink.name)
        self._turns = Batcher(sink.name, sink.limits, store, clock)
        self._health = SinkHealth()
        self._news = asyncio.Event()
        self._sends: dict[asyncio.Task[None], Sequence[Delivery]] = {}
        self._answered: list[DeliveryOutcome] = []
        self._settling = asyncio.Lock()
        self._asked_until = self._spaced_until = -inf
        """Until when nothing is sent: because the sink asked for it, or since it is down (monotonic seconds)."""
        self._overdue_at = inf
        """When what is too old is given up next, while the sink is down (monotonic seconds)."""
        self._last_error = self._complaint = ""
        self._until = inf
        self._end: SinkError | None = None
        self._said = False
        self._retired = False
        self._turned_at: float | None = None
        """When the loop last came round (monotonic seconds), while it runs."""
        self._broken: BaseException | None = None
        self.trouble: str | None = None
        """Why the store does not tell what waits, or None."""

    @property
    def gone(self) -> bool:
        """Whether the receiver wants nothing more."""
        return isinstance(self._end, SinkGone)

    @property
    def closed(self) -> bool:
        """Whether nothing more can be delivered in this run."""
        return isinstance(self._end, SinkClosed)

    @property
    def answers_within(self) -> float:
        """Seconds in which the sink answers what it was given; of one without a deadline, for which it is waited."""
        deadline = self._limits.deadline
        return deadline + GRACE if deadline <= LONGEST_WAIT else GRACE

    def look(self, kind: str) -> SinkStatus:
        """How a sink of this kind is doing."""
        if self._end is not None:
            return SinkStatus(kind, "closed" if self.closed else "gone", str(self._end))
        return SinkStatus(kind, self._health.state, self._complaint)

    def stuck(self) -> str | None:
        """Why the loop makes no progress, or None. What the sink does is no reason."""
        if self._turned_at is None or (late := self._clock.monotonic() - self._turned_at) < PATIENCE:
            return None
        return f"sink {self.sink.name}: the delivering has not gone on for {late:.0f} s"

    def sending(self) -> set[str]:
        """The subjects of what is being sent."""
        return {delivery.event.subject for delivery in self._under_way()}

    def retire(self) -> None:
        """Begin no more sends; `run` ends when those under way have been answered."""
        self._retired = True
        self._news.set()

    def wake(self) -> None:
        """There may be something due."""
        if not isinstance(self._end, SinkClosed):
            self.idle.clear()
        self._news.set()

    def finish(self, grace: float) -> None:
        """Only so many seconds are left: wait for nothing that comes later."""
        self._until = self._clock.monotonic() + grace
        self.wake()

    async def run(self) -> None:
        """Deliver for ever, or until the sink wants nothing more in this run, or is to `retire`."""
        try:
            await self._recall()
            while not (self.closed or (self._retired and not self._sends)):
                self._turned_at = self._clock.monotonic()
                self._news.clear()
                if self._broken is not None:
                    raise self._broken
                await self._rest(max(await self._turn(), GRAIN))
        finally:
            self._turned_at = None
            for send in self._sends:
                send.cancel()
            await asyncio.gather(*self._sends, return_exceptions=True)
        self.trouble = None
        if self.closed:
            self._log.warning(
                "sink.closed", error=str(self._end), consequence="its undelivered events stay in the store"
            )
        self.idle.set()

    async def _recall(self) -> None:
        """Restore whether the sink was failing before this run; not from a table, which would read every delivery."""
        if self._store.late:
            return
        ended = DeliveryQuery([DeliveryState.SENT, DeliveryState.DEAD], self.sink.name, limit=1, newest=True)
        waiting = DeliveryQuery([DeliveryState.WAITING], self.sink.name, limit=1)
        with suppress(StoreError):  # the next deliveries will show it
            found = [*await self._store.deliveries(ended), *await self._store.deliveries(waiting)]
            for each in found:
                if each.answer != REMOVED and self._health.recall(each):  # a removal does not concern the sink's health
                    self._complaint = each.answer or ""

    async def _turn(self) -> float:
        """Begin what may be begun; returns the seconds until there may be more, unless there is news."""
        if self._retired:
            return LOOK
        try:
            wait = await (self._begin() if self._end is None else self._bury(str(self._end)))
        except StoreError as error:
            if self.trouble is None:
                self._log.warning(
                    "sink.store_failed", error=str(error), consequence="sending pauses until the store works"
                )
            self.trouble = str(error)
            return STORE_PAUSE
        if self.trouble is not None:
            self._log.info("sink.store_recovered")
        self.trouble = None
        return wait

    async def _rest(self, wait: float) -> None:
        """Wait for news, or so many seconds."""
        try:
            async with asyncio.timeout(wait):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _begin(self) -> float:
        """Begin the sends that may be begun now; returns the seconds until there may be more, unless there is news."""
        down = self._health.down
        room = (1 if down else self._limits.parallel) - len(self._sends)
        if room <= 0:
            return LOOK
        if down:
            await self._give_up_overdue()
        pause = max(self._asked_until, self._spaced_until) - self._clock.monotonic()
        if pause > 0:
            return self._nothing_within(pause)
        batches = await self._turns.next(room, self._under_way(), down=down, hurry=self._until < inf)
        for batch in batches:
            send = asyncio.create_task(self._send(batch), name=f"send {self.sink.name}")
            self._sends[send] = batch
            send.add_done_callback(self._ended)
        if len(batches) >= room:
            return LOOK
        under_way = {delivery.event.subject for delivery in self._under_way()}
        following = await self._store.next_try(self.sink.name, self._clock.now(), under_way)
        if following is None:
            return LOOK if under_way else self._nothing_within(inf)
        if following > 0:
            return self._nothing_within(following)
        # What was left though it may be tried now waits for a send to end, or for others of its cause.
        return LOOK if under_way else max(0.0, min(LOOK, self._turns.group_at - self._clock.monotonic()))

    async def _give_up_overdue(self) -> None:
        """A sink that took nothing for so long could have had what was recorded before; all of it is given up."""
        if self._clock.monotonic() < self._overdue_at:
            return
        self._overdue_at = self._clock.monotonic() + LOOK
        now = self._clock.now()
        before = now - timedelta(seconds=self.give_up_after)
        reason = given_up(self.give_up_after, self._last_error)
        if buried := await self._store.dead_letter(self.sink.name, reason, now, before):
            self._health.ended([DeliveryState.DEAD])
            self._log.error("delivery.dead_lettered", deliveries=buried, error=reason)

    def _under_way(self) -> list[Delivery]:
        return [delivery for batch in self._sends.values() for delivery in batch]

    def _nothing_within(self, wait: float) -> float:
        """Nothing more can be begun for so many seconds; returns how many to wait before looking anyway."""
        late = wait == inf or self._clock.monotonic() + wait > self._until
        if late and not self._sends and not self._news.is_set():
            self.idle.set()
        return min(wait, LOOK)

    def _ended(self, send: asyncio.Task[None]) -> None:
        del self._sends[send]
        error = None if send.cancelled() else send.exception()
        self._broken = self._broken or error
        self._news.set()

    async def _send(self, batch: Sequence[Delivery]) -> None:
        """Hand a batch over and keep what was answered."""
        limits, own_words, at_least = self._limits, False, 0.0
        try:
            with span(f"deliver {self.sink.name}", deliveries=len(batch)) as traced:
                traced.delivers([delivery.event for delivery in batch])
                async with asyncio.timeout(None if limits.deadline == inf else limits.deadline):
                    answers = await self.sink.send(batch)
                traced.outcome(*_outcome(answers))
            if not answers:
                answers = self._later(batch, "it answered nothing")
            elif len(answers) > 1 and limits.group_wait and all(map(_refused, answers)):
                self._suspect(batch)
                answers = [replace(answer, verdict=Verdict.LATER) for answer in answers]
        except TimeoutError:
            answers = self._later(batch, f"no answer within {format_duration(limits.deadline)}")
            if not limits.group_wait:  # those of one cause are one message, and stay together
                self._suspect(batch)
        except (SinkClosed, SinkGone) as error:
            self._end = error
            return
        except SinkError as error:
            own_words = True
            at_least = min(error.retry_after or 0.0, LONGEST_HEEDED)
            answers = self._later(batch, str(error))
            if not all(map(self._health.is_own, batch)):
                self._asked_until = max(self._asked_until, self._clock.monotonic() + at_least)
        except Exception as error:  # noqa: BLE001  a bug with one event must not end the sink's worker
            self._log.exception("sink.crashed")
            answers = self._later(batch, f"a bug: {type(error).__name__}")
            self._suspect(batch)
        await self._settle(answers, own_words=own_words, at_least=at_least)

    def _later(self, batch: Sequence[Delivery], text: str) -> Sequence[SendOutcome]:
        # Of those in order only the first was tried.
        tried = batch[:1] if self._limits.in_order else batch
        return [SendOutcome(delivery, Verdict.LATER, text) for delivery in tried]

    def _suspect(self, batch: Sequence[Delivery]) -> None:
        """One of several may be why all failed."""
        if len(batch) > 1 and not self._health.down:
            self._turns.broke(batch)

    async def _settle(self, answers: Sequence[SendOutcome], *, own_words: bool, at_least: float) -> None:
        """Keep what answers mean; what is answered while the store is busy shares the next commit."""
        share, now = random.random(), self._clock.now().timestamp()  # noqa: S311  jitter
        results = [
            result_of(answer, now=now, share=share, give_up_after=self.give_up_after, at_least=at_least,
                      deadline=self._limits.deadline)
            for answer in answers
        ]  # fmt: skip
        self._last_error = answers[-1].text
        self._complaint = next((each.text for each in answers if each.verdict is not Verdict.TAKEN), "")
        heard_before = self._health.heard_at
        changed = self._health.hear(answers, now=now, own_words=own_words)
        self._health.ended([result.state for result in results])
        self._turns.settled(results)
        self._tell(results, changed=changed)
        self._pause(results, share, changed=changed)
        self._answered += results
        async with self._settling:
            batch, self._answered = self._answered, []
            while batch:
                try:
                    await self._store.settle(batch, self._clock.now())
                    self._observer.delivered(batch)
                    break
                except StoreError as error:
                    # Sending again what the sink took would be a repeat for nothing.
                    self._log.warning("delivery.settle_failed", deliveries=len(batch), error=str(error))
                    await asyncio.sleep(STORE_PAUSE)
        if changed and not self._health.down:
            await self._hasten(heard_before)

    def _pause(self, results: Sequence[DeliveryOutcome], share: float, *, changed: bool) -> None:
        """Space the sends to a sink that is down."""
        now = self._clock.monotonic()
        if self._limits.in_order:
            self._spaced_until = now + max(result.pause for result in results)
        elif self._health.down:
            self._spaced_until = now + share * SPACING
        elif changed:
            self._spaced_until = -inf
        if changed:
            self._overdue_at = now + self.give_up_after

    async def _hasten(self, since: float) -> None:
        """What began to fail after the sink was last heard of failed because it was down."""
        try:
            await self._store.retry_now(self.sink.name, since)
        except StoreError as error:  # they are tried again by themselves, only later
            self._log.warning("sink.store_failed", error=str(error))

    def _tell(self, results: Sequence[DeliveryOutcome], *, changed: bool) -> None:
        for result in results:
            event = result.delivery.event
            if result.state is DeliveryState.DEAD:
                self._log.error("delivery.dead_lettered", event_id=event.id, subject=event.subject, error=result.answer)
            elif result.state is DeliveryState.WAITING and not (result.delivery.failures or self._health.down):
                self._log.warning("delivery.failed", event_id=event.id, subject=event.subject, error=result.answer)
        if changed and self._health.down:
            self._log.warning("sink.failed", error=results[-1].answer, consequence="its events stay pending")
        elif changed:
            self._log.info("sink.recovered")

    async def _bury(self, reason: str) -> float:
        """The receiver wants nothing more: what waits is dead, and says why."""
        if self._sends:  # some of it may still be taken
            return LOOK
        buried = await self._store.dead_letter(self.sink.name, reason, self._clock.now())
        if not self._said:
            self._said = True
            consequence = "its events become dead letters until the next start"
            self._log.error("sink.gone", error=reason, dead_letters=buried, consequence=consequence)
        if not self._news.is_set():
            self.idle.set()
        return LOOK


def _outcome(answers: Sequence[SendOutcome]) -> tuple[str, str]:
    """For a trace: the worst of what was answered, and its text unless all was taken."""
    for verdict in (Verdict.NEVER, Verdict.LATER):
        for answer in answers:
            if answer.verdict is verdict:
                return verdict, answer.text or verdict
    return Verdict.TAKEN, ""


def _refused(answer: SendOutcome) -> bool:
    return answer.verdict is Verdict.NEVER
