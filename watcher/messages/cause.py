"""What made an event, and which events may share one message of a text sink (`group_wait`). Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from watcher.messages.clean import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from watcher.events import Event

LINE = 300
"""Characters that are shown of what AWS said."""

_VARYING = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{7,64}\b", re.IGNORECASE)
"""Request ids, hashes and account numbers: they differ between errors that are the same."""


def causes_of(event: Event) -> tuple[str, ...]:
    """The event's causes: two events that have one in common may share a message. The surest comes first.

    Of a sync: the repository, branch and commit; and of a failed one what AWS said last, whatever the target. Of what
    cannot be read, or can again: account, region, API and error code; and the error, wherever it is. Each holds for one
    type of event. Anything else is its own cause.
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
        yield ["error", essence(text, data)]


def cause_text(type_: str, data: Mapping[str, Any]) -> str:
    """Why, in one line: the error of what cannot be read, what AWS said last of a failed sync; or nothing."""
    if error := data.get("error"):
        return one_line(": ".join(filter(None, (error["code"], error.get("message")))), LINE)
    said = said_in_order(data) if type_.endswith(".failed") else ()
    return one_line(said[-1]["event"] or "", LINE) if said else ""


def essence(text: str, data: Mapping[str, Any]) -> str:
    """`text` without what differs between errors that are the same: the target's own name, ids and hashes."""
    name = (data.get("target") or {}).get("name") or ""
    own = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])") if name else _VARYING
    return _VARYING.sub("#", own.sub("#", text))


def said_in_order(data: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """AWS's own lines of an attempt, oldest first; as they came, where one has no time."""
    said: Sequence[Mapping[str, Any]] = (data.get("attempt") or {}).get("events") or []
    return sorted(said, key=lambda one: str(one["time"])) if all(one["time"] for one in said) else said
