"""Another watcher was quicker: what a poll brought is dropped, and the target is polled again on what is known then."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.support.tasks import running
from tests.unit.delivery.relaying import Clock, in_own_time, passed
from watcher.aws.sessions import Sessions
from watcher.core.model import FAILED, SUCCEEDED, Attempt, FirstSeen, Snapshot
from watcher.core.ports import Entry
from watcher.core.queries import EventQuery
from watcher.core.settings import Account, Config, RateLimit, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.core.state import Known, Record
from watcher.errors import StoreConflict
from watcher.observability.observer import Observers, Poll, PollOutcome
from watcher.polling.endpoint import Endpoint
from watcher.polling.poller import Poller
from watcher.polling.recorder import Recorder
from watcher.sources.codeconnections import stack
from watcher.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from watcher.core.model import Target

TARGET = stack("default", "us-east-1", "a", interval=600.0, on_first_seen=FirstSeen.ALL)
BEGUN = datetime(2026, 11, 23, 8, tzinfo=UTC)
ATTEMPT = Attempt(BEGUN, SUCCEEDED, "a", {}, {"sha": "a" * 40})
FOUND = Record(Known(replace(ATTEMPT, status=FAILED), BEGUN, failures=1, last_failure=BEGUN), sequence=4)
"""By the other watcher, a moment before."""


class Shared(MemoryStore):
    """The first commit comes too late."""

    def __init__(self) -> None:
        super().__init__()
        self.follows: list[Record | None] = []

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        self.follows += [entry.follows for entry in entries]
        if len(self.follows) == 1:
            await super().commit([Entry(TARGET.id, FOUND)], now)
            raise StoreConflict("another watcher wrote it", [TARGET.id])
        await super().commit(entries, now)


class Polls(Observers):
    """Knows how polls ended, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[tuple[float, PollOutcome]] = []

    def polled(self, poll: Poll) -> None:
        self.ended.append((passed(), poll.outcome))


def test_a_superseded_poll_is_made_again_at_once_on_what_is_known_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    @in_own_time
    async def test() -> None:
        store, polls = Shared(), Polls()
        recorder = Recorder(store, Clock(), lambda: None, polls)
        account = Account("default", ("us-east-1",), rate_limit=RateLimit(100, 1))
        config = Config(
            place="test", accounts={"default": account}, targets=(TARGET,), retry=Retry(), unreadable_after=3,
            sinks=(SinkSettings("x", "stdout"),), state="", http=None, state_retention=1.0, shutdown_grace=1.0,
        )  # fmt: skip
        endpoint = Endpoint(TARGET.endpoint, account, Sessions(), Retry())

        async def fetch(target: Target, again: Callable[[], bool]) -> Snapshot:
            del target, again
            endpoint.dismiss()
            return Snapshot(None, ATTEMPT, ATTEMPT)

        monkeypatch.setattr(endpoint, "fetch", fetch)
        monkeypatch.setattr(endpoint, "admit", endpoint._slots.acquire)
        poller = Poller(endpoint, (TARGET,), config, recorder)
        async with running(recorder.run()), running(poller.run()):
            await asyncio.sleep(300)
        (first, superseded), (second, answered) = polls.ended[:2]
        assert (superseded, answered) == (PollOutcome.SUPERSEDED, PollOutcome.ANSWERED)
        assert second - first < 1
        assert store.follows == [Record(), FOUND]
        ((_, event),) = await store.events(EventQuery())
        assert event.type == "watcher.sync.succeeded"
        assert recorder.records[TARGET.id].sequence == 5

    test()
