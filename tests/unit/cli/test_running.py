"""How a signal ends the coroutine of a command."""

from __future__ import annotations

import asyncio
import signal

import pytest

from watcher.cli.running import run_to_end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_callback_cancels_after_the_callback(number: signal.Signals) -> None:
    crashes: list[dict[str, object]] = []
    before = signal.getsignal(number)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: crashes.append(context))
        connected = loop.create_future()

        def callback() -> None:
            assert not connected.done()
            signal.raise_signal(number)
            connected.set_result(None)

        loop.call_soon(callback)
        await connected
        await asyncio.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        run_to_end(work(), signal.SIGTERM)
    assert crashes == []
    assert signal.getsignal(number) is before


def test_a_second_signal_ends_work_that_does_not_end_when_it_is_cancelled() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        run_to_end(work())


def test_a_result_is_returned_and_an_error_is_raised_as_it_is() -> None:
    async def fail() -> None:
        raise ValueError("wrong")

    assert run_to_end(asyncio.sleep(0, "result")) == "result"
    with pytest.raises(ValueError, match="wrong"):
        run_to_end(fail())


async def test_a_command_runs_in_another_thread_too() -> None:
    assert await asyncio.to_thread(run_to_end, asyncio.sleep(0, "result")) == "result"


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    async def work() -> None:
        signal.raise_signal(signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        run_to_end(work(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
