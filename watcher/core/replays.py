"""Which recorded events a new sink is sent (`replay_from`), and in which incidents it counts as notified.

A sink that is sent a problem of an incident is also sent its end. So a replayed problem is queued only once it is known
how its incident ends for the sink: either the incident is over, and its end is among the recorded events; or it is
open, and the commit that queues the problem adds the sink to `Incident.notified`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from watcher.core.events import Event
from watcher.core.incidents import BEGUN_BY, State, incident_of, key_in, key_of
from watcher.core.mute_ends import with_names
from watcher.core.ports import Entry
from watcher.core.routing import wants_recorded
from watcher.core.sink_settings import SinkSettings
from watcher.core.state import Record


@dataclass(slots=True)
class Replay:
    """Selects from the recorded events, in several passes over them, what one sink is sent."""

    sink: SinkSettings
    dropped: Collection[str] = ()
    """The ids of the events whose deliveries to the sink an operator dropped when it was there before."""
    problems: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)
    """By the key of an incident: the ids of its problem events that are for the sink, in their order."""
    subjects: dict[tuple[str, str], str] = field(default_factory=dict)
    """The subject of each of these incidents."""
    settled: set[tuple[str, str]] = field(default_factory=set)
    """The incidents whose problems may be queued."""

    def wants(self, event: Event) -> bool:
        """Return whether the sink is sent a recorded event now; called for all of them in their order, in each pass."""
        key = key_in(event)
        matches = event.id not in self.dropped and wants_recorded(self.sink, event)
        if matches and event.type in BEGUN_BY and key is not None:
            self.problems.setdefault(key, {})[event.id] = None
            self.subjects[key] = event.subject
        if key not in self.problems:
            return matches
        owed = incident_of(event)["state"] == State.RESOLVED and self.sink.send_resolved
        return key in self.settled and (matches or owed)

    def unsettled(self) -> set[str]:
        """Return the subjects of the incidents of which it is not known how they end for the sink."""
        return {self.subjects[each] for each in self.problems.keys() - self.settled}

    def entries(self, records: Mapping[str, Record]) -> list[Entry]:
        """Return the entries that queue the problems of open incidents for the sink; mark all others.

        Args:
            records: the present states of the unsettled subjects. An incident that is not open in them is over, and its
                end was recorded before they were read.
        """
        entries = []
        for key in [each for each in self.problems if each not in self.settled]:
            subject = self.subjects[key]
            record = records.get(subject, Record())
            incident = record.incident
            if incident is None or key_of(incident) != key:
                self.settled.add(key)
                continue
            # Where it is not recorded who was notified, the filters decide in the end, and they match.
            notified = None if incident.notified is None else with_names(incident.notified, [self.sink.name])
            released = [(event_id, (self.sink.name,)) for event_id in self.problems[key]]
            after = replace(record, incident=replace(incident, notified=notified))
            entries.append(Entry(subject, after, follows=record, released=released))
        return entries

    def committed(self, entries: Iterable[Entry]) -> int:
        """Note that `entries` were committed; return how many events they queued."""
        count = 0
        for entry in entries:
            if entry.record.incident is not None:
                self.settled.add(key_of(entry.record.incident))
            count += len(entry.released)
        return count
