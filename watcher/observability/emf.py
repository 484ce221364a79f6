"""The daemon's health as CloudWatch metrics: a line of JSON each minute, in the Embedded Metric Format.

Where logs go to CloudWatch Logs (ECS's `awslogs`), such a line becomes metrics, without a sidecar or further
permissions. It has what alarms need; all other metrics are for Prometheus.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

from watcher.core.model import Target
from watcher.core.status import Status, standing
from watcher.observability.backlogs import Backlogs
from watcher.observability.daemon_view import DaemonView, endpoint_unreadable, polled_here
from watcher.observability.logs import Stderr
from watcher.observability.observer import Observer, Poll, PollOutcome

LINE_SECONDS = 60.0
"""Seconds between lines: the resolution of CloudWatch."""

UNITS = {
    **dict.fromkeys(("Alive", "TargetsFailed", "TargetsBlocked", "TargetsStalled", "TargetsUnreadable"), "Count"),
    **dict.fromkeys(
        ("EndpointsBlind", "Polls", "PollsFailed", "ConfigReloadFailed", "OutboxPending", "DeadLetters"), "Count"
    ),
    **dict.fromkeys(("ScheduleLagSeconds", "OutboxOldestSeconds"), "Seconds"),
}
"""Every metric and its CloudWatch unit."""


class Emf(Observer):
    """Counts what happened since the last line.

    `namespace` is CloudWatch's; `service` is the value of the only dimension; `write` takes a line (default: stderr).
    """

    def __init__(
        self, daemon: DaemonView, namespace: str, service: str = "watcher", write: Callable[[str], object] | None = None
    ) -> None:
        self._daemon = daemon
        self._namespace = namespace
        self._service = service
        self._write = write or Stderr().write
        self._backlogs = Backlogs(daemon)
        self._polls = self._failed = 0
        self._lag = 0.0

    def begun(self, target: Target, due: float, begun: float) -> None:
        self._lag = max(self._lag, begun - due)

    def polled(self, poll: Poll) -> None:
        self._polls += 1
        self._failed += poll.outcome not in (PollOutcome.ANSWERED, PollOutcome.OLDER)

    async def run(self) -> None:
        """Write a line each minute, for ever."""
        while True:
            await asyncio.sleep(LINE_SECONDS)
            self._write(await self.line() + "\n")

    async def line(self) -> str:
        """Return the next line and reset the counters; a store that cannot be read leaves its metrics out."""
        daemon, counts = self._daemon, Counter[Status]()
        async for target, record in polled_here(daemon):
            counts[standing(record, daemon.records.get(str(target.endpoint)))] += 1
        backlogs = await self._backlogs.get_if_readable()
        values: dict[str, float] = {
            "Alive": 1,
            "TargetsFailed": counts[Status.FAILED],
            "TargetsBlocked": counts[Status.BLOCKED],
            "TargetsStalled": counts[Status.STALLED],
            "TargetsUnreadable": counts[Status.UNREADABLE],
            "EndpointsBlind": sum(endpoint_unreadable(daemon, key) for key in daemon.endpoints()),
            "ScheduleLagSeconds": round(max(0.0, self._lag), 3),
            "Polls": self._polls,
            "PollsFailed": self._failed,
            "ConfigReloadFailed": int(bool(daemon.loaded.faults)),
        }
        now = daemon.clock.now()
        if backlogs is not None:
            values |= {
                "OutboxPending": sum(backlog.waiting for backlog in backlogs.values()),
                "OutboxOldestSeconds": round(max((backlog.age(now) for backlog in backlogs.values()), default=0.0), 3),
                "DeadLetters": sum(backlog.dead for backlog in backlogs.values()),
            }
        self._polls = self._failed = 0
        self._lag = 0.0
        return embedded(values, self._namespace, self._service, now)


def embedded(values: Mapping[str, float], namespace: str, service: str, now: datetime) -> str:
    """`values` in the Embedded Metric Format: one line of JSON."""
    directive = {
        "Namespace": namespace,
        "Dimensions": [["Service"]],
        "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in values],
    }
    about = {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": about, "Service": service, **values}, separators=(",", ":"))
