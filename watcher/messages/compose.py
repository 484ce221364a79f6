"""Composes the message for an event, or for the effects of one cause on many targets. Pure.

An event of an unknown type, or with parts missing, gets a message from what is there: no event may be lost because
there are no words for it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from watcher.core.event_types import DIGEST_EVENT
from watcher.messages import details
from watcher.messages.blockers import how_to_resolve, resolve_command
from watcher.messages.digest import digest_message, digest_title
from watcher.messages.message import Fact, Message, Tone
from watcher.messages.phrases import (
    cause_text,
    last_word,
    moment,
    ordered_sync_events,
    titled,
    what,
    where,
    without_names_and_ids,
)
from watcher.messages.sanitize import one_line

T = TypeVar("T")

MAX_TARGETS, MAX_LINE = 20, 140
"""Targets that a message lists, and characters of the line of each: Slack takes 3000 in one section."""

MAX_NAMES = 3
"""Targets that a notification names."""

_TONES = {
    "failed": Tone.FAILURE,
    "stalled": Tone.WARNING,
    "blocked": Tone.WARNING,
    "unreadable": Tone.WARNING,
    "unavailable": Tone.WARNING,
    "succeeded": Tone.SUCCESS,
    "unblocked": Tone.SUCCESS,
    "readable": Tone.SUCCESS,
    "available": Tone.SUCCESS,
}


def message_for(events: Sequence[Mapping[str, Any]], now: datetime) -> Message:
    """Return the message for one event or for a group; `events` are CloudEvents, at least one.

    Its sentences refer to the time of the event; those of a reminder, to `now`.
    """
    try:
        return _single(events[0], now) if len(events) == 1 else _group(events, now)
    except (AttributeError, KeyError, TypeError, ValueError):
        return _bare(events)


def title(event: Mapping[str, Any]) -> str:
    """Return `FAILED: SERVICE template web:2 (prod, eu-west-1)`."""
    try:
        return digest_title(event) if event["type"] == DIGEST_EVENT else f"{_headword(event)}: {titled(event)}"
    except (AttributeError, KeyError, TypeError, ValueError):
        return _bare([event]).title


def _single(event: Mapping[str, Any], now: datetime) -> Message:
    if event["type"] == DIGEST_EVENT:
        return digest_message(event)
    heading, lines = how_to_resolve(event) if "blocker" in event["data"] else details.sync_events(event)
    said = (*details.lead(event, now), details.duration_of_incident(event), *details.reservations(event, now))
    sentences, cause = _sentences(*said), _cause(event)
    return Message(
        tone=_tone(event),
        title=title(event),
        lead=sentences,
        cause=cause,
        brief=cause or sentences,
        facts=(*details.facts(event), *details.incident_facts(event)),
        links=tuple(details.further_links(event)),
        heading=heading,
        lines=lines,
        note=f"Observed {moment(event['time'])}, event ID {one_line(event['id'], 64)}",
    )


def _group(events: Sequence[Mapping[str, Any]], now: datetime) -> Message:
    first, count = events[0], len(events)
    words = list(dict.fromkeys(_headword(event) for event in events))
    places = dict.fromkeys(where(event) for event in events)
    place = f" ({where(first)})" if len(places) == 1 and where(first) else ""
    common, cause = _common(details.facts, events), _common_cause(events)
    shared, same = _shared(common, cause, events), bool(cause) and all(_cause(event) == cause for event in events)
    names = [(what if place else titled)(event) for event in events[: MAX_NAMES + 1]]
    lines = [
        line
        for event in events[:MAX_TARGETS]
        for line in (_line(event, headword=len(words) > 1, place=not place, cause=not same), resolve_command(event))
        if line
    ]
    more = [f"and {count - MAX_TARGETS} more"] if count > MAX_TARGETS else []
    return Message(
        tone=min((_tone(event) for event in events), key=list(Tone).index),
        title=f"{', '.join(words[:3])}: {count} targets{place}",
        lead=_sentences(shared, *_common(lambda event: details.reservations(event, now), events)),
        cause=cause,
        brief=_sentences(cause or shared, _listed(names, count)),
        facts=common,
        heading="Targets",
        lines=(*lines, *more),
        note=f"Observed {moment(first['time'])}, {count} events, ID of the first {one_line(first['id'], 64)}",
    )


def _cause(event: Mapping[str, Any]) -> str:
    """Return the cause in one line, if something is wrong; a reminder has the error as it was first reported."""
    if _tone(event) not in (Tone.FAILURE, Tone.WARNING):
        return ""
    text = cause_text(event["type"], event["data"])
    return f"First error: {text}" if text and event.get("reminder") and "error" in event["data"] else text


def _common(items: Callable[[Mapping[str, Any]], Sequence[T]], events: Sequence[Mapping[str, Any]]) -> tuple[T, ...]:
    """Return the items that all the events have."""
    others = [items(event) for event in events[1:]]
    return tuple(item for item in items(events[0]) if all(item in other for other in others))


def _sentences(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _listed(names: Sequence[str], count: int) -> str:
    """Return `a, b and c`, or `a, b, c and 4 more` if there are more than these; `count` is at least two."""
    shown, rest = (names[:MAX_NAMES], f"{count - MAX_NAMES} more") if count > MAX_NAMES else (names[:-1], names[-1])
    return f"{', '.join(shown)} and {rest}"


def _bare(events: Sequence[Mapping[str, Any]]) -> Message:
    """Return a message for events of an unknown form."""
    first = events[0]
    name, subject = one_line(first.get("type", "event"), 80), one_line(first.get("subject", "unknown"), 200)
    others = f" and {len(events) - 1} more" if len(events) > 1 else ""
    unknown = "This version of watcher does not know this form of event."
    return Message(_tone(first), f"{name}: {subject}{others}", unknown, brief=unknown)


def _common_cause(events: Sequence[Mapping[str, Any]]) -> str:
    """Return the cause that all events have in common, apart from the names in it; else an empty text."""
    causes = {_cause(event): without_names_and_ids(_cause(event), event["data"]) for event in events}
    first = next(iter(causes))
    return first if len(causes) == 1 else f"{first}, or similar." if len({*causes.values()}) == 1 else ""


def _line(event: Mapping[str, Any], *, headword: bool, place: bool, cause: bool) -> str:
    """Return the line of one target in a group; `cause`: with AWS's last line, unless the message has it for all."""
    line = titled(event) if place else what(event)
    if headword:
        line = f"{_headword(event)}: {line}"
    last = ordered_sync_events(event["data"])[-1:] if cause and last_word(event) in ("failed", "stalled") else ()
    text = _cause(event) or "".join(one_line(each["event"] or "", MAX_LINE) for each in last)
    return one_line(f"{line}: {text}" if cause and text else line, MAX_LINE)


def _shared(common: Sequence[Fact], cause: str, events: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence on what the targets of a group share besides the cause."""
    shared = {fact.name: fact.text for fact in common}
    if "Commit" in shared:
        return f"All targets are at commit {shared['Commit']} of {shared.get('Repository', 'one repository')}."
    codes = {event["data"].get("error", {}).get("code", "") for event in events}
    code = codes.pop() if len(codes) == 1 and not cause else ""
    return f"All targets have the error {one_line(code, 80)}." if code else ""


def _headword(event: Mapping[str, Any]) -> str:
    """Return the first word of a title, and which reminder it is."""
    word, data = last_word(event), event["data"]
    headword = {
        "test": "TEST",
        "readable": "READABLE AGAIN",
        "available": "AVAILABLE AGAIN",
        "unknown": f"{one_line(data.get('status', ''), 40) or 'UNKNOWN'} (unknown status)",
        "succeeded": "RECOVERED" if data.get("recovered") else "SUCCEEDED",
    }.get(word, one_line(word, 40).upper())
    count = event.get("reminder")
    return f"{headword} (reminder {one_line(count, 9)})" if count else headword


def _tone(event: Mapping[str, Any]) -> Tone:
    return _TONES.get(last_word(event), Tone.INFO)
