"""Which events share a message: what one cause did to many targets, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.event_samples import ENDPOINT, EVENTS, NETWORK, WEB, alike, attempt, failures, outage, sync, trial
from watcher.core.model import FAILED, SUCCEEDED, EndpointKey
from watcher.delivery.batching import causes_of

if TYPE_CHECKING:
    from watcher.core.events import Event

ELSEWHERE = EndpointKey("prod", "us-east-1", "codeconnections")


def share(*events: Event) -> bool:
    """Whether there is one cause that all of them have."""
    first, *others = (set(causes_of(event)) for event in events)
    return bool(first.intersection(*others))


def of_stack(text: str, sha: str, status: str = FAILED) -> Event:
    return sync(attempt(status, "Sync started", text, sha=sha), target=NETWORK)


def of_web(text: str, sha: str, status: str = FAILED) -> Event:
    return sync(attempt(status, "Sync started", text, sha=sha))


@pytest.mark.parametrize(
    ("events", "one"),
    [
        # One commit, whatever AWS said.
        (failures(5), True),
        ([of_web("no file", "1" * 40), of_stack("no schema", "1" * 40)], True),
        # One error, whatever the commit.
        (alike(4), True),
        ([of_web("no file", "1" * 40), of_stack("no file", "2" * 40)], True),
        ([of_web("no file", ""), of_stack("no file", "")], True),
        ([of_web("web has no file", "1" * 40), of_stack("network has no file", "2" * 40)], True),
        # Neither.
        ([of_web("no file", "1" * 40), of_stack("no schema", "2" * 40)], False),
        ([of_web("line 14 is odd", "1" * 40), of_stack("line 15 is odd", "2" * 40)], False),
        ([of_web("ok", "1" * 40, SUCCEEDED), of_stack("ok", "2" * 40, SUCCEEDED)], False),
        ([sync(attempt(FAILED, sha="")), sync(attempt(FAILED, sha=""), target=NETWORK)], False),
        ([sync(), sync(attempt(FAILED, "no", branch="next"))], False),
        ([sync(), sync(attempt(FAILED, "no", repositoryName="example-org/other"))], False),
        ([sync(), sync(attempt(FAILED, "no", ownerId="fork"))], False),
        ([sync(), sync(attempt(SUCCEEDED))], False),
        ([sync(), sync(kind="sync.stalled")], False),
        ([sync(attempt(status), kind="sync.unknown") for status in ("ODD", "OTHER")], False),
        # What cannot be read: one code in one place, or one error anywhere.
        ([outage(ENDPOINT), outage(ENDPOINT, message="request 8f2")], True),
        ([outage(ENDPOINT), outage(ELSEWHERE)], True),
        ([outage(ENDPOINT), outage(ELSEWHERE, message="Something else")], False),
        ([outage(ENDPOINT), outage(ENDPOINT, code="Timeout")], False),
        ([outage(ENDPOINT), outage(ENDPOINT, over=True)], False),
        ([outage(ENDPOINT), outage(WEB)], False),
        ([trial(), trial()._replace(id="1" * 32)], False),
    ],
)
def test_events_share_a_cause_by_their_commit_or_by_what_aws_said(events: list[Event], *, one: bool) -> None:
    assert share(*events) is one


@pytest.mark.parametrize("body", ["{}", '{"data": null}', '{"data": {"attempt": 1}}', '{"data": {"error": {}}}'])
def test_an_event_of_an_unknown_form_is_its_own_cause(body: str) -> None:
    strange = sync()._replace(body=body)
    assert not share(strange, strange._replace(id="1" * 32))


def test_every_type_of_event_has_a_cause() -> None:
    assert all(causes_of(event) for events in EVENTS.values() for event in events)
