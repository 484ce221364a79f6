"""What is told of a target's past: recorded events and deliveries -> attempts, and why each event went where. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from watcher.core.model import parse_rfc3339, rfc3339
from watcher.delivery.explain import explain
from watcher.messages.links import links
from watcher.util.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from watcher.core.events import Event
    from watcher.core.model import Revision
    from watcher.core.ports import DeliveryRecord
    from watcher.core.settings import Config
    from watcher.core.state import Known


def attempts(events: Iterable[Event], known: Known | None) -> list[dict[str, Any]]:
    """The attempts that recorded events (oldest first) tell of, and the latest one, the newest first.

    The latest attempt's status is a step of its own where no event told of it, as at a first observation. What is
    known may be older than the events, of a target that another watcher polls; then it adds nothing.
    """
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        data = json.loads(event.body)["data"]
        attempt = data.get("attempt")
        if attempt is None:
            continue
        told = found.setdefault(attempt["startedAt"], {"startedAt": attempt["startedAt"], "steps": []})
        told |= _shown(attempt["status"], attempt["targetRevision"])
        told["steps"].append(
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
        told = found.setdefault(began, {"startedAt": began, "steps": [], "status": None})
        steps = told["steps"]
        if not steps or parse_rfc3339(steps[-1]["time"]) <= known.since:
            if told["status"] != latest.status:
                step = {"status": latest.status, "time": rfc3339(known.since)}
                steps.append({**step, "event_id": None, "type": None, "observed": True})
            told |= _shown(latest.status, latest.target_revision)
    return sorted(found.values(), key=lambda each: parse_rfc3339(each["startedAt"]), reverse=True)


def _shown(status: str, revision: Revision | None) -> dict[str, Any]:
    revision = revision or {}
    return {"sha": revision.get("sha") or None, "commit_url": links(revision)[1], "status": status}


def explained(number: int, event: Event, deliveries: Sequence[DeliveryRecord], config: Config) -> dict[str, Any]:
    """A recorded event with what became of it at each sink; `deliveries`: those of this event."""
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
