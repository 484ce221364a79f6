"""Sends open alerts again to the receivers that forget them, such as Alertmanager."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from math import inf

import structlog

from watcher.core.deliveries import Delivery
from watcher.core.ports import Clock, Reader, ResendingSink, Sink
from watcher.core.state import Incident, Record
from watcher.delivery.incident_history import last_problem
from watcher.errors import SinkError, StoreError

log = structlog.get_logger()

Version = tuple[int, Incident]
"""What the delivery to repeat depends on: the last event of a subject, and its incident, which changes without an event
when a mute ends and a problem is sent."""

LOOK_SECONDS = 5.0
"""The most seconds between two checks whether an alert must be sent again."""


class Resender:
    """Keeps for each sink when it is due next, and for each open incident the delivery that is repeated to it."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._next: dict[str, float] = {}
        self._last: dict[tuple[str, str], tuple[Version, Delivery | None]] = {}
        """By sink and subject: the version that was read, and the delivery to repeat; None: none was for the sink."""
        self._busy: set[str] = set()
        self._failing: set[str] = set()

    async def run(self, records: Callable[[], Mapping[str, Record]], sinks: Callable[[], Iterable[Sink]]) -> None:
        """Repeat for ever, to each sink in its own time: a slow receiver delays no other."""
        async with asyncio.TaskGroup() as group:
            while True:
                wait, now = LOOK_SECONDS, self._clock.monotonic()
                resending = {sink.name: sink for sink in sinks() if isinstance(sink, ResendingSink)}
                self._next = {name: self._next.get(name, -inf) for name in resending}
                for name, sink in resending.items():
                    wait = min(wait, sink.resend_every / 4)
                    if self._next[name] <= now and name not in self._busy:
                        self._next[name] = now + sink.resend_every
                        self._busy.add(name)
                        group.create_task(self._resend(sink, records()), name=f"resend {name}")
                await asyncio.sleep(wait)

    async def _resend(self, sink: ResendingSink, records: Mapping[str, Record]) -> None:
        try:
            await sink.resend(await self._open(sink.name, records))
        except (SinkError, StoreError) as error:
            if sink.name not in self._failing:
                consequence = "its alerts end by themselves if this lasts"
                log.warning("alerts.resend_failed", sink=sink.name, error=str(error), consequence=consequence)
            self._failing.add(sink.name)
        else:
            if sink.name in self._failing:
                log.info("alerts.resend_recovered", sink=sink.name)
            self._failing.discard(sink.name)
        finally:
            self._busy.discard(sink.name)

    async def _open(self, name: str, records: Mapping[str, Record]) -> list[Delivery]:
        """Return the delivery to repeat for each open incident whose problem a sink was sent."""
        last: dict[tuple[str, str], tuple[Version, Delivery | None]] = {}
        for subject, record in [*records.items()]:
            if (incident := record.incident) is None:
                continue
            version = record.sequence, incident
            known, delivery = self._last.get((name, subject), (None, None))
            if known != version:
                delivery = await last_problem(self._reader, name, subject, incident.id, incident.opened_at)
            last[name, subject] = version, delivery
        self._last = {key: each for key, each in self._last.items() if key[0] != name} | last
        return [delivery for _, delivery in last.values() if delivery is not None]
