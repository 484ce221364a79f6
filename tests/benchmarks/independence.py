"""How long an event takes from being recorded to a working webhook, with and without a dead sink beside it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.children import Child
from tests.benchmarks.figures import markdown, percentile, ratio, spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RATE = 50.0
SUBJECTS = 200
REACH = {"allow_http": True, "allow_private": True}
TIMEOUT = 1
"""Seconds, of the sink that never answers: short, so that many tries have failed by the end."""
RELATIVE = "relative to alone, turn by turn"


def bench(*, quick: bool) -> str:
    """The table: both ways, turn by turn."""
    turns, lot = (1, 50) if quick else (4, 200)
    with Child("receiver", {}) as receiver, tempfile.TemporaryDirectory() as folder:
        url = receiver.reply()
        working: dict[str, Any] = {"name": "working", "type": "webhook", "url": f"{url}/hook", **REACH}
        dead = working | {"name": "dead", "url": f"{url}/hang", "timeout": f"{TIMEOUT}s"}

        def pacing(name: str, *sinks: dict[str, Any]) -> Child:
            job = {"about": "pace", "database": f"{Path(folder) / name}.db", "rate": RATE, "subjects": SUBJECTS}
            return Child("relaying", job | {"sinks": sinks})

        took: dict[str, list[list[float]]] = {"alone": [], "beside": []}
        with pacing("alone", working) as alone, pacing("beside", working, dead) as beside:
            for _ in range(turns):
                for name, child in (("alone", alone), ("beside", beside)):
                    recorded = child.ask(lot)
                    arrived = receiver.ask("arrivals")
                    took[name].append([(arrived[each] - moment) * 1000 for each, moment in recorded.items()])
    names = {"alone": "alone", "beside": f"beside a sink that never answers (each try ends after {TIMEOUT} s)"}
    rows = [[what, *_figures(took[name], took["alone"])] for name, what in names.items()]
    return (
        f"**Independence of sinks**: time in ms from handing an event to the recorder until it arrives at a working "
        f"webhook, at {RATE:.0f} events a second from {SUBJECTS} targets. {turns} turns of {lot} events.\n\n"
        + markdown(["", "median", RELATIVE, "99th percentile", RELATIVE], rows)
    )


def _figures(turns: Sequence[Sequence[float]], alone: Sequence[Sequence[float]]) -> Iterator[str]:
    for share in (0.5, 0.99):
        mine, others = ([percentile(turn, share) for turn in each] for each in (turns, alone))
        yield spread(mine, ".1f")
        yield ratio(mine, others)
