"""The other end of `children`: how a process hears its job and replies, and how it measures itself."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Parent:
    """The process that gave the job. Standard output is the connection to it; other writes to it are discarded."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)

    def hear(self) -> Any:
        """Return its next message; None when it has closed the connection."""
        line = sys.stdin.readline()
        return json.loads(line) if line else None

    def reply(self, what: object) -> None:
        """Send it a message."""
        self._out.write(json.dumps(what) + "\n")
        self._out.flush()


class Reading(NamedTuple):
    """What the meters of this process show: seconds of wall clock and of processor, and calls so far."""

    wall: float
    cpu: float
    calls: int

    @classmethod
    def now(cls, calls: int) -> Reading:
        """Read them; processor time is that of all threads of this process, user and system."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return cls(time.monotonic(), used.ru_utime + used.ru_stime, calls)

    def since(self, mark: Reading) -> dict[str, float]:
        """What came between two readings."""
        return {"wall": self.wall - mark.wall, "cpu": self.cpu - mark.cpu, "calls": self.calls - mark.calls}


async def metered(calls: Callable[[], int], warm: float, seconds: float) -> dict[str, float]:
    """What `seconds` cost, after `warm` seconds that are not counted; `calls` returns their number so far."""
    await asyncio.sleep(warm)
    mark = Reading.now(calls())
    await asyncio.sleep(seconds)
    return Reading.now(calls()).since(mark)


@contextmanager
def standard_output_read() -> Iterator[None]:
    """A process behind a pipe reads what is written to standard output."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader:
        assert reader.stdin
        os.dup2(reader.stdin.fileno(), 1)
        try:
            yield
        finally:
            os.close(1)
