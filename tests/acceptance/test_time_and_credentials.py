"""What changes under a running daemon: credentials expire and are rotated, the wall clock is set."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import NETWORK, WEB
from tests.acceptance.inside import watching
from tests.support.clocks import ShiftedClock
from tests.support.event_oracle import facts_of, judge
from tests.support.installed_command import REGION, SECRET, Site
from tests.support.simulator import Simulator, attempt, is_poll
from tests.support.waiting import until
from watcher.aws import sessions
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.observability.observer import Observers
from watcher.simulator.credentials import TemporaryCredentials
from watcher.simulator.inventory import ACCOUNT
from watcher.simulator.scenario import Role, Scenario

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Places
    from watcher.core.model import Target

T = 1_795_420_800.0
LIFETIME = 5.0
ROLE = "arn:aws:iam::111122223333:role/watcher"


async def test_a_role_is_watched_beyond_the_expiry_of_its_credentials(places: Places) -> None:
    simulator = Simulator(Scenario("roles", roles=(Role(ROLE, "the-external-id", LIFETIME),)))
    await simulator.start()
    try:
        site = places(simulator)
        for target in (NETWORK, WEB):
            simulator.world.show(target, attempt(target, SUCCEEDED, T))
        site.environment["AWS_ENDPOINT_URL_STS"] = simulator.url
        site.configure(
            (NETWORK, WEB),
            f"accounts: [{{name: default, role_arn: '{ROLE}', external_id: the-external-id}}]",
            "unreadable_after: 1",
        )
        child = site.start()
        await until(lambda: child.printed().count(b"\n") == 2, "the first answers")
        begun = time.monotonic()
        await until(lambda: time.monotonic() > begun + 1.2 * LIFETIME, "the end of the first ones")
        simulator.world.show(WEB, attempt(WEB, FAILED, T + 1))
        await until(lambda: b"sync.failed" in child.printed(), "an event after them")
        assert await child.stopped() == 0
        assert {event["type"] for event in site.kept()} == {"watcher.sync.succeeded", "watcher.sync.failed"}
        asked = [call for call in simulator.calls if is_poll(call)]
        assert {call.answer for call in asked} == {SUCCEEDED, FAILED}
        assert len({call.access_key for call in asked}) > 2
    finally:
        await simulator.stop()


async def test_expired_credentials_are_reported_and_replaced_when_the_file_is_rotated(
    site: Site, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a restart: the endpoint becomes unreadable, and readable again."""
    monkeypatch.setattr(sessions, "RENEW_SECONDS", 0.5)
    shared = site.folder / "credentials"
    old = TemporaryCredentials("ASIAOLDOLDOLDOLDOLD1", "old-secret", "old-token", time.time() + 86400, ACCOUNT)
    new = TemporaryCredentials("ASIANEWNEWNEWNEWNEW1", "new-secret", "new-token", time.time() + 86400, ACCOUNT)
    simulator._keyring.issued |= {old.access_key: old, new.access_key: new}
    write_profile(shared, old)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(site.folder / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    account = f"{{name: default, profile: rotated, regions: [{REGION}], endpoint_url: '{simulator.url}'}}"
    site.configure((NETWORK,), f"accounts: [{account}]")
    simulator.world.show(NETWORK, attempt(NETWORK, SUCCEEDED, T))
    endpoint = str(NETWORK.endpoint)
    async with watching(site) as collected:
        await until(lambda: collected.types() == ["sync.succeeded"], "the first answer")
        simulator._keyring.issued[old.access_key] = TemporaryCredentials(
            old.access_key, old.secret, old.token, time.time() - 1, ACCOUNT
        )
        await until(lambda: collected.types(endpoint) == ["endpoint.unreadable"], "that they have expired")
        assert collected.events[-1]["data"]["error"]["code"] == "ExpiredTokenException"
        write_profile(shared, new)
        await until(lambda: collected.types(endpoint) == ["endpoint.unreadable", "endpoint.readable"], "the new ones")
        simulator.world.show(NETWORK, attempt(NETWORK, FAILED, T + 1))
        await until(lambda: collected.types()[-1] == "sync.failed", "an event after them")
    assert simulator.calls[-1].access_key == new.access_key
    judge(collected.events, must=(), shown=set(facts_of(collected.events)))


def write_profile(file: Path, keys: TemporaryCredentials) -> None:
    file.write_text(
        f"[rotated]\naws_access_key_id = {keys.access_key}\naws_secret_access_key = {keys.secret}\n"
        f"aws_session_token = {keys.token}\n",
        encoding="utf-8",
    )


@pytest.mark.parametrize("hours", [-1, 1])
async def test_setting_the_wall_clock_neither_stops_polls_nor_stalls_nor_loses_anything(
    site: Site, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    account = f"{{name: default, regions: [{REGION}], endpoint_url: '{simulator.url}'}}"
    site.configure((NETWORK, WEB), f"accounts: [{account}]")
    begun = time.time()
    for target in (NETWORK, WEB):
        simulator.world.show(target, attempt(target, IN_PROGRESS, begun))
    clock, polls = ShiftedClock(), []

    class Watch(Observers):
        def begun(self, target: Target, due: float, begun: float) -> None:
            polls.append(time.monotonic())

    async with watching(site, clock=clock, observers=[Watch()]) as collected:
        await until(lambda: len(collected.events) == 2 and len(polls) >= 10, "the first answers")
        clock.offset = timedelta(hours=hours)
        set_at = len(polls)
        await until(lambda: len(polls) >= set_at + 20, "polls after the clock was set")
        for status, started in ((SUCCEEDED, begun), (FAILED, begun + 1), (SUCCEEDED, begun + 2)):
            known = len(collected.events)
            for target in (NETWORK, WEB):
                simulator.world.show(target, attempt(target, status, started))
            await collected.reaches(known + 2)
    for target in (NETWORK, WEB):
        assert collected.types(target.id) == [
            "sync.in_progress", "sync.succeeded", "sync.failed", "sync.succeeded",
        ]  # fmt: skip
    kept = set(facts_of(site.kept()))
    judge(collected.events, must=kept, shown=kept)
    gaps = [later - earlier for earlier, later in pairwise(polls)]
    assert max(gaps) < 30, "an hour was waited for"
