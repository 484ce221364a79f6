"""What an event gets when it is recorded: its incident, its links, the mute, and the trace of its poll. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from watcher.core.event_links import event_links
from watcher.core.events import Event
from watcher.core.incidents import IncidentStep, incident_to_json
from watcher.core.model import rfc3339
from watcher.core.mutes import Mute
from watcher.util.bounded_text import bounded


def stamped(
    event: Event,
    *,
    incident: IncidentStep | None = None,
    public_url: str | None = None,
    mute: Mute | None = None,
    traceparent: str | None = None,
) -> Event:
    """Return `event` as it is recorded and sent.

    Args:
        event: what happened.
        incident: what it means for the incident of its subject; None: it has none.
        public_url: where people reach the page, for the links.
        mute: marks it in `data.muted` as recorded and not sent, unless it ends an incident.
        traceparent: the extension attribute of this name, for the span of the poll.
    """
    form = json.loads(event.body)
    form["data"] |= {"incident": incident_to_json(incident), "links": event_links(form["data"], public_url)}
    if mute is not None:
        form["data"]["muted"] = _muted(mute)
    if traceparent is not None:
        form["traceparent"] = traceparent
    return event._replace(body=json.dumps(form))


def _muted(mute: Mute) -> Mapping[str, Any]:
    return {
        "reason": mute.reason and bounded(mute.reason),
        "until": None if mute.until is None else rfc3339(mute.until),
    }
