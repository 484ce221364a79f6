"""Phrases of messages: the names of targets, endpoints and places; times and durations; AWS's own words. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from watcher.core.model import for_people, parse_rfc3339
from watcher.messages.sanitize import one_line

MAX_NAME = 60
"""Characters of a name that are shown."""

MAX_CAUSE = 300
"""Characters of a text from AWS that are shown."""

_VARYING = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{7,64}\b", re.IGNORECASE)
"""Request ids, hashes and account numbers: they differ between errors that are the same."""

APIS = {"proton": "Proton", "codeconnections": "CodeConnections"}


def last_word(event: Mapping[str, Any]) -> str:
    """Return the last word of an event's type, such as `failed` or `readable`."""
    return str(event.get("type")).rpartition(".")[2]


def what(event: Mapping[str, Any]) -> str:
    """Return an event's subject: `SERVICE template web:2`, `repository org/infra @ main`, `CodeConnections`."""
    data = event["data"]
    if endpoint := data.get("endpoint"):
        return APIS.get(endpoint["api"], one_line(endpoint["api"], MAX_NAME))
    target = data.get("target")
    if target is None:
        if sink := data.get("sink"):
            return f"sink {one_line(sink, MAX_NAME)}"
        return one_line(event["subject"], MAX_NAME)
    kind = one_line(target["kind"], MAX_NAME).replace("-", " ")
    if kind == "repository":
        return _repository(target)
    name = one_line(target.get("name") or target["id"], MAX_NAME)
    service = f"{one_line(target['service'], MAX_NAME)}/" if "service" in target else ""
    type_ = f"{one_line(target['type'], MAX_NAME)} " if "type" in target else ""
    version = f":{one_line(target['version'], 20)}" if "version" in target else ""
    return f"{type_}{kind} {service}{name}{version}"


def _repository(target: Mapping[str, Any]) -> str:
    """Return `repository org/infra @ main`; with the link's ID if the name is not known."""
    name = one_line(target.get("name") or target.get("repository") or target["link"], MAX_NAME)
    sync_type = f" ({one_line(target['sync_type'], 20)})" if "sync_type" in target else ""
    return f"repository {name} @ {one_line(target['branch'], MAX_NAME)}{sync_type}"


def where(event: Mapping[str, Any]) -> str:
    """Return `prod, eu-west-1`; without the account if the configuration names none."""
    data = event["data"]
    place = data.get("endpoint") or data.get("target") or {}
    parts = [one_line(place[part], 40) for part in ("account", "region") if place.get(part)]
    return ", ".join(part for part in parts if part != "default")


def titled(event: Mapping[str, Any]) -> str:
    """Return `what (where)`."""
    place = where(event)
    return f"{what(event)} ({place})" if place else what(event)


def moment(text: str) -> str:
    """Return an event's time as people read it, or the text itself if it is not a time."""
    try:
        return for_people(parse_rfc3339(text))
    except ValueError:
        return one_line(text, 40)


def between(earlier: str, later: str) -> float | None:
    """Return the seconds from one time to another; None if one is not a time, or the clock was set back."""
    try:
        seconds = (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
    except (TypeError, ValueError):
        return None
    return seconds if seconds >= 0 else None


def length(seconds: float) -> str:
    """Return a duration in its two largest units: `41 s`, `9 min 10 s`, `2 h 5 min`, `3 d 4 h`."""
    rest = round(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "less than a second"


def ordinal(number: int) -> str:
    """Return `1st`, `2nd`, `3rd`, `11th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def counted(number: int, name: str) -> str:
    """Return `1 target`, `2 targets`, `2 repositories`."""
    plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
    return f"{number} {name if number == 1 else plural}"


def cause_text(type_: str, data: Mapping[str, Any]) -> str:
    """Return why a target is unreadable or blocked, or AWS's last line about a failed sync; else an empty text."""
    if error := data.get("error"):
        return one_line(": ".join(filter(None, (error["code"], error.get("message")))), MAX_CAUSE)
    if type_.endswith(".blocked"):
        return one_line(data["blocker"]["created_reason"] or "", MAX_CAUSE)
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
