"""The causes of an event, by which events share one message of a text sink (`group_wait`). Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from watcher.messages.sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from watcher.core.events import Event

LINE = 300
"""Characters of a text from AWS that are shown."""

_VARYING = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{7,64}\b", re.IGNORECASE)
"""Request ids, hashes and account numbers: they differ between errors that are the same."""


def causes_of(event: Event) -> tuple[str, ...]:
    """The event's causes, the most certain first: two events with a common cause may share a message.

    A sync's causes are its commit (repository, branch and sha) and, if it failed, AWS's last line about it, for any
    target. The causes of `unreadable` and `readable` are the error code at that account, region and API, and the error
    at any place. Only events of the same type have a cause in common. Any other event has a cause of its own.
    """
    try:
        causes = [*_causes(event.type, json.loads(event.body)["data"])]
    except (AttributeError, KeyError, TypeError):  # of a form that this version does not know
        causes = []
    return tuple(json.dumps([event.type, *cause]) for cause in causes or [[event.subject, event.id]])


def _causes(type_: str, data: Mapping[str, Any]) -> Iterator[list[str]]:
    if type_.startswith("watcher.sync.") and "attempt" in data:
        revision = data["attempt"]["targetRevision"] or {}
        # The same commit in a fork, or in another owner's repository of the same name, is another one's doing.
        parts = ("repositoryProvider", "providerType", "ownerId", "repositoryName", "branch", "sha")
        if revision.get("sha"):
            yield [data["status"], *(revision.get(part, "") for part in parts)]
    elif "error" in data:
        where = data.get("endpoint") or data["target"]
        yield [where["account"], where["region"], where.get("api") or where["kind"], data["error"]["code"]]
    if text := cause_text(type_, data):
        yield ["error", without_names_and_ids(text, data)]


def cause_text(type_: str, data: Mapping[str, Any]) -> str:
    """The cause in one line: the error of an `unreadable` event, AWS's last line about a failed sync; else empty."""
    if error := data.get("error"):
        return one_line(": ".join(filter(None, (error["code"], error.get("message")))), LINE)
    said = ordered_sync_events(data) if type_.endswith(".failed") else ()
    return one_line(said[-1]["event"] or "", LINE) if said else ""


def without_names_and_ids(text: str, data: Mapping[str, Any]) -> str:
    """`text` without the parts in which equal errors differ: the target's own name, ids and hashes."""
    name = (data.get("target") or {}).get("name") or ""
    own = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])") if name else _VARYING
    return _VARYING.sub("#", own.sub("#", text))


def ordered_sync_events(data: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """AWS's own lines of an attempt, oldest first; in the order received if one has no time."""
    said: Sequence[Mapping[str, Any]] = (data.get("attempt") or {}).get("events") or []
    return sorted(said, key=lambda one: str(one["time"])) if all(one["time"] for one in said) else said
