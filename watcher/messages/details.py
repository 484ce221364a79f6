"""What a message says of an event: sentences on what happened, facts such as the commit, AWS's own events. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from watcher.core.links import links, repository_name
from watcher.core.model import Revision, rfc3339
from watcher.messages.blockers import blocker_facts, blocker_lead
from watcher.messages.connections import connection_facts, connection_lead
from watcher.messages.message import Fact
from watcher.messages.phrases import (
    MAX_CAUSE,
    between,
    cause_text,
    counted,
    last_word,
    length,
    moment,
    ordered_sync_events,
    ordinal,
)
from watcher.messages.sanitize import one_line

MAX_SYNC_EVENTS, MAX_LABELS = 5, 5
"""How many of AWS's events of an attempt are shown (the last ones), and how many labels."""

_FURTHER = {"page": "watcher", "console": "AWS console", "deployment_file": "Deployment file"}
"""The keys of `data.links`, and what a link is called; the commit and its repository are facts."""

_LASTING = frozenset({"stalled", "blocked", "unreadable"})
"""The last words of the types of events whose lead says how long the problem has lasted, in a reminder until now."""


def lead(event: Mapping[str, Any], now: datetime) -> list[str]:
    """Return what happened, in a sentence or two."""
    word, data = last_word(event), event["data"]
    if word == "test":
        return [one_line(data.get("message", "This is a test; nothing has happened."))]
    if word in ("unreadable", "readable"):
        return _outage(event, now)
    if word == "discovered":
        return ["AWS syncs it from Git, and it is watched from now on."]
    if word == "removed":
        if "endpoint" in data:
            return ["None of its targets is watched any more."]
        return ["It is not watched any more: it left the configuration, or AWS no longer lists it."]
    if word in ("blocked", "unblocked"):
        return blocker_lead(event, _as_of(event, now))
    if "connection" in data:
        return connection_lead(event)
    return _sync(event, now) if "attempt" in data else []


def duration_of_incident(event: Mapping[str, Any]) -> str:
    """Return how long the incident lasted that the event resolves; empty if it resolves none, or its lead says so."""
    incident = event["data"].get("incident") or {}
    lasted = incident.get("duration_seconds")
    if lasted is None or (last_word(event) == "readable" and incident["problems"] == ["unreadable"]):
        return ""
    return f"The incident lasted {length(lasted)}."


def incident_facts(event: Mapping[str, Any]) -> Iterator[Fact]:
    """Yield since when the incident has been open that the event continues."""
    incident = event["data"].get("incident") or {}
    if incident.get("state") == "ongoing":
        yield Fact("Incident since", moment(incident["opened_at"]))


def further_links(event: Mapping[str, Any]) -> Iterator[Fact]:
    """Yield the links of `data.links` that are not those of facts."""
    known = event["data"].get("links") or {}
    for key, name in _FURTHER.items():
        url = known.get(key)
        if isinstance(url, str) and url.startswith(("https://", "http://")) and url.isprintable() and " " not in url:
            yield Fact(name, url, url)


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
        sha = (attempt.get("targetRevision") or {}).get("sha")
        return [f"Commit {_short(sha)} is synced." if sha and data["recovered"] else "The sync succeeded."]
    if word == "unknown":
        return ["This version of watcher does not know the status that AWS reports."]
    if data["new_attempt"]:
        return ["A new sync attempt has started."]
    previous = data["previous_status"]
    return [f"The previous status was {one_line(previous, 40)}."] if previous else []


