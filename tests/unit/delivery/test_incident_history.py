"""What is read of the earlier deliveries of an incident."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.incidents import FAILED_AGAIN, FAILED_EVENT, MENDED
from tests.unit.conftest import minute
from watcher.core.deliveries import DeliveryOutcome, DeliveryState, Limits
from watcher.core.ports import Entry
from watcher.core.state import Record
from watcher.delivery.incident_history import MAX_EVENTS, with_history
from watcher.stores.memory import MemoryStore

if TYPE_CHECKING:
    from watcher.core.events import Event

MANY = MAX_EVENTS + 50
FURTHER = [FAILED_AGAIN._replace(id=f"further-{number}") for number in range(MANY)]


async def earlier_of_second(*events: tuple[Event, list[str]]) -> str | None:
    """Return what the second delivery to a sink has of the first (`Delivery.earlier`), which the sink accepted."""
    store = MemoryStore()
    addressed = [(event, tuple(sinks)) for event, sinks in events]
    await store.commit([Entry(FAILED_EVENT.subject, Record(), addressed)], minute(10))
    (first,) = await store.lane_heads("chat", minute(10), 1)
    await store.settle([DeliveryOutcome(first, DeliveryState.SENT, "posted")], minute(10))
    (second,) = await store.lane_heads("chat", minute(10), 1)
    return (await with_history(second, Limits(with_earlier=True), store)).earlier


@pytest.mark.parametrize(
    "events",
    [
        [(FAILED_EVENT, ["chat"]), (MENDED, ["chat"])],
        [(FAILED_EVENT, ["chat"]), *((each, []) for each in FURTHER), (MENDED, ["chat"])],
        [(FAILED_EVENT, ["chat"]), *((each, ["chat"]) for each in FURTHER)],
    ],
    ids=["just before", "long before", "while many others wait"],
)
async def test_the_last_delivery_of_an_incident_is_found(events: list[tuple[Event, list[str]]]) -> None:
    assert await earlier_of_second(*events) == "posted"


async def test_a_delivery_of_another_incident_is_not_found() -> None:
    other = FAILED_EVENT._replace(body=FAILED_EVENT.body.replace("5f1c2e", "another"))
    assert await earlier_of_second((other, ["chat"]), *((each, []) for each in FURTHER), (MENDED, ["chat"])) is None
