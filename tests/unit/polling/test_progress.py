"""When a part of the daemon is said to be stuck; AWS, a sink, and a store that says what is wrong are no reason."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.tasks import running
from tests.unit.delivery.relaying import HANGS, Clock, Scripted, in_own_time, relaying
from watcher.aws.sessions import Sessions
from watcher.core.ports import Entry
from watcher.core.settings import Account, Config, RateLimit, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.core.state import Record
from watcher.errors import EndpointUnreadable, StoreError
from watcher.observability.observer import Observers
from watcher.polling.endpoint import Endpoint
from watcher.polling.poller import Poller
from watcher.polling.recorder import Recorder
from watcher.polling.retried_writes import HUNG_SECONDS
from watcher.sources.codeconnections import stack
from watcher.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.model import Snapshot, Target

TARGETS = tuple(stack("default", "us-east-1", name, interval=600.0) for name in ("a", "b"))
RETRY = Retry(attempts=2, initial=0.5, maximum=5.0)


async def hang(*_: object, **__: object) -> Any:
    await asyncio.Event().wait()


@in_own_time
async def test_a_commit_that_never_ends_is_stuck_and_one_that_fails_is_not() -> None:
    store = MemoryStore()
    recorder = Recorder(store, Clock(), lambda: None, Observers())
    async with running(recorder.run()):
        failing = asyncio.create_task(recorder.record(Entry("a", Record())))
        store.commit = _raise  # type: ignore[method-assign]  # a disk that says that it is full
        await asyncio.sleep(10 * HUNG_SECONDS)
        assert recorder.writes.stuck() is None
        assert recorder.writes.trouble == "the disk is full"
        store.commit = hang  # type: ignore[method-assign]  # one that says nothing
        await asyncio.sleep(2 * HUNG_SECONDS)
        assert "does the disk of `state` answer?" in str(recorder.writes.stuck())
        failing.cancel()


async def _raise(*_: object) -> None:
    raise StoreError("the disk is full")


@in_own_time
async def test_a_worker_whose_store_hangs_is_stuck_and_one_whose_sink_hangs_is_not() -> None:
    sink = Scripted(lambda _: HANGS)
    async with relaying(sink) as house:
        await house.record("s", 1)
        await asyncio.sleep(600)
        assert house.relay.stuck() == []
        assert house.relay.statuses({"x": "webhook"})["x"].state == "failing"
        house.store.lane_heads = hang  # type: ignore[method-assign]
        house.store.next_try = hang  # type: ignore[method-assign]
        await asyncio.sleep(600)
        (reason,) = house.relay.stuck()
        assert reason.startswith("sink x: delivery has made no progress for ")


@pytest.mark.parametrize(
    ("answers", "stuck"),
    [
        pytest.param(None, False, id="AWS answers no call"),
        pytest.param(EndpointUnreadable("X", "no"), False, id="AWS refuses every call"),
        pytest.param("admission", True, id="no call is ever let through"),
    ],
)
def test_a_poller_is_stuck_when_its_own_loop_does_not_come_round(
    answers: object, monkeypatch: pytest.MonkeyPatch, *, stuck: bool
) -> None:
    @in_own_time
    async def test() -> None:
        poller = a_poller(answers, monkeypatch)
        async with running(poller.run()):
            for _ in range(100):
                await asyncio.sleep(60)
                if poller.stuck():
                    break
            assert bool(poller.stuck()) is stuck
            if stuck:
                assert "default/us-east-1/codeconnections: polling has made no progress for " in str(poller.stuck())

    test()


def a_poller(answers: object, monkeypatch: pytest.MonkeyPatch) -> Poller:
    account = Account("default", ("us-east-1",), rate_limit=RateLimit(0.1, 1))
    config = Config(
        place="test", accounts={"default": account}, targets=TARGETS, retry=RETRY, unreadable_after=3,
        sinks=(SinkSettings("x", "stdout"),), state="", http=None, state_retention=1.0, shutdown_grace=1.0,
    )  # fmt: skip
    endpoint = Endpoint(TARGETS[0].endpoint, account, Sessions(), RETRY)

    async def fetch(target: Target, again: Callable[[], bool]) -> Snapshot:
        del again
        try:
            await asyncio.sleep(RETRY.attempts * target.timeout)
            raise answers if isinstance(answers, Exception) else EndpointUnreadable("Timeout", "no answer")
        finally:
            endpoint.dismiss()

    async def admitted() -> None:
        await endpoint._slots.acquire()
        await asyncio.sleep(10.0)  # the rate's own wait; the rate limiter keeps real time

    monkeypatch.setattr(endpoint, "fetch", fetch)
    monkeypatch.setattr(endpoint, "admit", hang if answers == "admission" else admitted)
    store = MemoryStore()
    recorder = Recorder(store, Clock(), lambda: None, Observers())
    recorder.record = store_at_once(recorder)  # type: ignore[method-assign]
    return Poller(endpoint, TARGETS, config, recorder)


def store_at_once(recorder: Recorder) -> Any:
    async def record(entry: Entry) -> None:
        recorder.records[entry.subject] = entry.record

    return record
