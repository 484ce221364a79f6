"""Which sinks were sent problems of an open incident, by what the store has of their deliveries."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace

from watcher.core.deliveries import DeliveryRecord, DeliveryState
from watcher.core.events import Event
from watcher.core.incidents import BEGUN_BY, incident_of
from watcher.core.ports import Entry, Reader
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.state import Incident, Record

MAX_EVENTS, MAX_CHARACTERS = 100, 4_000_000
"""The most problems of an incident that are read at a time, and the most characters that they have in all."""


async def read_notified_sinks(reader: Reader, subject: str, incident: Incident) -> tuple[str, ...] | None:
    """Return the sinks that were sent a problem of an incident; None: none of its problems is stored any more.

    For an incident in whose state an earlier version did not record that.
    """
    notified, found = dict[str, None](), False
    async for deliveries in _problems(reader, subject, incident):
        found = True
        notified |= {each.sink: None for each in deliveries if each.state is not DeliveryState.DROPPED}
    return tuple(notified) if found else None


def noted(records: Mapping[str, Record], notified: Mapping[str, Sequence[str] | None]) -> list[Entry]:
    """Return the entries that note which sinks were sent the open incidents of which that was not recorded."""
    entries = []
    for subject, record in records.items():
        incident, sinks = record.incident, notified.get(subject)
        if incident is not None and incident.notified is None and sinks is not None:
            after = replace(record, incident=replace(incident, notified=tuple(sinks)))
            entries.append(Entry(subject, after, follows=record))
    return entries


async def without_dropped(reader: Reader, entry: Entry) -> Entry:
    """Return an entry whose end of an incident is not for a sink from which an operator dropped all problems of it.

    Such a sink was sent none, so it is sent the end only if its own filters let that through.
    """
    incident = entry.follows.incident if entry.follows else None
    if not entry.owed or incident is None:
        return entry
    dropped = await only_dropped(reader, entry.subject, incident, entry.owed)
    if not dropped:
        return entry
    events = [
        (event, [name for name in sinks if name not in dropped] if _resolves(event, incident) else sinks)
        for event, sinks in entry.events
    ]
    return replace(entry, events=events)


async def only_dropped(reader: Reader, subject: str, incident: Incident, sinks: Collection[str]) -> set[str]:
    """Return those of `sinks` that have deliveries of an incident's problems, all of which were dropped."""
    dropped, unclear = set[str](), {*sinks}
    async for deliveries in _problems(reader, subject, incident):
        unclear -= {each.sink for each in deliveries if each.state is not DeliveryState.DROPPED}
        dropped |= {each.sink for each in deliveries}
        if not unclear:
            break
    return unclear & dropped


async def _problems(reader: Reader, subject: str, incident: Incident) -> AsyncIterator[list[DeliveryRecord]]:
    """Yield the deliveries of each problem of an incident, the newest first."""
    before = None
    while found := await reader.events(
        EventQuery(subject, [*BEGUN_BY], since=incident.opened_at, before=before, limit=MAX_EVENTS, size=MAX_CHARACTERS)
    ):
        for _, event in reversed(found):
            if incident_of(event).get("id") in (None, incident.id):  # events of earlier versions name none
                yield await reader.deliveries(DeliveryQuery(event_id=event.id, limit=10_000))
        before = found[0][0]


def _resolves(event: Event, incident: Incident) -> bool:
    return event.type not in BEGUN_BY and incident_of(event).get("id") == incident.id
