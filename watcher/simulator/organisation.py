"""A generated organisation: many accounts, and repositories whose commits start syncs of a few of their stacks."""

from collections.abc import Iterator
from random import Random

from watcher.simulator.commits import Commit, repository_and_stacks
from watcher.simulator.git_events import QueueSettings
from watcher.simulator.inventory import Connection, Repository
from watcher.simulator.scenario import Scenario
from watcher.simulator.subject import Blocker, Span, Subject, SyncSettings
from watcher.simulator.timeline import Timeline
from watcher.sources.codeconnections import STACK

ORGANISATION = "example-org"
REGIONS = ("us-east-1", "eu-west-1")
SYSTEMS = ("shop", "billing", "search", "identity", "media", "data", "edge", "mobile", "platform", "security")
PARTS = ("network", "database", "queue", "api", "web", "worker", "cache", "alarms", "pipeline", "storage")

COMMITS = 4
"""Commits to a repository until they come again."""
TOGETHER = 5
"""Stacks that one commit starts to sync."""


def account_number(index: int) -> str:
    """The number of the account with this index, from 0."""
    return str(100_000_000_001 + index)


def organisation(seed: int = 1, *, accounts: int = 12, repositories: int = 40, stacks: int = 1000) -> Scenario:
    """An organisation; the same arguments return the same one.

    Each repository belongs to one account and region. A commit starts the sync of five stacks for about a minute; one
    in five syncs fails. The first account shares its connection with the others, and has one that is
    still pending. In some repositories a stack is blocked for ten minutes, moves to another branch, is created late, or
    is deleted; the last repository is not found for five minutes. A queue of the first account gets all events.
    """
    random = Random(seed)
    first = account_number(0)
    connections = [Connection("gitlab", "GitLab", ((0.0, "PENDING"),), account=first)]
    connections += [Connection("github", account=account_number(each), owner=first) for each in range(accounts)]
    linked: list[Repository] = []
    timelines: list[tuple[Subject, Timeline]] = []
    for index in range(repositories):
        name = f"{SYSTEMS[index % len(SYSTEMS)]}-{index // len(SYSTEMS) + 1}"
        repository = Repository(
            f"{ORGANISATION}/{name}",
            account=account_number(index % accounts),
            region=REGIONS[index // accounts % len(REGIONS)],
            absent=(Span(900.0, 1200.0),) if index == repositories - 1 else (),
        )
        linked.append(repository)
        count = stacks // repositories + (index < stacks % repositories)
        names = [f"{name}-{PARTS[each % len(PARTS)]}-{each // len(PARTS) + 1}" for each in range(count)]
        every = random.uniform(1200, 2400)
        subjects = [_stack(random, repository, each, index * 5 + position) for position, each in enumerate(names)]
        commits = [*_commits(random, names, every)]
        timelines += repository_and_stacks(repository, "main", subjects, commits, every)
    queue = QueueSettings("git-sync", first, lost=0.02, delay=(1.0, 3.0))
    return Scenario(
        f"organisation {seed}",
        tuple(timelines),
        repositories=tuple(linked),
        connections=tuple(connections),
        queues=(queue,),
    )


def _stack(random: Random, repository: Repository, name: str, number: int) -> Subject:
    """A stack; one out of 50 by its number has a story of its own."""
    begin = round(random.uniform(60, 300), 1)
    blocker = Blocker(Span(begin, begin + 600), contexts=(("ConfigFile", f"deployments/{name}.yaml"),))
    return Subject(
        STACK,
        (("name", name),),
        repository.region,
        repository.name,
        provider=repository.provider,
        account=repository.account,
        settings=SyncSettings(moves=((begin, "release"),) if number % 50 == 1 else ()),
        absent={2: (Span(0.0, begin),), 3: (Span(begin),)}.get(number % 50, ()),
        blockers=(blocker,) if number % 50 == 0 else (),
    )


def _commits(random: Random, stacks: list[str], every: float) -> Iterator[Commit]:
    """Commits at random moments, of which the last one has ended when they come again."""
    slot = every / COMMITS
    for number in range(COMMITS):
        takes = random.uniform(45, 75)
        at = round(number * slot + random.uniform(5, slot - takes - 30), 1)
        chosen = tuple(random.sample(stacks, min(TOGETHER, len(stacks))))
        failed = tuple(name for name in chosen if random.random() < 0.2)
        yield Commit(at, chosen, failed, takes)
