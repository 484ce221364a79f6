"""Accounts: roles, profiles, regions, endpoint URLs, and rates of their own."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from tests.integration.conftest import FAST, a_config, a_stack, running
from tests.support.simulator import Simulator
from tests.support.sleeper import share_slept
from watcher.core.settings import Account, RateLimit, Retry
from watcher.polling.rate_limiter import RateLimiter
from watcher.simulator.scenario import Role, Scenario
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from pathlib import Path


ROLE = "arn:aws:iam::111122223333:role/watcher"


async def test_a_role_is_assumed_with_its_external_id_and_again_before_it_expires(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulator = Simulator(Scenario("roles", roles=(Role(ROLE, "between-us", lifetime=60.0),)))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", await simulator.start())
    account = Account(
        "prod", ("eu-west-1",), role_arn=ROLE, external_id=SecretStr("between-us"), endpoint_url=simulator.url,
        rate_limit=RateLimit(100, 10),
    )  # fmt: skip
    target = stack("prod", "eu-west-1", "network", **FAST)
    async with running(simulator, a_config(None, [target], accounts={"prod": account})) as watch:
        watch.show(target, "SUCCEEDED", 1)
        await watch.until(lambda: len({call.access_key for call in simulator.calls if call.operation[0] == "G"}) >= 3)
        assert watch.caught.events == []
        assert "test" not in {call.access_key for call in simulator.calls if call.operation == "GetResourceSyncStatus"}
    await simulator.stop()


async def test_a_refused_role_makes_its_endpoint_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = Simulator(Scenario("roles", roles=(Role(ROLE, "between-us"),)))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", await simulator.start())
    account = Account(
        "prod", ("eu-west-1",), role_arn=ROLE, external_id=SecretStr("wrong-guess"), endpoint_url=simulator.url
    )
    target = stack("prod", "eu-west-1", "network", **FAST)
    async with running(simulator, a_config(None, [target], accounts={"prod": account})) as watch:
        await watch.until(lambda: len(watch.caught.events) == 1)
        (event,) = watch.caught.events
        assert (event["type"], event["subject"]) == ("watcher.endpoint.unreadable", "prod/eu-west-1/codeconnections")
        assert event["data"]["error"]["code"] == "AccessDenied"
        assert "wrong-guess" not in str(event)
    await simulator.stop()


async def test_credentials_that_were_rotated_on_disk_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """AWS refuses the old ones; the daemon reads the file again and sends no event."""
    simulator = Simulator(Scenario("rotation", keys={"NEWKEY": "new-secret", "OLDKEY": "old-secret"}))
    await simulator.start()
    profile = tmp_path / "credentials"
    profile.write_text("[rotating]\naws_access_key_id = OLDKEY\naws_secret_access_key = old-secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profile))
    target = a_stack()
    account = Account(
        "default", ("us-east-1",), profile="rotating", endpoint_url=simulator.url, rate_limit=RateLimit(100, 10)
    )
    config = a_config(None, [target], accounts={"default": account}, retry=Retry(4, 0.01, 0.02))
    async with running(simulator, config) as watch:
        watch.show(target, "SUCCEEDED", 1)
        await watch.until(lambda: watch.app.recorder.record_of(target.id).known is not None)
        profile.write_text("[rotating]\naws_access_key_id = NEWKEY\naws_secret_access_key = new-secret\n")
        simulator.world.fault(None, "expired_credentials", calls=1)
        await watch.until(lambda: simulator.calls[-1].access_key == "NEWKEY")
        watch.show(target, "FAILED", 2)
        await watch.events(1)
        assert watch.kinds() == ["sync.failed"]
    await simulator.stop()


async def test_a_missing_profile_is_reported(simulator: Simulator) -> None:
    account = Account("default", ("us-east-1",), profile="nobody", endpoint_url=simulator.url)
    async with running(simulator, a_config(None, [a_stack()], accounts={"default": account})) as watch:
        await watch.until(lambda: len(watch.caught.events) == 1)
        assert watch.caught.events[0]["data"]["error"]["code"] == "ProfileNotFound"


async def test_missing_credentials_are_reported(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    async with running(simulator, a_config(simulator.url, [a_stack()])) as watch:
        await watch.until(lambda: len(watch.caught.events) == 1)
        assert watch.caught.events[0]["data"]["error"]["code"] == "NoCredentials"


async def test_each_region_is_an_endpoint_of_its_own(simulator: Simulator) -> None:
    """A region that cannot be read says nothing of the other."""
    account = Account("default", ("us-east-1", "eu-west-1"), endpoint_url=simulator.url, rate_limit=RateLimit(100, 10))
    targets = [stack("default", region, "network", **FAST) for region in account.regions]
    simulator.world.fault(None, "access_denied", region="eu-west-1")
    async with running(simulator, a_config(None, targets, accounts={"default": account})) as watch:
        watch.show(targets[0], "FAILED", 1)
        await watch.until(lambda: len(watch.caught.events) == 2)
        assert {event["source"] for event in watch.caught.events} == {
            "/watcher/default/us-east-1", "/watcher/default/eu-west-1",
        }  # fmt: skip
        assert sorted(watch.kinds()) == ["endpoint.unreadable", "sync.failed"]


@pytest.mark.alone
async def test_the_rate_holds_for_each_endpoint_retries_included(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls are counted as they begin: a busy machine lets them arrive closer, and fewer of them."""
    begun: list[float] = []
    acquire = RateLimiter.acquire

    async def acquired(limiter: RateLimiter) -> None:
        await acquire(limiter)
        begun.append(time.monotonic())

    monkeypatch.setattr(RateLimiter, "acquire", acquired)
    account = Account("default", ("us-east-1",), endpoint_url=simulator.url, rate_limit=RateLimit(20, 10))
    targets = [a_stack(f"stack-{number}") for number in range(30)]
    simulator.world.fault(None, "server_error", at=None)
    config = a_config(None, targets, accounts={"default": account}, unreadable_after=1000, retry=Retry(3, 0.01, 0.02))
    async with running(simulator, config) as watch:
        _, slept = await asyncio.gather(watch.until(lambda: len(simulator.calls) >= 70), share_slept(0.05, 2.0))
    assert len(begun) >= len(simulator.calls)
    most = max(sum(1 for other in begun if at <= other < at + 1) for at in begun)
    assert most <= 20
    assert (len(begun) - 20) / (begun[-1] - begun[19]) >= 0.85 * 20 * slept, "a backlog uses what is allowed"


@pytest.mark.alone
async def test_a_throttled_rate_is_lowered_and_climbs_back(simulator: Simulator) -> None:
    target = [a_stack(f"stack-{number}") for number in range(20)]
    async with running(simulator, a_config(simulator.url, target, unreadable_after=1000)) as watch:
        (endpoint,) = watch.app.polling.endpoints.values()
        await watch.polls(1)
        assert endpoint.rate_limiter.rate == 200
        simulator.world.limit(20)
        await watch.until(lambda: endpoint.rate_limiter.rate < 60)
        simulator.world.limit(100_000)
        lowered = endpoint.rate_limiter.rate
        await watch.until(lambda: endpoint.rate_limiter.rate > 2 * lowered)
        assert endpoint.rate_limiter.rate <= 200
