"""Which part of all there is to do is this watcher's: everything, or what it holds of a table that others use, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.cluster.handover import Handover
    from watcher.cluster.lease_keeper import LeaseKeeper
    from watcher.core.model import EndpointKey
    from watcher.core.settings import Config

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
