"""Who holds which shard: (what the table shows, for how long each watcher was silent) -> what to take and give. Pure.

A watcher that beats moves a counter of its own; a lease says nothing of time. So no two clocks are compared: whoever
wants a lease waits until its owner's counter has not moved for a whole term on the waiting one's own clock, and the
owner counts its term from before it moved the counter. What is decided here saves calls to AWS and keeps their rate;
that nothing is lost does not hang on it (the store's conditional writes see to that).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Lease:
    """Of one shard: who has it, and how often it has changed hands."""

    owner: str | None
    epoch: int
    news: int = 0
    """How often an operator changed what waits in the shard."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A watcher's sign of life; one that is `leaving` takes nothing any more."""

    count: int
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What the table showed to one look. Shards that never had an owner, and watchers that have gone, are missing."""

    leases: Mapping[int, Lease]
    watchers: Mapping[str, Beat]

    def held_by(self, watcher: str) -> frozenset[int]:
        """The shards of one watcher."""
        return frozenset(shard for shard, lease in self.leases.items() if lease.owner == watcher)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one look means for a watcher."""

    lost: tuple[int, ...] = ()
    """It held these, and somebody else has them by now, or nobody."""
    resume: tuple[int, ...] = ()
    """Its own by the table, though it does not hold them: its term was over, or a take's outcome was unknown."""
    take: tuple[int, ...] = ()
    """Nobody's."""
    steal: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By owner: one that was silent for a whole term."""
    give: int | None = None
    """One of its own that is more than its share."""
    others: frozenset[str] = frozenset()
    """Who else lives, and stays."""


class Silence:
    """For how long each watcher's counter has not moved, on one's own clock."""

    def __init__(self) -> None:
        """Nobody was seen yet."""
        self._moved: dict[str, tuple[Beat | None, float]] = {}
        self._looked = False

    def note(self, seen: Seen, now: float) -> None:
        """Take in what a look showed that began before `now`, and ended by then (monotonic seconds).

        Whoever holds nothing has to show that it lives, by beating or by coming after the first look: one that was
        killed leaves its sign of life behind.
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
        """Seconds by watcher, of those that the last look showed, by themselves or as owners."""
        return {watcher: now - at for watcher, (_, at) in self._moved.items()}


def share(shards: int, watchers: int) -> int:
    """How many shards one of so many watchers keeps at most."""
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
    """What a watcher is to do after a look.

    Args:
        me: whose plan it is.
        seen: what the look showed.
        silent: for how many seconds each watcher's counter has not moved (`Silence.since`).
        held: the shards that `me` acts for now.
        shards: how many there are.
        term: seconds of silence after which a watcher's shards are free.
        leaving: `me` is to end: it takes nothing more, and gives the rest by itself.
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
        return Plan(lost, resume, give=max(mine & set(held), default=None), others=others)
    room = most - len(mine)
    free = [shard for shard in range(shards) if (lease := seen.leases.get(shard)) is None or lease.owner is None]
    take = tuple(free[:room])
    steal = _of_the_silent(me, seen, silent, term=term, room=room - len(take))
    return Plan(lost, resume, take, steal, others=others)


def _of_the_silent(
    me: str, seen: Seen, silent: Mapping[str, float], *, term: float, room: int
) -> dict[str, tuple[int, ...]]:
    """Up to `room` shards whose owners have been silent for a term, by owner."""
    found: dict[str, list[int]] = {}
    for shard, owner in _owned_by_others(me, seen):
        if room > 0 and silent.get(owner, 0.0) >= term:
            found.setdefault(owner, []).append(shard)
            room -= 1
    return {owner: tuple(each) for owner, each in found.items()}


def _owned_by_others(me: str, seen: Seen) -> Iterable[tuple[int, str]]:
    for shard, lease in sorted(seen.leases.items()):
        if lease.owner is not None and lease.owner != me:
            yield shard, lease.owner
