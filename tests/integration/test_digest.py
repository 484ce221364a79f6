"""A digest of a whole daemon, sent by its outbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from typing import TYPE_CHECKING

from tests.integration.conftest import a_config, a_stack, running
from tests.support.clocks import ShiftedClock
from watcher.core.digest import Digest
from watcher.core.sink_settings import SinkSettings
from watcher.messages.compose import message_for
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from tests.support.simulator import Simulator

HEALTHY, BROKEN = a_stack("network"), a_stack("shop")


async def test_a_digest_that_a_reload_adds_is_sent_to_the_sinks_that_it_names(
    simulator: Simulator,
) -> None:
    clock = ShiftedClock()
    moment = SystemClock().now()
    digest = Digest(("stdout",), time(moment.hour, moment.minute))
    quiet = SinkSettings("stdout", "stdout", events=("watcher.sync.failed",), targets=("nothing/*",))
    config = replace(a_config(simulator.url, [HEALTHY, BROKEN]), sinks=(quiet,))
    async with running(simulator, config, clock=clock) as watch:
        watch.show(HEALTHY, "SUCCEEDED", 1)
        watch.show(BROKEN, "FAILED", 1)
        await watch.polls(1)
        await watch.app.apply(replace(config, digest=digest))
        records = watch.app.recorder.records
        await watch.until(lambda: "digest" in records and records["digest"].digests is not None)
        assert watch.caught.events == []
        clock.offset += timedelta(days=1)
        await watch.until(lambda: bool(watch.caught.events))
        (event,) = await watch.events(1)
    assert (event["type"], event["subject"]) == ("watcher.digest", "digest")
    assert message_for([event], clock.now()).title == "DIGEST: 1 open incident, 2 targets"
    assert message_for([event], clock.now()).lines[0].endswith(": stack shop (us-east-1), failed")
