"""What happens to one target, as a pure fold: a life, where it stands, and a moment give where it stands then.

A life is a row of scenes. A scene lasts for so many seconds, or until so many calls saw it, or for ever; then the next
begins. A scene shows a status of an attempt, an earlier attempt (a stale replica), no attempt at all, or a fault.
Moments are seconds since the world began.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha1
from typing import TYPE_CHECKING, Literal

from watcher.core.model import SUCCEEDED, Attempt, Kind, Snapshot, Target, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watcher.core.model import SyncEvent
    from watcher.simulator.faults import Fault

KEPT_ATTEMPTS = 8
"""How far back a stale replica can lie."""

PROTON_PROVIDERS = {"GitHub": "GITHUB", "GitHubEnterpriseServer": "GITHUB_ENTERPRISE", "Bitbucket": "BITBUCKET"}
"""CodeConnections' names of the providers that Proton knows too, and Proton's own."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A target of the world, and the repository (`owner/name`) that it is synced from. Without a region: in any."""

    kind: Kind
    identity: tuple[tuple[str, str], ...]
    region: str | None = None
    repository: str = "example-org/infrastructure"
    branch: str = "main"
    provider: str = "GitHub"
    directory: str | None = None
    key: str = field(init=False, compare=False, default="")

    def __post_init__(self) -> None:
        """Derive the key once: a target's id without account and region."""
        object.__setattr__(self, "key", key_of(self.kind, self.identity))

    @classmethod
    def of(cls, target: Target) -> Subject:
        """The subject that answers for a watched target."""
        return cls(target.kind, target.identity, target.region)

    def watched(self, account: str, region: str) -> Target:
        """The target by which a watcher in `account` and `region` knows it."""
        return Target(self.kind, account, region, self.identity)

    @property
    def shown_as(self) -> str:
        """What AWS calls it in an attempt's `target`."""
        parts = dict(self.identity)
        return f"{parts['name']}:{parts['version']}" if self.kind is Kind.TEMPLATE else parts["name"]

    def revision(self, sha: str, *, branch: str | None = None, repository: str | None = None) -> dict[str, str]:
        """A commit in its repository, with the fields that the subject's API tells, in camelCase."""
        parts = dict(self.identity)
        owner, _, name = (repository or self.repository).partition("/")
        own = f"/{parts['name']}/v{parts['version']}" if self.kind is Kind.TEMPLATE else "/deployments"
        common = {"branch": branch or self.branch, "directory": self.directory or own, "sha": sha}
        if self.kind is Kind.TEMPLATE:
            provider = PROTON_PROVIDERS.get(self.provider, self.provider)
            return common | {"repositoryName": f"{owner}/{name}", "repositoryProvider": provider}
        return common | {"ownerId": owner, "repositoryName": name, "providerType": self.provider}


@dataclass(frozen=True, slots=True)
class Plan:
    """A new attempt, as it begins. What is not given is the subject's own, or made up from the attempt's number.

    `started` is how many seconds before its first appearance AWS says that it began. With `recreated`, all that was
    before is forgotten, as when somebody deletes a stack and creates it again.
    """

    commit: str | None = None
    branch: str | None = None
    repository: str | None = None
    started: float = 0.0
    recreated: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """The running attempt takes a status; `begins` makes it a new attempt. `events` are added to the attempt's own.

    `latest_successful` tells what `latestSuccessfulSync` is: `kept` as AWS keeps it, `absent`, or the `previous` one.
    """

    status: str
    begins: Plan | None = None
    events: tuple[SyncEvent, ...] = ()
    latest_successful: Literal["kept", "absent", "previous"] = "kept"


@dataclass(frozen=True, slots=True)
class Unsynced:
    """The target exists and never synced: no `latestSync`."""


