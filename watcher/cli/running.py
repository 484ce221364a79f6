"""Runs the coroutine of a command, opens the state for it, and warns if no daemon keeps the state up to date."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from watcher.cli.options import print_note
from watcher.core.status import Liveness
from watcher.util.redaction import printable, redact
from watcher.util.units import ago

if TYPE_CHECKING:
    from watcher.core.ports import Reader
    from watcher.stores.sqlite.transfer import SqliteMover

    Opened = TypeVar("Opened", bound=Reader | SqliteMover)

T = TypeVar("T")

REPEATED_SIGNAL_SECONDS = 0.5
"""A second signal within this time repeats the first: `timeout` signals its child and then the whole process group."""


def run_to_end(work: Coroutine[Any, Any, T], *numbers: signal.Signals) -> T:
    """Run `work` as `asyncio.run` does and return its result.

    SIGINT, and each signal in `numbers`, cancels it and raises `KeyboardInterrupt`; a second raises it at once.

    asyncio would cancel in the signal handler, and so in the middle of any callback: one that then sets the result of a
    future that has just been cancelled fails with `InvalidStateError`. Here the loop cancels, between two callbacks.
    """
    interrupted = False
    # Handlers can be set in the main thread only; what the parent process had ignored stays ignored. They are read here
    # because `asyncio.run` sets one of its own, which refers to a task that has ended when they are set again.
    heard = (signal.SIGINT, *numbers) if threading.current_thread() is threading.main_thread() else ()
    before = {number: handler for number in heard if (handler := signal.getsignal(number)) is not signal.SIG_IGN}

    async def supervised() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def handle(*received: Any) -> None:
            nonlocal interrupted
            if interrupted:
                signal.default_int_handler(*received)
            interrupted = True
            loop.call_soon_threadsafe(task.cancel)  # type: ignore[union-attr]

        for number in before:
            signal.signal(number, handle)
        try:
            return await work
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    try:
        return asyncio.run(supervised())
    finally:
        if interrupted:
            raise KeyboardInterrupt


def until_stopped(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Run `work` with an event that SIGTERM and SIGINT set; a second signal ends the process at once."""
    from watcher.aws.credential_process import kill_all  # noqa: PLC0415  only daemons need it in a signal handler

    async def supervised() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        first: float | None = None

        def handle(*_: object) -> None:
            nonlocal first
            if first is None:
                first = monotonic()
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(stop.set)
            elif monotonic() - first >= REPEATED_SIGNAL_SECONDS:
                # Every observation is in the store already: there is nothing to save.
                kill_all()
                os._exit(0)

        # Not by asyncio: it removes its handlers with the loop, and a signal would kill the process again.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, handle)
        await work(stop)

    asyncio.run(supervised())
    return 0


async def liveness_of(reader: Reader, address: str) -> Liveness:
    """Return how old the state is; print a warning on stderr if no daemon keeps `address` up to date.

    Raises:
        StoreError: the state cannot be read.
    """
    liveness = Liveness(await reader.alive_at(), datetime.now(UTC))
    if liveness.silent:
        shown = printable(redact(address))
        if liveness.as_of is None:
            what = f"no daemon has polled every endpoint yet since {shown} was created: the output may be incomplete"
        else:
            what = (
                f"no daemon has updated {shown} for {ago(liveness.as_of, liveness.now)}: the output may be out of date"
            )
        print_note(f"{what}; check that `watcher run` is running")
    return liveness


@contextlib.asynccontextmanager
async def opened(store: Opened) -> AsyncIterator[Opened]:
    """Open `store`, or a view of it, for the `async with` block.

    Raises:
        StoreError: there is no state yet, or it cannot be used.
    """
    await store.open()
    try:
        yield store
    finally:
        await store.close()
