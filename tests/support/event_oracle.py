"""Judges whether anything was lost: what arrived, beside what the world showed. Pure.

It knows nothing of how the watcher works, only what is promised: everything that must have arrived did, in `sequence`
order from 1 without gaps; a repeat is the same event; nothing is claimed that was not shown.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonschema import Draft202012Validator

from watcher.core.event_schema import event_schema
from watcher.core.history import AttemptRow, IncidentRow
from watcher.core.model import rfc3339
from watcher.sources import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from watcher.core.history import HistoryReader, HistoryRow

    Event = Mapping[str, Any]

_SCHEMA = Draft202012Validator(event_schema(KINDS))

REMOVED = "watcher.target.removed"


class NotConservedError(AssertionError):
    """Something was lost, torn, reordered, changed or made up."""


class Fact(NamedTuple):
    """A target's attempt had a status. `subject` is the target's id, `started_at` as RFC 3339."""

    subject: str
    started_at: str
    status: str


def whole_lines(output: bytes) -> list[Event]:
    """The events of one run's stdout. A last line that has no end was not delivered."""
    return [json.loads(line) for line in output.split(b"\n")[:-1]]


OTHER_SYNC_EVENTS = frozenset({"watcher.sync.stalled", "watcher.sync.blocked", "watcher.sync.unblocked"})
"""The types of events of a sync that report no new status of its attempt."""


def facts_of(events: Iterable[Event]) -> list[Fact]:
    """What events say that a sync did, in their order."""
    return [
        Fact(event["subject"], event["data"]["attempt"]["startedAt"], event["data"]["status"])
        for event in events
        if event["type"].startswith("watcher.sync.") and event["type"] not in OTHER_SYNC_EVENTS
    ]


def judge(
    arrived: Sequence[Event],
    *,
    must: Collection[Fact],
    shown: Collection[Fact],
    facts: Callable[[Iterable[Event]], Iterable[Fact]] = facts_of,
) -> dict[str, list[Event]]:
    """Hold what arrived, in that order, against what was shown; the first arrivals of each subject.

    Args:
        arrived: the whole lines of all runs together.
        must: what the watcher cannot have missed.
        shown: all that the world showed.
        facts: what the events of a subject say.

    Raises:
        NotConservedError: the promise was broken.
    """
    for event in arrived:
        _valid(event)
    first = _first_arrivals(arrived)
    for subject, events in first.items():
        counted = [event["data"]["sequence"] for event in events]
        if counted != list(range(1, len(counted) + 1)):
            raise NotConservedError(f"{subject}: sequences arrived as {counted}")
    told = [fact for events in first.values() for fact in facts(events)]
    if invented := set(told) - set(shown):
        raise NotConservedError(f"claimed, but never shown: {sorted(invented)}")
    if lost := set(must) - set(told):
        raise NotConservedError(f"shown, but never told: {sorted(lost)}")
    return first


def in_order_of_world(first: Mapping[str, Sequence[Event]], shown: Mapping[str, Sequence[Fact]]) -> None:
    """Hold first arrivals against a world in which no status of an attempt comes back: each once, in the world's order.

    Raises:
        NotConservedError: something was told twice, or before what came before it.
    """
    for subject, events in first.items():
        places = [shown[subject].index(fact) for fact in facts_of(events)]
        if any(later <= earlier for earlier, later in pairwise(places)):
            raise NotConservedError(f"{subject}: told in the order {places} of what was shown")


def same_as_kept(first: Mapping[str, Sequence[Event]], kept: Sequence[Event]) -> None:
    """Hold first arrivals against the history in the store.

    Raises:
        NotConservedError: they differ.
    """
    by_subject = defaultdict(list)
    for event in kept:
        by_subject[event["subject"]].append(event)
    if dict(first) != dict(by_subject):
        counts = {subject: (len(first.get(subject, ())), len(by_subject[subject])) for subject in {*first, *by_subject}}
        raise NotConservedError(f"the history holds other events than arrived: (arrived, kept) is {counts}")


def none_missing(arrived: Collection[str], kept: Sequence[Event], states: Mapping[str, str]) -> None:
    """Hold the ids of what arrived against the history, and say what became of what is missing.

    `states`: of the deliveries in the store, by the ids of their events. What still waits is not lost; what counts as
    sent, or has no delivery, is.

    Raises:
        NotConservedError: an event did not arrive.
    """
    if missing := {event["id"]: states.get(event["id"], "no delivery") for event in kept if event["id"] not in arrived}:
        raise NotConservedError(f"recorded, and did not arrive: the states of their deliveries are {missing}")


