"""What made an event: events with the same cause may share one message of a text sink (`group_wait`). Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watcher.events import Event


def cause_of(event: Event) -> str:
    """The same for what one cause did to many targets, and for nothing else.

    Of a sync: the event's type with the repository, branch and commit, whatever the target. Of what cannot be read, or
    can again: the type with account, region, API and error code. Anything else is its own cause.
    """
    try:
        cause = _cause(event, json.loads(event.body)["data"])
    except (AttributeError, KeyError, TypeError):  # of a form that this version does not know
        cause = [event.subject, event.id]
    return json.dumps([event.type, *cause])


def _cause(event: Event, data: dict[str, Any]) -> list[str]:
    if event.type.startswith("watcher.sync.") and "attempt" in data:
        revision = data["attempt"]["targetRevision"] or {}
        # The same commit in a fork, or in another owner's repository of the same name, is another one's doing.
        parts = ("repositoryProvider", "providerType", "ownerId", "repositoryName", "branch", "sha")
        if revision.get("sha"):
            return [data["status"], *(revision.get(part, "") for part in parts)]
    elif "error" in data:
        where = data.get("endpoint") or data["target"]
        return [where["account"], where["region"], where.get("api") or where["kind"], data["error"]["code"]]
    return [event.subject, event.id]
