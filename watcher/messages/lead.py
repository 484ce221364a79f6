"""Sentences on what happened and how it was observed: as of the event's time, or for a reminder, as of now. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from watcher.core.model import rfc3339
from watcher.messages.phrases import between, counted, last_word, length, ordinal
from watcher.messages.sanitize import one_line


def lead(event: Mapping[str, Any], now: datetime) -> list[str]:
    """Return what happened, in a sentence or two."""
    word, data = last_word(event), event["data"]
    if word == "test":
        return [one_line(data.get("message", "This is a test; nothing has happened."))]
    if word in ("unreadable", "readable"):
        return _outage(event, now)
    return _sync(event, now) if "attempt" in data else []


def _sync(event: Mapping[str, Any], now: datetime) -> list[str]:
    word, data = last_word(event), event["data"]
    attempt = data["attempt"]
    started, status = attempt["startedAt"], one_line(data["status"], 40)
    times = [each["time"] for each in attempt["events"] if each["time"]]
    if word == "failed":
        # AWS's last event is closer to the end of the attempt than the poll that observed it.
        ran = between(started, max(times, default=event["time"]))
        failures = data["consecutive_failures"]
        return [
            "The sync failed." if ran is None else f"The sync failed after {length(ran)}.",
            f"{ordinal(failures)} failure in a row." if failures > 1 else "",
        ]
    if word == "stalled":
        ran = between(started, _as_of(event, now))
        return [f"Still {status}." if ran is None else f"Still {status} after {length(ran)}."]
    if word == "succeeded":
        return ["The first success after a failed or stalled attempt." if data["recovered"] else "The sync succeeded."]
    if word == "unknown":
        return ["This version of watcher does not know the status that AWS reports."]
    if data["new_attempt"]:
        return ["A new sync attempt has started."]
    previous = data["previous_status"]
    return [f"The previous status was {one_line(previous, 40)}."] if previous else []


def reservations(event: Mapping[str, Any], now: datetime) -> list[str]:
    """Return sentences on how the event was observed, if not as usual."""
    data, reminder = event["data"], event.get("reminder")
    since = length(between(event["time"], rfc3339(now)) or 0) if reminder else ""
    return [
        f"Reminder {one_line(reminder, 9)}: nothing has changed for {since}." if reminder else "",
        "It already had this status at the first poll." if data.get("first_seen") else "",
        "A later attempt has started since." if data.get("observed") is False else "",
        "AWS reports an older attempt: the target was probably deleted and created again."
        if data.get("recreated")
        else "",
    ]


def _outage(event: Mapping[str, Any], now: datetime) -> list[str]:
    data, reminder = event["data"], event.get("reminder")
    targets = data.get("endpoint", {}).get("targets")
    # The event's numbers of targets and polls are no longer current in a reminder.
    of = f" of {'its targets' if reminder else counted(targets, 'target')}" if targets else ""
    if last_word(event) == "readable":
        return [f"The sync status{of} was unreadable for {length(data['lasted_seconds'])}."]
    since = between(data["error"]["since"], _as_of(event, now))
    lasting = f"has been unreadable for {length(since)}" if since else "is unreadable"
    polls = "" if reminder else f": {counted(data['error']['attempts'], 'poll')} failed in a row"
    return [f"The sync status{of} {lasting}{polls}."]


def _as_of(event: Mapping[str, Any], now: datetime) -> str:
    """Return the time that the sentences refer to: the event's own, or for a reminder, now."""
    return rfc3339(now) if event.get("reminder") else str(event["time"])
