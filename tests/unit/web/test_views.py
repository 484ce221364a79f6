"""The rows of targets that the page and the API show."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.conftest import EIGHT, a_snapshot, an_attempt, minute
from watcher.core.attempts import SeenAttempt, line_of
from watcher.core.diff import diff
from watcher.core.model import Attempt
from watcher.core.state import Known, Record
from watcher.core.sync_events import sync_event
from watcher.sources.codeconnections import REPOSITORY as LINKED
from watcher.sources.codeconnections import stack
from watcher.sources.proton import REPOSITORY as OF_PROTON
from watcher.web.attempts import attempts, recent_attempts
from watcher.web.views import committed_row

if TYPE_CHECKING:
    from watcher.core.diff import Change
    from watcher.core.model import Target

LINK = "6053346f-8a33-4edb-9397-10394b695173"
PROTON = {"provider": "GITHUB", "name": "org/templates", "branch": "release/1", "sync_type": "TEMPLATE_SYNC"}


@pytest.mark.parametrize(
    ("target", "branch"),
    [
        (LINKED.target("default", "us-east-1", {"link": LINK, "branch": "release/1"}), "release/1"),
        (OF_PROTON.target("default", "us-east-1", PROTON), "release/1"),
        (stack("default", "us-east-1", "shop", found={"repository": "org/shop", "branch": "main"}), "main"),
        (stack("default", "us-east-1", "shop"), None),
    ],
    ids=["linked repository", "repository of Proton", "discovered stack", "listed stack"],
)
def test_a_row_has_the_branch_that_is_known_without_an_attempt(target: Target, branch: str | None) -> None:
    assert committed_row(target, None, None)["branch"] == branch


def test_a_row_has_the_synced_beside_the_desired_commit_and_the_console() -> None:
    target = stack("prod", "eu-west-1", "shop")
    revision = {"repositoryProvider": "GITHUB", "repositoryName": "org/shop", "sha": "a" * 40}
    known = Known(
        None,
        EIGHT,
        desired_state={**revision, "sha": "b" * 40},
        latest_successful=Attempt(EIGHT, "SUCCEEDED", None, None, revision),
    )
    row = committed_row(target, Record(known), None)
    page = "https://github.com/org/shop/commit/"
    assert row["synced"] == {"sha": "a" * 40, "url": page + "a" * 40}
    assert row["desired"] == {"sha": "b" * 40, "url": page + "b" * 40}
    assert row["console_url"].startswith("https://eu-west-1.console.aws.amazon.com/cloudformation/")
    unseen = committed_row(target, None, None)
    assert (unseen["synced"], unseen["desired"]) == (None, None)


def test_a_row_has_the_last_attempts_the_newest_first_with_times_to_the_second() -> None:
    seen = [
        SeenAttempt(EIGHT + timedelta(milliseconds=1750), "IN_PROGRESS"),
        SeenAttempt(EIGHT, "FAILED", 12.6, "62c0ffee"),
    ]
    assert recent_attempts(Record(recent=tuple(map(line_of, seen)))) == [
        {"status": "IN_PROGRESS", "startedAt": "2026-11-23T08:00:01Z", "duration_seconds": None},
        {"status": "FAILED", "startedAt": "2026-11-23T08:00:00Z", "duration_seconds": 13},
    ]
    assert recent_attempts(None) == []


def test_a_target_has_attempts_without_an_event_and_at_most_twenty() -> None:
    lines = [
        line_of(SeenAttempt(minute(-number), "SUCCEEDED", 12.6, "62c0ffee", observed=False)) for number in range(20)
    ]
    events = [
        sync_event(stack("default", "us-east-1", "network"), change, sequence=1, now=minute(31))
        for change in _changes(an_attempt(30, "FAILED"))
    ]
    found = attempts(events, Record(recent=tuple(lines)))
    assert len(found) == 20
    assert [step["status"] for step in found[0]["steps"]] == ["FAILED"]
    assert found[1] == {
        "startedAt": "2026-11-23T08:00:00Z", "status": "SUCCEEDED", "sha": "62c0ffee", "commit_url": None,
        "duration_seconds": 12.6, "observed": False, "steps": [],
    }  # fmt: skip


def _changes(latest: Attempt) -> tuple[Change, ...]:
    now = latest.started_at
    return diff(None, a_snapshot(latest), now=now, stalled_after=timedelta(hours=1)).changes
