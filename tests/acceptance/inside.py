"""The daemon within the test's own process, where a clock or a constant has to be another: all else is real."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from tests.support.waiting import until
from watcher.app.build import build
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.core.deliveries import Limits, SendOutcome, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.support.installed_command import Site
    from watcher.core.deliveries import Delivery


class Collected:
    """A sink that keeps what it is given."""

    name = "stdout"
    limits = Limits(batch=100, in_order=True)

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        self.events += [json.loads(delivery.body) for delivery in deliveries]
        return [SendOutcome(delivery, Verdict.TAKEN, "collected") for delivery in deliveries]

    async def close(self) -> None:
        """Nothing to let go of."""

    async def reaches(self, count: int) -> None:
        """Wait until there are so many."""
        await until(lambda: len(self.events) >= count, f"{count} events")

    def types(self, subject: str | None = None) -> list[str]:
        """The events' types, without `watcher.`."""
        wanted = (event for event in self.events if subject in {None, event["subject"]})
        return [event["type"].removeprefix("watcher.") for event in wanted]


@contextlib.asynccontextmanager
async def watching(site: Site, **how: Any) -> AsyncIterator[Collected]:
    """Run the daemon on a site's configuration, and stop it in good order."""
    config = parse(Document(str(site.config), site.config.read_bytes()), os.environ, lambda _: None)
    collected, stop = Collected(), asyncio.Event()
    running = asyncio.create_task(build(config, sinks=[collected], **how).run(stop))
    try:
        yield collected
        assert not running.done(), running
    finally:
        stop.set()
        await running
