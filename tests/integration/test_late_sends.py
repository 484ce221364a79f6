"""A send that reaches a pager after later ones of another daemon: the alert it changed is corrected by the events."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from tests.integration.posting_sinks import REACH
from tests.integration.receiver import receiving
from tests.integration.test_alerts_of_dead_letters import LATER_FAILED
from tests.support.event_samples import NETWORK
from tests.support.incidents import FAILED_EVENT, MENDED, PagerDuty
from tests.support.tasks import running
from tests.support.waiting import until
from watcher.core.deliveries import DeliveryOutcome, DeliveryState
from watcher.core.ports import Entry
from watcher.core.queries import DeliveryQuery
from watcher.core.state import Record
from watcher.delivery.relay import Relay
from watcher.sinks.pagerduty import PagerDutyOptions, PagerDutySink
from watcher.stores.dynamodb.store import DynamoStore
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tests.integration.receiver import Receiver
    from tests.support.dynamodb_tables import Tables
    from watcher.core.deliveries import Delivery, SendOutcome
    from watcher.core.events import Event

EVENTS = (FAILED_EVENT, MENDED, LATER_FAILED)


class StandsStill(PagerDutySink):
    """Stands still before it sends an event for the first time, until `goes_on` is set."""

    def __init__(self, options: PagerDutyOptions, event: Event) -> None:
        super().__init__(options)
        self._event: Event | None = event
        self.stands, self.goes_on = asyncio.Event(), asyncio.Event()

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        if self._event is not None and self._event.id == deliveries[0].event.id:
            self._event = None
            self.stands.set()
            await self.goes_on.wait()
        return await super().send(deliveries)


def options_of(service: PagerDuty, receiver: Receiver) -> PagerDutyOptions:
    keys: dict[str, Any] = {"routing_key": SecretStr(service.key), "url": receiver.url(""), "changes": False, **REACH}
    return PagerDutyOptions.model_construct(name="pd", type="pagerduty", **keys)


@pytest.mark.parametrize("late", [0, 1], ids=["problem", "end"])
async def test_an_alert_that_a_late_send_changed_is_corrected(tables: Tables, late: int) -> None:
    service, clock, open_at_last = PagerDuty(), SystemClock(), late == 1
    async with receiving(answer=service.answer) as receiver:
        options = options_of(service, receiver)
        where = await tables()
        slow, other = DynamoStore(where), DynamoStore(where)
        sink = StandsStill(options, EVENTS[late])
        relays = Relay(slow, [sink], clock), Relay(other, [PagerDutySink(options)], clock)
        sink.limits = replace(sink.limits, deadline=0.1)  # how long it waits for the other daemon's records
        await slow.open()
        try:
            await slow.set_sinks(["pd"], clock.now())
            for sequence, event in enumerate(EVENTS[: late + 1], start=1):
                await slow.commit([Entry(event.subject, Record(sequence=sequence), [(event, ["pd"])])], clock.now())
            async with running(relays[0].run()):
                relays[0].wake()
                await sink.stands.wait()
                await other.open()
                async with running(relays[1].run()):
                    last = EVENTS[late + 1]
                    await other.commit([Entry(last.subject, Record(sequence=late + 2), [(last, ["pd"])])], clock.now())
                    relays[1].wake()
                    await until(lambda: _is_sent(other, last))
                    assert (len(service.resolved), bool(service.open)) == (1, open_at_last)
                    sink.goes_on.set()
                    await until(lambda: (len(service.resolved), bool(service.open)) == (2, open_at_last))
        finally:
            for relay in relays:
                await relay.close()
            await slow.close()
            await other.close()


async def _is_sent(store: DynamoStore, event: Event) -> bool:
    return bool(await store.deliveries(DeliveryQuery([DeliveryState.SENT], event_id=event.id)))


async def test_a_send_whose_delivery_is_dropped_meanwhile_holds_nothing_up(tables: Tables) -> None:
    """For example, a reminder that is being sent when the problem ends."""
    service, clock = PagerDuty(), SystemClock()
    async with receiving(answer=service.answer) as receiver:
        options = options_of(service, receiver)
        store = DynamoStore(await tables())
        sink = StandsStill(options, FAILED_EVENT)
        relay = Relay(store, [sink], clock)
        await store.open()
        try:
            await store.set_sinks(["pd"], clock.now())
            await store.commit([Entry(NETWORK.id, Record(sequence=1), [(FAILED_EVENT, ["pd"])])], clock.now())
            async with running(relay.run()):
                relay.wake()
                await sink.stands.wait()
                (under_way,) = await store.due("pd", 1)
                await store.settle([DeliveryOutcome(under_way, DeliveryState.DROPPED, "over")], clock.now())
                await store.commit([Entry(NETWORK.id, Record(sequence=2), [(MENDED, ["pd"])])], clock.now())
                relay.wake()
                sink.goes_on.set()
                went_on = time.monotonic()
                await until(lambda: bool(service.resolved))
                assert time.monotonic() - went_on < sink.limits.deadline
        finally:
            await relay.close()
            await store.close()
