"""Which call of an endpoint is next: polls go first, and listings still come to an end."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from watcher.errors import EndpointUnreadable, Superseded
from watcher.polling.background_calls import POLLS_BETWEEN, BackgroundCall, BackgroundCalls
from watcher.polling.endpoint import Endpoint


class Answering:
    """An endpoint with one answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def call(self, operation: str, parameters: Any, seconds: float) -> Any:
        assert (operation, parameters, seconds) == ("List", {"A": "b"}, 3.0)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def add(calls: BackgroundCalls) -> BackgroundCall:
    return calls.add("List", {"A": "b"}, 3.0)


async def make(calls: BackgroundCalls, answer: Any) -> None:
    call = calls.take()
    assert call is not None
    await calls.make(call, cast("Endpoint", Answering(answer)))


async def test_without_a_call_nothing_is_next() -> None:
    calls = BackgroundCalls()
    assert not calls.is_next(poll_is_due=False)
    assert calls.take() is None


async def test_a_call_is_next_when_no_poll_is_due() -> None:
    calls = BackgroundCalls()
    add(calls)
    assert not calls.is_next(poll_is_due=True)
    assert calls.is_next(poll_is_due=False)


async def test_while_polls_are_always_due_one_call_in_ten_is_a_background_one() -> None:
    calls = BackgroundCalls()
    for _ in range(3):
        add(calls)
    order = []
    for _ in range(3 * (POLLS_BETWEEN + 1)):
        if calls.is_next(poll_is_due=True):
            calls.take()
            order.append("call")
        else:
            order.append("poll")
    assert order == [*["poll"] * POLLS_BETWEEN, "call"] * 3


async def test_calls_are_made_in_their_order_and_answered() -> None:
    calls = BackgroundCalls()
    first, second = add(calls), add(calls)
    await make(calls, {"number": 1})
    assert (await first.answer, second.answer.done(), calls.tried) == ({"number": 1}, False, True)
    await make(calls, {"number": 2})
    assert await second.answer == {"number": 2}


@pytest.mark.parametrize("error", [EndpointUnreadable("X", "no"), Superseded("not here"), KeyError("bug")])
async def test_a_failure_is_raised_where_the_answer_is_awaited(error: Exception) -> None:
    calls = BackgroundCalls()
    call = add(calls)
    await make(calls, error)
    with pytest.raises(type(error)):
        await call.answer
    assert calls.tried


async def test_a_call_whose_answer_is_no_longer_awaited_is_not_made() -> None:
    calls = BackgroundCalls()
    call = add(calls)
    call.answer.cancel()
    assert not calls.is_next(poll_is_due=False)
    other, last = add(calls), add(calls)
    other.answer.cancel()
    assert calls.take() is last


async def test_a_cancelled_call_has_a_cancelled_answer() -> None:
    calls = BackgroundCalls()
    call = add(calls)
    with pytest.raises(asyncio.CancelledError):
        await make(calls, asyncio.CancelledError())
    assert call.answer.cancelled()
    assert not calls.tried


async def test_calls_are_refused_when_the_endpoint_is_not_polled_any_more() -> None:
    calls = BackgroundCalls()
    waiting = [add(calls), add(calls)]
    calls.refuse("gone")
    for call in waiting:
        with pytest.raises(Superseded, match="gone"):
            await call.answer
