"""One poll of every target, and how bad it is: for `watcher check`, as monitoring systems want it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING

from watcher.endpoint import Endpoint
from watcher.errors import PollFailed
from watcher.model import FAILED, KNOWN_STATUSES
from watcher.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from watcher.config.settings import Config
    from watcher.model import Snapshot, Target


class Result(IntEnum):
    """How a target is, by the exit code that tells it (contract, section 2)."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What one poll of a target brought."""

    target: Target
    result: Result
    status: str
    """The latest attempt's; `STALLED` when it has been unfinished too long, empty when there is none to tell."""
    snapshot: Snapshot | None = None
    error: PollFailed | None = None


def judge(target: Target, snapshot: Snapshot, now: datetime) -> Finding:
    """What an answer means for monitoring. Pure."""
    latest = snapshot.latest
    if latest is None:
        return Finding(target, Result.OK, "", snapshot)
    if latest.status == FAILED:
        return Finding(target, Result.CRITICAL, latest.status, snapshot)
    if latest.status not in KNOWN_STATUSES:
        return Finding(target, Result.UNKNOWN, latest.status, snapshot)
    age = (snapshot.at or now) - latest.started_at
    if latest.unfinished and age >= timedelta(seconds=target.stalled_after):
        return Finding(target, Result.WARNING, "STALLED", snapshot)
    return Finding(target, Result.OK, latest.status, snapshot)


def worst(results: Iterable[Result]) -> Result:
    """The worst of them: critical beats unknown beats warning."""
    order = (Result.OK, Result.WARNING, Result.UNKNOWN, Result.CRITICAL)
    return max(results, key=order.index, default=Result.OK)


async def check(config: Config, now: datetime) -> list[Finding]:
    """Poll every target once, within the rates and with the tries of the configuration; in its order."""
    sessions = Sessions()
    endpoints = {key: Endpoint(key, config.accounts[key.account], sessions, config.retry) for key in config.endpoints()}

    async def look(target: Target) -> Finding:
        endpoint = endpoints[target.endpoint]
        await endpoint.admit()
        try:
            return judge(target, await endpoint.fetch(target), now)
        except PollFailed as error:
            return Finding(target, Result.UNKNOWN, "", error=error)

    try:
        await asyncio.gather(*(endpoint.prepare() for endpoint in endpoints.values()))
        return await asyncio.gather(*map(look, config.targets))
    finally:
        for endpoint in endpoints.values():
            await endpoint.close()
