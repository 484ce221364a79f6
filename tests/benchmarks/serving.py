"""The daemon as a process that serves its page and reloads its configuration, as `watcher run` does.

The job names the configuration's file (`config`). Once every target was polled, the process replies with its URL. Then
`mark` starts a measurement, `look` returns what was measured since, and `reload` reads the file again and returns the
result.
"""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.benchmarks.parent import Parent, Reading
from tests.support.process_stats import Footprint
from watcher.app.build import build
from watcher.cli.configuration import read_config
from watcher.cli.options import find_config
from watcher.config.reloader import Reloader
from watcher.config.source import LocalSource
from watcher.observability import logs
from watcher.observability.observer import Observers
from watcher.util.rlimits import allow_more_files

if TYPE_CHECKING:
    from watcher.config.reloader import ReloadStatus
    from watcher.core.model import Target


class Watch(Observers):
    """How late polls began, and how many were missed."""

    def __init__(self, unseen: set[str]) -> None:
        super().__init__()
        self.late: list[float] = []
        self.missed = 0
        self.all_seen = asyncio.Event()
        self._unseen = unseen
        self._due: dict[str, float] = {}

    def begun(self, target: Target, due: float, begun: float) -> None:
        self.late.append(begun - due)
        before = self._due.get(target.id, due)
        self.missed += max(0, round((due - before) / target.interval) - 1)
        self._due[target.id] = due
        self._unseen.discard(target.id)
        if not self._unseen:
            self.all_seen.set()


async def main() -> None:
    """Run until the parent closes the connection."""
    parent, stop = Parent(), asyncio.Event()
    place = parent.hear()["config"]
    logs.set_up()
    allow_more_files()
    document = find_config(place)
    config = read_config(document)
    watch = Watch({target.id for target in config.targets})
    app = build(config, observers=[watch])
    asked = 0.0

    def reloaded(loaded: ReloadStatus) -> None:
        app.reloaded(loaded)
        parent.reply({"seconds": time.monotonic() - asked, "right": not loaded.faults})

    reloader = Reloader(LocalSource(partial(find_config, place)), read_config, app.apply, reloaded, app.view.clock)
    mark = Reading.now(0)

    def hear() -> None:
        nonlocal asked, mark
        match parent.hear():
            case "mark":
                watch.late, watch.missed, mark = [], 0, Reading.now(0)
                parent.reply(None)
            case "look":
                parent.reply(look())
            case "reload":
                asked = time.monotonic()
                reloader.ask()
            case _:
                stop.set()

    def look() -> dict[str, Any]:
        spent = Reading.now(len(watch.late)).since(mark)
        own = Footprint.of(os.getpid())
        return {**spent, **own._asdict(), "tasks": len(asyncio.all_tasks()), "late": watch.late, "missed": watch.missed}

    running = asyncio.create_task(app.run(stop, partial(reloader.run, document)))
    await asyncio.wait([running, asyncio.ensure_future(watch.all_seen.wait())], return_when=asyncio.FIRST_COMPLETED)
    parent.reply(app.web.url)
    asyncio.get_running_loop().add_reader(0, hear)
    await running


if __name__ == "__main__":
    asyncio.run(main())
