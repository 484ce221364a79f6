"""A target's history: its attempts, and its events with what became of their deliveries. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from watcher.core.events import Event
from watcher.core.model import Revision, parse_rfc3339, rfc3339
from watcher.core.ports import DeliveryRecord
from watcher.core.settings import Config
from watcher.core.state import Known
from watcher.delivery.explain import explain
from watcher.messages.links import links
from watcher.util.redaction import redact


def attempts(events: Iterable[Event], known: Known | None) -> list[dict[str, Any]]:
    """The attempts of recorded events (oldest first), and the latest one that is known; the newest first.

    The latest attempt's status is a step of its own if no event has it, as after a first observation. For a target that
    another watcher polls, `known` may be older than the events; then it adds nothing.
    """
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        data = json.loads(event.body)["data"]
        attempt = data.get("attempt")
        if attempt is None:
            continue
        shown = found.setdefault(attempt["startedAt"], {"startedAt": attempt["startedAt"], "steps": []})
        shown |= _fields(attempt["status"], attempt["targetRevision"])
        shown["steps"].append(
            {
                "status": "STALLED" if event.type == "watcher.sync.stalled" else attempt["status"],
                "time": event.time,
                "event_id": event.id,
                "type": event.type,
                "observed": data["observed"],
            }
        )
    if known is not None and known.attempt is not None:
        latest = known.attempt
        began = rfc3339(latest.started_at)
        shown = found.setdefault(began, {"startedAt": began, "steps": [], "status": None})
        steps = shown["steps"]
        if not steps or parse_rfc3339(steps[-1]["time"]) <= known.since:
            if shown["status"] != latest.status:
                step = {"status": latest.status, "time": rfc3339(known.since)}
                steps.append({**step, "event_id": None, "type": None, "observed": True})
            shown |= _fields(latest.status, latest.target_revision)
    return sorted(found.values(), key=lambda each: parse_rfc3339(each["startedAt"]), reverse=True)


def _fields(status: str, revision: Revision | None) -> dict[str, Any]:
    revision = revision or {}
    return {"sha": revision.get("sha") or None, "commit_url": links(revision)[1], "status": status}


def explained(number: int, event: Event, deliveries: Sequence[DeliveryRecord], config: Config) -> dict[str, Any]:
    """A recorded event and what became of it at each sink; `deliveries`: those of this event."""
    return {
        "number": number,
        "event": json.loads(event.body),
        "sinks": [
            {
                "sink": each.sink,
                "state": each.state,
                "why": redact(each.why),
                "tries": each.delivery.tries if each.delivery else 0,
                "reminder": each.delivery.reminder if each.delivery else 0,
            }
            for each in explain(event, deliveries, config)
        ],
    }
