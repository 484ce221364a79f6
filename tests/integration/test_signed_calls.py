"""Calls to AWS as they go over the wire: those that are signed here, and those that botocore makes, are the same."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiobotocore.client import AioBaseClient
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials, AioRefreshableCredentials
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import get_session
from aiohttp import TCPConnector
from aiohttp.client_proto import ResponseHandler
from structlog.testing import capture_logs

from tests.integration.conftest import a_stack, use_botocore
from tests.integration.receiver import Cut, Received, Receiver, Reply, json_reply, receiving
from tests.integration.test_proxy import PASSWORD, VARIABLES, tunnelling
from tests.support.simulator import attempt
from watcher.aws import client as client_module
from watcher.aws import signed_calls
from watcher.aws.client import Client
from watcher.aws.responses import body_of
from watcher.aws.sessions import Sessions
from watcher.aws.signed_calls import RequestTemplate
from watcher.aws.sigv4 import Keys
from watcher.core.settings import Account
from watcher.errors import EndpointUnreadable, PollFailed, TargetUnreadable
from watcher.simulator.credentials import TemporaryCredentials
from watcher.simulator.inventory import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.simulator import Simulator

REGION = "us-east-1"
OPERATION = "GetResourceSyncStatus"
STACK = a_stack()
either_way = pytest.mark.usefixtures("way")
OWN = ("authorization", "x-amz-date", "amz-sdk-invocation-id")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials, and no proxy."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-tests")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@asynccontextmanager
async def client(url: str | None, sessions: Sessions | None = None) -> AsyncIterator[Client]:
    account = Account("default", (REGION,), endpoint_url=url)
    made = Client("codeconnections", REGION, account, sessions or Sessions(), endpoint_url=url, pool=10)
    try:
        yield made
    finally:
        await made.close()


async def call(made: Client, name: str = "network") -> dict[str, Any]:
    answer = await made.call(OPERATION, STACK.kind.request(STACK) | {"ResourceName": name}, 20.0)
    return body_of(answer["body"], answer["content_type"])


async def outcome(made: Client) -> tuple[str, ...]:
    """What a call ends with."""
    try:
        return ("answer", str(await call(made)))
    except PollFailed as error:
        return (type(error).__name__, error.code, error.message, str(error.passing), str(error.stale_credentials))


@pytest.fixture
async def aws() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        made.answer = lambda _: json_reply(200)
        yield made


CLOSE = b"Connection: close"


def http_reply(*lines: bytes) -> Reply:
    """A reply of these lines, the first without the version; then the connection is closed."""
    return Reply(raw=lambda: iter([b"HTTP/1.1 " + b"\r\n".join(lines)]))


def constant(request: Received) -> dict[str, str]:
    """The headers that do not depend on the moment."""
    return {name.lower(): value for name, value in request.headers.items() if name.lower() not in OWN}


async def test_a_signed_request_is_what_botocore_sends(aws: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    request_of, made_here = RequestTemplate.request, list[dict[str, Any]]()

    def counted(template: RequestTemplate, parameters: dict[str, Any], keys: Keys) -> tuple[dict[str, str], bytes]:
        made_here.append(parameters)
        return request_of(template, parameters, keys)

    monkeypatch.setattr(RequestTemplate, "request", counted)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
    async with client(aws.url("")) as made:
        for _ in range(3):
            await call(made)
        use_botocore(monkeypatch)
        await call(made)
    assert len(made_here) == 2, "botocore made the first and the last"
    first, *signed, last = aws.received
    for request in signed:
        assert (request.method, request.path, request.body) == (first.method, first.path, first.body)
        assert constant(request) == constant(first) == constant(last)
        assert request.headers["X-Amz-Security-Token"] == "a-token"
        scope, names, _ = request.headers["Authorization"].split(", ")
        assert last.headers["Authorization"].startswith(f"{scope}, {names}, ")
    assert len({request.headers["amz-sdk-invocation-id"] for request in aws.received}) == 4


async def test_a_client_has_its_connections_where_calls_expect_them() -> None:
    """The names that are not public, of botocore's client and of aiobotocore's and aiohttp's connections."""
    async with get_session().create_client("codeconnections", region_name=REGION, config=AioConfig()) as api:
        assert isinstance(api._endpoint.http_session, AIOHTTPSession)
        assert type(api)._make_api_call is AioBaseClient._make_api_call
        assert api._endpoint.http_session._proxy_config.proxy_url_for("https://aws.invalid/") is None
        assert isinstance((await api._endpoint.http_session._get_session(None)).connector, TCPConnector)
    assert [*signature(TCPConnector.connect).parameters] == ["self", "req", "traces", "timeout"]
    assert {"read_until_eof", "auto_decompress"} <= signature(ResponseHandler.set_response_params).parameters.keys()


