"""The worlds that are watched, and the daemon's configuration for one: YAML text, as a user's."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.simulator.commits import repository_and_stacks
from watcher.simulator.faults import Fault
from watcher.simulator.inventory import Repository
from watcher.simulator.scenario import FaultWindow, Scenario
from watcher.simulator.subject import Subject
from watcher.simulator.timeline import NewAttempt, Scene, Status, Timeline
from watcher.sources import KINDS
from watcher.sources.codeconnections import STACK
from watcher.sources.proton import TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from watcher.core.kinds import Kind
    from watcher.core.model import Target

REGION = "us-east-1"
CHANGES_EVERY = 100
"""Answers about a settled target: one in so many is another than the one before."""

DAY = 86400.0
ROUNDS = 8
"""Syncs of a restless target until its timeline begins again."""


HISTORY = (
    {"type": "INFO", "event": "Commit 62c0ffe was pushed to example-org/infrastructure, branch main"},
    {"type": "INFO", "event": "Fetching 62c0ffe from GitHub"},
    {"type": "INFO", "event": "Change set for the stack was executed"},
)
"""What a settled target's attempt tells of itself: as many lines as the demonstration's world."""


class Sync(NamedTuple):
    """One sync of a target, in seconds since the world began."""

    begin: float
    end: float


class Pattern(NamedTuple):
    """How targets are synced: `every` so many seconds for `length` seconds, both give or take a half (even odds).

    None begins before `quiet`, nor ends after `until` (seconds since the world began).
    """

    every: float
    length: float
    quiet: float
    until: float


def world(job: Mapping[str, Any]) -> Scenario:
    """The world of a job.

    `{"settled": [kind, count]}`, with how seldom there is something new as a third, `{"restless": [count, pace]}`,
    `{"syncing": [count, pattern, regions]}`, or `{"linked": [repositories, stacks, regions]}`.
    """
    if "linked" in job:
        return linked(*job["linked"])
    if "settled" in job:
        return settled(*job["settled"])
    if "restless" in job:
        return restless(*job["restless"])
    count, pattern, regions = job["syncing"]
    worlds = [syncing(count, Pattern(*pattern), region)[0] for region in regions]
    return Scenario("syncing", tuple(timeline for each in worlds for timeline in each.timelines))


def settled(kind: str, count: int, every: int = CHANGES_EVERY) -> Scenario:
    """Targets with nothing under way; `every` so many answers, each at its own turn, there was a new success."""
    timelines = []
    for number in range(count):
        turn = 1 + number * 37 % (2 * every - 1)
        news = Status(SUCCEEDED, NewAttempt(), HISTORY)
        scenes = (Scene(news, calls=turn), Scene(news, calls=2 * every - turn))
        timelines.append((_subject(KINDS[kind], number), Timeline(scenes, repeat=True)))
    return Scenario("settled", tuple(timelines))


def restless(count: int, pace: float) -> Scenario:
    """Stacks and templates, half and half, that are synced about every hour for some minutes; one in five syncs fails.

    Once a day one of the two APIs fails for ten minutes. All of this at `pace` times that speed.
    """
    timelines = []
    for number in range(count):
        chance = Random(number)
        scenes = [Scene(Status(SUCCEEDED, NewAttempt(), HISTORY), chance.uniform(0, 3600))]
        for _ in range(ROUNDS):
            scenes.append(Scene(Status(IN_PROGRESS, NewAttempt()), chance.uniform(120, 360)))
            outcome = Status(FAILED if chance.random() < 0.2 else SUCCEEDED, events=HISTORY)
            scenes.append(Scene(outcome, chance.uniform(1800, 5400)))
        kind = (STACK, TEMPLATE)[number % 2]
        timelines.append((_subject(kind, number), Timeline(tuple(scenes), repeat=True)))
    outages = tuple(
        FaultWindow(Fault("server_error"), api="codeconnections", begin=day * DAY + 18000, end=day * DAY + 18600)
        for day in range(30)
    )
    return Scenario("restless", tuple(timelines), outages).at_pace(pace)


def syncing(count: int, pattern: Pattern, region: str) -> tuple[Scenario, Mapping[str, Sequence[Sync]]]:
    """Stacks of a region that are synced now and then, and when exactly, by their targets' ids."""
    chance = Random(region)
    timelines, known = [], {}
    for number in range(count):
        subject = _subject(STACK, number, region)
        syncs: list[Sync] = []
        begin = pattern.quiet + chance.uniform(0, pattern.every)
        while (end := begin + chance.uniform(0.5, 1.5) * pattern.length) < pattern.until:
            syncs.append(Sync(begin, end))
            begin = max(end + 1, begin + chance.uniform(0.5, 1.5) * pattern.every)
        timelines.append((subject, _timeline(syncs)))
        known[subject.target("default", region).id] = syncs
    return Scenario("syncing", tuple(timelines)), known


