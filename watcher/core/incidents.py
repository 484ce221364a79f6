"""Incidents: what is wrong with a subject, from its first problem until none holds any more. Pure.

A subject (a target, an endpoint, a connection) has at most one open incident. Its events move it:

| event                                         | begins        | ends                                      |
|-----------------------------------------------|---------------|-------------------------------------------|
| `sync.failed`                                 | `failed`      | `stalled`: the attempt is over            |
| `sync.stalled`                                | `stalled`     |                                           |
| `sync.succeeded`                              |               | `failed`, `stalled`                       |
| any other of a sync, if it is a new attempt's |               | `stalled`                                 |
| `sync.blocked`                                | `blocked`     |                                           |
| `sync.unblocked`                              |               | `blocked`, unless another blocker is active |
| `target.unreadable`, `endpoint.unreadable`    | `unreadable`  |                                           |
| `target.readable`, `endpoint.readable`        |               | `unreadable`                              |
| `connection.unavailable`                      | `unavailable` |                                           |
| `connection.available`                        |               | `unavailable`                             |
| `target.removed`, `endpoint.removed`          |               | all                                       |

An event that begins a problem opens an incident, or continues the one that is open. The event after which no problem
holds resolves it. Events of one commit count one after the other. An event outside an incident changes nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from watcher.core.by_hand import ByHand, acknowledged_to_json
from watcher.core.event_ids import incident_id
from watcher.core.model import parse_rfc3339, rfc3339, seconds_between
from watcher.core.state import Incident, Record

if TYPE_CHECKING:
    from watcher.core.events import Event


class Problem(StrEnum):
    """What is wrong with a subject."""

    FAILED = "failed"
    STALLED = "stalled"
    BLOCKED = "blocked"
    UNREADABLE = "unreadable"
    UNAVAILABLE = "unavailable"


BEGUN_BY = {
    "watcher.sync.failed": Problem.FAILED,
    "watcher.sync.stalled": Problem.STALLED,
    "watcher.sync.blocked": Problem.BLOCKED,
    "watcher.target.unreadable": Problem.UNREADABLE,
    "watcher.endpoint.unreadable": Problem.UNREADABLE,
    "watcher.connection.unavailable": Problem.UNAVAILABLE,
}
"""The problem that an event of a type begins."""

_UNBLOCKED = "watcher.sync.unblocked"

_ENDED_BY = {
    "watcher.sync.failed": {Problem.STALLED},
    "watcher.sync.succeeded": {Problem.FAILED, Problem.STALLED},
    _UNBLOCKED: {Problem.BLOCKED},
    "watcher.target.readable": {Problem.UNREADABLE},
    "watcher.endpoint.readable": {Problem.UNREADABLE},
    "watcher.connection.available": {Problem.UNAVAILABLE},
    "watcher.target.removed": {*Problem},
    "watcher.endpoint.removed": {*Problem},
}


def may_resolve(event_type: str) -> bool:
    """Return whether an event of this type can resolve an incident.

    Any event of a sync that begins no problem can: if it is a new attempt's, it ends `stalled`.
    """
    return event_type not in BEGUN_BY and (event_type in _ENDED_BY or event_type.startswith("watcher.sync."))


class State(StrEnum):
    """What an event means for the incident that it belongs to."""

    OPENED = "opened"
    ONGOING = "ongoing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class IncidentStep:
    """The incident that an event belongs to, as the event leaves it."""

    state: State
    incident: Incident
    """As it is after the event; if that resolved it, with the problems that ended with it."""
    ended: datetime | None = None
    """When it was resolved."""

    @property
    def open(self) -> Incident | None:
        """The incident if it is still open after the event."""
        return None if self.state is State.RESOLVED else self.incident


def steps(
    before: Incident | None, events: Sequence["Event"], *, labels: Mapping[str, str], blocked: bool
) -> Iterator[IncidentStep | None]:
    """Yield for each of the events of one commit what it means for the incident of its subject; None: it has none.

    Args:
        before: the open incident before the commit, if there is one.
        events: all of one subject, in their order.
        labels: those of the subject, which an incident keeps from its opening.
        blocked: whether a blocker is active after the commit. A commit reports first the blockers that ended, and then
            those that began; in between the subject counts as blocked if it is in the end.
    """
    unblocking = sum(event.type == _UNBLOCKED for event in events)
    incident = before
    for event in events:
        unblocking -= event.type == _UNBLOCKED
        step = _step(incident, event, labels, blocked=blocked or unblocking > 0)
        incident = step.open if step else None
        yield step


def _step(before: Incident | None, event: "Event", labels: Mapping[str, str], *, blocked: bool) -> IncidentStep | None:
    held = before.problems if before else ()
    begun, ended = BEGUN_BY.get(event.type), _ended(event, held, blocked=blocked)
    holding = tuple(each for each in held if each not in ended)
    if begun is not None and begun not in holding:
        holding = (*holding, begun)
    at = parse_rfc3339(event.time)
    if before is None:
        return IncidentStep(State.OPENED, Incident(incident_id(event.id), at, holding, labels)) if holding else None
    if holding:
        return IncidentStep(State.ONGOING, replace(before, problems=holding))
    return IncidentStep(State.RESOLVED, before, at)


def _ended(event: "Event", held: Sequence[str], *, blocked: bool) -> set[Problem]:
    if event.type == _UNBLOCKED and blocked:
        return set()
    if Problem.STALLED in held and event.type not in _ENDED_BY:
        return {Problem.STALLED} if json.loads(event.body)["data"].get("new_attempt") else set()
    return _ENDED_BY.get(event.type, set())


def open_to_json(record: Record | None, hand: ByHand) -> Mapping[str, Any] | None:
    """Return the open incident of a subject as rows have it, with who acknowledged it; None: it has none."""
    incident = record.incident if record else None
    if incident is None:
        return None
    return {
        "id": incident.id,
        "opened_at": rfc3339(incident.opened_at),
        "problems": [*incident.problems],
        "sinks": None if incident.notified is None else [*incident.notified],
        "acknowledged": acknowledged_to_json(hand.acknowledgement(incident)),
    }


def incident_of(event: "Event") -> Mapping[str, Any]:
    """Return `data.incident` of a recorded event; empty if it belongs to none, or an earlier version recorded it."""
    return json.loads(event.body)["data"].get("incident") or {}


def key_of(incident: Incident) -> tuple[str, str]:
    """Return what tells an incident from all others: its id, and when it was opened.

    Two have the same id if a target left the configuration while it failed, and came back as it was.
    """
    return incident.id, rfc3339(incident.opened_at)


def key_in(event: "Event") -> tuple[str, str] | None:
    """Return the key of the incident of a recorded event; None: see `incident_of`."""
    about = incident_of(event)
    return (about["id"], about["opened_at"]) if about else None


def incident_to_json(step: IncidentStep | None) -> Mapping[str, Any] | None:
    """Return `data.incident` of an event."""
    if step is None:
        return None
    incident, ended = step.incident, step.ended
    lasted = None if ended is None else seconds_between(incident.opened_at, ended)
    return {
        "id": incident.id,
        "state": step.state.value,
        "opened_at": rfc3339(incident.opened_at),
        "problems": [*incident.problems],
        "duration_seconds": lasted,
    }
