"""Sends batches to one sink, and settles in the store what became of them."""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import inf

import structlog

from watcher.core.deliveries import Delivery, DeliveryOutcome, DeliveryState, SendOutcome, Verdict
from watcher.core.ports import Clock, Sink, Store
from watcher.core.retry_policy import MAX_RETRY_AFTER_SECONDS, SPACING_SECONDS, after_try, given_up
from watcher.delivery.batching import Batcher
from watcher.delivery.correction import correct
from watcher.delivery.incident_history import too_late, with_history
from watcher.delivery.settler import Settler
from watcher.delivery.sink_health import SinkHealth
from watcher.errors import SinkClosed, SinkError, SinkGone, StoreError, Superseded
from watcher.observability.observer import Observer
from watcher.observability.tracing import span
from watcher.util.units import format_duration

log = structlog.get_logger()


class Sender:
    """Sends to one sink; keeps its health and the pacing of its sends."""

    def __init__(self, sink: Sink, store: Store, clock: Clock, give_up_after: float, observer: Observer) -> None:
        self.give_up_after = give_up_after
        """Seconds for which a delivery is tried."""
        self.batcher = Batcher(sink.name, sink.limits, store, clock)
        self.health = SinkHealth()
        self._sink = sink
        self._limits = sink.limits
        self._store = store
        self._clock = clock
        self._log = log.bind(sink=sink.name)
        self._settler = Settler(store, clock, observer, self._log)
        self._requested_until = self._spaced_until = -inf
        """Until when nothing is sent (monotonic seconds): because the sink asked for it; because sends are spaced."""
        self._overdue_at = inf
        """From when on deliveries that are too old are given up, while the sink is down (monotonic seconds)."""
        self._tried = False
        """Whether there was a send since deliveries were last given up."""

    def seconds_until_send(self) -> float:
        """Seconds until the next send may begin; 0 or less: it may begin now."""
        return max(self._requested_until, self._spaced_until) - self._clock.monotonic()

    async def send(self, batch: Sequence[Delivery]) -> None:
        """Send a batch and settle its outcomes; without a good lease nothing is sent, and the batch stays due.

        Raises:
            SinkClosed, SinkGone: the sink takes nothing more; the batch stays due.
        """
        self._settler.sending()
        try:
            outcomes, sink_error, at_least = await self._try(batch)
        except Superseded:  # not a failure, neither of the sink nor of the batch
            return
        finally:
            self._settler.responded()
        await self._settle(outcomes, sink_error=sink_error, at_least=at_least)
        for delivery in self._settler.overtaken(batch):
            if self._limits.by_subject:
                await correct(delivery, self._sink, self._store, self._log)

    async def _try(self, batch: Sequence[Delivery]) -> tuple[Sequence[SendOutcome], bool, float]:
        """Return the outcomes of a send, whether the sink itself failed, and for how many seconds it wants no send.

        Raises:
            Superseded: nothing was sent, since another daemon may deliver some of it by now.
            SinkClosed, SinkGone: as `send`.
        """
        limits, sink_error, at_least = self._limits, False, 0.0
        try:
            with span(f"deliver {self._sink.name}", deliveries=len(batch)) as traced:
                traced.delivers([delivery.event for delivery in batch])
                late: list[SendOutcome] = []
                if limits.needs_history:
                    reasons = [(each, await too_late(each, limits, self._store)) for each in batch]
                    late = [SendOutcome(each, Verdict.TAKEN, reason) for each, reason in reasons if reason]
                    batch = [await with_history(each, limits, self._store) for each, reason in reasons if not reason]
                self._check_lease(batch)  # it may have been lost while events were read
                async with asyncio.timeout(None if limits.deadline == inf else limits.deadline):
                    sent = await self._sink.send(batch) if batch else ()
                outcomes: Sequence[SendOutcome] = [*sent, *late]
                traced.outcome(*_worst(outcomes))
            if not outcomes:
                outcomes = self._later(batch, "it returned no outcome")
            elif len(outcomes) > 1 and limits.group_wait and all(each.verdict is Verdict.NEVER for each in outcomes):
                self._isolate(batch)
                outcomes = [outcome._replace(verdict=Verdict.LATER) for outcome in outcomes]
        except TimeoutError:
            outcomes = self._later(batch, f"no answer within {format_duration(limits.deadline)}")
            if not limits.group_wait:  # those of one cause are one message, and stay together
                self._isolate(batch)
        except (SinkClosed, SinkGone, Superseded):
            raise
        except SinkError as error:
            sink_error = True
            at_least = min(error.retry_after or 0.0, MAX_RETRY_AFTER_SECONDS)
            outcomes = self._later(batch, str(error))
            if not all(map(self.health.is_own_failure, batch)):
                self._requested_until = max(self._requested_until, self._clock.monotonic() + at_least)
        except StoreError as error:
            outcomes = self._later(batch, f"not sent: {error}")
        except Exception as error:  # noqa: BLE001  a bug with one event must not end the sink's worker
            self._log.exception("sink.crashed")
            outcomes = self._later(batch, f"a bug: {type(error).__name__}")
            self._isolate(batch)
        return outcomes, sink_error, at_least

    def _check_lease(self, batch: Sequence[Delivery]) -> None:
        """Raise Superseded if another daemon may deliver some of a batch by now."""
        if not all(map(self._store.may_deliver, [each.event.subject for each in batch])):
            raise Superseded("the lease was lost")

    async def give_up_overdue(self) -> None:
        """Dead-letter the deliveries that are older than `give_up_after`, if the sink accepted nothing for so long.

        This is done once after each send: what an operator requeues later waits for the next send, which may succeed.
        """
        if not self._tried or self._clock.monotonic() < self._overdue_at:
            return
        too_old = self._clock.now() - timedelta(seconds=self.give_up_after)
        if await self.dead_letter(given_up(self.give_up_after, self.health.error), too_old):
            self.health.update_ended([DeliveryState.DEAD])
        self._tried = False

    async def dead_letter(self, reason: str, before: datetime | None = None) -> int:
        """Dead-letter all pending deliveries, or those recorded before a time; returns how many."""
        count = await self._store.dead_letter(self._sink.name, reason, self._clock.now(), before)
        if count:
            self._log.error("delivery.dead_lettered", deliveries=count, error=reason)
        return count

    def _later(self, batch: Sequence[Delivery], text: str) -> Sequence[SendOutcome]:
        # Of those in order only the first was tried.
        tried = batch[:1] if self._limits.in_order else batch
        return [SendOutcome(delivery, Verdict.LATER, text) for delivery in tried]

    def _isolate(self, batch: Sequence[Delivery]) -> None:
        """Send each subject of `batch` by itself from now on: one of them may be why all failed."""
        if len(batch) > 1 and not self.health.down:
            self.batcher.isolate(batch)

    async def _settle(self, outcomes: Sequence[SendOutcome], *, sink_error: bool, at_least: float) -> None:
        """Record what the outcomes mean."""
        share, now = random.random(), self._clock.now().timestamp()  # noqa: S311  jitter
        results = [
            after_try(
                outcome,
                now=now,
                share=share,
                give_up_after=self.give_up_after,
                at_least=at_least,
                deadline=self._limits.deadline,
            )
            for outcome in outcomes
        ]
        responded_at = self.health.responded_at
        changed = self.health.update(outcomes, now=now, sink_error=sink_error)
        self.health.update_ended([result.state for result in results])
        self.batcher.settled(results)
        self._log_results(results, changed=changed)
        self._pace(results, share, changed=changed)
        await self._settler.settle(results)
        if changed and not self.health.down:
            await self._retry_now(responded_at)

    def _pace(self, results: Sequence[DeliveryOutcome], share: float, *, changed: bool) -> None:
        now = self._clock.monotonic()
        self._tried = True
        if self._limits.in_order:
            self._spaced_until = now + max([result.pause for result in results])
        elif self.health.down:
            self._spaced_until = now + share * SPACING_SECONDS
        elif changed:
            self._spaced_until = -inf
        if changed:
            self._overdue_at = now + self.give_up_after

    async def _retry_now(self, since: float) -> None:
        """Retry now what began to fail after `since`, when the sink last responded: it failed because it was down."""
        try:
            await self._store.retry_now(self._sink.name, since)
        except StoreError as error:  # they are retried anyway, only later
            self._log.warning("sink.store_failed", error=str(error))

    def _log_results(self, results: Sequence[DeliveryOutcome], *, changed: bool) -> None:
        for result in results:
            event = result.delivery.event
            if result.state is DeliveryState.DEAD:
                self._log.error("delivery.dead_lettered", event_id=event.id, subject=event.subject, error=result.answer)
            elif result.state is DeliveryState.WAITING and not (result.delivery.failures or self.health.down):
                self._log.warning("delivery.failed", event_id=event.id, subject=event.subject, error=result.answer)
        if changed and self.health.down:
            self._log.warning("sink.failed", error=results[-1].answer, consequence="its events stay pending")
        elif changed:
            self._log.info("sink.recovered")


def _worst(outcomes: Sequence[SendOutcome]) -> tuple[str, str]:
    """The worst verdict, and its text unless everything was taken, for a trace."""
    for verdict in (Verdict.NEVER, Verdict.LATER):
        for outcome in outcomes:
            if outcome.verdict is verdict:
                return verdict, outcome.text or verdict
    return Verdict.TAKEN, ""
