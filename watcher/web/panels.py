"""Endpoints, listings, queues of hints, mutes, acknowledgements and sinks as JSON, as the page shows them. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from watcher.core.by_hand import Acknowledgement, ByHand, HandMute, acknowledged_to_json
from watcher.core.capacity import EndpointLoad, load_to_json
from watcher.core.incidents import open_to_json
from watcher.core.listings import ListingKey
from watcher.core.model import EndpointKey, rfc3339
from watcher.core.mutes import Mute
from watcher.core.routing import all_mutes, muted_by
from watcher.core.state import Record
from watcher.observability.daemon_view import (
    Backlog,
    EndpointStatus,
    HintQueueStatus,
    ListingStatus,
    SinkState,
    SinkStatus,
)
from watcher.util.redaction import redact
from watcher.web.views import fields, muted_view, outage_view, time_or_none


def endpoints_view(
    statuses: Mapping[EndpointKey, EndpointStatus],
    records: Mapping[str, Record],
    loads: Mapping[EndpointKey, EndpointLoad],
    configured: Sequence[Mute],
    hand: ByHand,
    now: datetime,
) -> dict[str, Any]:
    """`/api/endpoints`: those that cannot be read first."""
    mutes = all_mutes(configured, hand)
    rows: list[dict[str, Any]] = []
    for key, status in statuses.items():
        record, load = records.get(str(key)), loads.get(key)
        outage = record.outage if record else None
        mute = muted_by(mutes, "watcher.endpoint.unreadable", str(key), now)
        row = {
            "id": str(key),
            **fields(key, "account", "region", "api"),
            **fields(status, "targets", "tried", "rate", "allowed"),
            "readable": outage is None,
            "answered_at": time_or_none(status.answered),
            "poll_failures": status.failures,
            "outage": None if outage is None else outage_view(outage),
            "incident": open_to_json(record, hand),
            "load": None if load is None else load_to_json(load),
            "muted": None if mute is None else muted_view(mute),
        }
        rows.append(row)
    return {"now": rfc3339(now), "endpoints": sorted(rows, key=lambda row: (row["readable"], row["id"]))}


def listings_view(statuses: Mapping[ListingKey, ListingStatus], now: datetime) -> dict[str, Any]:
    """`/api/listings`: those that failed first."""
    rows = [
        {
            "id": str(key),
            **fields(key, "account", "region"),
            "kind": key.kind_name,
            **fields(status, "api", "every", "found", "watched", "made_here"),
            "completed_at": time_or_none(status.completed),
            "error": redact(status.error) or None,
        }
        for key, status in statuses.items()
    ]
    return {"now": rfc3339(now), "listings": sorted(rows, key=lambda row: (row["error"] is None, row["id"]))}


def hints_view(statuses: Mapping[str, HintQueueStatus], now: datetime) -> dict[str, Any]:
    """`/api/hints`: the queues that cannot be read first."""
    rows = [
        {
            "queue": url,
            **fields(status, "readable", "messages"),
            "error": redact(status.error) or None,
            "received_at": time_or_none(status.received),
            "heard": sorted(map(str, status.heard)),
        }
        for url, status in statuses.items()
    ]
    return {"now": rfc3339(now), "hints": sorted(rows, key=lambda row: (row["readable"] is not False, row["queue"]))}


def mutes_view(configured: Sequence[Mute], made: Sequence[HandMute], now: datetime) -> dict[str, Any]:
    """`/api/mutes`: those of the configuration, and those that people have made, the newest first."""
    by_hand = (made_mute(mute, now) for mute in reversed(made))
    return {"now": rfc3339(now), "mutes": [*by_hand, *(_configured_mute(mute, now) for mute in configured)]}


def made_mute(mute: HandMute, now: datetime) -> dict[str, Any]:
    """A mute that was made by hand."""
    return {
        **_mute(mute),
        "from": rfc3339(mute.created_at),
        "when": None,
        "ended_at": time_or_none(mute.ended_at),
        "ended_by": mute.ended_by and redact(mute.ended_by),
        "active": mute.active(now),
    }


def _configured_mute(mute: Mute, now: datetime) -> dict[str, Any]:
    return {
        **_mute(mute),
        "from": time_or_none(mute.start),
        "when": None if mute.when is None else str(mute.when),
        "ended_at": None,
        "ended_by": None,
        "active": mute.applies_at(now),
    }


def _mute(mute: Mute | HandMute) -> dict[str, Any]:
    return {**muted_view(mute), "targets": [*mute.targets], "events": [*mute.events]}


def acknowledgement_view(each: Acknowledgement) -> dict[str, Any]:
    """An incident, and who acknowledged it."""
    return {
        "id": each.incident,
        "subject": each.subject,
        "opened_at": rfc3339(each.opened_at),
        "acknowledged": acknowledged_to_json(each),
    }


def sinks_view(statuses: Mapping[str, SinkStatus], backlogs: Mapping[str, Backlog], now: datetime) -> dict[str, Any]:
    """`/api/sinks`: first the sinks that do not accept deliveries, then the others, then those no longer configured."""
    statuses = {name: status.corrected_by(backlogs.get(name)) for name, status in statuses.items()}
    configured = sorted(statuses, key=lambda name: statuses[name].state == SinkState.UP)
    names = [*configured, *(name for name in backlogs if name not in statuses)]
    return {"now": rfc3339(now), "sinks": [_sink(name, statuses.get(name), backlogs.get(name)) for name in names]}


def _sink(name: str, status: SinkStatus | None, backlog: Backlog | None) -> dict[str, Any]:
    return {
        "name": name,
        "type": status.type if status else None,
        "configured": status is not None,
        "state": status.state if status else None,
        "error": redact(status.error) if status else "",
        "waiting": backlog.waiting if backlog else 0,
        "oldest_waiting": time_or_none(backlog.oldest if backlog else None),
        "dead": backlog.dead if backlog else 0,
    }
