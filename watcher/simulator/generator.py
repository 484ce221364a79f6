"""A lively world made up from a number: a dozen templates and stacks that are committed to, sync, fail and recover."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from watcher.core.model import FAILED, IN_PROGRESS, INITIATED, SUCCEEDED, Api, Kind
from watcher.simulator.faults import Fault
from watcher.simulator.scenario import Scenario, Spell
from watcher.simulator.timeline import Plan, Scene, Status, Subject, Timeline, Unsynced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.core.model import SyncEvent

ORGANISATION = "example-org"
ROUNDS = 12
"""Attempts until a life begins again."""

TEMPLATES = (
    ("ENVIRONMENT", "fargate-env", "1"),
    ("ENVIRONMENT", "fargate-env", "2"),
    ("ENVIRONMENT", "data-platform", "1"),
    ("SERVICE", "web", "2"),
    ("SERVICE", "queue-worker", "1"),
    ("SERVICE", "scheduled-job", "1"),
)
STACKS = ("network", "orders-db", "orders-api", "payments-api", "cdn", "observability", "feature-flags")

TEMPLATE_FAILURES = (
    "Failed to parse {directory}/schema/schema.yaml: mapping values are not allowed here, line 14",
    "Template validation error: parameter 'vpc_cidr' has no default and is not in the schema",
    "No manifest.yaml was found in {directory}/instance_infrastructure",
    "Template validation error: unresolved reference to resource 'TaskRole'",
)
STACK_FAILURES = (
    "Template validation error: Unresolved resource dependencies [PrivateSubnets] in the Resources block",
    "Failed to parse the stack deployment file {directory}/{name}.yaml: 'parameters' must be a mapping",
    "Stack {name} is in UPDATE_ROLLBACK_IN_PROGRESS state and can not be updated",
    "Requires capabilities : [CAPABILITY_NAMED_IAM]",
)


def generate(seed: int, *, pace: float = 1.0) -> Scenario:
    """A world of thirteen targets. The same seed is the same world; a `pace` above 1 makes it so many times as fast.

    Somewhere in it an attempt stalls, one target never synced at first, another is not found for a while, and the
    throttle strikes once.
    """
    chance = Random(seed)
    subjects = [
        *(_template(type_, name, version) for type_, name, version in TEMPLATES),
        *(Subject(Kind.STACK, (("name", name),), repository=f"{ORGANISATION}/infrastructure") for name in STACKS),
    ]
    stalling, absent, fresh = chance.sample(range(len(subjects)), 3)
    lives = tuple(
        (subject, Timeline(tuple(_life(chance, subject, stalls=at == stalling, fresh=at == fresh)), repeat=True))
        for at, subject in enumerate(subjects)
    )
    gone = chance.uniform(60, 120)
    busy = chance.uniform(150, 240)
    spells = (
        Spell(Fault("not_found"), key=subjects[absent].key, begin=gone, end=gone + 240),
        Spell(Fault("throttling"), api=Api.CODECONNECTIONS, begin=busy, end=busy + 30),
    )
    return Scenario(f"seed {seed}", lives, spells).at_pace(pace)


def _template(type_: str, name: str, version: str) -> Subject:
    identity = (("type", type_), ("name", name), ("version", version))
    return Subject(Kind.TEMPLATE, identity, repository=f"{ORGANISATION}/platform-templates")


def _life(chance: Random, subject: Subject, *, stalls: bool, fresh: bool) -> Iterator[Scene]:
    """Commits now and then; most sync at once, some fail, and the next but rarely mends it."""
    if fresh:
        yield Scene(Unsynced(), chance.uniform(20, 60))
    else:
        yield from _attempt(chance, subject, SUCCEEDED)
    broken = False
    for round_ in range(ROUNDS):
        broken = chance.random() < (0.35 if broken else 0.25)
        yield from _attempt(chance, subject, FAILED if broken else SUCCEEDED, stalls=stalls and round_ == 0)


def _attempt(chance: Random, subject: Subject, outcome: str, *, stalls: bool = False) -> Iterator[Scene]:
    sha = f"{chance.getrandbits(160):040x}"
    where = subject.repository
    yield Scene(
        Status(INITIATED, Plan(commit=sha), _told(f"Commit {sha[:7]} was pushed to {where}, branch main")),
        chance.uniform(2, 6),
    )
    work = chance.uniform(2400, 3600) if stalls else chance.uniform(15, 60)
    yield Scene(Status(IN_PROGRESS, events=_told(f"Fetching {sha[:7]} from GitHub")), work)
    if outcome == FAILED:
        text = chance.choice(TEMPLATE_FAILURES if subject.kind is Kind.TEMPLATE else STACK_FAILURES)
        directory = subject.revision(sha)["directory"].removeprefix("/")
        failure = text.format(directory=directory, name=dict(subject.identity)["name"])
        yield Scene(Status(FAILED, events=_told(failure, kind="ERROR")), chance.uniform(60, 300))
    elif subject.kind is Kind.TEMPLATE:
        told = _told(f"Registered a new minor version of {subject.shown_as}")
        yield Scene(Status(SUCCEEDED, events=told), chance.uniform(60, 420))
    else:
        told = _told(f"Change set for stack {subject.shown_as} was executed")
        yield Scene(Status(SUCCEEDED, events=told), chance.uniform(60, 420))


def _told(text: str, kind: str = "INFO") -> tuple[SyncEvent, ...]:
    return ({"type": kind, "event": text},)
