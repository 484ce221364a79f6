"""The cause of an event in one line, and the texts that it is made from. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from watcher.messages.sanitize import one_line

MAX_CAUSE = 300
"""Characters of a text from AWS that are shown."""

_VARYING = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{7,64}\b", re.IGNORECASE)
"""Request ids, hashes and account numbers: they differ between errors that are the same."""


def cause_text(type_: str, data: Mapping[str, Any]) -> str:
    """Return the error of an `unreadable` event, or AWS's last line about a failed sync; else an empty text."""
    if error := data.get("error"):
        return one_line(": ".join(filter(None, (error["code"], error.get("message")))), MAX_CAUSE)
    lines = ordered_sync_events(data) if type_.endswith(".failed") else ()
    return one_line(lines[-1]["event"] or "", MAX_CAUSE) if lines else ""


def without_names_and_ids(text: str, data: Mapping[str, Any]) -> str:
    """Return `text` without the parts in which equal errors differ: the target's own name, ids and hashes."""
    name = (data.get("target") or {}).get("name") or ""
    own = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])") if name else _VARYING
    return _VARYING.sub("#", own.sub("#", text))


def ordered_sync_events(data: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return AWS's events of the attempt, oldest first; in the order received if one has no time."""
    events: Sequence[Mapping[str, Any]] = (data.get("attempt") or {}).get("events") or []
    return sorted(events, key=lambda each: str(each["time"])) if all(each["time"] for each in events) else events
