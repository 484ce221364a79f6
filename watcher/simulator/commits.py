"""Commits to a branch of a repository, and the timelines that follow from them. Pure.

A commit starts a sync of the repository at once, and a moment later syncs of some of the stacks that belong to it, one
stack after the other. All moments and durations are in seconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from watcher.core.model import FAILED, IN_PROGRESS, INITIATED, QUEUED, SUCCEEDED
from watcher.simulator.inventory import Repository
from watcher.simulator.subject import Subject
from watcher.simulator.timeline import NewAttempt, Scene, Status, Timeline, sync_events
from watcher.sources.codeconnections import REPOSITORY

STAGGER = 0.5
"""The time between the starts of two stacks of one commit."""
SHORT = 0.5
"""How long a repository is queued, and how long its sync is initiated."""


@dataclass(frozen=True, slots=True)
class _Sync:
    """One sync: when it begins, what it shows until it ends, and its outcome."""

    begin: float
    shows: tuple[Scene, ...]
    outcome: Status

    @property
    def end(self) -> float:
        return self.begin + sum(scene.seconds or 0.0 for scene in self.shows)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit pushed at the moment `at`.

    `stacks` are synced, of which the first begins after the time `after`, for the time `takes` each; those in `failed`
    fail. With `readable` false the sync of the repository itself fails, and no stack is synced.
    """

    at: float
    stacks: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    takes: float = 40.0
    after: float = 2.0
    commit: str | None = None
    readable: bool = True

    def begin_of(self, stack: str) -> float:
        """The moment at which it starts the sync of one of its stacks."""
        return self.at + self.after + STAGGER * self.stacks.index(stack)

    @property
    def distributed(self) -> float:
        """The moment at which the sync of the repository ends: its stacks have started."""
        last = self.begin_of(self.stacks[-1]) if self.stacks and self.readable else self.at + self.after
        return max(last, self.at + 2 * SHORT)


def stack_timeline(stack: Subject, commits: Sequence[Commit], every: float | None = None) -> Timeline:
    """The syncs of one stack; with `every`, the commits come again and again after that time.

    A sync that would begin before the one before it has ended begins right after that. Commits start no sync
    once the stack has moved to another branch.
    """
    if stack.settings.moves:
        commits, every = _until(stack.settings.moves[0][0], commits, every), None
    syncs: list[_Sync] = []
    for commit in sorted(commits, key=lambda each: each.at):
        if commit.readable and stack.name in commit.stacks:
            begin = max(commit.begin_of(stack.name), syncs[-1].end if syncs else 0.0)
            syncs.append(_sync(stack, commit, begin))
    return _timeline(syncs, every)


def repository_timeline(commits: Sequence[Commit], every: float | None = None) -> Timeline:
    """The syncs of the repository itself; `every` as for a stack."""
    syncs: list[_Sync] = []
    for commit in sorted(commits, key=lambda each: each.at):
        begin = max(commit.at, syncs[-1].end if syncs else 0.0)
        shows = (
            Scene(Status(QUEUED, NewAttempt()), SHORT),
            Scene(Status(INITIATED), SHORT),
            Scene(Status(IN_PROGRESS), max(commit.distributed - begin - 2 * SHORT, SHORT)),
        )
        refused = Status(FAILED, events=sync_events("The repository could not be read", "ERROR"))
        syncs.append(_Sync(begin, shows, Status(SUCCEEDED) if commit.readable else refused))
    return _timeline(syncs, every)


def repository_and_stacks(
    repository: Repository,
    branch: str,
    stacks: Sequence[Subject],
    commits: Sequence[Commit],
    every: float | None = None,
) -> Iterator[tuple[Subject, Timeline]]:
    """A branch of a linked repository and the stacks that are synced from it, with their timelines."""
    identity = (("link", repository.link_id), ("branch", branch))
    yield (
        Subject(
            REPOSITORY,
            identity,
            repository.region,
            repository.name,
            branch,
            repository.provider,
            account=repository.account,
            absent=repository.absent,
        ),
        repository_timeline(commits, every),
    )
    for stack in stacks:
        yield stack, stack_timeline(stack, commits, every)


def _sync(stack: Subject, commit: Commit, begin: float) -> _Sync:
    short = min(2.0, commit.takes / 4)
    attempt = NewAttempt(commit=commit.commit, pushed=begin - commit.at)
    pushed = sync_events(f"A commit was pushed to {stack.repository}, branch {stack.branch}")
    shows = (Scene(Status(INITIATED, attempt, pushed), short), Scene(Status(IN_PROGRESS), commit.takes - short))
    if stack.name in commit.failed:
        outcome = Status(FAILED, events=sync_events(f"The update of stack {stack.name} failed", "ERROR"))
    else:
        outcome = Status(SUCCEEDED, events=sync_events(f"Change set for stack {stack.name} was executed"))
    return _Sync(begin, shows, outcome)


def _until(end: float, commits: Sequence[Commit], every: float | None) -> list[Commit]:
    """The commits up to a moment, as often as they come until then."""
    begins = [0.0] if every is None else [number * every for number in range(int(end // every) + 1)]
    return [replace(each, at=begin + each.at) for begin in begins for each in commits if begin + each.at < end]


def _timeline(syncs: Sequence[_Sync], every: float | None) -> Timeline:
    """The syncs, each from its moment on. What is shown before the first is what the last one leaves."""
    if not syncs:
        return Timeline((Scene(Status(SUCCEEDED)),))
    scenes = [Scene(Status(syncs[-1].outcome.status if every else SUCCEEDED), syncs[0].begin)]
    for sync, until in zip(syncs, [*(each.begin for each in syncs[1:]), every], strict=True):
        if until is not None and until < sync.end:
            raise ValueError("the commits take longer than the time after which they come again")
        scenes += [*sync.shows, Scene(sync.outcome, None if until is None else until - sync.end)]
    return Timeline(tuple(scenes), repeat=every is not None)
