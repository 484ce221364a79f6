"""What a million waiting deliveries cost the relay, beside ten."""

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
    with Child("receiver", {}) as receiver, socket.socket() as nobody, tempfile.TemporaryDirectory() as folder:
        nobody.bind(("127.0.0.1", 0))  # and does not listen: whoever connects is refused
        sinks: list[dict[str, Any]] = [
            {"name": "dead", "type": "webhook", "url": f"http://127.0.0.1:{nobody.getsockname()[1]}/", **REACH},
            {"name": "sound", "type": "webhook", "url": f"{receiver.reply()}/hook", **REACH},
        ]

        def waited(waiting: int) -> dict[str, Any]:
            database = Path(folder) / f"{waiting}.db"
            job = {"database": str(database), "sinks": sinks, "subjects": SUBJECTS}
            once("relaying", job | {"about": "fill", "lots": [(waiting, ["dead"]), (flowing, ["sound"])]})
            size = database.stat().st_size
            found = once("relaying", job | {"about": "wait", "seconds": seconds})
            arrivals = list(receiver.ask("arrivals").values())
            if not found["tries"] or not arrivals:
                raise RuntimeError(f"nothing was tried ({found['tries']}), or nothing came ({len(arrivals)})")
            return found | {"size": size, "came": len(arrivals), "pace": per_second(arrivals)}

        few, lots = waited(FEW), waited(many)
    return (
        f"**Waiting deliveries**, of {SUBJECTS:,} targets, for a webhook that nobody listens to, after {seconds:.0f} s "
        f"of trying; beside it {flowing:,} others wait for a sound webhook in the same store and are delivered. The "
        "relay's process; the store was filled by another.\n\n" + markdown(
            ["", f"{FEW} waiting", f"{many:,} waiting", "difference"],
            [
                _row("resident memory (MB)", [few["memory"] / 1e6, lots["memory"] / 1e6], ".1f"),
                _row("most resident at any time (MB)", [few["peak"] / 1e6, lots["peak"] / 1e6], ".1f"),
                _row("delivered by the sound one (events a second)", [few["pace"], lots["pace"]], ".0f"),
                _row("delivered by the sound one in all", [few["came"], lots["came"]], ",.0f"),
                _row("opening the store (s)", [few["opened"], lots["opened"]], ".2f"),
                _row("the store's file (MB)", [few["size"] / 1e6, lots["size"] / 1e6], ",.0f"),
            ],
        )
    )  # fmt: skip


def _row(what: str, figures: Sequence[float], form: str) -> list[str]:
    few, lots = figures
    return [what, f"{few:{form}}", f"{lots:{form}}", f"{lots - few:+{form}}"]
