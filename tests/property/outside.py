"""Consumers whose answers are chosen for them, and a daemon's polls and sends until they are done or it crashes.

What a consumer has taken, nothing can take back.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tests.support.event_oracle import Arrival
from watcher.core.ports import Limits, SendOutcome, Verdict
from watcher.errors import SinkError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from watcher.core.ports import Delivery
    from watcher.delivery.worker import Worker
    from watcher.polling.recorder import Recorder


class CrashError(BaseException):
    """The process ended here."""


class Lines:
    """Takes everything in order, up to where it refuses."""

    name = "stdout"
    limits = Limits(batch=100, in_order=True)

    def __init__(self, step: Callable[[str], None]) -> None:
        self.arrived: list[dict[str, Any]] = []
        self.refuses_after: int | None = None
        self._step = step

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        taken: list[SendOutcome] = []
        for delivery in deliveries:
            if self.refuses_after is not None and len(taken) >= self.refuses_after:
                if not taken:
                    raise SinkError("not now")
                break
            self._step("sending")
            self.arrived.append(json.loads(delivery.body))
            taken.append(SendOutcome(delivery, Verdict.TAKEN, "taken"))
            self._step("sent")
        return taken

    async def close(self) -> None:
        """Nothing to let go of."""


class Says(StrEnum):
    """What a consumer does with one delivery."""

    TAKEN = "taken"
    LATER = "later"
    NEVER = "never"
    ERROR = "the whole send fails"
    QUIET = "it is never heard of again"
    TAKEN_AND_QUIET = "nor after it took it"


class Lanes:
    """Takes two subjects at a time in each of two sends; `says` what it does with the next deliveries, then takes."""

    name = "lanes"
    limits = Limits(batch=2, parallel=2)

    def __init__(self, step: Callable[[str], None]) -> None:
        self.arrived: list[Arrival] = []
        self.says: list[Says] = []
        self._step = step

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        return [self._answer(delivery) for delivery in deliveries]

    def _answer(self, delivery: Delivery) -> SendOutcome:
        said = self.says.pop() if self.says else Says.TAKEN
        self._step("sending")
        if said in {Says.TAKEN, Says.TAKEN_AND_QUIET}:
            self.arrived.append(Arrival(delivery.id, json.loads(delivery.body)))
            self._step("sent")
        if said is Says.ERROR:
            raise SinkError("not now")
        if said in {Says.QUIET, Says.TAKEN_AND_QUIET}:
            raise TimeoutError  # the deadline's, without the wait
        return SendOutcome(delivery, Verdict(said), said)

    async def close(self) -> None:
        """Nothing to let go of."""


async def polls_all(recorder: Recorder, polls: Iterable[Awaitable[Any]]) -> None:
    """Await `polls` while the recorder commits their results; raises what ends either of them."""
    recording: asyncio.Future[Any] = asyncio.create_task(recorder.run())
    polling: asyncio.Future[Any] = asyncio.gather(*polls)
    try:
        await asyncio.wait([recording, polling], return_when=asyncio.FIRST_COMPLETED)
        if recording.done():
            recording.result()
        await polling
    finally:
        for work in (recording, polling):
            work.cancel()
            with suppress(asyncio.CancelledError, CrashError):
                await work


async def sends_all(worker: Worker, rounds: int) -> bool:
    """Let a worker send in rounds until it has nothing more to send; whether it came to that."""
    for _ in range(rounds):
        await worker._begin()
        sends = list(worker._sends)
        if not sends:
            return True
        try:
            await asyncio.gather(*sends)
        finally:
            for send in sends:
                send.cancel()
            await asyncio.gather(*sends, return_exceptions=True)
    return False
