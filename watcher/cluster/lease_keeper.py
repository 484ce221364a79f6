"""Keeps a daemon's share of the shards: renews, acquires and releases leases as `core.leases.decide` plans.

Renewing and reading the leases, which nothing may delay, goes on beside acting on what was read, which takes as long as
it takes. A lease is good until the end of the term that began before the last renewal; after it nothing is polled and
nothing delivered until a read has shown that no other daemon took the lease meanwhile.
"""

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from math import inf

import structlog

from watcher.core.leases import Lease, Plan, Seen, Silence, decide
from watcher.core.ports import Clock
from watcher.core.shards import Leasing, ShardOwner
from watcher.errors import StoreError

log = structlog.get_logger()

RENEWALS_PER_TERM = 4
"""A renewal without a response by the time of the next is given up."""

READS_PER_TERM = 10
"""Reads while other daemons live, so that a lease that one of them releases is acquired soon."""

RELEASE_SECONDS = 3.0
"""How long releasing everything may take at the end; a lease that is not released is free after a term."""


class Tenure:
    """The leases that this daemon holds, and until when they are good."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.leases: dict[int, Lease] = {}
        """By shard, as in the table as far as is known."""
        self.until = -inf
        """The end of the term that began before the last renewal (monotonic seconds)."""

    def covers(self, shard: int) -> bool:
        """Return whether this daemon may poll and deliver for a shard at this moment."""
        return shard in self.leases and self.clock.monotonic() < self.until


class LeaseKeeper:
    """One daemon's leases. Nothing is read or written before `run`."""

    def __init__(
        self, me: str, leasing: Leasing, owner: ShardOwner, tenure: Tenure, *, count: int, term: float
    ) -> None:
        """`me`: a name of this run alone; `count`: the number of shards; `term`: in seconds."""
        self.others: frozenset[str] = frozenset()
        """The other daemons that live and do not resign."""
        self._me = me
        self._leasing = leasing
        self._owner = owner
        self._tenure = tenure
        self._clock = tenure.clock
        self._count = count
        self._term = term
        self._silence = Silence()
        self._acquired: dict[int, float] = {}
        """When each lease was acquired that no read has shown yet."""
        self._news: dict[int, int] = {}
        self._unread: Mapping[int, str] = {}
        """The shards whose leases it has and that cannot be read, each with the reason."""
        self._renew_at = self._acted_at = -inf
        self._acting: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._resigning = False
        self._has_read = False
        self._trouble: str | None = None

    def unready(self) -> list[str]:
        """Return why it cannot do its part, for people; that other daemons hold everything is not a reason."""
        if self._trouble is not None:
            return [f"the leases in the state table cannot be renewed: {self._trouble}"]
        if not self._has_read:
            return ["it has not read yet what other daemons hold"]
        if self._unread:
            return [f"shard {shard} cannot be loaded: {why}" for shard, why in self._unread.items()]
        if not self._owner.held and not self.others:
            return ["it holds no shard of the state table yet, although no other daemon lives"]
        return []

    async def run(self) -> None:
        """Renew, read and act until cancelled."""
        try:
            while True:
                await self._round()
                if self._acting is not None and self._acting.done():
                    self._acting.result()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause()):
                        await self._hurry.wait()
                self._hurry.clear()
        finally:
            await self._end_acting()

    async def resign(self) -> None:
        """Acquire nothing more, and announce it; what is held is kept until `release_all`."""
        self._resigning = True
        self._renew_at = -inf
        await self._end_acting()
        self._hurry.set()

    async def release_all(self) -> None:
        """Release everything, so that others need not wait for the end of the term. `run` must have ended."""
        mine, self._tenure.leases = self._tenure.leases, {}
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._release_each(mine)
                # A change that the end cut short may have been made or not: only the table knows.
                seen = await self._leasing.read()
                left = {shard: seen.leases[shard] for shard in seen.held_by(self._me)}
                await self._release_each(left)
                await self._leasing.resign()
            log.info("leases.released", shards=len(mine | left))
        except (StoreError, TimeoutError) as error:
            text, consequence = str(error) or "no response", "other daemons wait until the leases expire"
            log.warning("leases.release_failed", error=text, consequence=consequence)

    async def _release_each(self, mine: Mapping[int, Lease]) -> None:
        await asyncio.gather(*(self._leasing.release(shard, lease) for shard, lease in mine.items()))

    def _pause(self) -> float:
        """Return the seconds until the next round: few while there are others to share with, or leases to acquire."""
        if self._trouble is not None:
            return self._term / READS_PER_TERM
        wait = max(0.0, self._renew_at - self._clock.monotonic())
        alone = not self.others and len(self._owner.held) == self._count
        return wait if alone else min(wait, self._term / READS_PER_TERM)

    async def _round(self) -> None:
        """Renew if it is time, read, and act on it unless the last read is still being acted on."""
        begun, renewed = self._clock.monotonic(), False
        try:
            async with asyncio.timeout(self._term / RENEWALS_PER_TERM):
                if begun >= self._renew_at:
                    await self._leasing.renew(leaving=self._resigning)
                    renewed = True
                    self._renew_at = begun + self._term / RENEWALS_PER_TERM
                seen = await self._leasing.read()
        except (StoreError, TimeoutError) as error:
            text = str(error) or f"no response within {self._term / RENEWALS_PER_TERM:g} s"
            if self._trouble is None:
                log.warning("leases.failed", error=text, consequence="leases that are not renewed in time expire")
            self._trouble = text
            return
        if self._trouble is not None:
            log.info("leases.recovered")
        self._trouble, self._has_read = None, True
        self._know(seen, begun)
        if renewed:
            # Only now: the read after this renewal has shown every lease that was stolen before it.
            self._tenure.until = begun + self._term
        self._silence.note(seen, self._clock.monotonic())
        plan = decide(
            self._me, seen, self._silence.since(begun), self._owner.held,
            shards=self._count, term=self._term, leaving=self._resigning,
        )  # fmt: skip
        self.others = plan.others
        if (self._acting is None or self._acting.done()) and begun >= self._acted_at:
            self._acting = asyncio.create_task(self._act(plan, seen), name="leases")

    def _know(self, seen: Seen, begun: float) -> None:
        """Update the leases by what was read; one acquired while the read was under way may not be in it."""
        known = self._tenure.leases
        newer = {shard: known[shard] for shard, at in self._acquired.items() if at >= begun and shard in known}
        self._acquired = {shard: self._acquired[shard] for shard in newer}
        self._tenure.leases = {shard: seen.leases[shard] for shard in seen.held_by(self._me)} | newer

    async def _act(self, plan: Plan, seen: Seen) -> None:
        try:
            if plan.lost:
                log.warning("leases.lost", shards=plan.lost)
                await self._owner.lose(plan.lost)
            await self._refresh(seen)
            await self._gain([*plan.resume, *await self._acquire(plan, seen)], seen)
            if plan.release is not None and plan.release in self._owner.held:
                await self._release(plan.release)
        except StoreError as error:
            log.warning("leases.takeover_failed", error=str(error))
        finally:
            self._acted_at = self._clock.monotonic()

    async def _acquire(self, plan: Plan, seen: Seen) -> list[int]:
        """Acquire what is free; returns the shards."""
        singly = await asyncio.gather(*(self._leasing.acquire(shard, seen.leases.get(shard)) for shard in plan.acquire))
        acquired = {shard: lease for shard, lease in zip(plan.acquire, singly, strict=True) if lease is not None}
        for owner, shards in plan.steal.items():
            stolen = await self._leasing.steal(owner, shards, seen)
            if stolen:
                reason = "the owner did not renew them for a whole term"
                log.warning("leases.stolen", owner=owner, shards=[*stolen], reason=reason)
            acquired |= stolen
        self._tenure.leases |= acquired
        self._acquired |= dict.fromkeys(acquired, self._clock.monotonic())
        return [*acquired]

    async def _gain(self, shards: Collection[int], seen: Seen) -> None:
        if not shards:
            self._unread = {}
            return
        known, self._unread = self._unread, await self._owner.gain(shards)
        self._news |= {shard: lease.news if (lease := seen.leases.get(shard)) else 0 for shard in shards}
        gained = sorted({*shards} - self._unread.keys())
        if gained:
            log.info("leases.gained", shards=gained, held=len(self._owner.held))
        for shard in self._unread.keys() - known.keys():
            log.warning("leases.takeover_failed", shard=shard, error=self._unread[shard])

    async def _release(self, shard: int) -> None:
        await self._owner.wind_down(shard)
        lease = self._tenure.leases.pop(shard, None)
        if lease is not None:
            await self._leasing.release(shard, lease)
            log.info("leases.handed_over", shard=shard, held=len(self._owner.held))

    async def _refresh(self, seen: Seen) -> None:
        """Refresh the shards whose deliveries an operator has changed since the last read."""
        now = {shard: seen.leases[shard].news for shard in self._owner.held if shard in seen.leases}
        changed = [shard for shard, news in now.items() if news != self._news.get(shard, 0)]
        if changed:
            await self._owner.refresh(changed)
            self._news |= {shard: now[shard] for shard in changed}

    async def _end_acting(self) -> None:
        acting, self._acting = self._acting, None  # how it ended must not end `run`, which goes on renewing
        if acting is not None:
            acting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([acting])
