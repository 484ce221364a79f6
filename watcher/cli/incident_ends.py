"""Requeues or cancels the ends of incidents with the problems that an operator requeues or drops."""

from collections.abc import Collection, Mapping
from datetime import datetime

from watcher.core.deliveries import DeliveryState
from watcher.core.incidents import incident_of
from watcher.core.model import parse_rfc3339
from watcher.core.ports import Outbox
from watcher.core.queries import DeliveryQuery
from watcher.core.routing import wants_recorded
from watcher.core.settings import Config
from watcher.core.state import Incident
from watcher.delivery.incident_history import end_of
from watcher.polling.notified_sinks import only_dropped


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


async def drop_ends(outbox: Outbox, settings: Config, event_id: str, now: datetime) -> list[str]:
    """Cancel the end of the incident of a problem whose deliveries were dropped; return for which sinks.

    It stays for a sink whose own filters let it through, and for one that was sent another problem of the incident.
    If the incident is still open, the daemon decides the same when it ends (`polling.notified_sinks.without_dropped`).
    """
    configured, canceled = {sink.name: sink for sink in settings.sinks}, list[str]()
    for number, problem in await outbox.find(event_id):
        end = await end_of(outbox, number, problem)
        if end is None:
            continue
        query = DeliveryQuery([DeliveryState.WAITING, DeliveryState.DEAD], event_id=end.id)
        pending = {each.sink for each in await outbox.deliveries(query)}
        owed = [name for name in pending if name not in configured or not wants_recorded(configured[name], end)]
        about = incident_of(problem)
        incident = Incident(about["id"], parse_rfc3339(about["opened_at"]), ())
        for name in sorted(await only_dropped(outbox, problem.subject, incident, owed)):
            if await outbox.drop(end.id, name, now):
                canceled.append(name)
    return canceled
