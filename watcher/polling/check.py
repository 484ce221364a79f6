"""Polls every target once, with a result for monitoring systems: `watcher check`."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from itertools import count

from watcher.core.blockers import compare
from watcher.core.listings import ListingKey
from watcher.core.model import Blocker, EndpointKey, Snapshot, Target
from watcher.core.settings import Config
from watcher.core.status import Status, connection_standing, sync_standing
from watcher.errors import PollFailed
from watcher.polling.blockers import BlockerReader
from watcher.polling.one_shot import endpoints_of, list_once
from watcher.util.clock import SystemClock


class CheckResult(IntEnum):
    """The result of a check, with its exit code for monitoring systems."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_RESULTS = {
    Status.FAILED: CheckResult.CRITICAL,
    Status.BLOCKED: CheckResult.WARNING,
    Status.UNAVAILABLE: CheckResult.WARNING,
    Status.STALLED: CheckResult.WARNING,
    Status.UNKNOWN: CheckResult.UNKNOWN,
    Status.UNREADABLE: CheckResult.UNKNOWN,
}
"""Every other status is OK."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one target: of its poll, an answer or an error, or of its listing if it is not polled."""

    target: Target
    status: Status
    snapshot: Snapshot | None = None
    error: PollFailed | None = None
    blockers: tuple[Blocker, ...] = ()
    """The active ones; empty also if they cannot be read."""

    @property
    def status_of_connection(self) -> str:
        """AWS's status of a connection, which its listing has; empty for other targets."""
        return "" if self.target.kind.polled else (self.target.found or {}).get("status", "")

    @property
    def result(self) -> CheckResult:
        """The result for a monitoring system."""
        return _RESULTS.get(self.status, CheckResult.OK)


def judge(target: Target, snapshot: Snapshot, now: datetime, blockers: Iterable[Blocker] = ()) -> Finding:
    """Return the finding for a target's answer, and its blockers. Pure."""
    active, _ = compare((), blockers)
    latest = snapshot.latest
    is_stalled = latest is not None and latest.is_stalled(snapshot.at or now, timedelta(seconds=target.stalled_after))
    standing = sync_standing(latest, is_stalled=is_stalled, is_blocked=bool(active))
    return Finding(target, standing, snapshot, blockers=active)


def judge_listed(target: Target) -> Finding:
    """Return the finding for a target whose status its listing has. Pure."""
    return Finding(target, connection_standing((target.found or {}).get("status", "")))


def worst(results: Iterable[CheckResult]) -> CheckResult:
    """Return the worst result: critical before unknown before warning."""
    order = (CheckResult.OK, CheckResult.WARNING, CheckResult.UNKNOWN, CheckResult.CRITICAL)
    return max(results, key=order.index, default=CheckResult.OK)


@dataclass(frozen=True, slots=True)
class Check:
    """The findings of a check, and the listings that failed: what they would have found is not known."""

    findings: list[Finding]
    failed: Mapping[ListingKey, PollFailed]
    absent: Mapping[ListingKey, PollFailed]
    """The listings of APIs that are not offered there, of kinds that another API has: they would have found nothing."""

    @property
    def result(self) -> CheckResult:
        """The worst result."""
        unknown = [CheckResult.UNKNOWN] if self.failed else []
        return worst([*unknown, *(finding.result for finding in self.findings)])


async def check_all(config: Config, now: datetime, progress: Callable[[int, int], None] | None = None) -> Check:
    """Make each listing and poll every target once, with the configured rates and retries.

    Blockers are asked for with each poll, since no other one follows. `progress` is called after each poll with the
    number of polls that are done, and of all.
    """
    readers: dict[EndpointKey, BlockerReader] = {}
    done = count(1)
    async with endpoints_of(config) as endpoint_of:

        async def finding(target: Target) -> Finding:
            found = await poll(target)
            if progress:
                progress(next(done), len(watched.targets))
            return found

        async def poll(target: Target) -> Finding:
            if not target.kind.polled:
                return judge_listed(target)
            endpoint = endpoint_of(target.endpoint)
            reader = readers.setdefault(endpoint.key, BlockerReader(endpoint.key, SystemClock()))
            await endpoint.admit()
            try:
                snapshot = await endpoint.fetch(target)
            except PollFailed as error:
                return Finding(target, Status.UNREADABLE, error=error)
            return judge(target, snapshot, now, await reader.read(endpoint, target) or ())

        listed = await list_once(config, config.listings, endpoint_of)
        watched = listed.watched_by(config, now)
        absent = listed.absent([key.kind_name for key in config.listings])
        failed = {key: error for key, error in listed.failed.items() if key not in absent}
        return Check(await asyncio.gather(*map(finding, watched.targets)), failed, absent)
