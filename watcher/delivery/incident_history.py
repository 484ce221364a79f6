"""The events of an open incident, as its store has them, for receivers that must be told again what began it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from watcher.core.events import Event
from watcher.core.model import Severity, parse_rfc3339, severity
from watcher.core.ports import Delivery, DeliveryQuery, EventQuery, Reader

MAX_EVENTS = 100
"""Events of a subject that are looked through from either end of an incident."""

MAX_CHARACTERS = 4_000_000
"""Characters of the events that are read at a time."""


async def with_opening(delivery: Delivery, reader: Reader) -> Delivery:
    """Return the delivery with the event that opened its incident; unchanged if its event does so, or has no incident.

    If that event is no longer kept, it is the first of the incident that is.
    """
    incident = _incident(delivery.event)
    if incident is None or incident["state"] == "opened":
        return delivery
    at = parse_rfc3339(incident["opened_at"])
    return replace(delivery, opening=await _opening(reader, delivery.event.subject, incident["id"], at))


async def last_problem(reader: Reader, sink: str, subject: str, incident: str, opened_at: datetime) -> Delivery | None:
    """Return the last problem of an open incident that was for a sink, as a delivery with its opening; None: none was.

    A delivery that waits or became a dead letter counts, too.
    """
    opening = await _opening(reader, subject, incident, opened_at)
    query = EventQuery(target=subject, since=opened_at, limit=MAX_EVENTS, size=MAX_CHARACTERS)
    for number, event in reversed(await reader.events(query)):
        if severity(event.type) is not Severity.ERROR or (_incident(event) or {}).get("id") != incident:
            continue
        if await reader.deliveries(DeliveryQuery(sink=sink, event_id=event.id, limit=1)):
            return Delivery(number, sink, event, opening=opening)
    return None


async def _opening(reader: Reader, subject: str, incident: str, opened_at: datetime) -> Event | None:
    query = EventQuery(target=subject, since=opened_at, limit=MAX_EVENTS, newest=False, size=MAX_CHARACTERS)
    found = (event for _, event in await reader.events(query))
    return next((event for event in found if (_incident(event) or {}).get("id") == incident), None)


def _incident(event: Event) -> Mapping[str, Any] | None:
    incident: Mapping[str, Any] | None = json.loads(event.body)["data"].get("incident")
    return incident
