"""The causes of an event, by which events share one message of a text sink (`group_wait`). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from watcher.core.events import Event
from watcher.messages.cause import cause_text, without_names_and_ids


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
        # The same commit in a fork, or in another owner's repository of the same name, is another cause.
        parts = ("repositoryProvider", "providerType", "ownerId", "repositoryName", "branch", "sha")
        if revision.get("sha"):
            yield [data["status"], *(revision.get(part, "") for part in parts)]
    elif "error" in data:
        where = data.get("endpoint") or data["target"]
        yield [where["account"], where["region"], where.get("api") or where["kind"], data["error"]["code"]]
    if text := cause_text(type_, data):
        yield ["error", without_names_and_ids(text, data)]
