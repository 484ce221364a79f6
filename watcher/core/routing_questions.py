"""Answers which sinks an event would reach, and why, by the rules that route in the daemon. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from watcher.core.by_hand import NOTHING_BY_HAND, ByHand
from watcher.core.event_types import Severity
from watcher.core.incidents import may_resolve
from watcher.core.model import EndpointKey, Target, for_people
from watcher.core.mutes import Mute
from watcher.core.routing import all_mutes, muted_by, why_not
from watcher.core.settings import Config
from watcher.core.sink_settings import SinkSettings

_CONDITION = "it was sent a problem that this event ends"


@dataclass(frozen=True, slots=True)
class Question:
    """An event to route; it may be one that never happened."""

    type: str
    subject: Target | EndpointKey
    at: datetime

    @property
    def subject_id(self) -> str:
        """The subject as events have it."""
        return self.subject.id if isinstance(self.subject, Target) else str(self.subject)

    @property
    def labels(self) -> Mapping[str, str]:
        """Those of the target; an endpoint has none."""
        return self.subject.labels if isinstance(self.subject, Target) else {}


@dataclass(frozen=True, slots=True)
class Routed:
    """Whether a sink gets the event, and why."""

    sink: SinkSettings
    sent: bool
    """Whether the filters of the sink and the mutes let the event through."""
    why: str
    """The reason, for people."""
    if_problem_sent: bool = False
    """Whether the sink, if it was sent a problem that the event ends, gets the event although `sent` is false."""


def answer(question: Question, config: Config, hand: ByHand = NOTHING_BY_HAND) -> tuple[Routed, ...]:
    """Return for each sink, in the order of the configuration, whether it gets the event of `question`.

    Of the mutes that people have made (`hand`), those count that had been made by then.
    Whether an incident is open, and which sinks were sent its problems, is not known here: a sink that gets the event
    only then is returned as one that does not get it, with the condition in `why`.
    """
    made = replace(hand, mutes=tuple(each for each in hand.mutes if each.created_at <= question.at))
    mutes = all_mutes(config.mutes, made)
    mute = muted_by(mutes, question.type, question.subject_id, question.at)
    return tuple(_routed(sink, question, mute) for sink in config.sinks)


def _routed(sink: SinkSettings, question: Question, mute: Mute | None) -> Routed:
    unmatched = why_not(sink, question.type, question.subject_id, question.labels)
    against = [each for each in (unmatched, mute and _muted(mute)) if each]
    if not against:
        return Routed(sink, sent=True, why=_why(sink))
    why = "; ".join(against)
    if not may_resolve(question.type):
        return Routed(sink, sent=False, why=why)
    if not sink.send_resolved:
        not_even = f"nor does it get the event if {_CONDITION}: its `send_resolved` is false"
        return Routed(sink, sent=False, why=f"{why}; {not_even}")
    return Routed(sink, sent=False, why=f"{why}; but it gets the event if {_CONDITION}", if_problem_sent=True)


def _why(sink: SinkSettings) -> str:
    filters = {"events": sink.events, "targets": sink.targets, "labels": sink.labels}
    used = [f"`{name}`" for name, value in filters.items() if value]
    if sink.min_severity is not Severity.INFO:
        used.append("`min_severity`")
    if not used:
        return "it has no filters"
    return f"its filters let it through: {', '.join(used)}"


def _muted(mute: Mute) -> str:
    until = f" until {for_people(mute.until)}" if mute.until else ""
    window = f", in the window {mute.when}" if mute.when else ""
    made = f", by the mute {mute.id} of {mute.by}" if mute.id else ""
    return f"the event is muted{until}{window}{made}{f' ({mute.reason})' if mute.reason else ''}"
