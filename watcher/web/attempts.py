"""The last attempts of a target as JSON. Pure."""

import json
from collections.abc import Iterable
from typing import Any

from watcher.core.attempts import MAX_RECENT, parse_line
from watcher.core.events import Event
from watcher.core.links import links
from watcher.core.model import Revision, parse_rfc3339, rfc3339
from watcher.core.state import Record

STEPS = {"watcher.sync.stalled": "STALLED", "watcher.sync.blocked": "BLOCKED", "watcher.sync.unblocked": "UNBLOCKED"}
"""The steps of an attempt that are no status of AWS, by the type of the event."""


def recent_attempts(record: Record | None) -> list[dict[str, Any]]:
    """The last attempts of a target as its row has them, the newest first, with times to the second.

    Fractions would make the response about all targets half as large again.
    """
    return [
        {
            "status": each.status,
            "startedAt": rfc3339(each.started_at.replace(microsecond=0)),
            "duration_seconds": None if each.duration is None else round(each.duration),
        }
        for each in map(parse_line, record.recent if record else ())
    ]


def attempts(events: Iterable[Event], record: Record | None) -> list[dict[str, Any]]:
    """The last attempts of a target, the newest first, with the steps that recorded events (oldest first) have.

    The latest attempt's status is a step of its own if no event has it, as after a first observation. For a target that
    another watcher polls, `record` may be older than the events; then it adds nothing.
    """
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        data = json.loads(event.body)["data"]
        attempt = data.get("attempt")
        if attempt is None:
            continue
        shown = found.setdefault(attempt["startedAt"], _attempt(attempt["startedAt"]))
        shown |= _attempt_fields(attempt["status"], attempt.get("targetRevision"))
        shown["steps"].append(
            {
                "status": STEPS.get(event.type) or attempt["status"],
                "time": event.time,
                "event_id": event.id,
                "type": event.type,
                "observed": data["observed"],
            }
        )
    for seen in map(parse_line, record.recent if record else ()):
        began = rfc3339(seen.started_at)
        shown = found.setdefault(began, {**_attempt(began), "status": seen.status, "sha": seen.sha})
        shown |= {"duration_seconds": seen.duration, "observed": seen.observed}
    known = record.known if record else None
    if known is not None and known.attempt is not None:
        latest = known.attempt
        began = rfc3339(latest.started_at)
        shown = found.setdefault(began, _attempt(began))
        steps = shown["steps"]
        if not steps or parse_rfc3339(steps[-1]["time"]) <= known.since:
            if not steps or shown["status"] != latest.status:
                step = {"status": latest.status, "time": rfc3339(known.since)}
                steps.append({**step, "event_id": None, "type": None, "observed": True})
            shown |= _attempt_fields(latest.status, latest.target_revision)
    ordered = sorted(found.values(), key=lambda each: parse_rfc3339(each["startedAt"]), reverse=True)
    return ordered[:MAX_RECENT]


def _attempt(began: str) -> dict[str, Any]:
    """An attempt of which nothing but its start is known."""
    return {
        "startedAt": began, "status": None, "sha": None, "commit_url": None, "duration_seconds": None,
        "observed": True, "steps": [],
    }  # fmt: skip


def _attempt_fields(status: str, revision: Revision | None) -> dict[str, Any]:
    revision = revision or {}
    return {"sha": revision.get("sha") or None, "commit_url": links(revision)[1], "status": status}
