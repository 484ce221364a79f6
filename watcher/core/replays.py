"""Which recorded events a new sink is sent (`replay_from`), and in which incidents it counts as notified.

A sink that is sent a problem of an incident is also sent its end. So a replayed problem is queued only once it is known
how its incident ends for the sink: either the incident is over, and its end is among the recorded events; or it is
open, and the commit that queues the problem adds the sink to `Incident.notified`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from watcher.core.events import Event
from watcher.core.incidents import BEGUN_BY, State, incident_of
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
    problems: dict[str, dict[str, None]] = field(default_factory=dict)
    """By the id of an incident: the ids of its problem events that are for the sink, in their order."""
    subjects: dict[str, str] = field(default_factory=dict)
    """The subject of each of these incidents."""
    settled: set[str] = field(default_factory=set)
    """The incidents whose problems may be queued."""

    def wants(self, event: Event) -> bool:
        """Return whether the sink is sent a recorded event now; called for all of them in their order, in each pass."""
        incident = incident_of(event)
        matches = event.id not in self.dropped and wants_recorded(self.sink, event)
        incident_id = incident.get("id")
        if matches and event.type in BEGUN_BY and incident_id is not None:
            self.problems.setdefault(incident_id, {})[event.id] = None
            self.subjects[incident_id] = event.subject
        if incident_id not in self.problems:
            return matches
        owed = incident["state"] == State.RESOLVED and self.sink.send_resolved
        return incident_id in self.settled and (matches or owed)

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
        for incident_id in [each for each in self.problems if each not in self.settled]:
            subject = self.subjects[incident_id]
            record = records.get(subject, Record())
            incident = record.incident
            if incident is None or incident.id != incident_id:
                self.settled.add(incident_id)
                continue
            # Where it is not recorded who was notified, the filters decide in the end, and they match.
            notified = None if incident.notified is None else with_names(incident.notified, [self.sink.name])
            released = [(event_id, (self.sink.name,)) for event_id in self.problems[incident_id]]
            after = replace(record, incident=replace(incident, notified=notified))
            entries.append(Entry(subject, after, follows=record, released=released))
        return entries

    def committed(self, entries: Iterable[Entry]) -> int:
        """Note that `entries` were committed; return how many events they queued."""
        count = 0
        for entry in entries:
            if entry.record.incident is not None:
                self.settled.add(entry.record.incident.id)
            count += len(entry.released)
        return count
