"""What an event of Git sync names, in every form that AWS documents, and what a hostile message costs."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.unit.simulator.test_git_events import CHANGES, PLACE
from tests.unit.simulator.test_git_events import LINK as REPO_LINK
from watcher.core.hints import Hint
from watcher.simulator.git_events import FORMS
from watcher.simulator.git_events import event as simulated
from watcher.sources.git_sync_events import MAX_BODY_CHARACTERS, read_hint

LINK = "6053346f-8a33-4edb-9397-10394b695173"
ARN = "arn:aws:cloudformation:us-east-1:111122223333:stack/shop/0f4dcaf0-1d4c-11ef-a2c1-0affd8a5b8b5"
OF_STACK = Hint("111122223333", "us-east-1", stack="shop", branch="main")
OF_LINK = Hint("111122223333", "us-east-1", link=LINK, repository="org/templates", branch="main")

RESOURCE = {
    "version": "0",
    "id": "1b5d8feb-agbv-4cf7-a9f1-bf3703467718",
    "detail-type": "Git Sync Resource Sync Status Change",
    "source": "aws.codeconnections",
    "account": "111122223333",
    "time": "2023-12-22T18:43:48Z",
    "region": "us-east-1",
    "resources": [ARN],
    "detail": {
        "providerType": "GitHub",
        "commit": "62c0",
        "repositoryName": "templates",
        "branch": "main",
        "syncType": "CFN_STACK_SYNC",
        "syncTarget": ARN,
        "status": "SUCCEEDED",
        "previousSync": "IN_PROGRESS",
    },
}
REPOSITORY = {
    **RESOURCE,
    "detail-type": "Git Sync Repository Sync Status Change",
    "resources": [f"arn:aws:codeconnections:us-east-1:111122223333:repository-link/{LINK}"],
    "detail": {
        "connectionArn": "arn:aws:codeconnections:us-east-1:999999999999:connection/c",
        "providerType": "GitHub",
        "repositoryName": "templates",
        "repositoryArn": f"arn:aws:codeconnections:us-east-1:111122223333:repository-link/{LINK}",
        "repositoryLinkId": LINK,
        "ownerId": "org",
        "commit": "62c0",
        "branch": "main",
        "syncType": "CFN_STACK_SYNC",
        "status": "SUCCEEDED",
        "previousSync": "IN_PROGRESS",
    },
}


def event(base: dict[str, Any], detail: dict[str, Any] | None = None, **top: Any) -> str:
    """Return an event with other members; those that are None are left out."""
    changed = {**base, **top, "detail": {**base["detail"], **(detail or {})}}
    changed["detail"] = {name: value for name, value in changed["detail"].items() if value is not None}
    return json.dumps({name: value for name, value in changed.items() if value is not None})


MALFORMED_ARN = "arn:aws:aws:cloudformation:us-east-1:111122223333:stack/shop"


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (event(RESOURCE), OF_STACK),
        (event(REPOSITORY), OF_LINK),
        (event(RESOURCE, **{"detail-type": "GitSync Resource Sync Status Change"}), OF_STACK),
        (event(REPOSITORY, **{"detail-type": "GitSync Repository Sync Status Change"}), OF_LINK),
        (event(RESOURCE, {"previousSync": None, "previousStatus": "IN_PROGRESS"}), OF_STACK),
        (event(RESOURCE, {"syncTarget": MALFORMED_ARN}, resources=[MALFORMED_ARN]), OF_STACK),
        (event(RESOURCE, {"syncTarget": f"arn:aws:stack/old:stack/{ARN}"}), OF_STACK),
        (event(RESOURCE, {"syncTarget": None}), OF_STACK),
        (event(RESOURCE, {"syncTarget": "shop"}, resources=[]), OF_STACK),
        (event(RESOURCE, resources={"a": 1}), OF_STACK),
        (event(RESOURCE, {"branch": None}), Hint("111122223333", "us-east-1", stack="shop")),
        (event(RESOURCE, {"branch": ["main"]}), Hint("111122223333", "us-east-1", stack="shop")),
        (event(RESOURCE, account="prod", region=None), Hint(None, None, stack="shop", branch="main")),
        (event(RESOURCE, account=111122223333), Hint(None, "us-east-1", stack="shop", branch="main")),
        (event(REPOSITORY, {"repositoryLinkId": None}), OF_LINK),
        (
            event(REPOSITORY, {"repositoryLinkId": None, "repositoryArn": None}, resources=[]),
            Hint("111122223333", "us-east-1", repository="org/templates", branch="main"),
        ),
        (
            event(REPOSITORY, {"ownerId": None}),
            Hint("111122223333", "us-east-1", link=LINK, branch="main"),
        ),
    ],
)
def test_an_event_names_its_stack_or_repository(body: str, hint: Hint) -> None:
    assert read_hint(body) == hint


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"a":' * 40_000, "not JSON"),
        (f'{{"account": {"9" * 100_000}}}', "not JSON"),
        ('"' + "x" * MAX_BODY_CHARACTERS + '"', "longer than"),
        ("null", "not an object"),
        ("[]", "not an object"),
        ("17", "not an object"),
        ("{}", "detail-type"),
        (event(RESOURCE, **{"detail-type": "CloudFormation Stack Status Change"}), "detail-type"),
        (event(RESOURCE, **{"detail-type": ["Git Sync"]}), "detail-type"),
        (event(RESOURCE, **{"detail-type": "Git Syncopation"}), "detail-type"),
        ('{"detail-type": "Git Sync Resource Sync Status Change", "detail": [1]}', "neither"),
        (event(RESOURCE, {"syncTarget": 1, "ownerId": {}}, resources=[None, 1, {}]), "neither"),
        (event(RESOURCE, {"syncTarget": "stack/"}, resources=["x" * 5000]), "neither"),
        (event(REPOSITORY, {"repositoryLinkId": None, "repositoryArn": None, "ownerId": 1}, resources=[]), "neither"),
    ],
)
def test_a_message_that_names_nothing_is_refused_with_the_reason(body: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_hint(body)


def test_a_hostile_message_costs_no_more_than_it_weighs() -> None:
    body = event(RESOURCE, {"junk": ["stack/" * 100] * 400, "more": {str(n): n for n in range(10_000)}})
    assert len(body) < 400_000
    begun = time.process_time()
    for _ in range(10):
        with pytest.raises(ValueError, match="longer"):
            read_hint(body)
        read_hint(event(RESOURCE, {"junk": "stack/" * 30_000}))
    assert time.process_time() - begun < 2.0


@pytest.mark.parametrize("form", FORMS)
def test_the_simulators_events_name_their_stack_and_repository(form: str) -> None:
    of_stack, of_repository = (read_hint(json.dumps(simulated(change, form))) for change in CHANGES)
    assert (of_stack.account, of_stack.region, of_stack.stack, of_stack.branch) == (*PLACE, "shop", "live")
    assert (of_repository.link, of_repository.repository, of_repository.branch) == (REPO_LINK, "org/shop", "live")
