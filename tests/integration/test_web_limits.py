"""The limits of the HTTP server: slow, broken and too many clients, which must not delay polls."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import sys
import time
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fake_daemon import Site, config_of, serving
from tests.support.waiting import PATIENCE, until
from watcher.web import server
from watcher.web.connection import Connection
from watcher.web.limits import Shares

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from watcher.core.queries import EventQuery

MANY = "\n".join(["stacks:", *(f"  - {{name: stack-{number:04}, region: us-east-1}}" for number in range(2000))])


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path) as site:
        yield site


@pytest.fixture
async def large(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path, MANY) as site:
        yield site


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the time limits short."""
    monkeypatch.setattr("watcher.web.connection.HEAD_SECONDS", 0.3)
    monkeypatch.setattr("watcher.web.connection.UNREAD_SECONDS", 0.5)
    monkeypatch.setattr(server, "REAP_SECONDS", 0.05)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(site: Site, client: str = "127.0.0.1") -> Streams:
    return await asyncio.open_connection(*site.address, local_addr=(client, 0))


async def asked(site: Site, path: bytes, client: str = "127.0.0.1", host: bytes = b"localhost") -> bytes:
    """The response to a request on a connection of its own."""
    reader, writer = await connect(site, client)
    writer.write(b"GET %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % (path, host))
    response = await ended(reader)
    writer.close()
    return response


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Everything that is received until the server closes the connection, which it must."""
    async with asyncio.timeout(PATIENCE):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


def connections(site: Site) -> set[Any]:
    assert site.server._listener
    return site.server._listener._connections


@pytest.fixture
async def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """A site whose only place for a connection is taken by a stream: further connections are surplus, at most four."""
    monkeypatch.setattr(server, "max_connections", lambda _files: 1)
    async with serving(tmp_path) as site:
        _, writer = await connect(site)
        writer.write(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: site.hub.streams == 1)
        yield site
        writer.close()


async def slow_readers(site: Site, count: int) -> list[socket.socket]:
    """Clients that read nothing of eight large responses each, once the server waits for all of them."""
    request = b"GET /api/targets HTTP/1.1\r\nHost: localhost\r\n\r\n" * 8
    sockets = [site.slow_client(request) for _ in range(count)]
    await until(lambda: sum(each.writing_paused for each in connections(site)) >= count)
    return sockets


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("begun", [b"", b"GET /livez HTTP/1.1\r\n", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: "])
async def test_who_does_not_finish_asking_is_cut_off(site: Site, begun: bytes) -> None:
    reader, writer = await connect(site)
    writer.write(begun)
    assert await ended(reader) == b""
    writer.close()


@pytest.mark.usefixtures("impatient")
async def test_who_asks_byte_by_byte_is_cut_off_also_on_a_kept_connection(site: Site) -> None:
    reader, writer = await connect(site)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    first = await reader.readuntil(b"}")  # whole: what is left unread is lost when it is cut
    assert first.startswith(b"HTTP/1.1 200")
    assert b'{"ok":true' in first
    cut = asyncio.create_task(ended(reader))
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            for letter in "GET /livez HTTP/1.1\r\nX-Long: " + "y" * 1000:
                if cut.done():
                    break
                writer.write(letter.encode())
                await asyncio.sleep(0.02)
    await cut
    writer.close()


@pytest.mark.usefixtures("impatient")
async def test_who_keeps_a_connection_and_is_silent_may_ask_again(site: Site) -> None:
    reader, writer = await connect(site)
    for _ in range(2):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.5)  # longer than a head may take
    writer.close()


@pytest.mark.usefixtures("impatient")
async def test_who_takes_nothing_of_its_answer_is_cut_off(large: Site) -> None:
    await large.get("/api/targets")
    sockets = await slow_readers(large, 20)
    await until(lambda: not any(each.writing_paused for each in connections(large)))
    assert (await large.get("/livez"))[0] == 200
    for each in sockets:
        each.close()


@pytest.mark.usefixtures("impatient")
async def test_who_reads_slowly_but_reads_gets_it_all(large: Site) -> None:
    each = large.slow_client(b"GET /api/targets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    each.setblocking(False)  # noqa: FBT003  the socket's own way
    loop = asyncio.get_running_loop()
    begun, whole = loop.time(), b""
    async with asyncio.timeout(PATIENCE):
        while piece := await loop.sock_recv(each, 20_000):
            whole += piece
            await asyncio.sleep(0.01)
    head, _, body = whole.partition(b"\r\n\r\n")
    assert loop.time() - begun > 0.5
    assert f"Content-Length: {len(body)}".encode() in head
    assert len(json.loads(body)["targets"]) == 2000
    each.close()


async def test_slow_readers_hold_little(large: Site) -> None:
    """They share the body of a large response: each takes at most 100 KB besides it and what it is built from."""
    _, answer, _ = await large.get("/api/targets")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    sockets = await slow_readers(large, 50)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert held < 50 * 100_000 + 4 * len(json.dumps(answer))
    for each in sockets:
        each.close()


async def test_slow_readers_of_different_answers_hold_little(large: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each client has a body of its own of a filtered response, and may hold a share of the memory that is free."""
    body, _ = await filtered(large, "127.0.0.1")
    assert large.server._handler
    monkeypatch.setattr(large.server._handler, "_held", Shares(4 * len(body)))
    made = Connection.connection_made

    def made_with_little_room(self: Connection, transport: asyncio.BaseTransport) -> None:
        """Keep the system from buffering megabytes for the daemon."""
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        made(self, transport)

    monkeypatch.setattr(Connection, "connection_made", made_with_little_room)
    request = b"GET /api/targets?text=stack HTTP/1.1\r\nHost: localhost\r\n\r\n"
    sockets = [large.slow_client(request) for _ in range(6)]
    await until(lambda: sum(each.writing_paused for each in connections(large)) == 2)
    await until(lambda: sum(each.idle for each in connections(large)) >= 4)
    assert b"503" in (await filtered(large, "127.0.0.1"))[1]
    assert b"200" in (await filtered(large, "127.0.0.2"))[1]
    for each in sockets:
        each.close()
    await until(lambda: not any(each.busy for each in connections(large)))
    assert b"200" in (await filtered(large, "127.0.0.1"))[1]


async def test_health_answers_though_responses_hold_all_memory(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert site.server._handler
    monkeypatch.setattr(site.server._handler, "_held", Shares(0))
    assert (await site.get("/api/targets"))[0] == 503
    for path in ("/livez", "/readyz"):
        assert (await site.get(path))[0] == 200


async def filtered(site: Site, client: str) -> tuple[bytes, bytes]:
    """The body of a response with a filter that matches every target, and its status line."""
    head, _, body = (await asked(site, b"/api/targets?text=stack", client)).partition(b"\r\n\r\n")
    return body, head.partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nBroken header\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"MADE-UP / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_refused_in_our_words_and_ended(
    site: Site, request_: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    reader, writer = await connect(site)
    writer.write(request_)
    head, _, body = (await ended(reader)).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400"
    assert b"Server: watcher" in head
    assert json.loads(body)["error"].startswith("not a valid HTTP/1.1 request")
    assert "Traceback" not in capfd.readouterr().err
    writer.close()


async def test_who_sends_a_body_without_end_is_not_listened_to(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.web.connection.LINGER_SECONDS", 0.2)
    reader, writer = await connect(site)
    writer.write(b"GET /api/targets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")

    async def flood() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()

    flooding = asyncio.create_task(flood())
    assert b" 413 " in (await reader.readline())
    await until(lambda: not connections(site))
    await flooding
    writer.close()


ASK = b"GET /api/targets HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = ASK + b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        ASK + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
        ASK + b"Content-Encoding: deflate\r\nContent-Length: 9\r\n\r\n\xff" + b"x" * 8,
        ASK + b"Content-Encoding: br\r\nContent-Length: 9\r\n\r\nnot it is",
        ASK + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
        CHUNKED + b"Content-Encoding: gzip\r\n\r\n5\r\nwrong\r\n0\r\n\r\n",
        CHUNKED + b"\r\n0\r\n\r\n",
        CHUNKED + b"\r\n5\r\nwhole",
        CHUNKED + b"\r\n" + b"1;with=extension\r\nx\r\n" * 20_000,
        ASK + b"Content-Length: 5\r\n\r\nwholeGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
async def test_an_announced_body_is_refused_and_whatever_follows_it_is_dropped(
    site: Site, request_: bytes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("watcher.web.connection.LINGER_SECONDS", 0.2)
    reader, writer = await connect(site)
    writer.write(request_)
    response = await ended(reader)
    assert response.split(b"\r\n")[0].split(b" ")[1] == b"413"
    assert b"Connection: close" in response
    assert response.count(b"HTTP/1.1 ") == 1
    await until(lambda: not connections(site))
    assert "http.crashed" not in "".join(capfd.readouterr())
    writer.close()


@pytest.mark.alone
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_compressed_body_costs_what_it_weighs(large: Site, chunked: bool) -> None:  # noqa: FBT001
    """Sixteen clients send the same bytes, plain and as gzip; the longest iterations of the loop, in processor time."""
    packer = zlib.compressobj(9, wbits=31)
    first, each = (packer.compress(bytes(2**23)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    bomb = first + 127 * each
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(bomb), bomb) if chunked else bomb
    head = CHUNKED if chunked else ASK + b"Content-Length: %d\r\n" % len(bomb)

    async def attack(coding: bytes) -> None:
        reader, writer = await connect(large)
        writer.write(head + coding + b"\r\n" + framed)
        assert b" 413 " in await reader.readline()
        writer.close()

    async def longest_turn(coding: bytes) -> float:
        turns = [0.0]
        attacks = asyncio.gather(*(attack(coding) for _ in range(16)))
        while not attacks.done():
            begun = time.thread_time()
            await asyncio.sleep(0)
            turns.append(time.thread_time() - begun)
        await attacks
        return max(turns)

    control = await longest_turn(b"")
    assert await longest_turn(b"Content-Encoding: gzip\r\n") < 5 * control + 0.1


@pytest.mark.parametrize(
    "flood",
    [
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X%d: %b\r\n" % (i, b"y" * 8000) for i in range(9)),
        b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 9000,
        b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
        + b"x" * 99_999,
    ],
    ids=["headers", "pipelined", "upgrade"],
)
async def test_no_connection_holds_more_than_a_head_of_what_is_not_answered(site: Site, flood: bytes) -> None:
    reader, writer = await connect(site)
    writer.write(flood)
    await ended(reader)
    await until(lambda: not connections(site))
    writer.close()


async def test_clients_that_break_off_leave_nothing_behind(large: Site) -> None:
    pieces = [
        b"GET /api/targets HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GE",
    ]
    for number in range(200):
        each = socket.create_connection(large.address)
        each.sendall(pieces[number % 3])
        if number % 2:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        if number % 7 == 0:
            await asyncio.sleep(0)
        each.close()
    await until(lambda: not connections(large) and large.hub.streams == 0)
    assert (await large.get("/livez"))[0] == 200


async def test_one_connection_too_many_is_told_so_and_health_still_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "max_connections", lambda _files: 9)  # five for one client
    async with serving(tmp_path) as site:
        held = [await connect(site) for _ in range(5)]
        for _, writer in held:
            writer.write(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: site.hub.streams == 5)
        answer = await asked(site, b"/api/targets")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1\r\n" in answer
        assert answer.endswith(b'{"error":"too many connections; try again in a moment"}')
        flood = [await connect(site) for _ in range(server.MAX_SURPLUS * 2)]
        for path in (b"/livez", b"/readyz", b"/livez?x"):
            assert (await asked(site, path)).startswith(b"HTTP/1.1 200 ")
        site.peek.why_unready = ["the store takes nothing"]
        assert (await asked(site, b"/readyz")).endswith(b'{"ok":false,"reasons":["the store takes nothing"]}')
        assert (await asked(site, b"/livez", host=b"evil.example")).startswith(b"HTTP/1.1 421 ")
        for _, writer in flood:
            writer.close()
        silent, writer = await connect(site)
        assert await ended(silent) == b""
        writer.close()
        held[0][1].close()
        await until(lambda: len(connections(site)) == 4)
        assert (await site.get("/api/targets"))[0] == 200
        for _, writer in held:
            writer.close()


async def test_a_surplus_connection_gets_its_response_and_its_body_is_not_waited_for(
    full: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection whose body the server waits for would take the place of another one that asks about health."""
    monkeypatch.setattr("watcher.web.connection.LINGER_SECONDS", 2 * PATIENCE)
    for path, status in ((b"/api/targets", b"503"), (b"/livez", b"413")):
        reader, writer = await connect(full)
        writer.write(b"GET %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n" % path)
        response = await ended(reader)
        assert response.startswith(b"HTTP/1.1 %b " % status)
        assert b"Connection: close" in response
        writer.close()


async def test_surplus_connections_of_one_client_keep_no_other_from_asking_about_health(full: Site) -> None:
    reader, writer = await connect(full, "127.0.0.2")
    flood = [await connect(full) for _ in range(20)]
    assert full.server._listener
    assert len(full.server._listener._surplus) <= 4
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await ended(reader)).startswith(b"HTTP/1.1 200 ")
    for _, each in flood:
        each.close()
    writer.close()


async def test_a_surplus_connection_that_sends_a_long_head_is_closed(
    full: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.web.connection.SURPLUS_HEAD_SECONDS", 2 * PATIENCE)
    reader, writer = await connect(full)
    lines = b"".join(b"X%d: %b\r\n" % (number, b"y" * 4000) for number in range(3))
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + lines)
    assert await ended(reader) == b""
    writer.close()


@pytest.mark.parametrize(("files", "most"), [(64, 16), (1024, 318), (65_536, 2000), (resource.RLIM_INFINITY, 2000)])
async def test_connections_leave_files_for_the_calls_of_aws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, most: int
) -> None:
    """45 endpoints make ten calls at a time each; the limit follows a change of the configuration."""
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (files, files))
    names = [f"account-{number}" for number in range(45)]
    accounts = [f"  - {{name: {name}, regions: [us-east-1]}}" for name in names]
    stacks = [f"  - {{name: network, account: {name}}}" for name in names]
    async with serving(tmp_path) as site:
        assert (await site.get("/livez"))[0] == 200
        site.peek.config = config_of("\n".join(["accounts:", *accounts, "stacks:", *stacks]), site.peek.config.state)
        assert site.server._listener
        assert site.server._listener._max_connections() == most


async def test_one_client_leaves_places_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "max_connections", lambda _files: 20)
    monkeypatch.setattr("watcher.web.handler.MAX_STREAMS", 12)
    async with serving(tmp_path) as site:
        greedy = [await connect(site) for _ in range(40)]
        for _, writer in greedy:
            with contextlib.suppress(ConnectionError):
                writer.write(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: site.hub.streams == 6)
        assert (await asked(site, b"/api/stream")).startswith(b"HTTP/1.1 503 ")
        for number in range(2, 5):
            client = f"127.0.0.{number}"
            assert (await asked(site, b"/api/targets", client)).startswith(b"HTTP/1.1 200 ")
            reader, writer = await connect(site, client)
            writer.write(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            greedy.append((reader, writer))
        for _, writer in greedy:
            writer.close()


async def test_many_requests_of_one_client_keep_no_other_waiting(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    events, go = site.peek.reader.events, asyncio.Event()

    async def slow(query: EventQuery) -> Any:
        await go.wait()
        return await events(query)

    monkeypatch.setattr(site.peek.reader, "events", slow)
    waiting = [asyncio.create_task(asked(site, b"/api/events")) for _ in range(60)]
    await until(lambda: len(connections(site)) == 60)
    assert (await asked(site, b"/api/targets", "127.0.0.2")).startswith(b"HTTP/1.1 200 ")
    go.set()
    assert {response[:13] for response in await asyncio.gather(*waiting)} == {b"HTTP/1.1 200 "}


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET /live", b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ids=["silent", "half", "between two"],
)
async def test_connections_that_ask_nothing_keep_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(server, "max_connections", lambda _files: 9)  # five for one client
    async with serving(tmp_path) as site:
        stream, streaming = await connect(site)
        streaming.write(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: site.hub.streams == 1)
        idle = []
        for _ in range(4):
            reader, writer = await connect(site)
            writer.write(begun)
            if begun.endswith(b"\r\n\r\n"):
                await reader.readuntil(b"}")
            idle.append((reader, writer))
        await until(lambda: sum(each.idle for each in connections(site)) == 4)
        for path in ("/livez", "/readyz", "/metrics", "/livez"):
            status, _, _ = await site.get(path, headers={"Connection": "close"})
            assert status == 200, path
            reader, writer = await connect(site)  # in its place
            idle.append((reader, writer))
            await until(lambda: sum(each.idle for each in connections(site)) == 4)
        assert await ended(idle[0][0]) == b"", "the longest idle one"
        assert not idle[-1][0].at_eof(), "the newest one"
        assert site.hub.streams == 1, "who is being answered stays"
        assert not stream.at_eof()
        for _, writer in [*idle, (stream, streaming)]:
            writer.close()


async def test_the_healthcheck_passes_beside_more_idle_connections_than_there_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "max_connections", lambda _files: 9)  # five for one client
    async with serving(tmp_path) as site:
        held = [await connect(site) for _ in range(100)]
        await until(lambda: len(connections(site)) == 5)
        asking = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "watcher", "healthcheck", "--url", site.url, stdout=asyncio.subprocess.PIPE
        )
        assert (await asking.communicate())[0] == b"ok\n"
        assert asking.returncode == 0
        for _, writer in held:
            writer.close()


@pytest.mark.alone
async def test_the_loop_turns_while_a_thousand_read(large: Site) -> None:
    """Polls share the loop: between two of its iterations, readers take little processor time."""
    turns: list[float] = []
    stop = asyncio.Event()

    async def poll() -> None:
        while not stop.is_set():
            begun = time.thread_time()
            await asyncio.sleep(0.01)
            turns.append(time.thread_time() - begun)

    process = await asyncio.create_subprocess_exec(
        "python3", "-c", READERS, *map(str, large.address), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    assert await process.stdout.readline() == b"all are connected\n"
    polling = asyncio.create_task(poll())
    answered = int(await process.stdout.readline())
    stop.set()
    await polling
    await process.wait()
    assert answered >= 1000
    turns.sort()
    assert turns[len(turns) * 99 // 100] < 0.25, turns[-10:]


READERS = """
import selectors, socket, sys, time
sel = selectors.DefaultSelector()
for _ in range(1000):
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    s.setblocking(False)
    sel.register(s, selectors.EVENT_READ)
print("all are connected", flush=True)
ask = b"GET /api/targets?text=stack-19 HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"
for key in list(sel.get_map().values()):
    key.fileobj.send(ask)
answered, end = 0, time.monotonic() + 3
while time.monotonic() < end or answered < 1000:
    for key, _ in sel.select(0.1):
        piece = key.fileobj.recv(1 << 20)
        if piece.endswith(b"}]}"):
            answered += 1
            key.fileobj.send(ask)
print(answered)
"""