@either_way
async def test_credentials_that_rotate_between_two_calls_sign_the_next_one(simulator: Simulator) -> None:
    """The simulator verifies every signature."""
    sessions = Sessions()
    simulator.world.show(STACK, attempt(STACK, "SUCCEEDED", 1.0))
    issued: list[str] = []

    async def renewed() -> dict[str, str]:
        keys = TemporaryCredentials(f"ASIA{len(issued)}", f"secret{len(issued)}", f"token{len(issued)}", 2e9, ACCOUNT)
        simulator._keyring.issued[keys.access_key] = keys
        issued.append(keys.access_key)
        later = datetime.now(UTC) + timedelta(hours=1)
        return {
            "access_key": keys.access_key, "secret_key": keys.secret, "token": keys.token,
            "expiry_time": later.isoformat(),
        }  # fmt: skip

    async with client(simulator.url, sessions) as made:
        session = sessions.of(made._account, REGION)
        session._credentials = AioRefreshableCredentials.create_from_metadata(await renewed(), renewed, "test")
        for number in range(3):
            for _ in range(2):
                await call(made)
            assert len(issued) == number + 1
            session._credentials._expiry_time = datetime.now(UTC)
    assert [each.access_key for each in simulator.calls] == [key for key in issued for _ in range(2)]


@either_way
@pytest.mark.parametrize("header", ["x: y\r\nx-injected: 1", "x\nx-injected: 1", "x\0"])
async def test_a_token_never_ends_its_header(aws: Receiver, header: str) -> None:
    sessions = Sessions()
    async with client(aws.url(""), sessions) as made:
        credentials = AioCredentials("AKIDEXAMPLE", "a-secret-of-the-tests", "a-token")
        sessions.of(made._account, REGION)._credentials = credentials
        await call(made)
        credentials.token = header
        assert (await outcome(made))[:2] == ("EndpointUnreadable", "ConnectionFailed")
    assert len(aws.received) == 1


@either_way
async def test_refused_credentials_are_replaced_after_the_error(aws: Receiver) -> None:
    sessions = Sessions()
    async with client(aws.url(""), sessions) as made:
        await call(made)
        before = sessions.of(made._account, REGION)
        aws.script.append(json_reply(400, __type="ExpiredTokenException", message="The security token is expired"))
        kind, code, _, passing, stale = await outcome(made)
        assert (kind, code, passing, stale) == ("EndpointUnreadable", "ExpiredTokenException", "True", "True")
        assert sessions.of(made._account, REGION) is not before
        assert await outcome(made) == ("answer", "{}")