def linked(repositories: int, stacks: int, regions: Sequence[str]) -> Scenario:
    """In each region so many repositories, and stacks of them in equal shares, to which nothing happens any more."""
    quiet = Timeline((Scene(Status(SUCCEEDED, NewAttempt(), HISTORY)),))
    known = [Repository(f"example-org/infra-{n:03d}", region=region) for region in regions for n in range(repositories)]
    timelines: list[tuple[Subject, Timeline]] = []
    for number, repository in enumerate(known):
        first = number * (stacks // repositories)
        members = [
            replace(_subject(STACK, first + each, repository.region), repository=repository.name)
            for each in range(stacks // repositories)
        ]
        branch, *_ = repository_and_stacks(repository, "main", (), ())
        timelines += [branch, *((member, quiet) for member in members)]
    return Scenario("linked", tuple(timelines), repositories=tuple(known))


def _timeline(syncs: Sequence[Sync]) -> Timeline:
    moments = [*(sync.begin for sync in syncs), None]
    scenes = [Scene(Status(SUCCEEDED, NewAttempt()), moments[0])]
    for (begin, end), following in zip(syncs, moments[1:], strict=True):
        scenes.append(Scene(Status(IN_PROGRESS, NewAttempt()), end - begin))
        scenes.append(Scene(Status(SUCCEEDED), None if following is None else following - end))
    return Timeline(tuple(scenes))


def _subject(kind: Kind, number: int, region: str | None = None) -> Subject:
    name = ("name", f"target-{number:05d}")
    if kind is STACK:
        return Subject(kind, (name,), region)
    return Subject(kind, (("type", "ENVIRONMENT"), name, ("version", "1")), region)


class Watch(NamedTuple):
    """How a daemon is to watch: calls a second, and seconds between polls of a settled target and of an active one.

    `regions` has every target in each of them; rate and concurrency are for each region.
    """

    rate: float
    interval: float
    active_interval: float = 10.0
    regions: Sequence[str] = (REGION,)
    concurrency: int = 10


def configuration(targets: Sequence[Target], url: str, database: Path, watch: Watch) -> str:
    """What a user would write to have `targets` watched at `url`."""
    interval, active = (f"{seconds * 1000:.0f}ms" for seconds in (watch.interval, watch.active_interval))
    lines = [
        f"state: sqlite:///{database}",
        "http: off",
        f"accounts: [{{name: default, regions: [{', '.join(watch.regions)}], endpoint_url: '{url}'}}]",
        f"defaults: {{interval: {interval}, active_interval: {active}}}",
        f"rate_limit: {{requests_per_second: {watch.rate:g}, concurrency: {watch.concurrency}}}",
    ]
    for kind, heading in ((TEMPLATE, "templates:"), (STACK, "stacks:")):
        chosen = [dict(target.identity) for target in targets if target.kind is kind]
        lines += [heading] * bool(chosen)
        lines += [f"  - {{{', '.join(f'{name}: {value}' for name, value in parts.items())}}}" for parts in chosen]
    return "\n".join(lines)
