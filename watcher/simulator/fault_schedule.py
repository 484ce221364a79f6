"""What lies over the lives of a world: spells of faults, and the rate that AWS allows. Moments come in as arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.core.model import Api
    from watcher.simulator.faults import Fault
    from watcher.simulator.scenario import Spell, Throttle


@dataclass(slots=True)
class _Counted:
    """A spell, and the calls that it covered in its time."""

    spell: Spell
    seen: int = 0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float


class FaultSchedule:
    """The spells, the latest first, and a token bucket for each region and API."""

    def __init__(self, spells: Iterable[Spell], throttle: Throttle | None) -> None:
        self._spells = [_Counted(spell) for spell in spells]
        self._throttle = throttle
        self._buckets: dict[tuple[str, Api], _Bucket] = {}

    def add(self, spell: Spell) -> None:
        """Let a spell go before the others."""
        self._spells.insert(0, _Counted(spell))

    def limit(self, throttle: Throttle) -> None:
        """Throttle from now on, the buckets full."""
        self._throttle = throttle
        self._buckets.clear()

    def clear(self, key: str | None) -> None:
        """End the spells over one target; without a key, all of them and the throttle."""
        self._spells = [each for each in self._spells if key is not None and each.spell.key != key]
        if key is None:
            self._throttle = None

    def struck(self, region: str, api: Api, key: str, moment: float) -> Fault | None:
        """The fault that strikes this call, which is counted."""
        for each in self._spells:
            spell = each.spell
            if spell.begin <= moment < spell.end and spell.covers(key, api, region):
                each.seen += 1
                if spell.strikes(moment, each.seen - 1):
                    return spell.fault
        return None

    def hidden(self, key: str, api: Api, region: str) -> list[tuple[float, float]]:
        """The times in which nothing of a target can be seen, as far as they are told in time."""
        spells = [each.spell for each in self._spells if each.spell.calls is None and not each.spell.after]
        return [(spell.begin, spell.end) for spell in spells if spell.covers(key, api, region)]

    def over_rate(self, region: str, api: Api, moment: float) -> bool:
        """Whether this call is one too many; if not, it takes a token."""
        if self._throttle is None:
            return False
        full = float(self._throttle.burst)
        bucket = self._buckets.setdefault((region, api), _Bucket(full, moment))
        gained = max(0.0, moment - bucket.filled) * self._throttle.requests_per_second
        bucket.tokens, bucket.filled = min(full, bucket.tokens + gained), moment
        if bucket.tokens < 1:
            return True
        bucket.tokens -= 1
        return False
