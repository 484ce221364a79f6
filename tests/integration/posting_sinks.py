"""A sink that posts to an API, at work against a receiver of that API on a real socket."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.integration.receiver import receiving
from watcher.core.deliveries import Delivery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from tests.integration.receiver import Received, Receiver, Reply
    from watcher.core.deliveries import SendOutcome
    from watcher.core.events import Event
    from watcher.core.ports import Sink
    from watcher.core.sink_settings import SinkOptions


REACH: Mapping[str, Any] = {
    "allow_http": True, "allow_private": True, "timeout": 30.0, "proxy": False, "ca_file": None,
}  # fmt: skip
"""The options by which a sink reaches a receiver on loopback, without a proxy of the surroundings."""


class Sending:
    """A sink and its receiver."""

    def __init__(self, sink: Sink, receiver: Receiver) -> None:
        self.sink = sink
        self.receiver = receiver

    async def send(self, event: Event, **delivery: Any) -> SendOutcome:
        """Send one event, as the first try."""
        (outcome,) = await self.sink.send([Delivery(1, self.sink.name, event, **delivery)])
        return outcome


@asynccontextmanager
async def sending(
    options: type[SinkOptions], answer: Callable[[Received], Reply], *script: Reply, base: str = "", **keys: Any
) -> AsyncIterator[Sending]:
    """The sink of `options`, whose receiver answers by `script` and then as `answer` says."""
    async with receiving(*script, answer=answer) as receiver:
        made = options.model_construct(name="pager", url=receiver.url(base), **{**REACH, **keys})  # type: ignore[attr-defined]
        sink = made.sink(made)
        try:
            yield Sending(sink, receiver)
        finally:
            await sink.close()
