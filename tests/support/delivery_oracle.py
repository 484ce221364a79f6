"""Judges what became of every event at one sink: what was recorded, beside what arrived. Pure.

An event that a sink was to have is there, or is its dead letter; nothing else is. A target's events arrived in the
order in which they were recorded, whatever failed between; a repeat has the same id and the same bytes.
"""

from __future__ import annotations

from collections import defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from tests.support.event_oracle import NotConservedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


class Kept(NamedTuple):
    """An event in the store."""

    id: str
    type: str
    subject: str
    body: bytes


class Arrival(NamedTuple):
    """What a sink was given, and by which id it was to know it."""

    id: str
    body: bytes


class Wants(NamedTuple):
    """What a sink asks for: globs, and none lets everything through."""

    events: Sequence[str] = ()
    targets: Sequence[str] = ()

    def __call__(self, event: Kept) -> bool:
        """Whether the sink is to have an event."""
        return _matches(event.type, self.events) and _matches(event.subject, self.targets)


def judge_sink(
    kept: Iterable[Kept],
    arrived: Sequence[Arrival],
    wants: Wants,
    *,
    dead: Collection[str] = (),
    waiting: Collection[str] = (),
) -> Mapping[str, Sequence[Kept]]:
    """Hold what arrived at a sink, in that order, against what was recorded; the first arrivals of each subject.

    Args:
        kept: the history, in the order in which it was recorded.
        arrived: all that the sink was given, by all runs together.
        wants: what it asks for.
        dead: the ids of its dead letters.
        waiting: the ids of what still waits for it: nothing, once all has been delivered.

    Raises:
        NotConservedError: the promise was broken.
    """
    wanted = {event.id: (place, event) for place, event in enumerate(kept) if wants(event)}
    first = list(dict.fromkeys(arrival.id for arrival in arrived))
    if unasked := [each for each in first if each not in wanted]:
        raise NotConservedError(f"sent, though it was not recorded for this sink: {unasked}")
    for arrival in arrived:
        if arrival.body != wanted[arrival.id][1].body:
            raise NotConservedError(f"changed on its way: {arrival}, recorded as {wanted[arrival.id][1]}")
    if lost := wanted.keys() - {*first, *dead, *waiting}:
        raise NotConservedError(f"lost: {[wanted[each] for each in sorted(lost)]}")
    by_subject: dict[str, list[Kept]] = defaultdict(list)
    last: dict[str, int] = {}
    for place, event in (wanted[each] for each in first):
        if place < last.get(event.subject, -1):
            raise NotConservedError(f"overtaken: {event} arrived after a later event of its target")
        last[event.subject] = place
        by_subject[event.subject].append(event)
    return by_subject


def went_on_after_dead(kept: Iterable[Kept], first: Mapping[str, Sequence[Kept]], dead: Collection[str]) -> bool:
    """Whether a later event of a dead letter's target arrived."""
    passed: set[str] = set()
    for event in kept:
        if event.id in dead:
            passed.add(event.subject)
        elif event.subject in passed and event in first.get(event.subject, ()):
            return True
    return False


def _matches(text: str, globs: Sequence[str]) -> bool:
    return not globs or any(fnmatchcase(text, glob) for glob in globs)
