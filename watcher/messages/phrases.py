"""How things are called in messages: targets, endpoints, places, moments, lengths of time. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from watcher.core.model import for_people, parse_rfc3339
from watcher.messages.sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = 60
"""Characters of a name that are shown."""

APIS = {"proton": "Proton", "codeconnections": "CodeConnections"}


def last_word(event: Mapping[str, Any]) -> str:
    """The last word of an event's type, such as `failed` or `readable`."""
    return str(event.get("type")).rpartition(".")[2]


def what(event: Mapping[str, Any]) -> str:
    """What an event is about: `SERVICE template web:2`, `stack network`, `CodeConnections`."""
    data = event["data"]
    if endpoint := data.get("endpoint"):
        return APIS.get(endpoint["api"], one_line(endpoint["api"], NAME))
    target = data.get("target")
    if target is None:
        if sink := data.get("sink"):
            return f"sink {one_line(sink, NAME)}"
        return one_line(event["subject"], NAME)
    kind, name = target["kind"], one_line(target.get("name") or target["id"], NAME)
    if kind == "template":
        return f"{one_line(target['type'], NAME)} template {name}:{one_line(target['version'], 20)}"
    if kind == "service-instance":
        return f"service instance {one_line(target['service'], NAME)}/{name}"
    return f"{one_line(kind, NAME)} {name}"


def where(event: Mapping[str, Any]) -> str:
    """`prod, eu-west-1`; without the account where the configuration names none."""
    data = event["data"]
    place = data.get("endpoint") or data.get("target") or {}
    parts = [one_line(place[part], 40) for part in ("account", "region") if place.get(part)]
    return ", ".join(part for part in parts if part != "default")


def titled(event: Mapping[str, Any]) -> str:
    """`what (where)`."""
    place = where(event)
    return f"{what(event)} ({place})" if place else what(event)


def moment(text: str) -> str:
    """An event's time as people read it (`model.for_people`); the text itself if it is not a time."""
    try:
        return for_people(parse_rfc3339(text))
    except ValueError:
        return one_line(text, 40)


def between(earlier: str, later: str) -> float | None:
    """Seconds from one time to another; None where they do not tell, or a clock was set back."""
    try:
        seconds = (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
    except (TypeError, ValueError):
        return None
    return seconds if seconds >= 0 else None


def length(seconds: float) -> str:
    """`41 s`, `9 min 10 s`, `2 h 5 min`, `3 d 4 h`: the two largest units."""
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
    """`1st`, `2nd`, `3rd`, `11th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def counted(number: int, name: str) -> str:
    """`1 target`, `2 targets`."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
