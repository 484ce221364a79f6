"""Joins the daemons that share a DynamoDB table. Loaded only for such a store: it imports botocore."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from watcher.cluster.handover import Handover
from watcher.cluster.lease_keeper import LeaseKeeper
from watcher.cluster.membership import Membership
from watcher.stores.dynamodb.items import SHARDS
from watcher.stores.dynamodb.lease_table import LeaseTable
from watcher.stores.dynamodb.store import DynamoStore
from watcher.stores.dynamodb.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.ports import Clock, Store
    from watcher.core.settings import Config
    from watcher.delivery.relay import Relay
    from watcher.polling.manager import PollerManager
    from watcher.polling.recorder import Recorder


def join(
    store: Store, config: Callable[[], Config], polling: PollerManager, recorder: Recorder, relay: Relay, clock: Clock
) -> Membership | None:
    """The membership of a daemon that holds no shard yet; None: the table is used without leases.

    `config` returns the configuration in force.
    """
    if not (isinstance(store, DynamoStore) and store.leases):
        return None
    me = uuid4().hex
    handover = Handover(store, config, polling, recorder, relay)
    # A table object of its own: its calls do not queue behind the store's.
    leases = LeaseTable(Table(store.table.address, store.table.caller), me)
    keeper = LeaseKeeper(me, leases, handover, clock, count=SHARDS, term=store.table.address.term)
    store.may = keeper.may
    return Membership(handover, keeper, store.shard_of)
