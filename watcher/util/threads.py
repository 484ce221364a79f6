"""Runs blocking work on a thread of its own, which delays neither the event loop nor the end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def off_loop(work: Callable[[], T], name: str) -> asyncio.Future[T]:
    """The result of `work`, or its exception. The thread is a daemon, so work that hangs does not block the exit."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        done: Future[T] = Future()
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001  it is raised where the result is awaited
            done.set_exception(error)
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(settle, done)

    def settle(done: Future[T]) -> None:
        if future.done():
            return
        if error := done.exception():
            future.set_exception(error)
        else:
            future.set_result(done.result())

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
