"""A change, or an outage, as the CloudEvent that tells of it, with its deterministic id. Pure.

Contract, sections 4 (the fields) and 6 (the id: of nothing that tells when or where a thing was seen).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from watcher.core.diff import Reason
from watcher.core.model import TEST_EVENT, EndpointKey, path_segment, rfc3339
from watcher.core.state import attempt_to_json
from watcher.util.bounded_text import bounded
from watcher.util.shapes import NONE, Each, Moment, Nullable, Optional, Time, check, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from watcher.core.diff import Change
    from watcher.core.model import Target
    from watcher.core.state import Outage

DATASCHEMA = "urn:watcher:event:1"

LONGEST_EVENT = 200 * 1024
"""Bytes of an event as it is recorded: less than the 256 KiB that SNS, SQS and EventBridge accept."""

LONGEST_MARK = 5 * 1024
"""Bytes of these that are reserved for later additions to an event: the mute, the trace, the reminder's number."""

_JSON = JSONFormat()


@dataclass(frozen=True, slots=True)
class Event:
    """A recorded event: `body` is the CloudEvent as it is sent, one line of JSON, the same on every try."""

    id: str
    type: str
    subject: str
    time: str
    body: str


def fitting(found: Iterable[tuple[int, Event]], size: float) -> list[tuple[int, Event]]:
    """The first of `found` whose bodies have at most `size` characters in all, but at least one."""
    taken: list[tuple[int, Event]] = []
    for number, event in found:
        size -= len(event.body)
        if taken and size < 0:
            break
        taken.append((number, event))
    return taken


def check_event(event: Event, name: str = "event") -> Event:
    """Return `event`, which a store returned, if it can be shown and sent; `name` is what messages call it.

    Raises:
        ValueError: its body does not have the required form.
    """
    check(asdict(event), _ATTRIBUTES, name)
    form = parse(event.body, _BODY, f"{name}.body")
    if "attempt" in form["data"]:
        check(form["data"], _SYNC, f"{name}.body.data")
    return event


def sync_event(target: Target, change: Change, *, sequence: int, now: datetime) -> Event:
    """The event of a change of a target's sync."""
    attempt, previous = change.attempt, change.previous
    successful = change.latest_successful
    told = attempt_to_json(attempt)
    data = {
        "target": target_to_json(target),
        "status": attempt.status,
        "previous_status": None if previous is None else previous.status,
        "new_attempt": change.new_attempt,
        "first_seen": change.reason is Reason.FIRST_SEEN,
        "observed": change.reason is not Reason.MISSED_SUCCESS,
        "recovered": change.recovered,
        "recreated": change.reason is Reason.RECREATED,
        "consecutive_failures": change.consecutive_failures,
        "attempt": told,
        "previous_attempt": None
        if previous is None
        else {"startedAt": rfc3339(previous.started_at), "status": previous.status, "sha": previous.sha or None},
        "desired_state": None if change.desired_state is None else dict(change.desired_state),
        "latest_successful": None
        if successful is None
        else {"startedAt": rfc3339(successful.started_at), "sha": successful.sha or None},
        "sequence": sequence,
    }
    event_type = f"watcher.{change.type}"
    identity = [target.id, event_type, rfc3339(attempt.started_at), attempt.status, change.times]
    source = _source(target.account, target.region)
    event = _event(event_type, target.id, source, identity, data, now)
    if len(event.body) > LONGEST_EVENT - LONGEST_MARK:
        events = told["events"]
        told |= {"events": [], "events_omitted": len(events)}
        empty = _event(event_type, target.id, source, identity, data, now)
        told["events"] = first_and_last(events, LONGEST_EVENT - LONGEST_MARK - len(empty.body))
        told["events_omitted"] = len(events) - len(told["events"])
        event = _event(event_type, target.id, source, identity, data, now)
    return event


def first_and_last(events: Sequence[Mapping[str, Any]], room: int) -> list[Mapping[str, Any]]:
    """As many of the first and the last of an attempt's events as fit into `room` bytes."""
    first, last = 0, len(events)
    while first < last:
        at_end = first >= len(events) - last  # begin with the last one: it shows how the attempt ended
        room -= len(json.dumps(events[last - 1 if at_end else first])) + len(", ")
        if room < 0:
            break
        first, last = (first, last - 1) if at_end else (first + 1, last)
    return [*events[:first], *events[last:]]


