"""Answers calls from a scenario: what a target's timeline shows now, unless a fault or the rate limit hides it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from watcher.core.model import Snapshot
from watcher.simulator import aws_json
from watcher.simulator.faults import Fault, Reply, error_reply
from watcher.simulator.scenario import FaultWindow, Scenario
from watcher.simulator.timeline import State, Subject, Timeline, advance, after_call, initial_state
from watcher.sources.codeconnections import STACK


@dataclass(slots=True)
class CountedWindow:
    """A window, and the calls that it applied to so far."""

    window: FaultWindow
    calls: int = 0


@dataclass(slots=True)
class SimulatedTarget:
    """A target of one region, and where its timeline stands. `sent`: its last reply, and the snapshot in it."""

    subject: Subject
    timeline: Timeline
    state: State
    sent: tuple[Snapshot, Reply] | None = None


class World:
    """The simulated AWS without its HTTP side. `clock` returns seconds since 1970; a test may pass its own."""

    def __init__(self, scenario: Scenario, clock: Callable[[], float] = time.time) -> None:
        self.scenario = scenario
        self.windows = [CountedWindow(window) for window in scenario.fault_windows]
        """The first one that is active wins."""
        self.throttle = scenario.throttle
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}
        """By region and API: the number of tokens, and the moment at which it was counted."""
        self._clock = clock
        self._epoch = clock()
        self._started = False
        self._targets: dict[tuple[str, str], SimulatedTarget] = {}
        self._timelines = {
            (subject.key, subject.region): (subject, timeline) for subject, timeline in scenario.timelines
        }

    def start(self) -> None:
        """Make this moment 0, at which timelines begin; later calls change nothing."""
        if not self._started:
            self._epoch, self._started = self._clock(), True

    def now(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._epoch if self._started else 0.0

    def answer(self, region: str, service: str, key: str) -> Reply:
        """The reply to one call for a target; the call counts for faults and scenes that last a number of calls."""
        moment, api = self.now(), aws_json.SERVICES[service]
        if self._exceeds_rate(region, api, moment):
            return error_reply(service, "ThrottlingException", "Rate exceeded")
        fault = self._fault_for(region, api, key, moment)
        target = self._target(region, key)
        if fault:
            # A scene that lasts a number of calls counts only those that see it.
            return fault.applied(service, lambda: aws_json.answer(self._advance(target, moment)) if target else {})
        if target is None:
            name = key.rsplit("/", 1)[-1] if api == STACK.api else key.split("/")[2]
            return error_reply(service, "ResourceNotFoundException", f"The resource {name} was not found.")
        snapshot = self._advance(target, moment)
        target.state = after_call(target.timeline, target.state)
        if target.state.fault:
            return target.state.fault.applied(service, lambda: aws_json.answer(snapshot))
        if target.sent is None or target.sent[0] is not snapshot:
            status = snapshot.latest.status if snapshot.latest else "UNSYNCED"
            target.sent = (snapshot, Reply(status, aws_json.encode(service, aws_json.answer(snapshot))))
        return target.sent[1]

    def _fault_for(self, region: str, api: str, key: str, moment: float) -> Fault | None:
        """The fault of this call, which is counted."""
        for each in self.windows:
            window = each.window
            if window.begin <= moment < window.end and window.applies_to(key, api, region):
                each.calls += 1
                if window.strikes(each.calls):
                    return window.fault
        return None

    def _exceeds_rate(self, region: str, api: str, moment: float) -> bool:
        """Whether this call is throttled; if not, it takes a token."""
        if self.throttle is None:
            return False
        tokens, since = self._buckets.get((region, api), (self.throttle.burst, moment))
        gained = max(0.0, moment - since) * self.throttle.requests_per_second
        tokens = min(self.throttle.burst, tokens + gained)
        self._buckets[region, api] = (tokens - 1 if tokens >= 1 else tokens), moment
        return tokens < 1

    def _target(self, region: str, key: str) -> SimulatedTarget | None:
        target = self._targets.get((region, key))
        if target is None:
            found = self._timelines.get((key, region)) or self._timelines.get((key, None))
            if found is None:
                return None
            target = self._targets[region, key] = SimulatedTarget(*found, initial_state(*found, self._epoch, 0.0))
        return target

    def _advance(self, target: SimulatedTarget, moment: float) -> Snapshot:
        target.state = advance(target.subject, target.timeline, self._epoch, target.state, moment)
        return target.state.snapshot
