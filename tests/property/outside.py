"""What surrounds a daemon: a clock, targets, and consumers whose answers are chosen for them.

What a consumer has taken, nothing can take back. Also a daemon's polls and sends until they are done or it crashes.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tests.support.event_oracle import Arrival, Fact
from watcher.core.deliveries import Limits, SendOutcome, Verdict
from watcher.core.model import SUCCEEDED, Attempt, FirstSeen, Snapshot, rfc3339
from watcher.core.settings import Account, Config, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.errors import SinkError
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from watcher.core.deliveries import Delivery
    from watcher.delivery.worker import Worker
    from watcher.polling.recorder import Recorder


START = datetime(2026, 11, 23, 8, tzinfo=UTC)
TARGETS = [
    stack("default", "us-east-1", name, on_first_seen=FirstSeen.ALL, stalled_after=1e9) for name in ("a", "b", "c")
]
SINKS = (SinkSettings("stdout", "stdout"), SinkSettings("lanes", "webhook", remind_every=60.0, give_up_after=900.0))
CONFIG = Config(
    place="test",
    accounts={"default": Account("default", ("us-east-1",))},
    targets=tuple(TARGETS),
    retry=Retry(),
    unreadable_after=3,
    sinks=SINKS,
    state="",
    http=None,
    state_retention=86400.0,
    shutdown_grace=1.0,
)
REVISION = {"sha": "a" * 40, "branch": "main", "directory": "/", "repositoryName": "org/templates"}


class Clock:
    """Goes on by a second whenever it is looked at."""

    def __init__(self) -> None:
        self.seconds = 0

    def now(self) -> datetime:
        self.seconds += 1
        return START + timedelta(days=1, seconds=self.seconds)

    def monotonic(self) -> float:
        return float(self.seconds)


class World:
    """What AWS shows of the targets, and has shown."""

    def __init__(self) -> None:
        self.latest: list[Attempt | None] = [None] * len(TARGETS)
        self.succeeded: list[Attempt | None] = [None] * len(TARGETS)
        self.shown: set[Fact] = set()
        self._moment = START

    def go_on(self, which: int, status: str, *, again: bool) -> None:
        """The latest attempt of a target takes a status; a new one does if it has ended, or `again`."""
        attempt = self.latest[which]
        if attempt is None or not attempt.unfinished or again:
            self._moment += timedelta(seconds=1)
            attempt = Attempt(self._moment, status, "a", REVISION, REVISION)
        else:
            attempt = replace(attempt, status=status)
        self.latest[which] = attempt
        if status == SUCCEEDED:
            self.succeeded[which] = attempt
        self.shown |= self.facts([which])

    def snapshot(self, which: int) -> Snapshot:
        """What a poll of a target is answered."""
        return Snapshot(None, self.latest[which], self.succeeded[which])

    def facts(self, polled: Iterable[int]) -> set[Fact]:
        """What polls of these targets show."""
        found = [(TARGETS[which].id, attempt) for which in polled if (attempt := self.latest[which])]
        return {Fact(subject, rfc3339(attempt.started_at), attempt.status) for subject, attempt in found}


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
