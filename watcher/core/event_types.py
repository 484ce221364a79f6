"""The types of events, and their severity."""

from enum import StrEnum

_SYNC_EVENTS = (
    "initiated", "in_progress", "queued", "succeeded", "failed", "unknown", "stalled", "blocked", "unblocked",
)  # fmt: skip
_DISCOVERY_EVENTS = ("target.discovered", "target.removed")
_OUTAGE_EVENTS = (
    "target.unreadable", "target.readable", "endpoint.unreadable", "endpoint.readable", "endpoint.removed",
)  # fmt: skip
_CONNECTION_EVENTS = ("connection.unavailable", "connection.available")
_PROBLEMS = (".failed", ".stalled", ".blocked", ".unreadable", ".unavailable")

EVENT_TYPES = (
    *(f"watcher.sync.{each}" for each in _SYNC_EVENTS),
    *(f"watcher.{each}" for each in (*_DISCOVERY_EVENTS, *_CONNECTION_EVENTS, *_OUTAGE_EVENTS)),
)
"""The types of the events that are routed to sinks."""

TEST_EVENT = "watcher.test"
"""The type of the event that `test-sink` sends."""

DIGEST_EVENT = "watcher.digest"
"""The type of digests (`core.digest`)."""

UNROUTED_EVENTS = (TEST_EVENT, DIGEST_EVENT)
"""The types of events that are sent to sinks by name, whatever the filters of these sinks say."""

ALL_EVENT_TYPES = (*EVENT_TYPES, *UNROUTED_EVENTS)


class Severity(StrEnum):
    """Whether an event reports a problem."""

    INFO = "info"
    ERROR = "error"


def severity(event_type: str) -> Severity:
    """Return the severity of an event by its type."""
    return Severity.ERROR if event_type.endswith(_PROBLEMS) else Severity.INFO
