"""Which events share a message: what one cause did to many targets, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.messages.told import ENDPOINT, EVENTS, NETWORK, WEB, attempt, failures, outage, sync, trial
from watcher.messages.cause import cause_of
from watcher.model import FAILED, SUCCEEDED, Api, EndpointKey


def test_one_commit_that_breaks_many_targets_is_one_cause() -> None:
    assert len({cause_of(event) for event in failures(5)}) == 1


def test_another_commit_branch_repository_type_or_owner_is_another_cause() -> None:
    others = [
        sync(attempt(FAILED, sha="1f0c9d2")),
        sync(attempt(FAILED, branch="next")),
        sync(attempt(FAILED, repositoryName="example-org/other")),
        sync(attempt(FAILED, ownerId="fork")),
        sync(attempt(SUCCEEDED)),
        sync(kind="sync.stalled"),
    ]
    assert len({cause_of(event) for event in (sync(), *others)}) == len(others) + 1


def test_without_a_commit_each_attempt_is_its_own_cause() -> None:
    assert cause_of(sync(attempt(FAILED, sha=""))) != cause_of(sync(attempt(FAILED, sha=""), target=NETWORK))


def test_unknown_statuses_differ() -> None:
    odd, other = (sync(attempt(status), kind="sync.unknown") for status in ("ODD", "OTHER"))
    assert cause_of(odd) != cause_of(other)


def test_one_error_of_one_account_region_and_api_is_one_cause() -> None:
    elsewhere = EndpointKey("prod", "us-east-1", Api.CODECONNECTIONS)
    assert cause_of(outage(ENDPOINT)) == cause_of(outage(ENDPOINT, message="request 8f2"))
    different = [outage(ENDPOINT), outage(elsewhere), outage(ENDPOINT, code="Timeout"), outage(ENDPOINT, over=True)]
    different += [outage(WEB), outage(NETWORK)]
    assert len({cause_of(event) for event in different}) == len(different)


def test_a_test_is_its_own_cause() -> None:
    assert cause_of(trial()) != cause_of(replace(trial(), id="1" * 32))


@pytest.mark.parametrize("body", ["{}", '{"data": null}', '{"data": {"attempt": 1}}', '{"data": {"error": {}}}'])
def test_an_event_of_an_unknown_form_is_its_own_cause(body: str) -> None:
    strange = replace(sync(), body=body)
    assert cause_of(strange) != cause_of(replace(strange, id="1" * 32))


def test_every_type_of_event_has_a_cause() -> None:
    causes = {name: {cause_of(event) for event in events} for name, events in EVENTS.items()}
    assert all(causes.values())
