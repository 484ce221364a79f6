"""Runs the poller and the client of every endpoint, as configured now."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

import structlog

from watcher.aws.sessions import Sessions
from watcher.core.model import EndpointKey, Target
from watcher.core.settings import Config
from watcher.errors import PollFailed, Superseded
from watcher.observability.daemon_view import EndpointStatus, TargetStatus
from watcher.polling.endpoint import Endpoint
from watcher.polling.lister import Lister, Listings
from watcher.polling.pending_hints import Answer
from watcher.polling.poller import Poller
from watcher.polling.rate_limiter import RateLimiter
from watcher.polling.recorder import Recorder

log = structlog.get_logger()


class PollerManager:
    """Starts, reconfigures and stops the pollers of all endpoints."""

    def __init__(
        self,
        config: Config,
        sessions: Sessions,
        recorder: Recorder,
        may_poll: Callable[[EndpointKey], bool] = lambda _: True,
        listings: Listings | None = None,
    ) -> None:
        """`run` starts the polling. `may_poll`: whether an endpoint may be polled now.

        `listings` gets what discovery finds; without it nothing is listed.
        """
        self._may_poll = may_poll
        self._sessions = sessions
        self._recorder = recorder
        self._pollers: dict[EndpointKey, Poller] = {}
        self._rate_limiters: dict[EndpointKey, RateLimiter] = {}
        """Rate limiters by endpoint, also of removed ones: an endpoint that comes back continues with its own."""
        self._leaving: set[Endpoint] = set()
        self._group: asyncio.TaskGroup | None = None
        self._homes: dict[str, EndpointKey] = {}
        self.lister = None if listings is None else Lister(self._call, listings, recorder.clock, self._listed)
        self._heard: Collection[EndpointKey] = ()
        self.reconfigure(config)

    async def run(self) -> None:
        """Poll until cancelled; then cancel the polls under way."""
        try:
            async with asyncio.TaskGroup() as self._group:
                for poller in self._pollers.values():
                    self._group.create_task(poller.run())
                if self.lister is not None:
                    self._group.create_task(self.lister.run())
                await asyncio.Event().wait()
        finally:
            self._group = None

    def reconfigure(self, config: Config, *, taken_over: bool = False) -> None:
        """Poll what `config` lists. What did not change goes on, and polls under way are not cancelled.

        `taken_over`: another daemon polled the new endpoints until now, and its last calls count in the rate.
        """
        groups = {**{plan.endpoint(key): () for key, plan in config.listings.items()}, **config.polled}
        self._homes = {target.id: key for key, targets in groups.items() for target in targets}
        for key in self._pollers.keys() - groups.keys():
            poller = self._pollers.pop(key)
            poller.reconfigure(poller.endpoint, (), config)
            self._retire(poller.endpoint)
        for key, targets in groups.items():
            self._reconfigure_endpoint(key, targets, config, taken_over=taken_over)
        self._sessions.keep(config.accounts.values())
        if self.lister is not None:
            self.lister.reconfigure(config)

    def ask_again(self) -> None:
        """Ask again for blockers that could not be read: access may have been granted."""
        for poller in self._pollers.values():
            poller.blockers.resume()

    def hint(self, target: Target) -> Answer | None:
        """Poll a target at once, or a repository that stands for stacks; None: it is not polled here."""
        poller = self._pollers.get(target.endpoint)
        return None if poller is None else poller.hint(target.id)

    def list_soon(self) -> None:
        """Make all listings at once: there may be something new."""
        if self.lister is not None:
            self.lister.hasten()

    def set_heard(self, endpoints: Collection[EndpointKey]) -> None:
        """Set the endpoints whose changes are reported by hints."""
        self._heard = endpoints
        for key, poller in self._pollers.items():
            poller.set_heard(heard=key in endpoints)

    @property
    def endpoints(self) -> dict[EndpointKey, Endpoint]:
        """The endpoints that are polled now."""
        return {key: poller.endpoint for key, poller in self._pollers.items()}

    def target_status(self, target_id: str) -> TargetStatus:
        """Return how the polling of a target goes; nothing is known here if another daemon polls it."""
        home = self._homes.get(target_id)
        return _NOT_POLLED_HERE if home is None else self._pollers[home].target_status(target_id)

    def endpoint_statuses(self) -> Mapping[EndpointKey, EndpointStatus]:
        """Return how the polling of each endpoint goes."""
        return {key: poller.endpoint_status() for key, poller in self._pollers.items()}

    def stuck(self) -> list[str]:
        """Return why pollers make no progress, for people; empty: all do."""
        return [reason for poller in self._pollers.values() if (reason := poller.stuck())]

    async def quiet(self, keys: Collection[EndpointKey]) -> None:
        """Wait until the last calls to removed endpoints have ended."""
        for endpoint in [endpoint for endpoint in self._leaving if endpoint.key in keys]:
            await endpoint.quiet()

    async def close(self) -> None:
        for endpoint in (*self.endpoints.values(), *self._leaving):
            with contextlib.suppress(Exception):  # the others must be closed as well
                await endpoint.close()

    async def _call(
        self,
        key: EndpointKey,
        operation: str,
        parameters: Mapping[str, Any],
        timeout: float,  # noqa: ASYNC109  as for `Endpoint.call`
    ) -> dict[str, Any]:
        """Make one call behind the polls of an endpoint; returns and raises what `Endpoint.call` does."""
        poller = self._pollers.get(key)
        if poller is None:
            raise Superseded(f"{key}: it is not polled here any more")
        return await poller.call(operation, parameters, timeout)

    async def _listed(self, key: EndpointKey, error: PollFailed | None) -> None:
        poller = self._pollers.get(key)
        if poller is not None:
            await poller.results.listed(error)

    def _reconfigure_endpoint(
        self, key: EndpointKey, targets: tuple[Target, ...], config: Config, *, taken_over: bool
    ) -> None:
        account, poller = config.accounts[key.account], self._pollers.get(key)
        if poller is not None and poller.endpoint.serves(account):
            poller.endpoint.reconfigure(account, config.retry)
            poller.reconfigure(poller.endpoint, targets, config)
            return
        rate = account.rate_limit.requests_per_second
        rate_limiter = self._rate_limiters.setdefault(key, RateLimiter(rate))
        rate_limiter.set_rate(rate)
        endpoint = Endpoint(key, account, self._sessions, config.retry, rate_limiter, lambda: self._may_poll(key))
        if poller is not None:
            self._retire(poller.endpoint)
            poller.reconfigure(endpoint, targets, config)
            return
        self._pollers[key] = poller = Poller(endpoint, targets, config, self._recorder, taken_over=taken_over)
        poller.set_heard(heard=key in self._heard)
        if taken_over:
            rate_limiter.rest()
        if self._group is not None:
            self._group.create_task(poller.run())

    def _retire(self, endpoint: Endpoint) -> None:
        """Close the client of an endpoint when its last call has ended."""
        self._leaving.add(endpoint)
        if self._group is not None:
            self._group.create_task(self._retired(endpoint))

    async def _retired(self, endpoint: Endpoint) -> None:
        await endpoint.quiet()
        try:
            await endpoint.close()
        except Exception:  # it concerns no other endpoint
            log.exception("endpoint.close_failed", endpoint=str(endpoint.key))
        self._leaving.discard(endpoint)


_NOT_POLLED_HERE = TargetStatus(answered=None, tried=None, next_poll=None, failures=0, polled_here=False)
