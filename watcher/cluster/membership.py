"""Which part of all there is to do is this watcher's: everything, or what it holds of a table that others use, too."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from watcher.core.state_url import SCHEME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.cluster.handover import Handover
    from watcher.cluster.lease_keeper import LeaseKeeper
    from watcher.core.model import EndpointKey
    from watcher.core.ports import Clock, Store
    from watcher.core.settings import Config
    from watcher.delivery.relay import Relay
    from watcher.polling.manager import PollerManager
    from watcher.polling.recorder import Recorder

OTHERS_DELIVER = 2.0
"""Seconds that the last deliveries may take at the end, when another watcher goes on with what is left of them."""


class Membership:
    """What is this watcher's of a shared table."""

    def __init__(self, handover: Handover, holding: LeaseKeeper, shard_of: Callable[[str], int]) -> None:
        """`holding` says what `handover` acts for."""
        self._handover = handover
        self._holding = holding
        self._shard_of = shard_of

    def may(self, key: EndpointKey) -> bool:
        """Whether an endpoint is this watcher's to ask at this moment."""
        return self._holding.may(self._shard_of(str(key)))

    def restricted(self, config: Config) -> Config:
        """`config` without the targets that others poll."""
        return self._handover.restricted(config)

    def mine(self, subjects: Sequence[str]) -> list[str]:
        """Those of `subjects` that are this watcher's."""
        return self._handover.mine(subjects)

    def unready(self) -> list[str]:
        """Why it cannot do its part, for people."""
        return self._holding.unready()

    async def run(self) -> None:
        """Keep the part that is held, and a share of all, for ever."""
        await self._holding.run()

    async def resign(self) -> None:
        """Take nothing more; what is held is kept until `release`."""
        await self._holding.resign()

    async def release_all(self) -> None:
        """Let others have it all, now."""
        await self._holding.release_all()

    def grace(self, longest: float) -> float:
        """Seconds for which it is worth to go on delivering at the end."""
        return min(longest, OTHERS_DELIVER) if self._holding.others else longest


def part_of(
    store: Store, config: Callable[[], Config], polling: PollerManager, recorder: Recorder, relay: Relay, clock: Clock
) -> Membership | None:
    """A watcher's part of `store`, of which nothing is held yet; None: all of it is this watcher's.

    `config`: the one in force.
    """
    if not config().state.startswith(SCHEME):
        return None
    from watcher.cluster.handover import Handover  # noqa: PLC0415  what is not used is not loaded
    from watcher.cluster.lease_keeper import LeaseKeeper  # noqa: PLC0415  the same
    from watcher.stores.dynamodb.items import SHARDS  # noqa: PLC0415  the same
    from watcher.stores.dynamodb.lease_table import LeaseTable  # noqa: PLC0415  the same
    from watcher.stores.dynamodb.store import DynamoStore  # noqa: PLC0415  the same
    from watcher.stores.dynamodb.table import Table  # noqa: PLC0415  the same

    if not (isinstance(store, DynamoStore) and store.leases):
        return None
    me = uuid4().hex
    handover = Handover(store, config, polling, recorder, relay)
    # Its calls wait for no turn behind the store's.
    leases = LeaseTable(Table(store.table.address, store.table.caller), me)
    holding = LeaseKeeper(me, leases, handover, clock, count=SHARDS, term=store.table.address.term)
    store.may = holding.may
    return Membership(handover, holding, store.shard_of)