def reservations(event: Mapping[str, Any], now: datetime) -> list[str]:
    """Return sentences on how the event was observed, if not as usual."""
    data = event["data"]
    unchanged = event.get("reminder") and last_word(event) not in _LASTING
    return [
        f"Nothing has changed for {length(between(event['time'], rfc3339(now)) or 0)}." if unchanged else "",
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


def facts(event: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Return the facts, the most useful first; facts without a visible name or text are left out."""
    return tuple(fact for fact in _facts(event) if fact.name and fact.text)


def _facts(event: Mapping[str, Any]) -> Iterator[Fact]:
    data = event["data"]
    if error := data.get("error"):
        over = event["type"].endswith(".readable")
        if over:  # before that, the message begins with the error
            yield Fact("Error", cause_text(event["type"], data))
        yield Fact("Unreadable from" if over else "Since", moment(error["since"]))
    if "blocker" in data:
        yield from blocker_facts(event)
    if attempt := data.get("attempt"):
        yield from _revision(attempt.get("targetRevision") or _names_as_revision(data["target"]))
        yield Fact("Latest attempt" if "blocker" in data else "Started", moment(attempt["startedAt"]))
        if "targetRevision" in attempt:  # of a repository, AWS reports neither revisions nor the last success
            yield from _last_success(data)
    elif "connection" in data:
        yield from connection_facts(event)
    else:
        yield from _found(data.get("target") or {})
    if labels := data.get("target", {}).get("labels"):
        shown = ", ".join(f"{one_line(name, 40)}={one_line(labels[name], 40)}" for name in sorted(labels)[:MAX_LABELS])
        more = len(labels) - MAX_LABELS
        yield Fact("Labels", f"{shown}, and {more} more" if more > 0 else shown)


def _found(target: Mapping[str, Any]) -> Iterator[Fact]:
    """Yield what discovery knows of a target."""
    for name, title in (("repository", "Repository"), ("branch", "Branch"), ("config_file", "Configuration file")):
        if text := target.get(name):
            yield Fact(title, one_line(text, 120))


def _names_as_revision(target: Mapping[str, Any]) -> Revision:
    """Return the names of a target that is a repository, as in a revision; of another target, nothing."""
    if target["kind"] != "repository":
        return {}
    name = target.get("name") or target.get("repository")
    return {"repositoryProvider": target.get("provider"), "repositoryName": name, "branch": target.get("branch")}


def _short(sha: str) -> str:
    """Return a hash as short as git shows it; what is not a hash is shown in full."""
    return one_line(sha[:7] if sha.isascii() and sha.isalnum() and len(sha) >= 20 else sha, 64)


def _revision(revision: Revision) -> Iterator[Fact]:
    repository, commit = links(revision)
    if sha := revision.get("sha"):
        yield Fact("Commit", _short(sha), commit)
    if name := repository_name(revision):
        yield Fact("Repository", one_line(name, 120), repository)
    if branch := revision.get("branch"):
        yield Fact("Branch", one_line(branch, 120))
    if directory := revision.get("directory"):
        yield Fact("Directory", one_line(directory, 120))


def _last_success(data: Mapping[str, Any]) -> Iterator[Fact]:
    if data["status"] == "SUCCEEDED":
        return
    successful = data.get("latest_successful")
    if successful is None:
        yield Fact("Last success", "none reported by AWS")
    else:
        before = between(successful["startedAt"], data["attempt"]["startedAt"])
        earlier = f", {length(before)} before this attempt" if before else ""
        yield Fact("Last success", f"{moment(successful['startedAt'])}{earlier}")


def sync_events(event: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the last of AWS's events of an attempt, oldest first, as a heading and lines.

    The only event of a failed attempt is its cause, with which the message begins: then there are no lines.
    """
    ordered = ordered_sync_events(event["data"])
    shown = tuple(
        f"{(one['time'] or '')[11:19]:8}  {one_line(one['type'] or '', 40)}: {one_line(one['event'] or '', MAX_CAUSE)}"
        for one in ordered[-MAX_SYNC_EVENTS:]
    )
    number = len(ordered) + (event["data"].get("attempt") or {}).get("events_omitted", 0)
    count = f"{len(shown)} of {number} " if number > len(shown) else ""
    repeated = number == 1 and last_word(event) == "failed" and ordered[0]["event"]
    return f"Last {count}sync events (UTC)", () if repeated else shown
