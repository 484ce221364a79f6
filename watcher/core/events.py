"""The CloudEvents that report changes and outages, with their deterministic ids. Pure.

The rules of ids, so that a consumer recognises a repeat: an id is the hash of what happened, never of when or by which
daemon it was observed. The same change has the same id if it is reported again: by a retry, after a crash, by a second
daemon, or by one whose state was lost.

- `watcher.sync.*`: the target's id, the event's type, the attempt's `startedAt` and status, and how many times the
  attempt has taken this status: 1, unless it goes back and forth.
- `watcher.sync.blocked` and `.unblocked`: the target's id, the event's type, and the blocker's id and status; one that
  is no longer listed counts as resolved.
- `watcher.connection.*`: the connection's ARN, the event's type, the status, and how many times the connection has
  taken it. A connection that several accounts share is the same in all of them.
- `watcher.*.unreadable` and `.readable`: the subject, the event's type, and when the first of the failures was.
- `watcher.target.discovered`, `.removed`: the target's id, the event's type, and which time it was found; the record
  of the target continues to count when its rule leaves the configuration and comes back.
- `watcher.target.removed`, `watcher.endpoint.removed` of what left the configuration: the subject, the event's type,
  and the id of the incident that it ends.
- `watcher.digest`: when it was due, and the endpoints whose targets are watched.
- `watcher.test`: a new id each time, since nothing has happened.

`event_schema` describes the form. An event is at most `MAX_EVENT_BYTES` long, the same for every sink: of more sync
events than fit, the first and the last are kept, and `attempt.events_omitted` counts the others.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from watcher.core.connections import ConnectionChange
from watcher.core.digest import DIGEST_SUBJECT
from watcher.core.event_ids import id_of
from watcher.core.event_types import DIGEST_EVENT, TEST_EVENT
from watcher.core.model import FOUND, EndpointKey, Target, path_segment, rfc3339, seconds_between
from watcher.core.state import Outage
from watcher.util.fitting import first_fitting

DATASCHEMA = "urn:watcher:event:1"

MAX_EVENT_BYTES = 200 * 1024
"""The most bytes of a recorded event: less than the 256 KiB that SNS, SQS and EventBridge accept."""

RESERVED_BYTES = 16 * 1024
"""Bytes of these that are reserved for later additions to an event: `core.stamps`, and the number of the reminder."""


class Event(NamedTuple):
    """A recorded event: `body` is the CloudEvent as it is sent, one line of JSON, the same on every try."""

    id: str
    type: str
    subject: str
    time: str
    body: str


def fitting(found: Iterable[tuple[int, Event]], size: float) -> list[tuple[int, Event]]:
    """Return the first of `found` whose bodies have at most `size` characters in all, but at least one."""
    return first_fitting(found, size, lambda numbered: len(numbered[1].body))


def outage_event(
    subject: Target | EndpointKey, outage: Outage, *, sequence: int, now: datetime, over: bool, targets: int = 1
) -> Event:
    """Return the event that a target or an endpoint cannot be read, or (`over`) that it can be read again."""
    since = rfc3339(outage.since)
    error = {"code": outage.code, "message": outage.message, "attempts": outage.attempts, "since": since}
    data: dict[str, Any] = {"error": error, "sequence": sequence}
    if over:
        data["since"] = since
        data["lasted_seconds"] = seconds_between(outage.since, now)
    return _event_about(subject, "readable" if over else "unreadable", [since], data, now, targets=targets)


def removal_event(subject: Target | EndpointKey, incident: str, *, sequence: int, now: datetime) -> Event:
    """Return the event that a target or an endpoint left the configuration; `incident`: the id of its open one."""
    return _event_about(subject, "removed", [incident], {"sequence": sequence}, now, targets=0)


def discovery_event(target: Target, *, removed: bool, times: int, sequence: int, now: datetime) -> Event:
    """Return the event that discovery found a target, or (`removed`) misses it; `times`: which time that is."""
    return _event_about(target, "removed" if removed else "discovered", [times], {"sequence": sequence}, now)


def connection_event(target: Target, change: ConnectionChange, *, sequence: int, now: datetime) -> Event:
    """Return the event of a change of a connection's status."""
    arn, found = dict(target.identity)["arn"], target.found or {}
    data = {
        "target": target_to_json(target),
        "connection": {
            "arn": arn,
            "name": found.get("name"),
            "provider": found.get("provider"),
            "status": change.status,
            "host": found.get("host"),
        },
        "previous_status": change.previous,
        "sequence": sequence,
    }
    event_type = f"watcher.{change.type}"
    identity = [arn, event_type, change.status, change.times]
    return build_event(event_type, target.id, source_of(target.account, target.region), identity, data, now)


def trial_event(sink: str, now: datetime) -> Event:
    """Return the event that `test-sink` sends."""
    subject = f"test/{path_segment(sink)}"
    data = {"sink": sink, "message": "This is a test of watcher's sink; nothing has happened.", "incident": None}
    return build_event(TEST_EVENT, subject, source_of("test", sink), [subject, uuid4().hex], data, now)


def digest_event(
    data: Mapping[str, Any], endpoints: Iterable[str], *, due: datetime, sequence: int, now: datetime
) -> Event:
    """Return a digest (`core.digest.digest_data`) of what is watched at these endpoints."""
    identity = [DIGEST_SUBJECT, DIGEST_EVENT, rfc3339(due), *sorted(endpoints)]
    return build_event(
        DIGEST_EVENT, DIGEST_SUBJECT, source_of(DIGEST_SUBJECT, "all"), identity, {**data, "sequence": sequence}, now
    )


def target_to_json(target: Target) -> dict[str, Any]:
    """Return `data.target`: the target's id, kind, account, region, identity, labels, and what discovery knows."""
    return {
        "id": target.id,
        "kind": target.kind.name,
        "account": target.account,
        "region": target.region,
        **{name: value for name, value in (target.found or {}).items() if name in FOUND},
        **dict(target.identity),
        "labels": dict(target.labels),
    }


def _event_about(
    subject: Target | EndpointKey, word: str, identity: list[Any], data: dict[str, Any], now: datetime, targets: int = 1
) -> Event:
    """Return the event `watcher.target.WORD` or `watcher.endpoint.WORD`; `targets`: how many an endpoint has."""
    if isinstance(subject, EndpointKey):
        where = {"account": subject.account, "region": subject.region, "api": subject.api, "targets": targets}
        event_type, name, data = f"watcher.endpoint.{word}", str(subject), {"endpoint": where, **data}
    else:
        event_type, name, data = f"watcher.target.{word}", subject.id, {"target": target_to_json(subject), **data}
    source = source_of(subject.account, subject.region)
    return build_event(event_type, name, source, [name, event_type, *identity], data, now)


def source_of(account: str, region: str) -> str:
    """Return the source of the events of an account and region."""
    return f"/watcher/{path_segment(account)}/{path_segment(region)}"


def build_event(
    event_type: str, subject: str, source: str, identity: list[Any], data: dict[str, Any], now: datetime
) -> Event:
    """Return an event; `identity`: what its id is the hash of."""
    event_id = id_of(identity)
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": event_type,
        "subject": subject,
        "time": now,
        "datacontenttype": "application/json",
        "dataschema": DATASCHEMA,
    }
    return Event(event_id, event_type, subject, rfc3339(now), JSONFormat().write(CloudEvent(attributes, data)).decode())
