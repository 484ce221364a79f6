"""Many HTTP clients of the daemon as a process: well-behaved readers, slow and broken clients, streams.

The job names the daemon's address, the number of clients of each sort, and how long to measure. The process replies
`begun` when all clients are connected, `over` when the measurement has ended, and then the result.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import Counter
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

from tests.benchmarks.parent import Parent
from tests.benchmarks.streams import Stream
from watcher.util.rlimits import allow_more_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATHS = ("/api/targets", "/api/status", "/metrics", "/", "/api/events")
RAMP = 2.0
"""Seconds over which they come."""

LAST_WAIT = 1.0
"""Seconds that streams have, at the end, for what was recorded before."""

SLOW_BYTES, SLOW_PAUSE = 64, 0.1
BROKEN_PAUSE = 0.5
NO_LINGER = struct.pack("ii", 1, 0)


def request(path: str, *, packed: bool) -> bytes:
    """What is sent to ask for `path`."""
    accept = "Accept-Encoding: gzip\r\n" if packed else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{accept}\r\n".encode()


class Tally:
    """What came of everything, once it is measured."""

    def __init__(self) -> None:
        self.measuring = self.over = False
        self.took: list[float] = []
        self.wrong: Counter[str] = Counter()


class Reader(asyncio.Protocol):
    """Asks again and again over one connection, `pause` seconds after each answer."""

    def __init__(self, tally: Tally, chance: Random, paths: Sequence[str], pause: float) -> None:
        self._tally, self._chance, self._pause = tally, chance, pause
        packed = chance.random() < 0.8
        self._requests = [request(path, packed=packed) for path in paths]
        self._next = chance.randrange(len(paths))
        self._loop = asyncio.get_running_loop()
        self._head = b""
        self._left: int | None = None
        self._asked = 0.0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._loop.call_later(self._chance.uniform(0, self._pause), self._ask)

    def _ask(self) -> None:
        if self.transport.is_closing() or self._tally.over:
            return
        self._head, self._left, self._asked = b"", None, self._loop.time()
        self.transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1

    def data_received(self, data: bytes) -> None:
        if self._left is not None:
            self._left -= len(data)
        else:
            self._head += data
            head, found, body = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            self._left = _length(head) - len(body)
            if not head.startswith(b"HTTP/1.1 200") and self._tally.measuring:
                self._tally.wrong[head[9:12].decode()] += 1
        if self._left == 0:
            if self._tally.measuring:
                self._tally.took.append(self._loop.time() - self._asked)
            self._loop.call_later(self._pause, self._ask) if self._pause else self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._tally.over:
            self._tally.wrong[f"lost: {exc!r}"] += 1


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    raise ValueError(head)


async def slow(host: str, port: int) -> None:
    """Ask for much, and take it byte by byte, without end; come back when cut off."""
    loop = asyncio.get_running_loop()
    while True:
        with suppress(OSError), socket.socket() as connection:
            connection.setblocking(False)  # noqa: FBT003  as the standard library has it
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            await loop.sock_connect(connection, (host, port))
            await loop.sock_sendall(connection, request("/api/targets", packed=False))
            while await loop.sock_recv(connection, SLOW_BYTES):  # noqa: ASYNC110  it is slow on purpose
                await asyncio.sleep(SLOW_PAUSE)
        await asyncio.sleep(SLOW_PAUSE)


async def broken(host: str, port: int, chance: Random) -> None:
    """Do what no client should: half a request, garbage, a head without end, a question without waiting, silence."""
    whole = request("/api/targets", packed=False)
    ways = (
        whole[:20],
        chance.randbytes(200),
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000,
        whole,
        b"",
        whole + b"\0" * 99,
    )
    loop = asyncio.get_running_loop()
    while True:
        with suppress(OSError), socket.socket() as connection:
            connection.setblocking(False)  # noqa: FBT003  the same
            await loop.sock_connect(connection, (host, port))
            await loop.sock_sendall(connection, chance.choice(ways))
            await asyncio.sleep(chance.uniform(0, 2 * BROKEN_PAUSE))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        await asyncio.sleep(chance.uniform(0, BROKEN_PAUSE))


async def ask(job: Mapping[str, Any], parent: Parent) -> dict[str, Any]:
    """Everybody comes, stays for `seconds` and goes."""
    host, port = job["host"], job["port"]
    chance, tally, loop = Random(4), Tally(), asyncio.get_running_loop()
    streams = [Stream() for _ in range(job["streams"])]
    for stream in streams:
        await loop.create_connection(lambda stream=stream: stream, host, port)
    await asyncio.gather(*(stream.opened.wait() for stream in streams))
    opened = time.time()
    troubles = [asyncio.create_task(slow(host, port)) for _ in range(job["slow"])]
    troubles += [asyncio.create_task(broken(host, port, Random(number))) for number in range(job["broken"])]
    readers = []
    for _ in range(job["readers"]):
        reader = Reader(tally, chance, job.get("paths", PATHS), job["pause"])
        await loop.create_connection(lambda reader=reader: reader, host, port)
        readers.append(reader)
        await asyncio.sleep(RAMP / job["readers"])
    tally.measuring = True
    parent.reply("begun")
    await asyncio.sleep(job["seconds"])
    tally.measuring, tally.over = False, True
    parent.reply("over")
    for task in troubles:
        task.cancel()
    await asyncio.wait(troubles)
    for reader in readers:
        reader.transport.abort()
    closing = time.time()
    await asyncio.sleep(LAST_WAIT)
    for stream in streams:
        stream.close()
    return {
        "took": tally.took, "wrong": tally.wrong, "opened": opened, "closing": closing,
        "streams": [stream.heard for stream in streams],
    }  # fmt: skip


async def main() -> None:
    """Do what the parent asks."""
    parent = Parent()
    allow_more_files()
    parent.reply(await ask(parent.hear(), parent))


if __name__ == "__main__":
    asyncio.run(main())
