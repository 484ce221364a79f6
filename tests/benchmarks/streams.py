"""One stream of events as a client hears it, and what it must have heard: each event once, in order, as it was kept."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Heard = list[tuple[int, str]]


class Stream(asyncio.Protocol):
    """Hears the events to come, over HTTP's chunks (RFC 9112, section 7.1). `heard`: numbers, and digests of bodies."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.heard: Heard = []
        self._raw = b""
        self._text = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        self._raw += data
        if not self.opened.is_set():
            head, found, rest = self._raw.partition(b"\r\n\r\n")
            if not found:
                return
            assert head.startswith(b"HTTP/1.1 200"), head
            self._raw = rest
            self.opened.set()
        while True:
            size, found, rest = self._raw.partition(b"\r\n")
            length = int(size, 16) if found else 0
            if not found or len(rest) < length + 2:
                return
            self._text, self._raw = self._text + rest[:length], rest[length + 2 :]
            *pieces, self._text = self._text.split(b"\n\n")
            for piece in pieces:
                self._hear(piece)

    def close(self) -> None:
        """Hear no more."""
        self._transport.abort()

    def _hear(self, piece: bytes) -> None:
        lines = dict(line.split(b": ", 1) for line in piece.split(b"\n") if b": " in line)
        if b"id" in lines:
            self.heard.append((int(lines[b"id"]), _digest(lines[b"data"])))


def wrong(database: Path, streams: Sequence[Heard], opened: float, closed: float) -> int:
    """How many of the streams did not hear each event once, in order and whole that was kept between two moments."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
        kept = connection.execute("SELECT number, recorded, body FROM event ORDER BY number").fetchall()
    due = [number for number, recorded, _ in kept if opened < recorded < closed]
    bodies = {number: _digest(body.encode()) for number, _, body in kept}
    if not due:
        raise RuntimeError("there was no event for the streams to hear")

    def right(heard: Heard) -> bool:
        numbers = [number for number, _ in heard]
        in_a_row = bool(numbers) and numbers == [*range(numbers[0], numbers[-1] + 1)]
        return (
            in_a_row and numbers[0] <= due[0] and numbers[-1] >= due[-1]
            and all(bodies[number] == digest for number, digest in heard)
        )  # fmt: skip

    return sum(not right([(number, digest) for number, digest in heard]) for heard in streams)


def _digest(body: bytes) -> str:
    json.loads(body)
    return blake2b(body, digest_size=8).hexdigest()
