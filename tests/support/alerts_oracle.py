"""Judges what receivers of alerts show, by the recorded events and by what the receivers accepted alone. Pure.

A receiver has one alert for a subject. In the end it is open exactly if the subject has an open incident of which the
receiver accepted a problem; and no incident was opened there twice. The oracle knows no sinks, filters or deliveries.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Event = Mapping[str, Any]


class MisledError(AssertionError):
    """A receiver shows an incident that is over, does not show an open one that it was sent, or opened one twice."""


class Step(NamedTuple):
    """What a receiver accepted: a problem of a subject, or (without a type) the end of its alert."""

    subject: str
    type: str = ""
    time: str = ""
    """The event's."""


@dataclass(eq=False)
class Incident:
    """From the event that opened it to the one that resolved it, if there is one."""

    id: str
    subject: str
    over: bool = False


@dataclass
class Incidents:
    """The incidents of some recorded events, in their order."""

    all: list[Incident] = field(default_factory=list)
    _by_event: dict[Step, Incident] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[Event]) -> Incidents:
        """Find them; those of one subject follow each other.

        Raises:
            MisledError: an event belongs to another incident than the one that is open.
        """
        found, current = cls(), dict[str, Incident]()
        for event in events:
            about, subject = event["data"]["incident"], event["subject"]
            before = current.get(subject)
            if about is None or about["state"] == "opened":
                if before is not None:
                    raise MisledError(f"outside the open incident {before.id}: {event}")
                if about is None:
                    continue
                before = current[subject] = Incident(about["id"], subject)
                found.all.append(before)
            if before is None or before.id != about["id"]:
                raise MisledError(f"of an incident that is not open: {event}")
            found._by_event[Step(subject, event["type"], event["time"])] = before
            if about["state"] == "resolved":
                current.pop(subject).over = True
        return found

    @property
    def open(self) -> dict[str, Incident]:
        """The open ones, by subject."""
        return {each.subject: each for each in self.all if not each.over}

    def judge(self, name: str, steps: Sequence[Step], excused: int, *, sent_all: bool = False) -> int:
        """Compare what a receiver accepted with the incidents; returns how many of them it was sent.

        Args:
            name: the receiver's.
            steps: what it accepted, in that order.
            excused: how many responses were lost and late sends corrected at most. Each may let one incident be opened
                twice. If the response to an end was lost, the end is sent again; a problem that became a dead letter,
                although the receiver has accepted it or another one of its incident, and is requeued meanwhile, comes
                before it. If a daemon was suspended, its send of a problem comes after the end that another daemon has
                sent, and the end is sent again.
            sent_all: whether it must have been sent every incident that is open.

        Raises:
            MisledError: it shows something else.
        """
        shown, sent, openings = dict[str, Incident](), set[Incident](), Counter[Incident]()
        for step in steps:
            if not step.type:
                shown.pop(step.subject, None)
                continue
            incident = self._by_event.get(step)
            if incident is None:
                raise MisledError(f"{name} accepted what is not recorded: {step}")
            sent.add(incident)
            openings[incident] += step.subject not in shown
            shown[step.subject] = incident
        wanted = {subject: each for subject, each in self.open.items() if sent_all or each in sent}
        if shown != wanted:
            wrong = {subject for subject in shown.keys() | wanted if shown.get(subject) != wanted.get(subject)}
            accepted = "\n".join(f"  {step}" for step in steps if step.subject in wrong)
            raise MisledError(
                f"{name} shows {_names(shown)}, open of what it was sent is {_names(wanted)}; it accepted\n{accepted}"
            )
        twice = [incident.id for incident, times in openings.items() if times > 1]
        if len(twice) > excused:
            raise MisledError(f"{name} opened twice: {twice}")
        return len(sent)

    def judge_messages(self, states: Mapping[str, Mapping[str, int]], lost: int) -> int:
        """Compare the messages of a chat that was sent all incidents with them.

        One message of an incident shows its state. Further ones, whose posting was never confirmed to the sender, stay
        as they are.

        Args:
            states: how many messages show an incident in which state, by its id.
            lost: how many responses of the chat were lost at most.

        Returns:
            How many such further messages show an incident that is over as open, or repeat one that is open.

        Raises:
            MisledError: it shows something else.
        """
        orphans, open_ = 0, {each.id for each in self.all if not each.over}
        for id_, shown in states.items():
            left = sum(times for state, times in shown.items() if state != "resolved")
            orphans += left - (id_ in open_)
            if id_ not in open_ and not shown.get("resolved"):
                raise MisledError(f"the chat shows {id_} as open: {shown}")
            if id_ in open_ and not left:
                raise MisledError(f"the chat shows {id_} as over: {shown}")
        if missing := open_ - states.keys():
            raise MisledError(f"the chat does not show {missing}")
        if orphans > lost:
            raise MisledError(f"{orphans} messages of the chat are left as they were, and {lost} responses were lost")
        return orphans


def _names(incidents: Mapping[str, Incident]) -> list[tuple[str, str]]:
    return sorted((subject, incident.id) for subject, incident in incidents.items())
