"""How much of the allowed rate a backlog uses, and whether it is ever exceeded."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks.children import Child, once
from tests.benchmarks.figures import markdown, most_in_a_second, per_second
from tests.benchmarks.worlds import Watch, configuration, settled

RATES = (1, 20, 200)


def bench(*, quick: bool) -> str:
    """The table: more targets than the rate allows to be polled."""
    seconds = 5.0 if quick else 12.0
    rows = []
    with Child("server", {"settled": ("stack", max(RATES))}) as server, tempfile.TemporaryDirectory() as folder:
        url = server.reply()
        for rate in RATES:
            targets = settled("stack", max(20, rate)).targets()
            text = configuration(targets, url, Path(folder) / f"rate-{rate}.db", Watch(rate, 0.1))
            begun = once("daemon", {"yaml": text, "warm": 0.0, "seconds": seconds})["begun"]
            arrived = server.ask("calls")
            rows.append(
                [
                    rate,
                    f"{per_second(begun) / rate * 100:.1f}",
                    most_in_a_second(begun),
                    most_in_a_second(arrived),
                    len(arrived),
                ]
            )
    return f"**Use of the allowed rate** under a backlog, for {seconds:.0f} s.\n\n" + markdown(
        ["allowed a second", "% used", "most begun in one second", "most arrived in one second", "calls in all"], rows
    )
