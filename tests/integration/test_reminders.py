"""Reminders of a running daemon stop when they are no longer wanted, pending ones included."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.integration.conftest import a_config, a_stack, at, daemon
from tests.support.simulator import attempt
from tests.support.waiting import until
from watcher.core.deliveries import DeliveryState, Limits, SendOutcome, Verdict
from watcher.core.model import FAILED
from watcher.core.mutes import Mute
from watcher.core.queries import DeliveryQuery
from watcher.core.sink_settings import SinkSettings
from watcher.errors import SinkGone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tests.support.simulator import Simulator
    from watcher.app.lifecycle import App
    from watcher.core.deliveries import Delivery, DeliveryRecord

REMINDED = SinkSettings("pager", "stdout", remind_every=0.2)


@dataclass
class Pager:
    """A sink that responds with `answer`."""

    answer: Callable[[Delivery], Verdict]
    name: str = "pager"
    limits: Limits = field(default_factory=Limits)

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        return [SendOutcome(delivery, self.answer(delivery), "as told") for delivery in deliveries]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def failing(simulator: Simulator, pager: Pager, *mutes: Mute) -> AsyncIterator[App]:
    """A daemon that watches one target whose sync failed."""
    target = a_stack()
    simulator.world.show(target, attempt(target, FAILED, at(1)))
    config = a_config(simulator.url, [target], sinks=(REMINDED,), mutes=mutes, shutdown_grace=0.5)
    async with daemon(config, sinks=[pager]) as app:
        yield app


async def told(app: App, enough: Callable[[list[DeliveryRecord]], bool]) -> list[DeliveryRecord]:
    """The deliveries, once they are as they should be."""

    async def looked_at() -> list[DeliveryRecord] | None:
        found = await app.store.deliveries(DeliveryQuery())
        return found if enough(found) else None

    return await until(looked_at)


async def test_a_receiver_that_is_gone_is_reminded_of_nothing(simulator: Simulator) -> None:
    def gone(_: Delivery) -> Verdict:
        raise SinkGone("410 Gone")

    async with failing(simulator, Pager(gone)) as app:
        await told(app, lambda found: [each.state for each in found] == [DeliveryState.DEAD])
        polled = len(simulator.calls)
        # Seven times as long as it takes to be reminded.
        (dead,) = await told(app, lambda _: len(simulator.calls) >= polled + 15)
        assert (dead.reminder, dead.answer) == (0, "410 Gone")


async def test_a_reminder_that_waits_is_called_off_when_a_mute_begins(simulator: Simulator) -> None:
    soon = Mute(targets=("*",), start=datetime.now(UTC) + timedelta(seconds=5))
    busy = Pager(lambda delivery: Verdict.LATER if delivery.reminder else Verdict.TAKEN)
    async with failing(simulator, busy, soon) as app:
        await told(app, lambda found: (1, DeliveryState.WAITING) in [(each.reminder, each.state) for each in found])
        await told(app, lambda found: [each.state for each in found] == [DeliveryState.SENT, DeliveryState.DROPPED])
