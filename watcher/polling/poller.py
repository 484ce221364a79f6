"""Polls the targets of one endpoint: due -> endpoint -> diff -> record.

One loop decides who is next; each poll is a task of its own. A poll that fails touches no sync state: it lengthens a
streak, and a streak that is long enough becomes an event.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING

import structlog

from watcher.aws.client import OPENING
from watcher.core.diff import diff
from watcher.core.events import muted, outage_event, sync_event, with_trace
from watcher.core.outages import OWN, is_answer, lengthen, lengthen_target
from watcher.core.ports import Entry
from watcher.core.routing import muted_by, route
from watcher.errors import PollFailed, Superseded
from watcher.observability.daemon_view import EndpointStatus, TargetStatus
from watcher.observability.observer import Poll, PollOutcome, outcome_of
from watcher.observability.tracing import span, traceparent
from watcher.polling.freshness import History
from watcher.polling.rate_limiter import LOWEST
from watcher.polling.schedule import Schedule, first_due, next_due, taken_over_due

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from watcher.core.diff import Outcome
    from watcher.core.events import Event
    from watcher.core.model import Snapshot, Target
    from watcher.core.outages import FailureStreak
    from watcher.core.ports import Clock
    from watcher.core.settings import Config
    from watcher.core.state import Outage, Record
    from watcher.observability.observer import Observer
    from watcher.polling.endpoint import Endpoint
    from watcher.polling.recorder import Recorder

log = structlog.get_logger()

PATIENCE = 60.0
"""Seconds that any step may take longer than it ought to before the poller is said to be stuck."""

NOT_NOW = 0.1
"""Seconds between looks whether an endpoint may be asked again."""

CALLS = 3
"""Calls' worth of the rate that one admission may have to wait for."""


