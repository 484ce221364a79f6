"""Keeps a watcher's share of the shards: beats, looks who else lives, takes, gives back; a plan is `leases.decide`'s.

Two things go on beside each other: the beat, which nothing may delay, and acting on what a look showed, which takes as
long as it takes. What is held is held until the term is over that began before the last beat; past it nothing is polled
and nothing delivered, until a look has shown that nobody else took it meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from math import inf
from typing import TYPE_CHECKING, Protocol

import structlog

from watcher.core.leases import Plan, Silence, decide
from watcher.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from watcher.core.leases import Lease, Seen
    from watcher.core.ports import Clock

log = structlog.get_logger()

BEATS = 4
"""In a term; one that is not answered by the time of the next is given up."""

LOOKS = 10
"""In a term, while somebody else lives: what is released is taken soon."""

RELEASING = 3.0
"""Seconds that giving everything back may take at the end; what is not given back is free after a term."""


class Leasing(Protocol):
    """The leases where they are kept. Every method may raise StoreError, and then it may have been done or not."""

    async def renew(self, *, leaving: bool) -> None:
        """Move this watcher's counter."""

    async def read(self) -> Seen:
        """Who has what, and who lives, as it is now."""

    async def acquire(self, shard: int, seen: Lease | None) -> Lease | None:
        """Take a shard that nobody has; None: somebody was quicker."""

    async def steal(self, owner: str, shards: Collection[int], seen: Seen) -> Mapping[int, Lease]:
        """Take shards of a watcher whose counter has not moved since; empty: it has, or somebody was quicker."""

    async def release(self, shard: int, lease: Lease) -> None:
        """Let a shard of this watcher's be nobody's."""

    async def resign(self) -> None:
        """This watcher lives no more."""


class Shards(Protocol):
    """Who acts for what is held."""

    @property
    def held(self) -> Collection[int]:
        """What is acted for now."""

    async def gain(self, shards: Collection[int]) -> Mapping[int, str]:
        """Begin to poll and deliver for these; returns why by shard, of those that cannot be read: there nothing began.

        May raise StoreError; what is held tells how far it came.
        """

    async def lose(self, shards: Collection[int]) -> None:
        """Stop at once: somebody else has them, or nobody."""

    async def wind_down(self, shard: int) -> None:
        """Stop, and wait until what is under way is over and kept: it is to be given back."""

    async def refresh(self, shards: Collection[int]) -> None:
        """An operator changed something of these."""


