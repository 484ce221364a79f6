"""The pollers of all endpoints, each with its client: what is polled, and through what, as it is configured now."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from watcher.observability.daemon_view import TargetStatus
from watcher.polling.endpoint import Endpoint
from watcher.polling.poller import Poller
from watcher.polling.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from watcher.aws.sessions import Sessions
    from watcher.core.model import EndpointKey, Target
    from watcher.core.ports import Clock
    from watcher.core.settings import Account, Config
    from watcher.observability.daemon_view import EndpointStatus
    from watcher.observability.observer import Observer
    from watcher.polling.recorder import Recorder


log = structlog.get_logger()


class PollerManager:
    """Everything that asks AWS for the status of targets."""

    def __init__(
        self,
        config: Config,
        sessions: Sessions,
        recorder: Recorder,
        clock: Clock,
        observer: Observer,
        may: Callable[[EndpointKey], bool] = lambda _: True,
    ) -> None:
        """Nothing is opened, and nothing polled, before `run`. `may`: whether an endpoint may be asked now."""
        self._may = may
        self._sessions = sessions
        self._recorder = recorder
        self._clock = clock
        self._observer = observer
        self.endpoints: dict[EndpointKey, Endpoint] = {}
        self._pollers: dict[EndpointKey, Poller] = {}
        self._throttles: dict[EndpointKey, RateLimiter] = {}
        """Of every endpoint there ever was: one that comes back has not got its rate anew."""
        self._leaving: set[Endpoint] = set()
        self._group: asyncio.TaskGroup | None = None
        self._homes: dict[str, EndpointKey] = {}
        self.reconfigure(config)

    async def run(self) -> None:
        """Poll for ever; cancelled, it ends the polls that are under way."""
        try:
            async with asyncio.TaskGroup() as self._group:
                for poller in self._pollers.values():
                    self._group.create_task(poller.run())
                await asyncio.Event().wait()
        finally:
            self._group = None

    def reconfigure(self, config: Config, *, taken_over: bool = False) -> None:
        """Poll what `config` lists, as it says. What did not change goes on; no poll under way is cut.

        `taken_over`: endpoints that come were polled by another watcher until now, whose last calls count in the rate.
        """
        groups = config.endpoints()
        self._homes = {target.id: key for key, targets in groups.items() for target in targets}
        for key in self._pollers.keys() - groups.keys():
            endpoint = self.endpoints.pop(key)
            self._pollers.pop(key).reconfigure(endpoint, (), config)
            self._retire(endpoint)
        for key, targets in groups.items():
            self._take_up(key, targets, config, taken_over=taken_over)
        self._sessions.keep(config.accounts.values())

    def look(self, target_id: str) -> TargetStatus:
        """How the polling of a configured target goes; nothing is known of what another watcher polls."""
        home = self._homes.get(target_id)
        return _NOT_POLLED_HERE if home is None else self._pollers[home].target_status(target_id)

    def looks(self) -> Mapping[EndpointKey, EndpointStatus]:
        """How each endpoint is doing."""
        return {key: poller.endpoint_status() for key, poller in self._pollers.items()}

    def stuck(self) -> list[str]:
        """Which pollers make no progress, for people."""
        return [reason for poller in self._pollers.values() if (reason := poller.stuck())]

    async def left(self, keys: Collection[EndpointKey]) -> None:
        """Wait until the last calls to endpoints that were let go are over."""
        for endpoint in [endpoint for endpoint in self._leaving if endpoint.key in keys]:
            await endpoint.quiet()

    async def close(self) -> None:
        """Close the clients."""
        for endpoint in (*self.endpoints.values(), *self._leaving):
            with contextlib.suppress(Exception):  # the others are to be closed as well
                await endpoint.close()

    def _take_up(self, key: EndpointKey, targets: tuple[Target, ...], config: Config, *, taken_over: bool) -> None:
        account, before = config.accounts[key.account], self.endpoints.get(key)
        if before is not None and before.serves(account):
            before.reconfigure(account, config.retry)
        else:
            self.endpoints[key] = self._endpoint(key, account, config)
            if before is not None:
                self._retire(before)
        if key in self._pollers:
            self._pollers[key].reconfigure(self.endpoints[key], targets, config)
            return
        poller = Poller(
            self.endpoints[key], targets, config, self._recorder, self._clock, self._observer, taken_over=taken_over
        )
        self._pollers[key] = poller
        if taken_over:
            self._throttles[key].rest()
        if self._group is not None:
            self._group.create_task(poller.run())

    def _endpoint(self, key: EndpointKey, account: Account, config: Config) -> Endpoint:
        rate = account.rate_limit.requests_per_second
        throttle = self._throttles.setdefault(key, RateLimiter(rate))
        throttle.resize(rate)
        return Endpoint(key, account, self._sessions, config.retry, throttle, lambda: self._may(key))

    def _retire(self, endpoint: Endpoint) -> None:
        """Close an endpoint's client when its last call is over."""
        self._leaving.add(endpoint)
        if self._group is not None:
            self._group.create_task(self._retired(endpoint))

    async def _retired(self, endpoint: Endpoint) -> None:
        try:
            await endpoint.retire()
        except Exception:  # nobody else's polls hang on how it ends
            log.exception("endpoint.close_failed", endpoint=str(endpoint.key))
        self._leaving.discard(endpoint)


_NOT_POLLED_HERE = TargetStatus(answered=None, tried=None, next_poll=None, failures=0, polled_here=False)
