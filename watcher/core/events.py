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

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import uuid4

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from watcher.core.blockers import BlockerChange
from watcher.core.connections import ConnectionChange
from watcher.core.diff import Change, Reason
from watcher.core.digest import DIGEST_SUBJECT
from watcher.core.event_ids import id_of
from watcher.core.event_types import DIGEST_EVENT, TEST_EVENT
from watcher.core.model import (
    FAILED,
    FOUND,
    RESOLVED,
    Attempt,
    EndpointKey,
    Target,
    path_segment,
    rfc3339,
    seconds_between,
)
from watcher.core.state import Known, Outage
from watcher.core.state_json import attempt_to_json, blocker_to_json

DATASCHEMA = "urn:watcher:event:1"

MAX_EVENT_BYTES = 200 * 1024
"""The most bytes of a recorded event: less than the 256 KiB that SNS, SQS and EventBridge accept."""

RESERVED_BYTES = 16 * 1024
"""Bytes of these that are reserved for later additions to an event: `core.stamps`, and the number of the reminder."""


@dataclass(frozen=True, slots=True)
class Event:
    """A recorded event: `body` is the CloudEvent as it is sent, one line of JSON, the same on every try."""

    id: str
    type: str
    subject: str
    time: str
    body: str


def fitting(found: Iterable[tuple[int, Event]], size: float) -> list[tuple[int, Event]]:
    """Return the first of `found` whose bodies have at most `size` characters in all, but at least one."""
    taken: list[tuple[int, Event]] = []
    for number, event in found:
        size -= len(event.body)
        if taken and size < 0:
            break
        taken.append((number, event))
    return taken


def sync_event(target: Target, change: Change, *, sequence: int, now: datetime) -> Event:
    """Return the event of a change of a target's sync."""
    attempt, previous = change.attempt, change.previous
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
        "attempt": _attempt(target, attempt),
        "previous_attempt": _previous(previous),
        "desired_state": None if change.desired_state is None else dict(change.desired_state),
        "latest_successful": _successful(change.latest_successful),
        "sequence": sequence,
    }
    event_type = f"watcher.{change.type}"
    identity = [target.id, event_type, rfc3339(attempt.started_at), attempt.status, change.times]
    return _fitting_event(event_type, target, identity, data, now)


def blocker_event(target: Target, change: BlockerChange, known: Known, *, sequence: int, now: datetime) -> Event:
    """Return the event of a blocker that began or ended; `known`: the sync state of its target, which stays as it is.

    `data` has the keys of every sync event; without an attempt, those that describe it are null.
    """
    attempt = known.attempt
    status = attempt.status if attempt else None
    data = {
        "target": target_to_json(target),
        "blocker": blocker_to_json(change.blocker),
        "status": status,
        "previous_status": status,
        **dict.fromkeys(("new_attempt", "first_seen", "recovered", "recreated"), False),
        "observed": True,
        "consecutive_failures": known.failures if status == FAILED else 0,
        "attempt": None if attempt is None else _attempt(target, attempt),
        "previous_attempt": _previous(attempt),
        "desired_state": None if known.desired_state is None else dict(known.desired_state),
        "latest_successful": _successful(known.latest_successful),
        "sequence": sequence,
    }
    event_type = f"watcher.{change.type}"
    has_ended = change.type == "sync.unblocked"  # also one that is no longer listed, and that others saw resolved
    identity = [target.id, event_type, change.blocker.id, RESOLVED if has_ended else change.blocker.status]
    return _fitting_event(event_type, target, identity, data, now)


def _attempt(target: Target, attempt: Attempt) -> dict[str, Any]:
    form = attempt_to_json(attempt)
    if not target.kind.has_revisions:
        for absent in ("target", "initialRevision", "targetRevision"):
            del form[absent]
    return form


def _previous(attempt: Attempt | None) -> dict[str, Any] | None:
    if attempt is None:
        return None
    return {"startedAt": rfc3339(attempt.started_at), "status": attempt.status, "sha": attempt.sha or None}


def _successful(attempt: Attempt | None) -> dict[str, Any] | None:
    return None if attempt is None else {"startedAt": rfc3339(attempt.started_at), "sha": attempt.sha or None}


def _fitting_event(event_type: str, target: Target, identity: list[Any], data: dict[str, Any], now: datetime) -> Event:
    """Return an event of a target's sync, with fewer of the attempt's events if it would be too long."""
    build = partial(_event, event_type, target.id, _source(target.account, target.region), identity, data, now)
    event, longest, attempt_data = build(), MAX_EVENT_BYTES - RESERVED_BYTES, data["attempt"]
    if len(event.body) > longest and attempt_data is not None:
        events = attempt_data["events"]
        attempt_data |= {"events": [], "events_omitted": len(events)}
        kept = first_and_last(events, longest - len(build().body))
        attempt_data |= {"events": kept, "events_omitted": len(events) - len(kept)}
        event = build()
    return event


def first_and_last(events: Sequence[Mapping[str, Any]], room: int) -> list[Mapping[str, Any]]:
    """Return as many of the first and the last of an attempt's events as fit into `room` bytes."""
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
    return _event(event_type, target.id, _source(target.account, target.region), identity, data, now)


def trial_event(sink: str, now: datetime) -> Event:
    """Return the event that `test-sink` sends."""
    subject = f"test/{path_segment(sink)}"
    data = {"sink": sink, "message": "This is a test of watcher's sink; nothing has happened.", "incident": None}
    return _event(TEST_EVENT, subject, _source("test", sink), [subject, uuid4().hex], data, now)


def digest_event(
    data: Mapping[str, Any], endpoints: Iterable[str], *, due: datetime, sequence: int, now: datetime
) -> Event:
    """Return a digest (`core.digest.digest_data`) of what is watched at these endpoints."""
    identity = [DIGEST_SUBJECT, DIGEST_EVENT, rfc3339(due), *sorted(endpoints)]
    return _event(
        DIGEST_EVENT, DIGEST_SUBJECT, _source(DIGEST_SUBJECT, "all"), identity, {**data, "sequence": sequence}, now
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
    return _event(event_type, name, _source(subject.account, subject.region), [name, event_type, *identity], data, now)


def _source(account: str, region: str) -> str:
    return f"/watcher/{path_segment(account)}/{path_segment(region)}"


def _event(
    event_type: str, subject: str, source: str, identity: list[Any], data: dict[str, Any], now: datetime
) -> Event:
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
