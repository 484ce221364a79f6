"""What the DynamoDB store costs a month, how many commits it takes in a second, and how long a takeover is."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.benchmarks.children import Child, once
from tests.benchmarks.figures import markdown, percentile, ratio, spread
from tests.support.emulators import MINISTACK, started
from tests.support.ports import unused_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

READ, WRITE = 0.125 / 1e6, 0.625 / 1e6
"""Dollars a unit, on demand, in us-east-1: AWS's list prices since November 2024."""
KEPT, RECOVERY = 0.25, 0.20
"""Dollars for a GB and month: of the table, and of point-in-time recovery."""
DAYS = 730 / 24
MONTH = DAYS * 86400
"""Seconds: 730 hours, as AWS reckons."""

REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "ap-south-1")
TARGETS = 1000
DAILY = 1000
"""Events in a day."""
RETENTION = 30
"""Days for which events are kept: the usual."""

NEVER = (1.0, 1.0, 1e9, 0.0)
BUSY = (20.0, 5.0, 1.0, 900.0)
"""Each target is synced about every 20 s, for 5 s; an event at its begin and one at its end."""

BATCHES = ((1, 200), (16, 800), (100, 2000))
"""Subjects in one commit, and events in one turn."""


def bench(*, quick: bool) -> str:
    """The three tables."""
    with tempfile.TemporaryDirectory() as folder, _emulator(Path(folder)) as url:
        return "\n\n".join(
            [
                _month(_units(url, Path(folder), quick=quick)),
                _commits(url, Path(folder), quick=quick),
                _takeover(url, quick=quick),
            ]
        )


