"""The events of a target's sync, and of its blockers. Pure. The rules of their ids are in `core.events`."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from watcher.core.blockers import BlockerChange
from watcher.core.diff import Change, Reason
from watcher.core.events import MAX_EVENT_BYTES, RESERVED_BYTES, Event, build_event, source_of, target_to_json
from watcher.core.model import FAILED, RESOLVED, Attempt, Target, rfc3339
from watcher.core.state import Known
from watcher.core.state_json import attempt_to_json, blocker_to_json


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
    build = partial(build_event, event_type, target.id, source_of(target.account, target.region), identity, data, now)
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
