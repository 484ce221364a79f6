"""What an answer or a failure means for records, outages and events. Pure: no event loop, no store, no clock.

- An answer ends the outage of its target and of its endpoint; `core.diff` compares it with what is known.
- An answer about blockers is compared with those that are known to be active (`core.blockers`).
- A listing shows the status of each connection; `core.connections` compares it with what is known.
- A failure leaves the sync state of its target as it is. It counts as the target's own or as the endpoint's
  (`core.outages`): `unreadable_after` of the target's own in a row begin an outage of the target, and as many of the
  endpoint, without an answer between them, an outage of the endpoint. While an endpoint is unreadable, none of its
  targets becomes unreadable as well: one cause is one event.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from watcher.core import blockers, connections
from watcher.core.by_hand import ByHand
from watcher.core.diff import Comparison, diff
from watcher.core.events import Event, connection_event, discovery_event, outage_event, removal_event
from watcher.core.history import HistoryRow, attempt_rows, incident_row, recent_after
from watcher.core.incidents import BEGUN_BY, State, steps
from watcher.core.model import Blocker, EndpointKey, Snapshot, Target
from watcher.core.mute_ends import held_after, still_held, with_names
from watcher.core.outages import OWN, FailureStreak
from watcher.core.ports import Entry
from watcher.core.routing import all_mutes, muted_by, route, route_any, route_end
from watcher.core.settings import Config
from watcher.core.stamps import stamped
from watcher.core.state import Incident, Known, Record, forgotten
from watcher.core.sync_events import blocker_event, sync_event
from watcher.core.unfinished import end_is_for, unfinished_after


@dataclass(frozen=True, slots=True)
class Observation:
    """The new record of a subject, and the events that are recorded with it."""

    record: Record
    events: tuple[Event, ...] = ()


def observe_answer(target: Target, before: Record, snapshot: Snapshot, now: datetime) -> tuple[Observation, Comparison]:
    """Return what an answer means for its target, and how it compares with what was known."""
    observation = observe_recovery(target, before, now) or Observation(before)
    comparison = diff(
        before.known,
        snapshot,
        now=snapshot.at or now,
        on_first_seen=target.on_first_seen,
        stalled_after=timedelta(seconds=target.stalled_after),
    )
    sequence = observation.record.sequence
    events = [
        sync_event(target, change, sequence=number, now=now)
        for number, change in enumerate(comparison.changes, start=sequence + 1)
    ]
    recent = recent_after(before.recent, before.known, comparison, now)
    record = replace(observation.record, known=comparison.known, sequence=sequence + len(events), recent=recent)
    return Observation(record, (*observation.events, *events)), comparison


def observe_connection(target: Target, before: Record, now: datetime) -> Observation | None:
    """Return what a listing means for a connection that it found; None: nothing has changed."""
    known, change = connections.compare(before.connection, (target.found or {}).get("status", ""), now)
    if known is before.connection:
        return None
    sequence = before.sequence + (change is not None)
    events = () if change is None else (connection_event(target, change, sequence=sequence, now=now),)
    return Observation(replace(before, connection=known, sequence=sequence), events)


def observe_blockers(target: Target, before: Record, found: Iterable[Blocker], now: datetime) -> Observation:
    """Return what an answer about a target's blockers means."""
    active, changes = blockers.compare(before.blockers, found)
    known = before.known or Known(None, now)
    events = tuple(
        blocker_event(target, change, known, sequence=number, now=now)
        for number, change in enumerate(changes, start=before.sequence + 1)
    )
    return Observation(replace(before, blockers=active, sequence=before.sequence + len(events)), events)


def observe_failure(
    subject: Target | EndpointKey,
    before: Record,
    streak: FailureStreak,
    now: datetime,
    *,
    unreadable_after: int,
    targets: int = 1,
) -> Observation | None:
    """Return the outage that begins with the last failure of `streak`; None: none begins."""
    if before.outage is not None or streak.own < OWN * unreadable_after:
        return None
    outage, sequence = streak.outage(), before.sequence + 1
    event = outage_event(subject, outage, sequence=sequence, now=now, over=False, targets=targets)
    return Observation(replace(before, outage=outage, sequence=sequence), (event,))


