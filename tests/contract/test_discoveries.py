"""What a listing finds and removes is reported once, whenever a daemon ends or loses its shard."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.conftest import NOW
from tests.support.tasks import running
from tests.unit.conftest import a_snapshot, an_attempt
from watcher.app.discovery import Discovery
from watcher.core.by_hand import NOTHING_BY_HAND
from watcher.core.listings import FoundTarget, ListingKey
from watcher.core.model import FAILED
from watcher.core.queries import EventQuery
from watcher.core.settings import Account, Config, DiscoverRule, Retry
from watcher.core.state import Record
from watcher.errors import Superseded
from watcher.observability.observer import Observer
from watcher.polling.observations import entry_of, observe_answer
from watcher.polling.recorder import Recorder
from watcher.polling.removals import removal_entries
from watcher.sources.codeconnections import STACK, stack
from watcher.stores.dynamodb.store import DynamoStore
from watcher.stores.sqlite.store import SqliteStore
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from pathlib import Path

    from watcher.core.model import Target

SERIES = (("stays", "gone"), ("stays", "late"), ("stays", "late"), ("stays", "late"))
"""What each listing shows: `late` is found by the second, and `gone` is removed by the last."""


class Daemon:
    """A daemon without polls, whose listings a test completes."""

    def __init__(self, store: SqliteStore | DynamoStore, region: str) -> None:
        self.clock, self.store, self.region = SystemClock(), store, region
        self.key = ListingKey("default", region, "stack")
        self.stands_still, self.woken = asyncio.Event(), asyncio.Event()
        self.left = float("inf")
        """How many writes to its store it makes before it stands still."""
        self._closed = False
        rule = DiscoverRule((STACK,), (("default", region),))
        self.config = Config(
            place="test", accounts={"default": Account("default", (region,))}, targets=(), retry=Retry(),
            unreadable_after=3, sinks=(), state="", http=None, state_retention=9.0, shutdown_grace=1.0,
            discover=(rule,),
        )  # fmt: skip
        self.recorder = Recorder(store, self.clock, lambda: None, Observer())
        self.discovery = Discovery(store, self.recorder, lambda: self)  # type: ignore[arg-type, return-value]
        if isinstance(store, SqliteStore):
            store.database.change = self._counted(store.database.change)  # type: ignore[method-assign]
        else:
            store.table.write = self._counted(store.table.write)  # type: ignore[method-assign]
            store.table.transact = self._counted(store.table.transact)  # type: ignore[method-assign]

    def _counted(self, write: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counted(*args: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                self.stands_still.set()
                await self.woken.wait()
            return await write(*args)

        return counted

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self.store.close()

    def watch(self, config: Config) -> None:
        self.config = config

    def mine(self, subjects: Iterable[str]) -> list[str]:
        return [*subjects]

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """As `app.lifecycle`: the state is loaded, and what is recorded is committed."""
        await self.discovery.load()
        await self.recorder.load(
            self.config.subjects | self.discovery.leaving(),
            lambda records, gone: removal_entries(self.config, records, gone, self.clock.now(), {}, NOTHING_BY_HAND),
        )
        async with running(self.recorder.run()):
            await self.discovery.report(self.key)
            yield

    async def listed(self, *names: str) -> None:
        await self.discovery.complete(self.key, [FoundTarget((("name", name),)) for name in names])

    async def failed(self, name: str) -> None:
        """Record a failed sync."""
        target = self.target(name)
        observation, _ = observe_answer(target, Record(), a_snapshot(an_attempt(1, FAILED)), NOW)
        entry = entry_of(
            target.id, Record(), observation, NOW, labels={}, config=self.config, traceparent=None, hand=NOTHING_BY_HAND
        )
        await self.recorder.record(entry)

    def target(self, name: str) -> Target:
        return stack("default", self.region, name)

    def names(self) -> set[str]:
        return {target.name for target in self.config.targets}


@pytest.fixture(params=["sqlite", "dynamodb"])
async def daemons(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Daemon]]]:
    """Makes daemons on one store, or on an own file for each region."""
    table = await request.getfixturevalue("tables")() if request.param == "dynamodb" else None
    made: list[Daemon] = []

    async def make(region: str) -> Daemon:
        store = SqliteStore(tmp_path / f"{region}.db") if table is None else DynamoStore(table)
        await store.open()
        made.append(Daemon(store, region))
        return made[-1]

    yield make
    for daemon in made:
        await daemon.close()


async def judge(daemon: Daemon) -> None:
    """Each event was recorded once, the removed target is forgotten, and its incident has ended."""
    assert daemon.names() == {"stays", "late"}
    gone, late = daemon.target("gone").id, daemon.target("late").id
    found = [
        json.loads(event.body) for _, event in await daemon.store.events(EventQuery(target=f"*/{daemon.region}/*"))
    ]
    kinds = Counter((event["subject"], event["type"]) for event in found)
    assert kinds == {
        (gone, "watcher.sync.failed"): 1,
        (gone, "watcher.target.removed"): 1,
        (late, "watcher.target.discovered"): 1,
    }
    (removed,) = (event["data"] for event in found if event["type"] == "watcher.target.removed")
    assert (removed["incident"]["state"], removed["sequence"]) == ("resolved", 2)
    records = {
        subject: each for subject, each in (await daemon.store.records()).items() if f"/{daemon.region}/" in subject
    }
    assert records == {gone: Record(sequence=2, discovery=2), late: Record(sequence=1, discovery=1)}


async def test_a_daemon_that_ends_between_any_two_steps_of_a_listing_repeats_no_event(
    daemons: Callable[..., Awaitable[Daemon]],
) -> None:
    """The next one continues, and the first, which only stood still, wakes up after that in a shared table."""
    for steps in count():
        region = f"us-east-{steps + 1}"
        first = await daemons(region)

        async def live(daemon: Daemon = first, steps: int = steps) -> None:
            async with daemon.living():
                await daemon.listed(*SERIES[0])
                await daemon.failed("gone")
                daemon.left = steps
                for names in SERIES[1:]:
                    await daemon.listed(*names)

        life, stands_still = asyncio.create_task(live()), asyncio.create_task(first.stands_still.wait())
        await asyncio.wait([life, stands_still], return_when=asyncio.FIRST_COMPLETED)
        stands_still.cancel()
        if life.done():
            await life
            await judge(first)
            assert steps >= 5, "three listings are kept, two events recorded, and a target forgotten"
            return
        if isinstance(first.store, SqliteStore):
            life.cancel()
            await first.close()
        second = await daemons(region)
        async with second.living():
            for names in SERIES[1:]:
                await second.listed(*names)
        await judge(second)
        if not life.cancelled() and not life.cancelling():
            first.woken.set()
            with suppress(Superseded):
                await life
            await judge(second)


async def test_a_rule_that_was_removed_and_restored_continues_to_count(
    daemons: Callable[..., Awaitable[Daemon]],
) -> None:
    daemon = await daemons("us-east-1")
    shows = ((), ("a",), (), (), ())
    async with daemon.living():
        for _ in range(2):
            for names in shows:
                await daemon.listed(*names)
            await daemon.recorder.forget_listings(daemon.discovery.listings)
            await daemon.discovery.load()
    found = [event for _, event in await daemon.store.events(EventQuery())]
    assert [event.type.split(".")[-1] for event in found] == ["discovered", "removed"] * 2
    assert len({event.id for event in found}) == 4
