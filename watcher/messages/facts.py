"""Details of an event beside what happened: the commit and where it is, the error, AWS's own events. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from watcher.core.model import Revision
from watcher.messages.cause import MAX_CAUSE, cause_text, ordered_sync_events
from watcher.messages.links import links, repository_name
from watcher.messages.message import Fact
from watcher.messages.phrases import between, length, moment
from watcher.messages.sanitize import one_line

MAX_SYNC_EVENTS = 5
"""AWS's events of an attempt that are shown, the last ones."""

MAX_LABELS = 5


def facts(event: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Return the facts, the most useful first; facts without visible text are left out."""
    return tuple(fact for fact in _facts(event) if fact.text)


def _facts(event: Mapping[str, Any]) -> Iterator[Fact]:
    data = event["data"]
    if error := data.get("error"):
        over = event["type"].endswith(".readable")
        if over:  # before that, the message begins with the error
            yield Fact("Error", cause_text(event["type"], data))
        yield Fact("Unreadable from" if over else "Since", moment(error["since"]))
    if attempt := data.get("attempt"):
        yield from _revision(attempt["targetRevision"] or {})
        yield Fact("Started", moment(attempt["startedAt"]))
        yield from _last_success(data)
    if labels := data.get("target", {}).get("labels"):
        shown = ", ".join(f"{one_line(name, 40)}={one_line(labels[name], 40)}" for name in sorted(labels)[:MAX_LABELS])
        more = len(labels) - MAX_LABELS
        yield Fact("Labels", f"{shown}, and {more} more" if more > 0 else shown)


def _revision(revision: Revision) -> Iterator[Fact]:
    repository, commit = links(revision)
    if sha := revision.get("sha"):
        # As short as git shows a hash; what is not a hash is shown in full.
        short = sha[:7] if sha.isascii() and sha.isalnum() and len(sha) >= 20 else sha
        yield Fact("Commit", one_line(short, 64), commit)
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
    """Return the last of AWS's events of an attempt, oldest first, as a heading and lines."""
    ordered = ordered_sync_events(event["data"])
    shown = tuple(
        f"{(one['time'] or '')[11:19]:8}  {one_line(one['type'] or '', 40)}: {one_line(one['event'] or '', MAX_CAUSE)}"
        for one in ordered[-MAX_SYNC_EVENTS:]
    )
    number = len(ordered) + (event["data"].get("attempt") or {}).get("events_omitted", 0)
    count = f"{len(shown)} of {number} " if number > len(shown) else ""
    return f"Last {count}sync events (UTC)", shown
