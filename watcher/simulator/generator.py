"""A random scenario from a seed: a dozen templates and stacks that get commits, sync, fail and recover."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from watcher.core.model import FAILED, IN_PROGRESS, INITIATED, SUCCEEDED
from watcher.simulator.faults import Fault
from watcher.simulator.inventory import Connection
from watcher.simulator.scenario import FaultWindow, Scenario
from watcher.simulator.subject import Blocker, Span, Subject
from watcher.simulator.timeline import NewAttempt, Scene, Status, Timeline, Unsynced, sync_events
from watcher.sources.codeconnections import STACK
from watcher.sources.proton import TEMPLATE

ORGANISATION = "example-org"
ROUNDS = 12
"""Attempts of a timeline before it repeats."""

TEMPLATES = (
    ("ENVIRONMENT", "fargate-env", "1"),
    ("ENVIRONMENT", "fargate-env", "2"),
    ("ENVIRONMENT", "data-platform", "1"),
    ("SERVICE", "web", "2"),
    ("SERVICE", "queue-worker", "1"),
    ("SERVICE", "scheduled-job", "1"),
)
REPOSITORY = f"{ORGANISATION}/infrastructure"
LATE_STACK = "search-index"
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
    """A scenario of six templates and eight stacks; the same seed returns the same one, `pace` times as fast.

    One attempt stalls, one target has never synced at first, one is not found for a while, and AWS throttles once. One
    stack is blocked for a while, one is created late, and a connection waits to be completed.
    """
    random = Random(seed)
    subjects = [
        *(_template(type_, name, version) for type_, name, version in TEMPLATES),
        *(Subject(STACK, (("name", name),), repository=REPOSITORY) for name in STACKS),
    ]
    others = Random(f"seed {seed}")  # of its own, so that the stories of the targets do not depend on it
    blocked = others.randrange(len(TEMPLATES), len(subjects))
    begin, created, completed = others.uniform(60, 150), others.uniform(60, 200), others.uniform(200, 320)
    blocker = Blocker(Span(begin, begin + 200), contexts=(("ConfigFile", subjects[blocked].config_file),))
    subjects[blocked] = replace(subjects[blocked], blockers=(blocker,))
    stalling, missing, unsynced = random.sample(range(len(subjects)), 3)
    timelines = [
        (subject, _timeline(random, subject, stalls=at == stalling, unsynced=at == unsynced))
        for at, subject in enumerate(subjects)
    ]
    late = Subject(STACK, (("name", LATE_STACK),), repository=REPOSITORY, absent=(Span(0.0, created),))
    timelines.append((late, _timeline(others, late)))
    missing_from = random.uniform(60, 120)
    throttled_from = random.uniform(150, 240)
    windows = (
        FaultWindow(Fault("not_found"), key=subjects[missing].key, begin=missing_from, end=missing_from + 240),
        FaultWindow(Fault("throttling"), api=STACK.api, begin=throttled_from, end=throttled_from + 30),
    )
    return Scenario(
        f"seed {seed}",
        tuple(timelines),
        windows,
        connections=(Connection("gitlab", "GitLab", ((0.0, "PENDING"), (completed, "AVAILABLE"))),),
    ).at_pace(pace)


def _template(type_: str, name: str, version: str) -> Subject:
    identity = (("type", type_), ("name", name), ("version", version))
    return Subject(TEMPLATE, identity, repository=f"{ORGANISATION}/platform-templates")


def _timeline(random: Random, subject: Subject, *, stalls: bool = False, unsynced: bool = False) -> Timeline:
    return Timeline(tuple(_scenes(random, subject, stalls=stalls, unsynced=unsynced)), repeat=True)


def _scenes(random: Random, subject: Subject, *, stalls: bool, unsynced: bool) -> Iterator[Scene]:
    """Attempts, of which most succeed; one after a failure fails more often."""
    if unsynced:
        yield Scene(Unsynced(), random.uniform(20, 60))
    else:
        yield from _attempt(random, subject, SUCCEEDED)
    failed = False
    for round_ in range(ROUNDS):
        failed = random.random() < (0.35 if failed else 0.25)
        yield from _attempt(random, subject, FAILED if failed else SUCCEEDED, stalls=stalls and round_ == 0)


def _attempt(random: Random, subject: Subject, outcome: str, *, stalls: bool = False) -> Iterator[Scene]:
    sha = f"{random.getrandbits(160):040x}"
    yield Scene(
        Status(
            INITIATED,
            NewAttempt(commit=sha),
            sync_events(f"Commit {sha[:7]} was pushed to {subject.repository}, branch main"),
        ),
        random.uniform(2, 6),
    )
    work = random.uniform(2400, 3600) if stalls else random.uniform(15, 60)
    yield Scene(Status(IN_PROGRESS, events=sync_events(f"Fetching {sha[:7]} from GitHub")), work)
    if outcome == FAILED:
        text = random.choice(TEMPLATE_FAILURES if subject.kind is TEMPLATE else STACK_FAILURES)
        directory = subject.folder().removeprefix("/")
        failure = text.format(directory=directory, name=dict(subject.identity)["name"])
        yield Scene(Status(FAILED, events=sync_events(failure, kind="ERROR")), random.uniform(60, 300))
    else:
        text = (
            f"Registered a new minor version of {subject.attempt_target}"
            if subject.kind is TEMPLATE
            else f"Change set for stack {subject.attempt_target} was executed"
        )
        yield Scene(Status(SUCCEEDED, events=sync_events(text)), random.uniform(60, 420))
