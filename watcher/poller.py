"""Polls the targets of one endpoint: due -> endpoint -> diff -> record.

One loop decides who is next; each poll is a task of its own. A poll that fails touches no sync state: it lengthens a
streak, and a streak that is long enough becomes an event.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from watcher.diff import diff
from watcher.errors import PollFailed
from watcher.events import muted, outage_event, sync_event
from watcher.protocols import Entry
from watcher.routing import muted_by, route
from watcher.schedule import Schedule, first_due, next_due
from watcher.streak import OWN, is_answer, lengthen, lengthen_target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from watcher.config.settings import Config
    from watcher.diff import Outcome
    from watcher.endpoint import Endpoint
    from watcher.events import Event
    from watcher.model import Snapshot, Target
    from watcher.protocols import Clock
    from watcher.recorder import Recorder
    from watcher.state import Outage, Record
    from watcher.streak import Streak

log = structlog.get_logger()


class Poller:
    """Watches the targets that share an endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        targets: Sequence[Target],
        config: Config,
        recorder: Recorder,
        clock: Clock,
        on_poll: Callable[[Target, float, float], None] | None = None,
    ) -> None:
        """`on_poll` is told each poll's target, when it was due and when it began (monotonic seconds)."""
        self._endpoint = endpoint
        self._targets = {target.id: target for target in targets}
        self._rate = config.accounts[endpoint.key.account].rate_limit.requests_per_second
        self._unreadable_after = config.unreadable_after
        self._sinks = config.sinks
        self._mutes = config.mutes
        self._recorder = recorder
        self._clock = clock
        self._on_poll = on_poll
        self._schedule = Schedule()
        self._news = asyncio.Event()
        self._polls: set[asyncio.Task[None]] = set()
        self._subject = str(endpoint.key)
        self._streak: Streak | None = None
        self._streaks: dict[str, Streak] = {}
        self._answers = 0
        self._health = asyncio.Lock()
        self._probe_at = 0.0
        self._log = log.bind(endpoint=self._subject)

    async def run(self) -> None:
        """Poll for ever; cancelled, it ends the polls that are under way."""
        await self._endpoint.warm_up()
        now, count = self._clock.monotonic(), len(self._targets)
        self._schedule.fill(
            (first_due(target.id, target.interval, now, count=count, rate=self._rate), target.id)
            for target in self._targets.values()
        )
        try:
            while True:
                await self._dispatch()
        finally:
            for poll in self._polls:
                poll.cancel()
            await asyncio.gather(*self._polls, return_exceptions=True)

    async def _dispatch(self) -> None:
        """Begin one poll, or wait for a reason to."""
        await self._recorder.writable()
        self._news.clear()
        wait = self._wait()
        if wait is None or wait > 0:
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                pass
            return
        begun = asyncio.Event()
        poll = asyncio.create_task(self._turn(begun))
        self._polls.add(poll)
        poll.add_done_callback(self._ended)
        await begun.wait()

    async def _turn(self, begun: asyncio.Event) -> None:
        """Wait for the rate's leave and poll the most overdue target, in one task: the call begins when it may."""
        try:
            await self._endpoint.admit()
        finally:
            begun.set()
        # Who that is is asked only now: waiting may have taken long.
        taken = self._schedule.take(self._clock.monotonic())
        if taken is None:
            self._endpoint.dismiss()
            return
        due, target_id = taken
        await self._poll(self._targets[target_id], due)

    def _ended(self, poll: asyncio.Task[None]) -> None:
        self._polls.discard(poll)
        self._news.set()

    def _wait(self) -> float | None:
        """Seconds until a poll may begin; None until there is news."""
        due = self._schedule.next_at()
        if self._blind:
            # Contract, section 5, rule 8: one target at a time.
            if self._polls:
                return None
            due = None if due is None else max(due, self._probe_at)
        return None if due is None else due - self._clock.monotonic()

    @property
    def _blind(self) -> bool:
        return self._recorder.record_of(self._subject).outage is not None

    async def _poll(self, target: Target, due: float) -> None:
        begun = self._clock.monotonic()
        if self._on_poll is not None:
            self._on_poll(target, due, begun)
        try:
            try:
                # While the endpoint is unreadable a poll is one call: the next probe is its second try.
                snapshot = await self._endpoint.fetch(target, again=lambda: not self._blind)
            except PollFailed as error:
                await self._failed(target, error)
            else:
                await self._answered(target, snapshot)
        except Exception:  # noqa: BLE001  a bug with one target must not end the others' watch
            self._log.exception("poll.bug", target=target.id)
        finally:
            self._again(target, due, begun)

    def _again(self, target: Target, due: float, begun: float) -> None:
        """Let the target wait for its next turn."""
        known = self._recorder.record_of(target.id).known
        now = self._clock.monotonic()
        if known is not None and known.attempt is not None and known.attempt.unfinished and not known.missing:
            self._schedule.add(target.id, begun + target.active_interval, active=True)
        else:
            late = begun - due
            self._schedule.add(target.id, next_due(target.id, target.interval, now, late=late), active=False)
        if self._blind:
            self._probe_at = now + min(target.interval for target in self._targets.values())

    async def _answered(self, target: Target, snapshot: Snapshot) -> None:
        """Keep what an answer tells, and tell what changed."""
        self._answers += 1
        now = self._clock.now()
        record = self._recorder.record_of(target.id)
        events: list[Event] = []
        sequence = record.sequence
        if record.outage is not None:
            sequence += 1
            events.append(outage_event(target, record.outage, sequence=sequence, now=now, over=True))
        outcome = diff(
            record.known,
            snapshot,
            now=snapshot.at or now,
            on_first_seen=target.on_first_seen,
            stalled_after=timedelta(seconds=target.stalled_after),
        )
        for change in outcome.changes:
            sequence += 1
            events.append(sync_event(target, change, sequence=sequence, now=now))
        self._log_answer(target, outcome)
        await self._endpoint_answered()
        kept = replace(record, known=outcome.known, sequence=sequence, outage=None)
        if kept != record:
            await self._record(target.id, kept, events, target)

    async def _failed(self, target: Target, error: PollFailed) -> None:
        """Lengthen the streaks that a failure belongs to; tell of one that has become long enough."""
        now = self._clock.now()
        if is_answer(error):
            self._answers += 1
        streak = lengthen_target(self._streaks.get(target.id), error, now, answers=self._answers)
        self._streaks[target.id] = streak
        if streak.failures == 1:
            self._log.warning("poll.failed", target=target.id, code=error.code, error=error.message)
        if is_answer(error):
            await self._endpoint_answered()
        else:
            await self._endpoint_failed(error)
        record = self._recorder.record_of(target.id)
        if record.outage is None and not self._blind and streak.own >= OWN * self._unreadable_after:
            outage = streak.outage()
            sequence = record.sequence + 1
            event = outage_event(target, outage, sequence=sequence, now=now, over=False)
            self._log.error("target.unreadable", target=target.id, code=outage.code, polls=outage.attempts)
            await self._record(target.id, replace(record, outage=outage, sequence=sequence), [event], target)

    async def _endpoint_answered(self) -> None:
        self._streak = None
        if not self._blind:
            return
        async with self._health:
            record = self._recorder.record_of(self._subject)
            if record.outage is None:
                return
            self._log.info("endpoint.readable", since=record.outage.since.isoformat())
            await self._record_endpoint(replace(record, outage=None), record.outage, over=True)

    async def _endpoint_failed(self, error: PollFailed) -> None:
        self._streak = lengthen(self._streak, error, self._clock.now())
        if self._streak.failures < self._unreadable_after or self._blind:
            return
        async with self._health:
            streak = self._streak
            record = self._recorder.record_of(self._subject)
            if streak is None or streak.failures < self._unreadable_after or record.outage is not None:
                return
            outage = streak.outage()
            self._log.error("endpoint.unreadable", code=outage.code, error=outage.message, polls=outage.attempts)
            await self._record_endpoint(replace(record, outage=outage), outage, over=False)

    async def _record_endpoint(self, record: Record, outage: Outage, *, over: bool) -> None:
        sequence = record.sequence + 1
        event = outage_event(
            self._endpoint.key, outage, sequence=sequence, now=self._clock.now(), over=over, targets=len(self._targets)
        )
        await self._record(self._subject, replace(record, sequence=sequence), [event], None)

    async def _record(self, subject: str, record: Record, events: Sequence[Event], target: Target | None) -> None:
        labels = {} if target is None else target.labels
        routed = [self._addressed(event, labels) for event in events]
        await self._recorder.record([Entry(subject, record, routed)])

    def _addressed(self, event: Event, labels: Mapping[str, str]) -> tuple[Event, Sequence[str]]:
        """An event with the sinks that are to have it: none, and marked, while it is muted."""
        mute = muted_by(self._mutes, event.type, event.subject, self._clock.now())
        if mute is not None:
            return muted(event, mute.reason, mute.until), ()
        return event, route(event, labels, self._sinks)

    def _log_answer(self, target: Target, outcome: Outcome) -> None:
        streak = self._streaks.pop(target.id, None)
        if streak is not None:
            self._log.info("poll.recovered", target=target.id, failures=streak.failures)
        if outcome.ignored and outcome.known.older_answers == 1:
            self._log.info("poll.older_answer", target=target.id)
        for change in outcome.changes:
            self._log.info("sync.changed", target=target.id, type=change.type, reason=change.reason.value)