@contextmanager
def _emulator(folder: Path) -> Iterator[str]:
    port = str(unused_port())
    here = {"BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "GATEWAY_PORT": port}
    with started([MINISTACK], f"http://127.0.0.1:{port}", folder, **here) as emulator:
        yield emulator.url


class Units(NamedTuple):
    """Capacity units, read and written each."""

    idle: tuple[float, float]
    """What one daemon without events takes, in a second."""
    pair: tuple[float, float]
    """What two daemons without events take, in a second."""
    event: tuple[float, float]
    """What one event takes until it is delivered to one sink."""
    end: tuple[float, float]
    """What one event takes when it expires."""
    size: float
    """How many bytes an event takes until it expires."""
    seconds: float
    """How long was measured."""


def dollars(units: Units, daily: float) -> float:
    """What one daemon and so many events a day cost a month, with their storage."""
    return _dollars([each * MONTH for each in units.idle]) + _dollars(_events(units, daily)) + _storage(units, daily)[1]


def measured(*, quick: bool) -> Units:
    """The units that a table takes, of one daemon and of two without events, and of one with many events."""
    with tempfile.TemporaryDirectory() as folder, _emulator(Path(folder)) as url:
        return _units(url, Path(folder), quick=quick)


def _units(url: str, folder: Path, *, quick: bool) -> Units:
    """Three tables at once: of one daemon and of two without events, and of one with many events."""
    seconds, interval = (10.0, 10.0) if quick else (120.0, 60.0)
    with ExitStack() as stack:
        still, busy = (
            stack.enter_context(Child("server", {"syncing": (count, pattern, REGIONS)}))
            for count, pattern in ((TARGETS // len(REGIONS), NEVER), (50, BUSY))
        )
        quiet, restless = still.reply(), busy.reply()

        def watching(name: str, api: str, count: int, interval: float, **more: object) -> Child:
            yaml = _yaml(_table(url, name), api, count, f"{interval:.0f}s", folder / f"{name}.jsonl")
            # Whatever is first seen is kept, before the counting begins.
            job = {"about": "watch", "yaml": yaml, "seconds": seconds, "warm": 15 + interval}
            job |= {"history": RETENTION * 86400}
            return stack.enter_context(Child("storing", job | more))

        for name in ("one", "two", "changes"):
            _make(_table(url, name))
        one = watching("one", quiet, TARGETS // len(REGIONS), interval)
        pair = [watching("two", quiet, TARGETS // len(REGIONS), interval) for _ in range(2)]
        changes = watching("changes", restless, 50, 1.0, prune=True)
        alone, both, many = one.reply(), [child.reply() for child in pair], changes.reply()
    _refuse_writes_of_polls([alone, *both])
    idle = _rate(alone["units"], alone["wall"])
    first, other = (_rate(part["units"], part["wall"]) for part in both)
    spent, ended = _rate(many["units"], many["wall"]), _rate(many["pruning"], 1.0)
    return Units(
        idle,
        (first[0] + other[0], first[1] + other[1]),
        ((spent[0] - idle[0]) * many["wall"] / many["events"], (spent[1] - idle[1]) * many["wall"] / many["events"]),
        (ended[0] / many["pruned"], ended[1] / many["pruned"]),
        many["bytes"] / many["pruned"],
        seconds,
    )


def _events(units: Units, daily: float) -> list[float]:
    """The units of so many events a day, in a month."""
    return [(each + gone) * daily * DAYS for each, gone in zip(units.event, units.end, strict=True)]


def _storage(units: Units, daily: float) -> tuple[float, float]:
    """The gigabytes of so many events a day, and the dollars a month."""
    gigabytes = units.size * daily * RETENTION / 1e9
    return gigabytes, gigabytes * (KEPT + RECOVERY)


def _month(units: Units) -> str:
    month = [each * MONTH for each in units.idle]
    second = [each * MONTH - rest for each, rest in zip(units.pair, month, strict=True)]
    events, (gigabytes, storage) = _events(units, DAILY), _storage(units, DAILY)
    event, end, size = units.event, units.end, units.size
    rows = [
        [f"{TARGETS:,} targets polled once a minute, nothing changes", "0", "0", "0.00"],
        _row("one daemon: heartbeats, reads of leases and of pending deliveries, metrics", month),
        _row(f"{DAILY:,} events a day to one sink, from the change until they expire after {RETENTION} days", events),
        [f"{gigabytes:.2f} GB stored, and its point-in-time recovery", "", "", f"{storage:.2f}"],
        ["**one daemon, in all**", "", "", f"**{dollars(units, DAILY):.2f}**"],
        _row("a second daemon that shares the targets", second),
    ]
    return (
        "**Cost of a month** of 730 hours. The capacity units are counted by AWS's rules from the daemon's requests "
        f"and the responses to them, in {units.seconds:.0f} s of watching {TARGETS:,} targets in {len(REGIONS)} "
        "regions with metrics for CloudWatch; the table is one of ministack, an emulator. Prices are us-east-1's "
        "on-demand list prices since November 2024: $0.625 for a million units written, $0.125 for a million units "
        f"read, $0.25 for a GB, and $0.20 for a GB's recovery. An event takes {event[1]:.0f} units written and "
        f"{event[0]:.1f} read until it is delivered, and {end[1]:.0f} written and {end[0]:.0f} read when it expires; "
        f"until then it takes {size / 1000:.1f} KB.\n\n"
        + markdown(["", "units read", "units written", "$ a month"], rows)
    )


def _commits(url: str, folder: Path, *, quick: bool) -> str:
    turns = 1 if quick else 5
    table = f"{_table(url, 'commits')}&leases=off"
    _make(table)
    rows = []
    states = {"sqlite": f"sqlite:///{folder / 'commits.db'}", "dynamodb": table}
    with ExitStack() as stack:
        children = {
            name: stack.enter_context(Child("storing", {"about": "commit", "state": state, "subjects": 200}))
            for name, state in states.items()
        }
        for together, many in BATCHES:
            pace: dict[str, list[float]] = {"sqlite": [], "dynamodb": []}
            for _ in range(turns):
                for name, child in children.items():
                    spent = child.ask([many // (4 if quick else 1), together])
                    pace[name].append(spent["calls"] / spent["wall"])
            shown = [spread(pace[name], ".0f") for name in ("dynamodb", "sqlite")]
            rows.append([f"{together} at a time", *shown, ratio(pace["dynamodb"], pace["sqlite"])])
    return (
        "**Commits**: events committed in a second, each with its target's state and one delivery. SQLite syncs each "
        "commit to this machine's disk. DynamoDB is ministack, an emulator in Python on the same cores, so its times "
        f"are not AWS's. {turns} turns.\n\n"
        + markdown(["targets changed", "DynamoDB", "SQLite", "DynamoDB / SQLite, turn by turn"], rows)
    )


def _takeover(url: str, *, quick: bool) -> str:
    pairs, turns = (1, 1) if quick else (4, 5)
    took = once("takeover", {"url": url, "pairs": pairs, "turns": turns})
    names = {
        "SIGTERM": "SIGTERM: a deployment",
        "SIGKILL": "SIGKILL: a crash",
        "SIGTERM after a crash": "SIGTERM, after a crash that day",
    }
    rows = [
        [
            name,
            len(took[way]),
            *(f"{percentile(took[way], share):.1f}" for share in (0.5, 0.99)),
            f"{min(took[way]):.1f}",
        ]
        for way, name in names.items()
    ]
    return (
        "**Takeover**: seconds from the signal to one of two daemons on a table until the other daemon has called "
        "every endpoint of the first, with the default `term` of 10 s. One second of it is a pause that keeps the rate "
        f"limit. {pairs} pairs of daemons ran at the same time, on ministack.\n\n"
        + markdown(["", "turns", "median", "99th percentile", "shortest"], rows)
    )


def _table(url: str, name: str) -> str:
    return f"dynamodb://bench-{name}?region=us-east-1&endpoint_url={url}"


def _make(state: str) -> None:
    once("storing", {"about": "make", "state": state})


def _yaml(state: str, api: str, count: int, interval: str, file: Path) -> str:
    """As a user would write it; JSON is YAML."""
    form = {
        "state": state,
        "http": False,
        "accounts": [{"name": "default", "regions": REGIONS, "endpoint_url": api}],
        "defaults": {"interval": interval, "active_interval": interval},
        "rate_limit": {"requests_per_second": 100},
        "stacks": [{"name": f"target-{number:05d}"} for number in range(count)],
        "sinks": [{"name": "out", "type": "file", "path": str(file)}],
    }
    return json.dumps(form)


def _refuse_writes_of_polls(parts: Sequence[dict[str, Any]]) -> None:
    """Nothing but signs of life and leases was written.

    Raises:
        RuntimeError: a poll that changed nothing wrote something; then the figures would not be what they say.
    """
    for part in parts:
        written = {what for what, units in part["units"]["written"].items() if units}
        if part["events"] or not written <= {"UpdateItem L", "TransactWriteItems L", "PutItem M"}:
            raise RuntimeError(f"nothing changed, and yet {part['events']} events and {written} were written")


def _rate(units: dict[str, dict[str, float]], seconds: float) -> tuple[float, float]:
    """Units read and written in a second."""
    return sum(units["read"].values()) / seconds, sum(units["written"].values()) / seconds


def _dollars(units: Sequence[float]) -> float:
    read, written = units
    return read * READ + written * WRITE


def _row(what: str, units: Sequence[float]) -> list[str]:
    read, written = units
    return [what, f"{read:,.0f}", f"{written:,.0f}", f"{_dollars(units):.2f}"]
