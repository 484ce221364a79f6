"""Plans the polls of one endpoint: which target is polled next, and when each is polled again."""

from collections.abc import Collection, Iterable
from math import inf

import structlog

from watcher.core.model import EndpointKey, Snapshot, Target
from watcher.core.status import active
from watcher.errors import PollFailed
from watcher.polling.by_repository import Repositories
from watcher.polling.pending_hints import Answer, PendingHints
from watcher.polling.recorder import Recorder
from watcher.polling.schedule import Lane, Schedule, first_due, on_grid

log = structlog.get_logger()

HINTED_PROBE_SECONDS = 5.0
"""The shortest time between two probes of an unreadable endpoint, if hints ask for them."""


class Planner:
    """The schedule of one endpoint. Repositories that stand for stacks are polled beside the targets."""

    def __init__(
        self, endpoint: EndpointKey, targets: Iterable[Target], recorder: Recorder, *, taken_over: bool
    ) -> None:
        """`plan_first_polls` plans the targets. `taken_over`: another daemon polled them until now."""
        self._recorder = recorder
        self._clock = recorder.clock
        self._taken_over = taken_over
        self._schedule = Schedule()
        self._repositories = Repositories()
        self._hints = PendingHints()
        self._heard = self._probed_hint = False
        self._probed_at, self._probe_pause = -inf, 0.0
        """When the last probe of an unreadable endpoint ended (monotonic seconds), and the pause after it."""
        self._polling: set[str] = set()
        self._polled = self._repositories.configure(targets)
        self._log = log.bind(endpoint=str(endpoint))

    def __contains__(self, target_id: str) -> bool:
        """Return whether it is polled: as a target, or as a repository that stands for stacks."""
        return target_id in self._polled

    def reconfigure(self, targets: Iterable[Target], rate: float) -> Collection[str]:
        """Replace the targets and their settings; those that stay keep their due times. Returns what has left."""
        before, stood_for = self._polled, self._repositories.by_stack
        self._polled = self._repositories.configure(targets)
        gone = before.keys() - self._polled.keys()
        stands_for = self._repositories.by_stack
        paced = [
            target
            for target in self._polled.values()
            if target.id in before
            and (
                target.pace != before[target.id].pace
                or stands_for.get(target.id) is not stood_for.get(target.id)  # another repository, or none any more
            )
        ]
        dues = [(target, due) for target in paced if (due := self._schedule.due(target.id)) is not None]
        self._schedule.discard(gone)
        self._hints.drop(gone)
        self.plan_first_polls(rate)
        now = self._clock.monotonic()
        for target, due in dues:
            # Frequent changes of the interval must not postpone a poll again and again.
            self._reschedule(target, now, now, until=due)
        return gone

    def plan_first_polls(self, rate: float) -> None:
        """Plan the first poll of each target that is not planned, where `rate` calls a second are allowed.

        Targets that are being polled are planned when their poll ends.
        """
        now = self._clock.monotonic()
        new = [
            target
            for target in self._polled.values()
            if self._schedule.due(target.id) is None and target.id not in self._polling
        ]
        for target in new:
            due = first_due(target.id, target.interval, now, count=len(new), rate=rate, taken_over=self._taken_over)
            self._schedule.add(target.id, due)

    def due(self, target_id: str, *, probe: bool = False) -> float | None:
        """Return when a target is due (monotonic seconds), as a `probe` if so; None: it is polled now, or not known."""
        return self._as_probe(self._schedule.due(target_id)) if probe else self._schedule.due(target_id)

    def next_at(self, *, probe: bool) -> float | None:
        """Return when the first target is due, as a `probe` if so; None: none is planned."""
        return self._as_probe(self._schedule.next_at()) if probe else self._schedule.next_at()

    def take(self, *, probe: bool = False) -> tuple[float, Target] | None:
        """Return the target to poll now, with its due time; None: none is due. `ended` must follow.

        `probe`: of an unreadable endpoint. A hinted target is the next probe, unless the last one was: the failures may
        be those of that target alone.
        """
        taken = self._schedule.take(self._clock.monotonic(), in_turn=not probe or self._probed_hint)
        if taken is None:
            return None
        due, target_id = taken
        self._polling.add(target_id)
        self._probed_hint = probe and target_id in self._hints
        self._hints.begun(target_id)
        return due, self._polled[target_id]

    def ended(self, target_id: str, due: float, begun: float, *, recorded: bool, superseded: bool = False) -> bool:
        """Plan the next poll of a target whose poll was `due`, has `begun`, and ended now.

        `recorded`: its result, also an error about the target, was recorded. `superseded`: another change of its state
        was recorded first; it is polled again at once. Returns False if the target has gone meanwhile.
        """
        self._polling.discard(target_id)
        target = self._polled.get(target_id)
        if target is not None and superseded:
            self._hints.repeat(target_id)
        self._hints.ended(target_id, recorded=recorded)
        if target is None:
            return False
        if superseded:
            lane = Lane.HINTED if target_id in self._hints else Lane.ACTIVE
            self._schedule.add(target_id, self._clock.monotonic(), lane)
        else:
            self._reschedule(target, due, begun)
        return True

    def hint(self, target_id: str) -> Answer | None:
        """Make a target due at once, or, if it is being polled, when that has ended; None: it is not polled."""
        if target_id not in self._polled:
            return None
        answer = self._hints.add(target_id)
        if target_id not in self._polling:
            now, due = self._clock.monotonic(), self._schedule.due(target_id)
            self._schedule.add(target_id, now if due is None else min(now, due), Lane.HINTED)
        return answer

    def _as_probe(self, due: float | None) -> float | None:
        """Return when what is `due` may be polled as a probe of the endpoint, which is unreadable."""
        pause = min(self._probe_pause, HINTED_PROBE_SECONDS) if self._hints else self._probe_pause
        return None if due is None else max(due, self._probed_at + pause)

    def probed(self) -> None:
        """Note that a poll of the unreadable endpoint has ended: the next one is after the shortest interval."""
        self._probed_at = self._clock.monotonic()
        self._probe_pause = min(target.interval for target in self._polled.values())

    def probe_at_once(self) -> None:
        """Let the next probe be at once."""
        self._probed_at = -inf

    def set_heard(self, *, heard: bool) -> None:
        """Set whether hints report the changes of these targets; if not, targets are due as often as without hints."""
        if heard == self._heard:
            return
        self._heard = heard
        now = self._clock.monotonic()
        for target in () if heard else self._polled.values():
            known = self._recorder.record_of(target.id).known
            if not active(known):
                self._schedule.hasten(target.id, *self._repositories.due(target, known, now, late=0.0, heard=False))

    def note(self, target: Target, result: Snapshot | PollFailed) -> None:
        """Note the result of a poll: that of a repository that stands for stacks may hasten their polls."""
        polls = self._repositories.polls.get(target.id)
        if polls is None:
            return
        now = self._clock.monotonic()
        if isinstance(result, PollFailed):
            if polls.failed():
                consequence = "the stacks that are synced from it are polled each `interval`"
                self._log.warning("repository.failed", repository=target.id, error=str(result), consequence=consequence)
                for stack in polls.stacks:
                    self._schedule.hasten(stack, on_grid(stack, self._polled[stack].interval, now), Lane.SETTLED)
            return
        if not polls.readable and polls.answers:
            self._log.info("repository.recovered", repository=target.id)
        if polls.answered(result.latest, now, self._clock.now()):
            for stack in polls.stacks:
                self._schedule.hasten(stack, now, Lane.REPOSITORY_CHANGED)

    def _reschedule(self, target: Target, due: float, begun: float, *, until: float = inf) -> None:
        """Plan the next poll of a target whose last one was `due` and has `begun`, at `until` at the latest."""
        now, known = self._clock.monotonic(), self._recorder.record_of(target.id).known
        if target.id in self._hints:
            following, lane = now, Lane.HINTED
        elif active(known):
            following, lane = begun + target.active_interval, Lane.ACTIVE
        else:
            following, lane = self._repositories.due(target, known, now, late=begun - due, heard=self._heard)
        self._schedule.add(target.id, min(following, until), lane)
