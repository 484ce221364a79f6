"""Polls that hints ask for, of an endpoint that answers and of one that does not."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.support.tasks import running
from tests.unit.delivery.relaying import Clock, in_own_time
from tests.unit.polling.test_progress import store_at_once
from watcher.aws.sessions import Sessions
from watcher.core.model import Snapshot
from watcher.core.settings import Account, Config, RateLimit, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.errors import EndpointUnreadable, PollFailed, TargetUnreadable
from watcher.observability.observer import Observers
from watcher.polling.endpoint import Endpoint
from watcher.polling.planner import HINTED_PROBE_SECONDS
from watcher.polling.poller import Poller
from watcher.polling.recorder import Recorder
from watcher.sources.codeconnections import stack
from watcher.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import pytest

    from watcher.core.model import Target

TARGETS = tuple(stack("default", "us-east-1", name, interval=600.0) for name in "abc")
A, B, C = (target.id for target in TARGETS)
DOWN = EndpointUnreadable("AccessDeniedException", "no")
GONE = TargetUnreadable("ResourceNotFoundException", "no such stack")


class Polls:
    """A poller of three targets, whose endpoint answers as `failure` says, and the ids of those that it asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        account = Account("default", ("us-east-1",), rate_limit=RateLimit(100.0, 10))
        config = Config(
            place="test", accounts={"default": account}, targets=TARGETS, retry=Retry(attempts=1), unreadable_after=1,
            sinks=(SinkSettings("x", "stdout"),), state="", http=None, state_retention=1.0, shutdown_grace=1.0,
        )  # fmt: skip
        self.asked: list[str] = []
        self.failure: PollFailed | None = None
        endpoint = Endpoint(TARGETS[0].endpoint, account, Sessions(), config.retry)

        async def fetch(target: Target, again: Callable[[], bool]) -> Snapshot:
            del again
            self.asked.append(target.id)
            try:
                await asyncio.sleep(0.1)
                if self.failure is not None:
                    raise self.failure
                return Snapshot(None, None, None)
            finally:
                endpoint.dismiss()

        async def fetch_blockers(*_: object, **__: object) -> tuple[()]:
            endpoint.dismiss()
            return ()

        monkeypatch.setattr(endpoint, "fetch", fetch)
        monkeypatch.setattr(endpoint, "fetch_blockers", fetch_blockers)
        monkeypatch.setattr(endpoint, "admit", endpoint._slots.acquire)
        recorder = Recorder(MemoryStore(), Clock(), lambda: None, Observers())
        recorder.record = store_at_once(recorder)  # type: ignore[method-assign]
        self.poller = Poller(endpoint, TARGETS, config, recorder)

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Poll; begins when each target was polled once."""
        async with running(self.poller.run()):
            await asyncio.sleep(1200.0 if self.failure is None else 2000.0)
            self.asked.clear()
            yield

    async def hinted(self, target_id: str) -> bool:
        answer = self.poller.hint(target_id)
        assert answer is not None
        return await answer


@in_own_time
async def test_a_hint_polls_its_target_now(monkeypatch: pytest.MonkeyPatch) -> None:
    polls = Polls(monkeypatch)
    async with polls.run():
        async with asyncio.timeout(1.0):
            assert await polls.hinted(B)
        assert polls.asked == [B]


@in_own_time
async def test_a_failure_of_the_targets_own_is_recorded_and_one_of_the_endpoint_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    polls = Polls(monkeypatch)
    async with polls.run():
        polls.failure = GONE
        assert await polls.hinted(A)
        polls.failure = DOWN
        assert not await polls.hinted(A)


@in_own_time
async def test_a_hinted_target_is_the_probe_of_an_unreadable_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    polls = Polls(monkeypatch)
    polls.failure = DOWN
    async with polls.run():
        async with asyncio.timeout(HINTED_PROBE_SECONDS + 1.0):
            assert not await polls.hinted(B)
        assert polls.asked == [B]
        for target_id in (B, A, B):  # the failures may be those of one target alone
            async with asyncio.timeout(2 * HINTED_PROBE_SECONDS + 1.0):
                assert not await polls.hinted(target_id)
        assert C in polls.asked
        polls.failure = None
        async with asyncio.timeout(2 * HINTED_PROBE_SECONDS + 1.0):
            assert await polls.hinted(A)


@in_own_time
async def test_a_flood_of_hints_probes_an_unreadable_endpoint_no_more_often_than_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    polls = Polls(monkeypatch)
    polls.failure = DOWN
    async with polls.run():
        for number in range(600):
            polls.poller.hint(TARGETS[number % 3].id)
            await asyncio.sleep(0.1)
        assert 60 / (HINTED_PROBE_SECONDS + 0.2) - 1 <= len(polls.asked) <= 60 / HINTED_PROBE_SECONDS + 1
