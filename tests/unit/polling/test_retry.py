"""Which failures are tried again, how often, and how long after."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.unit.conftest import a_snapshot
from watcher.core.settings import Retry
from watcher.errors import EndpointUnreadable, TargetUnreadable
from watcher.polling.retry import with_retries

if TYPE_CHECKING:
    from watcher.core.model import Snapshot

PASSING = EndpointUnreadable("Timeout", "no complete answer", passing=True)
LASTING = EndpointUnreadable("AccessDeniedException", "no")
ANSWER = a_snapshot(None)


class Calls:
    """A call that fails as told, one failure for each try, and then answers."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.count = 0

    async def __call__(self) -> Snapshot:
        self.count += 1
        if self.failures:
            raise self.failures.pop(0)
        return ANSWER


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited; nobody really waits."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return waited


@pytest.mark.parametrize(("failures", "count"), [(0, 1), (1, 2), (2, 3), (3, 4)])
async def test_what_can_pass_is_tried_again_until_it_has(failures: int, count: int, waits: list[float]) -> None:
    call = Calls(*[PASSING] * failures)
    assert await with_retries(call, Retry()) is ANSWER
    assert call.count == count
    assert len(waits) == failures


@pytest.mark.parametrize("attempts", [1, 2, 4, 7])
async def test_there_are_as_many_tries_as_configured_and_the_last_failure_is_told(
    attempts: int, waits: list[float]
) -> None:
    failures = [EndpointUnreadable(str(number), "", passing=True) for number in range(20)]
    call = Calls(*failures)
    with pytest.raises(EndpointUnreadable) as failed:
        await with_retries(call, Retry(attempts=attempts))
    assert call.count == attempts
    assert failed.value is failures[attempts - 1]
    assert len(waits) == attempts - 1


@pytest.mark.parametrize("error", [LASTING, TargetUnreadable("ResourceNotFoundException", "none"), ValueError("a bug")])
async def test_what_lasts_is_not_tried_again(error: Exception, waits: list[float]) -> None:
    call = Calls(error)
    with pytest.raises(type(error)) as failed:
        await with_retries(call, Retry())
    assert failed.value is error
    assert (call.count, waits) == (1, [])


@pytest.mark.parametrize("error", [LASTING, TargetUnreadable("ResourceNotFoundException", "none"), ValueError("a bug")])
async def test_tries_end_with_a_failure_that_lasts(error: Exception, waits: list[float]) -> None:
    call = Calls(PASSING, PASSING, error)
    with pytest.raises(type(error)) as failed:
        await with_retries(call, Retry(attempts=10))
    assert failed.value is error
    assert call.count == 3


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_a_try_that_is_cancelled_ends_them_all(before: int, waits: list[float]) -> None:
    call = Calls(*[PASSING] * before, asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await with_retries(call, Retry())
    assert call.count == before + 1


async def test_waits_have_full_jitter_up_to_a_bound_that_doubles_to_the_longest(waits: list[float]) -> None:
    bounds = [0.5, 1, 2, 4, 8, 16, 20, 20, 20]
    longest, shortest = [0.0] * len(bounds), [99.0] * len(bounds)
    for _ in range(300):
        waits.clear()
        await with_retries(Calls(*[PASSING] * 9), Retry(attempts=10, initial=0.5, maximum=20))
        longest = list(map(max, longest, waits))
        shortest = list(map(min, shortest, waits))
    for bound, most, least in zip(bounds, longest, shortest, strict=True):
        # Of 300 draws between nothing and the bound, some are near either end.
        assert 0 <= least < 0.1 * bound
        assert 0.9 * bound < most <= bound
