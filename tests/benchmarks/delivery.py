"""Events delivered in a second by the relay, for each type of sink, beside a bare loop over the same client."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.bare import FLUSHED
from tests.benchmarks.children import Child
from tests.benchmarks.figures import markdown, ratio, spread
from tests.benchmarks.recorded import failures
from tests.benchmarks.worlds import REGION

SUBJECTS = 200
LOTS = {
    "stdout": 6000, "file": 6000, "webhook": 1500, "slack": 500, "notify": 200,
    "eventbridge": 3000, "sns": 2000, "sqs": 3000,
}  # fmt: skip
"""Events in one turn, by type of sink: a second's worth at most."""
OTHER_LOOPS = {"stdout": ["stdout in batches", "stdout composed"]}
"""Further loops that the relay is measured beside, by type of sink."""
NAMES = {"stdout in batches": "`stdout`, flushed in batches", "stdout composed": "`stdout`, with `json.dumps`"}
WARM = 100
"""Events before the first turn that do not count."""
HEADINGS = [
    "", "relay: events a second", "bare loop", "relay / loop, turn by turn", "relay: processor µs an event",
    "bare loop", "relay / loop, turn by turn",
]  # fmt: skip


def bench(*, quick: bool) -> str:
    """The table: a row for each type."""
    turns = 1 if quick else 3
    with Child("receiver", {}) as receiver, tempfile.TemporaryDirectory() as folder:
        rows = [
            _row(sink, loop, Path(folder), turns, LOTS[sink["type"]] // (10 if quick else 1))
            for sink in sinks(receiver.reply(), Path(folder))
            for loop in (sink["type"], *OTHER_LOOPS.get(sink["type"], ()))
        ]
    size = len(next(failures(SUBJECTS)).body)
    return (
        f"**Throughput** from a store on disk. The events were recorded before; they come from {SUBJECTS} targets and "
        f"have {size / 1000:.1f} KB each. The bare loop sends the same bytes to the same receiver through the same "
        "client (`write` and `flush` of each line, for `file` of each batch, and `fsync`; aiohttp; apprise; "
        "aiobotocore), in the same batches and with the same concurrency, but records nothing. Two rows have another "
        f"loop: one that flushes {FLUSHED} lines at a time, and `print(json.dumps(event), flush=True)`. The receiver "
        f"is another process, which also stands in for AWS. {turns} turns.\n\n" + markdown(HEADINGS, rows)
    )


def sinks(url: str, folder: Path) -> list[dict[str, Any]]:
    """One of each type, as configured."""
    reach = {"allow_http": True, "allow_private": True}
    aws = {"endpoint_url": url}
    settings: dict[str, dict[str, Any]] = {
        "stdout": {},
        "file": {"path": str(folder / "events.jsonl")},
        "webhook": {"url": f"{url}/hook", "secret": "whsec_" + "c2VjcmV0" * 4, **reach},
        "slack": {"url": f"{url}/hook", **reach},
        "notify": {"urls": [f"{url.replace('http', 'json', 1)}/hook"]},
        "eventbridge": aws,
        "sns": {"topic": f"arn:aws:sns:{REGION}:111122223333:syncs", **aws},
        "sqs": {"queue": f"{url}/111122223333/syncs", **aws},
    }
    return [{"name": kind, "type": kind, **options} for kind, options in settings.items()]


def _row(sink: dict[str, Any], loop: str, folder: Path, turns: int, lot: int) -> list[str]:
    job = {"about": "deliver", "sinks": [sink], "sink": sink, "loop": loop, "subjects": SUBJECTS}
    pace: dict[str, list[float]] = {"relaying": [], "bare": []}
    cost: dict[str, list[float]] = {"relaying": [], "bare": []}
    with (
        Child("relaying", job | {"database": str(folder / f"{loop}.db")}) as relay,
        Child("bare", job) as bare,
    ):
        children = {"relaying": relay, "bare": bare}
        for child in children.values():
            child.ask(WARM)
        for _ in range(turns):
            for name, child in children.items():
                spent = child.ask(lot)
                pace[name].append(spent["calls"] / spent["wall"])
                cost[name].append(spent["cpu"] / spent["calls"] * 1e6)
    return [
        NAMES.get(loop, f"`{loop}`"),
        spread(pace["relaying"], ".0f"),
        f"{median(pace['bare']):.0f}",
        ratio(pace["relaying"], pace["bare"]),
        spread(cost["relaying"], ".0f"),
        f"{median(cost['bare']):.0f}",
        ratio(cost["relaying"], cost["bare"]),
    ]
