"""Posts through a real proxy: the configured one or the environment's, and what is still refused."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64decode
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from pydantic import SecretStr

from tests.integration.receiver import Received, Receiver, Reply, receiving
from tests.integration.webhooks import resolve_to, try_once
from watcher.core.deliveries import Verdict
from watcher.errors import SinkError
from watcher.sinks.http_proxy import proxy_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
PASSWORD = "let-me-0ut-please"


@pytest.fixture(autouse=True)
def _no_proxy_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def proxy() -> AsyncIterator[Receiver]:
    """A proxy for plain HTTP: it answers by itself what it is to pass on."""
    async with receiving() as made:
        yield made


@asynccontextmanager
async def tunnelling(port: int, answer: bytes = b"200 OK") -> AsyncIterator[tuple[str, list[bytes]]]:
    """A proxy that leads every CONNECT to a port of loopback: its address, and the requests that it got."""
    asked: list[bytes] = []
    serving: list[asyncio.Task[Any] | None] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
            writer.close()
            await writer.wait_closed()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 %s\r\n\r\n" % answer)
        if answer.startswith(b"200"):
            there, back = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(copy(reader, back), copy(there, writer))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    await asyncio.gather(*filter(None, serving))


# Which proxy.


@pytest.mark.parametrize(
    ("environment", "configured", "expected"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, None, "http://proxy:3128"),
        ({"https_proxy": "http://proxy:3128"}, None, "http://proxy:3128"),
        ({"HTTPS_PROXY": "proxy:3128"}, None, "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, None, None),
        ({"ALL_PROXY": "http://proxy:3128"}, None, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "hooks.example.com"}, None, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "x, .example.com"}, None, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "*"}, None, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "ooks.example.com"}, None, "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, False, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "https://mine:8080", "https://mine:8080"),
        ({"NO_PROXY": "*"}, "http://mine:8080", "http://mine:8080"),
    ],
)
def test_the_proxy_is_the_configured_one_or_as_for_calls_to_aws(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], configured: Any, expected: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    wanted = SecretStr(configured) if configured else configured
    found = proxy_for("https://hooks.example.com/x", wanted)
    assert (None if found is None else str(found)) == expected


@pytest.mark.parametrize(
    "wrong",
    ["http://", "http://proxy:port", "//", "socks5h://proxy:1080", "HTTP://proxy:3128", " http://proxy:3128",
     "http://ops:12#let-me-0ut@proxy:3128", "http://ops:12?let-me-0ut@proxy:3128"],
)  # fmt: skip
def test_a_proxy_of_the_environment_that_cannot_be_used_is_said_so(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", wrong)
    with pytest.raises(SinkError, match="the proxy that the environment names"):
        proxy_for("https://hooks.example.com/x", None)


# What goes through it.


async def test_plain_http_goes_through_the_environments_proxy_byte_for_byte(
    proxy: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that only the proxy can resolve."""
    monkeypatch.setenv("HTTP_PROXY", f"http://ops:{PASSWORD}@127.0.0.1:{proxy.port}")
    asked = resolve_to(monkeypatch)
    url = "http://receiver.invalid/a%3Ab?sig=a%2Bb%2Fc%3D%3D"
    answer = await try_once(url, proxy=None, allow_private=False)
    assert answer.verdict is Verdict.TAKEN
    (request,) = proxy.received
    assert (request.path, request.headers["Host"]) == (url, "receiver.invalid")
    assert request.headers["Proxy-Authorization"] == "Basic b3BzOmxldC1tZS0wdXQtcGxlYXNl"
    assert not asked


