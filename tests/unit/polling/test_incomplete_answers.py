"""An attempt of which the API sends only what identifies it is shown everywhere as one that is whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from watcher.cli.check import check_rows, finding_to_json
from watcher.cli.output.events import event_text
from watcher.cli.output.targets import record_to_json
from watcher.core.diff import diff
from watcher.core.event_schema import event_schema
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED, FirstSeen
from watcher.core.state import Record
from watcher.core.sync_events import sync_event
from watcher.delivery.batching import causes_of
from watcher.messages.blocks import slack_payload
from watcher.messages.compose import message_for
from watcher.messages.plain import plain
from watcher.observability.metrics import detection
from watcher.polling.check import judge
from watcher.sources import KINDS
from watcher.sources.codeconnections import stack
from watcher.web.attempts import attempts
from watcher.web.views import committed_row, target_view

if TYPE_CHECKING:
    from watcher.core.state import Known

NETWORK = stack("default", "us-east-1", "network")
NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
VALIDATOR = Draft202012Validator(event_schema(KINDS))
REVISION = {"ProviderType": "GitHub", "OwnerId": "org", "RepositoryName": "a", "Branch": "main", "Directory": "/"}
LINE = {"Type": "ERROR", "Event": "no such file", "Time": 1.7954208e9}
PARTS: dict[str, list[Any]] = {
    "Target": [None, "network"],
    "TargetRevision": [None, {}, REVISION, REVISION | {"Sha": "0" * 40}],
    "InitialRevision": [None],
    "Events": [
        None,
        [],
        [{"Event": "no such file"}],
        [{"Type": "ERROR"}],
        [LINE, {"Time": LINE["Time"]}],
        [LINE, {"Event": "it broke"}],
    ],
}
INCOMPLETE = [{name: value} for name, values in PARTS.items() for value in values]


@pytest.mark.parametrize("status", [IN_PROGRESS, SUCCEEDED, FAILED, "ODD"])
@pytest.mark.parametrize("parts", INCOMPLETE, ids=json.dumps)
def test_an_incomplete_attempt_is_shown_wherever_a_whole_one_is(parts: dict[str, Any], status: str) -> None:
    known: Known | None = None
    events = []
    for number, each in enumerate((SUCCEEDED, status, status)):
        attempt = {"Status": each, "StartedAt": 1.7954208e9 + number, **parts}
        snapshot = NETWORK.kind.read({"LatestSync": attempt, "LatestSuccessfulSync": attempt})
        outcome = diff(
            known,
            snapshot,
            now=NOW,
            on_first_seen=FirstSeen.ALL,
            stalled_after=timedelta(seconds=60 if number else 9e9),
        )
        known = outcome.known
        events += [sync_event(NETWORK, change, sequence=1, now=NOW) for change in outcome.changes]
    assert len(events) >= 3
    bodies = [json.loads(event.body) for event in events]
    for event, body in zip(events, bodies, strict=True):
        VALIDATOR.validate(body)
        shown = [
            event_text(body).plain,
            str(plain(message_for([body], NOW))),
            str(slack_payload(message_for([body], NOW))),
        ]
        assert not any("None" in text for text in shown)
        assert causes_of(event)
        detection(event)
    assert "None" not in str(plain(message_for(bodies, NOW)).body)
    finding = judge(NETWORK, snapshot, NOW)
    assert known is not None
    forms = [
        attempts(events, Record(known)),
        committed_row(NETWORK, Record(known), None),
        target_view(NETWORK, Record(known)),
        record_to_json(NETWORK, Record(known)),
        finding_to_json(finding),
    ]
    assert json.dumps(forms)
    assert len(check_rows([finding])) == 1
