"""What a sink is sent that was removed and is in the configuration again."""

from __future__ import annotations

import json

import pytest

from tests.unit.conftest import minute
from watcher.core.deliveries import DeliveryRecord, DeliveryState
from watcher.core.events import Event
from watcher.core.returned_sinks import owed_again
from watcher.core.sink_settings import SinkOptions, SinkSettings
from watcher.core.state import Incident, Record

FAILED, SUCCEEDED = "watcher.sync.failed", "watcher.sync.succeeded"
OPEN = Record(incident=Incident("i", minute(1), ("failed",)))
OPS = SinkSettings("ops", "stdout")
SILENT = SinkSettings("ops", "stdout", send_resolved=False)


class ShowsAttempts(SinkOptions):
    shows_attempts = True


COMMITS = SinkSettings("ops", "github", options=ShowsAttempts(), send_resolved=False)


def removed(
    event_type: str,
    incident: str | None = "i",
    state: str = "ongoing",
    *,
    opened_at: str = "2026-11-23T08:01:00Z",
    sink: str = "ops",
    reminder: int = 0,
) -> DeliveryRecord:
    about = incident and {"id": incident, "state": state, "opened_at": opened_at}
    body = json.dumps({"data": {"incident": about}})
    event = Event("1", event_type, "s", "2026-11-23T08:00:00Z", body)
    return DeliveryRecord(event, sink, DeliveryState.DEAD, reminder, 0.0, 0, None, None, None)


END = removed(SUCCEEDED, state="resolved")


@pytest.mark.parametrize(
    ("sink", "delivery", "record", "owed"),
    [
        pytest.param(OPS, removed(FAILED), OPEN, True, id="a problem of an open incident"),
        pytest.param(SILENT, removed(FAILED), OPEN, True, id="a problem for a sink without ends"),
        pytest.param(OPS, removed(FAILED), Record(), False, id="a problem that is over"),
        pytest.param(OPS, removed(FAILED, "before"), OPEN, False, id="a problem of an incident before"),
        pytest.param(
            OPS, removed(FAILED, opened_at="2026-11-23T08:00:00Z"), OPEN, False, id="one that came back is open again"
        ),
        pytest.param(OPS, removed("watcher.sync.queued"), OPEN, False, id="something else in an open incident"),
        pytest.param(OPS, removed(SUCCEEDED, None), OPEN, False, id="an event outside an incident"),
        pytest.param(OPS, removed(FAILED, sink="other"), OPEN, False, id="a problem of another sink"),
        pytest.param(OPS, removed(FAILED, reminder=1), OPEN, False, id="a reminder"),
        pytest.param(OPS, END, Record(), True, id="an end"),
        pytest.param(OPS, END, OPEN, True, id="an end before another incident"),
        pytest.param(SILENT, END, Record(), False, id="an end for a sink without ends"),
        pytest.param(COMMITS, removed(SUCCEEDED, None), Record(), True, id="a success for a sink that shows attempts"),
        pytest.param(COMMITS, removed(FAILED), Record(), True, id="a failure that is over for such a sink"),
        pytest.param(COMMITS, removed("watcher.sync.queued", None), Record(), False, id="a step for such a sink"),
        pytest.param(COMMITS, removed(SUCCEEDED, None, sink="other"), OPEN, False, id="a success of another sink"),
    ],
)
def test_a_sink_that_is_back_is_sent_ends_and_the_problems_of_open_incidents(
    sink: SinkSettings, delivery: DeliveryRecord, record: Record, *, owed: bool
) -> None:
    assert owed_again(sink, [delivery], {"s": record}.__getitem__) == ({"1": None} if owed else {})
