"""The daemon's health as CloudWatch metrics: a line of JSON each minute, in the Embedded Metric Format.

Where logs go to CloudWatch Logs (ECS's `awslogs`), such a line is a metric, with no sidecar and no permission more. It
has what alarms need; everything else is for Prometheus.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from watcher.core.status import Status, standing
from watcher.errors import StoreError
from watcher.observability.backlog import Backlogs
from watcher.observability.logs import Stderr
from watcher.observability.observer import Observer, PollOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from watcher.core.model import Target
    from watcher.observability.backlog import Backlog
    from watcher.observability.daemon_view import DaemonView
    from watcher.observability.observer import Poll

EVERY = 60.0
"""Seconds between lines: CloudWatch's own grain."""

SLICE = 200
"""Targets that are counted before others on the loop get their turn."""

ANSWERED = frozenset({PollOutcome.ANSWERED, PollOutcome.OLDER})

UNITS = {
    "Alive": "Count",
    "TargetsFailed": "Count",
    "TargetsStalled": "Count",
    "TargetsUnreadable": "Count",
    "EndpointsBlind": "Count",
    "ScheduleLagSeconds": "Seconds",
    "Polls": "Count",
    "PollsFailed": "Count",
    "ConfigReloadFailed": "Count",
    "OutboxPending": "Count",
    "OutboxOldestSeconds": "Seconds",
    "DeadLetters": "Count",
}
"""Every metric, and CloudWatch's unit of it."""


class Emf(Observer):
    """Keeps what happened since its last line."""

    def __init__(
        self, inside: DaemonView, namespace: str, service: str = "watcher", write: Callable[[str], object] | None = None
    ) -> None:
        """`namespace`: CloudWatch's; `service`: the one dimension's value; `write` takes a line, else stderr does."""
        self._inside = inside
        self._namespace = namespace
        self._service = service
        self._write = write or Stderr().write
        self._backlogs = Backlogs(lambda: inside.reader)
        self._polls = self._failed = 0
        self._lag = 0.0

    def begun(self, target: Target, due: float, begun: float) -> None:
        """See `Observer`."""
        self._lag = max(self._lag, begun - due)

    def polled(self, poll: Poll) -> None:
        """See `Observer`."""
        self._polls += 1
        self._failed += poll.outcome not in ANSWERED

    async def run(self) -> None:
        """Write a line each minute, for ever."""
        while True:
            await asyncio.sleep(EVERY)
            self._write(await self.line() + "\n")

    async def line(self) -> str:
        """The next line; what is counted begins anew. A store that cannot be read leaves its metrics out."""
        inside = self._inside
        counts = await self._count()
        try:
            backlogs: Mapping[str, Backlog] | None = await self._backlogs.get()
        except StoreError:
            backlogs = None
        values: dict[str, float] = {
            "Alive": 1,
            "TargetsFailed": counts[Status.FAILED],
            "TargetsStalled": counts[Status.STALLED],
            "TargetsUnreadable": counts[Status.UNREADABLE],
            "EndpointsBlind": sum(_blind(inside, str(key)) for key in inside.endpoints()),
            "ScheduleLagSeconds": round(max(0.0, self._lag), 3),
            "Polls": self._polls,
            "PollsFailed": self._failed,
            "ConfigReloadFailed": int(bool(inside.loaded.faults)),
        }
        now = inside.clock.now()
        if backlogs is not None:
            values |= _outbox(backlogs, now)
        self._polls = self._failed = 0
        self._lag = 0.0
        return embedded(values, self._namespace, self._service, now)

    async def _count(self) -> Mapping[Status, int]:
        """How many targets that are polled here stand how."""
        targets, records, here = self._inside.config.targets, self._inside.records, self._inside.endpoints().keys()
        counts = dict.fromkeys(Status, 0)
        for start in range(0, len(targets), SLICE):
            for target in targets[start : start + SLICE]:
                if target.endpoint in here:
                    counts[standing(records.get(target.id), records.get(str(target.endpoint)))] += 1
            await asyncio.sleep(0)
        return counts


def embedded(values: Mapping[str, float], namespace: str, service: str, now: datetime) -> str:
    """`values` in the Embedded Metric Format: one line of JSON."""
    directive = {
        "Namespace": namespace,
        "Dimensions": [["Service"]],
        "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in values],
    }
    about = {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": about, "Service": service, **values}, separators=(",", ":"))


def _outbox(backlogs: Mapping[str, Backlog], now: datetime) -> dict[str, float]:
    since = [backlog.oldest for backlog in backlogs.values() if backlog.oldest is not None]
    return {
        "OutboxPending": sum(backlog.waiting for backlog in backlogs.values()),
        "OutboxOldestSeconds": round(max(0.0, (now - min(since)).total_seconds()), 3) if since else 0,
        "DeadLetters": sum(backlog.dead for backlog in backlogs.values()),
    }


def _blind(inside: DaemonView, key: str) -> bool:
    record = inside.records.get(key)
    return record is not None and record.outage is not None
