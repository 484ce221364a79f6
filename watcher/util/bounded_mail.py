"""Limits how long smtplib reads the replies of a mail server, and how much of each: it has no limits of its own."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from socket import socket

MAX_REPLY_BYTES = 64 * 1024
"""Of all lines of a reply; a server lists what it supports in a few hundred bytes."""

_THREAD = threading.local()
"""Its `until` is when the replies that the thread reads must be there (monotonic seconds)."""


@contextmanager
def replies_within(seconds: float) -> Iterator[None]:
    """Give this thread `seconds` in all to read the replies of mail servers, once `bound_replies` was called."""
    _THREAD.until = time.monotonic() + seconds
    try:
        yield
    finally:
        del _THREAD.until


def bound_replies() -> None:
    """Let smtplib, from now on, close a connection whose reply is too long or too late, as if the server had."""
    client = import_module("smtplib").SMTP
    read = client.getreply
    if hasattr(read, "__wrapped__"):  # by an earlier call
        return

    @wraps(read)
    def bounded(self: Any) -> Any:
        usual = self.sock.gettimeout()
        everything = self.file or self.sock.makefile("rb")
        self.file = _Reply(everything, self.sock)
        try:
            return read(self)
        finally:
            if self.file is not None:  # smtplib did not close the connection
                self.file = everything
                self.sock.settimeout(usual)

    client.getreply = bounded


class _Reply:
    """The part of what a server sends that is one reply, as the file that smtplib reads."""

    def __init__(self, everything: BufferedReader, connection: socket) -> None:
        self._everything = everything
        self._connection = connection
        self._usual = connection.gettimeout()
        self._left = MAX_REPLY_BYTES

    def readline(self, longest: int) -> bytes:
        """Return the next line, or at most `longest` bytes of it.

        Raises:
            OSError: the reply is too long, or not there in time.
        """
        line = b""
        while len(line) < longest and not line.endswith(b"\n"):
            if self._left <= 0:
                raise OSError("the reply is too long")
            self._connection.settimeout(self._remaining())
            waiting = self._everything.peek(1)  # reads from the connection once, if nothing is waiting
            if not waiting:
                break
            end = waiting.find(b"\n") + 1 or len(waiting)
            line += self._everything.read(min(end, longest - len(line)))
        self._left -= len(line)
        return line

    def close(self) -> None:
        self._everything.close()

    def _remaining(self) -> float | None:
        until: float | None = getattr(_THREAD, "until", None)
        if until is None:
            return self._usual
        remaining = until - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the reply is too late")
        return remaining if self._usual is None else min(remaining, self._usual)