async def test_https_goes_through_a_tunnel_and_the_receivers_certificate_is_checked(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("receiver.invalid").configure_cert(context)
    async with receiving(tls=context) as receiver, tunnelling(receiver.port) as (where, asked):
        options = {
            "proxy": SecretStr(f"http://ops:{PASSWORD}@{where}"),
            "ca_file": str(tmp_path / "ca.pem"),
            "allow_http": False,
            "allow_private": False,
        }
        answer = await try_once("https://receiver.invalid/hook?a=%2F", **options)
        assert answer.verdict is Verdict.TAKEN
        with pytest.raises(SinkError, match=r"other\.invalid, through the proxy .*certificate is not trusted"):
            await try_once("https://other.invalid/hook", **options)
    (request,) = receiver.received
    assert request.path == "/hook?a=%2F"
    assert "Proxy-Authorization" not in request.headers
    first, second = asked
    assert first.startswith(b"CONNECT receiver.invalid:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic b3BzOmxldC1tZS0wdXQtcGxlYXNl" in first
    assert b"/hook" not in first + second


async def test_off_posts_directly_whatever_the_environment_says(
    proxy: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert (await try_once(proxy.url("/hook"), proxy=False)).verdict is Verdict.TAKEN
    assert [request.path for request in proxy.received] == ["/hook"]


# What is refused, and what went wrong.


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "[::1]", "localhost", "LOCALHOST.", "a.localhost", "169.254.169.254", "100.100.100.200",
     "[::ffff:127.0.0.1]", "[fd20:ce::254]"],
)  # fmt: skip
async def test_a_literal_address_or_loopback_name_is_refused_through_a_proxy_too(proxy: Receiver, host: str) -> None:
    setting = SecretStr(proxy.url(""))
    with pytest.raises(SinkError, match="allow_private"):
        await try_once(f"http://{host}:8080/x", proxy=setting, allow_private=False)
    assert not proxy.received
    if host == "127.0.0.1":  # what is allowed goes through it as well
        await try_once(f"http://{host}:8080/x", proxy=setting)
        assert len(proxy.received) == 1


async def test_what_goes_wrong_with_a_proxy_names_it_and_hides_its_password() -> None:
    async with tunnelling(0, b"407 who is ops:" + PASSWORD.encode() + b"\x1b[31m") as (where, _):
        proxy = SecretStr(f"http://ops:{PASSWORD}@{where}")
        with pytest.raises(SinkError) as refused:
            await try_once("https://receiver.invalid/T0P", proxy=proxy)
    with pytest.raises(SinkError) as gone:
        await try_once("https://receiver.invalid/T0P", proxy=proxy)
    with pytest.raises(SinkError) as unknown:
        await try_once("https://receiver.invalid/T0P", proxy=SecretStr("http://proxy.invalid:3128"))
    through = f"receiver.invalid, through the proxy {where}: "
    assert str(refused.value) == f"{through}the proxy responded 407 who is [redacted]\\x1b[31m"
    assert str(gone.value) == f"{through}no connection to the proxy: Connection refused"
    assert str(unknown.value).endswith("the proxy proxy.invalid:3128: the proxy's name cannot be resolved")


async def test_a_tunnel_that_is_cut_is_said_so() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        proxy = SecretStr(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(SinkError, match=r"no connection: it was closed$"):
            await try_once("https://receiver.invalid/", proxy=proxy)


@pytest.mark.parametrize(
    "credentials", [f"ops:{PASSWORD}", ":let-me-1n-please", "let-me-0n-please", "öps:let-me-by-plëase"]
)
async def test_a_proxy_that_repeats_its_credentials_is_not_quoted(proxy: Receiver, credentials: str) -> None:
    def repeat(request: Received) -> Reply:
        encoded = request.headers["Proxy-Authorization"].removeprefix("Basic ")
        user, _, password = b64decode(encoded).decode("latin-1").partition(":")
        return Reply(407, body=f"bad password {password or user} ({encoded})".encode())

    proxy.answer = repeat
    setting = SecretStr(proxy.url("").replace("http://", f"http://{credentials}@"))
    answer = await try_once("http://receiver.invalid/", proxy=setting)
    assert answer.verdict is Verdict.LATER
    assert answer.text == "407 Proxy Authentication Required: bad password [redacted] ([redacted])"
