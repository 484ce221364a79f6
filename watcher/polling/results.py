"""Records what the polls of one endpoint returned. What that means is decided in `observations`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import structlog

from watcher.core.diff import Outcome
from watcher.core.model import EndpointKey, Snapshot, Target
from watcher.core.outages import FailureStreak, is_answer, lengthen, lengthen_target
from watcher.core.ports import Clock
from watcher.core.settings import Config
from watcher.core.state import Record
from watcher.errors import PollFailed
from watcher.observability.tracing import traceparent
from watcher.polling.freshness import Freshness
from watcher.polling.observations import (
    Observation,
    entry_of,
    observe_answer,
    observe_endpoint_answer,
    observe_endpoint_failure,
    observe_failure,
)
from watcher.polling.recorder import Recorder

log = structlog.get_logger()


class PollResults:
    """Compares each answer and each failure with the record of its target and of the endpoint, and records changes."""

    def __init__(self, endpoint: EndpointKey, recorder: Recorder, clock: Clock) -> None:
        """`configure` must be called before the first result."""
        self.freshness = Freshness()
        self._endpoint = endpoint
        self._subject = str(endpoint)
        self._recorder = recorder
        self._clock = clock
        self._targets: Mapping[str, Target] = {}
        self._endpoint_streak: FailureStreak | None = None
        self._streaks: dict[str, FailureStreak] = {}
        self._answers = 0
        self._incomplete: set[str] = set()
        """Targets whose last answer had members that were treated as absent."""
        self._endpoint_lock = asyncio.Lock()
        self._log = log.bind(endpoint=self._subject)

    def configure(self, targets: Mapping[str, Target], config: Config) -> None:
        """Set the targets whose results are recorded, by id, and the settings that apply to them."""
        self._targets = targets
        self._unreadable_after = config.unreadable_after
        self._sinks = config.sinks
        self._mutes = config.mutes

    def forget(self, target_ids: Iterable[str]) -> None:
        """Drop what this run knows of targets that are no longer polled."""
        for target_id in target_ids:
            self._streaks.pop(target_id, None)
            self._incomplete.discard(target_id)
            self.freshness.forget(target_id)

    @property
    def endpoint_unreadable(self) -> bool:
        """Whether the endpoint has an outage."""
        return self._recorder.record_of(self._subject).outage is not None

    @property
    def endpoint_failures(self) -> int:
        """How many polls of the endpoint failed since its last answer."""
        return 0 if self._endpoint_streak is None else self._endpoint_streak.failures

    def failures(self, target_id: str) -> int:
        """Return how many polls of a target have failed in a row."""
        streak = self._streaks.get(target_id)
        return 0 if streak is None else streak.failures

    async def answered(self, target: Target, snapshot: Snapshot) -> bool:
        """Record an answer; return whether it was ignored because it is older than what is known.

        Raises:
            Superseded: another daemon recorded a newer state.
        """
        self._answers += 1
        before = self._recorder.record_of(target.id)
        observation, outcome = observe_answer(target, before, snapshot, self._clock.now())
        self._log_answer(target, outcome, snapshot.odd)
        await self._endpoint_answered()
        if observation.record != before:
            await self._record_target(target, before, observation)
        return outcome.ignored

    async def failed(self, target: Target, error: PollFailed) -> None:
        """Count a failure, and record the outage that begins with it.

        Raises:
            Superseded: another daemon recorded a newer state.
        """
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
        before = self._recorder.record_of(target.id)
        observation = observe_failure(
            target,
            before,
            streak,
            now,
            unreadable_after=self._unreadable_after,
            endpoint_unreadable=self.endpoint_unreadable,
        )
        if observation is not None:
            self._log.error("target.unreadable", target=target.id, code=streak.code, polls=streak.failures)
            await self._record_target(target, before, observation)

    async def _endpoint_answered(self) -> None:
        self._endpoint_streak = None
        if not self.endpoint_unreadable:
            return
        async with self._endpoint_lock:  # another poll may be recording the same change
            before = self._recorder.record_of(self._subject)
            observation = observe_endpoint_answer(self._endpoint, before, self._clock.now(), targets=len(self._targets))
            if observation is not None and before.outage is not None:
                self._log.info("endpoint.readable", since=before.outage.since.isoformat())
                await self._record_endpoint(before, observation)

    async def _endpoint_failed(self, error: PollFailed) -> None:
        self._endpoint_streak = lengthen(self._endpoint_streak, error, self._clock.now())
        if self._endpoint_streak.failures < self._unreadable_after or self.endpoint_unreadable:
            return
        async with self._endpoint_lock:  # and this streak may have ended meanwhile
            before, streak = self._recorder.record_of(self._subject), self._endpoint_streak
            observation = observe_endpoint_failure(
                self._endpoint,
                before,
                streak,
                self._clock.now(),
                unreadable_after=self._unreadable_after,
                targets=len(self._targets),
            )
            if observation is not None and streak is not None:
                self._log.error("endpoint.unreadable", code=streak.code, error=streak.message, polls=streak.failures)
                await self._record_endpoint(before, observation)

    async def _record_endpoint(self, before: Record, observation: Observation) -> None:
        if self._targets:
            await self._record(self._subject, before, observation, {})

    async def _record_target(self, target: Target, before: Record, observation: Observation) -> None:
        """Record an observation, unless its target has left the configuration meanwhile: then it is forgotten."""
        current = self._targets.get(target.id)
        if current is not None:
            await self._record(target.id, before, observation, current.labels)

    async def _record(self, subject: str, before: Record, observation: Observation, labels: Mapping[str, str]) -> None:
        entry = entry_of(
            subject,
            before,
            observation,
            self._clock.now(),
            labels=labels,
            sinks=self._sinks,
            mutes=self._mutes,
            traceparent=traceparent() if observation.events else None,
        )
        await self._recorder.record([entry])

    def _log_answer(self, target: Target, outcome: Outcome, odd: Sequence[str]) -> None:
        streak = self._streaks.pop(target.id, None)
        if streak is not None:
            self._log.info("poll.recovered", target=target.id, failures=streak.failures)
        if odd and target.id not in self._incomplete:
            consequence = "these members are treated as absent; the status of the attempt still counts"
            self._log.warning("answer.parts_ignored", target=target.id, wrong=odd, consequence=consequence)
            self._incomplete.add(target.id)
        elif not odd and target.id in self._incomplete:
            self._log.info("answer.recovered", target=target.id)
            self._incomplete.discard(target.id)
        if outcome.ignored and outcome.known.older_answers == 1:
            self._log.info("answer.ignored", target=target.id, reason="it shows an older attempt than the last answer")
        for change in outcome.changes:
            self._log.info("sync.changed", target=target.id, type=change.type, reason=change.reason.value)
