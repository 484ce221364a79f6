"""What is worth knowing of an event beside what happened: the commit and where it is, the error, AWS's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.messages.cause import LINE, cause_text, ordered_sync_events
from watcher.messages.links import links, repository_name
from watcher.messages.message import Fact
from watcher.messages.phrases import between, length, moment
from watcher.messages.sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from watcher.core.model import Revision

SYNC_EVENTS = 5
"""AWS's own lines that are shown, of the last of an attempt."""

LABELS = 5


def facts(event: Mapping[str, Any]) -> tuple[Fact, ...]:
    """The facts, in the order in which they are asked for; what is only blank, or cannot be seen, is none."""
    return tuple(fact for fact in _facts(event) if fact.text)


def _facts(event: Mapping[str, Any]) -> Iterator[Fact]:
    data = event["data"]
    if error := data.get("error"):
        over = event["type"].endswith(".readable")
        if over:  # until then the message begins with it
            yield Fact("Error", cause_text(event["type"], data))
        yield Fact("From" if over else "Since", moment(error["since"]))
    if blocker := data.get("blocker"):
        yield from _blocker(blocker)
    if attempt := data.get("attempt"):
        yield from _revision(attempt["targetRevision"] or {})
        yield Fact("Began", moment(attempt["startedAt"]))
        yield from _last_success(data)
    if labels := data.get("target", {}).get("labels"):
        shown = ", ".join(f"{one_line(name, 40)}={one_line(labels[name], 40)}" for name in sorted(labels)[:LABELS])
        yield Fact("Labels", shown if len(labels) <= LABELS else f"{shown}, and {len(labels) - LABELS} more")


def _revision(revision: Revision) -> Iterator[Fact]:
    repository, commit = links(revision)
    if sha := revision.get("sha"):
        # Git itself shows so much of a hash; what is none is shown as it is.
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
        yield Fact("Last success", "none that AWS tells of")
    else:
        before = between(successful["startedAt"], data["attempt"]["startedAt"])
        ago = f", {length(before)} before" if before else ""
        yield Fact("Last success", f"{moment(successful['startedAt'])}{ago}")


def _blocker(blocker: Mapping[str, Any]) -> Iterator[Fact]:
    """A sync blocker's members are AWS's; which of them are there depends on whether it is resolved."""
    names = {"type": "Blocker", "createdReason": "Reason", "createdAt": "Since", "resolvedReason": "Resolved"}
    for member, name in names.items():
        if value := blocker.get(member):
            yield Fact(name, moment(value) if member == "createdAt" else one_line(value, LINE))


def sync_events(event: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The last sync events of an attempt, oldest first, as a heading and lines."""
    ordered = ordered_sync_events(event["data"])
    shown = tuple(
        f"{(one['time'] or '')[11:19]:8}  {one_line(one['type'] or '', 40)}: {one_line(one['event'] or '', LINE)}"
        for one in ordered[-SYNC_EVENTS:]
    )
    number = len(ordered) + (event["data"].get("attempt") or {}).get("events_omitted", 0)
    count = f"{len(shown)} of {number} " if number > len(shown) else ""
    return f"Last {count}sync events (UTC)", shown
