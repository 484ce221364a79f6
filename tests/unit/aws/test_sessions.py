"""A session's credentials: loaded once for all who ask, refreshed ahead, and replaced when they fail for long."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiobotocore.credentials import AioDeferredRefreshableCredentials, AioRefreshableCredentials

from watcher.aws import sessions
from watcher.aws.credential_chain import Chain
from watcher.aws.sessions import Session, Sessions
from watcher.core.model import EndpointKey
from watcher.core.settings import Account, Retry
from watcher.errors import EndpointUnreadable
from watcher.polling.endpoint import Endpoint
from watcher.polling.rate_limiter import RateLimiter

ACCOUNT = Account("team", ("us-east-1",))


def refreshable(expire_in: timedelta, refresh: Any) -> AioRefreshableCredentials:
    return AioRefreshableCredentials("key", "secret", "token", datetime.now(UTC) + expire_in, refresh, "container-role")


@pytest.fixture
def session(aws_credentials: None) -> Session:
    return Sessions().of(ACCOUNT, "us-east-1")


async def test_credentials_that_expire_soon_are_used_while_newer_ones_are_loaded(session: Session) -> None:
    """A credentials server that hangs delays nothing until the last ten minutes."""
    asked, never = [], asyncio.Event()

    async def hang() -> None:
        asked.append(1)
        await never.wait()

    session._credentials = refreshable(timedelta(minutes=12), hang)
    for _ in range(20):
        await asyncio.wait_for(session.prepare(), 10)
    frozen = await asyncio.wait_for((await session.load_credentials()).get_frozen_credentials(), 10)
    assert (frozen.access_key, len(asked)) == ("key", 1)
    session.close()


async def test_a_key_with_a_line_break_is_reported_as_such(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test\n")
    with pytest.raises(EndpointUnreadable, match=r"what the environment returned .*: the access key is not a text of"):
        await session.prepare()


async def test_credentials_that_can_sign_are_kept_while_newer_ones_do_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new session would begin without any."""
    asked = []

    async def hang() -> None:
        asked.append(1)
        await asyncio.Event().wait()

    monkeypatch.setattr(sessions, "LOADING_SECONDS", 0.01)

    monkeypatch.setattr(sessions, "RENEW_SECONDS", 0.0)
    known = Sessions()
    session = known.of(ACCOUNT, "us-east-1")
    session._credentials = refreshable(timedelta(minutes=12), hang)
    while len(asked) < 3:
        await session.prepare()
        await asyncio.sleep(0.01)
    assert known.of(ACCOUNT, "us-east-1") is session


async def test_credentials_of_a_few_minutes_are_not_loaded_at_every_call(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def load() -> dict[str, str]:
        asked.append(1)
        expiry = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
        return {"access_key": "key", "secret_key": "secret", "token": "token", "expiry_time": expiry}

    async def first() -> AioDeferredRefreshableCredentials:
        return AioDeferredRefreshableCredentials(load, "custom-process")

    chain = SimpleNamespace(load_credentials=first, asked="")
    monkeypatch.setattr(sessions, "ambient_chain", lambda *_: chain)
    for _ in range(20):
        await session.prepare()
        await (await session.load_credentials()).get_frozen_credentials()
    assert len(asked) == 1


async def test_a_timeout_of_the_credentials_that_assume_a_role_names_their_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = Account("team", ("us-east-1",), role_arn="arn:aws:iam::123456789012:role/reader")
    server = SimpleNamespace(METHOD="container-role", load=asyncio.Event().wait)
    monkeypatch.setattr(sessions, "LOADING_SECONDS", 0.01)
    monkeypatch.setattr(sessions, "ambient_chain", lambda *_: Chain([server]))
    with pytest.raises(EndpointUnreadable, match=r"no credentials within .* from the container's credentials server$"):
        await Sessions().of(account, "us-east-1").prepare()


async def test_credentials_that_have_expired_are_waited_for_by_all_at_once(session: Session) -> None:
    asked = []

    async def refuse() -> None:
        asked.append(1)
        await asyncio.sleep(0.05)
        raise OSError("no")

    session._credentials = refreshable(timedelta(minutes=5), refuse)
    told = await asyncio.gather(*(session.prepare() for _ in range(20)), return_exceptions=True)
    assert {(type(error), str(error)) for error in told} == {(EndpointUnreadable, "ConnectionFailed: no")}
    assert len(asked) == 1


async def test_a_session_that_fails_is_replaced_after_a_while_and_one_that_works_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(sessions.time, "monotonic", lambda: now)
    all_of_them = Sessions()
    good, bad = Account("good", ()), Account("bad", (), profile="no-such-profile")
    first = {account.name: all_of_them.of(account, "us-east-1") for account in (good, bad)}
    for _ in range(2):
        with pytest.raises(EndpointUnreadable, match="ProfileNotFound"):
            await first["bad"].prepare()
        assert all_of_them.of(bad, "us-east-1") is first["bad"]
        now += sessions.RENEW_SECONDS / 2
    assert all_of_them.of(bad, "us-east-1") is not first["bad"]
    assert all_of_them.of(good, "us-east-1") is first["good"]
    all_of_them.drop()
    assert all_of_them.of(good, "us-east-1") is not first["good"]


async def test_a_call_that_is_admitted_begins_at_once_also_when_credentials_are_dropped_meanwhile(
    session: Session,
) -> None:
    """What waits for a client after the rate's leave would come too close to the next call."""
    all_of_them, waits = Sessions(), []

    class Dropping(RateLimiter):
        async def acquire(self) -> None:
            waits.append(1)
            if len(waits) < 3:
                all_of_them.drop()

    key = EndpointKey("team", "us-east-1", "codeconnections")
    endpoint = Endpoint(key, ACCOUNT, all_of_them, Retry(), Dropping(5))
    await endpoint.admit()
    assert (endpoint._client.is_open, len(waits)) == (True, 3)
    endpoint.dismiss()
    await endpoint.close()
