"""JSON Lines on standard output.

An event counts as delivered when all of its line was taken. The writing is done on a thread, and only when the reader
has room, so that a reader that stalls holds up nothing else and the daemon can still end.
"""

from __future__ import annotations

import asyncio
import errno
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from watcher.core.ports import Limits, SendOutcome, Verdict
from watcher.errors import SinkClosed, SinkError
from watcher.sinks.lines import EndingError, Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.core.ports import Delivery
    from watcher.core.settings import SinkSettings
    from watcher.sinks import SinkContext

PATIENCE = 86_400.0
"""Seconds: a reader may stall for as long as it likes, a pager for one; `close` ends a send all the same."""

STDOUT = Lines(1)
"""Shared by all sinks that write there, so that none tears another's line."""


class StdoutSink:
    """Writes each event as one line."""

    limits = Limits(batch=100, in_order=True, deadline=PATIENCE)

    def __init__(self, settings: SinkSettings, context: SinkContext) -> None:  # noqa: ARG002  every sink is built so
        """Nothing is written yet."""
        self.name = settings.name
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stdout")
        self._ending = threading.Event()

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        """See `protocols.Sink`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._send, deliveries)

    async def close(self) -> None:
        """See `protocols.Sink`."""
        self._ending.set()
        self._thread.shutdown(wait=False)

    def _send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        if sys.__stdout__ is None:  # it was closed before we began, and its number is another file's by now
            raise SinkClosed("there is no standard output")
        written: list[SendOutcome] = []
        try:
            for delivery in deliveries:
                key = (delivery.sink, delivery.number, delivery.reminder)
                STDOUT.write(key, delivery.body.encode(), self._ending.is_set)
                written.append(SendOutcome(delivery, Verdict.TAKEN, "written"))
        except OSError as error:
            # With something to acknowledge, the error can wait: the next try meets it again.
            if not written:
                if error.errno in (errno.EPIPE, errno.EBADF):
                    raise SinkClosed("standard output was closed by its reader") from error
                raise SinkError(f"standard output: {error.strerror}") from error
        except EndingError:
            if not written:
                raise SinkError("standard output: its reader does not read") from None
        return written