def outage_event(
    subject: Target | EndpointKey, outage: Outage, *, sequence: int, now: datetime, over: bool, targets: int = 1
) -> Event:
    """The event that a target or an endpoint cannot be read, or (`over`) that it can be read again."""
    error = {
        "code": outage.code,
        "message": outage.message,
        "attempts": outage.attempts,
        "since": rfc3339(outage.since),
    }
    data: dict[str, Any] = {"error": error, "sequence": sequence}
    if over:
        data["since"] = rfc3339(outage.since)
        data["lasted_seconds"] = round(max(0.0, (now - outage.since).total_seconds()), 3)
    what = "readable" if over else "unreadable"
    if isinstance(subject, EndpointKey):
        where = {"account": subject.account, "region": subject.region, "api": subject.api.value, "targets": targets}
        data = {"endpoint": where, **data}
        event_type, name = f"watcher.endpoint.{what}", str(subject)
    else:
        data = {"target": target_to_json(subject), **data}
        event_type, name = f"watcher.target.{what}", subject.id
    identity = [name, event_type, rfc3339(outage.since)]
    return _event(event_type, name, _source(subject.account, subject.region), identity, data, now)


def with_reminder(body: str, count: int) -> str:
    """The CloudEvent `body` as its `count`-th reminder: the same event, with the extension attribute `reminder`."""
    return _extended(body, reminder=count)


def with_trace(event: Event, traceparent: str | None) -> Event:
    """`event` with the extension attribute `traceparent`; unchanged if that is None.

    It is the span of the poll that observed the change (CloudEvents' Distributed Tracing extension).
    """
    return event if traceparent is None else replace(event, body=_extended(event.body, traceparent=traceparent))


def _extended(body: str, **attributes: str | int) -> str:
    return json.dumps({**json.loads(body), **attributes})


def muted(event: Event, reason: str | None, until: datetime | None) -> Event:
    """`event`, marked in `data.muted` as one that is recorded and not sent."""
    form = json.loads(event.body)
    form["data"]["muted"] = {"reason": reason and bounded(reason), "until": None if until is None else rfc3339(until)}
    return replace(event, body=json.dumps(form))


def trial_event(sink: str, now: datetime) -> Event:
    """What `test-sink` sends: nothing has happened. Its id is a new one each time, unlike all others'."""
    subject = f"test/{path_segment(sink)}"
    data = {"sink": sink, "message": "This is a test of watcher's sink; nothing has happened."}
    return _event(TEST_EVENT, subject, _source("test", sink), [subject, uuid4().hex], data, now)


def target_to_json(target: Target) -> dict[str, Any]:
    """`data.target`: its id, its kind, where it is, the parts that name it, and its labels."""
    return {
        "id": target.id,
        "kind": target.kind.value,
        "account": target.account,
        "region": target.region,
        **dict(target.identity),
        "labels": dict(target.labels),
    }


def _source(account: str, region: str) -> str:
    return f"/watcher/{path_segment(account)}/{path_segment(region)}"


def _event(
    event_type: str, subject: str, source: str, identity: list[Any], data: dict[str, Any], now: datetime
) -> Event:
    event_id = sha256(json.dumps(identity, separators=(",", ":")).encode()).hexdigest()[:32]
    time = rfc3339(now)
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
    return Event(event_id, event_type, subject, time, _JSON.write(CloudEvent(attributes, data)).decode())


_ATTRIBUTES = {"id": str, "type": str, "subject": str, "time": Time}
_BODY = {
    **_ATTRIBUTES,
    "data": {
        "error": Optional({"code": str, "message": str, "since": Time}, null=False),
        "lasted_seconds": Optional(Moment, null=False),
        "muted": Optional({"reason": (str, NONE), "until": Nullable(Time)}, null=False),
    },
}
_SYNC = {
    "status": str, "observed": bool, "first_seen": bool, "recovered": bool, "recreated": bool,
    "consecutive_failures": int,
    "attempt": {
        "startedAt": Time, "status": str, "targetRevision": Nullable(Each(dict, (str, NONE))),
        "events": Each(list, Each(dict, (str, NONE))),
    },
}  # fmt: skip
"""The parts of an event that the code which shows it relies on; `event_schema` has the complete form."""
