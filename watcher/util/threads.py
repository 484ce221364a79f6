"""Runs blocking work on a thread of its own, which delays neither the event loop nor the end of the process."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")


def off_loop(work: Callable[[], T], name: str) -> asyncio.Future[T]:
    """The result of `work`, or its exception. The thread is a daemon, so work that hangs does not block the exit."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            settle = partial(future.set_result, work())
        except Exception as error:  # noqa: BLE001  it is raised where the result is awaited
            settle = partial(future.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(lambda: None if future.done() else settle())

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