class Poller:
    """Watches the targets that share an endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        targets: Sequence[Target],
        config: Config,
        recorder: Recorder,
        clock: Clock,
        observer: Observer,
        *,
        taken_over: bool = False,
    ) -> None:
        """Nothing is polled before `run`. `taken_over`: another watcher polled these targets until now."""
        self._first_due = taken_over_due if taken_over else first_due
        self._recorder = recorder
        self._clock = clock
        self._observer = observer
        self._schedule = Schedule()
        self._news = asyncio.Event()
        self._polls: set[asyncio.Task[None]] = set()
        self._polling: set[str] = set()
        self._subject = str(endpoint.key)
        self._streak: FailureStreak | None = None
        self._streaks: dict[str, FailureStreak] = {}
        self._odd: set[str] = set()
        """Targets whose last answer had members that were treated as absent."""
        self._history = History()
        self._answers = 0
        self._health = asyncio.Lock()
        self._probe_at = 0.0
        self._admission = asyncio.Event()
        """The poll that is to begin next has its leave, or needs none any more."""
        self._turns_by = inf
        """By when the loop must come round again (monotonic seconds), or it is stuck."""
        self._log = log.bind(endpoint=self._subject)
        self._take_up(endpoint, targets, config)

    def _take_up(self, endpoint: Endpoint, targets: Sequence[Target], config: Config) -> None:
        self._endpoint = endpoint
        self._targets = {target.id: target for target in targets}
        self._unreadable_after = config.unreadable_after
        self._sinks = config.sinks
        self._mutes = config.mutes
        # AWS may throttle the rate down to its lowest.
        admission = CALLS / (endpoint.allowed * LOWEST)
        self._longest_poll = OPENING + config.retry.attempts * (
            max((target.timeout for target in targets), default=0.0) + config.retry.maximum + admission
        )

    def reconfigure(self, endpoint: Endpoint, targets: Sequence[Target], config: Config) -> None:
        """Go on with other targets, or watched otherwise, or through another client; those that stay keep their turns.

        With no targets `run` ends as soon as the polls under way are over.
        """
        before, had = self._targets, self._endpoint
        self._take_up(endpoint, targets, config)
        gone = before.keys() - self._targets.keys()
        for target_id in gone:
            self._streaks.pop(target_id, None)
            self._odd.discard(target_id)
            self._history.forget(target_id)
        endpoint.forget(gone)
        new = [target for target in targets if target.id not in before]
        paced = [target for target in targets if target.id in before and target.pace != before[target.id].pace]
        dues = {target.id: self._schedule.due(target.id) for target in paced}
        self._schedule.discard({*gone, *dues})
        now = self._clock.monotonic()
        # Those that are being polled come back by themselves.
        self._fill([target for target in new if target.id not in self._polling], now)
        for target in paced:
            due = dues[target.id]
            if due is not None:
                # Whoever edits often must not put a poll off each time.
                self._again(target, now, now, until=due)
        if endpoint is not had:
            self._probe_at = now
            self._admission.set()  # whoever waits for the former one's leave
        self._news.set()

    def look(self, target_id: str) -> TargetStatus:
        """How the polling of one target goes."""
        due = self._schedule.due(target_id)
        if due is not None and self._blind:
            due = max(due, self._probe_at)
        now = self._clock.now()
        following = None if due is None else now + timedelta(seconds=due - self._clock.monotonic())
        streak = self._streaks.get(target_id)
        answered, tried = self._history.of(target_id)
        return TargetStatus(answered, tried, following, 0 if streak is None else streak.failures)

    def look_at_endpoint(self) -> EndpointStatus:
        """How the endpoint is doing."""
        return EndpointStatus(
            targets=len(self._targets),
            tried=self._history.tried is not None,
            answered=self._history.heard,
            rate=self._endpoint.rate,
            allowed=self._endpoint.allowed,
            failures=0 if self._streak is None else self._streak.failures,
        )

    def stuck(self) -> str | None:
        """Why the loop makes no progress, or None. What AWS does is no reason."""
        if self._recorder.trouble is not None:
            # It says what is wrong; until that is over, and a while after, polls wait for their commit.
            self._turns_by = max(self._turns_by, self._clock.monotonic() + self._longest_poll + PATIENCE)
        late = self._clock.monotonic() - self._turns_by
        return None if late < 0 else f"{self._subject}: the polling has not gone on for {late + PATIENCE:.0f} s"

    async def run(self) -> None:
        """Poll for ever; cancelled, it ends the polls that are under way."""
        # Another configuration may have come before the first turn, and planned for its own.
        unplanned = [target for target in self._targets.values() if self._schedule.due(target.id) is None]
        self._fill(unplanned, self._clock.monotonic())
        try:
            while self._targets or self._polls:
                await self._dispatch()
        finally:
            self._turns_by = inf
            for poll in self._polls:
                poll.cancel()
            await asyncio.gather(*self._polls, return_exceptions=True)

    def _fill(self, targets: Collection[Target], now: float) -> None:
        """Spread the first looks at `targets`."""
        count = len(targets)
        self._schedule.fill(
            (self._first_due(target.id, target.interval, now, count=count, rate=self._endpoint.allowed), target.id)
            for target in targets
        )

    async def _dispatch(self) -> None:
        """Begin one poll, or wait for a reason to."""
        self._turns_by = inf  # a store that takes nothing is no fault of the loop's
        await self._recorder.writable()
        if not self._endpoint.may():
            await asyncio.sleep(NOT_NOW)
            return
        self._news.clear()
        wait = self._wait()
        now = self._clock.monotonic()
        if wait is None or wait > 0:
            patience = wait if wait is not None else self._longest_poll if self._polls else inf
            self._turns_by = now + patience + PATIENCE
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                pass
            return
        # Until then a connection is free, and the rate allows it.
        self._turns_by = now + self._longest_poll + PATIENCE
        self._admission = admission = asyncio.Event()
        poll = asyncio.create_task(self._turn(admission))
        self._polls.add(poll)
        poll.add_done_callback(self._ended)
        await admission.wait()

    async def _turn(self, admission: asyncio.Event) -> None:
        """Wait for the rate's leave and poll the most overdue target, in one task: the call begins when it may."""
        endpoint = self._endpoint
        try:
            await endpoint.admit()
        finally:
            admission.set()
        # Who that is is asked only now: waiting may have taken long, and the configuration may have changed.
        ours = endpoint is self._endpoint and endpoint.may()
        taken = self._schedule.take(self._clock.monotonic()) if ours else None
        if taken is None:
            endpoint.dismiss()
            return
        due, target_id = taken
        self._polling.add(target_id)
        try:
            await self._poll(endpoint, self._targets[target_id], due)
        finally:
            self._polling.discard(target_id)

    def _ended(self, poll: asyncio.Task[None]) -> None:
        self._polls.discard(poll)
        self._news.set()
        if not poll.cancelled() and (error := poll.exception()) is not None:
            self._log.error("poll.crashed", exc_info=error)

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

    async def _poll(self, endpoint: Endpoint, target: Target, due: float) -> None:
        begun = self._clock.monotonic()
        self._observer.begun(target, due, begun)
        outcome = PollOutcome.BUG
        try:
            with span(f"poll {target.kind}", target=target.id, account=target.account, region=target.region) as traced:
                outcome, error = await self._ask(endpoint, target)
                traced.outcome(outcome, error)
        except Superseded:
            outcome = PollOutcome.SUPERSEDED
            self._log.info("poll.superseded", target=target.id, reason="another daemon recorded it first")
        except Exception:  # noqa: BLE001  a bug with one target must not end the others' watch
            self._log.exception("poll.crashed", target=target.id)
        finally:
            self._observer.polled(Poll(target, due, begun, self._clock.monotonic(), outcome))
            current = self._targets.get(target.id)
            if current is None:
                self._streaks.pop(target.id, None)
                self._odd.discard(target.id)
                self._history.forget(target.id)
                self._endpoint.forget([target.id])
            elif outcome is PollOutcome.SUPERSEDED and not self._blind:
                self._schedule.add(current.id, self._clock.monotonic(), active=True)
            else:
                self._again(current, due, begun)

    async def _ask(self, endpoint: Endpoint, target: Target) -> tuple[PollOutcome, str]:
        """Poll once and keep what that brought; how it ended, and the error if it failed."""
        try:
            # While the endpoint is unreadable a poll is one call: the next probe is its second try. What has left the
            # configuration, or gone to another watcher, is not asked for again.
            snapshot = await endpoint.fetch(target, again=lambda: not self._blind and target.id in self._targets)
        except PollFailed as error:
            self._history.failed(target.id, self._clock.now(), answered=is_answer(error))
            if endpoint.asks_as(self._endpoint):  # what is configured no more need not work
                await self._failed(target, error)
            return outcome_of(error), str(error)
        if not endpoint.asks_as(self._endpoint):  # and what it says need not be true of what is
            return PollOutcome.ANSWERED, ""
        self._history.answered(target.id, self._clock.now())
        older = await self._answered(target, snapshot)
        return PollOutcome.OLDER if older else PollOutcome.ANSWERED, ""

    def _again(self, target: Target, due: float, begun: float, *, until: float = inf) -> None:
        """Let the target wait for its next turn, and no longer than `until`."""
        known = self._recorder.record_of(target.id).known
        now = self._clock.monotonic()
        active = known is not None and known.attempt is not None and known.attempt.unfinished and not known.missing
        if active:
            following = begun + target.active_interval
        else:
            following = next_due(target.id, target.interval, now, late=begun - due)
        self._schedule.add(target.id, min(following, until), active=active)
        if self._blind:
            self._probe_at = now + min(target.interval for target in self._targets.values())

    async def _answered(self, target: Target, snapshot: Snapshot) -> bool:
        """Keep what an answer tells, and tell what changed; whether it was older than what is known, and ignored."""
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
        self._log_answer(target, outcome, snapshot.odd)
        await self._endpoint_answered()
        kept = replace(record, known=outcome.known, sequence=sequence, outage=None)
        if kept != record:
            await self._record_target(target, kept, events, record)
        return outcome.ignored

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
            await self._record_target(target, replace(record, outage=outage, sequence=sequence), [event], record)

    async def _endpoint_answered(self) -> None:
        self._streak = None
        if not self._blind:
            return
        async with self._health:
            record = self._recorder.record_of(self._subject)
            if record.outage is None:
                return
            self._log.info("endpoint.readable", since=record.outage.since.isoformat())
            await self._record_endpoint(record, record.outage, over=True)

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
            await self._record_endpoint(record, outage, over=False)

    async def _record_endpoint(self, before: Record, outage: Outage, *, over: bool) -> None:
        sequence = before.sequence + 1
        record = replace(before, outage=None if over else outage, sequence=sequence)
        event = outage_event(
            self._endpoint.key, outage, sequence=sequence, now=self._clock.now(), over=over, targets=len(self._targets)
        )
        if self._targets:
            await self._record(self._subject, record, [event], {}, before)

    async def _record_target(self, target: Target, record: Record, events: Sequence[Event], before: Record) -> None:
        """Record what became of a target, unless it has left the configuration meanwhile (section 5, rule 9)."""
        current = self._targets.get(target.id)
        if current is not None:
            await self._record(target.id, record, events, current.labels, before)

    async def _record(
        self, subject: str, record: Record, events: Sequence[Event], labels: Mapping[str, str], before: Record
    ) -> None:
        routed = [self._addressed(event, labels) for event in events]
        await self._recorder.record([Entry(subject, record, routed, before)])

    def _addressed(self, event: Event, labels: Mapping[str, str]) -> tuple[Event, Sequence[str]]:
        """An event, with its poll's trace, and the sinks that are to have it: none, and marked, while it is muted."""
        event = with_trace(event, traceparent())
        mute = muted_by(self._mutes, event.type, event.subject, self._clock.now())
        if mute is not None:
            return muted(event, mute.reason, mute.until), ()
        return event, route(event, labels, self._sinks)

    def _log_answer(self, target: Target, outcome: Outcome, odd: Sequence[str]) -> None:
        streak = self._streaks.pop(target.id, None)
        if streak is not None:
            self._log.info("poll.recovered", target=target.id, failures=streak.failures)
        if odd and target.id not in self._odd:
            consequence = "these members are treated as absent; the status of the attempt still counts"
            self._log.warning("answer.parts_ignored", target=target.id, wrong=odd, consequence=consequence)
            self._odd.add(target.id)
        elif not odd and target.id in self._odd:
            self._log.info("answer.recovered", target=target.id)
            self._odd.discard(target.id)
        if outcome.ignored and outcome.known.older_answers == 1:
            self._log.info("answer.ignored", target=target.id)
        for change in outcome.changes:
            self._log.info("sync.changed", target=target.id, type=change.type, reason=change.reason.value)
