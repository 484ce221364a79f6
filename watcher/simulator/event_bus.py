"""EventBridge: sends an event to each queue when the sync of a stack or a repository gets a status."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator
from itertools import count
from typing import TYPE_CHECKING

from watcher.simulator.git_events import Change, QueueSettings, event
from watcher.simulator.inventory import Place
from watcher.simulator.queues import Queue

if TYPE_CHECKING:
    from watcher.simulator.world import SimulatedTarget


class EventBus:
    """The queues, and a calendar of the moments at which targets change."""

    def __init__(self, settings: Iterable[QueueSettings]) -> None:
        self._settings = {(Place(each.account, each.region), each.name): each for each in settings}
        self.queues = {key: Queue(each.name, each.visibility) for key, each in self._settings.items()}
        self._calendar: list[tuple[float, int, SimulatedTarget]] = []
        self._numbers = count()

    @property
    def regions(self) -> set[str]:
        """The regions in which targets exist that are in every region."""
        return {place.region for place, _ in self.queues}

    def publish(self, change: Change, epoch: float) -> None:
        """Send the event of a change, which some queues get late or never. `epoch`: moment 0, in seconds since 1970."""
        for key, settings in self._settings.items():
            delay = settings.delay_of(change.id)
            if delay is not None:
                body = json.dumps(event(change, settings.form_of(change.id)))
                self.queues[key].send(body, change.at - epoch, delay)

    def schedule(self, target: SimulatedTarget, moment: float | None) -> None:
        """Note the moment at which a target changes next, instead of the one noted before; None: not by itself."""
        target.changes_at = moment
        if moment is not None:
            heapq.heappush(self._calendar, (moment, next(self._numbers), target))

    def due(self, moment: float) -> Iterator[SimulatedTarget]:
        """The targets that change up to this moment, each once."""
        while self._calendar and self._calendar[0][0] <= moment:
            noted, _, target = heapq.heappop(self._calendar)
            if target.changes_at == noted:
                target.changes_at = None
                yield target
