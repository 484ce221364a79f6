"""Events as the daemon records them: failed syncs of stacks that fail again and again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import TYPE_CHECKING

from tests.benchmarks.worlds import HISTORY, REGION
from watcher.core.diff import Change, Reason
from watcher.core.model import FAILED, SUCCEEDED, Attempt
from watcher.core.ports import Entry
from watcher.core.state import Record
from watcher.core.sync_events import sync_event
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watcher.core.events import Event
    from watcher.core.ports import Store

EPOCH = datetime(2026, 11, 23, 8, tzinfo=UTC)
REVISION = {
    "repositoryProvider": "GITHUB",
    "repositoryName": "example-org/infrastructure",
    "branch": "main",
    "directory": "/stacks",
    "sha": "62c0ffee62c0ffee62c0ffee62c0ffee62c0ffee",
}
TIMES = [{"time": "2026-11-23T08:00:00Z", **line} for line in HISTORY[:-1]]
FAILURE = {"time": "2026-11-23T08:00:04Z", "type": "ERROR", "event": "Change set for the stack could not be created"}
TOGETHER = 1000
"""Events in one commit at most, when many are recorded at once."""


def failures(subjects: int) -> Iterator[Event]:
    """Without end, of one stack after the other; of about 1.5 KB each."""
    targets = [stack("default", REGION, f"target-{number:05d}") for number in range(subjects)]
    for number in count():
        begun = EPOCH + timedelta(minutes=number)
        attempt = Attempt(begun, FAILED, f"target-{number % subjects:05d}", REVISION, REVISION, (*TIMES, FAILURE))
        before = replace(attempt, started_at=begun - timedelta(minutes=subjects))
        success = replace(before, started_at=EPOCH - timedelta(days=1), status=SUCCEEDED)
        change = Change(Reason.NEW_ATTEMPT, "sync.failed", attempt, before, 1, 2, False, REVISION, success)  # noqa: FBT003  `recovered`
        sequence = 1 + number // subjects
        yield sync_event(targets[number % subjects], change, sequence=sequence, now=begun + timedelta(seconds=5))


def small(subjects: int) -> Iterator[Event]:
    """Without end, as many as are wanted at little cost: of about 300 bytes each, with hardly any data."""
    stems = []
    for event in islice(failures(subjects), subjects):
        form = {**json.loads(event.body), "id": "", "data": {"status": FAILED}}
        stems.append((event, json.dumps(form)))
    for number in count():
        event, body = stems[number % subjects]
        event_id = f"{number:032x}"
        yield event._replace(id=event_id, body=body.replace('"id": ""', f'"id": "{event_id}"', 1))


async def record(store: Store, events: Iterator[Event], many: int, sinks: Sequence[str]) -> None:
    """Let `many` events wait for `sinks`."""
    while batch := list(islice(events, min(many, TOGETHER))):
        await store.commit([entry(event, sinks) for event in batch], datetime.now(UTC))
        many -= len(batch)


def entry(event: Event, sinks: Sequence[str]) -> Entry:
    """What is committed for an event."""
    return Entry(event.subject, Record(), [(event, sinks)])
