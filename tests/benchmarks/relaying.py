"""The relay as a process: the daemon with its real store, but without polling.

Every job has a `database` and its `sinks` as in a configuration.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import time
from contextlib import asynccontextmanager
from math import inf
from typing import TYPE_CHECKING, Any

from tests.benchmarks.parent import Parent, Reading, standard_output_read
from tests.benchmarks.recorded import entry, failures, record, small
from tests.benchmarks.worlds import REGION
from tests.support.process_stats import Footprint
from watcher.app.build import build
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.core.queries import DeliveryQuery
from watcher.observability import logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watcher.app.lifecycle import App

ENOUGH = 300.0
"""Seconds after which something is wrong."""


def app_of(job: dict[str, Any]) -> App:
    """The daemon that a job describes."""
    form = {
        "state": f"sqlite:///{job['database']}",
        "http": False,
        "accounts": [{"name": "default", "regions": [REGION]}],
        "stacks": [{"name": "network"}],
        "sinks": job["sinks"],
    }
    return build(parse(Document("the benchmark's configuration", json.dumps(form).encode()), {}, lambda _: None))


@asynccontextmanager
async def relaying(app: App) -> AsyncIterator[None]:
    """What is recorded is delivered."""
    await app.store.open()
    running = [asyncio.create_task(app.relay.run()), asyncio.create_task(app.recorder.run())]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        await app.relay.close()
        await app.store.close()


async def fill(parent: Parent, job: dict[str, Any]) -> None:
    """Record `lots`, so many small events for these sinks each; how long that took."""
    begun = time.monotonic()
    app, events = app_of(job), small(job["subjects"])
    await app.store.open()
    for many, sinks in job["lots"]:
        await record(app.store, events, many, sinks)
    await app.store.close()
    parent.reply({"seconds": time.monotonic() - begun})


async def deliver(parent: Parent, job: dict[str, Any]) -> None:
    """As often as it is asked, what it takes to deliver so many events, which are recorded before."""
    app, events = app_of(job), failures(job["subjects"])
    gc.freeze()  # as `watcher run` does
    names = [sink["name"] for sink in job["sinks"]]
    with standard_output_read():
        async with relaying(app):
            while many := await asyncio.to_thread(parent.hear):
                await record(app.store, events, many, names)
                mark = Reading.now(0)
                async with asyncio.timeout(ENOUGH):
                    await app.relay.drain(inf)
                spent = Reading.now(many).since(mark)
                if left := await app.store.counts():
                    raise RuntimeError(f"not everything was delivered: {left}")
                parent.reply(spent)


async def wait(parent: Parent, job: dict[str, Any]) -> None:
    """What there is after `seconds` of trying."""
    app = app_of(job)
    begun = time.monotonic()
    async with relaying(app):
        opened = time.monotonic() - begun
        await asyncio.sleep(job["seconds"])
        memory, most = Footprint.of(os.getpid()).resident, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tried = await app.store.deliveries(DeliveryQuery(sink=job["sinks"][0]["name"], limit=1))
    parent.reply({"opened": opened, "memory": memory, "peak": max(memory, most), "tries": tried[0].tries})


async def pace(parent: Parent, job: dict[str, Any]) -> None:
    """As often as it is asked, record so many events, `rate` a second; when the first sink has them, when each was."""
    app, events = app_of(job), failures(job["subjects"])
    names = [sink["name"] for sink in job["sinks"]]
    async with relaying(app), asyncio.TaskGroup() as recording:
        while many := await asyncio.to_thread(parent.hear):
            recorded: dict[str, float] = {}
            due = time.monotonic()
            for _ in range(many):
                event = next(events)
                recorded[event.id] = time.monotonic()
                recording.create_task(app.recorder.record(entry(event, names)))
                due += 1 / job["rate"]
                await asyncio.sleep(due - time.monotonic())
            async with asyncio.timeout(ENOUGH):
                while await _waiting(app, names[0]):  # noqa: ASYNC110  the store sends no news
                    await asyncio.sleep(0.05)
            parent.reply(recorded)


async def _waiting(app: App, sink: str) -> int:
    return (await app.store.waiting()).get(sink, 0)


def main() -> None:
    """Do what the job is about."""
    parent = Parent()
    job = parent.hear()
    logs.set_up()
    asyncio.run({"fill": fill, "deliver": deliver, "wait": wait, "pace": pace}[job["about"]](parent, job))


if __name__ == "__main__":
    main()
