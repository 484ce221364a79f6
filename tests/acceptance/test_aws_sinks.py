"""The installed daemon with sinks at AWS: from a configuration to a message read from a queue."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.acceptance.conftest import NETWORK, WEB
from tests.support.simulator import attempt
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED

if TYPE_CHECKING:
    from typing import Any

    from tests.support.emulators import Emulator
    from tests.support.installed_command import Site
    from tests.support.simulator import Simulator
    from watcher.core.model import Target


BEGUN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


def show(simulator: Simulator, target: Target, status: str) -> None:
    simulator.world.show(target, attempt(target, status, BEGUN, "62c0ffee"))


async def arrived(emulator: Emulator, queue: str, count: int) -> list[dict[str, Any]]:
    """Read on a thread: the stand-in for the sync APIs answers in this loop."""
    return await asyncio.to_thread(emulator.received, queue, count)


async def test_every_event_is_read_from_the_queue_behind_each_sink(
    site: Site, simulator: Simulator, ministack: Emulator
) -> None:
    plain, behind_topic, behind_rule = (ministack.queue() for _ in range(3))
    in_order = ministack.queue(fifo=True)
    topic = ministack.topic(behind_topic, RawMessageDelivery="true")
    bus = ministack.bus(behind_rule, {"source": ["watcher"], "detail-type": ["watcher.sync.failed"]})
    site.configure(
        (NETWORK, WEB),
        "sinks:",
        f"  - {{name: queue, type: sqs, queue: '{plain}', endpoint_url: '{ministack.url}'}}",
        f"  - {{name: fifo, type: sqs, queue: '{in_order}', endpoint_url: '{ministack.url}', targets: ['*/network']}}",
        f"  - {{name: topic, type: sns, topic: '{topic}', endpoint_url: '{ministack.url}'}}",
        f"  - {{name: bus, type: eventbridge, bus: {bus}, endpoint_url: '{ministack.url}'}}",
    )
    show(simulator, NETWORK, IN_PROGRESS)
    show(simulator, WEB, SUCCEEDED)
    child = site.start()

    first = await arrived(ministack, plain, 2)
    show(simulator, NETWORK, FAILED)
    second = await arrived(ministack, plain, 1)
    kept = {event["id"]: event for event in site.kept()}
    assert len(kept) == 3
    bodies = [message["Body"] for message in (*first, *second)]
    assert {json.loads(body)["id"]: json.loads(body) for body in bodies} == kept
    assert {message["Body"] for message in await arrived(ministack, behind_topic, 3)} == set(bodies)
    ordered = [json.loads(message["Body"]) for message in await arrived(ministack, in_order, 2)]
    assert [event["data"]["sequence"] for event in ordered] == [1, 2]
    (failed,) = await arrived(ministack, behind_rule, 1)
    assert json.loads(failed["Body"])["detail"] == json.loads(second[0]["Body"])
    assert await child.stopped() == 0
