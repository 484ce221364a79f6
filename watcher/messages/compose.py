"""What to say of an event, or of what one cause did to many targets. Pure.

An event of a type that this version does not know, or with parts missing, is told by what is there: no event may be
lost because nobody found words for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from watcher.messages.cause import cause_text, ordered_sync_events, without_names_and_ids
from watcher.messages.facts import facts, sync_events
from watcher.messages.lead import lead, reservations
from watcher.messages.message import Fact, Message, Tone
from watcher.messages.phrases import counted, last_word, moment, titled, what, where
from watcher.messages.sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    T = TypeVar("T")

TARGETS, LINE = 20, 140
"""Targets that a message lists by name, and characters for each: Slack takes 3000 in one piece."""

FIRST = 3
"""Targets that a notification names."""

_TONES = {
    "failed": Tone.FAILURE,
    "stalled": Tone.WARNING,
    "blocked": Tone.WARNING,
    "unreadable": Tone.WARNING,
    "succeeded": Tone.SUCCESS,
    "unblocked": Tone.SUCCESS,
    "readable": Tone.SUCCESS,
}


def tell(events: Sequence[Mapping[str, Any]], now: datetime) -> Message:
    """The message of one event, or the one of a group; `events` are CloudEvents, at least one.

    Its sentences refer to the time of the event; those of a reminder, to `now`.
    """
    try:
        return _single(events[0], now) if len(events) == 1 else _group(events, now)
    except (AttributeError, KeyError, TypeError, ValueError):
        return _bare(events)


def title(event: Mapping[str, Any]) -> str:
    """`FAILED: SERVICE template web:2 (prod, eu-west-1)`."""
    try:
        return f"{_headword(event)}: {titled(event)}"
    except (AttributeError, KeyError, TypeError, ValueError):
        return _bare([event]).title


def _single(event: Mapping[str, Any], now: datetime) -> Message:
    heading, lines = sync_events(event)
    sentences, cause = _sentences(*lead(event, now), *reservations(event, now)), _cause(event)
    return Message(
        tone=_tone(event),
        title=title(event),
        lead=sentences,
        cause=cause,
        brief=cause or sentences,
        facts=facts(event),
        heading=heading,
        lines=lines,
        note=f"Seen {moment(event['time'])}, event {one_line(event['id'], 64)}",
    )


def _group(events: Sequence[Mapping[str, Any]], now: datetime) -> Message:
    first, count = events[0], len(events)
    words = list(dict.fromkeys(_headword(event) for event in events))
    places = dict.fromkeys(where(event) for event in events)
    place = f" ({where(first)})" if len(places) == 1 and where(first) else ""
    common, cause = _common(facts, events), _common_cause(events)
    why, same = _why(common, cause, events), bool(cause) and all(_cause(event) == cause for event in events)
    names = [(what if place else titled)(event) for event in events[: FIRST + 1]]
    lines = [_line(event, headword=len(words) > 1, place=not place, said=not same) for event in events[:TARGETS]]
    more = [f"and {count - TARGETS} more"] if count > TARGETS else []
    return Message(
        tone=min((_tone(event) for event in events), key=list(Tone).index),
        title=f"{', '.join(words[:3])}: {count} targets{place}",
        lead=_sentences(why, *_common(lambda event: reservations(event, now), events)),
        cause=cause,
        brief=_sentences(cause or why, _listed(names, count)),
        facts=common,
        heading="Targets",
        lines=(*lines, *more),
        note=f"Seen {moment(first['time'])}, {counted(count, 'event')}, the first {one_line(first['id'], 64)}",
    )


def _cause(event: Mapping[str, Any]) -> str:
    """The cause in one line, if something is wrong; a reminder shows the error as it was first reported."""
    if _tone(event) not in (Tone.FAILURE, Tone.WARNING):
        return ""
    text = cause_text(event["type"], event["data"])
    return f"At first: {text}" if text and event.get("reminder") and "error" in event["data"] else text


def _common(tell_of: Callable[[Mapping[str, Any]], Sequence[T]], events: Sequence[Mapping[str, Any]]) -> tuple[T, ...]:
    """What is told of each of the events."""
    others = [tell_of(event) for event in events[1:]]
    return tuple(told for told in tell_of(events[0]) if all(told in other for other in others))


def _sentences(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _listed(names: Sequence[str], count: int) -> str:
    """`a, b and c`, or `a, b, c and 4 more`: of `count`, at least two, the first."""
    shown, rest = (names[:FIRST], f"{count - FIRST} more") if count > FIRST else (names[:-1], names[-1])
    return f"{', '.join(shown)} and {rest}"


def _bare(events: Sequence[Mapping[str, Any]]) -> Message:
    """What can be said of events that are not of the form that is known."""
    first = events[0]
    name, subject = one_line(first.get("type", "event"), 80), one_line(first.get("subject", "unknown"), 200)
    others = f" and {len(events) - 1} more" if len(events) > 1 else ""
    unknown = "This event has a form that this version does not know."
    return Message(_tone(first), f"{name}: {subject}{others}", unknown, brief=unknown)


def _common_cause(events: Sequence[Mapping[str, Any]]) -> str:
    """The cause that all events have in common, apart from the names in it; else empty."""
    causes = {_cause(event): without_names_and_ids(_cause(event), event["data"]) for event in events}
    first = next(iter(causes))
    return first if len(causes) == 1 else f"{first}, or similar." if len({*causes.values()}) == 1 else ""


def _line(event: Mapping[str, Any], *, headword: bool, place: bool, said: bool) -> str:
    """The line of one target in a group; `said`: with AWS's last line, unless the message shows it for all."""
    line = titled(event) if place else what(event)
    if headword:
        line = f"{_headword(event)}: {line}"
    last = ordered_sync_events(event["data"])[-1:] if said and last_word(event) in ("failed", "stalled") else ()
    text = _cause(event) or "".join(one_line(one["event"] or "", LINE) for one in last)
    return one_line(f"{line}: {text}" if said and text else line, LINE)


def _why(common: Sequence[Fact], cause: str, events: Sequence[Mapping[str, Any]]) -> str:
    """What the targets of a group share besides the cause."""
    shared = {fact.name: fact.text for fact in common}
    if "Commit" in shared:
        return f"All of them from commit {shared['Commit']} of {shared.get('Repository', 'one repository')}."
    codes = {event["data"].get("error", {}).get("code", "") for event in events}
    code = codes.pop() if len(codes) == 1 and not cause else ""
    return f"{one_line(code, 80)} for all of them." if code else ""


def _headword(event: Mapping[str, Any]) -> str:
    """The one word that says it."""
    word, data = last_word(event), event["data"]
    said = {
        "test": "TEST",
        "readable": "READABLE AGAIN",
        "unknown": f"{one_line(data.get('status', ''), 40) or 'UNKNOWN'} (unknown status)",
        "succeeded": "RECOVERED" if data.get("recovered") else "SUCCEEDED",
    }.get(word, one_line(word, 40).upper())
    count = event.get("reminder")
    return f"{said} (reminder {one_line(count, 9)})" if count else said


def _tone(event: Mapping[str, Any]) -> Tone:
    return _TONES.get(last_word(event), Tone.INFO)
