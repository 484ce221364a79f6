"""Computations that are shared, and the gate for calls that may hang."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.waiting import until
from watcher.errors import StoreError, StoreSilent
from watcher.util.single_flight import Gate, SingleFlight


class Counted:
    """Computes numbers, when the test lets it."""

    def __init__(self) -> None:
        self.made = 0
        self.let = asyncio.Event()

    async def make(self) -> int:
        self.made += 1
        await self.let.wait()
        return self.made


async def test_concurrent_callers_share_one_computation() -> None:
    counted = Counted()
    shared = SingleFlight(counted.make, 60.0)
    asking = [asyncio.create_task(shared.get()) for _ in range(50)]
    await until(lambda: counted.made)
    counted.let.set()
    assert await asyncio.gather(*asking) == [1] * 50
    assert await shared.get() == 1


async def test_an_old_value_is_computed_again() -> None:
    counted = Counted()
    counted.let.set()
    shared = SingleFlight(counted.make, 0.01)
    assert await shared.get() == 1
    loop = asyncio.get_running_loop()
    at = loop.time() + 0.011
    await until(lambda: loop.time() > at)
    assert await shared.get() == 2


async def test_a_computation_that_hangs_is_not_started_twice_and_its_callers_time_out() -> None:
    counted = Counted()
    shared = SingleFlight(counted.make, 0.0, StoreSilent)
    for _ in range(3):
        with pytest.raises(StoreSilent, match=r"did not respond within 0\.01 s"):
            await shared.get_within(0.01)
    assert counted.made == 1
    counted.let.set()
    assert await shared.get_within(5) == 1


async def test_a_cancelled_caller_does_not_cancel_the_computation() -> None:
    counted = Counted()
    shared = SingleFlight(counted.make, 60.0)
    first, second = asyncio.create_task(shared.get()), asyncio.create_task(shared.get())
    await until(lambda: counted.made)
    first.cancel()
    counted.let.set()
    assert await second == 1


async def test_concurrent_callers_share_an_error() -> None:
    tries = []

    async def fail() -> None:
        tries.append(1)
        raise StoreError("the disk is full")

    shared = SingleFlight(fail, 60.0)
    for _ in range(3):
        with pytest.raises(StoreError, match="disk is full"):
            await shared.get()
    assert tries == [1]


async def test_a_call_that_hangs_keeps_its_place_in_the_gate() -> None:
    gate, let, begun = Gate(2, 0.05, StoreSilent), asyncio.Event(), []

    async def question() -> str:
        begun.append(1)
        await let.wait()
        return "answer"

    for _ in range(6):
        with pytest.raises(StoreSilent, match=r"did not respond within 0\.05 s"):
            await gate.run(question)
    assert len(begun) == 2
    let.set()
    await asyncio.sleep(0)
    assert await gate.run(question) == "answer"


async def test_a_caller_can_ask_for_a_newer_value_than_the_kept_one() -> None:
    counted = Counted()
    counted.let.set()
    shared = SingleFlight(counted.make, 60.0)
    assert await shared.get() == 1
    assert await shared.get(30.0) == 1
    loop = asyncio.get_running_loop()
    at = loop.time() + 0.011
    await until(lambda: loop.time() > at)
    assert await shared.get(0.01) == 2


async def test_an_error_is_not_kept_as_long_as_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.util.single_flight.MAX_ERROR_SECONDS", 0.0)
    monkeypatch.setattr("watcher.util.single_flight.REST_FACTOR", 0.0)
    results = ["a value", StoreError("throttled")]

    async def make() -> str:
        made = results.pop()
        if isinstance(made, StoreError):
            raise made
        return made

    shared = SingleFlight(make, 60.0)
    with pytest.raises(StoreError, match="throttled"):
        await shared.get()
    assert await shared.get() == await shared.get() == "a value"
