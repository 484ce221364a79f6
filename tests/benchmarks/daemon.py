"""The daemon as a process: `watcher run` without its command line; records when polls began."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

from tests.benchmarks.parent import Parent, metered
from tests.support.process_stats import Footprint
from tests.support.waiting import until
from watcher.app.build import build
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.observability import logs
from watcher.observability.observer import Observers

if TYPE_CHECKING:
    from watcher.core.model import Target


async def main() -> None:
    """Watch, measure, reply, and shut down.

    The job has the configuration (`yaml`), and for how many seconds to measure (`seconds`) after how many (`warm`).
    Without `warm` the measuring begins when every target has been polled; `found` is how many targets will be found.
    Moments in the reply are monotonic seconds: `seen` is when that was, `listed` when every listing was complete.
    """
    parent = Parent()
    job = parent.hear()
    logs.set_up()
    config = parse(Document("the benchmark's configuration", job["yaml"].encode()), {}, lambda _: None)
    polls: list[tuple[float, float]] = []
    unseen = {target.id for target in config.targets}
    found: set[str] = set()
    all_seen = asyncio.Event()
    moments = {"seen": 0.0, "listed": 0.0}

    class Watch(Observers):
        def begun(self, target: Target, due: float, begun: float) -> None:
            polls.append((due, begun))
            if all_seen.is_set():
                return
            unseen.discard(target.id)
            if target.discovered:
                found.add(target.id)
            if not unseen and len(found) == job.get("found", 0):
                moments["seen"] = time.monotonic()
                all_seen.set()

    async def note_listings() -> None:
        await until(lambda: app.discovery.listings.keys() >= config.listings.keys(), "every listing")
        moments["listed"] = time.monotonic()

    stop = asyncio.Event()
    app = build(config, observers=[Watch()])
    running = asyncio.create_task(app.run(stop))
    listing = asyncio.create_task(note_listings())
    if "warm" not in job:
        await asyncio.wait([running, asyncio.ensure_future(all_seen.wait())], return_when=asyncio.FIRST_COMPLETED)
    spent: dict[str, Any] = await metered(lambda: len(polls), job.get("warm", 2.0), job["seconds"])
    measured = polls[len(polls) - int(spent["calls"]) :]
    reply = spent | {
        "memory": Footprint.of(os.getpid()).resident,
        "begun": [begun for _, begun in polls],
        "late": [begun - due for due, begun in measured],
        **moments,
        "ended": time.monotonic(),
    }
    stop.set()
    listing.cancel()
    await running
    parent.reply(reply)


if __name__ == "__main__":
    asyncio.run(main())
