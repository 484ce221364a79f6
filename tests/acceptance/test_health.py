"""Whether the daemon is well, as a container's health check and an orchestrator ask; and what it tells CloudWatch."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.conftest import NETWORK, WEB
from tests.support.ports import unused_port
from tests.support.simulator import attempt
from tests.support.waiting import PATIENCE, until
from watcher.core.model import FAILED, SUCCEEDED

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tests.support.installed_command import Child, Site
    from tests.support.simulator import Simulator

T = 1_795_420_800.0


@pytest.fixture
def port() -> int:
    return unused_port()


@pytest.fixture
def watched(site: Site, simulator: Simulator) -> Site:
    for target in (NETWORK, WEB):
        simulator.world.show(target, attempt(target, SUCCEEDED, T))
    return site


async def listening(child: Child) -> str:
    await until(lambda: child.logged("http.started") or not child.running, "its page")
    return str(child.logged("http.started")[0]["url"])


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310  ours
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


async def test_a_daemon_whose_state_file_was_removed_is_unready_and_keeps_nothing_until_it_is_back(
    watched: Site, simulator: Simulator, port: int
) -> None:
    watched.configure((NETWORK, WEB), f"http: {{listen: '127.0.0.1:{port}'}}")
    child = watched.start()
    url = f"{await listening(child)}/readyz"
    await until(lambda: get(url)[0] == 200, "a daemon that is ready")
    aside = watched.folder / "aside"
    watched.state.rename(aside)
    await until(lambda: get(url)[0] == 503, "a daemon that is not")
    assert f"{watched.state}: the file was removed while it was in use" in "".join(get(url)[1]["reasons"])
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + 1))
    await until(lambda: child.logged("store.write_failed"), "a commit that fails")
    assert "put the same file back, or restart watcher" in child.logged("store.write_failed")[0]["error"]
    assert b'"FAILED"' not in child.printed()
    aside.rename(watched.state)
    await until(lambda: b'"FAILED"' in child.printed(), "the event")
    await until(lambda: get(url)[0] == 200, "a daemon that is ready again")
    assert await child.stopped() == 0


async def test_a_healthy_daemon_and_one_that_is_not_there(watched: Site, port: int) -> None:
    watched.configure((NETWORK, WEB), f"http: {{listen: '127.0.0.1:{port}', token: a-token-that-is-not-needed}}")
    code, _, said = await watched.run("healthcheck")
    assert code == 1
    assert f"http://127.0.0.1:{port}/livez does not respond" in said
    assert "`watcher run` is running" in said
    child = watched.start()
    await listening(child)
    await watched.polled(child, 2)
    assert (await watched.run("healthcheck"))[:2] == (0, "ok\n")
    assert (await watched.run("healthcheck", "--ready"))[0] == 0
    assert (await watched.run("healthcheck", "--url", f"http://127.0.0.1:{port}/"))[0] == 0
    nowhere = {"WATCHER_URL": "http://127.0.0.1:1"}
    assert (await watched.run("healthcheck", environment=nowhere))[0] == 1
    assert await child.stopped() == 0
    assert (await watched.run("healthcheck"))[0] == 1


async def test_a_typing_mistake_in_the_configuration_does_not_make_the_daemon_unhealthy(
    watched: Site, port: int
) -> None:
    """Or an orchestrator would end a daemon that works, and start one that cannot."""
    watched.configure((NETWORK,), f"http: {{listen: '127.0.0.1:{port}'}}")
    child = watched.start()
    await listening(child)
    text = watched.config.read_text(encoding="utf-8")
    watched.config.write_text(text + "stakcs: [{nam: ${NOT_SET}}]\n", encoding="utf-8")
    child.signal(signal.SIGHUP)
    await until(lambda: child.logged("config.rejected"), "the refusal")
    assert (await watched.run("healthcheck"))[0] == 0
    assert (await watched.run("validate"))[0] == 78
    assert await child.stopped() == 0


async def test_without_http_healthcheck_fails(watched: Site) -> None:
    watched.configure((NETWORK,))
    code, _, said = await watched.run("healthcheck")
    assert (code, said) == (1, "watcher: `http` is off in the configuration, so the daemon cannot be asked\n")


async def test_the_daemon_is_live_but_not_ready_while_the_store_fails(
    watched: Site, simulator: Simulator, port: int
) -> None:
    watched.configure((NETWORK, WEB), f"http: {{listen: '127.0.0.1:{port}'}}")
    child = watched.start()
    url = await listening(child)
    await watched.polled(child, 4)
    await until(lambda: get(f"{url}/readyz")[0] == 200, "being ready")
    # Another program that keeps the database locked: every commit fails.
    with closing(sqlite3.connect(watched.state, isolation_level=None)) as rude:
        rude.execute("BEGIN EXCLUSIVE")
        simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T + 1))
        await until(lambda: child.logged("store.write_failed"), "a commit that fails")
        code, told = await asyncio.to_thread(get, f"{url}/readyz")
        assert code == 503
        assert "the state store cannot be written" in str(told)
        assert (await asyncio.to_thread(get, f"{url}/livez"))[0] == 200
        rude.execute("ROLLBACK")
    await until(lambda: child.logged("store.write_recovered"), "a commit that works")
    await until(lambda: get(f"{url}/readyz")[0] == 200, "being ready again")
    assert await child.stopped() == 0


async def test_a_configured_address_that_is_in_use_ends_the_start(watched: Site) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        watched.configure((NETWORK,), f"http: {{listen: '{address}'}}")
        code, _, said = await watched.run("run")
    assert code == 69
    assert said.splitlines()[-1] == (
        f"watcher: cannot serve HTTP on {address}: address already in use; set another address in "
        "`http: {listen: …}`, or write `http: off`"
    )


async def test_the_default_address_may_be_in_use(watched: Site) -> None:
    """Two daemons on one machine, without a word on HTTP in either configuration, both watch."""
    with taken_by_somebody(8080):
        watched.configure((NETWORK,), "http:")
        child = watched.start()
        await until(lambda: child.logged("http.listen_failed"), "the word of it")
        await watched.polled(child, 2)
        assert await child.stopped() == 0


def taken_by_somebody(port: int) -> AbstractContextManager[object]:
    """Hold a port, unless another does already."""
    try:
        return closing(socket.create_server(("127.0.0.1", port)))
    except OSError:
        return nullcontext()


async def test_cloudwatch_metrics_are_lines_among_the_logs(watched: Site) -> None:
    watched.configure((NETWORK, WEB))
    child = watched.start(
        change="metrics often", environment={"WATCHER_EMF": "Watcher/Test", "WATCHER_EMF_SERVICE": "here"}
    )

    def lines() -> list[Any]:
        return [line for line in map(json.loads, child.said().splitlines()) if "_aws" in line]

    await until(lambda: len(lines()) >= 3 and lines()[-1]["Polls"] > 0, "some lines")
    assert await child.stopped() == 0
    last = lines()[-1]
    assert last["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Watcher/Test"
    assert (last["Service"], last["Alive"], last["TargetsFailed"], last["EndpointsBlind"]) == ("here", 1, 0, 0)
    assert child.printed().count(b"_aws") == 0


@pytest.mark.parametrize("err", ["a pipe without a reader", "/dev/full"])
async def test_the_daemon_goes_on_when_metrics_cannot_be_written(watched: Site, err: str) -> None:
    watched.configure((NETWORK, WEB))
    if err == "/dev/full":
        writing = os.open(err, os.O_WRONLY)
    else:
        reading, writing = os.pipe()
        os.close(reading)
    child = watched.start("run", "--emf", "Watcher/Test", change="metrics often", err=writing)
    os.close(writing)
    await watched.polled(child, 2)
    await asyncio.sleep(1.0)  # three lines' time: the absence of an end takes time
    await watched.polled(child, 2)
    assert await child.stopped() == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"ok": tr',
        b'HTTP/1.1 503 No\r\nContent-Length: 30\r\n\r\n{"ok": false, "reasons": ["x"]}',
        b'HTTP/1.1 503 No\r\nContent-Length: 13\r\n\r\n{"reasons":5}',
        b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"[" * 60_000,
    ],
    ids=["no HTTP", "elsewhere", "nothing", "another's", "cut short", "ill", "odd reasons", "deep"],
)
async def test_healthcheck_fails_unless_the_daemon_says_that_it_is_healthy(watched: Site, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer % port if b"%d" in answer else answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        code, _, said = await watched.run("healthcheck", "--url", f"http://127.0.0.1:{port}")
    assert code == 1
    assert said.startswith("watcher: http://127.0.0.1:")


async def test_a_daemon_that_may_open_few_files_polls_on_beside_more_connections_than_that(
    watched: Site, simulator: Simulator
) -> None:
    watched.configure((NETWORK, WEB), "http: {listen: '127.0.0.1:0'}")
    child = watched.start()
    url = await listening(child)
    resource.prlimit(child.process.pid, resource.RLIMIT_NOFILE, (64, 64))
    at = urllib.parse.urlsplit(url)
    held = [await asyncio.open_connection(at.hostname, at.port) for _ in range(200)]
    for _, writer in held:
        with suppress(ConnectionError):
            writer.write(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await watched.polled(child, 5)
    simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + 60))
    await until(lambda: len(watched.kept()) == 3, "the event")
    for path in ("livez", "readyz"):
        assert await asyncio.to_thread(get, f"{url}/{path}") == (200, {"ok": True, "reasons": []})
    for _, writer in held:
        writer.close()
    assert await child.stopped() == 0
    assert len(child.said().splitlines()) < 30, child.said()
