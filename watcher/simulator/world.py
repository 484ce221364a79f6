"""Answers calls from a scenario: what timelines and the inventory show now, unless a fault or the rate hides it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from watcher.core.kinds import Kind
from watcher.core.model import Attempt, Snapshot
from watcher.simulator import aws_json, sqs
from watcher.simulator.event_bus import EventBus
from watcher.simulator.faults import Fault, LongPoll, Reply, error_reply
from watcher.simulator.git_events import Change
from watcher.simulator.inventory import ACCOUNT, Inventory, Place
from watcher.simulator.listing import Request
from watcher.simulator.operations import LISTINGS, STATUSES, requested_key, requested_page, synced_from
from watcher.simulator.scenario import ApiCall, FaultWindow, Scenario
from watcher.simulator.subject import Subject
from watcher.simulator.timeline import State, Timeline, after_call, initial_state, next_change, steps

NOTHING = Snapshot(None, None, None)


@dataclass(slots=True)
class CountedWindow:
    """A window, and the calls that it applied to so far."""

    window: FaultWindow
    calls: int = 0


@dataclass(slots=True)
class SimulatedTarget:
    """A target of one region, and where its timeline stands.

    `sent`: its last reply, and the snapshot in it; `changes_at`: the moment in the calendar of the event bus.
    """

    subject: Subject
    place: Place
    timeline: Timeline
    state: State
    sent: tuple[Snapshot, Reply] | None = None
    changes_at: float | None = None


class World:
    """The simulated AWS without its HTTP side. `clock` returns seconds since 1970; a test may pass its own."""

    def __init__(self, scenario: Scenario, clock: Callable[[], float] = time.time) -> None:
        self.scenario = scenario
        self.windows = [CountedWindow(window) for window in scenario.fault_windows]
        """The first one that is active wins."""
        self.throttle = scenario.throttle
        self._buckets: dict[tuple[Place, str], tuple[float, float]] = {}
        """By place and API: the number of tokens, and the moment at which it was counted."""
        self._clock = clock
        self._epoch = clock()
        self._started = False
        self._targets: dict[tuple[str, str | None, str], SimulatedTarget] = {}
        """By key, account (None: the same target in every account) and region."""
        self._timelines = {
            (subject.key, subject.account, subject.region): (subject, timeline)
            for subject, timeline in scenario.timelines
        }
        self._inventories: dict[Place, Inventory] = {}
        self.bus = EventBus(scenario.queues)
        self.url = ""
        """The base of the URLs of queues."""

    def start(self) -> None:
        """Make this moment 0, at which timelines begin; later calls change nothing."""
        if not self._started:
            self._epoch, self._started = self._clock(), True
            self._inventories.clear()
            for subject, _ in self._timelines.values() if self.bus.queues else ():
                for region in self.bus.regions if subject.region is None else {subject.region}:
                    self._target(Place(subject.account or ACCOUNT, region), subject.key)

    def now(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._epoch if self._started else 0.0

    def answer(self, place: Place, service: str, operation: str, request: Request) -> tuple[str, Reply]:
        """The key of the target that a call is about, and the reply.

        The call counts for faults, and for scenes that last a number of calls.
        """
        moment, api = self.now(), aws_json.SERVICES[service]
        key, kind = requested_key(api, operation, request), STATUSES.get((api, operation))
        if self._exceeds_rate(place, api, moment):
            return key, error_reply(service, "ThrottlingException", "Rate exceeded")
        try:
            page = requested_page(api, operation, request)
            fault = self._fault_for(ApiCall(place, api, operation, key, kind is not None, page), moment)
            if kind:
                return key, self._status(kind, place, service, key, request, fault)
            if api == "sqs":
                return key, fault.applied(service, dict) if fault else self._of_queue(place, operation, request)
            fields = partial(LISTINGS[api, operation].answer, self.inventory(place), moment, request)
            return key, fault.applied(service, fields) if fault else Reply("OK", aws_json.encode(service, fields()))
        except aws_json.ApiError as error:
            return key, error_reply(service, error.code, error.message)

    def inventory(self, place: Place) -> Inventory:
        found = self._inventories.get(place)
        if found is None:
            has = self.scenario
            subjects = [subject for subject, _ in self._timelines.values()]
            found = Inventory(place, self._epoch, has.page_size, subjects, has.repositories, has.connections)
            self._inventories[place] = found
        return found

    def _of_queue(self, place: Place, operation: str, request: Request) -> Reply:
        """The reply to a call for a queue.

        Raises:
            ApiError: the call is refused.
        """
        moment = self.now()
        if operation == "GetQueueUrl":
            return Reply("OK", aws_json.encode("sqs", sqs.queue_url(self.bus.queues, self.url, place, request)))
        for target in self.bus.due(moment):
            self._advance(target, moment)
        fields = sqs.OPERATIONS[operation](sqs.queue_of(self.bus.queues, place, request), moment, request)
        again = partial(self._of_queue, place, operation, request)
        wait = LongPoll(sqs.wait_seconds(request), again) if operation == "ReceiveMessage" and not fields else None
        return Reply("EMPTY" if wait else "OK", aws_json.encode("sqs", fields), long_poll=wait)

    def _status(self, kind: Kind, place: Place, service: str, key: str, request: Request, fault: Fault | None) -> Reply:
        target = self._target(place, key)
        if target and not (target.subject.synced and target.subject.exists(self.now())):
            target = None
        shown = partial(self._shown, kind, place, target, request)
        if fault:
            # A scene that lasts a number of calls counts only those that see it.
            return fault.applied(service, lambda: aws_json.answer(shown() or NOTHING))
        snapshot = shown()
        if snapshot is None:
            name = request[next(part for part in kind.identity if part.name == kind.named_by).parameter]
            return error_reply(service, "ResourceNotFoundException", f"The resource {name} was not found.")
        if target is None:
            return _status_reply(service, snapshot)
        target.state = after_call(target.timeline, target.state)
        if target.state.fault:
            return target.state.fault.applied(service, lambda: aws_json.answer(snapshot))
        if target.sent is None or target.sent[0] is not snapshot:
            target.sent = (snapshot, _status_reply(service, snapshot))
        return target.sent[1]

    def _shown(self, kind: Kind, place: Place, target: SimulatedTarget | None, request: Request) -> Snapshot | None:
        """What a target shows, or a repository without a timeline of its own; None: it does not exist."""
        moment = self.now()
        if target:
            return self._advance(target, moment)
        members = synced_from(kind, self.inventory(place), moment, request)
        found = [member for each in members if (member := self._target(place, each.key))]
        return repository_snapshot([self._advance(member, moment) for member in found]) if found else None

    def _fault_for(self, call: ApiCall, moment: float) -> Fault | None:
        """The fault of this call, which is counted."""
        for each in self.windows:
            window = each.window
            if window.begin <= moment < window.end and window.applies_to(call):
                each.calls += 1
                if window.strikes(each.calls):
                    return window.fault
        return None

    def _exceeds_rate(self, place: Place, api: str, moment: float) -> bool:
        """Whether this call is throttled; if not, it takes a token."""
        if self.throttle is None:
            return False
        tokens, since = self._buckets.get((place, api), (self.throttle.burst, moment))
        gained = max(0.0, moment - since) * self.throttle.requests_per_second
        tokens = min(self.throttle.burst, tokens + gained)
        self._buckets[place, api] = (tokens - 1 if tokens >= 1 else tokens), moment
        return tokens < 1

    def _target(self, place: Place, key: str) -> SimulatedTarget | None:
        for account in (place.account, None):
            if target := self._targets.get((key, account, place.region)):
                return target
            for region in (place.region, None):
                if found := self._timelines.get((key, account, region)):
                    state = initial_state(*found, self._epoch, 0.0)
                    own = Place(account or ACCOUNT, place.region)
                    target = SimulatedTarget(found[0], own, found[1], state)
                    self._targets[key, account, place.region] = target
                    self._schedule(target)
                    return target
        return None

    def _advance(self, target: SimulatedTarget, moment: float) -> Snapshot:
        """What the target shows at this moment; the event bus gets what happened since the last time."""
        for state in steps(target.subject, target.timeline, self._epoch, target.state, moment):
            self._publish(target, target.state.snapshot, state.snapshot, state.since)
            target.state = state
        if target.changes_at is None or target.changes_at <= moment:
            self._schedule(target)
        return target.state.snapshot

    def _schedule(self, target: SimulatedTarget) -> None:
        if self.bus.queues:
            self.bus.schedule(target, next_change(target.timeline, target.state))

    def _publish(self, target: SimulatedTarget, before: Snapshot, after: Snapshot, moment: float) -> None:
        """Send the event of a status that a stack or a repository of CodeConnections got."""
        subject, latest, previous = target.subject, after.latest, before.latest
        if not self.bus.queues or latest is None or subject.kind.api != "codeconnections":
            return
        if previous and (previous.started_at, previous.status) == (latest.started_at, latest.status):
            return
        inventory = self.inventory(target.place)
        linked = inventory.links.get(dict(subject.identity).get("link", ""))
        arn = inventory.connection_arn(linked) if linked else None
        status = previous.status if previous else None
        change = Change(subject, target.place, self._epoch + moment, latest, status, linked, arn)
        self.bus.publish(change, self._epoch)


def _status_reply(service: str, snapshot: Snapshot) -> Reply:
    status = snapshot.latest.status if snapshot.latest else "UNSYNCED"
    return Reply(status, aws_json.encode(service, aws_json.answer(snapshot)))


def repository_snapshot(targets: list[Snapshot]) -> Snapshot:
    """What a repository without a timeline of its own shows: the latest attempt of what is synced from it."""
    attempts = [each.latest for each in targets if each.latest]
    if not attempts:
        return NOTHING
    latest: Attempt = max(attempts, key=lambda each: each.started_at)
    return Snapshot(None, replace(latest, target=None, initial_revision=None, target_revision=None), None)
