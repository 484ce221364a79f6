"""Requeues the ends of the incidents of problems that an operator requeues."""

from collections.abc import Collection, Mapping
from datetime import datetime

from watcher.core.ports import Outbox
from watcher.delivery.incident_history import end_of


async def requeue_ends(outbox: Outbox, requeued: Mapping[str, Collection[str]], now: datetime) -> int:
    """Requeue the dead-lettered ends of the incidents of requeued problems; return how many.

    A sink that is sent a problem of an incident that is over would show it as open for ever if its end stayed a dead
    letter.

    Args:
        outbox: has the dead letters.
        requeued: the sinks to which an event is sent again, by its id.
        now: the time of the change.
    """
    count = 0
    for event_id, sinks in requeued.items():
        for number, problem in await outbox.find(event_id):
            if end := await end_of(outbox, number, problem):
                count += sum([await outbox.requeue([end.id], sink, now) for sink in sinks])
    return count
