"""Sentences on what happened and how it was observed: at the time of the event, or for a reminder, now. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.core.model import rfc3339
from watcher.messages.phrases import between, counted, last_word, length, ordinal
from watcher.messages.sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


def lead(event: Mapping[str, Any], now: datetime) -> list[str]:
    """What happened, in a sentence or two."""
    word, data = last_word(event), event["data"]
    if word == "test":
        return [one_line(data.get("message", "This is a test; nothing has happened."))]
    if word in ("unreadable", "readable"):
        return _outage(event, now)
    if word in ("blocked", "unblocked"):
        return ["No sync begins until this is resolved." if word == "blocked" else "Syncs may begin again."]
    if "attempt" not in data:
        return []
    return _sync(event, now)


def _sync(event: Mapping[str, Any], now: datetime) -> list[str]:
    word, data = last_word(event), event["data"]
    attempt = data["attempt"]
    began, status = attempt["startedAt"], one_line(data["status"], 40)
    times = [said["time"] for said in attempt["events"] if said["time"]]
    if word == "failed":
        # AWS's last line is closer to the end of the attempt than our poll.
        ran = between(began, max(times, default=event["time"]))
        failures = data["consecutive_failures"]
        return [
            "The sync failed." if ran is None else f"The sync failed after {length(ran)}.",
            f"{ordinal(failures)} failure in a row." if failures > 1 else "",
        ]
    ran = between(began, _as_of(event, now))
    so_far = "" if ran is None else length(ran)
    if word == "stalled":
        return [f"Still {status} after {so_far}." if so_far else f"Still {status}, for too long."]
    if word == "succeeded":
        return ["The first success after a failed or stalled attempt." if data["recovered"] else "The sync succeeded."]
    if word == "unknown":
        return ["AWS reports a status that this watcher does not know."]
    previous = data["previous_status"]
    if previous and not data["new_attempt"]:
        return [f"It was {one_line(previous, 40)} before."]
    return ["A new sync attempt."] if data["new_attempt"] else []


def reservations(event: Mapping[str, Any], now: datetime) -> list[str]:
    """Sentences on how it was observed, if not as usual."""
    data, reminder = event["data"], event.get("reminder")
    since = length(between(event["time"], rfc3339(now)) or 0) if reminder else ""
    return [
        f"Reminder {one_line(reminder, 9)}: no change in the {since} since it was observed." if reminder else "",
        "Already so when the watcher first looked." if data.get("first_seen") else "",
        "A later attempt has begun since." if data.get("observed") is False else "",
        "AWS went back to an older attempt: probably it was deleted and created again."
        if data.get("recreated")
        else "",
    ]


def _outage(event: Mapping[str, Any], now: datetime) -> list[str]:
    data = event["data"]
    targets = data.get("endpoint", {}).get("targets")
    if last_word(event) == "readable":
        lasted = length(data["lasted_seconds"])
        whose = f"The sync status of {counted(targets, 'target')}" if targets else "Its sync status"
        return [f"{whose} could not be read for {lasted}."]
    since = between(data["error"]["since"], _as_of(event, now))
    so_far = f", for {length(since)}" if since else ""
    if event.get("reminder"):  # the event's numbers of polls and targets are no longer current
        return [f"{'Its targets cannot be watched' if targets else 'Its sync status cannot be read'}{so_far}."]
    whose = f"{counted(targets, 'target')} cannot be watched" if targets else "Its sync status cannot be read"
    return [f"{whose}: {counted(data['error']['attempts'], 'poll')} failed in a row{so_far}."]


def _as_of(event: Mapping[str, Any], now: datetime) -> str:
    """The time that the sentences refer to: the event's own, or for a reminder, now."""
    return rfc3339(now) if event.get("reminder") else str(event["time"])
