"""What is sent to a sink that was removed and is in the configuration again. Pure.

While it was removed, what waited for it, and the ends of the problems that it was sent, became dead letters; and so did
the ends of the attempts that it shows as unfinished (`core.unfinished`). When it is back, it is sent the ends, so that
no alert stays open at its receiver, and no commit pending; and the problems of incidents that are still open. Anything
else is out of date, and stays a dead letter.
"""

from collections.abc import Callable, Iterable

from watcher.core.deliveries import DeliveryRecord
from watcher.core.incidents import BEGUN_BY, State, incident_of, key_in, key_of
from watcher.core.sink_settings import SinkSettings
from watcher.core.state import Record
from watcher.core.unfinished import is_end


def owed_again(
    sink: SinkSettings, removed: Iterable[DeliveryRecord], record_of: Callable[[str], Record]
) -> dict[str, None]:
    """Return the ids of the events, in their order, that are sent to a sink now.

    Args:
        sink: it is in the configuration again.
        removed: the deliveries that became dead letters because sinks were removed, in their order.
        record_of: returns what is known of a subject.
    """
    mine = (each for each in removed if each.sink == sink.name and not each.reminder)
    return {each.event.id: None for each in mine if _is_owed(sink, each, record_of)}


def _is_owed(sink: SinkSettings, removed: DeliveryRecord, record_of: Callable[[str], Record]) -> bool:
    event = removed.event
    if sink.options.shows_attempts and is_end(event.type):
        return True
    if incident_of(event).get("state") == State.RESOLVED:
        return sink.send_resolved
    incident = record_of(event.subject).incident
    return incident is not None and key_of(incident) == key_in(event) and event.type in BEGUN_BY
