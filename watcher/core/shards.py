"""The interfaces of the shards of a store that several daemons share, and of their leases (`core.leases`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from watcher.core.leases import Lease, Seen
from watcher.core.state import Record


class Sharded(Protocol):
    """The shards of a store that several daemons share: the subjects are spread over them."""

    count: int

    @property
    def term(self) -> float:
        """Seconds of silence after which a daemon's leases are free."""

    def leases(self, me: str) -> Leasing:
        """Return the leases of the shards, for the daemon `me`."""

    def shard_of(self, subject: str) -> int:
        """Return the shard of a target (its ID) or an endpoint (its key as text)."""

    async def load(self, shard: int) -> dict[str, Record]:
        """Load a shard with its waiting deliveries; returns the records of its subjects."""

    async def refresh(self, shard: int) -> None:
        """Read again which deliveries wait in a shard."""

    def unload(self, shard: int) -> None:
        """Hand out no delivery of a shard any more."""


class Leasing(Protocol):
    """The leases of the shards. If a method raises StoreError, the change may have been made or not."""

    async def renew(self, *, leaving: bool) -> None:
        """Increase this daemon's counter, which shows the others that it runs."""

    async def read(self) -> Seen:
        """Return who holds which lease, and the counters of all daemons."""

    async def acquire(self, shard: int, seen: Lease | None) -> Lease | None:
        """Acquire a lease without an owner, as it was `seen`; None: another daemon was quicker."""

    async def steal(self, owner: str, shards: Collection[int], seen: Seen) -> Mapping[int, Lease]:
        """Acquire leases of an owner whose counter has not moved since; empty: it moved, or a lease changed hands."""

    async def release(self, shard: int, lease: Lease) -> None:
        """Leave a lease of this daemon without an owner."""

    async def resign(self) -> None:
        """Remove this daemon's counter."""


class ShardOwner(Protocol):
    """Acts for the shards whose leases this daemon holds."""

    @property
    def held(self) -> Collection[int]:
        """The shards that it acts for now."""

    async def gain(self, shards: Collection[int]) -> Mapping[int, str]:
        """Begin to poll and deliver for shards; returns the reason for each shard that cannot be read.

        Raises:
            StoreError: the store failed; `held` says which shards it acts for.
        """

    async def lose(self, shards: Collection[int]) -> None:
        """Stop at once: the leases are lost."""

    async def wind_down(self, shard: int) -> None:
        """Stop, and wait until what is under way is over and recorded: the lease will be released."""

    async def refresh(self, shards: Collection[int]) -> None:
        """Read these shards again: an operator changed their deliveries."""
