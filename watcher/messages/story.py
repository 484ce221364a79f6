"""What to say of an event, or of what one cause did to many targets. Pure.

An event of a type that this version does not know, or with parts missing, is told by what is there: no event may be
lost because nobody found words for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from watcher.messages.cause import cause_text, essence, said_in_order
from watcher.messages.clean import one_line
from watcher.messages.facts import facts, sync_events
from watcher.messages.message import Fact, Message, Tone
from watcher.messages.words import between, counted, length, moment, ordinal, titled, what, where
from watcher.model import rfc3339

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

    What it says of an event is as of that event; of a reminder, as of `now`.
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
    lead, cause = _sentences(*_lead(event, now), *_reservations(event, now)), _cause(event)
    return Message(
        tone=_tone(event),
        title=title(event),
        lead=lead,
        cause=cause,
        brief=cause or lead,
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
    why, same = _why(common, cause, events), all(_cause(event) == cause for event in events)
    names = [(what if place else titled)(event) for event in events[: FIRST + 1]]
    lines = [_line(event, headword=len(words) > 1, place=not place, said=not same) for event in events[:TARGETS]]
    more = [f"and {count - TARGETS} more"] if count > TARGETS else []
    return Message(
        tone=min((_tone(event) for event in events), key=list(Tone).index),
        title=f"{', '.join(words[:3])}: {count} targets{place}",
        lead=_sentences(why, *_common(lambda event: _reservations(event, now), events)),
        cause=cause,
        brief=_sentences(cause or why, _listed(names, count)),
        facts=common,
        heading="Targets",
        lines=(*lines, *more),
        note=f"Seen {moment(first['time'])}, {counted(count, 'event')}, the first {one_line(first['id'], 64)}",
    )


def _cause(event: Mapping[str, Any]) -> str:
    """Why, where something is wrong; a reminder has it as it was first reported."""
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
    lead = "This event has a form that this version does not know."
    return Message(_tone(first), f"{name}: {subject}{others}", lead, lead)


def _common_cause(events: Sequence[Mapping[str, Any]]) -> str:
    """The one cause of all of them, be it that it names each in turn; or nothing."""
    causes = {_cause(event): essence(_cause(event), event["data"]) for event in events}
    first = next(iter(causes))
    return first if len(causes) == 1 else f"{first}, or alike." if len({*causes.values()}) == 1 else ""


def _line(event: Mapping[str, Any], *, headword: bool, place: bool, said: bool) -> str:
    """One target of a group, and what AWS `said` of it last; what the message says of all is not repeated."""
    line = titled(event) if place else what(event)
    if headword:
        line = f"{_headword(event)}: {line}"
    last = said_in_order(event["data"])[-1:] if said and _word(event) in ("failed", "stalled") else ()
    text = _cause(event) or "".join(one_line(one["event"] or "", LINE) for one in last)
    return one_line(f"{line}: {text}" if said and text else line, LINE)


def _why(common: Sequence[Fact], cause: str, events: Sequence[Mapping[str, Any]]) -> str:
    """What the targets of a group share beside the cause."""
    shared = {fact.name: fact.text for fact in common}
    if "Commit" in shared:
        return f"All of them from commit {shared['Commit']} of {shared.get('Repository', 'one repository')}."
    codes = {event["data"].get("error", {}).get("code", "") for event in events}
    code = codes.pop() if len(codes) == 1 and not cause else ""
    return f"{one_line(code, 80)} for all of them." if code else ""


def _word(event: Mapping[str, Any]) -> str:
    return str(event.get("type")).rpartition(".")[2]


def _headword(event: Mapping[str, Any]) -> str:
    """The one word that says it."""
    word, data = _word(event), event["data"]
    said = {
        "test": "TEST",
        "readable": "READABLE AGAIN",
        "unknown": f"{one_line(data.get('status', ''), 40) or 'UNKNOWN'} (unknown status)",
        "succeeded": "RECOVERED" if data.get("recovered") else "SUCCEEDED",
    }.get(word, one_line(word, 40).upper())
    count = event.get("reminder")
    return f"{said} (reminder {one_line(count, 9)})" if count else said


def _tone(event: Mapping[str, Any]) -> Tone:
    return _TONES.get(_word(event), Tone.INFO)


def _lead(event: Mapping[str, Any], now: datetime) -> list[str]:
    """What happened, in a sentence or two."""
    word, data = _word(event), event["data"]
    if word == "test":
        return [one_line(data.get("message", "This is a test; nothing has happened."))]
    if word in ("unreadable", "readable"):
        return _outage(event, now)
    if word in ("blocked", "unblocked"):
        return ["No sync begins until this is resolved." if word == "blocked" else "Syncs may begin again."]
    if "attempt" not in data:
        return []
    return _sync(event, now)


def _sync(event: Mapping[str, Any], now: datetime) -> list[str]:
    word, data = _word(event), event["data"]
    attempt = data["attempt"]
    began, status = attempt["startedAt"], one_line(data["status"], 40)
    times = [said["time"] for said in attempt["events"] if said["time"]]
    if word == "failed":
        # AWS's own last line is nearer to the end of the attempt than our look at it.
        ran = between(began, max(times, default=event["time"]))
        failures = data["consecutive_failures"]
        return [
            "The sync failed." if ran is None else f"The sync failed after {length(ran)}.",
            f"{ordinal(failures)} failure in a row." if failures > 1 else "",
        ]
    ran = between(began, _as_of(event, now))
    so_far = "" if ran is None else length(ran)
    if word == "stalled":
        return [f"Still {status} after {so_far}." if so_far else f"Still {status}, for too long."]
    if word == "succeeded":
        return ["The first success after a failed or stalled attempt." if data["recovered"] else "The sync succeeded."]
    if word == "unknown":
        return ["AWS reports a status that this watcher does not know."]
    previous = data["previous_status"]
    if previous and not data["new_attempt"]:
        return [f"It was {one_line(previous, 40)} before."]
    return ["A new sync attempt."] if data["new_attempt"] else []


def _reservations(event: Mapping[str, Any], now: datetime) -> list[str]:
    """How it was seen, where that is not the usual way."""
    data, reminder = event["data"], event.get("reminder")
    since = length(between(event["time"], rfc3339(now)) or 0) if reminder else ""
    return [
        f"Reminder {one_line(reminder, 9)}: it is still so, {since} after it was seen." if reminder else "",
        "Already so when the watcher first looked." if data.get("first_seen") else "",
        "A later attempt has begun since." if data.get("observed") is False else "",
        "AWS went back to an older attempt: probably it was deleted and created again."
        if data.get("recreated")
        else "",
    ]


def _outage(event: Mapping[str, Any], now: datetime) -> list[str]:
    data = event["data"]
    targets = data.get("endpoint", {}).get("targets")
    if _word(event) == "readable":
        lasted = length(data["lasted_seconds"])
        whose = f"The sync status of {counted(targets, 'target')}" if targets else "Its sync status"
        return [f"{whose} could not be read for {lasted}."]
    since = between(data["error"]["since"], _as_of(event, now))
    so_far = f", for {length(since)}" if since else ""
    if event.get("reminder"):  # how many polls, and of how many targets, was counted for the event
        return [f"{'Its targets cannot be watched' if targets else 'Its sync status cannot be read'}{so_far}."]
    whose = f"{counted(targets, 'target')} cannot be watched" if targets else "Its sync status cannot be read"
    return [f"{whose}: {counted(data['error']['attempts'], 'poll')} failed in a row{so_far}."]


def _as_of(event: Mapping[str, Any], now: datetime) -> str:
    """The moment of which an event is told: its own, or now for a reminder."""
    return rfc3339(now) if event.get("reminder") else str(event["time"])
