"""A store as a process: the whole daemon on a table whose use is counted, or nothing but commits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from tests.benchmarks.capacity import Meter
from tests.benchmarks.parent import Parent, Reading
from tests.benchmarks.recorded import entry, failures
from watcher.app.build import build
from watcher.cli.configuration import parse
from watcher.cli.state import prepare
from watcher.config.document import Document
from watcher.core.state_url import parse_address
from watcher.observability import logs
from watcher.observability.emf import Emf
from watcher.stores import store_for
from watcher.stores.dynamodb.items import hour_of, number_at
from watcher.stores.dynamodb.store import DynamoStore
from watcher.stores.dynamodb.table import Put

if TYPE_CHECKING:
    from watcher.app.lifecycle import App

SINK = "out"


async def make(parent: Parent, job: dict[str, Any]) -> None:
    """Make the table, as `watcher state init` does."""
    parent.reply({"done": await prepare(job["state"])})


async def watch(parent: Parent, job: dict[str, Any]) -> None:
    """Watch as `yaml` says, with metrics for CloudWatch; the units of `seconds` after `warm`.

    `history`: seconds for which there were events before. With `prune` all events end afterwards: what that takes, too.
    """
    meter = Meter()
    meter.install()
    config = parse(Document("the benchmark's configuration", job["yaml"].encode()), {}, lambda _: None)
    app, stop = build(config), asyncio.Event()
    metrics = Emf(app.view, "Watcher", write=lambda _: None)
    app.observers.add(metrics)
    running = asyncio.create_task(app.run(stop, metrics.run))
    await asyncio.sleep(job["warm"] / 2)
    await _had_events(app, job["history"])
    await asyncio.sleep(job["warm"] / 2)
    before, events, mark = _shown(meter), meter.events, Reading.now(0)
    await asyncio.sleep(job["seconds"])
    wall = Reading.now(0).since(mark)["wall"]
    reply = {"wall": wall, "events": meter.events - events, "units": _since(before, _shown(meter))}
    stop.set()
    await running
    if job.get("prune"):
        reply |= await _end_all(meter, config.state)
    parent.reply(reply)


async def _end_all(meter: Meter, state: str) -> dict[str, Any]:
    """Let every event be too old, now that none comes any more."""
    store = DynamoStore(parse_address(state))
    await store.open()
    stored, before, ended, moment = meter.stored(), _shown(meter), 0, datetime.now(UTC) + timedelta(days=1)
    while pruned := await store.prune(moment, 500):
        ended += pruned
    await store.close()
    return {"pruned": ended, "pruning": _since(before, _shown(meter)), "bytes": stored - meter.stored()}


async def commit(parent: Parent, job: dict[str, Any]) -> None:
    """As often as it is asked for (`many`, `together`), what it takes to commit so many events in such batches."""
    store, events = store_for(job["state"]), failures(job["subjects"])
    await store.open()
    await store.set_sinks([SINK], datetime.now(UTC))
    while asked := await asyncio.to_thread(parent.hear):
        many, together = asked
        entries = [entry(event, [SINK]) for event in islice(events, many)]
        mark = Reading.now(0)
        for start in range(0, many, together):
            await store.commit(entries[start : start + together], datetime.now(UTC))
        parent.reply(Reading.now(many).since(mark))
    await store.close()


def _shown(meter: Meter) -> dict[str, dict[str, float]]:
    """The units so far, by operation and kind of item."""
    return {
        way: {" ".join(what): units for what, units in spent.items()}
        for way, spent in (("read", meter.reads), ("written", meter.writes))
    }


def _since(before: dict[str, dict[str, float]], now: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {
        way: {what: units - before[way].get(what, 0) for what, units in spent.items()} for way, spent in now.items()
    }


async def _had_events(app: App, seconds: float) -> None:
    """List the hours of a past in which something happened all the time: what is read of them is charged for."""
    assert isinstance(app.store, DynamoStore)
    now = app.view.clock.now().timestamp()
    hours = {hour_of(number_at(now - ago)) for ago in range(0, int(seconds), 3600)}
    await asyncio.gather(*(app.store.table.write(Put({"k": "H", "s": hour})) for hour in hours))


def main() -> None:
    """Do what the job is about."""
    parent = Parent()
    job = parent.hear()
    logs.set_up()
    asyncio.run({"make": make, "watch": watch, "commit": commit}[job["about"]](parent, job))


if __name__ == "__main__":
    main()