class LeaseKeeper:
    """One watcher's part of the table."""

    def __init__(self, me: str, leasing: Leasing, shards: Shards, clock: Clock, *, count: int, term: float) -> None:
        """`me`: this run's own name; `count`: of the shards; `term`: in seconds. Nothing is asked before `run`."""
        self.others: frozenset[str] = frozenset()
        """Who else lives, and stays."""
        self._me = me
        self._leasing = leasing
        self._shards = shards
        self._clock = clock
        self._count = count
        self._term = term
        self._silence = Silence()
        self._mine: dict[int, Lease] = {}
        """What the table says, as far as is known."""
        self._taken: dict[int, float] = {}
        """When each was taken that no look has shown yet."""
        self._news: dict[int, int] = {}
        self._unread: Mapping[int, str] = {}
        """Its own by the table, and not held, since they cannot be read: why."""
        self._until = self._beat_at = self._acted_at = -inf
        self._acting: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._leaving = False
        self._looked = False
        self._trouble: str | None = None

    def may(self, shard: int) -> bool:
        """Whether this watcher may poll and deliver for a shard at this moment."""
        return shard in self._mine and self._clock.monotonic() < self._until

    def unready(self) -> list[str]:
        """Why it cannot do its part, for people. That others hold everything is no reason."""
        if self._trouble is not None:
            return [f"the leases in the state table cannot be kept: {self._trouble}"]
        if not self._looked:
            return ["it has not read yet what other watchers hold"]
        if self._unread:
            return [f"what is kept in shard {shard} cannot be taken up: {why}" for shard, why in self._unread.items()]
        if not self._shards.held and not self.others:
            return ["it holds nothing of the state table yet, though no other watcher lives"]
        return []

    async def run(self) -> None:
        """Beat, look and act, for ever."""
        try:
            while True:
                await self._round()
                if self._acting is not None and self._acting.done():
                    self._acting.result()
                await self._rest(self._pause())
        finally:
            await self._end_acting()

    async def resign(self) -> None:
        """Take nothing more, and let others know; what is held is kept until `release`."""
        self._leaving = True
        self._beat_at = -inf
        await self._end_acting()
        self._hurry.set()

    async def release_all(self) -> None:
        """Give everything back, so that others need not wait for the end of the term. `run` must have ended."""
        mine, self._mine = self._mine, {}
        try:
            async with asyncio.timeout(RELEASING):
                await self._give_all(mine)
                # A take or a gift that the end cut short may have been done or not: only the table knows.
                seen = await self._leasing.read()
                left = {shard: seen.leases[shard] for shard in seen.held_by(self._me)}
                await self._give_all(left)
                await self._leasing.resign()
            log.info("leases.released", shards=len(mine | left))
        except (StoreError, TimeoutError) as error:
            log.warning(
                "leases.release_failed", error=str(error) or "no response", consequence="others wait until they expire"
            )

    async def _give_all(self, mine: Mapping[int, Lease]) -> None:
        await asyncio.gather(*(self._leasing.release(shard, lease) for shard, lease in mine.items()))

    async def _rest(self, pause: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._hurry.wait()
        self._hurry.clear()

    def _pause(self) -> float:
        """Seconds until the next round: soon, while there is somebody to share with or something to be had."""
        if self._trouble is not None:
            return self._term / LOOKS
        wait = max(0.0, self._beat_at - self._clock.monotonic())
        alone = not self.others and len(self._shards.held) == self._count
        return wait if alone else min(wait, self._term / LOOKS)

    async def _round(self) -> None:
        """Beat if it is time, look, and act on it unless the last look is still being acted on."""
        begun, beaten = self._clock.monotonic(), False
        try:
            async with asyncio.timeout(self._term / BEATS):
                if begun >= self._beat_at:
                    await self._leasing.renew(leaving=self._leaving)
                    beaten = True
                    self._beat_at = begun + self._term / BEATS
                seen = await self._leasing.read()
        except (StoreError, TimeoutError) as error:
            text = str(error) or f"no answer within {self._term / BEATS:g} s"
            if self._trouble is None:
                log.warning("leases.failed", error=text, consequence="leases that are not renewed in time expire")
            self._trouble = text
            return
        if self._trouble is not None:
            log.info("leases.recovered")
        self._trouble, self._looked = None, True
        self._know(seen, begun)
        if beaten:
            # Only now: whoever took something before this beat was seen by the look after it.
            self._until = begun + self._term
        self._silence.note(seen, self._clock.monotonic())
        plan = decide(
            self._me, seen, self._silence.since(begun), self._shards.held,
            shards=self._count, term=self._term, leaving=self._leaving,
        )  # fmt: skip
        self.others = plan.others
        if (self._acting is None or self._acting.done()) and begun >= self._acted_at:
            self._acting = asyncio.create_task(self._act(plan, seen), name="leases")

    def _know(self, seen: Seen, begun: float) -> None:
        """Take in whose the leases are; what was taken while the look was under way may not be in it."""
        newer = {shard: self._mine[shard] for shard, at in self._taken.items() if at >= begun and shard in self._mine}
        self._taken = {shard: self._taken[shard] for shard in newer}
        self._mine = {shard: seen.leases[shard] for shard in seen.held_by(self._me)} | newer

    async def _act(self, plan: Plan, seen: Seen) -> None:
        try:
            if plan.lost:
                log.warning("leases.lost", shards=plan.lost)
                await self._shards.lose(plan.lost)
            await self._look_again(seen)
            await self._gain([*plan.resume, *await self._take(plan, seen)], seen)
            if plan.give is not None and plan.give in self._shards.held:
                await self._give(plan.give)
        except StoreError as error:
            log.warning("leases.takeover_failed", error=str(error))
        finally:
            self._acted_at = self._clock.monotonic()

    async def _take(self, plan: Plan, seen: Seen) -> list[int]:
        """Take what is free; returns what was had."""
        singly = await asyncio.gather(*(self._leasing.acquire(shard, seen.leases.get(shard)) for shard in plan.take))
        had = {shard: lease for shard, lease in zip(plan.take, singly, strict=True) if lease is not None}
        for owner, shards in plan.steal.items():
            stolen = await self._leasing.steal(owner, shards, seen)
            if stolen:
                log.warning(
                    "leases.stolen",
                    owner=owner,
                    shards=[*stolen],
                    reason="the owner did not renew them for a whole term",
                )
            had |= stolen
        now = self._clock.monotonic()
        self._mine |= had
        self._taken |= dict.fromkeys(had, now)
        return [*had]

    async def _gain(self, shards: Collection[int], seen: Seen) -> None:
        if not shards:
            self._unread = {}
            return
        known, self._unread = self._unread, await self._shards.gain(shards)
        for shard in shards:
            lease = seen.leases.get(shard)
            self._news[shard] = 0 if lease is None else lease.news
        gained = sorted({*shards} - self._unread.keys())
        if gained:
            log.info("leases.gained", shards=gained, held=len(self._shards.held))
        for shard in self._unread.keys() - known.keys():
            log.warning("leases.takeover_failed", shard=shard, error=self._unread[shard])

    async def _give(self, shard: int) -> None:
        await self._shards.wind_down(shard)
        lease = self._mine.pop(shard, None)
        if lease is not None:
            await self._leasing.release(shard, lease)
            log.info("leases.handed_over", shard=shard, held=len(self._shards.held))

    async def _look_again(self, seen: Seen) -> None:
        """See to what an operator changed since the last look."""
        now = {shard: seen.leases[shard].news for shard in self._shards.held if shard in seen.leases}
        changed = [shard for shard, news in now.items() if news != self._news.get(shard, 0)]
        if changed:
            await self._shards.refresh(changed)
            self._news |= {shard: now[shard] for shard in changed}

    async def _end_acting(self) -> None:
        acting, self._acting = self._acting, None  # how it ended is nothing to `run`, which goes on beating
        if acting is not None:
            acting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([acting])
