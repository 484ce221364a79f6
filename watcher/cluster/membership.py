"""One daemon's share of a state table: begins and ends polling, recording and delivering for its shards.

A gained shard is read before its targets are polled; a lost one is polled no more before it is forgotten. One
endpoint's targets are all of one shard, so one daemon at a time polls an endpoint, with all of its rate.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import uuid4

from watcher.cluster.lease_keeper import LeaseKeeper, Tenure
from watcher.core.model import EndpointKey
from watcher.core.settings import Config
from watcher.core.shards import Sharded
from watcher.core.state import Record
from watcher.delivery.relay import Relay
from watcher.errors import StoreError
from watcher.polling.manager import PollerManager
from watcher.polling.recorder import Recorder
from watcher.polling.removals import forget_removed

SENDING_SECONDS = 5.0
"""How long deliveries under way are waited for before their shard is released: after that they are repeated."""

SHARED_GRACE_SECONDS = 2.0
"""How long the last deliveries may take at the end, when another daemon continues with the rest."""


@dataclass(frozen=True, slots=True)
class GainSteps:
    """What other parts of the daemon do when it gains shards."""

    refresh: Callable[[], Awaitable[None]]
    """Brings the targets that other daemons discovered into the configuration."""
    leaving: Callable[[], Collection[str]]
    """Returns the targets that a listing removed, and that are forgotten when this was reported."""
    catch_up: Callable[[], Awaitable[None]]
    """Does for the loaded states what the start of a daemon, or a reload, does about its sinks."""


class Membership:
    """Acts for the held shards, which `keeper.run` gains and loses."""

    def __init__(
        self,
        shards: Sharded,
        tenure: Tenure,
        config: Callable[[], Config],
        polling: PollerManager,
        recorder: Recorder,
        relay: Relay,
        *,
        steps: GainSteps,
    ) -> None:
        """`tenure`: the one by which the store hands out deliveries; `config` returns the one in force."""
        self.held: frozenset[int] = frozenset()
        self._shards = shards
        self._tenure = tenure
        self._config = config
        self._polling = polling
        self._recorder = recorder
        self._relay = relay
        self._steps = steps
        me = uuid4().hex
        self.keeper = LeaseKeeper(me, shards.leases(me), self, tenure, count=shards.count, term=shards.term)

    def may_poll(self, key: EndpointKey) -> bool:
        return self._tenure.covers(self._shards.shard_of(str(key)))

    def grace(self, longest: float) -> float:
        """Return for how many seconds deliveries go on at the end."""
        return min(longest, SHARED_GRACE_SECONDS) if self.keeper.others else longest

    def mine(self, subjects: Iterable[str]) -> list[str]:
        """Return the subjects that belong to a held shard."""
        return [subject for subject in subjects if self._shards.shard_of(subject) in self.held]

    def restricted(self, config: Config) -> Config:
        """Return `config` with only the targets and the listings of the held shards."""
        keys = {key for key in config.endpoints if self._holds(key)}
        targets = tuple(target for target in config.targets if target.endpoint in keys)
        rules = [
            replace(rule, kinds=(kind,), places=places)
            for rule in config.discover
            for kind in rule.kinds
            if (places := tuple(place for place in rule.places if self._holds(EndpointKey(*place, kind.api))))
        ]
        return replace(config, targets=targets, discover=tuple(rules))

    async def gain(self, shards: Collection[int]) -> Mapping[int, str]:
        found = await asyncio.gather(*map(self._shards.load, shards), return_exceptions=True)
        loaded: dict[int, dict[str, Record]] = {}
        unread: dict[int, str] = {}
        for shard, records in zip(shards, found, strict=True):
            if isinstance(records, StoreError):
                unread[shard] = str(records)
            elif isinstance(records, BaseException):
                raise records
            else:
                loaded[shard] = records
        if not loaded:
            return unread
        # Otherwise what others have discovered would be taken for targets that left the configuration.
        await self._steps.refresh()
        known = {subject: record for each in loaded.values() for subject, record in each.items()}
        self._recorder.adopt(known)
        await self._steps.catch_up()
        # Repeated, since a reload meanwhile forgets only what belongs to held shards, and these are not held yet.
        while gone := known.keys() - self._config().subjects - {*self._steps.leaving()}:
            await forget_removed(self._recorder, self._config(), gone)
            known = {subject: record for subject, record in known.items() if subject not in gone}
        self.held |= loaded.keys()
        self._polling.reconfigure(self.restricted(self._config()), taken_over=True)
        self._relay.wake()
        return unread

    async def lose(self, shards: Collection[int]) -> None:
        self._stop_polling(shards)
        await self._unload(shards)

    async def wind_down(self, shard: int) -> None:
        await self._polling.quiet(self._stop_polling([shard]))
        await self._unload([shard])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SENDING_SECONDS):
                await self._relay.quiet(lambda subject: self._shards.shard_of(subject) == shard)

    async def refresh(self, shards: Collection[int]) -> None:
        await asyncio.gather(*map(self._shards.refresh, shards))
        self._relay.wake()

    def _holds(self, key: EndpointKey) -> bool:
        return self._shards.shard_of(str(key)) in self.held

    def _stop_polling(self, shards: Collection[int]) -> Collection[EndpointKey]:
        """Stop polling for these shards; returns their endpoints."""
        before = self._polling.endpoints.keys()
        self.held -= {*shards}
        self._polling.reconfigure(self.restricted(self._config()))
        return before - self._polling.endpoints.keys()

    async def _unload(self, shards: Collection[int]) -> None:
        """Drop these shards from memory once what was observed of them is recorded."""
        known = {*self._config().subjects, *self._recorder.records}
        gone = [subject for subject in known if self._shards.shard_of(subject) in shards]
        await self._recorder.drop(gone)
        for shard in shards:
            self._shards.unload(shard)
