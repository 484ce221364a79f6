"""The heartbeat over real sockets, to receivers that speak the protocols of outside monitors."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from structlog.testing import capture_logs

from tests.integration.conftest import a_config, a_stack, running
from tests.integration.outside_monitors import TOKEN, UUID, Gatus, Healthchecks, UptimeKuma
from tests.integration.receiver import Reply, receiving
from tests.support.clocks import ShiftedClock
from tests.support.fake_daemon import BEGAN, Peek, attempt, peeking
from tests.support.tasks import running as in_task
from tests.support.waiting import until
from watcher.core.heartbeat import Heartbeat, fail_url_of
from watcher.core.state import Outage
from watcher.delivery import heartbeat
from watcher.delivery.heartbeat import HeartbeatSender
from watcher.observability.backlogs import Backlogs
from watcher.observability.heartbeat_metrics import HeartbeatMetrics
from watcher.util.redaction import redact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    import pytest

    from tests.support.simulator import Simulator

STACK = a_stack()


def a_heartbeat(url: str, fail_url: str = "", **more: Any) -> Heartbeat:
    reached: Mapping[str, Any] = {"every": 0.1, "allow_http": True, "allow_private": True}
    return Heartbeat(SecretStr(url), SecretStr(fail_url or fail_url_of(url)), **reached | more)


async def test_outside_monitors_hear_of_a_daemon_that_is_well_and_of_one_that_is_not(simulator: Simulator) -> None:
    hc, gatus, kuma = Healthchecks(), Gatus(), UptimeKuma()
    async with (
        receiving(answer=hc.answer) as one,
        receiving(answer=gatus.answer) as two,
        receiving(answer=kuma.answer) as three,
    ):
        endpoint = "/api/v1/endpoints/core_watcher/external"
        beats = {
            hc: a_heartbeat(one.url(f"/ping/{UUID}")),
            gatus: a_heartbeat(
                two.url(f"{endpoint}?success=true"),
                two.url(f"{endpoint}?success=false&error={{reason}}"),
                method="POST",
                headers={"Authorization": SecretStr(f"Bearer {TOKEN}")},
            ),
            kuma: a_heartbeat(
                three.url(f"/api/push/{TOKEN}?status=up"),
                three.url(f"/api/push/{TOKEN}?status=down&msg={{reason}}"),
                method="GET",
            ),
        }
        config = replace(a_config(simulator.url, [STACK]), heartbeat=beats[hc])
        async with running(simulator, config) as watch:
            watch.show(STACK, "SUCCEEDED", 1)
            for monitor, beat in beats.items():
                await watch.app.apply(replace(config, heartbeat=beat))
                await watch.until(lambda monitor=monitor: len(monitor.signs) >= 2)
                assert set(monitor.signs) == {(True, "")}
            simulator.world.fault(None, "access_denied")
            for monitor, beat in beats.items():
                await watch.app.apply(replace(config, heartbeat=beat))
                await watch.until(lambda monitor=monitor: not monitor.signs[-1][0])
                reason = monitor.signs[-1][1]
                assert reason.startswith("default/us-east-1/codeconnections has been unreadable since 20")
                assert "AccessDenied" in reason
            simulator.world.clear()
            await watch.until(lambda: kuma.signs[-1] == (True, ""))
        after = len(kuma.signs)
        await asyncio.sleep(0.3)
        assert len(kuma.signs) == after, "nothing is sent once the daemon has ended"
    assert {each.method for each in one.received if each.path.endswith("/fail")} == {"POST"}


@asynccontextmanager
async def sending(peek: Peek, beat: Heartbeat) -> AsyncIterator[CollectorRegistry]:
    """A sender of a fake daemon."""
    peek.config = replace(peek.config, heartbeat=beat)
    registry, backlogs = CollectorRegistry(), Backlogs(peek)
    try:
        async with in_task(HeartbeatSender(peek, backlogs, HeartbeatMetrics(registry)).run()):
            yield registry
    finally:
        backlogs.close()


async def test_an_event_that_is_pending_for_too_long_is_reported_until_it_is_not(tmp_path: Path) -> None:
    hc = Healthchecks()
    async with receiving(answer=hc.answer) as receiver, peeking(tmp_path) as peek:
        await peek.see(peek.config.targets[0], attempt(0, "FAILED"), sinks=["stdout", "removed"])
        beat = a_heartbeat(receiver.url(f"/ping/{UUID}"), stale_after=600.0)
        peek.clock = clock = ShiftedClock()
        async with sending(peek, beat):
            await until(lambda: bool(hc.signs))
            assert hc.signs[0][0], "it was not too old at first"
            clock.offset = timedelta(minutes=10)
            await until(lambda: not hc.signs[-1][0])
            assert "the sink stdout has an event that has been pending since 20" in hc.signs[-1][1]
            assert "removed" not in hc.signs[-1][1], "a sink that is not configured delivers nothing"
            peek.config = replace(peek.config, heartbeat=replace(beat, stale_after=900.0))
            await until(lambda: hc.signs[-1][0])
            peek.why_stuck = ["the recorder hangs"]
            await until(lambda: hc.signs[-1] == (False, "the recorder hangs"))


async def test_a_daemon_that_is_not_ready_for_too_long_is_reported_until_it_is(tmp_path: Path) -> None:
    hc = Healthchecks()
    async with receiving(answer=hc.answer) as receiver, peeking(tmp_path) as peek:
        peek.why_unready = ["the state store cannot be written: disk full"]
        beat = a_heartbeat(receiver.url(f"/ping/{UUID}"), stale_after=600.0)
        async with sending(peek, beat):
            await until(lambda: bool(hc.signs))
            assert hc.signs[0][0], "it has not lasted for so long"
            peek.config = replace(peek.config, heartbeat=replace(beat, stale_after=0.01))
            await until(lambda: hc.signs[-1] == (False, peek.why_unready[0]))
            peek.why_unready = []
            await until(lambda: hc.signs[-1][0])


async def test_failed_requests_are_logged_once_in_a_row_without_the_url_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "RETRY_SECONDS", 0.05)
    replies = [Reply(500, body=f"no {UUID}".encode()), Reply(200, body=b"OK (not found)"), Reply(302), Reply(hang=True)]
    async with receiving(*replies) as receiver, peeking(tmp_path) as peek:
        with capture_logs() as logs:
            beat = a_heartbeat(receiver.url(f"/ping/{UUID}?key=secret-key"), every=60.0, timeout=0.5)
            async with sending(peek, beat) as registry:
                await receiver.until(5)
                await until(lambda: bool(logs) and logs[-1]["event"] == "heartbeat.recovered")
    names = {"signal": "well", "outcome": "failed"}
    assert registry.get_sample_value("watcher_heartbeats_total", names) == 4
    assert registry.get_sample_value("watcher_heartbeats_total", names | {"outcome": "accepted"}) == 1
    assert [line["event"] for line in logs] == ["heartbeat.failed", "heartbeat.recovered"]
    assert logs[0]["error"] == "the receiver responded 500 Internal Server Error: no [redacted]"
    assert "secret-key" not in str(logs)


async def test_what_aws_says_of_an_outage_is_sent_without_secrets_and_in_one_line(tmp_path: Path) -> None:
    hc = Healthchecks()
    async with receiving(answer=hc.answer) as receiver, peeking(tmp_path) as peek:
        message = "denied\nby AKIAIOSFODNN7EXAMPLE"
        outage = Outage(BEGAN + timedelta(minutes=1), "AccessDenied", message, 3)
        await peek.fail(peek.config.targets[0].endpoint, outage)
        async with sending(peek, a_heartbeat(receiver.url(f"/ping/{UUID}"))):
            await until(lambda: bool(hc.signs))
    assert "\n" not in hc.signs[0][1]
    assert redact(message).partition("\n")[2] in hc.signs[0][1]
