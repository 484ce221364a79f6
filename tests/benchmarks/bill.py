"""What a month on Fargate costs: processor time, memory, the DynamoDB table, and CloudTrail."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.benchmarks import dynamodb
from tests.benchmarks.children import Child, once
from tests.benchmarks.discovering import Size, account, listed
from tests.benchmarks.figures import markdown
from watcher.core.capacity import trail_dollars

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (Size(1, 5, 100), Size(4, 5, 250), Size(40, 5, 250))
"""100, 1,000 and 10,000 stacks."""
EVENTS = 2.0
"""Events a day of each target: it is synced about once a day."""
HOURS = 730.0
VCPU, GIGABYTE = 0.03238, 0.00356
"""Dollars an hour on ARM64 in us-east-1: AWS's list prices of 2026."""
BUSIEST, FULLEST = 0.5, 0.75
"""How much of a task's processor and memory may be in use: the rest is for starts, reloads and readers."""


class Task(NamedTuple):
    """A size that Fargate offers."""

    vcpu: float
    gigabytes: float

    @property
    def dollars(self) -> float:
        """What it costs a month."""
        return (self.vcpu * VCPU + self.gigabytes * GIGABYTE) * HOURS


TASKS = (Task(0.25, 0.5), Task(0.25, 1), Task(0.5, 1), Task(0.5, 2), Task(1, 2), Task(2, 4))
"""From the cheapest on: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html."""


def task_for(cores: float, memory: float) -> Task:
    """The cheapest task for so many cores in use and so many bytes."""
    return next(task for task in TASKS if cores <= task.vcpu * BUSIEST and memory <= task.gigabytes * 2**30 * FULLEST)


def bench(*, quick: bool) -> str:
    """The table, for stacks that are polled once a minute, and for discovered ones that are polled by repository."""
    seconds, sizes = (5.0, (Size(1, 2, 20),)) if quick else (40.0, SIZES)
    units = dynamodb.measured(quick=quick)
    rows = []
    for size in sizes:
        for way, turn, calls in _turns(size, seconds):
            cores, targets = turn["cpu"] / turn["wall"], size.regions * size.stacks
            task = task_for(cores, turn["memory"])
            table, trail = dynamodb.dollars(units, EVENTS * targets), trail_dollars(calls / turn["wall"])
            rows.append([
                f"{targets:,}, {way}", f"{cores * 100:.1f}", f"{turn['memory'] / 1e6:.0f}",
                f"{task.vcpu:g} vCPU, {task.gigabytes:g} GB", f"{task.dollars:.2f}", f"{table:.2f}",
                f"{task.dollars + table:.2f}", f"{trail:.2f}",
            ])  # fmt: skip
    return (
        f"**A month on Fargate** (ARM64) of {HOURS:.0f} hours in us-east-1, with the default settings; {EVENTS:g} "
        f"events a day of each target. Nothing changed in the {seconds:.0f} s that were measured after every stack was "
        "polled once; events are reckoned by the units that the benchmark `dynamodb` counts. A core of this machine "
        f"stands for a vCPU. The task is the cheapest of which at most {BUSIEST:.0%} of the processor and "
        f"{FULLEST:.0%} of the memory are in use. CloudTrail costs nothing in the first trail.\n\n"
        + markdown(
            [
                "stacks",
                "% of a core",
                "memory (MB)",
                "task",
                "$ task",
                "$ DynamoDB",
                "**$ in all**",
                "$ each further trail",
            ],
            rows,
        )
    )


def _turns(size: Size, seconds: float) -> Iterator[tuple[str, dict[str, Any], int]]:
    """What was measured of each way to watch, and the calls that it made meanwhile."""
    regions = [f"us-east-{number}" for number in range(1, size.regions + 1)]
    with (
        Child("server", {"linked": (size.repositories, size.stacks, regions)}) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        url = server.reply()
        for way, lines, found in (
            ("each polled once a minute", "\n".join(listed(size, regions)), 0),
            ("discovered, by repository", "discover: [{kind: stack}]", size.regions * size.stacks),
        ):
            text = f"state: 'sqlite:///{folder}/{found}.db'\nhttp: off\n{account(regions, url)}\n{lines}\n"
            turn = once("daemon", {"yaml": text, "found": found, "seconds": seconds})
            begin = turn["ended"] - turn["wall"]
            yield way, turn, sum(begin <= at < turn["ended"] for at, _ in server.ask("operations"))
