"""What a message says of a blocker: why AWS created it, and the command by which a person resolves it. Pure."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from watcher.messages.message import Fact
from watcher.messages.phrases import between, last_word, length, moment
from watcher.messages.sanitize import one_line
from watcher.sources import KINDS

MAX_ID = 64
"""Characters of a blocker's id that are shown; the service model allows 50."""


def blocker_lead(event: Mapping[str, Any], now: str) -> list[str]:
    """Return what happened, in a sentence or two; `now` is the time that they refer to."""
    blocker = event["data"]["blocker"]
    if last_word(event) == "blocked":
        since = between(blocker["created_at"] or "", now)
        active = f"has been active for {length(since)}" if since else "is active"
        return [f"A sync blocker {active}: AWS starts no further sync."]
    if blocker["resolved_at"] is None and blocker["status"] == "ACTIVE":
        return ["AWS no longer lists the sync blocker."]
    return ["The sync blocker was resolved."]


def blocker_facts(event: Mapping[str, Any]) -> Iterator[Fact]:
    """Yield the facts of an event's blocker."""
    blocker = event["data"]["blocker"]
    over = last_word(event) == "unblocked"
    if over:  # before that, the message begins with the reason
        yield Fact("Reason", one_line(blocker["created_reason"] or "", 300))
    if blocker["created_at"]:
        yield Fact("Blocked from" if over else "Blocked since", moment(blocker["created_at"]))
    if blocker["resolved_at"]:
        yield Fact("Resolved", moment(blocker["resolved_at"]))
    if blocker["resolved_reason"]:
        yield Fact("Resolution", one_line(blocker["resolved_reason"]))
    for name, text in blocker["contexts"].items():
        yield Fact(one_line(name, 40), one_line(text))


def how_to_resolve(event: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the command that resolves an event's blocker, as a heading and lines."""
    command = resolve_command(event)
    return "When the cause is fixed, resolve the blocker", (command,) if command else ()


def resolve_command(event: Mapping[str, Any]) -> str:
    """Return the AWS CLI's command that resolves an event's blocker, for a shell; empty if there is nothing to resolve.

    watcher itself never writes to AWS.
    """
    data = event["data"]
    kind = KINDS.get(data.get("target", {}).get("kind"))
    if last_word(event) != "blocked" or kind is None or kind.blockers is None:
        return ""
    values = {name: str(value) for name, value in data["target"].items()} | {"blocker": data["blocker"]["id"]}
    arguments = [one_line(part.format(**values), MAX_ID + 64) for part in kind.blockers.resolve]
    region = one_line(values["region"], 40)
    return shlex.join(["aws", *arguments, "--resolved-reason", "what was fixed", "--region", region])