@dataclass(frozen=True, slots=True)
class Stale:
    """A replica that lags shows the attempt so many before the running one."""

    back: int = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """One stretch of a life: for `seconds`, or for so many `calls`; with neither, for ever."""

    shows: Status | Unsynced | Stale | Fault
    seconds: float | None = None
    calls: int | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The scenes of one target, once or over and over. The last scene of a life without `repeat` never ends."""

    scenes: tuple[Scene, ...]
    repeat: bool = False

    @property
    def told_in_time(self) -> bool:
        """Whether it goes on without being looked at."""
        return all(scene.calls is None for scene in self.scenes)

    def at_pace(self, pace: float) -> Timeline:
        """The same life, `pace` times as fast."""
        return replace(self, scenes=tuple(replace(s, seconds=s.seconds and s.seconds / pace) for s in self.scenes))


@dataclass(frozen=True, slots=True)
class State:
    """Where a life stands: in which scene since when, and what it shows."""

    scene: int
    since: float
    seen: int = 0
    number: int = 0
    attempts: tuple[Attempt, ...] = ()
    successes: tuple[Attempt, ...] = ()
    snapshot: Snapshot = Snapshot(None, None, None)  # noqa: RUF009  frozen
    fault: Fault | None = None


def begin(subject: Subject, life: Timeline, epoch: float, moment: float) -> State:
    """A life at its first scene. `epoch` is the moment 0 in seconds since 1970."""
    first = subject.revision(_sha(subject, 0))
    return _enter(subject, life, epoch, State(0, moment, snapshot=Snapshot(first, None, None)))


def advance(subject: Subject, life: Timeline, epoch: float, state: State, moment: float) -> State:
    """Where a life that stood at `state` stands at `moment`; the same object when nothing moved."""
    while True:
        scene = life.scenes[state.scene]
        if scene.seconds is not None and moment >= state.since + scene.seconds:
            since = state.since + scene.seconds
        elif scene.calls is not None and state.seen >= scene.calls:
            since = moment
        else:
            return state
        following = state.scene + 1
        if following == len(life.scenes):
            if not life.repeat:
                return state
            following = 0
        state = _enter(subject, life, epoch, replace(state, scene=following, since=since, seen=0, fault=None))


def looked_at(life: Timeline, state: State) -> State:
    """`state` after one call more saw it."""
    return state if life.scenes[state.scene].calls is None else replace(state, seen=state.seen + 1)


def _enter(subject: Subject, life: Timeline, epoch: float, state: State) -> State:
    shows = life.scenes[state.scene].shows
    if isinstance(shows, Status):
        return _take_status(subject, shows, state, epoch + state.since)
    if isinstance(shows, Unsynced):
        return replace(state, snapshot=replace(state.snapshot, latest=None, latest_successful=None))
    if isinstance(shows, Stale):
        old = state.attempts[max(0, len(state.attempts) - 1 - shows.back)] if state.attempts else None
        before = [attempt for attempt in state.successes if old and attempt.started_at <= old.started_at]
        successful = before[-1] if before else None
        return replace(state, snapshot=Snapshot(old.target_revision if old else None, old, successful))
    return replace(state, fault=shows)


def _take_status(subject: Subject, shows: Status, state: State, now: float) -> State:
    attempts = state.attempts
    if shows.begins or not attempts:
        plan = shows.begins or Plan()
        if plan.recreated:
            state = replace(state, attempts=(), successes=())
        state = replace(state, number=state.number + 1)
        attempts = (*state.attempts, _new_attempt(subject, plan, state, now))[-KEPT_ATTEMPTS:]
    told = tuple({**event, "time": event.get("time") or rfc3339(moment_of(now))} for event in shows.events)
    latest = replace(attempts[-1], status=shows.status, events=attempts[-1].events + told)
    successes = (*state.successes, latest)[-KEPT_ATTEMPTS:] if shows.status == SUCCEEDED else state.successes
    choice: Mapping[str, Attempt | None] = {
        "kept": successes[-1] if successes else None,
        "absent": None,
        "previous": successes[-2] if len(successes) > 1 else None,
    }
    snapshot = Snapshot(latest.target_revision, latest, choice[shows.latest_successful])
    return replace(state, attempts=(*attempts[:-1], latest), successes=successes, snapshot=snapshot)


def _new_attempt(subject: Subject, plan: Plan, state: State, now: float) -> Attempt:
    sha = plan.commit or _sha(subject, state.number)
    target_revision = subject.revision(sha, branch=plan.branch, repository=plan.repository)
    started = moment_of(now - plan.started)
    if state.attempts:
        initial = state.attempts[-1].target_revision
        if not plan.started:  # AWS never begins two attempts of a target at once
            started = max(started, moment_of(state.attempts[-1].started_at.timestamp() + 0.001))
    else:
        initial = subject.revision(_sha(subject, 0), branch=plan.branch, repository=plan.repository)
    return Attempt(started, "", subject.shown_as, initial, target_revision)


def key_of(kind: Kind, identity: tuple[tuple[str, str], ...]) -> str:
    """What the world calls a target: its id without account and region."""
    return Target(kind, "", "", identity).id.removeprefix("//")


def moment_of(epoch: float) -> datetime:
    """Seconds since 1970 as a time in UTC, to the millisecond that AWS tells."""
    return datetime.fromtimestamp(round(epoch, 3), UTC)


def _sha(subject: Subject, number: int) -> str:
    return sha1(f"{subject.key} {number}".encode(), usedforsecurity=False).hexdigest()