def same_as_rows(kept: Sequence[Event], rows: Sequence[HistoryRow]) -> None:
    """Hold the events in the store against its rows of attempts and of incidents that have ended.

    Raises:
        NotConservedError: an attempt has no row or one with another status, or an incident none or several.
    """
    last = {(fact.subject, fact.started_at): fact.status for fact in facts_of(kept)}
    attempts = [row for row in rows if isinstance(row, AttemptRow)]
    shown = {(row.subject, rfc3339(row.attempt.started_at)): row.attempt.status for row in attempts}
    if wrong := {key: (status, shown.get(key)) for key, status in last.items() if shown.get(key) != status}:
        raise NotConservedError(f"attempts have other rows than events: (last event, row) is {wrong}")
    resolved = [event["data"]["incident"]["id"] for event in kept if _state_of(event) == "resolved"]
    ended = [row.id for row in rows if isinstance(row, IncidentRow)]
    if sorted(resolved) != sorted(ended):
        raise NotConservedError(f"{len(resolved)} incidents were resolved, and {len(ended)} have rows")


async def all_rows(store: HistoryReader) -> list[HistoryRow]:
    """The whole history of a store."""
    return [row async for row in store.history()]


def _state_of(event: Event) -> str | None:
    incident = event["data"].get("incident")
    return incident["state"] if incident else None


class Arrival(NamedTuple):
    """One delivery as a receiver saw it: what it knows a repeat by, and the event."""

    id: str
    event: Event


def judge_lanes(arrived: Sequence[Arrival], *, revived: Collection[str]) -> None:
    """Hold what arrived at a sink that takes each subject's events one by one against what is promised of their order.

    Args:
        arrived: every delivery, in the order of their arrival.
        revived: those that somebody had tried anew, by id: they may come after what followed them.

    Raises:
        NotConservedError: a repeat is another event than its first arrival, or a subject's events were reordered.
    """
    first: dict[str, Event] = {}
    latest: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for id_, event in arrived:
        _valid(event)
        count = event.get("reminder", 0)
        if id_ != (f"{event['id']}-reminder-{count}" if count else event["id"]):
            raise NotConservedError(f"{id_}: is the delivery of {event}")
        if first.setdefault(id_, event) != event:
            raise NotConservedError(f"{id_}: a repeat that is no repeat: {event}, after {first[id_]}")
        place = (event["data"]["sequence"], count)
        if id_ in revived:
            continue
        if place < latest[event["subject"]]:
            raise NotConservedError(f"{id_}: (sequence, reminder) {place} arrived after {latest[event['subject']]}")
        latest[event["subject"]] = place


def all_accounted_for(
    arrived: Collection[Arrival], kept: Collection[Event], *, dead: Collection[str], dropped: Collection[str]
) -> None:
    """Hold what arrived at a sink against the history: each event did, or is said to be a dead letter or dropped.

    Raises:
        NotConservedError: one did not, and nothing says why; or something arrived that was never recorded.
    """
    recorded, seen = {event["id"] for event in kept}, {arrival.event["id"] for arrival in arrived}
    if lost := recorded - seen - {*dead} - {*dropped}:
        raise NotConservedError(f"recorded, and neither arrived nor given up: {sorted(lost)}")
    if invented := seen - recorded:
        raise NotConservedError(f"arrived, but never recorded: {sorted(invented)}")


def _valid(event: Event) -> None:
    if fault := _fault(json.dumps(event)):
        raise NotConservedError(f"not an event by the schema: {fault}: {event}")


@lru_cache(maxsize=10_000)
def _fault(event: str) -> str | None:
    """What the schema finds wrong in the JSON of an event: cached, since all events are judged at each step."""
    error = next(_SCHEMA.iter_errors(json.loads(event)), None)
    return error and f"{error.json_path}: {error.message}"


def _first_arrivals(arrived: Sequence[Event]) -> dict[str, list[Event]]:
    """Each event when it first arrived, by subject; a repeat must be the same in every byte that matters.

    One thing may be reported again under the same id by a later event: the state of a target that was removed and found
    again, since it is first observed again.
    """
    by_place: dict[tuple[str, int], Event] = {}
    by_life: dict[tuple[str, int], Event] = {}
    removals: Counter[str] = Counter()
    first = defaultdict(list)
    for event in arrived:
        subject = event["subject"]
        place, life = (subject, event["data"]["sequence"]), (event["id"], removals[subject])
        same = by_place.get(place) or by_life.get(life)
        if same is None:
            by_place[place] = by_life[life] = event
            removals[subject] += event["type"] == REMOVED
            first[subject].append(event)
        elif same != event:
            raise NotConservedError(f"a repeat that is no repeat: {event}, after {same}")
    return dict(first)