def observe_recovery(
    subject: Target | EndpointKey, before: Record, now: datetime, *, targets: int = 1
) -> Observation | None:
    """Return the end of the outage of a subject that was answered for; None: there was no outage."""
    if before.outage is None:
        return None
    sequence = before.sequence + 1
    event = outage_event(subject, before.outage, sequence=sequence, now=now, over=True, targets=targets)
    return Observation(replace(before, outage=None, sequence=sequence), (event,))


def observe_discovery(
    target: Target, before: Record, number: int, *, times: int, removed: bool, now: datetime
) -> Observation:
    """Return what it means that discovery found a target for the n-th of `times`, or removed it; `number`: its event's.

    A removed target is first observed again when it is found again.
    """
    sequence = before.sequence + 1
    event = discovery_event(target, removed=removed, times=times, sequence=sequence, now=now)
    record = replace(before, sequence=sequence, discovery=number)
    return Observation(forgotten(record) if removed else record, (event,))


def observe_removal(subject: Target | EndpointKey, before: Record, now: datetime) -> Observation | None:
    """Return what it means that a subject left the configuration; None: it has no open incident, which ends then.

    If the subject is forgotten only later, or comes back before, it is first observed again all the same.
    """
    if before.incident is None:
        return None
    left = forgotten(replace(before, sequence=before.sequence + 1))
    return Observation(left, (removal_event(subject, before.incident.id, sequence=left.sequence, now=now),))


def entry_of(
    subject: str,
    before: Record,
    observation: Observation,
    now: datetime,
    *,
    labels: Mapping[str, str],
    config: Config,
    hand: ByHand,
    traceparent: str | None = None,
) -> Entry:
    """Return the entry that records `observation`, with the incident of each event, and the sinks that it is for.

    The attempts of which more is known, and the incidents that end, are added to the history.

    An event that is muted at `now`, by the configuration or by `hand`, is marked as muted, and is for no sink. But the
    event that resolves an incident is for each sink that was sent a problem of it, whatever the filters of the sink and
    the mutes say; and so is the end of an attempt for a sink that shows it as unfinished (`core.unfinished`). The
    incident notes from which sinks a mute holds a problem event back (`core.mute_ends`).
    """
    record, incident = observation.record, before.incident
    notified, mutes = _notified(subject, incident, labels, config), all_mutes(config.mutes, hand)
    held, unfinished = incident.held if incident else (), record.unfinished
    addressed: list[tuple[Event, Sequence[str]]] = []
    only_owed: list[str] = []
    history: list[HistoryRow] = attempt_rows(subject, before.recent, record.recent, labels)
    following = steps(incident, observation.events, labels=labels, blocked=bool(record.blockers))
    for event, step in zip(observation.events, following, strict=True):
        mute = muted_by(mutes, event.type, event.subject, now)
        matching = route(event, labels, config.sinks)
        ending = end_is_for(unfinished, event, config.sinks)
        routed = with_names(matching if mute is None else (), ending)
        unfinished = unfinished_after(unfinished, event, routed, config.sinks)
        if step is None or step.state is State.OPENED:
            notified, held = (), ()
        if event.type in BEGUN_BY:
            notified = with_names(notified, routed)
            held = held_after(held, event, [each for each in matching if each not in ending], muted=mute is not None)
        ended = step is not None and step.state is State.RESOLVED
        owed = route_end(notified, config.sinks) if ended else ()
        names = with_names(routed, owed)
        only_owed += [name for name in owed if name not in routed]
        sinks = with_names([sink.name for sink in config.sinks if sink.name in names], names)
        made = stamped(event, incident=step, public_url=config.public_url, mute=mute, traceparent=traceparent)
        addressed.append((made, sinks))
        history += incident_row(subject, step, removed=event.type.endswith(".removed"))
        incident = step.open if step else None
    if incident is not None and observation.events:
        incident = replace(incident, notified=notified, held=still_held(incident, held))
    after = replace(record, incident=incident, unfinished=unfinished)
    return Entry(subject, after, addressed, follows=before, owed=only_owed, history=history)


def _notified(subject: str, incident: Incident | None, labels: Mapping[str, str], config: Config) -> tuple[str, ...]:
    """Return the sinks that were sent the problems of an open incident."""
    if incident is None:
        return ()
    if incident.notified is not None:
        return incident.notified
    types = [event_type for event_type, problem in BEGUN_BY.items() if problem in incident.problems]
    return route_any(types, subject, labels, config.sinks)
