"""Receivers of webhooks with a temper: what they take and how they answer are two things, as in life."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from standardwebhooks.webhooks import Webhook

from tests.integration.receiver import Cut, Received, Receiver, Reply
from tests.support.delivery_oracle import Arrival, Wants

if TYPE_CHECKING:
    from random import Random

HOOK_SECRET = "whsec_YS13ZWJob29rJ3Mtc2VjcmV0LW9mLXRoZS10ZXN0cw=="
SOON = "timeout: 300ms"
"""For a sink that may hang; any other is answered within its usual time, also by a busy machine."""


class Treatment(NamedTuple):
    """What becomes of one request: whether it is recorded, and what is answered."""

    recorded: bool = True
    reply: Reply = Reply()


TAKE = Treatment()

FAILURES = tuple(
    Treatment(recorded, reply)
    for recorded in (False, True)
    for reply in (Reply(500), Reply(cut=Cut.AFTER), Reply(hang=True))
)
"""Refused, cut, or stalled until the other side gives up: before it was recorded, and after."""


class Request(NamedTuple):
    """What a temper decides by."""

    id: str
    event: dict[str, Any]
    again: int
    """How often it came before."""


Temper = Callable[[Request], Treatment]


def sound(_: Request) -> Treatment:
    """Takes everything."""
    return TAKE


def gone(_: Request) -> Treatment:
    """Wants nothing, ever."""
    return Treatment(recorded=False, reply=Reply(410))


def hanging(_: Request) -> Treatment:
    """Never answers."""
    return Treatment(recorded=False, reply=Reply(hang=True))


def dead(request: Request) -> Treatment:
    """Never works: it fails, or hangs."""
    return Treatment(recorded=False, reply=Reply(hang=True) if request.again % 2 else Reply(503))


@dataclass
class Moody:
    """Fails in every way while it is not calm, though never an event for the third time."""

    chance: Random
    calm: bool = False

    def __call__(self, request: Request) -> Treatment:
        if self.calm or request.again >= 2 or self.chance.random() < 0.5:
            return TAKE
        return self.chance.choice(FAILURES)


@dataclass
class Busy:
    """Asks to be left alone, now and then."""

    chance: Random
    calm: bool = False
    until: float = 0.0

    def __call__(self, _: Request) -> Treatment:
        now = time.monotonic()
        if self.calm or (now > self.until and self.chance.random() < 0.8):
            return TAKE
        if now > self.until:
            self.until = now + 1.0
        status = self.chance.choice((429, 503))
        return Treatment(recorded=False, reply=Reply(status, {"Retry-After": "1"}))


def picky(request: Request) -> Treatment:
    """Never takes every other event of one target, and takes all else."""
    unfit = request.event["subject"].endswith("stack-1") and request.event["data"]["sequence"] % 2
    return Treatment(recorded=False, reply=Reply(400, body=b"this makes no sense to me")) if unfit else TAKE


class Consumer:
    """The receiver behind one webhook sink. `arrived` is what it recorded, in order; every request must be signed."""

    def __init__(self, name: str, temper: Temper = sound, wants: Wants = Wants(), *more: str) -> None:  # noqa: B008  frozen
        """`more`: keys of its sink."""
        self.name, self.temper, self.wants, self._more = name, temper, wants, more
        self.arrived: list[Arrival] = []
        self.times: list[float] = []
        """When each arrived, in seconds since 1970."""
        self.requests: Counter[str] = Counter()
        self.forged: list[Exception] = []
        self._verifier = Webhook(HOOK_SECRET)
        self.receiver = Receiver(answer=self._answer)

    def line(self) -> str:
        """Its sink in the configuration; the secret comes from the variable HOOK_SECRET."""
        keys = [f"name: {self.name}, type: webhook, url: '{self.receiver.url()}', allow_http: true"]
        keys += ["allow_private: true", "secret: '${HOOK_SECRET}'", *self._more]
        keys += [f"{name}: {list(globs)}" for name, globs in self.wants._asdict().items() if globs]
        return f"  - {{{', '.join(keys)}}}"

    def events(self) -> list[dict[str, Any]]:
        """What arrived, each once."""
        return [json.loads(body) for body in dict(self.arrived).values()]

    def _answer(self, received: Received) -> Reply:
        try:
            self._verifier.verify(received.body, dict(received.headers))
        except Exception as error:  # noqa: BLE001  whatever is wrong with it, the test is to tell
            self.forged.append(error)
        request = Request(received.id, received.event, self.requests[received.id])
        self.requests[received.id] += 1
        treatment = self.temper(request)
        if treatment.recorded:
            self.arrived.append(Arrival(received.id, received.body))
            self.times.append(time.time())
        return treatment.reply


async def coming_and_going(receiver: Receiver, chance: Random, calm: asyncio.Event) -> None:
    """Refuse connections for a while, again and again, until it is calm."""
    while not calm.is_set():
        await asyncio.sleep(chance.uniform(0.5, 2.0))
        await receiver.stop()
        await asyncio.sleep(chance.uniform(0.3, 1.0))
        await receiver.start()
