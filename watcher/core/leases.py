"""Decides which shards a daemon acquires, steals and releases. Pure.

A daemon renews its leases by increasing a counter of its own; a lease contains no time. So no two clocks are compared:
a daemon that wants a lease waits until the owner's counter has not changed for a whole term of its own clock, and the
owner counts its term from before it increased the counter. These decisions save calls to AWS and keep their rate; that
nothing is lost rests on the store's conditional writes alone.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import ceil, inf


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease of one shard; `epoch` is how often its owner has changed."""

    owner: str | None
    epoch: int
    news: int = 0
    """How often an operator changed the deliveries that wait in the shard."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The counter of a daemon; one that is `leaving` acquires no more shards."""

    count: int
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """The leases and daemons that one read of the table returned, without shards that never had an owner."""

    leases: Mapping[int, Lease]
    watchers: Mapping[str, Beat]

    def held_by(self, watcher: str) -> frozenset[int]:
        """Return the shards of one daemon."""
        return frozenset(shard for shard, lease in self.leases.items() if lease.owner == watcher)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a daemon does after a read of the table."""

    lost: tuple[int, ...] = ()
    """Shards that it held and no longer owns."""
    resume: tuple[int, ...] = ()
    """Shards that it owns and does not hold: its term had expired, or the outcome of a call was unknown."""
    acquire: tuple[int, ...] = ()
    """Shards without an owner."""
    steal: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Shards by owner, of owners that were silent for a whole term."""
    release: int | None = None
    """One of its shards that exceeds its share."""
    others: frozenset[str] = frozenset()
    """The other daemons that are alive and not leaving."""


class Silence:
    """How long each daemon's counter has not changed, by the own clock."""

    def __init__(self) -> None:
        self._moved: dict[str, tuple[Beat | None, float]] = {}
        self._looked = False

    def note(self, seen: Seen, now: float) -> None:
        """Update with the result of a read that ended by `now` (monotonic seconds).

        A daemon without shards counts as alive only if its counter changes, or if it appears after the first read: a
        daemon that was killed leaves its counter behind.
        """
        owners = {lease.owner for lease in seen.leases.values() if lease.owner is not None}
        moved: dict[str, tuple[Beat | None, float]] = {}
        for watcher in seen.watchers.keys() | owners:
            beat = seen.watchers.get(watcher)
            before, at = self._moved.get(watcher, (None if self._looked else beat, -inf))
            if before != beat or (at == -inf and watcher in owners):
                at = now
            moved[watcher] = beat, at
        self._moved, self._looked = moved, True

    def since(self, now: float) -> dict[str, float]:
        """Return the seconds by daemon, for those in the last read and the owners in it."""
        return {watcher: now - at for watcher, (_, at) in self._moved.items()}


def share(shards: int, watchers: int) -> int:
    """Return the most shards that one of so many daemons keeps."""
    return ceil(shards / max(1, watchers))


def decide(
    me: str,
    seen: Seen,
    silent: Mapping[str, float],
    held: Collection[int],
    *,
    shards: int,
    term: float,
    leaving: bool = False,
) -> Plan:
    """Return what the daemon `me` does after a read of the table.

    Args:
        me: the id of the daemon.
        seen: the result of the read.
        silent: the seconds for which each daemon's counter has not changed (`Silence.since`).
        held: the shards for which `me` acts now.
        shards: how many shards there are.
        term: the seconds of silence after which a daemon's shards may be stolen.
        leaving: `me` shuts down: it acquires nothing, and releases its shards by itself.
    """
    mine = seen.held_by(me)
    others = frozenset(
        watcher
        for watcher, beat in seen.watchers.items()
        if watcher != me and not beat.leaving and silent.get(watcher, 0.0) < term
    )
    lost = tuple(sorted(set(held) - mine))
    if leaving:
        return Plan(lost, others=others)
    resume = tuple(sorted(mine - set(held)))
    most = share(shards, len(others) + 1)
    if len(mine) > most:
        return Plan(lost, resume, release=max(mine & set(held), default=None), others=others)
    room = most - len(mine)
    owners = {shard: lease.owner for shard, lease in sorted(seen.leases.items()) if lease.owner is not None}
    acquire = tuple([shard for shard in range(shards) if shard not in owners][:room])
    dead = [shard for shard, owner in owners.items() if owner != me and silent.get(owner, 0.0) >= term]
    steal: dict[str, tuple[int, ...]] = {}
    for shard in dead[: room - len(acquire)]:
        steal[owners[shard]] = *steal.get(owners[shard], ()), shard
    return Plan(lost, resume, acquire, steal, others=others)