@pytest.mark.parametrize(
    "reply",
    [
        json_reply(400, __type="ResourceNotFoundException", message="no such stack"),
        json_reply(403, __type="com.amazonaws#InvalidSignatureException", message="Signature expired: 2026 is now"),
        Reply(400, {"x-amzn-errortype": "ValidationException:http://x/"}, b""),
        Reply(500, {}, b"[]"),
        Reply(503, {}, b"<html>"),
        Reply(302, {"Location": "http://127.0.0.1:1/"}, b""),
        Reply(cut=Cut.AFTER),
        http_reply(b"abc", b"", b""),
        http_reply(b"200 OK", b"Content-Length: 9", b"", b"{}"),
        http_reply(b"200 OK", b"A: " + b"x" * 10_000, b"Content-Length: 2", b"", b"{}"),
        http_reply(b"101 Switching Protocols", b"Upgrade: x", b"Connection: upgrade", b"", b"{}"),
        http_reply(b"103 Early Hints", b"", b"HTTP/1.1 200 OK", CLOSE, b"Content-Length: 2", b"", b"{}"),
        http_reply(*[b"103 Early Hints", b"", b"HTTP/1.1 103 Early Hints"] * 50, b""),
        http_reply(b"200 OK", CLOSE, b"Transfer-Encoding: chunked", b"", b"1", b"{", b"1", b"}", b"0", b"", b""),
        http_reply(b"200 OK", b"Transfer-Encoding: chunked", b"", b"1", b"{", b""),
        http_reply(b"200 OK", CLOSE, b"", b"{}"),
        Reply(204),
        Reply(200, {"Content-Encoding": "gzip"}, gzip.compress(b"{}")),
        Reply(200, {}, b'{"long": "' + b"x" * 1_000_000 + b'"}'),
        Reply(200, {}, b"x" * 2 * 1024 * 1024),
    ],
)
async def test_an_unusual_answer_is_the_same_either_way(
    aws: Receiver, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    async with client(aws.url("")) as made:
        await call(made)
        aws.script.append(reply)
        signed = await outcome(made)
        use_botocore(monkeypatch)
        await call(made)
        aws.script.append(reply)
        assert await outcome(made) == signed
        assert await outcome(made) == ("answer", "{}")


@either_way
async def test_a_connection_that_ends_just_when_it_is_used_is_a_failed_connection() -> None:
    """Only `polling.endpoint` makes a request again: it counts each against the rate limit."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            for _ in range(2):
                await reader.readuntil(b"}")
                asked += 1
                if asked != 2:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    await writer.drain()
                else:
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as made:
        await call(made)
        kind, code, _, passing, _ = await outcome(made)
        assert (kind, code, passing) == ("EndpointUnreadable", "ConnectionFailed", "True")
        assert await outcome(made) == ("answer", "{}")
    assert asked == 3


@either_way
async def test_calls_share_connections_and_leave_none_with_half_an_answer(aws: Receiver) -> None:
    async with client(aws.url("")) as made:
        for _ in range(3):
            await call(made)
        assert len({request.peer for request in aws.received}) == 1
        aws.script.append(Reply(200, {}, b'{"late": 1}', delay=0.2))
        with pytest.raises(EndpointUnreadable, match="no complete answer within 50ms"):
            await made.call(OPERATION, STACK.kind.request(STACK), 0.05)
        await aws.until_true(lambda: aws.broken_off == 1)
        assert await outcome(made) == ("answer", "{}")
        await asyncio.gather(*(call(made) for _ in range(50)))
        assert 1 < len({request.peer for request in aws.received[5:]}) <= 10, "as many as the pool may have"


@either_way
async def test_a_proxy_gets_its_password_and_no_proxy_is_respected(
    aws: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://ops:{PASSWORD}@127.0.0.1:{aws.port}")
    async with client("http://aws.invalid") as made:
        for _ in range(3):
            await call(made)
    assert aws.received[1].peer == aws.received[2].peer
    for request in aws.received:
        assert (request.path, request.headers["Host"]) == ("http://aws.invalid/", "aws.invalid")
        assert request.headers["Proxy-Authorization"] == "Basic b3BzOmxldC1tZS0wdXQtcGxlYXNl"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with client(aws.url("")) as made:
        for _ in range(2):
            await call(made)
    assert {request.path for request in aws.received[3:]} == {"/"}


@either_way
@pytest.mark.parametrize("proxy", ["socks5://ops:{}@127.0.0.1:1080", "socks4a://127.0.0.1", "ops:12#{}@127.0.0.1"])
async def test_a_proxy_of_another_kind_is_not_supported(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.format(PASSWORD))
    async with client("https://aws.invalid") as made:
        with pytest.raises(EndpointUnreadable, match=r"^InvalidProxy: .* HTTPS_PROXY .* SOCKS.*supported$") as caught:
            await call(made)
    assert PASSWORD not in str(caught.value)
    assert not caught.value.passing


@either_way
@pytest.mark.parametrize(
    ("variable", "host"),
    [
        ("AWS_USE_FIPS_ENDPOINT", "codeconnections-fips.us-east-1.amazonaws.com"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "codeconnections.us-east-1.api.aws"),
    ],
)
async def test_fips_and_dualstack_endpoints_certificates_of_either_side_and_a_tunnel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, host: str
) -> None:
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert(host).configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("watcher").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    monkeypatch.setenv(variable, "true")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr(client_module, "AioConfig", partial(AioConfig, client_cert=str(tmp_path / "client.pem")))
    async with receiving(tls=context) as aws, tunnelling(aws.port) as (where, asked):
        aws.answer = lambda _: json_reply(200)
        monkeypatch.setenv("HTTPS_PROXY", f"http://ops:{PASSWORD}@{where}")
        async with client(None) as made:
            for _ in range(2):
                await call(made)
    assert [request.headers["Host"] for request in aws.received] == [host, host]
    assert asked[0].startswith(f"CONNECT {host}:443 ".encode())
    assert b"Proxy-Authorization: Basic b3BzOmxldC1tZS0wdXQtcGxlYXNl" in asked[0]


@either_way
async def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with receiving(tls=context) as aws, client(aws.url("")) as made:
        for _ in range(2):
            assert (await outcome(made))[:2] == ("EndpointUnreadable", "TLSFailed")
        assert not aws.received


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("http", {"requestUri": "/v2"}, "its protocol is not JSON 1.0"),
        ("context_parameters", ["name"], "its endpoint depends on its parameters"),
        ("idempotent_members", ["token"], "botocore adds to its requests"),
    ],
)
async def test_an_unusual_operation_is_left_to_botocore_and_the_log_says_so_once(
    aws: Receiver, monkeypatch: pytest.MonkeyPatch, name: str, value: object, reason: str
) -> None:
    signed_calls._tell.cache_clear()
    original = signed_calls._refuse_unusual

    class Altered:
        def __init__(self, model: Any) -> None:
            self.model = model

        def __getattr__(self, asked: str) -> Any:
            return value if asked == name else getattr(self.model, asked)

    monkeypatch.setattr(signed_calls, "_refuse_unusual", lambda model: original(Altered(model)))
    with capture_logs() as logs:
        for _ in range(2):
            async with client(aws.url("")) as made:
                await call(made)
                await call(made)
    assert len(aws.received) == 4
    assert [(line["event"], line["operation"], line["reason"]) for line in logs] == [
        ("requests.made_by_botocore", OPERATION, reason)
    ]


async def test_a_signature_of_another_form_is_left_to_botocore(aws: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed_calls, "canonical_request", lambda *_: "")
    signed_calls._tell.cache_clear()
    with capture_logs() as logs:
        async with client(aws.url("")) as made:
            for _ in range(2):
                await call(made)
    assert [line["reason"] for line in logs] == ["its signature has another form"]
    assert len(aws.received) == 2


async def test_parameters_other_than_scalars_are_left_to_botocore(aws: Receiver) -> None:
    async with client(aws.url("")) as made:
        await call(made)
        with pytest.raises(TargetUnreadable, match="Invalid type for parameter ResourceName"):
            await call(made, ["network"])  # type: ignore[arg-type]
