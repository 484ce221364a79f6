"""A random world of which nothing but two targets is listed: repositories whose commits start syncs of their stacks.

Stacks are created, deleted and moved to another branch, a repository disappears for a while, stacks are blocked, and
connections change. All of it is over after so many seconds.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.simulator.commits import Commit, repository_and_stacks
from watcher.simulator.faults import Fault
from watcher.simulator.git_events import QueueSettings
from watcher.simulator.inventory import ACCOUNT, Connection, Repository
from watcher.simulator.scenario import FaultWindow, Scenario
from watcher.simulator.subject import Blocker, Span, Subject, SyncSettings
from watcher.simulator.timeline import NewAttempt, Scene, Status, Timeline
from watcher.sources.codeconnections import STACK
from watcher.sources.proton import TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACE = 2.0
"""How much faster the world is than it is written below, so that a sync lasts a second or less."""

REPOSITORIES = tuple(Repository(f"example-org/{name}") for name in ("shop", "search", "media"))
STACKS_EACH = 4
PAGE_SIZE = 3
"""Less than the stacks of a repository, so that a listing has several pages."""

LISTED = Subject(TEMPLATE, (("type", "SERVICE"), ("name", "listed"), ("version", "1")))
LISTED_REPOSITORY = (("link", REPOSITORIES[0].link_id), ("branch", "main"))


def reach_world(seed: int, *, seconds: float, queues: Sequence[str] = ()) -> Scenario:
    """The world; each of the `queues` loses one event in five, and gets the others up to 1.5 s late."""
    chance, length = Random(seed), seconds * PACE
    timelines: list[tuple[Subject, Timeline]] = [(LISTED, Timeline(tuple(_syncs(chance, length))))]
    linked = [_repository(each, number, length) for number, each in enumerate(REPOSITORIES)]
    for number, repository in enumerate(linked):
        stacks = [_stack(repository, number, place, length) for place in range(STACKS_EACH)]
        names = [stack.name for stack in stacks]
        timelines += repository_and_stacks(repository, "main", stacks, [*_commits(chance, names, length)])
    second_page = FaultWindow(
        Fault("server_error"), operation="ListSyncConfigurations", page=2, begin=0.35 * length, end=0.45 * length
    )
    return Scenario(
        f"reach {seed}",
        tuple(timelines),
        (second_page,),
        repositories=tuple(linked),
        connections=(
            Connection("github", statuses=((0, "AVAILABLE"), (0.3 * length, "ERROR"), (0.6 * length, "AVAILABLE"))),
            Connection("gitlab", "GitLab", ((0, "PENDING"), (0.7 * length, "AVAILABLE"))),
        ),
        page_size=PAGE_SIZE,
        queues=tuple(QueueSettings(name, lost=0.2, delay=(0.0, 3.0), visibility=2.0) for name in queues),
    ).at_pace(PACE)


def watching(queue: str) -> tuple[str, ...]:
    """The lines of a configuration that discovers all of it, polls by repository, and reads a queue."""
    intervals = "interval: 300ms, active_interval: 100ms, repository_interval: 100ms, backstop_interval: 1s"
    named = ", ".join(f"{name}: '{value}'" for name, value in LISTED_REPOSITORY)
    return (
        f"defaults: {{{intervals}, on_first_seen: all}}",
        "discover: [{kind: stack, every: 300ms}, {kind: connection, every: 300ms}]",
        f"repositories: [{{{named}}}]",
        f"hints: [{{queue: 'https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/{queue}'}}]",
    )


def _repository(repository: Repository, number: int, length: float) -> Repository:
    """The last one is unlinked for a while."""
    absent = (Span(0.5 * length, 0.75 * length),) if number == len(REPOSITORIES) - 1 else ()
    return Repository(repository.name, absent=absent)


def _stack(repository: Repository, number: int, place: int, length: float) -> Subject:
    """A stack; those of the first two repositories have stories of their own."""
    absent: dict[tuple[int, int], tuple[Span, ...]] = {
        (0, 0): (Span(0, 0.25 * length),),  # is created
        (0, 1): (Span(0.6 * length),),  # is deleted
        (1, 0): (Span(0.3 * length, 0.65 * length),),  # is deleted, and created again
    }
    moves = {(0, 2): 0.4, (0, 3): 0.5}  # two move to a branch that nothing was synced from
    blocked = {(1, 1): Span(0.2 * length, 0.6 * length), (1, 2): Span(0.5 * length)}
    here = (number, place)
    return Subject(
        STACK,
        (("name", f"{repository.name.partition('/')[2]}-{place}"),),
        repository=repository.name,
        settings=SyncSettings(moves=((moves[here] * length, "release"),) if here in moves else ()),
        absent=absent.get(here, ()),
        blockers=(Blocker(blocked[here], contexts=(("ConfigFile", "a.yaml"),)),) if here in blocked else (),
    )


def _commits(chance: Random, stacks: Sequence[str], length: float) -> Iterator[Commit]:
    """Commits of which each starts some of the stacks, now and then long after the repository's own sync has ended.

    The second stack, which is blocked in one of the repositories, fails each time but the last.
    """
    others = (stacks[0], *stacks[2:])
    at = chance.uniform(1, 3)
    while at < length - 13:
        yield Commit(
            at,
            (stacks[1], *chance.sample(others, chance.randint(0, 2))),
            (stacks[1], *(name for name in others if chance.random() < 0.4)),
            takes=chance.uniform(0.5, 2.5),
            after=chance.choice((0.3, 1.5, 3.0)),
            readable=chance.random() < 0.85,
        )
        at += chance.uniform(6.5, 10)  # each sync has ended when the next one begins
    yield Commit(length - 6, tuple(stacks), (stacks[0],), takes=2.0, after=1.0)


def _syncs(chance: Random, length: float) -> Iterator[Scene]:
    while length > 0:
        for scene in (
            Scene(Status(IN_PROGRESS, NewAttempt()), chance.uniform(0.2, 2)),
            Scene(Status(chance.choice((SUCCEEDED, FAILED))), chance.uniform(1, 6)),
        ):
            length -= scene.seconds or 0
            yield scene
    yield Scene(Status(IN_PROGRESS, NewAttempt()), 1.0)
    yield Scene(Status(SUCCEEDED))
