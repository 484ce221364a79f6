"""What it costs to watch discovered stacks by their repositories, beside polling each of the same stacks, listed."""

from __future__ import annotations

import tempfile
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.benchmarks.children import Child, once
from tests.benchmarks.figures import markdown
from tests.benchmarks.worlds import linked

if TYPE_CHECKING:
    from collections.abc import Sequence

HOUR = 3600.0
LISTINGS = "of listings"
KINDS = {
    "GetResourceSyncStatus": "of stacks",
    "GetRepositorySyncStatus": "of repositories",
    "GetSyncBlockerSummary": "for blockers",
    "ListRepositoryLinks": LISTINGS,
    "ListSyncConfigurations": LISTINGS,
}
EVERY = 600.0
"""Seconds between two listings: longer than the measuring, so that those of the start are counted."""


class Size(NamedTuple):
    """How much there is in each of how many regions."""

    regions: int
    repositories: int
    stacks: int


FULL, QUICK = Size(40, 5, 250), Size(4, 2, 20)


def bench(*, quick: bool) -> str:
    """The table: a start without state, and then a time in which nothing changes, with the default settings."""
    size, seconds = (QUICK, 5.0) if quick else (FULL, 60.0)
    regions = [f"us-east-{number}" for number in range(1, size.regions + 1)]
    stacks = size.regions * size.stacks
    rows = []
    with (
        Child("server", {"linked": (size.repositories, size.stacks, regions)}) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        url = server.reply()
        ways = {
            "listed, each stack polled": ("\n".join(listed(size, regions)), 0),
            "discovered, by repository": ("discover: [{kind: stack}]", stacks),
        }
        for name, (lines, found) in ways.items():
            text = f"state: 'sqlite:///{folder}/{found}.db'\nhttp: off\n{account(regions, url)}\n{lines}\n"
            turn = once("daemon", {"yaml": text, "found": found, "seconds": seconds})
            rows.append([name, *_row(turn, server.ask("operations"))])
    return (
        f"**Discovery**: {stacks:,} stacks in {size.regions * size.repositories:,} repositories over {size.regions} "
        f"endpoints, with the default settings: 5 calls a second for each endpoint, a stack every 60 s, a repository "
        f"every 10 s and its stacks every 15 min, a listing every 10 min. Nothing changes. The calls of an hour, the "
        f"share of a core and the memory are those of {seconds:.0f} s after every stack was polled once.\n\n"
        + markdown(
            [
                "",
                "start to all listings complete (s)",
                "start to every stack polled (s)",
                "resident memory (MB)",
                "% of a core",
                "calls an hour",
                *(f"{kind}" for kind in dict.fromkeys(KINDS.values())),
            ],
            rows,
        )
    )


def account(regions: Sequence[str], url: str) -> str:
    return f"accounts: [{{name: default, regions: [{', '.join(regions)}], endpoint_url: '{url}'}}]"


def listed(size: Size, regions: Sequence[str]) -> list[str]:
    """The lines of a configuration that lists all stacks."""
    scenario = linked(size.repositories, size.stacks, regions)
    stacks = [subject for subject, _ in scenario.timelines if subject.repository and subject.kind.name == "stack"]
    return ["stacks:", *(f"  - {{name: {each.name}, region: {each.region}}}" for each in stacks)]


def _row(turn: dict[str, Any], calls: Sequence[tuple[float, str]]) -> list[str]:
    end = turn["ended"]
    begin = end - turn["wall"]
    made = Counter(KINDS[operation] for at, operation in calls if begin <= at < end)
    hourly = {kind: made[kind] / turn["wall"] * HOUR for kind in KINDS.values()}
    first = sum(KINDS[operation] == LISTINGS for at, operation in calls if at <= turn["listed"])
    hourly[LISTINGS] = first / EVERY * HOUR
    listed = f"{turn['listed'] - turn['started']:.1f}" if first else ""
    return [
        listed,
        f"{turn['seen'] - turn['started']:.0f}",
        f"{turn['memory'] / 1e6:.0f}",
        f"{turn['cpu'] / turn['wall'] * 100:.1f}",
        f"{sum(hourly.values()):,.0f}",
        *(f"{each:,.0f}" for each in hourly.values()),
    ]
