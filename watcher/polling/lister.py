"""Makes the listings of what accounts have, each as often as configured, through the endpoints' background calls.

A listing is of one account, region and kind. One that fails changes nothing, is made again soon, and holds up no other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from watcher.core.listings import FoundTarget, ListingKey
from watcher.core.model import EndpointKey
from watcher.core.ports import Clock
from watcher.core.settings import Config, ListingPlan, Retry
from watcher.errors import PollFailed, Superseded
from watcher.polling.retry import with_retries

if TYPE_CHECKING:
    from watcher.core.kinds import Ask

log = structlog.get_logger()

FAILED_SECONDS = 60.0
"""The longest pause before a listing that failed is made again."""

Call = Callable[[EndpointKey, str, Mapping[str, Any], float], Awaitable[dict[str, Any]]]
"""Makes one call of an operation, with parameters and a time limit, behind the polls of an endpoint."""


Listed = Callable[[EndpointKey, PollFailed | None], Awaitable[None]]
"""Notes that a listing of an endpoint failed, or (None) was complete; may raise Superseded."""


class Listings(Protocol):
    """What is done with the listings."""

    def completed_at(self, key: ListingKey) -> datetime | None:
        """Return when a listing was last complete; None: never, or it owes events: another is made at once."""

    async def report(self, key: ListingKey) -> None:
        """Record what the last complete listing owes, as when a daemon ended before it had recorded all.

        Raises:
            Superseded: another daemon records it.
        """

    async def complete(self, key: ListingKey, found: Sequence[FoundTarget]) -> None:
        """Record a complete listing, and watch what it found.

        Raises:
            Superseded: another daemon recorded it first.
        """


@dataclass(frozen=True, slots=True)
class ListingRun:
    """The outcome of the last listing of this run."""

    tried: bool = False
    """Whether it was made, with any outcome."""
    error: str = ""
    """Why it failed; empty: it did not."""


@dataclass(eq=False, slots=True)
class _Job:
    """A listing that is repeated."""

    plan: ListingPlan
    ended: float = -inf
    """When it was last made (monotonic seconds); `-inf`: never."""
    run: ListingRun = field(default_factory=ListingRun)
    wanted: bool = False
    """Whether it is to be made at once, or again when the one under way has ended."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Lister:
    """Repeats the listings of the configuration."""

    def __init__(self, call: Call, listings: Listings, clock: Clock, listed: Listed) -> None:
        """`run` starts the listings that `reconfigure` has set; `listed` is called when one ended."""
        self._call = call
        self._listed = listed
        self._listings = listings
        self._clock = clock
        self._retry = Retry()
        self._jobs: dict[ListingKey, _Job] = {}
        self._group: asyncio.TaskGroup | None = None

    def reconfigure(self, config: Config) -> None:
        """Make the listings of `config` from now on; one under way continues, unless it is no longer configured."""
        self._retry = config.retry
        for key in self._jobs.keys() - config.listings.keys():
            job = self._jobs.pop(key)
            if job.task is not None:
                job.task.cancel()
        for key, plan in config.listings.items():
            if key not in self._jobs:
                self._jobs[key] = _Job(plan)
                self._start(key)
            elif self._jobs[key].plan != plan:
                self._jobs[key].plan = plan
                self._jobs[key].changed.set()

    def hasten(self) -> None:
        """Make every listing at once, also those that are under way."""
        for job in self._jobs.values():
            job.wanted = True
            job.changed.set()

    async def run(self) -> None:
        """List until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._group:
                for key in self._jobs:
                    self._start(key)
                await asyncio.Event().wait()
        finally:
            self._group = None

    def runs(self) -> Mapping[ListingKey, ListingRun]:
        """Return the outcome of each listing that is made here."""
        return {key: job.run for key, job in self._jobs.items()}

    def _start(self, key: ListingKey) -> None:
        if self._group is not None:
            job = self._jobs[key]
            job.ended = self._last_ended(key)
            job.task = self._group.create_task(self._repeat(key, job))

    async def _repeat(self, key: ListingKey, job: _Job) -> None:
        while True:
            if job.wanted or (wait := self._seconds_until_due(job)) <= 0:
                job.wanted = False
                await self._list(key, job)
                continue
            job.changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await job.changed.wait()

    def _seconds_until_due(self, job: _Job) -> float:
        pause = min(job.plan.every, FAILED_SECONDS) if job.run.error else job.plan.every
        return job.ended + pause - self._clock.monotonic()

    def _last_ended(self, key: ListingKey) -> float:
        """Return when a listing was last complete, also by an earlier run, in monotonic seconds."""
        completed = self._listings.completed_at(key)
        if completed is None:
            return -inf
        return self._clock.monotonic() - max(0.0, (self._clock.now() - completed).total_seconds())

    async def _list(self, key: ListingKey, job: _Job) -> None:
        """Make one listing, and record it if it is complete."""
        plan = job.plan
        endpoint = plan.endpoint(key)

        async def ask(operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
            call = partial(self._call, endpoint, operation, parameters, plan.timeout)
            return await with_retries(call, self._retry)

        before, error = job.run, ""
        try:
            await self._listings.report(key)
            found = await self._asked(endpoint, plan, ask)
            await self._listings.complete(key, found)
        except (PollFailed, Superseded) as failure:
            error = str(failure)
        except Exception:
            log.exception("listing.crashed", listing=str(key))
            error = "a bug; the log has its traceback"
        if error and error != before.error:
            log.warning("listing.failed", listing=str(key), error=error, consequence="the last complete list stays")
        elif before.error and not error:
            log.info("listing.recovered", listing=str(key))
        job.ended, job.run = self._clock.monotonic(), ListingRun(tried=True, error=error)

    async def _asked(self, endpoint: EndpointKey, plan: ListingPlan, ask: "Ask") -> Sequence[FoundTarget]:
        """Return what AWS lists, and note whether the endpoint answered.

        An API that is not offered is no failure if another one has targets of the kind as well.
        """
        try:
            found = await plan.listing(ask)
        except PollFailed as failure:
            if not (failure.not_offered and plan.kind.variant):
                await self._listed(endpoint, failure)
            raise
        await self._listed(endpoint, None)
        return found
