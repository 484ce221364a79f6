"""`deliveries retry`: which dead letters are requeued, and why others stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.conftest import MOMENT, NOW, after, entry, event, numbers, sent
from watcher.cli.deliveries import requeue
from watcher.core.deliveries import ReminderRequest
from watcher.core.ports import Entry
from watcher.core.settings import Account, Config, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.core.state import Record
from watcher.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path


def a_config(file: Path, *names: str) -> Config:
    account, sinks = Account("default", ()), tuple(SinkSettings(name, "stdout") for name in names)
    return Config("a test", {"default": account}, (), Retry(), 3, sinks, f"sqlite:///{file}", None, 60.0, 1.0)


async def test_each_dead_letter_that_stays_has_its_own_reason(tmp_path: Path) -> None:
    file = tmp_path / "watcher.db"
    store = SqliteStore(file)
    await store.open()
    await store.set_sinks(["known", "removed"], NOW)
    await store.commit([entry("a", 1, sinks=["known", "removed", "new"])], NOW)
    await store.settle([sent((await store.due("known", 1))[0])], NOW)
    assert await store.remind([ReminderRequest("known", "a", "watcher.sync.failed", MOMENT, 100.0)], after(100)) == 1
    for sink in ("known", "new"):
        await store.dead_letter(sink, "410 Gone", after(110))
    await store.set_sinks(["known"], after(120))
    await store.close()
    revived, why = await requeue(a_config(file, "known", "new"), [], None)
    assert revived == 0
    assert why.split("; ") == [
        "1 dead letter for the sink known cannot be requeued: the next reminder is sent on schedule",
        "1 dead letter for the sink new cannot be requeued: no daemon has used this sink yet",
        "start `watcher run` first",
        "1 dead letter for the sink removed cannot be requeued: it is not in the configuration",
        "add it again and start `watcher run`, or drop them",
    ]


async def test_with_a_problem_the_end_of_its_incident_is_requeued_for_the_same_sinks(tmp_path: Path) -> None:
    file = tmp_path / "watcher.db"
    store = SqliteStore(file)
    await store.open()
    await store.set_sinks(["ops", "other"], NOW)
    for number, (kind, state) in enumerate((("failed", "opened"), ("failed", "ongoing"), ("succeeded", "resolved")), 1):
        incident = {"id": "i", "state": state, "opened_at": MOMENT, "problems": ["failed"], "duration_seconds": None}
        of = event(number, kind=f"watcher.sync.{kind}", incident=incident)
        await store.commit([Entry("a", Record(), [(of, ["ops", "other"])])], NOW)
    for sink in ("ops", "other"):
        await store.dead_letter(sink, "410 Gone", after(1))
    await store.close()
    assert await requeue(a_config(file, "ops", "other"), [f"{2:032x}"], "ops") == (2, "")
    store = SqliteStore(file)
    await store.open()
    assert (numbers(await store.due("ops", 10)), await store.due("other", 10)) == ([2, 3], [])
    await store.close()
