"""Makes each listing once, outside a daemon: for `watcher discover`, and for `watcher check` before its polls."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from watcher.aws.sessions import Sessions
from watcher.core.discovery import discovered
from watcher.core.listings import FoundTarget, Listing, ListingKey
from watcher.core.model import EndpointKey
from watcher.core.settings import Config, ListingPlan
from watcher.errors import PollFailed
from watcher.polling.endpoint import Endpoint
from watcher.polling.retry import with_retries


@dataclass(slots=True)
class Listed:
    """What listings found, and why others failed."""

    found: dict[ListingKey, Sequence[FoundTarget]] = field(default_factory=dict)
    failed: dict[ListingKey, PollFailed] = field(default_factory=dict)
    calls: int = 0
    """How many calls it took, retries included."""

    def absent(self, asked: Collection[str]) -> dict[ListingKey, PollFailed]:
        """Return the listings of APIs that are not offered where another listing found what there is.

        `asked`: the kinds that were asked for by name; for these, it is a listing of the same kind by another API.
        """
        return {
            key: error
            for key, error in self.failed.items()
            if error.not_offered
            and any(
                other[:2] == key[:2] and (key.kind_name not in asked or other.kind_name == key.kind_name)
                for other in self.found
            )
        }

    def watched_by(self, config: Config, now: datetime) -> Config:
        """Return `config` with the targets that its rules select from what was found."""
        return discovered(config, {key: Listing(key, now, tuple(found)) for key, found in self.found.items()})


@asynccontextmanager
async def endpoints_of(config: Config) -> AsyncIterator[Callable[[EndpointKey], Endpoint]]:
    """Yield a function that returns the endpoint with a key, always the same one; they are closed at the end."""
    sessions = Sessions()
    endpoints: dict[EndpointKey, Endpoint] = {}

    def endpoint_of(key: EndpointKey) -> Endpoint:
        if key not in endpoints:
            endpoints[key] = Endpoint(key, config.accounts[key.account], sessions, config.retry)
        return endpoints[key]

    try:
        yield endpoint_of
    finally:
        for endpoint in endpoints.values():
            await endpoint.close()


async def list_once(
    config: Config, plans: Mapping[ListingKey, ListingPlan], endpoint_of: Callable[[EndpointKey], Endpoint]
) -> Listed:
    """Make each listing once, with the configured rates and retries."""
    listed = Listed()

    async def make(key: ListingKey, plan: ListingPlan) -> None:
        endpoint = endpoint_of(plan.endpoint(key))

        async def ask(operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
            async def call() -> dict[str, Any]:
                await endpoint.admit()
                listed.calls += 1
                return await endpoint.call(operation, parameters, plan.timeout)

            return await with_retries(call, config.retry)

        try:
            listed.found[key] = await plan.listing(ask)
        except PollFailed as error:
            listed.failed[key] = error

    await asyncio.gather(*(make(key, plan) for key, plan in plans.items()))
    return listed
