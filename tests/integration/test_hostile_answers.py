"""Answers that no AWS gives, and what may be in the way: nothing is believed, followed or given away."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.integration.conftest import a_config, a_stack, running
from tests.support.simulator import Simulator
from watcher.core.settings import Account, RateLimit, Retry
from watcher.simulator.scenario import Role, Scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tests.integration.conftest import Watch

pytestmark = pytest.mark.usefixtures("way_in_soak")

ROLE = "arn:aws:iam::111122223333:role/watcher"


@asynccontextmanager
async def server(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def only_event(watch: Watch) -> dict[str, object]:
    await watch.until(lambda: len(watch.caught.events) == 1)
    return dict(watch.caught.events[0])


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(simulator: Simulator, status: int) -> None:
    """The signed request, with its session token, is for one host alone; and each hop would be a call more."""
    asked = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": f"{simulator.url}/evil"})

    async with server(elsewhere) as url, running(simulator, a_config(url, [a_stack()], retry=Retry(1, 1, 1))) as watch:
        watch.show(a_stack(), "FAILED", 1)
        event = await only_event(watch)
        assert event["type"] == "watcher.endpoint.unreadable"
        assert event["data"]["error"]["code"] == str(status)
        assert not simulator.calls
        assert set(asked) == {"/"}


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "code"),
    [
        (400, b"", {"x-amzn-errortype": "ResourceNotFoundException:http://x/"}, "target", "ResourceNotFoundException"),
        (400, b"{}", {"x-amzn-errortype": "com.aws#ValidationException"}, "target", "ValidationException"),
        (500, b"[]", {}, "endpoint", "500"),
        (400, b"null", {}, "endpoint", "400"),
        (503, b'{"__type": 7}', {}, "endpoint", "503"),
        (204, b"", {}, "endpoint", "MalformedAnswer"),
        (200, b"\xef\xbb\xbf", {}, "endpoint", "MalformedAnswer"),
    ],
)
async def test_an_odd_error_is_what_its_status_or_its_header_says(
    simulator: Simulator, status: int, body: bytes, headers: dict[str, str], kind: str, code: str
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers, content_type="application/x-amz-json-1.0")

    async with server(answer) as url, running(simulator, a_config(url, [a_stack()], retry=Retry(1, 1, 1))) as watch:
        event = await only_event(watch)
        assert (event["type"], event["data"]["error"]["code"]) == (f"watcher.{kind}.unreadable", code)


async def test_credentials_that_come_later_are_found(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    target = a_stack()
    async with running(simulator, a_config(simulator.url, [target])) as watch:
        watch.show(target, "SUCCEEDED", 1)
        await only_event(watch)
        (tmp_path / "credentials").write_text("[default]\naws_access_key_id = K\naws_secret_access_key = made-up-key\n")
        await watch.until(lambda: len(watch.caught.events) == 2)
        assert watch.kinds() == ["endpoint.unreadable", "endpoint.readable"]


async def test_a_roles_secrets_are_hidden_when_aws_repeats_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator = Simulator(Scenario("roles", roles=(Role(ROLE),)))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", await simulator.start())
    tokens = set()

    async def repeating(request: web.Request) -> web.Response:
        tokens.add(token := request.headers["X-Amz-Security-Token"])
        told = {"__type": "AccessDeniedException", "Message": f"you sent {token} and that is wrong"}
        return web.Response(status=403, text=json.dumps(told), content_type="application/x-amz-json-1.0")

    async with server(repeating) as url:
        account = Account("default", ("us-east-1",), role_arn=ROLE, endpoint_url=url, rate_limit=RateLimit(100, 10))
        async with running(simulator, a_config(None, [a_stack()], accounts={"default": account})) as watch:
            event = await only_event(watch)
    await simulator.stop()
    printed = json.dumps(event) + "".join(capsys.readouterr())
    assert tokens
    assert all(token not in printed for token in tokens)
    assert "you sent [redacted] and that is wrong" in printed


async def test_a_long_timeout_is_the_targets_own(simulator: Simulator) -> None:
    """The client's own limit of a minute is out of the way: only the target's counts."""
    target = a_stack(timeout=0.4)
    async with running(simulator, a_config(simulator.url, [target], retry=Retry(1, 1, 1))) as watch:
        simulator.world.fault(None, "hang")
        event = await only_event(watch)
        assert event["data"]["error"]["message"] == "no complete answer within 400ms"
        (endpoint,) = watch.app.polling.endpoints.values()
        lent = endpoint._client._current
        assert lent is not None
        config = lent.api.meta.config
        assert min(config.read_timeout, config.connect_timeout) > 3600


async def test_polls_under_way_give_up_when_their_endpoint_is_unreadable(simulator: Simulator) -> None:
    """An unreadable endpoint is probed by one target at a time, also if other polls had begun before."""
    targets = [a_stack(f"stack-{number}") for number in range(30)]
    simulator.world.fault(None, "server_error")
    config = a_config(simulator.url, targets, retry=Retry(20, 0.2, 0.4), unreadable_after=1)
    async with running(simulator, config) as watch:
        (poller,) = watch.app.polling._pollers.values()
        # One poll gives up early; all others are still trying.
        simulator.world.fault(targets[0], "access_denied")
        await only_event(watch)
        seen = len(simulator.calls)
        await watch.until(lambda: len(poller._polls) <= 1)
        assert len(simulator.calls) - seen <= 20, "each had one try under way, and perhaps one that had its leave"
        together = []
        simulator.on_call = lambda _: together.append(len(poller._polls))
        await watch.until(lambda: len(together) >= 12)
        assert {*together} == {1}
        pauses = [later.at - earlier.at for earlier, later in pairwise([*simulator.calls][-12:])]
        assert min(pauses) >= 0.099, "a probe in each interval"
