"""What an event means for the alert of its subject, and the key of that alert."""

from __future__ import annotations

import json
import pkgutil
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.event_samples import FOUND, attempt, outage, reminder, sync, trial
from tests.support.incidents import FAILED_AGAIN, FAILED_EVENT, MENDED, READABLE, RETRIED, UNREADABLE, within
from watcher.core.model import FAILED
from watcher.sinks import SINKS
from watcher.sinks.alerts import Step, alert_key, step_of

if TYPE_CHECKING:
    from watcher.core.events import Event


@pytest.mark.parametrize(
    ("event", "step"),
    [
        (FAILED_EVENT, Step.PROBLEM),
        (FAILED_AGAIN, Step.PROBLEM),
        (reminder(FAILED_EVENT, 2), Step.PROBLEM),
        (UNREADABLE, Step.PROBLEM),
        (within(outage(FOUND, over=True), "ongoing", "failed"), Step.PROGRESS),
        (RETRIED, Step.PROGRESS),
        (MENDED, Step.END),
        (READABLE, Step.END),
        (sync(), Step.OUTSIDE),
        (trial(), Step.TEST),
    ],
)
def test_only_a_problem_opens_an_alert_and_only_the_end_closes_it(event: Event, step: Step) -> None:
    assert step_of(json.loads(event.body)) is step


def test_the_key_is_the_subject_and_a_hash_where_that_is_too_long() -> None:
    subject = "default/us-east-1/stack/" + "x" * 240
    assert alert_key("default/us-east-1/stack/network", 255) == "watcher:default/us-east-1/stack/network"
    assert alert_key(subject, len("watcher:") + len(subject)) == f"watcher:{subject}"
    assert alert_key(subject, 255) == sha256(f"watcher:{subject}".encode()).hexdigest()


def options_of(type_: str) -> Any:
    return pkgutil.resolve_name(SINKS[type_])


@pytest.mark.parametrize("type_", ["pagerduty", "jsm", "alertmanager"])
@pytest.mark.parametrize(
    ("event", "begins"),
    [
        (FAILED_EVENT, "FAILED: stack network (us-east-1): Failed to parse schema.yaml: line 14\n\n"),
        (trial(), "TEST"),
        (RETRIED, ""),
        (MENDED, ""),
    ],
)
def test_the_preview_of_an_alert_is_what_people_read_of_a_problem(type_: str, event: Event, begins: str) -> None:
    options = options_of(type_).model_construct(name="ops", type=type_)
    shown = options.preview(json.loads(event.body))
    assert shown.startswith(begins)
    assert bool(shown) == bool(begins)


@pytest.mark.parametrize("type_", ["github", "gitlab", "bitbucket"])
def test_the_preview_of_a_commit_status_is_its_state_and_description(type_: str) -> None:
    options = options_of(type_).model_construct(name="ops", type=type_)
    provider = min(options.hosted)
    failed = sync(attempt(FAILED, "Failed to parse schema.yaml: line 14", repositoryProvider=provider))
    assert options.preview(json.loads(failed.body)) == "failure: Failed to parse schema.yaml: line 14"
    assert options.preview(json.loads(trial().body)) == ""
