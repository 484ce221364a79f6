"""What a million pending deliveries cost the relay, beside ten."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.children import Child, once
from tests.benchmarks.figures import markdown, per_second

if TYPE_CHECKING:
    from collections.abc import Sequence

FEW = 10
SUBJECTS = 1000
REACH = {"allow_http": True, "allow_private": True}


def bench(*, quick: bool) -> str:
    """The table: both, one after the other."""
    many, flowing, seconds = (20_000, 2_000, 3.0) if quick else (1_000_000, 20_000, 25.0)
    with Child("receiver", {}) as receiver, socket.socket() as closed, tempfile.TemporaryDirectory() as folder:
        closed.bind(("127.0.0.1", 0))  # does not listen: connections are refused
        sinks: list[dict[str, Any]] = [
            {"name": "dead", "type": "webhook", "url": f"http://127.0.0.1:{closed.getsockname()[1]}/", **REACH},
            {"name": "working", "type": "webhook", "url": f"{receiver.reply()}/hook", **REACH},
        ]

        def waited(waiting: int) -> dict[str, Any]:
            database = Path(folder) / f"{waiting}.db"
            job = {"database": str(database), "sinks": sinks, "subjects": SUBJECTS}
            once("relaying", job | {"about": "fill", "lots": [(waiting, ["dead"]), (flowing, ["working"])]})
            size = database.stat().st_size
            found = once("relaying", job | {"about": "wait", "seconds": seconds})
            arrivals = list(receiver.ask("arrivals").values())
            if not found["tries"] or not arrivals:
                raise RuntimeError(f"nothing was tried ({found['tries']}), or nothing came ({len(arrivals)})")
            return found | {"size": size, "came": len(arrivals), "pace": per_second(arrivals)}

        few, lots = waited(FEW), waited(many)
    return (
        f"**Many pending deliveries**: deliveries of {SUBJECTS:,} targets wait for a webhook whose address accepts no "
        f"connections, measured after {seconds:.0f} s of retries. In the same store, {flowing:,} other deliveries wait "
        "for a working webhook and are delivered meanwhile. The figures are those of the relay's process; another "
        "process filled the store.\n\n" + markdown(
            ["", f"{FEW} waiting", f"{many:,} waiting", "difference"],
            [
                _row("resident memory (MB)", [few["memory"] / 1e6, lots["memory"] / 1e6], ".1f"),
                _row("most resident at any time (MB)", [few["peak"] / 1e6, lots["peak"] / 1e6], ".1f"),
                _row("delivered to the working webhook (events a second)", [few["pace"], lots["pace"]], ".0f"),
                _row("delivered to the working webhook, in all", [few["came"], lots["came"]], ",.0f"),
                _row("opening the store (s)", [few["opened"], lots["opened"]], ".2f"),
                _row("the store's file (MB)", [few["size"] / 1e6, lots["size"] / 1e6], ",.0f"),
            ],
        )
    )  # fmt: skip


def _row(what: str, figures: Sequence[float], form: str) -> list[str]:
    few, lots = figures
    return [what, f"{few:{form}}", f"{lots:{form}}", f"{lots - few:+{form}}"]
