"""The message of a digest. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from watcher.core.digest import status_line
from watcher.core.events import target_to_json
from watcher.core.model import Target
from watcher.core.status import TROUBLES
from watcher.messages.details import further_links
from watcher.messages.message import Fact, Message, Tone
from watcher.messages.phrases import counted, length, moment, titled
from watcher.messages.sanitize import one_line
from watcher.sources.subjects import parse_subject

MAX_LINES = 10
"""Lines of each part: open incidents, failed syncs, recoveries, mutes. Slack takes 3000 characters in one section."""

MAX_LINE = 140
"""Characters of a line."""


def digest_title(event: Mapping[str, Any]) -> str:
    """Return `DIGEST: all is well, 13 targets`."""
    digest = event["data"]["digest"]
    state = "all is well" if digest["well"] else status_line(digest["watched"]["statuses"], TROUBLES)
    if digest["open"]:
        state = counted(digest["open"], "open incident")
    return f"DIGEST: {state}, {counted(digest['watched']['targets'], 'target')}"


def digest_message(event: Mapping[str, Any]) -> Message:
    """Return the message of a digest."""
    digest = event["data"]["digest"]
    lead = _lead(digest)
    lines = [line for part in (_open, _failures, _recoveries, _mutes) for line in part(digest)]
    return Message(
        tone=Tone.SUCCESS if digest["well"] else Tone.WARNING,
        title=digest_title(event),
        lead=lead,
        brief=lead,
        facts=tuple(_facts(event)),
        heading="Details" if lines else "",
        lines=tuple(one_line(line, MAX_LINE) for line in lines),
        note=f"Digest of {moment(digest['due'])}, event ID {one_line(event['id'], 64)}",
    )


def _lead(digest: Mapping[str, Any]) -> str:
    now = "All is well: no incident is open." if digest["well"] else "No incident is open, but not all is well."
    if digest["open"]:
        now = f"{counted(digest['open'], 'incident')} {'is' if digest['open'] == 1 else 'are'} open."
    syncs = f"{counted(digest['syncs'], 'sync')} ended ({digest['failed'] or 'none'} failed)"
    if not digest["syncs"]:
        syncs = "no sync ended"
    ended = f"{counted(digest['ended'], 'incident')} ended" if digest["ended"] else "no incident ended"
    return f"{now} Since {moment(digest['since'])}, {syncs} and {ended}."


def _facts(event: Mapping[str, Any]) -> Iterator[Fact]:
    watched = event["data"]["digest"]["watched"]
    kinds = ", ".join(counted(number, kind.replace("-", " ")) for kind, number in watched["kinds"].items())
    at = counted(watched["endpoints"], "endpoint")
    yield Fact("Watched", one_line(f"{kinds} at {at}" if kinds else "nothing", MAX_LINE))
    if statuses := watched["statuses"]:
        yield Fact("Status", status_line(statuses))
    yield from further_links(event)


def _open(digest: Mapping[str, Any]) -> Iterator[str]:
    for each in digest["incidents"][:MAX_LINES]:
        yield f"Open for {length(each['age_seconds'])}: {_name(each['subject'])}, {', '.join(each['problems'])}"
    yield from _more(digest["open"], "open incident")


def _failures(digest: Mapping[str, Any]) -> Iterator[str]:
    for each in digest["failures"][:MAX_LINES]:
        times = "" if each["count"] == 1 else f" {each['count']} times"
        yield f"Failed{times}: {_name(each['subject'])}"
    if len(digest["failures"]) > MAX_LINES:
        yield "Failed: further targets"


def _recoveries(digest: Mapping[str, Any]) -> Iterator[str]:
    for each in digest["recoveries"][:MAX_LINES]:
        word = "Removed" if each["removed"] else "Recovered"
        yield f"{word} after {length(each['duration_seconds'])}: {_name(each['subject'])}"
    yield from _more(digest["ended"], "ended incident")


def _mutes(digest: Mapping[str, Any]) -> Iterator[str]:
    for each in digest["mutes"][:MAX_LINES]:
        until = f" until {moment(each['until'])}" if each["until"] else ""
        reason = f", {each['reason']}" if each["reason"] else ""
        events = f" ({', '.join(each['events'])})" if each["events"] else ""
        yield f"Muted{until}: {', '.join(each['targets']) or '*'}{events}{reason}"
    yield from _more(digest["muted"], "mute")


def _more(count: int, name: str) -> Iterator[str]:
    if count > MAX_LINES:
        yield f"and {counted(count - MAX_LINES, f'more {name}')}"


def _name(subject: str) -> str:
    """Return the name and the place of a subject, as other messages have it."""
    about = parse_subject(subject, {})
    if about is None:
        return one_line(subject, MAX_LINE)
    if isinstance(about, Target):
        return titled({"subject": subject, "data": {"target": target_to_json(about)}})
    return titled({"subject": subject, "data": {"endpoint": asdict(about)}})
