"""Records what the polls of one endpoint returned. What that means is decided in `observations`."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from watcher.core.diff import Comparison
from watcher.core.model import Blocker, EndpointKey, Snapshot, Target
from watcher.core.outages import FailureStreak, is_alone, is_answer, lengthen, lengthen_target
from watcher.core.settings import Config
from watcher.core.state import Record
from watcher.errors import PollFailed
from watcher.observability.tracing import traceparent
from watcher.polling.observations import (
    Observation,
    entry_of,
    observe_answer,
    observe_blockers,
    observe_failure,
    observe_recovery,
)
from watcher.polling.recorder import Recorder

log = structlog.get_logger()


@dataclass(slots=True)
class TargetPolls:
    """What this run knows of the polls of a target."""

    tried: datetime | None = None
    """When it was last polled."""
    answered: datetime | None = None
    """When it was last answered for."""
    streak: FailureStreak | None = None
    incomplete: bool = False
    """Its last answer had members that were treated as absent."""
    compared: Snapshot | None = None
    """Its last answer that changed nothing, and cannot change anything later."""
    compared_with: Record | None = None
    """The record that it was compared with: the same answer is not compared with the same record again."""

    @property
    def failures(self) -> int:
        """How many polls have failed in a row."""
        return 0 if self.streak is None else self.streak.failures


class PollResults:
    """Compares each answer and each failure with the record of its target and of the endpoint, and records changes."""

    def __init__(self, endpoint: EndpointKey, recorder: Recorder) -> None:
        """`configure` must be called before the first result."""
        self.tried = False
        """Whether any target was polled."""
        self.last_answer: datetime | None = None
        """When the endpoint last answered, also if with an error about a target."""
        self._endpoint = endpoint
        self._subject = str(endpoint)
        self._recorder = recorder
        self._clock = recorder.clock
        self._polls: defaultdict[str, TargetPolls] = defaultdict(TargetPolls)
        self._endpoint_streak: FailureStreak | None = None
        self._answers = 0
        self._endpoint_lock = asyncio.Lock()
        self._log = log.bind(endpoint=self._subject)

    def configure(self, targets: Mapping[str, Target], config: Config) -> None:
        """Set the targets whose results are recorded, by id, and the settings that apply to them."""
        self._targets = targets
        self._config = config

    def forget(self, target_ids: Iterable[str]) -> None:
        """Drop what this run knows of targets that are no longer polled."""
        for target_id in target_ids:
            self._polls.pop(target_id, None)

    @property
    def endpoint_unreadable(self) -> bool:
        """Whether the endpoint has an outage."""
        return self._recorder.record_of(self._subject).outage is not None

    @property
    def endpoint_failures(self) -> int:
        """How many polls of the endpoint failed since its last answer."""
        return 0 if self._endpoint_streak is None else self._endpoint_streak.failures

    def polls_of(self, target_id: str) -> TargetPolls:
        """Return what this run knows of the polls of a target."""
        return self._polls.get(target_id) or TargetPolls()

    async def answered(self, target: Target, snapshot: Snapshot) -> bool:
        """Record an answer; return whether it was ignored because it is older than what is known.

        Of what is not configured, such as a repository that is polled for its stacks, only the endpoint is noted.

        Raises:
            Superseded: another change of the state was recorded first.
        """
        now, polls = self._clock.now(), self._polls[target.id]
        self.tried, self.last_answer, polls.tried, polls.answered = True, now, now, now
        self._answers += 1
        if target.id not in self._targets:
            polls.streak = None
            await self._note_endpoint(None, now)
            return False
        before = self._recorder.record_of(target.id)
        if polls.compared is snapshot and polls.compared_with is before and polls.streak is None:
            await self._note_endpoint(None, now)
            return False
        observation, comparison = observe_answer(target, before, snapshot, now)
        self._log_answer(target, polls, comparison, snapshot)
        polls.streak, polls.incomplete = None, bool(snapshot.odd)
        await self._note_endpoint(None, now)
        if observation.record != before:
            await self._record_target(target, before, observation)
        elif snapshot.latest is None or not snapshot.latest.unfinished:  # else it may be stalled later
            polls.compared, polls.compared_with = snapshot, before
        return comparison.ignored

    async def blockers_answered(self, target: Target, found: Sequence[Blocker]) -> None:
        """Record an answer about the blockers of a target.

        Raises:
            Superseded: another change of the state was recorded first.
        """
        before = self._recorder.record_of(target.id)
        observation = observe_blockers(target, before, found, self._clock.now())
        for event in observation.events:
            self._log.info("sync.changed", target=target.id, type=event.type.removeprefix("watcher."), reason="blocker")
        if observation.record != before:
            await self._record_target(target, before, observation)

    async def failed(self, target: Target, error: PollFailed) -> None:
        """Count a failure, and record the outage that begins with it.

        Raises:
            Superseded: another change of the state was recorded first.
        """
        now, polls = self._clock.now(), self._polls[target.id]
        self.tried, polls.tried = True, now
        if is_answer(error):
            self.last_answer = now
            self._answers += 1
        alone = is_alone(polls.streak, error, self._answers)
        polls.streak = streak = lengthen_target(polls.streak, error, now, answers=self._answers)
        if streak.failures == 1 and target.id in self._targets:
            self._log.warning(
                "poll.failed",
                target=target.id,
                code=error.code,
                error=error.message,
                consequence="its recorded status stays; after `unreadable_after` failures in a row it is unreadable",
            )
        if is_answer(error):
            await self._note_endpoint(None, now)
        elif target.id in self._targets and not alone:  # a repository may be denied while its stacks answer
            await self._note_endpoint(error, now)
        if self.endpoint_unreadable or target.id not in self._targets:
            return  # one cause is one event
        before = self._recorder.record_of(target.id)
        observation = observe_failure(target, before, streak, now, unreadable_after=self._config.unreadable_after)
        if observation is not None:
            self._log.error(
                "target.unreadable",
                target=target.id,
                code=streak.code,
                error=streak.message,
                polls=streak.failures,
                remedy="check that it exists, and that the account's credentials may read it",
            )
            await self._record_target(target, before, observation)

    async def listed(self, error: PollFailed | None) -> None:
        """Count a listing, which failed with `error`, as a poll of the endpoint, if no target is polled.

        Raises:
            Superseded: another change of the state was recorded first.
        """
        if self._targets:
            return
        now, answered = self._clock.now(), error is None or is_answer(error)
        if answered:
            self.last_answer = now
        await self._note_endpoint(None if answered else error, now)

    async def _note_endpoint(self, error: PollFailed | None, now: datetime) -> None:
        """Record the outage of the endpoint that begins with a poll's `error`, or ends with an answer (None)."""
        enough = self._config.unreadable_after
        self._endpoint_streak = None if error is None else lengthen(self._endpoint_streak, error, now)
        if self.endpoint_unreadable == (self.endpoint_failures >= enough):
            return
        async with self._endpoint_lock:  # another poll may be recording the same change, or have ended the streak
            before, streak = self._recorder.record_of(self._subject), self._endpoint_streak
            targets = len(self._targets)
            if streak is None:
                observation = observe_recovery(self._endpoint, before, now, targets=targets)
            else:
                observation = observe_failure(
                    self._endpoint, before, streak, now, unreadable_after=enough, targets=targets
                )
            if observation is None:
                return
            if streak is not None:
                self._log.error(
                    "endpoint.unreadable",
                    code=streak.code,
                    error=streak.message,
                    polls=streak.failures,
                    remedy="check the network to AWS and the account's credentials, and try them with `watcher check`",
                )
            elif before.outage is not None:
                self._log.info("endpoint.readable", since=before.outage.since.isoformat())
            if self._subject in self._config.subjects:  # else it has left the configuration meanwhile
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
            config=self._config,
            hand=self._recorder.by_hand,
            traceparent=traceparent() if observation.events else None,
        )
        await self._recorder.record(entry)

    def _log_answer(self, target: Target, polls: TargetPolls, comparison: Comparison, snapshot: Snapshot) -> None:
        if polls.streak is not None:
            self._log.info("poll.recovered", target=target.id, failures=polls.failures)
        if snapshot.odd and not polls.incomplete:
            consequence = "these members are treated as absent; the status of the attempt still counts"
            self._log.warning("answer.parts_ignored", target=target.id, wrong=snapshot.odd, consequence=consequence)
        elif polls.incomplete and not snapshot.odd:
            self._log.info("answer.recovered", target=target.id)
        if comparison.ignored and comparison.known.older_answers == 1:
            self._log.info("answer.ignored", target=target.id, reason="it shows an older attempt than the last answer")
        for change in comparison.changes:
            self._log.info("sync.changed", target=target.id, type=change.type, reason=change.reason.value)
