"""The endpoints that this daemon is responsible for in a state table that several daemons share."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from watcher.cluster.handover import Handover
from watcher.cluster.lease_keeper import LeaseKeeper, Tenure
from watcher.core.model import EndpointKey
from watcher.core.ports import Sharded
from watcher.core.settings import Config
from watcher.delivery.relay import Relay
from watcher.polling.manager import PollerManager
from watcher.polling.recorder import Recorder

SHARED_GRACE_SECONDS = 2.0
"""How long the last deliveries may take at the end, when another daemon continues with the rest."""


class Membership:
    """One daemon's share of the shards; `run` keeps it."""

    def __init__(
        self,
        shards: Sharded,
        tenure: Tenure,
        config: Callable[[], Config],
        polling: PollerManager,
        recorder: Recorder,
        relay: Relay,
    ) -> None:
        """`tenure`: the one by which the store hands out deliveries; `config` returns the one in force."""
        self._shards = shards
        self._tenure = tenure
        handover, me = Handover(shards, config, polling, recorder, relay), uuid4().hex
        self._keeper = keeper = LeaseKeeper(
            me, shards.leases(me), handover, tenure, count=shards.count, term=shards.term
        )
        self.restricted, self.mine = handover.restricted, handover.mine
        self.run, self.resign, self.release_all = keeper.run, keeper.resign, keeper.release_all
        self.unready = keeper.unready

    def may_poll(self, key: EndpointKey) -> bool:
        """Return whether this daemon may poll an endpoint at this moment."""
        return self._tenure.covers(self._shards.shard_of(str(key)))

    def grace(self, longest: float) -> float:
        """Return for how many seconds deliveries go on at the end."""
        return min(longest, SHARED_GRACE_SECONDS) if self._keeper.others else longest
