"""`stdout`: JSON Lines on the standard output.

An event counts as delivered when its whole line is written. A thread writes, and only when the reader has room, so that
a reader that stalls blocks nothing else and the daemon can still end.
"""

from __future__ import annotations

import asyncio
import errno
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Literal

from watcher.config.sink_model import SinkModel
from watcher.core.deliveries import Delivery, Limits, SendOutcome, Verdict
from watcher.errors import SinkClosed, SinkError
from watcher.sinks.lines import BATCH, EndingError, Lines

STDOUT = Lines(1)
"""Shared by all sinks of this type, so that their lines do not mix."""


class StdoutSink:
    """Writes each event as one line."""

    # A reader such as a pager may stall for as long as it likes; `close` ends a send all the same.
    limits = Limits(batch=BATCH, in_order=True, deadline=86_400.0)

    def __init__(self, options: StdoutOptions) -> None:
        self.name = options.name
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stdout")
        self._ending = threading.Event()

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._send, deliveries)

    async def close(self) -> None:
        self._ending.set()
        self._thread.shutdown(wait=False)

    def _send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        if sys.__stdout__ is None:  # it was closed before the start, and its number may be another file's by now
            raise SinkClosed("the standard output is closed")
        lines = [((each.sink, each.number, each.reminder), each.body.encode()) for each in deliveries]
        try:
            written = STDOUT.write(lines, self._ending.is_set)
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.EBADF):
                raise SinkClosed("the standard output was closed by its reader") from error
            raise SinkError(f"standard output: {error.strerror}") from error
        except EndingError:
            raise SinkError("standard output: its reader does not read") from None
        return [SendOutcome(delivery, Verdict.TAKEN, "written") for delivery in deliveries[:written]]


class StdoutOptions(SinkModel):
    """Events as lines of JSON on the standard output."""

    sink: ClassVar = StdoutSink

    prints: ClassVar[bool] = True

    type: Literal["stdout"]
