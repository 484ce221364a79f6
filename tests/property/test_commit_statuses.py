"""A commit that a sink shows as pending is shown as ended once an attempt to sync it has ended. Pure.

Hypothesis chooses attempts and their statuses, mutes, filters, and when the sink is removed, returns and delivers. The
poller's own code decides what is recorded, and the reload's own code what a returned sink is sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.conftest import a_revision, a_snapshot, an_attempt, minute
from watcher.core.by_hand import NOTHING_BY_HAND
from watcher.core.deliveries import DeliveryRecord, DeliveryState
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.core.mutes import Mute
from watcher.core.returned_sinks import owed_again
from watcher.core.settings import Config, Retry
from watcher.core.sink_settings import SinkOptions, SinkSettings
from watcher.core.state import Record
from watcher.polling.observations import entry_of, observe_answer
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from watcher.core.events import Event

TARGET = stack("default", "us-east-1", "network", stalled_after=1e9)
ENDED = {"watcher.sync.succeeded", "watcher.sync.failed"}


class ShowsAttempts(SinkOptions):
    shows_attempts = True


SINK = SinkSettings("commits", "github", options=ShowsAttempts())
SINKS = ((SINK,), (SINK,), (replace(SINK, targets=("*/another",)),), ())
CONFIG = Config("watcher.yaml", {}, (TARGET,), Retry(), 3, (SINK,), "memory://", None, 1.0, 1.0)


@dataclass
class Life:
    """What is recorded of the target, what waits for the sink, and what the receiver shows."""

    config: Config = CONFIG
    record: Record = field(default_factory=Record)
    number: int = 0
    commit: int = 0
    recorded: dict[str, str] = field(default_factory=dict)
    """The type of the last recorded event of each commit."""
    shown: dict[str, str] = field(default_factory=dict)
    """The type of the event that set the status of each commit."""
    waiting: list[Event] = field(default_factory=list)
    dead: list[Event] = field(default_factory=list)

    def polled(self, status: str, which: str) -> None:
        """`which`: the same as before, another of the same commit, or one of another commit."""
        self.number += which != "same"
        self.commit += which == "commit"
        attempt = replace(an_attempt(self.number, status), target_revision=a_revision(f"sha-{self.commit}"))
        observation, _ = observe_answer(TARGET, self.record, a_snapshot(attempt), minute(self.number))
        made = entry_of(
            TARGET.id, self.record, observation, minute(self.number), labels={}, config=self.config, traceparent=None,
            hand=NOTHING_BY_HAND,
        )  # fmt: skip
        self.record = made.record
        for event, sinks in made.events:
            self.recorded[commit_of(event)] = event.type
            if SINK.name in sinks:
                (self.waiting if self.config.sinks else self.dead).append(event)

    def delivered(self) -> None:
        self.shown |= {commit_of(event): event.type for event in self.waiting}
        self.waiting = []

    def configured(self, sinks: tuple[SinkSettings, ...], mutes: tuple[Mute, ...]) -> None:
        self.config = replace(self.config, sinks=sinks, mutes=mutes)
        if not sinks:
            self.dead, self.waiting = [*self.dead, *self.waiting], []
        for sink in sinks:
            removed = [
                DeliveryRecord(event, SINK.name, DeliveryState.DEAD, 0, 0.0, 0, None, None, None) for event in self.dead
            ]
            owed = owed_again(sink, removed, lambda _: self.record)
            self.waiting = [*(event for event in self.dead if event.id in owed), *self.waiting]
            self.dead = [event for event in self.dead if event.id not in owed]


def commit_of(event: Event) -> str:
    sha: str = json.loads(event.body)["data"]["attempt"]["targetRevision"]["sha"]
    return sha


polls = st.tuples(
    st.just("polled"), st.sampled_from([FAILED, SUCCEEDED, IN_PROGRESS]), st.sampled_from(["same", "again", "commit"])
)
configurations = st.tuples(st.just("configured"), st.sampled_from(SINKS), st.sampled_from([(), (Mute(),)]))
steps = st.lists(polls | configurations | st.just(("delivered",)), min_size=4, max_size=20)


@settings(max_examples=300)
@given(steps=steps)
def test_no_commit_stays_pending_whose_last_attempt_has_ended(steps: list[tuple[Any, ...]]) -> None:
    life = Life()
    life.polled(SUCCEEDED, "same")
    for name, *values in steps:
        getattr(life, name)(*values)
    life.configured((SINK,), ())
    life.delivered()
    pending = {commit for commit, event_type in life.shown.items() if event_type not in ENDED}
    assert not {commit for commit in pending if life.recorded[commit] in ENDED}
